//! Views: the gradient of a view is the adjoint view.

use crate::op::{Grads, Needs, Op};
use crate::var::Var;
use smallvec::SmallVec;
use std::ops::RangeBounds;
use std::rc::Rc;
use tensor_core::{Dims, Float, IntoShape, Result, Tensor};

/// Another shape over the same elements.
struct Reshape {
    from: Dims,
}
impl<T: Float> Op<T> for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy.reshape(&self.from)?))
    }
}

/// Another order of dimensions.
struct Permute {
    back: SmallVec<[i64; 4]>,
}
impl<T: Float> Op<T> for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy.permute(&self.back[..])?))
    }
}

/// A broadcast: the tape sums its gradient back.
struct Expand;
impl<T: Float> Op<T> for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy.clone()))
    }
}

type ViewFn<T> = Rc<dyn Fn(&Tensor<T>) -> Result<Tensor<T>>>;

/// Any view that shows a part of the elements.
struct Part<T: Float> {
    name: &'static str,
    from: Dims,
    view: ViewFn<T>,
}
impl<T: Float> Op<T> for Part<T> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let dx = dy.value().unview(&self.from, |x| (self.view)(x))?;
        let (name, view) = (self.name, self.view.clone());
        Ok(Grads::one(dy.record1(dx, |_| Unview { name, view })))
    }
}

/// The adjoint of a view, whose adjoint is the view.
struct Unview<T: Float> {
    name: &'static str,
    view: ViewFn<T>,
}
impl<T: Float> Op<T> for Unview<T> {
    fn name(&self) -> &'static str {
        "unview"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy.part(self.name, self.view.clone())?))
    }
}

impl<T: Float> Var<T> {
    #[track_caller]
    pub(super) fn part(&self, name: &'static str, view: ViewFn<T>) -> Result<Var<T>> {
        let y = view(self.value())?;
        Ok(self.record1(y, |_| Part {
            name,
            from: self.shape().into(),
            view,
        }))
    }

    #[track_caller]
    fn reshaped(&self, y: Tensor<T>) -> Var<T> {
        self.record1(y, |_| Reshape {
            from: self.shape().into(),
        })
    }

    /// The same elements in another shape; see [`Tensor::reshape`].
    ///
    /// # Errors
    /// [`Error::Numel`](crate::Error::Numel) if the shape asks for another number of elements.
    #[track_caller]
    pub fn reshape(&self, shape: impl IntoShape) -> Result<Var<T>> {
        Ok(self.reshaped(self.value().reshape(shape)?))
    }

