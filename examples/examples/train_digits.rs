//! Trains a classifier of handwritten digits, shows how good it is on pictures it has not seen, and keeps it.
//!
//! ```sh
//! cargo run --release --example train_digits
//! ```

use clap::{Parser, ValueEnum};
use examples::cli::{Common, OptimizerName, ScheduleName};
use examples::interrupt::Interrupt;
use examples::losses::LossName;
use examples::progress::Progress;
use examples::{Outcome, digest, draw, exit};
use nn::metrics::calibration_error;
use nn::prelude::*;
use nn::trainer::Stop;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Train a network on 1,797 handwritten digits and test it on a fifth of them, which it never sees in training.
///
/// The network is a perceptron with one hidden layer, or a small convolutional one. Each epoch goes over the training part once, in batches drawn
/// anew. At the end the program prints which digits were taken for which, draws the learning curves and the
/// misclassified digits, writes the parameters and the history to files, and reads the parameters back to show that
/// nothing was lost. Ctrl-C ends the training after the batch in hand; all the rest is done as usual, and with --resume
/// another run goes on from there, to the same parameters, bit for bit, as if it had never been interrupted.
///
/// With the same options and seed a machine prints the same digest of the parameters, on any number of threads.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  train_digits                                 about 98 % of the unseen digits, in seconds
  train_digits --model conv                    convolutions: about 99 %
  train_digits --optimizer sgd --lr 0.05       gradient descent with momentum
  train_digits --loss label-smoothed           a loss that discourages certainty
  train_digits --schedule one-cycle --epochs 15
                                               a learning rate that rises and falls
  train_digits --patience 5                    stop when it gets no better
  train_digits --model conv --resume           go on where Ctrl-C stopped it
  train_digits --data my.csv                   pictures of your own
  train_digits --images train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz --epochs 5
                                               MNIST, from where you keep it"
)]
struct Options {
    /// The network
    #[arg(long, value_enum, default_value_t = ModelName::Mlp)]
    model: ModelName,
    /// What is minimised
    #[arg(long, value_enum, default_value_t = LossName::CrossEntropy)]
    loss: LossName,
    /// How the gradients change the parameters
    #[arg(long, value_enum, default_value_t = OptimizerName::Adam)]
    optimizer: OptimizerName,
    /// What becomes of the learning rate [default: constant, or cosine for conv]
    #[arg(long, value_enum)]
    schedule: Option<ScheduleName>,
    /// Passes over the training part [default: 40, or 10 for conv]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Pictures for each step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Learning rate [default: one that suits the optimizer]
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Stop once so many epochs brought nothing, judged by a part of the training part, and keep the best parameters
    #[arg(long)]
    patience: Option<usize>,
    /// Go on from the checkpoint in the folder of --out, if there is one; the other options must be the same
    #[arg(long)]
    resume: bool,
    /// Train the convolutional network without the copies of the pictures that are moved by a pixel
    #[arg(long)]
    no_copies: bool,
    /// Width of the hidden layer
    #[arg(long, default_value_t = 128)]
    hidden: usize,
    /// CSV file in place of the digits: a header, columns with the pixels of a square picture, and `label`
    #[arg(long)]
    data: Option<PathBuf>,
    /// Pictures in place of the digits, in the format of MNIST, compressed or not
    #[arg(long, requires = "labels", conflicts_with = "data")]
    images: Option<PathBuf>,
    /// What these pictures are, in the same format
    #[arg(long, requires = "images")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// What learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModelName {
    /// A perceptron with one hidden layer
    Mlp,
    /// Two convolutions, a halving of the picture, dropout, and a hidden layer
    Conv,
}

impl ModelName {
    /// A network with start values for square pictures of so many pixels.
    fn build(
        self,
        pixels: usize,
        hidden: usize,
        classes: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<Sequential<f32>> {
        if self == ModelName::Mlp {
            return Sequential::mlp(&[pixels, hidden, classes], ReLU, rng);
        }
        let side = pixels.isqrt();
        let picture = [-1, 1, side as isize, side as isize];
        Ok(Sequential::new()
            .push(Lambda(move |x: &Var<f32>| x.reshape(picture)))
            .push(Conv2d::new(1, 16, 3, rng)?.padding(1))
            .push(ReLU)
            .push(Conv2d::new(16, 32, 3, rng)?.padding(1))
            .push(ReLU)
            .push(MaxPool2d::new(2))
            .push(Flatten::new())
            .push(Dropout::new(0.3, rng.random())?)
            .push(Linear::new(32 * (side / 2).pow(2), hidden, rng)?)
            .push(ReLU)
            .push(Linear::new(hidden, classes, rng)?))
    }
}

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("train_digits")?;
    let began = Instant::now();
    let data = load_data(options)?;
    let (train, test) = data.split(0.2, &mut rng)?;
    // What decides when to stop has been used for training, so the test part must not.
    let (train, watched) = match options.patience {
        Some(_) => {
            let (train, watched) = train.split(0.15, &mut rng)?;
            (train, Some(watched))
        }
        None => (train, None),
    };
    // Means and deviations come from the training part: the test part stays unseen.
    let scale = Standardize::fit(&train.x)?;
    let pictures = test.x.clone();
    let scaled = |part: Dataset| Dataset::new(scale.apply(&part.x)?, part.y);
    let count = train.len();
    let train = match options.model {
        ModelName::Conv if !options.no_copies => scaled(with_copies(&train)?)?,
        _ => scaled(train)?,
    };
    let test = scaled(test)?;
    let watched = watched.map(scaled).transpose()?.unwrap_or(test.clone());
    let classes = data.num_classes();
    let pixels = data.num_features();
    let build = |rng: &mut ChaCha8Rng| options.model.build(pixels, options.hidden, classes, rng);
    let mut model = build(&mut rng)?;
    println!("{}", Summary::new(&model, [1, pixels])?);
    println!(
        "{count} pictures to train with{}, {} to test with",
        match train.len() / count.max(1) {
            1 => String::new(),
            n => format!(", each in {n} places"),
        },
        test.len()
    );

