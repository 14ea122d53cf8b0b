//! Running results along one dimension.

use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use tensor_core::rows::map_rows2;
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
}
impl<T: Float> Op<T> for LogCumSumExp<T> {
    fn name(&self) -> &'static str {
        "logcumsumexp"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(shares(&self.x.on(dy), dy, self.dim, true)?))
    }
}

/// Of the shares `s_ik = e^(x_i - y_k)` that elements `i <= k` have in the running sums `y_k`, the products with a vector:
/// from behind, `Σ_k s_ik w_k`, which is the gradient of `logcumsumexp`, or from the front, `Σ_i w_i s_ik`. The gradient of
/// either is made of both, so that they can be differentiated any number of times.
struct Shares<T: Float> {
    dim: isize,
    from_behind: bool,
    x: Saved<T>,
    w: Saved<T>,
}
impl<T: Float> Op<T> for Shares<T> {
    fn name(&self) -> &'static str {
        "logcumsumexp_backward"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let (x, w) = (self.x.on(dy), self.w.on(dy));
        let dw = shares(&x, dy, self.dim, !self.from_behind)?;
        // Both forms are Σ v_i s_ik w_k, and the slope of s_ik in x_j is s_ik (δ_ij - s_jk).
        let (v, u, g) = match self.from_behind {
            true => (dy, dw.mul(&w)?, shares(&x, &w, self.dim, true)?),
            false => (&w, dy.mul(shares(&x, &w, self.dim, false)?)?, dw.clone()),
        };
        let dx = v.mul(g)?.sub(shares(&x, &u, self.dim, true)?)?;
        Ok(Grads::two(Some(dx), Some(dw)))
    }
}

fn shares<T: Float>(x: &Var<T>, w: &Var<T>, dim: isize, from_behind: bool) -> Result<Var<T>> {
    let kernel = if from_behind { behind } else { front };
    let y = map_rows2("logcumsumexp", (x.value(), w.value()), dim, kernel)?;
    Var::record(&[x, w], y, |_| Shares {
        dim,
        from_behind,
        x: x.save(),
        w: w.save(),
    })
}

/// The running `y` of a row, in `f64`.
fn running<T: Float>(x: &[T]) -> Vec<f64> {
    let mut sum = f64::NEG_INFINITY;
    let add = |x: &T| {
        sum = log_add_exp(sum, x.f64());
        sum
    };
    x.iter().map(add).collect()
}

/// `e^(a - b)`; equal infinities have no difference, and their quotient is 1.
fn quotient(a: f64, b: f64) -> f64 {
    if a == b { 1.0 } else { (a - b).exp() }
}

/// `r_i e^(x_i - y_i)` with `r_i = r_(i+1) e^(y_i - y_(i+1)) + w_i`: no exponent is above 0, as `y` never falls.
fn behind<T: Float>(x: &[T], w: &[T], out: &mut [T]) {
    let y = running(x);
    let mut r = 0.0;
    for i in (0..x.len()).rev() {
        if i + 1 < x.len() {
            r *= quotient(y[i], y[i + 1]);
        }
        r += w[i].f64();
        out[i] = T::of(r * (x[i].f64() - y[i]).exp());
    }
}

/// `u_k = u_(k-1) e^(y_(k-1) - y_k) + w_k e^(x_k - y_k)`
fn front<T: Float>(x: &[T], w: &[T], out: &mut [T]) {
    let y = running(x);
    let mut u = 0.0;
    for k in 0..x.len() {
        if k > 0 {
            u *= quotient(y[k - 1], y[k]);
        }
        u += w[k].f64() * (x[k].f64() - y[k]).exp();
        out[k] = T::of(u);
    }
}

/// `ln(e^a + e^b)`
fn log_add_exp(a: f64, b: f64) -> f64 {
    if a == b && a.is_infinite() {
        return a;
    }
    let high = if a > b || a.is_nan() { a } else { b };
    high + (-(a - b).abs()).exp().ln_1p()
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
        Ok(self.record1(y, |_| LogCumSumExp {
            dim,
            x: self.save(),
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
