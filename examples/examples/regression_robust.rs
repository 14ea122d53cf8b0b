//! Fits a curve through points with heavy outliers, once with each of several losses, and draws the fits and the
//! bands that quantiles and predicted variances give.
//!
//! ```sh
//! cargo run --release --example regression_robust
//! ```

use clap::Parser;
use examples::cli::Common;
use examples::draw::{Chart, Series};
use examples::interrupt::Interrupt;
use examples::progress::Progress;
use examples::{Outcome, draw, exit};
use nn::metrics::mean_absolute_error;
use nn::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::process::ExitCode;

/// Fit a curve through points of which some are far off, and see which losses care.
///
/// The truth is a wave; its noise is small on the left and large on the right, and one point in eight is lifted far
/// above. The same network learns from the same points with each loss. What it learned is compared with the truth.
/// The bands are to hold nine of ten points, outliers counted: fresh points of the same kind show whether they do, and
/// the picture at what price, for a normal distribution has no room for points that are lifted to one side.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  regression_robust                   one point in eight is an outlier
  regression_robust --outliers 0      none: now the squared error is the best"
)]
struct Options {
    /// Points to learn from
    #[arg(long, default_value_t = 800)]
    points: usize,
    /// Share of the points that are outliers
    #[arg(long, default_value_t = 0.125)]
    outliers: f64,
    /// Passes over the points [default: 150]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    #[command(flatten)]
    common: Common,
}

/// The wave, and the deviation of its noise.
fn truth(x: f32) -> (f32, f32) {
    ((1.6 * x).sin() + 0.3 * x, 0.08 + 0.12 * (x + 3.0) / 3.0)
}

/// Points of the wave with its noise, and with outliers.
fn draw_points(n: usize, outliers: f64, rng: &mut ChaCha8Rng) -> Result<Dataset<f32>> {
    let x: Tensor<f32> = Tensor::uniform([n, 1], -3.0, 3.0, rng)?;
    let noise: Tensor<f32> = Tensor::randn([n], rng)?;
    let mut y = Vec::with_capacity(n);
    for (x, noise) in x.to_vec().into_iter().zip(noise.to_vec()) {
        let (mean, deviation) = truth(x);
        let lift = match rng.random_bool(outliers) {
            true => rng.random_range(2.0..6.0),
            false => 0.0,
        };
        y.push(mean + deviation * noise + lift);
    }
    Dataset::new(x, Tensor::from_vec(y, n)?)
}

/// A loss of outputs `[n, outputs]` against targets `[n]`, and how many outputs it takes.
type Loss = fn(&Var<f32>, &Var<f32>) -> Result<Var<f32>>;

const POINTS: [(&str, Loss); 4] = [
    ("squared error", |x, t| mse_loss(&x.squeeze(1)?, t)),
    ("absolute error", |x, t| l1_loss(&x.squeeze(1)?, t)),
    ("Huber, delta 0.3", |x, t| {
        HuberLoss::new().delta(0.3).forward(&x.squeeze(1)?, t)
    }),
    ("log-cosh", |x, t| log_cosh_loss(&x.squeeze(1)?, t)),
];

/// What share of the points should lie in the bands.
const SHARE: f64 = 0.9;

/// The quantiles that bound so much, and the one in the middle.
const QUANTILES: [f64; 3] = [0.05, 0.5, 0.95];

/// So many deviations around the mean hold the same share of a normal distribution.
const DEVIATIONS: f32 = 1.645;

fn quantiles(x: &Var<f32>, t: &Var<f32>) -> Result<Var<f32>> {
    QuantileLoss::new().q(QUANTILES).forward(x, t)
}

/// The two outputs are the mean and the logarithm of the variance.
fn gaussian(x: &Var<f32>, t: &Var<f32>) -> Result<Var<f32>> {
    gaussian_nll_loss_with_log_var(&x.select(1, 0)?, t, &x.select(1, 1)?)
}

/// What was learned about the range of the points.
struct Band {
    /// What it is, and what its range and its middle are called.
    names: [&'static str; 3],
    /// Lower end, middle and upper end.
    lines: [Tensor<f32>; 3],
    /// The share of fresh points within.
    within: f64,
}

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("regression_robust")?;
    if !(0.0..=1.0).contains(&options.outliers) {
        return Err(format!("--outliers {}: it is a share from 0 to 1", options.outliers).into());
    }
    let mut interrupt = Interrupt::watch();
    let train = draw_points(options.points, options.outliers, &mut rng)?;
    let fresh = draw_points(4000, options.outliers, &mut rng)?;
    let grid = Tensor::linspace(-3.0, 3.0, 241)?.reshape([241, 1])?;
    let wave = grid.squeeze(1)?.map(|x| truth(x).0);

