use super::vector::{HELD, add_up};
use crate::check;
use crate::classification::target::{check_classes, class_dim};
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::softmax;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The cross entropy of scaled cosines in which the own class must win by a margin of its angle (ArcFace) or of its
    /// cosine (CosFace).
    ///
    /// # Formula
    /// With `cos θ` the cosines of a vector with the directions of the classes:
    /// `l = ln (e^z + Σ_{j ≠ t} e^(scale · cos θ[j])) - z` of `z = scale (cos(θ[t] + margin) - additive)`. `Mean` divides
    /// by the number of rows. Gradient of the cosines: `scale · softmax` for the other classes, and
    /// `scale (softmax - 1) (cos margin + sin margin · cos θ / sin θ)` for the own one.
    /// # Shape
    /// `cosines`: `(C)`, `(N, C)` or `(N, C, d…)`; `target`: a scalar, `(N)` or `(N, d…)`; the result is as the target
    /// with [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree; [`Error::Class`](crate::Error::Class) for a class outside
    /// `0..C`; [`Error::Option`](crate::Error::Option) if `scale` is not above 0 or a margin is not a number.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // CosFace: a lead of 0.3 in the cosine is all used up by the margin, so that both classes are as likely.
    /// let cosines = Var::from(Tensor::from([[0.8f64, 0.5]]));
    /// let options = MarginSoftmaxLoss::new().margin(0.0).additive(0.3);
    /// let loss = options.forward(&cosines, &Tensor::from([0]))?;
    /// assert!((loss.item()? - 2f64.ln()).abs() < 1e-12);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// To train embeddings of faces, speakers or products as a classifier, when afterwards their cosines are compared: the
    /// cosines are those of an embedding with one learned direction for each class, made by normalising both and a matrix
    /// product. ArcFace is `margin = 0.5`, the default; CosFace is `margin(0.0).additive(0.35)`. Where
    /// `θ + margin` passes `π`, the cosine rises again: keep the margin small.
    /// # Reference
    /// Deng et al., *ArcFace*, [1801.07698](https://arxiv.org/abs/1801.07698); Wang et al., *CosFace*,
    /// [1801.09414](https://arxiv.org/abs/1801.09414).
    /// # Differs from PyTorch
    /// PyTorch does not have it. Cosines that rounding has put beyond ±1 count as they are, with an angle that has no
    /// slope, as has one of exactly 0 or `π`.
    pub struct MarginSoftmaxLoss {
        /// What cosines are multiplied by; above 0.
        scale: f64 = 64.0,
        /// What is added to the angle of the own class, in radians.
        margin: f64 = 0.5,
        /// What is taken off the cosine of the own class.
        additive: f64 = 0.0,
    }
}

impl MarginSoftmaxLoss {
    /// The loss of cosines with the directions of the classes, and targets, the classes.
    ///
    /// # Errors
    /// See [`MarginSoftmaxLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, cosines: &Var<T>, target: &Tensor<i64>) -> Result<Var<T>> {
        // No class is left out.
        check_classes(NAME, "cosines", target, cosines.shape(), None)?;
        let holds = self.scale > 0.0 && self.scale.is_finite();
        check::option(NAME, "scale", self.scale, holds, "it must be above 0")?;
        for (name, value) in [("margin", self.margin), ("additive", self.additive)] {
            check::option(NAME, name, value, value.is_finite(), "it must be a number")?;
        }
        let dim = class_dim(NAME, cosines.shape())?.0;
        let loss = MarginSoftmax {
            dim: dim as isize,
            target: target.to_vec(),
            classes: target.clone(),
            scale: self.scale,
            turn: [self.margin.cos(), self.margin.sin()],
            additive: self.additive,
        };
        let rows = target.numel() as f64;
        rowwise::run(loss, [cosines], dim, self.reduction, rows)
    }
}

/// [`MarginSoftmaxLoss`] with its defaults.
///
/// # Errors
/// See [`MarginSoftmaxLoss`].
#[track_caller]
pub fn margin_softmax_loss<T: Float>(cosines: &Var<T>, target: &Tensor<i64>) -> Result<Var<T>> {
    MarginSoftmaxLoss::new().forward(cosines, target)
}

const NAME: &str = "margin_softmax_loss";

#[derive(Clone)]
struct MarginSoftmax {
    dim: isize,
    target: Vec<i64>,
    classes: Tensor<i64>,
    scale: f64,
    /// Cosine and sine of the margin.
    turn: [f64; 2],
    additive: f64,
}

