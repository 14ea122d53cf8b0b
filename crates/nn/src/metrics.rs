//! How good predicted classes are.

use losses::{Error, Result, Tensor};
use std::fmt::{Display, Formatter};

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
    if predicted.shape() != target.shape() {
        return Err(Error::Shape {
            op,
            what: "predicted",
            got: predicted.shape().into(),
            expected: format!(
                "the target has shape {:?}: they must be the same",
                target.shape()
            ),
        });
    }
    Ok(predicted
        .to_vec()
        .into_iter()
        .zip(target.to_vec())
        .collect())
}

/// How often each class was taken for each: a row for each true class, a column for each predicted one.
///
/// ```
/// use nn::prelude::*;
/// let m = ConfusionMatrix::new(&Tensor::from([0, 2, 2, 1, 0]), &Tensor::from([0, 1, 2, 1, 2]), 3)?;
/// assert_eq!(m.to_string(), "\
/// true \\ predicted  0  1  2  recall
/// 0                 1  ·  ·  100.0%
/// 1                 ·  1  1   50.0%
/// 2                 1  ·  1   50.0%
/// ");
/// assert_eq!((m.count(1, 2), m.accuracy(), m.precision(0)), (1, 0.6, 0.5));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// scikit-learn's `confusion_matrix`, `precision_recall_fscore_support`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    /// Row by row.
    counts: Vec<usize>,
}

