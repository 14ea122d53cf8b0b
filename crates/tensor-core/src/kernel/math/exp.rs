//! The exponential and the functions made of it. Each is one straight line of arithmetic and selections.
use super::real::{Real, horner};
use super::{Isa, Math};

/// Limits `x` to the range and lets NaN through, since a comparison with NaN is false.
#[inline(always)]
fn clamp<T: Real>(x: T, (lo, hi): (T, T)) -> T {
    let x = if x < lo { lo } else { x };
    if x > hi { hi } else { x }
}

/// `(r, tail, shifted)` with `e^x = 2^n (1 + r + tail)`, `|r| < 0.35`, where `shifted` is `n + magic`.
#[inline(always)]
fn reduce_to_parts<I: Isa, T: Real>(x: T, magic: T) -> (T, T, T) {
    let shifted = x.mul_add_::<I>(T::LOG2_E, magic);
    let n = shifted - magic;
    // The first difference is exact; the second rounds, and `lost` recovers what it dropped.
    let high = n.mul_add_::<I>(-T::LN_2_HI, x);
    let r = n.mul_add_::<I>(-T::LN_2_LO, high);
    let lost = n.mul_add_::<I>(-T::LN_2_LO, high - r);
    // Of the terms after `r`, the square alone is large enough that its rounding would count.
    let square = r * r;
    let square_lost = r.mul_add_::<I>(r, -square);
    let cubic = (square * r).mul_add_::<I>(horner::<I, T>(r, T::EXP_CUBIC), lost);
    let half = T::of(0.5);
    let tail = square.mul_add_::<I>(half, square_lost.mul_add_::<I>(half, cubic));
    (r, tail, shifted)
}

/// `(p, shifted)` with `e^x = 2^n (1 + p)`, `|p| < 0.42`, where `shifted` is `n + magic`.
#[inline(always)]
fn reduce<I: Isa, T: Real>(x: T, magic: T) -> (T, T) {
    let (r, tail, shifted) = reduce_to_parts::<I, T>(x, magic);
    (r + tail, shifted)
}

/// `(1 + p) 2^n`: the sum rounds, and the last product once more where it is a denormal.
#[inline(always)]
fn scale<I: Isa, T: Real>(p: T, shifted: T) -> T {
    let (a, b) = T::powers_of_two(shifted);
    p.mul_add_::<I>(a, a) * b
}

/// As [`reduce`], less the recovery: beside 1, the rounding of `r` is small.
#[inline(always)]
fn reduce_beside_one<I: Isa, T: Real>(x: T, magic: T) -> (T, T) {
    let shifted = x.mul_add_::<I>(T::LOG2_E, magic);
    let n = shifted - magic;
    let r = n.mul_add_::<I>(-T::LN_2_LO, n.mul_add_::<I>(-T::LN_2_HI, x));
    let p = (r * r).mul_add_::<I>(horner::<I, T>(r, T::EXP), r);
    (p, shifted)
}

#[inline(always)]
pub(super) fn exp<I: Isa, T: Real>(x: T) -> T {
    let (p, shifted) = reduce_beside_one::<I, T>(clamp(x, T::EXP_RANGE), T::MAGIC_PAIR);
    scale::<I, T>(p, shifted)
}

#[inline(always)]
pub(super) fn exp_nonpositive<I: Isa, T: Real>(x: T) -> T {
    let least = T::EXP_RANGE.0;
    let x = if x < least { least } else { x };
    let (p, shifted) = reduce_beside_one::<I, T>(x, T::MAGIC_LIFTED);
    // One power suffices where it is lifted out of reach of the denormals; the last product brings the result back.
    let lifted = T::power_of_two(shifted);
    p.mul_add_::<I>(lifted, lifted) * T::of(1.0 / 18_446_744_073_709_551_616.0)
}

