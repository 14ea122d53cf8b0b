//! The engine of losses that look at one element of each input at a time, for those here and for one's own.
//!
//! A loss says its value and its slopes as branch-free scalar functions; the engine checks shapes, walks any layout
//! block by block in the cache, sums in `f64` in fixed chunks, and records one node.
//!
//! ```
//! use losses::autograd::{gradcheck, gradgradcheck};
//! use losses::elementwise::{Pointwise, apply};
//! use losses::prelude::*;
//! use losses::tensor_core::kernel::{Isa, Math};
//!
//! /// Cauchy's loss `ln(1 + d²/2)` with `d = x - t`, for values with far outliers.
//! #[derive(Clone)]
//! struct Cauchy;
//!
//! impl<T: Float> Pointwise<T, 2> for Cauchy {
//!     const NAME: &'static str = "cauchy_loss";
//!     #[inline(always)]
//!     fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
//!         let d = x - t;
//!         (T::of(0.5) * d * d).log1p::<I>()
//!     }
//!     #[inline(always)]
//!     fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
//!         let d = x - t;
//!         let by_x = d / (T::ONE + T::of(0.5) * d * d);
//!         if K == 0 { by_x } else { -by_x }
//!     }
//!     fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
//!         Ok(v[0].sub(&v[1])?.square().mul(0.5)?.log1p())
//!     }
//! }
//!
//! let cauchy = |v: &[Var<f64>]| apply(Cauchy, [&v[0], &v[1]], None, Reduction::Mean);
//! let (x, t) = (Tensor::from([0.5, -2.0, 30.0]), Tensor::from([0.0, 1.0, 0.0]));
//! gradcheck(cauchy, &[x.clone(), t.clone()])?; // the slopes are those of the value
//! gradgradcheck(cauchy, &[x, t])?; // and the definition has the same ones
//! # Ok::<(), losses::Error>(())
//! ```

use crate::check::{broadcast_weight, same_shape};
use crate::reduction::Reduction;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::par::{self, Parts};
use autograd::tensor_core::kernel::source::Source;
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch};
use autograd::{Float, Fused, Needs, Result, Tensor, Var, fused};

/// A loss of one element of each of `N` inputs.
pub trait Pointwise<T: Float, const N: usize>: Clone + Send + Sync + 'static {
    /// The loss's name, for messages.
    const NAME: &'static str;
    /// How many additions one value is worth, to decide when threads pay.
    const COST: usize = 2;

    /// The loss of one element; `#[inline(always)]`.
    fn value<I: Isa>(&self, v: [T; N]) -> T;

    /// Its derivative by input `K`; `#[inline(always)]`.
    fn slope<I: Isa, const K: usize>(&self, v: [T; N]) -> T;

    /// The same in plain operations, element by element: what the two above are held against, and what second
    /// derivatives differentiate.
    ///
    /// # Errors
    /// Whatever these operations return.
    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>>;
}

/// Runs a loss of one's own: one operation on the tape, for any layout, on all threads.
///
/// # Formula
/// `w l(x₁, …, x_N)` for each element. `Mean` divides by the number of elements, also with weights.
/// # Shape
/// The inputs have one shape, any; so has the result with [`Reduction::None`], else it is a scalar. `weight` broadcasts to
/// that shape; where it is 0, the element counts for nothing, whatever it is.
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the shapes differ. With none or more than five inputs it does not compile.
/// # Example
/// See the [module](self).
#[track_caller]
pub fn apply<T: Float, P: Pointwise<T, N>, const N: usize>(
    loss: P,
    inputs: [&Var<T>; N],
    weight: Option<&Tensor<T>>,
    reduction: Reduction,
) -> Result<Var<T>> {
    const { assert!(N >= 1 && N <= 5, "a loss has one to five inputs") };
    for other in &inputs[1..] {
        same_shape(P::NAME, "another input", other.shape(), inputs[0].shape())?;
    }
    let weight = weight
        .map(|w| broadcast_weight(P::NAME, "the weight", w, inputs[0].shape()))
        .transpose()?;
    run(loss, inputs, weight, reduction, inputs[0].numel() as f64)
}

