//! Digits: the values and slopes that mpmath finds for the same inputs in single precision.

use super::of_first;
use crate::prelude::*;
use crate::testing::{assert_close, value_and_slopes};
use serde_json::Value;

fn list(v: &Value) -> Vec<f64> {
    let list = v.as_array().unwrap().iter();
    list.map(|v| v.as_f64().unwrap()).collect()
}

fn single(v: &[f64]) -> Vec<f32> {
    v.iter().map(|&v| v as f32).collect()
}

/// The rows of a loss that a case names.
#[track_caller]
fn call(case: &Value, v: &[Var<f32>]) -> Result<Var<f32>> {
    let none = Reduction::None;
    let (x, t) = (&v[0], v.get(1));
    let classes = case["classes"].as_array().map(|c| {
        let c: Vec<i64> = c.iter().map(|v| v.as_i64().unwrap()).collect();
        let n = c.len();
        Tensor::from_vec(c, [n]).unwrap()
    });
    let (classes, t) = (
        || classes.clone().expect("classes"),
        || t.expect("a second input"),
    );
    match case["loss"].as_str().unwrap() {
        "cross_entropy" => CrossEntropy::new().reduction(none).forward(x, &classes()),
        "binary_cross_entropy_with_logits" => BinaryCrossEntropyWithLogits::new()
            .reduction(none)
            .forward(x, t()),
        "binary_cross_entropy" => BinaryCrossEntropy::new().reduction(none).forward(x, t()),
        "kl_div_with_logits" => KlDivWithLogits::new().reduction(none).forward(x, t()),
        "js_divergence" => JsDivergence::new().reduction(none).forward(x, t()),
        "cosine_embedding_loss" => CosineEmbeddingLoss::new().reduction(none).forward(
            x,
            t(),
            &Tensor::ones([x.shape()[0]])?,
        ),
        "cosine_similarity" => cosine_similarity(x, t()),
        "log_cosh_loss" => LogCoshLoss::new().reduction(none).forward(x, t()),
        "poisson_nll_loss" => PoissonNllLoss::new()
            .full(LogFactorial::Exact)
            .reduction(none)
            .forward(x, t()),
        "gaussian_nll_loss" => GaussianNllLoss::new()
            .reduction(none)
            .forward(x, t(), &v[2]),
        "triplet_margin_loss" => {
            TripletMarginLoss::new()
                .eps(0.0)
                .reduction(none)
                .forward(x, t(), &v[2])
        }
        "soft_margin_loss" => SoftMarginLoss::new()
            .reduction(none)
            .forward(x, t().value()),
        "sigmoid_focal_loss" => SigmoidFocalLoss::new()
            .alpha(-1.0)
            .gamma(case["options"]["gamma"].as_f64().unwrap())
            .reduction(none)
            .forward(x, t().value()),
        other => panic!("no loss {other}"),
    }
}

#[test]
fn digits_that_plain_formulas_lose() {
    let path = format!(
        "{}/fixtures/{}.json",
        env!("CARGO_MANIFEST_DIR"),
        "hard_cases"
    );
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let inputs: Vec<Tensor<f32>> = case["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|x| {
                let shape: Vec<i64> = list(&x["shape"]).iter().map(|&n| n as i64).collect();
                Tensor::from_vec(single(&list(&x["data"])), &shape).unwrap()
            })
            .collect();
        let (values, slopes) = value_and_slopes(&inputs, |v| call(case, v));
        let (rtol, atol) = (
            case["rtol"].as_f64().unwrap(),
            case["atol"].as_f64().unwrap(),
        );
        for (what, got, want, atol) in [
            ("value", &values, &case["values"], 1e-12),
            ("slope", &slopes[0], &case["slopes"], atol),
        ] {
            let what = format!("{} of {}: {what}", case["name"], case["loss"]);
            let tensor = |v: Vec<f32>| {
                let n = v.len();
                Tensor::from_vec(v, [n]).unwrap()
            };
            assert_close(
                &what,
                &tensor(got.clone()),
                &tensor(single(&list(want))),
                rtol,
                atol,
            );
        }
    }
}

#[test]
fn a_row_of_slopes_of_cross_entropy_sums_to_nothing() {
    for d in [3.0f32, 8.0, 16.0, 17.0, 30.0, 80.0] {
        let x = Tensor::from([[d, 0.0, -1.0, 0.25 * d]]);
        for class in 0..4 {
            let t = Tensor::from([class]);
            let (_, g) = of_first(&x, |x| cross_entropy(x, &t));
            let sum: f64 = g.iter().map(|&g| f64::from(g)).sum();
            let ulp = g.iter().fold(0.0f32, |m, g| m.max(g.abs())) * f32::EPSILON;
            assert!(sum.abs() <= f64::from(ulp), "{d} {class}: {g:?}");
        }
    }
}

#[test]
fn a_vector_has_no_distance_from_itself() {
    let x = Tensor::from([[0.5f32, -2.0]]);
    let v = Var::from(&x);
    let (value, slopes) = of_first(&x, |x| PairwiseDistance::new().eps(0.0).forward(x, &v));
    assert_eq!((value[0], &slopes[..]), (0.0, &[0.0; 2][..]));
    // Nor has it another one there than back.
    let (a, b) = (
        Var::from(Tensor::from([[1.0f32, 2.0]])),
        Var::from(Tensor::from([[1.0f32, 2.0 + 1e-6]])),
    );
    let distance = PairwiseDistance::new().eps(0.0);
    let there = distance.forward(&a, &b).unwrap().item().unwrap();
    assert_eq!(there, distance.forward(&b, &a).unwrap().item().unwrap());
}

#[test]
fn long_sums_do_not_saturate() {
    // One number after the other in single precision, the sum stays behind by 1e-3 and more.
    let n = 4_000_000;
    let (x, t) = (
        Tensor::full([n], 0.1f32).unwrap(),
        Tensor::zeros([n]).unwrap(),
    );
    for (want, y) in [
        (0.1f32, l1_loss(&Var::from(&x), &Var::from(&t))),
        (0.1 * 0.1, mse_loss(&Var::from(&x), &Var::from(&t))),
    ] {
        let mean = y.unwrap().item().unwrap();
        assert!((mean / want - 1.0).abs() < 2e-7, "{mean}");
    }
}
