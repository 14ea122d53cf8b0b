//! Rows that stand: the classes of a pixel lie a whole picture apart, and those of the next pixel beside them. They are
//! read and written where they lie, as many side by side as a vector has lanes.

use super::lanes::WIDTH;
use super::par;
use super::source::Source;
use crate::layout::Layout;
use std::ops::Range;

/// Rows whose elements lie apart, and of which neighbours lie side by side.
#[derive(Clone, Debug)]
pub struct Standing<'a, T> {
    data: &'a [T],
    /// The place of each row's first element.
    heads: Source<'a, T>,
    stride: isize,
    len: usize,
    inner: usize,
}

impl<'a, T: Copy> Standing<'a, T> {
    /// The rows of `data` along dimension `dim` of `layout`; `None` unless at least [`WIDTH`] of them stand side by side, in
    /// the order of the dimensions behind `dim`.
    pub fn new(data: &'a [T], layout: &Layout, dim: usize) -> Option<Self> {
        let len = *layout.shape().get(dim)?;
        let inner: usize = layout.shape()[dim + 1..].iter().product();
        if inner < WIDTH || len == 0 {
            return None;
        }
        let mut heads = layout.clone();
        heads.shape.remove(dim);
        heads.strides.remove(dim);
        let heads = Source::new(data, &heads);
        // Rows that are asked for together have the same index before `dim`, so that they lie within one run.
        let stands = matches!(heads.inner(), Some((run, 1)) if run % inner == 0);
        (stands && !heads.is_empty()).then_some(Standing {
            data,
            heads,
            stride: layout.strides()[dim],
            len,
            inner,
        })
    }

    /// The length of a row.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether rows have no element: there are none of these.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many neighbouring rows have the same index before the dimension.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// Rows `first..`, of which as many may be looked at as have the same index before the dimension.
    #[inline(always)]
    pub fn from(&self, first: usize) -> Neighbours<'_, 'a, T> {
        Neighbours {
            rows: self,
            place: self.heads.place(first) as isize,
        }
    }
}

/// Rows that stand side by side.
#[derive(Clone, Copy, Debug)]
pub struct Neighbours<'s, 'a, T> {
    rows: &'s Standing<'a, T>,
    place: isize,
}

impl<'a, T: Copy> Neighbours<'_, 'a, T> {
    /// Element `j` of the rows `at..at + n` behind the first.
    #[inline(always)]
    pub fn column(&self, j: usize, at: usize, n: usize) -> &'a [T] {
        let from = self.place + j as isize * self.rows.stride + at as isize;
        &self.rows.data[from as usize..][..n]
    }

    /// The length of a row.
    #[inline(always)]
    pub fn row_len(&self) -> usize {
        self.rows.len
    }
}

/// Calls `f(first, columns)` for strips of the neighbouring rows of `out`, on all threads: `columns[j][i]` is element `j` of
/// row `first + i`. In `out` stand rows of `len` elements, `inner` of them side by side; `cost` is that of a row, in
/// element-operations. The results come in the order of the rows.
pub fn split_standing<O: Send, R: Send>(
    out: &mut [O],
    (len, inner): (usize, usize),
    cost: usize,
    f: &(dyn Fn(usize, &mut [&mut [O]]) -> R + Sync),
) -> Vec<R> {
    let (len, inner) = (len.max(1), inner.max(1));
    let width = (par::GRAIN / 2 / cost.max(1)).next_multiple_of(4 * WIDTH);
    let mut strips = Vec::new();
    for (outer, plane) in out.chunks_exact_mut(len * inner).enumerate() {
        let begin = strips.len();
        for (j, column) in plane.chunks_exact_mut(inner).enumerate() {
            for (i, part) in column.chunks_mut(width).enumerate() {
                if j == 0 {
                    strips.push((outer * inner + i * width, Vec::with_capacity(len)));
                }
                strips[begin + i].1.push(part);
            }
        }
    }
    if strips.len() <= 1 {
        let (first, strip) = match strips.pop() {
            Some(strip) => strip,
            None => return Vec::new(),
        };
        let mut strip = strip;
        return vec![f(first, &mut strip)];
    }
    let mut results: Vec<Option<R>> = strips.iter().map(|_| None).collect();
    let parts = strips.into_iter().zip(&mut results).collect();
    par::for_each_part(parts, &|_, ((first, mut strip), result)| {
        *result = Some(f(first, &mut strip));
    });
    results.into_iter().flatten().collect()
}

/// Calls `f(rows)` for the rows `range` in runs that have the same index before the dimension, `inner` of them.
pub fn each_run(range: Range<usize>, inner: usize, mut f: impl FnMut(Range<usize>)) {
    let mut at = range.start;
    while at < range.end {
        let end = range.end.min((at / inner + 1) * inner);
        f(at..end);
        at = end;
    }
}
