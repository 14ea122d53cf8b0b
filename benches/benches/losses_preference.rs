//! Losses of preferences, each forward and backward from a fresh tape.

use benches::losses::{Data, first, numbers, step};
use benches::{case, close, uniform};
use criterion::Criterion;
use losses::preference::{DpoLoss, DpoVariant};

const N: usize = 1_000_000;

/// A variant by its value and slope in the difference `h`.
fn dpo(
    c: &mut Criterion,
    name: &str,
    variant: DpoVariant,
    value: fn(f64) -> f64,
    slope: fn(f64) -> f64,
) {
    let options = DpoLoss::new().variant(variant);
    case(
        c,
        &format!("losses/{name}/1e6"),
        || -> Data {
            (1..5)
                .map(|seed| uniform([N], -30.0, -10.0, seed))
                .collect()
        },
        |v| step::<2>(v, |v| options.forward(&v[0], &v[1], &v[2], &v[3])),
        |v, y| {
            let x: Vec<Vec<f64>> = v.iter().map(numbers).collect();
            let h = |i: usize| (x[0][i] - x[2][i]) - (x[1][i] - x[3][i]);
            let total: f64 = (0..N).map(|i| value(h(i))).sum();
            close(y.0, total / N as f64, 1e-5);
            close(first(y), slope(h(0)) / N as f64, 1e-4);
        },
    );
}

fn variants(c: &mut Criterion) {
    let sigmoid = |h: f64| (-0.1 * h).exp().ln_1p();
    let slope = |h: f64| -0.1 / (1.0 + (0.1 * h).exp());
    dpo(c, "dpo", DpoVariant::Sigmoid, sigmoid, slope);
    let hinge = |h: f64| (1.0 - 0.1 * h).max(0.0);
    let slope = |h: f64| if 0.1 * h < 1.0 { -0.1 } else { 0.0 };
    dpo(c, "dpo_hinge", DpoVariant::Hinge, hinge, slope);
    let square = |h: f64| (h - 5.0) * (h - 5.0);
    dpo(c, "dpo_ipo", DpoVariant::Ipo, square, |h| 2.0 * (h - 5.0));
}

fn main() {
    benches::main(&[variants]);
}
