use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise, sign};
use autograd::tensor_core::kernel::{Isa, Math};
use autograd::{Float, Result, Var};
use std::f64::consts::PI;

options! {
    /// Evidential regression: the negative log-likelihood of a target under a normal-inverse-gamma distribution, and
    /// a penalty on evidence for what is wrong.
    ///
    /// # When to use
    /// Where a network should say how sure it is, and of what it knows nothing, in one pass: it predicts the mean `gamma`
    /// and how much evidence it has for it. Make `nu` and `beta` positive with a softplus, and `alpha` above 1 with a
    /// softplus plus 1, for then the variance `beta / (alpha - 1)` exists. Where the noise of the data alone is wanted,
    /// [`gaussian_nll_loss`](crate::divergence::gaussian_nll_loss) is simpler.
    /// # Formula
    /// With `d = t - gamma`, `s = 2 beta (1 + nu) / nu` and `z = d² / s`:
    /// `l = ln(π s) / 2 + (alpha + 1/2) ln(1 + z) + ln Γ(alpha) - ln Γ(alpha + 1/2) + coefficient |d| (2 nu + alpha)`; `Mean`
    /// divides by the number of elements.
    ///
    /// Gradients, with `k = (alpha + 1/2) z / (1 + z) - 1/2`, ψ the derivative of `ln Γ`, and `c = coefficient`:
    /// - target: `(2 alpha + 1) d / (s + d²) + c sign(d) (2 nu + alpha)`, and its opposite for `gamma`;
    /// - `nu`: `k / (nu (1 + nu)) + 2 c |d|`;
    /// - `alpha`: `ln(1 + z) + ψ(alpha) - ψ(alpha + 1/2) + c |d|`;
    /// - `beta`: `-k / beta`.
    /// # Shape
    /// All five have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes differ, [`Error::Value`](crate::Error::Value) if `nu`, `alpha` or
    /// `beta` is not positive, [`Error::Option`](crate::Error::Option) for a negative `coefficient`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let of = |v: f64| Var::from(Tensor::from([v]));
    /// let loss = |gamma: f64| evidential_nig_loss(&of(gamma), &of(1.0), &of(2.0), &of(1.0), &of(0.5))?.item();
    /// assert!(loss(0.5)? < loss(0.75)?); // the nearer the mean, the better
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Amini et al., *Deep Evidential Regression*, 2020, [arXiv:1910.02600](https://arxiv.org/abs/1910.02600), equations
    /// 8 to 10.
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct EvidentialNigLoss {
        /// The weight of the penalty on evidence.
        coefficient: f64 = 0.01,
    }
}

impl EvidentialNigLoss {
    /// The loss of the four parameters and targets `t`.
    ///
    /// # Errors
    /// See [`EvidentialNigLoss`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        gamma: &Var<T>,
        nu: &Var<T>,
        alpha: &Var<T>,
        beta: &Var<T>,
        t: &Var<T>,
    ) -> Result<Var<T>> {
        let op = Evidential::<T>::NAME;
        for (what, v) in [
            ("nu", nu),
            ("alpha", alpha),
            ("beta", beta),
            ("the target", t),
        ] {
            same_shape(op, what, v.shape(), gamma.shape())?;
        }
        for (what, v) in [("nu", nu), ("alpha", alpha), ("beta", beta)] {
            let expected = "it must be positive: let it come from a softplus";
            check::elements(op, what, v.value(), |v| v <= T::ZERO, expected)?;
        }
        let c = self.coefficient;
        check::option(op, "coefficient", c, c >= 0.0, "it must not be negative")?;
        let loss = Evidential {
            coefficient: T::of(c),
        };
        let inputs = [gamma, nu, alpha, beta, t];
        elementwise::run(loss, inputs, None, self.reduction, gamma.numel() as f64)
    }
}

/// [`EvidentialNigLoss`] with its defaults.
///
/// # Errors
/// See [`EvidentialNigLoss`].
#[track_caller]
pub fn evidential_nig_loss<T: Float>(
    gamma: &Var<T>,
    nu: &Var<T>,
    alpha: &Var<T>,
    beta: &Var<T>,
    t: &Var<T>,
) -> Result<Var<T>> {
    EvidentialNigLoss::new().forward(gamma, nu, alpha, beta, t)
}

