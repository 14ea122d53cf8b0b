//! Tensors on the CPU: strided, copy-on-write, with kernels that run at the speed of the machine's vectors and
//! reductions that give the same bits on any number of threads.
//!
//! ```
//! use tensor_core::{Tensor, keepdim};
//!
//! let x = Tensor::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
//! let centred = &x - x.mean(keepdim(1))?; // broadcasts as in NumPy
//! assert_eq!(centred.to_vec(), [-1.0, 0.0, 1.0, -1.0, 0.0, 1.0]);
//! let gram = x.matmul(&x.t())?; // the transpose is a view
//! assert_eq!(gram[[0, 1]], 32.0);
//! # Ok::<(), tensor_core::Error>(())
//! ```
//!
//! The modules in the order in which to read them: [`error`], [`element`], [`shape`] and [`layout`] are what a tensor
//! is made of; [`tensor`] is the thing itself; `view`, `create` and `random` make tensors; `map`, `arith`,
//! `activation`, `reduce`, `norm`, [`rows`], [`softmax`], `extreme`, `scan`, `sort`, `index`, `join`, `place`, [`tiles`],
//! `matmul` and [`product`] compute; `display` prints; [`kernel`] holds their inner loops.

pub mod activation;
pub mod algebra;
mod anomaly;
mod arith;
pub mod arrange;
mod between;
mod border;
mod close;
mod create;
mod display;
pub mod einsum;
pub mod element;
pub mod error;
mod extreme;
mod index;
pub mod indexing;
#[cfg(any(
    feature = "npy",
    feature = "safetensors",
    feature = "serde",
    feature = "ndarray"
))]
pub mod interop;
mod join;
pub mod kernel;
pub mod layout;
pub mod linalg;
mod lu;
mod map;
mod matmul;
pub mod norm;
mod ops;
mod place;
pub mod product;
mod quotient;
mod random;
mod reduce;
pub mod rows;
mod scan;
mod search;
mod select;
pub mod shape;
pub mod softmax;
mod sort;
mod stats;
pub mod tensor;
pub mod tiles;
mod unview;
mod variance;
mod view;

pub use anomaly::{Anomaly, Extent};
pub use border::Border;
pub use display::Print;
pub use element::{DType, Element, Float, Number};
pub use error::{Dims, Error, Result, TapeProblem};
pub use indexing::{Ellipsis, IndexItem, IntoIndex, NewAxis};
pub use kernel::pool;
pub use layout::{Layout, unravel};
pub use map::{Operand, Opnd, Scalar};
pub use shape::{Axes, Int, IntoShape, keepdim};
pub use stats::{Interpolation, Unique};
pub use tensor::Tensor;
