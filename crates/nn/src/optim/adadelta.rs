use super::memory::{Memory, Update};
use super::{Optimizer, Tunable, below_one, not_negative, optimizer, options};
use crate::module::Parts;
use crate::state::State;
use losses::Result;
use losses::autograd::{Float, Gradients};

/// Steps as long as the recent ones, scaled by the recent gradients: there is no unit to choose.
///
/// With gradient `g`, parameter `p`, decay rate `ρ` and weight decay `λ`:
///
/// ```text
/// g ← g + λ p                 with maximize, -g + λ p
/// v ← ρ v + (1 - ρ) g²
/// d = √(u + ε) / √(v + ε) · g
/// u ← ρ u + (1 - ρ) d²
/// p ← p - lr d
/// ```
///
/// ```
/// use nn::prelude::*;
/// let mut model = Linear { weight: Param::new(Tensor::from([[3.0f64]])), bias: None };
/// let y = model.forward(&Tape::new().input(Tensor::from([[1.0]])))?;
/// let grads = y.square().backward()?;
/// Adadelta::new(1.0).step(&mut model, &grads)?;
/// // The slope is 6: v is 3.6, and the first step √1e-6 / √(3.6 + 1e-6) · 6.
/// assert!((model.weight.value().item()? - (3.0 - 1e-3 / 3.600001f64.sqrt() * 6.0)).abs() < 1e-12);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// A step fails with [`Error::Option`](crate::Error::Option) if an option is negative or not finite, or if `ρ` is 1
/// or above.
/// # Reference
/// Zeiler 2012, arXiv:1212.5701; PyTorch,
/// [`torch.optim.Adadelta`](https://pytorch.org/docs/stable/generated/torch.optim.Adadelta.html).
/// # Differs from PyTorch
/// `ρ = 1`, with which nothing is ever learned of the gradients, is refused.
#[derive(Clone, Debug)]
pub struct Adadelta<T: Float> {
    lr: f64,
    rho: f64,
    eps: f64,
    weight_decay: f64,
    maximize: bool,
    memory: Memory<T>,
}

impl<T: Float> Adadelta<T> {
    /// With learning rate `lr`; PyTorch's default is 1.
    pub fn new(lr: f64) -> Self {
        Adadelta {
            lr,
            rho: 0.9,
            eps: 1e-6,
            weight_decay: 0.0,
            maximize: false,
            memory: Memory::default(),
        }
    }

    options! {
        /// `ρ`. Default: 0.9.
        rho: f64;
        /// `ε`, which gives the first step its length. Default: 1e-6.
        eps: f64;
        /// `λ`. Default: 0.
        weight_decay: f64;
        /// Whether to climb instead of to descend. Default: no.
        maximize: bool;
    }

    fn op(&self) -> &'static str {
        "adadelta"
    }

    fn buffers(&self) -> &'static [&'static str] {
        &BUFFERS
    }

    fn ranges(&self) -> Result<()> {
        let op = self.op();
        not_negative(op, "lr", self.lr)?;
        below_one(op, "rho", self.rho)?;
        not_negative(op, "eps", self.eps)?;
        not_negative(op, "weight_decay", self.weight_decay)
    }

    fn update(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) {
        let rates = Rates {
            sign: T::of(if self.maximize { -1.0 } else { 1.0 }),
            lr: T::of(self.lr),
            decay: T::of(self.weight_decay),
            rho: T::of(self.rho),
            rest: T::of(1.0 - self.rho),
            eps: T::of(self.eps),
        };
        self.memory.step(model, grads, BUFFERS, T::ZERO, |_| rates);
    }
}

optimizer!(Adadelta);

/// What is remembered of a parameter.
const BUFFERS: [&str; 2] = ["square_avg", "acc_delta"];

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Rates<T> {
    sign: T,
    lr: T,
    decay: T,
    rho: T,
    rest: T,
    eps: T,
}

impl<T: Float> Update<T, 2> for Rates<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [v, u]: &mut [T; 2]) -> T {
        let g = self.sign * g + self.decay * p;
        *v = self.rho * *v + self.rest * g * g;
        let d = (*u + self.eps).sqrt_() / (*v + self.eps).sqrt_() * g;
        *u = self.rho * *u + self.rest * d * d;
        p - self.lr * d
    }
}
