//! Arrays without strides: the slow and obvious reference, index by index, for numbers of any kind.
//!
//! `None` means that the call is wrong: the library must return an error where the reference returns `None`.

mod views;

use std::cell::Cell;

/// More elements than these are not computed.
pub const MOST: usize = 1 << 14;

thread_local! {
    static TOO_LARGE: Cell<bool> = const { Cell::new(false) };
}

/// Whether an array since the last such question would have had more than [`MOST`] elements, so that what came of it
/// says nothing.
pub fn was_too_large() -> bool {
    TOO_LARGE.replace(false)
}

/// Elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<S> {
    pub shape: Vec<usize>,
    pub data: Vec<S>,
}

/// All indices of a shape, in row-major order.
pub fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &n in shape {
        all = (all.iter())
            .flat_map(|index| (0..n).map(move |i| [&index[..], &[i]].concat()))
            .collect();
    }
    all
}

/// A dimension counted from the front; a scalar has the dimensions 0 and -1 in name.
pub fn wrap(dim: i64, ndim: usize) -> Option<usize> {
    let n = ndim.max(1) as i64;
    let d = if dim < 0 { dim.checked_add(n)? } else { dim };
    (0..n).contains(&d).then_some(d as usize)
}

/// Dimensions counted from the front, each named once.
pub fn wrap_all(dims: &[i64], ndim: usize) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for &dim in dims {
        let d = wrap(dim, ndim)?;
        if all.contains(&d) {
            return None;
        }
        all.push(d);
    }
    Some(all)
}

/// The shape that two broadcast to.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let n = a.len().max(b.len());
    let size = |s: &[usize], i: usize| (i + s.len()).checked_sub(n).map_or(1, |i| s[i]);
    (0..n)
        .map(|i| match (size(a, i), size(b, i)) {
            (a, b) if a == b => Some(a),
            (1, n) | (n, 1) => Some(n),
            _ => None,
        })
        .collect()
}

impl<S: Clone> Array<S> {
    pub fn build(shape: &[usize], f: impl FnMut(&[usize]) -> S) -> Self {
        let mut f = f;
        // Sizes of 0 do not hide others that are too large.
        let sizes = || shape.iter().filter(|&&n| n != 0);
        let numel = sizes().try_fold(1usize, |p, &n| p.checked_mul(n));
        if numel.is_none_or(|n| n > MOST) {
            TOO_LARGE.set(true);
            return Array {
                shape: vec![0],
                data: vec![],
            };
        }
        let numel = shape.iter().product();
        let mut data = Vec::with_capacity(numel);
        let mut index = vec![0; shape.len()];
        while data.len() < numel {
            data.push(f(&index));
            // The last index moves first.
            for (i, &n) in index.iter_mut().zip(shape).rev() {
                *i += 1;
                if *i < n {
                    break;
                }
                *i = 0;
            }
        }
        Array {
            shape: shape.to_vec(),
            data,
        }
    }

    pub fn scalar(value: S) -> Self {
        Array {
            shape: vec![],
            data: vec![value],
        }
    }

    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    pub fn numel(&self) -> usize {
        self.data.len()
    }

    pub fn at(&self, index: &[usize]) -> S {
        assert_eq!(index.len(), self.ndim());
        let mut place = 0;
        for (&i, &n) in index.iter().zip(&self.shape) {
            assert!(i < n);
            place = place * n + i;
        }
        self.data[place].clone()
    }

    pub fn map<R>(&self, f: impl FnMut(&S) -> R) -> Array<R> {
        Array {
            shape: self.shape.clone(),
            data: self.data.iter().map(f).collect(),
        }
    }

    /// The element that a broadcast view shows at `index`.
    pub fn seen(&self, index: &[usize]) -> S {
        let extra = index.len() - self.ndim();
        let mut place = 0;
        for (&i, &n) in index[extra..].iter().zip(&self.shape) {
            place = place * n + if n == 1 { 0 } else { i };
        }
        self.data[place].clone()
    }

    pub fn zip<B: Clone, R: Clone>(
        &self,
        b: &Array<B>,
        mut f: impl FnMut(S, B) -> R,
    ) -> Option<Array<R>> {
        let shape = broadcast(&self.shape, &b.shape)?;
        Some(Array::build(&shape, |i| f(self.seen(i), b.seen(i))))
    }

