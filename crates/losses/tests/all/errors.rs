//! Bad calls of every loss: each names the loss, shows what was given, and says what would be right.
//!
//! The last test reads the sources, and fails for a public function or an options struct without a row.

#[path = "../../../tensor-core/tests/common/bad_calls.rs"]
mod bad_calls;

use crate::fail;
use bad_calls::{assert_covered, fallible};
use losses::elementwise::{self, Pointwise};
use losses::prelude::*;
use losses::tensor_core::kernel::Isa;
use std::path::Path;

type F = f32;

fn of(shape: &[usize], value: F) -> Var<F> {
    Var::from(Tensor::full(shape, value).unwrap())
}

fn ints(values: &[i64]) -> Tensor<i64> {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

fn t(shape: &[usize], value: F) -> Tensor<F> {
    Tensor::full(shape, value).unwrap()
}

const NAN: f64 = f64::NAN;

/// What is said of two shapes that should be one.
fn agree(op: &str, what: &str, got: &str, first: &str) -> String {
    format!(
        "{op}: {what} has shape {got}, but the input has shape {first}: they must agree, as nothing is broadcast in a loss"
    )
}

/// A loss of one's own: the difference.
#[derive(Clone)]
struct Own;
impl Pointwise<F, 2> for Own {
    const NAME: &'static str = "own_loss";
    fn value<I: Isa>(&self, [x, t]: [F; 2]) -> F {
        x - t
    }
    fn slope<I: Isa, const K: usize>(&self, _: [F; 2]) -> F {
        if K == 0 { 1.0 } else { -1.0 }
    }
    fn definition(&self, v: &[Var<F>]) -> Result<Var<F>> {
        v[0].sub(&v[1])
    }
}

#[test]
fn losses_of_ones_own() {
    let (x, y, weight) = (of(&[2, 3], 0.5), of(&[3], 1.0), t(&[4], 1.0));
    fail! {
        elementwise::apply(Own, [&x, &y], None, Reduction::Mean) => agree("own_loss", "another input", "[3]", "[2, 3]");
        elementwise::apply(Own, [&x, &x], Some(&weight), Reduction::Mean) =>
            "own_loss: the weight has shape [4], but it must broadcast to the target's shape [2, 3]";
    }
}

#[test]
fn regression() {
    let (x, y, zero) = (of(&[2, 3], 0.5), of(&[3], 1.0), of(&[2, 3], -1.0));
    let s = |op: &str| agree(op, "the target", "[3]", "[2, 3]");
    let weight = t(&[4], 1.0);
    fail! {
        mse_loss(&x, &y) => s("mse_loss");
        l1_loss(&x, &y) => s("l1_loss");
        smooth_l1_loss(&x, &y) => s("smooth_l1_loss");
        huber_loss(&x, &y) => s("huber_loss");
        log_cosh_loss(&x, &y) => s("log_cosh_loss");
        charbonnier_loss(&x, &y) => s("charbonnier_loss");
        quantile_loss(&x, &y) => s("quantile_loss");
        expectile_loss(&x, &y) => s("expectile_loss");
        msle_loss(&x, &y) => s("msle_loss");
        mape_loss(&x, &y) => s("mape_loss");
        tweedie_nll_loss(&x, &y) => s("tweedie_nll_loss");
        rmse_loss(&x, &y) => s("rmse_loss");
        evidential_nig_loss(&x, &x, &x, &x, &y) => s("evidential_nig_loss");
        MseLoss::new().weight(weight.clone()).forward(&x, &x) =>
            "mse_loss: the weight has shape [4], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        L1Loss::new().weight(weight.clone()).forward(&x, &x) =>
            "l1_loss: the weight has shape [4], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        SmoothL1Loss::new().weight(weight.clone()).forward(&x, &x) =>
            "smooth_l1_loss: the weight has shape [4], but the input has shape [2, 3]: they must agree, as nothing \
             is broadcast in a loss";
        SmoothL1Loss::new().beta(-1.0).forward(&x, &x) => "smooth_l1_loss: beta is -1, but it must not be negative";
        HuberLoss::new().weight(weight.clone()).forward(&x, &x) =>
            "huber_loss: the weight has shape [4], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        HuberLoss::new().delta(0.0).forward(&x, &x) => "huber_loss: delta is 0, but it must be positive";
        LogCoshLoss::new().forward(&x, &y) => s("log_cosh_loss");
        CharbonnierLoss::new().eps(0.0).forward(&x, &x) =>
            "charbonnier_loss: eps is 0, but it must be positive and finite";
        QuantileLoss::new().q(1.5).forward(&x, &x) => "quantile_loss: q is 1.5, but it must lie between 0 and 1";
        QuantileLoss::new().q([0.1, 0.9]).forward(&x, &of(&[2], 0.0)) =>
            "quantile_loss: the input has shape [2, 3], but there are 2 quantiles: the last dimension must have one \
             element for each";
        ExpectileLoss::new().q(0.0).forward(&x, &x) => "expectile_loss: q is 0, but it must lie between 0 and 1";
        MsleLoss::new().forward(&zero, &x) =>
            "msle_loss: input[0, 0] is -1, but it must be above -1, as the logarithm of 1 + x is taken";
        MapeLoss::new().eps(0.0).forward(&x, &x) => "mape_loss: eps is 0, but it must be positive";
        TweedieNllLoss::new().p(2.5).forward(&x, &x) => "tweedie_nll_loss: p is 2.5, but it must lie between 1 and 2";
        TweedieNllLoss::new().forward(&x, &zero) =>
            "tweedie_nll_loss: target[0, 0] is -1, but an amount is not negative";
        EvidentialNigLoss::new().coefficient(-1.0).forward(&x, &x, &x, &x, &x) =>
            "evidential_nig_loss: coefficient is -1, but it must not be negative";
        evidential_nig_loss(&x, &zero, &x, &x, &x) =>
            "evidential_nig_loss: nu[0, 0] is -1, but it must be positive: let it come from a softplus";
    }
}

#[test]
fn binary() {
    let (x, y, t3) = (of(&[2, 3], 0.5), of(&[3], 1.0), t(&[3], 1.0));
    let (two, half) = (of(&[2, 3], 2.0), t(&[2, 3], 0.5));
    let s = |op: &str| agree(op, "the target", "[3]", "[2, 3]");
    fail! {
        binary_cross_entropy(&x, &y) => s("binary_cross_entropy");
        binary_cross_entropy(&two, &x) =>
            "binary_cross_entropy: input[0, 0] is 2, but a probability lies in 0..=1; for logits use \
             `binary_cross_entropy_with_logits`";
        binary_cross_entropy(&x, &two) =>
            "binary_cross_entropy: target[0, 0] is 2, but a probability lies in 0..=1; for logits use \
             `binary_cross_entropy_with_logits`";
        BinaryCrossEntropy::new().weight(t(&[4], 1.0)).forward(&x, &x) =>
            "binary_cross_entropy: the weight has shape [4], but it must broadcast to the target's shape [2, 3]";
        binary_cross_entropy_with_logits(&x, &y) => s("binary_cross_entropy_with_logits");
        BinaryCrossEntropyWithLogits::new().pos_weight(t(&[4], 1.0)).forward(&x, &x) =>
            "binary_cross_entropy_with_logits: the pos_weight has shape [4], but it must broadcast to the target's \
             shape [2, 3]";
        BinaryCrossEntropyWithLogits::new().weight(t(&[4], 1.0)).forward(&x, &x) =>
            "binary_cross_entropy_with_logits: the weight has shape [4], but it must broadcast to the target's shape \
             [2, 3]";
        sigmoid_focal_loss(&x, &t3) => s("sigmoid_focal_loss");
        SigmoidFocalLoss::new().alpha(1.5).forward(&x, &half) =>
            "sigmoid_focal_loss: alpha is 1.5, but it must lie in 0..=1, or be negative for no weighting";
        SigmoidFocalLoss::new().gamma(-1.0).forward(&x, &half) =>
            "sigmoid_focal_loss: gamma is -1, but it must not be negative";
        SigmoidFocalLoss::new().forward(&x, &t(&[2, 3], 2.0)) =>
            "sigmoid_focal_loss: target[0, 0] is 2, but a label is 1 for yes, 0 for no, or between where it is not \
             sure";
        asymmetric_loss(&x, &t3) => s("asymmetric_loss");
        AsymmetricLoss::new().clip(1.0).forward(&x, &half) =>
            "asymmetric_loss: clip is 1, but it must be a probability below 1";
        AsymmetricLoss::new().gamma_neg(-2.0).forward(&x, &half) =>
            "asymmetric_loss: gamma_neg is -2, but it must not be negative";
        multilabel_soft_margin_loss(&x, &y) => s("multilabel_soft_margin_loss");
        MultilabelSoftMarginLoss::new().weight(t(&[4], 1.0)).forward(&x, &x) =>
            "multilabel_soft_margin_loss: the weight has shape [4], but there must be one for each of the 3 classes, \
             in one dimension";
        multilabel_soft_margin_loss(&of(&[], 0.5), &of(&[], 0.5)) =>
            "multilabel_soft_margin_loss: the input has shape [], but its last dimension must be that of the labels: \
             (C) or (N, C)";
        multilabel_margin_loss(&x, &ints(&[0, 1, -1])) =>
            "multilabel_margin_loss: the target has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        MultilabelMarginLoss::new().forward(&of(&[3], 0.5), &ints(&[0, 3, -1])) =>
            "multilabel_margin_loss: target[1] is 3, but the scores have 3 classes";
        multilabel_margin_loss(&of(&[1, 2, 3], 0.5), &ints(&[0])) =>
            "multilabel_margin_loss: the input has shape [1, 2, 3], but it must be one row of scores, (C), or \
             several, (N, C)";
        soft_margin_loss(&x, &t3) => s("soft_margin_loss");
        SoftMarginLoss::new().forward(&x, &t3) => s("soft_margin_loss");
        hinge_loss(&x, &t3) => s("hinge_loss");
        HingeLoss::new().forward(&x, &half) => "hinge_loss: target[0, 0] is 0.5, but it must be 1 or -1";
        squared_hinge_loss(&x, &t3) => s("squared_hinge_loss");
        SquaredHingeLoss::new().forward(&x, &half) => "squared_hinge_loss: target[0, 0] is 0.5, but it must be 1 or -1";
    }
}

#[test]
fn classification() {
    let (x, y, far) = (of(&[2, 3], 0.5), ints(&[0, 1, 2]), ints(&[0, 7]));
    let (good, w) = (ints(&[0, 1]), t(&[2], 1.0));
    let (rows, class) = (
        |op: &str| {
            format!(
                "{op}: the target has shape [3], but the input has shape [2, 3]: there must be one class for each row, [2]"
            )
        },
        |op: &str| format!("{op}: target[1] is 7, but the logits have 3 classes"),
    );
    let weights = |op: &str| {
        format!(
            "{op}: the weight has shape [2], but there must be one for each of the 3 classes, in one dimension"
        )
    };
    let (head, tails) = (of(&[3, 3], 0.1), [(of(&[1, 3], 0.1), of(&[3, 1], 0.1))]);
    let adaptive = || AdaptiveLogSoftmaxWithLoss::new().cutoffs([2, 5]);
    fail! {
        softmax(&x, 2) => "softmax: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        log_softmax(&x, -3) => "log_softmax: dimension -3 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        cross_entropy(&x, &y) => rows("cross_entropy");
        cross_entropy(&x, &far) => class("cross_entropy");
        cross_entropy(&of(&[], 0.5), &Tensor::scalar(0)) =>
            "cross_entropy: the input has shape [], but it must have a dimension of classes: (C), (N, C) or (N, C, \
             d…)";
        cross_entropy(&x, &of(&[3], 0.1)) =>
            "cross_entropy: the target has shape [3], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        CrossEntropy::new().label_smoothing(1.5).forward(&x, &good) =>
            "cross_entropy: label_smoothing is 1.5, but it must lie in 0..=1";
        CrossEntropy::new().z_loss(NAN).forward(&x, &good) =>
            "cross_entropy: z_loss is NaN, but it must be a finite number";
        CrossEntropy::new().weight(w.clone()).forward(&x, &good) => weights("cross_entropy");
        nll_loss(&x, &y) => rows("nll_loss");
        nll_loss(&x, &far) => "nll_loss: target[1] is 7, but the log-probabilities have 3 classes";
        NllLoss::new().weight(w.clone()).forward(&x, &good) => weights("nll_loss");
        softmax_focal_loss(&x, &y) => rows("softmax_focal_loss");
        softmax_focal_loss(&x, &far) => class("softmax_focal_loss");
        SoftmaxFocalLoss::new().gamma(-1.0).forward(&x, &good) =>
            "softmax_focal_loss: gamma is -1, but it must be finite and not negative";
        generalized_cross_entropy(&x, &y) => rows("generalized_cross_entropy");
        GeneralizedCrossEntropy::new().q(0.0).forward(&x, &good) =>
            "generalized_cross_entropy: q is 0, but it must lie above 0 and up to 1";
        poly1_cross_entropy(&x, &y) => rows("poly1_cross_entropy");
        Poly1CrossEntropy::new().epsilon(NAN).forward(&x, &good) =>
            "poly1_cross_entropy: epsilon is NaN, but it must be a finite number";
        logit_adjusted_cross_entropy(&x, &good, &t(&[2], 0.5)) =>
            "logit_adjusted_cross_entropy: the weight has shape [2], but there must be one for each of the 3 \
             classes, in one dimension";
        LogitAdjustedCrossEntropy::new().forward(&x, &good) =>
            "logit_adjusted_cross_entropy: priors is missing, but there must be one for each class";
        LogitAdjustedCrossEntropy::new().priors(t(&[3], 0.3)).tau(NAN).forward(&x, &good) =>
            "logit_adjusted_cross_entropy: tau is NaN, but it must be a finite number";
        LogitAdjustedCrossEntropy::new().priors(t(&[3], -0.3)).forward(&x, &good) =>
            "logit_adjusted_cross_entropy: priors[0] is -0.3, but a prior is finite and not negative";
        multi_margin_loss(&x, &y) => rows("multi_margin_loss");
        multi_margin_loss(&x, &far) => "multi_margin_loss: target[1] is 7, but the logits have 3 classes";
        MultiMarginLoss::new().p(3u32).forward(&x, &good) => "multi_margin_loss: p is 3, but it must be 1 or 2";
        MultiMarginLoss::new().margin(NAN).forward(&x, &good) =>
            "multi_margin_loss: margin is NaN, but it must be a finite number";
        linear_cross_entropy(&x, &of(&[4, 2], 0.1), &good) =>
            "linear_cross_entropy: linear_weight has shape [4, 2], but the input has 3 features: it must be of shape \
             (C, 3)";
        linear_cross_entropy(&x, &of(&[4, 3], 0.1), &y) =>
            "linear_cross_entropy: the target has shape [3], but the input has shape [2, 3]: there must be one class \
             for each row, [2]";
        LinearCrossEntropy::new().chunk_size(Some(0)).forward(&x, &x, &good) =>
            "linear_cross_entropy: chunk_size is Some(0), but a chunk has at least one row; `None` leaves the choice to \
             the loss";
        LinearCrossEntropy::new().label_smoothing(-0.1).forward(&x, &of(&[4, 3], 0.1), &good) =>
            "linear_cross_entropy: label_smoothing is -0.1, but it must lie in 0..=1";
        adaptive_log_softmax_with_loss(&x, &far, &[2, 5], &head, &tails) =>
            "adaptive_log_softmax_with_loss: target[1] is 7, but the clusters have 5 classes";
        adaptive_log_softmax_with_loss(&x, &good, &[2, 5], &x, &tails) =>
            "adaptive_log_softmax_with_loss: the head has shape [2, 3], but it must have shape [3, 3]";
        AdaptiveLogSoftmaxWithLoss::new().forward(&x, &good, &head, &tails) =>
            "adaptive_log_softmax_with_loss: cutoffs is empty, but they must be numbers that rise, from above 0 to \
             the number of classes";
        AdaptiveLogSoftmaxWithLoss::new().cutoffs([5, 2]).forward(&x, &good, &head, &tails) =>
            "adaptive_log_softmax_with_loss: cutoffs is [5, 2], but they must be numbers that rise, from above 0 to \
             the number of classes";
        adaptive().forward(&x, &good, &head, &[]) =>
            "adaptive_log_softmax_with_loss: tails is a list of 0, but there must be one for each cluster that the \
             cutoffs make";
        adaptive().head_bias(of(&[2], 0.1)).forward(&x, &good, &head, &tails) =>
            "adaptive_log_softmax_with_loss: head_bias has shape [2], but it must have shape [3]";
        adaptive().log_prob(&of(&[2, 4], 0.5), &head, &tails) =>
            "adaptive_log_softmax_with_loss: the head has shape [3, 3], but it must have shape [3, 4]";
        adaptive().predict(&of(&[], 0.5), &head, &tails) =>
            "adaptive_log_softmax_with_loss: the input has shape [], but it must be one row of features, or several";
    }
}

#[test]
fn divergence() {
    let (x, y, low) = (of(&[2, 3], 0.5), of(&[3], 1.0), of(&[2, 3], -1.0));
    let s = |op: &str| agree(op, "the target", "[3]", "[2, 3]");
    let (cost, a, b) = (of(&[2, 3], 0.5), of(&[2], 0.5), of(&[3], 1.0 / 3.0));
    fail! {
        kl_div(&x, &y) => s("kl_div");
        KlDiv::new().forward(&x, &y) => s("kl_div");
        kl_div_with_logits(&x, &y) => s("kl_div_with_logits");
        KlDivWithLogits::new().temperature(0.0).forward(&x, &x) =>
            "kl_div_with_logits: temperature is 0, but it must be positive and finite";
        KlDivWithLogits::new().dim(2).forward(&x, &x) =>
            "kl_div_with_logits: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        js_divergence(&x, &y) => s("js_divergence");
        JsDivergence::new().beta(1.0).forward(&x, &x) => "js_divergence: beta is 1, but it must lie between 0 and 1";
        entropy(&low, 1) =>
            "entropy: p[0, 0] is -1, but a probability is not negative; for logits use `entropy_with_logits`";
        entropy(&x, 2) => "entropy: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        entropy_with_logits(&x, 2) =>
            "entropy_with_logits: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        gaussian_kl(&x, &y) =>
            "gaussian_kl: the log-variance has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        GaussianKl::new().forward(&x, &y) =>
            "gaussian_kl: the log-variance has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        gaussian_nll_loss(&x, &y, 1.0) => s("gaussian_nll_loss");
        gaussian_nll_loss(&x, &x, &low) =>
            "gaussian_nll_loss: var[0, 0] is -1, but a variance is not negative; for logarithms use \
             `gaussian_nll_loss_with_log_var`";
        gaussian_nll_loss(&x, &x, of(&[4], 1.0)) =>
            "gaussian_nll_loss: the variance has shape [4], but the input has shape [2, 3]: it must be a number, or \
             have this shape, or lack the last dimension, or have size 1 in one dimension";
        GaussianNllLoss::new().eps(-1.0).forward(&x, &x, 1.0) =>
            "gaussian_nll_loss: eps is -1, but it must not be negative";
        gaussian_nll_loss_with_log_var(&x, &y, 0.0) => s("gaussian_nll_loss_with_log_var");
        GaussianNllLossWithLogVar::new().forward(&x, &x, of(&[4], 1.0)) =>
            "gaussian_nll_loss_with_log_var: the log-variance has shape [4], but the input has shape [2, 3]: it must \
             be a number, or have this shape, or lack the last dimension, or have size 1 in one dimension";
        poisson_nll_loss(&x, &y) => s("poisson_nll_loss");
        PoissonNllLoss::new().eps(-1.0).forward(&x, &x) => "poisson_nll_loss: eps is -1, but it must not be negative";
        PoissonNllLoss::new().log_input(false).forward(&low, &x) =>
            "poisson_nll_loss: input[0, 0] is -1, but a rate is not negative; logarithms of rates want \
             `log_input(true)`";
        wasserstein_1d(&x, &y) => s("wasserstein_1d");
        wasserstein_1d(&low, &x) =>
            "wasserstein_1d: input[0, 0] is -1, but a probability is not negative; logits want a softmax";
        Wasserstein1d::new().p(0.5).forward(&x, &x) => "wasserstein_1d: p is 0.5, but it must be at least 1";
        sinkhorn(&cost, &b, &b) =>
            "sinkhorn: a has shape [3], but the cost has shape [2, 3]: there must be one weight for each row";
        sinkhorn(&of(&[3], 0.5), &a, &b) =>
            "sinkhorn: the cost has shape [3], but there must be a row for each weight of a and a column for each of \
             b";
        Sinkhorn::new().epsilon(0.0).forward(&cost, &a, &b) =>
            "sinkhorn: epsilon is 0, but it must be positive and finite";
        Sinkhorn::new().iterations(0u32).forward(&cost, &a, &b) =>
            "sinkhorn: iterations is 0, but the plan has not converged by then: allow more, or take a larger epsilon \
             or tolerance; and see that finite costs lead from all of a to all of b";
        sinkhorn(&cost, &of(&[2], -0.7), &b) => "sinkhorn: a[0] is -0.7, but a weight is finite and not negative";
        sinkhorn(&cost, &of(&[2], 0.0), &b) => "sinkhorn: a is 0, but weights must not all be zero";
    }
}

#[test]
fn ranking_and_preference() {
    let (x, y, t3) = (of(&[2, 3], 0.5), of(&[3], 1.0), t(&[3], 1.0));
    let z = of(&[], 0.5);
    fail! {
        margin_ranking_loss(&x, &y, &x) =>
            "margin_ranking_loss: the second input has shape [3], but the input has shape [2, 3]: they must agree, \
             as nothing is broadcast in a loss";
        margin_ranking_loss(&x, &x, &y) =>
            "margin_ranking_loss: the target has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        MarginRankingLoss::new().margin(NAN).forward(&x, &x, &x) =>
            "margin_ranking_loss: margin is NaN, but it must be a number";
        pairwise_logistic(&x, &y) =>
            "pairwise_logistic: the negative input has shape [3], but the input has shape [2, 3]: they must agree, \
             as nothing is broadcast in a loss";
        PairwiseLogistic::new().forward(&x, &y) =>
            "pairwise_logistic: the negative input has shape [3], but the input has shape [2, 3]: they must agree, \
             as nothing is broadcast in a loss";
        hinge_embedding_loss(&x, &t3) =>
            "hinge_embedding_loss: the target has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        HingeEmbeddingLoss::new().margin(NAN).forward(&x, &t(&[2, 3], 1.0)) =>
            "hinge_embedding_loss: margin is NaN, but it must be a number";
        HingeEmbeddingLoss::new().forward(&x, &t(&[2, 3], 0.5)) =>
            "hinge_embedding_loss: target[0, 0] is 0.5, but it must be 1 or -1";
        list_net(&x, &y) =>
            "list_net: the target has shape [3], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        list_net(&z, &z) =>
            "list_net: the input has shape [], but its last dimension must be that of the entries of a list: (L) or \
             (N, L)";
        ListNet::new().mask(Tensor::full([3], true).unwrap()).forward(&x, &x) =>
            "list_net: the mask has shape [3], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        list_mle(&x, &t3) =>
            "list_mle: the target has shape [3], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        list_mle(&x, &t(&[2, 3], F::NAN)) =>
            "list_mle: target[0, 0] is NaN, but a relevance is a number; mask what is not there";
        ListMle::new().mask(Tensor::full([3], true).unwrap()).forward(&x, &t(&[2, 3], 1.0)) =>
            "list_mle: the mask has shape [3], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        dpo_loss(&y, &y, &y, &x) =>
            "dpo_loss: reference_rejected has shape [2, 3], but the input has shape [3]: they must agree, as nothing \
             is broadcast in a loss";
        DpoLoss::new().beta(0.0).forward(&y, &y, &y, &y) => "dpo_loss: beta is 0, but it must be above 0";
        DpoLoss::new().label_smoothing(0.6).forward(&y, &y, &y, &y) =>
            "dpo_loss: label_smoothing is 0.6, but it must lie in 0..=0.5";
        DpoLoss::new().variant(DpoVariant::Hinge).label_smoothing(0.1).forward(&y, &y, &y, &y) =>
            "dpo_loss: label_smoothing is 0.1, but it is for the variant `Sigmoid` alone";
    }
}

#[test]
fn metric() {
    let (x, y, t2) = (of(&[2, 3], 0.5), of(&[3], 1.0), t(&[2], 1.0));
    let (three, labels, one) = (of(&[3, 3], 0.5), ints(&[0, 1, 2]), of(&[], 1.0));
    let distance = |a: &Var<F>, b: &Var<F>| a.sub(b)?.abs().sum(..);
    fail! {
        cosine_embedding_loss(&x, &y, &t2) =>
            "cosine_embedding_loss: the second input has shape [3], but the input has shape [2, 3]: they must agree, \
             as nothing is broadcast in a loss";
        cosine_embedding_loss(&x, &x, &t(&[3], 1.0)) =>
            "cosine_embedding_loss: the target has shape [3], but the inputs have shape [2, 3]: there must be one \
             target for each pair";
        CosineEmbeddingLoss::new().margin(NAN).forward(&x, &x, &t2) =>
            "cosine_embedding_loss: margin is NaN, but it must be a number from -1 to 1";
        CosineEmbeddingLoss::new().forward(&x, &x, &t(&[2], 0.5)) =>
            "cosine_embedding_loss: target[0] is 0.5, but it must be 1 or -1";
        contrastive_loss(&x, &y, &t2) =>
            "contrastive_loss: the second input has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        contrastive_loss(&x, &x, &t(&[3], 1.0)) =>
            "contrastive_loss: the target has shape [3], but the inputs have shape [2, 3]: there must be one target \
             for each pair of vectors";
        ContrastiveLoss::new().margin(-1.0).forward(&x, &x, &t2) =>
            "contrastive_loss: margin is -1, but it must be 0 or more";
        triplet_margin_loss(&x, &y, &x) =>
            "triplet_margin_loss: the positive has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        TripletMarginLoss::new().margin(0.0).forward(&x, &x, &x) =>
            "triplet_margin_loss: margin is 0, but it must be above 0";
        TripletMarginLoss::new().p(-1.0).forward(&x, &x, &x) =>
            "triplet_margin_loss: p is -1, but it must be 0 or more; infinity gives the largest difference";
        triplet_margin_with_distance_loss(&x, &y, &x, pairwise_distance) =>
            "pairwise_distance: the second input has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        TripletMarginWithDistanceLoss::new().margin(-1.0).forward(&x, &x, &x, distance) =>
            "triplet_margin_with_distance_loss: margin is -1, but it must be above 0";
        cosine_similarity(&x, &of(&[4], 1.0)) =>
            "cosine_similarity: the second input has shape [4], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        CosineSimilarity::new().dim(2).forward(&x, &x) =>
            "cosine_similarity: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        pairwise_distance(&x, &of(&[4], 1.0)) =>
            "pairwise_distance: the second input has shape [4], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        PairwiseDistance::new().p(-1.0).forward(&x, &x) =>
            "pairwise_distance: p is -1, but it must be 0 or more; infinity gives the largest difference";
        cdist(&x, &of(&[2, 4], 1.0)) =>
            "cdist: the second input has shape [2, 4], but the input has shape [2, 3]: only the number of vectors, \
             the second last size, may differ";
        cdist(&y, &y) => "cdist: the input has shape [3], but it must be (…, N, D), one vector in each row";
        Cdist::new().p(NAN).forward(&x, &x) =>
            "cdist: p is NaN, but it must be 0 or more; infinity gives the largest difference";
        info_nce(&x, &three) =>
            "info_nce: the key has shape [3, 3], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        info_nce(&y, &y) => "info_nce: the query has shape [3], but it must be (N, D), one vector in each row";
        InfoNce::new().temperature(0.0).forward(&x, &x) => "info_nce: temperature is 0, but it must be above 0";
        InfoNce::new().forward_with_negatives(&x, &x, &of(&[5, 4], 1.0)) =>
            "info_nce: the tensor of negatives has shape [5, 4], but the queries have shape [2, 3]: it must be (M, \
             D), at least one vector of their size";
        ntxent(&x, &three) =>
            "ntxent: the second input has shape [3, 3], but the input has shape [2, 3]: they must agree, as nothing \
             is broadcast in a loss";
        Ntxent::new().temperature(-1.0).forward(&x, &x) => "ntxent: temperature is -1, but it must be above 0";
        clip_loss(&x, &three, &one) =>
            "clip_loss: the text has shape [3, 3], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        ClipLoss::new().forward(&x, &x, &y) =>
            "clip_loss: the logit_scale has shape [3], but it must be a scalar, without dimensions";
        siglip_loss(&x, &three, &one, &one) =>
            "siglip_loss: the text has shape [3, 3], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        SiglipLoss::new().forward(&x, &x, &one, &y) =>
            "siglip_loss: the logit_bias has shape [3], but it must be a scalar, without dimensions";
        sup_con_loss(&x, &labels) =>
            "sup_con_loss: the target has shape [3], but the input has shape [2, 3]: there must be one label for \
             each row";
        SupConLoss::new().temperature(0.0).forward(&three, &labels) =>
            "sup_con_loss: temperature is 0, but it must be above 0";
        multi_similarity_loss(&x, &labels) =>
            "multi_similarity_loss: the target has shape [3], but the input has shape [2, 3]: there must be one \
             label for each row";
        MultiSimilarityLoss::new().alpha(0.0).forward(&three, &labels) =>
            "multi_similarity_loss: alpha is 0, but it must be above 0";
        MultiSimilarityLoss::new().base(NAN).forward(&three, &labels) =>
            "multi_similarity_loss: base is NaN, but it must be a number";
        margin_softmax_loss(&x, &labels) =>
            "margin_softmax_loss: the target has shape [3], but the input has shape [2, 3]: there must be one class \
             for each row, [2]";
        margin_softmax_loss(&x, &ints(&[0, 3])) =>
            "margin_softmax_loss: target[1] is 3, but the cosines have 3 classes";
        MarginSoftmaxLoss::new().scale(0.0).forward(&x, &ints(&[0, 1])) =>
            "margin_softmax_loss: scale is 0, but it must be above 0";
        MarginSoftmaxLoss::new().margin(NAN).forward(&x, &ints(&[0, 1])) =>
            "margin_softmax_loss: margin is NaN, but it must be a number";
    }
}

#[test]
fn pictures_sequences_and_batches() {
    let (x, y) = (of(&[2, 3], 0.5), of(&[3], 1.0));
    let (boxes, other) = (of(&[2, 4], 1.0), of(&[3, 4], 1.0));
    let (p, classes) = (of(&[2, 3, 4], 0.3), Tensor::zeros([2, 4]).unwrap());
    let far = Tensor::full([2, 4], 5i64).unwrap();
    let (logits, joint) = (of(&[5, 2, 3], 0.1), of(&[2, 5, 3, 3], 0.1));
    let targets = Tensor::from([[1, 2], [2, 1]]);
    let (steps, lengths) = (ints(&[5, 5]), ints(&[2, 2]));
    let log_p = logits.log_softmax(2).unwrap();
    fail! {
        giou_loss(&boxes, &other) =>
            "giou_loss: the target has shape [3, 4], but the input has shape [2, 4]: they must agree, as nothing is \
             broadcast in a loss";
        GiouLoss::new().eps(0.0).forward(&boxes, &boxes) => "giou_loss: eps is 0, but it must be positive";
        diou_loss(&x, &x) =>
            "diou_loss: the input has shape [2, 3], but its last dimension must be that of a box, (x1, y1, x2, y2)";
        DiouLoss::new().eps(-1.0).forward(&boxes, &boxes) => "diou_loss: eps is -1, but it must be positive";
        ciou_loss(&boxes, &other) =>
            "ciou_loss: the target has shape [3, 4], but the input has shape [2, 4]: they must agree, as nothing is \
             broadcast in a loss";
        CiouLoss::new().eps(NAN).forward(&boxes, &boxes) => "ciou_loss: eps is NaN, but it must be positive";
        dice_loss(&p, &y) =>
            "dice_loss: the target has shape [3], but the input has shape [2, 3, 4]: they must agree, as nothing is \
             broadcast in a loss";
        dice_loss(&p, &far) => "dice_loss: target[0, 0] is 5, but the probabilities have 3 classes";
        DiceLoss::new().smooth(-1.0).forward(&p, &p) => "dice_loss: smooth is -1, but it must not be negative";
        DiceLoss::new().region(Region::Class).forward(&y, &y) =>
            "dice_loss: the input has shape [3], but it must be (N, …), a class for each index of the second \
             dimension where classes are told apart; for one overlap of all elements take `Region::Batch`";
        tversky_loss(&p, &far) => "tversky_loss: target[0, 0] is 5, but the probabilities have 3 classes";
        TverskyLoss::new().alpha(-1.0).forward(&p, &p) => "tversky_loss: alpha is -1, but it must not be negative";
        TverskyLoss::new().smooth(-1.0).forward(&p, &p) => "tversky_loss: smooth is -1, but it must not be negative";
        TverskyLoss::new().gamma(0.0).forward(&p, &p) => "tversky_loss: gamma is 0, but it must be positive";
        lovasz_hinge(&x, &t(&[3], 1.0)) =>
            "lovasz_hinge: the target has shape [3], but the input has shape [2, 3]: they must agree, as nothing is \
             broadcast in a loss";
        LovaszHinge::new().forward(&x, &t(&[2, 3], 0.5)) =>
            "lovasz_hinge: target[0, 0] is 0.5, but a label is 0 or 1; name another one with `ignore` to leave its \
             pixels out";
        LovaszHinge::new().per_image(true).forward(&of(&[], 0.5), &t(&[], 1.0)) =>
            "lovasz_hinge: the input has shape [], but with `per_image` its first dimension must be that of the \
             images";
        lovasz_softmax(&p, &far) => "lovasz_softmax: target[0, 0] is 5, but the probabilities have 3 classes";
        lovasz_softmax(&y, &ints(&[0])) =>
            "lovasz_softmax: the input has shape [3], but it must be (N, C) or (N, C, d…), with a class for each \
             index of the second dimension";
        LovaszSoftmax::new().forward(&p, &ints(&[0])) =>
            "lovasz_softmax: the target has shape [1], but the input has shape [2, 3, 4]: there must be one class \
             for each row, [2, 4]";
        LovaszSoftmax::new().forward(&of(&[2, 3, 4], 1.5), &classes) =>
            "lovasz_softmax: input[0, 0, 0] is 1.5, but a probability lies in 0..=1; logits must first go through \
             `sigmoid` or `softmax`";
        barlow_twins_loss(&x, &y) =>
            "barlow_twins_loss: the second input has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        BarlowTwinsLoss::new().eps(0.0).forward(&x, &x) => "barlow_twins_loss: eps is 0, but it must be above 0";
        BarlowTwinsLoss::new().lambda_(NAN).forward(&x, &x) =>
            "barlow_twins_loss: lambda_ is NaN, but it must be a number";
        barlow_twins_loss(&of(&[1, 3], 1.0), &of(&[1, 3], 1.0)) =>
            "barlow_twins_loss: the input has shape [1, 3], but it must be (N, D), at least two samples to take a \
             variance of";
        vicreg_loss(&x, &y) =>
            "vicreg_loss: the second input has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss";
        VicregLoss::new().sim_weight(NAN).forward(&x, &x) => "vicreg_loss: sim_weight is NaN, but it must be a number";
        VicregLoss::new().eps(-1.0).forward(&x, &x) => "vicreg_loss: eps is -1, but it must be 0 or more";
        ctc_loss(&y, &targets, &steps, &lengths) =>
            "ctc_loss: the input has shape [3], but it must be (T, N, C) or (T, C): time steps, sequences, classes";
        ctc_loss(&log_p, &targets, &ints(&[5]), &lengths) =>
            "ctc_loss: input_lengths has shape [1], but there must be one for each of the 2 sequences, [2]";
        ctc_loss(&log_p, &targets, &ints(&[5, 6]), &lengths) =>
            "ctc_loss: input_lengths[1] is 6, but it must lie between 0 and the number of time steps";
        CtcLoss::new().blank(3).forward(&log_p, &targets, &steps, &lengths) =>
            "ctc_loss: blank is 3, but it must be one of the classes";
        CtcLoss::new().blank(1).forward(&log_p, &targets, &steps, &lengths) =>
            "ctc_loss: target[0, 0] is 1, but the blank is no label";
        ctc_loss_with_logits(&logits, &targets, &steps, &ints(&[2, 3])) =>
            "ctc_loss_with_logits: target_lengths[1] is 3, but it must lie between 0 and the number of labels there \
             are";
        CtcLossWithLogits::new().forward(&logits, &ints(&[1, 2, 1]), &steps, &lengths) =>
            "ctc_loss_with_logits: targets has shape [3], but target_lengths add up to 4";
        rnnt_loss(&x, &targets, &steps, &lengths) =>
            "rnnt_loss: the input has shape [2, 3], but it must be (N, T, U + 1, C) or (T, U + 1, C): sequences, \
             time steps, labels and one more, classes";
        rnnt_loss(&joint, &targets, &ints(&[5, 9]), &lengths) =>
            "rnnt_loss: logit_lengths[1] is 9, but it must lie between 1 and the number of time steps";
        RnntLoss::new().blank(-1).forward(&joint, &targets, &steps, &lengths) =>
            "rnnt_loss: blank is -1, but it must be one of the classes";
        RnntLoss::new().clamp(NAN).forward(&joint, &targets, &steps, &lengths) =>
            "rnnt_loss: clamp is NaN, but it must be a number; 0 or less is no limit";
    }
}

/// Files whose public functions cannot be reached from outside.
const PRIVATE: &[&str] = &[
    "classification/target.rs",
    "detection/boxes.rs",
    "segmentation/region.rs",
    "sequence/labels.rs",
    "testing.rs",
];

#[test]
fn every_public_function_has_a_bad_call() {
    losses_of_ones_own();
    regression();
    binary();
    classification();
    divergence();
    ranking_and_preference();
    metric();
    pictures_sequences_and_batches();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let functions = fallible(&src, PRIVATE);
    assert!(functions.len() > 100, "{} functions", functions.len());
    // Of this one it is the distance that finds the inputs wrong, and says so in its own name.
    let apart = [
        ("triplet_margin_with_distance_loss", "pairwise_distance"),
        ("apply", "own_loss"),
    ];
    assert_covered(&functions, &apart, |of, name, call, said| match of {
        // A function, which says its own name.
        "" => bad_calls::names_itself(of, name, call, said),
        // A method of options: called on those.
        of => {
            call.contains(of) && call.contains(&format!(".{name}("))
                || call.contains("adaptive()") && call.contains(&format!(".{name}("))
        }
    });
}
