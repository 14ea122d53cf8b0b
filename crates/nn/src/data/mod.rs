//! Tables to learn from: loading, making, splitting, scaling and serving them in batches.
//!
//! [`Csv`] reads tables of numbers and names, [`Dataset::from_idx`] pictures in the format of MNIST; [`digits`],
//! [`iris`], [`wine`] and [`breast_cancer`] come with the library; [`moons`] and its kin are drawn.

mod idx;
mod scale;
mod sets;
mod synthetic;
mod table;

pub use idx::read_idx;
pub use scale::Standardize;
pub use sets::{breast_cancer, digits, iris, wine};
pub use synthetic::{blobs, circles, moons, regression, spirals, xor};
pub use table::{Column, Csv, Table};

use losses::autograd::{DType, Element};
use losses::{Error, Result, Tensor};
use rand::Rng;
use rand::seq::SliceRandom;

/// What a row can be told to be: a class (`i64`) or a number (`f32`).
pub trait Target: Element {
    /// What a good value is, if this one is none.
    fn complaint(self) -> Option<&'static str>;

    /// The rows of `y` in groups that a split divides each in the same proportion.
    fn groups(y: &Tensor<Self>) -> Vec<Vec<i64>>;
}

impl Target for i64 {
    fn complaint(self) -> Option<&'static str> {
        (self < 0).then_some("classes count from 0")
    }

    /// A group for each class.
    fn groups(y: &Tensor<i64>) -> Vec<Vec<i64>> {
        // Sorted by class, so that a class with a huge number costs no more than one with a small one.
        let mut groups = std::collections::BTreeMap::<i64, Vec<i64>>::new();
        for (row, class) in (0..).zip(y.to_vec()) {
            groups.entry(class).or_default().push(row);
        }
        groups.into_values().collect()
    }
}

impl Target for f32 {
    fn complaint(self) -> Option<&'static str> {
        (!self.is_finite()).then_some(FINITE)
    }

    /// One group: numbers have no classes.
    fn groups(y: &Tensor<f32>) -> Vec<Vec<i64>> {
        let rows = y.shape().first().map_or(0, |&n| n as i64);
        vec![(0..rows).collect()]
    }
}

const FINITE: &str = "data must be finite: leave such rows out, or fill them in";

/// Examples with what they are: row `i` of `x` belongs to `y[i]`, a class, or with `Dataset<f32>` a number.
///
/// ```
/// use nn::prelude::*;
/// let data = Dataset::new(Tensor::from([[0.0f32, 1.0], [2.0, 3.0], [4.0, 5.0]]), Tensor::from([0, 1, 1]))?;
/// assert_eq!((data.len(), data.num_features(), data.num_classes()), (3, 2, 2));
///
/// let error = Dataset::new(Tensor::from([[0.0f32], [f32::NAN]]), Tensor::from([0, 1])).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "dataset: x[1, 0] is NaN, but data must be finite: leave such rows out, or fill them in"
/// );
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dataset<Y: Target = i64> {
    /// The features, of shape `[rows, features]`.
    pub x: Tensor<f32>,
    /// What each row is: classes from 0, of shape `[rows]`, or numbers, of shape `[rows]` or `[rows, outputs]`.
    pub y: Tensor<Y>,
}

