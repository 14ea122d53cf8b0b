//! Orders: the gradient of each result goes to the element that it is.

use crate::var::Var;
use tensor_core::{Float, Result, Tensor};

impl<T: Float> Var<T> {
    /// The elements in order along `dim`, and the indices where they were; see [`Tensor::sort`].
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn sort(&self, dim: isize, descending: bool) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().sort(dim, descending)?;
        Ok((self.gather(dim, &index)?, index))
    }

    /// The `k` largest elements along `dim`, or smallest, in order, and their indices.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) if there are fewer than `k`, [`Error::Dim`](crate::Error::Dim) for a
    /// dimension that is not there.
    pub fn topk(&self, k: usize, dim: isize, largest: bool) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().topk(k, dim, largest)?;
        Ok((self.gather(dim, &index)?, index))
    }

    /// The `k`-th smallest element along `dim`, counted from 1, and its index.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) if `k` is 0 or there are fewer elements,
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn kthvalue(&self, k: usize, dim: isize) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().kthvalue(k, dim)?;
        self.picked(dim, index)
    }

    /// The median along `dim`, of an even number the lower one, and its index; NaN where there is one.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) for a dimension of size 0, [`Error::Dim`](crate::Error::Dim).
    pub fn median_dim(&self, dim: isize) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().median_dim(dim)?;
        self.picked(dim, index)
    }

    /// The median of all elements, of an even number the lower one; equal ones share the gradient.
    ///
    /// # Errors
    /// None: the result is that of a method that may fail for other dimensions.
    pub fn median(&self) -> Result<Var<T>> {
        self.extreme("median", self.value().median(), (..).into())
    }
}
