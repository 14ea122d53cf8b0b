//! Computes functions, losses and their gradients in `f32` at given points, for `scripts/bench/accuracy.py`, which makes
//! the points, the references and the table in `docs/accuracy.md`.
//!
//! Reads JSON: a list of `{"name", "inputs"}`, where each input is `{"bits", "shape"}`, the bits of numbers. Writes for
//! each the bits of the values and of the gradient by the first input of their sum.

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
    ("tanhshrink", Var::tanhshrink),
];

/// A loss by the name of its function, without a reduction, of `x` and of what else was given.
fn loss(name: &str, x: &Var<f32>, given: &[Tensor<f32>]) -> Result<Var<f32>> {
    let none = Reduction::None;
    let t = |i: usize| &given[i - 1];
    let v = |i: usize| Var::from(t(i));
    let ints = |i: usize| t(i).cast::<i64>();
    match name {
        "mean_of_1e8" => x.expand([100_000_000])?.mean(..),
        "softmax" => softmax(x, 1),
        "log_softmax" => log_softmax(x, 1),
        // Regression.
        "mse_loss" => MseLoss::new().reduction(none).forward(x, &v(1)),
        "rmse_loss" => rmse_loss(x, &v(1)),
        "l1_loss" => L1Loss::new().reduction(none).forward(x, &v(1)),
        "smooth_l1_loss" => SmoothL1Loss::new().reduction(none).forward(x, &v(1)),
        "huber_loss" => HuberLoss::new().reduction(none).forward(x, &v(1)),
        "log_cosh_loss" => LogCoshLoss::new().reduction(none).forward(x, &v(1)),
        "charbonnier_loss" => CharbonnierLoss::new().reduction(none).forward(x, &v(1)),
        "quantile_loss" => QuantileLoss::new()
            .q(0.75)
            .reduction(none)
            .forward(x, &v(1)),
        "expectile_loss" => ExpectileLoss::new()
            .q(0.75)
            .reduction(none)
            .forward(x, &v(1)),
        "msle_loss" => MsleLoss::new().reduction(none).forward(x, &v(1)),
        "mape_loss" => MapeLoss::new().reduction(none).forward(x, &v(1)),
        "tweedie_nll_loss" => TweedieNllLoss::new().reduction(none).forward(x, &v(1)),
        "evidential_nig_loss" => EvidentialNigLoss::new()
            .coefficient(0.0)
            .reduction(none)
            .forward(x, &v(1), &v(2), &v(3), &v(4)),
        // Binary.
        "binary_cross_entropy" => BinaryCrossEntropy::new().reduction(none).forward(x, &v(1)),
        "binary_cross_entropy_with_logits" => BinaryCrossEntropyWithLogits::new()
            .reduction(none)
            .forward(x, &v(1)),
        "sigmoid_focal_loss" => SigmoidFocalLoss::new().reduction(none).forward(x, t(1)),
        "asymmetric_loss" => AsymmetricLoss::new()
            .clip(0.0625)
            .reduction(none)
            .forward(x, t(1)),
        "soft_margin_loss" => SoftMarginLoss::new().reduction(none).forward(x, t(1)),
        "hinge_loss" => HingeLoss::new().reduction(none).forward(x, t(1)),
        "squared_hinge_loss" => SquaredHingeLoss::new().reduction(none).forward(x, t(1)),
        "multilabel_soft_margin_loss" => MultilabelSoftMarginLoss::new()
            .reduction(none)
            .forward(x, &v(1)),
        "multilabel_margin_loss" => MultilabelMarginLoss::new()
            .reduction(none)
            .forward(x, &ints(1)),
        // Classification.
        "cross_entropy" => CrossEntropy::new().reduction(none).forward(x, &ints(1)),
        "nll_loss" => NllLoss::new().reduction(none).forward(x, &ints(1)),
        "softmax_focal_loss" => SoftmaxFocalLoss::new().reduction(none).forward(x, &ints(1)),
        "poly1_cross_entropy" => Poly1CrossEntropy::new()
            .reduction(none)
            .forward(x, &ints(1)),
        "generalized_cross_entropy" => GeneralizedCrossEntropy::new()
            .q(0.75)
            .reduction(none)
            .forward(x, &ints(1)),
        "logit_adjusted_cross_entropy" => LogitAdjustedCrossEntropy::new()
            .priors(t(2).clone())
            .reduction(none)
            .forward(x, &ints(1)),
        "multi_margin_loss" => MultiMarginLoss::new().reduction(none).forward(x, &ints(1)),
        "linear_cross_entropy" => {
            LinearCrossEntropy::new()
                .reduction(none)
                .forward(x, &v(2), &ints(1))
        }
        // Divergence.
        "kl_div" => KlDiv::new().reduction(none).forward(x, &v(1)),
        "kl_div_with_logits" => KlDivWithLogits::new().reduction(none).forward(x, &v(1)),
        "js_divergence" => JsDivergence::new().reduction(none).forward(x, &v(1)),
        "wasserstein_1d" => Wasserstein1d::new().reduction(none).forward(x, &v(1)),
        "gaussian_nll_loss" => GaussianNllLoss::new()
            .reduction(none)
            .forward(x, &v(1), v(2)),
        "gaussian_nll_loss_with_log_var" => GaussianNllLossWithLogVar::new()
            .reduction(none)
            .forward(&v(1), &v(2), x),
        "gaussian_kl" => GaussianKl::new().reduction(none).forward(&v(1), x),
        "poisson_nll_loss" => PoissonNllLoss::new().reduction(none).forward(x, &v(1)),
        "entropy" => entropy(x, 1),
        "entropy_with_logits" => entropy_with_logits(x, 1),
        // Ranking and preference.
        "margin_ranking_loss" => MarginRankingLoss::new()
            .reduction(none)
            .forward(x, &v(1), &v(2)),
        "pairwise_logistic" => PairwiseLogistic::new().reduction(none).forward(x, &v(1)),
        "hinge_embedding_loss" => HingeEmbeddingLoss::new().reduction(none).forward(x, t(1)),
        "list_net" => ListNet::new().reduction(none).forward(x, &v(1)),
        "list_mle" => ListMle::new().reduction(none).forward(x, t(1)),
        "dpo_loss" => {
            let dpo = DpoLoss::new().beta(0.125).reduction(none);
            dpo.forward(x, &v(1), &v(2), &v(3))
        }
        // Metric learning.
        "cosine_similarity" => cosine_similarity(x, &v(1)),
        "pairwise_distance" => pairwise_distance(x, &v(1)),
        "cdist" => cdist(x, &v(1)),
        "cosine_embedding_loss" => {
            CosineEmbeddingLoss::new()
                .reduction(none)
                .forward(x, &v(1), t(2))
        }
        "contrastive_loss" => ContrastiveLoss::new()
            .reduction(none)
            .forward(x, &v(1), t(2)),
        "triplet_margin_loss" => TripletMarginLoss::new()
            .reduction(none)
            .forward(x, &v(1), &v(2)),
        "triplet_margin_with_distance_loss" => TripletMarginWithDistanceLoss::new()
            .reduction(none)
            .forward(x, &v(1), &v(2), pairwise_distance),
        "info_nce" => InfoNce::new()
            .temperature(0.0625)
            .reduction(none)
            .forward(x, &v(1)),
        "ntxent" => Ntxent::new().reduction(none).forward(x, &v(1)),
        "clip_loss" => ClipLoss::new().reduction(none).forward(x, &v(1), &v(2)),
        "siglip_loss" => SiglipLoss::new()
            .reduction(none)
            .forward(x, &v(1), &v(2), &v(3)),
        "sup_con_loss" => SupConLoss::new()
            .temperature(0.125)
            .reduction(none)
            .forward(x, &ints(1)),
        "multi_similarity_loss" => MultiSimilarityLoss::new()
            .reduction(none)
            .forward(x, &ints(1)),
        "margin_softmax_loss" => MarginSoftmaxLoss::new()
            .reduction(none)
            .forward(x, &ints(1)),
        // Segmentation, detection and self-supervision.
        "dice_loss" => DiceLoss::new().reduction(none).forward(x, &v(1)),
        "tversky_loss" => TverskyLoss::new().reduction(none).forward(x, &v(1)),
        "lovasz_hinge" => LovaszHinge::new()
            .per_image(true)
            .reduction(none)
            .forward(x, t(1)),
        "lovasz_softmax" => LovaszSoftmax::new().forward(x, &ints(1)),
        "giou_loss" => GiouLoss::new().reduction(none).forward(x, &v(1)),
        "diou_loss" => DiouLoss::new().reduction(none).forward(x, &v(1)),
        "ciou_loss" => CiouLoss::new().reduction(none).forward(x, &v(1)),
        "vicreg_loss" => vicreg_loss(x, &v(1)),
        "barlow_twins_loss" => barlow_twins_loss(x, &v(1)),
        "sinkhorn" => Sinkhorn::new()
            .epsilon(1.0)
            .reduction(none)
            .forward(x, &v(1), &v(2)),
        // Sequences.
        "ctc_loss_with_logits" => {
            let (steps, labels) = (Tensor::from([6]), Tensor::from([3]));
            CtcLossWithLogits::new()
                .reduction(none)
                .forward(x, &ints(1), &steps, &labels)
        }
        "rnnt_loss" => {
            let (steps, labels) = (Tensor::from([4]), Tensor::from([2]));
            RnntLoss::new()
                .reduction(none)
                .forward(x, &ints(1), &steps, &labels)
        }
        // Clusters.
        "adaptive_log_softmax_with_loss" => AdaptiveLogSoftmaxWithLoss::new()
            .cutoffs([2, 5])
            .reduction(none)
            .forward(x, &ints(1), &v(2), &[(v(3), v(4))]),
        name => Ok(UNARY
            .iter()
            .find(|(n, _)| *n == name)
            .unwrap_or_else(|| panic!("no function {name}"))
            .1(x)),
    }
}

fn tensor(input: &Value) -> Result<Tensor<f32>> {
    let numbers = |field: &str| input[field].as_array().into_iter().flatten();
    let bits = numbers("bits").map(|v| v.as_u64().unwrap_or_default() as u32);
    let shape: Vec<i64> = numbers("shape").filter_map(Value::as_i64).collect();
    Tensor::from_vec(bits.map(f32::from_bits).collect(), &shape)
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
        let inputs = row["inputs"].as_array().into_iter().flatten();
        let mut inputs: Vec<Tensor<f32>> = inputs.map(tensor).collect::<Result<_>>()?;
        let x = Tape::new().leaf(inputs.remove(0));
        let y = loss(name, &x, &inputs)?;
        // Of rows only the first value has a gradient: that of their sum is 0 where they add up to one.
        let seed = match name {
            "softmax" | "log_softmax" => {
                let columns = y.shape()[1] as i64;
                let first = Tensor::arange(0, y.numel() as i64, 1)?.remainder(columns)?;
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
