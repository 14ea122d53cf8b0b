//! The cases of `benches/` in burn, on its backend Flex.

use burn::nn::loss::{BinaryCrossEntropyLossConfig, CrossEntropyLossConfig, MseLoss, Reduction};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::prelude::*;
use burn::tensor::activation::{relu, softmax};
use peers::{Bench, COUNT, Loss, Training};

fn tensor<const D: usize>(x: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(x.to_vec(), shape), device)
}

fn labels(classes: &[f32], device: &Device) -> Tensor<1, Int> {
    let whole: Vec<i64> = classes.iter().map(|&c| c as i64).collect();
    let shape = [whole.len()];
    Tensor::from_data(TensorData::new(whole, shape), device)
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().expect("numbers of f32")
}

fn both<const D: usize>((value, gradient): (Tensor<1>, Tensor<D>)) -> (f32, Vec<f32>) {
    (value.into_scalar(), numbers(gradient))
}

/// Forward and backward from a fresh graph.
fn step<const D: usize>(
    x: Tensor<D>,
    loss: impl Fn(Tensor<D>) -> Tensor<1>,
) -> impl FnMut() -> (Tensor<1>, Tensor<D>) {
    let x = x.require_grad();
    move || {
        let value = loss(x.clone());
        let mut grads = value.backward();
        let gradient = x.grad_remove(&mut grads);
        (value, gradient.expect("the gradient of a leaf"))
    }
}

fn losses(bench: &mut Bench) {
    let device = Device::flex().autodiff();
    for size in [[32, 10], [256, 1000], [4096, 1000]] {
        let make = |given: &Loss| {
            let loss = CrossEntropyLossConfig::new().init(&device);
            let t = labels(&given.t, &device);
            step(tensor(&given.x, size, &device), move |x| {
                loss.forward(x, t.clone())
            })
        };
        bench.cross_entropy(size, make, both);
    }
    let make = |given: &Loss| {
        let loss = BinaryCrossEntropyLossConfig::new()
            .with_logits(true)
            .init(&device);
        let t = labels(&given.t, &device);
        step(tensor(&given.x, [given.x.len()], &device), move |x| {
            loss.forward(x, t.clone())
        })
    };
    // Its targets are integers.
    bench.bce_with_logits(true, make, both);
    let make = |given: &Loss| {
        let t = tensor(&given.t, [given.t.len()], &device);
        step(tensor(&given.x, [given.x.len()], &device), move |x| {
            MseLoss::new().forward(x, t.clone(), Reduction::Mean)
        })
    };
    bench.mse(make, both);
}

fn tensors(bench: &mut Bench) {
    let device = Device::flex();
    for n in [64, 256, 1024] {
        let make = |[a, b]: &[Vec<f32>; 2]| {
            let (a, b) = (tensor(a, [n; 2], &device), tensor(b, [n; 2], &device));
            move || a.clone().matmul(b.clone())
        };
        bench.matmul(n, make, numbers);
    }
    let vector = |x: &[f32]| tensor(x, [x.len()], &device);
    let make = |x: &[f32]| {
        let x = vector(x);
        move || x.clone().sum()
    };
    bench.sum(make, numbers);
    let make = |x: &[f32]| {
        let x = vector(x);
        move || x.clone().exp()
    };
    bench.exp(make, numbers);
    let make = |x: &[f32]| {
        let x = tensor(x, [4096, 1000], &device);
        move || softmax(x.clone(), 1)
    };
    bench.softmax(make, numbers);
}

fn tape(bench: &mut Bench) {
    let device = Device::flex().autodiff();
    let leaf = |x| tensor(&[x], [1], &device).require_grad();
    let make = |x| {
        let x = leaf(x);
        move || {
            let mut y = None;
            for _ in 0..COUNT {
                y = Some(std::hint::black_box(x.clone() * x.clone()));
            }
            y.expect("a result")
        }
    };
    bench.op(make, |y| y.into_scalar());
    let make = |x| {
        let x = leaf(x);
        move || {
            let y = (0..COUNT).fold(x.clone(), |y, _| y.tanh());
            let mut grads = y.backward();
            let gradient = x.grad_remove(&mut grads);
            (y, gradient.expect("the gradient of a leaf"))
        }
    };
    bench.chain(make, |(y, dx)| (y.into_scalar(), dx.into_scalar()));
}

#[derive(Module, Debug)]
struct Perceptron {
    layers: Vec<Linear>,
}

impl Perceptron {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let mut y = self.layers[0].forward(x);
        for layer in &self.layers[1..] {
            y = layer.forward(relu(y));
        }
        y
    }
}

fn training(given: &Training) -> impl FnMut() -> f32 + use<> {
    let device = Device::flex().autodiff();
    let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(&device);
    let layers = given.sizes.windows(2).map(layer).collect();
    let mut model = Some(Perceptron { layers });
    let (mut optimizer, rate): (ModuleOptimizer, f64) = if given.adam {
        (AdamConfig::new().with_epsilon(1e-8).init(), 1e-3)
    } else {
        (SgdConfig::new().init(), 0.1)
    };
    let loss = CrossEntropyLossConfig::new().init(&device);
    let x = tensor(&given.x, [given.batch, given.sizes[0]], &device);
    let t = labels(&given.t, &device);
    move || {
        let before = model.take().expect("the model");
        let value = loss.forward(before.forward(x.clone()), t.clone());
        let grads = GradientsParams::from_grads(value.backward(), &before);
        model = Some(optimizer.step(rate, before, grads));
        value.into_scalar()
    }
}

fn main() {
    let mut bench = Bench::from_args();
    losses(&mut bench);
    tensors(&mut bench);
    tape(&mut bench);
    bench.training(training);
    bench.finish("burn");
}
