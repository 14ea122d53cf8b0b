//! Operations along one dimension: its elements are brought to contiguous rows, and results are written as rows.

use crate::element::{Element, Float, Number};
use crate::error::{Dims, Error, Result};
use crate::kernel::columns::{Columns, FEW, TOGETHER};
use crate::kernel::dispatch::{Kernel, dispatch};
use crate::kernel::isa::Isa;
use crate::kernel::lanes::{LONGEST, WIDTH, shift_row};
use crate::kernel::math::Math;
use crate::kernel::par;
use crate::kernel::reduce::Run;
use crate::kernel::rows::{RowBlock, Rows, dim_last};
use crate::kernel::softmax::{LogSum, softmax_row};
use crate::kernel::standing::{Neighbours, Standing, each_run, split_standing};
use crate::layout::checked_numel;
use crate::reduce::{Max, Min};
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
fn reduce_blocks<T: Element, O: Element>(
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

/// One result for each of some rows of at most `most` elements that stand along the one dimension of `mask`:
/// `f(rows, results)`. `None` where they do not.
fn reduce_standing<T: Element, O: Element>(
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
        par::split(out, 1, rows.len() * 4 + 8, |start, out| {
            each_run(start..start + out.len(), rows.inner(), |run| {
                let out = &mut out[run.start - start..run.end - start];
                f(rows.from(run.start), out);
            });
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

/// `ln(1 + rest)` of as many rows at once. No closure: one that is not inlined is compiled for no instruction set.
#[inline(always)]
fn logs<I: Isa>(rest: [f64; WIDTH]) -> [f64; WIDTH] {
    let mut logs = rest;
    logs.iter_mut().for_each(|v| *v = v.log1p::<I>());
    logs
}

/// `ln Σ e^x` of the rows of a block, short ones side by side.
struct LogSums<'a, T> {
    len: usize,
    rows: RowBlock<'a, T>,
    out: &'a mut [T],
}
impl<T: Float> Kernel for LogSums<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (mut x, mut exps) = (Columns::empty(), Columns::empty());
        for (i, out) in self.out.chunks_mut(WIDTH).enumerate() {
            let (at, n) = (i * WIDTH, out.len());
            let parts = if (1..=FEW).contains(&self.len) {
                x.read(self.rows, at, n, self.len);
                x.exponentials(&mut exps)
            } else {
                None
            };
            let (max, rest) = match parts {
                Some(parts) => parts,
                None => sums_of_rows::<I, T>(self.rows, at, n, &mut []),
            };
            // An infinite maximum with a 0 stays as it is.
            let (logs, mut values) = (logs::<I>(rest), [T::ZERO; WIDTH]);
            for (v, (m, log)) in values.iter_mut().zip(max.iter().zip(&logs)) {
                *v = T::of(m.f64() + log);
            }
            out.copy_from_slice(&values[..n]);
        }
    }
}

/// [`LogSums`] of all rows over the dimensions of `mask`.
pub(crate) fn logsumexp_rows<T: Float>(
    op: &'static str,
    x: &Tensor<T>,
    mask: &[bool],
    shape: Dims,
) -> Result<Tensor<T>> {
    let len = (mask.iter().zip(x.shape()))
        .filter(|(gone, _)| **gone)
        .map(|(_, n)| n)
        .product();
    if let Some(y) = reduce_standing(op, x, mask, &shape, FEW, |rows, out| {
        dispatch(StandingLogSums { rows, out })
    }) {
        return y;
    }
    reduce_blocks(op, x, mask, shape, |_, rows, out| {
        dispatch(LogSums { len, rows, out })
    })
}

/// [`LogSums`] of few classes that stand.
struct StandingLogSums<'a, T> {
    rows: Neighbours<'a, 'a, T>,
    out: &'a mut [T],
}
impl<T: Float> Kernel for StandingLogSums<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (mut x, mut exps) = ([Columns::empty(); TOGETHER], Columns::empty());
        let len = self.rows.row_len();
        for (i, out) in self.out.chunks_mut(TOGETHER * WIDTH).enumerate() {
            Columns::read_standing(&mut x, self.rows, i * TOGETHER * WIDTH, out.len());
            for (x, out) in x.iter().zip(out.chunks_mut(WIDTH)) {
                let (mut max, mut rest) = ([T::ZERO; WIDTH], [0.0; WIDTH]);
                match x.exponentials(&mut exps) {
                    Some(parts) => (max, rest) = parts,
                    None => {
                        for lane in 0..WIDTH {
                            let sum = LogSum::of::<I>(&x.row(lane)[..len]);
                            (max[lane], rest[lane]) = (sum.max, sum.rest);
                        }
                    }
                }
                // An infinite maximum with a 0 stays as it is.
                let (logs, mut values) = (logs::<I>(rest), [T::ZERO; WIDTH]);
                for (v, (m, log)) in values.iter_mut().zip(max.iter().zip(&logs)) {
                    *v = T::of(m.f64() + log);
                }
                out.copy_from_slice(&values[..out.len()]);
            }
        }
    }
}

