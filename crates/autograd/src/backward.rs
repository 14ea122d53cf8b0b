//! The backward pass: one loop over the tape, from the result down.

use crate::gradients::Gradients;
use crate::op::Needs;
use crate::tape::Tape;
use crate::var::Var;
use tensor_core::{Error, Float, Result, TapeProblem, Tensor};

/// How [`grad`] goes about its work.
#[derive(Clone, Debug)]
pub struct GradOptions<T: Float> {
    create_graph: bool,
    retain_graph: Option<bool>,
    allow_unused: bool,
    seed: Option<Vec<Var<T>>>,
}

impl<T: Float> Default for GradOptions<T> {
    fn default() -> Self {
        GradOptions {
            create_graph: false,
            retain_graph: None,
            allow_unused: false,
            seed: None,
        }
    }
}

impl<T: Float> GradOptions<T> {
    /// PyTorch's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records the backward pass, so that the gradients can be differentiated again. Default: false.
    pub fn create_graph(self, create_graph: bool) -> Self {
        Self {
            create_graph,
            ..self
        }
    }

    /// Keeps the graph for another backward pass. Default: as `create_graph`.
    pub fn retain_graph(self, retain_graph: bool) -> Self {
        Self {
            retain_graph: Some(retain_graph),
            ..self
        }
    }

    /// Gives zeros for inputs that the outputs do not depend on, in place of an error. Default: false.
    pub fn allow_unused(self, allow_unused: bool) -> Self {
        Self {
            allow_unused,
            ..self
        }
    }

    /// The gradients of the outputs, PyTorch's `grad_outputs`. Default: one for each output of one element.
    pub fn seed(self, seed: impl IntoIterator<Item = Var<T>>) -> Self {
        Self {
            seed: Some(seed.into_iter().collect()),
            ..self
        }
    }
}

/// The gradients of `outputs`, each weighted by its seed and summed, with respect to `inputs`, which may be leaves or
/// any values between them and the outputs. PyTorch's `torch.autograd.grad`.
///
/// ```
/// use autograd::{GradOptions, Tape, Tensor, grad};
/// let tape = Tape::new();
/// let x = tape.leaf(Tensor::scalar(3.0f64));
/// let y = x.pow(4.0)?;
/// let dy = grad(&[&y], &[&x], GradOptions::new().create_graph(true))?.remove(0);
/// let d2y = grad(&[&dy], &[&x], GradOptions::new())?.remove(0);
/// assert_eq!((dy.item()?, d2y.item()?), (108.0, 108.0)); // 4x³ and 12x²
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// [`Error::Tape`] for untracked or foreign values, unused inputs (see [`GradOptions::allow_unused`]), a missing
/// seed, or a graph that was freed; [`Error::Shape`] for a seed of another shape.
pub fn grad<T: Float>(
    outputs: &[&Var<T>],
    inputs: &[&Var<T>],
    options: GradOptions<T>,
) -> Result<Vec<Var<T>>> {
    let op = "grad";
    let fail = |problem| Error::Tape { op, problem };
    let tape = outputs
        .iter()
        .find_map(|y| y.tape())
        .ok_or(fail(TapeProblem::Untracked))?
        .clone();
    let mut places = Vec::with_capacity(inputs.len());
    for x in inputs {
        let node = x.node().ok_or(fail(TapeProblem::Untracked))?;
        if !x.tape().is_some_and(|t| t.same(&tape)) {
            return Err(fail(TapeProblem::Foreign));
        }
        places.push(node);
    }
    let seeds = match &options.seed {
        Some(seeds) if seeds.len() == outputs.len() => seeds.clone(),
        Some(seeds) => {
            let (name, value) = ("seed", seeds.len().to_string());
            let expected = "there must be one seed for each output";
            return Err(Error::Option {
                op,
                name,
                value: format!("a list of {value}"),
                expected,
            });
        }
        None => outputs
            .iter()
            .map(|y| unit_seed(op, y))
            .collect::<Result<_>>()?,
    };
    let retain = options.retain_graph.unwrap_or(options.create_graph) || options.create_graph;
    let wanted = Wanted::Places(&places);
    let mut found = run(
        op,
        &tape,
        outputs,
        seeds,
        wanted,
        retain,
        options.create_graph,
    )?;
    let mut result = Vec::with_capacity(inputs.len());
    for (&place, x) in places.iter().zip(inputs) {
        let dx = match found.iter().position(|(p, _)| *p == place) {
            // The same input may be asked for twice.
            Some(i) if places.iter().filter(|p| **p == place).count() == 1 => {
                found.swap_remove(i).1
            }
            Some(i) => found[i].1.clone(),
            None if options.allow_unused => Var::from(x.value().zeros_like()),
            None => return Err(fail(TapeProblem::Unused)),
        };
        result.push(dx);
    }
    Ok(result)
}

impl<T: Float> Var<T> {
    /// The gradients of this value, which has one element, with respect to all leaves and parameters.
    ///
    /// What operations kept for backward is freed on the way; a second pass is an error.
    ///
    /// # Errors
    /// [`Error::Tape`] if the value depends on no leaf, has more than one element, or its graph was freed.
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
        let found = run(op, tape, &[self], vec![seed], Wanted::Leaves, retain, false)?;
        let leaves = found
            .into_iter()
            .map(|(place, dx)| (place, dx.into_value()))
            .collect();
        Ok(Gradients {
            tape: tape.id(),
            leaves,
            params: tape.params(),
        })
    }
}

