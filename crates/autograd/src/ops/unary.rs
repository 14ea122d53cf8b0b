//! Functions of one element.

use crate::op::{Grads, Needs, Op, Saved};
use crate::var::Var;
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10};
use tensor_core::kernel::{Binary, Isa};
use tensor_core::{Error, Float, Result, Tensor};

/// Operations whose rule is one line. A row `/// doc. sqrt / Sqrt (y) = |y, dy| dy / (y * 2.0);` becomes
/// ```text
/// /// doc.
/// pub fn sqrt(&self) -> Var<T> { self.record1(self.value().sqrt(), |out| Sqrt { y: out.save() }) }
/// struct Sqrt<T: Float> { y: Saved<T> }
/// impl<T: Float> Op<T> for Sqrt<T> { … Ok(Grads::one(dy / (y * 2.0))) … }
/// ```
/// where `(x)` keeps the operand in place of the result. The second formula of a row, after its cost in additions, is the
/// same rule for one element: it makes the gradient in one pass where no gradient of it will be asked for.
macro_rules! unary {
    ($(
        $(#[$doc:meta])*
        $name:ident / $op:ident ($keep:ident) = |$k:ident, $dy:ident| $rule:expr $(, $cost:literal => $one:expr)?;
    )*) => {
        $(
            struct $op<T: Float> { $keep: Saved<T> }
            impl<T: Float> Op<T> for $op<T> {
                fn name(&self) -> &'static str { stringify!($name) }
                fn backward(&self, $dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
                    $(
                        #[derive(Clone, Copy)]
                        struct OnePass;
                        impl<T: Float> Binary<T, T, T> for OnePass {
                            const COST: usize = $cost;
                            #[inline(always)]
                            fn at<I: Isa>(self, $dy: T, $k: T) -> T { $one }
                        }
                        if let Some(dx) = in_one_pass($dy, &self.$keep, OnePass)? {
                            return Ok(dx);
                        }
                    )?
                    let $k = &self.$keep.on($dy);
                    Ok(Grads::one($rule))
                }
            }
        )*
        impl<T: Float> Var<T> {
            $($(#[$doc])* #[track_caller] pub fn $name(&self) -> Var<T> {
                self.record1(self.value().$name(), |_out| $op { $keep: unary!(@save $keep self _out) })
            })*
        }
    };
    (@save x $x:ident $out:ident) => { $x.save() };
    (@save y $x:ident $out:ident) => { $out.save() };
}

/// The gradient from `dy` and what was kept, if no gradient of it will be asked for.
pub(super) fn in_one_pass<T: Float>(
    dy: &Var<T>,
    kept: &Saved<T>,
    rule: impl Binary<T, T, T>,
) -> Result<Option<Grads<T>>> {
    // A constant on the tape stays there: rules further down see by it that they are to be recorded.
    if dy.tape().is_some() {
        return Ok(None);
    }
    let dx = dy.value().zip_kernel(kept.value(), rule)?;
    Ok(Some(Grads::one(Var::from(dx))))
}

unary! {
    /// `|x|`, with slope 0 at 0.
    abs / Abs (x) = |x, dy| dy * Var::from(x.value().sign()),
        1 => if x > T::ZERO { dy } else if x < T::ZERO { -dy } else { dy * T::ZERO };
    /// `x²`
    square / Square (x) = |x, dy| dy * x * 2.0,
        1 => dy * x * T::of(2.0);
    /// `e^x`; `inf` above 88.7 in `f32`.
    exp / Exp (y) = |y, dy| dy * y;
    /// `2^x`
    exp2 / Exp2 (y) = |y, dy| dy * y * LN_2,
        1 => dy * y * T::of(LN_2);
    /// `e^x - 1`, accurate near 0.
    expm1 / Expm1 (x) = |x, dy| dy * x.exp(), // Where the result is close to -1, adding 1 to it cancels.
        5 => dy * x.exp::<I>();
    /// The natural logarithm: `-inf` at 0, NaN below.
    log / Log (x) = |x, dy| dy / x;
    /// The logarithm to base 2.
    log2 / Log2 (x) = |x, dy| dy / (x * LN_2),
        2 => dy / (x * T::of(LN_2));
    /// The logarithm to base 10.
    log10 / Log10 (x) = |x, dy| dy / (x * LN_10),
        2 => dy / (x * T::of(LN_10));
    /// `ln(1 + x)`, accurate near 0.
    log1p / Log1p (x) = |x, dy| dy / (x + 1.0),
        2 => dy / (x + T::ONE);
    /// `√x`; its slope at 0 is `inf`.
    sqrt / Sqrt (y) = |y, dy| dy / (y * 2.0),
        2 => dy / (y + y);
    /// `1 / √x`
    rsqrt / Rsqrt (y) = |y, dy| dy * y.powi(3) * -0.5,
        2 => dy * (y * y * y) * T::of(-0.5);
    /// `∛x`
    cbrt / Cbrt (y) = |y, dy| dy / (y.square() * 3.0),
        2 => dy / (y * y * T::of(3.0));
    /// `1 / x`
    reciprocal / Reciprocal (y) = |y, dy| -(dy * y.square()),
        2 => -(dy * (y * y));
    /// `sin x`, radians.
    sin / Sin (x) = |x, dy| dy * x.cos();
    /// `cos x`, radians.
    cos / Cos (x) = |x, dy| -(dy * x.sin());
    /// `tan x`, radians.
    tan / Tan (y) = |y, dy| dy * (y.square() + 1.0),
        2 => dy * (y * y + T::ONE);
    /// `arcsin x`
    asin / Asin (x) = |x, dy| dy * one_minus_square(x).rsqrt(),
        6 => dy * ((T::ONE - x) * (x + T::ONE)).rsqrt::<I>();
    /// `arccos x`
    acos / Acos (x) = |x, dy| -(dy * one_minus_square(x).rsqrt()),
        6 => -(dy * ((T::ONE - x) * (x + T::ONE)).rsqrt::<I>());
    /// `arctan x`
    atan / Atan (x) = |x, dy| dy / (x.square() + 1.0),
        2 => dy / (x * x + T::ONE);
    /// `sinh x`
    sinh / Sinh (x) = |x, dy| dy * x.cosh(),
        8 => dy * x.cosh::<I>();
    /// `cosh x`
    cosh / Cosh (x) = |x, dy| dy * x.sinh(),
        8 => dy * x.sinh::<I>();
    /// `tanh x`
    tanh / Tanh (y) = |y, dy| dy * (1.0 - y.square()),
        1 => dy * (T::ONE - y * y);
    /// `arsinh x`
    asinh / Asinh (x) = |x, dy| dy * (x.square() + 1.0).rsqrt(),
        6 => dy * (x * x + T::ONE).rsqrt::<I>();
    /// `arcosh x`
    acosh / Acosh (x) = |x, dy| dy * ((x - 1.0) * (x + 1.0) + 0.0).rsqrt(), // -0 becomes 0, and the slope at -1 inf.
        6 => dy * ((x - T::ONE) * (x + T::ONE) + T::ZERO).rsqrt::<I>();
    /// `artanh x`
    atanh / Atanh (x) = |x, dy| dy / one_minus_square(x),
        2 => dy / ((T::ONE - x) * (x + T::ONE));
    /// The error function.
    erf / Erf (x) = |x, dy| dy * (-x.square()).exp() * FRAC_2_SQRT_PI,
        8 => dy * gauss::<I, T>(x) * T::of(FRAC_2_SQRT_PI);
    /// `1 - erf x`, accurate far to the right.
    erfc / Erfc (x) = |x, dy| dy * (-x.square()).exp() * -FRAC_2_SQRT_PI,
        8 => dy * gauss::<I, T>(x) * T::of(-FRAC_2_SQRT_PI);
    /// `1 / (1 + e^-x)`. The slope is a product of both tails, so that neither cancels.
    sigmoid / Sigmoid (x) = |x, dy| dy * x.sigmoid() * (-x).sigmoid(),
        8 => dy * x.sigmoid::<I>() * (-x).sigmoid::<I>();
    /// `ln(1 + e^x)`, without overflow.
    softplus / Softplus (x) = |x, dy| dy * x.sigmoid(),
        8 => dy * x.sigmoid::<I>();
    /// `ln sigmoid(x)`, without overflow.
    log_sigmoid / LogSigmoid (x) = |x, dy| dy * (-x).sigmoid(),
        8 => dy * (-x).sigmoid::<I>();
    /// `max(x, 0)`, with slope 0 at 0, and 1 at NaN as in PyTorch.
    relu / Relu (y) = |y, dy| dy.keep_where(&y.value().map(|y: T| y > T::ZERO || y.is_nan_()))?,
        1 => if y > T::ZERO || y.is_nan_() { dy } else { T::ZERO };
}

/// `e^(-x²)`. What the square drops counts, as the exponential magnifies it.
#[inline(always)]
fn gauss<I: Isa, T: Float>(x: T) -> T {
    // Far beyond, it is 0 and the square infinite.
    let x = if x.abs_() > T::of(40.0) {
        T::of(40.0)
    } else {
        x
    };
    let square = x * x;
    let e = (-square).exp::<I>();
    e.mul_add_::<I>(-x.mul_add_::<I>(x, -square), e)
}

/// `1 - x²` as a product, because near 1 the square has lost the digits that the difference needs.
fn one_minus_square<T: Float>(x: &Var<T>) -> Var<T> {
    (1.0 - x) * (x + 1.0)
}

struct Neg;
impl<T: Float> Op<T> for Neg {
    fn name(&self) -> &'static str {
        "neg"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy.neg()))
    }
}

