//! Reads numbers of several handwritten digits with a small recurrent network, which is never told where a digit
//! begins.
//!
//! ```sh
//! cargo run --release --example tiny_ctc
//! ```

use clap::Parser;
use examples::cli::Common;
use examples::draw::{Chart, Series};
use examples::interrupt::Interrupt;
use examples::progress::Progress;
use examples::{Outcome, digest, draw, exit};
use nn::prelude::*;
use nn::trainer::Batch;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use std::process::ExitCode;

/// Read handwritten numbers, from pictures and what they say, without a word on where each digit stands.
///
/// A picture shows from three to six digits with gaps of random width. Two recurrent layers, one from each side, see
/// it column by column and say for each column one of ten digits or nothing; the CTC loss sums over all ways in which
/// these answers can spell the number. Pictures for the test are made of digits that are not in those for the
/// training. At the end the program prints how many numbers it reads without a mistake, and draws some of them.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  tiny_ctc                         a quarter of a minute
  tiny_ctc --numbers 500           fewer numbers to learn from"
)]
struct Options {
    /// Numbers to learn from
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    numbers: u32,
    /// Passes over them [default: 12]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Numbers for each step
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    /// Highest learning rate of Adam
    #[arg(long, default_value_t = 0.006, allow_negative_numbers = true)]
    lr: f64,
    /// Width of the recurrent layers
    #[arg(long, default_value_t = 48)]
    hidden: usize,
    #[command(flatten)]
    common: Common,
}

/// Height and width of a digit, and the widest gap after it.
const SIDE: usize = 8;
const GAP: usize = 2;
/// The most digits of a number, and the columns that they take with their gaps.
const MOST: usize = 6;
const COLUMNS: usize = MOST * (SIDE + GAP);
/// What stands for no digit; the digits come after it.
const BLANK: i64 = 0;

/// A picture of a number, column by column, and its digits.
struct Number {
    columns: Vec<f32>,
    digits: Vec<i64>,
}

/// Numbers made of the digits of `data`.
fn write_numbers(data: &Dataset, n: usize, rng: &mut ChaCha8Rng) -> Vec<Number> {
    let (pixels, classes) = (data.x.to_vec(), data.y.to_vec());
    let mut numbers = Vec::new();
    for _ in 0..n {
        let mut columns = Vec::with_capacity(COLUMNS * SIDE);
        let mut digits = Vec::new();
        for _ in 0..rng.random_range(3..=MOST) {
            let row = rng.random_range(0..classes.len());
            let image = &pixels[row * SIDE * SIDE..][..SIDE * SIDE];
            for x in 0..SIDE {
                columns.extend((0..SIDE).map(|y| image[y * SIDE + x] / 16.0));
            }
            columns.resize(columns.len() + SIDE * rng.random_range(0..=GAP), 0.0);
            digits.push(classes[row]);
        }
        columns.resize(COLUMNS * SIDE, 0.0);
        numbers.push(Number { columns, digits });
    }
    numbers
}

/// Pictures as `[columns, numbers, 3 × 8]`: each column with the one before and the one after it.
fn inputs(numbers: &[&Number]) -> Result<Tensor<f32>> {
    let mut x = Vec::with_capacity(COLUMNS * numbers.len() * 3 * SIDE);
    let paper = [0.0; SIDE];
    for t in 0..COLUMNS {
        for number in numbers {
            let column = |t: usize| number.columns.get(t * SIDE..(t + 1) * SIDE);
            let before = t.checked_sub(1).and_then(column);
            for column in [before, column(t), column(t + 1)] {
                x.extend_from_slice(column.unwrap_or(&paper));
            }
        }
    }
    Tensor::from_vec(x, [COLUMNS, numbers.len(), 3 * SIDE])
}

