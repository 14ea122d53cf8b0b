//! L-BFGS: Newton's method with a curvature learned from the last steps.

mod objective;
mod wolfe;

use super::{KIND, Tunable, not_negative, options, same_kind};
use crate::module::Parts;
use crate::state::State;
use losses::autograd::Float;
use losses::{Error, Result, Tensor, Var};
use objective::{Objective, Problem, dot, largest};
use std::collections::VecDeque;

/// Newton's method with a curvature learned from the last steps: few iterations, each over all data.
///
/// It evaluates the loss as often as it needs to, so it takes the loss as a function of the model. One step makes up
/// to `max_iter` iterations. With `strong_wolfe` each goes as far as a line search says, and the method rarely needs a
/// hand; without it, each goes `lr` times the whole way.
///
/// ```
/// use nn::prelude::*;
/// // Least squares, of which y = 2 x - 1 is the solution.
/// let x = Tensor::from([[0.0f64], [1.0], [2.0]]);
/// let y = Var::from(Tensor::from([[-1.0], [1.0], [3.0]]));
/// let mut model = Linear {
///     weight: Param::new(Tensor::from([[0.0]])),
///     bias: Some(Param::new(Tensor::from([0.0]))),
/// };
/// let mut lbfgs = Lbfgs::new(1.0).strong_wolfe(true);
/// lbfgs.step_with(&mut model, |model| {
///     mse_loss(&model.forward(&Tape::new().input(x.clone()))?, &y)
/// })?;
/// assert!((model.weight.value().item()? - 2.0).abs() < 1e-4);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// Liu and Nocedal 1989, *On the Limited Memory BFGS Method for Large Scale Optimization*; Nocedal and Wright 2006,
/// *Numerical Optimization*, algorithms 3.5, 3.6 and 7.5; PyTorch,
/// [`torch.optim.LBFGS`](https://pytorch.org/docs/stable/generated/torch.optim.LBFGS.html), whose steps these are.
/// # Differs from PyTorch
/// A loss that is not finite at the start is an error, and in a line search a point that lies too far.
#[derive(Clone, Debug)]
pub struct Lbfgs<T: Float> {
    lr: f64,
    max_iter: u64,
    max_eval: Option<u64>,
    tolerance_grad: f64,
    tolerance_change: f64,
    history_size: u64,
    strong_wolfe: bool,
    maximize: bool,
    memory: Memory<T>,
}

/// What is kept from iteration to iteration.
#[derive(Clone, Debug)]
struct Memory<T> {
    /// Names and shapes of the parameters of the model that all this is of.
    model: String,
    iterations: u64,
    evaluations: u64,
    /// The last direction, and how far it went.
    direction: Vec<T>,
    length: f64,
    /// The last gradient.
    gradient: Vec<T>,
    loss: f64,
    /// The last changes of the gradient and of the parameters, oldest first.
    pairs: VecDeque<Pair<T>>,
    /// The scale of the first guess of the inverse Hessian.
    scale: f64,
}

/// How gradient and parameters changed in one iteration.
#[derive(Clone, Debug)]
struct Pair<T> {
    y: Vec<T>,
    s: Vec<T>,
    /// `1 / (y · s)`
    rho: f64,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Memory {
            model: String::new(),
            iterations: 0,
            evaluations: 0,
            direction: Vec::new(),
            length: 0.0,
            gradient: Vec::new(),
            loss: 0.0,
            pairs: VecDeque::new(),
            scale: 1.0,
        }
    }
}

impl<T: Float> Lbfgs<T> {
    /// With learning rate `lr`; PyTorch's default is 1.
    pub fn new(lr: f64) -> Self {
        Lbfgs {
            lr,
            max_iter: 20,
            max_eval: None,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history_size: 100,
            strong_wolfe: false,
            maximize: false,
            memory: Memory::default(),
        }
    }

    options! {
        /// How many iterations a step makes at most. Default: 20.
        max_iter: u64;
        /// A gradient with no larger element ends the step. Default: 1e-7.
        tolerance_grad: f64;
        /// A smaller change of loss or parameters ends the step. Default: 1e-9.
        tolerance_change: f64;
        /// How many changes of the gradient are remembered. Default: 100.
        history_size: u64;
        /// Whether to search along each direction for a point that meets the strong Wolfe conditions. Default: no.
        strong_wolfe: bool;
        /// Whether to climb instead of to descend. Default: no.
        maximize: bool;
    }

    /// How often a step evaluates the loss at most. Default: 1.25 times `max_iter`.
    #[must_use]
    pub fn max_eval(self, max_eval: u64) -> Self {
        Lbfgs {
            max_eval: Some(max_eval),
            ..self
        }
    }

    /// How often the loss was evaluated so far.
    pub fn evaluations(&self) -> u64 {
        self.memory.evaluations
    }

    /// Whether all options are in their ranges, which a step asks first.
    ///
    /// # Errors
    /// [`Error::Option`] that names the first that is not.
    pub fn check(&self) -> Result<()> {
        not_negative("lbfgs", "lr", self.lr)?;
        not_negative("lbfgs", "tolerance_grad", self.tolerance_grad)?;
        not_negative("lbfgs", "tolerance_change", self.tolerance_change)
    }

