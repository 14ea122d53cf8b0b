//! The cross entropy of a row of logits with a distribution.

use super::cross_entropy::{CrossEntropy, NAME};
use super::row::{Kept, sum_by, sum_of_others};
use super::short::{self, Smooth};
use super::target::along;
use crate::check;
use crate::rowwise::RowLoss;
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::columns::Columns;
use autograd::tensor_core::kernel::lanes::{self, Change, WIDTH};
use autograd::tensor_core::kernel::softmax::LogSum;
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

    /// The weights of the costs, but for those of the classes.
    #[inline(always)]
    fn shares(&self, x: &[T]) -> Shares<T> {
        Shares {
            part: T::of(1.0 - self.smoothing),
            even: T::of(self.even(x)),
            over_finite: self.over_finite,
        }
    }

    /// The loss of a row, and the sum of its shares.
    #[inline(always)]
    fn cost(&self, x: &[T], t: &[T], kept: Kept<T>) -> (f64, f64) {
        let terms = Terms {
            max: kept.max,
            shares: self.shares(x),
        };
        // `lse(x) - x` in two parts: the second is the same for all classes.
        let [total, gaps] = match &self.weight {
            None if self.smoothing == 0.0 => lanes::sums_of([t, x], Plain(terms)),
            None => lanes::sums_of([t, x], terms),
            Some((_, w)) => lanes::sums_of([t, x, w], terms),
        };
        let mut value = gaps + if total == 0.0 { 0.0 } else { total * kept.log };
        if self.z_loss != 0.0 {
            value += self.z_loss * kept.lse() * kept.lse();
        }
        (value, total)
    }

    /// The slopes of a row of logits; `dx` holds its softmax, which is to be multiplied by `scale`, and 0 in place `top`.
    #[inline(always)]
    fn pull(
        &self,
        [x, t]: [&[T]; 2],
        (kept, top): (Kept<T>, Option<usize>),
        g: f64,
        scale: T,
        dx: &mut [T],
    ) {
        let pull = Pull {
            shares: self.shares(x),
            scale,
            gain: T::of(g),
        };
        let sum = match &self.weight {
            None if self.smoothing == 0.0 => lanes::change(dx, [t], pull),
            None => lanes::change(dx, [t, x], pull),
            Some((_, w)) => lanes::change(dx, [t, x, w], pull),
        };
        // As for a class: the likeliest class gets what the others lack.
        if let Some(top) = top {
            dx[top] = T::of(g * kept.z_slope(self.z_loss) - sum_of_others(dx, top, sum));
        }
    }
}

/// Puts 0 in place of the likeliest class of a row, and says where that is.
#[inline(always)]
fn without_top<T: Float>(x: &[T], kept: Kept<T>, dx: &mut [T]) -> Option<usize> {
    let top = lanes::position(x, kept.max)?;
    dx[top] = T::ZERO;
    Some(top)
}

/// How the costs of the classes are weighed.
#[derive(Clone, Copy)]
struct Shares<T> {
    part: T,
    even: T,
    over_finite: bool,
}

impl<T: Float> Shares<T> {
    /// Of a class with probability `t` and logit `x`.
    #[inline(always)]
    fn of(self, t: T, x: T) -> T {
        let t = self.part * t;
        if self.over_finite && x == T::LOWEST {
            t
        } else {
            t + self.even
        }
    }
}

/// The terms of a row's loss: the share of a class, and what it adds to the loss beside what all classes do.
#[derive(Clone, Copy)]
struct Terms<T> {
    max: T,
    shares: Shares<T>,
}

impl<T: Float> Terms<T> {
    #[inline(always)]
    fn of(self, share: T, x: T) -> [T; 2] {
        let gap = if x == self.max { T::ZERO } else { self.max - x };
        let cost = share * gap;
        [share, if share == T::ZERO { share } else { cost }]
    }
}

/// By the probabilities as they are.
struct Plain<T>(Terms<T>);

impl<T: Float> lanes::Terms<T, 2, 2> for Plain<T> {
    #[inline(always)]
    fn at(&self, [t, x]: [T; 2]) -> [T; 2] {
        self.0.of(t, x)
    }
}

/// By smoothed ones.
impl<T: Float> lanes::Terms<T, 2, 2> for Terms<T> {
    #[inline(always)]
    fn at(&self, [t, x]: [T; 2]) -> [T; 2] {
        self.of(self.shares.of(t, x), x)
    }
}