    pub fn cat(parts: &[&Self], dim: i64) -> Option<Self> {
        let real: Vec<&&Self> = parts.iter().filter(|x| x.shape != [0]).collect();
        let first = match real.first() {
            Some(first) => first,
            None => {
                return parts
                    .first()
                    .filter(|x| x.real(dim).is_some())
                    .map(|x| (*x).clone());
            }
        };
        let d = first.real(dim)?;
        let mut at = Vec::new();
        for (k, x) in real.iter().enumerate() {
            let other = |x: &Self| {
                (0..x.ndim())
                    .filter(|&i| i != d)
                    .map(|i| x.shape[i])
                    .collect()
            };
            let (a, b): (Vec<usize>, Vec<usize>) = (other(x), other(first));
            if x.ndim() != first.ndim() || a != b {
                return None;
            }
            at.extend((0..x.shape[d]).map(|i| (k, i)));
        }
        let mut shape = first.shape.clone();
        shape[d] = at.len();
        Some(Array::build(&shape, |index| {
            let (k, i) = at[index[d]];
            let mut own = index.to_vec();
            own[d] = i;
            real[k].at(&own)
        }))
    }

    pub fn stack(parts: &[&Self], dim: i64) -> Option<Self> {
        let first = parts.first()?;
        if parts.iter().any(|x| x.shape != first.shape) {
            return None;
        }
        let parts: Option<Vec<Self>> = parts.iter().map(|x| x.unsqueeze(dim)).collect();
        let d = wrap(dim, first.ndim() + 1)?;
        // Written out, since a part of shape `[0]` counts here.
        let mut shape = parts.as_ref()?[0].shape.clone();
        shape[d] = parts.as_ref()?.len();
        let parts = parts?;
        Some(Array::build(&shape, |index| {
            let mut own = index.to_vec();
            own[d] = 0;
            parts[index[d]].at(&own)
        }))
    }

    pub fn roll(&self, shifts: &[i64], dims: &[i64]) -> Option<Self> {
        if shifts.len() != dims.len() {
            return None;
        }
        let mut out = self.clone();
        for (&shift, &dim) in shifts.iter().zip(dims) {
            let d = self.real(dim)?;
            let n = self.shape[d] as i128;
            let places = (0..n).map(|i| (i - i128::from(shift)).rem_euclid(n) as usize);
            out = out.places(d, &places.collect::<Vec<_>>());
        }
        Some(out)
    }

    pub fn repeat(&self, repeats: &[i64]) -> Option<Self> {
        let extra = repeats.len().checked_sub(self.ndim())?;
        let old = [&vec![1; extra][..], &self.shape].concat();
        let mut shape = Vec::new();
        // So many copies of nothing are refused too.
        TOO_LARGE.set(repeats.iter().any(|&n| n > 1 << 40));
        for (&times, &n) in repeats.iter().zip(&old) {
            shape.push(usize::try_from(times).ok()?.checked_mul(n)?);
        }
        Some(Array::build(&shape, |index| {
            let own: Vec<usize> = (index[extra..].iter().zip(&self.shape))
                .map(|(i, n)| i % n)
                .collect();
            self.at(&own)
        }))
    }

    pub fn repeat_interleave(&self, repeats: usize, dim: i64) -> Option<Self> {
        let d = self.real(dim)?;
        // So many copies of nothing are refused too.
        TOO_LARGE.set(repeats > 1 << 40);
        let mut shape = self.shape.clone();
        shape[d] = shape[d].checked_mul(repeats)?;
        Some(Array::build(&shape, |index| {
            let mut own = index.to_vec();
            own[d] /= repeats;
            self.at(&own)
        }))
    }

    pub fn pad(&self, pad: &[i64], value: &S) -> Option<Self> {
        if pad.len() % 2 == 1 || pad.len() / 2 > self.ndim() {
            return None;
        }
        let mut shape: Vec<i64> = self.shape.iter().map(|&n| n as i64).collect();
        let mut before = vec![0; self.ndim()];
        for (i, pair) in pad.chunks(2).enumerate() {
            let d = self.ndim() - 1 - i;
            // What is cut off must be there.
            if pair.iter().map(|w| i128::from(*w.min(&0))).sum::<i128>() + i128::from(shape[d]) < 0
            {
                return None;
            }
            before[d] = pair[0];
            shape[d] = shape[d].checked_add(pair[0])?.checked_add(pair[1])?;
        }
        let shape: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
        Some(Array::build(&shape, |index| {
            let own: Option<Vec<usize>> = (0..self.ndim())
                .map(|d| usize::try_from(index[d] as i64 - before[d]).ok())
                .collect();
            let own = own.filter(|own| own.iter().zip(&self.shape).all(|(i, n)| i < n));
            own.map_or(value.clone(), |own| self.at(&own))
        }))
    }

    /// Places of dimension `d` from an index of the same number of dimensions, each within that dimension.
    pub fn gather(&self, dim: i64, index: &Array<i64>) -> Option<Self> {
        let d = wrap(dim, self.ndim())?;
        let n = self.shape.get(d).copied().unwrap_or(1) as i64;
        let fits = index.ndim().max(1) == self.ndim().max(1)
            && (index.shape.iter().zip(&self.shape).enumerate())
                .all(|(e, (i, n))| e == d || i <= n)
            && index.data.iter().all(|i| (0..n).contains(i));
        fits.then(|| {
            Array::build(&index.shape, |at| {
                let mut own = at.to_vec();
                if self.ndim() == 0 {
                    return self.data[0].clone();
                }
                let i = index.at(at) as usize;
                if own.is_empty() {
                    own = vec![i];
                }
                own[d] = i;
                self.at(&own)
            })
        })
    }

