use super::memory::{Memory, Update};
use super::{Optimizer, Tunable, not_negative, optimizer, options};
use crate::module::Parts;
use crate::state::State;
use losses::Result;
use losses::autograd::{Float, Gradients};

/// Steps scaled by the sum of the squares of all gradients so far.
///
/// With gradient `g`, parameter `p`, learning-rate decay `η`, weight decay `λ` and `t` counting the steps:
///
/// ```text
/// g ← g + λ p                 with maximize, -g + λ p
/// s ← s + g²
/// p ← p - lr / (1 + (t - 1) η) · g / (√s + ε)
/// ```
///
/// ```
/// use nn::prelude::*;
/// // The first step is lr long, whatever the slope.
/// let mut model = Linear { weight: Param::new(Tensor::from([[3.0f64]])), bias: None };
/// let y = model.forward(&Tape::new().input(Tensor::from([[1.0]])))?;
/// let grads = y.square().backward()?;
/// Adagrad::new(0.1).step(&mut model, &grads)?;
/// assert!((model.weight.value().item()? - 2.9).abs() < 1e-8);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// A step fails with [`Error::Option`](crate::Error::Option) if an option is negative or not finite.
/// # Reference
/// Duchi, Hazan and Singer 2011, *Adaptive Subgradient Methods for Online Learning and Stochastic Optimization*;
/// PyTorch, [`torch.optim.Adagrad`](https://pytorch.org/docs/stable/generated/torch.optim.Adagrad.html).
#[derive(Clone, Debug)]
pub struct Adagrad<T: Float> {
    lr: f64,
    lr_decay: f64,
    weight_decay: f64,
    initial_accumulator_value: f64,
    eps: f64,
    maximize: bool,
    memory: Memory<T>,
}

impl<T: Float> Adagrad<T> {
    /// With learning rate `lr`; PyTorch's default is 0.01.
    pub fn new(lr: f64) -> Self {
        Adagrad {
            lr,
            lr_decay: 0.0,
            weight_decay: 0.0,
            initial_accumulator_value: 0.0,
            eps: 1e-10,
            maximize: false,
            memory: Memory::default(),
        }
    }

    options! {
        /// `η`. Default: 0.
        lr_decay: f64;
        /// `λ`. Default: 0.
        weight_decay: f64;
        /// What `s` is before the first step. Default: 0.
        initial_accumulator_value: f64;
        /// `ε`, which keeps the denominator above 0. Default: 1e-10.
        eps: f64;
        /// Whether to climb instead of to descend. Default: no.
        maximize: bool;
    }

    fn op(&self) -> &'static str {
        "adagrad"
    }

    fn buffers(&self) -> &'static [&'static str] {
        &BUFFERS
    }

    fn ranges(&self) -> Result<()> {
        let op = self.op();
        not_negative(op, "lr", self.lr)?;
        not_negative(op, "lr_decay", self.lr_decay)?;
        not_negative(op, "weight_decay", self.weight_decay)?;
        not_negative(
            op,
            "initial_accumulator_value",
            self.initial_accumulator_value,
        )?;
        not_negative(op, "eps", self.eps)
    }

    fn update(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) {
        let (lr, lr_decay) = (self.lr, self.lr_decay);
        let start = T::of(self.initial_accumulator_value);
        let (decay, eps) = (T::of(self.weight_decay), T::of(self.eps));
        let sign = T::of(if self.maximize { -1.0 } else { 1.0 });
        self.memory
            .step(model, grads, BUFFERS, start, |kept| Rates {
                sign,
                lr: T::of(lr / (1.0 + (kept.step - 1) as f64 * lr_decay)),
                decay,
                eps,
            });
    }
}

optimizer!(Adagrad);

/// What is remembered of a parameter.
const BUFFERS: [&str; 1] = ["sum"];

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Rates<T> {
    sign: T,
    lr: T,
    decay: T,
    eps: T,
}

impl<T: Float> Update<T, 1> for Rates<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [s]: &mut [T; 1]) -> T {
        let g = self.sign * g + self.decay * p;
        *s = *s + g * g;
        p - self.lr * (g / (s.sqrt_() + self.eps))
    }
}
