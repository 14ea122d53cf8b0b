//! Every operation over every layout, against the same operation on a contiguous copy and against plain loops.

#![allow(clippy::type_complexity)] // Tables of functions, which a name for each type would not make clearer.

use crate::common::{layouts, special, values};
use std::fmt::Debug;
use tensor_core::shape::Axes;
use tensor_core::{Element, Float, Result, Tensor, keepdim, unravel};

/// Shapes with and without elements, rows long enough to be read in place, and enough elements for threads.
const SHAPES: &[&[usize]] = &[
    &[],
    &[1],
    &[0],
    &[7],
    &[130],
    &[0, 3],
    &[3, 0],
    &[3, 5],
    &[1, 1, 1],
    &[2, 3, 4],
    &[4, 0, 2],
    &[2, 1, 3, 2],
    &[17, 70],
    &[70, 17],
    &[3, 40, 9],
];

/// As [`SHAPES`], and one that is split among threads.
fn shapes_and_large() -> impl Iterator<Item = &'static [usize]> {
    SHAPES.iter().copied().chain([&[300, 230][..]])
}

/// Whether two numbers have the same bits, or both are NaN.
fn same<T: Float>(a: T, b: T) -> bool {
    a.f64().to_bits() == b.f64().to_bits() || (a.is_nan_() && b.is_nan_())
}

#[track_caller]
fn assert_same<T: Float>(got: &Tensor<T>, want: &Tensor<T>, what: &str) {
    assert_eq!(got.shape(), want.shape(), "{what}");
    let (got, want) = (got.to_vec(), want.to_vec());
    let differs = (0..got.len()).find(|&i| !same(got[i], want[i]));
    if let Some(i) = differs {
        panic!("{what}: element {i} is {}, not {}", got[i], want[i]);
    }
}

#[track_caller]
fn assert_equal<T: Element + Debug>(got: &Tensor<T>, want: &Tensor<T>, what: &str) {
    assert_eq!(got.shape(), want.shape(), "{what}");
    assert_eq!(got.to_vec(), want.to_vec(), "{what}");
}

