//! A tape that looks for NaN and infinities names the user's line, and not one of the library.

use losses::prelude::*;

type Call = fn(&Var<f32>) -> Result<Var<f32>>;

/// A loss of each engine and each way to it, of vectors, boxes or logits in four rows of four.
fn calls() -> Vec<(&'static str, Call)> {
    fn constant(v: f32) -> Var<f32> {
        Var::from(Tensor::full([4, 4], v).unwrap())
    }
    fn classes() -> Tensor<i64> {
        Tensor::from([0, 3, 1, 2])
    }
    vec![
        ("elementwise", |x| mse_loss(x, &constant(0.5))),
        ("elementwise, with options", |x| {
            HuberLoss::new().delta(0.5).forward(x, &constant(0.5))
        }),
        ("by the logits", |x| {
            binary_cross_entropy_with_logits(x, &constant(0.5))
        }),
        ("rows of classes", |x| cross_entropy(x, &classes())),
        ("rows of distributions", |x| {
            cross_entropy(x, &constant(0.25))
        }),
        ("rows of logarithms", |x| nll_loss(x, &classes())),
        ("rows of logits", |x| js_divergence(x, &constant(0.25))),
        ("behind a layer", |x| linear_cross_entropy(x, x, &classes())),
        ("clusters", |x| {
            let tails = [(constant(0.1), x.narrow(0, 0, 2)?)];
            adaptive_log_softmax_with_loss(x, &classes(), &[3, 5], x, &tails)
        }),
        ("roots", |x| rmse_loss(x, &constant(0.5))),
        ("quantiles", |x| {
            let q = [0.1, 0.5, 0.9, 0.95];
            QuantileLoss::new()
                .q(q)
                .forward(x, &constant(0.5).select(0, 0)?)
        }),
        ("evidence", |x| {
            let one = constant(1.5);
            evidential_nig_loss(x, &one, &one, &one, &one)
        }),
        ("transport on a line", |x| wasserstein_1d(x, &constant(0.5))),
        ("transport of masses", |x| {
            let mass = Var::from(Tensor::ones([4])?);
            sinkhorn(x, &mass, &mass)
        }),
        ("entropy", |x| entropy(x, -1)?.sum(..)),
        ("orders of lists", |x| list_mle(x, constant(0.5).value())),
        ("pairs of vectors", |x| {
            cosine_embedding_loss(x, &constant(0.5), &Tensor::ones([4])?)
        }),
        ("triplets", |x| {
            triplet_margin_loss(x, &constant(0.5), &constant(0.25))
        }),
        ("distances by a function", |x| {
            triplet_margin_with_distance_loss(x, &constant(0.5), &constant(0.25), pairwise_distance)
        }),
        ("distances of all", |x| cdist(x, &constant(0.5))?.sum(..)),
        ("in-batch negatives", |x| info_nce(x, &constant(0.5))),
        ("two views", |x| ntxent(x, &constant(0.5))),
        ("images and texts", |x| {
            clip_loss(x, &constant(0.5), &Var::from(Tensor::scalar(1.0)))
        }),
        ("labels", |x| sup_con_loss(x, &Tensor::from([0, 0, 1, 1]))),
        ("margins of angles", |x| margin_softmax_loss(x, &classes())),
        ("overlaps", |x| dice_loss(x, &constant(1.0))),
        ("extensions", |x| lovasz_hinge(x, constant(1.0).value())),
        ("columns", |x| barlow_twins_loss(x, &constant(0.5))),
        ("boxes", |x| {
            let corners = Tensor::from([0.0f32, 0.0, 1.0, 1.0]).broadcast_to([4, 4])?;
            giou_loss(&x.mul(0.1)?.add(Var::from(&corners))?, &Var::from(&corners))
        }),
        ("preferences", |x| dpo_loss(x, x, x, x)),
        ("alignments", |x| {
            let (t, two, one) = (Tensor::from([[1]]), Tensor::from([4]), Tensor::from([1]));
            ctc_loss_with_logits(&x.unsqueeze(1)?, &t, &two, &one)
        }),
        ("transducers", |x| {
            let (t, two, one) = (Tensor::from([[1]]), Tensor::from([2]), Tensor::from([1]));
            rnnt_loss(&x.reshape([1, 2, 2, 4])?, &t, &two, &one)
        }),
    ]
}

#[test]
fn an_anomaly_names_the_line_that_called_the_loss() {
    for (name, call) in calls() {
        let tape = Tape::with_anomaly();
        let data = (0..16).map(|i| 0.2 + ((i * 7) % 16) as f32 / 40.0);
        let x = tape.leaf(Tensor::from_vec(data.collect(), [4, 4]).unwrap());
        let y = call(&x).unwrap_or_else(|e| panic!("{name}: {e}"));
        let nan = y.value().full_like(f32::NAN);
        match y.backward_with(&nan) {
            Err(Error::Anomaly(anomaly)) => {
                assert!(anomaly.file.ends_with("anomaly.rs"), "{name}: {anomaly:?}");
            }
            Err(other) => panic!("{name}: {other}"),
            Ok(_) => panic!("{name}: no error"),
        }
    }
}

#[test]
fn a_value_that_is_not_finite_is_found_forward() {
    let tape = Tape::with_anomaly();
    let x = tape.leaf(Tensor::from([1e30f32, -1e30]));
    let _ = mse_loss(&x, &Var::from(Tensor::from([0.0, 0.0])));
    let found = tape.anomaly().expect("1e60 is no f32");
    assert_eq!((found.file, found.op), (file!(), "mse_loss"), "{found}");
}

/// Every public function that gives a value tracks its caller.
#[test]
fn each_loss_tracks_its_caller() {
    fn visit(folder: &std::path::Path, check: &mut dyn FnMut(&std::path::Path, &str)) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, check);
            } else if path.extension().is_some_and(|e| e == "rs") {
                check(&path, &std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let (mut count, mut missing) = (0, Vec::new());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    visit(&folder, &mut |path, text| {
        if path.ends_with("testing.rs") {
            return;
        }
        let text = text.split("#[cfg(test)]").next().unwrap();
        for (i, part) in text.split("pub fn ").enumerate().skip(1) {
            let head = part.split('{').next().unwrap();
            let gives = head.rsplit("->").next().unwrap().contains("Var<");
            if !gives || !head.contains("->") {
                continue;
            }
            count += 1;
            let before = text.split("pub fn ").nth(i - 1).unwrap();
            let attributes: Vec<&str> = before.lines().rev().take(4).collect();
            if !attributes.iter().any(|l| l.contains("#[track_caller]")) {
                missing.push(format!(
                    "{}: {}",
                    path.display(),
                    head.lines().next().unwrap()
                ));
            }
        }
    });
    assert!(count > 100, "only {count} functions were found");
    assert!(
        missing.is_empty(),
        "need #[track_caller]:\n{}",
        missing.join("\n")
    );
}
