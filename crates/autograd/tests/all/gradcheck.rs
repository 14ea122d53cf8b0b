//! The checker itself: rules that are wrong on purpose are caught, kinks and ill-conditioned points are told apart.

use autograd::check::{Report, Status};
use autograd::{
    Float, GradCheck, Grads, Needs, Op, Result, Saved, Tape, Tensor, Var, gradcheck, gradgradcheck,
};
use std::cell::Cell;

/// `a · b`, with a rule that can be broken in each of the usual ways.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Factor,
    Sign,
    Forgotten,
    Swapped,
    IgnoresUpstream,
    NotANumber,
    Detached,
}

struct Product<T: Float> {
    a: Saved<T>,
    b: Saved<T>,
    fault: Fault,
}

impl<T: Float> Op<T> for Product<T> {
    fn name(&self) -> &'static str {
        "product"
    }

    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let (a, b) = (self.a.on(dy), self.b.on(dy));
        let (da, db) = (dy * &b, dy * &a);
        Ok(match self.fault {
            Fault::None => Grads::two(Some(da), Some(db)),
            Fault::Factor => Grads::two(Some(da * 2.0), Some(db)),
            Fault::Sign => Grads::two(Some(da), Some(-db)),
            Fault::Forgotten => Grads::two(Some(da), None),
            Fault::Swapped => Grads::two(Some(db), Some(da)),
            Fault::IgnoresUpstream => Grads::two(Some(b), Some(a)),
            Fault::NotANumber => Grads::two(Some(da * f64::NAN), Some(db)),
            Fault::Detached => Grads::two(Some(dy * b.detach()), Some(dy * a.detach())),
        })
    }
}

fn product<T: Float>(a: &Var<T>, b: &Var<T>, fault: Fault) -> Result<Var<T>> {
    let y = a.value().mul(b.value())?;
    Var::record(&[a, b], y, |_| Product {
        a: a.save(),
        b: b.save(),
        fault,
    })
}

fn inputs() -> [Tensor<f64>; 2] {
    [
        Tensor::from([0.7, -1.3, 2.1]),
        Tensor::from([1.9, 0.4, -0.6]),
    ]
}

fn check(fault: Fault) -> Report {
    gradcheck(|v| product(&v[0], &v[1], fault), &inputs()).unwrap()
}

/// A function of one input, without captures.
type Function = fn(&Var<f64>) -> Result<Var<f64>>;

#[test]
fn a_right_rule_passes() {
    assert!(check(Fault::None).is_clean());
    assert!(
        gradgradcheck(|v| product(&v[0], &v[1], Fault::None), &inputs())
            .unwrap()
            .is_clean()
    );
}

#[test]
fn wrong_rules_are_caught() {
    for fault in [
        Fault::Factor,
        Fault::Sign,
        Fault::Forgotten,
        Fault::Swapped,
        Fault::IgnoresUpstream,
        Fault::NotANumber,
    ] {
        let report = check(fault);
        assert!(!report.is_ok(), "{report}");
        assert!(report.count(Status::Wrong) >= 3, "{report}");
    }
}

#[test]
fn a_rule_that_detaches_fails_the_second_order_only() {
    assert!(check(Fault::Detached).is_clean());
    let report = gradgradcheck(|v| product(&v[0], &v[1], Fault::Detached), &inputs()).unwrap();
    assert!(!report.is_ok(), "{report}");
}

/// A sum whose rule keeps only the last of the gradients that come together, as an assignment would.
struct LastOnly;
impl<T: Float> Op<T> for LastOnly {
    fn name(&self) -> &'static str {
        "last_only"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::two(None, Some(dy.clone())))
    }
}

#[test]
fn an_assignment_where_a_sum_belongs_is_caught() {
    let twice = |v: &[Var<f64>]| Var::record(&[&v[0], &v[0]], v[0].value().mul(2.0)?, |_| LastOnly);
    let report = gradcheck(twice, &inputs()[..1]).unwrap();
    assert_eq!(report.count(Status::Wrong), 3, "{report}");
}

