//! The floating-point format under the vectorised functions: its bit fields, constants and polynomials.
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{Isa, Math};

/// Evaluates `c[0] + c[1] x + c[2] x² + …` by Horner's rule, which has the fewest operations: a kernel has
/// many elements in flight, so the length of the chain costs nothing there.
#[inline(always)]
pub(super) fn horner<I: Isa, T: Real>(x: T, c: &[T]) -> T {
    let mut acc = c[c.len() - 1];
    for &next in c[..c.len() - 1].iter().rev() {
        acc = acc.mul_add_::<I>(x, next);
    }
    acc
}

/// What the formats differ in. The polynomials come from a Remez exchange at 60 digits.
pub(super) trait Real:
    Math
    + PartialOrd
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// `1.5 · 2^m` for `m` stored bits, and the bias of the exponent: adding it rounds to an integer and leaves that in
    /// the low bits, already biased.
    const MAGIC: Self;
    /// As `MAGIC`, with 64 more.
    const MAGIC_LIFTED: Self;
    /// As `MAGIC`, with twice the bias.
    const MAGIC_PAIR: Self;
    const LOG2_E: Self;
    const LN_2: Self;
    /// `ln 2` with so few bits that its product with any exponent is exact.
    const LN_2_HI: Self;
    /// What `LN_2_HI` lost to rounding.
    const LN_2_LO: Self;
    /// Below the first, `e^x` rounds to zero; above the second, it overflows.
    const EXP_RANGE: (Self, Self);
    /// The same for `2^x`.
    const EXP2_RANGE: (Self, Self);
    /// Below it, `e^x - 1` rounds to -1.
    const EXPM1_MIN: Self;
    /// Below it, `e^x - 1` and `ln(1 + x)` round to `x` or its neighbour.
    const TINY: Self;
    const MIN_POSITIVE: Self;
    const INFINITY: Self;
    const NAN: Self;
    /// `2^m`, and `m`: it makes any denormal normal.
    const DENORMAL_SCALE: (Self, Self);
    /// `(e^r - 1 - r) / r²` on `|r| ≤ ln 2 / 2`.
    const EXP: &'static [Self];
    /// `(e^r - 1 - r - r²/2) / r³` on the same range.
    const EXP_CUBIC: &'static [Self];
    /// `(2^r - 1 - r ln 2) / r²` on `|r| ≤ 1/2`.
    const EXP2: &'static [Self];

    /// A constant that both formats hold exactly.
    fn of(v: f64) -> Self;
    fn abs_(self) -> Self;
    /// The number without the lower half of its bits, so that its square is exact.
    fn half_of_bits(self) -> Self;
    /// `2^n`, where `shifted` is `n + MAGIC` and the power is a normal number; with `MAGIC_LIFTED` it is `2^(n + 64)`, for
    /// an `n` that may be too small.
    fn power_of_two(shifted: Self) -> Self;
    /// Two normal numbers whose product is `2^n`, for a power that may leave the format's range, where `shifted` is
    /// `n + MAGIC_PAIR`.
    fn powers_of_two(shifted: Self) -> (Self, Self);
    /// `(e, m, 2^(2-e))` with `self = 2^e m` and `m` in `[√½, √2)`, for a positive normal number.
    fn split(self) -> (Self, Self, Self);
    /// `ln(1 + f) - f` for `1 + f` in `[√½, √2]`.
    fn ln_1p_tail<I: Isa>(f: Self) -> Self;
    /// `ln(1 + z)` for `z` in `[0, 1]`.
    fn ln_1p_unit<I: Isa>(z: Self) -> Self;
}

/// `√½`: subtracting its bits from a number's makes the exponent field count from there.
const SQRT_HALF_32: u32 = 0x3f35_04f3;
const SQRT_HALF_64: u64 = 0x3fe6_a09e_667f_3bcd;
/// `(ln(1 + f) - f + f²/2) / f³`. A division would cost single precision more than the longer polynomial.
const LN_32: &[f32] = &[
    0.33333333,
    -0.25000823,
    0.20001219,
    -0.16623235,
    0.14201853,
    -0.1316157,
    0.12761553,
    -0.07630547,
];
/// `(ln(1 + z) - z) / z²` as a polynomial in `z - ½`, about which its terms cancel least, on `[0, 1]`.
const LN_1P_UNIT: &[f32] = &[
    -0.37813956,
    0.1792249,
    -0.09323186,
    0.05108906,
    -0.028905,
    0.016656986,
    -0.010177704,
    0.006930693,
    -0.003318474,
];
/// `(2 atanh(s)/s - 2) / s²` as a polynomial in `s²`, on `s ≤ (√2 - 1)/(√2 + 1)`.
const LN_64: &[f64] = &[
    0.666666666666671,
    0.3999999999951785,
    0.2857142872982765,
    0.22222199027001896,
    0.1818357519550835,
    0.15313064071774743,
    0.14811578667386677,
];

