//! Reading and writing the part of a tensor that an index names.

use crate::element::{Element, Number};
use crate::error::Result;
use crate::indexing::{IndexItem, IntoIndex, Selection};
use crate::kernel::par;
use crate::kernel::source::Source;
use crate::layout::Layout;
use crate::map::{Operand, Opnd};
use crate::tensor::Tensor;

/// The elements that a selection names.
pub(crate) fn read<T: Element>(
    op: &'static str,
    x: &Tensor<T>,
    selection: &Selection,
) -> Result<Tensor<T>> {
    if let Some(view) = &selection.view {
        return Ok(x.view_as_layout(view.clone()));
    }
    let Selection {
        before,
        offsets,
        after,
        ..
    } = selection;
    let (data, width) = (x.buffer(), after.numel());
    Tensor::build(op, &selection.shape, |out| {
        if out.is_empty() {
            return;
        }
        let heads = Source::new(data, before);
        par::split(out, width, width + 8, |start, out| {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let (head, pick) = ((start + i) / offsets.len(), (start + i) % offsets.len());
                let offset = (heads.place(head) as isize + offsets[pick]) as usize;
                if let [o] = out {
                    *o = data[offset];
                    continue;
                }
                let row = Layout {
                    offset,
                    ..after.clone()
                };
                Source::new(data, &row).gather(0, out);
            }
        });
    })
}

/// Calls `f(element, value)` for each element of `data` that a selection names, in order, with the value for it.
fn write<T: Copy>(data: &mut [T], selection: &Selection, values: &[T], f: impl Fn(&mut T, T)) {
    let Selection {
        before,
        offsets,
        after,
        ..
    } = selection;
    let width = after.numel();
    if values.is_empty() {
        return;
    }
    let mut values = values.chunks_exact(width);
    crate::index::each_place(before, |_, head| {
        for offset in offsets {
            let row = Layout {
                offset: (head as isize + offset) as usize,
                ..after.clone()
            };
            let values = values.next().unwrap_or(&[]);
            crate::index::each_place(&row, |i, place| f(&mut data[place], values[i]));
        }
    });
}

impl<T: Element> Tensor<T> {
    /// This tensor with `values`, a tensor that broadcasts to the part or a number, in the part that `index` names. Of
    /// several values for one place the last one stays.
    ///
    /// ```
    /// use tensor_core::{Tensor, i};
    /// let x = Tensor::<f32>::zeros([2, 3])?;
    /// let y = x.slice_assign(i![.., 1..], &Tensor::from([1.0, 2.0]))?;
    /// assert_eq!(y, Tensor::from([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]));
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// As [`Tensor::index`]; [`Error::Broadcast`](crate::Error::Broadcast) if `values` do not broadcast to the part.
    pub fn slice_assign(
        &self,
        index: impl IntoIndex,
        values: impl Operand<T>,
    ) -> Result<Tensor<T>> {
        let mut out = self.clone();
        out.put_for("slice_assign", &index.items(), &values, |x, v| *x = v)?;
        Ok(out)
    }

    /// As [`Tensor::slice_assign`], in place: copies first if another tensor looks into the buffer.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let mut x = Tensor::<f32>::zeros([2, 2])?;
    /// x.assign((0, ..), 5.0)?;
    /// assert_eq!(x.to_vec(), [5.0, 5.0, 0.0, 0.0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// As [`Tensor::slice_assign`]; the tensor is then as it was.
    pub fn assign(&mut self, index: impl IntoIndex, values: impl Operand<T>) -> Result<()> {
        self.put_for("assign", &index.items(), &values, |x, v| *x = v)
    }

    fn put_for(
        &mut self,
        op: &'static str,
        items: &[IndexItem],
        values: &impl Operand<T>,
        f: impl Fn(&mut T, T),
    ) -> Result<()> {
        let plain = Layout::contiguous(self.shape().into());
        let selection = Selection::new(op, &plain, items)?;
        let values = match values.operand(op)? {
            Opnd::Tensor(x) => x.broadcast_for(op, &selection.shape)?,
            Opnd::Scalar(x) => Tensor::scalar(x).broadcast_for(op, &selection.shape)?,
        };
        let values = values.try_contiguous(op)?;
        let data = self.try_as_mut_slice(op)?;
        write(data, &selection, values.as_slice().unwrap_or(&[]), f);
        Ok(())
    }
}

impl<T: Number> Tensor<T> {
    /// As [`Tensor::slice_assign`]; with `accumulate`, values are added to what is there, as often as a place is named.
    ///
    /// ```
    /// use tensor_core::{Tensor, i};
    /// let x = Tensor::from([1.0f32, 2.0, 3.0]);
    /// let y = x.index_put(i![Tensor::from([0, 0, -1])], 10.0, true)?;
    /// assert_eq!(y.to_vec(), [21.0, 2.0, 13.0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// As [`Tensor::slice_assign`].
    pub fn index_put(
        &self,
        index: impl IntoIndex,
        values: impl Operand<T>,
        accumulate: bool,
    ) -> Result<Tensor<T>> {
        let (mut out, items) = (self.clone(), index.items());
        if accumulate {
            out.put_for("index_put", &items, &values, |x, v| *x = x.plus(v))?;
        } else {
            out.put_for("index_put", &items, &values, |x, v| *x = v)?;
        }
        Ok(out)
    }
}
