use super::lovasz::{self, IGNORED, Lovasz};
use crate::check;
use crate::classification::target::check_classes;
use autograd::{Error, Float, Result, Tensor, Var};

options! {
    /// The mean over classes of a loss that has the intersection over union for its aim: the convex extension of one minus
    /// it (Lovász), of the errors of all pixels.
    ///
    /// # When to use
    /// To fine-tune a segmentation for the mean intersection over union it is judged by, or beside
    /// [`CrossEntropy`](crate::classification::CrossEntropy). It sorts the pixels of each class. Its input are
    /// probabilities: take `softmax` of logits first.
    ///
    /// # Formula
    /// `l = (1/K) Σ_c Σ_k e_k g_k` over the `K` classes that are present, where `e = 1 - x[c]` for pixels of class `c` and
    /// `x[c]` for others, in falling order, and `g_k = J_k - J_(k-1)` with `J_k` one minus the intersection over union when
    /// the first `k` pixels are wrong. Gradient: `-g_k / K` for pixels of the class, `g_k / K` for others, and 0 where there
    /// is no error. `Mean` divides by the number of images if they are looked at one by one; else there is one value.
    /// # Shape
    /// `x`: `(N, C)` or `(N, C, d…)`; `t`: `(N)` or `(N, d…)`. The result is a scalar, or `(N)` with
    /// [`per_image`](Self::per_image) and [`Reduction::None`](crate::Reduction::None). Where no pixel counts the loss is 0.
    /// # Errors
    /// [`Error::Shape`] if shapes disagree, [`Error::Class`] for a class outside `0..C`, [`Error::Value`] for an input
    /// outside `0..=1`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[0.75f32, 0.25], [0.5, 0.5]]));
    /// // Class 0 has the first pixel: the other one's error of 0.5 comes first and halves its share, then its own 0.25.
    /// // Class 1 has the second pixel, with an error of 0.5, which is its whole share; the other's counts no more.
    /// let loss = lovasz_softmax(&x, &Tensor::from([0, 1]))?;
    /// assert_eq!(loss.item()?, ((0.5 / 2.0 + 0.25 / 2.0) + 0.5) / 2.0);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Berman et al., *The Lovász-Softmax loss*, 2018, [arXiv:1705.08790](https://arxiv.org/abs/1705.08790).
    /// # Differs from PyTorch
    /// PyTorch has no such loss; names and defaults are those of the authors' program, but for `ignore_index`, which is
    /// `ignore` there. Steps of the extension are written without their differences, which for large images cancel in
    /// `f32`. Of equal errors the first comes first.
    pub struct LovaszSoftmax {
        /// Whether each image has a loss of its own; the mean of them is not that of all pixels together.
        per_image: bool = false,
        /// Whether classes count that no pixel is of: what is predicted of them is wrong.
        all_classes: bool = false,
        /// Pixels of this class count for nothing.
        ignore_index: i64 = -100,
    }
}

impl LovaszSoftmax {
    /// The loss of probabilities `x` and classes `t`.
    ///
    /// # Errors
    /// See [`LovaszSoftmax`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
        let [images, classes, ..] = *x.shape() else {
            return Err(Error::Shape {
                op: NAME,
                what: "the input",
                got: x.shape().into(),
                expected: "it must be (N, C) or (N, C, d…), with a class for each index of the second dimension".into(),
            });
        };
        check_classes(NAME, "probabilities", t, x.shape(), self.ignore_index)?;
        check::probabilities(NAME, "input", x.value())?;
        let ignore = self.ignore_index;
        let label = |class: i64| {
            if class == ignore {
                IGNORED
            } else {
                class as u32
            }
        };
        let loss = Lovasz {
            name: NAME,
            labels: t.to_vec().into_iter().map(label).collect(),
            images,
            classes,
            per_image: self.per_image,
            absent: self.all_classes,
            away: 0.0,
            reduction: self.reduction,
        };
        lovasz::run(loss, x)
    }
}

