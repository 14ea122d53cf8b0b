use super::{Optimizer, check, each_block, each_param, not_negative};
use crate::module::Module;
use losses::Result;
use losses::autograd::{Float, Gradients};
use losses::tensor_core::kernel::{Isa, Kernel, dispatch};
use std::collections::HashMap;

/// Steps scaled by running means of the gradient and of its square.
///
/// With gradient `g`, parameter `p`, decay rates `β₁` and `β₂`, weight decay `λ` and `t` counting the steps:
///
/// ```text
/// g ← g + λ p
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
    op: &'static str,
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    /// Whether the decay acts on the parameter and not through the gradient.
    decoupled: bool,
    amsgrad: bool,
    states: HashMap<u64, State<T>>,
}

/// What is kept for one parameter.
#[derive(Clone, Debug)]
struct State<T> {
    t: i32,
    m: Vec<T>,
    v: Vec<T>,
    /// The largest `v` so far, for `amsgrad`.
    largest: Option<Vec<T>>,
}

impl<T: Float> Adam<T> {
    /// With learning rate `lr`; PyTorch's default is 0.001.
    pub fn new(lr: f64) -> Self {
        Adam {
            op: "adam",
            lr,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            amsgrad: false,
            states: HashMap::new(),
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

    /// `ε`, which keeps the denominator above 0. Default: 1e-8.
    #[must_use]
    pub fn eps(self, eps: f64) -> Self {
        Adam { eps, ..self }
    }

    /// `λ`. Default: 0.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Adam {
            weight_decay,
            ..self
        }
    }

    /// Whether to divide by the largest `v` so far. Default: no.
    #[must_use]
    pub fn amsgrad(self, amsgrad: bool) -> Self {
        Adam { amsgrad, ..self }
    }

    fn check(&self) -> Result<()> {
        not_negative(self.op, "lr", self.lr)?;
        for (name, beta) in [("beta1", self.betas.0), ("beta2", self.betas.1)] {
            let good = (0.0..1.0).contains(&beta);
            check(
                self.op,
                name,
                beta,
                good,
                "it must be at least 0 and below 1",
            )?;
        }
        not_negative(self.op, "eps", self.eps)?;
        not_negative(self.op, "weight_decay", self.weight_decay)
    }
}

impl<T: Float> Optimizer<T> for Adam<T> {
    fn step(&mut self, model: &mut dyn Module<T>, grads: &Gradients<T>) -> Result<()> {
        self.check()?;
        let (beta1, beta2) = self.betas;
        let decay = if self.decoupled {
            0.0
        } else {
            self.weight_decay
        };
        let keep = if self.decoupled {
            1.0 - self.lr * self.weight_decay
        } else {
            1.0
        };
        each_param(model, grads, |id, p, grad| {
            let zeros = || vec![T::ZERO; p.len()];
            let State { t, m, v, largest } = self.states.entry(id).or_insert_with(|| State {
                t: 0,
                m: zeros(),
                v: zeros(),
                largest: self.amsgrad.then(zeros),
            });
            *t = t.saturating_add(1);
            let rates = Rates {
                keep: T::of(keep),
                decay: T::of(decay),
                rest1: T::of(1.0 - beta1),
                beta2: T::of(beta2),
                rest2: T::of(1.0 - beta2),
                step: T::of(self.lr / (1.0 - beta1.powi(*t))),
                root: T::of((1.0 - beta2.powi(*t)).sqrt()),
                eps: T::of(self.eps),
            };
            each_block(&grad, |at, g| {
                let largest = largest.as_mut().map(|x| &mut x[at.clone()]);
                let (p, m, v) = (&mut p[at.clone()], &mut m[at.clone()], &mut v[at]);
                dispatch(Step {
                    p,
                    g,
                    m,
                    v,
                    largest,
                    rates,
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

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Rates<T> {
    /// What decoupled decay leaves of the parameter.
    keep: T,
    /// The decay that goes through the gradient.
    decay: T,
    rest1: T,
    beta2: T,
    rest2: T,
    step: T,
    root: T,
    eps: T,
}

impl<T: Float> Rates<T> {
    /// `p`, `m` and `v` after the gradient `g`; `bound` gives what stands under the root for the new `v`.
    #[inline(always)]
    fn apply(&self, p: T, g: T, m: T, v: T, bound: impl FnOnce(T) -> T) -> (T, T, T) {
        let g = g + self.decay * p;
        let m = m + self.rest1 * (g - m);
        let v = self.beta2 * v + self.rest2 * g * g;
        let denominator = bound(v).sqrt_() / self.root + self.eps;
        (self.keep * p - self.step * (m / denominator), m, v)
    }
}

/// The step for a run of elements, in one pass.
struct Step<'a, T> {
    p: &'a mut [T],
    g: &'a [T],
    m: &'a mut [T],
    v: &'a mut [T],
    largest: Option<&'a mut [T]>,
    rates: Rates<T>,
}

impl<T: Float> Kernel for Step<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let rates = self.rates;
        let all = self
            .p
            .iter_mut()
            .zip(self.g)
            .zip(self.m.iter_mut().zip(self.v));
        match self.largest {
            None => {
                for ((p, &g), (m, v)) in all {
                    (*p, *m, *v) = rates.apply(*p, g, *m, *v, |v| v);
                }
            }
            Some(largest) => {
                for (((p, &g), (m, v)), most) in all.zip(largest) {
                    (*p, *m, *v) = rates.apply(*p, g, *m, *v, |v| {
                        *most = most.max_(v);
                        *most
                    });
                }
            }
        }
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
            op: "adamw",
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
}

impl<T: Float> Optimizer<T> for AdamW<T> {
    fn step(&mut self, model: &mut dyn Module<T>, grads: &Gradients<T>) -> Result<()> {
        self.0.step(model, grads)
    }

    fn lr(&self) -> f64 {
        self.0.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.0.lr = lr;
    }
}
