use super::memory::{MOMENTUM_BUFFER, Memory, Update};
use super::{Optimizer, Tunable, check, not_negative, optimizer, options};
use crate::module::Parts;
use crate::state::State;
use losses::autograd::{Float, Gradients};
use losses::{Error, Result};

/// Gradient descent, with momentum if asked for.
///
/// With gradient `g`, parameter `p`, momentum `μ`, dampening `τ` and weight decay `λ`:
///
/// ```text
/// g ← g + λ p                 with maximize, -g + λ p
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
    maximize: bool,
    memory: Memory<T>,
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
            maximize: false,
            memory: Memory::default(),
        }
    }

    options! {
        /// `μ`, the share of the last step that is kept. Default: 0.
        momentum: f64;
        /// `τ`, the share of the gradient that momentum leaves out. Default: 0.
        dampening: f64;
        /// `λ`, the weight of `½ p²` that is added to the loss. Default: 0.
        weight_decay: f64;
        /// Whether momentum is Nesterov's. Default: no.
        nesterov: bool;
        /// Whether to climb instead of to descend. Default: no.
        maximize: bool;
    }

    fn op(&self) -> &'static str {
        "sgd"
    }

    fn buffers(&self) -> &'static [&'static str] {
        &BUFFERS
    }

    fn ranges(&self) -> Result<()> {
        let op = self.op();
        not_negative(op, "lr", self.lr)?;
        not_negative(op, "momentum", self.momentum)?;
        not_negative(op, "weight_decay", self.weight_decay)?;
        let finite = self.dampening.is_finite();
        check(op, "dampening", self.dampening, finite, "it must be finite")?;
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(Error::Option {
                op,
                name: "nesterov",
                value: "true".into(),
                expected: "it needs a momentum above 0 and no dampening",
            });
        }
        Ok(())
    }

    fn update(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) {
        let sign = if self.maximize { -1.0 } else { 1.0 };
        let [sign, lr, decay, momentum] =
            [sign, self.lr, self.weight_decay, self.momentum].map(T::of);
        if self.momentum == 0.0 {
            let plain = Plain { sign, lr, decay };
            return self.memory.step(model, grads, [], T::ZERO, |_| plain);
        }
        let (dampening, nesterov) = (self.dampening, self.nesterov);
        self.memory.step(model, grads, BUFFERS, T::ZERO, |kept| {
            // The first step's buffer is the gradient itself: there is nothing to keep, and nothing is dampened.
            let share = T::of(if kept.step == 1 { 1.0 } else { 1.0 - dampening });
            let plain = Plain { sign, lr, decay };
            Heavy {
                plain,
                momentum,
                share,
                nesterov,
            }
        });
    }
}

optimizer!(Sgd, momentum = momentum);

/// What is remembered of a parameter.
const BUFFERS: [&str; 1] = [MOMENTUM_BUFFER];

/// The step without momentum.
#[derive(Clone, Copy)]
struct Plain<T> {
    sign: T,
    lr: T,
    decay: T,
}

impl<T: Float> Update<T, 0> for Plain<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, _: &mut [T; 0]) -> T {
        p - self.lr * (self.sign * g + self.decay * p)
    }
}

/// The step with momentum.
#[derive(Clone, Copy)]
struct Heavy<T> {
    plain: Plain<T>,
    momentum: T,
    share: T,
    nesterov: bool,
}

impl<T: Float> Update<T, 1> for Heavy<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [b]: &mut [T; 1]) -> T {
        let g = self.plain.sign * g + self.plain.decay * p;
        *b = self.momentum * *b + self.share * g;
        let step = if self.nesterov {
            g + self.momentum * *b
        } else {
            *b
        };
        p - self.plain.lr * step
    }
}