/// As [`exp_nonpositive`], as a sum whose second number is small and adds what the first lost.
#[inline(always)]
pub(super) fn exp_nonpositive_parts<I: Isa, T: Real>(x: T) -> (T, T) {
    let least = T::EXP_RANGE.0;
    let x = if x < least { least } else { x };
    let (r, tail, shifted) = reduce_to_parts::<I, T>(x, T::MAGIC_LIFTED);
    let sum = T::of(1.0) + r;
    let rest = r - (sum - T::of(1.0)) + tail;
    // The sum of both, and what it leaves.
    let whole = sum + rest;
    let left = rest - (whole - sum);
    let lifted = T::power_of_two(shifted);
    let back = T::of(1.0 / 18_446_744_073_709_551_616.0);
    (whole * lifted * back, left * lifted * back)
}

#[inline(always)]
pub(super) fn exp2<I: Isa, T: Real>(x: T) -> T {
    let x = clamp(x, T::EXP2_RANGE);
    let shifted = x + T::MAGIC_PAIR;
    let r = x - (shifted - T::MAGIC_PAIR);
    let curve = r * r * horner::<I, T>(r, T::EXP2);
    // What the product and its sum with 1 drop goes to the small terms, so that only the last sum rounds.
    let line = r * T::LN_2;
    let low = r.mul_add_::<I>(T::LN_2, -line) + curve;
    let sum = T::of(1.0) + line;
    let (a, b) = T::powers_of_two(shifted);
    (sum + (line - (sum - T::of(1.0)) + low)) * a * b
}

#[inline(always)]
pub(super) fn exp_parts<I: Isa, T: Real>(x: T) -> (T, T) {
    let (r, tail, shifted) = reduce_to_parts::<I, T>(clamp(x, T::EXP_RANGE), T::MAGIC_PAIR);
    // 1 is the larger, so that the differences are exact.
    let sum = T::of(1.0) + r;
    let rest = r - (sum - T::of(1.0)) + tail;
    let (a, b) = T::powers_of_two(shifted);
    (sum * a * b, rest * a * b)
}

#[inline(always)]
pub(super) fn expm1<I: Isa, T: Real>(x: T) -> T {
    let (r, tail, shifted) =
        reduce_to_parts::<I, T>(clamp(x, (T::EXPM1_MIN, T::EXP_RANGE.1)), T::MAGIC);
    // Half of 2^n stays finite where the result does. The larger terms add up first, and what their sums drop is known,
    // so that only the last sum rounds.
    let half = T::power_of_two(shifted - T::of(1.0));
    let base = half - T::of(0.5);
    let base_lost = half - base - T::of(0.5);
    let sum = half.mul_add_::<I>(r, base);
    let lost = half.mul_add_::<I>(r, base - sum) + base_lost;
    let y = T::of(2.0) * (sum + half.mul_add_::<I>(tail, lost));
    if x.abs_() < T::TINY { x } else { y }
}

/// Up to it the polynomial serves for `tanh x`; above the other, that rounds to 1.
const TANH_SMALL: f64 = 0.55;
const TANH_MAX: f64 = 20.0;
/// `(tanh a / a - 1) / a²` as a polynomial in `a²`, on `a ≤ TANH_SMALL`.
const TANH: &[f64] = &[
    -0.33333333333333315,
    0.13333333333329017,
    -0.0539682539648043,
    0.021869488407853563,
    -0.008863232857794525,
    0.003592093758897744,
    -0.001455549374984897,
    0.0005884554661642834,
    -0.0002333752574267448,
    8.326545947986512e-5,
    -1.9440914799680953e-5,
];

#[inline(always)]
pub(super) fn tanh<I: Isa>(x: f64) -> f64 {
    let a = x.abs();
    let square = a * a;
    let small = (a * square).mul_add_::<I>(horner::<I, f64>(square, TANH), a);
    // tanh a = 1 - 2/(e^2a + 1): from 0.55 on, the subtrahend is at most half, and so are its errors; it shrinks with a.
    let limited = if a > TANH_MAX { TANH_MAX } else { a };
    let (p, shifted) = reduce::<I, f64>(limited + limited, f64::MAGIC);
    let power = f64::power_of_two(shifted);
    let large = 1.0 - 2.0 / power.mul_add_::<I>(p, power + 1.0);
    (if a < TANH_SMALL { small } else { large }).copysign(x)
}

