//! Repeating, moving, bordering and cutting.

use crate::op::{Grads, Needs, Op};
use crate::var::Var;
use smallvec::SmallVec;
use std::rc::Rc;
use tensor_core::{Border, Float, IntoShape, Result, Tensor, tiles::tile_repeats};

struct Roll {
    shifts: SmallVec<[i64; 4]>,
    dims: SmallVec<[i64; 4]>,
}
impl<T: Float> Op<T> for Roll {
    fn name(&self) -> &'static str {
        "roll"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let back: Vec<i64> = self.shifts.iter().map(|s| -s).collect();
        Ok(Grads::one(dy.roll(back, &self.dims[..])?))
    }
}

/// A border that depends on nothing; the gradient of one is that of cutting it off.
struct Pad {
    widths: SmallVec<[i64; 4]>,
}
impl<T: Float> Op<T> for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let back: Vec<i64> = self.widths.iter().map(|w| -w).collect();
        Ok(Grads::one(dy.pad(back, T::ZERO)?))
    }
}

/// A vector as the diagonal of a matrix.
struct DiagEmbed {
    offset: isize,
    dims: [isize; 2],
}
impl<T: Float> Op<T> for DiagEmbed {
    fn name(&self) -> &'static str {
        "diag_embed"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let [a, b] = self.dims;
        Ok(Grads::one(dy.diagonal(self.offset, a, b)?))
    }
}

impl<T: Float> Var<T> {
    /// The elements along the last dimension as the diagonal of matrices; see [`Tensor::diag_embed`].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for a scalar, [`Error::Dim`](crate::Error::Dim),
    /// [`Error::RepeatedDim`](crate::Error::RepeatedDim).
    #[track_caller]
    pub fn diag_embed(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Var<T>> {
        let y = self.value().diag_embed(offset, dim1, dim2)?;
        let dims = [dim1, dim2];
        Ok(self.record1(y, |_| DiagEmbed { offset, dims }))
    }

    /// Of a vector the matrix with it as a diagonal, of a matrix its diagonal; `offset` places above the main one.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for any other number of dimensions.
    #[track_caller]
    pub fn diag(&self, offset: isize) -> Result<Var<T>> {
        match self.ndim() {
            1 => self.diag_embed(offset, 0, 1),
            2 => self.diagonal(offset, 0, 1),
            // For the message.
            _ => self.value().diag(offset).map(Var::from),
        }
    }

    /// Elements moved by `shifts[i]` places along `dims[i]`; those that leave at one end enter at the other.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) if the lists differ in length, [`Error::Dim`](crate::Error::Dim).
    #[track_caller]
    pub fn roll(&self, shifts: impl IntoShape, dims: impl IntoShape) -> Result<Var<T>> {
        let (shifts, dims) = (shifts.sizes(), dims.sizes());
        let y = self.value().roll(&shifts[..], &dims[..])?;
        Ok(self.record1(y, |_| Roll { shifts, dims }))
    }

    /// A border of `value`; see [`Tensor::pad`].
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) if the widths are no pairs, more than the dimensions take, or cut off
    /// more than there is.
    #[track_caller]
    pub fn pad(&self, pad: impl IntoShape, value: T) -> Result<Var<T>> {
        let widths = pad.sizes();
        let y = self.value().pad(&widths[..], value)?;
        Ok(self.record1(y, |_| Pad { widths }))
    }

