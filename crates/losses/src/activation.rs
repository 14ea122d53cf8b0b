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
#[track_caller]
pub fn softmax<T: Float>(x: &Var<T>, dim: isize) -> Result<Var<T>> {
    x.softmax(dim)
}

/// `x - ln Σ e^x` along `dim`; see [`Var::log_softmax`].
///
/// # Errors
/// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
#[track_caller]
pub fn log_softmax<T: Float>(x: &Var<T>, dim: isize) -> Result<Var<T>> {
    x.log_softmax(dim)
}

/// `1 / (1 + e^-x)`; see [`Var::sigmoid`].
#[track_caller]
pub fn sigmoid<T: Float>(x: &Var<T>) -> Var<T> {
    x.sigmoid()
}

/// `ln sigmoid(x)`, without overflow; PyTorch's `logsigmoid`. See [`Var::log_sigmoid`].
#[track_caller]
pub fn log_sigmoid<T: Float>(x: &Var<T>) -> Var<T> {
    x.log_sigmoid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Softmax;
    impl Checked for Softmax {
        const NAME: &'static str = "softmax";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            softmax(&v[0], case.i64("dim", -1) as isize)
        }
    }

    struct LogSoftmax;
    impl Checked for LogSoftmax {
        const NAME: &'static str = "log_softmax";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            log_softmax(&v[0], case.i64("dim", -1) as isize)
        }
    }

    struct Sigmoid;
    impl Checked for Sigmoid {
        const NAME: &'static str = "sigmoid";
        fn call<T: Float>(_: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            Ok(sigmoid(&v[0]))
        }
    }

    struct LogSigmoid;
    impl Checked for LogSigmoid {
        const NAME: &'static str = "logsigmoid";
        fn call<T: Float>(_: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            Ok(log_sigmoid(&v[0]))
        }
    }

    #[test]
    fn softmax_checks() {
        check_loss::<Softmax>();
    }

    #[test]
    fn log_softmax_checks() {
        check_loss::<LogSoftmax>();
    }

    #[test]
    fn sigmoid_checks() {
        check_loss::<Sigmoid>();
    }

    #[test]
    fn log_sigmoid_checks() {
        check_loss::<LogSigmoid>();
    }
}
