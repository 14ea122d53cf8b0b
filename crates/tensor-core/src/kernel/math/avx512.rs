//! `e^x` and `tanh x` in single precision with the instructions of AVX-512, whose registers hold the table below: about
//! half the steps that the way by double precision takes, within the same bound of 0.51 ulp.
//!
//! Both begin with `e^z = 2^n p (1 + r + w)`, where `p` is one of 32 powers of two, `|r| ≤ ln 2 / 64` is exact, and `w`
//! is small beside it. So little as they add, their rounding hardly counts: over all numbers, the errors are at most 0.508
//! and 0.5094 ulp.
//!
//! Numbers come from `scripts/math/exp_table.py`.
use std::arch::x86_64::*;
use std::f32::consts::{LOG2_E, SQRT_2};

use super::Math;
use crate::kernel::dispatch::has_avx512;
use crate::kernel::isa::Fused;
use crate::kernel::prefetch;

/// `2^(j/32)`, rounded.
const POWERS: [f32; 32] = [
    1.0, 1.0218972, 1.0442737, 1.0671405, 1.0905077, 1.1143868, 1.1387886, 1.1637249, 1.1892071,
    1.2152474, 1.2418578, 1.269051, 1.2968396, 1.3252367, 1.3542556, 1.38391, SQRT_2, 1.4451808,
    1.4768262, 1.5091645, 1.5422108, 1.5759809, 1.6104903, 1.6457555, 1.6817929, 1.7186193,
    1.7562522, 1.7947091, 1.8340081, 1.8741677, 1.9152066, 1.9571441,
];
/// `ln` of what the rounding of `POWERS` left out.
const RESTS: [f32; 32] = [
    0.0,
    -4.708458e-08,
    4.628547e-08,
    -5.560423e-08,
    -1.19921575e-08,
    -4.8776066e-08,
    4.729782e-08,
    -3.4814427e-08,
    3.193418e-08,
    -2.6886665e-08,
    3.6210572e-08,
    1.118421e-09,
    -3.0990723e-08,
    -2.6383011e-08,
    -7.475213e-09,
    -4.2456357e-08,
    1.7114271e-08,
    2.3001967e-08,
    -3.0476834e-08,
    -1.6538538e-08,
    5.233334e-09,
    -3.5920646e-08,
    6.1075918e-09,
    -3.1140544e-08,
    -1.4719606e-08,
    -2.8218102e-08,
    -5.258795e-09,
    -6.3603873e-09,
    -6.1282597e-09,
    -2.4880409e-08,
    5.1406093e-09,
    -8.697267e-09,
];
/// `ln 2 / 32` in two parts, the first with all bits of a number: its products with integers leave `r` exact.
const STEP: (f32, f32) = (0.02166085, -5.9520444e-11);
const PER_STEP: f32 = 32.0 * LOG2_E;
/// `(e^r - 1 - r - r²/2) / r³` as a polynomial, which leaves `e^r` off by 2⁻³⁵ of `r`.
const CUBIC: [f32; 2] = [0.16666748, 0.0416669];
/// Added to a number, it leaves the nearest integer in the low bits.
const MAGIC: f32 = 12_582_912.0;

/// Up to it, `e^x` and its inverse are normal numbers.
const USUAL: f32 = 87.0;
/// From there on, `tanh x` rounds to 1.
const TANH_MAX: f32 = 10.0;
/// Up to it, `tanh x` is `x` but for a hundredth of an ulp.
const TANH_SMALL: f32 = 1.0 / 32_768.0;

/// `2^(j/32 - shrink)`, with `j` taken from the exponent's last bits: where a number of steps is added there, which is
/// `j` and 32 times another power, the second remains.
const fn scaled(shrink: u32) -> [f32; 32] {
    let mut table = [0.0; 32];
    let mut j = 0;
    while j < 32 {
        let bits = POWERS[j].to_bits() - (shrink << 23) - ((j as u32) << TO_EXPONENT);
        table[j] = f32::from_bits(bits);
        j += 1;
    }
    table
}
/// Moves a number of steps to where its 32nd part is added to an exponent.
const TO_EXPONENT: u32 = 18;
static WHOLE_POWERS: [f32; 32] = scaled(0);
static HALF_POWERS: [f32; 32] = scaled(1);

