//! Reading and writing the part of a value that an index names.

use crate::op::{Grads, Needs, Op};
use crate::var::{IntoVar, Var};
use std::rc::Rc;
use tensor_core::{Dims, Float, IndexItem, IntoIndex, Result, Tensor};

type Items = Rc<[IndexItem]>;

/// A part picked by tensors; without them it is a view.
struct Index {
    items: Items,
    from: Dims,
}
impl<T: Float> Op<T> for Index {
    fn name(&self) -> &'static str {
        "index"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let zeros = Var::from(Tensor::zeros(&self.from)?);
        Ok(Grads::one(zeros.put("index_put", &self.items, dy, true)?))
    }
}

/// Values written to a part, or added to it.
struct IndexPut {
    name: &'static str,
    items: Items,
    accumulate: bool,
}
impl<T: Float> Op<T> for IndexPut {
    fn name(&self) -> &'static str {
        self.name
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let dx = match needs.get(0) {
            true if self.accumulate => Some(dy.clone()),
            true => {
                let zero = Var::from(Tensor::scalar(T::ZERO));
                Some(dy.put(self.name, &self.items, &zero, false)?)
            }
            false => None,
        };
        let dvalues = match needs.get(1) {
            true => Some(dy.index(&self.items[..])?),
            false => None,
        };
        Ok(Grads::two(dx, dvalues))
    }
}

impl<T: Float> Var<T> {
    /// The part of this value that an index names; see [`Tensor::index`] and [`i!`](tensor_core::i).
    ///
    /// ```
    /// use autograd::{Tape, Tensor, tensor_core::i};
    /// let tape = Tape::new();
    /// let x = tape.leaf(Tensor::from([1.0, 2.0, 3.0]));
    /// let y = x.index(i![Tensor::from([2, 0, 2])])?.sum(..)?;
    /// assert_eq!(y.backward()?.get(&x)?.to_vec(), [1.0, 0.0, 2.0]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// As [`Tensor::index`].
    #[track_caller]
    pub fn index(&self, index: impl IntoIndex) -> Result<Var<T>> {
        let items: Items = index.items().into();
        let picks = |item: &IndexItem| matches!(item, IndexItem::Places(_) | IndexItem::Mask(_));
        if !items.iter().any(picks) {
            return self.part("index", Rc::new(move |x| x.index(&items[..])));
        }
        let y = self.value().index(&items[..])?;
        Ok(self.record1(y, |_| Index {
            items,
            from: self.shape().into(),
        }))
    }

    /// This value with `values`, which broadcast to it, in the part that `index` names; see [`Tensor::index_put`]. Where
    /// several values are for one place, each gets its gradient.
    ///
    /// # Errors
    /// As [`Tensor::index_put`].
    #[track_caller]
    pub fn index_put(
        &self,
        index: impl IntoIndex,
        values: impl IntoVar<T>,
        accumulate: bool,
    ) -> Result<Var<T>> {
        let items: Items = index.items().into();
        let values = values.var("index_put")?;
        self.put("index_put", &items, &values, accumulate)
    }

    /// This value with `values`, which broadcast to it, in the part that `index` names; see [`Tensor::slice_assign`].
    ///
    /// ```
    /// use autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let (x, v) = (tape.leaf(Tensor::from([1.0, 2.0, 3.0])), tape.leaf(Tensor::scalar(5.0)));
    /// let y = x.slice_assign(1.., &v)?;
    /// assert_eq!(y.value().to_vec(), [1.0, 5.0, 5.0]);
    /// let grads = y.sum(..)?.backward()?;
    /// assert_eq!(grads.get(&x)?.to_vec(), [1.0, 0.0, 0.0]);
    /// assert_eq!(grads.get(&v)?.item()?, 2.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// As [`Tensor::slice_assign`].
    #[track_caller]
    pub fn slice_assign(&self, index: impl IntoIndex, values: impl IntoVar<T>) -> Result<Var<T>> {
        let items: Items = index.items().into();
        let values = values.var("slice_assign")?;
        self.put("slice_assign", &items, &values, false)
    }

    #[track_caller]
    fn put(
        &self,
        name: &'static str,
        items: &Items,
        values: &Var<T>,
        accumulate: bool,
    ) -> Result<Var<T>> {
        let y = match name {
            "slice_assign" => self.value().slice_assign(&items[..], values.value())?,
            _ => (self.value()).index_put(&items[..], values.value(), accumulate)?,
        };
        Var::record(&[self, values], y, |_| IndexPut {
            name,
            items: items.clone(),
            accumulate,
        })
    }
}
