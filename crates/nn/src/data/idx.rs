//! The files of MNIST and its kin: a few bytes that say type and sizes, then the numbers.

use super::Dataset;
use losses::{Error, Result, Tensor};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

const OP: &str = "read_idx";

/// The most bytes of numbers that a file may hold, unpacked: 24 times the training pictures of MNIST, and few enough
/// that no compressed file of some kilobytes fills the memory.
const MOST: u64 = 1 << 30;

/// Reads a file in the IDX format, such as MNIST's `train-images-idx3-ubyte`, as it is or compressed with gzip; the
/// shape is the file's own. Gzip needs the feature `gzip` of this crate.
///
/// ```
/// use nn::prelude::*;
/// let path = std::env::temp_dir().join(format!("nn-idx-{}", std::process::id()));
/// // Unsigned bytes (8), two dimensions, of sizes 1 and 3.
/// std::fs::write(&path, [0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 0, 255]).unwrap();
/// assert_eq!(nn::data::read_idx(&path)?, Tensor::from([[7.0, 0.0, 255.0]]));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::File`] if the file cannot be read or unpacked, does not begin as the format does, or holds more or fewer
/// numbers than it says; for more than 1 GiB of numbers; and for a number that is infinite or NaN.
/// # Reference
/// LeCun, Cortes and Burges 1998, *The MNIST database of handwritten digits*, which describes the format.
pub fn read_idx(path: impl AsRef<Path>) -> Result<Tensor<f32>> {
    let path = path.as_ref();
    read(path).map_err(|problem| refuse(path, problem))
}

impl Dataset {
    /// Pictures and their classes from two files in the IDX format, see [`read_idx`]; each picture becomes a row.
    ///
    /// # Errors
    /// [`Error::File`] as [`read_idx`], and if there are not as many classes as pictures, or a class is no whole
    /// number from 0.
    pub fn from_idx(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<Self> {
        let (images, labels) = (images.as_ref(), labels.as_ref());
        let (x, y) = (read_idx(images)?, read_idx(labels)?);
        let rows = x.shape().first().copied().unwrap_or(0);
        if x.ndim() < 2 {
            let problem = format!(
                "shape {:?} is not that of pictures: were the two files exchanged?",
                x.shape()
            );
            return Err(refuse(images, problem));
        }
        if y.shape() != [rows] {
            let problem = format!(
                "shape {:?} is not one class for each of the {rows} pictures in {}",
                y.shape(),
                images.display()
            );
            return Err(refuse(labels, problem));
        }
        if let Some((at, value)) = y.find(|v| v < 0.0 || v.fract() != 0.0) {
            let problem = format!("number {} is {value}, not a class", at[0]);
            return Err(refuse(labels, problem));
        }
        let features = x.numel() / rows.max(1);
        Dataset::new(x.reshape([rows as isize, features as isize])?, y.cast())
    }
}

fn refuse(path: &Path, problem: impl ToString) -> Error {
    Error::File {
        op: OP,
        path: path.display().to_string(),
        problem: problem.to_string(),
    }
}

/// What is wrong with a file, in words.
type Problem = String;

fn read(path: &Path) -> std::result::Result<Tensor<f32>, Problem> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut file = BufReader::new(file);
    let mut start = Vec::new();
    let read = file.by_ref().take(2).read_to_end(&mut start);
    read.map_err(|e| e.to_string())?;
    let packed = start == [0x1f, 0x8b];
    let whole = start.as_slice().chain(file);
    if packed { unpack(whole) } else { parse(whole) }
}

#[cfg(feature = "gzip")]
fn unpack(packed: impl Read) -> std::result::Result<Tensor<f32>, Problem> {
    parse(flate2::read::MultiGzDecoder::new(packed))
}

#[cfg(not(feature = "gzip"))]
fn unpack(_: impl Read) -> std::result::Result<Tensor<f32>, Problem> {
    Err("it is compressed: build nn with its feature `gzip`, or unpack the file first".into())
}

fn parse(mut file: impl Read) -> std::result::Result<Tensor<f32>, Problem> {
    let truncated = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => "the file ends within its header".to_string(),
        _ => e.to_string(),
    };
    let mut word = [0; 4];
    file.read_exact(&mut word).map_err(truncated)?;
    let [0, 0, kind, dims @ 1..=8] = word else {
        return Err(format!(
            "it begins with the bytes {word:02x?}, but an IDX file begins with 00 00, a type, and from 1 to 8 dimensions"
        ));
    };
    let width = match kind {
        0x08 | 0x09 => 1,
        0x0b => 2,
        0x0c | 0x0d => 4,
        0x0e => 8,
        _ => return Err(format!("{kind:#04x} is no type of the IDX format")),
    };
    let mut shape = Vec::new();
    for _ in 0..dims {
        file.read_exact(&mut word).map_err(truncated)?;
        shape.push(u64::from(u32::from_be_bytes(word)));
    }
    let size = shape
        .iter()
        .try_fold(width, |size: u64, &n| size.checked_mul(n));
    let Some(size) = size.filter(|&size| size <= MOST) else {
        return Err(format!(
            "its header asks for {shape:?} numbers of {width} bytes, more than the {MOST} bytes that are read"
        ));
    };
    // One byte more than there should be shows a file that is too long. Memory grows with what is read, so that a
    // header alone takes none.
    let mut bytes = Vec::new();
    let read = file.take(size + 1).read_to_end(&mut bytes);
    read.map_err(|e| e.to_string())?;
    if bytes.len() as u64 != size {
        let more = bytes.len() as u64 > size;
        let (word, there) = if more {
            ("more", "there are more".to_string())
        } else {
            ("fewer", format!("there are {}", bytes.len()))
        };
        return Err(format!(
            "it holds {word} bytes than its header says: shape {shape:?} needs {size}, and {there}"
        ));
    }
    let values: Vec<f32> = match kind {
        0x08 => bytes.iter().map(|&b| f32::from(b)).collect(),
        0x09 => bytes.iter().map(|&b| f32::from(b as i8)).collect(),
        0x0b => words(&bytes, |w| f32::from(i16::from_be_bytes(w))),
        0x0c => words(&bytes, |w| i32::from_be_bytes(w) as f32),
        0x0d => words(&bytes, f32::from_be_bytes),
        _ => words(&bytes, |w| f64::from_be_bytes(w) as f32),
    };
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        return Err(format!(
            "number {at} is {}, which is not finite",
            values[at]
        ));
    }
    let shape: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
    Tensor::from_vec(values, &shape[..]).map_err(|e| e.to_string())
}

fn words<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|&w| number(w))
        .collect()
}
