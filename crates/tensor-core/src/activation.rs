//! Activation functions, and the replacement of what is not finite.

use crate::element::Float;
use crate::error::{Error, Result};
use crate::kernel::isa::Isa;
use crate::kernel::map::{Binary, Unary};
use crate::map::binary;
use crate::tensor::Tensor;

#[derive(Clone, Copy)]
struct Prelu;
impl<T: Float> Binary<T, T, T> for Prelu {
    #[inline(always)]
    fn at<I: Isa>(self, x: T, weight: T) -> T {
        if x > T::ZERO { x } else { weight * x }
    }
}

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
    /// `x Φ(x)`, where Φ is the normal distribution function; accurate in the left tail. Unlike in PyTorch, it has its limit
    /// at -∞.
    gelu() = Gelu(20) |x| above_minus_infinity(x) * x.normal::<I>().0;
    /// `x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`: the approximation of [`Tensor::gelu`] by a hyperbolic tangent, with
    /// its limit at -∞.
    gelu_tanh() = GeluTanh(10) |x| {
        // (1 + tanh u) / 2 is the sigmoid of 2u, which cancels in no tail.
        let u = x * (T::ONE + T::of(0.044715) * x * x);
        above_minus_infinity(x) * (T::of(2.0 * SQRT_2_OVER_PI) * u).sigmoid::<I>()
    };
    /// `x · sigmoid(x)`. Unlike in PyTorch, it has its limit at -∞.
    silu() = Silu(8) |x| above_minus_infinity(x) * x.sigmoid::<I>();
    /// `x · tanh(softplus(x))`. Unlike in PyTorch, it has its limit at -∞.
    mish() = Mish(10) |x| x.mish::<I>();
    /// `ln(1 + e^(beta x)) / beta`, and `x` itself where `beta x` is above `threshold`. PyTorch's defaults are 1 and 20;
    /// [`Tensor::softplus`] needs no threshold.
    softplus_with(beta, threshold) = SoftplusWith(10) |x| {
        if beta * x > threshold { x } else { (beta * x).softplus::<I>() / beta }
    };
    /// `min(max(x, 0), 6)`
    relu6() = Relu6(1) |x| bounded(x, T::ZERO, T::of(6.0));
    /// `min(max(x, min), max)`. PyTorch's defaults are -1 and 1.
    hardtanh(min, max) = Hardtanh(1) |x| bounded(x, min, max);
    /// `min(max(x + 3, 0), 6) / 6`: straight lines for a sigmoid.
    hardsigmoid() = Hardsigmoid(2) |x| bounded(x + T::of(3.0), T::ZERO, T::of(6.0)) / T::of(6.0);
    /// `x · min(max(x + 3, 0), 6) / 6`: [`Tensor::silu`] with straight lines for the sigmoid. Unlike in PyTorch, nothing on
    /// the way to a large `x` overflows, and it is 0 at -∞.
    hardswish() = Hardswish(2) |x| {
        // The share first: six times a large number is infinite.
        above_minus_infinity(x) * (bounded(x + T::of(3.0), T::ZERO, T::of(6.0)) / T::of(6.0))
    };
    /// `x` above 0, `alpha (e^(x / alpha) - 1)` elsewhere, whose slope has no jump. PyTorch's default alpha is 1.
    celu(alpha) = Celu(6) |x| if x > T::ZERO { x } else { alpha * (x / alpha).expm1::<I>() };
    /// `1.0507 x` above 0, `1.7581 (e^x - 1)` elsewhere: what keeps mean 0 and variance 1 from layer to layer
    /// (Klambauer and others, 2017).
    selu() = Selu(6) |x| {
        if x > T::ZERO { T::of(SELU_SCALE) * x } else { T::of(SELU_SCALE * SELU_ALPHA) * x.expm1::<I>() }
    };
    /// `x / (1 + |x|)`
    softsign() = Softsign(2) |x| x / (T::ONE + x.abs_());
    /// `x - tanh x`. Unlike in PyTorch, what is left near 0 is accurate.
    tanhshrink() = Tanhshrink(8) |x| x.tanhshrink::<I>();
    /// `x` moved by `lambda` towards 0, and 0 where it would pass it. PyTorch's default is 0.5.
    softshrink(lambda) = Softshrink(1) |x| {
        // A NaN goes the last way, and stays.
        if x > lambda { x - lambda } else if x >= -lambda { T::ZERO } else { x + lambda }
    };
    /// `x` outside of `[-lambda, lambda]`, and 0 within. PyTorch's default is 0.5.
    hardshrink(lambda) = Hardshrink(1) |x| if x >= -lambda && x <= lambda { T::ZERO } else { x };
    /// `x` above `threshold`, `value` elsewhere.
    threshold(threshold, value) = Threshold(1) |x| if x <= threshold { value } else { x };
    /// `x` without its whole part: `x - trunc x`.
    frac() = Frac(1) |x| x - x.trunc::<I>();
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

