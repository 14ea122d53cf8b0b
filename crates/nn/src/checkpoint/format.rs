//! The bytes of a file.

use crate::state::State;
use losses::Tensor;
use losses::autograd::{DType, Float};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::io::{self, Write};

/// How many sections may lie in each other. A file may say anything, and dropping a state recurses.
const DEPTH: usize = 8;

/// What the file holds of a state, under full names.
enum Entry<'a, T: Float> {
    Tensor(&'a Tensor<T>),
    Count(i64),
}

impl<T: Float> Entry<'_, T> {
    fn dtype(&self) -> &'static str {
        match (self, T::DTYPE) {
            (Entry::Count(_), _) => "I64",
            (_, DType::F32) => "F32",
            _ => "F64",
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Entry::Tensor(x) => x.numel() * size_of::<T>(),
            Entry::Count(_) => 8,
        }
    }

    fn write(&self, file: &mut impl Write) -> io::Result<()> {
        match self {
            Entry::Count(n) => file.write_all(&n.to_le_bytes()),
            Entry::Tensor(x) => {
                let source = x.source();
                let (mut reader, mut bytes) = (source.reader(), Vec::new());
                let (n, mut at) = (source.len(), 0);
                while at < n {
                    let len = reader.ready(at, n - at).min(1 << 12);
                    bytes.clear();
                    for v in reader.read(at, len) {
                        match T::DTYPE {
                            DType::F32 => bytes.extend((v.f64() as f32).to_le_bytes()),
                            _ => bytes.extend(v.f64().to_le_bytes()),
                        }
                    }
                    file.write_all(&bytes)?;
                    at += len;
                }
                Ok(())
            }
        }
    }
}

