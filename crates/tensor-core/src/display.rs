//! Printing as PyTorch prints: its alignment, its choice of notation, its summaries of large tensors.

use crate::element::{DType, Element};
use crate::tensor::Tensor;
use std::fmt::{self, Debug, Display, Formatter, Write};

/// The opening of every printed tensor, below whose end the rows are aligned.
const OPENING: &str = "tensor(";

/// A summary of more elements than these is of use to nobody, and sixty dimensions of size 2 would never end.
const MOST_SHOWN: usize = 1 << 24;

/// No `f64` has more digits than these behind its point.
const MOST_DIGITS: usize = 1074;

/// How a tensor is printed; the defaults are PyTorch's.
///
/// ```
/// use tensor_core::{Print, Tensor};
/// let x = Tensor::from([1.0f32, 0.5, 2.0 / 3.0]);
/// assert_eq!(x.to_string(), "tensor([1.0000, 0.5000, 0.6667])");
/// let short = Print::new().precision(1).threshold(2).edgeitems(1);
/// assert_eq!(x.display_with(&short).to_string(), "tensor([1.0,  ..., 0.7])");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    precision: usize,
    threshold: usize,
    edgeitems: usize,
    linewidth: usize,
    sci_mode: Option<bool>,
}

impl Default for Print {
    fn default() -> Self {
        Print {
            precision: 4,
            threshold: 1000,
            edgeitems: 3,
            linewidth: 80,
            sci_mode: None,
        }
    }
}

impl Print {
    /// PyTorch's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of digits behind the point; 4 unless set.
    pub fn precision(self, digits: usize) -> Self {
        Print {
            precision: digits.min(MOST_DIGITS),
            ..self
        }
    }

    /// The number of elements above which a tensor is summarised; 1000 unless set.
    pub fn threshold(self, elements: usize) -> Self {
        Print {
            threshold: elements,
            ..self
        }
    }

    /// How many elements a summary shows at either end of a dimension; 3 unless set.
    pub fn edgeitems(self, items: usize) -> Self {
        Print {
            edgeitems: items,
            ..self
        }
    }

    /// The number of characters at which rows are broken; 80 unless set.
    pub fn linewidth(self, characters: usize) -> Self {
        Print {
            linewidth: characters,
            ..self
        }
    }

    /// Whether floats are written as `1.5000e+00`; `None`, the default, decides by their range.
    pub fn sci_mode(self, scientific: impl Into<Option<bool>>) -> Self {
        Print {
            sci_mode: scientific.into(),
            ..self
        }
    }
}

/// How one element is written.
#[derive(Clone, Copy)]
enum Style {
    /// An integer, or `True` and `False`.
    Plain,
    /// A float without fraction: `12.`
    Whole,
    /// Digits behind the point.
    Fixed(usize),
    /// Digits behind the point, and an exponent.
    Scientific(usize),
}

impl Style {
    /// Puts the text of `value` in place of `text`.
    fn spell<T: Element>(self, value: T, text: &mut String) -> fmt::Result {
        text.clear();
        let x = value.to_f64();
        match self {
            Style::Plain if T::DTYPE == DType::Bool => {
                text.push_str(if value == T::ZERO { "False" } else { "True" });
                Ok(())
            }
            Style::Plain => write!(text, "{}", value.to_i64()),
            // A NaN is written without the sign that it may have.
            _ if x.is_nan() => text.write_str("nan"),
            _ if x.is_infinite() => write!(text, "{x}"),
            Style::Whole => write!(text, "{x:.0}."),
            Style::Fixed(digits) => write!(text, "{x:.digits$}"),
            Style::Scientific(digits) => {
                write!(text, "{x:.digits$e}")?;
                // The exponent gets its sign and at least two digits, as C writes it.
                let split = text.find('e').unwrap_or(text.len());
                let exponent: i32 = text[split..].trim_start_matches('e').parse().unwrap_or(0);
                text.truncate(split);
                write!(text, "e{exponent:+03}")
            }
        }
    }
}

/// What is met on the way through a tensor.
enum Step<T> {
    /// Into a dimension.
    Open,
    /// To the next entry of a dimension.
    Next { dim: usize, entry: usize },
    /// An element.
    Value(T),
    /// What a summary leaves out.
    Dots { dim: usize },
    /// Out of a dimension.
    Close,
}

/// The part of a tensor that is shown.
struct Part<'a, T: Element> {
    tensor: &'a Tensor<T>,
    /// How many entries are shown at either end of a dimension, if this is a summary.
    edge: Option<usize>,
}

