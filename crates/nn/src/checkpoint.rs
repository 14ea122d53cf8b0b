//! States in files, in the safetensors format, which PyTorch and others read and write too.
//!
//! A file is eight bytes with the length of the header, the header in JSON, and the numbers. Names of a state's
//! sections stand before those of what they hold, with a `/` between; notes go into the header's metadata.

mod format;

use crate::module::Parts;
use crate::state::State;
use losses::autograd::Float;
use losses::{Error, Result};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes parameters and buffers of `model`, by their names, to the file `path`.
///
/// PyTorch reads it with `model.load_state_dict(safetensors.torch.load_file(path))`.
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
pub fn save<T: Float>(model: &(impl Parts<T> + ?Sized), path: impl AsRef<Path>) -> Result<()> {
    model.state().save(path)
}

/// Reads parameters and buffers of `model` from the file `path`: each must be there with its shape, and nothing
/// else. Floating types are converted into each other where model and file differ. Of a file with the state of a
/// whole run, the model's part is read.
///
/// # Errors
/// [`Error::File`] if the file cannot be read, is not in the format, or holds other parameters than the model has:
/// then the message lists those that are missing, unexpected or of another shape. After an error the model is as it
/// was before.
pub fn load<T: Float>(model: &mut (impl Parts<T> + ?Sized), path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let state = State::read("load", path)?;
    fits(&state, model, path)?;
    model.load_state(&state)
}

/// Whether the state in the file at `path` is that of `model`, as an error if it is not.
pub(crate) fn fits<T: Float>(
    state: &State<T>,
    model: &(impl Parts<T> + ?Sized),
    path: &Path,
) -> Result<()> {
    match state.misfit(model, "the file") {
        None => Ok(()),
        Some(problem) => Err(refuse(
            "load",
            path,
            format!(
                "it was saved from another model: {problem}: build the model as it was when saved"
            ),
        )),
    }
}

impl<T: Float> State<T> {
    /// Writes all of it to the file `path`, beside its place first and then renamed.
    ///
    /// The same state makes the same file, byte for byte.
    /// Names with a slash, which ends the name of a section in the file, and a note `format`, which the file has of its own,
    /// are refused: they would come back as others.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        replace_by(path, |file| format::encode(self, file)).map_err(|e| refuse("save", path, e))
    }

    /// Reads what [`save`](State::save) or another program wrote.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read or is not in the format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        State::read("open", path.as_ref())
    }

    fn read(op: &'static str, path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|e| refuse(op, path, e))?;
        format::decode(&bytes).map_err(|problem| refuse(op, path, problem))
    }
}

/// Writes a whole file, or leaves what was there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_by(path, |file| file.write_all(bytes))
}

/// As [`replace`], with what `write` writes.
fn replace_by(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<fs::File>) -> io::Result<()>,
) -> io::Result<()> {
    let beside = beside(path);
    let whole = || {
        let mut file = BufWriter::new(fs::File::create(&beside)?);
        write(&mut file)?;
        let file = file.into_inner().map_err(|e| e.into_error())?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)
    };
    whole().inspect_err(|_| {
        // What could not be finished is of no use; whether it can be removed changes nothing.
        let _ = fs::remove_file(&beside);
    })
}

fn refuse(op: &'static str, path: &Path, problem: impl ToString) -> Error {
    Error::File {
        op,
        path: path.display().to_string(),
        problem: problem.to_string(),
    }
}

/// Where a file waits until it is complete: in the same folder, so that renaming moves no data.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}
