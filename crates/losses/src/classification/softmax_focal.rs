use super::curve::{self, Curve};
use super::target::{Classes, class_dim};
use crate::check;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Cross entropy that turns from what is learned already to the hard rows.
    ///
    /// # Formula
    /// `l = α w[t] (1 - p)^γ (-ln p)` for each row, with `p = softmax(x)[t]`, the probability of the true class `t`. `Mean`
    /// divides by `Σ w[t]` over the rows that are not ignored.
    ///
    /// Gradient, with `q = 1 - p`: `α w[t] q^γ (1 - γ p ln p / q) (softmax(x) - 1[t])`, and 0 where `q = 0`.
    /// # When to use
    /// Where easy rows are so many that they drown the hard ones, as background does in detection. `γ = 2` is usual; with
    /// `γ = 0` it is cross entropy. Not where labels are wrong in part: wrong rows are the hard ones.
    /// # Shape
    /// `x`: `(C)`, `(N, C)` or `(N, C, d…)`; `t`: a scalar, `(N)` or `(N, d…)`; the result is as `t` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Class`](crate::Error::Class) for a class outside
    /// `0..C`, [`Error::Option`](crate::Error::Option) for an `alpha` or `gamma` that is negative or not finite.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // Both classes have probability 1/2: (1/2)² ln 2, times 0.25.
    /// let x = Var::from(Tensor::from([[0.0f64, 0.0]]));
    /// let loss = softmax_focal_loss(&x, &Tensor::from([1]))?;
    /// assert!((loss.item()? - 0.25 * 0.25 * 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Lin et al., *Focal Loss for Dense Object Detection*, 2017, arXiv:1708.02002, with a softmax in place of the sigmoid.
    /// # Differs from PyTorch
    /// PyTorch has no such loss. Where one is put together from its parts, `1 - p` of a confident row cancels, and with
    /// `γ < 1` its power has no finite slope; here both come from the cross entropy itself.
    pub struct SoftmaxFocalLoss<T> {
        /// The factor of every row.
        alpha: f64 = 0.25,
        /// The power of `1 - p`.
        gamma: f64 = 2.0,
        /// A weight for each class.
        weight: Option<Tensor<T>> = None,
        /// Rows with this target count for nothing.
        ignore_index: i64 = -100,
    }
}

impl<T: Float> SoftmaxFocalLoss<T> {
    /// The loss of logits `x` and classes `t`.
    ///
    /// # Errors
    /// See [`SoftmaxFocalLoss`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
        for (name, value) in [("alpha", self.alpha), ("gamma", self.gamma)] {
            let holds = value >= 0.0 && value.is_finite();
            let expected = "it must be finite and not negative";
            check::option(Focal::NAME, name, value, holds, expected)?;
        }
        let (shape, ignored) = (x.shape(), self.ignore_index);
        let dim = class_dim(Focal::NAME, shape)?.0;
        let classes = Classes::new(Focal::NAME, t, shape, ignored, &self.weight)?;
        let focal = Focal {
            alpha: self.alpha,
            gamma: self.gamma,
        };
        curve::run(focal, x, (classes, dim), None, self.reduction)
    }
}

/// [`SoftmaxFocalLoss`] with its defaults.
///
/// # Errors
/// See [`SoftmaxFocalLoss`].
#[track_caller]
pub fn softmax_focal_loss<T: Float>(x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
    SoftmaxFocalLoss::new().forward(x, t)
}

#[derive(Clone)]
struct Focal {
    alpha: f64,
    gamma: f64,
}

impl Curve for Focal {
    const NAME: &'static str = "softmax_focal_loss";

    fn value(&self, c: f64) -> f64 {
        let q = -(-c).exp_m1();
        self.alpha * q.powf(self.gamma) * c
    }

    fn slope(&self, c: f64) -> f64 {
        let (p, q) = ((-c).exp(), -(-c).exp_m1());
        // Of a row that is learned, `c / q` is 1; of one that is lost, `p c` is 0.
        let ratio = match c {
            0.0 => 1.0,
            f64::INFINITY => 0.0,
            _ => p * c / q,
        };
        self.alpha * q.powf(self.gamma) * (self.gamma * ratio + 1.0)
    }

    #[track_caller]
    fn definition<T: Float>(&self, c: &Var<T>) -> Result<Var<T>> {
        if self.gamma == 0.0 {
            return c.mul(self.alpha);
        }
        // A row without cost has no slope, where that of a power below 1 would be infinite.
        let costs = c.value().ne(T::ZERO)?;
        let c = c.masked_fill(&costs.logical_not(), T::ONE)?;
        let q = -(-&c).expm1();
        let value = q.pow(self.gamma)?.mul(self.alpha)?.mul(&c)?;
        value.keep_where(&costs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "softmax_focal_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            SoftmaxFocalLoss::new()
                .alpha(case.f64("alpha", 0.25))
                .gamma(case.f64("gamma", 2.0))
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn a_learned_row_has_no_slope_and_a_lost_one_that_of_cross_entropy() -> Result<()> {
        for gamma in [0.5, 1.0, 2.0] {
            let tape = Tape::new();
            let x = tape.leaf(Tensor::from([[1e4f32, 0.0, -1e4], [-1e4, 0.0, 1e4]]));
            let focal = SoftmaxFocalLoss::new().alpha(1.0).gamma(gamma);
            let focal = focal.reduction(crate::Reduction::None);
            let y = focal.forward(&x, &Tensor::from([0, 0]))?;
            assert_eq!(y.value().to_vec(), [0.0, 2e4]);
            let grads = y.backward_with(&Tensor::from([1.0, 1.0]))?;
            assert_eq!(grads.get(&x)?.to_vec(), [0.0, 0.0, 0.0, -1.0, 0.0, 1.0]);
        }
        Ok(())
    }

    #[test]
    fn a_confident_row_keeps_its_digits() -> Result<()> {
        // mpmath, 60 digits: x = [20, 0], t = 0, γ = 2, α = 1: c = ln(1 + e^-20), p = e^-c.
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[20.0f32, 0.0]]));
        let focal = SoftmaxFocalLoss::new().alpha(1.0);
        let y = focal.forward(&x, &Tensor::from([0]))?;
        let slope = y.backward()?.get(&x)?.to_vec()[1];
        let (value, expected) = (8.756510717575236e-27, 2.6269532107604423e-26);
        assert!((y.item()?.f64() / value - 1.0).abs() < 1e-6, "{y}");
        assert!((slope.f64() / expected - 1.0).abs() < 1e-6, "{slope}");
        Ok(())
    }
}
