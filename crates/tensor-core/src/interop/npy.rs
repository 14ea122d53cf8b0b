//! NumPy's `.npy`: one array with a short header.
//!
//! ```
//! use tensor_core::interop::npy;
//! use tensor_core::Tensor;
//! let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
//! let mut file = Vec::new();
//! npy::write(&mut file, &x)?;
//! assert_eq!(npy::read(&file[..])?.get::<f32>()?, x);
//! # Ok::<(), tensor_core::Error>(())
//! ```
//!
//! The reader takes versions 1 to 3 of the format, any order of bytes and of dimensions, truth values, integers, and
//! floats of 2, 4 and 8 bytes. It believes no size that the file does not bear out.

use super::bytes::{self, Kind};
use super::{Stored, file_error};
use crate::error::{Error, Result};
use crate::layout::checked_numel;
use std::io::{Read, Write};
use std::path::Path;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// No header of a real array is longer.
const LONGEST_HEADER: usize = 1 << 16;

/// What a header says.
#[derive(Debug, PartialEq)]
struct Header {
    kind: Kind,
    big_endian: bool,
    fortran_order: bool,
    shape: Vec<usize>,
}

/// The values that stand in a header.
#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Truth(bool),
    Sizes(Vec<usize>),
}

/// A reader of the header's Python dictionary: texts in quotes, `True` and `False`, and tuples of sizes.
struct Words<'a>(&'a str);

impl Words<'_> {
    fn skip(&mut self, what: &str) -> bool {
        let rest = self.0.trim_start();
        let found = rest.strip_prefix(what);
        self.0 = found.unwrap_or(rest);
        found.is_some()
    }

    fn text(&mut self) -> Option<String> {
        let quote = ["'", "\""].into_iter().find(|q| self.skip(q))?;
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(text.to_string())
    }

    fn literal(&mut self) -> Option<Literal> {
        for (word, truth) in [("True", true), ("False", false)] {
            if self.skip(word) {
                return Some(Literal::Truth(truth));
            }
        }
        if !self.skip("(") {
            return self.text().map(Literal::Text);
        }
        let mut sizes = Vec::new();
        while !self.skip(")") {
            let digits = self.0.find(|c: char| !c.is_ascii_digit())?;
            sizes.push(self.0[..digits].parse().ok()?);
            self.0 = &self.0[digits..];
            // Python 2 wrote long integers like that.
            self.skip("L");
            if !self.skip(",") && !self.0.trim_start().starts_with(')') {
                return None;
            }
            self.0 = self.0.trim_start();
        }
        Some(Literal::Sizes(sizes))
    }

    fn dictionary(&mut self) -> Option<Vec<(String, Literal)>> {
        let mut entries = Vec::new();
        if !self.skip("{") {
            return None;
        }
        while !self.skip("}") {
            let key = self.text()?;
            if !self.skip(":") {
                return None;
            }
            entries.push((key, self.literal()?));
            if !self.skip(",") && !self.0.trim_start().starts_with('}') {
                return None;
            }
        }
        self.0.trim().is_empty().then_some(entries)
    }
}

/// The element type that a text such as `<f4` names, and whether its highest byte comes first.
fn kind(descr: &str) -> Option<(Kind, bool)> {
    let mut letters = descr.chars();
    let (order, letter) = (letters.next()?, letters.next()?);
    let size: usize = letters.as_str().parse().ok()?;
    let kind = match (letter, size) {
        ('b', 1) => Kind::Bool,
        ('i' | 'u', 1 | 2 | 4 | 8) => Kind::Int {
            signed: letter == 'i',
            size,
        },
        ('f', 2 | 4 | 8) => Kind::Float { size },
        _ => return None,
    };
    match order {
        '<' | '|' | '=' => Some((kind, false)),
        '>' => Some((kind, true)),
        _ => None,
    }
}

fn header(text: &str) -> std::result::Result<Header, String> {
    let entries = (Words(text).dictionary())
        .ok_or_else(|| format!("its header {text:?} is not that of an array"))?;
    let find = |name: &str| entries.iter().find(|e| e.0 == name).map(|e| e.1.clone());
    let (
        Some(Literal::Text(descr)),
        Some(Literal::Truth(fortran_order)),
        Some(Literal::Sizes(shape)),
    ) = (find("descr"), find("fortran_order"), find("shape"))
    else {
        return Err(format!(
            "its header {text:?} does not say its `descr`, `fortran_order` and `shape`"
        ));
    };
    let (kind, big_endian) = kind(&descr).ok_or_else(|| {
        format!(
            "its elements are {descr:?}, but only truth values, integers and floats can be read"
        )
    })?;
    Ok(Header {
        kind,
        big_endian,
        fortran_order,
        shape,
    })
}

