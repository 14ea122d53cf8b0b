//! What the fuzz targets do with their input: one function for each, so that a plain test can replay inputs too.

mod array;
mod draw;
pub mod gradients;
pub mod losses;
pub mod parsers;
pub mod tensor_ops;
