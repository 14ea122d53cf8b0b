use crate::check::same_shape;
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// The logistic loss of the lead that one score has over another: the loss of RankNet, of Bayesian personalised
    /// ranking, and of reward models (Bradley and Terry).
    ///
    /// # When to use
    /// For pairs of which the first is known to be better. For whole lists with degrees of relevance
    /// [`ListNet`](crate::ranking::ListNet) and [`ListMle`](crate::ranking::ListMle) need fewer terms.
    ///
    /// # Formula
    /// `l = ln(1 + e^(negative - positive))`; `Mean` divides by the number of pairs. Gradient:
    /// `σ(negative - positive)` for the negative, and its opposite for the positive.
    /// # Shape
    /// `positive` and `negative` have one shape, any; so has the result with
    /// [`Reduction::None`](crate::Reduction::None), else it is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let (positive, negative) = (Var::from(Tensor::from([1.0f32, -500.0])), Var::from(Tensor::from([1.0f32, 500.0])));
    /// let loss = PairwiseLogistic::new().reduction(Reduction::None).forward(&positive, &negative)?;
    /// assert_eq!(loss.value().to_vec(), [2f32.ln(), 1000.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Burges et al., *Learning to Rank using Gradient Descent*, 2005; Rendle et al., *BPR: Bayesian Personalized Ranking
    /// from Implicit Feedback*, 2009, [arXiv:1205.2618](https://arxiv.org/abs/1205.2618).
    /// # Differs from PyTorch
    /// PyTorch has no such loss; it is `-logsigmoid(positive - negative)`.
    pub struct PairwiseLogistic {}
}

impl PairwiseLogistic {
    /// The loss of the scores of what is better, and of what is worse.
    ///
    /// # Errors
    /// See [`PairwiseLogistic`].
    #[track_caller]
    pub fn forward<T: Float>(&self, positive: &Var<T>, negative: &Var<T>) -> Result<Var<T>> {
        let op = <Pairwise as Pointwise<T, 2>>::NAME;
        same_shape(op, "the negative input", negative.shape(), positive.shape())?;
        elementwise::run(
            Pairwise,
            [positive, negative],
            None,
            self.reduction,
            positive.numel() as f64,
        )
    }
}

/// [`PairwiseLogistic`] with its defaults.
///
/// # Errors
/// See [`PairwiseLogistic`].
#[track_caller]
pub fn pairwise_logistic<T: Float>(positive: &Var<T>, negative: &Var<T>) -> Result<Var<T>> {
    PairwiseLogistic::new().forward(positive, negative)
}

#[derive(Clone)]
struct Pairwise;

impl<T: Float> Pointwise<T, 2> for Pairwise {
    const NAME: &'static str = "pairwise_logistic";
    const COST: usize = 12;

    #[inline(always)]
    fn value<I: Isa>(&self, [positive, negative]: [T; 2]) -> T {
        (negative - positive).softplus::<I>()
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [positive, negative]: [T; 2]) -> T {
        let share = (negative - positive).sigmoid::<I>();
        if K == 0 { -share } else { share }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        Ok(v[1].sub(&v[0])?.softplus())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, Tensor};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "pairwise_logistic";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            // Fixtures list their inputs by name: the negative first.
            PairwiseLogistic::new()
                .reduction(case.reduction())
                .forward(&v[1], &v[0])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn leads_of_any_size() -> Result<()> {
        let tape = Tape::new();
        let positive = tape.leaf(Tensor::from([1e4f32, -1e4, 30.0]));
        let negative = tape.leaf(Tensor::from([-1e4f32, 1e4, 0.0]));
        let y = PairwiseLogistic::new().reduction(crate::Reduction::None);
        let y = y.forward(&positive, &negative)?;
        let small = (-30f64).exp() as f32;
        let got = y.value().to_vec();
        assert_eq!(got[..2], [0.0, 2e4]);
        assert!((got[2] / small - 1.0).abs() < 1e-6);
        let g = y.sum(..)?.backward()?.get(&positive)?.to_vec();
        assert_eq!(g[..2], [0.0, -1.0]);
        assert!((g[2] / small + 1.0).abs() < 1e-6);
        let e = pairwise_logistic(&positive, &Var::from(Tensor::from([0.0f32]))).unwrap_err();
        assert!(e.to_string().starts_with(
            "pairwise_logistic: the negative input has shape [1], but the input has shape [3]"
        ));
        Ok(())
    }
}