/// A row: the largest of the moved cosine and the others, `Σ e^(scale (cos - max))` of all but one that is the
/// largest, how far the moved one lies below, and its slope.
#[derive(Clone, Copy, Default)]
struct Kept {
    max: f64,
    rest: f64,
    below: f64,
    slope: f64,
}

impl MarginSoftmax {
    /// `cos(θ + margin) - additive` from `cos θ`, and its slope.
    #[inline(always)]
    fn moved(&self, cos: f64) -> (f64, f64) {
        let [c, s] = self.turn;
        let sine = (1.0 - cos) * (1.0 + cos);
        if s == 0.0 || sine <= 0.0 {
            return (cos * c - self.additive, c);
        }
        let sine = sine.sqrt();
        (cos * c - sine * s - self.additive, c + s * cos / sine)
    }
}

/// The own class of a row: its moved cosine and the slope of that, and the largest of that and the other cosines.
#[derive(Clone, Copy)]
struct Own {
    moved: f64,
    slope: f64,
    max: f64,
}

impl MarginSoftmax {
    #[inline(always)]
    fn own<T: Float>(&self, x: &[T], t: usize) -> Own {
        let (moved, slope) = self.moved(x[t].f64());
        let [low, high] = [&x[..t], &x[t + 1..]].map(softmax::max);
        let other = low.max_(high).f64();
        let max = if other > moved { other } else { moved };
        Own { moved, slope, max }
    }

    /// `e^(scale (x - max))`, also of the own class, where it may be anything.
    #[inline(always)]
    fn exps<I: Isa, T: Float>(&self, x: &[T], max: f64, out: &mut [T]) {
        for (o, v) in out.iter_mut().zip(x) {
            *o = T::of((v.f64() - max) * self.scale).exp::<I>();
        }
    }

    /// The loss of a row, from the sum of the other classes' exponentials that are not 1, and how many are.
    #[inline(always)]
    fn cost(&self, own: Own, mut sum: f64, mut ties: f64) -> (f64, Kept) {
        let below = (own.max - own.moved) * self.scale;
        if below == 0.0 {
            ties += 1.0;
        } else {
            sum += (-below).exp();
        }
        let kept = Kept {
            max: own.max,
            rest: sum + (ties - 1.0),
            below,
            slope: own.slope,
        };
        (kept.rest.ln_1p() + below, kept)
    }
}

impl Kept {
    /// What is missing of the own probability to 1, without cancelling where that is little.
    #[inline(always)]
    fn missing(self) -> f64 {
        (self.rest - (-self.below).exp_m1()) / (1.0 + self.rest)
    }
}

