//! Compares the gradients of every loss, with every option, with finite differences, and prints a table.
//!
//! ```sh
//! cargo run --release --example check_gradients
//! ```

mod book;
mod elements;
mod rows;
mod structures;

use book::{Book, Entry, Outcome as Checked};
use clap::Parser;
use examples::cli::Common;
use examples::draw::{Chart, Series};
use examples::{Outcome, draw, exit, steps};
use nn::prelude::*;
use std::process::ExitCode;
use std::time::Instant;

/// Check the gradients of every loss: all options, all reductions, first and second derivatives.
///
/// Each line of the table is a loss with one choice of options. Every element of its gradients is compared with
/// finite differences, for each reduction, and so is every element of the gradients of these gradients. A kink is a
/// point where the slope jumps and the gradient is one of the slopes between. The picture shows, for each loss, how
/// differences with ever smaller steps meet the gradient, until rounding stops them. The exit code is 1 if a gradient
/// is wrong.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  check_gradients                  every loss, in a few seconds
  check_gradients --only focal     those whose name contains `focal`
  check_gradients --seed 7         at other points"
)]
struct Options {
    /// Only losses whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

/// All losses with their options, at points drawn from `rng`.
fn all(rng: &mut rand::rngs::ChaCha8Rng) -> Result<Vec<Entry>> {
    let mut book = Book::new(rng);
    elements::add(&mut book)?;
    rows::add(&mut book)?;
    structures::add(&mut book)?;
    Ok(book.entries())
}

fn run(options: &Options) -> Outcome {
    let (out, mut rng) = options.common.start("check_gradients")?;
    let began = Instant::now();
    let mut entries = all(&mut rng)?;
    entries.retain(|entry| entry.loss.contains(&options.only));
    if entries.is_empty() {
        return Err(format!("--only {}: no loss is called so", options.only).into());
    }
    println!(
        "{:<34} {:<32} {:>6} {:>7} {:>6}  outcome",
        "loss", "options", "first", "second", "kinks"
    );
    let (mut total, mut losses) = (Checked::default(), 0);
    let mut last = ("", "");
    for entry in &entries {
        if entry.family != last.0 {
            println!("\n{}", entry.family);
        }
        let name = if entry.loss == last.1 { "" } else { entry.loss };
        losses += usize::from(!name.is_empty());
        last = (entry.family, entry.loss);
        let checked = entry.check(!options.common.quick)?;
        println!(
            "{name:<34} {:<32} {:>6} {:>7} {:>6}  {}",
            entry.options,
            checked.first,
            checked.second,
            checked.kinks,
            match checked.wrong {
                0 => "agree".to_string(),
                n => format!("{n} WRONG"),
            }
        );
        for report in &checked.reports {
            println!("{report}");
        }
        total.first += checked.first;
        total.second += checked.second;
        total.wrong += checked.wrong;
    }

    let picture = out.join("differences.png");
    draw_steps(&picture, &entries, &mut rng)?;
    println!("\ndrawn: {}", picture.display());
    println!(
        "{losses} losses, {} choices of options: {} first and {} second derivatives compared in {:.1} s, {} wrong",
        entries.len(),
        total.first,
        total.second,
        began.elapsed().as_secs_f64(),
        total.wrong
    );
    match total.wrong {
        0 => Ok(()),
        n => Err(format!("{n} derivatives are wrong").into()),
    }
}

/// For each loss, how differences meet its gradient as the step shrinks; beside them a gradient that is wrong.
fn draw_steps(
    picture: &std::path::Path,
    entries: &[Entry],
    rng: &mut rand::rngs::ChaCha8Rng,
) -> Outcome {
    let mut families: Vec<&str> = Vec::new();
    let mut series = Vec::new();
    for entry in entries {
        let known = families.iter().position(|family| *family == entry.family);
        let color = known.unwrap_or_else(|| {
            families.push(entry.family);
            families.len() - 1
        });
        let name = if known.is_none() { entry.family } else { "" };
        let x = &entry.inputs[0];
        let direction = Tensor::randn(x.shape(), rng)?;
        let f = |x: &Var<f64>| {
            let rest = entry.inputs[1..].iter().map(Var::from);
            let all: Vec<Var<f64>> = std::iter::once(x.clone()).chain(rest).collect();
            entry.call(&all, Reduction::Sum)?.sum(..)
        };
        let line = steps::distances(f, x, &direction)?;
        series.push(Series::line(name, color, line));
    }
    // The slope of x² as 1.9 x.
    let mistake = |x: &Var<f64>| {
        x.detach()
            .square()
            .sub(x.mul(x.detach())?.mul(1.9)?)?
            .sum(..)
    };
    let wrong = steps::distances(mistake, &Tensor::from([1.0]), &Tensor::from([1.0]))?;
    series.push(Series::dashes("a wrong gradient, for comparison", 8, wrong));
    let chart = Chart {
        x: "step, 10 to the power of".into(),
        y: "distance from the gradient, relative".into(),
        log: true,
        least: 1e-14,
        series,
        ..Chart::default()
    };
    draw::charts(
        picture,
        "Differences meet the gradients as their step shrinks",
        &[chart],
    )
}
