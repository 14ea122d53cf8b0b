//! One program for all that can share one: each that does not compiles the kernels anew.

mod anomaly;
mod checkpoint;
mod edges;
mod errors;
mod fixtures;
mod functional;
mod gradcheck;
mod laws;
mod one_hot;
mod op_table;
mod parity;
mod tape;
