//! The engine of losses that compare every vector of a batch with every other.
//!
//! Forward: each vector is divided by its length, one matrix product makes all cosines, and one pass over their rows
//! takes the losses and writes the cosines' gradients in their place. Backward is a matrix product for each input, and
//! the gradient of a direction brought back to its vector. Rows are scaled by what comes from above at the end, so the
//! matrix of gradients serves any reduction and any number of backward passes.

use super::vector::{add_up, direction, inverse_length, sum};
use crate::reduction::Reduction;
use crate::rowwise::each_block;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::rows::{RowBlock, Rows};
use autograd::tensor_core::kernel::softmax;
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use autograd::{Float, Fused, Needs, Result, Tensor, Var, fused};

/// A loss of one row of cosines.
pub(super) trait RowPass<T: Float>: Clone + Send + Sync + 'static {
    /// The loss's name, for messages.
    const NAME: &'static str;
    /// What comes of a row.
    type Out: Clone + Default + Send;

    /// What comes of the cosines `s` of vector `i`, in whose place it writes their gradients; `#[inline(always)]`.
    fn row<I: Isa>(&self, i: usize, s: &mut [T]) -> Self::Out;
}

/// A loss that is the sum or mean of one number for each row of cosines.
pub(super) trait PairLoss<T: Float>: RowPass<T, Out = f64> {
    /// The same in plain operations: a number for each row of cosines.
    ///
    /// # Errors
    /// Whatever these operations return.
    #[track_caller]
    fn definition(&self, s: &Var<T>) -> Result<Var<T>>;
}

/// Runs a loss on the cosines of the vectors of the first input with those of the second, or of the only input with
/// each other; `mean` is what [`Reduction::Mean`] divides by.
#[track_caller]
pub(super) fn run<T: Float, L: PairLoss<T>>(
    loss: L,
    inputs: &[&Var<T>],
    reduction: Reduction,
    mean: f64,
) -> Result<Var<T>> {
    let divisor = reduction.divisor(mean, inputs[0].shape());
    fused(
        Compare {
            loss,
            reduction,
            divisor,
        },
        inputs,
    )
}

#[derive(Clone)]
struct Compare<L> {
    loss: L,
    reduction: Reduction,
    divisor: f64,
}

impl<T: Float, L: PairLoss<T>> Fused<T> for Compare<L> {
    type Saved = Pairs<T>;

    fn name(&self) -> &'static str {
        L::NAME
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let rows = self
            .loss
            .definition(&cosines(&v[0], v.last().unwrap_or(&v[0]))?)?;
        self.reduction.apply(&rows, self.divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Pairs<T>)> {
        let mut pairs = Pairs::of(L::NAME, inputs[0], inputs.get(1).copied())?;
        let values = pairs.pass(&self.loss);
        Ok((
            reduced(L::NAME, self.reduction, &values, self.divisor)?,
            pairs,
        ))
    }

    fn backward(
        &self,
        _: &[&Tensor<T>],
        pairs: &Pairs<T>,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        pairs.back(&row_scale(self.reduction, dy, self.divisor)?, needs)
    }
}

/// The definition of the cosines of all rows of `a` with all rows of `b`.
#[track_caller]
pub(super) fn cosines<T: Float>(a: &Var<T>, b: &Var<T>) -> Result<Var<T>> {
    direction(a)?.matmul(&direction(b)?.t())
}

/// The definition of the cross entropy of the softmax of rows `z` with the classes `own`: `softplus(lse(others) - own)`,
/// whose slope keeps its digits where the own class is all but certain.
#[track_caller]
pub(super) fn cross_entropy<T: Float>(z: &Var<T>, own: &Tensor<i64>) -> Result<Var<T>> {
    if z.numel() == 0 {
        return z.sum(1);
    }
    // Not infinite: with no other class at all there is still a difference to be had.
    let others = z.masked_fill(&own.one_hot(z.shape()[1])?, T::of(-1e30))?;
    let gap = others.logsumexp(1)?.sub(z.pick(1, own)?)?;
    Ok(gap.softplus())
}

/// The loss of each row, reduced.
pub(super) fn reduced<T: Float>(
    op: &'static str,
    reduction: Reduction,
    values: &[f64],
    divisor: f64,
) -> Result<Tensor<T>> {
    if reduction != Reduction::None {
        return Ok(reduction.value(values.iter().sum(), divisor));
    }
    Tensor::build(op, [values.len()], |out| {
        out.iter_mut().zip(values).for_each(|(o, &v)| *o = T::of(v));
    })
}

/// What each row's gradient is to be multiplied by: one number, or a column of one for each row.
pub(super) fn row_scale<T: Float>(
    reduction: Reduction,
    dy: &Tensor<T>,
    divisor: f64,
) -> Result<Tensor<T>> {
    if reduction == Reduction::None {
        dy.unsqueeze(1)
    } else {
        Ok(Tensor::scalar(reduction.scale(dy, divisor)?))
    }
}

