use super::*;
use crate::optim::schedule::StepLr;
use crate::optim::{Sgd, Tunable};
use crate::{Activation::Tanh, Linear, Parts, Sequential};
use losses::classification::cross_entropy;
use losses::regression::mse_loss;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(3)
}

fn ce(logits: &Var<f32>, y: &Tensor<i64>) -> Result<Var<f32>> {
    cross_entropy(logits, y)
}

fn moons() -> (Dataset, Dataset) {
    let data = crate::data::moons(120, 0.2, &mut rng()).unwrap();
    data.split(0.25, &mut rng()).unwrap()
}

fn model() -> Sequential<f32> {
    Sequential::mlp(&[2, 8, 2], Tanh, &mut rng()).unwrap()
}

/// The trainer is the loop that one would write by hand, bit for bit.
#[test]
fn training_is_the_plain_loop() -> Result<()> {
    let (train, test) = moons();
    let (mut ours, mut by_hand) = (model(), model());
    let trained = Trainer::new(4).batch_size(16).fit(
        &mut ours,
        &mut Sgd::new(0.1).momentum(0.9),
        ce,
        (&train, &test),
        &mut rng(),
    )?;

    let (mut sgd, mut rng) = (Sgd::new(0.1).momentum(0.9), rng());
    for _ in 0..4 {
        for batch in train.batches(16, &mut rng)? {
            let x = Tape::new().input(batch.x);
            let grads = ce(&by_hand.forward(&x)?, &batch.y)?.backward()?;
            sgd.step(&mut by_hand, &grads)?;
        }
    }
    assert_eq!(ours.state_dict(), by_hand.state_dict());
    let logits = by_hand.forward(&Var::from(&test.x))?;
    let last = *trained.history.last().unwrap();
    assert_eq!((last.epoch, last.lr), (4, 0.1));
    assert_eq!(last.test_loss, f64::from(ce(&logits, &test.y)?.item()?));
    assert_eq!(
        last.test_metric,
        metrics::accuracy(&logits.value().argmax(1)?, &test.y)?
    );
    assert_eq!((trained.stop, trained.best), (Stop::Done, None));
    Ok(())
}

/// Remembers what it was told, and stops where it is told to.
#[derive(Default)]
struct Witness {
    batches: Vec<Batch>,
    epochs: Vec<usize>,
    /// Stop after this many batches.
    stop: usize,
}

impl Callback for Witness {
    fn batch(&mut self, batch: &Batch, _: &mut dyn Optimizer<f32>) -> Result<Flow> {
        self.batches.push(*batch);
        Ok(if self.batches.len() == self.stop {
            Flow::Stop
        } else {
            Flow::Go
        })
    }
    fn epoch(&mut self, epoch: &Epoch, optimizer: &mut dyn Optimizer<f32>) -> Result<Flow> {
        self.epochs.push(epoch.epoch);
        optimizer.set_lr(optimizer.lr() / 2.0);
        Ok(Flow::Go)
    }
}

#[test]
fn callbacks_see_each_batch_and_can_stop() -> Result<()> {
    let (train, test) = moons();
    let mut witness = Witness {
        stop: 8,
        ..Witness::default()
    };
    let mut sgd = Sgd::new(0.1);
    let trained = Trainer::new(9).batch_size(40).callback(&mut witness).fit(
        &mut model(),
        &mut sgd,
        ce,
        (&train, &test),
        &mut rng(),
    )?;
    // 90 rows make three batches, the last one of 10.
    let places: Vec<_> = witness
        .batches
        .iter()
        .map(|b| (b.epoch, b.batch, b.batches))
        .collect();
    let all = [
        (1, 1, 3),
        (1, 2, 3),
        (1, 3, 3),
        (2, 1, 3),
        (2, 2, 3),
        (2, 3, 3),
        (3, 1, 3),
        (3, 2, 3),
    ];
    assert_eq!(places, all);
    assert_eq!(witness.epochs, [1, 2]);
    assert_eq!(trained.stop, Stop::Callback);
    let rates: Vec<f64> = trained.history.epochs().iter().map(|e| e.lr).collect();
    assert_eq!(rates, [0.1, 0.05]);
    assert_eq!(sgd.lr(), 0.025);

    let mut full = Witness::default();
    let trainer = Trainer::new(1)
        .batch_size(40)
        .drop_rest(true)
        .callback(&mut full);
    trainer.fit(&mut model(), &mut sgd, ce, (&train, &test), &mut rng())?;
    assert_eq!(full.batches.len(), 2);
    Ok(())
}

