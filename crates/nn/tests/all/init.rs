//! Start values: their bounds and moments by the papers' formulas, orthogonality, and SciPy's truncated normal.

use nn::init::{self, FanMode, Nonlinearity};
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}

/// Mean 0, the deviation, and for uniform draws the bound, of many draws.
fn moments(x: &Tensor<f64>, std: f64, bound: Option<f64>) {
    let n = x.numel() as f64;
    let mean = x.mean(..).unwrap().item().unwrap();
    assert!(mean.abs() < 5.0 * std / n.sqrt(), "mean {mean}");
    let found = x.std(.., 0).unwrap().item().unwrap();
    // The deviation of a deviation is at most std / √(2 n) for these two.
    assert!(
        (found / std - 1.0).abs() < 5.0 / (2.0 * n).sqrt(),
        "{found} is not {std}"
    );
    let most = x.abs().max(..).unwrap().item().unwrap();
    match bound {
        Some(bound) => assert!(most <= bound && most > 0.999 * bound, "{most} {bound}"),
        None => assert!(most > 3.5 * std),
    }
}

#[test]
fn variances_are_those_of_the_papers() {
    // 200 outputs, 20 inputs at 3 · 2 places.
    let shape = [200, 20, 3, 2];
    assert_eq!(init::fans(&shape).unwrap(), (120, 1200));
    let r = &mut rng();
    let sum = 120.0 + 1200.0;
    moments(
        &init::xavier_normal(shape, 1.5, r).unwrap(),
        1.5 * (2f64 / sum).sqrt(),
        None,
    );
    let bound = 1.5 * (6f64 / sum).sqrt();
    moments(
        &init::xavier_uniform(shape, 1.5, r).unwrap(),
        bound / 3f64.sqrt(),
        Some(bound),
    );
    for (mode, fan) in [(FanMode::In, 120f64), (FanMode::Out, 1200f64)] {
        let relu = Nonlinearity::ReLU;
        let std = (2.0 / fan).sqrt();
        moments(
            &init::kaiming_normal(shape, mode, relu, r).unwrap(),
            std,
            None,
        );
        moments(
            &init::kaiming_uniform(shape, mode, relu, r).unwrap(),
            std,
            Some(3f64.sqrt() * std),
        );
    }
    assert_eq!(
        init::fans(&[3]).unwrap_err().to_string(),
        "fans: the weight has shape [3], but it must have at least two dimensions, outputs and inputs"
    );
}

#[test]
fn gains_are_pytorchs() {
    // torch.nn.init.calculate_gain
    for (what, gain) in [
        (Nonlinearity::Linear, 1.0),
        (Nonlinearity::Tanh, 1.6666666666666667),
        (Nonlinearity::ReLU, std::f64::consts::SQRT_2),
        (Nonlinearity::LeakyReLU(0.2), 1.3867504905630728),
        (Nonlinearity::SELU, 0.75),
    ] {
        assert!((what.gain() - gain).abs() < 1e-15, "{what:?}");
    }
}

#[test]
fn orthogonal_matrices_are() {
    for shape in [[5, 5], [3, 8], [8, 3], [1, 4]] {
        let w = init::orthogonal::<f64>(shape, 2.0, &mut rng()).unwrap();
        let gram = if shape[0] <= shape[1] {
            w.matmul(&w.t())
        } else {
            w.t().matmul(&w)
        }
        .unwrap();
        let n = gram.shape()[0];
        let off = gram
            .sub(Tensor::<f64>::eye(n, n).unwrap().mul(4.0).unwrap())
            .unwrap();
        assert!(
            off.abs().max(..).unwrap().item().unwrap() < 1e-14,
            "{shape:?}"
        );
    }
    assert_eq!(
        init::orthogonal::<f32>([4, 2, 3], 1.0, &mut rng())
            .unwrap()
            .shape(),
        [4, 2, 3]
    );
    assert_eq!(
        init::orthogonal::<f32>([0, 3], 1.0, &mut rng())
            .unwrap()
            .shape(),
        [0, 3]
    );
    // Every rotation is as likely: the entries of many have mean 0 and mean square 1 / n.
    let r = &mut rng();
    let all: Vec<f64> = (0..2000)
        .flat_map(|_| init::orthogonal::<f64>([3, 3], 1.0, r).unwrap().to_vec())
        .collect();
    let (n, mean) = (all.len() as f64, all.iter().sum::<f64>() / all.len() as f64);
    assert!(mean.abs() < 5.0 / (3.0 * n).sqrt(), "{mean}");
}

/// The largest distance between the draws' distribution and the right one, at points where that is known.
fn farthest(draws: &[f64], points: &[(f64, f64)]) -> f64 {
    let share = |x: f64| draws.iter().filter(|&&d| d <= x).count() as f64 / draws.len() as f64;
    points
        .iter()
        .map(|&(x, p)| (share(x) - p).abs())
        .fold(0.0, f64::max)
}

