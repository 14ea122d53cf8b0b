//! A row in vectors: sums over rows, and rows changed with the sum of what comes out.
//!
//! A row of ten classes is all remainder, so what a row does not fill of its last vector is padded, or taken from the end of
//! the vector before: every row runs through the same wide code.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::reduce::tree_apart;
use crate::element::Float;

/// Elements taken at a time: one AVX-512 vector of `f32`.
pub const WIDTH: usize = 16;

/// Longer rows are added up in four vectors at a time, of which three are added in `T`: that takes the time of a sixth of
/// their exponentials.
pub const LONGEST: usize = 512;

/// Elements staged at a time: four vectors, which are added up before they are widened to `f64`. Of terms of one sign
/// that costs at most two roundings of `T`.
pub(super) const BLOCK: usize = 4 * WIDTH;

/// The row in groups of [`WIDTH`], the last one padded with `pad`.
#[inline(always)]
pub fn groups<T: Copy>(x: &[T], pad: T) -> impl Iterator<Item = [T; WIDTH]> {
    let (whole, rest) = x.as_chunks::<WIDTH>();
    let last = padded(rest, pad);
    // One loop for both: what stands in it is inlined, where a function apart would be compiled for no instruction set.
    (0..x.len().div_ceil(WIDTH)).map(move |i| whole.get(i).copied().unwrap_or(last))
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

/// `to = from`, without a call if there are at most [`WIDTH`] elements.
#[inline(always)]
pub fn copy_run<T: Copy>(to: &mut [T], from: &[T]) {
    if to.len() <= WIDTH {
        copy_short(to, from);
    } else {
        to.copy_from_slice(from);
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
pub(super) fn padded<T: Copy>(x: &[T], pad: T) -> [T; WIDTH] {
    let mut group = [pad; WIDTH];
    copy_short(&mut group[..x.len()], x);
    group
}

/// A row shorter than a vector in the last lanes of one, the others holding its first element.
#[inline(always)]
pub(super) fn filled_before<T: Float>(x: &[T]) -> [T; WIDTH] {
    let mut group = [x.first().copied().unwrap_or(T::ZERO); WIDTH];
    let from = WIDTH - x.len().min(WIDTH);
    copy_short(&mut group[from..], x);
    group
}

/// A vector's width of zeros, and as many ones: from place `n` on, 1 in the last `n` lanes of a vector.
const STEPS: [f32; 2 * WIDTH] = {
    let mut steps = [0.0; 2 * WIDTH];
    let mut i = WIDTH;
    while i < 2 * WIDTH {
        steps[i] = 1.0;
        i += 1;
    }
    steps
};

/// The last `n` lanes, at most [`WIDTH`], and 0 in place of the others.
#[inline(always)]
pub(super) fn last_lanes<T: Float>(lanes: &[T; WIDTH], n: usize) -> [T; WIDTH] {
    let mut last = *lanes;
    for (v, &is_last) in last.iter_mut().zip(&STEPS[n..]) {
        *v = if is_last == 1.0 { *v } else { T::ZERO };
    }
    last
}

/// The same for finite lanes, by a product: a vector that is widened next is not taken apart by it.
#[inline(always)]
pub(super) fn last_finite_lanes<T: Float>(lanes: &[T; WIDTH], n: usize) -> [T; WIDTH] {
    let mut last = *lanes;
    for (v, &step) in last.iter_mut().zip(&STEPS[n..]) {
        *v = *v * T::of(f64::from(step));
    }
    last
}

/// Where `value` first stands in a row.
#[inline(always)]
pub fn position<T: Float>(x: &[T], value: T) -> Option<usize> {
    // A search that may end at each element does not become vectors; one that may end at each block does.
    let (blocks, rest) = x.as_chunks::<BLOCK>();
    for (i, block) in blocks.iter().enumerate() {
        if block.iter().fold(false, |found, &v| found | (v == value)) {
            return Some(i * BLOCK + first_of(block, value)?);
        }
    }
    let Some(last) = x.last_chunk::<WIDTH>() else {
        return x.iter().position(|&v| v == value);
    };
    let start = x.len() - rest.len();
    for (i, group) in rest.as_chunks::<WIDTH>().0.iter().enumerate() {
        if let Some(at) = first_of(group, value) {
            return Some(start + i * WIDTH + at);
        }
    }
    // What was searched before does not hold it.
    Some(x.len() - WIDTH + first_of(last, value)?)
}

/// Where `value` first stands in so many elements, all of which are looked at.
#[inline(always)]
fn first_of<T: Float, const N: usize>(x: &[T; N], value: T) -> Option<usize> {
    let mut first = N as i32;
    for (i, &v) in x.iter().enumerate() {
        let here = if v == value { i as i32 } else { N as i32 };
        first = first.min(here);
    }
    (first < N as i32).then_some(first as usize)
}

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
    fn total(self) -> f64 {
        sum_lanes(&self.0)
    }
}

/// The terms of `N` sums at one place of `K` rows. No closure, since one that is not inlined is compiled for no instruction
/// set in particular.
pub trait Terms<T, const K: usize, const N: usize> {
    /// The terms of the place with elements `x`; `#[inline(always)]`.
    fn at(&self, x: [T; K]) -> [T; N];
}

/// `N` sums over `K` rows of one length. Each sum is carried in `f64`.
#[inline(always)]
pub fn sums_of<T: Float, const K: usize, const N: usize>(
    rows: [&[T]; K],
    f: impl Terms<T, K, N>,
) -> [f64; N] {
    dispatch(Sums(rows, f))
}

/// A kernel of its own, so that its vectors stay whole.
struct Sums<'a, T, F, const K: usize, const N: usize>([&'a [T]; K], F);

