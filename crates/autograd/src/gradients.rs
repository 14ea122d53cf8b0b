//! What a backward pass returns.

use crate::param::Param;
use crate::tape::{Places, Tape};
use crate::var::Var;
use std::collections::HashMap;
use std::sync::Arc;
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
        self.at(of.place(self)?).ok()
    }

    /// Where in the list the gradient of a place is, or would be.
    fn at(&self, place: usize) -> Result<usize, usize> {
        self.found.binary_search_by(|(at, _)| place.cmp(at))
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

    /// Adds the gradients of another backward pass: of the parameters, and of the leaves too if it ran on the same tape.
    /// A gradient that these lack is taken over. This is how a step is made of several batches, where PyTorch adds to
    /// `.grad`; divide each loss by their number if the step is to follow the mean.
    ///
    /// ```
    /// use autograd::{Param, Tape, Tensor};
    /// let w = Param::new(Tensor::from([2.0f64]));
    /// let slope = |x: f64| {
    ///     let x = Tape::new().input(Tensor::from([x]));
    ///     x.mul(w.on(&x))?.square().sum(..)?.backward() // 2 x² w
    /// };
    /// let mut grads = slope(1.0)?;
    /// grads.accumulate(slope(3.0)?)?;
    /// assert_eq!(grads.get(&w)?.to_vec(), [4.0 + 36.0]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] if a parameter had another shape in the other pass; then nothing is added.
    pub fn accumulate(&mut self, other: Gradients<T>) -> Result<()> {
        let owners: HashMap<usize, u64> = other.params.iter().map(|(&id, &at)| (at, id)).collect();
        let same_tape = other.tape == self.tape;
        let mut added = Vec::with_capacity(other.found.len());
        for (at, dx) in other.found {
            let owner = owners.get(&at).copied();
            let (Some(dx), true) = (dx, owner.is_some() || same_tape) else {
                continue;
            };
            let here = owner.map_or(Some(at), |id| self.params.get(&id).copied());
            let mine = here.and_then(|at| self.at(at).ok());
            if let Some(mine) = mine.and_then(|i| self.found[i].1.as_ref())
                && mine.shape() != dx.shape()
            {
                return Err(Error::Shape {
                    op: "accumulate",
                    what: "a gradient",
                    got: dx.shape().into(),
                    expected: format!("here the same parameter has shape {:?}", mine.shape()),
                });
            }
            added.push((here, owner, dx));
        }
        for (here, owner, dx) in added {
            let at = here.unwrap_or_else(|| {
                // Places that no node of a tape has.
                let at = usize::MAX - self.params.len();
                Arc::make_mut(&mut self.params).extend(owner.map(|id| (id, at)));
                at
            });
            match self.at(at) {
                Err(i) => self.found.insert(i, (at, Some(dx))),
                Ok(i) => match &mut self.found[i].1 {
                    Some(mine) => mine.add_assign(&dx)?,
                    none => *none = Some(dx),
                },
            }
        }
        Ok(())
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
