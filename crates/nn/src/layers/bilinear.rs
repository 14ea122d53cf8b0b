use super::checks::last_size;
use crate::init;
use losses::autograd::{Float, Param};
use losses::{Error, Result, Tensor, Var};
use rand::Rng;

/// `yₖ = x₁ᵀ Aₖ x₂ + bₖ`, of two inputs.
///
/// `x₁` has shape `[…, in1]`, `x₂` `[…, in2]` with the same dimensions before, and `y` `[…, out]`; `A` has shape
/// `[out, in1, in2]`.
///
/// ```
/// use nn::prelude::*;
/// let layer = Bilinear {
///     weight: Param::new(Tensor::from([[[1.0f32, 0.0], [0.0, 2.0]]])),
///     bias: None,
/// };
/// let y = layer.forward(&Var::from(Tensor::from([3.0, 4.0])), &Var::from(Tensor::from([5.0, 6.0])))?;
/// assert_eq!(y.value().to_vec(), [1.0 * 3.0 * 5.0 + 2.0 * 4.0 * 6.0]);
/// # Ok::<(), nn::Error>(())
/// ```
/// Its like in PyTorch is [`torch.nn.Bilinear`](https://pytorch.org/docs/stable/generated/torch.nn.Bilinear.html).
#[derive(Clone, Debug)]
pub struct Bilinear<T: Float> {
    /// `A`, of shape `[out, in1, in2]`.
    pub weight: Param<T>,
    /// `b`, of shape `[out]`; without it the layer adds nothing.
    pub bias: Option<Param<T>>,
}

crate::parts!(Bilinear<T> { weight, bias });

impl<T: Float> Bilinear<T> {
    /// A layer from `in1` and `in2` to `outputs` features; weight and bias are uniform in `±1/√in1`, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Size`] for more weights than there can be.
    pub fn new(
        in1: usize,
        in2: usize,
        outputs: usize,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        let bound = init::fan_bound(in1);
        Ok(Bilinear {
            weight: Param::new(Tensor::uniform([outputs, in1, in2], -bound, bound, rng)?),
            bias: Some(Param::new(Tensor::uniform(outputs, -bound, bound, rng)?)),
        })
    }

    /// The same layer without a bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Bilinear { bias: None, ..self }
    }

    /// The output for two inputs.
    ///
    /// # Errors
    /// [`Error::Shape`] if a last dimension is not the layer's, or the others are not the same.
    #[track_caller]
    pub fn forward(&self, x1: &Var<T>, x2: &Var<T>) -> Result<Var<T>> {
        // Parameters meet the tape of whichever input lies on one.
        let beside = if x1.tape().is_some() { x1 } else { x2 };
        let weight = self.weight.on(beside);
        let &[outputs, in1, in2] = weight.shape() else {
            return Err(Error::Shape {
                op: "bilinear",
                what: "the weight",
                got: weight.shape().into(),
                expected: "it must have three dimensions: outputs and both inputs".into(),
            });
        };
        last_size("bilinear", x1.shape(), Some(in1))?;
        last_size("bilinear", x2.shape(), Some(in2))?;
        let lead = &x1.shape()[..x1.ndim() - 1];
        if lead != &x2.shape()[..x2.ndim() - 1] {
            return Err(Error::Shape {
                op: "bilinear",
                what: "the second input",
                got: x2.shape().into(),
                expected: format!(
                    "its dimensions before the last must be {lead:?}, the first one's"
                ),
            });
        }
        let n: usize = lead.iter().product();
        let wide = weight.permute([1, 0, 2])?.reshape([in1, outputs * in2])?;
        let left = x1
            .reshape([n, in1])?
            .matmul(&wide)?
            .reshape([n, outputs, in2])?;
        let y = left.matmul(&x2.reshape([n, in2, 1])?)?;
        let shape: Vec<usize> = lead.iter().copied().chain([outputs]).collect();
        let y = y.reshape(&shape)?;
        match &self.bias {
            Some(bias) => y.add(bias.on(beside)),
            None => Ok(y),
        }
    }
}
