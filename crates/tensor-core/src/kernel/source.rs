//! Brings a strided operand to contiguous slices, block by block, in the cache.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::reader::Reader;
use super::short::{self, Reversed, SHORT, Times};
use crate::layout::Layout;
use smallvec::SmallVec;

/// Rows read together where neighbouring rows share lines of memory.
const LINE: usize = 16;
/// The largest number of elements gathered together: they leave the first-level cache, but not the second.
const BAND: usize = 1 << 16;

/// Elements of transposed rows that are written together.
const TILES: usize = 1 << 12;
/// Elements of a repeated row that are copied together.
const PATTERN: usize = 1 << 10;

/// Rows that are read together.
#[derive(Clone, Copy, Debug)]
enum Stack {
    /// Those of a transposed matrix.
    Lines,
    /// Those of one element each.
    Same,
    /// One row that comes again.
    Again,
}

/// A tensor's elements in row-major order, to be read as slices of any run of positions.
#[derive(Clone, Debug)]
pub struct Source<'a, T> {
    data: &'a [T],
    /// Sizes and strides after merging, outermost first.
    dims: SmallVec<[(usize, isize); 4]>,
    offset: usize,
}

/// How a source's elements lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One run of adjacent elements.
    Flat,
    /// One element, seen everywhere.
    Single,
    /// Anything else.
    Strided,
}

impl<'a, T: Copy> Source<'a, T> {
    /// The elements of `data` that `layout` shows.
    pub fn new(data: &'a [T], layout: &Layout) -> Self {
        let mut dims: SmallVec<[(usize, isize); 4]> = SmallVec::new();
        for (&n, &stride) in layout.shape().iter().zip(layout.strides()) {
            if n == 1 {
                continue;
            }
            match dims.last_mut() {
                Some((m, s)) if *s == stride * n as isize => {
                    *m *= n;
                    *s = stride;
                }
                _ => dims.push((n, stride)),
            }
        }
        Source {
            data,
            dims,
            offset: layout.offset(),
        }
    }

    /// Elements side by side.
    pub(crate) fn flat_of(data: &'a [T]) -> Self {
        let mut dims = SmallVec::new();
        dims.push((data.len(), 1));
        let offset = 0;
        Source { data, dims, offset }
    }

    /// How the elements lie.
    pub fn kind(&self) -> Kind {
        match self.dims[..] {
            [] => Kind::Flat,
            [(_, 1)] => Kind::Flat,
            [(_, 0)] => Kind::Single,
            _ => Kind::Strided,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.dims.iter().map(|d| d.0).product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All elements, if they are one run.
    pub fn flat(&self) -> Option<&'a [T]> {
        match self.kind() {
            Kind::Flat if self.is_empty() => Some(&[]),
            Kind::Flat => Some(&self.data[self.offset..self.offset + self.len()]),
            _ => None,
        }
    }

    /// The one element that all positions show.
    pub fn single(&self) -> Option<T> {
        (self.kind() == Kind::Single && !self.is_empty()).then(|| self.data[self.offset])
    }

    /// `(n, m)`, where the elements of a row, `n` of them, lie apart in memory but those of `m` rows side by side: what
    /// a transposed matrix looks like.
    pub(super) fn transposed(&self) -> Option<(usize, usize)> {
        match self.dims[..] {
            [.., (m, 1), (n, stride)]
                if m >= 8 && stride != 0 && (1..=BAND / LINE).contains(&n) =>
            {
                Some((n, m))
            }
            _ => None,
        }
    }

    /// The elements block after block, each a slice.
    pub fn reader(&self) -> Reader<'_, 'a, T> {
        Reader::new(self)
    }

    /// So many elements side by side in the buffer.
    #[inline]
    pub(super) fn run(&self, start: usize, len: usize) -> &'a [T] {
        if len == 0 {
            return &[];
        }
        &self.data[start..start + len]
    }

    /// Sizes and strides after merging, outermost first.
    pub(super) fn dims(&self) -> &[(usize, isize)] {
        &self.dims
    }