/// Passes the gradient where a mask is true, and an exact zero elsewhere: `0 · inf` never arises.
struct KeepWhere {
    mask: Tensor<bool>,
}
impl<T: Float> Op<T> for KeepWhere {
    fn name(&self) -> &'static str {
        "keep_where"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        dy.keep_where(&self.mask).map(Grads::one)
    }
}

/// The operand itself, at a place of its own on the tape.
struct Alias;
impl<T: Float> Op<T> for Alias {
    fn name(&self) -> &'static str {
        "alias"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy.clone()))
    }
}

impl<T: Float> Var<T> {
    /// `-x`
    #[track_caller]
    pub fn neg(&self) -> Var<T> {
        self.record1(self.value().neg(), |_| Neg)
    }

    /// Elements below `min` become `min`, those above `max` become `max`. The gradient passes between the bounds and
    /// not at them, as in PyTorch.
    #[track_caller]
    pub fn clamp(&self, min: impl Into<Option<T>>, max: impl Into<Option<T>>) -> Var<T> {
        let (min, max) = (min.into(), max.into());
        let inside =
            |x: T| min.is_none_or(|low| x > low) && max.is_none_or(|high| x < high) && !x.is_nan_();
        self.record1(self.value().clamp(min, max), |_| KeepWhere {
            mask: self.value().map(inside),
        })
    }

