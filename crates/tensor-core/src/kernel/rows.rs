//! Brings one dimension of a tensor to contiguous rows, in blocks that stay in the cache.

use super::source::Source;
use crate::layout::{Layout, row_major};

/// Elements gathered at a time where rows do not lie in memory as they are.
const GATHER: usize = 1 << 12;

/// A tensor as `n_rows` rows of `len` elements: the last dimension of its layout runs along the row.
#[derive(Clone, Debug)]
pub struct Rows<'a, T> {
    data: &'a [T],
    len: usize,
    n_rows: usize,
    form: Form<'a, T>,
}

#[derive(Clone, Debug)]
enum Form<'a, T> {
    /// Row `i` begins at `offset + i * pitch`, and its elements are adjacent.
    Pitched { offset: usize, pitch: usize },
    /// Row `i` begins at the place of position `i` of the other dimensions, and its elements are adjacent.
    Scattered(Source<'a, T>),
    /// Rows are gathered; position `i * len + j` of the source is element `j` of row `i`. The elements of neighbouring rows
    /// are adjacent in runs of so many rows, which may be 1.
    Gathered(Source<'a, T>, usize),
}

/// Some rows of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct RowBlock<'s, T> {
    data: &'s [T],
    pitch: usize,
    len: usize,
}

impl<T> Default for RowBlock<'_, T> {
    /// No rows.
    fn default() -> Self {
        RowBlock {
            data: &[],
            pitch: 0,
            len: 0,
        }
    }
}

impl<'s, T> RowBlock<'s, T> {
    /// Row `i` of the block.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &'s [T] {
        &self.data[i * self.pitch..][..self.len]
    }

    /// The length of a row.
    #[inline(always)]
    pub fn row_len(&self) -> usize {
        self.len
    }

    /// All rows as one slice, where they lie one after the other.
    #[inline(always)]
    pub fn flat(&self, n_rows: usize) -> Option<&'s [T]> {
        (self.pitch == self.len).then(|| &self.data[..n_rows * self.len])
    }
}

/// Row `i` of each block. In a loop, not by a closure, which where it is not inlined costs as much as a short row.
#[inline(always)]
pub fn row_of_each<'a, T, const N: usize>(blocks: &[RowBlock<'a, T>; N], i: usize) -> [&'a [T]; N] {
    let mut rows: [&[T]; N] = [&[]; N];
    for (row, block) in rows.iter_mut().zip(blocks) {
        *row = block.row(i);
    }
    rows
}

impl<'a, T: Copy> Rows<'a, T> {
    /// The rows of `data` along the last dimension of `layout`.
    pub fn new(data: &'a [T], layout: &Layout) -> Self {
        let Some((&len, heads)) = layout.shape().split_last() else {
            // A scalar is one row of one element.
            return Rows {
                data,
                len: 1,
                n_rows: 1,
                form: Form::Pitched {
                    offset: layout.offset(),
                    pitch: 1,
                },
            };
        };
        let stride = layout.strides()[heads.len()];
        let n_rows: usize = heads.iter().product();
        let heads = Layout {
            shape: heads.into(),
            strides: layout.strides()[..heads.len()].into(),
            offset: layout.offset(),
        };
        let source = Source::new(data, &heads);
        let form = if n_rows * len == 0 {
            Form::Pitched {
                offset: 0,
                pitch: 0,
            }
        } else if stride == 1 || len == 1 {
            match source.pitch() {
                Some(pitch) => Form::Pitched {
                    offset: layout.offset(),
                    pitch,
                },
                None => Form::Scattered(source),
            }
        } else {
            let run = match source.inner() {
                Some((run, 1)) if run >= 8 => run,
                _ => 1,
            };
            Form::Gathered(Source::new(data, layout), run)
        };
        Rows {
            data,
            len,
            n_rows,
            form,
        }
    }

    /// The length of a row.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether rows have no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// How many rows to ask for at a time, from row `at` on.
    pub fn block_len(&self, at: usize) -> usize {
        match &self.form {
            Form::Pitched { .. } => self.n_rows,
            Form::Scattered(_) => 1,
            Form::Gathered(_, 1) => (GATHER / self.len).max(1),
            // At least a cache line of neighbouring rows, or each line would be read again for every row.
            Form::Gathered(_, run) => (GATHER / self.len).max(16).min(run - at % run),
        }
    }

    /// Rows `at..at + n`, in place or gathered into `stage`; `n` is at most [`Rows::block_len`].
    pub fn block<'s>(&'s self, at: usize, n: usize, stage: &'s mut Vec<T>) -> RowBlock<'s, T> {
        let len = self.len;
        let start = match &self.form {
            Form::Pitched { offset, pitch } => {
                return RowBlock {
                    data: self.data.get(offset + at * pitch..).unwrap_or(&[]),
                    pitch: *pitch,
                    len,
                };
            }
            Form::Scattered(heads) => heads.place(at),
            Form::Gathered(source, _) => {
                stage.resize(n * len, self.data[0]);
                source.gather(at * len, stage);
                return RowBlock {
                    data: stage,
                    pitch: len,
                    len,
                };
            }
        };
        RowBlock {
            data: &self.data[start..start + len],
            pitch: len,
            len,
        }
    }

    /// Calls `f(row_index, row)` for the rows `start..end`.
    pub fn each(&self, start: usize, end: usize, mut f: impl FnMut(usize, &[T])) {
        self.each_block(start, end, |first, n, block| {
            for i in 0..n {
                f(first + i, block.row(i));
            }
        });
    }

    /// Calls `f(first, n, block)` for consecutive blocks of the rows `start..end`, each of `n` rows from `first` on.
    pub fn each_block(
        &self,
        start: usize,
        end: usize,
        mut f: impl FnMut(usize, usize, RowBlock<'_, T>),
    ) {
        let mut stage = Vec::new();
        let mut at = start;
        while at < end {
            let n = self.block_len(at).min(end - at);
            f(at, n, self.block(at, n, &mut stage));
            at += n;
        }
    }
}

/// `layout` with dimension `dim` moved to the end, so that rows run along it.
pub fn dim_last(layout: &Layout, dim: usize) -> Layout {
    if layout.shape().is_empty() {
        return layout.clone();
    }
    let mut out = layout.clone();
    out.shape.remove(dim);
    out.shape.push(layout.shape[dim]);
    out.strides.remove(dim);
    out.strides.push(layout.strides[dim]);
    out
}

/// The layout of `shape` whose memory holds dimension `dim` as contiguous rows: the inverse of [`dim_last`] on a
/// row-major tensor.
pub fn rows_layout(shape: &[usize], dim: usize) -> Layout {
    if shape.is_empty() {
        return Layout::contiguous(shape.into());
    }
    let mut moved: crate::error::Dims = shape.into();
    let len = moved.remove(dim);
    moved.push(len);
    let mut strides = row_major(&moved);
    if let Some(last) = strides.pop() {
        strides.insert(dim, last);
    }
    Layout {
        shape: shape.into(),
        strides,
        offset: 0,
    }
}
