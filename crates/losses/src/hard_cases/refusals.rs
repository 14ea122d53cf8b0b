//! What is refused in place of a number without meaning, and what a mean divides by.

use super::of_first;
use crate::prelude::*;
use autograd::{gradcheck, gradgradcheck};

#[test]
fn labels_outside_the_classes_are_not_read() {
    let x = Var::from(Tensor::full([4, 1, 3], -1.0f32).unwrap());
    let (steps, length) = (Tensor::from([4]), Tensor::from([1]));
    for label in [3, -1, 100_000] {
        let t = Tensor::from([[label]]);
        for e in [
            ctc_loss(&x, &t, &steps, &length),
            ctc_loss_with_logits(&x, &t, &steps, &length),
        ] {
            let text = e.unwrap_err().to_string();
            assert!(text.contains(&format!("target[0, 0] is {label}")), "{text}");
        }
    }
    // Nor is a label that is the blank taken for a number.
    assert!(ctc_loss(&x, &Tensor::from([[0]]), &steps, &length).is_err());
}

#[test]
fn a_mean_over_no_rows_is_nan_and_not_what_lay_in_memory() {
    let x = Tensor::<f32>::zeros([0, 3]).unwrap();
    let (classes, lists) = (Tensor::zeros([0]).unwrap(), Tensor::zeros([0, 3]).unwrap());
    for (mean, sum) in [
        (
            multi_margin_loss(&Var::from(&x), &classes),
            MultiMarginLoss::new()
                .reduction(Reduction::Sum)
                .forward(&Var::from(&x), &classes),
        ),
        (
            multilabel_margin_loss(&Var::from(&x), &lists),
            MultilabelMarginLoss::new()
                .reduction(Reduction::Sum)
                .forward(&Var::from(&x), &lists),
        ),
    ] {
        assert!(mean.unwrap().item().unwrap().is_nan());
        assert_eq!(sum.unwrap().item().unwrap(), 0.0);
    }
}

type OfTwo = fn(&Var<f64>, &Var<f64>) -> Result<Var<f64>>;

/// Each loss of two inputs of one shape.
fn of_two() -> Vec<(&'static str, OfTwo)> {
    vec![
        ("mse_loss", mse_loss),
        ("l1_loss", l1_loss),
        ("smooth_l1_loss", smooth_l1_loss),
        ("huber_loss", huber_loss),
        ("rmse_loss", rmse_loss),
        ("log_cosh_loss", log_cosh_loss),
        ("charbonnier_loss", charbonnier_loss),
        ("quantile_loss", quantile_loss),
        ("expectile_loss", expectile_loss),
        ("msle_loss", msle_loss),
        ("mape_loss", mape_loss),
        ("tweedie_nll_loss", tweedie_nll_loss),
        ("gaussian_nll_loss", |x, t| gaussian_nll_loss(x, t, 1.0)),
        ("gaussian_nll_loss_with_log_var", |x, t| {
            gaussian_nll_loss_with_log_var(x, t, 0.0)
        }),
        ("gaussian_kl", gaussian_kl),
        ("poisson_nll_loss", poisson_nll_loss),
        ("kl_div", kl_div),
        ("kl_div_with_logits", kl_div_with_logits),
        ("js_divergence", js_divergence),
        ("wasserstein_1d", wasserstein_1d),
        ("binary_cross_entropy", binary_cross_entropy),
        (
            "binary_cross_entropy_with_logits",
            binary_cross_entropy_with_logits,
        ),
        ("multilabel_soft_margin_loss", multilabel_soft_margin_loss),
        ("sigmoid_focal_loss", |x, t| {
            sigmoid_focal_loss(x, t.value())
        }),
        ("asymmetric_loss", |x, t| asymmetric_loss(x, t.value())),
        ("soft_margin_loss", |x, t| soft_margin_loss(x, t.value())),
        ("hinge_loss", |x, t| hinge_loss(x, t.value())),
        ("squared_hinge_loss", |x, t| {
            squared_hinge_loss(x, t.value())
        }),
        ("hinge_embedding_loss", |x, t| {
            hinge_embedding_loss(x, t.value())
        }),
        ("margin_ranking_loss", |x, t| margin_ranking_loss(x, x, t)),
        ("pairwise_logistic", pairwise_logistic),
        ("list_net", list_net),
        ("list_mle", |x, t| list_mle(x, t.value())),
        ("cosine_similarity", |x, t| {
            CosineSimilarity::new().dim(-1).forward(x, t)
        }),
        ("pairwise_distance", pairwise_distance),
        ("dice_loss", |x, t| dice_loss(x, t)),
        ("tversky_loss", |x, t| tversky_loss(x, t)),
        ("lovasz_hinge", |x, t| lovasz_hinge(x, t.value())),
        ("triplet_margin_loss", |x, t| triplet_margin_loss(x, x, t)),
        ("contrastive_loss", |x, t| {
            contrastive_loss(x, t, &Tensor::ones([3])?)
        }),
        ("cosine_embedding_loss", |x, t| {
            cosine_embedding_loss(x, t, &Tensor::ones([3])?)
        }),
        ("dpo_loss", |x, t| dpo_loss(x, x, t, x)),
        ("giou_loss", giou_loss),
    ]
}

