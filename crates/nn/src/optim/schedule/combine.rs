//! Schedules made of schedules.

use super::Schedule;
use losses::{Error, Result};
use std::fmt::{Debug, Formatter};

/// Several schedules at once, one after the other in each step: each goes on from the learning rate that the one
/// before it gave.
///
/// ```
/// use nn::prelude::*;
/// let mut sgd = Sgd::<f32>::new(1.0);
/// let chained = ChainedScheduler::new()
///     .add(ConstantLr::new(2).factor(0.1))
///     .add(ExponentialLr::new(0.5));
/// let mut scheduler = Scheduler::new(chained, &mut sgd)?;
/// for expected in [0.1, 0.05, 0.25, 0.125] {
///     assert!((sgd.lr() - expected).abs() < 1e-15);
///     scheduler.step(&mut sgd)?;
/// }
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// PyTorch,
/// [`ChainedScheduler`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ChainedScheduler.html).
#[derive(Default)]
pub struct ChainedScheduler(Vec<Box<dyn Schedule>>);

impl ChainedScheduler {
    /// No schedule yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more schedule.
    #[must_use]
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, schedule: impl Schedule + 'static) -> Self {
        self.0.push(Box::new(schedule));
        self
    }
}

impl Debug for ChainedScheduler {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|s| s.name()))
            .finish()
    }
}

impl Schedule for ChainedScheduler {
    fn name(&self) -> &'static str {
        "chained_scheduler"
    }
    fn next(&self, t: u64, lr: f64, base: f64) -> f64 {
        self.0.iter().fold(lr, |lr, s| s.next(t, lr, base))
    }
    fn momentum(&self, t: u64) -> Option<f64> {
        self.0.iter().rev().find_map(|s| s.momentum(t))
    }
    fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(|s| s.check())
    }
}

/// Several schedules one after the other: each begins anew, from the base, at its milestone.
///
/// ```
/// use nn::prelude::*;
/// let mut sgd = Sgd::<f32>::new(1.0);
/// let warm_up = LinearLr::new(4).start_factor(0.2);
/// let cosine = CosineAnnealingLr::new(10);
/// let mut scheduler = Scheduler::new(SequentialLr::new(warm_up).then(4, cosine), &mut sgd)?;
/// let mut seen = vec![];
/// for _ in 0..15 {
///     seen.push(sgd.lr());
///     scheduler.step(&mut sgd)?;
/// }
/// assert!((seen[4] - 1.0).abs() < 1e-15 && (seen[9] - 0.5).abs() < 1e-15 && seen[14].abs() < 1e-15);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// PyTorch, [`SequentialLR`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.SequentialLR.html).
pub struct SequentialLr(Vec<(u64, Box<dyn Schedule>)>);

impl SequentialLr {
    /// The first schedule.
    pub fn new(schedule: impl Schedule + 'static) -> Self {
        SequentialLr(vec![(0, Box::new(schedule))])
    }

    /// With one more schedule from step `milestone` on.
    #[must_use]
    pub fn then(mut self, milestone: u64, schedule: impl Schedule + 'static) -> Self {
        self.0.push((milestone, Box::new(schedule)));
        self
    }

    /// The schedule of step `t`, and how many steps it has made.
    fn part(&self, t: u64) -> Option<(u64, &dyn Schedule)> {
        let (start, schedule) = self.0.iter().rfind(|(start, _)| *start <= t)?;
        Some((t - start, &**schedule))
    }
}

impl Debug for SequentialLr {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(at, s)| (at, s.name())))
            .finish()
    }
}

impl Schedule for SequentialLr {
    fn name(&self) -> &'static str {
        "sequential_lr"
    }
    fn next(&self, t: u64, lr: f64, base: f64) -> f64 {
        match self.part(t) {
            Some((0, schedule)) => schedule.next(0, base, base),
            Some((t, schedule)) => schedule.next(t, lr, base),
            None => lr,
        }
    }
    fn momentum(&self, t: u64) -> Option<f64> {
        self.part(t).and_then(|(t, schedule)| schedule.momentum(t))
    }
    fn check(&self) -> Result<()> {
        for pair in self.0.windows(2) {
            if pair[1].0 <= pair[0].0 {
                return Err(Error::Option {
                    op: self.name(),
                    name: "milestones",
                    value: format!("{} after {}", pair[1].0, pair[0].0),
                    expected: "each must come after the one before",
                });
            }
        }
        self.0.iter().try_for_each(|(_, s)| s.check())
    }
}
