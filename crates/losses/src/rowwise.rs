//! The engine of losses that look at a row of each input at a time: a row of class logits, or a vector.
//!
//! A loss says the value of a row, what it keeps of it (a few numbers), and the slopes of the row; the engine brings
//! any layout to contiguous rows in the cache, runs rows in parallel, reduces in `f64` in a fixed order, and records
//! one node.

use crate::reduction::Reduction;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::rows::{RowBlock, Rows, dim_last};
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use autograd::{Dims, Float, Fused, Needs, Result, Tensor, Var, fused};

/// A loss of one row of each of `N` inputs.
pub trait RowLoss<T: Float, const N: usize>: Clone + Send + Sync + 'static {
    /// The loss's name, for messages.
    const NAME: &'static str;
    /// How many additions one element of a row is worth, to decide when threads pay.
    const COST: usize = 8;
    /// What the forward pass keeps of a row.
    type Keep: Copy + Default + Send + Sync + 'static;

    /// The loss of row `i`, and what backward needs of it; `#[inline(always)]`.
    fn value<I: Isa>(&self, i: usize, rows: [&[T]; N]) -> (f64, Self::Keep);

    /// `dx`: the derivative of row `i` by input `K`, times `g`; `#[inline(always)]`.
    fn slope<I: Isa, const K: usize>(
        &self,
        i: usize,
        rows: [&[T]; N],
        keep: Self::Keep,
        g: T,
        dx: &mut [T],
    );

    /// The same in plain operations, one value for each row.
    ///
    /// # Errors
    /// Whatever these operations return.
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>>;
}

/// Runs a loss on rows along dimension `dim` of inputs of one shape; `mean` is what [`Reduction::Mean`] divides by.
pub(crate) fn run<T: Float, L: RowLoss<T, N>, const N: usize>(
    loss: L,
    inputs: [&Var<T>; N],
    dim: usize,
    reduction: Reduction,
    mean: f64,
) -> Result<Var<T>> {
    let divisor = reduction.divisor(mean, inputs[0].shape());
    fused(
        Rowwise::<L, N> {
            loss,
            dim,
            reduction,
            divisor,
        },
        &inputs,
    )
}

#[derive(Clone)]
struct Rowwise<L, const N: usize> {
    loss: L,
    dim: usize,
    reduction: Reduction,
    divisor: f64,
}

/// The values of a block of rows.
struct Values<'a, T, L, K, const N: usize> {
    loss: &'a L,
    first: usize,
    blocks: [RowBlock<'a, T>; N],
    values: &'a mut [f64],
    keep: &'a mut [K],
}
impl<T: Float, L: RowLoss<T, N>, const N: usize> Kernel for Values<'_, T, L, L::Keep, N> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (i, (value, keep)) in self.values.iter_mut().zip(self.keep).enumerate() {
            (*value, *keep) = self
                .loss
                .value::<I>(self.first + i, self.blocks.map(|b| b.row(i)));
        }
    }
}

/// The gradient of input `K` in a block of rows.
struct Slopes<'a, T, L, K, const N: usize, const INPUT: usize> {
    loss: &'a L,
    first: usize,
    blocks: [RowBlock<'a, T>; N],
    keep: &'a [K],
    scale: Scale<'a, T>,
    out: &'a mut [T],
}
impl<T: Float, L: RowLoss<T, N>, const N: usize, const INPUT: usize> Kernel
    for Slopes<'_, T, L, L::Keep, N, INPUT>
{
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let len = self.out.len() / self.keep.len().max(1);
        for (i, &keep) in self.keep.iter().enumerate() {
            let dx = &mut self.out[i * len..][..len];
            let g = match self.scale {
                Scale::All(g) => g,
                Scale::Each(dy) => dy[self.first + i],
            };
            if g == T::ZERO {
                // What counts for nothing has no gradient, however steep it is.
                dx.fill(T::ZERO);
            } else {
                self.loss.slope::<I, INPUT>(
                    self.first + i,
                    self.blocks.map(|b| b.row(i)),
                    keep,
                    g,
                    dx,
                );
            }
        }
    }
}

/// The gradient of a row's value: one for all, or one for each.
#[derive(Clone, Copy)]
enum Scale<'a, T> {
    All(T),
    Each(&'a [T]),
}

