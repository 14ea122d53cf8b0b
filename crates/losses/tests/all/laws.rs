//! What holds of a loss for all inputs, by the mathematics of that loss: bounds, symmetries, what a shift, a scale or an
//! exchange changes, and probabilities that add up.

use losses::prelude::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::f64::consts::LN_2;

const N: usize = 3;
const C: usize = 4;

type V = Var<f64>;

/// As many numbers as a matrix of `N` by `C` has, between `-size` and `size`.
fn numbers(size: f64) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-size..size, N * C)
}

fn matrix(x: &[f64]) -> V {
    Var::from(Tensor::from_vec(x.to_vec(), [N, C]).unwrap())
}

fn classes() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(0..C as i64, N)
}

fn vector<T: Element>(x: &[T]) -> Tensor<T> {
    Tensor::from_vec(x.to_vec(), [x.len()]).unwrap()
}

fn value(y: Result<V>) -> f64 {
    y.unwrap().item().unwrap()
}

fn list(y: Result<V>) -> Vec<f64> {
    y.unwrap().value().to_vec()
}

#[track_caller]
fn same(what: &str, a: f64, b: f64) {
    let size = a.abs().max(b.abs()).max(1.0);
    assert!((a - b).abs() <= 1e-9 * size, "{what}: {a} and {b}");
}

/// The gradient of `loss` at `x`.
fn slopes(x: &[f64], loss: impl Fn(&V) -> Result<V>) -> Vec<f64> {
    let tape = Tape::new();
    let x = tape.leaf(matrix(x).into_value());
    let y = loss(&x).unwrap();
    y.backward().unwrap().get(&x).unwrap().to_vec()
}

type OfLogits = fn(&V, &Tensor<i64>, &V) -> Result<V>;

/// Losses of logits, which depend on the differences in a row alone; some take classes, some another row.
fn of_logits() -> Vec<(&'static str, OfLogits)> {
    vec![
        ("cross_entropy", |x, t, _| cross_entropy(x, t)),
        ("cross_entropy, smoothed", |x, t, _| {
            CrossEntropy::new().label_smoothing(0.2).forward(x, t)
        }),
        ("cross_entropy of distributions", |x, _, q| {
            cross_entropy(x, &q.softmax(-1)?)
        }),
        ("softmax_focal_loss", |x, t, _| softmax_focal_loss(x, t)),
        ("poly1_cross_entropy", |x, t, _| poly1_cross_entropy(x, t)),
        ("generalized_cross_entropy", |x, t, _| {
            generalized_cross_entropy(x, t)
        }),
        ("logit_adjusted_cross_entropy", |x, t, _| {
            logit_adjusted_cross_entropy(x, t, &Tensor::from([0.1, 0.2, 0.3, 0.4]))
        }),
        ("multi_margin_loss", |x, t, _| multi_margin_loss(x, t)),
        ("multilabel_margin_loss", |x, t, _| {
            let rest = Tensor::full([N, C - 1], -1)?;
            multilabel_margin_loss(x, &Tensor::cat(&[&t.unsqueeze(1)?, &rest], 1)?)
        }),
        ("kl_div_with_logits", |x, _, q| kl_div_with_logits(x, q)),
        ("js_divergence", |x, _, q| js_divergence(x, q)),
        ("entropy_with_logits", |x, _, _| {
            entropy_with_logits(x, -1)?.sum(..)
        }),
        ("list_net", |x, _, q| list_net(x, q)),
        ("list_mle", |x, _, q| list_mle(x, q.value())),
        ("ctc_loss_with_logits", |x, t, _| {
            let label = t.select(0, 0)?.maximum(1)?.reshape([1, 1])?;
            let (steps, one) = (Tensor::from([N as i64]), Tensor::from([1]));
            ctc_loss_with_logits(&x.unsqueeze(1)?, &label, &steps, &one)
        }),
    ]
}

/// Of values: what an exchange of prediction and target does.
type OfTwo = fn(&V, &V) -> Result<V>;

