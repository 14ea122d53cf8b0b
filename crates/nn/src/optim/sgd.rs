use super::{Optimizer, check, each_block, each_param, not_negative};
use crate::module::Module;
use losses::autograd::{Float, Gradients};
use losses::tensor_core::kernel::{Isa, Kernel, dispatch};
use losses::{Error, Result};
use std::collections::HashMap;

/// Gradient descent, with momentum if asked for.
///
/// With gradient `g`, parameter `p`, momentum `μ`, dampening `τ` and weight decay `λ`:
///
/// ```text
/// g ← g + λ p
/// b ← μ b + (1 - τ) g         b = g in the first step; only if μ is not 0
/// g ← g + μ b  or  g ← b      with Nesterov's momentum, or without
/// p ← p - lr g
/// ```
///
/// ```
/// use nn::prelude::*;
/// let mut model = Linear { weight: Param::new(Tensor::from([[1.0f64]])), bias: None };
/// let mut sgd = Sgd::new(0.1).momentum(0.5);
/// for expected in [0.8, 0.54] {
///     // The slope of w² is 2 w: 2, then 1.6; with momentum the second step is 0.1 (1.6 + 0.5 · 2).
///     let y = model.forward(&Tape::new().input(Tensor::from([[1.0]])))?;
///     let grads = y.square().backward()?;
///     sgd.step(&mut model, &grads)?;
///     assert!((model.weight.value().item()? - expected).abs() < 1e-15);
/// }
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// A step fails with [`Error::Option`] if an option is negative or not finite, or if Nesterov's momentum is asked
/// for without momentum or with dampening.
/// # Reference
/// PyTorch, [`torch.optim.SGD`](https://pytorch.org/docs/stable/generated/torch.optim.SGD.html); Sutskever et al.
/// 2013, *On the importance of initialization and momentum in deep learning*.
#[derive(Clone, Debug)]
pub struct Sgd<T: Float> {
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    /// `b` of each parameter, by its id.
    buffers: HashMap<u64, Vec<T>>,
}

impl<T: Float> Sgd<T> {
    /// Plain gradient descent with learning rate `lr`.
    pub fn new(lr: f64) -> Self {
        Sgd {
            lr,
            momentum: 0.0,
            dampening: 0.0,
            weight_decay: 0.0,
            nesterov: false,
            buffers: HashMap::new(),
        }
    }

    /// `μ`, the share of the last step that is kept. Default: 0.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Self {
        Sgd { momentum, ..self }
    }

    /// `τ`, the share of the gradient that momentum leaves out. Default: 0.
    #[must_use]
    pub fn dampening(self, dampening: f64) -> Self {
        Sgd { dampening, ..self }
    }

    /// `λ`, the weight of `½ p²` that is added to the loss. Default: 0.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Sgd {
            weight_decay,
            ..self
        }
    }

    /// Whether momentum is Nesterov's. Default: no.
    #[must_use]
    pub fn nesterov(self, nesterov: bool) -> Self {
        Sgd { nesterov, ..self }
    }

    fn check(&self) -> Result<()> {
        not_negative("sgd", "lr", self.lr)?;
        not_negative("sgd", "momentum", self.momentum)?;
        not_negative("sgd", "weight_decay", self.weight_decay)?;
        let finite = self.dampening.is_finite();
        check(
            "sgd",
            "dampening",
            self.dampening,
            finite,
            "it must be finite",
        )?;
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(Error::Option {
                op: "sgd",
                name: "nesterov",
                value: "true".into(),
                expected: "it needs a momentum above 0 and no dampening",
            });
        }
        Ok(())
    }
}

impl<T: Float> Optimizer<T> for Sgd<T> {
    fn step(&mut self, model: &mut dyn Module<T>, grads: &Gradients<T>) -> Result<()> {
        self.check()?;
        let [lr, decay, momentum] = [self.lr, self.weight_decay, self.momentum].map(T::of);
        each_param(model, grads, |id, p, grad| {
            if self.momentum == 0.0 {
                return each_block(&grad, |at, g| {
                    let p = &mut p[at];
                    dispatch(Plain { p, g, lr, decay })
                });
            }
            // The first step's buffer is the gradient itself: there is nothing to keep, and nothing is dampened.
            let first = !self.buffers.contains_key(&id);
            let share = T::of(if first { 1.0 } else { 1.0 - self.dampening });
            let buffer = self
                .buffers
                .entry(id)
                .or_insert_with(|| vec![T::ZERO; p.len()]);
            each_block(&grad, |at, g| {
                dispatch(Heavy {
                    p: &mut p[at.clone()],
                    g,
                    b: &mut buffer[at],
                    lr,
                    decay,
                    momentum,
                    share,
                    nesterov: self.nesterov,
                })
            })
        });
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }
}

/// The step without momentum, for one parameter.
struct Plain<'a, T> {
    p: &'a mut [T],
    g: &'a [T],
    lr: T,
    decay: T,
}

impl<T: Float> Kernel for Plain<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        for (p, &g) in self.p.iter_mut().zip(self.g) {
            *p = *p - self.lr * (g + self.decay * *p);
        }
    }
}

/// The step with momentum, for one parameter.
struct Heavy<'a, T> {
    p: &'a mut [T],
    g: &'a [T],
    b: &'a mut [T],
    lr: T,
    decay: T,
    momentum: T,
    share: T,
    nesterov: bool,
}

impl<T: Float> Kernel for Heavy<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        for ((p, &g), b) in self.p.iter_mut().zip(self.g).zip(self.b) {
            let g = g + self.decay * *p;
            *b = self.momentum * *b + self.share * g;
            let step = if self.nesterov {
                g + self.momentum * *b
            } else {
                *b
            };
            *p = *p - self.lr * step;
        }
    }
}