impl<T: Float, F: Terms<T, K, N>, const K: usize, const N: usize> Kernel for Sums<'_, T, F, K, N> {
    type Out = [f64; N];
    #[inline(always)]
    fn run<I: Isa>(self) -> [f64; N] {
        let Sums(rows, f) = self;
        let len = rows.first().map_or(0, |row| row.len());
        let rows = rows.map(|row| &row[..len]);
        let mut lanes = [Lanes([0.0; WIDTH]); N];
        let whole = len / BLOCK * BLOCK;
        for at in (0..whole).step_by(BLOCK) {
            let terms = terms_at::<T, F, K, N, BLOCK>(&f, rows.map(|row| &row[at..]));
            for (lanes, terms) in lanes.iter_mut().zip(&terms) {
                lanes.add(terms);
            }
        }
        let (over, end) = (len % WIDTH, len / WIDTH * WIDTH);
        for at in (whole..end).step_by(WIDTH) {
            let terms = terms_at::<T, F, K, N, WIDTH>(&f, rows.map(|row| &row[at..]));
            for (lanes, terms) in lanes.iter_mut().zip(&terms) {
                lanes.add_vector(terms);
            }
        }
        if over > 0 {
            let terms = if len > WIDTH {
                terms_at::<T, F, K, N, WIDTH>(&f, rows.map(|row| &row[len - WIDTH..]))
            } else {
                // Filled up with an element that is there, so that `f` sees no strange ones.
                let mut places = [[T::ZERO; WIDTH]; K];
                for (place, row) in places.iter_mut().zip(rows) {
                    *place = filled_before(row);
                }
                terms_at::<T, F, K, N, WIDTH>(&f, places.each_ref().map(|row| &row[..]))
            };
            // Only the last terms count.
            for (lanes, terms) in lanes.iter_mut().zip(&terms) {
                lanes.add_vector(&last_lanes(terms, over));
            }
        }
        lanes.map(Lanes::total)
    }
}

/// The terms of the first `W` places of rows that are as long.
#[inline(always)]
fn terms_at<T: Float, F: Terms<T, K, N>, const K: usize, const N: usize, const W: usize>(
    f: &F,
    rows: [&[T]; K],
) -> [[T; W]; N] {
    let rows: [&[T]; K] = rows.map(|row| &row[..W]);
    let mut terms = [[T::ZERO; W]; N];
    for i in 0..W {
        let here = f.at(rows.map(|row| row[i]));
        for (terms, term) in terms.iter_mut().zip(here) {
            terms[i] = term;
        }
    }
    terms
}

/// Lane sums added up in a tree.
#[inline(always)]
pub fn sum_lanes(lanes: &[f64; WIDTH]) -> f64 {
    tree_apart(*lanes, |a, b| a + b)
}

/// `Σ x` in `f64`, in lanes that vectors can carry.
#[inline(always)]
pub fn sum<T: Float>(x: &[T]) -> f64 {
    let mut lanes = Lanes([0.0; WIDTH]);
    let (whole, rest) = x.as_chunks::<WIDTH>();
    for group in whole {
        lanes.add_vector(group);
    }
    match x.last_chunk::<WIDTH>() {
        Some(last) => lanes.add_vector(&last_lanes(last, rest.len())),
        None => lanes.add_vector(&padded(rest, T::ZERO)),
    }
    lanes.total()
}

/// `Σ x y` in `f64`, in lanes that vectors can carry.
#[inline(always)]
pub fn dot<T: Float>(x: &[T], y: &[T]) -> f64 {
    let mut sums = [0.0f64; WIDTH];
    let (x_whole, rest) = x.as_chunks::<WIDTH>();
    let y_whole = y.as_chunks::<WIDTH>().0;
    for (x, y) in x_whole.iter().zip(y_whole) {
        for i in 0..WIDTH {
            sums[i] += x[i].f64() * y[i].f64();
        }
    }
    let n = rest.len();
    let (x, y) = match (x.last_chunk(), y.last_chunk()) {
        (Some(x), Some(y)) => (last_lanes(x, n), last_lanes(y, n)),
        _ => (padded(rest, T::ZERO), padded(y, T::ZERO)),
    };
    for i in 0..WIDTH {
        sums[i] += x[i].f64() * y[i].f64();
    }
    sum_lanes(&sums)
}

