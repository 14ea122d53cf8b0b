use super::{Dataset, Target};
use csv::{ErrorKind, Position, ReaderBuilder, StringRecord, Trim};
use losses::{Error, Result, Tensor};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const OP: &str = "csv";

/// A label column that holds something else, such as an identifier, is found by this, before one logit is made for
/// each class up to it.
const MAX_CLASSES: i64 = 1_000_000;

/// The same for a column of names, each of which becomes a column of its own.
const MAX_NAMES: usize = 1000;

/// A column of a table, by its name in the header or by its place, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The column that the header calls so.
    Name(String),
    /// The column at this place.
    Index(usize),
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Column::Name(name.into())
    }
}

impl From<usize> for Column {
    fn from(index: usize) -> Self {
        Column::Index(index)
    }
}

/// How to read a table: which column is the label, which hold names, which to leave out; all others are features and
/// must hold finite numbers.
///
/// ```
/// use nn::prelude::*;
/// let text = "id;species;weight;colour\na7;cat;4.5;grey\nb2;dog;30;brown\nc1;cat;3.8;brown\n";
/// let table = Csv::new()
///     .delimiter(b';')
///     .skip("id")
///     .class_names("species") // names become classes in alphabetical order
///     .category("colour") // a column of 0 and 1 for each colour
///     .read_text("pets.csv", text)?;
/// assert_eq!(table.classes, ["cat", "dog"]);
/// assert_eq!(table.features, ["weight", "colour=brown", "colour=grey"]);
/// assert_eq!(table.data.x, Tensor::from([[4.5, 0.0, 1.0], [30.0, 1.0, 0.0], [3.8, 1.0, 0.0]]));
/// assert_eq!(table.data.y, Tensor::from([0, 1, 0]));
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Csv {
    header: bool,
    delimiter: u8,
    label: Column,
    class_names: bool,
    categories: Vec<Column>,
    skip: Vec<Column>,
}

impl Default for Csv {
    fn default() -> Self {
        Csv {
            header: true,
            delimiter: b',',
            label: "label".into(),
            class_names: false,
            categories: Vec::new(),
            skip: Vec::new(),
        }
    }
}

/// What was read: the data, and what its columns and classes are called.
#[derive(Clone, Debug)]
pub struct Table<Y: Target = i64> {
    /// Features and labels.
    pub data: Dataset<Y>,
    /// The name of each column of `x`.
    pub features: Vec<String>,
    /// The name of each class; empty where the labels are numbers.
    pub classes: Vec<String>,
}

impl Csv {
    /// A header line, commas, and the class as a whole number from 0 in the column `label`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the first line names the columns. Without it columns are found by place. Default: yes.
    #[must_use]
    pub fn header(self, header: bool) -> Self {
        Csv { header, ..self }
    }

    /// What stands between two fields. Default: a comma.
    #[must_use]
    pub fn delimiter(self, delimiter: u8) -> Self {
        Csv { delimiter, ..self }
    }

    /// The column with the class, a whole number from 0, or with the number to learn. Default: `label`.
    #[must_use]
    pub fn label(self, label: impl Into<Column>) -> Self {
        let label = label.into();
        Csv { label, ..self }
    }

    /// As [`label`](Csv::label), for a column with the names of the classes.
    #[must_use]
    pub fn class_names(self, label: impl Into<Column>) -> Self {
        Csv {
            label: label.into(),
            class_names: true,
            ..self
        }
    }

    /// A column with names: it becomes a column of 0 and 1 for each name.
    #[must_use]
    pub fn category(mut self, column: impl Into<Column>) -> Self {
        self.categories.push(column.into());
        self
    }

    /// A column to leave out.
    #[must_use]
    pub fn skip(mut self, column: impl Into<Column>) -> Self {
        self.skip.push(column.into());
        self
    }

