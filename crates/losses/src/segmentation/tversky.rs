use super::overlap::{self, Measure, SegmentationTarget};
use super::region::Region;
use crate::check;
use autograd::{Float, Result, Var};

options! {
    /// One minus the Tversky index: Dice with a weight each for what is predicted and is not there, and for what is there
    /// and not predicted.
    ///
    /// # When to use
    /// As [`DiceLoss`](crate::segmentation::DiceLoss), where the two mistakes do not weigh the same: raise `beta` above
    /// `alpha` to miss less, at the price of false alarms. `alpha = beta = 0.5` is Dice, `alpha = beta = 1` one minus the
    /// intersection over union. With a `gamma` below 1 regions that overlap well go on counting (the focal Tversky loss).
    ///
    /// # Formula
    /// `l = (1 - (TP + s) / (TP + alpha FP + beta FN + s))^gamma` for each region, with `TP = Σ x t`, `FP = Σ x (1 - t)`,
    /// `FN = Σ (1 - x) t` and `s = smooth`; `Mean` divides by the number of regions. Gradient for `gamma = 1`, with `D` the
    /// denominator: `((TP + s) (alpha (1 - t) - beta t) - (alpha FP + beta FN) t) / D²`; other powers multiply it by
    /// `gamma l^(1 - 1/gamma)`, and by 0 where the loss is 0.
    /// # Shape
    /// `x`: `(N, …)`, or `(N, C, d…)` where classes are told apart; the target is masks of the same shape, or class indices
    /// `(N, d…)`. The result is `(N)`, `(N, C)`, `(C)` or a scalar by [`region`](Self::region) with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Value`](crate::Error::Value) for an element
    /// outside `0..=1`, [`Error::Class`](crate::Error::Class) for a class outside `0..C`,
    /// [`Error::Option`](crate::Error::Option) for a negative weight or `smooth`, or a `gamma` that is not positive.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[1.0f32, 1.0, 0.0, 0.0]]));
    /// let t = Var::from(Tensor::from([[1.0f32, 0.0, 1.0, 1.0]]));
    /// // One found, one false alarm, two missed.
    /// let loss = TverskyLoss::new().alpha(0.25).beta(0.75).smooth(0.0).forward(&x, &t)?;
    /// assert_eq!(loss.item()?, 1.75 / 2.75);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Salehi et al., *Tversky loss function for image segmentation*, 2017,
    /// [arXiv:1706.05721](https://arxiv.org/abs/1706.05721); with a power: Abraham and Khan, *A Novel Focal Tversky Loss*,
    /// 2018, [arXiv:1810.07842](https://arxiv.org/abs/1810.07842), whose `γ` is `1 / gamma`.
    /// # Differs from PyTorch
    /// PyTorch has no such loss. A region in which there is nothing, and nothing is predicted, costs 0 also without
    /// `smooth`. A power below 1 has slope 0 where the overlap is perfect, not an infinite one.
    pub struct TverskyLoss {
        /// The weight of false positives.
        alpha: f64 = 0.5,
        /// The weight of false negatives.
        beta: f64 = 0.5,
        /// The power of the loss of each region.
        gamma: f64 = 1.0,
        /// Added to both sides of the fraction: holds the gradient of small regions down.
        smooth: f64 = 1.0,
        /// What one overlap is measured over.
        region: Region = Region::Sample,
        /// Pixels of this class count for nothing, where the target is classes.
        ignore_index: i64 = -100,
    }
}