fn unit_seed<T: Float>(op: &'static str, y: &Var<T>) -> Result<Var<T>> {
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
enum Wanted<'a> {
    Leaves,
    Places(&'a [usize]),
}

/// Gradients that wait for their node's turn: a slot number for each node, and few slots in use at a time.
struct Pending<T: Float> {
    slot_of: Vec<u32>,
    slots: Vec<Option<Var<T>>>,
    free: Vec<u32>,
}

const NO_SLOT: u32 = u32::MAX;

impl<T: Float> Pending<T> {
    fn take(&mut self, node: usize) -> Option<Var<T>> {
        let slot = std::mem::replace(&mut self.slot_of[node], NO_SLOT);
        if slot == NO_SLOT {
            return None;
        }
        self.free.push(slot);
        self.slots[slot as usize].take()
    }

    /// Adds `dx` to what waits for `node`: the one place where gradients accumulate.
    fn add(&mut self, node: usize, dx: Var<T>, create_graph: bool) -> Result<()> {
        let slot = self.slot_of[node];
        if slot == NO_SLOT {
            let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
            if slot as usize == self.slots.len() {
                self.slots.push(None);
            }
            self.slots[slot as usize] = Some(dx);
            self.slot_of[node] = slot;
            return Ok(());
        }
        let waiting = &mut self.slots[slot as usize];
        *waiting = Some(match waiting.take() {
            None => dx,
            Some(sum) if create_graph => sum.add(&dx)?,
            Some(sum) => {
                // In place where no one else holds the buffer.
                let mut sum = sum.into_value();
                sum.add_assign(dx.value())?;
                sum.into()
            }
        });
        Ok(())
    }
}

/// The loop. Returns the wanted gradients with their places.
fn run<T: Float>(
    op: &'static str,
    tape: &Tape<T>,
    outputs: &[&Var<T>],
    seeds: Vec<Var<T>>,
    wanted: Wanted<'_>,
    retain: bool,
    create_graph: bool,
) -> Result<Vec<(usize, Var<T>)>> {
    let top = outputs.iter().filter_map(|y| y.node()).max();
    let top = top.ok_or(Error::Tape {
        op,
        problem: TapeProblem::Untracked,
    })?;
    let mut pending = Pending {
        slot_of: vec![NO_SLOT; top + 1],
        slots: Vec::new(),
        free: Vec::new(),
    };
    for (y, seed) in outputs.iter().zip(seeds) {
        if !y.tape().is_some_and(|t| t.same(tape)) {
            return Err(Error::Tape {
                op,
                problem: TapeProblem::Foreign,
            });
        }
        if seed.shape() != y.shape() {
            let expected = format!("the output has shape {:?}", y.shape());
            return Err(Error::Shape {
                op,
                what: "the seed",
                got: seed.shape().into(),
                expected,
            });
        }
        // On the tape, rules see by the gradient that they are to be recorded.
        let seed = match create_graph {
            true if seed.tape().is_none() => tape.input(seed.into_value()),
            true => seed,
            false => seed.detach(),
        };
        if let Some(node) = y.node() {
            pending.add(node, seed, create_graph)?;
        }
    }
    // Nodes that lead to a wanted one; all of them where every leaf is wanted.
    let leads: Option<Vec<bool>> = match wanted {
        Wanted::Leaves => None,
        Wanted::Places(places) => {
            let mut leads = vec![false; top + 1];
            places
                .iter()
                .filter(|&&p| p <= top)
                .for_each(|&p| leads[p] = true);
            let first = places.iter().copied().min().unwrap_or(0);
            let nodes = tape.nodes();
            for i in first..=top {
                leads[i] = leads[i] || nodes[i].inputs.iter().flatten().any(|&input| leads[input]);
            }
            Some(leads)
        }
    };
    let is_wanted = |node: usize, is_leaf: bool| match wanted {
        Wanted::Leaves => is_leaf,
        Wanted::Places(places) => places.contains(&node),
    };
    let mut found = Vec::new();
    for at in (0..=top).rev() {
        let Some(dy) = pending.take(at) else { continue };
        // The rule is taken out while it runs, because a recorded pass writes to the tape.
        let (rule, inputs) = {
            let mut nodes = tape.nodes_mut();
            let node = &mut nodes[at];
            (node.op.take(), node.inputs.clone())
        };
        let is_leaf = inputs.is_empty();
        if is_wanted(at, is_leaf) {
            found.push((at, dy.clone()));
        }
        if is_leaf {
            continue;
        }
        let Some(rule) = rule else {
            return Err(Error::Tape {
                op,
                problem: TapeProblem::Released,
            });
        };
        let wants =
            |input: &Option<usize>| input.is_some_and(|i| leads.as_ref().is_none_or(|l| l[i]));
        let needs = inputs
            .iter()
            .take(64)
            .enumerate()
            .fold(0, |mask, (i, x)| mask | u64::from(wants(x)) << i);
        let grads = if inputs.iter().any(wants) {
            Some(rule.backward(&dy, Needs(needs)))
        } else {
            None
        };
        drop(dy);
        if retain || matches!(grads, Some(Err(_))) {
            tape.nodes_mut()[at].op = Some(rule);
        }
        let Some(grads) = grads.transpose()? else {
            continue;
        };
        if grads.0.len() != inputs.len() {
            return Err(Error::Tape {
                op,
                problem: TapeProblem::GradCount,
            });
        }
        for (input, dx) in inputs.iter().zip(grads.0) {
            if let (Some(input), Some(dx)) = (*input, dx.filter(|_| wants(input))) {
                let dx = {
                    let nodes = tape.nodes();
                    let shape = &nodes[input].shape;
                    if dx.shape() == shape.as_slice() {
                        dx
                    } else {
                        let shape = shape.clone();
                        drop(nodes);
                        dx.sum_to(&shape)?
                    }
                };
                pending.add(input, dx, create_graph)?;
            }
        }
    }
    Ok(found)
}
