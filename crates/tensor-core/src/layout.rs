//! Shapes and strides: pure integer code, checked once here so that kernels need not check again.
//!
//! Invariants of a [`Layout`] over a buffer of `len` elements:
//! 1. `shape.len() == strides.len()`.
//! 2. The product of the sizes other than zero fits `isize`, also when multiplied by eight bytes, unless the
//!    dimension has stride 0 (a broadcast dimension takes no memory); the product of all sizes fits `usize`.
//! 3. If no size is zero, `offset + Σ (size - 1) * stride`, over the positive strides and over the negative strides
//!    alike, lies in `0..len`.

use crate::error::{Dims, Error, Result};
use smallvec::SmallVec;

/// Strides in elements; negative for a reversed dimension, zero for a broadcast one.
pub type Strides = SmallVec<[isize; 4]>;

/// How a tensor's elements lie in its buffer: a shape, a stride for each dimension, and the place of the first element.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    pub(crate) shape: Dims,
    pub(crate) strides: Strides,
    pub(crate) offset: usize,
}

impl Clone for Layout {
    #[inline]
    fn clone(&self) -> Self {
        Layout {
            shape: short(&self.shape),
            strides: short(&self.strides),
            offset: self.offset,
        }
    }
}

/// A list that is mostly short. Up to four numbers are moved as they are; what copies any number of them is a call, which
/// takes longer than an operation on one element.
#[inline(always)]
fn short<T: Copy + Default>(x: &[T]) -> SmallVec<[T; 4]> {
    let o = T::default();
    match *x {
        [] => SmallVec::new(),
        [a] => SmallVec::from_buf_and_len([a, o, o, o], 1),
        [a, b] => SmallVec::from_buf_and_len([a, b, o, o], 2),
        [a, b, c] => SmallVec::from_buf_and_len([a, b, c, o], 3),
        [a, b, c, d] => SmallVec::from_buf([a, b, c, d]),
        _ => SmallVec::from_slice(x),
    }
}

/// These sizes in a list of their own.
#[inline]
pub fn dims(sizes: &[usize]) -> Dims {
    short(sizes)
}

/// Whether two lists of sizes are the same; for the few that there are, a call to compare memory takes longer.
#[inline]
pub fn same_shape(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

/// The number of elements of `shape`, or `None` if it is too large to exist (invariant 2).
pub(crate) fn checked_numel(shape: &[usize]) -> Option<usize> {
    let over_nonzero = shape
        .iter()
        .filter(|&&n| n != 0)
        .try_fold(8usize, |p, &n| p.checked_mul(n))?;
    isize::try_from(over_nonzero).ok()?;
    Some(if shape.contains(&0) {
        0
    } else {
        over_nonzero / 8
    })
}

/// The number of elements of a view of `shape`, which takes no memory of its own, or `None` if it is no `isize`; sizes
/// of 0 do not hide others that are too large.
pub(crate) fn view_numel(shape: &[usize]) -> Option<usize> {
    let over_nonzero = shape
        .iter()
        .filter(|&&n| n != 0)
        .try_fold(1usize, |p, &n| p.checked_mul(n))?;
    isize::try_from(over_nonzero).ok()?;
    Some(if shape.contains(&0) { 0 } else { over_nonzero })
}

/// The strides of a row-major tensor.
#[inline]
pub(crate) fn row_major(shape: &[usize]) -> Strides {
    match *shape {
        [] => return Strides::new(),
        [_] => return Strides::from_buf_and_len([1, 0, 0, 0], 1),
        [_, n] => return Strides::from_buf_and_len([n.max(1) as isize, 1, 0, 0], 2),
        _ => {}
    }
    let mut strides: Strides = SmallVec::from_elem(1, shape.len());
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1) as isize;
    }
    strides
}

/// A dimension counted from the front: negative ones count from the end, and a scalar takes 0 and -1 as PyTorch does.
pub(crate) fn wrap_dim(op: &'static str, dim: isize, shape: &[usize]) -> Result<usize> {
    let n = shape.len().max(1) as isize;
    if dim < -n || dim >= n {
        return Err(Error::Dim {
            op,
            dim,
            shape: shape.into(),
        });
    }
    Ok(if dim < 0 { dim + n } else { dim } as usize)
}

/// The shape that two operands broadcast to by NumPy's rule.
pub(crate) fn broadcast(op: &'static str, lhs: &[usize], rhs: &[usize]) -> Result<Dims> {
    if same_shape(lhs, rhs) {
        return Ok(dims(lhs));
    }
    let n = lhs.len().max(rhs.len());
    let size = |s: &[usize], i: usize| {
        if i + s.len() >= n {
            s[i + s.len() - n]
        } else {
            1
        }
    };
    let err = || Error::Broadcast {
        op,
        lhs: lhs.into(),
        rhs: rhs.into(),
    };
    let shape: Dims = (0..n)
        .map(|i| match (size(lhs, i), size(rhs, i)) {
            (a, b) if a == b => Ok(a),
            (1, b) => Ok(b),
            (a, 1) => Ok(a),
            _ => Err(err()),
        })
        .collect::<Result<_>>()?;
    match view_numel(&shape) {
        Some(_) => Ok(shape),
        None => Err(Error::size(op, &shape)),
    }
}

impl Layout {
    /// The row-major layout of `shape`, which the caller has checked.
    pub(crate) fn contiguous(shape: Dims) -> Self {
        let strides = row_major(&shape);
        Layout {
            shape,
            strides,
            offset: 0,
        }
    }