/// The same with weights of the classes.
impl<T: Float> lanes::Terms<T, 3, 2> for Terms<T> {
    #[inline(always)]
    fn at(&self, [t, x, w]: [T; 3]) -> [T; 2] {
        self.of(w * self.shares.of(t, x), x)
    }
}

/// The slopes of a row from its exponentials.
struct Pull<T> {
    shares: Shares<T>,
    scale: T,
    gain: T,
}

/// By the probabilities as they are.
impl<T: Float> Change<T, 1> for Pull<T> {
    #[inline(always)]
    fn at(&self, e: T, [t]: [T; 1]) -> T {
        e * self.scale - self.gain * t
    }
}

/// By smoothed ones.
impl<T: Float> Change<T, 2> for Pull<T> {
    #[inline(always)]
    fn at(&self, e: T, [t, x]: [T; 2]) -> T {
        e * self.scale - self.gain * self.shares.of(t, x)
    }
}

/// The same with weights of the classes.
impl<T: Float> Change<T, 3> for Pull<T> {
    #[inline(always)]
    fn at(&self, e: T, [t, x, w]: [T; 3]) -> T {
        e * self.scale - self.gain * (w * self.shares.of(t, x))
    }
}

impl<T: Float> RowLoss<T, 2> for WithDistribution<T> {
    const NAME: &'static str = NAME;
    const COST: usize = 12;
    /// The row, the sum of its shares, and the place of the likeliest class.
    type Keep = (Kept<T>, f64, Option<usize>);

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [x, t]: [&[T]; 2]) -> (f64, Self::Keep) {
        let kept = Kept::of::<I>(x);
        let (value, total) = self.cost(x, t, kept);
        (value, (kept, total, None))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        [x, t]: [&[T]; 2],
        (kept, total, _): Self::Keep,
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
        kept.softmax::<I>(x, T::of(g * (total + kept.z_slope(self.z_loss))), dx);
        let top = without_top(x, kept, dx);
        self.pull([x, t], (kept, top), g, T::ONE, dx);
    }

    const HALVES: bool = true;

    #[inline(always)]
    fn begin<I: Isa>(&self, _: usize, [x, _]: [&[T]; 2], dx: &mut [T]) -> Self::Keep {
        // The exponentials are there already once they are added up.
        let kept = Kept::begun(LogSum::of_into::<I>(x, dx));
        (kept, 0.0, without_top(x, kept, dx))
    }

    #[inline(always)]
    fn between<I: Isa>(&self, begun: &mut [Self::Keep; WIDTH]) {
        Kept::logs(begun.each_mut().map(|(kept, ..)| kept));
    }

    #[inline(always)]
    fn finish<I: Isa>(
        &self,
        i: usize,
        [x, t]: [&[T]; 2],
        (kept, _, top): Self::Keep,
        g: T,
        dx: &mut [T],
    ) -> f64 {
        let (value, total) = self.cost(x, t, kept);
        if !kept.max.finite() {
            self.slope::<I, 0>(i, [x, t], (kept, total, None), g, dx);
            return value;
        }
        let g = g.f64();
        let scale = T::of(g * (total + kept.z_slope(self.z_loss)) / (1.0 + kept.rest));
        self.pull([x, t], (kept, top), g, scale, dx);
        value
    }

    #[inline(always)]
    fn has_short_rows(&self) -> bool {
        self.weight.is_none() && self.z_loss == 0.0 && (self.smoothing == 0.0 || !self.over_finite)
    }

    #[inline(always)]
    fn short_rows<I: Isa>(
        &self,
        _: usize,
        n: usize,
        [x, t]: [&Columns<T>; 2],
        g: T,
        dx: &mut Columns<T>,
    ) -> Option<f64> {
        let (max, rest) = x.exponentials(dx)?;
        let (len, g) = (x.width(), g.f64());
        let smooth = Smooth {
            part: T::of(1.0 - self.smoothing),
            even: T::of(self.smoothing / len as f64),
        };
        let [totals, gaps] = short::costs(x, t, &max, smooth);
        let logs = short::logs::<I>(&rest);
        let mut scales = [T::ZERO; WIDTH];
        for lane in 0..WIDTH {
            scales[lane] = T::of(g * totals[lane] / (1.0 + rest[lane]));
        }
        let (top, others) = short::pull_towards(dx, t, &scales, T::of(g), smooth);
        // As for a class: the likeliest class gets what the others lack.
        short::put(dx, &top, &others);
        let mut value = 0.0;
        for lane in 0..n {
            let total = totals[lane];
            value += gaps[lane]
                + if total == 0.0 {
                    0.0
                } else {
                    total * logs[lane]
                };
        }
        Some(value)
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
