use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise, strong_product, strong_zero};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// The negative log-likelihood of a Tweedie distribution, whose mean is `e^x`.
    ///
    /// # When to use
    /// For amounts that are often exactly zero and otherwise positive, as claims of an insurance: the variance grows with
    /// the power `p` of the mean. Towards `p = 1` it becomes
    /// [`poisson_nll_loss`](crate::divergence::poisson_nll_loss), towards `p = 2` the loss of a gamma distribution.
    /// # Formula
    /// `l = e^((2 - p) x) / (2 - p) + t e^((1 - p) x) / (p - 1)`, which lacks the terms without `x`; `Mean` divides by the
    /// number of elements. Gradients: `e^((2 - p) x) - t e^((1 - p) x)`, and for the target `e^((1 - p) x) / (p - 1)`.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Value`](crate::Error::Value) for a negative target,
    /// [`Error::Option`](crate::Error::Option) if `p` does not lie between 1 and 2.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.0f64, 4f64.ln()]));
    /// let t = Var::from(Tensor::from([1.0, 4.0]));
    /// let loss = TweedieNllLoss::new().reduction(Reduction::None).forward(&x, &t)?.into_value();
    /// assert!(loss.allclose(&Tensor::from([4.0, 8.0]), 1e-15, 0.0)?); // 2√m + 2t/√m
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Jørgensen, *Exponential Dispersion Models*, 1987; `reg:tweedie` of XGBoost.
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct TweedieNllLoss {
        /// The power of the mean that the variance follows.
        p: f64 = 1.5,
    }
}

impl TweedieNllLoss {
    /// The loss of logarithms of means `x` and targets `t`.
    ///
    /// # Errors
    /// See [`TweedieNllLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = Tweedie::<T>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let holds = 1.0 < self.p && self.p < 2.0;
        check::option(op, "p", self.p, holds, "it must lie between 1 and 2")?;
        let expected = "an amount is not negative";
        check::elements(op, "target", t.value(), |v| v < T::ZERO, expected)?;
        let loss = Tweedie {
            up: T::of(2.0 - self.p),
            down: T::of(self.p - 1.0),
        };
        elementwise::run(loss, [x, t], None, self.reduction, x.numel() as f64)
    }
}

/// [`TweedieNllLoss`] with its defaults.
///
/// # Errors
/// See [`TweedieNllLoss`].
#[track_caller]
pub fn tweedie_nll_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    TweedieNllLoss::new().forward(x, t)
}

/// With `up = 2 - p` and `down = p - 1`, both between 0 and 1.
#[derive(Clone)]
struct Tweedie<T> {
    up: T,
    down: T,
}

impl<T: Float> Pointwise<T, 2> for Tweedie<T> {
    const NAME: &'static str = "tweedie_nll_loss";
    const COST: usize = 12;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let (rising, falling) = ((self.up * x).exp::<I>(), (-self.down * x).exp::<I>());
        rising / self.up + strong_zero(t, falling / self.down)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let falling = (-self.down * x).exp::<I>();
        if K == 0 {
            (self.up * x).exp::<I>() - strong_zero(t, falling)
        } else {
            falling / self.down
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t) = (&v[0], &v[1]);
        let rising = x.mul(self.up)?.exp().div(self.up)?;
        let falling = x.mul(-self.down)?.exp().div(self.down)?;
        rising.add(strong_product(t, &falling)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::Tensor;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "tweedie_nll_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            TweedieNllLoss::new()
                .p(case.f64("p", 1.5))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Nothing was paid and nothing is expected: the loss is nothing, also where the other term overflows.
    #[test]
    fn an_amount_of_zero_may_be_expected_as_small_as_one_likes() {
        let x = [
            Tensor::from([-1e4f32, 1e4, 0.0]),
            Tensor::zeros([3]).unwrap(),
        ];
        let none = TweedieNllLoss::new().reduction(crate::Reduction::None);
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        assert_eq!(value, [0.0, f32::INFINITY, 2.0]);
        assert_eq!(slopes[0], [0.0, f32::INFINITY, 1.0]);
    }

    #[test]
    fn the_slope_is_zero_at_the_mean() {
        for p in [1.01, 1.3, 1.99] {
            let t = [0.01, 1.0, 300.0];
            let x = [Tensor::from(t.map(f64::ln)), Tensor::from(t)];
            let options = TweedieNllLoss::new().p(p).reduction(crate::Reduction::None);
            let (_, slopes) = value_and_slopes(&x, |v| options.forward(&v[0], &v[1]));
            for (slope, t) in slopes[0].iter().zip(t) {
                assert!(
                    slope.abs() < 1e-14 * t.powf(2.0 - p).max(1.0),
                    "{p} {t} {slope}"
                );
            }
            let falling = t.map(|t| t.powf(1.0 - p) / (p - 1.0));
            assert_near(&slopes[1], &falling, 1e-13);
        }
    }

    #[test]
    fn error_messages() {
        let x = Var::from(Tensor::from([0.0f32, 1.0]));
        let e = tweedie_nll_loss(&x, &Var::from(Tensor::from([1.0, -0.5])));
        let text = "tweedie_nll_loss: target[1] is -0.5, but an amount is not negative";
        assert_eq!(e.unwrap_err().to_string(), text);
        let e = TweedieNllLoss::new().p(2.0).forward(&x, &x);
        let text = "tweedie_nll_loss: p is 2, but it must lie between 1 and 2";
        assert_eq!(e.unwrap_err().to_string(), text);
    }
}
