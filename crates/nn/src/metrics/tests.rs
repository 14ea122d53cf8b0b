use super::*;
use serde_json::Value;

fn book() -> Value {
    serde_json::from_str(include_str!("../../fixtures/metrics.json")).unwrap()
}

fn numbers(v: &Value) -> Vec<f64> {
    let items = v.as_array().unwrap().iter();
    items.map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

fn ints(v: &Value) -> Tensor<i64> {
    let items: Vec<i64> = v
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_i64().unwrap())
        .collect();
    Tensor::from_slice(&items, items.len()).unwrap()
}

fn shaped(v: &Value, shape: &Value) -> Tensor<f64> {
    let shape: Vec<usize> = numbers(shape).iter().map(|&n| n as usize).collect();
    Tensor::from_vec(numbers(v), shape).unwrap()
}

/// Equal up to a few roundings; two NaN are equal.
#[track_caller]
fn close(ours: f64, theirs: f64) {
    let same = ours.is_nan() && theirs.is_nan();
    assert!(
        same || (ours - theirs).abs() <= 1e-13 * theirs.abs().max(1.0),
        "{ours} is not {theirs}"
    );
}

#[test]
fn targets_that_are_all_the_same() {
    // The mean of 0.1 three times is rounded, and the targets have a variance of 2e-34.
    let same = Tensor::from([0.1, 0.1, 0.1]);
    assert_eq!(
        r2_score(&Tensor::from([0.1, 0.1, 0.2]), &same).unwrap(),
        0.0
    );
    assert_eq!(r2_score(&same, &same).unwrap(), 1.0);
}

#[test]
fn scores_of_nothing_are_zero() {
    let none = Tensor::<i64>::zeros([0]).unwrap();
    for average in [Average::Micro, Average::Macro, Average::Weighted] {
        for classes in [0, 3] {
            let scores = ConfusionMatrix::new(&none, &none, classes)
                .unwrap()
                .scores(average);
            let all = [scores.precision, scores.recall, scores.f1];
            assert!(
                all.iter().all(|v| *v == 0.0 && v.is_sign_positive()),
                "{all:?}"
            );
        }
    }
}

#[test]
fn classes_are_scikit_learns() -> Result<()> {
    let book = book();
    let cases = book["classes"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let classes = case["classes"].as_u64().unwrap() as usize;
        let (p, t) = (ints(&case["predicted"]), ints(&case["target"]));
        let m = ConfusionMatrix::new(&p, &t, classes)?;
        close(m.accuracy(), case["accuracy"].as_f64().unwrap());
        close(accuracy(&p, &t)?, m.accuracy());
        let confusion = numbers(&case["confusion"]);
        for truth in 0..classes {
            for predicted in 0..classes {
                let count = confusion[truth * classes + predicted];
                assert_eq!(m.count(truth, predicted) as f64, count);
            }
        }
        let [precision, recall, f1, support] = [0, 1, 2, 3].map(|i| numbers(&case["each"][i]));
        for c in 0..classes {
            close(m.precision(c), precision[c]);
            close(m.recall(c), recall[c]);
            close(m.f1(c), f1[c]);
            assert_eq!(m.support(c) as f64, support[c]);
        }
        for (average, name) in [
            (Average::Micro, "micro"),
            (Average::Macro, "macro"),
            (Average::Weighted, "weighted"),
        ] {
            let (ours, theirs) = (m.scores(average), numbers(&case[name]));
            close(ours.precision, theirs[0]);
            close(ours.recall, theirs[1]);
            close(ours.f1, theirs[2]);
        }
    }
    Ok(())
}

#[test]
fn scores_are_scikit_learns() -> Result<()> {
    for case in book()["scores"].as_array().unwrap() {
        let scores = numbers(&case["scores"]);
        let (s, t) = (
            Tensor::from_slice(&scores, scores.len())?,
            ints(&case["target"]),
        );
        close(roc_auc(&s, &t)?, case["roc_auc"].as_f64().unwrap());
        close(
            average_precision(&s, &t)?,
            case["average_precision"].as_f64().unwrap(),
        );
        let (fpr, tpr) = (numbers(&case["fpr"]), numbers(&case["tpr"]));
        let curve = roc_curve(&s, &t)?;
        assert_eq!(curve.len(), fpr.len());
        for (i, point) in curve.iter().enumerate() {
            close(point.false_positive_rate, fpr[i]);
            close(point.true_positive_rate, tpr[i]);
        }
        let [precision, recall, thresholds] =
            ["precision", "recall", "thresholds"].map(|name| numbers(&case[name]));
        let curve = precision_recall_curve(&s, &t)?;
        assert_eq!(curve.len(), precision.len());
        for (i, point) in curve.iter().enumerate() {
            assert_eq!(point.threshold, thresholds[i]);
            close(point.precision, precision[i]);
            close(point.recall, recall[i]);
        }
    }
    Ok(())
}

#[test]
fn probabilities_are_scikit_learns() -> Result<()> {
    for case in book()["probabilities"].as_array().unwrap() {
        let (p, t) = (shaped(&case["p"], &case["shape"]), ints(&case["target"]));
        let bins = case["bins"].as_u64().unwrap() as usize;
        close(log_loss(&p, &t)?, case["log_loss"].as_f64().unwrap());
        close(brier_score(&p, &t)?, case["brier"].as_f64().unwrap());
        close(
            calibration_error(&p, &t, bins)?,
            case["calibration_error"].as_f64().unwrap(),
        );
        let counts: Vec<f64> = calibration(&p, &t, bins)?
            .iter()
            .map(|b| b.count as f64)
            .collect();
        assert_eq!(counts, numbers(&case["counts"]));
        let rows = match p.ndim() {
            1 => Tensor::stack(&[&p.map(|p| 1.0 - p), &p], 1)?,
            _ => p,
        };
        for (k, share) in (1..).zip(numbers(&case["top_k"])) {
            close(top_k_accuracy(&rows, &t, k)?, share);
        }
    }
    Ok(())
}

