use super::memory::{Kept, Memory, Update};
use super::{Optimizer, Tunable, below_one, not_negative, optimizer, options};
use crate::module::Parts;
use crate::state::State;
use losses::Result;
use losses::autograd::{Float, Gradients};

/// Steps scaled by running means of the gradient and of its square.
///
/// With gradient `g`, parameter `p`, decay rates `β₁` and `β₂`, weight decay `λ` and `t` counting the steps:
///
/// ```text
/// g ← g + λ p                 with maximize, -g + λ p
/// m ← m + (1 - β₁) (g - m)
/// v ← β₂ v + (1 - β₂) g²
/// p ← p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)
/// ```
///
/// With `amsgrad` the largest `v` so far stands in the last line.
///
/// ```
/// use nn::prelude::*;
/// // The first step is lr long, whatever the slope.
/// let mut model = Linear { weight: Param::new(Tensor::from([[3.0f64]])), bias: None };
/// let y = model.forward(&Tape::new().input(Tensor::from([[1.0]])))?;
/// let grads = y.square().backward()?;
/// Adam::new(0.1).step(&mut model, &grads)?;
/// assert!((model.weight.value().item()? - 2.9).abs() < 1e-8);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// A step fails with [`Error::Option`](crate::Error::Option) if an option is negative or not finite, or if a decay
/// rate is 1 or above.
/// # Reference
/// Kingma and Ba 2014, arXiv:1412.6980; Reddi et al. 2018, arXiv:1904.09237, for `amsgrad`; PyTorch,
/// [`torch.optim.Adam`](https://pytorch.org/docs/stable/generated/torch.optim.Adam.html), which the formula and the
/// defaults follow.
#[derive(Clone, Debug)]
pub struct Adam<T: Float> {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    amsgrad: bool,
    maximize: bool,
    /// Whether the decay acts on the parameter and not through the gradient.
    decoupled: bool,
    memory: Memory<T>,
}

impl<T: Float> Adam<T> {
    /// With learning rate `lr`; PyTorch's default is 0.001.
    pub fn new(lr: f64) -> Self {
        Adam {
            lr,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            amsgrad: false,
            maximize: false,
            decoupled: false,
            memory: Memory::default(),
        }
    }

    /// `β₁` and `β₂`. Default: 0.9 and 0.999.
    #[must_use]
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        Adam {
            betas: (beta1, beta2),
            ..self
        }
    }

    options! {
        /// `ε`, which keeps the denominator above 0. Default: 1e-8.
        eps: f64;
        /// `λ`. Default: 0.
        weight_decay: f64;
        /// Whether to divide by the largest `v` so far. Default: no.
        amsgrad: bool;
        /// Whether to climb instead of to descend. Default: no.
        maximize: bool;
    }

    fn op(&self) -> &'static str {
        if self.decoupled { "adamw" } else { "adam" }
    }

    fn ranges(&self) -> Result<()> {
        let op = self.op();
        not_negative(op, "lr", self.lr)?;
        below_one(op, "beta1", self.betas.0)?;
        below_one(op, "beta2", self.betas.1)?;
        not_negative(op, "eps", self.eps)?;
        not_negative(op, "weight_decay", self.weight_decay)
    }

    fn update(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) {
        let (lr, (beta1, beta2), eps) = (self.lr, self.betas, self.eps);
        let decay = Decay::new(lr, self.weight_decay, self.decoupled, self.maximize);
        let rates = |kept: &mut Kept<T>| Rates {
            decay,
            rest1: T::of(1.0 - beta1),
            beta2: T::of(beta2),
            rest2: T::of(1.0 - beta2),
            step: T::of(lr / (1.0 - beta1.powf(kept.step as f64))),
            root: T::of((1.0 - beta2.powf(kept.step as f64)).sqrt()),
            eps: T::of(eps),
        };
        if self.amsgrad {
            (self.memory).step(model, grads, AMSGRAD_BUFFERS, T::ZERO, rates);
        } else {
            self.memory.step(model, grads, BUFFERS, T::ZERO, rates);
        }
    }

    fn buffers(&self) -> &'static [&'static str] {
        if self.amsgrad {
            &AMSGRAD_BUFFERS
        } else {
            &BUFFERS
        }
    }
}

optimizer!(Adam, momentum = betas.0);

/// What is remembered of a parameter.
const BUFFERS: [&str; 2] = ["exp_avg", "exp_avg_sq"];
/// The same with `amsgrad`.
const AMSGRAD_BUFFERS: [&str; 3] = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"];

/// How weight decay acts: through the gradient, or on the parameter alone.
#[derive(Clone, Copy)]
pub(super) struct Decay<T> {
    /// -1 to climb.
    sign: T,
    /// What decoupled decay leaves of the parameter.
    keep: T,
    /// The decay that goes through the gradient.
    coupled: T,
}

