use super::{Isa, Math, special};
use crate::kernel::isa::{Fused, Portable};

#[path = "pairs.rs"]
mod pairs;
#[path = "sweep.rs"]
pub(super) mod sweep;
#[path = "table.rs"]
mod table;

/// Primes, so that the patterns visited share no low bits; the second is for references that take longer.
const STEPS: (u64, u64) = (257, 4099);
/// How many functions losses and activations are made of: they come first.
const DENSE: usize = 14;

#[test]
fn single_precision_keeps_its_bounds() {
    for (i, row) in sweep::rows().into_iter().enumerate() {
        let step = if i < DENSE { STEPS.0 } else { STEPS.1 };
        for (error, x) in sweep::worst(&row, step) {
            assert!(error <= row.bound, "{} of {x:e}: {error} ulp", row.name);
        }
    }
}

#[test]
fn double_precision_keeps_its_bounds() {
    let csv = include_str!("../../../fixtures/math.csv");
    for entry in table::entries() {
        let (worst, lines) = table::worst(&entry, csv);
        assert!(lines >= 60, "{} has {lines} lines", entry.name);
        for (error, x) in worst {
            assert!(error <= entry.bound, "{} of {x:e}: {error} ulp", entry.name);
        }
    }
}

/// Whether `got` is `want` to the bit if that is 0 or infinite, NaN if that is, and else within two ulp.
fn close(got: f64, want: f64, epsilon: f64) -> bool {
    let exact = want == 0.0 || !want.is_finite();
    same(got, want) || (!exact && (got - want).abs() <= 2.0 * epsilon * want.abs())
}

/// Whether two values are the same number, the sign of a zero included, or both NaN.
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;
const EDGES: [f64; 6] = [0.0, -0.0, INF, -INF, 1.0, -1.0];

macro_rules! edges {
    ($($name:ident $values:expr;)*) => {
        fn check_edges<I: Isa>() {
            $({
                let values: [f64; 6] = $values;
                for (x, want) in EDGES.into_iter().zip(values) {
                    let got = Math::$name::<I>(x);
                    assert!(close(got, want, f64::EPSILON), "{} of {x}: {got}", stringify!($name));
                    let got = Math::$name::<I>(x as f32);
                    let near = close(got.into(), want, f32::EPSILON.into());
                    assert!(near, "{} of {x} in single precision: {got}", stringify!($name));
                }
                assert!(Math::$name::<I>(NAN).is_nan() && Math::$name::<I>(-NAN).is_nan(), stringify!($name));
                assert!(Math::$name::<I>(f32::NAN).is_nan(), stringify!($name));
            })*
        }
    };
}

// The values at 0, -0, ∞, -∞, 1 and -1.
edges! {
    exp [1.0, 1.0, INF, 0.0, std::f64::consts::E, (-1.0f64).exp()];
    exp2 [1.0, 1.0, INF, 0.0, 2.0, 0.5];
    expm1 [0.0, -0.0, INF, -1.0, 1f64.exp_m1(), (-1f64).exp_m1()];
    ln [-INF, -INF, INF, NAN, 0.0, NAN];
    log2 [-INF, -INF, INF, NAN, 0.0, NAN];
    log10 [-INF, -INF, INF, NAN, 0.0, NAN];
    log1p [0.0, -0.0, INF, NAN, 2f64.ln(), -INF];
    tanh [0.0, -0.0, 1.0, -1.0, 1f64.tanh(), -1f64.tanh()];
    tanhshrink [0.0, -0.0, INF, -INF, 0.2384058440442351, -0.2384058440442351];
    sigmoid [0.5, 0.5, 1.0, 0.0, 1.0 / (1.0 + (-1f64).exp()), 0.2689414213699951];
    softplus [2f64.ln(), 2f64.ln(), INF, 0.0, 1.3132616875182228, 0.31326168751822286];
    log_sigmoid [-2f64.ln(), -2f64.ln(), -0.0, -INF, -0.31326168751822286, -1.3132616875182228];
    sqrt [0.0, -0.0, INF, NAN, 1.0, NAN];
    rsqrt [INF, -INF, 0.0, NAN, 1.0, NAN];
    cbrt [0.0, -0.0, INF, -INF, 1.0, -1.0];
    sin [0.0, -0.0, NAN, NAN, 1f64.sin(), -1f64.sin()];
    cos [1.0, 1.0, NAN, NAN, 1f64.cos(), 1f64.cos()];
    tan [0.0, -0.0, NAN, NAN, 1f64.tan(), -1f64.tan()];
    asin [0.0, -0.0, NAN, NAN, 1f64.asin(), -1f64.asin()];
    acos [0f64.acos(), 0f64.acos(), NAN, NAN, 0.0, std::f64::consts::PI];
    atan [0.0, -0.0, INF.atan(), -INF.atan(), 1f64.atan(), -1f64.atan()];
    sinh [0.0, -0.0, INF, -INF, 1f64.sinh(), -1f64.sinh()];
    cosh [1.0, 1.0, INF, INF, 1f64.cosh(), 1f64.cosh()];
    asinh [0.0, -0.0, INF, -INF, 0.881373587019543, -0.881373587019543];
    acosh [NAN, NAN, INF, NAN, 0.0, NAN];
    atanh [0.0, -0.0, NAN, NAN, INF, -INF];
    erf [0.0, -0.0, 1.0, -1.0, 0.8427007929497149, -0.8427007929497149];
    erfc [1.0, 1.0, 0.0, 2.0, 0.15729920705028513, 1.8427007929497148];
    lgamma [INF, INF, INF, INF, 0.0, INF];
    digamma [-INF, INF, INF, NAN, -0.5772156649015329, NAN];
    floor [0.0, -0.0, INF, -INF, 1.0, -1.0];
    ceil [0.0, -0.0, INF, -INF, 1.0, -1.0];
    trunc [0.0, -0.0, INF, -INF, 1.0, -1.0];
    round_even [0.0, -0.0, INF, -INF, 1.0, -1.0];
}

