use super::memory::{Memory, Update};
use super::{Optimizer, Tunable, below_one, not_negative, optimizer, options};
use crate::module::Parts;
use crate::state::State;
use losses::Result;
use losses::autograd::{Float, Gradients};

/// Steps of one length in each element: the sign of a running mean of the gradient.
///
/// With gradient `g`, parameter `p`, decay rates `β₁` and `β₂` and weight decay `λ`:
///
/// ```text
/// p ← p - lr (sign(β₁ m + (1 - β₁) g) + λ p)        with maximize, -g for g
/// m ← β₂ m + (1 - β₂) g
/// ```
///
/// The learning rate should be three to ten times smaller than for [`Adam`](super::Adam), the weight decay as much
/// larger.
///
/// ```
/// use nn::prelude::*;
/// let mut model = Linear { weight: Param::new(Tensor::from([[3.0f64]])), bias: None };
/// let y = model.forward(&Tape::new().input(Tensor::from([[1.0]])))?;
/// let grads = y.square().backward()?;
/// Lion::new(0.5).step(&mut model, &grads)?;
/// assert_eq!(model.weight.value().item()?, 2.5);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// A step fails with [`Error::Option`](crate::Error::Option) if an option is negative or not finite, or if a decay
/// rate is 1 or above.
/// # Reference
/// Chen et al. 2023, *Symbolic Discovery of Optimization Algorithms*, arXiv:2302.06675.
/// # Differs from PyTorch
/// PyTorch has none; numbers agree with `optax.lion`.
#[derive(Clone, Debug)]
pub struct Lion<T: Float> {
    lr: f64,
    betas: (f64, f64),
    weight_decay: f64,
    maximize: bool,
    memory: Memory<T>,
}

impl<T: Float> Lion<T> {
    /// With learning rate `lr`; the paper's default is 0.0001.
    pub fn new(lr: f64) -> Self {
        Lion {
            lr,
            betas: (0.9, 0.99),
            weight_decay: 0.0,
            maximize: false,
            memory: Memory::default(),
        }
    }

    /// `β₁` and `β₂`. Default: 0.9 and 0.99.
    #[must_use]
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        Lion {
            betas: (beta1, beta2),
            ..self
        }
    }

    options! {
        /// `λ`. Default: 0.
        weight_decay: f64;
        /// Whether to climb instead of to descend. Default: no.
        maximize: bool;
    }

    fn op(&self) -> &'static str {
        "lion"
    }

    fn buffers(&self) -> &'static [&'static str] {
        &BUFFERS
    }

    fn ranges(&self) -> Result<()> {
        let op = self.op();
        not_negative(op, "lr", self.lr)?;
        below_one(op, "beta1", self.betas.0)?;
        below_one(op, "beta2", self.betas.1)?;
        not_negative(op, "weight_decay", self.weight_decay)
    }

    fn update(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) {
        let (beta1, beta2) = self.betas;
        let rates = Rates {
            sign: T::of(if self.maximize { -1.0 } else { 1.0 }),
            lr: T::of(self.lr),
            decay: T::of(self.weight_decay),
            beta: [beta1, beta2].map(T::of),
            rest: [1.0 - beta1, 1.0 - beta2].map(T::of),
        };
        self.memory.step(model, grads, BUFFERS, T::ZERO, |_| rates);
    }
}

optimizer!(Lion, momentum = betas.0);

/// What is remembered of a parameter.
const BUFFERS: [&str; 1] = ["exp_avg"];

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Rates<T> {
    sign: T,
    lr: T,
    decay: T,
    beta: [T; 2],
    rest: [T; 2],
}

impl<T: Float> Update<T, 1> for Rates<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [m]: &mut [T; 1]) -> T {
        let g = self.sign * g;
        let mean = self.beta[0] * *m + self.rest[0] * g;
        *m = self.beta[1] * *m + self.rest[1] * g;
        // A mean of 0 moves nothing, and NaN stays NaN.
        let step = if mean > T::ZERO {
            T::ONE
        } else if mean < T::ZERO {
            -T::ONE
        } else {
            mean
        };
        p - self.lr * (step + self.decay * p)
    }
}
