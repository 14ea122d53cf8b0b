//! A run on disk: all that it takes to go on after an interruption, with the same bits as without one.

use super::Best;
use crate::data::{Dataset, Target};
use crate::history::{Epoch, History};
use crate::module::Module;
use crate::optim::Optimizer;
use crate::optim::schedule::Scheduler;
use crate::state::State;
use losses::{Error, Result};
use std::path::Path;

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Epochs that are finished.
    pub(super) epochs: usize,
    /// Batches of the next one that are done.
    pub(super) batches: usize,
    /// What the rows were drawn like in the last epoch that was begun; see [`fingerprint`].
    pub(super) drawn: u64,
    /// The learning rate that that epoch began with.
    pub(super) lr: f64,
}

/// What a run changes beside model and optimizer.
pub(super) struct Kept<'a> {
    pub(super) place: Place,
    pub(super) history: &'a History,
    pub(super) best: Option<&'a Best>,
}

/// Writes a run to `path`: the model's parameters as [`save`](crate::save) does, and the rest in sections.
pub(super) fn write(
    path: &Path,
    model: &dyn Module<f32>,
    optimizer: &dyn Optimizer<f32>,
    scheduler: Option<&Scheduler>,
    kept: &Kept<'_>,
) -> Result<()> {
    let mut state = model.state();
    state.set_section("optimizer", optimizer.state());
    if let Some(scheduler) = scheduler {
        state.set_section("schedule", scheduler.state());
    }
    let mut run = State::new();
    run.set_note("epochs", kept.place.epochs);
    run.set_note("batches", kept.place.batches);
    run.set_note("drawn", kept.place.drawn);
    run.set_note("lr", kept.place.lr);
    for (i, e) in kept.history.epochs().iter().enumerate() {
        let numbers = [
            e.train_loss,
            e.train_metric,
            e.test_loss,
            e.test_metric,
            e.lr,
        ];
        run.set_note(
            &format!("history.{i}"),
            numbers.map(|x| x.to_string()).join(" "),
        );
    }
    if let Some(best) = kept.best {
        run.set_note("best.epoch", best.epoch);
        run.set_note("best.loss", best.loss);
        run.set_section("best", best.state.clone());
    }
    state.set_section("run", run);
    state.save(path)
}

/// Goes back to where a run was written; returns its place and the best epoch so far, and fills `history`.
pub(super) fn read(
    path: &Path,
    model: &mut dyn Module<f32>,
    optimizer: &mut dyn Optimizer<f32>,
    scheduler: Option<&mut Scheduler>,
    history: &mut History,
) -> Result<(Place, Option<Best>)> {
    let state = State::open(path)?;
    let Ok(run) = state.section("run") else {
        return Err(refuse(path, "it holds no run of a trainer, only a state"));
    };
    // All that can be wrong with the file is found before the first of the three parts is changed.
    crate::checkpoint::fits(&state, &*model, path)?;
    let problem = match (&scheduler, state.section("schedule")) {
        (Some(_), Err(_)) => Some("the run had no schedule, and now there is one"),
        (None, Ok(_)) => Some("the run had a schedule, and now there is none"),
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(refuse(path, problem));
    }
    let place = Place {
        epochs: run.parse_note("epochs")?,
        batches: run.parse_note("batches")?,
        drawn: run.parse_note("drawn")?,
        lr: run.parse_note("lr")?,
    };
    let mut epochs = Vec::new();
    for i in 0..place.epochs {
        let note = run.note(&format!("history.{i}")).unwrap_or_default();
        let numbers: Vec<f64> = note.split(' ').filter_map(|x| x.parse().ok()).collect();
        let [train_loss, train_metric, test_loss, test_metric, lr] = numbers[..] else {
            return Err(refuse(path, &format!("its epoch {} has no history", i + 1)));
        };
        epochs.push(Epoch {
            epoch: i + 1,
            train_loss,
            train_metric,
            test_loss,
            test_metric,
            lr,
        });
    }
    let best = match run.section("best") {
        Ok(state) => Some(Best {
            epoch: run.parse_note("best.epoch")?,
            loss: run.parse_note("best.loss")?,
            state: state.clone(),
        }),
        Err(_) => None,
    };
    let before = optimizer.state();
    optimizer.load_state(state.section("optimizer")?)?;
    if let Some(scheduler) = scheduler
        && let Err(e) = scheduler.load_state(state.section("schedule")?)
    {
        optimizer.load_state(&before)?;
        return Err(e);
    }
    model.load_state(&state)?;
    epochs.into_iter().for_each(|epoch| history.push(epoch));
    Ok((place, best))
}

/// A number that tells one order of rows from another: FNV-1a over the number of batches and the bits of the first.
pub(super) fn fingerprint<Y: Target>(batches: &[Dataset<Y>]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ batches.len() as u64;
    for x in batches
        .first()
        .map(|rows| rows.x.to_vec())
        .unwrap_or_default()
    {
        hash = (hash ^ u64::from(x.to_bits())).wrapping_mul(0x100_0000_01b3);
    }
    hash
}

/// Refuses to go on with rows that come in another order than before.
pub(super) fn check_order(path: &Path, then: u64, now: u64) -> Result<()> {
    if then == now {
        return Ok(());
    }
    let problem = "the run drew its batches otherwise: go on with the same data, batch size and seed, with which \
                   everything before the training is drawn too";
    Err(refuse(path, problem))
}

fn refuse(path: &Path, problem: &str) -> Error {
    Error::File {
        op: "resume",
        path: path.display().to_string(),
        problem: problem.into(),
    }
}