    /// The place in the buffer of position 0.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The place in the buffer of position `at`.
    pub(crate) fn place(&self, mut at: usize) -> usize {
        let mut place = self.offset as isize;
        // The outermost index is what is left, so that rows of one distance cost no division.
        let [outermost, inner @ ..] = &self.dims[..] else {
            return self.offset;
        };
        for &(n, stride) in inner.iter().rev() {
            place += (at % n) as isize * stride;
            at /= n;
        }
        place += at as isize * outermost.1;
        place as usize
    }

    /// How rows of few elements are read together, and `(n, m)`, the sizes of the two innermost dimensions.
    fn stacked(&self) -> Option<(Stack, usize, usize)> {
        let &[.., (m, step), (n, stride)] = &self.dims[..] else {
            return None;
        };
        if let Some((n, m)) = self.transposed() {
            return Some((Stack::Lines, n, m));
        }
        match (step, stride) {
            (_, 0) => Some((Stack::Same, n, m)),
            (0, _) if (1..=PATTERN / 4).contains(&n) && m >= 8 => Some((Stack::Again, n, m)),
            _ => None,
        }
    }

    /// Copies the elements from position `at` on into `out`.
    pub fn gather(&self, at: usize, out: &mut [T]) {
        let stacked = self.stacked().filter(|&(_, n, _)| out.len() >= 2 * n);
        let Some((stack, n, m)) = stacked else {
            return self.gather_rows(at, out);
        };
        // So many rows that what is written of them stays in the first-level cache, for it is written piece by piece.
        let most = match stack {
            Stack::Lines => (TILES / n).next_multiple_of(LINE).max(LINE),
            _ => m,
        };
        // The rest of a row, then whole rows as far as they have one distance from each other, and so on.
        let (mut at, mut out) = (at, out);
        while !out.is_empty() {
            let rows = (out.len() / n).min(m - at / n % m).min(most);
            let len = match at % n {
                0 if rows > 0 => rows * n,
                column => (n - column).min(out.len()),
            };
            let (now, later) = out.split_at_mut(len);
            match stack {
                _ if len != rows * n => self.gather_rows(at, now),
                Stack::Same => self.repeat(at, n, now),
                Stack::Lines => self.gather_lines(at, n, now),
                Stack::Again => self.gather_again(at, n, now),
            }
            (at, out) = (at + len, later);
        }
    }

    /// Copies one row of `n` elements again and again, several at a time.
    fn gather_again(&self, at: usize, n: usize, out: &mut [T]) {
        let pattern = (PATTERN / n * n).min(out.len());
        let (first, rest) = out.split_at_mut(pattern);
        self.gather_rows(at, first);
        for next in rest.chunks_mut(pattern) {
            next.copy_from_slice(&first[..next.len()]);
        }
    }

    /// Copies whole rows of `n` elements whose neighbours lie side by side, in tiles.
    fn gather_lines(&self, at: usize, n: usize, out: &mut [T]) {
        let (rows, start) = (out.len() / n, self.place(at) as isize);
        let stride = self.dims.last().map_or(1, |d| d.1);
        // So many columns at a time that their lines stay in the cache, also where all fall on the same places in it.
        const COLUMNS: usize = 8;
        let mut tile = [[self.data[self.offset]; LINE]; COLUMNS];
        for column in (0..n).step_by(COLUMNS) {
            let columns = COLUMNS.min(n - column);
            for (i, out) in out.chunks_mut(LINE * n).enumerate() {
                let height = LINE.min(rows - i * LINE);
                for (k, line) in tile[..columns].iter_mut().enumerate() {
                    let from = start + (column + k) as isize * stride;
                    let from = &self.data[from as usize + i * LINE..][..height];
                    match from.first_chunk::<LINE>() {
                        Some(from) => *line = *from,
                        None => line[..height].copy_from_slice(from),
                    }
                }
                for (j, out) in out.chunks_exact_mut(n).enumerate().take(LINE) {
                    let out = &mut out[column..column + columns];
                    match out.first_chunk_mut::<COLUMNS>() {
                        Some(out) => *out = std::array::from_fn(|k| tile[k][j]),
                        None => out.iter_mut().zip(&tile).for_each(|(o, line)| *o = line[j]),
                    }
                }
            }
        }
    }