    /// The elements where `mask`, of this shape, is true; zero elsewhere, also where the element is not finite.
    ///
    /// # Errors
    /// [`Error::Shape`] if the mask has another shape.
    #[track_caller]
    pub fn keep_where(&self, mask: &Tensor<bool>) -> Result<Var<T>> {
        if mask.shape() != self.shape() {
            return Err(Error::Shape {
                op: "keep_where",
                what: "the mask",
                got: mask.shape().into(),
                expected: format!("it must have the shape {:?} of the value", self.shape()),
            });
        }
        let kept = mask.where_(self.value(), T::ZERO)?;
        Ok(self.record1(kept, |_| KeepWhere { mask: mask.clone() }))
    }

    /// The same value at a place of its own on the tape, for gradients that are to stop there.
    #[track_caller]
    pub fn alias(&self) -> Var<T> {
        self.record1(self.value().clone(), |_| Alias)
    }

    /// `ln |Γ(x)|`
    #[track_caller]
    pub fn lgamma(&self) -> Var<T> {
        self.record1(self.value().lgamma(), |_| Lgamma { x: self.save() })
    }
}

struct Lgamma<T: Float> {
    x: Saved<T>,
}
impl<T: Float> Op<T> for Lgamma<T> {
    fn name(&self) -> &'static str {
        "lgamma"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy * self.x.on(dy).polygamma(0)))
    }
}

