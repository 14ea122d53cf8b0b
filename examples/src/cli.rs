//! Options that all examples have.

use crate::Outcome;
use clap::{Args, ValueEnum};
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::path::PathBuf;

/// Options of every example.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Seed of all that is random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads of the kernels; 0 is one for each core
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Folder for what is written [default: target/<name of the example>]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// A run of seconds: shows that everything works, not how well
    #[arg(long)]
    pub quick: bool,
}

impl Common {
    /// Sets the number of threads and makes the folder for what the example `name` writes; returns the folder and
    /// the random generator.
    ///
    /// # Errors
    /// If the system gives neither the threads nor the folder.
    pub fn start(&self, name: &str) -> Outcome<(PathBuf, ChaCha8Rng)> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build_global()
            .map_err(|e| format!("--threads {}: {e}", self.threads))?;
        let default = || PathBuf::from("target").join(name);
        let out = self.out.clone().unwrap_or_else(default);
        std::fs::create_dir_all(&out).map_err(|e| format!("--out {}: {e}", out.display()))?;
        Ok((out, ChaCha8Rng::seed_from_u64(self.seed)))
    }

    /// `full`, or `quick` for a quick run.
    pub fn pick<V>(&self, full: V, quick: V) -> V {
        if self.quick { quick } else { full }
    }
}

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
