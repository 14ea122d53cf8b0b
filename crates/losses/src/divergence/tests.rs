//! What all losses of distributions have in common.

use super::*;
use crate::Reduction;
use crate::testing::{assert_near, lay, value_and_slopes};
use autograd::{Float, Result, Tensor, Var};

type Loss<T> = fn(Reduction, &Var<T>, &Var<T>) -> Result<Var<T>>;

/// Each loss of two inputs of one shape, with its default options; whether it takes rows; and what it divides a mean by,
/// of six elements in two rows.
fn all<T: Float>() -> [(&'static str, Loss<T>, bool, f64); 8] {
    [
        (
            "kl_div",
            |r, x, t| KlDiv::new().reduction(r).forward(x, t),
            false,
            6.0,
        ),
        (
            "kl_div_with_logits",
            |r, x, t| KlDivWithLogits::new().reduction(r).forward(x, t),
            true,
            2.0,
        ),
        (
            "js_divergence",
            |r, x, t| JsDivergence::new().reduction(r).forward(x, t),
            true,
            2.0,
        ),
        (
            "wasserstein_1d",
            |r, x, t| Wasserstein1d::new().reduction(r).forward(x, t),
            true,
            2.0,
        ),
        (
            "gaussian_nll_loss",
            |r, x, t| GaussianNllLoss::new().reduction(r).forward(x, t, 2.0),
            false,
            6.0,
        ),
        (
            "gaussian_nll_loss_with_log_var",
            |r, x, t| {
                GaussianNllLossWithLogVar::new()
                    .reduction(r)
                    .forward(x, t, 0.5)
            },
            false,
            6.0,
        ),
        (
            "gaussian_kl",
            |r, x, t| GaussianKl::new().reduction(r).forward(x, t),
            false,
            6.0,
        ),
        (
            "poisson_nll_loss",
            |r, x, t| PoissonNllLoss::new().reduction(r).forward(x, t),
            false,
            6.0,
        ),
    ]
}

fn of<T: Float>(data: &[f64], shape: &[usize]) -> Tensor<T> {
    Tensor::from_vec(data.iter().map(|&v| T::of(v)).collect(), shape).unwrap()
}

/// Two rows that are distributions.
const X: [f64; 6] = [0.5, 0.25, 0.25, 0.125, 0.625, 0.25];
const T: [f64; 6] = [0.25, 0.5, 0.25, 0.5, 0.375, 0.125];

#[test]
fn reductions_agree_with_the_elements() {
    let (x, t): (Tensor<f64>, Tensor<f64>) = (of(&X, &[2, 3]), of(&T, &[2, 3]));
    for (name, loss, of_rows, mean) in all::<f64>() {
        let run = |r| value_and_slopes(&[x.clone(), t.clone()], |v| loss(r, &v[0], &v[1]));
        let (elements, slopes) = run(Reduction::None);
        assert_eq!(elements.len(), if of_rows { 2 } else { 6 }, "{name}");
        let sum: f64 = elements.iter().sum();
        for (r, divisor) in [
            (Reduction::Sum, 1.0),
            (Reduction::Mean, mean),
            (Reduction::BatchMean, 2.0),
        ] {
            let (value, reduced) = run(r);
            assert!(
                (value[0] - sum / divisor).abs() < 1e-14,
                "{name} {r:?}: {value:?}"
            );
            for (a, b) in reduced.iter().flatten().zip(slopes.iter().flatten()) {
                assert!((a - b / divisor).abs() < 1e-14, "{name} {r:?}: {a} {b}");
            }
        }
    }
}

#[test]
fn empty_batches_have_no_mean() {
    let empty: Tensor<f32> = Tensor::zeros([0, 3]).unwrap();
    for (name, loss, ..) in all::<f32>() {
        let run = |r| value_and_slopes(&[empty.clone(), empty.clone()], |v| loss(r, &v[0], &v[1]));
        assert!(run(Reduction::None).0.is_empty(), "{name}");
        assert_eq!(run(Reduction::Sum).0, [0.0], "{name}");
        for r in [Reduction::Mean, Reduction::BatchMean] {
            let (value, slopes) = run(r);
            assert!(
                value[0].is_nan() && slopes.iter().all(|s| s.is_empty()),
                "{name} {r:?}"
            );
        }
    }
}

/// A number is one element, or one row of one class.
#[test]
fn scalars_are_elements() {
    for (name, loss, ..) in all::<f64>() {
        let run = |shape: &[usize], r| {
            value_and_slopes(&[of(&[0.75], shape), of(&[0.5], shape)], |v| {
                loss(r, &v[0], &v[1])
            })
        };
        let (row, slopes) = run(&[1], Reduction::None);
        for r in [Reduction::None, Reduction::Mean, Reduction::Sum] {
            assert_eq!(run(&[], r), (row.clone(), slopes.clone()), "{name} {r:?}");
        }
    }
}

/// Long enough for several threads, and with a remainder: the same numbers from any layout.
#[test]
fn large_inputs_in_any_layout() {
    let (n, m) = (131, 257);
    let wave = |k: usize, by: f64| (1.5 + (k as f64 * by).sin()) / m as f64;
    let x: Vec<f64> = (0..n * m).map(|k| wave(k, 0.37)).collect();
    let t: Vec<f64> = (0..n * m).map(|k| wave(k, 0.73)).collect();
    let (x, t): (Tensor<f32>, Tensor<f32>) = (of(&x, &[n, m]), of(&t, &[n, m]));
    for (name, loss, ..) in all::<f32>() {
        let run = |x: &Tensor<f32>, t: &Tensor<f32>, r| {
            value_and_slopes(&[x.clone(), t.clone()], |v| loss(r, &v[0], &v[1]))
        };
        let plain = run(&x, &t, Reduction::Sum);
        let elements = run(&x, &t, Reduction::None).0;
        let sum: f64 = elements.iter().map(|&v| f64::from(v)).sum();
        assert_near(&plain.0, &[sum], 1e-5);
        for layout in ["transposed", "stepped", "reversed"] {
            let moved = run(&lay(layout, &x), &lay(layout, &t), Reduction::Sum);
            assert_near(&moved.0, &[plain.0[0].into()], 1e-5);
            for (a, b) in moved.1.iter().flatten().zip(plain.1.iter().flatten()) {
                assert!(
                    (a - b).abs() <= 1e-5 * b.abs().max(1e-6),
                    "{name} {layout}: {a} {b}"
                );
            }
        }
    }
}
