use super::pairs::{Pairs, RowPass, Softmax, cosines, cross_entropy, reduced};
use super::vector::HELD;
use super::vector::check_matrix;
use crate::check::{self, same_shape};
use crate::reduction::Reduction;
use crate::rowwise::each_block;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::lanes;
use autograd::tensor_core::kernel::rows::{RowBlock, Rows};
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use autograd::{Error, Float, Fused, Needs, Result, Tensor, Var, fused};

options! {
    /// Draws each image to its own text and each text to its own image, away from all others of the batch: the loss of
    /// CLIP, for any two kinds of data that come in pairs.
    ///
    /// # Formula
    /// With cosines `s[i, j]` of image `i` and text `j`, and `k = logit_scale`:
    /// `l[i] = (ln Σ_j e^(k s[i, j]) + ln Σ_j e^(k s[j, i])) / 2 - k s[i, i]`, the mean of the cross entropies of a row and
    /// a column with the diagonal. `Mean` divides by `N`. Gradient of the cosines:
    /// `k ((softmax of the row + softmax of the column) / 2 - [i = j])`; of the scale: the sum of that, without its `k`,
    /// times the cosines; of a vector `x` from that of its direction `x̂`: `(g - (g · x̂) x̂) / ‖x‖`.
    /// # Shape
    /// `image` and `text`: `(N, D)`; `logit_scale`: a scalar; the result is `(N)` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`] if shapes disagree, [`Error::Value`] if `logit_scale` is not above 0.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let image = Var::from(Tensor::from([[1.0f64, 0.0], [0.0, 3.0]]));
    /// let text = Var::from(Tensor::from([[2.0f64, 0.0], [0.0, 1.0]]));
    /// // What is learned is the scale's logarithm; e^0 = 1.
    /// let scale = Var::from(Tensor::scalar(0.0f64)).exp();
    /// let loss = clip_loss(&image, &text, &scale)?;
    /// assert!((loss.item()? - (-1f64).exp().ln_1p()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// For two encoders, one for each kind, with a temperature that is learned. Let the parameter be the logarithm of
    /// `logit_scale`, begun at `ln(1 / 0.07)` and held below `ln 100`. In very large batches
    /// [`siglip_loss`](super::siglip_loss) needs no sums over the batch; one way only is [`info_nce`](super::info_nce).
    /// # Reference
    /// Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*,
    /// [2103.00020](https://arxiv.org/abs/2103.00020), figure 3.
    /// # Differs from PyTorch
    /// PyTorch does not have it.
    pub struct ClipLoss {}
}

impl ClipLoss {
    /// The loss of pairs of an image and a text, each other pair of the batch being a negative.
    ///
    /// # Errors
    /// See [`ClipLoss`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        image: &Var<T>,
        text: &Var<T>,
        logit_scale: &Var<T>,
    ) -> Result<Var<T>> {
        check_matrix(NAME, "the image", image.shape())?;
        same_shape(NAME, "the text", text.shape(), image.shape())?;
        check_scalar(NAME, "the logit_scale", logit_scale)?;
        let is_bad = |k: T| !(k > T::ZERO && k.finite());
        let expected = "it must be above 0: it is the factor itself, not its logarithm";
        check::elements(NAME, "logit_scale", logit_scale.value(), is_bad, expected)?;
        let reduction = self.reduction;
        let divisor = reduction.divisor(image.shape()[0] as f64, image.shape());
        fused(Clip { reduction, divisor }, &[image, text, logit_scale])
    }
}

/// [`ClipLoss`] with its defaults.
///
/// # Errors
/// See [`ClipLoss`].
#[track_caller]
pub fn clip_loss<T: Float>(image: &Var<T>, text: &Var<T>, logit_scale: &Var<T>) -> Result<Var<T>> {
    ClipLoss::new().forward(image, text, logit_scale)
}

const NAME: &str = "clip_loss";

/// Checks that an input is a single number.
pub(super) fn check_scalar<T: Float>(
    op: &'static str,
    what: &'static str,
    x: &Var<T>,
) -> Result<()> {
    if x.ndim() == 0 {
        return Ok(());
    }
    Err(Error::Shape {
        op,
        what,
        got: x.shape().into(),
        expected: "it must be a scalar, without dimensions".into(),
    })
}

#[derive(Clone)]
struct Clip {
    reduction: Reduction,
    divisor: f64,
}

/// A row or column of cosines: its softmax, and its element on the diagonal.
#[derive(Clone, Copy, Default)]
struct Line {
    softmax: Softmax,
    own: f64,
}

/// The lines of a block of rows.
struct Lines<'a, T> {
    block: RowBlock<'a, T>,
    first: usize,
    k: f64,
    out: &'a mut [Line],
}
impl<T: Float> Kernel for Lines<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let mut exponentials = Vec::new();
        for (i, line) in self.out.iter_mut().enumerate() {
            let s = self.block.row(i);
            exponentials.clear();
            exponentials.extend_from_slice(s);
            *line = Line {
                softmax: Softmax::of::<I, T>(&mut exponentials, T::LOWEST, self.k),
                own: s[self.first + i].f64(),
            };
        }
    }
}

