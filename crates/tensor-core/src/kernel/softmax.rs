//! The row loops of softmax and its kin, for the tensor operations and for fused losses.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::lanes::{
    BLOCK, LONGEST, WIDTH, copy_short, dot, groups, last_finite_lanes, padded, scale_row, sum,
    sum_lanes,
};
use super::prefetch;
use super::reduce::{tree, tree_apart};
use crate::element::Float;

/// The larger of two numbers; `b` where one is NaN.
#[inline(always)]
pub(super) fn larger<T: Float>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// The largest element of a row without NaN; `-inf` for an empty row.
#[inline(always)]
pub fn max<T: Float>(x: &[T]) -> T {
    dispatch(Largest(x))
}

/// How far ahead a row is asked for, in bytes: the length of a thousand `f32`.
const AHEAD: usize = 4096;

struct Largest<'a, T>(&'a [T]);

impl<T: Float> Kernel for Largest<'_, T> {
    type Out = T;
    #[inline(always)]
    fn run<I: Isa>(self) -> T {
        if self.0.len() > LONGEST {
            largest::<T, BLOCK>(self.0)
        } else {
            largest::<T, WIDTH>(self.0)
        }
    }
}

/// The largest element, in so many lanes: each step of one waits for the step before.
#[inline(always)]
fn largest<T: Float, const LANES: usize>(x: &[T]) -> T {
    let Some(last) = x.last_chunk::<LANES>() else {
        return x.iter().fold(T::LOWEST, |m, &v| larger(m, v));
    };
    let mut lanes = [T::LOWEST; LANES];
    for block in x.as_chunks::<LANES>().0 {
        if LANES > WIDTH {
            // The row after the next: what comes after this pass leaves the memory idle.
            prefetch::lines(block, AHEAD);
        }
        for (m, &v) in lanes.iter_mut().zip(block) {
            *m = larger(*m, v);
        }
    }
    // The last vectors begin within those before: to see an element twice changes nothing.
    for (m, &v) in lanes.iter_mut().zip(last) {
        *m = larger(*m, v);
    }
    tree_apart(lanes, larger)
}

/// `Σ e^(x - max)` of a row over all elements but one that is the largest, where that is small: what is 1 is counted, and
/// added to nothing.
struct BesideLargest<'a, T>(&'a [T], T);

impl<T: Float> Kernel for BesideLargest<'_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<I: Isa>(self) -> f64 {
        let (mut sums, mut ones) = ([0.0; WIDTH], [T::ZERO; WIDTH]);
        for mut e in groups(self.0, T::LOWEST) {
            for v in &mut e {
                *v = (*v - self.1).exp_nonpositive::<I>();
            }
            count_in(&e, &mut sums, &mut ones);
        }
        let ones = tree_apart(ones, |a, b| a + b);
        tree_apart(sums, |a, b| a + b) + (ones.f64() - 1.0)
    }
}

/// The largest element of a row of more than one vector, unless it is known, and `Σ e^(x - max)` where that is finite. The
/// exponentials are left in the third if `KEEP`.
///
/// What the row does not fill of its last vector, the vector takes from the end of the one before.
struct AddUp<'a, T, const KEEP: bool>(&'a [T], Option<T>, &'a mut [T]);