    /// `f` of each line along `dim`, which may become shorter or longer, all alike.
    pub fn lines<R: Clone>(&self, dim: i64, f: impl Fn(&[S]) -> Vec<R>) -> Option<Array<R>> {
        let d = wrap(dim, self.ndim())?;
        if self.ndim() == 0 {
            let data = f(&self.data);
            return Some(Array {
                shape: if data.len() == 1 {
                    vec![]
                } else {
                    vec![data.len()]
                },
                data,
            });
        }
        let mut shape = self.shape.clone();
        shape[d] = 1;
        let made = Array::build(&shape, |index| {
            let mut own = index.to_vec();
            let line: Vec<S> = (0..self.shape[d])
                .map(|i| {
                    own[d] = i;
                    self.at(&own)
                })
                .collect();
            f(&line)
        });
        let mut shape = self.shape.clone();
        shape[d] = made.data.first().map_or(self.shape[d], Vec::len);
        let mut start = vec![0; self.ndim()];
        Some(Array::build(&shape, |index| {
            start.copy_from_slice(index);
            start[d] = 0;
            let place = (start.iter().zip(&made.shape)).fold(0, |p, (i, n)| p * n + i);
            made.data[place][index[d]].clone()
        }))
    }

    /// `f` of the elements over the masked dimensions.
    pub fn fold<R: Clone>(&self, gone: &[bool], keep: bool, f: impl Fn(&[S]) -> R) -> Array<R> {
        let outer: Vec<usize> = (self.shape.iter().zip(gone))
            .map(|(&n, &gone)| if gone { 1 } else { n })
            .collect();
        let inner: Vec<usize> = (self.shape.iter().zip(gone))
            .map(|(&n, &gone)| if gone { n } else { 1 })
            .collect();
        let inner = indices(&inner);
        let mut own = vec![0; self.ndim()];
        let mut elements = Vec::with_capacity(inner.len());
        let mut out = Array::build(&outer, |index| {
            elements.clear();
            for i in &inner {
                (own.iter_mut().zip(i).zip(index)).for_each(|((o, a), b)| *o = a + b);
                elements.push(self.at(&own));
            }
            f(&elements)
        });
        if !keep {
            let left = outer.iter().zip(gone).filter(|d| !d.1);
            out.shape = left.map(|(&n, _)| n).collect();
        }
        out
    }
}

/// The dimensions of a reduction as a mask; `None` among the dimensions for all.
pub fn axes(dims: &Option<Vec<i64>>, ndim: usize) -> Option<Vec<bool>> {
    match dims {
        None => Some(vec![true; ndim]),
        Some(dims) => {
            let dims = wrap_all(dims, ndim)?;
            Some((0..ndim).map(|d| dims.contains(&d)).collect())
        }
    }
}

/// PyTorch's matrix product, from sums of products that `dot` makes of a row and a column.
pub fn matmul<S: Clone>(
    a: &Array<S>,
    b: &Array<S>,
    dot: impl Fn(&[S], &[S]) -> S,
) -> Option<Array<S>> {
    let (row, column) = (a.ndim() == 1, b.ndim() == 1);
    if a.ndim() == 0 || b.ndim() == 0 {
        return None;
    }
    let a = if row { a.unsqueeze(0)? } else { a.clone() };
    let b = if column { b.unsqueeze(1)? } else { b.clone() };
    let (na, nb) = (a.ndim(), b.ndim());
    let (m, k, n) = (a.shape[na - 2], a.shape[na - 1], b.shape[nb - 1]);
    if b.shape[nb - 2] != k {
        return None;
    }
    let batch = broadcast(&a.shape[..na - 2], &b.shape[..nb - 2])?;
    let to = |rows: usize, columns: usize| -> Vec<i64> {
        [&batch[..], &[rows, columns]]
            .concat()
            .iter()
            .map(|&n| n as i64)
            .collect()
    };
    let (a, b) = (a.broadcast_to(&to(m, k))?, b.broadcast_to(&to(k, n))?);
    let shape = [&batch[..], &[m, n]].concat();
    let mut out = Array::build(&shape, |index| {
        let (outer, i, j) = (
            &index[..batch.len()],
            index[batch.len()],
            index[batch.len() + 1],
        );
        let x: Vec<S> = (0..k).map(|l| a.at(&[outer, &[i, l]].concat())).collect();
        let y: Vec<S> = (0..k).map(|l| b.at(&[outer, &[l, j]].concat())).collect();
        dot(&x, &y)
    });
    if column {
        out.shape.pop();
    }
    if row {
        let at = batch.len();
        out.shape.remove(at);
    }
    Some(out)
}
