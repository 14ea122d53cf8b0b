//! Losses of two views without negatives, each forward and backward from a fresh tape.

use autograd::{Result, Var};
use benches::losses::{Data, first, numbers, step};
use benches::{case, close, uniform};
use criterion::Criterion;
use losses::prelude::*;

const N: usize = 512;
const D: usize = 256;

fn mean(x: impl Iterator<Item = f64>) -> f64 {
    x.sum::<f64>() / N as f64
}

/// The columns of a batch less their means.
fn columns(x: &[f64]) -> Vec<Vec<f64>> {
    let column = |j: usize| {
        let column = || (0..N).map(|i| x[i * D + j]);
        let middle = mean(column());
        column().map(|v| v - middle).collect()
    };
    (0..D).map(column).collect()
}

fn products(a: &[Vec<f64>], b: &[Vec<f64>], n: f64) -> Vec<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / n;
    a.iter()
        .map(|a| b.iter().map(|b| dot(a, b)).collect())
        .collect()
}

/// The squares beside the diagonal, summed.
fn beside(c: &[Vec<f64>]) -> f64 {
    let all = c.iter().flatten().map(|v| v * v).sum::<f64>();
    all - (0..D).map(|i| c[i][i] * c[i][i]).sum::<f64>()
}

fn vicreg(x: &[Vec<f64>]) -> f64 {
    let apart = x[0].iter().zip(&x[1]).map(|(a, b)| (a - b) * (a - b));
    let mut total = 25.0 * apart.sum::<f64>() / (N * D) as f64;
    for x in x {
        let x = columns(x);
        let c = products(&x, &x, N as f64 - 1.0);
        let hinges = (0..D).map(|j| (1.0 - (c[j][j] + 1e-4).sqrt()).max(0.0));
        total += 12.5 * hinges.sum::<f64>() / D as f64 + beside(&c) / D as f64;
    }
    total
}

fn barlow_twins(x: &[Vec<f64>]) -> f64 {
    let standard = |x: &Vec<f64>| {
        let mut x = columns(x);
        for x in &mut x {
            let root = (mean(x.iter().map(|v| v * v)) + 1e-5).sqrt();
            x.iter_mut().for_each(|v| *v /= root);
        }
        x
    };
    let c = products(&standard(&x[0]), &standard(&x[1]), N as f64);
    let own: f64 = (0..D).map(|j| (1.0 - c[j][j]).powi(2)).sum();
    own + 0.0051 * beside(&c)
}

fn views(
    c: &mut Criterion,
    name: &str,
    loss: fn(&Var<f32>, &Var<f32>) -> Result<Var<f32>>,
    formula: fn(&[Vec<f64>]) -> f64,
) {
    case(
        c,
        &format!("losses/{name}/512x256"),
        || -> Data { vec![uniform([N, D], -1.0, 1.0, 1), uniform([N, D], -1.0, 1.0, 2)] },
        |v| step::<2>(v, |v| loss(&v[0], &v[1])),
        |v, y| {
            let mut x: Vec<Vec<f64>> = v.iter().map(numbers).collect();
            close(y.0, formula(&x), 1e-5);
            let (at, h) = (x[0][0], 1e-3);
            x[0][0] = at + h;
            let above = formula(&x);
            x[0][0] = at - h;
            close(first(y), (above - formula(&x)) / (2.0 * h), 1e-2);
        },
    );
}

fn both(c: &mut Criterion) {
    views(c, "vicreg", vicreg_loss, vicreg);
    views(c, "barlow_twins", barlow_twins_loss, barlow_twins);
}

fn main() {
    benches::main(&[both]);
}
