//! Very long and very wide graphs, graphs dropped halfway, and tapes on many threads.
//!
//! `LARGE_TESTS=1` makes the chain ten times as long: ten million operations, about 1 GB.

use autograd::{
    Error, Float, GradOptions, Gradients, Grads, Needs, Op, Param, Result, Tape, TapeProblem,
    Tensor, Var, grad,
};
use std::thread;

fn problem(e: Error) -> TapeProblem {
    match e {
        Error::Tape { problem, .. } => problem,
        e => panic!("{e}"),
    }
}

/// Runs `work` where anything that recurses over the tape would end the program.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(256 << 10);
    thread.spawn(work).unwrap().join().unwrap();
}

fn long() -> usize {
    match std::env::var_os("LARGE_TESTS") {
        Some(_) => 10_000_000,
        None => 1_000_000,
    }
}

fn item(x: Result<&Tensor<f64>>) -> f64 {
    x.unwrap().item().unwrap()
}

#[test]
fn a_very_long_chain_on_a_small_stack() {
    on_a_small_stack(|| {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::scalar(1.0f64));
        let mut y = x.clone();
        let n = long();
        for i in 0..n {
            // A product with a constant keeps that; a square root would keep its result.
            y = y.mul(if i.is_multiple_of(2) { 0.5 } else { 2.0 }).unwrap();
        }
        assert_eq!(tape.len(), n + 1);
        assert_eq!(item(y.backward_retain().unwrap().get(&x)), 1.0);
        // A second pass is the same while the graph is kept, and an error once it was freed.
        assert_eq!(item(y.backward().unwrap().get(&x)), 1.0);
        assert_eq!(problem(y.backward().unwrap_err()), TapeProblem::Released);
        drop((tape, x, y));
    });
}

#[test]
fn a_long_chain_is_dropped_at_any_place() {
    on_a_small_stack(|| {
        let chain = |x: &Var<f64>| (0..200_000).fold(x.clone(), |y, _| y.sin().exp());
        // Everything at once, never differentiated.
        drop(chain(&Tape::new().leaf(Tensor::scalar(1.0))));
        // The result goes while the first half lives on: the half is still there to be differentiated.
        let x = Tape::new().leaf(Tensor::scalar(0.0));
        let half = x.mul(3.0).unwrap();
        drop(chain(&half));
        assert_eq!(item(half.backward().unwrap().get(&x)), 3.0);
        // The leaf and the tape's handle go while the result lives on.
        let y = {
            let tape = Tape::new();
            chain(&tape.leaf(Tensor::scalar(1.0)))
        };
        assert_eq!(y.backward().unwrap().len(), 1);
        // A pass is given up in the middle by a rule that fails, and the graph dropped in that state.
        let x = Tape::new().leaf(Tensor::scalar(1.0));
        let failing = Var::record(&[&chain(&x)], Tensor::scalar(1.0), |_| Failing).unwrap();
        let y = chain(&failing);
        let e = y.backward().unwrap_err();
        assert!(e.to_string().starts_with("reshape: "), "{e}");
        // What the pass has freed on its way says so.
        assert_eq!(problem(y.backward().unwrap_err()), TapeProblem::Released);
        drop((x, failing, y));
    });
}

/// An operation whose rule fails.
struct Failing;

impl<T: Float> Op<T> for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        dy.reshape([7, 7]).map(Grads::one)
    }
}

#[test]
fn a_million_leaves() {
    let tape = Tape::new();
    let leaf = |i| tape.leaf(Tensor::scalar(f64::from(i)));
    let leaves: Vec<Var<f64>> = (0..1_000_000).map(leaf).collect();
    // A balanced tree, since each sum of the sums is a value of its own.
    let mut level: Vec<Var<f64>> = leaves.clone();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [a, b] => a.add(b).unwrap(),
                rest => rest[0].clone(),
            })
            .collect();
    }
    let total = level[0].square();
    let want = 999_999.0 * 1_000_000.0;
    assert_eq!(total.item().unwrap().sqrt(), want / 2.0);
    let grads = total.backward().unwrap();
    assert_eq!(grads.len(), leaves.len());
    for x in leaves.iter().step_by(997) {
        assert_eq!(item(grads.get(x)), want);
    }
}

#[test]
fn one_leaf_used_a_hundred_thousand_times() {
    let x = Tape::new().leaf(Tensor::from([1.0f64, 2.0]));
    let uses: Vec<Var<f64>> = (0..100_000).map(|_| x.square()).collect();
    let all = Var::cat(&uses.iter().collect::<Vec<_>>(), 0).unwrap();
    let grads = all.sum(..).unwrap().backward().unwrap();
    assert_eq!(grads.get(&x).unwrap().to_vec(), [200_000.0, 400_000.0]);
}

#[test]
fn a_gradient_of_another_tape() {
    let (x, other) = (
        Tape::new().leaf(Tensor::scalar(2.0f64)),
        Tape::new().leaf(Tensor::scalar(2.0f64)),
    );
    let (y, foreign) = (x.square(), other.square());
    let retain = || GradOptions::new().retain_graph(true);
    // Of the same place on another tape: never the number of the value that lies there on this one.
    let grads = y.backward_retain().unwrap();
    assert_eq!(item(grads.get(&x)), 4.0);
    assert_eq!(
        problem(grads.get(&other).unwrap_err()),
        TapeProblem::OtherTape
    );
    let e = grad(&[&y], &[&other], retain()).unwrap_err();
    assert_eq!(problem(e), TapeProblem::Foreign);
    let seed = GradOptions::new().create_graph(true).seed([foreign]);
    let e = grad(&[&y], &[&x], seed).unwrap_err();
    assert_eq!(problem(e), TapeProblem::Foreign);
}

