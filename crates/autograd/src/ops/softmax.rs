//! Softmax and its logarithm: kernels in an ordinary pass, formulas where the pass is recorded.

use crate::one_hot::OneHot;
use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use tensor_core::kernel::columns::{
    Columns, FEW, TOGETHER, log_softmax_backward_columns, softmax_backward_columns,
};
use tensor_core::kernel::lanes::WIDTH;
use tensor_core::kernel::rows::RowBlock;
use tensor_core::kernel::softmax::{
    log_softmax_backward_one_hot, log_softmax_backward_row, softmax_backward_row,
};
use tensor_core::kernel::standing::Neighbours;
use tensor_core::kernel::{Isa, Kernel, dispatch};
use tensor_core::rows::{map_blocks, map_blocks2, map_standing};
use tensor_core::{Float, Result, keepdim};

struct Softmax<T: Float> {
    dim: isize,
    log: bool,
    y: Saved<T>,
}

/// Rows of either backward.
struct BackwardRows<'a, T> {
    len: usize,
    y: RowBlock<'a, T>,
    dy: RowBlock<'a, T>,
    dx: &'a mut [T],
    log: bool,
}
impl<T: Float> Kernel for BackwardRows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let BackwardRows {
            len,
            y,
            dy,
            dx,
            log,
        } = self;
        if len <= FEW {
            // Short ones side by side.
            let mut columns = [Columns::empty(); 2];
            for (i, dx) in dx.chunks_mut(WIDTH * len).enumerate() {
                let n = dx.len() / len;
                for (columns, rows) in columns.iter_mut().zip([y, dy]) {
                    columns.read(rows, i * WIDTH, n, len);
                }
                let [y, dy] = &mut columns;
                if log {
                    log_softmax_backward_columns(y, dy);
                } else {
                    softmax_backward_columns(y, dy);
                }
                dy.write(dx);
            }
            return;
        }
        for (i, dx) in dx.chunks_exact_mut(len).enumerate() {
            if log {
                log_softmax_backward_row::<I, T>(y.row(i), dy.row(i), dx);
            } else {
                softmax_backward_row::<I, T>(y.row(i), dy.row(i), dx);
            }
        }
    }
}

/// Rows of the backward of log-softmax, from the first one on, where `dy` has one element for each.
struct OneHotRows<'a, T: Float> {
    first: usize,
    y: RowBlock<'a, T>,
    dy: &'a OneHot<T>,
    dx: &'a mut [T],
}
impl<T: Float> Kernel for OneHotRows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let OneHotRows { first, y, dy, dx } = self;
        let len = y.row_len();
        if len <= FEW {
            let mut columns = [Columns::empty(); 2];
            for (i, dx) in dx.chunks_mut(WIDTH * len).enumerate() {
                let (at, n) = (i * WIDTH, dx.len() / len);
                let [y_columns, dy_columns] = &mut columns;
                y_columns.read(y, at, n, len);
                dy_columns.fill(len, T::ZERO);
                for row in 0..n {
                    let (place, value) = dy.at(first + at + row);
                    dy_columns.set(row, place, value);
                }
                log_softmax_backward_columns(y_columns, dy_columns);
                dy_columns.write(dx);
            }
            return;
        }
        for (i, dx) in dx.chunks_exact_mut(len).enumerate() {
            log_softmax_backward_one_hot::<I, T>(y.row(i), dy.at(first + i), dx);
        }
    }
}

/// [`BackwardRows`] of few classes that stand, into a strip of such rows.
struct StandingBackward<'a, 'o, T> {
    rows: [Neighbours<'a, 'a, T>; 2],
    dx: &'a mut [&'o mut [T]],
    log: bool,
}
impl<T: Float> Kernel for StandingBackward<'_, '_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let mut groups = [[Columns::empty(); TOGETHER]; 2];
        let width = self.dx.first().map_or(0, |column| column.len());
        for at in (0..width).step_by(TOGETHER * WIDTH) {
            for (groups, rows) in groups.iter_mut().zip(self.rows) {
                Columns::read_standing(groups, rows, at, (TOGETHER * WIDTH).min(width - at));
            }
            let [y, dy] = &mut groups;
            for (y, dy) in y.iter().zip(dy.iter_mut()) {
                if self.log {
                    log_softmax_backward_columns(y, dy);
                } else {
                    softmax_backward_columns(y, dy);
                }
            }
            Columns::write_standing(dy, self.dx, at);
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
            let pair = [self.y.value(), dy.value()];
            if let Some(dx) = map_standing(op, pair, dim, |rows, dx| {
                dispatch(StandingBackward { rows, dx, log })
            }) {
                return Ok(Grads::one(dx?.into()));
            }
            let dx = map_blocks2(op, (self.y.value(), dy.value()), dim, |len, y, dy, dx| {
                dispatch(BackwardRows {
                    len,
                    y,
                    dy,
                    dx,
                    log,
                });
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
    fn backward_one_hot(&self, dy: &OneHot<T>, needs: Needs) -> Result<Grads<T>> {
        let (op, y) = (Op::<T>::name(self), self.y.value());
        if !self.log || y.dim_index(op, self.dim)? != dy.dim() {
            return self.backward(&dy.whole()?.into(), needs);
        }
        let dx = map_blocks(op, y, self.dim, |first, y, dx| {
            dispatch(OneHotRows { first, y, dy, dx });
        })?;
        Ok(Grads::one(dx.into()))
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