impl<'a, T: Element> Part<'a, T> {
    fn new(tensor: &'a Tensor<T>, print: &Print) -> Self {
        let mut part = Part { tensor, edge: None };
        if tensor.numel() > print.threshold {
            let mut edge = print.edgeitems;
            part.edge = Some(edge);
            while edge > 0 && part.shown() > MOST_SHOWN {
                edge /= 2;
                part.edge = Some(edge);
            }
        }
        part
    }

    /// How many elements are shown, at most.
    fn shown(&self) -> usize {
        (0..self.tensor.ndim()).fold(1, |n, dim| n.saturating_mul(self.entries(dim)))
    }

    /// The edge of dimension `dim`, if entries between its edges are left out.
    fn cut(&self, dim: usize) -> Option<usize> {
        self.edge
            .filter(|&edge| self.tensor.shape()[dim] > edge.saturating_mul(2))
    }

    /// How many entries of dimension `dim` are written, the dots among them.
    fn entries(&self, dim: usize) -> usize {
        self.cut(dim)
            .map_or(self.tensor.shape()[dim], |edge| 2 * edge + 1)
    }

    /// The index that an entry of dimension `dim` stands for; `None` for the dots.
    fn index(&self, dim: usize, entry: usize) -> Option<usize> {
        match self.cut(dim) {
            Some(edge) if entry == edge => None,
            Some(edge) if entry > edge => Some(self.tensor.shape()[dim] - (2 * edge + 1) + entry),
            _ => Some(entry),
        }
    }

    /// Calls `visit` for all that is shown, in order. The way is kept in a list, not on the stack, which a tensor of
    /// very many dimensions would overflow.
    fn walk(&self, mut visit: impl FnMut(Step<T>) -> fmt::Result) -> fmt::Result {
        let (layout, data) = (self.tensor.layout(), self.tensor.buffer());
        let (ndim, start) = (layout.shape().len(), layout.offset() as isize);
        if ndim == 0 {
            return visit(Step::Value(data[start as usize]));
        }
        visit(Step::Open)?;
        let mut path = vec![(0, start)];
        while let Some(dim) = path.len().checked_sub(1) {
            let (entry, place) = path[dim];
            if entry == self.entries(dim) {
                path.pop();
                visit(Step::Close)?;
                continue;
            }
            path[dim].0 += 1;
            visit(Step::Next { dim, entry })?;
            let Some(index) = self.index(dim, entry) else {
                visit(Step::Dots { dim })?;
                continue;
            };
            let place = place + index as isize * layout.strides()[dim];
            if dim + 1 == ndim {
                visit(Step::Value(data[place as usize]))?;
            } else {
                visit(Step::Open)?;
                path.push((0, place));
            }
        }
        Ok(())
    }

    /// Calls `f` for every element that is shown.
    fn values(&self, mut f: impl FnMut(T) -> fmt::Result) -> fmt::Result {
        self.walk(|step| match step {
            Step::Value(x) => f(x),
            _ => Ok(()),
        })
    }

    /// How the elements are written, and the width that aligns them. Zeros, infinities and NaN have no say in it.
    fn style(&self, print: &Print) -> Result<(Style, usize), fmt::Error> {
        let is_float = matches!(T::DTYPE, DType::F32 | DType::F64);
        let counts = |x: T| !is_float || (x != T::ZERO && x.to_f64().is_finite());
        let (mut least, mut most, mut whole) = (f64::INFINITY, 0.0f64, true);
        self.values(|x| {
            if counts(x) {
                let magnitude = x.to_f64().abs();
                least = least.min(magnitude);
                most = most.max(magnitude);
                whole &= magnitude.fract() == 0.0;
            }
            Ok(())
        })?;
        let wide = || most / least > 1000.0 || most > 1e8 || least < 1e-4;
        let style = match is_float {
            false => Style::Plain,
            true if most > 0.0 && print.sci_mode.unwrap_or_else(wide) => {
                Style::Scientific(print.precision)
            }
            true if whole => Style::Whole,
            true => Style::Fixed(print.precision),
        };
        let (mut width, mut text) = (1, String::new());
        self.values(|x| {
            if counts(x) {
                style.spell(x, &mut text)?;
                width = width.max(text.len());
            }
            Ok(())
        })?;
        Ok((style, width))
    }

