//! Tensors joined to one.

use crate::element::Element;
use crate::error::{Dims, Error, Result};
use crate::kernel::par;
use crate::kernel::short::Columns;
use crate::tensor::Tensor;

impl<T: Element> Tensor<T> {
    /// Tensors joined along dimension `dim`. One of shape `[0]` may stand beside any others and adds nothing, as in
    /// PyTorch.
    ///
    /// # Errors
    /// [`Error::Shape`] if they differ in another dimension, [`Error::Empty`] if there is none.
    pub fn cat(tensors: &[&Tensor<T>], dim: isize) -> Result<Tensor<T>> {
        Self::cat_for("cat", tensors, dim)
    }

    /// Whether this is the tensor of shape `[0]` that [`Tensor::cat`] passes over.
    #[doc(hidden)]
    pub fn is_nothing(&self) -> bool {
        self.shape() == [0]
    }

    fn cat_for(op: &'static str, tensors: &[&Tensor<T>], dim: isize) -> Result<Tensor<T>> {
        let first = *tensors.first().ok_or(Error::Empty {
            op,
            shape: Dims::new(),
        })?;
        let real: Vec<&Tensor<T>> = tensors
            .iter()
            .copied()
            .filter(|x| !x.is_nothing())
            .collect();
        if !real.is_empty() && real.len() < tensors.len() {
            return Self::cat_for(op, &real, dim);
        }
        let (d, _) = first.real_dim(op, dim)?;
        let mut shape: Dims = first.shape().into();
        shape[d] = 0;
        for x in tensors {
            let agrees = x.ndim() == shape.len()
                && (0..shape.len()).all(|i| i == d || x.shape()[i] == shape[i]);
            if !agrees {
                let expected = format!(
                    "it must agree with the first, {:?}, but for dimension {d}",
                    first.shape()
                );
                return Err(Error::Shape {
                    op,
                    what: "one tensor",
                    got: x.shape().into(),
                    expected,
                });
            }
            let too_large = || Error::Size {
                op,
                shape: x.shape().iter().map(|&n| n as i64).collect(),
            };
            shape[d] = shape[d].checked_add(x.shape()[d]).ok_or_else(too_large)?;
        }
        let inner: usize = shape[d + 1..].iter().product();
        let row = shape[d] * inner;
        let mut pieces = Vec::with_capacity(tensors.len());
        for x in tensors.iter().filter(|x| x.numel() > 0) {
            pieces.push((x.source(), x.shape()[d] * inner));
        }
        Tensor::build(op, &shape, |out| {
            if row > par::GRAIN {
                // Each piece of a long row is shared out by itself.
                for (i, mut out) in out.chunks_exact_mut(row).enumerate() {
                    for (source, width) in &pieces {
                        let (now, later) = out.split_at_mut(*width);
                        par::split(now, 1, 1, |at, out| match source.flat() {
                            Some(flat) => out.copy_from_slice(&flat[i * width + at..][..out.len()]),
                            None => source.gather(i * width + at, out),
                        });
                        out = later;
                    }
                }
                return;
            }
            par::split(out, row, row, |first, out| {
                let mut readers: Vec<_> = pieces.iter().map(|(x, _)| x.reader()).collect();
                // Some rows of each piece after the other, since what is read of them together takes a step for each row.
                let together = (2048 / row.max(1)).max(1);
                for (block, out) in out.chunks_mut(row.max(1) * together).enumerate() {
                    let (first, rows, mut at) = (first + block * together, out.len() / row, 0);
                    for (reader, &(ref source, width)) in readers.iter_mut().zip(&pieces) {
                        let (from, pitch) = match source.pitched(width) {
                            Some((all, pitch)) => (&all[first * pitch..], pitch),
                            None => (reader.read(first * width, rows * width), width),
                        };
                        Columns {
                            out: &mut *out,
                            row,
                            at,
                            width,
                            from,
                            pitch,
                        }
                        .copy();
                        at += width;
                    }
                }
            });
        })
    }

    /// Tensors of one shape joined along a new dimension `dim`.
    ///
    /// # Errors
    /// [`Error::Shape`] if shapes differ, [`Error::Empty`] if there is no tensor.
    pub fn stack(tensors: &[&Tensor<T>], dim: isize) -> Result<Tensor<T>> {
        let first = tensors.first().ok_or(Error::Empty {
            op: "stack",
            shape: Dims::new(),
        })?;
        if let Some(x) = tensors.iter().find(|x| x.shape() != first.shape()) {
            let expected = format!("it must have the shape {:?} of the first", first.shape());
            return Err(Error::Shape {
                op: "stack",
                what: "one tensor",
                got: x.shape().into(),
                expected,
            });
        }
        let rows = tensors
            .iter()
            .map(|x| x.unsqueeze_for("stack", dim))
            .collect::<Result<Vec<_>>>()?;
        Self::cat_for("stack", &rows.iter().collect::<Vec<_>>(), dim)
    }
}
