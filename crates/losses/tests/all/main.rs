//! One program for all that calls the losses: each that does compiles their kernels anew.

mod anomaly;
mod class_counts;
mod common;
mod errors;
mod every_loss;
mod found_by_fuzzing;
mod laws;
mod threads;