    fn write(&self, print: &Print, out: &mut Lines<'_, '_>) -> fmt::Result {
        if self.tensor.numel() == 0 {
            return out.put("[]");
        }
        let (style, width) = self.style(print)?;
        let ndim = self.tensor.ndim();
        // A row stands below the brackets of all dimensions but its own.
        let room = print
            .linewidth
            .saturating_sub((OPENING.len() + ndim).saturating_sub(1));
        let per_line = (room / (width + 2)).max(1);
        let mut text = String::new();
        self.walk(|step| match step {
            Step::Open => out.put("["),
            Step::Close => out.put("]"),
            Step::Next { entry: 0, .. } => Ok(()),
            Step::Next { dim, .. } if dim + 1 < ndim => {
                out.put(",")?;
                out.repeat("\n", ndim - dim - 1)?;
                out.repeat(" ", OPENING.len() + dim + 1)
            }
            Step::Next { dim, entry } if entry % per_line == 0 => {
                out.put(",\n")?;
                out.repeat(" ", OPENING.len() + dim + 1)
            }
            Step::Next { .. } => out.put(", "),
            Step::Dots { dim } if dim + 1 == ndim && self.edge != Some(0) => out.put(" ..."),
            Step::Dots { .. } => out.put("..."),
            Step::Value(x) => {
                style.spell(x, &mut text)?;
                out.repeat(" ", width.saturating_sub(text.len()))?;
                out.put(&text)
            }
        })
    }
}

/// A text being written, and the length of its last line.
struct Lines<'a, 'f> {
    out: &'a mut Formatter<'f>,
    column: usize,
}

impl Lines<'_, '_> {
    fn put(&mut self, text: &str) -> fmt::Result {
        self.column = match text.rfind('\n') {
            Some(at) => text.len() - at - 1,
            None => self.column + text.len(),
        };
        self.out.write_str(text)
    }

    fn repeat(&mut self, text: &str, times: usize) -> fmt::Result {
        (0..times).try_for_each(|_| self.put(text))
    }
}

/// Writes the opening, the elements, and what is said about them behind.
fn write<T: Element>(
    tensor: &Tensor<T>,
    print: &Print,
    remarks: &[String],
    f: &mut Formatter<'_>,
) -> fmt::Result {
    let mut out = Lines { out: f, column: 0 };
    out.put(OPENING)?;
    Part::new(tensor, print).write(print, &mut out)?;
    // PyTorch counts two characters more for the line that ends the elements than for a line of remarks.
    let mut length = out.column + 2;
    for remark in remarks {
        if length + remark.len() + 2 > print.linewidth {
            out.put(",\n")?;
            out.repeat(" ", OPENING.len())?;
            length = OPENING.len() + remark.len();
        } else {
            out.put(", ")?;
            length += remark.len() + 2;
        }
        out.put(remark)?;
    }
    out.put(")")
}

/// What PyTorch says behind the elements: what they do not show by themselves.
fn remarks<T: Element>(tensor: &Tensor<T>) -> Vec<String> {
    let mut remarks = Vec::new();
    let empty = tensor.numel() == 0;
    if empty && tensor.ndim() != 1 {
        let sizes: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
        remarks.push(format!("size=({})", sizes.join(", ")));
    }
    let name = match T::DTYPE {
        DType::F32 => None,
        DType::F64 => Some("float64"),
        DType::I64 => empty.then_some("int64"),
        DType::Bool => empty.then_some("bool"),
    };
    remarks.extend(name.map(|name| format!("dtype=torch.{name}")));
    remarks
}

/// A tensor together with the way to print it.
struct Shown<'a, T: Element>(&'a Tensor<T>, Print);

impl<T: Element> Display for Shown<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self.0, &self.1, &remarks(self.0), f)
    }
}

impl<T: Element> Tensor<T> {
    /// This tensor as text, printed as `print` says.
    ///
    /// ```
    /// use tensor_core::{Print, Tensor};
    /// let x = Tensor::from([0.5f32, 20.0]);
    /// let text = format!("{}", x.display_with(&Print::new().sci_mode(true).precision(2)));
    /// assert_eq!(text, "tensor([5.00e-01, 2.00e+01])");
    /// ```
    pub fn display_with<'a>(&'a self, print: &Print) -> impl Display + use<'a, T> {
        Shown(self, *print)
    }
}

impl<T: Element> Display for Tensor<T> {
    /// As PyTorch prints; a precision such as `{:.2}` is the number of digits behind the point.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let print = Print::new();
        let print = f.precision().map_or(print, |p| print.precision(p));
        Shown(self, print).fmt(f)
    }
}

impl<T: Element> Debug for Tensor<T> {
    /// As [`Display`], with shape and element type behind.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let remarks = [
            format!("shape={:?}", self.shape()),
            format!("dtype={}", T::DTYPE),
        ];
        write(self, &Print::new(), &remarks, f)
    }
}
