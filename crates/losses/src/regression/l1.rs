use super::weighted_mean;
use crate::check::same_shape;
use crate::elementwise::{self, Pointwise, sign};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The absolute error, for values with outliers.
    ///
    /// # When to use
    /// For targets with outliers: the best constant prediction is their median, not their mean. Its gradient is as
    /// large near the goal as far from it, so that a fixed step size goes to and fro there; then take
    /// [`huber_loss`](crate::regression::huber_loss).
    /// # Formula
    /// `l = w |x - t|`; `Mean` divides by `Σ w`, without weights by the number of elements. Gradient: `w sign(x - t)`,
    /// which is 0 where `x = t`, and its opposite for the target.
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
    /// assert_eq!(l1_loss(&x, &t)?.item()?, 1.5);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`l1_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.l1_loss.html).
    /// # Differs from PyTorch
    /// Unequal shapes are an error; there they broadcast with a warning. With weights that are all zero the mean is
    /// NaN in both, and the gradient here is zero, not NaN.
    pub struct L1Loss<T> {
        /// A weight for each element, of the input's shape.
        weight: Option<Tensor<T>> = None,
    }
}

impl<T: Float> L1Loss<T> {
    /// The loss of predictions `x` and targets `t`.
    ///
    /// # Errors
    /// See [`L1Loss`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <L1 as Pointwise<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let mean = weighted_mean(op, &self.weight, x)?;
        elementwise::run(L1, [x, t], self.weight.clone(), self.reduction, mean)
    }
}

/// [`L1Loss`] with its defaults.
///
/// # Errors
/// See [`L1Loss`].
#[track_caller]
pub fn l1_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    L1Loss::new().forward(x, t)
}

#[derive(Clone)]
struct L1;

impl<T: Float> Pointwise<T, 2> for L1 {
    const NAME: &'static str = "l1_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        (x - t).abs_()
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        if K == 0 { sign(x - t) } else { sign(t - x) }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        Ok(v[0].sub(&v[1])?.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "l1_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            L1Loss::new()
                .weight(case.tensor("weight"))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn error_messages_name_the_shapes() {
        let x = Var::from(Tensor::<f32>::zeros([3, 1]).unwrap());
        let t = Var::from(Tensor::<f32>::zeros([3]).unwrap());
        assert_eq!(
            l1_loss(&x, &t).unwrap_err().to_string(),
            "l1_loss: the target has shape [3], but the input has shape [3, 1]: they must agree, as nothing is \
             broadcast in a loss"
        );
        let weight = Tensor::ones([3]).unwrap();
        assert_eq!(
            L1Loss::new()
                .weight(weight)
                .forward(&x, &x)
                .unwrap_err()
                .to_string(),
            "l1_loss: the weight has shape [3], but the input has shape [3, 1]: they must agree, as nothing is \
             broadcast in a loss"
        );
    }
}
