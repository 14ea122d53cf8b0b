//! Distances between distributions.

use autograd::{Float, Result, Var};

mod bregman;
mod entropy;
mod gaussian_kl;
mod gaussian_nll;
mod js_divergence;
mod kl_div;
mod kl_div_with_logits;
mod logits;
mod poisson_nll;
mod sinkhorn;
mod transport;
mod wasserstein;

pub use entropy::{entropy, entropy_with_logits};
pub use gaussian_kl::{GaussianKl, gaussian_kl};
pub use gaussian_nll::{
    GaussianNllLoss, GaussianNllLossWithLogVar, gaussian_nll_loss, gaussian_nll_loss_with_log_var,
};
pub use js_divergence::{JsDivergence, js_divergence};
pub use kl_div::{KlDiv, kl_div};
pub use kl_div_with_logits::{KlDivWithLogits, kl_div_with_logits};
pub use poisson_nll::{LogFactorial, PoissonNllLoss, poisson_nll_loss};
pub use sinkhorn::{Sinkhorn, sinkhorn};
pub use wasserstein::{Wasserstein1d, wasserstein_1d};

/// A dimension counted from the front, and how many rows run along it.
fn row_dim<T: Float>(op: &'static str, x: &Var<T>, dim: i64) -> Result<(usize, f64)> {
    let dim = x.value().dim_index(op, dim as isize)?;
    let others = x.shape().iter().enumerate().filter(|(d, _)| *d != dim);
    Ok((dim, others.map(|(_, &n)| n as f64).product()))
}

#[cfg(test)]
mod tests;
