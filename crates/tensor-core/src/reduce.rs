//! Reductions over none, one or several dimensions.

use crate::element::{Element, Float, Number};
use crate::error::{Dims, Error, Result};
use crate::kernel::isa::Isa;
use crate::kernel::pool::Buffer;
use crate::kernel::reduce::{Reducer, extreme, fold, fold_dims, fold_slice};
use crate::kernel::reduce_columns::fold_few_rows;
use crate::layout::{Layout, checked_numel};
use crate::shape::Axes;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// Sum in the wide accumulator.
#[derive(Clone, Copy)]
struct Sum;
impl<T: Number> Reducer<T> for Sum {
    type Acc = T::Acc;
    fn identity(self) -> T::Acc {
        T::Acc::ZERO
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: T::Acc, x: T) -> T::Acc {
        acc.plus(x.widen())
    }
    #[inline(always)]
    fn merge(self, a: T::Acc, b: T::Acc) -> T::Acc {
        a.plus(b)
    }
}

/// Product in the wide accumulator.
#[derive(Clone, Copy)]
struct Prod;
impl<T: Number> Reducer<T> for Prod {
    type Acc = T::Acc;
    fn identity(self) -> T::Acc {
        T::Acc::ONE
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: T::Acc, x: T) -> T::Acc {
        acc.times(x.widen())
    }
    #[inline(always)]
    fn merge(self, a: T::Acc, b: T::Acc) -> T::Acc {
        a.times(b)
    }
}

/// The largest element. A NaN, once met, stays: every comparison with it is false, and the second test keeps it.
#[derive(Clone, Copy)]
pub(crate) struct Max;
impl<T: Number> Reducer<T> for Max {
    type Acc = T;
    fn identity(self) -> T {
        T::LOWEST
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: T, x: T) -> T {
        self.merge(acc, x)
    }
    #[inline(always)]
    fn merge(self, a: T, b: T) -> T {
        if (a > b) | a.is_nan_() { a } else { b }
    }
    #[inline(always)]
    fn run<I: Isa>(self, x: &[T]) -> T {
        extreme(self, x, |a, b| if a > b { a } else { b })
    }
}

/// The smallest element; NaN as in [`Max`].
#[derive(Clone, Copy)]
pub(crate) struct Min;
impl<T: Number> Reducer<T> for Min {
    type Acc = T;
    fn identity(self) -> T {
        T::HIGHEST
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: T, x: T) -> T {
        self.merge(acc, x)
    }
    #[inline(always)]
    fn merge(self, a: T, b: T) -> T {
        if (a < b) | a.is_nan_() { a } else { b }
    }
    #[inline(always)]
    fn run<I: Isa>(self, x: &[T]) -> T {
        extreme(self, x, |a, b| if a < b { a } else { b })
    }
}

/// Whether all (`true`) or any (`false`) elements are other than zero.
#[derive(Clone, Copy)]
struct Truth(bool);
impl<T: Element> Reducer<T> for Truth {
    type Acc = bool;
    fn identity(self) -> bool {
        self.0
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: bool, x: T) -> bool {
        Reducer::<T>::merge(self, acc, x != T::ZERO)
    }
    #[inline(always)]
    fn merge(self, a: bool, b: bool) -> bool {
        if self.0 { a & b } else { a | b }
    }
}

/// The number of elements other than zero.
#[derive(Clone, Copy)]
struct Count;
impl<T: Element> Reducer<T> for Count {
    type Acc = i64;
    fn identity(self) -> i64 {
        0
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: i64, x: T) -> i64 {
        acc + i64::from(x != T::ZERO)
    }
    #[inline(always)]
    fn merge(self, a: i64, b: i64) -> i64 {
        a + b
    }
}

/// The sum of the elements other than NaN.
#[derive(Clone, Copy)]
struct SumOfNumbers;
impl<T: Number> Reducer<T> for SumOfNumbers {
    type Acc = T::Acc;
    fn identity(self) -> T::Acc {
        T::Acc::ZERO
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: T::Acc, x: T) -> T::Acc {
        acc.plus(if x.is_nan_() { T::ZERO } else { x }.widen())
    }
    #[inline(always)]
    fn merge(self, a: T::Acc, b: T::Acc) -> T::Acc {
        a.plus(b)
    }
}