/// Reads one array.
///
/// # Errors
/// [`Error::File`] if it cannot be read, is no array, or ends too early.
pub fn read(mut from: impl Read) -> Result<Stored> {
    read_for("read", Path::new("the data"), &mut from)
}

pub(super) fn read_for(op: &'static str, path: &Path, from: &mut dyn Read) -> Result<Stored> {
    let fail = |problem: String| file_error(op, path, problem);
    let io = |e: std::io::Error| file_error(op, path, e);
    let mut start = [0u8; 8];
    from.read_exact(&mut start).map_err(io)?;
    if &start[..6] != MAGIC {
        return Err(fail("it is no `.npy` array".into()));
    }
    let length = match start[6] {
        1 => {
            let mut length = [0; 2];
            from.read_exact(&mut length).map_err(io)?;
            u16::from_le_bytes(length) as usize
        }
        2 | 3 => {
            let mut length = [0; 4];
            from.read_exact(&mut length).map_err(io)?;
            u32::from_le_bytes(length) as usize
        }
        version => {
            return Err(fail(format!(
                "version {version} of the format is not known"
            )));
        }
    };
    if length > LONGEST_HEADER {
        return Err(fail(format!("its header is said to have {length} bytes")));
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text).map_err(io)?;
    let text = String::from_utf8(text).map_err(|e| fail(e.to_string()))?;
    let header = header(&text).map_err(fail)?;
    let numel = checked_numel(&header.shape).ok_or_else(|| Error::size(op, &header.shape))?;
    let size = numel * header.kind.size();
    let mut data = Vec::new();
    from.take(size as u64).read_to_end(&mut data).map_err(io)?;
    if data.len() < size {
        return Err(fail(format!(
            "it ends after {} bytes of {size} that shape {:?} takes",
            data.len(),
            header.shape
        )));
    }
    let order: Vec<usize> = (0..header.shape.len()).rev().collect();
    if !header.fortran_order {
        return bytes::read(&data, header.kind, header.big_endian, &header.shape);
    }
    // The first dimension runs fastest: a row-major array of the reversed shape, seen from the other side.
    let reversed: Vec<usize> = header.shape.iter().rev().copied().collect();
    Ok(
        match bytes::read(&data, header.kind, header.big_endian, &reversed)? {
            Stored::F32(x) => Stored::F32(x.permute(&order)?),
            Stored::F64(x) => Stored::F64(x.permute(&order)?),
            Stored::I64(x) => Stored::I64(x.permute(&order)?),
            Stored::Bool(x) => Stored::Bool(x.permute(&order)?),
        },
    )
}

/// Writes one array, in row-major order.
///
/// # Errors
/// [`Error::File`] if it cannot be written.
pub fn write(mut to: impl Write, x: impl Into<Stored>) -> Result<()> {
    write_for("write", Path::new("the data"), &mut to, &x.into())
}

pub(super) fn write_for(
    op: &'static str,
    path: &Path,
    to: &mut dyn Write,
    x: &Stored,
) -> Result<()> {
    let descr = match x {
        Stored::F32(_) => "<f4",
        Stored::F64(_) => "<f8",
        Stored::I64(_) => "<i8",
        Stored::Bool(_) => "|b1",
    };
    // A tuple of one has a comma behind it.
    let sizes = match x.shape() {
        [n] => format!("{n},"),
        shape => {
            let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
            sizes.join(", ")
        }
    };
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // The data begin at a multiple of 64 bytes, and the header ends with a line feed.
    let unpadded = MAGIC.len() + 4 + text.len() + 1;
    let padding = unpadded.next_multiple_of(64) - unpadded;
    let length = (text.len() + padding + 1) as u16;
    let head = [&MAGIC[..], &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat();
    let tail = [
        " ".repeat(padding).into_bytes(),
        b"\n".to_vec(),
        bytes::write(x),
    ]
    .concat();
    let io = |e: std::io::Error| file_error(op, path, e);
    to.write_all(&head)
        .and_then(|()| to.write_all(&tail))
        .map_err(io)
}

/// Reads the array of a file.
///
/// # Errors
/// As [`read`].
pub fn load(path: impl AsRef<Path>) -> Result<Stored> {
    let path = path.as_ref();
    let file = std::fs::File::open(path).map_err(|e| file_error("load", path, e))?;
    read_for("load", path, &mut std::io::BufReader::new(file))
}

/// Writes an array to a file.
///
/// # Errors
/// As [`write()`].
pub fn save(path: impl AsRef<Path>, x: impl Into<Stored>) -> Result<()> {
    let path = path.as_ref();
    let mut data = Vec::new();
    write_for("save", path, &mut data, &x.into())?;
    std::fs::write(path, data).map_err(|e| file_error("save", path, e))
}