#[test]
fn edges_are_exact() {
    check_edges::<Portable>();
    check_edges::<Fused>();
}

#[test]
fn exponentials_leave_the_range_where_they_should() {
    fn check<I: Isa>() {
        assert!(Math::exp::<I>(88.722_83f32).is_finite());
        assert_eq!(Math::exp::<I>(88.73f32), f32::INFINITY);
        assert_eq!(Math::exp::<I>(-103.9f32), f32::from_bits(1));
        assert_eq!(Math::exp::<I>(-104.0f32), 0.0);
        assert_eq!(Math::exp::<I>(-1e30f32), 0.0);
        assert_eq!(Math::exp::<I>(-745.1f64), f64::from_bits(1));
        assert_eq!(Math::exp::<I>(-745.2f64), 0.0);
        assert!(Math::exp::<I>(709.78f64).is_finite());
        assert_eq!(Math::exp::<I>(709.79f64), INF);
        assert!(Math::expm1::<I>(88.72f32).is_finite());
        assert_eq!(Math::expm1::<I>(88.73f32), f32::INFINITY);
        assert_eq!(Math::expm1::<I>(709.79f64), INF);
        assert_eq!(Math::expm1::<I>(-1e9f64), -1.0);
        for n in -149..128 {
            assert_eq!(f64::from(Math::exp2::<I>(n as f32)), f64::powi(2.0, n));
            assert_eq!(Math::log2::<I>(Math::exp2::<I>(n as f32)), n as f32);
        }
        for n in -1074..1024 {
            let power = Math::exp2::<I>(f64::from(n));
            assert!(power > 0.0 && Math::log2::<I>(power) == f64::from(n));
        }
        assert_eq!(Math::exp2::<I>(128.0f32), f32::INFINITY);
        assert_eq!(Math::exp2::<I>(1024.0f64), INF);
        assert_eq!(Math::exp2::<I>(-150.0f32), 0.0);
        assert_eq!(Math::exp2::<I>(-1075.0f64), 0.0);
    }
    check::<Portable>();
    check::<Fused>();
}

#[test]
fn the_shorter_exponential_keeps_its_bound() {
    fn check<I: Isa>() {
        for pattern in (1u32 << 31..u32::MAX).step_by(STEPS.0 as usize) {
            let x = f32::from_bits(pattern);
            let want = f64::from(x).exp();
            let error = sweep::ulps(Math::exp_nonpositive::<I>(x), want);
            assert!(error <= 1.1, "{x:e}: {error} ulp");
        }
        for x in (0..76_000).map(|i| f64::from(i) * -0.01) {
            assert!(same(Math::exp_nonpositive::<I>(x), Math::exp::<I>(x)));
        }
        assert!(Math::exp_nonpositive::<I>(NAN).is_nan());
        assert_eq!(Math::exp_nonpositive::<I>(-INF), 0.0);
    }
    check::<Portable>();
    check::<Fused>();
}