#[derive(Clone)]
struct Evidential<T> {
    coefficient: T,
}

/// From where on the series below has all digits of a double.
const FAR: f64 = 40.0;
/// So many steps lead from anywhere to where the series has all digits that count beside those of the steps.
const STEPS: usize = 16;

/// `ln Γ(x) - ln Γ(x + 1/2)`. Far out both are large and their difference is not: there by its asymptotic series, and
/// before by [`STEPS`] steps of `Γ(x + 1) = x Γ(x)` to there.
#[inline(always)]
fn log_gamma_step<I: Isa>(x: f64) -> f64 {
    let near = x < FAR;
    let first = if near { x } else { 0.5 };
    // The product of (x + k + 1/2) / (x + k), less the first denominator, which may be very small.
    let (mut over, mut under) = (first + 0.5, 1.0);
    for k in 1..STEPS {
        over *= first + (k as f64 + 0.5);
        under *= first + k as f64;
    }
    let steps = Math::ln::<I>(over / under) - Math::ln::<I>(first);
    let x = if near { x + STEPS as f64 } else { x };
    let u = 1.0 / (x * x);
    let series = 1.0 / 8.0
        - u * (1.0 / 192.0 - u * (1.0 / 640.0 - u * (17.0 / 14336.0 - u * (31.0 / 18432.0))));
    series / x - 0.5 * Math::ln::<I>(x) + if near { steps } else { 0.0 }
}

/// The derivative of [`log_gamma_step`].
#[inline(always)]
fn digamma_step(x: f64) -> f64 {
    let near = x < FAR;
    let first = if near { x } else { 0.5 };
    // The sum of 1 / (x + k) - 1 / (x + k + 1/2) as one fraction, less its first term.
    let (mut over, mut under) = (0.0, 1.0);
    for k in 1..STEPS {
        let both = (first + k as f64) * (first + (k as f64 + 0.5));
        over = over * both + 0.5 * under;
        under *= both;
    }
    let steps = 0.5 / (first + 0.5) / first + over / under;
    let x = if near { x + STEPS as f64 } else { x };
    let u = 1.0 / (x * x);
    let series = 1.0 / 8.0
        - u * (3.0 / 192.0 - u * (5.0 / 640.0 - u * (7.0 * 17.0 / 14336.0 - u * (31.0 / 2048.0))));
    -series * u - 0.5 / x - if near { steps } else { 0.0 }
}

impl<T: Float> Pointwise<T, 5> for Evidential<T> {
    const NAME: &'static str = "evidential_nig_loss";
    const COST: usize = 48;

