//! Options that more than one example has.

use crate::Outcome;
use clap::ValueEnum;
use nn::prelude::*;

/// The rule by which gradients change parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OptimizerName {
    /// Adam
    Adam,
    /// Adam with decoupled weight decay, 0.01
    Adamw,
    /// Gradient descent with Nesterov's momentum, 0.9
    Sgd,
}

impl OptimizerName {
    /// The optimizer, with `lr` or, without it, a learning rate that suits it.
    pub fn build(self, lr: Option<f64>) -> Box<dyn Optimizer<f32>> {
        match self {
            OptimizerName::Adam => Box::new(Adam::new(lr.unwrap_or(0.003))),
            OptimizerName::Adamw => Box::new(AdamW::new(lr.unwrap_or(0.003))),
            OptimizerName::Sgd => {
                let sgd = Sgd::new(lr.unwrap_or(0.03));
                Box::new(sgd.momentum(0.9).nesterov(true))
            }
        }
    }
}

/// Sets the number of threads that kernels use; 0 is one for each core.
///
/// # Errors
/// If the system does not give that many threads.
pub fn set_threads(threads: usize) -> Outcome {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| format!("--threads {threads}: {e}").into())
}
