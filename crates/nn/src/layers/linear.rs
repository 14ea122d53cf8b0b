//! The fully connected layer.

use super::checks::last_size;
use crate::module::Module;
use losses::autograd::{Float, Param};
use losses::{Result, Tensor, Var};
use rand::Rng;

/// `y = x Wᵀ + b`, with PyTorch's shapes and its start values.
///
/// `x` has shape `[…, in]` and `y` `[…, out]`; `W` has shape `[out, in]`, `b` `[out]`.
///
/// ```
/// use nn::prelude::*;
/// let layer = Linear {
///     weight: Param::new(Tensor::from([[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]])),
///     bias: Some(Param::new(Tensor::from([0.5, 0.0, 0.0]))),
/// };
/// let y = layer.forward(&Var::from(Tensor::from([[1.0, 1.0]])))?;
/// assert_eq!(y.value(), &Tensor::from([[3.5, 7.0, 11.0]]));
/// # Ok::<(), nn::Error>(())
/// ```
///
/// Its like in PyTorch is [`torch.nn.Linear`](https://pytorch.org/docs/stable/generated/torch.nn.Linear.html).
#[derive(Clone, Debug)]
pub struct Linear<T: Float> {
    /// `W`, of shape `[out, in]`.
    pub weight: Param<T>,
    /// `b`, of shape `[out]`; without it the layer adds nothing.
    pub bias: Option<Param<T>>,
}

impl<T: Float> Linear<T> {
    /// A layer from `inputs` to `outputs` features; weight and bias are uniform in `±1/√inputs`, as in PyTorch.
    ///
    /// ```
    /// use nn::prelude::*;
    /// use rand::SeedableRng;
    /// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
    /// let layer = Linear::<f32>::new(4, 3, &mut rng)?;
    /// assert_eq!(layer.weight.value().shape(), [3, 4]);
    /// assert!(layer.weight.value().abs().le(0.5)?.all(..)?.item()?);
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) for more weights than there can be.
    pub fn new(inputs: usize, outputs: usize, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        let bound = crate::init::fan_bound(inputs);
        Ok(Linear {
            weight: Param::new(Tensor::uniform([outputs, inputs], -bound, bound, rng)?),
            bias: Some(Param::new(Tensor::uniform(outputs, -bound, bound, rng)?)),
        })
    }

    /// The same layer without a bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Linear { bias: None, ..self }
    }
}

crate::parts!(Linear<T> { weight, bias });

impl<T: Float> Module<T> for Linear<T> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let weight = self.weight.on(x);
        last_size("linear", x.shape(), weight.shape().last().copied())?;
        match &self.bias {
            Some(bias) => x.linear(&weight, &bias.on(x)),
            None => x.linear(&weight, None),
        }
    }

    fn describe(&self) -> String {
        let sizes = self.weight.value().shape();
        let bias = if self.bias.is_some() { "" } else { ", no bias" };
        match sizes {
            [outputs, inputs] => format!("Linear({inputs}, {outputs}{bias})"),
            _ => format!("Linear(weight {sizes:?}{bias})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use losses::autograd::gradcheck;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    #[test]
    fn start_values_fill_their_range() -> Result<()> {
        let layer = Linear::<f64>::new(100, 400, &mut ChaCha8Rng::seed_from_u64(1))?;
        let weight = layer.weight.value();
        // Uniform in ±a has mean 0 and deviation a/√3; the mean of 40,000 draws deviates by that, divided by 200.
        assert!(weight.mean(..)?.item()?.abs() < 5.0 * 0.1 / 3f64.sqrt() / 200.0);
        assert!((weight.std(.., 0)?.item()? - 0.1 / 3f64.sqrt()).abs() < 1e-3);
        assert!(weight.abs().max(..)?.item()? <= 0.1);
        Ok(())
    }

    #[test]
    fn gradients_agree_with_finite_differences() -> Result<()> {
        let layer = Linear::<f64>::new(3, 2, &mut ChaCha8Rng::seed_from_u64(2))?;
        let x = Tensor::randn([4, 3], &mut ChaCha8Rng::seed_from_u64(3))?;
        gradcheck(|v| layer.forward(&v[0]), &[x])?.assert_ok();
        Ok(())
    }

    #[test]
    fn a_wrong_width_names_the_right_one() -> Result<()> {
        let layer = Linear::<f32>::new(3, 2, &mut ChaCha8Rng::seed_from_u64(0))?;
        let error = layer
            .forward(&Var::from(Tensor::zeros([4, 5])?))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "linear: the input has shape [4, 5], but its last dimension must be 3, the layer's inputs"
        );
        Ok(())
    }
}
