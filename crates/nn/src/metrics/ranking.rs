//! How well scores put the right above the wrong.

use super::{checked, rows_of_classes, same_shape};
use losses::autograd::Float;
use losses::{Error, Result, Tensor};

const A_NUMBER: &str = "a score must be a number, to be compared with others";

/// The share of rows whose class is among the `k` with the highest scores; NaN if there is no row.
///
/// Of equal scores the earlier class counts as higher, as in `argmax`: with `k = 1` this is the accuracy.
///
/// ```
/// use nn::{Tensor, metrics::top_k_accuracy};
/// let scores = Tensor::from([[0.1f32, 0.5, 0.4], [0.2, 0.3, 0.5]]);
/// assert_eq!(top_k_accuracy(&scores, &Tensor::from([2, 0]), 2)?, 0.5);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Shape`] if there is not a row of scores for each class, [`Error::Class`] for a class outside,
/// [`Error::Value`] for a score that is NaN, [`Error::Option`] if `k` is 0.
/// # Reference
/// scikit-learn's `top_k_accuracy_score`, which of equal scores takes the later class.
pub fn top_k_accuracy<T: Float>(scores: &Tensor<T>, target: &Tensor<i64>, k: usize) -> Result<f64> {
    let op = "top_k_accuracy";
    if k == 0 {
        return Err(Error::Option {
            op,
            name: "k",
            value: "0".into(),
            expected: "it must be at least 1",
        });
    }
    let (rows, classes) = rows_of_classes(op, "scores", scores.shape(), target)?;
    let values = checked(op, "scores", scores, |v| !v.is_nan(), A_NUMBER)?;
    let hits = values.chunks(classes.max(1)).zip(target.to_vec());
    let hits = hits.filter(|(row, class)| {
        let class = *class as usize;
        let higher = row[..class].iter().filter(|v| **v >= row[class]).count()
            + row[class..].iter().filter(|v| **v > row[class]).count();
        higher < k
    });
    Ok(hits.count() as f64 / rows as f64)
}

/// How many of class 1 and of class 0 have at least a certain score.
#[derive(Clone, Copy)]
struct Step {
    threshold: f64,
    hits: usize,
    false_alarms: usize,
}

/// A step for each different score, from the highest to the lowest.
fn steps<T: Float>(
    op: &'static str,
    scores: &Tensor<T>,
    target: &Tensor<i64>,
) -> Result<Vec<Step>> {
    if scores.ndim() != 1 {
        return Err(Error::Shape {
            op,
            what: "scores",
            got: scores.shape().into(),
            expected: "it must have one dimension: a score of class 1 for each row".into(),
        });
    }
    same_shape(op, "scores", scores.shape(), target.shape())?;
    let values = checked(op, "scores", scores, |v| !v.is_nan(), A_NUMBER)?;
    if let Some((at, class)) = target.find(|c| c != 0 && c != 1) {
        return Err(Error::Value {
            op,
            what: "target",
            at,
            value: class.to_string(),
            expected: "there are two classes, 0 and 1: compare one class with the rest",
        });
    }
    let mut ranked: Vec<(f64, i64)> = values.into_iter().zip(target.to_vec()).collect();
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let mut steps: Vec<Step> = Vec::new();
    let (mut hits, mut false_alarms) = (0, 0);
    for (threshold, class) in ranked {
        hits += (class == 1) as usize;
        false_alarms += (class == 0) as usize;
        let step = Step {
            threshold,
            hits,
            false_alarms,
        };
        match steps.last_mut() {
            Some(last) if last.threshold == threshold => *last = step,
            _ => steps.push(step),
        }
    }
    Ok(steps)
}

/// A point of the receiver operating characteristic: what comes of calling class 1 all that scores at least
/// `threshold`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roc {
    /// The lowest score that is called class 1.
    pub threshold: f64,
    /// Of those of class 0, the share called class 1.
    pub false_positive_rate: f64,
    /// Of those of class 1, the share called so.
    pub true_positive_rate: f64,
}