/// Compiles only if `S` can be sent to and shared among threads.
const fn send_and_sync<S: Send + Sync>() {}

const _: () = {
    send_and_sync::<Tensor<f32>>();
    send_and_sync::<Tensor<i64>>();
    send_and_sync::<Param<f64>>();
    send_and_sync::<Gradients<f32>>();
    send_and_sync::<Error>();
};

/// A network with one hidden layer, and the loss of a batch on a tape of its own.
struct Net([Param<f32>; 2]);

impl Net {
    fn new(seed: usize) -> Net {
        let numbers = |n: usize, shape: [usize; 2]| {
            let data = (0..shape[0] * shape[1]).map(|i| ((i * 37 + n * 11) % 19) as f32 / 19.0);
            Param::new(Tensor::from_vec(data.map(|v| v - 0.45).collect(), shape).unwrap())
        };
        Net([numbers(seed, [8, 16]), numbers(seed + 1, [16, 1])])
    }

    fn loss(&self, x: &Tensor<f32>) -> Result<Var<f32>> {
        let x = Tape::new().input(x.clone());
        let target = x.value().sum(-1)?.sin().reshape([-1, 1])?;
        let y = x.matmul(&self.0[0].on(&x))?.tanh();
        let y = y.matmul(&self.0[1].on(&x))?;
        y.sub(Var::from(target))?.square().mean(..)
    }

    fn gradients(&self, x: &Tensor<f32>) -> Result<Gradients<f32>> {
        self.loss(x)?.backward()
    }

    fn step(&mut self, grads: &[Gradients<f32>]) -> Result<()> {
        for w in &mut self.0 {
            for g in grads {
                let update = g.get(w)?.mul(-0.1)?;
                w.value_mut().add_assign(&update)?;
            }
        }
        Ok(())
    }

    fn bits(&self) -> Vec<u32> {
        let values = self.0.iter().flat_map(|w| w.value().to_vec());
        values.map(f32::to_bits).collect()
    }
}

fn batch(n: usize) -> Tensor<f32> {
    let data = (0..32 * 8).map(|i| ((i * 29 + n * 13) % 23) as f32 / 11.0 - 1.0);
    Tensor::from_vec(data.collect(), [32, 8]).unwrap()
}

#[test]
fn many_threads_train_shared_parameters_each_on_a_tape_of_its_own() {
    const WORKERS: usize = 8;
    let (mut shared, mut alone) = (Net::new(1), Net::new(1));
    let first = alone.loss(&batch(0)).unwrap().item().unwrap();
    for step in 0..30 {
        let batches: Vec<_> = (0..WORKERS).map(|i| batch(step * WORKERS + i)).collect();
        let net = &shared;
        let grads: Vec<_> = thread::scope(|scope| {
            let work = |x| scope.spawn(move || net.gradients(x).unwrap());
            let workers: Vec<_> = batches.iter().map(work).collect();
            workers.into_iter().map(|w| w.join().unwrap()).collect()
        });
        shared.step(&grads).unwrap();
        let grads: Vec<_> = batches
            .iter()
            .map(|x| alone.gradients(x).unwrap())
            .collect();
        alone.step(&grads).unwrap();
    }
    assert_eq!(shared.bits(), alone.bits());
    assert!(alone.loss(&batch(0)).unwrap().item().unwrap() < 0.5 * first);
}

#[test]
fn many_models_train_at_once() {
    let train = |seed: usize| {
        let mut net = Net::new(seed);
        for step in 0..20 {
            let grads = net.gradients(&batch(step + seed)).unwrap();
            net.step(&[grads]).unwrap();
        }
        net.bits()
    };
    let together: Vec<Vec<u32>> = thread::scope(|scope| {
        let models: Vec<_> = (0..64)
            .map(|seed| scope.spawn(move || train(seed)))
            .collect();
        models.into_iter().map(|m| m.join().unwrap()).collect()
    });
    for (seed, bits) in together.iter().enumerate() {
        assert!(*bits == train(seed), "model {seed} among others");
    }
}

/// An operation that panics in its rule.
struct Panics;

impl<T: Float> Op<T> for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }
    fn backward(&self, _: &Var<T>, _: Needs) -> Result<Grads<T>> {
        panic!("a user's rule")
    }
}

/// Elsewhere it is shown that the tape stays usable in its thread; here, that no other thread is harmed.
#[test]
fn a_thread_that_panics_harms_no_other() {
    let net = Net::new(3);
    let want = net.loss(&batch(0)).unwrap().item().unwrap();
    let ends = thread::scope(|scope| {
        let work = |i: usize| {
            let net = &net;
            scope.spawn(move || {
                let loss = net.loss(&batch(0)).unwrap();
                if i.is_multiple_of(2) {
                    return loss.item().unwrap();
                }
                let value = loss.value().clone();
                let bad = Var::record(&[&loss], value, |_| Panics).unwrap();
                bad.backward().unwrap();
                unreachable!("the rule panics")
            })
        };
        let workers: Vec<_> = (0..6).map(work).collect();
        Vec::from_iter(workers.into_iter().map(|w| w.join().ok()))
    });
    for (i, end) in ends.into_iter().enumerate() {
        assert_eq!(end, (i.is_multiple_of(2)).then_some(want));
    }
    assert_eq!(net.loss(&batch(0)).unwrap().item().unwrap(), want);
    assert_eq!(net.gradients(&batch(0)).unwrap().len(), 2);
}
