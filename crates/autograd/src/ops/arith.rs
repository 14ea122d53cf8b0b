//! The operators `+ - * /` and unary `-` on values.

use crate::var::{IntoVar, Var};
use std::ops::{Add, Div, Mul, Neg, Sub};
use tensor_core::error::sure;
use tensor_core::{Float, Scalar, Tensor};

/// One operator, with any operand on the right. It expands to impls that call the method and panic with its error.
macro_rules! operator {
    ($($trait:ident $op:ident;)*) => { $(
        impl<T: Float, O: IntoVar<T>> $trait<O> for &Var<T> {
            type Output = Var<T>;
            /// # Panics
            /// Where the method of the same name returns an error, with its message.
            #[track_caller]
            fn $op(self, other: O) -> Var<T> {
                sure(Var::$op(self, other))
            }
        }
        impl<T: Float, O: IntoVar<T>> $trait<O> for Var<T> {
            type Output = Var<T>;
            /// # Panics
            /// Where the method of the same name returns an error, with its message.
            #[track_caller]
            fn $op(self, other: O) -> Var<T> {
                sure(Var::$op(&self, other))
            }
        }
    )* };
}
operator! { Add add; Sub sub; Mul mul; Div div; }

/// A number on the left: `1.0 - &x`. With one float and one integer type, a literal needs no suffix.
macro_rules! scalar_left {
    ($($scalar:ty),*: $($trait:ident $op:ident),*) => { scalar_left!(@ [$($scalar)*] [$($trait $op)*]); };
    (@ [$($scalar:ty)*] $ops:tt) => { $(scalar_left!(@@ $scalar, $ops);)* };
    (@@ $scalar:ty, [$($trait:ident $op:ident)*]) => { $(
        impl<T: Float> $trait<&Var<T>> for $scalar {
            type Output = Var<T>;
            #[track_caller]
            fn $op(self, x: &Var<T>) -> Var<T> {
                let left = Tensor::scalar(sure(self.element(stringify!($op))));
                $trait::$op(&Var::from(left), x)
            }
        }
        impl<T: Float> $trait<Var<T>> for $scalar {
            type Output = Var<T>;
            #[track_caller]
            fn $op(self, x: Var<T>) -> Var<T> {
                $trait::$op(self, &x)
            }
        }
    )* };
}
scalar_left!(f64, i32: Add add, Sub sub, Mul mul, Div div);

impl<T: Float> Neg for &Var<T> {
    type Output = Var<T>;
    #[track_caller]
    fn neg(self) -> Var<T> {
        Var::neg(self)
    }
}

impl<T: Float> Neg for Var<T> {
    type Output = Var<T>;
    #[track_caller]
    fn neg(self) -> Var<T> {
        Var::neg(&self)
    }
}
