//! A value, and its place on a tape if it depends on a leaf.

use crate::op::Saved;
use crate::tape::Tape;
use std::borrow::Cow;
use std::fmt::{Debug, Display, Formatter};
use tensor_core::{Float, Result, Scalar, Tensor};

/// A value that operations are done with: a tensor, and, if it depends on a leaf of a [`Tape`], its place there.
///
/// A clone is cheap. A `Var` made from a tensor by `Var::from` is a constant: operations on constants record nothing
/// and keep nothing alive, so inference is the same code without a tape.
///
/// What passes no gradient says so in its type: [`Var::argmax`], [`Var::round`] and their kin give a tensor.
///
/// ```
/// use autograd::{Tape, Tensor};
/// let x = Tape::new().leaf(Tensor::from([1.0, 3.4, 2.0]));
/// let place: Tensor<i64> = x.argmax(0)?;
/// assert_eq!((place.item()?, x.round().to_vec()), (1, vec![1.0, 3.0, 2.0]));
/// # Ok::<(), autograd::Error>(())
/// ```
/// ```compile_fail,E0599
/// # use autograd::{Tape, Tensor};
/// # let x = Tape::new().leaf(Tensor::from([1.0, 3.4, 2.0]));
/// let y = x.round().backward();
/// ```
#[derive(Clone)]
pub struct Var<T: Float> {
    value: Tensor<T>,
    tape: Option<Tape<T>>,
    node: Option<usize>,
}

impl<T: Float> Var<T> {
    pub(crate) fn place(value: Tensor<T>, tape: Option<Tape<T>>, node: Option<usize>) -> Self {
        Var { value, tape, node }
    }

    /// The tensor.
    pub fn value(&self) -> &Tensor<T> {
        &self.value
    }

    /// The tensor, taken out.
    pub fn into_value(self) -> Tensor<T> {
        self.value
    }

    /// The sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        self.value.shape()
    }

    /// The number of dimensions.
    pub fn ndim(&self) -> usize {
        self.value.ndim()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.value.numel()
    }

    /// The only element.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there is not exactly one.
    pub fn item(&self) -> Result<T> {
        self.value.item()
    }

    /// The tape that this value was placed on or computed from.
    pub fn tape(&self) -> Option<&Tape<T>> {
        self.tape.as_ref()
    }

    pub(crate) fn node(&self) -> Option<usize> {
        self.node
    }

    /// Whether this value depends on a leaf.
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    /// The same value as a constant: no gradient passes through it.
    pub fn detach(&self) -> Var<T> {
        Var::from(self.value.clone())
    }

    /// Keeps this value for a backward rule.
    pub fn save(&self) -> Saved<T> {
        Saved::new(self.value.clone(), self.node)
    }
}

impl<T: Float> From<Tensor<T>> for Var<T> {
    fn from(value: Tensor<T>) -> Self {
        Var {
            value,
            tape: None,
            node: None,
        }
    }
}

impl<T: Float> From<&Tensor<T>> for Var<T> {
    fn from(value: &Tensor<T>) -> Self {
        value.clone().into()
    }
}

impl<T: Float> Display for Var<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.value, f)
    }
}

impl<T: Float> Debug for Var<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.value)?;
        match self.node {
            Some(node) => write!(f, " at node {node}"),
            None => write!(f, " constant"),
        }
    }
}

/// The right-hand side of an operation on a [`Var`]: another one, or a number. A tensor becomes
/// a constant by `Var::from`.
pub trait IntoVar<T: Float> {
    /// As a value beside `x`; a number becomes a constant without dimensions.
    ///
    /// # Errors
    /// [`Error::Convert`](crate::Error::Convert) if a number is no value of `T`.
    fn var(&self, op: &'static str) -> Result<Cow<'_, Var<T>>>;

    /// The number, if it is one.
    fn number(&self) -> Option<T> {
        None
    }
}

impl<T: Float> IntoVar<T> for Var<T> {
    fn var(&self, _: &'static str) -> Result<Cow<'_, Var<T>>> {
        Ok(Cow::Borrowed(self))
    }
}

impl<T: Float> IntoVar<T> for &Var<T> {
    fn var(&self, _: &'static str) -> Result<Cow<'_, Var<T>>> {
        Ok(Cow::Borrowed(*self))
    }
}

impl<T: Float, S: Scalar> IntoVar<T> for S {
    fn var(&self, op: &'static str) -> Result<Cow<'_, Var<T>>> {
        Ok(Cow::Owned(Tensor::scalar(self.element(op)?).into()))
    }

    fn number(&self) -> Option<T> {
        self.element("number").ok()
    }
}
