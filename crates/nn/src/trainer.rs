//! The loop of training, with what one writes around it again and again.
//!
//! ```
//! use nn::prelude::*;
//! use rand::SeedableRng;
//!
//! let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
//! let (train, test) = nn::data::moons(200, 0.1, &mut rng)?.split(0.25, &mut rng)?;
//! let mut model = Sequential::mlp(&[2, 16, 2], Tanh, &mut rng)?;
//! let mut adam = Adam::new(0.03);
//! let trained = Trainer::new(30).batch_size(16).patience(10).fit(
//!     &mut model,
//!     &mut adam,
//!     |logits, y| cross_entropy(logits, y),
//!     (&train, &test),
//!     &mut rng,
//! )?;
//! assert!(trained.history.last().is_some_and(|epoch| epoch.test_metric > 0.9));
//! # Ok::<(), nn::Error>(())
//! ```
//!
//! Nothing here is hidden from a loop written by hand: the example of the crate's first page is one.
//!
//! [`Lbfgs`](crate::optim::Lbfgs) is not for this loop: one of its steps evaluates the loss of all rows as often as its line
//! search asks, where the loop evaluates each batch once. It takes the loss as a function, and then needs no loop at all:
//!
//! ```
//! use nn::prelude::*;
//! use rand::SeedableRng;
//!
//! let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
//! let centers = Tensor::from([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]]);
//! let train = nn::data::blobs(90, &centers, 0.7, &mut rng)?;
//! let mut model = Linear::new(2, 3, &mut rng)?;
//! let mut lbfgs = Lbfgs::new(1.0).strong_wolfe(true);
//! let loss = |model: &Linear<f32>| {
//!     cross_entropy(&model.forward(&Tape::new().input(train.x.clone()))?, &train.y)
//! };
//! let before = loss(&model)?.item()?;
//! for _ in 0..5 {
//!     lbfgs.step_with(&mut model, loss)?; // twenty iterations at most
//! }
//! assert!(loss(&model)?.item()? < 0.1 * before);
//! # Ok::<(), nn::Error>(())
//! ```

use crate::data::{Dataset, Target};
use crate::history::{Epoch, History};
use crate::metrics;
use crate::module::Module;
use crate::optim::schedule::{Schedule, Scheduler};
use crate::optim::{Optimizer, clip_grad_norm};
use crate::state::State;
use keep::{Kept, Place, check_order, fingerprint};
use losses::autograd::Tape;
use losses::{Result, Tensor, Var};
use rand::Rng;
use std::fmt::{Debug, Formatter};
use std::path::{Path, PathBuf};
use step::{diverged, first, gradients, stops};

mod callback;
mod keep;
mod step;

pub use callback::{Batch, Callback, Flow};

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All epochs are done.
    Done,
    /// The test loss did not fall for as many epochs as [`Trainer::patience`] allows.
    Patience,
    /// A callback said so.
    Callback,
}

/// What training came to.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The epochs that were finished.
    pub history: History,
    /// Why it ended.
    pub stop: Stop,
    /// The epoch whose parameters the model has, if [`Trainer::patience`] chose it.
    pub best: Option<usize>,
}

/// A number that says how good outputs are, with its name.
type Metric<'a, Y> = Box<dyn Fn(&Tensor<f32>, &Tensor<Y>) -> Result<f64> + 'a>;

/// The epoch with the lowest test loss so far, and the parameters that the model had then.
struct Best {
    epoch: usize,
    loss: f64,
    state: State<f32>,
}

/// How to train; see the [module](self) for an example.
pub struct Trainer<'a, Y: Target = i64> {
    epochs: usize,
    batch_size: usize,
    drop_rest: bool,
    patience: Option<usize>,
    metric: (String, Metric<'a, Y>),
    schedule: Option<(Box<dyn Schedule>, Every)>,
    clip_grad_norm: Option<f64>,
    anomaly: bool,
    checkpoint: Option<PathBuf>,
    resume: bool,
    callbacks: Vec<&'a mut dyn Callback>,
}

/// What a schedule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Steps of training.
    Batch,
    /// Passes over the training part.
    Epoch,
}

impl<Y: Target> Debug for Trainer<'_, Y> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let schedule = self.schedule.as_ref().map(|(s, every)| (s.name(), every));
        f.debug_struct("Trainer")
            .field("epochs", &self.epochs)
            .field("batch_size", &self.batch_size)
            .field("metric", &self.metric.0)
            .field("schedule", &schedule)
            .finish_non_exhaustive()
    }
}