impl ConfusionMatrix {
    /// Counts predicted against true classes, both from 0 to below `classes`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ, [`Error::Class`] for a class outside.
    pub fn new(predicted: &Tensor<i64>, target: &Tensor<i64>, classes: usize) -> Result<Self> {
        let op = "confusion_matrix";
        let pairs = pairs(op, predicted, target)?;
        for classes_of in [predicted, target] {
            if let Some((at, class)) = classes_of.find(|c| c < 0 || c as u64 >= classes as u64) {
                return Err(Error::Class {
                    op,
                    what: "rows",
                    at,
                    class,
                    classes,
                });
            }
        }
        let too_large = || Error::Size {
            op,
            shape: vec![i64::try_from(classes).unwrap_or(i64::MAX); 2],
        };
        let cells = classes.checked_mul(classes).filter(|&n| n <= 1 << 24);
        let mut counts = vec![0; cells.ok_or_else(too_large)?];
        for (p, t) in pairs {
            counts[t as usize * classes + p as usize] += 1;
        }
        Ok(ConfusionMatrix { classes, counts })
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How often the class `truth` was taken for `predicted`.
    ///
    /// # Panics
    /// If there is no such class.
    #[track_caller]
    pub fn count(&self, truth: usize, predicted: usize) -> usize {
        assert!(
            truth < self.classes && predicted < self.classes,
            "confusion_matrix: ({truth}, {predicted}) is outside its {0} × {0} cells",
            self.classes
        );
        self.counts[truth * self.classes + predicted]
    }

    /// The share that is right; NaN if nothing was counted.
    pub fn accuracy(&self) -> f64 {
        let right: usize = (0..self.classes).map(|c| self.count(c, c)).sum();
        right as f64 / self.counts.iter().sum::<usize>() as f64
    }

    /// Of those taken for `class`, the share that is of it; NaN if there is none.
    ///
    /// # Panics
    /// If there is no such class.
    #[track_caller]
    pub fn precision(&self, class: usize) -> f64 {
        let column: usize = (0..self.classes).map(|t| self.count(t, class)).sum();
        self.count(class, class) as f64 / column as f64
    }

    /// Of those of `class`, the share that was found; NaN if there is none.
    ///
    /// # Panics
    /// If there is no such class.
    #[track_caller]
    pub fn recall(&self, class: usize) -> f64 {
        let row: usize = (0..self.classes).map(|p| self.count(class, p)).sum();
        self.count(class, class) as f64 / row as f64
    }

    /// The harmonic mean of precision and recall: `2 TP / (2 TP + FP + FN)`; NaN if the class does not occur.
    ///
    /// # Panics
    /// If there is no such class.
    #[track_caller]
    pub fn f1(&self, class: usize) -> f64 {
        let both: usize = (0..self.classes)
            .map(|c| self.count(c, class) + self.count(class, c))
            .sum();
        2.0 * self.count(class, class) as f64 / both as f64
    }
}

impl Display for ConfusionMatrix {
    /// As a table, a dot for 0 so that mistakes stand out.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        const CORNER: &str = "true \\ predicted";
        let most = self.counts.iter().max().copied().unwrap_or(0);
        let width = most.max(self.classes.saturating_sub(1)).to_string().len();
        write!(f, "{CORNER}")?;
        for class in 0..self.classes {
            write!(f, "  {class:>width$}")?;
        }
        writeln!(f, "  recall")?;
        for truth in 0..self.classes {
            write!(f, "{truth:<0$}", CORNER.len())?;
            for predicted in 0..self.classes {
                match self.count(truth, predicted) {
                    0 => write!(f, "  {:>width$}", "·")?,
                    n => write!(f, "  {n:>width$}")?,
                }
            }
            match self.recall(truth) {
                r if r.is_nan() => writeln!(f, "       –")?,
                r => writeln!(f, "  {:5.1}%", 100.0 * r)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 drawn pairs; the numbers are those of scikit-learn 1.9.1.
    #[test]
    fn numbers_are_scikit_learns() -> Result<()> {
        let target = Tensor::from([
            2, 3, 0, 3, 1, 2, 2, 1, 3, 0, 1, 1, 2, 1, 0, 0, 0, 0, 0, 3, 0, 2, 3, 0, 1, 1, 1, 3, 0,
            3, 3, 3, 0, 1, 2, 1, 2, 2, 2, 0,
        ]);
        let predicted = Tensor::from([
            2, 3, 2, 3, 3, 0, 2, 2, 2, 0, 0, 1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 1, 3, 0, 3, 1, 1, 3, 0,
            2, 3, 3, 0, 3, 2, 2, 2, 2, 0, 0,
        ]);
        let m = ConfusionMatrix::new(&predicted, &target, 4)?;
        let counts = [[10, 1, 1, 0], [1, 4, 2, 3], [2, 1, 6, 0], [1, 0, 2, 6]];
        assert_eq!(m.counts, counts.concat());
        assert_eq!(m.accuracy(), 0.65);
        assert_eq!(accuracy(&predicted, &target)?, 0.65);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} is not {b}");
        let precision = [
            0.7142857142857143,
            0.6666666666666666,
            0.5454545454545454,
            0.6666666666666666,
        ];
        let recall = [
            0.8333333333333334,
            0.4,
            0.6666666666666666,
            0.6666666666666666,
        ];
        let f1 = [0.7692307692307693, 0.5, 0.6, 0.6666666666666666];
        for class in 0..4 {
            close(m.precision(class), precision[class]);
            close(m.recall(class), recall[class]);
            close(m.f1(class), f1[class]);
        }
        Ok(())
    }

    #[test]
    fn the_table_stays_aligned() -> Result<()> {
        let target: Vec<i64> = (0..11).flat_map(|c| vec![c; 5 * c as usize]).collect();
        let target = Tensor::from_slice(&target, target.len())?;
        let table = ConfusionMatrix::new(&target, &target, 11)?.to_string();
        let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths[1..10], [widths[1]; 9]);
        assert!(table.lines().nth(1).is_some_and(|line| line.ends_with("–")));
        Ok(())
    }

    #[test]
    fn classes_and_shapes_that_do_not_fit_are_refused() {
        let (zeros, bad) = (Tensor::from([0, 0]), Tensor::from([0, 3]));
        let message = |p, t| ConfusionMatrix::new(p, t, 3).map_err(|e| e.to_string());
        let outside = "confusion_matrix: target[1] is 3, but the rows have 3 classes";
        assert_eq!(message(&zeros, &bad), Err(outside.into()));
        assert_eq!(
            accuracy(&Tensor::from([1]), &zeros).map_err(|e| e.to_string()),
            Err("accuracy: predicted has shape [1], but the target has shape [2]: they must be the same".into())
        );
    }
}