impl<T: Float> Decay<T> {
    pub(super) fn new(lr: f64, weight_decay: f64, decoupled: bool, maximize: bool) -> Self {
        let (keep, coupled) = if decoupled {
            (1.0 - lr * weight_decay, 0.0)
        } else {
            (1.0, weight_decay)
        };
        Decay {
            sign: T::of(if maximize { -1.0 } else { 1.0 }),
            keep: T::of(keep),
            coupled: T::of(coupled),
        }
    }

    /// Parameter and gradient with the decay in them.
    #[inline(always)]
    pub(super) fn apply(&self, p: T, g: T) -> (T, T) {
        (self.keep * p, self.sign * g + self.coupled * p)
    }
}

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Rates<T> {
    decay: Decay<T>,
    rest1: T,
    beta2: T,
    rest2: T,
    step: T,
    root: T,
    eps: T,
}

impl<T: Float> Rates<T> {
    /// Changes `m` and `v`, and gives the new `p`; `bound` gives what stands under the root for the new `v`.
    #[inline(always)]
    fn step(&self, p: T, g: T, m: &mut T, v: &mut T, bound: impl FnOnce(T) -> T) -> T {
        let (p, g) = self.decay.apply(p, g);
        *m = *m + self.rest1 * (g - *m);
        *v = self.beta2 * *v + self.rest2 * g * g;
        let denominator = bound(*v).sqrt_() / self.root + self.eps;
        p - self.step * (*m / denominator)
    }
}

impl<T: Float> Update<T, 2> for Rates<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [m, v]: &mut [T; 2]) -> T {
        self.step(p, g, m, v, |v| v)
    }
}

impl<T: Float> Update<T, 3> for Rates<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [m, v, most]: &mut [T; 3]) -> T {
        self.step(p, g, m, v, |v| {
            *most = most.max_(v);
            *most
        })
    }
}

/// [`Adam`] with weight decay that acts on the parameters themselves, apart from the gradient.
///
/// The first line of Adam's formula becomes `p ← p - lr λ p`.
///
/// ```
/// use nn::prelude::*;
/// // Where the slope is 0, decay alone is left: p becomes p (1 - lr λ).
/// let mut model = Linear { weight: Param::new(Tensor::from([[2.0f64]])), bias: None };
/// let y = model.forward(&Tape::new().input(Tensor::from([[0.0]])))?;
/// let grads = y.backward()?;
/// AdamW::new(0.1).weight_decay(0.5).step(&mut model, &grads)?;
/// assert!((model.weight.value().item()? - 1.9).abs() < 1e-15);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// Those of [`Adam`].
/// # Reference
/// Loshchilov and Hutter 2017, arXiv:1711.05101; PyTorch,
/// [`torch.optim.AdamW`](https://pytorch.org/docs/stable/generated/torch.optim.AdamW.html).
#[derive(Clone, Debug)]
pub struct AdamW<T: Float>(Adam<T>);

impl<T: Float> AdamW<T> {
    /// With learning rate `lr`; PyTorch's default is 0.001.
    pub fn new(lr: f64) -> Self {
        AdamW(Adam {
            decoupled: true,
            weight_decay: 0.01,
            ..Adam::new(lr)
        })
    }

    /// `β₁` and `β₂`. Default: 0.9 and 0.999.
    #[must_use]
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        AdamW(self.0.betas(beta1, beta2))
    }

    /// `ε`, which keeps the denominator above 0. Default: 1e-8.
    #[must_use]
    pub fn eps(self, eps: f64) -> Self {
        AdamW(self.0.eps(eps))
    }

    /// `λ`. Default: 0.01.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        AdamW(self.0.weight_decay(weight_decay))
    }

    /// Whether to divide by the largest `v` so far. Default: no.
    #[must_use]
    pub fn amsgrad(self, amsgrad: bool) -> Self {
        AdamW(self.0.amsgrad(amsgrad))
    }

    /// Whether to climb instead of to descend. Default: no.
    #[must_use]
    pub fn maximize(self, maximize: bool) -> Self {
        AdamW(self.0.maximize(maximize))
    }
}

impl<T: Float> Tunable for AdamW<T> {
    fn lrs(&self) -> Vec<f64> {
        self.0.lrs()
    }
    fn set_lrs(&mut self, lrs: &[f64]) {
        self.0.set_lrs(lrs);
    }
    fn momentum(&self) -> Option<f64> {
        self.0.momentum()
    }
    fn set_momentum(&mut self, momentum: f64) {
        self.0.set_momentum(momentum);
    }
}

impl<T: Float> Optimizer<T> for AdamW<T> {
    fn step(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) -> Result<()> {
        self.0.step(model, grads)
    }
    fn check(&self) -> Result<()> {
        self.0.check()
    }
    fn accepts(&self, model: &dyn Parts<T>, grads: &Gradients<T>) -> Result<()> {
        self.0.accepts(model, grads)
    }
    fn state(&self) -> State<T> {
        self.0.state()
    }
    fn load_state(&mut self, state: &State<T>) -> Result<()> {
        self.0.load_state(state)
    }
}
