//! Losses of predicted values.

use crate::check::same_shape;
use autograd::{Float, Result, Tensor, Var};

mod charbonnier;
mod evidential;
mod expectile;
mod huber;
mod l1;
mod log_cosh;
mod mape;
mod mse;
mod msle;
mod quantile;
mod rmse;
mod smooth_l1;
#[cfg(test)]
mod tests;
mod tweedie;

pub use charbonnier::{CharbonnierLoss, charbonnier_loss};
pub use evidential::{EvidentialNigLoss, evidential_nig_loss};
pub use expectile::{ExpectileLoss, expectile_loss};
pub use huber::{HuberLoss, huber_loss};
pub use l1::{L1Loss, l1_loss};
pub use log_cosh::{LogCoshLoss, log_cosh_loss};
pub use mape::{MapeLoss, mape_loss};
pub use mse::{MseLoss, mse_loss};
pub use msle::{MsleLoss, msle_loss};
pub use quantile::{QuantileLoss, Quantiles, quantile_loss};
pub use rmse::rmse_loss;
pub use smooth_l1::{SmoothL1Loss, smooth_l1_loss};
pub use tweedie::{TweedieNllLoss, tweedie_nll_loss};

/// What a weighted mean divides by: the sum of the weights, and without weights the number of elements.
fn weighted_mean<T: Float>(
    op: &'static str,
    weight: &Option<Tensor<T>>,
    x: &Var<T>,
) -> Result<f64> {
    match weight {
        Some(w) => {
            same_shape(op, "the weight", w.shape(), x.shape())?;
            Ok(w.sum(..)?.item()?.f64())
        }
        None => Ok(x.numel() as f64),
    }
}
