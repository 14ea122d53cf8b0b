//! What a backward pass returns.

use crate::param::Param;
use crate::tape::{Places, Tape};
use crate::var::Var;
use tensor_core::{Error, Float, Result, TapeProblem, Tensor};

/// The gradients of a tape's leaves and parameters, and of values that [keep theirs](Var::retain_grad).
///
/// They hold no part of the tape, and can be sent to another thread.
#[derive(Debug)]
pub struct Gradients<T: Float> {
    tape: u64,
    /// By place, the highest first.
    found: Vec<(usize, Option<Tensor<T>>)>,
    params: Places,
}

/// What a gradient can be asked for: a leaf, or a parameter.
pub trait Leaf<T: Float> {
    /// Its place on the tape that `grads` came from.
    fn place(&self, grads: &Gradients<T>) -> Option<usize>;

    /// Why `grads` hold no gradient of it.
    fn missing(&self, grads: &Gradients<T>) -> TapeProblem {
        let _ = grads;
        TapeProblem::NoGradient
    }
}

impl<T: Float> Leaf<T> for Var<T> {
    fn place(&self, grads: &Gradients<T>) -> Option<usize> {
        self.tape()
            .filter(|t| t.id() == grads.tape)
            .and(self.node())
    }

    fn missing(&self, grads: &Gradients<T>) -> TapeProblem {
        match (self.tape(), self.node()) {
            (Some(tape), Some(_)) if tape.id() != grads.tape => TapeProblem::OtherTape,
            (Some(tape), Some(node)) if !tape.record().nodes[node].rule.is_leaf() => {
                TapeProblem::Intermediate
            }
            (Some(_), Some(_)) => TapeProblem::NoGradient,
            _ => TapeProblem::Untracked,
        }
    }
}

impl<T: Float> Leaf<T> for Param<T> {
    fn place(&self, grads: &Gradients<T>) -> Option<usize> {
        grads.params.get(&self.id()).copied()
    }
}

impl<T: Float> Gradients<T> {
    pub(crate) fn new(tape: &Tape<T>, found: Vec<(usize, Tensor<T>)>) -> Self {
        let some = |(place, dx)| (place, Some(dx));
        Gradients {
            tape: tape.id(),
            found: found.into_iter().map(some).collect(),
            params: tape.params(),
        }
    }

    /// Where in the list the gradient of `of` is.
    fn position(&self, of: &impl Leaf<T>) -> Option<usize> {
        let place = of.place(self)?;
        self.found.binary_search_by(|(at, _)| place.cmp(at)).ok()
    }

    /// The gradient of a leaf or parameter.
    ///
    /// # Errors
    /// [`Error::Tape`] if there is none, saying why: the value lies on another tape or on none, is an intermediate
    /// result, or the differentiated result does not depend on it.
    pub fn get(&self, of: &impl Leaf<T>) -> Result<&Tensor<T>> {
        self.find(of).ok_or_else(|| Error::Tape {
            op: "gradients",
            problem: of.missing(self),
        })
    }

    /// The gradient of a leaf or parameter, or `None` if there is none.
    pub fn find(&self, of: &impl Leaf<T>) -> Option<&Tensor<T>> {
        self.found[self.position(of)?].1.as_ref()
    }

    /// As [`Gradients::find`], to be changed: clipped, for one.
    pub fn find_mut(&mut self, of: &impl Leaf<T>) -> Option<&mut Tensor<T>> {
        let position = self.position(of)?;
        self.found[position].1.as_mut()
    }

    /// The gradient of a leaf or parameter, taken out, or `None` if there is none.
    pub fn take(&mut self, of: &impl Leaf<T>) -> Option<Tensor<T>> {
        let position = self.position(of)?;
        self.found[position].1.take()
    }

    /// The number of gradients.
    pub fn len(&self) -> usize {
        self.found.iter().filter(|(_, dx)| dx.is_some()).count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
