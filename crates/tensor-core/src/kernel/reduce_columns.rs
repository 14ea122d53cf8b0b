//! Reductions across rows: neighbouring columns are carried along together, row after row.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::pool::{first_line, spare};
use super::reduce::{CHUNK, Reducer};
use super::source::Source;
use super::{par, prefetch};
use crate::layout::Layout;

/// Rows added up in one task where the columns are reduced, at most; more of short ones.
const ROWS: usize = 512;
/// Tasks that suffice to keep threads equally busy.
const TASKS: usize = 8;
/// Columns added up side by side: their accumulators stay in the first-level cache.
const COLUMNS: usize = 1024;
/// Rows added to the accumulators in one pass over them.
const AT_A_TIME: usize = 4;
/// Columns whose accumulators stay in registers from the first of these rows to the last.
const GROUP_OF_COLUMNS: usize = 32;
/// How far ahead each of these rows is asked for, in bytes.
const AHEAD: usize = 3 << 10;

/// Accumulators of columns that begin with a line of memory, so that none of their vectors straddles two.
struct Aligned<A> {
    held: Vec<A>,
    from: usize,
}

impl<A: Copy> Aligned<A> {
    /// So many of them, all `identity`.
    fn new(identity: A, n: usize) -> Self {
        let mut held = vec![identity; n + spare::<A>()];
        let from = first_line(&held);
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

/// Rows that are added to the accumulators of their columns in one pass over them.
struct AddRows<'a, T, R: Reducer<T>, const N: usize> {
    /// What adds the elements of each row.
    r: [R; N],
    rows: [&'a [T]; N],
    /// The distance in bytes to the rows that come next.
    next: usize,
    acc: &'a mut [R::Acc],
}

impl<T: Copy, R: Reducer<T>, const N: usize> Kernel for AddRows<'_, T, R, N> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let AddRows { r, rows, next, acc } = self;
        let (groups, rest) = acc.as_chunks_mut::<GROUP_OF_COLUMNS>();
        let whole = groups.len() * GROUP_OF_COLUMNS;
        let rows_of_groups = rows.map(|row| row[..whole].as_chunks::<GROUP_OF_COLUMNS>().0);
        // What is asked for ahead lies in these rows at first, and at last in those that come next.
        let bytes = size_of::<[T; GROUP_OF_COLUMNS]>();
        let here = groups.len().saturating_sub(AHEAD / bytes.max(1));
        let (first, last) = groups.split_at_mut(here);
        add_groups::<I, _, _, N>(r, rows_of_groups.map(|row| &row[..here]), AHEAD, first);
        let beyond = next.wrapping_sub(here * bytes);
        add_groups::<I, _, _, N>(r, rows_of_groups.map(|row| &row[here..]), beyond, last);
        for (i, acc) in (whole..).zip(rest) {
            for k in 0..N {
                *acc = r[k].add::<I>(*acc, rows[k][i]);
            }
        }
    }
}

/// Adds rows that are asked for so many bytes ahead.
#[inline(always)]
fn add_groups<I: Isa, T: Copy, R: Reducer<T>, const N: usize>(
    r: [R; N],
    rows: [&[[T; GROUP_OF_COLUMNS]]; N],
    ahead: usize,
    groups: &mut [[R::Acc; GROUP_OF_COLUMNS]],
) {
    for (i, acc) in groups.iter_mut().enumerate() {
        let mut sums = *acc;
        for (r, row) in r.iter().zip(rows) {
            prefetch::lines(&row[i], ahead);
            for (sum, &x) in sums.iter_mut().zip(&row[i]) {
                *sum = r.add::<I>(*sum, x);
            }
        }
        *acc = sums;
    }
}

/// The rows of a tensor before `end`.
struct Span<'a, T> {
    data: &'a [T],
    rows: Source<'a, T>,
    end: usize,
}

