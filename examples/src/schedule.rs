//! A learning rate that fades out.

use nn::prelude::*;
use nn::trainer::{Callback, Flow};
use std::f64::consts::PI;

/// Lets the learning rate fall to 0 along half a cosine, over so many epochs.
pub struct Cosine {
    epochs: usize,
    /// The learning rate at the start, known after the first epoch.
    base: Option<f64>,
}

impl Cosine {
    /// Over so many epochs.
    pub fn new(epochs: usize) -> Self {
        Cosine { epochs, base: None }
    }
}

impl Callback for Cosine {
    fn epoch(&mut self, epoch: &Epoch, optimizer: &mut dyn Optimizer<f32>) -> Result<Flow> {
        let base = *self.base.get_or_insert(epoch.lr);
        let share = epoch.epoch as f64 / self.epochs.max(1) as f64;
        optimizer.set_lr(base * 0.5 * (1.0 + (PI * share).cos()));
        Ok(Flow::Go)
    }
}