/// Calls `f(first, n, blocks)` for consecutive blocks of rows `start..end`.
fn each_block<T: Float, const N: usize>(
    rows: &[Rows<'_, T>; N],
    start: usize,
    end: usize,
    mut f: impl FnMut(usize, usize, [RowBlock<'_, T>; N]),
) {
    let mut stages: [Vec<T>; N] = std::array::from_fn(|_| Vec::new());
    let mut at = start;
    while at < end {
        let n = rows.iter().fold(end - at, |n, r| n.min(r.block_len(at)));
        let mut stages = stages.iter_mut();
        let blocks = std::array::from_fn(|k| match stages.next() {
            Some(stage) => rows[k].block(at, n, stage),
            None => RowBlock::default(),
        });
        f(at, n, blocks);
        at += n;
    }
}

impl<T: Float, L: RowLoss<T, N>, const N: usize> Fused<T> for Rowwise<L, N> {
    type Saved = Vec<L::Keep>;

    fn name(&self) -> &'static str {
        L::NAME
    }

    fn definition(&self, inputs: &[Var<T>]) -> Result<Var<T>> {
        self.reduction
            .apply(&self.loss.definition(inputs)?, self.divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Vec<L::Keep>)> {
        let layouts: [_; N] = std::array::from_fn(|k| dim_last(inputs[k].layout(), self.dim));
        let rows: [_; N] = std::array::from_fn(|k| Rows::new(inputs[k].buffer(), &layouts[k]));
        let (n_rows, len) = (rows[0].n_rows(), rows[0].len());
        let mut values = vec![0.0; n_rows];
        let mut keep = vec![L::Keep::default(); n_rows];
        par::split2(
            (&mut values, 1),
            (&mut keep, 1),
            len * L::COST + 8,
            |start, values, keep| {
                each_block(&rows, start, start + values.len(), |first, n, blocks| {
                    let here = first - start..first - start + n;
                    let (values, keep) = (&mut values[here.clone()], &mut keep[here]);
                    dispatch(Values {
                        loss: &self.loss,
                        first,
                        blocks,
                        values,
                        keep,
                    });
                });
            },
        );
        let y = if self.reduction == Reduction::None {
            let mut shape: Dims = inputs[0].shape().into();
            if !shape.is_empty() {
                shape.remove(self.dim);
            }
            Tensor::build(L::NAME, &shape, |out| {
                out.iter_mut()
                    .zip(&values)
                    .for_each(|(o, &v)| *o = T::of(v));
            })?
        } else {
            self.reduction.value(values.iter().sum(), self.divisor)
        };
        Ok((y, keep))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        keep: &Vec<L::Keep>,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        (0..N)
            .map(|k| {
                Ok(match k {
                    _ if !needs.get(k) => None,
                    0 => Some(self.slopes::<T, 0>(inputs, keep, dy)?),
                    1 => Some(self.slopes::<T, 1>(inputs, keep, dy)?),
                    _ => Some(self.slopes::<T, 2>(inputs, keep, dy)?),
                })
            })
            .collect()
    }
}

impl<L, const N: usize> Rowwise<L, N> {
    /// The gradient of input `K`, whose memory holds the rows one after the other.
    fn slopes<T: Float, const K: usize>(
        &self,
        inputs: &[&Tensor<T>],
        keep: &[L::Keep],
        dy: &Tensor<T>,
    ) -> Result<Tensor<T>>
    where
        L: RowLoss<T, N>,
    {
        let layouts: [_; N] = std::array::from_fn(|k| dim_last(inputs[k].layout(), self.dim));
        let rows: [_; N] = std::array::from_fn(|k| Rows::new(inputs[k].buffer(), &layouts[k]));
        let each;
        let scale = if self.reduction == Reduction::None {
            each = dy.to_vec();
            Scale::Each(&each)
        } else {
            Scale::All(self.reduction.scale(dy, self.divisor)?)
        };
        let len = rows[0].len();
        Tensor::build_rows(L::NAME, inputs[0].shape(), self.dim, |out| {
            par::split(out, len.max(1), len * L::COST + 8, |start, out| {
                if len == 0 {
                    return;
                }
                each_block(&rows, start, start + out.len() / len, |first, n, blocks| {
                    let out = &mut out[(first - start) * len..][..n * len];
                    let keep = &keep[first..first + n];
                    dispatch(Slopes::<T, L, L::Keep, N, K> {
                        loss: &self.loss,
                        first,
                        blocks,
                        keep,
                        scale,
                        out,
                    });
                });
            });
        })
    }
}
