//! Every loss, and its gradients, have the same bits on any number of threads.

use crate::common::{Draw, all};
use losses::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

fn pools() -> Vec<ThreadPool> {
    [1, 2, 3, 8]
        .map(|n| ThreadPoolBuilder::new().num_threads(n).build().unwrap())
        .into()
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
