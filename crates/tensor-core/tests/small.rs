//! Every kind of kernel against one that goes index by index, at sizes small enough for Miri and ThreadSanitizer.
//!
//! `.ci/miri` runs these once for each instruction set that the kernels are compiled for.

#[allow(dead_code)] // Each program uses its own part.
mod common;

use common::{layouts, values};
use tensor_core::{Float, Number, Tensor, keepdim};

const SHAPES: [&[usize]; 7] = [&[], &[0], &[1], &[19], &[3, 5], &[2, 0, 3], &[2, 3, 4]];

/// Of many cases those that Miri, some thousand times slower, has the time for.
const EVERY: usize = if cfg!(miri) { 8 } else { 1 };

/// All indices of a shape, in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let add = |all: Vec<Vec<usize>>, n: &usize| {
        let longer = |at: &Vec<usize>, i| at.iter().copied().chain([i]).collect();
        let all = all
            .iter()
            .flat_map(|at| (0..*n).map(move |i| longer(at, i)));
        all.collect()
    };
    shape.iter().fold(vec![vec![]], add)
}

fn near<T: Float>(what: &str, got: T, want: f64) {
    let (got, eps) = (got.f64(), 64.0 * T::EPSILON.f64());
    let near = (got - want).abs() <= eps * (1.0 + want.abs());
    assert!(near || got == want, "{what}: {got} instead of {want}");
}

fn elementwise<T: Float>(what: &str, x: &Tensor<T>) {
    let at = |t: &Tensor<T>, i: &[usize]| t.get(i).unwrap().f64();
    let twice = x.add(x).unwrap();
    let masked = x.gt(0.0).unwrap().where_(x, -1.0).unwrap();
    let (exp, scaled) = (x.exp(), x.mul(0.5).unwrap());
    for i in indices(x.shape()) {
        let v = at(x, &i);
        near(what, exp.get(&i).unwrap(), v.exp());
        near(what, twice.get(&i).unwrap(), 2.0 * v);
        near(what, scaled.get(&i).unwrap(), 0.5 * v);
        near(
            what,
            masked.get(&i).unwrap(),
            if v > 0.0 { v } else { -1.0 },
        );
    }
    let mut own = x.clone();
    own.add_assign(x).unwrap();
    assert_eq!(own.to_vec(), twice.to_vec(), "{what}");
    assert_eq!(x.contiguous().to_vec(), x.to_vec(), "{what}");
}

fn reductions<T: Float>(what: &str, x: &Tensor<T>) {
    let numbers: Vec<f64> = x.to_vec().iter().map(|v| v.f64()).collect();
    near(
        what,
        x.sum(..).unwrap().item().unwrap(),
        numbers.iter().sum(),
    );
    if !numbers.is_empty() {
        let most = numbers.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
        near(what, x.max(..).unwrap().item().unwrap(), most);
    }
    for d in 0..x.ndim() {
        let (sum, lse) = (x.sum(keepdim(d)).unwrap(), x.logsumexp(keepdim(d)).unwrap());
        let softmax = x.softmax(d as isize).unwrap();
        let running = x.cumsum(d as isize).unwrap();
        for i in indices(x.shape()) {
            let along = |k: usize| {
                let mut i = i.clone();
                i[d] = k;
                x.get(&i).unwrap().f64()
            };
            let row: Vec<f64> = (0..x.shape()[d]).map(along).collect();
            let total: f64 = row.iter().map(|v| v.exp()).sum();
            let mut first = i.clone();
            first[d] = 0;
            near(what, sum.get(&first).unwrap(), row.iter().sum());
            near(what, lse.get(&first).unwrap(), total.ln());
            near(what, softmax.get(&i).unwrap(), row[i[d]].exp() / total);
            near(what, running.get(&i).unwrap(), row[..=i[d]].iter().sum());
        }
    }
}

