use tensor_core::{Tensor, i};

fn main() {
    let x = Tensor::from([1.0, 2.0]);
    let _ = x.index(i![1; 2]);
}
