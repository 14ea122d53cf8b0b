//! Linear algebra of small matrices: determinants, inverses, linear systems, Cholesky factors.
//!
//! Every method takes batches: all dimensions before the last two. The work is done in `f64` and rounded once, so `f32`
//! matrices lose nothing on the way. The factorisations are our own, in `lu.rs`, a few dozen lines each: crates that
//! have them bring more packages than the whole library may have, and are made for matrices of a thousand rows.

use crate::element::Float;
use crate::error::{Dims, Error, Result};
use crate::kernel::pool::Buffer;
use crate::layout::{broadcast, unravel};
use crate::lu::{self, Lu, Triangle};
use crate::tensor::Tensor;

/// Square matrices: the batch's shape, their size, and their elements in `f64`.
struct Squares {
    batch: Dims,
    n: usize,
    data: Vec<f64>,
}

impl Squares {
    fn new<T: Float>(op: &'static str, x: &Tensor<T>) -> Result<Self> {
        let batch = check_square(op, x.shape())?;
        let n = x.shape()[batch.len()];
        let data = x.try_contiguous(op)?.cast::<f64>().to_vec();
        Ok(Squares {
            batch: batch.into(),
            n,
            data,
        })
    }

    fn count(&self) -> usize {
        self.batch.iter().product()
    }

    fn matrix(&self, i: usize) -> &[f64] {
        let size = self.n * self.n;
        &self.data[i * size..(i + 1) * size]
    }

    /// One matrix for each, made by `f`; `None` where there is none, which `lacks` says the reason of.
    fn each<T: Float>(
        &self,
        op: &'static str,
        f: impl Fn(&[f64]) -> Option<Vec<f64>>,
        (value, expected): (&str, &'static str),
    ) -> Result<Tensor<T>> {
        let mut out = Vec::with_capacity(self.data.len());
        for i in 0..self.count() {
            match f(self.matrix(i)) {
                Some(made) => out.extend(made.iter().map(|&v| T::of(v))),
                None => return Err(lacks(op, unravel(i, &self.batch), value, expected)),
            }
        }
        let mut shape = self.batch.clone();
        shape.extend([self.n, self.n]);
        Ok(Tensor::from_buffer(Buffer::from_vec(out), shape))
    }
}

/// The batch of a shape whose last two dimensions are a square.
fn check_square<'a>(op: &'static str, shape: &'a [usize]) -> Result<&'a [usize]> {
    match shape {
        [batch @ .., n, m] if n == m => Ok(batch),
        _ => Err(Error::Shape {
            op,
            what: "the matrix",
            got: shape.into(),
            expected: "its last two sizes must be equal".into(),
        }),
    }
}

fn lacks(op: &'static str, at: Dims, value: &str, expected: &'static str) -> Error {
    Error::Value {
        op,
        what: "the matrix",
        at,
        value: value.into(),
        expected,
    }
}

const SINGULAR: (&str, &str) = ("singular", "only a matrix of full rank has an inverse");

/// What stands on the right of a linear system, for a matrix of shape `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// One vector for each matrix.
    Vector,
    /// Columns of a matrix.
    Matrix,
}

/// How PyTorch reads the right-hand side of shape `b` of a system with a matrix of shape `a`: as a vector if it is one,
/// or if it has the shape of `a` without the last size; else as a matrix, whose batch is broadcast.
///
/// # Errors
/// [`Error::Shape`] for a matrix that is not square, or a right-hand side of another number of rows.
pub fn side(op: &'static str, a: &[usize], b: &[usize]) -> Result<Side> {
    check_square(op, a)?;
    let rows = a[a.len() - 1];
    let vector = b.len() == 1 || (b.len() + 1 == a.len() && b == &a[..b.len()]);
    let own = if vector {
        b.last()
    } else {
        b.len().checked_sub(2).map(|i| &b[i])
    };
    if own != Some(&rows) {
        return Err(Error::Shape {
            op,
            what: "the right-hand side",
            got: b.into(),
            expected: format!("the matrix has shape {a:?}: it must have {rows} rows"),
        });
    }
    Ok(if vector { Side::Vector } else { Side::Matrix })
}