    /// A border of the elements themselves; see [`Tensor::pad_with`].
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) if the widths are no pairs, more than the dimensions take, or wider than
    /// the border can be.
    #[track_caller]
    pub fn pad_with(&self, pad: impl IntoShape, border: Border) -> Result<Var<T>> {
        let mut out = self.clone();
        for (dim, index) in self.value().border_places(pad, border)? {
            out = out.index_select(dim, &index)?;
        }
        Ok(out)
    }

    /// Copies side by side, `repeats[i]` of them along dimension `i`; missing leading dimensions are made.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) if there are fewer repeats than dimensions,
    /// [`Error::NegativeSize`](crate::Error::NegativeSize) for a negative one.
    #[track_caller]
    pub fn repeat(&self, repeats: impl IntoShape) -> Result<Var<T>> {
        let (split, wide, joined) = self.value().repeat_shapes(repeats)?;
        self.reshape(&split)?.broadcast_to(&wide)?.reshape(&joined)
    }

    /// As [`Var::repeat`], where missing leading repeats are 1.
    ///
    /// # Errors
    /// [`Error::NegativeSize`](crate::Error::NegativeSize) for a negative number of copies.
    #[track_caller]
    pub fn tile(&self, dims: impl IntoShape) -> Result<Var<T>> {
        self.repeat(&tile_repeats(self.ndim(), dims)[..])
            .map_err(|e| e.named("tile"))
    }

    /// Each element `repeats` times in a row along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn repeat_interleave(&self, repeats: usize, dim: isize) -> Result<Var<T>> {
        let y = self.value().repeat_interleave(repeats, dim)?;
        let d = self.value().dim_index("repeat_interleave", dim)?;
        let each = self.unsqueeze(d as isize + 1)?;
        let mut wide = each.shape().to_vec();
        wide[d + 1] = repeats;
        each.broadcast_to(&wide)?.reshape(y.shape())
    }

    /// Dimension `dim` split into several; one size may be `-1`.
    ///
    /// # Errors
    /// [`Error::Numel`](crate::Error::Numel) if the sizes do not fill the dimension, [`Error::Dim`](crate::Error::Dim).
    #[track_caller]
    pub fn unflatten(&self, dim: isize, sizes: impl IntoShape) -> Result<Var<T>> {
        self.reshape(self.value().unflatten(dim, sizes)?.shape())
    }

    /// Pieces of `size` along `dim`, the last one perhaps smaller.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for a size of 0, [`Error::Dim`](crate::Error::Dim).
    #[track_caller]
    pub fn split(&self, size: usize, dim: isize) -> Result<Vec<Var<T>>> {
        self.pieces(dim, self.value().split(size, dim)?)
    }

    /// Pieces of the given sizes along `dim`.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) if the sizes do not add up to the dimension,
    /// [`Error::Dim`](crate::Error::Dim).
    #[track_caller]
    pub fn split_sizes(&self, sizes: &[usize], dim: isize) -> Result<Vec<Var<T>>> {
        self.pieces(dim, self.value().split_sizes(sizes, dim)?)
    }

    /// At most `chunks` pieces of one size along `dim`, the last one perhaps smaller.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for no chunk, [`Error::Dim`](crate::Error::Dim).
    #[track_caller]
    pub fn chunk(&self, chunks: usize, dim: isize) -> Result<Vec<Var<T>>> {
        self.pieces(dim, self.value().chunk(chunks, dim)?)
    }

    /// The ranges of `dim` that are as long as the pieces.
    #[track_caller]
    fn pieces(&self, dim: isize, pieces: Vec<Tensor<T>>) -> Result<Vec<Var<T>>> {
        let mut start = 0;
        let piece = |x: Tensor<T>| {
            let size = x.size(dim)?;
            start += size;
            self.narrow(dim, (start - size) as isize, size)
        };
        pieces.into_iter().map(piece).collect()
    }

    /// The slices of dimension `dim`, which they lack.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there, [`Error::Shape`](crate::Error::Shape) for a
    /// scalar.
    #[track_caller]
    pub fn unbind(&self, dim: isize) -> Result<Vec<Var<T>>> {
        let n = self.value().size(dim).map_err(|e| e.named("unbind"))? as isize;
        (0..n).map(|i| self.select(dim, i)).collect()
    }

    /// All windows of `size` elements along `dim`, `step` apart, as a new last dimension.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for a window larger than the dimension or a step of 0,
    /// [`Error::Dim`](crate::Error::Dim).
    #[track_caller]
    pub fn unfold(&self, dim: isize, size: usize, step: usize) -> Result<Var<T>> {
        self.part("unfold", Rc::new(move |x| x.unfold(dim, size, step)))
    }
}
