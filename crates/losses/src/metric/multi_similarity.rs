use super::pairs::{self, PairLoss, RowPass};
use super::vector::{check_labels, check_matrix};
use crate::check;
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::lanes::{WIDTH, sum_lanes};
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Draws vectors of one label together and pushes those of different labels apart, the more the harder the pair is
    /// in itself and beside the other pairs of its vector.
    ///
    /// # Formula
    /// With cosines `s`, `P` the others of a vector's label and `N` those of other labels:
    /// `l = ln(1 + Σ_P e^(-alpha (s - base))) / alpha + ln(1 + Σ_N e^(beta (s - base))) / beta`. `Mean` divides by the
    /// number of vectors. Gradient of the cosines: `-e^(-alpha (s - base)) / (1 + Σ_P …)` for `P`,
    /// `e^(beta (s - base)) / (1 + Σ_N …)` for `N`; of a vector `x` from that of its direction `x̂`:
    /// `(g - (g · x̂) x̂) / ‖x‖`.
    /// # Shape
    /// `input`: `(N, D)`; `target`: `(N)`, any integers as labels; the result is `(N)` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Option`](crate::Error::Option) if `alpha` or
    /// `beta` is not above 0 or `base` is not a number.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // Two vectors of one label at right angles: ln(1 + e^(2 · 0.5)) / 2 for each.
    /// let x = Var::from(Tensor::from([[1.0f64, 0.0], [0.0, 2.0]]));
    /// let loss = multi_similarity_loss(&x, &Tensor::from([3, 3]))?;
    /// assert!((loss.item()? - 1f64.exp().ln_1p() / 2.0).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// For retrieval with labels; a strong loss of pairs. The paper also leaves out easy pairs; here all count, and easy
    /// ones count little by themselves. [`sup_con_loss`](super::sup_con_loss) has one option in place of three.
    /// # Reference
    /// Wang et al., *Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning*,
    /// [1904.06627](https://arxiv.org/abs/1904.06627), equation 15.
    /// # Differs from PyTorch
    /// PyTorch does not have it.
    pub struct MultiSimilarityLoss {
        /// How much harder pairs of one label count more; above 0.
        alpha: f64 = 2.0,
        /// How much harder pairs of different labels count more; above 0.
        beta: f64 = 50.0,
        /// The cosine at which a pair counts as much as nothing would.
        base: f64 = 0.5,
    }
}

impl MultiSimilarityLoss {
    /// The loss of vectors with labels.
    ///
    /// # Errors
    /// See [`MultiSimilarityLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, input: &Var<T>, target: &Tensor<i64>) -> Result<Var<T>> {
        check_matrix(NAME, "the input", input.shape())?;
        check_labels(NAME, target, input.shape())?;
        for (name, value) in [("alpha", self.alpha), ("beta", self.beta)] {
            let holds = value > 0.0 && value.is_finite();
            check::option(NAME, name, value, holds, "it must be above 0")?;
        }
        let holds = self.base.is_finite();
        check::option(NAME, "base", self.base, holds, "it must be a number")?;
        let loss = MultiSimilarity {
            alpha: self.alpha,
            beta: self.beta,
            base: self.base,
            labels: target.to_vec(),
        };
        let mean = input.shape()[0] as f64;
        pairs::run(loss, &[input], self.reduction, mean)
    }
}

/// [`MultiSimilarityLoss`] with its defaults.
///
/// # Errors
/// See [`MultiSimilarityLoss`].
#[track_caller]
pub fn multi_similarity_loss<T: Float>(input: &Var<T>, target: &Tensor<i64>) -> Result<Var<T>> {
    MultiSimilarityLoss::new().forward(input, target)
}

const NAME: &str = "multi_similarity_loss";

#[derive(Clone)]
struct MultiSimilarity {
    alpha: f64,
    beta: f64,
    base: f64,
    labels: Vec<i64>,
}

/// `1 + Σ e^z`, divided by `e^max`, where `max` is the largest `z` or 0.
#[derive(Clone, Copy)]
struct Side {
    max: f64,
    sum: f64,
}

impl Side {
    /// `ln(1 + Σ e^z)`
    fn log(self) -> f64 {
        if self.max == 0.0 {
            self.sum.ln_1p()
        } else {
            self.max + (self.sum + (-self.max).exp()).ln()
        }
    }

    /// What an exponential, divided by `e^max`, is to be divided by.
    fn total(self) -> f64 {
        self.sum + (-self.max).exp()
    }
}

impl<T: Float> RowPass<T> for MultiSimilarity {
    const NAME: &'static str = NAME;
    type Out = f64;

