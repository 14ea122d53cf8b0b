//! Functions that are called and not vectorised, where neither `std` nor `libm` has one that serves.

/// The positive zero of digamma, and what its rounding lost.
pub(super) const ROOT: f64 = 1.4616321449683622;
pub(super) const ROOT_LO: f64 = 9.549995429965697e-17;
/// `ψ(x) / (x - root)` on `[1, 5/2]` as a polynomial in `x - 7/4`, from a Remez exchange at 60 digits.
const NEAR_ROOT: [f64; 28] = [
    0.8581832171262995,
    -0.3262546278681057,
    0.15712011335204287,
    -0.08228558635577905,
    0.044799654452738445,
    -0.024890048488867368,
    0.013985786186225958,
    -0.00791046878328463,
    0.004491813645597565,
    -0.0025566863446422924,
    0.0014573756092793799,
    -0.0008314993811481629,
    0.00047467235558581745,
    -0.0002710724676114735,
    0.00015488078892019836,
    -8.848903567472217e-5,
    5.037109441720064e-5,
    -2.8755403726452438e-5,
    1.7001397249612876e-5,
    -9.772332810305474e-6,
    4.355977794823005e-6,
    -2.3993047754295263e-6,
    3.1852743716587618e-6,
    -1.9109972720080187e-6,
    -6.605745864065569e-7,
    4.3131155125533425e-7,
    7.503762818727864e-7,
    -4.4296728277907903e-7,
];
/// `B₂ₖ / 2k` for k from 1: the coefficients of the asymptotic series in `1/x²`.
const ASYMPTOTIC: [f64; 7] = [
    1.0 / 12.0,
    -1.0 / 120.0,
    1.0 / 252.0,
    -1.0 / 240.0,
    1.0 / 132.0,
    -691.0 / 32760.0,
    1.0 / 12.0,
];

fn polynomial(x: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().rev().fold(0.0, |acc, c| acc * x + c)
}

/// `ψ(x)` for `x > 0`.
fn digamma_positive(x: f64) -> f64 {
    if x >= 10.0 {
        let inverse = 1.0 / x;
        let z = inverse * inverse;
        return x.ln() - (0.5 * inverse + z * polynomial(z, &ASYMPTOTIC));
    }
    // ψ(x) = ψ(x+1) - 1/x leads to [1, 5/2], where the factor x - root keeps relative accuracy at the zero.
    if x < 1.0 {
        return digamma_positive(x + 1.0) - 1.0 / x;
    }
    let mut base = x;
    let mut sum = 0.0;
    while base > 2.5 {
        base -= 1.0;
        sum += 1.0 / base;
    }
    ((base - ROOT) - ROOT_LO) * polynomial(base - 1.75, &NEAR_ROOT) + sum
}

/// `ψ(x) = Γ'(x)/Γ(x)`, with an infinity opposite to the sign of a zero and NaN at the other poles.
pub(super) fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY.copysign(-x);
    }
    if x > 0.0 || x.is_nan() {
        return if x > 0.0 { digamma_positive(x) } else { x };
    }
    let fraction = x - x.round_ties_even();
    if x == f64::NEG_INFINITY || fraction == 0.0 {
        return f64::NAN;
    }
    // ψ(x) = ψ(1-x) - π/tan(πx); the tangent's period is one, so that the fraction alone need enter.
    digamma_positive(1.0 - x) - std::f64::consts::PI / (std::f64::consts::PI * fraction).tan()
}

/// `arcosh x`: below the domain, `libm` cancels to finite numbers.
pub(super) fn acosh(x: f64) -> f64 {
    if x < 1.0 { f64::NAN } else { libm::acosh(x) }
}
