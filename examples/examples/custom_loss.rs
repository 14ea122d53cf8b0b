//! Writes a loss that the library does not have, first as a formula, then with a backward pass by hand, and shows how
//! a mistake in it is found.
//!
//! ```sh
//! cargo run --release --example custom_loss
//! ```

use clap::Parser;
use examples::cli::Common;
use examples::draw::{Chart, Series};
use examples::{Outcome, draw, exit, steps};
use nn::autograd::{Grads, Needs, Op, Saved};
use nn::prelude::*;
use std::process::ExitCode;

/// Write a loss of your own: as a formula, and with a backward pass by hand.
///
/// The loss is Cauchy's, c²/2 · ln(1 + (d/c)²) of an error d: a parabola for small errors, and for large ones so flat
/// that outliers hardly pull. As a formula it is done in one line and has all its derivatives. Written as an
/// operation it keeps its two inputs and nothing between. `gradcheck` compares both with finite differences, and
/// finds the mistake in a third one, which is wrong on purpose. The exit code is 1 if it does not.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The error from which on the loss becomes flat
    #[arg(long, default_value_t = 0.7, allow_negative_numbers = true)]
    c: f64,
    #[command(flatten)]
    common: Common,
}

/// The loss as a formula. Every operation knows its derivative, so nothing more is to be written.
fn cauchy<T: Float>(x: &Var<T>, t: &Var<T>, c: f64) -> Result<Var<T>> {
    let d = x.sub(t)?.div(T::of(c))?;
    d.square().log1p().mean(..)?.mul(T::of(0.5 * c * c))
}

/// The same loss as one operation: what its backward pass needs, which is all that it keeps.
struct Cauchy<T: Float> {
    x: Saved<T>,
    t: Saved<T>,
    c: f64,
    /// Whether the square in the gradient stands where it should not.
    wrong: bool,
}

impl<T: Float> Op<T> for Cauchy<T> {
    fn name(&self) -> &'static str {
        "cauchy"
    }

    /// `d / (1 + (d/c)²) / n`, in differentiable operations, so that it can be differentiated in turn.
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let d = self.x.on(dy).sub(self.t.on(dy))?;
        let relative = d.div(T::of(self.c))?;
        let flat = match self.wrong {
            false => relative.square() + T::ONE,
            true => (relative + T::ONE).square(),
        };
        let dx = d.div(flat)?.mul(dy)?.div(T::of(d.numel() as f64))?;
        let dt = needs.get(1).then(|| dx.neg());
        Ok(Grads::two(Some(dx), dt))
    }
}

