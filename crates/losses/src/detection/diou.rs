use super::boxes::{self, BoxLoss, Pair, Parts, Slopes};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// One minus the intersection over union of two boxes, and the squared distance of their centres against the diagonal of
    /// the box around both.
    ///
    /// # When to use
    /// As [`GiouLoss`](crate::detection::GiouLoss), where boxes should move to their targets directly, also from inside one
    /// of them. [`CiouLoss`](crate::detection::CiouLoss) asks for the same shape as well.
    ///
    /// # Formula
    /// `l = 1 - I / (U + eps) + d² / (c² + eps)` with the areas of intersection and union, the distance `d` of the centres and
    /// the diagonal `c` of the smallest box around both; `Mean` divides by the number of pairs. Gradient: `-1/(U + eps)` by
    /// `I`, `I/(U + eps)²` by `U`, `±δ/(c² + eps)` by a corner, where `δ` is the difference of the centres, and
    /// `-2 s d²/(c² + eps)²` by a side `s` of the box around; where two corners are equal each box gets half.
    /// # Shape
    /// `x` and `t`: `(…, 4)`, boxes `(x1, y1, x2, y2)`; the result lacks the last dimension with
    /// [`Reduction::None`](crate::Reduction::None), else it is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ or the last size is not 4,
    /// [`Error::Value`](crate::Error::Value) for a box that ends before it begins, [`Error::Option`](crate::Error::Option)
    /// for an `eps` that is not positive.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[0.0f64, 0.0, 2.0, 2.0]]));
    /// let t = Var::from(Tensor::from([[1.0f64, 0.0, 3.0, 2.0]]));
    /// // They share 2 of 6; their centres are 1 apart, and the diagonal is that of 3 by 2.
    /// assert!((diou_loss(&x, &t)?.item()? - (1.0 - 2.0 / 6.0 + 1.0 / 13.0)).abs() < 1e-7);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Zheng et al., *Distance-IoU Loss*, 2020, [arXiv:1911.08287](https://arxiv.org/abs/1911.08287).
    /// # Differs from PyTorch
    /// PyTorch has no such loss; torchvision's `distance_box_iou_loss` has these numbers, but returns one for each pair where
    /// no reduction is named, and takes boxes with corners in the wrong order for boxes of negative area. Here areas are
    /// computed in `f64`.
    pub struct DiouLoss {
        /// Added to denominators.
        eps: f64 = 1e-7,
    }
}

impl DiouLoss {
    /// The loss of boxes `x` and their targets `t`.
    ///
    /// # Errors
    /// See [`DiouLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let loss = Diou { eps: self.eps };
        boxes::run(loss, x, t, self.eps, self.reduction)
    }
}

/// [`DiouLoss`] with its defaults.
///
/// # Errors
/// See [`DiouLoss`].
#[track_caller]
pub fn diou_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    DiouLoss::new().forward(x, t)
}

#[derive(Clone)]
pub(super) struct Diou {
    pub eps: f64,
}

/// The differences of the centres, and their square and that of the diagonal.
#[inline(always)]
fn distance(pair: &Pair, eps: f64) -> ([f64; 2], f64, f64) {
    let Pair {
        own, other, around, ..
    } = pair;
    let gap = [
        (own[0] + own[2] - (other[0] + other[2])) / 2.0,
        (own[1] + own[3] - (other[1] + other[3])) / 2.0,
    ];
    (gap, square(gap), square(*around) + eps)
}

#[inline(always)]
fn square([a, b]: [f64; 2]) -> f64 {
    a * a + b * b
}

impl BoxLoss for Diou {
    const NAME: &'static str = "diou_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, pair: &Pair) -> f64 {
        let (_, apart, diagonal) = distance(pair, self.eps);
        1.0 - pair.iou(self.eps) + apart / diagonal
    }

    #[inline(always)]
    fn slopes<I: Isa>(&self, pair: &Pair) -> Slopes {
        let (gap, apart, diagonal) = distance(pair, self.eps);
        let mut slopes = pair.slopes_of_iou(self.eps);
        let [width, height] = pair.around;
        let by_side = -2.0 * (apart / diagonal) / diagonal;
        slopes.around = [by_side * width, by_side * height];
        let [x, y] = [gap[0] / diagonal, gap[1] / diagonal];
        slopes.own = [x, y, x, y];
        slopes
    }

    #[track_caller]
    fn definition<T: Float>(&self, parts: &Parts<T>) -> Result<Var<T>> {
        let [a, b] = &parts.corners;
        let gap = a[0].add(&a[1])?.sub(&b[0])?.sub(&b[1])?.mul(0.5)?;
        let diagonal = parts.around.square().sum(-1)?.add(self.eps)?;
        let apart = gap.square().sum(-1)?.div(diagonal)?;
        Ok(1.0 - parts.iou(self.eps)? + apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "diou_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            DiouLoss::new()
                .eps(case.f64("eps", 1e-7))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }
}