type UnaryRow<T> = (&'static str, fn(&Tensor<T>) -> Tensor<T>);

macro_rules! table {
    ($row:ident: $($name:ident)*) => { vec![$((stringify!($name), |x| x.$name())),*] };
}

fn unary_table<T: Float>() -> Vec<UnaryRow<T>> {
    let mut rows: Vec<UnaryRow<T>> = table!(x: neg abs sign square relu exp exp2 expm1 log log2 log10 log1p sqrt
        rsqrt cbrt reciprocal sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc lgamma digamma
        sigmoid softplus log_sigmoid floor ceil trunc round
        relu6 hardsigmoid hardswish selu softsign tanhshrink frac);
    let more: [UnaryRow<T>; 18] = [
        ("hardtanh", |x| x.hardtanh(T::of(-0.5), T::of(1.5))),
        ("celu", |x| x.celu(T::of(1.5))),
        ("softshrink", |x| x.softshrink(T::of(0.5))),
        ("hardshrink", |x| x.hardshrink(T::of(0.5))),
        ("threshold", |x| x.threshold(T::of(0.5), T::of(-2.0))),
        ("logit", |x| x.logit(T::of(0.1))),
        ("clamp below", |x| x.clamp(T::of(-0.5), None)),
        ("clamp", |x| x.clamp(T::of(-1.0), T::of(1.5))),
        ("clamp crossed", |x| x.clamp(T::of(1.0), T::of(-1.0))),
        ("clamp by nan", |x| x.clamp(None, T::NAN)),
        ("add a number", |x| x.add(1.5).unwrap()),
        ("number on the left", |x| 2.0 / x),
        ("pow 0", |x| x.pow(0).unwrap()),
        ("pow 2", |x| x.pow(2).unwrap()),
        ("pow 2.5", |x| x.pow(2.5).unwrap()),
        ("cast f64", |x| x.cast::<f64>().cast()),
        ("map", |x| x.map(|v| v + T::ONE)),
        ("contiguous", |x| x.contiguous()),
    ];
    rows.extend(more);
    rows
}

fn check_unary<T: Float>() {
    for shape in shapes_and_large() {
        for (layout, x) in layouts(shape, special::<T>) {
            let copy = x.contiguous();
            for (name, f) in unary_table::<T>() {
                assert_same(&f(&x), &f(&copy), &format!("{name} of {layout}"));
            }
            let tests: [fn(&Tensor<T>) -> Tensor<bool>; 5] = [
                |x| x.isnan(),
                |x| x.isinf(),
                |x| x.isfinite(),
                |x| x.logical_not(),
                |x| x.cast(),
            ];
            for f in tests {
                assert_equal(&f(&x), &f(&copy), &layout);
            }
            assert_equal(&x.cast::<i64>(), &copy.cast::<i64>(), &layout);
        }
    }
}

#[test]
fn functions_of_one_element() {
    check_unary::<f32>();
}

#[test]
fn functions_of_one_element_are_their_scalar_forms() {
    // One value against plain Rust keeps the table from comparing wrong with wrong.
    let rows: [(UnaryRow<f64>, fn(f64) -> f64); 8] = [
        (("neg", |x| x.neg()), |v| -v),
        (("abs", |x| x.abs()), f64::abs),
        (("square", |x| x.square()), |v| v * v),
        (("relu", |x| x.relu()), |v| if v > 0.0 { v } else { 0.0 }),
        (("sqrt", |x| x.sqrt()), f64::sqrt),
        (("floor", |x| x.floor()), f64::floor),
        (("round", |x| x.round()), f64::round_ties_even),
        (("clamp", |x| x.clamp(-1.0, 1.0)), |v| v.clamp(-1.0, 1.0)),
    ];
    for (layout, x) in layouts(&[5, 9], values::<f64>) {
        for ((name, f), scalar) in rows {
            let want: Vec<f64> = x.to_vec().into_iter().map(scalar).collect();
            let want = Tensor::from_vec(want, x.shape()).unwrap();
            assert_same(&f(&x), &want, &format!("{name} of {layout}"));
        }
    }
}

type BinaryRow<T, O> = (
    &'static str,
    fn(&Tensor<T>, &Tensor<T>) -> Result<Tensor<O>>,
);

fn binary_table<T: Float>() -> Vec<BinaryRow<T, T>> {
    macro_rules! rows {
        ($($name:ident)*) => { vec![$((stringify!($name), |a, b| a.$name(b))),*] };
    }
    rows!(add sub mul div maximum minimum atan2 hypot logaddexp xlogy fmod remainder pow)
}

fn compare_table<T: Element>() -> Vec<BinaryRow<T, bool>> {
    macro_rules! rows {
        ($($name:ident)*) => { vec![$((stringify!($name), |a, b| a.$name(b))),*] };
    }
    rows!(eq ne lt le gt ge logical_and logical_or logical_xor)
}

/// Tensors that broadcast with `shape`, or to it.
fn partners<T: Float>(shape: &[usize]) -> Vec<(String, Tensor<T>)> {
    let data = |n, seed| special(n, seed + 100);
    let mut all = layouts(shape, data);
    all.push(("scalar".into(), layouts(&[], data).remove(1).1));
    if let Some((&last, front)) = shape.split_last() {
        all.extend(layouts(&[last], data).into_iter().take(4));
        let column: Vec<usize> = front.iter().copied().chain([1]).collect();
        all.extend(layouts(&column, data).into_iter().take(4));
        let larger: Vec<usize> = [2].iter().chain(shape).copied().collect();
        all.extend(layouts(&larger, data).into_iter().take(3));
    }
    all
}

fn check_binary<T: Float>() {
    let shapes: [&[usize]; 8] = [
        &[],
        &[1],
        &[0],
        &[130],
        &[0, 3],
        &[3, 5],
        &[2, 3, 4],
        &[17, 70],
    ];
    for shape in shapes {
        for (left, a) in layouts(shape, special::<T>) {
            for (right, b) in partners::<T>(shape) {
                let what = |name: &str| format!("{name} of {left} and {right}");
                let shape = a.add(&b).unwrap().shape().to_vec();
                let (ca, cb) = (a.expand(&shape).unwrap(), b.expand(&shape).unwrap());
                let (ca, cb) = (ca.contiguous(), cb.contiguous());
                for (name, f) in binary_table::<T>() {
                    let want = f(&ca, &cb).unwrap();
                    assert_same(&f(&a, &b).unwrap(), &want, &what(name));
                    let swapped = f(&b, &a).unwrap();
                    assert_same(&swapped, &f(&cb, &ca).unwrap(), &what(name));
                }
                let sum: Vec<T> = (ca.to_vec().into_iter().zip(cb.to_vec()))
                    .map(|(a, b)| a + b)
                    .collect();
                let sum = Tensor::from_vec(sum, &shape).unwrap();
                assert_same(&a.add(&b).unwrap(), &sum, &what("add"));
                for (name, f) in compare_table::<T>() {
                    let want = f(&ca, &cb).unwrap();
                    assert_equal(&f(&a, &b).unwrap(), &want, &what(name));
                }
                let (mask, dense) = (b.gt(0.0).unwrap(), cb.gt(0.0).unwrap());
                let want: Vec<T> = (dense.to_vec().iter().zip(ca.to_vec()).zip(cb.to_vec()))
                    .map(|((&c, a), b)| if c { a } else { b })
                    .collect();
                let want = Tensor::from_vec(want, &shape).unwrap();
                assert_same(&mask.where_(&a, &b).unwrap(), &want, &what("where"));
                let filled = a.masked_fill(&mask, T::ONE).unwrap();
                let want = dense.where_(1.0, &ca).unwrap();
                assert_same(&filled, &want, &what("masked_fill"));
                let zipped = a.zip(&b, |a, b: T| a - b).unwrap();
                assert_same(&zipped, &a.sub(&b).unwrap(), &what("zip"));
            }
        }
    }
}

#[test]
fn functions_of_two_elements() {
    check_binary::<f64>();
}

#[test]
fn integers_and_truth_values() {
    let ints = |n: usize, seed: u64| -> Vec<i64> {
        values::<f64>(n, seed)
            .iter()
            .map(|v| (v * 100.0) as i64)
            .collect()
    };
    for shape in shapes_and_large() {
        for (layout, x) in layouts(shape, ints) {
            let copy = x.contiguous();
            for (name, f) in compare_table::<i64>() {
                let three = Tensor::scalar(3);
                assert_equal(&f(&x, &three).unwrap(), &f(&copy, &three).unwrap(), name);
            }
            assert_eq!(x.neg().to_vec(), copy.map(|v| -v).to_vec(), "{layout}");
            let sum: i64 = copy.to_vec().iter().sum();
            assert_eq!(x.sum(..).unwrap().item().unwrap(), sum, "{layout}");
            let odd = x.map(|v| v % 2 != 0);
            let count = odd.cast::<i64>().sum(..).unwrap().item().unwrap();
            let want = copy.to_vec().iter().filter(|v| *v % 2 != 0).count();
            assert_eq!(count, want as i64, "{layout}");
        }
    }
}

/// The elements that go into each result when the dimensions of `mask` are reduced, and the result's shapes without
/// and with those dimensions.
fn groups<T: Element>(x: &Tensor<T>, mask: &[bool]) -> (Vec<Vec<T>>, Vec<usize>, Vec<usize>) {
    let kept: Vec<usize> = (0..x.ndim()).filter(|&d| !mask[d]).collect();
    let left: Vec<usize> = kept.iter().map(|&d| x.shape()[d]).collect();
    let with_ones = (0..x.ndim())
        .map(|d| if mask[d] { 1 } else { x.shape()[d] })
        .collect();
    let mut groups = vec![Vec::new(); left.iter().product()];
    for (i, v) in x.to_vec().into_iter().enumerate() {
        let index = unravel(i, x.shape());
        let place = kept.iter().fold(0, |p, &d| p * x.shape()[d] + index[d]);
        groups[place].push(v);
    }
    (groups, left, with_ones)
}

/// Some lists of dimensions of `n`: none, each, all pairs, all; and their masks.
fn dim_lists(n: usize) -> Vec<(Vec<i64>, Vec<bool>)> {
    (0..1u32 << n)
        .map(|bits| {
            let dims = (0..n).filter(|d| bits >> d & 1 == 1);
            // Every other one is counted from the end.
            let named = dims.map(|d| {
                if d % 2 == 0 {
                    d as i64
                } else {
                    d as i64 - n as i64
                }
            });
            (
                named.rev().collect(),
                (0..n).map(|d| bits >> d & 1 == 1).collect(),
            )
        })
        .collect()
}

/// Runs a reduction over all lists of dimensions, with and without `keepdim`, and hands each result to `check` with
/// the elements that went into it.
fn each_reduction<T: Element, O: Element>(
    what: &str,
    x: &Tensor<T>,
    f: impl Fn(Axes) -> Result<Tensor<O>>,
    check: impl Fn(&str, O, &[T]),
) {
    for (dims, mask) in dim_lists(x.ndim()) {
        let what = format!("{what} over {dims:?}");
        let (groups, left, with_ones) = groups(x, &mask);
        let got = f(dims.clone().into()).unwrap_or_else(|e| panic!("{what}: {e}"));
        let kept = f(keepdim(dims)).unwrap();
        assert_eq!(
            (got.shape(), kept.shape()),
            (&left[..], &with_ones[..]),
            "{what}"
        );
        assert_eq!(got.to_vec().len(), groups.len());
        for ((got, again), group) in got.to_vec().into_iter().zip(kept.to_vec()).zip(&groups) {
            check(&what, got, group);
            check(&what, again, group);
        }
    }
    let all = f((..).into()).unwrap();
    assert_eq!(all.shape(), [0usize; 0]);
    check(what, all.item().unwrap(), &x.to_vec());
}

/// Within a rounding of `want` in type `T`, and what sums of numbers of size `scale` lose in `f64`.
#[track_caller]
fn assert_near<T: Float>(what: &str, got: T, want: f64, ulps: f64, scale: f64) {
    let smallest = T::TINY.f64() * T::EPSILON.f64();
    let bound = ulps * T::EPSILON.f64() * want.abs() + 1e-13 * scale + smallest;
    let close = (got.f64() - want).abs() <= bound;
    let equal = got.f64() == want || (got.is_nan_() && want.is_nan());
    assert!(close || equal, "{what}: {got}, not {want}");
}

/// A sum that recovers what each addition loses.
fn exact_sum(x: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0, 0.0);
    for v in x {
        let next: f64 = sum + v;
        let (large, small) = if f64::abs(sum) > v.abs() {
            (sum, v)
        } else {
            (v, sum)
        };
        lost += (large - next) + small;
        sum = next;
    }
    sum + lost
}

