//! Losses of yes-or-no predictions.

mod bce;
mod bce_with_logits;

pub use bce::{BinaryCrossEntropy, binary_cross_entropy};
pub use bce_with_logits::{BinaryCrossEntropyWithLogits, binary_cross_entropy_with_logits};
