//! Buffers that are used again: the first touch of fresh memory costs more than the arithmetic done in it.
//!
//! A large buffer that is dropped waits on a shelf of its size class, up to [`limit`] bytes over all types, and the
//! next tensor of that class takes it without zeroing it. Small buffers touch no lock: each thread has some of them at
//! hand, and the smallest go to the system's allocator, which is fast for them. A single element lies in the tensor itself.

use super::par;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::layout::checked_numel;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Buffers below this many bytes are not shared by threads.
const SMALL: usize = 1 << 15;
/// Buffers below this many bytes are not kept: the system's allocator serves them from its own lists.
const SMALLEST: usize = 1 << 10;
/// So many small buffers of a type a thread has at hand, at most.
const AT_HAND: usize = 32;

static LIMIT: AtomicUsize = AtomicUsize::new(2 << 30);
static HELD: AtomicUsize = AtomicUsize::new(0);
static FETCHED: AtomicUsize = AtomicUsize::new(0);
static REUSED: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// What the pool has done since the program began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// Bytes that wait to be used again in large buffers; the small ones that threads have at hand are not counted.
    pub held_bytes: usize,
    /// Large buffers that were fetched from the system.
    pub fetched: usize,
    /// Large buffers that were used again.
    pub reused: usize,
    /// Large buffers that tensors hold now, those made of a `Vec` included.
    pub live: usize,
}

/// Counts of the pool, over all element types.
pub fn stats() -> PoolStats {
    PoolStats {
        held_bytes: HELD.load(Ordering::Relaxed),
        fetched: FETCHED.load(Ordering::Relaxed),
        reused: REUSED.load(Ordering::Relaxed),
        live: LIVE.load(Ordering::Relaxed),
    }
}

/// The number of bytes that may wait to be used again; 2 GiB unless set.
pub fn limit() -> usize {
    LIMIT.load(Ordering::Relaxed)
}

/// Sets [`limit`]; 0 turns the pool off. Buffers already held stay until [`clear`].
pub fn set_limit(bytes: usize) {
    LIMIT.store(bytes, Ordering::Relaxed);
}

/// Gives all waiting buffers back to the system, but for the small ones that other threads have at hand.
pub fn clear() {
    empty::<f32>();
    empty::<f64>();
    empty::<i64>();
    empty::<bool>();
}

fn empty<T: Element>() {
    T::pool().empty();
    // A thread that ends has nothing at hand any more.
    let _ = T::at_hand().try_with(|near| near.buffers.take());
}

/// The waiting buffers of one element type: a shelf for each length, of which a program uses a few dozen at most.
#[derive(Debug)]
pub struct Pool<T> {
    shelves: Mutex<Vec<(usize, Vec<Vec<T>>)>>,
}

impl<T> Pool<T> {
    pub(crate) const fn new() -> Self {
        Pool {
            shelves: Mutex::new(Vec::new()),
        }
    }