impl<Y: Target> Dataset<Y> {
    /// Features and targets, checked.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` does not have two dimensions or `y` not one element for each row;
    /// [`Error::Value`] for a negative class, and for a number that is infinite or NaN.
    pub fn new(x: Tensor<f32>, y: Tensor<Y>) -> Result<Self> {
        let op = "dataset";
        if x.ndim() != 2 {
            return Err(Error::Shape {
                op,
                what: "x",
                got: x.shape().into(),
                expected: "it must have two dimensions, rows and features".into(),
            });
        }
        let numbers = Y::DTYPE == DType::F32;
        let rows = &x.shape()[..1];
        let fits = y.shape() == rows || numbers && y.ndim() == 2 && y.shape()[..1] == *rows;
        if !fits {
            let what = if numbers { "a number" } else { "a class" };
            return Err(Error::Shape {
                op,
                what: "y",
                got: y.shape().into(),
                expected: format!("it must be {rows:?}, {what} for each row of x"),
            });
        }
        if let Some((at, value)) = x.find(|v| !v.is_finite()) {
            return Err(Error::Value {
                op,
                what: "x",
                at,
                value: value.to_string(),
                expected: FINITE,
            });
        }
        if let Some((at, value)) = y.find(|v| v.complaint().is_some()) {
            return Err(Error::Value {
                op,
                what: "y",
                at,
                value: value.to_string(),
                expected: value.complaint().unwrap_or(FINITE),
            });
        }
        Ok(Dataset { x, y })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.y.shape().first().copied().unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of features.
    pub fn num_features(&self) -> usize {
        self.x.shape().get(1).copied().unwrap_or(0)
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
    pub fn select(&self, rows: &[i64]) -> Result<Self> {
        let size = self.len();
        if let Some(&index) = rows.iter().find(|&&row| !(0..size as i64).contains(&row)) {
            return Err(Error::Index {
                op: "select",
                index,
                dim: 0,
                size,
            });
        }
        let index = Tensor::from_slice(rows, rows.len())?;
        Ok(Dataset {
            x: self.x.index_select(0, &index)?,
            y: self.y.index_select(0, &index)?,
        })
    }

    /// The same rows in random order; the same generator gives the same order.
    ///
    /// ```
    /// use rand::SeedableRng;
    /// let rng = || rand::rngs::ChaCha8Rng::seed_from_u64(3);
    /// let iris = nn::data::iris()?;
    /// assert_ne!(iris.shuffle(&mut rng())?.y, iris.y);
    /// assert_eq!(iris.shuffle(&mut rng())?.x, iris.shuffle(&mut rng())?.x);
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Size`] if the system does not have the memory for a second copy.
    pub fn shuffle(&self, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        self.select(&Tensor::randperm(self.len(), rng)?.to_vec())
    }

    /// A training and a test part: of each class `test_fraction` of the rows, rounded and drawn at random, go to the
    /// test part, so both have the classes in the same proportions. Rows keep their order. Where targets are numbers,
    /// the fraction is that of all rows.
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
    pub fn split(&self, test_fraction: f64, rng: &mut (impl Rng + ?Sized)) -> Result<(Self, Self)> {
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
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for mut rows in Y::groups(&self.y) {
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
    ) -> Result<std::vec::IntoIter<Self>> {
        at_least_one("batches", size)?; // before a random number is drawn
        self.shuffle(rng)?.chunks(size)
    }

    /// As [`batches`](Dataset::batches), but without the rest: each batch has `size` rows, for losses whose value
    /// depends on how many rows stand beside each other. The rows left out are others each time.
    ///
    /// # Errors
    /// [`Error::Option`] if `size` is 0, or larger than the number of rows, which would give no batch.
    pub fn full_batches(
        &self,
        size: usize,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<std::vec::IntoIter<Self>> {
        at_least_one("full_batches", size)?;
        if size > self.len() {
            return Err(Error::Option {
                op: "full_batches",
                name: "size",
                value: size.to_string(),
                expected: "there are fewer rows than that, so no batch would be full",
            });
        }
        let mixed = self.shuffle(rng)?;
        mixed.rows(0, mixed.len() / size * size)?.chunks(size)
    }

    /// All rows in their order, in parts of `size`; the last one holds what is left. All are views.
    ///
    /// # Errors
    /// [`Error::Option`] if `size` is 0.
    pub fn chunks(&self, size: usize) -> Result<std::vec::IntoIter<Self>> {
        at_least_one("chunks", size)?;
        let n = self.len();
        let parts = (0..n).step_by(size);
        let parts: Result<Vec<_>> = parts.map(|at| self.rows(at, size.min(n - at))).collect();
        Ok(parts?.into_iter())
    }

    /// The `len` rows from `start`.
    fn rows(&self, start: usize, len: usize) -> Result<Self> {
        Ok(Dataset {
            x: self.x.narrow(0, start as isize, len)?,
            y: self.y.narrow(0, start as isize, len)?,
        })
    }
}

impl Dataset {
    /// One more than the highest class there is.
    pub fn num_classes(&self) -> usize {
        let highest = self.y.to_vec().into_iter().max();
        highest.map_or(0, |class| usize::try_from(class).map_or(0, |c| c + 1))
    }
}

fn at_least_one(op: &'static str, size: usize) -> Result<()> {
    if size == 0 {
        return Err(Error::Option {
            op,
            name: "size",
            value: "0".into(),
            expected: "a batch must hold at least one row",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
