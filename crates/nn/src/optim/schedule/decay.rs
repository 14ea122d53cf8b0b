//! Schedules that multiply the learning rate.

use super::super::{check, not_negative, options};
use super::{Schedule, at_least_one, share};
use losses::Result;

/// The learning rate times `gamma` after every `step_size` steps.
///
/// # Reference
/// PyTorch, [`StepLR`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html).
#[derive(Clone, Debug)]
pub struct StepLr {
    step_size: u64,
    gamma: f64,
}

impl StepLr {
    /// Decay every `step_size` steps.
    pub fn new(step_size: u64) -> Self {
        StepLr {
            step_size,
            gamma: 0.1,
        }
    }

    options! {
        /// The factor. Default: 0.1.
        gamma: f64;
    }
}

impl Schedule for StepLr {
    fn name(&self) -> &'static str {
        "step_lr"
    }
    fn next(&self, t: u64, lr: f64, _: f64) -> f64 {
        if t > 0 && t.is_multiple_of(self.step_size) {
            lr * self.gamma
        } else {
            lr
        }
    }
    fn check(&self) -> Result<()> {
        at_least_one(self.name(), "step_size", self.step_size)?;
        not_negative(self.name(), "gamma", self.gamma)
    }
}

/// The learning rate times `gamma` at each milestone; twice at one that is listed twice.
///
/// # Reference
/// PyTorch, [`MultiStepLR`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.MultiStepLR.html).
#[derive(Clone, Debug)]
pub struct MultiStepLr {
    milestones: Vec<u64>,
    gamma: f64,
}

impl MultiStepLr {
    /// Decay at these steps.
    pub fn new(milestones: impl Into<Vec<u64>>) -> Self {
        MultiStepLr {
            milestones: milestones.into(),
            gamma: 0.1,
        }
    }

    options! {
        /// The factor. Default: 0.1.
        gamma: f64;
    }
}

impl Schedule for MultiStepLr {
    fn name(&self) -> &'static str {
        "multi_step_lr"
    }
    fn next(&self, t: u64, lr: f64, _: f64) -> f64 {
        let here = self.milestones.iter().filter(|&&m| m == t).count();
        lr * self.gamma.powi(here as i32)
    }
    fn check(&self) -> Result<()> {
        not_negative(self.name(), "gamma", self.gamma)
    }
}

/// The learning rate times `gamma` after each step.
///
/// # Reference
/// PyTorch, [`ExponentialLR`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ExponentialLR.html).
#[derive(Clone, Debug)]
pub struct ExponentialLr {
    gamma: f64,
}

impl ExponentialLr {
    /// With the factor `gamma`.
    pub fn new(gamma: f64) -> Self {
        ExponentialLr { gamma }
    }
}

impl Schedule for ExponentialLr {
    fn name(&self) -> &'static str {
        "exponential_lr"
    }
    fn next(&self, t: u64, lr: f64, _: f64) -> f64 {
        if t == 0 { lr } else { lr * self.gamma }
    }
    fn check(&self) -> Result<()> {
        not_negative(self.name(), "gamma", self.gamma)
    }
}

/// The learning rate times `factor` during the first `total_iters` steps.
///
/// # Reference
/// PyTorch, [`ConstantLR`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ConstantLR.html).
#[derive(Clone, Debug)]
pub struct ConstantLr {
    factor: f64,
    total_iters: u64,
}

impl ConstantLr {
    /// During `total_iters` steps; PyTorch's default is 5.
    pub fn new(total_iters: u64) -> Self {
        ConstantLr {
            factor: 1.0 / 3.0,
            total_iters,
        }
    }

    options! {
        /// The factor, in `0..=1`. Default: 1/3.
        factor: f64;
    }
}

impl Schedule for ConstantLr {
    fn name(&self) -> &'static str {
        "constant_lr"
    }
    fn next(&self, t: u64, lr: f64, base: f64) -> f64 {
        match t {
            0 => lr * self.factor,
            // From nothing no factor leads back.
            t if t == self.total_iters && self.factor == 0.0 => base,
            t if t == self.total_iters => lr * (1.0 / self.factor),
            _ => lr,
        }
    }
    fn check(&self) -> Result<()> {
        share(self.name(), "factor", self.factor)
    }
}

