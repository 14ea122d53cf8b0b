//! The scalar mathematics that kernels inline.
//!
//! Most functions have neither branch nor call nor table: a loop over slices becomes vector code under whichever
//! features its function has. The others are calls: in single precision `cbrt` and `hypot`, `lgamma` and `digamma` near
//! their negative zeros,
//! and `sin`, `cos` and `tan` far from 0; in double precision all from `cbrt` on. Where the bound in single precision is
//! 0.51, the function comes by way of double precision and is off by the last rounding alone.
//!
//! The two bounds are the largest errors measured for `f32` and for `f64` in units in the last place (ulp), with and
//! without fused multiply-add; those of plain calls hold for the C library they were measured with.
#[cfg(target_arch = "x86_64")]
mod avx512;
mod exp;
mod gamma;
mod log;
mod power;
mod real;
mod special;
#[cfg(test)]
mod tests;
mod wide;

use crate::kernel::isa::Isa;

/// Elementary and special functions of a floating-point number; NaN leads to NaN, edges are those of C99.
pub trait Math: Copy {
    /// Arguments up to this size have circular functions without a branch; 0 where none has.
    const NEAR: Self;

    /// Whether functions come by way of a wider format, and are vectors where those of the widest are calls.
    const NARROW: bool;

    /// `self · b + c`, rounded once where the instruction set can and twice elsewhere.
    fn mul_add_<I: Isa>(self, b: Self, c: Self) -> Self;

