//! Activations, and the operations that are made of others.

use super::number::{larger, smaller};
use super::picks::{lib_axes, scatter};
use super::{Kind, KindNumber, Machine, Near, Pair, summed};
use crate::array::{Array, axes, matmul, was_too_large, wrap};
use tensor_core::{Float, Tensor};

/// The name, the function of a tensor, that of each of its elements, and how near it is; 0 stands for the same number.
type Activation<T> = (
    &'static str,
    fn(&Tensor<T>) -> Tensor<T>,
    fn(f64) -> f64,
    f64,
);

fn activations<T: Float>() -> [Activation<T>; 16] {
    [
        (
            "relu6",
            Tensor::relu6,
            |x| smaller(larger(x, 0.0), 6.0),
            0.0,
        ),
        (
            "hardtanh",
            |x| x.hardtanh(T::of(-0.5), T::of(1.5)),
            |x| smaller(larger(x, -0.5), 1.5),
            0.0,
        ),
        ("hardsigmoid", Tensor::hardsigmoid, hardsigmoid, 4.0),
        ("hardswish", Tensor::hardswish, |x| share(x, hardsigmoid(x)), 4.0),
        (
            "elu",
            |x| x.elu(T::of(0.5)),
            |x| if x > 0.0 { x } else { 0.5 * x.exp_m1() },
            8.0,
        ),
        (
            "celu",
            |x| x.celu(T::of(2.0)),
            |x| if x > 0.0 { x } else { 2.0 * (x / 2.0).exp_m1() },
            8.0,
        ),
        ("selu", Tensor::selu, selu, 8.0),
        ("silu", Tensor::silu, |x| share(x, sigmoid(x)), 8.0),
        ("softsign", Tensor::softsign, |x| x / (1.0 + x.abs()), 2.0),
        ("frac", Tensor::frac, |x| x - x.trunc(), 0.0),
        (
            "softshrink",
            |x| x.softshrink(T::of(0.5)),
            |x| {
                if x.is_nan() {
                    x
                } else {
                    (x - 0.5).max(0.0) + (x + 0.5).min(0.0)
                }
            },
            1.0,
        ),
        (
            "hardshrink",
            |x| x.hardshrink(T::of(0.5)),
            |x| if x.abs() <= 0.5 { 0.0 } else { x },
            0.0,
        ),
        (
            "threshold",
            |x| x.threshold(T::of(0.5), T::of(-2.0)),
            |x| if x <= 0.5 { -2.0 } else { x },
            0.0,
        ),
        (
            "nan_to_num",
            |x| x.nan_to_num(T::of(0.5), T::of(4.0), T::of(-4.0)),
            |x| match x {
                x if x.is_nan() => 0.5,
                x if x.is_infinite() => 4.0 * x.signum(),
                x => x,
            },
            0.0,
        ),
        (
            "softplus_with",
            |x| x.softplus_with(T::of(2.0), T::of(20.0)),
            |x| {
                if 2.0 * x > 20.0 {
                    x
                } else {
                    (2.0 * x).exp().ln_1p() / 2.0
                }
            },
            8.0,
        ),
        ("round_to", |x| x.round_to(0), f64::round_ties_even, 0.0),
    ]
}

fn hardsigmoid(x: f64) -> f64 {
    smaller(larger(x + 3.0, 0.0), 6.0) / 6.0
}

/// Klambauer and others (2017).
fn selu(x: f64) -> f64 {
    let (scale, alpha) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);
    scale * if x > 0.0 { x } else { alpha * x.exp_m1() }
}

/// `share` of `x`, which is nothing if it is 0.
fn share(x: f64, share: f64) -> f64 {
    if share == 0.0 { 0.0 } else { x * share }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Finite, and so small that a few products of such are finite in `f32`.
fn tame(x: &Array<f64>) -> bool {
    x.data.iter().all(|v| v.abs() < 1e6)
}

/// Sums of `n` products of these, or fewer.
fn of_sums(n: f64, sizes: &Option<Array<f64>>) -> Near<'_> {
    sizes.as_ref().map_or(Near::Exact, |s| Near::Of(n, s))
}

