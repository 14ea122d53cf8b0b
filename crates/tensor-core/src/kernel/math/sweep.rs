//! The errors of the single-precision functions against double precision, over every so many bit patterns.
use super::{Fused, Isa, Math, Portable};

type Slice = fn(&mut [f32]);

/// A function, its implementations for a machine without and with fused multiply-add, its double-precision
/// reference and the bound on its error in ulp.
pub struct Row {
    pub name: &'static str,
    pub portable: Slice,
    pub fused: Slice,
    pub reference: fn(f64) -> f64,
    pub bound: f64,
}

/// The distance of `got` from `want` in units of the last place of a single-precision `want`.
pub fn ulps(got: f32, want: f64) -> f64 {
    // Overflow counts as the power of two past the largest number, where rounding would put it.
    const PAST: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
    if got.is_nan() || want.is_nan() {
        return if got.is_nan() && want.is_nan() {
            0.0
        } else {
            f64::INFINITY
        };
    }
    let rounded = want as f32;
    if got.is_infinite() && rounded.is_infinite() {
        return if got == rounded { 0.0 } else { f64::INFINITY };
    }
    let finite = |v: f64| v.clamp(-PAST, PAST);
    // The exponent of a double is exact, so that a power of two's neighbourhood is judged by its own side.
    let exponent = ((finite(want).abs().to_bits() >> 52) as i32 - 1023).clamp(-126, 127);
    (finite(f64::from(got)) - finite(want)).abs() / f64::powi(2.0, exponent - 23)
}

#[cfg(target_arch = "x86_64")]
fn fast_fused() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

macro_rules! table {
    ($($name:ident $bound:literal $reference:expr;)*) => {
        /// Every function that has a reference, with the bound it keeps.
        pub fn rows() -> Vec<Row> {
            vec![$({
                #[inline(always)]
                fn each<I: Isa>(x: &mut [f32]) {
                    for x in x {
                        *x = Math::$name::<I>(*x);
                    }
                }
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                fn vector(x: &mut [f32]) {
                    each::<Fused>(x);
                }
                fn fused(x: &mut [f32]) {
                    #[cfg(target_arch = "x86_64")]
                    if fast_fused() {
                        // SAFETY: the features were detected.
                        return unsafe { vector(x) };
                    }
                    each::<Fused>(x);
                }
                Row { name: stringify!($name), portable: each::<Portable>, fused, reference: $reference, bound: $bound }
            },)*]
        }
    };
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p() + if x.is_nan() { x } else { 0.0 }
}
/// `x · tanh(softplus(x))`, relatively accurate on the left too; at -∞ the limit.
fn mish(x: f64) -> f64 {
    if x > 40.0 {
        return x;
    }
    if x == f64::NEG_INFINITY {
        return -0.0;
    }
    x * x.exp().ln_1p().tanh()
}

table! {
    exp 0.51 f64::exp;
    expm1 0.85 f64::exp_m1;
    ln 0.51 f64::ln;
    ln_short 0.93 f64::ln;
    log1p 1.0 f64::ln_1p;
    exp2 1.3 f64::exp2;
    log2 0.51 f64::log2;
    log10 0.51 f64::log10;
    tanh 0.51 f64::tanh;
    tanhshrink 0.51 Math::tanhshrink::<Portable>;
    sigmoid 2.1 sigmoid;
    softplus 1.25 softplus;
    log_sigmoid 1.25 |x| -softplus(-x);
    mish 0.51 mish;
    sqrt 0.501 f64::sqrt;
    rsqrt 2.5 |x| 1.0 / x.sqrt();
    cbrt 2.5 f64::cbrt;
    sin 0.51 f64::sin;
    cos 0.51 f64::cos;
    tan 0.51 f64::tan;
    asin 0.51 f64::asin;
    acos 0.51 f64::acos;
    atan 0.51 f64::atan;
    sinh 0.51 f64::sinh;
    cosh 0.51 f64::cosh;
    asinh 0.51 f64::asinh;
    acosh 0.51 f64::acosh;
    atanh 0.51 f64::atanh;
    erf 0.51 Math::erf::<Portable>;
    erfc 0.51 Math::erfc::<Portable>;
    lgamma 0.51 Math::lgamma::<Portable>;
    digamma 0.51 Math::digamma::<Portable>;
}

/// The largest error without and with fused multiply-add over the bit patterns `0, step, 2 step, …`, each
/// with the argument that has it.
pub fn worst(row: &Row, step: u64) -> [(f64, f32); 2] {
    let mut worst = [(0.0, 0.0f32); 2];
    let mut pattern = 0u64;
    let mut x = Vec::with_capacity(4096);
    while pattern < 1 << 32 {
        x.clear();
        while x.len() < 4096 && pattern < 1 << 32 {
            x.push(f32::from_bits(pattern as u32));
            pattern += step;
        }
        let wants: Vec<f64> = x.iter().map(|x| (row.reference)(f64::from(*x))).collect();
        for (f, worst) in [row.portable, row.fused].into_iter().zip(&mut worst) {
            let mut y = x.clone();
            f(&mut y);
            for ((y, want), x) in y.iter().zip(&wants).zip(&x) {
                let error = ulps(*y, *want);
                if error > worst.0 {
                    *worst = (error, *x);
                }
            }
        }
    }
    worst
}
