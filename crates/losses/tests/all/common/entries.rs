//! The losses, one entry each: its name, what is drawn for it, the call, and the laws that it does not obey.

use super::*;

/// All losses.
pub fn all<T: Float>() -> Vec<Entry<T>> {
    let families = [
        regression(),
        binary(),
        classification(),
        divergence(),
        ranking(),
        metric(),
        others(),
    ];
    families.into_iter().flatten().collect()
}

fn regression<T: Float>() -> Vec<Entry<T>> {
    vec![
        entry("mse_loss", two, |v, _, r| {
            MseLoss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("l1_loss", two, |v, _, r| {
            L1Loss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("smooth_l1_loss", two, |v, _, r| {
            SmoothL1Loss::new()
                .beta(0.7)
                .reduction(r)
                .forward(&v[0], &v[1])
        }),
        entry("huber_loss", two, |v, _, r| {
            HuberLoss::new()
                .delta(0.7)
                .reduction(r)
                .forward(&v[0], &v[1])
        }),
        entry("log_cosh_loss", two, |v, _, r| {
            LogCoshLoss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("charbonnier_loss", two, |v, _, r| {
            CharbonnierLoss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("quantile_loss", two, |v, _, r| {
            QuantileLoss::new()
                .q(0.3)
                .reduction(r)
                .forward(&v[0], &v[1])
        }),
        entry("expectile_loss", two, |v, _, r| {
            ExpectileLoss::new()
                .q(0.3)
                .reduction(r)
                .forward(&v[0], &v[1])
        }),
        entry("msle_loss", amounts, |v, _, r| {
            MsleLoss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("mape_loss", amounts, |v, _, r| {
            MapeLoss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("tweedie_nll_loss", amounts, |v, _, r| {
            TweedieNllLoss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("rmse_loss", two, |v, _, _| rmse_loss(&v[0], &v[1])).without_reduction(),
        entry(
            "evidential_nig_loss",
            |d| {
                let (x, t) = (d.rows(), d.rows());
                let shape = [d.n, d.c];
                let [nu, alpha, beta] =
                    [0.5, 1.2, 0.3].map(|low| d.between(low, low + 1.5, &shape));
                of([x, nu, alpha, beta, t])
            },
            |v, _, r| {
                let loss = EvidentialNigLoss::new().reduction(r);
                loss.forward(&v[0], &v[1], &v[2], &v[3], &v[4])
            },
        ),
    ]
}

fn binary<T: Float>() -> Vec<Entry<T>> {
    vec![
        entry(
            "binary_cross_entropy",
            |d| {
                let shape = [d.n, d.c];
                of([d.between(0.05, 0.95, &shape), d.between(0.0, 1.0, &shape)])
            },
            |v, _, r| BinaryCrossEntropy::new().reduction(r).forward(&v[0], &v[1]),
        ),
        entry("binary_cross_entropy_with_logits", soft, |v, _, r| {
            let loss = BinaryCrossEntropyWithLogits::new();
            loss.reduction(r).forward(&v[0], &v[1])
        }),
        entry("sigmoid_focal_loss", labelled, |v, x, r| {
            SigmoidFocalLoss::new().reduction(r).forward(&v[0], &x.t[0])
        }),
        entry("asymmetric_loss", labelled, |v, x, r| {
            AsymmetricLoss::new().reduction(r).forward(&v[0], &x.t[0])
        }),
        entry("multilabel_soft_margin_loss", soft, |v, _, r| {
            MultilabelSoftMarginLoss::new()
                .reduction(r)
                .forward(&v[0], &v[1])
        }),
        entry(
            "multilabel_margin_loss",
            |d| {
                // One label or two, then the mark that ends them.
                let (n, c) = (d.n, d.c);
                let first = d.classes(c, &[n, 1]);
                let second = first.add(1).unwrap().remainder(c as i64).unwrap();
                let end = Tensor::full([n, c], -1i64).unwrap();
                let all = Tensor::cat(&[&first, &second, &end], 1).unwrap();
                of([d.rows()]).k(all.narrow(1, 0, c).unwrap())
            },
            |v, x, r| {
                MultilabelMarginLoss::new()
                    .reduction(r)
                    .forward(&v[0], &x.k[0])
            },
        )
        .shift(&[0]),
        entry("soft_margin_loss", signed, |v, x, r| {
            SoftMarginLoss::new().reduction(r).forward(&v[0], &x.t[0])
        }),
        entry("hinge_loss", signed, |v, x, r| {
            HingeLoss::new().reduction(r).forward(&v[0], &x.t[0])
        }),
        entry("squared_hinge_loss", signed, |v, x, r| {
            SquaredHingeLoss::new().reduction(r).forward(&v[0], &x.t[0])
        }),
    ]
}

fn classification<T: Float>() -> Vec<Entry<T>> {
    vec![
        entry("cross_entropy", classed, |v, x, r| {
            let loss = CrossEntropy::new().label_smoothing(0.1);
            loss.reduction(r).forward(&v[0], &x.k[0])
        })
        .shift(&[0]),
        entry("nll_loss", classed, |v, x, r| {
            NllLoss::new().reduction(r).forward(&v[0], &x.k[0])
        }),
        entry("softmax_focal_loss", classed, |v, x, r| {
            SoftmaxFocalLoss::new().reduction(r).forward(&v[0], &x.k[0])
        })
        .shift(&[0]),
        entry("generalized_cross_entropy", classed, |v, x, r| {
            GeneralizedCrossEntropy::new()
                .reduction(r)
                .forward(&v[0], &x.k[0])
        })
        .shift(&[0]),
        entry("poly1_cross_entropy", classed, |v, x, r| {
            Poly1CrossEntropy::new()
                .reduction(r)
                .forward(&v[0], &x.k[0])
        })
        .shift(&[0]),
        entry(
            "logit_adjusted_cross_entropy",
            |d| {
                let priors: Tensor<T> = d.logits(&[d.c]);
                classed(d).t(priors.softmax(0).unwrap())
            },
            |v, x, r| {
                let loss = LogitAdjustedCrossEntropy::new().priors(x.t[0].clone());
                loss.reduction(r).forward(&v[0], &x.k[0])
            },
        )
        .samples(&[FIRST, &[None], FIRST])
        .shift(&[0]),
        entry("multi_margin_loss", classed, |v, x, r| {
            MultiMarginLoss::new().reduction(r).forward(&v[0], &x.k[0])
        })
        .shift(&[0]),
        entry(
            "linear_cross_entropy",
            |d| {
                let (n, c) = (d.n, d.c);
                of([d.rows(), d.logits(&[c + 3, c])]).k(d.classes(c + 3, &[n]))
            },
            |v, x, r| {
                let loss = LinearCrossEntropy::new().label_smoothing(0.1);
                loss.reduction(r).forward(&v[0], &v[1], &x.k[0])
            },
        )
        .samples(SHARED_BUT_FIRST),
        entry(
            "adaptive_log_softmax_with_loss",
            |d| {
                // Two frequent classes, and a cluster of three behind a layer of one number.
                let (n, c) = (d.n, d.c);
                let (head, down, up) = (d.logits(&[3, c]), d.logits(&[1, c]), d.logits(&[3, 1]));
                of([d.rows(), head, down, up]).k(d.classes(5, &[n]))
            },
            |v, x, r| {
                let tails = [(v[2].clone(), v[3].clone())];
                let loss = AdaptiveLogSoftmaxWithLoss::new().cutoffs([2, 5]);
                loss.reduction(r).forward(&v[0], &x.k[0], &v[1], &tails)
            },
        )
        .samples(SHARED_BUT_FIRST),
    ]
}

fn divergence<T: Float>() -> Vec<Entry<T>> {
    vec![
        entry(
            "kl_div",
            |d| of([d.rows(), d.probabilities()]),
            |v, _, r| KlDiv::new().reduction(r).forward(&v[0], &v[1]),
        ),
        entry("kl_div_with_logits", two, |v, _, r| {
            let loss = KlDivWithLogits::new().temperature(2.0);
            loss.reduction(r).forward(&v[0], &v[1])
        })
        .shift(&[0, 1]),
        entry("js_divergence", two, |v, _, r| {
            JsDivergence::new()
                .beta(0.3)
                .reduction(r)
                .forward(&v[0], &v[1])
        })
        .shift(&[0, 1]),
        entry(
            "entropy",
            |d| of([d.probabilities()]),
            |v, _, _| entropy(&v[0], -1),
        )
        .without_reduction(),
        entry(
            "entropy_with_logits",
            |d| of([d.rows()]),
            |v, _, _| entropy_with_logits(&v[0], -1),
        )
        .without_reduction()
        .shift(&[0]),
        entry("gaussian_kl", two, |v, _, r| {
            GaussianKl::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry(
            "gaussian_nll_loss",
            |d| {
                let shape = [d.n, d.c];
                of([d.rows(), d.rows(), d.between(0.3, 2.0, &shape)])
            },
            |v, _, r| {
                GaussianNllLoss::new()
                    .reduction(r)
                    .forward(&v[0], &v[1], &v[2])
            },
        ),
        entry("gaussian_nll_loss_with_log_var", three, |v, _, r| {
            GaussianNllLossWithLogVar::new()
                .reduction(r)
                .forward(&v[0], &v[1], &v[2])
        }),
        entry("poisson_nll_loss", amounts, |v, _, r| {
            PoissonNllLoss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry(
            "wasserstein_1d",
            |d| of([d.probabilities(), d.probabilities()]),
            |v, _, r| {
                Wasserstein1d::new()
                    .p(2.0)
                    .reduction(r)
                    .forward(&v[0], &v[1])
            },
        ),
        entry(
            "sinkhorn",
            |d| {
                let (n, c) = (d.n, d.c);
                let (a, b): (Tensor<T>, Tensor<T>) = (d.logits(&[n, 3]), d.logits(&[n, c]));
                let soft = |x: Tensor<T>| x.softmax(-1).unwrap();
                of([d.between(0.0, 1.0, &[n, 3, c])]).t(soft(a)).t(soft(b))
            },
            |v, x, r| {
                let loss = Sinkhorn::new().epsilon(0.5).tolerance(1e-5);
                let (a, b) = (Var::from(&x.t[0]), Var::from(&x.t[1]));
                loss.reduction(r).forward(&v[0], &a, &b)
            },
        )
        .slow(),
    ]
}

fn ranking<T: Float>() -> Vec<Entry<T>> {
    vec![
        entry(
            "margin_ranking_loss",
            |d| {
                let shape = [d.n, d.c];
                two(d).t(d.signs(&shape))
            },
            |v, x, r| {
                let loss = MarginRankingLoss::new().margin(0.3);
                loss.reduction(r).forward(&v[0], &v[1], &Var::from(&x.t[0]))
            },
        ),
        entry("pairwise_logistic", two, |v, _, r| {
            PairwiseLogistic::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("hinge_embedding_loss", signed, |v, x, r| {
            HingeEmbeddingLoss::new()
                .reduction(r)
                .forward(&v[0], &x.t[0])
        }),
        entry("list_net", two, |v, _, r| {
            ListNet::new().reduction(r).forward(&v[0], &v[1])
        })
        .shift(&[0, 1]),
        entry(
            "list_mle",
            |d| of([d.rows()]).t(d.rows()),
            |v, x, r| ListMle::new().reduction(r).forward(&v[0], &x.t[0]),
        )
        .shift(&[0]),
        entry(
            "dpo_loss",
            |d| {
                let shape = [d.n];
                of([
                    d.logits(&shape),
                    d.logits(&shape),
                    d.logits(&shape),
                    d.logits(&shape),
                ])
            },
            |v, _, r| {
                let loss = DpoLoss::new().label_smoothing(0.1).reduction(r);
                loss.forward(&v[0], &v[1], &v[2], &v[3])
            },
        ),
    ]
}

fn metric<T: Float>() -> Vec<Entry<T>> {
    let scale = |d: &mut Draw| two(d).v_scalar(2.0);
    let scale_and_bias = |d: &mut Draw| two(d).v_scalar(2.0).v_scalar(-1.0);
    vec![
        entry("cosine_embedding_loss", pairs_with_signs, |v, x, r| {
            let loss = CosineEmbeddingLoss::new().margin(-0.3);
            loss.reduction(r).forward(&v[0], &v[1], &x.t[0])
        }),
        entry(
            "contrastive_loss",
            |d| {
                let n = d.n;
                two(d).t(d.labels(&[n]))
            },
            |v, x, r| {
                ContrastiveLoss::new()
                    .margin(3.0)
                    .reduction(r)
                    .forward(&v[0], &v[1], &x.t[0])
            },
        ),
        entry("triplet_margin_loss", three, |v, _, r| {
            TripletMarginLoss::new()
                .swap(true)
                .reduction(r)
                .forward(&v[0], &v[1], &v[2])
        }),
        entry("triplet_margin_with_distance_loss", three, |v, _, r| {
            let distance = |x: &Var<T>, y: &Var<T>| cosine_similarity(x, y)?.neg().add(1.0);
            let loss = TripletMarginWithDistanceLoss::new().reduction(r);
            loss.forward(&v[0], &v[1], &v[2], distance)
        }),
        entry("cosine_similarity", two, |v, _, _| {
            cosine_similarity(&v[0], &v[1])
        })
        .without_reduction(),
        entry("pairwise_distance", two, |v, _, _| {
            pairwise_distance(&v[0], &v[1])
        })
        .without_reduction(),
        entry("cdist", two, |v, _, _| cdist(&v[0], &v[1]))
            .without_reduction()
            .joint(),
        entry("info_nce", two, |v, _, r| {
            InfoNce::new()
                .temperature(0.5)
                .reduction(r)
                .forward(&v[0], &v[1])
        })
        .joint(),
        entry("ntxent", two, |v, _, r| {
            Ntxent::new().reduction(r).forward(&v[0], &v[1])
        })
        .joint(),
        entry("clip_loss", scale, |v, _, r| {
            ClipLoss::new().reduction(r).forward(&v[0], &v[1], &v[2])
        })
        .samples(SHARED_LAST)
        .joint(),
        entry("siglip_loss", scale_and_bias, |v, _, r| {
            SiglipLoss::new()
                .reduction(r)
                .forward(&v[0], &v[1], &v[2], &v[3])
        })
        .samples(SHARED_LAST)
        .joint(),
        entry("sup_con_loss", classed, |v, x, r| {
            SupConLoss::new()
                .temperature(0.5)
                .reduction(r)
                .forward(&v[0], &x.k[0])
        })
        .joint()
        .other_mean(),
        entry("multi_similarity_loss", classed, |v, x, r| {
            MultiSimilarityLoss::new()
                .reduction(r)
                .forward(&v[0], &x.k[0])
        })
        .joint(),
        entry("margin_softmax_loss", cosines, |v, x, r| {
            MarginSoftmaxLoss::new()
                .scale(8.0)
                .reduction(r)
                .forward(&v[0], &x.k[0])
        }),
    ]
}

impl<T: Float> Inputs<T> {
    fn v_scalar(mut self, x: f64) -> Self {
        self.v.push(Tensor::scalar(T::of(x)));
        self
    }
}

fn others<T: Float>() -> Vec<Entry<T>> {
    vec![
        entry("giou_loss", boxes, |v, _, r| {
            GiouLoss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("diou_loss", boxes, |v, _, r| {
            DiouLoss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("ciou_loss", boxes, |v, _, r| {
            CiouLoss::new().reduction(r).forward(&v[0], &v[1])
        }),
        entry("dice_loss", pictures, |v, x, r| {
            DiceLoss::new().reduction(r).forward(&v[0], &x.k[0])
        }),
        entry("tversky_loss", pictures, |v, x, r| {
            TverskyLoss::new()
                .alpha(0.3)
                .gamma(1.5)
                .reduction(r)
                .forward(&v[0], &x.k[0])
        }),
        entry("lovasz_hinge", labelled, |v, x, r| {
            LovaszHinge::new()
                .per_image(true)
                .reduction(r)
                .forward(&v[0], &x.t[0])
        }),
        entry("lovasz_softmax", pictures, |v, x, r| {
            LovaszSoftmax::new()
                .per_image(true)
                .reduction(r)
                .forward(&v[0], &x.k[0])
        }),
        entry("barlow_twins_loss", two, |v, _, _| {
            barlow_twins_loss(&v[0], &v[1])
        })
        .without_reduction()
        .joint(),
        entry("vicreg_loss", two, |v, _, _| vicreg_loss(&v[0], &v[1]))
            .without_reduction()
            .joint(),
        entry("ctc_loss", spoken, |v, x, r| {
            let loss = CtcLoss::new().reduction(r);
            loss.forward(&v[0].log_softmax(2)?, &x.k[0], &x.k[1], &x.k[2])
        })
        .samples(SPOKEN)
        .shift(&[0])
        .other_mean(),
        entry("ctc_loss_with_logits", spoken, |v, x, r| {
            CtcLossWithLogits::new()
                .reduction(r)
                .forward(&v[0], &x.k[0], &x.k[1], &x.k[2])
        })
        .samples(SPOKEN)
        .shift(&[0])
        .other_mean(),
        entry(
            "rnnt_loss",
            |d| {
                let (n, c) = (d.n, d.c);
                let targets = d.classes(c - 1, &[n, 2]).add(1).unwrap();
                let (steps, lengths) = (d.classes(3, &[n]), d.classes(3, &[n]));
                of([d.logits(&[n, 4, 3, c])])
                    .k(targets)
                    .k(steps.add(2).unwrap())
                    .k(lengths)
            },
            |v, x, r| {
                RnntLoss::new()
                    .reduction(r)
                    .forward(&v[0], &x.k[0], &x.k[1], &x.k[2])
            },
        )
        .shift(&[0]),
    ]
}