/// Scale and steepness of [`Tensor::selu`], the fixed point of its mean and variance.
pub const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// See [`SELU_SCALE`].
pub const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

/// `x` between two bounds; NaN stays.
#[inline(always)]
pub fn bounded<T: Float>(x: T, min: T, max: T) -> T {
    let x = if x < min { min } else { x };
    if x > max { max } else { x }
}

/// `x`, but the lowest number for -∞, of which a share of 0 is 0.
#[inline(always)]
fn above_minus_infinity<T: Float>(x: T) -> T {
    if x < -T::MAX { -T::MAX } else { x }
}

/// The shape that lays a weight of [`Tensor::prelu`] along the channels of an operand.
///
/// # Errors
/// [`Error::Shape`] for a weight that is neither one number nor one for each channel.
pub fn channel_weight(shape: &[usize], weight: &[usize]) -> Result<Vec<usize>> {
    let channels = shape.get(1).copied().unwrap_or(1);
    let n = match *weight {
        [] | [1] => 1,
        [n] if n == channels => n,
        _ => {
            return Err(Error::Shape {
                op: "prelu",
                what: "the weight",
                got: weight.into(),
                expected: format!(
                    "it must be one number, or one for each of the {channels} channels of {shape:?}, which are dimension 1"
                ),
            });
        }
    };
    let mut along = vec![1; shape.len()];
    if let Some(size) = along.get_mut(1) {
        *size = n;
    }
    Ok(along)
}

impl<T: Float> Tensor<T> {
    /// `x` above 0, `weight · x` elsewhere. The weight is one number, or one for each channel, which is dimension 1.
    ///
    /// # Errors
    /// [`Error::Shape`] for a weight that is neither.
    pub fn prelu(&self, weight: &Tensor<T>) -> Result<Tensor<T>> {
        let weight = weight.reshape(&channel_weight(self.shape(), weight.shape())?)?;
        binary("prelu", Prelu, self, &weight)
    }

    /// The halves along `dim`, for [`Tensor::glu`].
    ///
    /// # Errors
    /// [`Error::Shape`] for a dimension of odd size, [`Error::Dim`] for one that is not there.
    pub fn half_of(&self, dim: isize) -> Result<usize> {
        let (_, n) = self.real_dim("glu", dim)?;
        if n.is_multiple_of(2) {
            return Ok(n / 2);
        }
        Err(Error::Shape {
            op: "glu",
            what: "the operand",
            got: self.shape().into(),
            expected: format!("dimension {dim} is cut in two halves, so its size must be even"),
        })
    }

    /// `a · sigmoid(b)` of the halves `a` and `b` along `dim`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a dimension of odd size, [`Error::Dim`] for one that is not there.
    pub fn glu(&self, dim: isize) -> Result<Tensor<T>> {
        let half = self.half_of(dim)?;
        let (a, b) = (
            self.narrow(dim, 0, half)?,
            self.narrow(dim, half as isize, half)?,
        );
        binary("glu", Gated, &a, &b)
    }

    /// `e^-x / Σ e^-x` along `dim`: the softmax of `-x`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there.
    pub fn softmin(&self, dim: isize) -> Result<Tensor<T>> {
        self.neg().softmax(dim).map_err(|e| e.named("softmin"))
    }

    /// `ln(x / (1 - x))`, the inverse of the sigmoid; with `eps`, of `x` brought into `[eps, 1 - eps]` first.
    pub fn logit(&self, eps: impl Into<Option<T>>) -> Tensor<T> {
        match eps.into() {
            None => self.unary(Logit(-T::INFINITY, T::INFINITY)),
            Some(eps) => self.unary(Logit(eps, T::ONE - eps)),
        }
    }
}

/// `a · sigmoid(b)`
#[derive(Clone, Copy)]
struct Gated;
impl<T: Float> Binary<T, T, T> for Gated {
    const COST: usize = 9;
    #[inline(always)]
    fn at<I: Isa>(self, a: T, b: T) -> T {
        a * b.sigmoid::<I>()
    }
}

#[derive(Clone, Copy)]
struct Logit<T>(T, T);
impl<T: Float> Unary<T, T> for Logit<T> {
    const COST: usize = 12;
    #[inline(always)]
    fn at<I: Isa>(self, x: T) -> T {
        let x = if x < self.0 {
            self.0
        } else if x > self.1 {
            self.1
        } else {
            x
        };
        x.ln::<I>() - (-x).log1p::<I>()
    }
}
