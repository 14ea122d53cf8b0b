//! What a backward pass returns.

use crate::param::Param;
use crate::var::Var;
use std::collections::HashMap;
use tensor_core::{Error, Float, Result, TapeProblem, Tensor};

/// The gradients of a tape's leaves and parameters.
#[derive(Debug)]
pub struct Gradients<T: Float> {
    pub(crate) tape: u64,
    pub(crate) leaves: HashMap<usize, Tensor<T>>,
    pub(crate) params: HashMap<u64, usize>,
}

/// What a gradient can be asked for: a leaf, or a parameter.
pub trait Leaf<T: Float> {
    /// Its place on the tape that `grads` came from.
    fn place(&self, grads: &Gradients<T>) -> Option<usize>;
}

impl<T: Float> Leaf<T> for Var<T> {
    fn place(&self, grads: &Gradients<T>) -> Option<usize> {
        self.tape()
            .filter(|t| t.id() == grads.tape)
            .and(self.node())
    }
}

impl<T: Float> Leaf<T> for Param<T> {
    fn place(&self, grads: &Gradients<T>) -> Option<usize> {
        grads.params.get(&self.id()).copied()
    }
}

impl<T: Float> Gradients<T> {
    /// The gradient of a leaf or parameter.
    ///
    /// # Errors
    /// [`Error::Tape`] if there is none: it is no leaf of this tape, or the result does not depend on it.
    pub fn get(&self, of: &impl Leaf<T>) -> Result<&Tensor<T>> {
        self.find(of).ok_or(Error::Tape {
            op: "gradients",
            problem: TapeProblem::NoGradient,
        })
    }

    /// The gradient of a leaf or parameter, or `None` if there is none.
    pub fn find(&self, of: &impl Leaf<T>) -> Option<&Tensor<T>> {
        self.leaves.get(&of.place(self)?)
    }

    /// As [`Gradients::find`], to be changed: clipped, for one.
    pub fn find_mut(&mut self, of: &impl Leaf<T>) -> Option<&mut Tensor<T>> {
        let place = of.place(self)?;
        self.leaves.get_mut(&place)
    }

    /// The gradient of a leaf or parameter, taken out, or `None` if there is none.
    pub fn take(&mut self, of: &impl Leaf<T>) -> Option<Tensor<T>> {
        let place = of.place(self)?;
        self.leaves.remove(&place)
    }

    /// The number of leaves that have a gradient.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }
}