fn symmetric() -> Vec<(&'static str, OfTwo)> {
    vec![
        ("mse_loss", mse_loss),
        ("rmse_loss", rmse_loss),
        ("l1_loss", l1_loss),
        ("smooth_l1_loss", smooth_l1_loss),
        ("huber_loss", huber_loss),
        ("log_cosh_loss", log_cosh_loss),
        ("charbonnier_loss", charbonnier_loss),
        ("js_divergence", js_divergence),
        ("wasserstein_1d", |a, b| {
            wasserstein_1d(&a.softmax(-1)?, &b.softmax(-1)?)
        }),
        ("cosine_similarity", |a, b| cosine_similarity(a, b)?.sum(..)),
        ("ntxent", ntxent),
        ("barlow_twins_loss", barlow_twins_loss),
        ("vicreg_loss", vicreg_loss),
        ("clip_loss", |a, b| {
            clip_loss(a, b, &Var::from(Tensor::scalar(3.0)))
        }),
        ("siglip_loss", |a, b| {
            let (k, bias) = (Tensor::scalar(3.0), Tensor::scalar(-1.0));
            siglip_loss(a, b, &Var::from(k), &Var::from(bias))
        }),
    ]
}

/// Losses of directions, which do not see how long a vector is.
fn of_directions() -> Vec<(&'static str, OfTwo)> {
    let mut all = symmetric();
    all.retain(|(name, _)| {
        ["cosine_similarity", "ntxent", "clip_loss", "siglip_loss"].contains(name)
    });
    all.extend([
        (
            "cosine_embedding_loss",
            (|a, b| cosine_embedding_loss(a, b, &Tensor::from([1.0, -1.0, 1.0]))) as OfTwo,
        ),
        ("info_nce", info_nce),
        ("sup_con_loss", |a, _| {
            sup_con_loss(a, &Tensor::from([0, 0, 1]))
        }),
        ("multi_similarity_loss", |a, _| {
            multi_similarity_loss(a, &Tensor::from([0, 0, 1]))
        }),
    ]);
    all
}

