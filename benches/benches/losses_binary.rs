//! Losses of yes-or-no predictions beyond binary cross entropy, each forward and backward from a fresh tape.

use autograd::{Result, Tensor, Var};
use benches::losses::{first, numbers, step};
use benches::{case, close, uniform};
use criterion::Criterion;
use losses::prelude::*;

const N: usize = 1_000_000;

/// A case of a loss of `N` scores and labels, `no` or 1, checked with its formula and its slope in `f64`.
fn labelled(
    c: &mut Criterion,
    name: &str,
    no: f32,
    loss: fn(&Var<f32>, &Tensor<f32>) -> Result<Var<f32>>,
    value: fn(f64, f64) -> f64,
    slope: fn(f64, f64) -> f64,
) {
    case(
        c,
        &format!("losses/{name}/1e6"),
        || {
            let t = uniform([N], 0.0, 1.0, 2).map(|v: f32| if v < 0.5 { no } else { 1.0 });
            (vec![uniform([N], -4.0, 4.0, 1)], t)
        },
        |(x, t)| step::<1>(x, |v| loss(&v[0], t)),
        |(x, t), y| {
            let (x, t) = (numbers(&x[0]), numbers(t));
            let sum: f64 = x.iter().zip(&t).map(|(&x, &t)| value(x, t)).sum();
            close(y.0, sum / N as f64, 1e-5);
            close(first(y), slope(x[0], t[0]) / N as f64, 1e-4);
        },
    );
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn focal(x: f64, t: f64, gamma: f64) -> f64 {
    let z = if t == 1.0 { x } else { -x };
    let weight = if t == 1.0 { 0.25 } else { 0.75 };
    weight * sigmoid(-z).powf(gamma) * -sigmoid(z).ln()
}

fn asymmetric(x: f64, t: f64) -> f64 {
    let m = (sigmoid(x) - 0.05).max(0.0);
    if t == 1.0 {
        -sigmoid(x).ln()
    } else {
        m.powi(4) * -(1.0 - m).ln()
    }
}

/// The slope of `f` by differences.
fn difference(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    (f(x + 1e-5) - f(x - 1e-5)) / 2e-5
}

fn pointwise(c: &mut Criterion) {
    let loss = |x: &Var<f32>, t: &Tensor<f32>| sigmoid_focal_loss(x, t);
    labelled(
        c,
        "sigmoid_focal",
        0.0,
        loss,
        |x, t| focal(x, t, 2.0),
        |x, t| difference(|x| focal(x, t, 2.0), x),
    );
    let loss = |x: &Var<f32>, t: &Tensor<f32>| SigmoidFocalLoss::new().gamma(1.5).forward(x, t);
    labelled(
        c,
        "sigmoid_focal_gamma_1.5",
        0.0,
        loss,
        |x, t| focal(x, t, 1.5),
        |x, t| difference(|x| focal(x, t, 1.5), x),
    );
    let slope = |x: f64, t: f64| difference(|x| asymmetric(x, t), x);
    labelled(c, "asymmetric", 0.0, asymmetric_loss, asymmetric, slope);
    let value = |x: f64, t: f64| (-t * x).exp().ln_1p();
    labelled(c, "soft_margin", -1.0, soft_margin_loss, value, |x, t| {
        -t * sigmoid(-t * x)
    });
    let short = |x: f64, t: f64| (1.0 - t * x).max(0.0);
    let slope = |x: f64, t: f64| if 1.0 - t * x > 0.0 { -t } else { 0.0 };
    labelled(c, "hinge", -1.0, hinge_loss, short, slope);
    labelled(
        c,
        "squared_hinge",
        -1.0,
        squared_hinge_loss,
        |x, t| (1.0 - t * x).max(0.0).powi(2),
        |x, t| -2.0 * t * (1.0 - t * x).max(0.0),
    );
}

const ROWS: usize = 4096;
const LABELS: usize = 256;

fn of_many_labels(c: &mut Criterion) {
    case(
        c,
        "losses/multilabel_soft_margin/4096x256",
        || {
            vec![
                uniform([ROWS, LABELS], -4.0, 4.0, 1),
                uniform([ROWS, LABELS], 0.0, 1.0, 2).round(),
            ]
        },
        |v| step::<1>(v, |v| multilabel_soft_margin_loss(&v[0], &v[1])),
        |v, y| {
            let (x, t) = (numbers(&v[0]), numbers(&v[1]));
            let cost =
                |(x, t): (&f64, &f64)| -(if *t == 1.0 { sigmoid(*x) } else { sigmoid(-*x) }).ln();
            let n = (ROWS * LABELS) as f64;
            close(y.0, x.iter().zip(&t).map(cost).sum::<f64>() / n, 1e-5);
            close(first(y), (sigmoid(x[0]) - t[0]) / n, 1e-4);
        },
    );
    case(
        c,
        "losses/multilabel_margin/4096x256",
        || {
            // Four labels hold in each row.
            let list = |i: usize| {
                (0..LABELS)
                    .map(move |k| [7, 31 + i % 64, 128, 200].get(k).map_or(-1, |&j| j as i64))
            };
            let t = Tensor::from_vec((0..ROWS).flat_map(list).collect(), [ROWS, LABELS]);
            let t = t.expect("a row for each row");
            (vec![uniform([ROWS, LABELS], -1.0, 1.0, 1)], t)
        },
        |(x, t)| step::<1>(x, |v| multilabel_margin_loss(&v[0], t)),
        |(x, _), y| {
            let x = numbers(&x[0]);
            let mut sum = 0.0;
            let mut active = 0;
            for (i, row) in x.chunks(LABELS).enumerate() {
                let listed = [7, 31 + i % 64, 128, 200];
                let others = (0..LABELS).filter(|k| !listed.contains(k));
                for (k, &j) in others.flat_map(|k| listed.iter().map(move |j| (k, j))) {
                    let short = 1.0 - row[j] + row[k];
                    sum += short.max(0.0);
                    active += usize::from(i == 0 && k == 0 && short > 0.0);
                }
            }
            let n = (ROWS * LABELS) as f64;
            close(y.0, sum / n, 1e-5);
            close(first(y), active as f64 / n, 1e-5);
        },
    );
}

fn main() {
    benches::main(&[pointwise, of_many_labels]);
}
