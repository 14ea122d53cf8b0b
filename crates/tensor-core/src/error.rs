//! The one error type of the workspace: every message names the operation, shows what was given, and says the mend.

use crate::anomaly::Anomaly;
use smallvec::SmallVec;

/// A shape as it is stored in errors and layouts: up to four dimensions without an allocation.
pub type Dims = SmallVec<[usize; 4]>;

/// The result of every named method that can be called wrongly.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong in a call, with the operation's name first.
///
/// One variant for each kind of mistake; the fields hold what the message shows.
///
/// ```
/// use tensor_core::Tensor;
/// let e = Tensor::<f32>::zeros([2, 3])?.reshape([4, 2]).unwrap_err();
/// assert_eq!(e.to_string(), "reshape: shape [2, 3] holds 6 elements, and [4, 2] asks for 8");
/// # Ok::<(), tensor_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Shapes that do not broadcast with each other.
    #[error(
        "{op}: shapes {lhs:?} and {rhs:?} do not broadcast: counted from the right, sizes must be equal or 1"
    )]
    Broadcast {
        /// The operation.
        op: &'static str,
        /// Shape of the first operand.
        lhs: Dims,
        /// Shape of the second operand.
        rhs: Dims,
    },
    /// A shape that the operation cannot take.
    #[error("{op}: {what} has shape {got:?}, but {expected}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// Which argument.
        what: &'static str,
        /// Its shape.
        got: Dims,
        /// What would be right.
        expected: String,
    },
    /// A reshape to another number of elements.
    #[error("{op}: shape {from:?} holds {numel} elements, and {to:?} asks for {asked}")]
    Numel {
        /// The operation.
        op: &'static str,
        /// The shape at hand.
        from: Dims,
        /// Its number of elements.
        numel: usize,
        /// The shape asked for, `-1` standing for a size to be inferred.
        to: Vec<i64>,
        /// The number of elements of that shape, or what it must be a multiple of.
        asked: String,
    },
    /// A dimension that the tensor does not have.
    #[error("{op}: dimension {dim} of a tensor with shape {shape:?}: dimensions go from {} to {}", -(.shape.len().max(1) as isize), .shape.len().max(1) - 1)]
    Dim {
        /// The operation.
        op: &'static str,
        /// The dimension asked for; negative ones count from the end.
        dim: isize,
        /// The tensor's shape.
        shape: Dims,
    },
    /// The same dimension named twice.
    #[error("{op}: dimension {dim} is named twice in {dims:?}")]
    RepeatedDim {
        /// The operation.
        op: &'static str,
        /// The dimension.
        dim: usize,
        /// The list as given.
        dims: Vec<isize>,
    },
    /// An index outside its dimension.
    #[error("{op}: index {index} is out of range for dimension {dim} of size {size}")]
    Index {
        /// The operation.
        op: &'static str,
        /// The index; negative ones count from the end where the operation says so.
        index: i64,
        /// The dimension it indexes.
        dim: usize,
        /// The size of that dimension.
        size: usize,
    },
    /// A class index outside the classes that there are.
    #[error("{op}: target{} is {class}, but the {what} have {classes} classes", At(.at))]
    Class {
        /// The operation.
        op: &'static str,
        /// The name of the tensor that has the classes: logits or log-probabilities.
        what: &'static str,
        /// Where in the target.
        at: Dims,
        /// The index found there.
        class: i64,
        /// How many classes there are.
        classes: usize,
    },
    /// A value that the operation cannot take.
    #[error("{op}: {what}{} is {value}, but {expected}", At(.at))]
    Value {
        /// The operation.
        op: &'static str,
        /// Which argument.
        what: &'static str,
        /// Where in it.
        at: Dims,
        /// The value found there.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// An option outside its range.
    #[error("{op}: {name} is {value}, but {expected}")]
    Option {
        /// The operation.
        op: &'static str,
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A tensor too large to exist, or more memory than the system gives.
    #[error(
        "{op}: shape {shape:?} is too large: its size in bytes overflows, or the system has not that much memory"
    )]
    Size {
        /// The operation.
        op: &'static str,
        /// The shape asked for.
        shape: Vec<i64>,
    },
    /// A negative size.
    #[error("{op}: shape {shape:?} has a negative size")]
    NegativeSize {
        /// The operation.
        op: &'static str,
        /// The shape asked for.
        shape: Vec<i64>,
    },
    /// Data whose length is not the shape's number of elements.
    #[error("{op}: {len} values do not fill shape {shape:?}, which holds {numel}")]
    Data {
        /// The operation.
        op: &'static str,
        /// Number of values given.
        len: usize,
        /// The shape.
        shape: Dims,
        /// Its number of elements.
        numel: usize,
    },
    /// A reduction that has no value over no element.
    #[error("{op}: dimension of size 0 in shape {shape:?}: there is no element to choose from")]
    Empty {
        /// The operation.
        op: &'static str,
        /// The tensor's shape.
        shape: Dims,
    },
    /// A use of the tape that it cannot answer.
    #[error("{op}: {problem}")]
    Tape {
        /// The operation.
        op: &'static str,
        /// What is wrong, and the mend.
        problem: TapeProblem,
    },
    /// A value that is not finite, on a tape that looks for it.
    #[error("{0}")]
    Anomaly(Box<Anomaly>),
    /// A file that cannot be read or written, or holds what it should not.
    #[error("{op}: {path}: {problem}")]
    File {
        /// The operation.
        op: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A training whose numbers are no longer finite.
    #[error("{op}: {what} in batch {batch} of epoch {epoch}: {mend}{}", First(.first))]
    Diverged {
        /// The operation.
        op: &'static str,
        /// What happened.
        what: String,
        /// The pass over the data, from 1.
        epoch: usize,
        /// The batch of that pass, from 1.
        batch: usize,
        /// What may help.
        mend: &'static str,
        /// Where it began, if that could be found.
        first: Option<Box<Anomaly>>,
    },
    /// A value that does not fit the element type.
    #[error("{op}: {value} is not a value of {dtype}")]
    Convert {
        /// The operation.
        op: &'static str,
        /// The value.
        value: String,
        /// The element type.
        dtype: &'static str,
    },
}

