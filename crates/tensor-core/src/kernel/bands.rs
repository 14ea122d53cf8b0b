//! Rows of a few vectors each, [`WIDTH`] of them together: what is left of a row is one number for each lane, and the lanes
//! of all rows are folded at once, where folding those of one row costs as much as the row.
//!
//! What a row does not fill of its last vector, the vector takes from the end of the one before.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::rows::RowBlock;
use super::softmax::{WIDTH, count_in, larger};
use crate::element::Float;

/// Rows of at most so many elements go together; in longer ones, folding the lanes does not count.
pub const LONGEST: usize = 512;

/// Whether rows of `len` elements go together.
#[inline(always)]
pub fn suits(len: usize) -> bool {
    (WIDTH + 1..=LONGEST).contains(&len)
}

/// Rows `at..at + n` of a block, at most [`WIDTH`] of them, which [`suits`] has been asked about.
#[derive(Clone, Copy, Debug)]
pub struct Band<'a, T> {
    rows: RowBlock<'a, T>,
    at: usize,
    n: usize,
}

/// Sums of exponentials, of one row in each lane: see [`LogSum`](super::softmax::LogSum).
#[derive(Clone, Copy, Debug)]
pub struct Parts<T> {
    /// The largest element; 0 where that is not finite.
    pub max: [T; WIDTH],
    /// `Σ e^(x - max)` over all elements but one that is the largest.
    pub rest: [f64; WIDTH],
    /// The lanes whose largest element is finite: the others hold nothing.
    pub finite: [bool; WIDTH],
}

impl<'a, T: Float> Band<'a, T> {
    /// Rows `at..at + n` of a block.
    #[inline(always)]
    pub fn of(rows: RowBlock<'a, T>, at: usize, n: usize) -> Self {
        Band { rows, at, n }
    }

    /// The sums of exponentials. Those of row `i` are left in row `i` of `out` if that has room.
    #[inline(always)]
    pub fn sums(self, out: &mut [T]) -> Parts<T> {
        let mut max = dispatch(Maxima(self));
        let finite = max.map(T::finite);
        for (m, finite) in max.iter_mut().zip(finite) {
            *m = if finite { *m } else { T::ZERO };
        }
        let rest = if out.is_empty() {
            dispatch(Exponentials::<_, false>(self, &max, out))
        } else {
            dispatch(Exponentials::<_, true>(self, &max, out))
        };
        Parts { max, rest, finite }
    }
}

/// `f` over the lanes of each row.
#[inline(always)]
fn across<A: Copy>(lanes: &[[A; WIDTH]; WIDTH], f: impl Fn(A, A) -> A) -> [A; WIDTH] {
    std::array::from_fn(|row| {
        let mut all = lanes[row];
        super::reduce::tree(&mut all, &f)
    })
}

struct Maxima<'a, T>(Band<'a, T>);

impl<T: Float> Kernel for Maxima<'_, T> {
    type Out = [T; WIDTH];
    #[inline(always)]
    fn run<I: Isa>(self) -> [T; WIDTH] {
        let Band { rows, at, n } = self.0;
        let mut lanes = [[T::LOWEST; WIDTH]; WIDTH];
        for (i, lanes) in lanes[..n].iter_mut().enumerate() {
            let row = rows.row(at + i);
            let mut most = [T::LOWEST; WIDTH];
            for x in row
                .as_chunks::<WIDTH>()
                .0
                .iter()
                .chain(row.last_chunk::<WIDTH>())
            {
                for (m, &v) in most.iter_mut().zip(x) {
                    *m = larger(*m, v);
                }
            }
            *lanes = most;
        }
        across(&lanes, larger)
    }
}

struct Exponentials<'a, T, const KEEP: bool>(Band<'a, T>, &'a [T; WIDTH], &'a mut [T]);

impl<T: Float, const KEEP: bool> Kernel for Exponentials<'_, T, KEEP> {
    type Out = [f64; WIDTH];
    #[inline(always)]
    fn run<I: Isa>(self) -> [f64; WIDTH] {
        let Exponentials(Band { rows, at, n }, max, out) = self;
        let (mut sums, mut ones) = ([[0.0; WIDTH]; WIDTH], [[T::ZERO; WIDTH]; WIDTH]);
        for i in 0..n {
            let (row, max) = (rows.row(at + i), max[i]);
            let len = row.len();
            let (whole, over) = (row.as_chunks::<WIDTH>().0, len % WIDTH);
            let mut sum = [0.0; WIDTH];
            let mut count = [T::ZERO; WIDTH];
            for (j, x) in whole.iter().enumerate() {
                let mut e = *x;
                e.iter_mut()
                    .for_each(|v| *v = (*v - max).exp_nonpositive::<I>());
                count_in(&e, &mut sum, &mut count);
                if KEEP && let Some(out) = out[i * len + j * WIDTH..].first_chunk_mut::<WIDTH>() {
                    *out = e;
                }
            }
            if over > 0
                && let Some(x) = row.last_chunk::<WIDTH>()
            {
                let mut e = *x;
                e.iter_mut()
                    .for_each(|v| *v = (*v - max).exp_nonpositive::<I>());
                // The first lanes were counted before.
                let mut new = e;
                for (k, v) in new.iter_mut().enumerate() {
                    *v = if k + over < WIDTH { T::ZERO } else { *v };
                }
                count_in(&new, &mut sum, &mut count);
                if KEEP && let Some(out) = out[..(i + 1) * len].last_chunk_mut::<WIDTH>() {
                    *out = e;
                }
            }
            (sums[i], ones[i]) = (sum, count);
        }
        let (sums, ones) = (across(&sums, |a, b| a + b), across(&ones, |a, b| a + b));
        std::array::from_fn(|i| sums[i] + (ones[i].f64() - 1.0))
    }
}

/// `out = (x - a) - b` for a row of at least one vector, in vectors, the last of which begins within the one before.
#[inline(always)]
pub fn shift_row<T: Float>(x: &[T], out: &mut [T], (a, b): (T, T)) {
    let whole = x.len() / WIDTH * WIDTH;
    for (o, &v) in out[..whole].iter_mut().zip(&x[..whole]) {
        *o = (v - a) - b;
    }
    if let (Some(o), Some(x)) = (out.last_chunk_mut::<WIDTH>(), x.last_chunk::<WIDTH>()) {
        for (o, &v) in o.iter_mut().zip(x) {
            *o = (v - a) - b;
        }
    }
}

/// `out = out s`, as [`shift_row`].
#[inline(always)]
pub fn scale_row<T: Float>(out: &mut [T], s: T) {
    // What was there before, so that no element is scaled twice.
    let last = out.last_chunk::<WIDTH>().copied();
    let whole = out.len() / WIDTH * WIDTH;
    out[..whole].iter_mut().for_each(|v| *v = *v * s);
    if let (Some(o), Some(mut v)) = (out.last_chunk_mut::<WIDTH>(), last) {
        v.iter_mut().for_each(|v| *v = *v * s);
        *o = v;
    }
}
