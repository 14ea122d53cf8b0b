//! Values put at places that an index names, in a copy of a tensor. What is added up at one place is so in the order of the
//! values, whatever the number of threads: each place belongs to one of them.

use super::par;
use super::source::Source;
use std::sync::atomic::{AtomicBool, Ordering};

/// Elements of rows that are copied before values are put into them: they stay in the first-level cache.
const BLOCK: usize = 1 << 12;
/// Columns that are worth a part of their own.
const COLUMNS: usize = 128;
/// Parts that columns are cut into at most.
const PARTS: usize = 8;
/// Elements that the values of one part may go to, anywhere among them.
const TILE: usize = 1 << 16;

/// The index of each row of values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Index<'a> {
    /// One for each value.
    Each(&'a [i64]),
    /// One list for all, along the dimension that is indexed.
    Shared(&'a [i64]),
}

/// A tensor as blocks of `size` rows of `inner` elements, of which an index names rows; values are blocks of `n` rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    pub(crate) outer: usize,
    pub(crate) size: usize,
    pub(crate) inner: usize,
    pub(crate) n: usize,
}

impl Blocks {
    /// Whether [`spread`] puts single values no slower than one pass over them would.
    pub(crate) fn pay(&self) -> bool {
        self.inner == 1 || self.outer > 1 || self.size <= TILE / 32
    }

    /// How many parts the columns of a block are cut into: 1 where there are blocks enough, or where naming the pieces
    /// would cost much beside the work in them.
    fn parts(&self) -> usize {
        let work = (self.n + self.size).saturating_mul(self.inner);
        if self.outer >= PARTS || work <= par::GRAIN || self.size > TILE / 32 {
            return 1;
        }
        (self.inner / COLUMNS)
            .min(work / (4 * self.size))
            .clamp(1, PARTS)
    }
}

/// `out` as `x`, with `f(element, value)` for each value and the element that the index names for it; whether all of the
/// index lie within. Where they do not, `out` is half made.
pub(crate) fn spread<T: Copy + Send + Sync>(
    blocks: Blocks,
    x: &Source<'_, T>,
    index: Index<'_>,
    values: &[T],
    out: &mut [T],
    f: impl Fn(&mut T, T) + Sync,
) -> bool {
    let outside = AtomicBool::new(false);
    let note = |all_within: bool| {
        if !all_within {
            outside.store(true, Ordering::Relaxed);
        }
    };
    match index {
        _ if blocks.inner == 1 => along_rows(blocks, x, index, values, out, &f, &note),
        Index::Each(index) => across_rows(blocks, x, index, values, out, &f, &note),
        Index::Shared(index) => note(whole_rows(blocks, x, index, values, out, &f)),
    }
    !outside.into_inner()
}

/// [`spread`] of rows that lie side by side and are indexed along.
fn along_rows<T: Copy + Send + Sync>(
    Blocks { size, n, .. }: Blocks,
    x: &Source<'_, T>,
    index: Index<'_>,
    values: &[T],
    out: &mut [T],
    f: &(impl Fn(&mut T, T) + Sync),
    note: &(impl Fn(bool) + Sync),
) {
    par::split(out, size, size + 4 * n, |first, out| {
        let together = (BLOCK / size).max(1);
        for (block, out) in out.chunks_mut(together * size).enumerate() {
            let first = first + block * together;
            x.gather(first * size, out);
            for (row, out) in (first..).zip(out.chunks_exact_mut(size)) {
                let index = match index {
                    Index::Each(index) => &index[row * n..][..n],
                    Index::Shared(index) => index,
                };
                let mut all_within = true;
                for (&i, &v) in index.iter().zip(&values[row * n..][..n]) {
                    match out.get_mut(i as usize) {
                        Some(o) => f(o, v),
                        None => all_within = false,
                    }
                }
                note(all_within);
            }
        }
    });
}

/// The same columns of all rows of a block.
struct Part<'a, T> {
    block: usize,
    /// The first column.
    from: usize,
    rows: Vec<&'a mut [T]>,
}