fn variance(x: &[f64], correction: f64) -> f64 {
    let n = x.len() as f64;
    let mean = exact_sum(x.iter().copied()) / n;
    exact_sum(x.iter().map(|v| (v - mean).powi(2))) / (n - correction).max(0.0)
}

fn log_sum_exp(x: &[f64]) -> f64 {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if x.iter().any(|v| v.is_nan()) {
        f64::NAN
    } else if max.is_infinite() {
        max
    } else {
        max + exact_sum(x.iter().map(|v| (v - max).exp())).ln()
    }
}

/// The place of the largest element, the first of several, and of the first NaN before all.
fn arg_largest<T: Float>(x: &[T], sign: T) -> usize {
    let nan = x.iter().position(|v| v.is_nan_());
    nan.unwrap_or_else(|| {
        let best = x.iter().fold(-T::INFINITY, |m, &v| m.max_(v * sign));
        x.iter().position(|&v| v * sign == best).unwrap()
    })
}

fn wide<T: Float>(x: &[T]) -> Vec<f64> {
    x.iter().map(|v| v.f64()).collect()
}

fn check_sums<T: Float>(layout: &str, x: &Tensor<T>) {
    let what = |name: &str| format!("{name} of {layout}");
    let size = |x: &[T]| x.iter().map(|v| v.f64().abs()).sum::<f64>();
    each_reduction(
        &what("sum"),
        x,
        |a| x.sum(a),
        |what, got, g| {
            assert_near(what, got, exact_sum(wide(g).into_iter()), 0.5, size(g));
        },
    );
    each_reduction(
        &what("mean"),
        x,
        |a| x.mean(a),
        |what, got, g| {
            let n = g.len() as f64;
            assert_near(
                what,
                got,
                exact_sum(wide(g).into_iter()) / n,
                0.5,
                size(g) / n,
            );
        },
    );
    each_reduction(
        &what("prod"),
        x,
        |a| x.prod(a),
        |what, got, g| {
            // A product of more would leave the range of `f64`, and then the order of its factors counts.
            if g.len() > 200 {
                return;
            }
            let want: f64 = wide(g).iter().product();
            // Beyond the range of `f32`, it is rounded to infinity or zero.
            let want = if T::of(want).finite() {
                want
            } else {
                T::of(want).f64()
            };
            assert_near(what, got, want, 0.5, want.abs());
        },
    );
    for correction in [0, 1] {
        let naive = |g: &[T]| variance(&wide(g), correction as f64);
        each_reduction(
            &what("var"),
            x,
            |a| x.var(a, correction),
            |what, got, g| {
                assert_near(what, got, naive(g), 0.5, size(g));
            },
        );
        each_reduction(
            &what("std"),
            x,
            |a| x.std(a, correction),
            |what, got, g| {
                assert_near(what, got, naive(g).sqrt(), 0.5, size(g));
            },
        );
    }
    each_reduction(
        &what("logsumexp"),
        x,
        |a| x.logsumexp(a),
        |what, got, g| {
            // Each exponential is rounded to the element type, and errs by an ulp.
            assert_near(
                what,
                got,
                log_sum_exp(&wide(g)),
                2.0,
                2e13 * T::EPSILON.f64() + 0.2,
            );
        },
    );
}

