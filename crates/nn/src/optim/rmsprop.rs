use super::memory::{MOMENTUM_BUFFER, Memory, Update};
use super::{Optimizer, Tunable, below_one, not_negative, optimizer, options};
use crate::module::Parts;
use crate::state::State;
use losses::Result;
use losses::autograd::{Float, Gradients};

/// Steps scaled by a running mean of the gradient's square.
///
/// With gradient `g`, parameter `p`, decay rate `α`, momentum `μ` and weight decay `λ`:
///
/// ```text
/// g ← g + λ p                 with maximize, -g + λ p
/// v ← α v + (1 - α) g²
/// a ← a + (1 - α) (g - a),  w = v - a²      if centered; else w = v
/// b ← μ b + g / (√w + ε)
/// p ← p - lr b
/// ```
///
/// ```
/// use nn::prelude::*;
/// // At first v is (1 - α) g²: the step is lr / √(1 - α) long, whatever the slope.
/// let mut model = Linear { weight: Param::new(Tensor::from([[3.0f64]])), bias: None };
/// let y = model.forward(&Tape::new().input(Tensor::from([[1.0]])))?;
/// let grads = y.square().backward()?;
/// RmsProp::new(0.1).step(&mut model, &grads)?;
/// assert!((model.weight.value().item()? - 2.0).abs() < 1e-7);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// A step fails with [`Error::Option`](crate::Error::Option) if an option is negative or not finite, or if `α` is 1
/// or above.
/// # Reference
/// Tieleman and Hinton 2012, lecture 6.5 of *Neural Networks for Machine Learning*; Graves 2013, arXiv:1308.0850, for
/// `centered`; PyTorch, [`torch.optim.RMSprop`](https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html).
/// # Differs from PyTorch
/// The centered `w` is never below 0; there rounding makes it so for gradients that stay the same, and parameters NaN.
#[derive(Clone, Debug)]
pub struct RmsProp<T: Float> {
    lr: f64,
    alpha: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    centered: bool,
    maximize: bool,
    memory: Memory<T>,
}

impl<T: Float> RmsProp<T> {
    /// With learning rate `lr`; PyTorch's default is 0.01.
    pub fn new(lr: f64) -> Self {
        RmsProp {
            lr,
            alpha: 0.99,
            eps: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            centered: false,
            maximize: false,
            memory: Memory::default(),
        }
    }

    options! {
        /// `α`. Default: 0.99.
        alpha: f64;
        /// `ε`, which keeps the denominator above 0. Default: 1e-8.
        eps: f64;
        /// `λ`. Default: 0.
        weight_decay: f64;
        /// `μ`. Default: 0.
        momentum: f64;
        /// Whether the square of the mean is taken from the mean square. Default: no.
        centered: bool;
        /// Whether to climb instead of to descend. Default: no.
        maximize: bool;
    }

    fn op(&self) -> &'static str {
        "rmsprop"
    }

    fn buffers(&self) -> &'static [&'static str] {
        if self.centered {
            &[SQUARE_AVG, GRAD_AVG, MOMENTUM_BUFFER]
        } else {
            &[SQUARE_AVG, MOMENTUM_BUFFER]
        }
    }

    fn ranges(&self) -> Result<()> {
        let op = self.op();
        not_negative(op, "lr", self.lr)?;
        below_one(op, "alpha", self.alpha)?;
        not_negative(op, "eps", self.eps)?;
        not_negative(op, "weight_decay", self.weight_decay)?;
        not_negative(op, "momentum", self.momentum)
    }

    fn update(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) {
        let rates = Rates {
            sign: T::of(if self.maximize { -1.0 } else { 1.0 }),
            lr: T::of(self.lr),
            decay: T::of(self.weight_decay),
            alpha: T::of(self.alpha),
            rest: T::of(1.0 - self.alpha),
            eps: T::of(self.eps),
            momentum: T::of(self.momentum),
        };
        let (memory, zero) = (&mut self.memory, T::ZERO);
        match (self.centered, self.momentum > 0.0) {
            (false, false) => memory.step(model, grads, [SQUARE_AVG], zero, |_| Plain(rates)),
            (true, false) => {
                let names = [SQUARE_AVG, GRAD_AVG];
                memory.step(model, grads, names, zero, |_| Centered(rates))
            }
            (false, true) => {
                let names = [SQUARE_AVG, MOMENTUM_BUFFER];
                memory.step(model, grads, names, zero, |_| Heavy(rates))
            }
            (true, true) => {
                let names = [SQUARE_AVG, GRAD_AVG, MOMENTUM_BUFFER];
                memory.step(model, grads, names, zero, |_| Both(rates))
            }
        }
    }
}

optimizer!(RmsProp, momentum = momentum);

/// The mean of squared gradients.
const SQUARE_AVG: &str = "square_avg";
/// The mean of gradients.
const GRAD_AVG: &str = "grad_avg";

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Rates<T> {
    sign: T,
    lr: T,
    decay: T,
    alpha: T,
    rest: T,
    eps: T,
    momentum: T,
}

impl<T: Float> Rates<T> {
    #[inline(always)]
    fn step(&self, p: T, g: T, v: &mut T, a: Option<&mut T>, b: Option<&mut T>) -> T {
        let g = self.sign * g + self.decay * p;
        *v = self.alpha * *v + self.rest * g * g;
        let spread = match a {
            None => *v,
            Some(a) => {
                *a = *a + self.rest * (g - *a);
                // The variance; where both are nearly the same it is 0, and not what rounding leaves below it.
                (*v - *a * *a).max_(T::ZERO)
            }
        };
        let step = g / (spread.sqrt_() + self.eps);
        match b {
            None => p - self.lr * step,
            Some(b) => {
                *b = self.momentum * *b + step;
                p - self.lr * *b
            }
        }
    }
}

/// The four kinds, told apart by type, so that each has a loop of its own.
#[derive(Clone, Copy)]
struct Plain<T>(Rates<T>);
#[derive(Clone, Copy)]
struct Centered<T>(Rates<T>);
#[derive(Clone, Copy)]
struct Heavy<T>(Rates<T>);
#[derive(Clone, Copy)]
struct Both<T>(Rates<T>);

impl<T: Float> Update<T, 1> for Plain<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [v]: &mut [T; 1]) -> T {
        self.0.step(p, g, v, None, None)
    }
}
impl<T: Float> Update<T, 2> for Centered<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [v, a]: &mut [T; 2]) -> T {
        self.0.step(p, g, v, Some(a), None)
    }
}
impl<T: Float> Update<T, 2> for Heavy<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [v, b]: &mut [T; 2]) -> T {
        self.0.step(p, g, v, None, Some(b))
    }
}
impl<T: Float> Update<T, 3> for Both<T> {
    #[inline(always)]
    fn apply(&self, p: T, g: T, [v, a, b]: &mut [T; 3]) -> T {
        self.0.step(p, g, v, Some(a), Some(b))
    }
}
