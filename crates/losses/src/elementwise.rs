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
use autograd::tensor_core::kernel::{Isa, dispatch, par, prefetch};
use autograd::{Float, Fused, Needs, Result, Tensor, Var, fused};
use loops::{Slopes, Total, Values, operands};

mod loops;

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
        let far = prefetch::pays(inputs[0].numel() * size_of::<T>());
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
                        far,
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
                let mut dy = dy.reader();
                operands.each_block(start, start + out.len(), |at, inputs, weight| {
                    let n = inputs[0].len();
                    let dy = dy.read(at, n);
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
