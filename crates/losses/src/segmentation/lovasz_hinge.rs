use super::lovasz::{self, IGNORED, Lovasz};
use crate::check::{self, same_shape};
use autograd::{Error, Float, Result, Tensor, Var};

options! {
    /// The hinge loss of a binary mask that has the intersection over union for its aim: the convex extension of one minus
    /// it (Lovász), of the errors of all pixels.
    ///
    /// # When to use
    /// To fine-tune a mask for the intersection over union it is judged by, after training with
    /// [`BinaryCrossEntropyWithLogits`](crate::binary::BinaryCrossEntropyWithLogits). It sorts the pixels, and its
    /// gradient is sparse; from scratch it learns slowly.
    ///
    /// # Formula
    /// `l = Σ_k max(0, e_k) g_k`, where `e = 1 - x (2t - 1)` in falling order, and `g_k = J_k - J_(k-1)` with `J_k` one
    /// minus the intersection over union when the first `k` pixels are wrong. Gradient: `-(2t - 1) g_k` where `e_k` is
    /// positive. `Mean` divides by the number of images if they are looked at one by one; else there is one value.
    /// # Shape
    /// `x` and `t` have one shape, any, whose first dimension is that of images if they are looked at one by one. The result
    /// is a scalar, or `(N)` with [`per_image`](Self::per_image) and [`Reduction::None`](crate::Reduction::None). Where no
    /// pixel counts the loss is 0.
    /// # Errors
    /// [`Error::Shape`] if the shapes differ, or images are asked for and there is no dimension of them, [`Error::Value`]
    /// for a target other than 0, 1 and the ignored label.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([2.0f32, -0.5, -3.0, -0.5]));
    /// // The second pixel is missed: an error of 1.5, and half of the object. The last, right by only a half, has an error
    /// // of 0.5, and would add a third pixel to the union.
    /// let loss = lovasz_hinge(&x, &Tensor::from([1.0, 1.0, 0.0, 0.0]))?;
    /// assert!((loss.item()? - (1.5 / 2.0 + 0.5 / 6.0)).abs() < 1e-6);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Berman et al., *The Lovász-Softmax loss*, 2018, [arXiv:1705.08790](https://arxiv.org/abs/1705.08790).
    /// # Differs from PyTorch
    /// PyTorch has no such loss. In the authors' program `per_image` is the default. Steps of the extension are written
    /// without their differences, which for large images cancel in `f32`. Of equal errors the first comes first.
    pub struct LovaszHinge {
        /// Whether each image has a loss of its own; the mean of them is not that of all pixels together.
        per_image: bool = false,
        /// Pixels with this label count for nothing.
        ignore: Option<f64> = None,
    }
}

impl LovaszHinge {
    /// The loss of logits `x` and labels `t` of 0 and 1.
    ///
    /// # Errors
    /// See [`LovaszHinge`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
        same_shape(NAME, "the target", t.shape(), x.shape())?;
        let ignore = self.ignore.map(T::of);
        check::elements(
            NAME,
            "target",
            t,
            |v| v != T::ZERO && v != T::ONE && Some(v) != ignore,
            "a label is 0 or 1; name another one with `ignore` to leave its pixels out",
        )?;
        let images = match (self.per_image, x.shape()) {
            (false, _) => 1,
            (true, [images, ..]) => *images,
            (true, []) => {
                return Err(Error::Shape {
                    op: NAME,
                    what: "the input",
                    got: x.shape().into(),
                    expected: "with `per_image` its first dimension must be that of the images"
                        .into(),
                });
            }
        };
        // The mask is the only class, number 0; what is not in it is of another.
        let label = |v: T| match v {
            _ if Some(v) == ignore => IGNORED,
            _ if v == T::ONE => 0,
            _ => 1,
        };
        let loss = Lovasz {
            name: NAME,
            labels: t.to_vec().into_iter().map(label).collect(),
            images,
            classes: 1,
            per_image: self.per_image,
            absent: true,
            away: -1.0,
            reduction: self.reduction,
        };
        lovasz::run(loss, x)
    }
}

