//! The tape: accumulation, release, and every wrong use of it.

use autograd::op::Output;
use autograd::{
    Error, Float, GradOptions, Grads, Needs, Op, Param, Result, Tape, TapeProblem, Tensor, Var,
    grad,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tensor_core::pool;

fn problem(e: Error) -> TapeProblem {
    match e {
        Error::Tape { problem, .. } => problem,
        e => panic!("{e}"),
    }
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
        "backward: the graph was freed by an earlier backward pass: keep it with `backward_retain` or \
         `retain_graph`, or run the forward pass again"
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
        "add: the operands lie on different tapes: make all leaves on one tape, or `detach` one operand"
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

/// An operation whose rule fails in some way.
#[derive(Clone, Copy)]
enum Bad {
    Error,
    Count,
    Shape,
}
impl<T: Float> Op<T> for Bad {
    fn name(&self) -> &'static str {
        "bad"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        match self {
            Bad::Error => Err(dy.value().reshape([7, 7]).unwrap_err()),
            Bad::Count => Ok(Grads::two(None, None)),
            Bad::Shape => Ok(Grads::one(Var::from(Tensor::zeros([3, 2])?))),
        }
    }
}

#[test]
fn a_rule_that_fails_leaves_the_tape_usable() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::scalar(3.0f64));
    let bad = |how: Bad| {
        let ones = Tensor::ones([2, 3]).unwrap();
        let y = Var::record(&[&tape.leaf(ones.clone())], ones.clone(), |_| how).unwrap();
        y.backward_with(&ones).unwrap_err().to_string()
    };
    let e = bad(Bad::Error);
    assert!(e.starts_with("reshape:"), "{e}");
    assert_eq!(
        bad(Bad::Count),
        "bad: the backward rule returned 2 gradients for 1 operands: return one for each, `None` for one that is not wanted"
    );
    assert_eq!(
        bad(Bad::Shape),
        "bad: a gradient of the backward rule has shape [3, 2], but operand 0 has shape [2, 3]: return that shape, or one \
         that it broadcasts to"
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

/// The identity, with a rule that counts itself as long as it lives, and may panic.
struct Counted {
    _alive: Rc<()>,
    panics: Rc<Cell<bool>>,
}
impl<T: Float> Op<T> for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        assert!(!self.panics.get(), "a rule that panics");
        Ok(Grads::one(dy.clone()))
    }
}

/// What rules hold, and the switch for them to panic.
#[derive(Default)]
struct Alive {
    token: Rc<()>,
    panics: Rc<Cell<bool>>,
}

impl Alive {
    fn op(&self, x: &Var<f64>) -> Var<f64> {
        Var::record(&[x], x.value().clone(), |_| Counted {
            _alive: self.token.clone(),
            panics: self.panics.clone(),
        })
        .unwrap()
    }
    fn chain(&self, x: &Var<f64>) -> Var<f64> {
        (0..100).fold(x.clone(), |y, _| self.op(&y))
    }
    fn count(&self) -> usize {
        Rc::strong_count(&self.token) - 1
    }
}

#[test]
fn rules_are_freed_as_they_are_passed() {
    let (tape, alive) = (Tape::new(), Alive::default());
    let x = tape.leaf(Tensor::scalar(1.0));
    let y = alive.chain(&x);
    let side = alive.op(&x);
    assert_eq!(alive.count(), 101);
    y.backward_retain().unwrap();
    assert_eq!(alive.count(), 101);
    // Halfway a hook looks at what is left.
    let half = alive.op(&y);
    let z = alive.chain(&half);
    let seen = Rc::new(Cell::new(0));
    let (tell, token) = (seen.clone(), Rc::downgrade(&alive.token));
    let hook = half.hook(move |_| {
        tell.set(token.strong_count() - 1);
        Ok(None)
    });
    hook.map(drop).unwrap();
    z.backward().unwrap();
    assert_eq!(seen.get(), 102);
    // What was not on the way is still there, and can be used.
    assert_eq!(alive.count(), 1);
    side.backward().unwrap();
    assert_eq!(alive.count(), 0);
    assert_eq!(problem(y.backward().unwrap_err()), TapeProblem::Released);
}

