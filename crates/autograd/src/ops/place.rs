//! Placing elements by index, and picking them by mask.

use super::index::filled_up;
use crate::op::{Grads, Needs, Op};
use crate::var::Var;
use tensor_core::{Dims, Float, Result, Tensor};

struct Scatter {
    dim: isize,
    index: Tensor<i64>,
    src: Dims,
}
impl<T: Float> Op<T> for Scatter {
    fn name(&self) -> &'static str {
        "scatter"
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let dx = if needs.get(0) {
            let zeros = Tensor::scalar(T::ZERO).broadcast_to(self.index.shape())?;
            Some(dy.scatter(self.dim, &self.index, &Var::from(zeros))?)
        } else {
            None
        };
        let dsrc = if needs.get(1) {
            Some(filled_up(dy.gather(self.dim, &self.index)?, &self.src)?)
        } else {
            None
        };
        Ok(Grads::two(dx, dsrc))
    }
}

impl<T: Float> Var<T> {
    /// This value with `src` written at `index`; see [`Tensor::scatter`]. Where several elements of `src` are for one
    /// place, each gets its gradient.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) or [`Error::Index`](crate::Error::Index) for an index that does not fit.
    #[track_caller]
    pub fn scatter(&self, dim: isize, index: &Tensor<i64>, src: &Var<T>) -> Result<Var<T>> {
        let y = self.value().scatter(dim, index, src.value())?;
        Var::record(&[self, src], y, |_| Scatter {
            dim,
            index: index.clone(),
            src: src.shape().into(),
        })
    }

    /// This value with the slices of `src` along `dim` added to its slices `index`; an index may occur any number of
    /// times.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) or [`Error::Index`](crate::Error::Index) for an index that does not fit.
    #[track_caller]
    pub fn index_add(&self, dim: isize, index: &Tensor<i64>, src: &Var<T>) -> Result<Var<T>> {
        let index = self
            .value()
            .slice_index("index_add", dim, index, src.shape())?;
        self.scatter_add(dim, &index, src)
            .map_err(|e| e.named("index_add"))
    }

    /// The elements where `mask` is true, in row-major order, as a vector; both are broadcast to each other.
    ///
    /// # Errors
    /// [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not broadcast.
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor<bool>) -> Result<Var<T>> {
        // A comparison of both broadcasts, and says where they cannot.
        let places = self
            .value()
            .zip(mask, |_: T, keep: bool| keep)
            .map_err(|e| e.named("masked_select"))?;
        let index = places.flatten(0, -1)?.nonzero().flatten(0, -1)?;
        let all = self.broadcast_to(places.shape())?;
        all.reshape([all.numel()])?.index_select(0, &index)
    }

    /// As [`Var::gather`], with the other dimensions of both broadcast to each other.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape), [`Error::Broadcast`](crate::Error::Broadcast) or
    /// [`Error::Index`](crate::Error::Index) for an index that does not fit.
    #[track_caller]
    pub fn take_along_dim(&self, index: &Tensor<i64>, dim: isize) -> Result<Var<T>> {
        let (shape, index) = self.value().along(index, dim)?;
        self.broadcast_to(&shape)?.gather(dim, &index)
    }

    /// The elements on and below a diagonal of the last two dimensions, `offset` places above the main one; zeros
    /// above.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are fewer than two dimensions.
    #[track_caller]
    pub fn tril(&self, offset: isize) -> Result<Var<T>> {
        self.keep_where(&self.value().triangle_mask("tril", offset, true)?)
    }

    /// The elements on and above a diagonal of the last two dimensions, `offset` places above the main one; zeros
    /// below.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are fewer than two dimensions.
    #[track_caller]
    pub fn triu(&self, offset: isize) -> Result<Var<T>> {
        self.keep_where(&self.value().triangle_mask("triu", offset, false)?)
    }
}
