use super::tails::Tails;
use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise, strong_product, strong_zero};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// A focal loss with a power of its own for each label, in which negatives that are easy enough count nothing at all.
    ///
    /// # When to use
    /// For many labels to a sample, of which few hold. Negatives whose probability lies below `clip` are given up, wrong
    /// labels among them: raise `clip` if labels are missing. Where labels are few and balanced,
    /// [`BinaryCrossEntropyWithLogits`](crate::binary::BinaryCrossEntropyWithLogits) gives probabilities; this does not.
    ///
    /// # Formula
    /// `l = -t (1 - p)^gamma_pos ln p - (1 - t) m^gamma_neg ln(1 - m)`, where `p = σ(x)` and `m = max(p - clip, 0)`.
    /// `Mean` divides by the number of elements. Gradient: `-(1 - p)^gamma_pos (1 - p - gamma_pos p ln p)` for `t = 1`;
    /// `p (1 - p) m^gamma_neg (1/(1 - m) - gamma_neg ln(1 - m) / m)` for `t = 0` where `m` is positive, else 0.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Value`](crate::Error::Value) for a label
    /// outside `0..=1`, [`Error::Option`](crate::Error::Option) for a negative power or a `clip` outside `0..1`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.0f64, -4.0]));
    /// let loss = AsymmetricLoss::new().reduction(Reduction::None).forward(&x, &Tensor::from([1.0, 0.0]))?;
    /// // A yes is not held down; a no with a probability of 0.018, which is below 0.05, costs nothing.
    /// assert_eq!(loss.value().to_vec(), [2f64.ln(), 0.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Ridnik et al., *Asymmetric Loss For Multi-Label Classification*, 2021,
    /// [arXiv:2009.14119](https://arxiv.org/abs/2009.14119).
    /// # Differs from PyTorch
    /// PyTorch has no such loss. The authors' program ends logarithms at `ln 1e-8`, which takes the gradient of a logit
    /// beyond 18 that is wrong; here it stays 1. It sums, and its `gamma_pos` is 1; the paper's is 0, as here.
    pub struct AsymmetricLoss {
        /// The power of positives.
        gamma_pos: f64 = 0.0,
        /// The power of negatives.
        gamma_neg: f64 = 4.0,
        /// The probability up to which a negative counts nothing, taken from all of them.
        clip: f64 = 0.05,
    }
}

impl AsymmetricLoss {
    /// The loss of logits `x` and labels `t`.
    ///
    /// # Errors
    /// See [`AsymmetricLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
        let op = <Asymmetric<true> as Pointwise<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        for (name, gamma) in [("gamma_pos", self.gamma_pos), ("gamma_neg", self.gamma_neg)] {
            check::option(
                op,
                name,
                gamma,
                (0.0..f64::INFINITY).contains(&gamma),
                "it must not be negative",
            )?;
        }
        check::option(
            op,
            "clip",
            self.clip,
            (0.0..1.0).contains(&self.clip),
            "it must be a probability below 1",
        )?;
        check::labels(op, "target", t)?;
        let (inputs, n) = ([x, &Var::from(t)], x.numel() as f64);
        let (gamma_pos, gamma_neg, clip) = (self.gamma_pos, self.gamma_neg, self.clip);
        if [gamma_pos, gamma_neg]
            .iter()
            .all(|&g| g < 8.0 && g.fract() == 0.0)
        {
            let loss = Asymmetric::<true> {
                gamma_pos,
                gamma_neg,
                clip,
            };
            return elementwise::run(loss, inputs, None, self.reduction, n);
        }
        let loss = Asymmetric::<false> {
            gamma_pos,
            gamma_neg,
            clip,
        };
        elementwise::run(loss, inputs, None, self.reduction, n)
    }
}

/// [`AsymmetricLoss`] with its defaults.
///
/// # Errors
/// See [`AsymmetricLoss`].
#[track_caller]
pub fn asymmetric_loss<T: Float>(x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    AsymmetricLoss::new().forward(x, t)
}

/// `WHOLE` says that both exponents are whole numbers below 8, whose powers are products.
#[derive(Clone)]
struct Asymmetric<const WHOLE: bool> {
    gamma_pos: f64,
    gamma_neg: f64,
    clip: f64,
}

impl<const WHOLE: bool> Asymmetric<WHOLE> {
    /// `x^gamma`
    #[inline(always)]
    fn power<I: Isa, T: Float>(x: T, gamma: f64) -> T {
        if !WHOLE {
            return x.pow::<I>(T::of(gamma));
        }
        let (bits, square) = (gamma as u32, x * x);
        let factor = |bit: u32, v: T| if bits & bit == 0 { T::ONE } else { v };
        factor(1, x) * factor(2, square) * factor(4, square * square)
    }

    /// The probability `m` that is left of a negative, and `-ln(1 - m)`, by the form that keeps its digits.
    #[inline(always)]
    fn negative<I: Isa, T: Float>(&self, l: Tails<T>) -> (T, T) {
        if self.clip == 0.0 {
            return (l.p, l.no);
        }
        let clip = T::of(self.clip);
        let m = l.p - clip;
        let m = if m <= T::ZERO { T::ZERO } else { m };
        let near = -(-m).log1p::<I>();
        let far = -(l.q + clip).ln::<I>();
        (m, if m < T::of(0.5) { near } else { far })
    }
}

