//! Every operation against PyTorch: values, gradients, and second derivatives.

use crate::fixtures::ops::{Outcome, Value, call};
use crate::fixtures::samples::{Sample, differs, pattern, samples};
use crate::fixtures::{Case, FAMILIES, Given, Tolerance, difference, largest, read, read_file};
use autograd::{DType, Float, GradOptions, Tape, Tensor, Var, grad};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the library lacks of the fixtures' operations: the operation, what of it, and the number of cases.
const MISSING: &[(&str, &str, usize)] = &[];

/// Cases in which the library differs from PyTorch on purpose: the start of their names, what differs, and how many they
/// are. All that is compared before agrees.
const KEPT: &[(&str, &str, usize)] = &[
    // `max` of several dimensions is one method, and gives the gradient of a NaN to the NaN, as PyTorch's `max` does;
    // its `amax` gives NaN to all elements.
    ("amax/special", "gradient", 4),
    ("amin/special", "gradient", 4),
    // Among the smallest of all numbers the quotient is taken before it is multiplied by the gradient, where PyTorch
    // rounds the product to a whole number of them.
    ("hypot/special", "gradient", 2),
    // A row of nothing but -inf, and an infinite one, has a gradient here and NaN in PyTorch: masked rows stay usable.
    ("logsumexp/special", "gradient", 4),
    // At infinity the slope is 0 here, and in PyTorch NaN, of a quotient of infinities.
    ("softsign/special", "gradient", 2),
    // Of an infinity, too, the sign is all that the slope has.
    ("copysign/special", "gradient", 2),
    // Of more than a sixth of the largest number PyTorch's is infinite, for it multiplies by 6 first. `tests/all/edges.rs` holds
    // the gradients.
    ("hardswish/special", "output", 2),
    // At -∞ they have their limits, where PyTorch has the NaN of a product of 0 and ∞. `tests/all/edges.rs` holds the slopes.
    ("mish/special", "output", 2),
    ("silu/special", "output", 2),
    ("gelu/special", "output", 2),
    ("gelu/tanh_special", "output", 2),
    // A NaN gets no gradient, also where there is nothing beside it.
    ("nanmean/row_holes", "gradient", 2),
];

fn tolerance<T: Float>(case: &Case) -> Tolerance {
    match T::DTYPE {
        DType::F64 => Tolerance {
            rtol: 1e-12,
            scaled: 1e-14,
            scale: 0.0,
            atol: 1e-300,
        },
        // Exponents of a thousand have few digits behind the point in f32, and none of them are lost in f64.
        _ if case.name.starts_with("logcumsumexp/special") => Tolerance {
            rtol: 2e-5,
            scaled: 0.0,
            scale: 0.0,
            atol: 0.0,
        },
        _ => Tolerance {
            rtol: 2e-6,
            scaled: 2e-7,
            scale: 0.0,
            atol: 1e-42,
        },
    }
}

/// Inputs as arguments: floats as leaves of `tape`.
fn arguments<T: Float>(tape: &Tape<T>, given: &[Given<T>]) -> Vec<Value<T>> {
    let one = |x: &Given<T>| match x {
        Given::Float(x) => Value::Var(tape.leaf(x.clone())),
        x => Value::Plain(x.clone()),
    };
    given.iter().map(one).collect()
}

fn leaves<T: Float>(arguments: &[Value<T>]) -> Vec<&Var<T>> {
    fn leaf<T: Float>(x: &Value<T>) -> Option<&Var<T>> {
        match x {
            Value::Var(x) => Some(x),
            _ => None,
        }
    }
    arguments.iter().filter_map(leaf).collect()
}

fn compare_value<T: Float>(
    got: &Value<T>,
    expected: &Given<T>,
    tolerance: Tolerance,
) -> Option<String> {
    let exact = |shapes: bool, same: bool| {
        (!shapes || !same).then(|| format!("{got:?}, expected {expected:?}"))
    };
    match (got, expected) {
        (Value::Var(y), Given::Float(e)) => difference(y.value(), e, tolerance),
        (Value::Plain(Given::Float(y)), Given::Float(e)) => difference(y, e, tolerance),
        (Value::Plain(Given::F32(y)), Given::F32(e)) => difference(y, e, tolerance),
        (Value::Plain(Given::F64(y)), Given::F64(e)) => difference(y, e, tolerance),
        (Value::Plain(Given::I64(y)), Given::I64(e)) => exact(y.shape() == e.shape(), y == e),
        (Value::Plain(Given::Bool(y)), Given::Bool(e)) => exact(y.shape() == e.shape(), y == e),
        _ => Some(format!("{got:?} is of another type than {expected:?}")),
    }
}

