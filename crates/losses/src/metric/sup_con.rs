use super::info_nce::inverse;
use super::pairs::{self, PairLoss, RowPass, Softmax};
use super::vector::{check_labels, check_matrix};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Draws vectors of one label together, and away from those of other labels: contrastive learning with labels.
    ///
    /// # Formula
    /// With cosines `s`, `k = 1 / temperature`, and `P(i)` the other vectors of the label of `i`:
    /// `l[i] = ln Σ_{j ≠ i} e^(k s[i, j]) - mean of k s[i, p] over P(i)`, and 0 where `P(i)` is empty. `Mean` divides by
    /// the number of vectors whose `P(i)` is not. Gradient of the cosines: `k (softmax - [j in P(i)] / |P(i)|)` without
    /// the diagonal; of a vector `x` from that of its direction `x̂`: `(g - (g · x̂) x̂) / ‖x‖`.
    /// # Shape
    /// `input`: `(N, D)`; `target`: `(N)`, any integers as labels; the result is `(N)` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Option`](crate::Error::Option) if `temperature`
    /// is not above 0.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // The two of one label agree, the third, which has none of its own, is at right angles to them.
    /// let x = Var::from(Tensor::from([[1.0f64, 0.0], [2.0, 0.0], [0.0, 1.0]]));
    /// let loss = SupConLoss::new().temperature(1.0).forward(&x, &Tensor::from([7, 7, 9]))?;
    /// assert!((loss.item()? - (-1f64).exp().ln_1p()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// To train an embedding with labels, in batches that hold several vectors of each; for two views of each sample,
    /// join them along the first dimension and repeat the labels. A classifier of fixed classes is simpler by
    /// [`cross_entropy`](crate::classification::cross_entropy), or by
    /// [`margin_softmax_loss`](super::margin_softmax_loss).
    /// # Reference
    /// Khosla et al., *Supervised Contrastive Learning*, [2004.11362](https://arxiv.org/abs/2004.11362), equation 2.
    /// # Differs from PyTorch
    /// PyTorch does not have it.
    pub struct SupConLoss {
        /// What cosines are divided by: the smaller, the more the nearest vectors count. Above 0.
        temperature: f64 = 0.1,
    }
}

impl SupConLoss {
    /// The loss of vectors with labels.
    ///
    /// # Errors
    /// See [`SupConLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, input: &Var<T>, target: &Tensor<i64>) -> Result<Var<T>> {
        check_matrix(NAME, "the input", input.shape())?;
        check_labels(NAME, target, input.shape())?;
        let labels = target.to_vec();
        let mut sorted = labels.clone();
        sorted.sort_unstable();
        let partners = |label: &i64| {
            let of = |bound: fn(&i64, &i64) -> bool| sorted.partition_point(|v| bound(v, label));
            of(|a, b| a <= b) - of(|a, b| a < b) - 1
        };
        let loss = SupCon {
            k: inverse(NAME, self.temperature)?,
            partners: labels.iter().map(partners).collect(),
            labels,
        };
        let anchors = loss.partners.iter().filter(|&&n| n > 0).count() as f64;
        pairs::run(loss, &[input], self.reduction, anchors)
    }
}

/// [`SupConLoss`] with its defaults.
///
/// # Errors
/// See [`SupConLoss`].
#[track_caller]
pub fn sup_con_loss<T: Float>(input: &Var<T>, target: &Tensor<i64>) -> Result<Var<T>> {
    SupConLoss::new().forward(input, target)
}

const NAME: &str = "sup_con_loss";

#[derive(Clone)]
struct SupCon {
    k: f64,
    labels: Vec<i64>,
    /// How many others have the label of each.
    partners: Vec<usize>,
}

impl<T: Float> RowPass<T> for SupCon {
    const NAME: &'static str = NAME;
    type Out = f64;

    #[inline(always)]
    fn row<I: Isa>(&self, i: usize, s: &mut [T]) -> f64 {
        let (label, partners) = (self.labels[i], self.partners[i]);
        if partners == 0 {
            s.fill(T::ZERO);
            return 0.0;
        }
        let alike = |j: usize| self.labels[j] == label && j != i;
        let mut sum = 0.0;
        for (j, v) in s.iter().enumerate() {
            sum += if alike(j) { v.f64() } else { 0.0 };
        }
        let mean = sum / partners as f64;
        s[i] = T::LOWEST;
        let softmax = Softmax::of::<I, T>(s, T::LOWEST, self.k);
        let (factor, share) = (T::of(softmax.factor()), T::of(self.k / partners as f64));
        for (j, v) in s.iter_mut().enumerate() {
            let part = *v * factor;
            *v = if alike(j) { part - share } else { part };
        }
        if partners == 1 {
            // One partner's probability is all but 1 in a confident row, and the difference is written without it.
            if let Some(j) = (0..s.len()).find(|&j| alike(j)) {
                s[j] = T::of(-softmax.missing(mean));
            }
        }
        softmax.cost(mean)
    }
}

impl<T: Float> PairLoss<T> for SupCon {
    #[track_caller]
    fn definition(&self, s: &Var<T>) -> Result<Var<T>> {
        let n = self.labels.len();
        let own = Tensor::<bool>::eye(n, n)?;
        let labels = Tensor::from_slice(&self.labels, [n])?;
        let alike = labels
            .unsqueeze(1)?
            .eq(&labels)?
            .logical_and(own.logical_not())?;
        let log = s
            .mul(self.k)?
            .masked_fill(&own, T::LOWEST)?
            .log_softmax(1)?;
        let count = self
            .partners
            .iter()
            .map(|&n| T::of(n.max(1) as f64))
            .collect();
        let count = Var::from(Tensor::from_vec(count, [n])?);
        log.keep_where(&alike)?.sum(1)?.div(count).map(|l| -l)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "sup_con_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            SupConLoss::new()
                .temperature(case.f64("temperature", 0.1))
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// No vector has a partner: a mean over nothing, with no gradient; each costs 0.
    #[test]
    fn nothing_to_compare() {
        for n in [1i64, 3] {
            let tape = Tape::new();
            let x = tape.leaf(Tensor::<f32>::ones([n, 2]).unwrap());
            let labels = Tensor::arange(0, n, 1).unwrap();
            let mean = sup_con_loss(&x, &labels).unwrap();
            assert!(mean.item().unwrap().is_nan());
            let dx = mean.backward().unwrap();
            assert_eq!(dx.get(&x).unwrap().to_vec(), vec![0.0; 2 * n as usize]);
            let options = SupConLoss::new().reduction(Reduction::None);
            let each = options.forward(&x, &labels).unwrap();
            assert_eq!(each.value().to_vec(), vec![0.0; n as usize]);
        }
    }

    #[test]
    fn labels_are_only_names() {
        let x = Var::from(Tensor::from([
            [1.0, 2.0],
            [-0.5, 1.0],
            [0.3, -2.0],
            [1.0, 1.0],
        ]));
        let a = sup_con_loss(&x, &Tensor::from([0, 1, 0, 1])).unwrap();
        let b = sup_con_loss(&x, &Tensor::from([-5, i64::MAX, -5, i64::MAX])).unwrap();
        assert_eq!(a.item().unwrap(), b.item().unwrap());
    }

    #[test]
    fn the_message_shows_the_labels() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = sup_con_loss(&x, &Tensor::from([1, 2])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "sup_con_loss: the target has shape [2], but the input has shape [1, 2]: there must be one label for each row"
        );
    }
}
