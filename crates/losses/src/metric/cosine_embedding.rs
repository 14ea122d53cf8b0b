use crate::check::{self, same_shape};
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::softmax::WIDTH;
use autograd::{Error, Float, Result, Tensor, Var, keepdim};

options! {
    /// Draws pairs of vectors together by their cosine where the target is 1, and apart where it is -1.
    ///
    /// # Formula
    /// `l = 1 - cos(a, b)` where `t = 1`, and `max(0, cos(a, b) - margin)` where `t = -1`; `Mean` divides by the number
    /// of pairs. Gradient of the cosine: `(b/|b| - cos · a/|a|) / |a|` for `a`.
    /// # Shape
    /// `a` and `b`: `(N, D)` or `(D)`; `t`: `(N)` or a scalar; the result is as `t` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`] if shapes disagree, [`Error::Value`] for a target other than 1 and -1.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let a = Var::from(Tensor::from([[1.0f32, 0.0], [1.0, 0.0]]));
    /// let b = Var::from(Tensor::from([[0.0f32, 2.0], [3.0, 0.0]]));
    /// let loss = cosine_embedding_loss(&a, &b, &Tensor::from([1.0, -1.0]))?;
    /// assert_eq!(loss.item()?, 1.0); // at right angles where they should agree, parallel where they should not
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`cosine_embedding_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.cosine_embedding_loss.html).
    /// # Differs from PyTorch
    /// - The cosine with a zero vector is 0 and has no slope; there the slope is about a million.
    /// - Vectors of any length have their true cosine; there `1e-12` is added to squared lengths, and large ones overflow.
    /// - `1 - cos` of nearly parallel vectors is half the squared distance of their directions, which does not cancel.
    /// - Targets other than 1 and -1 are errors; there they cost 0. Nothing broadcasts.
    pub struct CosineEmbeddingLoss {
        /// The cosine up to which vectors that should differ cost nothing; from -1 to 1.
        margin: f64 = 0.0,
    }
}

impl CosineEmbeddingLoss {
    /// The loss of pairs `a`, `b` with targets `t` of 1 or -1.
    ///
    /// # Errors
    /// See [`CosineEmbeddingLoss`].
    pub fn forward<T: Float>(&self, a: &Var<T>, b: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
        let op = <CosineEmbedding<T> as RowLoss<T, 2>>::NAME;
        if a.ndim() == 0 || a.ndim() > 2 {
            let expected = "it must be one vector, or one in each row".into();
            return Err(Error::Shape {
                op,
                what: "the input",
                got: a.shape().into(),
                expected,
            });
        }
        same_shape(op, "the second input", b.shape(), a.shape())?;
        if t.shape() != &a.shape()[..a.ndim() - 1] {
            let expected = format!(
                "the inputs have shape {:?}: there must be one target for each pair",
                a.shape()
            );
            return Err(Error::Shape {
                op,
                what: "the target",
                got: t.shape().into(),
                expected,
            });
        }
        check::signs(op, "target", t)?;
        check::option(
            op,
            "margin",
            self.margin,
            !self.margin.is_nan(),
            "it must be a number from -1 to 1",
        )?;
        let loss = CosineEmbedding {
            same: t.gt(T::ZERO)?.to_vec(),
            target: t.clone(),
            margin: self.margin,
        };
        rowwise::run(loss, [a, b], a.ndim() - 1, self.reduction, t.numel() as f64)
    }
}

/// [`CosineEmbeddingLoss`] with its defaults.
///
/// # Errors
/// See [`CosineEmbeddingLoss`].
pub fn cosine_embedding_loss<T: Float>(a: &Var<T>, b: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    CosineEmbeddingLoss::new().forward(a, b, t)
}

#[derive(Clone)]
struct CosineEmbedding<T: Float> {
    same: Vec<bool>,
    target: Tensor<T>,
    margin: f64,
}

/// What a row's backward needs: the inverse lengths and `1 - cos`.
#[derive(Clone, Copy, Default)]
struct Angle {
    inverse_a: f64,
    inverse_b: f64,
    one_minus_cos: f64,
}

/// The length of a vector without overflow: `f32` squares fit `f64`, and `f64` is scaled by its largest element.
#[inline(always)]
fn length<T: Float>(x: &[T]) -> f64 {
    let largest = x.iter().fold(0.0f64, |m, v| m.max(v.f64().abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    // A power of two, so that scaling rounds nothing.
    let scale = if (1e-140..1e140).contains(&largest) {
        1.0
    } else {
        2f64.powi(-(largest.log2().floor() as i32))
    };
    let mut sums = [0.0f64; WIDTH];
    let (whole, rest) = x.as_chunks::<WIDTH>();
    for group in whole {
        for (s, v) in sums.iter_mut().zip(group) {
            *s += (v.f64() * scale) * (v.f64() * scale);
        }
    }
    for (s, v) in sums.iter_mut().zip(rest) {
        *s += (v.f64() * scale) * (v.f64() * scale);
    }
    sums.iter().sum::<f64>().sqrt() / scale
}

#[inline(always)]
fn angle<T: Float>(a: &[T], b: &[T]) -> Angle {
    let (la, lb) = (length(a), length(b));
    if la == 0.0 || lb == 0.0 {
        // The cosine with a zero vector is 0, and has no slope.
        return Angle {
            one_minus_cos: 1.0,
            ..Angle::default()
        };
    }
    let (ia, ib) = (1.0 / la, 1.0 / lb);
    // Half the squared distance of the two directions is 1 - cos; of opposite ones, their sum's is 1 + cos.
    let (mut apart, mut along) = ([0.0f64; WIDTH], [0.0f64; WIDTH]);
    for (a, b) in a.chunks(WIDTH).zip(b.chunks(WIDTH)) {
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            let (a, b) = (a.f64() * ia, b.f64() * ib);
            apart[i] += (a - b) * (a - b);
            along[i] += a * b;
        }
    }
    let cos = along.iter().sum::<f64>();
    let one_minus_cos = if cos > 0.5 {
        0.5 * apart.iter().sum::<f64>()
    } else {
        1.0 - cos
    };
    Angle {
        inverse_a: ia,
        inverse_b: ib,
        one_minus_cos,
    }
}

impl<T: Float> RowLoss<T, 2> for CosineEmbedding<T> {
    const NAME: &'static str = "cosine_embedding_loss";
    const COST: usize = 4;
    type Keep = Angle;

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, [a, b]: [&[T]; 2]) -> (f64, Angle) {
        let angle = angle(a, b);
        let value = if self.same[i] {
            angle.one_minus_cos
        } else {
            let above = (1.0 - self.margin) - angle.one_minus_cos;
            // Not `max`, which would swallow a NaN.
            if above <= 0.0 { 0.0 } else { above }
        };
        (value, angle)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        i: usize,
        [a, b]: [&[T]; 2],
        keep: Angle,
        g: T,
        dx: &mut [T],
    ) {
        let Angle {
            inverse_a,
            inverse_b,
            one_minus_cos,
        } = keep;
        let active = self.same[i] || (1.0 - self.margin) - one_minus_cos > 0.0;
        if !active || inverse_a == 0.0 {
            return dx.fill(T::ZERO);
        }
        let (x, y, ix, iy) = if K == 0 {
            (a, b, inverse_a, inverse_b)
        } else {
            (b, a, inverse_b, inverse_a)
        };
        let g = g.f64() * if self.same[i] { -ix } else { ix };
        for ((d, x), y) in dx.iter_mut().zip(x).zip(y) {
            let (x, y) = (x.f64() * ix, y.f64() * iy);
            // y/|y| - cos · x/|x|, written so that nearly parallel vectors do not cancel.
            *d = T::of(((y - x) + one_minus_cos * x) * g);
        }
    }

    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (a, b) = (direction(&v[0])?, direction(&v[1])?);
        // 1 - cos in the two forms that the kernel has, each where it does not cancel.
        let along = a.mul(&b)?.sum(-1)?;
        let near = along.value().gt(0.5)?;
        let flat = -(&along - 1.0);
        let one_minus_cos = a
            .sub(&b)?
            .square()
            .sum(-1)?
            .mul(0.5)?
            .where_(&near, &flat)?;
        let zero = |x: &Var<T>| -> Result<Tensor<bool>> { x.value().eq(T::ZERO)?.all(-1) };
        // With a zero vector the loss is constant.
        let constant = zero(&v[0])?.logical_or(&zero(&v[1])?)?;
        let one_minus_cos = one_minus_cos.masked_fill(&constant, T::ONE)?;
        let apart = -(&one_minus_cos - (1.0 - self.margin));
        let apart = apart.keep_where(&apart.value().le(T::ZERO)?.logical_not());
        one_minus_cos.where_(&self.target.gt(T::ZERO)?, &apart)
    }
}

/// Each row divided by its length; a zero row stays as it is, and has no slope.
fn direction<T: Float>(x: &Var<T>) -> Result<Var<T>> {
    let largest = x.value().abs().max(keepdim(-1))?;
    let scale = largest.map(|m: T| {
        if m == T::ZERO {
            T::ONE
        } else {
            T::of(2f64.powi(-(m.f64().log2().floor() as i32)))
        }
    });
    let x = x.mul(Var::from(scale))?;
    let squares = x.square().sum(keepdim(-1))?;
    let zero = squares.value().eq(T::ZERO)?;
    x.div(squares.masked_fill(&zero, T::ONE)?.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "cosine_embedding_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let options = CosineEmbeddingLoss::new()
                .margin(case.f64("margin", 0.0))
                .reduction(case.reduction());
            // Fixtures give the target as integers or as numbers.
            let t = if case.is_int("target") {
                case.ints("target").cast()
            } else {
                v[2].value().clone()
            };
            options.forward(&v[0], &v[1], &t)
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }
}
