//! How far predicted numbers are off.

use super::{checked, same_shape};
use losses::autograd::Float;
use losses::{Result, Tensor};

/// Predictions and targets, pair by pair.
fn pairs<T: Float>(
    op: &'static str,
    predicted: &Tensor<T>,
    target: &Tensor<T>,
) -> Result<Vec<(f64, f64)>> {
    same_shape(op, "predicted", predicted.shape(), target.shape())?;
    let number = |what, x| checked(op, what, x, |v| !v.is_nan(), "it must be a number");
    let (p, t) = (number("predicted", predicted)?, number("target", target)?);
    Ok(p.into_iter().zip(t).collect())
}

/// The mean of `|p - t|`; NaN if there is nothing.
///
/// ```
/// use nn::{Tensor, metrics::mean_absolute_error};
/// assert_eq!(mean_absolute_error(&Tensor::from([1.0, 5.0]), &Tensor::from([2.0, 2.0]))?, 2.0);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Value`](crate::Error::Value) for a NaN.
/// # Reference
/// scikit-learn's `mean_absolute_error`.
pub fn mean_absolute_error<T: Float>(predicted: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
    let pairs = pairs("mean_absolute_error", predicted, target)?;
    let sum: f64 = pairs.iter().map(|(p, t)| (p - t).abs()).sum();
    Ok(sum / pairs.len() as f64)
}

/// The mean of `(p - t)²`; NaN if there is nothing.
///
/// # Errors
/// Those of [`mean_absolute_error`].
/// # Reference
/// scikit-learn's `mean_squared_error`.
pub fn mean_squared_error<T: Float>(predicted: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
    let pairs = pairs("mean_squared_error", predicted, target)?;
    let sum: f64 = pairs.iter().map(|(p, t)| (p - t).powi(2)).sum();
    Ok(sum / pairs.len() as f64)
}

/// The share of the target's variance that the predictions explain: `1 - Σ (p - t)² / Σ (t - mean)²`. The mean of
/// the target itself as prediction gets 0, a worse one less.
///
/// For targets `[rows, outputs]` it is the mean over the outputs. Targets that are all the same have no variance:
/// then it is 1 for perfect predictions and 0 for others, and NaN for fewer than two rows. (scikit-learn says so too, but
/// where the mean of such targets is rounded, as that of 0.1 three times is, it divides by the square of the rounding.)
///
/// ```
/// use nn::{Tensor, metrics::r2_score};
/// assert_eq!(r2_score(&Tensor::from([1.0, 2.0, 4.0]), &Tensor::from([1.0, 2.0, 3.0]))?, 0.5);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// Those of [`mean_absolute_error`].
/// # Reference
/// scikit-learn's `r2_score`.
pub fn r2_score<T: Float>(predicted: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
    let pairs = pairs("r2_score", predicted, target)?;
    let rows = target.shape().first().copied().unwrap_or(1);
    if rows < 2 || pairs.is_empty() {
        return Ok(f64::NAN);
    }
    let outputs = pairs.len() / rows;
    let of_output = |k: usize| {
        let column = || pairs.iter().skip(k).step_by(outputs);
        let mean = column().map(|(_, t)| t).sum::<f64>() / rows as f64;
        let off: f64 = column().map(|(p, t)| (p - t).powi(2)).sum();
        let all: f64 = column().map(|(_, t)| (t - mean).powi(2)).sum();
        // The mean of equal numbers may be rounded, and then is none of them.
        let equal = column().all(|(_, t)| *t == pairs[k].1);
        match (off == 0.0, equal || all == 0.0) {
            (true, true) => 1.0,
            (false, true) => 0.0,
            _ => 1.0 - off / all,
        }
    };
    Ok((0..outputs).map(of_output).sum::<f64>() / outputs as f64)
}