    /// `e^x`. At most 0.51 and 0.91 ulp.
    fn exp<I: Isa>(self) -> Self;
    /// `out[i] = e^x[i]` as far as both go, where there is a faster way for many numbers than for one, within the same bound;
    /// else nothing, and false. The bits are not always those of [`Math::exp`], but do not depend on what else is in the slice. What is
    /// `far` is asked for ahead.
    fn exp_all(x: &[Self], out: &mut [Self], far: bool) -> bool {
        let _ = (x, out, far);
        false
    }
    /// `e^x` for an `x` that is not above 0, in fewer steps. At most 1.05 and 0.91 ulp.
    fn exp_nonpositive<I: Isa>(self) -> Self;
    /// `e^x` as a sum of two numbers, the second one small, for where most of it cancels. The sum is off by at most 0.25
    /// ulp (0.7 without fused multiply-add), and by more where it is a denormal; where the first is infinite, the second is of no use.
    fn exp_parts<I: Isa>(self) -> (Self, Self);
    /// `e^x - 1`. At most 0.81 and 0.68 ulp.
    fn expm1<I: Isa>(self) -> Self;
    /// `ln x`. At most 0.51 and 0.64 ulp.
    fn ln<I: Isa>(self) -> Self;
    /// `ln x` in fewer steps, for loops that have others beside it. At most 0.91 and 0.64 ulp.
    fn ln_short<I: Isa>(self) -> Self;
    /// `ln(1 + x)`. At most 0.97 and 0.64 ulp.
    fn log1p<I: Isa>(self) -> Self;
    /// `2^x`. At most 1.05 and 1.06 ulp.
    fn exp2<I: Isa>(self) -> Self;
    /// `log₂ x`. At most 0.51 and 1.88 ulp.
    fn log2<I: Isa>(self) -> Self;
    /// `log₁₀ x`. At most 0.51 and 1.54 ulp.
    fn log10<I: Isa>(self) -> Self;
    /// `(e^x - e^-x) / (e^x + e^-x)`. At most 0.51 and 1.34 ulp.
    fn tanh<I: Isa>(self) -> Self;
    /// [`Math::tanh`] of a slice, as [`Math::exp_all`].
    fn tanh_all(x: &[Self], out: &mut [Self], far: bool) -> bool {
        let _ = (x, out, far);
        false
    }
    /// `x - tanh x`, relatively accurate near 0. At most 0.51 and 22 ulp.
    fn tanhshrink<I: Isa>(self) -> Self;
    /// `1 / (1 + e^-x)`, relatively accurate in both tails. At most 2 and 1.92 ulp.
    fn sigmoid<I: Isa>(self) -> Self;
    /// `ln(1 + e^x)`, relatively accurate in both tails. At most 1.16 and 0.76 ulp.
    fn softplus<I: Isa>(self) -> Self;
    /// `ln(1 + e^x)` for an `x` that is not above 0, in fewer steps: it begins with [`Math::exp_nonpositive`] of `x`, which
    /// is computed once where both are asked for. At most 1.74 and 1.46 ulp.
    fn softplus_nonpositive<I: Isa>(self) -> Self;
    /// `ln(1 / (1 + e^-x))`, which is `-softplus(-x)`. At most 1.16 and 0.76 ulp.
    fn log_sigmoid<I: Isa>(self) -> Self;
    /// `x · tanh(softplus(x))`, and its limit at -∞, -0. At most 0.51 and 2.6 ulp.
    fn mish<I: Isa>(self) -> Self;
    /// `√x`, an instruction. At most 0.5 and 0.5 ulp.
    fn sqrt<I: Isa>(self) -> Self;
    /// `1 / √x`, two instructions. At most 1.5 and 1.37 ulp.
    fn rsqrt<I: Isa>(self) -> Self;
    /// `∛x`. At most 0.51 and 0.51 ulp.
    fn cbrt<I: Isa>(self) -> Self;
    /// `sin x`. At most 0.51 and 0.52 ulp.
    fn sin<I: Isa>(self) -> Self;
    /// `cos x`. At most 0.51 and 0.52 ulp.
    fn cos<I: Isa>(self) -> Self;
    /// `tan x`. At most 0.51 and 0.52 ulp.
    fn tan<I: Isa>(self) -> Self;
    /// [`Math::sin`], with the same bits and without a branch, of an `x` that is not beyond [`Math::NEAR`].
    fn sin_near<I: Isa>(self) -> Self;
    /// [`Math::cos`] in the same way.
    fn cos_near<I: Isa>(self) -> Self;
    /// [`Math::tan`] in the same way.
    fn tan_near<I: Isa>(self) -> Self;
    /// `arcsin x`. At most 0.51 and 0.51 ulp.
    fn asin<I: Isa>(self) -> Self;
    /// `arccos x`. At most 0.51 and 0.51 ulp.
    fn acos<I: Isa>(self) -> Self;
    /// `arctan x`. At most 0.51 and 0.51 ulp.
    fn atan<I: Isa>(self) -> Self;
    /// `(e^x - e^-x) / 2`. At most 0.51 and 1.49 ulp.
    fn sinh<I: Isa>(self) -> Self;
    /// `(e^x + e^-x) / 2`. At most 0.51 and 0.96 ulp.
    fn cosh<I: Isa>(self) -> Self;
    /// `ln(x + √(x² + 1))`. At most 0.51 and 1.36 ulp.
    fn asinh<I: Isa>(self) -> Self;
    /// `ln(x + √(x² - 1))`. At most 0.51 and 1.71 ulp.
    fn acosh<I: Isa>(self) -> Self;
    /// `½ ln((1 + x) / (1 - x))`. At most 0.51 and 1.36 ulp.
    fn atanh<I: Isa>(self) -> Self;
    /// `2/√π ∫₀ˣ e^-t² dt`. At most 0.51 and 0.78 ulp.
    fn erf<I: Isa>(self) -> Self;
    /// `1 - erf x`, relatively accurate on the right. At most 0.51 and 2.2 ulp.
    fn erfc<I: Isa>(self) -> Self;
    /// The normal distribution function and its density, `(Φ(x), φ(x))` with `φ(x) = e^(-x²/2) / √2π`, relatively accurate
    /// on the left. At most 10 ulp for `f32`, and 5 where `|x|` is below 6; for `f64` 2.2 ulp, and for Φ as much as the
    /// rounding of `x / √2` makes of it, up to `x²` ulp.
    fn normal<I: Isa>(self) -> (Self, Self);
    /// `ln |Γ(x)|`. At most 0.51 and 1.59 ulp for positive `x`; absolutely accurate near the negative zeros.
    fn lgamma<I: Isa>(self) -> Self;
    /// `Γ'(x) / Γ(x)`; -∞ at 0, ∞ at -0, NaN at the negative integers. At most 0.51 and
    /// 2.04 ulp for positive `x`; absolutely accurate near the negative zeros.
    fn digamma<I: Isa>(self) -> Self;
    /// [`Math::lgamma`], in single precision without a branch, and whether it is: not where it is small beside what it is
    /// the difference of, near its negative zeros.
    fn lgamma_tried<I: Isa>(self) -> (Self, bool);
    /// [`Math::digamma`] in the same way.
    fn digamma_tried<I: Isa>(self) -> (Self, bool);
    /// The largest integer up to `x`. Exact.
    fn floor<I: Isa>(self) -> Self;
    /// The smallest integer from `x`. Exact.
    fn ceil<I: Isa>(self) -> Self;
    /// `x` without its fraction. Exact.
    fn trunc<I: Isa>(self) -> Self;
    /// The nearest integer, the even one of two. Exact.
    fn round_even<I: Isa>(self) -> Self;
    /// `x^y`. At most 0.51 and 0.51 ulp.
    fn pow<I: Isa>(self, y: Self) -> Self;
    /// `|x|^y`, to be added up: to a thousandth of an ulp of this type, but for 0 to the power of 0 and the like.
    fn power_of_size<I: Isa>(self, y: f64) -> f64;
    /// The angle of the point `(x, self)`. At most 0.51 and 0.52 ulp.
    fn atan2<I: Isa>(self, x: Self) -> Self;
    /// `√(x² + y²)` without overflow between. At most 0.5 and 0.54 ulp.
    fn hypot<I: Isa>(self, y: Self) -> Self;
}

