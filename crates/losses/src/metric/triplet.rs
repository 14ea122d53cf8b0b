use super::distance::{self, Distance, Norm, each_slope};
use crate::check::{self, same_shape};
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::{Isa, Math};
use autograd::{Float, Result, Var};

options! {
    /// Asks that an anchor lies nearer to a positive than to a negative, by a margin.
    ///
    /// # Formula
    /// With `d(x, y) = ‖x - y + eps‖` by the norm `p`: `l = max(0, d(a, p) - d(a, n) + margin)`; with `swap` the smaller
    /// of `d(a, n)` and `d(p, n)` in the middle; with `soft` `ln(1 + e^z)` of `z = d(a, p) - d(a, n) + margin` in place
    /// of `max(0, z)`. `Mean` divides by the number of triplets. Gradient: that of the distances,
    /// `sign(u) (|u| / d)^(p - 1)` in the element `u` of a difference, where `z > 0`, and 0 at `z = 0`; equal vectors
    /// have no slope.
    /// # Shape
    /// `anchor`, `positive` and `negative` have one shape, `(…, D)`; the result is `(…)` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Option`](crate::Error::Option) if `margin` is
    /// not above 0 or `p` is negative.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let anchor = Var::from(Tensor::from([[0.0f64, 0.0], [0.0, 0.0]]));
    /// let positive = Var::from(Tensor::from([[3.0f64, 4.0], [0.3, 0.4]]));
    /// let negative = Var::from(Tensor::from([[0.0f64, 5.5], [0.0, 5.5]]));
    /// let options = TripletMarginLoss::new().eps(0.0).reduction(Reduction::None);
    /// let loss = options.forward(&anchor, &positive, &negative)?;
    /// assert_eq!(loss.value().to_vec(), [0.5, 0.0]); // 5 - 5.5 + 1, and nothing where the negative is far enough
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// For embeddings in which distance is likeness, where triplets are at hand or mined. Most triplets of a trained
    /// network cost nothing: take hard ones, or a loss of all pairs of a batch, such as
    /// [`multi_similarity_loss`](super::multi_similarity_loss). For another distance there is
    /// [`triplet_margin_with_distance_loss`](super::triplet_margin_with_distance_loss).
    /// # Reference
    /// Balntas et al., *Learning local feature descriptors with triplets and shallow convolutional neural networks*,
    /// 2016, with the swap. Hermans, Beyer and Leibe, *In Defense of the Triplet Loss for Person Re-Identification*,
    /// [1703.07737](https://arxiv.org/abs/1703.07737), for the soft margin. PyTorch,
    /// [`triplet_margin_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.triplet_margin_loss.html).
    /// # Differs from PyTorch
    /// - The slope of the distance of equal vectors is 0; there `eps`, which is added to the signed difference, gives it
    ///   one of length 1, so that three equal vectors are pushed about.
    /// - Vectors of any size have their true distance; there squares above `1.8e19` in `f32` overflow to NaN.
    /// - Nothing broadcasts, and a negative `p`, which is no norm, is an error.
    /// - `soft` is not there.
    pub struct TripletMarginLoss {
        /// By how much the negative is to be farther; above 0.
        margin: f64 = 1.0,
        /// The norm, 0 or more.
        p: f64 = 2.0,
        /// What is added to each difference. It makes a distance depend on the order of its vectors, and is here for the
        /// same numbers as PyTorch's; nothing needs it.
        eps: f64 = 1e-6,
        /// Whether the positive's distance from the negative counts where it is the smaller one.
        swap: bool = false,
        /// Whether triplets that keep the margin still cost a little, by a smooth curve in place of the hinge.
        soft: bool = false,
    }
}

impl TripletMarginLoss {
    /// The loss of triplets of vectors.
    ///
    /// # Errors
    /// See [`TripletMarginLoss`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        anchor: &Var<T>,
        positive: &Var<T>,
        negative: &Var<T>,
    ) -> Result<Var<T>> {
        same_shape(NAME, "the positive", positive.shape(), anchor.shape())?;
        same_shape(NAME, "the negative", negative.shape(), anchor.shape())?;
        check_margin(NAME, self.margin)?;
        let loss = Triplet {
            norm: Norm::of(NAME, self.p)?,
            eps: self.eps,
            hinge: Hinge {
                margin: self.margin,
                soft: self.soft,
            },
            swap: self.swap,
        };
        let dim = anchor.ndim().saturating_sub(1);
        let rows: usize = anchor.shape()[..dim].iter().product();
        rowwise::run(
            loss,
            [anchor, positive, negative],
            dim,
            self.reduction,
            rows as f64,
        )
    }
}

