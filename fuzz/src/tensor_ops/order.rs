//! Orders, extremes and running results along a dimension.

use super::number::{larger, smaller};
use super::picks::scatter;
use super::{KindNumber, Machine, Near, Pair};
use crate::array::{Array, axes, wrap};
use std::cmp::Ordering;

/// NaN is larger than all else.
fn order(a: f64, b: f64) -> Ordering {
    (a.is_nan().cmp(&b.is_nan())).then(a.partial_cmp(&b).unwrap_or(Ordering::Equal))
}

/// The places of a line in order, equal elements as they stand.
fn sorted(line: &[f64], descending: bool) -> Vec<usize> {
    let mut places: Vec<usize> = (0..line.len()).collect();
    places.sort_by(|&i, &j| {
        let o = order(line[i], line[j]);
        if descending { o.reverse() } else { o }
    });
    places
}

/// The first place that is better than all before it; that of the first NaN if there is one.
fn best(line: &[f64], better: fn(f64, f64) -> bool) -> usize {
    let nan = line.iter().position(|v| v.is_nan());
    nan.unwrap_or_else(|| {
        (0..line.len()).fold(
            0,
            |best, i| if better(line[i], line[best]) { i } else { best },
        )
    })
}

impl Machine<'_> {
    pub fn order_step<T: KindNumber>(&mut self) {
        let x: Pair<T> = self.take();
        let (got, want, n) = (&x.got, &x.want, x.want.ndim());
        let dim = self.draw.dim(n);
        let to = dim as isize;
        let size = wrap(dim, n).map(|d| want.shape.get(d).copied().unwrap_or(1));
        match self.draw.below(8) {
            0 => {
                let down = self.draw.bit();
                let places = want.lines(dim, |line| {
                    sorted(line, down).iter().map(|&i| i as f64).collect()
                });
                self.exact("argsort", &x, &(dim, down), got.argsort(to, down), places);
                let values = want.lines(dim, |line| {
                    sorted(line, down).iter().map(|&i| line[i]).collect()
                });
                self.exact(
                    "sort",
                    &x,
                    &(dim, down),
                    got.sort(to, down).map(|y| y.0),
                    values,
                );
            }
            1 => {
                let (k, largest) = (self.draw.size(5), self.draw.bit());
                let values = want.lines(dim, |line| {
                    sorted(line, largest).iter().map(|&i| line[i]).collect()
                });
                let first = match (values, size) {
                    (Some(all), Some(size)) if k <= size => match (n, k) {
                        (0, 1) => Some(all),
                        (0, _) => Some(Array {
                            shape: vec![0],
                            data: vec![],
                        }),
                        _ => all.narrow(dim, 0, k),
                    },
                    _ => None,
                };
                self.exact(
                    "topk",
                    &x,
                    &(k, dim, largest),
                    got.topk(k, to, largest).map(|y| y.0),
                    first,
                );
            }
            2 => {
                let k = self.draw.size(4);
                let values = want.lines(dim, |line| {
                    sorted(line, false).iter().map(|&i| line[i]).collect()
                });
                let nth = match (values, size) {
                    (Some(all), Some(size)) if 0 < k && k <= size => {
                        if n == 0 {
                            Some(all)
                        } else {
                            all.select(dim, k as i64 - 1)
                        }
                    }
                    _ => None,
                };
                self.exact(
                    "kthvalue",
                    &x,
                    &(k, dim),
                    got.kthvalue(k, to).map(|y| y.0),
                    nth,
                );
            }
            3 => {
                let least = self.draw.bit();
                let better: fn(f64, f64) -> bool = if least { |a, b| a < b } else { |a, b| a > b };
                let gone: Option<Vec<bool>> = axes(&Some(vec![dim]), n).filter(|_| size != Some(0));
                let place = gone
                    .as_ref()
                    .map(|gone| want.fold(gone, false, |line| best(line, better) as f64));
                let value = gone
                    .as_ref()
                    .map(|gone| want.fold(gone, false, |line| line[best(line, better)]));
                let (arg, extreme) = if least {
                    (got.argmin(to), got.min_dim(to))
                } else {
                    (got.argmax(to), got.max_dim(to))
                };
                self.exact("arg of an extreme", &x, &(dim, least), arg, place);
                self.exact("extreme", &x, &(dim, least), extreme.map(|y| y.0), value);
            }
            4 => {
                let gone: Option<Vec<bool>> = axes(&Some(vec![dim]), n).filter(|_| size != Some(0));
                let middle = |line: &[f64]| {
                    let nan = line.iter().any(|v| v.is_nan());
                    if nan {
                        f64::NAN
                    } else {
                        line[sorted(line, false)[(line.len() - 1) / 2]]
                    }
                };
                let median = gone.map(|gone| want.fold(&gone, false, middle));
                self.exact(
                    "median_dim",
                    &x,
                    &dim,
                    got.median_dim(to).map(|y| y.0),
                    median,
                );
            }
            5 => {
                let size = want.lines(dim, |line| running(line, 0.0, |a, b| a + b.abs()));
                let sums = want.lines(dim, |line| running(line, 0.0, |a, b| a + b));
                let near = size.as_ref().map_or(Near::Exact, |s| Near::Of(2.0, s));
                let info = (T::DTYPE, &want.shape, got.strides(), dim);
                self.settle("cumsum", &info, got.cumsum(to), sums, near);
            }
            6 => {
                let least = self.draw.bit();
                let values = want.lines(dim, |line| {
                    let mut so_far = line.first().copied().unwrap_or(0.0);
                    (line.iter())
                        .map(|&v| {
                            so_far = if least {
                                smaller(so_far, v)
                            } else {
                                larger(so_far, v)
                            };
                            so_far
                        })
                        .collect()
                });
                let made = if least {
                    got.cummin(to)
                } else {
                    got.cummax(to)
                };
                self.exact(
                    "running extreme",
                    &x,
                    &(dim, least),
                    made.map(|y| y.0),
                    values,
                );
            }
            _ => {
                let index = self.index_for(&want.shape, dim);
                let src: Pair<T> = if self.draw.rarely(8) {
                    self.take()
                } else {
                    self.fresh(&index.want.shape)
                };
                let sum = scatter(want, dim, &index.want, &src.want, |a, b| a + b);
                let size = scatter(
                    &want.map(|v| v.abs()),
                    dim,
                    &index.want,
                    &src.want,
                    |a, b| a + b.abs(),
                );
                // Added one after the other, each sum rounded.
                let near = size.as_ref().map_or(Near::Exact, |s| Near::Of(100.0, s));
                let info = (
                    T::DTYPE,
                    &want.shape,
                    got.strides(),
                    dim,
                    &index.want,
                    &src.want.shape,
                );
                self.settle(
                    "scatter_add",
                    &info,
                    got.scatter_add(to, &index.got, &src.got),
                    sum,
                    near,
                );
            }
        }
    }
}

fn running(line: &[f64], start: f64, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut so_far = start;
    (line.iter())
        .map(|&v| {
            so_far = f(so_far, v);
            so_far
        })
        .collect()
}