/// `out = out s`. What a row does not fill of its last vector, that takes from the end of the one before.
#[inline(always)]
pub fn scale_row<T: Float>(out: &mut [T], s: T) {
    // What was there before, so that no element is scaled twice.
    let Some(&last) = out.last_chunk::<WIDTH>() else {
        return out.iter_mut().for_each(|v| *v = *v * s);
    };
    let whole = out.len() / WIDTH * WIDTH;
    out[..whole].iter_mut().for_each(|v| *v = *v * s);
    if let Some(out) = out.last_chunk_mut::<WIDTH>() {
        *out = last;
        out.iter_mut().for_each(|v| *v = *v * s);
    }
}

/// `out = (x - a) - b`, as [`scale_row`].
#[inline(always)]
pub fn shift_row<T: Float>(x: &[T], out: &mut [T], (a, b): (T, T)) {
    let (Some(&x_last), whole) = (x.last_chunk::<WIDTH>(), x.len() / WIDTH * WIDTH) else {
        return out.iter_mut().zip(x).for_each(|(o, &v)| *o = (v - a) - b);
    };
    for (o, &v) in out[..whole].iter_mut().zip(&x[..whole]) {
        *o = (v - a) - b;
    }
    if let Some(out) = out.last_chunk_mut::<WIDTH>() {
        *out = x_last;
        out.iter_mut().for_each(|v| *v = (*v - a) - b);
    }
}

/// A new element in place of one, for [`change`]. No closure, as [`Terms`].
pub trait Change<T, const K: usize> {
    /// What stands instead of `x`, where other rows have `others`; `#[inline(always)]`.
    fn at(&self, x: T, others: [T; K]) -> T;
}

/// `scale · x - shift`.
#[derive(Clone, Copy, Debug)]
pub struct Scale<T> {
    /// What multiplies each element.
    pub scale: T,
    /// What is taken from each.
    pub shift: T,
}

impl<T: Float> Change<T, 0> for Scale<T> {
    #[inline(always)]
    fn at(&self, x: T, _: [T; 0]) -> T {
        x * self.scale - self.shift
    }
}

/// The elements of a vector changed.
#[inline(always)]
fn change_vector<T: Float, const K: usize>(
    f: &impl Change<T, K>,
    group: &mut [T; WIDTH],
    others: [&[T; WIDTH]; K],
) {
    // Copies, of which the compiler knows that none is written while another is read.
    let (mut new, others) = (*group, others.map(|o| *o));
    for (k, v) in new.iter_mut().enumerate() {
        *v = f.at(*v, others.each_ref().map(|o| o[k]));
    }
    *group = new;
}

/// `x = f(x, others)`, the elements of the others being those in the same place; the sum of the results in `f64`.
#[inline(always)]
pub fn change<T: Float, const K: usize>(
    x: &mut [T],
    others: [&[T]; K],
    f: impl Change<T, K>,
) -> f64 {
    dispatch(Changed(x, others, f))
}

/// A kernel of its own, so that its vectors stay whole.
struct Changed<'a, T, F, const K: usize>(&'a mut [T], [&'a [T]; K], F);

impl<T: Float, F: Change<T, K>, const K: usize> Kernel for Changed<'_, T, F, K> {
    type Out = f64;
    #[inline(always)]
    fn run<I: Isa>(self) -> f64 {
        change_here(self.0, self.1, &self.2)
    }
}

#[inline(always)]
fn change_here<T: Float, const K: usize>(
    x: &mut [T],
    others: [&[T]; K],
    f: &impl Change<T, K>,
) -> f64 {
    let (over, len) = (x.len() % WIDTH, x.len());
    let others = others.map(|o| &o[..len]);
    let mut lanes = Lanes([0.0; WIDTH]);
    // What was there before, so that no element is changed twice.
    let last = x.last_chunk::<WIDTH>().copied();
    let (whole, rest) = x.as_chunks_mut::<WIDTH>();
    for (j, group) in whole.iter_mut().enumerate() {
        let others = others.map(|o| &o.as_chunks::<WIDTH>().0[j]);
        change_vector(f, group, others);
        lanes.add_vector(group);
    }
    match (last, over) {
        (_, 0) => {}
        (Some(mut group), _) => {
            let mut theirs = [[T::ZERO; WIDTH]; K];
            for (theirs, other) in theirs.iter_mut().zip(others) {
                if let Some(last) = other.last_chunk() {
                    *theirs = *last;
                }
            }
            change_vector(f, &mut group, theirs.each_ref());
            lanes.add_vector(&last_lanes(&group, over));
            if let Some(out) = x.last_chunk_mut::<WIDTH>() {
                *out = group;
            }
        }
        (None, _) => {
            let mut group = padded(rest, T::ZERO);
            let mut theirs = [[T::ZERO; WIDTH]; K];
            for (theirs, other) in theirs.iter_mut().zip(others) {
                *theirs = padded(other, T::ZERO);
            }
            change_vector(f, &mut group, theirs.each_ref());
            copy_short(rest, &group[..over]);
            for (k, v) in group.iter_mut().enumerate() {
                *v = if k < over { *v } else { T::ZERO };
            }
            lanes.add_vector(&group);
        }
    }
    lanes.total()
}
