//! The backward pass: one loop over the tape, from the result down.

use crate::gradients::Gradients;
use crate::op::{Flow, Needs};
use crate::tape::{Inputs, NO_NODE, Tape};
use crate::var::Var;
use tensor_core::layout::same_shape;
use tensor_core::{Error, Float, Result, TapeProblem, Tensor};

impl<T: Float> Var<T> {
    /// The gradients of this value, which has one element, with respect to all leaves and parameters.
    ///
    /// What operations kept for backward is freed on the way; a second pass is an error.
    ///
    /// # Errors
    /// [`Error::Tape`] if the value depends on no leaf, has more than one element, or its graph was freed;
    /// [`Error::Anomaly`] on a tape that [looks for it](Tape::watching).
    pub fn backward(&self) -> Result<Gradients<T>> {
        self.backward_from(unit_seed("backward", self)?, false)
    }

    /// As [`Var::backward`] for a value of any shape, from the gradient `seed` of that shape.
    ///
    /// # Errors
    /// As [`Var::backward`], and [`Error::Shape`] if the seed has another shape.
    pub fn backward_with(&self, seed: &Tensor<T>) -> Result<Gradients<T>> {
        self.backward_from(seed.into(), false)
    }

    /// As [`Var::backward`], keeping the graph for another pass.
    ///
    /// # Errors
    /// As [`Var::backward`].
    pub fn backward_retain(&self) -> Result<Gradients<T>> {
        self.backward_from(unit_seed("backward", self)?, true)
    }

    fn backward_from(&self, seed: Var<T>, retain: bool) -> Result<Gradients<T>> {
        let op = "backward";
        let untracked = Error::Tape {
            op,
            problem: TapeProblem::Untracked,
        };
        let tape = self.tape().filter(|_| self.is_tracked()).ok_or(untracked)?;
        let pass = Pass {
            op,
            tape,
            wanted: Wanted::Leaves,
            retain,
            create_graph: false,
        };
        let found = pass.run(&[self], vec![seed])?.into_iter();
        let found = found.map(|(place, dx)| (place, dx.into_value())).collect();
        Ok(Gradients::new(tape, found))
    }
}

/// Whether shape `from` broadcasts to shape `to`.
fn broadcasts(from: &[usize], to: &[usize]) -> bool {
    let fits = |(f, t): (&usize, &usize)| f == t || *f == 1;
    from.len() <= to.len() && from.iter().rev().zip(to.iter().rev()).all(fits)
}

pub(crate) fn unit_seed<T: Float>(op: &'static str, y: &Var<T>) -> Result<Var<T>> {
    if y.numel() != 1 {
        return Err(Error::Tape {
            op,
            problem: TapeProblem::NeedsSeed,
        });
    }
    Ok(Var::from(y.value().ones_like()))
}

/// Which gradients a pass is to find.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// Those of all leaves, and of values that keep theirs.
    Leaves,
    /// Those of these nodes.
    Places(&'a [usize]),
}

/// Gradients that wait for their node's turn: a slot number for each node, and few slots in use at a time.
struct Pending<T: Float> {
    /// The lowest node.
    first: usize,
    slot_of: Vec<u32>,
    slots: Vec<Option<Flow<T>>>,
    free: Vec<u32>,
}

const NO_SLOT: u32 = u32::MAX;

