//! Trains a classifier of points in the plane and draws where it changes its mind.
//!
//! ```sh
//! cargo run --release --example two_moons
//! ```

use clap::Parser;
use examples::cli::{OptimizerName, set_threads};
use examples::progress::Progress;
use examples::{Outcome, digest, draw, exit};
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::path::PathBuf;
use std::process::ExitCode;

/// Train a network to tell two half circles apart that reach into each other, which no straight line can.
///
/// The network has two hidden layers and one output, the logit of the probability that a point belongs to the second
/// half circle; its loss is the binary cross entropy. At the end the program draws the points, the probability over
/// the plane, and the line where it is one half.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  two_moons                        a line between the half circles
  two_moons --noise 0.35           points that overlap
  two_moons --hidden 1             a network too small for the problem"
)]
struct Options {
    /// Points to draw; a quarter is kept for the test
    #[arg(long, default_value_t = 600)]
    points: usize,
    /// Deviation of the noise in each coordinate
    #[arg(long, default_value_t = 0.18, allow_negative_numbers = true)]
    noise: f64,
    /// How the gradients change the parameters
    #[arg(long, value_enum, default_value_t = OptimizerName::Adam)]
    optimizer: OptimizerName,
    /// Passes over the training part [default: 100]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Points for each step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Learning rate [default: 0.003, or 0.03 for sgd]
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Seed of all that is random: the points, the split, the start values, the order of the batches
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Width of the hidden layers
    #[arg(long, default_value_t = 16)]
    hidden: usize,
    /// Threads of the kernels; 0 is one for each core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Folder for the picture
    #[arg(long, default_value = "target/two_moons")]
    out: PathBuf,
    /// Train for five epochs only: shows that everything runs, not how well
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    set_threads(options.threads)?;
    std::fs::create_dir_all(&options.out)
        .map_err(|e| format!("--out {}: {e}", options.out.display()))?;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let data = nn::data::moons(options.points, options.noise, &mut rng)?;
    let (train, test) = data.split(0.25, &mut rng)?;
    let widths = [2, options.hidden, options.hidden, 1];
    let mut model = Sequential::mlp(&widths, Tanh, &mut rng)?;

    let epochs = options
        .epochs
        .unwrap_or(if options.quick { 5 } else { 100 }) as usize;
    let mut optimizer = options.optimizer.build(options.lr);
    let mut progress = Progress::new(epochs, train.len().div_ceil(options.batch_size.max(1)));
    for epoch in 1..=epochs {
        for batch in train.batches(options.batch_size, &mut rng)? {
            let (loss, grads) = {
                let x = Tape::new().input(batch.x);
                let loss = loss(&model.forward(&x)?, &batch.y)?;
                (loss.item()?, loss.backward()?)
            };
            if !loss.is_finite() {
                return Err(
                    format!("the loss became {loss} in epoch {epoch}: try a smaller --lr").into(),
                );
            }
            optimizer.step(&mut model, &grads)?;
            progress.batch(f64::from(loss));
        }
        let (train_loss, train_accuracy) = evaluate(&model, &train)?;
        let (test_loss, test_accuracy) = evaluate(&model, &test)?;
        progress.epoch(&Epoch {
            epoch,
            train_loss,
            train_accuracy,
            test_loss,
            test_accuracy,
        });
    }
    drop(progress);

    let reached = 100.0 * evaluate(&model, &test)?.1;
    println!(
        "test accuracy {reached:.1} %, digest of the parameters {:016x}",
        digest(&model)
    );
    let picture = options.out.join("boundary.png");
    let title = format!("Two moons: {reached:.1} % of the test part right");
    draw::boundary(&picture, &title, &train, &test, |points| {
        Ok(model.forward(&Var::from(points))?.sigmoid().into_value())
    })?;
    println!("drawn: {}", picture.display());
    Ok(())
}

/// The mean binary cross entropy of logits `[n, 1]` against classes 0 and 1.
fn loss(logits: &Var<f32>, y: &Tensor<i64>) -> Result<Var<f32>> {
    let target = Var::from(y.cast::<f32>());
    binary_cross_entropy_with_logits(&logits.squeeze(1)?, &target)
}

/// Loss and accuracy on `data`: a logit above 0 says class 1.
fn evaluate(model: &Sequential<f32>, data: &Dataset) -> Result<(f64, f64)> {
    let logits = model.forward(&Var::from(&data.x))?;
    let predicted = logits.value().squeeze(1)?.gt(0.0)?.cast::<i64>();
    let loss = loss(&logits, &data.y)?.item()?;
    Ok((f64::from(loss), accuracy(&predicted, &data.y)?))
}