/// Several vectors, each step for all of them in turn, so that none waits for the step before.
type Vectors<const N: usize> = [__m512; N];
const WIDTH: usize = 16;
/// As many as leave registers for the table.
const BLOCK: usize = 4;

/// `out[i] = e^x[i]`, or `tanh x[i]`, if this machine has AVX-512; else nothing, and false.
pub(super) fn fill<const TANH: bool>(x: &[f32], out: &mut [f32], far: bool) -> bool {
    let found = has_avx512();
    if found {
        // SAFETY: every feature that `map` is compiled for was found.
        unsafe { map::<TANH>(x, out, far) }
    }
    found
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn map<const TANH: bool>(x: &[f32], out: &mut [f32], far: bool) {
    let n = x.len().min(out.len());
    let (x, out) = (&x[..n], &mut out[..n]);
    let (blocks, x) = x.as_chunks::<{ BLOCK * WIDTH }>();
    let (results, out) = out.as_chunks_mut::<{ BLOCK * WIDTH }>();
    for (x, out) in blocks.iter().zip(results) {
        if far {
            prefetch::lines(x, prefetch::AHEAD);
            prefetch::lines(out, prefetch::AHEAD);
        }
        let vectors = x.as_chunks().0;
        let (y, rare) = of::<BLOCK, TANH>(each(|i| load(&vectors[i])));
        for (y, out) in y.iter().zip(out.as_chunks_mut::<WIDTH>().0) {
            // SAFETY: `out` has as many numbers as a vector.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *y) }
        }
        if rare {
            exp_of_rare(x, out);
        }
    }
    for (x, out) in x.chunks(WIDTH).zip(out.chunks_mut(WIDTH)) {
        let there = u16::MAX >> (WIDTH - x.len());
        // Of one number, which most often has just been written or is read at once, registers are quicker than masks.
        let v = match x {
            [x] => _mm512_set1_ps(*x),
            // SAFETY: `x` has the numbers that the mask names, up to sixteen.
            _ => unsafe { _mm512_maskz_loadu_ps(there, x.as_ptr()) },
        };
        let ([y], rare) = of::<1, TANH>([v]);
        match out {
            [out] => *out = _mm512_cvtss_f32(y),
            // SAFETY: `out` is as long as `x`.
            _ => unsafe { _mm512_mask_storeu_ps(out.as_mut_ptr(), there, y) },
        }
        if rare {
            exp_of_rare(x, out);
        }
    }
}

/// The function of some vectors, and whether it is another one of some of their elements.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn of<const N: usize, const TANH: bool>(x: Vectors<N>) -> (Vectors<N>, bool) {
    if TANH {
        return (tanh_of(x), false);
    }
    let mut rare = 0;
    for x in x {
        rare |= _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(_mm512_abs_ps(x), _mm512_set1_ps(USUAL));
    }
    (exp_of(x), rare != 0)
}

/// `e^x` of what is not usual, NaN too.
#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn exp_of_rare(x: &[f32], out: &mut [f32]) {
    for (out, &x) in out.iter_mut().zip(x) {
        let rare = Math::exp::<Fused>(x);
        *out = if x.abs() <= USUAL { *out } else { rare };
    }
}

/// `e^x` for `|x|` up to `USUAL`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn exp_of<const N: usize>(x: Vectors<N>) -> Vectors<N> {
    let [power, r, rest, sum] = reduce(x, &WHOLE_POWERS);
    let polynomial = mul_add(cubic(sum), sum, all(0.5));
    let w = mul_add(mul(sum, sum), polynomial, rest);
    mul_add(power, add(r, w), power)
}

