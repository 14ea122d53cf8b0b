use super::curve::{self, Curve};
use super::target::{Classes, check_weight, class_dim};
use crate::check;
use autograd::{Error, Float, Result, Tensor, Var};

options! {
    /// Cross entropy for classes of which some are rare: the logits are compared as if all were equally frequent.
    ///
    /// # Formula
    /// `l = -ln softmax(x + τ ln π)[t]` for each row, with the priors `π` of the classes. `Mean` divides by the number of
    /// rows that are not ignored.
    ///
    /// Gradient: `softmax(x + τ ln π) - 1[t]`.
    /// # When to use
    /// Where the training data have few rows of some classes, and all classes count alike at the end. The logits are used as
    /// they are for prediction, without the priors. Class weights of [`cross_entropy`](super::cross_entropy()) serve the same
    /// aim, but lose their effect as soon as the training rows are separated.
    /// # Shape
    /// `x`: `(C)`, `(N, C)` or `(N, C, d…)`; `t`: a scalar, `(N)` or `(N, d…)`; the priors: `(C)`; the result is as `t` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`] if shapes disagree, [`Error::Class`] for a class outside `0..C`, [`Error::Value`] for a prior that is
    /// negative or not finite, [`Error::Option`] for a `tau` that is not finite, or without priors.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // The priors are made up for: both classes have probability 1/2.
    /// let x = Var::from(Tensor::from([[-(0.8f64.ln()), -(0.2f64.ln())]]));
    /// let loss = logit_adjusted_cross_entropy(&x, &Tensor::from([1]), &Tensor::from([0.8, 0.2]))?;
    /// assert!((loss.item()? - 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Menon et al., *Long-tail learning via logit adjustment*, 2021, arXiv:2007.07314.
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct LogitAdjustedCrossEntropy<T> {
        /// How frequent each class is; only their ratios matter. A class of prior 0 takes no part.
        priors: Option<Tensor<T>> = None,
        /// How much the priors count.
        tau: f64 = 1.0,
        /// Rows with this target count for nothing.
        ignore_index: i64 = -100,
    }
}

impl<T: Float> LogitAdjustedCrossEntropy<T> {
    /// The loss of logits `x` and classes `t`.
    ///
    /// # Errors
    /// See [`LogitAdjustedCrossEntropy`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
        let (op, tau) = (Plain::NAME, self.tau);
        let expected = "it must be a finite number";
        check::option(op, "tau", tau, tau.is_finite(), expected)?;
        let Some(priors) = &self.priors else {
            return Err(Error::Option {
                op,
                name: "priors",
                value: "missing".into(),
                expected: "there must be one for each class",
            });
        };
        let (dim, n) = class_dim(op, x.shape())?;
        check_weight(op, &self.priors, n)?;
        let is_bad = |p: T| !(p >= T::ZERO && p.finite());
        let expected = "a prior is finite and not negative";
        check::elements(op, "priors", priors, is_bad, expected)?;
        let classes = Classes::new(op, t, x.shape(), self.ignore_index, &None)?;
        let shift = priors.map(|p| match tau {
            // The infinite logarithm of a prior of 0 does not count either.
            0.0 => T::ZERO,
            _ => T::of(tau * p.f64().ln()),
        });
        curve::run(Plain, x, (classes, dim), Some(shift), self.reduction)
    }
}

/// [`LogitAdjustedCrossEntropy`] with these priors and its defaults.
///
/// # Errors
/// See [`LogitAdjustedCrossEntropy`].
#[track_caller]
pub fn logit_adjusted_cross_entropy<T: Float>(
    x: &Var<T>,
    t: &Tensor<i64>,
    priors: &Tensor<T>,
) -> Result<Var<T>> {
    let options = LogitAdjustedCrossEntropy::new().priors(priors.clone());
    options.forward(x, t)
}

/// The cross entropy itself.
#[derive(Clone)]
struct Plain;

impl Curve for Plain {
    const NAME: &'static str = "logit_adjusted_cross_entropy";

    fn value(&self, c: f64) -> f64 {
        c
    }

    fn slope(&self, _: f64) -> f64 {
        1.0
    }

    #[track_caller]
    fn definition<T: Float>(&self, c: &Var<T>) -> Result<Var<T>> {
        Ok(c.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::cross_entropy;
    use crate::testing::{Case, Checked, assert_close, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "logit_adjusted_cross_entropy";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            LogitAdjustedCrossEntropy::new()
                .priors(case.tensor("priors"))
                .tau(case.f64("tau", 1.0))
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn long_rows_are_those_of_shifted_logits() -> Result<()> {
        // Longer than a block of the running sum; the likeliest class lies in the last one, twice.
        let n = 1000;
        let tape = Tape::new();
        let logits =
            (0..n).map(|i| ((i * 37) % 101) as f64 / 10.0 - if i > 995 { 0.0 } else { 3.0 });
        let x = tape.leaf(Tensor::from_vec(logits.collect(), [1, n])?);
        let priors = Tensor::from_vec((0..n).map(|i| 1.0 + (i % 7) as f64).collect(), [n])?;
        let t = Tensor::from([998]);
        let y = logit_adjusted_cross_entropy(&x, &t, &priors)?;
        let shifted = cross_entropy(&x.add(Var::from(priors.log()))?, &t)?;
        assert_close("value", y.value(), shifted.value(), 1e-14, 0.0);
        let (dx, expected) = (y.backward()?, shifted.backward()?);
        assert_close("gradient", dx.get(&x)?, expected.get(&x)?, 1e-13, 0.0);
        Ok(())
    }

    #[test]
    fn a_prior_of_zero_takes_its_class_out() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[0.0f64, 50.0, 0.0]]));
        let y =
            logit_adjusted_cross_entropy(&x, &Tensor::from([0]), &Tensor::from([0.5, 0.0, 0.5]))?;
        assert!((y.item()? - 2f64.ln()).abs() < 1e-15);
        assert_eq!(y.backward()?.get(&x)?.to_vec(), [-0.5, 0.0, 0.5]);
        Ok(())
    }

    #[test]
    fn priors_are_asked_for() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let options = LogitAdjustedCrossEntropy::new();
        assert_eq!(
            options
                .forward(&x, &Tensor::from([0]))
                .unwrap_err()
                .to_string(),
            "logit_adjusted_cross_entropy: priors is missing, but there must be one for each class"
        );
    }
}
