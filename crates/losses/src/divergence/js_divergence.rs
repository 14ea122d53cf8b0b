use super::bregman::{NEAR, bregman_near};
use super::logits::{Norms, Pair, pick};
use super::row_dim;
use crate::check::{self, same_shape};
use crate::elementwise::strong_zero;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::{Isa, lanes};
use autograd::{Float, Result, Var};
use std::marker::PhantomData;

options! {
    /// The Jensen–Shannon divergence of the distributions of two sets of logits: symmetric, and never above `ln 2`.
    ///
    /// # When to use
    /// To compare two distributions of which neither is the truth, or which may be so far apart that the divergence of
    /// Kullback and Leibler would be huge: this one is bounded, also where a class is impossible in one of them. With
    /// another `beta` it lies between both directions of [`kl_div_with_logits`](crate::divergence::kl_div_with_logits), as
    /// generalised distillation wants it. Distributions without overlap are all equally far: where classes have an order
    /// take [`wasserstein_1d`](crate::divergence::wasserstein_1d).
    /// # Formula
    /// With `p = softmax(x)`, `q = softmax(t)` and `m = beta q + (1 - beta) p`, for each row along `dim`:
    /// `l = beta KL(q ‖ m) + (1 - beta) KL(p ‖ m)`, where `KL(q ‖ m) = Σ q ln(q / m)`. `Mean` divides by the number of rows.
    /// Gradients: `(1 - beta) p (ln(p / m) - KL(p ‖ m))`, and `beta q (ln(q / m) - KL(q ‖ m))` for the target.
    ///
    /// Terms of close distributions are computed as `q (m/q - 1 - ln(m/q))`, which does not cancel.
    /// # Shape
    /// `x` and `t` have one shape, any; the result lacks dimension `dim` with
    /// [`Reduction::None`](crate::Reduction::None), else it is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Dim`](crate::Error::Dim) for a dimension that
    /// is not there, [`Error::Option`](crate::Error::Option) if `beta` does not lie between 0 and 1.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[100.0f64, 0.0]]));
    /// let t = Var::from(Tensor::from([[0.0, 100.0]]));
    /// assert!((js_divergence(&x, &t)?.item()? - 2f64.ln()).abs() < 1e-15); // no overlap
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Lin, *Divergence Measures Based on the Shannon Entropy*, 1991; with `beta` Agarwal et al., *On-Policy Distillation
    /// of Language Models*, 2023, [arXiv:2306.13649](https://arxiv.org/abs/2306.13649), section 2.
    /// # Differs from PyTorch
    /// PyTorch has no such loss. Written with `kl_div` it is NaN where a probability is 0.
    pub struct JsDivergence {
        /// The weight of the target in the mixture.
        beta: f64 = 0.5,
        /// The dimension of the classes.
        dim: i64 = -1,
    }
}

impl JsDivergence {
    /// The divergence of logits `x` and target logits `t`.
    ///
    /// # Errors
    /// See [`JsDivergence`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <Js as RowLoss<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let (dim, rows) = row_dim(op, x, self.dim)?;
        let holds = 0.0 < self.beta && self.beta < 1.0;
        check::option(op, "beta", self.beta, holds, "it must lie between 0 and 1")?;
        let loss = Js {
            beta: self.beta,
            dim: dim as isize,
        };
        rowwise::run(loss, [x, t], dim, self.reduction, rows)
    }
}

/// [`JsDivergence`] with its defaults.
///
/// # Errors
/// See [`JsDivergence`].
#[track_caller]
pub fn js_divergence<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    JsDivergence::new().forward(x, t)
}

#[derive(Clone)]
struct Js {
    beta: f64,
    dim: isize,
}

impl Js {
    /// `ln(m / p)` and `ln(m / q)` from `gap = ln p - ln q`. The larger of `p` and `q` gives the first without
    /// cancellation, and the other lies `|gap|` above.
    #[inline(always)]
    fn logs<I: Isa, T: Float>(&self, gap: T) -> (T, T) {
        let p_larger = gap > T::ZERO;
        let (size, other) = (
            gap.abs_(),
            if p_larger { self.beta } else { 1.0 - self.beta },
        );
        let low = (T::of(other) * (-size).expm1::<I>()).log1p::<I>();
        let high = low + size;
        (
            if p_larger { low } else { high },
            if p_larger { high } else { low },
        )
    }
}

/// The terms of `KL(p ‖ m)`, of `KL(q ‖ m)` and of `Σ (p - q)`.
struct Terms<T, I>(Js, Pair<T>, PhantomData<I>);

