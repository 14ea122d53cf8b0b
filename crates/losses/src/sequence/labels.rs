//! Sequences of labels and their lengths, each check and its wording once.

use autograd::{Error, Result, Tensor};

/// What a loss of label sequences is called with.
pub(crate) struct Batch {
    /// The loss's name.
    pub op: &'static str,
    /// What has the classes: logits or log-probabilities.
    pub what: &'static str,
    /// The number of sequences; `None` for a single one without a dimension of its own.
    pub size: Option<usize>,
    /// The number of classes.
    pub classes: usize,
    /// The class that is no label.
    pub blank: i64,
}

impl Batch {
    /// Checks the blank, and returns it as an index.
    pub fn blank(&self) -> Result<usize> {
        crate::check::option(
            self.op,
            "blank",
            self.blank,
            self.blank >= 0 && (self.blank as u64) < self.classes as u64,
            "it must be one of the classes",
        )?;
        Ok(self.blank as usize)
    }

    /// The lengths in `given`, one for each sequence, from `least` to `most`.
    pub fn lengths(
        &self,
        name: &'static str,
        given: &Tensor<i64>,
        (least, most): (usize, usize),
        expected: &'static str,
    ) -> Result<Vec<usize>> {
        let fits = match self.size {
            Some(n) => given.shape() == [n],
            None => given.ndim() <= 1 && given.numel() == 1,
        };
        if !fits {
            return Err(Error::Shape {
                op: self.op,
                what: name,
                got: given.shape().into(),
                expected: match self.size {
                    Some(n) => format!("there must be one for each of the {n} sequences, [{n}]"),
                    None => "there is one sequence: it must be a scalar".into(),
                },
            });
        }
        let is_bad = |l: i64| l < least as i64 || l as u64 > most as u64;
        match given.find(is_bad) {
            None => Ok(given.to_vec().into_iter().map(|l| l as usize).collect()),
            Some((at, value)) => Err(Error::Value {
                op: self.op,
                what: name,
                at,
                value: value.to_string(),
                expected,
            }),
        }
    }

    /// The labels of each sequence, from `targets` padded to a common length or one after the other, and their lengths.
    pub fn labels(&self, targets: &Tensor<i64>, lengths: &Tensor<i64>) -> Result<Vec<Vec<usize>>> {
        let padded = self.size.is_none() || targets.ndim() == 2;
        let width = targets.shape().last().copied().unwrap_or(0);
        let fits = match self.size {
            None => targets.ndim() == 1,
            Some(n) if padded => targets.shape()[0] == n,
            Some(_) => targets.ndim() == 1,
        };
        if !fits {
            return Err(Error::Shape {
                op: self.op,
                what: "targets",
                got: targets.shape().into(),
                expected: match self.size {
                    Some(n) => {
                        format!("it must be padded, [{n}, S], or hold one sequence after the other")
                    }
                    None => "there is one sequence: it must be of shape [S]".into(),
                },
            });
        }
        let expected = "it must lie between 0 and the number of labels there are";
        let lengths = self.lengths("target_lengths", lengths, (0, width), expected)?;
        let total: usize = lengths.iter().sum();
        if !padded && total != width {
            return Err(Error::Shape {
                op: self.op,
                what: "targets",
                got: targets.shape().into(),
                expected: format!("target_lengths add up to {total}"),
            });
        }
        let all = targets.to_vec();
        let mut start = 0;
        let mut sequences = Vec::with_capacity(lengths.len());
        for (n, &len) in lengths.iter().enumerate() {
            let first = if padded { n * width } else { start };
            start += len;
            let place = |k: usize| match targets.ndim() {
                2 => [n, k][..].into(),
                _ => [first + k][..].into(),
            };
            let mut labels = Vec::with_capacity(len);
            for (k, &class) in all[first..first + len].iter().enumerate() {
                if class < 0 || class as u64 >= self.classes as u64 {
                    return Err(Error::Class {
                        op: self.op,
                        what: self.what,
                        at: place(k),
                        class,
                        classes: self.classes,
                    });
                }
                if class == self.blank {
                    return Err(Error::Value {
                        op: self.op,
                        what: "target",
                        at: place(k),
                        value: class.to_string(),
                        expected: "the blank is no label",
                    });
                }
                labels.push(class as usize);
            }
            sequences.push(labels);
        }
        Ok(sequences)
    }
}

/// `ln(e^a + e^b)`; of two that are `-inf` it is `-inf`.
pub(crate) fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY {
        return low;
    }
    high + (low - high).exp().ln_1p()
}