#[test]
fn kinks_are_no_errors() {
    let zero = Tensor::from([0.0, 1.0]);
    // The slope that PyTorch takes at the kink: a side's, which central differences miss, or the middle, which is theirs.
    let at_the_side: [Function; 2] = [|x| Ok(x.relu()), |x| Ok(x.clamp(0.0, None))];
    let in_the_middle: [Function; 2] = [
        |x| Ok(x.abs()),
        |x| x.maximum(Var::from(Tensor::from([0.0, 0.0]))),
    ];
    for (functions, kinks) in [(at_the_side, 1), (in_the_middle, 0)] {
        for f in functions {
            let report = gradcheck(|v| f(&v[0]), std::slice::from_ref(&zero)).unwrap();
            assert!(report.is_ok(), "{report}");
            assert_eq!(report.count(Status::Kink), kinks, "{report}");
        }
    }
}

#[test]
fn a_wrong_slope_at_a_kink_is_still_wrong() {
    // Between -1 and 1 anything is a sub-gradient of the magnitude; 3 is not.
    struct Steep;
    impl<T: Float> Op<T> for Steep {
        fn name(&self) -> &'static str {
            "steep"
        }
        fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
            Ok(Grads::one(dy * 3.0))
        }
    }
    let f = |v: &[Var<f64>]| Var::record(&[&v[0]], v[0].value().abs(), |_| Steep);
    assert!(!gradcheck(f, &[Tensor::from([0.0])]).unwrap().is_ok());
}

#[test]
fn what_cannot_be_told_is_not_called_wrong() {
    // So quick an oscillation that no step of this size sees it.
    for i in 0..50 {
        let x = Tensor::from([0.3]);
        let frequency = 1e7 + 1234.5 * f64::from(i);
        let report = gradcheck(|v| Ok((&v[0] * frequency).sin()), &[x]).unwrap();
        assert_eq!(report.count(Status::Wrong), 0, "{report}");
        // Nothing was checked, though, and the report says so.
        assert!(!report.is_ok(), "{report}");
    }
}

#[test]
fn what_was_not_checked_is_not_ok() {
    // Outside of the logarithm's domain, and with one element inside of it.
    let logs = |x: Tensor<f64>| gradcheck(|v| Ok(v[0].log()), &[x]).unwrap();
    let report = logs(Tensor::from([-1.0]));
    assert!(!report.is_ok() && report.count(Status::Wrong) == 0);
    assert!(
        hints(&report).starts_with("nothing could be told at these inputs"),
        "{report}"
    );
    assert!(logs(Tensor::from([-1.0, 2.0])).is_ok());
    // Of no elements there is nothing to check.
    assert!(logs(Tensor::zeros([0]).unwrap()).is_ok());
}

#[test]
fn a_function_with_a_mind_of_its_own_is_found() {
    let calls = Cell::new(0.0);
    let f = |v: &[Var<f64>]| {
        calls.set(calls.get() + 1.0);
        v[0].mul(calls.get())
    };
    let report = gradcheck(f, &[Tensor::from([1.0])]).unwrap();
    assert!(report.nondeterministic && !report.is_ok());
    assert_eq!(
        report.to_string(),
        "gradcheck: the function gives different results for the same inputs: seed its generator"
    );
}

#[test]
fn the_report_reads_well() {
    let report = check(Fault::Sign);
    let text = report.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        [lines[0], lines[1], lines[5]],
        [
            "gradcheck: 18 derivatives compared: 3 wrong, 0 at kinks, 0 too ill-conditioned to tell",
            "  output  input          by rule  by differences  off by  ± error  status",
            "hint: every wrong derivative by input 1 is the right one with the other sign",
        ]
    );
    let rows = [
        "  0[0]    1[0]   -7.000000000e-1  7.000000000e-1   1.4e0  ",
        "  0[1]    1[1]     1.300000000e0  -1.300000000e0   2.6e0  ",
        "  0[2]    1[2]    -2.100000000e0   2.100000000e0   4.2e0  ",
    ];
    for (line, row) in lines[2..5].iter().zip(rows) {
        // What is left is the estimated error of the difference.
        let error = line
            .strip_prefix(row)
            .and_then(|rest| rest.strip_suffix("  wrong"));
        let error: f64 = error
            .unwrap_or_else(|| panic!("{text}"))
            .trim()
            .parse()
            .unwrap();
        assert!(error < 1e-9, "{text}");
    }
    assert_eq!(
        check(Fault::None).to_string(),
        "gradcheck: 18 derivatives compared: all agree"
    );
    let second = |v: &[Var<f64>]| product(&v[0], &v[1], Fault::Detached);
    let second = gradgradcheck(second, &inputs()).unwrap();
    let text = second.to_string();
    assert!(
        text.starts_with("gradgradcheck: 54 derivatives compared: 6 wrong"),
        "{text}"
    );
    assert!(
        text.contains("hint: no gradient reaches input 0: it is cut on the way"),
        "{text}"
    );
}