fn gather<'a, T: Float>(
    state: &'a State<T>,
    prefix: &str,
    entries: &mut Vec<(String, Entry<'a, T>)>,
    notes: &mut Vec<(String, &'a str)>,
) -> io::Result<()> {
    let names = (state.tensors.keys()).chain(state.counts.keys());
    let names = names.chain(state.notes.keys()).chain(state.sections.keys());
    // Reading it back would make a section of what stands before the slash.
    if let Some(name) = names.into_iter().find(|name| name.contains('/')) {
        return Err(unwritable(
            name,
            "has a slash, which ends the name of a section",
        ));
    }
    let full = |name: &String| format!("{prefix}{name}");
    entries.extend((state.tensors.iter()).map(|(name, x)| (full(name), Entry::Tensor(x))));
    entries.extend((state.counts.iter()).map(|(name, n)| (full(name), Entry::Count(*n))));
    notes.extend((state.notes.iter()).map(|(name, note)| (full(name), note.as_str())));
    for (name, section) in &state.sections {
        gather(section, &format!("{prefix}{name}/"), entries, notes)?;
    }
    Ok(())
}

/// Why a state cannot be written.
fn unwritable(name: &str, problem: &str) -> io::Error {
    let text = format!(
        "the name \"{}\" {problem}: choose another",
        name.escape_debug()
    );
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Writes the file.
pub(super) fn encode<T: Float>(state: &State<T>, file: &mut impl Write) -> io::Result<()> {
    // The word by which some libraries know that names and layouts are PyTorch's.
    let (mut entries, mut notes) = (Vec::new(), vec![("format".to_string(), "pt")]);
    gather(state, "", &mut entries, &mut notes)?;
    if state.note("format").is_some() {
        return Err(unwritable("format", "is that of a note of the file's own"));
    }
    // The wider type first, so that every number lies at a multiple of its size.
    entries.sort_by(|(a, x), (b, y)| (x.dtype() == "F32", a).cmp(&(y.dtype() == "F32", b)));
    let metadata: Vec<String> = (notes.iter())
        .map(|(name, note)| format!("{}:{}", json(name), json(note)))
        .collect();
    let mut header = format!("{{\"__metadata__\":{{{}}}", metadata.join(","));
    let mut start = 0;
    for (name, entry) in &entries {
        let shape = match entry {
            Entry::Tensor(x) => x.shape(),
            Entry::Count(_) => &[],
        };
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        let end = start + entry.bytes();
        header += &format!(
            ",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{start},{end}]}}",
            json(name),
            entry.dtype(),
            shape.join(","),
        );
        start = end;
    }
    header.push('}');
    header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    entries.iter().try_for_each(|(_, entry)| entry.write(file))
}

/// A text as JSON writes it.
fn json(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Reads a file.
pub(super) fn decode<T: Float>(bytes: &[u8]) -> Result<State<T>, String> {
    let none = |e: &dyn std::fmt::Display| format!("it is no safetensors file: {e}");
    let file = SafeTensors::deserialize(bytes).map_err(|e| none(&e))?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| none(&e))?;
    let mut state = State::new();
    for (name, view) in file.iter() {
        let (section, name) = place(&mut state, name)?;
        match (view.dtype(), view.shape()) {
            (Dtype::I64, []) => {
                let mut number = [0; 8];
                number.copy_from_slice(view.data());
                section.set_count(name, i64::from_le_bytes(number));
            }
            (dtype, shape) => match numbers(&view) {
                Some(data) => {
                    let x = Tensor::from_vec(data, shape).map_err(|e| none(&e))?;
                    section.set_tensor(name, x);
                }
                None => {
                    section.foreign.insert(name.to_string(), dtype.to_string());
                }
            },
        }
    }
    for (name, note) in header.metadata().iter().flatten() {
        if name != "format" {
            let (section, name) = place(&mut state, name)?;
            section.set_note(name, note);
        }
    }
    Ok(state)
}

/// The section that a full name leads to, and the name there.
fn place<'s, 'n, T: Float>(
    mut state: &'s mut State<T>,
    mut name: &'n str,
) -> Result<(&'s mut State<T>, &'n str), String> {
    for _ in 0..DEPTH {
        let Some((section, rest)) = name.split_once('/') else {
            return Ok((state, name));
        };
        state = state.sections.entry(section.to_string()).or_default();
        name = rest;
    }
    if name.contains('/') {
        let shown: String = name.chars().take(40).collect();
        return Err(format!(
            "a name has more than {DEPTH} parts divided by `/`, the last of them {:?}",
            shown
        ));
    }
    Ok((state, name))
}

/// The numbers that little-endian bytes stand for, if they are floats that can be converted.
fn numbers<T: Float>(view: &TensorView<'_>) -> Option<Vec<T>> {
    fn each<const N: usize, T: Float>(bytes: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<T> {
        let (words, _) = bytes.as_chunks::<N>();
        words.iter().map(|&w| T::of(f(w))).collect()
    }
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F32 => each(bytes, |w| f32::from_le_bytes(w).into()),
        Dtype::F64 => each(bytes, f64::from_le_bytes),
        // The upper half of an f32.
        Dtype::BF16 => each(bytes, |w| {
            f32::from_bits(u32::from(u16::from_le_bytes(w)) << 16).into()
        }),
        Dtype::F16 => each(bytes, |w| half(u16::from_le_bytes(w))),
        _ => return None,
    })
}

/// The number that 16 bits of IEEE 754's binary16 stand for.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 31);
    let fraction = f64::from(bits & 1023);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + fraction) * 2f64.powi(e - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_read_as_the_standard_says() {
        // The examples of IEEE 754's half precision that its Wikipedia article lists.
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 2f64.powi(-24)),
            (0x03ff, 1023.0 * 2f64.powi(-24)),
            (0x0400, 2f64.powi(-14)),
            (0x3555, 0.333251953125),
            (0x3bff, 0.99951171875),
            (0x3c00, 1.0),
            (0x3c01, 1.0009765625),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
            (0xc000, -2.0),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(json("a\"b\\c\n\u{1b}é"), "\"a\\\"b\\\\c\\u000a\\u001bé\"");
    }
}
