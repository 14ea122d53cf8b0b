//! Placing elements by index, and picking them by mask.

use crate::element::{Element, Number};
use crate::error::{Dims, Error, Result};
use crate::index::{check_index, check_index_shape, each_place};
use crate::indexing::wrapped;
use crate::layout::{broadcast, unravel};
use crate::tensor::Tensor;

impl<T: Element> Tensor<T> {
    /// This tensor with `src[i][j]` written at `[index[i][j]][j]` for `dim = 0`, and so on for other dimensions. Of
    /// several elements for one place the last one stays.
    ///
    /// # Errors
    /// [`Error::Shape`] if the numbers of dimensions differ or `index` is larger than `src`, or than this tensor in a
    /// dimension other than `dim`; [`Error::Index`] for an index outside.
    pub fn scatter(&self, dim: isize, index: &Tensor<i64>, src: &Tensor<T>) -> Result<Tensor<T>> {
        let op = "scatter";
        let d = self.dim_index(op, dim)?;
        check_index_shape(op, self.shape(), d, index.shape())?;
        let within = src.ndim() == index.ndim()
            && index.shape().iter().zip(src.shape()).all(|(i, s)| i <= s);
        if !within {
            let expected = format!(
                "the index has shape {:?}, which must fit into it",
                index.shape()
            );
            return Err(Error::Shape {
                op,
                what: "the source",
                got: src.shape().into(),
                expected,
            });
        }
        check_index(op, index, d, self.shape().get(d).copied().unwrap_or(1))?;
        let mut out = crate::map::copy(op, self)?;
        // Places as if every index were 0, to which the index along `dim` adds its share.
        let mut base = out.layout().clone();
        let stride = base.strides.get(d).copied().unwrap_or(0);
        base.shape = index.shape().into();
        if let Some(s) = base.strides.get_mut(d) {
            *s = 0;
        }
        let mut part = src.layout().clone();
        part.shape = index.shape().into();
        let values = src.view_as_layout(part).to_vec();
        let index = index.to_vec();
        let data = out.as_mut_slice();
        each_place(&base, |i, place| {
            data[(place as isize + index[i] as isize * stride) as usize] = values[i];
        });
        Ok(out)
    }

    /// The elements where `mask` is true, in row-major order, as a vector; both are broadcast to each other.
    ///
    /// # Errors
    /// [`Error::Broadcast`] if the shapes do not broadcast.
    pub fn masked_select(&self, mask: &Tensor<bool>) -> Result<Tensor<T>> {
        let shape = broadcast("masked_select", self.shape(), mask.shape())?;
        let chosen = mask.broadcast_to(&shape)?.try_vec("masked_select")?;
        let all = self.broadcast_to(&shape)?.try_vec("masked_select")?;
        let picked = all
            .iter()
            .zip(&chosen)
            .filter(|(_, c)| **c)
            .map(|(v, _)| *v);
        Ok(picked.collect::<Vec<T>>().into())
    }

    /// The indices of the elements other than zero, in row-major order: one row of a matrix for each.
    ///
    /// # Panics
    /// If this is a broadcast view with more elements than memory holds.
    #[track_caller]
    pub fn nonzero(&self) -> Tensor<i64> {
        crate::error::sure(self.try_nonzero("nonzero"))
    }

    /// As [`Tensor::nonzero`], for an operation named `op`.
    pub(crate) fn try_nonzero(&self, op: &'static str) -> Result<Tensor<i64>> {
        let found = self.try_vec(op)?;
        let found = (found.iter().enumerate()).filter(|(_, v)| **v != T::ZERO);
        let rows: Vec<Dims> = found.map(|(i, _)| unravel(i, self.shape())).collect();
        let flat: Vec<i64> = rows.iter().flatten().map(|&i| i as i64).collect();
        // As many numbers as rows times dimensions, because each row has one for each dimension.
        Tensor::from_vec(flat, [rows.len(), self.ndim()])
    }

    /// `out[i][j] = x[index[i][j]][j]` for `dim = 0`, and so on: as [`Tensor::gather`], with the other dimensions of
    /// both broadcast to each other, and negative indices counting from the end.
    ///
    /// # Errors
    /// [`Error::Shape`] if the numbers of dimensions differ, [`Error::Broadcast`] if the other dimensions do not
    /// broadcast, [`Error::Index`] for an index outside.
    pub fn take_along_dim(&self, index: &Tensor<i64>, dim: isize) -> Result<Tensor<T>> {
        let (x_shape, index) = self.along(index, dim)?;
        self.broadcast_to(&x_shape)?.gather(dim, &index)
    }

