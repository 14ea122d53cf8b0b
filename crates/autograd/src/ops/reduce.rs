//! Reductions.

use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use tensor_core::{Axes, Dims, Float, Result, Scalar, Tensor};

/// The shapes around a reduction: the operand's, and the result's with the reduced dimensions kept as size 1.
#[derive(Clone)]
pub(super) struct Span {
    from: Dims,
    kept: Dims,
    /// How many elements go into each result.
    count: usize,
}

impl Span {
    pub(super) fn new(op: &'static str, axes: &Axes, shape: &[usize]) -> Result<Self> {
        let mask = axes.mask(op, shape)?;
        let kept: Dims = shape
            .iter()
            .zip(&mask)
            .map(|(&n, &gone)| if gone { 1 } else { n })
            .collect();
        let count = shape
            .iter()
            .zip(&mask)
            .filter(|(_, gone)| **gone)
            .map(|(&n, _)| n)
            .product();
        Ok(Span {
            from: shape.into(),
            kept,
            count,
        })
    }

    /// A value of the result's shape, spread over the operand's.
    pub(super) fn spread<T: Float>(&self, y: &Var<T>) -> Result<Var<T>> {
        y.reshape(&self.kept)?.broadcast_to(&self.from)
    }
}

struct Sum(Span);
impl<T: Float> Op<T> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(self.0.spread(dy)?))
    }
}

struct Mean(Span);
impl<T: Float> Op<T> for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(self.0.spread(&dy.div(self.0.count as f64)?)?))
    }
}

struct Prod<T: Float> {
    span: Span,
    axes: Axes,
    x: Saved<T>,
    y: Saved<T>,
}
impl<T: Float> Op<T> for Prod<T> {
    fn name(&self) -> &'static str {
        "prod"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let (x, y) = (self.x.on(dy), self.y.on(dy));
        let dy = self.span.spread(dy)?;
        if !x.value().eq(T::ZERO)?.any(..)?.item()? {
            return Ok(Grads::one(dy.mul(self.span.spread(&y)?.div(&x)?)?));
        }
        // With a zero among them the products of the others cannot be had by division: each is made on its own.
        let n = self.span.count;
        let mask = self.axes.mask("prod", &self.span.from)?;
        let gone: Vec<i64> = (0..mask.len())
            .filter(|&d| mask[d])
            .map(|d| d as i64)
            .collect();
        let order: Vec<i64> = (0..mask.len())
            .filter(|&d| !mask[d])
            .map(|d| d as i64)
            .chain(gone)
            .collect();
        let moved = x.permute(&order)?;
        let rows = moved.reshape([x.numel() / n.max(1), n])?;
        let others = rows.unsqueeze(1)?.expand([-1, n as i64, -1])?;
        let own = Tensor::<bool>::eye(n, n)?.broadcast_to(others.shape())?;
        let others = others
            .masked_fill(&own, T::ONE)?
            .prod(-1)?
            .reshape(moved.shape())?;
        let mut back = vec![0i64; order.len()];
        order
            .iter()
            .enumerate()
            .for_each(|(i, &d)| back[d as usize] = i as i64);
        Ok(Grads::one(dy.mul(others.permute(&back)?)?))
    }
}

/// Largest and smallest: the gradient is shared evenly among the elements that attain the result, as in PyTorch's
/// `amax` and `amin`.
struct Extreme<T: Float> {
    name: &'static str,
    span: Span,
    axes: Axes,
    x: Saved<T>,
    y: Saved<T>,
}
impl<T: Float> Op<T> for Extreme<T> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let y = self.y.value().reshape(&self.span.kept)?;
        let hit = self
            .x
            .value()
            .zip(&y, |x: T, y: T| x == y || (x.is_nan_() && y.is_nan_()))?;
        let hit = hit.cast::<T>();
        let count = hit.sum(tensor_core::keepdim(&self.axes))?;
        Ok(Grads::one(
            self.span.spread(dy)?.mul(Var::from(hit.div(&count)?))?,
        ))
    }
}

