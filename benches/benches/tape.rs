//! The cost of recording and of the backward loop.

use autograd::{Result, Tape, Tensor, Var};
use benches::{case, case_each, classes, close, uniform};
use criterion::Criterion;
use losses::prelude::cross_entropy;

const COUNT: u32 = 1000;

/// One tracked operation on one element; the time of the tape, its drop included, is spread over a thousand.
fn one(c: &mut Criterion) {
    case_each(
        c,
        "tape/op/1",
        COUNT,
        || Tensor::scalar(1.5f32),
        |x| {
            let tape = Tape::new();
            let x = tape.leaf(x.clone());
            let mut y = None;
            for _ in 0..COUNT {
                y = Some(std::hint::black_box(&x * &x));
            }
            y
        },
        |_, y| {
            let y = y.as_ref().expect("a thousand results");
            assert_eq!(y.item(), Ok(2.25));
            assert_eq!(y.tape().map(Tape::len), Some(COUNT as usize + 1));
        },
    );
}

/// A thousand operations one on the other, forward and backward; the time of one is reported.
fn chain(c: &mut Criterion) {
    case_each(
        c,
        "tape/chain/1000",
        COUNT,
        || Tensor::scalar(0.5f32),
        |x| {
            let run = || {
                let tape = Tape::new();
                let x = tape.leaf(x.clone());
                let y = (0..COUNT).fold(x.clone(), |y, _| y.tanh());
                let dx = y.backward()?.get(&x)?.item()?;
                Ok::<_, autograd::Error>((y.item()?, dx))
            };
            run().expect("one element")
        },
        |_, &(y, dx)| {
            let (mut v, mut slope) = (0.5f64, 1.0f64);
            for _ in 0..COUNT {
                v = v.tanh();
                slope *= 1.0 - v * v;
            }
            close(y, v, 1e-3);
            close(dx, slope, 1e-2);
        },
    );
}

/// A network of 64 inputs, 64 hidden units and 10 classes, a batch of 64, and how it learns.
struct Training {
    x: Tensor<f32>,
    t: Tensor<i64>,
    /// Weights and biases, layer by layer.
    parameters: Vec<Tensor<f32>>,
}

impl Training {
    fn new() -> Self {
        let zeros = |n| Tensor::zeros([n]).expect("a small shape");
        Training {
            x: uniform([64, 64], -1.0, 1.0, 1),
            t: classes(64, 10, 2),
            parameters: vec![
                uniform([64, 64], -0.2, 0.2, 3),
                zeros(64),
                uniform([64, 10], -0.2, 0.2, 4),
                zeros(10),
            ],
        }
    }

    fn step(&mut self) -> Result<f32> {
        let tape = Tape::new();
        let p: Vec<Var<f32>> = self
            .parameters
            .iter()
            .map(|p| tape.leaf(p.clone()))
            .collect();
        let hidden = Var::from(&self.x).matmul(&p[0])?.add(&p[1])?.relu();
        let loss = cross_entropy(&hidden.matmul(&p[2])?.add(&p[3])?, &self.t)?;
        let grads = loss.backward()?;
        for (value, p) in self.parameters.iter_mut().zip(&p) {
            *value = value.sub(&grads.get(p)?.mul(0.01)?)?;
        }
        loss.item()
    }
}

fn step(c: &mut Criterion) {
    case(
        c,
        "tape/training_step/64-64-10",
        Training::new,
        |training| training.step().expect("shapes that fit"),
        |_, &loss| {
            // Small weights know nothing of the classes yet; steps must lead down.
            assert!(
                (f64::from(loss) - 10f64.ln()).abs() < 0.2,
                "the first loss is {loss}"
            );
            let mut training = Training::new();
            let last = (0..100).map(|_| training.step()).last();
            assert!(last.is_some_and(|last| last.is_ok_and(|last| last < loss - 0.1)));
        },
    );
}

fn main() {
    benches::main(&[one, chain, step]);
}
