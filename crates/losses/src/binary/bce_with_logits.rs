use crate::check::{self, broadcast_weight, same_shape};
use crate::elementwise::{self, Pointwise, strong_product, strong_zero};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Binary cross entropy of logits: the usual loss of yes-or-no predictions, one or many to a sample.
    ///
    /// # Formula
    /// `l = w ((1 - t) · softplus(x) + p t · softplus(-x))` with `p = pos_weight`; `Mean` divides by the number of
    /// elements, also with weights. Gradients: `w ((1 - t) σ(x) - p t σ(-x))`, and for the target
    /// `w (p · softplus(-x) - softplus(x))`.
    ///
    /// A target says how probable "yes" is, from 0 to 1. One outside of that is taken as it is, as in PyTorch; its loss
    /// falls below 0 and has no minimum.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes of input and target differ, or a weight does not broadcast to
    /// them; [`Error::Option`](crate::Error::Option) for a `label_smoothing` outside `0..=1`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([100.0f32, -100.0]));
    /// let t = Var::from(Tensor::from([1.0, 1.0]));
    /// let loss = BinaryCrossEntropyWithLogits::new().reduction(Reduction::None).forward(&x, &t)?;
    /// assert_eq!(loss.value()[[1]], 100.0);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`binary_cross_entropy_with_logits`](https://pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html).
    /// # Differs from PyTorch
    /// The gradient is a sum of two products that cannot cancel: there `σ(x) - t` is exactly 0 for a confident and right
    /// prediction from `x = 17` on in `f32`, here it is `-4.1e-8`. At infinite logits value and gradient are the limits;
    /// there they are NaN. `label_smoothing` is not there; it is Keras's.
    pub struct BinaryCrossEntropyWithLogits<T> {
        /// A weight for each element, which broadcasts to the target's shape.
        weight: Option<Tensor<T>> = None,
        /// The weight of the positive targets, which broadcasts to the target's shape.
        pos_weight: Option<Tensor<T>> = None,
        /// The share `ε` by which targets are drawn towards 1/2: `t` counts as `(1 - ε) t + ε / 2`.
        label_smoothing: f64 = 0.0,
    }
}

impl<T: Float> BinaryCrossEntropyWithLogits<T> {
    /// The loss of logits `x` and targets `t`.
    ///
    /// # Errors
    /// See [`BinaryCrossEntropyWithLogits`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <BceWithLogits as Pointwise<T, 3>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let spread = |what, w: &Option<Tensor<T>>| -> Result<Option<Tensor<T>>> {
            w.as_ref()
                .map(|w| broadcast_weight(op, what, w, x.shape()))
                .transpose()
        };
        let share = self.label_smoothing;
        let expected = "it must lie between 0 and 1";
        check::option(
            op,
            "label_smoothing",
            share,
            (0.0..=1.0).contains(&share),
            expected,
        )?;
        let t = match share {
            0.0 => t,
            _ => &t.mul(1.0 - share)?.add(0.5 * share)?,
        };
        let weight = spread("the weight", &self.weight)?;
        let mean = x.numel() as f64;
        match spread("the pos_weight", &self.pos_weight)? {
            None => elementwise::run(BceWithLogits, [x, t], weight, self.reduction, mean),
            Some(p) => elementwise::run(
                BceWithLogits,
                [x, t, &Var::from(p)],
                weight,
                self.reduction,
                mean,
            ),
        }
    }
}

/// [`BinaryCrossEntropyWithLogits`] with its defaults.
///
/// # Errors
/// See [`BinaryCrossEntropyWithLogits`].
#[track_caller]
pub fn binary_cross_entropy_with_logits<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    BinaryCrossEntropyWithLogits::new().forward(x, t)
}

/// How much the label that `x` speaks against counts, of the weights of both.
#[inline(always)]
fn against<T: Float>(x: T, [no, yes]: [T; 2]) -> T {
    if x < T::ZERO { yes } else { no }
}

/// `no softplus(x) + yes softplus(-x)`, where `all` is `no + yes`.
#[inline(always)]
fn cost<I: Isa, T: Float>(x: T, weights: [T; 2], all: T) -> T {
    // `softplus(±x)` is `max(±x, 0) + log`, and the logarithm counts for both labels. At an infinite logit the label that
    // does not hold costs nothing.
    let log = (-x.abs_()).softplus_nonpositive::<I>();
    strong_zero(all, log) + strong_zero(against(x, weights), x.abs_())
}

/// `no σ(x) - yes σ(-x)`, where `all` is `no + yes`.
#[inline(always)]
fn slope<I: Isa, T: Float>(x: T, weights: [T; 2], all: T) -> T {
    // With e^-|x| the shares of the labels are 1 and e over 1 + e: one division, and the exponential is the cost's.
    let e = (-x.abs_()).exp_nonpositive::<I>();
    let large = against(x, weights);
    let size = (large - all).mul_add_::<I>(e, large) / (T::ONE + e);
    if x < T::ZERO { -size } else { size }
}

#[derive(Clone)]
pub(super) struct BceWithLogits;

impl<T: Float> Pointwise<T, 3> for BceWithLogits {
    const NAME: &'static str = "binary_cross_entropy_with_logits";
    const COST: usize = 12;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t, p]: [T; 3]) -> T {
        let weights = [T::ONE - t, p * t];
        cost::<I, T>(x, weights, weights[0] + weights[1])
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t, p]: [T; 3]) -> T {
        if K == 0 {
            let weights = [T::ONE - t, p * t];
            slope::<I, T>(x, weights, weights[0] + weights[1])
        } else if K == 1 {
            p * (-x).softplus::<I>() - x.softplus::<I>()
        } else {
            strong_zero(t, (-x).softplus::<I>())
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t, p) = (&v[0], &v[1], &v[2]);
        let (no, yes) = (-t + 1.0, p.mul(t)?);
        strong_product(&no, &x.softplus())?.add(strong_product(&yes, &(-x).softplus())?)
    }
}

impl<T: Float> Pointwise<T, 2> for BceWithLogits {
    const NAME: &'static str = <Self as Pointwise<T, 3>>::NAME;
    const COST: usize = <Self as Pointwise<T, 3>>::COST;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        cost::<I, T>(x, [T::ONE - t, t], T::ONE)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        if K == 1 {
            // softplus(-x) - softplus(x) = -x
            return -x;
        }
        slope::<I, T>(x, [T::ONE - t, t], T::ONE)
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let one = Var::from(v[0].value().ones_like());
        Pointwise::<T, 3>::definition(self, &[v[0].clone(), v[1].clone(), one])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "binary_cross_entropy_with_logits";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            BinaryCrossEntropyWithLogits::new()
                .weight(case.tensor("weight"))
                .pos_weight(case.tensor("pos_weight"))
                .label_smoothing(case.f64("label_smoothing", 0.0))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }
}