struct Var_<T: Float> {
    span: Span,
    axes: Axes,
    divisor: f64,
    x: Saved<T>,
}
impl<T: Float> Op<T> for Var_<T> {
    fn name(&self) -> &'static str {
        "var"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let x = self.x.on(dy);
        let centred = x.sub(x.mean(tensor_core::keepdim(&self.axes))?)?;
        Ok(Grads::one(
            self.span
                .spread(dy)?
                .mul(centred.mul(2.0 / self.divisor)?)?,
        ))
    }
}

struct Std<T: Float> {
    span: Span,
    axes: Axes,
    divisor: f64,
    x: Saved<T>,
    y: Saved<T>,
}
impl<T: Float> Op<T> for Std<T> {
    fn name(&self) -> &'static str {
        "std"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let (x, y) = (self.x.on(dy), self.y.on(dy));
        let centred = x.sub(x.mean(tensor_core::keepdim(&self.axes))?)?;
        // Equal elements have no deviation and, as in PyTorch, no slope.
        let scale = dy.div(y.mul(self.divisor)?)?;
        let scale = scale.keep_where(&y.value().ne(T::ZERO)?)?;
        Ok(Grads::one(self.span.spread(&scale)?.mul(centred)?))
    }
}

struct LogSumExp<T: Float> {
    span: Span,
    x: Saved<T>,
    y: Saved<T>,
}
impl<T: Float> Op<T> for LogSumExp<T> {
    fn name(&self) -> &'static str {
        "logsumexp"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let (x, y) = (self.x.on(dy), self.span.spread(&self.y.on(dy))?);
        // Of equal infinities the difference is no number; their share is that of a difference of 0.
        let share = x.sub(&y)?;
        let finite = x
            .value()
            .zip(y.value(), |x: T, y: T| x != y || x.finite())?;
        let share = share.keep_where(&finite)?.exp();
        Ok(Grads::one(self.span.spread(dy)?.mul(share)?))
    }
}

impl<T: Float> Var<T> {
    /// The sum over `axes`; see [`Tensor::sum`].
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn sum(&self, axes: impl Into<Axes>) -> Result<Var<T>> {
        let axes = axes.into();
        let (y, span) = (
            self.value().sum(&axes)?,
            Span::new("sum", &axes, self.shape())?,
        );
        Ok(self.record1(y, |_| Sum(span)))
    }

    /// The mean over `axes`; see [`Tensor::mean`].
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn mean(&self, axes: impl Into<Axes>) -> Result<Var<T>> {
        let axes = axes.into();
        let (y, span) = (
            self.value().mean(&axes)?,
            Span::new("mean", &axes, self.shape())?,
        );
        Ok(self.record1(y, |_| Mean(span)))
    }