/// The directions of a batch of vectors.
#[derive(Clone)]
pub(super) struct Units<T: Float> {
    /// Each vector divided by its length; a vector of zeros stays as it is.
    pub(super) rows: Tensor<T>,
    inverse: Vec<f64>,
}

struct Normalise<'a, T> {
    block: RowBlock<'a, T>,
    inverse: &'a mut [f64],
    out: &'a mut [T],
}
impl<T: Float> Kernel for Normalise<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let d = self.out.len() / self.inverse.len();
        for (i, inverse) in self.inverse.iter_mut().enumerate() {
            let x = self.block.row(i);
            *inverse = inverse_length(x);
            for (o, x) in self.out[i * d..][..d].iter_mut().zip(x) {
                *o = T::of(x.f64() * *inverse);
            }
        }
    }
}

/// Turns the gradients `v` of directions into those of their vectors: the part along the direction does not count, for
/// a direction does not know of lengths.
struct Project<'a, T> {
    units: &'a [T],
    inverse: &'a [f64],
    v: &'a mut [T],
}
impl<T: Float> Kernel for Project<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let d = self.v.len() / self.inverse.len();
        for (i, &inverse) in self.inverse.iter().enumerate() {
            let (v, unit) = (&mut self.v[i * d..][..d], &self.units[i * d..][..d]);
            if inverse == 0.0 {
                // A vector of zeros has no slope.
                v.fill(T::ZERO);
                continue;
            }
            let along = sum([&*v, unit], |[v, u]| v * u);
            for (v, u) in v.iter_mut().zip(unit) {
                *v = T::of((v.f64() - along * u.f64()) * inverse);
            }
        }
    }
}

impl<T: Float> Units<T> {
    pub(super) fn of(op: &'static str, x: &Tensor<T>) -> Result<Self> {
        let (n, d) = (x.shape()[0], x.shape()[1]);
        let source = [Rows::new(x.buffer(), x.layout())];
        let mut inverse = vec![0.0; n];
        let rows = Tensor::build(op, [n, d], |out| {
            if out.is_empty() {
                return;
            }
            par::split2((&mut inverse, 1), (out, d), d * 4, |start, inverse, out| {
                let end = start + inverse.len();
                each_block(&source, start, end, |at, n, [block]| {
                    let here = at - start;
                    dispatch(Normalise {
                        block,
                        inverse: &mut inverse[here..here + n],
                        out: &mut out[here * d..][..n * d],
                    });
                });
            });
        })?;
        Ok(Units { rows, inverse })
    }

    /// The gradients of the vectors from those of their directions.
    pub(super) fn back(&self, mut v: Tensor<T>) -> Tensor<T> {
        if v.numel() == 0 {
            return v;
        }
        let d = v.shape()[1];
        let units = self.rows.buffer();
        par::split(v.as_mut_slice(), d, d * 4, |start, v| {
            let n = v.len() / d;
            dispatch(Project {
                units: &units[start * d..][..n * d],
                inverse: &self.inverse[start..start + n],
                v,
            });
        });
        v
    }
}

/// Two batches of directions and the matrix of their cosines, or one batch and its own.
#[derive(Clone)]
pub(super) struct Pairs<T: Float> {
    pub(super) a: Units<T>,
    b: Option<Units<T>>,
    /// The cosines, and after a pass their gradients.
    pub(super) s: Tensor<T>,
}

struct Pass<'a, T, P, O> {
    pass: &'a P,
    first: usize,
    results: &'a mut [O],
    s: &'a mut [T],
}
impl<T: Float, P: RowPass<T>> Kernel for Pass<'_, T, P, P::Out> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let m = self.s.len() / self.results.len().max(1);
        for (i, result) in self.results.iter_mut().enumerate() {
            *result = self
                .pass
                .row::<I>(self.first + i, &mut self.s[i * m..][..m]);
        }
    }
}

impl<T: Float> Pairs<T> {
    pub(super) fn of(op: &'static str, a: &Tensor<T>, b: Option<&Tensor<T>>) -> Result<Self> {
        let a = Units::of(op, a)?;
        let b = b.map(|b| Units::of(op, b)).transpose()?;
        let mut pairs = Pairs {
            s: a.rows.clone(),
            a,
            b,
        };
        pairs.s = pairs.cosines()?;
        Ok(pairs)
    }

    /// The matrix product that the cosines are made by.
    pub(super) fn cosines(&self) -> Result<Tensor<T>> {
        self.a.rows.matmul(&self.other().rows.t())
    }

