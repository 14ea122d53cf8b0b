//! What is called while training runs.

use crate::history::Epoch;
use crate::optim::Optimizer;
use losses::Result;

/// Whether training goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Go,
    /// It ends here.
    Stop,
}

/// One step of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batch {
    /// The pass over the training part, from 1.
    pub epoch: usize,
    /// Which batch of the pass, from 1.
    pub batch: usize,
    /// How many batches the pass has.
    pub batches: usize,
    /// The loss before the step.
    pub loss: f64,
}

/// What is called while training runs: a progress bar, a learning rate of one's own, a condition to stop.
///
/// ```
/// use nn::prelude::*;
/// use nn::trainer::{Callback, Flow};
///
/// /// Halves the learning rate every ten epochs.
/// struct Halving;
///
/// impl Callback for Halving {
///     fn epoch(&mut self, epoch: &Epoch, optimizer: &mut dyn Optimizer<f32>) -> Result<Flow> {
///         if epoch.epoch.is_multiple_of(10) {
///             optimizer.set_lr(optimizer.lr() / 2.0);
///         }
///         Ok(Flow::Go)
///     }
/// }
/// ```
pub trait Callback {
    /// After each step.
    ///
    /// # Errors
    /// Its own, which end the training.
    fn batch(&mut self, _batch: &Batch, _optimizer: &mut dyn Optimizer<f32>) -> Result<Flow> {
        Ok(Flow::Go)
    }

    /// After each pass over the training part, once it is measured.
    ///
    /// # Errors
    /// Its own, which end the training.
    fn epoch(&mut self, _epoch: &Epoch, _optimizer: &mut dyn Optimizer<f32>) -> Result<Flow> {
        Ok(Flow::Go)
    }
}