impl TverskyLoss {
    /// The loss of probabilities `x` and the truth `t`, masks or classes.
    ///
    /// # Errors
    /// See [`TverskyLoss`].
    #[track_caller]
    pub fn forward<'a, T: Float>(
        &self,
        x: &Var<T>,
        t: impl Into<SegmentationTarget<'a, T>>,
    ) -> Result<Var<T>> {
        let finite = 0.0..f64::INFINITY;
        for (name, weight) in [("alpha", self.alpha), ("beta", self.beta)] {
            let holds = finite.contains(&weight);
            check::option(NAME, name, weight, holds, "it must not be negative")?;
        }
        let holds = finite.contains(&self.gamma) && self.gamma > 0.0;
        check::option(NAME, "gamma", self.gamma, holds, "it must be positive")?;
        overlap::check_smooth(NAME, self.smooth)?;
        let measure = Measure {
            name: NAME,
            squared: false,
            false_positive: self.alpha,
            false_negative: self.beta,
            smooth: self.smooth,
            gamma: self.gamma,
        };
        overlap::run(
            measure,
            x,
            t.into(),
            self.region,
            self.ignore_index,
            self.reduction,
        )
    }
}

/// [`TverskyLoss`] with its defaults.
///
/// # Errors
/// See [`TverskyLoss`].
#[track_caller]
pub fn tversky_loss<'a, T: Float>(
    x: &Var<T>,
    t: impl Into<SegmentationTarget<'a, T>>,
) -> Result<Var<T>> {
    TverskyLoss::new().forward(x, t)
}

const NAME: &str = "tversky_loss";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segmentation::region::tests::region;
    use crate::segmentation::{DiceLoss, dice_loss};
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, Tensor};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let options = TverskyLoss::new()
                .alpha(case.f64("alpha", 0.5))
                .beta(case.f64("beta", 0.5))
                .gamma(case.f64("gamma", 1.0))
                .smooth(case.f64("smooth", 1.0))
                .region(region(case))
                .ignore_index(case.i64("ignore_index", -100))
                .reduction(case.reduction());
            if case.is_int("target") {
                options.forward(&v[0], &case.ints("target"))
            } else {
                options.forward(&v[0], &v[1])
            }
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn with_equal_halves_it_is_dice() -> Result<()> {
        let x = Var::from(Tensor::from([[0.5f64, 0.25, 0.75], [0.1, 0.9, 0.4]]));
        let t = Var::from(Tensor::from([[1.0f64, 0.0, 0.5], [0.0, 1.0, 1.0]]));
        let half = TverskyLoss::new().smooth(0.5).forward(&x, &t)?;
        assert_eq!(half.item()?, dice_loss(&x, &t)?.item()?);
        // And with ones, one minus the intersection over union, of which Dice is 2 I/(1 + I).
        let plain = TverskyLoss::new().smooth(0.0).region(Region::Batch);
        let iou = 1.0 - plain.alpha(1.0).beta(1.0).forward(&x, &t)?.item()?;
        let dice = DiceLoss::new().smooth(0.0).region(Region::Batch);
        let dice = 1.0 - dice.forward(&x, &t)?.item()?;
        assert!((dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-15);
        Ok(())
    }

    #[test]
    fn a_perfect_overlap_has_no_infinite_slope() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[1.0f64, 0.0, 1.0]]));
        let t = x.detach();
        let y = TverskyLoss::new().gamma(0.75).forward(&x, &t)?;
        assert_eq!(y.item()?, 0.0);
        assert_eq!(y.backward()?.get(&x)?.to_vec(), [0.0; 3]);
        // Without a power the slope is -1/2 where something is, and 1/2 where nothing is, over the size 3.
        let y = tversky_loss(&x, &t)?;
        let third = 0.5 / 3.0;
        assert_eq!(y.backward()?.get(&x)?.to_vec(), [-third, third, -third]);
        Ok(())
    }

    #[test]
    fn wrong_options_are_named() {
        let x = Var::from(Tensor::from([[0.5f32, 0.25]]));
        let e = TverskyLoss::new().gamma(0.0).forward(&x, &x).unwrap_err();
        assert_eq!(
            e.to_string(),
            "tversky_loss: gamma is 0, but it must be positive"
        );
        assert!(TverskyLoss::new().alpha(-0.5).forward(&x, &x).is_err());
        assert!(TverskyLoss::new().beta(f64::NAN).forward(&x, &x).is_err());
    }
}