/// [`TripletMarginLoss`] with its defaults.
///
/// # Errors
/// See [`TripletMarginLoss`].
#[track_caller]
pub fn triplet_margin_loss<T: Float>(
    anchor: &Var<T>,
    positive: &Var<T>,
    negative: &Var<T>,
) -> Result<Var<T>> {
    TripletMarginLoss::new().forward(anchor, positive, negative)
}

const NAME: &str = "triplet_margin_loss";

pub(super) fn check_margin(op: &'static str, margin: f64) -> Result<()> {
    check::option(op, "margin", margin, margin > 0.0, "it must be above 0")
}

/// What becomes of the difference of two distances.
#[derive(Clone, Copy)]
pub(super) struct Hinge {
    pub(super) margin: f64,
    pub(super) soft: bool,
}

impl Hinge {
    #[inline(always)]
    pub(super) fn value<I: Isa>(self, gap: f64) -> f64 {
        let z = gap + self.margin;
        if self.soft {
            z.softplus::<I>()
        } else if z <= 0.0 {
            // Not `max`, which would swallow a NaN.
            0.0
        } else {
            z
        }
    }

    #[inline(always)]
    pub(super) fn slope<I: Isa>(self, gap: f64) -> f64 {
        let z = gap + self.margin;
        if self.soft {
            z.sigmoid::<I>()
        } else if z <= 0.0 {
            0.0
        } else {
            1.0
        }
    }

    #[track_caller]
    pub(super) fn definition<T: Float>(self, gap: &Var<T>) -> Result<Var<T>> {
        let z = gap.add(self.margin)?;
        Ok(if self.soft {
            z.softplus()
        } else {
            z.keep_where(&z.value().le(T::ZERO)?.logical_not())?
        })
    }
}

/// The shares that the two distances from the negative have in the smaller of them; equal ones share it.
#[inline(always)]
pub(super) fn shares(from_anchor: f64, from_positive: f64) -> [f64; 2] {
    if from_anchor < from_positive {
        [1.0, 0.0]
    } else if from_anchor > from_positive {
        [0.0, 1.0]
    } else {
        [0.5, 0.5]
    }
}

#[derive(Clone)]
struct Triplet {
    norm: Norm,
    eps: f64,
    hinge: Hinge,
    swap: bool,
}

/// The distances anchor to positive, anchor to negative, and with `swap` positive to negative.
type Distances = [Distance; 3];

impl Triplet {
    /// `d(a, p)` less the distance from the negative, and the shares of the latter's two parts.
    #[inline(always)]
    fn gap(&self, [ap, an, pn]: Distances) -> (f64, [f64; 2]) {
        if !self.swap {
            return (ap.value - an.value, [1.0, 0.0]);
        }
        let [to_anchor, to_positive] = shares(an.value, pn.value);
        let negative = if to_positive == 1.0 {
            pn.value
        } else {
            an.value
        };
        (ap.value - negative, [to_anchor, to_positive])
    }
}

