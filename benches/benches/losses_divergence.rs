//! Distances of distributions and likelihoods, each forward and backward from a fresh tape.

use autograd::Tensor;
use benches::losses::{Data, first, numbers, pointwise, step};
use benches::{case, close, uniform};
use criterion::Criterion;
use losses::prelude::*;

const N: usize = 1_000_000;

fn poisson(c: &mut Criterion) {
    let size = (N, -1.0, 1.0);
    let value = |x: f64, t: f64| x.exp() - t * x;
    pointwise(c, "poisson_nll", size, poisson_nll_loss, value, |x, t| {
        x.exp() - t
    });
}

fn gaussian(c: &mut Criterion) {
    let inputs = || {
        let variance = uniform([N], 0.5, 2.0, 3);
        vec![
            uniform([N], -1.0, 1.0, 1),
            uniform([N], -1.0, 1.0, 2),
            variance,
        ]
    };
    let value = |v: &Data, of: fn(f64, f64) -> f64| {
        let (x, t, s) = (numbers(&v[0]), numbers(&v[1]), numbers(&v[2]));
        (0..N).map(|i| of(x[i] - t[i], s[i])).sum::<f64>() / N as f64
    };
    let slope = |v: &Data, of: fn(f64, f64) -> f64| {
        let at = |k: usize| f64::from(v[k].buffer()[0]);
        of(at(0) - at(1), at(2)) / N as f64
    };
    case(
        c,
        "losses/gaussian_nll/1e6",
        inputs,
        |v| step::<3>(v, |v| gaussian_nll_loss(&v[0], &v[1], &v[2])),
        |v, y| {
            close(y.0, value(v, |d, s| 0.5 * (s.ln() + d * d / s)), 1e-5);
            close(first(y), slope(v, |d, s| d / s), 1e-4);
        },
    );
    case(
        c,
        "losses/gaussian_nll_with_log_var/1e6",
        inputs,
        |v| step::<3>(v, |v| gaussian_nll_loss_with_log_var(&v[0], &v[1], &v[2])),
        |v, y| {
            close(y.0, value(v, |d, s| 0.5 * (s + d * d * (-s).exp())), 1e-5);
            close(first(y), slope(v, |d, s| d * (-s).exp()), 1e-4);
        },
    );
    case(
        c,
        "losses/gaussian_kl/1e6",
        || vec![uniform([N], -1.0, 1.0, 1), uniform([N], -2.0, 2.0, 2)],
        |v| step::<2>(v, |v| gaussian_kl(&v[0], &v[1])),
        |v, y| {
            let (mu, s) = (numbers(&v[0]), numbers(&v[1]));
            let cost = |i: usize| 0.5 * (s[i].exp() - 1.0 - s[i] + mu[i] * mu[i]);
            close(y.0, (0..N).map(cost).sum::<f64>() / N as f64, 1e-5);
            close(first(y), mu[0] / N as f64, 1e-4);
        },
    );
}

/// Two rows as the checks see them: their softmaxes.
fn rows(v: &Data, k: usize) -> (Vec<f64>, Vec<f64>) {
    let c = v[0].shape()[1];
    let softmax = |x: &[f64]| -> Vec<f64> {
        let sum: f64 = x.iter().map(|x| x.exp()).sum();
        x.iter().map(|x| x.exp() / sum).collect()
    };
    let row = |x: &[f32]| {
        softmax(
            &x[k * c..][..c]
                .iter()
                .map(|&x| x.into())
                .collect::<Vec<f64>>(),
        )
    };
    (row(v[0].buffer()), row(v[1].buffer()))
}

fn relative(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum()
}

fn of_logits(c: &mut Criterion) {
    const ROWS: usize = 4096;
    let logits = || {
        let t = uniform([ROWS, 1000], -4.0, 4.0, 2);
        vec![uniform([ROWS, 1000], -4.0, 4.0, 1), t]
    };
    case(
        c,
        "losses/kl_div_with_logits/4096x1000",
        logits,
        |v| step::<1>(v, |v| kl_div_with_logits(&v[0], &v[1])),
        |v, y| {
            let one = |k| {
                let (p, q) = rows(v, k);
                relative(&q, &p)
            };
            close(y.0, (0..ROWS).map(one).sum::<f64>() / ROWS as f64, 1e-5);
            let (p, q) = rows(v, 0);
            close(first(y), (p[0] - q[0]) / ROWS as f64, 1e-4);
        },
    );
    case(
        c,
        "losses/js_divergence/4096x1000",
        logits,
        |v| step::<1>(v, |v| js_divergence(&v[0], &v[1])),
        |v, y| {
            let half = |p: &[f64], q: &[f64]| -> Vec<f64> {
                p.iter().zip(q).map(|(p, q)| 0.5 * (p + q)).collect()
            };
            let one = |k| {
                let (p, q) = rows(v, k);
                let m = half(&p, &q);
                0.5 * (relative(&p, &m) + relative(&q, &m))
            };
            close(y.0, (0..ROWS).map(one).sum::<f64>() / ROWS as f64, 1e-5);
            let (p, q) = rows(v, 0);
            let m = half(&p, &q);
            let slope = 0.5 * p[0] * ((p[0] / m[0]).ln() - relative(&p, &m));
            close(first(y), slope / ROWS as f64, 1e-3);
        },
    );
}

