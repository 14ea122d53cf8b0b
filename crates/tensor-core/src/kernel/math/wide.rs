//! Single-precision functions, computed in double precision: each is one straight line of arithmetic and selections whose
//! result is off by about 2⁻³² of itself, so that only the rounding to single precision counts.
//!
//! An argument is a double that came from a single. The polynomials come from a Remez exchange at 60 digits.
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, FRAC_PI_4, LN_2, LOG2_E, LOG10_2, LOG10_E, PI};

use super::exp::{MISH_MAX, mish_of};
use super::real::{Real, horner};
use super::{Isa, Math};

/// `(e^r - 1 - r) / r²` on `|r| ≤ ln 2 / 2`, where `e^r` matters and where `e^r - 1` does.
const EXP: &[f64] = &[
    0.5000000077859541,
    0.16666666859986276,
    0.04166627008467579,
    0.008333264519441448,
    0.001394606312127505,
    0.00019918297176610395,
];
const EXPM1: &[f64] = &[
    0.5000000046384017,
    0.1666666681727475,
    0.04166635478641244,
    0.008333273010876555,
    0.0013940998259587471,
    0.0001991418814022569,
];
/// `(ln(1 + f) - f) / f²` on `[√½ - 1, √2 - 1]`.
const LN: &[f64] = &[
    -0.5000000032116202,
    0.33333332586237824,
    -0.24999933612134762,
    0.20000036161616025,
    -0.16670462309036171,
    0.1428763574468424,
    -0.12412042291820903,
    0.10995909057063366,
    -0.10851622639244966,
    0.10842014891435035,
    -0.06157994455442486,
];
/// `√2 - 1`, the tangent of an eighth of a half turn.
const TAN_PI_8: f64 = 0.414_213_562_373_095_05;
/// `(arctan t / t - 1) / t²` as a polynomial in `t²`, on `t ≤ √2 - 1`.
const ATAN: &[f64] = &[
    -0.33333332514557495,
    0.19999905185049974,
    -0.14282042052256816,
    0.11045093439367332,
    -0.08478406175725348,
    0.04748275892166331,
];
/// `(arcsin s / s - 1) / s²` as a polynomial in `s²`, on `s ≤ ½`.
const ASIN: &[f64] = &[
    0.16666667189766848,
    0.07499948160327598,
    0.04466016253802009,
    0.03011026408049335,
    0.02461829694159795,
    0.007469316650835366,
    0.03469275046767344,
];
/// Up to it, the number of quarter turns in an argument times `PI_2.0` is exact.
pub(super) const NEAR: f64 = 262_144.0;
/// `π/2` in two parts, the first with 33 bits.
const PI_2: (f64, f64) = (1.5707963267341256, 6.077100506506192e-11);
/// `(sin r / r - 1) / r²`, and `(cos r - 1 + r²/2) / r⁴`, as polynomials in `r²`, on `r ≤ π/4`.
const SIN: &[f64] = &[
    -0.16666666641608927,
    0.008333329383788775,
    -0.00019839334145072457,
    2.7183047667499346e-06,
];
const COS: &[f64] = &[
    0.041666646857144114,
    -0.0013887367028330817,
    2.4438391767270113e-05,
];
/// From there on, `erf` rounds to 1.
const ERF_MAX: f64 = 4.0;
/// `erf a / a` as a polynomial in `a²/8 - 1`, on `a ≤ ERF_MAX`.
const ERF: &[f64] = &[
    0.35353099567016577,
    -0.176576235294207,
    0.13167511293939546,
    -0.10771031867930937,
    0.09020908236316874,
    -0.07473010733160948,
    0.05988627080590791,
    -0.0457467997228141,
    0.03306182120849452,
    -0.02255396722646855,
    0.014355062299805347,
    -0.008400796058490301,
    0.004821076862766751,
    -0.002891183960805346,
    0.0013626903363066199,
    -0.00033635873982866804,
    0.00019943560171354548,
    -0.0002438182544310305,
    8.803340099463458e-05,
];
/// From there on, `erfc` rounds to 0.
const ERFC_MAX: f64 = 10.5;
/// `e^(a²) erfc a` as a polynomial in `(a - 2.5) / (a + 2.5)`, on `0 ≤ a ≤ ERFC_MAX`.
const ERFCX: &[f64] = &[
    0.21080636406067932,
    -0.3717367338396437,
    0.25171319312055185,
    -0.12503305805547069,
    0.039922543760629994,
    -0.003993616238724035,
    -0.0026424118041933017,
    0.0008753514134588587,
    0.00022849294345047614,
    -0.00012696757320719915,
    -3.391162754201774e-05,
    1.5345830245860383e-05,
    6.051112146674709e-06,
];

