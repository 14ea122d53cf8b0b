//! How good predictions are: classes, scores, probabilities, numbers; by the definitions of scikit-learn.
//!
//! Predicted classes go into [`accuracy`] and [`ConfusionMatrix`], scores of two classes into [`roc_auc`] and
//! [`average_precision`], probabilities into [`log_loss`], [`brier_score`] and [`calibration_error`], numbers into
//! [`mean_absolute_error`] and [`r2_score`]. All are computed in `f64`; one that is not defined, such as the share of
//! none, is NaN.

mod confusion;
mod probability;
mod ranking;
mod regression;

pub use confusion::{Average, ConfusionMatrix, Scores};
pub use probability::{Bin, brier_score, calibration, calibration_error, log_loss};
pub use ranking::{
    PrecisionRecall, Roc, average_precision, precision_recall_curve, roc_auc, roc_curve,
    top_k_accuracy,
};
pub use regression::{mean_absolute_error, mean_squared_error, r2_score};

use losses::autograd::Float;
use losses::{Error, Result, Tensor};

/// The share of predicted classes that are right; NaN if there is none.
///
/// ```
/// use nn::prelude::*;
/// let logits = Tensor::from([[0.1f32, 2.0], [1.0, -1.0], [0.0, 3.0], [5.0, 4.0]]);
/// assert_eq!(accuracy(&logits.argmax(1)?, &Tensor::from([1, 0, 0, 0]))?, 0.75);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Shape`] if the shapes differ.
/// # Reference
/// scikit-learn's `accuracy_score`.
pub fn accuracy(predicted: &Tensor<i64>, target: &Tensor<i64>) -> Result<f64> {
    let pairs = pairs("accuracy", predicted, target)?;
    let right = pairs.iter().filter(|(p, t)| p == t).count();
    Ok(right as f64 / pairs.len() as f64)
}

fn pairs(
    op: &'static str,
    predicted: &Tensor<i64>,
    target: &Tensor<i64>,
) -> Result<Vec<(i64, i64)>> {
    same_shape(op, "predicted", predicted.shape(), target.shape())?;
    Ok(predicted
        .to_vec()
        .into_iter()
        .zip(target.to_vec())
        .collect())
}

/// The error for shapes that should be the same.
fn same_shape(op: &'static str, what: &'static str, got: &[usize], target: &[usize]) -> Result<()> {
    if got == target {
        return Ok(());
    }
    Err(Error::Shape {
        op,
        what,
        got: got.into(),
        expected: format!("the target has shape {target:?}: they must be the same"),
    })
}

/// The values, if each is `good`.
fn checked<T: Float>(
    op: &'static str,
    what: &'static str,
    x: &Tensor<T>,
    good: impl Fn(f64) -> bool + Sync,
    expected: &'static str,
) -> Result<Vec<f64>> {
    match x.find(|v| !good(v.f64())) {
        Some((at, value)) => Err(Error::Value {
            op,
            what,
            at,
            value: value.to_string(),
            expected,
        }),
        None => Ok(x.to_vec().into_iter().map(T::f64).collect()),
    }
}

/// Rows and classes of `x`, if it has a row of classes for each element of `target`.
fn rows_of_classes(
    op: &'static str,
    what: &'static str,
    x: &[usize],
    target: &Tensor<i64>,
) -> Result<(usize, usize)> {
    if x.len() != 2 || target.shape() != &x[..1] {
        return Err(Error::Shape {
            op,
            what,
            got: x.into(),
            expected: format!(
                "the target has shape {:?}: it must have a row of classes for each element of it",
                target.shape()
            ),
        });
    }
    let (rows, classes) = (x[0], x[1]);
    match target.find(|c| c < 0 || c as u64 >= classes as u64) {
        Some((at, class)) => Err(Error::Class {
            op,
            what: "rows",
            at,
            class,
            classes,
        }),
        None => Ok((rows, classes)),
    }
}

#[cfg(test)]
mod tests;