    println!("{:<28} distance from the truth", "loss");
    let mut lines = Vec::new();
    for (name, loss) in POINTS {
        let y = fit(options, name, loss, 1, &train, &grid, &mut interrupt)?;
        let off = mean_absolute_error(&y.squeeze(1)?, &wave)?;
        println!("{name:<28} {off:.3}");
        lines.push((name, y.squeeze(1)?));
    }
    let bands = [
        (
            ["quantiles", "quantiles: 5 to 95 %", "quantiles: 50 %"],
            quantiles as Loss,
            3,
        ),
        (
            ["Gaussian likelihood", "Gaussian: 90 %", "Gaussian: mean"],
            gaussian,
            2,
        ),
    ];
    let mut drawn = Vec::new();
    for (names, loss, outputs) in bands {
        let name = names[0];
        let at = Tensor::cat(&[&grid, &fresh.x], 0)?;
        let y = fit(options, name, loss, outputs, &train, &at, &mut interrupt)?;
        let band = |y: Tensor<f32>| -> Result<[Tensor<f32>; 3]> {
            let column = |i| y.select(1, i);
            if outputs == 3 {
                return Ok([column(0)?, column(1)?, column(2)?]);
            }
            let (mean, wide) = (column(0)?, column(1)?.map(|v| DEVIATIONS * (0.5 * v).exp()));
            Ok([mean.sub(&wide)?, mean.clone(), mean.add(&wide)?])
        };
        let on_grid = band(y.narrow(0, 0, 241)?)?;
        let [low, _, high] = band(y.narrow(0, 241, fresh.len())?)?;
        let within = fresh.y.ge(&low)?.logical_and(&fresh.y.le(&high)?)?;
        let within = within.cast::<f64>().mean(..)?.item()?;
        let off = mean_absolute_error(&on_grid[1], &wave)?;
        println!(
            "{name:<28} {off:.3}; {:.1} % of fresh points in its band, {:.0} % are meant",
            100.0 * within,
            100.0 * SHARE
        );
        drawn.push(Band {
            names,
            lines: on_grid,
            within,
        });
    }
    let picture = out.join("fits.png");
    draw_fits(&picture, &train, &grid, &wave, &lines, &drawn)?;
    println!("drawn: {}", picture.display());
    Ok(())
}

/// Trains a network with `loss` and returns its outputs at `at`.
fn fit(
    options: &Options,
    name: &str,
    loss: Loss,
    outputs: usize,
    train: &Dataset<f32>,
    at: &Tensor<f32>,
    interrupt: &mut Interrupt,
) -> Result<Tensor<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.common.seed);
    let mut model = Sequential::mlp(&[1, 48, 48, outputs], Tanh, &mut rng)?;
    let epochs = options.epochs.unwrap_or(options.common.pick(150, 10)) as usize;
    let mut progress = Progress::of(name, epochs);
    let metric = |y: &Tensor<f32>, t: &Tensor<f32>| {
        mean_absolute_error(&y.select(1, (outputs / 3) as isize)?, t)
    };
    Trainer::with_metric(epochs, "absolute error", metric)
        .batch_size(64)
        .callback(&mut progress)
        .schedule(Every::Epoch, CosineAnnealingLr::new(epochs as u64))
        .callback(interrupt)
        .fit(
            &mut model,
            &mut Adam::new(0.01),
            |y, t| loss(y, &Var::from(t)),
            (train, train),
            &mut rng,
        )?;
    predict(&model, at)
}

/// The fits, and the two bands, over the points they were learned from.
fn draw_fits(
    picture: &std::path::Path,
    train: &Dataset<f32>,
    grid: &Tensor<f32>,
    wave: &Tensor<f32>,
    lines: &[(&str, Tensor<f32>)],
    bands: &[Band],
) -> Outcome {
    let x: Vec<f64> = grid.to_vec().into_iter().map(f64::from).collect();
    let curve = |y: &Tensor<f32>| -> Vec<(f64, f64)> {
        x.iter()
            .copied()
            .zip(y.to_vec().into_iter().map(f64::from))
            .collect()
    };
    let points = train.x.to_vec().into_iter().zip(train.y.to_vec());
    let points = points.map(|(x, y)| (f64::from(x), f64::from(y))).collect();
    let points = Series::dots("points to learn from", 8, points);
    let wave = Series::dashes("truth", 8, curve(wave));
    let chart = |title: String, mut series: Vec<Series>| {
        series.insert(0, points.clone());
        series.push(wave.clone());
        Chart {
            title,
            x: "x".into(),
            y: "y".into(),
            up: Some(-2.5..7.0),
            series,
            ..Chart::default()
        }
    };
    let fits = (0..)
        .zip(lines)
        .map(|(i, (name, y))| Series::line(*name, i, curve(y)));
    let mut charts = vec![chart("one number for each place".into(), fits.collect())];
    for (i, band) in (4..).zip(bands) {
        let [name, range, center] = band.names;
        let [low, middle, high] = &band.lines;
        let ends = curve(low).into_iter().zip(curve(high));
        let points = ends.map(|((x, low), (_, high))| (x, low, high)).collect();
        let series = vec![
            Series::band(range, i, points),
            Series::line(center, i, curve(middle)),
        ];
        let title = format!(
            "{name}: {:.0} % of fresh points in the band",
            100.0 * band.within
        );
        charts.push(chart(title, series));
    }
    draw::charts(
        picture,
        "A wave with outliers: which losses let themselves be pulled",
        &charts,
    )
}
