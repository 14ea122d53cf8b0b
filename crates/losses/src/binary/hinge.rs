use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The loss of a support vector machine: a score on the right side and at least 1 away costs nothing.
    ///
    /// # When to use
    /// For a decision between two classes where no probability is asked for, and as the critic's loss of a generative
    /// adversarial network. [`SoftMarginLoss`](crate::binary::SoftMarginLoss) is its smooth relative.
    ///
    /// # Formula
    /// `l = max(0, 1 - t x)`; `Mean` divides by the number of elements. Gradient: `-t` where `t x < 1`, else 0, also at
    /// the kink.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Value`](crate::Error::Value) for a target
    /// other than 1 and -1.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([3.0f32, 0.5, 0.5]));
    /// let loss = HingeLoss::new().reduction(Reduction::None).forward(&x, &Tensor::from([1.0, 1.0, -1.0]))?;
    /// assert_eq!(loss.value().to_vec(), [0.0, 0.5, 1.5]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Cortes and Vapnik, *Support-Vector Networks*, 1995.
    /// # Differs from PyTorch
    /// PyTorch has no such loss. Keras and optax have it, and take labels of 0 for -1 or for nothing; here they are errors.
    pub struct HingeLoss {}
}

impl HingeLoss {
    /// The loss of scores `x` and targets `t` of 1 or -1.
    ///
    /// # Errors
    /// See [`HingeLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
        let op = <Hinge as Pointwise<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        check::signs(op, "target", t)?;
        elementwise::run(
            Hinge,
            [x, &Var::from(t)],
            None,
            self.reduction,
            x.numel() as f64,
        )
    }
}

/// [`HingeLoss`] with its defaults.
///
/// # Errors
/// See [`HingeLoss`].
#[track_caller]
pub fn hinge_loss<T: Float>(x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    HingeLoss::new().forward(x, t)
}

#[derive(Clone)]
struct Hinge;

/// What the score lacks of the margin; not by `max`, which would swallow a NaN.
#[inline(always)]
pub(super) fn short<T: Float>(x: T, t: T) -> T {
    let short = T::ONE - t * x;
    if short <= T::ZERO { T::ZERO } else { short }
}

impl<T: Float> Pointwise<T, 2> for Hinge {
    const NAME: &'static str = "hinge_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        short(x, t)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        if short(x, t) == T::ZERO { T::ZERO } else { -t }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        Ok((1.0 - v[0].mul(&v[1])?).relu())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "hinge_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            HingeLoss::new()
                .reduction(case.reduction())
                .forward(&v[0], v[1].value())
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn a_target_of_zero_is_an_error() {
        let x = Var::from(Tensor::from([[1.0f32, 2.0]]));
        let e = hinge_loss(&x, &Tensor::from([[1.0, 0.0]])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "hinge_loss: target[0, 1] is 0, but it must be 1 or -1"
        );
    }
}