#[test]
fn tails_are_accurate_and_finite() {
    fn check<I: Isa>() {
        // Far left, both are e^x, denormal or not; far right, they are 1 and x.
        for x in [-40.0f32, -80.0, -87.5, -95.0, -103.0] {
            let want = f64::from(x).exp();
            assert!(sweep::ulps(Math::sigmoid::<I>(x), want) <= 2.0);
            assert!(sweep::ulps(Math::softplus::<I>(x), want) <= 2.0);
            assert_eq!(Math::log_sigmoid::<I>(x), x);
            assert_eq!(Math::sigmoid::<I>(-x), 1.0);
            assert_eq!(Math::softplus::<I>(-x), -x);
        }
        assert_eq!(Math::softplus::<I>(f32::MAX), f32::MAX);
        assert_eq!(Math::softplus::<I>(f64::MAX), f64::MAX);
        assert_eq!(Math::log1p::<I>(f32::from_bits(1)), f32::from_bits(1));
        assert_eq!(Math::expm1::<I>(f64::from_bits(1)), f64::from_bits(1));
        assert_eq!(Math::tanh::<I>(-f64::from_bits(1)), -f64::from_bits(1));
        assert!(same(Math::log1p::<I>(f64::MAX), f64::MAX.ln()));
        assert_eq!(Math::log1p::<I>(f32::MAX), f32::MAX.ln());
    }
    check::<Portable>();
    check::<Fused>();
}

#[test]
fn two_parts_of_an_exponential_are_nearer_than_one_number() {
    fn check<I: Isa>(most: f64) {
        let mut worst = 0.0f64;
        for i in 0..20_000 {
            let x = -80.0 + i as f32 * 0.008_3;
            let (high, rest) = Math::exp_parts::<I>(x);
            let want = f64::from(x).exp();
            let ulp = f64::from(f32::EPSILON) * f64::powi(2.0, want.log2().floor() as i32);
            worst = worst.max((f64::from(high) + f64::from(rest) - want).abs() / ulp);
            assert!(
                f64::from(rest).abs() <= 0.12 * want,
                "{x}: {high:e} and {rest:e}"
            );
        }
        assert!(worst < most, "{worst} ulp");
        let (high, rest) = Math::exp_parts::<I>(0.0f64);
        assert_eq!((high, rest), (1.0, 0.0));
        assert_eq!(Math::exp_parts::<I>(f32::NEG_INFINITY), (0.0, 0.0));
        assert_eq!(Math::exp_parts::<I>(89.0f32).0, f32::INFINITY);
        assert!(Math::exp_parts::<I>(NAN).0.is_nan());
    }
    // Without fused multiply-add, the reduction of the argument itself is off by more.
    check::<Portable>(0.7);
    check::<Fused>(0.25);
}

#[test]
fn the_shorter_softplus_keeps_its_bound() {
    fn check<I: Isa>() {
        for i in 0..200_000 {
            let x = i as f32 * -5e-4;
            let want = f64::from(x).exp().ln_1p();
            let error = sweep::ulps(Math::softplus_nonpositive::<I>(x), want);
            assert!(error <= 1.9, "{x}: {error} ulp");
        }
        let values = [-0.0, f64::NEG_INFINITY].map(Math::softplus_nonpositive::<I>);
        assert_eq!(values, [std::f64::consts::LN_2, 0.0]);
        assert!(Math::softplus_nonpositive::<I>(NAN).is_nan());
    }
    check::<Portable>();
    check::<Fused>();
}

#[test]
fn multiply_add_rounds_once_where_fused() {
    let x = 1.0 + f64::EPSILON;
    let square = 1.0 + 2.0 * f64::EPSILON;
    assert_eq!(x.mul_add_::<Portable>(x, -square), 0.0);
    assert_eq!(x.mul_add_::<Fused>(x, -square), f64::EPSILON * f64::EPSILON);
    let x = 1.0 + f32::EPSILON;
    let square = 1.0 + 2.0 * f32::EPSILON;
    assert_eq!(x.mul_add_::<Portable>(x, -square), 0.0);
    assert_eq!(x.mul_add_::<Fused>(x, -square), f32::EPSILON * f32::EPSILON);
}

