//! Quotients rounded to whole numbers, and the remainders that go with them; for integers too.

use crate::element::{DType, Float, Number};
use crate::error::{Dims, Error, Result};
use crate::kernel::isa::Isa;
use crate::kernel::map::{Binary, Unary};
use crate::map::{Operand, Opnd, binary};
use crate::tensor::Tensor;

/// Methods of two numbers: a row `/// doc. name = Kernel |a, b| formula;` becomes a kernel and a method.
macro_rules! quotients {
    ($($(#[$doc:meta])* $name:ident = $kernel:ident |$a:ident, $b:ident| $value:expr;)*) => {
        $(
            #[derive(Clone, Copy)]
            struct $kernel;
            impl<T: Number> Binary<T, T, T> for $kernel {
                const COST: usize = 20;
                #[inline(always)]
                fn at<I: Isa>(self, $a: T, $b: T) -> T { $value }
            }
        )*
        impl<T: Number> Tensor<T> {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`Error::Broadcast`] if the shapes do not broadcast, [`Error::Value`] for an integer divided by 0,
                /// [`Error::Convert`] for a number that is no value of this type.
                pub fn $name(&self, other: impl Operand<T>) -> Result<Tensor<T>> {
                    check_divisor(stringify!($name), &other)?;
                    binary(stringify!($name), $kernel, self, &other)
                }
            )*
        }
    };
}

quotients! {
    /// The remainder of `a / b` with the sign of `a`, as in C.
    fmod = Fmod |a, b| a.rem_trunc(b);
    /// The remainder of `a / b` with the sign of `b`, as in Python.
    remainder = Remainder |a, b| rem_floor(a, b);
    /// `a / b` rounded down: PyTorch's `div` with `rounding_mode="floor"`. Of floats it is the floor of the exact
    /// quotient, not of the rounded one.
    #[doc(alias = "floor_divide")]
    div_floor = DivFloor |a, b| a.quotient(b, true);
    /// `a / b` rounded towards 0: PyTorch's `div` with `rounding_mode="trunc"`.
    div_trunc = DivTrunc |a, b| a.quotient(b, false);
}

#[inline(always)]
fn rem_floor<T: Number>(a: T, b: T) -> T {
    let r = a.rem_trunc(b);
    if r != T::ZERO && (r < T::ZERO) != (b < T::ZERO) {
        r.plus(b)
    } else {
        r
    }
}

/// An integer has no quotient by 0; a float has an infinity or NaN.
fn check_divisor<T: Number>(op: &'static str, divisor: &impl Operand<T>) -> Result<()> {
    if T::DTYPE != DType::I64 {
        return Ok(());
    }
    let zero = match divisor.operand(op)? {
        Opnd::Scalar(b) => (b == T::ZERO).then(Dims::new),
        Opnd::Tensor(b) => b.find(|b| b == T::ZERO).map(|(at, _)| at),
    };
    match zero {
        None => Ok(()),
        Some(at) => Err(Error::Value {
            op,
            what: "the divisor",
            at,
            value: "0".into(),
            expected: "an integer can be divided by others only",
        }),
    }
}

#[derive(Clone, Copy)]
struct PowWhole;
impl Binary<i64, i64, i64> for PowWhole {
    const COST: usize = 10;
    #[inline(always)]
    fn at<I: Isa>(self, a: i64, b: i64) -> i64 {
        match (u64::try_from(b), a) {
            (Ok(b), _) => power(a, b),
            // The nearest whole number of a fraction towards 0.
            (Err(_), 1) => 1,
            (Err(_), -1) if b % 2 == 0 => 1,
            (Err(_), -1) => -1,
            _ => 0,
        }
    }
}

/// `a^b` modulo 2^64.
fn power(mut a: i64, mut b: u64) -> i64 {
    let mut y = 1i64;
    while b > 0 {
        if b % 2 == 1 {
            y = y.wrapping_mul(a);
        }
        a = a.wrapping_mul(a);
        b /= 2;
    }
    y
}

/// [`Tensor::pow`] of integers; inlined for the reason given at its caller.
#[inline]
pub(crate) fn pow(x: &Tensor<i64>, exponent: Opnd<'_, i64>) -> Result<Tensor<i64>> {
    match exponent {
        Opnd::Scalar(b @ ..0) => Err(Error::Option {
            op: "pow",
            name: "exponent",
            value: b.to_string(),
            expected: "a negative power of an integer is none: cast to a float first",
        }),
        Opnd::Scalar(b) => binary("pow", PowWhole, x, &b),
        Opnd::Tensor(b) => binary("pow", PowWhole, x, b),
    }
}

/// Rounds to a number of digits behind the point, or before it.
#[derive(Clone, Copy)]
struct RoundTo<T> {
    scale: T,
    up: bool,
}
impl<T: Float> Unary<T, T> for RoundTo<T> {
    const COST: usize = 4;
    #[inline(always)]
    fn at<I: Isa>(self, x: T) -> T {
        if self.up {
            (x * self.scale).round_even::<I>() / self.scale
        } else {
            (x / self.scale).round_even::<I>() * self.scale
        }
    }
}

impl<T: Float> Tensor<T> {
    /// The nearest number with `decimals` digits behind the point, or, for a negative number, with that many zeros
    /// before it; of two the one whose last digit is even, as far as the digits are binary numbers.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([1.26, 125.0]);
    /// assert_eq!(x.round_to(1).to_vec(), [1.3, 125.0]);
    /// assert_eq!(x.round_to(-1).to_vec(), [0.0, 120.0]);
    /// ```
    pub fn round_to(&self, decimals: i32) -> Tensor<T> {
        self.unary(RoundTo {
            scale: T::of(10f64.powi(decimals.saturating_abs())),
            up: decimals > 0,
        })
    }
}
