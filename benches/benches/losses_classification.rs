//! Losses of a choice among classes beyond cross entropy, each forward and backward from a fresh tape.

use autograd::{Result, Tape, Tensor, Var};
use benches::{case, classes, close, large, uniform};
use criterion::Criterion;
use losses::classification::{CrossEntropy, LinearCrossEntropy};
use losses::prelude::*;

/// The value of `loss`, and the gradients of all inputs.
fn step(
    inputs: &[Tensor<f32>],
    loss: impl Fn(&[Var<f32>]) -> Result<Var<f32>>,
) -> (f32, Vec<Tensor<f32>>) {
    let run = || {
        let tape = Tape::new();
        let vars: Vec<Var<f32>> = inputs.iter().map(|x| tape.leaf(x.clone())).collect();
        let y = loss(&vars)?;
        let mut grads = y.backward()?;
        let dx = vars.iter().filter_map(|x| grads.take(x)).collect();
        Ok::<_, Error>((y.item()?, dx))
    };
    run().expect("the inputs of a benchmark")
}

/// `ln Σ e^x` of a row.
fn logsumexp(row: &[f64]) -> f64 {
    let max = row.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x));
    max + row.iter().map(|&x| (x - max).exp()).sum::<f64>().ln()
}

/// A loss of a row of logits with a class, and its slope by the first logit, in `f64`.
type OfRow = fn(&[f64], usize) -> (f64, f64);

/// The probability of a class, and of the first one.
fn probabilities(x: &[f64], t: usize) -> (f64, f64) {
    let lse = logsumexp(x);
    ((x[t] - lse).exp(), (x[0] - lse).exp())
}

fn own(t: usize) -> f64 {
    f64::from(u8::from(t == 0))
}

fn of_rows(
    c: &mut Criterion,
    name: &str,
    loss: impl Fn(&Var<f32>, &Tensor<i64>) -> Result<Var<f32>>,
    of_row: OfRow,
) {
    const N: usize = 4096;
    const C: usize = 1000;
    case(
        c,
        &format!("losses/{name}/{N}x{C}"),
        || (vec![uniform([N, C], -4.0, 4.0, 1)], classes(N, C, 2)),
        |(x, t)| step(x, |v| loss(&v[0], t)),
        |(x, t), (y, dx)| {
            let t = t.to_vec();
            let x = x[0].to_vec().into_iter().map(f64::from);
            let rows: Vec<f64> = x.collect();
            let rows = rows.chunks_exact(C).zip(&t);
            let mut of = rows.map(|(row, &t)| of_row(row, t as usize));
            let (first, slope) = of.next().expect("a row");
            let sum: f64 = first + of.map(|(value, _)| value).sum::<f64>();
            close(*y, sum / N as f64, 1e-5);
            close(dx[0].to_vec()[0], slope / N as f64, 1e-3);
        },
    );
}