    /// The sizes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The strides, in elements.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// The place of the first element in the buffer.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is exactly one element.
    #[inline]
    pub(crate) fn is_one(&self) -> bool {
        self.shape.iter().all(|&n| n == 1)
    }

    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        let mut expect = 1isize;
        for (&n, &s) in self.shape.iter().zip(&self.strides).rev() {
            if n == 0 {
                return true;
            }
            if n != 1 {
                if s != expect {
                    return false;
                }
                expect *= n as isize;
            }
        }
        true
    }

    /// The order of dimensions from the largest stride to the smallest; broadcast dimensions keep their place as
    /// outermost ones.
    pub(crate) fn memory_order(&self) -> SmallVec<[usize; 4]> {
        let mut order: SmallVec<[usize; 4]> = (0..self.shape.len()).collect();
        let key = |i: usize| match (self.shape[i], self.strides[i].unsigned_abs()) {
            (1, _) | (_, 0) => usize::MAX,
            (_, s) => s,
        };
        if order.windows(2).any(|w| key(w[0]) < key(w[1])) {
            order.sort_by_key(|&i| std::cmp::Reverse(key(i)));
        }
        order
    }

    pub(crate) fn permute(&self, order: &[usize]) -> Layout {
        Layout {
            shape: order.iter().map(|&i| self.shape[i]).collect(),
            strides: order.iter().map(|&i| self.strides[i]).collect(),
            offset: self.offset,
        }
    }

    /// This layout without its repetitions: a dimension of stride 0 has one place.
    pub(crate) fn once(&self) -> Layout {
        let mut once = self.clone();
        for (n, &s) in once.shape.iter_mut().zip(&once.strides) {
            if s == 0 && *n > 1 {
                *n = 1;
            }
        }
        once
    }

    /// This layout seen with a larger shape: missing and size-1 dimensions get stride 0.
    pub(crate) fn broadcast_to(&self, op: &'static str, shape: &[usize]) -> Result<Layout> {
        let err = || Error::Broadcast {
            op,
            lhs: self.shape.clone(),
            rhs: shape.into(),
        };
        let extra = shape.len().checked_sub(self.shape.len()).ok_or_else(err)?;
        let mut strides: Strides = SmallVec::from_elem(0, shape.len());
        for (i, (&n, &s)) in self.shape.iter().zip(&self.strides).enumerate() {
            if n == shape[extra + i] {
                strides[extra + i] = s;
            } else if n != 1 {
                return Err(err());
            }
        }
        Ok(Layout {
            shape: shape.into(),
            strides,
            offset: self.offset,
        })
    }

    /// This layout with another shape over the same elements in the same order, or `None` where that needs a copy.
    pub(crate) fn reshape(&self, shape: &[usize]) -> Option<Layout> {
        if self.numel() == 0 || self.is_contiguous() {
            return Some(Layout {
                offset: self.offset,
                ..Layout::contiguous(shape.into())
            });
        }
        // Each run of old dimensions that merges into one is split into new dimensions; both sides are walked from
        // the right until their products agree.
        let mut strides: Strides = SmallVec::from_elem(0, shape.len());
        let old: SmallVec<[(usize, isize); 4]> = self
            .shape
            .iter()
            .copied()
            .zip(self.strides.iter().copied())
            .filter(|d| d.0 != 1)
            .collect();
        let (mut i, mut j) = (old.len(), shape.len());
        while i > 0 {
            let (mut size, base) = old[i - 1];
            let mut run = size;
            i -= 1;
            while i > 0 && old[i - 1].1 == base * size as isize {
                run *= old[i - 1].0;
                size = run;
                i -= 1;
            }
            let mut stride = base;
            while run > 1 {
                j = j.checked_sub(1)?;
                if !run.is_multiple_of(shape[j]) {
                    return None;
                }
                strides[j] = stride;
                stride *= shape[j] as isize;
                run /= shape[j];
            }
        }
        Some(Layout {
            shape: shape.into(),
            strides,
            offset: self.offset,
        })
    }

    /// `len` elements of dimension `dim` from `start` on, every `step`-th; the caller has checked the range.
    pub(crate) fn slice(&self, dim: usize, start: usize, len: usize, step: isize) -> Layout {
        let mut out = self.clone();
        out.shape[dim] = len;
        // With no element, the first may lie outside the buffer, so the offset stays.
        if out.numel() > 0 {
            out.offset = (self.offset as isize + start as isize * self.strides[dim]) as usize;
        }
        // One element or none has no use for a stride, and the product might not be a number.
        if len > 1 {
            out.strides[dim] *= step;
        }
        out
    }

    /// The place of `index` in the buffer; the caller has checked each index against its size.
    pub(crate) fn place(&self, index: impl Iterator<Item = usize>) -> usize {
        let place = self
            .strides
            .iter()
            .zip(index)
            .map(|(&s, i)| s * i as isize)
            .sum::<isize>();
        (self.offset as isize + place) as usize
    }
}

/// The index, dimension by dimension, of the element at position `flat` in row-major order.
pub fn unravel(mut flat: usize, shape: &[usize]) -> Dims {
    let mut index: Dims = SmallVec::from_elem(0, shape.len());
    for (i, &n) in index.iter_mut().zip(shape).rev() {
        *i = flat % n.max(1);
        flat /= n.max(1);
    }
    index
}
