//! Losses of predicted values, each forward and backward from a fresh tape.

use benches::losses::{first, numbers, pointwise, step};
use benches::{case, close, uniform};
use criterion::Criterion;
use losses::prelude::*;

const N: usize = 1_000_000;

fn of_pytorch(c: &mut Criterion) {
    for n in [N, 10 * N] {
        let size = (n, -1.0, 1.0);
        let sign = |x: f64, t: f64| (x - t).signum();
        pointwise(c, "l1", size, l1_loss, |x, t| (x - t).abs(), sign);
        // All errors are below 2, and the losses one and the same.
        let bent = |x: f64, t: f64| {
            let a = (x - t).abs();
            if a <= 1.0 { 0.5 * a * a } else { a - 0.5 }
        };
        let slope = |x: f64, t: f64| (x - t).clamp(-1.0, 1.0);
        pointwise(c, "smooth_l1", size, smooth_l1_loss, bent, slope);
        pointwise(c, "huber", size, huber_loss, bent, slope);
    }
}

fn others(c: &mut Criterion) {
    let size = (N, -1.0, 1.0);
    let log_cosh = |x: f64, t: f64| (x - t).cosh().ln();
    pointwise(c, "log_cosh", size, log_cosh_loss, log_cosh, |x, t| {
        (x - t).tanh()
    });
    let hyperbola = |x: f64, t: f64| (x - t).hypot(1e-3);
    let slope = |x: f64, t: f64| (x - t) / (x - t).hypot(1e-3);
    pointwise(c, "charbonnier", size, charbonnier_loss, hyperbola, slope);
    case(
        c,
        "losses/rmse/1e6",
        || vec![uniform([N], -1.0, 1.0, 1), uniform([N], 0.0, 1.0, 2)],
        |v| step::<1>(v, |v| rmse_loss(&v[0], &v[1])),
        |v, y| {
            let (x, t) = (numbers(&v[0]), numbers(&v[1]));
            let squares = x.iter().zip(&t).map(|(x, t)| (x - t) * (x - t));
            let root = (squares.sum::<f64>() / N as f64).sqrt();
            close(y.0, root, 1e-5);
            close(first(y), (x[0] - t[0]) / root / N as f64, 1e-4);
        },
    );
    let half = |x: f64, t: f64| 0.5 * (x - t).abs();
    pointwise(c, "quantile", size, quantile_loss, half, |x, t| {
        0.5 * (x - t).signum()
    });
    let square = |x: f64, t: f64| 0.5 * (x - t) * (x - t);
    pointwise(c, "expectile", size, expectile_loss, square, |x, t| x - t);
    let percent = |x: f64, t: f64| 100.0 * (x - t).abs() / t.max(1e-7);
    let slope = |x: f64, t: f64| 100.0 * (x - t).signum() / t.max(1e-7);
    pointwise(c, "mape", size, mape_loss, percent, slope);
    let tweedie = |x: f64, t: f64| 2.0 * (0.5 * x).exp() + 2.0 * t * (-0.5 * x).exp();
    let slope = |x: f64, t: f64| (0.5 * x).exp() - t * (-0.5 * x).exp();
    pointwise(c, "tweedie_nll", size, tweedie_nll_loss, tweedie, slope);
    pointwise(
        c,
        "msle",
        (N, 0.0, 1.0),
        msle_loss,
        |x, t| (x.ln_1p() - t.ln_1p()).powi(2),
        |x, t| 2.0 * (x.ln_1p() - t.ln_1p()) / (1.0 + x),
    );
}

fn many_quantiles(c: &mut Criterion) {
    const Q: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
    let rows = N / Q.len();
    case(
        c,
        "losses/quantile_many/200000x5",
        || {
            vec![
                uniform([rows, Q.len()], -1.0, 1.0, 1),
                uniform([rows], 0.0, 1.0, 2),
            ]
        },
        |v| step::<1>(v, |v| QuantileLoss::new().q(Q).forward(&v[0], &v[1])),
        |v, (y, _)| {
            let (x, t) = (numbers(&v[0]), numbers(&v[1]));
            let cost = |(k, x): (usize, &f64)| {
                let (d, q) = (t[k / Q.len()] - x, Q[k % Q.len()]);
                (q * d).max((q - 1.0) * d)
            };
            close(
                *y,
                x.iter().enumerate().map(cost).sum::<f64>() / N as f64,
                1e-5,
            );
        },
    );
}

fn evidential(c: &mut Criterion) {
    case(
        c,
        "losses/evidential_nig/100000",
        || {
            let n = N / 10;
            let parameters = [(-1.0, 1.0), (0.5, 1.5), (1.5, 3.0), (0.5, 1.5), (-1.0, 1.0)];
            let drawn = parameters
                .iter()
                .zip(1..)
                .map(|(&(low, high), seed)| uniform([n], low, high, seed));
            drawn.collect::<Vec<_>>()
        },
        |v| {
            step::<4>(v, |v| {
                evidential_nig_loss(&v[0], &v[1], &v[2], &v[3], &v[4])
            })
        },
        |v, (y, dx)| {
            assert_eq!(dx.len(), 4);
            // ln Γ(α) - ln Γ(α + 1/2): by Γ(a + 1) = a Γ(a) far out, where two terms of the series are enough.
            let log_step = |a: f64| {
                let terms = (0..64).map(|k| f64::from(k) + a);
                let far = a + 64.0;
                terms.map(|a| ((a + 0.5) / a).ln()).sum::<f64>() - 0.5 * far.ln()
                    + 1.0 / (8.0 * far)
            };
            let v: Vec<Vec<f64>> = v.iter().map(numbers).collect();
            let cost = |i: usize| {
                let (d, nu, alpha, beta) = (v[4][i] - v[0][i], v[1][i], v[2][i], v[3][i]);
                let s = 2.0 * beta * (1.0 + nu) / nu;
                0.5 * (std::f64::consts::PI * s).ln()
                    + (alpha + 0.5) * (d * d / s).ln_1p()
                    + log_step(alpha)
                    + 0.01 * d.abs() * (2.0 * nu + alpha)
            };
            let n = v[0].len();
            close(*y, (0..n).map(cost).sum::<f64>() / n as f64, 1e-5);
        },
    );
}

fn main() {
    benches::main(&[of_pytorch, others, many_quantiles, evidential]);
}
