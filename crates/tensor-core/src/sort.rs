//! Orders along one dimension. NaN counts as larger than everything, as in PyTorch.

use crate::element::{DType, Number};
use crate::error::{Dims, Error, Result};
use crate::kernel::par;
use crate::kernel::rows::{Rows, dim_last};
use crate::rows::map_rows;
use crate::tensor::Tensor;
use std::cmp::Ordering;
use std::ops::Range;

pub(crate) fn order<T: Number>(a: T, b: T) -> Ordering {
    let by_nan = a.is_nan_().cmp(&b.is_nan_());
    by_nan.then_with(|| a.partial_cmp(&b).unwrap_or(Ordering::Equal))
}

/// Whether element and place of a row go into one integer, in whose order they are sorted without looking at the row again.
pub(crate) fn packs<T: Number>(len: usize) -> bool {
    T::DTYPE == DType::F32 && u32::try_from(len).is_ok()
}

/// An `f32` above its place: its bits in the order of the numbers, those of zeros alike and of NaN above all.
#[inline(always)]
pub(crate) fn pack<T: Number>(x: T, i: usize, descending: bool) -> i64 {
    // The sum turns -0 into 0.
    let x = x.to_f64() as f32 + 0.0;
    let bits = x.to_bits() as i32;
    let ordered = bits ^ (((bits >> 31) as u32) >> 1) as i32;
    let rank = if x.is_nan() { i32::MAX } else { ordered };
    let rank = if descending { !rank } else { rank };
    (i64::from(rank) << 32) | i as i64
}

/// The place.
#[inline(always)]
pub(crate) fn unpack(packed: i64) -> i64 {
    packed & 0xffff_ffff
}

impl<T: Number> Tensor<T> {
    /// The indices that sort `dim`; equal elements keep their order.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there.
    pub fn argsort(&self, dim: isize, descending: bool) -> Result<Tensor<i64>> {
        self.argsort_for("argsort", dim, descending)
    }

    /// As [`Tensor::argsort`], for an operation named `op`.
    fn argsort_for(&self, op: &'static str, dim: isize, descending: bool) -> Result<Tensor<i64>> {
        map_rows(op, self, dim, |x, out| {
            if packs::<T>(x.len()) {
                (out.iter_mut().enumerate()).for_each(|(i, o)| *o = pack(x[i], i, descending));
                out.sort_unstable();
                return out.iter_mut().for_each(|o| *o = unpack(*o));
            }
            (out.iter_mut().enumerate()).for_each(|(i, o)| *o = i as i64);
            out.sort_by(|&i, &j| {
                let (a, b) = (x[i as usize], x[j as usize]);
                if descending { order(b, a) } else { order(a, b) }
            });
        })
    }

    /// The elements in order along `dim`, and the indices where they were; equal elements keep their order.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let (sorted, index) = Tensor::from([3.0f32, 1.0, 2.0]).sort(0, false)?;
    /// assert_eq!((sorted.to_vec(), index.to_vec()), (vec![1.0, 2.0, 3.0], vec![1, 2, 0]));
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there.
    pub fn sort(&self, dim: isize, descending: bool) -> Result<(Tensor<T>, Tensor<i64>)> {
        let index = self.argsort_for("sort", dim, descending)?;
        Ok((self.gather(dim, &index)?, index))
    }

    /// The `k` largest elements along `dim`, or smallest, in order, and their indices.
    ///
    /// # Errors
    /// [`Error::Option`] if there are fewer than `k`, [`Error::Dim`] for a dimension that is not there.
    pub fn topk(&self, k: usize, dim: isize, largest: bool) -> Result<(Tensor<T>, Tensor<i64>)> {
        let d = self.dim_index("topk", dim)?;
        if k > self.shape().get(d).copied().unwrap_or(1) {
            return Err(too_many("topk", k));
        }
        // A scalar is its own largest element, and stays one.
        let index = match (self.ndim(), k) {
            (0, 1) => self.argsort_for("topk", dim, largest)?,
            (0, _) => Tensor::zeros([0])?,
            _ => self.places("topk", 0..k, d, largest)?,
        };
        Ok((self.gather(dim, &index)?, index))
    }

