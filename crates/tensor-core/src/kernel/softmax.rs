//! The row loops of softmax and its kin, for the tensor operations and for fused losses.
//!
//! A row of ten classes is all remainder, so the last elements of a row are padded to a full vector: every row runs
//! through the same wide code.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::math::Math;
use super::prefetch;
use super::reduce::tree;
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
        f(whole.len() * WIDTH, &padded(rest, pad));
    }
}

/// `to = from` for at most [`WIDTH`] elements, in copies of fixed sizes that overlap: a call of `memcpy` costs more than
/// the row, and empties the vector registers.
#[inline(always)]
pub fn copy_short<T: Copy>(to: &mut [T], from: &[T]) {
    if !copy_ends::<T, 8>(to, from)
        && !copy_ends::<T, 4>(to, from)
        && !copy_ends::<T, 2>(to, from)
        && let ([to], [from]) = (to, from)
    {
        *to = *from;
    }
}

/// Copies the first `N` elements and the last, if there are so many.
#[inline(always)]
fn copy_ends<T: Copy, const N: usize>(to: &mut [T], from: &[T]) -> bool {
    let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
        return false;
    };
    if let Some(to) = to.first_chunk_mut::<N>() {
        *to = *first;
    }
    if let Some(to) = to.last_chunk_mut::<N>() {
        *to = *last;
    }
    true
}

/// The last elements of a row as a full vector, the rest of it `pad`.
#[inline(always)]
fn padded<T: Copy>(x: &[T], pad: T) -> [T; WIDTH] {
    let mut group = [pad; WIDTH];
    copy_short(&mut group[..x.len()], x);
    group
}

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

/// A function of its own, as [`AddUp`] is: within a longer one the compiler took the vectors of such loops apart, or kept
/// them in memory.
struct Largest<'a, T>(&'a [T]);

impl<T: Float> Kernel for Largest<'_, T> {
    type Out = T;
    #[inline(always)]
    fn run<I: Isa>(self) -> T {
        // Four vectors side by side: each step of one waits for the step before.
        let mut lanes = [T::LOWEST; BLOCK];
        let (whole, rest) = self.0.as_chunks::<BLOCK>();
        for block in whole {
            // The row after the next: what comes after this pass leaves the memory idle.
            prefetch::lines(block, AHEAD);
            for (m, &v) in lanes.iter_mut().zip(block) {
                *m = larger(*m, v);
            }
        }
        for (m, &v) in lanes.iter_mut().zip(rest) {
            *m = larger(*m, v);
        }
        tree_apart(lanes, larger)
    }
}

/// Lanes folded in a tree: never inlined beside the loop that fills them.
#[inline(never)]
fn tree_apart<T: Copy, const N: usize>(mut lanes: [T; N], f: impl Fn(T, T) -> T) -> T {
    tree(&mut lanes, f)
}

/// The sum of exponentials other than 1, and how many are 1: what rounds to 1 counts as the largest does.
struct AddUp<'a, T>(&'a [T]);

impl<T: Float> Kernel for AddUp<'_, T> {
    type Out = (f64, f64);
    #[inline(always)]
    fn run<I: Isa>(self) -> (f64, f64) {
        let (mut sums, mut ones) = ([0.0; WIDTH], [T::ZERO; WIDTH]);
        let (whole, rest) = self.0.as_chunks::<BLOCK>();
        let mut last = [T::ZERO; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        for block in whole.iter().chain([&last]) {
            for i in 0..WIDTH {
                let (a, b) = (block[i], block[i + WIDTH]);
                let (c, d) = (block[i + 2 * WIDTH], block[i + 3 * WIDTH]);
                let rest = [less(a), less(b), less(c), less(d)];
                sums[i] += ((rest[0] + rest[1]) + (rest[2] + rest[3])).f64();
                // What is left out is 1, or 0.
                ones[i] =
                    ones[i] + (((a - rest[0]) + (b - rest[1])) + ((c - rest[2]) + (d - rest[3])));
            }
        }
        let ones = tree_apart(ones, |a, b| a + b);
        (tree_apart(sums, |a, b| a + b), ones.f64())
    }
}

/// Where `value` first stands in a row.
#[inline(always)]
pub fn position<T: Float>(x: &[T], value: T) -> Option<usize> {
    // A search that may end at each element does not become vectors; one that may end at each block does.
    for (i, block) in x.chunks(BLOCK).enumerate() {
        if block.iter().fold(false, |found, &v| found | (v == value)) {
            return Some(i * BLOCK + block.iter().position(|&v| v == value)?);
        }
    }
    None
}

/// Elements staged at a time: four vectors, which are added up before they are widened to `f64`. Of terms of one sign
/// that costs at most two roundings of `T`.
const BLOCK: usize = 4 * WIDTH;
/// Exponentials held at a time where they have no place of their own.
const HELD: usize = 512;

/// Sums of terms of `T` in `f64`.
#[derive(Clone, Copy)]
struct Lanes([f64; WIDTH]);

impl Lanes {
    #[inline(always)]
    fn add<T: Float>(&mut self, terms: &[T; BLOCK]) {
        let mut fours = [T::ZERO; WIDTH];
        for i in 0..WIDTH {
            fours[i] =
                (terms[i] + terms[i + WIDTH]) + (terms[i + 2 * WIDTH] + terms[i + 3 * WIDTH]);
        }
        self.add_vector(&fours);
    }