/// Numbers with a NaN among every few of them, and zeros of both signs.
fn with_holes<T: Float>(n: usize, seed: u64) -> Vec<T> {
    let holes = [T::NAN, T::ZERO, -T::ZERO];
    let numbers = values::<T>(n, seed).into_iter().enumerate();
    numbers
        .map(|(i, v)| *holes.get((i * 7 + seed as usize) % 11).unwrap_or(&v))
        .collect()
}

fn check_holes<T: Float>(layout: &str, x: &Tensor<T>) {
    let what = |name: &str| format!("{name} of {layout}");
    let numbers = |g: &[T]| -> Vec<f64> { wide(g).into_iter().filter(|v| !v.is_nan()).collect() };
    let size = |x: &[f64]| x.iter().map(|v| v.abs()).sum::<f64>();
    each_reduction(
        &what("nansum"),
        x,
        |a| x.nansum(a),
        |what, got, g| {
            let g = numbers(g);
            assert_near(what, got, exact_sum(g.iter().copied()), 0.5, size(&g));
        },
    );
    each_reduction(
        &what("nanmean"),
        x,
        |a| x.nanmean(a),
        |what, got, g| {
            let g = numbers(g);
            let n = g.len() as f64;
            // The sum is rounded, and so is the quotient.
            let mean = exact_sum(g.iter().copied()) / n;
            assert_near(what, got, mean, 1.0, size(&g) / n.max(1.0));
        },
    );
    each_reduction(
        &what("count_nonzero"),
        x,
        |a| x.count_nonzero(a),
        |what, got, g| {
            let want = g.iter().filter(|&&v| v != T::ZERO).count();
            assert_eq!(got, want as i64, "{what}");
        },
    );
    let truth = x.gt(T::ZERO).unwrap();
    each_reduction(
        &what("sum of truth values"),
        &truth,
        |a| truth.sum(a),
        |what, got, g| assert_eq!(got, g.iter().filter(|&&v| v).count() as i64, "{what}"),
    );
}

