//! What a long run will need is asked for ahead of time: the processor's own prefetching stays too close to the loop to
//! hide the way to the last-level cache.

/// Bytes of a cache line.
const LINE: usize = 64;

/// So many bytes ahead suit a loop that does little for each element.
pub const AHEAD: usize = 2048;

/// Whether asking ahead pays in a loop over a tensor of so many bytes: within the caches near a core it costs more than it
/// brings.
pub fn pays(bytes: usize) -> bool {
    bytes >= 1 << 20
}

/// Asks for the cache lines that lie `ahead` bytes behind those of `x`, within its slice or not: most often the next row
/// lies there.
#[inline(always)]
pub fn lines<T>(x: &[T], ahead: usize) {
    for at in (0..size_of_val(x)).step_by(LINE) {
        line(x.as_ptr().cast::<u8>().wrapping_add(ahead + at));
    }
}

#[inline(always)]
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn line(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint that reads nothing the program sees, and it does not fault, wherever it points.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

#[inline(always)]
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn line(_: *const u8) {}
