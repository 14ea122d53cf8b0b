use super::bregman::bregman;
use crate::check::same_shape;
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// The Kullback–Leibler divergence of normal distributions from the standard normal one.
    ///
    /// # When to use
    /// The term that holds the codes of a variational autoencoder together. Its sum over a code is that code's
    /// divergence: take [`Reduction::BatchMean`](crate::Reduction::BatchMean) beside a likelihood that is summed over the
    /// elements of a sample, and `Mean` beside one that is their mean.
    /// # Formula
    /// `l = (e^s - 1 - s + mu²) / 2` with `s = logvar`; `Mean` divides by the number of elements. Gradients: `mu`, and
    /// `(e^s - 1) / 2` for `s`.
    /// # Shape
    /// `mu` and `logvar` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else
    /// it is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let mu = Var::from(Tensor::from([[0.0f64, 2.0]]));
    /// let logvar = Var::from(Tensor::from([[0.0, 0.0]]));
    /// assert_eq!(GaussianKl::new().reduction(Reduction::BatchMean).forward(&mu, &logvar)?.item()?, 2.0);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Kingma and Welling, *Auto-Encoding Variational Bayes*, 2014, [arXiv:1312.6114](https://arxiv.org/abs/1312.6114),
    /// appendix B.
    /// # Differs from PyTorch
    /// PyTorch has no such loss. As it is usually written, `-(1 + s - mu² - e^s) / 2`, it cancels near the goal: at
    /// `s = 1e-4` in `f32` nothing of it is left, or it is negative.
    pub struct GaussianKl {}
}

impl GaussianKl {
    /// The divergence of normal distributions with means `mu` and logarithms of variances `logvar`.
    ///
    /// # Errors
    /// See [`GaussianKl`].
    #[track_caller]
    pub fn forward<T: Float>(&self, mu: &Var<T>, logvar: &Var<T>) -> Result<Var<T>> {
        let op = <Kl as Pointwise<T, 2>>::NAME;
        same_shape(op, "the log-variance", logvar.shape(), mu.shape())?;
        elementwise::run(Kl, [mu, logvar], None, self.reduction, mu.numel() as f64)
    }
}

/// [`GaussianKl`] with its defaults.
///
/// # Errors
/// See [`GaussianKl`].
#[track_caller]
pub fn gaussian_kl<T: Float>(mu: &Var<T>, logvar: &Var<T>) -> Result<Var<T>> {
    GaussianKl::new().forward(mu, logvar)
}

#[derive(Clone)]
struct Kl;

impl<T: Float> Pointwise<T, 2> for Kl {
    const NAME: &'static str = "gaussian_kl";
    const COST: usize = 10;

    #[inline(always)]
    fn value<I: Isa>(&self, [mu, s]: [T; 2]) -> T {
        T::of(0.5) * (bregman::<I, T>(s) + mu * mu)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [mu, s]: [T; 2]) -> T {
        if K == 0 {
            mu
        } else {
            T::of(0.5) * s.expm1::<I>()
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (mu, s) = (&v[0], &v[1]);
        s.expm1().sub(s)?.add(mu.square())?.mul(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::Tensor;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "gaussian_kl";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            // Fixtures name their inputs in the order of the alphabet.
            let options = GaussianKl::new().reduction(case.reduction());
            options.forward(&v[1], &v[0])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Near the goal it is `s²/4 + mu²/2`, and never negative.
    #[test]
    fn small_divergences_keep_their_digits() {
        let s = [1e-4f32, -1e-4, 1e-6, 1e-3, 0.0, -50.0, 80.0];
        let x = [Tensor::zeros([s.len()]).unwrap(), Tensor::from(s)];
        let none = GaussianKl::new().reduction(crate::Reduction::None);
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        let exact = s.map(|s| {
            let s = f64::from(s);
            // The series, whose next term is below 1e-13 of it.
            let near = s * s / 4.0 * (1.0 + s / 3.0 + s * s / 12.0 + s * s * s / 60.0);
            if s.abs() < 0.01 {
                near
            } else {
                0.5 * (s.exp_m1() - s)
            }
        });
        assert_near(&value, &exact, 3e-7);
        assert_near(&slopes[1], &s.map(|s| 0.5 * f64::from(s).exp_m1()), 3e-7);
        assert!(value.iter().all(|v| *v >= 0.0));
    }

    #[test]
    fn unequal_shapes_are_named() {
        let mu = Var::from(Tensor::<f32>::zeros([2, 3]).unwrap());
        let e = gaussian_kl(&mu, &Var::from(Tensor::zeros([3]).unwrap())).unwrap_err();
        assert_eq!(
            e.to_string(),
            "gaussian_kl: the log-variance has shape [3], but the input has shape [2, 3]: they must agree, as nothing \
             is broadcast in a loss"
        );
    }
}
