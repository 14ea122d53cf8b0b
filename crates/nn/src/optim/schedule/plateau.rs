use super::super::{Tunable, check, not_negative, options};
use crate::state::State;
use losses::Result;
use losses::autograd::Float;

/// Whether a smaller or a larger value of what is measured is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The smaller one, as of a loss.
    Min,
    /// The larger one, as of an accuracy.
    Max,
}

/// The learning rate times `factor` when what is measured has not become better for more than `patience` epochs.
///
/// Better is better by the share `threshold` of the best so far, or, with `absolute`, by `threshold` itself. NaN is
/// never better.
///
/// ```
/// use nn::prelude::*;
/// let mut sgd = Sgd::<f32>::new(1.0);
/// let mut plateau = ReduceLrOnPlateau::new(Goal::Min).patience(1);
/// let mut seen = vec![];
/// for loss in [1.0, 0.5, 0.5, 0.5, 0.5] {
///     plateau.step(&mut sgd, loss)?;
///     seen.push(sgd.lr());
/// }
/// assert_eq!(seen, [1.0, 1.0, 1.0, 0.1, 0.1]);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// PyTorch,
/// [`ReduceLROnPlateau`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html).
#[derive(Clone, Debug)]
pub struct ReduceLrOnPlateau {
    goal: Goal,
    factor: f64,
    patience: u64,
    threshold: f64,
    absolute: bool,
    cooldown: u64,
    min_lr: f64,
    eps: f64,
    best: f64,
    bad_epochs: u64,
    cooling: u64,
}

impl ReduceLrOnPlateau {
    /// With PyTorch's defaults.
    pub fn new(goal: Goal) -> Self {
        ReduceLrOnPlateau {
            goal,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            absolute: false,
            cooldown: 0,
            min_lr: 0.0,
            eps: 1e-8,
            best: match goal {
                Goal::Min => f64::INFINITY,
                Goal::Max => f64::NEG_INFINITY,
            },
            bad_epochs: 0,
            cooling: 0,
        }
    }

    options! {
        /// The factor, below 1. Default: 0.1.
        factor: f64;
        /// How many epochs without a better value are borne. Default: 10.
        patience: u64;
        /// How much better is better. Default: 0.0001.
        threshold: f64;
        /// Whether `threshold` is a difference and not a share: PyTorch's `threshold_mode="abs"`. Default: no.
        absolute: bool;
        /// For how many epochs after a reduction nothing is counted. Default: 0.
        cooldown: u64;
        /// Below this the learning rate does not go. Default: 0.
        min_lr: f64;
        /// A reduction by less than this is left out. Default: 1e-8.
        eps: f64;
    }

    /// Takes what was measured after an epoch, and reduces the learning rate if it is time.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for an option outside its range.
    pub fn step(&mut self, optimizer: &mut dyn Tunable, metric: f64) -> Result<()> {
        let op = "reduce_lr_on_plateau";
        let good = (0.0..1.0).contains(&self.factor);
        check(
            op,
            "factor",
            self.factor,
            good,
            "it must be at least 0 and below 1",
        )?;
        not_negative(op, "threshold", self.threshold)?;
        not_negative(op, "min_lr", self.min_lr)?;
        not_negative(op, "eps", self.eps)?;
        if self.is_better(metric) {
            self.best = metric;
            self.bad_epochs = 0;
        } else {
            // A count from a file may be any.
            self.bad_epochs = self.bad_epochs.saturating_add(1);
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad_epochs = 0;
        }
        if self.bad_epochs > self.patience {
            let reduce = |lr: f64| {
                let less = (lr * self.factor).max(self.min_lr);
                if lr - less > self.eps { less } else { lr }
            };
            let lrs: Vec<f64> = optimizer.lrs().into_iter().map(reduce).collect();
            optimizer.set_lrs(&lrs);
            self.cooling = self.cooldown;
            self.bad_epochs = 0;
        }
        Ok(())
    }

    /// The best value so far.
    pub fn best(&self) -> f64 {
        self.best
    }

    fn is_better(&self, metric: f64) -> bool {
        match (self.goal, self.absolute) {
            (Goal::Min, false) => metric < self.best * (1.0 - self.threshold),
            (Goal::Min, true) => metric < self.best - self.threshold,
            (Goal::Max, false) => metric > self.best * (1.0 + self.threshold),
            (Goal::Max, true) => metric > self.best + self.threshold,
        }
    }

    /// What was seen so far.
    pub fn state<T: Float>(&self) -> State<T> {
        let mut state = State::new();
        state.set_note("best", self.best);
        state.set_note("bad_epochs", self.bad_epochs);
        state.set_note("cooling", self.cooling);
        state
    }

    /// Takes over what [`state`](ReduceLrOnPlateau::state) gave.
    ///
    /// # Errors
    /// [`Error::Value`](crate::Error::Value) for the state of something else.
    pub fn load_state<T: Float>(&mut self, state: &State<T>) -> Result<()> {
        let best = state.parse_note("best")?;
        let bad_epochs = state.parse_note("bad_epochs")?;
        self.cooling = state.parse_note("cooling")?;
        (self.best, self.bad_epochs) = (best, bad_epochs);
        Ok(())
    }
}
