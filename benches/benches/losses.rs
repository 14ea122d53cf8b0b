//! Losses, each forward and backward from a fresh tape.

use autograd::{Result, Tensor, Var};
use benches::losses::{Data, first, pointwise, step};
use benches::{case, classes, close, large, uniform};
use criterion::Criterion;
use losses::classification::CrossEntropy;
use losses::prelude::*;

/// `ln Σ e^x` of a row, in `f64`.
fn logsumexp(row: &[f32]) -> f64 {
    let max = row.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x));
    let sum: f64 = row.iter().map(|&x| f64::from(x - max).exp()).sum();
    f64::from(max) + sum.ln()
}

/// The mean over the rows of `x` of `cost(row_index, row, lse)`, in `f64`.
fn mean_of_rows(x: &Tensor<f32>, cost: impl Fn(usize, &[f32], f64) -> f64) -> f64 {
    let rows = x.shape()[0];
    let x = x.as_slice().expect("a contiguous input");
    let each = x.chunks_exact(x.len() / rows).enumerate();
    each.map(|(i, row)| cost(i, row, logsumexp(row)))
        .sum::<f64>()
        / rows as f64
}

fn probability(x: &[Tensor<f32>]) -> f64 {
    let row = &x[0].as_slice().expect("contiguous")[..x[0].shape()[1]];
    (f64::from(row[0]) - logsumexp(row)).exp()
}

fn cross_entropies(c: &mut Criterion) {
    let mut sizes = vec![(32, 10), (4096, 10), (4096, 100), (256, 1000), (4096, 1000)];
    if large() {
        sizes.push((8192, 32000));
    }
    for (n, k) in sizes {
        with_classes(
            c,
            "cross_entropy",
            n,
            k,
            |v, t| cross_entropy(&v[0], t),
            0.0,
        );
    }
    let smoothed = CrossEntropy::new().label_smoothing(0.1);
    let loss = |v: &[Var<f32>], t: &Tensor<i64>| smoothed.forward(&v[0], t);
    for k in [20, 1000] {
        with_classes(c, "cross_entropy_smoothed", 4096, k, loss, 0.1);
    }
    let composed = |v: &[Var<f32>], t: &Tensor<i64>| nll_loss(&v[0].log_softmax(-1)?, t);
    for k in [20, 1000] {
        with_classes(c, "nll_log_softmax", 4096, k, composed, 0.0);
    }
    case(
        c,
        "losses/cross_entropy_soft/4096x1000",
        distributions,
        |v| step::<1>(v, |v| cross_entropy(&v[0], &v[1])),
        |v, y| {
            let t = v[1].as_slice().expect("contiguous");
            let cost = |i: usize, row: &[f32], lse: f64| {
                let t = &t[i * row.len()..];
                row.iter()
                    .zip(t)
                    .map(|(&x, &t)| f64::from(t) * (lse - f64::from(x)))
                    .sum()
            };
            close(y.0, mean_of_rows(&v[0], cost), 1e-5);
            close(first(y), (probability(v) - f64::from(t[0])) / 4096.0, 1e-3);
        },
    );
    case(
        c,
        "losses/kl_div_log_softmax/4096x1000",
        distributions,
        |v| step::<1>(v, |v| kl_div(&v[0].log_softmax(-1)?, &v[1])),
        |v, y| {
            let t = v[1].as_slice().expect("contiguous");
            let cost = |i: usize, row: &[f32], lse: f64| {
                let each = row.iter().zip(&t[i * row.len()..]);
                let each = each.map(|(&x, &t)| (f64::from(x), f64::from(t)));
                each.map(|(x, t)| t * (t.ln() - (x - lse))).sum()
            };
            close(y.0, mean_of_rows(&v[0], cost) / 1000.0, 1e-5);
            close(first(y), (probability(v) - f64::from(t[0])) / 4096e3, 1e-3);
        },
    );
}

/// Pictures whose pixels have one of 21 classes.
fn of_pixels(c: &mut Criterion) {
    const PIXELS: usize = 128 * 128;
    case(
        c,
        "losses/cross_entropy_of_pixels/4x21x128x128",
        || {
            let t = classes(4 * PIXELS, 21, 2);
            let t = t.reshape([4, 128, 128]).expect("as many elements");
            (vec![uniform([4, 21, 128, 128], -4.0, 4.0, 1)], t)
        },
        |(x, t)| step::<1>(x, |v| cross_entropy(&v[0], t)),
        |(x, t), y| {
            let (logits, t) = (x[0].buffer(), t.to_vec());
            let costs = t.iter().enumerate().map(|(i, &t)| {
                let at = i / PIXELS * 21 * PIXELS + i % PIXELS;
                let row: Vec<f32> = (0..21).map(|c| logits[at + c * PIXELS]).collect();
                logsumexp(&row) - f64::from(row[t as usize])
            });
            close(y.0, costs.sum::<f64>() / t.len() as f64, 1e-5);
        },
    );
}

