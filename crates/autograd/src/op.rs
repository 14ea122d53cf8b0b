//! The rule of an operation: what it keeps, and how a gradient passes back through it.

use crate::one_hot::OneHot;
use crate::tape::{Inputs, NO_NODE, Tape};
use crate::var::Var;
use smallvec::SmallVec;
use std::panic::Location;
use tensor_core::{Error, Float, Result, TapeProblem, Tensor};

/// A differentiable operation as it lies on the tape. Its fields are all that it keeps.
///
/// The library's own operations and a user's are written alike: the gradient of each operand in [`Var`] operations,
/// so that gradients can be differentiated again. Broadcasting and accumulation are undone and done by the tape; a
/// rule need not know of them.
///
/// ```
/// use autograd::{Float, Grads, Needs, Op, Result, Saved, Tape, Tensor, Var, gradcheck, gradgradcheck};
///
/// /// `x e^x`; keeps its operand.
/// struct XExp<T: Float> { x: Saved<T> }
///
/// impl<T: Float> Op<T> for XExp<T> {
///     fn name(&self) -> &'static str { "xexp" }
///     fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
///         let x = self.x.on(dy);
///         Ok(Grads::one(dy * (&x + 1.0) * x.exp()))
///     }
/// }
///
/// #[track_caller]
/// fn xexp<T: Float>(x: &Var<T>) -> Result<Var<T>> {
///     let y = x.value() * x.value().exp();
///     Var::record(&[x], y, |_| XExp { x: x.save() })
/// }
///
/// let x = Tensor::from([-1.0, 0.5, 2.0]);
/// gradcheck(|v| xexp(&v[0]), &[x.clone()])?.assert_ok();
/// gradgradcheck(|v| xexp(&v[0]), &[x])?.assert_ok();
/// # Ok::<(), autograd::Error>(())
/// ```
pub trait Op<T: Float>: 'static {
    /// The operation's name, for messages.
    fn name(&self) -> &'static str;

    /// The gradients of the operands from the gradient `dy` of the result, in the order of the operands. Those that
    /// `needs` does not ask for may be left out.
    ///
    /// # Errors
    /// Whatever the rule's own operations return.
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>>;

    /// As [`Op::backward`] from a gradient that is zero but for one element of each row, for a rule that need not see the
    /// zeros. It is called in ordinary passes only, never in recorded ones. By default the zeros are written and
    /// [`Op::backward`] goes on from there.
    ///
    /// # Errors
    /// As [`Op::backward`].
    fn backward_one_hot(&self, dy: &OneHot<T>, needs: Needs) -> Result<Grads<T>> {
        self.backward(&dy.whole()?.into(), needs)
    }

    /// The result by the formula in plain operations, of an operation that has kernels beside it.
    #[doc(hidden)]
    fn definition(&self) -> Option<Result<Var<T>>> {
        None
    }
}

/// Which operands' gradients are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Needs(pub(crate) u64);

impl Needs {
    /// Whether the gradient of operand `i` is wanted.
    pub fn get(self, i: usize) -> bool {
        i >= 64 || self.0 >> i & 1 == 1
    }

    /// How many of the first `n` operands' gradients are wanted.
    pub fn count(self, n: usize) -> usize {
        (0..n).filter(|&i| self.get(i)).count()
    }
}

/// A gradient on its way.
#[derive(Clone, Debug)]
pub(crate) enum Flow<T: Float> {
    Whole(Var<T>),
    OneHot(Box<OneHot<T>>),
}

impl<T: Float> Flow<T> {
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Flow::Whole(dx) => dx.shape(),
            Flow::OneHot(dx) => dx.shape(),
        }
    }

    pub(crate) fn whole(self) -> Result<Var<T>> {
        match self {
            Flow::Whole(dx) => Ok(dx),
            Flow::OneHot(dx) => Ok(dx.whole()?.into()),
        }
    }
}

/// The gradients of an operation's operands.
#[derive(Debug)]
pub struct Grads<T: Float>(pub(crate) SmallVec<[Option<Flow<T>>; 2]>);

impl<T: Float> Grads<T> {
    /// Of the only operand.
    pub fn one(dx: Var<T>) -> Self {
        let mut grads = SmallVec::new();
        grads.push(Some(Flow::Whole(dx)));
        Grads(grads)
    }

    /// Of the only operand, where it is zero but for one element of each row. It has no place on a tape: a rule gives it in
    /// ordinary passes, where the gradient of its result lies on none.
    pub fn one_hot(dx: OneHot<T>) -> Self {
        let mut grads = SmallVec::new();
        grads.push(Some(Flow::OneHot(Box::new(dx))));
        Grads(grads)
    }

    /// Of two operands; `None` for one that is not wanted.
    pub fn two(da: Option<Var<T>>, db: Option<Var<T>>) -> Self {
        Grads(SmallVec::from_buf([
            da.map(Flow::Whole),
            db.map(Flow::Whole),
        ]))
    }
}