    /// Copies whole rows of `n` times one element.
    pub(super) fn repeat(&self, at: usize, n: usize, out: &mut [T]) {
        let (place, rows) = (self.place(at), out.len() / n);
        let stride = self.dims.iter().rev().nth(1).map_or(0, |d| d.1);
        if stride == 1 && (2..=4).contains(&n) {
            let from = self.run(place, rows);
            return match n {
                2 => dispatch(Times::<_, 2> { from, out }),
                3 => dispatch(Times::<_, 3> { from, out }),
                _ => dispatch(Times::<_, 4> { from, out }),
            };
        }
        dispatch(Repeat {
            data: self.data,
            place: place as isize,
            stride,
            n,
            out,
        });
    }

    /// Copies row by row.
    fn gather_rows(&self, at: usize, out: &mut [T]) {
        if out.is_empty() {
            return;
        }
        let Some((&(inner, stride), outer)) = self.dims.split_last() else {
            out.fill(self.data[self.offset]);
            return;
        };
        // The position is kept as one index for each dimension, and moved on by carrying, without a division a row.
        let mut index: SmallVec<[usize; 4]> = SmallVec::from_elem(0, outer.len());
        let mut column = at % inner;
        let mut row = self.offset as isize + index_of(at / inner, outer, &mut index);
        let mut out = out;
        loop {
            if column == 0 && inner <= SHORT && stride.abs() == 1 && out.len() >= inner {
                let (rows, rest) = out.split_at_mut(out.len() / inner * inner);
                short::Rows {
                    data: self.data,
                    outer,
                    index: &mut index,
                    row: &mut row,
                    n: inner,
                    out: rows,
                }
                .copy(stride < 0);
                out = rest;
            } else {
                let n = (inner - column).min(out.len());
                let start = row + column as isize * stride;
                let (now, later) = out.split_at_mut(n);
                copy_strided(self.data, start, stride, now);
                out = later;
                column = 0;
                row += carry(outer, &mut index);
            }
            if out.is_empty() {
                return;
            }
        }
    }
}

/// Sets `index` to that of position `at` in `dims`, and returns its place, counted from the first.
pub(super) fn index_of(mut at: usize, dims: &[(usize, isize)], index: &mut [usize]) -> isize {
    let mut place = 0;
    for (i, &(n, stride)) in index.iter_mut().zip(dims).rev() {
        *i = at % n;
        at /= n;
        place += *i as isize * stride;
    }
    place
}

/// Moves `index` on to the next position of `dims`, and returns by how much its place changes.
pub(super) fn carry(dims: &[(usize, isize)], index: &mut [usize]) -> isize {
    let mut step = 0;
    for (i, &(n, stride)) in index.iter_mut().zip(dims).rev() {
        *i += 1;
        step += stride;
        if *i < n {
            break;
        }
        step -= n as isize * stride;
        *i = 0;
    }
    step
}

/// `out[i n..(i + 1) n] = data[place + i stride]`
struct Repeat<'a, T> {
    data: &'a [T],
    place: isize,
    stride: isize,
    n: usize,
    out: &'a mut [T],
}

impl<T: Copy> Kernel for Repeat<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Repeat { n, out, .. } = self;
        let (mut at, mut place) = (0, self.place);
        while at < out.len() {
            let v = self.data[place as usize];
            match out.get_mut(at..at + n.next_multiple_of(LINE)) {
                // Whole vectors: what they write beyond the row, the next row overwrites.
                Some(row) => {
                    for vector in row.as_chunks_mut::<LINE>().0 {
                        *vector = [v; LINE];
                    }
                }
                None => out[at..at + n].fill(v),
            }
            at += n;
            place += self.stride;
        }
    }
}

