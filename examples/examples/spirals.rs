//! Trains classifiers of points on winding arms with different losses and draws where each changes its mind. The
//! training is a `Trainer`'s; `two_moons` shows the same with a loop written out.
//!
//! ```sh
//! cargo run --release --example spirals
//! ```

use clap::Parser;
use examples::cli::{Common, OptimizerName};
use examples::interrupt::Interrupt;
use examples::progress::Progress;
use examples::{Outcome, digest, draw, exit};
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::process::ExitCode;

/// Train networks to tell the arms of a spiral apart.
///
/// Each network has two hidden layers and an output for each arm. They start from the same parameters and see the
/// same batches; what differs is the loss. At the end the program draws, for each loss, the points, how sure the
/// network is over the plane, and the lines where its answer changes.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  spirals                          three arms
  spirals --arms 5 --turns 0.5     five, wound less
  spirals --noise 0.06             arms that touch"
)]
struct Options {
    /// Points to draw; a quarter is kept for the test
    #[arg(long, default_value_t = 900)]
    points: usize,
    /// Arms, each a class
    #[arg(long, default_value_t = 3)]
    arms: usize,
    /// How often each arm winds around the middle
    #[arg(long, default_value_t = 0.8, allow_negative_numbers = true)]
    turns: f64,
    /// Deviation of the noise in each coordinate
    #[arg(long, default_value_t = 0.045, allow_negative_numbers = true)]
    noise: f64,
    /// How the gradients change the parameters
    #[arg(long, value_enum, default_value_t = OptimizerName::Adam)]
    optimizer: OptimizerName,
    /// Passes over the training part [default: 150]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Points for each step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Learning rate [default: one that suits the optimizer]
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Width of the hidden layers
    #[arg(long, default_value_t = 48)]
    hidden: usize,
    #[command(flatten)]
    common: Common,
}

/// A loss of logits `[n, classes]` against classes `[n]`.
type Loss = fn(&Var<f32>, &Tensor<i64>) -> Result<Var<f32>>;

const LOSSES: [(&str, Loss); 3] = [
    ("cross entropy", |x, y| cross_entropy(x, y)),
    ("multi-margin", |x, y| multi_margin_loss(x, y)),
    ("focal, gamma 3", |x, y| {
        SoftmaxFocalLoss::new().gamma(3.0).forward(x, y)
    }),
];

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("spirals")?;
    let mut interrupt = Interrupt::watch();
    let points = options.points;
    let data = nn::data::spirals(points, options.arms, options.turns, options.noise, &mut rng)?;
    let (train, test) = data.split(0.25, &mut rng)?;
    let epochs = options.epochs.unwrap_or(options.common.pick(150, 10)) as usize;

    let mut models = Vec::new();
    for (name, loss) in LOSSES {
        // The same start for each, so that the loss is the only difference.
        let mut rng = ChaCha8Rng::seed_from_u64(options.common.seed);
        let widths = [2, options.hidden, options.hidden, options.arms];
        let mut model = Sequential::mlp(&widths, Tanh, &mut rng)?;
        let mut optimizer = options.optimizer.build(options.lr);
        let mut progress = Progress::of(name, epochs);
        let trained = Trainer::new(epochs)
            .batch_size(options.batch_size)
            .callback(&mut progress)
            .callback(&mut interrupt)
            .fit(&mut model, &mut *optimizer, loss, (&train, &test), &mut rng)?;
        drop(progress);
        let p = predict(&model, &test.x)?;
        let reached = 100.0 * accuracy(&p.argmax(1)?, &test.y)?;
        println!(
            "{name:<18} {} epochs, test accuracy {reached:.1} %, digest of the parameters {:016x}",
            trained.history.epochs().len(),
            digest(&model)
        );
        models.push((format!("{name}: {reached:.1} %"), model));
    }

    let picture = out.join("boundaries.png");
    let p: Vec<_> = models
        .iter()
        .map(|(_, model)| |points: Tensor<f32>| predict(model, &points)?.softmax(1))
        .collect();
    let planes: Vec<_> = models
        .iter()
        .zip(&p)
        .map(|((title, _), p)| draw::Plane {
            title: title.clone(),
            probabilities: p,
        })
        .collect();
    let title = "Spirals: the share of the test part that is right, by loss";
    draw::boundaries(&picture, title, (&train, &test), &planes)?;
    println!("drawn: {}", picture.display());
    Ok(())
}
