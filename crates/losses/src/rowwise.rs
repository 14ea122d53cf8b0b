//! The engine of losses that look at a row of each input at a time: a row of class logits, or a vector.
//!
//! A loss says the value of a row, what it keeps of it (a few numbers), and the slopes of the row; the engine brings
//! any layout to contiguous rows in the cache, runs rows in parallel, reduces in `f64` in a fixed order, and records
//! one node.

mod kernels;
mod standing;

use crate::elementwise::{OnTheWay, scaled};
use crate::reduction::Reduction;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::columns::Columns;
use autograd::tensor_core::kernel::lanes::WIDTH;
use autograd::tensor_core::kernel::rows::{RowBlock, Rows, dim_last};
use autograd::tensor_core::kernel::{Isa, dispatch, par};
use autograd::{Dims, Float, Fused, Needs, Result, Tensor, Var, fused};
use kernels::{Slopes, Total, Values, slope};

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

    /// The two above for the gradient of the first input alone, for losses whose parts have much in common;
    /// `#[inline(always)]`.
    #[inline(always)]
    fn value_and_slope<I: Isa>(&self, i: usize, rows: [&[T]; N], g: T, dx: &mut [T]) -> f64 {
        let (value, keep) = self.value::<I>(i, rows);
        slope::<I, T, Self, N, 0>(self, i, rows, keep, g, dx);
        value
    }

    /// Whether [`RowLoss::begin`] and [`RowLoss::finish`] are there, and serve in place of [`RowLoss::value_and_slope`].
    const HALVES: bool = false;

    /// The first half of [`RowLoss::value_and_slope`], which leaves something in `dx`. For short rows it runs for several of
    /// them before the second half of the first: what was just written in pieces is slow to read in others.
    /// `#[inline(always)]`.
    #[inline(always)]
    fn begin<I: Isa>(&self, _i: usize, _rows: [&[T]; N], _dx: &mut [T]) -> Self::Keep {
        Self::Keep::default()
    }

    /// What is left to do between the halves, for several rows at once; `#[inline(always)]`.
    #[inline(always)]
    fn between<I: Isa>(&self, _begun: &mut [Self::Keep; WIDTH]) {}

    /// The second half, or all of it where there are none; `#[inline(always)]`.
    #[inline(always)]
    fn finish<I: Isa>(
        &self,
        i: usize,
        rows: [&[T]; N],
        _begun: Self::Keep,
        g: T,
        dx: &mut [T],
    ) -> f64 {
        self.value_and_slope::<I>(i, rows, g, dx)
    }

    /// Whether [`RowLoss::short_rows`] is there, for these options.
    #[inline(always)]
    fn has_short_rows(&self) -> bool {
        false
    }

    /// As [`RowLoss::value_and_slope`] for `n` rows, row `i` and those behind it, which are short and stand side by side;
    /// `None`, and `dx` to be written anew, for rows that are too strange for that. `#[inline(always)]`.
    #[inline(always)]
    fn short_rows<I: Isa>(
        &self,
        _i: usize,
        _n: usize,
        _rows: [&Columns<T>; N],
        _g: T,
        _dx: &mut Columns<T>,
    ) -> Option<f64> {
        None
    }

    /// The same in plain operations, one value for each row.
    ///
    /// # Errors
    /// Whatever these operations return.
    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>>;
}

/// Runs a loss on rows along dimension `dim` of inputs of one shape; `mean` is what [`Reduction::Mean`] divides by.
#[track_caller]
pub(crate) fn run<T: Float, L: RowLoss<T, N>, const N: usize>(
    loss: L,
    inputs: [&Var<T>; N],
    dim: usize,
    reduction: Reduction,
    mean: f64,
) -> Result<Var<T>> {
    let divisor = reduction.divisor(mean, inputs[0].shape());
    let rows = Rowwise::<L, N> {
        loss,
        dim,
        reduction,
        divisor,
    };
    fused(rows, &inputs)
}

#[derive(Clone)]
struct Rowwise<L, const N: usize> {
    loss: L,
    dim: usize,
    reduction: Reduction,
    divisor: f64,
}

