//! Optimizers against PyTorch's trajectories of 60 steps, from fixtures/optim.json.

use nn::prelude::*;
use serde_json::Value;

fn tensor(v: &Value) -> Tensor<f64> {
    let numbers = |v: &Value| -> Vec<f64> {
        v.as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap())
            .collect()
    };
    let shape: Vec<usize> = numbers(&v["shape"]).iter().map(|&n| n as usize).collect();
    Tensor::from_vec(numbers(&v["data"]), shape).unwrap()
}

fn linear(start: &Value, place: usize) -> Linear<f64> {
    let param = |name: &str| Param::new(tensor(&start[format!("{place}.{name}")]));
    Linear {
        weight: param("weight"),
        bias: Some(param("bias")),
    }
}

fn optimizer(case: &Value) -> Box<dyn Optimizer<f64>> {
    let options = &case["options"];
    let number = |name: &str, default: f64| options[name].as_f64().unwrap_or(default);
    let flag = |name: &str| options[name].as_bool().unwrap_or(false);
    let beta = |i: usize, default: f64| options["betas"][i].as_f64().unwrap_or(default);
    let lr = options["lr"].as_f64().unwrap();
    match case["optimizer"].as_str().unwrap() {
        "SGD" => Box::new(
            Sgd::new(lr)
                .momentum(number("momentum", 0.0))
                .dampening(number("dampening", 0.0))
                .weight_decay(number("weight_decay", 0.0))
                .nesterov(flag("nesterov")),
        ),
        "Adam" => Box::new(
            Adam::new(lr)
                .betas(beta(0, 0.9), beta(1, 0.999))
                .eps(number("eps", 1e-8))
                .weight_decay(number("weight_decay", 0.0))
                .amsgrad(flag("amsgrad")),
        ),
        _ => Box::new(
            AdamW::new(lr)
                .betas(beta(0, 0.9), beta(1, 0.999))
                .eps(number("eps", 1e-8))
                .weight_decay(number("weight_decay", 0.01))
                .amsgrad(flag("amsgrad")),
        ),
    }
}