#[test]
fn numbers_are_scikit_learns() -> Result<()> {
    for case in book()["numbers"].as_array().unwrap() {
        let [p, t] = ["predicted", "target"].map(|name| shaped(&case[name], &case["shape"]));
        close(mean_absolute_error(&p, &t)?, case["mae"].as_f64().unwrap());
        close(mean_squared_error(&p, &t)?, case["mse"].as_f64().unwrap());
        close(r2_score(&p, &t)?, case["r2"].as_f64().unwrap());
    }
    Ok(())
}

/// What is over nothing, or compares with nothing, is NaN and no panic.
#[test]
fn what_is_not_defined_is_nan() -> Result<()> {
    let (none, no_class) = (Tensor::<f64>::zeros(0)?, Tensor::<i64>::zeros(0)?);
    let rows = Tensor::<f64>::zeros([0, 3])?;
    let (one, zeros) = (Tensor::from([0.5, 0.2]), Tensor::from([0, 0]));
    for value in [
        accuracy(&no_class, &no_class)?,
        top_k_accuracy(&rows, &no_class, 1)?,
        roc_auc(&none, &no_class)?,
        roc_auc(&one, &zeros)?,
        roc_auc(&one, &Tensor::from([1, 1]))?,
        average_precision(&none, &no_class)?,
        average_precision(&one, &zeros)?,
        log_loss(&rows, &no_class)?,
        brier_score(&none, &no_class)?,
        calibration_error(&rows, &no_class, 15)?,
        mean_absolute_error(&none, &none)?,
        mean_squared_error(&none, &none)?,
        r2_score(&none, &none)?,
        r2_score(&Tensor::from([1.0]), &Tensor::from([1.0]))?,
    ] {
        assert!(value.is_nan(), "{value} is a number");
    }
    assert!(precision_recall_curve(&none, &no_class)?.is_empty());
    // A probability of exactly 0 costs as much as the least one of its type.
    let sure = Tensor::from([[1.0f32, 0.0]]);
    close(
        log_loss(&sure, &Tensor::from([1]))?,
        -f64::from(f32::EPSILON).ln(),
    );
    Ok(())
}

#[test]
fn equal_scores_go_to_the_earlier_class() -> Result<()> {
    let scores = Tensor::from([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]);
    assert_eq!(top_k_accuracy(&scores, &Tensor::from([0, 1]), 1)?, 1.0);
    assert_eq!(top_k_accuracy(&scores, &Tensor::from([1, 2]), 1)?, 0.0);
    assert_eq!(top_k_accuracy(&scores, &Tensor::from([1, 2]), 2)?, 1.0);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() {
    let message = |r: Result<f64>| r.unwrap_err().to_string();
    let (two, three) = (Tensor::from([0, 1]), Tensor::from([0, 1, 1]));
    let p = Tensor::from([[0.5, 0.5], [0.0, 1.0]]);
    let cases = [
        (
            accuracy(&Tensor::from([1]), &two),
            "accuracy: predicted has shape [1], but the target has shape [2]: they must be the same",
        ),
        (
            top_k_accuracy(&p, &two, 0),
            "top_k_accuracy: k is 0, but it must be at least 1",
        ),
        (
            top_k_accuracy(&p, &three, 1),
            "top_k_accuracy: scores has shape [2, 2], but the target has shape [3]: it must have a row of classes for each element of it",
        ),
        (
            top_k_accuracy(&p, &Tensor::from([0, 2]), 1),
            "top_k_accuracy: target[1] is 2, but the rows have 2 classes",
        ),
        (
            roc_auc(&p, &two),
            "roc_auc: scores has shape [2, 2], but it must have one dimension: a score of class 1 for each row",
        ),
        (
            roc_auc(&Tensor::from([0.5, f64::NAN]), &two),
            "roc_auc: scores[1] is NaN, but a score must be a number, to be compared with others",
        ),
        (
            average_precision(&Tensor::from([0.5, 0.1]), &Tensor::from([0, 2])),
            "average_precision: target[1] is 2, but there are two classes, 0 and 1: compare one class with the rest",
        ),
        (
            log_loss(&Tensor::from([[2.0, -1.0]]), &Tensor::from([0])),
            "log_loss: probabilities[0, 0] is 2, but a probability lies between 0 and 1: `softmax` or `sigmoid` makes one of a logit",
        ),
        (
            brier_score(&Tensor::from([[0.5, 0.5], [0.5, 0.25]]), &two),
            "brier_score: the sum of probabilities[1] is 0.75, but each row must sum to 1: `softmax` makes it so",
        ),
        (
            log_loss(&Tensor::from([0.5, 0.5]), &Tensor::from([0, 2])),
            "log_loss: target[1] is 2, but the rows have 2 classes",
        ),
        (
            calibration_error(&p, &two, 0),
            "calibration_error: bins is 0, but it must be at least 1, and not more than a million",
        ),
        (
            r2_score(&p, &Tensor::from([1.0, 2.0])),
            "r2_score: predicted has shape [2, 2], but the target has shape [2]: they must be the same",
        ),
        (
            mean_absolute_error(&Tensor::from([f64::NAN]), &Tensor::from([2.0])),
            "mean_absolute_error: predicted[0] is NaN, but it must be a number",
        ),
    ];
    for (result, expected) in cases {
        assert_eq!(message(result), expected);
    }
}