/// `(p, 2^n)` with `e^x = 2^n (1 + p)`, for an `x` that takes `n` not beyond the normal numbers.
#[inline(always)]
fn reduce<I: Isa>(x: f64, coefficients: &[f64]) -> (f64, f64) {
    let shifted = x.mul_add_::<I>(LOG2_E, f64::MAGIC);
    let n = shifted - f64::MAGIC;
    let r = n.mul_add_::<I>(-LN_2, x);
    let p = (r * r).mul_add_::<I>(horner::<I, f64>(r, coefficients), r);
    (p, f64::power_of_two(shifted))
}

/// `min(x, most)` that lets NaN through.
#[inline(always)]
pub(super) fn at_most(x: f64, most: f64) -> f64 {
    if x > most { most } else { x }
}

/// `max(x, least)` that lets NaN through.
#[inline(always)]
pub(super) fn at_least(x: f64, least: f64) -> f64 {
    if x < least { least } else { x }
}

/// `y` for a finite `x`, and `x` itself for what is not finite.
#[inline(always)]
fn if_finite(x: f64, y: f64) -> f64 {
    if x.abs() < f64::INFINITY { y } else { x }
}

#[inline(always)]
pub(super) fn exp<I: Isa>(x: f64) -> f64 {
    let x = at_most(x, 90.0);
    let x = at_least(x, -120.0);
    let (p, power) = reduce::<I>(x, EXP);
    p.mul_add_::<I>(power, power)
}

#[inline(always)]
pub(super) fn mish<I: Isa>(x: f64) -> f64 {
    // Further down `x e^x` rounds to 0.
    let x = at_least(x, -120.0);
    mish_of(x, exp::<I>(at_most(x, MISH_MAX)))
}

/// Up to it the polynomial serves for `a - tanh a`, of which further on enough is left.
const TANHSHRINK_SMALL: f64 = 0.55;
/// `(a - tanh a) / a³` as a polynomial in `a²`, on `a ≤ TANHSHRINK_SMALL`.
const TANHSHRINK: &[f64] = &[
    0.33333333332226983,
    -0.1333333297438298,
    0.053968062862644404,
    -0.021865648953704415,
    0.008826142231071511,
    -0.003404779455253192,
    0.0009655957190655507,
];

/// `e^a - 1` for an `a` that is not negative; infinite in single precision from 90 on.
#[inline(always)]
fn expm1<I: Isa>(a: f64) -> f64 {
    let (p, power) = reduce::<I>(at_most(a, 90.0), EXPM1);
    p.mul_add_::<I>(power, power - 1.0)
}

#[inline(always)]
pub(super) fn tanh<I: Isa>(x: f64) -> f64 {
    let m = expm1::<I>(2.0 * at_most(x.abs(), 10.0));
    (m / (m + 2.0)).copysign(x)
}

#[inline(always)]
pub(super) fn tanhshrink<I: Isa>(x: f64) -> f64 {
    let a = x.abs();
    let square = a * a;
    let small = a * square * horner::<I, f64>(square, TANHSHRINK);
    let large = a - tanh::<I>(a);
    (if a < TANHSHRINK_SMALL { small } else { large }).copysign(x)
}

#[inline(always)]
pub(super) fn sinh<I: Isa>(x: f64) -> f64 {
    let m = expm1::<I>(x.abs());
    (0.5 * (m + m / (m + 1.0))).copysign(x)
}

