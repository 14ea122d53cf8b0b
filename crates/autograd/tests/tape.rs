//! The tape: depth, width, accumulation, release, and every wrong use of it.

use autograd::{
    Error, Float, GradOptions, Grads, Needs, Op, Param, Result, Tape, TapeProblem, Tensor, Var,
    grad,
};
use tensor_core::pool;

fn problem(e: Error) -> TapeProblem {
    match e {
        Error::Tape { problem, .. } => problem,
        e => panic!("{e}"),
    }
}

#[test]
fn a_million_operations_on_a_small_stack() {
    let work = || {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::scalar(1.0f64));
        let mut y = x.clone();
        for _ in 0..1_000_000 {
            y = y.mul(1.0).unwrap();
        }
        assert_eq!(tape.len(), 1_000_001);
        assert_eq!(y.backward().unwrap().get(&x).unwrap().item().unwrap(), 1.0);
    };
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_hundred_thousand_leaves() {
    let tape = Tape::new();
    let leaves: Vec<Var<f64>> = (0..100_000)
        .map(|i| tape.leaf(Tensor::scalar(f64::from(i))))
        .collect();
    let total = leaves
        .iter()
        .skip(1)
        .fold(leaves[0].clone(), |sum, x| sum + x);
    let grads = total.backward().unwrap();
    assert_eq!(grads.len(), leaves.len());
    assert!(
        leaves
            .iter()
            .all(|x| grads.get(x).unwrap().item().unwrap() == 1.0)
    );
}

#[test]
fn a_value_used_again_accumulates() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::from([2.0f32, 3.0]));
    let y = (&x * &x + &x * 4.0 + &x).sum(..).unwrap();
    assert_eq!(y.backward().unwrap().get(&x).unwrap().to_vec(), [9.0, 11.0]);
}

#[test]
fn broadcasting_is_summed_back() {
    let tape = Tape::new();
    let (a, b) = (
        tape.leaf(Tensor::ones([2, 3]).unwrap()),
        tape.leaf(Tensor::<f64>::ones([3]).unwrap()),
    );
    let c = tape.leaf(Tensor::ones([2, 1]).unwrap());
    let y = a.mul(&b).unwrap().mul(&c).unwrap();
    let grads = y
        .backward_with(&Tensor::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
        .unwrap();
    assert_eq!(grads.get(&b).unwrap().to_vec(), [5.0, 7.0, 9.0]);
    assert_eq!(grads.get(&c).unwrap().to_vec(), [6.0, 15.0]);
    assert_eq!(grads.get(&c).unwrap().shape(), [2, 1]);
}

#[test]
fn what_was_freed_says_so() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::scalar(3.0f64));
    let y = x.square();
    y.backward_retain().unwrap();
    y.backward().unwrap();
    let e = y.backward().unwrap_err();
    assert_eq!(
        e.to_string(),
        "backward: the graph was freed by an earlier backward pass: keep it with `retain_graph`, or run the forward pass \
         again"
    );
}

#[test]
fn seeds() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::from([1.0f64, 2.0]));
    let y = x.square();
    assert_eq!(problem(y.backward().unwrap_err()), TapeProblem::NeedsSeed);
    let e = y.backward_with(&Tensor::from([1.0])).unwrap_err();
    assert_eq!(
        e.to_string(),
        "backward: the seed has shape [1], but the output has shape [2]"
    );
    let options = GradOptions::new().seed([]);
    let e = grad(&[&y], &[&x], options).unwrap_err();
    assert_eq!(
        e.to_string(),
        "grad: seed is a list of 0, but there must be one seed for each output"
    );
    // A failed call leaves the graph as it was.
    assert_eq!(
        y.backward_with(&Tensor::from([1.0, 10.0]))
            .unwrap()
            .get(&x)
            .unwrap()
            .to_vec(),
        [2.0, 40.0]
    );
}

#[test]
fn values_that_no_gradient_reaches() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::scalar(3.0f64));
    let other = tape.leaf(Tensor::scalar(4.0));
    let y = x.square();
    let constant = Var::from(Tensor::scalar(1.0f64));
    assert_eq!(
        problem(constant.backward().unwrap_err()),
        TapeProblem::Untracked
    );
    assert_eq!(
        problem(grad(&[&y], &[&constant], GradOptions::new()).unwrap_err()),
        TapeProblem::Untracked
    );
    let retain = || GradOptions::new().retain_graph(true);
    assert_eq!(
        problem(grad(&[&y], &[&other], retain()).unwrap_err()),
        TapeProblem::Unused
    );
    let zero = grad(&[&y], &[&other], retain().allow_unused(true)).unwrap();
    assert_eq!(zero[0].item().unwrap(), 0.0);
    let grads = y.backward().unwrap();
    assert_eq!(
        problem(grads.get(&other).unwrap_err()),
        TapeProblem::NoGradient
    );
    assert!(grads.find(&Tape::new().leaf(Tensor::scalar(0.0))).is_none());
}