    /// The product over `axes`; zeros are no hindrance to its gradient.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn prod(&self, axes: impl Into<Axes>) -> Result<Var<T>> {
        let axes = axes.into();
        let (y, span) = (
            self.value().prod(&axes)?,
            Span::new("prod", &axes, self.shape())?,
        );
        Ok(self.record1(y, |out| Prod {
            span,
            axes,
            x: self.save(),
            y: out.save(),
        }))
    }

    /// The largest element over `axes`; equal ones share the gradient.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) over no element; [`Error::Dim`](crate::Error::Dim),
    /// [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn max(&self, axes: impl Into<Axes>) -> Result<Var<T>> {
        let axes = axes.into();
        self.extreme("max", self.value().max(&axes)?, axes)
    }

    /// The smallest element over `axes`; equal ones share the gradient.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) over no element; [`Error::Dim`](crate::Error::Dim),
    /// [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn min(&self, axes: impl Into<Axes>) -> Result<Var<T>> {
        let axes = axes.into();
        self.extreme("min", self.value().min(&axes)?, axes)
    }

    #[track_caller]
    pub(super) fn extreme(&self, name: &'static str, y: Tensor<T>, axes: Axes) -> Result<Var<T>> {
        let span = Span::new(name, &axes, self.shape())?;
        Ok(self.record1(y, |out| Extreme {
            name,
            span,
            axes,
            x: self.save(),
            y: out.save(),
        }))
    }

    /// Largest element along `dim` and its index: PyTorch's `max(dim)`. The gradient goes to that element.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) for a dimension of size 0, [`Error::Dim`](crate::Error::Dim).
    #[track_caller]
    pub fn max_dim(&self, dim: isize) -> Result<(Var<T>, Tensor<i64>)> {
        let index = self.value().argmax(dim).map_err(|e| e.named("max_dim"))?;
        self.picked(dim, index)
    }

    /// Smallest element along `dim` and its index: PyTorch's `min(dim)`. The gradient goes to that element.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) for a dimension of size 0, [`Error::Dim`](crate::Error::Dim).
    #[track_caller]
    pub fn min_dim(&self, dim: isize) -> Result<(Var<T>, Tensor<i64>)> {
        let index = self.value().argmin(dim).map_err(|e| e.named("min_dim"))?;
        self.picked(dim, index)
    }

    #[track_caller]
    pub(super) fn picked(&self, dim: isize, index: Tensor<i64>) -> Result<(Var<T>, Tensor<i64>)> {
        if self.ndim() == 0 {
            return Ok((self.clone(), index));
        }
        Ok((
            self.gather(dim, &index.unsqueeze(dim)?)?.squeeze(dim)?,
            index,
        ))
    }

    /// The variance over `axes`: `Σ (x - mean)² / (n - correction)`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn var(&self, axes: impl Into<Axes>, correction: impl Scalar) -> Result<Var<T>> {
        let axes = axes.into();
        let (y, span) = (
            self.value().var(&axes, correction)?,
            Span::new("var", &axes, self.shape())?,
        );
        let divisor = (span.count as f64 - correction.element::<f64>("var")?).max(0.0);
        Ok(self.record1(y, |_| Var_ {
            span,
            axes,
            divisor,
            x: self.save(),
        }))
    }

    /// The standard deviation over `axes`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn std(&self, axes: impl Into<Axes>, correction: impl Scalar) -> Result<Var<T>> {
        let axes = axes.into();
        let (y, span) = (
            self.value().std(&axes, correction)?,
            Span::new("std", &axes, self.shape())?,
        );
        let divisor = (span.count as f64 - correction.element::<f64>("var")?).max(0.0);
        Ok(self.record1(y, |out| Std {
            span,
            axes,
            divisor,
            x: self.save(),
            y: out.save(),
        }))
    }

    /// The variance over `axes`, and the mean.
    ///
    /// # Errors
    /// As [`Var::var`].
    #[track_caller]
    pub fn var_mean(
        &self,
        axes: impl Into<Axes>,
        correction: impl Scalar,
    ) -> Result<(Var<T>, Var<T>)> {
        let axes = axes.into();
        Ok((
            self.var(&axes, correction)
                .map_err(|e| e.named("var_mean"))?,
            self.mean(&axes)?,
        ))
    }

    /// The standard deviation over `axes`, and the mean.
    ///
    /// # Errors
    /// As [`Var::std`].
    #[track_caller]
    pub fn std_mean(
        &self,
        axes: impl Into<Axes>,
        correction: impl Scalar,
    ) -> Result<(Var<T>, Var<T>)> {
        let axes = axes.into();
        Ok((
            self.std(&axes, correction)
                .map_err(|e| e.named("std_mean"))?,
            self.mean(&axes)?,
        ))
    }

    /// `ln Σ e^x` over `axes`, without overflow.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn logsumexp(&self, axes: impl Into<Axes>) -> Result<Var<T>> {
        let axes = axes.into();
        let (y, span) = (
            self.value().logsumexp(&axes)?,
            Span::new("logsumexp", &axes, self.shape())?,
        );
        Ok(self.record1(y, |out| LogSumExp {
            span,
            x: self.save(),
            y: out.save(),
        }))
    }
}
