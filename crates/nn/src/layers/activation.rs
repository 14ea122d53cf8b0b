//! Activations as modules.

use crate::module::Module;
use losses::autograd::Float;
use losses::{Result, Var};

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
    /// `eˣ / Σ eˣ` along the given dimension; negative ones count from the end.
    Softmax(isize),
    /// `x - ln Σ eˣ` along the given dimension; negative ones count from the end.
    LogSoftmax(isize),
}

crate::parts!(Activation {});

impl<T: Float> Module<T> for Activation {
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
            Activation::Softmax(dim) => x.softmax(dim)?,
            Activation::LogSoftmax(dim) => x.log_softmax(dim)?,
        })
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}