/// `tanh x = 1 / d - 1` with `d = (1 + e^-2|x|) / 2`, which must be known to more than its own rounding.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn tanh_of<const N: usize>(x: Vectors<N>) -> Vectors<N> {
    let sign = _mm512_set1_ps(-0.0);
    let least = _mm512_set1_ps(-TANH_MAX);
    // Where one of the two is NaN, the second is the larger.
    let negative: Vectors<N> = each(|i| _mm512_max_ps(least, _mm512_or_ps(x[i], sign)));
    let [half, r, rest, sum] = reduce(add(negative, negative), &HALF_POWERS);
    let halves = all(0.5);
    // One rounding that counts: of the square, the half is exact, and what is added to it small.
    let cube = mul(mul(sum, sum), sum);
    let w = mul_add(mul(halves, sum), sum, mul_add(cube, cubic(sum), rest));
    // Two parts of `d`: the differences are exact, and what follows `r` rounds far below.
    let ones = all(1.0);
    let d = mul_add(half, r, add(halves, half));
    let low = mul_add(half, r, add(half, sub(halves, d)));
    let low = mul_add(half, w, low);
    // One step of Newton's method leaves the inverse off by a few roundings; the second adds what that is.
    let sum = add(d, low);
    let c: Vectors<N> = each(|i| _mm512_rcp14_ps(sum[i]));
    let c = mul_add(less_product(ones, sum, c), c, c);
    let off = less_product(less_product(ones, d, c), low, c);
    let y = mul_add(off, c, sub(c, ones));
    each(|i| {
        let small = _mm512_set1_ps(-TANH_SMALL);
        let large = _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(negative[i], small);
        let (x, y) = (_mm512_castps_si512(x[i]), _mm512_castps_si512(y[i]));
        let sign = _mm512_castps_si512(sign);
        // `x` where it is small; else its sign, and all other bits of `y`.
        let y = _mm512_mask_ternarylogic_epi32::<0b1110_0100>(x, large, y, sign);
        _mm512_castsi512_ps(y)
    })
}

/// `(p, r, rest, r + rest)` with `e^x = p e^(r + rest)`, or a half of that for the half powers, while `p` is a normal number.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn reduce<const N: usize>(x: Vectors<N>, powers: &[f32; 32]) -> [Vectors<N>; 4] {
    let shifted = mul_add(x, all(PER_STEP), all(MAGIC));
    let steps = sub(shifted, all(MAGIC));
    let r = less_product(x, steps, all(STEP.0));
    let rest = less_product(look_up(shifted, &RESTS), steps, all(STEP.1));
    let power: Vectors<N> = look_up(shifted, powers);
    let power = each(|i| {
        let steps = _mm512_slli_epi32::<TO_EXPONENT>(_mm512_castps_si512(shifted[i]));
        _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(power[i]), steps))
    });
    [power, r, rest, add(r, rest)]
}

/// `(e^r - 1 - r - r²/2) / r³`
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn cubic<const N: usize>(r: Vectors<N>) -> Vectors<N> {
    mul_add(all(CUBIC[1]), r, all(CUBIC[0]))
}

