use super::clip::check_scalar;
use super::pairs::{Pairs, RowPass, cosines, reduced, row_scale};
use super::vector::HELD;
use super::vector::check_matrix;
use crate::check::same_shape;
use crate::reduction::Reduction;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::lanes;
use autograd::tensor_core::kernel::{Isa, Math};
use autograd::{Float, Fused, Needs, Result, Tensor, Var, fused};

options! {
    /// Asks of each image and each text whether they belong together, pair by pair: the sigmoid loss of SigLIP, for any
    /// two kinds of data that come in pairs.
    ///
    /// # Formula
    /// With cosines `s[i, j]` of image `i` and text `j`, `z = logit_scale · s + logit_bias`:
    /// `l[i] = softplus(-z[i, i]) + Σ_{j ≠ i} softplus(z[i, j])`. `Mean` divides by `N`. Gradient of `z`: `-σ(-z)` on the
    /// diagonal, `σ(z)` elsewhere; times `logit_scale` of the cosines; times the cosines and summed, of `logit_scale`;
    /// summed, of `logit_bias`; of a vector `x` from that of its direction `x̂`: `(g - (g · x̂) x̂) / ‖x‖`.
    /// # Shape
    /// `image` and `text`: `(N, D)`; `logit_scale` and `logit_bias`: scalars; the result is `(N)` with
    /// [`Reduction::None`](crate::Reduction::None), a row for each image, else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // All cosines are 0, so z is the bias, 0: each of the four pairs costs ln 2.
    /// let image = Var::from(Tensor::from([[1.0f64, 0.0], [2.0, 0.0]]));
    /// let text = Var::from(Tensor::from([[0.0f64, 1.0], [0.0, 3.0]]));
    /// let (scale, bias) = (Var::from(Tensor::scalar(10.0)), Var::from(Tensor::scalar(0.0)));
    /// let loss = siglip_loss(&image, &text, &scale, &bias)?;
    /// assert!((loss.item()? - 2.0 * 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// As [`clip_loss`](super::clip_loss); as no sum over the batch is needed, batches can be cut at will, and small ones
    /// work too. Begin with `logit_scale = 10`, learned by its logarithm, and `logit_bias = -10`, so that the many
    /// negatives cost little at first.
    /// # Reference
    /// Zhai et al., *Sigmoid Loss for Language Image Pre-Training*, [2303.15343](https://arxiv.org/abs/2303.15343),
    /// section 3.2.
    /// # Differs from PyTorch
    /// PyTorch does not have it.
    pub struct SiglipLoss {}
}

impl SiglipLoss {
    /// The loss of pairs of an image and a text, each other pair of the batch being a negative.
    ///
    /// # Errors
    /// See [`SiglipLoss`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        image: &Var<T>,
        text: &Var<T>,
        logit_scale: &Var<T>,
        logit_bias: &Var<T>,
    ) -> Result<Var<T>> {
        check_matrix(NAME, "the image", image.shape())?;
        same_shape(NAME, "the text", text.shape(), image.shape())?;
        check_scalar(NAME, "the logit_scale", logit_scale)?;
        check_scalar(NAME, "the logit_bias", logit_bias)?;
        let reduction = self.reduction;
        let divisor = reduction.divisor(image.shape()[0] as f64, image.shape());
        let loss = Siglip { reduction, divisor };
        fused(loss, &[image, text, logit_scale, logit_bias])
    }
}

/// [`SiglipLoss`] with its defaults.
///
/// # Errors
/// See [`SiglipLoss`].
#[track_caller]
pub fn siglip_loss<T: Float>(
    image: &Var<T>,
    text: &Var<T>,
    logit_scale: &Var<T>,
    logit_bias: &Var<T>,
) -> Result<Var<T>> {
    SiglipLoss::new().forward(image, text, logit_scale, logit_bias)
}

const NAME: &str = "siglip_loss";

#[derive(Clone)]
struct Siglip {
    reduction: Reduction,
    divisor: f64,
}

#[derive(Clone)]
struct Judge {
    scale: f64,
    bias: f64,
}

/// The loss of a row, and its slopes in scale and bias.
#[derive(Clone, Copy, Default)]
struct Row {
    value: f64,
    scale: f64,
    bias: f64,
}

impl<T: Float> RowPass<T> for Judge {
    const NAME: &'static str = NAME;
    type Out = Row;

