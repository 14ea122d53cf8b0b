//! Laws of backward over drawn programs: it is linear in its seed, a sum's gradient is the sum of the gradients, and what
//! broadcasting spreads is summed back.

use autograd::{GradOptions, Result, Tape, Tensor, Var, grad};
use proptest::prelude::*;

/// An operation and its operands, by number among the values so far.
type Step = (u8, u8, u8);

/// Three leaves whose shapes broadcast with each other, in every way.
const SHAPES: [[&[usize]; 3]; 4] = [
    [&[2, 3], &[3], &[]],
    [&[2, 1], &[1, 3], &[2, 3]],
    [&[2, 3], &[2, 3], &[1, 1]],
    [&[4], &[1], &[4]],
];

fn leaves(shapes: usize, numbers: &[f64]) -> Vec<Tensor<f64>> {
    let mut numbers = numbers.iter().copied().cycle();
    let mut one = |shape: &[usize]| {
        let n = shape.iter().product();
        Tensor::from_vec(numbers.by_ref().take(n).collect(), shape).unwrap()
    };
    SHAPES[shapes].iter().map(|shape| one(shape)).collect()
}

/// The last value of a program, whatever its shape.
fn program(x: &[Var<f64>], steps: &[Step]) -> Result<Var<f64>> {
    let mut values = x.to_vec();
    for &(op, a, b) in steps {
        let at = |i: u8| values[values.len() - 1 - i as usize % values.len()].clone();
        let (a, b) = (at(a), at(b));
        let last = a.ndim() as isize - 1;
        values.push(match op % 16 {
            0 => a.add(&b)?,
            1 => a.sub(&b)?,
            2 => a.mul(&b)?.mul(0.5)?,
            3 => a.div(b.square().add(1.0)?)?,
            4 => a.sin(),
            5 => a.tanh(),
            6 => a.sigmoid(),
            7 => a.mul(0.3)?.exp(),
            8 if last >= 0 => a.softmax(last)?,
            9 if last >= 0 => a.cumsum(last)?,
            10 if last >= 0 => a.flip([last])?,
            11 if last >= 0 => a.sum(autograd::keepdim(last))?,
            12 if last >= 0 => a.mean(autograd::keepdim(0))?,
            13 if last > 0 => a.transpose(0, last)?.matmul(&b_like(&a, &b)?)?.tanh(),
            14 => a.square().add(1.0)?.log(),
            _ => a.neg(),
        });
        // Only shapes that fit with the leaves go on.
        let fits = |v: &Var<f64>| values[..x.len()].iter().all(|x| v.add(x).is_ok());
        let fits = values.last().is_some_and(fits);
        if !fits || values.last().is_some_and(|v| v.numel() > 64) {
            values.pop();
        }
    }
    Ok(values.pop().expect("the leaves"))
}

/// `b` in the shape of `a`, or `a` itself.
fn b_like(a: &Var<f64>, b: &Var<f64>) -> Result<Var<f64>> {
    Ok(match b.broadcast_to(a.shape()) {
        Ok(b) => b,
        Err(_) => a.clone(),
    })
}

fn gradients(y: &Var<f64>, x: &[Var<f64>], seed: &Tensor<f64>) -> Vec<Tensor<f64>> {
    let options = GradOptions::new()
        .retain_graph(true)
        .allow_unused(true)
        .seed([Var::from(seed)]);
    let found = grad(&[y], &Vec::from_iter(x), options).unwrap();
    found.into_iter().map(Var::into_value).collect()
}

fn assert_same(what: &str, a: &Tensor<f64>, b: &Tensor<f64>) {
    assert_eq!(a.shape(), b.shape(), "{what}");
    let largest = b.to_vec().iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (a, b) in a.to_vec().iter().zip(b.to_vec()) {
        assert!(
            (a - b).abs() <= 1e-11 * largest,
            "{what}: {a} instead of {b}"
        );
    }
}

fn combined(a: &Tensor<f64>, b: &Tensor<f64>, (p, q): (f64, f64)) -> Tensor<f64> {
    a.mul(p).unwrap().add(b.mul(q).unwrap()).unwrap()
}