/// `out[i] = data[start + i * stride]`
fn copy_strided<T: Copy>(data: &[T], start: isize, stride: isize, out: &mut [T]) {
    let start = start as usize;
    match stride {
        1 => out.copy_from_slice(&data[start..start + out.len()]),
        0 => out.fill(data[start]),
        s if s > 0 => {
            for (o, v) in out.iter_mut().zip(data[start..].iter().step_by(s as usize)) {
                *o = *v;
            }
        }
        -1 => dispatch(Reversed {
            from: &data[start + 1 - out.len()..=start],
            out,
        }),
        s => {
            for (o, v) in out
                .iter_mut()
                .zip(data[..=start].iter().rev().step_by(s.unsigned_abs()))
            {
                *o = *v;
            }
        }
    }
}

impl<T> Source<'_, T> {
    /// The one distance between neighbouring positions, if it is the same for all and not negative.
    pub(crate) fn pitch(&self) -> Option<usize> {
        match self.dims[..] {
            [] => Some(0),
            [(_, stride)] => usize::try_from(stride).ok(),
            _ => None,
        }
    }

    /// The elements as rows of `width`, which lie so many elements from each other, where there is such a distance.
    pub(crate) fn pitched(&self, width: usize) -> Option<(&[T], usize)> {
        let pitch = match self.dims[..] {
            [] => width,
            [(_, 1)] => width,
            [(_, stride)] if width == 1 => usize::try_from(stride).ok()?,
            [(_, stride), (n, 1)] if width == n => usize::try_from(stride).ok()?,
            _ => return None,
        };
        (pitch > 0).then(|| (self.data.get(self.offset..).unwrap_or(&[]), pitch))
    }

    /// Size and stride of the innermost merged dimension.
    pub(crate) fn inner(&self) -> Option<(usize, isize)> {
        self.dims.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any run of positions of matrices whose rows or columns lie apart, backwards, or behind one another, against the
    /// place of each element.
    #[test]
    fn what_is_gathered_is_what_the_layout_shows() {
        let data: Vec<usize> = (0..20_000).collect();
        let views: [(&[usize], &[isize], usize); 8] = [
            (&[100, 100], &[1, 100], 0),
            (&[37, 21], &[1, 50], 3),
            (&[40, 9], &[1, -41], 9_000),
            (&[8, 300], &[1, 9], 0),
            (&[3, 50, 7], &[400, 1, 55], 11),
            (&[2, 3, 19, 10], &[4_000, -900, 1, 20], 5_000),
            (&[7, 40], &[1, 8], 0),
            (&[64, 64], &[1, 0], 5),
        ];
        // Of no columns there is nothing to gather.
        let none = Layout {
            shape: [9usize, 0].as_slice().into(),
            strides: [1isize, 9].as_slice().into(),
            offset: 0,
        };
        let none = Source::new(&data, &none);
        none.gather(0, &mut []);
        assert_eq!(none.reader().ready(0, 0), 0);
        assert!(none.reader().read(0, 0).is_empty());
        for (shape, strides, offset) in views {
            let layout = Layout {
                shape: shape.into(),
                strides: strides.into(),
                offset,
            };
            let source = Source::new(&data, &layout);
            let (numel, n) = (source.len(), shape[shape.len() - 1]);
            let places: Vec<usize> = (0..numel).map(|at| source.place(at)).collect();
            for at in [0, 1, n - 1, n, 5 * n, 7 * n + 3, numel / 2, numel - 1] {
                let at = at.min(numel - 1);
                for len in [1, n, 2 * n, 3 * n + 1, 17 * n, 33 * n - 2, numel] {
                    let len = len.min(numel - at);
                    let mut out = vec![usize::MAX; len];
                    source.gather(at, &mut out);
                    assert_eq!(
                        out,
                        places[at..at + len],
                        "{shape:?} {strides:?}, {at}, {len}"
                    );
                }
                let mut reader = source.reader();
                let len = reader.ready(at, numel - at);
                assert!(len > 0 && at + len <= numel);
                let block = reader.read(at, len);
                assert_eq!(block, &places[at..at + len], "{shape:?} {strides:?}, {at}");
            }
        }
    }
}