impl<T: Float> FromIterator<Option<Var<T>>> for Grads<T> {
    fn from_iter<I: IntoIterator<Item = Option<Var<T>>>>(grads: I) -> Self {
        Grads(grads.into_iter().map(|dx| dx.map(Flow::Whole)).collect())
    }
}

/// A value kept for backward, and its place on the tape. It holds no handle to the tape, so no cycle can arise.
#[derive(Clone, Debug)]
pub struct Saved<T: Float> {
    value: Tensor<T>,
    node: Option<usize>,
}

impl<T: Float> Saved<T> {
    pub(crate) fn new(value: Tensor<T>, node: Option<usize>) -> Self {
        Saved { value, node }
    }

    /// The value alone.
    pub fn value(&self) -> &Tensor<T> {
        &self.value
    }

    /// The value as an operand beside `dy`: a constant in an ordinary backward pass, and in its place on the tape
    /// where the backward pass is itself recorded.
    pub fn on(&self, dy: &Var<T>) -> Var<T> {
        let tape = dy.tape().cloned();
        let node = if tape.is_some() { self.node } else { None };
        Var::place(self.value.clone(), tape, node)
    }
}

/// The result of an operation being recorded, for rules that keep it.
#[derive(Debug)]
pub struct Output<'a, T: Float> {
    value: &'a Tensor<T>,
    node: usize,
}

impl<T: Float> Output<'_, T> {
    /// Keeps the result.
    pub fn save(&self) -> Saved<T> {
        Saved::new(self.value.clone(), Some(self.node))
    }
}

/// The tape that `inputs` lie on, or an error if there are two.
fn common_tape<'a, T: Float>(inputs: &[&'a Var<T>]) -> Result<Option<&'a Tape<T>>, ()> {
    let mut tapes = inputs.iter().filter_map(|x| x.tape());
    let Some(tape) = tapes.next() else {
        return Ok(None);
    };
    if tapes.all(|t| t.same(tape)) {
        Ok(Some(tape))
    } else {
        Err(())
    }
}

impl<T: Float> Var<T> {
    /// The result `value` of an operation on `inputs`. If one of them depends on a leaf, the operation that `op`
    /// makes is recorded; otherwise `op` is not called and the result is a constant.
    ///
    /// Mark the function that calls it `#[track_caller]`, so that [anomalies](Tape::watching) name its caller.
    ///
    /// # Errors
    /// [`Error::Tape`] if the operands lie on different tapes; [`Error::Anomaly`] on a tape that looks for it.
    #[track_caller]
    pub fn record<O: Op<T>>(
        inputs: &[&Var<T>],
        value: Tensor<T>,
        op: impl FnOnce(&Output<'_, T>) -> O,
    ) -> Result<Var<T>> {
        let Ok(tape) = common_tape(inputs) else {
            // The operation says its name, and is not recorded.
            let (value, node) = (&value, NO_NODE);
            return Err(Error::Tape {
                op: op(&Output { value, node }).name(),
                problem: TapeProblem::Foreign,
            });
        };
        let Some(tape) = tape else {
            return Ok(Var::from(value));
        };
        if inputs.iter().all(|x| x.node().is_none()) {
            return Ok(Var::place(value, Some(tape.clone()), None));
        }
        let place = |x: &&Var<T>| x.node().unwrap_or(NO_NODE);
        let places = match inputs {
            [a, b] => Inputs::from_buf_and_len([place(a), place(b), NO_NODE], 2),
            [a, b, c] => Inputs::from_buf([place(a), place(b), place(c)]),
            _ => inputs.iter().map(place).collect(),
        };
        let result = tape.append(value, places, inputs, op, Location::caller());
        if let Some(watcher) = tape.watcher() {
            watcher.check()?;
        }
        Ok(result)
    }

    /// As [`Var::record`] for one operand, which cannot lie on two tapes. An anomaly is left for the next operation
    /// that can fail to tell.
    #[track_caller]
    pub(crate) fn record1<O: Op<T>>(
        &self,
        value: Tensor<T>,
        op: impl FnOnce(&Output<'_, T>) -> O,
    ) -> Var<T> {
        let Some(tape) = self.tape() else {
            return Var::from(value);
        };
        let Some(input) = self.node() else {
            return Var::place(value, Some(tape.clone()), None);
        };
        let mut places = Inputs::new();
        places.push(input);
        tape.append(value, places, &[self], op, Location::caller())
    }
}

impl<T: Float> Tape<T> {
    /// Adds the operation that `op` makes.
    fn append<O: Op<T>>(
        &self,
        value: Tensor<T>,
        places: Inputs,
        inputs: &[&Var<T>],
        op: impl FnOnce(&Output<'_, T>) -> O,
        call: &'static Location<'static>,
    ) -> Var<T> {
        let node = self.len();
        let (op, name) = {
            let value = &value;
            let op = op(&Output { value, node });
            let name = op.name();
            (op, name)
        };
        let at = self.push(op, places, value.shape());
        debug_assert_eq!(at, node);
        if let Some(watcher) = self.watcher() {
            watcher.see(name, call, inputs, &value, node);
        }
        Var::place(value, Some(self.clone()), Some(node))
    }
}
