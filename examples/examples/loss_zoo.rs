//! Trains the same network with ten losses side by side: first on digits as they are, then with a part of the labels
//! flipped, where the losses show what they are made for.
//!
//! ```sh
//! cargo run --release --example loss_zoo
//! ```

use clap::{Parser, ValueEnum};
use examples::cli::Common;
use examples::draw::{Chart, Series};
use examples::interrupt::Interrupt;
use examples::losses::LossName;
use examples::progress::Progress;
use examples::{Outcome, draw, exit};
use nn::metrics::calibration_error;
use nn::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::process::ExitCode;

/// Train one network with ten classification losses, and again with wrong labels among the right ones.
///
/// All start from the same parameters and see the same batches of digits. The table shows how many of the unseen
/// digits each gets right, and how far its confidence is from its accuracy. Then a part of the training labels is
/// flipped to another class at random. The network is large enough to learn these by heart, and most losses make it.
/// The absolute error of the probabilities, and the generalised cross entropy, which lies between it and the cross
/// entropy, hardly pull at what does not fit, and keep their accuracy: they are drawn as full lines.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  loss_zoo                       ten losses, then with 30 % of the labels flipped
  loss_zoo --flipped 0.5         half of the labels
  loss_zoo --hidden 16           a network too small to learn them by heart"
)]
struct Options {
    /// Share of the training labels that is flipped
    #[arg(long, default_value_t = 0.3)]
    flipped: f64,
    /// Passes over the training part [default: 80]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Pictures for each step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Learning rate of Adam
    #[arg(long, default_value_t = 0.002, allow_negative_numbers = true)]
    lr: f64,
    /// Width of the hidden layer
    #[arg(long, default_value_t = 256)]
    hidden: usize,
    #[command(flatten)]
    common: Common,
}

/// What became of one loss: the test accuracy after each epoch, and the calibration error at the end.
struct Fate {
    curve: Vec<(f64, f64)>,
    calibration: f64,
}

impl Fate {
    fn last(&self) -> f64 {
        self.curve.last().map_or(f64::NAN, |p| p.1)
    }

    fn best(&self) -> f64 {
        self.curve.iter().map(|p| p.1).fold(f64::NAN, f64::max)
    }
}

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("loss_zoo")?;
    if !(0.0..=1.0).contains(&options.flipped) {
        return Err(format!("--flipped {}: it is a share from 0 to 1", options.flipped).into());
    }
    let mut interrupt = Interrupt::watch();
    let data = nn::data::digits()?;
    let (train, test) = data.split(0.3, &mut rng)?;
    let scale = Standardize::fit(&train.x)?;
    let clean = Dataset::new(scale.apply(&train.x)?, train.y)?;
    let test = Dataset::new(scale.apply(&test.x)?, test.y)?;
    let noisy = Dataset::new(clean.x.clone(), flip(&clean.y, options.flipped, &mut rng)?)?;

    let percent = 100.0 * options.flipped;
    println!(
        "{:<28} {:>10} {:>12}    {percent:.0} % of the labels flipped",
        "", "accuracy", "calibration"
    );
    println!(
        "{:<28} {:>10} {:>12} {:>10} {:>10}",
        "loss", "", "error", "at best", "at the end"
    );
    let (mut clean_curves, mut noisy_curves) = (Vec::new(), Vec::new());
    let (mut winner, mut plain) = (("", 0.0), 0.0);
    for (color, &loss) in LossName::value_variants().iter().enumerate() {
        let name = loss.title();
        let right = train_one(options, loss, (&clean, &test), &mut interrupt)?;
        let wrong = train_one(options, loss, (&noisy, &test), &mut interrupt)?;
        println!(
            "{name:<28} {:>8.1} % {:>10.1} % {:>8.1} % {:>8.1} %",
            right.last(),
            100.0 * right.calibration,
            wrong.best(),
            wrong.last()
        );
        if loss == LossName::CrossEntropy {
            plain = wrong.last();
        }
        if wrong.last() > winner.1 {
            winner = (name, wrong.last());
        }
        for (curves, fate) in [(&mut clean_curves, right), (&mut noisy_curves, wrong)] {
            curves.push(match loss.is_robust() {
                true => Series::line(name, color, fate.curve),
                false => Series::dashes(name, color, fate.curve),
            });
        }
    }
    println!(
        "with {percent:.0} % of the labels flipped, best at the end: {}, {:.1} % of the unseen digits right",
        winner.0, winner.1
    );

    let picture = out.join("zoo.png");
    let chart = |title: String, low: f64, series| Chart {
        title,
        x: "epoch".into(),
        y: "unseen digits classified right, in %".into(),
        up: Some(low..100.2),
        series,
        ..Chart::default()
    };
    let charts = [
        chart("labels as they are".into(), 94.0, clean_curves),
        chart(
            format!("{percent:.0} % of the training labels flipped"),
            60.0,
            noisy_curves,
        ),
    ];
    let title = format!(
        "{percent:.0} % of the labels flipped: {} {:.1} %, cross entropy {plain:.1} %",
        winner.0, winner.1
    );
    draw::charts(&picture, &title, &charts)?;
    println!("drawn: {}", picture.display());
    Ok(())
}

/// The classes, a share of them replaced by another one.
fn flip(y: &Tensor<i64>, share: f64, rng: &mut ChaCha8Rng) -> Result<Tensor<i64>> {
    let mut flipped = y.to_vec();
    for class in &mut flipped {
        if rng.random_bool(share) {
            *class = (*class + rng.random_range(1..10)) % 10;
        }
    }
    Tensor::from_vec(flipped, y.numel())
}

fn train_one(
    options: &Options,
    loss: LossName,
    (train, test): (&Dataset, &Dataset),
    interrupt: &mut Interrupt,
) -> Result<Fate> {
    let epochs = options.epochs.unwrap_or(options.common.pick(80, 3)) as usize;
    // The same start and the same batches for each, so that the loss is the only difference.
    let mut rng = ChaCha8Rng::seed_from_u64(options.common.seed);
    let mut model = Sequential::mlp(&[64, options.hidden, 10], ReLU, &mut rng)?;
    let mut progress = Progress::of(loss.title(), epochs);
    let trained = Trainer::new(epochs)
        .batch_size(options.batch_size)
        .callback(&mut progress)
        .callback(interrupt)
        .fit(
            &mut model,
            &mut Adam::new(options.lr),
            |x, y| loss.of(x, y),
            (train, test),
            &mut rng,
        )?;
    let p = predict(&model, &test.x)?.softmax(1)?;
    Ok(Fate {
        curve: trained.history.curve(|e| 100.0 * e.test_metric),
        calibration: calibration_error(&p, &test.y, 15)?,
    })
}
