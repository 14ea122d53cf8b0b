//! Views: other shapes and orders over the same buffer, each in constant time.

use crate::element::Element;
use crate::error::{Dims, Error, Result};
use crate::indexing::range_in;
use crate::layout::{Layout, view_numel};
use crate::shape::{IntoShape, checked_dims, infer};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::ops::RangeBounds;

impl<T: Element> Tensor<T> {
    /// The same elements in another shape; one size may be `-1` and is then inferred. A view where the strides
    /// allow it, else a copy.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::arange(0, 6, 1)?.reshape([2, -1])?;
    /// assert_eq!(x.shape(), [2, 3]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Numel`] if the shape asks for another number of elements, [`Error::Size`] if a copy would not fit
    /// into memory.
    pub fn reshape(&self, shape: impl IntoShape) -> Result<Self> {
        self.reshape_sizes(&shape.sizes())
    }

    fn reshape_sizes(&self, sizes: &[i64]) -> Result<Self> {
        let shape = infer("reshape", self.shape(), sizes)?;
        Ok(match self.layout().reshape(&shape) {
            Some(layout) => self.view_as_layout(layout),
            None => {
                let rows = self.try_contiguous("reshape")?;
                rows.view_as_layout(Layout::contiguous(shape))
            }
        })
    }

    /// The same elements in another shape, never a copy.
    ///
    /// # Errors
    /// [`Error::Numel`] if the shape asks for another number of elements, [`Error::Shape`] if the strides do not
    /// allow a view: use [`Tensor::reshape`] then.
    pub fn view(&self, shape: impl IntoShape) -> Result<Self> {
        let shape = infer("view", self.shape(), &shape.sizes())?;
        let layout = self.layout().reshape(&shape).ok_or_else(|| Error::Shape {
            op: "view",
            what: "the tensor",
            got: self.shape().into(),
            expected: format!(
                "its strides {:?} allow no view of shape {shape:?}: use `reshape`",
                self.strides()
            ),
        })?;
        Ok(self.view_as_layout(layout))
    }

    /// Swaps two dimensions.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that the tensor does not have.
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Result<Self> {
        let (a, b) = (
            self.dim_index("transpose", dim0)?,
            self.dim_index("transpose", dim1)?,
        );
        let mut layout = self.layout().clone();
        if self.ndim() > 0 {
            layout.shape.swap(a, b);
            layout.strides.swap(a, b);
        }
        Ok(self.view_as_layout(layout))
    }

    /// A matrix transposed: the last two dimensions swapped; vectors and scalars stay as they are.
    pub fn t(&self) -> Self {
        let mut layout = self.layout().clone();
        if let n @ 2.. = self.ndim() {
            layout.shape.swap(n - 2, n - 1);
            layout.strides.swap(n - 2, n - 1);
        }
        self.view_as_layout(layout)
    }

    /// Dimensions in another order: dimension `i` of the result is dimension `dims[i]` of this tensor.
    ///
    /// # Errors
    /// [`Error::Shape`] if `dims` does not name each dimension once.
    pub fn permute(&self, dims: impl IntoShape) -> Result<Self> {
        let dims = dims.sizes();
        if dims.len() != self.ndim() {
            let expected = format!("{:?} names {} dimensions", &dims[..], dims.len());
            return Err(Error::Shape {
                op: "permute",
                what: "the tensor",
                got: self.shape().into(),
                expected,
            });
        }
        let order = self.dim_list("permute", &&dims[..])?;
        Ok(self.view_as_layout(self.layout().permute(&order)))
    }

    /// Moves dimension `source` to place `destination`, or each of several to its place; the others keep their order.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::<f32>::zeros([2, 3, 4])?;
    /// assert_eq!(x.movedim(0, -1)?.shape(), [3, 4, 2]);
    /// assert_eq!(x.movedim([0, 1], [1, 0])?.shape(), [3, 2, 4]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Dim`] for a dimension that the tensor does not have, [`Error::RepeatedDim`] for one named twice,
    /// [`Error::Option`] if the lists differ in length.
    pub fn movedim(&self, source: impl IntoShape, destination: impl IntoShape) -> Result<Self> {
        self.permute(&self.moved_order(&source, &destination)?[..])
    }

