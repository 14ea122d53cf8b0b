//! Activation functions.

use super::unary::in_one_pass;
use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use tensor_core::activation::{SELU_ALPHA, SELU_SCALE, bounded, channel_weight};
use tensor_core::kernel::{Binary, Isa};
use tensor_core::{Float, Result};

/// Operations with parameters whose rule is one line. A row
/// `/// doc. elu(alpha) / Elu = |x, dy| rule, cost => rule for one element;` becomes the method and an `Op` that keeps the
/// operand and the parameters. The second rule makes the gradient in one pass where no gradient of it will be asked for;
/// its cost is in additions.
macro_rules! activation {
    ($(
        $(#[$doc:meta])*
        $name:ident($($p:ident),*) / $op:ident = |$x:ident, $dy:ident| $rule:expr, $cost:literal => $one:expr;
    )*) => {
        $(
            struct $op<T: Float> { x: Saved<T>, $($p: T),* }
            impl<T: Float> Op<T> for $op<T> {
                fn name(&self) -> &'static str { stringify!($name) }
                fn backward(&self, $dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
                    #[derive(Clone, Copy)]
                    struct OnePass<T> { _one: T, $($p: T),* }
                    impl<T: Float> Binary<T, T, T> for OnePass<T> {
                        const COST: usize = $cost;
                        #[inline(always)]
                        fn at<I: Isa>(self, $dy: T, $x: T) -> T {
                            $(let $p = self.$p;)*
                            $one
                        }
                    }
                    $(let $p = self.$p;)*
                    if let Some(dx) = in_one_pass($dy, &self.x, OnePass { _one: T::ONE, $($p),* })? {
                        return Ok(dx);
                    }
                    let $x = &self.x.on($dy);
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

/// Further out all these slopes are those of straight lines, and infinity is no exception.
const FAR: f64 = 1000.0;

/// `x` within [`FAR`].
fn near<T: Float>(x: &Var<T>) -> Var<T> {
    x.clamp(T::of(-FAR), T::of(FAR))
}

/// The same of one element.
#[inline(always)]
fn near_one<T: Float>(x: T) -> T {
    bounded(x, T::of(-FAR), T::of(FAR))
}

activation! {
    /// `x` above 0, `slope · x` elsewhere. PyTorch's default slope is 0.01.
    leaky_relu(slope) / LeakyRelu = |x, dy| dy * Var::from(x.value().gt(T::ZERO)?.where_(T::ONE, slope)?),
        1 => if x > T::ZERO { dy } else { dy * slope };
    /// `x` above 0, `alpha (e^x - 1)` elsewhere. PyTorch's default alpha is 1.
    elu(alpha) / Elu = |x, dy| {
        // The exponential of what is not above 0 only, because elsewhere it might be infinite; the second slope
        // at 0 is 0, as in PyTorch.
        let low = x.value().gt(T::ZERO)?.logical_not();
        let inner = x.keep_where(&low.logical_and(&x.value().ne(T::ZERO)?)?)?;
        dy * (inner.exp() * alpha).where_(&low, Var::from(x.value().ones_like()))?
    },
        5 => if x > T::ZERO { dy } else { dy * (x.exp::<I>() * alpha) };
    /// `x Φ(x)`, where Φ is the normal distribution function; accurate in the left tail. Unlike in PyTorch, it and its slope
    /// have their limits at ±∞.
    gelu() / Gelu = |x, dy| {
        let x = &near(x);
        let density = (x.square() * -0.5).exp() * (0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
        dy * ((x * -FRAC_1_SQRT_2).erfc() * 0.5 + x * density)
    },
        12 => {
            let x = near_one(x);
            let (cdf, density) = x.normal::<I>();
            dy * x.mul_add_::<I>(density, cdf)
        };
    /// `x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`: the approximation of [`Var::gelu`] by a hyperbolic tangent, with
    /// its limits.
    gelu_tanh() / GeluTanh = |x, dy| {
        let x = &near(x);
        // (1 + tanh u) / 2 is the sigmoid of 2u.
        let twice = 2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
        let square = x.square();
        let u = x * (&square * 0.044715 + 1.0) * twice;
        let slope = (square * (3.0 * 0.044715) + 1.0) * twice;
        dy * u.sigmoid() * (x * (-&u).sigmoid() * slope + 1.0)
    },
        12 => {
            let x = near_one(x);
            let twice = T::of(2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
            let square = x * x;
            let u = x * (square * T::of(0.044715) + T::ONE) * twice;
            let slope = (square * T::of(3.0 * 0.044715) + T::ONE) * twice;
            dy * u.sigmoid::<I>() * (x * (-u).sigmoid::<I>() * slope + T::ONE)
        };
    /// `x · sigmoid(x)`. Unlike in PyTorch, it and its slope have their limits at ±∞.
    silu() / Silu = |x, dy| dy * x.sigmoid() * (near(x) * (-x).sigmoid() + 1.0),
        8 => dy * x.sigmoid::<I>() * (near_one(x) * (-x).sigmoid::<I>() + T::ONE);
    /// `x · tanh(softplus(x))`. Unlike in PyTorch, it and its slope have their limits at ±∞.
    mish() / Mish = |x, dy| {
        let t = x.softplus().tanh();
        dy * (near(x) * (1.0 - t.square()) * x.sigmoid() + &t)
    },
        12 => {
            // With w = e^x and n = w² + 2w, the slope is n / (n + 2) + 4 x w (w + 1) / (n + 2)²; on the right, all over w².
            let q = (-x.abs_()).exp_nonpositive::<I>();
            let (left, twice) = (x < T::ZERO, q + q);
            let numerator = if left { q * q + twice } else { T::ONE + twice };
            let over = T::ONE / (numerator + if left { T::of(2.0) } else { twice * q });
            let steep = T::of(4.0) * q * (if left { q + T::ONE } else { q * (q + T::ONE) });
            dy * (near_one(x) * steep * over).mul_add_::<I>(over, numerator * over)
        };
    /// `ln(1 + e^(beta x)) / beta`, and `x` itself where `beta x` is above `threshold`. PyTorch's defaults are 1 and 20;
    /// [`Var::softplus`] needs no threshold.
    softplus_with(beta, threshold) / SoftplusWith = |x, dy| {
        let straight = x.value().mul(beta)?.gt(threshold)?;
        // The bound gives the second slope 0 at the threshold, as in PyTorch.
        dy.where_(&straight, dy * (x * beta).clamp(None, threshold).sigmoid())?
    },
        8 => if x * beta > threshold { dy } else { dy * (x * beta).sigmoid::<I>() };
    /// `min(max(x, 0), 6)`, with slope 0 at both ends.
    relu6() / Relu6 = |x, dy| strictly_between(x, dy, T::ZERO, T::of(6.0))?,
        1 => if x > T::ZERO && x < T::of(6.0) { dy } else { T::ZERO };
    /// `min(max(x, min), max)`, with slope 0 at both ends. PyTorch's defaults are -1 and 1.
    hardtanh(min, max) / Hardtanh = |x, dy| strictly_between(x, dy, min, max)?,
        1 => if x > min && x < max { dy } else { T::ZERO };
    /// `min(max(x + 3, 0), 6) / 6`: straight lines for a sigmoid, with slope 0 at both ends.
    hardsigmoid() / Hardsigmoid = |x, dy| strictly_between(x, &(dy / 6.0), T::of(-3.0), T::of(3.0))?,
        2 => if x > T::of(-3.0) && x < T::of(3.0) { dy / T::of(6.0) } else { T::ZERO };
    /// `x · min(max(x + 3, 0), 6) / 6`: [`Var::silu`] with straight lines for the sigmoid. Unlike in PyTorch,
    /// it is 0 at -∞.
    hardswish() / Hardswish = |x, dy| {
        let three = T::of(3.0);
        let bent = x.value().map(|x: T| (x > -three && x < three) || x.is_nan_());
        let straight = x.value().ge(three)?;
        (dy * (x / 3.0 + 0.5)).keep_where(&bent)? + dy.keep_where(&straight)?
    },
        2 => {
            let bent = dy * (x / T::of(3.0) + T::of(0.5));
            if x >= T::of(3.0) {
                dy
            } else if x <= T::of(-3.0) {
                T::ZERO
            } else {
                bent
            }
        };
    /// `x` above 0, `alpha (e^(x / alpha) - 1)` elsewhere, whose slope has no jump. PyTorch's default alpha is 1.
    celu(alpha) / Celu = |x, dy| dy * below_zero(x, |x| Ok((x / alpha).exp()), T::ONE)?,
        5 => if x > T::ZERO { dy } else { dy * (x / alpha).exp::<I>() };
    /// `1.0507 x` above 0, `1.7581 (e^x - 1)` elsewhere: what keeps mean 0 and variance 1 from layer to layer
    /// (Klambauer and others, 2017).
    selu() / Selu = |x, dy| {
        dy * below_zero(x, |x| Ok(x.exp() * (SELU_SCALE * SELU_ALPHA)), T::of(SELU_SCALE))?
    },
        5 => dy * if x > T::ZERO { T::of(SELU_SCALE) } else { x.exp::<I>() * T::of(SELU_SCALE * SELU_ALPHA) };
    /// `x / (1 + |x|)`
    softsign() / Softsign = |x, dy| dy / (x.abs() + 1.0).square(),
        2 => {
            let more = x.abs_() + T::ONE;
            dy / (more * more)
        };
    /// `x - tanh x`. Unlike in PyTorch, what is left near 0 is accurate.
    tanhshrink() / Tanhshrink = |x, dy| dy * x.tanh().square(),
        8 => {
            let t = x.tanh::<I>();
            dy * (t * t)
        };
    /// `x` moved by `lambda` towards 0, and 0 where it would pass it. PyTorch's default is 0.5.
    softshrink(lambda) / Softshrink = |x, dy| outside(x, dy, lambda)?,
        1 => if x < -lambda || x > lambda { dy } else { T::ZERO };
    /// `x` outside of `[-lambda, lambda]`, and 0 within. PyTorch's default is 0.5.
    hardshrink(lambda) / Hardshrink = |x, dy| outside(x, dy, lambda)?,
        1 => if x < -lambda || x > lambda { dy } else { T::ZERO };
    /// `x` above `threshold`, `value` elsewhere.
    threshold(threshold, _value) / Threshold = |x, dy| {
        let passes = |x: T| x > threshold || x.is_nan_();
        dy.keep_where(&x.value().map(passes))?
    },
        1 => {
            let _ = _value;
            if x > threshold || x.is_nan_() { dy } else { T::ZERO }
        };
    /// `x` without its whole part: `x - trunc x`. Its slope is 1.
    frac() / Frac = |_x, dy| dy.clone(),
        1 => {
            let _ = _x;
            dy
        };
    /// `nan` for NaN, `posinf` and `neginf` for the infinities, which get no gradient. PyTorch's defaults are 0 and the
    /// largest and smallest finite value.
    nan_to_num(nan, posinf, neginf) / NanToNum = |x, dy| {
        let _ = (nan, posinf, neginf);
        dy.keep_where(&x.value().isfinite())?
    },
        1 => {
            let _ = (nan, posinf, neginf);
            if x.finite() { dy } else { T::ZERO }
        };
}

/// The gradient between two bounds; 0 at the bounds and beyond.
fn strictly_between<T: Float>(x: &Var<T>, dy: &Var<T>, min: T, max: T) -> Result<Var<T>> {
    dy.keep_where(&x.value().map(|x: T| x > min && x < max))
}

/// The gradient outside of `[-lambda, lambda]`.
fn outside<T: Float>(x: &Var<T>, dy: &Var<T>, lambda: T) -> Result<Var<T>> {
    dy.keep_where(&x.value().map(|x: T| x < -lambda || x > lambda))
}

/// `slope(x)` where `x` is not above 0, and `above` elsewhere. The slope is taken of zeros elsewhere, because there it
/// might be infinite; the second derivative at 0 is 0, as in PyTorch.
fn below_zero<T: Float>(
    x: &Var<T>,
    slope: impl Fn(&Var<T>) -> Result<Var<T>>,
    above: T,
) -> Result<Var<T>> {
    let low = x.value().gt(T::ZERO)?.logical_not();
    let inner = x.keep_where(&low.logical_and(&x.value().ne(T::ZERO)?)?)?;
    slope(&inner)?.where_(&low, Var::from(x.value().full_like(above)))
}

struct Logit<T: Float> {
    x: Saved<T>,
    eps: Option<T>,
}
impl<T: Float> Op<T> for Logit<T> {
    fn name(&self) -> &'static str {
        "logit"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let x = self.x.on(dy);
        let (dx, eps) = (dy / (&x * (1.0 - &x)), self.eps);
        Ok(Grads::one(match eps {
            Some(eps) => dx.keep_where(&x.value().map(|x: T| x >= eps && x <= T::ONE - eps))?,
            None => {
                // Outside of [0, 1] there is no logit.
                let inside = x.value().map(|x: T| x >= T::ZERO && x <= T::ONE);
                dx.where_(&inside, Var::from(x.value().full_like(T::NAN)))?
            }
        }))
    }
}

impl<T: Float> Var<T> {
    /// `x` above 0, `weight · x` elsewhere. The weight is one number, or one for each channel, which is dimension 1, as
    /// in PyTorch; it is learned, so it has a gradient.
    ///
    /// ```
    /// use autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from([[-1.0, 2.0], [3.0, -4.0]]));
    /// let y = x.prelu(&Var::from(Tensor::from([0.5, 0.25])))?;
    /// assert_eq!(y.value(), &Tensor::from([[-0.5, 2.0], [3.0, -1.0]]));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for a weight that is neither.
    #[track_caller]
    pub fn prelu(&self, weight: &Var<T>) -> Result<Var<T>> {
        let along = channel_weight(self.shape(), weight.shape())?;
        // Both parts are cut out, so that no infinity of one meets a zero of the other.
        let above = self.value().gt(T::ZERO)?;
        let below = self.keep_where(&above.logical_not())?;
        self.keep_where(&above)?
            .add(below.mul(weight.reshape(&along)?)?)
    }

    /// `a · sigmoid(b)` of the halves `a` and `b` along `dim`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for a dimension of odd size, [`Error::Dim`](crate::Error::Dim) for one that is not there.
    #[track_caller]
    pub fn glu(&self, dim: isize) -> Result<Var<T>> {
        let half = self.value().half_of(dim)?;
        let (a, b) = (
            self.narrow(dim, 0, half)?,
            self.narrow(dim, half as isize, half)?,
        );
        a.mul(b.sigmoid())
    }

    /// `e^-x / Σ e^-x` along `dim`: the softmax of `-x`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn softmin(&self, dim: isize) -> Result<Var<T>> {
        self.neg().softmax(dim).map_err(|e| e.named("softmin"))
    }

    /// `ln(x / (1 - x))`, the inverse of the sigmoid; with `eps`, of `x` brought into `[eps, 1 - eps]` first, beyond
    /// which the slope is 0.
    #[track_caller]
    pub fn logit(&self, eps: impl Into<Option<T>>) -> Var<T> {
        let eps = eps.into();
        self.record1(self.value().logit(eps), |_| Logit {
            x: self.save(),
            eps,
        })
    }
}
