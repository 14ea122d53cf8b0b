//! Losses of predicted values.

mod mse;

pub use mse::{MseLoss, mse_loss};