/// The dimensions of a reduction, resolved.
pub(crate) struct Plan {
    /// The result's shape.
    pub(crate) shape: Dims,
    /// The number of elements that go into each result.
    pub(crate) count: usize,
    pub(crate) mask: SmallVec<[bool; 4]>,
}

pub(crate) fn plan(op: &'static str, axes: &Axes, shape: &[usize]) -> Result<Plan> {
    let mask = axes.mask(op, shape)?;
    // Only a broadcast view can be so large, and no machine would come to its end.
    checked_numel(shape).ok_or_else(|| Error::size(op, shape))?;
    let count = shape
        .iter()
        .zip(&mask)
        .filter(|(_, gone)| **gone)
        .map(|(&n, _)| n)
        .product();
    Ok(Plan {
        shape: axes.reduced_shape(&mask, shape),
        count,
        mask,
    })
}

/// The elements of `x`, if its first dimensions are folded and it is small: a bias' gradient, for one, whose plan would
/// cost more than its sum.
fn few_rows<'a, T: Element>(x: &'a Tensor<T>, plan: &Plan, n: usize) -> Option<&'a [T]> {
    let gone = plan.mask.iter().take_while(|gone| **gone).count();
    let leads = !plan.mask[gone..].contains(&true);
    let small = (2..=FEW).contains(&n) && (1..=FEW).contains(&plan.count);
    if leads && small { x.as_slice() } else { None }
}

/// Rows, and elements in each, that are few.
const FEW: usize = 256;

/// Folds the planned dimensions of `x`, in the order in which they lie in memory.
pub(crate) fn reduce<T, R, O>(
    op: &'static str,
    r: R,
    x: &Tensor<T>,
    plan: &Plan,
    finish: impl Fn(R::Acc) -> O + Sync,
) -> Result<Tensor<O>>
where
    T: Element,
    R: Reducer<T>,
    O: Element,
{
    let n: usize = plan.shape.iter().product();
    let mut buffer = Buffer::stale(op, &plan.shape)?;
    let out = &mut buffer.as_mut_slice()[..n];
    if let Some(rows) = few_rows(x, plan, n) {
        fold_few_rows(r, rows, out, finish);
        return Ok(Tensor::from_buffer(buffer, plan.shape.clone()));
    }
    if let (false, Some(all)) = (plan.mask.contains(&false), x.as_slice()) {
        out[0] = finish(fold_slice(r, all));
        return Ok(Tensor::from_buffer(buffer, plan.shape.clone()));
    }
    let layout = x.layout();
    // An order of steps is ours to choose, so a reversed dimension is walked forwards.
    let mut forward = layout.clone();
    for d in 0..forward.shape.len() {
        if plan.mask[d] && forward.strides[d] < 0 && layout.numel() > 0 {
            forward = forward.slice(d, forward.shape[d] - 1, forward.shape[d], -1);
        }
    }
    let order = forward.memory_order();
    let (gone, left): (SmallVec<[usize; 4]>, SmallVec<[usize; 4]>) =
        order.into_iter().partition(|&d| plan.mask[d]);
    let reduced = forward.permute(&gone);
    if left.is_empty() {
        out[0] = finish(fold(
            r,
            &crate::kernel::source::Source::new(x.buffer(), &reduced),
            reduced.numel(),
        ));
        return Ok(Tensor::from_buffer(buffer, plan.shape.clone()));
    }
    if n > 0 {
        fold_dims(
            r,
            x.buffer(),
            (&forward.permute(&left), &reduced),
            out,
            finish,
        );
    }
    // The results lie in the order of `left`; the layout says where each dimension of the result is found.
    let written = Layout::contiguous(left.iter().map(|&d| forward.shape[d]).collect());
    let mut result = Layout::contiguous(plan.shape.clone());
    let keeps = plan.shape.len() == x.ndim();
    for (&d, &stride) in left.iter().zip(&written.strides) {
        let place = if keeps {
            d
        } else {
            (0..d).filter(|&e| !plan.mask[e]).count()
        };
        result.strides[place] = stride;
    }
    Ok(Tensor::with_layout(buffer, result))
}

/// [`Tensor::sum`] of numbers.
pub(crate) fn sum<T: Number>(x: &Tensor<T>, axes: &Axes) -> Result<Tensor<T>> {
    reduce("sum", Sum, x, &plan("sum", axes, x.shape())?, T::narrow)
}