impl Real for f32 {
    const MAGIC: f32 = 12_582_912.0 + 127.0;
    const MAGIC_LIFTED: f32 = Self::MAGIC + 64.0;
    const MAGIC_PAIR: f32 = Self::MAGIC + 127.0;
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN_2: f32 = std::f32::consts::LN_2;
    const LN_2_HI: f32 = 0.693_145_75;
    const LN_2_LO: f32 = 1.4286068e-6;
    const EXP_RANGE: (f32, f32) = (-104.0, 89.0);
    const EXP2_RANGE: (f32, f32) = (-151.0, 129.0);
    const EXPM1_MIN: f32 = -20.0;
    const TINY: f32 = 1.0 / 33_554_432.0;
    const MIN_POSITIVE: f32 = f32::MIN_POSITIVE;
    const INFINITY: f32 = f32::INFINITY;
    const NAN: f32 = f32::NAN;
    const DENORMAL_SCALE: (f32, f32) = (8_388_608.0, 23.0);
    const EXP: &'static [f32] = &[0.49999997, 0.16666543, 0.0416672, 0.008366596, 0.0013882506];
    const EXP_CUBIC: &'static [f32] = &[
        0.16666667,
        0.04166648,
        0.008333283,
        0.0013933317,
        0.00019909695,
    ];
    const EXP2: &'static [f32] = &[
        0.24022648,
        0.055503618,
        0.009618529,
        0.0013390387,
        0.00015320831,
    ];

    #[inline(always)]
    fn of(v: f64) -> f32 {
        v as f32
    }
    #[inline(always)]
    fn abs_(self) -> f32 {
        self.abs()
    }
    #[inline(always)]
    fn half_of_bits(self) -> f32 {
        f32::from_bits(self.to_bits() & 0xffff_f000)
    }
    #[inline(always)]
    fn power_of_two(shifted: f32) -> f32 {
        // All above the biased exponent leaves on the left.
        f32::from_bits(shifted.to_bits() << 23)
    }
    #[inline(always)]
    fn powers_of_two(shifted: f32) -> (f32, f32) {
        // The low bits hold the sum of both biased exponents: half of it without its last bit, and the rest.
        let bits = shifted.to_bits();
        let half = (bits << 22) & 0xff80_0000;
        let rest = (bits << 23).wrapping_sub(half);
        (f32::from_bits(half), f32::from_bits(rest))
    }
    #[inline(always)]
    fn split(self) -> (f32, f32, f32) {
        let bits = self.to_bits().wrapping_add(1.0f32.to_bits() - SQRT_HALF_32);
        let biased = bits >> 23;
        // An integer becomes a float by placing it under the leading bit of `2^23`: no conversion needed.
        let e = f32::from_bits(biased | 8_388_608.0f32.to_bits()) - (8_388_608.0 + 127.0);
        let m = f32::from_bits((bits & 0x7f_ffff) + SQRT_HALF_32);
        (e, m, f32::from_bits(256u32.wrapping_sub(biased) << 23))
    }
    #[inline(always)]
    fn ln_1p_tail<I: Isa>(f: f32) -> f32 {
        // The square is large enough that its rounding would count.
        let square = f * f;
        let square_lost = f.mul_add_::<I>(f, -square);
        let cubic = square * f * horner::<I, f32>(f, LN_32);
        square.mul_add_::<I>(-0.5, square_lost.mul_add_::<I>(-0.5, cubic))
    }
    #[inline(always)]
    fn ln_1p_unit<I: Isa>(z: f32) -> f32 {
        let curve = horner::<I, f32>(z - 0.5, LN_1P_UNIT);
        (z * z).mul_add_::<I>(curve, z)
    }
}

