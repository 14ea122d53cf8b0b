//! Logistic regression by L-BFGS on a small data set, held against scikit-learn's.
//!
//! ```sh
//! cargo run --release --example iris
//! ```

use clap::Parser;
use examples::cli::Common;
use examples::{exit, logistic};
use std::process::ExitCode;

/// Tell kinds of iris by the length and width of their leaves, with a logistic regression.
///
/// The weights are found by L-BFGS in double precision, on all rows at once, and compared with those that scikit-learn
/// finds. The picture shows how the loss fell, beside gradient descent, and the weights beside scikit-learn's. The
/// exit code is 1 if they differ in their first three decimals.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let data = nn::data::iris();
    exit(
        data.map_err(Into::into)
            .and_then(|data| logistic::run(&options.common, "iris", &data)),
    )
}
