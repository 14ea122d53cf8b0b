//! Placing elements by index, and picking them by mask.

use crate::element::{Element, Number};
use crate::error::{Dims, Error, Result};
use crate::index::{check_index, row_of};
use crate::indexing::wrapped;
use crate::kernel::par;
use crate::kernel::spread::{Index, spread};
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
        self.scatter_with("scatter", dim, index, src, |x, v| *x = v)
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
        let x = self.try_contiguous(op)?;
        let x = x.as_slice().unwrap_or(&[]);
        let (ndim, n) = (self.ndim(), row_of(self.layout()).0);
        let count = x.iter().filter(|v| **v != T::ZERO).count();
        // A mask of bytes may name places that take many times its memory.
        let (mut room, len) = (Vec::new(), (count + 1).saturating_mul(ndim));
        room.try_reserve_exact(len)
            .map_err(|_| Error::size(op, &[count, ndim]))?;
        room.resize(len, 0i64);
        let mut used = 0;
        // Every index is written, over the one before where that is not wanted: which it is cannot be foreseen.
        for row in 0..x.len() / n {
            let outer = unravel(row, &self.shape()[..ndim.saturating_sub(1)]);
            for (j, v) in x[row * n..][..n].iter().enumerate() {
                if let Some((last, first)) = room[used..]
                    .get_mut(..ndim)
                    .and_then(<[i64]>::split_last_mut)
                {
                    first
                        .iter_mut()
                        .zip(&outer)
                        .for_each(|(o, &i)| *o = i as i64);
                    *last = j as i64;
                }
                used += if *v != T::ZERO { ndim } else { 0 };
            }
        }
        room.truncate(count * ndim);
        Tensor::from_vec(room, [count, ndim])
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
        self.triangle("tril", offset, true)
    }

    /// The elements on and above a diagonal of the last two dimensions, `offset` places above the main one; zeros
    /// below.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are fewer than two dimensions.
    pub fn triu(&self, offset: isize) -> Result<Tensor<T>> {
        self.triangle("triu", offset, false)
    }

    fn triangle(&self, op: &'static str, offset: isize, lower: bool) -> Result<Tensor<T>> {
        let [rows, columns] = self.matrix_sizes(op)?;
        let source = self.source();
        Tensor::build(op, self.shape(), |out| {
            par::split(out, columns, columns, |first, out| {
                for (i, out) in out.chunks_exact_mut(columns.max(1)).enumerate() {
                    // The first column to the right of the lower triangle, or of the upper one.
                    let row = ((first + i) % rows) as isize;
                    let edge = row.saturating_add(offset).saturating_add(lower.into());
                    let edge = edge.clamp(0, columns as isize) as usize;
                    let (left, right) = out.split_at_mut(edge);
                    let at = (first + i) * columns;
                    if lower {
                        source.gather(at, left);
                        right.fill(T::ZERO);
                    } else {
                        left.fill(T::ZERO);
                        source.gather(at + edge, right);
                    }
                }
            });
        })
    }

    /// The sizes of the last two dimensions.
    fn matrix_sizes(&self, op: &'static str) -> Result<[usize; 2]> {
        match *self.shape() {
            [.., rows, columns] => Ok([rows, columns]),
            _ => Err(Error::Shape {
                op,
                what: "the tensor",
                got: self.shape().into(),
                expected: "a triangle needs two dimensions".into(),
            }),
        }
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
        let [rows, columns] = self.matrix_sizes(op)?;
        let mask = Tensor::build(op, [rows, columns], |out| {
            for (row, out) in out.chunks_exact_mut(columns.max(1)).enumerate() {
                for (column, keep) in out.iter_mut().enumerate() {
                    let above = column as isize - row as isize;
                    *keep = if lower {
                        above <= offset
                    } else {
                        above >= offset
                    };
                }
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
        let op = "index_add";
        self.slice_index(op, dim, index, src.shape())?;
        let d = self.dim_index(op, dim)?;
        let size = self.shape().get(d).copied().unwrap_or(1);
        if src.numel() > 0 {
            check_index(op, index, d, size)?;
        }
        let Some(blocks) = self.blocks(d, src.shape()) else {
            // Nothing is added but to a scalar, which is the one slice of itself.
            return match self.ndim() {
                0 => self.add(src),
                _ => crate::map::copy(op, self),
            };
        };
        let (index, src) = (index.to_vec(), src.try_contiguous(op)?);
        let (x, src) = (self.source(), src.as_slice().unwrap_or(&[]));
        Tensor::build(op, self.shape(), |out| {
            // The index lies within, as was looked at above.
            let index = Index::Shared(&index);
            spread(blocks, &x, index, src, out, |o, v| *o = o.plus(v));
        })
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
