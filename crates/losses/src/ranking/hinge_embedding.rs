use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Makes a distance small where the target is 1, and larger than a margin where it is -1.
    ///
    /// # When to use
    /// Where the distance of two things is already at hand, of whatever kind. From the two embeddings themselves start
    /// with [`CosineEmbeddingLoss`](crate::metric::CosineEmbeddingLoss).
    ///
    /// # Formula
    /// `l = x` where `t = 1`, and `max(0, margin - x)` where `t = -1`; `Mean` divides by the number of elements. Gradient:
    /// 1, and -1 where `x < margin`, else 0, also at the kink. A negative `x` with `t = 1` is a negative loss.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Value`](crate::Error::Value) for a target
    /// other than 1 and -1, [`Error::Option`](crate::Error::Option) for a margin that is NaN.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.25f32, 0.25, 3.0]));
    /// let t = Tensor::from([1.0, -1.0, -1.0]);
    /// let loss = HingeEmbeddingLoss::new().reduction(Reduction::None).forward(&x, &t)?;
    /// assert_eq!(loss.value().to_vec(), [0.25, 0.75, 0.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`hinge_embedding_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.hinge_embedding_loss.html).
    /// # Differs from PyTorch
    /// Targets other than 1 and -1 are errors; there both terms are added up for them. Shapes must be equal; there they
    /// broadcast without a word.
    pub struct HingeEmbeddingLoss {
        /// The distance from which on what does not belong together costs nothing.
        margin: f64 = 1.0,
    }
}

impl HingeEmbeddingLoss {
    /// The loss of distances `x` and targets `t` of 1 or -1.
    ///
    /// # Errors
    /// See [`HingeEmbeddingLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
        let op = <HingeEmbedding as Pointwise<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        check::option(
            op,
            "margin",
            self.margin,
            !self.margin.is_nan(),
            "it must be a number",
        )?;
        check::signs(op, "target", t)?;
        let loss = HingeEmbedding {
            margin: self.margin,
        };
        elementwise::run(
            loss,
            [x, &Var::from(t)],
            None,
            self.reduction,
            x.numel() as f64,
        )
    }
}

/// [`HingeEmbeddingLoss`] with its defaults.
///
/// # Errors
/// See [`HingeEmbeddingLoss`].
#[track_caller]
pub fn hinge_embedding_loss<T: Float>(x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    HingeEmbeddingLoss::new().forward(x, t)
}

#[derive(Clone)]
struct HingeEmbedding {
    margin: f64,
}

impl<T: Float> Pointwise<T, 2> for HingeEmbedding {
    const NAME: &'static str = "hinge_embedding_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let short = T::of(self.margin) - x;
        // Not `max`, which would swallow a NaN.
        let apart = if short <= T::ZERO { T::ZERO } else { short };
        if t > T::ZERO { x } else { apart }
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let apart = if T::of(self.margin) - x <= T::ZERO {
            T::ZERO
        } else {
            -T::ONE
        };
        if t > T::ZERO { T::ONE } else { apart }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let together = v[1].value().gt(T::ZERO)?;
        v[0].where_(&together, (self.margin - &v[0]).relu())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "hinge_embedding_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            HingeEmbeddingLoss::new()
                .margin(case.f64("margin", 1.0))
                .reduction(case.reduction())
                .forward(&v[0], v[1].value())
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// PyTorch adds up both terms for them.
    #[test]
    fn targets_that_are_no_signs_are_named() {
        let x = Var::from(Tensor::from([1.0f32, 2.0, 3.0]));
        for bad in [0.0f32, 2.0, -3.0, 0.5] {
            let e = hinge_embedding_loss(&x, &Tensor::from([1.0, bad, -1.0])).unwrap_err();
            let expected =
                format!("hinge_embedding_loss: target[1] is {bad}, but it must be 1 or -1");
            assert_eq!(e.to_string(), expected);
        }
    }

    #[test]
    fn nothing_broadcasts() {
        let x = Var::from(Tensor::from([[1.0f32, 2.0]]));
        assert!(hinge_embedding_loss(&x, &Tensor::from([1.0, -1.0])).is_err());
    }
}
