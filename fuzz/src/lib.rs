//! What the fuzz targets do with their input: one function for each, so that a plain test can replay inputs too.

mod array;
pub mod gradients;
pub mod parsers;
pub mod tensor_ops;

pub use fuzz_losses as losses;
