//! Every loss, and its gradients, have the same bits on any number of threads.

use crate::common::{Draw, all};
use losses::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

fn pools() -> Vec<ThreadPool> {
    [1, 2, 3, 8]
        .map(|n| ThreadPoolBuilder::new().num_threads(n).build().unwrap())
        .into()
}

/// So many pixels that a picture is several strips: cross entropy and its gradient have the same bits on any number of
/// threads, and are those of the pixels as rows.
#[test]
fn classes_of_pixels() {
    let (n, classes, pixels) = (3usize, 10usize, 4_321usize);
    let x: Vec<f32> = (0..n * classes * pixels)
        .map(|i| (i * 7_919 % 10_007) as f32 / 1_000.0)
        .collect();
    let x = Tensor::from_vec(x, [n, classes, pixels]).unwrap();
    let t: Vec<i64> = (0..n * pixels).map(|i| (i * 31 % classes) as i64).collect();
    let t = Tensor::from_vec(t, [n, pixels]).unwrap();
    let step = |x: Tensor<f32>, t: &Tensor<i64>| {
        let tape = Tape::new();
        let x = tape.leaf(x);
        let y = cross_entropy(&x, t).unwrap();
        let dx = y.backward().unwrap().get(&x).unwrap().clone();
        (y.item().unwrap(), dx)
    };
    let pools = pools();
    let run = || {
        let (y, dx) = step(x.clone(), &t);
        (
            y.to_bits(),
            Vec::from_iter(dx.to_vec().into_iter().map(f32::to_bits)),
        )
    };
    let first = pools[0].install(run);
    for pool in &pools[1..] {
        assert!(
            pool.install(run) == first,
            "{} threads",
            pool.current_num_threads()
        );
    }
    let turned = x
        .transpose(1, 2)
        .unwrap()
        .reshape([n * pixels, classes])
        .unwrap();
    let (y, dx) = step(turned, &t.flatten(0, 1).unwrap());
    assert!((f32::from_bits(first.0) - y).abs() <= 1e-6 * y);
    let dx = dx
        .reshape([n, pixels, classes])
        .unwrap()
        .transpose(1, 2)
        .unwrap();
    let same = dx.to_vec().into_iter().map(f32::to_bits).eq(first.1);
    assert!(same, "the slopes are those of rows");
}

#[test]
fn every_loss_has_the_same_bits_on_any_number_of_threads() {
    let pools = pools();
    for loss in all::<f32>() {
        // Enough for every engine to share out its work; products of a batch with itself reach that sooner.
        let (n, c) = match (loss.slow, loss.separate) {
            (true, _) => (40, 20),
            (false, true) => (1500, 40),
            (false, false) => (300, 40),
        };
        let x = (loss.make)(&mut Draw::new(5, n, c));
        let reductions: &[Reduction] = match loss.reduces {
            true => &[Reduction::None, Reduction::Mean],
            false => &[Reduction::Mean],
        };
        for &r in reductions {
            let run = || {
                let run = loss.ones(&x, r);
                let all = run.grads.iter().chain([&run.value]);
                let numbers = all.flat_map(Tensor::to_vec);
                Vec::from_iter(numbers.map(f32::to_bits))
            };
            let first = pools[0].install(run);
            for pool in &pools[1..] {
                let n = pool.current_num_threads();
                assert!(
                    pool.install(run) == first,
                    "{} with {r:?} on {n} threads",
                    loss.name
                );
            }
        }
    }
}