impl<T: Float> RowLoss<T, 3> for Triplet {
    const NAME: &'static str = NAME;
    const COST: usize = 4;
    type Keep = Distances;

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [a, p, n]: [&[T]; 3]) -> (f64, Distances) {
        let pn = if self.swap {
            Distance::of(self.norm, [p, n], self.eps)
        } else {
            Distance::default()
        };
        let distances = [
            Distance::of(self.norm, [a, p], self.eps),
            Distance::of(self.norm, [a, n], self.eps),
            pn,
        ];
        (self.hinge.value::<I>(self.gap(distances).0), distances)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        [a, p, n]: [&[T]; 3],
        distances: Distances,
        g: T,
        dx: &mut [T],
    ) {
        let (gap, [to_anchor, to_positive]) = self.gap(distances);
        let g = g.f64() * self.hinge.slope::<I>(gap);
        let [ap, an, pn] = distances;
        // Each vector is an end of two of the three distances.
        let parts = match K {
            0 => [(ap, [a, p], g), (an, [a, n], -g * to_anchor)],
            1 => [(ap, [a, p], -g), (pn, [p, n], -g * to_positive)],
            _ => [(an, [a, n], g * to_anchor), (pn, [p, n], g * to_positive)],
        };
        dx.fill(T::ZERO);
        for (distance, rows, g) in parts {
            if g != 0.0 {
                each_slope(self.norm, distance, rows, self.eps, |i, slope| {
                    dx[i] = dx[i] + T::of(g * slope)
                });
            }
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let d = |x: &Var<T>, y: &Var<T>| distance::distance(self.norm, x, y, self.eps);
        let mut negative = d(&v[0], &v[2])?;
        if self.swap {
            negative = negative.minimum(d(&v[1], &v[2])?)?;
        }
        self.hinge.definition(&d(&v[0], &v[1])?.sub(negative)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, Tensor};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "triplet_margin_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            TripletMarginLoss::new()
                .margin(case.f64("margin", 1.0))
                .p(case.f64("p", 2.0))
                .eps(case.f64("eps", 1e-6))
                .swap(case.bool("swap", false))
                .soft(case.bool("soft", false))
                .reduction(case.reduction())
                // Inputs come in the order of their names: anchor, negative, positive.
                .forward(&v[0], &v[2], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn three_equal_vectors_stay_where_they_are() {
        for (soft, swap) in [(false, false), (false, true), (true, false)] {
            let tape = Tape::new();
            let v = [(); 3].map(|_| tape.leaf(Tensor::from([[1.0f32, 2.0, 3.0]])));
            let options = TripletMarginLoss::new().soft(soft).swap(swap);
            let loss = options.forward(&v[0], &v[1], &v[2]).unwrap();
            let want = if soft { 1f32.exp().ln_1p() } else { 1.0 };
            assert_eq!(loss.item().unwrap(), want);
            let grads = loss.backward().unwrap();
            for x in &v {
                assert_eq!(grads.get(x).unwrap().to_vec(), [0.0; 3]);
            }
        }
    }

    /// 1 - 2 + 1 is the kink itself, where nothing is pulled; and with the swap both distances from the negative are 5.
    #[test]
    fn kinks_by_hand() {
        let tape = Tape::new();
        let leaf = |x: [f64; 2]| tape.leaf(Tensor::from([x]));
        let (a, p, n) = (leaf([0.0, 0.0]), leaf([1.0, 0.0]), leaf([0.0, 2.0]));
        let options = TripletMarginLoss::new().eps(0.0).reduction(Reduction::Sum);
        let loss = options.forward(&a, &p, &n).unwrap();
        assert_eq!(loss.item().unwrap(), 0.0);
        let grads = loss.backward().unwrap();
        assert_eq!(grads.get(&a).unwrap().to_vec(), [0.0, 0.0]);

        let (a, p, n) = (leaf([0.0, 0.0]), leaf([6.0, 0.0]), leaf([3.0, 4.0]));
        let loss = options.swap(true).forward(&a, &p, &n).unwrap();
        assert_eq!(loss.item().unwrap(), 2.0);
        let grads = loss.backward().unwrap();
        // The slope of d(a, p) is (-1, 0) in a; half of that of either distance from n is (∓0.3, -0.4).
        for (x, want) in [(&a, [-0.7, 0.4]), (&p, [0.7, 0.4]), (&n, [0.0, -0.8])] {
            for (got, want) in grads.get(x).unwrap().to_vec().iter().zip(want) {
                assert!((got - want).abs() < 1e-15, "{got} {want}");
            }
        }
    }

    #[test]
    fn the_message_shows_the_margin() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = TripletMarginLoss::new().margin(0.0).forward(&x, &x, &x);
        assert_eq!(
            e.unwrap_err().to_string(),
            "triplet_margin_loss: margin is 0, but it must be above 0"
        );
    }
}
