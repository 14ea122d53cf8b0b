//! Reverse-mode differentiation on a tape, and the checking of gradients as a product.
//!
//! ```
//! use autograd::{Tape, Tensor};
//!
//! let tape = Tape::new();
//! let x = tape.leaf(Tensor::from([1.0f64, 2.0, 3.0]));
//! let y = (&x * &x).sum(..)?;
//! let grads = y.backward()?;
//! assert_eq!(grads.get(&x)?.to_vec(), [2.0, 4.0, 6.0]);
//! # Ok::<(), autograd::Error>(())
//! ```
//!
//! A [`Tape`] records what is computed from its leaves; [`Var::backward`] walks it once from the result to the leaves.
//! There is no global mode and nothing to reset: a training step makes a tape, runs forward, takes the
//! [`Gradients`], and drops the tape. Values that depend on no leaf record nothing.
//!
//! The modules in the order in which to read them: [`tape`] and [`var`] hold the record, [`op`] the trait that every
//! rule is written with, yours included, `backward` the one loop, `ops` the rules, [`fused`](mod@fused) operations with a
//! hand-written kernel for each direction, [`check`] the proof by finite differences.

#![forbid(unsafe_code)]

mod backward;
pub mod check;
mod checkpoint;
pub mod functional;
pub mod fused;
mod grad;
mod gradients;
mod hook;
mod one_hot;
pub mod op;
mod ops;
mod param;
mod rules;
pub mod tape;
pub mod var;
mod watch;

pub use grad::{GradOptions, grad};

pub use check::{GradCheck, gradcheck, gradgradcheck};
pub use checkpoint::{checkpoint, checkpoint_many, checkpoint_with};
pub use functional::{hessian, hvp, jacobian, jvp, vjp};
pub use fused::{Fused, fused};
pub use gradients::{Gradients, Leaf};
pub use hook::Hook;
pub use one_hot::OneHot;
pub use op::{Grads, Needs, Op, Saved};
pub use param::Param;
pub use tape::Tape;
pub use tensor_core::{
    self, Axes, Border, DType, Dims, Element, Ellipsis, Error, Float, IndexItem, Interpolation,
    IntoIndex, IntoShape, NewAxis, Number, Operand, Result, TapeProblem, Tensor, Unique, i,
    keepdim,
};
pub use tensor_core::{Anomaly, Extent};
pub use var::{IntoVar, Var};
pub use watch::Watch;