impl<T: Float> Pending<T> {
    fn new(first: usize, top: usize) -> Self {
        Pending {
            first,
            slot_of: vec![NO_SLOT; (top + 1).saturating_sub(first)],
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    fn take(&mut self, node: usize) -> Option<Flow<T>> {
        let slot = std::mem::replace(&mut self.slot_of[node - self.first], NO_SLOT);
        if slot == NO_SLOT {
            return None;
        }
        self.free.push(slot);
        self.slots[slot as usize].take()
    }

    /// Adds `dx` to what waits for `node`: the one place where gradients accumulate.
    fn add(&mut self, node: usize, dx: Flow<T>, create_graph: bool) -> Result<()> {
        let slot = self.slot_of[node - self.first];
        if slot == NO_SLOT {
            let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
            if slot as usize == self.slots.len() {
                self.slots.push(None);
            }
            self.slots[slot as usize] = Some(dx);
            self.slot_of[node - self.first] = slot;
            return Ok(());
        }
        let waiting = &mut self.slots[slot as usize];
        let Some(sum) = waiting.take() else {
            *waiting = Some(dx);
            return Ok(());
        };
        let (sum, dx) = (sum.whole()?, dx.whole()?);
        let sum = if create_graph {
            sum.add(&dx)?
        } else {
            // In place where no one else holds the buffer.
            let mut sum = sum.into_value();
            sum.add_assign(dx.value())?;
            sum.into()
        };
        *waiting = Some(Flow::Whole(sum));
        Ok(())
    }
}

/// A backward pass.
pub(crate) struct Pass<'a, T: Float> {
    /// Its name, for messages.
    pub(crate) op: &'static str,
    pub(crate) tape: &'a Tape<T>,
    pub(crate) wanted: Wanted<'a>,
    pub(crate) retain: bool,
    pub(crate) create_graph: bool,
}

impl<T: Float> Pass<'_, T> {
    fn fail<R>(&self, problem: TapeProblem) -> Result<R> {
        let op = self.op;
        Err(Error::Tape { op, problem })
    }

    /// The wanted gradients with their places, the highest first.
    pub(crate) fn run(
        &self,
        outputs: &[&Var<T>],
        seeds: Vec<Var<T>>,
    ) -> Result<Vec<(usize, Var<T>)>> {
        if let Some(watcher) = self.tape.watcher() {
            watcher.check()?;
        }
        let Some(top) = outputs.iter().filter_map(|y| y.node()).max() else {
            return self.fail(TapeProblem::Untracked);
        };
        let first = match self.wanted {
            Wanted::Leaves => 0,
            Wanted::Places(places) => places.iter().copied().min().unwrap_or(top + 1),
        };
        let mut pending = Pending::new(first, top);
        for (y, seed) in outputs.iter().zip(seeds) {
            let seed = self.seed(y, seed)?;
            // An output below all wanted nodes has no part in their gradients.
            if let Some(node) = y.node().filter(|&node| node >= first) {
                pending.add(node, Flow::Whole(seed), self.create_graph)?;
            }
        }
        let leads = self.leads(first, top);
        let wants = |node: usize| match &leads {
            None => node != NO_NODE,
            Some(leads) => node != NO_NODE && node >= first && leads[node - first],
        };
        let mut found = Vec::new();
        for at in (first..=top).rev() {
            let Some(mut flow) = pending.take(at) else {
                continue;
            };
            let extras = !self.tape.extras().is_empty();
            let is_leaf = self.tape.record().nodes[at].rule.is_leaf();
            let is_wanted = match self.wanted {
                Wanted::Leaves => is_leaf || (extras && self.tape.extras().keeps(at)),
                Wanted::Places(places) => places.contains(&at),
            };
            if is_leaf || is_wanted || extras || self.tape.watcher().is_some() {
                // Someone looks at all of it.
                let mut dy = flow.whole()?;
                if let Some(watcher) = self.tape.watcher() {
                    watcher.see_gradient(at, &dy)?;
                }
                if extras {
                    dy = self.tape.hooked(at, dy, self.create_graph)?;
                }
                if is_leaf {
                    if is_wanted {
                        found.push((at, dy));
                    }
                    continue;
                }
                if is_wanted {
                    found.push((at, dy.clone()));
                }
                flow = Flow::Whole(dy);
            }
            self.step(at, &flow, &wants, &mut pending)?;
        }
        Ok(found)
    }

    /// The seed of an output, on the tape where rules are to be recorded: they see it by their gradient.
    fn seed(&self, y: &Var<T>, seed: Var<T>) -> Result<Var<T>> {
        if !y.tape().is_some_and(|t| t.same(self.tape)) {
            return self.fail(TapeProblem::Foreign);
        }
        if seed.shape() != y.shape() {
            return Err(Error::Shape {
                op: self.op,
                what: "the seed",
                got: seed.shape().into(),
                expected: format!("the output has shape {:?}", y.shape()),
            });
        }
        match (self.create_graph, seed.tape()) {
            (false, _) => Ok(seed.detach()),
            (true, None) => Ok(self.tape.input(seed.into_value())),
            (true, Some(tape)) if !tape.same(self.tape) => self.fail(TapeProblem::Foreign),
            (true, Some(_)) => Ok(seed),
        }
    }

