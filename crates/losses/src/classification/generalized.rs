use super::curve::{self, Curve};
use super::target::{Classes, class_dim};
use crate::check;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Between cross entropy and the absolute error of the probability: a loss that bears with wrong labels.
    ///
    /// # Formula
    /// `l = w[t] (1 - p^q) / q` for each row, with `p = softmax(x)[t]`, the probability of the true class `t`. As `q` goes to
    /// 0 it becomes cross entropy; with `q = 1` it is `1 - p`. `Mean` divides by `Σ w[t]` over the rows that are not
    /// ignored.
    ///
    /// Gradient: `w[t] p^q (softmax(x) - 1[t])`: what the model finds impossible pulls little.
    /// # When to use
    /// Where some labels are wrong. With clean labels it learns more slowly than
    /// [`cross_entropy`](super::cross_entropy()), the more so the larger `q` is.
    /// # Shape
    /// `x`: `(C)`, `(N, C)` or `(N, C, d…)`; `t`: a scalar, `(N)` or `(N, d…)`; the result is as `t` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Class`](crate::Error::Class) for a class outside
    /// `0..C`, [`Error::Option`](crate::Error::Option) for a `q` that does not lie above 0 and up to 1.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[0.0f64, 0.0]])); // both classes have probability 1/2
    /// let loss = GeneralizedCrossEntropy::new().q(1.0).forward(&x, &Tensor::from([1]))?;
    /// assert!((loss.item()? - 0.5).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Zhang and Sabuncu, *Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels*, 2018,
    /// arXiv:1805.07836.
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct GeneralizedCrossEntropy<T> {
        /// The power of the probability, above 0 and up to 1.
        q: f64 = 0.7,
        /// A weight for each class.
        weight: Option<Tensor<T>> = None,
        /// Rows with this target count for nothing.
        ignore_index: i64 = -100,
    }
}

impl<T: Float> GeneralizedCrossEntropy<T> {
    /// The loss of logits `x` and classes `t`.
    ///
    /// # Errors
    /// See [`GeneralizedCrossEntropy`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
        let q = self.q;
        let holds = q > 0.0 && q <= 1.0;
        check::option(
            Power::NAME,
            "q",
            q,
            holds,
            "it must lie above 0 and up to 1",
        )?;
        let (shape, ignored) = (x.shape(), self.ignore_index);
        let dim = class_dim(Power::NAME, shape)?.0;
        let classes = Classes::new(Power::NAME, t, shape, ignored, &self.weight)?;
        curve::run(Power(q), x, (classes, dim), None, self.reduction)
    }
}

/// [`GeneralizedCrossEntropy`] with its defaults.
///
/// # Errors
/// See [`GeneralizedCrossEntropy`].
#[track_caller]
pub fn generalized_cross_entropy<T: Float>(x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
    GeneralizedCrossEntropy::new().forward(x, t)
}

/// `(1 - e^-qc) / q`
#[derive(Clone)]
struct Power(f64);

impl Curve for Power {
    const NAME: &'static str = "generalized_cross_entropy";

    fn value(&self, c: f64) -> f64 {
        -(-self.0 * c).exp_m1() / self.0
    }

    fn slope(&self, c: f64) -> f64 {
        (-self.0 * c).exp()
    }

    #[track_caller]
    fn definition<T: Float>(&self, c: &Var<T>) -> Result<Var<T>> {
        c.mul(-self.0)?.expm1().mul(-1.0 / self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "generalized_cross_entropy";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            GeneralizedCrossEntropy::new()
                .q(case.f64("q", 0.7))
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn an_impossible_row_costs_no_more_than_its_bound_and_pulls_nothing() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[f32::NEG_INFINITY, 0.0], [-1e4, 1e4]]));
        let loss = GeneralizedCrossEntropy::new().q(0.5);
        let loss = loss.reduction(crate::Reduction::None);
        let y = loss.forward(&x, &Tensor::from([0, 0]))?;
        assert_eq!(y.value().to_vec(), [2.0, 2.0]);
        let grads = y.backward_with(&Tensor::from([1.0, 1.0]))?;
        assert_eq!(grads.get(&x)?.to_vec(), [0.0; 4]);
        Ok(())
    }

    #[test]
    fn ignored_rows_and_weights() -> Result<()> {
        // With q = 1 a row costs 1 - p: 1/2, 2/3 and, of the ignored one, nothing.
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([
            [0.0f64, 0.0, f64::NEG_INFINITY],
            [0.0, 0.0, 0.0],
            [f64::NAN, 0.0, 1.0],
        ]));
        let loss = GeneralizedCrossEntropy::new()
            .q(1.0)
            .weight(Tensor::from([1.0, 3.0, 0.0]))
            .ignore_index(2);
        let y = loss.forward(&x, &Tensor::from([0, 1, 2]))?;
        assert!(
            (y.item()? - (0.5 + 3.0 * 2.0 / 3.0) / 4.0).abs() < 1e-15,
            "{y}"
        );
        let dx = y.backward()?.get(&x)?.to_vec();
        assert_eq!(dx[6..], [0.0; 3]);
        // p (p - 1) / 4 for the true class of the first row.
        assert!((dx[0] + 0.25 / 4.0).abs() < 1e-15, "{dx:?}");
        Ok(())
    }
}