#[test]
fn a_dropped_tape_frees_everything() {
    let alive = Alive::default();
    let y = alive.chain(&Tape::new().leaf(Tensor::scalar(1.0)));
    assert_eq!(alive.count(), 100);
    drop(y);
    assert_eq!(alive.count(), 0);
}

#[test]
fn the_gradient_of_an_intermediate_value_leaves_its_rule() {
    let (tape, alive) = (Tape::new(), Alive::default());
    let x = tape.leaf(Tensor::scalar(1.0));
    let half = alive.chain(&x);
    let y = alive.chain(&half);
    let dy = grad(&[&y], &[&half], GradOptions::new()).unwrap();
    assert_eq!((dy[0].item().unwrap(), alive.count()), (1.0, 100));
    assert_eq!(item(half.backward().unwrap().get(&x)), 1.0);
}

fn item(x: Result<&Tensor<f64>>) -> f64 {
    x.unwrap().item().unwrap()
}

fn panics<R>(f: impl FnOnce() -> R) -> Option<Box<dyn std::any::Any + Send>> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).err()
}

#[test]
fn a_rule_that_panics_leaves_the_tape_as_it_was() {
    let (tape, alive) = (Tape::new(), Alive::default());
    let x = tape.leaf(Tensor::scalar(3.0));
    let y = alive.chain(&x.square());
    alive.panics.set(true);
    for create_graph in [false, true] {
        let options = GradOptions::new().create_graph(create_graph);
        let words = panics(|| grad(&[&y], &[&x], options)).unwrap();
        assert_eq!(words.downcast_ref(), Some(&"a rule that panics"));
        assert_eq!(alive.count(), 100);
    }
    alive.panics.set(false);
    assert_eq!(item(y.backward().unwrap().get(&x)), 6.0);
    // So does an operation that panics while it is made.
    let before = tape.len();
    let make = |_: &Output<'_, f64>| -> Bad { panic!() };
    assert!(panics(|| Var::record(&[&x], x.value().clone(), make)).is_some());
    assert_eq!(tape.len(), before);
    assert_eq!(item(x.square().backward().unwrap().get(&x)), 6.0);
}

#[test]
fn gradients_that_are_not_there_say_why() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::from([1.0f64, 2.0]));
    let y = x.square();
    let late = tape.leaf(Tensor::scalar(1.0));
    let grads = y.sum(..).unwrap().backward().unwrap();
    let why = |v: &Var<f64>| problem(grads.get(v).unwrap_err());
    assert_eq!(why(&y), TapeProblem::Intermediate);
    assert_eq!(why(&late), TapeProblem::NoGradient);
    assert_eq!(why(&Var::from(x.value())), TapeProblem::Untracked);
    assert_eq!(why(&tape.input(x.value().clone())), TapeProblem::Untracked);
    let foreign = Tape::new().leaf(Tensor::scalar(1.0));
    assert_eq!(why(&foreign), TapeProblem::OtherTape);
    let text = |v: &Var<f64>| grads.get(v).unwrap_err().to_string();
    assert_eq!(
        text(&foreign),
        "gradients: the value lies on another tape than these gradients come from: ask those of its own tape's \
         backward pass"
    );
    assert_eq!(
        text(&y),
        "gradients: the gradients of intermediate results are not kept: call `retain_grad` on the value before the \
         backward pass, or use `grad(&[&y], &[&x], ..)`"
    );
    assert_eq!(
        text(&late),
        "gradients: no gradient for this value: the result that was differentiated does not depend on it"
    );
    let w = Param::new(Tensor::scalar(1.0));
    assert_eq!(problem(grads.get(&w).unwrap_err()), TapeProblem::NoGradient);
}

