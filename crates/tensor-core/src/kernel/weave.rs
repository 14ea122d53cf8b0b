//! A hint to the compiler: several vectors of a long loop at once.

use std::hint::black_box;

/// A sum that nobody wants, carried through a loop.
///
/// Each step of a long chain of arithmetic waits for the one before. A processor fills the gaps with the next turns of the
/// loop as far as it can look ahead, which is not far where two threads share a core. The compiler can write several turns
/// side by side, but does so only for loops that are short or have a sum: so this is one, for one instruction a vector.
///
/// ```
/// use tensor_core::kernel::weave::Weave;
/// let mut out = [0.0f32; 100];
/// let mut weave = Weave::new();
/// for (i, o) in out.iter_mut().enumerate() {
///     *o = (i as f32).sqrt();
///     weave.turn();
/// }
/// weave.end();
/// assert_eq!(out[49], 7.0);
/// ```
#[derive(Debug)]
pub struct Weave {
    term: u32,
    sum: u32,
}

impl Weave {
    /// Before the loop. The term is kept from the compiler, which would know the whole sum.
    #[inline(always)]
    #[expect(
        clippy::new_without_default,
        reason = "nothing asks for one by default"
    )]
    pub fn new() -> Self {
        let term = black_box(0);
        Weave { term, sum: term }
    }

    /// In each turn of the loop.
    #[inline(always)]
    pub fn turn(&mut self) {
        self.sum ^= self.term;
    }

    /// After the loop.
    #[inline(always)]
    pub fn end(self) {
        black_box(self.sum);
    }
}