impl<T: Float, const KEEP: bool> Kernel for AddUp<'_, T, KEEP> {
    type Out = (T, f64);
    #[inline(always)]
    fn run<I: Isa>(self) -> (T, f64) {
        let AddUp(x, max, out) = self;
        let max = max.unwrap_or_else(|| largest::<T, WIDTH>(x));
        if !max.finite() {
            return (max, 0.0);
        }
        let mut sums = [0.0f64; WIDTH];
        let blocks = if x.len() > LONGEST {
            x.as_chunks::<BLOCK>().0
        } else {
            &[]
        };
        for (j, x) in blocks.iter().enumerate() {
            let mut e = *x;
            e.iter_mut()
                .for_each(|v| *v = (*v - max).exp_nonpositive::<I>());
            for (i, s) in sums.iter_mut().enumerate() {
                let (a, b) = (e[i], e[i + WIDTH]);
                let (c, d) = (e[i + 2 * WIDTH], e[i + 3 * WIDTH]);
                *s += ((a + b) + (c + d)).f64();
            }
            if KEEP && let Some(out) = out[j * BLOCK..].first_chunk_mut::<BLOCK>() {
                prefetch::lines(out, AHEAD);
                *out = e;
            }
        }
        let done = blocks.len() * BLOCK;
        let (whole, over) = (x[done..].as_chunks::<WIDTH>().0, x.len() % WIDTH);
        for (j, x) in whole.iter().enumerate() {
            let mut e = *x;
            e.iter_mut()
                .for_each(|v| *v = (*v - max).exp_nonpositive::<I>());
            for (s, v) in sums.iter_mut().zip(&e) {
                *s += v.f64();
            }
            if KEEP && let Some(out) = out[done + j * WIDTH..].first_chunk_mut::<WIDTH>() {
                *out = e;
            }
        }
        if over > 0
            && let Some(x) = x.last_chunk::<WIDTH>()
        {
            let mut e = *x;
            e.iter_mut()
                .for_each(|v| *v = (*v - max).exp_nonpositive::<I>());
            for (s, v) in sums.iter_mut().zip(&last_finite_lanes(&e, over)) {
                *s += v.f64();
            }
            if KEEP && let Some(out) = out.last_chunk_mut::<WIDTH>() {
                *out = e;
            }
        }
        (max, tree_apart(sums, |a, b| a + b))
    }
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
        if x.len() <= WIDTH {
            return Self::of_short::<I>(x).0;
        }
        Self::of_long::<false>(x, &mut [])
    }

    /// Of a row of more than one vector.
    #[inline(always)]
    fn of_long<const KEEP: bool>(x: &[T], out: &mut [T]) -> Self {
        // One call for a short row; of a long one, the largest element is a loop apart, in which vectors stay whole.
        let known = (x.len() > LONGEST).then(|| max(x));
        let (max, total) = dispatch(AddUp::<T, KEEP>(x, known, out));
        if !max.finite() {
            return Self::infinite(x, max);
        }
        let least = if x.len() > LONGEST {
            1.0
        } else {
            least_beside::<T>()
        };
        let rest = if total < 1.0 + least {
            dispatch(BesideLargest(x, max))
        } else {
            total - 1.0
        };
        LogSum { max, rest }
    }

    /// As [`LogSum::of`], with `e^(x - max)` left in `out`, where the largest element is finite.
    #[inline(always)]
    pub fn of_into<I: Isa>(x: &[T], out: &mut [T]) -> Self {
        if x.len() <= WIDTH {
            let (sum, exps) = Self::of_short::<I>(x);
            copy_short(out, &exps[..x.len()]);
            return sum;
        }
        Self::of_long::<true>(x, out)
    }

    /// Of a row that fits one vector, and its exponentials: all of it stays in registers.
    #[inline(always)]
    pub fn of_short<I: Isa>(x: &[T]) -> (Self, [T; WIDTH]) {
        let row = padded(x, T::LOWEST);
        let max = tree(&mut row.clone(), larger);
        if !max.finite() {
            return (Self::infinite(x, max), row);
        }
        let mut exps = row;
        exps.iter_mut()
            .for_each(|v| *v = (*v - max).exp_nonpositive::<I>());
        // What rounds to 1 counts as the largest does; see `BesideLargest`.
        let (mut terms, mut ones) = ([0.0; WIDTH], [T::ZERO; WIDTH]);
        count_in(&exps, &mut terms, &mut ones);
        let ones = tree(&mut ones, |a, b| a + b);
        let rest = sum_lanes(&terms) + (ones.f64() - 1.0);
        (LogSum { max, rest }, exps)
    }

    /// Of a row that is all `-inf`, or has some `+inf`; a NaN elsewhere in it makes the sum NaN.
    fn infinite(x: &[T], max: T) -> Self {
        let nan = x.iter().any(|v| v.is_nan_());
        LogSum {
            max,
            rest: if nan { f64::NAN } else { 0.0 },
        }
    }

    /// `ln Σ e^x`
    #[inline(always)]
    pub fn value(self) -> f64 {
        // An infinite maximum with the 0 above stays as it is.
        self.max.f64() + self.rest.ln_1p()
    }
}

/// How much must be beside the 1 of the largest element for the 1 to be taken from the total, of which the rest has the last
/// digits: of rows of up to [`LONGEST`] elements.
#[inline(always)]
pub(super) fn least_beside<T: Float>() -> f64 {
    (512.0 * f64::EPSILON / T::EPSILON.f64()).min(1.0)
}

