use super::weighted_mean;
use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The absolute error, rounded off to a parabola near zero: its slope is 1 far from the target.
    ///
    /// # When to use
    /// For values with outliers, in box regression above all. [`huber_loss`](crate::regression::huber_loss) is `beta`
    /// times this; take that one where the curvature at zero should not depend on the width of the parabola.
    /// # Formula
    /// With `d = x - t`: `l = w d² / (2 beta)` where `|d| < beta`, else `w (|d| - beta / 2)`; `Mean` divides by `Σ w`,
    /// without weights by the number of elements. Gradient: `w d / beta` and `w sign(d)`, and its opposite for the
    /// target. With `beta = 0` it is the absolute error.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes of input, target or weight differ,
    /// [`Error::Option`](crate::Error::Option) if `beta` is negative.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.5f32, 3.0]));
    /// let t = Var::from(Tensor::from([0.0, 0.0]));
    /// let loss = SmoothL1Loss::new().reduction(Reduction::None).forward(&x, &t)?;
    /// assert_eq!(loss.value().to_vec(), [0.125, 2.5]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Girshick, *Fast R-CNN*, 2015, [arXiv:1504.08083](https://arxiv.org/abs/1504.08083). PyTorch,
    /// [`smooth_l1_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.smooth_l1_loss.html).
    /// # Differs from PyTorch
    /// Unequal shapes are an error; there they broadcast with a warning. There it takes no weights.
    pub struct SmoothL1Loss<T> {
        /// A weight for each element, of the input's shape.
        weight: Option<Tensor<T>> = None,
        /// From which error on the loss is straight.
        beta: f64 = 1.0,
    }
}

impl<T: Float> SmoothL1Loss<T> {
    /// The loss of predictions `x` and targets `t`.
    ///
    /// # Errors
    /// See [`SmoothL1Loss`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = SmoothL1::<T>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let holds = self.beta >= 0.0;
        check::option(op, "beta", self.beta, holds, "it must not be negative")?;
        let mean = weighted_mean(op, &self.weight, x)?;
        let loss = SmoothL1 {
            beta: T::of(self.beta),
        };
        elementwise::run(loss, [x, t], self.weight.clone(), self.reduction, mean)
    }
}

/// [`SmoothL1Loss`] with its defaults.
///
/// # Errors
/// See [`SmoothL1Loss`].
#[track_caller]
pub fn smooth_l1_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    SmoothL1Loss::new().forward(x, t)
}

#[derive(Clone)]
struct SmoothL1<T> {
    beta: T,
}

impl<T: Float> Pointwise<T, 2> for SmoothL1<T> {
    const NAME: &'static str = "smooth_l1_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let a = (x - t).abs_();
        let half = T::of(0.5);
        if a < self.beta {
            // Divided first: the square may overflow where the quotient does not.
            half * a * (a / self.beta)
        } else {
            a - half * self.beta
        }
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let d = if K == 0 { x - t } else { t - x };
        if d.abs_() < self.beta {
            d / self.beta
        } else if d > T::ZERO {
            T::ONE
        } else if d < T::ZERO {
            -T::ONE
        } else {
            d // 0 where beta is 0, or NaN.
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let d = v[0].sub(&v[1])?;
        let near = d.value().abs().lt(self.beta)?;
        let parabola = d.keep_where(&near)?.square().mul(T::of(0.5) / self.beta);
        // Without a parabola there is nothing to divide by zero.
        if self.beta == T::ZERO {
            return Ok(d.abs());
        }
        parabola?.where_(&near, &d.abs().sub(T::of(0.5) * self.beta)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regression::{HuberLoss, L1Loss};
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "smooth_l1_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            SmoothL1Loss::new()
                .beta(case.f64("beta", 1.0))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn weights_count_as_in_the_absolute_error() {
        let x = Var::from(Tensor::from([0.5f64, -2.0, 4.0]));
        let t = Var::from(Tensor::from([0.0, 1.0, 4.5]));
        let w = Tensor::from([1.0, 2.0, 0.5]);
        let l1 = L1Loss::new().weight(w.clone()).forward(&x, &t).unwrap();
        let smooth = SmoothL1Loss::new().weight(w.clone()).beta(0.0);
        assert_eq!(smooth.forward(&x, &t).unwrap().item(), l1.item());
        // (1 · 0.125 + 2 · 2.5 + 0.5 · 0.125) / 3.5
        let smooth = smooth.beta(1.0).forward(&x, &t).unwrap();
        assert_near(&[smooth.item().unwrap()], &[5.1875 / 3.5], 1e-15);
    }

    #[test]
    fn with_beta_1_it_is_huber() {
        let none = crate::Reduction::None;
        let x = [
            Tensor::from([0.25f32, -0.75, 1.0, 3.0, -1e30]),
            Tensor::from([0.5f32, 0.5, 0.0, 1.0, 1e30]),
        ];
        let (ours, huber) = (
            SmoothL1Loss::new().reduction(none),
            HuberLoss::new().reduction(none),
        );
        assert_eq!(
            value_and_slopes(&x, |v| ours.forward(&v[0], &v[1])),
            value_and_slopes(&x, |v| huber.forward(&v[0], &v[1]))
        );
    }

    #[test]
    fn wide_parabolas_do_not_overflow() {
        let options = SmoothL1Loss::new()
            .beta(1e38)
            .reduction(crate::Reduction::None);
        let x = [Tensor::from([1e30f32]), Tensor::from([0.0f32])];
        let (value, slopes) = value_and_slopes(&x, |v| options.forward(&v[0], &v[1]));
        assert_near(&value, &[5e21], 1e-6);
        assert_near(&slopes[0], &[1e-8], 1e-6);
    }

    #[test]
    fn a_negative_beta_is_named() {
        let x = Var::from(Tensor::from([0.0f32]));
        let e = SmoothL1Loss::new().beta(-1.0).forward(&x, &x).unwrap_err();
        let text = "smooth_l1_loss: beta is -1, but it must not be negative";
        assert_eq!(e.to_string(), text);
    }
}