/// Gradients of `outputs` from `seeds`; an output that depends on nothing, or an input that nothing depends on,
/// leaves zeros.
fn gradients<T: Float>(
    outputs: &[Var<T>],
    seeds: &[Var<T>],
    inputs: &[&Var<T>],
    create_graph: bool,
) -> Result<Vec<Var<T>>, String> {
    let (mut from, mut with) = (Vec::new(), Vec::new());
    for (y, seed) in outputs.iter().zip(seeds) {
        if y.is_tracked() {
            from.push(y);
            with.push(seed.clone());
        }
    }
    if from.is_empty() {
        return Ok(inputs.iter().map(|x| x.zeros_like()).collect());
    }
    let options = GradOptions::new()
        .create_graph(create_graph)
        .retain_graph(true)
        .allow_unused(true)
        .seed(with);
    grad(&from, inputs, options).map_err(|e| format!("backward: {e}"))
}

/// Compares what is there on both sides of two lists.
fn compare_list<T: Float>(
    what: &str,
    got: &[&Var<T>],
    expected: Vec<Option<Tensor<T>>>,
    tolerance: Tolerance,
) -> Result<(), String> {
    let expected: Vec<Tensor<T>> = expected.into_iter().flatten().collect();
    if got.len() != expected.len() {
        return Err(format!(
            "{what}: {} of them, expected {}",
            got.len(),
            expected.len()
        ));
    }
    for (i, (g, e)) in got.iter().zip(&expected).enumerate() {
        if let Some(off) = difference(g.value(), e, tolerance) {
            return Err(format!("{what} {i}: {off}"));
        }
    }
    Ok(())
}

/// What became of a case.
#[derive(PartialEq)]
enum Verdict {
    Passed,
    Missing(&'static str),
    Failed(String),
}

fn check<T: Float>(case: &Case) -> Verdict {
    // No call may panic; one that does must not hide what the others come to.
    let run = AssertUnwindSafe(|| compare::<T>(case));
    match catch_unwind(run) {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(what)) => Verdict::Failed(what),
        Err(_) => Verdict::Failed("panicked".into()),
    }
}

fn compare<T: Float>(case: &Case) -> Result<Verdict, String> {
    let given = case.inputs::<T>();
    let tape = Tape::new();
    let arguments = arguments(&tape, &given);
    let outcome = match call(case, &arguments) {
        Outcome::Missing(what) => return Ok(Verdict::Missing(what)),
        Outcome::Unsayable => None,
        Outcome::Done(done) => Some(done),
    };
    if case.fails() {
        return match outcome {
            Some(Ok(_)) => Err("no error".into()),
            _ => Ok(Verdict::Passed),
        };
    }
    let outputs = match outcome {
        None => return Err("the types rule out a call that PyTorch takes".into()),
        Some(outputs) => outputs.map_err(|e| format!("forward: {e}"))?,
    };
    let expected = case.outputs::<T>();
    if outputs.len() != expected.len() {
        return Err(format!(
            "{} outputs, expected {}",
            outputs.len(),
            expected.len()
        ));
    }
    let tolerance = tolerance::<T>(case);
    for (i, (got, expected)) in outputs.iter().zip(&expected).enumerate() {
        if let Some(off) = compare_value(got, expected, tolerance) {
            return Err(format!("output {i}: {off}"));
        }
    }
    let (Some(dy), Some(grads)) = (case.dy::<T>(), case.grads::<T>()) else {
        return Ok(Verdict::Passed);
    };
    let tolerance = Tolerance {
        scale: (dy.iter().flatten().map(|dy| largest(&dy.to_vec()))).fold(0.0, f64::max),
        ..tolerance
    };
    let (mut ys, mut seeds) = (Vec::new(), Vec::new());
    for (y, dy) in outputs.iter().zip(dy) {
        match (y, dy) {
            (Value::Var(y), Some(dy)) => {
                ys.push(y.clone());
                seeds.push(tape.leaf(dy));
            }
            // A conversion is data, and has no gradient here.
            (Value::Plain(Given::Float(_) | Given::F32(_) | Given::F64(_)), _) => {
                return Ok(Verdict::Passed);
            }
            (_, None) => {}
            (y, Some(_)) => return Err(format!("no gradient can pass through {y:?}")),
        }
    }
    let inputs = leaves(&arguments);
    let first = gradients(&ys, &seeds, &inputs, true)?;
    compare_list(
        "gradient",
        &first.iter().collect::<Vec<_>>(),
        grads,
        tolerance,
    )?;
    twice(case, &arguments, &ys, &seeds, &first, tolerance)?;
    let (Some(v), Some(second), Some(ddy)) =
        (case.second("v"), case.second("grads"), case.second("dy"))
    else {
        return Ok(Verdict::Passed);
    };
    let weights: Vec<Var<T>> = v.into_iter().flatten().map(Var::from).collect();
    let targets: Vec<&Var<T>> = inputs.iter().copied().chain(&seeds).collect();
    let found = gradients(&first, &weights, &targets, false)?;
    let found: Vec<&Var<T>> = found.iter().collect();
    let (dx, dseed) = found.split_at(inputs.len());
    compare_list("second derivative", dx, second, tolerance)?;
    compare_list("derivative by dy", dseed, ddy, tolerance)?;
    Ok(Verdict::Passed)
}