/// The learning rate times a factor that goes from `start_factor` to `end_factor` on a straight line in `total_iters`
/// steps: a warm-up, or a decay.
///
/// ```
/// use nn::prelude::*;
/// let mut sgd = Sgd::<f32>::new(1.0);
/// let mut scheduler = Scheduler::new(LinearLr::new(4).start_factor(0.2), &mut sgd)?;
/// for expected in [0.2, 0.4, 0.6, 0.8, 1.0, 1.0] {
///     assert!((sgd.lr() - expected).abs() < 1e-15);
///     scheduler.step(&mut sgd)?;
/// }
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// PyTorch, [`LinearLR`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LinearLR.html).
#[derive(Clone, Debug)]
pub struct LinearLr {
    start_factor: f64,
    end_factor: f64,
    total_iters: u64,
}

impl LinearLr {
    /// In `total_iters` steps; PyTorch's default is 5.
    pub fn new(total_iters: u64) -> Self {
        LinearLr {
            start_factor: 1.0 / 3.0,
            end_factor: 1.0,
            total_iters,
        }
    }

    options! {
        /// The factor at first, above 0 and at most 1. Default: 1/3.
        start_factor: f64;
        /// The factor in the end, in `0..=1`. Default: 1.
        end_factor: f64;
    }
}

impl Schedule for LinearLr {
    fn name(&self) -> &'static str {
        "linear_lr"
    }
    fn next(&self, t: u64, lr: f64, _: f64) -> f64 {
        if t == 0 {
            return lr * self.start_factor;
        }
        if t > self.total_iters {
            return lr;
        }
        let rise = self.end_factor - self.start_factor;
        let before = self.total_iters as f64 * self.start_factor + (t - 1) as f64 * rise;
        lr * (1.0 + rise / before)
    }
    fn check(&self) -> Result<()> {
        let (start, op) = (self.start_factor, self.name());
        let good = start > 0.0 && start <= 1.0;
        check(
            op,
            "start_factor",
            start,
            good,
            "it must be above 0 and at most 1",
        )?;
        share(op, "end_factor", self.end_factor)
    }
}

/// The learning rate times `(1 - t / total_iters)^power`; 0 from `total_iters` on.
///
/// # Reference
/// PyTorch, [`PolynomialLR`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.PolynomialLR.html).
#[derive(Clone, Debug)]
pub struct PolynomialLr {
    total_iters: u64,
    power: f64,
}

impl PolynomialLr {
    /// In `total_iters` steps; PyTorch's default is 5.
    pub fn new(total_iters: u64) -> Self {
        PolynomialLr {
            total_iters,
            power: 1.0,
        }
    }

    options! {
        /// The power. Default: 1.
        power: f64;
    }
}

impl Schedule for PolynomialLr {
    fn name(&self) -> &'static str {
        "polynomial_lr"
    }
    fn next(&self, t: u64, lr: f64, _: f64) -> f64 {
        if t == 0 || t > self.total_iters {
            return lr;
        }
        let left = |t: u64| 1.0 - t as f64 / self.total_iters as f64;
        lr * (left(t) / left(t - 1)).powf(self.power)
    }
    fn check(&self) -> Result<()> {
        at_least_one(self.name(), "total_iters", self.total_iters)?;
        not_negative(self.name(), "power", self.power)
    }
}

/// The first learning rate times a function of the step.
///
/// ```
/// use nn::prelude::*;
/// let mut sgd = Sgd::<f32>::new(1.0);
/// let mut scheduler = Scheduler::new(LambdaLr::new(|t| 1.0 / (1 + t) as f64), &mut sgd)?;
/// scheduler.step(&mut sgd)?;
/// assert_eq!(sgd.lr(), 0.5);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// PyTorch, [`LambdaLR`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LambdaLR.html).
#[derive(Clone, Copy, Debug)]
pub struct LambdaLr<F>(F);

impl<F: Fn(u64) -> f64 + Send + Sync> LambdaLr<F> {
    /// With the factor `f(t)`.
    pub fn new(f: F) -> Self {
        LambdaLr(f)
    }
}

impl<F: Fn(u64) -> f64 + Send + Sync> Schedule for LambdaLr<F> {
    fn name(&self) -> &'static str {
        "lambda_lr"
    }
    fn next(&self, t: u64, _: f64, base: f64) -> f64 {
        base * (self.0)(t)
    }
    fn check(&self) -> Result<()> {
        Ok(())
    }
}
