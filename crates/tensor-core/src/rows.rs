//! Operations along one dimension: its elements are brought to contiguous rows, and results are written as rows.

use crate::element::{Element, Float};
use crate::error::{Dims, Error, Result};
use crate::kernel::columns::FEW;
use crate::kernel::lanes::WIDTH;
use crate::kernel::par;
use crate::kernel::rows::{RowBlock, Rows, dim_last};
use crate::kernel::standing::{Neighbours, Standing, each_run, split_standing};
use crate::layout::checked_numel;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// One result for each row over the dimensions of `mask`: `f(row_index, row)`.
pub(crate) fn reduce_rows<T: Element, O: Element>(
    op: &'static str,
    x: &Tensor<T>,
    mask: &[bool],
    shape: Dims,
    f: impl Fn(usize, &[T]) -> O + Sync,
) -> Result<Tensor<O>> {
    reduce_blocks(op, x, mask, shape, |first, block, out| {
        for (i, o) in out.iter_mut().enumerate() {
            *o = f(first + i, block.row(i));
        }
    })
}

/// The same by blocks of rows: `f(first_row, rows, results)`.
pub(crate) fn reduce_blocks<T: Element, O: Element>(
    op: &'static str,
    x: &Tensor<T>,
    mask: &[bool],
    shape: Dims,
    f: impl Fn(usize, RowBlock<'_, T>, &mut [O]) + Sync,
) -> Result<Tensor<O>> {
    // Only a broadcast view can be so large, and a row of it would not fit into memory.
    checked_numel(x.shape()).ok_or_else(|| Error::size(op, x.shape()))?;
    let (gone, left): (SmallVec<[usize; 4]>, SmallVec<[usize; 4]>) =
        (0..x.ndim()).partition(|&d| mask[d]);
    let x = match gone[..] {
        [dim] => x.view_as_layout(dim_last(x.layout(), dim)),
        _ => {
            // Several dimensions become one row; a copy is made only where their strides do not merge.
            let mut rows: Dims = left.iter().map(|&d| x.shape()[d]).collect();
            rows.push(gone.iter().map(|&d| x.shape()[d]).product());
            let order: SmallVec<[usize; 4]> = left.iter().chain(&gone).copied().collect();
            x.view_as_layout(x.layout().permute(&order))
                .reshape(&rows)?
        }
    };
    let rows = Rows::new(x.buffer(), x.layout());
    Tensor::build(op, &shape, |out| {
        par::split(out, 1, rows.len() * 4 + 8, |start, out| {
            rows.each_block(start, start + out.len(), |first, n, block| {
                f(first, block, &mut out[first - start..][..n])
            });
        });
    })
}

/// Rows that stand side by side in a strip, at most.
const STRIP: usize = 1024;

/// One result for each of some rows of at most `most` elements that stand along the one dimension of `mask`:
/// `f(rows, results)`. `None` where they do not.
pub(crate) fn reduce_standing<T: Element, O: Element>(
    op: &'static str,
    x: &Tensor<T>,
    mask: &[bool],
    shape: &[usize],
    most: usize,
    f: impl Fn(Neighbours<'_, '_, T>, &mut [O]) + Sync,
) -> Option<Result<Tensor<O>>> {
    let mut gone = (0..x.ndim()).filter(|&d| mask[d]);
    let (Some(d), None) = (gone.next(), gone.next()) else {
        return None;
    };
    let rows = Standing::new(x.buffer(), x.layout(), d).filter(|rows| rows.len() <= most)?;
    Some(Tensor::build(op, shape, |out| {
        let strip = |first: usize, out: &mut [O]| {
            each_run(first..first + out.len(), rows.inner(), |run| {
                let out = &mut out[run.start - first..run.end - first];
                f(rows.from(run.start), out);
            });
        };
        let (n, cost) = (out.len(), rows.len() * 4 + 8);
        if n.saturating_mul(cost) <= par::GRAIN {
            return strip(0, out);
        }
        // Strips of whole lines of memory, and wide where there are many rows: each column is a page of its own.
        let width = (n / 8).min(STRIP).max(par::GRAIN / 2 / cost);
        let width = width.next_multiple_of(4 * WIDTH);
        par::for_each_part(out.chunks_mut(width).collect(), &|i, out| {
            strip(i * width, out)
        });
    }))
}

/// A row of the same length for each row along `dim`: `f(row, result_row)`. The result's memory holds `dim` as
/// contiguous rows.
pub fn map_rows<T: Element, O: Element>(
    op: &'static str,
    x: &Tensor<T>,
    dim: isize,
    f: impl Fn(&[T], &mut [O]) + Sync,
) -> Result<Tensor<O>> {
    map_blocks(op, x, dim, |_, block, out| {
        for (i, out) in out.chunks_exact_mut(block.row_len()).enumerate() {
            f(block.row(i), out);
        }
    })
}

/// The same by blocks of rows: `f(first_row, rows, result_rows)`, where rows have at least one element.
pub fn map_blocks<T: Element, O: Element>(
    op: &'static str,
    x: &Tensor<T>,
    dim: isize,
    f: impl Fn(usize, RowBlock<'_, T>, &mut [O]) + Sync,
) -> Result<Tensor<O>> {
    let d = x.dim_index(op, dim)?;
    let layout = dim_last(x.layout(), d);
    let rows = Rows::new(x.buffer(), &layout);
    let len = rows.len();
    Tensor::build_rows(op, x.shape(), d, |out| {
        par::split(out, len.max(1), len * 6 + 8, |start, out| {
            if !out.is_empty() {
                rows.each_block(start, start + out.len() / len, |first, n, block| {
                    f(first, block, &mut out[(first - start) * len..][..n * len])
                });
            }
        });
    })
}

/// The same for few classes that stand in tensors of one shape, as their result will: `f(rows, strip)` for strips of it.
/// `None` where they do not.
pub fn map_standing<T: Float, const N: usize>(
    op: &'static str,
    tensors: [&Tensor<T>; N],
    dim: isize,
    f: impl Fn([Neighbours<'_, '_, T>; N], &mut [&mut [T]]) + Sync,
) -> Option<Result<Tensor<T>>> {
    let shape = tensors.first()?.shape();
    let d = tensors.first()?.dim_index(op, dim).ok()?;
    let len = *shape.get(d)?;
    if len > FEW || tensors.iter().any(|x| x.shape() != shape) {
        return None;
    }
    let rows = standing(tensors, d)?;
    let inner = shape[d + 1..].iter().product();
    Some(Tensor::build(op, shape, |out| {
        split_standing(out, (len, inner), len * 6 + 8, &|first, strip| {
            f(rows.each_ref().map(|rows| rows.from(first)), strip)
        });
    }))
}

/// The rows along dimension `d` of tensors, if they stand in all of them.
pub fn standing<'a, T: Element, const N: usize>(
    tensors: [&'a Tensor<T>; N],
    d: usize,
) -> Option<[Standing<'a, T>; N]> {
    let rows = tensors.map(|x| Standing::new(x.buffer(), x.layout(), d));
    if rows.iter().any(Option::is_none) {
        return None;
    }
    let rows: SmallVec<[Standing<'a, T>; N]> = rows.into_iter().flatten().collect();
    rows.into_inner().ok()
}

/// A row for each pair of rows along `dim` of two tensors of one shape: `f(row_a, row_b, result_row)`.
pub fn map_rows2<A: Element, B: Element, O: Element>(
    op: &'static str,
    pair: (&Tensor<A>, &Tensor<B>),
    dim: isize,
    f: impl Fn(&[A], &[B], &mut [O]) + Sync,
) -> Result<Tensor<O>> {
    map_blocks2(op, pair, dim, |len, a, b, out| {
        for (i, out) in out.chunks_exact_mut(len).enumerate() {
            f(a.row(i), b.row(i), out);
        }
    })
}

/// The same by blocks of rows: `f(len, rows_a, rows_b, result_rows)`, where rows have at least one element.
pub fn map_blocks2<A: Element, B: Element, O: Element>(
    op: &'static str,
    (a, b): (&Tensor<A>, &Tensor<B>),
    dim: isize,
    f: impl Fn(usize, RowBlock<'_, A>, RowBlock<'_, B>, &mut [O]) + Sync,
) -> Result<Tensor<O>> {
    if a.shape() != b.shape() {
        let expected = format!("it must have the shape {:?} of the first", a.shape());
        return Err(Error::Shape {
            op,
            what: "the second operand",
            got: b.shape().into(),
            expected,
        });
    }
    let d = a.dim_index(op, dim)?;
    let (la, lb) = (dim_last(a.layout(), d), dim_last(b.layout(), d));
    let (rows_a, rows_b) = (Rows::new(a.buffer(), &la), Rows::new(b.buffer(), &lb));
    let len = rows_a.len();
    Tensor::build_rows(op, a.shape(), d, |out| {
        par::split(out, len.max(1), len * 6 + 8, |start, out| {
            if out.is_empty() {
                return;
            }
            let (mut stage_a, mut stage_b) = (Vec::new(), Vec::new());
            let (mut at, end) = (start, start + out.len() / len);
            while at < end {
                let n = rows_a.block_len(at).min(rows_b.block_len(at)).min(end - at);
                let (a, b) = (
                    rows_a.block(at, n, &mut stage_a),
                    rows_b.block(at, n, &mut stage_b),
                );
                f(len, a, b, &mut out[(at - start) * len..][..n * len]);
                at += n;
            }
        });
    })
}
