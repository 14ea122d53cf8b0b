//! What turns logits into probabilities and back, under PyTorch's names.

use autograd::{Float, Result, Var};

/// `e^x / Σ e^x` along `dim`; see [`Var::softmax`].
///
/// # Errors
/// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
/// # Example
/// ```
/// use losses::prelude::*;
/// let p = softmax(&Var::from(Tensor::from([0.0f64, 3f64.ln()])), 0)?;
/// assert!(p.value().allclose(&Tensor::from([0.25, 0.75]), 1e-12, 0.0)?);
/// # Ok::<(), losses::Error>(())
/// ```
pub fn softmax<T: Float>(x: &Var<T>, dim: isize) -> Result<Var<T>> {
    x.softmax(dim)
}

/// `x - ln Σ e^x` along `dim`; see [`Var::log_softmax`].
///
/// # Errors
/// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
pub fn log_softmax<T: Float>(x: &Var<T>, dim: isize) -> Result<Var<T>> {
    x.log_softmax(dim)
}

/// `1 / (1 + e^-x)`; see [`Var::sigmoid`].
pub fn sigmoid<T: Float>(x: &Var<T>) -> Var<T> {
    x.sigmoid()
}

/// `ln sigmoid(x)`, without overflow; PyTorch's `logsigmoid`. See [`Var::log_sigmoid`].
pub fn log_sigmoid<T: Float>(x: &Var<T>) -> Var<T> {
    x.log_sigmoid()
}
