//! Gradients of chosen values, which can be differentiated again.

use crate::backward::{Pass, Wanted, unit_seed};
use crate::var::Var;
use tensor_core::{Error, Float, Result, TapeProblem};

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
    let pass = Pass {
        op,
        tape: &tape,
        wanted: Wanted::Places(&places),
        retain,
        create_graph: options.create_graph,
    };
    let mut found = pass.run(outputs, seeds)?;
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
