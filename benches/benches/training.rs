//! Whole training steps: forward, loss, backward, and the optimizer's step, as a user writes them.

use benches::{case, classes, uniform};
use criterion::Criterion;
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

struct Training<O> {
    model: Sequential<f32>,
    optimizer: O,
    x: Tensor<f32>,
    t: Tensor<i64>,
}

impl<O: Optimizer<f32>> Training<O> {
    /// A perceptron with layers of these `sizes`, and one batch for it.
    fn new(sizes: &[usize], batch: usize, optimizer: O) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        Training {
            model: Sequential::mlp(sizes, ReLU, &mut rng).expect("sizes of layers"),
            optimizer,
            x: uniform([batch, sizes[0]], -1.0, 1.0, 1),
            t: classes(batch, sizes[sizes.len() - 1], 2),
        }
    }

    fn step(&mut self) -> Result<f32> {
        let tape = Tape::new();
        let x = tape.input(self.x.clone());
        let loss = cross_entropy(&self.model.forward(&x)?, &self.t)?;
        let grads = loss.backward()?;
        self.optimizer.step(&mut self.model, &grads)?;
        loss.item()
    }
}

fn step<O: Optimizer<f32>>(
    c: &mut Criterion,
    name: &str,
    (sizes, batch): (&[usize], usize),
    optimizer: impl Fn() -> O,
) {
    let new = || Training::new(sizes, batch, optimizer());
    case(
        c,
        &format!("training/{name}"),
        new,
        |training| training.step().expect("shapes that fit"),
        |_, &first| {
            // Small weights know nothing of the classes yet; steps must lead down.
            let even = (sizes[sizes.len() - 1] as f64).ln();
            assert!(
                (f64::from(first) - even).abs() < 0.3,
                "the first loss is {first}"
            );
            let mut training = new();
            let last = (0..300).map(|_| training.step()).last();
            let last = last.expect("steps").expect("shapes that fit");
            assert!(last < first - 0.02, "the loss went from {first} to {last}");
        },
    );
}

fn steps(c: &mut Criterion) {
    let moons: (&[usize], usize) = (&[2, 16, 16, 2], 32);
    step(c, "2-16-16-2_sgd", moons, || Sgd::new(0.1));
    let digits: (&[usize], usize) = (&[64, 64, 10], 64);
    step(c, "64-64-10_sgd", digits, || Sgd::new(0.1));
    step(c, "64-64-10_adam", digits, || Adam::new(1e-3));
    let mnist: (&[usize], usize) = (&[784, 512, 512, 10], 128);
    step(c, "784-512-512-10_adam", mnist, || Adam::new(1e-3));
}

fn main() {
    benches::main(&[steps]);
}
