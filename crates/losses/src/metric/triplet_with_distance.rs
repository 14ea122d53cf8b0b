use super::triplet::{Hinge, check_margin, shares};
use crate::check::same_shape;
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// Asks that an anchor lies nearer to a positive than to a negative by a margin, in any distance of one's own.
    ///
    /// # Formula
    /// `l = max(0, d(a, p) - d(a, n) + margin)`; with `swap` the smaller of `d(a, n)` and `d(p, n)` in the middle, with
    /// `soft` `ln(1 + e^z)` in place of `max(0, z)`. `Mean` divides by the number of distances. Gradient: 1 for
    /// `d(a, p)` and -1 for the distance from the negative where the loss is above 0; equal distances from the negative
    /// share theirs. From there on it is the distance's own.
    /// # Shape
    /// `anchor`, `positive` and `negative`: whatever the distance takes. It must give one shape for each pair, and
    /// that is the result's with [`Reduction::None`](crate::Reduction::None), else it is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the distances differ in shape, [`Error::Option`](crate::Error::Option)
    /// if `margin` is not above 0, and whatever the distance returns.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let anchor = Var::from(Tensor::from([[1.0f64, 0.0]]));
    /// let positive = Var::from(Tensor::from([[0.0f64, 3.0]]));
    /// let negative = Var::from(Tensor::from([[-2.0f64, 0.0]]));
    /// // 1 - cos: 1 to the positive, 2 to the negative.
    /// let distance = |x: &Var<f64>, y: &Var<f64>| Ok(1.0 - cosine_similarity(x, y)?);
    /// let options = TripletMarginWithDistanceLoss::new().margin(1.5);
    /// assert_eq!(options.forward(&anchor, &positive, &negative, distance)?.item()?, 0.5);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// Where likeness is not a `p`-norm; for those [`triplet_margin_loss`](super::triplet_margin_loss) does it in one
    /// pass.
    /// # Reference
    /// Balntas et al., *Learning local feature descriptors with triplets and shallow convolutional neural networks*,
    /// 2016. PyTorch, [`triplet_margin_with_distance_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.triplet_margin_with_distance_loss.html).
    /// # Differs from PyTorch
    /// The distance is an argument and has no default, which [`pairwise_distance`](super::pairwise_distance) would be.
    /// `soft` is not there, and distances of unequal shapes broadcast.
    pub struct TripletMarginWithDistanceLoss {
        /// By how much the negative is to be farther; above 0.
        margin: f64 = 1.0,
        /// Whether the positive's distance from the negative counts where it is the smaller one.
        swap: bool = false,
        /// Whether triplets that keep the margin still cost a little, by a smooth curve in place of the hinge.
        soft: bool = false,
    }
}

impl TripletMarginWithDistanceLoss {
    /// The loss of triplets in the distance `distance`, any function of two values that gives numbers.
    ///
    /// # Errors
    /// See [`TripletMarginWithDistanceLoss`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        anchor: &Var<T>,
        positive: &Var<T>,
        negative: &Var<T>,
        distance: impl Fn(&Var<T>, &Var<T>) -> Result<Var<T>>,
    ) -> Result<Var<T>> {
        check_margin(NAME, self.margin)?;
        let loss = OfDistances(Hinge {
            margin: self.margin,
            soft: self.soft,
        });
        let (ap, an) = (distance(anchor, positive)?, distance(anchor, negative)?);
        same_shape(NAME, "the negative's distance", an.shape(), ap.shape())?;
        let mean = ap.numel() as f64;
        if !self.swap {
            return elementwise::run(loss, [&ap, &an], None, self.reduction, mean);
        }
        let pn = distance(positive, negative)?;
        let what = "the positive's distance from the negative";
        same_shape(NAME, what, pn.shape(), ap.shape())?;
        elementwise::run(loss, [&ap, &an, &pn], None, self.reduction, mean)
    }
}

/// [`TripletMarginWithDistanceLoss`] with its defaults.
///
/// # Errors
/// See [`TripletMarginWithDistanceLoss`].
#[track_caller]
pub fn triplet_margin_with_distance_loss<T: Float>(
    anchor: &Var<T>,
    positive: &Var<T>,
    negative: &Var<T>,
    distance: impl Fn(&Var<T>, &Var<T>) -> Result<Var<T>>,
) -> Result<Var<T>> {
    TripletMarginWithDistanceLoss::new().forward(anchor, positive, negative, distance)
}

const NAME: &str = "triplet_margin_with_distance_loss";

/// The hinge of distances anchor to positive, anchor to negative, and with the swap positive to negative.
#[derive(Clone)]
struct OfDistances(Hinge);

impl<T: Float> Pointwise<T, 2> for OfDistances {
    const NAME: &'static str = NAME;

    #[inline(always)]
    fn value<I: Isa>(&self, [ap, an]: [T; 2]) -> T {
        T::of(self.0.value::<I>(ap.f64() - an.f64()))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [ap, an]: [T; 2]) -> T {
        let slope = self.0.slope::<I>(ap.f64() - an.f64());
        T::of(if K == 0 { slope } else { -slope })
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        self.0.definition(&v[0].sub(&v[1])?)
    }
}

impl<T: Float> Pointwise<T, 3> for OfDistances {
    const NAME: &'static str = NAME;

    #[inline(always)]
    fn value<I: Isa>(&self, [ap, an, pn]: [T; 3]) -> T {
        let nearest = if an > pn { pn } else { an };
        Pointwise::<T, 2>::value::<I>(self, [ap, nearest])
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [ap, an, pn]: [T; 3]) -> T {
        let nearest = if an > pn { pn } else { an };
        let slope = self.0.slope::<I>(ap.f64() - nearest.f64());
        let [to_anchor, to_positive] = shares(an.f64(), pn.f64());
        T::of(match K {
            0 => slope,
            1 => -slope * to_anchor,
            _ => -slope * to_positive,
        })
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        self.0.definition(&v[0].sub(v[1].minimum(&v[2])?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{CosineSimilarity, PairwiseDistance};
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tensor;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "triplet_margin_with_distance_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let options = TripletMarginWithDistanceLoss::new()
                .margin(case.f64("margin", 1.0))
                .swap(case.bool("swap", false))
                .soft(case.bool("soft", false))
                .reduction(case.reduction());
            let cosine = case.bool("cosine", false);
            // Inputs come in the order of their names: anchor, negative, positive.
            options.forward(&v[0], &v[2], &v[1], |x, y| {
                if cosine {
                    Ok(1.0 - CosineSimilarity::new().dim(-1).forward(x, y)?)
                } else {
                    PairwiseDistance::new().forward(x, y)
                }
            })
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn the_message_shows_the_distances() {
        let x = Var::from(Tensor::from([[0.0f64, 1.0], [2.0, 3.0]]));
        let y = Var::from(Tensor::from([[5.0f64, 1.0]]));
        let e = triplet_margin_with_distance_loss(&x, &x, &y, |_, y| y.sum(-1));
        assert_eq!(
            e.unwrap_err().to_string(),
            "triplet_margin_with_distance_loss: the negative's distance has shape [1], but the input has shape [2]: \
             they must agree, as nothing is broadcast in a loss"
        );
    }
}
