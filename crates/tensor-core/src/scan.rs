//! Running results along one dimension.

use crate::element::{Element, Float, Number};
use crate::error::Result;
use crate::kernel::isa::Portable;
use crate::kernel::math::Math;
use crate::rows::map_rows;
use crate::tensor::Tensor;

impl<T: Number> Tensor<T> {
    /// Running sums along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn cumsum(&self, dim: isize) -> Result<Tensor<T>> {
        map_rows("cumsum", self, dim, |x, out| {
            let mut sum = T::Acc::ZERO;
            for (o, &v) in out.iter_mut().zip(x) {
                sum = sum.plus(v.widen());
                *o = T::narrow(sum);
            }
        })
    }

    /// Running products along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn cumprod(&self, dim: isize) -> Result<Tensor<T>> {
        map_rows("cumprod", self, dim, |x, out| {
            let mut product = T::Acc::ONE;
            for (o, &v) in out.iter_mut().zip(x) {
                product = product.times(v.widen());
                *o = T::narrow(product);
            }
        })
    }

    /// The largest element so far along `dim` and its index, the last of equal ones; NaN once there was one.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn cummax(&self, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        let index = self.running("cummax", dim, |best, v| v >= best)?;
        Ok((self.gather(dim, &index)?, index))
    }

    /// The smallest element so far along `dim` and its index, the last of equal ones; NaN once there was one.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn cummin(&self, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        let index = self.running("cummin", dim, |best, v| v <= best)?;
        Ok((self.gather(dim, &index)?, index))
    }

    fn running(
        &self,
        op: &'static str,
        dim: isize,
        better: impl Fn(T, T) -> bool + Sync,
    ) -> Result<Tensor<i64>> {
        map_rows(op, self, dim, |x, out| {
            let mut best = 0;
            for (i, (o, &v)) in out.iter_mut().zip(x).enumerate() {
                if v.is_nan_() || better(x[best], v) {
                    best = i;
                }
                *o = best as i64;
            }
        })
    }
}

impl<T: Float> Tensor<T> {
    /// Running `ln Σ e^x` along `dim`, without overflow.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn logcumsumexp(&self, dim: isize) -> Result<Tensor<T>> {
        map_rows("logcumsumexp", self, dim, |x, out| {
            let mut sum = f64::NEG_INFINITY;
            for (o, &v) in out.iter_mut().zip(x) {
                let v = v.f64();
                let (high, gap) = (
                    if sum > v || sum.is_nan() { sum } else { v },
                    (sum - v).abs(),
                );
                // Equal infinities have no gap that is a number; their sum is the infinity itself.
                if sum != v || v.is_finite() {
                    sum = high + (-gap).softplus::<Portable>();
                }
                *o = T::of(sum);
            }
        })
    }
}
