//! How far training is: a bar on a terminal, a few plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use nn::prelude::*;
use std::io::IsTerminal;

/// Shows loss, accuracy and the time left.
pub struct Progress {
    /// Only on a terminal: a log keeps no bar.
    bar: Option<ProgressBar>,
    epochs: usize,
    results: String,
}

impl Progress {
    /// For so many epochs of so many batches.
    pub fn new(epochs: usize, batches: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new((epochs * batches) as u64);
            let template = "{bar:30} {percent:>3} %  {msg}  {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar
        });
        Progress {
            bar,
            epochs,
            results: String::new(),
        }
    }

    /// One batch is done, with this loss.
    pub fn batch(&self, loss: f64) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("loss {loss:.4}  {}", self.results));
            bar.inc(1);
        }
    }

    /// One epoch is done.
    pub fn epoch(&mut self, epoch: &Epoch) {
        let accuracy = 100.0 * epoch.test_accuracy;
        self.results = format!("test accuracy {accuracy:.1} %");
        let every = self.epochs.div_ceil(10).max(1);
        let shown =
            epoch.epoch == 1 || epoch.epoch.is_multiple_of(every) || epoch.epoch == self.epochs;
        if self.bar.is_none() && shown {
            println!(
                "epoch {:>4}/{}  loss {:.4}  train accuracy {:5.1} %  test loss {:.4}  test accuracy {:5.1} %",
                epoch.epoch,
                self.epochs,
                epoch.train_loss,
                100.0 * epoch.train_accuracy,
                epoch.test_loss,
                accuracy
            );
        }
    }
}

impl Drop for Progress {
    /// Takes the bar away, so that what is printed next stands on a clean line, also after an error.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