fn boxes(x: &[f64]) -> V {
    let corners = x.chunks_exact(4).map(|b| {
        let (w, h) = (0.1 + b[2].abs(), 0.1 + b[3].abs());
        [b[0], b[1], b[0] + w, b[1] + h]
    });
    let corners: Vec<f64> = corners.flatten().collect();
    Var::from(Tensor::from_vec(corners, [N, 4]).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(41),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_shift_of_a_row_of_logits_changes_nothing(
        x in numbers(8.0), q in numbers(3.0), t in classes(), by in prop::collection::vec(-50.0..50.0, N),
    ) {
        let (target, q) = (vector(&t), matrix(&q));
        let shift = Var::from(vector(&by)).unsqueeze(1).unwrap();
        for (name, loss) in of_logits() {
            let plain = value(loss(&matrix(&x), &target, &q));
            let moved = value(loss(&matrix(&x).add(&shift).unwrap(), &target, &q));
            prop_assert!((plain - moved).abs() < 1e-9 * plain.abs().max(1.0), "{name}: {plain} {moved}");
            // So a row's slopes add up to nothing: in cross entropy to the last digits of the largest, elsewhere to those
            // of the probabilities that they are differences of.
            let (digits, least) = match name {
                "cross_entropy" => (2.0 * f64::EPSILON, 0.0),
                _ => (1e-13, 1.0),
            };
            for row in slopes(&x, |x| loss(x, &target, &q)).chunks(C) {
                let largest = row.iter().fold(least, |m, g| f64::max(m, g.abs()));
                let sum: f64 = row.iter().sum();
                prop_assert!(sum.abs() <= digits * largest, "{name}: {row:?}");
            }
        }
    }

    #[test]
    fn divergences_are_never_negative(x in numbers(30.0), q in numbers(30.0), p in 0.05f64..0.95) {
        let (a, b) = (matrix(&x), matrix(&q));
        let none = Reduction::None;
        let kl = KlDivWithLogits::new().reduction(none);
        for kl in [list(kl.forward(&a, &b)), list(kl.clone().reverse(true).forward(&a, &b)), list(kl.forward(&a, &a))] {
            prop_assert!(kl.iter().all(|v| *v >= 0.0), "{kl:?}");
        }
        let js = list(JsDivergence::new().reduction(none).forward(&a, &b));
        prop_assert!(js.iter().all(|v| (0.0..=LN_2 * (1.0 + 1e-12)).contains(v)), "{js:?}");
        let uneven = list(JsDivergence::new().beta(p).reduction(none).forward(&a, &b));
        prop_assert!(uneven.iter().all(|v| *v >= 0.0), "{uneven:?}");
        let gaussian = list(GaussianKl::new().reduction(none).forward(&a, &b));
        prop_assert!(gaussian.iter().all(|v| *v >= 0.0), "{gaussian:?}");
        let spread = list(entropy_with_logits(&a, -1));
        prop_assert!(spread.iter().all(|v| (0.0..=(C as f64).ln() + 1e-12).contains(v)), "{spread:?}");
        let (rows, others) = (a.softmax(-1).unwrap(), b.softmax(-1).unwrap());
        same("two entropies", spread[0], list(entropy(&rows, -1))[0]);
        let way = list(Wasserstein1d::new().reduction(none).forward(&rows, &others));
        prop_assert!(way.iter().all(|v| (0.0..=C as f64 - 1.0).contains(v)), "{way:?}");
        // Both ways of one divergence, from logits and from logarithms.
        let logs = KlDiv::new().log_target(true).reduction(Reduction::Sum);
        let of_logs = logs.forward(&a.log_softmax(-1).unwrap(), &b.log_softmax(-1).unwrap());
        let of_logits = KlDivWithLogits::new().reduction(Reduction::Sum).forward(&a, &b);
        same("two divergences", value(of_logs), value(of_logits));
    }

    #[test]
    fn overlaps_lie_between_0_and_1(x in prop::collection::vec(0.0..1.0f64, N * C), t in prop::collection::vec(0..2i32, N * C)) {
        let x = matrix(&x);
        let t: Vec<f64> = t.into_iter().map(f64::from).collect();
        let t = matrix(&t);
        let none = Reduction::None;
        for smooth in [0.0, 1.0] {
            let both = [
                list(DiceLoss::new().smooth(smooth).reduction(none).forward(&x, &t)),
                list(DiceLoss::new().smooth(smooth).squared(true).reduction(none).forward(&x, &t)),
                list(TverskyLoss::new().smooth(smooth).alpha(0.3).beta(0.7).reduction(none).forward(&x, &t)),
            ];
            prop_assert!(both.iter().flatten().all(|v| (-1e-12..=1.0 + 1e-12).contains(v)), "{both:?}");
        }
        let rows = x.softmax(1).unwrap();
        let lovasz = value(lovasz_softmax(&rows, &Tensor::from([0, 3, 1])));
        prop_assert!((0.0..=1.0 + 1e-12).contains(&lovasz), "{lovasz}");
        prop_assert!(value(lovasz_hinge(&x, t.value())) >= 0.0);
    }

    #[test]
    fn boxes_may_be_moved_and_scaled(a in numbers(3.0), b in numbers(3.0), by in -9.0..9.0, scale in 0.2..5.0) {
        let (a, b) = (boxes(&a), boxes(&b));
        let all: [(&str, OfTwo, f64); 3] = [("giou", giou_loss, 2.0), ("diou", diou_loss, 2.0), ("ciou", ciou_loss, 3.0)];
        for (name, loss, most) in all {
            let plain = value(loss(&a, &b));
            let moved = |x: &V| x.mul(scale).unwrap().add(by).unwrap();
            // The `eps` of the denominators is not scaled with the boxes.
            prop_assert!((value(loss(&moved(&a), &moved(&b))) - plain).abs() < 1e-4, "{name}");
            prop_assert!((-1e-6..=most).contains(&plain), "{name}: {plain}");
            prop_assert!(value(loss(&a, &a)).abs() < 1e-5, "{name}");
        }
        same("giou, exchanged", value(giou_loss(&a, &b)), value(giou_loss(&b, &a)));
        same("diou, exchanged", value(diou_loss(&a, &b)), value(diou_loss(&b, &a)));
    }

    #[test]
    fn exchanges_and_bounds_of_errors(x in numbers(20.0), t in numbers(20.0), q in 0.01f64..0.99, delta in 0.1f64..5.0) {
        let (a, b) = (matrix(&x), matrix(&t));
        for (name, loss) in symmetric() {
            same(name, value(loss(&a, &b)), value(loss(&b, &a)));
        }
        let quantile = |q: f64, x, t| value(QuantileLoss::new().q(q).forward(x, t));
        same("quantile", quantile(q, &a, &b), quantile(1.0 - q, &b, &a));
        let expectile = |q: f64, x, t| value(ExpectileLoss::new().q(q).forward(x, t));
        same("expectile", expectile(q, &a, &b), expectile(1.0 - q, &b, &a));
        let (l1, mse) = (value(l1_loss(&a, &b)), value(mse_loss(&a, &b)));
        same("half a quantile", 2.0 * quantile(0.5, &a, &b), l1);
        same("half an expectile", 2.0 * expectile(0.5, &a, &b), mse);
        same("a root", value(rmse_loss(&a, &b)).powi(2), mse);
        let huber = value(HuberLoss::new().delta(delta).forward(&a, &b));
        prop_assert!(huber <= 0.5 * mse * (1.0 + 1e-12) && huber <= delta * l1 * (1.0 + 1e-12));
        let smooth = value(SmoothL1Loss::new().beta(delta).forward(&a, &b));
        same("smooth_l1 and huber", smooth * delta, huber);
        let log_cosh = value(log_cosh_loss(&a, &b));
        prop_assert!(log_cosh <= l1 && log_cosh >= l1 - LN_2 - 1e-12);
        prop_assert!(value(charbonnier_loss(&a, &b)) >= l1);
        let shifted = |x: &V| x.add(delta).unwrap();
        same("a shift", value(gaussian_nll_loss(&a, &b, 0.5)), value(gaussian_nll_loss(&shifted(&a), &shifted(&b), 0.5)));
        same("a variance and its logarithm", value(gaussian_nll_loss(&a, &b, delta)), value(gaussian_nll_loss_with_log_var(&a, &b, delta.ln())));
    }

    #[test]
    fn signs_may_be_turned(x in numbers(9.0), y in numbers(9.0), t in prop::collection::vec(any::<bool>(), N * C)) {
        let (x, other) = (matrix(&x), matrix(&y));
        let labels: Vec<f64> = t.iter().map(|&t| f64::from(u8::from(t))).collect();
        let labels = matrix(&labels);
        let signs = labels.mul(2.0).unwrap().sub(1.0).unwrap();
        let turned = |x: &V| -x;
        type OfSigns = fn(&V, &Tensor<f64>) -> Result<V>;
        let of_signs: [(&str, OfSigns); 3] = [("soft_margin", soft_margin_loss), ("hinge", hinge_loss), ("squared_hinge", squared_hinge_loss)];
        for (name, loss) in of_signs {
            same(name, value(loss(&x, signs.value())), value(loss(&turned(&x), turned(&signs).value())));
        }
        let no = labels.sub(1.0).unwrap().mul(-1.0).unwrap();
        same("labels", value(binary_cross_entropy_with_logits(&x, &labels)), value(binary_cross_entropy_with_logits(&turned(&x), &no)));
        same("a label and a sign", value(binary_cross_entropy_with_logits(&x, &labels)), value(soft_margin_loss(&x, signs.value())));
        same("logits and probabilities", value(binary_cross_entropy_with_logits(&x, &labels)), value(binary_cross_entropy(&x.sigmoid(), &labels)));
        same("many labels", value(multilabel_soft_margin_loss(&x, &labels)), value(binary_cross_entropy_with_logits(&x, &labels)));
        let focal = SigmoidFocalLoss::new().alpha(0.5);
        same("focal", value(focal.forward(&x, labels.value())), value(focal.forward(&turned(&x), no.value())));
        let plain = AsymmetricLoss::new().gamma_pos(0.0).gamma_neg(0.0).clip(0.0).reduction(Reduction::Mean);
        same("asymmetric without options", value(plain.forward(&x, labels.value())), value(binary_cross_entropy_with_logits(&x, &labels)));
        same("ranks", value(margin_ranking_loss(&x, &other, &signs)), value(margin_ranking_loss(&other, &x, &turned(&signs))));
        // Of two that are compared one wins.
        let first = list(PairwiseLogistic::new().reduction(Reduction::None).forward(&x, &other));
        let second = list(PairwiseLogistic::new().reduction(Reduction::None).forward(&other, &x));
        for (a, b) in first.iter().zip(&second) {
            same("a win and a loss", (-a).exp() + (-b).exp(), 1.0);
        }
        let zero = Var::from(x.value().zeros_like());
        let preferred = list(DpoLoss::new().beta(0.3).reduction(Reduction::None).forward(&x, &other, &zero, &zero));
        let not = list(DpoLoss::new().beta(0.3).reduction(Reduction::None).forward(&other, &x, &zero, &zero));
        for (a, b) in preferred.iter().zip(&not) {
            same("a preference and its opposite", (-a).exp() + (-b).exp(), 1.0);
        }
    }

    #[test]
    fn lengths_and_places_do_not_count(a in numbers(2.0), b in numbers(2.0), c in numbers(2.0), scale in 0.01f64..100.0, by in -5.0..5.0) {
        let (a, b, c) = (matrix(&a), matrix(&b), matrix(&c));
        let scaled = |x: &V| x.mul(scale).unwrap();
        for (name, loss) in of_directions() {
            same(name, value(loss(&a, &b)), value(loss(&scaled(&a), &b)));
        }
        prop_assert!(value(info_nce(&a, &b)) >= 0.0 && value(ntxent(&a, &b)) >= 0.0);
        prop_assert!(value(sup_con_loss(&a, &Tensor::from([0, 0, 1]))) >= 0.0);
        // Distances do not see where all vectors are.
        let moved = |x: &V| x.add(by).unwrap();
        let none = Reduction::None;
        let triplet = TripletMarginLoss::new().reduction(none);
        let pair = ContrastiveLoss::new().reduction(none);
        let t = Tensor::from([1.0, 0.0, 1.0]);
        for (plain, moved) in [
            (list(triplet.forward(&a, &b, &c)), list(triplet.forward(&moved(&a), &moved(&b), &moved(&c)))),
            (list(pair.forward(&a, &b, &t)), list(pair.forward(&moved(&a), &moved(&b), &t))),
            (list(cdist(&a, &b)), list(cdist(&moved(&a), &moved(&b)))),
            (list(vicreg_loss(&a, &b).and_then(|_| pairwise_distance(&a, &b))), list(pairwise_distance(&moved(&a), &moved(&b)))),
        ] {
            for (a, b) in plain.iter().zip(&moved) {
                same("a distance", *a, *b);
            }
        }
        // Of three sides none is longer than the other two.
        let side = |x: &V, y: &V| list(PairwiseDistance::new().eps(0.0).forward(x, y));
        for ((ab, bc), ac) in side(&a, &b).iter().zip(side(&b, &c)).zip(side(&a, &c)) {
            prop_assert!(ac <= ab + bc + 1e-12);
        }
        // What is standardised sees neither shift nor scale, up to the `eps` beside the variance.
        let plain = value(barlow_twins_loss(&a, &b));
        let changed = value(barlow_twins_loss(&moved(&a), &b));
        prop_assert!((plain - changed).abs() < 1e-9 * plain.max(1.0), "{plain} {changed}");
    }

    #[test]
    fn rates_are_best_at_the_mean(t in 0.5f64..20.0, off in prop::sample::select(vec![-0.3, -0.01, 0.01, 0.3])) {
        let one = |v: f64| Var::from(Tensor::from([v]));
        let (best, near) = (one(t.ln()), one(t.ln() + off));
        prop_assert!(value(poisson_nll_loss(&best, &one(t))) < value(poisson_nll_loss(&near, &one(t))));
        prop_assert!(value(tweedie_nll_loss(&best, &one(t))) < value(tweedie_nll_loss(&near, &one(t))));
        prop_assert!(value(gaussian_nll_loss(&one(t), &one(0.0), t * t)) < value(gaussian_nll_loss(&one(t), &one(0.0), t * t * (1.0 + off))));
    }

    #[test]
    fn the_probabilities_of_all_label_sequences_add_up(x in prop::collection::vec(-4.0f64..4.0, 9)) {
        // Three steps of a blank and two labels: each path spells one of the sequences of at most three labels.
        let x = Var::from(Tensor::from_vec(x, [3, 1, 3]).unwrap());
        let steps = Tensor::from([3]);
        let mut total = 0.0;
        for n in 0..=3u32 {
            for code in 0..2i64.pow(n) {
                let labels: Vec<i64> = (0..n).map(|k| 1 + (code >> k & 1)).collect();
                let length = Tensor::from([i64::from(n)]);
                let loss = CtcLossWithLogits::new().reduction(Reduction::Sum);
                total += (-value(loss.forward(&x, &vector(&labels), &steps, &length))).exp();
            }
        }
        same("all sequences", total, 1.0);
    }
}
