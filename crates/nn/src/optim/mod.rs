//! Optimizers: they change a model's parameters by its gradients, with PyTorch's formulas, names and defaults.
//!
//! Each keeps what it needs by the names of the parameters: `memory` holds that, and runs a step as one pass over
//! each parameter. [`schedule`] changes the learning rate from step to step, [`Groups`] gives parts of a model
//! optimizers of their own, [`clip_grad_norm`] and [`clip_grad_value`] bound gradients before a step.

mod adadelta;
mod adagrad;
mod adam;
mod clip;
mod groups;
mod lbfgs;
mod lion;
mod memory;
mod nadam;
mod rmsprop;
pub mod schedule;
mod sgd;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::{Adam, AdamW};
pub use clip::{clip_grad_norm, clip_grad_value};
pub use groups::Groups;
pub use lbfgs::Lbfgs;
pub use lion::Lion;
pub use nadam::NAdam;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

use crate::module::Parts;
use crate::state::State;
use losses::autograd::{Float, Gradients};
use losses::{Error, Result};
use memory::Memory;

/// A rule by which gradients change parameters.
///
/// ```
/// use nn::prelude::*;
/// // One step of gradient descent on (w x)² from w = 3 with x = 1: the slope is 2 w = 6.
/// let mut model = Linear { weight: Param::new(Tensor::from([[3.0f64]])), bias: None };
/// let y = model.forward(&Tape::new().input(Tensor::from([[1.0]])))?;
/// let grads = y.square().backward()?;
/// Sgd::new(0.1).step(&mut model, &grads)?;
/// assert!((model.weight.value().item()? - 2.4).abs() < 1e-15);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// A parameter is written in place unless a tensor elsewhere looks at it, such as a [`Var`](crate::Var) of the tape
/// that is still alive; then it is copied first, and no one sees the change but the model.
///
/// What an optimizer remembers of a parameter it keeps by the parameter's name. So it belongs to one model; with
/// another one, even of the same names, a step is refused.
pub trait Optimizer<T: Float>: Tunable {
    /// Changes each parameter of `model` that has a gradient; the others stay, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Option`] for an option outside its range, [`Error::Value`] for another model than that of the steps
    /// before, or if no parameter of the model has a gradient; then nothing is changed.
    fn step(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) -> Result<()>;

    /// Whether all options are in their ranges, which a step asks first.
    ///
    /// # Errors
    /// [`Error::Option`] that names the first that is not.
    fn check(&self) -> Result<()>;

    /// Whether a step with these would be made, which a step asks first: all that [`step`](Optimizer::step) refuses is
    /// refused here, and nothing is changed. By default [`check`](Optimizer::check).
    ///
    /// # Errors
    /// Those of [`step`](Optimizer::step).
    fn accepts(&self, model: &dyn Parts<T>, grads: &Gradients<T>) -> Result<()> {
        let _ = (model, grads);
        self.check()
    }

    /// All that was remembered, and the learning rate. Options are not in it.
    fn state(&self) -> State<T>;

    /// Takes over what [`state`](Optimizer::state) of an optimizer with the same options gave: a run goes on as if it
    /// had never been interrupted, bit for bit.
    ///
    /// # Errors
    /// [`Error::Value`] for the state of another kind of optimizer.
    fn load_state(&mut self, state: &State<T>) -> Result<()>;
}

/// What a schedule may change from step to step.
pub trait Tunable: Send + Sync {
    /// The learning rates: one, or one for each of several [`Groups`].
    fn lrs(&self) -> Vec<f64>;

    /// Sets the learning rates, as many as [`lrs`](Tunable::lrs) gives; the next step checks them.
    fn set_lrs(&mut self, lrs: &[f64]);

    /// The learning rate, or that of the first group.
    fn lr(&self) -> f64 {
        self.lrs().first().copied().unwrap_or(f64::NAN)
    }

    /// Sets the learning rate, of all groups if there are several; the next step checks it.
    fn set_lr(&mut self, lr: f64) {
        self.set_lrs(&vec![lr; self.lrs().len()]);
    }

    /// The momentum, or the decay rate `β₁` that plays its part, if the optimizer has one.
    fn momentum(&self) -> Option<f64> {
        None
    }

    /// Sets what [`momentum`](Tunable::momentum) gives, of all groups if there are several.
    fn set_momentum(&mut self, _momentum: f64) {}
}

impl<O: Tunable + ?Sized> Tunable for Box<O> {
    fn lrs(&self) -> Vec<f64> {
        (**self).lrs()
    }
    fn set_lrs(&mut self, lrs: &[f64]) {
        (**self).set_lrs(lrs);
    }
    fn lr(&self) -> f64 {
        (**self).lr()
    }
    fn set_lr(&mut self, lr: f64) {
        (**self).set_lr(lr);
    }
    fn momentum(&self) -> Option<f64> {
        (**self).momentum()
    }
    fn set_momentum(&mut self, momentum: f64) {
        (**self).set_momentum(momentum);
    }
}

