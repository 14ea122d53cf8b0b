//! The row loops of softmax and its kin, for the tensor operations and for fused losses.
//!
//! A row of ten classes is all remainder, so the last elements of a row are padded to a full vector: every row runs
//! through the same wide code.

use super::isa::Isa;
use crate::element::Float;

/// Elements taken at a time: one AVX-512 vector of `f32`.
pub const WIDTH: usize = 16;

/// Calls `f(first_index, elements)` for the row in groups of [`WIDTH`], the last one padded with `pad`.
#[inline(always)]
pub fn groups<T: Copy>(x: &[T], pad: T, mut f: impl FnMut(usize, &[T; WIDTH])) {
    let (whole, rest) = x.as_chunks::<WIDTH>();
    for (i, group) in whole.iter().enumerate() {
        f(i * WIDTH, group);
    }
    if !rest.is_empty() {
        let mut group = [pad; WIDTH];
        for (g, &v) in group.iter_mut().zip(rest) {
            *g = v;
        }
        f(whole.len() * WIDTH, &group);
    }
}

/// The largest element of a row without NaN; `-inf` for an empty row.
#[inline(always)]
pub fn max<T: Float>(x: &[T]) -> T {
    let mut lanes = [T::LOWEST; WIDTH];
    groups(x, T::LOWEST, |_, group| {
        for (m, &v) in lanes.iter_mut().zip(group) {
            *m = if *m > v { *m } else { v };
        }
    });
    let mut n = WIDTH;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            lanes[i] = if lanes[i] > lanes[i + n] {
                lanes[i]
            } else {
                lanes[i + n]
            };
        }
    }
    lanes[0]
}

/// What a row's exponentials add up to, in parts that lose nothing: `Σ e^x = e^max · (1 + rest)`.
#[derive(Clone, Copy, Debug)]
pub struct LogSum<T> {
    /// The largest element.
    pub max: T,
    /// `Σ e^(x - max)` over all elements but one that is the largest.
    pub rest: f64,
}

impl<T: Float> LogSum<T> {
    /// Of a row. The largest element's own 1 is never added, so that a confident row keeps its small sum.
    #[inline(always)]
    pub fn of<I: Isa>(x: &[T]) -> Self {
        let max = max(x);
        if !max.finite() {
            return Self::infinite(x, max);
        }
        let mut sums = [0.0f64; WIDTH];
        let mut ties = [T::ZERO; WIDTH];
        groups(x, T::LOWEST, |_, group| {
            for i in 0..WIDTH {
                let e = (group[i] - max).exp::<I>();
                let top = group[i] == max;
                sums[i] += if top { T::ZERO } else { e }.f64();
                ties[i] = ties[i] + if top { T::ONE } else { T::ZERO };
            }
        });
        Self::finish(max, sums, ties)
    }

    /// As [`LogSum::of`], with `e^(x - max)` left in `out`, where the largest element is finite.
    #[inline(always)]
    pub fn of_into<I: Isa>(x: &[T], out: &mut [T]) -> Self {
        let max = max(x);
        if !max.finite() {
            return Self::infinite(x, max);
        }
        for (o, &v) in out.iter_mut().zip(x) {
            *o = (v - max).exp::<I>();
        }
        let mut sums = [0.0f64; WIDTH];
        let mut ties = [T::ZERO; WIDTH];
        // What rounds to 1 counts as the largest does: exactly 1.
        groups(out, T::ZERO, |_, group| {
            for ((&e, sum), tie) in group.iter().zip(&mut sums).zip(&mut ties) {
                let top = e == T::ONE;
                *sum += if top { T::ZERO } else { e }.f64();
                *tie = *tie + if top { T::ONE } else { T::ZERO };
            }
        });
        Self::finish(max, sums, ties)
    }

    /// Of a row that is all `-inf`, or has some `+inf`; a NaN elsewhere in it makes the sum NaN.
    fn infinite(x: &[T], max: T) -> Self {
        let nan = x.iter().any(|v| v.is_nan_());
        LogSum {
            max,
            rest: if nan { f64::NAN } else { 0.0 },
        }
    }

