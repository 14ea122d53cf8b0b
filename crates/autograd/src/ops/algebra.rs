//! Products over chosen dimensions: the same definitions as for tensors, in differentiable operations.

use crate::var::Var;
use tensor_core::algebra::{self, Algebra};
use tensor_core::{Float, IntoShape, Result, einsum};

impl<T: Float> Algebra for Var<T> {
    #[track_caller]
    fn sizes(&self) -> &[usize] {
        self.shape()
    }
    #[track_caller]
    fn reordered(&self, order: &[usize]) -> Result<Self> {
        self.permute(order)
    }
    #[track_caller]
    fn reshaped(&self, shape: &[usize]) -> Result<Self> {
        self.reshape(shape)
    }
    #[track_caller]
    fn summed(&self, dims: &[usize]) -> Result<Self> {
        self.sum(dims)
    }
    #[track_caller]
    fn diagonal_of(&self, dim1: usize, dim2: usize) -> Result<Self> {
        self.diagonal(0, dim1 as isize, dim2 as isize)
    }
    #[track_caller]
    fn matrix_product(&self, other: &Self) -> Result<Self> {
        self.matmul(other)
    }
    #[track_caller]
    fn product(&self, other: &Self) -> Result<Self> {
        self.mul(other)
    }
}

impl<T: Float> Var<T> {
    /// The sum of products over `dims` of this value and `other_dims` of the other; see
    /// [`Tensor::tensordot`](crate::Tensor::tensordot).
    ///
    /// # Errors
    /// As [`Tensor::tensordot`](crate::Tensor::tensordot).
    #[track_caller]
    pub fn tensordot(
        &self,
        other: &Var<T>,
        dims: impl IntoShape,
        other_dims: impl IntoShape,
    ) -> Result<Var<T>> {
        let dims = (&dims.sizes()[..], &other_dims.sizes()[..]);
        algebra::tensordot("tensordot", self, other, dims)
    }

    /// The sum of products over the last dimension of both; a scalar multiplies.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if these sizes differ.
    #[track_caller]
    pub fn inner(&self, other: &Var<T>) -> Result<Var<T>> {
        algebra::inner(self, other).map_err(|e| e.named("inner"))
    }

    /// The Kronecker product: blocks of `other`, each multiplied by one element of this value.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) if the result is too large.
    #[track_caller]
    pub fn kron(&self, other: &Var<T>) -> Result<Var<T>> {
        algebra::kron(self, other).map_err(|e| e.named("kron"))
    }

    /// The sum of products that `equation` says; see [`einsum`].
    ///
    /// ```
    /// use autograd::{Tape, Tensor, Var};
    /// let tape = Tape::new();
    /// let x = tape.leaf(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let trace = Var::einsum("ii", &[&x])?;
    /// assert_eq!(trace.backward()?.get(&x)?.to_vec(), [1.0, 0.0, 0.0, 1.0]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for an equation that cannot be read,
    /// [`Error::Shape`](crate::Error::Shape) for operands that it does not fit.
    #[track_caller]
    pub fn einsum(equation: &str, operands: &[&Var<T>]) -> Result<Var<T>> {
        einsum::einsum(equation, operands.iter().map(|&x| x.clone()).collect())
    }
}
