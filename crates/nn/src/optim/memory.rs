//! What an optimizer remembers of each parameter, and the one pass in which a step changes both.

use crate::module::Parts;
use crate::state::State;
use losses::autograd::{Float, Gradients};
use losses::tensor_core::kernel::source::Source;
use losses::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use losses::{Error, Result, Tensor};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is remembered of all parameters, by their names.
#[derive(Clone, Debug)]
pub(crate) struct Memory<T: Float>(BTreeMap<String, Kept<T>>);

/// What is remembered of one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T> {
    /// The parameter's identity; `None` until the first step after loading.
    id: Option<u64>,
    /// How many steps it has made.
    pub(crate) step: u64,
    /// A number that is carried from step to step; 1 at first.
    pub(crate) product: f64,
    shape: Vec<usize>,
    /// The buffers by their names, each as long as the parameter. Options that change between steps may ask for more of
    /// them, or have no use for one for a while.
    buffers: Vec<(&'static str, Vec<T>)>,
}

impl<T> Kept<T> {
    fn new(shape: &[usize]) -> Self {
        Kept {
            id: None,
            step: 0,
            product: 1.0,
            shape: shape.into(),
            buffers: Vec::new(),
        }
    }
}

/// The buffer that there is only once a momentum is above 0, which a schedule may change at any step.
pub(crate) const MOMENTUM_BUFFER: &str = "momentum_buffer";

/// Whether a parameter of `model` has a gradient among `grads`.
pub(crate) fn moves<T: Float>(model: &dyn Parts<T>, grads: &Gradients<T>) -> bool {
    let mut any = false;
    model.visit(&mut |_, p| any = any || grads.find(p).is_some());
    any
}

/// That no parameter of the model has a gradient among `grads`.
pub(crate) fn foreign<T: Float>(op: &'static str, grads: &Gradients<T>) -> Error {
    Error::Value {
        op,
        what: "the set of gradients",
        at: [].into_iter().collect(),
        value: format!(
            "one of {} values, none of them a parameter of this model",
            grads.len()
        ),
        expected: "it must come from a backward pass through this very model: a clone has parameters of its own",
    }
}

/// How many buffers a rule may keep at most.
const MOST: usize = 3;

/// How one element changes: the rule of an optimizer with the numbers of a step put in.
pub(crate) trait Update<T, const K: usize>: Copy + Sync {
    /// The new value of the parameter `p` with gradient `g`; `kept` is what is remembered of it, to be changed too.
    ///
    /// Must be `#[inline(always)]`: only then is it compiled for the instruction set that runs it.
    fn apply(&self, p: T, g: T, kept: &mut [T; K]) -> T;
}

impl<T: Float> Default for Memory<T> {
    fn default() -> Self {
        Memory(BTreeMap::new())
    }
}

impl<T: Float> Memory<T> {
    /// Whether `model` is that of the steps before, and its gradients have its shapes, as an error if not.
    pub(crate) fn fits(
        &self,
        op: &'static str,
        model: &dyn Parts<T>,
        grads: &Gradients<T>,
    ) -> Result<()> {
        let mut problem = None;
        let (mut parameters, mut found) = (0, 0);
        model.visit(&mut |name, p| {
            parameters += 1;
            let Some(grad) = grads.find(p) else { return };
            found += 1;
            let shape = p.value().shape();
            let wrong = |value: String, expected| Error::Value {
                op,
                what: "a parameter",
                at: [].into_iter().collect(),
                value,
                expected,
            };
            if grad.shape() != shape {
                problem.get_or_insert_with(|| wrong(
                    format!("{name} of shape {shape:?} with a gradient of shape {:?}", grad.shape()),
                    "both must be the same: the parameter was replaced since the forward pass",
                ));
            }
            match self.0.get(name) {
                Some(kept) if kept.shape != shape => problem.get_or_insert_with(|| wrong(
                    format!("{name} of shape {shape:?}, which had {:?} before", kept.shape),
                    "an optimizer belongs to one model: make another one for this model",
                )),
                Some(kept) if kept.id.is_some_and(|id| id != p.id()) => {
                    problem.get_or_insert_with(|| wrong(
                        format!("{name} of another model than before"),
                        "an optimizer belongs to one model: make another one for this model, or hand the state over",
                    ))
                }
                _ => return,
            };
        });
        if parameters > 0 && found == 0 {
            return Err(foreign(op, grads));
        }
        problem.map_or(Ok(()), Err)
    }

