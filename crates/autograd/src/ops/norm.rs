//! Norms.

use super::reduce::Span;
use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use tensor_core::norm::check_points;
use tensor_core::{Axes, Float, Result, keepdim};

struct Norm<T: Float> {
    p: f64,
    span: Span,
    axes: Axes,
    x: Saved<T>,
    y: Saved<T>,
}
impl<T: Float> Op<T> for Norm<T> {
    fn name(&self) -> &'static str {
        "norm"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let x = self.x.on(dy);
        let sign = Var::from(x.value().sign());
        let (y, dy) = (self.span.spread(&self.y.on(dy))?, self.span.spread(dy)?);
        // A norm of 0 has no slope and gets none, as in PyTorch.
        let moves = y.value().ne(T::ZERO)?;
        Ok(Grads::one(match self.p {
            0.0 => Var::from(x.value().zeros_like()),
            1.0 => dy.mul(sign)?,
            2.0 => dy.mul(x.div(&y)?)?.keep_where(&moves)?,
            p if p.is_infinite() => {
                let hit = x.value().abs().zip(y.value(), |x: T, y: T| {
                    x == y || (x.is_nan_() && y.is_nan_())
                })?;
                let hit = hit.cast::<T>();
                let count = hit.sum(keepdim(&self.axes))?;
                dy.mul(sign)?.mul(Var::from(hit.div(&count)?))?
            }
            p => {
                let apart = x.value().ne(T::ZERO)?;
                let slope = x.abs().pow(p - 1.0)?.mul(sign)?.keep_where(&apart)?;
                let scale = dy.mul(y.pow(1.0 - p)?)?.keep_where(&moves)?;
                scale.mul(slope)?
            }
        }))
    }
}

impl<T: Float> Var<T> {
    /// The vector norm `(Σ |x|^p)^(1/p)` over `axes`; see [`Tensor::norm`](crate::Tensor::norm). Its gradient is 0
    /// where the norm is 0, and shared evenly among equal extremes.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) over no element if `p` is infinite or negative;
    /// [`Error::Dim`](crate::Error::Dim), [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn norm(&self, p: f64, axes: impl Into<Axes>) -> Result<Var<T>> {
        let axes = axes.into();
        let (y, span) = (
            self.value().norm(p, &axes)?,
            Span::new("norm", &axes, self.shape())?,
        );
        Ok(self.record1(y, |out| Norm {
            p,
            span,
            axes,
            x: self.save(),
            y: out.save(),
        }))
    }

    /// The distances of the vectors along the last dimension, each to each, in the norm `p`; see
    /// [`Tensor::cdist`](crate::Tensor::cdist). The gradient is 0 where vectors are equal.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for a vector, [`Error::Broadcast`](crate::Error::Broadcast) if sizes do not
    /// agree.
    #[track_caller]
    pub fn cdist(&self, other: &Var<T>, p: f64) -> Result<Var<T>> {
        check_points(self.shape(), other.shape())?;
        (self.unsqueeze(-2)?.sub(other.unsqueeze(-3)?)?).norm(p, -1)
    }

    /// The mean over `axes` of the elements other than NaN, which get no gradient; NaN if there is none.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn nanmean(&self, axes: impl Into<Axes>) -> Result<Var<T>> {
        let axes = axes.into();
        let sum = self.nansum(&axes).map_err(|e| e.named("nanmean"))?;
        let count = self.value().isnan().logical_not().cast::<T>().sum(&axes)?;
        sum.div(Var::from(count))
    }

    /// The sum over `axes` of the elements other than NaN, which get no gradient.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn nansum(&self, axes: impl Into<Axes>) -> Result<Var<T>> {
        let numbers = self.value().isnan().logical_not();
        let sum = self.keep_where(&numbers)?.sum(axes);
        sum.map_err(|e| e.named("nansum"))
    }
}