/// The entries whose numbers are in the last five bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn look_up<const N: usize>(index: Vectors<N>, table: &[f32; 32]) -> Vectors<N> {
    let (halves, _) = table.as_chunks();
    let (first, second) = (load(&halves[0]), load(&halves[1]));
    each(|i| _mm512_permutex2var_ps(first, _mm512_castps_si512(index[i]), second))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn load(x: &[f32; WIDTH]) -> __m512 {
    // SAFETY: `x` has as many numbers as a vector.
    unsafe { _mm512_loadu_ps(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn each<const N: usize>(of: impl Fn(usize) -> __m512) -> Vectors<N> {
    let mut out = [_mm512_setzero_ps(); N];
    for (i, out) in out.iter_mut().enumerate() {
        *out = of(i);
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn all<const N: usize>(x: f32) -> Vectors<N> {
    [_mm512_set1_ps(x); N]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn add<const N: usize>(a: Vectors<N>, b: Vectors<N>) -> Vectors<N> {
    each(|i| _mm512_add_ps(a[i], b[i]))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn sub<const N: usize>(a: Vectors<N>, b: Vectors<N>) -> Vectors<N> {
    each(|i| _mm512_sub_ps(a[i], b[i]))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn mul<const N: usize>(a: Vectors<N>, b: Vectors<N>) -> Vectors<N> {
    each(|i| _mm512_mul_ps(a[i], b[i]))
}

/// `a b + c`
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn mul_add<const N: usize>(a: Vectors<N>, b: Vectors<N>, c: Vectors<N>) -> Vectors<N> {
    each(|i| _mm512_fmadd_ps(a[i], b[i], c[i]))
}

/// `a - b c`
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn less_product<const N: usize>(a: Vectors<N>, b: Vectors<N>, c: Vectors<N>) -> Vectors<N> {
    each(|i| _mm512_fnmadd_ps(b[i], c[i], a[i]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::sweep::ulps;
    use super::*;

    type Function = fn(&[f32], &mut [f32], bool) -> bool;
    type Reference = fn(f64) -> f64;
    const FUNCTIONS: [(Function, Reference); 2] =
        [(fill::<false>, f64::exp), (fill::<true>, f64::tanh)];

    fn of(f: Function, x: &[f32]) -> Vec<f32> {
        let mut out = vec![0.5; x.len()];
        assert!(f(x, &mut out, x.len() % 2 == 1));
        out
    }

    fn check_bound(f: Function, reference: Reference, x: &[f32]) {
        for (&x, y) in x.iter().zip(of(f, x)) {
            let error = ulps(y, reference(x.into()));
            assert!(error <= 0.51, "{x:e}: {y:e} is off by {error} ulp");
        }
    }

    #[test]
    fn the_bound_holds_for_all_kinds_of_numbers() {
        if !has_avx512() {
            return;
        }
        // Every 257th number, of either sign, the NaNs among them.
        let x: Vec<f32> = (0..=u32::MAX).step_by(257).map(f32::from_bits).collect();
        for (f, reference) in FUNCTIONS {
            check_bound(f, reference, &x);
        }
    }

    #[test]
    fn the_bound_holds_where_the_rest_of_the_exponent_counts_most() {
        if !has_avx512() {
            return;
        }
        // Every number of these ranges, in which the largest errors over all numbers are.
        let every = |from: f32, to: f32| (from.to_bits()..to.to_bits()).map(f32::from_bits);
        let x: Vec<f32> = every(-0.006, -0.011).collect();
        check_bound(fill::<false>, f64::exp, &x);
        let x: Vec<f32> = every(0.0052, 0.0062).collect();
        check_bound(fill::<true>, f64::tanh, &x);
    }

    #[test]
    fn what_stands_beside_a_number_does_not_matter() {
        if !has_avx512() {
            return;
        }
        let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
        let rare = [
            f32::INFINITY,
            -0.0,
            f32::NEG_INFINITY,
            88.0,
            -100.0,
            1e-40,
            -1e30,
        ];
        let x: Vec<f32> = (0..200u16)
            .map(|i| {
                if i % 29 == 7 {
                    rare[usize::from(i) % 7]
                } else {
                    f32::from(i) * 0.37 - 30.0
                }
            })
            .collect();
        for (f, _) in FUNCTIONS {
            let alone: Vec<f32> = x.iter().flat_map(|x| of(f, &[*x])).collect();
            for n in 0..x.len() {
                assert_eq!(bits(&of(f, &x[..n])), bits(&alone[..n]), "{n} at once");
                assert_eq!(bits(&of(f, &x[n..])), bits(&alone[n..]), "from {n} on");
            }
        }
    }

    #[test]
    fn no_more_is_read_or_written_than_both_slices_have() {
        if !has_avx512() {
            return;
        }
        for (f, _) in FUNCTIONS {
            for (from, to) in [(20, 5), (5, 20), (70, 64), (64, 70), (130, 3)] {
                let mut out = vec![7.0; to + 64];
                assert!(f(&vec![1.0; from], &mut out[..to], false));
                let (done, rest) = out.split_at(from.min(to));
                assert!(done.iter().all(|y| *y != 7.0) && rest.iter().all(|y| *y == 7.0));
            }
        }
    }

    #[test]
    fn edges_are_exact() {
        if !has_avx512() {
            return;
        }
        let (inf, e) = (f32::INFINITY, std::f32::consts::E);
        let x = [
            0.0,
            -0.0,
            inf,
            -inf,
            1.0,
            88.722_83,
            88.73,
            -103.9,
            -104.0,
            f32::MAX,
        ];
        let tiny = f32::from_bits(1);
        let y = of(fill::<false>, &x);
        assert_eq!(y[..5], [1.0, 1.0, inf, 0.0, e]);
        assert!(y[5].is_finite());
        assert_eq!(y[6..], [inf, tiny, 0.0, inf]);
        let x = [0.0, -0.0, inf, -inf, f32::MAX, tiny, -tiny];
        let y = of(fill::<true>, &x);
        assert_eq!(y, [0.0, -0.0, 1.0, -1.0, 1.0, tiny, -tiny]);
        assert!(y[1].is_sign_negative());
        for (f, _) in FUNCTIONS {
            assert!(of(f, &[f32::NAN, -f32::NAN]).iter().all(|y| y.is_nan()));
        }
    }
}