#[test]
fn a_schedule_is_followed_by_epoch_or_by_batch() -> Result<()> {
    let (train, test) = moons();
    let rates = |every| -> Result<Vec<f64>> {
        let trained = Trainer::new(3)
            .batch_size(40)
            .schedule(every, StepLr::new(2).gamma(0.5))
            .fit(
                &mut model(),
                &mut Sgd::new(0.8),
                ce,
                (&train, &test),
                &mut rng(),
            )?;
        Ok(trained.history.epochs().iter().map(|e| e.lr).collect())
    };
    assert_eq!(rates(Every::Epoch)?, [0.8, 0.8, 0.4]);
    // Three batches an epoch: an epoch begins after 0, 3 and 6 steps, which halve once, and three times.
    assert_eq!(rates(Every::Batch)?, [0.8, 0.4, 0.1]);
    Ok(())
}

/// `y = w x` with one row (1, 0): with a learning rate of 0.75 each step turns `w` into `-w / 2`, with a test part
/// whose best `w` is -0.5 the second of 1, -0.5, 0.25, … is the best.
#[test]
fn the_best_parameters_come_back() -> Result<()> {
    let row = |x: f32, y: f32| Dataset::new(Tensor::from([[x]]), Tensor::from([y]));
    let (train, test) = (row(1.0, 0.0)?, row(1.0, -0.5)?);
    let weight = losses::autograd::Param::new(Tensor::from([[1.0f32]]));
    let mut model = Linear { weight, bias: None };
    let mse = |y: &Var<f32>, t: &Tensor<f32>| mse_loss(&y.squeeze(1)?, &Var::from(t));
    let off = |y: &Tensor<f32>, t: &Tensor<f32>| metrics::mean_absolute_error(&y.squeeze(1)?, t);
    let trained = Trainer::with_metric(50, "mean absolute error", off)
        .patience(3)
        .fit(
            &mut model,
            &mut Sgd::new(0.75),
            mse,
            (&train, &test),
            &mut rng(),
        )?;
    assert_eq!((trained.stop, trained.best), (Stop::Patience, Some(1)));
    assert_eq!(trained.history.epochs().len(), 4);
    assert_eq!(model.weight.value().to_vec(), [-0.5]);
    assert_eq!(trained.history.epochs()[1].test_metric, 0.75);
    let csv = trained.history.to_csv();
    assert!(csv.starts_with("epoch,train_loss,train_mean_absolute_error,test_loss,"));
    let json: serde_json::Value = serde_json::from_str(&trained.history.to_json()).unwrap();
    assert_eq!(json[1]["test_mean_absolute_error"], 0.75);
    Ok(())
}

#[test]
fn a_loss_that_is_no_number_stops_at_its_batch() -> Result<()> {
    let (train, test) = moons();
    let mut model = model();
    let mut calls = 0;
    let calls = std::cell::RefCell::new(&mut calls);
    let loss = |logits: &Var<f32>, y: &Tensor<i64>| {
        **calls.borrow_mut() += 1;
        // Three batches and two evaluations an epoch: the seventh call is the second batch of epoch 2.
        let scale = if **calls.borrow() >= 7 { f32::NAN } else { 1.0 };
        ce(logits, y)?.mul(scale)
    };
    let error = Trainer::new(9)
        .batch_size(40)
        .fit(
            &mut model,
            &mut Sgd::new(0.1),
            loss,
            (&train, &test),
            &mut rng(),
        )
        .unwrap_err();
    let message = error.to_string();
    let (head, first) = message.split_once('\n').unwrap_or((&message, ""));
    assert_eq!(
        head,
        "fit: the loss became NaN in batch 2 of epoch 2: lower the learning rate, clip the gradients, or look for \
         extreme values in the data"
    );
    // The second look goes to the line of this file that made it.
    assert!(
        first.starts_with("mul, called at ") && first.contains("tests.rs"),
        "{first}"
    );
    // The step of that batch was not made.
    let finite = |(_, v): (String, Tensor<f32>)| v.find(|v| !v.is_finite()).is_none();
    assert!(model.state_dict().into_iter().all(finite));

    // A last step that spoils the parameters is seen by the measurement after it.
    let error = Trainer::new(1)
        .batch_size(90)
        .fit(
            &mut model,
            &mut Sgd::new(1e39),
            ce,
            (&train, &test),
            &mut rng(),
        )
        .unwrap_err();
    assert!(
        error.to_string().contains("in batch 1 of epoch 1"),
        "{error}"
    );
    Ok(())
}

