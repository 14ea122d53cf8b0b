//! NaN and infinities that need not be, and gradients that are wrong where a formula has a hole.

use super::of_first;
use crate::prelude::*;
use crate::testing::value_and_slopes;

const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

#[test]
fn infinite_binary_logits_have_their_limits() {
    let x = Tensor::from([-INF, INF, -INF, INF, -INF, INF]);
    let t = Var::from(Tensor::from([0.0, 1.0, 1.0, 0.0, 0.5, 0.5]));
    let loss = BinaryCrossEntropyWithLogits::new().reduction(Reduction::None);
    let (value, slopes) = of_first(&x, |x| loss.forward(x, &t));
    assert_eq!(value, [0.0, 0.0, INF, INF, INF, INF]);
    assert_eq!(slopes, [0.0, 0.0, -1.0, 1.0, -0.5, 0.5]);
}

#[test]
fn infinite_logits_of_classes_have_their_limits() {
    let none = CrossEntropy::new().reduction(Reduction::None);
    let x = Tensor::from([[INF, 0.0], [INF, 0.0], [-INF, 0.0]]);
    let t = Tensor::from([0, 1, 1]);
    let (value, slopes) = of_first(&x, |x| none.forward(x, &t));
    assert_eq!(value, [0.0, INF, 0.0]);
    assert_eq!(slopes, [0.0, 0.0, 1.0, -1.0, 0.0, 0.0]);
    // A class that is masked out takes its part of a smoothed label only if it is asked to.
    let x = Tensor::from([[-INF, 0.0, 0.0]]);
    let smoothed = none.clone().label_smoothing(0.1);
    let t = Tensor::from([1]);
    let (value, _) = of_first(&x, |x| smoothed.forward(x, &t));
    assert_eq!(value, [INF]);
    let finite = smoothed.smooth_over_finite(true);
    let (value, slopes) = of_first(&x, |x| finite.forward(x, &t));
    assert!((value[0] - 2f32.ln()).abs() < 1e-6, "{value:?}");
    assert!(slopes[0] == 0.0 && slopes[1] < 0.0 && slopes[2] == -slopes[1]);
    // A target without a share in it costs nothing.
    let t = Var::from(Tensor::from([[0.0, 0.5, 0.5]]));
    let (value, slopes) = of_first(&x, |x| none.forward(x, &t));
    assert!((value[0] - 2f32.ln()).abs() < 1e-6, "{value:?}");
    assert_eq!(slopes, [0.0; 3]);
}

type OfClasses = fn(Reduction, &Var<f32>, &Tensor<i64>) -> Result<Var<f32>>;