impl Real for f64 {
    const MAGIC: f64 = 6_755_399_441_055_744.0 + 1023.0;
    const MAGIC_LIFTED: f64 = Self::MAGIC + 64.0;
    const MAGIC_PAIR: f64 = Self::MAGIC + 1023.0;
    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    const LN_2: f64 = std::f64::consts::LN_2;
    const LN_2_HI: f64 = 0.6931471805601177;
    const LN_2_LO: f64 = -1.7239444525614835e-13;
    const EXP_RANGE: (f64, f64) = (-746.0, 710.0);
    const EXP2_RANGE: (f64, f64) = (-1076.0, 1025.0);
    const EXPM1_MIN: f64 = -40.0;
    const TINY: f64 = 1.0 / 18_014_398_509_481_984.0;
    const MIN_POSITIVE: f64 = f64::MIN_POSITIVE;
    const INFINITY: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    const DENORMAL_SCALE: (f64, f64) = (4_503_599_627_370_496.0, 52.0);
    const EXP: &'static [f64] = &[
        0.5,
        0.16666666666666677,
        0.041666666666666505,
        0.008333333333321586,
        0.001388888888896304,
        0.0001984126988626966,
        2.480158717165884e-5,
        2.7557244035339148e-6,
        2.7557403021913545e-7,
        2.5109107527392635e-8,
        2.087532632221934e-9,
    ];
    const EXP_CUBIC: &'static [f64] = &[
        0.16666666666666677,
        0.04166666666666669,
        0.008333333333321697,
        0.0013888888888870226,
        0.00019841269885984358,
        2.4801587355951753e-5,
        2.7557244337501914e-6,
        2.75572457144564e-7,
        2.5108995682319825e-8,
        2.0923718342858986e-9,
    ];
    const EXP2: &'static [f64] = &[
        0.24022650695910122,
        0.055504108664821604,
        0.00961812910759457,
        0.001333355814641037,
        0.00015403530459489421,
        1.525273383929917e-5,
        1.3215433111997715e-6,
        1.0178057394925643e-7,
        7.074271868529419e-9,
        4.4558592358917693e-10,
    ];

    #[inline(always)]
    fn of(v: f64) -> f64 {
        v
    }
    #[inline(always)]
    fn abs_(self) -> f64 {
        self.abs()
    }
    #[inline(always)]
    fn half_of_bits(self) -> f64 {
        f64::from_bits(self.to_bits() & 0xffff_ffff_f800_0000)
    }
    #[inline(always)]
    fn power_of_two(shifted: f64) -> f64 {
        f64::from_bits(shifted.to_bits() << 52)
    }
    #[inline(always)]
    fn powers_of_two(shifted: f64) -> (f64, f64) {
        let bits = shifted.to_bits();
        let half = (bits << 51) & 0xfff0_0000_0000_0000;
        let rest = (bits << 52).wrapping_sub(half);
        (f64::from_bits(half), f64::from_bits(rest))
    }
    #[inline(always)]
    fn split(self) -> (f64, f64, f64) {
        const TWO_52: f64 = 4_503_599_627_370_496.0;
        let bits = self.to_bits().wrapping_add(1.0f64.to_bits() - SQRT_HALF_64);
        let biased = bits >> 52;
        let e = f64::from_bits(biased | TWO_52.to_bits()) - (TWO_52 + 1023.0);
        let m = f64::from_bits((bits & 0xf_ffff_ffff_ffff) + SQRT_HALF_64);
        (e, m, f64::from_bits(2048u64.wrapping_sub(biased) << 52))
    }
    #[inline(always)]
    fn ln_1p_tail<I: Isa>(f: f64) -> f64 {
        // With s = f/(2+f): ln(1+f) = 2 atanh s, and 2s = f - sf turns it into f - f²/2 + s(f²/2 + R(s²)).
        let s = f / (2.0 + f);
        let z = s * s;
        let half_square = 0.5 * f * f;
        let r = horner::<I, f64>(z, LN_64) * z;
        s.mul_add_::<I>(half_square + r, -half_square)
    }
    #[inline(always)]
    fn ln_1p_unit<I: Isa>(z: f64) -> f64 {
        super::log::ln_1p_unit::<I, f64>(z)
    }
}