/// An input that enters the operation twice gets twice the gradient.
fn twice<T: Float>(
    case: &Case,
    arguments: &[Value<T>],
    ys: &[Var<T>],
    seeds: &[Var<T>],
    first: &[Var<T>],
    tolerance: Tolerance,
) -> Result<(), String> {
    let Outcome::Done(Ok(again)) = call(case, arguments) else {
        return Err("the second call failed".into());
    };
    let sums: Vec<Var<T>> = (leaves(&again).into_iter().zip(ys))
        .map(|(a, b)| a.add(b).unwrap())
        .collect();
    let both = gradients(&sums, seeds, &leaves(arguments), false)?;
    let doubled = first
        .iter()
        .map(|dx| Some(dx.value() + dx.value()))
        .collect();
    compare_list(
        "gradient of both uses",
        &both.iter().collect::<Vec<_>>(),
        doubled,
        tolerance,
    )
}

/// What all cases came to.
#[derive(Default)]
struct Tally {
    passed: usize,
    kept: BTreeMap<&'static str, usize>,
    missing: BTreeMap<(String, &'static str), usize>,
    failed: Vec<String>,
}

impl Tally {
    fn count(&mut self, name: &str, cases: &[Case]) {
        let before = self.passed;
        for case in cases {
            let verdict = match case.dtype.as_str() {
                "f32" => check::<f32>(case),
                _ => check::<f64>(case),
            };
            let kept = |what: &str| {
                (KEPT.iter()).find(|row| case.name.starts_with(row.0) && what.starts_with(row.1))
            };
            match verdict {
                Verdict::Passed => self.passed += 1,
                Verdict::Missing(what) => {
                    *self.missing.entry((case.op.clone(), what)).or_default() += 1;
                }
                Verdict::Failed(what) => match kept(&what) {
                    Some(row) => *self.kept.entry(row.0).or_default() += 1,
                    None => self.failed.push(format!("{}: {what}", case.name)),
                },
            }
        }
        println!("{name}: {} of {}", self.passed - before, cases.len());
    }
}

/// Cases of a file of your own, in the form of the fixtures: `MORE_CASES=cases.json cargo test -p autograd --test parity`.
#[test]
fn more_cases_agree_with_pytorch() {
    let Some(path) = std::env::var_os("MORE_CASES") else {
        return;
    };
    let mut tally = Tally::default();
    tally.count("more cases", &read_file(path.as_ref()));
    for row in &tally.missing {
        println!("{row:?}");
    }
    assert!(tally.failed.is_empty(), "{}", tally.failed.join("\n"));
}

fn tally() -> Tally {
    let mut tally = Tally::default();
    for family in FAMILIES {
        tally.count(family, &read(family));
    }
    tally
}

#[test]
fn operations_agree_with_pytorch() {
    let tally = tally();
    assert!(
        tally.failed.is_empty(),
        "{} cases differ:\n{}",
        tally.failed.len(),
        tally.failed.join("\n")
    );
    for row in &tally.missing {
        println!("{row:?}");
    }
    let missing: Vec<_> = (tally.missing.iter())
        .map(|((op, what), n)| (op.as_str(), *what, *n))
        .collect();
    assert_eq!(
        missing, MISSING,
        "left: what is missing; right: what the table says"
    );
    // A difference that is gone must leave the table.
    let listed: BTreeMap<_, _> = KEPT.iter().map(|row| (row.0, row.2)).collect();
    assert_eq!(
        tally.kept, listed,
        "left: what differs; right: what the table says"
    );
    assert!(
        tally.passed > 2500,
        "only {} cases were compared",
        tally.passed
    );
}

/// Samples in which the library differs on purpose, by the start of their names.
const SAMPLES_KEPT: &[(&str, usize)] = &[
    // Of one element the second derivative is 0, and in PyTorch what rounding leaves of a difference.
    ("logcumsumexp/logcumsumexp_0/f64", 1),
];

/// A sample: values, gradients and second derivatives.
fn compare_sample<T: Float>(sample: &Sample) -> Result<(), String> {
    let tape = Tape::new();
    let arguments = arguments(&tape, &sample.inputs::<T>());
    let outputs = match call(&sample.case, &arguments) {
        Outcome::Done(outputs) => outputs.map_err(|e| format!("forward: {e}"))?,
        Outcome::Missing(what) => return Err(what.into()),
        Outcome::Unsayable => return Err("the types rule out a call that PyTorch takes".into()),
    };
    if outputs.len() != sample.outputs().len() {
        return Err(format!(
            "{} outputs, expected {}",
            outputs.len(),
            sample.outputs().len()
        ));
    }
    let mut tolerance = tolerance::<T>(&sample.case);
    for (i, (y, want)) in outputs.iter().zip(sample.outputs()).enumerate() {
        let off = match y {
            Value::Var(y) => differs(y.value(), want, tolerance),
            Value::Plain(Given::Float(y)) => differs(y, want, tolerance),
            Value::Plain(Given::F32(y)) => differs(y, want, tolerance),
            Value::Plain(Given::F64(y)) => differs(y, want, tolerance),
            Value::Plain(Given::I64(y)) => differs(y, want, tolerance),
            Value::Plain(Given::Bool(y)) => differs(y, want, tolerance),
        };
        if let Some(off) = off {
            return Err(format!("output {i}: {off}"));
        }
    }
    let Some(passes) = sample.passes() else {
        return Ok(());
    };
    let (mut ys, mut seeds) = (Vec::new(), Vec::new());
    for (y, passes) in outputs.iter().zip(passes) {
        match (y, passes) {
            (Value::Var(y), true) => {
                ys.push(y.clone());
                seeds.push(tape.leaf(pattern(y.shape(), 1)));
            }
            (_, false) => {}
            (y, true) => return Err(format!("no gradient can pass through {y:?}")),
        }
    }
    let inputs = leaves(&arguments);
    // Terms as large as the gradients of the outputs may have cancelled.
    tolerance.scale = 2.0;
    let first = gradients(&ys, &seeds, &inputs, true)?;
    let compare = |what: &str, got: &[Var<T>], want: Vec<&serde_json::Value>| {
        if got.len() != want.len() {
            return Err(format!(
                "{what}: {} of them, expected {}",
                got.len(),
                want.len()
            ));
        }
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            if let Some(off) = differs(got.value(), want, tolerance) {
                return Err(format!("{what} {i}: {off}"));
            }
        }
        Ok(())
    };
    compare("gradient", &first, sample.gradients())?;
    if let Some(second) = sample.second() {
        let v: Vec<Var<T>> = (first.iter())
            .map(|dx| Var::from(pattern(dx.shape(), 2)))
            .collect();
        let targets: Vec<&Var<T>> = inputs.iter().copied().chain(&seeds).collect();
        compare(
            "second derivative",
            &gradients(&first, &v, &targets, false)?,
            second,
        )?;
    }
    Ok(())
}

