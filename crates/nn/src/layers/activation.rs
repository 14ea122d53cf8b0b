//! Activations as modules.

use crate::module::Module;
use losses::autograd::{Float, Param};
use losses::{Result, Tensor, Var};

/// A function without parameters: of each element, or, the softmax, along a dimension.
///
/// ```
/// use nn::prelude::*;
/// let x = Var::from(Tensor::from([-1.0f32, 0.0, 2.0]));
/// assert_eq!(ReLU.forward(&x)?.value().to_vec(), [0.0, 0.0, 2.0]);
/// assert_eq!(Sigmoid.forward(&x)?.value()[1], 0.5);
/// assert_eq!(LeakyReLU(0.1).forward(&x)?.value()[0], -0.1);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// Named as in PyTorch's [list](https://pytorch.org/docs/stable/nn.html#non-linear-activations-weighted-sum-nonlinearity).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`; its slope at 0 is 0.
    ReLU,
    /// `x` above 0, and `x` times the given slope elsewhere, which in PyTorch is 0.01 if nothing is said.
    LeakyReLU(f64),
    /// `x` above 0, and the given `α` times `eˣ - 1` elsewhere; in PyTorch 1 if nothing is said. Clevert, Unterthiner
    /// and Hochreiter 2015, arXiv:1511.07289.
    ELU(f64),
    /// `tanh x`
    Tanh,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `x · sigmoid(x)`, also called swish. Elfwing, Uchibe and Doya 2017, arXiv:1702.03118.
    SiLU,
    /// `x · tanh(softplus(x))`. Misra 2019, arXiv:1908.08681.
    Mish,
    /// `x · Φ(x)`, Φ the normal distribution function. Hendrycks and Gimpel 2016, arXiv:1606.08415.
    GELU,
    /// The approximation of GELU by a hyperbolic tangent, of the same paper.
    GELUTanh,
    /// `min(max(x, 0), 6)`
    ReLU6,
    /// `min(max(x, a), b)` of the given bounds; in PyTorch -1 and 1 if nothing is said.
    Hardtanh(f64, f64),
    /// `min(max(x + 3, 0), 6) / 6`
    Hardsigmoid,
    /// `x · min(max(x + 3, 0), 6) / 6`. Howard and others 2019, arXiv:1905.02244.
    Hardswish,
    /// `x` above 0, and the given `α` times `e^(x / α) - 1` elsewhere; in PyTorch 1. Barron 2017, arXiv:1704.07483.
    CELU(f64),
    /// [`ELU`](Activation::ELU), scaled so that mean 0 and variance 1 stay. Klambauer and others 2017, arXiv:1706.02515.
    SELU,
    /// `x / (1 + |x|)`
    Softsign,
    /// `x - tanh x`
    Tanhshrink,
    /// `x` moved towards 0 by the given number, at most to 0; in PyTorch 0.5 if nothing is said.
    Softshrink(f64),
    /// `x`, and 0 where it is no farther from it than the given number; in PyTorch 0.5 if nothing is said.
    Hardshrink(f64),
    /// `ln sigmoid(x)`
    LogSigmoid,
    /// `a · sigmoid(b)` of the halves `a` and `b` along the given dimension. Dauphin and others 2016, arXiv:1612.08083.
    GLU(isize),
    /// `e⁻ˣ / Σ e⁻ˣ` along the given dimension.
    Softmin(isize),
    /// `eˣ / Σ eˣ` along the given dimension; negative ones count from the end.
    Softmax(isize),
    /// `x - ln Σ eˣ` along the given dimension; negative ones count from the end.
    LogSoftmax(isize),
}

crate::parts!(Activation {});

impl<T: Float> Module<T> for Activation {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        Ok(match *self {
            Activation::ReLU => x.relu(),
            Activation::LeakyReLU(slope) => x.leaky_relu(T::of(slope)),
            Activation::ELU(alpha) => x.elu(T::of(alpha)),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => x.sigmoid(),
            Activation::Softplus => x.softplus(),
            Activation::SiLU => x.silu(),
            Activation::Mish => x.mish(),
            Activation::GELU => x.gelu(),
            Activation::GELUTanh => x.gelu_tanh(),
            Activation::ReLU6 => x.relu6(),
            Activation::Hardtanh(min, max) => x.hardtanh(T::of(min), T::of(max)),
            Activation::Hardsigmoid => x.hardsigmoid(),
            Activation::Hardswish => x.hardswish(),
            Activation::CELU(alpha) => x.celu(T::of(alpha)),
            Activation::SELU => x.selu(),
            Activation::Softsign => x.softsign(),
            Activation::Tanhshrink => x.tanhshrink(),
            Activation::Softshrink(lambda) => x.softshrink(T::of(lambda)),
            Activation::Hardshrink(lambda) => x.hardshrink(T::of(lambda)),
            Activation::LogSigmoid => x.log_sigmoid(),
            Activation::GLU(dim) => x.glu(dim)?,
            Activation::Softmin(dim) => x.softmin(dim)?,
            Activation::Softmax(dim) => x.softmax(dim)?,
            Activation::LogSoftmax(dim) => x.log_softmax(dim)?,
        })
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}

/// `x` above 0, and `x` times a slope elsewhere that is learned: one, or one for each channel, which is dimension 1.
///
/// ```
/// use nn::prelude::*;
/// let y = PReLU::new(1)?.forward(&Var::from(Tensor::from([-2.0f32, 3.0])))?;
/// assert_eq!(y.value().to_vec(), [-0.5, 3.0]);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// He, Zhang, Ren and Sun 2015, arXiv:1502.01852; PyTorch,
/// [`torch.nn.PReLU`](https://pytorch.org/docs/stable/generated/torch.nn.PReLU.html).
#[derive(Clone, Debug)]
pub struct PReLU<T: Float> {
    /// The slopes.
    pub weight: Param<T>,
}

crate::parts!(PReLU<T> { weight });

impl<T: Float> PReLU<T> {
    /// So many slopes, all 0.25 at first.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) for more slopes than there can be.
    pub fn new(num_parameters: usize) -> Result<Self> {
        let weight = Param::new(Tensor::full(num_parameters, T::of(0.25))?);
        Ok(PReLU { weight })
    }
}

impl<T: Float> Module<T> for PReLU<T> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        x.prelu(&self.weight.on(x))
    }

    fn describe(&self) -> String {
        format!("PReLU({})", self.weight.value().numel())
    }
}
