//! Rows copied one after the other, of which each is too short, or lies the wrong way, for a call of `memcpy`.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::source::carry;

/// Elements of the longest row that is copied as one vector.
pub(super) const SHORT: usize = 16;

/// Whole rows of `n` elements whose distance is 1 or -1.
#[derive(Debug)]
pub(super) struct Rows<'a, T> {
    pub(super) data: &'a [T],
    /// The dimensions that tell the rows apart, and the index in them of the first row.
    pub(super) outer: &'a [(usize, isize)],
    pub(super) index: &'a mut [usize],
    /// The place of the first element of the first row, and then of the one behind the last.
    pub(super) row: &'a mut isize,
    pub(super) n: usize,
    pub(super) out: &'a mut [T],
}

impl<T: Copy> Rows<'_, T> {
    /// Copies them; they are of at most [`SHORT`] elements, and run backwards if so.
    pub(super) fn copy(self, backwards: bool) {
        match (self.n, backwards) {
            (..=2, false) => dispatch(Wide::<_, 2, false>(self)),
            (..=4, false) => dispatch(Wide::<_, 4, false>(self)),
            (..=8, false) => dispatch(Wide::<_, 8, false>(self)),
            (_, false) => dispatch(Wide::<_, SHORT, false>(self)),
            (..=4, true) => dispatch(Wide::<_, 4, true>(self)),
            (..=8, true) => dispatch(Wide::<_, 8, true>(self)),
            (_, true) => dispatch(Wide::<_, SHORT, true>(self)),
        }
    }
}

/// A vector of `W` elements in place of each row: what it writes beyond the row, the next row overwrites.
struct Wide<'a, T, const W: usize, const BACK: bool>(Rows<'a, T>);

impl<T: Copy, const W: usize, const BACK: bool> Kernel for Wide<'_, T, W, BACK> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Rows {
            data,
            outer,
            index,
            row: first,
            n,
            out,
        } = self.0;
        let mut row = *first;
        let (inner, step) = outer.last().copied().unwrap_or((1, 0));
        // The two innermost of them are counted here, the others by carrying.
        let depth = outer.len().saturating_sub(2);
        let (middle, turn) = match outer {
            [.., (n, stride), _] => (*n, stride - inner as isize * step),
            _ => (1, 0),
        };
        let (mut first_of_run, mut turns) = match index {
            [.., j, i] => (*i, *j),
            [i] => (*i, 0),
            [] => (0, 0),
        };
        let mut at = 0;
        while at < out.len() {
            // Rows that have one distance from each other.
            let left = (out.len() - at) / n;
            let here = (inner - first_of_run).min(left);
            for _ in 0..here {
                let lowest = if BACK { row + 1 - W as isize } else { row };
                let from = usize::try_from(lowest)
                    .ok()
                    .and_then(|lowest| data.get(lowest..lowest + W)?.first_chunk::<W>());
                let to = out
                    .get_mut(at..at + W)
                    .and_then(|to| to.first_chunk_mut::<W>());
                match (from, to) {
                    (Some(from), Some(to)) if BACK => {
                        let mut turned = *from;
                        for k in 0..W {
                            turned[k] = from[W - 1 - k];
                        }
                        *to = turned;
                    }
                    (Some(from), Some(to)) => *to = *from,
                    _ => {
                        for (k, o) in out[at..at + n].iter_mut().enumerate() {
                            let k = k as isize;
                            *o = data[(if BACK { row - k } else { row + k }) as usize];
                        }
                    }
                }
                at += n;
                row += step;
            }
            first_of_run += here;
            if first_of_run == inner {
                first_of_run = 0;
                row += turn;
                turns += 1;
                if turns == middle && depth > 0 {
                    turns = 0;
                    row += carry(&outer[..depth], &mut index[..depth]);
                    row -= outer[depth].1 * middle as isize;
                }
            }
        }
        if let [.., j, i] = index {
            (*j, *i) = (turns, first_of_run);
        } else if let [i] = index {
            *i = first_of_run;
        }
        *first = row;
    }
}

/// `N` times each element: `out[N i..N (i + 1)] = from[i]`.
pub(super) struct Times<'a, T, const N: usize> {
    pub(super) from: &'a [T],
    pub(super) out: &'a mut [T],
}

impl<T: Copy, const N: usize> Kernel for Times<'_, T, N> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (o, &v) in self.out.as_chunks_mut::<N>().0.iter_mut().zip(self.from) {
            *o = [v; N];
        }
    }
}

/// Columns `at..at + width` of the rows of `out` are the first of those of `from`.
#[derive(Debug)]
pub(crate) struct Columns<'a, T> {
    /// Whole rows of `row` elements.
    pub(crate) out: &'a mut [T],
    pub(crate) row: usize,
    pub(crate) at: usize,
    pub(crate) width: usize,
    /// As many rows, `pitch` elements from each other; of the last one no more than `width` need be there.
    pub(crate) from: &'a [T],
    pub(crate) pitch: usize,
}

