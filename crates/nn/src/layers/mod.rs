//! The layers, with PyTorch's names, parameters, shapes and start values.
//!
//! Each implements [`Module`](crate::Module); its parameters are public fields under PyTorch's names.

mod activation;
mod checks;
mod dropout;
mod linear;
mod sequential;
mod transposable;

pub use activation::Activation;
pub use dropout::Dropout;
pub use linear::Linear;
pub use sequential::{Flatten, Lambda, Sequential};
