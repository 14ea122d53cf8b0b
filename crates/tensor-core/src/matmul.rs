//! The matrix product in PyTorch's forms.

use crate::element::Number;
use crate::error::{Dims, Error, Result};
use crate::kernel::gemm::{self, Matrix};
use crate::kernel::par;
use crate::layout::{Layout, broadcast, checked_numel};
use crate::tensor::Tensor;

impl<T: Number> Tensor<T> {
    /// The matrix product: two vectors give their dot product, a vector beside a matrix counts as a row or a column,
    /// and dimensions before the last two are batches, which broadcast. No operand is copied, however it lies.
    ///
    /// # Differs from PyTorch
    /// Where one side is a vector, or a matrix of one row or column, sums are carried in `f64` and rounded once.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let a = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(a.matmul(&a.t())?.to_vec(), [5.0, 11.0, 11.0, 25.0]);
    /// assert_eq!(a.matmul(&Tensor::from([1.0, -1.0]))?.to_vec(), [-1.0, -1.0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] if the inner sizes differ or an operand is a scalar, [`Error::Broadcast`] if batches do not
    /// broadcast.
    pub fn matmul(&self, other: &Tensor<T>) -> Result<Tensor<T>> {
        let op = "matmul";
        let fail = || {
            let expected = format!(
                "the left operand has shape {:?}: its last size must be the second last of the right one",
                self.shape()
            );
            Error::Shape {
                op,
                what: "the right operand",
                got: other.shape().into(),
                expected,
            }
        };
        if self.ndim() == 0 || other.ndim() == 0 {
            return Err(fail());
        }
        if let ([m, k], [l, n]) = (self.shape(), other.shape())
            && k == l
            && checked_numel(&[*m, *n]).is_some()
        {
            // By far the most frequent form needs no layouts of batches.
            for x in [self, other] {
                if checked_numel(x.shape()).is_none() {
                    return Err(Error::size(op, x.shape()));
                }
            }
            return Tensor::build(op, [*m, *n], |out| {
                gemm::matmul(matrix(self), matrix(other), out)
            });
        }
        let a = if self.ndim() == 1 {
            self.unsqueeze(0)?
        } else {
            self.clone()
        };
        let b = if other.ndim() == 1 {
            other.unsqueeze(1)?
        } else {
            other.clone()
        };
        let (na, nb) = (a.ndim(), b.ndim());
        let (m, k, n) = (a.shape()[na - 2], a.shape()[na - 1], b.shape()[nb - 1]);
        if b.shape()[nb - 2] != k {
            return Err(fail());
        }
        let batch = broadcast(op, &a.shape()[..na - 2], &b.shape()[..nb - 2])?;
        let mut shape: Dims = batch.clone();
        shape.extend([m, n]);
        // Only broadcast views can be so large, and no machine would come to the end of their product. A result that is
        // too large says so itself.
        for x in [&a, &b] {
            let too_large = checked_numel(&shape).is_some() && checked_numel(x.shape()).is_none();
            if too_large {
                return Err(Error::size(op, x.shape()));
            }
        }
        let fold = b.shape()[..nb - 2].iter().all(|&n| n == 1) && na > 2;
        let product = match a.view([a.shape()[..na - 1].iter().product(), k]) {
            // One matrix for all batches: their rows are one tall matrix.
            Ok(tall) if fold => {
                let b = b.reshape([k, n])?;
                Tensor::build(op, [tall.shape()[0], n], |out| {
                    gemm::matmul(matrix(&tall), matrix(&b), out)
                })?
                .reshape(&shape)?
            }
            _ => batched(op, &a, &b, &batch, shape)?,
        };
        let product = if other.ndim() == 1 {
            product.squeeze(-1)?
        } else {
            product
        };
        if self.ndim() == 1 {
            product.squeeze(if other.ndim() == 1 { -1 } else { -2 })
        } else {
            Ok(product)
        }
    }
}

