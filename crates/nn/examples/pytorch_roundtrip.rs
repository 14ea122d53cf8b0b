//! The half in Rust of `scripts/pytorch_roundtrip.py`, which runs it: reads models that PyTorch wrote, and writes their
//! outputs, copies of them, and models of its own.

#[path = "../tests/all/common/models.rs"]
mod models;

use nn::prelude::*;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!(
            "usage: pytorch_roundtrip FOLDER, with what scripts/pytorch_roundtrip.py writes there"
        );
        return ExitCode::FAILURE;
    };
    let run = || {
        there_and_back(
            &folder,
            "pictures",
            models::pictures(1)?,
            models::pictures(2)?,
        )?;
        there_and_back(
            &folder,
            "reader",
            models::Reader::new(1)?,
            models::Reader::new(2)?,
        )
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

/// `known` takes over PyTorch's parameters, `own` goes to PyTorch; the outputs of both are written down.
fn there_and_back<M: Module<f32>>(folder: &Path, name: &str, mut known: M, own: M) -> Result<()> {
    let file = |what: &str| folder.join(format!("{name}.{what}.safetensors"));
    let input = State::<f32>::open(file("input"))?;
    let Some(x) = input.tensor("input") else {
        return Err(Error::File {
            op: "load",
            path: file("input").display().to_string(),
            problem: "there is no tensor `input` in it".into(),
        });
    };
    load(&mut known, file("torch"))?;
    save(&known, file("copy"))?;
    save(&own, file("rust"))?;
    let mut outputs = State::new();
    outputs.set_tensor("torch", known.forward(&Var::from(x))?.into_value());
    outputs.set_tensor("rust", own.forward(&Var::from(x))?.into_value());
    // The same in half precision.
    load(&mut known, file("half"))?;
    outputs.set_tensor("half", known.forward(&Var::from(x))?.into_value());
    outputs.save(file("outputs"))
}
