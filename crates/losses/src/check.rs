//! Checks of arguments, each wording once.

use autograd::{Error, Float, Result, Tensor};
use std::fmt::Display;

/// Checks that `other` has the shape of `first`.
pub(crate) fn same_shape(
    op: &'static str,
    what: &'static str,
    other: &[usize],
    first: &[usize],
) -> Result<()> {
    if other == first {
        return Ok(());
    }
    let expected = format!(
        "the input has shape {first:?}: they must agree, as nothing is broadcast in a loss"
    );
    Err(Error::Shape {
        op,
        what,
        got: other.into(),
        expected,
    })
}

/// Checks that a weight broadcasts to `shape`, and returns it in that shape.
pub(crate) fn broadcast_weight<T: Float>(
    op: &'static str,
    what: &'static str,
    weight: &Tensor<T>,
    shape: &[usize],
) -> Result<Tensor<T>> {
    weight.broadcast_to(shape).map_err(|_| Error::Shape {
        op,
        what,
        got: weight.shape().into(),
        expected: format!("it must broadcast to the target's shape {shape:?}"),
    })
}

/// Checks an option: `expected` says what it must be, as in "it must be positive".
pub(crate) fn option(
    op: &'static str,
    name: &'static str,
    value: impl Display,
    holds: bool,
    expected: &'static str,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Option {
        op,
        name,
        value: value.to_string(),
        expected,
    })
}

/// Checks every element of `x`: `expected` says what it must be. The error names the first that is bad.
pub(crate) fn elements<T: Float>(
    op: &'static str,
    what: &'static str,
    x: &Tensor<T>,
    is_bad: impl Fn(T) -> bool + Sync,
    expected: &'static str,
) -> Result<()> {
    match x.find(is_bad) {
        None => Ok(()),
        Some((at, value)) => Err(Error::Value {
            op,
            what,
            at,
            value: value.to_string(),
            expected,
        }),
    }
}

/// Checks that every label lies in 0..=1.
pub(crate) fn labels<T: Float>(op: &'static str, what: &'static str, t: &Tensor<T>) -> Result<()> {
    let is_no_label = |v: T| !(T::ZERO..=T::ONE).contains(&v);
    elements(
        op,
        what,
        t,
        is_no_label,
        "a label is 1 for yes, 0 for no, or between where it is not sure",
    )
}

/// Checks that every probability lies in 0..=1.
pub(crate) fn probabilities<T: Float>(
    op: &'static str,
    what: &'static str,
    p: &Tensor<T>,
) -> Result<()> {
    let is_none = |v: T| !(T::ZERO..=T::ONE).contains(&v);
    elements(
        op,
        what,
        p,
        is_none,
        "a probability lies in 0..=1; logits must first go through `sigmoid` or `softmax`",
    )
}

/// Checks that a target is 1 or -1 everywhere, for losses that branch on it.
pub(crate) fn signs<T: Float>(op: &'static str, what: &'static str, t: &Tensor<T>) -> Result<()> {
    let is_no_sign = |v: T| v != T::ONE && v != -T::ONE;
    elements(op, what, t, is_no_sign, "it must be 1 or -1")
}