fn hints(report: &Report) -> String {
    assert!(!report.is_ok(), "{report}");
    report.hints.join("\n")
}

#[test]
fn hints_say_what_wrong_derivatives_have_in_common() {
    for (fault, hint) in [
        (
            Fault::Factor,
            "every wrong derivative by input 0 is 2 times the right one",
        ),
        (
            Fault::Forgotten,
            "no gradient reaches input 1: it is cut on the way",
        ),
        (
            Fault::NotANumber,
            "the derivatives by input 0 are NaN where differences are finite",
        ),
    ] {
        let found = hints(&check(fault));
        assert!(found.starts_with(hint), "{found}");
    }
    // Of different quotients nothing is said.
    assert_eq!(hints(&check(Fault::Swapped)), "");
    // Where one output alone is asked for, the rule is right by chance: that output's seed is 1.
    let f = |v: &[Var<f64>]| product(&v[0].sum(..)?, &v[1].sum(..)?, Fault::IgnoresUpstream);
    let report = gradcheck(f, &inputs()).unwrap();
    let found = hints(&report);
    assert!(
        found.starts_with("each output alone is right, and their combination is not"),
        "{found}"
    );
}

#[test]
fn rounding_to_f32_is_recognised() {
    let rounded = |v: &[Var<f64>]| {
        let y = v[0].sin();
        let single = y.value().cast::<f32>().cast::<f64>();
        y.add(Var::from(single.sub(y.value())?))
    };
    let report = gradcheck(rounded, &[Tensor::from([0.3, 0.7])]).unwrap();
    assert!(!report.is_clean(), "{report}");
    assert!(
        report
            .to_string()
            .contains("hint: all outputs are numbers of f32"),
        "{report}"
    );
}

#[test]
fn wrong_uses_say_so() {
    let constant = |_: &[Var<f64>]| Ok(Var::from(Tensor::from([1.0])));
    for name in ["gradcheck", "gradgradcheck"] {
        let e = match name {
            "gradcheck" => gradcheck(constant, &[]),
            _ => gradgradcheck(constant, &[]),
        };
        assert_eq!(
            e.unwrap_err().to_string(),
            format!(
                "{name}: inputs is an empty list, but there is nothing to differentiate by: pass what the function \
                 depends on as inputs"
            )
        );
    }
    let grows = |v: &[Var<f64>]| {
        let n = if v[0].item()? > 1.0 { 2 } else { 1 };
        v[0].broadcast_to([n])
    };
    let e = gradcheck(grows, &[Tensor::scalar(1.0)]).unwrap_err();
    assert_eq!(
        e.to_string(),
        "gradcheck: the number of outputs has shape [2], but it was 1 for other values of the inputs, and must not \
         depend on them"
    );
    // What depends on no input is checked as well: its derivatives are zero.
    assert!(gradcheck(constant, &inputs()).unwrap().is_clean());
    assert!(gradgradcheck(constant, &inputs()).unwrap().is_clean());
    let empty = gradcheck(|v| Ok(v[0].exp()), &[Tensor::zeros([0]).unwrap()]).unwrap();
    assert_eq!(
        empty.to_string(),
        "gradcheck: 0 derivatives compared, for there are no elements"
    );
}

/// Large inputs: `a · b` element by element, summed with weights that the check draws.
fn large() -> [Tensor<f64>; 2] {
    let n = 40_000;
    let wave = |k: f64| {
        let x = Tensor::<f64>::linspace(0.0, k, n).unwrap();
        x.map(|x| x.sin() * 2.0 + 0.1)
    };
    [wave(1000.0), wave(777.0)]
}

