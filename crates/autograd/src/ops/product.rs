//! Products of vectors and matrices by their own names, which insist on the number of dimensions.

use crate::var::Var;
use tensor_core::{Float, Result, product::check_product};

/// A product that is a matrix product of checked operands.
macro_rules! product {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl<T: Float> Var<T> {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`Error::Shape`](crate::Error::Shape) for operands of another number of dimensions, or sizes that do
                /// not agree.
                #[track_caller]
                pub fn $name(&self, other: &Var<T>) -> Result<Var<T>> {
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

impl<T: Float> Var<T> {
    /// `out[i][j] = a[i] b[j]` of two vectors.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for operands that are no vectors.
    #[track_caller]
    pub fn outer(&self, other: &Var<T>) -> Result<Var<T>> {
        check_product("outer", self.shape(), other.shape())?;
        self.unsqueeze(1)?.mul(other)
    }

    /// `beta · c + alpha · a b` for this `c`, which is broadcast to the product of two matrices; a `beta` of 0 leaves
    /// `c` out, with its NaN.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for operands that do not agree,
    /// [`Error::Broadcast`](crate::Error::Broadcast) if `c` does not broadcast to their product.
    #[track_caller]
    pub fn addmm(&self, a: &Var<T>, b: &Var<T>, beta: T, alpha: T) -> Result<Var<T>> {
        self.add_product("addmm", (a, b), beta, alpha)
    }

    /// As [`Var::addmm`] for a matrix and a vector.
    ///
    /// # Errors
    /// As [`Var::addmm`].
    #[track_caller]
    pub fn addmv(&self, a: &Var<T>, b: &Var<T>, beta: T, alpha: T) -> Result<Var<T>> {
        self.add_product("addmv", (a, b), beta, alpha)
    }

    /// As [`Var::addmm`] for batches of matrices.
    ///
    /// # Errors
    /// As [`Var::addmm`].
    #[track_caller]
    pub fn baddbmm(&self, a: &Var<T>, b: &Var<T>, beta: T, alpha: T) -> Result<Var<T>> {
        self.add_product("baddbmm", (a, b), beta, alpha)
    }

    #[track_caller]
    fn add_product(
        &self,
        op: &'static str,
        (a, b): (&Var<T>, &Var<T>),
        beta: T,
        alpha: T,
    ) -> Result<Var<T>> {
        check_product(op, a.shape(), b.shape())?;
        let product = a.matmul(b)?.mul(alpha)?;
        let c = self.broadcast_to(product.shape())?;
        if beta == T::ZERO {
            return Ok(product);
        }
        c.mul(beta)?.add(&product)
    }
}
