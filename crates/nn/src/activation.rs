//! Activations as modules.

use crate::module::Module;
use losses::autograd::Float;
use losses::{Result, Var};

/// A function of each element, without parameters.
///
/// ```
/// use nn::prelude::*;
/// let x = Var::from(Tensor::from([-1.0f32, 0.0, 2.0]));
/// assert_eq!(ReLU.forward(&x)?.value().to_vec(), [0.0, 0.0, 2.0]);
/// assert_eq!(Sigmoid.forward(&x)?.value()[1], 0.5);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// Named as in PyTorch's [list](https://pytorch.org/docs/stable/nn.html#non-linear-activations-weighted-sum-nonlinearity),
/// with the defaults there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `max(x, 0)`; its slope at 0 is 0.
    ReLU,
    /// `tanh x`
    Tanh,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `x · sigmoid(x)`, also called swish.
    SiLU,
    /// `x · Φ(x)`, Φ the normal distribution function. Hendrycks and Gimpel 2016, arXiv:1606.08415.
    GELU,
}

impl<T: Float> Module<T> for Activation {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        match self {
            Activation::ReLU => Ok(x.relu()),
            Activation::Tanh => Ok(x.tanh()),
            Activation::Sigmoid => Ok(x.sigmoid()),
            Activation::Softplus => Ok(x.softplus()),
            Activation::SiLU => x.mul(x.sigmoid()),
            // erfc keeps its precision where Φ is small; 1 + erf would cancel there.
            Activation::GELU => {
                let phi = x.mul(-std::f64::consts::FRAC_1_SQRT_2)?.erfc();
                x.mul(0.5)?.mul(&phi)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use losses::Tensor;

    /// `torch.nn.functional` of PyTorch in f64 at -3, -0.5, 0, 1.5.
    #[test]
    fn values_are_pytorchs() -> Result<()> {
        let x = Var::from(Tensor::from([-3.0f64, -0.5, 0.0, 1.5]));
        let expected = [
            (Activation::ReLU, [0.0, 0.0, 0.0, 1.5]),
            (
                Activation::Tanh,
                [
                    -0.9950547536867305,
                    -0.46211715726000974,
                    0.0,
                    0.9051482536448664,
                ],
            ),
            (
                Activation::Sigmoid,
                [
                    0.04742587317756678,
                    0.3775406687981454,
                    0.5,
                    0.8175744761936437,
                ],
            ),
            (
                Activation::Softplus,
                [
                    0.04858735157374206,
                    0.4740769841801067,
                    std::f64::consts::LN_2,
                    1.7014132779827524,
                ],
            ),
            (
                Activation::SiLU,
                [
                    -0.14227761953270035,
                    -0.1887703343990727,
                    0.0,
                    1.2263617142904655,
                ],
            ),
            (
                Activation::GELU,
                [
                    -0.00404969409489031,
                    -0.15426876936299344,
                    0.0,
                    1.399789198096713,
                ],
            ),
        ];
        for (activation, right) in expected {
            let y = activation.forward(&x)?.value().to_vec();
            for (y, right) in y.iter().zip(right) {
                assert!(
                    (y - right).abs() <= 1e-15 + 1e-14 * right.abs(),
                    "{activation:?}: {y} is not {right}"
                );
            }
        }
        Ok(())
    }
}
