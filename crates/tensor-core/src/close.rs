//! Comparison within a tolerance: PyTorch's `allclose`, and the traits of the `approx` crate.

use crate::element::Float;
use crate::error::Result;
use crate::map::Operand;
use crate::tensor::Tensor;
use approx::{AbsDiffEq, RelativeEq, UlpsEq};

impl<T: Float> Tensor<T> {
    /// For each pair, whether `|a - b| <= atol + rtol |b|`; an infinity is close to itself only, NaN to nothing.
    ///
    /// # Errors
    /// [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not broadcast.
    pub fn isclose(&self, other: impl Operand<T>, rtol: f64, atol: f64) -> Result<Tensor<bool>> {
        self.zip_for("isclose", &other, |a: T, b: T| near(a, b, rtol, atol))
    }

    /// As [`Tensor::isclose`], where NaN is close to NaN.
    ///
    /// # Errors
    /// [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not broadcast.
    pub fn isclose_nan(
        &self,
        other: impl Operand<T>,
        rtol: f64,
        atol: f64,
    ) -> Result<Tensor<bool>> {
        self.zip_for("isclose_nan", &other, |a: T, b: T| {
            near(a, b, rtol, atol) || a.is_nan_() && b.is_nan_()
        })
    }

    /// Whether [`Tensor::isclose`] holds everywhere. PyTorch's defaults are `rtol = 1e-5`, `atol = 1e-8`.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([0.1f32 + 0.2]);
    /// assert!(x.allclose(&Tensor::from([0.3]), 1e-5, 1e-8)?);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not broadcast.
    pub fn allclose(&self, other: impl Operand<T>, rtol: f64, atol: f64) -> Result<bool> {
        let close = self
            .isclose(other, rtol, atol)
            .map_err(|e| e.named("allclose"))?;
        close.all(..)?.item()
    }
}

fn near<T: Float>(a: T, b: T, rtol: f64, atol: f64) -> bool {
    let (a, b) = (a.f64(), b.f64());
    a == b || (a - b).abs() <= atol + rtol * b.abs() && b.is_finite()
}

/// Whether shapes agree and `near` holds for every pair of elements.
fn all_near<T: Float>(a: &Tensor<T>, b: &Tensor<T>, near: impl Fn(&T, &T) -> bool) -> bool {
    a.shape() == b.shape() && a.to_vec().iter().zip(&b.to_vec()).all(|(a, b)| near(a, b))
}

impl<T: Float + AbsDiffEq<Epsilon = T>> AbsDiffEq for Tensor<T> {
    type Epsilon = T;

    fn default_epsilon() -> T {
        T::default_epsilon()
    }

    fn abs_diff_eq(&self, other: &Self, epsilon: T) -> bool {
        all_near(self, other, |a, b| a.abs_diff_eq(b, epsilon))
    }
}

impl<T: Float + RelativeEq<Epsilon = T>> RelativeEq for Tensor<T> {
    fn default_max_relative() -> T {
        T::default_max_relative()
    }

    fn relative_eq(&self, other: &Self, epsilon: T, max_relative: T) -> bool {
        all_near(self, other, |a, b| a.relative_eq(b, epsilon, max_relative))
    }
}

impl<T: Float + UlpsEq<Epsilon = T>> UlpsEq for Tensor<T> {
    fn default_max_ulps() -> u32 {
        T::default_max_ulps()
    }

    fn ulps_eq(&self, other: &Self, epsilon: T, max_ulps: u32) -> bool {
        all_near(self, other, |a, b| a.ulps_eq(b, epsilon, max_ulps))
    }
}
