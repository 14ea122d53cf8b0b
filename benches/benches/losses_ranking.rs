//! Losses of orders, each forward and backward from a fresh tape.

use autograd::{Tensor, Var};
use benches::losses::{first, numbers, step};
use benches::{case, close, uniform};
use criterion::Criterion;
use losses::prelude::*;

const N: usize = 1_000_000;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// 1 or -1, the same for the same `seed`.
fn signs(seed: u64) -> Tensor<f32> {
    uniform([N], -1.0, 1.0, seed).map(|v: f32| if v < 0.0 { -1.0f32 } else { 1.0 })
}

fn pairs(c: &mut Criterion) {
    let scores = || vec![uniform([N], -2.0, 2.0, 1), uniform([N], -2.0, 2.0, 2)];
    case(
        c,
        "losses/margin_ranking/1e6",
        || (scores(), signs(3)),
        |(v, t)| {
            let t = Var::from(&*t);
            step::<2>(v, |v| {
                MarginRankingLoss::new()
                    .margin(0.5)
                    .forward(&v[0], &v[1], &t)
            })
        },
        |(v, t), y| {
            let (a, b, t) = (numbers(&v[0]), numbers(&v[1]), numbers(t));
            let short = |i: usize| (0.5 - t[i] * (a[i] - b[i])).max(0.0);
            close(y.0, (0..N).map(short).sum::<f64>() / N as f64, 1e-5);
            let slope = if short(0) > 0.0 { -t[0] } else { 0.0 };
            close(first(y), slope / N as f64, 1e-5);
        },
    );
    case(
        c,
        "losses/pairwise_logistic/1e6",
        scores,
        |v| step::<2>(v, |v| pairwise_logistic(&v[0], &v[1])),
        |v, y| {
            let (a, b) = (numbers(&v[0]), numbers(&v[1]));
            let cost = |i: usize| (b[i] - a[i]).exp().ln_1p();
            close(y.0, (0..N).map(cost).sum::<f64>() / N as f64, 1e-5);
            close(first(y), -sigmoid(b[0] - a[0]) / N as f64, 1e-5);
        },
    );
    case(
        c,
        "losses/hinge_embedding/1e6",
        || (vec![uniform([N], 0.0, 2.0, 1)], signs(3)),
        |(v, t)| step::<1>(v, |v| hinge_embedding_loss(&v[0], t)),
        |(v, t), y| {
            let (x, t) = (numbers(&v[0]), numbers(t));
            let cost = |i: usize| {
                if t[i] > 0.0 {
                    x[i]
                } else {
                    (1.0 - x[i]).max(0.0)
                }
            };
            close(y.0, (0..N).map(cost).sum::<f64>() / N as f64, 1e-5);
        },
    );
}

const LISTS: usize = 8192;
const LEN: usize = 100;

/// Scores and relevances.
fn lists() -> Vec<Tensor<f32>> {
    vec![
        uniform([LISTS, LEN], -3.0, 3.0, 1),
        uniform([LISTS, LEN], 0.0, 4.0, 2),
    ]
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let sum: f64 = x.iter().map(|x| x.exp()).sum();
    x.iter().map(|x| x.exp() / sum).collect()
}

fn of_lists(c: &mut Criterion) {
    case(
        c,
        "losses/list_net/8192x100",
        lists,
        |v| step::<1>(v, |v| list_net(&v[0], &v[1])),
        |v, y| {
            let (x, t) = (numbers(&v[0]), numbers(&v[1]));
            let rows = x.chunks(LEN).zip(t.chunks(LEN));
            let cost = |(x, t): (&[f64], &[f64])| -> f64 {
                let each = softmax(x).into_iter().zip(softmax(t));
                each.map(|(p, q)| -q * p.ln()).sum()
            };
            close(y.0, rows.map(cost).sum::<f64>() / LISTS as f64, 1e-5);
            let slope = softmax(&x[..LEN])[0] - softmax(&t[..LEN])[0];
            close(first(y), slope / LISTS as f64, 1e-4);
        },
    );
    case(
        c,
        "losses/list_mle/8192x100",
        lists,
        |v| step::<1>(v, |v| list_mle(&v[0], v[1].value())),
        |v, y| {
            let (x, t) = (numbers(&v[0]), numbers(&v[1]));
            let rows = x.chunks(LEN).zip(t.chunks(LEN));
            let cost = |(x, t): (&[f64], &[f64])| -> f64 {
                let mut order: Vec<usize> = (0..LEN).collect();
                order.sort_by(|&i, &j| t[i].total_cmp(&t[j]));
                let mut sum = 0.0;
                let each = order.iter().map(|&k| {
                    sum += x[k].exp();
                    f64::ln(sum) - x[k]
                });
                each.sum()
            };
            close(y.0, rows.map(cost).sum::<f64>() / LISTS as f64, 1e-5);
        },
    );
}

fn main() {
    benches::main(&[pairs, of_lists]);
}
