use super::weighted_mean;
use crate::check::same_shape;
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The squared error, the usual loss of a regression; outliers weigh heavily in it.
    ///
    /// # Formula
    /// `l = w (x - t)²`; `Mean` divides by `Σ w`, without weights by the number of elements. Gradient: `2 w (x - t)`,
    /// and its opposite for the target.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes of input, target or weight differ.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([1.0f32, 2.0]));
    /// let t = Var::from(Tensor::from([0.0, 4.0]));
    /// assert_eq!(mse_loss(&x, &t)?.item()?, 2.5);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`mse_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html).
    /// # Differs from PyTorch
    /// Unequal shapes are an error; there they broadcast with a warning. With weights that are all zero the mean is
    /// NaN in both, and the gradient here is zero, not NaN.
    pub struct MseLoss<T> {
        /// A weight for each element, of the input's shape.
        weight: Option<Tensor<T>> = None,
    }
}

impl<T: Float> MseLoss<T> {
    /// The loss of predictions `x` and targets `t`.
    ///
    /// # Errors
    /// See [`MseLoss`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <Mse as Pointwise<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let mean = weighted_mean(op, &self.weight, x)?;
        elementwise::run(Mse, [x, t], self.weight.clone(), self.reduction, mean)
    }
}

/// [`MseLoss`] with its defaults.
///
/// # Errors
/// See [`MseLoss`].
#[track_caller]
pub fn mse_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    MseLoss::new().forward(x, t)
}

#[derive(Clone)]
struct Mse;

impl<T: Float> Pointwise<T, 2> for Mse {
    const NAME: &'static str = "mse_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        (x - t) * (x - t)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        T::of(2.0) * if K == 0 { x - t } else { t - x }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        Ok(v[0].sub(&v[1])?.square())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "mse_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            MseLoss::new()
                .weight(case.tensor("weight"))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }
}