fn check_orders<T: Float>(layout: &str, x: &Tensor<T>) {
    let what = |name: &str| format!("{name} of {layout}");
    each_reduction(
        &what("all"),
        x,
        |a| x.all(a),
        |what, got, g| {
            assert_eq!(got, g.iter().all(|&v| v != T::ZERO), "{what}");
        },
    );
    each_reduction(
        &what("any"),
        x,
        |a| x.any(a),
        |what, got, g| {
            assert_eq!(got, g.iter().any(|&v| v != T::ZERO), "{what}");
        },
    );
    if x.numel() == 0 {
        return;
    }
    each_reduction(
        &what("max"),
        x,
        |a| x.max(a),
        |what, got, g| {
            let want = g[arg_largest(g, T::ONE)];
            assert!(got == want || same(got, want), "{what}: {got}, not {want}");
        },
    );
    each_reduction(
        &what("min"),
        x,
        |a| x.min(a),
        |what, got, g| {
            let want = g[arg_largest(g, -T::ONE)];
            assert!(got == want || same(got, want), "{what}: {got}, not {want}");
        },
    );
    for d in 0..x.ndim() as isize {
        let mask: Vec<bool> = (0..x.ndim() as isize).map(|i| i == d).collect();
        let (groups, left, _) = groups(x, &mask);
        for (sign, index, (value, place)) in [
            (T::ONE, x.argmax(d).unwrap(), x.max_dim(d).unwrap()),
            (-T::ONE, x.argmin(d).unwrap(), x.min_dim(d).unwrap()),
        ] {
            let places: Vec<i64> = groups.iter().map(|g| arg_largest(g, sign) as i64).collect();
            assert_eq!(
                (index.shape(), index.to_vec()),
                (&left[..], places.clone()),
                "{layout}"
            );
            assert_equal(&place, &index, layout);
            let values: Vec<T> = groups
                .iter()
                .zip(&places)
                .map(|(g, &i)| g[i as usize])
                .collect();
            let values = Tensor::from_vec(values, &left).unwrap();
            assert_same(&value, &values, layout);
        }
    }
}

fn check_rows<T: Float>(layout: &str, x: &Tensor<T>) {
    let copy = x.contiguous();
    let rows: [(&str, fn(&Tensor<T>, isize) -> Result<Tensor<T>>); 3] = [
        ("softmax", |x, d| x.softmax(d)),
        ("log_softmax", |x, d| x.log_softmax(d)),
        ("cumsum", |x, d| x.cumsum(d)),
    ];
    for d in 0..x.ndim().max(1) {
        let mask: Vec<bool> = (0..x.ndim()).map(|i| i == d).collect();
        for (name, f) in rows {
            let what = format!("{name} over {d} of {layout}");
            let y = f(x, d as isize).unwrap();
            assert_same(&y, &f(&copy, d as isize).unwrap(), &what);
            for (x, y) in groups(x, &mask).0.iter().zip(&groups(&y, &mask).0) {
                let x = wide(x);
                let (total, mut sum) = (log_sum_exp(&x), 0.0);
                let size: f64 = x.iter().map(|v| v.abs()).sum();
                let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum_exp = exact_sum(x.iter().map(|v| (v - max).exp()));
                for (&x, &y) in x.iter().zip(y) {
                    sum += x;
                    match name {
                        "softmax" => assert_near(&what, y, (x - max).exp() / sum_exp, 6.0, 0.0),
                        "log_softmax" => {
                            assert_near(&what, y, x - total, 2.0, 4e13 * T::EPSILON.f64());
                        }
                        _ => assert_near(&what, y, sum, 0.5, size),
                    }
                }
            }
        }
    }
}

