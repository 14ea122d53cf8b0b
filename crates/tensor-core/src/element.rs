//! The element types, and what kernels may ask of them.

use crate::error::Result;
use crate::kernel::isa::Isa;
use crate::kernel::math::Math;
use crate::kernel::pool::{AtHand, Pool};
use crate::map::Opnd;
use crate::shape::Axes;
use crate::tensor::Tensor;
use std::fmt::{Debug, Display};
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::thread::LocalKey;

/// The name of an element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// 64-bit signed integer.
    I64,
    /// Truth value.
    Bool,
}

impl DType {
    /// `f32`, `f64`, `i64` or `bool`.
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::I64 => "i64",
            DType::Bool => "bool",
        }
    }
}

impl Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What a tensor may hold: `f32`, `f64`, `i64` or `bool`.
pub trait Element:
    crate::map::Scalar
    + Copy
    + Debug
    + Display
    + Default
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + 'static
{
    /// The type's name.
    const DTYPE: DType;
    /// Zero, or `false`.
    const ZERO: Self;
    /// One, or `true`.
    const ONE: Self;
    /// What a sum of elements is: the type itself for numbers, and `i64` for truth values, whose sum is a count.
    type Total: Number;
    /// Where buffers of this type wait to be used again.
    #[doc(hidden)]
    fn pool() -> &'static Pool<Self>;
    /// The small buffers of this type that this thread has at hand.
    #[doc(hidden)]
    fn at_hand() -> &'static LocalKey<AtHand<Self>>;
    /// [`Tensor::sum`].
    #[doc(hidden)]
    fn sum_of(x: &Tensor<Self>, axes: &Axes) -> Result<Tensor<Self::Total>>;
    /// The nearest `f64`; `false` and `true` are 0 and 1.
    fn to_f64(self) -> f64;
    /// From an `f64`: rounded for `f32`, truncated and saturated for `i64`, `!= 0` for `bool`.
    fn from_f64(value: f64) -> Self;
    /// From an `i64`: rounded for floats, `!= 0` for `bool`.
    fn from_i64(value: i64) -> Self;
    /// To an `i64`: truncated and saturated; NaN is 0.
    fn to_i64(self) -> i64;
    /// Whether this is NaN.
    #[inline(always)]
    fn is_nan_(self) -> bool {
        false
    }
}

/// An element type with arithmetic: `f32`, `f64`, and `i64`, which wraps around on overflow as PyTorch's does.
pub trait Number: Element<Total = Self> {
    /// The type that sums and products of many elements are carried in: `f64` for floats.
    type Acc: Number;
    /// The smallest value: `-inf` for floats.
    const LOWEST: Self;
    /// The largest value: `inf` for floats.
    const HIGHEST: Self;
    /// `self + b`
    fn plus(self, b: Self) -> Self;
    /// `self - b`
    fn minus(self, b: Self) -> Self;
    /// `self * b`
    fn times(self, b: Self) -> Self;
    /// `self * b + c`, rounded once where the instruction set can.
    #[doc(hidden)]
    #[inline(always)]
    fn times_plus<I: Isa>(self, b: Self, c: Self) -> Self {
        self.times(b).plus(c)
    }
    /// `|self|`
    fn magnitude(self) -> Self;
    /// What is left of `self` when `b` was taken away as often as it goes into it: it has the sign of `self`. `b` is
    /// not 0 if these are integers.
    fn rem_trunc(self, b: Self) -> Self;
    /// [`Number::rem_trunc`] without a call, for operands that are [`Number::rem_near`] each other.
    #[doc(hidden)]
    #[inline(always)]
    fn rem_of_near<I: Isa>(self, b: Self) -> Self {
        self.rem_trunc(b)
    }
    /// Whether [`Number::rem_of_near`] serves.
    #[doc(hidden)]
    #[inline(always)]
    fn rem_near<I: Isa>(self, _b: Self) -> bool {
        true
    }
    /// `self / b` as a whole number, rounded down or towards 0, where `rest` is [`Number::rem_trunc`] of both. `b` is not 0
    /// if these are integers.
    fn quotient(self, b: Self, rest: Self, floor: bool) -> Self;
    /// [`Tensor::pow`].
    #[doc(hidden)]
    fn pow_of(x: &Tensor<Self>, exponent: Opnd<'_, Self>) -> Result<Tensor<Self>>;
    /// Into the accumulator.
    fn widen(self) -> Self::Acc;
    /// Back from the accumulator, rounded once.
    fn narrow(acc: Self::Acc) -> Self;
}

/// A floating element type: `f32` or `f64`.
pub trait Float:
    Number<Acc = f64>
    + Math
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Positive infinity.
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// The distance from 1 to the next larger value.
    const EPSILON: Self;
    /// The smallest positive normal value.
    const TINY: Self;
    /// The largest finite value.
    const MAX: Self;
    /// The nearest value to a constant.
    fn of(value: f64) -> Self;
    /// Exact widening.
    fn f64(self) -> f64;
    /// `|self|`
    fn abs_(self) -> Self;
    /// The larger of two, or the other where one is NaN.
    fn max_(self, b: Self) -> Self;
    /// The smaller of two, or the other where one is NaN.
    fn min_(self, b: Self) -> Self;
    /// Whether this is neither infinite nor NaN.
    fn finite(self) -> bool;
    /// The square root.
    fn sqrt_(self) -> Self;
    /// The sign of `sign` on the magnitude of `self`.
    fn with_sign(self, sign: Self) -> Self;
    /// The number of representable values between two of them; 0 for equal ones, `u64::MAX` if exactly one is NaN.
    fn ulps(self, b: Self) -> u64;
}

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    const ZERO: bool = false;
    const ONE: bool = true;
    type Total = i64;
    fn sum_of(x: &Tensor<bool>, axes: &Axes) -> Result<Tensor<i64>> {
        crate::reduce::count("sum", x, axes)
    }
    fn pool() -> &'static Pool<bool> {
        static POOL: Pool<bool> = Pool::new();
        &POOL
    }
    fn at_hand() -> &'static LocalKey<AtHand<bool>> {
        thread_local! {
            static AT_HAND: AtHand<bool> = const { AtHand::new() };
        }
        &AT_HAND
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn from_f64(value: f64) -> bool {
        value != 0.0
    }
    fn from_i64(value: i64) -> bool {
        value != 0
    }
    fn to_i64(self) -> i64 {
        i64::from(self)
    }
}