/// [`Tensor::nansum`].
pub(crate) fn nansum<T: Number>(x: &Tensor<T>, axes: &Axes) -> Result<Tensor<T>> {
    let plan = plan("nansum", axes, x.shape())?;
    reduce("nansum", SumOfNumbers, x, &plan, T::narrow)
}

/// How many elements are other than zero, for an operation named `op`.
pub(crate) fn count<T: Element>(
    op: &'static str,
    x: &Tensor<T>,
    axes: &Axes,
) -> Result<Tensor<i64>> {
    reduce(op, Count, x, &plan(op, axes, x.shape())?, |n| n)
}

impl<T: Element> Tensor<T> {
    /// The sum over `axes`: `..` for all dimensions, `1`, `[0, -1]`, [`keepdim(1)`](crate::keepdim). Of truth values it
    /// is the number of those that are true.
    ///
    /// Floats are carried in `f64` and rounded once, in fixed chunks: the same bits on any number of threads.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum(..)?.item()?, 10.0);
    /// assert_eq!(x.sum(0)?.to_vec(), [4.0, 6.0]);
    /// assert_eq!(x.gt(1.5)?.sum(..)?.item()?, 3);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn sum(&self, axes: impl Into<Axes>) -> Result<Tensor<T::Total>> {
        T::sum_of(self, &axes.into())
    }
}

impl<T: Number> Tensor<T> {
    /// The product over `axes`; 1 over nothing.
    ///
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn prod(&self, axes: impl Into<Axes>) -> Result<Tensor<T>> {
        reduce(
            "prod",
            Prod,
            self,
            &plan("prod", &axes.into(), self.shape())?,
            T::narrow,
        )
    }

    /// The largest element over `axes` (PyTorch's `amax`); NaN where there is one.
    ///
    /// # Errors
    /// [`Error::Empty`] over no element; [`Error::Dim`], [`Error::RepeatedDim`].
    pub fn max(&self, axes: impl Into<Axes>) -> Result<Tensor<T>> {
        reduce(
            "max",
            Max,
            self,
            &self.plan_nonempty("max", &axes.into())?,
            |m| m,
        )
    }

    /// The smallest element over `axes` (PyTorch's `amin`); NaN where there is one.
    ///
    /// # Errors
    /// [`Error::Empty`] over no element; [`Error::Dim`], [`Error::RepeatedDim`].
    pub fn min(&self, axes: impl Into<Axes>) -> Result<Tensor<T>> {
        reduce(
            "min",
            Min,
            self,
            &self.plan_nonempty("min", &axes.into())?,
            |m| m,
        )
    }

    fn plan_nonempty(&self, op: &'static str, axes: &Axes) -> Result<Plan> {
        let plan = plan(op, axes, self.shape())?;
        if plan.count == 0 {
            return Err(Error::Empty {
                op,
                shape: self.shape().into(),
            });
        }
        Ok(plan)
    }
}

impl<T: Element> Tensor<T> {
    /// Whether all elements over `axes` are other than zero; true over nothing.
    ///
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn all(&self, axes: impl Into<Axes>) -> Result<Tensor<bool>> {
        reduce(
            "all",
            Truth(true),
            self,
            &plan("all", &axes.into(), self.shape())?,
            |t| t,
        )
    }

    /// Whether any element over `axes` is other than zero; false over nothing.
    ///
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn any(&self, axes: impl Into<Axes>) -> Result<Tensor<bool>> {
        reduce(
            "any",
            Truth(false),
            self,
            &plan("any", &axes.into(), self.shape())?,
            |t| t,
        )
    }
}

impl<T: Float> Tensor<T> {
    /// The mean over `axes`; NaN over nothing. Ten million `f32` values of 0.1 have the mean 0.1.
    ///
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn mean(&self, axes: impl Into<Axes>) -> Result<Tensor<T>> {
        let plan = plan("mean", &axes.into(), self.shape())?;
        let n = plan.count as f64;
        reduce("mean", Sum, self, &plan, move |sum| T::narrow(sum / n))
    }

    /// `ln Σ e^x` over `axes`, without overflow; `-inf` over nothing.
    ///
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot be reduced.
    pub fn logsumexp(&self, axes: impl Into<Axes>) -> Result<Tensor<T>> {
        let plan = plan("logsumexp", &axes.into(), self.shape())?;
        crate::softmax::logsumexp_rows("logsumexp", self, &plan.mask, plan.shape)
    }
}