    #[inline(always)]
    fn finish(max: T, mut sums: [f64; WIDTH], ties: [T; WIDTH]) -> Self {
        let ties: T = ties.iter().fold(T::ZERO, |a, &b| a + b);
        LogSum {
            max,
            rest: sum_lanes(&mut sums) + (ties.f64() - 1.0),
        }
    }

    /// `ln Σ e^x`
    #[inline(always)]
    pub fn value(self) -> f64 {
        // An infinite maximum with the 0 above stays as it is.
        self.max.f64() + self.rest.ln_1p()
    }
}

/// Lane sums added up in a tree.
#[inline(always)]
pub fn sum_lanes(lanes: &mut [f64; WIDTH]) -> f64 {
    let mut n = WIDTH;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            lanes[i] += lanes[i + n];
        }
    }
    lanes[0]
}

/// `Σ x` in `f64`, in lanes that vectors can carry.
#[inline(always)]
pub fn sum<T: Float>(x: &[T]) -> f64 {
    let mut sums = [0.0f64; WIDTH];
    groups(x, T::ZERO, |_, group| {
        sums.iter_mut().zip(group).for_each(|(s, v)| *s += v.f64());
    });
    sum_lanes(&mut sums)
}

/// `Σ x y` in `f64`, in lanes that vectors can carry.
#[inline(always)]
pub fn dot<T: Float>(x: &[T], y: &[T]) -> f64 {
    let mut sums = [0.0f64; WIDTH];
    let (x_whole, x_rest) = x.as_chunks::<WIDTH>();
    let (y_whole, y_rest) = y.as_chunks::<WIDTH>();
    for (x, y) in x_whole.iter().zip(y_whole) {
        for i in 0..WIDTH {
            sums[i] += x[i].f64() * y[i].f64();
        }
    }
    for (s, (x, y)) in sums.iter_mut().zip(x_rest.iter().zip(y_rest)) {
        *s += x.f64() * y.f64();
    }
    sum_lanes(&mut sums)
}

/// `out = softmax(x)`; NaN where the largest element is infinite, as in PyTorch.
#[inline(always)]
pub fn softmax_row<I: Isa, T: Float>(x: &[T], out: &mut [T]) {
    let sum = LogSum::of_into::<I>(x, out);
    if !sum.max.finite() {
        return out.fill(T::NAN);
    }
    let scale = T::of(1.0 / (1.0 + sum.rest));
    out.iter_mut().for_each(|o| *o = *o * scale);
}

/// `out = ln softmax(x)`; NaN where the largest element is infinite, as in PyTorch.
#[inline(always)]
pub fn log_softmax_row<I: Isa, T: Float>(x: &[T], out: &mut [T]) {
    let sum = LogSum::of::<I>(x);
    let shift = if sum.max.finite() {
        T::of(sum.rest.ln_1p())
    } else {
        T::NAN
    };
    for (o, &v) in out.iter_mut().zip(x) {
        *o = (v - sum.max) - shift;
    }
}

/// `dx = y (dy - Σ dy y)`: backward of softmax from its result.
#[inline(always)]
pub fn softmax_backward_row<T: Float>(y: &[T], dy: &[T], dx: &mut [T]) {
    let dot = T::of(dot(y, dy));
    for ((o, &y), &d) in dx.iter_mut().zip(y).zip(dy) {
        *o = y * (d - dot);
    }
}

/// `dx = dy - e^y Σ dy`: backward of log-softmax from its result.
#[inline(always)]
pub fn log_softmax_backward_row<I: Isa, T: Float>(y: &[T], dy: &[T], dx: &mut [T]) {
    let sum = T::of(sum(dy));
    for ((o, &y), &d) in dx.iter_mut().zip(y).zip(dy) {
        *o = d - y.exp::<I>() * sum;
    }
}