#[inline(always)]
pub(super) fn cosh<I: Isa>(x: f64) -> f64 {
    let e = exp::<I>(x.abs());
    0.5 * (e + 1.0 / e)
}

/// `(e, ln(x) - e ln 2)`, where the second is small, for a positive normal number.
#[inline(always)]
fn ln_parts<I: Isa>(x: f64) -> (f64, f64) {
    let (e, m, _) = x.split();
    let f = m - 1.0;
    (e, (f * f).mul_add_::<I>(horner::<I, f64>(f, LN), f))
}

/// Puts the logarithm's values at 0, below 0, at ∞ and at NaN in place of `y`.
#[inline(always)]
pub(super) fn edges(x: f64, y: f64) -> f64 {
    let y = if x < f64::INFINITY { y } else { x };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x < 0.0 { f64::NAN } else { y }
}

#[inline(always)]
pub(super) fn ln<I: Isa>(x: f64) -> f64 {
    let (e, l) = ln_parts::<I>(x);
    edges(x, e.mul_add_::<I>(LN_2, l))
}

#[inline(always)]
pub(super) fn log2<I: Isa>(x: f64) -> f64 {
    let (e, l) = ln_parts::<I>(x);
    edges(x, l.mul_add_::<I>(LOG2_E, e))
}

#[inline(always)]
pub(super) fn log10<I: Isa>(x: f64) -> f64 {
    let (e, l) = ln_parts::<I>(x);
    edges(x, l.mul_add_::<I>(LOG10_E, e * LOG10_2))
}

/// `ln(1 + y)` for a finite `y` that is not negative.
#[inline(always)]
fn log1p<I: Isa>(y: f64) -> f64 {
    let (e, l) = ln_parts::<I>(1.0 + y);
    // Where the sum drops bits of `y` that count, two terms of the series are enough.
    let small = y < 1.0 / 1_048_576.0;
    let series = (y * y).mul_add_::<I>(-0.5, y);
    if small {
        series
    } else {
        e.mul_add_::<I>(LN_2, l)
    }
}

#[inline(always)]
pub(super) fn asinh<I: Isa>(x: f64) -> f64 {
    let a = x.abs();
    let square = a * a;
    let y = log1p::<I>(a + square / (1.0 + (square + 1.0).sqrt()));
    if_finite(x, y.copysign(x))
}

#[inline(always)]
pub(super) fn acosh<I: Isa>(x: f64) -> f64 {
    let t = x - 1.0;
    let y = log1p::<I>(t + (t * (t + 2.0)).sqrt());
    let y = if_finite(x, y);
    if x < 1.0 { f64::NAN } else { y }
}

#[inline(always)]
pub(super) fn atanh<I: Isa>(x: f64) -> f64 {
    let a = x.abs();
    let y = 0.5 * log1p::<I>((a + a) / (1.0 - a));
    let y = if a == 1.0 { f64::INFINITY } else { y };
    let y = if a <= 1.0 { y } else { f64::NAN };
    y.copysign(x)
}

/// The angle of the point `(b, a)`, of which neither is negative and not both are 0.
#[inline(always)]
fn angle<I: Isa>(a: f64, b: f64) -> f64 {
    // The angle from 0, from an eighth or from a quarter of a turn, whichever leaves a tangent up to √2 - 1.
    let (over, under, base) = if a > b * (1.0 / TAN_PI_8) {
        (-b, a, FRAC_PI_2)
    } else if a > b * TAN_PI_8 {
        (a - b, a + b, FRAC_PI_4)
    } else {
        (a, b, 0.0)
    };
    let t = over / under;
    let z = t * t;
    base + (t * z).mul_add_::<I>(horner::<I, f64>(z, ATAN), t)
}

#[inline(always)]
pub(super) fn atan<I: Isa>(x: f64) -> f64 {
    angle::<I>(x.abs(), 1.0).copysign(x)
}

