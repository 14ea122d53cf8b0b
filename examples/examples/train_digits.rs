//! Trains a classifier of handwritten digits, shows how good it is on pictures it has not seen, and keeps it.
//!
//! ```sh
//! cargo run --release --example train_digits
//! ```

use clap::{Parser, ValueEnum};
use examples::cli::{OptimizerName, set_threads};
use examples::progress::Progress;
use examples::{Outcome, digest, draw, exit};
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Train a network on 1,797 handwritten digits and test it on a fifth of them, which it never sees in training.
///
/// The network is a perceptron with one hidden layer. Each epoch goes over the training part once, in batches drawn
/// anew. At the end the program prints which digits were taken for which, draws the learning curves and the
/// misclassified digits, writes the parameters to a file, and reads them back to show that nothing was lost.
///
/// With the same options and seed a machine prints the same digest of the parameters, on any number of threads.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  train_digits                                 about 98 % of the unseen digits, in seconds
  train_digits --optimizer sgd --lr 0.05       gradient descent with momentum
  train_digits --loss label-smoothed           a loss that discourages certainty
  train_digits --data my.csv                   pictures of your own"
)]
struct Options {
    /// What is minimised
    #[arg(long, value_enum, default_value_t = LossName::CrossEntropy)]
    loss: LossName,
    /// How the gradients change the parameters
    #[arg(long, value_enum, default_value_t = OptimizerName::Adam)]
    optimizer: OptimizerName,
    /// Passes over the training part [default: 40]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Pictures for each step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Learning rate [default: 0.003, or 0.03 for sgd]
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Seed of all that is random: the split, the start values, the order of the batches
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Width of the hidden layer
    #[arg(long, default_value_t = 128)]
    hidden: usize,
    /// Threads of the kernels; 0 is one for each core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Folder for the pictures and the parameters
    #[arg(long, default_value = "target/train_digits")]
    out: PathBuf,
    /// CSV file in place of the digits: a header, columns with the pixels of a square picture, at last `label`
    #[arg(long)]
    data: Option<PathBuf>,
    /// Train for three epochs only: shows that everything runs, not how well
    #[arg(long)]
    quick: bool,
}

/// What is minimised.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LossName {
    /// Cross entropy of the classes
    #[value(alias = "cross_entropy")]
    CrossEntropy,
    /// Cross entropy with a tenth of the probability spread over all classes
    #[value(alias = "label_smoothed")]
    LabelSmoothed,
    /// Binary cross entropy of each class against the rest
    Binary,
    /// Mean squared error of the softmax against 1 at the class and 0 elsewhere
    Mse,
}