/// Logits, and distributions over 1000 classes for them.
fn distributions() -> Data {
    let t = uniform([4096, 1000], -2.0, 2.0, 2).softmax(-1);
    vec![
        uniform([4096, 1000], -4.0, 4.0, 1),
        t.expect("two dimensions"),
    ]
}

fn with_classes(
    c: &mut Criterion,
    name: &str,
    n: usize,
    k: usize,
    loss: impl Fn(&[Var<f32>], &Tensor<i64>) -> Result<Var<f32>>,
    smoothing: f64,
) {
    case(
        c,
        &format!("losses/{name}/{n}x{k}"),
        || (vec![uniform([n, k], -4.0, 4.0, 1)], classes(n, k, 2)),
        |(x, t)| step::<1>(x, |v| loss(v, t)),
        |(x, t), y| {
            let t = t.to_vec();
            let even = smoothing / k as f64;
            let cost = |i: usize, row: &[f32], lse: f64| {
                let mean: f64 = if smoothing == 0.0 {
                    0.0
                } else {
                    row.iter().map(|&x| lse - f64::from(x)).sum()
                };
                (1.0 - smoothing) * (lse - f64::from(row[t[i] as usize])) + even * mean
            };
            close(y.0, mean_of_rows(&x[0], cost), 1e-5);
            let own = if t[0] == 0 { 1.0 - smoothing } else { 0.0 };
            close(first(y), (probability(x) - own - even) / n as f64, 1e-3);
        },
    );
}

fn pointwise_losses(c: &mut Criterion) {
    for n in [64, 1_000_000, 10_000_000] {
        pointwise(
            c,
            "bce_with_logits",
            (n, -4.0, 4.0),
            binary_cross_entropy_with_logits,
            |x, t| x.max(0.0) - x * t + (-x.abs()).exp().ln_1p(),
            |x, t| 1.0 / (1.0 + (-x).exp()) - t,
        );
    }
    pointwise(
        c,
        "bce",
        (1_000_000, 0.01, 0.99),
        binary_cross_entropy,
        |x, t| -(t * x.ln() + (1.0 - t) * (1.0 - x).ln()),
        |x, t| (x - t) / (x * (1.0 - x)),
    );
    for n in [1_000_000, 10_000_000] {
        pointwise(
            c,
            "mse",
            (n, -1.0, 1.0),
            mse_loss,
            |x, t| (x - t) * (x - t),
            |x, t| 2.0 * (x - t),
        );
    }
}

fn embeddings(c: &mut Criterion) {
    case(
        c,
        "losses/cosine_embedding/4096x512",
        || {
            let t = uniform([4096], -1.0, 1.0, 3).map(|v: f32| if v < 0.0 { -1.0f32 } else { 1.0 });
            let pair = vec![
                uniform([4096, 512], -1.0, 1.0, 1),
                uniform([4096, 512], -0.9, 1.0, 2),
            ];
            (pair, t)
        },
        |(v, t)| step::<2>(v, |v| cosine_embedding_loss(&v[0], &v[1], t)),
        |(v, t), y| {
            let (a, b) = (v[0].as_slice(), v[1].as_slice());
            let pairs = a.expect("contiguous").chunks_exact(512);
            let pairs = pairs.zip(b.expect("contiguous").chunks_exact(512));
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter()
                    .zip(b)
                    .map(|(&a, &b)| f64::from(a) * f64::from(b))
                    .sum()
            };
            let costs = pairs.zip(t.to_vec()).map(|((a, b), t)| {
                let cos = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
                if t > 0.0 { 1.0 - cos } else { cos.max(0.0) }
            });
            close(y.0, costs.sum::<f64>() / 4096.0, 1e-5);
            assert!(y.1.len() == 2 && y.1.iter().all(|dx| dx.shape() == [4096, 512]));
            // The cosine does not change along its own vector.
            let (a, da) = (&v[0].buffer()[..512], &y.1[0].buffer()[..512]);
            let turn = dot(a, da).abs() / (dot(a, a) * dot(da, da)).sqrt().max(1e-30);
            assert!(turn < 1e-5, "the gradient is not at right angles: {turn}");
        },
    );
}

fn main() {
    benches::main(&[cross_entropies, of_pixels, pointwise_losses, embeddings]);
}
