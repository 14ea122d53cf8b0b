//! Functions of floats: of one element, of two, and of rows.

use super::number::larger;
use super::picks::lib_axes;
use super::{Kind, Machine, Near, Pair, epsilon, summed};
use crate::array::{Array, axes};
use tensor_core::{Float, Result, Tensor};

/// A function of a tensor, and of each of its elements.
type One<T> = (&'static str, fn(&Tensor<T>) -> Tensor<T>, fn(f64) -> f64);

type Lonely<T> = (&'static str, fn(&Tensor<T>) -> Tensor<T>);

/// The name, the result, the function of two elements, and how near it is.
type Two<T> = (&'static str, Result<Tensor<T>>, fn(f64, f64) -> f64, f64);

/// Functions of one element that the standard library knows too.
fn ones<T: Float>() -> [One<T>; 30] {
    [
        ("exp", Tensor::exp, f64::exp),
        ("exp2", Tensor::exp2, f64::exp2),
        ("expm1", Tensor::expm1, f64::exp_m1),
        ("log", Tensor::log, f64::ln),
        ("log2", Tensor::log2, f64::log2),
        ("log10", Tensor::log10, f64::log10),
        ("log1p", Tensor::log1p, f64::ln_1p),
        ("sqrt", Tensor::sqrt, f64::sqrt),
        ("rsqrt", Tensor::rsqrt, |x| 1.0 / x.sqrt()),
        ("cbrt", Tensor::cbrt, f64::cbrt),
        ("reciprocal", Tensor::reciprocal, f64::recip),
        ("sin", Tensor::sin, f64::sin),
        ("cos", Tensor::cos, f64::cos),
        ("tan", Tensor::tan, f64::tan),
        ("asin", Tensor::asin, f64::asin),
        ("acos", Tensor::acos, f64::acos),
        ("atan", Tensor::atan, f64::atan),
        ("sinh", Tensor::sinh, f64::sinh),
        ("cosh", Tensor::cosh, f64::cosh),
        ("tanh", Tensor::tanh, f64::tanh),
        ("asinh", Tensor::asinh, f64::asinh),
        ("acosh", Tensor::acosh, acosh),
        ("atanh", Tensor::atanh, atanh),
        ("sigmoid", Tensor::sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
        ("softplus", Tensor::softplus, softplus),
        ("log_sigmoid", Tensor::log_sigmoid, |x| -softplus(-x)),
        ("floor", Tensor::floor, f64::floor),
        ("ceil", Tensor::ceil, f64::ceil),
        ("trunc", Tensor::trunc, f64::trunc),
        ("round", Tensor::round, f64::round_ties_even),
    ]
}

/// Functions without a counterpart there: each element by itself is the reference, which holds lanes and layouts.
fn lonely<T: Float>() -> [Lonely<T>; 6] {
    [
        ("erf", Tensor::erf),
        ("erfc", Tensor::erfc),
        ("lgamma", Tensor::lgamma),
        ("digamma", Tensor::digamma),
        ("gelu", Tensor::gelu),
        ("mish", Tensor::mish),
    ]
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The standard library's own cancels close to 1.
fn acosh(x: f64) -> f64 {
    let t = x - 1.0;
    if (0.0..0.5).contains(&t) {
        (t + (2.0 * t + t * t).sqrt()).ln_1p()
    } else {
        x.acosh()
    }
}

/// The standard library's own cancels below -0.5.
fn atanh(x: f64) -> f64 {
    x.abs().atanh().copysign(x)
}

/// `ln Σ e^x`, of which the largest term is taken out.
fn logsumexp(all: &[f64]) -> f64 {
    let top = all.iter().copied().fold(f64::NEG_INFINITY, larger);
    if !top.is_finite() {
        return top;
    }
    top + all.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

impl Machine<'_> {
    pub fn real_step<T: Kind + Float>(&mut self) {
        match self.draw.below(3) {
            0 => self.unary_step::<T>(),
            1 => self.binary_step::<T>(),
            _ => self.row_step::<T>(),
        }
    }

    fn unary_step<T: Kind + Float>(&mut self) {
        let x: Pair<T> = self.take();
        let info = (T::DTYPE, &x.want.shape, x.got.strides());
        let which = self.draw.below(40);
        if let Some((name, f, by_one)) = ones::<T>().get(which) {
            let want = x.want.map(|v| by_one(*v));
            self.settle(
                name,
                &(info, &x.want.data),
                Ok(f(&x.got)),
                Some(want),
                Near::Ulps(8.0),
            );
            return;
        }
        if let Some((name, f)) = lonely::<T>().get(which - 30) {
            let want = x
                .want
                .map(|v| f(&Tensor::scalar(T::from_f64(*v))).to_vec()[0].f64());
            self.exact(name, &x, &(), Ok(f(&x.got)), Some(want));
            return;
        }
        match which {
            36 => self.exact(
                "isnan",
                &x,
                &(),
                Ok(x.got.isnan()),
                Some(x.want.map(|v| v.is_nan().into())),
            ),
            37 => self.exact(
                "isinf",
                &x,
                &(),
                Ok(x.got.isinf()),
                Some(x.want.map(|v| v.is_infinite().into())),
            ),
            38 => self.exact(
                "isfinite",
                &x,
                &(),
                Ok(x.got.isfinite()),
                Some(x.want.map(|v| v.is_finite().into())),
            ),
            _ => {
                let slope = T::of(0.25);
                let leaky = x.want.map(|&v| if v > 0.0 { v } else { 0.25 * v });
                self.settle(
                    "leaky_relu",
                    &info,
                    Ok(x.got.leaky_relu(slope)),
                    Some(leaky),
                    Near::Ulps(1.0),
                );
            }
        }
    }

    fn binary_step<T: Kind + Float>(&mut self) {
        let x: Pair<T> = self.take();
        let y: Pair<T> = self.beside(&x);
        let info = (T::DTYPE, &x.want, x.got.strides(), &y.want, y.got.strides());
        let (got, other) = (&x.got, &y.got);
        let (name, made, f, ulps): Two<T> = match self.draw.below(6) {
            0 => ("div", got.div(other), |a, b| a / b, 1.0),
            1 => ("atan2", got.atan2(other), f64::atan2, 8.0),
            2 => ("hypot", got.hypot(other), f64::hypot, 8.0),
            3 => (
                "xlogy",
                got.xlogy(other),
                |a, b| {
                    if a == 0.0 && !b.is_nan() {
                        0.0
                    } else {
                        a * b.ln()
                    }
                },
                8.0,
            ),
            4 => ("pow", got.pow(other), f64::powf, 16.0),
            _ => {
                let weight = T::of(0.25);
                let lerp = x.want.zip(&y.want, |a, b| a + 0.25 * (b - a));
                let size = x.want.zip(&y.want, |a, b| a.abs() + b.abs());
                let near = size.as_ref().map_or(Near::Exact, |s| Near::Of(3.0, s));
                let tame = |v: &Array<f64>| v.data.iter().all(|v| v.is_finite() && v.abs() < 1e30);
                if tame(&x.want) && tame(&y.want) {
                    self.settle("lerp", &info, got.lerp(other, weight.f64()), lerp, near);
                }
                return;
            }
        };
        self.settle(name, &info, made, x.want.zip(&y.want, f), Near::Ulps(ulps));
    }

    fn row_step<T: Kind + Float>(&mut self) {
        let x: Pair<T> = self.take();
        let (got, want, n) = (&x.got, &x.want, x.want.ndim());
        let tame = want.data.iter().all(|v| v.is_finite() && v.abs() < 1e30);
        let (dims, keep) = (self.draw.axes(n), self.draw.bit());
        let to = lib_axes(&dims, keep);
        let gone = axes(&dims, n);
        let fold = |f: &dyn Fn(&[f64]) -> f64| gone.as_ref().map(|gone| want.fold(gone, keep, f));
        let info = (T::DTYPE, want, got.strides(), &dims, keep);
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        match self.draw.below(7) {
            0 => {
                let size = fold(&|all| all.iter().map(|v| v.abs()).sum::<f64>() / all.len() as f64);
                let units = summed::<T>(want.numel());
                let near = size.as_ref().map_or(Near::Exact, |s| Near::Of(units, s));
                self.settle("mean", &info, got.mean(&to), fold(&mean), near);
            }
            1 if tame => {
                let correction = self.draw.between(0, 2);
                let var = |all: &[f64]| {
                    let m = mean(all);
                    let left = (all.len() as f64 - correction as f64).max(0.0);
                    all.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / left
                };
                // The mean is off by some units of its own size.
                let size = fold(&|all| {
                    let m = all.iter().map(|v| v.abs()).fold(0.0, f64::max);
                    let wide = all.len() as f64 * f64::EPSILON * m;
                    var(all).abs() + (wide * wide + wide * var(all).abs().sqrt()) / epsilon::<T>()
                });
                let near = size.as_ref().map_or(Near::Exact, |s| {
                    Near::Of(4.0 * summed::<T>(want.numel()), s)
                });
                self.settle(
                    "var",
                    &(info, correction),
                    got.var(&to, correction),
                    fold(&var),
                    near,
                );
            }
            2 => {
                let size = fold(&|all| logsumexp(all).abs() + (all.len().max(1) as f64).ln() + 1.0);
                let near = size.as_ref().map_or(Near::Exact, |s| {
                    Near::Of(8.0 * summed::<T>(want.numel()), s)
                });
                self.settle(
                    "logsumexp",
                    &info,
                    got.logsumexp(&to),
                    fold(&logsumexp),
                    near,
                );
            }
            3 | 4 => {
                let dim = self.draw.dim(n);
                let to = dim as isize;
                let log = self.draw.bit();
                let row = |line: &[f64]| -> Vec<f64> {
                    let total = logsumexp(line);
                    line.iter()
                        .map(|x| if log { x - total } else { (x - total).exp() })
                        .collect()
                };
                let rows = want.lines(dim, row);
                let size = want.lines(dim, |line| {
                    let total = logsumexp(line).abs() + (line.len() as f64).ln() + 1.0;
                    line.iter().map(|x| x.abs() + total).collect()
                });
                let info = (T::DTYPE, want, got.strides(), dim, log);
                if log {
                    let near = size.as_ref().map_or(Near::Exact, |s| {
                        Near::Of(8.0 * summed::<T>(want.numel()), s)
                    });
                    self.settle("log_softmax", &info, got.log_softmax(to), rows, near);
                } else if tame {
                    // The exponent is a difference in the type itself.
                    let size = size.and_then(|s| s.zip(rows.as_ref()?, |s, r| s * r.abs()));
                    let near = size.as_ref().map_or(Near::Exact, |s| {
                        Near::Of(8.0 * summed::<T>(want.numel()), s)
                    });
                    self.settle("softmax", &info, got.softmax(to), rows, near);
                }
            }
            5 if tame => {
                let p = self.draw.pick(&[
                    0.0,
                    1.0,
                    2.0,
                    3.0,
                    0.5,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                    -1.0,
                ]);
                let empty = gone
                    .as_ref()
                    .is_some_and(|gone| gone.iter().zip(&want.shape).any(|(g, n)| *g && *n == 0));
                let norm = |all: &[f64]| {
                    let sizes = all.iter().map(|v| v.abs());
                    match p {
                        0.0 => sizes.filter(|v| *v != 0.0).count() as f64,
                        f64::INFINITY => sizes.fold(0.0, f64::max),
                        f64::NEG_INFINITY => sizes.fold(f64::INFINITY, f64::min),
                        _ => sizes.map(|v| v.powf(p)).sum::<f64>().powf(1.0 / p),
                    }
                };
                let norms = fold(&norm).filter(|_| !(empty && (p < 0.0 || p.is_infinite())));
                self.settle(
                    "norm",
                    &(info, p),
                    got.norm(p, &to),
                    norms,
                    Near::Ulps(64.0),
                );
            }
            _ => {
                let dim = self.draw.dim(n);
                let sums = want.lines(dim, |line| {
                    (1..=line.len()).map(|k| logsumexp(&line[..k])).collect()
                });
                let size = want.lines(dim, |line| {
                    let most = line
                        .iter()
                        .map(|v| v.abs())
                        .filter(|v| v.is_finite())
                        .fold(0.0, f64::max);
                    vec![most + line.len() as f64; line.len()]
                });
                let near = size.as_ref().map_or(Near::Exact, |s| {
                    Near::Of(8.0 * summed::<T>(want.numel()), s)
                });
                let info = (T::DTYPE, want, got.strides(), dim);
                self.settle(
                    "logcumsumexp",
                    &info,
                    got.logcumsumexp(dim as isize),
                    sums,
                    near,
                );
            }
        }
    }
}
