//! `ln |Γ|` and its derivative in single precision, computed in double precision as in `wide.rs`. Right of 0, below a bound
//! each comes from a polynomial on an interval of length 1 and a recurrence into it, above from Stirling's series; left of 0
//! by reflection. A loop computes all of them and picks.
//!
//! The polynomials come from a Remez exchange at 50 digits. They are more accurate than single precision asks for, by as
//! much as reflection may cancel.
use std::f64::consts::{LN_2, PI};

use super::real::{Real, horner};
use super::special::{ROOT, ROOT_LO};
use super::wide::at_most;
use super::{Isa, Math};

/// What a reflection may be smaller than its terms: all of their bits beyond it are good in single precision.
const CANCELLED: f64 = 1.0 / 64.0;

/// `(ln(1 + f) - f) / f²` on `[√½ - 1, √2 - 1]`.
const LN: &[f64] = &[
    -0.49999999996687644,
    0.333333333306716,
    -0.2500000092919668,
    0.20000001312912974,
    -0.1666659250634453,
    0.1428556419335619,
    -0.12502485350113776,
    0.11117772205883214,
    -0.09962280702290165,
    0.08956330048754739,
    -0.08537149436814935,
    0.0890607150093683,
    -0.07713402818850948,
    0.032945152502281264,
];
/// `ln Γ(2 + d) / d` on `|d| ≤ ½`.
const LGAMMA_NEAR: &[f64] = &[
    0.42278433509971425,
    0.32246703340318383,
    -0.06735230141908595,
    0.02058081023167896,
    -0.007385533785483627,
    0.0028904656328130464,
    -0.0011930488249870036,
    0.0005101425128709377,
    -0.00022089672996370257,
    9.70632483075241e-05,
    -5.274414767574253e-05,
    2.6094917822985617e-05,
];
/// From there on, the series serves.
const LGAMMA_FAR_FROM: f64 = 2.5;
/// `x (ln Γ(x) - (x - ½)(ln x - 1) - HALF_LN_TAU + ½)` as a polynomial in `1/x²`.
const LGAMMA_FAR: &[f64] = &[
    0.08333333298188952,
    -0.0027777432882416394,
    0.0007924113579298338,
    -0.0005729665815338827,
    0.0006152763155658436,
    -0.0004991881826445264,
];
/// `½ ln 2π`
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;
/// `sin(πr) / r`, and `cos(πr)`, as polynomials in `r²`, on `|r| ≤ ½`.
const SIN_PI: &[f64] = &[
    3.141592653589597,
    -5.167712779977303,
    2.5501640354190833,
    -0.5992644257329043,
    0.08214473210029366,
    -0.007363784993150445,
    0.00044720026964436253,
];
const COS_PI: &[f64] = &[
    0.9999999999992518,
    -4.934802200250963,
    4.0587121075890344,
    -1.3352623161381012,
    0.23532544333191985,
    -0.02577634037313364,
    0.0018400213426716982,
];

/// `ln x` of a positive normal number.
#[inline(always)]
fn ln<I: Isa>(x: f64) -> f64 {
    let (e, m, _) = x.split();
    let f = m - 1.0;
    let l = (f * f).mul_add_::<I>(horner::<I, f64>(f, LN), f);
    e.mul_add_::<I>(LN_2, l)
}

/// A single that is not negative, less the nearest whole number.
#[inline(always)]
fn off_whole(a: f64) -> f64 {
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    // From 2^23 on, all singles are whole.
    let a = at_most(a, 33_554_432.0);
    a - ((a + MAGIC) - MAGIC)
}

