use super::hinge::short;
use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The hinge loss squared: without its kink, and harder on scores that are far off.
    ///
    /// # When to use
    /// As [`HingeLoss`](crate::binary::HingeLoss), where a slope that ends smoothly at the margin helps the optimiser, and
    /// wrong labels are few: they weigh in it with their square.
    ///
    /// # Formula
    /// `l = max(0, 1 - t x)²`; `Mean` divides by the number of elements. Gradient: `-2 t max(0, 1 - t x)`.
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
    /// let loss = SquaredHingeLoss::new().reduction(Reduction::None).forward(&x, &Tensor::from([1.0, 1.0, -1.0]))?;
    /// assert_eq!(loss.value().to_vec(), [0.0, 0.25, 2.25]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Tang, *Deep Learning using Linear Support Vector Machines*, 2013,
    /// [arXiv:1306.0239](https://arxiv.org/abs/1306.0239).
    /// # Differs from PyTorch
    /// PyTorch has no such loss. Targets other than 1 and -1 are errors.
    pub struct SquaredHingeLoss {}
}

impl SquaredHingeLoss {
    /// The loss of scores `x` and targets `t` of 1 or -1.
    ///
    /// # Errors
    /// See [`SquaredHingeLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
        let op = <SquaredHinge as Pointwise<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        check::signs(op, "target", t)?;
        elementwise::run(
            SquaredHinge,
            [x, &Var::from(t)],
            None,
            self.reduction,
            x.numel() as f64,
        )
    }
}

/// [`SquaredHingeLoss`] with its defaults.
///
/// # Errors
/// See [`SquaredHingeLoss`].
#[track_caller]
pub fn squared_hinge_loss<T: Float>(x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    SquaredHingeLoss::new().forward(x, t)
}

#[derive(Clone)]
struct SquaredHinge;

impl<T: Float> Pointwise<T, 2> for SquaredHinge {
    const NAME: &'static str = "squared_hinge_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        short(x, t) * short(x, t)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        T::of(-2.0) * t * short(x, t)
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        Ok((1.0 - v[0].mul(&v[1])?).relu().square())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "squared_hinge_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            SquaredHingeLoss::new()
                .reduction(case.reduction())
                .forward(&v[0], v[1].value())
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn a_target_of_two_is_an_error() {
        let x = Var::from(Tensor::from([1.0f32, 2.0]));
        let e = squared_hinge_loss(&x, &Tensor::from([2.0, 1.0])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "squared_hinge_loss: target[0] is 2, but it must be 1 or -1"
        );
    }
}
