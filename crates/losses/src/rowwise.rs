//! The engine of losses that look at a row of each input at a time: a row of class logits, or a vector.
//!
//! A loss says the value of a row, what it keeps of it (a few numbers), and the slopes of the row; the engine brings
//! any layout to contiguous rows in the cache, runs rows in parallel, reduces in `f64` in a fixed order, and records
//! one node.

use crate::elementwise::{OnTheWay, scaled};
use crate::reduction::Reduction;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::columns::{Columns, TOGETHER};
use autograd::tensor_core::kernel::lanes::{LONGEST, WIDTH};
use autograd::tensor_core::kernel::rows::{RowBlock, Rows, dim_last, row_of_each};
use autograd::tensor_core::kernel::standing::{Neighbours, Standing, split_standing};
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use autograd::tensor_core::rows::standing;
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
                .value::<I>(self.first + i, row_of_each(&self.blocks, i));
        }
    }
}

/// The sum of the values of a block of rows, and on the way the gradients of those inputs that are asked for, of rows
/// whose values have the gradient `g`.
struct Total<'a, 'o, T, L, const N: usize> {
    loss: &'a L,
    first: usize,
    n: usize,
    blocks: [RowBlock<'a, T>; N],
    g: T,
    slopes: [Option<&'o mut [T]>; N],
}
impl<T: Float, L: RowLoss<T, N>, const N: usize> Kernel for Total<'_, '_, T, L, N> {
    type Out = f64;
    #[inline(always)]
    fn run<I: Isa>(mut self) -> f64 {
        let (n, g) = (self.n, self.g);
        let only_first = self.slopes[0].is_some() && self.slopes[1..].iter().all(|s| s.is_none());
        let mut total = 0.0;
        let mut done = 0;
        let len = self.slopes[0].as_ref().map_or(0, |dx| dx.len() / n.max(1));
        if only_first
            && g != T::ZERO
            && Columns::<T>::fit(len)
            && self.loss.has_short_rows()
            && let Some(dx) = &mut self.slopes[0]
        {
            let (mut x, mut exps) = ([Columns::empty(); N], Columns::empty());
            while done < n {
                let rows = WIDTH.min(n - done);
                for (x, block) in x.iter_mut().zip(self.blocks) {
                    x.read(block, done, rows, len);
                }
                let dx = &mut dx[done * len..][..rows * len];
                let first = self.first + done;
                let (x, slopes) = (x.each_ref(), &mut exps);
                let Some(value) = self.loss.short_rows::<I>(first, rows, x, g, slopes) else {
                    break;
                };
                slopes.write(dx);
                total += value;
                done += rows;
            }
        }
        if only_first
            && g != T::ZERO
            && let Some(dx) = &mut self.slopes[0]
        {
            let at_a_time = if L::HALVES && len <= LONGEST {
                WIDTH
            } else {
                1
            };
            while done < n {
                let here = done..n.min(done + at_a_time);
                let mut begun = [L::Keep::default(); WIDTH];
                if L::HALVES {
                    for (i, begun) in here.clone().zip(&mut begun) {
                        let rows = row_of_each(&self.blocks, i);
                        let dx = &mut dx[i * len..][..len];
                        *begun = self.loss.begin::<I>(self.first + i, rows, dx);
                    }
                    self.loss.between::<I>(&mut begun);
                }
                for (i, begun) in here.clone().zip(begun) {
                    let (at, rows) = (self.first + i, row_of_each(&self.blocks, i));
                    let dx = &mut dx[i * len..][..len];
                    total += self.loss.finish::<I>(at, rows, begun, g, dx);
                }
                done = here.end;
            }
        }
        for i in done..n {
            let rows = row_of_each(&self.blocks, i);
            let at = self.first + i;
            let slopes = self.slopes.each_mut().map(|s| {
                s.as_mut().map(|s| {
                    let len = s.len() / n;
                    &mut s[i * len..][..len]
                })
            });
            let (value, keep) = self.loss.value::<I>(at, rows);
            total += value;
            for (k, dx) in slopes.into_iter().enumerate() {
                match (dx, k) {
                    (None, _) => {}
                    // The constants keep the compiler from making loops for inputs that there are not.
                    (Some(dx), 1) if const { N > 1 } => {
                        slope::<I, T, L, N, 1>(self.loss, at, rows, keep, g, dx);
                    }
                    (Some(dx), 2) if const { N > 2 } => {
                        slope::<I, T, L, N, 2>(self.loss, at, rows, keep, g, dx);
                    }
                    (Some(dx), _) => slope::<I, T, L, N, 0>(self.loss, at, rows, keep, g, dx),
                }
            }
        }
        total
    }
}

/// [`Total`] of short rows that stand, with the gradient of the first input alone.
struct StandingTotal<'a, 'o, T, L, const N: usize> {
    loss: &'a L,
    first: usize,
    rows: [Neighbours<'a, 'a, T>; N],
    g: T,
    slopes: &'a mut [&'o mut [T]],
}
impl<T: Float, L: RowLoss<T, N>, const N: usize> Kernel for StandingTotal<'_, '_, T, L, N> {
    type Out = f64;
    #[inline(always)]
    fn run<I: Isa>(self) -> f64 {
        let StandingTotal { loss, g, .. } = self;
        let (mut x, mut dx) = (
            [[Columns::empty(); TOGETHER]; N],
            [Columns::empty(); TOGETHER],
        );
        let (len, width) = (
            self.slopes.len(),
            self.slopes.first().map_or(0, |s| s.len()),
        );
        let mut total = 0.0;
        for at in (0..width).step_by(TOGETHER * WIDTH) {
            let n = (TOGETHER * WIDTH).min(width - at);
            for (x, rows) in x.iter_mut().zip(self.rows) {
                Columns::read_standing(x, rows, at, n);
            }
            for (k, dx) in dx.iter_mut().enumerate().take(n.div_ceil(WIDTH)) {
                let (i, n) = (self.first + at + k * WIDTH, WIDTH.min(n - k * WIDTH));
                let x = x.each_ref().map(|x| &x[k]);
                if let Some(value) = loss.short_rows::<I>(i, n, x, g, dx) {
                    total += value;
                    continue;
                }
                dx.fill(len, T::ZERO);
                for lane in 0..n {
                    let (rows, mut slope) = (x.map(|x| x.row(lane)), dx.row(lane));
                    let (rows, slope) = (rows.each_ref().map(|row| &row[..len]), &mut slope[..len]);
                    let mut begun = [L::Keep::default(); WIDTH];
                    if L::HALVES {
                        begun[0] = loss.begin::<I>(i + lane, rows, slope);
                        loss.between::<I>(&mut begun);
                    }
                    total += loss.finish::<I>(i + lane, rows, begun[0], g, slope);
                    dx.set_row(lane, slope);
                }
            }
            Columns::write_standing(&dx, self.slopes, at);
        }
        total
    }
}

/// The slope of one row, and nothing where `g` is 0: what counts for nothing has no gradient, however steep it is.
#[inline(always)]
fn slope<I: Isa, T: Float, L: RowLoss<T, N>, const N: usize, const K: usize>(
    loss: &L,
    i: usize,
    rows: [&[T]; N],
    keep: L::Keep,
    g: T,
    dx: &mut [T],
) {
    if g == T::ZERO {
        dx.fill(T::ZERO);
    } else {
        loss.slope::<I, K>(i, rows, keep, g, dx);
    }
}

/// The gradient of input `INPUT` in a block of rows.
struct Slopes<'a, T, L, K, const N: usize, const INPUT: usize> {
    loss: &'a L,
    first: usize,
    blocks: [RowBlock<'a, T>; N],
    keep: &'a [K],
    dy: &'a [T],
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
            let (at, rows) = (self.first + i, row_of_each(&self.blocks, i));
            slope::<I, T, L, N, INPUT>(self.loss, at, rows, keep, self.dy[at], dx);
        }
    }
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
    /// One value for each row.
    fn values<T: Float>(&self, inputs: &[&Tensor<T>]) -> Result<Outcome<T, L::Keep, N>>
    where
        L: RowLoss<T, N>,
    {
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
        let layouts: [_; N] = std::array::from_fn(|k| dim_last(inputs[k].layout(), self.dim));
        let rows: [_; N] = std::array::from_fn(|k| Rows::new(inputs[k].buffer(), &layouts[k]));
        let (n_rows, len) = (rows[0].n_rows(), rows[0].len());
        let g = self
            .reduction
            .scale(&Tensor::scalar(T::ONE), self.divisor)?;
        let only_first = wanted[0] && wanted[1..].iter().all(|w| !w);
        let short = Columns::<T>::fit(len) && self.loss.has_short_rows();
        if only_first
            && g != T::ZERO
            && short
            && let Some(rows) = standing(std::array::from_fn(|k| inputs[k]), self.dim)
        {
            return self.standing_total(inputs[0], &rows, g);
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

    /// The reduced loss of short rows that stand, and the gradient of the first input, whose rows will stand too.
    fn standing_total<T: Float>(
        &self,
        x: &Tensor<T>,
        rows: &[Standing<'_, T>; N],
        g: T,
    ) -> Result<Outcome<T, L::Keep, N>>
    where
        L: RowLoss<T, N>,
    {
        let (len, mut parts) = (rows[0].len(), Vec::new());
        let dx = Tensor::build(L::NAME, x.shape(), |out| {
            let cost = len * L::COST + 8;
            parts = split_standing(out, (len, rows[0].inner()), cost, &|first, slopes| {
                dispatch(StandingTotal {
                    loss: &self.loss,
                    first,
                    rows: rows.each_ref().map(|rows| rows.from(first)),
                    g,
                    slopes,
                })
            });
        })?;
        let y = self.reduction.value(parts.iter().sum(), self.divisor);
        let (mut slopes, keep) = (std::array::from_fn(|_| None), Vec::new());
        slopes[0] = Some(dx);
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
        let layouts: [_; N] = std::array::from_fn(|k| dim_last(inputs[k].layout(), self.dim));
        let rows: [_; N] = std::array::from_fn(|k| Rows::new(inputs[k].buffer(), &layouts[k]));
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