/// The mean CTC loss of what the network says of the pictures.
fn loss(logits: &Var<f32>, numbers: &[&Number]) -> Result<Var<f32>> {
    // One sequence after the other; a digit is the class after the blank.
    let targets: Vec<i64> = numbers
        .iter()
        .flat_map(|n| &n.digits)
        .map(|d| d + 1)
        .collect();
    let lengths: Vec<i64> = numbers.iter().map(|n| n.digits.len() as i64).collect();
    let steps = Tensor::full(numbers.len(), COLUMNS as i64)?;
    ctc_loss_with_logits(
        logits,
        &Tensor::from_slice(&targets, targets.len())?,
        &steps,
        &Tensor::from_slice(&lengths, lengths.len())?,
    )
}

/// What the network reads: the most likely answer of each column, repetitions and blanks left out.
fn read(model: &Reader, numbers: &[&Number]) -> Result<Vec<Vec<i64>>> {
    let answers = model
        .forward(&Var::from(inputs(numbers)?))?
        .value()
        .argmax(2)?;
    let of = |i: usize| {
        let mut digits = Vec::new();
        let mut last = BLANK;
        for t in 0..COLUMNS {
            let answer = answers[[t, i]];
            if answer != BLANK && answer != last {
                digits.push(answer - 1);
            }
            last = answer;
        }
        digits
    };
    Ok((0..numbers.len()).map(of).collect())
}

/// How many digits must be put in, taken out or exchanged to make `a` of `b`.
fn edits(a: &[i64], b: &[i64]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

/// Two recurrent layers, one from each side, and a judgement of each column.
type Reader = Sequential<f32>;

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("tiny_ctc")?;
    let interrupt = Interrupt::watch();
    let (train, test) = nn::data::digits()?.split(0.25, &mut rng)?;
    let count = options.common.pick(options.numbers as usize, 64);
    let train = write_numbers(&train, count, &mut rng);
    let test = write_numbers(&test, options.common.pick(500, 32), &mut rng);
    let test: Vec<&Number> = test.iter().collect();

    let mut model = Reader::new()
        .push(Gru::layers(3 * SIDE, options.hidden, 1, true, &mut rng)?)
        .push(Linear::new(2 * options.hidden, 11, &mut rng)?);
    println!(
        "{} numbers to learn from, {} for the test; {} parameters",
        train.len(),
        test.len(),
        model.num_parameters()
    );
    let losses = fit(options, &mut model, &train, &test, &interrupt, &mut rng)?;

    let said = read(&model, &test)?;
    let (mut wrong, mut digits, mut whole) = (0, 0, 0);
    for (said, number) in said.iter().zip(&test) {
        wrong += edits(said, &number.digits);
        digits += number.digits.len();
        whole += usize::from(*said == number.digits);
    }
    let right = 100.0 * whole as f64 / test.len() as f64;
    println!(
        "digits read wrong {:.2} %; {right:.1} % of the numbers without a mistake; digest of the parameters {:016x}",
        100.0 * wrong as f64 / digits as f64,
        digest(&model)
    );
    let file = out.join("model.safetensors");
    save(&model, &file)?;

    let picture = out.join("numbers.png");
    // The mistakes first: they are what one looks for.
    let mistakes = (0..test.len()).filter(|&i| said[i] != test[i].digits);
    let rest = (0..test.len()).filter(|&i| said[i] == test[i].digits);
    let strips: Vec<draw::Strip> = mistakes
        .take(4)
        .chain(rest.take(10))
        .map(|i| strip(test[i], &said[i]))
        .collect();
    let title = format!("{right:.1} % of the unseen numbers are read without a mistake");
    draw::strips(&picture, &title, &strips)?;
    let curve = out.join("loss.png");
    draw_losses(&curve, &losses)?;
    println!(
        "written: {}, {}, {}",
        file.display(),
        picture.display(),
        curve.display()
    );
    Ok(())
}