/// Runs a loss on inputs of one shape, which the caller has checked with `check::same_shape`.
///
/// `weight` multiplies each element and broadcasts to the inputs' shape; `mean` is what [`Reduction::Mean`] divides by.
#[track_caller]
pub(crate) fn run<T: Float, P: Pointwise<T, N>, const N: usize>(
    loss: P,
    inputs: [&Var<T>; N],
    weight: Option<Tensor<T>>,
    reduction: Reduction,
    mean: f64,
) -> Result<Var<T>> {
    let divisor = reduction.divisor(mean, inputs[0].shape());
    fused(
        ElementwiseN::<T, P, N>(Elementwise {
            loss,
            weight,
            reduction,
            divisor,
        }),
        &inputs,
    )
}

#[derive(Clone)]
struct Elementwise<T: Float, P> {
    loss: P,
    weight: Option<Tensor<T>>,
    reduction: Reduction,
    divisor: f64,
}

/// The inputs' elements, and their weights, as kernels read them.
struct Operands<'a, T, const N: usize> {
    inputs: [Source<'a, T>; N],
    weight: Option<Source<'a, T>>,
}

impl<T: Float, const N: usize> Operands<'_, T, N> {
    /// The length of the next block: as long as every operand can be read in place.
    fn block_len(&self, at: usize, len: usize) -> usize {
        let len = self.inputs.iter().fold(len, |len, x| x.block_len(at, len));
        self.weight.as_ref().map_or(len, |w| w.block_len(at, len))
    }

    /// Calls `f(start, inputs, weight)` for consecutive blocks of positions `start..end`.
    fn each_block(
        &self,
        start: usize,
        end: usize,
        mut f: impl FnMut(usize, [&[T]; N], Option<&[T]>),
    ) {
        let mut stages: [Vec<T>; N] = std::array::from_fn(|_| Vec::new());
        let mut weight_stage = Vec::new();
        let mut at = start;
        while at < end {
            let len = self.block_len(at, end - at);
            let mut blocks: [&[T]; N] = [&[]; N];
            for ((block, x), stage) in blocks.iter_mut().zip(&self.inputs).zip(&mut stages) {
                *block = x.block(at, len, stage);
            }
            f(
                at,
                blocks,
                self.weight
                    .as_ref()
                    .map(|w| w.block(at, len, &mut weight_stage)),
            );
            at += len;
        }
    }
}

/// Element `i` of every input.
#[inline(always)]
fn pack<T: Copy, const N: usize>(inputs: &[&[T]; N], i: usize) -> [T; N] {
    std::array::from_fn(|k| inputs[k][i])
}

/// The values of a block, times their weights.
struct Values<'a, T, P, const N: usize> {
    loss: &'a P,
    inputs: [&'a [T]; N],
    weight: Option<&'a [T]>,
    out: &'a mut [T],
}
impl<T: Float, P: Pointwise<T, N>, const N: usize> Kernel for Values<'_, T, P, N> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.out.len();
        let inputs = self.inputs.map(|x| &x[..n]);
        for (i, o) in self.out.iter_mut().enumerate() {
            *o = self.loss.value::<I>(pack(&inputs, i));
        }
        if let Some(w) = self.weight {
            for (o, &w) in self.out.iter_mut().zip(w) {
                // A weight of zero leaves the element out, whatever it is.
                *o = if w == T::ZERO { T::ZERO } else { *o * w };
            }
        }
    }
}

/// Elements taken at a time, four of the widest vectors: loops of a fixed length have no remainder, and no bounds to
/// check.
const GROUP: usize = 64;

