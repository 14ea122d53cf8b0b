//! Losses of embeddings, each forward and backward from a fresh tape.

use autograd::{Result, Tensor, Var};
use benches::losses::{Data, first, numbers, step};
use benches::{case, classes, close, uniform};
use criterion::Criterion;
use losses::metric::{InfoNce, MarginSoftmaxLoss};
use losses::prelude::*;

/// Vectors in a batch, and elements of a vector.
const N: usize = 1024;
const D: usize = 128;

/// A case of a loss of all of its inputs: its value, and its slope in the very first element by differences, are held
/// against `formula` in `f64`.
fn of_vectors(
    c: &mut Criterion,
    name: &str,
    inputs: impl Fn() -> Data,
    loss: impl Fn(&[Var<f32>]) -> Result<Var<f32>>,
    formula: impl Fn(&[Vec<f64>]) -> f64,
) {
    let run = |v: &mut Data| match v.len() {
        1 => step::<1>(v, &loss),
        2 => step::<2>(v, &loss),
        3 => step::<3>(v, &loss),
        _ => step::<4>(v, &loss),
    };
    case(c, &format!("losses/{name}"), inputs, run, |v, y| {
        let mut x: Vec<Vec<f64>> = v.iter().map(numbers).collect();
        close(y.0, formula(&x), 1e-5);
        let (at, h) = (x[0][0], 1e-4);
        x[0][0] = at + h;
        let above = formula(&x);
        x[0][0] = at - h;
        close(first(y), (above - formula(&x)) / (2.0 * h), 2e-3);
    });
}

/// `n` vectors, the same for the same `seed`.
fn vectors(n: usize, seed: u64) -> Tensor<f32> {
    uniform([n, D], -0.9, 1.0, seed)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn distance(a: &[f64], b: &[f64], eps: f64) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b + eps) * (a - b + eps));
    squares.sum::<f64>().sqrt()
}

/// The cosines of all vectors of `a` with all of `b`, row by row.
fn cosines(a: &[f64], b: &[f64]) -> Vec<Vec<f64>> {
    let length = |x: &[f64]| dot(x, x).sqrt();
    let row = |a: &[f64]| {
        let each = b.chunks_exact(D);
        each.map(|b| dot(a, b) / (length(a) * length(b))).collect()
    };
    a.chunks_exact(D).map(row).collect()
}

