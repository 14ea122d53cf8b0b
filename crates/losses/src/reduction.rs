//! How the elements of a loss become one number.

use autograd::{Float, Result, Tensor, Var};

/// How the elements of a loss become one number.
///
/// What [`Reduction::Mean`] divides by is PyTorch's choice for each loss and stands in its documentation. A mean over
/// nothing, such as an empty batch, is NaN, and its gradient is exactly zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Not at all: the result has an element for each row or element.
    None,
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Their sum, divided by the size of the input's first dimension.
    BatchMean,
}

impl Reduction {
    /// What the sum of an input of `shape` is divided by, where `mean` is the loss's own denominator.
    pub(crate) fn divisor(self, mean: f64, shape: &[usize]) -> f64 {
        match self {
            Reduction::None | Reduction::Sum => 1.0,
            Reduction::Mean => mean,
            Reduction::BatchMean => shape.first().map_or(1.0, |&n| n as f64),
        }
    }

    /// The definition's last step: `elements` reduced.
    #[track_caller]
    pub(crate) fn apply<T: Float>(self, elements: &Var<T>, divisor: f64) -> Result<Var<T>> {
        match self {
            Reduction::None => Ok(elements.clone()),
            // A mean over nothing has no slope, where dividing would give 0 · inf.
            _ if divisor == 0.0 => {
                let nan = elements.value().sum(..)?.to_vec()[0].f64() / divisor;
                elements.sum(..)?.mul(0.0)?.add(nan)
            }
            _ => elements.sum(..)?.div(divisor),
        }
    }

    /// The kernels' last step: the sum, divided.
    pub(crate) fn value<T: Float>(self, sum: f64, divisor: f64) -> Tensor<T> {
        Tensor::scalar(T::of(sum / divisor))
    }

    /// The gradient of every element from the gradient `dy` of the reduced result: exactly zero if it is a mean over
    /// nothing.
    pub(crate) fn scale<T: Float>(self, dy: &Tensor<T>, divisor: f64) -> Result<T> {
        Ok(if divisor == 0.0 {
            T::ZERO
        } else {
            T::of(dy.item()?.f64() / divisor)
        })
    }
}
