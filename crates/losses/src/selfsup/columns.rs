//! What losses of the columns of a batch share: standardised columns, and squares beside a diagonal.

use crate::metric::vector::sum;
use crate::rowwise::each_block;
use autograd::tensor_core::kernel::rows::{RowBlock, Rows, dim_last};
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use autograd::{Error, Float, Result, Tensor, Var};

/// Checks two views of one batch, of which statistics are taken.
pub(super) fn check_views<T: Float>(op: &'static str, a: &Var<T>, b: &Var<T>) -> Result<()> {
    if a.ndim() != 2 || a.shape()[0] < 2 || a.shape()[1] == 0 {
        return Err(Error::Shape {
            op,
            what: "the input",
            got: a.shape().into(),
            expected: "it must be (N, D), at least two samples to take a variance of".into(),
        });
    }
    crate::check::same_shape(op, "the second input", b.shape(), a.shape())
}

/// A column's mean, its variance, and what it was multiplied by.
#[derive(Clone, Copy, Default)]
pub(super) struct Column {
    mean: f64,
    pub(super) variance: f64,
    factor: f64,
}

/// The columns of a batch less their means, each times a factor.
pub(super) struct Columns<T: Float> {
    /// The matrix, whose memory holds the columns one after the other.
    pub(super) x: Tensor<T>,
    pub(super) each: Vec<Column>,
}

struct Standardise<'a, T, F> {
    block: RowBlock<'a, T>,
    correction: f64,
    factor: &'a F,
    each: &'a mut [Column],
    out: &'a mut [T],
}
impl<T: Float, F: Fn(f64) -> f64> Kernel for Standardise<'_, T, F> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let len = self.out.len() / self.each.len();
        let n = len as f64;
        for (i, column) in self.each.iter_mut().enumerate() {
            let x = self.block.row(i);
            let mean = sum([x], |[v]| v) / n;
            let variance = sum([x], |[v]| (v - mean) * (v - mean)) / (n - self.correction);
            let factor = (self.factor)(variance);
            for (o, v) in self.out[i * len..][..len].iter_mut().zip(x) {
                *o = T::of((v.f64() - mean) * factor);
            }
            *column = Column {
                mean,
                variance,
                factor,
            };
        }
    }
}

/// Turns the gradients of standardised columns into those of the columns themselves: their mean and the part along the
/// column count for nothing, but for what `eps` keeps of it.
struct Back<'a, T> {
    blocks: [RowBlock<'a, T>; 2],
    each: &'a [Column],
    out: &'a mut [T],
}
impl<T: Float> Kernel for Back<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let len = self.out.len() / self.each.len();
        let n = len as f64;
        for (i, &Column { mean, factor, .. }) in self.each.iter().enumerate() {
            let [v, x] = self.blocks.map(|block| block.row(i));
            let level = sum([v], |[v]| v) / n;
            let along = sum([v, x], |[v, x]| v * ((x - mean) * factor)) / n;
            for ((o, v), x) in self.out[i * len..][..len].iter_mut().zip(v).zip(x) {
                let own = (x.f64() - mean) * factor;
                *o = T::of((v.f64() - level - along * own) * factor);
            }
        }
    }
}

impl<T: Float> Columns<T> {
    /// Of `input`, whose variances divide by `N - correction` and decide on the factors.
    pub(super) fn of(
        op: &'static str,
        input: &Tensor<T>,
        correction: f64,
        factor: impl Fn(f64) -> f64 + Sync,
    ) -> Result<Self> {
        let (n, d) = (input.shape()[0], input.shape()[1]);
        let columns = [Rows::new(input.buffer(), &dim_last(input.layout(), 0))];
        let mut each = vec![Column::default(); d];
        let x = Tensor::build_rows(op, input.shape(), 0, |out| {
            par::split2((&mut each, 1), (out, n), n * 6, |start, each, out| {
                let end = start + each.len();
                each_block(&columns, start, end, |at, k, [block]| {
                    let here = at - start;
                    dispatch(Standardise {
                        block,
                        correction,
                        factor: &factor,
                        each: &mut each[here..here + k],
                        out: &mut out[here * n..][..k * n],
                    });
                });
            });
        })?;
        Ok(Columns { x, each })
    }

    /// The gradient of `input` from the gradient `v` of its standardised columns, whose factors are the inverse roots of
    /// variance and `eps`.
    pub(super) fn back(
        &self,
        op: &'static str,
        v: &Tensor<T>,
        input: &Tensor<T>,
    ) -> Result<Tensor<T>> {
        let n = input.shape()[0];
        let layouts = [v, input].map(|x| dim_last(x.layout(), 0));
        let columns = [
            Rows::new(v.buffer(), &layouts[0]),
            Rows::new(input.buffer(), &layouts[1]),
        ];
        Tensor::build_rows(op, input.shape(), 0, |out| {
            par::split(out, n, n * 8, |start, out| {
                let end = start + out.len() / n;
                each_block(&columns, start, end, |at, k, blocks| {
                    dispatch(Back {
                        blocks,
                        each: &self.each[at..at + k],
                        out: &mut out[(at - start) * n..][..k * n],
                    });
                });
            });
        })
    }
}

struct Block<'a, T> {
    block: RowBlock<'a, T>,
    first: usize,
    out: &'a mut [f64],
}
impl<T: Float> Kernel for Block<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (i, out) in self.out.iter_mut().enumerate() {
            let (row, at) = (self.block.row(i), self.first + i);
            let squares = |part: &[T]| sum([part], |[v]| v * v);
            *out = squares(&row[..at]) + squares(&row[at + 1..]);
        }
    }
}

/// For each row of a square matrix the sum of its squares but for the diagonal's.
pub(super) fn off_diagonal<T: Float>(c: &Tensor<T>) -> Vec<f64> {
    let n = c.shape()[0];
    let rows = [Rows::new(c.buffer(), c.layout())];
    let mut out = vec![0.0; n];
    par::split(&mut out, 1, n * 2, |start, out| {
        each_block(&rows, start, start + out.len(), |first, n, [block]| {
            dispatch(Block {
                block,
                first,
                out: &mut out[first - start..][..n],
            });
        });
    });
    out
}

/// Multiplies a square matrix by `factor` and puts `diagonal` in the place of its own, where it lies.
pub(super) fn rewrite<T: Float>(c: &mut Tensor<T>, factor: f64, diagonal: &[f64]) {
    let (n, factor) = (diagonal.len(), T::of(factor));
    par::split(c.as_mut_slice(), n, n, |first, rows| {
        for (i, row) in rows.chunks_exact_mut(n).enumerate() {
            row.iter_mut().for_each(|v| *v = *v * factor);
            row[first + i] = T::of(diagonal[first + i]);
        }
    });
}

/// The definition of the squares beside the diagonal, summed.
#[track_caller]
pub(super) fn off_diagonal_squares<T: Float>(c: &Var<T>) -> Result<Var<T>> {
    let n = c.shape()[0];
    let beside = Tensor::<bool>::eye(n, n)?.logical_not();
    c.keep_where(&beside)?.square().sum(..)
}
