use super::info_nce::inverse;
use super::pairs::{self, PairLoss, RowPass, contrast, cross_entropy};
use super::vector::check_matrix;
use crate::check::same_shape;
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Draws two views of each sample together, and away from all other views: the normalised, temperature-scaled cross
    /// entropy of SimCLR.
    ///
    /// # Formula
    /// Of the `2N` views `z`, first those of `input1`, then those of `input2`, each has a partner `p(i)`, the other view
    /// of its sample. With cosines `s` and `k = 1 / temperature`: `l[i] = ln Σ_{j ≠ i} e^(k s[i, j]) - k s[i, p(i)]`.
    /// `Mean` divides by `2N`. Gradient of the cosines: `k (softmax - [j = p(i)])` without the diagonal; of a vector `z`
    /// from that of its direction `ẑ`: `(g - (g · ẑ) ẑ) / ‖z‖`.
    /// # Shape
    /// `input1` and `input2`: `(N, D)`; the result is `(2N)` with [`Reduction::None`](crate::Reduction::None), else a
    /// scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Option`](crate::Error::Option) if `temperature`
    /// is not above 0.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // Both views of a sample agree, and those of the two samples are at right angles: ln(1 + 2 e^-1).
    /// let a = Var::from(Tensor::from([[1.0f64, 0.0], [0.0, 3.0]]));
    /// let b = Var::from(Tensor::from([[2.0f64, 0.0], [0.0, 1.0]]));
    /// let loss = Ntxent::new().temperature(1.0).forward(&a, &b)?;
    /// assert!((loss.item()? - (2.0 * (-1f64).exp()).ln_1p()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// For learning from two augmented views of each sample, in large batches. Where the two inputs are of different
    /// kinds, so that members of one kind are no negatives of each other, [`clip_loss`](super::clip_loss) or
    /// [`info_nce`](super::info_nce). Without negatives there are [`vicreg_loss`](crate::selfsup::vicreg_loss) and
    /// [`barlow_twins_loss`](crate::selfsup::barlow_twins_loss).
    /// # Reference
    /// Chen et al., *A Simple Framework for Contrastive Learning of Visual Representations*,
    /// [2002.05709](https://arxiv.org/abs/2002.05709), equation 1.
    /// # Differs from PyTorch
    /// PyTorch does not have it.
    pub struct Ntxent {
        /// What cosines are divided by: the smaller, the more the nearest of the wrong views count. Above 0.
        temperature: f64 = 0.5,
    }
}

impl Ntxent {
    /// The loss of two views of each sample, one in each input.
    ///
    /// # Errors
    /// See [`Ntxent`].
    #[track_caller]
    pub fn forward<T: Float>(&self, input1: &Var<T>, input2: &Var<T>) -> Result<Var<T>> {
        check_matrix(NAME, "the input", input1.shape())?;
        same_shape(NAME, "the second input", input2.shape(), input1.shape())?;
        let loss = Views {
            k: inverse(NAME, self.temperature)?,
            n: input1.shape()[0],
        };
        let views = Var::cat(&[input1, input2], 0)?;
        pairs::run(loss, &[&views], self.reduction, views.shape()[0] as f64)
    }
}

/// [`Ntxent`] with its defaults.
///
/// # Errors
/// See [`Ntxent`].
#[track_caller]
pub fn ntxent<T: Float>(input1: &Var<T>, input2: &Var<T>) -> Result<Var<T>> {
    Ntxent::new().forward(input1, input2)
}

const NAME: &str = "ntxent";

#[derive(Clone)]
struct Views {
    k: f64,
    n: usize,
}

impl Views {
    fn partner(&self, i: usize) -> usize {
        if i < self.n { i + self.n } else { i - self.n }
    }
}

impl<T: Float> RowPass<T> for Views {
    const NAME: &'static str = NAME;
    type Out = f64;

    #[inline(always)]
    fn row<I: Isa>(&self, i: usize, s: &mut [T]) -> f64 {
        // A view is no candidate for its own partner.
        s[i] = T::LOWEST;
        contrast::<I, T>(s, self.partner(i), self.k)
    }
}

impl<T: Float> PairLoss<T> for Views {
    #[track_caller]
    fn definition(&self, s: &Var<T>) -> Result<Var<T>> {
        let n = 2 * self.n;
        let own = Tensor::<bool>::eye(n, n)?;
        let partners = (0..n).map(|i| self.partner(i) as i64).collect();
        let z = s.mul(self.k)?.masked_fill(&own, T::LOWEST)?;
        cross_entropy(&z, &Tensor::from_vec(partners, [n])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "ntxent";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            Ntxent::new()
                .temperature(case.f64("temperature", 0.5))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// With one sample there is nothing but the partner.
    #[test]
    fn one_sample_costs_nothing() {
        let tape = Tape::new();
        let (a, b) = (
            tape.leaf(Tensor::from([[1.0f32, 2.0]])),
            tape.leaf(Tensor::from([[-3.0f32, 1.0]])),
        );
        let loss = ntxent(&a, &b).unwrap();
        assert_eq!(loss.item().unwrap(), 0.0);
        let grads = loss.backward().unwrap();
        assert_eq!(grads.get(&a).unwrap().to_vec(), [0.0, 0.0]);
        assert_eq!(grads.get(&b).unwrap().to_vec(), [0.0, 0.0]);
    }

    #[test]
    fn the_order_of_the_views_does_not_count() {
        let a = Var::from(Tensor::from([[1.0, 2.0], [-0.5, 1.0], [0.3, -2.0]]));
        let b = Var::from(Tensor::from([[0.5, 1.5], [-1.0, 0.2], [1.0, -1.0]]));
        let loss = |a: &Var<f64>, b| ntxent(a, b).unwrap().item().unwrap();
        assert!((loss(&a, &b) - loss(&b, &a)).abs() < 1e-14);
    }

    #[test]
    fn the_message_shows_both_shapes() {
        let (a, b) = (
            Tensor::<f32>::zeros([2, 3]).unwrap(),
            Tensor::zeros([3, 3]).unwrap(),
        );
        assert_eq!(
            ntxent(&a.into(), &b.into()).unwrap_err().to_string(),
            "ntxent: the second input has shape [3, 3], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss"
        );
    }
}
