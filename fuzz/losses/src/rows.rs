//! Losses of rows of classes, lists and vectors.

use crate::Domain::*;
use crate::{Call, Entry, Make};
use losses::autograd::{Result, Var};
use losses::prelude::*;

fn call(f: impl Fn(&[Var<f64>]) -> Result<Var<f64>> + 'static) -> Call {
    Box::new(f)
}

/// Logits of rows, in one to three dimensions, and a class for each.
fn logits(m: &mut Make<'_, '_>, domain: crate::Domain) -> (usize, losses::Tensor<i64>) {
    let mut shape = m.rows();
    match m.draw.below(4) {
        0 => drop(shape.remove(0)),
        1 => shape.push(m.draw.below(4)),
        _ => {}
    }
    let classes = if shape.len() == 1 { shape[0] } else { shape[1] };
    m.input(&shape, domain);
    shape.remove(usize::from(shape.len() > 1));
    (classes, m.classes(&shape, classes))
}

pub const TABLE: [Entry; 18] = [
    ("cross_entropy", |m| {
        let (n, t) = logits(m, Any);
        let l = CrossEntropy::new()
            .weight(m.weight(&[n]))
            .ignore_index(m.ignore())
            .label_smoothing(m.option(&[0.0, 0.1]))
            .smooth_over_finite(m.flag())
            .z_loss(m.option(&[0.0, 0.01]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("cross_entropy with distributions", |m| {
        let shape = m.rows();
        m.input(&shape, Any);
        m.input(&shape, Share);
        let l = CrossEntropy::new()
            .weight(m.weight(&shape[1..]))
            .label_smoothing(m.option(&[0.0, 0.1]))
            .z_loss(m.option(&[0.0, 0.01]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("nll_loss", |m| {
        let (n, t) = logits(m, Negative);
        let l = NllLoss::new()
            .weight(m.weight(&[n]))
            .ignore_index(m.ignore())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("generalized_cross_entropy", |m| {
        let (n, t) = logits(m, Any);
        let l = GeneralizedCrossEntropy::new()
            .q(m.option(&[0.7, 0.2, 1.0]))
            .weight(m.weight(&[n]))
            .ignore_index(m.ignore())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("logit_adjusted_cross_entropy", |m| {
        let (n, t) = logits(m, Any);
        let l = LogitAdjustedCrossEntropy::new()
            .tau(m.option(&[1.0, 0.5]))
            .priors(Some(m.tensor(&[n], Positive)))
            .ignore_index(m.ignore())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("multi_margin_loss", |m| {
        let (n, t) = logits(m, Any);
        let mode = m.draw.pick(&[MultiMarginMode::Sum, MultiMarginMode::Max]);
        let p = m.draw.pick(&[1u32, 2, 1, 2, 0, 3]);
        let l = MultiMarginLoss::new()
            .p(p)
            .margin(m.option(&[1.0, 0.3]))
            .weight(m.weight(&[n]))
            .mode(mode)
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("poly1_cross_entropy", |m| {
        let (n, t) = logits(m, Any);
        let l = Poly1CrossEntropy::new()
            .epsilon(m.option(&[1.0, -0.5]))
            .weight(m.weight(&[n]))
            .ignore_index(m.ignore())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("softmax_focal_loss", |m| {
        let (n, t) = logits(m, Any);
        let l = SoftmaxFocalLoss::new()
            .alpha(m.option(&[0.25, 1.0]))
            .gamma(m.option(&[2.0, 0.0, 0.5]))
            .weight(m.weight(&[n]))
            .ignore_index(m.ignore())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("linear_cross_entropy", |m| {
        let shape = m.rows();
        let classes = m.draw.pick(&[3, 2, 5, 1, 9]);
        m.input(&shape, Any);
        m.input(&[classes, shape[1]], Any);
        let biased = m.flag();
        if biased {
            m.input(&[classes], Any);
        }
        let t = m.classes(&shape[..1], classes);
        let chunk = m.draw.pick(&[None, Some(1), Some(2), Some(100), Some(0)]);
        let l = LinearCrossEntropy::new()
            .weight(m.weight(&[classes]))
            .ignore_index(m.ignore())
            .label_smoothing(m.option(&[0.0, 0.1]))
            .z_loss(m.option(&[0.0, 0.01]))
            .chunk_size(chunk)
            .reduction(m.reduction());
        call(move |v| {
            let l = if biased {
                l.clone().linear_bias(v[2].clone())
            } else {
                l.clone()
            };
            l.forward(&v[0], &v[1], &t)
        })
    }),
    ("adaptive_log_softmax_with_loss", |m| {
        let shape = m.rows();
        let cutoffs = m.draw.pick(&[[2usize, 5], [1, 3], [4, 4], [0, 2]]);
        let width = m.draw.pick(&[2usize, 1, 3]);
        m.input(&shape, Any);
        m.input(&[cutoffs[0] + 1, shape[1]], Any);
        m.input(&[width, shape[1]], Any);
        m.input(&[cutoffs[1].saturating_sub(cutoffs[0]), width], Any);
        let t = m.classes(&shape[..1], cutoffs[1]);
        let l = AdaptiveLogSoftmaxWithLoss::new()
            .cutoffs(cutoffs.to_vec())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t, &v[1], &[(v[2].clone(), v[3].clone())]))
    }),
    ("multilabel_margin_loss", |m| {
        let shape = m.rows();
        m.input(&shape, Any);
        let t = m.classes(&shape, shape[1]);
        // A list ends at its first -1.
        let end = m.draw.below(4) as i64;
        let t = t.map(|c| if c >= end { -1 } else { c });
        let l = MultilabelMarginLoss::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("multilabel_soft_margin_loss", |m| {
        let shape = m.rows();
        m.input(&shape, Any);
        m.input(&shape, Share);
        let l = MultilabelSoftMarginLoss::new()
            .weight(m.weight(&shape[1..]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("kl_div_with_logits", |m| {
        let shape = m.shape(3);
        m.input(&shape, Any);
        m.input(&shape, Any);
        let l = KlDivWithLogits::new()
            .temperature(m.option(&[1.0, 2.0, 0.5]))
            .reverse(m.flag())
            .dim(m.draw.dim(shape.len()))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("js_divergence", |m| {
        let shape = m.shape(3);
        m.input(&shape, Any);
        m.input(&shape, Any);
        let l = JsDivergence::new()
            .beta(m.option(&[0.5, 0.1]))
            .dim(m.draw.dim(shape.len()))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("wasserstein_1d", |m| {
        let shape = m.shape(3);
        m.input(&shape, Share);
        m.input(&shape, Share);
        let l = Wasserstein1d::new()
            .p(m.option(&[1.0, 2.0]))
            .dim(m.draw.dim(shape.len()))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("list_mle", |m| {
        let shape = m.rows();
        m.input(&shape, Any);
        let t = m.tensor(&shape, Any);
        let l = ListMle::new().mask(m.mask(&shape)).reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("list_net", |m| {
        let shape = m.rows();
        m.input(&shape, Any);
        m.input(&shape, Any);
        let l = ListNet::new()
            .mask(m.mask(&shape))
            .weight(m.weight(&shape))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("margin_softmax_loss", |m| {
        let shape = m.rows();
        m.input(&shape, Share);
        let t = m.classes(&shape[..1], shape[1]);
        let l = MarginSoftmaxLoss::new()
            .scale(m.option(&[4.0, 1.0]))
            .margin(m.option(&[0.5, 0.0]))
            .additive(m.option(&[0.0, 0.2]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
];
