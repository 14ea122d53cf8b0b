//! Losses that look at a row at a time: classes, distributions, lists, vectors.

use crate::book::Book;
use nn::prelude::*;

pub fn add(book: &mut Book<'_>) -> Result<()> {
    classification(book)?;
    divergence(book)?;
    ranking(book)?;
    metric(book)
}

const SHAPE: &[usize] = &[4, 3];

fn classification(book: &mut Book<'_>) -> Result<()> {
    book.family("classification");
    let (x, y) = (book.normal(SHAPE)?, book.classes(3, &[4])?);
    let (q, w) = (book.distributions(SHAPE)?, book.between(0.5, 2.0, &[3])?);
    // The last row is one that is to be ignored.
    let mut some = y.clone();
    some.set([3], -100)?;
    for (options, loss, t) in [
        ("", CrossEntropy::new(), &y),
        ("ignore_index", CrossEntropy::new(), &some),
        ("weight", CrossEntropy::new().weight(w.clone()), &some),
        (
            "weight, label_smoothing",
            CrossEntropy::new().weight(w.clone()).label_smoothing(0.2),
            &some,
        ),
    ] {
        let t = t.clone();
        book.add("cross_entropy", options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    for (options, loss) in [
        ("z_loss", CrossEntropy::new().z_loss(0.1)),
        (
            "smooth_over_finite",
            CrossEntropy::new()
                .label_smoothing(0.2)
                .smooth_over_finite(true),
        ),
    ] {
        let t = y.clone();
        book.add("cross_entropy", options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    for (options, loss) in [
        ("distributions", CrossEntropy::new()),
        (
            "distributions, weight, smoothing",
            CrossEntropy::new().weight(w.clone()).label_smoothing(0.2),
        ),
    ] {
        book.add("cross_entropy", options, &[&x, &q], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    let (pixels, t) = (book.normal(&[2, 3, 2])?, book.classes(3, &[2, 2])?);
    book.add("cross_entropy", "[N, C, d]", &[&pixels], move |v, r| {
        CrossEntropy::new().reduction(r).forward(&v[0], &t)
    });
    let log_p = x.log_softmax(1)?;
    for (options, loss) in [
        ("", NllLoss::new()),
        ("weight", NllLoss::new().weight(w.clone())),
    ] {
        let t = some.clone();
        book.add("nll_loss", options, &[&log_p], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    for (options, loss) in [
        ("", SoftmaxFocalLoss::new()),
        (
            "alpha, gamma 1.5, weight",
            SoftmaxFocalLoss::new()
                .alpha(0.7)
                .gamma(1.5)
                .weight(w.clone()),
        ),
    ] {
        let t = some.clone();
        book.add("softmax_focal_loss", options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    for (options, loss) in [
        ("", GeneralizedCrossEntropy::new()),
        (
            "q 0.3, weight",
            GeneralizedCrossEntropy::new().q(0.3).weight(w.clone()),
        ),
    ] {
        let t = some.clone();
        book.add("generalized_cross_entropy", options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    for (options, loss) in [
        ("", Poly1CrossEntropy::new()),
        (
            "epsilon -0.5, weight",
            Poly1CrossEntropy::new().epsilon(-0.5).weight(w.clone()),
        ),
    ] {
        let t = some.clone();
        book.add("poly1_cross_entropy", options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    let priors = book.distributions(&[3])?;
    for (options, tau) in [("", 1.0), ("tau 0.5", 0.5)] {
        let loss = LogitAdjustedCrossEntropy::new()
            .priors(priors.clone())
            .tau(tau);
        let t = some.clone();
        book.add(
            "logit_adjusted_cross_entropy",
            options,
            &[&x],
            move |v, r| loss.clone().reduction(r).forward(&v[0], &t),
        );
    }
    for (options, loss) in [
        ("", MultiMarginLoss::new()),
        (
            "p 2, margin 0.7, weight",
            MultiMarginLoss::new().p(2u32).margin(0.7).weight(w.clone()),
        ),
        (
            "mode max",
            MultiMarginLoss::new().mode(MultiMarginMode::Max),
        ),
    ] {
        let t = y.clone();
        book.add("multi_margin_loss", options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    let (features, layer) = (book.normal(&[4, 2])?, book.normal(&[3, 2])?);
    for (options, loss) in [
        ("", LinearCrossEntropy::new()),
        (
            "weight, smoothing, chunk_size",
            LinearCrossEntropy::new()
                .weight(w)
                .label_smoothing(0.2)
                .chunk_size(3),
        ),
    ] {
        let t = some.clone();
        book.add(
            "linear_cross_entropy",
            options,
            &[&features, &layer],
            move |v, r| loss.clone().reduction(r).forward(&v[0], &v[1], &t),
        );
    }
    // Two frequent classes, and a cluster of three rare ones behind a layer of one number.
    let (head, down, up) = (
        book.normal(&[3, 2])?,
        book.normal(&[1, 2])?,
        book.normal(&[3, 1])?,
    );
    let t = Tensor::from([0, 3, 1, 4]);
    let inputs = &[&features, &head, &down, &up];
    book.add("adaptive_log_softmax_with_loss", "", inputs, move |v, r| {
        let tails = [(v[2].clone(), v[3].clone())];
        let loss = AdaptiveLogSoftmaxWithLoss::new()
            .cutoffs([2, 5])
            .reduction(r);
        loss.forward(&v[0], &t, &v[1], &tails)
    });
    Ok(())
}

fn divergence(book: &mut Book<'_>) -> Result<()> {
    book.family("divergence");
    let log_p = book.normal(SHAPE)?.log_softmax(1)?;
    let q = book.distributions(SHAPE)?;
    book.add("kl_div", "", &[&log_p, &q], |v, r| {
        KlDiv::new().reduction(r).forward(&v[0], &v[1])
    });
    let log_q = q.log();
    book.add("kl_div", "log_target", &[&log_p, &log_q], |v, r| {
        KlDiv::new()
            .log_target(true)
            .reduction(r)
            .forward(&v[0], &v[1])
    });
    book.add_plain("entropy", "", &[&q], |v| entropy(&v[0], 1));
    book.add_plain("entropy_with_logits", "", &[&log_p], |v| {
        entropy_with_logits(&v[0], 1)
    });
    let (x, t) = (book.normal(SHAPE)?, book.normal(SHAPE)?);
    for (options, loss) in [
        ("", KlDivWithLogits::new()),
        ("temperature 2", KlDivWithLogits::new().temperature(2.0)),
        (
            "reverse, dim 0",
            KlDivWithLogits::new().reverse(true).dim(0),
        ),
    ] {
        book.add("kl_div_with_logits", options, &[&x, &t], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    for (options, loss) in [
        ("", JsDivergence::new()),
        ("beta 0.2, dim 0", JsDivergence::new().beta(0.2).dim(0)),
    ] {
        book.add("js_divergence", options, &[&x, &t], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    book.add("gaussian_kl", "", &[&x, &t], |v, r| {
        GaussianKl::new().reduction(r).forward(&v[0], &v[1])
    });
    let var = book.between(0.3, 2.0, SHAPE)?;
    for (options, loss) in [
        ("", GaussianNllLoss::new()),
        // PyTorch's gradient goes through the bound as if it were not there, and is none of the value then.
        (
            "full, eps 0.5, not below",
            GaussianNllLoss::new()
                .full(true)
                .eps(0.5)
                .gradient_below_eps(false),
        ),
    ] {
        book.add(
            "gaussian_nll_loss",
            options,
            &[&x, &t, &var],
            move |v, r| loss.clone().reduction(r).forward(&v[0], &v[1], &v[2]),
        );
    }
    book.add(
        "gaussian_nll_loss_with_log_var",
        "full",
        &[&x, &t, &log_p],
        |v, r| {
            let loss = GaussianNllLossWithLogVar::new().full(true).reduction(r);
            loss.forward(&v[0], &v[1], &v[2])
        },
    );
    let counts = book.between(1.2, 4.0, SHAPE)?;
    for (options, loss) in [
        ("", PoissonNllLoss::new()),
        ("full", PoissonNllLoss::new().full(LogFactorial::Exact)),
        (
            "full as PyTorch",
            PoissonNllLoss::new().full(LogFactorial::Stirling),
        ),
    ] {
        book.add("poisson_nll_loss", options, &[&x, &counts], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    book.add(
        "poisson_nll_loss",
        "log_input false",
        &[&var, &counts],
        |v, r| {
            PoissonNllLoss::new()
                .log_input(false)
                .reduction(r)
                .forward(&v[0], &v[1])
        },
    );
    let p = book.distributions(SHAPE)?;
    // Of masses that differ: where they agree, the last running sums do, at the kink of their distance.
    let less = p.mul(0.9)?;
    for (options, loss) in [
        ("", Wasserstein1d::new()),
        ("p 2", Wasserstein1d::new().p(2.0)),
    ] {
        book.add("wasserstein_1d", options, &[&less, &q], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    let cost = book.between(0.0, 1.0, &[2, 3, 4])?;
    let (a, b) = (book.distributions(&[2, 3])?, book.distributions(&[2, 4])?);
    book.add("sinkhorn", "epsilon 0.5", &[&cost], move |v, r| {
        let loss = Sinkhorn::new().epsilon(0.5).tolerance(1e-13).reduction(r);
        loss.forward(&v[0], &Var::from(&a), &Var::from(&b))
    });
    Ok(())
}

fn ranking(book: &mut Book<'_>) -> Result<()> {
    book.family("ranking");
    let (a, b, t) = (book.normal(SHAPE)?, book.normal(SHAPE)?, book.sides(SHAPE)?);
    for (options, loss) in [
        ("", MarginRankingLoss::new()),
        ("margin 0.5", MarginRankingLoss::new().margin(0.5)),
    ] {
        let t = Var::from(&t);
        book.add("margin_ranking_loss", options, &[&a, &b], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1], &t)
        });
    }
    book.add("pairwise_logistic", "", &[&a, &b], |v, r| {
        PairwiseLogistic::new().reduction(r).forward(&v[0], &v[1])
    });
    for (options, loss) in [
        ("", HingeEmbeddingLoss::new()),
        ("margin 0.4", HingeEmbeddingLoss::new().margin(0.4)),
    ] {
        let t = t.clone();
        book.add("hinge_embedding_loss", options, &[&a], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    let mask = Tensor::from([
        true, true, true, true, true, false, true, true, true, true, false, false,
    ]);
    let mask = mask.reshape([4, 3])?;
    for (options, loss) in [
        ("", ListNet::new()),
        ("mask", ListNet::new().mask(mask.clone())),
    ] {
        book.add("list_net", options, &[&a, &b], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    for (options, loss) in [("", ListMle::new()), ("mask", ListMle::new().mask(mask))] {
        let t = b.clone();
        book.add("list_mle", options, &[&a], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    Ok(())
}

fn metric(book: &mut Book<'_>) -> Result<()> {
    book.family("metric learning");
    let (a, b, t) = (book.normal(SHAPE)?, book.normal(SHAPE)?, book.sides(&[4])?);
    for (options, loss) in [
        ("", CosineEmbeddingLoss::new()),
        ("margin -0.3", CosineEmbeddingLoss::new().margin(-0.3)),
    ] {
        let t = t.clone();
        book.add("cosine_embedding_loss", options, &[&a, &b], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1], &t)
        });
    }
    let pair = &[&a, &b];
    for (options, loss) in [
        ("", ContrastiveLoss::new()),
        ("margin 3", ContrastiveLoss::new().margin(3.0)),
    ] {
        let t = t.map(|t| (t + 1.0) / 2.0);
        book.add("contrastive_loss", options, pair, move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1], &t)
        });
    }
    let c = book.normal(SHAPE)?;
    for (options, loss) in [
        ("", TripletMarginLoss::new()),
        (
            "margin 2, p 3, swap",
            TripletMarginLoss::new().margin(2.0).p(3.0).swap(true),
        ),
        ("soft", TripletMarginLoss::new().soft(true)),
    ] {
        book.add(
            "triplet_margin_loss",
            options,
            &[&a, &b, &c],
            move |v, r| loss.clone().reduction(r).forward(&v[0], &v[1], &v[2]),
        );
    }
    let name = "triplet_margin_with_distance_loss";
    book.add(name, "1 - cosine, swap", &[&a, &b, &c], |v, r| {
        let loss = TripletMarginWithDistanceLoss::new().swap(true).reduction(r);
        let distance = |x: &Var<f64>, y: &Var<f64>| Ok(1.0 - cosine_similarity(x, y)?);
        loss.forward(&v[0], &v[1], &v[2], distance)
    });
    book.add_plain("cosine_similarity", "", pair, |v| {
        cosine_similarity(&v[0], &v[1])
    });
    for (options, p) in [("", 2.0), ("p 1", 1.0), ("p 3", 3.0)] {
        book.add_plain("pairwise_distance", options, pair, move |v| {
            PairwiseDistance::new().p(p).forward(&v[0], &v[1])
        });
        book.add_plain("cdist", options, pair, move |v| {
            Cdist::new().p(p).forward(&v[0], &v[1])
        });
    }
    for (options, temperature) in [("", 0.07), ("temperature 0.5", 0.5)] {
        let loss = InfoNce::new().temperature(temperature);
        book.add("info_nce", options, pair, move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    let many = book.normal(&[5, 3])?;
    book.add("info_nce", "negatives", &[&a, &b, &many], |v, r| {
        let loss = InfoNce::new().temperature(0.5).reduction(r);
        loss.forward_with_negatives(&v[0], &v[1], &v[2])
    });
    book.add("ntxent", "", pair, |v, r| {
        Ntxent::new().reduction(r).forward(&v[0], &v[1])
    });
    let (scale, bias) = (Tensor::scalar(2.0), Tensor::scalar(-1.0));
    book.add("clip_loss", "", &[&a, &b, &scale], |v, r| {
        ClipLoss::new().reduction(r).forward(&v[0], &v[1], &v[2])
    });
    book.add("siglip_loss", "", &[&a, &b, &scale, &bias], |v, r| {
        SiglipLoss::new()
            .reduction(r)
            .forward(&v[0], &v[1], &v[2], &v[3])
    });
    let labels = Tensor::from([0, 1, 0, 1]);
    for (options, temperature) in [("", 0.1), ("temperature 0.5", 0.5)] {
        let (loss, t) = (SupConLoss::new().temperature(temperature), labels.clone());
        book.add("sup_con_loss", options, &[&a], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    let t = labels.clone();
    book.add("multi_similarity_loss", "", &[&a], move |v, r| {
        MultiSimilarityLoss::new().reduction(r).forward(&v[0], &t)
    });
    let cosines = book.between(-0.8, 0.8, SHAPE)?;
    for (options, loss) in [
        ("scale 8", MarginSoftmaxLoss::new().scale(8.0)),
        (
            "scale 8, additive 0.3",
            MarginSoftmaxLoss::new()
                .scale(8.0)
                .margin(0.0)
                .additive(0.3),
        ),
    ] {
        let t = Tensor::from([0, 2, 1, 1]);
        book.add("margin_softmax_loss", options, &[&cosines], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    Ok(())
}