impl Element for i64 {
    const DTYPE: DType = DType::I64;
    const ZERO: i64 = 0;
    const ONE: i64 = 1;
    type Total = i64;
    fn sum_of(x: &Tensor<i64>, axes: &Axes) -> Result<Tensor<i64>> {
        crate::reduce::sum(x, axes)
    }
    fn pool() -> &'static Pool<i64> {
        static POOL: Pool<i64> = Pool::new();
        &POOL
    }
    fn at_hand() -> &'static LocalKey<AtHand<i64>> {
        thread_local! {
            static AT_HAND: AtHand<i64> = const { AtHand::new() };
        }
        &AT_HAND
    }
    fn to_f64(self) -> f64 {
        self as f64
    }
    fn from_f64(value: f64) -> i64 {
        value as i64
    }
    fn from_i64(value: i64) -> i64 {
        value
    }
    fn to_i64(self) -> i64 {
        self
    }
}

impl Number for i64 {
    type Acc = i64;
    const LOWEST: i64 = i64::MIN;
    const HIGHEST: i64 = i64::MAX;
    #[inline(always)]
    fn plus(self, b: i64) -> i64 {
        self.wrapping_add(b)
    }
    #[inline(always)]
    fn minus(self, b: i64) -> i64 {
        self.wrapping_sub(b)
    }
    #[inline(always)]
    fn times(self, b: i64) -> i64 {
        self.wrapping_mul(b)
    }
    #[inline(always)]
    fn magnitude(self) -> i64 {
        self.wrapping_abs()
    }
    #[inline(always)]
    fn rem_trunc(self, b: i64) -> i64 {
        self.wrapping_rem(b)
    }
    #[inline(always)]
    fn quotient(self, b: i64, rest: i64, floor: bool) -> i64 {
        let q = self.wrapping_div(b);
        q - i64::from(floor && rest != 0 && (rest < 0) != (b < 0))
    }
    // Inlined so that a program which takes no powers is not compiled together with them; so below.
    #[inline]
    fn pow_of(x: &Tensor<i64>, exponent: Opnd<'_, i64>) -> Result<Tensor<i64>> {
        crate::quotient::pow(x, exponent)
    }
    #[inline(always)]
    fn widen(self) -> i64 {
        self
    }
    #[inline(always)]
    fn narrow(acc: i64) -> i64 {
        acc
    }
}

