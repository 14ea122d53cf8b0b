use crate::check::{self, broadcast_weight, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Binary cross entropy of probabilities.
    ///
    /// For a network's last layer take [`BinaryCrossEntropyWithLogits`](crate::binary::BinaryCrossEntropyWithLogits):
    /// a probability in `f32` is exactly 1 from a logit of 17 on, and its gradient is lost.
    ///
    /// # Formula
    /// `l = -w (t · max(ln x, -100) + (1 - t) · max(ln(1 - x), -100))`; `Mean` divides by the number of elements, also
    /// with weights. Gradients: `w (x - t) / max(x (1 - x), 1e-12)`, and for the target `w (ln(1 - x) - ln x)` with the
    /// same floors as in `l`.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Value`](crate::Error::Value) for an input or a target outside `0..=1`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let p = Var::from(Tensor::from([0.5f64, 0.25]));
    /// let t = Var::from(Tensor::from([1.0, 0.0]));
    /// let loss = BinaryCrossEntropy::new().reduction(Reduction::Sum).forward(&p, &t)?;
    /// assert!((loss.item()? - (2f64.ln() - 0.75f64.ln())).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`binary_cross_entropy`](https://pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy.html).
    /// # Differs from PyTorch
    /// - Not in the numbers of input: the logarithms end at -100 and the gradient's denominator at 1e-12.
    /// - The slope of the target is that of the value, and so at most 100; there it is infinite where a probability is 0
    ///   or 1.
    /// - The error names the first value that is no probability.
    pub struct BinaryCrossEntropy<T> {
        /// A weight for each element, which broadcasts to the target's shape.
        weight: Option<Tensor<T>> = None,
    }
}

impl<T: Float> BinaryCrossEntropy<T> {
    /// The loss of probabilities `x` and targets `t`.
    ///
    /// # Errors
    /// See [`BinaryCrossEntropy`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <Bce as Pointwise<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        for (what, v) in [("input", x), ("target", t)] {
            check::elements(
                op,
                what,
                v.value(),
                |p| !(T::ZERO..=T::ONE).contains(&p),
                "a probability lies in 0..=1; for logits use `binary_cross_entropy_with_logits`",
            )?;
        }
        let weight = match &self.weight {
            Some(w) => Some(broadcast_weight(op, "the weight", w, x.shape())?),
            None => None,
        };
        elementwise::run(Bce, [x, t], weight, self.reduction, x.numel() as f64)
    }
}

/// [`BinaryCrossEntropy`] with its defaults.
///
/// # Errors
/// See [`BinaryCrossEntropy`].
#[track_caller]
pub fn binary_cross_entropy<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    BinaryCrossEntropy::new().forward(x, t)
}

#[derive(Clone)]
struct Bce;

/// The least logarithm: a probability of exactly 0 costs 100.
const LOWEST_LOG: f64 = -100.0;
/// The least denominator of the gradient; PyTorch has it in single precision also for doubles.
const LOWEST_VARIANCE: f64 = 1e-12f32 as f64;

impl<T: Float> Pointwise<T, 2> for Bce {
    const NAME: &'static str = "binary_cross_entropy";
    const COST: usize = 12;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let low = T::of(LOWEST_LOG);
        let (yes, no) = (x.ln_short::<I>().max_(low), (-x).log1p::<I>().max_(low));
        // The smaller product is rounded by itself, and what `1 - t` lost goes to it; the larger one only with the sum.
        let others = T::ONE - t;
        let lost = T::ONE - others - t;
        let (own, other) = (t * yes, others * no);
        let (share, log, smaller) = if own < other {
            (t, yes, other)
        } else {
            (others, no, own)
        };
        -share.mul_add_::<I>(log, lost.mul_add_::<I>(no, smaller))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        if K == 0 {
            (x - t) / (x * (T::ONE - x)).max_(T::of(LOWEST_VARIANCE))
        } else {
            let low = T::of(LOWEST_LOG);
            (-x).log1p::<I>().max_(low) - x.ln_short::<I>().max_(low)
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        // Beyond the floors PyTorch's gradient goes on, so it is written as its own formula: `x - t` over the floored
        // variance, integrated where the floor does not hold.
        let (x, t) = (&v[0], &v[1]);
        let low = T::of(LOWEST_LOG);
        let yes = t.mul(floored_log(x, low)?)?;
        let no = (-t + 1.0).mul(floored_log(&(-x + 1.0), low)?)?;
        Ok(-(yes + no))
    }
}

/// `max(ln x, low)`, whose slope at 0 is that of the floored variance and not 0.
#[track_caller]
fn floored_log<T: Float>(x: &Var<T>, low: T) -> Result<Var<T>> {
    let floor = x.value().log().lt(low)?;
    let steep = x.mul(1.0 / LOWEST_VARIANCE)?.add(low)?;
    x.log().where_(&floor.logical_not(), steep)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "binary_cross_entropy";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            BinaryCrossEntropy::new()
                .weight(case.tensor("weight"))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }
}
