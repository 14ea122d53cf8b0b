//! Losses of elements: regression, binary classification, divergences of elements, rankings of pairs.

use crate::Domain::*;
use crate::{Call, Entry, Make};
use losses::autograd::{Result, Tensor, Var};
use losses::prelude::*;

/// Two inputs of one shape.
fn two(m: &mut Make<'_, '_>, a: crate::Domain, b: crate::Domain) -> Vec<usize> {
    let shape = m.shape(3);
    m.input(&shape, a);
    m.input(&shape, b);
    shape
}

/// An input, and a target without a gradient.
fn with_target(m: &mut Make<'_, '_>, a: crate::Domain, t: crate::Domain) -> Tensor<f64> {
    let shape = m.shape(3);
    m.input(&shape, a);
    m.tensor(&shape, t)
}

fn call(f: impl Fn(&[Var<f64>]) -> Result<Var<f64>> + 'static) -> Call {
    Box::new(f)
}

pub const TABLE: [Entry; 31] = [
    ("charbonnier_loss", |m| {
        two(m, Any, Any);
        let l = CharbonnierLoss::new()
            .eps(m.option(&[1e-3, 0.5]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("evidential_nig_loss", |m| {
        let shape = two(m, Any, Positive);
        let shape = m.near(&shape);
        // The shape parameter is above 1.
        let alpha = m.tensor(&shape, Positive).add(1.0).expect("a sum");
        m.inputs.push(alpha);
        m.input(&shape, Positive);
        m.input(&shape, Any);
        let l = EvidentialNigLoss::new()
            .coefficient(m.option(&[0.01, 1.0]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2], &v[3], &v[4]))
    }),
    ("expectile_loss", |m| {
        two(m, Any, Any);
        let l = ExpectileLoss::new()
            .q(m.option(&[0.5, 0.1, 0.9]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("huber_loss", |m| {
        let shape = two(m, Any, Any);
        let l = HuberLoss::new()
            .delta(m.option(&[1.0, 0.3, 3.0]))
            .weight(m.weight(&shape))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("l1_loss", |m| {
        let shape = two(m, Any, Any);
        let l = L1Loss::new()
            .weight(m.weight(&shape))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("log_cosh_loss", |m| {
        two(m, Any, Any);
        let l = LogCoshLoss::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("mape_loss", |m| {
        two(m, Any, Any);
        let l = MapeLoss::new()
            .eps(m.option(&[1e-7, 0.1]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("mse_loss", |m| {
        let shape = two(m, Any, Any);
        let l = MseLoss::new()
            .weight(m.weight(&shape))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("msle_loss", |m| {
        two(m, Positive, Positive);
        let l = MsleLoss::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("quantile_loss", |m| {
        let shape = two(m, Any, Any);
        let l = QuantileLoss::new().reduction(m.reduction());
        let l = if m.flag() {
            l.q(m.option(&[0.5, 0.1, 0.9]))
        } else {
            let n = shape.last().copied().unwrap_or(1);
            l.q((0..n).map(|_| m.option(&[0.5, 0.2])).collect::<Vec<f64>>())
        };
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("rmse_loss", |m| {
        two(m, Any, Any);
        call(|v| rmse_loss(&v[0], &v[1]))
    }),
    ("smooth_l1_loss", |m| {
        let shape = two(m, Any, Any);
        let l = SmoothL1Loss::new()
            .beta(m.option(&[1.0, 0.0, 0.3]))
            .weight(m.weight(&shape))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("tweedie_nll_loss", |m| {
        two(m, Any, Positive);
        let l = TweedieNllLoss::new()
            .p(m.option(&[1.5, 1.1, 1.9]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("asymmetric_loss", |m| {
        let t = with_target(m, Any, Truth);
        let l = AsymmetricLoss::new()
            .gamma_pos(m.option(&[0.0, 1.0, 2.5]))
            .gamma_neg(m.option(&[4.0, 0.0, 1.0]))
            .clip(m.option(&[0.05, 0.0, 0.3]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("binary_cross_entropy", |m| {
        let shape = two(m, Share, Share);
        let l = BinaryCrossEntropy::new()
            .weight(m.weight(&shape))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("binary_cross_entropy_with_logits", |m| {
        let shape = two(m, Any, Share);
        let l = BinaryCrossEntropyWithLogits::new()
            .weight(m.weight(&shape))
            .pos_weight(m.weight(&shape))
            .label_smoothing(m.option(&[0.0, 0.1]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("hinge_loss", |m| {
        let t = with_target(m, Any, Sign);
        let l = HingeLoss::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("squared_hinge_loss", |m| {
        let t = with_target(m, Any, Sign);
        let l = SquaredHingeLoss::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("soft_margin_loss", |m| {
        let t = with_target(m, Any, Sign);
        let l = SoftMarginLoss::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("sigmoid_focal_loss", |m| {
        let t = with_target(m, Any, Truth);
        let l = SigmoidFocalLoss::new()
            .alpha(m.option(&[0.25, 0.9]))
            .gamma(m.option(&[2.0, 0.0, 0.5]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("hinge_embedding_loss", |m| {
        let t = with_target(m, Any, Sign);
        let l = HingeEmbeddingLoss::new()
            .margin(m.option(&[1.0, 0.0, 3.0]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("margin_ranking_loss", |m| {
        let shape = two(m, Any, Any);
        m.input(&shape, Sign);
        let l = MarginRankingLoss::new()
            .margin(m.option(&[0.0, 1.0]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2]))
    }),
    ("pairwise_logistic", |m| {
        two(m, Any, Any);
        let l = PairwiseLogistic::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("gaussian_kl", |m| {
        two(m, Any, Any);
        let l = GaussianKl::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("gaussian_nll_loss", |m| {
        let shape = two(m, Any, Any);
        m.input(&shape, Positive);
        let l = GaussianNllLoss::new()
            .full(m.flag())
            .eps(m.option(&[1e-6, 0.1]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2]))
    }),
    ("gaussian_nll_loss_with_log_var", |m| {
        let shape = two(m, Any, Any);
        m.input(&shape, Any);
        let l = GaussianNllLossWithLogVar::new()
            .full(m.flag())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2]))
    }),
    ("kl_div", |m| {
        let log = m.flag();
        two(m, Negative, if log { Negative } else { Share });
        let l = KlDiv::new().log_target(log).reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("poisson_nll_loss", |m| {
        let log = m.flag();
        two(m, if log { Any } else { Positive }, Positive);
        let full = m.draw.pick(&[
            LogFactorial::None,
            LogFactorial::Stirling,
            LogFactorial::Exact,
        ]);
        let l = PoissonNllLoss::new()
            .log_input(log)
            .full(full)
            .eps(m.option(&[1e-8, 0.1]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("dpo_loss", |m| {
        let shape = two(m, Negative, Negative);
        m.input(&shape, Negative);
        m.input(&shape, Negative);
        let variant = m
            .draw
            .pick(&[DpoVariant::Sigmoid, DpoVariant::Hinge, DpoVariant::Ipo]);
        let l = DpoLoss::new()
            .beta(m.option(&[0.1, 1.0]))
            .label_smoothing(m.option(&[0.0, 0.1]))
            .variant(variant)
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2], &v[3]))
    }),
    ("entropy", |m| {
        let shape = m.shape(3);
        m.input(&shape, Share);
        let dim = m.draw.dim(shape.len());
        call(move |v| entropy(&v[0], dim as isize))
    }),
    ("entropy_with_logits", |m| {
        let shape = m.shape(3);
        m.input(&shape, Any);
        let dim = m.draw.dim(shape.len());
        call(move |v| entropy_with_logits(&v[0], dim as isize))
    }),
];
