//! Losses of sequences of labels whose alignment with the input is not known.

mod ctc;
mod ctc_op;
mod ctc_with_logits;
mod labels;
mod lattice;
mod rnnt;
mod rnnt_op;

pub use ctc::{CtcLoss, ctc_loss};
pub use ctc_with_logits::{CtcLossWithLogits, ctc_loss_with_logits};
pub use rnnt::{RnntLoss, rnnt_loss};
