//! How much predicted probabilities can be believed.

use super::{checked, rows_of_classes, same_shape};
use losses::autograd::Float;
use losses::{Error, Result, Tensor};

/// Probabilities of two classes from that of class 1, or of any number of classes: rows that sum to 1.
fn probabilities<T: Float>(
    op: &'static str,
    p: &Tensor<T>,
    target: &Tensor<i64>,
) -> Result<(usize, Vec<f64>)> {
    let what = "probabilities";
    let range = "a probability lies between 0 and 1: `softmax` or `sigmoid` makes one of a logit";
    let check = |p| checked(op, what, p, |v| (0.0..=1.0).contains(&v), range);
    if p.ndim() == 1 {
        same_shape(op, what, p.shape(), target.shape())?;
        rows_of_classes(op, what, &[p.numel(), 2], target)?;
        return Ok((
            2,
            check(p)?.into_iter().flat_map(|p| [1.0 - p, p]).collect(),
        ));
    }
    let (_, classes) = rows_of_classes(op, what, p.shape(), target)?;
    let values = check(p)?;
    for (row, p) in values.chunks(classes.max(1)).enumerate() {
        let sum: f64 = p.iter().sum();
        if (sum - 1.0).abs() > 1e-3 {
            return Err(Error::Value {
                op,
                what: "the sum of probabilities",
                at: [row].as_slice().into(),
                value: sum.to_string(),
                expected: "each row must sum to 1: `softmax` makes it so",
            });
        }
    }
    Ok((classes, values))
}

/// The mean of `-ln p` of the class that each row is of: cross entropy, from probabilities; NaN if there is no row.
///
/// `p` has shape `[rows, classes]`, or `[rows]` with the probability of class 1. Probabilities are kept away from 0
/// by the precision of `T`, as in scikit-learn, so that one that is 0 does not make the whole infinite.
///
/// ```
/// use nn::{Tensor, metrics::log_loss};
/// let p = Tensor::from([[0.5, 0.5], [0.25, 0.75]]);
/// assert_eq!(log_loss(&p, &Tensor::from([0, 0]))?, (2f64.ln() + 4f64.ln()) / 2.0);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Shape`] if `p` does not have a row for each class, [`Error::Class`] for a class outside,
/// [`Error::Value`] for a probability outside 0 and 1 or a row that does not sum to 1.
/// # Reference
/// scikit-learn's `log_loss`.
pub fn log_loss<T: Float>(p: &Tensor<T>, target: &Tensor<i64>) -> Result<f64> {
    let (classes, values) = probabilities("log_loss", p, target)?;
    let least = T::EPSILON.f64();
    let rows = values.chunks(classes.max(1)).zip(target.to_vec());
    let sum: f64 = rows
        .map(|(p, class)| -p[class as usize].clamp(least, 1.0 - least).ln())
        .sum();
    Ok(sum / target.numel() as f64)
}

/// The mean squared distance of the probabilities from 1 for the class and 0 for the others; NaN if there is no row.
///
/// For `[rows, classes]` the squares of a row are summed; for `[rows]`, the probability of class 1, there is one.
///
/// ```
/// use nn::{Tensor, metrics::brier_score};
/// assert_eq!(brier_score(&Tensor::from([0.5, 1.0]), &Tensor::from([0, 1]))?, 0.125);
/// assert_eq!(brier_score(&Tensor::from([[0.5, 0.5], [0.0, 1.0]]), &Tensor::from([0, 1]))?, 0.25);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// Those of [`log_loss`].
/// # Reference
/// Brier 1950, *Verification of forecasts expressed in terms of probability*; scikit-learn's `brier_score_loss`, with
/// `scale_by_half=False` for rows of classes.
pub fn brier_score<T: Float>(p: &Tensor<T>, target: &Tensor<i64>) -> Result<f64> {
    let (classes, values) = probabilities("brier_score", p, target)?;
    let rows = values.chunks(classes.max(1)).zip(target.to_vec());
    let row = |(p, class): (&[f64], i64)| -> f64 {
        let squares = p
            .iter()
            .zip(0..)
            .map(|(p, c)| (p - f64::from(u8::from(c == class))).powi(2));
        squares.sum()
    };
    let sum: f64 = rows.map(row).sum();
    let share = if p.ndim() == 1 { 0.5 } else { 1.0 };
    Ok(share * sum / target.numel() as f64)
}

/// The predictions whose confidence lies in one part of the range from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// How many there are.
    pub count: usize,
    /// The mean probability of the class that was predicted; NaN if there is none.
    pub confidence: f64,
    /// The share that is right; NaN if there is none.
    pub accuracy: f64,
}

/// What a reliability diagram shows: predictions in `bins` equal parts by their confidence, which is the highest
/// probability of the row. Believable probabilities have `accuracy ≈ confidence` in each.
///
/// # Errors
/// Those of [`log_loss`], and [`Error::Option`] if `bins` is 0.
/// # Reference
/// scikit-learn's `calibration_curve`, which leaves out empty parts.
pub fn calibration<T: Float>(p: &Tensor<T>, target: &Tensor<i64>, bins: usize) -> Result<Vec<Bin>> {
    filled_bins("calibration", p, target, bins)
}

fn filled_bins<T: Float>(
    op: &'static str,
    p: &Tensor<T>,
    target: &Tensor<i64>,
    bins: usize,
) -> Result<Vec<Bin>> {
    if bins == 0 || bins > 1 << 20 {
        return Err(Error::Option {
            op,
            name: "bins",
            value: bins.to_string(),
            expected: "it must be at least 1, and not more than a million",
        });
    }
    let (classes, values) = probabilities(op, p, target)?;
    let mut sums = vec![(0, 0.0, 0); bins];
    for (p, class) in values.chunks(classes.max(1)).zip(target.to_vec()) {
        let mut best = 0;
        for (c, &v) in p.iter().enumerate() {
            if v > p[best] {
                best = c;
            }
        }
        // A part holds its upper end, not its lower one.
        let bin = (p[best] * bins as f64).ceil() as usize;
        let (count, confidence, right) = &mut sums[bin.clamp(1, bins) - 1];
        *count += 1;
        *confidence += p[best];
        *right += usize::from(best as i64 == class);
    }
    let bin = |(count, confidence, right): (usize, f64, usize)| Bin {
        count,
        confidence: confidence / count as f64,
        accuracy: right as f64 / count as f64,
    };
    Ok(sums.into_iter().map(bin).collect())
}

/// The expected calibration error: the mean distance of confidence from accuracy, over `bins` parts by how many
/// predictions lie in each; 15 is the usual number. NaN if there is no row.
///
/// ```
/// use nn::{Tensor, metrics::calibration_error};
/// // Four predictions with confidence 0.9, three of them right.
/// let p = Tensor::from([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]]);
/// let ece = calibration_error(&p, &Tensor::from([0, 0, 0, 1]), 15)?;
/// assert!((ece - 0.15).abs() < 1e-12);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// Those of [`calibration`].
/// # Reference
/// Naeini, Cooper and Hauskrecht 2015, *Obtaining well calibrated probabilities using Bayesian binning*; Guo et al.
/// 2017, arXiv:1706.04599.
pub fn calibration_error<T: Float>(
    p: &Tensor<T>,
    target: &Tensor<i64>,
    bins: usize,
) -> Result<f64> {
    let bins = filled_bins("calibration_error", p, target, bins)?;
    let filled = bins.iter().filter(|b| b.count > 0);
    let sum: f64 = filled
        .map(|b| b.count as f64 * (b.accuracy - b.confidence).abs())
        .sum();
    Ok(sum / target.numel() as f64)
}
