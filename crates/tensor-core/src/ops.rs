//! The operators `+ - * /` and unary `-`, which call the methods of the same meaning.

use crate::element::{Float, Number};
use crate::error::sure;
use crate::map::{Operand, Scalar};
use crate::tensor::Tensor;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// One operator between tensors and tensors or numbers, on either side. It expands to impls that call the method
/// and panic with its error.
macro_rules! operator {
    ($trait:ident $op:ident $method:ident $bound:ident) => {
        impl<T: $bound, O: Operand<T>> $trait<O> for &Tensor<T> {
            type Output = Tensor<T>;
            /// # Panics
            /// Where the method of the same name returns an error, with its message.
            #[track_caller]
            fn $op(self, other: O) -> Tensor<T> {
                sure(Tensor::$method(self, other))
            }
        }
        impl<T: $bound, O: Operand<T>> $trait<O> for Tensor<T> {
            type Output = Tensor<T>;
            /// # Panics
            /// Where the method of the same name returns an error, with its message.
            #[track_caller]
            fn $op(self, other: O) -> Tensor<T> {
                sure(Tensor::$method(&self, other))
            }
        }
    };
}
operator!(Add add add Number);
operator!(Sub sub sub Number);
operator!(Mul mul mul Number);
operator!(Div div div Float);

/// A number on the left: `2.0 * &x`. With one float and one integer type, a literal needs no suffix.
macro_rules! scalar_left {
    ($($scalar:ty => $($trait:ident $op:ident $bound:ident),*;)*) => { $($(
        impl<T: $bound> $trait<&Tensor<T>> for $scalar {
            type Output = Tensor<T>;
            /// # Panics
            /// If the number is no value of the tensor's element type.
            #[track_caller]
            fn $op(self, x: &Tensor<T>) -> Tensor<T> {
                let left = sure(self.element(stringify!($op)));
                sure(Tensor::$op(&Tensor::scalar(left), x))
            }
        }
        impl<T: $bound> $trait<Tensor<T>> for $scalar {
            type Output = Tensor<T>;
            /// # Panics
            /// If the number is no value of the tensor's element type.
            #[track_caller]
            fn $op(self, x: Tensor<T>) -> Tensor<T> {
                self.$op(&x)
            }
        }
    )*)* };
}
scalar_left! {
    f64 => Add add Number, Sub sub Number, Mul mul Number, Div div Float;
    i32 => Add add Number, Sub sub Number, Mul mul Number, Div div Float;
}

impl<T: Number> Neg for &Tensor<T> {
    type Output = Tensor<T>;
    fn neg(self) -> Tensor<T> {
        Tensor::neg(self)
    }
}

impl<T: Number> Neg for Tensor<T> {
    type Output = Tensor<T>;
    fn neg(self) -> Tensor<T> {
        Tensor::neg(&self)
    }
}

impl<T: Number> Tensor<T> {
    /// Adds `other`, of the same shape, in place where no other tensor sees this buffer.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes differ.
    pub fn add_assign(&mut self, other: &Tensor<T>) -> crate::Result<()> {
        if self.shape() != other.shape() {
            let expected = format!("it must have the shape {:?} of the sum", self.shape());
            let got = other.shape().into();
            return Err(crate::Error::Shape {
                op: "add_assign",
                what: "the summand",
                got,
                expected,
            });
        }
        if self.strides() == other.strides()
            && let Some(b) = other.run()
            && let Some(a) = self.own_run()
        {
            crate::kernel::par::split(a, 1, 1, |start, a| {
                let n = a.len();
                a.iter_mut()
                    .zip(&b[start..start + n])
                    .for_each(|(a, b)| *a = a.plus(*b));
            });
            return Ok(());
        }
        *self = Tensor::add(self, other).map_err(|e| e.named("add_assign"))?;
        Ok(())
    }

    /// The elements as they lie in memory, if they are one run in some order of dimensions.
    fn run(&self) -> Option<&[T]> {
        let order = self.layout().memory_order();
        let start = self.layout().offset();
        let whole = self.layout().permute(&order).is_contiguous() && self.numel() > 0;
        whole.then(|| &self.buffer()[start..start + self.numel()])
    }
}