struct LogSumKernel<'a, T>(&'a [T]);
impl<T: Float> Kernel for LogSumKernel<'_, T> {
    type Out = LogSum<T>;
    #[inline(always)]
    fn run<I: Isa>(self) -> LogSum<T> {
        LogSum::of::<I>(self.0)
    }
}

/// The sum of a row's exponentials, in the parts of [`LogSum`].
pub fn logsumexp<T: Float>(row: &[T]) -> LogSum<T> {
    dispatch(LogSumKernel(row))
}

/// Elements of the rows whose logarithms are made at once.
const AT_ONCE: usize = 4096;

/// Rows written from the rows of a block, short ones side by side: softmax, or its logarithm.
struct Softmaxes<'a, T> {
    len: usize,
    rows: RowBlock<'a, T>,
    out: &'a mut [T],
    log: bool,
}
impl<T: Float> Kernel for Softmaxes<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (len, rows) = (self.len, self.rows);
        let (mut x, mut exps) = (Columns::empty(), Columns::empty());
        // As many rows as stay in the first-level cache, which are read twice.
        let rows_at_once = (AT_ONCE / len).clamp(1, WIDTH);
        for (i, out) in self.out.chunks_mut(rows_at_once * len).enumerate() {
            let (at, n) = (i * rows_at_once, out.len() / len);
            let parts = if len <= FEW {
                x.read(rows, at, n, len);
                x.exponentials(&mut exps)
            } else {
                None
            };
            match parts {
                Some((_, rest)) if !self.log => {
                    shares(&mut exps, &rest);
                    exps.write(out);
                }
                parts if self.log => {
                    let (max, rest) = match parts {
                        Some(parts) => parts,
                        None => sums_of_rows::<I, T>(rows, at, n, out),
                    };
                    let shift = shifts::<I, T>(&max, rest);
                    for (i, out) in out.chunks_exact_mut(len).enumerate() {
                        shift_row(rows.row(at + i), out, (max[i], shift[i]));
                    }
                }
                _ => {
                    for (i, out) in out.chunks_exact_mut(len).enumerate() {
                        softmax_row::<I, T>(rows.row(at + i), out);
                    }
                }
            }
        }
    }
}

/// Exponentials in place of which their shares are put.
#[inline(always)]
fn shares<T: Float>(exps: &mut Columns<T>, rest: &[f64; WIDTH]) {
    let mut scale = [T::ZERO; WIDTH];
    for (s, rest) in scale.iter_mut().zip(rest) {
        *s = T::of(1.0 / (1.0 + rest));
    }
    for column in exps.iter_mut() {
        // Columns are apart for the compiler, which otherwise makes vectors across them and picks their elements one by one.
        let column = std::hint::black_box(column);
        let mut share = *column;
        for lane in 0..WIDTH {
            share[lane] = share[lane] * scale[lane];
        }
        *column = share;
    }
}

/// `y = (x - max) - shift`
#[inline(always)]
fn shifted<T: Float>(x: &Columns<T>, y: &mut Columns<T>, max: &[T; WIDTH], shift: &[T; WIDTH]) {
    for (column, x) in y.iter_mut().zip(x.iter()) {
        // Apart, as above.
        let mut y = *std::hint::black_box(x);
        for lane in 0..WIDTH {
            y[lane] = (y[lane] - max[lane]) - shift[lane];
        }
        *column = y;
    }
}

/// What is taken from the elements of rows, after the largest; NaN where that is infinite, as in PyTorch.
#[inline(always)]
fn shifts<I: Isa, T: Float>(max: &[T; WIDTH], rest: [f64; WIDTH]) -> [T; WIDTH] {
    let (logs, mut shift) = (logs::<I>(rest), [T::NAN; WIDTH]);
    for (s, (m, &log)) in shift.iter_mut().zip(max.iter().zip(&logs)) {
        if m.finite() {
            *s = T::of(log);
        }
    }
    shift
}

