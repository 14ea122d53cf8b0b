//! The cross entropy of a row of logits with a class.

use super::cross_entropy::{CrossEntropy, NAME};
use super::row::{Kept, row_sum, sum_by, sum_of_others};
use super::short;
use super::target::{Classes, along};
use crate::rowwise::RowLoss;
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::columns::Columns;
use autograd::tensor_core::kernel::lanes::{self, Scale, WIDTH};
use autograd::tensor_core::kernel::softmax::LogSum;
use autograd::{Float, Result, Tensor, Var};

/// Cross entropy with class targets, row by row.
#[derive(Clone)]
pub(crate) struct WithClasses<T: Float> {
    dim: isize,
    classes: Classes<T>,
    smoothing: f64,
    over_finite: bool,
    z_loss: f64,
}

impl<T: Float> WithClasses<T> {
    /// Of targets for rows along dimension `dim`.
    pub fn new(options: &CrossEntropy<T>, classes: Classes<T>, dim: usize) -> Self {
        WithClasses {
            dim: dim as isize,
            classes,
            smoothing: options.label_smoothing,
            over_finite: options.smooth_over_finite,
            z_loss: options.z_loss,
        }
    }

    /// `s / C Σ_c w[c] (lse(x) - x[c])` over the classes that take part in the smoothing.
    #[inline(always)]
    fn spread(&self, x: &[T], kept: Kept<T>) -> f64 {
        // `lse(x) - x` in two parts: the second is the same for all classes.
        let gaps = Gaps {
            max: kept.max,
            over_finite: self.over_finite,
        };
        let [gaps, total] = match self.classes.weights() {
            None => lanes::sums_of([x], gaps),
            Some(w) => lanes::sums_of([x, w], gaps),
        };
        let count = if self.over_finite {
            count(x, |v| v != T::LOWEST)
        } else {
            x.len() as f64
        };
        let same = if total == 0.0 { 0.0 } else { total * kept.log };
        self.smoothing / count * (gaps + same)
    }

    /// The slopes of a smoothed row but for its own class's share: `own` is that share, `z` the slope by `lse(x)` beyond
    /// the costs.
    #[inline(always)]
    fn smooth(
        &self,
        x: &[T],
        softmax: impl FnOnce(f64, &mut [T]),
        [g, own, z]: [f64; 3],
        dx: &mut [T],
        takes: impl Fn(T) -> bool,
    ) {
        let count = count(x, &takes);
        let total = match self.classes.weights() {
            None => count,
            Some(w) => sum_by(x, |c, v| if takes(v) { w[c].f64() } else { 0.0 }),
        };
        let even = self.smoothing / count;
        softmax(g * (own + even * total + z), dx);
        let even = g * even;
        match self.classes.weights() {
            None => {
                for (d, &v) in dx.iter_mut().zip(x) {
                    *d = *d - T::of(if takes(v) { even } else { 0.0 });
                }
            }
            Some(w) => {
                for ((d, &v), w) in dx.iter_mut().zip(x).zip(w) {
                    *d = *d - T::of(if takes(v) { even * w.f64() } else { 0.0 });
                }
            }
        }
    }
}

impl<T: Float> WithClasses<T> {
    /// The loss of a row of class `t`.
    #[inline(always)]
    fn cost(&self, x: &[T], t: usize, kept: Kept<T>) -> f64 {
        let w = self.classes.weight(t);
        let mut value = if w == 0.0 { 0.0 } else { w * kept.cost(x[t]) };
        if self.smoothing != 0.0 {
            let even = self.spread(x, kept);
            // A strong zero: the class itself may cost an infinity.
            let own = if self.smoothing == 1.0 {
                0.0
            } else {
                (1.0 - self.smoothing) * value
            };
            value = own + even;
        }
        if self.z_loss != 0.0 {
            value += self.z_loss * kept.lse() * kept.lse();
        }
        value
    }

    /// Whether all classes have the same share in the smoothing, if there is any.
    #[inline(always)]
    fn is_even(&self) -> bool {
        self.smoothing == 0.0 || (!self.over_finite && self.classes.weights().is_none())
    }