/// Trains `model`, and returns the loss of each epoch on both parts.
fn fit(
    options: &Options,
    model: &mut Reader,
    train: &[Number],
    test: &[&Number],
    interrupt: &Interrupt,
    rng: &mut ChaCha8Rng,
) -> Outcome<Vec<(f64, f64)>> {
    let epochs = options.epochs.unwrap_or(options.common.pick(12, 2)) as usize;
    let size = options.batch_size as usize;
    let batches = train.len().div_ceil(size);
    let mut adam = Adam::new(options.lr);
    let cycle = OneCycleLr::new(options.lr, (epochs * batches) as u64);
    let mut scheduler = Scheduler::new(cycle, &mut adam)?;
    let mut progress = Progress::new(epochs, "share of whole numbers");
    let mut losses = Vec::new();
    'epochs: for epoch in 1..=epochs {
        let order = Tensor::randperm(train.len(), rng)?.to_vec();
        let mut sum = 0.0;
        for (batch, rows) in (1..).zip(order.chunks(size)) {
            let numbers: Vec<&Number> = rows.iter().map(|&i| &train[i as usize]).collect();
            let (value, mut grads) = {
                let x = Tape::new().input(inputs(&numbers)?);
                let loss = loss(&model.forward(&x)?, &numbers)?;
                (f64::from(loss.item()?), loss.backward()?)
            };
            if !value.is_finite() {
                let place = format!("in batch {batch} of epoch {epoch}");
                return Err(format!("the loss became {value} {place}: try a smaller --lr").into());
            }
            // A recurrent network's gradient is now and then far too long.
            clip_grad_norm(model, &mut grads, 1.0, 2.0)?;
            adam.step(model, &grads)?;
            if scheduler.steps() + 1 < (epochs * batches) as u64 {
                scheduler.step(&mut adam)?;
            }
            sum += value;
            progress.step(&Batch {
                epoch,
                batch,
                batches,
                loss: value,
            });
            if interrupt.pressed() {
                println!("stopped by Ctrl-C; what it has learned is saved below");
                break 'epochs;
            }
        }
        let test_loss = f64::from(loss(&model.forward(&Var::from(inputs(test)?))?, test)?.item()?);
        let said = read(model, test)?;
        let whole = said
            .iter()
            .zip(test)
            .filter(|(said, number)| **said == number.digits);
        losses.push((sum / batches as f64, test_loss));
        progress.pass(&Epoch {
            epoch,
            train_loss: sum / batches as f64,
            train_metric: f64::NAN,
            test_loss,
            test_metric: whole.count() as f64 / test.len() as f64,
            lr: adam.lr(),
        });
    }
    Ok(losses)
}

/// A number as it is drawn, row by row, and what was read.
fn strip(number: &Number, said: &[i64]) -> draw::Strip {
    let row = |y: usize| (0..COLUMNS).map(move |t| number.columns[t * SIDE + y]);
    let text = |digits: &[i64]| {
        digits
            .iter()
            .map(i64::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let right = said == number.digits;
    draw::Strip {
        pixels: (0..SIDE).flat_map(row).collect(),
        width: COLUMNS,
        caption: match right {
            true => format!("read as {}", text(said)),
            false => format!("is {}, read as {}", text(&number.digits), text(said)),
        },
        right,
    }
}

fn draw_losses(path: &std::path::Path, losses: &[(f64, f64)]) -> Outcome {
    let curve = |of: fn(&(f64, f64)) -> f64| {
        let points = (1..)
            .zip(losses)
            .map(|(epoch, both)| (f64::from(epoch), of(both)));
        points.collect::<Vec<_>>()
    };
    let chart = Chart {
        x: "epoch".into(),
        y: "CTC loss for each digit".into(),
        log: true,
        series: vec![
            Series::line("training part, during the epoch", 0, curve(|both| both.0)),
            Series::line("test part, after it", 1, curve(|both| both.1)),
        ],
        ..Chart::default()
    };
    let title = match losses.last() {
        Some((_, test)) => {
            format!("Learning to read numbers: {test:.3} for each unseen digit at the end")
        }
        None => "Learning to read numbers".into(),
    };
    draw::charts(path, &title, &[chart])
}