/// The operation in use: the value is computed on tensors, of which the tape sees nothing.
fn cauchy_by_hand<T: Float>(x: &Var<T>, t: &Var<T>, c: f64, wrong: bool) -> Result<Var<T>> {
    if x.shape() != t.shape() {
        // Without this a column against a row would make a table, and a loss that means nothing.
        return Err(Error::Shape {
            op: "cauchy",
            what: "the target",
            got: t.shape().into(),
            expected: format!("the predictions have shape {:?}", x.shape()),
        });
    }
    let d = x.value().sub(t.value())?.div(T::of(c))?;
    let value = d.square().log1p().mean(..)?.mul(T::of(0.5 * c * c))?;
    let (kept_x, kept_t) = (x.save(), t.save());
    Var::record(&[x, t], value, |_| Cauchy {
        x: kept_x,
        t: kept_t,
        c,
        wrong,
    })
}

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("custom_loss")?;
    let c = options.c;
    if !(c > 0.0 && c.is_finite()) {
        return Err(format!("--c {c}: it must be positive").into());
    }
    let n = options.common.pick([4, 3], [2, 2]);
    let inputs = [Tensor::randn(n, &mut rng)?, Tensor::randn(n, &mut rng)?];

    println!("as a formula");
    let formula = gradcheck(|v| cauchy(&v[0], &v[1], c), &inputs)?;
    println!("  first derivatives   {formula}");
    let second = gradgradcheck(|v| cauchy(&v[0], &v[1], c), &inputs)?;
    println!("  second derivatives  {second}");

    println!("with a backward pass by hand");
    let by_hand = gradcheck(|v| cauchy_by_hand(&v[0], &v[1], c, false), &inputs)?;
    println!("  first derivatives   {by_hand}");
    let by_hand_second = gradgradcheck(|v| cauchy_by_hand(&v[0], &v[1], c, false), &inputs)?;
    println!("  second derivatives  {by_hand_second}");
    let [x, t] = inputs.each_ref().map(Var::from);
    let off = cauchy(&x, &t, c)?.item()? - cauchy_by_hand(&x, &t, c, false)?.item()?;
    println!("  differs from the formula by {off:e}");

    println!("with a mistake, (1 + d/c)² in place of 1 + (d/c)²");
    let wrong = gradcheck(|v| cauchy_by_hand(&v[0], &v[1], c, true), &inputs)?;
    println!("{wrong}");

    let picture = out.join("custom_loss.png");
    let all = [formula, second, by_hand, by_hand_second];
    let compared: usize = all.iter().map(|report| report.compared).sum();
    draw(options, &picture, &inputs, compared)?;
    println!("drawn: {}", picture.display());
    if all.iter().any(|report| !report.is_clean()) || off != 0.0 {
        return Err("a gradient that should be right is not".into());
    }
    if wrong.is_ok() {
        return Err("the mistake was not found".into());
    }
    println!("{compared} derivatives agree, and the mistake was found");
    Ok(())
}

/// The loss and its slope over the error, and how finite differences tell a right gradient from a wrong one.
fn draw(
    options: &Options,
    picture: &std::path::Path,
    inputs: &[Tensor<f64>; 2],
    compared: usize,
) -> Outcome {
    let c = options.c;
    let errors = Tensor::linspace(-4.0, 4.0, 161)?;
    let zero = Var::from(Tensor::scalar(0.0));
    let (mut values, mut slopes) = (Vec::new(), Vec::new());
    for &d in &errors.to_vec() {
        let x = Tape::new().leaf(Tensor::scalar(d));
        let loss = cauchy_by_hand(&x, &zero, c, false)?;
        values.push((d, loss.item()?));
        slopes.push((d, loss.backward()?.get(&x)?.item()?));
    }
    let line = |f: fn(f64) -> f64| values.iter().map(|&(d, _)| (d, f(d))).collect::<Vec<_>>();
    let shapes = Chart {
        title: "the loss of an error, and its slope".into(),
        x: "error".into(),
        y: "loss, slope".into(),
        up: Some(-2.0..4.0),
        series: vec![
            Series::line("half the squared error", 8, line(|d| 0.5 * d * d)),
            Series::dashes("its slope", 8, line(|d| d)),
            Series::line("Cauchy's loss", 0, values.clone()),
            Series::dashes("its slope, by hand", 0, slopes),
        ],
        ..Chart::default()
    };

    let t = Var::from(&inputs[1]);
    // A direction in which no derivative is 0.
    let direction = inputs[0].ones_like();
    let right = steps::distances(|x| cauchy_by_hand(x, &t, c, false), &inputs[0], &direction)?;
    let wrong = steps::distances(|x| cauchy_by_hand(x, &t, c, true), &inputs[0], &direction)?;
    let check = Chart {
        title: "finite differences meet a right gradient only".into(),
        x: "step, 10 to the power of".into(),
        y: "relative distance".into(),
        log: true,
        least: 1e-12,
        series: vec![
            Series::line("right gradient", 2, right),
            Series::line("gradient with a mistake", 1, wrong),
        ],
        ..Chart::default()
    };
    let title =
        format!("A loss of one's own: {compared} derivatives compared, and a mistake found");
    draw::charts(picture, &title, &[shapes, check])
}
