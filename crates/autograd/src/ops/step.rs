//! Functions without a slope: zero wherever there is one. They give tensors, not values of a tape, so that a gradient
//! which cannot come is seen where it is written and not when it is missed.

use crate::var::{IntoVar, Var};
use tensor_core::{Float, Result, Tensor};

impl<T: Float> Var<T> {
    /// -1, 0 or 1 by the sign of `x`: a tensor, since no gradient passes.
    pub fn sign(&self) -> Tensor<T> {
        self.value().sign()
    }

    /// The largest integer that is not above `x`: a tensor, since no gradient passes.
    pub fn floor(&self) -> Tensor<T> {
        self.value().floor()
    }

    /// The smallest integer that is not below `x`: a tensor, since no gradient passes.
    pub fn ceil(&self) -> Tensor<T> {
        self.value().ceil()
    }

    /// `x` without its fraction: a tensor, since no gradient passes. [`Var::frac`] has one.
    pub fn trunc(&self) -> Tensor<T> {
        self.value().trunc()
    }

    /// The nearest integer, and of two the even one: a tensor, since no gradient passes.
    ///
    /// With the slope of `x` itself (the straight-through estimator of [Bengio et al., 2013](https://arxiv.org/abs/1308.3432)):
    /// ```
    /// use autograd::{Tape, Tensor, Var};
    /// let tape = Tape::new();
    /// let x = tape.leaf(Tensor::from([0.4, 1.7]));
    /// let y = &x + Var::from(x.round() - x.value());
    /// assert_eq!(y.value().to_vec(), [0.0, 2.0]);
    /// assert_eq!(y.sum(..)?.backward()?.get(&x)?.to_vec(), [1.0, 1.0]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Differs from PyTorch
    /// There rounding, and all else in which no slope is but zero, gives a tracked value whose gradient is zero.
    pub fn round(&self) -> Tensor<T> {
        self.value().round()
    }

    /// The nearest number with `decimals` digits behind the point: a tensor, since no gradient passes. See
    /// [`Tensor::round_to`].
    pub fn round_to(&self, decimals: i32) -> Tensor<T> {
        self.value().round_to(decimals)
    }

    /// `a / b` rounded down: a tensor, since no gradient passes.
    ///
    /// # Errors
    /// As [`Var::add`].
    pub fn div_floor(&self, other: impl IntoVar<T>) -> Result<Tensor<T>> {
        self.value().div_floor(other.var("div_floor")?.value())
    }

    /// `a / b` rounded towards 0: a tensor, since no gradient passes.
    ///
    /// # Errors
    /// As [`Var::add`].
    pub fn div_trunc(&self, other: impl IntoVar<T>) -> Result<Tensor<T>> {
        self.value().div_trunc(other.var("div_trunc")?.value())
    }

    /// The index along `dim` of the largest element. See [`Tensor::argmax`]; [`Var::max_dim`] has the element too, with
    /// its gradient.
    ///
    /// # Errors
    /// As [`Tensor::argmax`].
    pub fn argmax(&self, dim: isize) -> Result<Tensor<i64>> {
        self.value().argmax(dim)
    }

    /// The index along `dim` of the smallest element. See [`Tensor::argmin`].
    ///
    /// # Errors
    /// As [`Tensor::argmin`].
    pub fn argmin(&self, dim: isize) -> Result<Tensor<i64>> {
        self.value().argmin(dim)
    }
}
