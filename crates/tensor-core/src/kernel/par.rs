//! Work split over threads in fixed chunks; small work stays on the calling thread and touches no lock.
//!
//! The thread pool is entered in one place, which knows neither the element type nor the work: were it generic, every
//! operation would be compiled together with its own copy of the pool's machinery.

use super::team;
use std::cell::Cell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Work below this many element-operations runs on the calling thread: waking a thread costs some microseconds, in which
/// one thread adds up this many elements.
pub const GRAIN: usize = 1 << 16;

/// At most so many chunks: a chunk costs some hundred nanoseconds of its own.
const MAX_CHUNKS: usize = 128;

/// How many of `items`, each worth `cost` element-operations and `width` elements wide, make a chunk; `None` where they
/// are too few to be worth a second thread. The answer knows nothing of the number of threads, and so no result does.
fn per_chunk(items: usize, width: usize, cost: usize) -> Option<usize> {
    let cost = cost.max(1);
    if items.saturating_mul(cost) <= GRAIN {
        return None;
    }
    let most = (GRAIN / 2 / cost).max(items.div_ceil(MAX_CHUNKS)).max(1);
    // As large as each other, and so many that two or four threads have as much to do.
    let n = items.div_ceil(items.div_ceil(most).next_multiple_of(4));
    // Whole vectors, so that no chunk but the last has a remainder; not of items so dear that few of them are enough.
    let n = if width == 1 && n > ALIGN / 2 {
        n.next_multiple_of(ALIGN)
    } else {
        n
    };
    (n < items).then_some(n)
}

/// Chunks of single elements are multiples of this: four of the widest vectors of `f32`.
const ALIGN: usize = 64;

/// What is left of a thread's share; in cache lines of its own.
#[repr(align(128))]
struct Share(Mutex<Range<usize>>);

impl Share {
    /// The next of it, or the last for those who help.
    fn take(&self, next: bool) -> Option<usize> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if next { left.next() } else { left.next_back() }
    }
}

thread_local! {
    /// Whether the next piece of work that this thread calls for begins with its first chunks. No result depends on it.
    static TURN: Cell<bool> = const { Cell::new(true) };
}

/// Calls `f(0)` to `f(n - 1)`, on the calling thread and on those threads of the current pool that join it.
///
/// Each thread has a run of its own, of which it is given the same the next time: then its part of the memory still lies in
/// its own cache, and not in that of another core. It walks through it from the other end then, where the cache holds what it
/// touched last. Who is through helps the others from where they end.
pub(crate) fn for_each(n: usize, f: &(dyn Fn(usize) + Sync)) {
    let seats = rayon_core::current_num_threads().min(n).min(team::SEATS);
    if seats <= 1 {
        return (0..n).for_each(f);
    }
    let share = |seat| Share(Mutex::new(n * seat / seats..n * (seat + 1) / seats));
    let shares: Vec<Share> = (0..seats).map(share).collect();
    let forwards = TURN.with(|turn| turn.replace(!turn.get()));
    team::run(seats, &|seat| {
        while let Some(i) = shares[seat].take(forwards) {
            f(i);
        }
        for k in 1..seats {
            while let Some(i) = shares[(seat + k) % seats].take(!forwards) {
                f(i);
            }
        }
    });
}

/// Calls `f(i, part)` for each part, on all threads.
pub(crate) fn for_each_part<P: Send>(parts: Vec<P>, f: &(dyn Fn(usize, P) + Sync)) {
    let parts: Vec<Mutex<Option<P>>> = parts
        .into_iter()
        .map(|part| Mutex::new(Some(part)))
        .collect();
    for_each(parts.len(), &|i| {
        // Each part is taken once, so no thread ever waits for another here.
        let part = parts[i]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(part) = part {
            f(i, part);
        }
    });
}

/// The results of `f(0)` to `f(n - 1)`, in order, computed on all threads.
pub fn each<R: Send>(n: usize, f: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    let mut results: Vec<Option<R>> = (0..n).map(|_| None).collect();
    for_each_part(results.iter_mut().collect(), &|i, result| {
        *result = Some(f(i));
    });
    results.into_iter().flatten().collect()
}

/// Calls `f(first_item, chunk)` on chunks of `out`, in parallel where `cost` (element-operations for each item of
/// `width` elements of `out`) times the number of items is large.
///
/// The chunks are of fixed size, whatever the number of threads.
pub fn split<O: Send>(
    out: &mut [O],
    width: usize,
    cost: usize,
    f: impl Fn(usize, &mut [O]) + Sync,
) {
    split_dyn(out, width, cost, &f);
}

