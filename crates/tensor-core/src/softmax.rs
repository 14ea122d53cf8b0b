//! Softmax, its logarithm, and the logarithm of sums of exponentials.

use crate::element::Float;
use crate::error::{Dims, Result};
use crate::kernel::columns::{Columns, FEW, TOGETHER};
use crate::kernel::dispatch::{Kernel, dispatch};
use crate::kernel::isa::Isa;
use crate::kernel::lanes::{LONGEST, WIDTH, shift_row};
use crate::kernel::math::Math;
use crate::kernel::rows::RowBlock;
use crate::kernel::softmax::{LogSum, softmax_row};
use crate::kernel::standing::Neighbours;
use crate::rows::{map_blocks, map_standing, reduce_blocks, reduce_standing};
use crate::tensor::Tensor;

/// `ln(1 + rest)` of as many rows at once. No closure: one that is not inlined is compiled for no instruction set.
#[inline(always)]
fn logs<I: Isa>(rest: [f64; WIDTH]) -> [f64; WIDTH] {
    let mut logs = rest;
    logs.iter_mut().for_each(|v| *v = v.log1p::<I>());
    logs
}

/// `max + ln(1 + rest)` of as many rows; an infinite `max` with a 0 stays as it is.
#[inline(always)]
fn totals<I: Isa, T: Float>(max: &[T; WIDTH], rest: [f64; WIDTH]) -> [T; WIDTH] {
    let (logs, mut totals) = (logs::<I>(rest), [T::ZERO; WIDTH]);
    for (total, (m, log)) in totals.iter_mut().zip(max.iter().zip(&logs)) {
        *total = T::of(m.f64() + log);
    }
    totals
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
            out.copy_from_slice(&totals::<I, T>(&max, rest)[..n]);
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
                out.copy_from_slice(&totals::<I, T>(&max, rest)[..out.len()]);
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
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn softmax(&self, dim: isize) -> Result<Tensor<T>> {
        softmaxes("softmax", self, dim, false)
    }

    /// `x - ln Σ e^x` along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor<T>> {
        softmaxes("log_softmax", self, dim, true)
    }
}