/// [`LovaszHinge`] with its defaults.
///
/// # Errors
/// See [`LovaszHinge`].
#[track_caller]
pub fn lovasz_hinge<T: Float>(x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    LovaszHinge::new().forward(x, t)
}

const NAME: &str = "lovasz_hinge";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let ignore = case.f64("ignore", f64::NAN);
            LovaszHinge::new()
                .per_image(case.bool("per_image", false))
                .ignore(Some(ignore).filter(|v| !v.is_nan()))
                .reduction(case.reduction())
                .forward(&v[0], v[1].value())
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// On hard and wrong predictions at distance 1 from the margin the extension is the loss it extends: with every error
    /// either 0 or 1, one minus the intersection over union.
    #[test]
    fn at_corners_it_is_the_intersection_over_union() -> Result<()> {
        // Errors of 0 at ±1 where right, of 1 at 0.
        let t = Tensor::from([1.0f64, 1.0, 1.0, 0.0, 0.0, 0.0]);
        let x = Tensor::from([1.0f64, 0.0, 1.0, -1.0, 0.0, 0.0]);
        // One of three missed, two false: 2 of 5.
        assert!((lovasz_hinge(&Var::from(x), &t)?.item()? - (1.0 - 2.0 / 5.0)).abs() < 1e-15);
        Ok(())
    }

    #[test]
    fn edges() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([f32::INFINITY, f32::NEG_INFINITY, 1e4, 1.0]));
        // All right, the last at the kink.
        let y = lovasz_hinge(&x, &Tensor::from([1.0, 0.0, 1.0, 1.0]))?;
        assert_eq!(y.item()?, 0.0);
        assert_eq!(y.backward()?.get(&x)?.to_vec(), [0.0; 4]);
        // Nothing is in the mask: the largest error counts whole, the others not at all.
        let y = lovasz_hinge(&x, &Tensor::from([0.0f32; 4]))?;
        assert_eq!(y.item()?, f32::INFINITY);
        assert_eq!(y.backward()?.get(&x)?.to_vec(), [1.0, 0.0, 0.0, 0.0]);
        // A pixel that is no number is not overlooked.
        let nan = Var::from(Tensor::from([1.0f32, f32::NAN]));
        assert!(
            lovasz_hinge(&nan, &Tensor::from([1.0, 0.0]))?
                .item()?
                .is_nan()
        );
        // Nothing counts.
        let ignore = LovaszHinge::new().ignore(7.0);
        let y = ignore.forward(&x, &Tensor::from([7.0f32; 4]))?;
        assert_eq!(y.item()?, 0.0);
        assert_eq!(y.backward()?.get(&x)?.to_vec(), [0.0; 4]);
        Ok(())
    }

    #[test]
    fn no_images() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f64>::zeros([0, 3])?);
        let t = x.value().clone();
        assert_eq!(lovasz_hinge(&x, &t)?.item()?, 0.0);
        let each = LovaszHinge::new().per_image(true);
        let y = each.forward(&x, &t)?;
        assert!(y.item()?.is_nan());
        assert_eq!(y.backward()?.get(&x)?.shape(), [0, 3]);
        let none = each.reduction(Reduction::None).forward(&x, &t)?;
        assert_eq!(none.shape(), [0]);
        let scalar = Var::from(Tensor::scalar(1.0f32));
        let each = LovaszHinge::new().per_image(true);
        assert!(each.forward(&scalar, scalar.value()).is_err());
        Ok(())
    }

    #[test]
    fn labels_are_checked() {
        let x = Var::from(Tensor::from([[1.0f32, 2.0]]));
        let e = lovasz_hinge(&x, &Tensor::from([[1.0, 255.0]])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "lovasz_hinge: target[0, 1] is 255, but a label is 0 or 1; name another one with `ignore` to leave its pixels \
             out"
        );
    }
}
