//! Layers that bring their input to mean 0 and deviation 1.

mod batch;
mod kernel;

pub use batch::{BatchNorm, BatchNorm1d, BatchNorm2d};

use super::checks::{input_shape, option, parameter};
use crate::module::Module;
use kernel::{Affine, Normalize};
use losses::autograd::{Float, IntoShape, Param, fused};
use losses::{Error, Result, Tensor, Var};

/// The last dimensions of each example brought to mean 0 and deviation 1, and then weighted.
///
/// `y = (x - mean) / √(var + ε) · w + b`, with mean and variance over the last dimensions, which `weight` and `bias`
/// have.
///
/// ```
/// use nn::prelude::*;
/// let layer = LayerNorm::<f64>::new([2])?;
/// let y = layer.forward(&Var::from(Tensor::from([[1.0, 3.0], [10.0, 10.0]])))?;
/// assert!((y.value()[[0, 1]] - 1.0 / 1.00001f64.sqrt()).abs() < 1e-15);
/// assert_eq!(y.value()[[1, 0]], 0.0);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// Ba, Kiros and Hinton 2016, arXiv:1607.06450; PyTorch,
/// [`torch.nn.LayerNorm`](https://pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html).
#[derive(Clone, Debug)]
pub struct LayerNorm<T: Float> {
    /// The factors, 1 at first.
    pub weight: Option<Param<T>>,
    /// What is added, 0 at first.
    pub bias: Option<Param<T>>,
    shape: Vec<usize>,
    eps: f64,
}

crate::parts!(LayerNorm<T> { weight, bias });

impl<T: Float> LayerNorm<T> {
    /// For inputs whose last dimensions have this shape.
    ///
    /// # Errors
    /// [`Error::Shape`] for no dimension, or one of size 0.
    pub fn new(normalized_shape: impl IntoShape) -> Result<Self> {
        let shape = normalized_shape.dims("layer_norm")?;
        some("layer_norm", &shape)?;
        Ok(LayerNorm {
            weight: Some(Param::new(Tensor::ones(&shape)?)),
            bias: Some(Param::new(Tensor::zeros(&shape)?)),
            shape: shape.to_vec(),
            eps: 1e-5,
        })
    }

    /// `ε`, which keeps the root above 0. Default: 1e-5.
    #[must_use]
    pub fn eps(self, eps: f64) -> Self {
        LayerNorm { eps, ..self }
    }

    /// Without `bias`.
    #[must_use]
    pub fn without_bias(self) -> Self {
        LayerNorm { bias: None, ..self }
    }

    /// Without `weight` and `bias`: PyTorch's `elementwise_affine=False`.
    #[must_use]
    pub fn without_affine(self) -> Self {
        LayerNorm {
            weight: None,
            bias: None,
            ..self
        }
    }
}

impl<T: Float> Module<T> for LayerNorm<T> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let affine = [&self.weight, &self.bias];
        last_dims("layer_norm", x, &self.shape, true, self.eps, affine)
    }

    fn describe(&self) -> String {
        format!("LayerNorm({:?})", self.shape)
    }
}

/// The last dimensions of each example divided by their root mean square, and then weighted: a [`LayerNorm`] without
/// the mean.
///
/// ```
/// use nn::prelude::*;
/// let layer = RmsNorm::<f64>::new([2])?;
/// let y = layer.forward(&Var::from(Tensor::from([[1.0, -7.0]])))?;
/// assert!((y.value()[[0, 1]] + 1.4).abs() < 1e-15);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// Zhang and Sennrich 2019, arXiv:1910.07467; PyTorch,
/// [`torch.nn.RMSNorm`](https://pytorch.org/docs/stable/generated/torch.nn.RMSNorm.html).
#[derive(Clone, Debug)]
pub struct RmsNorm<T: Float> {
    /// The factors, 1 at first.
    pub weight: Option<Param<T>>,
    shape: Vec<usize>,
    eps: f64,
}

crate::parts!(RmsNorm<T> { weight });

impl<T: Float> RmsNorm<T> {
    /// For inputs whose last dimensions have this shape.
    ///
    /// # Errors
    /// [`Error::Shape`] for no dimension, or one of size 0.
    pub fn new(normalized_shape: impl IntoShape) -> Result<Self> {
        let shape = normalized_shape.dims("rms_norm")?;
        some("rms_norm", &shape)?;
        Ok(RmsNorm {
            weight: Some(Param::new(Tensor::ones(&shape)?)),
            shape: shape.to_vec(),
            eps: T::EPSILON.f64(),
        })
    }

    /// `ε`, which keeps the root above 0. Default: the distance from 1 to the next larger number, as in PyTorch.
    #[must_use]
    pub fn eps(self, eps: f64) -> Self {
        RmsNorm { eps, ..self }
    }

    /// Without `weight`: PyTorch's `elementwise_affine=False`.
    #[must_use]
    pub fn without_affine(self) -> Self {
        RmsNorm {
            weight: None,
            ..self
        }
    }
}

impl<T: Float> Module<T> for RmsNorm<T> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        last_dims(
            "rms_norm",
            x,
            &self.shape,
            false,
            self.eps,
            [&self.weight, &None],
        )
    }

    fn describe(&self) -> String {
        format!("RmsNorm({:?})", self.shape)
    }
}

fn some(op: &'static str, shape: &[usize]) -> Result<()> {
    if shape.is_empty() || shape.contains(&0) {
        return Err(Error::Shape {
            op,
            what: "what is normalized",
            got: shape.into(),
            expected: "it must have at least one dimension, and none of size 0".into(),
        });
    }
    Ok(())
}

/// `x` with its last dimensions normalized.
fn last_dims<T: Float>(
    op: &'static str,
    x: &Var<T>,
    shape: &[usize],
    center: bool,
    eps: f64,
    [weight, bias]: [&Option<Param<T>>; 2],
) -> Result<Var<T>> {
    option(op, "eps", eps >= 0.0, eps, "it must not be negative")?;
    if !x.shape().ends_with(shape) {
        let expected = format!("its last dimensions must be {shape:?}, the layer's");
        return Err(input_shape(op, x.shape(), expected));
    }
    for (what, param) in [("the weight", weight), ("the bias", bias)] {
        parameter(op, what, param.as_ref().map(Param::value), shape)?;
    }
    let len: usize = shape.iter().product();
    let rows = x.numel() / len.max(1);
    let flat = |p: &Param<T>| p.on(x).reshape([len]);
    let (w, b) = (
        weight.as_ref().map(flat).transpose()?,
        bias.as_ref().map(flat).transpose()?,
    );
    let op = Normalize {
        name: op,
        center,
        eps,
        affine: Affine::Column,
        weight: w.is_some(),
        bias: b.is_some(),
        stats: Default::default(),
    };
    let x2 = x.reshape([rows, len])?;
    let inputs: Vec<&Var<T>> = [Some(&x2), w.as_ref(), b.as_ref()]
        .into_iter()
        .flatten()
        .collect();
    fused(op, &inputs)?.reshape(x.shape())
}
