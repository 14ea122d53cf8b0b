//! Losses of boxes: how well two rectangles overlap.

mod boxes;
mod ciou;
mod diou;
mod giou;

pub use ciou::{CiouLoss, ciou_loss};
pub use diou::{DiouLoss, diou_loss};
pub use giou::{GiouLoss, giou_loss};