    #[inline(always)]
    fn row<I: Isa>(&self, i: usize, s: &mut [T]) -> Row {
        let own = s[i].f64();
        let factor = T::of(self.scale);
        let (mut value, mut scale, mut bias) = (0.0, 0.0, 0.0);
        let (mut z, mut slopes) = ([T::ZERO; HELD], [T::ZERO; HELD]);
        for (n, s) in s.chunks_mut(HELD).enumerate() {
            let (z, slopes) = (&mut z[..s.len()], &mut slopes[..s.len()]);
            for (z, v) in z.iter_mut().zip(&*s) {
                *z = T::of(v.f64() * self.scale + self.bias);
            }
            for ((z, v), slope) in z.iter_mut().zip(&mut *s).zip(&mut *slopes) {
                let g = z.sigmoid::<I>();
                *z = z.softplus::<I>();
                *slope = g * *v;
                *v = g;
            }
            // The own text has no part in these sums.
            if let Some(own) = i.checked_sub(n * HELD).filter(|&own| own < s.len()) {
                (z[own], slopes[own], s[own]) = (T::ZERO, T::ZERO, T::ZERO);
            }
            value += lanes::sum(z);
            scale += lanes::sum(slopes);
            bias += lanes::sum(s);
            s.iter_mut().for_each(|v| *v = *v * factor);
        }
        let z = own * self.scale + self.bias;
        let g = -(-z).sigmoid::<I>();
        s[i] = T::of(g * self.scale);
        Row {
            value: value + (-z).softplus::<I>(),
            scale: scale + g * own,
            bias: bias + g,
        }
    }
}

impl<T: Float> Fused<T> for Siglip {
    type Saved = (Pairs<T>, Vec<Row>);

    fn name(&self) -> &'static str {
        NAME
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let z = cosines(&v[0], &v[1])?.mul(&v[2])?.add(&v[3])?;
        let n = z.shape()[0];
        let own = Tensor::<bool>::eye(n, n)?;
        let rows = z.neg().where_(&own, &z)?.softplus().sum(1)?;
        self.reduction.apply(&rows, self.divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Self::Saved)> {
        let mut pairs = Pairs::of(NAME, inputs[0], Some(inputs[1]))?;
        let judge = Judge {
            scale: inputs[2].item()?.f64(),
            bias: inputs[3].item()?.f64(),
        };
        let rows = pairs.pass(&judge);
        let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
        let y = reduced(NAME, self.reduction, &values, self.divisor)?;
        Ok((y, (pairs, rows)))
    }

    fn backward(
        &self,
        _: &[&Tensor<T>],
        (pairs, rows): &Self::Saved,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let scale = row_scale(self.reduction, dy, self.divisor)?;
        let vectors = pairs.back_each(&scale, [needs.get(0), needs.get(1)])?;
        let each = scale.broadcast_to([rows.len(), 1])?.to_vec();
        let total = |slope: fn(&Row) -> f64| {
            let parts = rows.iter().zip(&each).map(|(row, g)| slope(row) * g.f64());
            Tensor::scalar(T::of(parts.sum()))
        };
        let numbers = [
            needs.get(2).then(|| total(|row| row.scale)),
            needs.get(3).then(|| total(|row| row.bias)),
        ];
        Ok(vectors.into_iter().chain(numbers).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "siglip_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            // Inputs come in the order of their names: image, logit_bias, logit_scale, text.
            SiglipLoss::new()
                .reduction(case.reduction())
                .forward(&v[0], &v[3], &v[2], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Logits of ±1e4: pairs that are right cost nothing, pairs that are wrong 1e4 each, and nothing overflows.
    #[test]
    fn far_logits() {
        let tape = Tape::new();
        let image = tape.leaf(Tensor::from([[1.0f32, 0.0], [-1.0, 0.0]]));
        let text = tape.leaf(Tensor::from([[1.0f32, 0.0], [1.0, 0.0]]));
        let (scale, bias) = (
            tape.leaf(Tensor::scalar(1e4)),
            tape.leaf(Tensor::scalar(0.0)),
        );
        let options = SiglipLoss::new().reduction(Reduction::None);
        let loss = options.forward(&image, &text, &scale, &bias).unwrap();
        assert_eq!(loss.value().to_vec(), [1e4, 1e4]);
        let grads = loss.sum(..).unwrap().backward().unwrap();
        // The wrong pairs are (0, 1), a negative at z = 1e4, and (1, 1), a positive at z = -1e4.
        assert_eq!(grads.get(&scale).unwrap().item().unwrap(), 2.0);
        assert_eq!(grads.get(&bias).unwrap().item().unwrap(), 0.0);
    }

    #[test]
    fn the_message_shows_the_bias() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let (k, b) = (
            Var::from(Tensor::scalar(1.0)),
            Var::from(Tensor::from([1.0, 2.0])),
        );
        assert_eq!(
            siglip_loss(&x, &x, &k, &b).unwrap_err().to_string(),
            "siglip_loss: the logit_bias has shape [2], but it must be a scalar, without dimensions"
        );
    }
}
