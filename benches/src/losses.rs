//! What the benchmarks of losses share.

use crate::{case, close, uniform};
use autograd::{Error, Result, Tape, Tensor, Var};
use criterion::Criterion;

/// The inputs of a loss.
pub type Data = Vec<Tensor<f32>>;

/// The value of a loss, and gradients.
pub type Outcome = (f32, Vec<Tensor<f32>>);

/// The value of `loss`, and the gradients of the first `N` of `inputs`; the others are constants.
pub fn step<const N: usize>(
    inputs: &[Tensor<f32>],
    loss: impl Fn(&[Var<f32>]) -> Result<Var<f32>>,
) -> Outcome {
    let run = || {
        let tape = Tape::new();
        let place = |(i, x): (usize, &Tensor<f32>)| {
            if i < N {
                tape.leaf(x.clone())
            } else {
                x.into()
            }
        };
        let vars: Vec<Var<f32>> = inputs.iter().enumerate().map(place).collect();
        let y = loss(&vars)?;
        let mut grads = y.backward()?;
        let dx = vars[..N].iter().filter_map(|x| grads.take(x)).collect();
        Ok::<_, Error>((y.item()?, dx))
    };
    run().expect("the inputs of a benchmark")
}

/// The first element of the first gradient.
pub fn first(y: &Outcome) -> f32 {
    y.1[0].buffer()[y.1[0].layout().offset()]
}

/// The elements of a contiguous input, in `f64`.
pub fn numbers(x: &Tensor<f32>) -> Vec<f64> {
    x.to_vec().into_iter().map(f64::from).collect()
}

/// A case of a loss of `n` predictions, spread over `low..high`, and targets, spread over `0..1`: forward and backward,
/// checked with its formula `value` and the slope by the prediction in `f64`.
pub fn pointwise(
    c: &mut Criterion,
    name: &str,
    (n, low, high): (usize, f32, f32),
    loss: fn(&Var<f32>, &Var<f32>) -> Result<Var<f32>>,
    value: fn(f64, f64) -> f64,
    slope: fn(f64, f64) -> f64,
) {
    let size = match n {
        10_000_000 => "1e7".into(),
        1_000_000 => "1e6".into(),
        _ => n.to_string(),
    };
    case(
        c,
        &format!("losses/{name}/{size}"),
        || vec![uniform([n], low, high, 1), uniform([n], 0.0, 1.0, 2)],
        |v| step::<1>(v, |v| loss(&v[0], &v[1])),
        |v, y| {
            let (x, t) = (numbers(&v[0]), numbers(&v[1]));
            let sum: f64 = x.iter().zip(&t).map(|(&x, &t)| value(x, t)).sum();
            close(y.0, sum / n as f64, 1e-5);
            close(first(y), slope(x[0], t[0]) / n as f64, 1e-4);
        },
    );
}
