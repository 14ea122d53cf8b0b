//! The cross entropy of a row of logits with a distribution.

use super::cross_entropy::{CrossEntropy, NAME};
use super::row::{Kept, row_sum, sum_by};
use super::target::along;
use crate::check;
use crate::rowwise::RowLoss;
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::softmax::{self, LogSum};
use autograd::{Float, Result, Tensor, Var, keepdim};

/// Cross entropy with distributions, row by row.
#[derive(Clone)]
pub(crate) struct WithDistribution<T: Float> {
    dim: isize,
    weight: Option<(Tensor<T>, Vec<T>)>,
    smoothing: f64,
    over_finite: bool,
    z_loss: f64,
}

/// That no probability is negative.
pub(crate) fn check_probabilities<T: Float>(op: &'static str, target: &Tensor<T>) -> Result<()> {
    let is_negative = |p| p < T::ZERO;
    check::elements(
        op,
        "target",
        target,
        is_negative,
        "a probability is not negative",
    )
}

impl<T: Float> WithDistribution<T> {
    /// Of rows along dimension `dim`.
    pub fn new(options: &CrossEntropy<T>, dim: usize) -> Self {
        WithDistribution {
            dim: dim as isize,
            weight: options.weight.as_ref().map(|w| (w.clone(), w.to_vec())),
            smoothing: options.label_smoothing,
            over_finite: options.smooth_over_finite,
            z_loss: options.z_loss,
        }
    }

    /// What the smoothing gives to each class of a row that takes part in it.
    #[inline(always)]
    fn even(&self, x: &[T]) -> f64 {
        if self.smoothing == 0.0 {
            0.0
        } else if self.over_finite {
            self.smoothing / sum_by(x, |_, v| f64::from(v != T::LOWEST))
        } else {
            self.smoothing / x.len() as f64
        }
    }

    /// The weight of the cost of a class with logit `x` and probability `t`, but for the class's own weight.
    #[inline(always)]
    fn share(&self, x: T, t: T, even: T) -> T {
        let t = T::of(1.0 - self.smoothing) * t;
        if self.over_finite && x == T::LOWEST {
            t
        } else {
            t + even
        }
    }

    /// The loss of a row, and the sum of its shares.
    #[inline(always)]
    fn cost(&self, x: &[T], t: &[T], kept: Kept<T>) -> (f64, f64) {
        let even = T::of(self.even(x));
        // `lse(x) - x` in two parts: the second is the same for all classes.
        let terms = |q: T, x: T| {
            let gap = if x == kept.max { T::ZERO } else { kept.max - x };
            [q, if q == T::ZERO { q } else { q * gap }]
        };
        let [total, gaps] = match &self.weight {
            None if self.smoothing == 0.0 => softmax::sums([x, t], |[x, t]| terms(t, x)),
            None => softmax::sums([x, t], |[x, t]| terms(self.share(x, t, even), x)),
            Some((_, w)) => {
                softmax::sums([x, t, w], |[x, t, w]| terms(w * self.share(x, t, even), x))
            }
        };
        let mut value = gaps + if total == 0.0 { 0.0 } else { total * kept.log };
        if self.z_loss != 0.0 {
            value += self.z_loss * kept.lse() * kept.lse();
        }
        (value, total)
    }

    /// The slope of the `z_loss` by the logarithm of the sum.
    #[inline(always)]
    fn z_slope(&self, kept: Kept<T>) -> f64 {
        if self.z_loss == 0.0 {
            0.0
        } else {
            2.0 * self.z_loss * kept.lse()
        }
    }

