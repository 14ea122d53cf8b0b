//! One program for all that can share one: each that does not compiles the kernels anew.

mod broadcasting;
#[path = "../common/mod.rs"]
mod common;
mod display;
mod errors;
mod factors;
mod found_by_fuzzing;
mod indexing;
mod layout;
mod layouts_more;
mod layouts_table;
mod moving;
mod places;
mod products;
mod random;
mod scalars;
mod special_values;
mod unview;
