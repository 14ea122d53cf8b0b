use super::super::{check, not_negative, options};
use super::{Schedule, share};
use losses::Result;
use std::f64::consts::PI;

/// The learning rate up to `max_lr` and down to almost nothing in `total_steps` steps, and the momentum down and up
/// against it.
///
/// It begins with `max_lr / div_factor`, reaches `max_lr` after the share `pct_start` of all steps, and ends with
/// `max_lr / div_factor / final_div_factor`. The optimizer's own learning rate does not matter. Its momentum, or `β₁`,
/// goes from `max_momentum` to `base_momentum` and back.
///
/// ```
/// use nn::prelude::*;
/// let mut adam = Adam::<f32>::new(1e-3);
/// let mut scheduler = Scheduler::new(OneCycleLr::new(0.1, 100), &mut adam)?;
/// assert!((adam.lr() - 0.004).abs() < 1e-15 && adam.momentum() == Some(0.95));
/// for _batch in 0..29 {
///     scheduler.step(&mut adam)?;
/// }
/// assert!((adam.lr() - 0.1).abs() < 1e-15 && adam.momentum() == Some(0.85));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// Smith and Topin 2017, arXiv:1708.07120; PyTorch,
/// [`OneCycleLR`](https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html).
/// # Differs from PyTorch
/// After `total_steps` the learning rate stays where it is. All groups have one `max_lr`. An optimizer without
/// momentum is not an error.
#[derive(Clone, Debug)]
pub struct OneCycleLr {
    max_lr: f64,
    total_steps: u64,
    pct_start: f64,
    linear: bool,
    cycle_momentum: bool,
    base_momentum: f64,
    max_momentum: f64,
    div_factor: f64,
    final_div_factor: f64,
    three_phase: bool,
}

impl OneCycleLr {
    /// Up to `max_lr`, in `total_steps` steps.
    pub fn new(max_lr: f64, total_steps: u64) -> Self {
        OneCycleLr {
            max_lr,
            total_steps,
            pct_start: 0.3,
            linear: false,
            cycle_momentum: true,
            base_momentum: 0.85,
            max_momentum: 0.95,
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
        }
    }

    options! {
        /// The share of all steps in which the learning rate rises, in `0..=1`. Default: 0.3.
        pct_start: f64;
        /// Straight lines in place of cosines: PyTorch's `anneal_strategy="linear"`. Default: no.
        linear: bool;
        /// Whether the momentum changes too. Default: yes.
        cycle_momentum: bool;
        /// The smallest momentum. Default: 0.85.
        base_momentum: f64;
        /// The largest momentum. Default: 0.95.
        max_momentum: f64;
        /// What `max_lr` is divided by at first. Default: 25.
        div_factor: f64;
        /// What the first learning rate is divided by in the end. Default: 10,000.
        final_div_factor: f64;
        /// Down to the first learning rate in as many steps as it rose, and only then to the last. Default: no.
        three_phase: bool;
    }

    /// The value at step `t` of something that has the values `points` at the ends of the phases.
    fn at(&self, t: u64, points: &[f64]) -> f64 {
        let (share, total) = (self.pct_start, self.total_steps as f64);
        let ends: &[f64] = if self.three_phase {
            &[share * total - 1.0, 2.0 * share * total - 2.0, total - 1.0]
        } else {
            &[share * total - 1.0, total - 1.0]
        };
        let t = (t as f64).min(total - 1.0);
        let last = ends.len() - 1;
        let phase = ends.iter().position(|&end| t <= end).unwrap_or(last);
        let start = if phase == 0 { 0.0 } else { ends[phase - 1] };
        let (from, to) = (points[phase], points[phase + 1]);
        // A phase without length is over as it begins.
        let passed = if ends[phase] > start {
            (t - start) / (ends[phase] - start)
        } else {
            1.0
        };
        if self.linear {
            from + (to - from) * passed
        } else {
            to + (from - to) / 2.0 * ((PI * passed).cos() + 1.0)
        }
    }
}

impl Schedule for OneCycleLr {
    fn name(&self) -> &'static str {
        "one_cycle_lr"
    }
    fn next(&self, t: u64, _: f64, _: f64) -> f64 {
        let first = self.max_lr / self.div_factor;
        let last = first / self.final_div_factor;
        if self.three_phase {
            self.at(t, &[first, self.max_lr, first, last])
        } else {
            self.at(t, &[first, self.max_lr, last])
        }
    }
    fn momentum(&self, t: u64) -> Option<f64> {
        let (low, high) = (self.base_momentum, self.max_momentum);
        self.cycle_momentum
            .then(|| self.at(t, &[high, low, high, high]))
    }
    fn check(&self) -> Result<()> {
        let op = self.name();
        not_negative(op, "max_lr", self.max_lr)?;
        super::at_least_one(op, "total_steps", self.total_steps)?;
        share(op, "pct_start", self.pct_start)?;
        super::super::below_one(op, "base_momentum", self.base_momentum)?;
        super::super::below_one(op, "max_momentum", self.max_momentum)?;
        for (name, value) in [
            ("div_factor", self.div_factor),
            ("final_div_factor", self.final_div_factor),
        ] {
            check(
                op,
                name,
                value,
                value > 0.0 && value.is_finite(),
                "it must be finite and above 0",
            )?;
        }
        Ok(())
    }
}
