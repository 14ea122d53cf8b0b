//! Lays digits out in the plane so that alike ones lie beside each other, with three losses of metric learning.
//!
//! ```sh
//! cargo run --release --example metric_learning
//! ```

use clap::Parser;
use examples::cli::Common;
use examples::draw::{Chart, Series};
use examples::interrupt::Interrupt;
use examples::progress::Progress;
use examples::{Outcome, draw, exit};
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::process::ExitCode;

/// Embed handwritten digits in the plane: alike ones together, others apart.
///
/// No loss here is told what a class is, only which pictures are of one: triplets pull the nearer of two pictures
/// nearer, the supervised contrastive loss compares each picture with all others of its batch, and the cosine loss
/// turns pairs towards each other or apart. The embedding is drawn, and the digits of the test part, which no network
/// has seen, are classified by their nearest neighbours in the training part.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  metric_learning                 three embeddings in the plane
  metric_learning --dims 8        more room: the first two dimensions are drawn"
)]
struct Options {
    /// Dimensions of the embedding
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..=512))]
    dims: u16,
    /// Neighbours that vote
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    neighbours: u16,
    /// Passes over the training part [default: 80]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Pictures for each step
    #[arg(long, default_value_t = 128)]
    batch_size: usize,
    #[command(flatten)]
    common: Common,
}

/// A loss of embeddings `[n, dims]` against classes `[n]`.
type Loss = fn(&Var<f32>, &Tensor<i64>) -> Result<Var<f32>>;

/// The name of a loss, whether it looks at directions only, and the loss.
const LOSSES: [(&str, bool, Loss); 3] = [
    ("triplet margin", false, triplets),
    ("supervised contrastive", true, |x, y| {
        SupConLoss::new().temperature(0.15).forward(x, y)
    }),
    ("cosine embedding", true, cosines),
];

/// For each row another of its class: the next one, which is a random one as the batch is in random order. And those
/// of other classes from which the loss is to pick. Rows without either are left out.
fn partners(y: &[i64]) -> impl Iterator<Item = (usize, usize, impl Iterator<Item = usize>)> {
    let n = y.len();
    (0..n).filter_map(move |i| {
        let after = move || (1..n).map(move |k| (i + k) % n);
        let alike = after().find(|&j| y[j] == y[i])?;
        after().find(|&j| y[j] != y[i])?;
        Some((i, alike, after().filter(move |&j| y[j] != y[i])))
    })
}

/// The rows of `x` that each list names.
fn pick<const N: usize>(x: &Var<f32>, lists: [Vec<i64>; N]) -> Result<Vec<Var<f32>>> {
    let pick = |list: Vec<i64>| x.index_select(0, &Tensor::from_slice(&list, list.len())?);
    lists.into_iter().map(pick).collect()
}

/// Triplets whose negative is the nearest one: that from which most is to be learned.
fn triplets(x: &Var<f32>, y: &Tensor<i64>) -> Result<Var<f32>> {
    let points = x.value().to_vec();
    let dims = x.shape()[1];
    let distance = |i: usize, j: usize| -> f32 {
        let pairs = points[dims * i..][..dims]
            .iter()
            .zip(&points[dims * j..][..dims]);
        pairs.map(|(a, b)| (a - b).powi(2)).sum()
    };
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    for (i, alike, others) in partners(&y.to_vec()) {
        let nearest = others.min_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b)));
        for (list, row) in lists.iter_mut().zip([i, alike, nearest.unwrap_or(i)]) {
            list.push(row as i64);
        }
    }
    let v = pick(x, lists)?;
    TripletMarginLoss::new().forward(&v[0], &v[1], &v[2])
}