    fn take(&self, len: usize) -> Option<Vec<T>> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, shelf) = shelves.iter_mut().find(|(n, _)| *n == len)?;
        let data = shelf.pop()?;
        HELD.fetch_sub(size_of_val(&data[..]), Ordering::Relaxed);
        Some(data)
    }

    fn give(&self, data: Vec<T>) {
        let bytes = size_of_val(&data[..]);
        if bytes > limit() {
            return;
        }
        if HELD.load(Ordering::Relaxed) + bytes > limit() {
            // Sizes have changed: what waits is of no use to the work at hand.
            self.empty();
            if HELD.load(Ordering::Relaxed) + bytes > limit() {
                return;
            }
        }
        HELD.fetch_add(bytes, Ordering::Relaxed);
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        match shelves.iter_mut().find(|(n, _)| *n == data.len()) {
            Some((_, shelf)) => shelf.push(data),
            None => shelves.push((data.len(), vec![data])),
        }
    }

    fn empty(&self) {
        let shelves =
            std::mem::take(&mut *self.shelves.lock().unwrap_or_else(PoisonError::into_inner));
        let bytes: usize = shelves
            .iter()
            .map(|(len, shelf)| shelf.len() * len * size_of::<T>())
            .sum();
        HELD.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Small buffers of one element type that a thread has at hand, 32 at most.
#[derive(Debug)]
pub struct AtHand<T> {
    buffers: RefCell<Vec<Vec<T>>>,
    /// The one that gives way where there are too many.
    oldest: Cell<usize>,
}

impl<T> AtHand<T> {
    pub(crate) const fn new() -> Self {
        AtHand {
            buffers: RefCell::new(Vec::new()),
            oldest: Cell::new(0),
        }
    }

    fn take(&self, len: usize) -> Option<Vec<T>> {
        let mut buffers = self.buffers.borrow_mut();
        let at = buffers.iter().rposition(|data| data.len() == len)?;
        Some(buffers.swap_remove(at))
    }

    fn give(&self, data: Vec<T>) {
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < AT_HAND {
            return buffers.push(data);
        }
        let oldest = self.oldest.get();
        buffers[oldest] = data;
        self.oldest.set((oldest + 1) % AT_HAND);
    }
}

/// A length at which a buffer may be used for many: eight classes to each power of two, so at most an eighth is idle.
fn size_class(n: usize) -> usize {
    let step = 1usize << n.max(8).ilog2().saturating_sub(3);
    n.next_multiple_of(step)
}

/// Bytes of a line of memory.
const LINE: usize = 64;

/// Elements by which the first whole line may lie behind the beginning of a buffer.
pub(super) fn spare<T>() -> usize {
    LINE / size_of::<T>().clamp(1, LINE)
}

/// Where the first whole line begins in a buffer that has room for it.
pub(super) fn first_line<T>(data: &[T]) -> usize {
    data.as_ptr().align_offset(LINE).min(spare::<T>())
}

/// Whether a buffer is of one of the lengths that the pool has shelves for.
fn fits_a_shelf<T>(data: &Vec<T>) -> bool {
    let n = data.len().saturating_sub(spare::<T>());
    n == size_class(n) && data.capacity() == data.len()
}

/// The size of a huge page on the machines that have them.
#[cfg(all(target_os = "linux", not(miri)))]
const HUGE: usize = 2 << 20;

/// Asks Linux to back fresh memory, which no one has touched yet, with pages of 2 MiB: five hundred times fewer faults at
/// the first touch, and fewer misses of the address cache at each later one. Elsewhere the system decides by itself.
fn ask_for_huge_pages<T>(data: &mut [T]) {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        unsafe extern "C" {
            fn madvise(start: *mut u8, len: usize, advice: i32) -> i32;
        }
        const MADV_HUGEPAGE: i32 = 14;
        let start: *mut u8 = data.as_mut_ptr().cast();
        let skipped = start.align_offset(HUGE);
        let len = size_of_val(data).saturating_sub(skipped) / HUGE * HUGE;
        if len > 0 {
            // SAFETY: the range of whole huge pages lies within `data`, and the advice changes none of its contents. An
            // error, as of a system without such pages, means that nothing was done.
            unsafe {
                madvise(start.wrapping_add(skipped), len, MADV_HUGEPAGE);
            }
        }
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let _ = data;
}

/// The memory of a new tensor.
pub(crate) enum Buffer<T: Element> {
    /// One element, in place: it needs no memory of its own.
    One([T; 1]),
    /// Any other number.
    Many(Shelved<T>),
}

/// Elements in memory of their own; on drop a large one goes back to its pool.
#[derive(Debug)]
pub(crate) struct Shelved<T: Element> {
    data: Vec<T>,
    /// Where the first line of memory begins, of a buffer that has room for it.
    from: usize,
}

impl<T: Element> Buffer<T> {
    /// At least the elements of `shape`, with values left over from earlier use: the caller overwrites them all.
    pub(crate) fn stale(op: &'static str, shape: &[usize]) -> Result<Self> {
        let n = checked_numel(shape).ok_or_else(|| Error::size(op, shape))?;
        if n * size_of::<T>() < SMALL {
            return Ok(Self::small(n, true));
        }
        let len = size_class(n) + spare::<T>();
        if let Some(data) = T::pool().take(len) {
            REUSED.fetch_add(1, Ordering::Relaxed);
            return Ok(Buffer::Many(Shelved::of_pool(data)));
        }
        Self::fresh(op, shape, len)
    }

    /// At least as many zeros as `shape` has elements.
    pub(crate) fn zeros(op: &'static str, shape: &[usize]) -> Result<Self> {
        let n = checked_numel(shape).ok_or_else(|| Error::size(op, shape))?;
        if n * size_of::<T>() < SMALL {
            return Ok(Self::small(n, false));
        }
        let len = size_class(n) + spare::<T>();
        match T::pool().take(len) {
            Some(mut data) => {
                REUSED.fetch_add(1, Ordering::Relaxed);
                par::split(&mut data, 1, 1, |_, data| data.fill(T::ZERO));
                Ok(Buffer::Many(Shelved::of_pool(data)))
            }
            None => Self::fresh(op, shape, len),
        }
    }

    /// So many elements, with values left over from earlier use if `stale`, or zeros.
    #[inline]
    fn small(n: usize, stale: bool) -> Self {
        if n == 1 {
            return Buffer::One([T::ZERO]);
        }
        let near = if n * size_of::<T>() < SMALLEST {
            None
        } else {
            T::at_hand().try_with(|near| near.take(n)).ok().flatten()
        };
        let data = match near {
            Some(mut data) => {
                if !stale {
                    data.fill(T::ZERO);
                }
                data
            }
            None => {
                // Not `vec![ZERO; n]`, which asks the system for zeros: that way around its lists takes longer.
                let mut data = Vec::with_capacity(n);
                data.extend((0..n).map(|_| T::ZERO));
                data
            }
        };
        Buffer::Many(Shelved::new(data, 0))
    }

    fn fresh(op: &'static str, shape: &[usize], len: usize) -> Result<Self> {
        // Asks whether the memory can be had before asking for it zeroed, which aborts where it cannot.
        Vec::<T>::new()
            .try_reserve_exact(len)
            .map_err(|_| Error::size(op, shape))?;
        FETCHED.fetch_add(1, Ordering::Relaxed);
        let mut data = vec![T::ZERO; len];
        ask_for_huge_pages(&mut data);
        Ok(Buffer::Many(Shelved::of_pool(data)))
    }

    pub(crate) fn from_vec(data: Vec<T>) -> Self {
        match data[..] {
            [x] => Buffer::One([x]),
            _ => Buffer::Many(Shelved::new(data, 0)),
        }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Buffer::One(x) => x,
            Buffer::Many(x) => x.as_slice(),
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Buffer::One(x) => x,
            Buffer::Many(x) => x.as_mut_slice(),
        }
    }
}