fn rows(c: &mut Criterion) {
    of_rows(c, "softmax_focal_loss", softmax_focal_loss, |x, t| {
        let (p, first) = probabilities(x, t);
        let (q, log) = (1.0 - p, p.ln());
        let slope = 0.25 * q * q * (1.0 - 2.0 * p * log / q);
        (-0.25 * q * q * log, slope * (first - own(t)))
    });
    of_rows(c, "poly1_cross_entropy", poly1_cross_entropy, |x, t| {
        let (p, first) = probabilities(x, t);
        (-p.ln() + 1.0 - p, (1.0 + p) * (first - own(t)))
    });
    let name = "generalized_cross_entropy";
    of_rows(c, name, generalized_cross_entropy, |x, t| {
        let (p, first) = probabilities(x, t);
        let power = p.powf(0.7);
        ((1.0 - power) / 0.7, power * (first - own(t)))
    });
    let priors = Tensor::arange(1.0f32, 1001.0, 1.0).expect("the priors");
    let adjusted = |x: &Var<f32>, t: &Tensor<i64>| logit_adjusted_cross_entropy(x, t, &priors);
    of_rows(c, "logit_adjusted_cross_entropy", adjusted, |x, t| {
        let shifted = x.iter().enumerate().map(|(c, x)| x + ((c + 1) as f64).ln());
        let (p, first) = probabilities(&shifted.collect::<Vec<_>>(), t);
        (-p.ln(), first - own(t))
    });
    let z_loss = CrossEntropy::new().z_loss(1e-2);
    let with_z = |x: &Var<f32>, t: &Tensor<i64>| z_loss.forward(x, t);
    of_rows(c, "cross_entropy_z_loss", with_z, |x, t| {
        let (lse, (p, first)) = (logsumexp(x), probabilities(x, t));
        let slope = (1.0 + 2e-2 * lse) * first - own(t);
        (-p.ln() + 1e-2 * lse * lse, slope)
    });
    of_rows(c, "multi_margin_loss", multi_margin_loss, |x, t| {
        let gaps = x.iter().enumerate().filter(|(c, _)| *c != t);
        let gaps: Vec<f64> = gaps
            .map(|(_, v)| 1.0 - x[t] + v)
            .filter(|g| *g > 0.0)
            .collect();
        let active = f64::from(u8::from(1.0 - x[t] + x[0] > 0.0));
        let slope = if t == 0 { -(gaps.len() as f64) } else { active };
        (
            gaps.iter().sum::<f64>() / x.len() as f64,
            slope / x.len() as f64,
        )
    });
}

fn of_logarithms(c: &mut Criterion) {
    case(
        c,
        "losses/nll/4096x1000",
        || {
            let x = uniform([4096, 1000], -8.0, 0.0, 1);
            (vec![x], classes(4096, 1000, 2))
        },
        |(x, t)| step(x, |v| nll_loss(&v[0], t)),
        |(x, t), (y, dx)| {
            let (x, t) = (x[0].to_vec(), t.to_vec());
            let own = |(i, &t): (usize, &i64)| f64::from(x[i * 1000 + t as usize]);
            let sum: f64 = t.iter().enumerate().map(own).sum();
            close(*y, -sum / 4096.0, 1e-5);
            close(dx[0].to_vec()[t[0] as usize], -1.0 / 4096.0, 1e-6);
        },
    );
}

/// The mean over rows of `lse - x[t]`, for the logits `x Wᵀ`, in `f64`; only every `stride`-th row counts.
fn linear(x: &Tensor<f32>, w: &Tensor<f32>, t: &[i64], stride: usize) -> f64 {
    let (depth, x, w) = (x.shape()[1], x.to_vec(), w.to_vec());
    let rows = x.chunks_exact(depth).zip(t).step_by(stride);
    let costs: Vec<f64> = rows
        .map(|(x, &t)| {
            let dot = |w: &[f32]| -> f64 {
                let each = x.iter().zip(w).map(|(&a, &b)| f64::from(a) * f64::from(b));
                each.sum()
            };
            let logits: Vec<f64> = w.chunks_exact(depth).map(dot).collect();
            logsumexp(&logits) - logits[t as usize]
        })
        .collect();
    costs.iter().sum::<f64>() / costs.len() as f64
}

