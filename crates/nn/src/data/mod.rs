//! Tables to learn from: loading, splitting, scaling and serving them in batches.

mod moons;
mod scale;
mod sets;
mod table;

pub use moons::moons;
pub use scale::Standardize;
pub use sets::{breast_cancer, digits, iris, wine};

use losses::{Error, Result, Tensor};
use rand::Rng;
use rand::seq::SliceRandom;

/// Examples with their classes: row `i` of `x` belongs to the class `y[i]`.
///
/// ```
/// use nn::prelude::*;
/// let data = Dataset::new(Tensor::from([[0.0f32, 1.0], [2.0, 3.0], [4.0, 5.0]]), Tensor::from([0, 1, 1]))?;
/// assert_eq!((data.len(), data.num_features(), data.num_classes()), (3, 2, 2));
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The features, of shape `[rows, features]`.
    pub x: Tensor<f32>,
    /// The class of each row, from 0, of shape `[rows]`.
    pub y: Tensor<i64>,
}

impl Dataset {
    /// Features and classes, checked.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` does not have two dimensions or `y` not one element for each row;
    /// [`Error::Value`] for a negative class.
    pub fn new(x: Tensor<f32>, y: Tensor<i64>) -> Result<Self> {
        let op = "dataset";
        if x.ndim() != 2 {
            return Err(Error::Shape {
                op,
                what: "x",
                got: x.shape().into(),
                expected: "it must have two dimensions, rows and features".into(),
            });
        }
        if y.shape() != &x.shape()[..1] {
            return Err(Error::Shape {
                op,
                what: "y",
                got: y.shape().into(),
                expected: format!(
                    "it must be {:?}, a class for each row of x",
                    &x.shape()[..1]
                ),
            });
        }
        if let Some((at, class)) = y.find(|class| class < 0) {
            return Err(Error::Value {
                op,
                what: "y",
                at,
                value: class.to_string(),
                expected: "classes count from 0",
            });
        }
        Ok(Dataset { x, y })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.y.numel()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of features.
    pub fn num_features(&self) -> usize {
        self.x.shape().get(1).copied().unwrap_or(0)
    }

    /// One more than the highest class there is.
    pub fn num_classes(&self) -> usize {
        let highest = self.y.to_vec().into_iter().max();
        highest.map_or(0, |class| usize::try_from(class).map_or(0, |c| c + 1))
    }

    /// The rows with the given indices, in that order.
    ///
    /// ```
    /// use nn::prelude::*;
    /// let data = Dataset::new(Tensor::from([[0.0f32], [2.0], [4.0]]), Tensor::from([0, 1, 2]))?;
    /// assert_eq!(data.select(&[2, 0])?.y.to_vec(), [2, 0]);
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Index`] for a row that is not there.
    pub fn select(&self, rows: &[i64]) -> Result<Dataset> {
        let index = Tensor::from_slice(rows, rows.len())?;
        Ok(Dataset {
            x: self.x.index_select(0, &index)?,
            y: self.y.index_select(0, &index)?,
        })
    }

    /// A training and a test part: of each class `test_fraction` of the rows, rounded and drawn at random, go to the
    /// test part, so both have the classes in the same proportions. Rows keep their order.
    ///
    /// ```
    /// use rand::SeedableRng;
    /// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
    /// let (train, test) = nn::data::iris()?.split(0.2, &mut rng)?;
    /// assert_eq!((train.len(), test.len()), (120, 30));
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`] if the fraction does not lie between 0 and 1, or leaves one part empty.
    pub fn split(
        &self,
        test_fraction: f64,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<(Dataset, Dataset)> {
        let refuse = |expected| {
            Err(Error::Option {
                op: "split",
                name: "test_fraction",
                value: test_fraction.to_string(),
                expected,
            })
        };
        if !(test_fraction > 0.0 && test_fraction < 1.0) {
            return refuse("it must lie between 0 and 1");
        }
        let mut classes = vec![Vec::new(); self.num_classes()];
        for (row, class) in (0..).zip(self.y.to_vec()) {
            classes[class as usize].push(row);
        }
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for mut rows in classes {
            rows.shuffle(rng);
            let share = (rows.len() as f64 * test_fraction).round() as usize;
            test.extend_from_slice(&rows[..share]);
            train.extend_from_slice(&rows[share..]);
        }
        if train.is_empty() || test.is_empty() {
            return refuse("it must leave rows for the training part and for the test part");
        }
        train.sort_unstable();
        test.sort_unstable();
        Ok((self.select(&train)?, self.select(&test)?))
    }

    /// All rows once, in random order, in batches of `size`; the last one holds what is left.
    ///
    /// The rows are put into their order once; the batches are views.
    ///
    /// ```
    /// use rand::SeedableRng;
    /// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
    /// let sizes: Vec<_> = nn::data::iris()?.batches(64, &mut rng)?.map(|batch| batch.len()).collect();
    /// assert_eq!(sizes, [64, 64, 22]);
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`] if `size` is 0.
    pub fn batches(
        &self,
        size: usize,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<std::vec::IntoIter<Dataset>> {
        if size == 0 {
            return Err(Error::Option {
                op: "batches",
                name: "size",
                value: "0".into(),
                expected: "a batch must hold at least one row",
            });
        }
        let n = self.len();
        let mixed = self.select(&Tensor::randperm(n, rng)?.to_vec())?;
        let part = |start: usize| {
            let len = size.min(n - start);
            Ok(Dataset {
                x: mixed.x.narrow(0, start as isize, len)?,
                y: mixed.y.narrow(0, start as isize, len)?,
            })
        };
        let batches = (0..n).step_by(size).map(part).collect::<Result<Vec<_>>>()?;
        Ok(batches.into_iter())
    }
}

#[cfg(test)]
mod tests;