#[test]
fn shapes_that_would_broadcast_are_refused() {
    let column = Var::from(Tensor::<f64>::ones([3, 1]).unwrap());
    let row = Var::from(Tensor::<f64>::ones([3]).unwrap());
    for (name, loss) in of_two() {
        for (x, t) in [(&column, &row), (&row, &column)] {
            match loss(x, t) {
                Err(Error::Shape { op, .. }) => assert_eq!(op, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_class_that_is_none_is_named_with_its_row() {
    let x = Var::from(Tensor::<f32>::zeros([2, 3]).unwrap());
    let t = Tensor::from([1, 3]);
    let priors = Tensor::ones([3]).unwrap();
    let w = Var::from(Tensor::<f32>::zeros([3, 3]).unwrap());
    for (name, y) in [
        ("cross_entropy", cross_entropy(&x, &t)),
        ("nll_loss", nll_loss(&x, &t)),
        ("softmax_focal_loss", softmax_focal_loss(&x, &t)),
        ("poly1_cross_entropy", poly1_cross_entropy(&x, &t)),
        (
            "generalized_cross_entropy",
            generalized_cross_entropy(&x, &t),
        ),
        (
            "logit_adjusted_cross_entropy",
            logit_adjusted_cross_entropy(&x, &t, &priors),
        ),
        ("multi_margin_loss", multi_margin_loss(&x, &t)),
        ("margin_softmax_loss", margin_softmax_loss(&x, &t)),
        ("linear_cross_entropy", linear_cross_entropy(&x, &w, &t)),
    ] {
        let text = y.unwrap_err().to_string();
        assert!(
            text.starts_with(&format!("{name}: target[1] is 3, but the ")),
            "{text}"
        );
        assert!(text.ends_with("have 3 classes"), "{text}");
    }
}

#[test]
fn arguments_without_meaning_are_errors() {
    let x = Var::from(Tensor::from([[0.5f32, 0.25]]));
    let t = Tensor::from([1]);
    let value = |e: Result<Var<f32>>, what: &str| {
        let text = e.unwrap_err().to_string();
        assert!(text.contains(what), "{text}");
    };
    for share in [-0.1, 1.5, f64::NAN] {
        value(
            CrossEntropy::new().label_smoothing(share).forward(&x, &t),
            "label_smoothing",
        );
        value(
            BinaryCrossEntropyWithLogits::new()
                .label_smoothing(share)
                .forward(&x, &x),
            "label_smoothing",
        );
    }
    value(
        cross_entropy(&x, &Var::from(Tensor::from([[-0.5, 1.5]]))),
        "target[0, 0] is -0.5",
    );
    for bad in [0.0, 2.0, -3.0] {
        let signs = Tensor::from([[1.0, bad]]);
        let named = format!("target[0, 1] is {bad}");
        value(hinge_embedding_loss(&x, &signs), &named);
        value(hinge_loss(&x, &signs), &named);
        value(squared_hinge_loss(&x, &signs), &named);
        let pairs = Tensor::from([bad]);
        value(
            cosine_embedding_loss(&x, &x, &pairs),
            &format!("target[0] is {bad}"),
        );
    }
    value(
        binary_cross_entropy(&Var::from(Tensor::from([[0.5, 1.1]])), &x),
        "input[0, 1] is 1.1",
    );
    value(
        multi_margin_loss(&x, &Tensor::from([-1])),
        "target[0] is -1",
    );
    value(MultiMarginLoss::new().p(3).forward(&x, &t), "p is 3");
    value(HuberLoss::new().delta(0.0).forward(&x, &x), "delta is 0");
    value(SmoothL1Loss::new().beta(-1.0).forward(&x, &x), "beta is -1");
    value(
        TripletMarginLoss::new().margin(0.0).forward(&x, &x, &x),
        "margin is 0",
    );
    value(gaussian_nll_loss(&x, &x, -1.0), "variance");
    value(
        poisson_nll_loss(&x, &Var::from(Tensor::from([[1.0, -1.0]]))),
        "-1",
    );
}

#[test]
fn what_a_mean_divides_by() {
    let x = Var::from(Tensor::from([1.0f64, 2.0, 3.0]));
    let zero = Var::from(Tensor::from([0.0, 0.0, 0.0]));
    let w = Tensor::from([1.0, 2.0, 3.0]);
    let mean = |y: Result<Var<f64>>, want: f64| {
        let got = y.unwrap().item().unwrap();
        assert!((got - want).abs() < 1e-12, "{got} in place of {want}");
    };
    // By the weights: absolute and squared errors, classes by index.
    mean(
        MseLoss::new().weight(w.clone()).forward(&x, &zero),
        36.0 / 6.0,
    );
    mean(
        L1Loss::new().weight(w.clone()).forward(&x, &zero),
        14.0 / 6.0,
    );
    let logits = Var::from(Tensor::<f64>::zeros([3, 3]).unwrap());
    let t = Tensor::from([0, 1, 2]);
    let weighted = CrossEntropy::new().weight(w.clone());
    mean(weighted.forward(&logits, &t), 3f64.ln());
    // By the number of elements or rows: Huber's, distributions, binary labels, margins.
    mean(
        HuberLoss::new().weight(w.clone()).forward(&x, &zero),
        11.0 / 3.0,
    );
    let one_hot = Var::from(Tensor::from([
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
    ]));
    mean(weighted.forward(&logits, &one_hot), 2.0 * 3f64.ln());
    let yes = BinaryCrossEntropyWithLogits::new().weight(w.clone());
    mean(yes.forward(&zero, &zero), 2.0 * 2f64.ln());
    mean(
        MultiMarginLoss::new().weight(w).forward(&logits, &t),
        2.0 * 2.0 / 3.0,
    );
    // A divergence's mean is that of its elements, as PyTorch's is; its batch mean is the divergence.
    let p = Var::from(Tensor::from([
        [0.5f64.ln(), 0.5f64.ln()],
        [0.5f64.ln(), 0.5f64.ln()],
    ]));
    let q = Var::from(Tensor::from([[1.0, 0.0], [1.0, 0.0]]));
    mean(kl_div(&p, &q), 0.5 * 2f64.ln());
    mean(
        KlDiv::new().reduction(Reduction::BatchMean).forward(&p, &q),
        2f64.ln(),
    );
}

#[test]
fn losses_that_pytorch_differentiates_once_are_differentiated_twice() -> Result<()> {
    let x = Tensor::from([[0.3f64, -1.25, 0.5], [0.75, 0.1, -0.6]]);
    let (classes, lists) = (Tensor::from([1, 0]), Tensor::from([[1, -1, 0], [2, 0, -1]]));
    fn check(f: impl Fn(&[Var<f64>]) -> Result<Var<f64>>, x: &Tensor<f64>) -> Result<()> {
        gradcheck(&f, std::slice::from_ref(x))?.assert_ok();
        gradgradcheck(&f, std::slice::from_ref(x))?.assert_ok();
        Ok(())
    }
    check(|v| MultiMarginLoss::new().p(2).forward(&v[0], &classes), &x)?;
    check(|v| multilabel_margin_loss(&v[0], &lists), &x)?;
    let steps = Tensor::from([2]);
    let (labels, one) = (Tensor::from([[2]]), Tensor::from([1]));
    check(|v| ctc_loss(&v[0].unsqueeze(1)?, &labels, &steps, &one), &x)?;
    check(
        |v| ctc_loss_with_logits(&v[0].unsqueeze(1)?, &labels, &steps, &one),
        &x,
    )
}

#[test]
fn weights_that_must_be_there_are() {
    // In 2.15 `l1_loss` loses its weight on its way through `__torch_function__`.
    let x = Tensor::from([1.0f32, 1.0]);
    let loss = L1Loss::new()
        .weight(Tensor::from([0.0, 2.0]))
        .reduction(Reduction::None);
    let (value, slopes) = of_first(&x, |x| loss.forward(x, &Var::from(Tensor::zeros([2])?)));
    assert_eq!((value, slopes), (vec![0.0, 2.0], vec![0.0, 2.0]));
}