/// `ln Σ e^z` of some numbers.
fn logsumexp(z: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = z.clone().fold(f64::NEG_INFINITY, f64::max);
    max + z.map(|z| (z - max).exp()).sum::<f64>().ln()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn two_batches() -> Data {
    vec![vectors(N, 1), vectors(N, 2)]
}

fn contrastive_of_pairs(c: &mut Criterion) {
    let info = |x: &[Vec<f64>], k: f64| {
        let s = cosines(&x[0], &x[1]);
        let rows = s.iter().enumerate();
        mean(rows.map(|(i, s)| logsumexp(s.iter().map(|s| s * k)) - s[i] * k))
    };
    of_vectors(
        c,
        "info_nce/1024x128",
        two_batches,
        |v| InfoNce::new().temperature(0.1).forward(&v[0], &v[1]),
        |x| info(x, 10.0),
    );
    of_vectors(
        c,
        "info_nce_negatives/256x4096x128",
        || vec![vectors(256, 1), vectors(256, 2), vectors(4096, 3)],
        |v| InfoNce::new().forward_with_negatives(&v[0], &v[1], &v[2]),
        |x| {
            let (own, others) = (cosines(&x[0], &x[1]), cosines(&x[0], &x[2]));
            let rows = others.iter().enumerate();
            mean(rows.map(|(i, s)| {
                let all = s.iter().chain([&own[i][i]]);
                logsumexp(all.map(|s| s / 0.07)) - own[i][i] / 0.07
            }))
        },
    );
    of_vectors(
        c,
        "ntxent/512x128",
        || vec![vectors(512, 1), vectors(512, 2)],
        |v| ntxent(&v[0], &v[1]),
        |x| {
            let views = [&x[0][..], &x[1][..]].concat();
            let (s, n) = (cosines(&views, &views), 1024);
            mean((0..n).map(|i| {
                let others = (0..n).filter(|&j| j != i);
                logsumexp(others.map(|j| 2.0 * s[i][j])) - 2.0 * s[i][(i + n / 2) % n]
            }))
        },
    );
    let with_scale = || [two_batches(), vec![Tensor::scalar(10.0f32)]].concat();
    of_vectors(
        c,
        "clip/1024x128",
        with_scale,
        |v| clip_loss(&v[0], &v[1], &v[2]),
        |x| {
            let swapped = [x[1].clone(), x[0].clone()];
            0.5 * (info(x, x[2][0]) + info(&swapped, x[2][0]))
        },
    );
    of_vectors(
        c,
        "siglip/1024x128",
        || [with_scale(), vec![Tensor::scalar(-10.0f32)]].concat(),
        |v| siglip_loss(&v[0], &v[1], &v[2], &v[3]),
        |x| {
            let s = cosines(&x[0], &x[1]);
            let softplus = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
            let rows = s.iter().enumerate();
            mean(rows.map(|(i, s)| {
                let pairs = s.iter().enumerate();
                let z = pairs.map(|(j, s)| (j == i, s * x[2][0] + x[3][0]));
                z.map(|(own, z)| softplus(if own { -z } else { z })).sum()
            }))
        },
    );
}

fn with_labels(c: &mut Criterion) {
    let target = classes(N, 100, 3);
    let labels = target.to_vec();
    let alike = |i: usize, j: usize| i != j && labels[i] == labels[j];
    of_vectors(
        c,
        "sup_con/1024x128",
        || vec![vectors(N, 1)],
        |v| sup_con_loss(&v[0], &target),
        |x| {
            let s = cosines(&x[0], &x[0]);
            let anchors = (0..N).filter(|&i| (0..N).any(|j| alike(i, j)));
            mean(anchors.map(|i| {
                let partners = (0..N).filter(|&j| alike(i, j)).map(|j| 10.0 * s[i][j]);
                logsumexp((0..N).filter(|&j| j != i).map(|j| 10.0 * s[i][j])) - mean(partners)
            }))
        },
    );
    of_vectors(
        c,
        "multi_similarity/1024x128",
        || vec![vectors(N, 1)],
        |v| multi_similarity_loss(&v[0], &target),
        |x| {
            let s = cosines(&x[0], &x[0]);
            mean((0..N).map(|i| {
                let near = (0..N).filter(|&j| alike(i, j));
                let far = (0..N).filter(|&j| labels[i] != labels[j]);
                let near: f64 = near.map(|j| (-2.0 * (s[i][j] - 0.5)).exp()).sum();
                let far: f64 = far.map(|j| (50.0 * (s[i][j] - 0.5)).exp()).sum();
                near.ln_1p() / 2.0 + far.ln_1p() / 50.0
            }))
        },
    );
    let target = classes(N, 1000, 4);
    let labels = target.to_vec();
    let options = MarginSoftmaxLoss::new().scale(2.0);
    of_vectors(
        c,
        "margin_softmax/1024x1000",
        || vec![uniform([N, 1000], -0.9, 0.9, 1)],
        |v| options.forward(&v[0], &target),
        |x| {
            let rows = x[0].chunks_exact(1000).zip(&labels);
            mean(rows.map(|(cos, &t)| {
                let moved = 2.0 * (cos[t as usize].acos() + 0.5).cos();
                let others = cos.iter().enumerate().filter(|(j, _)| *j != t as usize);
                let z = others.map(|(_, cos)| 2.0 * cos).chain([moved]);
                logsumexp(z) - moved
            }))
        },
    );
}

/// The mean of `f` over the rows of vectors in the same place.
fn rows(x: &[Vec<f64>], f: impl Fn(&[f64], &[f64]) -> f64) -> f64 {
    let pairs = x[0].chunks_exact(D).zip(x[1].chunks_exact(D));
    mean(pairs.map(|(a, b)| f(a, b)))
}

fn pairs_and_triplets(c: &mut Criterion) {
    let n = 8 * N;
    let inputs = || vec![vectors(n, 1), vectors(n, 2), vectors(n, 3)];
    let pairs = || vec![vectors(n, 1), vectors(n, 2)];
    let hinge = |x: &[Vec<f64>], eps: f64| {
        let triplets = x[0].chunks_exact(D).zip(x[1].chunks_exact(D));
        let triplets = triplets.zip(x[2].chunks_exact(D));
        let gap = |((a, p), n)| distance(a, p, eps) - distance(a, n, eps) + 1.0;
        mean(triplets.map(|t| f64::max(gap(t), 0.0)))
    };
    of_vectors(
        c,
        "triplet_margin/8192x128",
        inputs,
        |v| triplet_margin_loss(&v[0], &v[1], &v[2]),
        |x| hinge(x, 1e-6),
    );
    of_vectors(
        c,
        "triplet_margin_with_distance/8192x128",
        inputs,
        |v| triplet_margin_with_distance_loss(&v[0], &v[1], &v[2], pairwise_distance),
        |x| hinge(x, 1e-6),
    );
    let target = uniform([n], 0.0, 1.0, 4).map(|t: f32| t.round());
    let alike = numbers(&target);
    of_vectors(
        c,
        "contrastive/8192x128",
        pairs,
        |v| contrastive_loss(&v[0], &v[1], &target),
        |x| {
            let pairs = x[0].chunks_exact(D).zip(x[1].chunks_exact(D));
            mean(pairs.zip(&alike).map(|((a, b), t)| {
                let d = distance(a, b, 0.0);
                0.5 * (t * d * d + (1.0 - t) * (1.0 - d).max(0.0).powi(2))
            }))
        },
    );
    of_vectors(
        c,
        "cosine_similarity/8192x128",
        pairs,
        |v| cosine_similarity(&v[0], &v[1])?.mean(..),
        |x| rows(x, |a, b| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()),
    );
    of_vectors(
        c,
        "pairwise_distance/8192x128",
        pairs,
        |v| pairwise_distance(&v[0], &v[1])?.mean(..),
        |x| rows(x, |a, b| distance(a, b, 1e-6)),
    );
    of_vectors(
        c,
        "cdist/512x512x128",
        || vec![vectors(512, 1), vectors(512, 2)],
        |v| cdist(&v[0], &v[1])?.mean(..),
        |x| {
            let all = |a| x[1].chunks_exact(D).map(move |b| distance(a, b, 0.0));
            mean(x[0].chunks_exact(D).flat_map(all))
        },
    );
}

fn main() {
    benches::main(&[contrastive_of_pairs, with_labels, pairs_and_triplets]);
}