    /// Changes each parameter that has a gradient by the update that `rates` gives for it, and its buffers `names`, which
    /// begin with `start`.
    pub(crate) fn step<const K: usize, U: Update<T, K>>(
        &mut self,
        model: &mut dyn Parts<T>,
        grads: &Gradients<T>,
        names: [&'static str; K],
        start: T,
        mut rates: impl FnMut(&mut Kept<T>) -> U,
    ) {
        model.visit_mut(&mut |name, param| {
            let Some(grad) = grads.find(param) else {
                return;
            };
            let n = param.value().numel();
            let mut none = Kept::new(&[]);
            let kept = if K == 0 {
                // Who remembers nothing serves any model.
                &mut none
            } else {
                if !self.0.contains_key(name) {
                    let kept = Kept::new(param.value().shape());
                    self.0.insert(name.to_string(), kept);
                }
                self.0.get_mut(name).unwrap_or(&mut none)
            };
            kept.id = Some(param.id());
            kept.step = kept.step.saturating_add(1);
            let update = rates(kept);
            for name in names {
                if kept.buffers.iter().all(|(known, _)| *known != name) {
                    kept.buffers.push((name, vec![start; n]));
                }
            }
            // The parameter first, and then the buffers in the order of their names.
            let mut outputs = [const { None }; 1 + MOST];
            outputs[0] = Some(param.value_mut().as_mut_slice());
            for (name, buffer) in &mut kept.buffers {
                if let Some(i) = names.iter().position(|wanted| wanted == name) {
                    outputs[1 + i] = Some(buffer.as_mut_slice());
                }
            }
            let grad = grad.source();
            par::collect_split(n, 1, outputs, 8 + 4 * K, |range, [p, buffers @ ..]| {
                let p = p.unwrap_or_default();
                let mut buffers = buffers.into_iter().flatten();
                let mut kept: [&mut [T]; K] =
                    std::array::from_fn(|_| buffers.next().unwrap_or_default());
                each_block(&grad, range, |at, g| {
                    dispatch(Pass {
                        p: &mut p[at.clone()],
                        g,
                        kept: kept.each_mut().map(|b| &mut b[at.clone()]),
                        update,
                    })
                });
            });
        });
    }

    /// For a file: a section for each parameter, with those of its buffers that are among
    /// `buffers`, which the options at hand use.
    pub(crate) fn state(&self, buffers: &[&str]) -> State<T> {
        let mut state = State::new();
        for (name, kept) in &self.0 {
            let mut section = State::new();
            section.set_note("step", kept.step);
            section.set_note("product", kept.product);
            let used = kept
                .buffers
                .iter()
                .filter(|(name, _)| buffers.contains(name));
            for (buffer, data) in used {
                if let Ok(x) = Tensor::from_slice(data, &kept.shape) {
                    section.set_tensor(buffer, x);
                }
            }
            state.set_section(name, section);
        }
        state
    }

    /// Back from [`Memory::state`]: all `buffers` must be there but for [`MOMENTUM_BUFFER`], and no others.
    pub(crate) fn load(
        op: &'static str,
        state: &State<T>,
        buffers: &[&'static str],
    ) -> Result<Self> {
        let mut memory = Memory::default();
        for (name, section) in state.sections() {
            let wrong = |problem: &str| Error::Value {
                op,
                what: "the state",
                at: [].into_iter().collect(),
                value: format!("one that for {} {problem}", name.escape_debug()),
                expected: "it must be that of an optimizer of the same kind and options",
            };
            let mut kept = Kept::new(&[]);
            kept.step = section.parse_note("step")?;
            kept.product = section.parse_note("product")?;
            let mut complete = true;
            for &buffer in buffers {
                let Some(x) = section.tensor(buffer) else {
                    complete &= buffer == MOMENTUM_BUFFER;
                    continue;
                };
                if !kept.buffers.is_empty() && x.shape() != kept.shape {
                    return Err(wrong("has buffers of different shapes"));
                }
                kept.shape = x.shape().into();
                kept.buffers.push((buffer, x.to_vec()));
            }
            let known = kept.buffers.len();
            if !complete || known == 0 || known != section.tensors.len() {
                return Err(wrong(&format!(
                    "has {:?}, where {buffers:?} are kept",
                    section.tensors.keys().collect::<Vec<_>>()
                )));
            }
            memory.0.insert(name.to_string(), kept);
        }
        Ok(memory)
    }
}

/// Calls `f` with each range of positions of `grad` within `all`, counted from its start, and the elements there.
///
/// One range is all of them where they lie in order. Those of a transposed weight do not: they are brought into a
/// small buffer block by block, which is cheaper than a transposed copy.
fn each_block<T: Float>(
    grad: &Source<'_, T>,
    all: Range<usize>,
    mut f: impl FnMut(Range<usize>, &[T]),
) {
    let (mut grad, mut at) = (grad.reader(), all.start);
    while at < all.end {
        let len = grad.ready(at, all.end - at);
        let done = at - all.start;
        f(done..done + len, grad.read(at, len));
        at += len;
    }
}

/// The step for a run of elements, in one pass.
struct Pass<'a, T, U, const K: usize> {
    p: &'a mut [T],
    g: &'a [T],
    kept: [&'a mut [T]; K],
    update: U,
}

impl<T: Float, U: Update<T, K>, const K: usize> Kernel for Pass<'_, T, U, K> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.p.len();
        // Slices of one known length, so that the loop needs no checks.
        let (p, g) = (&mut self.p[..n], &self.g[..n]);
        let kept = self.kept.map(|b| &mut b[..n]);
        for i in 0..n {
            let mut now: [T; K] = std::array::from_fn(|k| kept[k][i]);
            p[i] = self.update.apply(p[i], g[i], &mut now);
            for k in 0..K {
                kept[k][i] = now[k];
            }
        }
    }
}