/// Each loss of classes that can leave rows out.
fn of_classes() -> [(&'static str, OfClasses); 6] {
    [
        ("cross_entropy", |r, x, t| {
            CrossEntropy::new().reduction(r).forward(x, t)
        }),
        ("nll_loss", |r, x, t| {
            NllLoss::new().reduction(r).forward(x, t)
        }),
        ("softmax_focal_loss", |r, x, t| {
            SoftmaxFocalLoss::new().reduction(r).forward(x, t)
        }),
        ("poly1_cross_entropy", |r, x, t| {
            Poly1CrossEntropy::new().reduction(r).forward(x, t)
        }),
        ("generalized_cross_entropy", |r, x, t| {
            GeneralizedCrossEntropy::new().reduction(r).forward(x, t)
        }),
        ("logit_adjusted_cross_entropy", |r, x, t| {
            let priors = Tensor::from([0.5, 0.25, 0.25]);
            LogitAdjustedCrossEntropy::new()
                .priors(priors)
                .reduction(r)
                .forward(x, t)
        }),
    ]
}

#[test]
fn ignored_rows_are_not_looked_at() {
    let x = Tensor::from([[NAN, 0.0, INF], [-1.0, -2.0, -0.5], [-INF, NAN, -INF]]);
    let t = Tensor::from([-100, 1, -100]);
    for (name, loss) in of_classes() {
        for r in [Reduction::None, Reduction::Mean, Reduction::Sum] {
            let (value, slopes) = of_first(&x, |x| loss(r, x, &t));
            assert!(value.iter().all(|v| v.is_finite()), "{name}: {value:?}");
            assert_eq!(
                (&slopes[..3], &slopes[6..]),
                (&[0.0; 3][..], &[0.0; 3][..]),
                "{name}"
            );
            assert!(
                slopes[3..6].iter().all(|s| s.is_finite()) && slopes[4] != 0.0,
                "{name}"
            );
        }
    }
    let (x, masks) = (
        Tensor::from([[0.5f32, NAN, 1.0]]),
        Tensor::from([[1.0, 7.0, 0.0]]),
    );
    let (value, slopes) = of_first(&x, |x| LovaszHinge::new().ignore(7.0).forward(x, &masks));
    assert!(
        value[0].is_finite() && slopes[1] == 0.0,
        "{value:?} {slopes:?}"
    );
}

#[test]
fn a_mean_over_nothing_is_nan_with_slopes_of_zero() {
    let x = Tensor::from([[0.5f32, -1.0, 0.25], [1.0, 2.0, 3.0]]);
    for (name, loss) in of_classes() {
        let t = Tensor::from([-100, -100]);
        let (value, slopes) = of_first(&x, |x| loss(Reduction::Mean, x, &t));
        assert!(value[0].is_nan(), "{name}: {value:?}");
        assert_eq!(slopes, [0.0; 6], "{name}");
    }
    let weight = Tensor::from([0.0, 0.0, 1.0]);
    let t = Tensor::from([0, 1]);
    for (value, slopes) in [
        of_first(&x, |x| {
            CrossEntropy::new().weight(weight.clone()).forward(x, &t)
        }),
        of_first(&x, |x| NllLoss::new().weight(weight.clone()).forward(x, &t)),
    ] {
        assert!(
            value[0].is_nan() && slopes == [0.0; 6],
            "{value:?} {slopes:?}"
        );
    }
}

#[test]
fn no_mass_at_an_impossible_class_costs_nothing() {
    let none = KlDiv::new().reduction(Reduction::None);
    let inputs = [
        Tensor::from([-INF, -0.5, -INF]),
        Tensor::from([0.0, 1.0, 0.5]),
    ];
    let (value, slopes) = value_and_slopes(&inputs, |v| none.forward(&v[0], &v[1]));
    assert_eq!(value, [0.0, 0.5, INF]);
    assert_eq!(slopes[0], [0.0, -1.0, -0.5]);
    assert_eq!(slopes[1][1], 1.5);
    // In logarithms, beside a finite and beside an impossible one.
    let logs = none.log_target(true);
    let inputs = [Tensor::from([-1.0, -INF]), Tensor::from([-INF, -INF])];
    let (value, slopes) = value_and_slopes(&inputs, |v| logs.forward(&v[0], &v[1]));
    assert_eq!((value, slopes), (vec![0.0; 2], vec![vec![0.0; 2]; 2]));
    // The slope of a share of nothing is minus infinity, where the other has some.
    let inputs = [Tensor::from([-1.0f32]), Tensor::from([0.0])];
    let (_, slopes) = value_and_slopes(&inputs, |v| kl_div(&v[0], &v[1]));
    assert_eq!(slopes[1], [-INF]);
    // Distributions without a common class are as far apart as can be.
    let inputs = [Tensor::from([[0.0f32, -INF]]), Tensor::from([[-INF, 0.0]])];
    let (value, slopes) = value_and_slopes(&inputs, |v| js_divergence(&v[0], &v[1]));
    assert!((value[0] - 2f32.ln()).abs() < 1e-6, "{value:?}");
    assert!(slopes.iter().flatten().all(|s| s.is_finite()), "{slopes:?}");
}

#[test]
fn an_impossible_alignment_pulls_nothing() {
    let (steps, length) = (Tensor::from([3]), Tensor::from([3]));
    let labels = Tensor::from([[3, 3, 1]]);
    let x = Tensor::full([3, 1, 4], -1.5f32).unwrap();
    let (value, slopes) = of_first(&x, |x| ctc_loss(x, &labels, &steps, &length));
    assert_eq!((value[0], slopes), (INF, vec![0.0; 12]));
    // A class of probability 0 that no label names has slopes of its own.
    let x = Tensor::from([[[-0.5f32, -1.0, -INF]], [[-0.25, -1.5, -INF]]]);
    let (two, one) = (Tensor::from([2]), Tensor::from([1]));
    let (value, slopes) = of_first(&x, |x| ctc_loss(x, &Tensor::from([[1]]), &two, &one));
    assert!(value[0].is_finite() && slopes.iter().all(|s| s.is_finite()));
    assert_eq!((slopes[2], slopes[5]), (0.0, 0.0));
}

#[test]
fn impossible_labels_have_capped_costs_and_slopes() {
    let inputs = [
        Tensor::from([0.0f32, 1.0, 0.0, 1.0]),
        Tensor::from([1.0f32, 0.0, 0.0, 1.0]),
    ];
    let none = BinaryCrossEntropy::new().reduction(Reduction::None);
    let (value, slopes) = value_and_slopes(&inputs, |v| none.forward(&v[0], &v[1]));
    assert_eq!(value, [100.0, 100.0, 0.0, 0.0]);
    assert_eq!(slopes[0], [-1e12, 1e12, 0.0, 0.0]);
    // The value is linear in the target.
    assert_eq!(slopes[1], [100.0, -100.0, 100.0, -100.0]);
}

#[test]
fn vectors_of_zeros_have_no_direction_and_no_slope() {
    let (zero, one) = (
        Tensor::<f32>::zeros([2, 2]).unwrap(),
        Var::from(Tensor::from([[1.0f32, 1.0], [0.0, 0.0]])),
    );
    let (value, slopes) = of_first(&zero, |x| cosine_similarity(x, &one));
    assert_eq!((value, slopes), (vec![0.0; 2], vec![0.0; 4]));
    let same = Tensor::ones([2]).unwrap();
    let none = CosineEmbeddingLoss::new().reduction(Reduction::None);
    let (value, slopes) = of_first(&zero, |x| none.forward(x, &one, &same));
    assert_eq!((value, slopes), (vec![1.0; 2], vec![0.0; 4]));
    let (value, slopes) = of_first(&zero, |x| info_nce(x, &one));
    assert!(
        value[0].is_finite() && slopes == [0.0; 4],
        "{value:?} {slopes:?}"
    );
}

#[test]
fn three_equal_vectors_stay_where_they_are() {
    let x = Tensor::from([[0.5f32, -1.0]]);
    let loss = TripletMarginLoss::new();
    let inputs = [x.clone(), x.clone(), x];
    let (value, slopes) = value_and_slopes(&inputs, |v| loss.forward(&v[0], &v[1], &v[2]));
    assert_eq!((value[0], slopes), (1.0, vec![vec![0.0; 2]; 3]));
}

#[test]
fn a_variance_of_zero_has_no_slope_if_so_asked() {
    let inputs = [
        Tensor::from([1.0f32]),
        Tensor::from([1.5]),
        Tensor::from([0.0]),
    ];
    let loss = GaussianNllLoss::new().gradient_below_eps(false);
    let (value, slopes) = value_and_slopes(&inputs, |v| loss.forward(&v[0], &v[1], &v[2]));
    assert!(
        value[0].is_finite() && slopes[2] == [0.0],
        "{value:?} {slopes:?}"
    );
    // By its logarithm there is no floor to fall through.
    let logs = [
        inputs[0].clone(),
        inputs[1].clone(),
        Tensor::from([-20.0f32]),
    ];
    let (value, slopes) = value_and_slopes(&logs, |v| {
        gaussian_nll_loss_with_log_var(&v[0], &v[1], &v[2])
    });
    let exact = 0.5 * (-20.0 + 0.25 * 20f32.exp());
    assert!((value[0] / exact - 1.0).abs() < 1e-6, "{value:?}");
    assert!((slopes[2][0] / (0.5 - 0.125 * 20f32.exp()) - 1.0).abs() < 1e-6);
}

#[test]
fn counts_of_zero_and_infinite_rates() {
    for full in [LogFactorial::Stirling, LogFactorial::Exact] {
        let loss = PoissonNllLoss::new().full(full);
        let inputs = [Tensor::from([0.25f32]), Tensor::from([0.0])];
        let (value, slopes) = value_and_slopes(&inputs, |v| loss.forward(&v[0], &v[1]));
        assert!((value[0] - 0.25f32.exp()).abs() < 1e-6, "{value:?}");
        assert!(slopes[1][0].is_finite(), "{slopes:?}");
    }
    let inputs = [Tensor::from([INF]), Tensor::from([1.0])];
    let (value, _) = value_and_slopes(&inputs, |v| poisson_nll_loss(&v[0], &v[1]));
    assert_eq!(value, [INF]);
}

#[test]
fn roots_logarithms_and_powers_at_their_holes() {
    let x = Tensor::from([0.5f32, -1.0]);
    let (value, slopes) = of_first(&x, |v| rmse_loss(v, &Var::from(&x)));
    assert_eq!((value[0], slopes), (0.0, vec![0.0; 2]));
    let (value, _) = of_first(&Tensor::from([[1.0f32, 0.0]]), |p| entropy(p, -1));
    assert_eq!(value, [0.0]);
    let (value, slopes) = of_first(&Tensor::from([[0.0f32, -INF]]), |x| {
        entropy_with_logits(x, -1)
    });
    assert_eq!((value[0], slopes), (0.0, vec![0.0; 2]));
    let (value, slopes) = of_first(&Tensor::from([[1.0f32, 2.0], [1.0, 2.0]]), |x| cdist(x, x));
    assert_eq!((value, slopes), (vec![0.0; 4], vec![0.0; 4]));
    let (x, t) = (
        Tensor::from([20.0f32, 60.0, 200.0]),
        Tensor::ones([3]).unwrap(),
    );
    let loss = SigmoidFocalLoss::new().gamma(0.5);
    let (value, slopes) = of_first(&x, |x| loss.forward(x, &t));
    assert!(
        value.iter().chain(&slopes).all(|v| v.is_finite()),
        "{slopes:?}"
    );
    let (x, t) = (
        Tensor::from([[200.0f32, 0.0], [17.0, 0.0]]),
        Tensor::from([0, 0]),
    );
    let loss = SoftmaxFocalLoss::new().gamma(0.5);
    let (value, slopes) = of_first(&x, |x| loss.forward(x, &t));
    assert!(
        value.iter().chain(&slopes).all(|v| v.is_finite()),
        "{slopes:?}"
    );
}