/// The root of a difference that is 0 has a finite value, and a slope that is none.
#[test]
fn anomaly_mode_finds_what_the_loss_does_not_show() -> Result<()> {
    let (train, test) = moons();
    let loss = |logits: &Var<f32>, _: &Tensor<i64>| logits.sub(logits)?.sqrt().mean(..);
    let fit = |anomaly| {
        let trainer = Trainer::new(1).batch_size(90).anomaly(anomaly);
        let (mut model, mut sgd) = (model(), Sgd::new(0.1));
        let trained = trainer.fit(&mut model, &mut sgd, loss, (&train, &test), &mut rng());
        trained.map(|_| ()).unwrap_err().to_string()
    };
    let message = fit(true);
    assert!(
        message.starts_with("fit: the backward pass is not finite in batch 1 of epoch 1: "),
        "{message}"
    );
    assert!(message.contains("\nsqrt, called at "), "{message}");
    // Without it the spoilt parameters are seen after the step.
    assert!(fit(false).starts_with("fit: the loss became NaN in batch 1 of epoch 1"));
    Ok(())
}

/// One step of plain descent is as long as the learning rate times the gradient, which is clipped.
#[test]
fn gradients_are_clipped_to_their_norm() -> Result<()> {
    let (train, test) = moons();
    let (mut model, start) = (model(), model());
    Trainer::new(1).batch_size(90).clip_grad_norm(0.01).fit(
        &mut model,
        &mut Sgd::new(2.0),
        ce,
        (&train, &test),
        &mut rng(),
    )?;
    let mut squares = 0.0;
    for ((_, a), (_, b)) in model.state_dict().into_iter().zip(start.state_dict()) {
        squares += f64::from(a.sub(&b)?.square().sum(..)?.item()?);
    }
    assert!((squares.sqrt() - 0.02).abs() < 1e-6, "{}", squares.sqrt());
    Ok(())
}

#[test]
fn bad_options_are_refused() {
    let (train, test) = moons();
    let fit = |trainer: Trainer<'_>, lr: f64| {
        let trained = trainer.fit(
            &mut model(),
            &mut Sgd::new(lr),
            ce,
            (&train, &test),
            &mut rng(),
        );
        trained.map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        fit(Trainer::new(1).batch_size(0), 0.1),
        "batches: size is 0, but a batch must hold at least one row"
    );
    assert_eq!(
        fit(Trainer::new(1).batch_size(91).drop_rest(true), 0.1),
        "full_batches: size is 91, but there are fewer rows than that, so no batch would be full"
    );
    assert_eq!(
        fit(Trainer::new(1), f64::NAN),
        "sgd: lr is NaN, but it must be finite and not negative"
    );
}

#[test]
fn predictions_do_not_depend_on_the_parts() -> Result<()> {
    let x = Tensor::randn([1300, 2], &mut rng())?;
    let model = model();
    let whole = model.forward(&Var::from(&x))?.into_value();
    assert!(predict(&model, &x)?.allclose(&whole, 1e-6, 1e-6)?);
    assert_eq!(predict(&model, &x.narrow(0, 0, 0)?)?.shape(), [0, 2]);
    Ok(())
}

#[test]
fn histories_are_saved_whole() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("nn-history-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut history = History::new("accuracy");
    for epoch in 1..=2 {
        history.push(Epoch {
            epoch,
            train_loss: 0.25,
            train_metric: 1.0,
            test_loss: f64::INFINITY,
            test_metric: 0.5,
            lr: 0.1,
        });
    }
    for (file, text) in [("h.csv", history.to_csv()), ("h.json", history.to_json())] {
        history.save(folder.join(file))?;
        assert_eq!(std::fs::read_to_string(folder.join(file)).unwrap(), text);
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    let json: serde_json::Value = serde_json::from_str(&history.to_json()).unwrap();
    assert!(json[1]["test_loss"].is_null() && json[1]["epoch"] == 2);
    let nowhere = folder.join("absent/h.csv");
    std::fs::remove_dir_all(&folder).unwrap();
    let error = history.save(&nowhere).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "history: {}: No such file or directory (os error 2)",
            nowhere.display()
        )
    );
    Ok(())
}

/// What is left of a run: the model's bits, what it was like, and why it ended.
type Left = (Vec<(String, Tensor<f32>)>, History, Stop, Option<usize>);

