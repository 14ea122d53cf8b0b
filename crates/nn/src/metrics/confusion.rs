use super::pairs;
use losses::{Error, Result, Tensor};
use std::fmt::{Display, Formatter};

/// How a number of each class becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// From the counts of all classes together: here the accuracy.
    Micro,
    /// The mean over the classes, a rare one counting as much as a frequent one.
    Macro,
    /// The mean over the classes, each by how often it occurs.
    Weighted,
}

/// Three numbers of a confusion matrix, see [`ConfusionMatrix::scores`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Of those taken for a class, the share that is of it.
    pub precision: f64,
    /// Of those of a class, the share that was found.
    pub recall: f64,
    /// The harmonic mean of both, class by class.
    pub f1: f64,
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
        self.count(class, class) as f64 / self.support(class) as f64
    }

    /// Precision, recall and F₁ over all classes. A class for which one of them is undefined counts with 0, as in
    /// scikit-learn with all classes listed; of no examples at all every score is 0.
    ///
    /// ```
    /// use nn::prelude::*;
    /// use nn::metrics::Average;
    /// let m = ConfusionMatrix::new(&Tensor::from([0, 0, 0, 1]), &Tensor::from([0, 0, 1, 1]), 2)?;
    /// // Recall is 2/2 of class 0 and 1/2 of class 1.
    /// assert_eq!(m.scores(Average::Macro).recall, 0.75);
    /// assert_eq!(m.scores(Average::Micro).recall, 0.75);
    /// # Ok::<(), nn::Error>(())
    /// ```
    pub fn scores(&self, average: Average) -> Scores {
        let total = self.counts.iter().sum::<usize>().max(1) as f64;
        let defined = |v: f64| if v.is_nan() { 0.0 } else { v };
        let mean = |of: &dyn Fn(usize) -> f64| {
            let share = |c| match average {
                Average::Weighted => self.support(c) as f64 / total,
                _ => 1.0 / self.classes as f64,
            };
            (0..self.classes).fold(0.0, |sum, c| sum + defined(of(c)) * share(c))
        };
        if let Average::Micro = average {
            // Each mistake is a false positive of one class and a false negative of another: the three are one.
            let [precision, recall, f1] = [defined(self.accuracy()); 3];
            return Scores {
                precision,
                recall,
                f1,
            };
        }
        Scores {
            precision: mean(&|c| self.precision(c)),
            recall: mean(&|c| self.recall(c)),
            f1: mean(&|c| self.f1(c)),
        }
    }

    /// How many there are of `class`.
    ///
    /// # Panics
    /// If there is no such class.
    #[track_caller]
    pub fn support(&self, class: usize) -> usize {
        (0..self.classes).map(|p| self.count(class, p)).sum()
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
    }
}
