//! Activation functions.

use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use tensor_core::{Float, Result};

/// Operations with parameters whose rule is one line. A row
/// `/// doc. elu(alpha) / Elu = |x, dy| rule;` becomes the method and an `Op` that keeps the operand and the
/// parameters.
macro_rules! activation {
    ($($(#[$doc:meta])* $name:ident($($p:ident),*) / $op:ident = |$x:ident, $dy:ident| $rule:expr;)*) => {
        $(
            struct $op<T: Float> { x: Saved<T>, $($p: T),* }
            impl<T: Float> Op<T> for $op<T> {
                fn name(&self) -> &'static str { stringify!($name) }
                fn backward(&self, $dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
                    let $x = &self.x.on($dy);
                    $(let $p = self.$p;)*
                    Ok(Grads::one($rule))
                }
            }
        )*
        impl<T: Float> Var<T> {
            $($(#[$doc])* #[track_caller] pub fn $name(&self, $($p: T),*) -> Var<T> {
                self.record1(self.value().$name($($p),*), |_| $op { x: self.save(), $($p),* })
            })*
        }
    };
}

activation! {
    /// `x` above 0, `slope · x` elsewhere. PyTorch's default slope is 0.01.
    leaky_relu(slope) / LeakyRelu = |x, dy| dy * Var::from(x.value().gt(T::ZERO)?.where_(T::ONE, slope)?);
    /// `x` above 0, `alpha (e^x - 1)` elsewhere. PyTorch's default alpha is 1.
    elu(alpha) / Elu = |x, dy| {
        // The exponential of what is not above 0 only, because elsewhere it might be infinite; the second slope
        // at 0 is 0, as in PyTorch.
        let low = x.value().gt(T::ZERO)?.logical_not();
        let inner = x.keep_where(&low.logical_and(&x.value().ne(T::ZERO)?)?);
        dy * (inner.exp() * alpha).where_(&low, Var::from(x.value().ones_like()))?
    };
    /// `x Φ(x)`, where Φ is the normal distribution function; accurate in the left tail.
    gelu() / Gelu = |x, dy| {
        let density = (x.square() * -0.5).exp() * (0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
        dy * ((x * -FRAC_1_SQRT_2).erfc() * 0.5 + x * density)
    };
    /// `x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`: the approximation of [`Var::gelu`] by a hyperbolic tangent.
    gelu_tanh() / GeluTanh = |x, dy| {
        // (1 + tanh u) / 2 is the sigmoid of 2u.
        let twice = 2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
        let square = x.square();
        let u = x * (&square * 0.044715 + 1.0) * twice;
        let slope = (square * (3.0 * 0.044715) + 1.0) * twice;
        dy * u.sigmoid() * (x * (-&u).sigmoid() * slope + 1.0)
    };
    /// `x · sigmoid(x)`
    silu() / Silu = |x, dy| dy * x.sigmoid() * (x * (-x).sigmoid() + 1.0);
    /// `x · tanh(softplus(x))`
    mish() / Mish = |x, dy| {
        let t = x.softplus().tanh();
        dy * (x * (1.0 - t.square()) * x.sigmoid() + &t)
    };
    /// `ln(1 + e^(beta x)) / beta`, and `x` itself where `beta x` is above `threshold`. PyTorch's defaults are 1 and 20;
    /// [`Var::softplus`] needs no threshold.
    softplus_with(beta, threshold) / SoftplusWith = |x, dy| {
        let straight = x.value().mul(beta)?.gt(threshold)?;
        // The bound gives the second slope 0 at the threshold, as in PyTorch.
        dy.where_(&straight, dy * (x * beta).clamp(None, threshold).sigmoid())?
    };
    /// `nan` for NaN, `posinf` and `neginf` for the infinities, which get no gradient. PyTorch's defaults are 0 and the
    /// largest and smallest finite value.
    nan_to_num(nan, posinf, neginf) / NanToNum = |x, dy| {
        let _ = (nan, posinf, neginf);
        dy.keep_where(&x.value().isfinite())
    };
}