fn check_reductions<T: Float>() {
    for shape in shapes_and_large() {
        for (layout, x) in layouts(shape, values::<T>) {
            check_sums(&layout, &x);
            check_orders(&layout, &x);
            check_rows(&layout, &x);
        }
        for (layout, x) in layouts(shape, special::<T>) {
            check_orders(&layout, &x);
        }
        for (layout, x) in layouts(shape, with_holes::<T>) {
            check_holes(&layout, &x);
        }
    }
}

#[test]
fn reductions_f32() {
    check_reductions::<f32>();
}

#[test]
fn reductions_f64() {
    check_reductions::<f64>();
}

#[test]
fn reductions_of_every_length() {
    for n in 0..=130 {
        for shape in [vec![n], vec![n, 9], vec![9, n], vec![2, n, 3]] {
            // Each length takes every third layout, and its neighbours take the others.
            for (layout, x) in layouts(&shape, values::<f32>)
                .into_iter()
                .skip(n % 3)
                .step_by(3)
            {
                check_sums(&layout, &x);
                check_orders(&layout, &x);
                check_rows(&layout, &x);
            }
            for (layout, x) in layouts(&shape, with_holes::<f32>).iter().step_by(5) {
                check_holes(layout, x);
            }
        }
    }
}

#[test]
fn a_nan_is_found_wherever_it_is() {
    for n in 1..=130 {
        let clean: Vec<f32> = values(n * 9, n as u64);
        for at in 0..n {
            let mut x = Tensor::from_vec(clean.clone(), [n, 9]).unwrap();
            x.set([at, 4], f32::NAN).unwrap();
            if at + 1 < n {
                // Of two, the first counts.
                x.set([n - 1, 4], f32::NAN).unwrap();
            }
            let turned = x.t().contiguous();
            for (x, d) in [(&x, 0), (&turned, 1), (&x.t(), 1), (&turned.t(), 0)] {
                for (extreme, index) in [
                    (x.max(d).unwrap(), x.argmax(d as isize).unwrap()),
                    (x.min(d).unwrap(), x.argmin(d as isize).unwrap()),
                    x.max_dim(d as isize).unwrap(),
                    x.min_dim(d as isize).unwrap(),
                ] {
                    for column in 0..9 {
                        assert_eq!(extreme[column].is_nan(), column == 4, "{n} {at}");
                    }
                    assert_eq!(index[4], at as i64);
                }
            }
            let line = x.select(1, 4).unwrap();
            for line in [&line, &line.contiguous()] {
                assert!(line.max(..).unwrap().item().unwrap().is_nan());
                assert!(line.min(..).unwrap().item().unwrap().is_nan());
                assert!(line.logsumexp(..).unwrap().item().unwrap().is_nan());
                assert!(line.sum(..).unwrap().item().unwrap().is_nan());
                assert!(line.softmax(0).unwrap().isnan().all(..).unwrap()[()]);
            }
        }
    }
}

/// The product of matrices by plain loops in `f64`, and the sum of the sizes of what was added up.
fn naive_matmul<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> Vec<(f64, f64)> {
    let (m, k, n) = (a.shape()[0], a.shape()[1], b.shape()[1]);
    let (a, b) = (wide(&a.to_vec()), wide(&b.to_vec()));
    let mut out = Vec::new();
    for i in 0..m {
        for j in 0..n {
            let terms = (0..k).map(|l| a[i * k + l] * b[l * n + j]);
            out.push(terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs())));
        }
    }
    out
}

fn check_matmul<T: Float>(left: &str, a: &Tensor<T>, right: &str, b: &Tensor<T>) {
    let got = a.matmul(b).unwrap();
    assert_eq!(got.shape(), [a.shape()[0], b.shape()[1]]);
    for (got, (want, size)) in got.to_vec().into_iter().zip(naive_matmul(a, b)) {
        let error = T::EPSILON.f64() * size * (a.shape()[1] as f64).sqrt() * 2.0;
        let what = format!("{left} times {right}: {got}, not {want}");
        assert!((got.f64() - want).abs() <= error, "{what}");
    }
}

#[test]
fn products_of_matrices() {
    for (m, k, n) in [
        (1, 1, 1),
        (3, 5, 2),
        (0, 3, 2),
        (3, 0, 2),
        (3, 2, 0),
        (17, 70, 9),
        (70, 90, 80),
    ] {
        for (left, a) in layouts(&[m, k], values::<f32>) {
            for (right, b) in layouts(&[k, n], values::<f32>) {
                check_matmul(&left, &a, &right, &b);
                if m < 20 {
                    check_matmul(&left, &a.cast::<f64>(), &right, &b.cast::<f64>());
                }
                let ints = |x: &Tensor<f32>| x.map(|v| (v * 100.0) as i64);
                if m < 20 {
                    let product = ints(&a).matmul(&ints(&b)).unwrap().to_vec();
                    let (a, b) = (ints(&a).cast::<f64>(), ints(&b).cast::<f64>());
                    let want = naive_matmul(&a, &b);
                    assert!(product.iter().zip(want).all(|(p, w)| *p == w.0 as i64));
                }
            }
        }
    }
}