    /// The order of dimensions that [`Tensor::movedim`] makes.
    ///
    /// # Errors
    /// As [`Tensor::movedim`].
    pub fn moved_order(
        &self,
        source: &impl IntoShape,
        destination: &impl IntoShape,
    ) -> Result<Vec<i64>> {
        let op = "movedim";
        let (from, to) = (self.dim_list(op, source)?, self.dim_list(op, destination)?);
        if from.len() != to.len() {
            return Err(Error::Option {
                op,
                name: "destination",
                value: format!("{:?} for the dimensions {:?}", &to[..], &from[..]),
                expected: "there must be one place for each dimension",
            });
        }
        let n = self.ndim();
        let mut order: Vec<Option<usize>> = vec![None; n];
        for (&from, &to) in from.iter().zip(&to).filter(|_| n > 0) {
            order[to] = Some(from);
        }
        let mut rest = (0..n).filter(|d| !from.contains(d));
        let order = order.into_iter().map(|d| d.or_else(|| rest.next()));
        Ok(order.flatten().map(|d| d as i64).collect())
    }

    /// Dimensions counted from the front, each named once.
    pub(crate) fn dim_list(
        &self,
        op: &'static str,
        dims: &impl IntoShape,
    ) -> Result<SmallVec<[usize; 4]>> {
        let dims = dims.sizes();
        let mut list: SmallVec<[usize; 4]> = SmallVec::new();
        for &dim in &dims {
            let d = self.dim_index(op, dim as isize)?;
            if list.contains(&d) {
                let dims = dims.iter().map(|&d| d as isize).collect();
                return Err(Error::RepeatedDim { op, dim: d, dims });
            }
            list.push(d);
        }
        Ok(list)
    }

    /// Drops dimension `dims`, or each of several, if its size is 1; others stay, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that the tensor does not have, [`Error::RepeatedDim`] for one named twice.
    pub fn squeeze(&self, dims: impl IntoShape) -> Result<Self> {
        let mut gone = self.dim_list("squeeze", &dims)?;
        gone.sort_unstable();
        let mut layout = self.layout().clone();
        for &d in gone.iter().rev() {
            if self.shape().get(d) == Some(&1) {
                layout.shape.remove(d);
                layout.strides.remove(d);
            }
        }
        Ok(self.view_as_layout(layout))
    }

    /// Drops all dimensions of size 1.
    pub fn squeeze_all(&self) -> Self {
        let mut layout = self.layout().clone();
        layout.strides = (self.strides().iter().zip(self.shape()))
            .filter(|d| *d.1 != 1)
            .map(|d| *d.0)
            .collect();
        layout.shape.retain(|n| *n != 1);
        self.view_as_layout(layout)
    }

    /// A new dimension of size 1 at place `dim`, which may be one past the end; -1 is that place.
    ///
    /// # Errors
    /// [`Error::Dim`] for a place outside the new shape.
    pub fn unsqueeze(&self, dim: isize) -> Result<Self> {
        self.unsqueeze_for("unsqueeze", dim)
    }

    /// As [`Tensor::unsqueeze`], for an operation named `op`.
    pub(crate) fn unsqueeze_for(&self, op: &'static str, dim: isize) -> Result<Self> {
        let n = self.ndim() as isize + 1;
        let d = if dim < 0 { dim + n } else { dim };
        if d < 0 || d >= n {
            let mut shape: Dims = self.shape().into();
            shape.push(1);
            return Err(Error::Dim { op, dim, shape });
        }
        let d = d as usize;
        let mut layout = self.layout().clone();
        let stride = layout
            .shape
            .get(d)
            .map_or(1, |&n| n as isize * layout.strides[d]);
        layout.shape.insert(d, 1);
        layout.strides.insert(d, stride);
        Ok(self.view_as_layout(layout))
    }