impl<T: Copy> Columns<'_, T> {
    /// Copies them.
    pub(crate) fn copy(self) {
        match self.width {
            0 => {}
            1 => dispatch(Ends::<_, 1>(self)),
            2..4 => dispatch(Ends::<_, 2>(self)),
            4..8 => dispatch(Ends::<_, 4>(self)),
            8..16 => dispatch(Ends::<_, 8>(self)),
            16..=32 => dispatch(Ends::<_, 16>(self)),
            _ => {
                let rows = self.out.chunks_exact_mut(self.row);
                for (out, from) in rows.zip(self.from.chunks(self.pitch)) {
                    out[self.at..][..self.width].copy_from_slice(&from[..self.width]);
                }
            }
        }
    }
}

/// From `W` to `2 W` elements of each row, as the first `W` of them and the last: no call, and nothing is written beyond.
struct Ends<'a, T, const W: usize>(Columns<'a, T>);

impl<T: Copy, const W: usize> Kernel for Ends<'_, T, W> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Columns {
            out,
            row,
            at,
            width,
            from,
            pitch,
        } = self.0;
        for (out, from) in out.chunks_exact_mut(row).zip(from.chunks(pitch)) {
            let (out, from) = (&mut out[at..at + width], &from[..width]);
            let (Some(first), Some(last)) = (from.first_chunk::<W>(), from.last_chunk::<W>())
            else {
                return;
            };
            let (first, last) = (*first, *last);
            if let Some(to) = out.first_chunk_mut::<W>() {
                *to = first;
            }
            if let Some(to) = out.last_chunk_mut::<W>() {
                *to = last;
            }
        }
    }
}

/// `out[i] = from[from.len() - 1 - i]`
pub(super) struct Reversed<'a, T> {
    pub(super) from: &'a [T],
    pub(super) out: &'a mut [T],
}

impl<T: Copy> Kernel for Reversed<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (o, v) in self.out.iter_mut().zip(self.from.iter().rev()) {
            *o = *v;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::kernel::source::Source;
    use crate::layout::Layout;

    /// Short rows, both ways, beneath any number of dimensions, at the very ends of the data, where no vector fits about
    /// them; and elements that come several times.
    #[test]
    fn short_rows_are_gathered_from_any_place_to_any_place() {
        for n in [1usize, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 40] {
            for stride in [1isize, -1, 0] {
                let width = n as isize + 1;
                let outer: [(&[usize], &[isize]); 6] = [
                    (&[11], &[width]),
                    (&[9], &[-width]),
                    (&[13, 3], &[width, 0]),
                    (&[5, 2, 4], &[3 * width, 1, width]),
                    (&[2, 3, 2, 3], &[40 * width, -2 * width, 7 * width, width]),
                    (&[12], &[1]),
                ];
                for (sizes, steps) in outer {
                    let shape: Vec<usize> = sizes.iter().copied().chain([n]).collect();
                    let strides: Vec<isize> = steps.iter().copied().chain([stride]).collect();
                    // From the first element that is needed to the last, and no other.
                    let spans =
                        || (shape.iter().zip(&strides)).map(|(&n, &s)| s * (n as isize - 1));
                    let below: isize = spans().map(|s| s.min(0)).sum();
                    let above: isize = spans().map(|s| s.max(0)).sum();
                    let data: Vec<usize> = (0..(above - below) as usize + 1).collect();
                    let layout = Layout {
                        shape: shape.as_slice().into(),
                        strides: strides.as_slice().into(),
                        offset: -below as usize,
                    };
                    let source = Source::new(&data, &layout);
                    let numel: usize = shape.iter().product();
                    let place = |mut at: usize| {
                        let mut place = -below;
                        for (&n, &s) in shape.iter().zip(&strides).rev() {
                            place += (at % n) as isize * s;
                            at /= n;
                        }
                        place as usize
                    };
                    let places: Vec<usize> = (0..numel).map(place).collect();
                    for at in [0, 1, n - 1, n, 3 * n, 5 * n + 1] {
                        for end in [at + 1, at + n, at + 3 * n, 8 * n, 9 * n - 1, numel] {
                            let end = end.clamp(at, numel);
                            let mut out = vec![usize::MAX; end - at];
                            source.gather(at, &mut out);
                            assert_eq!(out, places[at..end], "{shape:?} {strides:?}, {at}..{end}");
                        }
                    }
                }
            }
        }
    }

    /// Rows of one distance are what `pitched` says they are, and nothing else.
    #[test]
    fn rows_of_one_distance() {
        let data: Vec<usize> = (0..5_000).collect();
        let views: [(&[usize], &[isize]); 7] = [
            (&[40, 6], &[6, 1]),
            (&[40, 6], &[11, 1]),
            (&[5, 8, 6], &[88, 11, 1]),
            (&[30], &[7]),
            (&[40, 6], &[0, 1]),
            (&[40, 6], &[6, 2]),
            (&[1, 1], &[3, 5]),
        ];
        for (shape, strides) in views {
            let layout = Layout {
                shape: shape.into(),
                strides: strides.into(),
                offset: 9,
            };
            let source = Source::new(&data, &layout);
            for width in [1, 2, 3, 6, 12, 48]
                .into_iter()
                .filter(|w| source.len().is_multiple_of(*w))
            {
                let Some((all, pitch)) = source.pitched(width) else {
                    assert!(strides != [6, 1], "{width}");
                    continue;
                };
                for row in 0..source.len() / width {
                    for j in 0..width {
                        let place = source.place(row * width + j);
                        assert_eq!(all[row * pitch + j], place, "{shape:?} {strides:?} {width}");
                    }
                }
            }
        }
    }
}