#[test]
fn products_of_vectors_and_batches() {
    for (left, a) in layouts(&[6], values::<f32>) {
        for (right, b) in layouts(&[6], values::<f32>) {
            let dot = a.matmul(&b).unwrap();
            assert_eq!(dot.shape(), [0usize; 0]);
            let want = naive_matmul(&a.unsqueeze(0).unwrap(), &b.unsqueeze(1).unwrap())[0];
            assert!(
                (f64::from(dot[()]) - want.0).abs() < 1e-6 * want.1,
                "{left} {right}"
            );
        }
        for (right, b) in layouts(&[6, 3], values::<f32>) {
            let row = a.matmul(&b).unwrap();
            let matrix = a.unsqueeze(0).unwrap().matmul(&b).unwrap();
            assert_equal(&row, &matrix.squeeze(0).unwrap(), &right);
            let column = b.t().matmul(&a).unwrap();
            let matrix = b.t().matmul(&a.unsqueeze(1).unwrap()).unwrap();
            assert_equal(&column, &matrix.squeeze(1).unwrap(), &right);
        }
    }
    for (shape_a, shape_b) in [
        (&[4, 3, 5][..], &[5, 2][..]),
        (&[4, 3, 5], &[4, 5, 2]),
        (&[2, 1, 3, 5], &[4, 5, 2]),
        (&[3, 5], &[2, 2, 5, 2]),
        (&[0, 3, 5], &[5, 2]),
        (&[1, 3, 5], &[1, 1, 5, 2]),
    ] {
        for (left, a) in layouts(shape_a, values::<f32>) {
            for (right, b) in layouts(shape_b, values::<f32>) {
                let got = a.matmul(&b).unwrap();
                let batch = got.shape()[..got.ndim() - 2].to_vec();
                let full = |x: &Tensor<f32>| {
                    let shape = [&batch[..], &x.shape()[x.ndim() - 2..]].concat();
                    let n: usize = batch.iter().product();
                    let x = x.expand(&shape).unwrap();
                    x.reshape([n, shape[shape.len() - 2], shape[shape.len() - 1]])
                        .unwrap()
                };
                let (a, b) = (full(&a), full(&b));
                let flat = got.reshape([a.shape()[0], 3, 2]).unwrap();
                for i in 0..a.shape()[0] as isize {
                    let [a, b, c] = [&a, &b, &flat].map(|x| x.select(0, i).unwrap());
                    for (got, (want, size)) in c.to_vec().into_iter().zip(naive_matmul(&a, &b)) {
                        assert!(
                            (f64::from(got) - want).abs() <= 1e-6 * size,
                            "{left} {right}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn picking_by_index() {
    for shape in [
        &[1][..],
        &[7],
        &[3, 5],
        &[2, 3, 4],
        &[17, 70],
        &[0, 3],
        &[3, 0],
    ] {
        for (layout, x) in layouts(shape, special::<f32>) {
            for d in 0..shape.len() {
                let size = shape[d].max(1);
                let at = |n: usize, seed: u64| -> Vec<i64> {
                    let numbers = values::<f64>(n, seed + 50).into_iter();
                    numbers
                        .map(|v| (v.abs() * 100.0) as i64 % size as i64)
                        .collect()
                };
                let mut wanted = shape.to_vec();
                wanted[d] = if shape[d] == 0 { 0 } else { 4 };
                for (places, index) in layouts(&wanted, at) {
                    check_gather(&format!("{layout} by {places}"), &x, d, &index);
                }
                for (places, index) in layouts(&[wanted[d]], at) {
                    let got = x.index_select(d as isize, &index).unwrap();
                    let what = format!("{layout} by {places}");
                    assert_eq!(got.shape(), wanted, "{what}");
                    for (i, got) in got.to_vec().into_iter().enumerate() {
                        let mut from = unravel(i, &wanted);
                        from[d] = index[from[d]] as usize;
                        assert!(same(got, x[from]), "{what}");
                    }
                }
            }
        }
    }
}

fn check_gather(what: &str, x: &Tensor<f32>, d: usize, index: &Tensor<i64>) {
    let got = x.gather(d as isize, index).unwrap();
    assert_eq!(got.shape(), index.shape(), "{what}");
    let clean = x.map(|v| if v.is_finite() && v < 10.0 { v } else { 1.0 });
    let mut added = wide(&clean.to_vec());
    let source = got.map(|v| if v.is_finite() && v < 10.0 { v } else { 2.0 });
    for (i, got) in got.to_vec().into_iter().enumerate() {
        let from = unravel(i, index.shape());
        let mut to = from.clone();
        to[d] = index[&from] as usize;
        assert!(same(got, x[&to]), "{what}");
        let place = to.iter().zip(x.shape()).fold(0, |p, (i, n)| p * n + i);
        added[place] += f64::from(source[&from]);
    }
    let sums = clean.scatter_add(d as isize, index, &source).unwrap();
    assert_eq!(sums.shape(), x.shape(), "{what}");
    for (got, want) in sums.to_vec().into_iter().zip(added) {
        assert!(
            (f64::from(got) - want).abs() <= 1e-5 * (1.0 + want.abs()),
            "{what}"
        );
    }
}

#[test]
fn joining() {
    for shape in [
        &[7][..],
        &[3, 5],
        &[2, 3, 4],
        &[17, 70],
        &[0, 3],
        &[3, 0],
        &[1, 1],
    ] {
        for (left, a) in layouts(shape, special::<f32>) {
            for (right, b) in layouts(shape, |n, seed| special::<f32>(n, seed + 70)) {
                let what = format!("{left} and {right}");
                for d in 0..shape.len() as isize {
                    let size = shape[d as usize];
                    let more = b.narrow(d, 0, size / 2).unwrap();
                    let joined = Tensor::cat(&[&a, &more, &b], d).unwrap();
                    for (x, start) in [(&a, 0), (&more, size), (&b, size + size / 2)] {
                        let part = joined.narrow(d, start as isize, x.shape()[d as usize]);
                        assert_same(&part.unwrap(), x, &what);
                    }
                    assert_eq!(joined.shape()[d as usize], 2 * size + size / 2);
                }
                for d in 0..=shape.len() as isize {
                    let stacked = Tensor::stack(&[&a, &b], d).unwrap();
                    assert_same(&stacked.select(d, 0).unwrap(), &a, &what);
                    assert_same(&stacked.select(d, 1).unwrap(), &b, &what);
                }
            }
        }
    }
    let scalars = [Tensor::scalar(1.5f32), Tensor::scalar(2.5)];
    let stacked = Tensor::stack(&[&scalars[0], &scalars[1]], -1).unwrap();
    assert_eq!(stacked.to_vec(), [1.5, 2.5]);
}

#[test]
fn one_hot_rows() {
    let classes = |n: usize, seed: u64| -> Vec<i64> {
        let numbers = values::<f64>(n, seed).into_iter();
        numbers.map(|v| (v.abs() * 100.0) as i64 % 6).collect()
    };
    for shape in SHAPES {
        for (layout, x) in layouts(shape, classes) {
            let rows = x.one_hot::<f32>(6).unwrap();
            assert_eq!(rows.shape(), [*shape, &[6]].concat(), "{layout}");
            let want: Vec<f32> = (x.to_vec().into_iter())
                .flat_map(|class| (0..6).map(move |c| if c == class { 1.0 } else { 0.0 }))
                .collect();
            assert_eq!(rows.to_vec(), want, "{layout}");
        }
    }
}

#[test]
fn scalars_have_one_dimension_in_name() {
    let x = layouts(&[], values::<f32>).remove(1).1;
    let value = x.item().unwrap();
    for d in [0, -1] {
        assert_eq!(x.sum(d).unwrap()[()], value);
        assert_eq!(x.softmax(d).unwrap()[()], 1.0);
        assert_eq!(x.cumsum(d).unwrap()[()], value);
        assert_eq!(
            (x.argmax(d).unwrap()[()], x.min_dim(d).unwrap().0[()]),
            (0, value)
        );
        let picked = x.gather(d, &Tensor::from([0, 0])).unwrap();
        assert_eq!(picked.to_vec(), [value; 2]);
        let index = Tensor::from([0, 0]);
        let added = x.scatter_add(d, &index, &Tensor::from([1.0, 2.0])).unwrap();
        assert_eq!(added[()], value + 3.0);
    }
}

#[test]
fn sums_into_a_tensor_work_in_place_and_beside_it() {
    for (left, a) in layouts(&[17, 70], values::<f32>) {
        for (right, b) in layouts(&[17, 70], values::<f32>) {
            let (mut sum, want) = (a.clone(), a.add(&b).unwrap());
            sum.add_assign(&b).unwrap();
            assert_same(&sum, &want, &format!("{left} and {right}"));
            let mut own = a.add(0.0).unwrap();
            own.add_assign(&b).unwrap();
            assert_same(&own, &want, &format!("{left} and {right}"));
        }
    }
}