impl<T: Float, const WHOLE: bool> Pointwise<T, 2> for Asymmetric<WHOLE> {
    const NAME: &'static str = "asymmetric_loss";
    const COST: usize = if WHOLE { 24 } else { 64 };

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let l = Tails::of::<I>(x);
        let yes = Self::power::<I, T>(l.q, self.gamma_pos) * l.yes;
        let (m, cost) = self.negative::<I, T>(l);
        let no = Self::power::<I, T>(m, self.gamma_neg) * cost;
        strong_zero(t, yes) + strong_zero(T::ONE - t, no)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let l = Tails::of::<I>(x);
        let (up, down) = (T::of(self.gamma_pos), T::of(self.gamma_neg));
        let yes =
            -(Self::power::<I, T>(l.q, self.gamma_pos) * (up * strong_zero(l.p, l.yes) + l.q));
        let (m, cost) = self.negative::<I, T>(l);
        let power = Self::power::<I, T>(m, self.gamma_neg);
        let no = if self.clip == 0.0 {
            power * (down * strong_zero(l.q, cost) + l.p)
        } else if m == T::ZERO {
            T::ZERO
        } else {
            l.p * l.q * power * (down * (cost / m) + T::ONE / (l.q + T::of(self.clip)))
        };
        strong_zero(t, yes) + strong_zero(T::ONE - t, no)
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t) = (&v[0], &v[1]);
        // Powers as exponentials of logarithms, which have a slope where the probability has become 0.
        let (yes, no) = ((-x).softplus(), x.softplus());
        let positive = no.mul(-self.gamma_pos)?.exp().mul(&yes)?;
        let negative = if self.clip == 0.0 {
            yes.mul(-self.gamma_neg)?.exp().mul(&no)?
        } else {
            let m = x.sigmoid().sub(self.clip)?;
            let counts = m.value().gt(T::ZERO)?;
            let log_m = m.masked_fill(&counts.logical_not(), T::ONE)?.log();
            let cost = -(-x).sigmoid().add(self.clip)?.log();
            log_m
                .mul(self.gamma_neg)?
                .exp()
                .mul(cost)?
                .keep_where(&counts)?
        };
        strong_product(t, &positive)?.add(strong_product(&(1.0 - t), &negative)?)
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
        const NAME: &'static str = "asymmetric_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            AsymmetricLoss::new()
                .gamma_pos(case.f64("gamma_pos", 0.0))
                .gamma_neg(case.f64("gamma_neg", 4.0))
                .clip(case.f64("clip", 0.05))
                .reduction(case.reduction())
                .forward(&v[0], v[1].value())
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Far out the loss is the logit itself where nothing is clipped, and `-ln clip` where something is.
    #[test]
    fn far_logits() -> Result<()> {
        let ends = [f32::NEG_INFINITY, -1e4, -200.0, 200.0, 1e4, f32::INFINITY];
        let run = |clip: f64, label: f32| -> Result<(Vec<f32>, Vec<f32>)> {
            let tape = Tape::new();
            let x = tape.leaf(Tensor::from(ends));
            let t = x.value().full_like(label);
            let options = AsymmetricLoss::new().clip(clip).gamma_pos(0.5);
            let y = options.reduction(Reduction::None).forward(&x, &t)?;
            let dx = y.sum(..)?.backward()?;
            Ok((y.value().to_vec(), dx.get(&x)?.to_vec()))
        };
        let (inf, log) = (f32::INFINITY, -(0.05f64.ln() as f32));
        let (y, dx) = run(0.0, 0.0)?;
        assert_eq!(y, [0.0, 0.0, 0.0, 200.0, 1e4, inf]);
        assert_eq!(dx, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let (y, dx) = run(0.05, 0.0)?;
        // The power is of 0.95, which is not 1.
        let held = 0.95f32.powi(4) * log;
        assert!(y[..3] == [0.0; 3] && y[3..].iter().all(|y| (y / held - 1.0).abs() < 1e-5));
        assert_eq!(dx, [0.0; 6]);
        let (y, dx) = run(0.05, 1.0)?;
        assert_eq!(y, [inf, 1e4, 200.0, 0.0, 0.0, 0.0]);
        assert_eq!(dx, [-1.0, -1.0, -1.0, 0.0, 0.0, 0.0]);
        Ok(())
    }

    #[test]
    fn labels_between_are_differentiable() -> Result<()> {
        let x = Tensor::from([-2.5f64, -0.5, 0.0, 2.0, 7.0]);
        let t = Tensor::from([0.25, 0.5, 0.9, 0.01, 1.0]);
        for (up, down, clip) in [(0.0, 0.0, 0.05), (0.5, 0.5, 0.0), (1.0, 4.0, 0.05)] {
            let loss = AsymmetricLoss::new()
                .gamma_pos(up)
                .gamma_neg(down)
                .clip(clip)
                .reduction(Reduction::None);
            gradcheck(|v| loss.forward(&v[0], &t), std::slice::from_ref(&x))?.assert_ok();
            gradgradcheck(|v| loss.forward(&v[0], &t), std::slice::from_ref(&x))?.assert_ok();
        }
        Ok(())
    }

    #[test]
    fn wrong_options_are_named() {
        let x = Var::from(Tensor::from([0.0f32]));
        let e = AsymmetricLoss::new()
            .clip(1.0)
            .forward(&x, &Tensor::from([0.0]))
            .unwrap_err();
        assert_eq!(
            e.to_string(),
            "asymmetric_loss: clip is 1, but it must be a probability below 1"
        );
    }
}