#[test]
fn kept_gradients_of_intermediate_values() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::from([1.0f64, 2.0]));
    let y = x.square();
    y.retain_grad().unwrap();
    // Used twice: the gradient is the sum of both ways.
    let loss = (&y * &y + &y).sum(..).unwrap();
    let mut grads = loss.backward_retain().unwrap();
    assert_eq!(grads.len(), 2);
    assert_eq!(grads.get(&y).unwrap().to_vec(), [3.0, 9.0]);
    assert_eq!(grads.get(&x).unwrap().to_vec(), [6.0, 36.0]);
    assert_eq!(grads.take(&y).unwrap().to_vec(), [3.0, 9.0]);
    assert!(grads.find(&y).is_none() && grads.len() == 1);
    // The value that is differentiated may keep its own.
    loss.retain_grad().unwrap();
    assert_eq!(item(loss.backward().unwrap().get(&loss)), 1.0);
    let constant = Var::from(x.value());
    let e = constant.retain_grad().unwrap_err();
    assert_eq!(problem(e), TapeProblem::Untracked);
    let e = constant.hook(|_| Ok(None)).unwrap_err();
    assert_eq!(problem(e), TapeProblem::Untracked);
}

type Seen = Rc<RefCell<Vec<Vec<f64>>>>;

fn listen(seen: &Seen) -> impl Fn(&Var<f64>) -> Result<Option<Var<f64>>> + 'static {
    let seen = seen.clone();
    move |dy| {
        seen.borrow_mut().push(dy.value().to_vec());
        Ok(None)
    }
}

#[test]
fn hooks_see_whole_gradients_and_replace_them() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::from([1.0f64, 2.0]));
    let y = x.square();
    y.retain_grad().unwrap();
    let loss = (&y * &y + &y).sum(..).unwrap();
    let seen = Seen::default();
    let first = y.hook(listen(&seen)).unwrap();
    let scale = y.hook(|dy| Ok(Some(dy * 10.0))).unwrap();
    let last = y.hook(listen(&seen)).unwrap();
    let grads = loss.backward_retain().unwrap();
    assert_eq!(*seen.borrow(), [[3.0, 9.0], [30.0, 90.0]]);
    // Kept gradients, and those of `grad`, are what the hooks leave.
    assert_eq!(grads.get(&y).unwrap().to_vec(), [30.0, 90.0]);
    assert_eq!(grads.get(&x).unwrap().to_vec(), [60.0, 360.0]);
    let retain = || GradOptions::new().retain_graph(true);
    let dy = grad(&[&loss], &[&y], retain()).unwrap();
    assert_eq!(dy[0].value().to_vec(), [30.0, 90.0]);
    first.remove();
    last.remove();
    // On a leaf, and in a recorded pass: what the hook does is differentiated.
    let square = x.hook(|dx| Ok(Some(dx.square()))).unwrap();
    let dx = grad(&[&loss], &[&x], retain().create_graph(true)).unwrap();
    assert_eq!(dx[0].value().to_vec(), [3600.0, 129600.0]);
    square.remove();
    scale.remove();
    // dx is (10 (2y + 1) 2x)² = 400 x² (2x² + 1)², whose slope is 800 x (2x² + 1) (6x² + 1).
    let slope = grad(&[&dx[0].sum(..).unwrap()], &[&x], retain()).unwrap();
    assert_eq!(slope[0].value().to_vec(), [16800.0, 360000.0]);
    // A hook may meet values of the tape, which does not make an ordinary pass record its rules.
    let with = x.clone();
    let meets = y.hook(move |dy| dy.mul(&with).map(Some)).unwrap();
    let nodes = tape.len();
    let grads = loss.backward_retain().unwrap();
    assert_eq!(grads.get(&x).unwrap().to_vec(), [6.0, 72.0]);
    assert_eq!(tape.len(), nodes + 1);
    meets.remove();
}