/// One row per function: its name and the expression of its one or two arguments that serves.
macro_rules! rows {
    ($($name:ident($x:ident $(, $y:ident)?) => $value:expr;)*) => {$(
        #[inline(always)]
        fn $name<I: Isa>(self $(, $y: Self)?) -> Self {
            let $x = self;
            $value
        }
    )*};
}

impl Math for f32 {
    const NEAR: f32 = wide::NEAR as f32;
    const NARROW: bool = true;

    #[cfg(target_arch = "x86_64")]
    fn exp_all(x: &[f32], out: &mut [f32], far: bool) -> bool {
        avx512::fill::<false>(x, out, far)
    }

    #[cfg(target_arch = "x86_64")]
    fn tanh_all(x: &[f32], out: &mut [f32], far: bool) -> bool {
        avx512::fill::<true>(x, out, far)
    }

    #[inline(always)]
    fn mul_add_<I: Isa>(self, b: f32, c: f32) -> f32 {
        if I::FMA {
            self.mul_add(b, c)
        } else {
            self * b + c
        }
    }

    #[inline(always)]
    fn exp_parts<I: Isa>(self) -> (f32, f32) {
        exp::exp_parts::<I, f32>(self)
    }

    #[inline(always)]
    fn normal<I: Isa>(self) -> (f32, f32) {
        exp::normal::<I>(self)
    }

    #[inline(always)]
    fn lgamma_tried<I: Isa>(self) -> (f32, bool) {
        let (y, accurate) = gamma::lgamma::<I>(self.into());
        (y as f32, accurate)
    }

    #[inline(always)]
    fn digamma_tried<I: Isa>(self) -> (f32, bool) {
        let (y, accurate) = gamma::digamma::<I>(self.into());
        (y as f32, accurate)
    }

    #[inline(always)]
    fn power_of_size<I: Isa>(self, y: f64) -> f64 {
        power::of_size::<I>(self.abs().into(), y)
    }

    rows! {
        exp(x) => wide::exp::<I>(x.into()) as f32;
        exp_nonpositive(x) => exp::exp_nonpositive::<I, f32>(x);
        expm1(x) => exp::expm1::<I, f32>(x);
        ln(x) => wide::ln::<I>(x.into()) as f32;
        ln_short(x) => log::ln::<I, f32>(x);
        log1p(x) => log::log1p::<I, f32>(x);
        exp2(x) => exp::exp2::<I, f32>(x);
        log2(x) => wide::log2::<I>(x.into()) as f32;
        log10(x) => wide::log10::<I>(x.into()) as f32;
        tanh(x) => wide::tanh::<I>(x.into()) as f32;
        tanhshrink(x) => wide::tanhshrink::<I>(x.into()) as f32;
        sigmoid(x) => exp::sigmoid::<I, f32>(x);
        softplus(x) => log::softplus::<I, f32>(x);
        softplus_nonpositive(x) => log::softplus_nonpositive::<I, f32>(x);
        log_sigmoid(x) => -log::softplus::<I, f32>(-x);
        mish(x) => wide::mish::<I>(x.into()) as f32;
        sqrt(x) => x.sqrt();
        rsqrt(x) => 1.0 / x.sqrt();
        cbrt(x) => x.cbrt();
        sin(x) => if x.abs() > f32::NEAR { f64::from(x).sin() as f32 } else { wide::sin::<I>(x.into()) as f32 };
        cos(x) => if x.abs() > f32::NEAR { f64::from(x).cos() as f32 } else { wide::cos::<I>(x.into()) as f32 };
        tan(x) => if x.abs() > f32::NEAR { f64::from(x).tan() as f32 } else { wide::tan::<I>(x.into()) as f32 };
        sin_near(x) => wide::sin::<I>(x.into()) as f32;
        cos_near(x) => wide::cos::<I>(x.into()) as f32;
        tan_near(x) => wide::tan::<I>(x.into()) as f32;
        asin(x) => wide::asin::<I>(x.into()) as f32;
        acos(x) => wide::acos::<I>(x.into()) as f32;
        atan(x) => wide::atan::<I>(x.into()) as f32;
        sinh(x) => wide::sinh::<I>(x.into()) as f32;
        cosh(x) => wide::cosh::<I>(x.into()) as f32;
        asinh(x) => wide::asinh::<I>(x.into()) as f32;
        acosh(x) => wide::acosh::<I>(x.into()) as f32;
        atanh(x) => wide::atanh::<I>(x.into()) as f32;
        erf(x) => wide::erf::<I>(x.into()) as f32;
        erfc(x) => wide::erfc::<I>(x.into()) as f32;
        lgamma(x) => match x.lgamma_tried::<I>() {
            (y, true) => y,
            _ => libm::lgamma(x.into()) as f32,
        };
        digamma(x) => match x.digamma_tried::<I>() {
            (y, true) => y,
            _ => special::digamma(x.into()) as f32,
        };
        floor(x) => x.floor();
        ceil(x) => x.ceil();
        trunc(x) => x.trunc();
        round_even(x) => x.round_ties_even();
        pow(x, y) => power::pow::<I>(x.into(), y.into()) as f32;
        atan2(y, x) => wide::atan2::<I>(y.into(), x.into()) as f32;
        hypot(x, y) => x.hypot(y);
    }
}