/// Calls `f(first, n, blocks)` for consecutive blocks of rows `start..end`.
pub(crate) fn each_block<T: Float, const N: usize>(
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

/// What the forward pass leaves for backward.
struct Left<T: Float, K, const N: usize> {
    slopes: OnTheWay<T, N>,
    /// What was kept of each row where each has a value of its own.
    keep: Vec<K>,
}

/// The loss, and what it leaves.
type Outcome<T, K, const N: usize> = (Tensor<T>, Left<T, K, N>);

impl<T: Float, L: RowLoss<T, N>, const N: usize> Fused<T> for Rowwise<L, N> {
    type Saved = Left<T, L::Keep, N>;

    fn name(&self) -> &'static str {
        L::NAME
    }

    #[track_caller]
    fn definition(&self, inputs: &[Var<T>]) -> Result<Var<T>> {
        self.reduction
            .apply(&self.loss.definition(inputs)?, self.divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Self::Saved)> {
        if self.reduction == Reduction::None {
            self.values(inputs)
        } else {
            self.total(inputs, [false; N])
        }
    }

    fn forward_for(&self, inputs: &[&Tensor<T>], needs: Needs) -> Result<(Tensor<T>, Self::Saved)> {
        if self.reduction == Reduction::None {
            self.values(inputs)
        } else {
            self.total(inputs, std::array::from_fn(|k| needs.get(k)))
        }
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        left: &Self::Saved,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        (0..N)
            .map(|k| {
                Ok(match (needs.get(k), &left.slopes[k], k) {
                    (false, ..) => None,
                    (_, Some(dx), _) => Some(scaled(dx, dy.item()?)?),
                    (.., 1) if const { N > 1 } => {
                        Some(self.slopes::<T, 1>(inputs, &left.keep, dy)?)
                    }
                    (.., 2) if const { N > 2 } => {
                        Some(self.slopes::<T, 2>(inputs, &left.keep, dy)?)
                    }
                    _ => Some(self.slopes::<T, 0>(inputs, &left.keep, dy)?),
                })
            })
            .collect()
    }
}

impl<L, const N: usize> Rowwise<L, N> {
    /// The rows of all inputs.
    fn rows<'a, T: Float>(&self, inputs: &[&'a Tensor<T>]) -> [Rows<'a, T>; N] {
        std::array::from_fn(|k| {
            let x = inputs[k];
            Rows::new(x.buffer(), &dim_last(x.layout(), self.dim))
        })
    }

    /// One value for each row.
    fn values<T: Float>(&self, inputs: &[&Tensor<T>]) -> Result<Outcome<T, L::Keep, N>>
    where
        L: RowLoss<T, N>,
    {
        let rows = self.rows(inputs);
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
        let mut shape: Dims = inputs[0].shape().into();
        if !shape.is_empty() {
            shape.remove(self.dim);
        }
        let y = Tensor::build(L::NAME, &shape, |out| {
            out.iter_mut()
                .zip(&values)
                .for_each(|(o, &v)| *o = T::of(v));
        })?;
        let slopes = std::array::from_fn(|_| None);
        Ok((y, Left { slopes, keep }))
    }

    /// The reduced loss, and on the way the gradients of those inputs that are `wanted`: their rows are in the cache.
    fn total<T: Float>(
        &self,
        inputs: &[&Tensor<T>],
        wanted: [bool; N],
    ) -> Result<Outcome<T, L::Keep, N>>
    where
        L: RowLoss<T, N>,
    {
        let rows = self.rows(inputs);
        let (n_rows, len) = (rows[0].n_rows(), rows[0].len());
        let g = self
            .reduction
            .scale(&Tensor::scalar(T::ONE), self.divisor)?;
        if let Some(done) = self.standing_total(inputs, wanted, g) {
            return done;
        }
        let mut slopes = wanted.map(|_| None);
        for (slope, _) in slopes.iter_mut().zip(wanted).filter(|(_, w)| *w) {
            let shape = inputs[0].shape();
            *slope = Some(Tensor::build_rows(L::NAME, shape, self.dim, |_| {})?);
        }
        let outputs = slopes
            .each_mut()
            .map(|s: &mut Option<Tensor<T>>| s.as_mut().and_then(Tensor::own_run));
        let cost = len * L::COST + 8;
        let parts = par::collect_split(n_rows, len, outputs, cost, |range, mut slopes| {
            let mut sum = 0.0;
            each_block(&rows, range.start, range.end, |first, n, blocks| {
                let here = (first - range.start) * len..(first - range.start + n) * len;
                let slopes = slopes
                    .each_mut()
                    .map(|s| s.as_mut().map(|s| &mut s[here.clone()]));
                sum += dispatch(Total {
                    loss: &self.loss,
                    first,
                    n,
                    blocks,
                    g,
                    slopes,
                });
            });
            sum
        });
        let y = self.reduction.value(parts.iter().sum(), self.divisor);
        let keep = Vec::new();
        Ok((y, Left { slopes, keep }))
    }

    /// The gradient of input `K`, whose memory holds the rows one after the other, from a gradient for each row.
    fn slopes<T: Float, const K: usize>(
        &self,
        inputs: &[&Tensor<T>],
        keep: &[L::Keep],
        dy: &Tensor<T>,
    ) -> Result<Tensor<T>>
    where
        L: RowLoss<T, N>,
    {
        let rows = self.rows(inputs);
        let dy = dy.to_vec();
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
                        dy: &dy,
                        out,
                    });
                });
            });
        })
    }
}
