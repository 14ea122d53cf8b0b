use tensor_core::Tensor;

fn main() {
    let x = Tensor::from([1.0, 2.0]);
    let _ = x.index((0, "all"));
}
