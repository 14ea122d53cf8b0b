//! Losses of vectors, boxes, regions, whole batches and sequences.

use crate::Domain::*;
use crate::{Call, Entry, Make};
use losses::autograd::{Result, Tensor, Var};
use losses::prelude::*;

fn call(f: impl Fn(&[Var<f64>]) -> Result<Var<f64>> + 'static) -> Call {
    Box::new(f)
}

/// So many inputs of rows of vectors.
fn vectors(m: &mut Make<'_, '_>, n: usize) -> Vec<usize> {
    let shape = m.rows();
    (0..n).for_each(|_| m.input(&shape, Any));
    shape
}

pub const TABLE: [Entry; 17] = [
    ("cdist", |m| {
        let shape = vectors(m, 1);
        let rows = m.draw.below(5);
        m.input(&[rows, shape[1]], Any);
        let l = Cdist::new().p(m.option(&[2.0, 1.0, 3.0, f64::INFINITY]));
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("clip_loss", |m| {
        vectors(m, 2);
        m.input(&[], Positive);
        let l = ClipLoss::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2]))
    }),
    ("siglip_loss", |m| {
        vectors(m, 2);
        m.input(&[], Positive);
        m.input(&[], Any);
        let l = SiglipLoss::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2], &v[3]))
    }),
    ("contrastive_loss", |m| {
        let shape = vectors(m, 2);
        let t = m.tensor(&shape[..1], Truth);
        let l = ContrastiveLoss::new()
            .margin(m.option(&[1.0, 5.0]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &t))
    }),
    ("cosine_embedding_loss", |m| {
        let shape = vectors(m, 2);
        let t = m.tensor(&shape[..1], Sign);
        let l = CosineEmbeddingLoss::new()
            .margin(m.option(&[0.0, 0.5]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &t))
    }),
    ("cosine_similarity", |m| {
        let shape = vectors(m, 2);
        let l = CosineSimilarity::new()
            .dim(m.draw.dim(shape.len()))
            .eps(m.option(&[0.0, 1e-8, 0.1]));
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("pairwise_distance", |m| {
        vectors(m, 2);
        let l = PairwiseDistance::new()
            .p(m.option(&[2.0, 1.0, 3.0]))
            .eps(m.option(&[1e-6, 0.1]))
            .keepdim(m.flag());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("info_nce", |m| {
        vectors(m, 2);
        let l = InfoNce::new()
            .temperature(m.option(&[0.5, 1.0]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("info_nce with negatives", |m| {
        let shape = vectors(m, 2);
        let rows = m.draw.below(4);
        if m.flag() {
            m.input(&[rows, shape[1]], Any);
        } else {
            m.input(&[shape[0], rows, shape[1]], Any);
        }
        let l = InfoNce::new()
            .temperature(m.option(&[0.5, 1.0]))
            .reduction(m.reduction());
        call(move |v| l.forward_with_negatives(&v[0], &v[1], &v[2]))
    }),
    ("ntxent", |m| {
        vectors(m, 2);
        let l = Ntxent::new()
            .temperature(m.option(&[0.5, 1.0]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("multi_similarity_loss", |m| {
        let shape = vectors(m, 1);
        let t = m.classes(&shape[..1], 2);
        let l = MultiSimilarityLoss::new()
            .alpha(m.option(&[2.0, 1.0]))
            .beta(m.option(&[5.0, 1.0]))
            .base(m.option(&[0.5, 0.0]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("sup_con_loss", |m| {
        let shape = vectors(m, 1);
        let t = m.classes(&shape[..1], 2);
        let l = SupConLoss::new()
            .temperature(m.option(&[0.5, 1.0]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("triplet_margin_loss", |m| {
        vectors(m, 3);
        let l = TripletMarginLoss::new()
            .margin(m.option(&[1.0, 5.0]))
            .p(m.option(&[2.0, 1.0, 3.0]))
            .eps(m.option(&[1e-6]))
            .swap(m.flag())
            .soft(m.flag())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2]))
    }),
    ("triplet_margin_with_distance_loss", |m| {
        vectors(m, 3);
        let l = TripletMarginWithDistanceLoss::new()
            .margin(m.option(&[1.0, 5.0]))
            .swap(m.flag())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2], |a, b| a.sub(b)?.abs().sum(-1)))
    }),
    ("barlow_twins_loss", |m| {
        vectors(m, 2);
        let l = BarlowTwinsLoss::new()
            .lambda_(m.option(&[0.0051, 1.0]))
            .eps(m.option(&[1e-5]));
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("vicreg_loss", |m| {
        vectors(m, 2);
        let l = VicregLoss::new()
            .sim_weight(m.option(&[25.0, 1.0]))
            .var_weight(m.option(&[25.0]))
            .cov_weight(m.option(&[1.0]));
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("sinkhorn", |m| {
        let shape = vec![1 + m.draw.below(3), 1 + m.draw.below(3)];
        m.input(&shape, Positive);
        for n in &shape {
            // Both sides have the mass 1.
            let mass = m.tensor(&[*n], Share);
            let mass = mass.sum(..).and_then(|s| mass.div(s)).unwrap_or(mass);
            m.inputs.push(mass);
        }
        let l = Sinkhorn::new()
            .epsilon(m.option(&[1.0, 3.0]))
            .iterations(m.draw.pick(&[200u32, 1, 0]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2]))
    }),
];

/// Boxes, regions and sequences.
pub const MORE: [Entry; 11] = [
    ("giou_loss", |m| {
        boxes(m);
        let l = GiouLoss::new()
            .eps(m.option(&[1e-7]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("diou_loss", |m| {
        boxes(m);
        let l = DiouLoss::new()
            .eps(m.option(&[1e-7]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("ciou_loss", |m| {
        boxes(m);
        let l = CiouLoss::new()
            .eps(m.option(&[1e-7]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1]))
    }),
    ("dice_loss", |m| {
        let (masks, t) = regions(m);
        let l = DiceLoss::new()
            .smooth(m.option(&[1.0, 0.1]))
            .squared(m.flag())
            .region(m.draw.pick(&REGIONS))
            .ignore_index(m.ignore())
            .reduction(m.reduction());
        call(move |v| {
            if masks {
                l.forward(&v[0], &v[1])
            } else {
                l.forward(&v[0], &t)
            }
        })
    }),
    ("tversky_loss", |m| {
        let (masks, t) = regions(m);
        let l = TverskyLoss::new()
            .alpha(m.option(&[0.5, 0.3]))
            .beta(m.option(&[0.5, 0.7]))
            .gamma(m.option(&[1.0, 0.75]))
            .smooth(m.option(&[1.0, 0.1]))
            .region(m.draw.pick(&REGIONS))
            .ignore_index(m.ignore())
            .reduction(m.reduction());
        call(move |v| {
            if masks {
                l.forward(&v[0], &v[1])
            } else {
                l.forward(&v[0], &t)
            }
        })
    }),
    ("lovasz_hinge", |m| {
        let shape = m.shape(3);
        m.input(&shape, Any);
        let t = m.tensor(&shape, Truth);
        let ignore = m.draw.pick(&[None, Some(0.0), Some(255.0)]);
        let l = LovaszHinge::new()
            .per_image(m.flag())
            .ignore(ignore)
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("lovasz_softmax", |m| {
        let mut shape = m.rows();
        shape.push(m.draw.below(4));
        m.input(&shape, Share);
        let t = m.classes(&[shape[0], shape[2]], shape[1]);
        let l = LovaszSoftmax::new()
            .per_image(m.flag())
            .all_classes(m.flag())
            .ignore_index(m.ignore())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t))
    }),
    ("ctc_loss", |m| {
        let (t, [steps, lengths]) = sequences(m, Negative);
        let l = CtcLoss::new()
            .blank(m.draw.pick(&[0, 1, 0, -1, 99]))
            .zero_infinity(m.flag())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t, &steps, &lengths))
    }),
    ("ctc_loss_with_logits", |m| {
        let (t, [steps, lengths]) = sequences(m, Any);
        let l = CtcLossWithLogits::new()
            .blank(m.draw.pick(&[0, 1, 0, -1, 99]))
            .zero_infinity(m.flag())
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t, &steps, &lengths))
    }),
    ("rnnt_loss", |m| {
        let (batch, steps, labels, classes) = (
            m.draw.below(3),
            1 + m.draw.below(4),
            m.draw.below(3),
            2 + m.draw.below(3),
        );
        m.input(&[batch, steps, labels + 1, classes], Any);
        let t = m
            .classes(&[batch, labels], classes)
            .map(|c| if c == 0 { 1 } else { c });
        let [n, k] = [steps, labels].map(|most| lengths(m, batch, most));
        let l = RnntLoss::new()
            .blank(m.draw.pick(&[0, 0, 1, -1, 99]))
            .fused_log_softmax(m.flag())
            .clamp(m.option(&[-1.0]))
            .reduction(m.reduction());
        call(move |v| l.forward(&v[0], &t, &n, &k))
    }),
    ("triplet_margin_loss of one vector", |m| {
        let n = m.draw.below(5);
        (0..3).for_each(|_| m.input(&[n], Any));
        let l = TripletMarginLoss::new().reduction(m.reduction());
        call(move |v| l.forward(&v[0], &v[1], &v[2]))
    }),
];

const REGIONS: [Region; 4] = [
    Region::Sample,
    Region::SampleClass,
    Region::Class,
    Region::Batch,
];

/// Two lists of boxes, whose ends lie behind their beginnings.
fn boxes(m: &mut Make<'_, '_>) {
    let n = m.draw.below(4);
    for _ in 0..2 {
        let starts = m.tensor(&[n, 2], Any);
        let sizes = m.tensor(&[n, 2], Positive);
        let both = starts
            .add(&sizes)
            .and_then(|ends| Tensor::cat(&[&starts, &ends], -1));
        let corners = both.unwrap_or_else(|_| starts.clone());
        m.inputs.push(corners);
    }
}

/// Probabilities of pixels, and masks or classes.
fn regions(m: &mut Make<'_, '_>) -> (bool, Tensor<i64>) {
    let mut shape = m.rows();
    shape.push(m.draw.below(4));
    m.input(&shape, Share);
    let masks = m.flag();
    if masks {
        m.input(&shape, Share);
    }
    (masks, m.classes(&[shape[0], shape[2]], shape[1]))
}

/// Lengths of up to `most`.
fn lengths(m: &mut Make<'_, '_>, batch: usize, most: usize) -> Tensor<i64> {
    let mut data: Vec<i64> = (0..batch)
        .map(|_| most as i64 - m.draw.below(most.min(2) + 1) as i64)
        .collect();
    if batch > 0 && m.draw.rarely(12) {
        data[0] = m.draw.pick(&[-1, most as i64 + 1, i64::MAX, i64::MIN]);
    }
    Tensor::from(data)
}

/// Frames of classes, the labels of each sequence, and the lengths of both.
fn sequences(m: &mut Make<'_, '_>, domain: crate::Domain) -> (Tensor<i64>, [Tensor<i64>; 2]) {
    let (frames, batch, labels, classes) = (
        1 + m.draw.below(5),
        m.draw.below(3),
        m.draw.below(3),
        2 + m.draw.below(3),
    );
    m.input(&[frames, batch, classes], domain);
    let t = m
        .classes(&[batch, labels], classes)
        .map(|c| if c == 0 { 1 } else { c });
    let both = [frames, labels].map(|most| lengths(m, batch, most));
    (t, both)
}
