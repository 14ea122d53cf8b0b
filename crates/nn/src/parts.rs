//! What a model holds beside parameters, and the containers that hold several parts.

use crate::module::{Mode, Module, Part, PartMut, Parts, Traced, join};
use losses::autograd::{Float, Param};
use losses::{Result, Tensor, Var};
use rand::{Rng, RngExt};
use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A tensor that a layer keeps and changes by itself, without a gradient: a running mean, for one.
///
/// `forward` takes a model by shared reference, on any number of threads; so a buffer is replaced as a whole.
#[derive(Default)]
pub struct Buffer<T: Float>(Mutex<Tensor<T>>);

impl<T: Float> Buffer<T> {
    /// A buffer with a start value.
    pub fn new(value: Tensor<T>) -> Self {
        Buffer(Mutex::new(value))
    }

    /// The value: a view, nothing is copied.
    pub fn value(&self) -> Tensor<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the value.
    pub fn set(&self, value: Tensor<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl<T: Float> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Buffer::new(self.value())
    }
}

impl<T: Float> Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({:?})", self.value())
    }
}

/// A number that a layer counts with, such as the batches it has seen.
#[derive(Debug, Default)]
pub struct Count(AtomicI64);

impl Count {
    /// The number.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the number.
    pub fn set(&self, count: i64) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// Counts one more, and gives the new number.
    pub fn next(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }
}

impl Clone for Count {
    fn clone(&self) -> Self {
        Count(AtomicI64::new(self.get()))
    }
}

/// The generator of a layer that draws in every pass: a seed, and how often it has drawn.
///
/// What is drawn depends on these two and on the place of an element alone, so it is the same on any number of
/// threads, and a run that goes on from a checkpoint draws what the whole run would have drawn. The generator is
/// SplitMix64: Steele, Lea and Flood 2014, *Fast Splittable Pseudorandom Number Generators*.
#[derive(Debug)]
pub struct Draws {
    seed: u64,
    calls: AtomicU64,
}

/// The odd number nearest to 2⁶⁴ divided by the golden ratio, by which SplitMix64 counts.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of SplitMix64.
#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What one pass draws from.
#[derive(Clone, Copy, Debug)]
pub struct Stream(u64);

impl Stream {
    /// The random bits of element `i`.
    #[inline(always)]
    pub fn bits(self, i: u64) -> u64 {
        mix(self.0.wrapping_add(i.wrapping_add(1).wrapping_mul(GOLDEN)))
    }
}

impl Draws {
    /// A generator from a seed.
    pub fn new(seed: u64) -> Self {
        Draws {
            seed,
            calls: AtomicU64::new(0),
        }
    }

    /// The stream of the next pass over `x`, or, where a checkpoint makes a pass once more, that of the first time.
    pub(crate) fn next_for<T: Float>(&self, x: &Var<T>) -> Stream {
        match x.tape() {
            Some(tape) => Stream(tape.draw(|| self.next().0)),
            None => self.next(),
        }
    }

    /// A generator whose seed is drawn from another.
    pub fn from_rng(rng: &mut (impl Rng + ?Sized)) -> Self {
        Draws::new(rng.random())
    }

    /// The stream of the next pass.
    pub fn next(&self) -> Stream {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        Stream(mix(self.seed ^ mix(call.wrapping_mul(GOLDEN))))
    }

    /// Seed and count, as text for a file.
    pub(crate) fn to_note(&self) -> String {
        format!("{} {}", self.seed, self.calls.load(Ordering::Relaxed))
    }

    /// Back from [`Draws::to_note`].
    pub(crate) fn from_note(note: &str) -> Option<Self> {
        let (seed, calls) = note.split_once(' ')?;
        Some(Draws {
            seed: seed.parse().ok()?,
            calls: AtomicU64::new(calls.parse().ok()?),
        })
    }
}

impl Clone for Draws {
    fn clone(&self) -> Self {
        Draws {
            seed: self.seed,
            calls: AtomicU64::new(self.calls.load(Ordering::Relaxed)),
        }
    }
}

/// The parts that hold no others: each shows itself under the name it is given.
macro_rules! leaf {
    ($($part:ty => $variant:ident;)*) => {$(
        impl<T: Float> Parts<T> for $part {
            fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>)) {
                f(name, Part::$variant(self));
            }
            fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>)) {
                f(name, PartMut::$variant(self));
            }
        }
    )*};
}
leaf! {
    Param<T> => Param;
    Buffer<T> => Buffer;
    Count => Count;
    Draws => Draws;
}

impl<T: Float> Parts<T> for Mode {
    fn walk(&self, _: &str, _: &mut dyn FnMut(&str, Part<'_, T>)) {}
    fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>)) {
        f(name, PartMut::Mode(self));
    }
}

impl<T: Float, P: Parts<T>> Parts<T> for Option<P> {
    fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>)) {
        if let Some(part) = self {
            part.walk(name, f);
        }
    }
    fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>)) {
        if let Some(part) = self {
            part.walk_mut(name, f);
        }
    }
}

impl<T: Float, P: Parts<T>> Parts<T> for Vec<P> {
    /// Each is named by its place, as in PyTorch's `ModuleList`.
    fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>)) {
        for (i, part) in self.iter().enumerate() {
            part.walk(&join(name, &i.to_string()), f);
        }
    }
    fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>)) {
        for (i, part) in self.iter_mut().enumerate() {
            part.walk_mut(&join(name, &i.to_string()), f);
        }
    }
}

impl<T: Float, P: Parts<T> + ?Sized> Parts<T> for Box<P> {
    fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>)) {
        (**self).walk(name, f);
    }
    fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>)) {
        (**self).walk_mut(name, f);
    }
}

impl<T: Float, M: Module<T> + ?Sized> Module<T> for Box<M> {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        (**self).forward(x)
    }
    fn describe(&self) -> String {
        (**self).describe()
    }
    fn trace(
        &self,
        x: &Var<T>,
        name: &str,
        report: &mut dyn FnMut(Traced<'_, T>),
    ) -> Result<Var<T>> {
        (**self).trace(x, name, report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_is_that_of_the_paper() {
        // The first outputs of the reference program for the seed 1234567, as its authors publish them.
        let stream = Stream(1_234_567);
        let first: Vec<u64> = (0..5).map(|i| stream.bits(i)).collect();
        assert_eq!(
            first,
            [
                6457827717110365317,
                3203168211198807973,
                9817491932198370423,
                4593380528125082431,
                16408922859458223821
            ]
        );
    }

    #[test]
    fn a_generator_goes_on_where_its_note_was_written() {
        let draws = Draws::new(7);
        let before = draws.next().bits(0);
        let again = Draws::from_note(&draws.to_note()).unwrap();
        assert_ne!(draws.next().bits(0), before);
        assert_eq!(draws.next().bits(3), {
            again.next();
            again.next().bits(3)
        });
        for bad in ["", "1", "1 x", "-1 0", "1 2 3"] {
            assert!(Draws::from_note(bad).is_none(), "{bad:?}");
        }
    }
}
