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
use losses::autograd::{Gradients, Tape};
use losses::tensor_core::Anomaly;
use losses::{Error, Result, Tensor, Var};
use rand::Rng;

/// Whether training goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Go,
    /// It ends here.
    Stop,
}

/// One step of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batch {
    /// The pass over the training part, from 1.
    pub epoch: usize,
    /// Which batch of the pass, from 1.
    pub batch: usize,
    /// How many batches the pass has.
    pub batches: usize,
    /// The loss before the step.
    pub loss: f64,
}

/// What is called while training runs: a progress bar, a learning rate of one's own, a condition to stop.
///
/// ```
/// use nn::prelude::*;
/// use nn::trainer::{Callback, Flow};
///
/// /// Halves the learning rate every ten epochs.
/// struct Halving;
///
/// impl Callback for Halving {
///     fn epoch(&mut self, epoch: &Epoch, optimizer: &mut dyn Optimizer<f32>) -> Result<Flow> {
///         if epoch.epoch.is_multiple_of(10) {
///             optimizer.set_lr(optimizer.lr() / 2.0);
///         }
///         Ok(Flow::Go)
///     }
/// }
/// ```
pub trait Callback {
    /// After each step.
    ///
    /// # Errors
    /// Its own, which end the training.
    fn batch(&mut self, _batch: &Batch, _optimizer: &mut dyn Optimizer<f32>) -> Result<Flow> {
        Ok(Flow::Go)
    }

    /// After each pass over the training part, once it is measured.
    ///
    /// # Errors
    /// Its own, which end the training.
    fn epoch(&mut self, _epoch: &Epoch, _optimizer: &mut dyn Optimizer<f32>) -> Result<Flow> {
        Ok(Flow::Go)
    }
}

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

impl<'a> Trainer<'a> {
    /// For classes: `epochs` passes in batches of 32, measured by the accuracy of the highest logit.
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
    /// [`Error::Diverged`] as soon as the loss is infinite or NaN, before the step that would spread it, with the
    /// operation where it began;
    /// [`Error::Option`] for a batch size of 0; whatever model, loss, optimizer and callbacks return.
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
        let mut go_on = |every, optimizer: &mut dyn Optimizer<f32>| match &mut follow {
            Some((scheduler, e)) if *e == every => scheduler.step(optimizer),
            _ => Ok(()),
        };
        let mut stop = Stop::Done;
        'training: for epoch in 1..=self.epochs {
            let lr = optimizer.lr();
            let batches = match self.drop_rest {
                true => train.full_batches(self.batch_size, rng)?,
                false => train.batches(self.batch_size, rng)?,
            };
            let count = batches.len();
            for (batch, rows) in (1..).zip(batches) {
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
                go_on(Every::Batch, optimizer)?;
                let done = Batch {
                    epoch,
                    batch,
                    batches: count,
                    loss: value,
                };
                let calls = self.callbacks.iter_mut();
                if stops(calls.map(|c| c.batch(&done, optimizer)))? {
                    stop = Stop::Callback;
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
                lr,
            };
            history.push(measured);
            go_on(Every::Epoch, optimizer)?;
            let calls = self.callbacks.iter_mut();
            if stops(calls.map(|c| c.epoch(&measured, optimizer)))? {
                stop = Stop::Callback;
                break;
            }
            if let Some(patience) = self.patience {
                if best.as_ref().is_none_or(|best| test_loss < best.loss) {
                    // Views: a parameter is copied when the next step writes it.
                    let (loss, state) = (test_loss, model.state());
                    best = Some(Best { epoch, loss, state });
                }
                if best
                    .as_ref()
                    .is_some_and(|best| epoch - best.epoch >= patience)
                {
                    stop = Stop::Patience;
                    break;
                }
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

/// Whether one of the calls says stop; all are made, up to the first error.
fn stops(calls: impl Iterator<Item = Result<Flow>>) -> Result<bool> {
    let mut stop = false;
    for flow in calls {
        stop |= flow? == Flow::Stop;
    }
    Ok(stop)
}

/// The loss of some rows, and its gradients.
fn gradients<Y: Target>(
    tape: Tape<f32>,
    model: &dyn Module<f32>,
    loss: &impl Fn(&Var<f32>, &Tensor<Y>) -> Result<Var<f32>>,
    rows: &Dataset<Y>,
) -> Result<(f64, Gradients<f32>)> {
    let x = tape.input(rows.x.clone());
    let loss = loss(&model.forward(&x)?, &rows.y)?;
    Ok((f64::from(loss.item()?), loss.backward()?))
}

/// What a tape that looks for it has found; another error stays one.
fn first(error: Error) -> Result<Box<Anomaly>> {
    match error {
        Error::Anomaly(first) => Ok(first),
        other => Err(other),
    }
}

fn diverged(what: String, epoch: usize, batch: usize, first: Option<Box<Anomaly>>) -> Error {
    Error::Diverged {
        op: "fit",
        what,
        epoch,
        batch,
        mend: "lower the learning rate, clip the gradients, or look for extreme values in the data",
        first,
    }
}

#[cfg(test)]
mod tests;
