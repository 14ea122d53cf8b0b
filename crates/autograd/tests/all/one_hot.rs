//! Gradients of one element of each row: wherever they go, they are what the whole tensor would have been.

use autograd::{
    Error, Float, GradOptions, Grads, Needs, OneHot, Op, Result, Saved, Tape, Tensor, Var, grad,
    gradcheck, gradgradcheck,
};
use std::cell::Cell;
use std::rc::Rc;

/// Each row's element at its place, with both forms of its gradient.
struct Picked<T: Float> {
    x: Saved<T>,
    dim: usize,
    places: Tensor<i64>,
    sparse: bool,
}

impl<T: Float> Op<T> for Picked<T> {
    fn name(&self) -> &'static str {
        "picked"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let shape = self.x.value().shape();
        if self.sparse && dy.tape().is_none() {
            let dx = OneHot::new(shape, self.dim, &self.places, dy.value())?;
            return Ok(Grads::one_hot(dx));
        }
        let zeros = Var::from(self.x.value().zeros_like());
        let places = self.places.unsqueeze(self.dim as isize)?;
        let dx = zeros.scatter_add(
            self.dim as isize,
            &places,
            &dy.unsqueeze(self.dim as isize)?,
        )?;
        Ok(Grads::one(dx))
    }
}

fn picked<T: Float>(x: &Var<T>, dim: usize, places: &Tensor<i64>, sparse: bool) -> Result<Var<T>> {
    let at = places.unsqueeze(dim as isize)?;
    let y = (x.value().gather(dim as isize, &at)?).reshape(places.shape())?;
    Var::record(&[x], y, |_| Picked {
        x: x.save(),
        dim,
        places: places.clone(),
        sparse,
    })
}

/// `n` numbers that have no pattern.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64 * 6.0 - 3.0
    };
    (0..n).map(next).collect()
}

/// A tensor of `shape`, and a place along `dim` for each of its rows.
fn case(shape: &[usize], dim: usize) -> (Tensor<f64>, Tensor<i64>) {
    let n = shape.iter().product();
    let x = Tensor::from_vec(numbers(n, n as u64 + 1), shape).unwrap();
    let mut rows = shape.to_vec();
    let size = rows.remove(dim);
    let n: usize = rows.iter().product();
    let places = (0..n)
        .map(|i| (i * 7 + i / 3) as i64 % size.max(1) as i64)
        .collect();
    (x, Tensor::from_vec(places, rows).unwrap())
}

const SHAPES: [&[usize]; 9] = [
    &[5],
    &[3, 4],
    &[40, 16],
    &[33, 17],
    &[7, 300],
    &[2, 600],
    &[2, 3, 4],
    &[300, 40, 9],
    &[0, 3],
];

/// The gradient of `Σ w picked(f(x))` by both forms of the rule must be the same to the bit.
fn same(f: impl Fn(&Var<f64>) -> Result<Var<f64>>) {
    for shape in SHAPES {
        for dim in 0..shape.len() {
            let (x, places) = case(shape, dim);
            if x.numel() == 0 && dim == 0 {
                continue; // There is no place along it.
            }
            // Whole numbers but 0, whose sums are the same in any order.
            let w = numbers(places.numel(), 3)
                .iter()
                .map(|w| w.round() + w.signum())
                .collect();
            let w = Tensor::from_vec(w, places.shape()).unwrap();
            let slope = |sparse| {
                let tape = Tape::new();
                let leaf = tape.leaf(x.clone());
                let y = picked(&f(&leaf)?, dim, &places, sparse)?;
                let grads = y.mul(Var::from(&w))?.sum(..)?.backward()?;
                Ok::<_, autograd::Error>(grads.get(&leaf)?.clone())
            };
            let (sparse, whole) = (slope(true).unwrap(), slope(false).unwrap());
            let bits = |x: &Tensor<f64>| x.to_vec().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let is_same = bits(&sparse) == bits(&whole);
            assert!(is_same, "shape {shape:?}, dimension {dim}");
        }
    }
}

#[test]
fn the_leaf_gets_all_of_it() {
    same(|x| Ok(x.clone()));
}

#[test]
fn log_softmax_goes_on_without_the_zeros() {
    for dim in -1..=0 {
        same(|x| x.log_softmax(dim));
    }
    // In another memory order.
    same(|x| x.transpose(0, -1)?.log_softmax(-1)?.transpose(0, -1));
    // NaN and infinity reach where they reach from whole gradients.
    same(|x| x.mul(f64::INFINITY)?.log_softmax(-1));
}