/// Pairs: each row with one of its class, and with some of other classes.
fn cosines(x: &Var<f32>, y: &Tensor<i64>) -> Result<Var<f32>> {
    let mut lists = [Vec::new(), Vec::new()];
    let mut sides = Vec::new();
    for (i, alike, others) in partners(&y.to_vec()) {
        let some = others.take(8).map(|j| (j, -1.0));
        for (j, side) in std::iter::once((alike, 1.0)).chain(some) {
            lists[0].push(i as i64);
            lists[1].push(j as i64);
            sides.push(side);
        }
    }
    let v = pick(x, lists)?;
    let sides = Tensor::from_slice(&sides, sides.len())?;
    // Ten directions in the plane lie 36 degrees apart, whose cosine is 0.81: further than the margin, and nothing is
    // gained by pushing them apart.
    CosineEmbeddingLoss::new()
        .margin(0.75)
        .forward(&v[0], &v[1], &sides)
}

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("metric_learning")?;
    let mut interrupt = Interrupt::watch();
    let (train, test) = nn::data::digits()?.split(0.2, &mut rng)?;
    let scale = Standardize::fit(&train.x)?;
    let train = Dataset::new(scale.apply(&train.x)?, train.y)?;
    let test = Dataset::new(scale.apply(&test.x)?, test.y)?;
    let epochs = options.epochs.unwrap_or(options.common.pick(80, 3)) as usize;
    let (dims, k) = (usize::from(options.dims), usize::from(options.neighbours));

    let mut charts = Vec::new();
    println!("{:<26} test accuracy of the {k} nearest neighbours", "loss");
    for (name, directions, loss) in LOSSES {
        let mut rng = ChaCha8Rng::seed_from_u64(options.common.seed);
        let mut model = Sequential::mlp(&[64, 128, 128, dims], ReLU, &mut rng)?;
        let mut progress = Progress::of(name, epochs);
        // Between the epochs the loss alone is watched: neighbours are searched at the end.
        Trainer::with_metric(epochs, "none", |_: &Tensor<f32>, _: &Tensor<i64>| {
            Ok(f64::NAN)
        })
        .batch_size(options.batch_size)
        .callback(&mut progress)
        .schedule(Every::Epoch, CosineAnnealingLr::new(epochs as u64))
        .callback(&mut interrupt)
        .fit(
            &mut model,
            &mut Adam::new(0.002),
            loss,
            (&train, &test),
            &mut rng,
        )?;
        drop(progress);
        let place = |x: &Tensor<f32>| -> Result<Tensor<f32>> {
            let y = predict(&model, x)?;
            if !directions {
                return Ok(y);
            }
            let length = y.norm(2.0, keepdim(1))?.map(|v| v.max(1e-12));
            y.div(&length)
        };
        let (known, seen) = (place(&train.x)?, place(&test.x)?);
        let predicted = neighbours(&known, &train.y, &seen, k)?;
        let reached = 100.0 * accuracy(&predicted, &test.y)?;
        println!("{name:<26} {reached:.1} %");
        charts.push(chart(
            format!("{name}: {reached:.1} %"),
            directions,
            &seen,
            &test.y,
        )?);
    }
    let picture = out.join("embeddings.png");
    let title = format!("Unseen digits in the plane, and how many their {k} neighbours name right");
    draw::charts(&picture, &title, &charts)?;
    println!("drawn: {}", picture.display());
    Ok(())
}

/// The most frequent class among the `k` nearest of `known` for each row of `x`; of equally frequent ones the lower.
fn neighbours(
    known: &Tensor<f32>,
    classes: &Tensor<i64>,
    x: &Tensor<f32>,
    k: usize,
) -> Result<Tensor<i64>> {
    let distances = cdist(&Var::from(x), &Var::from(known))?.into_value();
    let (_, nearest) = distances.topk(k.min(classes.numel()), 1, false)?;
    let (classes, k) = (classes.to_vec(), nearest.shape()[1]);
    let vote = |near: &[i64]| {
        let mut votes = [0; 10];
        for &i in near {
            votes[classes[i as usize] as usize] += 1;
        }
        let most = votes.iter().max().copied().unwrap_or(0);
        votes.iter().position(|&v| v == most).unwrap_or(0) as i64
    };
    let predicted: Vec<i64> = nearest.to_vec().chunks(k).map(vote).collect();
    Tensor::from_vec(predicted, x.shape()[0])
}

/// The places of the digits; those that are directions lie on a circle, each a little outside the one before so that
/// they do not hide each other.
fn chart(title: String, directions: bool, x: &Tensor<f32>, y: &Tensor<i64>) -> Result<Chart> {
    let (points, dims) = (x.to_vec(), x.shape()[1]);
    let n = y.numel().max(1) as f64;
    let mut series: Vec<_> = (0..10)
        .map(|c| Series::dots(c.to_string(), c, vec![]))
        .collect();
    for (i, (point, class)) in points.chunks(dims).zip(y.to_vec()).enumerate() {
        let spread = if directions {
            1.0 + 0.4 * i as f64 / n
        } else {
            1.0
        };
        let place = (spread * f64::from(point[0]), spread * f64::from(point[1]));
        if let draw::Drawn::Dots(dots) = &mut series[class as usize].drawn {
            dots.push(place);
        }
    }
    let circle = directions.then_some(-1.5..1.5);
    Ok(Chart {
        title,
        x: "first dimension".into(),
        y: "second dimension".into(),
        across: circle.clone(),
        up: circle,
        series,
        ..Chart::default()
    })
}
