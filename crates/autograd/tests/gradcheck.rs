//! The checker itself: rules that are wrong on purpose are caught, kinks and ill-conditioned points are told apart.

use autograd::check::{Report, Status};
use autograd::{
    Float, Grads, Needs, Op, Result, Saved, Tape, Tensor, Var, gradcheck, gradgradcheck,
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
        assert!(report.is_ok() && !report.is_clean(), "{report}");
    }
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
    let report = gradcheck(
        |v| product(&v[0], &v[0].detach(), Fault::None),
        &[Tensor::from([3.0])],
    )
    .unwrap();
    let text = report.to_string();
    assert!(text.starts_with(
        "gradcheck: 1 derivatives compared: 1 wrong, 0 at kinks, 0 too ill-conditioned to tell\n"
    ));
    let row = text.lines().nth(2).unwrap();
    assert!(
        row.contains("0[0]") && row.contains("3.000000000e0") && row.ends_with("wrong"),
        "{row}"
    );
    assert_eq!(
        check(Fault::None).to_string(),
        "gradcheck: 18 derivatives compared: all agree"
    );
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
