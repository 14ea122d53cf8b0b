//! Losses of a choice among classes.

mod cross_entropy;
mod nll;
pub(crate) mod target;

pub use cross_entropy::{CrossEntropy, CrossEntropyTarget, cross_entropy};
pub use nll::{NllLoss, nll_loss};