/// The [`LogSum`]s of `n` rows from row `at` on, of which there are at most [`WIDTH`]: largest elements, and what is beside
/// them. Of long rows the exponentials are left in `out` if that has room: who writes there next finds it in the cache, where
/// it came while they were computed.
#[inline(always)]
fn sums_of_rows<I: Isa, T: Float>(
    rows: RowBlock<'_, T>,
    at: usize,
    n: usize,
    out: &mut [T],
) -> ([T; WIDTH], [f64; WIDTH]) {
    let (mut max, mut rest) = ([T::ZERO; WIDTH], [0.0; WIDTH]);
    let len = out.len() / n.max(1);
    for i in 0..n {
        let row = rows.row(at + i);
        let sum = if len > LONGEST {
            LogSum::of_into::<I>(row, &mut out[i * len..][..len])
        } else {
            LogSum::of::<I>(row)
        };
        (max[i], rest[i]) = (sum.max, sum.rest);
    }
    (max, rest)
}

/// The same of few classes that stand, into a strip of such rows.
struct StandingSoftmaxes<'a, 'o, T> {
    rows: Neighbours<'a, 'a, T>,
    out: &'a mut [&'o mut [T]],
    log: bool,
}
impl<T: Float> Kernel for StandingSoftmaxes<'_, '_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let StandingSoftmaxes { rows, out, log } = self;
        let (mut x, mut y) = ([Columns::empty(); TOGETHER], [Columns::empty(); TOGETHER]);
        let (len, width) = (rows.row_len(), out.first().map_or(0, |column| column.len()));
        for at in (0..width).step_by(TOGETHER * WIDTH) {
            let n = (TOGETHER * WIDTH).min(width - at);
            Columns::read_standing(&mut x, rows, at, n);
            for (x, y) in x.iter().zip(&mut y).take(n.div_ceil(WIDTH)) {
                match x.exponentials(y) {
                    Some((_, rest)) if !log => shares(y, &rest),
                    Some((max, rest)) => shifted(x, y, &max, &shifts::<I, T>(&max, rest)),
                    None => {
                        for lane in 0..WIDTH {
                            let (row, mut new) = (x.row(lane), x.row(lane));
                            softmax_or_log::<I, T>(&row[..len], &mut new[..len], log);
                            y.set_row(lane, &new[..len]);
                        }
                    }
                }
            }
            Columns::write_standing(&y, out, at);
        }
    }
}

/// One row of [`Softmaxes`].
#[inline(always)]
fn softmax_or_log<I: Isa, T: Float>(x: &[T], out: &mut [T], log: bool) {
    if !log {
        return softmax_row::<I, T>(x, out);
    }
    let sum = LogSum::of::<I>(x);
    let shift = shifts::<I, T>(&[sum.max; WIDTH], [sum.rest; WIDTH])[0];
    shift_row(x, out, (sum.max, shift));
}

/// [`Softmaxes`] of all rows along `dim`.
fn softmaxes<T: Float>(
    op: &'static str,
    x: &Tensor<T>,
    dim: isize,
    log: bool,
) -> Result<Tensor<T>> {
    let y = map_standing(op, [x], dim, |[rows], out| {
        dispatch(StandingSoftmaxes { rows, out, log })
    });
    if let Some(y) = y {
        return y;
    }
    map_blocks(op, x, dim, |_, rows, out| {
        dispatch(Softmaxes {
            len: rows.row_len(),
            rows,
            out,
            log,
        })
    })
}

impl<T: Float> Tensor<T> {
    /// `e^x / Σ e^x` along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there.
    pub fn softmax(&self, dim: isize) -> Result<Tensor<T>> {
        softmaxes("softmax", self, dim, false)
    }

    /// `x - ln Σ e^x` along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there.
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor<T>> {
        softmaxes("log_softmax", self, dim, true)
    }
}

/// The first place of the largest or, if `least`, smallest element of a row; of a NaN, if there is one.
struct ArgExtreme<'a, T> {
    row: &'a [T],
    least: bool,
}
impl<T: Number> Kernel for ArgExtreme<'_, T> {
    type Out = usize;
    #[inline(always)]
    fn run<I: Isa>(self) -> usize {
        let row = self.row;
        let extreme = if self.least {
            Run(Min, row).run::<I>()
        } else {
            Run(Max, row).run::<I>()
        };
        // Where there is a NaN, the extreme is one, and equal to nothing.
        let found = |v: T| (v == extreme) | v.is_nan_();
        // Whole vectors are asked first, and elements only of the one that has it.
        for (i, group) in row.chunks(64).enumerate() {
            if group.iter().fold(false, |any, &v| any | found(v)) {
                return i * 64 + group.iter().position(|&v| found(v)).unwrap_or(0);
            }
        }
        0
    }
}