/// The lines of all rows of a square matrix, or of its columns if it is given transposed.
fn lines<T: Float>(s: &Tensor<T>, k: f64) -> Vec<Line> {
    let n = s.shape()[0];
    let rows = [Rows::new(s.buffer(), s.layout())];
    let mut out = vec![Line::default(); n];
    if n > 0 {
        par::split(&mut out, 1, n * 10, |start, out| {
            each_block(&rows, start, start + out.len(), |first, n, [block]| {
                dispatch(Lines {
                    block,
                    first,
                    k,
                    out: &mut out[first - start..][..n],
                });
            });
        });
    }
    out
}

/// Writes the gradients of the cosines, where the loss of row and column `i` counts `weight[i]` times.
#[derive(Clone)]
struct Slopes<T> {
    k: f64,
    rows: Vec<Line>,
    weight: Vec<f64>,
    columns: Columns<T>,
    /// What is missing of the diagonal's probability in its row and column.
    missing: Vec<f64>,
}

/// For each column its largest element, what its exponentials are to be multiplied by, and its own element.
#[derive(Clone)]
struct Columns<T> {
    top: Vec<T>,
    part: Vec<T>,
    own: Vec<T>,
}

impl<T: Float> Slopes<T> {
    fn new(k: f64, rows: &[Line], columns: &[Line], weight: Vec<f64>) -> Self {
        let lines = || columns.iter().zip(&weight);
        let part = |(c, w): (&Line, &f64)| T::of(0.5 * w * c.softmax.factor());
        let missing = |((c, w), r): ((&Line, &f64), &Line)| {
            0.5 * w * (r.softmax.missing(r.own) + c.softmax.missing(c.own))
        };
        Slopes {
            k,
            columns: Columns {
                top: columns.iter().map(|c| T::of(c.softmax.max())).collect(),
                part: lines().map(part).collect(),
                own: columns.iter().map(|c| T::of(c.own)).collect(),
            },
            missing: lines().zip(rows).map(missing).collect(),
            rows: rows.to_vec(),
            weight,
        }
    }
}

impl<T: Float> RowPass<T> for Slopes<T> {
    const NAME: &'static str = NAME;
    /// The slope in the scale, times the scale.
    type Out = f64;

    #[inline(always)]
    fn row<I: Isa>(&self, i: usize, s: &mut [T]) -> f64 {
        let Line { softmax, own } = self.rows[i];
        let (k, max, own) = (T::of(self.k), T::of(softmax.max()), T::of(own));
        let factor = T::of(0.5 * self.weight[i] * softmax.factor());
        let (mut slope, mut terms) = (0.0, [T::ZERO; HELD]);
        for (n, s) in s.chunks_mut(HELD).enumerate() {
            let here = n * HELD..n * HELD + s.len();
            let Columns { top, part, own: o } = &self.columns;
            let columns = top[here.clone()].iter().zip(&part[here.clone()]);
            let columns = columns.zip(&o[here]);
            let terms = &mut terms[..s.len()];
            for ((v, term), ((&top, &part), &other)) in s.iter_mut().zip(&mut *terms).zip(columns) {
                let along = ((*v - max) * k).exp_nonpositive::<I>() * factor;
                let across = ((*v - top) * k).exp_nonpositive::<I>() * part;
                // Written with differences, for the slopes of a line add up to nothing.
                *term = along * (*v - own) + across * (*v - other);
                *v = along + across;
            }
            slope += lanes::sum(terms);
        }
        s[i] = T::of(-self.missing[i]);
        slope
    }
}

/// The cosines or their gradients, their rows and columns, and the slope of all losses in the scale.
#[derive(Clone)]
struct Kept<T: Float> {
    pairs: Pairs<T>,
    rows: Vec<Line>,
    columns: Vec<Line>,
    slope: f64,
}

impl Clip {
    fn run<T: Float>(&self, inputs: &[&Tensor<T>], gradient: bool) -> Result<(Tensor<T>, Kept<T>)> {
        let k = inputs[2].item()?.f64();
        let pairs = Pairs::of(NAME, inputs[0], Some(inputs[1]))?;
        let (rows, columns) = (lines(&pairs.s, k), lines(&pairs.s.t(), k));
        let cost = |line: &Line| line.softmax.cost(line.own);
        let costs = rows.iter().zip(&columns);
        let values: Vec<f64> = costs.map(|(r, c)| 0.5 * (cost(r) + cost(c))).collect();
        let y = reduced(NAME, self.reduction, &values, self.divisor)?;
        let mut kept = Kept {
            pairs,
            rows,
            columns,
            slope: 0.0,
        };
        if gradient && self.reduction != Reduction::None {
            kept.slope = kept.pass(k, vec![1.0; values.len()]);
        }
        Ok((y, kept))
    }
}

