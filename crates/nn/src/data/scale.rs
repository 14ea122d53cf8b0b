use losses::{Error, Result, Tensor};

/// Brings each feature to mean 0 and deviation 1, by numbers taken from the training part alone.
///
/// A feature that never changes is only centred. The deviation is that of the population, as in scikit-learn's
/// `StandardScaler`.
///
/// ```
/// use nn::prelude::*;
/// let train = Tensor::from([[1.0f32, 5.0], [3.0, 5.0]]);
/// let scale = Standardize::fit(&train)?; // means 2 and 5, deviations 1 and 0
/// assert_eq!(scale.apply(&train)?, Tensor::from([[-1.0, 0.0], [1.0, 0.0]]));
/// assert_eq!(scale.apply(&Tensor::from([[4.0, 6.0]]))?, Tensor::from([[2.0, 1.0]]));
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Standardize {
    /// The mean of each feature.
    pub mean: Tensor<f32>,
    /// The deviation of each feature, 1 in place of 0.
    pub std: Tensor<f32>,
}

impl Standardize {
    /// Means and deviations of the columns of `x`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` does not have two dimensions, or no row; [`Error::Value`] for a number that is infinite
    /// or NaN.
    pub fn fit(x: &Tensor<f32>) -> Result<Self> {
        if x.ndim() != 2 || x.shape()[0] == 0 {
            return Err(Error::Shape {
                op: "standardize",
                what: "x",
                got: x.shape().into(),
                expected: "it must have two dimensions, rows and features, and at least one row"
                    .into(),
            });
        }
        if let Some((at, value)) = x.find(|v| !v.is_finite()) {
            return Err(Error::Value {
                op: "standardize",
                what: "x",
                at,
                value: value.to_string(),
                expected: super::FINITE,
            });
        }
        let mut std = x.std(0, 0)?;
        for s in std.as_mut_slice().iter_mut().filter(|s| **s == 0.0) {
            *s = 1.0;
        }
        Ok(Standardize {
            mean: x.mean(0)?,
            std,
        })
    }

    /// `(x - mean) / std`, column by column.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` has another number of columns than what was fitted.
    pub fn apply(&self, x: &Tensor<f32>) -> Result<Tensor<f32>> {
        let features = self.mean.numel();
        if x.ndim() != 2 || x.shape()[1] != features {
            return Err(Error::Shape {
                op: "standardize",
                what: "x",
                got: x.shape().into(),
                expected: format!("it must have {features} columns, as the fitted table has"),
            });
        }
        x.sub(&self.mean)?.div(&self.std)
    }
}
