//! `safetensors` files: tensors by name behind a header that cannot run code.
//!
//! ```
//! use tensor_core::Tensor;
//! use tensor_core::interop::safetensors;
//! let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
//! let file = safetensors::write(&[("x", (&x).into())])?;
//! let read = safetensors::read(&file)?;
//! assert_eq!((read[0].0.as_str(), read[0].1.get::<f32>()?), ("x", x));
//! # Ok::<(), tensor_core::Error>(())
//! ```

use super::bytes::{self, Kind};
use super::{Stored, file_error};
use crate::element::DType;
use crate::error::Result;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use std::path::Path;

fn kind(dtype: Dtype) -> Option<Kind> {
    let int = |signed, size| Some(Kind::Int { signed, size });
    match dtype {
        Dtype::BOOL => Some(Kind::Bool),
        Dtype::U8 => int(false, 1),
        Dtype::I8 => int(true, 1),
        Dtype::U16 => int(false, 2),
        Dtype::I16 => int(true, 2),
        Dtype::U32 => int(false, 4),
        Dtype::I32 => int(true, 4),
        Dtype::U64 => int(false, 8),
        Dtype::I64 => int(true, 8),
        Dtype::F16 => Some(Kind::Float { size: 2 }),
        Dtype::BF16 => Some(Kind::BFloat),
        Dtype::F32 => Some(Kind::Float { size: 4 }),
        Dtype::F64 => Some(Kind::Float { size: 8 }),
        _ => None,
    }
}

fn read_for(op: &'static str, path: &Path, data: &[u8]) -> Result<Vec<(String, Stored)>> {
    let file = SafeTensors::deserialize(data).map_err(|e| file_error(op, path, e))?;
    let mut tensors = Vec::new();
    for (name, view) in file.iter() {
        let kind = kind(view.dtype()).ok_or_else(|| {
            let problem = format!("{name} has elements of type {:?}", view.dtype());
            file_error(op, path, problem)
        })?;
        let tensor = bytes::read(view.data(), kind, false, view.shape())?;
        tensors.push((name.to_string(), tensor));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(tensors)
}

/// Reads the tensors of a file's bytes, in the order of their names.
///
/// # Errors
/// [`Error::File`](crate::Error::File) if it is no such file, or holds elements of another type.
pub fn read(data: &[u8]) -> Result<Vec<(String, Stored)>> {
    read_for("read", Path::new("the data"), data)
}

/// Reads the tensors of a file, in the order of their names.
///
/// # Errors
/// As [`read`].
pub fn load(path: impl AsRef<Path>) -> Result<Vec<(String, Stored)>> {
    let path = path.as_ref();
    let data = std::fs::read(path).map_err(|e| file_error("load", path, e))?;
    read_for("load", path, &data)
}

/// The bytes of a file with tensors by name.
///
/// # Errors
/// [`Error::File`](crate::Error::File) if two have the same name.
pub fn write(tensors: &[(&str, Stored)]) -> Result<Vec<u8>> {
    write_for("write", Path::new("the data"), tensors)
}

fn write_for(op: &'static str, path: &Path, tensors: &[(&str, Stored)]) -> Result<Vec<u8>> {
    let twice =
        (tensors.iter().enumerate()).find(|(i, t)| tensors[..*i].iter().any(|u| u.0 == t.0));
    if let Some((_, (name, _))) = twice {
        return Err(file_error(
            op,
            path,
            format!("two tensors are named {name:?}"),
        ));
    }
    let data: Vec<Vec<u8>> = tensors.iter().map(|t| bytes::write(&t.1)).collect();
    let mut views = Vec::new();
    for ((name, tensor), data) in tensors.iter().zip(&data) {
        let dtype = match tensor.dtype() {
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
            DType::I64 => Dtype::I64,
            DType::Bool => Dtype::BOOL,
        };
        let view = TensorView::new(dtype, tensor.shape().to_vec(), data)
            .map_err(|e| file_error(op, path, e))?;
        views.push((*name, view));
    }
    serialize(views, None).map_err(|e| file_error(op, path, e))
}

/// Writes tensors by name to a file.
///
/// # Errors
/// As [`write()`], and if it cannot be written.
pub fn save(path: impl AsRef<Path>, tensors: &[(&str, Stored)]) -> Result<()> {
    let path = path.as_ref();
    let data = write_for("save", path, tensors)?;
    std::fs::write(path, data).map_err(|e| file_error("save", path, e))
}
