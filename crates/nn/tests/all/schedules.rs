//! Schedules against PyTorch's learning rates of 80 steps, from fixtures/schedules.json.

use crate::common::*;
use nn::prelude::*;
use serde_json::Value;

fn book() -> Value {
    serde_json::from_str(include_str!("../../fixtures/schedules.json")).unwrap()
}

/// Two groups with the learning rates of the fixtures.
fn groups(kind: &str) -> Groups<f64> {
    let lr = |lr: f64| serde_json::json!({"lr": lr, "momentum": 0.9});
    Groups::new()
        .add(|name| name == "weight", optimizer(kind, &lr(0.1)))
        .rest(optimizer(kind, &lr(0.03)))
}

fn assert_close(what: &dyn std::fmt::Display, step: usize, ours: f64, theirs: f64) {
    assert!(
        (ours - theirs).abs() <= 1e-12 * theirs.abs().max(1e-3),
        "{what} in step {step}: {ours}, but PyTorch has {theirs}"
    );
}

#[test]
fn eighty_steps_are_pytorchs() {
    let book = book();
    let cases = book["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 29);
    for case in cases {
        let kind = case["schedule"].as_str().unwrap();
        let label = format!("{kind} {}", case["options"]);
        let mut groups = groups(case["optimizer"].as_str().unwrap());
        let mut scheduler = Scheduler::new(schedule(kind, &case["options"]), &mut groups).unwrap();
        let lrs = case["lrs"].as_array().unwrap();
        assert_eq!(lrs.len(), 80);
        for (step, theirs) in lrs.iter().enumerate() {
            for (ours, theirs) in groups.lrs().into_iter().zip(numbers(theirs)) {
                assert_close(&label, step, ours, theirs);
            }
            if let Some(momentum) = case["momenta"][step].as_f64() {
                assert_close(&label, step, groups.momentum().unwrap(), momentum);
            }
            scheduler.step(&mut groups).unwrap();
        }
    }
}

#[test]
fn plateaus_are_pytorchs() {
    let book = book();
    let metrics = numbers(&book["metrics"]);
    let cases = book["plateau"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let options = &case["options"];
        let n = |name: &str, default: f64| options[name].as_f64().unwrap_or(default);
        let make = || {
            let goal = if options["mode"] == "max" {
                Goal::Max
            } else {
                Goal::Min
            };
            ReduceLrOnPlateau::new(goal)
                .factor(n("factor", 0.1))
                .patience(n("patience", 10.0) as u64)
                .threshold(n("threshold", 1e-4))
                .absolute(options["threshold_mode"] == "abs")
                .cooldown(n("cooldown", 0.0) as u64)
                .min_lr(n("min_lr", 0.0))
                .eps(n("eps", 1e-8))
        };
        let (mut groups, mut plateau) = (groups("SGD"), make());
        for (step, (&metric, theirs)) in metrics
            .iter()
            .zip(case["lrs"].as_array().unwrap())
            .enumerate()
        {
            // Half way, and while something is counted, another one takes the state over.
            if step % 7 == 3 {
                let state = plateau.state::<f32>();
                plateau = make();
                plateau.load_state(&state).unwrap();
            }
            plateau.step(&mut groups, metric).unwrap();
            for (ours, theirs) in groups.lrs().into_iter().zip(numbers(theirs)) {
                assert_close(options, step, ours, theirs);
            }
        }
        assert_eq!(plateau.best(), number(&case["best"]));
    }
}

#[test]
fn options_outside_their_range_are_refused() {
    let message = |schedule: Box<dyn Schedule>| {
        let mut sgd = Sgd::<f32>::new(0.1);
        let error = Scheduler::new(schedule, &mut sgd).err().unwrap();
        assert_eq!(
            sgd.lr(),
            0.1,
            "a refused schedule changed the learning rate"
        );
        error.to_string()
    };
    let finite = "but it must be finite and not negative";
    for (schedule, right) in [
        (
            Box::new(StepLr::new(0)) as Box<dyn Schedule>,
            "step_lr: step_size is 0, but it must be at least 1".to_string(),
        ),
        (
            Box::new(StepLr::new(1).gamma(f64::NAN)),
            format!("step_lr: gamma is NaN, {finite}"),
        ),
        (
            Box::new(MultiStepLr::new([1]).gamma(-1.0)),
            format!("multi_step_lr: gamma is -1, {finite}"),
        ),
        (
            Box::new(ExponentialLr::new(f64::INFINITY)),
            format!("exponential_lr: gamma is inf, {finite}"),
        ),
        (
            Box::new(ConstantLr::new(3).factor(1.5)),
            "constant_lr: factor is 1.5, but it must lie in 0..=1".into(),
        ),
        (
            Box::new(LinearLr::new(3).start_factor(0.0)),
            "linear_lr: start_factor is 0, but it must be above 0 and at most 1".into(),
        ),
        (
            Box::new(LinearLr::new(3).end_factor(f64::NAN)),
            "linear_lr: end_factor is NaN, but it must lie in 0..=1".into(),
        ),
        (
            Box::new(PolynomialLr::new(0)),
            "polynomial_lr: total_iters is 0, but it must be at least 1".into(),
        ),
        (
            Box::new(CosineAnnealingLr::new(0)),
            "cosine_annealing_lr: t_max is 0, but it must be at least 1".into(),
        ),
        (
            Box::new(CosineAnnealingWarmRestarts::new(2).t_mult(0)),
            "cosine_annealing_warm_restarts: t_mult is 0, but it must be at least 1".into(),
        ),
        (
            Box::new(OneCycleLr::new(f64::NAN, 9)),
            format!("one_cycle_lr: max_lr is NaN, {finite}"),
        ),
        (
            Box::new(OneCycleLr::new(1.0, 9).div_factor(0.0)),
            "one_cycle_lr: div_factor is 0, but it must be finite and above 0".into(),
        ),
        (
            Box::new(OneCycleLr::new(1.0, 9).max_momentum(1.0)),
            "one_cycle_lr: max_momentum is 1, but it must be at least 0 and below 1".into(),
        ),
        (
            Box::new(LambdaLr::new(|_| f64::NAN)),
            format!("lambda_lr: the learning rate is NaN, {finite}"),
        ),
        (
            Box::new(ChainedScheduler::new().add(StepLr::new(0))),
            "step_lr: step_size is 0, but it must be at least 1".into(),
        ),
        (
            Box::new(
                SequentialLr::new(StepLr::new(1))
                    .then(5, StepLr::new(1))
                    .then(5, StepLr::new(1)),
            ),
            "sequential_lr: milestones is 5 after 5, but each must come after the one before"
                .into(),
        ),
    ] {
        assert_eq!(message(schedule), right);
    }
    let mut sgd = Sgd::<f32>::new(0.1);
    let plateau = ReduceLrOnPlateau::new(Goal::Min)
        .factor(1.0)
        .step(&mut sgd, 0.0);
    assert_eq!(
        plateau.unwrap_err().to_string(),
        "reduce_lr_on_plateau: factor is 1, but it must be at least 0 and below 1"
    );
    let mut one = Scheduler::new(StepLr::new(1), &mut sgd).unwrap();
    assert_eq!(
        one.step(&mut groups("SGD")).unwrap_err().to_string(),
        "step_lr: the optimizer is one with 2 groups, but a schedule belongs to one optimizer: begin another one"
    );
}

#[test]
fn what_ends_stays_where_it_is() {
    // A factor of 0 comes back, and one cycle goes on after its end.
    let mut sgd = Sgd::<f32>::new(1.0);
    let mut scheduler = Scheduler::new(ConstantLr::new(2).factor(0.0), &mut sgd).unwrap();
    for expected in [0.0, 0.0, 1.0, 1.0] {
        assert_eq!(sgd.lr(), expected);
        scheduler.step(&mut sgd).unwrap();
    }
    let mut scheduler = Scheduler::new(OneCycleLr::new(1.0, 5), &mut sgd).unwrap();
    for _ in 0..9 {
        scheduler.step(&mut sgd).unwrap();
    }
    assert!((sgd.lr() - 1.0 / 25.0 / 1e4).abs() < 1e-18);
    for steps in [1, 2, 3] {
        let mut scheduler = Scheduler::new(OneCycleLr::new(1.0, steps), &mut sgd).unwrap();
        for _ in 0..4 {
            assert!(sgd.lr().is_finite());
            scheduler.step(&mut sgd).unwrap();
        }
    }
}

#[test]
fn no_cosine_is_too_long() {
    for t_max in [1 << 62, 1 << 63, u64::MAX] {
        let mut sgd = Sgd::<f64>::new(1.0);
        let mut scheduler = Scheduler::new(CosineAnnealingLr::new(t_max), &mut sgd).unwrap();
        scheduler.step(&mut sgd).unwrap();
        assert_eq!(sgd.lr(), 1.0);
    }
}
