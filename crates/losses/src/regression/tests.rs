//! What all losses of predicted values have in common.

use super::*;
use crate::Reduction;
use crate::testing::{assert_near, lay, value_and_slopes};
use autograd::Element;

type Loss<T> = fn(Reduction, &Var<T>, &Var<T>) -> Result<Var<T>>;

/// Each loss of a prediction and a target, with its default options.
fn all<T: Float>() -> [(&'static str, Loss<T>); 11] {
    [
        ("mse", |r, x, t| MseLoss::new().reduction(r).forward(x, t)),
        ("l1", |r, x, t| L1Loss::new().reduction(r).forward(x, t)),
        ("smooth_l1", |r, x, t| {
            SmoothL1Loss::new().reduction(r).forward(x, t)
        }),
        ("huber", |r, x, t| {
            HuberLoss::new().reduction(r).forward(x, t)
        }),
        ("log_cosh", |r, x, t| {
            LogCoshLoss::new().reduction(r).forward(x, t)
        }),
        ("quantile", |r, x, t| {
            QuantileLoss::new().q(0.3).reduction(r).forward(x, t)
        }),
        ("expectile", |r, x, t| {
            ExpectileLoss::new().q(0.3).reduction(r).forward(x, t)
        }),
        ("charbonnier", |r, x, t| {
            CharbonnierLoss::new().reduction(r).forward(x, t)
        }),
        ("msle", |r, x, t| MsleLoss::new().reduction(r).forward(x, t)),
        ("mape", |r, x, t| MapeLoss::new().reduction(r).forward(x, t)),
        ("tweedie", |r, x, t| {
            TweedieNllLoss::new().reduction(r).forward(x, t)
        }),
    ]
}

fn of<T: Element>(data: &[f64], shape: &[usize]) -> Tensor<T> {
    Tensor::from_vec(data.iter().map(|&v| T::from_f64(v)).collect(), shape).unwrap()
}

#[test]
fn reductions_agree_with_the_elements() {
    let x: Tensor<f64> = of(&[0.5, 1.25, 3.0, 0.75, 2.0, 0.125], &[2, 3]);
    let t: Tensor<f64> = of(&[1.0, 0.25, 3.5, 2.0, 0.5, 4.0], &[2, 3]);
    for (name, loss) in all::<f64>() {
        let run = |r| value_and_slopes(&[x.clone(), t.clone()], |v| loss(r, &v[0], &v[1]));
        let (elements, slopes) = run(Reduction::None);
        let sum: f64 = elements.iter().sum();
        for (r, divisor) in [
            (Reduction::Sum, 1.0),
            (Reduction::Mean, 6.0),
            (Reduction::BatchMean, 2.0),
        ] {
            let (value, reduced) = run(r);
            assert_near(&value, &[sum / divisor], 1e-14);
            for (a, b) in reduced.iter().zip(&slopes) {
                let b: Vec<f64> = b.iter().map(|b| b / divisor).collect();
                assert_near(a, &b, 1e-14);
            }
        }
        assert!(elements.iter().all(|v| *v > 0.0), "{name}: {elements:?}");
    }
}

#[test]
fn empty_batches_have_no_mean_and_scalars_are_elements() {
    let empty: Tensor<f32> = Tensor::zeros([0, 3]).unwrap();
    for (name, loss) in all::<f32>() {
        let run = |x: &Tensor<f32>, r| {
            value_and_slopes(&[x.clone(), x.clone()], |v| loss(r, &v[0], &v[1]))
        };
        assert!(run(&empty, Reduction::None).0.is_empty(), "{name}");
        assert_eq!(run(&empty, Reduction::Sum).0, [0.0], "{name}");
        for r in [Reduction::Mean, Reduction::BatchMean] {
            let (value, slopes) = run(&empty, r);
            assert!(value[0].is_nan() && slopes[0].is_empty(), "{name}");
        }
        let (row, row_slopes) = run(&of(&[0.75], &[1]), Reduction::None);
        for r in [
            Reduction::None,
            Reduction::Mean,
            Reduction::Sum,
            Reduction::BatchMean,
        ] {
            assert_eq!(
                run(&of(&[0.75], &[]), r),
                (row.clone(), row_slopes.clone()),
                "{name}"
            );
        }
    }
}

/// Long enough for several threads, and with a remainder: the same numbers from any layout.
#[test]
fn large_inputs_in_any_layout() {
    let (n, m) = (257, 311);
    let wave = |k: usize, by: f64| 1.1 + (k as f64 * by).sin();
    let x: Vec<f64> = (0..n * m).map(|k| wave(k, 0.37)).collect();
    let t: Vec<f64> = (0..n * m).map(|k| wave(k, 0.73)).collect();
    let (x, t): (Tensor<f32>, Tensor<f32>) = (of(&x, &[n, m]), of(&t, &[n, m]));
    for (name, loss) in all::<f32>() {
        let run = |x: &Tensor<f32>, t: &Tensor<f32>| {
            value_and_slopes(&[x.clone(), t.clone()], |v| {
                loss(Reduction::Mean, &v[0], &v[1])
            })
        };
        let plain = run(&x, &t);
        let (elements, _) = value_and_slopes(&[x.clone(), t.clone()], |v| {
            loss(Reduction::None, &v[0], &v[1])
        });
        let mean: f64 = elements.iter().map(|&v| f64::from(v)).sum::<f64>() / (n * m) as f64;
        assert_near(&plain.0, &[mean], 1e-7);
        for layout in ["transposed", "stepped", "reversed"] {
            let moved = run(&lay(layout, &x), &t);
            // Other blocks are summed in another order.
            assert_near(&moved.0, &[plain.0[0].into()], 2e-7);
            assert_eq!(moved.1, plain.1, "{name} {layout}");
        }
    }
}

/// No NaN that the mathematics does not have, at the ends of single precision.
#[test]
fn extreme_values_are_ordered_numbers() {
    let large = [1e4f64, 1e30, 3e38, 1e-30, 0.0];
    let x: Tensor<f32> = of(&large, &[5]);
    let zero: Tensor<f32> = Tensor::zeros([5]).unwrap();
    for (name, loss) in all::<f32>() {
        for pair in [
            [x.clone(), zero.clone()],
            [zero.clone(), x.clone()],
            [x.clone(), x.clone()],
        ] {
            let (value, slopes) = value_and_slopes(&pair, |v| loss(Reduction::None, &v[0], &v[1]));
            assert!(value.iter().all(|v| *v >= 0.0), "{name}: {value:?}");
            let first = &slopes[0];
            assert!(first.iter().all(|s| !s.is_nan()), "{name}: {first:?}");
        }
    }
}
