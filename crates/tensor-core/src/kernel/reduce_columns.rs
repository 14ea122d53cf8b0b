//! Reductions across rows: neighbouring columns are carried along together, row after row.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::reduce::{CHUNK, Reducer};
use super::source::Source;
use super::{par, prefetch};
use crate::layout::Layout;

/// Rows added up in one task where the columns are reduced; more of short ones.
const ROWS: usize = 256;
/// Columns added up side by side: their accumulators stay in the first-level cache.
const COLUMNS: usize = 2048;
/// Rows added to the accumulators in one pass over them.
const AT_A_TIME: usize = 2;
/// Columns between two looks ahead.
const GROUP_OF_COLUMNS: usize = 32;

/// Accumulators of columns that begin with a line of memory, so that none of their vectors straddles two.
struct Aligned<A> {
    held: Vec<A>,
    from: usize,
}

impl<A: Copy> Aligned<A> {
    /// So many of them, all `identity`.
    fn new(identity: A, n: usize) -> Self {
        const LINE: usize = 64;
        let spare = LINE / size_of::<A>().clamp(1, LINE);
        let mut held = vec![identity; n + spare];
        let from = held.as_ptr().align_offset(LINE).min(spare);
        held.truncate(from + n);
        Aligned { held, from }
    }

    fn as_slice(&self) -> &[A] {
        &self.held[self.from..]
    }

    fn as_mut_slice(&mut self) -> &mut [A] {
        &mut self.held[self.from..]
    }
}

/// Several rows added to the accumulators of their columns. The second rows are those that come next, to be brought
/// nearer meanwhile.
struct AddRows<'a, T, R: Reducer<T>, const N: usize>(
    R,
    [&'a [T]; N],
    [&'a [T]; N],
    &'a mut [R::Acc],
);

impl<T: Copy, R: Reducer<T>, const N: usize> Kernel for AddRows<'_, T, R, N> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let AddRows(r, rows, next, acc) = self;
        let (groups, rest) = acc.as_chunks_mut::<GROUP_OF_COLUMNS>();
        let whole = groups.len() * GROUP_OF_COLUMNS;
        let parts = rows.map(|row| row[..whole].as_chunks::<GROUP_OF_COLUMNS>().0);
        let next = next.map(|row| row[..whole].as_chunks::<GROUP_OF_COLUMNS>().0);
        for (i, acc) in groups.iter_mut().enumerate() {
            let parts = parts.map(|part| &part[i]);
            next.iter().for_each(|next| prefetch::lines(&next[i], 0));
            for (i, acc) in acc.iter_mut().enumerate() {
                *acc = parts
                    .iter()
                    .fold(*acc, |acc, part| r.add::<I>(acc, part[i]));
            }
        }
        for (i, acc) in (whole..).zip(rest) {
            *acc = rows.iter().fold(*acc, |acc, row| r.add::<I>(acc, row[i]));
        }
    }
}

/// As [`fold_dims`](super::reduce::fold_dims) for a few rows that lie one after the other, on this thread: `out[i]` becomes `finish` of column `i`.
pub(crate) fn fold_few_rows<T, R, O>(r: R, rows: &[T], out: &mut [O], finish: impl Fn(R::Acc) -> O)
where
    T: Copy,
    R: Reducer<T>,
{
    let width = out.len();
    for (i, out) in out.chunks_mut(ABREAST).enumerate() {
        let acc = dispatch(Abreast(r, rows, width, i * ABREAST));
        for (o, acc) in out.iter_mut().zip(acc) {
            *o = finish(acc);
        }
    }
}

/// Columns whose accumulators stay in registers.
const ABREAST: usize = 16;

/// The columns from a place on of rows of a width, as many as are abreast; those beyond the width count for nothing.
struct Abreast<'a, T, R>(R, &'a [T], usize, usize);

impl<T: Copy, R: Reducer<T>> Kernel for Abreast<'_, T, R> {
    type Out = [R::Acc; ABREAST];
    #[inline(always)]
    fn run<I: Isa>(self) -> Self::Out {
        let Abreast(r, rows, width, from) = self;
        let mut acc = [r.identity(); ABREAST];
        for row in rows.chunks_exact(width) {
            let row = &row[from..];
            match row.first_chunk::<ABREAST>() {
                Some(row) => {
                    for i in 0..ABREAST {
                        acc[i] = r.add::<I>(acc[i], row[i]);
                    }
                }
                None => {
                    for (acc, &x) in acc.iter_mut().zip(row) {
                        *acc = r.add::<I>(*acc, x);
                    }
                }
            }
        }
        acc
    }
}