impl<T: Element> Shelved<T> {
    /// A buffer of the pool, which begins with a line of memory: no vector of it straddles two.
    fn of_pool(data: Vec<T>) -> Self {
        let from = first_line(&data);
        Self::new(data, from)
    }

    fn new(data: Vec<T>, from: usize) -> Self {
        if size_of_val(&data[..]) >= SMALL {
            LIVE.fetch_add(1, Ordering::Relaxed);
        }
        Shelved { data, from }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        &self.data[self.from..]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.data[self.from..]
    }
}

impl<T: Element> Drop for Shelved<T> {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        let bytes = size_of_val(&data[..]);
        if bytes < SMALL {
            // What a `Vec` of the caller brought along beyond its length is not kept.
            if bytes >= SMALLEST && data.capacity() == data.len() && limit() > 0 {
                let _ = T::at_hand().try_with(|near| near.give(data));
            }
            return;
        }
        LIVE.fetch_sub(1, Ordering::Relaxed);
        if fits_a_shelf(&data) {
            T::pool().give(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths about those at which whole huge pages fit in.
    #[test]
    fn fresh_memory_is_zero_and_whole() {
        for len in [1 << 18, (2 << 20) - 3, 2 << 20, (4 << 20) + 5, 9_000_001] {
            let held = len + spare::<bool>();
            let Ok(Buffer::Many(mut fresh)) = Buffer::<bool>::fresh("test", &[len], held) else {
                panic!("no memory for {len} bytes");
            };
            let data = fresh.as_mut_slice();
            assert!(data.len() >= len);
            assert!(data.iter().all(|x| !x), "{len}");
            data.fill(true);
            assert!(data.iter().all(|&x| x), "{len}");
        }
        // What holds no memory has nothing to ask for.
        ask_for_huge_pages::<f32>(&mut []);
    }

    #[test]
    fn buffers_of_the_pool_begin_with_a_line_and_those_of_a_vec_with_its_first_element() {
        let n = 1 << 14;
        for _ in 0..3 {
            let Ok(buffer) = Buffer::<f32>::stale("test", &[n]) else {
                panic!("no memory")
            };
            assert!(buffer.as_slice().len() >= n);
            assert!(cfg!(miri) || buffer.as_slice().as_ptr().addr() % LINE == 0);
        }
        // Of a length that the pool would give: what lies before the first line counts too.
        let data: Vec<f32> = (0..n + spare::<f32>()).map(|i| i as f32).collect();
        let buffer = Buffer::from_vec(data.clone());
        assert_eq!(buffer.as_slice(), data);
        drop(buffer);
        let Ok(again) = Buffer::<f32>::zeros("test", &[n]) else {
            panic!("no memory")
        };
        assert!(again.as_slice()[..n].iter().all(|&x| x == 0.0));
    }

    fn small_of(n: usize, stale: bool) -> Shelved<f64> {
        let Buffer::Many(data) = Buffer::small(n, stale) else {
            panic!("{n} elements are no single one");
        };
        data
    }

    #[test]
    fn small_buffers_are_used_again_by_the_thread_that_dropped_them() {
        let n = 300;
        let mut first = small_of(n, true);
        let place = first.as_slice().as_ptr();
        first.as_mut_slice().fill(7.0);
        drop(first);
        let again = small_of(n, true);
        assert_eq!(again.as_slice().as_ptr(), place);
        drop(again);
        // Zeros are zeros, wherever they come from.
        let zeros = small_of(n, false);
        assert_eq!(zeros.as_slice().as_ptr(), place);
        assert_eq!(zeros.as_slice(), vec![0.0; n]);
        drop(zeros);
        // Other sizes and other threads have buffers of their own.
        assert_eq!(small_of(n + 1, true).as_slice().len(), n + 1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                f64::at_hand().with(|near| assert!(near.buffers.borrow().is_empty()));
                assert_eq!(small_of(n, true).as_slice(), vec![0.0; n]);
            });
        });
    }

    #[test]
    fn few_small_buffers_are_at_hand_and_the_newest_of_them() {
        let held = || f64::at_hand().with(|near| near.buffers.borrow().len());
        let all: Vec<_> = (200..300).map(|n| small_of(n, true)).collect();
        drop(all);
        assert_eq!(held(), AT_HAND);
        let (old, new) = (200..300 - AT_HAND, 300 - AT_HAND..300);
        let kept = |n: usize| f64::at_hand().with(|near| near.take(n)).is_some();
        assert!(old.into_iter().all(|n| !kept(n)));
        assert!(new.into_iter().all(kept));
        // Neither what is too small, nor a `Vec` with room to spare.
        drop(small_of(SMALLEST / 8 - 1, true));
        let mut roomy = Vec::with_capacity(1000);
        roomy.extend([1.0; 500]);
        drop(Buffer::from_vec(roomy));
        assert_eq!(held(), 0);
        drop(small_of(500, true));
        assert_eq!(held(), 1);
        clear();
        assert_eq!(held(), 0);
    }
}
