//! NumPy's `.npz`: arrays by name, each a `.npy` in a zip archive.

use super::{Stored, file_error, npy};
use crate::error::Result;
use std::io::{BufReader, BufWriter, Read, Seek};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Reads all arrays of an archive at hand, in its order; compressed ones too.
///
/// ```no_run
/// use tensor_core::interop::npz;
/// let file = std::fs::read("data.npz").unwrap();
/// let arrays = npz::read(std::io::Cursor::new(file))?;
/// # Ok::<(), tensor_core::Error>(())
/// ```
/// # Errors
/// [`Error::File`](crate::Error::File) if it cannot be read, or holds what is no array.
pub fn read(from: impl Read + Seek) -> Result<Vec<(String, Stored)>> {
    read_for("read", Path::new("the data"), from)
}

/// Reads all arrays of a file, in its order; compressed ones too.
///
/// # Errors
/// As [`read`].
pub fn load(path: impl AsRef<Path>) -> Result<Vec<(String, Stored)>> {
    let path = path.as_ref();
    let file = std::fs::File::open(path).map_err(|e| file_error("load", path, e))?;
    read_for("load", path, BufReader::new(file))
}

fn read_for(
    op: &'static str,
    path: &Path,
    from: impl Read + Seek,
) -> Result<Vec<(String, Stored)>> {
    let mut archive = ZipArchive::new(from).map_err(|e| file_error(op, path, e))?;
    let mut arrays = Vec::new();
    for i in 0..archive.len() {
        let mut member = archive.by_index(i).map_err(|e| file_error(op, path, e))?;
        let name = (member.name().map(|n| n.to_string())).map_err(|e| file_error(op, path, e))?;
        let array = npy::read_for(op, &path.join(&name), &mut member)?;
        let plain = name.strip_suffix(".npy").unwrap_or(&name);
        arrays.push((plain.to_string(), array));
    }
    Ok(arrays)
}

/// Writes arrays by name, uncompressed, as `numpy.savez` does.
///
/// ```no_run
/// use tensor_core::Tensor;
/// use tensor_core::interop::npz;
/// let (x, y) = (Tensor::from([1.0f32, 2.0]), Tensor::from([1, 2]));
/// npz::save("data.npz", &[("x", (&x).into()), ("y", (&y).into())])?;
/// # Ok::<(), tensor_core::Error>(())
/// ```
/// # Errors
/// [`Error::File`](crate::Error::File) if it cannot be written.
pub fn save(path: impl AsRef<Path>, arrays: &[(&str, Stored)]) -> Result<()> {
    let (op, path) = ("save", path.as_ref());
    let file = std::fs::File::create(path).map_err(|e| file_error(op, path, e))?;
    let mut archive = ZipWriter::new(BufWriter::new(file));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(true);
    for (name, array) in arrays {
        archive
            .start_file(format!("{name}.npy"), options)
            .map_err(|e| file_error(op, path, e))?;
        npy::write_for(op, path, &mut archive, array)?;
    }
    archive.finish().map_err(|e| file_error(op, path, e))?;
    Ok(())
}
