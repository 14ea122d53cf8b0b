use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise, strong_product, strong_zero};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};
use std::f64::consts::TAU;

/// Which logarithm of `t!` is added to the loss of a count `t`. Made from a `bool` as in PyTorch: `true` is `Stirling`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFactorial {
    /// None: it does not depend on the prediction.
    #[default]
    None,
    /// PyTorch's: Stirling's `t ln t - t + ln(2πt) / 2` for counts above 1, and 0 up to 1. It falls short by 6 % at 2.
    Stirling,
    /// The exact `ln Γ(t + 1)`.
    Exact,
}

impl From<bool> for LogFactorial {
    fn from(full: bool) -> Self {
        if full {
            LogFactorial::Stirling
        } else {
            LogFactorial::None
        }
    }
}

options! {
    /// The negative log-likelihood of a count under a Poisson distribution, whose rate is predicted.
    ///
    /// # When to use
    /// For counts of events: the variance of the counts is their mean. Let a network predict the logarithm of the rate,
    /// which may be any number. For amounts that are not counts take
    /// [`tweedie_nll_loss`](crate::regression::tweedie_nll_loss).
    /// # Formula
    /// `l = e^x - t x`, or without `log_input` `l = x - t ln(x + eps)`; with `full` a [`LogFactorial`] of `t` more; `Mean`
    /// divides by the number of elements. Gradients: `e^x - t`, or `1 - t / (x + eps)`; for the target `-x`, or
    /// `-ln(x + eps)`, and with `full` `ln t + 1 / (2t)` for counts above 1, or the exact `ψ(t + 1)`.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Value`](crate::Error::Value) for a negative
    /// count, or a negative rate without `log_input`, [`Error::Option`](crate::Error::Option) for a negative `eps`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.0f64])); // the logarithm of a rate of 1
    /// let t = Var::from(Tensor::from([3.0]));
    /// let loss = PoissonNllLoss::new().full(LogFactorial::Exact).forward(&x, &t)?.item()?;
    /// let probability = (-1f64).exp() / 6.0;
    /// assert!((loss + probability.ln()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`poisson_nll_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.poisson_nll_loss.html).
    /// # Differs from PyTorch
    /// - `full` may be [`LogFactorial::Exact`]. `true` is Stirling's formula as there, which leaps at 1 and is 6 % off at
    ///   2; its gradient at a count of 0 is 0 here and NaN there.
    /// - A rate of 0, or `x = -inf`, costs nothing for a count of 0, whatever `eps` is; at `x = inf` the loss is infinite,
    ///   not NaN.
    /// - Input and target do not broadcast. Negative counts, and negative rates, are errors.
    pub struct PoissonNllLoss {
        /// Whether the input is the logarithm of the rate.
        log_input: bool = true,
        /// Which logarithm of `t!` to add.
        full: LogFactorial = LogFactorial::None,
        /// Added to the rate before its logarithm is taken, where `log_input` is false.
        eps: f64 = 1e-8,
    }
}

impl PoissonNllLoss {
    /// The loss of rates, or logarithms of rates, `x` and counts `t`.
    ///
    /// # Errors
    /// See [`PoissonNllLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        same_shape(NAME, "the target", t.shape(), x.shape())?;
        let expected = "a count is not negative";
        check::elements(NAME, "target", t.value(), |v| v < T::ZERO, expected)?;
        check::option(
            NAME,
            "eps",
            self.eps,
            self.eps >= 0.0,
            "it must not be negative",
        )?;
        let mean = x.numel() as f64;
        let full = self.full;
        if self.log_input {
            let (reduction, inputs) = (self.reduction, [x, t]);
            return match full {
                LogFactorial::None => {
                    elementwise::run(FromLog::<false> { full }, inputs, None, reduction, mean)
                }
                _ => elementwise::run(FromLog::<true> { full }, inputs, None, reduction, mean),
            };
        }
        let expected = "a rate is not negative; logarithms of rates want `log_input(true)`";
        check::elements(NAME, "input", x.value(), |v| v < T::ZERO, expected)?;
        let eps = T::of(self.eps);
        elementwise::run(FromRate { eps, full }, [x, t], None, self.reduction, mean)
    }
}

