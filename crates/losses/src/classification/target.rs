//! Checks of class targets and class weights, each wording once.

use autograd::{Dims, Error, Float, Result, Tensor};

/// The class dimension of an input, and the number of classes.
pub(crate) fn class_dim(op: &'static str, shape: &[usize]) -> Result<(usize, usize)> {
    match shape {
        [] => Err(Error::Shape {
            op,
            what: "the input",
            got: Dims::new(),
            expected: "it must have a dimension of classes: (C), (N, C) or (N, C, d…)".into(),
        }),
        [classes] => Ok((0, *classes)),
        [_, classes, ..] => Ok((1, *classes)),
    }
}

/// Class indices for an input: its shape without the class dimension, each in `0..classes` or `ignore_index`.
pub(crate) fn check_classes(
    op: &'static str,
    what: &'static str,
    target: &Tensor<i64>,
    input: &[usize],
    ignore_index: i64,
) -> Result<()> {
    let (dim, classes) = class_dim(op, input)?;
    let mut rows: Dims = input.into();
    rows.remove(dim);
    if target.shape() != rows.as_slice() {
        let expected = format!(
            "the input has shape {input:?}: there must be one class for each row, {rows:?}"
        );
        return Err(Error::Shape {
            op,
            what: "the target",
            got: target.shape().into(),
            expected,
        });
    }
    match target.find(|c| c != ignore_index && (c < 0 || c as u64 >= classes as u64)) {
        Some((at, class)) => Err(Error::Class {
            op,
            what,
            at,
            class,
            classes,
        }),
        None => Ok(()),
    }
}

/// Class weights: one for each class.
pub(crate) fn check_weight<T: Float>(
    op: &'static str,
    weight: &Option<Tensor<T>>,
    classes: usize,
) -> Result<()> {
    match weight {
        Some(w) if w.shape() != [classes] => {
            let expected =
                format!("there must be one for each of the {classes} classes, in one dimension");
            Err(Error::Shape {
                op,
                what: "the weight",
                got: w.shape().into(),
                expected,
            })
        }
        _ => Ok(()),
    }
}
