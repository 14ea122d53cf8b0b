//! Activation functions, and the replacement of what is not finite.

use crate::element::Float;
use crate::kernel::isa::Isa;
use crate::kernel::map::Unary;
use crate::tensor::Tensor;

/// Methods of one element with parameters. A row `/// doc. name(a, b) = Kernel(cost) |x| formula;` becomes a kernel
/// that holds the parameters and a method that runs it over a tensor.
macro_rules! activation {
    ($($(#[$doc:meta])* $name:ident($($p:ident),*) = $kernel:ident($cost:expr) |$x:ident| $value:expr;)*) => {
        $(
            #[derive(Clone, Copy)]
            struct $kernel<T> { _one: T, $($p: T),* }
            impl<T: Float> Unary<T, T> for $kernel<T> {
                const COST: usize = $cost;
                #[inline(always)]
                fn at<I: Isa>(self, $x: T) -> T {
                    $(let $p = self.$p;)*
                    $value
                }
            }
        )*
        impl<T: Float> Tensor<T> {
            $($(#[$doc])* pub fn $name(&self, $($p: T),*) -> Tensor<T> {
                self.unary($kernel { _one: T::ONE, $($p),* })
            })*
        }
    };
}

activation! {
    /// `x` above 0, `slope · x` elsewhere. PyTorch's default slope is 0.01.
    leaky_relu(slope) = LeakyRelu(1) |x| if x > T::ZERO { x } else { slope * x };
    /// `x` above 0, `alpha (e^x - 1)` elsewhere. PyTorch's default alpha is 1.
    elu(alpha) = Elu(6) |x| if x > T::ZERO { x } else { alpha * x.expm1::<I>() };
    /// `x Φ(x)`, where Φ is the normal distribution function; accurate in the left tail.
    gelu() = Gelu(20) |x| {
        let scaled = x * T::of(-std::f64::consts::FRAC_1_SQRT_2);
        x * T::of(0.5) * scaled.erfc::<I>()
    };
    /// `x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`: the approximation of [`Tensor::gelu`] by a hyperbolic tangent.
    gelu_tanh() = GeluTanh(10) |x| {
        // (1 + tanh u) / 2 is the sigmoid of 2u, which cancels in no tail.
        let u = x * (T::ONE + T::of(0.044715) * x * x);
        x * (T::of(2.0 * SQRT_2_OVER_PI) * u).sigmoid::<I>()
    };
    /// `x · sigmoid(x)`
    silu() = Silu(8) |x| x * x.sigmoid::<I>();
    /// `x · tanh(softplus(x))`
    mish() = Mish(18) |x| x * x.softplus::<I>().tanh::<I>();
    /// `ln(1 + e^(beta x)) / beta`, and `x` itself where `beta x` is above `threshold`. PyTorch's defaults are 1 and 20;
    /// [`Tensor::softplus`] needs no threshold.
    softplus_with(beta, threshold) = SoftplusWith(10) |x| {
        if beta * x > threshold { x } else { (beta * x).softplus::<I>() / beta }
    };
    /// `nan` for NaN, `posinf` and `neginf` for the infinities. PyTorch's defaults are 0 and the largest and smallest
    /// finite value.
    nan_to_num(nan, posinf, neginf) = NanToNum(1) |x| {
        if x.is_nan_() {
            nan
        } else if x == T::INFINITY {
            posinf
        } else if x == -T::INFINITY {
            neginf
        } else {
            x
        }
    };
}

/// `√(2/π)`
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
