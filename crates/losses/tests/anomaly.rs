//! A loss that makes a NaN or an infinity is reported with the line of the program that called it.

use losses::autograd::Tape;
use losses::prelude::*;

type Call = fn(&Var<f64>, &Var<f64>) -> Result<Var<f64>>;

/// Losses of values and of rows, and a point at which each is not finite though its inputs are.
fn calls() -> Vec<(&'static str, Call, f64)> {
    vec![
        ("mse_loss", |x, t| mse_loss(x, t), 1e200),
        ("l1_loss", |x, t| l1_loss(x, t), 1.7e308),
        ("poisson_nll_loss", |x, t| poisson_nll_loss(x, t), 1e3),
        ("kl_div", |x, t| kl_div(x, t), 1.7e308),
        (
            "binary_cross_entropy_with_logits",
            |x, t| binary_cross_entropy_with_logits(x, t),
            1.7e308,
        ),
        (
            "soft_margin_loss",
            |x, t| soft_margin_loss(x, t.value()),
            1.7e308,
        ),
        (
            "cross_entropy",
            |x, _| cross_entropy(x, &Tensor::from([1i64, 1])),
            1.7e308,
        ),
        (
            "nll_loss",
            |x, _| nll_loss(&(x * 2.0), &Tensor::from([1i64, 1])),
            1.7e308,
        ),
        (
            "squared_hinge_loss",
            |x, t| squared_hinge_loss(x, t.value()),
            1e200,
        ),
    ]
}

#[test]
fn the_line_of_the_call_is_named() {
    let mut seen = Vec::new();
    for (name, call, size) in calls() {
        let tape = Tape::with_anomaly();
        let x = tape.leaf(Tensor::from([[size, -size], [size, -size]]));
        let t = Var::from(Tensor::from([[-1.0, 1.0], [-1.0, 1.0]]));
        let _ = call(&x, &t);
        if let Some(found) = tape.anomaly() {
            assert!(found.file == file!(), "{name}: {found}");
            seen.push(name);
        }
    }
    assert!(seen.len() >= 6, "only {seen:?} were not finite");
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