/// The mean of `cost` over the elements of rows of 1000 probabilities, or of logarithms, and targets, in `f64`.
fn elements(v: &Data, cost: fn(f64, f64) -> f64) -> f64 {
    let (x, t) = (numbers(&v[0]), numbers(&v[1]));
    let each = x.iter().zip(&t).map(|(&x, &t)| cost(x, t));
    each.sum::<f64>() / x.len() as f64
}

fn of_probabilities(c: &mut Criterion) {
    let rows = |x: Tensor<f32>| {
        let t = uniform([4096, 1000], -2.0, 2.0, 2).softmax(-1);
        vec![x, t.expect("rows")]
    };
    let probabilities = || {
        uniform([4096, 1000], -2.0, 2.0, 1)
            .softmax(-1)
            .expect("rows")
    };
    case(
        c,
        "losses/kl_div/4096x1000",
        || rows(uniform([4096, 1000], -8.0, 0.0, 1)),
        |v| step::<1>(v, |v| kl_div(&v[0], &v[1])),
        |v, y| {
            close(y.0, elements(v, |x, t| t * (t.ln() - x)), 1e-5);
            close(first(y), -f64::from(v[1].buffer()[0]) / 4096e3, 1e-4);
        },
    );
    case(
        c,
        "losses/entropy/4096x1000",
        || rows(probabilities()),
        |v| step::<1>(v, |v| entropy(&v[0], -1)?.mean(..)),
        |v, y| {
            close(y.0, 1e3 * elements(v, |p, _| -p * p.ln()), 1e-5);
            let p = f64::from(v[0].buffer()[0]);
            close(first(y), -(p.ln() + 1.0) / 4096.0, 1e-4);
        },
    );
    case(
        c,
        "losses/entropy_with_logits/4096x1000",
        || rows(uniform([4096, 1000], -4.0, 4.0, 1)),
        |v| step::<1>(v, |v| entropy_with_logits(&v[0], -1)?.mean(..)),
        |v, y| {
            let of = |p: &[f64]| -> f64 { p.iter().map(|p| -p * p.ln()).sum() };
            let rows = (0..4096).map(|k| of(&self::rows(v, k).0));
            close(y.0, rows.sum::<f64>() / 4096.0, 1e-5);
        },
    );
}

fn transport(c: &mut Criterion) {
    case(
        c,
        "losses/wasserstein_1d/4096x1000",
        || {
            let probabilities = |seed| uniform([4096, 1000], -2.0, 2.0, seed).softmax(-1);
            vec![
                probabilities(1).expect("rows"),
                probabilities(2).expect("rows"),
            ]
        },
        |v| step::<1>(v, |v| Wasserstein1d::new().p(2.0).forward(&v[0], &v[1])),
        |v, (y, _)| {
            let (x, t) = (numbers(&v[0]), numbers(&v[1]));
            let row = |k: usize| {
                let (mut ahead, mut sum) = (0.0, 0.0);
                for i in k * 1000..(k + 1) * 1000 {
                    ahead += x[i] - t[i];
                    sum += ahead * ahead;
                }
                sum
            };
            close(*y, (0..4096).map(row).sum::<f64>() / 4096.0, 1e-4);
        },
    );
    case(
        c,
        "losses/sinkhorn/512x512",
        || {
            let weights = |seed| uniform([512], 0.5, 1.5, seed);
            vec![uniform([512, 512], 0.0, 1.0, 1), weights(2), weights(3)]
        },
        |v| step::<1>(v, |v| Sinkhorn::new().forward(&v[0], &v[1], &v[2])),
        |v, (y, dx)| {
            // The gradient is the plan, and its cost and entropy are the value.
            let (cost, plan) = (numbers(&v[0]), numbers(&dx[0]));
            let share = |w: &[f64]| -> Vec<f64> {
                let sum: f64 = w.iter().sum();
                w.iter().map(|w| w / sum).collect()
            };
            let (a, b) = (share(&numbers(&v[1])), share(&numbers(&v[2])));
            let term = |k: usize| {
                let product = a[k / 512] * b[k % 512];
                plan[k] * (cost[k] + 0.1 * (plan[k] / product).ln())
            };
            close(*y, (0..512 * 512).map(term).sum(), 1e-4);
        },
    );
}

fn main() {
    benches::main(&[poisson, gaussian, of_logits, of_probabilities, transport]);
}