impl<T: Copy + Default + Send + Sync> Span<'_, T> {
    /// Adds so many rows from `at` on, which is moved beyond them, to the accumulators of as many columns.
    fn add<R: Reducer<T>, const N: usize>(&self, r: R, at: &mut usize, acc: &mut [R::Acc]) {
        let place = |row: usize| self.rows.place(row.min(self.end - 1));
        let step = place(*at + N).wrapping_sub(place(*at));
        dispatch(AddRows {
            r: std::array::from_fn::<_, N, _>(|i| r.at_row(*at + i)),
            rows: std::array::from_fn::<_, N, _>(|i| &self.data[place(*at + i)..][..acc.len()]),
            next: step.wrapping_mul(size_of::<T>()),
            acc,
        });
        *at += N;
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

/// As [`fold_dims`](super::reduce::fold_dims) where neighbouring results read neighbouring elements: whole rows of `run`
/// results are carried along together, and each result is put in its place.
pub(super) fn fold_columns<T, R, O>(
    r: R,
    data: &[T],
    places: &Source<'_, T>,
    reduced: &Layout,
    run: usize,
    out: &mut [O],
    put: impl Fn(&mut O, R::Acc) + Sync,
) where
    T: Copy + Default + Send + Sync,
    R: Reducer<T>,
    O: Send,
{
    let len = reduced.numel();
    // A block of results lies within one run, so that its elements are adjacent in every row.
    let width = run.div_ceil(run.div_ceil(COLUMNS));
    let width = width.next_multiple_of(GROUP_OF_COLUMNS).min(run);
    let blocks_per_run = run.div_ceil(width);
    let span = |block: usize| {
        let (i, j) = (block / blocks_per_run, block % blocks_per_run);
        (i * run + j * width, i * run + run.min((j + 1) * width))
    };
    let n_blocks = out.len() / run * blocks_per_run;
    // As large as each other, and no smaller than is worth a task.
    let worth_it = len.saturating_mul(width) / CHUNK;
    let enough = TASKS.div_ceil(n_blocks.max(1)).min(worth_it);
    let parts = len.div_ceil(ROWS.max(CHUNK / width)).max(enough);
    let rows_per_part = len.div_ceil(parts).next_multiple_of(AT_A_TIME);
    let parts = len.div_ceil(rows_per_part);
    // Behind a reference, so that it is compiled once for the two ways to call it.
    let part: &(dyn Fn(usize) -> Aligned<R::Acc> + Sync) = &|task: usize| {
        let (block, part) = (task % n_blocks, task / n_blocks);
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
        if width < GROUP_OF_COLUMNS && rows.pitch() == Some(width) && !R::BY_ROW {
            fold_narrow(r, &data[rows.place(at)..][..(end - at) * width], acc);
            return aligned;
        }
        let span = Span { data, rows, end };
        while at + AT_A_TIME <= end {
            span.add::<R, AT_A_TIME>(r, &mut at, acc);
        }
        // One to three are left.
        if at + 2 <= end {
            span.add::<R, 2>(r, &mut at, acc);
        }
        if at < end {
            span.add::<R, 1>(r, &mut at, acc);
        }
        aligned
    };
    let small = out.len().saturating_mul(len) < par::GRAIN;
    if parts == 1 && !small {
        // Nothing to merge, so that each thread finishes its own.
        let blocks = out.chunks_mut(run).flat_map(|run| run.chunks_mut(width));
        return par::for_each_part(blocks.collect(), &|block, out: &mut [O]| {
            for (o, &acc) in out.iter_mut().zip(part(block).as_slice()) {
                put(o, acc);
            }
        });
    }
    let tasks = n_blocks * parts;
    let mut accs: Vec<Aligned<R::Acc>> = if small {
        (0..tasks).map(part).collect()
    } else {
        par::each(tasks, part)
    };
    let (firsts, later) = accs.split_at_mut(n_blocks.min(tasks));
    for more in later.chunks(n_blocks.max(1)) {
        for (acc, more) in firsts.iter_mut().zip(more) {
            for (acc, &more) in acc.as_mut_slice().iter_mut().zip(more.as_slice()) {
                *acc = r.merge(*acc, more);
            }
        }
    }
    for (block, acc) in firsts.iter().enumerate() {
        let (start, end) = span(block);
        for (o, &acc) in out[start..end].iter_mut().zip(acc.as_slice()) {
            put(o, acc);
        }
    }
}