impl<T: Float, I: Isa> lanes::Terms<T, 2, 3> for Terms<T, I> {
    #[inline(always)]
    fn at(&self, [x, y]: [T; 2]) -> [T; 3] {
        let Terms(js, pair, _) = self;
        let (of_q, of_p) = (T::of(js.beta), T::of(1.0 - js.beta));
        let (p, q, gap) = (pair.p::<I>(x), pair.q::<I>(y), pair.gap(x, y));
        let (log_p, log_q) = js.logs::<I, T>(gap);
        let near = [
            p * bregman_near::<I, T>(log_p),
            q * bregman_near::<I, T>(log_q),
            q * (bregman_near::<I, T>(gap) + gap),
        ];
        // m - p and m - q, less the logarithms; of a class that is not there only the first.
        let far = [
            of_q * (q - p) - strong_zero(p, log_p),
            of_p * (p - q) - strong_zero(q, log_q),
            p - q,
        ];
        pick(gap.abs_() < T::of(NEAR), near, far)
    }
}

impl<T: Float> RowLoss<T, 2> for Js {
    const NAME: &'static str = "js_divergence";
    const COST: usize = 40;
    /// What makes probabilities of both rows, `KL(p ‖ m)` and `KL(q ‖ m)`.
    type Keep = (Norms, f64, f64);

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [x, y]: [&[T]; 2]) -> (f64, Self::Keep) {
        let norms = Norms::of::<I, T>(x, y, 1.0);
        let pair = norms.pair::<T>(1.0);
        let terms = Terms::<T, I>(self.clone(), pair, PhantomData);
        let [kl_p, kl_q, off] = lanes::sums_of([x, y], terms);
        let js = self.beta * kl_q + (1.0 - self.beta) * kl_p;
        (js, (norms.mended(off), kl_p, kl_q))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        [x, y]: [&[T]; 2],
        (norms, kl_p, kl_q): Self::Keep,
        g: T,
        dx: &mut [T],
    ) {
        let pair = norms.pair::<T>(1.0);
        let (weight, kl) = if K == 0 {
            (1.0 - self.beta, kl_p)
        } else {
            (self.beta, kl_q)
        };
        let (g, kl) = (g * T::of(-weight), T::of(kl));
        for ((d, &x), &y) in dx.iter_mut().zip(x).zip(y) {
            let (log_p, log_q) = self.logs::<I, T>(pair.gap(x, y));
            let (own, log) = if K == 0 {
                (pair.p::<I>(x), log_p)
            } else {
                (pair.q::<I>(y), log_q)
            };
            *d = strong_zero(own, log + kl) * g;
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        if v[0].ndim() == 0 {
            return v[0].sub(&v[1])?.mul(0.0);
        }
        let (p, q) = (v[0].softmax(self.dim)?, v[1].softmax(self.dim)?);
        // A class that is in neither distribution stays out of the graph.
        let (has_p, has_q) = (p.value().ne(T::ZERO)?, q.value().ne(T::ZERO)?);
        let some = has_p.logical_or(&has_q)?;
        let (log_p, log_q) = (v[0].log_softmax(self.dim)?, v[1].log_softmax(self.dim)?);
        let (log_p, log_q) = (log_p.keep_where(&some)?, log_q.keep_where(&some)?);
        let (by_q, by_p) = (
            log_q.add(self.beta.ln())?,
            log_p.add((1.0 - self.beta).ln())?,
        );
        let log_m = by_q.logaddexp(&by_p)?;
        let of_p = p.mul(log_p.sub(&log_m)?.keep_where(&has_p)?)?;
        let of_q = q.mul(log_q.sub(&log_m)?.keep_where(&has_q)?)?;
        of_q.mul(self.beta)?
            .add(of_p.mul(1.0 - self.beta)?)?
            .sum(self.dim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::divergence::KlDivWithLogits;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::Tensor;
    use std::f64::consts::LN_2;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "js_divergence";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            JsDivergence::new()
                .beta(case.f64("beta", 0.5))
                .dim(case.i64("dim", -1))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    fn none() -> JsDivergence {
        JsDivergence::new().reduction(Reduction::None)
    }

    #[test]
    fn it_is_symmetric_and_at_most_ln_2() {
        let inf = f64::INFINITY;
        let x = Tensor::from([
            [3.0f64, -1.0, 0.5],
            [1e4, 0.0, -5.0],
            [0.0, -inf, -inf],
            [0.5, 0.5, -inf],
        ]);
        let t = Tensor::from([
            [0.0f64, 2.0, 0.5],
            [-1e4, 0.0, 0.0],
            [-inf, 1.0, 0.0],
            [0.0, 0.0, -inf],
        ]);
        let (there, slopes) =
            value_and_slopes(&[x.clone(), t.clone()], |v| none().forward(&v[0], &v[1]));
        let (back, back_slopes) = value_and_slopes(&[t, x], |v| none().forward(&v[0], &v[1]));
        assert_near(&there, &back, 1e-14);
        assert!(
            there.iter().all(|v| (0.0..=LN_2 + 1e-15).contains(v)),
            "{there:?}"
        );
        assert_near(&there[1..3], &[LN_2, LN_2], 1e-15);
        assert_eq!(there[3], 0.0);
        for (a, b) in [(&slopes[0], &back_slopes[1]), (&slopes[1], &back_slopes[0])] {
            assert!(
                a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-15),
                "{a:?} {b:?}"
            );
        }
    }

    /// `δ²/8` in `f32`, where the terms of the plain formula cancel.
    #[test]
    fn close_distributions_keep_their_divergence() {
        for apart in [1e-1f32, 1e-2, 1e-3, 1e-4] {
            let x = [
                Tensor::from([[0.5 + apart, 0.5]]),
                Tensor::from([[0.5f32, 0.5]]),
            ];
            let (value, slopes) = value_and_slopes(&x, |v| none().forward(&v[0], &v[1]));
            // Of two classes with logits that differ by d: p - q = tanh(d/2) / 2 for each.
            let d = f64::from(0.5 + apart) - 0.5;
            let e = (0.5 * d).tanh() / 2.0;
            let exact = 0.5 * (phi(2.0 * e) - 2.0 * phi(e));
            assert_near(&value, &[exact], 2e-6);
            let up = (0.5 + e) * ((0.5 + e) / (0.5 + e / 2.0)).ln();
            let down = (0.5 - e) * ((0.5 - e) / (0.5 - e / 2.0)).ln();
            let slope = 0.5 * (up - (0.5 + e) * (up + down));
            assert_near(&slopes[0], &[slope, -slope], 2e-6 + 1e-12 / d.abs());
        }
    }

    /// `Σ p ln 2p` of the distribution `(1 ± e) / 2`, by its series: `Σ e^(2k) / (2k (2k - 1))`.
    fn phi(e: f64) -> f64 {
        (1..40)
            .map(f64::from)
            .map(|k| e.powf(2.0 * k) / (2.0 * k * (2.0 * k - 1.0)))
            .sum()
    }

    /// Rows that lie far from each other: only the differences within a row count. From mpmath with 60 digits.
    #[test]
    fn a_row_may_lie_anywhere() {
        type Case = (&'static [f64], &'static [f64], f64);
        let cases: [Case; 3] = [
            (&[1e20, 1e20], &[1.25, 0.5], 0.016_690_579_595_074_334),
            (&[-1e9; 3], &[1.25, 0.5, 0.0], 0.032_198_799_868_175_73),
            (&[-1e20, -1e20, 1e20], &[100.0, 0.0, 0.0], LN_2),
        ];
        for (x, t, want) in cases {
            let rows = [x, t].map(|v| Tensor::from_vec(v.to_vec(), [1, v.len()]).unwrap());
            let (value, slopes) = value_and_slopes(&rows, |v| none().forward(&v[0], &v[1]));
            assert_near(&value, &[want], 1e-15);
            assert!(slopes.iter().flatten().all(|s| s.is_finite()), "{slopes:?}");
        }
    }

    /// As `beta` falls to 0, the divergence by `beta` becomes `KL(q ‖ p)`, and towards 1 the other direction's.
    #[test]
    fn beta_leads_from_one_direction_to_the_other() {
        let x = [
            Tensor::from([[1.0f64, 0.0, -1.0]]),
            Tensor::from([[0.5, 2.0, -0.5]]),
        ];
        let kl = KlDivWithLogits::new().reduction(Reduction::None);
        for (beta, options) in [(1e-7, kl.clone()), (1.0 - 1e-7, kl.reverse(true))] {
            let (value, _) = value_and_slopes(&x, |v| none().beta(beta).forward(&v[0], &v[1]));
            let (limit, _) = value_and_slopes(&x, |v| options.forward(&v[0], &v[1]));
            assert_near(&[value[0] / 1e-7], &limit, 1e-6);
        }
    }

    #[test]
    fn a_beta_of_one_is_named() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = JsDivergence::new().beta(1.0).forward(&x, &x).unwrap_err();
        assert_eq!(
            e.to_string(),
            "js_divergence: beta is 1, but it must lie between 0 and 1"
        );
    }
}