impl<T: Float> Tensor<T> {
    /// The determinant of the matrices in the last two dimensions.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// assert_eq!(Tensor::from([[1.0, 2.0], [3.0, 4.0]]).det()?.item()?, -2.0);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] for matrices that are not square.
    pub fn det(&self) -> Result<Tensor<T>> {
        let x = Squares::new("det", self)?;
        let dets = (0..x.count()).map(|i| T::of(Lu::new(x.matrix(i), x.n).det()));
        Tensor::from_vec(dets.collect(), &x.batch)
    }

    /// The sign of the determinant, and the logarithm of its magnitude: 0 and `-inf` for a singular matrix.
    ///
    /// # Errors
    /// [`Error::Shape`] for matrices that are not square.
    pub fn slogdet(&self) -> Result<(Tensor<T>, Tensor<T>)> {
        let x = Squares::new("slogdet", self)?;
        let parts = (0..x.count()).map(|i| Lu::new(x.matrix(i), x.n).slogdet());
        let (signs, logs): (Vec<T>, Vec<T>) = parts.map(|(s, l)| (T::of(s), T::of(l))).unzip();
        Ok((
            Tensor::from_vec(signs, &x.batch)?,
            Tensor::from_vec(logs, &x.batch)?,
        ))
    }

    /// The inverse of the matrices in the last two dimensions.
    ///
    /// # Errors
    /// [`Error::Shape`] for matrices that are not square, [`Error::Value`] for a singular one.
    #[doc(alias = "inv")]
    pub fn inverse(&self) -> Result<Tensor<T>> {
        let x = Squares::new("inverse", self)?;
        let n = x.n;
        let mut unit = vec![0.0; n * n];
        (0..n).for_each(|i| unit[i * n + i] = 1.0);
        let inverse = |a: &[f64]| {
            let lu = Lu::new(a, n);
            (!lu.is_singular()).then(|| lu.solve(&unit, n))
        };
        x.each("inverse", inverse, SINGULAR)
    }

    /// The matrices in the last two dimensions multiplied by themselves, `n` factors; by their inverses for a negative `n`.
    ///
    /// # Errors
    /// [`Error::Shape`] for matrices that are not square, [`Error::Value`] for a singular one and a negative
    /// `n`.
    pub fn matrix_power(&self, n: i32) -> Result<Tensor<T>> {
        let size = self.square_size("matrix_power")?;
        if n < 0 {
            return self
                .inverse()
                .map_err(|e| e.named("matrix_power"))?
                .power(size, n.unsigned_abs());
        }
        self.power(size, n.unsigned_abs())
    }

    /// `n` factors of matrices of so many rows, by squaring.
    fn power(&self, size: usize, n: u32) -> Result<Tensor<T>> {
        match n {
            0 => Tensor::eye(size, size)?.broadcast_to(self.shape()),
            1 => Ok(self.clone()),
            _ if n.is_multiple_of(2) => {
                let half = self.power(size, n / 2)?;
                half.matmul(&half)
            }
            _ => self.power(size, n - 1)?.matmul(self),
        }
    }

    /// The number of rows of the square matrices in the last two dimensions.
    ///
    /// # Errors
    /// [`Error::Shape`] for matrices that are not square.
    pub fn square_size(&self, op: &'static str) -> Result<usize> {
        let batch = check_square(op, self.shape())?;
        Ok(self.shape()[batch.len()])
    }

    /// The transposed matrices of cofactors: `A adj(A) = det(A) I`, also for singular ones.
    ///
    /// # Errors
    /// [`Error::Shape`] for matrices that are not square.
    pub fn adjugate(&self) -> Result<Tensor<T>> {
        let x = Squares::new("adjugate", self)?;
        let n = x.n;
        x.each("adjugate", |a| Some(lu::adjugate(a, n)), SINGULAR)
    }

