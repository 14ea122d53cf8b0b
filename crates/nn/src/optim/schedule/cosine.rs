//! Schedules that follow a cosine.

use super::super::{not_negative, options};
use super::{Schedule, at_least_one};
use losses::Result;
use std::f64::consts::PI;

/// The learning rate from its base down to `eta_min` in `t_max` steps, as half a wave of a cosine, and after as many
/// more up again.
///
/// # Reference
/// Loshchilov and Hutter 2016, arXiv:1608.03983; PyTorch,
/// [`CosineAnnealingLR`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html).
#[derive(Clone, Debug)]
pub struct CosineAnnealingLr {
    t_max: u64,
    eta_min: f64,
}

impl CosineAnnealingLr {
    /// Down in `t_max` steps.
    pub fn new(t_max: u64) -> Self {
        CosineAnnealingLr {
            t_max,
            eta_min: 0.0,
        }
    }

    options! {
        /// The smallest learning rate. Default: 0.
        eta_min: f64;
    }
}

impl Schedule for CosineAnnealingLr {
    fn name(&self) -> &'static str {
        "cosine_annealing_lr"
    }
    fn next(&self, t: u64, lr: f64, base: f64) -> f64 {
        if t == 0 {
            return lr;
        }
        let height = |t: u64| 1.0 + (PI * t as f64 / self.t_max as f64).cos();
        if (t - 1) % self.t_max.saturating_mul(2) == self.t_max {
            // At the bottom there is nothing to take a ratio of.
            let first = (1.0 - (PI / self.t_max as f64).cos()) / 2.0;
            return lr + (base - self.eta_min) * first;
        }
        height(t) / height(t - 1) * (lr - self.eta_min) + self.eta_min
    }
    fn check(&self) -> Result<()> {
        at_least_one(self.name(), "t_max", self.t_max)?;
        not_negative(self.name(), "eta_min", self.eta_min)
    }
}

/// The learning rate from its base down to `eta_min` as half a wave of a cosine, and at once up again: the first time
/// in `t_0` steps, then in `t_mult` times as many as the time before.
///
/// ```
/// use nn::prelude::*;
/// let mut sgd = Sgd::<f32>::new(1.0);
/// let mut scheduler = Scheduler::new(CosineAnnealingWarmRestarts::new(2).t_mult(2), &mut sgd)?;
/// for expected in [1.0, 0.5, 1.0, 0.8535533905932737, 0.5, 0.14644660940672627, 1.0] {
///     assert!((sgd.lr() - expected).abs() < 1e-15);
///     scheduler.step(&mut sgd)?;
/// }
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// Loshchilov and Hutter 2016, arXiv:1608.03983; PyTorch,
/// [`CosineAnnealingWarmRestarts`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.html).
#[derive(Clone, Debug)]
pub struct CosineAnnealingWarmRestarts {
    t_0: u64,
    t_mult: u64,
    eta_min: f64,
}

impl CosineAnnealingWarmRestarts {
    /// The first time down in `t_0` steps.
    pub fn new(t_0: u64) -> Self {
        CosineAnnealingWarmRestarts {
            t_0,
            t_mult: 1,
            eta_min: 0.0,
        }
    }

    options! {
        /// How much longer each time takes than the one before. Default: 1.
        t_mult: u64;
        /// The smallest learning rate. Default: 0.
        eta_min: f64;
    }
}

impl Schedule for CosineAnnealingWarmRestarts {
    fn name(&self) -> &'static str {
        "cosine_annealing_warm_restarts"
    }
    fn next(&self, t: u64, _: f64, base: f64) -> f64 {
        let (mut now, mut length) = (t, self.t_0);
        if self.t_mult == 1 {
            now %= length;
        }
        while now >= length {
            now -= length;
            length = length.saturating_mul(self.t_mult);
        }
        let height = 1.0 + (PI * now as f64 / length as f64).cos();
        self.eta_min + (base - self.eta_min) * height / 2.0
    }
    fn check(&self) -> Result<()> {
        at_least_one(self.name(), "t_0", self.t_0)?;
        at_least_one(self.name(), "t_mult", self.t_mult)?;
        not_negative(self.name(), "eta_min", self.eta_min)
    }
}
