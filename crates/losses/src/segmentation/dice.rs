use super::overlap::{self, Measure, SegmentationTarget};
use super::region::Region;
use autograd::{Float, Result, Var};

options! {
    /// One minus the Dice coefficient: what two masks fail to share, against what they hold together.
    ///
    /// # When to use
    /// For masks whose pixels are nearly all background, where cross entropy is content to predict background. It says
    /// little about single pixels, and its gradient is uneven while nothing overlaps yet: add it to
    /// [`CrossEntropy`](crate::classification::CrossEntropy) or
    /// [`BinaryCrossEntropyWithLogits`](crate::binary::BinaryCrossEntropyWithLogits). Its input are probabilities: take
    /// `sigmoid` or `softmax` of logits first.
    ///
    /// # Formula
    /// `l = 1 - (2 I + s) / (D + s)` for each region, with `I = Σ x t`, `D = Σ x + Σ t`, or `Σ x² + Σ t²` if `squared`, and
    /// `s = smooth`; `Mean` divides by the number of regions. Gradient: `((2 I + s) d - 2 t (D + s)) / (D + s)²`, where `d`
    /// is 1, or `2 x` if `squared`; the target's has the other one's place.
    /// # Shape
    /// `x`: `(N, …)`, or `(N, C, d…)` where classes are told apart; the target is masks of the same shape, or class indices
    /// `(N, d…)`. The result is `(N)`, `(N, C)`, `(C)` or a scalar by [`region`](Self::region) with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Value`](crate::Error::Value) for an element
    /// outside `0..=1`, [`Error::Class`](crate::Error::Class) for a class outside `0..C`,
    /// [`Error::Option`](crate::Error::Option) for a negative `smooth`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[1.0f32, 1.0, 0.0, 0.0]]));
    /// let t = Var::from(Tensor::from([[1.0f32, 0.0, 0.0, 0.0]]));
    /// assert_eq!(DiceLoss::new().smooth(0.0).forward(&x, &t)?.item()?, 1.0 / 3.0);
    ///
    /// // Two classes of two pixels each, and the truth as classes: one overlap for each class.
    /// let x = Var::from(Tensor::from([[[0.75f32, 0.5], [0.25, 0.5]]]));
    /// let dice = DiceLoss::new().region(Region::Class).smooth(0.0).reduction(Reduction::None);
    /// assert_eq!(dice.forward(&x, &Tensor::from([[0, -100]]))?.value().to_vec(), [0.25 / 1.75, 1.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Milletari et al., *V-Net*, 2016, [arXiv:1606.04797](https://arxiv.org/abs/1606.04797) (squared); Sudre et al.,
    /// *Generalised Dice overlap*, 2017, [arXiv:1707.03237](https://arxiv.org/abs/1707.03237).
    /// # Differs from PyTorch
    /// PyTorch has no such loss. A region in which there is nothing, and nothing is predicted, costs 0 also without
    /// `smooth`. The loss is a ratio of sums without a difference, so that good overlaps keep their digits.
    pub struct DiceLoss {
        /// Added to both sides of the fraction: holds the gradient of small regions down.
        smooth: f64 = 1.0,
        /// Whether the sizes of the masks are sums of squares.
        squared: bool = false,
        /// What one overlap is measured over.
        region: Region = Region::Sample,
        /// Pixels of this class count for nothing, where the target is classes.
        ignore_index: i64 = -100,
    }
}