    /// The slopes of a row of class `t`; `softmax` writes the row's softmax times a number.
    #[inline(always)]
    fn pull(
        &self,
        x: &[T],
        t: usize,
        kept: Kept<T>,
        g: f64,
        dx: &mut [T],
        softmax: impl FnOnce(f64, &mut [T]),
    ) {
        let (w, z) = (self.classes.weight(t), kept.z_slope(self.z_loss));
        if self.smoothing == 0.0 {
            softmax(g * (w + z), dx);
        } else {
            let parts = [g, (1.0 - self.smoothing) * w, z];
            if self.over_finite {
                self.smooth(x, softmax, parts, dx, |v| v != T::LOWEST);
            } else {
                self.smooth(x, softmax, parts, dx, |_| true);
            }
        }
        // The slopes of the costs add up to nothing: the true class gets what the others lack, which keeps its digits
        // where `p - 1` would cancel.
        dx[t] = T::ZERO;
        dx[t] = T::of(g * z - row_sum(dx));
    }
}

/// How far a logit lies below the largest, times the class's weight, and that weight; nothing for what takes no part.
struct Gaps<T> {
    max: T,
    over_finite: bool,
}

impl<T: Float> Gaps<T> {
    #[inline(always)]
    fn of(&self, x: T) -> T {
        if x == self.max { T::ZERO } else { self.max - x }
    }

    #[inline(always)]
    fn takes(&self, x: T) -> bool {
        !self.over_finite || x != T::LOWEST
    }
}

impl<T: Float> lanes::Terms<T, 1, 2> for Gaps<T> {
    #[inline(always)]
    fn at(&self, [x]: [T; 1]) -> [T; 2] {
        if self.takes(x) {
            [self.of(x), T::ONE]
        } else {
            [T::ZERO; 2]
        }
    }
}

impl<T: Float> lanes::Terms<T, 2, 2> for Gaps<T> {
    #[inline(always)]
    fn at(&self, [x, w]: [T; 2]) -> [T; 2] {
        if self.takes(x) && w != T::ZERO {
            [w * self.of(x), w]
        } else {
            [T::ZERO; 2]
        }
    }
}

/// How many classes take part in the smoothing.
#[inline(always)]
fn count<T: Float>(x: &[T], takes: impl Fn(T) -> bool) -> f64 {
    x.iter().filter(|&&v| takes(v)).count() as f64
}