    #[inline(always)]
    fn value<I: Isa>(&self, [gamma, nu, alpha, beta, t]: [T; 5]) -> T {
        let (d, half) = (t - gamma, T::of(0.5));
        let s = scale(nu, beta);
        let step = T::of(log_gamma_step::<I>(alpha.f64()));
        half * (T::of(PI) * s).ln::<I>()
            + (alpha + half) * log_stretch::<I, T>(d, s)
            + step
            + self.coefficient * d.abs_() * (nu + nu + alpha)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [gamma, nu, alpha, beta, t]: [T; 5]) -> T {
        let (d, half) = (t - gamma, T::of(0.5));
        let s = scale(nu, beta);
        if K == 0 || K == 4 {
            // d / (s + d²), where no square can overflow; 0 at d = 0.
            let slope = (alpha + alpha + T::ONE) / (d + s / d)
                + self.coefficient * sign(d) * (nu + nu + alpha);
            return if K == 0 { -slope } else { slope };
        }
        if K == 2 {
            return log_stretch::<I, T>(d, s)
                + T::of(digamma_step(alpha.f64()))
                + self.coefficient * d.abs_();
        }
        // z / (1 + z)
        let share = T::ONE / (T::ONE + s / d / d);
        let k = (alpha + half) * share - half;
        if K == 1 {
            k / (nu * (T::ONE + nu)) + T::of(2.0) * self.coefficient * d.abs_()
        } else {
            -k / beta
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (gamma, nu, alpha, beta, t) = (&v[0], &v[1], &v[2], &v[3], &v[4]);
        let d = t.sub(gamma)?;
        let more = alpha.add(0.5)?;
        let s = beta.mul(nu.add(1.0)?)?.mul(2.0)?.div(nu)?;
        let stretch = d.div(s.sqrt())?.square().log1p();
        let likelihood = s.mul(PI)?.log().mul(0.5)?.add(more.mul(stretch)?)?;
        let step = alpha.lgamma().sub(more.lgamma())?;
        let penalty = d
            .abs()
            .mul(nu.mul(2.0)?.add(alpha)?)?
            .mul(self.coefficient)?;
        likelihood.add(step)?.add(penalty)
    }
}

/// `s = 2 beta (1 + nu) / nu`
#[inline(always)]
fn scale<T: Float>(nu: T, beta: T) -> T {
    T::of(2.0) * beta * (T::ONE + T::ONE / nu)
}

/// `ln(1 + d²/s)`, where neither square nor quotient overflows.
#[inline(always)]
fn log_stretch<I: Isa, T: Float>(d: T, s: T) -> T {
    let r = d.abs_() / s.sqrt_();
    if r > T::ONE {
        let inverse = T::ONE / r;
        T::of(2.0) * r.ln::<I>() + (inverse * inverse).log1p::<I>()
    } else {
        (r * r).log1p::<I>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::Tensor;
    use autograd::tensor_core::kernel::Portable;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "evidential_nig_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            // Fixtures name their inputs in the order of the alphabet.
            let [alpha, beta, gamma, nu, target] = [&v[0], &v[1], &v[2], &v[3], &v[4]];
            EvidentialNigLoss::new()
                .coefficient(case.f64("coefficient", 0.01))
                .reduction(case.reduction())
                .forward(gamma, nu, alpha, beta, target)
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// `x`, the difference of the logarithms of the gamma function and its derivative, from mpmath with 60 digits.
    const STEPS: [[f64; 3]; 8] = [
        [0.5, 0.5723649429247001, -1.3862943611198906],
        [2.0, -0.2846828704729192, -0.28037230554677606],
        [39.5, -1.8349858634851512, -0.012738336797812073],
        [40.0, -1.8413148084219249, -0.012578118898390458],
        [55.25, -2.003671757638734, -0.009090721281607768],
        [1e3, -3.453752639496277, -0.000500124999984375],
        [1e8, -9.210340370726183, -5.0000000125e-9],
        [1e15, -17.269388197455342, -5.000000000000001e-16],
    ];

    #[test]
    fn differences_of_gamma_functions_do_not_cancel() {
        for [x, value, slope] in STEPS {
            let bound = if x < FAR { 1e-14 } else { 1e-15 };
            assert_near(&[log_gamma_step::<Portable>(x)], &[value], bound);
            assert_near(&[digamma_step(x)], &[slope], bound);
        }
    }

    #[test]
    fn extreme_errors_and_evidence_stay_finite() {
        /// From mpmath with 60 digits.
        const EXTREMES: [f64; 4] = [
            285.33822975547946,
            35.1730320560569,
            -18.653034738069,
            1.1447298858494002,
        ];
        let of = |v: [f32; 4]| Tensor::from(v);
        let inputs = [
            of([1e25, 0.0, 1e-20, 3.0]),
            of([1.0, 1e-30, 1e20, 1.0]),
            of([2.0, 2.0, 1e7, 1.5]),
            of([1.0, 1.0, 1e-10, 1.0]),
            of([0.0, 0.0, 0.0, 3.0]),
        ];
        let none = EvidentialNigLoss::new()
            .coefficient(0.0)
            .reduction(crate::Reduction::None);
        let (value, slopes) =
            value_and_slopes(&inputs, |v| none.forward(&v[0], &v[1], &v[2], &v[3], &v[4]));
        assert_near(&value, &EXTREMES, 1e-6);
        assert!(slopes.iter().flatten().all(|v| v.is_finite()), "{slopes:?}");
        assert_eq!(slopes[0][3], 0.0);
    }

    #[test]
    fn evidence_that_is_not_positive_is_named() {
        let of = |v: f32| Var::from(Tensor::from([1.0, v]));
        let e = evidential_nig_loss(&of(0.0), &of(0.0), &of(1.0), &of(1.0), &of(1.0));
        let text =
            "evidential_nig_loss: nu[1] is 0, but it must be positive: let it come from a softplus";
        assert_eq!(e.unwrap_err().to_string(), text);
    }
}
