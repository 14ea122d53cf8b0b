//! Operations with a hand-written kernel for each direction, and their formula for everything beyond.

use crate::grad::{GradOptions, grad};
use crate::one_hot::OneHot;
use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use smallvec::SmallVec;
use tensor_core::{Float, Result, Tensor};

/// An operation in three parts: its definition, a forward kernel, and a backward kernel.
///
/// Training runs the two kernels: one pass over the data in each direction. Where the gradient itself must be
/// differentiable, the definition is differentiated instead. Tests hold the kernels against the definition.
pub trait Fused<T: Float>: Clone + 'static {
    /// What the forward kernel leaves for the backward kernel beside the inputs themselves.
    type Saved: 'static;

    /// The operation's name, for messages.
    fn name(&self) -> &'static str;

    /// The formula in plain operations.
    ///
    /// # Errors
    /// Whatever these operations return; inputs were checked before.
    fn definition(&self, inputs: &[Var<T>]) -> Result<Var<T>>;

    /// The result, and what backward needs of the way to it.
    ///
    /// # Errors
    /// If memory for the result cannot be had; inputs were checked before.
    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Self::Saved)>;

    /// As [`Fused::forward`] where the gradients of the inputs that `needs` names are going to be asked for: an
    /// operation that ends in one number may make them on the way, while its data is in the cache, and keep them.
    ///
    /// # Errors
    /// As [`Fused::forward`].
    fn forward_for(&self, inputs: &[&Tensor<T>], needs: Needs) -> Result<(Tensor<T>, Self::Saved)> {
        let _ = needs;
        self.forward(inputs)
    }

    /// The gradients of those inputs that `needs` asks for, from the gradient `dy` of the result.
    ///
    /// # Errors
    /// If memory for a gradient cannot be had.
    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        saved: &Self::Saved,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>>;

    /// The gradient of the only input, where that is zero but for one element of each row: an operation that goes on from
    /// there without the zeros is spared them. Where it gives one, [`Fused::backward`] is not called.
    fn one_hot(
        &self,
        inputs: &[&Tensor<T>],
        saved: &Self::Saved,
        dy: &Tensor<T>,
    ) -> Option<Result<OneHot<T>>> {
        let _ = (inputs, saved, dy);
        None
    }
}

/// Gradients of a fused operation's inputs; `None` for one that is not wanted.
pub type FusedGrads<T> = SmallVec<[Option<Tensor<T>>; 2]>;

/// Runs a fused operation and, if an input depends on a leaf, records it as one node.
///
/// # Errors
/// What the forward kernel returns, and [`Error::Tape`](crate::Error::Tape) for inputs on different tapes.
#[track_caller]
pub fn fused<T: Float, F: Fused<T>>(op: F, inputs: &[&Var<T>]) -> Result<Var<T>> {
    let values: SmallVec<[&Tensor<T>; 4]> = inputs.iter().map(|x| x.value()).collect();
    let needs = (inputs.iter().take(64).enumerate())
        .filter(|(_, x)| x.is_tracked())
        .fold(0, |mask, (i, _)| mask | 1 << i);
    let (y, saved) = match needs {
        0 => op.forward(&values)?,
        needs => op.forward_for(&values, Needs(needs))?,
    };
    Var::record(inputs, y, |_| Node {
        op,
        inputs: inputs.iter().map(|x| x.save()).collect(),
        saved,
    })
}

struct Node<T: Float, F: Fused<T>> {
    op: F,
    inputs: SmallVec<[Saved<T>; 2]>,
    saved: F::Saved,
}

impl<T: Float, F: Fused<T>> Op<T> for Node<T, F> {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        if dy.tape().is_none() {
            let values: SmallVec<[&Tensor<T>; 4]> = self.inputs.iter().map(|x| x.value()).collect();
            if let Some(dx) = self.op.one_hot(&values, &self.saved, dy.value()) {
                return Ok(Grads::one_hot(dx?));
            }
            let grads = self.op.backward(&values, &self.saved, dy.value(), needs)?;
            return Ok(grads.into_iter().map(|dx| dx.map(Var::from)).collect());
        }
        // The definition is recorded on aliases of the inputs, so that its gradient is found down to them and no
        // further, and differentiated there.
        let inputs: Vec<Var<T>> = self.inputs.iter().map(|x| x.on(dy).alias()).collect();
        let y = self.op.definition(&inputs)?;
        gradients_through(&inputs, &y, dy, needs, true)
    }

    fn definition(&self) -> Option<Result<Var<T>>> {
        let inputs: Vec<Var<T>> = self.inputs.iter().map(|x| x.value().into()).collect();
        Some(self.op.definition(&inputs))
    }
}

impl<T: Float> Var<T> {
    /// Of the recorded result of a [`Fused`] operation that was not freed, the same by its definition: what tests of
    /// other crates hold the kernels against.
    #[doc(hidden)]
    pub fn by_definition(&self) -> Option<Result<Var<T>>> {
        let (tape, node) = (self.tape()?, self.node()?);
        let (shelf, index) = {
            let record = tape.record();
            if record.nodes[node].rule.is_leaf() {
                return None;
            }
            record.rule(node)
        };
        shelf.definition(index)
    }
}

/// The gradients of `inputs`, as far as `needs` asks for them, of a function that gave `y` when it ran on them.
pub(crate) fn gradients_through<T: Float>(
    inputs: &[Var<T>],
    y: &Var<T>,
    dy: &Var<T>,
    needs: Needs,
    create_graph: bool,
) -> Result<Grads<T>> {
    let is_wanted = |i: usize| needs.get(i) && inputs[i].is_tracked();
    let wanted: Vec<&Var<T>> = (0..inputs.len())
        .filter(|&i| is_wanted(i))
        .map(|i| &inputs[i])
        .collect();
    if !y.is_tracked() || wanted.is_empty() {
        // The function is constant in its inputs here, as it is of an empty batch.
        let zeros = inputs.iter().map(|x| Some(x.value().zeros_like().into()));
        return Ok(zeros.collect());
    }
    let options = GradOptions::new()
        .create_graph(create_graph)
        .allow_unused(true)
        .seed([dy.clone()]);
    let mut found = grad(&[y], &wanted, options)?.into_iter();
    let found = (0..inputs.len()).map(|i| if is_wanted(i) { found.next() } else { None });
    Ok(found.collect())
}
