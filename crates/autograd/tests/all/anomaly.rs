//! Which operation made the first NaN or infinity: its name, the line of its call, and what it was given.

use autograd::{
    Anomaly, Error, Float, GradOptions, Grads, Needs, Op, Param, Result, Saved, Tape, Tensor, Var,
    Watch, checkpoint, grad,
};

fn anomaly<R>(result: Result<R>) -> Anomaly {
    match result {
        Err(Error::Anomaly(found)) => *found,
        Err(e) => panic!("another error: {e}"),
        Ok(_) => panic!("no error"),
    }
}

#[test]
fn a_forward_pass() {
    let tape = Tape::with_anomaly();
    let x = tape.leaf(Tensor::from([1.0f32, 1000.0, -2.0]));
    let line = line!() + 1;
    let y = (&x * 2.0).exp();
    assert!(tape.anomaly().is_some());
    // A method of one value leaves it to the next one that takes several.
    let found = anomaly(y.sub(1.0).unwrap().mul(&x));
    assert_eq!((found.op, found.line, found.pass), ("exp", line, "forward"));
    assert!(found.file.ends_with("tests/all/anomaly.rs"));
    assert_eq!((found.culprit.infinite, found.culprit.nan), (1, 0));
    assert_eq!(found.culprit.first.as_deref(), Some(&[1][..]));
    let column = found.column;
    assert_eq!(
        Error::Anomaly(Box::new(found)).to_string(),
        format!(
            "exp, called at {}:{line}:{column}: the result is the first that is not finite, in the forward pass\n  \
             the result: shape [3], from 0.01831564 to 7.389056, 1 infinite, the first at [1]\n  \
             operand 0: shape [3], from -4 to 2000",
            file!()
        )
    );
    // Nothing is forgotten: backward says the same.
    assert_eq!(
        anomaly(y.backward_with(&Tensor::ones([3]).unwrap())).op,
        "exp"
    );
}

#[test]
fn a_method_that_can_fail_fails_at_once() {
    let tape = Tape::with_anomaly();
    let x = tape.leaf(Tensor::from([0.0f64, 1.0]));
    let found = anomaly(x.div(&x));
    assert_eq!(
        (found.op, found.culprit.nan, found.operands.len()),
        ("div", 1, 2)
    );
    // The operators panic with the same words.
    let tape = Tape::with_anomaly();
    let x = tape.leaf(Tensor::from([0.0f64, 1.0]));
    let line = line!() + 1;
    let words = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| 1.0 / &x));
    let words = words.unwrap_err();
    let words: &String = words.downcast_ref().unwrap();
    let call = format!("div, called at {}:{line}:", file!());
    assert!(words.contains(&call), "{words}");
}

#[test]
fn a_backward_pass() {
    let tape = Tape::with_anomaly();
    let x = tape.leaf(Tensor::from([4.0f64, 0.0]));
    let line = line!() + 1;
    let root = x.sqrt();
    let y = root.sum(..).unwrap();
    assert!(tape.anomaly().is_none());
    let found = anomaly(y.backward());
    assert_eq!(
        (found.op, found.line, found.pass),
        ("sqrt", line, "backward")
    );
    assert_eq!(found.what, "the gradient of operand 0");
    let names: Vec<&str> = found.operands.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, ["operand 0", "gradient of the result"]);
    assert_eq!(found.operands[0].1.range, Some((0.0, 4.0)));
    assert_eq!(found.operands[1].1.range, Some((1.0, 1.0)));
}

#[test]
fn a_recorded_backward_pass_names_the_forward_call() {
    let tape = Tape::with_anomaly();
    let x = tape.leaf(Tensor::from([1.0f64, 0.0]));
    let line = line!() + 1;
    let y = x.pow(1.5).unwrap().sum(..).unwrap();
    let options = || GradOptions::new().create_graph(true);
    let dy = grad(&[&y], &[&x], options()).unwrap();
    // 0.75 x^-0.5 is infinite at 0; the operations of the gradient count as made by the call of `pow`.
    let found = anomaly(grad(&[&dy[0].sum(..).unwrap()], &[&x], options()));
    assert_eq!(
        (found.op, found.line, found.pass),
        ("pow", line, "backward")
    );
}