#[test]
fn functions_of_two_arguments_follow_ieee() {
    type P = Portable;
    assert_eq!(NAN.pow::<P>(0.0), 1.0);
    assert_eq!(1.0f64.pow::<P>(NAN), 1.0);
    assert_eq!((-8.0f64).pow::<P>(3.0), -512.0);
    assert!((-8.0f64).pow::<P>(0.5).is_nan());
    assert!(same((-0.0f64).pow::<P>(-3.0), -INF));
    assert!(same((-0.0f64).pow::<P>(3.0), -0.0));
    assert_eq!(0.5f32.pow::<P>(-2.0), 4.0);
    assert!(same(Math::atan2::<P>(-0.0f64, -1.0), -std::f64::consts::PI));
    assert!(same(Math::atan2::<P>(-0.0f64, 1.0), -0.0));
    assert_eq!(Math::atan2::<P>(1.0f32, 1.0), std::f32::consts::FRAC_PI_4);
    assert_eq!(Math::hypot::<P>(3e300f64, 4e300), 5e300);
    assert_eq!(Math::hypot::<P>(3e30f32, 4e30), 5e30);
    assert_eq!(Math::hypot::<P>(INF, NAN), INF);
}

#[test]
fn rounding_goes_each_its_way() {
    type P = Portable;
    for (x, floor, ceil, trunc, even) in [
        (2.5, 2.0, 3.0, 2.0, 2.0),
        (3.5, 3.0, 4.0, 3.0, 4.0),
        (-1.5, -2.0, -1.0, -1.0, -2.0),
        (-0.25, -1.0, -0.0, -0.0, -0.0),
    ] {
        let got = [
            Math::floor::<P>(x),
            Math::ceil::<P>(x),
            Math::trunc::<P>(x),
            x.round_even::<P>(),
        ];
        assert!(
            got.into_iter()
                .zip([floor, ceil, trunc, even])
                .all(|(a, b)| same(a, b)),
            "{x}: {got:?}"
        );
        let x = x as f32;
        let got = [
            Math::floor::<P>(x),
            Math::ceil::<P>(x),
            Math::trunc::<P>(x),
            x.round_even::<P>(),
        ];
        assert!(
            got.into_iter()
                .zip([floor, ceil, trunc, even])
                .all(|(a, b)| same(a.into(), b)),
            "{x}: {got:?}"
        );
    }
}

#[test]
fn digamma_and_lgamma_reflect() {
    type P = Portable;
    for x in [-0.25f64, -0.75, -1.3, -3.9, -20.5, -1e-9] {
        // ψ(x+1) = ψ(x) + 1/x and |Γ(x+1)| = |x Γ(x)| join a negative argument to its neighbour.
        let (a, b) = (x.digamma::<P>(), (x + 1.0).digamma::<P>() - 1.0 / x);
        assert!((a - b).abs() <= 2e-14 * a.abs().max(1.0), "{x}: {a} {b}");
        let (a, b) = (x.lgamma::<P>(), (x + 1.0).lgamma::<P>() - x.abs().ln());
        assert!((a - b).abs() <= 2e-14 * a.abs().max(1.0), "{x}: {a} {b}");
    }
    // 2 ln 2 + π/2 and its sum with γ are known in closed form at ±1/4 and 1/2.
    assert!((0.5f64.digamma::<P>() + 1.963_510_026_021_423_5).abs() < 5e-16);
    assert!((-2.0f64).digamma::<P>().is_nan());
    assert!((-3.0f32).digamma::<P>().is_nan());
    assert_eq!((-2.0f64).lgamma::<P>(), INF);
}