/// [`PoissonNllLoss`] with its defaults.
///
/// # Errors
/// See [`PoissonNllLoss`].
#[track_caller]
pub fn poisson_nll_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    PoissonNllLoss::new().forward(x, t)
}

const NAME: &str = "poisson_nll_loss";

impl LogFactorial {
    #[inline(always)]
    fn value<I: Isa, T: Float>(self, t: T) -> T {
        match self {
            LogFactorial::Stirling if t > T::ONE => {
                t * t.ln::<I>() - t + T::of(0.5) * (T::of(TAU) * t).ln::<I>()
            }
            LogFactorial::Exact => (t + T::ONE).lgamma::<I>(),
            _ => T::ZERO,
        }
    }

    #[inline(always)]
    fn slope<I: Isa, T: Float>(self, t: T) -> T {
        match self {
            LogFactorial::Stirling if t > T::ONE => t.ln::<I>() + T::of(0.5) / t,
            LogFactorial::Exact => (t + T::ONE).digamma::<I>(),
            _ => T::ZERO,
        }
    }

    #[track_caller]
    fn definition<T: Float>(self, t: &Var<T>) -> Result<Option<Var<T>>> {
        Ok(match self {
            LogFactorial::None => None,
            LogFactorial::Exact => Some(t.add(1.0)?.lgamma()),
            LogFactorial::Stirling => {
                let large = t.value().gt(T::ONE)?;
                let t = t.masked_fill(&large.logical_not(), T::ONE)?;
                let stirling = t.mul(t.log())?.sub(&t)?;
                let stirling = stirling.add(t.mul(TAU)?.log().mul(0.5)?)?;
                Some(stirling.keep_where(&large)?)
            }
        })
    }
}

/// `loss`, and the logarithm of the factorial where it is asked for.
#[track_caller]
fn with_factorial<T: Float>(loss: Var<T>, full: LogFactorial, t: &Var<T>) -> Result<Var<T>> {
    match full.definition(t)? {
        Some(more) => loss.add(more),
        None => Ok(loss),
    }
}

/// From logarithms of rates. `FULL` says whether there is a factorial: its functions are calls, beside which the rest would
/// not become vectors.
#[derive(Clone)]
struct FromLog<const FULL: bool> {
    full: LogFactorial,
}

impl<T: Float, const FULL: bool> Pointwise<T, 2> for FromLog<FULL> {
    const NAME: &'static str = NAME;
    const COST: usize = 8;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        // In two parts, as the rate and its logarithm's part nearly cancel where the loss is about 0.
        let (rate, rest) = x.exp_parts::<I>();
        let x = if t == T::ZERO { t } else { x };
        // A rate beyond all numbers outweighs its logarithm.
        let loss = if rate == T::INFINITY {
            rate
        } else {
            (-t).mul_add_::<I>(x, rate) + rest
        };
        if FULL {
            loss + self.full.value::<I, T>(t)
        } else {
            loss
        }
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        if K == 0 {
            let (rate, rest) = x.exp_parts::<I>();
            if rate == T::INFINITY {
                rate
            } else {
                rate - t + rest
            }
        } else if FULL {
            self.full.slope::<I, T>(t) - x
        } else {
            -x
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t) = (&v[0], &v[1]);
        with_factorial(x.exp().sub(strong_product(t, x)?)?, self.full, t)
    }
}

#[derive(Clone)]
struct FromRate<T> {
    eps: T,
    full: LogFactorial,
}

