use crate::check::same_shape;
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// The Kullback–Leibler divergence of a distribution `x`, given by its logarithms, from a target `t`.
    ///
    /// # Formula
    /// `l = t (ln t - x)` with `0 · ln 0 = 0`; with `log_target`, where `t` holds logarithms, `l = e^t (t - x)`. `Mean`
    /// divides by the number of elements, which is PyTorch's default and not the divergence: for that take
    /// [`Reduction::BatchMean`](crate::Reduction::BatchMean). Gradients: `-t`, and for the target `ln t + 1 - x`; with
    /// `log_target` `-e^t` and `e^t (t - x + 1)`.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[0.25f64.ln(), 0.75f64.ln()]]));
    /// let t = Var::from(Tensor::from([[0.5, 0.5]]));
    /// let kl = KlDiv::new().reduction(Reduction::BatchMean).forward(&x, &t)?.item()?;
    /// assert!((kl - 0.5 * (4.0f64 / 3.0).ln()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Kullback and Leibler, *On Information and Sufficiency*, 1951. PyTorch,
    /// [`kl_div`](https://pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html).
    /// # Differs from PyTorch
    /// Unequal shapes are an error; there they broadcast, and `batchmean` divides by the wrong size. A target of 0 costs
    /// 0 also where `x` is `-inf`, and its own slope is `-inf`; there both are NaN.
    pub struct KlDiv {
        /// Whether the target holds logarithms of probabilities.
        log_target: bool = false,
    }
}

impl KlDiv {
    /// The divergence of log-probabilities `x` from targets `t`.
    ///
    /// # Errors
    /// See [`KlDiv`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        same_shape(NAME, "the target", t.shape(), x.shape())?;
        let mean = x.numel() as f64;
        if self.log_target {
            elementwise::run(FromLogs, [x, t], None, self.reduction, mean)
        } else {
            elementwise::run(FromProbabilities, [x, t], None, self.reduction, mean)
        }
    }
}

/// [`KlDiv`] with its defaults.
///
/// # Errors
/// See [`KlDiv`].
#[track_caller]
pub fn kl_div<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    KlDiv::new().forward(x, t)
}

const NAME: &str = "kl_div";

#[derive(Clone)]
struct FromProbabilities;

impl<T: Float> Pointwise<T, 2> for FromProbabilities {
    const NAME: &'static str = NAME;
    const COST: usize = 6;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        if t == T::ZERO {
            T::ZERO
        } else {
            t * (t.ln::<I>() - x)
        }
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        if K == 0 {
            -t
        } else {
            let log = t.ln::<I>();
            // At 0 the steepness of the logarithm wins over any x.
            if t == T::ZERO { log } else { log + T::ONE - x }
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t) = (&v[0], &v[1]);
        let there = t.value().ne(T::ZERO)?;
        t.xlogy(t)?.sub(t.mul(x.keep_where(&there)?)?)
    }
}

#[derive(Clone)]
struct FromLogs;

impl<T: Float> Pointwise<T, 2> for FromLogs {
    const NAME: &'static str = NAME;
    const COST: usize = 6;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let p = t.exp::<I>();
        if p == T::ZERO { T::ZERO } else { p * (t - x) }
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let p = t.exp::<I>();
        if K == 0 {
            -p
        } else if p == T::ZERO {
            T::ZERO
        } else {
            p * (t - x + T::ONE)
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t) = (&v[0], &v[1]);
        let there = t.value().exp().ne(T::ZERO)?;
        let (x, t) = (x.keep_where(&there)?, t.keep_where(&there)?);
        t.exp().mul(t.sub(&x)?)?.keep_where(&there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let options = KlDiv::new()
                .log_target(case.bool("log_target", false))
                .reduction(case.reduction());
            options.forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }
}
