//! The matrix product.

use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use tensor_core::{Float, Result};

/// Of two operands with at least two dimensions each.
struct MatMul<T: Float> {
    a: Saved<T>,
    b: Saved<T>,
}

impl<T: Float> Op<T> for MatMul<T> {
    fn name(&self) -> &'static str {
        "matmul"
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let (a, b) = (self.a.on(dy), self.b.on(dy));
        let da = if needs.get(0) {
            Some(dy.matmul(&b.t())?)
        } else {
            None
        };
        let db = if !needs.get(1) {
            None
        } else if b.ndim() == 2 && a.ndim() > 2 {
            // All batches went through one matrix: its gradient is one product over all their rows.
            let (k, n) = (b.shape()[0], b.shape()[1]);
            let rows: usize = a.shape()[..a.ndim() - 1].iter().product();
            Some(a.reshape([rows, k])?.t().matmul(&dy.reshape([rows, n])?)?)
        } else {
            Some(a.t().matmul(dy)?)
        };
        Ok(Grads::two(da, db))
    }
}

impl<T: Float> Var<T> {
    /// The matrix product in all of PyTorch's forms; see [`Tensor::matmul`](crate::Tensor::matmul).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the inner sizes differ, [`Error::Broadcast`](crate::Error::Broadcast)
    /// if batches do not broadcast.
    #[track_caller]
    pub fn matmul(&self, other: &Var<T>) -> Result<Var<T>> {
        let y = self.value().matmul(other.value())?;
        if self.ndim() >= 2 && other.ndim() >= 2 {
            return Var::record(&[self, other], y, |_| MatMul {
                a: self.save(),
                b: other.save(),
            });
        }
        // A vector is a matrix of one row or column.
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
        a.matmul(&b)?.reshape(y.shape())
    }
}
