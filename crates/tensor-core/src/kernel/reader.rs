//! A source read block after block: where a block lies is found without a division, and what was staged for one block
//! serves the next where the elements repeat.

use super::source::{Kind, Source, carry, index_of};
use smallvec::SmallVec;

/// Elements of a block: small enough that all operands of an operation stay in the first-level cache.
const BLOCK: usize = 512;
/// Elements of a block of one element, which is mostly not staged.
const SAME: usize = 4 * BLOCK;
/// Elements side by side that are worth a block of their own.
const RUN: usize = 64;
/// Rows read together where neighbouring rows share lines of memory.
const LINE: usize = 16;

/// Brings the elements of a [`Source`] to contiguous slices, in place where they are one, else staged in the cache.
///
/// Positions may be asked for in any order; one after the other is the quick way.
#[derive(Debug)]
pub struct Reader<'s, 'a, T> {
    source: &'s Source<'a, T>,
    form: Form,
    /// The position that the next three say the place of.
    at: usize,
    /// The index in each dimension but the last, once it is needed.
    index: SmallVec<[usize; 4]>,
    /// The index in the last dimension, and the place in the buffer of its first element.
    column: usize,
    row: isize,
    stage: Vec<T>,
    /// The row and the column from which the stage was filled.
    held: Option<(isize, usize)>,
}

/// How the elements of a source come to be a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// All are one slice.
    Flat,
    /// All are one element.
    Single,
    /// Rows of so many elements are slices.
    Runs(usize),
    /// Rows of so many times one element.
    Constant(usize),
    /// The same row of so many elements comes again and again.
    Repeated(usize),
    /// Rows are gathered.
    Gathered(usize),
}

impl Form {
    fn of<T: Copy>(source: &Source<'_, T>) -> Self {
        match (source.kind(), source.dims()) {
            (Kind::Flat, _) => Form::Flat,
            _ if source.is_empty() => Form::Flat,
            (Kind::Single, _) => Form::Single,
            (_, &[.., (m, 0), (n, _)]) if n <= BLOCK / 2 && m > 1 => Form::Repeated(n),
            (_, &[.., (n, 1)]) if n >= RUN => Form::Runs(n),
            (_, &[.., (n, 0)]) if n >= 2 * RUN => Form::Constant(n),
            (_, &[.., (n, _)]) => Form::Gathered(n),
            (_, []) => Form::Flat,
        }
    }
}

impl<'s, 'a, T: Copy> Reader<'s, 'a, T> {
    /// Reads `source` from its first position on.
    pub(super) fn new(source: &'s Source<'a, T>) -> Self {
        Reader {
            source,
            form: Form::of(source),
            at: 0,
            index: SmallVec::new(),
            column: 0,
            row: source.offset() as isize,
            stage: Vec::new(),
            held: None,
        }
    }

    /// How many elements from position `at` on, at most `len` of them, can be read in place or are worth being staged
    /// together; more than 0 unless `len` is.
    #[inline]
    pub fn ready(&mut self, at: usize, len: usize) -> usize {
        match self.form {
            Form::Flat => len,
            Form::Single => len.min(SAME),
            form => self.strided_ready(form, at).min(len),
        }
    }

    /// [`Reader::ready`] of rows.
    fn strided_ready(&mut self, form: Form, at: usize) -> usize {
        let (Form::Runs(n) | Form::Constant(n) | Form::Repeated(n) | Form::Gathered(n)) = form
        else {
            return BLOCK;
        };
        self.seek(at, n);
        let (column, outer) = (self.column, self.index.last().copied().unwrap_or(0));
        match form {
            Form::Runs(n) => n - column,
            Form::Constant(n) => (n - column).min(SAME),
            Form::Repeated(n) => {
                let rows = match self.source.dims() {
                    &[.., (m, _), _] => m - outer,
                    _ => 1,
                };
                rows.min(SAME / n) * n - column
            }
            // Whole rows of one element each.
            _ if self.source.dims()[self.index.len()].1 == 0 => (SAME / n).max(1) * n - column,
            // So many rows that a line of memory is read once, not again for each row.
            _ => self.source.transposed().map_or(BLOCK, |(n, m)| {
                let rows = (8 * BLOCK / n).next_multiple_of(LINE).max(LINE);
                rows.min(m - outer) * n - column
            }),
        }
    }

    /// The element that positions `at..at + len` have in common, if they lie in one row of it.
    #[inline]
    pub(super) fn constant(&mut self, at: usize, len: usize) -> Option<T> {
        let (place, same) = match self.form {
            Form::Single => (self.row, len),
            Form::Constant(n) => {
                self.seek(at, n);
                (self.row, n - self.column)
            }
            _ => return None,
        };
        (0 < len && len <= same).then(|| self.source.run(place as usize, 1)[0])
    }

    /// Positions `at..at + len`: in place where they lie side by side, else staged. As many as [`Reader::ready`] says are
    /// read quickly, any others rightly.
    #[inline]
    pub fn read(&mut self, at: usize, len: usize) -> &[T] {
        match self.form {
            Form::Flat => self.source.run(self.source.offset() + at, len),
            form => self.strided_read(form, at, len),
        }
    }

