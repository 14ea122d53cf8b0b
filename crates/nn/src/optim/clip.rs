use super::check;
use crate::module::Parts;
use losses::autograd::{Float, Gradients};
use losses::{Error, Result, Tensor};

/// Scales all gradients of `model` by one factor if their norm, taken over all of them as one vector, is above
/// `max_norm`, and returns the norm that they had.
///
/// The factor is `max_norm / (norm + 1e-6)`; `norm_type` is the `p` of the norm, usually 2, or infinity for the largest
/// magnitude.
///
/// ```
/// use nn::prelude::*;
/// let model = Linear { weight: Param::new(Tensor::from([[1.0f64, 1.0]])), bias: None };
/// let y = model.forward(&Tape::new().input(Tensor::from([[3.0, 4.0]])))?;
/// let mut grads = y.backward()?;
/// assert_eq!(clip_grad_norm(&model, &mut grads, 1.0, 2.0)?, 5.0);
/// assert!((grads.get(&model.weight)?[[0, 1]] - 0.8).abs() < 1e-6);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Option`] for a `max_norm` that is negative or NaN, or a `norm_type` that is not above 0;
/// [`Error::Value`] if the norm is NaN or infinite, and then nothing is changed.
/// # Reference
/// Pascanu, Mikolov and Bengio 2012, arXiv:1211.5063; PyTorch,
/// [`clip_grad_norm_`](https://pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html).
/// # Differs from PyTorch
/// A norm that is not finite is an error, as there with `error_if_nonfinite`, and does not make all gradients NaN.
pub fn clip_grad_norm<T: Float>(
    model: &(impl Parts<T> + ?Sized),
    grads: &mut Gradients<T>,
    max_norm: f64,
    norm_type: f64,
) -> Result<f64> {
    let op = "clip_grad_norm";
    check(
        op,
        "max_norm",
        max_norm,
        max_norm >= 0.0,
        "it must not be negative",
    )?;
    check(
        op,
        "norm_type",
        norm_type,
        norm_type > 0.0,
        "it must be above 0",
    )?;
    let mut norm = total_norm(model, grads, norm_type, 1.0)?;
    if (norm.is_infinite() || norm < 1e-100) && norm_type.is_finite() {
        // The elements may be finite, and only their powers too large or too small.
        let largest = total_norm(model, grads, f64::INFINITY, 1.0)?;
        if largest.is_finite() && largest > 0.0 {
            norm = largest * total_norm(model, grads, norm_type, largest)?;
        }
    }
    if !norm.is_finite() {
        return Err(Error::Value {
            op,
            what: "the norm of the gradients",
            at: [].into_iter().collect(),
            value: norm.to_string(),
            expected: "it must be finite: a smaller learning rate or another scale of the data may help",
        });
    }
    let factor = max_norm / (norm + 1e-6);
    if factor < 1.0 {
        let factor = T::of(factor);
        each_grad(model, grads, |g| g * factor);
    }
    Ok(norm)
}

/// Bounds each element of all gradients of `model` to `±clip_value`.
///
/// ```
/// use nn::prelude::*;
/// let model = Linear { weight: Param::new(Tensor::from([[1.0f64, 1.0]])), bias: None };
/// let y = model.forward(&Tape::new().input(Tensor::from([[0.3, -4.0]])))?;
/// let mut grads = y.backward()?;
/// clip_grad_value(&model, &mut grads, 0.5)?;
/// assert_eq!(grads.get(&model.weight)?.to_vec(), [0.3, -0.5]);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Option`] for a bound that is negative or NaN.
/// # Reference
/// PyTorch, [`clip_grad_value_`](https://pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html).
pub fn clip_grad_value<T: Float>(
    model: &(impl Parts<T> + ?Sized),
    grads: &mut Gradients<T>,
    clip_value: f64,
) -> Result<()> {
    let good = clip_value >= 0.0;
    check(
        "clip_grad_value",
        "clip_value",
        clip_value,
        good,
        "it must not be negative",
    )?;
    let bound = T::of(clip_value);
    // Comparisons, and not a minimum and a maximum, so that NaN stays NaN.
    each_grad(model, grads, |g| {
        if g > bound {
            bound
        } else if g < -bound {
            -bound
        } else {
            g
        }
    });
    Ok(())
}

/// The norm of all gradients as one vector, divided by `unit`.
fn total_norm<T: Float>(
    model: &(impl Parts<T> + ?Sized),
    grads: &Gradients<T>,
    p: f64,
    unit: f64,
) -> Result<f64> {
    let mut norms: Vec<Result<f64>> = Vec::new();
    model.visit(&mut |_, param| {
        if let Some(grad) = grads.find(param).filter(|g| g.numel() > 0) {
            let norm = if unit == 1.0 {
                grad.norm(p, ..)
            } else {
                grad.div(T::of(unit)).and_then(|g| g.norm(p, ..))
            };
            norms.push(norm.and_then(|n| n.item()).map(T::f64));
        }
    });
    let norms = norms.into_iter().collect::<Result<Vec<f64>>>()?;
    if norms.is_empty() {
        return Ok(0.0);
    }
    let n = norms.len();
    Tensor::from_vec(norms, n)?.norm(p, ..)?.item()
}

/// Changes each element of all gradients in place.
fn each_grad<T: Float>(
    model: &(impl Parts<T> + ?Sized),
    grads: &mut Gradients<T>,
    f: impl Fn(T) -> T,
) {
    model.visit(&mut |_, p| {
        if let Some(grad) = grads.find_mut(p) {
            grad.as_mut_slice().iter_mut().for_each(|g| *g = f(*g));
        }
    });
}
