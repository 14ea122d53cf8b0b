//! Orders: the gradient of each result goes to the element that it is.

use crate::var::{IntoVar, Var};
use tensor_core::{Axes, Float, Interpolation, Result, Tensor};

impl<T: Float> Var<T> {
    /// The elements in order along `dim`, and the indices where they were; see [`Tensor::sort`].
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn sort(&self, dim: isize, descending: bool) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().sort(dim, descending)?;
        Ok((self.gather(dim, &index)?, index))
    }

    /// The `k` largest elements along `dim`, or smallest, in order, and their indices.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) if there are fewer than `k`, [`Error::Dim`](crate::Error::Dim) for a
    /// dimension that is not there.
    #[track_caller]
    pub fn topk(&self, k: usize, dim: isize, largest: bool) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().topk(k, dim, largest)?;
        Ok((self.gather(dim, &index)?, index))
    }

    /// The `k`-th smallest element along `dim`, counted from 1, and its index.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) if `k` is 0 or there are fewer elements,
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn kthvalue(&self, k: usize, dim: isize) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().kthvalue(k, dim)?;
        self.picked(dim, index)
    }

    /// The median along `dim`, of an even number the lower one, and its index; NaN where there is one.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) for a dimension of size 0, [`Error::Dim`](crate::Error::Dim).
    #[track_caller]
    pub fn median_dim(&self, dim: isize) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().median_dim(dim)?;
        self.picked(dim, index)
    }

    /// The most frequent element along `dim`, the least of several, and the last place where it is; see [`Tensor::mode`].
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) for a dimension of size 0, [`Error::Dim`](crate::Error::Dim).
    #[track_caller]
    pub fn mode(&self, dim: isize) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().mode(dim)?;
        self.picked(dim, index)
    }

    /// The median of all elements, of an even number the lower one; equal ones share the gradient.
    ///
    /// # Errors
    /// None for floats: the method of tensors may fail for integers.
    #[track_caller]
    pub fn median(&self) -> Result<Var<T>> {
        self.extreme("median", self.value().median()?, (..).into())
    }

    /// The quantile `q` over `axes`; see [`Tensor::quantile`]. The gradient goes to the elements that it lies between,
    /// and to `q`.
    ///
    /// # Errors
    /// As [`Tensor::quantile`].
    #[track_caller]
    pub fn quantile(
        &self,
        q: impl IntoVar<T>,
        axes: impl Into<Axes>,
        interpolation: Interpolation,
    ) -> Result<Var<T>> {
        let (q, axes) = (q.var("quantile")?, axes.into());
        // For the checks, and the shape.
        let y = self.value().quantile(q.value(), &axes, interpolation)?;
        let mask = axes.mask("quantile", self.shape())?;
        let (gone, left): (Vec<usize>, Vec<usize>) = (0..self.ndim()).partition(|&d| mask[d]);
        let count: usize = gone.iter().map(|&d| self.shape()[d]).product();
        let order = [&left[..], &gone].concat();
        let rows = (self.permute(&order)?).reshape([self.numel() / count, count])?;
        let sorted = rows.value().argsort(1, false)?;
        let each = q.reshape([q.numel()])?.unbind(0)?;
        let found = (each.iter())
            .map(|q| quantile(&rows, &sorted, q, interpolation))
            .collect::<Result<Vec<_>>>()?;
        Var::stack(&found.iter().collect::<Vec<_>>(), 0)?.reshape(y.shape())
    }
}

/// One quantile of each row, whose elements are `sorted` in that order.
fn quantile<T: Float>(
    rows: &Var<T>,
    sorted: &Tensor<i64>,
    q: &Var<T>,
    interpolation: Interpolation,
) -> Result<Var<T>> {
    let count = rows.shape()[1];
    let (low, high, weight) = interpolation.places("quantile", q.item()?.f64(), count)?;
    // NaN is last in the order; where there is one, it is the quantile.
    let last = sorted.narrow(1, -1, 1)?;
    let nan = rows.value().gather(1, &last)?.isnan();
    let pick = |at: usize| {
        let index = nan.where_(&last, sorted.narrow(1, at as isize, 1)?)?;
        rows.gather(1, &index)
    };
    let weight = match interpolation {
        Interpolation::Linear => q.mul(count as f64 - 1.0)?.sub(low as f64)?,
        _ => Var::from(Tensor::scalar(T::of(weight))),
    };
    let (low, high) = (pick(low)?, pick(high)?);
    // Equal infinities have no difference, and one beside a number outweighs it: the weights are of no account.
    let apart = (low.value()).zip(high.value(), |a: T, b: T| {
        if a.finite() {
            b.finite()
        } else {
            !b.finite() && a != b
        }
    })?;
    let upper = (low.value()).zip(high.value(), |a: T, b: T| a.finite() && !b.finite())?;
    let y = low.lerp(&high, weight)?.where_(&apart, &low)?;
    high.where_(&upper, &y)
}
