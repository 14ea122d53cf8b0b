//! Linear algebra of small matrices.

use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use tensor_core::linalg::{Side, side};
use tensor_core::{Ellipsis, Float, Result, Tensor, i};

/// A number for each matrix as a matrix of one element.
fn as_matrix<T: Float>(x: &Var<T>) -> Result<Var<T>> {
    x.unsqueeze(-1)?.unsqueeze(-1)
}

struct Det<T: Float> {
    a: Saved<T>,
    y: Saved<T>,
}
impl<T: Float> Op<T> for Det<T> {
    fn name(&self) -> &'static str {
        "det"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let (a, y) = (self.a.on(dy), self.y.on(dy));
        let dy_matrix = as_matrix(dy)?;
        // The slopes are the cofactors.
        let cofactors = if dy.tape().is_none() {
            Var::from(a.value().adjugate()?.t())
        } else if y.value().eq(T::ZERO)?.any(..)?.item()? {
            minors(&a)?
        } else {
            a.inverse()?.t().mul(as_matrix(&y)?)?
        };
        Ok(Grads::one(dy_matrix.mul(cofactors)?))
    }
}

/// The cofactors as determinants of the matrices that are left without a row and a column. That is slow, but a singular
/// matrix has no inverse to make them of where they are to be differentiated again.
fn minors<T: Float>(a: &Var<T>) -> Result<Var<T>> {
    let n = a.shape()[a.ndim() - 1];
    let rest = |i: usize| (0..n).filter(move |&j| j != i).map(|j| j as i64);
    let left: Vec<i64> = (0..n).flat_map(rest).collect();
    let width = n.saturating_sub(1);
    let rows = Tensor::from_vec(left.clone(), [n, 1, width, 1])?;
    let columns = Tensor::from_vec(left, [1, n, 1, width])?;
    let signs = (0..n * n).map(|k| {
        T::of(if (k / n + k % n).is_multiple_of(2) {
            1.0
        } else {
            -1.0
        })
    });
    let signs = Tensor::from_vec(signs.collect(), [n, n])?;
    let parts = a.index(i![Ellipsis, rows, columns])?;
    parts.det()?.mul(Var::from(signs))
}

struct LogDet<T: Float> {
    a: Saved<T>,
}
impl<T: Float> Op<T> for LogDet<T> {
    fn name(&self) -> &'static str {
        "slogdet"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let inverse = (self.a.on(dy).inverse()).map_err(|e| e.named("slogdet"))?;
        Ok(Grads::one(as_matrix(dy)?.mul(inverse.t())?))
    }
}

struct Inverse<T: Float> {
    y: Saved<T>,
}
impl<T: Float> Op<T> for Inverse<T> {
    fn name(&self) -> &'static str {
        "inverse"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let y = self.y.on(dy).t();
        Ok(Grads::one(y.matmul(dy)?.matmul(&y)?.neg()))
    }
}

struct Cholesky<T: Float> {
    l: Saved<T>,
}
impl<T: Float> Op<T> for Cholesky<T> {
    fn name(&self) -> &'static str {
        "cholesky"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        // dA = L⁻ᵀ S L⁻¹, where S is the symmetric half of the lower triangle of Lᵀ dL.
        let l = self.l.on(dy);
        let lower = l.t().matmul(dy)?.tril(0)?;
        let half = lower.add(lower.tril(-1)?.t())?.mul(0.5)?;
        let left = l.t().solve_triangular(&half, true, false)?;
        let both = l.t().solve_triangular(&left.t(), true, false)?;
        Ok(Grads::one(both.t()))
    }
}

/// A linear system, or a triangular one: `upper` and `unitriangular` of it.
struct Solve<T: Float> {
    a: Saved<T>,
    x: Saved<T>,
    triangle: Option<(bool, bool)>,
}
impl<T: Float> Op<T> for Solve<T> {
    fn name(&self) -> &'static str {
        if self.triangle.is_some() {
            "solve_triangular"
        } else {
            "solve"
        }
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let (a, x) = (self.a.on(dy), self.x.on(dy));
        let db = match self.triangle {
            Some((upper, unit)) => a.t().solve_triangular(dy, !upper, unit)?,
            None => a.t().solve(dy)?,
        };
        let da = if needs.get(0) {
            let da = db.matmul(&x.t())?.neg();
            Some(match self.triangle {
                Some((true, unit)) => da.triu(isize::from(unit))?,
                Some((false, unit)) => da.tril(-isize::from(unit))?,
                None => da,
            })
        } else {
            None
        };
        Ok(Grads::two(da, Some(db)))
    }
}

