//! Reductions: many lanes, fixed chunks, and chunk results combined in order, so that the result has the same bits
//! on any number of threads.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::par;
use super::source::{BLOCK, Source};
use crate::layout::Layout;

/// Independent accumulators of one run: enough to hide the latency of an addition under the widest vectors.
const LANES: usize = 32;
/// Elements whose accumulators are combined before the next chunk begins.
const CHUNK: usize = 1 << 15;
/// Chunks whose results are held at a time.
const GROUP: usize = 1 << 16;
/// Rows added up in one task where the columns are reduced.
const ROWS: usize = 4096;

/// A fold whose steps may be taken in any order: a sum, a product, a maximum.
pub trait Reducer<T>: Copy + Send + Sync {
    /// What is carried along.
    type Acc: Copy + Send + Sync;
    /// What leaves everything as it is.
    fn identity(self) -> Self::Acc;
    /// One element more; `#[inline(always)]`.
    fn add<I: Isa>(self, acc: Self::Acc, x: T) -> Self::Acc;
    /// Two parts become one; `#[inline(always)]`.
    fn merge(self, a: Self::Acc, b: Self::Acc) -> Self::Acc;
}

struct Run<'a, T, R>(R, &'a [T]);

impl<T: Copy, R: Reducer<T>> Kernel for Run<'_, T, R> {
    type Out = R::Acc;
    #[inline(always)]
    fn run<I: Isa>(self) -> R::Acc {
        let Run(r, x) = self;
        if x.len() < LANES {
            return x.iter().fold(r.identity(), |acc, &x| r.add::<I>(acc, x));
        }
        let mut acc = [r.identity(); LANES];
        let mut chunks = x.chunks_exact(LANES);
        for chunk in &mut chunks {
            for (acc, &x) in acc.iter_mut().zip(chunk) {
                *acc = r.add::<I>(*acc, x);
            }
        }
        for (acc, &x) in acc.iter_mut().zip(chunks.remainder()) {
            *acc = r.add::<I>(*acc, x);
        }
        let mut n = LANES;
        while n > 1 {
            n /= 2;
            for i in 0..n {
                acc[i] = r.merge(acc[i], acc[i + n]);
            }
        }
        acc[0]
    }
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
    let mut stage = Vec::new();
    let (mut acc, mut at) = (r.identity(), start);
    while at < end {
        let len = x.block_len(at, end - at);
        acc = r.merge(acc, dispatch(Run(r, x.block(at, len, &mut stage))));
        at += len;
    }
    acc
}

/// All of `x` folded into one, chunk by chunk.
pub fn fold<T, R>(r: R, x: &Source<'_, T>, len: usize) -> R::Acc
where
    T: Copy + Default + Send + Sync,
    R: Reducer<T>,
{
    if len <= CHUNK {
        return fold_range(r, x, 0, len);
    }
    let (n_chunks, mut folded) = (len.div_ceil(CHUNK), None);
    // In groups, since even the parts of a broadcast view may be too many for the memory.
    for group in (0..n_chunks).step_by(GROUP) {
        let parts = par::each(group..n_chunks.min(group + GROUP), &|i| {
            fold_range(r, x, i * CHUNK, len.min((i + 1) * CHUNK))
        });
        folded = folded.into_iter().chain(parts).reduce(|a, b| r.merge(a, b));
    }
    folded.unwrap_or(r.identity())
}

struct AddRow<'a, T, R: Reducer<T>>(R, &'a [T], &'a mut [R::Acc]);

impl<T: Copy, R: Reducer<T>> Kernel for AddRow<'_, T, R> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let AddRow(r, x, acc) = self;
        for (acc, &x) in acc.iter_mut().zip(x) {
            *acc = r.add::<I>(*acc, x);
        }
    }
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
        && run >= 8
        && len > 1
    {
        return fold_columns(r, data, &places, reduced, run, out, finish);
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
    if len > CHUNK {
        // Long rows are split among the threads one after the other.
        for (i, o) in out.iter_mut().enumerate() {
            *o = finish(fold(r, &row(i), len));
        }
        return;
    }
    par::split(out, 1, len + 8, |start, out| {
        for (i, o) in out.iter_mut().enumerate() {
            *o = finish(fold_range(r, &row(start + i), 0, len));
        }
    });
}

/// As [`fold_dims`] where neighbouring results read neighbouring elements: whole rows of `run` results are carried
/// along together.
fn fold_columns<T, R, O>(
    r: R,
    data: &[T],
    places: &Source<'_, T>,
    reduced: &Layout,
    run: usize,
    out: &mut [O],
    finish: impl Fn(R::Acc) -> O + Sync,
) where
    T: Copy + Default + Send + Sync,
    R: Reducer<T>,
    O: Send,
{
    let len = reduced.numel();
    // A block of results lies within one run, so that its elements are adjacent in every row.
    let width = run.min(BLOCK);
    let blocks_per_run = run.div_ceil(width);
    let span = |block: usize| {
        let (i, j) = (block / blocks_per_run, block % blocks_per_run);
        (i * run + j * width, i * run + run.min((j + 1) * width))
    };
    let n_blocks = out.len() / run * blocks_per_run;
    let parts = len.div_ceil(ROWS);
    let part = |task: usize| {
        let (block, part) = (task / parts, task % parts);
        let (start, end) = span(block);
        let rows = Source::new(
            data,
            &Layout {
                offset: places.place(start),
                ..reduced.clone()
            },
        );
        let mut acc = vec![r.identity(); end - start];
        for row in part * ROWS..len.min((part + 1) * ROWS) {
            let at = rows.place(row);
            dispatch(AddRow(r, &data[at..at + acc.len()], &mut acc));
        }
        acc
    };
    let tasks = n_blocks * parts;
    let accs: Vec<Vec<R::Acc>> = if out.len().saturating_mul(len) < par::GRAIN {
        (0..tasks).map(part).collect()
    } else {
        par::each(0..tasks, &part)
    };
    for (block, accs) in accs.chunks(parts).enumerate() {
        let (start, end) = span(block);
        for (i, o) in out[start..end].iter_mut().enumerate() {
            *o = finish(
                accs[1..]
                    .iter()
                    .fold(accs[0][i], |acc, more| r.merge(acc, more[i])),
            );
        }
    }
}