#[test]
fn the_fast_mode_passes_what_is_right() {
    let fast = GradCheck::new().fast(4);
    let f = |v: &[Var<f64>]| product(&v[0], &v[1], Fault::None);
    let report = fast.run(f, &large()).unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        report.to_string(),
        "gradcheck: 8 projections compared: all agree"
    );
    let report = fast.run_second(f, &large()).unwrap();
    assert!(report.is_clean() && report.compared == 12, "{report}");
    // Reductions of many terms, and what bends.
    let f = |v: &[Var<f64>]| {
        v[0].mul(&v[1])?
            .reshape([200, 200])?
            .logsumexp(1)?
            .exp()
            .sum(..)
    };
    let report = fast.run(f, &large()).unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn the_fast_mode_steps_closer_than_kinks() {
    // Among so many elements some lie closer to 0 than the first step is long, and none at 0.
    let f = |v: &[Var<f64>]| Ok(v[0].relu());
    let report = GradCheck::new().fast(4).run(f, &large()[..1]).unwrap();
    assert!(report.is_ok(), "{report}");
}

#[test]
fn the_fast_mode_finds_what_is_wrong() {
    for fault in [
        Fault::Factor,
        Fault::Sign,
        Fault::Forgotten,
        Fault::Swapped,
        Fault::IgnoresUpstream,
        Fault::NotANumber,
    ] {
        let f = |v: &[Var<f64>]| product(&v[0], &v[1], fault);
        let report = GradCheck::new().fast(1).run(f, &large()).unwrap();
        assert!(!report.is_ok(), "{report}");
    }
    let f = |v: &[Var<f64>]| product(&v[0], &v[1], Fault::Detached);
    assert!(
        GradCheck::new()
            .fast(1)
            .run(f, &large())
            .unwrap()
            .is_clean()
    );
    assert!(
        !GradCheck::new()
            .fast(1)
            .run_second(f, &large())
            .unwrap()
            .is_ok()
    );
}

/// The square, with a slope that is wrong in one element by a tenth.
struct OneWrong<T: Float> {
    x: Saved<T>,
    at: usize,
}
impl<T: Float> Op<T> for OneWrong<T> {
    fn name(&self) -> &'static str {
        "one_wrong"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let mut slope = self.x.value().mul(2.0)?;
        let place = &mut slope.as_mut_slice()[self.at];
        *place = *place * T::of(1.1);
        Ok(Grads::one(dy * Var::from(slope)))
    }
}

#[test]
fn the_fast_mode_finds_the_one_wrong_element() {
    let x = large()[0].reshape([200, 200]).unwrap();
    for (row, column) in [(0, 0), (0, 199), (123, 45), (199, 199)] {
        let f = |v: &[Var<f64>]| {
            let at = row * 200 + column;
            Var::record(&[&v[0]], v[0].value().square(), |_| OneWrong {
                x: v[0].save(),
                at,
            })
        };
        let report = GradCheck::new()
            .fast(1)
            .run(f, std::slice::from_ref(&x))
            .unwrap();
        assert_eq!(report.count(Status::Wrong), 1, "{report}");
        let found = &report.findings[0];
        assert_eq!(&found.input.1[..], [row, column], "{report}");
        // A tenth off, as it is.
        assert!(
            (found.analytic / found.numeric - 1.1).abs() < 1e-4,
            "{report}"
        );
    }
}

#[test]
#[should_panic(expected = "wrong")]
fn assert_ok_panics_with_the_report() {
    check(Fault::Sign).assert_ok();
}

#[test]
fn several_outputs_and_a_constant_one() {
    let f = |v: &[Var<f64>]| {
        Ok(vec![
            v[0].mul(&v[1])?,
            v[0].sum(..)?,
            Var::from(Tensor::from([1.0])),
        ])
    };
    assert!(gradcheck(f, &inputs()).unwrap().is_clean());
}

#[test]
fn errors_of_the_function_come_out() {
    let e = gradcheck(
        |v| v[0].add(&v[1]),
        &[Tensor::from([1.0, 2.0]), Tensor::from([1.0, 2.0, 3.0])],
    )
    .unwrap_err();
    assert!(
        e.to_string()
            .starts_with("add: shapes [2] and [3] do not broadcast"),
        "{e}"
    );
    // An empty input has no derivative, and no error either.
    assert!(
        gradcheck(|v| v[0].sum(..), &[Tensor::zeros([0]).unwrap()])
            .unwrap()
            .is_clean()
    );
    drop(Tape::<f64>::new());
}