/// [`LovaszSoftmax`] with its defaults.
///
/// # Errors
/// See [`LovaszSoftmax`].
#[track_caller]
pub fn lovasz_softmax<T: Float>(x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
    LovaszSoftmax::new().forward(x, t)
}

const NAME: &str = "lovasz_softmax";

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
            LovaszSoftmax::new()
                .per_image(case.bool("per_image", false))
                .all_classes(case.bool("all_classes", false))
                .ignore_index(case.i64("ignore_index", -100))
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Of hard predictions the extension is what it extends: one minus the mean intersection over union.
    #[test]
    fn at_corners_it_is_the_intersection_over_union() -> Result<()> {
        let hard = |classes: &[i64]| -> Result<Var<f64>> {
            let classes = Tensor::from_vec(classes.to_vec(), [classes.len() as i64])?;
            Ok(Var::from(classes.one_hot(3)?))
        };
        let t = Tensor::from([0, 0, 0, 1, 1, 0]);
        let x = hard(&[0, 0, 1, 1, 2, 0])?;
        // Class 0: 3 of 4; class 1: 1 of 3; class 2 is not present.
        let want = 1.0 - (3.0 / 4.0 + 1.0 / 3.0) / 2.0;
        assert!((lovasz_softmax(&x, &t)?.item()? - want).abs() < 1e-15);
        // With it: 0 of 1.
        let all = LovaszSoftmax::new().all_classes(true).forward(&x, &t)?;
        let want = 1.0 - (3.0 / 4.0 + 1.0 / 3.0) / 3.0;
        assert!((all.item()? - want).abs() < 1e-15);
        assert_eq!(
            lovasz_softmax(&hard(&[0, 0, 0, 1, 1, 0])?, &t)?.item()?,
            0.0
        );
        Ok(())
    }

    #[test]
    fn the_order_of_pixels_does_not_matter() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([
            [0.7f64, 0.2, 0.1],
            [0.3, 0.3, 0.4],
            [0.1, 0.65, 0.25],
        ]));
        let t = Tensor::from([0, 2, 0]);
        let y = lovasz_softmax(&x, &t)?;
        let dx = y.backward()?;
        let turned = tape.leaf(x.value().flip(0)?);
        let z = lovasz_softmax(&turned, &t.flip(0)?)?;
        assert!((y.item()? - z.item()?).abs() < 1e-15);
        let dz = z.backward()?;
        assert_eq!(dz.get(&turned)?.flip(0)?.to_vec(), dx.get(&x)?.to_vec());
        Ok(())
    }

    #[test]
    fn no_pixels() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f32>::zeros([2, 3, 0])?);
        let t = Tensor::<i64>::zeros([2, 0])?;
        let y = lovasz_softmax(&x, &t)?;
        assert_eq!(y.item()?, 0.0);
        assert_eq!(y.backward()?.get(&x)?.shape(), [2, 3, 0]);
        let each = LovaszSoftmax::new()
            .per_image(true)
            .reduction(Reduction::None);
        assert_eq!(each.forward(&x, &t)?.value().to_vec(), [0.0; 2]);
        // Nothing but ignored pixels.
        let x = tape.leaf(Tensor::from([[0.5f32, 0.5]]));
        let y = lovasz_softmax(&x, &Tensor::from([-100]))?;
        assert_eq!(
            (y.item()?, y.backward()?.get(&x)?.to_vec()),
            (0.0, vec![0.0; 2])
        );
        Ok(())
    }

    #[test]
    fn wrong_arguments_are_named() {
        let x = Var::from(Tensor::from([[0.5f32, 0.5], [1.5, -0.5]]));
        let e = lovasz_softmax(&x, &Tensor::from([0, 1])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "lovasz_softmax: input[1, 0] is 1.5, but a probability lies in 0..=1; logits must first go through `sigmoid` \
             or `softmax`"
        );
        let e = lovasz_softmax(&x, &Tensor::from([0, 2])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "lovasz_softmax: target[1] is 2, but the probabilities have 2 classes"
        );
        let flat = Var::from(Tensor::from([0.5f32, 0.5]));
        assert!(lovasz_softmax(&flat, &Tensor::scalar(0)).is_err());
    }
}