/// Rows in the cache, added to the accumulators of their columns.
struct AddFewRows<'a, T, R: Reducer<T>>(R, &'a [T], &'a mut [R::Acc]);

impl<T: Copy, R: Reducer<T>> Kernel for AddFewRows<'_, T, R> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let AddFewRows(r, rows, acc) = self;
        for row in rows.chunks_exact(acc.len()) {
            for (acc, &x) in acc.iter_mut().zip(row) {
                *acc = r.add::<I>(*acc, x);
            }
        }
    }
}

/// Rows of few columns, one after the other, added to the accumulators of their columns: as a vector holds several rows,
/// sixteen of them count as one.
fn fold_narrow<T: Copy, R: Reducer<T>>(r: R, rows: &[T], acc: &mut [R::Acc]) {
    let width = acc.len();
    let whole = rows.len() / (16 * width) * (16 * width);
    let mut wide = vec![r.identity(); 16 * width];
    dispatch(AddFewRows(r, &rows[..whole], &mut wide));
    for part in wide.chunks_exact(width) {
        for (acc, &more) in acc.iter_mut().zip(part) {
            *acc = r.merge(*acc, more);
        }
    }
    dispatch(AddFewRows(r, &rows[whole..], acc));
}

/// As [`fold_dims`](super::reduce::fold_dims) where neighbouring results read neighbouring elements: whole rows of `run` results are carried
/// along together.
pub(super) fn fold_columns<T, R, O>(
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
    let width = run.min(COLUMNS);
    let blocks_per_run = run.div_ceil(width);
    let span = |block: usize| {
        let (i, j) = (block / blocks_per_run, block % blocks_per_run);
        (i * run + j * width, i * run + run.min((j + 1) * width))
    };
    let n_blocks = out.len() / run * blocks_per_run;
    let rows_per_part = ROWS.max(CHUNK / width);
    let parts = len.div_ceil(rows_per_part);
    // Behind a reference, so that it is compiled once for the two ways to call it.
    let part: &(dyn Fn(usize) -> Aligned<R::Acc> + Sync) = &|task: usize| {
        let (block, part) = (task / parts, task % parts);
        let (start, end) = span(block);
        let rows = Source::new(
            data,
            &Layout {
                offset: places.place(start),
                ..reduced.clone()
            },
        );
        let mut aligned = Aligned::new(r.identity(), end - start);
        let acc = aligned.as_mut_slice();
        let (mut at, end) = (part * rows_per_part, len.min((part + 1) * rows_per_part));
        let width = acc.len();
        if width < GROUP_OF_COLUMNS && rows.pitch() == Some(width) {
            fold_narrow(r, &data[rows.place(at)..][..(end - at) * width], acc);
            return aligned;
        }
        let line = |row: usize| &data[rows.place(row)..][..width];
        let lines = |at: usize| -> [_; AT_A_TIME] { std::array::from_fn(|i| line(at + i)) };
        let mut next = (at + AT_A_TIME <= end).then(|| lines(at));
        while let Some(now) = next {
            at += AT_A_TIME;
            next = (at + AT_A_TIME <= end).then(|| lines(at));
            dispatch(AddRows(r, now, next.unwrap_or(now), acc));
        }
        for row in at..end {
            dispatch(AddRows(r, [line(row)], [line(row)], acc));
        }
        aligned
    };
    let small = out.len().saturating_mul(len) < par::GRAIN;
    if parts == 1 && !small {
        // Nothing to merge, so that each thread finishes its own.
        let blocks = out.chunks_mut(run).flat_map(|run| run.chunks_mut(width));
        return par::for_each_part(blocks.collect(), &|block, out: &mut [O]| {
            for (o, &acc) in out.iter_mut().zip(part(block).as_slice()) {
                *o = finish(acc);
            }
        });
    }
    let tasks = n_blocks * parts;
    let mut accs: Vec<Aligned<R::Acc>> = if small {
        (0..tasks).map(part).collect()
    } else {
        par::each(tasks, part)
    };
    for (block, accs) in accs.chunks_mut(parts).enumerate() {
        let (start, end) = span(block);
        let Some((acc, more)) = accs.split_first_mut() else {
            continue;
        };
        for more in more {
            for (acc, &more) in acc.as_mut_slice().iter_mut().zip(more.as_slice()) {
                *acc = r.merge(*acc, more);
            }
        }
        for (o, &acc) in out[start..end].iter_mut().zip(acc.as_slice()) {
            *o = finish(acc);
        }
    }
}
