//! Optimizers: they change a model's parameters by its gradients, with PyTorch's formulas, names and defaults.

mod adam;
mod sgd;

pub use adam::{Adam, AdamW};
pub use sgd::Sgd;

use crate::module::Module;
use losses::autograd::{Float, Gradients};
use losses::tensor_core::kernel::source::Source;
use losses::{Error, Result};
use std::ops::Range;

/// A rule by which gradients change parameters.
///
/// ```
/// use nn::prelude::*;
/// // One step of gradient descent on (w x)² from w = 3 with x = 1: the slope is 2 w = 6.
/// let mut model = Linear { weight: Param::new(Tensor::from([[3.0f64]])), bias: None };
/// let y = model.forward(&Tape::new().input(Tensor::from([[1.0]])))?;
/// let grads = y.square().backward()?;
/// Sgd::new(0.1).step(&mut model, &grads)?;
/// assert!((model.weight.value().item()? - 2.4).abs() < 1e-15);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// A parameter is written in place unless a tensor elsewhere looks at it, such as a [`Var`](crate::Var) of the tape
/// that is still alive; then it is copied first, and no one sees the change but the model.
pub trait Optimizer<T: Float> {
    /// Changes each parameter of `model` that has a gradient; the others stay, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Option`] for an option outside its range, and then nothing is changed.
    fn step(&mut self, model: &mut dyn Module<T>, grads: &Gradients<T>) -> Result<()>;

    /// The learning rate.
    fn lr(&self) -> f64;

    /// Sets the learning rate, as a schedule does; the next step checks it.
    fn set_lr(&mut self, lr: f64);
}

/// Whether an option is in its range, as an error if it is not.
fn check(
    op: &'static str,
    name: &'static str,
    value: f64,
    good: bool,
    expected: &'static str,
) -> Result<()> {
    if good {
        return Ok(());
    }
    Err(Error::Option {
        op,
        name,
        value: value.to_string(),
        expected,
    })
}

/// As [`check`], for an option that must be finite and not negative.
fn not_negative(op: &'static str, name: &'static str, value: f64) -> Result<()> {
    let good = value >= 0.0 && value.is_finite();
    check(op, name, value, good, "it must be finite and not negative")
}

/// Calls `f` with the id, the elements and the gradient of each parameter that has one.
fn each_param<T: Float>(
    model: &mut dyn Module<T>,
    grads: &Gradients<T>,
    mut f: impl FnMut(u64, &mut [T], Source<'_, T>),
) {
    model.visit_mut(&mut |_, param| {
        if let Some(grad) = grads.find(param) {
            let id = param.id();
            f(id, param.value_mut().as_mut_slice(), grad.source());
        }
    });
}

/// Calls `f` with each range of positions of `grad` and the elements there.
///
/// One range is all of them where they lie in order. Those of a transposed weight do not: they are brought into a
/// small buffer block by block, which is cheaper than a transposed copy.
fn each_block<T: Float>(grad: &Source<'_, T>, mut f: impl FnMut(Range<usize>, &[T])) {
    if let Some(all) = grad.flat() {
        return f(0..all.len(), all);
    }
    let mut stage = Vec::new();
    let (n, mut at) = (grad.len(), 0);
    while at < n {
        let len = grad.block_len(at, n - at);
        f(at..at + len, grad.block(at, len, &mut stage));
        at += len;
    }
}
