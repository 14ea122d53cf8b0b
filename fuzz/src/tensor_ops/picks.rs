//! Operations that pick elements and put them, by places, by masks and by indices of any kind.

use super::{Kind, Machine, Pair};
use crate::array::{Array, axes, indices, wrap};
use std::ops::Bound;
use tensor_core::{Axes, IndexItem, Tensor, keepdim};

pub fn lib_axes(dims: &Option<Vec<i64>>, keep: bool) -> Axes {
    let axes: Axes = match dims {
        None => (..).into(),
        Some(dims) => dims.as_slice().into(),
    };
    if keep { keepdim(axes) } else { axes }
}

impl Machine<'_> {
    /// Places along a dimension of `n`, in any shape; now and then one outside.
    fn places(&mut self, shape: &[usize], n: usize, negative: bool) -> Pair<i64> {
        let numel: usize = shape.iter().product();
        let period = 1 + self.draw.below(4);
        let low = if negative { -(n as i64) } else { 0 };
        let high = (n as i64 - 1).max(low);
        let values: Vec<i64> = (0..period).map(|_| self.draw.between(low, high)).collect();
        let mut data: Vec<i64> = (0..numel).map(|i| values[i % period]).collect();
        if numel > 0 && self.draw.rarely(16) {
            let at = self.draw.below(numel);
            data[at] = self.draw.whole(-1, n as i64);
        }
        let want = Array {
            shape: shape.to_vec(),
            data: data.iter().map(|&v| v as f64).collect(),
        };
        let got = Tensor::from_vec(data, shape).expect("as many as the shape holds");
        Pair { got, want }
    }

    /// An index for `gather` and its kin, of a shape that mostly fits.
    pub fn index_for(&mut self, x: &[usize], dim: i64) -> Pair<i64> {
        let d = wrap(dim, x.len()).unwrap_or(0);
        let mut shape: Vec<usize> = (x.iter().enumerate())
            .map(|(e, &n)| {
                if e == d {
                    self.draw.below(6)
                } else {
                    n - self.draw.below(n.min(2) + 1).min(n)
                }
            })
            .collect();
        if self.draw.rarely(24) {
            shape.push(1);
        }
        self.places(&shape, x.get(d).copied().unwrap_or(1), false)
    }

    pub fn pick_step<T: Kind>(&mut self) {
        let x: Pair<T> = self.take();
        let (got, want, n) = (&x.got, &x.want, x.want.ndim());
        match self.draw.below(12) {
            0 => {
                let dim = self.draw.dim(n);
                let index = self.index_for(&want.shape, dim);
                let whole = index.want.map(|v| *v as i64);
                self.exact(
                    "gather",
                    &x,
                    &(dim, &whole),
                    got.gather(dim as isize, &index.got),
                    want.gather(dim, &whole),
                );
            }
            1 => {
                let dim = self.draw.dim(n);
                let d = wrap(dim, n);
                let size = d.map_or(1, |d| want.shape.get(d).copied().unwrap_or(1));
                let len = self.draw.below(5);
                let index = self.places(&[len], size, false);
                let inside = index
                    .want
                    .data
                    .iter()
                    .all(|i| (0.0..size as f64).contains(i));
                let places: Vec<usize> = index.want.data.iter().map(|&i| i as usize).collect();
                let picked = match (d, n) {
                    (Some(d), 1..) if inside => Some(want.places(d, &places)),
                    (Some(_), 0) if inside && len == 1 => Some(want.clone()),
                    _ => None,
                };
                self.exact(
                    "index_select",
                    &x,
                    &(dim, &index.want),
                    got.index_select(dim as isize, &index.got),
                    picked,
                );
            }
            2 => {
                let dim = self.draw.dim(n);
                let Some(d) = want.real(dim) else { return };
                let mut shape: Vec<usize> = want
                    .shape
                    .iter()
                    .map(|&s| if self.draw.bit() { 1 } else { s })
                    .collect();
                shape[d] = self.draw.below(5);
                let index = self.places(&shape, want.shape[d], true);
                let size = want.shape[d] as i64;
                let inside = index
                    .want
                    .data
                    .iter()
                    .all(|i| (-size..size).contains(&(*i as i64)));
                let mut wide = want.shape.clone();
                wide[d] = shape[d];
                let taken = inside.then(|| {
                    Array::build(&wide, |at| {
                        let i = index.want.seen(at) as i64;
                        let mut own = at.to_vec();
                        own[d] = if i < 0 { i + size } else { i } as usize;
                        want.at(&own)
                    })
                });
                self.exact(
                    "take_along_dim",
                    &x,
                    &(dim, &index.want),
                    got.take_along_dim(&index.got, dim as isize),
                    taken,
                );
            }
            3 => {
                let mask: Pair<bool> = self.beside(&x);
                let both = want.zip(&mask.want, |x, m| (x, m));
                let picked = both.map(|b| {
                    let data: Vec<f64> =
                        b.data.iter().filter(|v| v.1 != 0.0).map(|v| v.0).collect();
                    Array {
                        shape: vec![data.len()],
                        data,
                    }
                });
                self.exact(
                    "masked_select",
                    &x,
                    &&mask.want.shape,
                    got.masked_select(&mask.got),
                    picked,
                );
            }
            4 => {
                let places: Vec<Vec<usize>> = indices(&want.shape)
                    .into_iter()
                    .filter(|i| want.at(i) != 0.0)
                    .collect();
                let flat = Array {
                    shape: vec![places.len(), n],
                    data: places.concat().iter().map(|&i| i as f64).collect(),
                };
                self.exact("nonzero", &x, &(), Ok(got.nonzero()), Some(flat));
            }
            5 => {
                let dim = self.draw.dim(n);
                let index = self.index_for(&want.shape, dim);
                let src: Pair<T> = if self.draw.rarely(8) {
                    self.take()
                } else {
                    self.fresh(&index.want.shape)
                };
                let scattered = scatter(want, dim, &index.want, &src.want, |_, v| v);
                self.exact(
                    "scatter",
                    &x,
                    &(dim, &index.want, &src.want),
                    got.scatter(dim as isize, &index.got, &src.got),
                    scattered,
                );
            }
            6 | 7 => self.index_step(&x),
            8 => {
                let (dims, keep) = (self.draw.axes(n), self.draw.bit());
                let (axes, to) = (axes(&dims, n), lib_axes(&dims, keep));
                let fold =
                    |f: fn(&[f64]) -> f64| axes.as_ref().map(|gone| want.fold(gone, keep, f));
                let truth = |all: &[f64]| f64::from(all.iter().all(|v| *v != 0.0));
                self.exact("all", &x, &(&dims, keep), got.all(&to), fold(truth));
                let truth = |all: &[f64]| f64::from(all.iter().any(|v| *v != 0.0));
                self.exact("any", &x, &(&dims, keep), got.any(&to), fold(truth));
                let count = |all: &[f64]| all.iter().filter(|v| **v != 0.0).count() as f64;
                self.exact(
                    "count_nonzero",
                    &x,
                    &(&dims, keep),
                    got.count_nonzero(&to),
                    fold(count),
                );
            }
            9 | 10 => {
                let y: Pair<T> = self.beside(&x);
                let name = self.draw.below(8);
                let test: fn(f64, f64) -> bool = match name {
                    0 => |a, b| a == b,
                    1 => |a, b| a != b,
                    2 => |a, b| a < b,
                    3 => |a, b| a <= b,
                    4 => |a, b| a > b,
                    5 => |a, b| a >= b,
                    6 => |a, b| a != 0.0 && b != 0.0,
                    _ => |a, b| (a != 0.0) != (b != 0.0),
                };
                let made = match name {
                    0 => got.eq(&y.got),
                    1 => got.ne(&y.got),
                    2 => got.lt(&y.got),
                    3 => got.le(&y.got),
                    4 => got.gt(&y.got),
                    5 => got.ge(&y.got),
                    6 => got.logical_and(&y.got),
                    _ => got.logical_xor(&y.got),
                };
                let expected = want.zip(&y.want, |a, b| f64::from(test(a, b)));
                self.exact("compare", &x, &(name, &y.want.shape), made, expected);
            }
            _ => {
                let not = want.map(|v| f64::from(*v == 0.0));
                self.exact("logical_not", &x, &(), Ok(got.logical_not()), Some(not));
            }
        }
    }

    /// An index of entries of any kind.
    fn index_step<T: Kind>(&mut self, x: &Pair<T>) {
        let (got, want) = (&x.got, &x.want);
        let mut items = Vec::new();
        // The reference: for each dimension of the result without tensors, the place it walks.
        let mut view = want.clone();
        let mut at = 0;
        let mut valid = true;
        for d in 0..want.ndim() {
            match self.draw.below(5) {
                0 => {
                    let i = self.draw.whole(-3, 3);
                    items.push(IndexItem::At(i as isize));
                    match view.select(at as i64, i) {
                        Some(v) if valid => view = v,
                        _ => valid = false,
                    }
                }
                1 | 2 => {
                    let (start, end, step) = (
                        self.draw.whole(-4, 4),
                        self.draw.whole(-4, 6),
                        self.draw.whole(-2, 3),
                    );
                    items.push(IndexItem::Range {
                        start: Bound::Included(start as isize),
                        end: Bound::Excluded(end as isize),
                        step: step as isize,
                    });
                    match view.slice(at as i64, start, Some(end), step) {
                        Some(v) if valid => view = v,
                        _ => valid = false,
                    }
                    at += 1;
                }
                3 => {
                    items.push(IndexItem::NewAxis);
                    items.push(IndexItem::Range {
                        start: Bound::Unbounded,
                        end: Bound::Unbounded,
                        step: 1,
                    });
                    if valid {
                        view = view.unsqueeze(at as i64).expect("a place");
                    }
                    at += 2;
                }
                _ => {
                    // The rest is left out, or stands for itself.
                    if self.draw.bit() {
                        items.push(IndexItem::Ellipsis);
                    }
                    let _ = d;
                    break;
                }
            }
        }
        let view = valid.then_some(view);
        self.exact("index", x, &items, got.index(&items[..]), view.clone());
        // The part is written, and read again.
        let value = T::any(&mut self.draw);
        if let (Some(view), Ok(changed)) =
            (view, got.slice_assign(&items[..], Tensor::scalar(value)))
        {
            let part = view.map(|_| value.to_f64());
            self.exact(
                "slice_assign",
                x,
                &items,
                changed.index(&items[..]),
                Some(part),
            );
        }
        // Places picked by a tensor, along the first dimension.
        if want.ndim() > 0 {
            let shape = self.draw.shape(2, 6);
            let index = self.places(&shape, want.shape[0], true);
            let size = want.shape[0] as i64;
            let inside = index
                .want
                .data
                .iter()
                .all(|i| (-size..size).contains(&(*i as i64)));
            let picked = inside.then(|| {
                Array::build(&[&shape[..], &want.shape[1..]].concat(), |at| {
                    let i = index.want.at(&at[..shape.len()]) as i64;
                    let i = if i < 0 { i + size } else { i } as usize;
                    want.at(&[&[i], &at[shape.len()..]].concat())
                })
            });
            self.exact(
                "index by places",
                x,
                &index.want,
                got.index(&index.got),
                picked,
            );
        }
    }
}

