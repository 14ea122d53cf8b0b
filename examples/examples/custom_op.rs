//! Writes an operation that the library does not have, checks its derivatives to the second order, and trains a network
//! with it.
//!
//! ```sh
//! cargo run --release --example custom_op
//! ```

use clap::Parser;
use examples::cli::Common;
use examples::draw::{Chart, Series};
use examples::{Outcome, draw, exit};
use nn::autograd::{Grads, Needs, Op, Saved};
use nn::prelude::*;
use rand::rngs::ChaCha8Rng;
use std::process::ExitCode;

/// Write an operation of your own: forward, backward, options; check it and train with it.
///
/// The operation is `snake`, x + sin²(a x) / a, an activation for what repeats itself (Ziyin, Hartwig and Ueda 2020,
/// arXiv:2006.08195). Two networks learn a wave with a slope from points within ±6, one with it and one with tanh, and
/// are asked about what lies beyond. The slopes and curvatures of the network are derivatives of the operation to the
/// second order. The exit code is 1 if a derivative is wrong.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// How fast the activation waves
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    frequency: f64,
    #[command(flatten)]
    common: Common,
}

/// The options of the operation, with a default, as the library's own operations and losses have them.
#[derive(Clone, Copy, Debug)]
struct Snake {
    frequency: f64,
}

impl Default for Snake {
    fn default() -> Self {
        Snake { frequency: 1.0 }
    }
}

impl Snake {
    /// Forward: the value, from tensors alone, and what the backward pass is to keep.
    #[track_caller]
    fn of<T: Float>(self, x: &Var<T>) -> Result<Var<T>> {
        if !(self.frequency > 0.0 && self.frequency.is_finite()) {
            return Err(Error::Option {
                op: "snake",
                name: "frequency",
                value: self.frequency.to_string(),
                expected: "it must be positive",
            });
        }
        let a = self.frequency;
        let y = x.value() + (x.value() * a).sin().square() / a;
        Var::record(&[x], y, |_| SnakeRule {
            x: x.save(),
            options: self,
        })
    }
}

/// What the backward pass needs, and nothing else.
struct SnakeRule<T: Float> {
    x: Saved<T>,
    options: Snake,
}

impl<T: Float> Op<T> for SnakeRule<T> {
    fn name(&self) -> &'static str {
        "snake"
    }

    /// Backward: `dy · (1 + sin 2ax)`. Being made of differentiable operations, it can be differentiated in turn.
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let twice = self.x.on(dy) * (2.0 * self.options.frequency);
        Ok(Grads::one(dy * (twice.sin() + 1.0)))
    }
}

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("custom_op")?;
    let snake = Snake {
        frequency: options.frequency,
    };
    let x = Tensor::randn([3, 4], &mut rng)?;
    let first = gradcheck(|v| snake.of(&v[0]), std::slice::from_ref(&x))?;
    println!("first derivatives   {first}");
    let second = gradgradcheck(|v| snake.of(&v[0]), &[x])?;
    println!("second derivatives  {second}");
    if !(first.is_clean() && second.is_clean()) {
        return Err("a derivative of snake is wrong".into());
    }

    let steps = options.common.pick(3000, 50);
    let wave = Lambda(move |x: &Var<f32>| snake.of(x));
    let with_snake = train(wave, steps, &mut rng)?;
    let with_tanh = train(Tanh, steps, &mut rng)?;
    let far = Tensor::linspace(6.5, 12.0, 60)?;
    let beyond = Tensor::cat(&[&far, &far.neg()], 0)?.unsqueeze(1)?;
    let off = |model: &Sequential<f32>| -> Result<f32> {
        let error = predict(model, &beyond)?.sub(truth(&beyond))?;
        Ok(error.square().mean(..)?.item()?.sqrt())
    };
    let (ours, theirs) = (off(&with_snake)?, off(&with_tanh)?);
    let picture = out.join("custom_op.png");
    draw(&picture, [&with_snake, &with_tanh], [ours, theirs])?;
    println!("drawn: {}", picture.display());
    println!("beyond what was learned, off by {ours:.3} with snake and by {theirs:.3} with tanh");
    Ok(())
}

