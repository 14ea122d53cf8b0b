//! Trains classifiers of points in the plane with different losses and draws where each changes its mind. The loop of
//! training is written out here; `spirals` shows the same with a `Trainer`.
//!
//! ```sh
//! cargo run --release --example two_moons
//! ```

use clap::Parser;
use examples::cli::{Common, OptimizerName};
use examples::interrupt::Interrupt;
use examples::progress::Progress;
use examples::{Outcome, digest, draw, exit};
use nn::prelude::*;
use nn::trainer::Batch;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::process::ExitCode;

/// Train networks to tell two half circles apart that reach into each other, which no straight line can.
///
/// Each network has two hidden layers and one output, the logit of the probability that a point belongs to the second
/// half circle. They start from the same parameters and see the same batches; what differs is the loss. At the end
/// the program draws, for each loss, the points, the probability over the plane, and the line where it is one half.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  two_moons                        lines between the half circles
  two_moons --noise 0.35           points that overlap
  two_moons --hidden 1             networks too small for the problem"
)]
struct Options {
    /// Points to draw; a quarter is kept for the test
    #[arg(long, default_value_t = 600)]
    points: usize,
    /// Deviation of the noise in each coordinate
    #[arg(long, default_value_t = 0.25, allow_negative_numbers = true)]
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
    /// Learning rate [default: one that suits the optimizer]
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Width of the hidden layers
    #[arg(long, default_value_t = 16)]
    hidden: usize,
    #[command(flatten)]
    common: Common,
}

/// A loss of logits `[n]` against targets that are 0 or 1.
type Loss = fn(&Var<f32>, &Var<f32>) -> Result<Var<f32>>;

const LOSSES: [(&str, Loss); 3] = [
    ("binary cross entropy", |x, t| {
        binary_cross_entropy_with_logits(x, t)
    }),
    ("squared error of the probability", |x, t| {
        mse_loss(&x.sigmoid(), t)
    }),
    // 0 as soon as a point lies on its side with a logit of 1: only points near the line count.
    ("hinge", |x, t| {
        let side = t.mul(2.0)?.sub(1.0)?;
        (1.0 - side.mul(x)?).relu().mean(..)
    }),
];

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("two_moons")?;
    let interrupt = Interrupt::watch();
    let data = nn::data::moons(options.points, options.noise, &mut rng)?;
    let (train, test) = data.split(0.25, &mut rng)?;

    let mut models = Vec::new();
    for (name, loss) in LOSSES {
        // The same start for each, so that the loss is the only difference.
        let mut rng = ChaCha8Rng::seed_from_u64(options.common.seed);
        let widths = [2, options.hidden, options.hidden, 1];
        let mut model = Sequential::mlp(&widths, Tanh, &mut rng)?;
        fit(
            options, &mut model, name, loss, &train, &test, &interrupt, &mut rng,
        )?;
        let reached = 100.0 * evaluate(&model, loss, &test)?.1;
        println!(
            "{name:<34} test accuracy {reached:.1} %, digest of the parameters {:016x}",
            digest(&model)
        );
        models.push((format!("{name}: {reached:.1} %"), model));
    }

    let picture = out.join("boundary.png");
    let p: Vec<_> = models
        .iter()
        .map(|(_, model)| {
            |points: Tensor<f32>| {
                let p = model.forward(&Var::from(points))?.sigmoid().into_value();
                Tensor::cat(&[&p.map(|p| 1.0 - p), &p], 1)
            }
        })
        .collect();
    let planes: Vec<_> = models
        .iter()
        .zip(&p)
        .map(|((title, _), p)| draw::Plane {
            title: title.clone(),
            probabilities: p,
        })
        .collect();
    let title = "Two moons: the share of the test part that is right, by loss";
    draw::boundaries(&picture, title, (&train, &test), &planes)?;
    println!("drawn: {}", picture.display());
    Ok(())
}

/// The loop of training, written out.
#[expect(
    clippy::too_many_arguments,
    reason = "all that a training needs, in one place to read"
)]
fn fit(
    options: &Options,
    model: &mut Sequential<f32>,
    name: &str,
    loss: Loss,
    train: &Dataset,
    test: &Dataset,
    interrupt: &Interrupt,
    rng: &mut ChaCha8Rng,
) -> Outcome {
    let epochs = options.epochs.unwrap_or(options.common.pick(100, 5)) as usize;
    let mut optimizer = options.optimizer.build(options.lr);
    let mut progress = Progress::of(name, epochs);
    for epoch in 1..=epochs {
        let batches = train.batches(options.batch_size, rng)?;
        let count = batches.len();
        for (batch, rows) in (1..).zip(batches) {
            // The tape ends with this block, so the step below writes the parameters in place.
            let (value, grads) = {
                let x = Tape::new().input(rows.x);
                let target = Var::from(rows.y.cast::<f32>());
                let loss = loss(&model.forward(&x)?.squeeze(1)?, &target)?;
                (f64::from(loss.item()?), loss.backward()?)
            };
            if !value.is_finite() {
                let place = format!("in batch {batch} of epoch {epoch}");
                return Err(format!("the loss became {value} {place}: try a smaller --lr").into());
            }
            optimizer.step(model, &grads)?;
            progress.step(&Batch {
                epoch,
                batch,
                batches: count,
                loss: value,
            });
            if interrupt.pressed() {
                return Ok(());
            }
        }
        let (train_loss, train_metric) = evaluate(model, loss, train)?;
        let (test_loss, test_metric) = evaluate(model, loss, test)?;
        progress.pass(&Epoch {
            epoch,
            train_loss,
            train_metric,
            test_loss,
            test_metric,
            lr: optimizer.lr(),
        });
    }
    Ok(())
}

/// Loss and accuracy on `data`: a logit above 0 says class 1.
fn evaluate(model: &Sequential<f32>, loss: Loss, data: &Dataset) -> Result<(f64, f64)> {
    let logits = model.forward(&Var::from(&data.x))?.squeeze(1)?;
    let predicted = logits.value().gt(0.0)?.cast::<i64>();
    let loss = loss(&logits, &Var::from(data.y.cast::<f32>()))?.item()?;
    Ok((f64::from(loss), accuracy(&predicted, &data.y)?))
}
