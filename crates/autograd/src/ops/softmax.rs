//! Softmax and its logarithm: kernels in an ordinary pass, formulas where the pass is recorded.

use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use tensor_core::kernel::softmax::{log_softmax_backward_row, softmax_backward_row};
use tensor_core::kernel::{Isa, Kernel, dispatch};
use tensor_core::{Float, Result, keepdim, rows::map_rows2};

struct Softmax<T: Float> {
    dim: isize,
    log: bool,
    y: Saved<T>,
}

/// One row of either backward.
struct BackwardRow<'a, T> {
    y: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
    log: bool,
}
impl<T: Float> Kernel for BackwardRow<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        if self.log {
            log_softmax_backward_row::<I, T>(self.y, self.dy, self.dx)
        } else {
            softmax_backward_row(self.y, self.dy, self.dx)
        }
    }
}

impl<T: Float> Op<T> for Softmax<T> {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let (dim, log) = (self.dim, self.log);
        if dy.tape().is_none() {
            let op = Op::<T>::name(self);
            let dx = map_rows2(op, (self.y.value(), dy.value()), dim, |y, dy, dx| {
                dispatch(BackwardRow { y, dy, dx, log });
            })?;
            return Ok(Grads::one(dx.into()));
        }
        let y = self.y.on(dy);
        Ok(Grads::one(if log {
            dy.sub(y.exp().mul(dy.sum(keepdim(dim))?)?)?
        } else {
            y.mul(dy.sub(dy.mul(&y)?.sum(keepdim(dim))?)?)?
        }))
    }
}

impl<T: Float> Var<T> {
    /// `e^x / Σ e^x` along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn softmax(&self, dim: isize) -> Result<Var<T>> {
        Ok(self.record1(self.value().softmax(dim)?, |out| Softmax {
            dim,
            log: false,
            y: out.save(),
        }))
    }

    /// `x - ln Σ e^x` along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Result<Var<T>> {
        Ok(self.record1(self.value().log_softmax(dim)?, |out| Softmax {
            dim,
            log: true,
            y: out.save(),
        }))
    }
}