    /// The lower triangular `L` with `L Lᵀ` equal to this matrix, which is symmetric and positive definite; only its
    /// lower triangle is read.
    ///
    /// # Errors
    /// [`Error::Shape`] for matrices that are not square, [`Error::Value`] for one that is not positive definite.
    pub fn cholesky(&self) -> Result<Tensor<T>> {
        let x = Squares::new("cholesky", self)?;
        let why = (
            "not positive definite",
            "only a positive definite matrix has a Cholesky factor",
        );
        x.each("cholesky", |a| lu::cholesky(a, x.n), why)
    }

    /// The `x` with `A x = b`: `b` is a vector, or a matrix whose columns are solved for; [`side`] says which.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let a = Tensor::from([[2.0, 0.0], [0.0, 4.0]]);
    /// assert_eq!(a.solve(&Tensor::from([2.0, 2.0]))?.to_vec(), [1.0, 0.5]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] for matrices that are not square or a `b` of another number of rows, [`Error::Broadcast`] if
    /// batches do not broadcast, [`Error::Value`] for a singular matrix.
    pub fn solve(&self, b: &Tensor<T>) -> Result<Tensor<T>> {
        let n = self.shape().last().copied().unwrap_or(0);
        self.system("solve", b, |a, b, m| {
            let lu = Lu::new(a, n);
            (!lu.is_singular()).then(|| lu.solve(b, m))
        })
    }

    /// As [`Tensor::solve`], where only the upper or lower triangle of this matrix counts, with ones on its diagonal if
    /// `unitriangular`. A 0 on the diagonal gives infinities, as in PyTorch.
    ///
    /// # Errors
    /// As [`Tensor::solve`], but for singular matrices.
    pub fn solve_triangular(
        &self,
        b: &Tensor<T>,
        upper: bool,
        unitriangular: bool,
    ) -> Result<Tensor<T>> {
        let n = self.shape().last().copied().unwrap_or(0);
        let triangle = Triangle {
            upper,
            unit: unitriangular,
        };
        self.system("solve_triangular", b, |a, b, m| {
            let mut x = b.to_vec();
            lu::substitute(a, n, &mut x, m, triangle);
            Some(x)
        })
    }

    /// Each system of a batch, solved by `f(matrix, columns, number of columns)`.
    fn system(
        &self,
        op: &'static str,
        b: &Tensor<T>,
        f: impl Fn(&[f64], &[f64], usize) -> Option<Vec<f64>>,
    ) -> Result<Tensor<T>> {
        let vector = side(op, self.shape(), b.shape())? == Side::Vector;
        let columns = if vector { b.unsqueeze(-1)? } else { b.clone() };
        let (na, nb) = (self.ndim() - 2, columns.ndim() - 2);
        let batch = broadcast(op, &self.shape()[..na], &columns.shape()[..nb])?;
        let with = |tail: &[usize]| Dims::from([&batch[..], tail].concat());
        let (n, m) = (self.shape()[na], columns.shape()[nb + 1]);
        let a = self.broadcast_for(op, &with(&[n, n]))?.cast::<f64>();
        let columns = columns.broadcast_for(op, &with(&[n, m]))?.cast::<f64>();
        let (a, columns) = (a.try_contiguous(op)?, columns.try_contiguous(op)?);
        let count: usize = batch.iter().product();
        let (a, columns) = (a.to_vec(), columns.to_vec());
        let mut out = Vec::with_capacity(count * n * m);
        for i in 0..count {
            let (a, b) = (
                &a[i * n * n..(i + 1) * n * n],
                &columns[i * n * m..(i + 1) * n * m],
            );
            match f(a, b, m) {
                Some(x) => out.extend(x.iter().map(|&v| T::of(v))),
                None => {
                    let expected = "only a matrix of full rank has one solution";
                    return Err(lacks(op, unravel(i, &batch), "singular", expected));
                }
            }
        }
        let x = Tensor::from_buffer(Buffer::from_vec(out), with(&[n, m]));
        if vector { x.squeeze(-1) } else { Ok(x) }
    }
}
