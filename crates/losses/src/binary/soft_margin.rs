use crate::check::same_shape;
use crate::elementwise::{self, Pointwise, strong_zero};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The logistic loss of scores whose targets are 1 and -1.
    ///
    /// # When to use
    /// For two classes labelled 1 and -1. With labels of 1 and 0 it is
    /// [`BinaryCrossEntropyWithLogits`](crate::binary::BinaryCrossEntropyWithLogits), which also has weights.
    ///
    /// # Formula
    /// `l = ln(1 + e^(-t x))`; `Mean` divides by the number of elements. Gradient: `-t σ(-t x)`.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ. The target is a factor and may be any number.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.0f32, -1000.0]));
    /// let loss = SoftMarginLoss::new().reduction(Reduction::None).forward(&x, &Tensor::from([-1.0, 1.0]))?;
    /// assert_eq!(loss.value().to_vec(), [2f32.ln(), 1000.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`soft_margin_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.soft_margin_loss.html).
    /// # Differs from PyTorch
    /// Wrong scores of any size have their true loss, `-t x`, and their slope `-t`; there the exponential overflows from
    /// 89 on in `f32`, the loss is `inf` and the gradient NaN. Shapes must be equal; there they broadcast.
    pub struct SoftMarginLoss {}
}

impl SoftMarginLoss {
    /// The loss of scores `x` and targets `t`.
    ///
    /// # Errors
    /// See [`SoftMarginLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
        let op = <SoftMargin as Pointwise<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        elementwise::run(
            SoftMargin,
            [x, &Var::from(t)],
            None,
            self.reduction,
            x.numel() as f64,
        )
    }
}

/// [`SoftMarginLoss`] with its defaults.
///
/// # Errors
/// See [`SoftMarginLoss`].
#[track_caller]
pub fn soft_margin_loss<T: Float>(x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    SoftMarginLoss::new().forward(x, t)
}

#[derive(Clone)]
struct SoftMargin;

impl<T: Float> Pointwise<T, 2> for SoftMargin {
    const NAME: &'static str = "soft_margin_loss";
    const COST: usize = 12;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        strong_zero(-t, x).softplus::<I>()
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        -t * strong_zero(-t, x).sigmoid::<I>()
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let counts = v[1].value().ne(T::ZERO)?;
        let z = v[0].keep_where(&counts)?.mul(-&v[1])?;
        Ok(z.softplus())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "soft_margin_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            SoftMarginLoss::new()
                .reduction(case.reduction())
                .forward(&v[0], v[1].value())
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// `ln(1 + e^z)` as it stands overflows at 89.
    #[test]
    fn wrong_scores_of_any_size_have_their_loss_and_slope() -> Result<()> {
        let ends = [-88.7f32, -89.0, -1e4, -1e30, f32::NEG_INFINITY];
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from(ends));
        let options = SoftMarginLoss::new().reduction(Reduction::None);
        let y = options.forward(&x, &x.value().ones_like())?;
        assert_eq!(y.value().to_vec(), ends.map(|x| -x));
        assert_eq!(y.sum(..)?.backward()?.get(&x)?.to_vec(), [-1.0; 5]);
        // A target of 0 leaves ln 2, whatever the score.
        let y = options.forward(&x, &x.value().zeros_like())?;
        assert_eq!(y.value().to_vec(), [2f32.ln(); 5]);
        assert_eq!(y.sum(..)?.backward()?.get(&x)?.to_vec(), [0.0; 5]);
        Ok(())
    }

    #[test]
    fn nothing_broadcasts() {
        let x = Var::from(Tensor::from([[1.0f32], [2.0]]));
        let e = soft_margin_loss(&x, &Tensor::from([1.0, -1.0])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "soft_margin_loss: the target has shape [2], but the input has shape [2, 1]: they must agree, as nothing is \
             broadcast in a loss"
        );
    }
}
