//! Logistic regression by L-BFGS on a small data set, held against scikit-learn's.
//!
//! ```sh
//! cargo run --release --example wine
//! ```

use clap::Parser;
use examples::cli::Common;
use examples::{exit, logistic};
use std::process::ExitCode;

/// Tell the growers of wine by 13 chemical measurements, with a logistic regression.
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
    let data = nn::data::wine();
    exit(
        data.map_err(Into::into)
            .and_then(|data| logistic::run(&options.common, "wine", &data)),
    )
}
