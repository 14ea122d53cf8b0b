//! How often each small integer occurs.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::par;

/// Counts up to so many are kept several times over, and added up at the end.
const FEW: usize = 1 << 11;
/// Counts side by side: where a number comes again at once, it need not wait for its count to be stored.
const SIDES: usize = 4;
/// Counts up to so many are made by each chunk of work by itself.
const APART: usize = 1 << 12;

/// The least and the largest, if there are any.
pub(crate) fn extent(x: &[i64]) -> Option<(i64, i64)> {
    let parts = par::collect(x.len(), 1, |range| dispatch(Extent(&x[range])));
    let ends = |(low, high): (i64, i64), (l, h): (i64, i64)| (low.min(l), high.max(h));
    parts.into_iter().reduce(ends).filter(|_| !x.is_empty())
}

struct Extent<'a>(&'a [i64]);
impl Kernel for Extent<'_> {
    type Out = (i64, i64);
    #[inline(always)]
    fn run<I: Isa>(self) -> (i64, i64) {
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for &x in self.0 {
            low = low.min(x);
            high = high.max(x);
        }
        (low, high)
    }
}

/// Adds to `counts[i]` how often `first + i` occurs in `x`, all of which lie among these.
pub(crate) fn histogram(x: &[i64], first: i64, counts: &mut [i64]) {
    if counts.len() > APART.min(x.len()) {
        return count(x, first, counts);
    }
    let n = counts.len();
    let parts = par::collect(x.len(), 1, |range| {
        let mut own = vec![0; n];
        count(&x[range], first, &mut own);
        own
    });
    for own in parts {
        (counts.iter_mut().zip(own)).for_each(|(count, more)| *count += more);
    }
}

/// [`histogram`] on one thread.
fn count(x: &[i64], first: i64, counts: &mut [i64]) {
    let n = counts.len();
    let (fours, rest) = x.as_chunks::<SIDES>();
    if n > FEW || fours.len() < n {
        for &v in x {
            counts[v.wrapping_sub(first) as usize] += 1;
        }
        return;
    }
    let mut sides = vec![[0u32; SIDES]; n];
    // So many that no count of 32 bits is too small.
    for fours in fours.chunks(u32::MAX as usize) {
        for four in fours {
            for (side, v) in four.iter().enumerate() {
                sides[v.wrapping_sub(first) as usize][side] += 1;
            }
        }
        for (count, sides) in counts.iter_mut().zip(&mut sides) {
            *count += sides.iter().map(|&c| i64::from(c)).sum::<i64>();
            *sides = [0; SIDES];
        }
    }
    for &v in rest {
        counts[v.wrapping_sub(first) as usize] += 1;
    }
}
