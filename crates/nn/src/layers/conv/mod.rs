//! Convolutions.

mod columns;
mod kernel;

use super::checks::{input_shape, option, parameter};
use super::sizes::Sizes;
use crate::init;
use crate::module::Module;
use columns::Windows;
use kernel::Convolution;
use losses::autograd::{Float, Param, fused};
use losses::tensor_core::Border;
use losses::{Error, Result, Tensor, Var};
use rand::Rng;

/// Filters moved over a sequence (`D = 1`) or a picture (`D = 2`): cross-correlation, as in PyTorch.
///
/// `x` has shape `[N, in, …]` or, one example alone, `[in, …]`, with `D` dimensions of places; `weight` has shape
/// `[out, in / groups, …]`. A result has `(n + 2 padding - dilation (kernel - 1) - 1) / stride + 1` places along a
/// dimension of `n`.
///
/// ```
/// use nn::prelude::*;
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let layer = Conv2d::<f32>::new(1, 16, 3, &mut rng)?.padding(1);
/// assert_eq!(layer.forward(&Var::from(Tensor::zeros([5, 1, 8, 8])?))?.shape(), [5, 16, 8, 8]);
///
/// let mut difference = Conv1d::new(1, 1, 2, &mut rng)?.without_bias();
/// *difference.weight.value_mut() = Tensor::from([[[-1.0, 1.0]]]);
/// let y = difference.forward(&Var::from(Tensor::from([[1.0, 4.0, 9.0, 16.0]])))?;
/// assert_eq!(y.value(), &Tensor::from([[3.0, 5.0, 7.0]]));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// PyTorch, [`torch.nn.Conv2d`](https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html); Chellapilla, Puri and
/// Simard 2006, *High Performance Convolutional Neural Networks for Document Processing*, for the way it is computed.
#[derive(Clone, Debug)]
pub struct Conv<T: Float, const D: usize> {
    /// The filters, of shape `[out, in / groups, …]`.
    pub weight: Param<T>,
    /// What is added to each channel of the result, of shape `[out]`.
    pub bias: Option<Param<T>>,
    stride: [usize; D],
    padding: [usize; D],
    dilation: [usize; D],
    groups: usize,
    /// What the border is made of; of zeros if nothing is said.
    border: Option<Border>,
}

/// [`Conv`] over sequences `[N, C, L]`.
pub type Conv1d<T> = Conv<T, 1>;
/// [`Conv`] over pictures `[N, C, H, W]`.
pub type Conv2d<T> = Conv<T, 2>;

crate::parts!(Conv<T, const D: usize> { weight, bias });

impl<T: Float, const D: usize> Conv<T, D> {
    const OP: &'static str = if D == 1 { "conv1d" } else { "conv2d" };

    /// Filters from `inputs` to `outputs` channels; weight and bias are uniform in `±1/√(inputs · places)`, as in
    /// PyTorch.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for a kernel without a place.
    pub fn new(
        inputs: usize,
        outputs: usize,
        kernel: impl Sizes<D>,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        Self::grouped(inputs, outputs, kernel, 1, rng)
    }

    /// As [`new`](Conv::new), with the channels in `groups` that do not see each other; as many groups as inputs make a
    /// depthwise convolution.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for a kernel without a place, or groups that do not divide the channels.
    pub fn grouped(
        inputs: usize,
        outputs: usize,
        kernel: impl Sizes<D>,
        groups: usize,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        let kernel = kernel.sizes();
        option(
            Self::OP,
            "kernel",
            !kernel.contains(&0),
            kernel,
            "it must have at least one place",
        )?;
        let fits = groups > 0 && inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups);
        let expected = "it must divide the numbers of inputs and of outputs";
        option(Self::OP, "groups", fits, groups, expected)?;
        let shape: Vec<usize> = [outputs, inputs / groups]
            .into_iter()
            .chain(kernel)
            .collect();
        let bound = init::fan_bound(init::product(&shape[1..]));
        Ok(Conv {
            weight: Param::new(Tensor::uniform(&shape, -bound, bound, rng)?),
            bias: Some(Param::new(Tensor::uniform(outputs, -bound, bound, rng)?)),
            stride: [1; D],
            padding: [0; D],
            dilation: [1; D],
            groups,
            border: None,
        })
    }

    /// How far the filter moves from one place of the result to the next. Default: 1.
    #[must_use]
    pub fn stride(self, stride: impl Sizes<D>) -> Self {
        Conv {
            stride: stride.sizes(),
            ..self
        }
    }

    /// How many places, of zeros if no [`padding_mode`](Conv::padding_mode) is set, are thought to lie around the input. Default: 0.
    #[must_use]
    pub fn padding(self, padding: impl Sizes<D>) -> Self {
        Conv {
            padding: padding.sizes(),
            ..self
        }
    }

    /// Makes the border of the input itself: mirrored, of its outermost places, or of the places at the other end.
    /// Default: of zeros.
    ///
    /// ```
    /// use nn::prelude::*;
    /// use rand::SeedableRng;
    /// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
    /// let mut sum = Conv1d::new(1, 1, 3, &mut rng)?.without_bias().padding(1).padding_mode(Border::Circular);
    /// *sum.weight.value_mut() = Tensor::ones([1, 1, 3])?;
    /// let y = sum.forward(&Var::from(Tensor::from([[1.0, 2.0, 4.0, 8.0]])))?;
    /// assert_eq!(y.value(), &Tensor::from([[11.0, 7.0, 14.0, 13.0]]));
    /// # Ok::<(), nn::Error>(())
    /// ```
    #[must_use]
    pub fn padding_mode(self, border: impl Into<Option<Border>>) -> Self {
        Conv {
            border: border.into(),
            ..self
        }
    }

    /// How far apart the places that the filter looks at are. Default: 1.
    #[must_use]
    pub fn dilation(self, dilation: impl Sizes<D>) -> Self {
        Conv {
            dilation: dilation.sizes(),
            ..self
        }
    }

    /// The same layer without a bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Conv { bias: None, ..self }
    }
}

