//! Powers of single precision, computed in double precision as in `wide.rs`: `x^y = 2^(y log₂ x)`.
//!
//! The polynomials come from a Remez exchange at 50 digits.
use super::real::{Real, horner};
use super::wide::{at_least, at_most, edges};
use super::{Isa, Math};

/// `log₂ m / s` with `s = (m - 1) / (m + 1)`, as a polynomial in `s²`, for `m` in `[√½, √2]`. Its error of 2⁻⁴⁵ is
/// magnified by up to 150, the largest logarithm of a result.
const LOG2: &[f64] = &[
    2.88539008177785,
    0.9617966941133995,
    0.577077942348668,
    0.4122092540680603,
    0.31990562338868317,
    0.2829012815042609,
];
/// `2^r` on `|r| ≤ 1/2`, to 2⁻³⁴ of itself.
const EXP2: &[f64] = &[
    0.9999999999616704,
    0.6931471807284778,
    0.24022651198166436,
    0.05550410353361856,
    0.009618027254101678,
    0.0013333922618293623,
    0.00015469290761221626,
    1.520191086511637e-05,
];

/// `x^y` for an `x` that is not negative, where the mathematics has an answer: neither `0^0` nor the like. What is no
/// normal number of double precision is 0 or infinite.
#[inline(always)]
pub(super) fn of_size<I: Isa>(x: f64, y: f64) -> f64 {
    let (e, m, _) = x.split();
    let s = (m - 1.0) / (m + 1.0);
    let log = edges(x, s.mul_add_::<I>(horner::<I, f64>(s * s, LOG2), e));
    // At the limits, the power of two is infinite and 0.
    let t = at_least(at_most(y * log, 1024.0), -1023.0);
    let shifted = t + f64::MAGIC;
    let r = t - (shifted - f64::MAGIC);
    horner::<I, f64>(r, EXP2) * f64::power_of_two(shifted)
}

/// Whether a number is whole that came from a single and is not negative; NaN is not.
#[inline(always)]
fn whole(y: f64) -> bool {
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    (y + TWO_52) - TWO_52 == y
}

#[inline(always)]
pub(super) fn pow<I: Isa>(x: f64, y: f64) -> f64 {
    let size = x.abs();
    let power = of_size::<I>(size, y);
    // From 2^24 on, all singles are whole and even.
    let count = at_most(y.abs(), 33_554_432.0);
    let odd = whole(count) & !whole(0.5 * count);
    let signed = if odd { power.copysign(x) } else { power };
    let root = (x < 0.0) & (size < f64::INFINITY) & !whole(count);
    let power = if root { f64::NAN } else { signed };
    // Even NaN to the power of 0 is 1, and so is 1 to the power of NaN.
    let one = (y == 0.0) | (x == 1.0) | ((x == -1.0) & (y.abs() == f64::INFINITY));
    if one { 1.0 } else { power }
}
