use super::boxes::{self, BoxLoss, Pair, Parts, Slopes, area, product};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// One minus the intersection over union of two boxes, and the share of the box around both that neither fills, so that
    /// boxes without an overlap are drawn together too.
    ///
    /// # When to use
    /// To regress boxes by the measure that they are judged by, where the sizes of objects differ: unlike a distance of
    /// corners it does not grow with the box. Far apart its slope is that of the empty share, which first makes the box
    /// larger; [`DiouLoss`](crate::detection::DiouLoss) moves it straight and converges faster.
    ///
    /// # Formula
    /// `l = 1 - I / (U + eps) + (H - U) / (H + eps)` with the areas of intersection, union, and of the smallest box around
    /// both; `Mean` divides by the number of pairs. Gradient by the areas: `-1/(U + eps)`,
    /// `I/(U + eps)² - 1/(H + eps)` and `(U + eps)/(H + eps)²`, and from there to the corners by the sides; where two
    /// corners are equal each box gets half.
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
    /// // They share 2 of 6, and fill the box around them.
    /// assert!((giou_loss(&x, &t)?.item()? - (1.0 - 2.0 / 6.0)).abs() < 1e-7);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Rezatofighi et al., *Generalized Intersection over Union*, 2019, [arXiv:1902.09630](https://arxiv.org/abs/1902.09630).
    /// # Differs from PyTorch
    /// PyTorch has no such loss; torchvision's `generalized_box_iou_loss` has these numbers, but returns one for each pair
    /// where no reduction is named, and takes boxes with corners in the wrong order for boxes of negative area. Here areas
    /// are computed in `f64`.
    pub struct GiouLoss {
        /// Added to denominators.
        eps: f64 = 1e-7,
    }
}

impl GiouLoss {
    /// The loss of boxes `x` and their targets `t`.
    ///
    /// # Errors
    /// See [`GiouLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let loss = Giou { eps: self.eps };
        boxes::run(loss, x, t, self.eps, self.reduction)
    }
}

/// [`GiouLoss`] with its defaults.
///
/// # Errors
/// See [`GiouLoss`].
#[track_caller]
pub fn giou_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    GiouLoss::new().forward(x, t)
}

#[derive(Clone)]
struct Giou {
    eps: f64,
}

impl BoxLoss for Giou {
    const NAME: &'static str = "giou_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, pair: &Pair) -> f64 {
        let hull = product(pair.around);
        1.0 - pair.iou(self.eps) + (hull - pair.union) / (hull + self.eps)
    }

    #[inline(always)]
    fn slopes<I: Isa>(&self, pair: &Pair) -> Slopes {
        let mut slopes = pair.slopes_of_iou(self.eps);
        let hull = product(pair.around) + self.eps;
        slopes.union -= 1.0 / hull;
        let by_hull = (pair.union + self.eps) / hull / hull;
        slopes.around = [by_hull * pair.around[1], by_hull * pair.around[0]];
        slopes
    }

    #[track_caller]
    fn definition<T: Float>(&self, parts: &Parts<T>) -> Result<Var<T>> {
        let hull = area(&parts.around)?;
        let empty = hull.sub(&parts.union)?.div(hull.add(self.eps)?)?;
        Ok(1.0 - parts.iou(self.eps)? + empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, Tensor};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "giou_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            GiouLoss::new()
                .eps(case.f64("eps", 1e-7))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Boxes of 1 to 10⁻³ of an `f32`'s steps: areas that cancel in it.
    #[test]
    fn large_coordinates_keep_their_digits() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[1e6f32, 1e6, 1e6 + 8.0, 1e6 + 8.0]]));
        let t = Var::from(Tensor::from([[1e6f32 + 4.0, 1e6, 1e6 + 12.0, 1e6 + 8.0]]));
        let y = giou_loss(&x, &t)?;
        // They share 32 of 96.
        assert!((y.item()? - 2.0 / 3.0).abs() < 1e-7);
        // Moving to the right by 1 shares 8 more and joins 8 less: (8 · 96 + 32 · 8)/96².
        let g = y.backward()?.get(&x)?.to_vec();
        let moved = g[0].f64() + g[2].f64();
        assert!((moved + 1024.0 / 9216.0).abs() < 1e-7, "{g:?}");
        Ok(())
    }

    #[test]
    fn no_boxes_and_empty_boxes() -> Result<()> {
        let none = Var::from(Tensor::<f32>::zeros([0, 4])?);
        assert!(giou_loss(&none, &none)?.item()?.is_nan());
        let tape = Tape::new();
        let point = tape.leaf(Tensor::from([1.0f32, 2.0, 1.0, 2.0]));
        let y = giou_loss(&point, &point.detach())?;
        assert_eq!(y.item()?, 1.0);
        let dx = y.backward()?;
        assert!(dx.get(&point)?.to_vec().iter().all(|v| v.is_finite()));
        Ok(())
    }

    #[test]
    fn wrong_boxes_are_named() {
        let x = Var::from(Tensor::from([
            [0.0f32, 0.0, 1.0, 1.0],
            [0.0, 3.0, 1.0, 2.5],
        ]));
        let ok = Var::from(Tensor::from([
            [0.0f32, 0.0, 1.0, 1.0],
            [0.0, 0.0, 1.0, 1.0],
        ]));
        let e = giou_loss(&ok, &x).unwrap_err();
        assert_eq!(
            e.to_string(),
            "giou_loss: target[1, 3] is 2.5, but a box is (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2; predict sizes, by \
             `exp` or `softplus`, if corners come out in the wrong order"
        );
        assert!(giou_loss(&x, &ok).is_err());
        let flat = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = giou_loss(&flat, &flat).unwrap_err();
        assert_eq!(
            e.to_string(),
            "giou_loss: the input has shape [1, 2], but its last dimension must be that of a box, (x1, y1, x2, y2)"
        );
        assert!(GiouLoss::new().eps(0.0).forward(&ok, &ok).is_err());
    }
}
