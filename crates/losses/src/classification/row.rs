//! A row of logits as the losses of classes see it: what is kept of it, and its softmax.

use autograd::Float;
use autograd::tensor_core::kernel::lanes;
use autograd::tensor_core::kernel::softmax::LogSum;
use autograd::tensor_core::kernel::{Isa, Kernel, Math, dispatch};

/// What is kept of a row: its largest logit, `ln Σ e^(x - max)`, and that sum less the largest one's 1.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kept<T> {
    pub max: T,
    pub log: f64,
    pub rest: f64,
}

impl<T: Float> Kept<T> {
    #[inline(always)]
    pub fn of<I: Isa>(x: &[T]) -> Self {
        Self::from_sum::<I>(LogSum::of::<I>(x))
    }

    /// Of the row `x + shift`, which is never stored.
    #[inline(always)]
    pub fn of_shifted<I: Isa>(x: &[T], shift: &[T]) -> Self {
        const BLOCK: usize = 128;
        let mut block = [T::ZERO; BLOCK];
        let mut total: Option<LogSum<T>> = None;
        for (x, shift) in x.chunks(BLOCK).zip(shift.chunks(BLOCK)) {
            let block = &mut block[..x.len()];
            for ((b, &x), &s) in block.iter_mut().zip(x).zip(shift) {
                *b = x + s;
            }
            let here = LogSum::of::<I>(block);
            total = Some(total.map_or(here, |sum| joined(sum, here)));
        }
        Self::from_sum::<I>(total.unwrap_or(LogSum {
            max: T::LOWEST,
            rest: 0.0,
        }))
    }

    /// Of a row whose exponentials add up to `sum`.
    #[inline(always)]
    pub fn from_sum<I: Isa>(sum: LogSum<T>) -> Self {
        // Of logits that are all `-inf` there is no distribution.
        let log = if sum.max == T::LOWEST {
            f64::NAN
        } else {
            sum.rest.log1p::<I>()
        };
        Kept {
            max: sum.max,
            log,
            rest: sum.rest,
        }
    }

    /// As [`Kept::from_sum`], but for the logarithm, which [`Kept::logs`] makes of many rows at once.
    #[inline(always)]
    pub fn begun(sum: LogSum<T>) -> Self {
        Kept {
            max: sum.max,
            log: 0.0,
            rest: sum.rest,
        }
    }

    /// The logarithms of rows that were [begun](Kept::begun).
    #[inline(always)]
    pub fn logs(rows: [&mut Self; lanes::WIDTH]) {
        let mut logs = [0.0; lanes::WIDTH];
        for (log, row) in logs.iter_mut().zip(&rows) {
            *log = row.rest;
        }
        dispatch(Logs(&mut logs));
        for (row, log) in rows.into_iter().zip(logs) {
            row.log = if row.max == T::LOWEST { f64::NAN } else { log };
        }
    }

    /// The slope of `z_loss · lse(x)²` by `lse(x)`.
    #[inline(always)]
    pub fn z_slope(self, z_loss: f64) -> f64 {
        if z_loss == 0.0 {
            0.0
        } else {
            2.0 * z_loss * self.lse()
        }
    }

    /// `lse(x)`
    #[inline(always)]
    pub fn lse(self) -> f64 {
        self.max.f64() + self.log
    }

    /// `lse(x) - x`: no digit is lost where `x` is the largest. At `x = max = +inf` it is the limit, 0.
    #[inline(always)]
    pub fn cost(self, x: T) -> f64 {
        let gap = if x == self.max {
            0.0
        } else {
            (self.max - x).f64()
        };
        self.log + gap
    }

    /// Writes `scale · softmax(x)`.
    #[inline(always)]
    pub fn softmax<I: Isa>(self, x: &[T], scale: T, dx: &mut [T]) {
        if self.max == T::INFINITY {
            // The limit: all of the mass lies on the infinite logit.
            dx.iter_mut()
                .zip(x)
                .for_each(|(d, &v)| *d = if v == T::INFINITY { scale } else { T::ZERO });
            return;
        }
        let log = T::of(self.log);
        for (d, &v) in dx.iter_mut().zip(x) {
            *d = ((v - self.max) - log).exp_nonpositive::<I>() * scale;
        }
    }

    /// Writes `scale · softmax(x + shift)`.
    #[inline(always)]
    pub fn softmax_shifted<I: Isa>(self, x: &[T], shift: &[T], scale: T, dx: &mut [T]) {
        let log = T::of(self.log);
        for ((d, &v), &s) in dx.iter_mut().zip(x).zip(shift) {
            let v = v + s;
            *d = match self.max == T::INFINITY {
                true if v == T::INFINITY => scale,
                true => T::ZERO,
                false => ((v - self.max) - log).exp_nonpositive::<I>() * scale,
            };
        }
    }
}

/// `ln(1 + x)` in place of each `x`; a kernel of its own, so that its vectors stay whole.
struct Logs<'a>(&'a mut [f64; lanes::WIDTH]);

impl Kernel for Logs<'_> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for log in self.0 {
            *log = log.log1p::<I>();
        }
    }
}

/// [`Kept::of`] a row, with the widest vectors that this machine has.
pub(crate) fn keep<T: Float>(x: &[T]) -> Kept<T> {
    struct Keep<'a, T>(&'a [T]);
    impl<T: Float> Kernel for Keep<'_, T> {
        type Out = Kept<T>;
        #[inline(always)]
        fn run<I: Isa>(self) -> Kept<T> {
            Kept::of::<I>(self.0)
        }
    }
    dispatch(Keep(x))
}

/// The sum of two parts of a row. As in each part, the largest element's own 1 is never added.
#[inline(always)]
fn joined<T: Float>(a: LogSum<T>, b: LogSum<T>) -> LogSum<T> {
    let (high, low) = if b.max > a.max { (b, a) } else { (a, b) };
    // Equal infinities have no difference.
    let ratio = if low.max == high.max {
        1.0
    } else {
        (low.max.f64() - high.max.f64()).exp()
    };
    LogSum {
        max: high.max,
        rest: high.rest + (1.0 + low.rest) * ratio,
    }
}

/// The sum of `f(c, x[c])` over a row, carried in eight lanes.
#[inline(always)]
pub(crate) fn sum_by<T: Float>(x: &[T], f: impl Fn(usize, T) -> f64) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (whole, rest) = x.as_chunks::<8>();
    for (i, group) in whole.iter().enumerate() {
        for (j, (lane, &v)) in lanes.iter_mut().zip(group).enumerate() {
            *lane += f(i * 8 + j, v);
        }
    }
    for (j, (lane, &v)) in lanes.iter_mut().zip(rest).enumerate() {
        *lane += f(whole.len() * 8 + j, v);
    }
    lanes.iter().sum()
}

/// The sum of a row in `f64`.
#[inline(always)]
pub(crate) fn row_sum<T: Float>(x: &[T]) -> f64 {
    lanes::sum(x)
}

/// The sum of the slopes `dx` but for the one in place `top`, from the sum of all.
#[inline(always)]
pub(crate) fn sum_of_others<T: Float>(dx: &mut [T], top: usize, sum: f64) -> f64 {
    /// The share of the sum that must be left for a result of single precision.
    const ENOUGH: f64 = 1.5e-8;
    let own = dx[top].f64();
    let others = sum - own;
    if others.abs() < ENOUGH * own.abs() {
        dx[top] = T::ZERO;
        return row_sum(dx);
    }
    others
}