/// What is to be learned: a wave with a slope.
fn truth(x: &Tensor<f32>) -> Tensor<f32> {
    x.sin() + x * 0.3
}

/// A small network with this activation, trained on points within ±6.
fn train(
    activation: impl Module<f32> + Clone + Send + Sync + 'static,
    steps: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Sequential<f32>> {
    let mut model = Sequential::new()
        .push(Linear::new(1, 24, rng)?)
        .push(activation.clone())
        .push(Linear::new(24, 24, rng)?)
        .push(activation)
        .push(Linear::new(24, 1, rng)?);
    let x = Tensor::linspace(-6.0, 6.0, 121)?.unsqueeze(1)?;
    let y = Var::from(truth(&x));
    let mut adam = AdamW::new(0.01).weight_decay(0.01);
    let mut schedule = Scheduler::new(CosineAnnealingLr::new(steps as u64), &mut adam)?;
    for _ in 0..steps {
        let loss = mse_loss(&model.forward(&Tape::new().input(x.clone()))?, &y)?;
        adam.step(&mut model, &loss.backward()?)?;
        schedule.step(&mut adam)?;
    }
    Ok(model)
}

/// The second derivative of the network's output by its input.
fn curvature(model: &Sequential<f32>, x: &Tensor<f32>) -> Result<Tensor<f32>> {
    let x = Tape::new().leaf(x.clone());
    let y = model.forward(&x)?.sum(..)?;
    let slope = grad(&[&y], &[&x], GradOptions::new().create_graph(true))?.remove(0);
    let curvature = grad(&[&slope.sum(..)?], &[&x], GradOptions::new())?.remove(0);
    Ok(curvature.into_value())
}

fn draw(path: &std::path::Path, models: [&Sequential<f32>; 2], off: [f32; 2]) -> Outcome {
    let x = Tensor::linspace(-12.0, 12.0, 241)?.unsqueeze(1)?;
    let points = |y: Tensor<f32>| -> Vec<(f64, f64)> {
        let pairs = x.to_vec().into_iter().zip(y.to_vec());
        pairs.map(|(x, y)| (f64::from(x), f64::from(y))).collect()
    };
    let known = Tensor::linspace(-6.0, 6.0, 25)?;
    let dots: Vec<(f64, f64)> = (known.to_vec().into_iter().zip(truth(&known).to_vec()))
        .map(|(x, y)| (f64::from(x), f64::from(y)))
        .collect();
    let lines = Chart {
        title: "a wave, learned within ±6".into(),
        x: "x".into(),
        y: "output".into(),
        up: Some(-6.5..6.5),
        series: vec![
            Series::line("truth", 8, points(truth(&x))),
            Series::line("network with snake", 0, points(predict(models[0], &x)?)),
            Series::dashes("network with tanh", 1, points(predict(models[1], &x)?)),
            Series::dots("some of the points learned from", 2, dots),
        ],
        ..Chart::default()
    };
    let bends = Chart {
        title: "second derivatives, through the backward pass by hand".into(),
        x: "x".into(),
        y: "curvature".into(),
        up: Some(-2.0..2.0),
        series: vec![
            Series::line("truth", 8, points(x.sin().neg())),
            Series::line("network with snake", 0, points(curvature(models[0], &x)?)),
            Series::dashes("network with tanh", 1, points(curvature(models[1], &x)?)),
        ],
        ..Chart::default()
    };
    let title = format!(
        "An operation of one's own: beyond ±6 off by {:.2}, with tanh by {:.2}",
        off[0], off[1]
    );
    draw::charts(path, &title, &[lines, bends])
}