/// The work of [`split`], compiled once for each type of output: the body of every loop is then there once, not once for
/// one thread and once for several.
fn split_dyn<O: Send>(
    out: &mut [O],
    width: usize,
    cost: usize,
    f: &(dyn Fn(usize, &mut [O]) + Sync),
) {
    let items = out.len() / width.max(1);
    let Some(per_chunk) = per_chunk(items, width, cost) else {
        return f(0, out);
    };
    for_each_part(out.chunks_mut(per_chunk * width).collect(), &|i, chunk| {
        f(i * per_chunk, chunk)
    });
}

/// Shares of several outputs, of those that are there.
pub type Parts<'a, O, const N: usize> = [Option<&'a mut [O]>; N];

/// `f(start..end, parts)` for fixed chunks of `0..items`, the results in order; `parts` are the chunk's shares of those
/// outputs that are there, each with `width` elements for each item.
pub fn collect_split<O: Send, R: Send, const N: usize>(
    items: usize,
    width: usize,
    outputs: Parts<'_, O, N>,
    cost: usize,
    f: impl Fn(Range<usize>, Parts<'_, O, N>) -> R + Sync,
) -> Vec<R> {
    collect_split_dyn(items, width, outputs, cost, &f)
}

/// The work of [`collect_split`], as [`split_dyn`].
fn collect_split_dyn<O: Send, R: Send, const N: usize>(
    items: usize,
    width: usize,
    outputs: Parts<'_, O, N>,
    cost: usize,
    f: &(dyn Fn(Range<usize>, Parts<'_, O, N>) -> R + Sync),
) -> Vec<R> {
    let Some(per_chunk) = per_chunk(items, width, cost) else {
        return vec![f(0..items, outputs)];
    };
    let n_chunks = items.div_ceil(per_chunk);
    let range = |i: usize| i * per_chunk..((i + 1) * per_chunk).min(items);
    let mut rest = outputs;
    let mut parts: Vec<(Option<R>, Parts<'_, O, N>)> = (0..n_chunks)
        .map(|i| {
            let share = range(i).len() * width;
            let part = rest.each_mut().map(|out| {
                let (now, later) = out.take()?.split_at_mut(share);
                *out = Some(later);
                Some(now)
            });
            (None, part)
        })
        .collect();
    for_each_part(parts.iter_mut().collect(), &|i, (result, part)| {
        let part = part.each_mut().map(Option::take);
        *result = Some(f(range(i), part));
    });
    parts.into_iter().filter_map(|(result, _)| result).collect()
}

/// As [`split`], over two outputs with `width_a` and `width_b` elements for each item.
pub fn split2<A: Send, B: Send>(
    a: (&mut [A], usize),
    b: (&mut [B], usize),
    cost: usize,
    f: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    split2_dyn(a, b, cost, &f);
}

/// What [`split2`] does with the parts of its outputs.
type Work2<'a, A, B> = dyn Fn(usize, &mut [A], &mut [B]) + Sync + 'a;

/// The work of [`split2`], as [`split_dyn`].
fn split2_dyn<A: Send, B: Send>(
    (a, width_a): (&mut [A], usize),
    (b, width_b): (&mut [B], usize),
    cost: usize,
    f: &Work2<'_, A, B>,
) {
    let items = a.len() / width_a.max(1);
    let Some(per_chunk) = per_chunk(items, width_a.max(width_b), cost) else {
        return f(0, a, b);
    };
    let parts = a
        .chunks_mut(per_chunk * width_a)
        .zip(b.chunks_mut(per_chunk * width_b))
        .collect();
    for_each_part(parts, &|i, (a, b)| f(i * per_chunk, a, b));
}

/// `f(start..end)` for fixed chunks of `0..items`, the results in order.
pub fn collect<R: Send>(items: usize, cost: usize, f: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    collect_dyn(items, cost, &f)
}

/// The work of [`collect`], as [`split_dyn`].
fn collect_dyn<R: Send>(
    items: usize,
    cost: usize,
    f: &(dyn Fn(Range<usize>) -> R + Sync),
) -> Vec<R> {
    let Some(per_chunk) = per_chunk(items, 1, cost) else {
        return vec![f(0..items)];
    };
    each(items.div_ceil(per_chunk), &|i| {
        f(i * per_chunk..((i + 1) * per_chunk).min(items))
    })
}

#[cfg(test)]
mod tests {
    use super::per_chunk;

    /// Few rows of many elements are as much work as many rows of few, and are shared out as evenly.
    #[test]
    fn few_dear_items_are_shared_out() {
        assert_eq!(per_chunk(10, 1, 100_000), Some(1));
        assert_eq!(per_chunk(2, 1, 40_000), Some(1));
        assert_eq!(per_chunk(100, 10_000, 10_000), Some(3));
        // Two threads have two of four chunks each, and all but the last are of whole vectors.
        assert_eq!(per_chunk(100_000, 1, 1), Some(25_024));
        // Not worth a second thread.
        assert_eq!(per_chunk(10, 1, 100), None);
        assert_eq!(per_chunk(1, 1, usize::MAX), None);
    }
}