#[test]
fn two_tapes_do_not_mix() {
    let (a, b) = (
        Tape::new().leaf(Tensor::scalar(1.0f64)),
        Tape::new().leaf(Tensor::scalar(2.0)),
    );
    let e = a.add(&b).unwrap_err();
    assert_eq!(
        e.to_string(),
        "record: the operands lie on different tapes: make all leaves on one tape, or `detach` one operand"
    );
    assert_eq!(a.add(b.detach()).unwrap().item().unwrap(), 3.0);
    let (y, z) = (a.square(), b.square());
    assert_eq!(
        problem(grad(&[&y], &[&b], GradOptions::new()).unwrap_err()),
        TapeProblem::Foreign
    );
    assert_eq!(
        problem(grad(&[&y, &z], &[&a], GradOptions::new()).unwrap_err()),
        TapeProblem::Foreign
    );
}

#[test]
fn values_between_and_higher_derivatives() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::scalar(2.0f64));
    let middle = x.square();
    let y = middle.mul(&x).unwrap();
    let options = || GradOptions::new().create_graph(true);
    let found = grad(&[&y], &[&middle, &x, &x], options()).unwrap();
    assert_eq!(
        found.iter().map(|g| g.item().unwrap()).collect::<Vec<_>>(),
        [2.0, 12.0, 12.0]
    );
    let second = grad(&[&found[1]], &[&x], options()).unwrap();
    let third = grad(&[&second[0]], &[&x], options()).unwrap();
    assert_eq!(
        (second[0].item().unwrap(), third[0].item().unwrap()),
        (12.0, 6.0)
    );
}

#[test]
fn constants_record_nothing() {
    let tape = Tape::new();
    let data = tape.input(Tensor::from([1.0f32, 2.0]));
    let y = data.square().exp().sum(..).unwrap();
    assert!(!y.is_tracked() && tape.is_empty() && y.tape().is_some());
    let leaf = tape.leaf(Tensor::from([1.0, 2.0]));
    assert!(!leaf.detach().square().is_tracked());
    assert_eq!(tape.len(), 1);
}

#[test]
fn parameters_enter_once_and_clones_are_others() {
    let w = Param::new(Tensor::from([2.0f64]));
    let twin = w.clone();
    assert_ne!(w.id(), twin.id());
    let tape = Tape::new();
    let x = tape.input(Tensor::from([3.0]));
    let y = (x.mul(w.on(&x)).unwrap() + x.mul(w.on(&x)).unwrap())
        .sum(..)
        .unwrap();
    assert_eq!(tape.len(), 5); // one leaf, two products, two sums
    let grads = y.backward().unwrap();
    assert_eq!(grads.get(&w).unwrap().to_vec(), [6.0]);
    assert!(grads.find(&twin).is_none());
}

/// An operation whose rule fails in one of two ways.
struct Bad {
    error: bool,
}
impl<T: Float> Op<T> for Bad {
    fn name(&self) -> &'static str {
        "bad"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        if self.error {
            return Err(dy.value().reshape([7, 7]).unwrap_err());
        }
        Ok(Grads::two(None, None))
    }
}

#[test]
fn a_rule_that_fails_leaves_the_tape_usable() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::scalar(3.0f64));
    let bad = |error| Var::record(&[&x], x.value().clone(), |_| Bad { error }).unwrap();
    let e = bad(true).backward().unwrap_err();
    assert!(e.to_string().starts_with("reshape:"), "{e}");
    assert_eq!(
        problem(bad(false).backward().unwrap_err()),
        TapeProblem::GradCount
    );
    assert_eq!(
        x.square()
            .backward()
            .unwrap()
            .get(&x)
            .unwrap()
            .item()
            .unwrap(),
        6.0
    );
}

#[test]
fn training_reaches_a_steady_state() {
    let mut w = Param::new(Tensor::<f32>::full([64, 256], 0.01).unwrap());
    let data = Tensor::<f32>::ones([128, 64]).unwrap();
    let mut step = || {
        let x = Tape::new().input(data.clone());
        let loss = x
            .matmul(&w.on(&x))
            .unwrap()
            .tanh()
            .square()
            .mean(..)
            .unwrap();
        let grads = loss.backward().unwrap();
        let update = grads.get(&w).unwrap().mul(-0.1).unwrap();
        drop((x, loss));
        w.value_mut().add_assign(&update).unwrap();
    };
    (0..5).for_each(|_| step());
    let before = pool::stats().fetched;
    (0..200).for_each(|_| step());
    // Other tests of this program may fetch a few of their own at the same time.
    assert!(
        pool::stats().fetched - before < 20,
        "{} buffers were fetched",
        pool::stats().fetched - before
    );
}