/// The sum of a block's values, times their weights, and on the way the slopes by those inputs that are asked for,
/// times their weights and `g`.
struct Total<'a, 'o, T, P, const N: usize> {
    loss: &'a P,
    inputs: [&'a [T]; N],
    weight: Option<&'a [T]>,
    g: T,
    slopes: Parts<'o, T, N>,
}
impl<T: Float, P: Pointwise<T, N>, const N: usize> Kernel for Total<'_, '_, T, P, N> {
    type Out = f64;
    #[inline(always)]
    fn run<I: Isa>(mut self) -> f64 {
        let n = self.inputs[0].len();
        let (whole, rest) = (n / GROUP, n % GROUP);
        // A copy of its own: what stands behind a reference would be read anew after each write of a slope.
        let loss = self.loss.clone();
        let (group, mut sums) = (Group::<T, P, N>(&loss, self.g), [0.0f64; LANES]);
        let inputs = self.inputs.map(|x| x.as_chunks::<GROUP>().0);
        let weight = self.weight.map(|w| w.as_chunks::<GROUP>().0);
        let mut slopes =
            (self.slopes.each_mut()).map(|dx| dx.as_mut().map(|dx| dx.as_chunks_mut::<GROUP>().0));
        for j in 0..whole {
            let inputs = inputs.map(|x| &x[j]);
            let slopes = slopes.each_mut().map(|dx| dx.as_mut().map(|dx| &mut dx[j]));
            let values = group.run::<I>(inputs, weight.map(|w| &w[j]), slopes);
            add(&mut sums, &values);
        }
        if rest > 0 {
            // What does not fill a group is padded with its last element, and runs through the same code.
            let pad = |x: &[T]| std::array::from_fn(|i| x[(n - rest + i).min(n - 1)]);
            let inputs: [[T; GROUP]; N] = self.inputs.map(pad);
            let weight: Option<[T; GROUP]> = self.weight.map(pad);
            let mut padded = [[T::ZERO; GROUP]; N];
            let mut wanted = padded.each_mut().map(Some);
            for (dx, slope) in wanted.iter_mut().zip(&self.slopes) {
                if slope.is_none() {
                    *dx = None;
                }
            }
            let mut values = group.run::<I>(inputs.each_ref(), weight.as_ref(), wanted);
            values[rest..].fill(T::ZERO);
            add(&mut sums, &values);
            for (dx, padded) in self.slopes.iter_mut().zip(&padded) {
                if let Some(dx) = dx {
                    dx[n - rest..].copy_from_slice(&padded[..rest]);
                }
            }
        }
        sums.iter().sum()
    }
}

/// Sums that are carried side by side.
const LANES: usize = 16;

#[inline(always)]
fn add<T: Float>(sums: &mut [f64; LANES], values: &[T; GROUP]) {
    for part in values.as_chunks::<LANES>().0 {
        sums.iter_mut().zip(part).for_each(|(s, v)| *s += v.f64());
    }
}

/// A loss and the gradient of its elements' values.
struct Group<'a, T, P, const N: usize>(&'a P, T);
impl<T: Float, P: Pointwise<T, N>, const N: usize> Group<'_, T, P, N> {
    #[inline(always)]
    fn run<I: Isa>(
        &self,
        inputs: [&[T; GROUP]; N],
        weight: Option<&[T; GROUP]>,
        mut slopes: [Option<&mut [T; GROUP]>; N],
    ) -> [T; GROUP] {
        let (mut values, at) = ([T::ZERO; GROUP], |i: usize| inputs.map(|x| x[i]));
        // Value and slopes in one loop share what they have in common, an exponential for one.
        match &mut slopes[..] {
            [Some(dx), others @ ..] if others.iter().all(|s| s.is_none()) => {
                for i in 0..GROUP {
                    values[i] = self.0.value::<I>(at(i));
                    dx[i] = strong_zero(self.1, self.0.slope::<I, 0>(at(i)));
                }
            }
            [Some(dx), Some(dy), others @ ..]
                if const { N > 1 } && others.iter().all(|s| s.is_none()) =>
            {
                for i in 0..GROUP {
                    values[i] = self.0.value::<I>(at(i));
                    dx[i] = strong_zero(self.1, self.0.slope::<I, 0>(at(i)));
                    dy[i] = strong_zero(self.1, self.0.slope::<I, 1>(at(i)));
                }
            }
            _ => {
                for (i, value) in values.iter_mut().enumerate() {
                    *value = self.0.value::<I>(at(i));
                }
                for (k, dx) in slopes.iter_mut().enumerate() {
                    match (dx, k) {
                        (None, _) => {}
                        (Some(dx), 1) if const { N > 1 } => self.slope::<I, 1>(inputs, dx),
                        (Some(dx), 2) if const { N > 2 } => self.slope::<I, 2>(inputs, dx),
                        (Some(dx), 3) if const { N > 3 } => self.slope::<I, 3>(inputs, dx),
                        (Some(dx), 4) if const { N > 4 } => self.slope::<I, 4>(inputs, dx),
                        (Some(dx), _) => self.slope::<I, 0>(inputs, dx),
                    }
                }
            }
        }
        if let Some(w) = weight {
            for (value, &w) in values.iter_mut().zip(w) {
                // A weight of zero leaves the element out, whatever it is.
                *value = if w == T::ZERO { T::ZERO } else { *value * w };
            }
            for dx in slopes.into_iter().flatten() {
                let each = dx.iter_mut().zip(w);
                each.for_each(|(d, &w)| *d = strong_zero(w, *d));
            }
        }
        values
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, inputs: [&[T; GROUP]; N], dx: &mut [T; GROUP]) {
        for (i, d) in dx.iter_mut().enumerate() {
            *d = strong_zero(self.1, self.0.slope::<I, K>(inputs.map(|x| x[i])));
        }
    }
}