impl<T: Float> Pointwise<T, 2> for FromRate<T> {
    const NAME: &'static str = NAME;
    const COST: usize = 8;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        x - strong_zero(t, (x + self.eps).ln::<I>()) + self.full.value::<I, T>(t)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        if K == 0 {
            T::ONE - if t == T::ZERO { t } else { t / (x + self.eps) }
        } else {
            self.full.slope::<I, T>(t) - (x + self.eps).ln::<I>()
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t) = (&v[0], &v[1]);
        let log = x.add(self.eps)?.log();
        with_factorial(x.sub(strong_product(t, &log)?)?, self.full, t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::Tensor;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            PoissonNllLoss::new()
                .log_input(case.bool("log_input", true))
                .full(match case.str("full") {
                    Some("exact") => LogFactorial::Exact,
                    _ => case.bool("full", false).into(),
                })
                .eps(case.f64("eps", 1e-8))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// `ln t!` and its derivative at counts and between them, from mpmath with 60 digits.
    #[test]
    fn the_exact_factorial_is_exact() {
        const FACTORIALS: [[f64; 3]; 9] = [
            [0.0, 0.0, -0.5772156649015329],
            [1.0, 0.0, 0.42278433509846713],
            [1.0000001, 4.227843675920197e-08, 0.42278439959187186],
            [2.0, std::f64::consts::LN_2, 0.9227843350984671],
            [1.5, 0.2846828704729192, 0.7031566406452432],
            [3.0, 1.791759469228055, 1.2561176684318005],
            [10.0, 15.104412573075516, 2.351752589066721],
            [170.0, 706.5730622457874, 5.138736730024483],
            [1000000.0, 12815518.384658169, 13.81551105796419],
        ];
        let t = FACTORIALS.map(|row| row[0]);
        let x = [Tensor::zeros([t.len()]).unwrap(), Tensor::from(t)];
        let none = PoissonNllLoss::new()
            .full(LogFactorial::Exact)
            .reduction(Reduction::None);
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        let exact = FACTORIALS.map(|row| 1.0 + row[1]);
        assert_near(&value, &exact, 1e-15);
        assert_near(&slopes[1], &FACTORIALS.map(|row| row[2]), 1e-14);
        // PyTorch's formula is 6 % short of ln 2 at 2, and leaps at 1.
        let (stirling, _) = value_and_slopes(&x, |v| none.clone().full(true).forward(&v[0], &v[1]));
        assert!((stirling[3] - 1.0) / (exact[3] - 1.0) < 0.95);
        assert!(stirling[1] == 1.0 && (stirling[2] - exact[2]).abs() > 0.05);
    }

    #[test]
    fn counts_of_zero_have_slopes() {
        let x = [Tensor::from([0.5f64]), Tensor::from([0.0])];
        for full in [LogFactorial::None, LogFactorial::Stirling] {
            let none = PoissonNllLoss::new().full(full).reduction(Reduction::None);
            let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
            assert_near(&value, &[0.5f64.exp()], 1e-15);
            assert_eq!(slopes[1], [-0.5]);
        }
    }

    #[test]
    fn rates_at_the_ends_of_the_range() {
        let inf = f64::INFINITY;
        let none = PoissonNllLoss::new().reduction(Reduction::None);
        let x = [
            Tensor::from([-inf, -inf, inf, inf]),
            Tensor::from([0.0, 2.0, 0.0, 2.0]),
        ];
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        assert_eq!(value, [0.0, inf, inf, inf]);
        assert_eq!(slopes[0], [0.0, -2.0, inf, inf]);
        let none = none.log_input(false).eps(0.0);
        let x = [Tensor::from([0.0, 0.0]), Tensor::from([0.0, 2.0])];
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        assert_eq!(value, [0.0, inf]);
        assert_eq!(slopes[0], [1.0, -inf]);
    }

    #[test]
    fn error_messages() {
        let of = |v: f32| Var::from(Tensor::from([1.0, v]));
        let text = "poisson_nll_loss: target[1] is -1, but a count is not negative";
        assert_eq!(
            poisson_nll_loss(&of(1.0), &of(-1.0))
                .unwrap_err()
                .to_string(),
            text
        );
        let rates = PoissonNllLoss::new().log_input(false);
        let text = "poisson_nll_loss: input[1] is -2, but a rate is not negative; logarithms of rates want \
                    `log_input(true)`";
        assert_eq!(
            rates.forward(&of(-2.0), &of(1.0)).unwrap_err().to_string(),
            text
        );
        let text = "poisson_nll_loss: eps is -1, but it must not be negative";
        assert_eq!(
            rates
                .eps(-1.0)
                .forward(&of(2.0), &of(1.0))
                .unwrap_err()
                .to_string(),
            text
        );
    }
}