impl<'a> Trainer<'a> {
    /// For classes: `epochs` passes in batches of 32, measured by the accuracy of the highest logit. For numbers to be
    /// learned, whose targets are floats, [`Trainer::with_metric`] says what to measure.
    pub fn new(epochs: usize) -> Self {
        Trainer::with_metric(epochs, "accuracy", |logits, y| {
            metrics::accuracy(&logits.argmax(1)?, y)
        })
    }
}

impl<'a, Y: Target> Trainer<'a, Y> {
    /// As [`Trainer::new`], measured by another number, such as the mean absolute error of predicted numbers. It is
    /// given the outputs of the model for all rows, and what the rows are.
    pub fn with_metric(
        epochs: usize,
        name: impl Into<String>,
        metric: impl Fn(&Tensor<f32>, &Tensor<Y>) -> Result<f64> + 'a,
    ) -> Self {
        Trainer {
            epochs,
            batch_size: 32,
            drop_rest: false,
            patience: None,
            metric: (name.into(), Box::new(metric)),
            schedule: None,
            clip_grad_norm: None,
            anomaly: false,
            checkpoint: None,
            resume: false,
            callbacks: Vec::new(),
        }
    }

    /// Rows for each step. Default: 32.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Self {
        Trainer { batch_size, ..self }
    }

    /// Whether to leave out the last rows of a pass if they do not fill a batch. Default: no.
    #[must_use]
    pub fn drop_rest(self, drop_rest: bool) -> Self {
        Trainer { drop_rest, ..self }
    }

    /// Stops once the test loss has not fallen for so many epochs, and gives the model the parameters that it had
    /// when that loss was lowest; also where all epochs are run. The part that is watched has then been used for
    /// training: what the model is worth, a third part must tell. Default: all epochs, and the last parameters.
    #[must_use]
    pub fn patience(self, epochs: usize) -> Self {
        let patience = Some(epochs);
        Trainer { patience, ..self }
    }

    /// Has the learning rate follow a schedule, from the one that the optimizer has. Default: it stays, unless a
    /// callback sets it.
    #[must_use]
    pub fn schedule(self, every: Every, schedule: impl Schedule + 'static) -> Self {
        let schedule: Option<(Box<dyn Schedule>, _)> = Some((Box::new(schedule), every));
        Trainer { schedule, ..self }
    }

    /// Shortens gradients whose Euclidean norm, taken over all parameters, is above this. Default: none.
    #[must_use]
    pub fn clip_grad_norm(self, max_norm: f64) -> Self {
        let clip_grad_norm = Some(max_norm);
        Trainer {
            clip_grad_norm,
            ..self
        }
    }

    /// Whether to look at each result and each gradient, and to stop at the first that is not finite with the line of
    /// the program where it was made. Default: no; then only the loss is looked at, and where it began is found by
    /// going over the batch once more.
    #[must_use]
    pub fn anomaly(self, anomaly: bool) -> Self {
        Trainer { anomaly, ..self }
    }

    /// Writes the whole run to a file after each epoch, and after the batch at which a callback stops it: the model,
    /// which [`load`](crate::load) reads, and with it the optimizer, the schedule, the history and the best epoch.
    /// Default: nowhere.
    #[must_use]
    pub fn checkpoint(self, path: impl Into<PathBuf>) -> Self {
        let checkpoint = Some(path.into());
        Trainer { checkpoint, ..self }
    }

    /// Goes on from the file of [`checkpoint`](Trainer::checkpoint), if it is there, in the middle of an epoch too. With
    /// the same model, options, data and generator as at first, the run ends with the same bits as one that was never
    /// interrupted; the generator, begun anew from its seed, draws what the finished epochs drew once more. Default: it
    /// begins from the start.
    #[must_use]
    pub fn resume(self, resume: bool) -> Self {
        Trainer { resume, ..self }
    }

    /// Something to call after each batch and epoch; several are called in their order.
    #[must_use]
    pub fn callback(mut self, callback: &'a mut dyn Callback) -> Self {
        self.callbacks.push(callback);
        self
    }

    /// Trains `model` on the first part of `data` and measures it on both after each epoch. `loss` takes the model's
    /// outputs and what the rows are, and gives the mean over the rows.
    ///
    /// Batches are drawn from `rng` alone: the same start gives the same end.
    ///
    /// # Errors
    /// [`Error::Diverged`](crate::Error::Diverged) as soon as the loss is infinite or NaN, before the step that would spread it, with the
    /// operation where it began;
    /// [`Error::Option`](crate::Error::Option) for a batch size of 0; [`Error::File`](crate::Error::File) for a checkpoint
    /// that cannot be written, or that another
    /// run wrote; whatever model, loss, optimizer and callbacks return.
    pub fn fit(
        mut self,
        model: &mut dyn Module<f32>,
        optimizer: &mut dyn Optimizer<f32>,
        loss: impl Fn(&Var<f32>, &Tensor<Y>) -> Result<Var<f32>>,
        (train, test): (&Dataset<Y>, &Dataset<Y>),
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Trained> {
        let mut history = History::new(self.metric.0.clone());
        let mut best: Option<Best> = None;
        let mut follow = match self.schedule.take() {
            Some((schedule, every)) => Some((Scheduler::new(schedule, &mut *optimizer)?, every)),
            None => None,
        };
        let go_on = |follow: &mut Option<(Scheduler, Every)>,
                     every,
                     optimizer: &mut dyn Optimizer<f32>| match follow {
            Some((scheduler, e)) if *e == every => scheduler.step(optimizer),
            _ => Ok(()),
        };
        let mut place = Place::default();
        let file = self.checkpoint.clone();
        if let Some(path) = file.as_ref().filter(|path| self.resume && path.exists()) {
            let scheduler = follow.as_mut().map(|(scheduler, _)| scheduler);
            (place, best) = keep::read(path, &mut *model, optimizer, scheduler, &mut history)?;
            self.draw_again(path, place, train, rng)?;
        }
        let mut stop = Stop::Done;
        let mut left = place.epochs + 1..self.epochs + 1;
        if self.gives_up(best.as_ref(), place.epochs) {
            (stop, left) = (Stop::Patience, 0..0);
        }
        'training: for epoch in left {
            let batches = self.draw(train, rng)?;
            let count = batches.len();
            let drawn = fingerprint(batches.as_slice());
            let done = std::mem::take(&mut place.batches);
            if let (1.., Some(path)) = (done, &file) {
                check_order(path, place.drawn, drawn)?;
            }
            if done == 0 {
                place.lr = optimizer.lr();
            }
            place.drawn = drawn;
            for (batch, rows) in (1..).zip(batches).skip(done) {
                // The tape is gone when the step is made, so that parameters are written in place.
                let found = gradients(self.tape(), &*model, &loss, &rows);
                let (value, mut grads) = match found {
                    Ok((value, grads)) if value.is_finite() => (value, grads),
                    Ok((value, _)) => {
                        // Once more, on a tape that looks for the operation where it began.
                        let again = gradients(Tape::with_anomaly(), &*model, &loss, &rows);
                        let first = again.err().and_then(|e| first(e).ok());
                        return Err(diverged(
                            format!("the loss became {value}"),
                            epoch,
                            batch,
                            first,
                        ));
                    }
                    Err(e) => {
                        let first = first(e)?;
                        let what = format!("the {} pass is not finite", first.pass);
                        return Err(diverged(what, epoch, batch, Some(first)));
                    }
                };
                if let Some(max_norm) = self.clip_grad_norm {
                    clip_grad_norm(&*model, &mut grads, max_norm, 2.0)?;
                }
                optimizer.step(model, &grads)?;
                go_on(&mut follow, Every::Batch, optimizer)?;
                let done = Batch {
                    epoch,
                    batch,
                    batches: count,
                    loss: value,
                };
                let calls = self.callbacks.iter_mut();
                if stops(calls.map(|c| c.batch(&done, optimizer)))? {
                    stop = Stop::Callback;
                    place.batches = batch;
                    self.keep(place, &*model, optimizer, &follow, (&history, &best))?;
                    break 'training;
                }
            }
            let (train_loss, train_metric) = self.evaluate(model, &loss, train)?;
            let (test_loss, test_metric) = self.evaluate(model, &loss, test)?;
            if !train_loss.is_finite() {
                let what = format!("the loss became {train_loss}");
                return Err(diverged(what, epoch, count, None));
            }
            let measured = Epoch {
                epoch,
                train_loss,
                train_metric,
                test_loss,
                test_metric,
                lr: place.lr,
            };
            history.push(measured);
            go_on(&mut follow, Every::Epoch, optimizer)?;
            let better =
                (best.as_ref()).is_none_or(|best| test_loss < best.loss || best.loss.is_nan());
            if self.patience.is_some() && better {
                // Views: a parameter is copied when the next step writes it.
                let (loss, state) = (test_loss, model.state());
                best = Some(Best { epoch, loss, state });
            }
            place.epochs = epoch;
            let calls = self.callbacks.iter_mut();
            let stopped = stops(calls.map(|c| c.epoch(&measured, optimizer)))?;
            self.keep(place, &*model, optimizer, &follow, (&history, &best))?;
            if stopped || self.gives_up(best.as_ref(), epoch) {
                stop = if stopped {
                    Stop::Callback
                } else {
                    Stop::Patience
                };
                break;
            }
        }
        let chosen = best.as_ref().map(|best| best.epoch);
        if let Some(best) = best {
            model.load_state(&best.state)?;
        }
        Ok(Trained {
            history,
            stop,
            best: chosen,
        })
    }

    /// The batches of one epoch.
    fn draw(
        &self,
        train: &Dataset<Y>,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<std::vec::IntoIter<Dataset<Y>>> {
        match self.drop_rest {
            true => train.full_batches(self.batch_size, rng),
            false => train.batches(self.batch_size, rng),
        }
    }

    /// Draws what the finished epochs of a run drew, so that the next one draws what it would have drawn.
    fn draw_again(
        &self,
        path: &Path,
        place: Place,
        train: &Dataset<Y>,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<()> {
        let mut last = None;
        for _ in 0..place.epochs {
            last = Some(fingerprint(self.draw(train, rng)?.as_slice()));
        }
        match last {
            // In the midst of an epoch it is that one whose order was kept.
            Some(drawn) if place.batches == 0 => check_order(path, place.drawn, drawn),
            _ => Ok(()),
        }
    }

    /// Whether the last of so many finished epochs lies too far behind the best one.
    fn gives_up(&self, best: Option<&Best>, epochs: usize) -> bool {
        self.patience
            .zip(best)
            .is_some_and(|(patience, best)| epochs - best.epoch >= patience)
    }

    /// Writes the run, if it is to be written.
    fn keep(
        &self,
        place: Place,
        model: &dyn Module<f32>,
        optimizer: &dyn Optimizer<f32>,
        follow: &Option<(Scheduler, Every)>,
        (history, best): (&History, &Option<Best>),
    ) -> Result<()> {
        let Some(path) = &self.checkpoint else {
            return Ok(());
        };
        let best = best.as_ref();
        let kept = Kept {
            place,
            history,
            best,
        };
        let scheduler = follow.as_ref().map(|(scheduler, _)| scheduler);
        keep::write(path, model, optimizer, scheduler, &kept)
    }

    fn tape(&self) -> Tape<f32> {
        if self.anomaly {
            Tape::with_anomaly()
        } else {
            Tape::new()
        }
    }

    /// Loss and metric on `data`.
    fn evaluate(
        &self,
        model: &dyn Module<f32>,
        loss: &impl Fn(&Var<f32>, &Tensor<Y>) -> Result<Var<f32>>,
        data: &Dataset<Y>,
    ) -> Result<(f64, f64)> {
        let outputs = predict(model, &data.x)?;
        let metric = (self.metric.1)(&outputs, &data.y)?;
        Ok((
            f64::from(loss(&Var::from(outputs), &data.y)?.item()?),
            metric,
        ))
    }
}

/// The outputs of `model` for all rows of `x`, computed some hundred at a time, so that what lies between its layers
/// takes little memory. Nothing is recorded.
///
/// ```
/// use nn::prelude::*;
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let model = Linear::new(4, 3, &mut rng)?;
/// assert_eq!(predict(&model, &Tensor::zeros([1000, 4])?)?.shape(), [1000, 3]);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// Whatever the model returns.
pub fn predict(model: &dyn Module<f32>, x: &Tensor<f32>) -> Result<Tensor<f32>> {
    const ROWS: usize = 512;
    let forward = |x: &Tensor<f32>| Ok(model.forward(&Var::from(x))?.into_value());
    if x.shape().first().is_none_or(|&n| n <= ROWS) {
        return forward(x);
    }
    let parts: Vec<_> = x
        .split(ROWS, 0)?
        .iter()
        .map(forward)
        .collect::<Result<_>>()?;
    Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)
}

#[cfg(test)]
mod tests;
