//! Losses of masks: how well two sets of pixels overlap.

mod dice;
mod lovasz;
mod lovasz_hinge;
mod lovasz_softmax;
mod overlap;
mod region;
mod tversky;

pub use dice::{DiceLoss, dice_loss};
pub use lovasz_hinge::{LovaszHinge, lovasz_hinge};
pub use lovasz_softmax::{LovaszSoftmax, lovasz_softmax};
pub use overlap::SegmentationTarget;
pub use region::Region;
pub use tversky::{TverskyLoss, tversky_loss};
