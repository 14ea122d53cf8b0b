//! Reductions: many lanes, fixed chunks, and chunk results combined in order, so that the result has the same bits
//! on any number of threads.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::reduce_columns::fold_columns;
use super::source::Source;
use super::{par, prefetch};
use crate::element::Number;
use crate::layout::Layout;

/// How far ahead a run is asked for, in bytes: four pages, which the processor does not cross by itself.
const AHEAD: usize = 1 << 14;
/// The same for extremes, whose steps take so little that less of the first-level cache is free for what is to come.
const NEARER: usize = 1 << 13;
/// Elements that one thread folds before another is worth waking.
pub(super) const ALONE: usize = 1 << 17;
/// Below it, folding many accumulators costs more than waiting for few, and below the other, than for fewer still.
const SHORT: usize = 256;
const SHORTER: usize = 48;
/// Below it, one is enough.
const SHORTEST: usize = 16;
/// At least so many elements are folded before their accumulators are combined.
pub(super) const CHUNK: usize = 1 << 15;
/// Of very long tensors a chunk is one part in so many: enough to keep threads equally busy.
const CHUNKS: usize = 128;

/// A fold whose steps may be taken in any order: a sum, a product, a maximum.
pub trait Reducer<T>: Copy + Send + Sync {
    /// What is carried along.
    type Acc: Copy + Send + Sync;
    /// Whether it depends on the row that an element stands in.
    const BY_ROW: bool = false;
    /// The same for the elements of that row, where it does; only folds of columns ask for it.
    #[inline(always)]
    fn at_row(self, _row: usize) -> Self {
        self
    }
    /// What leaves everything as it is.
    fn identity(self) -> Self::Acc;
    /// One element more; `#[inline(always)]`.
    fn add<I: Isa>(self, acc: Self::Acc, x: T) -> Self::Acc;
    /// Two parts become one; `#[inline(always)]`.
    fn merge(self, a: Self::Acc, b: Self::Acc) -> Self::Acc;
    /// All of `x` folded into one, for folds that have a shorter way than one step after the other; `#[inline(always)]`.
    #[inline(always)]
    fn run<I: Isa>(self, x: &[T]) -> Self::Acc
    where
        T: Copy,
    {
        // Independent accumulators, enough to hide the latency of a step under the widest vectors: eight AVX2
        // registers of them, four of AVX-512.
        if x.len() < SHORTEST {
            x.iter()
                .fold(self.identity(), |acc, &x| self.add::<I>(acc, x))
        } else if x.len() < SHORTER {
            few_lanes::<I, T, Self, 8>(self, x)
        } else if x.len() < SHORT {
            few_lanes::<I, T, Self, 16>(self, x)
        } else if size_of::<Self::Acc>() <= 4 {
            lanes::<I, T, Self, 64>(self, x)
        } else {
            lanes::<I, T, Self, 32>(self, x)
        }
    }
}

/// Rows of few elements, one after the other, each folded as [`Run`] folds it.
struct FoldRows<'a, T, R: Reducer<T>>(R, &'a [T], usize, &'a mut [R::Acc]);

impl<T: Copy, R: Reducer<T>> Kernel for FoldRows<'_, T, R> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        /// Rows folded side by side, each of whose steps waits for the one before.
        const ROWS: usize = 8;
        let FoldRows(r, rows, len, out) = self;
        let (groups, rest) = out.as_chunks_mut::<ROWS>();
        let whole = groups.len() * ROWS * len;
        for (acc, rows) in groups.iter_mut().zip(rows.chunks_exact(ROWS * len)) {
            let mut sums = [r.identity(); ROWS];
            for j in 0..len {
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum = r.add::<I>(*sum, rows[k * len + j]);
                }
            }
            *acc = sums;
        }
        for (acc, row) in rest.iter_mut().zip(rows[whole..].chunks_exact(len)) {
            *acc = row.iter().fold(r.identity(), |acc, &x| r.add::<I>(acc, x));
        }
    }
}

pub(crate) struct Run<'a, T, R>(pub(crate) R, pub(crate) &'a [T]);

impl<T: Copy, R: Reducer<T>> Kernel for Run<'_, T, R> {
    type Out = R::Acc;
    #[inline(always)]
    fn run<I: Isa>(self) -> R::Acc {
        self.0.run::<I>(self.1)
    }
}

