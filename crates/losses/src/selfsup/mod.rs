//! Losses that learn from two views of each sample, without labels and without negatives.

mod barlow_twins;
mod columns;
mod vicreg;

pub use barlow_twins::{BarlowTwinsLoss, barlow_twins_loss};
pub use vicreg::{VicregLoss, vicreg_loss};