fn layers(c: &mut Criterion) {
    let mut sizes = vec![(512, 64, 5000)];
    if large() {
        sizes.push((4096, 512, 50_257));
    }
    for (n, depth, k) in sizes {
        let input = || {
            let w = uniform([k, depth], -0.2, 0.2, 2);
            (vec![uniform([n, depth], -1.0, 1.0, 1), w], classes(n, k, 3))
        };
        // The loss of every sixteenth row, each by itself, is compared: all would take longer than what is measured.
        let check = |(v, t): &(Vec<Tensor<f32>>, Tensor<i64>),
                     (y, dx): &(f32, Vec<Tensor<f32>>)| {
            let t = t.to_vec();
            assert!(dx[0].shape() == [n, depth] && dx[1].shape() == [k, depth]);
            let picked: Vec<i64> = (0..n as i64).step_by(16).collect();
            let rows = Tensor::from_vec(picked.clone(), [picked.len()]).expect("rows");
            let some = v[0].index_select(0, &rows).expect("rows");
            let own = picked.iter().map(|&i| t[i as usize]).collect();
            let own = Tensor::from_vec(own, [picked.len()]).expect("classes");
            let part = linear_cross_entropy(&Var::from(some), &Var::from(&v[1]), &own);
            let part = part
                .and_then(|y| y.item())
                .expect("the inputs of a benchmark");
            close(part, linear(&v[0], &v[1], &t, 16), 1e-5);
            // The whole lies near the part: both are means of the same.
            close(*y, part.into(), 0.05);
        };
        let size = format!("{n}x{depth}x{k}");
        case(
            c,
            &format!("losses/linear_cross_entropy/{size}"),
            input,
            |(v, t)| step(v, |v| linear_cross_entropy(&v[0], &v[1], t)),
            check,
        );
        case(
            c,
            &format!("losses/linear_then_cross_entropy/{size}"),
            input,
            |(v, t)| step(v, |v| cross_entropy(&v[0].matmul(&v[1].t())?, t)),
            check,
        );
        let half = |t: &Tensor<i64>| {
            let keep = t.to_vec().into_iter().enumerate();
            let keep = keep.map(|(i, t)| if i % 2 == 0 { t } else { -100 });
            Tensor::from_vec(keep.collect(), [n]).expect("classes")
        };
        let smoothed = LinearCrossEntropy::new().label_smoothing(0.1);
        case(
            c,
            &format!("losses/linear_cross_entropy_smoothed_half_ignored/{size}"),
            || {
                let (v, t) = input();
                let t = half(&t);
                (v, t)
            },
            |(v, t)| step(v, |v| smoothed.forward(&v[0], &v[1], t)),
            |_, (y, dx)| {
                assert!(y.is_finite());
                let ignored = dx[0].select(0, 1).expect("a row");
                assert!(ignored.find(|v: f32| v != 0.0).is_none());
            },
        );
    }
    let tails = |v: &[Var<f32>]| vec![(v[2].clone(), v[3].clone())];
    let cutoffs = [1000, 10_000];
    case(
        c,
        "losses/adaptive_log_softmax_with_loss/512x64x10000",
        || {
            let sizes = [[512, 64], [1001, 64], [16, 64], [9000, 16]];
            let v = sizes
                .iter()
                .zip(1..)
                .map(|(&size, seed)| uniform(size, -0.5, 0.5, seed));
            (v.collect::<Vec<_>>(), classes(512, 10_000, 9))
        },
        |(v, t)| {
            step(v, |v| {
                adaptive_log_softmax_with_loss(&v[0], t, &cutoffs, &v[1], &tails(v))
            })
        },
        |(v, t), (y, dx)| {
            assert_eq!(dx.len(), 4);
            let dot = |a: &[f32], b: &[f64]| -> f64 {
                a.iter().zip(b).map(|(&a, &b)| f64::from(a) * b).sum()
            };
            let product = |m: &Tensor<f32>, x: &[f64]| -> Vec<f64> {
                let m = m.to_vec();
                m.chunks_exact(x.len()).map(|row| dot(row, x)).collect()
            };
            let x = v[0].to_vec();
            let costs = x.chunks_exact(64).zip(t.to_vec()).map(|(x, t)| {
                let x: Vec<f64> = x.iter().map(|&v| v.into()).collect();
                let (head, t) = (product(&v[1], &x), t as usize);
                if t < 1000 {
                    return logsumexp(&head) - head[t];
                }
                let tail = product(&v[3], &product(&v[2], &x));
                logsumexp(&head) - head[1000] + logsumexp(&tail) - tail[t - 1000]
            });
            close(*y, costs.sum::<f64>() / 512.0, 1e-5);
        },
    );
}

fn main() {
    benches::main(&[rows, of_logarithms, layers]);
}
