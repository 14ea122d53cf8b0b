//! `ln Γ` and its derivative in single precision, computed in double precision as in `wide.rs`, for arguments that are not
//! negative. Below a bound each comes from a polynomial on an interval of length 1 and a recurrence into it, above from
//! Stirling's series; a loop computes both and picks one.
//!
//! The polynomials come from a Remez exchange at 50 digits.
use std::f64::consts::LN_2;

use super::real::horner;
use super::special::{ROOT, ROOT_LO};
use super::wide::ln_parts;
use super::{Isa, Math};

/// `ln Γ(2 + d) / d` on `|d| ≤ ½`.
const LGAMMA_NEAR: &[f64] = &[
    0.42278433510633306,
    0.3224670336615051,
    -0.06735230274414714,
    0.020580789156531165,
    -0.007385491383458841,
    0.002890944295433277,
    -0.0011935237056662925,
    0.0005057209352810461,
    -0.00021872595150197703,
    0.00011489055175585656,
    -5.621724374487494e-05,
];
/// From there on, the series serves.
const LGAMMA_FAR_FROM: f64 = 2.5;
/// `x (ln Γ(x) - (x - ½)(ln x - 1) - HALF_LN_TAU + ½)` as a polynomial in `1/x²`.
const LGAMMA_FAR: &[f64] = &[
    0.0833333301196865,
    -0.0027775488477937834,
    0.0007877731480014004,
    -0.0005224121638134232,
    0.0003575319315158669,
];
/// `½ ln 2π`
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// `ln Γ(x)` for an `x` that is not negative.
#[inline(always)]
pub(super) fn lgamma<I: Isa>(x: f64) -> f64 {
    // Γ(x) = Γ(2 + d) / factor. The logarithm of the factor and that of Γ(2 + d) are zero where that of Γ(x) is, so that
    // their difference is relatively accurate there.
    let (d, factor) = if x < 0.5 {
        (x, x * (x + 1.0))
    } else if x < 1.5 {
        (x - 1.0, x)
    } else {
        (x - 2.0, 1.0)
    };
    let near = x < LGAMMA_FAR_FROM;
    let (e, l) = ln_parts::<I>(if near { factor } else { x });
    let ln = e.mul_add_::<I>(LN_2, l);
    let small = d.mul_add_::<I>(horner::<I, f64>(d, LGAMMA_NEAR), -ln);
    let inverse = 1.0 / x;
    let series = horner::<I, f64>(inverse * inverse, LGAMMA_FAR);
    let rest = inverse.mul_add_::<I>(series, HALF_LN_TAU - 0.5);
    let large = (x - 0.5).mul_add_::<I>(ln - 1.0, rest);
    let y = if near { small } else { large };
    if x == 0.0 { f64::INFINITY } else { y }
}

/// `ψ(x) / (x - root)` on `[1, 2]` as a polynomial in `x - 3/2`.
const DIGAMMA_NEAR: &[f64] = &[
    0.9510558760435822,
    -0.42362741858277575,
    0.2405424790569433,
    -0.14840522257425637,
    0.0949890820935812,
    -0.061912680160717916,
    0.040751836282344245,
    -0.02710267050549985,
    0.01801262033752551,
    -0.01109287099018176,
    0.007309575139845709,
    -0.007701692916962889,
    0.005230970339158048,
];
/// From there on, the series serves.
const DIGAMMA_FAR_FROM: f64 = 2.0;
/// `x² (ln x - 1/2x - ψ(x))` as a polynomial in `1/x²`.
const DIGAMMA_FAR: &[f64] = &[
    0.08333331326696283,
    -0.008331915994784623,
    0.003932032997344603,
    -0.0036997849118952466,
    0.004030177148475675,
    -0.002701615229070767,
];

/// `ψ(x)` for an `x` that is not negative, and for -0.
#[inline(always)]
pub(super) fn digamma<I: Isa>(x: f64) -> f64 {
    let inverse = 1.0 / x;
    // ψ(x) = ψ(x + 1) - 1/x. The factor keeps relative accuracy at the zero.
    let (base, step) = if x < 1.0 {
        (x + 1.0, inverse)
    } else {
        (x, 0.0)
    };
    let factor = base - ROOT - ROOT_LO;
    let small = factor.mul_add_::<I>(horner::<I, f64>(base - 1.5, DIGAMMA_NEAR), -step);
    let (e, l) = ln_parts::<I>(x);
    let square = inverse * inverse;
    let series = square.mul_add_::<I>(horner::<I, f64>(square, DIGAMMA_FAR), 0.5 * inverse);
    let large = e.mul_add_::<I>(LN_2, l) - series;
    let y = if x < DIGAMMA_FAR_FROM { small } else { large };
    if x == f64::INFINITY { x } else { y }
}
