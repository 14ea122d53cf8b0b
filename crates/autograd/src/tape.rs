//! The record of what was computed.

use crate::op::Op;
use crate::var::Var;
use smallvec::SmallVec;
use std::cell::{Ref, RefCell, RefMut};
use std::collections::HashMap;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use tensor_core::{Dims, Float, Tensor};

/// One recorded operation; a leaf has no inputs.
pub(crate) struct Node<T: Float> {
    /// The rule; `None` for a leaf, and after a backward pass has freed it.
    pub(crate) op: Option<Box<dyn Op<T>>>,
    /// The nodes of the operands; `None` for an operand that depends on no leaf.
    pub(crate) inputs: SmallVec<[Option<usize>; 2]>,
    /// The shape of the result, to which its gradient is summed back after broadcasting.
    pub(crate) shape: Dims,
}

struct Inner<T: Float> {
    id: u64,
    nodes: RefCell<Vec<Node<T>>>,
    /// Where each parameter entered, by its id.
    params: RefCell<HashMap<u64, usize>>,
}

/// A cheap handle to the list of operations, in the order in which they ran.
///
/// That list is the topological order: backward is one loop from the result's place down. Nothing recurses, so a
/// chain of any length is differentiated, and dropped, on a small stack.
///
/// A tape belongs to one thread; tensors may cross threads, each thread records on a tape of its own.
///
/// ```compile_fail
/// let tape = autograd::Tape::<f32>::new();
/// std::thread::spawn(move || tape.leaf(1.0.into()));
/// ```
pub struct Tape<T: Float>(Rc<Inner<T>>);

impl<T: Float> Clone for Tape<T> {
    fn clone(&self) -> Self {
        Tape(self.0.clone())
    }
}

impl<T: Float> Debug for Tape<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tape {{ id: {}, nodes: {} }}", self.0.id, self.len())
    }
}

impl<T: Float> Default for Tape<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> Tape<T> {
    /// An empty tape.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Tape(Rc::new(Inner {
            id,
            nodes: RefCell::default(),
            params: RefCell::default(),
        }))
    }

    /// A value to differentiate with respect to.
    pub fn leaf(&self, value: Tensor<T>) -> Var<T> {
        let node = self.push(None, SmallVec::new(), value.shape());
        Var::place(value, Some(self.clone()), Some(node))
    }

    /// Data placed on the tape without a gradient of its own: parameters that meet it enter the tape.
    pub fn input(&self, value: Tensor<T>) -> Var<T> {
        Var::place(value, Some(self.clone()), None)
    }

    /// The number of recorded operations and leaves.
    pub fn len(&self) -> usize {
        self.0.nodes.borrow().len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both handles are to one tape.
    pub fn same(&self, other: &Tape<T>) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn nodes(&self) -> Ref<'_, Vec<Node<T>>> {
        self.0.nodes.borrow()
    }

    pub(crate) fn nodes_mut(&self) -> RefMut<'_, Vec<Node<T>>> {
        self.0.nodes.borrow_mut()
    }

    pub(crate) fn push(
        &self,
        op: Option<Box<dyn Op<T>>>,
        inputs: SmallVec<[Option<usize>; 2]>,
        shape: &[usize],
    ) -> usize {
        let mut nodes = self.nodes_mut();
        nodes.push(Node {
            op,
            inputs,
            shape: shape.into(),
        });
        nodes.len() - 1
    }

    /// The leaf of the parameter `id`, made from `value` when it enters for the first time.
    pub(crate) fn enter(&self, id: u64, value: &Tensor<T>) -> Var<T> {
        let known = self.0.params.borrow().get(&id).copied();
        let node = known.unwrap_or_else(|| {
            let node = self.push(None, SmallVec::new(), value.shape());
            self.0.params.borrow_mut().insert(id, node);
            node
        });
        Var::place(value.clone(), Some(self.clone()), Some(node))
    }

    pub(crate) fn params(&self) -> HashMap<u64, usize> {
        self.0.params.borrow().clone()
    }
}
