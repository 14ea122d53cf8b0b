use super::curve::{self, Curve};
use super::target::{Classes, class_dim};
use crate::check;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Cross entropy with the weight of its first polynomial term changed.
    ///
    /// # Formula
    /// `l = w[t] (-ln p + ε (1 - p))` for each row, with `p = softmax(x)[t]`, the probability of the true class `t`: the
    /// series `-ln p = (1 - p) + (1 - p)²/2 + …` with `1 + ε` as its first coefficient. `Mean` divides by `Σ w[t]` over the
    /// rows that are not ignored.
    ///
    /// Gradient: `w[t] (1 + ε p) (softmax(x) - 1[t])`.
    /// # When to use
    /// As cross entropy, where one parameter more may be tuned: a positive `epsilon` goes on teaching what is learned, a
    /// negative one (from -1) leaves it alone.
    /// # Shape
    /// `x`: `(C)`, `(N, C)` or `(N, C, d…)`; `t`: a scalar, `(N)` or `(N, d…)`; the result is as `t` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Class`](crate::Error::Class) for a class outside
    /// `0..C`, [`Error::Option`](crate::Error::Option) for an `epsilon` that is not finite.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // Both classes have probability 1/2: ln 2 + 1/2.
    /// let x = Var::from(Tensor::from([[0.0f64, 0.0]]));
    /// let loss = poly1_cross_entropy(&x, &Tensor::from([1]))?;
    /// assert!((loss.item()? - (2f64.ln() + 0.5)).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Leng et al., *PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions*, 2022,
    /// arXiv:2204.12511.
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct Poly1CrossEntropy<T> {
        /// What is added to the first coefficient.
        epsilon: f64 = 1.0,
        /// A weight for each class.
        weight: Option<Tensor<T>> = None,
        /// Rows with this target count for nothing.
        ignore_index: i64 = -100,
    }
}

impl<T: Float> Poly1CrossEntropy<T> {
    /// The loss of logits `x` and classes `t`.
    ///
    /// # Errors
    /// See [`Poly1CrossEntropy`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
        let (e, expected) = (self.epsilon, "it must be a finite number");
        check::option(Poly1::NAME, "epsilon", e, e.is_finite(), expected)?;
        let (shape, ignored) = (x.shape(), self.ignore_index);
        let dim = class_dim(Poly1::NAME, shape)?.0;
        let classes = Classes::new(Poly1::NAME, t, shape, ignored, &self.weight)?;
        curve::run(Poly1(e), x, (classes, dim), None, self.reduction)
    }
}

/// [`Poly1CrossEntropy`] with its defaults.
///
/// # Errors
/// See [`Poly1CrossEntropy`].
#[track_caller]
pub fn poly1_cross_entropy<T: Float>(x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
    Poly1CrossEntropy::new().forward(x, t)
}

/// `c + ε (1 - e^-c)`
#[derive(Clone)]
struct Poly1(f64);

impl Curve for Poly1 {
    const NAME: &'static str = "poly1_cross_entropy";

    fn value(&self, c: f64) -> f64 {
        c - self.0 * (-c).exp_m1()
    }

    fn slope(&self, c: f64) -> f64 {
        1.0 + self.0 * (-c).exp()
    }

    #[track_caller]
    fn definition<T: Float>(&self, c: &Var<T>) -> Result<Var<T>> {
        c.sub((-c).expm1().mul(self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "poly1_cross_entropy";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            Poly1CrossEntropy::new()
                .epsilon(case.f64("epsilon", 1.0))
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn without_epsilon_it_is_cross_entropy() -> Result<()> {
        let x = Var::from(Tensor::from([[20.0f32, 0.0, 3.0], [0.5, -1.0, 2.0]]));
        let t = Tensor::from([0, 1]);
        let plain = crate::classification::cross_entropy(&x, &t)?;
        let poly = Poly1CrossEntropy::new().epsilon(0.0).forward(&x, &t)?;
        assert_eq!(poly.item()?, plain.item()?);
        Ok(())
    }

    #[test]
    fn the_message_names_the_option() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let poly = Poly1CrossEntropy::new().epsilon(f64::NAN);
        assert_eq!(
            poly.forward(&x, &Tensor::from([0]))
                .unwrap_err()
                .to_string(),
            "poly1_cross_entropy: epsilon is NaN, but it must be a finite number"
        );
    }
}