    #[inline(always)]
    fn add_vector<T: Float>(&mut self, terms: &[T; WIDTH]) {
        self.0
            .iter_mut()
            .zip(terms)
            .for_each(|(s, v)| *s += v.f64());
    }

    #[inline(always)]
    fn total(mut self) -> f64 {
        sum_lanes(&mut self.0)
    }
}

/// The terms of `N` sums at one place of `K` rows. A small closure serves; what is larger implements this with an
/// `#[inline(always)]` method, since a closure that is not inlined is compiled for no instruction set in particular.
pub trait Terms<T, const K: usize, const N: usize> {
    /// The terms of the place with elements `x`; `#[inline(always)]`.
    fn at(&self, x: [T; K]) -> [T; N];
}

impl<T, F: Fn([T; K]) -> [T; N], const K: usize, const N: usize> Terms<T, K, N> for F {
    #[inline(always)]
    fn at(&self, x: [T; K]) -> [T; N] {
        self(x)
    }
}

/// [`sums_of`] what a closure gives.
#[inline(always)]
pub fn sums<T: Float, const K: usize, const N: usize>(
    rows: [&[T]; K],
    f: impl Fn([T; K]) -> [T; N],
) -> [f64; N] {
    sums_of(rows, f)
}

/// `N` sums over `K` rows of one length. Each sum is carried in `f64`.
#[inline(always)]
pub fn sums_of<T: Float, const K: usize, const N: usize>(
    rows: [&[T]; K],
    f: impl Terms<T, K, N>,
) -> [f64; N] {
    let len = rows.first().map_or(0, |row| row.len());
    let rows = rows.map(|row| &row[..len]);
    let mut lanes = [Lanes([0.0; WIDTH]); N];
    let whole = len / BLOCK * BLOCK;
    for at in (0..whole).step_by(BLOCK) {
        let places: [&[T]; K] = rows.map(|row| &row[at..at + BLOCK]);
        let mut terms = [[T::ZERO; BLOCK]; N];
        for i in 0..BLOCK {
            let here = f.at(places.map(|row| row[i]));
            for (terms, term) in terms.iter_mut().zip(here) {
                terms[i] = term;
            }
        }
        for (lanes, terms) in lanes.iter_mut().zip(&terms) {
            lanes.add(terms);
        }
    }
    for at in (whole..len).step_by(WIDTH) {
        let n = WIDTH.min(len - at);
        // Filled up with elements that are there, so that `f` sees no strange ones; their terms do not count.
        let places: [[T; WIDTH]; K] = rows.map(|row| padded(&row[at..at + n], row[at]));
        let mut terms = [[T::ZERO; WIDTH]; N];
        for i in 0..WIDTH {
            let here = f.at(places.each_ref().map(|row| row[i]));
            for (terms, term) in terms.iter_mut().zip(here) {
                terms[i] = if i < n { term } else { T::ZERO };
            }
        }
        for (lanes, terms) in lanes.iter_mut().zip(&terms) {
            lanes.add_vector(terms);
        }
    }
    lanes.map(Lanes::total)
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
        let max = max(x);
        if !max.finite() {
            return Self::infinite(x, max);
        }
        let (mut sum, mut ones) = (0.0, 0.0);
        let mut exps = [T::ZERO; HELD];
        for x in x.chunks(HELD) {
            let exps = &mut exps[..x.len()];
            for (e, &v) in exps.iter_mut().zip(x) {
                *e = (v - max).exp_nonpositive::<I>();
            }
            let (s, n) = dispatch(AddUp(exps));
            (sum, ones) = (sum + s, ones + n);
        }
        let rest = sum + (ones - 1.0);
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
        let max = max(x);
        if !max.finite() {
            return Self::infinite(x, max);
        }
        for (o, &v) in out.iter_mut().zip(x) {
            *o = (v - max).exp_nonpositive::<I>();
        }
        let (sum, ones) = dispatch(AddUp(out));
        let rest = sum + (ones - 1.0);
        LogSum { max, rest }
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
        // What rounds to 1 counts as the largest does; see `AddUp`.
        let (mut terms, mut ones) = ([0.0; WIDTH], [T::ZERO; WIDTH]);
        count_in(&exps, &mut terms, &mut ones);
        let ones = tree(&mut ones, |a, b| a + b);
        let rest = sum_lanes(&mut terms) + (ones.f64() - 1.0);
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

/// Lane sums added up in a tree.
#[inline(always)]
pub fn sum_lanes(lanes: &mut [f64; WIDTH]) -> f64 {
    tree(lanes, |a, b| a + b)
}

/// `Σ x` in `f64`, in lanes that vectors can carry.
#[inline(always)]
pub fn sum<T: Float>(x: &[T]) -> f64 {
    let mut lanes = Lanes([0.0; WIDTH]);
    groups(x, T::ZERO, |_, group| lanes.add_vector(group));
    lanes.total()
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
    // The exponentials need a place; it is the result's, which comes after them.
    let sum = LogSum::of_into::<I>(x, out);
    let shift = if sum.max.finite() {
        T::of(Math::log1p::<I>(sum.rest))
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

/// `dx = dy - e^y Σ dy`: backward of log-softmax from its result, which is not above 0.
#[inline(always)]
pub fn log_softmax_backward_row<I: Isa, T: Float>(y: &[T], dy: &[T], dx: &mut [T]) {
    let sum = T::of(sum(dy));
    for ((o, &y), &d) in dx.iter_mut().zip(y).zip(dy) {
        *o = d - y.exp_nonpositive::<I>() * sum;
    }
}