impl<T: Float> Var<T> {
    /// The determinant of the matrices in the last two dimensions; singular matrices have gradients too.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for matrices that are not square.
    #[track_caller]
    pub fn det(&self) -> Result<Var<T>> {
        Ok(self.record1(self.value().det()?, |out| Det {
            a: self.save(),
            y: out.save(),
        }))
    }

    /// The sign of the determinant, a constant, and the logarithm of its magnitude; a singular matrix has no gradient,
    /// and backward says so.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for matrices that are not square.
    #[track_caller]
    pub fn slogdet(&self) -> Result<(Tensor<T>, Var<T>)> {
        let (sign, log) = self.value().slogdet()?;
        Ok((sign, self.record1(log, |_| LogDet { a: self.save() })))
    }

    /// The inverse of the matrices in the last two dimensions.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for matrices that are not square, [`Error::Value`](crate::Error::Value) for
    /// a singular one.
    #[track_caller]
    pub fn inverse(&self) -> Result<Var<T>> {
        let y = self.value().inverse()?;
        Ok(self.record1(y, |out| Inverse { y: out.save() }))
    }

    /// The matrices in the last two dimensions multiplied by themselves, `n` factors; by their inverses for a negative `n`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for matrices that are not square, [`Error::Value`](crate::Error::Value) for a singular one and a negative
    /// `n`.
    #[track_caller]
    pub fn matrix_power(&self, n: i32) -> Result<Var<T>> {
        let size = self.value().square_size("matrix_power")?;
        if n < 0 {
            return self
                .inverse()
                .map_err(|e| e.named("matrix_power"))?
                .power(size, n.unsigned_abs());
        }
        self.power(size, n.unsigned_abs())
    }

    /// `n` factors of matrices of so many rows, by squaring.
    #[track_caller]
    fn power(&self, size: usize, n: u32) -> Result<Var<T>> {
        match n {
            0 => Ok(Tensor::eye(size, size)?.broadcast_to(self.shape())?.into()),
            1 => Ok(self.clone()),
            _ if n.is_multiple_of(2) => {
                let half = self.power(size, n / 2)?;
                half.matmul(&half)
            }
            _ => self.power(size, n - 1)?.matmul(self),
        }
    }

    /// The lower triangular `L` with `L Lᵀ` equal to this matrix; see [`Tensor::cholesky`]. The gradient is symmetric.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for matrices that are not square, [`Error::Value`](crate::Error::Value) for
    /// one that is not positive definite.
    #[track_caller]
    pub fn cholesky(&self) -> Result<Var<T>> {
        let l = self.value().cholesky()?;
        Ok(self.record1(l, |out| Cholesky { l: out.save() }))
    }

    /// The `x` with `A x = b`, for a vector or columns of a matrix; see [`Tensor::solve`].
    ///
    /// # Errors
    /// As [`Tensor::solve`].
    #[track_caller]
    pub fn solve(&self, b: &Var<T>) -> Result<Var<T>> {
        self.system("solve", b, None)
    }

    /// As [`Var::solve`] for a triangle of this matrix; see [`Tensor::solve_triangular`].
    ///
    /// # Errors
    /// As [`Tensor::solve_triangular`].
    #[track_caller]
    pub fn solve_triangular(&self, b: &Var<T>, upper: bool, unitriangular: bool) -> Result<Var<T>> {
        self.system("solve_triangular", b, Some((upper, unitriangular)))
    }

    #[track_caller]
    fn system(
        &self,
        op: &'static str,
        b: &Var<T>,
        triangle: Option<(bool, bool)>,
    ) -> Result<Var<T>> {
        if side(op, self.shape(), b.shape())? == Side::Vector {
            // One vector for all matrices becomes one for each, so that its column is not taken for another vector.
            let one = b.broadcast_to(&self.shape()[..self.ndim() - 1])?;
            return self.system(op, &one.unsqueeze(-1)?, triangle)?.squeeze(-1);
        }
        let x = match triangle {
            Some((upper, unit)) => (self.value()).solve_triangular(b.value(), upper, unit)?,
            None => self.value().solve(b.value())?,
        };
        Var::record(&[self, b], x, |out| Solve {
            a: self.save(),
            x: out.save(),
            triangle,
        })
    }
}