    /// Makes `model` better by up to `max_iter` iterations, and returns the loss that it had before. `loss` computes the
    /// loss of the model, on a tape of its own each time.
    ///
    /// # Errors
    /// [`Error::Option`] for an option outside its range; [`Error::Value`] for a loss or a gradient that is not finite
    /// at the start, or for a model whose parameters have other names or shapes than before, and then nothing is changed;
    /// whatever `loss` returns.
    pub fn step_with<M: Parts<T>>(
        &mut self,
        model: &mut M,
        loss: impl FnMut(&M) -> Result<Var<T>>,
    ) -> Result<f64> {
        self.check()?;
        self.belongs(described(model))?;
        let sign = if self.maximize { -1.0 } else { 1.0 };
        self.run(&mut Problem { model, loss, sign })
            .map(|f| sign * f)
    }

    fn run(&mut self, problem: &mut dyn Objective<T>) -> Result<f64> {
        let max_eval = self.max_eval.unwrap_or(self.max_iter.saturating_mul(5) / 4);
        let (mut loss, mut gradient) = problem.evaluate()?;
        let before = loss;
        let mut evaluations = 1;
        self.memory.evaluations += 1;
        self.starts_well(loss, &gradient)?;
        if largest(&gradient) <= self.tolerance_grad {
            return Ok(before);
        }
        for iteration in 1..=self.max_iter {
            let memory = &mut self.memory;
            memory.iterations += 1;
            let first = memory.iterations == 1;
            let direction = if first {
                gradient.iter().map(|&g| -g).collect()
            } else {
                memory.learn(&gradient, self.history_size as usize);
                memory.direction(&gradient)
            };
            memory.gradient.clone_from(&gradient);
            memory.loss = loss;
            let mut length = self.lr;
            if first {
                let sum: f64 = gradient.iter().map(|g| g.f64().abs()).sum();
                length *= f64::min(1.0, 1.0 / sum);
            }
            let slope = dot(&gradient, &direction);
            if slope > -self.tolerance_change {
                (memory.direction, memory.length) = (direction, length);
                break;
            }
            let mut more = 0;
            if self.strong_wolfe {
                let start = problem.place();
                let mut at = |t: f64| {
                    problem.add(t, &direction);
                    let found = problem.evaluate();
                    problem.set(&start);
                    found
                };
                let origin = wolfe::Point {
                    t: 0.0,
                    f: loss,
                    slope,
                    g: gradient,
                };
                let budget = max_eval.saturating_sub(evaluations);
                let (found, used) = wolfe::search(&mut at, origin, length, &direction, budget)?;
                (loss, gradient, length, more) = (found.f, found.g, found.t, used);
                problem.add(length, &direction);
            } else {
                problem.add(length, &direction);
                // After the last iteration no one asks for the loss.
                if iteration < self.max_iter {
                    (loss, gradient) = problem.evaluate()?;
                    more = 1;
                }
            }
            evaluations += more;
            memory.evaluations += more;
            let moved = largest(&direction) * length.abs();
            (memory.direction, memory.length) = (direction, length);
            if evaluations >= max_eval
                || largest(&gradient) <= self.tolerance_grad
                || moved <= self.tolerance_change
                || (loss - memory.loss).abs() < self.tolerance_change
            {
                break;
            }
        }
        Ok(before)
    }

    /// That `model` is the one of the steps before, if there were any.
    fn belongs(&mut self, model: String) -> Result<()> {
        let memory = &mut self.memory;
        if memory.iterations == 0 {
            memory.model = model;
        } else if memory.model != model {
            let value = format!("one of {model} after one of {}", memory.model);
            let expected = "an optimizer belongs to one model: make another one for this model";
            return wrong("the model", value, expected);
        }
        Ok(())
    }

    fn starts_well(&self, loss: f64, gradient: &[T]) -> Result<()> {
        if !loss.is_finite() {
            return wrong(
                "the loss",
                loss.to_string(),
                "it must be finite where a step begins",
            );
        }
        if let Some(g) = gradient.iter().find(|g| !g.finite()) {
            return wrong(
                "an element of the gradient",
                g.to_string(),
                "it must be finite where a step begins",
            );
        }
        let known = self.memory.gradient.len();
        if self.memory.iterations > 0 && known != gradient.len() {
            return wrong(
                "the state",
                format!("one of {known} numbers for {} of the model", gradient.len()),
                "it must be that of an optimizer of this model",
            );
        }
        Ok(())
    }

