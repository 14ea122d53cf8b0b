use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// Asks that of two scores the one named by the target be higher, by a margin.
    ///
    /// # When to use
    /// For pairs of which one is known to be better, where being ahead by `margin` is enough.
    /// [`PairwiseLogistic`](crate::ranking::PairwiseLogistic) goes on pushing, and is smooth.
    ///
    /// # Formula
    /// `l = max(0, margin - t (x1 - x2))`; `Mean` divides by the number of elements. Gradients where `l` is positive: `-t`
    /// for `x1`, `t` for `x2`, `x2 - x1` for the target; elsewhere 0, also at the kink.
    /// # Shape
    /// `x1`, `x2` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else
    /// it is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Option`](crate::Error::Option) for a margin
    /// that is NaN. The target is a factor, usually 1 or -1, and may be any number.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let (x1, x2) = (Var::from(Tensor::from([2.0f32, 2.0])), Var::from(Tensor::from([1.0f32, 1.0])));
    /// let t = Var::from(Tensor::from([1.0f32, -1.0]));
    /// let loss = MarginRankingLoss::new().margin(0.5).reduction(Reduction::None).forward(&x1, &x2, &t)?;
    /// assert_eq!(loss.value().to_vec(), [0.0, 1.5]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`margin_ranking_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.margin_ranking_loss.html).
    /// # Differs from PyTorch
    /// Shapes must be equal; there they broadcast without a word.
    pub struct MarginRankingLoss {
        /// By how much the better score must lead.
        margin: f64 = 0.0,
    }
}

impl MarginRankingLoss {
    /// The loss of scores `x1` and `x2`, with targets `t` of 1 where the first should be higher, -1 where the second.
    ///
    /// # Errors
    /// See [`MarginRankingLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x1: &Var<T>, x2: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <MarginRanking as Pointwise<T, 3>>::NAME;
        same_shape(op, "the second input", x2.shape(), x1.shape())?;
        same_shape(op, "the target", t.shape(), x1.shape())?;
        check::option(
            op,
            "margin",
            self.margin,
            !self.margin.is_nan(),
            "it must be a number",
        )?;
        let loss = MarginRanking {
            margin: self.margin,
        };
        elementwise::run(loss, [x1, x2, t], None, self.reduction, x1.numel() as f64)
    }
}

/// [`MarginRankingLoss`] with its defaults.
///
/// # Errors
/// See [`MarginRankingLoss`].
#[track_caller]
pub fn margin_ranking_loss<T: Float>(x1: &Var<T>, x2: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    MarginRankingLoss::new().forward(x1, x2, t)
}

#[derive(Clone)]
struct MarginRanking {
    margin: f64,
}

impl<T: Float> Pointwise<T, 3> for MarginRanking {
    const NAME: &'static str = "margin_ranking_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, [x1, x2, t]: [T; 3]) -> T {
        let short = T::of(self.margin) - t * (x1 - x2);
        // Not `max`, which would swallow a NaN.
        if short <= T::ZERO { T::ZERO } else { short }
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x1, x2, t]: [T; 3]) -> T {
        let slope = match K {
            0 => -t,
            1 => t,
            _ => x2 - x1,
        };
        if T::of(self.margin) - t * (x1 - x2) <= T::ZERO {
            T::ZERO
        } else {
            slope
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let lead = v[2].mul(v[0].sub(&v[1])?)?;
        Ok((self.margin - lead).relu())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tensor;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "margin_ranking_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            MarginRankingLoss::new()
                .margin(case.f64("margin", 0.0))
                .reduction(case.reduction())
                .forward(&v[0], &v[1], &v[2])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn nothing_broadcasts() {
        let column = Var::from(Tensor::from([[1.0f32], [2.0]]));
        let row = Var::from(Tensor::from([[1.0f32, 2.0]]));
        let e = margin_ranking_loss(&column, &row, &column).unwrap_err();
        assert_eq!(
            e.to_string(),
            "margin_ranking_loss: the second input has shape [1, 2], but the input has shape [2, 1]: they must agree, as \
             nothing is broadcast in a loss"
        );
        assert!(margin_ranking_loss(&column, &column, &row).is_err());
    }
}
