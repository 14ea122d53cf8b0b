//! Where plain formulas, and PyTorch's, lose digits, give NaN, or are silent: each case by name, with its right answer.
//!
//! What takes a test of its own stands beside its loss: long lattices of [`ctc_loss`](crate::sequence::ctc_loss()), and in
//! `tests/memory.rs` the logits that `linear_cross_entropy` does not hold.

mod accuracy;
mod nonfinite;
mod refusals;

use autograd::{Result, Tensor, Var};

/// The rows or elements of a loss and the slopes of their sum by its first input, in `f32`.
fn of_first(x: &Tensor<f32>, loss: impl Fn(&Var<f32>) -> Result<Var<f32>>) -> (Vec<f32>, Vec<f32>) {
    let (values, mut slopes) =
        crate::testing::value_and_slopes(std::slice::from_ref(x), |v| loss(&v[0]));
    (values, slopes.remove(0))
}