/// A run with all that there is to keep: dropout, momentum, a schedule by batch, patience. It stops after so many
/// batches in all.
fn part_of_a_run(
    path: &std::path::Path,
    most: usize,
    change: impl Fn(Trainer<'_>) -> Trainer<'_>,
) -> Result<Left> {
    struct After(usize);
    impl Callback for After {
        fn batch(&mut self, _: &Batch, _: &mut dyn Optimizer<f32>) -> Result<Flow> {
            self.0 -= 1;
            Ok(if self.0 == 0 { Flow::Stop } else { Flow::Go })
        }
    }
    let (train, test) = moons();
    let mut model = Sequential::new()
        .push(crate::Linear::new(2, 8, &mut rng())?)
        .push(Tanh)
        .push(crate::Dropout::new(0.2, 9)?)
        .push(Linear::new(8, 2, &mut rng())?);
    let mut after = After(most);
    let trainer = Trainer::new(6)
        .batch_size(16)
        .patience(2)
        .schedule(Every::Batch, StepLr::new(5).gamma(0.8))
        .checkpoint(path)
        .resume(true)
        .callback(&mut after);
    let mut sgd = Sgd::new(0.3).momentum(0.9);
    let trained = change(trainer).fit(&mut model, &mut sgd, ce, (&train, &test), &mut rng())?;
    let bits = model
        .state_dict()
        .into_iter()
        .map(|(name, x)| (name.to_string(), x.clone()))
        .collect();
    Ok((bits, trained.history, trained.stop, trained.best))
}

#[test]
fn an_interrupted_run_ends_with_the_same_bits() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("nn-resume-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("whole.safetensors");
    let whole = part_of_a_run(&path, usize::MAX, |t| t)?;
    assert!(
        whole.1.epochs().len() >= 3,
        "the run is long enough to be cut"
    );
    // Once more, it is at its end and stays there.
    assert_eq!(part_of_a_run(&path, usize::MAX, |t| t)?, whole);
    // An epoch has six batches: cut within the first, at its end, within later ones, and twice.
    for cuts in [&[2][..], &[6], &[7], &[10, 3], &[1, 1, 1], &[12, 6]] {
        let path = folder.join("cut.safetensors");
        for &most in cuts {
            assert_eq!(part_of_a_run(&path, most, |t| t)?.2, Stop::Callback);
        }
        assert_eq!(
            part_of_a_run(&path, usize::MAX, |t| t)?,
            whole,
            "cut after {cuts:?}"
        );
        std::fs::remove_file(path).unwrap();
    }
    // Other batches, no schedule, and a file that is no run are refused, and the model in it loads.
    let path = folder.join("other.safetensors");
    part_of_a_run(&path, 8, |t| t)?;
    let message = |result: Result<Left>| result.unwrap_err().to_string();
    let order = message(part_of_a_run(&path, 8, |t| t.batch_size(15)));
    assert!(
        order.contains("the same data, batch size and seed"),
        "{order}"
    );
    let schedule = message(part_of_a_run(&path, 8, |mut t| {
        t.schedule = None;
        t
    }));
    assert!(schedule.contains("now there is none"), "{schedule}");
    model().state().save(&path)?;
    let state = message(part_of_a_run(&path, 8, |t| t));
    assert!(state.contains("no run of a trainer"), "{state}");
    // Where nothing can be written, the run says so.
    let nowhere = folder.join("missing").join("run.safetensors");
    assert!(matches!(
        part_of_a_run(&nowhere, 8, |t| t),
        Err(losses::Error::File { .. })
    ));
    std::fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn a_test_loss_that_is_no_number_is_never_the_best() -> Result<()> {
    let (train, test) = moons();
    let seen = std::cell::Cell::new(0);
    let loss = |logits: &Var<f32>, y: &Tensor<i64>| {
        let y = ce(logits, y)?;
        if logits.tape().is_some() || logits.shape()[0] != test.y.numel() {
            return Ok(y);
        }
        seen.set(seen.get() + 1);
        if seen.get() == 1 {
            y.mul(f64::NAN)
        } else {
            Ok(y)
        }
    };
    let trained = Trainer::new(6).batch_size(16).patience(3).fit(
        &mut model(),
        &mut Sgd::new(0.1),
        loss,
        (&train, &test),
        &mut rng(),
    )?;
    assert!(trained.history.epochs()[0].test_loss.is_nan());
    assert!(
        trained.best.is_some_and(|best| best > 1),
        "{:?}",
        trained.best
    );
    Ok(())
}

#[test]
fn a_run_that_another_optimizer_cannot_go_on_with_changes_nothing() -> Result<()> {
    let path = std::env::temp_dir().join(format!("nn-kept-{}.safetensors", std::process::id()));
    let (train, test) = moons();
    let run = |model: &mut Sequential<f32>, optimizer: &mut dyn Optimizer<f32>| {
        let trainer = Trainer::new(2)
            .batch_size(16)
            .checkpoint(&path)
            .resume(true);
        trainer.fit(model, optimizer, ce, (&train, &test), &mut rng())
    };
    run(&mut model(), &mut Sgd::new(0.3).momentum(0.9))?;
    let mut fresh = model();
    let before = fresh.state_dict();
    let e = run(&mut fresh, &mut crate::optim::Adam::new(0.1)).unwrap_err();
    assert!(
        e.to_string().starts_with("adam: the state is that of sgd"),
        "{e}"
    );

    assert_eq!(fresh.state_dict(), before);
    std::fs::remove_file(path).unwrap();
    Ok(())
}