impl<T: Number> Tensor<T> {
    /// `x Wᵀ + b`, for `x` of shape `[…, in]`, a weight of `[out, in]` and a bias of `[out]` or none: PyTorch's
    /// [`linear`](https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html). The result has shape
    /// `[…, out]`.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let (w, b) = (Tensor::from([[1, 2], [3, 4], [5, 6]]), Tensor::from([10, 0, 0]));
    /// assert_eq!(Tensor::from([1, 1]).linear(&w, &b)?.to_vec(), [13, 7, 11]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] if the weight is no matrix, or sizes differ.
    pub fn linear<'a>(
        &self,
        weight: &Tensor<T>,
        bias: impl Into<Option<&'a Tensor<T>>>,
    ) -> Result<Tensor<T>> {
        let (op, bias) = ("linear", bias.into());
        let fail = |what, got: &[usize], expected| Error::Shape {
            op,
            what,
            got: got.into(),
            expected,
        };
        let [outputs, inputs] = *weight.shape() else {
            let expected = "it must be [out, in]: a row for each output".into();
            return Err(fail("the weight", weight.shape(), expected));
        };
        let Some((&last, rows)) = self.shape().split_last() else {
            let expected = format!("its last size must be the {inputs} inputs of the weight");
            return Err(fail("the input", self.shape(), expected));
        };
        if last != inputs {
            let expected = format!(
                "the weight has shape {:?}: the last size must be {inputs}, the inputs",
                weight.shape()
            );
            return Err(fail("the input", self.shape(), expected));
        }
        if let Some(bias) = bias
            && bias.shape() != [outputs]
        {
            let expected = format!(
                "the weight has shape {:?}: it must be [{outputs}], one number for each output",
                weight.shape()
            );
            return Err(fail("the bias", bias.shape(), expected));
        }
        let mut shape: Dims = rows.into();
        shape.push(outputs);
        let too_large = |x: &Tensor<T>| checked_numel(x.shape()).is_none();
        let rows = match checked_numel(rows) {
            Some(rows) if !too_large(self) && !too_large(weight) => rows,
            _ => return Err(Error::size(op, &shape)),
        };
        let viewed = match self.ndim() {
            2 => None,
            _ => match self.view([rows, inputs]) {
                Ok(tall) => Some(tall),
                Err(_) => {
                    // Rows that lie at no one distance from each other are multiplied batch by batch.
                    let y = self.matmul(&weight.t()).map_err(|e| e.named(op))?;
                    return bias.map_or(Ok(y.clone()), |b| y.add(b));
                }
            },
        };
        let tall = viewed.as_ref().unwrap_or(self);
        let (x, transposed) = (matrix(tall), matrix(weight).t());
        Tensor::build(op, &shape, |out| match bias {
            // Each row begins with the bias, and the product is added to it there.
            Some(bias) if outputs > 0 && !out.is_empty() => {
                bias.source().gather(0, &mut out[..outputs]);
                // Twice as many rows at a time, as long as they stay near: a call for each costs more than what it copies
                // where rows are short.
                let most = outputs * (NEAR / outputs).max(1);
                let mut done = outputs;
                while done < out.len() {
                    let more = done.min(most).min(out.len() - done);
                    out.copy_within(..more, done);
                    done += more;
                }
                gemm::matmul_add(x, transposed, out);
            }
            _ => gemm::matmul(x, transposed, out),
        })
    }
}

/// Elements that the cache nearest to a core holds beside others.
const NEAR: usize = 1 << 12;

/// Multiply-adds that take as long as a step of an elementwise operation.
const PER_STEP: usize = 8;

/// A two-dimensional tensor as the kernel takes it.
fn matrix<T: Number>(x: &Tensor<T>) -> Matrix<'_, T> {
    let (size, stride) = (x.shape(), x.strides());
    Matrix {
        data: x.buffer(),
        offset: x.layout().offset(),
        size: [size[0], size[1]],
        stride: [stride[0], stride[1]],
    }
}

fn batched<T: Number>(
    op: &'static str,
    a: &Tensor<T>,
    b: &Tensor<T>,
    batch: &Dims,
    shape: Dims,
) -> Result<Tensor<T>> {
    let [a_batch, b_batch] = [a, b].map(|x| {
        let n = x.ndim() - 2;
        let outer = Layout {
            shape: x.shape()[..n].into(),
            strides: x.strides()[..n].into(),
            offset: x.layout().offset(),
        };
        outer.broadcast_to(op, batch)
    });
    let (a_batch, b_batch) = (a_batch?, b_batch?);
    let part = |x: &Tensor<T>, offset: usize| {
        let n = x.ndim();
        let (shape, strides) = (x.shape()[n - 2..].into(), x.strides()[n - 2..].into());
        x.view_as_layout(Layout {
            shape,
            strides,
            offset,
        })
    };
    let (m, n) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    Tensor::build(op, &shape, |out| {
        if m * n == 0 {
            return;
        }
        let one = |i: usize, out: &mut [T]| {
            let index = crate::layout::unravel(i, batch);
            let a = part(a, a_batch.place(index.iter().copied()));
            let b = part(b, b_batch.place(index.iter().copied()));
            gemm::matmul(matrix(&a), matrix(&b), out);
        };
        // Small products are shared out whole; of a large one each thread has a part.
        let work = (m * n).saturating_mul(a.shape()[a.ndim() - 1]);
        if work >= gemm::SPLIT {
            let products = out.chunks_exact_mut(m * n).enumerate();
            return products.for_each(|(i, out)| one(i, out));
        }
        par::split(out, m * n, work / PER_STEP, |first, out| {
            for (i, out) in out.chunks_exact_mut(m * n).enumerate() {
                one(first + i, out);
            }
        });
    })
}