#[inline(always)]
fn lanes<I: Isa, T: Copy, R: Reducer<T>, const LANES: usize>(r: R, x: &[T]) -> R::Acc {
    if x.len() < LANES {
        return x.iter().fold(r.identity(), |acc, &x| r.add::<I>(acc, x));
    }
    let mut acc = [r.identity(); LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for group in whole {
        prefetch::lines(group, AHEAD);
        for i in 0..LANES {
            acc[i] = r.add::<I>(acc[i], group[i]);
        }
    }
    for (acc, &x) in acc.iter_mut().zip(rest) {
        *acc = r.add::<I>(*acc, x);
    }
    tree_apart(acc, |a, b| r.merge(a, b))
}

/// As [`lanes`] with one vector of them, whose tree costs less than the call of a function.
#[inline(always)]
fn few_lanes<I: Isa, T: Copy, R: Reducer<T>, const LANES: usize>(r: R, x: &[T]) -> R::Acc {
    let mut acc = [r.identity(); LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for group in whole {
        for (acc, &x) in acc.iter_mut().zip(group) {
            *acc = r.add::<I>(*acc, x);
        }
    }
    let mut last = if LANES > 8 {
        tree_apart(acc, |a, b| r.merge(a, b))
    } else {
        tree(&mut acc, |a, b| r.merge(a, b))
    };
    for &x in rest {
        last = r.add::<I>(last, x);
    }
    last
}

/// The best element, for an `r` that keeps the better of two, and a NaN once it meets one. `better` alone is one
/// instruction that forgets a NaN, so that these are looked for apart, in two vectors at a time.
#[inline(always)]
pub(crate) fn extreme<T, R>(r: R, x: &[T], better: impl Fn(T, T) -> T) -> T
where
    T: Number,
    R: Reducer<T, Acc = T>,
{
    const FEW: usize = 16;
    /// Not many, since their tree takes as long as a hundred elements do.
    const LANES: usize = 32;
    const PAIR: usize = 2 * LANES;
    if x.len() < FEW {
        return x.iter().fold(r.identity(), |best, &x| r.merge(best, x));
    }
    if x.len() < PAIR {
        let (mut best, mut nan) = ([r.identity(); FEW], [T::ZERO; FEW]);
        // The last vector begins within the one before: to see an element twice changes nothing.
        for x in x.as_chunks::<FEW>().0.iter().chain(x.last_chunk::<FEW>()) {
            for i in 0..FEW {
                nan[i] = if x[i].is_nan_() { T::ONE } else { nan[i] };
                best[i] = better(best[i], x[i]);
            }
        }
        if any_apart(nan) {
            return first_nan(x);
        }
        return tree_apart(best, better);
    }
    let mut best = [r.identity(); LANES];
    let mut nan = [T::ZERO; LANES];
    for pair in x.as_chunks::<PAIR>().0 {
        prefetch::lines(pair, NEARER);
        look_at(pair, &mut best, &mut nan, &better);
    }
    // The last one begins within the one before.
    if let Some(pair) = x.last_chunk::<PAIR>() {
        look_at(pair, &mut best, &mut nan, &better);
    }
    if any_apart(nan) {
        return first_nan(x);
    }
    tree_apart(best, better)
}
/// The better of each lane and the two elements that belong to it, and marks for NaN.
#[inline(always)]
fn look_at<T: Number, const LANES: usize>(
    pair: &[T],
    best: &mut [T; LANES],
    nan: &mut [T; LANES],
    better: &impl Fn(T, T) -> T,
) {
    let pair = &pair[..2 * LANES];
    for i in 0..LANES {
        let (a, b) = (pair[i], pair[i + LANES]);
        let either = a.is_nan_() | b.is_nan_();
        nan[i] = if either { T::ONE } else { nan[i] };
        best[i] = better(best[i], better(a, b));
    }
}

#[cold]
fn first_nan<T: Number>(x: &[T]) -> T {
    x.iter().copied().find(|x| x.is_nan_()).unwrap_or(T::ZERO)
}

/// Lanes folded in a tree that the compiler may not mix with the loop that fills them: it took the vectors of such loops
/// apart. They go through memory, in a place that no store straddles.
#[inline(always)]
pub(crate) fn tree_apart<T: Copy, const N: usize>(lanes: [T; N], f: impl Fn(T, T) -> T) -> T {
    tree(&mut stored_apart(lanes), f)
}

/// The same lanes, of which the compiler does not know it.
#[inline(always)]
fn stored_apart<T: Copy, const N: usize>(lanes: [T; N]) -> [T; N] {
    #[repr(align(64))]
    struct Stored<A>(A);
    let lanes = Stored(lanes);
    std::hint::black_box(&lanes).0
}

/// Whether any lane is other than zero, looked for as [`tree_apart`] folds.
#[inline(always)]
fn any_apart<T: Number, const N: usize>(lanes: [T; N]) -> bool {
    let lanes = stored_apart(lanes);
    lanes.iter().fold(false, |any, &v| any | (v != T::ZERO))
}

/// Lanes folded in a tree: each with the one half of them further on, then the first half alike.
#[inline(always)]
pub fn tree<A: Copy, const N: usize>(lanes: &mut [A; N], f: impl Fn(A, A) -> A) -> A {
    let mut n = N;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            lanes[i] = f(lanes[i], lanes[i + n]);
        }
    }
    lanes[0]
}