/// The receiver operating characteristic: a point for each different score, from the highest to the lowest, behind
/// `(0, 0)` for an infinite threshold. A rate over none is NaN.
///
/// # Errors
/// [`Error::Shape`] if `scores` does not have one dimension and the shape of `target`, [`Error::Value`] for a score
/// that is NaN or a class that is neither 0 nor 1.
/// # Reference
/// scikit-learn's `roc_curve` with `drop_intermediate=False`.
pub fn roc_curve<T: Float>(scores: &Tensor<T>, target: &Tensor<i64>) -> Result<Vec<Roc>> {
    let steps = steps("roc_curve", scores, target)?;
    let all = steps.last().map_or((0, 0), |s| (s.hits, s.false_alarms));
    let point = |threshold, hits, false_alarms| Roc {
        threshold,
        false_positive_rate: false_alarms as f64 / all.1 as f64,
        true_positive_rate: hits as f64 / all.0 as f64,
    };
    let rest = steps
        .iter()
        .map(|s| point(s.threshold, s.hits, s.false_alarms));
    Ok(std::iter::once(point(f64::INFINITY, 0, 0))
        .chain(rest)
        .collect())
}

/// The area under the receiver operating characteristic: how often one of class 1 scores higher than one of class 0,
/// equal scores counting half; NaN if there is none of one class.
///
/// ```
/// use nn::{Tensor, metrics::roc_auc};
/// // Of the four pairs, three are in order.
/// let scores = Tensor::from([0.1, 0.4, 0.35, 0.8]);
/// assert_eq!(roc_auc(&scores, &Tensor::from([0, 0, 1, 1]))?, 0.75);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// Those of [`roc_curve`].
/// # Reference
/// Hanley and McNeil 1982, *The meaning and use of the area under a receiver operating characteristic curve*;
/// scikit-learn's `roc_auc_score`.
pub fn roc_auc<T: Float>(scores: &Tensor<T>, target: &Tensor<i64>) -> Result<f64> {
    let steps = steps("roc_auc", scores, target)?;
    let (mut below, mut hits, mut false_alarms) = (0.0, 0, 0);
    for step in &steps {
        // Twice the trapezoid, in whole numbers: exact as long as there are fewer than 2⁵³ pairs.
        below += (step.false_alarms - false_alarms) as f64 * (step.hits + hits) as f64;
        (hits, false_alarms) = (step.hits, step.false_alarms);
    }
    Ok(below / (2.0 * hits as f64 * false_alarms as f64))
}

/// A point of the precision-recall curve: what comes of calling class 1 all that scores at least `threshold`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// The lowest score that is called class 1.
    pub threshold: f64,
    /// Of those called class 1, the share that is.
    pub precision: f64,
    /// Of those of class 1, the share called so; NaN if there is none.
    pub recall: f64,
}

/// Precision and recall for each different score as the threshold, from the highest to the lowest.
///
/// # Errors
/// Those of [`roc_curve`].
/// # Reference
/// scikit-learn's `precision_recall_curve`, which goes the other way and adds a point at recall 0.
pub fn precision_recall_curve<T: Float>(
    scores: &Tensor<T>,
    target: &Tensor<i64>,
) -> Result<Vec<PrecisionRecall>> {
    Ok(precision_recall(&steps(
        "precision_recall_curve",
        scores,
        target,
    )?))
}

fn precision_recall(steps: &[Step]) -> Vec<PrecisionRecall> {
    let all = steps.last().map_or(0, |s| s.hits);
    let point = |s: &Step| PrecisionRecall {
        threshold: s.threshold,
        precision: s.hits as f64 / (s.hits + s.false_alarms) as f64,
        recall: s.hits as f64 / all as f64,
    };
    steps.iter().map(point).collect()
}

/// The mean precision over the steps in which recall grows; NaN if there is none of class 1.
///
/// Where class 1 is rare this says more than [`roc_auc`], which many false alarms hardly change.
///
/// ```
/// use nn::{Tensor, metrics::average_precision};
/// let scores = Tensor::from([0.1, 0.4, 0.35, 0.8]);
/// // Half of class 1 is found with precision 1, all of it with precision 2/3.
/// let ap = average_precision(&scores, &Tensor::from([0, 0, 1, 1]))?;
/// assert!((ap - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-15);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// Those of [`roc_curve`].
/// # Reference
/// scikit-learn's `average_precision_score`.
pub fn average_precision<T: Float>(scores: &Tensor<T>, target: &Tensor<i64>) -> Result<f64> {
    let curve = precision_recall(&steps("average_precision", scores, target)?);
    let (mut sum, mut recall) = (0.0, 0.0);
    for point in curve {
        sum += (point.recall - recall) * point.precision;
        recall = point.recall;
    }
    // Without anything to find, no step has a recall.
    Ok(if recall == 0.0 { f64::NAN } else { sum })
}
