//! Loss functions: each a fused differentiable operation with an analytic backward pass.
//!
//! ```
//! use losses::prelude::*;
//!
//! let tape = Tape::new();
//! let logits = tape.leaf(Tensor::from([[2.0f32, -1.0, 0.5], [0.1, 0.2, 3.0]]));
//! let loss = cross_entropy(&logits, &Tensor::from([0, 2]))?;
//! let grads = loss.backward()?;
//! assert_eq!(grads.get(&logits)?.shape(), [2, 3]);
//!
//! // Options bear PyTorch's names.
//! let smoothed = CrossEntropy::new().label_smoothing(0.1).reduction(Reduction::Sum).forward(&logits, &Tensor::from([0, 2]))?;
//! assert!(smoothed.item()? > loss.item()?);
//! # Ok::<(), losses::Error>(())
//! ```
//!
//! Each loss stands in one file: its options, its definition in plain operations, its forward kernel and its backward
//! kernel. Training runs the kernels; second derivatives come from the definition. Names, arguments, defaults and
//! reductions are PyTorch's; where it is numerically poor, or silent where it should complain, the documentation of
//! the loss says what is done instead, under "Differs from PyTorch".
//!
//! Two engines carry most losses: one for those that look at a row of classes, and one for those that look at one element
//! of each input at a time. The latter, [`elementwise`], also runs losses of your own.

#![forbid(unsafe_code)]

#[macro_use]
mod options;
pub mod activation;
pub mod binary;
mod check;
pub mod classification;
pub mod detection;
pub mod divergence;
pub mod elementwise;
#[cfg(test)]
mod hard_cases;
mod lists;
pub mod metric;
pub mod preference;
pub mod ranking;
mod reduction;
pub mod regression;
mod rowwise;
pub mod segmentation;
pub mod selfsup;
pub mod sequence;
#[cfg(test)]
mod testing;

pub use autograd;
pub use autograd::{Error, Result, Tensor, Var, tensor_core};
pub use reduction::Reduction;

/// All that a program needs: `use losses::prelude::*;`.
pub mod prelude {
    pub use crate::activation::{log_sigmoid, log_softmax, sigmoid, softmax};
    pub use crate::binary::*;
    pub use crate::classification::*;
    pub use crate::detection::*;
    pub use crate::divergence::*;
    pub use crate::metric::*;
    pub use crate::preference::*;
    pub use crate::ranking::*;
    pub use crate::reduction::Reduction;
    pub use crate::regression::*;
    pub use crate::segmentation::*;
    pub use crate::selfsup::*;
    pub use crate::sequence::*;
    pub use autograd::{
        Element, Ellipsis, Error, Float, GradOptions, Gradients, NewAxis, Param, Result, Tape,
        Tensor, Var, grad, gradcheck, gradgradcheck, i, keepdim,
    };
}

/// The README's program runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
