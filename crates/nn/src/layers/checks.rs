//! What several layers share: checks, each with its wording once, and whose call it is.

use losses::autograd::Float;
use losses::{Error, Result, Tensor, Var};
use std::panic::Location;

/// Runs a part of a layer for the line of the program that uses the layer, so that an anomaly names that line.
pub(crate) fn on_behalf<T: Float, R>(
    x: &Var<T>,
    line: &'static Location<'static>,
    f: impl FnOnce() -> R,
) -> R {
    // This file's name without what stands behind the folder of the sources.
    let sources = file!().trim_end_matches("checks.rs");
    x.on_behalf(sources, line, f)
}

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

/// Whether a parameter, which a user may have replaced, has the shape that its layer needs. None is right too.
pub(crate) fn parameter<T: Float>(
    op: &'static str,
    what: &'static str,
    value: Option<&Tensor<T>>,
    shape: &[usize],
) -> Result<()> {
    match value {
        Some(value) if value.shape() != shape => Err(Error::Shape {
            op,
            what,
            got: value.shape().into(),
            expected: format!("this layer needs {shape:?} there"),
        }),
        _ => Ok(()),
    }
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