fn every_layout<T: Float>() {
    for shape in SHAPES.into_iter().step_by(EVERY.div_ceil(2)) {
        for (layout, x) in layouts(shape, values::<T>).into_iter().step_by(EVERY) {
            let what = format!("{shape:?} {layout}");
            elementwise(&what, &x);
            reductions(&what, &x);
        }
    }
}

#[test]
fn kernels_on_every_layout() {
    every_layout::<f32>();
    if !cfg!(miri) {
        every_layout::<f64>();
    }
}

/// Whole vectors, parts of one, and none, from places that are not aligned.
#[test]
fn kernels_on_every_length() {
    for n in (0..=70).chain([127, 128, 129]).step_by(EVERY * EVERY) {
        for offset in [0, 1, 3].into_iter().take(if cfg!(miri) { 1 } else { 3 }) {
            let x = Tensor::from_vec(values::<f32>(n + 4, 5), [n + 4]).unwrap();
            let x = x.narrow(0, offset, n).unwrap();
            let twice = x.cast::<f64>().flip([0]).unwrap();
            elementwise("f32", &x);
            elementwise("f64", &twice);
            let sum = |v: Vec<f64>| v.iter().sum::<f64>();
            near(
                "sum",
                x.sum(..).unwrap().item().unwrap(),
                sum(twice.to_vec()),
            );
            near(
                "sum",
                twice.sum(..).unwrap().item().unwrap(),
                sum(twice.to_vec()),
            );
            let softmax = x.softmax(0).unwrap().sum(..).unwrap();
            near(
                "softmax",
                softmax.item().unwrap(),
                if n == 0 { 0.0 } else { 1.0 },
            );
        }
    }
}

/// Small whole numbers, whose products are exact in any order.
fn whole<T: Number>(n: usize, seed: u64) -> Vec<T> {
    let number = |i: u64| T::from_i64((i * 7 + seed) as i64 % 5 - 2);
    (0..n as u64).map(number).collect()
}

fn products<T: Number>(sizes: &[[usize; 3]]) {
    for &[m, k, n] in sizes.iter().step_by(EVERY) {
        for (left, a) in layouts(&[m, k], whole::<T>).into_iter().step_by(EVERY) {
            let others = layouts(&[k, n], whole::<T>).into_iter();
            for (right, b) in others.step_by(2 * EVERY) {
                let y = a.matmul(&b).unwrap();
                for i in 0..m {
                    for j in 0..n {
                        let sum = (0..k).fold(T::ZERO, |sum, l| {
                            sum.plus(a.get([i, l]).unwrap().times(b.get([l, j]).unwrap()))
                        });
                        let what = format!("[{i}, {j}] of {m}, {k}, {n}: {left} times {right}");
                        assert_eq!(y.get([i, j]).unwrap(), sum, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn products_of_every_layout() {
    products::<f32>(&[[9, 2, 17], [3, 4, 5], [1, 3, 1], [2, 0, 3]]);
    products::<f64>(&[[3, 4, 5], [1, 1, 1]]);
    products::<i64>(&[[2, 3, 2], [0, 2, 2]]);
}

/// Large enough to be shared out: two chunks of elements, and the halves of a product.
#[test]
fn work_that_threads_share() {
    let n = (1 << 16) + 100;
    let x = Tensor::scalar(0.5f32).expand([n]).unwrap();
    let y = x.add(1.0).unwrap();
    assert_eq!(y.get([n as isize - 1]).unwrap(), 1.5);
    assert_eq!(y.sum(..).unwrap().item().unwrap(), 1.5 * n as f32);
    let (a, b) = (
        Tensor::from_vec(whole::<f32>(48 * 48, 1), [48, 48]).unwrap(),
        Tensor::from_vec(whole::<f32>(48 * 48, 2), [48, 48]).unwrap(),
    );
    let product = a.matmul(&b).unwrap();
    let row = |i: isize| (0..48).map(move |l| [i, l]);
    let first: f32 = row(47).map(|[i, l]| a[[i, l]] * b[[l, 47]]).sum();
    assert_eq!(product[[47, 47]], first);
}