impl<T: Float, O: Optimizer<T> + ?Sized> Optimizer<T> for Box<O> {
    fn step(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) -> Result<()> {
        (**self).step(model, grads)
    }
    fn check(&self) -> Result<()> {
        (**self).check()
    }
    fn accepts(&self, model: &dyn Parts<T>, grads: &Gradients<T>) -> Result<()> {
        (**self).accepts(model, grads)
    }
    fn state(&self) -> State<T> {
        (**self).state()
    }
    fn load_state(&mut self, state: &State<T>) -> Result<()> {
        (**self).load_state(state)
    }
}

/// The builder methods that optimizers share, the fields' names being the options'.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $t:ty;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(self, $name: $t) -> Self {
            Self { $name, ..self }
        }
    )*};
}

/// Implements [`Tunable`] and [`Optimizer`] for an optimizer with the fields `lr` and `memory` and the methods `op`,
/// its name, `ranges`, `update`, and `buffers`, the names of what it may remember. A row names the type and, if there is
/// one, the field of the momentum.
macro_rules! optimizer {
    ($name:ident $(, momentum = $($momentum:tt).+)?) => {
        impl<T: Float> Tunable for $name<T> {
            fn lrs(&self) -> Vec<f64> {
                vec![self.lr]
            }
            fn set_lrs(&mut self, lrs: &[f64]) {
                self.lr = lrs.first().copied().unwrap_or(f64::NAN);
            }
            $(
                fn momentum(&self) -> Option<f64> {
                    Some(self.$($momentum).+)
                }
                fn set_momentum(&mut self, momentum: f64) {
                    self.$($momentum).+ = momentum;
                }
            )?
        }
        impl<T: Float> Optimizer<T> for $name<T> {
            fn step(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) -> Result<()> {
                self.accepts(model, grads)?;
                self.update(model, grads);
                Ok(())
            }
            fn check(&self) -> Result<()> {
                self.ranges()
            }
            fn accepts(&self, model: &dyn Parts<T>, grads: &Gradients<T>) -> Result<()> {
                self.ranges()?;
                self.memory.fits(self.op(), model, grads)
            }
            fn state(&self) -> State<T> {
                $crate::optim::save(self.op(), self, &self.memory, self.buffers())
            }
            fn load_state(&mut self, state: &State<T>) -> Result<()> {
                let (op, buffers) = (self.op(), self.buffers());
                self.memory = $crate::optim::load(op, self, state, buffers)?;
                Ok(())
            }
        }
    };
}
pub(crate) use {optimizer, options};

/// What an optimizer remembers, and what a schedule may have changed of it.
fn save<T: Float>(
    op: &'static str,
    optimizer: &dyn Tunable,
    memory: &Memory<T>,
    buffers: &[&str],
) -> State<T> {
    let mut state = memory.state(buffers);
    state.set_note(KIND, op);
    state.set_note("lr", optimizer.lr());
    if let Some(momentum) = optimizer.momentum() {
        state.set_note("momentum", momentum);
    }
    state
}

/// The note of a state that says which optimizer it is of.
const KIND: &str = "optimizer";

/// Whether `state` is that of an optimizer of the kind `op`, as an error if not.
fn same_kind<T: Float>(op: &'static str, state: &State<T>) -> Result<()> {
    match state.note(KIND) {
        Some(kind) if kind == op => Ok(()),
        kind => Err(Error::Value {
            op,
            what: "the state",
            at: [].into_iter().collect(),
            value: kind.map_or("not that of an optimizer".into(), |kind| {
                format!("that of {}", kind.escape_debug())
            }),
            expected: "it must be that of an optimizer of the same kind and options",
        }),
    }
}

/// Takes back what [`save`] kept.
fn load<T: Float>(
    op: &'static str,
    optimizer: &mut dyn Tunable,
    state: &State<T>,
    buffers: &[&'static str],
) -> Result<Memory<T>> {
    same_kind(op, state)?;
    let memory = Memory::load(op, state, buffers)?;
    let lr = state.parse_note("lr")?;
    not_negative(op, "lr", lr)?;
    if optimizer.momentum().is_some() {
        optimizer.set_momentum(state.parse_note("momentum")?);
    }
    optimizer.set_lr(lr);
    Ok(memory)
}

/// Whether an option is in its range, as an error if it is not.
pub(crate) fn check(
    op: &'static str,
    name: &'static str,
    value: f64,
    good: bool,
    expected: &'static str,
) -> Result<()> {
    if good {
        return Ok(());
    }
    Err(Error::Option {
        op,
        name,
        value: value.to_string(),
        expected,
    })
}

/// As [`check`], for an option that must be finite and not negative.
pub(crate) fn not_negative(op: &'static str, name: &'static str, value: f64) -> Result<()> {
    let good = value >= 0.0 && value.is_finite();
    check(op, name, value, good, "it must be finite and not negative")
}

/// As [`check`], for a share of what was before: a decay rate.
pub(crate) fn below_one(op: &'static str, name: &'static str, value: f64) -> Result<()> {
    let good = (0.0..1.0).contains(&value);
    check(op, name, value, good, "it must be at least 0 and below 1")
}