/// The three traits for one floating type. It lists, for `f32` and `f64` alike, calls of the type's own methods.
macro_rules! float {
    ($t:ident, $dtype:ident) => {
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            const ZERO: $t = 0.0;
            const ONE: $t = 1.0;
            type Total = $t;
            fn sum_of(x: &Tensor<$t>, axes: &Axes) -> Result<Tensor<$t>> {
                crate::reduce::sum(x, axes)
            }
            fn pool() -> &'static Pool<$t> {
                static POOL: Pool<$t> = Pool::new();
                &POOL
            }
            fn at_hand() -> &'static LocalKey<AtHand<$t>> {
                thread_local! {
                    static AT_HAND: AtHand<$t> = const { AtHand::new() };
                }
                &AT_HAND
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn from_f64(value: f64) -> $t {
                value as $t
            }
            fn from_i64(value: i64) -> $t {
                value as $t
            }
            fn to_i64(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn is_nan_(self) -> bool {
                self.is_nan()
            }
        }
        impl Number for $t {
            type Acc = f64;
            const LOWEST: $t = $t::NEG_INFINITY;
            const HIGHEST: $t = $t::INFINITY;
            #[inline(always)]
            fn plus(self, b: $t) -> $t {
                self + b
            }
            #[inline(always)]
            fn minus(self, b: $t) -> $t {
                self - b
            }
            #[inline(always)]
            fn times(self, b: $t) -> $t {
                self * b
            }
            #[inline(always)]
            fn times_plus<I: Isa>(self, b: $t, c: $t) -> $t {
                self.mul_add_::<I>(b, c)
            }
            #[inline(always)]
            fn magnitude(self) -> $t {
                self.abs()
            }
            #[inline(always)]
            fn rem_trunc(self, b: $t) -> $t {
                // The remainder of two values of a type is a value of that type, so the detour rounds nothing.
                (self as f64 % b as f64) as $t
            }
            #[inline(always)]
            fn rem_of_near<I: Isa>(self, b: $t) -> $t {
                // Adding it to a small number rounds that to a whole one.
                const MAGIC: $t = 1.5 / $t::EPSILON;
                let (x, y) = (self.abs(), b.abs());
                let q = x / y + MAGIC - MAGIC;
                // Exact: the product has no more bits than the wider format, or is not rounded at all, and the difference
                // has no more than one of `x` and `y`.
                let rest = if I::FMA {
                    (-q).mul_add(y, x)
                } else {
                    (x as f64 - q as f64 * y as f64) as $t
                };
                // The whole number may be that above the quotient.
                let rest = if rest < 0.0 { rest + y } else { rest };
                let rest = if y == $t::INFINITY { x } else { rest };
                rest.copysign(self)
            }
            #[inline(always)]
            fn rem_near<I: Isa>(self, b: $t) -> bool {
                // Products of `f64` have no wider format. NaN, an infinity and any number to a divisor of 0 are not near.
                (I::FMA || $t::DIGITS < 10) & (self.abs() < b.abs() * 2_097_152.0)
            }
            #[inline(always)]
            fn quotient(self, b: $t, rest: $t, floor: bool) -> $t {
                if !floor {
                    return (self / b).trunc();
                }
                // The quotient without its remainder is whole but for rounding.
                let below = (rest != 0.0) & ((rest < 0.0) != (b < 0.0));
                let q = (self - rest) / b - if below { 1.0 } else { 0.0 };
                let q = if q == 0.0 {
                    (0.0 as $t).copysign(self / b)
                } else {
                    q.round_ties_even()
                };
                if b == 0.0 { self / b } else { q }
            }
            #[inline]
            fn pow_of(x: &Tensor<$t>, exponent: Opnd<'_, $t>) -> Result<Tensor<$t>> {
                crate::arith::pow(x, exponent)
            }
            #[inline(always)]
            fn widen(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn narrow(acc: f64) -> $t {
                acc as $t
            }
        }
        impl Float for $t {
            const INFINITY: $t = $t::INFINITY;
            const NAN: $t = $t::NAN;
            const EPSILON: $t = $t::EPSILON;
            const TINY: $t = $t::MIN_POSITIVE;
            const MAX: $t = $t::MAX;
            #[inline(always)]
            fn of(value: f64) -> $t {
                value as $t
            }
            #[inline(always)]
            fn f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn abs_(self) -> $t {
                self.abs()
            }
            #[inline(always)]
            fn max_(self, b: $t) -> $t {
                if self > b || b != b { self } else { b }
            }
            #[inline(always)]
            fn min_(self, b: $t) -> $t {
                if self < b || b != b { self } else { b }
            }
            #[inline(always)]
            fn finite(self) -> bool {
                self.abs() < $t::INFINITY
            }
            #[inline(always)]
            fn sqrt_(self) -> $t {
                self.sqrt()
            }
            #[inline(always)]
            fn with_sign(self, sign: $t) -> $t {
                self.copysign(sign)
            }
            fn ulps(self, b: $t) -> u64 {
                if self == b || (self.is_nan() && b.is_nan()) {
                    return 0;
                }
                if self.is_nan() || b.is_nan() {
                    return u64::MAX;
                }
                // Bits of one sign count upwards from zero, so a value's rank is its bits with the sign applied.
                let rank = |x: $t| {
                    let magnitude = x.abs().to_bits() as i128;
                    if x.is_sign_negative() {
                        -magnitude
                    } else {
                        magnitude
                    }
                };
                u64::try_from((rank(self) - rank(b)).abs()).unwrap_or(u64::MAX)
            }
        }
    };
}
float!(f32, F32);
float!(f64, F64);