    let checkpoint = out.join("checkpoint.safetensors");
    let parts = (&train, &watched);
    let history = fit(options, &mut model, parts, &checkpoint, &mut rng)?;
    let seconds = began.elapsed().as_secs_f64();

    let logits = predict(&model, &test.x)?;
    let predicted = logits.argmax(1)?;
    let confusion = ConfusionMatrix::new(&predicted, &test.y, classes)?;
    let reached = confusion.accuracy();
    println!("\n{confusion}");
    println!(
        "test accuracy {:.2} % after {seconds:.1} s, calibration error {:.2} %",
        100.0 * reached,
        100.0 * calibration_error(&logits.softmax(1)?, &test.y, 15)?
    );
    println!("digest of the parameters {:016x}", digest(&model));

    let file = out.join("model.safetensors");
    save(&model, &file)?;
    // Another network, with start values of its own, becomes the trained one.
    let mut again = build(&mut rng)?;
    load(&mut again, &file)?;
    let restored = accuracy(&predict(&again, &test.x)?.argmax(1)?, &test.y)?;
    println!(
        "loaded back from {}: test accuracy {:.2} %, digest {:016x}",
        file.display(),
        100.0 * restored,
        digest(&again)
    );

    let table = out.join("history.csv");
    history.save(&table)?;
    let curves = out.join("learning_curves.png");
    let title = format!("Digits: {:.1} % of the test part right", 100.0 * reached);
    let other = match options.patience {
        Some(_) => "part that decides when to stop",
        None => "test part",
    };
    draw::learning_curves(&curves, &title, &history, other)?;
    let sheet = out.join("misclassified.png");
    let wrong = mistakes(&pictures, &test.y, &logits)?;
    let title = format!(
        "{} of {} test digits misclassified",
        wrong.len(),
        test.len()
    );
    draw::mistakes(&sheet, &title, &wrong)?;
    println!(
        "written: {}, {}, {}",
        table.display(),
        curves.display(),
        sheet.display()
    );

    if !options.common.quick && options.data.is_none() && options.images.is_none() && reached < 0.97
    {
        eprintln!("warning: below 97 %, which the default options reach");
    }
    Ok(())
}

/// The digits, or what the options name instead.
fn load_data(options: &Options) -> Outcome<Dataset> {
    let (data, option) = match (&options.data, &options.images, &options.labels) {
        (Some(path), _, _) => (Dataset::from_csv(path)?, "--data"),
        (_, Some(images), Some(labels)) => (Dataset::from_idx(images, labels)?, "--images"),
        _ => (nn::data::digits()?, ""),
    };
    let n = data.num_features();
    if n.isqrt().pow(2) != n {
        let problem =
            format!("{option}: {n} pixels are no square picture: give 64 for one of 8 × 8, say");
        return Err(problem.into());
    }
    Ok(data)
}

/// Trains `model` and returns what each epoch came to.
fn fit(
    options: &Options,
    model: &mut Sequential<f32>,
    parts: (&Dataset, &Dataset),
    checkpoint: &Path,
    rng: &mut ChaCha8Rng,
) -> Outcome<History> {
    let full = if options.model == ModelName::Conv {
        10
    } else {
        40
    };
    let epochs = options.epochs.unwrap_or(options.common.pick(full, 3)) as usize;
    let (mut progress, mut interrupt) = (Progress::new(epochs, "accuracy"), Interrupt::watch());
    let mut trainer = Trainer::new(epochs)
        .batch_size(options.batch_size)
        .checkpoint(checkpoint)
        .resume(options.resume)
        .callback(&mut progress)
        .callback(&mut interrupt);
    if let Some(patience) = options.patience {
        trainer = trainer.patience(patience);
    }
    let mut optimizer = options.optimizer.build(options.lr);
    let batches = parts.0.len().div_ceil(options.batch_size.max(1));
    let schedule = options.schedule.unwrap_or(match options.model {
        ModelName::Mlp => ScheduleName::Constant,
        ModelName::Conv => ScheduleName::Cosine,
    });
    let (every, schedule) = schedule.build(epochs, batches, optimizer.lr());
    trainer = trainer.schedule(every, schedule);
    let loss = |logits: &Var<f32>, y: &Tensor<i64>| options.loss.of(logits, y);
    let trained = trainer.fit(model, &mut *optimizer, loss, parts, rng)?;
    drop(progress);
    match (trained.stop, trained.best) {
        (Stop::Callback, _) => println!(
            "stopped by Ctrl-C after {} whole epochs; --resume goes on from {}",
            trained.history.epochs().len(),
            checkpoint.display()
        ),
        (_, Some(best)) => println!("the parameters of epoch {best}, the best one, are kept"),
        _ => {}
    }
    Ok(trained.history)
}

/// Each picture, and four copies of it, moved by a pixel to each side: where it stands says nothing of what it is.
fn with_copies(data: &Dataset) -> Result<Dataset> {
    let side = data.num_features().isqrt();
    let pictures = data.x.reshape([-1, side as isize, side as isize])?;
    let mut copies = vec![pictures.clone()];
    for widths in [[1, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1], [0, 0, -1, 1]] {
        copies.push(pictures.pad(widths, 0.0)?);
    }
    let x = Tensor::cat(&copies.iter().collect::<Vec<_>>(), 0)?.flatten(1, 2)?;
    let y = data.y.repeat([copies.len()])?;
    Dataset::new(x, y)
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
