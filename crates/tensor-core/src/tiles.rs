//! Repeating, moving, bordering and cutting tensors.

use crate::element::Element;
use crate::error::{Dims, Error, Result};
use crate::kernel::par;
use crate::kernel::short::Columns;
use crate::shape::IntoShape;
use crate::tensor::Tensor;

impl<T: Element> Tensor<T> {
    /// Elements moved by `shifts[i]` places along `dims[i]`; those that leave at one end enter at the other.
    ///
    /// # Errors
    /// [`Error::Option`] if the lists differ in length, [`Error::Dim`] for a dimension that is not there.
    pub fn roll(&self, shifts: impl IntoShape, dims: impl IntoShape) -> Result<Tensor<T>> {
        let (shifts, dims) = (shifts.sizes(), dims.sizes());
        if shifts.len() != dims.len() {
            return Err(Error::Option {
                op: "roll",
                name: "shifts",
                value: format!("{:?} for the dimensions {:?}", &shifts[..], &dims[..]),
                expected: "there must be one for each dimension",
            });
        }
        let mut out = self.clone();
        for (&shift, &dim) in shifts.iter().zip(&dims) {
            let (_, size) = self.real_dim("roll", dim as isize)?;
            if size > 0 {
                // Wider, since the lowest number has no opposite of its own type.
                let cut = (-i128::from(shift)).rem_euclid(size as i128) as usize;
                let (dim, end) = (dim as isize, size - cut);
                let (head, tail) = (
                    out.narrow(dim, 0, cut)?,
                    out.narrow(dim, cut as isize, end)?,
                );
                out = Tensor::cat(&[&tail, &head], dim)?;
            }
        }
        Ok(out)
    }

    /// Copies of this tensor side by side, `repeats[i]` of them along dimension `i`; missing leading dimensions are
    /// made.
    ///
    /// # Errors
    /// [`Error::Option`] if there are fewer repeats than dimensions, [`Error::NegativeSize`] for a negative one,
    /// [`Error::Size`] for more elements than there can be.
    pub fn repeat(&self, repeats: impl IntoShape) -> Result<Tensor<T>> {
        let (split, wide, joined) = self.repeat_shapes(repeats)?;
        self.reshape(&split)?.broadcast_to(&wide)?.reshape(&joined)
    }

    /// The three shapes that [`Tensor::repeat`] goes through: with a dimension of size 1 before each, with that
    /// dimension grown, and with both joined.
    ///
    /// # Errors
    /// [`Error::Option`] if there are fewer repeats than dimensions, [`Error::NegativeSize`] for a negative one.
    pub fn repeat_shapes(&self, repeats: impl IntoShape) -> Result<(Vec<usize>, Vec<usize>, Dims)> {
        let repeats = repeats.dims("repeat")?;
        let Some(extra) = repeats.len().checked_sub(self.ndim()) else {
            return Err(Error::Option {
                op: "repeat",
                name: "repeats",
                value: format!("{:?}", &repeats[..]),
                expected: "there must be one for each dimension",
            });
        };
        let (mut split, mut wide, mut joined) = (Vec::new(), Vec::new(), Dims::new());
        for (i, &times) in repeats.iter().enumerate() {
            let size = i.checked_sub(extra).map_or(1, |i| self.shape()[i]);
            split.extend([1, size]);
            wide.extend([times, size]);
            let too_large = || Error::size("repeat", &[times, size]);
            joined.push(times.checked_mul(size).ok_or_else(too_large)?);
        }
        Ok((split, wide, joined))
    }

    /// As [`Tensor::repeat`], where missing leading repeats are 1.
    ///
    /// # Errors
    /// [`Error::NegativeSize`] for a negative number of copies.
    pub fn tile(&self, dims: impl IntoShape) -> Result<Tensor<T>> {
        self.repeat(&tile_repeats(self.ndim(), dims)[..])
            .map_err(|e| e.named("tile"))
    }

    /// Each element `repeats` times in a row along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there.
    pub fn repeat_interleave(&self, repeats: usize, dim: isize) -> Result<Tensor<T>> {
        let (d, _) = self.real_dim("repeat_interleave", dim)?;
        let d = d as isize;
        let each = self.unsqueeze(d + 1)?;
        let mut wide: Dims = each.shape().into();
        wide[d as usize + 1] = repeats;
        each.broadcast_to(&wide)?.flatten(d, d + 1)
    }