#[test]
fn hooks_that_fail() {
    let x = Tape::new().leaf(Tensor::from([1.0f64, 2.0]));
    let y = x.square();
    let loss = y.sum(..).unwrap();
    let wrong = y.hook(|dy| dy.sum(..).map(Some)).unwrap();
    assert_eq!(
        loss.backward_retain().unwrap_err().to_string(),
        "hook: the gradient that it returned has shape [], but the value has shape [2]"
    );
    wrong.remove();
    let fails = y.hook(|dy| dy.reshape([7]).map(Some)).unwrap();
    let e = loss.backward_retain().unwrap_err();
    assert!(e.to_string().starts_with("reshape:"), "{e}");
    fails.remove();
    assert_eq!(
        loss.backward().unwrap().get(&x).unwrap().to_vec(),
        [2.0, 4.0]
    );
}

/// Gradients may leave the thread of their tape.
#[test]
fn gradients_can_be_sent() {
    fn sendable<S: Send + Sync>(x: S) -> S {
        x
    }
    let work = || {
        let w = Param::new(Tensor::from([2.0f64]));
        let x = Tape::new().input(Tensor::from([3.0]));
        let grads = x.mul(w.on(&x)).unwrap().backward().unwrap();
        (w, sendable(grads))
    };
    let (w, grads) = std::thread::spawn(work).join().unwrap();
    assert_eq!(grads.get(&w).unwrap().to_vec(), [3.0]);
}

/// The gradient of the sum of two halves is that of the whole; leaves are added on their own tape alone.
#[test]
fn gradients_of_several_passes_add_up() {
    let (w, b) = (
        Param::new(Tensor::from([2.0])),
        Param::new(Tensor::from([1.0])),
    );
    let x = || Tape::new().leaf(Tensor::from([3.0f64]));
    let (x1, x2) = (x(), x());
    let first = x1.mul(w.on(&x1)).unwrap();
    let second = (x2.mul(w.on(&x2)).unwrap() + b.on(&x2)).square();
    let mut grads = first.backward_retain().unwrap();
    assert!(grads.find(&b).is_none());
    grads.accumulate(second.backward().unwrap()).unwrap();
    // x, and 2 (x w + b) x.
    assert_eq!(grads.get(&w).unwrap().to_vec(), [3.0 + 42.0]);
    assert_eq!(grads.get(&b).unwrap().to_vec(), [14.0]);
    assert_eq!(grads.get(&x1).unwrap().to_vec(), [2.0]);
    assert!(grads.find(&x2).is_none());
    // No later value of the tape is taken for what came from elsewhere.
    let later = x1.tape().unwrap().leaf(Tensor::from([0.0]));
    assert!(grads.find(&later).is_none());
    grads.accumulate(first.backward().unwrap()).unwrap();
    assert_eq!(grads.get(&x1).unwrap().to_vec(), [4.0]);
    assert_eq!(grads.get(&w).unwrap().to_vec(), [48.0]);
    // What was taken out comes in again.
    grads.take(&b).unwrap();
    let again = x2.mul(b.on(&x2)).unwrap();
    grads.accumulate(again.backward().unwrap()).unwrap();
    assert_eq!(grads.get(&b).unwrap().to_vec(), [3.0]);
}

#[test]
fn gradients_of_other_shapes_do_not_add_up() {
    let mut w = Param::new(Tensor::from([2.0, 1.0]));
    let of = |w: &Param<f64>| {
        let x = Tape::new().input(Tensor::scalar(1.0));
        w.on(&x).sum(..).unwrap().backward().unwrap()
    };
    let mut grads = of(&w);
    *w.value_mut() = Tensor::from([1.0, 2.0, 3.0]);
    let e = grads.accumulate(of(&w)).unwrap_err();
    assert_eq!(
        e.to_string(),
        "accumulate: a gradient has shape [3], but here the same parameter has shape [2]"
    );
    assert_eq!(grads.get(&w).unwrap().to_vec(), [1.0, 1.0]);
}
