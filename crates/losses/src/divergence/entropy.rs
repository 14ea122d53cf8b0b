use crate::reduction::Reduction;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::lanes::{WIDTH, groups, sum_lanes};
use autograd::tensor_core::kernel::softmax::LogSum;
use autograd::{Error, Float, Result, Var};

/// The entropy of categorical distributions, given as probabilities along `dim`.
///
/// # Formula
/// `H = -Σ p ln p` with `0 · ln 0 = 0`, in nats. Gradient: `-(ln p + 1)`, which is `inf` at `p = 0`.
/// # Shape
/// `p`: any; the result lacks dimension `dim`.
/// # Errors
/// [`Error::Dim`] for a dimension that is not there, [`Error::Value`] for a negative probability. Rows need not sum to 1.
/// # Example
/// ```
/// use losses::prelude::*;
/// let p = Var::from(Tensor::from([[0.5f64, 0.5], [1.0, 0.0]]));
/// let h = entropy(&p, 1)?;
/// assert_eq!(h.value().to_vec(), [2f64.ln(), 0.0]);
/// # Ok::<(), losses::Error>(())
/// ```
/// # Reference
/// Shannon, *A Mathematical Theory of Communication*, 1948. PyTorch,
/// [`Categorical.entropy`](https://pytorch.org/docs/stable/distributions.html#torch.distributions.categorical.Categorical.entropy).
/// # Differs from PyTorch
/// A probability of 0 is 0 here; there it is raised to the smallest positive number.
#[track_caller]
pub fn entropy<T: Float>(p: &Var<T>, dim: isize) -> Result<Var<T>> {
    let op = <FromProbabilities as RowLoss<T, 1>>::NAME;
    let dim = p.value().dim_index(op, dim)?;
    if let Some((at, v)) = p.value().find(|v| v < T::ZERO) {
        let expected = "a probability is not negative; for logits use `entropy_with_logits`";
        return Err(Error::Value {
            op,
            what: "p",
            at,
            value: v.to_string(),
            expected,
        });
    }
    rowwise::run(
        FromProbabilities { dim: dim as isize },
        [p],
        dim,
        Reduction::None,
        1.0,
    )
}

/// The entropy of categorical distributions, given by logits along `dim`.
///
/// # Formula
/// `H = Σ p (lse(x) - x)` with `p = softmax(x)` and `lse(x) = ln Σ e^x`. Gradient: `p ((lse(x) - x) - H)` with the sign
/// turned, `-p (ln p + H)`.
/// # Shape
/// `x`: any; the result lacks dimension `dim`.
/// # Errors
/// [`Error::Dim`] for a dimension that is not there.
/// # Example
/// ```
/// use losses::prelude::*;
/// let x = Var::from(Tensor::from([[3.0f64, 3.0], [1e4, -1e4]]));
/// assert_eq!(entropy_with_logits(&x, 1)?.value().to_vec(), [2f64.ln(), 0.0]);
/// # Ok::<(), losses::Error>(())
/// ```
/// # Reference
/// As [`entropy`].
/// # Differs from PyTorch
/// Classes with a logit of `-inf` have no part in it.
#[track_caller]
pub fn entropy_with_logits<T: Float>(x: &Var<T>, dim: isize) -> Result<Var<T>> {
    let op = <FromLogits as RowLoss<T, 1>>::NAME;
    let dim = x.value().dim_index(op, dim)?;
    rowwise::run(
        FromLogits { dim: dim as isize },
        [x],
        dim,
        Reduction::None,
        1.0,
    )
}

#[derive(Clone)]
struct FromProbabilities {
    dim: isize,
}

impl<T: Float> RowLoss<T, 1> for FromProbabilities {
    const NAME: &'static str = "entropy";
    type Keep = ();

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [p]: [&[T]; 1]) -> (f64, ()) {
        let mut sums = [0.0; WIDTH];
        for group in groups(p, T::ZERO) {
            for (s, &p) in sums.iter_mut().zip(&group) {
                *s -= if p == T::ZERO {
                    0.0
                } else {
                    (p * p.ln::<I>()).f64()
                };
            }
        }
        (sum_lanes(&sums), ())
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, _: usize, [p]: [&[T]; 1], _: (), g: T, dx: &mut [T]) {
        for (d, &p) in dx.iter_mut().zip(p) {
            *d = -(p.ln::<I>() + T::ONE) * g;
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        // The slope of `xlogy(p, p)` at 0 is that of the logarithm: infinite.
        let terms = v[0].xlogy(&v[0])?;
        scalar_or_sum(&terms, self.dim).map(|h| -h)
    }
}

/// The sum along `dim`; a scalar is its own sum.
#[track_caller]
fn scalar_or_sum<T: Float>(x: &Var<T>, dim: isize) -> Result<Var<T>> {
    if x.ndim() == 0 {
        Ok(x.clone())
    } else {
        x.sum(dim)
    }
}

#[derive(Clone)]
struct FromLogits {
    dim: isize,
}

impl<T: Float> RowLoss<T, 1> for FromLogits {
    const NAME: &'static str = "entropy_with_logits";
    /// Maximum of the row, `ln Σ e^(x - max)`, and the entropy.
    type Keep = (f64, f64, f64);

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [x]: [&[T]; 1]) -> (f64, Self::Keep) {
        let sum = LogSum::of::<I>(x);
        let log = if sum.max.finite() {
            sum.rest.ln_1p()
        } else {
            f64::NAN
        };
        let mut sums = [0.0; WIDTH];
        for group in groups(x, T::LOWEST) {
            for (s, &x) in sums.iter_mut().zip(&group) {
                let p = (x - sum.max).exp::<I>();
                *s += if p == T::ZERO {
                    0.0
                } else {
                    p.f64() * (log + (sum.max - x).f64())
                };
            }
        }
        let h = sum_lanes(&sums) / (1.0 + sum.rest);
        (h, (sum.max.f64(), log, h))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        [x]: [&[T]; 1],
        keep: Self::Keep,
        g: T,
        dx: &mut [T],
    ) {
        let (max, log, h) = keep;
        let (max, log, shift) = (T::of(max), T::of(log), T::of(log - h));
        for (d, &x) in dx.iter_mut().zip(x) {
            let z = x - max;
            let p = (z - log).exp::<I>();
            *d = if p == T::ZERO {
                T::ZERO
            } else {
                p * (shift - z) * g
            };
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let log = v[0].log_softmax(self.dim)?;
        let some = log.value().exp().ne(T::ZERO)?;
        let log = log.keep_where(&some)?;
        let p = v[0].softmax(self.dim)?.keep_where(&some)?;
        scalar_or_sum(&p.mul(log)?, self.dim).map(|h| -h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "entropy";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let dim = case.i64("dim", -1) as isize;
            if case.bool("logits", false) {
                entropy_with_logits(&v[0], dim)
            } else {
                entropy(&v[0], dim)
            }
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }
}
