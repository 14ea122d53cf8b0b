//! Losses of sequences of labels, each forward and backward from a fresh tape.

use autograd::{Result, Tape, Tensor, Var};
use benches::{case, classes, close, uniform};
use criterion::Criterion;
use losses::prelude::*;

struct Input {
    x: Tensor<f32>,
    targets: Tensor<i64>,
    steps: Tensor<i64>,
    lengths: Tensor<i64>,
}

type Loss = fn(&Var<f32>, &Tensor<i64>, &Tensor<i64>, &Tensor<i64>) -> Result<Var<f32>>;

fn step(input: &Input, loss: Loss) -> (f32, Tensor<f32>) {
    let run = || {
        let tape = Tape::new();
        let x = tape.leaf(input.x.clone());
        let y = loss(&x, &input.targets, &input.steps, &input.lengths)?;
        let dx = y.backward()?.get(&x)?.clone();
        Ok::<_, Error>((y.item()?, dx))
    };
    run().expect("the inputs of a benchmark")
}

/// As many sequences as `n`, all of the same length.
fn input(x: Tensor<f32>, n: usize, steps: usize, labels: usize, n_classes: usize) -> Input {
    let all = |value: usize| Tensor::full([n], value as i64).expect("lengths");
    let targets = classes(n * labels, n_classes - 1, 2).map(|c: i64| c + 1);
    Input {
        x,
        targets: targets.reshape([n, labels]).expect("targets"),
        steps: all(steps),
        lengths: all(labels),
    }
}

/// A row as probabilities, in `f64`.
fn softmax(row: &[f32]) -> Vec<f64> {
    let e: Vec<f64> = row.iter().map(|&x| f64::from(x).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.into_iter().map(|e| e / sum).collect()
}

/// Minus the logarithm of a label sequence's probability: the beginnings of paths as probabilities, scaled to a sum of
/// 1 at each step.
fn ctc_by_scaling(rows: &[Vec<f64>], labels: &[i64]) -> f64 {
    let path: Vec<usize> = std::iter::once(0)
        .chain(labels.iter().flat_map(|&label| [label as usize, 0]))
        .collect();
    let mut alpha = vec![0.0; path.len()];
    (alpha[0], alpha[1]) = (1.0, 0.0);
    let mut log = 0.0;
    for (t, row) in rows.iter().enumerate() {
        let from = alpha.clone();
        for (s, &class) in path.iter().enumerate() {
            let mut sum = from[s];
            if t == 0 {
                sum = f64::from(u8::from(s < 2));
            } else if s > 0 {
                sum += from[s - 1];
                if s > 1 && class != 0 && class != path[s - 2] {
                    sum += from[s - 2];
                }
            }
            alpha[s] = sum * row[class];
        }
        let total: f64 = alpha.iter().sum();
        alpha.iter_mut().for_each(|a| *a /= total);
        log += total.ln();
    }
    let ends = alpha[path.len() - 1] + alpha[path.len() - 2];
    -(log + ends.ln())
}

fn ctc(c: &mut Criterion) {
    let (steps, n, k, labels) = (200, 16, 32, 50);
    let expected = |input: &Input| {
        let (x, targets) = (input.x.to_vec(), input.targets.to_vec());
        let losses = (0..n).map(|i| {
            let row = |t: usize| softmax(&x[(t * n + i) * k..][..k]);
            let rows: Vec<Vec<f64>> = (0..steps).map(row).collect();
            ctc_by_scaling(&rows, &targets[i * labels..][..labels])
        });
        losses.sum::<f64>() / (n * labels) as f64
    };
    let logits = || uniform([steps, n, k], -2.0, 2.0, 1);
    case(
        c,
        "losses/ctc_loss_with_logits/200x16x32x50",
        || input(logits(), n, steps, labels, k),
        |input| step(input, ctc_loss_with_logits),
        |input, (y, dx)| {
            close(*y, expected(input), 1e-5);
            // Each step's slopes add up to nothing.
            let sums = dx.sum(2).expect("the classes");
            assert!(sums.find(|s: f32| s.abs() > 1e-7).is_none());
        },
    );
    case(
        c,
        "losses/ctc_loss/200x16x32x50",
        || {
            let log = logits().log_softmax(-1).expect("the classes");
            input(log, n, steps, labels, k)
        },
        |input| step(input, ctc_loss),
        |input, (y, dx)| {
            close(*y, expected(input), 1e-5);
            // Each step's slopes are the probabilities of the classes, which add up to 1.
            let sum = dx.sum(..).and_then(|s| s.item()).expect("a sum");
            close(sum, -(steps as f64) / labels as f64, 1e-5);
        },
    );
}

fn rnnt(c: &mut Criterion) {
    let (n, steps, labels, k) = (4, 50, 20, 64);
    case(
        c,
        "losses/rnnt_loss/4x50x20x64",
        || {
            let x = uniform([n, steps, labels + 1, k], -2.0, 2.0, 1);
            input(x, n, steps, labels, k)
        },
        |input| step(input, rnnt_loss),
        |input, (y, dx)| {
            assert_eq!(dx.shape(), [n, steps, labels + 1, k]);
            let (x, targets) = (input.x.to_vec(), input.targets.to_vec());
            let losses = (0..n).map(|i| {
                let row = |t: usize, u: usize| {
                    softmax(&x[((i * steps + t) * (labels + 1) + u) * k..][..k])
                };
                let mut alpha = vec![0.0f64; labels + 1];
                let mut log = 0.0;
                for t in 0..steps {
                    for u in 0..=labels {
                        let down = match t {
                            0 => f64::from(u8::from(u == 0)),
                            _ => alpha[u] * row(t - 1, u)[0],
                        };
                        let along = match u {
                            0 => 0.0,
                            _ => alpha[u - 1] * row(t, u - 1)[targets[i * labels + u - 1] as usize],
                        };
                        alpha[u] = down + along;
                    }
                    let total: f64 = alpha.iter().sum();
                    alpha.iter_mut().for_each(|a| *a /= total);
                    log += total.ln();
                }
                -(log + (alpha[labels] * row(steps - 1, labels)[0]).ln())
            });
            close(*y, losses.sum::<f64>() / n as f64, 1e-5);
        },
    );
}

fn main() {
    benches::main(&[ctc, rnnt]);
}