#[inline(always)]
pub(super) fn atan2<I: Isa>(y: f64, x: f64) -> f64 {
    // Far beyond single precision, an infinity is a number like others, and equal to another infinity.
    let (a, b) = (at_most(y.abs(), 1e300), at_most(x.abs(), 1e300));
    // Two zeros have the angle of (1, 0) or (-1, 0), by the sign of `x`.
    let b = if a + b == 0.0 { 1.0 } else { b };
    let angle = angle::<I>(a, b);
    let angle = if x.is_sign_negative() {
        PI - angle
    } else {
        angle
    };
    angle.copysign(y)
}

/// `(a ≤ ½, arcsin a)`, or half of `arccos a` in place of the second, for `a = |x|`.
#[inline(always)]
fn asin_parts<I: Isa>(a: f64) -> (bool, f64) {
    let near = a <= 0.5;
    let z = if near { a * a } else { 0.5 - 0.5 * a };
    let s = if near { a } else { z.sqrt() };
    (near, (s * z).mul_add_::<I>(horner::<I, f64>(z, ASIN), s))
}

#[inline(always)]
pub(super) fn asin<I: Isa>(x: f64) -> f64 {
    let (near, y) = asin_parts::<I>(x.abs());
    (if near { y } else { FRAC_PI_2 - 2.0 * y }).copysign(x)
}

#[inline(always)]
pub(super) fn acos<I: Isa>(x: f64) -> f64 {
    let (near, y) = asin_parts::<I>(x.abs());
    let signed = y.copysign(x);
    let base = if x < 0.0 { PI } else { 0.0 };
    if near {
        FRAC_PI_2 - signed
    } else {
        base + 2.0 * signed
    }
}

#[inline(always)]
pub(super) fn erf<I: Isa>(x: f64) -> f64 {
    let a = at_most(x.abs(), ERF_MAX);
    let t = (a * a).mul_add_::<I>(0.125, -1.0);
    (a * horner::<I, f64>(t, ERF)).copysign(x)
}

#[inline(always)]
pub(super) fn erfc<I: Isa>(x: f64) -> f64 {
    let a = at_most(x.abs(), ERFC_MAX);
    let t = (a - 2.5) / (a + 2.5);
    let y = exp::<I>(-a * a) * horner::<I, f64>(t, ERFCX);
    if x < 0.0 { 2.0 - y } else { y }
}

/// `(odd, half, sin r, cos r)` with `x = n π/2 + r` and `|r| ≤ π/4`, where `odd` says whether `n` is, and `half` whether
/// its second bit is set; for `|x|` up to [`NEAR`].
#[inline(always)]
fn circular<I: Isa>(x: f64) -> (bool, bool, f64, f64) {
    // The magic number leaves `n` in the low bits.
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    let shifted = x.mul_add_::<I>(FRAC_2_PI, MAGIC);
    let n = shifted - MAGIC;
    let r = n.mul_add_::<I>(-PI_2.1, n.mul_add_::<I>(-PI_2.0, x));
    let z = r * r;
    let sin = (r * z).mul_add_::<I>(horner::<I, f64>(z, SIN), r);
    let cos = (z * z).mul_add_::<I>(horner::<I, f64>(z, COS), z.mul_add_::<I>(-0.5, 1.0));
    let bits = shifted.to_bits();
    (bits & 1 == 1, bits & 2 == 2, sin, cos)
}

#[inline(always)]
pub(super) fn sin<I: Isa>(x: f64) -> f64 {
    let (odd, half, sin, cos) = circular::<I>(x);
    let y = if odd { cos } else { sin };
    let y = if half { -y } else { y };
    // Of -0 the remainder is 0.
    if x == 0.0 { x } else { y }
}

#[inline(always)]
pub(super) fn cos<I: Isa>(x: f64) -> f64 {
    let (odd, half, sin, cos) = circular::<I>(x);
    let y = if odd { sin } else { cos };
    if odd != half { -y } else { y }
}

#[inline(always)]
pub(super) fn tan<I: Isa>(x: f64) -> f64 {
    let (odd, _, sin, cos) = circular::<I>(x);
    let (over, under) = if odd { (-cos, sin) } else { (sin, cos) };
    if x == 0.0 { x } else { over / under }
}