    /// This tensor repeated, without a copy, to a larger shape: dimensions of size 1 and missing leading ones grow.
    ///
    /// # Errors
    /// [`Error::Broadcast`] if a size is neither 1 nor the one asked for.
    pub fn broadcast_to(&self, shape: impl IntoShape) -> Result<Self> {
        self.broadcast_sizes("broadcast_to", &shape.sizes())
    }

    /// As [`Tensor::broadcast_to`], where `-1` keeps the size at hand.
    ///
    /// # Errors
    /// [`Error::Broadcast`] if a size is neither 1 nor the one asked for.
    pub fn expand(&self, shape: impl IntoShape) -> Result<Self> {
        let sizes = shape.sizes();
        let extra = sizes.len().saturating_sub(self.ndim());
        let keep = |(i, &n): (usize, &i64)| match (n, i.checked_sub(extra)) {
            (-1, Some(j)) => self.shape().get(j).map_or(-1, |&n| n as i64),
            _ => n,
        };
        let sizes: SmallVec<[i64; 4]> = sizes.iter().enumerate().map(keep).collect();
        self.broadcast_sizes("expand", &sizes)
    }

    /// As [`Tensor::broadcast_to`] for a shape that an operation named `op` has come to.
    pub(crate) fn broadcast_for(&self, op: &'static str, shape: &[usize]) -> Result<Self> {
        Ok(self.view_as_layout(self.layout().broadcast_to(op, shape)?))
    }

    fn broadcast_sizes(&self, op: &'static str, sizes: &[i64]) -> Result<Self> {
        let shape = checked_dims(op, sizes, view_numel)?;
        Ok(self.view_as_layout(self.layout().broadcast_to(op, &shape)?))
    }

    /// `len` elements of dimension `dim` from `start` on; a negative `start` counts from the end.
    ///
    /// # Errors
    /// [`Error::Index`] if the range reaches outside.
    pub fn narrow(&self, dim: isize, start: isize, len: usize) -> Result<Self> {
        let (d, size) = self.real_dim("narrow", dim)?;
        let from = if start < 0 {
            start + size as isize
        } else {
            start
        };
        if from < 0 || from as usize > size {
            return Err(Error::Index {
                op: "narrow",
                index: start as i64,
                dim: d,
                size,
            });
        }
        let from = from as usize;
        if len > size - from {
            let end = from as i128 + len as i128 - 1;
            let index = i64::try_from(end).unwrap_or(i64::MAX);
            return Err(Error::Index {
                op: "narrow",
                index,
                dim: d,
                size,
            });
        }
        Ok(self.view_as_layout(self.layout().slice(d, from, len, 1)))
    }

    /// One index of dimension `dim`, which the result lacks; negative ones count from the end.
    ///
    /// # Errors
    /// [`Error::Index`] outside the dimension.
    pub fn select(&self, dim: isize, index: isize) -> Result<Self> {
        let (d, size) = self.real_dim("select", dim)?;
        let at = if index < 0 {
            index + size as isize
        } else {
            index
        };
        if at < 0 || at as usize >= size {
            return Err(Error::Index {
                op: "select",
                index: index as i64,
                dim: d,
                size,
            });
        }
        let mut layout = self.layout().slice(d, at as usize, 1, 1);
        layout.shape.remove(d);
        layout.strides.remove(d);
        Ok(self.view_as_layout(layout))
    }

