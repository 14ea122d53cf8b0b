//! Lists of entries, which a mask may leave out.

use crate::check::same_shape;
use autograd::{Element, Error, Result, Tensor};
use std::borrow::Cow;

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

/// Elements of list `i` of `x`, however they lie: borrowed where they are side by side.
pub(super) fn list_of<T: Element>(x: &Tensor<T>, i: usize, len: usize) -> Cow<'_, [T]> {
    match x.as_slice() {
        Some(all) => Cow::Borrowed(&all[i * len..][..len]),
        None => {
            let mut list = vec![T::ZERO; len];
            x.source().gather(i * len, &mut list);
            Cow::Owned(list)
        }
    }
}

/// Which lists have an entry.
pub(super) fn entries(mask: &Tensor<bool>) -> Result<Tensor<bool>> {
    mask.any(-1)
}