impl LossName {
    fn of(self, logits: &Var<f32>, y: &Tensor<i64>) -> Result<Var<f32>> {
        let one_hot = || Ok(Var::from(y.one_hot::<f32>(logits.shape()[1])?));
        match self {
            LossName::CrossEntropy => cross_entropy(logits, y),
            LossName::LabelSmoothed => CrossEntropy::new().label_smoothing(0.1).forward(logits, y),
            LossName::Binary => binary_cross_entropy_with_logits(logits, &one_hot()?),
            LossName::Mse => mse_loss(&logits.softmax(1)?, &one_hot()?),
        }
    }
}

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    set_threads(options.threads)?;
    std::fs::create_dir_all(&options.out)
        .map_err(|e| format!("--out {}: {e}", options.out.display()))?;
    let began = Instant::now();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);

    let data = match &options.data {
        Some(path) => Dataset::from_csv(path)?,
        None => nn::data::digits()?,
    };
    if data.num_features().isqrt().pow(2) != data.num_features() {
        let n = data.num_features();
        return Err(format!(
            "--data: {n} columns are no square picture: give 64 for one of 8 × 8, say"
        )
        .into());
    }
    let (train, test) = data.split(0.2, &mut rng)?;
    // Means and deviations come from the training part: the test part stays unseen.
    let scale = Standardize::fit(&train.x)?;
    let pictures = test.x;
    let train = Dataset::new(scale.apply(&train.x)?, train.y)?;
    let test = Dataset::new(scale.apply(&pictures)?, test.y)?;
    let classes = data.num_classes();
    let widths = [data.num_features(), options.hidden, classes];
    let mut model = Sequential::mlp(&widths, ReLU, &mut rng)?;
    println!(
        "{} pictures to train with, {} to test with; {} parameters",
        train.len(),
        test.len(),
        model.num_parameters()
    );

    let history = fit(options, &mut model, &train, &test, &mut rng)?;
    let seconds = began.elapsed().as_secs_f64();

    let logits = model.forward(&Var::from(&test.x))?.into_value();
    let predicted = logits.argmax(1)?;
    let confusion = ConfusionMatrix::new(&predicted, &test.y, classes)?;
    let reached = confusion.accuracy();
    println!("\n{confusion}");
    println!(
        "test accuracy {:.2} % after {seconds:.1} s",
        100.0 * reached
    );
    println!("digest of the parameters {:016x}", digest(&model));

    let file = options.out.join("model.safetensors");
    save(&model, &file)?;
    // Another network, with start values of its own, becomes the trained one.
    let mut again = Sequential::mlp(&widths, ReLU, &mut rng)?;
    load(&mut again, &file)?;
    let (_, restored) = evaluate(options.loss, &again, &test)?;
    println!(
        "loaded back from {}: test accuracy {:.2} %, digest {:016x}",
        file.display(),
        100.0 * restored,
        digest(&again)
    );

    let curves = options.out.join("learning_curves.png");
    let title = format!("Digits: {:.1} % of the test part right", 100.0 * reached);
    draw::learning_curves(&curves, &title, &history)?;
    let sheet = options.out.join("misclassified.png");
    let wrong = mistakes(&pictures, &test.y, &logits)?;
    let title = format!(
        "{} of {} test digits misclassified",
        wrong.len(),
        test.len()
    );
    draw::mistakes(&sheet, &title, &wrong)?;
    println!("drawn: {}, {}", curves.display(), sheet.display());

    if !options.quick && reached < 0.97 {
        eprintln!("warning: below 97 %, which the default options reach");
    }
    Ok(())
}

/// Trains `model` and returns what each epoch came to.
fn fit(
    options: &Options,
    model: &mut Sequential<f32>,
    train: &Dataset,
    test: &Dataset,
    rng: &mut ChaCha8Rng,
) -> Outcome<History> {
    let epochs = options.epochs.unwrap_or(if options.quick { 3 } else { 40 }) as usize;
    let mut optimizer = options.optimizer.build(options.lr);
    let mut history = History::default();
    let mut progress = Progress::new(epochs, train.len().div_ceil(options.batch_size.max(1)));
    for epoch in 1..=epochs {
        for batch in train.batches(options.batch_size, rng)? {
            let (loss, grads) = {
                let x = Tape::new().input(batch.x);
                let loss = options.loss.of(&model.forward(&x)?, &batch.y)?;
                (loss.item()?, loss.backward()?)
            };
            if !loss.is_finite() {
                return Err(
                    format!("the loss became {loss} in epoch {epoch}: try a smaller --lr").into(),
                );
            }
            optimizer.step(model, &grads)?;
            progress.batch(f64::from(loss));
        }
        let (train_loss, train_accuracy) = evaluate(options.loss, model, train)?;
        let (test_loss, test_accuracy) = evaluate(options.loss, model, test)?;
        let epoch = Epoch {
            epoch,
            train_loss,
            train_accuracy,
            test_loss,
            test_accuracy,
        };
        progress.epoch(&epoch);
        history.push(epoch);
    }
    Ok(history)
}

/// Loss and accuracy on `data`.
fn evaluate(loss: LossName, model: &Sequential<f32>, data: &Dataset) -> Result<(f64, f64)> {
    let logits = model.forward(&Var::from(&data.x))?;
    let accuracy = accuracy(&logits.value().argmax(1)?, &data.y)?;
    Ok((f64::from(loss.of(&logits, &data.y)?.item()?), accuracy))
}

/// The pictures that were classified wrong.
fn mistakes(x: &Tensor<f32>, y: &Tensor<i64>, logits: &Tensor<f32>) -> Result<Vec<draw::Mistake>> {
    let (confidence, predicted) = logits.softmax(1)?.max_dim(1)?;
    let mut wrong = Vec::new();
    for i in 0..y.numel() {
        if predicted[i] != y[i] {
            wrong.push(draw::Mistake {
                pixels: x.select(0, i as isize)?.to_vec(),
                truth: y[i],
                predicted: predicted[i],
                confidence: confidence[i],
            });
        }
    }
    Ok(wrong)
}
