//! The logarithms. Each is one straight line of arithmetic and selections.
use super::exp::{exp_nonpositive, exp_nonpositive_parts};
use super::real::Real;
use super::{Isa, Math};

/// `e ln 2 + ln(1 + f)`: the product with the short part of `ln 2` is exact, and small terms add up first.
#[inline(always)]
fn join<I: Isa, T: Real>(e: T, f: T) -> T {
    let low = e.mul_add_::<I>(T::LN_2_LO, T::ln_1p_tail::<I>(f));
    e.mul_add_::<I>(T::LN_2_HI, f + low)
}

/// The same of `f + lost`. What the sum of the large terms drops is known too, so that only the last sum rounds.
#[inline(always)]
fn join_with<I: Isa, T: Real>(e: T, f: T, lost: T) -> T {
    let low = e.mul_add_::<I>(T::LN_2_LO, T::ln_1p_tail::<I>(f)) + lost;
    let whole = e * T::LN_2_HI;
    let sum = whole + f;
    sum + (f - (sum - whole) + low)
}

/// `(e, f)` with `x = 2^e (1 + f)`, for denormals too.
#[inline(always)]
fn split<T: Real>(x: T) -> (T, T) {
    let denormal = x < T::MIN_POSITIVE;
    let (e, m, _) = if denormal { x * T::DENORMAL_SCALE.0 } else { x }.split();
    let e = e - if denormal {
        T::DENORMAL_SCALE.1
    } else {
        T::of(0.0)
    };
    (e, m - T::of(1.0))
}

/// Puts the logarithm's values at 0, below 0, at ∞ and at NaN in place of `y`.
#[inline(always)]
fn edges<T: Real>(x: T, y: T) -> T {
    let y = if x < T::INFINITY { y } else { x };
    let y = if x == T::of(0.0) { -T::INFINITY } else { y };
    if x < T::of(0.0) { T::NAN } else { y }
}

#[inline(always)]
pub(super) fn ln<I: Isa, T: Real>(x: T) -> T {
    let (e, f) = split(x);
    edges(x, join_with::<I, T>(e, f, T::of(0.0)))
}

/// How a logarithm's base enters: `log_b(2^e (1+f)) = e·(step_hi + step_lo) + ln(1+f)·(unit + unit_lo)`.
pub(super) struct Base {
    /// `1 / ln b`, rounded.
    unit: f64,
    /// What `unit` lost to rounding.
    unit_lo: f64,
    /// `log_b 2` with so few bits that its product with any exponent is exact.
    step_hi: f64,
    /// What `step_hi` lost to rounding.
    step_lo: f64,
}

pub(super) const BASE_2: Base = Base {
    unit: std::f64::consts::LOG2_E,
    unit_lo: 2.0355273740931033e-17,
    step_hi: 1.0,
    step_lo: 0.0,
};
pub(super) const BASE_10: Base = Base {
    unit: std::f64::consts::LOG10_E,
    unit_lo: 1.098319650216765e-17,
    step_hi: 0.3010299956640665,
    step_lo: -8.532344317057107e-14,
};

/// The logarithm to another base: a product after the fact would round twice more.
#[inline(always)]
pub(super) fn log<I: Isa>(x: f64, base: Base) -> f64 {
    let (e, f) = split(x);
    let low = e.mul_add_::<I>(base.step_lo, f * base.unit_lo);
    let low = f64::ln_1p_tail::<I>(f).mul_add_::<I>(base.unit, low);
    let fraction = f.mul_add_::<I>(base.unit, low);
    edges(x, e.mul_add_::<I>(base.step_hi, fraction))
}

#[inline(always)]
pub(super) fn log1p<I: Isa, T: Real>(x: T) -> T {
    // With e from the rounded 1 + x, f = x/2^e + (1/2^e - 1) rounds once, and not at all for e = 0:
    // the bits that 1 + x lost need no correction. The power carries a 4, as 2^-e may be denormal. Products with powers
    // of two are exact.
    let (e, _, power) = (T::of(1.0) + x).split();
    let quarter = T::of(0.25);
    let (scaled, offset) = (x * quarter * power, quarter * power - T::of(1.0));
    let f = scaled + offset;
    let y = join_with::<I, T>(e, f, scaled - (f - offset));
    let y = if x < T::INFINITY { y } else { x };
    let y = if x.abs_() < T::TINY { x } else { y };
    let y = if x == T::of(-1.0) { -T::INFINITY } else { y };
    if x < T::of(-1.0) { T::NAN } else { y }
}

/// `√2 - 1`: from there on, half of `1 + z` is taken, so that `f` stays where the polynomial holds.
const UPPER: f64 = 0.414_213_56;

#[inline(always)]
pub(super) fn softplus<I: Isa, T: Real>(x: T) -> T {
    // max(x, 0) + ln(1 + z) with z = e^-|x| in [0, 1], where 1 + f is 1 + z or half of it.
    let (z, left) = exp_nonpositive_parts::<I, T>(-x.abs_());
    let (zero, half, one) = (T::of(0.0), T::of(0.5), T::of(1.0));
    let (e, f, lost) = if z > T::of(UPPER) {
        let f = half * z - half;
        (one, f, half * z - (f + half) + half * left)
    } else {
        (zero, z, left)
    };
    let positive = if x > zero { x } else { zero };
    positive + join_with::<I, T>(e, f, lost)
}

#[inline(always)]
pub(super) fn softplus_nonpositive<I: Isa, T: Real>(x: T) -> T {
    T::ln_1p_unit::<I>(exp_nonpositive::<I, T>(x))
}

/// `ln(1 + z)` for `z` in `[0, 1]`, where `1 + f` is `1 + z` or half of it.
#[inline(always)]
pub(super) fn ln_1p_unit<I: Isa, T: Real>(z: T) -> T {
    let (zero, half, one) = (T::of(0.0), T::of(0.5), T::of(1.0));
    let (e, f) = if z > T::of(UPPER) {
        (one, half * z - half)
    } else {
        (zero, z)
    };
    join::<I, T>(e, f)
}