    fn other(&self) -> &Units<T> {
        self.b.as_ref().unwrap_or(&self.a)
    }

    /// One pass over the rows of the matrix; what comes of each, in order.
    pub(super) fn pass<P: RowPass<T>>(&mut self, pass: &P) -> Vec<P::Out> {
        let (n, m) = (self.s.shape()[0], self.s.shape()[1]);
        let mut results = vec![P::Out::default(); n];
        if n * m > 0 {
            let s = self.s.as_mut_slice();
            par::split2((&mut results, 1), (s, m), m * 12, |first, results, s| {
                dispatch(Pass {
                    pass,
                    first,
                    results,
                    s,
                });
            });
        }
        results
    }

    /// The gradients of both batches of vectors, or of the only one, from the matrix of gradients, whose rows count
    /// `scale` times.
    pub(super) fn back(&self, scale: &Tensor<T>, needs: Needs) -> Result<FusedGrads<T>> {
        if self.b.is_some() {
            let both = self.back_each(scale, [needs.get(0), needs.get(1)])?;
            return Ok(both.into_iter().collect());
        }
        // A vector stands on both sides of its cosines: `S X + Sᵀ X` as one product.
        let one = scale.numel() == 1;
        let s = if one { &self.s } else { &self.s.mul(scale)? };
        let mut v = s.add(s.t())?.matmul(&self.a.rows)?;
        if one {
            v = v.mul(scale)?;
        }
        Ok([Some(self.a.back(v))].into_iter().collect())
    }

    /// As [`Pairs::back`] for two batches, of those that are wanted.
    pub(super) fn back_each(
        &self,
        scale: &Tensor<T>,
        [a, b]: [bool; 2],
    ) -> Result<[Option<Tensor<T>>; 2]> {
        let da = a.then(|| self.rows_back(scale)).transpose()?;
        let db = b.then(|| self.columns_back(scale)).transpose()?;
        Ok([da.map(|v| self.a.back(v)), db.map(|v| self.other().back(v))])
    }

    fn rows_back(&self, scale: &Tensor<T>) -> Result<Tensor<T>> {
        self.s.matmul(&self.other().rows)?.mul(scale)
    }

    fn columns_back(&self, scale: &Tensor<T>) -> Result<Tensor<T>> {
        self.s.t().matmul(&self.a.rows.mul(scale)?)
    }
}

/// What the exponentials of a row of scaled cosines add up to: `Σ e^(k s) = e^(k max) (1 + rest)`.
#[derive(Clone, Copy, Default)]
pub(super) struct Softmax {
    max: f64,
    rest: f64,
    k: f64,
}

impl Softmax {
    /// Of the row `s` and one cosine more, which is `-inf` if there is none; `k` is above 0. Writes `e^(k (s - max))`
    /// in place of each cosine.
    ///
    /// The largest element's own 1 is never added, so that a confident row keeps its small sum.
    #[inline(always)]
    pub(super) fn of<I: Isa, T: Float>(s: &mut [T], more: T, k: f64) -> Self {
        let max = softmax::max(s).max_(more);
        let factor = T::of(k);
        for v in s.iter_mut() {
            *v = ((*v - max) * factor).exp_nonpositive::<I>();
        }
        let [mut sum, mut tie] = add_up(s);
        if more == max {
            tie += 1.0;
        } else {
            sum += ((more - max) * factor).exp::<I>().f64();
        }
        Softmax {
            max: max.f64(),
            rest: sum + (tie - 1.0),
            k,
        }
    }

    /// The largest cosine.
    pub(super) fn max(self) -> f64 {
        self.max
    }

    /// `ln Σ e^(k s) - k s` of one cosine, or of the mean of some.
    pub(super) fn cost(self, s: f64) -> f64 {
        self.rest.ln_1p() + (self.max - s) * self.k
    }

    /// `k` times the probability of an element, divided by its exponential.
    pub(super) fn factor(self) -> f64 {
        self.k / (1.0 + self.rest)
    }

    /// `k` times what is missing of the probability of a cosine to 1, without cancelling where that is little.
    pub(super) fn missing(self, s: f64) -> f64 {
        self.k * (self.rest - ((s - self.max) * self.k).exp_m1()) / (1.0 + self.rest)
    }
}

/// The cross entropy of the softmax of `k s` with the class `own`, and its slopes in place of the cosines.
#[inline(always)]
pub(super) fn contrast<I: Isa, T: Float>(s: &mut [T], own: usize, k: f64) -> f64 {
    let top = s[own].f64();
    let softmax = Softmax::of::<I, T>(s, T::LOWEST, k);
    let factor = T::of(softmax.factor());
    for v in s.iter_mut() {
        *v = *v * factor;
    }
    s[own] = T::of(-softmax.missing(top));
    softmax.cost(top)
}
