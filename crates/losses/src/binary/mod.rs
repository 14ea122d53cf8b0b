//! Losses of yes-or-no predictions, one or many to a sample.

mod asymmetric;
mod bce;
mod bce_with_logits;
mod hinge;
mod multilabel_margin;
mod multilabel_soft_margin;
mod sigmoid_focal;
mod soft_margin;
mod squared_hinge;
mod tails;

pub use asymmetric::{AsymmetricLoss, asymmetric_loss};
pub use bce::{BinaryCrossEntropy, binary_cross_entropy};
pub use bce_with_logits::{BinaryCrossEntropyWithLogits, binary_cross_entropy_with_logits};
pub use hinge::{HingeLoss, hinge_loss};
pub use multilabel_margin::{MultilabelMarginLoss, multilabel_margin_loss};
pub use multilabel_soft_margin::{MultilabelSoftMarginLoss, multilabel_soft_margin_loss};
pub use sigmoid_focal::{SigmoidFocalLoss, sigmoid_focal_loss};
pub use soft_margin::{SoftMarginLoss, soft_margin_loss};
pub use squared_hinge::{SquaredHingeLoss, squared_hinge_loss};
