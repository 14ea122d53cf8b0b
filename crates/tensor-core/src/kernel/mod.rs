//! The inner loops, and the only folder of the workspace with `unsafe` code.
//!
//! Its rules:
//! - Every function here that another module may call is safe and takes slices.
//! - `unsafe` stands in few files: `dispatch.rs` calls a function compiled for an instruction set that was found at
//!   run time; `gemm.rs` and `tiles.rs` give pointers and strides to the
//!   matrix product; `prefetch.rs` names addresses; `math/avx512.rs` reads and writes whole vectors; `team.rs` lends
//!   the caller's stack to other threads. Each block says why it is sound.
//! - A kernel is branch-free scalar code, generic over [`Isa`], inlined into one function per
//!   instruction set, where the compiler makes vector code of it. `math/avx512.rs` alone names instructions: the compiler
//!   knows no loop for a table that lies in registers.
//! - Threads split work into fixed chunks, so results do not depend on their number.

pub mod columns;
pub(crate) mod count;
pub mod dispatch;
pub mod gemm;
pub(crate) mod gemv;
pub mod isa;
pub mod lanes;
pub mod map;
pub mod math;
pub mod par;
pub mod pool;
pub mod prefetch;
pub mod reader;
pub mod reduce;
pub(crate) mod reduce_columns;
pub mod rows;
pub(crate) mod short;
pub mod softmax;
pub mod source;
pub(crate) mod spread;
pub mod standing;
mod team;
mod tiles;
pub mod weave;

pub use dispatch::{Kernel, dispatch};
pub use isa::{Fused, Isa, Portable};
pub use map::{Binary, Unary};
pub use math::Math;