impl Error {
    /// The same, of the operation `op`: for one that is made of others, whose names would mean nothing to its caller.
    ///
    /// ```
    /// use tensor_core::{Result, Tensor};
    /// fn softer(x: &Tensor<f32>, y: &Tensor<f32>) -> Result<Tensor<f32>> {
    ///     x.mul(y).map_err(|e| e.named("softer"))
    /// }
    /// let e = softer(&Tensor::zeros([2])?, &Tensor::zeros([3])?).unwrap_err();
    /// assert!(e.to_string().starts_with("softer: shapes [2] and [3]"));
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    #[must_use]
    pub fn named(mut self, op: &'static str) -> Self {
        match &mut self {
            Error::Broadcast { op: name, .. }
            | Error::Shape { op: name, .. }
            | Error::Numel { op: name, .. }
            | Error::Dim { op: name, .. }
            | Error::RepeatedDim { op: name, .. }
            | Error::Index { op: name, .. }
            | Error::Class { op: name, .. }
            | Error::Value { op: name, .. }
            | Error::Option { op: name, .. }
            | Error::Size { op: name, .. }
            | Error::NegativeSize { op: name, .. }
            | Error::Data { op: name, .. }
            | Error::Empty { op: name, .. }
            | Error::Tape { op: name, .. }
            | Error::File { op: name, .. }
            | Error::Diverged { op: name, .. }
            | Error::Convert { op: name, .. } => *name = op,
            Error::Anomaly(_) => {}
        }
        self
    }

    /// [`Error::Size`] for a shape that the library has come to by itself.
    pub(crate) fn size(op: &'static str, shape: &[usize]) -> Self {
        let shape = shape
            .iter()
            .map(|&n| i64::try_from(n).unwrap_or(i64::MAX))
            .collect();
        Error::Size { op, shape }
    }
}

/// The result, or a panic with the error's message: for operators and the few methods that have no error to return. It
/// shows the line of whoever called them, which a closure would lose.
#[track_caller]
#[doc(hidden)]
pub fn sure<R>(result: Result<R>) -> R {
    match result {
        Ok(value) => value,
        Err(e) => panic!("{e}"),
    }
}

/// The ways in which a tape can be used wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TapeProblem {
    /// Operands from two tapes.
    #[error(
        "the operands lie on different tapes: make all leaves on one tape, or `detach` one operand"
    )]
    Foreign,
    /// A value of the tape inside of a function that runs on another.
    #[error(
        "the function uses a value of a tape that is none of its inputs: pass it as an input, or `detach` it"
    )]
    Captured,
    /// A value that depends on no leaf.
    #[error(
        "the value depends on no leaf of a tape: make what it is differentiated by with `tape.leaf`, or give a model its data with `tape.input`"
    )]
    Untracked,
    /// A gradient asked of gradients that do not hold it.
    #[error("no gradient for this value: the result that was differentiated does not depend on it")]
    NoGradient,
    /// A gradient asked for a value of another tape.
    #[error(
        "the value lies on another tape than these gradients come from: ask those of its own tape's backward pass"
    )]
    OtherTape,
    /// A gradient asked for a value that is no leaf.
    #[error(
        "the gradients of intermediate results are not kept: call `retain_grad` on the value before the backward pass, or use `grad(&[&y], &[&x], ..)`"
    )]
    Intermediate,
    /// An input of `grad` that the outputs do not depend on.
    #[error(
        "the outputs do not depend on one of the inputs: leave it out, or allow it with `allow_unused`"
    )]
    Unused,
    /// A second backward pass over a graph that the first has freed.
    #[error(
        "the graph was freed by an earlier backward pass: keep it with `backward_retain` or `retain_graph`, or run the forward pass again"
    )]
    Released,
    /// A seed where none can be made up.
    #[error(
        "the result has more than one element: give a seed gradient of its shape, or reduce it first"
    )]
    NeedsSeed,
    /// A rule that gave back the wrong number of gradients.
    #[error(
        "the backward rule returned {given} gradients for {operands} operands: return one for each, `None` for one that is not wanted"
    )]
    GradCount {
        /// How many gradients the rule returned.
        given: usize,
        /// How many operands the operation has.
        operands: usize,
    },
}

/// Shows where it began on a line of its own, and nothing if that is not known.
struct First<'a>(&'a Option<Box<Anomaly>>);

impl std::fmt::Display for First<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(first) => write!(f, "\n{first}"),
            None => Ok(()),
        }
    }
}

/// Shows an index as `[1, 2]`, and nothing for a tensor without dimensions.
struct At<'a>(&'a [usize]);

impl std::fmt::Display for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}
