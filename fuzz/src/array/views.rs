//! Views, as copies.

use super::{Array, broadcast, wrap, wrap_all};

impl<S: Clone> Array<S> {
    pub fn permute(&self, dims: &[i64]) -> Option<Self> {
        let order = wrap_all(dims, self.ndim())?;
        if order.len() != self.ndim() {
            return None;
        }
        let shape: Vec<usize> = order.iter().map(|&d| self.shape[d]).collect();
        let mut own = vec![0; self.ndim()];
        Some(Array::build(&shape, |index| {
            order.iter().zip(index).for_each(|(&d, &i)| own[d] = i);
            self.at(&own)
        }))
    }

    pub fn transpose(&self, a: i64, b: i64) -> Option<Self> {
        let (a, b) = (wrap(a, self.ndim())?, wrap(b, self.ndim())?);
        let mut order: Vec<i64> = (0..self.ndim() as i64).collect();
        if self.ndim() > 0 {
            order.swap(a, b);
        }
        self.permute(&order)
    }

    pub fn movedim(&self, from: &[i64], to: &[i64]) -> Option<Self> {
        let n = self.ndim();
        let (from, to) = (wrap_all(from, n)?, wrap_all(to, n)?);
        if from.len() != to.len() {
            return None;
        }
        let mut rest = (0..n).filter(|d| !from.contains(d));
        let place = |d| match to.iter().position(|&t| t == d) {
            Some(i) => Some(from[i]),
            None => rest.next(),
        };
        let order: Option<Vec<usize>> = (0..n).map(place).collect();
        let order: Vec<i64> = order?.iter().map(|&d| d as i64).collect();
        self.permute(&order)
    }

    /// The same elements in a shape with as many.
    pub fn with_shape(&self, shape: Vec<usize>) -> Option<Self> {
        let data = self.data.clone();
        (shape.iter().product::<usize>() == data.len()).then_some(Array { shape, data })
    }

    pub fn reshape(&self, sizes: &[i64]) -> Option<Self> {
        let open = sizes.iter().filter(|&&n| n == -1).count();
        if sizes.iter().any(|&n| n < -1) || open > 1 {
            return None;
        }
        let mut known = 1usize;
        for &n in sizes.iter().filter(|&&n| n != -1) {
            known = known.checked_mul(n as usize)?;
        }
        let inferred = match (open, known) {
            (0, _) => 0,
            (_, 0) => return None,
            _ if !self.numel().is_multiple_of(known) => return None,
            _ => self.numel() / known,
        };
        let size = |&n: &i64| if n == -1 { inferred } else { n as usize };
        self.with_shape(sizes.iter().map(size).collect())
    }

    pub fn squeeze(&self, dims: &[i64]) -> Option<Self> {
        let gone = wrap_all(dims, self.ndim())?;
        let keep = |(d, &n): (usize, &usize)| (n != 1 || !gone.contains(&d)).then_some(n);
        self.with_shape(self.shape.iter().enumerate().filter_map(keep).collect())
    }

    pub fn squeeze_all(&self) -> Option<Self> {
        self.with_shape(self.shape.iter().copied().filter(|&n| n != 1).collect())
    }

    pub fn unsqueeze(&self, dim: i64) -> Option<Self> {
        let d = wrap(dim, self.ndim() + 1)?;
        let mut shape = self.shape.clone();
        shape.insert(d, 1);
        self.with_shape(shape)
    }

    pub fn broadcast_to(&self, sizes: &[i64]) -> Option<Self> {
        let shape: Option<Vec<usize>> = sizes.iter().map(|&n| usize::try_from(n).ok()).collect();
        let shape = shape?;
        (broadcast(&self.shape, &shape)? == shape)
            .then(|| Array::build(&shape, |index| self.seen(index)))
    }

    pub fn expand(&self, sizes: &[i64]) -> Option<Self> {
        let extra = sizes.len().checked_sub(self.ndim())?;
        let keep = |(i, &n): (usize, &i64)| match (n, i.checked_sub(extra)) {
            (-1, Some(j)) => self.shape[j] as i64,
            _ => n,
        };
        self.broadcast_to(&sizes.iter().enumerate().map(keep).collect::<Vec<_>>())
    }

    /// Those places of dimension `d` in that order.
    pub fn places(&self, d: usize, places: &[usize]) -> Self {
        let mut shape = self.shape.clone();
        shape[d] = places.len();
        let mut own = vec![0; self.ndim()];
        Array::build(&shape, |index| {
            own.copy_from_slice(index);
            own[d] = places[index[d]];
            self.at(&own)
        })
    }

