use super::vector::{Angle, AngleVar};
use crate::check::{self, same_shape};
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::{Error, Float, Result, Tensor, Var};

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
    /// # When to use
    /// For pairs that are known to belong together or not, where only the direction of an embedding counts. By distance
    /// there is [`contrastive_loss`](super::contrastive_loss); a batch of positive pairs, whose others are all negative,
    /// teaches more by [`info_nce`](super::info_nce).
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
    #[track_caller]
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
#[track_caller]
pub fn cosine_embedding_loss<T: Float>(a: &Var<T>, b: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    CosineEmbeddingLoss::new().forward(a, b, t)
}

#[derive(Clone)]
struct CosineEmbedding<T: Float> {
    same: Vec<bool>,
    target: Tensor<T>,
    margin: f64,
}

impl<T: Float> CosineEmbedding<T> {
    /// How far the cosine lies above the margin.
    #[inline(always)]
    fn above(&self, angle: Angle) -> f64 {
        (1.0 - self.margin) - angle.one_minus_cos()
    }
}

impl<T: Float> RowLoss<T, 2> for CosineEmbedding<T> {
    const NAME: &'static str = "cosine_embedding_loss";
    const COST: usize = 4;
    type Keep = Angle;

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, rows: [&[T]; 2]) -> (f64, Angle) {
        let angle = Angle::of(rows);
        let value = if self.same[i] {
            angle.one_minus_cos()
        } else {
            let above = self.above(angle);
            // Not `max`, which would swallow a NaN.
            if above <= 0.0 { 0.0 } else { above }
        };
        (value, angle)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        i: usize,
        rows: [&[T]; 2],
        angle: Angle,
        g: T,
        dx: &mut [T],
    ) {
        if self.same[i] {
            angle.slope::<T, K>(rows, -g.f64(), dx);
        } else if self.above(angle) <= 0.0 {
            dx.fill(T::ZERO);
        } else {
            angle.slope::<T, K>(rows, g.f64(), dx);
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let angle = AngleVar::of(&v[0], &v[1])?;
        // 1 - cos is the gap itself where the vectors point the same way, else 2 less the gap.
        let one_minus_cos = angle
            .gap
            .where_(&angle.sign.gt(T::ZERO)?, 2.0 - &angle.gap)?;
        let apart = -(&one_minus_cos - (1.0 - self.margin));
        let apart = apart.keep_where(&apart.value().le(T::ZERO)?.logical_not())?;
        one_minus_cos.where_(&self.target.gt(T::ZERO)?, &apart)
    }
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