    /// Reads the file `path`, whose labels are classes.
    ///
    /// # Errors
    /// [`Error::File`] with file, line and column if the file cannot be read, lacks a column, has a row of another
    /// length, or a field that is no finite number or no class.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table> {
        let (name, bytes) = load(path.as_ref())?;
        self.classes(&name, &bytes)
    }

    /// As [`read`](Csv::read), from text at hand; errors call it `name`.
    ///
    /// # Errors
    /// Those of [`read`](Csv::read).
    pub fn read_text(&self, name: &str, text: &str) -> Result<Table> {
        self.classes(name, text.as_bytes())
    }

    /// As [`read`](Csv::read), for labels that are numbers to be learned.
    ///
    /// # Errors
    /// Those of [`read`](Csv::read); here the label must be a finite number.
    pub fn read_regression(&self, path: impl AsRef<Path>) -> Result<Table<f32>> {
        let (name, bytes) = load(path.as_ref())?;
        self.numbers(&name, &bytes)
    }

    /// As [`read_regression`](Csv::read_regression), from text at hand; errors call it `name`.
    ///
    /// ```
    /// use nn::prelude::*;
    /// let table = Csv::new().header(false).label(1).read_regression_text("t.csv", "1,2.5\n3,-1\n")?;
    /// assert_eq!(table.data.y, Tensor::from([2.5f32, -1.0]));
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Errors
    /// Those of [`read_regression`](Csv::read_regression).
    pub fn read_regression_text(&self, name: &str, text: &str) -> Result<Table<f32>> {
        self.numbers(name, text.as_bytes())
    }

    fn classes(&self, name: &str, bytes: &[u8]) -> Result<Table> {
        if self.class_names {
            let raw = self.parse(name, bytes, |field| Ok(field.to_string()))?;
            let (classes, y) = levels(&raw.labels);
            return raw.table(y, classes);
        }
        let raw = self.parse(name, bytes, |field| match field.parse::<i64>() {
            Ok(class) if (0..MAX_CLASSES).contains(&class) => Ok(class),
            Err(_) if field.chars().any(char::is_alphabetic) => {
                Err("a class, a whole number from 0 to 999999: names are read with `class_names`")
            }
            _ => Err("a class, a whole number from 0 to 999999"),
        })?;
        let classes = raw.labels.iter().max().map_or(0, |&class| class + 1);
        let classes = (0..classes).map(|class| class.to_string()).collect();
        let y = raw.labels.clone();
        raw.table(y, classes)
    }

    fn numbers(&self, name: &str, bytes: &[u8]) -> Result<Table<f32>> {
        let raw = self.parse(name, bytes, finite)?;
        let y = raw.labels.clone();
        raw.table(y, Vec::new())
    }

    fn parse<L>(
        &self,
        name: &str,
        bytes: &[u8],
        label: impl Fn(&str) -> std::result::Result<L, &'static str>,
    ) -> Result<Raw<L>> {
        // Some programs begin UTF-8 files with this mark; without it places in the file count from its first byte.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let broken = |e| broken(name, bytes, e);
        // Rows of unequal length are let through here, and refused below with a message of our own.
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::All)
            .has_headers(self.header)
            .delimiter(self.delimiter)
            .from_reader(bytes);
        // Without a header line this is the first row, which is read once more below.
        let first = reader.headers().map_err(broken)?.clone();
        if first.is_empty() || first.len() == 1 && first[0].is_empty() {
            return Err(refuse(name, "the file is empty"));
        }
        let names: Vec<String> = if self.header {
            first.iter().map(String::from).collect()
        } else {
            (0..first.len()).map(|i| i.to_string()).collect()
        };
        let (roles, mut columns, label_at) = self.roles(name, &names)?;

        let mut labels = Vec::new();
        let mut row = StringRecord::new();
        while reader.read_record(&mut row).map_err(broken)? {
            let line = || row.position().map_or(0, |p| line(bytes, p));
            if row.len() != names.len() {
                let problem = format!(
                    "line {}: the row has {}, but the {} has {}",
                    line(),
                    count(row.len(), "field"),
                    if self.header { "header" } else { "first" },
                    count(names.len(), "column")
                );
                return Err(refuse(name, problem));
            }
            let bad = |column: usize, what: &str| {
                let problem = format!(
                    "line {}, column {} ({}): {:?} is not {what}",
                    line(),
                    column + 1,
                    names[column].escape_debug(),
                    row[column].chars().take(40).collect::<String>()
                );
                refuse(name, problem)
            };
            for (column, values) in roles.iter().zip(&mut columns) {
                match values {
                    Values::Numbers(values) => {
                        values.push(finite(&row[*column]).map_err(|what| bad(*column, what))?);
                    }
                    Values::Names(_) if row[*column].is_empty() => {
                        return Err(bad(*column, "a name"));
                    }
                    Values::Names(values) => values.push(row[*column].to_string()),
                }
            }
            if row[label_at].is_empty() {
                return Err(bad(label_at, "a label"));
            }
            labels.push(label(&row[label_at]).map_err(|what| bad(label_at, what))?);
        }
        if labels.is_empty() {
            return Err(refuse(name, "there is no row after the header"));
        }
        let columns = roles.iter().map(|&c| names[c].clone()).zip(columns);
        Ok(Raw {
            name: name.into(),
            columns: columns.collect(),
            labels,
        })
    }

    /// The columns that are features, what each holds, and the column of the label.
    fn roles(&self, name: &str, names: &[String]) -> Result<(Vec<usize>, Vec<Values>, usize)> {
        let find = |column: &Column| self.find(name, names, column);
        let label = find(&self.label)?;
        let skip: Vec<usize> = self.skip.iter().map(find).collect::<Result<_>>()?;
        let categories: Vec<usize> = self.categories.iter().map(find).collect::<Result<_>>()?;
        let features: Vec<usize> = (0..names.len())
            .filter(|c| *c != label && !skip.contains(c))
            .collect();
        if features.is_empty() {
            let problem =
                "line 1: there is no column beside the label, so there is nothing to learn from";
            return Err(refuse(name, problem));
        }
        let empty = |c: &usize| match categories.contains(c) {
            true => Values::Names(Vec::new()),
            false => Values::Numbers(Vec::new()),
        };
        let values = features.iter().map(empty).collect();
        Ok((features, values, label))
    }

    fn find(&self, name: &str, names: &[String], column: &Column) -> Result<usize> {
        let problem = match column {
            Column::Index(i) if *i < names.len() => return Ok(*i),
            Column::Index(i) => format!(
                "line 1: there is no column {i}: the file has {}, counted from 0",
                names.len()
            ),
            Column::Name(wanted) if !self.header => {
                format!("without a header no column is called {wanted:?}: give its place, from 0")
            }
            Column::Name(wanted) => {
                let mut places = (0..names.len()).filter(|&i| names[i] == *wanted);
                match (places.next(), places.next()) {
                    (Some(at), None) => return Ok(at),
                    (Some(a), Some(b)) => {
                        format!(
                            "line 1: columns {} and {} are both called {wanted:?}",
                            a + 1,
                            b + 1
                        )
                    }
                    _ => missing(names, wanted),
                }
            }
        };
        Err(refuse(name, problem))
    }
}

