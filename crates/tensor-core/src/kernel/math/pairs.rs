//! Functions of two single-precision arguments against double precision, on every path that this machine has.
use super::sweep;
use super::{Isa, Math};
use crate::kernel::dispatch::{Kernel, each_path};

type Pair = (f32, f32);

/// A function as a loop over pairs.
macro_rules! kernels {
    ($($kernel:ident $name:ident $reference:expr;)*) => {
        $(
            struct $kernel<'a>(&'a [Pair]);
            impl Kernel for $kernel<'_> {
                type Out = Vec<f32>;
                #[inline(always)]
                fn run<I: Isa>(self) -> Vec<f32> {
                    let mut out = vec![0.0; self.0.len()];
                    for (o, &(x, y)) in out.iter_mut().zip(self.0) {
                        *o = Math::$name::<I>(x, y);
                    }
                    out
                }
            }
            impl $kernel<'_> {
                /// Holds the function to the bound, and all paths to the same special values.
                fn check(pairs: &[Pair], bound: f64) {
                    let reference: fn(f64, f64) -> f64 = $reference;
                    for (path, got) in each_path(|| $kernel(pairs)) {
                        for (&(x, y), got) in pairs.iter().zip(got) {
                            let want = reference(x.into(), y.into());
                            let error = sweep::ulps(got, want);
                            let name = stringify!($name);
                            assert!(error <= bound, "{path}: {name} of {x:e} and {y:e} is {got:e}, not {want:e}: {error} ulp");
                            let sign = got.is_sign_negative() == want.is_sign_negative();
                            assert!(sign || want.is_nan(), "{path}: {name} of {x:e} and {y:e} is {got:e}, not {want:e}");
                        }
                    }
                }
            }
        )*
    };
}

kernels! {
    Pow pow f64::powf;
    Atan2 atan2 f64::atan2;
}

/// Numbers at which a function of two may turn from one rule to another, each with both signs.
fn special() -> Vec<Pair> {
    let sizes = [
        0.0,
        1e-45,
        1e-40,
        f32::MIN_POSITIVE,
        0.5,
        0.99999994,
        1.0,
        1.0000001,
        1.5,
        2.0,
        2.5,
        3.0,
        16.0,
        127.0,
        128.0,
        149.0,
        150.0,
        8_388_607.5,
        8_388_608.0,
        8_388_609.0,
        16_777_215.0,
        16_777_216.0,
        33_554_432.0,
        1e30,
        4.056482e31,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
    ];
    let all: Vec<f32> = sizes.iter().flat_map(|&x| [x, -x]).collect();
    all.iter()
        .flat_map(|&x| all.iter().map(move |&y| (x, y)))
        .collect()
}

/// Pairs of any bits: a step through them that repeats late.
fn of_any_bits(n: u32) -> Vec<Pair> {
    let any = |i: u32| f32::from_bits(i.wrapping_mul(2_654_435_769));
    (0..n)
        .map(|i| (any(i), any(i.wrapping_mul(i) ^ i)))
        .collect()
}

#[test]
fn special_values_are_those_of_double_precision() {
    Pow::check(&special(), 0.51);
    Atan2::check(&special(), 0.51);
}

#[test]
fn powers_keep_their_bound() {
    Pow::check(&of_any_bits(200_000), 0.51);
    // Bases of all sizes, and near 1, with exponents whose powers are spread over the range.
    let mut pairs = Vec::new();
    for i in 0..300_000u32 {
        let bits = if i % 3 == 0 {
            0x3f80_0000 - 40_000 + i / 4
        } else {
            i.wrapping_mul(7_151)
        };
        let x = f32::from_bits(bits & 0x7fff_ffff);
        let log = -152.0 + f64::from(i.wrapping_mul(40_503) % 65_536) / 65_536.0 * 282.0;
        pairs.push((x, (log / f64::from(x).log2()) as f32));
    }
    Pow::check(&pairs, 0.51);
    // Whole exponents, of negative bases too.
    let whole = (0..100_000u32).map(|i| {
        let x = (f64::from(i) - 50_000.3) / 9_871.0;
        (x as f32, (i % 61) as f32 - 30.0)
    });
    Pow::check(&whole.collect::<Vec<_>>(), 0.51);
}

#[test]
fn angles_keep_their_bound() {
    Atan2::check(&of_any_bits(300_000), 0.51);
    // Around the whole circle, and near where a formula turns into the next.
    let around = (0..200_000u32).map(|i| {
        let (sin, cos) = (f64::from(i) * 3.7e-4).sin_cos();
        let size = f64::from(i % 37 + 1) * 0.3;
        ((size * sin) as f32, (size * cos) as f32)
    });
    Atan2::check(&around.collect::<Vec<_>>(), 0.51);
}

#[test]
fn powers_to_be_added_up_are_those_of_double_precision() {
    struct Sizes<'a>(&'a [Pair]);
    impl Kernel for Sizes<'_> {
        type Out = Vec<f64>;
        #[inline(always)]
        fn run<I: Isa>(self) -> Vec<f64> {
            let mut out = vec![0.0; self.0.len()];
            for (o, &(x, y)) in out.iter_mut().zip(self.0) {
                *o = x.power_of_size::<I>(y.into());
            }
            out
        }
    }
    let mut pairs = vec![
        (0.0, 2.5),
        (-0.0, -2.5),
        (f32::INFINITY, 1.5),
        (f32::NEG_INFINITY, -1.5),
        (f32::NAN, 3.0),
        (f32::MAX, 8.5),
        (1e-30, 12.0),
        (1.0, 1e9),
    ];
    for i in 0..100_000u32 {
        let x = f32::from_bits(i.wrapping_mul(40_503 * 997));
        if x.is_finite() && x != 0.0 {
            pairs.push((x, [0.5, 1.5, 2.5, 3.7, -1.2, 7.0][i as usize % 6]));
        }
    }
    for (path, got) in each_path(|| Sizes(&pairs)) {
        for (&(x, y), got) in pairs.iter().zip(got) {
            let want = f64::from(x).abs().powf(y.into());
            let same = got == want || (got.is_nan() && want.is_nan());
            let near = (got - want).abs() <= 8e-11 * want || want < f64::MIN_POSITIVE && got == 0.0;
            assert!(
                same || near,
                "{path}: {x:e} to {y} is {got:e}, not {want:e}"
            );
        }
    }
}
