//! Parameters in files, in the safetensors format, which PyTorch and others read and write too.

use crate::module::Module;
use losses::autograd::{DType, Float};
use losses::{Error, Result, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes the parameters of `model`, by their names, to the file `path`.
///
/// The file is written beside its place under another name and then renamed: an interrupted program leaves the old
/// file or the new one, never half of one.
///
/// ```
/// use nn::prelude::*;
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let path = std::env::temp_dir().join(format!("nn-save-{}.safetensors", std::process::id()));
/// let (a, mut b) = (Linear::<f32>::new(3, 2, &mut rng)?, Linear::new(3, 2, &mut rng)?);
/// assert_ne!(a.weight.value(), b.weight.value());
/// save(&a, &path)?;
/// load(&mut b, &path)?;
/// assert_eq!(a.weight.value(), b.weight.value());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::File`] if the file cannot be written.
/// # Reference
/// The [format](https://huggingface.co/docs/safetensors/index) of safetensors.
pub fn save<T: Float>(model: &dyn Module<T>, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let state: Vec<(String, Vec<usize>, Vec<u8>)> = model
        .state_dict()
        .into_iter()
        .map(|(name, value)| (name, value.shape().to_vec(), to_bytes(&value)))
        .collect();
    let mut views = Vec::new();
    for (name, shape, bytes) in &state {
        let view = TensorView::new(dtype::<T>(), shape.clone(), bytes);
        views.push((name, view.map_err(|e| refuse("save", path, e))?));
    }
    let file = serialize(views, None).map_err(|e| refuse("save", path, e))?;
    replace(path, &file).map_err(|e| refuse("save", path, e))
}

/// Writes a whole file, or leaves what was there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = beside(path);
    write(&beside, path, bytes).inspect_err(|_| {
        // What could not be finished is of no use; whether it can be removed changes nothing.
        let _ = fs::remove_file(&beside);
    })
}

/// Reads the parameters of `model` from the file `path`: each parameter must be there with its shape, and nothing
/// else. `f32` and `f64` are converted into each other where model and file differ.
///
/// # Errors
/// [`Error::File`] if the file cannot be read, is not in the format, or holds other parameters than the model has:
/// then the message lists those that are missing, unexpected or of another shape. After an error the model is as it
/// was before.
pub fn load<T: Float>(model: &mut dyn Module<T>, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|e| refuse("load", path, e))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| refuse("load", path, format!("it is no safetensors file: {e}")))?;
    let mut found: BTreeMap<String, TensorView<'_>> = file.tensors().into_iter().collect();

    let (mut missing, mut misfits) = (Vec::new(), Vec::new());
    let mut values = Vec::new();
    for (name, now) in model.state_dict() {
        let Some(view) = found.remove(&name) else {
            missing.push(name);
            continue;
        };
        if view.shape() != now.shape() {
            misfits.push(format!(
                "{name} has shape {:?} in the file and {:?} in the model",
                view.shape(),
                now.shape()
            ));
            continue;
        }
        match from_bytes(view.dtype(), view.data()) {
            Some(data) => values.push(Tensor::from_vec(data, now.shape())?),
            None => misfits.push(format!(
                "{name} has the type {} in the file, not F32 or F64",
                view.dtype()
            )),
        }
    }
    // Names of the file are shown escaped: it may come from anywhere.
    let unexpected = found
        .keys()
        .map(|name| name.escape_debug().to_string())
        .collect();
    let problems: Vec<String> = [
        ("missing in the file: ", missing),
        ("not in the model: ", unexpected),
        ("", misfits),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what}{}", list(names)))
    .collect();
    if !problems.is_empty() {
        let problem = format!(
            "it was saved from another model: {}: build the model as it was when saved",
            problems.join("; ")
        );
        return Err(refuse("load", path, problem));
    }

    let mut values = values.into_iter();
    model.visit_mut(&mut |_, param| {
        if let Some(value) = values.next() {
            *param.value_mut() = value;
        }
    });
    Ok(())
}

fn refuse(op: &'static str, path: &Path, problem: impl ToString) -> Error {
    Error::File {
        op,
        path: path.display().to_string(),
        problem: problem.to_string(),
    }
}

/// At most ten names, and how many more there are.
fn list(mut names: Vec<String>) -> String {
    let rest = names.len().saturating_sub(10);
    names.truncate(10);
    let shown = names.join(", ");
    match rest {
        0 => shown,
        n => format!("{shown} and {n} more"),
    }
}

/// Where a file waits until it is complete: in the same folder, so that renaming moves no data.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

fn write(beside: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create(beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(beside, path)
}

fn dtype<T: Float>() -> Dtype {
    match T::DTYPE {
        DType::F32 => Dtype::F32,
        _ => Dtype::F64,
    }
}

/// The elements as little-endian numbers.
fn to_bytes<T: Float>(x: &Tensor<T>) -> Vec<u8> {
    let values = x.to_vec();
    match T::DTYPE {
        DType::F32 => values
            .iter()
            .flat_map(|v| (v.f64() as f32).to_le_bytes())
            .collect(),
        _ => values.iter().flat_map(|v| v.f64().to_le_bytes()).collect(),
    }
}

/// The numbers that little-endian bytes stand for, if they are floats that can be converted.
fn from_bytes<T: Float>(dtype: Dtype, bytes: &[u8]) -> Option<Vec<T>> {
    match dtype {
        Dtype::F32 => {
            let (words, _) = bytes.as_chunks::<4>();
            Some(
                words
                    .iter()
                    .map(|&w| T::of(f32::from_le_bytes(w).into()))
                    .collect(),
            )
        }
        Dtype::F64 => {
            let (words, _) = bytes.as_chunks::<8>();
            Some(
                words
                    .iter()
                    .map(|&w| T::of(f64::from_le_bytes(w)))
                    .collect(),
            )
        }
        _ => None,
    }
}
