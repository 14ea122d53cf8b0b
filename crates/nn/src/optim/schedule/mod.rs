//! Schedules: learning rates that change from epoch to epoch, or from step to step, with PyTorch's formulas.
//!
//! A schedule says what the next learning rate is; [`Scheduler`] has an optimizer follow it. [`ReduceLrOnPlateau`]
//! goes by what is measured and stands apart.

mod combine;
mod cosine;
mod decay;
mod one_cycle;
mod plateau;

pub use combine::{ChainedScheduler, SequentialLr};
pub use cosine::{CosineAnnealingLr, CosineAnnealingWarmRestarts};
pub use decay::{ConstantLr, ExponentialLr, LambdaLr, LinearLr, MultiStepLr, PolynomialLr, StepLr};
pub use one_cycle::OneCycleLr;
pub use plateau::{Goal, ReduceLrOnPlateau};

use super::{Tunable, not_negative};
use crate::state::State;
use losses::autograd::Float;
use losses::{Error, Result};
use std::fmt::{Debug, Formatter};

/// What the learning rate is after `t` steps of a schedule.
pub trait Schedule: Send + Sync {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// The learning rate of step `t`, which is 0 when the schedule begins, from that of the step before and from
    /// `base`, the one that the optimizer was made with.
    ///
    /// Formulas are those from step to step, as PyTorch's: so schedules can be chained, and a change from outside
    /// stays.
    fn next(&self, t: u64, lr: f64, base: f64) -> f64;

    /// The momentum of step `t`, where the schedule changes it too.
    fn momentum(&self, _t: u64) -> Option<f64> {
        None
    }

    /// Whether all options are in their ranges.
    ///
    /// # Errors
    /// [`Error::Option`] that names the first that is not.
    fn check(&self) -> Result<()>;
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn next(&self, t: u64, lr: f64, base: f64) -> f64 {
        (**self).next(t, lr, base)
    }
    fn momentum(&self, t: u64) -> Option<f64> {
        (**self).momentum(t)
    }
    fn check(&self) -> Result<()> {
        (**self).check()
    }
}

/// An optimizer's learning rate on a schedule.
///
/// ```
/// use nn::prelude::*;
/// let mut sgd = Sgd::<f32>::new(1.0);
/// let mut scheduler = Scheduler::new(StepLr::new(2).gamma(0.1), &mut sgd)?;
/// let mut seen = vec![];
/// for _epoch in 0..5 {
///     // … the steps of an epoch, and then:
///     seen.push(sgd.lr());
///     scheduler.step(&mut sgd)?;
/// }
/// assert_eq!(seen, [1.0, 1.0, 0.1, 0.1, 0.010000000000000002]);
/// # Ok::<(), nn::Error>(())
/// ```
/// Its like in PyTorch is
/// [`LRScheduler`](https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate).
pub struct Scheduler {
    schedule: Box<dyn Schedule>,
    t: u64,
    bases: Vec<f64>,
}

impl Debug for Scheduler {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler")
            .field("schedule", &self.schedule.name())
            .field("steps", &self.t)
            .field("bases", &self.bases)
            .finish()
    }
}

impl Scheduler {
    /// Begins `schedule`: sets the optimizer's first learning rate. That which it has now is the schedule's base.
    ///
    /// # Errors
    /// [`Error::Option`] for an option of the schedule, or a learning rate, outside its range.
    pub fn new(schedule: impl Schedule + 'static, optimizer: &mut dyn Tunable) -> Result<Self> {
        schedule.check()?;
        let bases = optimizer.lrs();
        let scheduler = Scheduler {
            schedule: Box::new(schedule),
            t: 0,
            bases,
        };
        scheduler.apply(optimizer)?;
        Ok(scheduler)
    }

    /// Goes one step on and sets the optimizer's learning rate. Call it at the end of each epoch, or of each batch:
    /// in what the schedule counts.
    ///
    /// # Errors
    /// [`Error::Option`] if the new learning rate is negative or not finite, or if the optimizer has another number of
    /// groups than the one that the schedule began with.
    pub fn step(&mut self, optimizer: &mut dyn Tunable) -> Result<()> {
        // A count from a file may be any.
        self.t = self.t.saturating_add(1);
        self.apply(optimizer)
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.t
    }

    fn apply(&self, optimizer: &mut dyn Tunable) -> Result<()> {
        let lrs = optimizer.lrs();
        if lrs.len() != self.bases.len() {
            return Err(Error::Option {
                op: self.schedule.name(),
                name: "the optimizer",
                value: format!("one with {} groups", lrs.len()),
                expected: "a schedule belongs to one optimizer: begin another one",
            });
        }
        let next: Vec<f64> = (lrs.iter().zip(&self.bases))
            .map(|(&lr, &base)| self.schedule.next(self.t, lr, base))
            .collect();
        for &lr in &next {
            not_negative(self.schedule.name(), "the learning rate", lr)?;
        }
        optimizer.set_lrs(&next);
        if let Some(momentum) = self.schedule.momentum(self.t) {
            optimizer.set_momentum(momentum);
        }
        Ok(())
    }

    /// How far the schedule has come.
    pub fn state<T: Float>(&self) -> State<T> {
        let mut state = State::new();
        state.set_note("t", self.t);
        for (i, base) in self.bases.iter().enumerate() {
            state.set_note(&format!("base.{i}"), base);
        }
        state
    }

    /// Takes over what [`state`](Scheduler::state) of an equal schedule gave. The learning rate itself is part of the
    /// optimizer's state.
    ///
    /// # Errors
    /// [`Error::Value`] for the state of something else, or with another number of groups.
    pub fn load_state<T: Float>(&mut self, state: &State<T>) -> Result<()> {
        let t = state.parse_note("t")?;
        let bases = (0..self.bases.len()).map(|i| state.parse_note(&format!("base.{i}")));
        self.bases = bases.collect::<Result<_>>()?;
        self.t = t;
        Ok(())
    }
}

/// As [`super::check`], for a number of steps that must be at least one.
fn at_least_one(op: &'static str, name: &'static str, value: u64) -> Result<()> {
    super::check(op, name, value as f64, value > 0, "it must be at least 1")
}

/// As [`super::check`], for a share between 0 and 1.
fn share(op: &'static str, name: &'static str, value: f64) -> Result<()> {
    let good = (0.0..=1.0).contains(&value);
    super::check(op, name, value, good, "it must lie in 0..=1")
}
