//! Brings a strided operand to contiguous slices, block by block, in the cache.

use crate::layout::Layout;
use smallvec::SmallVec;

/// Elements of a block: small enough that all operands of an operation stay in the first-level cache.
pub const BLOCK: usize = 512;

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

    /// How many elements from position `at` on lie side by side in memory, if that is long enough to be worth a
    /// block of its own.
    fn direct(&self, at: usize) -> Option<usize> {
        match self.dims.last() {
            None => Some(1),
            Some(&(n, 1)) if n >= 64 => Some(n - at % n),
            _ => None,
        }
    }

    /// The length of a block at `at`, at most `len`: as much as can be read in place, or be gathered into the cache.
    pub fn block_len(&self, at: usize, len: usize) -> usize {
        match self.kind() {
            Kind::Flat => len,
            Kind::Single => len.min(BLOCK),
            Kind::Strided => self.direct(at).unwrap_or(BLOCK).min(len),
        }
    }

    /// Positions `at..at + len`, of which [`Source::block_len`] allows so many: in place where they lie side by side,
    /// else gathered into `stage`.
    pub fn block<'s>(&'s self, at: usize, len: usize, stage: &'s mut Vec<T>) -> &'s [T] {
        match self.kind() {
            Kind::Flat => return &self.data[self.offset + at..self.offset + at + len],
            Kind::Strided if self.direct(at).is_some_and(|d| d >= len) => {
                let start = self.place(at);
                return &self.data[start..start + len];
            }
            _ if len == 0 => return &[],
            _ => {}
        }
        stage.resize(len, self.data[self.offset]);
        self.gather(at, stage);
        stage
    }

    /// The place in the buffer of position `at`.
    pub(crate) fn place(&self, mut at: usize) -> usize {
        let mut place = self.offset as isize;
        for &(n, stride) in self.dims.iter().rev() {
            place += (at % n) as isize * stride;
            at /= n;
        }
        place as usize
    }

    /// Copies the elements from position `at` on into `out`.
    pub fn gather(&self, at: usize, out: &mut [T]) {
        if out.is_empty() {
            return;
        }
        let Some((&(inner, stride), outer)) = self.dims.split_last() else {
            out.fill(self.data[self.offset]);
            return;
        };
        // The position is kept as one index for each dimension, and moved on by carrying, without a division a row.
        let mut index: SmallVec<[usize; 4]> = SmallVec::from_elem(0, outer.len());
        let (mut rest, mut column) = (at / inner, at % inner);
        let mut row = self.offset as isize;
        for (i, &(n, s)) in index.iter_mut().zip(outer).rev() {
            *i = rest % n;
            rest /= n;
            row += *i as isize * s;
        }
        let mut out = out;
        loop {
            let n = (inner - column).min(out.len());
            let (now, later) = out.split_at_mut(n);
            copy_strided(self.data, row + column as isize * stride, stride, now);
            if later.is_empty() {
                return;
            }
            out = later;
            column = 0;
            for (i, &(n, s)) in index.iter_mut().zip(outer).rev() {
                *i += 1;
                row += s;
                if *i < n {
                    break;
                }
                row -= n as isize * s;
                *i = 0;
            }
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

    /// Size and stride of the innermost merged dimension.
    pub(crate) fn inner(&self) -> Option<(usize, isize)> {
        self.dims.last().copied()
    }
}