    /// Dimensions `start..=end` merged into one.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn flatten(&self, start: isize, end: isize) -> Result<Var<T>> {
        Ok(self.reshaped(self.value().flatten(start, end)?))
    }

    /// Drops dimension `dims`, or each of several, if its size is 1.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn squeeze(&self, dims: impl IntoShape) -> Result<Var<T>> {
        Ok(self.reshaped(self.value().squeeze(dims)?))
    }

    /// Drops all dimensions of size 1.
    #[track_caller]
    pub fn squeeze_all(&self) -> Var<T> {
        self.reshaped(self.value().squeeze_all())
    }

    /// A new dimension of size 1 at place `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a place outside the new shape.
    #[track_caller]
    pub fn unsqueeze(&self, dim: isize) -> Result<Var<T>> {
        Ok(self.reshaped(self.value().unsqueeze(dim)?))
    }

    /// Dimensions in another order; see [`Tensor::permute`].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if `dims` does not name each dimension once.
    #[track_caller]
    pub fn permute(&self, dims: impl IntoShape) -> Result<Var<T>> {
        let order = dims.sizes();
        let y = self.value().permute(&order[..])?;
        let n = order.len() as i64;
        let mut back: SmallVec<[i64; 4]> = SmallVec::from_elem(0, order.len());
        for (i, &d) in order.iter().enumerate() {
            back[d.rem_euclid(n) as usize] = i as i64;
        }
        Ok(self.record1(y, |_| Permute { back }))
    }

    /// Swaps two dimensions.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Result<Var<T>> {
        let y = self.value().transpose(dim0, dim1)?;
        let mut back: SmallVec<[i64; 4]> = (0..self.ndim() as i64).collect();
        if self.ndim() > 0 {
            back.swap(
                self.value().dim_index("transpose", dim0)?,
                self.value().dim_index("transpose", dim1)?,
            );
        }
        Ok(self.record1(y, |_| Permute { back }))
    }

    /// A matrix transposed: the last two dimensions swapped; vectors and scalars stay as they are.
    #[track_caller]
    pub fn t(&self) -> Var<T> {
        let mut back: SmallVec<[i64; 4]> = (0..self.ndim() as i64).collect();
        if let n @ 2.. = self.ndim() {
            back.swap(n - 2, n - 1);
        }
        self.record1(self.value().t(), |_| Permute { back })
    }

    /// Moves dimension `source` to place `destination`, or each of several to its place.
    ///
    /// # Errors
    /// As [`Tensor::movedim`].
    #[track_caller]
    pub fn movedim(&self, source: impl IntoShape, destination: impl IntoShape) -> Result<Var<T>> {
        self.permute(&self.value().moved_order(&source, &destination)?[..])
    }

    /// Swaps two dimensions: another name of [`Var::transpose`].
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn swapdims(&self, dim0: isize, dim1: isize) -> Result<Var<T>> {
        self.transpose(dim0, dim1).map_err(|e| e.named("swapdims"))
    }

    /// Repeated, without a copy, to a larger shape.
    ///
    /// # Errors
    /// [`Error::Broadcast`](crate::Error::Broadcast) if a size is neither 1 nor the one asked for.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl IntoShape) -> Result<Var<T>> {
        Ok(self.record1(self.value().broadcast_to(shape)?, |_| Expand))
    }

    /// As [`Var::broadcast_to`], where `-1` keeps the size at hand.
    ///
    /// # Errors
    /// [`Error::Broadcast`](crate::Error::Broadcast) if a size is neither 1 nor the one asked for.
    #[track_caller]
    pub fn expand(&self, shape: impl IntoShape) -> Result<Var<T>> {
        Ok(self.record1(self.value().expand(shape)?, |_| Expand))
    }

    /// `len` elements of dimension `dim` from `start` on.
    ///
    /// # Errors
    /// [`Error::Index`](crate::Error::Index) if the range reaches outside.
    #[track_caller]
    pub fn narrow(&self, dim: isize, start: isize, len: usize) -> Result<Var<T>> {
        self.part("narrow", Rc::new(move |x| x.narrow(dim, start, len)))
    }

    /// One index of dimension `dim`, which the result lacks.
    ///
    /// # Errors
    /// [`Error::Index`](crate::Error::Index) outside the dimension.
    #[track_caller]
    pub fn select(&self, dim: isize, index: isize) -> Result<Var<T>> {
        self.part("select", Rc::new(move |x| x.select(dim, index)))
    }

    /// A range of dimension `dim`, every `step`-th element of it; see [`Tensor::slice`].
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for a step of 0, [`Error::Dim`](crate::Error::Dim) for a dimension that
    /// is not there.
    #[track_caller]
    pub fn slice(&self, dim: isize, range: impl RangeBounds<isize>, step: isize) -> Result<Var<T>> {
        let range = (range.start_bound().cloned(), range.end_bound().cloned());
        self.part("slice", Rc::new(move |x| x.slice(dim, range, step)))
    }

    /// Some dimensions in reverse order.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn flip(&self, dims: impl IntoShape) -> Result<Var<T>> {
        let dims = dims.sizes();
        self.part("flip", Rc::new(move |x| x.flip(&dims[..])))
    }

    /// The diagonal of dimensions `dim1` and `dim2` as the last dimension; see [`Tensor::diagonal`].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are fewer than two dimensions, [`Error::Dim`](crate::Error::Dim),
    /// [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Var<T>> {
        self.part("diagonal", Rc::new(move |x| x.diagonal(offset, dim1, dim2)))
    }

    /// This gradient summed back to the shape of a value that was broadcast.
    #[track_caller]
    pub(crate) fn sum_to(&self, shape: &[usize]) -> Result<Var<T>> {
        let extra = self.ndim().saturating_sub(shape.len());
        let dims: SmallVec<[i64; 4]> = (0..self.ndim())
            .filter(|&i| i < extra || shape[i - extra] != self.shape()[i])
            .map(|i| i as i64)
            .collect();
        self.sum(tensor_core::keepdim(&dims[..]))?.reshape(shape)
    }
}