fn on_a_tape(x: &[Tensor<f64>]) -> Vec<Var<f64>> {
    let tape = Tape::new();
    x.iter().map(|x| tape.leaf(x.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn backward_is_linear(
        shapes in 0..SHAPES.len(),
        numbers in prop::collection::vec(-2.0..2.0f64, 24),
        steps in prop::collection::vec(any::<Step>(), 1..12),
        other in prop::collection::vec(any::<Step>(), 1..8),
        (p, q) in (-3.0..3.0f64, -3.0..3.0f64),
    ) {
        let values = leaves(shapes, &numbers);
        let x = on_a_tape(&values);
        let y = program(&x, &steps).unwrap();
        // In the seed.
        let seed = |by: f64| {
            let data = (0..y.numel()).map(|i| (i as f64 * by).sin() + 0.5);
            Tensor::from_vec(data.collect(), y.shape()).unwrap()
        };
        let (a, b) = (seed(1.7), seed(2.9));
        let (da, db) = (gradients(&y, &x, &a), gradients(&y, &x, &b));
        let both = gradients(&y, &x, &combined(&a, &b, (p, q)));
        for ((both, da), db) in both.iter().zip(&da).zip(&db) {
            assert_same("seed", both, &combined(da, db, (p, q)));
        }
        // In the function: of a sum of two losses that share their leaves, and their graph.
        let first = y.sum(..).unwrap();
        let second = program(&x, &other).unwrap().mul(&y).unwrap().mean(..).unwrap();
        let sum = first.mul(p).unwrap().add(second.mul(q).unwrap()).unwrap();
        let one = Tensor::scalar(1.0);
        let (da, db) = (gradients(&first, &x, &one), gradients(&second, &x, &one));
        let both = gradients(&sum, &x, &one);
        for ((both, da), db) in both.iter().zip(&da).zip(&db) {
            assert_same("sum", both, &combined(da, db, (p, q)));
        }
        // Twice is the same bits, and so is a tape of its own.
        let again = on_a_tape(&values);
        let same = gradients(&program(&again, &steps).unwrap().sum(..).unwrap(), &again, &one);
        assert_eq!(&same, &da);
        assert_eq!(&gradients(&first, &x, &one), &da);
    }

    /// The gradient of an operand that was broadcast is that of the operand expanded before, summed back.
    #[test]
    fn broadcasting_is_summed_back(
        shapes in 0..SHAPES.len(),
        numbers in prop::collection::vec(-2.0..2.0f64, 24),
        steps in prop::collection::vec(any::<Step>(), 1..10),
    ) {
        let values = leaves(shapes, &numbers);
        let full = values.iter().skip(1).fold(values[0].clone(), |sum, x| sum.add(x).unwrap());
        let wide: Vec<_> = values.iter().map(|x| x.broadcast_to(full.shape()).unwrap()).collect();
        // Elementwise alone: what looks along a dimension sees whether it was expanded.
        let steps: Vec<Step> = steps.into_iter().map(|(op, a, b)| (op % 8, a, b)).collect();
        let one = Tensor::scalar(1.0);
        // The result in the shape of all, so that both sums are over the same elements.
        let of = |values: &[Tensor<f64>]| {
            let x = on_a_tape(values);
            let zero = Var::from(full.zeros_like());
            let y = program(&x, &steps).unwrap().add(zero).unwrap();
            gradients(&y.sum(..).unwrap(), &x, &one)
        };
        for (narrow, wide) in of(&values).iter().zip(of(&wide)) {
            let dims = (wide.ndim() - narrow.ndim()) as isize;
            let mut back = wide;
            for _ in 0..dims {
                back = back.sum(0).unwrap();
            }
            for (d, &n) in narrow.shape().iter().enumerate() {
                if n == 1 {
                    back = back.sum(autograd::keepdim(d)).unwrap();
                }
            }
            assert_same("broadcast", narrow, &back);
        }
    }
}
