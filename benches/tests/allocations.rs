//! A guard against slower code that needs no clock: how many allocations the key cases make, as recorded here. A change
//! that makes more of them fails and says so; one that makes fewer should lower the number.
//!
//! A program of its own, whose allocator counts those of the test's thread.

use allocation_counter::{AllocationInfo, measure};
use benches::{classes, uniform};
use losses::prelude::*;
use nn::prelude::{Adam, Module, Optimizer, ReLU, Sequential, Sgd};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tensor_core::{Tensor, pool};

/// Lets one test run at a time: the counts of the pool are those of the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `run` allocates once it has run twice, so that tables and pools are filled.
fn steady(mut run: impl FnMut() -> Result<()>) -> AllocationInfo {
    for _ in 0..2 {
        run().unwrap();
    }
    measure(|| run().unwrap())
}

fn at_most(what: &str, got: u64, most: u64) {
    assert!(
        got <= most,
        "{what}: {got} allocations, and {most} on record"
    );
    assert!(
        got * 10 >= most * 8,
        "{what}: {got} allocations, far below the {most} on record: lower the number"
    );
}

#[test]
fn a_tracked_operation() {
    let _alone = alone();
    let x = Tensor::scalar(0.5f32);
    let one = steady(|| {
        let x = Tape::new().leaf(x.clone());
        x.sin().backward().map(drop)
    });
    at_most("one operation on a new tape", one.count_total, 13);
}

#[test]
fn a_chain_of_operations() {
    let _alone = alone();
    let start = Tensor::scalar(0.5f32);
    let chain = |length: usize| {
        steady(|| {
            let mut x = Tape::new().leaf(start.clone());
            for _ in 0..length {
                x = x.sin();
            }
            x.backward().map(drop)
        })
        .count_total
    };
    // Nodes lie in a few vectors that double: no operation allocates by itself.
    let (short, long) = (chain(1000), chain(8000));
    at_most("1,000 operations", short, 44);
    at_most("8,000 operations", long, 159);
}

#[test]
fn cross_entropy_forward_and_backward() {
    let _alone = alone();
    let (x, t) = (uniform([32, 10], -1.0, 1.0, 1), classes(32, 10, 2));
    let step = |x: &Tensor<f32>, t: &Tensor<i64>| {
        let x = Tape::new().leaf(x.clone());
        cross_entropy(&x, t)?.backward().map(drop)
    };
    let small = steady(|| step(&x, &t));
    at_most("cross entropy, 32x10", small.count_total, 18);
    // The gradient is a buffer of the pool; beside it there are a few numbers a row.
    let (x, t) = (uniform([60, 1000], -1.0, 1.0, 1), classes(60, 1000, 2));
    let large = steady(|| step(&x, &t));
    assert!(large.bytes_max < 60 * 1000, "{large:?}");
    let before = pool::stats().fetched;
    steady(|| step(&x, &t));
    assert_eq!(pool::stats().fetched, before);
}

/// What losses of rows take beside their gradient, from inputs that lie transposed: less than a quarter of it.
#[test]
fn losses_build_no_temporary_as_large_as_their_input() {
    let _alone = alone();
    let (n, classes_) = (60, 1000);
    let wide = |low, high, seed| uniform([classes_, n], low, high, seed).t();
    let (x, t) = (wide(-1.0f32, 1.0, 1), wide(0.01, 0.99, 2));
    let (mask, weight) = (x.gt(-0.5).unwrap(), wide(0.5, 1.5, 3));
    let (target, shares) = (
        classes(n, classes_, 4),
        t.softmax(1).unwrap().t().contiguous().t(),
    );
    // Two labels in each row, and the end of the list.
    let labels = Tensor::full([classes_ as i64, n as i64], -1i64).unwrap();
    let labels = labels
        .slice_assign(0..2, Tensor::from([[3i64], [7]]))
        .unwrap()
        .t();
    let mle = ListMle::new().mask(mask.clone());
    let net = ListNet::new().mask(mask).weight(weight);
    // With the large buffers that a step takes: the gradient, and what `log_softmax` returns.
    type Call<'a> = (&'a str, usize, &'a dyn Fn(&Var<f32>) -> Result<Var<f32>>);
    let calls: [Call<'_>; 9] = [
        ("cross_entropy", 1, &|x| cross_entropy(x, &target)),
        ("soft targets", 1, &|x| {
            cross_entropy(x, &Var::from(&shares))
        }),
        ("kl_div_with_logits", 1, &|x| {
            kl_div_with_logits(x, &Var::from(&t))
        }),
        ("multi_margin_loss", 1, &|x| multi_margin_loss(x, &target)),
        ("multilabel_margin_loss", 1, &|x| {
            multilabel_margin_loss(x, &labels)
        }),
        ("list_mle", 1, &|x| mle.forward(x, &t)),
        ("list_net", 1, &|x| net.forward(x, &Var::from(&t))),
        ("binary_cross_entropy_with_logits", 1, &|x| {
            binary_cross_entropy_with_logits(x, &Var::from(&t))
        }),
        ("nll_loss of log_softmax", 2, &|x| {
            nll_loss(&x.log_softmax(1)?, &target)
        }),
    ];
    for (name, buffers, call) in calls {
        let step = || call(&Tape::new().leaf(x.clone()))?.backward().map(drop);
        let found = steady(step);
        let taken = || pool::stats().fetched + pool::stats().reused;
        let before = taken();
        step().unwrap();
        assert_eq!(
            taken() - before,
            buffers,
            "{name}: so many large buffers are enough"
        );
        let gradient = (n * classes_ * 4) as u64;
        assert!(found.bytes_max < gradient / 4, "{name}: {found:?}");
    }
}

/// A whole step: forward, loss, backward, optimizer.
fn training(sizes: &[usize], batch: usize, mut optimizer: impl Optimizer<f32>) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut model = Sequential::mlp(sizes, ReLU, &mut rng).unwrap();
    let outputs = sizes[sizes.len() - 1];
    let (x, t) = (
        uniform([batch, sizes[0]], -1.0, 1.0, 1),
        classes(batch, outputs, 2),
    );
    steady(|| {
        let y = model.forward(&Tape::new().input(x.clone()))?;
        let grads = cross_entropy(&y, &t)?.backward()?;
        optimizer.step(&mut model, &grads)
    })
    .count_total
}

#[test]
fn training_steps() {
    let _alone = alone();
    at_most(
        "2-16-16-2, SGD",
        training(&[2, 16, 16, 2], 32, Sgd::new(0.1)),
        77,
    );
    at_most(
        "64-64-10, Adam",
        training(&[64, 64, 10], 64, Adam::new(1e-3)),
        54,
    );
}
