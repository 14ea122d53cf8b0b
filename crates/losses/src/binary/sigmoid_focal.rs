use super::bce_with_logits::BceWithLogits;
use super::tails::Tails;
use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise, strong_zero};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Binary cross entropy in which what is already right counts little: the loss of detectors, whose samples are
    /// nearly all background.
    ///
    /// # When to use
    /// Where easy negatives outnumber everything else a hundred or a thousand to one. For a mild imbalance the
    /// `pos_weight` of [`BinaryCrossEntropyWithLogits`](crate::binary::BinaryCrossEntropyWithLogits) is simpler, and
    /// leaves the predictions probabilities: those of a focal loss are drawn towards one half.
    ///
    /// # Formula
    /// `l = a m^gamma (t · softplus(-x) + (1 - t) · softplus(x))`, where `p = σ(x)`, `m = t (1 - p) + (1 - t) p` is the
    /// probability of being wrong, and `a = alpha t + (1 - alpha)(1 - t)`; a negative `alpha` leaves `a` out. `Mean`
    /// divides by the number of elements. Gradient for `t = 1`, and with `-x` in place of `x` and the sign turned for
    /// `t = 0`: `-a (1 - p)^gamma (gamma p · softplus(-x) + 1 - p)`.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Value`](crate::Error::Value) for a label
    /// outside `0..=1`, [`Error::Option`](crate::Error::Option) for an `alpha` above 1 or a negative `gamma`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.0f64, 0.0]));
    /// let t = Tensor::from([1.0, 0.0]);
    /// // Half a chance of being wrong, squared; a quarter of the weight on yes, three on no.
    /// let loss = SigmoidFocalLoss::new().reduction(Reduction::Sum).forward(&x, &t)?;
    /// assert!((loss.item()? - 0.25 * 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Lin et al., *Focal Loss for Dense Object Detection*, 2017, [arXiv:1708.02002](https://arxiv.org/abs/1708.02002).
    /// # Differs from PyTorch
    /// PyTorch has no such loss; torchvision's `sigmoid_focal_loss` has these options and numbers, also for labels
    /// between 0 and 1, but returns elements where no reduction is named. Its powers are of probabilities that
    /// saturate: with a `gamma` below 1 its gradient is NaN from a right and confident `x = 17` on in `f32`.
    pub struct SigmoidFocalLoss {
        /// The weight of yes, where no has the weight `1 - alpha`; if negative, both count the same.
        alpha: f64 = 0.25,
        /// How strongly easy samples are held down; 0 is binary cross entropy.
        gamma: f64 = 2.0,
    }
}

impl SigmoidFocalLoss {
    /// The loss of logits `x` and labels `t`.
    ///
    /// # Errors
    /// See [`SigmoidFocalLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
        let op = <Focal<true> as Pointwise<T, 2>>::NAME;
        let (alpha, gamma) = (self.alpha, self.gamma);
        same_shape(op, "the target", t.shape(), x.shape())?;
        check::option(
            op,
            "alpha",
            alpha,
            alpha <= 1.0,
            "it must lie in 0..=1, or be negative for no weighting",
        )?;
        check::option(
            op,
            "gamma",
            gamma,
            (0.0..f64::INFINITY).contains(&gamma),
            "it must not be negative",
        )?;
        check::labels(op, "target", t)?;
        let (inputs, mean) = ([x, &Var::from(t)], x.numel() as f64);
        if gamma == 2.0 {
            elementwise::run(
                Focal::<true> { alpha, gamma },
                inputs,
                None,
                self.reduction,
                mean,
            )
        } else {
            elementwise::run(
                Focal::<false> { alpha, gamma },
                inputs,
                None,
                self.reduction,
                mean,
            )
        }
    }
}

/// [`SigmoidFocalLoss`] with its defaults.
///
/// # Errors
/// See [`SigmoidFocalLoss`].
#[track_caller]
pub fn sigmoid_focal_loss<T: Float>(x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    SigmoidFocalLoss::new().forward(x, t)
}

/// `SQUARE` says that `gamma` is 2, whose power is a product.
#[derive(Clone)]
struct Focal<const SQUARE: bool> {
    alpha: f64,
    gamma: f64,
}

impl<const SQUARE: bool> Focal<SQUARE> {
    #[inline(always)]
    fn power<I: Isa, T: Float>(&self, m: T) -> T {
        if SQUARE {
            m * m
        } else {
            m.pow::<I>(T::of(self.gamma))
        }
    }

    #[inline(always)]
    fn weight<T: Float>(&self, t: T) -> T {
        if self.alpha < 0.0 {
            T::ONE
        } else {
            T::of(self.alpha) * t + T::of(1.0 - self.alpha) * (T::ONE - t)
        }
    }
}

/// What a label of `t` costs.
#[inline(always)]
fn cost<T: Float>(l: Tails<T>, t: T) -> T {
    strong_zero(t, l.yes) + strong_zero(T::ONE - t, l.no)
}

