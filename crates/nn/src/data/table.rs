use super::Dataset;
use csv::{ErrorKind, Position, ReaderBuilder, StringRecord, Trim};
use losses::{Error, Result, Tensor};
use std::fs;
use std::path::Path;

const OP: &str = "from_csv";

impl Dataset {
    /// Reads a CSV file: a header line that ends in `label`, then one row for each example, numbers for the features
    /// and at last the class, a whole number from 0.
    ///
    /// # Errors
    /// [`Error::File`] with file, line and column if the file cannot be read, has another header, a row of another
    /// length, or a field that is no finite number or no class.
    pub fn from_csv(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(|e| refuse(&name, e))?;
        parse(&name, &bytes)
    }

    /// As [`Dataset::from_csv`], from text at hand; errors call it `name`.
    ///
    /// ```
    /// use nn::prelude::*;
    /// let data = Dataset::from_csv_text("pets.csv", "weight,height,label\n4.5,25,0\n30,60,1\n")?;
    /// assert_eq!(data.x, Tensor::from([[4.5, 25.0], [30.0, 60.0]]));
    /// let error = Dataset::from_csv_text("pets.csv", "weight,height,label\n4.5,tall,0\n").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "from_csv: pets.csv: line 2, column 2 (height): \"tall\" is not a finite number"
    /// );
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Errors
    /// Those of [`Dataset::from_csv`].
    pub fn from_csv_text(name: &str, text: &str) -> Result<Self> {
        parse(name, text.as_bytes())
    }
}

fn refuse(name: &str, problem: impl ToString) -> Error {
    Error::File {
        op: OP,
        path: name.to_string(),
        problem: problem.to_string(),
    }
}

fn parse(name: &str, bytes: &[u8]) -> Result<Dataset> {
    // Some programs begin UTF-8 files with this mark; without it places in the file count from its first byte.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let broken = |e| broken(name, bytes, e);
    // Rows of unequal length are let through here, and refused below with a message of our own.
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .trim(Trim::All)
        .from_reader(bytes);
    let header = reader.headers().map_err(broken)?.clone();
    let features = header.len().saturating_sub(1);
    let last = header.iter().next_back().unwrap_or("");
    if last != "label" || features == 0 {
        let problem = format!(
            "line 1: the header has {} and ends in {last:?}, but it must name at least one feature and end in \"label\"",
            count(header.len(), "column")
        );
        return Err(refuse(name, problem));
    }
    let (mut x, mut y) = (Vec::new(), Vec::new());
    let mut row = StringRecord::new();
    while reader.read_record(&mut row).map_err(broken)? {
        let line = || row.position().map_or(0, |p| line(bytes, p));
        if row.len() != header.len() {
            let problem = format!(
                "line {}: the row has {}, but the header has {}",
                line(),
                count(row.len(), "field"),
                count(header.len(), "column")
            );
            return Err(refuse(name, problem));
        }
        let bad = |column: usize, what: &str| {
            let problem = format!(
                "line {}, column {} ({}): {:?} is not {what}",
                line(),
                column + 1,
                header[column].escape_debug(),
                row[column].chars().take(40).collect::<String>()
            );
            refuse(name, problem)
        };
        for column in 0..features {
            match row[column].parse::<f32>() {
                Ok(value) if value.is_finite() => x.push(value),
                _ => return Err(bad(column, "a finite number")),
            }
        }
        match row[features].parse::<i64>() {
            Ok(class) if (0..MAX_CLASSES).contains(&class) => y.push(class),
            _ => return Err(bad(features, "a class, a whole number from 0 to 999999")),
        }
    }
    if y.is_empty() {
        return Err(refuse(name, "there is no row after the header"));
    }
    let rows = y.len();
    Dataset::new(
        Tensor::from_vec(x, [rows, features])?,
        Tensor::from_vec(y, rows)?,
    )
}

/// A label column that holds something else, such as an identifier, is found by this, before one logit is made for
/// each class up to it.
const MAX_CLASSES: i64 = 1_000_000;

/// The line, from 1, of the record that the reader met at `position`: behind any blank lines there.
fn line(bytes: &[u8], position: &Position) -> usize {
    let at = usize::try_from(position.byte()).map_or(bytes.len(), |at| at.min(bytes.len()));
    let blank = bytes[at..]
        .iter()
        .take_while(|b| matches!(b, b'\r' | b'\n'))
        .count();
    1 + bytes[..at + blank].iter().filter(|&&b| b == b'\n').count()
}

fn broken(name: &str, bytes: &[u8], error: csv::Error) -> Error {
    match (error.kind(), error.position()) {
        (ErrorKind::Io(e), _) => refuse(name, e),
        (ErrorKind::Utf8 { .. }, Some(position)) => {
            let line = line(bytes, position);
            refuse(
                name,
                format!("line {line}: the text is not UTF-8: save the file in that encoding"),
            )
        }
        _ => refuse(name, error),
    }
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
