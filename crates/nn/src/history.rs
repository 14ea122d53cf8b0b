//! What training was like, epoch by epoch.

use crate::checkpoint::replace;
use losses::{Error, Result};
use std::fmt::Write;
use std::path::Path;

/// One pass over the training part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// The mean loss over the training part, after the pass.
    pub train_loss: f64,
    /// The metric on the training part, such as the accuracy.
    pub train_metric: f64,
    /// The mean loss over the test part.
    pub test_loss: f64,
    /// The metric on the test part.
    pub test_metric: f64,
    /// The learning rate of the pass.
    pub lr: f64,
}

/// The epochs of a training, in order.
///
/// ```
/// use nn::prelude::*;
/// let mut history = History::new("accuracy");
/// let epoch = Epoch { epoch: 1, train_loss: 0.5, train_metric: 0.8, test_loss: 0.6, test_metric: 0.75, lr: 0.01 };
/// history.push(epoch);
/// assert_eq!(history.last().map(|e| e.test_metric), Some(0.75));
/// assert_eq!(history.curve(|e| e.train_loss), [(1.0, 0.5)]);
/// assert_eq!(
///     history.to_csv(),
///     "epoch,train_loss,train_accuracy,test_loss,test_accuracy,lr\n1,0.5,0.8,0.6,0.75,0.01\n"
/// );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    metric: String,
    epochs: Vec<Epoch>,
}

impl History {
    /// No epoch yet; `metric` is what the metric is called, such as `accuracy`.
    pub fn new(metric: impl Into<String>) -> Self {
        History {
            metric: metric.into(),
            epochs: Vec::new(),
        }
    }

    /// What the metric is called.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// Adds an epoch.
    pub fn push(&mut self, epoch: Epoch) {
        self.epochs.push(epoch);
    }

    /// All epochs.
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// The latest epoch.
    pub fn last(&self) -> Option<&Epoch> {
        self.epochs.last()
    }

    /// One number of each epoch beside the epoch's own, as drawing asks for it.
    pub fn curve(&self, value: impl Fn(&Epoch) -> f64) -> Vec<(f64, f64)> {
        self.epochs
            .iter()
            .map(|e| (e.epoch as f64, value(e)))
            .collect()
    }

    /// The names of the columns: the metric's own with all but letters, digits and `_` replaced, so that it needs no
    /// quotes anywhere.
    fn columns(&self) -> [String; 6] {
        let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
        let metric: String = self.metric.chars().map(plain).collect();
        [
            "epoch".into(),
            "train_loss".into(),
            format!("train_{metric}"),
            "test_loss".into(),
            format!("test_{metric}"),
            "lr".into(),
        ]
    }

    /// The epochs as CSV: a header line, and a line for each epoch.
    pub fn to_csv(&self) -> String {
        let mut text = self.columns().join(",") + "\n";
        for e in &self.epochs {
            let values = values(e).map(|v| v.to_string()).join(",");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{},{values}", e.epoch);
        }
        text
    }

    /// The epochs as JSON: a list with an object for each epoch; `null` stands for what is NaN or infinite.
    ///
    /// ```
    /// use nn::prelude::*;
    /// let mut history = History::new("accuracy");
    /// let epoch = Epoch { epoch: 1, train_loss: 0.5, train_metric: f64::NAN, test_loss: 1.0, test_metric: 0.75, lr: 0.01 };
    /// history.push(epoch);
    /// assert_eq!(history.to_json(), "[
    ///   {\"epoch\": 1, \"train_loss\": 0.5, \"train_accuracy\": null, \"test_loss\": 1, \"test_accuracy\": 0.75, \"lr\": 0.01}
    /// ]
    /// ");
    /// ```
    pub fn to_json(&self) -> String {
        let names = self.columns();
        let rows = self.epochs.iter().map(|e| {
            let values = values(e).into_iter().zip(&names[1..]);
            let pairs: Vec<String> = values
                .map(|(value, name)| match value.is_finite() {
                    true => format!("\"{name}\": {value}"),
                    false => format!("\"{name}\": null"),
                })
                .collect();
            format!("  {{\"epoch\": {}, {}}}", e.epoch, pairs.join(", "))
        });
        let rows: Vec<String> = rows.collect();
        format!("[\n{}\n]\n", rows.join(",\n"))
    }

    /// Writes the epochs to a file, as JSON if its name ends in `.json` and as CSV otherwise. An interrupted program
    /// leaves the old file or the new one, never half of one.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let json = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let text = if json { self.to_json() } else { self.to_csv() };
        replace(path, text.as_bytes()).map_err(|e| Error::File {
            op: "history",
            path: path.display().to_string(),
            problem: e.to_string(),
        })
    }
}

/// The numbers of an epoch in the order of the columns, its own left out.
fn values(e: &Epoch) -> [f64; 5] {
    [
        e.train_loss,
        e.train_metric,
        e.test_loss,
        e.test_metric,
        e.lr,
    ]
}