#[test]
fn leaves_parameters_and_seeds_are_looked_at() {
    let tape = Tape::with_anomaly();
    let line = line!() + 1;
    let x = tape.leaf(Tensor::from([f32::NAN]));
    let found = anomaly(x.add(&x));
    assert_eq!((found.op, found.line, found.culprit.nan), ("leaf", line, 1));

    let tape = Tape::with_anomaly();
    let w = Param::new(Tensor::from([f32::INFINITY]));
    let x = tape.input(Tensor::from([1.0]));
    let line = line!() + 1;
    let found = anomaly(x.mul(w.on(&x)));
    assert_eq!((found.op, found.line), ("parameter", line));

    let tape = Tape::with_anomaly();
    let y = tape.leaf(Tensor::from([1.0f32])).exp();
    let found = anomaly(y.backward_with(&Tensor::from([f32::NAN])));
    assert_eq!(
        (found.op, &found.what[..]),
        ("exp", "the gradient of the result")
    );
}

#[test]
fn infinities_may_pass() {
    let tape = Tape::watching(Watch::Nan);
    let x = tape.leaf(Tensor::from([[1.0f64, 2.0, 3.0]]));
    let mask = Tensor::from([[false, true, false]]);
    let masked = x.masked_fill(&mask, f64::NEG_INFINITY).unwrap();
    let y = masked.softmax(1).unwrap().select(1, 0).unwrap();
    assert!(y.sum(..).unwrap().backward().is_ok());
    let found = anomaly(masked.sub(&masked));
    assert_eq!(found.op, "sub");
    assert_eq!(found.operands[0].1.infinite, 1);
}

#[test]
fn a_plain_tape_does_not_look() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::from([-1.0f64]));
    let y = x.log().sum(..).unwrap();
    assert!(y.item().unwrap().is_nan() && tape.anomaly().is_none());
    assert!(y.backward().is_ok());
}

#[test]
fn the_way_within_a_checkpoint_is_seen() {
    let tape = Tape::with_anomaly();
    let x = tape.leaf(Tensor::from([1.0f64, -1.0]));
    let line = line!() + 1;
    let y = checkpoint(|v: &[Var<f64>]| Ok(v[0].log().exp()), &[&x]);
    let found = anomaly(y);
    assert_eq!((found.op, found.line), ("log", line));

    let tape = Tape::with_anomaly();
    let x = tape.leaf(Tensor::from([1.0f64, 0.0]));
    let line = line!() + 1;
    let y = checkpoint(|v: &[Var<f64>]| Ok(v[0].sqrt()), &[&x]).unwrap();
    let found = anomaly(y.sum(..).unwrap().backward());
    assert_eq!(
        (found.op, found.line, found.pass),
        ("sqrt", line, "backward")
    );
}

/// `x²` with a rule that divides by zero.
struct Wrong<T: Float>(Saved<T>);
impl<T: Float> Op<T> for Wrong<T> {
    fn name(&self) -> &'static str {
        "wrong"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy.mul(self.0.on(dy))?.div(0.0)?))
    }
}

#[track_caller]
fn wrong(x: &Var<f64>) -> Result<Var<f64>> {
    Var::record(&[x], x.value().square(), |_| Wrong(x.save()))
}

#[test]
fn a_user_s_own_operation() {
    for create_graph in [false, true] {
        let tape = Tape::with_anomaly();
        let x = tape.leaf(Tensor::from([1.0]));
        let line = line!() + 1;
        let y = wrong(&x).unwrap();
        let found = anomaly(grad(
            &[&y],
            &[&x],
            GradOptions::new().create_graph(create_graph),
        ));
        assert_eq!((found.op, found.line), ("wrong", line));
    }
}

/// Every operation that a user can call says where it was called, and not where in the library; those of `step.rs` give
/// plain tensors, at which no tape looks.
#[test]
fn each_operation_tracks_its_caller() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("step.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let (mut of_var, mut before) = (false, "");
        for (i, line) in text.lines().enumerate() {
            let table = line.contains("pub fn $name(");
            of_var = line.starts_with("impl<T: Float> Var<T> {") || (of_var && line != "}");
            let method = of_var && line.trim_start().starts_with("pub fn ");
            if table || method {
                count += 1;
                let place = format!("{}:{}: {line}", path.display(), i + 1);
                let tracked = [before, line].iter().any(|l| l.contains("#[track_caller]"));
                assert!(
                    tracked,
                    "{place}\nneeds #[track_caller], for anomalies to name the user's call"
                );
            }
            before = line;
        }
    }
    assert!(count > 100, "only {count} operations were found");
}
