//! Quotients rounded to whole numbers, and the remainders that go with them; for integers too.

use crate::element::{DType, Float, Number};
use crate::error::{Dims, Error, Result};
use crate::kernel::isa::Isa;
use crate::kernel::map::{Binary, Unary};
use crate::map::{Operand, Opnd, binary};
use crate::tensor::Tensor;

/// Methods of two numbers: a row `/// doc. name = Kernel(asked) |a, b, rest| formula;` becomes a kernel and a method, where
/// `rest` is what a division of `a` by `b` leaves, with the sign of `a`, and `asked` says whether the formula asks for it.
macro_rules! quotients {
    ($($(#[$doc:meta])* $name:ident = $kernel:ident($asked:literal) |$a:ident, $b:ident, $rest:ident| $value:expr;)*) => {
        $(
            #[derive(Clone, Copy)]
            struct $kernel;
            impl<T: Number> Binary<T, T, T> for $kernel {
                const COST: usize = 8;
                const USUAL: bool = $asked && !matches!(T::DTYPE, DType::I64);
                #[inline(always)]
                fn at<I: Isa>(self, $a: T, $b: T) -> T {
                    let $rest = $a.rem_trunc($b);
                    $value
                }
                #[inline(always)]
                fn usual<I: Isa>(self, $a: T, $b: T) -> (T, bool) {
                    let $rest = $a.rem_of_near::<I>($b);
                    ($value, $a.rem_near::<I>($b))
                }
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
    fmod = Fmod(true) |a, b, rest| rest;
    /// The remainder of `a / b` with the sign of `b`, as in Python.
    remainder = Remainder(true) |a, b, rest| if (rest != T::ZERO) & ((rest < T::ZERO) != (b < T::ZERO)) { rest.plus(b) } else { rest };
    /// `a / b` rounded down: PyTorch's `div` with `rounding_mode="floor"`. Of floats it is the floor of the exact
    /// quotient, not of the rounded one.
    #[doc(alias = "floor_divide")]
    div_floor = DivFloor(true) |a, b, rest| a.quotient(b, rest, true);
    /// `a / b` rounded towards 0: PyTorch's `div` with `rounding_mode="trunc"`.
    div_trunc = DivTrunc(false) |a, b, rest| a.quotient(b, rest, false);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::dispatch::{Kernel, each_path};

    /// Numbers of any bits, of like sizes and special ones, in pairs whose rare ones stand between others.
    fn pairs() -> Vec<(f64, f64)> {
        let mut all = Vec::new();
        let any = |i: u32| f64::from(f32::from_bits(i.wrapping_mul(2_654_435_769)));
        for i in 0..40_000u32 {
            all.push((any(i), any(i ^ 0x55)));
            let (x, y) = (any(3 * i), f64::from(i % 997 + 1) * 0.013);
            let like = x % 1024.0;
            all.extend([(like, y), (y, like), (like, -y * 1e-4)]);
            // Multiples and their neighbours, where the quotient rounds.
            let (y, n) = (f64::from(y as f32), f64::from(i % 4001));
            let x = (y * n) as f32;
            all.extend([x.next_up(), x, -x.next_down()].map(|x| (f64::from(x), y)));
        }
        let sizes = [
            0.0,
            1e-45,
            1e-38,
            0.7,
            1.0,
            3.0,
            2_097_151.0,
            2_097_152.0,
            4e6,
            3.4e38,
            f64::INFINITY,
            f64::NAN,
        ];
        for x in sizes {
            for y in sizes {
                all.extend([(x, y), (-x, y), (x, -y), (-x, -y)]);
            }
        }
        all
    }

    /// The kernels of one type against `std`, which rounds no remainder.
    fn check<T: Float>() {
        let (x, y): (Vec<T>, Vec<T>) = pairs()
            .into_iter()
            .map(|(x, y)| (T::of(x), T::of(y)))
            .unzip();
        struct Near<'a, T>(&'a [T], &'a [T]);
        impl<T: Float> Kernel for Near<'_, T> {
            type Out = Vec<Option<T>>;
            #[inline(always)]
            fn run<I: Isa>(self) -> Vec<Option<T>> {
                let each = self.0.iter().zip(self.1);
                each.map(|(x, &y)| x.rem_near::<I>(y).then(|| x.rem_of_near::<I>(y)))
                    .collect()
            }
        }
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        let rest = |x: T, y: T| x.f64() % y.f64();
        for (path, got) in each_path(|| Near(&x, &y)) {
            let served = got.iter().flatten().count();
            let few = path == "portable" && T::DTYPE == DType::F64;
            assert!(
                few || served > got.len() / 2,
                "{path}: {served} of {}",
                got.len()
            );
            for ((&x, &y), got) in x.iter().zip(&y).zip(got) {
                let want = rest(x, y);
                assert!(
                    got.is_none_or(|got| same(got.f64(), want)),
                    "{path}: {x} mod {y} is {got:?}, not {want:e}"
                );
            }
        }
        // Blocks of which some elements are rare, whole and not.
        for n in [1, 63, 64, 65, 1000, x.len()] {
            let (x, y) = (&x[x.len() - n..], &y[y.len() - n..]);
            let (tx, ty) = (Tensor::from(x.to_vec()), Tensor::from(y.to_vec()));
            let (fmod, remainder) = (
                tx.fmod(&ty).unwrap().to_vec(),
                tx.remainder(&ty).unwrap().to_vec(),
            );
            for i in 0..n {
                let (x, y, want) = (x[i], y[i], rest(x[i], y[i]));
                assert!(
                    same(fmod[i].f64(), want),
                    "fmod of {x} and {y}: {}",
                    fmod[i]
                );
                let opposite = want != 0.0 && (want < 0.0) != (y.f64() < 0.0);
                let want = if opposite {
                    (T::of(want) + y).f64()
                } else {
                    want
                };
                assert!(
                    same(remainder[i].f64(), want),
                    "remainder of {x} and {y}: {}",
                    remainder[i]
                );
            }
        }
    }

    #[test]
    fn remainders_are_exact_on_every_path() {
        check::<f32>();
        check::<f64>();
    }
}