/// The slopes of a block by input `K`, times their weights and the gradient of the result.
struct Slopes<'a, T, P, const N: usize, const K: usize> {
    loss: &'a P,
    inputs: [&'a [T]; N],
    weight: Option<&'a [T]>,
    dy: &'a [T],
    out: &'a mut [T],
}
impl<T: Float, P: Pointwise<T, N>, const N: usize, const K: usize> Kernel
    for Slopes<'_, T, P, N, K>
{
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.out.len();
        let inputs = self.inputs.map(|x| &x[..n]);
        for ((i, o), &g) in self.out.iter_mut().enumerate().zip(self.dy) {
            *o = strong_zero(g, self.loss.slope::<I, K>(pack(&inputs, i)));
        }
        if let Some(w) = self.weight {
            for (o, &w) in self.out.iter_mut().zip(w) {
                *o = strong_zero(w, *o);
            }
        }
    }
}

/// `g · v`, and 0 where `g` is 0: what counts for nothing costs nothing and has no gradient, however large `v` is.
#[inline(always)]
pub(crate) fn strong_zero<T: Float>(g: T, v: T) -> T {
    if g == T::ZERO { T::ZERO } else { g * v }
}

/// [`strong_zero`] for definitions. What counts for nothing leaves the graph, so that it reaches no slope as an
/// infinity.
#[track_caller]
pub(crate) fn strong_product<T: Float>(g: &Var<T>, v: &Var<T>) -> Result<Var<T>> {
    let counts = v
        .value()
        .zip(g.value(), |v: T, g: T| g != T::ZERO || v.finite())?;
    g.mul(v.keep_where(&counts)?)
}

/// 1, -1 or 0 by the sign of `d`; 0 for NaN, as PyTorch's.
#[inline(always)]
pub(crate) fn sign<T: Float>(d: T) -> T {
    if d > T::ZERO {
        T::ONE
    } else if d < T::ZERO {
        -T::ONE
    } else {
        T::ZERO
    }
}

impl<T: Float, P: Pointwise<T, N>, const N: usize> Fused<T> for ElementwiseN<T, P, N> {
    type Saved = OnTheWay<T, N>;

    fn name(&self) -> &'static str {
        P::NAME
    }

    #[track_caller]
    fn definition(&self, inputs: &[Var<T>]) -> Result<Var<T>> {
        let Elementwise {
            loss,
            weight,
            reduction,
            divisor,
        } = &self.0;
        let mut elements = loss.definition(inputs)?;
        if let Some(w) = weight {
            let counts = w.ne(T::ZERO)?.broadcast_to(elements.shape())?;
            elements = elements.keep_where(&counts)?.mul(Var::from(w))?;
        }
        reduction.apply(&elements, *divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Self::Saved)> {
        if self.0.reduction != Reduction::None {
            return self.total(inputs, [false; N]);
        }
        let Elementwise { loss, weight, .. } = &self.0;
        let operands = operands::<T, N>(inputs, weight);
        let y = Tensor::build(P::NAME, inputs[0].shape(), |out| {
            par::split(out, 1, P::COST, |start, out| {
                operands.each_block(start, start + out.len(), |at, inputs, weight| {
                    let out = &mut out[at - start..][..inputs[0].len()];
                    dispatch(Values {
                        loss,
                        inputs,
                        weight,
                        out,
                    });
                });
            });
        })?;
        Ok((y, std::array::from_fn(|_| None)))
    }

    fn forward_for(&self, inputs: &[&Tensor<T>], needs: Needs) -> Result<(Tensor<T>, Self::Saved)> {
        if self.0.reduction == Reduction::None {
            return self.forward(inputs);
        }
        self.total(inputs, std::array::from_fn(|k| needs.get(k)))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        saved: &Self::Saved,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        (0..N)
            .map(|k| {
                // The constants keep the compiler from making loops for inputs that there are not.
                Ok(match (needs.get(k), &saved[k], k) {
                    (false, ..) => None,
                    (_, Some(dx), _) => Some(scaled(dx, dy.item()?)?),
                    (.., 1) if const { N > 1 } => Some(self.slopes::<1>(inputs, dy)?),
                    (.., 2) if const { N > 2 } => Some(self.slopes::<2>(inputs, dy)?),
                    (.., 3) if const { N > 3 } => Some(self.slopes::<3>(inputs, dy)?),
                    (.., 4) if const { N > 4 } => Some(self.slopes::<4>(inputs, dy)?),
                    _ => Some(self.slopes::<0>(inputs, dy)?),
                })
            })
            .collect()
    }
}