#[test]
fn truncated_normals_are_scipys() {
    // scipy.stats.truncnorm.cdf at some points.
    let cases = include_str!("../../fixtures/truncnorm.json");
    let cases: serde_json::Value = serde_json::from_str(cases).unwrap();
    for case in cases["cases"].as_array().unwrap() {
        let number = |v: &serde_json::Value| match v.as_str() {
            Some("inf") => f64::INFINITY,
            Some("-inf") => f64::NEG_INFINITY,
            _ => v.as_f64().unwrap(),
        };
        let [mean, std, low, high] = ["mean", "std", "low", "high"].map(|k| number(&case[k]));
        let n = 40_000;
        let draws = init::trunc_normal::<f64>(n, mean, std, (low, high), &mut rng())
            .unwrap()
            .to_vec();
        assert!(draws.iter().all(|x| (low..=high).contains(x)));
        let points: Vec<(f64, f64)> = (case["points"].as_array().unwrap().iter())
            .map(|p| (number(&p[0]), number(&p[1])))
            .collect();
        // Five deviations of a share of one half.
        let off = farthest(&draws, &points);
        assert!(off < 5.0 * 0.5 / (n as f64).sqrt(), "{case}: {off}");
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let message = |mean, std, bounds| {
        init::trunc_normal::<f32>(3, mean, std, bounds, &mut rng())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(f64::NAN, 1.0, (0.0, 1.0)),
        "trunc_normal: mean is NaN, but it must be finite"
    );
    assert_eq!(
        message(0.0, 0.0, (0.0, 1.0)),
        "trunc_normal: std is 0, but it must be finite and above 0"
    );
    assert_eq!(
        message(0.0, 1.0, (1.0, 1.0)),
        "trunc_normal: low is 1, but it must be below `high`"
    );
    assert_eq!(
        message(0.0, 1.0, (f64::NAN, 1.0)),
        "trunc_normal: low is NaN, but it must be below `high`"
    );
}

/// PyTorch's default start of each layer: bounds of uniform draws, constants.
#[test]
fn defaults_are_pytorchs() {
    let r = &mut rng();
    let bound = |x: &Tensor<f64>, bound: f64| {
        let most = x.abs().max(..).unwrap().item().unwrap();
        assert!(most <= bound && most > 0.9 * bound, "{most} {bound}");
    };
    let conv = Conv2d::<f64>::grouped(8, 32, [3, 2], 2, r).unwrap();
    bound(conv.weight.value(), 1.0 / (4.0f64 * 3.0 * 2.0).sqrt());
    bound(
        conv.bias.as_ref().unwrap().value(),
        1.0 / (4.0f64 * 3.0 * 2.0).sqrt(),
    );
    bound(
        Bilinear::<f64>::new(9, 5, 20, r).unwrap().weight.value(),
        1.0 / 3.0,
    );
    Gru::<f64>::layers(3, 16, 2, true, r)
        .unwrap()
        .visit(&mut |_, p| bound(p.value(), 0.25));
    let attention = MultiheadAttention::<f64>::new(16, 2, r).unwrap();
    bound(
        attention.in_proj_weight.value(),
        (6.0f64 / (16.0 + 48.0)).sqrt(),
    );
    bound(attention.out_proj.weight.value(), 0.25);
    let zero = |p: &Option<Param<f64>>| {
        assert_eq!(
            p.as_ref()
                .unwrap()
                .value()
                .abs()
                .max(..)
                .unwrap()
                .item()
                .unwrap(),
            0.0
        )
    };
    zero(&attention.in_proj_bias);
    zero(&attention.out_proj.bias);
    moments(
        Embedding::<f64>::new(500, 40, r).unwrap().weight.value(),
        1.0,
        None,
    );
}

/// Bounds so far out, or so close, that squares overflow or nothing lies between them: draws still end, and keep them.
#[test]
fn truncated_normals_end_wherever_their_bounds_are() {
    for (mean, std, low, high) in [
        (0.0, 1e-160, 1.0, 2.0),
        (1e200, 1.0, -2.0, 2.0),
        (0.0, 1.0, 1e160, f64::INFINITY),
        (0.0, 1.0, f64::NEG_INFINITY, -1e9),
        (0.0, 1e-320, 1.0, 2.0),
        (1e308, 1.0, -1e308, 0.0),
        (0.0, 1.0, 2e8, 2e8 + 1.0),
    ] {
        let draws = init::trunc_normal::<f64>(100, mean, std, (low, high), &mut rng()).unwrap();
        let inside = draws.to_vec().iter().all(|x| (low..=high).contains(x));
        assert!(inside, "{mean} {std} {low} {high}: {draws:?}");
    }
    // So far out the distances from the nearer bound are those of an exponential distribution.
    for (mean, low, high, sign) in [(-2e8, 0.0, 1.0, 1.0), (2e8, -1.0, 0.0, -1.0)] {
        let draws = init::trunc_normal::<f64>(40_000, mean, 1.0, (low, high), &mut rng()).unwrap();
        let mean = sign * draws.to_vec().iter().sum::<f64>() / 40_000.0;
        assert!((mean * 2e8 - 1.0).abs() < 5.0 / 200.0, "{mean:e}");
    }
}
