//! Parameters: tensors with an identity, which enter a tape through the data.

use crate::var::Var;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use tensor_core::{Float, Tensor};

/// A tensor that training changes, with an identity by which gradients are found.
///
/// ```
/// use autograd::{Param, Tape, Tensor, Var};
/// let w = Param::new(Tensor::from([3.0f32]));
/// let scale = |x: &Var<f32>| x * w.on(x);
/// // Data on a tape: the parameter enters it. Plain data: nothing is recorded.
/// let y = scale(&Tape::new().input(Tensor::from([2.0])));
/// assert_eq!(y.backward()?.get(&w)?.to_vec(), [2.0]);
/// assert!(!scale(&Var::from(Tensor::from([2.0]))).is_tracked());
/// # Ok::<(), autograd::Error>(())
/// ```
pub struct Param<T: Float> {
    id: u64,
    value: Tensor<T>,
}

impl<T: Float> Param<T> {
    /// A parameter with a start value.
    pub fn new(value: Tensor<T>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Param {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            value,
        }
    }

    /// The value.
    pub fn value(&self) -> &Tensor<T> {
        &self.value
    }

    /// The value for writing: in place where no tape or copy holds it.
    pub fn value_mut(&mut self) -> &mut Tensor<T> {
        &mut self.value
    }

    /// What distinguishes this parameter from all others of the program.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The parameter beside `x`: a leaf of its tape, entered once, or a constant if `x` lies on none.
    #[track_caller]
    pub fn on(&self, x: &Var<T>) -> Var<T> {
        match x.tape() {
            Some(tape) => tape.enter(self.id, &self.value),
            None => Var::from(&self.value),
        }
    }
}

impl<T: Float> Clone for Param<T> {
    /// Another parameter with the same value: it has an identity, and gradients, of its own.
    fn clone(&self) -> Self {
        Param::new(self.value.clone())
    }
}

impl<T: Float> Debug for Param<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Param({:?})", self.value)
    }
}
