//! A whole training run has the same bits on any number of threads, and so have models that train side by side.

use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rayon::ThreadPoolBuilder;

const fn send_and_sync<S: Send + Sync>() {}
const _: () = {
    send_and_sync::<Sequential<f32>>();
    send_and_sync::<Lbfgs<f32>>();
    send_and_sync::<Groups<f32>>();
    send_and_sync::<Box<dyn Optimizer<f32>>>();
    send_and_sync::<Scheduler>();
};

/// A convolutional network with all that could tell threads apart: sums over a batch, drawn zeros, moments.
fn model(seed: u64) -> Result<Sequential<f32>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    Ok(Sequential::new()
        .push(Conv2d::new(1, 8, 3, rng)?.padding(1))
        .push(BatchNorm2d::new(8)?)
        .push(ReLU)
        .push(MaxPool2d::new(2))
        .push(Flatten::new())
        .push(Dropout::new(0.2, seed)?)
        .push(Linear::new(8 * 6 * 6, 64, rng)?)
        .push(LayerNorm::new([64])?)
        .push(GELU)
        .push(Linear::new(64, 10, rng)?))
}

/// The bits of every loss and of the parameters at the end.
fn train(seed: u64, steps: usize) -> Vec<u32> {
    let mut model = model(seed).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(seed + 100);
    let x = Tensor::<f32>::randn([64, 1, 12, 12], &mut rng).unwrap();
    let y = Tensor::randint(0, 10, [64], &mut rng).unwrap();
    let loss = CrossEntropy::new().label_smoothing(0.1);
    let mut adam = Adam::new(0.01);
    let mut bits = Vec::new();
    for _ in 0..steps {
        let loss = {
            let x = Tape::new().input(x.clone());
            loss.forward(&model.forward(&x).unwrap(), &y).unwrap()
        };
        bits.push(loss.item().unwrap().to_bits());
        let mut grads = loss.backward().unwrap();
        clip_grad_norm(&model, &mut grads, 1.0, 2.0).unwrap();
        adam.step(&mut model, &grads).unwrap();
    }
    let first = f32::from_bits(bits[0]);
    assert!(loss_of(&bits) < first, "the run has learnt nothing");
    let parameters = model.state_dict();
    bits.extend(
        parameters
            .iter()
            .flat_map(|(_, w)| w.to_vec())
            .map(f32::to_bits),
    );
    bits
}

fn loss_of(bits: &[u32]) -> f32 {
    bits.last().map_or(f32::NAN, |b| f32::from_bits(*b))
}

#[test]
fn a_training_run_has_the_same_bits_on_any_number_of_threads() {
    let run = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| train(7, 12))
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn models_that_train_side_by_side_do_not_touch_each_other() {
    let together: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..6).map(|i| scope.spawn(move || train(i, 4))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for (i, bits) in together.iter().enumerate() {
        assert!(*bits == train(i as u64, 4), "model {i}");
    }
}