    /// [`Reader::read`] of what is not one slice.
    fn strided_read(&mut self, form: Form, at: usize, len: usize) -> &[T] {
        if len == 0 {
            return &[];
        }
        // What is staged serves again where it begins with the same elements and is long enough.
        let (from, reusable) = match form {
            Form::Runs(n) | Form::Gathered(n) => {
                self.seek(at, n);
                let is_run = matches!(self.source.dims(), [.., (_, 1)]);
                if is_run && len <= n - self.column {
                    let place = self.row + self.column as isize;
                    return self.source.run(place as usize, len);
                }
                (None, 0)
            }
            Form::Flat | Form::Single => (Some((0, 0)), len),
            Form::Constant(n) => {
                self.seek(at, n);
                (Some((self.row, 0)), n - self.column)
            }
            Form::Repeated(n) => {
                self.seek(at, n);
                let rows = match (self.source.dims(), self.index.last()) {
                    (&[.., (m, _), _], Some(outer)) => m - outer,
                    _ => 1,
                };
                (Some((self.row, self.column)), rows * n - self.column)
            }
        };
        let again = from.is_some() && self.held == from && len <= self.stage.len().min(reusable);
        if !again {
            // A stage that is longer than the block would hold what follows elsewhere.
            let first = self.source.run(self.source.offset(), 1);
            self.stage.resize(len, first[0]);
            match form {
                Form::Constant(_) if len <= reusable => {
                    self.source.repeat(at, len, &mut self.stage);
                }
                _ => self.source.gather(at, &mut self.stage),
            }
            self.held = from.filter(|_| len <= reusable);
        }
        &self.stage[..len]
    }

    /// Moves to position `at` of rows of `n` elements.
    fn seek(&mut self, at: usize, n: usize) {
        let outer = match self.source.dims() {
            [outer @ .., _] if self.index.len() < outer.len() => {
                self.index.resize(outer.len(), 0);
                outer
            }
            [outer @ .., _] => outer,
            [] => return,
        };
        if at == self.at {
            return;
        }
        let column = at
            .checked_sub(self.at)
            .map_or(usize::MAX, |step| self.column.saturating_add(step));
        self.at = at;
        if column < n {
            self.column = column;
        } else if column == n {
            self.column = 0;
            self.row += carry(outer, &mut self.index);
        } else {
            self.column = at % n;
            let row = index_of(at / n, outer, &mut self.index);
            self.row = self.source.offset() as isize + row;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    /// Readers of views of every form, against the place of each element: block after block, in blocks that others cut
    /// short, and back and forth.
    #[test]
    fn what_is_read_is_what_the_layout_shows() {
        let data: Vec<usize> = (0..20_000).collect();
        let views: [(&[usize], &[isize], usize); 15] = [
            (&[7_000], &[1], 5),
            (&[9, 700], &[701, 1], 3),
            (&[1_300], &[0], 5),
            // A row, short or long, that comes again, also within another dimension.
            (&[300, 7], &[0, 1], 2),
            (&[40, 200], &[0, -3], 9_000),
            (&[5, 400], &[0, 1], 1),
            (&[3, 60, 11], &[900, 0, 2], 4),
            (&[3, 50, 2, 11], &[900, 0, 31, 1], 4),
            // Each element several times.
            (&[900, 3], &[2, 0], 0),
            (&[9, 300], &[-7, 0], 500),
            (&[4, 2_000], &[1, 0], 8),
            // Neither.
            (&[37, 21], &[1, 50], 3),
            (&[120, 9], &[17, 1], 3),
            (&[2, 3, 19, 10], &[4_000, -900, 1, 20], 5_000),
            (&[1], &[1], 19_999),
        ];
        for (shape, strides, offset) in views {
            let layout = Layout {
                shape: shape.into(),
                strides: strides.into(),
                offset,
            };
            let source = Source::new(&data, &layout);
            let numel = source.len();
            let places: Vec<usize> = (0..numel).map(|at| source.place(at)).collect();
            for most in [usize::MAX, 1, 13, 255, 700] {
                let (mut reader, mut at) = (source.reader(), 0);
                while at < numel {
                    let len = reader.ready(at, numel - at).min(most);
                    assert!(len > 0 && at + len <= numel);
                    if let Some(one) = reader.constant(at, len) {
                        assert!(places[at..at + len].iter().all(|&p| p == one));
                    }
                    let seen = reader.read(at, len);
                    assert_eq!(
                        seen,
                        &places[at..at + len],
                        "{shape:?} {strides:?}, {at}, {len}"
                    );
                    at += len;
                }
                assert_eq!(reader.ready(at, 0), 0);
            }
            let mut reader = source.reader();
            for i in 0..200 {
                let at = i * 7_919 % numel;
                let len = (i * 31 % 600 + 1).min(numel - at);
                let ready = reader.ready(at, len);
                assert!((1..=len).contains(&ready));
                for len in [ready, len] {
                    let seen = reader.read(at, len);
                    assert_eq!(
                        seen,
                        &places[at..at + len],
                        "{shape:?} {strides:?}, {at}, {len}"
                    );
                }
            }
        }
    }
}
