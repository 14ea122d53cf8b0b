//! Picking by index and by mask, and joining.

use crate::op::{Grads, Needs, Op};
use crate::var::{IntoVar, Var};
use tensor_core::{Dims, Float, IntoShape, Result, Tensor};

struct Gather {
    dim: isize,
    index: Tensor<i64>,
    from: Dims,
}
impl<T: Float> Op<T> for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let zeros = Var::from(Tensor::zeros(&self.from)?);
        Ok(Grads::one(zeros.scatter_add(self.dim, &self.index, dy)?))
    }
}

struct ScatterAdd {
    dim: isize,
    index: Tensor<i64>,
    src: Dims,
}
impl<T: Float> Op<T> for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let dsrc = if needs.get(1) {
            Some(filled_up(dy.gather(self.dim, &self.index)?, &self.src)?)
        } else {
            None
        };
        Ok(Grads::two(Some(dy.clone()), dsrc))
    }
}

/// The gradient of a source larger than its index: the rest of it had no part.
pub(super) fn filled_up<T: Float>(part: Var<T>, shape: &[usize]) -> Result<Var<T>> {
    if part.shape() == shape {
        return Ok(part);
    }
    let rest = shape.iter().zip(part.shape()).rev();
    let widths: Vec<i64> = rest.flat_map(|(&n, &m)| [0, (n - m) as i64]).collect();
    part.pad(widths, T::ZERO)
}

struct Cat {
    dim: isize,
    sizes: Vec<usize>,
}
impl<T: Float> Op<T> for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let mut start = 0;
        (self.sizes.iter().enumerate())
            .map(|(i, &size)| {
                let part = if needs.get(i) {
                    Some(dy.narrow(self.dim, start, size)?)
                } else {
                    None
                };
                start += size as isize;
                Ok(part)
            })
            .collect::<Result<Grads<T>>>()
    }
}

struct Where {
    mask: Tensor<bool>,
}
impl<T: Float> Op<T> for Where {
    fn name(&self) -> &'static str {
        "where"
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let mask = self.mask.broadcast_to(dy.shape())?;
        let da = needs.get(0).then(|| dy.keep_where(&mask)).transpose()?;
        let db = needs
            .get(1)
            .then(|| dy.keep_where(&mask.logical_not()))
            .transpose()?;
        Ok(Grads::two(da, db))
    }
}

impl<T: Float> Var<T> {
    /// `out[i][j] = x[index[i][j]][j]` for `dim = 0`; see [`Tensor::gather`].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) or [`Error::Index`](crate::Error::Index) for an index that does not fit.
    #[track_caller]
    pub fn gather(&self, dim: isize, index: &Tensor<i64>) -> Result<Var<T>> {
        let y = self.value().gather(dim, index)?;
        Ok(self.record1(y, |_| Gather {
            dim,
            index: index.clone(),
            from: self.shape().into(),
        }))
    }

    /// This value with `src` added at `index`; see [`Tensor::scatter_add`].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) or [`Error::Index`](crate::Error::Index) for an index that does not fit.
    #[track_caller]
    pub fn scatter_add(&self, dim: isize, index: &Tensor<i64>, src: &Var<T>) -> Result<Var<T>> {
        let y = self.value().scatter_add(dim, index, src.value())?;
        Var::record(&[self, src], y, |_| ScatterAdd {
            dim,
            index: index.clone(),
            src: src.shape().into(),
        })
    }

    /// Whole slices of dimension `dim`, in the order of `index`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) or [`Error::Index`](crate::Error::Index) for an index that does not fit.
    #[track_caller]
    pub fn index_select(&self, dim: isize, index: &Tensor<i64>) -> Result<Var<T>> {
        let y = self.value().index_select(dim, index)?;
        let d = self.value().dim_index("index_select", dim)?;
        let mut along = vec![1i64; self.ndim()];
        if let Some(n) = along.get_mut(d) {
            *n = -1;
        }
        let index = index.reshape(&along)?.broadcast_to(y.shape())?;
        Ok(self.record1(y, |_| Gather {
            dim,
            index,
            from: self.shape().into(),
        }))
    }

    /// Values joined along dimension `dim`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if they differ in another dimension.
    #[track_caller]
    pub fn cat(parts: &[&Var<T>], dim: isize) -> Result<Var<T>> {
        let real: Vec<&Var<T>> = (parts.iter().copied())
            .filter(|x| !x.value().is_nothing())
            .collect();
        if !real.is_empty() && real.len() < parts.len() {
            return Var::cat(&real, dim);
        }
        let values: Vec<&Tensor<T>> = parts.iter().map(|x| x.value()).collect();
        let y = Tensor::cat(&values, dim)?;
        let sizes = values.iter().map(|x| x.size(dim)).collect::<Result<_>>()?;
        Var::record(parts, y, |_| Cat { dim, sizes })
    }

    /// Values of one shape joined along a new dimension `dim`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes differ.
    #[track_caller]
    pub fn stack(parts: &[&Var<T>], dim: isize) -> Result<Var<T>> {
        // For the checks, and their messages.
        Tensor::stack(&parts.iter().map(|x| x.value()).collect::<Vec<_>>(), dim)?;
        let rows = parts
            .iter()
            .map(|x| x.unsqueeze(dim))
            .collect::<Result<Vec<_>>>()?;
        Var::cat(&rows.iter().collect::<Vec<_>>(), dim)
    }

    /// This value where `mask` is true, `other` elsewhere: PyTorch's `torch.where(mask, self, other)`. What is not
    /// chosen gets an exact zero gradient.
    ///
    /// # Errors
    /// [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not broadcast.
    #[track_caller]
    pub fn where_(&self, mask: &Tensor<bool>, other: impl IntoVar<T>) -> Result<Var<T>> {
        let other = other.var("where")?;
        let y = mask.where_(self.value(), other.value())?;
        Var::record(&[self, &other], y, |_| Where { mask: mask.clone() })
    }

    /// `value` where `mask` is true, this value elsewhere.
    ///
    /// # Errors
    /// [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not broadcast.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor<bool>, value: T) -> Result<Var<T>> {
        let filled = self.where_(&mask.logical_not(), Var::from(Tensor::scalar(value)));
        filled.map_err(|e| e.named("masked_fill"))
    }

    /// For each row along `dim` the element that `index` names: `gather` with the dimension left out of both.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) or [`Error::Index`](crate::Error::Index) for an index that does not fit.
    #[track_caller]
    pub fn pick(&self, dim: isize, index: &Tensor<i64>) -> Result<Var<T>> {
        if index.ndim() == 0 {
            return self.gather(dim, &index.reshape([1])?)?.reshape(());
        }
        self.gather(dim, &index.unsqueeze(dim)?)?.squeeze(dim)
    }

    /// Zeros in the shape of this value, a constant.
    #[track_caller]
    pub fn zeros_like(&self) -> Var<T> {
        self.value().zeros_like().into()
    }

    /// A value of `shape` filled with one number, a constant.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) for a shape that cannot be.
    #[track_caller]
    pub fn full(shape: impl IntoShape, value: T) -> Result<Var<T>> {
        Tensor::full(shape, value).map(Var::from)
    }
}