    /// A range of dimension `dim`, every `step`-th element of it. Negative bounds count from the end and bounds
    /// outside are cut to the tensor, as in Python; a negative step walks the same elements from the last to the
    /// first.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::arange(0, 6, 1)?;
    /// assert_eq!(x.slice(0, 1..-1, 2)?.to_vec(), [1, 3]);
    /// assert_eq!(x.slice(0, .., -1)?.to_vec(), [5, 4, 3, 2, 1, 0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`] for a step of 0, [`Error::Dim`] for a dimension that is not there.
    pub fn slice(&self, dim: isize, range: impl RangeBounds<isize>, step: isize) -> Result<Self> {
        let (d, size) = self.real_dim("slice", dim)?;
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        let (first, len) = range_in("slice", size, bounds, step)?;
        Ok(self.view_as_layout(self.layout().slice(d, first, len, step)))
    }

    /// Some dimensions in reverse order.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there, [`Error::RepeatedDim`] for one named twice.
    pub fn flip(&self, dims: impl IntoShape) -> Result<Self> {
        let mut out = self.clone();
        for d in self.dim_list("flip", &dims)? {
            if let Some(&n) = self.shape().get(d) {
                let layout = out.layout().slice(d, n.saturating_sub(1), n, -1);
                out = out.view_as_layout(layout);
            }
        }
        Ok(out)
    }

    /// Dimensions `start..=end` merged into one.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there, [`Error::Option`] if `end` lies before `start`.
    pub fn flatten(&self, start: isize, end: isize) -> Result<Self> {
        let (a, b) = (
            self.dim_index("flatten", start)?,
            self.dim_index("flatten", end)?,
        );
        if a > b {
            let expected = "it must not lie before `start`";
            return Err(Error::Option {
                op: "flatten",
                name: "end",
                value: end.to_string(),
                expected,
            });
        }
        if self.ndim() == 0 {
            return self.reshape([1]);
        }
        let mut shape: Dims = self.shape()[..a].into();
        shape.push(self.shape()[a..=b].iter().product());
        shape.extend_from_slice(&self.shape()[b + 1..]);
        self.reshape(&shape)
    }

    /// The diagonal of dimensions `dim1` and `dim2` as the last dimension of the result, `offset` places above the main
    /// one. PyTorch's defaults are 0, 0 and 1.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are fewer than two dimensions, [`Error::Dim`] for one that is not there,
    /// [`Error::RepeatedDim`] if both are the same.
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Self> {
        let op = "diagonal";
        if self.ndim() < 2 {
            let expected = "a diagonal needs two dimensions".into();
            return Err(Error::Shape {
                op,
                what: "the tensor",
                got: self.shape().into(),
                expected,
            });
        }
        let dims = self.dim_list(op, &[dim1, dim2])?;
        let (a, b) = (dims[0], dims[1]);
        let (down, right) = match offset {
            ..0 => (offset.unsigned_abs(), 0),
            _ => (0, offset.unsigned_abs()),
        };
        let (rows, columns) = (self.shape()[a], self.shape()[b]);
        let len = rows.saturating_sub(down).min(columns.saturating_sub(right));
        let mut layout = self.layout().clone();
        let stride = match len {
            // Without a step to take, the sum need not be a number.
            0 | 1 => 1,
            _ => layout.strides[a] + layout.strides[b],
        };
        if len > 0 {
            let start = down as isize * layout.strides[a] + right as isize * layout.strides[b];
            layout.offset = (layout.offset as isize + start) as usize;
        }
        for d in [a.max(b), a.min(b)] {
            layout.shape.remove(d);
            layout.strides.remove(d);
        }
        layout.shape.push(len);
        layout.strides.push(stride);
        Ok(self.view_as_layout(layout))
    }

    /// A dimension that is there, and its size.
    ///
    /// # Errors
    /// [`Error::Dim`] for one that is not there, [`Error::Shape`] for a scalar.
    pub fn real_dim(&self, op: &'static str, dim: isize) -> Result<(usize, usize)> {
        let d = self.dim_index(op, dim)?;
        match self.shape().get(d) {
            Some(&n) => Ok((d, n)),
            None => Err(Error::Shape {
                op,
                what: "the tensor",
                got: self.shape().into(),
                expected: "a scalar has no dimension to take from".into(),
            }),
        }
    }
}
