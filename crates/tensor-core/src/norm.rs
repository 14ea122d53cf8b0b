//! Norms and counts.

use crate::element::{Element, Float};
use crate::error::{Error, Result};
use crate::reduce::plan;
use crate::rows::reduce_rows;
use crate::shape::Axes;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// The vector norm `(Σ |x|^p)^(1/p)` over `axes`: the largest `|x|` for `p = inf`, the smallest for `-inf`, the
    /// number of elements other than zero for 0. Carried in `f64` and rounded once.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// assert_eq!(Tensor::from([3.0f32, -4.0]).norm(2.0, ..)?.item()?, 5.0);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Empty`] over no element if `p` is infinite or negative; [`Error::Dim`], [`Error::RepeatedDim`].
    pub fn norm(&self, p: f64, axes: impl Into<Axes>) -> Result<Tensor<T>> {
        let plan = plan("norm", &axes.into(), self.shape())?;
        if plan.count == 0 && (p.is_infinite() || p < 0.0) {
            return Err(Error::Empty {
                op: "norm",
                shape: self.shape().into(),
            });
        }
        reduce_rows("norm", self, &plan.mask, plan.shape, move |_, row| {
            let sizes = row.iter().map(|x| x.f64().abs());
            // A NaN, once met, stays, and one that comes wins: every comparison with it is false.
            let largest = |a: f64, b: f64| if a > b || a.is_nan() { a } else { b };
            let least = |a: f64, b: f64| if a < b || a.is_nan() { a } else { b };
            T::of(match p {
                0.0 => sizes.filter(|x| *x != 0.0).count() as f64,
                1.0 => sizes.sum(),
                2.0 => sizes.map(|x| x * x).sum::<f64>().sqrt(),
                f64::INFINITY => sizes.fold(0.0, largest),
                f64::NEG_INFINITY => sizes.fold(f64::INFINITY, least),
                _ => sizes.map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p),
            })
        })
    }

    /// The distances `‖aᵢ - bⱼ‖` of the vectors along the last dimension, each of this tensor to each of the other, in
    /// the norm `p`; dimensions before the last two are batches.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let (a, b) = (Tensor::from([[0.0, 0.0], [3.0, 4.0]]), Tensor::from([[3.0, 0.0]]));
    /// assert_eq!(a.cdist(&b, 2.0)?, Tensor::from([[3.0], [4.0]]));
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] for a vector, [`Error::Broadcast`] if sizes do not agree.
    pub fn cdist(&self, other: &Tensor<T>, p: f64) -> Result<Tensor<T>> {
        check_points(self.shape(), other.shape())?;
        (self.unsqueeze(-2)?.sub(other.unsqueeze(-3)?)?).norm(p, -1)
    }

    /// The mean over `axes` of the elements other than NaN; NaN if there is none.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// assert_eq!(Tensor::from([1.0, f64::NAN, 2.0]).nanmean(..)?.item()?, 1.5);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn nanmean(&self, axes: impl Into<Axes>) -> Result<Tensor<T>> {
        let axes = axes.into();
        plan("nanmean", &axes, self.shape())?;
        let count = self.isnan().logical_not().cast::<T>().sum(&axes)?;
        self.nansum(axes)?.div(count)
    }

    /// The sum over `axes` of the elements other than NaN.
    ///
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn nansum(&self, axes: impl Into<Axes>) -> Result<Tensor<T>> {
        let axes = axes.into();
        plan("nansum", &axes, self.shape())?;
        self.isnan().where_(T::ZERO, self)?.sum(axes)
    }
}

impl<T: Element> Tensor<T> {
    /// The number of elements over `axes` other than zero.
    ///
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn count_nonzero(&self, axes: impl Into<Axes>) -> Result<Tensor<i64>> {
        let axes = axes.into();
        plan("count_nonzero", &axes, self.shape())?;
        self.logical_not().logical_not().cast::<i64>().sum(axes)
    }
}

/// Whether two shapes are those of lists of vectors of one length.
///
/// # Errors
/// [`Error::Shape`] if they are not.
pub fn check_points(a: &[usize], b: &[usize]) -> Result<()> {
    let op = "cdist";
    for (what, got) in [("the left operand", a), ("the right operand", b)] {
        if got.len() < 2 {
            return Err(Error::Shape {
                op,
                what,
                got: got.into(),
                expected: "a list of vectors has two dimensions".into(),
            });
        }
    }
    if a.last() == b.last() {
        return Ok(());
    }
    Err(Error::Shape {
        op,
        what: "the right operand",
        got: b.into(),
        expected: format!("the left operand has shape {a:?}: their last sizes must be equal"),
    })
}