    /// A dimension that is there; a scalar has none.
    pub fn real(&self, dim: i64) -> Option<usize> {
        let d = wrap(dim, self.ndim())?;
        (self.ndim() > 0).then_some(d)
    }

    pub fn narrow(&self, dim: i64, start: i64, len: usize) -> Option<Self> {
        let d = self.real(dim)?;
        let n = self.shape[d] as i64;
        let from = if start < 0 {
            start.checked_add(n)?
        } else {
            start
        };
        let end = i128::from(from) + len as i128;
        if from < 0 || end > i128::from(n) {
            return None;
        }
        Some(self.places(d, &(from as usize..end as usize).collect::<Vec<_>>()))
    }

    pub fn select(&self, dim: i64, index: i64) -> Option<Self> {
        let one = self.narrow(dim, index, 1)?;
        let mut shape = one.shape.clone();
        shape.remove(self.real(dim)?);
        one.with_shape(shape)
    }

    /// As Python slices, but that a negative step walks the same elements backwards.
    pub fn slice(&self, dim: i64, start: i64, end: Option<i64>, step: i64) -> Option<Self> {
        let d = self.real(dim)?;
        if step == 0 {
            return None;
        }
        let n = self.shape[d] as i64;
        let bound = |i: i64| if i < 0 { i.saturating_add(n) } else { i }.clamp(0, n) as usize;
        let (start, end) = (bound(start), end.map_or(n as usize, bound));
        let mut places: Vec<usize> = (start..end).collect();
        if step < 0 {
            places.reverse();
        }
        let step = usize::try_from(step.unsigned_abs()).ok()?;
        let places: Vec<usize> = places.into_iter().step_by(step).collect();
        Some(self.places(d, &places))
    }

    pub fn flip(&self, dims: &[i64]) -> Option<Self> {
        let mut out = self.clone();
        for d in wrap_all(dims, self.ndim())? {
            if self.ndim() > 0 {
                out = out.places(d, &(0..self.shape[d]).rev().collect::<Vec<_>>());
            }
        }
        Some(out)
    }

    pub fn flatten(&self, start: i64, end: i64) -> Option<Self> {
        let (a, b) = (wrap(start, self.ndim())?, wrap(end, self.ndim())?);
        if self.ndim() == 0 {
            return self.with_shape(vec![1]);
        }
        if a > b {
            return None;
        }
        let merged = self.shape[a..=b].iter().product();
        self.with_shape([&self.shape[..a], &[merged], &self.shape[b + 1..]].concat())
    }

    pub fn diagonal(&self, offset: i64, dim1: i64, dim2: i64) -> Option<Self> {
        if self.ndim() < 2 {
            return None;
        }
        let dims = wrap_all(&[dim1, dim2], self.ndim())?;
        let (a, b) = (dims[0], dims[1]);
        let pairs: Vec<(usize, usize)> = (0..self.shape[a])
            .flat_map(|i| (0..self.shape[b]).map(move |j| (i, j)))
            .filter(|&(i, j)| j as i64 - i as i64 == offset)
            .collect();
        let rest: Vec<usize> = (0..self.ndim()).filter(|d| *d != a && *d != b).collect();
        let mut shape: Vec<usize> = rest.iter().map(|&d| self.shape[d]).collect();
        shape.push(pairs.len());
        let mut own = vec![0; self.ndim()];
        Some(Array::build(&shape, |index| {
            rest.iter().zip(index).for_each(|(&d, &i)| own[d] = i);
            (own[a], own[b]) = pairs[index[rest.len()]];
            self.at(&own)
        }))
    }

    pub fn unfold(&self, dim: i64, size: usize, step: usize) -> Option<Self> {
        let d = wrap(dim, self.ndim())?;
        let n = self.shape.get(d).copied().unwrap_or(1);
        if size > n || step == 0 {
            return None;
        }
        if self.ndim() == 0 {
            return Some(Array::build(&[size], |_| self.data[0].clone()));
        }
        let mut shape = self.shape.clone();
        shape[d] = (n - size) / step + 1;
        shape.push(size);
        Some(Array::build(&shape, |index| {
            let mut own = index[..self.ndim()].to_vec();
            own[d] = own[d] * step + index[self.ndim()];
            self.at(&own)
        }))
    }
}