/// Nothing for 1.
#[inline(always)]
fn less<T: Float>(e: T) -> T {
    if e == T::ONE { T::ZERO } else { e }
}

/// Adds exponentials to sums, but for those that are 1, which it counts.
#[inline(always)]
pub(super) fn count_in<T: Float>(e: &[T; WIDTH], sum: &mut [f64; WIDTH], ones: &mut [T; WIDTH]) {
    let mut rest = *e;
    rest.iter_mut().for_each(|v| *v = less(*v));
    for (s, v) in sum.iter_mut().zip(&rest) {
        *s += v.f64();
    }
    // What is left out is 1, or 0: a selection between the two took the vectors apart.
    for ((n, &e), &v) in ones.iter_mut().zip(e).zip(&rest) {
        *n = *n + (e - v);
    }
}

/// `out = softmax(x)`; NaN where the largest element is infinite, as in PyTorch.
#[inline(always)]
pub fn softmax_row<I: Isa, T: Float>(x: &[T], out: &mut [T]) {
    let sum = LogSum::of_into::<I>(x, out);
    if !sum.max.finite() {
        return out.fill(T::NAN);
    }
    scale_row(out, T::of(1.0 / (1.0 + sum.rest)));
}

/// `dx = y (dy - Σ dy y)`: backward of softmax from its result.
#[inline(always)]
pub fn softmax_backward_row<I: Isa, T: Float>(y: &[T], dy: &[T], dx: &mut [T]) {
    backward_row::<I, T, false>(y, dy, dx, T::of(dot(y, dy)));
}

/// `dx = dy - e^y Σ dy`: backward of log-softmax from its result, which is not above 0.
#[inline(always)]
pub fn log_softmax_backward_row<I: Isa, T: Float>(y: &[T], dy: &[T], dx: &mut [T]) {
    backward_row::<I, T, true>(y, dy, dx, T::of(sum(dy)));
}

/// Both of these from their sum, where long rows are asked for ahead.
#[inline(always)]
fn backward_row<I: Isa, T: Float, const LOG: bool>(y: &[T], dy: &[T], dx: &mut [T], sum: T) {
    let far = dx.len() > LONGEST;
    let (ys, y) = y.as_chunks::<BLOCK>();
    let (dys, dy) = dy.as_chunks::<BLOCK>();
    let (dxs, dx) = dx.as_chunks_mut::<BLOCK>();
    for (dx, (y, dy)) in dxs.iter_mut().zip(ys.iter().zip(dys)) {
        if far {
            prefetch::lines(y, AHEAD);
            prefetch::lines(dy, AHEAD);
            prefetch::lines(dx, AHEAD);
        }
        for i in 0..BLOCK {
            dx[i] = slope::<I, T, LOG>(y[i], dy[i], sum);
        }
    }
    for ((o, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
        *o = slope::<I, T, LOG>(y, dy, sum);
    }
}

#[inline(always)]
fn slope<I: Isa, T: Float, const LOG: bool>(y: T, dy: T, sum: T) -> T {
    if LOG {
        dy - y.exp_nonpositive::<I>() * sum
    } else {
        y * (dy - sum)
    }
}

/// [`log_softmax_backward_row`] from a gradient `dy` of zeros but for `value` at `place`.
#[inline(always)]
pub fn log_softmax_backward_one_hot<I: Isa, T: Float>(
    y: &[T],
    (place, value): (usize, T),
    dx: &mut [T],
) {
    let far = dx.len() > LONGEST;
    let (ys, y) = y.as_chunks::<BLOCK>();
    let (dxs, rest) = dx.as_chunks_mut::<BLOCK>();
    for (dx, y) in dxs.iter_mut().zip(ys) {
        if far {
            prefetch::lines(y, AHEAD);
            prefetch::lines(dx, AHEAD);
        }
        for (o, &y) in dx.iter_mut().zip(y) {
            *o = T::ZERO - y.exp_nonpositive::<I>() * value;
        }
    }
    for (o, &y) in rest.iter_mut().zip(y) {
        *o = T::ZERO - y.exp_nonpositive::<I>() * value;
    }
    dx[place] = dx[place] + value;
}
