//! The cases of `benches/` in candle, on the CPU.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, SGD, loss, ops};
use peers::{Bench, COUNT, Loss, Training};

const CPU: &Device = &Device::Cpu;

fn numbers(x: &Tensor) -> Vec<f32> {
    let x = x.flatten_all().expect("a tensor");
    x.to_vec1().expect("numbers of f32")
}

fn number(x: &Tensor) -> f32 {
    x.to_scalar().expect("a scalar of f32")
}

fn both((value, gradient): (Tensor, Tensor)) -> (f32, Vec<f32>) {
    (number(&value), numbers(&gradient))
}

/// Forward and backward from a fresh graph.
fn step(
    x: Var,
    t: Tensor,
    loss: fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> impl FnMut() -> (Tensor, Tensor) {
    let run = move || {
        let value = loss(x.as_tensor(), &t)?;
        let gradient = value.backward()?.remove(&x);
        Ok((value, gradient.expect("the gradient of a variable")))
    };
    move || run().unwrap_or_else(|e: candle_core::Error| panic!("{e}"))
}

fn losses(bench: &mut Bench) -> Result<()> {
    for size in [[32, 10], [256, 1000], [4096, 1000]] {
        let make = |given: &Loss| {
            let x = Var::from_slice(&given.x, &size, CPU).expect("logits");
            let t = labels(&given.t).expect("classes");
            step(x, t, loss::cross_entropy)
        };
        bench.cross_entropy(size, make, both);
    }
    let pair = |given: &Loss| {
        let n = given.x.len();
        let x = Var::from_slice(&given.x, n, CPU).expect("numbers");
        (x, Tensor::from_slice(&given.t, n, CPU).expect("numbers"))
    };
    let make = |given: &Loss| {
        let (x, t) = pair(given);
        step(x, t, loss::binary_cross_entropy_with_logit)
    };
    bench.bce_with_logits(false, make, both);
    let make = |given: &Loss| {
        let (x, t) = pair(given);
        step(x, t, loss::mse)
    };
    bench.mse(make, both);
    Ok(())
}

fn labels(classes: &[f32]) -> Result<Tensor> {
    Tensor::from_slice(classes, classes.len(), CPU)?.to_dtype(DType::U32)
}

fn tensors(bench: &mut Bench) {
    for n in [64, 256, 1024] {
        let make = |[a, b]: &[Vec<f32>; 2]| {
            let matrix = |x: &[f32]| Tensor::from_slice(x, (n, n), CPU).expect("a matrix");
            let (a, b) = (matrix(a), matrix(b));
            move || a.matmul(&b).expect("sizes that fit")
        };
        bench.matmul(n, make, |y| numbers(&y));
    }
    let vector = |x: &[f32]| Tensor::from_slice(x, x.len(), CPU).expect("numbers");
    let make = |x: &[f32]| {
        let x = vector(x);
        move || x.sum_all().expect("a sum")
    };
    bench.sum(make, |y| numbers(&y));
    let make = |x: &[f32]| {
        let x = vector(x);
        move || x.exp().expect("numbers")
    };
    bench.exp(make, |y| numbers(&y));
    let make = |x: &[f32]| {
        let x = Tensor::from_slice(x, (4096, 1000), CPU).expect("rows");
        // Its fused form, which has no gradient; the case needs none.
        move || ops::softmax_last_dim(&x).expect("rows")
    };
    bench.softmax(make, |y| numbers(&y));
}

fn tape(bench: &mut Bench) {
    let make = |x| {
        let x = Var::new(x, CPU).expect("a number");
        move || {
            let mut y = None;
            for _ in 0..COUNT {
                y = Some(std::hint::black_box(
                    (x.as_tensor() * x.as_tensor()).expect("numbers"),
                ));
            }
            y.expect("a result")
        }
    };
    bench.op(make, |y| number(&y));
    let make = |x| {
        let x = Var::new(x, CPU).expect("a number");
        let run = move || {
            let y = (0..COUNT).try_fold(x.as_tensor().clone(), |y, _| y.tanh())?;
            let gradient = y.backward()?.remove(&x);
            Ok((y, gradient.expect("the gradient of a variable")))
        };
        move || run().unwrap_or_else(|e: candle_core::Error| panic!("{e}"))
    };
    bench.chain(make, |(y, dx)| (number(&y), number(&dx)));
}

enum Optim {
    Sgd(SGD),
    Adam(AdamW),
}

fn training(given: &Training) -> Result<impl FnMut() -> f32 + use<>> {
    let (mut layers, mut vars) = (Vec::new(), Vec::new());
    for (i, pair) in given.sizes.windows(2).enumerate() {
        let &[a, b] = pair else { continue };
        let bound = 1.0 / (a as f32).sqrt();
        let seed = 2 * i as u64;
        let w = Var::from_vec(peers::uniform(a * b, -bound, bound, seed + 3), (b, a), CPU)?;
        let bias = Var::from_vec(peers::uniform(b, -bound, bound, seed + 4), b, CPU)?;
        layers.push(Linear::new(
            w.as_tensor().clone(),
            Some(bias.as_tensor().clone()),
        ));
        vars.extend([w, bias]);
    }
    let mut optimizer = if given.adam {
        // Without decay of the weights it is Adam.
        let options = ParamsAdamW {
            lr: 1e-3,
            weight_decay: 0.0,
            ..Default::default()
        };
        Optim::Adam(AdamW::new(vars, options)?)
    } else {
        Optim::Sgd(SGD::new(vars, 0.1)?)
    };
    let x = Tensor::from_slice(&given.x, (given.batch, given.sizes[0]), CPU)?;
    let t = labels(&given.t)?;
    let mut run = move || {
        let mut y = layers[0].forward(&x)?;
        for layer in &layers[1..] {
            y = layer.forward(&y.relu()?)?;
        }
        let value = loss::cross_entropy(&y, &t)?;
        match &mut optimizer {
            Optim::Sgd(sgd) => sgd.backward_step(&value)?,
            Optim::Adam(adam) => adam.backward_step(&value)?,
        }
        value.to_scalar()
    };
    Ok(move || run().unwrap_or_else(|e: candle_core::Error| panic!("{e}")))
}

fn main() -> Result<()> {
    let mut bench = Bench::from_args();
    losses(&mut bench)?;
    tensors(&mut bench);
    tape(&mut bench);
    bench.training(|given| training(given).expect("shapes that fit"));
    bench.finish("candle");
    Ok(())
}