impl DiceLoss {
    /// The loss of probabilities `x` and the truth `t`, masks or classes.
    ///
    /// # Errors
    /// See [`DiceLoss`].
    #[track_caller]
    pub fn forward<'a, T: Float>(
        &self,
        x: &Var<T>,
        t: impl Into<SegmentationTarget<'a, T>>,
    ) -> Result<Var<T>> {
        let op = "dice_loss";
        overlap::check_smooth(op, self.smooth)?;
        let measure = Measure {
            name: op,
            squared: self.squared,
            // Half of each miss against the whole of each hit, and so half of `smooth`.
            false_positive: 0.5,
            false_negative: 0.5,
            smooth: 0.5 * self.smooth,
            gamma: 1.0,
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

/// [`DiceLoss`] with its defaults.
///
/// # Errors
/// See [`DiceLoss`].
#[track_caller]
pub fn dice_loss<'a, T: Float>(
    x: &Var<T>,
    t: impl Into<SegmentationTarget<'a, T>>,
) -> Result<Var<T>> {
    DiceLoss::new().forward(x, t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::segmentation::region::tests::region;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, Tensor};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "dice_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let options = DiceLoss::new()
                .smooth(case.f64("smooth", 1.0))
                .squared(case.bool("squared", false))
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

    /// `1 - (2 I + s)/(D + s)` of 10⁶ pixels that are off by 2⁻²⁰ each: the loss is `2⁻²⁰ n / (2n (1 - 2⁻²¹))`, which has no
    /// digit left where it is taken from 1 in `f32`.
    #[test]
    fn a_good_overlap_keeps_its_digits() -> Result<()> {
        let n = 1_000_000;
        let off = 2f64.powi(-20);
        let x = Var::from(Tensor::full([1, n], 1.0 - off as f32)?);
        let t = Var::from(Tensor::full([1, n], 1.0f32)?);
        let y = DiceLoss::new().smooth(0.0).forward(&x, &t)?.item()?;
        let want = off / (2.0 - off);
        assert!((y.f64() / want - 1.0).abs() < 1e-7, "{y} for {want}");
        Ok(())
    }

    #[test]
    fn nothing_at_all_costs_nothing() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[0.0f32, 0.0], [0.5, 0.0]]));
        let t = Var::from(Tensor::from([[0.0f32, 0.0], [0.0, 0.0]]));
        let options = DiceLoss::new().smooth(0.0).reduction(Reduction::None);
        let y = options.forward(&x, &t)?;
        assert_eq!(y.value().to_vec(), [0.0, 1.0]);
        assert_eq!(y.sum(..)?.backward()?.get(&x)?.to_vec(), [0.0; 4]);
        Ok(())
    }

    #[test]
    fn no_samples() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f32>::zeros([0, 3])?);
        let y = dice_loss(&x, &x.detach())?;
        assert!(y.item()?.is_nan());
        assert_eq!(y.backward()?.get(&x)?.shape(), [0, 3]);
        let options = DiceLoss::new()
            .region(Region::Class)
            .reduction(Reduction::None);
        assert_eq!(options.forward(&x, &x)?.value().to_vec(), [0.0; 3]);
        Ok(())
    }

    #[test]
    fn wrong_arguments_are_named() -> Result<()> {
        let x = Var::from(Tensor::from([[0.5f32, 3.0]]));
        let e = dice_loss(&x, &x.zeros_like()).unwrap_err();
        assert_eq!(
            e.to_string(),
            "dice_loss: input[0, 1] is 3, but a probability lies in 0..=1; logits must first go through `sigmoid` or \
             `softmax`"
        );
        let flat = Var::from(Tensor::from([0.5f32, 0.25]));
        assert!(dice_loss(&flat, &flat).is_err());
        let batch = DiceLoss::new().region(Region::Batch);
        assert!(batch.forward(&flat, &flat).is_ok());
        assert!(batch.forward(&flat, &Tensor::from([0, 1])).is_err());
        let x = Var::from(Tensor::from([[[0.5f32, 0.25], [0.5, 0.75]]]));
        let e = dice_loss(&x, &Tensor::from([[0, 2]])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "dice_loss: target[0, 1] is 2, but the probabilities have 2 classes"
        );
        assert!(DiceLoss::new().smooth(-1.0).forward(&x, &x).is_err());
        Ok(())
    }
}
