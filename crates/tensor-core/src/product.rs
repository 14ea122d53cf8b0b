//! Products of vectors and matrices by their own names, which insist on the number of dimensions.

use crate::element::Number;
use crate::error::{Error, Result};
use crate::kernel::isa::Isa;
use crate::kernel::{Kernel, dispatch, par};
use crate::tensor::Tensor;

/// The numbers of dimensions that the product `op` takes, left and right.
fn ranks(op: &str) -> [usize; 2] {
    match op {
        "dot" | "outer" => [1, 1],
        "mv" | "addmv" => [2, 1],
        "bmm" | "baddbmm" => [3, 3],
        _ => [2, 2],
    }
}

/// Whether operands of these shapes have a product `op`: one of `dot`, `outer`, `mm`, `mv`, `bmm`, `addmm`, `addmv`,
/// `baddbmm`.
///
/// # Errors
/// [`Error::Shape`] for another number of dimensions, for inner sizes that differ, and for batches that do.
pub fn check_product(op: &'static str, lhs: &[usize], rhs: &[usize]) -> Result<()> {
    for (what, got, rank) in [
        ("the left operand", lhs, ranks(op)[0]),
        ("the right operand", rhs, ranks(op)[1]),
    ] {
        if got.len() != rank {
            return Err(Error::Shape {
                op,
                what,
                got: got.into(),
                expected: format!("it must have {rank} dimensions"),
            });
        }
    }
    let inner = rhs[rhs.len().saturating_sub(2)];
    let fits = op == "outer" || lhs.last() == Some(&inner) && (lhs.len() < 3 || lhs[0] == rhs[0]);
    if fits {
        return Ok(());
    }
    Err(Error::Shape {
        op,
        what: "the right operand",
        got: rhs.into(),
        expected: format!("the left operand has shape {lhs:?}: inner sizes and batches must agree"),
    })
}

/// A product that is a matrix product of checked operands.
macro_rules! product {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl<T: Number> Tensor<T> {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`Error::Shape`] for operands of another number of dimensions, or sizes that do not agree.
                pub fn $name(&self, other: &Tensor<T>) -> Result<Tensor<T>> {
                    check_product(stringify!($name), self.shape(), other.shape())?;
                    self.matmul(other)
                }
            )*
        }
    };
}
product! {
    /// `Σ aᵢ bᵢ` of two vectors.
    dot;
    /// The product of two matrices.
    mm;
    /// The product of a matrix and a vector.
    mv;
    /// The products of as many pairs of matrices as the first dimension holds.
    bmm;
}

impl<T: Number> Tensor<T> {
    /// `out[i][j] = a[i] b[j]` of two vectors.
    ///
    /// # Errors
    /// [`Error::Shape`] for operands that are no vectors.
    pub fn outer(&self, other: &Tensor<T>) -> Result<Tensor<T>> {
        check_product("outer", self.shape(), other.shape())?;
        let (a, b) = (
            self.try_contiguous("outer")?,
            other.try_contiguous("outer")?,
        );
        let (a, b) = (a.as_slice().unwrap_or(&[]), b.as_slice().unwrap_or(&[]));
        Tensor::build("outer", [a.len(), b.len()], |out| {
            par::split(out, b.len(), b.len(), |first, out| {
                dispatch(Outer(&a[first..], b, out));
            });
        })
    }

    /// `beta · c + alpha · a b` for this `c`, which is broadcast to the product; a `beta` of 0 leaves `c` out, with
    /// its NaN.
    ///
    /// # Errors
    /// [`Error::Shape`] for operands that are no matrices of agreeing sizes, [`Error::Broadcast`] if `c` does not
    /// broadcast to their product.
    pub fn addmm(&self, a: &Tensor<T>, b: &Tensor<T>, beta: T, alpha: T) -> Result<Tensor<T>> {
        self.add_product("addmm", (a, b), beta, alpha)
    }

    /// As [`Tensor::addmm`] for a matrix and a vector.
    ///
    /// # Errors
    /// As [`Tensor::addmm`].
    pub fn addmv(&self, a: &Tensor<T>, b: &Tensor<T>, beta: T, alpha: T) -> Result<Tensor<T>> {
        self.add_product("addmv", (a, b), beta, alpha)
    }

    /// As [`Tensor::addmm`] for batches of matrices.
    ///
    /// # Errors
    /// As [`Tensor::addmm`].
    pub fn baddbmm(&self, a: &Tensor<T>, b: &Tensor<T>, beta: T, alpha: T) -> Result<Tensor<T>> {
        self.add_product("baddbmm", (a, b), beta, alpha)
    }

    fn add_product(
        &self,
        op: &'static str,
        (a, b): (&Tensor<T>, &Tensor<T>),
        beta: T,
        alpha: T,
    ) -> Result<Tensor<T>> {
        check_product(op, a.shape(), b.shape())?;
        let product = a.matmul(b)?.mul(alpha)?;
        let c = self.broadcast_to(product.shape())?;
        if beta == T::ZERO {
            return Ok(product);
        }
        c.mul(beta)?.add(&product)
    }
}

/// `out[i][j] = a[i] b[j]`
struct Outer<'a, T>(&'a [T], &'a [T], &'a mut [T]);
impl<T: Number> Kernel for Outer<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Outer(a, b, out) = self;
        for (out, &a) in out.chunks_exact_mut(b.len().max(1)).zip(a) {
            for (o, &b) in out.iter_mut().zip(b) {
                *o = a.times(b);
            }
        }
    }
}
