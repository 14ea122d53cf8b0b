//! The errors of the double-precision functions against a table of exact values.
use super::{Fused, Isa, Math, Portable};

type Scalar = fn(f64) -> f64;

/// A function's name, its two implementations and the bound on its error in ulp.
pub struct Entry {
    pub name: &'static str,
    portable: Scalar,
    fused: Scalar,
    pub bound: f64,
}

#[cfg(target_arch = "x86_64")]
fn fast_fused() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

macro_rules! entries {
    ($($name:ident $bound:literal;)*) => {
        /// Every function of the table.
        pub fn entries() -> Vec<Entry> {
            vec![$({
                #[inline(always)]
                fn call<I: Isa>(x: f64) -> f64 {
                    Math::$name::<I>(x)
                }
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                fn vector(x: f64) -> f64 {
                    call::<Fused>(x)
                }
                fn fused(x: f64) -> f64 {
                    #[cfg(target_arch = "x86_64")]
                    if fast_fused() {
                        // SAFETY: the features were detected.
                        return unsafe { vector(x) };
                    }
                    call::<Fused>(x)
                }
                Entry { name: stringify!($name), portable: call::<Portable>, fused, bound: $bound }
            },)*]
        }
    };
}

entries! {
    exp 1.1;
    expm1 0.8;
    exp2 1.3;
    ln 0.8;
    log2 2.1;
    log10 1.7;
    log1p 0.8;
    tanh 1.5;
    tanhshrink 22.5;
    sigmoid 2.1;
    softplus 1.1;
    log_sigmoid 1.1;
    sqrt 0.51;
    rsqrt 1.6;
    cbrt 2.5;
    sin 2.5;
    cos 2.5;
    tan 2.5;
    asin 2.5;
    acos 2.5;
    atan 2.5;
    sinh 2.5;
    cosh 2.5;
    asinh 2.5;
    acosh 2.5;
    atanh 2.5;
    erf 2.5;
    erfc 2.5;
    lgamma 2.5;
    digamma 2.5;
    mish 2.6;
}

/// The distance of `got` from `want + rest ulp(want)` in units of the last place of `want`.
fn ulps(got: f64, want: f64, rest: f64) -> f64 {
    if got == want {
        return rest.abs();
    }
    if !got.is_finite() || !want.is_finite() {
        return f64::INFINITY;
    }
    // Scaled in two steps, since neither a denormal's unit nor its inverse is a normal number.
    let exponent = (((want.abs().to_bits() >> 52) as i32) - 1023).max(-1022);
    let half = (52 - exponent) / 2;
    let difference = (got - want) * f64::powi(2.0, half) * f64::powi(2.0, 52 - exponent - half);
    (difference - rest).abs()
}

/// The largest error of `entry` over its lines in `csv` without and with fused multiply-add, each with the
/// argument that has it, and how many lines there were.
pub fn worst(entry: &Entry, csv: &str) -> ([(f64, f64); 2], usize) {
    let mut worst = [(0.0, 0.0); 2];
    let mut lines = 0;
    for line in csv.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        if fields[0] != entry.name {
            continue;
        }
        lines += 1;
        let number =
            |hex: &str| f64::from_bits(u64::from_str_radix(hex, 16).expect("hexadecimal bits"));
        let (x, want) = (number(fields[1]), number(fields[2]));
        let rest = fields[3].parse::<f64>().expect("hundredths of an ulp") / 100.0;
        for (f, worst) in [entry.portable, entry.fused].into_iter().zip(&mut worst) {
            let error = ulps(f(x), want, rest);
            if error > worst.0 {
                *worst = (error, x);
            }
        }
    }
    (worst, lines)
}
