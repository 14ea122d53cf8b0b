//! Norms and counts.

use crate::element::{Element, Float};
use crate::error::{Error, Result};
use crate::kernel::isa::Isa;
use crate::kernel::reduce::{Reducer, fold_slice};
use crate::reduce::{Max, Min, Plan, plan, reduce};
use crate::rows::reduce_rows;
use crate::shape::Axes;
use crate::tensor::Tensor;

/// The sum of a function of the sizes, in `f64`.
#[derive(Clone, Copy)]
struct Powers<F>(F);
impl<T: Float, F: Fn(f64) -> f64 + Copy + Send + Sync> Reducer<T> for Powers<F> {
    type Acc = f64;
    fn identity(self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: f64, x: T) -> f64 {
        acc + (self.0)(x.f64().abs())
    }
    #[inline(always)]
    fn merge(self, a: f64, b: f64) -> f64 {
        a + b
    }
}

/// The sum of any other power of the sizes, in `f64`.
#[derive(Clone, Copy)]
struct AnyPower(f64);
impl<T: Float> Reducer<T> for AnyPower {
    type Acc = f64;
    fn identity(self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: f64, x: T) -> f64 {
        acc + x.power_of_size::<I>(self.0)
    }
    #[inline(always)]
    fn merge(self, a: f64, b: f64) -> f64 {
        a + b
    }
}

/// The largest or smallest of the sizes.
#[derive(Clone, Copy)]
struct Sizes<R>(R);
impl<T: Float, R: Reducer<T, Acc = T>> Reducer<T> for Sizes<R> {
    type Acc = T;
    fn identity(self) -> T {
        self.0.identity()
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: T, x: T) -> T {
        self.0.add::<I>(acc, x.abs_())
    }
    #[inline(always)]
    fn merge(self, a: T, b: T) -> T {
        self.0.merge(a, b)
    }
}

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
        // Each power has a loop of its own, in which it is known.
        match p {
            0.0 => self.norm_by(plan, Powers(|x| (x != 0.0) as u8 as f64), T::of),
            1.0 => self.norm_by(plan, Powers(|x| x), T::of),
            2.0 => self.norm_by(plan, Powers(|x| x * x), |s| T::of(s.sqrt())),
            3.0 => self.norm_by(plan, Powers(|x| x * x * x), move |s| T::of(s.powf(1.0 / p))),
            f64::INFINITY => self.norm_by(plan, Sizes(Max), |s: T| s.abs_()),
            f64::NEG_INFINITY => self.norm_by(plan, Sizes(Min), |s| s),
            _ => self.norm_by(plan, AnyPower(p), move |s| T::of(s.powf(1.0 / p))),
        }
    }

    /// The fold of each row in the order of its elements, so that the memory order of a tensor changes no bit.
    fn norm_by<R: Reducer<T>>(
        &self,
        plan: Plan,
        r: R,
        finish: impl Fn(R::Acc) -> T + Sync,
    ) -> Result<Tensor<T>> {
        let leads = plan.mask.iter().take_while(|gone| !**gone).count();
        if self.is_contiguous() && !plan.mask[leads..].contains(&false) {
            // Rows as they lie, of which short ones are folded side by side, each in its order.
            return reduce("norm", r, self, &plan, finish);
        }
        reduce_rows("norm", self, &plan.mask, plan.shape, |_, row| {
            finish(fold_slice(r, row))
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
        let count = self.isnan().logical_not().sum(&axes)?.cast::<T>();
        self.nansum(axes)?.div(count)
    }

    /// The sum over `axes` of the elements other than NaN.
    ///
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn nansum(&self, axes: impl Into<Axes>) -> Result<Tensor<T>> {
        crate::reduce::nansum(self, &axes.into())
    }
}

impl<T: Element> Tensor<T> {
    /// The number of elements over `axes` other than zero.
    ///
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn count_nonzero(&self, axes: impl Into<Axes>) -> Result<Tensor<i64>> {
        crate::reduce::count("count_nonzero", self, &axes.into())
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