#[test]
fn samples_of_pytorch_agree() {
    let all = samples();
    let (mut failed, mut kept) = (Vec::new(), BTreeMap::new());
    for sample in &all {
        let run = || match sample.case.dtype.as_str() {
            "f32" => compare_sample::<f32>(sample),
            _ => compare_sample::<f64>(sample),
        };
        let what = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err("panicked".into()));
        let Err(what) = what else { continue };
        let name = &sample.case.name;
        match SAMPLES_KEPT.iter().find(|row| name.starts_with(row.0)) {
            Some(row) => *kept.entry(row.0).or_insert(0) += 1,
            None => failed.push(format!("{name}: {what}")),
        }
    }
    println!("{} samples, {} differ on purpose", all.len(), kept.len());
    assert!(
        failed.is_empty(),
        "{} samples differ:\n{}",
        failed.len(),
        failed.join("\n")
    );
    let listed: BTreeMap<_, usize> = SAMPLES_KEPT.iter().copied().collect();
    assert_eq!(
        kept, listed,
        "left: what differs; right: what the table says"
    );
    assert!(all.len() >= 4000, "only {} samples", all.len());
}

/// The methods that the sources of a crate's folder declare.
fn methods(folder: &str) -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            for part in text.split("pub fn ").skip(1) {
                let end = part.find(|c: char| !c.is_alphanumeric() && c != '_');
                names.push(part[..end.unwrap()].to_string());
            }
        }
    }
    names
}

#[test]
fn what_is_listed_as_missing_is_not_there() {
    let mut there = methods("src/ops");
    there.extend(methods("../tensor-core/src"));
    assert!(
        there.iter().any(|name| name == "matmul"),
        "no methods were found"
    );
    for (op, what, _) in MISSING {
        assert!(
            *what != "not in the library" || !there.iter().any(|name| name == op),
            "`{op}` is listed as missing, and there is a method of that name"
        );
    }
}