impl Math for f64 {
    const NEAR: f64 = 0.0;
    const NARROW: bool = false;

    #[inline(always)]
    fn mul_add_<I: Isa>(self, b: f64, c: f64) -> f64 {
        if I::FMA {
            self.mul_add(b, c)
        } else {
            self * b + c
        }
    }

    #[inline(always)]
    fn exp_parts<I: Isa>(self) -> (f64, f64) {
        exp::exp_parts::<I, f64>(self)
    }

    #[inline(always)]
    fn normal<I: Isa>(self) -> (f64, f64) {
        let cdf = 0.5 * libm::erfc(-self * std::f64::consts::FRAC_1_SQRT_2);
        let a = self.abs();
        let a = if a > 40.0 { 40.0 } else { a };
        (cdf, exp::gauss::<I, f64>(a) * exp::DENSITY_AT_0)
    }

    #[inline(always)]
    fn lgamma_tried<I: Isa>(self) -> (f64, bool) {
        (libm::lgamma(self), true)
    }

    #[inline(always)]
    fn digamma_tried<I: Isa>(self) -> (f64, bool) {
        (special::digamma(self), true)
    }

    #[inline(always)]
    fn power_of_size<I: Isa>(self, y: f64) -> f64 {
        self.abs().powf(y)
    }

    rows! {
        exp(x) => exp::exp::<I, f64>(x);
        exp_nonpositive(x) => exp::exp_nonpositive::<I, f64>(x);
        expm1(x) => exp::expm1::<I, f64>(x);
        ln(x) => log::ln::<I, f64>(x);
        ln_short(x) => log::ln::<I, f64>(x);
        log1p(x) => log::log1p::<I, f64>(x);
        exp2(x) => exp::exp2::<I, f64>(x);
        log2(x) => log::log::<I>(x, log::BASE_2);
        log10(x) => log::log::<I>(x, log::BASE_10);
        tanh(x) => exp::tanh::<I>(x);
        tanhshrink(x) => exp::tanhshrink::<I>(x);
        sigmoid(x) => exp::sigmoid::<I, f64>(x);
        softplus(x) => log::softplus::<I, f64>(x);
        softplus_nonpositive(x) => log::softplus_nonpositive::<I, f64>(x);
        log_sigmoid(x) => -log::softplus::<I, f64>(-x);
        mish(x) => exp::mish::<I>(x);
        sqrt(x) => x.sqrt();
        rsqrt(x) => 1.0 / x.sqrt();
        cbrt(x) => x.cbrt();
        sin(x) => x.sin();
        cos(x) => x.cos();
        tan(x) => x.tan();
        sin_near(x) => x.sin();
        cos_near(x) => x.cos();
        tan_near(x) => x.tan();
        asin(x) => x.asin();
        acos(x) => x.acos();
        atan(x) => x.atan();
        sinh(x) => x.sinh();
        cosh(x) => x.cosh();
        asinh(x) => libm::asinh(x);
        acosh(x) => special::acosh(x);
        atanh(x) => libm::atanh(x);
        erf(x) => libm::erf(x);
        erfc(x) => libm::erfc(x);
        lgamma(x) => libm::lgamma(x);
        digamma(x) => special::digamma(x);
        floor(x) => x.floor();
        ceil(x) => x.ceil();
        trunc(x) => x.trunc();
        round_even(x) => x.round_ties_even();
        pow(x, y) => x.powf(y);
        atan2(y, x) => y.atan2(x);
        hypot(x, y) => x.hypot(y);
    }
}