impl Machine<'_> {
    pub fn activation_step<T: Kind + Float>(&mut self) {
        let x: Pair<T> = self.take();
        let (got, want, n) = (&x.got, &x.want, x.want.ndim());
        let info = (T::DTYPE, want, got.strides());
        let which = self.draw.below(23);
        if let Some(&(name, f, by_one, ulps)) = activations::<T>().get(which) {
            let made = f(got);
            let wanted = want.map(|v| by_one(*v));
            self.settle(name, &info, Ok(made), Some(wanted), Near::Ulps(ulps));
            return;
        }
        match which {
            16 => {
                let bounded = want.map(|v| smaller(larger(*v, 0.25), 0.75));
                let (made, wanted) = (
                    got.logit(T::of(0.25)),
                    bounded.map(|x| (x / (1.0 - x)).ln()),
                );
                // Two logarithms below 2, which cancel at one half.
                let size = bounded.map(|_| 2.0);
                self.settle("logit", &info, Ok(made), Some(wanted), Near::Of(8.0, &size));
            }
            17 => {
                let channels = want.shape.get(1).copied().unwrap_or(1);
                let shape = [vec![], vec![1], vec![channels], vec![4]][self.draw.below(4)].clone();
                let w: Pair<T> = self.fresh(&shape);
                let fits = w.want.numel() == 1 || w.want.numel() == channels;
                let made = got.prelu(&w.got);
                let wanted = fits.then(|| {
                    Array::build(&want.shape, |at| {
                        let one = w.want.numel() == 1;
                        let slope = w.want.data[if one { 0 } else { at[1] }];
                        let v = want.at(at);
                        if v > 0.0 { v } else { slope * v }
                    })
                });
                self.settle("prelu", &(info, &w.want), made, wanted, Near::Ulps(1.0));
            }
            18 => {
                let dim = self.draw.dim(n);
                let size = want.real(dim).map(|d| want.shape[d]);
                let half = size.filter(|n| n % 2 == 0).map(|n| n / 2);
                let wanted = half.and_then(|half| {
                    let a = want.narrow(dim, 0, half)?;
                    a.zip(&want.narrow(dim, half as i64, half)?, |a, b| a * sigmoid(b))
                });
                let made = got.glu(dim as isize);
                // A gate may be 0 in `f32` alone.
                if want.data.iter().all(|v| v.abs() < 80.0) {
                    self.settle("glu", &(info, dim), made, wanted, Near::Ulps(8.0));
                }
            }
            19 => {
                let (dims, keep) = (self.draw.axes(n), self.draw.bit());
                let (gone, to) = (axes(&dims, n), lib_axes(&dims, keep));
                let fold = |f: fn(&[f64]) -> f64| {
                    let numbers = |all: &[f64]| -> Vec<f64> {
                        all.iter().copied().filter(|v| !v.is_nan()).collect()
                    };
                    (gone.as_ref()).map(|gone| want.fold(gone, keep, |all| f(&numbers(all))))
                };
                let (sum, size) = (
                    fold(|all| all.iter().sum()),
                    fold(|all| all.iter().map(|v| v.abs()).sum()),
                );
                let units = summed::<T>(want.numel());
                let made = got.nansum(&to);
                let info = (info, &dims, keep);
                self.settle("nansum", &info, made, sum, of_sums(units, &size));
                if tame(&want.map(|v| if v.is_nan() { 0.0 } else { *v })) {
                    let mean = fold(|all| all.iter().sum::<f64>() / all.len() as f64);
                    let size =
                        fold(|all| all.iter().map(|v| v.abs()).sum::<f64>() / all.len() as f64);
                    let near = of_sums(units + 2.0, &size);
                    self.settle("nanmean", &info, got.nanmean(&to), mean, near);
                }
            }
            20 => {
                let (a, b): (Pair<T>, Pair<T>) = (self.beside(&x), self.beside(&x));
                let quotient = a.want.zip(&b.want, |a, b| 2.0 * a / b);
                let zip = |f: fn(f64, f64) -> f64| want.zip(quotient.as_ref()?, f);
                let (sum, size) = (zip(|x, q| x + q), zip(|x, q| x.abs() + q.abs()));
                let made = got.addcdiv(&a.got, &b.got, T::of(2.0));
                if quotient.as_ref().is_none_or(tame) && tame(want) {
                    let info = (info, &a.want, &b.want);
                    self.settle("addcdiv", &info, made, sum, of_sums(4.0, &size));
                }
            }
            21 => {
                let y: Pair<T> = self.beside(&x);
                let two = self.draw.bit();
                let made = if two {
                    got.logaddexp2(&y.got)
                } else {
                    got.logaddexp(&y.got)
                };
                let base = if two { 2f64 } else { std::f64::consts::E };
                let sum = want.zip(&y.want, |a, b| {
                    let high = larger(a, b);
                    if a == b && a.is_infinite() {
                        return a;
                    }
                    high + base.powf(-(a - b).abs()).ln_1p() / base.ln()
                });
                let size = want.zip(&y.want, |a, b| a.abs() + b.abs() + 1.0);
                let info = (info, &y.want, two);
                self.settle("logaddexp", &info, made, sum, of_sums(8.0, &size));
            }
            _ => {
                let y: Pair<T> = self.beside(&x);
                let nan_last = |f: fn(f64, f64) -> f64| want.zip(&y.want, f);
                let (name, made, wanted) = match self.draw.below(3) {
                    0 => ("fmax", got.fmax(&y.got), nan_last(f64::max)),
                    1 => ("fmin", got.fmin(&y.got), nan_last(f64::min)),
                    // The sign of a NaN is its own.
                    _ if y.want.data.iter().any(|v| v.is_nan()) => return,
                    _ => ("copysign", got.copysign(&y.got), nan_last(f64::copysign)),
                };
                self.exact(name, &x, &(want, &y.want), made, wanted);
            }
        }
    }

    pub fn composed_step<T: KindNumber>(&mut self) {
        let x: Pair<T> = self.take();
        let (got, want, n) = (&x.got, &x.want, x.want.ndim());
        let info = (T::DTYPE, want, got.strides());
        let dim = self.draw.dim(n);
        let size = wrap(dim, n).map(|d| want.shape.get(d).copied().unwrap_or(1));
        match self.draw.below(8) {
            0 => {
                let (low, high): (Pair<T>, Pair<T>) = (self.beside(&x), self.beside(&x));
                let wanted = want.zip(&low.want, larger);
                let wanted = wanted.and_then(|v| v.zip(&high.want, smaller));
                let made = got.clamp_with(&low.got, &high.got);
                self.exact("clamp_with", &x, &(&low.want, &high.want), made, wanted);
            }
            1 => {
                let left = want.real(dim).map(|d| want.shape[d].saturating_sub(1));
                let wanted = left.and_then(|left| {
                    if want.shape[want.real(dim)?] == 0 {
                        return Some(want.clone());
                    }
                    let earlier = want.narrow(dim, 0, left)?;
                    want.narrow(dim, 1, left)?.zip(&earlier, |b, a| b - a)
                });
                let made = got.diff(1, dim as isize);
                self.settle("diff", &(info, dim), made, wanted, Near::Ulps(1.0));
            }
            2 => {
                let diagonal = (n == 2).then(|| want.diagonal(0, 0, 1)).flatten();
                let over = |f: fn(f64) -> f64| {
                    let sum = |d: &Array<f64>| d.data.iter().map(|v| f(*v)).sum();
                    diagonal.as_ref().map(|d| Array::scalar(sum(d)))
                };
                let (sum, size) = (over(|v| v), over(f64::abs));
                let near = of_sums(summed::<T>(want.numel()), &size);
                self.settle("trace", &info, got.trace(), sum, near);
            }
            3 => {
                // The most frequent, the least of several.
                let mode = |line: &[f64]| {
                    let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
                    let count = |a: f64| line.iter().filter(|b| same(a, **b)).count();
                    let most = line.iter().map(|v| count(*v)).max().unwrap_or(0);
                    let best = line.iter().copied().filter(|v| count(*v) == most);
                    best.reduce(|a, b| if a < b || b.is_nan() { a } else { b })
                        .unwrap_or(f64::NAN)
                };
                let gone = axes(&Some(vec![dim]), n).filter(|_| size != Some(0));
                let wanted = gone.map(|gone| want.fold(&gone, false, mode));
                let made = got.mode(dim as isize).map(|m| m.0);
                self.exact("mode", &x, &(dim, want), made, wanted);
            }
            4 => {
                let Some(d) = want.real(dim) else { return };
                let index = self.index_for(&[want.shape[d]], 0);
                let mut shape = want.shape.clone();
                shape[d] = index.want.numel();
                let src: Pair<T> = self.fresh(&shape);
                let spread = (index.want.ndim() == 1)
                    .then(|| Array::build(&shape, |at| index.want.data[at[d]]));
                let add = |a: &Array<f64>, b: &Array<f64>, f: fn(f64, f64) -> f64| {
                    scatter(a, dim, spread.as_ref()?, b, f)
                };
                let sum = add(want, &src.want, |a, b| a + b);
                let size = add(&want.map(|v| v.abs()), &src.want, |a, b| a + b.abs());
                let copied = add(want, &src.want, |_, b| b);
                // What the reference has no room for stands for no error of either call.
                if was_too_large() {
                    return;
                }
                let made = got.index_add(dim as isize, &index.got, &src.got);
                let info = (info, dim, &index.want, &src.want);
                self.settle("index_add", &info, made, sum, of_sums(100.0, &size));
                let made = got.index_copy(dim as isize, &index.got, &src.got);
                self.settle("index_copy", &info, made, copied, Near::Exact);
            }
            5 => {
                let y: Pair<T> = self.take();
                if want.numel() * y.want.numel() > 600 {
                    return;
                }
                let n = n.max(y.want.ndim());
                let padded =
                    |x: &Array<f64>| x.with_shape([&vec![1; n - x.ndim()], &x.shape[..]].concat());
                let (Some(a), Some(b)) = (padded(want), padded(&y.want)) else {
                    return;
                };
                let shape: Vec<usize> = a.shape.iter().zip(&b.shape).map(|(a, b)| a * b).collect();
                let wanted = Array::build(&shape, |at| {
                    let pairs = || at.iter().zip(&b.shape);
                    let (outer, inner): (Vec<usize>, Vec<usize>) =
                        pairs().map(|(i, n)| (i / n, i % n)).unzip();
                    a.at(&outer) * b.at(&inner)
                });
                let made = got.kron(&y.got);
                self.settle(
                    "kron",
                    &(info, &y.want),
                    made,
                    Some(wanted),
                    Near::Ulps(1.0),
                );
            }
            6 => {
                let (m, k, n) = (self.draw.below(5), self.draw.below(5), self.draw.below(5));
                let (a, b): (Pair<T>, Pair<T>) = (self.fresh(&[m, k]), self.fresh(&[k, n]));
                if !(tame(&a.want) && tame(&b.want) && tame(want)) {
                    return;
                }
                let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
                let abs = |x: &Array<f64>| x.map(|v| v.abs());
                let to = [m as i64, n as i64];
                let wide = want.broadcast_to(&to);
                let sum = |c: &Option<Array<f64>>, a: &Array<f64>, b: &Array<f64>| {
                    c.as_ref()?
                        .zip(&matmul(a, b, dot)?, |c, p| 3.0 * c + 2.0 * p)
                };
                let wanted = sum(&wide, &a.want, &b.want);
                let size = sum(&wide.as_ref().map(abs), &abs(&a.want), &abs(&b.want));
                let (beta, alpha) = (T::from_i64(3), T::from_i64(2));
                let made = got.addmm(&a.got, &b.got, beta, alpha);
                let near = of_sums(k as f64 + 6.0, &size);
                self.settle("addmm", &(info, &a.want, &b.want), made, wanted, near);
            }
            _ => {
                let k = want.shape.last().copied().unwrap_or(1);
                let rows = self.draw.below(4);
                let y: Pair<T> = if self.draw.bit() {
                    self.fresh(&[rows, k])
                } else {
                    self.take()
                };
                if n == 0 || y.want.ndim() == 0 || y.want.numel() * want.numel() > 20_000 {
                    return;
                }
                if !(tame(want) && tame(&y.want)) {
                    return;
                }
                let fits = y.want.shape.last() == Some(&k);
                let by = y.want.ndim() - 1;
                let shape = [&want.shape[..n - 1], &y.want.shape[..by]].concat();
                let inner = |f: fn(f64) -> f64| {
                    fits.then(|| {
                        Array::build(&shape, |at| {
                            let (a, b) = at.split_at(n - 1);
                            let of = |x: &Array<f64>, at: &[usize], l| x.at(&[at, &[l]].concat());
                            (0..k).map(|l| f(of(want, a, l) * of(&y.want, b, l))).sum()
                        })
                    })
                };
                let (wanted, size) = (inner(|v| v), inner(f64::abs));
                let made = got.inner(&y.got);
                let near = of_sums(k as f64 + 2.0, &size);
                self.settle("inner", &(info, &y.want), made, wanted, near);
            }
        }
    }

    pub fn turn_step<T: Kind>(&mut self) {
        let x: Pair<T> = self.take();
        let (got, want, n) = (&x.got, &x.want, x.want.ndim());
        let (a, b) = (self.draw.dim(n), self.draw.dim(n));
        match self.draw.below(5) {
            0 => {
                let wanted = want.transpose(a, b);
                let made = got.swapdims(a as isize, b as isize);
                self.exact("swapdims", &x, &(a, b), made, wanted);
            }
            1 => {
                let k = self.draw.between(-5, 5);
                let plane = crate::array::wrap_all(&[a, b], n).filter(|_| n > 0);
                let quarter = |x: &Array<f64>, a: usize, b: usize| {
                    let mut shape = x.shape.clone();
                    shape.swap(a, b);
                    Array::build(&shape, |at| {
                        let mut own = at.to_vec();
                        (own[a], own[b]) = (at[b], x.shape[b] - 1 - at[a]);
                        x.at(&own)
                    })
                };
                let wanted = plane.map(|plane| {
                    (0..k.rem_euclid(4)).fold(want.clone(), |x, _| quarter(&x, plane[0], plane[1]))
                });
                let made = got.rot90(k as isize, [a as isize, b as isize]);
                self.exact("rot90", &x, &(k, a, b), made, wanted);
            }
            2 => {
                let offset = self.draw.between(-3, 3);
                let wanted = match *want.shape {
                    [n] => {
                        let wide = n + offset.unsigned_abs() as usize;
                        Some(Array::build(&[wide, wide], |at| {
                            let (row, column) = (at[0] as i64, at[1] as i64);
                            if column - row == offset {
                                want.data[row.min(column) as usize]
                            } else {
                                0.0
                            }
                        }))
                    }
                    [_, _] => want.diagonal(offset, 0, 1),
                    _ => None,
                };
                self.exact("diag", &x, &offset, got.diag(offset as isize), wanted);
            }
            3 => {
                let Some(d) = want.real(a) else { return };
                let len = self.draw.below(4);
                let size = want.shape[d] as i64;
                let places: Vec<i64> = (0..len)
                    .map(|_| self.draw.whole(-size, (size - 1).max(-size)))
                    .collect();
                let value = T::any(&mut self.draw);
                let inside = places.iter().all(|i| (-size..size).contains(i));
                let wanted = inside.then(|| {
                    Array::build(&want.shape, |at| {
                        let i = at[d] as i64;
                        let named = places.contains(&i) || places.contains(&(i - size));
                        if named { value.to_f64() } else { want.at(at) }
                    })
                });
                let made = got.index_fill(a as isize, &Tensor::from(places.clone()), value);
                self.exact("index_fill", &x, &(a, places, value), made, wanted);
            }
            _ => {
                let y: Pair<T> = self.take();
                let line = |x: &Array<f64>| x.ndim() < 2;
                if want.numel() * y.want.numel() > 600 {
                    return;
                }
                let shape = [want.numel(), y.want.numel()];
                let both = line(want) && line(&y.want);
                let first = both.then(|| Array::build(&shape, |at| want.data[at[0]]));
                let second = both.then(|| Array::build(&shape, |at| y.want.data[at[1]]));
                let grid = Tensor::meshgrid(&[got, &y.got]);
                let part = |i: usize| grid.clone().map(|all| all[i].clone());
                self.exact("meshgrid", &x, &&y.want.shape, part(0), first);
                self.exact("meshgrid", &x, &&y.want.shape, part(1), second);
            }
        }
    }
}
