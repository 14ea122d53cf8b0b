//! Losses of preferences between two answers.

mod dpo;

pub use dpo::{DpoLoss, DpoVariant, dpo_loss};
