//! Borders made of the tensor's own elements, diagonals put into matrices, and other arrangements.

use crate::element::Element;
use crate::error::{Dims, Error, Result};
use crate::index::each_place;
use crate::layout::wrap_dim;
use crate::shape::IntoShape;
use crate::tensor::Tensor;

/// What a border repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// The elements mirrored at the outermost one, which is not repeated.
    Reflect,
    /// The outermost element.
    Replicate,
    /// The elements from the other end.
    Circular,
}

impl Border {
    /// The place of a dimension of `n` elements that place `at` stands for, counted from its first element; `kept` is
    /// what negative widths leave of it.
    fn place(self, at: i64, n: i64, kept: std::ops::Range<i64>) -> i64 {
        match self {
            Border::Reflect if at < 0 => -at,
            Border::Reflect if at >= n => 2 * (n - 1) - at,
            Border::Reflect => at,
            Border::Replicate => at.clamp(0, n - 1),
            // As in PyTorch, the elements that were cut off do not come back.
            Border::Circular => {
                kept.start + (at - kept.start).rem_euclid((kept.end - kept.start).max(1))
            }
        }
    }

    /// The widest border of a dimension of `n` elements.
    fn widest(self, n: i64) -> i64 {
        match self {
            Border::Reflect => n - 1,
            Border::Circular => n,
            Border::Replicate if n == 0 => 0,
            Border::Replicate => i64::MAX / 4,
        }
    }
}

impl<T: Element> Tensor<T> {
    /// A border of the tensor's own elements; widths as for [`Tensor::pad`].
    ///
    /// ```
    /// use tensor_core::{Border, Tensor};
    /// let x = Tensor::from([1, 2, 3]);
    /// assert_eq!(x.pad_with([2, 1], Border::Reflect)?.to_vec(), [3, 2, 1, 2, 3, 2]);
    /// assert_eq!(x.pad_with([2, 1], Border::Replicate)?.to_vec(), [1, 1, 1, 2, 3, 3]);
    /// assert_eq!(x.pad_with([2, 1], Border::Circular)?.to_vec(), [2, 3, 1, 2, 3, 1]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`] if the widths are no pairs, more than the dimensions take, or wider than the border can be;
    /// [`Error::Size`] if the result does not fit into memory.
    pub fn pad_with(&self, pad: impl IntoShape, border: Border) -> Result<Tensor<T>> {
        let mut out = self.clone();
        for (dim, index) in self.border_places(pad, border)? {
            out = out.index_select(dim, &index)?;
        }
        Ok(out)
    }

    /// The dimensions of [`Tensor::pad_with`], and which of its places each place of the result shows.
    ///
    /// # Errors
    /// As [`Tensor::pad_with`].
    pub fn border_places(
        &self,
        pad: impl IntoShape,
        border: Border,
    ) -> Result<Vec<(isize, Tensor<i64>)>> {
        let pad = pad.sizes();
        let fail = |expected| Error::Option {
            op: "pad_with",
            name: "pad",
            value: format!("{:?}", &pad[..]),
            expected,
        };
        if pad.len() % 2 == 1 || pad.len() / 2 > self.ndim() {
            return Err(fail(
                "it must hold a pair of widths for some last dimensions",
            ));
        }
        let mut places = Vec::new();
        for (i, pair) in pad.chunks(2).enumerate() {
            let d = self.ndim() - 1 - i;
            let (n, before, after) = (self.shape()[d] as i64, pair[0], pair[1]);
            if before.max(after) > border.widest(n).max(0) {
                return Err(fail(
                    "a reflected border is narrower than its dimension, a circular one no wider, and none is made of \
                     nothing",
                ));
            }
            let (start, end) = (before.saturating_neg(), n.saturating_add(after));
            if end < start {
                return Err(fail("it must leave no size below 0"));
            }
            let kept = start.max(0)..end.min(n);
            // Built as tensors are, so that a border too wide for the memory is an error.
            let index = Tensor::build("pad_with", [end.abs_diff(start)], |out| {
                for (at, place) in (start..end).zip(out) {
                    *place = border.place(at, n, kept.clone());
                }
            })?;
            places.push((d as isize, index));
        }
        Ok(places)
    }

    /// The elements along the last dimension as the diagonal, `offset` places above the main one, of matrices in the new
    /// dimensions `dim1` and `dim2`; zeros elsewhere. PyTorch's defaults are 0, -2 and -1.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([1, 2]);
    /// assert_eq!(x.diag_embed(0, -2, -1)?, Tensor::from([[1, 0], [0, 2]]));
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] for a scalar, [`Error::Dim`] for a place outside the new shape, [`Error::RepeatedDim`] if both
    /// are the same.
    pub fn diag_embed(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor<T>> {
        let op = "diag_embed";
        let (last, n) = self.real_dim(op, -1)?;
        let side = n.saturating_add(offset.unsigned_abs());
        let mut shape: Dims = self.shape()[..last].into();
        // Both new dimensions take their places among all, the lower one first.
        let mut ends = self.shape().to_vec();
        ends.push(side);
        let (a, b) = (wrap_dim(op, dim1, &ends)?, wrap_dim(op, dim2, &ends)?);
        if a == b {
            return Err(Error::RepeatedDim {
                op,
                dim: a,
                dims: vec![dim1, dim2],
            });
        }
        shape.insert(a.min(b), side);
        shape.insert(a.max(b), side);
        let mut out = Tensor::zeros(&shape)?;
        let diagonal = out.diagonal(offset, a as isize, b as isize)?;
        let layout = diagonal.layout().clone();
        drop(diagonal);
        let values = self.try_contiguous(op)?;
        let values = values.as_slice().unwrap_or(&[]);
        let data = out.try_as_mut_slice(op)?;
        each_place(&layout, |i, place| data[place] = values[i]);
        Ok(out)
    }

    /// Of a vector the matrix with it as a diagonal, of a matrix its diagonal; `offset` places above the main one.
    ///
    /// # Errors
    /// [`Error::Shape`] for any other number of dimensions.
    pub fn diag(&self, offset: isize) -> Result<Tensor<T>> {
        match self.ndim() {
            1 => self.diag_embed(offset, 0, 1),
            2 => self.diagonal(offset, 0, 1),
            _ => Err(Error::Shape {
                op: "diag",
                what: "the tensor",
                got: self.shape().into(),
                expected: "it must be a vector or a matrix".into(),
            }),
        }
    }

    /// Swaps two dimensions: another name of [`Tensor::transpose`].
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that the tensor does not have.
    pub fn swapdims(&self, dim0: isize, dim1: isize) -> Result<Tensor<T>> {
        self.transpose(dim0, dim1).map_err(|e| e.named("swapdims"))
    }
}