    /// All that was remembered, and the learning rate. Options are not in it.
    pub fn state(&self) -> State<T> {
        let memory = &self.memory;
        let mut state = State::new();
        let mut keep = |name: &str, x: &[T]| {
            if let Ok(x) = Tensor::from_slice(x, x.len()) {
                state.set_tensor(name, x);
            }
        };
        keep("direction", &memory.direction);
        keep("gradient", &memory.gradient);
        for (i, pair) in memory.pairs.iter().enumerate() {
            keep(&format!("y.{i}"), &pair.y);
            keep(&format!("s.{i}"), &pair.s);
        }
        for (i, pair) in memory.pairs.iter().enumerate() {
            state.set_note(&format!("rho.{i}"), pair.rho);
        }
        for (name, value) in [
            ("length", memory.length),
            ("loss", memory.loss),
            ("scale", memory.scale),
            ("lr", self.lr),
        ] {
            state.set_note(name, value);
        }
        state.set_note(KIND, "lbfgs");
        state.set_note("model", &memory.model);
        state.set_note("pairs", memory.pairs.len());
        state.set_note("iterations", memory.iterations);
        state.set_note("evaluations", memory.evaluations);
        state
    }

    /// Takes over what [`state`](Lbfgs::state) of an optimizer with the same options gave: a run goes on as if it had
    /// never been interrupted, bit for bit.
    ///
    /// # Errors
    /// [`Error::Value`] for the state of another kind of optimizer.
    pub fn load_state(&mut self, state: &State<T>) -> Result<()> {
        same_kind("lbfgs", state)?;
        let gradient = state
            .tensor("gradient")
            .map(Tensor::to_vec)
            .unwrap_or_default();
        let vector = |name: &str| match state.tensor(name) {
            Some(x) if x.numel() == gradient.len() => Ok(x.to_vec()),
            _ => wrong(
                "the state",
                format!("one with no vector {name} as long as its gradient"),
                "it must be that of an optimizer of the same kind",
            ),
        };
        let pair = |i: usize| {
            Ok(Pair {
                y: vector(&format!("y.{i}"))?,
                s: vector(&format!("s.{i}"))?,
                rho: state.parse_note(&format!("rho.{i}"))?,
            })
        };
        let memory = Memory {
            model: state.parse_note("model")?,
            iterations: state.parse_note("iterations")?,
            evaluations: state.parse_note("evaluations")?,
            direction: vector("direction")?,
            length: state.parse_note("length")?,
            loss: state.parse_note("loss")?,
            pairs: (0..state.parse_note("pairs")?)
                .map(pair)
                .collect::<Result<_>>()?,
            scale: state.parse_note("scale")?,
            gradient,
        };
        let lr = state.parse_note("lr")?;
        not_negative("lbfgs", "lr", lr)?;
        (self.lr, self.memory) = (lr, memory);
        Ok(())
    }
}

/// Names and shapes of the parameters.
fn described<T: Float>(model: &dyn Parts<T>) -> String {
    let mut list = Vec::new();
    model.visit(&mut |name, p| list.push(format!("{name} {:?}", p.value().shape())));
    list.join(", ")
}

fn wrong<R>(what: &'static str, value: String, expected: &'static str) -> Result<R> {
    Err(Error::Value {
        op: "lbfgs",
        what,
        at: [].into_iter().collect(),
        value,
        expected,
    })
}

impl<T: Float> Memory<T> {
    /// Remembers how the gradient changed over the last iteration.
    fn learn(&mut self, gradient: &[T], history: usize) {
        let y: Vec<T> = (gradient.iter().zip(&self.gradient))
            .map(|(&a, &b)| a - b)
            .collect();
        let length = T::of(self.length);
        let s: Vec<T> = self.direction.iter().map(|&d| d * length).collect();
        let ys = dot(&y, &s);
        // Without curvature along the step nothing is learned of it.
        if ys > 1e-10 {
            self.scale = ys / dot(&y, &y);
            if self.pairs.len() >= history {
                self.pairs.pop_front();
            }
            self.pairs.push_back(Pair {
                y,
                s,
                rho: 1.0 / ys,
            });
        }
    }

    /// The negative gradient times the inverse Hessian that the pairs stand for, by the two loops of the method.
    fn direction(&self, gradient: &[T]) -> Vec<T> {
        let mut q: Vec<T> = gradient.iter().map(|&g| -g).collect();
        let add = |q: &mut Vec<T>, x: &[T], factor: f64| {
            let factor = T::of(factor);
            for (q, &x) in q.iter_mut().zip(x) {
                *q = *q + x * factor;
            }
        };
        let mut parts = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let part = dot(&pair.s, &q) * pair.rho;
            add(&mut q, &pair.y, -part);
            parts.push(part);
        }
        let scale = T::of(self.scale);
        q.iter_mut().for_each(|q| *q = *q * scale);
        for (pair, part) in self.pairs.iter().zip(parts.into_iter().rev()) {
            let back = dot(&pair.y, &q) * pair.rho;
            add(&mut q, &pair.s, part - back);
        }
        q
    }
}

impl<T: Float> Tunable for Lbfgs<T> {
    fn lrs(&self) -> Vec<f64> {
        vec![self.lr]
    }
    fn set_lrs(&mut self, lrs: &[f64]) {
        self.lr = lrs.first().copied().unwrap_or(f64::NAN);
    }
}