    /// The shape and the index that [`Tensor::take_along_dim`] hands to [`Tensor::gather`].
    ///
    /// # Errors
    /// As [`Tensor::take_along_dim`].
    pub fn along(&self, index: &Tensor<i64>, dim: isize) -> Result<(Dims, Tensor<i64>)> {
        let (x_shape, index_shape) = self.along_shapes(index, dim)?;
        let d = self.dim_index("take_along_dim", dim)?;
        let index = wrapped("take_along_dim", index, d, self.shape()[d])?;
        Ok((x_shape, index.broadcast_to(&index_shape)?))
    }

    /// The shapes that [`Tensor::take_along_dim`] broadcasts this tensor and `index` to.
    fn along_shapes(&self, index: &Tensor<i64>, dim: isize) -> Result<(Dims, Dims)> {
        let op = "take_along_dim";
        let (d, size) = self.real_dim(op, dim)?;
        if index.ndim() != self.ndim() {
            return Err(Error::Shape {
                op,
                what: "the index",
                got: index.shape().into(),
                expected: format!("it must have {} dimensions like the tensor", self.ndim()),
            });
        }
        let (mut x_shape, mut index_shape): (Dims, Dims) =
            (self.shape().into(), index.shape().into());
        let length = index_shape[d];
        (x_shape[d], index_shape[d]) = (1, 1);
        let common = broadcast(op, &x_shape, &index_shape)?;
        (x_shape, index_shape) = (common.clone(), common);
        (x_shape[d], index_shape[d]) = (size, length);
        Ok((x_shape, index_shape))
    }

    /// The elements on and below a diagonal of the last two dimensions, `offset` places above the main one; zeros
    /// above.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are fewer than two dimensions.
    pub fn tril(&self, offset: isize) -> Result<Tensor<T>> {
        self.triangle_mask("tril", offset, true)?
            .where_(self, T::ZERO)
    }

    /// The elements on and above a diagonal of the last two dimensions, `offset` places above the main one; zeros
    /// below.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are fewer than two dimensions.
    pub fn triu(&self, offset: isize) -> Result<Tensor<T>> {
        self.triangle_mask("triu", offset, false)?
            .where_(self, T::ZERO)
    }

    /// Where [`Tensor::tril`] (`lower`) or [`Tensor::triu`] keep an element, in the shape of this tensor.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are fewer than two dimensions.
    pub fn triangle_mask(
        &self,
        op: &'static str,
        offset: isize,
        lower: bool,
    ) -> Result<Tensor<bool>> {
        let &[.., rows, columns] = self.shape() else {
            return Err(Error::Shape {
                op,
                what: "the tensor",
                got: self.shape().into(),
                expected: "a triangle needs two dimensions".into(),
            });
        };
        let mask = Tensor::build(op, [rows, columns], |out| {
            for (i, keep) in out.iter_mut().enumerate() {
                let above = (i % columns) as isize - (i / columns) as isize;
                *keep = if lower {
                    above <= offset
                } else {
                    above >= offset
                };
            }
        })?;
        mask.broadcast_to(self.shape())
    }
}

impl<T: Number> Tensor<T> {
    /// This tensor with slice `i` along `dim` of `src` added to its slice `index[i]`; an index may occur any number of
    /// times.
    ///
    /// # Errors
    /// [`Error::Shape`] if `index` is no vector or `src` has another shape than its slices ask for; [`Error::Index`]
    /// for an index outside.
    pub fn index_add(&self, dim: isize, index: &Tensor<i64>, src: &Tensor<T>) -> Result<Tensor<T>> {
        let index = self.slice_index("index_add", dim, index, src.shape())?;
        self.scatter_add(dim, &index, src)
            .map_err(|e| e.named("index_add"))
    }

    /// A vector of indices along `dim` spread over the shape of a source of slices.
    ///
    /// # Errors
    /// [`Error::Shape`] if `index` is no vector or `src` has another shape than the slices ask for.
    pub fn slice_index(
        &self,
        op: &'static str,
        dim: isize,
        index: &Tensor<i64>,
        src: &[usize],
    ) -> Result<Tensor<i64>> {
        let d = self.dim_index(op, dim)?;
        let mut expected: Dims = self.shape().into();
        if let Some(n) = expected.get_mut(d) {
            *n = index.numel();
        }
        if index.ndim() != 1
            || (self.ndim() == 0 && index.numel() != 1)
            || src != expected.as_slice()
        {
            return Err(Error::Shape {
                op,
                what: "the source",
                got: src.into(),
                expected: format!(
                    "an index of shape {:?} into shape {:?} asks for {expected:?}",
                    index.shape(),
                    self.shape()
                ),
            });
        }
        let mut along = vec![1i64; self.ndim()];
        if let Some(n) = along.get_mut(d) {
            *n = -1;
        }
        index.reshape(&along)?.broadcast_to(src)
    }
}
