//! Finds one positive among a hundred, with losses that weigh the rare class in different ways.
//!
//! ```sh
//! cargo run --release --example imbalanced
//! ```

use clap::Parser;
use examples::cli::Common;
use examples::draw::{Chart, Series};
use examples::interrupt::Interrupt;
use examples::progress::Progress;
use examples::{Outcome, draw, exit};
use nn::metrics::{average_precision, log_loss, precision_recall_curve, roc_auc};
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::process::ExitCode;

/// Find the rare positives: one row in a hundred is.
///
/// The same network learns with four losses: the plain binary cross entropy, one that weighs each positive as much as
/// 99 negatives, the focal loss, which turns away from what is easy, and the Dice loss, which rewards overlap with the
/// positives and nothing else. The first three rank the rows alike, as the curves show; they differ in where on its
/// curve the threshold of one half lies, and in whether their probabilities can be believed, which the log loss tells.
/// The Dice loss makes the best use of the threshold, and cares little about the order of the rest.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  imbalanced                       one positive in a hundred
  imbalanced --share 0.2           one in five: hardly a difference"
)]
struct Options {
    /// Share of the positives
    #[arg(long, default_value_t = 0.01)]
    share: f64,
    /// Rows to learn from, and as many for the test
    #[arg(long, default_value_t = 20_000)]
    rows: usize,
    /// Passes over the training part [default: 30]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    #[command(flatten)]
    common: Common,
}

/// Features of each row.
const FEATURES: usize = 6;

/// Negatives around the origin; positives around one of two places beside it, so that no straight line parts them.
fn rows(n: usize, share: f64, rng: &mut ChaCha8Rng) -> Result<Dataset> {
    let positives = (n as f64 * share).round() as usize;
    let far = |side: f32| {
        let mut place = [0.0f32; FEATURES];
        place[0] = 2.2 * side;
        place[1] = 1.6;
        place
    };
    let places = Tensor::from([far(1.0), far(-1.0)]);
    let x1 = nn::data::blobs(positives, &places, 0.8, rng)?.x;
    let x0 = Tensor::randn([n - positives, FEATURES], rng)?;
    let y = Tensor::cat(
        &[&Tensor::zeros(n - positives)?, &Tensor::ones(positives)?],
        0,
    )?;
    Dataset::new(Tensor::cat(&[&x0, &x1], 0)?, y)
}

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("imbalanced")?;
    let share = options.share;
    if !(share > 0.0 && share < 1.0) {
        return Err(format!("--share {share}: it must lie between 0 and 1").into());
    }
    let mut interrupt = Interrupt::watch();
    let train = rows(options.rows, share, &mut rng)?;
    let test = rows(options.rows, share, &mut rng)?;
    let epochs = options.epochs.unwrap_or(options.common.pick(30, 2)) as usize;
    let weight = ((1.0 - share) / share) as f32;
    let weighted = BinaryCrossEntropyWithLogits::new().pos_weight(Tensor::from([weight]));

    type Loss<'a> = Box<dyn Fn(&Var<f32>, &Tensor<f32>) -> Result<Var<f32>> + 'a>;
    let losses: [(&str, Loss<'_>); 4] = [
        (
            "cross entropy",
            Box::new(|x, t| binary_cross_entropy_with_logits(x, &Var::from(t))),
        ),
        (
            "cross entropy, pos_weight",
            Box::new(move |x, t| weighted.forward(x, &Var::from(t))),
        ),
        ("focal", Box::new(sigmoid_focal_loss)),
        (
            "Dice",
            // The whole batch as one picture.
            Box::new(|x, t| {
                DiceLoss::new()
                    .region(Region::Batch)
                    .forward(&x.sigmoid(), &Var::from(t))
            }),
        ),
    ];

    println!(
        "{:<26} {:>9} {:>8} {:>10} {:>8} {:>6} {:>9}",
        "loss", "avg prec", "ROC AUC", "precision", "recall", "F1", "log loss"
    );
    let (mut curves, mut marks, mut best) = (Vec::new(), Vec::new(), 0.0f64);
    for (color, (name, loss)) in losses.iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(options.common.seed);
        let mut model = Sequential::mlp(&[FEATURES, 32, 32, 1], ReLU, &mut rng)?;
        let mut progress = Progress::of(name, epochs);
        Trainer::with_metric(epochs, "average precision", |x, y| {
            average_precision(&x.squeeze(1)?, y)
        })
        .batch_size(512)
        .callback(&mut progress)
        .schedule(Every::Epoch, CosineAnnealingLr::new(epochs as u64))
        .callback(&mut interrupt)
        .fit(
            &mut model,
            &mut Adam::new(0.005),
            |x, y| loss(&x.squeeze(1)?, &y.cast()),
            (&train, &test),
            &mut rng,
        )?;
        drop(progress);

        let p = predict(&model, &test.x)?.squeeze(1)?.sigmoid();
        let m = ConfusionMatrix::new(&p.gt(0.5)?.cast(), &test.y, 2)?;
        let ap = average_precision(&p, &test.y)?;
        best = best.max(ap);
        println!(
            "{name:<26} {ap:>9.3} {:>8.3} {:>10.3} {:>8.3} {:>6.3} {:>9.4}",
            roc_auc(&p, &test.y)?,
            if m.precision(1).is_nan() {
                0.0
            } else {
                m.precision(1)
            },
            m.recall(1),
            m.f1(1),
            log_loss(&p, &test.y)?
        );
        let curve = precision_recall_curve(&p, &test.y)?;
        let line = curve.iter().map(|p| (p.recall, p.precision)).collect();
        curves.push(Series::line(format!("{name}, {ap:.2}"), color, line));
        let half = vec![(m.recall(1), m.precision(1))];
        marks.push(Series::rings("", color, half));
    }
    println!("best average precision {best:.3}; guessing has {share:.3}");

    // The ring in the legend stands for the rings of all colors.
    marks.push(Series::rings("threshold of one half", 8, vec![]));
    let picture = out.join("precision_recall.png");
    let chart = Chart {
        x: "recall: share of the positives that is found".into(),
        y: "precision: share of the found that is positive".into(),
        across: Some(0.0..1.0),
        up: Some(0.0..1.02),
        series: curves.into_iter().chain(marks).collect(),
        ..Chart::default()
    };
    let title = format!(
        "Positives are {:.0} in a thousand: average precision by loss, {best:.2} at best",
        1000.0 * share
    );
    draw::charts(&picture, &title, &[chart])?;
    println!("drawn: {}", picture.display());
    Ok(())
}
