//! The cost of recording and of the backward loop.

use autograd::{Tape, Tensor};
use benches::{case_each, close};
use criterion::Criterion;

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

fn main() {
    benches::main(&[one, chain]);
}
