//! Checks that several layers make, each with its wording once.

use losses::{Error, Result};

/// Whether the last dimension of an input has the size that a layer takes.
pub(crate) fn last_size(op: &'static str, shape: &[usize], size: Option<usize>) -> Result<()> {
    if shape.last().copied() == size && size.is_some() {
        return Ok(());
    }
    Err(Error::Shape {
        op,
        what: "the input",
        got: shape.into(),
        expected: format!(
            "its last dimension must be {}, the layer's inputs",
            size.unwrap_or(0)
        ),
    })
}
