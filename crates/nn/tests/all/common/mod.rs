//! What the tests of optimizers share: reading fixtures, and making what they name.

use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde_json::Value;

/// A number; those that are not finite are words.
pub fn number(v: &Value) -> f64 {
    match v.as_str() {
        Some("nan") => f64::NAN,
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        _ => v.as_f64().unwrap(),
    }
}

pub fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(number).collect()
}

pub fn shape(v: &Value) -> Vec<usize> {
    numbers(&v["shape"]).iter().map(|&n| n as usize).collect()
}

pub fn tensor(v: &Value) -> Tensor<f64> {
    Tensor::from_vec(numbers(&v["data"]), shape(v)).unwrap()
}

pub fn integers(v: &Value) -> Tensor<i64> {
    let data = numbers(&v["data"]).iter().map(|&n| n as i64).collect();
    Tensor::from_vec(data, shape(v)).unwrap()
}

pub fn linear(start: &Value, place: usize) -> Linear<f64> {
    let param = |name: &str| Param::new(tensor(&start[format!("{place}.{name}")]));
    Linear {
        weight: param("weight"),
        bias: Some(param("bias")),
    }
}

/// The network of the fixtures at its start.
pub fn network(start: &Value) -> Sequential<f64> {
    Sequential::new()
        .push(linear(start, 0))
        .push(Tanh)
        .push(linear(start, 2))
}

/// An optimizer by PyTorch's name and options.
pub fn optimizer(kind: &str, options: &Value) -> Box<dyn Optimizer<f64>> {
    let n = |name: &str, default: f64| options[name].as_f64().unwrap_or(default);
    let flag = |name: &str| options[name].as_bool().unwrap_or(false);
    let beta = |i: usize, default: f64| options["betas"][i].as_f64().unwrap_or(default);
    let (lr, decay, maximize) = (n("lr", f64::NAN), n("weight_decay", 0.0), flag("maximize"));
    match kind {
        "SGD" => Box::new(
            Sgd::new(lr)
                .momentum(n("momentum", 0.0))
                .dampening(n("dampening", 0.0))
                .weight_decay(decay)
                .nesterov(flag("nesterov"))
                .maximize(maximize),
        ),
        "Adam" => Box::new(
            Adam::new(lr)
                .betas(beta(0, 0.9), beta(1, 0.999))
                .eps(n("eps", 1e-8))
                .weight_decay(decay)
                .amsgrad(flag("amsgrad"))
                .maximize(maximize),
        ),
        "AdamW" => Box::new(
            AdamW::new(lr)
                .betas(beta(0, 0.9), beta(1, 0.999))
                .eps(n("eps", 1e-8))
                .weight_decay(n("weight_decay", 0.01))
                .amsgrad(flag("amsgrad"))
                .maximize(maximize),
        ),
        "NAdam" => Box::new(
            NAdam::new(lr)
                .betas(beta(0, 0.9), beta(1, 0.999))
                .eps(n("eps", 1e-8))
                .weight_decay(decay)
                .momentum_decay(n("momentum_decay", 4e-3))
                .decoupled_weight_decay(flag("decoupled_weight_decay"))
                .maximize(maximize),
        ),
        "RMSprop" => Box::new(
            RmsProp::new(lr)
                .alpha(n("alpha", 0.99))
                .eps(n("eps", 1e-8))
                .weight_decay(decay)
                .momentum(n("momentum", 0.0))
                .centered(flag("centered"))
                .maximize(maximize),
        ),
        "Adagrad" => Box::new(
            Adagrad::new(lr)
                .lr_decay(n("lr_decay", 0.0))
                .weight_decay(decay)
                .initial_accumulator_value(n("initial_accumulator_value", 0.0))
                .eps(n("eps", 1e-10))
                .maximize(maximize),
        ),
        "Adadelta" => Box::new(
            Adadelta::new(lr)
                .rho(n("rho", 0.9))
                .eps(n("eps", 1e-6))
                .weight_decay(decay)
                .maximize(maximize),
        ),
        "Lion" => Box::new(
            Lion::new(lr)
                .betas(beta(0, 0.9), beta(1, 0.99))
                .weight_decay(decay)
                .maximize(maximize),
        ),
        _ => panic!("no optimizer {kind}"),
    }
}

