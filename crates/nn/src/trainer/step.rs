//! One step: the loss of some rows, its gradients, and what became of it.

use super::Flow;
use crate::data::{Dataset, Target};
use crate::module::Module;
use losses::autograd::{Gradients, Tape};
use losses::tensor_core::Anomaly;
use losses::{Error, Result, Tensor, Var};

/// Whether one of the calls says stop; all are made, up to the first error.
pub(super) fn stops(calls: impl Iterator<Item = Result<Flow>>) -> Result<bool> {
    let mut stop = false;
    for flow in calls {
        stop |= flow? == Flow::Stop;
    }
    Ok(stop)
}

/// The loss of some rows, and its gradients.
pub(super) fn gradients<Y: Target>(
    tape: Tape<f32>,
    model: &dyn Module<f32>,
    loss: &impl Fn(&Var<f32>, &Tensor<Y>) -> Result<Var<f32>>,
    rows: &Dataset<Y>,
) -> Result<(f64, Gradients<f32>)> {
    let x = tape.input(rows.x.clone());
    let loss = loss(&model.forward(&x)?, &rows.y)?;
    Ok((f64::from(loss.item()?), loss.backward()?))
}

/// What a tape that looks for it has found; another error stays one.
pub(super) fn first(error: Error) -> Result<Box<Anomaly>> {
    match error {
        Error::Anomaly(first) => Ok(first),
        other => Err(other),
    }
}

pub(super) fn diverged(
    what: String,
    epoch: usize,
    batch: usize,
    first: Option<Box<Anomaly>>,
) -> Error {
    Error::Diverged {
        op: "fit",
        what,
        epoch,
        batch,
        mend: "lower the learning rate, clip the gradients, or look for extreme values in the data",
        first,
    }
}