    /// The indices that sort dimension `d`, at the places `wanted`: the first ones, or a single one.
    fn places(
        &self,
        op: &'static str,
        wanted: Range<usize>,
        d: usize,
        descending: bool,
    ) -> Result<Tensor<i64>> {
        let k = wanted.len();
        // A row may be that of a broadcast view, and more than memory holds.
        let held = Vec::<i64>::new().try_reserve_exact(self.shape()[d]);
        held.map_err(|_| Error::size(op, self.shape()))?;
        let layout = dim_last(self.layout(), d);
        let rows = Rows::new(self.buffer(), &layout);
        let mut shape: Dims = self.shape().into();
        shape[d] = k;
        Tensor::build_rows(op, &shape, d, |out| {
            par::split(out, k.max(1), rows.len() * 4 + 8, |start, out| {
                let mut all = Vec::new();
                let n = out.len() / k.max(1);
                rows.each(start, start + n, |i, x| {
                    let out = &mut out[(i - start) * k..][..k];
                    let compare = |i: i64, j: i64| {
                        let (a, b) = (x[i as usize], x[j as usize]);
                        if descending { order(b, a) } else { order(a, b) }
                    };
                    if wanted.start == 0 && k <= FEW {
                        return first_few(x, out, descending, |i, j| compare(i, j).is_lt());
                    }
                    if packs::<T>(x.len()) {
                        all.clear();
                        all.extend((x.iter().enumerate()).map(|(i, &v)| pack(v, i, descending)));
                        if wanted.end < all.len() || k == 1 {
                            all.select_nth_unstable(wanted.end - 1);
                        }
                        out.copy_from_slice(&all[wanted.clone()]);
                        out.sort_unstable();
                        return out.iter_mut().for_each(|o| *o = unpack(*o));
                    }
                    // The place decides between equal elements, so that there is one order.
                    let total = |i: &i64, j: &i64| compare(*i, *j).then(i.cmp(j));
                    all.clear();
                    all.extend(0..x.len() as i64);
                    if wanted.end < all.len() || k == 1 {
                        all.select_nth_unstable_by(wanted.end - 1, total);
                    }
                    out.copy_from_slice(&all[wanted.clone()]);
                    out.sort_unstable_by(total);
                });
            });
        })
    }

    /// The `k`-th smallest element along `dim`, counted from 1, and its index.
    ///
    /// # Errors
    /// [`Error::Option`] if `k` is 0 or there are fewer elements, [`Error::Dim`] for a dimension that is not there.
    pub fn kthvalue(&self, k: usize, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        let d = self.dim_index("kthvalue", dim)?;
        if k == 0 || k > self.shape().get(d).copied().unwrap_or(1) {
            return Err(too_many("kthvalue", k));
        }
        self.nth("kthvalue", k - 1, dim)
    }

    /// The element at place `n` of the order along `dim`, and its index.
    fn nth(&self, op: &'static str, n: usize, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        if self.ndim() == 0 {
            return Ok((self.clone(), self.argsort_for(op, dim, false)?));
        }
        let d = self.dim_index(op, dim)?;
        let index = self.places(op, n..n + 1, d, false)?;
        Ok((self.gather(dim, &index)?.squeeze(dim)?, index.squeeze(dim)?))
    }

    /// The median along `dim`, of an even number the lower one, and its index; NaN where there is one.
    ///
    /// # Errors
    /// [`Error::Empty`] for a dimension of size 0, [`Error::Dim`] for one that is not there.
    pub fn median_dim(&self, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        let d = self.dim_index("median_dim", dim)?;
        let n = self.shape().get(d).copied().unwrap_or(1);
        if n == 0 {
            return Err(Error::Empty {
                op: "median_dim",
                shape: self.shape().into(),
            });
        }
        let (y, index) = self.nth("median_dim", (n - 1) / 2, dim)?;
        // NaN is last in the order; where there is one, its place is that of the largest.
        let (top, at) = self.max_dim(dim)?;
        let nan = top.map(|v| v.is_nan_());
        Ok((nan.where_(&top, &y)?, nan.where_(&at, &index)?))
    }
}

impl<T: Number> Tensor<T> {
    /// The median of all elements, of an even number the lower one; NaN if there is one, or no element at all.
    ///
    /// # Errors
    /// [`Error::Empty`] for integers if there is no element.
    pub fn median(&self) -> Result<Tensor<T>> {
        let mut all = self.try_vec("median")?;
        let nan = all.iter().copied().find(|x| x.is_nan_());
        let median = match (all.len(), nan) {
            (0, _) if T::DTYPE == DType::I64 => {
                let shape = self.shape().into();
                return Err(Error::Empty {
                    op: "median",
                    shape,
                });
            }
            (0, _) => T::from_f64(f64::NAN),
            (_, Some(nan)) => nan,
            (n, _) => {
                *all.select_nth_unstable_by((n - 1) / 2, |a, b| order(*a, *b))
                    .1
            }
        };
        Ok(Tensor::scalar(median))
    }
}

/// So many are found by keeping the best so far in order.
const FEW: usize = 16;

/// The first places of the order of a row, as many as `out` has room for; of equal ones those that come first.
fn first_few<T: Number>(
    x: &[T],
    out: &mut [i64],
    descending: bool,
    before: impl Fn(i64, i64) -> bool,
) {
    let mut found = 0;
    for (i, &v) in (0..).zip(x) {
        if found < out.len() {
            found += 1;
        } else {
            let Some(&last) = out.last() else {
                return;
            };
            // Most elements are sent away by one comparison, which a NaN never is.
            let worst = x[last as usize];
            if (if descending { v <= worst } else { v >= worst }) || !before(i, last) {
                continue;
            }
        }
        let mut at = found - 1;
        while at > 0 && before(i, out[at - 1]) {
            out[at] = out[at - 1];
            at -= 1;
        }
        out[at] = i;
    }
}

fn too_many(op: &'static str, k: usize) -> Error {
    Error::Option {
        op,
        name: "k",
        value: k.to_string(),
        expected: "there must be as many elements along the dimension",
    }
}
