//! Variances and standard deviations, in two passes: of the mean, and of the squared distances from it.

use crate::element::Float;
use crate::error::Result;
use crate::kernel::isa::Isa;
use crate::kernel::reduce::{Reducer, fold, fold_slice};
use crate::map::Scalar;
use crate::reduce::{plan, reduce};
use crate::rows::reduce_rows;
use crate::shape::Axes;
use crate::tensor::Tensor;

/// Sum of the distances from a centre, or of their squares.
#[derive(Clone, Copy)]
struct Deviation<const SQUARED: bool>(f64);
impl<T: Float, const SQUARED: bool> Reducer<T> for Deviation<SQUARED> {
    type Acc = f64;
    fn identity(self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: f64, x: T) -> f64 {
        let d = x.f64() - self.0;
        acc + if SQUARED { d * d } else { d }
    }
    #[inline(always)]
    fn merge(self, a: f64, b: f64) -> f64 {
        a + b
    }
}

/// A row below it is summed up where it is: to call a kernel twice takes longer.
const SHORT: usize = 32;

impl<T: Float> Tensor<T> {
    /// The variance over `axes`: `Σ (x - mean)² / (n - correction)`. PyTorch's default correction is 1.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([1.0f64, 2.0, 4.0, 5.0]);
    /// assert_eq!(x.var(.., 0)?.item()?, 2.5);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim) for dimensions that cannot be reduced.
    pub fn var(&self, axes: impl Into<Axes>, correction: impl Scalar) -> Result<Tensor<T>> {
        self.spread("var", &axes.into(), correction, |v| v)
    }

    /// The standard deviation over `axes`: the root of [`Tensor::var`].
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim) for dimensions that cannot be reduced.
    pub fn std(&self, axes: impl Into<Axes>, correction: impl Scalar) -> Result<Tensor<T>> {
        self.spread("std", &axes.into(), correction, f64::sqrt)
    }

    fn spread(
        &self,
        op: &'static str,
        axes: &Axes,
        correction: impl Scalar,
        last: fn(f64) -> f64,
    ) -> Result<Tensor<T>> {
        let plan = plan(op, axes, self.shape())?;
        let n = (plan.count as f64 - correction.element::<f64>(op)?).max(0.0);
        // The mean is taken of distances from the first element, so that of equal elements it is that element.
        if plan.count == self.numel() && plan.count > 0 && plan.shape.iter().all(|&n| n == 1) {
            // One result: both passes are split among the threads.
            let first = self.source().reader().read(0, 1)[0].f64();
            let sum = fold(Deviation::<false>(first), &self.source(), self.numel());
            let squares = Deviation::<true>(first + sum / plan.count as f64);
            return reduce(op, squares, self, &plan, move |s| T::of(last(s / n)));
        }
        reduce_rows(op, self, &plan.mask, plan.shape.clone(), move |_, x| {
            let first = x.first().map_or(0.0, |x| x.f64());
            let short = x.len() < SHORT;
            let sum = match short {
                true => x.iter().map(|x| x.f64() - first).sum::<f64>(),
                false => fold_slice(Deviation::<false>(first), x),
            };
            let centre = first + sum / x.len() as f64;
            let square = |x: &T| (x.f64() - centre) * (x.f64() - centre);
            let squares = match short {
                true => x.iter().map(square).sum::<f64>(),
                false => fold_slice(Deviation::<true>(centre), x),
            };
            T::of(last(squares / n))
        })
    }

    /// The variance over `axes`, and the mean.
    ///
    /// # Errors
    /// As [`Tensor::var`].
    pub fn var_mean(
        &self,
        axes: impl Into<Axes>,
        correction: impl Scalar,
    ) -> Result<(Tensor<T>, Tensor<T>)> {
        let axes = axes.into();
        Ok((
            self.spread("var_mean", &axes, correction, |v| v)?,
            self.mean(&axes)?,
        ))
    }

    /// The standard deviation over `axes`, and the mean.
    ///
    /// # Errors
    /// As [`Tensor::std`].
    pub fn std_mean(
        &self,
        axes: impl Into<Axes>,
        correction: impl Scalar,
    ) -> Result<(Tensor<T>, Tensor<T>)> {
        let axes = axes.into();
        Ok((
            self.spread("std_mean", &axes, correction, f64::sqrt)?,
            self.mean(&axes)?,
        ))
    }
}
