//! Checks of lists of entries.

use crate::check::same_shape;
use autograd::{Error, Result, Tensor};

/// Checks that an input has a dimension of entries, and its mask, if there is one, the input's shape.
pub(super) fn check_lists(
    op: &'static str,
    shape: &[usize],
    mask: &Option<Tensor<bool>>,
) -> Result<()> {
    if shape.is_empty() {
        return Err(Error::Shape {
            op,
            what: "the input",
            got: shape.into(),
            expected: "its last dimension must be that of the entries of a list: (L) or (N, L)"
                .into(),
        });
    }
    match mask {
        Some(mask) => same_shape(op, "the mask", mask.shape(), shape),
        None => Ok(()),
    }
}

/// Which lists have an entry.
pub(super) fn entries(mask: &Tensor<bool>) -> Result<Tensor<bool>> {
    mask.any(-1)
}
