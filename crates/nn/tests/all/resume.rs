//! An interrupted run that goes on from its file makes the same bits as one that was never interrupted.

use crate::common::*;
use nn::prelude::*;
use serde_json::{Value, json};

const STEPS: usize = 30;
const CUT: usize = 13;

/// A model with all that there is to keep: parameters and the generator of a dropout layer.
fn model<T: Float>() -> Sequential<T> {
    use rand::SeedableRng;
    let rng = &mut rand::rngs::ChaCha8Rng::seed_from_u64(5);
    Sequential::new()
        .push(Linear::new(4, 6, rng).unwrap())
        .push(Tanh)
        .push(Dropout::new(0.3, 11).unwrap())
        .push(Linear::new(6, 3, rng).unwrap())
}

/// A run at some point.
struct Run {
    model: Sequential<f64>,
    optimizer: Box<dyn Optimizer<f64>>,
    scheduler: Scheduler,
}

impl Run {
    fn new(kind: &str, options: &Value, schedule_of: &(&str, Value)) -> Self {
        let grouped = json!({"optimizer": kind, "options": options});
        let mut optimizer = with_groups(&grouped);
        let schedule = schedule(schedule_of.0, &schedule_of.1);
        let scheduler = Scheduler::new(schedule, &mut *optimizer).unwrap();
        Run {
            model: model(),
            optimizer,
            scheduler,
        }
    }

    fn steps(&mut self, range: std::ops::Range<usize>, x: &Tensor<f64>, y: &Tensor<i64>) {
        for _ in range {
            let loss = {
                let x = Tape::new().input(x.clone());
                cross_entropy(&self.model.forward(&x).unwrap(), y).unwrap()
            };
            self.optimizer
                .step(&mut self.model, &loss.backward().unwrap())
                .unwrap();
            self.scheduler.step(&mut *self.optimizer).unwrap();
        }
    }

    fn save(&self, path: &std::path::Path) {
        let mut state = self.model.state();
        state.set_section("optimizer", self.optimizer.state());
        state.set_section("schedule", self.scheduler.state());
        state.save(path).unwrap();
    }

    fn load(&mut self, path: &std::path::Path) {
        let state = State::open(path).unwrap();
        self.model.load_state(&state).unwrap();
        self.optimizer
            .load_state(state.section("optimizer").unwrap())
            .unwrap();
        self.scheduler
            .load_state(state.section("schedule").unwrap())
            .unwrap();
    }

    fn bits(&self) -> Vec<u64> {
        let dict = self.model.state_dict();
        let values = dict.iter().flat_map(|(_, x)| x.to_vec());
        values
            .chain(self.optimizer.lrs())
            .map(f64::to_bits)
            .collect()
    }
}

#[test]
fn every_optimizer_on_every_schedule() {
    let folder = Folder::new("resume");
    let path = folder.file("run.safetensors");
    let x = Tensor::from_vec((0..32).map(|i| (i as f64 * 0.7).sin()).collect(), [8, 4]).unwrap();
    let y = Tensor::from([0, 1, 2, 0, 1, 2, 0, 1]);
    let optimizers = [
        ("SGD", json!({"lr": 0.1})),
        (
            "SGD",
            json!({"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
        ),
        (
            "SGD",
            json!({"lr": 0.1, "groups": [["0.", {"lr": 0.3, "momentum": 0.5}], ["bias", {"lr": 0.01}]]}),
        ),
        ("Adam", json!({"lr": 0.01})),
        (
            "Adam",
            json!({"lr": 0.01, "amsgrad": true, "weight_decay": 0.1}),
        ),
        ("AdamW", json!({"lr": 0.01})),
        ("NAdam", json!({"lr": 0.01})),
        (
            "RMSprop",
            json!({"lr": 0.01, "centered": true, "momentum": 0.9}),
        ),
        ("RMSprop", json!({"lr": 0.01})),
        (
            "Adagrad",
            json!({"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.1}),
        ),
        ("Adadelta", json!({"lr": 1.0})),
        ("Lion", json!({"lr": 0.01, "weight_decay": 0.1})),
    ];
    let warm_up = json!({"start_factor": 0.1, "total_iters": 10});
    let schedules = [
        ("StepLR", json!({"step_size": 7})),
        ("MultiStepLR", json!({"milestones": [3, 14, 20]})),
        ("ExponentialLR", json!({"gamma": 0.95})),
        ("ConstantLR", json!({"total_iters": 15})),
        ("LinearLR", json!({"total_iters": 20})),
        ("PolynomialLR", json!({"total_iters": 25, "power": 2.0})),
        ("CosineAnnealingLR", json!({"T_max": 17, "eta_min": 0.001})),
        (
            "CosineAnnealingWarmRestarts",
            json!({"T_0": 4, "T_mult": 2}),
        ),
        ("OneCycleLR", json!({"max_lr": 0.1, "total_steps": 30})),
        ("LambdaLR", json!({})),
        (
            "ChainedScheduler",
            json!({"parts": [["LinearLR", warm_up], ["ExponentialLR", {"gamma": 0.97}]]}),
        ),
        (
            "SequentialLR",
            json!({"milestones": [10], "parts": [["LinearLR", warm_up], ["CosineAnnealingLR", {"T_max": 20}]]}),
        ),
    ];
    let mut ends = std::collections::HashSet::new();
    for (kind, options) in &optimizers {
        for schedule in &schedules {
            let mut whole = Run::new(kind, options, schedule);
            whole.steps(0..STEPS, &x, &y);

            let mut first = Run::new(kind, options, schedule);
            first.steps(0..CUT, &x, &y);
            first.save(&path);
            let mut second = Run::new(kind, options, schedule);
            second.load(&path);
            second.steps(CUT..STEPS, &x, &y);
            assert!(
                whole.bits() == second.bits(),
                "{kind} {options} {schedule:?}"
            );
            ends.insert(whole.bits());
        }
    }
    // And no two of these runs are the same.
    assert_eq!(ends.len(), optimizers.len() * schedules.len());
}

#[test]
fn single_precision_and_lbfgs_go_on_too() {
    let folder = Folder::new("resume32");
    let path = folder.file("run.safetensors");
    let x = Tensor::from_vec((0..32).map(|i| (i as f32 * 0.7).sin()).collect(), [8, 4]).unwrap();
    let y = Tensor::from([0, 1, 2, 0, 1, 2, 0, 1]);
    let loss = |m: &Sequential<f32>| cross_entropy(&m.forward(&Tape::new().input(x.clone()))?, &y);
    let make = || {
        Lbfgs::<f32>::new(0.5)
            .max_iter(4)
            .strong_wolfe(true)
            .history_size(3)
    };
    let start = || {
        let mut model = model::<f32>();
        model.set_mode(Mode::Eval);
        model
    };
    let (mut whole, mut lbfgs) = (start(), make());
    for step in 0..6 {
        if step == 3 {
            let mut state = whole.state();
            state.set_section("optimizer", lbfgs.state());
            state.save(&path).unwrap();
        }
        lbfgs.step_with(&mut whole, loss).unwrap();
    }
    let (mut again, mut lbfgs) = (start(), make());
    let state = State::open(&path).unwrap();
    again.load_state(&state).unwrap();
    lbfgs
        .load_state(state.section("optimizer").unwrap())
        .unwrap();
    for _ in 3..6 {
        lbfgs.step_with(&mut again, loss).unwrap();
    }
    assert_eq!(whole.state_dict(), again.state_dict());
}
