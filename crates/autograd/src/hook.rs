//! Looking at the gradients of a backward pass while it runs, and keeping those of values that are no leaves.

use crate::tape::Tape;
use crate::var::Var;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use tensor_core::{Error, Float, Result, TapeProblem};

/// A function that sees a gradient, and may put another in its place.
type Function<T> = Rc<dyn Fn(&Var<T>) -> Result<Option<Var<T>>>>;

/// What a user has asked of single nodes.
pub(crate) struct Extras<T: Float> {
    hooks: HashMap<usize, Vec<(u64, Function<T>)>>,
    kept: HashSet<usize>,
    next: u64,
}

impl<T: Float> Default for Extras<T> {
    fn default() -> Self {
        Extras {
            hooks: HashMap::new(),
            kept: HashSet::new(),
            next: 0,
        }
    }
}

impl<T: Float> Extras<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.hooks.is_empty() && self.kept.is_empty()
    }

    pub(crate) fn keeps(&self, node: usize) -> bool {
        self.kept.contains(&node)
    }
}

impl<T: Float> Tape<T> {
    /// The gradient of `node` after its hooks, in the order in which they were added.
    pub(crate) fn hooked(&self, node: usize, dy: Var<T>, create_graph: bool) -> Result<Var<T>> {
        // Taken out, so that a hook may add and remove hooks.
        let hooks: Vec<Function<T>> = match self.extras().hooks.get(&node) {
            Some(hooks) => hooks.iter().map(|(_, f)| f.clone()).collect(),
            None => return Ok(dy),
        };
        let mut dy = dy;
        for f in hooks {
            let Some(new) = f(&dy)? else { continue };
            if new.shape() != dy.shape() {
                return Err(Error::Shape {
                    op: "hook",
                    what: "the gradient that it returned",
                    got: new.shape().into(),
                    expected: format!("the value has shape {:?}", dy.shape()),
                });
            }
            dy = if create_graph { new } else { new.detach() };
        }
        Ok(dy)
    }
}

/// A hook that was added to a value; see [`Var::hook`]. Dropping it leaves the hook in place.
#[must_use = "a hook is removed by it, and stays otherwise"]
pub struct Hook<T: Float> {
    tape: Tape<T>,
    node: usize,
    id: u64,
}

impl<T: Float> Hook<T> {
    /// Removes the hook: later backward passes do not call it.
    pub fn remove(self) {
        let mut extras = self.tape.extras_mut();
        if let Some(hooks) = extras.hooks.get_mut(&self.node) {
            hooks.retain(|(id, _)| *id != self.id);
            if hooks.is_empty() {
                extras.hooks.remove(&self.node);
            }
        }
    }
}

impl<T: Float> std::fmt::Debug for Hook<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hook {{ node: {}, id: {} }}", self.node, self.id)
    }
}

impl<T: Float> Var<T> {
    fn tracked(&self, op: &'static str) -> Result<(&Tape<T>, usize)> {
        let untracked = Error::Tape {
            op,
            problem: TapeProblem::Untracked,
        };
        Ok((
            self.tape().ok_or(untracked.clone())?,
            self.node().ok_or(untracked)?,
        ))
    }

    /// Calls `f` with the gradient of this value in every later backward pass, once it is complete: all that flows
    /// together there is summed. What `f` returns takes its place; with `None` it passes as it is. PyTorch's
    /// `register_hook`.
    ///
    /// Hooks of one value run in the order in which they were added. An error of a hook ends the pass.
    ///
    /// ```
    /// use autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.leaf(Tensor::from([1.0f64, 2.0]));
    /// let y = x.square();
    /// let clip = y.hook(|dy| Ok(Some(dy.clamp(-3.0, 3.0))))?;
    /// let loss = (&y * &y).sum(..)?; // dy is 2y: [2, 8]
    /// assert_eq!(loss.backward_retain()?.get(&x)?.to_vec(), [2.0 * 2.0, 3.0 * 4.0]);
    /// clip.remove();
    /// assert_eq!(loss.backward()?.get(&x)?.to_vec(), [2.0 * 2.0, 8.0 * 4.0]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// A hook that owns a value of this tape keeps the tape alive, and itself with it, until it is removed.
    ///
    /// # Errors
    /// [`Error::Tape`] if this value depends on no leaf; from the backward pass, [`Error::Shape`] if the hook returns
    /// another shape.
    pub fn hook(&self, f: impl Fn(&Var<T>) -> Result<Option<Var<T>>> + 'static) -> Result<Hook<T>> {
        let (tape, node) = self.tracked("hook")?;
        let mut extras = tape.extras_mut();
        let id = extras.next;
        extras.next += 1;
        extras.hooks.entry(node).or_default().push((id, Rc::new(f)));
        let tape = tape.clone();
        Ok(Hook { tape, node, id })
    }

    /// Keeps the gradient of this value in later backward passes, though it is no leaf: [`Gradients::get`] finds it.
    ///
    /// ```
    /// use autograd::{Tape, Tensor};
    /// let x = Tape::new().leaf(Tensor::from([1.0f64, 2.0]));
    /// let y = x.square();
    /// y.retain_grad()?;
    /// let grads = y.square().sum(..)?.backward()?;
    /// assert_eq!(grads.get(&y)?.to_vec(), [2.0, 8.0]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Tape`] if this value depends on no leaf.
    ///
    /// [`Gradients::get`]: crate::Gradients::get
    pub fn retain_grad(&self) -> Result<()> {
        let (tape, node) = self.tracked("retain_grad")?;
        tape.extras_mut().kept.insert(node);
        Ok(())
    }
}