/// The gradients, made on the way forward, of a loss that ends in one number: of those inputs that want one.
pub(crate) type OnTheWay<T, const N: usize> = [Option<Tensor<T>>; N];

/// The gradient `dx`, made for an upstream gradient of 1, for one of `dy`.
pub(crate) fn scaled<T: Float>(dx: &Tensor<T>, dy: T) -> Result<Tensor<T>> {
    if dy == T::ONE {
        Ok(dx.clone())
    } else if dy == T::ZERO {
        Ok(dx.zeros_like())
    } else {
        dx.mul(dy)
    }
}

/// [`Elementwise`] with its number of inputs in its type.
#[derive(Clone)]
struct ElementwiseN<T: Float, P, const N: usize>(Elementwise<T, P>);

impl<T: Float, P: Pointwise<T, N>, const N: usize> ElementwiseN<T, P, N> {
    /// The reduced loss, and on the way the gradients of those inputs that are `wanted`: their data is in the cache.
    fn total(
        &self,
        inputs: &[&Tensor<T>],
        wanted: [bool; N],
    ) -> Result<(Tensor<T>, OnTheWay<T, N>)> {
        let Elementwise {
            loss,
            weight,
            reduction,
            divisor,
        } = &self.0;
        let operands = operands::<T, N>(inputs, weight);
        let g = reduction.scale(&Tensor::scalar(T::ONE), *divisor)?;
        let mut slopes = wanted.map(|_| None);
        for (slope, _) in slopes.iter_mut().zip(wanted).filter(|(_, w)| *w) {
            *slope = Some(Tensor::build(P::NAME, inputs[0].shape(), |_| {})?);
        }
        let outputs = slopes
            .each_mut()
            .map(|s: &mut Option<Tensor<T>>| s.as_mut().and_then(Tensor::own_run));
        let parts = par::collect_split(
            inputs[0].numel(),
            1,
            outputs,
            P::COST,
            |range, mut slopes| {
                let mut sum = 0.0;
                operands.each_block(range.start, range.end, |at, inputs, weight| {
                    let here = at - range.start..at - range.start + inputs[0].len();
                    let slopes = slopes
                        .each_mut()
                        .map(|s| s.as_mut().map(|s| &mut s[here.clone()]));
                    sum += dispatch(Total {
                        loss,
                        inputs,
                        weight,
                        g,
                        slopes,
                    });
                });
                sum
            },
        );
        Ok((reduction.value(parts.iter().sum(), *divisor), slopes))
    }

    /// The gradient of input `K` from a gradient for each element.
    fn slopes<const K: usize>(&self, inputs: &[&Tensor<T>], dy: &Tensor<T>) -> Result<Tensor<T>> {
        let Elementwise { loss, weight, .. } = &self.0;
        let operands = operands::<T, N>(inputs, weight);
        let dy = dy.source();
        Tensor::build(P::NAME, inputs[0].shape(), |out| {
            par::split(out, 1, P::COST + 1, |start, out| {
                let mut stage = Vec::new();
                operands.each_block(start, start + out.len(), |at, inputs, weight| {
                    let n = inputs[0].len();
                    let dy = dy.block(at, n, &mut stage);
                    let out = &mut out[at - start..][..n];
                    dispatch(Slopes::<T, P, N, K> {
                        loss,
                        inputs,
                        weight,
                        dy,
                        out,
                    });
                });
            });
        })
    }
}

fn operands<'a, T: Float, const N: usize>(
    inputs: &[&'a Tensor<T>],
    weight: &'a Option<Tensor<T>>,
) -> Operands<'a, T, N> {
    Operands {
        inputs: std::array::from_fn(|k| inputs[k].source()),
        weight: weight.as_ref().map(|w| w.source()),
    }
}
