//! Arithmetic, reductions and products of numbers.

use super::picks::lib_axes;
use super::{Kind, KindNumber, Machine, Near, Pair, summed};
use crate::array::{Array, axes, matmul};
use tensor_core::DType;

/// The larger of two; NaN stays.
pub fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

pub fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b { a } else { b }
}

impl Machine<'_> {
    pub fn number_step<T: KindNumber>(&mut self) {
        match self.draw.below(5) {
            4 => self.composed_step::<T>(),
            0 => self.arithmetic_step::<T>(),
            1 => self.reduce_step::<T>(),
            2 => self.order_step::<T>(),
            _ => self.product_step::<T>(),
        }
    }

    fn arithmetic_step<T: KindNumber>(&mut self) {
        let x: Pair<T> = self.take();
        let (got, want) = (&x.got, &x.want);
        // One operation of two numbers of this type is rounded once, whether in `f64` or not.
        let round = Near::Ulps(1.0);
        let info = (T::DTYPE, &want.shape, got.strides());
        match self.draw.below(12) {
            0 => self.exact("neg", &x, &(), Ok(got.neg()), Some(want.map(|v| -v))),
            1 => self.exact("abs", &x, &(), Ok(got.abs()), Some(want.map(|v| v.abs()))),
            2 => {
                let sign = |v: &f64| {
                    if *v > 0.0 {
                        1.0
                    } else if *v < 0.0 {
                        -1.0
                    } else {
                        0.0
                    }
                };
                self.exact("sign", &x, &(), Ok(got.sign()), Some(want.map(sign)));
            }
            3 => self.settle(
                "square",
                &info,
                Ok(got.square()),
                Some(want.map(|v| v * v)),
                round,
            ),
            4 => {
                let relu = |v: &f64| if *v > 0.0 || v.is_nan() { *v } else { 0.0 };
                self.exact("relu", &x, &(), Ok(got.relu()), Some(want.map(relu)));
            }
            5 => {
                let (low, high) = (self.bound::<T>(), self.bound::<T>());
                let clamp = |v: &f64| {
                    let v = low.map_or(*v, |l| larger(*v, l.to_f64()));
                    high.map_or(v, |h| smaller(v, h.to_f64()))
                };
                self.exact(
                    "clamp",
                    &x,
                    &(low, high),
                    Ok(got.clamp(low, high)),
                    Some(want.map(clamp)),
                );
            }
            6 => {
                let y: Pair<T> = self.beside(&x);
                let mut sum = got.clone();
                let same = want.shape == y.want.shape;
                let expected = want.zip(&y.want, |a, b| a + b).filter(|_| same);
                let made = sum.add_assign(&y.got).map(|()| sum);
                self.settle("add_assign", &(info, &y.want.shape), made, expected, round);
            }
            7 => {
                let (a, b): (Pair<T>, Pair<T>) = (self.beside(&x), self.beside(&x));
                // In this order it overflows where PyTorch's does.
                let product = a.want.zip(&b.want, |a, b| 2.0 * a * b);
                let sum = product.as_ref().and_then(|p| want.zip(p, |x, p| x + p));
                let size = product.and_then(|p| want.zip(&p, |x, p| x.abs() + p.abs()));
                let near = size.as_ref().map_or(Near::Exact, |s| Near::Of(4.0, s));
                let made = got.addcmul(&a.got, &b.got, T::from_i64(2));
                self.settle(
                    "addcmul",
                    &(info, &a.want.shape, &b.want.shape),
                    made,
                    sum,
                    near,
                );
            }
            _ => {
                let y: Pair<T> = self.beside(&x);
                let which = self.draw.below(9);
                let whole = T::DTYPE == DType::I64;
                if which >= 5 && whole && y.want.data.contains(&0.0) {
                    let made = got.remainder(&y.got);
                    assert!(
                        made.is_err() || y.want.numel() == 0,
                        "remainder {info:?} by 0"
                    );
                    return;
                }
                let f: fn(f64, f64) -> f64 = match which {
                    0 => |a, b| a + b,
                    1 => |a, b| a - b,
                    2 => |a, b| a * b,
                    3 => larger,
                    4 => smaller,
                    5 => |a, b| a % b,
                    6 => modulo,
                    _ => quotient,
                };
                let made = match which {
                    0 => got.add(&y.got),
                    1 => got.sub(&y.got),
                    2 => got.mul(&y.got),
                    3 => got.maximum(&y.got),
                    4 => got.minimum(&y.got),
                    5 => got.fmod(&y.got),
                    6 => got.remainder(&y.got),
                    _ => got.div_floor(&y.got),
                };
                let near = match which {
                    3..=5 => Near::Exact,
                    // A sum of remainder and divisor, or a quotient by it.
                    6.. => Near::Ulps(2.0),
                    _ => round,
                };
                let expected = want.zip(&y.want, f);
                self.settle(
                    "two numbers",
                    &(which, info, &y.want.shape),
                    made,
                    expected,
                    near,
                );
            }
        }
    }

    fn bound<T: Kind>(&mut self) -> Option<T> {
        self.draw.bit().then(|| T::any(&mut self.draw))
    }

    fn reduce_step<T: KindNumber>(&mut self) {
        let x: Pair<T> = self.take();
        let (got, want, n) = (&x.got, &x.want, x.want.ndim());
        let (dims, keep) = (self.draw.axes(n), self.draw.bit());
        let to = lib_axes(&dims, keep);
        let gone = axes(&dims, n);
        let fold = |f: &dyn Fn(&[f64]) -> f64| gone.as_ref().map(|gone| want.fold(gone, keep, f));
        let empty = gone
            .as_ref()
            .is_some_and(|gone| gone.iter().zip(&want.shape).any(|(g, n)| *g && *n == 0));
        let info = (T::DTYPE, &want.shape, got.strides(), &dims, keep);
        match self.draw.below(4) {
            0 => {
                let size = fold(&|all| all.iter().map(|v| v.abs()).sum());
                let units = summed::<T>(want.numel());
                let near = size.as_ref().map_or(Near::Exact, |s| Near::Of(units, s));
                let sum = fold(&|all| all.iter().sum());
                self.settle("sum", &info, got.sum(&to).map(|y| y.cast::<T>()), sum, near);
            }
            1 => {
                // Where the order of the factors decides about overflow, nothing is said.
                let most = if T::DTYPE == DType::I64 { 52.0 } else { 900.0 };
                let risky = |all: &[f64]| {
                    let logs = all.iter().map(|v| v.abs().log2().abs());
                    f64::from(logs.filter(|l| l.is_finite()).sum::<f64>() > most)
                };
                if fold(&risky).is_some_and(|d| d.data.contains(&1.0)) {
                    return;
                }
                let ulps = if T::DTYPE == DType::F64 { 300.0 } else { 1.0 };
                let product = fold(&|all| all.iter().product());
                self.settle("prod", &info, got.prod(&to), product, Near::Ulps(ulps));
            }
            2 => {
                let most = fold(&|all| all.iter().copied().fold(f64::NEG_INFINITY, larger));
                self.settle(
                    "max",
                    &info,
                    got.max(&to),
                    most.filter(|_| !empty),
                    Near::Exact,
                );
            }
            _ => {
                let least = fold(&|all| all.iter().copied().fold(f64::INFINITY, smaller));
                self.settle(
                    "min",
                    &info,
                    got.min(&to),
                    least.filter(|_| !empty),
                    Near::Exact,
                );
            }
        }
    }

    fn product_step<T: KindNumber>(&mut self) {
        let mut x: Pair<T> = self.take();
        if x.want.numel() > 120 {
            let shape = self.draw.shape(3, 60);
            x = self.fresh(&shape);
        }
        let (got, want, n) = (&x.got, &x.want, x.want.ndim());
        let y: Pair<T> = if self.draw.rarely(4) {
            self.take()
        } else {
            let k = want.shape.last().copied().unwrap_or(1);
            let columns = self.draw.below(6);
            match self.draw.below(3) {
                0 => self.fresh(&[k]),
                1 => self.fresh(&[k, columns]),
                _ => {
                    let batch = if n > 2 { want.shape[n - 3] } else { 2 };
                    self.fresh(&[batch, k, columns])
                }
            }
        };
        if y.want.numel() > 300 {
            return;
        }
        // It may lie otherwise in memory.
        let (other, seen) = if self.draw.bit() && y.want.ndim() > 1 {
            let turned = y.got.t().contiguous().t();
            (turned, y.want.clone())
        } else {
            (y.got.clone(), y.want.clone())
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
        let product = matmul(want, &seen, dot);
        let size = matmul(&want.map(|v| v.abs()), &seen.map(|v| v.abs()), dot);
        let k = want.shape.last().copied().unwrap_or(1) as f64;
        // In the type itself, not in a wider one: as many roundings as terms, and one for each product.
        let near = size.as_ref().map_or(Near::Exact, |s| Near::Of(k + 2.0, s));
        let special = |a: &Array<f64>| a.data.iter().any(|v| !v.is_finite() || v.abs() > 1e15);
        if special(want) || special(&seen) {
            // A sum that overflows, or of opposite infinities, depends on the order of its terms.
            let _ = got.matmul(&other).map(|y| y.to_vec());
            return;
        }
        let info = (
            T::DTYPE,
            &want.shape,
            got.strides(),
            &seen.shape,
            other.strides(),
        );
        let ranks = (n, seen.ndim());
        let (name, made, wanted) = match self.draw.below(5) {
            0 => ("mm", got.mm(&other), ranks == (2, 2)),
            1 => ("mv", got.mv(&other), ranks == (2, 1)),
            2 => (
                "bmm",
                got.bmm(&other),
                ranks == (3, 3) && want.shape[0] == seen.shape[0],
            ),
            3 => ("dot", got.dot(&other), ranks == (1, 1)),
            _ => ("matmul", got.matmul(&other), true),
        };
        self.settle(name, &info, made, product.filter(|_| wanted), near);
        let outer = (ranks == (1, 1)).then(|| {
            Array::build(&[want.shape[0], seen.shape[0]], |i| {
                want.data[i[0]] * seen.data[i[1]]
            })
        });
        self.settle("outer", &info, got.outer(&other), outer, Near::Ulps(1.0));
    }
}

/// The remainder with the sign of the divisor.
fn modulo(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        r + b
    } else {
        r
    }
}

/// The quotient rounded down, by way of the remainder.
fn quotient(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let r = a % b;
    let below = r != 0.0 && (r < 0.0) != (b < 0.0);
    (a - r) / b - f64::from(below)
}
