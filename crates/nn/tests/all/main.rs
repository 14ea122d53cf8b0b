//! One program for all that trains: each that does compiles the kernels anew.

mod checkpoint;
mod common;
mod digits;
mod errors;
mod found_by_fuzzing;
mod init;
mod layers;
mod layers_edges;
mod layers_refusals;
mod layers_table;
mod optim;
mod pytorch;
mod resume;
mod schedules;
mod threads;