impl<T: Float, const SQUARE: bool> Pointwise<T, 2> for Focal<SQUARE> {
    const NAME: &'static str = "sigmoid_focal_loss";
    const COST: usize = if SQUARE { 16 } else { 32 };

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let l = Tails::of::<I>(x);
        let m = t * l.q + (T::ONE - t) * l.p;
        self.weight(t) * self.power::<I, T>(m) * cost(l, t)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let l = Tails::of::<I>(x);
        let no = T::ONE - t;
        let m = t * l.q + no * l.p;
        // The slope of ln m: m^(gamma - 1), which is infinite where a small gamma meets a confident logit, never arises.
        let ratio = if m == T::ZERO {
            no - t
        } else {
            (no - t) * (l.p * l.q / m)
        };
        let focus = T::of(self.gamma) * strong_zero(ratio, cost(l, t));
        self.weight(t) * self.power::<I, T>(m) * (focus + (no * l.p - t * l.q))
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t) = (&v[0], v[1].value());
        let cost = Pointwise::<T, 2>::definition(&BceWithLogits, v)?;
        // ln m from logarithms where the label is sure, because m itself may be 0 in the working precision.
        let (sure_yes, sure_no) = (t.eq(T::ONE)?, t.eq(T::ZERO)?);
        let sure = sure_yes.logical_or(&sure_no)?;
        let between = x.masked_fill(&sure, T::ZERO)?;
        let (p, q) = (between.sigmoid(), (-&between).sigmoid());
        let mixed = q.mul(&v[1])?.add(p.mul(1.0 - &v[1])?)?.log();
        let log_m = (-x.softplus()).where_(&sure_yes, -(-x).softplus())?;
        let log_m = log_m.where_(&sure, mixed)?;
        let weight = Var::from(t.map(|t| self.weight(t)));
        log_m.mul(self.gamma)?.exp().mul(cost)?.mul(weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "sigmoid_focal_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            SigmoidFocalLoss::new()
                .alpha(case.f64("alpha", 0.25))
                .gamma(case.f64("gamma", 2.0))
                .reduction(case.reduction())
                .forward(&v[0], v[1].value())
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    fn gradient<T: Float>(gamma: f64, x: &[f64], t: f64) -> Result<Vec<f64>> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from_vec(
            x.iter().map(|&v| T::of(v)).collect(),
            [x.len() as i64],
        )?);
        let t = x.value().full_like(T::of(t));
        let options = SigmoidFocalLoss::new().gamma(gamma).alpha(-1.0);
        let y = options.reduction(Reduction::Sum).forward(&x, &t)?;
        let g = y.backward()?;
        Ok(g.get(&x)?.to_vec().iter().map(|v| v.f64()).collect())
    }

    /// A power below 1 of a probability has an infinite slope where `1 - p` has become 0.
    #[test]
    fn a_small_gamma_has_a_slope_at_confident_logits() -> Result<()> {
        for (got, x) in gradient::<f32>(0.5, &[17.0, 20.0, 30.0], 1.0)?
            .iter()
            .zip([17.0f64, 20.0, 30.0])
        {
            // Far out softplus(-x) and 1 - p are both e^-x, so the slope is -(m^γ)(γ e^-x + e^-x) = -1.5 e^-1.5x.
            let want = -1.5 * (-1.5 * x).exp();
            assert!((got / want - 1.0).abs() < 1e-5, "{x}: {got}, not {want}");
        }
        let ends = [f64::INFINITY, 1e4, 200.0];
        assert_eq!(gradient::<f32>(0.5, &ends, 1.0)?, [0.0; 3]);
        let ends = [f64::NEG_INFINITY, -1e4, -200.0];
        assert_eq!(gradient::<f32>(0.5, &ends, 1.0)?, [-1.0; 3]);
        assert_eq!(gradient::<f64>(0.5, &ends, 0.0)?[..2], [0.0; 2]);
        Ok(())
    }

    #[test]
    fn gamma_of_zero_is_binary_cross_entropy() -> Result<()> {
        let x = Var::from(Tensor::from([-3.0f64, 0.5, 40.0, -1e4]));
        let t = Tensor::from([1.0, 0.25, 1.0, 0.0]);
        let focal = SigmoidFocalLoss::new().gamma(0.0).alpha(-1.0);
        let bce = crate::binary::binary_cross_entropy_with_logits(&x, &Var::from(&t))?;
        let focal = focal.forward(&x, &t)?;
        assert!((focal.item()? / bce.item()? - 1.0).abs() < 1e-15);
        Ok(())
    }

    #[test]
    fn labels_between_are_differentiable() -> Result<()> {
        let x = Tensor::from([-3.0f64, -0.5, 0.0, 2.0, 7.0]);
        let t = Tensor::from([0.25, 0.5, 0.9, 0.01, 1.0]);
        for gamma in [0.0, 0.5, 1.0, 2.0, 3.5] {
            let loss = SigmoidFocalLoss::new().gamma(gamma);
            let loss = loss.reduction(Reduction::None);
            gradcheck(|v| loss.forward(&v[0], &t), std::slice::from_ref(&x))?.assert_ok();
            gradgradcheck(|v| loss.forward(&v[0], &t), std::slice::from_ref(&x))?.assert_ok();
        }
        Ok(())
    }

    #[test]
    fn wrong_arguments_are_named() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = sigmoid_focal_loss(&x, &Tensor::from([[0.0, 2.0]])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "sigmoid_focal_loss: target[0, 1] is 2, but a label is 1 for yes, 0 for no, or between where it is not sure"
        );
        let t = Tensor::from([[0.0, 1.0]]);
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(SigmoidFocalLoss::new().gamma(bad).forward(&x, &t).is_err());
        }
        assert!(SigmoidFocalLoss::new().alpha(1.5).forward(&x, &t).is_err());
    }
}