#[test]
fn other_operations_see_the_zeros() {
    same(|x| x.softmax(-1));
    same(|x| Ok(x.exp()));
    // Two ways meet.
    same(|x| {
        let y = x.log_softmax(-1)?;
        y.add(y.exp().mul(0.5)?)
    });
    // A number that was spread gets the sum.
    same(|x| x.sum(..)?.mul(1e-3)?.expand(x.shape()));
}

#[test]
fn who_asks_for_a_gradient_between_gets_all_of_it() {
    let (x, places) = case(&[3, 20], 1);
    let run = |sparse: bool| {
        let tape = Tape::new();
        let x = tape.leaf(x.clone());
        let y = x.log_softmax(1).unwrap();
        let z = picked(&y, 1, &places, sparse).unwrap().sum(..).unwrap();
        let wanted = GradOptions::new().retain_graph(true);
        let between = grad(&[&z], &[&y, &x], wanted).unwrap();
        y.retain_grad().unwrap();
        let seen = Rc::new(Cell::new(0.0));
        let hook = y.hook({
            let seen = seen.clone();
            move |dy| {
                seen.set(dy.sum(..)?.item()?);
                Ok(Some(dy.mul(2.0)?))
            }
        });
        let grads = z.backward().unwrap();
        hook.unwrap().remove();
        assert_eq!(seen.get(), 3.0);
        let kept = grads.get(&y).unwrap().clone();
        assert_eq!(kept.sum(..).unwrap().item().unwrap(), 6.0);
        let of_x = grads.get(&x).unwrap().clone();
        (
            between
                .iter()
                .map(|v| v.value().clone())
                .collect::<Vec<_>>(),
            kept,
            of_x,
        )
    };
    assert_eq!(run(true), run(false));
    assert_eq!(run(true).0[0].count_nonzero(..).unwrap().item().unwrap(), 3);
}

#[test]
fn several_consumers_add_up() {
    let (x, places) = case(&[6, 18], 1);
    let others = places.map(|p| (p + 5) % 18);
    let run = |first: bool, second: bool| {
        let tape = Tape::with_anomaly();
        let quiet = Tape::new();
        [tape, quiet].map(|tape| {
            let x = tape.leaf(x.clone());
            let y = x.log_softmax(1).unwrap();
            let a = picked(&y, 1, &places, first).unwrap();
            let b = picked(&y, 1, &others, second).unwrap();
            let z = a.mul(2.0).unwrap().add(&b).unwrap().sum(..).unwrap();
            z.backward().unwrap().get(&x).unwrap().clone()
        })
    };
    let expected = run(false, false);
    assert_eq!(expected[0], expected[1]);
    for (first, second) in [(true, true), (true, false), (false, true)] {
        assert_eq!(run(first, second), expected);
    }
}

#[test]
fn derivatives() {
    let (x, places) = case(&[3, 5], 1);
    let f = |v: &[Var<f64>]| picked(&v[0].log_softmax(1)?, 1, &places, true);
    gradcheck(f, std::slice::from_ref(&x)).unwrap().assert_ok();
    gradgradcheck(f, &[x]).unwrap().assert_ok();
}

/// An operation that changes nothing, and will have whole gradients only.
struct WholeOnly;

impl Op<f64> for WholeOnly {
    fn name(&self) -> &'static str {
        "whole_only"
    }
    fn backward(&self, dy: &Var<f64>, _: Needs) -> Result<Grads<f64>> {
        Ok(Grads::one(dy.clone()))
    }
    fn backward_one_hot(&self, dy: &OneHot<f64>, _: Needs) -> Result<Grads<f64>> {
        Err(Error::Option {
            op: "whole_only",
            name: "dy",
            value: format!("{dy:?}"),
            expected: "it must be whole",
        })
    }
}

/// One that gives a gradient of one element whether the pass is recorded or not.
struct First;

impl Op<f64> for First {
    fn name(&self) -> &'static str {
        "first"
    }
    fn backward(&self, dy: &Var<f64>, _: Needs) -> Result<Grads<f64>> {
        let (place, value) = (Tensor::scalar(0), dy.value());
        Ok(Grads::one_hot(OneHot::new(&[3], 0, &place, value)?))
    }
}

#[test]
fn a_recorded_pass_hands_on_whole_gradients() {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::from([1.0, 2.0, 3.0]));
    let y = Var::record(&[&x], x.value().clone(), |_| WholeOnly).unwrap();
    let first = Tensor::scalar(y.value().to_vec()[0]);
    let z = Var::record(&[&y], first, |_| First).unwrap();
    let recorded = GradOptions::new().create_graph(true);
    let dx = grad(&[&z], &[&x], recorded).unwrap().remove(0);
    assert_eq!(dx.value().to_vec(), [1.0, 0.0, 0.0]);
    let e = z.backward().unwrap_err().to_string();
    assert!(e.starts_with("whole_only: dy is OneHot"), "{e}");
}
