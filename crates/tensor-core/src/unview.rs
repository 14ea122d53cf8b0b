//! The adjoint of views.

use crate::element::Number;
use crate::error::{Error, Result};
use crate::index::{each_place, row_of};
use crate::kernel::par;
use crate::kernel::source::Source;
use crate::layout::Layout;
use crate::tensor::Tensor;

impl<T: Number> Tensor<T> {
    /// The adjoint of a view: zeros of `shape` to which this tensor is added at the places that `view` shows of them.
    ///
    /// Backward of every view is this one function; an element that the view shows more than once gets the sum.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let dy = Tensor::from([1.0f32, 2.0]);
    /// assert_eq!(dy.unview([4], |x| x.slice(0, 1.., 2))?.to_vec(), [0.0, 1.0, 0.0, 2.0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] if the view has another shape than this tensor, or is none of the zeros' buffer.
    pub fn unview(
        &self,
        shape: impl crate::IntoShape,
        view: impl FnOnce(&Tensor<T>) -> Result<Tensor<T>>,
    ) -> Result<Tensor<T>> {
        // What the view is made of, which is written whole below: only the places that it shows are asked of it.
        let mut out = Tensor::build("zeros", shape, |_| {})?;
        let seen = view(&out)?;
        // A single element is not shared but copied.
        let looks_in = seen.shares_buffer(&out) || (out.numel() == 1 && seen.buffer().len() == 1);
        if seen.shape() != self.shape() || (seen.numel() > 0 && !looks_in) {
            let expected = format!(
                "the gradient has shape {:?}, and a view looks into its tensor",
                self.shape()
            );
            return Err(Error::Shape {
                op: "unview",
                what: "the view",
                got: seen.shape().into(),
                expected,
            });
        }
        let layout = seen.layout().clone();
        drop(seen);
        let data = out.as_mut_slice();
        match ascending(&layout, self.layout()) {
            Some((places, values)) => put(data, &places, &Source::new(self.buffer(), &values)),
            None => {
                data.fill(T::ZERO);
                let values = self.contiguous();
                let values = values.as_slice().unwrap_or(&[]);
                each_place(&layout, |i, place| {
                    data[place] = data[place].plus(values[i])
                });
            }
        }
        Ok(out)
    }
}

/// Both layouts with dimensions reversed and exchanged so that each place of the first lies behind the one before; `None`
/// if some are the same.
fn ascending(places: &Layout, values: &Layout) -> Option<(Layout, Layout)> {
    let (mut places, mut values) = (places.clone(), values.clone());
    for d in 0..places.shape.len() {
        let n = places.shape[d];
        if n == 0 {
            return None;
        }
        if places.strides[d] < 0 {
            places = places.slice(d, n - 1, n, -1);
            values = values.slice(d, n - 1, n, -1);
        }
    }
    let order = places.memory_order();
    let (places, values) = (places.permute(&order), values.permute(&order));
    let mut reach = 1;
    for (&n, &stride) in places.shape.iter().zip(&places.strides).rev() {
        if n > 1 {
            if stride < reach {
                return None;
            }
            reach += (n as isize - 1) * stride;
        }
    }
    Some((places, values))
}

/// Elements made at a time: they stay in the first-level cache from when they are set to zero.
const BLOCK: usize = 1 << 12;
/// Rows of so many values are gathered one by one.
const LONG: usize = 32;

/// `out`, all zero but for the values at their places, which are ascending.
fn put<T: Number>(out: &mut [T], places: &Layout, values: &Source<'_, T>) {
    let (n, step) = row_of(places);
    let step = step.max(1) as usize;
    let (rows, span) = (places.numel() / n, (n - 1) * step + 1);
    let mut outer = places.clone();
    outer.shape.pop();
    outer.strides.pop();
    let heads = Source::<T>::new(&[], &outer);
    par::split(out, 1, 1, |start, out| {
        let mut stage = Vec::new();
        for (i, out) in out.chunks_mut(BLOCK).enumerate() {
            out.fill(T::ZERO);
            let start = start + i * BLOCK;
            let end = start + out.len();
            let rows = first_of(rows, |row| heads.place(row) + span > start)
                ..first_of(rows, |row| heads.place(row) >= end);
            if n < LONG {
                stage.resize(rows.len() * n, T::ZERO);
                values.gather(rows.start * n, &mut stage);
            }
            for row in rows.clone() {
                let head = heads.place(row);
                // Those of its values whose places lie in the block.
                let from = start.saturating_sub(head).div_ceil(step);
                let to = n.min((end - head).div_ceil(step));
                if n >= LONG && step == 1 {
                    values.gather(
                        row * n + from,
                        &mut out[head + from - start..head + to - start],
                    );
                    continue;
                }
                if n >= LONG {
                    stage.resize(to - from, T::ZERO);
                    values.gather(row * n + from, &mut stage);
                }
                let skip = if n < LONG {
                    (row - rows.start) * n + from
                } else {
                    0
                };
                for (j, &value) in (from..to).zip(&stage[skip..]) {
                    out[head + j * step - start] = value;
                }
            }
        }
    });
}

/// The first of so many rows of which `reached` is true, as it is of all behind it.
fn first_of(rows: usize, reached: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, rows);
    while low < high {
        let middle = low + (high - low) / 2;
        if reached(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
