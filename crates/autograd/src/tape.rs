//! The record of what was computed.

use crate::hook::Extras;
use crate::op::Op;
use crate::rules::{Place, PlainHash, Rules, Shelf};
use crate::var::Var;
use crate::watch::{Watch, Watcher};
use smallvec::SmallVec;
use std::cell::{Ref, RefCell, RefMut};
use std::collections::HashMap;
use std::fmt::Debug;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tensor_core::layout::dims;
use tensor_core::{Anomaly, Dims, Float, Tensor};

/// The nodes of an operation's operands, [`NO_NODE`] for one that depends on no leaf.
pub(crate) type Inputs = SmallVec<[usize; 3]>;

pub(crate) const NO_NODE: usize = usize::MAX;

/// One recorded operation, or a leaf.
pub(crate) struct Node {
    pub(crate) rule: Place,
    pub(crate) inputs: Inputs,
    /// The shape of the result, to which its gradient is summed back after broadcasting.
    pub(crate) shape: Dims,
}

/// Nodes and their rules.
pub(crate) struct Record<T: Float> {
    pub(crate) nodes: Vec<Node>,
    rules: Rules<T>,
}

impl<T: Float> Record<T> {
    /// Whether `node` leads to one for which `wants` holds.
    pub(crate) fn leads(&self, node: usize, wants: impl Fn(usize) -> bool) -> bool {
        let mut inputs = self.nodes[node].inputs.iter();
        inputs.any(|&i| i != NO_NODE && wants(i))
    }

    /// Where the rule of `node` lies, which is no leaf.
    pub(crate) fn rule(&self, node: usize) -> (Rc<dyn Shelf<T>>, usize) {
        self.rules.find(self.nodes[node].rule)
    }
}

/// The places of parameters by their identities, shared with the gradients that were taken of them.
pub(crate) type Places = Arc<HashMap<u64, usize, PlainHash>>;

struct Inner<T: Float> {
    id: u64,
    record: RefCell<Record<T>>,
    params: RefCell<Places>,
    extras: RefCell<Extras<T>>,
    watcher: Option<Box<Watcher>>,
    scratch: Option<Scratch<T>>,
    /// What functions that run again draw from, the innermost one last, and how much of it was drawn.
    replays: RefCell<Vec<(Drawn, usize)>>,
}

/// The numbers that a function has drawn, in their order.
pub(crate) type Drawn = Rc<[u64]>;

/// What makes a tape one for values alone: leaves and operations are not recorded, unless it watches them, and
/// parameters are listed as they come.
struct Scratch<T: Float> {
    entered: RefCell<Vec<(u64, Tensor<T>)>>,
    drawn: RefCell<Vec<u64>>,
    /// The tape on which the value of the function comes to lie.
    outer: Tape<T>,
}

