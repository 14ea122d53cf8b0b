use super::boxes::{self, BoxLoss, Pair, Parts, Slopes, size};
use super::diou::Diou;
use autograd::tensor_core::kernel::{Isa, Math};
use autograd::{Float, Result, Var};
use std::f64::consts::PI;

options! {
    /// The [`DiouLoss`](crate::detection::DiouLoss) of two boxes, and how much their ratios of width to height differ.
    ///
    /// # When to use
    /// The usual choice to regress boxes, where objects differ in shape. The weight of the third term grows with the
    /// overlap: position first, then shape.
    ///
    /// # Formula
    /// `l = 1 - I / (U + eps) + d² / (c² + eps) + α v`, the first terms as in [`DiouLoss`](crate::detection::DiouLoss), with
    /// `v = 4/π² (atan(w'/h') - atan(w/h))²` and `α = v / (1 - I / (U + eps) + v + eps)`; `Mean` divides by the number of
    /// pairs. Gradient of the last term: `α` counts as a constant, as in the paper, and that of `v` by width and height is
    /// `±8/π² (atan(w/h) - atan(w'/h')) (h, -w) / (w² + h²)`.
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
    /// let t = Var::from(Tensor::from([[0.0f64, 0.0, 2.0, 0.0]]));
    /// // No area is shared; centres 1 apart, diagonal² 8; a square and a line: v = 4/π² (π/2 - π/4)² = 1/4.
    /// let loss = 1.0 + 1.0 / 8.0 + 0.25 * (0.25 / 1.25);
    /// assert!((ciou_loss(&x, &t)?.item()? - loss).abs() < 1e-7);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Zheng et al., *Distance-IoU Loss*, 2020, [arXiv:1911.08287](https://arxiv.org/abs/1911.08287).
    /// # Differs from PyTorch
    /// PyTorch has no such loss; torchvision's `complete_box_iou_loss` has these numbers, but returns one for each pair where
    /// no reduction is named, and takes boxes with corners in the wrong order for boxes of negative area. Here areas are
    /// computed in `f64`, and a box without a size has no ratio and no slope of it, where there it is NaN.
    pub struct CiouLoss {
        /// Added to denominators.
        eps: f64 = 1e-7,
    }
}

impl CiouLoss {
    /// The loss of boxes `x` and their targets `t`.
    ///
    /// # Errors
    /// See [`CiouLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let loss = Ciou(Diou { eps: self.eps });
        boxes::run(loss, x, t, self.eps, self.reduction)
    }
}

/// [`CiouLoss`] with its defaults.
///
/// # Errors
/// See [`CiouLoss`].
#[track_caller]
pub fn ciou_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    CiouLoss::new().forward(x, t)
}

#[derive(Clone)]
struct Ciou(Diou);

impl Ciou {
    /// The difference of the angles of the diagonals, `v`, and its weight.
    #[inline(always)]
    fn shape<I: Isa>(&self, pair: &Pair) -> (f64, f64, f64) {
        let angle = |b: [f64; 4]| {
            let [w, h] = size(b);
            Math::atan2::<I>(w, h)
        };
        let turn = angle(pair.own) - angle(pair.other);
        let v = 4.0 / (PI * PI) * turn * turn;
        let weight = v / (1.0 - pair.iou(self.0.eps) + v + self.0.eps);
        (turn, v, weight)
    }
}

impl BoxLoss for Ciou {
    const NAME: &'static str = "ciou_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, pair: &Pair) -> f64 {
        let (_, v, weight) = self.shape::<I>(pair);
        self.0.value::<I>(pair) + weight * v
    }

    #[inline(always)]
    fn slopes<I: Isa>(&self, pair: &Pair) -> Slopes {
        let mut slopes = self.0.slopes::<I>(pair);
        let (turn, _, weight) = self.shape::<I>(pair);
        let [w, h] = size(pair.own);
        let square = w * w + h * h;
        if square != 0.0 {
            let scale = weight * 8.0 / (PI * PI) * turn / square;
            for (s, side) in slopes.own.iter_mut().zip([-h, w, h, -w]) {
                *s += side * scale;
            }
        }
        slopes
    }

    #[track_caller]
    fn definition<T: Float>(&self, parts: &Parts<T>) -> Result<Var<T>> {
        let v = ratio_term(&parts.corners)?;
        let rest = 1.0 - parts.iou(self.0.eps)? + &v + self.0.eps;
        let weight = v.div(rest)?.detach();
        self.0.definition(parts)?.add(v.mul(weight)?)
    }
}