/// [`spread`] of whole rows: which of them go to one row is looked up first, so that each row is copied and added to while
/// it is in the cache.
fn whole_rows<T: Copy + Send + Sync>(
    Blocks { size, inner, n, .. }: Blocks,
    x: &Source<'_, T>,
    index: &[i64],
    values: &[T],
    out: &mut [T],
    f: &(impl Fn(&mut T, T) + Sync),
) -> bool {
    if index.iter().any(|&i| i as u64 >= size as u64) {
        return false;
    }
    // The rows of values in the order of where they go, and for one place in their own.
    let mut ends = vec![0usize; size + 1];
    index.iter().for_each(|&i| ends[i as usize + 1] += 1);
    (0..size).for_each(|i| ends[i + 1] += ends[i]);
    let mut order = vec![0usize; n];
    for (k, &i) in index.iter().enumerate() {
        // What began as the start of a place's rows ends as their end.
        let next = &mut ends[i as usize];
        order[*next] = k;
        *next += 1;
    }
    let cost = inner.saturating_mul(1 + n / size);
    par::split(out, inner, cost, |first, out| {
        let together = (BLOCK / inner).max(1);
        for (block, out) in out.chunks_mut(together * inner).enumerate() {
            let first = first + block * together;
            x.gather(first * inner, out);
            for (row, out) in (first..).zip(out.chunks_exact_mut(inner)) {
                let (block, i) = (row / size, row % size);
                let start = i.checked_sub(1).map_or(0, |before| ends[before]);
                for &k in &order[start..ends[i]] {
                    let values = &values[(block * n + k) * inner..][..inner];
                    out.iter_mut().zip(values).for_each(|(o, &v)| f(o, v));
                }
            }
        }
    });
    true
}

/// [`spread`] of blocks whose rows are indexed: each block, or each part of its columns, is worked on by one thread.
fn across_rows<T: Copy + Send + Sync>(
    blocks: Blocks,
    x: &Source<'_, T>,
    index: &[i64],
    values: &[T],
    out: &mut [T],
    f: &(impl Fn(&mut T, T) + Sync),
    note: &(impl Fn(bool) + Sync),
) {
    let Blocks { size, inner, n, .. } = blocks;
    par::split(out, 1, 1, |at, out| x.gather(at, out));
    let parts = blocks.parts();
    if parts == 1 {
        return par::split(out, size * inner, (size + 4 * n) * inner, |first, out| {
            for (block, out) in (first..).zip(out.chunks_exact_mut(size * inner)) {
                let at = block * n * inner..(block + 1) * n * inner;
                note(put(out, inner, &index[at.clone()], &values[at], f));
            }
        });
    }
    // What the values of one part go to, anywhere among it, stays in the second-level cache; and whole lines of memory, so
    // that no two threads write to one.
    let columns = (TILE / size).min(inner.div_ceil(parts));
    let columns = columns.next_multiple_of(64);
    let mut parts: Vec<Part<'_, T>> = Vec::new();
    for (block, out) in out.chunks_exact_mut(size * inner).enumerate() {
        let here = parts.len();
        for from in (0..inner).step_by(columns) {
            let rows = Vec::with_capacity(size);
            parts.push(Part { block, from, rows });
        }
        for row in out.chunks_exact_mut(inner) {
            for (part, piece) in parts[here..].iter_mut().zip(row.chunks_mut(columns)) {
                part.rows.push(piece);
            }
        }
    }
    par::for_each_part(parts, &|_, part| {
        let Part {
            block,
            from,
            mut rows,
        } = part;
        let width = rows.first().map_or(0, |row| row.len());
        let mut tile: Vec<T> = Vec::with_capacity(size * width);
        rows.iter().for_each(|row| tile.extend_from_slice(row));
        for k in 0..n {
            let at = (block * n + k) * inner + from;
            let (index, values) = (&index[at..][..width], &values[at..][..width]);
            note(put(&mut tile, width, index, values, f));
        }
        for (row, tile) in rows.iter_mut().zip(tile.chunks_exact(width)) {
            row.copy_from_slice(tile);
        }
    });
}

/// `f` with rows of values and the elements of the rows of `out` that the index names; whether all of it lie within.
fn put<T: Copy>(
    out: &mut [T],
    width: usize,
    index: &[i64],
    values: &[T],
    f: &impl Fn(&mut T, T),
) -> bool {
    let (rows, mut all_within) = ((out.len() / width) as u64, true);
    for (index, values) in index.chunks_exact(width).zip(values.chunks_exact(width)) {
        for (j, (&i, &v)) in index.iter().zip(values).enumerate() {
            if i as u64 >= rows {
                all_within = false;
            } else {
                f(&mut out[i as usize * width + j], v);
            }
        }
    }
    all_within
}