    /// Dimension `dim` split into several; one size may be `-1`.
    ///
    /// # Errors
    /// [`Error::Numel`] if the sizes do not fill the dimension, [`Error::Dim`] for one that is not there.
    pub fn unflatten(&self, dim: isize, sizes: impl IntoShape) -> Result<Tensor<T>> {
        let (d, size) = self.real_dim("unflatten", dim)?;
        // A vector of that size checks the sizes on their own.
        let part = Tensor::scalar(false)
            .broadcast_to([size])?
            .view(&sizes.sizes()[..])
            .map_err(|e| e.named("unflatten"))?;
        let mut shape: Dims = self.shape()[..d].into();
        shape.extend_from_slice(part.shape());
        shape.extend_from_slice(&self.shape()[d + 1..]);
        self.reshape(&shape)
    }

    /// A border of `value`. `pad` holds two widths for each dimension, before and after it, from the last dimension
    /// on; a negative width cuts off.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([[1, 2], [3, 4]]);
    /// assert_eq!(x.pad([1, 0], 9)?, Tensor::from([[9, 1, 2], [9, 3, 4]]));
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`] if the widths are no pairs, more than the dimensions take, or cut off more than there is.
    pub fn pad(&self, pad: impl IntoShape, value: T) -> Result<Tensor<T>> {
        let pad = pad.sizes();
        let fail = || Error::Option {
            op: "pad",
            name: "pad",
            value: format!("{:?}", &pad[..]),
            expected: "it must hold a pair of widths for some last dimensions, and leave no size below 0",
        };
        if pad.len() % 2 == 1 || pad.len() / 2 > self.ndim() {
            return Err(fail());
        }
        let mut shape: Vec<i64> = self.shape().iter().map(|&n| n as i64).collect();
        let mut inner = self.clone();
        for (i, pair) in pad.chunks(2).enumerate() {
            let d = self.ndim() - 1 - i;
            let size = shape[d];
            let cut = pair[0].min(0).saturating_add(pair[1].min(0));
            if size.saturating_add(cut) < 0 {
                return Err(fail());
            }
            // Each width is at least `-size` from here on.
            shape[d] = (pair[0].checked_add(pair[1]))
                .and_then(|n| n.checked_add(size))
                .ok_or_else(fail)?;
            inner = inner.narrow(d as isize, -pair[0].min(0) as isize, (size + cut) as usize)?;
        }
        let mut before = vec![0; self.ndim()];
        for (i, pair) in pad.chunks(2).enumerate() {
            before[self.ndim() - 1 - i] = pair[0].max(0) as usize;
        }
        let (&[.., n], &[ref before @ .., left]) = (inner.shape(), &before[..]) else {
            // Of a scalar there is no border.
            return Ok(inner.clone());
        };
        let shape: Dims = shape.iter().map(|&n| n as usize).collect();
        let (source, width) = (inner.source(), shape[before.len()]);
        let (mut outer, mut part, mut before) = (
            shape[..before.len()].to_vec(),
            inner.shape()[..before.len()].to_vec(),
            before.to_vec(),
        );
        if outer == part {
            // With a border at the ends of rows alone, all rows are one run of them.
            outer = vec![outer.iter().product()];
            (part, before) = (outer.clone(), vec![0]);
        }
        Tensor::build("pad", &shape, |out| {
            par::split(out, width, width + 8, |first, out| {
                let (mut reader, width) = (source.reader(), width.max(1));
                let (mut row, end, mut out) = (first, first + out.len() / width, out);
                while row < end {
                    // The row of the part that goes here, if any, and how many follow it.
                    let (mut rest, mut at, mut stride, mut rows) = (row, Some(0), 1, 1);
                    for (d, &size) in outer.iter().enumerate().rev() {
                        let i = rest % size;
                        rest /= size;
                        let within = i.checked_sub(before[d]).filter(|&i| i < part[d]);
                        if let (true, Some(i)) = (d + 1 == outer.len(), within) {
                            rows = (part[d] - i).min(end - row).min((2048 / width).max(1));
                        }
                        at = at.zip(within).map(|(at, i)| at + i * stride);
                        stride *= part[d];
                    }
                    let (now, later) = out.split_at_mut(rows * width);
                    (row, out) = (row + rows, later);
                    let Some(at) = at.filter(|_| n > 0) else {
                        now.fill(value);
                        continue;
                    };
                    if width <= LONG {
                        now.fill(value);
                    } else {
                        for row in now.chunks_exact_mut(width) {
                            row[..left].fill(value);
                            row[left + n..].fill(value);
                        }
                    }
                    let (from, pitch) = match source.pitched(n) {
                        Some((all, pitch)) => (&all[at * pitch..], pitch),
                        None => (reader.read(at * n, rows * n), n),
                    };
                    Columns {
                        out: now,
                        row: width,
                        at: left,
                        width: n,
                        from,
                        pitch,
                    }
                    .copy();
                }
            });
        })
    }

    /// Pieces of `size` along `dim`, the last one perhaps smaller.
    ///
    /// # Errors
    /// [`Error::Option`] for a size of 0, [`Error::Dim`] for a dimension that is not there.
    pub fn split(&self, size: usize, dim: isize) -> Result<Vec<Tensor<T>>> {
        self.split_for("split", size, dim)
    }

    fn split_for(&self, op: &'static str, size: usize, dim: isize) -> Result<Vec<Tensor<T>>> {
        let (_, n) = self.real_dim(op, dim)?;
        if size == 0 && n > 0 {
            return Err(Error::Option {
                op,
                name: "size",
                value: "0".into(),
                expected: "the pieces of a dimension have at least one element",
            });
        }
        let mut pieces = room_for(op, n.max(1).div_ceil(size.max(1)), self.shape())?;
        for start in (0..n.max(1)).step_by(size.max(1)) {
            pieces.push(self.narrow(dim, start as isize, size.min(n - start))?);
        }
        Ok(pieces)
    }

    /// Pieces of the given sizes along `dim`.
    ///
    /// # Errors
    /// [`Error::Option`] if the sizes do not add up to the dimension, [`Error::Dim`] for one that is not there.
    pub fn split_sizes(&self, sizes: &[usize], dim: isize) -> Result<Vec<Tensor<T>>> {
        let (_, n) = self.real_dim("split_sizes", dim)?;
        let sum = (sizes.iter()).try_fold(0usize, |sum, &size| sum.checked_add(size));
        if sum != Some(n) {
            return Err(Error::Option {
                op: "split_sizes",
                name: "sizes",
                value: format!("{sizes:?}"),
                expected: "they must add up to the size of the dimension",
            });
        }
        let mut start = 0;
        let piece = |&size: &usize| {
            start += size;
            self.narrow(dim, (start - size) as isize, size)
        };
        sizes.iter().map(piece).collect()
    }

    /// At most `chunks` pieces of one size along `dim`, the last one perhaps smaller.
    ///
    /// # Errors
    /// [`Error::Option`] for no chunk, [`Error::Dim`] for a dimension that is not there.
    pub fn chunk(&self, chunks: usize, dim: isize) -> Result<Vec<Tensor<T>>> {
        let (_, n) = self.real_dim("chunk", dim)?;
        if chunks == 0 {
            return Err(Error::Option {
                op: "chunk",
                name: "chunks",
                value: "0".into(),
                expected: "there must be at least one",
            });
        }
        self.split_for("chunk", n.div_ceil(chunks), dim)
    }

    /// The slices of dimension `dim`, which they lack.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there, [`Error::Shape`] for a scalar.
    pub fn unbind(&self, dim: isize) -> Result<Vec<Tensor<T>>> {
        let (_, n) = self.real_dim("unbind", dim)?;
        let mut slices = room_for("unbind", n, self.shape())?;
        for i in 0..n {
            slices.push(self.select(dim, i as isize)?);
        }
        Ok(slices)
    }

    /// All windows of `size` elements along `dim`, `step` apart, as a new last dimension; a view.
    ///
    /// # Errors
    /// [`Error::Option`] for a window larger than the dimension or a step of 0, [`Error::Dim`].
    pub fn unfold(&self, dim: isize, size: usize, step: usize) -> Result<Tensor<T>> {
        let d = self.dim_index("unfold", dim)?;
        let n = self.shape().get(d).copied().unwrap_or(1);
        if size > n || step == 0 {
            return Err(Error::Option {
                op: "unfold",
                name: "size and step",
                value: format!("{size} and {step}"),
                expected: "a window must fit into the dimension, and a step be at least 1",
            });
        }
        if self.ndim() == 0 {
            // The one window of a scalar is all of it.
            return self.unsqueeze(0)?.narrow(0, 0, size);
        }
        let mut layout = self.layout().clone();
        let stride = layout.strides[d];
        layout.shape[d] = (n - size) / step + 1;
        // One window takes no step, and the product might not be a number.
        if layout.shape[d] > 1 {
            layout.strides[d] = stride * step as isize;
        }
        layout.shape.push(size);
        layout.strides.push(stride);
        Ok(self.view_as_layout(layout))
    }
}

/// Elements of a row of which no more than its ends are filled with a border.
const LONG: usize = 64;

/// The repeats of [`Tensor::tile`]: filled up with ones to the number of dimensions.
pub fn tile_repeats(ndim: usize, dims: impl IntoShape) -> Vec<i64> {
    let dims = dims.sizes();
    let mut repeats = vec![1; ndim.saturating_sub(dims.len())];
    repeats.extend_from_slice(&dims);
    repeats
}

/// Room for `n` parts of a tensor of `shape`: a broadcast view can have more of them than memory holds.
fn room_for<P>(op: &'static str, n: usize, shape: &[usize]) -> Result<Vec<P>> {
    let mut parts = Vec::new();
    parts
        .try_reserve_exact(n)
        .map_err(|_| Error::size(op, shape))?;
    Ok(parts)
}
