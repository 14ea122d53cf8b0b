//! Computes functions, losses and their gradients in `f32` at given points, for `scripts/bench/accuracy.py`, which makes
//! the points, the references and the table in `docs/accuracy.md`.
//!
//! Reads JSON: a list of `{"name", "x", "t", "shape"}`, where `x` and `t` are the bits of numbers. Writes for each the
//! bits of the values and of the gradient by `x` of their sum.

use losses::prelude::*;
use serde_json::{Value, json};
use std::io::Read;

type Unary = fn(&Var<f32>) -> Var<f32>;

const UNARY: &[(&str, Unary)] = &[
    ("exp", Var::exp),
    ("exp2", Var::exp2),
    ("expm1", Var::expm1),
    ("log", Var::log),
    ("log2", Var::log2),
    ("log10", Var::log10),
    ("log1p", Var::log1p),
    ("sqrt", Var::sqrt),
    ("rsqrt", Var::rsqrt),
    ("sin", Var::sin),
    ("cos", Var::cos),
    ("tan", Var::tan),
    ("asin", Var::asin),
    ("acos", Var::acos),
    ("atan", Var::atan),
    ("sinh", Var::sinh),
    ("cosh", Var::cosh),
    ("tanh", Var::tanh),
    ("asinh", Var::asinh),
    ("acosh", Var::acosh),
    ("atanh", Var::atanh),
    ("erf", Var::erf),
    ("erfc", Var::erfc),
    ("lgamma", Var::lgamma),
    ("digamma", Var::digamma),
    ("sigmoid", Var::sigmoid),
    ("softplus", Var::softplus),
    ("log_sigmoid", Var::log_sigmoid),
    ("silu", Var::silu),
    ("gelu", Var::gelu),
    ("mish", Var::mish),
];

fn loss(name: &str, x: &Var<f32>, t: &Tensor<f32>) -> Result<Var<f32>> {
    let (none, target) = (Reduction::None, Var::from(t));
    match name {
        "mean_of_1e8" => x.expand([100_000_000])?.mean(..),
        "mse_loss" => MseLoss::new().reduction(none).forward(x, &target),
        "huber_loss" => HuberLoss::new().reduction(none).forward(x, &target),
        "smooth_l1_loss" => SmoothL1Loss::new().reduction(none).forward(x, &target),
        "log_cosh_loss" => LogCoshLoss::new().reduction(none).forward(x, &target),
        "binary_cross_entropy" => BinaryCrossEntropy::new()
            .reduction(none)
            .forward(x, &target),
        "binary_cross_entropy_with_logits" => BinaryCrossEntropyWithLogits::new()
            .reduction(none)
            .forward(x, &target),
        "soft_margin_loss" => SoftMarginLoss::new().reduction(none).forward(x, t),
        "poisson_nll_loss" => PoissonNllLoss::new().reduction(none).forward(x, &target),
        "kl_div" => KlDiv::new().reduction(none).forward(x, &target),
        "cross_entropy" => {
            let classes = t.narrow(1, 0, 1)?.reshape([-1])?.cast::<i64>();
            CrossEntropy::new().reduction(none).forward(x, &classes)
        }
        "log_softmax" => log_softmax(x, 1),
        "softmax" => softmax(x, 1),
        name => Ok(UNARY
            .iter()
            .find(|(n, _)| *n == name)
            .unwrap_or_else(|| panic!("no function {name}"))
            .1(x)),
    }
}

fn floats(row: &Value, field: &str) -> Vec<f32> {
    let bits = row[field].as_array().into_iter().flatten();
    let bits = bits.map(|v| v.as_u64().unwrap_or_default() as u32);
    bits.map(f32::from_bits).collect()
}

fn bits(x: &Tensor<f32>) -> Vec<u32> {
    x.to_vec().into_iter().map(f32::to_bits).collect()
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let rows: Value = serde_json::from_str(&text)?;
    let mut results = Vec::new();
    for row in rows.as_array().into_iter().flatten() {
        let name = row["name"].as_str().unwrap_or_default();
        let shape: Vec<i64> = serde_json::from_value(row["shape"].clone())?;
        let x = Tape::new().leaf(Tensor::from_vec(floats(row, "x"), &shape)?);
        let t = match floats(row, "t") {
            t if t.is_empty() => x.value().zeros_like(),
            t => Tensor::from_vec(t, &shape)?,
        };
        let y = loss(name, &x, &t)?;
        // Of rows only the first value has a gradient: that of their sum is 0 where they add up to one.
        let seed = match name {
            "softmax" | "log_softmax" => {
                let first = Tensor::arange(0, y.numel() as i64, 1)?.remainder(shape[1])?;
                first.eq(0)?.cast::<f32>().reshape(y.shape())?
            }
            _ => y.value().ones_like(),
        };
        let grads = y.backward_with(&seed)?;
        results.push(json!({"y": bits(y.value()), "dx": bits(grads.get(&x)?)}));
    }
    println!("{}", Value::from(results));
    Ok(())
}
