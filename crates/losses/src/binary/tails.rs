//! The two tails of the logistic function, from one exponential.

use autograd::Float;
use autograd::tensor_core::kernel::Isa;

/// What losses of a logit `x` are made of; no part of it cancels or overflows.
#[derive(Clone, Copy)]
pub(super) struct Tails<T> {
    /// `σ(x)`: the probability of yes.
    pub p: T,
    /// `σ(-x) = 1 - p`: the probability of no.
    pub q: T,
    /// `-ln p`: what the label yes costs.
    pub yes: T,
    /// `-ln q`: what the label no costs.
    pub no: T,
}

impl<T: Float> Tails<T> {
    #[inline(always)]
    pub fn of<I: Isa>(x: T) -> Self {
        // The exponential within the softplus is this one, and computed once.
        let e = (-x.abs_()).exp_nonpositive::<I>();
        let large = T::ONE / (T::ONE + e);
        let (small, log) = (e * large, (-x.abs_()).softplus_nonpositive::<I>());
        let (up, zero) = (x > T::ZERO, T::ZERO);
        Tails {
            p: if up { large } else { small },
            q: if up { small } else { large },
            yes: if up { zero } else { -x } + log,
            no: if up { x } else { zero } + log,
        }
    }
}