impl<T: Float, const D: usize> Module<T> for Conv<T, D> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        if x.ndim() == D + 1 {
            return self.forward(&x.unsqueeze(0)?)?.squeeze(0);
        }
        let (weight, op) = (self.weight.on(x), Self::OP);
        option(
            op,
            "stride",
            !self.stride.contains(&0),
            self.stride,
            "it must be at least 1",
        )?;
        option(
            op,
            "dilation",
            !self.dilation.contains(&0),
            self.dilation,
            "it must be at least 1",
        )?;
        let sizes = weight.shape();
        if sizes.len() != D + 2 || x.ndim() != D + 2 || x.shape()[1] != sizes[1] * self.groups {
            let places = if D == 1 { "L" } else { "H, W" };
            let inputs = sizes.get(1).map_or(0, |n| n * self.groups);
            let expected = format!(
                "it must be [N, C, {places}] or [C, {places}] with C = {inputs}, the layer's inputs"
            );
            return Err(input_shape(op, x.shape(), expected));
        }
        if sizes.contains(&0) || !sizes[0].is_multiple_of(self.groups) {
            return Err(Error::Shape {
                op,
                what: "the weight",
                got: sizes.into(),
                expected: format!(
                    "it must be [out, in / groups, …] without a size of 0, and {} must divide `out`",
                    self.groups
                ),
            });
        }
        let bias = self.bias.as_ref().map(Param::value);
        parameter(op, "the bias", bias, &sizes[..1])?;
        // Of zeros the kernel makes its border itself; another is laid around the input, from the last dimension on.
        let (x, padding) = match self.border {
            Some(border) if self.padding != [0; D] => {
                let widths = self.padding.iter().rev().flat_map(|&n| [n, n]);
                let around = x.pad_with(widths.collect::<Vec<usize>>(), border);
                (
                    around.map_err(|e| misfit(op, x.shape(), border, e))?,
                    [0; D],
                )
            }
            _ => (x.clone(), self.padding),
        };
        let x = &x;
        // A sequence is a picture one place high.
        let flat = |v: &Var<T>| {
            if D == 1 {
                v.unsqueeze(2)
            } else {
                Ok(v.clone())
            }
        };
        let (x4, w4) = (flat(x)?, flat(&weight)?);
        let two = |a: [usize; D], none: usize| {
            if D == 1 {
                [none, a[0]]
            } else {
                [a[0], a[D - 1]]
            }
        };
        let (size, kernel) = (
            [x4.shape()[2], x4.shape()[3]],
            [w4.shape()[2], w4.shape()[3]],
        );
        let mut windows = Windows {
            channels: sizes[1],
            size,
            kernel,
            stride: two(self.stride, 1),
            padding: two(padding, 0),
            dilation: two(self.dilation, 1),
            count: [0; 2],
        };
        for d in 0..2 {
            let places = size[d].saturating_add(windows.padding[d].saturating_mul(2));
            let reach = windows.dilation[d].saturating_mul(kernel[d] - 1);
            let Some(rest) = places.checked_sub(reach.saturating_add(1)) else {
                let expected = format!(
                    "with its border it must not be smaller than the kernel {kernel:?}, spread by the dilation"
                );
                return Err(input_shape(op, x.shape(), expected));
            };
            windows.count[d] = rest / windows.stride[d] + 1;
        }
        let op = Convolution {
            name: op,
            windows,
            groups: self.groups,
            outputs: sizes[0],
        };
        let bias = self.bias.as_ref().map(|b| b.on(x));
        let inputs: Vec<&Var<T>> = [Some(&x4), Some(&w4), bias.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        let y = fused(op, &inputs)?;
        if D == 1 { y.squeeze(2) } else { Ok(y) }
    }

    fn describe(&self) -> String {
        let sizes = self.weight.value().shape();
        let [outputs, inputs, kernel @ ..] = sizes else {
            return format!("Conv{D}d");
        };
        let mut text = format!("Conv{D}d({}, {outputs}, {kernel:?}", inputs * self.groups);
        for (name, value, usual) in [
            ("stride", self.stride, 1),
            ("padding", self.padding, 0),
            ("dilation", self.dilation, 1),
        ] {
            if value != [usual; D] {
                text += &format!(", {name} {value:?}");
            }
        }
        if let Some(border) = self.border {
            text += &format!(", {}", format!("{border:?}").to_lowercase());
        }
        if self.groups > 1 {
            text += &format!(", {} groups", self.groups);
        }
        text + ")"
    }
}

/// Says of a border that is wider than it can be which layer asks for it.
fn misfit(op: &'static str, shape: &[usize], border: Border, error: Error) -> Error {
    match error {
        Error::Option {
            value, expected, ..
        } => Error::Option {
            op,
            name: "padding",
            value: format!("{value} of an input {shape:?}, {border:?}"),
            expected,
        },
        other => other,
    }
}