/// `4/π² (atan(w'/h') - atan(w/h))²`
#[track_caller]
fn ratio_term<T: Float>(corners: &[[Var<T>; 2]; 2]) -> Result<Var<T>> {
    let angle = |[low, high]: &[Var<T>; 2]| -> Result<Var<T>> {
        let size = high.sub(low)?;
        size.select(-1, 0)?.atan2(size.select(-1, 1)?)
    };
    let turn = angle(&corners[0])?.sub(angle(&corners[1])?)?;
    turn.square().mul(4.0 / (PI * PI))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::detection::{diou_loss, giou_loss};
    use crate::testing::{Case, Checked, assert_close, check_loss};
    use autograd::{GradOptions, Tape, Tensor, grad, gradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "ciou_loss";
        // One factor counts as a constant.
        const TRUE_SLOPES: bool = false;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            CiouLoss::new()
                .eps(case.f64("eps", 1e-7))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Boxes in batches are as boxes in a row, to second order too, where the definition runs.
    #[test]
    fn boxes_in_batches() -> Result<()> {
        let boxes = |by: f64| -> Result<Tensor<f64>> {
            let corner = |i: i32, side: f64| 0.3 * f64::from(i % 3) + side + by * f64::from(i % 5);
            let all = (0..6).flat_map(|i| [0.0, 0.2, 1.1, 1.4].map(|side| corner(i, side)));
            Tensor::from_vec(all.collect(), [6, 4])
        };
        let (x, t) = (boxes(0.05)?, boxes(-0.03)?);
        let found = |shape: &[i64]| -> Result<Vec<Vec<f64>>> {
            let mut found = Vec::new();
            for loss in [giou_loss, diou_loss, ciou_loss] {
                let tape = Tape::new();
                let [x, t] = [&x, &t].map(|x| x.reshape(shape).map(|x| tape.leaf(x)));
                let (x, t) = (x?, t?);
                let y = loss(&x, &t)?;
                let options = GradOptions::new().create_graph(true);
                let dx = grad(&[&y], &[&x, &t], options)?;
                let weights = Tensor::arange(0.0, 24.0, 1.0)?.reshape(shape)?;
                let sum = dx[0].mul(Var::from(weights))?.sum(..)?;
                let second = sum.add(dx[1].square().sum(..)?)?.backward()?;
                found.push(vec![y.item()?]);
                for g in [
                    dx[0].value(),
                    dx[1].value(),
                    second.get(&x)?,
                    second.get(&t)?,
                ] {
                    found.push(g.to_vec());
                }
            }
            Ok(found)
        };
        let rows = found(&[6, 4])?;
        for shape in [&[2, 3, 4][..], &[1, 3, 2, 4]] {
            for (a, b) in rows.iter().flatten().zip(found(shape)?.iter().flatten()) {
                assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()), "{a} and {b}");
            }
        }
        Ok(())
    }

    /// With the weight of the third term really held, finite differences find the gradient.
    #[test]
    fn the_gradient_is_that_with_a_constant_weight() -> Result<()> {
        let x = Tensor::from([[0.0f64, 0.5, 2.0, 1.75], [1.0, 1.0, 3.0, 4.0]]);
        let t = Tensor::from([[0.25f64, 0.0, 2.5, 3.0], [4.0, 0.0, 6.0, 0.5]]);
        let corners = |b: &Var<f64>| -> Result<[Var<f64>; 2]> {
            Ok([b.narrow(-1, 0, 2)?, b.narrow(-1, 2, 2)?])
        };
        let ratio = |v: &[Var<f64>]| ratio_term(&[corners(&v[0])?, corners(&v[1])?]);
        let options = CiouLoss::new().reduction(Reduction::None);
        let constants = [Var::from(&x), Var::from(&t)];
        let v = ratio(&constants)?;
        let diou = crate::detection::DiouLoss::new().reduction(Reduction::None);
        let ciou = options.forward(&constants[0], &constants[1])?;
        let plain = diou.forward(&constants[0], &constants[1])?;
        let weight = ciou.sub(plain)?.div(v)?;
        let held = |v: &[Var<f64>]| {
            let third = ratio(v)?.mul(&weight)?.mean(..)?;
            diou_loss(&v[0], &v[1])?.add(third)
        };
        gradcheck(held, &[x.clone(), t.clone()])?.assert_ok();
        let tape = Tape::new();
        let leaves = [tape.leaf(x), tape.leaf(t)];
        let want = held(&leaves)?.backward()?;
        let got = ciou_loss(&leaves[0], &leaves[1])?.backward()?;
        for leaf in &leaves {
            assert_close("gradient", got.get(leaf)?, want.get(leaf)?, 1e-12, 1e-13);
        }
        Ok(())
    }

    #[test]
    fn a_box_without_a_size_is_finite() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[1.0f32, 2.0, 1.0, 2.0]]));
        let t = Var::from(Tensor::from([[0.0f32, 0.0, 4.0, 1.0]]));
        let y = ciou_loss(&x, &t)?;
        assert!(y.item()?.is_finite());
        assert!(
            y.backward()?
                .get(&x)?
                .to_vec()
                .iter()
                .all(|v| v.is_finite())
        );
        Ok(())
    }
}