/// The derivative of order `n + 1` of `ln Γ`.
struct Polygamma<T: Float> {
    n: u32,
    x: Saved<T>,
}
impl<T: Float> Op<T> for Polygamma<T> {
    fn name(&self) -> &'static str {
        "polygamma"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy * self.x.on(dy).polygamma(self.n + 1)))
    }
}

impl<T: Float> Var<T> {
    /// `Γ'(x) / Γ(x)`
    #[track_caller]
    pub fn digamma(&self) -> Var<T> {
        self.polygamma(0)
    }

    /// The derivative of order `n + 1` of `ln Γ(x)`: digamma for 0, trigamma for 1.
    #[track_caller]
    pub fn polygamma(&self, n: u32) -> Var<T> {
        let value = if n == 0 {
            self.value().digamma()
        } else {
            self.value().map(move |x| T::of(polygamma(n, x.f64())))
        };
        self.record1(value, |_| Polygamma { n, x: self.save() })
    }
}

/// `(-1)^(n+1) n! Σ 1 / (x + k)^(n+1)` for `n >= 1`: the first terms as they stand, the rest by its asymptotic series
/// (Abramowitz and Stegun 6.4.11).
fn polygamma(n: u32, x: f64) -> f64 {
    /// `B_2k / (2k)!`
    const TERMS: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30240.0,
        -1.0 / 1209600.0,
        1.0 / 47900160.0,
        -691.0 / 1307674368000.0,
        1.0 / 74724249600.0,
        -3617.0 / 10670622842880000.0,
    ];
    if x == f64::NEG_INFINITY {
        return f64::NAN;
    }
    if x <= 0.0 && x == x.floor() {
        // Poles of even order have one sign on both sides.
        return if n % 2 == 1 { f64::INFINITY } else { f64::NAN };
    }
    if x < -20.0 {
        return reflected(n, x);
    }
    let s = f64::from(n) + 1.0;
    let (mut sum, mut x) = (0.0, x);
    while x < 20.0 {
        sum += x.powi(-(n as i32 + 1));
        x += 1.0;
    }
    // Σ_{k>=0} (x + k)^-s = x^(1-s)/(s-1) + x^-s/2 + Σ B_2k/(2k)! s(s+1)…(s+2k-2) x^(-s-2k+1)
    let mut tail = x.powf(1.0 - s) / (s - 1.0) + 0.5 * x.powf(-s);
    let (mut rising, mut power) = (s, x.powf(-s - 1.0));
    for (k, term) in TERMS.iter().enumerate() {
        tail += term * rising * power;
        let m = s + 2.0 * k as f64 + 1.0;
        rising *= m * (m + 1.0);
        power /= x * x;
    }
    let factorial: f64 = (1..=n).map(f64::from).product();
    let sign = if n % 2 == 1 { 1.0 } else { -1.0 };
    sign * factorial * (sum + tail)
}

/// `polygamma` far to the left from its value at `1 - x`: `ψₙ(x) = (-1)ⁿ ψₙ(1 - x) - π dⁿ/dxⁿ cot πx`.
fn reflected(n: u32, x: f64) -> f64 {
    // A derivative of a polynomial P in c = cot πx is the polynomial -π (1 + c²) P'(c).
    let mut p = vec![0.0, 1.0];
    for _ in 0..n {
        let mut next = vec![0.0; p.len() + 1];
        for (k, a) in p.iter().enumerate().skip(1) {
            let slope = -std::f64::consts::PI * k as f64 * a;
            next[k - 1] += slope;
            next[k + 1] += slope;
        }
        p = next;
    }
    let c = 1.0 / (std::f64::consts::PI * (x - x.round())).tan();
    let cot = p.iter().rev().fold(0.0, |sum, a| sum * c + a);
    let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
    sign * polygamma(n, 1.0 - x) - std::f64::consts::PI * cot
}