impl<T: Float> RowLoss<T, 1> for MarginSoftmax {
    const NAME: &'static str = NAME;
    const COST: usize = 10;
    type Keep = Kept;

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, [x]: [&[T]; 1]) -> (f64, Kept) {
        let t = self.target[i] as usize;
        let own = self.own(x, t);
        let mut held = [T::ZERO; HELD];
        let (mut sum, mut ties) = (0.0, 0.0);
        for (k, x) in x.chunks(HELD).enumerate() {
            let here = &mut held[..x.len()];
            self.exps::<I, T>(x, own.max, here);
            if let Some(own) = here.get_mut(t.wrapping_sub(k * HELD)) {
                *own = T::ZERO;
            }
            let [s, n] = add_up(here);
            (sum, ties) = (sum + s, ties + n);
        }
        self.cost(own, sum, ties)
    }

    /// The exponentials are made once, where the slopes come to lie.
    #[inline(always)]
    fn value_and_slope<I: Isa>(&self, i: usize, [x]: [&[T]; 1], g: T, dx: &mut [T]) -> f64 {
        let t = self.target[i] as usize;
        let own = self.own(x, t);
        self.exps::<I, T>(x, own.max, dx);
        dx[t] = T::ZERO;
        let [sum, ties] = add_up(dx);
        let (value, kept) = self.cost(own, sum, ties);
        let g = g.f64() * self.scale;
        let factor = T::of(g / (1.0 + kept.rest));
        dx.iter_mut().for_each(|d| *d = *d * factor);
        dx[t] = T::of(-g * kept.missing() * kept.slope);
        value
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        i: usize,
        [x]: [&[T]; 1],
        kept: Kept,
        g: T,
        dx: &mut [T],
    ) {
        let g = g.f64() * self.scale;
        let factor = T::of(g / (1.0 + kept.rest));
        self.exps::<I, T>(x, kept.max, dx);
        dx.iter_mut().for_each(|d| *d = *d * factor);
        dx[self.target[i] as usize] = T::of(-g * kept.missing() * kept.slope);
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, dim) = (&v[0], self.dim);
        if x.numel() == 0 {
            return Ok(Var::from(self.classes.cast::<T>().mul(T::ZERO)?));
        }
        let index = if x.ndim() == 1 {
            self.classes.reshape([1])?
        } else {
            self.classes.unsqueeze(dim)?
        };
        let [c, s] = self.turn;
        let cos = x.gather(dim, &index)?;
        let square = (1.0 - &cos).mul(&cos + 1.0)?;
        let flat = square.value().le(T::ZERO)?;
        let sine = square.masked_fill(&flat, T::ONE)?.sqrt();
        let sine = sine.keep_where(&flat.logical_not())?;
        let moved = cos.mul(c)?.sub(sine.mul(s)?)?.sub(self.additive)?;
        let log = x
            .scatter(dim, &index, &moved)?
            .mul(self.scale)?
            .log_softmax(dim)?;
        log.pick(dim, &self.classes).map(|l| -l)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, assert_close, check_loss};
    use autograd::{Tape, gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "margin_softmax_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            MarginSoftmaxLoss::new()
                .scale(case.f64("scale", 64.0))
                .margin(case.f64("margin", 0.5))
                .additive(case.f64("additive", 0.0))
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Cosines of exactly ±1, and beyond: value at the end of the arc, slope without its infinite part.
    #[test]
    fn the_ends_of_the_arc() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([
            [1.0f64, 0.0],
            [-1.0, 0.0],
            [1.0 + 1e-7, 0.0],
        ]));
        let options = MarginSoftmaxLoss::new()
            .scale(1.0)
            .reduction(Reduction::None);
        let loss = options.forward(&x, &Tensor::from([0, 0, 0])).unwrap();
        let c = 0.5f64.cos();
        let own = [c, -c, c * (1.0 + 1e-7)];
        let want = own.map(|z| (-z).exp().ln_1p());
        assert_close("loss", loss.value(), &Tensor::from(want), 1e-14, 0.0);
        let dx = loss.sum(..).unwrap().backward().unwrap();
        let dx = dx.get(&x).unwrap().to_vec();
        for (row, z) in dx.chunks(2).zip(own) {
            let other = 1.0 / (1.0 + z.exp());
            assert!((row[0] + c * other).abs() < 1e-15 && (row[1] - other).abs() < 1e-15);
        }
    }

    /// The own class leads by 1.8 in its cosine after a margin of 0.1: 64 · 1.8 is far beyond where 1 + e^-z is 1.
    #[test]
    fn a_confident_row_keeps_its_digits() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[0.5f32, -0.25, -0.5]]));
        let options = MarginSoftmaxLoss::new().margin(0.0).additive(0.125);
        let loss = options.forward(&x, &Tensor::from([0])).unwrap();
        // Leads of 0.625 and 0.875, exact in binary.
        let parts = [(-40f64).exp(), (-56f64).exp()];
        let total = parts[0] + parts[1];
        assert_close(
            "loss",
            loss.value(),
            &Tensor::scalar(total as f32),
            4e-6,
            0.0,
        );
        let want = [-64.0 * total, 64.0 * parts[0], 64.0 * parts[1]].map(|v| v as f32);
        let dx = loss.backward().unwrap();
        assert_close(
            "slopes",
            dx.get(&x).unwrap(),
            &Tensor::from([want]),
            4e-6,
            0.0,
        );
    }

    #[test]
    fn other_shapes() {
        let x = Tensor::from([[[0.1, -0.3], [0.5, 0.2], [-0.6, 0.7]]]);
        let f = |v: &[Var<f64>]| margin_softmax_loss(&v[0], &Tensor::from([[1, 2]]));
        gradcheck(f, std::slice::from_ref(&x)).unwrap().assert_ok();
        gradgradcheck(f, std::slice::from_ref(&x))
            .unwrap()
            .assert_ok();
        let row = x.select(2, 1).unwrap().select(0, 0).unwrap();
        let f = |v: &[Var<f64>]| margin_softmax_loss(&v[0], &Tensor::scalar(2));
        gradcheck(f, std::slice::from_ref(&row))
            .unwrap()
            .assert_ok();
        gradgradcheck(f, &[row]).unwrap().assert_ok();
    }

    #[test]
    fn the_message_names_the_class() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0], [0.5, 0.5]]));
        let e = margin_softmax_loss(&x, &Tensor::from([0, -1])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "margin_softmax_loss: target[1] is -1, but the cosines have 2 classes"
        );
    }
}