/// `f(there, src)` at the places of an index, one after the other.
pub fn scatter(
    x: &Array<f64>,
    dim: i64,
    index: &Array<f64>,
    src: &Array<f64>,
    f: impl Fn(f64, f64) -> f64,
) -> Option<Array<f64>> {
    let d = wrap(dim, x.ndim())?;
    let n = x.shape.get(d).copied().unwrap_or(1) as f64;
    let fits = index.ndim().max(1) == x.ndim().max(1)
        && src.ndim() == index.ndim()
        && (index.shape.iter().zip(&x.shape).enumerate()).all(|(e, (i, n))| e == d || i <= n)
        && index.shape.iter().zip(&src.shape).all(|(i, s)| i <= s)
        && index.data.iter().all(|i| (0.0..n).contains(i));
    if !fits {
        return None;
    }
    let mut out = x.clone();
    for at in indices(&index.shape) {
        let mut own = at.clone();
        if let Some(o) = own.get_mut(d) {
            *o = index.at(&at) as usize;
        }
        own.truncate(x.ndim());
        if own.len() < x.ndim() {
            own = vec![index.at(&at) as usize];
        }
        let place = own.iter().zip(&x.shape).fold(0, |p, (i, n)| p * n + i);
        out.data[place] = f(out.data[place], src.at(&at));
    }
    Some(out)
}