/// Positions `start..end` of `x` folded into one.
fn fold_range<T, R>(r: R, x: &Source<'_, T>, start: usize, end: usize) -> R::Acc
where
    T: Copy + Default + Send + Sync,
    R: Reducer<T>,
{
    if let Some(x) = x.flat() {
        return dispatch(Run(r, &x[start..end]));
    }
    let (mut x, mut acc, mut at) = (x.reader(), r.identity(), start);
    while at < end {
        let len = x.ready(at, end - at);
        acc = r.merge(acc, dispatch(Run(r, x.read(at, len))));
        at += len;
    }
    acc
}

/// Elements to a chunk of so many.
pub(super) fn chunk_of(len: usize) -> usize {
    CHUNK.max(len.div_ceil(CHUNKS).next_multiple_of(64))
}

/// All of `x` folded into one, chunk by chunk.
pub fn fold<T, R>(r: R, x: &Source<'_, T>, len: usize) -> R::Acc
where
    T: Copy + Default + Send + Sync,
    R: Reducer<T>,
{
    if len <= ALONE {
        return fold_range(r, x, 0, len);
    }
    let chunk = chunk_of(len);
    let parts = par::each(len.div_ceil(chunk), &|i| {
        fold_range(r, x, i * chunk, len.min((i + 1) * chunk))
    });
    let folded = parts.into_iter().reduce(|a, b| r.merge(a, b));
    folded.unwrap_or(r.identity())
}

/// All of a slice folded into one, with the bits of [`fold`].
pub fn fold_slice<T, R>(r: R, x: &[T]) -> R::Acc
where
    T: Copy + Default + Send + Sync,
    R: Reducer<T>,
{
    if x.len() <= ALONE {
        return dispatch(Run(r, x));
    }
    let layout = Layout::contiguous([x.len()].into_iter().collect());
    fold(r, &Source::new(x, &layout), x.len())
}

/// Reduces some dimensions of `data` seen through `layout`: `out[i]` becomes `finish` of the fold over `reduced`
/// at position `i` of `kept`, two layouts over the same buffer that share its offset.
pub fn fold_dims<T, R, O>(
    r: R,
    data: &[T],
    (kept, reduced): (&Layout, &Layout),
    out: &mut [O],
    finish: impl Fn(R::Acc) -> O + Sync,
) where
    T: Copy + Default + Send + Sync,
    R: Reducer<T>,
    O: Send,
{
    let len = reduced.numel();
    let places = Source::new(data, kept);
    let inner = kept
        .strides()
        .iter()
        .zip(kept.shape())
        .rev()
        .find(|d| *d.1 != 1)
        .map(|(&s, &n)| (s, n));
    let rows_adjacent = reduced
        .strides()
        .iter()
        .zip(reduced.shape())
        .any(|(&s, &n)| s == 1 && n > 1);
    if let (Some((1, run)), false) = (inner, rows_adjacent)
        && (run >= 8 || Source::new(data, reduced).pitch() == Some(run))
        && len > 1
    {
        let put = |o: &mut O, acc| *o = finish(acc);
        return fold_columns(r, data, &places, reduced, run, out, put);
    }
    let row = |i: usize| {
        Source::new(
            data,
            &Layout {
                offset: places.place(i),
                ..reduced.clone()
            },
        )
    };
    if len > ALONE {
        // Long rows are split among the threads one after the other.
        for (i, o) in out.iter_mut().enumerate() {
            *o = finish(fold(r, &row(i), len));
        }
        return;
    }
    let adjacent = len > 0 && row(0).flat().is_some();
    if (1..SHORTEST).contains(&len) && adjacent && places.pitch() == Some(len) {
        /// Rows folded before their accumulators are finished.
        const AT_A_TIME: usize = 256;
        let first = places.place(0);
        return par::split(out, 1, len + 2, |start, out| {
            let mut accs = [r.identity(); AT_A_TIME];
            for (i, out) in out.chunks_mut(AT_A_TIME).enumerate() {
                let (n, at) = (out.len(), first + (start + i * AT_A_TIME) * len);
                dispatch(FoldRows(r, &data[at..at + n * len], len, &mut accs[..n]));
                for (o, &acc) in out.iter_mut().zip(&accs) {
                    *o = finish(acc);
                }
            }
        });
    }
    par::split(out, 1, len + 8, |start, out| {
        if adjacent {
            // Each row is dispatched by itself: inlined into a loop over rows, the lanes of a run were compiled badly.
            for (i, o) in out.iter_mut().enumerate() {
                let at = places.place(start + i);
                *o = finish(dispatch(Run(r, &data[at..at + len])));
            }
            return;
        }
        for (i, o) in out.iter_mut().enumerate() {
            *o = finish(fold_range(r, &row(start + i), 0, len));
        }
    });
}
