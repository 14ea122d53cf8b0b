//! Running results along one dimension.

use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use tensor_core::{Float, Result, Tensor};

struct CumSum(isize);
impl<T: Float> Op<T> for CumSum {
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(from_the_end(dy, self.0, |x, d| x.cumsum(d))?))
    }
}

/// A running result that starts from the end.
fn from_the_end<T: Float>(
    x: &Var<T>,
    dim: isize,
    run: impl Fn(&Var<T>, isize) -> Result<Var<T>>,
) -> Result<Var<T>> {
    if x.ndim() == 0 {
        return run(x, dim);
    }
    run(&x.flip(dim)?, dim)?.flip(dim)
}

struct CumProd<T: Float> {
    dim: isize,
    x: Saved<T>,
    y: Saved<T>,
}
impl<T: Float> Op<T> for CumProd<T> {
    fn name(&self) -> &'static str {
        "cumprod"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let (x, y) = (self.x.on(dy), self.y.on(dy));
        if x.ndim() == 0 {
            return Ok(Grads::one(dy.clone()));
        }
        if !x.value().eq(T::ZERO)?.any(..)?.item()? {
            let sums = from_the_end(&dy.mul(&y)?, self.dim, |x, d| x.cumsum(d))?;
            return Ok(Grads::one(sums.div(&x)?));
        }
        // With a zero among them, the products without element i cannot be had by division: row i of a square holds
        // all elements but with 1 in place of i, and of its running products those from place i on have i in them.
        let (x, dy) = (x.movedim(self.dim, -1)?, dy.movedim(self.dim, -1)?);
        let mut square: tensor_core::Dims = x.shape().into();
        let n = square[square.len() - 1];
        square.push(n);
        let own = Tensor::<bool>::eye(n, n)?.broadcast_to(&square)?;
        let others = x.unsqueeze(-2)?.broadcast_to(&square)?;
        let products = others.masked_fill(&own, T::ONE)?.cumprod(-1)?;
        let terms = products.mul(dy.unsqueeze(-2)?)?.triu(0)?;
        Ok(Grads::one(terms.sum(-1)?.movedim(-1, self.dim)?))
    }
}

struct LogCumSumExp<T: Float> {
    dim: isize,
    x: Saved<T>,
    y: Saved<T>,
}
impl<T: Float> Op<T> for LogCumSumExp<T> {
    fn name(&self) -> &'static str {
        "logcumsumexp"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        // Σ dy_k e^(x_i - y_k) over k >= i, where neither exponential may be taken on its own: the logarithms of the
        // positive and of the negative gradients are summed up from the end.
        let (x, y) = (self.x.on(dy), self.y.on(dy));
        let part = |dy: &Var<T>| -> Result<Var<T>> {
            let positive = dy.value().gt(T::ZERO)?;
            // The lowest finite value stands for -inf, which would be NaN in a difference.
            let lowest = Var::from(dy.value().full_like(-T::MAX));
            let log = dy
                .where_(&positive, Var::from(dy.value().ones_like()))?
                .log();
            let log = log.where_(&positive, lowest)?;
            let sums = from_the_end(&log.sub(&y)?, self.dim, |x, d| x.logcumsumexp(d))?;
            Ok(sums.add(&x)?.exp())
        };
        Ok(Grads::one(part(dy)?.sub(part(&dy.neg())?)?))
    }
}

impl<T: Float> Var<T> {
    /// Running sums along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn cumsum(&self, dim: isize) -> Result<Var<T>> {
        Ok(self.record1(self.value().cumsum(dim)?, |_| CumSum(dim)))
    }

    /// Running products along `dim`; zeros are no hindrance to its gradient.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn cumprod(&self, dim: isize) -> Result<Var<T>> {
        Ok(self.record1(self.value().cumprod(dim)?, |out| CumProd {
            dim,
            x: self.save(),
            y: out.save(),
        }))
    }

    /// Running `ln Σ e^x` along `dim`, without overflow.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn logcumsumexp(&self, dim: isize) -> Result<Var<T>> {
        let y = self.value().logcumsumexp(dim)?;
        Ok(self.record1(y, |out| LogCumSumExp {
            dim,
            x: self.save(),
            y: out.save(),
        }))
    }

    /// The largest element so far along `dim` and its index, the last of equal ones. The gradient goes to that element.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn cummax(&self, dim: isize) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().cummax(dim)?;
        Ok((self.gather(dim, &index)?, index))
    }

    /// The smallest element so far along `dim` and its index, the last of equal ones. The gradient goes to that element.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn cummin(&self, dim: isize) -> Result<(Var<T>, Tensor<i64>)> {
        let (_, index) = self.value().cummin(dim)?;
        Ok((self.gather(dim, &index)?, index))
    }
}