/// [`ArgExtreme`] of rows that stand.
struct StandingArgExtremes<'a, T> {
    rows: Neighbours<'a, 'a, T>,
    out: &'a mut [i64],
    least: bool,
}
impl<T: Number> Kernel for StandingArgExtremes<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let StandingArgExtremes { rows, out, least } = self;
        // As many columns as let each be read in lines of its own.
        const LANES: usize = 4 * WIDTH;
        for (i, out) in out.chunks_mut(LANES).enumerate() {
            let (mut best, mut place) = ([T::ZERO; LANES], [0i32; LANES]);
            let first = rows.column(0, i * LANES, out.len());
            best[..out.len()].copy_from_slice(first);
            for j in 1..rows.row_len() {
                let column = rows.column(j, i * LANES, out.len());
                let mut x = best;
                match column.first_chunk() {
                    Some(column) => x = *column,
                    None => x[..column.len()].copy_from_slice(column),
                }
                for lane in 0..LANES {
                    let (x, b) = (x[lane], best[lane]);
                    // The first NaN is better than anything.
                    let better = if least { x < b } else { x > b } | x.is_nan_();
                    let better = better & !b.is_nan_();
                    best[lane] = if better { x } else { b };
                    place[lane] = if better { j as i32 } else { place[lane] };
                }
            }
            for (o, &place) in out.iter_mut().zip(&place) {
                *o = i64::from(place);
            }
        }
    }
}

impl<T: Number> Tensor<T> {
    /// The index along `dim` of the largest element: the first of several, and of the first NaN if there is one.
    ///
    /// `x.flatten(0, -1)?.argmax(0)` is PyTorch's `argmax()` over all elements.
    ///
    /// # Errors
    /// [`Error::Empty`] for a dimension of size 0, [`Error::Dim`] for one that is not there.
    pub fn argmax(&self, dim: isize) -> Result<Tensor<i64>> {
        self.arg("argmax", dim, false)
    }

    /// The index along `dim` of the smallest element: the first of several, and of the first NaN if there is one.
    ///
    /// # Errors
    /// [`Error::Empty`] for a dimension of size 0, [`Error::Dim`] for one that is not there.
    pub fn argmin(&self, dim: isize) -> Result<Tensor<i64>> {
        self.arg("argmin", dim, true)
    }

    /// Largest element along `dim` and its index: PyTorch's `max(dim)`.
    ///
    /// # Errors
    /// [`Error::Empty`] for a dimension of size 0, [`Error::Dim`] for one that is not there.
    pub fn max_dim(&self, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        self.extreme("max_dim", dim, false)
    }

    /// Smallest element along `dim` and its index: PyTorch's `min(dim)`.
    ///
    /// # Errors
    /// [`Error::Empty`] for a dimension of size 0, [`Error::Dim`] for one that is not there.
    pub fn min_dim(&self, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        self.extreme("min_dim", dim, true)
    }

    fn extreme(
        &self,
        op: &'static str,
        dim: isize,
        least: bool,
    ) -> Result<(Tensor<T>, Tensor<i64>)> {
        let index = self.arg(op, dim, least)?;
        if self.ndim() == 0 {
            return Ok((self.clone(), index));
        }
        Ok((
            self.gather(dim, &index.unsqueeze(dim)?)?.squeeze(dim)?,
            index,
        ))
    }

    fn arg(&self, op: &'static str, dim: isize, least: bool) -> Result<Tensor<i64>> {
        let d = self.dim_index(op, dim)?;
        if self.ndim() == 0 {
            return Ok(Tensor::scalar(0));
        }
        if self.shape()[d] == 0 {
            return Err(Error::Empty {
                op,
                shape: self.shape().into(),
            });
        }
        let mask: SmallVec<[bool; 4]> = (0..self.ndim()).map(|i| i == d).collect();
        let mut shape: Dims = self.shape().into();
        shape.remove(d);
        if let Some(index) =
            reduce_standing(op, self, &mask, &shape, i32::MAX as usize, |rows, out| {
                dispatch(StandingArgExtremes { rows, out, least })
            })
        {
            return index;
        }
        reduce_rows(op, self, &mask, shape, |_, row| {
            dispatch(ArgExtreme { row, least }) as i64
        })
    }

    /// Running sums along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there.
    pub fn cumsum(&self, dim: isize) -> Result<Tensor<T>> {
        map_rows("cumsum", self, dim, |x, out| {
            let mut sum = T::Acc::ZERO;
            for (o, &v) in out.iter_mut().zip(x) {
                sum = sum.plus(v.widen());
                *o = T::narrow(sum);
            }
        })
    }
}