    /// The slopes of a row of logits; `dx` holds its softmax, which is to be multiplied by `scale`.
    #[inline(always)]
    fn pull(&self, [x, t]: [&[T]; 2], kept: Kept<T>, g: f64, scale: T, dx: &mut [T]) {
        let z = self.z_slope(kept);
        let even = T::of(self.even(x));
        let gain = T::of(g);
        match &self.weight {
            None if self.smoothing == 0.0 => {
                for (d, &t) in dx.iter_mut().zip(t) {
                    *d = *d * scale - gain * t;
                }
            }
            None => {
                for ((d, &x), &t) in dx.iter_mut().zip(x).zip(t) {
                    *d = *d * scale - gain * self.share(x, t, even);
                }
            }
            Some((_, w)) => {
                for (((d, &x), &t), &w) in dx.iter_mut().zip(x).zip(t).zip(w) {
                    *d = *d * scale - gain * (w * self.share(x, t, even));
                }
            }
        }
        // As for a class: the likeliest class gets what the others lack.
        if let Some(top) = softmax::position(x, kept.max) {
            dx[top] = T::ZERO;
            dx[top] = T::of(g * z - row_sum(dx));
        }
    }
}

impl<T: Float> RowLoss<T, 2> for WithDistribution<T> {
    const NAME: &'static str = NAME;
    const COST: usize = 12;
    /// The row, and the sum of its shares.
    type Keep = (Kept<T>, f64);

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [x, t]: [&[T]; 2]) -> (f64, Self::Keep) {
        let kept = Kept::of::<I>(x);
        let (value, total) = self.cost(x, t, kept);
        (value, (kept, total))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        [x, t]: [&[T]; 2],
        (kept, total): Self::Keep,
        g: T,
        dx: &mut [T],
    ) {
        let g = g.f64();
        if K == 1 {
            let g = g * (1.0 - self.smoothing);
            for (c, (d, &x)) in dx.iter_mut().zip(x).enumerate() {
                let w = self.weight.as_ref().map_or(1.0, |(_, w)| w[c].f64());
                *d = T::of(if w * g == 0.0 {
                    0.0
                } else {
                    w * g * kept.cost(x)
                });
            }
            return;
        }
        kept.softmax::<I>(x, T::of(g * (total + self.z_slope(kept))), dx);
        self.pull([x, t], kept, g, T::ONE, dx);
    }

    #[inline(always)]
    fn value_and_slope<I: Isa>(&self, i: usize, [x, t]: [&[T]; 2], g: T, dx: &mut [T]) -> f64 {
        // The exponentials are there already once they are added up.
        let sum = LogSum::of_into::<I>(x, dx);
        let kept = Kept::from_sum::<I>(sum);
        let (value, total) = self.cost(x, t, kept);
        if !sum.max.finite() {
            self.slope::<I, 0>(i, [x, t], (kept, total), g, dx);
            return value;
        }
        let g = g.f64();
        let scale = T::of(g * (total + self.z_slope(kept)) / (1.0 + sum.rest));
        self.pull([x, t], kept, g, scale, dx);
        value
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t) = (&v[0], &v[1]);
        let log = x.log_softmax(self.dim)?;
        let mut q = t.clone();
        if self.smoothing != 0.0 {
            let takes = x.value().ne(T::LOWEST)?;
            let takes = takes.logical_or(takes.full_like(!self.over_finite))?;
            let takes = takes.cast::<T>();
            let count = takes.sum(keepdim(self.dim))?;
            let even = takes.mul(T::of(self.smoothing))?.div(&count)?;
            q = q.mul(1.0 - self.smoothing)?.add(Var::from(even))?;
        }
        if let Some((w, _)) = &self.weight {
            q = q.mul(Var::from(along(w, x.ndim(), self.dim)?))?;
        }
        // 0 · (-inf) is 0 in the value; the slope of the share is the logarithm all the same.
        let zero = q.value().eq(T::ZERO)?.logical_and(log.value().isinf())?;
        let rows = -q.mul(log.keep_where(&zero.logical_not())?)?.sum(self.dim)?;
        if self.z_loss == 0.0 {
            return Ok(rows);
        }
        rows.add(x.logsumexp(self.dim)?.square().mul(self.z_loss)?)
    }
}
