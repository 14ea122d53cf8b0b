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
/// [`Error::Shape`] of the input, with what would be right.
pub(crate) fn input_shape(op: &'static str, shape: &[usize], expected: impl Into<String>) -> Error {
    Error::Shape {
        op,
        what: "the input",
        got: shape.into(),
        expected: expected.into(),
    }
}

/// [`Error::Option`] unless `good`.
pub(crate) fn option(
    op: &'static str,
    name: &'static str,
    good: bool,
    value: impl std::fmt::Debug,
    expected: &'static str,
) -> Result<()> {
    if good {
        return Ok(());
    }
    Err(Error::Option {
        op,
        name,
        value: format!("{value:?}"),
        expected,
    })
}
