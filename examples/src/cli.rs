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
    /// Folder for what is written [default: one in target, named like the example]
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
    /// Adam with the largest second moment so far
    Amsgrad,
    /// Adam with Nesterov's momentum
    Nadam,
    /// The sign of a running mean, with decoupled weight decay, 0.01
    Lion,
    /// Steps divided by a running mean of squares
    Rmsprop,
    /// Steps divided by the sum of all squares
    Adagrad,
    /// Steps in the unit of the parameters
    Adadelta,
    /// Gradient descent with Nesterov's momentum, 0.9
    Sgd,
}

impl OptimizerName {
    /// The learning rate, as given or one that suits small networks.
    pub fn lr(self, lr: Option<f64>) -> f64 {
        lr.unwrap_or(match self {
            OptimizerName::Lion => 0.0003,
            OptimizerName::Rmsprop => 0.001,
            OptimizerName::Adagrad | OptimizerName::Sgd => 0.03,
            OptimizerName::Adadelta => 1.0,
            _ => 0.003,
        })
    }

    /// The optimizer, with `lr` or, without it, a learning rate that suits it.
    pub fn build(self, lr: Option<f64>) -> Box<dyn Optimizer<f32>> {
        let lr = self.lr(lr);
        match self {
            OptimizerName::Adam => Box::new(Adam::new(lr)),
            OptimizerName::Adamw => Box::new(AdamW::new(lr)),
            OptimizerName::Amsgrad => Box::new(Adam::new(lr).amsgrad(true)),
            OptimizerName::Nadam => Box::new(NAdam::new(lr)),
            OptimizerName::Lion => Box::new(Lion::new(lr).weight_decay(0.01)),
            OptimizerName::Rmsprop => Box::new(RmsProp::new(lr)),
            OptimizerName::Adagrad => Box::new(Adagrad::new(lr)),
            OptimizerName::Adadelta => Box::new(Adadelta::new(lr)),
            OptimizerName::Sgd => Box::new(Sgd::new(lr).momentum(0.9).nesterov(true)),
        }
    }
}

/// What becomes of the learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScheduleName {
    /// It stays
    Constant,
    /// It falls to 0 along half a cosine
    Cosine,
    /// Half a cosine, begun anew four times
    Restarts,
    /// It rises in a line over a tenth of the epochs, and then falls along half a cosine
    Warmup,
    /// A tenth of it after half of the epochs, and a tenth of that after three quarters
    Steps,
    /// A little less each epoch, a hundredth at the end
    Exponential,
    /// It falls to 0 along a parabola
    Polynomial,
    /// It rises to three times as much, and falls to nearly nothing, batch by batch
    OneCycle,
}

impl ScheduleName {
    /// The schedule over so many epochs of so many batches, and what it counts; the learning rate begins with `lr`.
    pub fn build(self, epochs: usize, batches: usize, lr: f64) -> (Every, Box<dyn Schedule>) {
        let n = epochs.max(1) as u64;
        let schedule: Box<dyn Schedule> = match self {
            ScheduleName::Constant => Box::new(LambdaLr::new(|_| 1.0)),
            ScheduleName::Cosine => Box::new(CosineAnnealingLr::new(n)),
            ScheduleName::Restarts => Box::new(CosineAnnealingWarmRestarts::new(n.div_ceil(5))),
            ScheduleName::Warmup => {
                let rise = n.div_ceil(10);
                let fall = CosineAnnealingLr::new((n - rise).max(1));
                Box::new(SequentialLr::new(LinearLr::new(rise)).then(rise, fall))
            }
            ScheduleName::Steps => Box::new(MultiStepLr::new([n / 2, n * 3 / 4])),
            ScheduleName::Exponential => Box::new(ExponentialLr::new(0.01f64.powf(1.0 / n as f64))),
            ScheduleName::Polynomial => Box::new(PolynomialLr::new(n).power(2.0)),
            ScheduleName::OneCycle => {
                let steps = n * batches.max(1) as u64;
                return (Every::Batch, Box::new(OneCycleLr::new(3.0 * lr, steps)));
            }
        };
        (Every::Epoch, schedule)
    }
}
