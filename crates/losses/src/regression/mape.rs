use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise, sign};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// The absolute error in percent of the target.
    ///
    /// # When to use
    /// Where an error is judged by its share of the true value, as in forecasts of sales. Targets at or near zero make
    /// it huge: raise `eps` to the smallest target that is to count. It favours predictions that are too low; where that
    /// matters take [`msle_loss`](crate::regression::msle_loss).
    /// # Formula
    /// `l = 100 |x - t| / max(|t|, eps)`; `Mean` divides by the number of elements. Gradient:
    /// `100 sign(x - t) / max(|t|, eps)`; for the target its opposite, and where `|t| > eps` less `l / t`.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Option`](crate::Error::Option) if `eps` is
    /// not positive.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([90.0f64, 3.0]));
    /// let t = Var::from(Tensor::from([100.0, 2.0]));
    /// assert_eq!(mape_loss(&x, &t)?.item()?, 30.0);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Keras, [`MeanAbsolutePercentageError`](https://keras.io/api/losses/regression_losses/).
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct MapeLoss {
        /// The least size of a target that errors are divided by.
        eps: f64 = 1e-7,
    }
}

impl MapeLoss {
    /// The loss of predictions `x` and targets `t`.
    ///
    /// # Errors
    /// See [`MapeLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = Mape::<T>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let eps = T::of(self.eps);
        check::option(op, "eps", self.eps, eps > T::ZERO, "it must be positive")?;
        elementwise::run(Mape { eps }, [x, t], None, self.reduction, x.numel() as f64)
    }
}

/// [`MapeLoss`] with its defaults.
///
/// # Errors
/// See [`MapeLoss`].
#[track_caller]
pub fn mape_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    MapeLoss::new().forward(x, t)
}

#[derive(Clone)]
struct Mape<T> {
    eps: T,
}

impl<T: Float> Pointwise<T, 2> for Mape<T> {
    const NAME: &'static str = "mape_loss";
    const COST: usize = 4;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let a = t.abs_();
        let size = if a < self.eps { self.eps } else { a };
        T::of(100.0) * ((x - t).abs_() / size)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let a = t.abs_();
        let size = if a < self.eps { self.eps } else { a };
        let slope = T::of(100.0) * sign(x - t) / size;
        if K == 0 {
            slope
        } else if a > self.eps {
            -slope - self.value::<I>([x, t]) / t
        } else {
            -slope
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let size = v[1].abs().clamp(self.eps, None);
        v[0].sub(&v[1])?.abs().div(size)?.mul(100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss, value_and_slopes};
    use autograd::Tensor;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "mape_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            MapeLoss::new()
                .eps(case.f64("eps", 1e-7))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn exact_values_at_kinks_and_at_targets_of_zero() {
        let none = MapeLoss::new().eps(0.5).reduction(crate::Reduction::None);
        let x = [
            Tensor::from([2.0, 1.0, 0.25, -4.0]),
            Tensor::from([2.0, 0.0, 0.5, -2.0]),
        ];
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        assert_eq!(value, [0.0, 200.0, 50.0, 100.0]);
        assert_eq!(slopes[0], [0.0, 200.0, -200.0, -50.0]);
        // By the target: nothing at the goal, no share of the size up to eps, and 50 + 100 / 2 beyond.
        assert_eq!(slopes[1], [0.0, -200.0, 200.0, 100.0]);
    }

    #[test]
    fn an_eps_of_zero_is_named() {
        let x = Var::from(Tensor::from([0.0f32]));
        let e = MapeLoss::new().eps(0.0).forward(&x, &x).unwrap_err();
        assert_eq!(
            e.to_string(),
            "mape_loss: eps is 0, but it must be positive"
        );
    }
}
