//! Between two bounds, and between two ends.

use crate::element::{Element, Float, Number};
use crate::error::{Error, Result};
use crate::kernel::isa::Isa;
use crate::kernel::map::{Binary, Ternary};
use crate::map::{Operand, Opnd, binary, ternary};
use crate::tensor::Tensor;

#[derive(Clone, Copy)]
struct Lerp;
impl<T: Float> Ternary<T, T, T, T> for Lerp {
    const COST: usize = 4;
    #[inline(always)]
    fn at<I: Isa>(self, a: T, b: T, w: T) -> T {
        // Counted from the nearer end, so that both ends are met exactly.
        if w.abs_() < T::of(0.5) {
            a + w * (b - a)
        } else {
            b - (b - a) * (T::ONE - w)
        }
    }
}

/// The same with one weight for all.
#[derive(Clone, Copy)]
struct LerpBy<T>(T);
impl<T: Float> Binary<T, T, T> for LerpBy<T> {
    const COST: usize = 4;
    #[inline(always)]
    fn at<I: Isa>(self, a: T, b: T) -> T {
        Lerp.at::<I>(a, b, self.0)
    }
}

#[derive(Clone, Copy)]
struct AddCMul<T>(T);
impl<T: Number> Ternary<T, T, T, T> for AddCMul<T> {
    const COST: usize = 3;
    #[inline(always)]
    fn at<I: Isa>(self, x: T, a: T, b: T) -> T {
        x.plus(self.0.times(a).times(b))
    }
}

#[derive(Clone, Copy)]
struct AddCDiv<T>(T);
impl<T: Float> Ternary<T, T, T, T> for AddCDiv<T> {
    const COST: usize = 4;
    #[inline(always)]
    fn at<I: Isa>(self, x: T, a: T, b: T) -> T {
        x + self.0 * (a / b)
    }
}

/// An operand as a tensor: a number becomes one without dimensions.
pub(crate) fn tensor<T: Element>(op: &'static str, x: &impl Operand<T>) -> Result<Tensor<T>> {
    Ok(match x.operand(op)? {
        Opnd::Tensor(x) => x.clone(),
        Opnd::Scalar(x) => Tensor::scalar(x),
    })
}

impl<T: Float> Tensor<T> {
    /// `a + (b - a) · weight` of this `a` and the `end` `b`, exact at both ends.
    ///
    /// # Errors
    /// [`Error::Broadcast`] if the shapes do not broadcast.
    pub fn lerp(&self, end: impl Operand<T>, weight: impl Operand<T>) -> Result<Tensor<T>> {
        match weight.operand("lerp")? {
            Opnd::Scalar(weight) => binary("lerp", LerpBy(weight), self, &end),
            Opnd::Tensor(weight) => ternary("lerp", Lerp, (self, &tensor("lerp", &end)?, weight)),
        }
    }

    /// `x + value · a / b`
    ///
    /// # Errors
    /// [`Error::Broadcast`] if the shapes do not broadcast.
    pub fn addcdiv(&self, a: &Tensor<T>, b: &Tensor<T>, value: T) -> Result<Tensor<T>> {
        ternary("addcdiv", AddCDiv(value), (self, a, b))
    }
}

impl<T: Number> Tensor<T> {
    /// `x + value · a · b`
    ///
    /// # Errors
    /// [`Error::Broadcast`] if the shapes do not broadcast.
    pub fn addcmul(&self, a: &Tensor<T>, b: &Tensor<T>, value: T) -> Result<Tensor<T>> {
        ternary("addcmul", AddCMul(value), (self, a, b))
    }

    /// As [`Tensor::clamp`] with a bound for each element: PyTorch's `clamp` of tensors. Where `min > max`, `max` wins; a
    /// NaN among the three stays.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([1, 5, 9]);
    /// let (low, high) = (Tensor::from([2, 2, 2]), Tensor::from([8, 3, 8]));
    /// assert_eq!(x.clamp_with(&low, &high)?.to_vec(), [2, 3, 8]);
    /// assert_eq!(x.clamp_with(None, &high)?.to_vec(), [1, 3, 8]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Broadcast`] if the shapes do not broadcast.
    pub fn clamp_with<'a>(
        &self,
        min: impl Into<Option<&'a Tensor<T>>>,
        max: impl Into<Option<&'a Tensor<T>>>,
    ) -> Result<Tensor<T>> {
        let own = |e: Error| e.named("clamp_with");
        let above = match min.into() {
            Some(min) => self.maximum(min).map_err(own)?,
            None => self.clone(),
        };
        match max.into() {
            Some(max) => above.minimum(max).map_err(own),
            None => Ok(above),
        }
    }
}
