//! Losses of a choice among classes.

mod adaptive;
mod cross_entropy;
mod curve;
mod generalized;
mod linear;
mod linear_cross_entropy;
mod logit_adjusted;
mod multi_margin;
mod nll;
mod poly1;
pub(crate) mod row;
mod short;
mod softmax_focal;
pub(crate) mod target;
mod with_classes;
mod with_distribution;

pub use adaptive::{AdaptiveLogSoftmaxWithLoss, AdaptiveTail, adaptive_log_softmax_with_loss};
pub use cross_entropy::{CrossEntropy, CrossEntropyTarget, cross_entropy};
pub use generalized::{GeneralizedCrossEntropy, generalized_cross_entropy};
pub use linear_cross_entropy::{
    LinearCrossEntropy, LinearCrossEntropyTarget, linear_cross_entropy,
};
pub use logit_adjusted::{LogitAdjustedCrossEntropy, logit_adjusted_cross_entropy};
pub use multi_margin::{MultiMarginLoss, MultiMarginMode, multi_margin_loss};
pub use nll::{NllLoss, nll_loss};
pub use poly1::{Poly1CrossEntropy, poly1_cross_entropy};
pub use softmax_focal::{SoftmaxFocalLoss, softmax_focal_loss};