#[test]
fn gamma_functions_are_accurate_about_their_zeros_and_where_formulas_meet() {
    fn check<I: Isa>() {
        for center in [0.5, 1.0, 1.461_632_1, 1.5, 2.0, 2.5f32] {
            for i in -15_000..15_000i32 {
                // Near the centre each number, and further off some.
                let step = if i.abs() < 5_000 { i } else { i * 97 };
                let x = f32::from_bits(center.to_bits().wrapping_add_signed(step));
                for (got, want) in [
                    (Math::lgamma::<I>(x), libm::lgamma(x.into())),
                    (Math::digamma::<I>(x), special::digamma(x.into())),
                ] {
                    let error = sweep::ulps(got, want);
                    assert!(error <= 0.51, "{x:e}: {got:e}, not {want:e}: {error} ulp");
                }
            }
        }
        // Left of 0, where two terms may cancel to any degree.
        for i in 0..300_000u32 {
            let x = -f32::from_bits(0x3f80_0000 - 0x0180_0000 + i * 181);
            for (name, got, want) in [
                ("ln Γ", Math::lgamma::<I>(x), libm::lgamma(x.into())),
                ("ψ", Math::digamma::<I>(x), special::digamma(x.into())),
            ] {
                let error = sweep::ulps(got, want);
                assert!(
                    error <= 0.51,
                    "{name}({x:e}): {got:e}, not {want:e}: {error} ulp"
                );
            }
        }
        // The largest arguments, and results that leave the range.
        for x in [f32::MAX, 4.08e36, 4.085e36, 1e30, 1e-38, 1e-39, 1e-45] {
            let error = sweep::ulps(Math::lgamma::<I>(x), libm::lgamma(x.into()));
            assert!(error <= 0.51, "ln Γ({x:e}): {error} ulp");
            let error = sweep::ulps(Math::digamma::<I>(x), special::digamma(x.into()));
            assert!(error <= 0.51, "ψ({x:e}): {error} ulp");
        }
    }
    check::<Portable>();
    check::<Fused>();
}

#[test]
fn the_normal_distribution_keeps_its_bounds() {
    fn check<I: Isa>() {
        for i in -60_000..60_000 {
            // In single precision, the argument is exact in both.
            let x = i as f32 * (1.0 / 4096.0);
            let wide = f64::from(x);
            let (cdf, density) = Math::normal::<I>(x);
            let want = 0.5 * libm::erfc(-wide * std::f64::consts::FRAC_1_SQRT_2);
            let bound = if x.abs() < 6.0 { 5.0 } else { 10.0 };
            let error = sweep::ulps(cdf, want);
            assert!(error <= bound, "Φ({x}): {error} ulp");
            let want = (-0.5 * wide * wide).exp() * 0.398_942_280_401_432_7;
            let error = sweep::ulps(density, want);
            assert!(error <= 3.0, "φ({x}): {error} ulp");
            let wider = Math::normal::<I>(wide);
            assert!((wider.1 - want).abs() <= 1e-15 * want + 1e-323, "φ({x})");
        }
        for (x, cdf, density) in [
            (INF, 1.0, 0.0),
            (-INF, 0.0, 0.0),
            (0.0, 0.5, 0.3989422804014327),
        ] {
            assert_eq!(Math::normal::<I>(x).0, cdf);
            assert_eq!(Math::normal::<I>(x as f32).0, cdf as f32);
            assert_eq!(Math::normal::<I>(x as f32).1, density as f32);
            assert_eq!(Math::normal::<I>(x).1, density);
        }
        let (cdf, density) = Math::normal::<I>(f32::NAN);
        assert!(cdf.is_nan() && density.is_nan());
    }
    check::<Portable>();
    check::<Fused>();
}

#[test]
fn circular_functions_have_the_same_bits_without_a_branch() {
    fn check<I: Isa>() {
        for pattern in (0..f32::NEAR.to_bits()).step_by(STEPS.1 as usize) {
            for x in [f32::from_bits(pattern), -f32::from_bits(pattern)] {
                assert!(
                    same(x.sin_near::<I>().into(), Math::sin::<I>(x).into()),
                    "sin {x}"
                );
                assert!(
                    same(x.cos_near::<I>().into(), Math::cos::<I>(x).into()),
                    "cos {x}"
                );
                assert!(
                    same(x.tan_near::<I>().into(), Math::tan::<I>(x).into()),
                    "tan {x}"
                );
            }
        }
        assert!(f32::NAN.sin_near::<I>().is_nan() && f32::NAN.cos_near::<I>().is_nan());
        // Where both parts of the reduction count: the nearest numbers to multiples of a quarter turn.
        for n in 1..160_000 {
            let x = (f64::from(n) * std::f64::consts::FRAC_PI_2) as f32;
            for (got, want) in [
                (x.sin_near::<I>(), f64::from(x).sin()),
                (x.cos_near::<I>(), f64::from(x).cos()),
                (x.tan_near::<I>(), f64::from(x).tan()),
            ] {
                let error = sweep::ulps(got, want);
                assert!(error <= 0.51, "{n} quarter turns, {x}: {error} ulp");
            }
        }
    }
    check::<Portable>();
    check::<Fused>();
}
