//! Losses of boxes, each forward and backward from a fresh tape.

use autograd::{Result, Tensor, Var};
use benches::losses::{numbers, step};
use benches::{case, close, uniform};
use criterion::Criterion;
use losses::prelude::*;
use std::f64::consts::PI;

const N: usize = 100_000;

/// Corners in `0..4`, sizes in `0.5..2.5`.
fn boxes(seed: u64) -> Tensor<f32> {
    let low = uniform([N, 2], 0.0, 4.0, seed);
    let high = low
        .add(uniform([N, 2], 0.5, 2.5, seed + 1))
        .expect("two sizes");
    Tensor::cat(&[&low, &high], 1).expect("two corners")
}

/// Width and height of `a ∩ b`, the areas of it and of the union, and the sides of the box around both.
fn parts(a: &[f64], b: &[f64]) -> (f64, f64, [f64; 2]) {
    let side = |d: usize| (a[d + 2].min(b[d + 2]) - a[d].max(b[d])).max(0.0);
    let around = |d: usize| a[d + 2].max(b[d + 2]) - a[d].min(b[d]);
    let area = |b: &[f64]| (b[2] - b[0]) * (b[3] - b[1]);
    let inner = side(0) * side(1);
    (inner, area(a) + area(b) - inner, [around(0), around(1)])
}

fn giou(a: &[f64], b: &[f64]) -> f64 {
    let (inner, union, [w, h]) = parts(a, b);
    1.0 - inner / union + (w * h - union) / (w * h)
}

fn diou(a: &[f64], b: &[f64]) -> f64 {
    let (inner, union, [w, h]) = parts(a, b);
    let gap = |d: usize| (a[d] + a[d + 2] - b[d] - b[d + 2]) / 2.0;
    1.0 - inner / union + gap(0).hypot(gap(1)).powi(2) / w.hypot(h).powi(2)
}

fn ciou(a: &[f64], b: &[f64]) -> f64 {
    let (inner, union, _) = parts(a, b);
    let angle = |b: &[f64]| ((b[2] - b[0]) / (b[3] - b[1])).atan();
    let v = 4.0 / (PI * PI) * (angle(a) - angle(b)).powi(2);
    diou(a, b) + v * v / (1.0 - inner / union + v)
}

fn of_boxes(c: &mut Criterion) {
    type Loss = fn(&Var<f32>, &Var<f32>) -> Result<Var<f32>>;
    type Formula = fn(&[f64], &[f64]) -> f64;
    let all: [(&str, Loss, Formula); 3] = [
        ("giou", giou_loss, giou),
        ("diou", diou_loss, diou),
        ("ciou", ciou_loss, ciou),
    ];
    for (name, loss, formula) in all {
        case(
            c,
            &format!("losses/{name}/100000"),
            || vec![boxes(1), boxes(3)],
            |v| step::<1>(v, |v| loss(&v[0], &v[1])),
            |v, (y, dx)| {
                let (a, b) = (numbers(&v[0]), numbers(&v[1]));
                let each = a.chunks(4).zip(b.chunks(4)).map(|(a, b)| formula(a, b));
                close(*y, each.sum::<f64>() / N as f64, 1e-5);
                assert_eq!(dx[0].shape(), [N, 4]);
            },
        );
    }
}

fn main() {
    benches::main(&[of_boxes]);
}