/// Says that no column is called `wanted`, and what may be the reason.
fn missing(names: &[String], wanted: &str) -> String {
    let other = names[0]
        .chars()
        .find(|c| matches!(c, ';' | '\t' | '|' | ','));
    if let (1, Some(other)) = (names.len(), other) {
        return format!(
            "line 1: no column is called {wanted:?}, as the line has no delimiter: set `delimiter` to {other:?}"
        );
    }
    let shown: Vec<String> = names
        .iter()
        .take(8)
        .map(|name| format!("{name:?}"))
        .collect();
    let more = match names.len().saturating_sub(8) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!(
        "line 1: no column is called {wanted:?}: there are {}{more}",
        shown.join(", ")
    )
}

/// The fields of a column.
enum Values {
    Numbers(Vec<f32>),
    Names(Vec<String>),
}

/// What a file holds, before names become numbers.
struct Raw<L> {
    name: String,
    columns: Vec<(String, Values)>,
    labels: Vec<L>,
}

impl<L> Raw<L> {
    fn table<Y: Target>(self, y: Vec<Y>, classes: Vec<String>) -> Result<Table<Y>> {
        let rows = y.len();
        let mut features = Vec::new();
        let mut columns: Vec<Vec<f32>> = Vec::new();
        for (name, values) in self.columns {
            match values {
                Values::Numbers(values) => {
                    features.push(name);
                    columns.push(values);
                }
                Values::Names(values) => {
                    let (names, codes) = levels(&values);
                    if names.len() > MAX_NAMES {
                        let problem = format!(
                            "column {name:?} holds {} different names, more than {MAX_NAMES}: leave it out with `skip`",
                            names.len()
                        );
                        return Err(refuse(&self.name, problem));
                    }
                    for (code, level) in (0..).zip(names) {
                        features.push(format!("{name}={level}"));
                        let one_hot = codes.iter().map(|&c| f32::from(u8::from(c == code)));
                        columns.push(one_hot.collect());
                    }
                }
            }
        }
        let x = (0..rows).flat_map(|row| columns.iter().map(move |column| column[row]));
        let x = Tensor::from_vec(x.collect(), [rows, columns.len()])?;
        Ok(Table {
            data: Dataset::new(x, Tensor::from_vec(y, rows)?)?,
            features,
            classes,
        })
    }
}

/// The different names in alphabetical order, and the place of each value among them.
fn levels(values: &[String]) -> (Vec<String>, Vec<i64>) {
    let mut places: BTreeMap<&str, i64> = values.iter().map(|v| (v.as_str(), 0)).collect();
    for (place, at) in places.values_mut().zip(0..) {
        *place = at;
    }
    let codes = values.iter().map(|v| places[v.as_str()]).collect();
    (places.into_keys().map(String::from).collect(), codes)
}

fn finite(field: &str) -> std::result::Result<f32, &'static str> {
    match field.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("a finite number"),
    }
}

impl Dataset {
    /// Reads a CSV file: a header line, then one row for each example, numbers for the features, and the class, a
    /// whole number from 0, in the column `label`. [`Csv`] reads other tables.
    ///
    /// # Errors
    /// Those of [`Csv::read`].
    pub fn from_csv(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Csv::new().read(path)?.data)
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
    ///     "csv: pets.csv: line 2, column 2 (height): \"tall\" is not a finite number"
    /// );
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Errors
    /// Those of [`Csv::read`].
    pub fn from_csv_text(name: &str, text: &str) -> Result<Self> {
        Ok(Csv::new().read_text(name, text)?.data)
    }
}

fn refuse(name: &str, problem: impl ToString) -> Error {
    Error::File {
        op: OP,
        path: name.to_string(),
        problem: problem.to_string(),
    }
}

/// The name and the bytes of a file.
fn load(path: &Path) -> Result<(String, Vec<u8>)> {
    let name = path.display().to_string();
    let bytes = fs::read(path).map_err(|e| refuse(&name, e))?;
    Ok((name, bytes))
}

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
