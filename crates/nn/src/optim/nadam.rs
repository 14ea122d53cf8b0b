use super::adam::Decay;
use super::memory::{Kept, Memory, Update};
use super::{Optimizer, Tunable, below_one, not_negative, optimizer, options};
use crate::module::Parts;
use crate::state::State;
use losses::Result;
use losses::autograd::{Float, Gradients};

/// [`Adam`](super::Adam) with Nesterov's momentum.
///
/// With gradient `g`, parameter `p`, decay rates `β₁` and `β₂`, momentum decay `ψ`, weight decay `λ` and `t` counting
/// the steps:
///
/// ```text
/// g ← g + λ p                 with maximize, -g + λ p; if decoupled, p ← p - lr λ p instead
/// μₜ = β₁ (1 - ½ 0.96^(t ψ)),  Πₜ = μ₁ … μₜ
/// m ← m + (1 - β₁) (g - m)
/// v ← β₂ v + (1 - β₂) g²
/// p ← p - lr ((1 - μₜ) / (1 - Πₜ) g + μₜ₊₁ / (1 - Πₜ₊₁) m) / (√(v / (1 - β₂ᵗ)) + ε)
/// ```
///
/// ```
/// use nn::prelude::*;
/// let mut model = Linear { weight: Param::new(Tensor::from([[3.0f64]])), bias: None };
/// let mut nadam = NAdam::new(0.1);
/// for _ in 0..300 {
///     let y = model.forward(&Tape::new().input(Tensor::from([[1.0]])))?;
///     let grads = y.square().backward()?;
///     nadam.step(&mut model, &grads)?;
/// }
/// assert!(model.weight.value().item()?.abs() < 1e-3);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// A step fails with [`Error::Option`](crate::Error::Option) if an option is negative or not finite, or if a decay
/// rate is 1 or above.
/// # Reference
/// Dozat 2016, *Incorporating Nesterov Momentum into Adam*; PyTorch,
/// [`torch.optim.NAdam`](https://pytorch.org/docs/stable/generated/torch.optim.NAdam.html), which the formula and the
/// defaults follow.
#[derive(Clone, Debug)]
pub struct NAdam<T: Float> {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    momentum_decay: f64,
    decoupled_weight_decay: bool,
    maximize: bool,
    memory: Memory<T>,
}

impl<T: Float> NAdam<T> {
    /// With learning rate `lr`; PyTorch's default is 0.002.
    pub fn new(lr: f64) -> Self {
        NAdam {
            lr,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            momentum_decay: 4e-3,
            decoupled_weight_decay: false,
            maximize: false,
            memory: Memory::default(),
        }
    }

    /// `β₁` and `β₂`. Default: 0.9 and 0.999.
    #[must_use]
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        NAdam {
            betas: (beta1, beta2),
            ..self
        }
    }

    options! {
        /// `ε`, which keeps the denominator above 0. Default: 1e-8.
        eps: f64;
        /// `λ`. Default: 0.
        weight_decay: f64;
        /// `ψ`, how fast the momentum comes up to `β₁`. Default: 0.004.
        momentum_decay: f64;
        /// Whether weight decay acts on the parameter itself, as in [`AdamW`](super::AdamW). Default: no.
        decoupled_weight_decay: bool;
        /// Whether to climb instead of to descend. Default: no.
        maximize: bool;
    }

    fn op(&self) -> &'static str {
        "nadam"
    }

    fn buffers(&self) -> &'static [&'static str] {
        &BUFFERS
    }

    fn ranges(&self) -> Result<()> {
        let op = self.op();
        not_negative(op, "lr", self.lr)?;
        below_one(op, "beta1", self.betas.0)?;
        below_one(op, "beta2", self.betas.1)?;
        not_negative(op, "eps", self.eps)?;
        not_negative(op, "weight_decay", self.weight_decay)?;
        not_negative(op, "momentum_decay", self.momentum_decay)
    }

    fn update(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) {
        let (lr, (beta1, beta2), eps, psi) = (self.lr, self.betas, self.eps, self.momentum_decay);
        let decay = Decay::new(
            lr,
            self.weight_decay,
            self.decoupled_weight_decay,
            self.maximize,
        );
        self.memory
            .step(model, grads, BUFFERS, T::ZERO, |kept: &mut Kept<T>| {
                let t = kept.step as f64;
                let mu = |t: f64| beta1 * (1.0 - 0.5 * 0.96f64.powf(t * psi));
                kept.product *= mu(t);
                let next = kept.product * mu(t + 1.0);
                Rates {
                    decay,
                    rest1: T::of(1.0 - beta1),
                    beta2: T::of(beta2),
                    rest2: T::of(1.0 - beta2),
                    bias: T::of(1.0 - beta2.powf(t)),
                    fresh: T::of(lr * (1.0 - mu(t)) / (1.0 - kept.product)),
                    mean: T::of(lr * mu(t + 1.0) / (1.0 - next)),
                    eps: T::of(eps),
                }
            });
    }
}

optimizer!(NAdam, momentum = betas.0);

/// What is remembered of a parameter.
const BUFFERS: [&str; 2] = ["exp_avg", "exp_avg_sq"];

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Rates<T> {
    decay: Decay<T>,
    rest1: T,
    beta2: T,
    rest2: T,
    bias: T,
    /// What the gradient at hand is multiplied by.
    fresh: T,
    /// What its running mean is multiplied by.
    mean: T,
    eps: T,
}

impl<T: Float> Update<T, 2> for Rates<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [m, v]: &mut [T; 2]) -> T {
        let (p, g) = self.decay.apply(p, g);
        *m = *m + self.rest1 * (g - *m);
        *v = self.beta2 * *v + self.rest2 * g * g;
        let denominator = (*v / self.bias).sqrt_() + self.eps;
        p - (self.fresh * g + self.mean * *m) / denominator
    }
}
