//! Distances between distributions.

mod entropy;
mod kl_div;

pub use entropy::{entropy, entropy_with_logits};
pub use kl_div::{KlDiv, kl_div};