impl<T: Float> RowLoss<T, 1> for WithClasses<T> {
    const NAME: &'static str = NAME;
    type Keep = Kept<T>;

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, [x]: [&[T]; 1]) -> (f64, Kept<T>) {
        let Some(t) = self.classes.get(i) else {
            return (0.0, Kept::default());
        };
        let kept = Kept::of::<I>(x);
        (self.cost(x, t, kept), kept)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        i: usize,
        [x]: [&[T]; 1],
        kept: Kept<T>,
        g: T,
        dx: &mut [T],
    ) {
        let Some(t) = self.classes.get(i) else {
            return dx.fill(T::ZERO);
        };
        self.pull(x, t, kept, g.f64(), dx, |scale, dx| {
            kept.softmax::<I>(x, T::of(scale), dx);
        });
    }

    const HALVES: bool = true;

    #[inline(always)]
    fn begin<I: Isa>(&self, i: usize, [x]: [&[T]; 1], dx: &mut [T]) -> Kept<T> {
        // The exponentials are there already once they are added up.
        let Some(t) = self.classes.get(i) else {
            return Kept::default();
        };
        let sum = LogSum::of_into::<I>(x, dx);
        if self.is_even() {
            // Not in the sum of the slopes, which its own is made of.
            dx[t] = T::ZERO;
        }
        Kept::begun(sum)
    }

    #[inline(always)]
    fn between<I: Isa>(&self, begun: &mut [Kept<T>; WIDTH]) {
        Kept::logs(begun.each_mut());
    }

    #[inline(always)]
    fn finish<I: Isa>(&self, i: usize, [x]: [&[T]; 1], kept: Kept<T>, g: T, dx: &mut [T]) -> f64 {
        let Some(t) = self.classes.get(i) else {
            dx.fill(T::ZERO);
            return 0.0;
        };
        if !kept.max.finite() {
            self.slope::<I, 0>(i, [x], kept, g, dx);
            return self.cost(x, t, kept);
        }
        let (whole, g) = (1.0 + kept.rest, g.f64());
        if self.is_even() {
            let (w, z) = (self.classes.weight(t), kept.z_slope(self.z_loss));
            // Each class of a smoothed row has the same share.
            let own = (1.0 - self.smoothing) * w;
            let scale = g * (own + self.smoothing + z) / whole;
            let even = g * (self.smoothing / x.len() as f64);
            // The slopes of the costs add up to nothing, as in `pull`.
            let (scale, shift) = (T::of(scale), T::of(even));
            let sum = lanes::change(dx, [], Scale { scale, shift });
            let others = sum_of_others(dx, t, sum);
            dx[t] = T::of(g * z - others);
        } else {
            self.pull(x, t, kept, g, dx, |scale, dx| {
                lanes::scale_row(dx, T::of(scale / whole));
            });
        }
        self.cost(x, t, kept)
    }

    #[inline(always)]
    fn has_short_rows(&self) -> bool {
        self.is_even() && self.z_loss == 0.0
    }

    #[inline(always)]
    fn short_rows<I: Isa>(
        &self,
        i: usize,
        n: usize,
        [x]: [&Columns<T>; 1],
        g: T,
        dx: &mut Columns<T>,
    ) -> Option<f64> {
        let (max, rest) = x.exponentials(dx)?;
        let (len, g) = (x.width(), g.f64());
        let even = self.smoothing / len as f64;
        let (own, weights) = self.classes.lanes(i, n);
        let mut scales = [T::ZERO; WIDTH];
        for lane in 0..WIDTH {
            let share = (1.0 - self.smoothing) * weights[lane] + self.smoothing;
            scales[lane] = T::of(g * share / (1.0 + rest[lane]));
        }
        let logs = short::logs::<I>(&rest);
        let gaps = if self.smoothing == 0.0 {
            [0.0; WIDTH]
        } else {
            short::gaps(x, &max)
        };
        // The true class gets what the others lack, as above.
        let others = short::pull(dx, &own, &scales, T::of(g * even));
        short::put(dx, &own, &others);
        let shares = if self.smoothing == 1.0 {
            [0.0; WIDTH]
        } else {
            weights.map(|w| (1.0 - self.smoothing) * w)
        };
        Some(short::values(x, &own, &max, [&logs, &gaps, &shares], even))
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        if v[0].numel() == 0 {
            return self.classes.nothing();
        }
        let x = self.classes.live(&v[0], self.dim)?;
        let log = x.log_softmax(self.dim)?;
        let own = -self.classes.pick(&log, self.dim)?;
        let mut rows = self.classes.weigh(own)?;
        if self.smoothing != 0.0 {
            let takes = x.value().ne(T::LOWEST)?;
            let (all, count) = if self.over_finite {
                let count = takes.cast::<T>().sum(self.dim)?;
                (log.keep_where(&takes)?, count)
            } else {
                let count = x.shape()[self.dim as usize];
                (log, Tensor::scalar(T::of(count as f64)))
            };
            let all = match self.classes.weight_tensor() {
                Some(w) => all.mul(Var::from(along(w, x.ndim(), self.dim)?))?,
                None => all,
            };
            let even = all
                .sum(self.dim)?
                .mul(-self.smoothing)?
                .div(Var::from(count))?;
            rows = rows.mul(1.0 - self.smoothing)?.add(even)?;
        }
        if self.z_loss != 0.0 {
            rows = rows.add(x.logsumexp(self.dim)?.square().mul(self.z_loss)?)?;
        }
        rows.keep_where(&self.classes.counts()?)
    }
}
