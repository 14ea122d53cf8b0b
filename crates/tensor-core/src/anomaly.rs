//! What is known of a value that is not finite where it should be.

use crate::element::Float;
use crate::error::Dims;
use crate::layout::unravel;
use crate::tensor::Tensor;
use std::fmt::{Display, Formatter};

/// The range of a tensor's elements, and what among them is not finite.
///
/// ```
/// use tensor_core::{Extent, Tensor};
/// let x = Extent::of(&Tensor::from([2.0f32, f32::NAN, -1.5, f32::INFINITY]));
/// assert_eq!(x.to_string(), "shape [4], from -1.5 to 2, 1 NaN, 1 infinite, the first at [1]");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    /// The tensor's shape.
    pub shape: Dims,
    /// The smallest and the largest finite element, if there is one.
    pub range: Option<(f64, f64)>,
    /// How many elements are NaN.
    pub nan: usize,
    /// How many elements are infinite.
    pub infinite: usize,
    /// Where the first of those lies.
    pub first: Option<Dims>,
    /// Whether the elements are `f32`, whose digits are fewer.
    single: bool,
}

impl Extent {
    /// The extent of `x`.
    pub fn of<T: Float>(x: &Tensor<T>) -> Self {
        let mut extent = Extent {
            shape: x.shape().into(),
            range: None,
            nan: 0,
            infinite: 0,
            first: None,
            single: size_of::<T>() == 4,
        };
        for (i, v) in x.to_vec().into_iter().map(T::f64).enumerate() {
            if v.is_finite() {
                let (low, high) = extent.range.unwrap_or((v, v));
                extent.range = Some((low.min(v), high.max(v)));
                continue;
            }
            if v.is_nan() {
                extent.nan += 1;
            } else {
                extent.infinite += 1;
            }
            extent.first.get_or_insert_with(|| unravel(i, x.shape()));
        }
        extent
    }
}

impl Display for Extent {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "shape {:?}", &self.shape[..])?;
        match self.range {
            Some((low, high)) if self.single => {
                write!(f, ", from {} to {}", low as f32, high as f32)?
            }
            Some((low, high)) => write!(f, ", from {low} to {high}")?,
            None if self.nan + self.infinite == 0 => write!(f, ", empty")?,
            None => write!(f, ", nothing finite")?,
        }
        if self.nan > 0 {
            write!(f, ", {} NaN", self.nan)?;
        }
        if self.infinite > 0 {
            write!(f, ", {} infinite", self.infinite)?;
        }
        match &self.first {
            Some(at) if !at.is_empty() => write!(f, ", the first at {:?}", &at[..]),
            _ => Ok(()),
        }
    }
}

/// The operation that made the first NaN or infinity, and what it made it of.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// The operation.
    pub op: &'static str,
    /// The source file of the call.
    pub file: &'static str,
    /// Its line.
    pub line: u32,
    /// Its column.
    pub column: u32,
    /// `forward` or `backward`.
    pub pass: &'static str,
    /// Which value it is: the result, or the gradient of an operand.
    pub what: String,
    /// That value.
    pub culprit: Extent,
    /// The operands of the operation, and in a backward pass the gradient that its rule began with.
    pub operands: Vec<(String, Extent)>,
}

impl Display for Anomaly {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Anomaly {
            op,
            file,
            line,
            column,
            pass,
            what,
            ..
        } = self;
        write!(
            f,
            "{op}, called at {file}:{line}:{column}: {what} is the first that is not finite, in the {pass} pass"
        )?;
        write!(f, "\n  {what}: {}", self.culprit)?;
        for (name, extent) in &self.operands {
            write!(f, "\n  {name}: {extent}")?;
        }
        Ok(())
    }
}