/// A cheap handle to the list of operations, in the order in which they ran.
///
/// That list is the topological order: backward is one loop from the result's place down. Nothing recurses, so a
/// chain of any length is differentiated, and dropped, on a small stack.
///
/// What operations keep for backward lives until a backward pass has used it (see [`Var::backward_retain`]), or the
/// tape and all values on it are dropped. A rule that panics leaves the tape as it was: it may be differentiated
/// again where no earlier pass has freed it.
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
        Self::make(None, None)
    }

    /// An empty tape that looks for the first NaN or infinity, and says which operation made it: PyTorch's
    /// `detect_anomaly`, for one tape. The same as [`Tape::watching`] with [`Watch::NonFinite`].
    ///
    /// ```
    /// use autograd::{Tape, Tensor};
    /// let tape = Tape::with_anomaly();
    /// let x = tape.leaf(Tensor::from([1.0f32, 1000.0]));
    /// let e = x.exp().sum(..)?.backward().unwrap_err().to_string();
    /// assert!(e.starts_with("exp, called at "), "{e}"); // with file and line of this call
    /// assert!(e.contains("operand 0: shape [2], from 1 to 1000"), "{e}");
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn with_anomaly() -> Self {
        Self::watching(Watch::NonFinite)
    }

    /// As [`Tape::with_anomaly`], saying what is looked for.
    ///
    /// Each result and each gradient is looked at once. The first bad one is an [`Error::Anomaly`](crate::Error::Anomaly)
    /// from the operation that made it, if that takes several values, or else from the next such operation and from
    /// `backward`; [`Tape::anomaly`] asks for it at any time. An operator such as `&a / &b`, which has no error to
    /// return, panics with the message: write `a.div(&b)?` where that is not wanted. A tape made by [`Tape::new`] does
    /// none of this and pays nothing.
    pub fn watching(watch: Watch) -> Self {
        Self::make(Some(watch), None)
    }

    /// A tape on which a function runs for its value, which comes to lie on this one, and for the parameters that it
    /// uses.
    pub(crate) fn scratch(&self) -> Self {
        let scratch = Scratch {
            entered: RefCell::default(),
            drawn: RefCell::default(),
            outer: self.clone(),
        };
        Self::make(self.watch(), Some(scratch))
    }

    /// A tape that looks for what this one looks for.
    pub(crate) fn watch(&self) -> Option<Watch> {
        self.watcher().map(Watcher::watch)
    }

    fn make(watch: Option<Watch>, scratch: Option<Scratch<T>>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let record = RefCell::new(Record {
            nodes: Vec::new(),
            rules: Rules::default(),
        });
        Tape(Rc::new(Inner {
            id,
            record,
            params: RefCell::default(),
            extras: RefCell::default(),
            watcher: watch.map(|watch| Box::new(Watcher::new(watch))),
            scratch,
            replays: RefCell::default(),
        }))
    }

    /// The first NaN or infinity so far, on a tape that [looks for it](Tape::watching).
    pub fn anomaly(&self) -> Option<Anomaly> {
        self.watcher()?.first()
    }

    /// A value to differentiate with respect to.
    #[track_caller]
    pub fn leaf(&self, value: Tensor<T>) -> Var<T> {
        let node = self.push_leaf("leaf", &value, Location::caller());
        Var::place(value, Some(self.clone()), Some(node))
    }

    /// Data placed on the tape without a gradient of its own: parameters that meet it enter the tape.
    pub fn input(&self, value: Tensor<T>) -> Var<T> {
        Var::place(value, Some(self.clone()), None)
    }

    /// The number of recorded operations and leaves.
    pub fn len(&self) -> usize {
        self.0.record.borrow().nodes.len()
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

    pub(crate) fn record(&self) -> Ref<'_, Record<T>> {
        self.0.record.borrow()
    }

    pub(crate) fn watcher(&self) -> Option<&Watcher> {
        self.0.watcher.as_deref()
    }

    pub(crate) fn extras(&self) -> Ref<'_, Extras<T>> {
        self.0.extras.borrow()
    }

    pub(crate) fn extras_mut(&self) -> RefMut<'_, Extras<T>> {
        self.0.extras.borrow_mut()
    }

    pub(crate) fn push<O: Op<T>>(&self, rule: O, inputs: Inputs, shape: &[usize]) -> usize {
        let mut record = self.0.record.borrow_mut();
        let rule = record.rules.push(rule);
        record.nodes.push(Node {
            rule,
            inputs,
            shape: dims(shape),
        });
        record.nodes.len() - 1
    }

    fn push_leaf(
        &self,
        op: &'static str,
        value: &Tensor<T>,
        call: &'static Location<'static>,
    ) -> usize {
        let mut record = self.0.record.borrow_mut();
        record.nodes.push(Node {
            rule: Place::LEAF,
            inputs: Inputs::new(),
            shape: dims(value.shape()),
        });
        let node = record.nodes.len() - 1;
        if let Some(watcher) = self.watcher() {
            watcher.see_leaf(op, call, value, node);
        }
        node
    }

    /// The leaf of the parameter `id`, made from `value` when it enters for the first time.
    #[track_caller]
    pub(crate) fn enter(&self, id: u64, value: &Tensor<T>) -> Var<T> {
        self.enter_from(id, value, Location::caller())
    }

    /// As [`Tape::enter`] by a call that was made there.
    pub(crate) fn enter_from(
        &self,
        id: u64,
        value: &Tensor<T>,
        call: &'static Location<'static>,
    ) -> Var<T> {
        let known = self.0.params.borrow().get(&id).copied();
        let node = known.unwrap_or_else(|| {
            let node = match &self.0.scratch {
                Some(scratch) => {
                    scratch.entered.borrow_mut().push((id, value.clone()));
                    match self.watcher() {
                        Some(_) => self.push_leaf("parameter", value, call),
                        None => NO_NODE,
                    }
                }
                None => self.push_leaf("parameter", value, call),
            };
            Arc::make_mut(&mut self.0.params.borrow_mut()).insert(id, node);
            node
        });
        let node = Some(node).filter(|&node| node != NO_NODE);
        Var::place(value.clone(), Some(self.clone()), node)
    }

    /// The parameters that entered a scratch tape, in that order.
    pub(crate) fn entered(&self) -> Vec<(u64, Tensor<T>)> {
        let scratch = self.0.scratch.as_ref();
        scratch.map_or_else(Vec::new, |s| s.entered.take())
    }

    /// A number that a layer draws from a generator of its own; where a [`checkpoint`](crate::checkpoint) runs the layer
    /// again, the one that it drew the first time, in place of a new one.
    ///
    /// ```
    /// use autograd::{Tape, Tensor, checkpoint};
    /// use std::cell::Cell;
    /// let drawn = Cell::new(0);
    /// let x = Tape::new().leaf(Tensor::from([1.0f64]));
    /// let y = checkpoint(
    ///     move |v| {
    ///         let fresh = || drawn.replace(drawn.get() + 1);
    ///         let k = v[0].tape().map_or_else(fresh, |tape| tape.draw(fresh));
    ///         v[0].mul(k as f64 + 2.0)
    ///     },
    ///     &[&x],
    /// )?;
    /// assert_eq!(y.value().to_vec(), [2.0]);
    /// assert_eq!(y.sum(..)?.backward()?.get(&x)?.to_vec(), [2.0]); // not 3
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn draw(&self, fresh: impl FnOnce() -> u64) -> u64 {
        if let Some((drawn, at)) = self.0.replays.borrow_mut().last_mut()
            && let Some(&known) = drawn.get(*at)
        {
            *at += 1;
            return known;
        }
        let Some(scratch) = &self.0.scratch else {
            return fresh();
        };
        let number = scratch.outer.draw(fresh);
        scratch.drawn.borrow_mut().push(number);
        number
    }

    /// Whether a [`checkpoint`](crate::checkpoint) runs its function again on this tape, so that a layer must not take what
    /// it sees into its statistics once more.
    pub fn replays(&self) -> bool {
        let scratch = self.0.scratch.as_ref();
        !self.0.replays.borrow().is_empty() || scratch.is_some_and(|s| s.outer.replays())
    }

    /// What was drawn on a scratch tape.
    pub(crate) fn drawn(&self) -> Drawn {
        let scratch = self.0.scratch.as_ref();
        scratch.map_or_else(Vec::new, |s| s.drawn.take()).into()
    }

    /// Lets [`Tape::draw`] give these numbers again, until what is returned is dropped.
    pub(crate) fn replay(&self, drawn: &Drawn) -> Replay<T> {
        self.0.replays.borrow_mut().push((drawn.clone(), 0));
        Replay(self.clone())
    }

    pub(crate) fn params(&self) -> Places {
        self.0.params.borrow().clone()
    }

    /// Lets each parameter of `list` be found at another place, until what is returned is dropped.
    pub(crate) fn redirect(&self, list: &[(u64, usize)]) -> Redirected<T> {
        let mut params = self.0.params.borrow_mut();
        let params = Arc::make_mut(&mut params);
        let former = |&(id, place): &(u64, usize)| (id, params.insert(id, place));
        Redirected {
            tape: self.clone(),
            former: list.iter().map(former).collect(),
        }
    }
}

/// Numbers that are drawn again for a while; see [`Tape::replay`].
pub(crate) struct Replay<T: Float>(Tape<T>);

impl<T: Float> Drop for Replay<T> {
    fn drop(&mut self) {
        self.0.0.replays.borrow_mut().pop();
    }
}

/// Parameters that are found elsewhere for a while; see [`Tape::redirect`].
pub(crate) struct Redirected<T: Float> {
    tape: Tape<T>,
    former: Vec<(u64, Option<usize>)>,
}

impl<T: Float> Drop for Redirected<T> {
    fn drop(&mut self) {
        let mut params = self.tape.0.params.borrow_mut();
        let params = Arc::make_mut(&mut params);
        for &(id, place) in &self.former {
            match place {
                Some(place) => params.insert(id, place),
                None => params.remove(&id),
            };
        }
    }
}