    /// Which of the nodes from `first` to `top` lead to a wanted one; `None` where all do.
    fn leads(&self, first: usize, top: usize) -> Option<Vec<bool>> {
        let Wanted::Places(places) = self.wanted else {
            return None;
        };
        let mut leads = vec![false; (top + 1).saturating_sub(first)];
        for &place in places.iter().filter(|&&p| p <= top) {
            leads[place - first] = true;
        }
        let record = self.tape.record();
        for at in first..=top {
            let from = |i| i >= first && leads[i - first];
            leads[at - first] = leads[at - first] || record.leads(at, from);
        }
        Some(leads)
    }

    /// Runs the rule of node `at`, if a gradient of its operands is wanted, and lets these wait for their turn.
    fn step(
        &self,
        at: usize,
        dy: &Flow<T>,
        wants: &impl Fn(usize) -> bool,
        pending: &mut Pending<T>,
    ) -> Result<()> {
        let (shelf, index, inputs) = {
            let record = self.tape.record();
            let inputs = Inputs::from_slice(&record.nodes[at].inputs);
            if !inputs.iter().any(|&i| wants(i)) {
                return Ok(());
            }
            let (shelf, index) = record.rule(at);
            (shelf, index, inputs)
        };
        let needs = (inputs.iter().take(64).enumerate())
            .fold(0, |mask, (i, &x)| mask | u64::from(wants(x)) << i);
        let watcher = self.tape.watcher();
        let in_rule = watcher.map(|w| w.enter_rule(at));
        let Some((op, grads)) = shelf.run(index, dy, Needs(needs), self.retain) else {
            return self.fail(TapeProblem::Released);
        };
        drop(in_rule);
        let mut grads = grads?;
        let (given, operands) = (grads.0.len(), inputs.len());
        if given != operands {
            let problem = TapeProblem::GradCount { given, operands };
            return Err(Error::Tape { op, problem });
        }
        if let Some(watcher) = watcher {
            for (i, dx) in grads.0.iter().enumerate() {
                if let Some(dx) = dx.as_ref().filter(|_| wants(inputs[i])) {
                    watcher.see_rule(at, i, &dx.clone().whole()?, &dy.clone().whole()?)?;
                }
            }
        }
        // Taken out one by one: the list as a whole is too large to be moved for nothing.
        for (i, (&input, dx)) in inputs.iter().zip(&mut grads.0).enumerate() {
            if wants(input)
                && let Some(dx) = dx.take()
            {
                let dx = match dx {
                    // Rules that a recorded pass runs are given values of the tape alone.
                    Flow::OneHot(dx) if self.create_graph => Flow::Whole(dx.whole()?.into()),
                    dx => dx,
                };
                let dx = self.fitted((op, i), input, dx)?;
                pending.add(input, dx, self.create_graph)?;
            }
        }
        Ok(())
    }

    /// `dx`, which an operation gave for one of its operands, in the shape of that operand's node `input`: what
    /// broadcasting spread is summed.
    fn fitted(
        &self,
        (op, operand): (&'static str, usize),
        input: usize,
        dx: Flow<T>,
    ) -> Result<Flow<T>> {
        let record = self.tape.record();
        let shape = &record.nodes[input].shape;
        if same_shape(dx.shape(), shape) {
            return Ok(dx);
        }
        let shape = shape.clone();
        drop(record);
        if !broadcasts(&shape, dx.shape()) {
            return Err(Error::Shape {
                op,
                what: "a gradient of the backward rule",
                got: dx.shape().into(),
                expected: format!(
                    "operand {operand} has shape {shape:?}: return that shape, or one that it broadcasts to"
                ),
            });
        }
        Ok(Flow::Whole(dx.whole()?.sum_to(&shape)?))
    }
}