/// The optimizer of a case, with its parameter groups if it has some.
pub fn with_groups(case: &Value) -> Box<dyn Optimizer<f64>> {
    let (kind, options) = (case["optimizer"].as_str().unwrap(), &case["options"]);
    let Some(list) = options["groups"].as_array() else {
        return optimizer(kind, options);
    };
    let mut groups = Groups::new();
    for group in list {
        let words = group[0].as_str().unwrap().to_string();
        let mut merged = options.clone();
        for (name, value) in group[1].as_object().unwrap() {
            merged[name] = value.clone();
        }
        groups = groups.add(move |name| name.contains(&words), optimizer(kind, &merged));
    }
    Box::new(groups.rest(optimizer(kind, options)))
}

/// A schedule by PyTorch's name and options.
pub fn schedule(kind: &str, options: &Value) -> Box<dyn Schedule> {
    let n = |name: &str, default: f64| options[name].as_f64().unwrap_or(default);
    let int = |name: &str, default: u64| options[name].as_u64().unwrap_or(default);
    let milestones = || -> Vec<u64> {
        let list = options["milestones"].as_array().unwrap();
        list.iter().map(|m| m.as_u64().unwrap()).collect()
    };
    let parts = || -> Vec<Box<dyn Schedule>> {
        let list = options["parts"].as_array().unwrap();
        let part = |p: &Value| schedule(p[0].as_str().unwrap(), &p[1]);
        list.iter().map(part).collect()
    };
    match kind {
        "StepLR" => Box::new(StepLr::new(int("step_size", 0)).gamma(n("gamma", 0.1))),
        "MultiStepLR" => Box::new(MultiStepLr::new(milestones()).gamma(n("gamma", 0.1))),
        "ExponentialLR" => Box::new(ExponentialLr::new(n("gamma", f64::NAN))),
        "ConstantLR" => {
            Box::new(ConstantLr::new(int("total_iters", 5)).factor(n("factor", 1.0 / 3.0)))
        }
        "LinearLR" => Box::new(
            LinearLr::new(int("total_iters", 5))
                .start_factor(n("start_factor", 1.0 / 3.0))
                .end_factor(n("end_factor", 1.0)),
        ),
        "PolynomialLR" => Box::new(PolynomialLr::new(int("total_iters", 5)).power(n("power", 1.0))),
        "CosineAnnealingLR" => {
            Box::new(CosineAnnealingLr::new(int("T_max", 0)).eta_min(n("eta_min", 0.0)))
        }
        "CosineAnnealingWarmRestarts" => Box::new(
            CosineAnnealingWarmRestarts::new(int("T_0", 0))
                .t_mult(int("T_mult", 1))
                .eta_min(n("eta_min", 0.0)),
        ),
        "OneCycleLR" => Box::new(
            OneCycleLr::new(n("max_lr", f64::NAN), int("total_steps", 0))
                .pct_start(n("pct_start", 0.3))
                .linear(options["anneal_strategy"] == "linear")
                .cycle_momentum(options["cycle_momentum"].as_bool().unwrap_or(true))
                .base_momentum(n("base_momentum", 0.85))
                .max_momentum(n("max_momentum", 0.95))
                .div_factor(n("div_factor", 25.0))
                .final_div_factor(n("final_div_factor", 1e4))
                .three_phase(options["three_phase"].as_bool().unwrap_or(false)),
        ),
        "LambdaLR" => Box::new(LambdaLr::new(|t| 1.0 / (1.0 + t as f64).sqrt())),
        "ChainedScheduler" => {
            let chain = parts()
                .into_iter()
                .fold(ChainedScheduler::new(), |c, p| c.add(p));
            Box::new(chain)
        }
        "SequentialLR" => {
            let mut parts = parts().into_iter();
            let first = SequentialLr::new(parts.next().unwrap());
            Box::new(
                milestones()
                    .into_iter()
                    .zip(parts)
                    .fold(first, |s, (m, p)| s.then(m, p)),
            )
        }
        _ => panic!("no schedule {kind}"),
    }
}

/// A folder of its own for each test, gone when the test ends.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nn-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A small network, its weights drawn.
pub fn mlp<T: Float>(widths: &[usize], seed: u64) -> Sequential<T> {
    Sequential::mlp(widths, ReLU, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
}

/// The gradients of the sum of what a model makes of a row of so many ones.
pub fn sum_gradients<T: Float>(model: &Sequential<T>, width: usize) -> Gradients<T> {
    let x = Tape::new().input(Tensor::ones([1, width]).unwrap());
    let sum = model.forward(&x).unwrap().sum(..).unwrap();
    sum.backward().unwrap()
}
