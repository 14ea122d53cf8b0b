//! Markers for the instruction set a kernel is compiled for.
use std::fmt::Debug;

/// The instruction set that a kernel is compiled for, as far as its arithmetic may know of it.
pub trait Isa: Copy + Debug + Send + Sync + 'static {
    /// Whether a fused multiply-add is one instruction here. Without it, `mul_add` calls a library routine
    /// forty times slower, so the portable path must multiply and add.
    const FMA: bool;
}

/// Any machine: no fused multiply-add.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// A machine with fused multiply-add (AVX2 + FMA, AVX-512, NEON).
#[derive(Clone, Copy, Debug)]
pub struct Fused;

impl Isa for Portable {
    const FMA: bool = false;
}
impl Isa for Fused {
    const FMA: bool = true;
}