#[test]
fn sixty_steps_are_pytorchs() {
    let book: Value = serde_json::from_str(include_str!("../fixtures/optim.json")).unwrap();
    let (x, y) = (tensor(&book["x"]), Var::from(tensor(&book["y"])));
    let cases = book["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 14);
    for case in cases {
        let start = &book["start"];
        let mut model = Sequential::new()
            .push(linear(start, 0))
            .push(Tanh)
            .push(linear(start, 2));
        let mut optimizer = optimizer(case);
        let losses = case["losses"].as_array().unwrap();
        assert_eq!(losses.len(), 60);
        let close = |what: &str, step: usize, ours: f64, theirs: f64| {
            assert!(
                (ours - theirs).abs() <= 1e-12 * theirs.abs().max(1.0),
                "{} {} in step {step}: {what} is {ours}, but PyTorch has {theirs}",
                case["optimizer"],
                case["options"],
            );
        };
        for (step, theirs) in (1..).zip(losses) {
            let loss =
                mse_loss(&model.forward(&Tape::new().input(x.clone())).unwrap(), &y).unwrap();
            close(
                "the loss",
                step,
                loss.item().unwrap(),
                theirs.as_f64().unwrap(),
            );
            let grads = loss.backward().unwrap();
            optimizer.step(&mut model, &grads).unwrap();
            if let (30, Some(lr)) = (step, case["options"]["lr_later"].as_f64()) {
                optimizer.set_lr(lr);
            }
            let Some(params) = case["params"].get(step.to_string()) else {
                continue;
            };
            for (name, value) in model.state_dict() {
                for (ours, theirs) in value
                    .to_vec()
                    .into_iter()
                    .zip(tensor(&params[&name]).to_vec())
                {
                    close(&name, step, ours, theirs);
                }
            }
        }
    }
}

/// One parameter 1 with the gradient 1, and the message of the step.
fn message(mut optimizer: impl Optimizer<f32>) -> String {
    let mut model = Linear {
        weight: Param::new(Tensor::from([[1.0f32]])),
        bias: None,
    };
    let grads = model
        .forward(&Tape::new().input(Tensor::from([[1.0]])))
        .unwrap()
        .backward()
        .unwrap();
    let message = optimizer.step(&mut model, &grads).unwrap_err().to_string();
    assert_eq!(
        model.weight.value().to_vec(),
        [1.0],
        "a refused step changed the parameter"
    );
    message
}

#[test]
fn options_outside_their_range_are_refused() {
    let range = "but it must be finite and not negative";
    assert_eq!(
        message(Sgd::new(f64::NAN)),
        format!("sgd: lr is NaN, {range}")
    );
    assert_eq!(message(Sgd::new(-0.1)), format!("sgd: lr is -0.1, {range}"));
    assert_eq!(
        message(Sgd::new(0.1).momentum(-1.0)),
        format!("sgd: momentum is -1, {range}")
    );
    assert_eq!(
        message(Sgd::new(0.1).weight_decay(f64::INFINITY)),
        format!("sgd: weight_decay is inf, {range}")
    );
    assert_eq!(
        message(Sgd::new(0.1).dampening(f64::NAN)),
        "sgd: dampening is NaN, but it must be finite"
    );
    let nesterov = "sgd: nesterov is true, but it needs a momentum above 0 and no dampening";
    assert_eq!(message(Sgd::new(0.1).nesterov(true)), nesterov);
    assert_eq!(
        message(Sgd::new(0.1).nesterov(true).momentum(0.9).dampening(0.1)),
        nesterov
    );
    assert_eq!(
        message(Adam::new(f64::INFINITY)),
        format!("adam: lr is inf, {range}")
    );
    assert_eq!(
        message(Adam::new(0.1).betas(1.0, 0.9)),
        "adam: beta1 is 1, but it must be at least 0 and below 1"
    );
    assert_eq!(
        message(Adam::new(0.1).betas(0.9, f64::NAN)),
        "adam: beta2 is NaN, but it must be at least 0 and below 1"
    );
    assert_eq!(
        message(AdamW::new(0.1).eps(-1e-8)),
        format!("adamw: eps is -0.00000001, {range}")
    );
    assert_eq!(
        message(AdamW::new(0.1).weight_decay(-1.0)),
        format!("adamw: weight_decay is -1, {range}")
    );
}

/// A module whose second parameter takes no part in the result.
struct Half {
    used: Param<f64>,
    unused: Param<f64>,
}

impl Module<f64> for Half {
    fn forward(&self, x: &Var<f64>) -> Result<Var<f64>> {
        x.mul(self.used.on(x))
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param<f64>)) {
        f("used", &mut self.used);
        f("unused", &mut self.unused);
    }
}

#[test]
fn a_parameter_without_a_gradient_stays() {
    let one = || Param::new(Tensor::from([1.0]));
    let optimizers: [Box<dyn Optimizer<f64>>; 3] = [
        Box::new(Sgd::new(0.1).momentum(0.9).weight_decay(0.1)),
        Box::new(Adam::new(0.1).weight_decay(0.1)),
        Box::new(AdamW::new(0.1)),
    ];
    for mut optimizer in optimizers {
        let mut model = Half {
            used: one(),
            unused: one(),
        };
        let grads = model
            .forward(&Tape::new().input(Tensor::from([1.0])))
            .unwrap()
            .backward()
            .unwrap();
        optimizer.step(&mut model, &grads).unwrap();
        assert!(model.used.value()[0] < 1.0);
        assert_eq!(model.unused.value()[0], 1.0);
    }
}

#[test]
fn a_step_writes_in_place_once_the_tape_is_gone() {
    let mut model = Linear {
        weight: Param::new(Tensor::<f32>::ones([600, 3]).unwrap()),
        bias: None,
    };
    let place = model.weight.value().buffer().as_ptr();
    let grads = {
        let x = Tape::new().input(Tensor::ones([2, 3]).unwrap());
        model
            .forward(&x)
            .unwrap()
            .sum(..)
            .unwrap()
            .backward()
            .unwrap()
    };
    Sgd::new(0.5).step(&mut model, &grads).unwrap();
    assert_eq!(model.weight.value().buffer().as_ptr(), place);
    // Each weight meets two ones. The 1,800 elements lie transposed, and so go through several blocks.
    assert_eq!(model.weight.value(), &Tensor::zeros([600, 3]).unwrap());
}
