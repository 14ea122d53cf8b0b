//! The engine of losses that look at one element of each input at a time.
//!
//! A loss says its value and its slopes as branch-free scalar functions; the engine checks shapes, walks any layout
//! block by block in the cache, sums in `f64` in fixed chunks, and records one node.

use crate::reduction::Reduction;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::source::Source;
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
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
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>>;
}

/// Runs a loss on inputs of one shape, which the caller has checked with `check::same_shape`.
///
/// `weight` multiplies each element and broadcasts to the inputs' shape; `mean` is what [`Reduction::Mean`] divides by.
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

/// The sum of a block's values, times their weights.
struct Total<'a, T, P, const N: usize> {
    loss: &'a P,
    inputs: [&'a [T]; N],
    weight: Option<&'a [T]>,
}
impl<T: Float, P: Pointwise<T, N>, const N: usize> Kernel for Total<'_, T, P, N> {
    type Out = f64;
    #[inline(always)]
    fn run<I: Isa>(self) -> f64 {
        const LANES: usize = 16;
        let n = self.inputs[0].len();
        let inputs = self.inputs.map(|x| &x[..n]);
        let mut sums = [0.0f64; LANES];
        let mut start = 0;
        while start < n {
            let len = LANES.min(n - start);
            let mut values = [T::ZERO; LANES];
            if len == LANES {
                // A whole group has a fixed length, so that the compiler makes vectors of it.
                for (i, v) in values.iter_mut().enumerate() {
                    *v = self.loss.value::<I>(pack(&inputs, start + i));
                }
            } else {
                for (i, v) in values[..len].iter_mut().enumerate() {
                    *v = self.loss.value::<I>(pack(&inputs, start + i));
                }
            }
            if let Some(w) = self.weight {
                for (v, &w) in values.iter_mut().zip(&w[start..start + len]) {
                    *v = if w == T::ZERO { T::ZERO } else { *v * w };
                }
            }
            for (s, v) in sums.iter_mut().zip(values) {
                *s += v.f64();
            }
            start += len;
        }
        sums.iter().sum()
    }
}

/// The slopes of a block by input `K`, times their weights and the gradient of the result.
struct Slopes<'a, T, P, const N: usize, const K: usize> {
    loss: &'a P,
    inputs: [&'a [T]; N],
    weight: Option<&'a [T]>,
    dy: Result<&'a [T], T>,
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
        match self.dy {
            Err(g) => {
                for (i, o) in self.out.iter_mut().enumerate() {
                    *o = strong_zero(g, self.loss.slope::<I, K>(pack(&inputs, i)));
                }
            }
            Ok(dy) => {
                for ((i, o), &g) in self.out.iter_mut().enumerate().zip(dy) {
                    *o = strong_zero(g, self.loss.slope::<I, K>(pack(&inputs, i)));
                }
            }
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
pub(crate) fn strong_product<T: Float>(g: &Var<T>, v: &Var<T>) -> Result<Var<T>> {
    let counts = v
        .value()
        .zip(g.value(), |v: T, g: T| g != T::ZERO || v.finite())?;
    g.mul(v.keep_where(&counts))
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
    type Saved = ();

    fn name(&self) -> &'static str {
        P::NAME
    }

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
            elements = elements.keep_where(&counts).mul(Var::from(w))?;
        }
        reduction.apply(&elements, *divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, ())> {
        let Elementwise {
            loss,
            weight,
            reduction,
            divisor,
        } = &self.0;
        let operands = operands::<T, N>(inputs, weight);
        let y = if *reduction == Reduction::None {
            Tensor::build(P::NAME, inputs[0].shape(), |out| {
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
            })?
        } else {
            let parts = par::collect(inputs[0].numel(), P::COST, |range| {
                let mut sum = 0.0;
                operands.each_block(range.start, range.end, |_, inputs, weight| {
                    sum += dispatch(Total {
                        loss,
                        inputs,
                        weight,
                    });
                });
                sum
            });
            reduction.value(parts.iter().sum(), *divisor)
        };
        Ok((y, ()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        _: &(),
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        (0..N)
            .map(|k| {
                Ok(if !needs.get(k) {
                    None
                } else {
                    // The constants keep the compiler from making loops for inputs that there are not.
                    Some(match k {
                        1 if const { N > 1 } => self.slopes::<1>(inputs, dy)?,
                        2 if const { N > 2 } => self.slopes::<2>(inputs, dy)?,
                        3 if const { N > 3 } => self.slopes::<3>(inputs, dy)?,
                        4 if const { N > 4 } => self.slopes::<4>(inputs, dy)?,
                        _ => self.slopes::<0>(inputs, dy)?,
                    })
                })
            })
            .collect()
    }
}

/// [`Elementwise`] with its number of inputs in its type.
#[derive(Clone)]
struct ElementwiseN<T: Float, P, const N: usize>(Elementwise<T, P>);

impl<T: Float, P: Pointwise<T, N>, const N: usize> ElementwiseN<T, P, N> {
    /// The gradient of input `K`.
    fn slopes<const K: usize>(&self, inputs: &[&Tensor<T>], dy: &Tensor<T>) -> Result<Tensor<T>> {
        let Elementwise {
            loss,
            weight,
            reduction,
            divisor,
        } = &self.0;
        let operands = operands::<T, N>(inputs, weight);
        let scale = match reduction {
            Reduction::None => None,
            _ => Some(reduction.scale(dy, *divisor)?),
        };
        let dy = dy.source();
        Tensor::build(P::NAME, inputs[0].shape(), |out| {
            par::split(out, 1, P::COST + 1, |start, out| {
                let mut stage = Vec::new();
                operands.each_block(start, start + out.len(), |at, inputs, weight| {
                    let n = inputs[0].len();
                    let dy = match scale {
                        Some(g) => Err(g),
                        None => Ok(dy.block(at, n, &mut stage)),
                    };
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