impl<T: Float> Kept<T> {
    /// Writes the gradients of the cosines in their place; the slope in the scale.
    fn pass(&mut self, k: f64, weight: Vec<f64>) -> f64 {
        let slopes = Slopes::new(k, &self.rows, &self.columns, weight);
        self.pairs.pass(&slopes).iter().sum::<f64>() / k
    }
}

impl<T: Float> Fused<T> for Clip {
    type Saved = Kept<T>;

    fn name(&self) -> &'static str {
        NAME
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let z = cosines(&v[0], &v[1])?.mul(&v[2])?;
        let own = Tensor::arange(0, z.shape()[0] as i64, 1)?;
        let both = cross_entropy(&z, &own)?.add(cross_entropy(&z.t(), &own)?)?;
        let rows = both.mul(0.5)?;
        self.reduction.apply(&rows, self.divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Kept<T>)> {
        self.run(inputs, false)
    }

    fn forward_for(&self, inputs: &[&Tensor<T>], _: Needs) -> Result<(Tensor<T>, Kept<T>)> {
        self.run(inputs, true)
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        kept: &Kept<T>,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let wanted = [needs.get(0), needs.get(1)];
        let (vectors, slope): ([_; 2], f64) = if self.reduction == Reduction::None {
            // A row's gradients and a column's count differently: they are made for these numbers, in a copy of the
            // cosines.
            let mut kept = kept.clone();
            let weight = dy.to_vec().iter().map(|g| g.f64()).collect();
            let slope = kept.pass(inputs[2].item()?.f64(), weight);
            let one = Tensor::scalar(T::ONE);
            (kept.pairs.back_each(&one, wanted)?, slope)
        } else {
            let g = self.reduction.scale(dy, self.divisor)?;
            let vectors = kept.pairs.back_each(&Tensor::scalar(g), wanted)?;
            (vectors, kept.slope * g.f64())
        };
        let scale = needs.get(2).then(|| Tensor::scalar(T::of(slope)));
        Ok(vectors.into_iter().chain([scale]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::InfoNce;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "clip_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            // Inputs come in the order of their names: image, logit_scale, text.
            ClipLoss::new()
                .reduction(case.reduction())
                .forward(&v[0], &v[2], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// It is the mean of the loss from images to texts and that from texts to images, with a batch larger than any block.
    #[test]
    fn both_ways_in_a_large_batch() {
        let vectors = |seed: usize| {
            let at = |i: usize| (((i * 7919 + seed * 104_729) % 1009) as f64 / 504.0 - 1.0) as f32;
            Tensor::from_vec((0..300 * 20).map(at).collect(), [300, 20]).unwrap()
        };
        let tape = Tape::new();
        let (a, b) = (tape.leaf(vectors(1)), tape.leaf(vectors(2)));
        let clip = clip_loss(&a, &b, &Var::from(Tensor::scalar(5.0))).unwrap();
        let one_way = InfoNce::new().temperature(0.2);
        let both = one_way
            .forward(&a, &b)
            .unwrap()
            .add(one_way.forward(&b, &a).unwrap());
        let both = both.unwrap().mul(0.5).unwrap();
        let (clip, both) = (
            (clip.item().unwrap(), clip.backward()),
            (both.item().unwrap(), both.backward()),
        );
        assert!((clip.0 - both.0).abs() < 1e-6 * both.0);
        let (clip, both) = (clip.1.unwrap(), both.1.unwrap());
        for x in [&a, &b] {
            let (got, want) = (clip.get(x).unwrap(), both.get(x).unwrap());
            crate::testing::assert_close("gradient", got, want, 1e-5, 1e-5);
        }
    }

    #[test]
    fn the_logarithm_of_a_scale_is_refused() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = clip_loss(&x, &x, &Var::from(Tensor::scalar(-2.5))).unwrap_err();
        assert_eq!(
            e.to_string(),
            "clip_loss: logit_scale is -2.5, but it must be above 0: it is the factor itself, not its logarithm"
        );
        let e = clip_loss(&x, &x, &Var::from(Tensor::from([1.0]))).unwrap_err();
        assert_eq!(
            e.to_string(),
            "clip_loss: the logit_scale has shape [1], but it must be a scalar, without dimensions"
        );
    }

    #[test]
    fn an_empty_batch() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f64>::zeros([0, 3]).unwrap());
        let k = tape.leaf(Tensor::scalar(2.0));
        let loss = clip_loss(&x, &x, &k).unwrap();
        assert!(loss.item().unwrap().is_nan());
        let grads = loss.backward().unwrap();
        assert_eq!(grads.get(&x).unwrap().shape(), [0, 3]);
        assert_eq!(grads.get(&k).unwrap().item().unwrap(), 0.0);
    }
}
