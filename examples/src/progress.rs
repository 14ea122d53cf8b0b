//! How far training is: a bar on a terminal, a few plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use nn::prelude::*;
use nn::trainer::{Batch, Callback, Flow};
use std::io::IsTerminal;

/// Shows loss, metric, rate and the time left. It is a callback of a trainer; a loop of one's own calls
/// [`step`](Progress::step) and [`pass`](Progress::pass).
#[derive(Debug)]
pub struct Progress {
    /// Only on a terminal: a log keeps no bar.
    bar: Option<ProgressBar>,
    epochs: usize,
    metric: String,
    results: String,
    quiet: bool,
}

impl Progress {
    /// For so many epochs; `metric` is what is measured.
    pub fn new(epochs: usize, metric: impl Into<String>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            let template = "{prefix}{bar:24} {percent:>3} %  {msg}  {per_sec}  {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar
        });
        Progress {
            bar,
            epochs,
            metric: metric.into(),
            results: String::new(),
            quiet: false,
        }
    }

    /// One of several trainings, which is called `name`: it shows a bar, but writes no lines.
    pub fn of(name: &str, epochs: usize) -> Self {
        let mut progress = Progress::new(epochs, "accuracy");
        progress.quiet = true;
        if let Some(bar) = &progress.bar {
            bar.set_prefix(format!("{name:<24} "));
        }
        progress
    }

    /// One batch is done.
    pub fn step(&self, batch: &Batch) {
        if let Some(bar) = &self.bar {
            bar.set_length((self.epochs * batch.batches) as u64);
            bar.set_message(format!("loss {:.4}  {}", batch.loss, self.results));
            bar.inc(1);
        }
    }

    /// The metric as people read it: shares in percent.
    fn show(&self, value: f64) -> String {
        match self.metric.as_str() {
            "accuracy" => format!("accuracy {:5.1} %", 100.0 * value),
            name => format!("{name} {value:.4}"),
        }
    }

    /// One epoch is done.
    pub fn pass(&mut self, epoch: &Epoch) {
        self.results = format!("test {}", self.show(epoch.test_metric));
        let every = self.epochs.div_ceil(10).max(1);
        let shown =
            epoch.epoch == 1 || epoch.epoch.is_multiple_of(every) || epoch.epoch == self.epochs;
        if self.bar.is_none() && shown && !self.quiet {
            // A loop of one's own may not measure the training part.
            let train = match epoch.train_metric.is_nan() {
                true => String::new(),
                false => format!("  train {}", self.show(epoch.train_metric)),
            };
            println!(
                "epoch {:>4}/{}  loss {:.4}{train}  test loss {:.4}  {}",
                epoch.epoch, self.epochs, epoch.train_loss, epoch.test_loss, self.results
            );
        }
    }
}

impl Callback for Progress {
    fn batch(&mut self, batch: &Batch, _: &mut dyn Optimizer<f32>) -> Result<Flow> {
        self.step(batch);
        Ok(Flow::Go)
    }

    fn epoch(&mut self, epoch: &Epoch, _: &mut dyn Optimizer<f32>) -> Result<Flow> {
        self.pass(epoch);
        Ok(Flow::Go)
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