/// `x - tanh x`, without the cancellation near 0.
#[inline(always)]
pub(super) fn tanhshrink<I: Isa>(x: f64) -> f64 {
    let a = x.abs();
    let square = a * a;
    let small = a * square * -horner::<I, f64>(square, TANH);
    let large = a - tanh::<I>(a);
    (if a < TANH_SMALL { small } else { large }).copysign(x)
}

#[inline(always)]
pub(super) fn sigmoid<I: Isa, T: Real>(x: T) -> T {
    // From e^-|x|, which cannot overflow: 1/(1+z) on the right, z/(1+z) on the left.
    let z = exp_nonpositive::<I, T>(-x.abs_());
    let numerator = if x < T::of(0.0) { z } else { T::of(1.0) };
    let sum = T::of(1.0) + z;
    let y = numerator / sum;
    // What the sum dropped, as a share of it: a rough inverse will do, 1 - z/2.
    let lost = z - (sum - T::of(1.0));
    let share = lost * z.mul_add_::<I>(T::of(-0.5), T::of(1.0));
    (-y).mul_add_::<I>(share, y)
}

/// From there on, `tanh(softplus(x))` rounds to 1.
pub(super) const MISH_MAX: f64 = 40.0;
/// From there down, `x e^x` rounds to 0.
const MISH_MIN: f64 = -752.0;

/// `x · tanh(ln(1 + w)) = x (w² + 2w) / (w² + 2w + 2)`, where `w` is `e^x`.
#[inline(always)]
pub(super) fn mish_of(x: f64, w: f64) -> f64 {
    let n = w * (w + 2.0);
    x * (n / (n + 2.0))
}

#[inline(always)]
pub(super) fn mish<I: Isa>(x: f64) -> f64 {
    let x = if x < MISH_MIN { MISH_MIN } else { x };
    let limited = if x > MISH_MAX { MISH_MAX } else { x };
    // As in `exp_nonpositive`, the power is lifted; far on the left, where `w` is denormal and the product `x w` need not
    // be, it comes down only with the product.
    let (p, shifted) = reduce_beside_one::<I, f64>(limited, f64::MAGIC_LIFTED);
    let power = f64::power_of_two(shifted);
    let lifted = p.mul_add_::<I>(power, power);
    let back = 1.0 / 18_446_744_073_709_551_616.0;
    if x < -100.0 {
        x * lifted * back
    } else {
        mish_of(x, lifted * back)
    }
}

/// `e^(a²/2) Φ(-a)` as a polynomial in `(a - 3) / (a + 3)`, on `0 ≤ a ≤ 15`: beyond, it rounds to 0.
const MILLS: [f32; 10] = [
    0.12151395,
    -0.20640261,
    0.123225056,
    -0.046213236,
    0.006131811,
    0.0029042137,
    -0.0009828222,
    -0.000338546,
    0.00011450438,
    5.2676376e-05,
];

/// `1 / √2π`
pub(super) const DENSITY_AT_0: f64 = 0.398_942_280_401_432_7;

/// `e^(-x²/2)`. What the square drops counts, as the exponential magnifies it.
#[inline(always)]
pub(super) fn gauss<I: Isa, T: Real>(x: T) -> T {
    let square = x * x;
    let lost = if I::FMA {
        x.mul_add_::<I>(x, -square)
    } else {
        // Half of the bits each, whose products are exact.
        let high = x.half_of_bits();
        let low = x - high;
        high * high - square + T::of(2.0) * high * low + low * low
    };
    let half = T::of(-0.5);
    let e = exp_nonpositive::<I, T>(half * square);
    e.mul_add_::<I>(half * lost, e)
}

/// The normal distribution function `Φ(x)` and its density.
#[inline(always)]
pub(super) fn normal<I: Isa>(x: f32) -> (f32, f32) {
    let a = x.abs();
    let a = if a > 15.0 { 15.0 } else { a };
    let e = gauss::<I, f32>(a);
    let y = e * horner::<I, f32>((a - 3.0) / (a + 3.0), &MILLS);
    let cdf = if x < 0.0 { y } else { 1.0 - y };
    (cdf, e * DENSITY_AT_0 as f32)
}
