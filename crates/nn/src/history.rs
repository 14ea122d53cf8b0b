//! What training was like, epoch by epoch.

/// One pass over the training part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// The mean loss over the training part.
    pub train_loss: f64,
    /// The share of the training part that was classified right.
    pub train_accuracy: f64,
    /// The mean loss over the test part.
    pub test_loss: f64,
    /// The share of the test part that was classified right.
    pub test_accuracy: f64,
}

/// The epochs of a training, in order.
///
/// ```
/// use nn::prelude::*;
/// let mut history = History::default();
/// history.push(Epoch { epoch: 1, train_loss: 0.5, train_accuracy: 0.8, test_loss: 0.6, test_accuracy: 0.75 });
/// assert_eq!(history.last().map(|e| e.test_accuracy), Some(0.75));
/// assert_eq!(history.curve(|e| e.train_loss), [(1.0, 0.5)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    epochs: Vec<Epoch>,
}

impl History {
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
}