    #[inline(always)]
    fn row<I: Isa>(&self, i: usize, s: &mut [T]) -> f64 {
        let label = self.labels[i];
        // The hardest pairs: the least alike of one label, the most alike of two.
        let (mut low, mut high) = (T::INFINITY, T::LOWEST);
        for (j, (&v, &l)) in s.iter().zip(&self.labels).enumerate() {
            let alike = l == label;
            low = if alike && j != i && v < low { v } else { low };
            high = if !alike && v > high { v } else { high };
        }
        let mut sides = [
            Side {
                max: (-self.alpha * (low.f64() - self.base)).max(0.0),
                sum: 0.0,
            },
            Side {
                max: (self.beta * (high.f64() - self.base)).max(0.0),
                sum: 0.0,
            },
        ];
        let [near, far] = sides.map(|side| side.max);
        // So far alike that it costs nothing: a vector is no pair with itself.
        s[i] = T::INFINITY;
        let (mut alike_sums, mut other_sums) = ([0.0f64; WIDTH], [0.0f64; WIDTH]);
        for (group, labels) in s.chunks_mut(WIDTH).zip(self.labels.chunks(WIDTH)) {
            for (lane, (v, &l)) in group.iter_mut().zip(labels).enumerate() {
                let (z, alike) = (v.f64() - self.base, l == label);
                let z = if alike {
                    -self.alpha * z - near
                } else {
                    self.beta * z - far
                };
                *v = T::of(z).exp::<I>();
                alike_sums[lane] += if alike { v.f64() } else { 0.0 };
                other_sums[lane] += if alike { 0.0 } else { v.f64() };
            }
        }
        sides[0].sum = sum_lanes(&alike_sums);
        sides[1].sum = sum_lanes(&other_sums);
        let factors = [
            T::of(-1.0 / sides[0].total()),
            T::of(1.0 / sides[1].total()),
        ];
        for (v, &l) in s.iter_mut().zip(&self.labels) {
            *v = *v * if l == label { factors[0] } else { factors[1] };
        }
        sides[0].log() / self.alpha + sides[1].log() / self.beta
    }
}

impl<T: Float> PairLoss<T> for MultiSimilarity {
    #[track_caller]
    fn definition(&self, s: &Var<T>) -> Result<Var<T>> {
        let n = self.labels.len();
        let labels = Tensor::from_slice(&self.labels, [n])?;
        let other = labels.unsqueeze(1)?.ne(&labels)?;
        let not_alike = other.logical_or(&Tensor::<bool>::eye(n, n)?)?;
        let s = s.sub(self.base)?;
        let side = |k: f64, without: &Tensor<bool>| -> Result<Var<T>> {
            let z = s.mul(k)?.masked_fill(without, T::LOWEST)?;
            let one = Var::from(Tensor::zeros([n, 1])?);
            Var::cat(&[&one, &z], 1)?.logsumexp(1)?.div(k.abs())
        };
        side(-self.alpha, &not_alike)?.add(side(self.beta, &other.logical_not())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_close, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "multi_similarity_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            MultiSimilarityLoss::new()
                .alpha(case.f64("alpha", 2.0))
                .beta(case.f64("beta", 50.0))
                .base(case.f64("base", 0.5))
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// e^(1000 · 0.5) is beyond `f32` and far from 1: the loss is s - base for the one negative, with slope 1.
    #[test]
    fn steep_exponentials_do_not_overflow() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[1.0f32, 0.0], [0.6, 0.8]]));
        let options = MultiSimilarityLoss::new().beta(1000.0).base(0.1);
        let loss = options.forward(&x, &Tensor::from([0, 1])).unwrap();
        assert_close("loss", loss.value(), &Tensor::scalar(0.5), 1e-6, 0.0);
        // Two rows, each with half of the slope of the cosine, which is (0, 0.8) in the first vector.
        let dx = loss.backward().unwrap();
        let first = dx.get(&x).unwrap().select(0, 0).unwrap();
        assert_close("slope", &first, &Tensor::from([0.0, 0.8]), 1e-6, 1e-7);
    }

    #[test]
    fn one_vector_costs_nothing() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[1.0f64, 2.0]]));
        let loss = multi_similarity_loss(&x, &Tensor::from([4])).unwrap();
        assert_eq!(loss.item().unwrap(), 0.0);
        assert_eq!(
            loss.backward().unwrap().get(&x).unwrap().to_vec(),
            [0.0, 0.0]
        );
    }

    #[test]
    fn the_message_shows_the_option() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = MultiSimilarityLoss::new()
            .beta(-1.0)
            .forward(&x, &Tensor::from([1]));
        assert_eq!(
            e.unwrap_err().to_string(),
            "multi_similarity_loss: beta is -1, but it must be above 0"
        );
    }
}
