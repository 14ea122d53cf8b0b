//! What the examples share: options of the command line, a progress bar, Ctrl-C, and drawing.

#![forbid(unsafe_code)]

pub mod cli;
pub mod draw;
pub mod interrupt;
pub mod logistic;
pub mod losses;
pub mod progress;
pub mod steps;

use nn::prelude::*;
use std::process::ExitCode;

/// What goes wrong in an example: an error of the library, of drawing or of the system.
pub type Outcome<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What `main` returns: an error is shown as a sentence, not as a debug dump or a panic.
pub fn exit(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

/// FNV-1a of the parameters' bits: two runs that print the same digest ended with the same parameters.
pub fn digest(model: &dyn Module<f32>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for (_, value) in model.state_dict() {
        for byte in value.to_vec().iter().flat_map(|v| v.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}
