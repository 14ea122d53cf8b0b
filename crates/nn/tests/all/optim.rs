//! Optimizers against PyTorch's trajectories of 60 steps, from fixtures/optim.json.

use crate::common::*;
use nn::prelude::*;
use serde_json::Value;

fn book() -> Value {
    serde_json::from_str(include_str!("../../fixtures/optim.json")).unwrap()
}

fn assert_close(case: &Value, what: &str, step: usize, ours: f64, theirs: f64) {
    // Not the other way round: NaN must not pass.
    let near = (ours - theirs).abs() <= 1e-12 * theirs.abs().max(1.0);
    assert!(
        near,
        "{} {} in step {step}: {what} is {ours}, but PyTorch has {theirs}",
        case["optimizer"], case["options"],
    );
}

/// Whether all parameters are PyTorch's.
fn compare(case: &Value, step: usize, model: &dyn Parts<f64>, params: &Value) {
    for (name, value) in model.state_dict() {
        let theirs = tensor(&params[&name]);
        assert_eq!(value.shape(), theirs.shape());
        for (ours, theirs) in value.to_vec().into_iter().zip(theirs.to_vec()) {
            assert_close(case, &name, step, ours, theirs);
        }
    }
}

#[test]
fn sixty_steps_are_pytorchs() {
    let book = book();
    let (x, y) = (tensor(&book["x"]), Var::from(tensor(&book["y"])));
    let cases = book["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 52);
    for case in cases {
        let mut model = network(&book["start"]);
        let mut optimizer = with_groups(case);
        let losses = numbers(&case["losses"]);
        assert_eq!(losses.len(), 60);
        for (step, theirs) in (1..).zip(losses) {
            let loss = {
                let x = Tape::new().input(x.clone());
                mse_loss(&model.forward(&x).unwrap(), &y).unwrap()
            };
            assert_close(case, "the loss", step, loss.item().unwrap(), theirs);
            let mut grads = loss.backward().unwrap();
            let clip = &case["options"]["clip"];
            if clip[0] == "norm" {
                let (most, p) = (clip[1].as_f64().unwrap(), number(&clip[2]));
                clip_grad_norm(&model, &mut grads, most, p).unwrap();
            } else if clip[0] == "value" {
                clip_grad_value(&model, &mut grads, clip[1].as_f64().unwrap()).unwrap();
            }
            optimizer.step(&mut model, &grads).unwrap();
            if let (30, Some(lr)) = (step, case["options"]["lr_later"].as_f64()) {
                optimizer.set_lr(lr);
            }
            if let Some(params) = case["params"].get(step.to_string()) {
                compare(case, step, &model, params);
            }
        }
    }
}

/// `weight · Σ p²` over all parameters.
fn penalty(model: &Sequential<f64>, x: &Var<f64>, weight: f64) -> Result<Var<f64>> {
    let mut squares = Vec::new();
    model.visit(&mut |_, p| squares.push(p.on(x).square().sum(..)));
    let mut sum = Var::from(Tensor::scalar(0.0));
    for square in squares {
        sum = sum.add(square?)?;
    }
    sum.mul(weight)
}

fn quasi_newton(options: &Value) -> Lbfgs<f64> {
    let n = |name: &str, default: f64| options[name].as_f64().unwrap_or(default);
    let lbfgs = Lbfgs::new(n("lr", 1.0))
        .max_iter(n("max_iter", 20.0) as u64)
        .tolerance_grad(n("tolerance_grad", 1e-7))
        .tolerance_change(n("tolerance_change", 1e-9))
        .history_size(n("history_size", 100.0) as u64)
        .strong_wolfe(options["line_search_fn"] == "strong_wolfe")
        .maximize(options["maximize"] == true);
    match options["max_eval"].as_u64() {
        Some(n) => lbfgs.max_eval(n),
        None => lbfgs,
    }
}

#[test]
fn lbfgs_goes_pytorchs_way() {
    let book = book();
    let (x, y) = (tensor(&book["x"]), Var::from(tensor(&book["y"])));
    let (classes, weight) = (integers(&book["classes"]), number(&book["penalty"]));
    let cases = book["lbfgs"].as_array().unwrap();
    assert_eq!(cases.len(), 9);
    for case in cases {
        let options = &case["options"];
        let deep = options["problem"] == "network";
        let mut model = if deep {
            network(&book["start"])
        } else {
            Sequential::new().push(linear(&book["start"], 0))
        };
        let sign = if options["maximize"] == true {
            -1.0
        } else {
            1.0
        };
        let objective = |model: &Sequential<f64>| {
            let x = Tape::new().input(x.clone());
            let out = model.forward(&x)?;
            let loss = if deep {
                mse_loss(&out, &y)?
            } else {
                cross_entropy(&out, &classes)?
            };
            loss.add(penalty(model, &x, weight)?)?.mul(sign)
        };
        let mut lbfgs = quasi_newton(options);
        for (step, theirs) in (1..).zip(numbers(&case["losses"])) {
            // Half way the state goes through another optimizer: nothing may be lost.
            if step == 3 {
                let state = lbfgs.state();
                lbfgs = quasi_newton(options);
                lbfgs.load_state(&state).unwrap();
            }
            let ours = lbfgs.step_with(&mut model, objective).unwrap();
            assert_close(case, "the loss", step, ours, theirs);
        }
        assert_eq!(
            lbfgs.evaluations(),
            case["evaluations"].as_u64().unwrap(),
            "{options}"
        );
        compare(case, 99, &model, &case["params"]);
    }
}

#[test]
fn lbfgs_refuses_what_leads_nowhere() {
    let mut model = Linear {
        weight: Param::new(Tensor::from([[2.0f64]])),
        bias: None,
    };
    let square = |m: &Linear<f64>| {
        let x = Tape::new().input(Tensor::from([[1.0]]));
        m.forward(&x)?.square().sum(..)
    };
    let message = |r: Result<f64>| r.unwrap_err().to_string();
    assert_eq!(
        message(Lbfgs::new(f64::NAN).step_with(&mut model, square)),
        "lbfgs: lr is NaN, but it must be finite and not negative"
    );
    assert_eq!(
        message(Lbfgs::new(1.0).step_with(&mut model, |m| square(m)?.mul(f64::NAN))),
        "lbfgs: the loss is NaN, but it must be finite where a step begins"
    );
    assert_eq!(
        message(Lbfgs::new(1.0).step_with(&mut model, |_| Ok(Var::from(Tensor::scalar(1.0))))),
        "backward: the value depends on no leaf of a tape: make what it is differentiated by with `tape.leaf`, or give a model its data with `tape.input`"
    );
    assert_eq!(model.weight.value().item().unwrap(), 2.0);
    // Beyond 3 there is no value; the search turns back.
    let walled = |m: &Linear<f64>| {
        let x = Tape::new().input(Tensor::from([[1.0]]));
        let w = m.forward(&x)?.sum(..)?;
        // The minimum of -ln(3 - w) - 10 w is at 2.9.
        (3.0 - &w).log().neg().sub(w.mul(10.0)?)
    };
    let mut lbfgs = Lbfgs::new(1.0).strong_wolfe(true).max_iter(50);
    lbfgs.step_with(&mut model, walled).unwrap();
    assert!((model.weight.value().item().unwrap() - 2.9).abs() < 1e-6);
    // As many numbers, in another shape.
    let two = |shape: [usize; 2]| Linear {
        weight: Param::new(Tensor::<f64>::ones(shape).unwrap()),
        bias: None,
    };
    let sum = |m: &Linear<f64>| {
        let x = Tensor::ones([1, m.weight.value().shape()[1]])?;
        m.forward(&Tape::new().input(x))?.square().sum(..)
    };
    let mut lbfgs = Lbfgs::new(1.0).max_iter(2);
    lbfgs.step_with(&mut two([1, 2]), sum).unwrap();
    let mut resumed = Lbfgs::new(1.0).max_iter(2);
    resumed.load_state(&lbfgs.state()).unwrap();
    for mut lbfgs in [lbfgs, resumed] {
        assert_eq!(
            message(lbfgs.step_with(&mut two([2, 1]), sum)),
            "lbfgs: the model is one of weight [2, 1] after one of weight [1, 2], but an optimizer belongs to one model: \
             make another one for this model"
        );
        lbfgs.step_with(&mut two([1, 2]), sum).unwrap();
        // A state that says it is of this model, and is not.
        let mut state = lbfgs.state();
        state.set_note("model", "weight [1, 3]");
        lbfgs.load_state(&state).unwrap();
        assert_eq!(
            message(lbfgs.step_with(&mut two([1, 3]), sum)),
            "lbfgs: the state is one of 2 numbers for 3 of the model, but it must be that of an optimizer of this model"
        );
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
    assert_eq!(
        message(NAdam::new(0.1).momentum_decay(f64::NAN)),
        format!("nadam: momentum_decay is NaN, {range}")
    );
    assert_eq!(
        message(RmsProp::new(0.1).alpha(1.0)),
        "rmsprop: alpha is 1, but it must be at least 0 and below 1"
    );
    assert_eq!(
        message(Adagrad::new(0.1).lr_decay(-1.0)),
        format!("adagrad: lr_decay is -1, {range}")
    );
    assert_eq!(
        message(Adadelta::new(f64::NAN)),
        format!("adadelta: lr is NaN, {range}")
    );
    assert_eq!(message(Lion::new(-1.0)), format!("lion: lr is -1, {range}"));
    assert_eq!(
        message(Groups::new().rest(Sgd::new(0.1)).rest(Adam::new(f64::NAN))),
        format!("adam: lr is NaN, {range}")
    );
}

/// A module whose second parameter takes no part in the result.
struct Half {
    used: Param<f64>,
    unused: Param<f64>,
}

nn::parts!(Half: f64 { used, unused });

impl Module<f64> for Half {
    fn forward(&self, x: &Var<f64>) -> Result<Var<f64>> {
        x.mul(self.used.on(x))
    }
}

#[test]
fn a_parameter_without_a_gradient_stays() {
    let one = || Param::new(Tensor::from([1.0]));
    let options = serde_json::json!({"lr": 0.1, "weight_decay": 0.1});
    for kind in [
        "SGD", "Adam", "AdamW", "NAdam", "RMSprop", "Adagrad", "Adadelta", "Lion",
    ] {
        let mut optimizer = optimizer(kind, &options);
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

#[test]
fn an_optimizer_belongs_to_one_model() {
    let model = |shape: [usize; 2]| Linear {
        weight: Param::new(Tensor::<f64>::ones(shape).unwrap()),
        bias: None,
    };
    let step = |adam: &mut Adam<f64>, m: &mut Linear<f64>| {
        let x = Tape::new().input(Tensor::ones([1, m.weight.value().shape()[1]])?);
        let grads = m.forward(&x)?.sum(..)?.backward()?;
        adam.step(m, &grads)
    };
    let (mut a, mut b, mut c) = (model([1, 2]), model([1, 2]), model([1, 3]));
    let mut adam = Adam::new(0.1);
    step(&mut adam, &mut a).unwrap();
    assert_eq!(
        step(&mut adam, &mut b).unwrap_err().to_string(),
        "adam: a parameter is weight of another model than before, but an optimizer belongs to one model: \
         make another one for this model, or hand the state over"
    );
    assert_eq!(
        step(&mut adam, &mut c).unwrap_err().to_string(),
        "adam: a parameter is weight of shape [1, 3], which had [1, 2] before, but an optimizer belongs to one \
         model: make another one for this model"
    );
    assert_eq!(b.weight.value().to_vec(), [1.0, 1.0]);
    // Handed over, the state goes on with the other model.
    let mut other = Adam::new(0.1);
    other.load_state(&Optimizer::state(&adam)).unwrap();
    step(&mut other, &mut b).unwrap();
    // The state of another kind is refused.
    let message = Sgd::<f64>::new(0.1)
        .momentum(0.5)
        .load_state(&Optimizer::state(&adam));
    assert_eq!(
        message.unwrap_err().to_string(),
        "sgd: the state is that of adam, but it must be that of an optimizer of the same kind and options"
    );
    // So is that of other options.
    let message = Adam::<f64>::new(0.1)
        .amsgrad(true)
        .load_state(&Optimizer::state(&adam));
    assert_eq!(
        message.unwrap_err().to_string(),
        "adam: the state is one that for weight has [\"exp_avg\", \"exp_avg_sq\"], where [\"exp_avg\", \
         \"exp_avg_sq\", \"max_exp_avg_sq\"] are kept, but it must be that of an optimizer of the same kind and options"
    );
}

#[test]
fn clipping_refuses_what_is_no_bound() {
    let model = Linear {
        weight: Param::new(Tensor::from([[1.0f64, 1.0]])),
        bias: None,
    };
    let grads = |x: [f64; 2]| {
        let x = Tape::new().input(Tensor::from([x]));
        model
            .forward(&x)
            .unwrap()
            .sum(..)
            .unwrap()
            .backward()
            .unwrap()
    };
    let mut g = grads([3.0, f64::NAN]);
    assert_eq!(
        clip_grad_norm(&model, &mut g, 1.0, 2.0)
            .unwrap_err()
            .to_string(),
        "clip_grad_norm: the norm of the gradients is NaN, but it must be finite: a smaller learning rate or another \
         scale of the data may help"
    );
    clip_grad_value(&model, &mut g, 1.0).unwrap();
    assert!(g.get(&model.weight).unwrap().to_vec()[1].is_nan());
    let mut g = grads([1e200, 1e200]);
    let norm = clip_grad_norm(&model, &mut g, 1.0, 2.0).unwrap();
    assert!((norm / 2f64.sqrt() - 1e200).abs() < 1e186);
    assert!((g.get(&model.weight).unwrap().to_vec()[0] - 0.5f64.sqrt()).abs() < 1e-15);
    for (most, p) in [(f64::NAN, 2.0), (-1.0, 2.0), (1.0, 0.0), (1.0, f64::NAN)] {
        assert!(clip_grad_norm(&model, &mut g, most, p).is_err());
    }
    assert!(clip_grad_value(&model, &mut g, -1.0).is_err());
    // No gradients, no norm.
    let other = Linear {
        weight: Param::new(Tensor::from([[1.0f64]])),
        bias: None,
    };
    assert_eq!(clip_grad_norm(&other, &mut g, 1.0, 2.0).unwrap(), 0.0);
}

/// A group that refuses keeps those before it from their step, and from what they would have loaded.
#[test]
fn groups_change_all_or_nothing() {
    let mut model = mlp::<f64>(&[2, 3, 1], 0);
    let mut grads = sum_gradients(&model, 2);
    let of = |second: Box<dyn Optimizer<f64>>| {
        Groups::new()
            .add(|name| name.starts_with("0."), Adam::new(0.1))
            .rest(second)
    };
    let mut groups = of(Box::new(Sgd::new(0.1)));
    let weights = |model: &Sequential<f64>| {
        Vec::from_iter(model.state_dict().iter().map(|(_, x)| x.to_vec()))
    };
    groups.step(&mut model, &grads).unwrap();
    let (before, kept) = (weights(&model), Optimizer::state(&groups));
    // The last layer is replaced since the forward pass.
    model.visit(&mut |name, p| {
        if name == "2.weight" {
            *grads.find_mut(p).unwrap() = Tensor::zeros([5]).unwrap();
        }
    });
    let e = groups.step(&mut model, &grads).unwrap_err().to_string();
    assert!(
        e.starts_with("sgd: a parameter is 2.weight of shape [1, 3] with"),
        "{e}"
    );
    assert_eq!(weights(&model), before);
    let other = of(Box::new(Adam::new(0.7)));
    let mut other_state = Optimizer::state(&other);
    other_state.set_section("0", Optimizer::<f64>::state(&Adam::<f64>::new(0.9)));
    let e = groups.load_state(&other_state).unwrap_err().to_string();
    assert!(e.starts_with("sgd: the state is that of adam"), "{e}");
    assert_eq!(groups.lrs(), [0.1, 0.1]);
    let now = Optimizer::state(&groups);
    let steps = |s: &State<f64>| s.section("0").unwrap().sections().count();
    assert_eq!((steps(&now), steps(&kept)), (2, 2));
}

/// The gradient `[1, -2]` of a model of two weights that are `[1, 1]`.
fn two_weights() -> (Linear<f64>, Gradients<f64>) {
    let model = Linear {
        weight: Param::new(Tensor::from([[1.0, 1.0]])),
        bias: None,
    };
    let x = Tape::new().input(Tensor::from([[1.0, -2.0]]));
    let grads = model.forward(&x).unwrap().backward().unwrap();
    (model, grads)
}

#[test]
fn a_momentum_may_begin_later() {
    // By hand: v is 0.01 g² after the first step, 0.0199 g² after the second, whose buffer begins with its step.
    let (mut model, grads) = two_weights();
    let mut optimizer = RmsProp::new(0.1);
    optimizer.step(&mut model, &grads).unwrap();
    let mut scheduler = Scheduler::new(OneCycleLr::new(0.1, 10), &mut optimizer).unwrap();
    optimizer.set_lr(0.1);
    assert!(Tunable::momentum(&optimizer).unwrap() > 0.9);
    optimizer.step(&mut model, &grads).unwrap();
    let by = |k: i32| 0.1 / (1.0 - 0.99f64.powi(k)).sqrt();
    let moved = model.weight.value().to_vec();
    assert!((moved[0] - (1.0 - by(1) - by(2))).abs() < 1e-6, "{moved:?}");
    scheduler.step(&mut optimizer).unwrap();
    optimizer.step(&mut model, &grads).unwrap();
}

#[test]
fn a_momentum_may_rest_and_the_run_be_interrupted() {
    fn run<O: Optimizer<f64>>(new: &dyn Fn() -> O, interrupted: bool) -> Vec<f64> {
        let (mut model, grads) = two_weights();
        let mut optimizer = new();
        optimizer.step(&mut model, &grads).unwrap();
        optimizer.set_momentum(0.0);
        optimizer.step(&mut model, &grads).unwrap();
        if interrupted {
            let state = Optimizer::state(&optimizer);
            optimizer = new();
            optimizer.load_state(&state).unwrap();
        }
        optimizer.step(&mut model, &grads).unwrap();
        optimizer.set_momentum(0.9);
        optimizer.step(&mut model, &grads).unwrap();
        model.weight.value().to_vec()
    }
    let sgd = || Sgd::new(0.1).momentum(0.9);
    let whole = run(&sgd, false);
    assert_eq!(run(&sgd, true), whole);
    // 1 + 1 + 1 + (0.9 + 1) steps of 0.1: the buffer keeps its first value while it rests.
    assert!((whole[0] - (1.0 - 0.49)).abs() < 1e-12, "{whole:?}");
    for centered in [false, true] {
        let rms = || RmsProp::new(0.1).momentum(0.9).centered(centered);
        assert_eq!(run(&rms, true), run(&rms, false));
    }
}

#[test]
fn options_that_changed_do_not_lock_a_state() {
    let (mut model, grads) = two_weights();
    let mut adam = Adam::new(0.1).amsgrad(true);
    adam.step(&mut model, &grads).unwrap();
    let mut adam = adam.amsgrad(false);
    let state = Optimizer::state(&adam);
    adam.load_state(&state).unwrap();
    adam.step(&mut model, &grads).unwrap();
}

/// With one gradient for ever the mean of squares and the square of the mean become the same, and their difference is
/// rounded: for this one to below 0 in step 1220.
#[test]
fn a_centered_variance_is_never_negative() {
    let mut model = Linear {
        weight: Param::new(Tensor::from([[1.0f32]])),
        bias: None,
    };
    let x = Tape::new().input(Tensor::from([[0.3575f32]]));
    let grads = model.forward(&x).unwrap().backward().unwrap();
    let mut optimizer = RmsProp::new(1e-3).centered(true);
    for step in 0..3000 {
        optimizer.step(&mut model, &grads).unwrap();
        assert!(model.weight.value().item().unwrap().is_finite(), "{step}");
    }
}

#[test]
fn the_norm_of_tiny_gradients_is_no_zero() {
    let (model, mut grads) = two_weights();
    clip_grad_norm(&model, &mut grads, 1e-206, 2.0).unwrap();
    clip_grad_value(&model, &mut grads, 1e-200).unwrap();
    let norm = clip_grad_norm(&model, &mut grads, 1.0, 2.0).unwrap();
    let most = 2f64.sqrt() * 1e-200;
    assert!(norm > 0.0 && norm <= most * (1.0 + 1e-12), "{norm:e}");
}
