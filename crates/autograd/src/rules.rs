//! Where the rules of a tape lie: those of one type side by side, so that recording an operation allocates nothing.

use crate::op::{Flow, Grads, Needs, Op};
use crate::var::Var;
use smallvec::SmallVec;
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use tensor_core::{Float, Result};

/// A rule's place: which shelf, and where on it. A leaf has none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    shelf: u32,
    index: usize,
}

impl Place {
    pub(crate) const LEAF: Place = Place {
        shelf: u32::MAX,
        index: 0,
    };

    pub(crate) fn is_leaf(self) -> bool {
        self.shelf == u32::MAX
    }
}

/// The rules of one type, as the tape sees them.
pub(crate) trait Shelf<T: Float> {
    /// Runs the rule at `index`, which is freed unless `retain` or it fails, and says its name; `None` if it was freed
    /// before.
    ///
    /// While it runs the rule is not on its shelf, because a recorded pass puts rules there. It is put back if it panics.
    fn run(
        &self,
        index: usize,
        dy: &Flow<T>,
        needs: Needs,
        retain: bool,
    ) -> Option<(&'static str, Result<Grads<T>>)>;

    /// [`Op::definition`] of the rule at `index`; `None` if it was freed.
    fn definition(&self, index: usize) -> Option<Result<Var<T>>>;

    fn as_any(&self) -> &dyn Any;
}

/// Rules of type `O` in runs that are never moved once they are full.
struct Run<O> {
    chunks: RefCell<SmallVec<[Vec<Option<O>>; 1]>>,
}

const CHUNK: usize = 64;

impl<O> Run<O> {
    fn push(&self, rule: O) -> usize {
        let mut chunks = self.chunks.borrow_mut();
        if chunks.last().is_none_or(|c| c.len() == CHUNK) {
            // Most tapes hold few operations of a type.
            let capacity = if chunks.is_empty() { 4 } else { CHUNK };
            chunks.push(Vec::with_capacity(capacity));
        }
        let before = (chunks.len() - 1) * CHUNK;
        let last = chunks.len() - 1;
        chunks[last].push(Some(rule));
        before + chunks[last].len() - 1
    }

    fn put(&self, index: usize, rule: Option<O>) {
        self.chunks.borrow_mut()[index / CHUNK][index % CHUNK] = rule;
    }
}

/// A rule while it runs; it goes back to its shelf if it panics.
struct Running<'a, O> {
    run: &'a Run<O>,
    index: usize,
    rule: Option<O>,
}

impl<O> Drop for Running<'_, O> {
    fn drop(&mut self) {
        if self.rule.is_some() {
            self.run.put(self.index, self.rule.take());
        }
    }
}

impl<T: Float, O: Op<T>> Shelf<T> for Run<O> {
    fn run(
        &self,
        index: usize,
        dy: &Flow<T>,
        needs: Needs,
        retain: bool,
    ) -> Option<(&'static str, Result<Grads<T>>)> {
        let rule = self.chunks.borrow_mut()[index / CHUNK][index % CHUNK].take();
        let mut running = Running {
            run: self,
            index,
            rule,
        };
        let rule = running.rule.as_ref()?;
        let grads = match dy {
            Flow::Whole(dy) => rule.backward(dy, needs),
            Flow::OneHot(dy) => rule.backward_one_hot(dy, needs),
        };
        let name = rule.name();
        if !retain && grads.is_ok() {
            running.rule = None;
        }
        Some((name, grads))
    }

    fn definition(&self, index: usize) -> Option<Result<Var<T>>> {
        // Plain operations on constants put no rules here.
        let chunks = self.chunks.borrow();
        chunks[index / CHUNK][index % CHUNK].as_ref()?.definition()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// All rules of a tape.
pub(crate) struct Rules<T: Float> {
    shelves: Vec<Rc<dyn Shelf<T>>>,
    by_type: HashMap<TypeId, u32, PlainHash>,
}

impl<T: Float> Default for Rules<T> {
    fn default() -> Self {
        Rules {
            shelves: Vec::new(),
            by_type: HashMap::default(),
        }
    }
}

impl<T: Float> Rules<T> {
    pub(crate) fn push<O: Op<T>>(&mut self, rule: O) -> Place {
        let shelves = &mut self.shelves;
        let shelf = *self.by_type.entry(TypeId::of::<O>()).or_insert_with(|| {
            shelves.push(Rc::new(Run::<O> {
                chunks: RefCell::default(),
            }));
            shelves.len() as u32 - 1
        });
        let run = self.shelves[shelf as usize].as_any().downcast_ref();
        let run: &Run<O> = run.expect("a shelf is found by the type of its rules");
        let index = run.push(rule);
        Place { shelf, index }
    }

    /// The shelf and the index there of a rule that is no leaf's.
    pub(crate) fn find(&self, place: Place) -> (Rc<dyn Shelf<T>>, usize) {
        (self.shelves[place.shelf as usize].clone(), place.index)
    }
}

/// A hash of keys that no stranger chooses: types, and identities that were counted.
#[derive(Default)]
pub(crate) struct Plain(u64);

/// For the maps that an operation is looked up in, which take longer by the hash of the standard library.
pub(crate) type PlainHash = BuildHasherDefault<Plain>;

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u64(u64::from(b)));
    }

    fn write_u64(&mut self, part: u64) {
        self.0 = (self.0.rotate_left(5) ^ part).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}