/// `ln |Γ(x)|`, and whether it is accurate.
#[inline(always)]
pub(super) fn lgamma<I: Isa>(x: f64) -> (f64, bool) {
    let a = x.abs();
    // Γ(a) = Γ(2 + d) / factor. The logarithm of the factor and that of Γ(2 + d) are zero where that of Γ(a) is, so that
    // their difference is relatively accurate there.
    let (d, factor) = if a < 0.5 {
        (a, a * (a + 1.0))
    } else if a < 1.5 {
        (a - 1.0, a)
    } else {
        (a - 2.0, 1.0)
    };
    let near = a < LGAMMA_FAR_FROM;
    let log = ln::<I>(if near { factor } else { a });
    let small = d.mul_add_::<I>(horner::<I, f64>(d, LGAMMA_NEAR), -log);
    let inverse = 1.0 / a;
    let series = horner::<I, f64>(inverse * inverse, LGAMMA_FAR);
    let rest = inverse.mul_add_::<I>(series, HALF_LN_TAU - 0.5);
    let large = (a - 0.5).mul_add_::<I>(log - 1.0, rest);
    let right = if near { small } else { large };
    let right = if a == 0.0 { f64::INFINITY } else { right };
    // |Γ(-a)| = π / (Γ(a) a |sin πa|)
    let r = off_whole(a);
    let sine = r * horner::<I, f64>(r * r, SIN_PI);
    let turned = ln::<I>(a * (1.0 / PI) * sine.abs());
    let left = -(turned + right);
    let accurate = left.abs() >= CANCELLED * (turned.abs() + right.abs());
    let left = if r == 0.0 { f64::INFINITY } else { left };
    if x < 0.0 {
        (left, accurate | (r == 0.0))
    } else {
        (right, true)
    }
}

/// `ψ(x) / (x - root)` on `[1, 2]` as a polynomial in `x - 3/2`.
const DIGAMMA_NEAR: &[f64] = &[
    0.9510558760314871,
    -0.4236274213731353,
    0.24054248443750653,
    -0.14840490946646587,
    0.09498870671447956,
    -0.061922713891421906,
    0.04076142936542094,
    -0.026964912199327565,
    0.017897610734219856,
    -0.012012073508167662,
    0.008010227516281825,
    -0.004758119186640546,
    0.003129592691796352,
    -0.0036250366144688975,
    0.002462813260171082,
];
/// From there on, the series serves.
const DIGAMMA_FAR_FROM: f64 = 2.0;
/// `x² (ln x - 1/2x - ψ(x))` as a polynomial in `1/x²`.
const DIGAMMA_FAR: &[f64] = &[
    0.08333333263421216,
    -0.008333250598288914,
    0.00396466764108395,
    -0.004086330545101799,
    0.006489212660623447,
    -0.011200285619154229,
    0.014754500598877226,
    -0.009729374174937518,
];

/// `ψ(x)`, and whether it is accurate.
#[inline(always)]
pub(super) fn digamma<I: Isa>(x: f64) -> (f64, bool) {
    let left = x < 0.0;
    // ψ(x) = ψ(1 - x) - π / tan(πx), and ψ(x) = ψ(x + 1) - 1/x.
    let r = off_whole(x.abs());
    let square = r * r;
    let (sine, cosine) = (
        r * horner::<I, f64>(square, SIN_PI),
        horner::<I, f64>(square, COS_PI),
    );
    let (base, over, under) = if left {
        (1.0 - x, -PI * cosine, sine)
    } else if x < 1.0 {
        (x + 1.0, 1.0, x)
    } else {
        (x, 0.0, 1.0)
    };
    let step = over / under;
    // The factor keeps relative accuracy at the zero.
    let factor = base - ROOT - ROOT_LO;
    let small = factor * horner::<I, f64>(base - 1.5, DIGAMMA_NEAR);
    let inverse = 1.0 / base;
    let square = inverse * inverse;
    let series = square.mul_add_::<I>(horner::<I, f64>(square, DIGAMMA_FAR), 0.5 * inverse);
    let large = ln::<I>(base) - series;
    let whole = if base < DIGAMMA_FAR_FROM {
        small
    } else {
        large
    };
    let y = whole - step;
    let y = if x == f64::INFINITY { x } else { y };
    let pole = left & (r == 0.0);
    let y = if pole { f64::NAN } else { y };
    let accurate = y.abs() >= CANCELLED * (whole.abs() + step.abs());
    (y, !left | pole | accurate)
}
