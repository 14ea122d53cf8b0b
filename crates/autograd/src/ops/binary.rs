//! Functions of two elements. Operands broadcast; the tape sums gradients back, so no rule mentions it.

use crate::op::{Grads, Needs, Op, Saved};
use crate::var::{IntoVar, Var};
use tensor_core::{Float, Result, Tensor};

/// `a + b` and `a - b`: the gradient passes as it is, or negated.
struct Add {
    negate: bool,
}
impl<T: Float> Op<T> for Add {
    fn name(&self) -> &'static str {
        if self.negate { "sub" } else { "add" }
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let db = needs
            .get(1)
            .then(|| if self.negate { dy.neg() } else { dy.clone() });
        Ok(Grads::two(Some(dy.clone()), db))
    }
}

/// A sum with a constant: the gradient passes as it is.
struct Pass(&'static str);
impl<T: Float> Op<T> for Pass {
    fn name(&self) -> &'static str {
        self.0
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy.clone()))
    }
}

/// A product with a constant.
struct Scale<T>(&'static str, T);
impl<T: Float> Op<T> for Scale<T> {
    fn name(&self) -> &'static str {
        self.0
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        Ok(Grads::one(dy.mul(self.1)?))
    }
}

/// Operations of two tensors whose two rules are one line each. A row
/// `/// doc. mul / Mul = |a, b, dy| (dy * b, dy * a);` becomes the method and an `Op` that keeps both operands and
/// computes only what is needed.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident / $op:ident = |$a:ident, $b:ident, $dy:ident| ($da:expr, $db:expr);)*) => {
        $(
            struct $op<T: Float> { a: Saved<T>, b: Saved<T> }
            impl<T: Float> Op<T> for $op<T> {
                fn name(&self) -> &'static str { stringify!($name) }
                fn backward(&self, $dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
                    let ($a, $b) = (&self.a.on($dy), &self.b.on($dy));
                    let da = if needs.get(0) { Some($da) } else { None };
                    let db = if needs.get(1) { Some($db) } else { None };
                    Ok(Grads::two(da, db))
                }
            }
        )*
        impl<T: Float> Var<T> {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not broadcast,
                /// [`Error::Tape`](crate::Error::Tape) for operands on different tapes.
                #[track_caller]
                pub fn $name(&self, other: impl IntoVar<T>) -> Result<Var<T>> {
                    let b = other.var(stringify!($name))?;
                    let y = self.value().$name(b.value())?;
                    Var::record(&[self, &b], y, |_| $op { a: self.save(), b: b.save() })
                }
            )*
        }
    };
}

binary! {
    /// The larger of two; NaN if either is NaN. Where both are equal, each gets half of the gradient.
    maximum / Maximum = |a, b, dy| (share(dy, a.value().lt(b.value())?, a, b)?, share(dy, a.value().gt(b.value())?, a, b)?);
    /// The smaller of two; NaN if either is NaN. Where both are equal, each gets half of the gradient.
    minimum / Minimum = |a, b, dy| (share(dy, a.value().gt(b.value())?, a, b)?, share(dy, a.value().lt(b.value())?, a, b)?);
    /// The angle of the point `(b, a)`, from `-π` to `π`.
    atan2 / Atan2 = |a, b, dy| (dy * b * inverse_square(a, b)?, -(dy * a * inverse_square(a, b)?));
    /// `√(a² + b²)`, without overflow between.
    hypot / Hypot = |a, b, dy| (dy * (a / &a.hypot(b)?), dy * (b / &a.hypot(b)?));
    /// `ln(e^a + e^b)`, without overflow.
    logaddexp / LogAddExp = |a, b, dy| (dy * (a - b).sigmoid(), dy * (b - a).sigmoid());
    /// `log2(2^a + 2^b)`, without overflow.
    logaddexp2 / LogAddExp2 = |a, b, dy| (
        dy * ((a - b) * std::f64::consts::LN_2).sigmoid(),
        dy * ((b - a) * std::f64::consts::LN_2).sigmoid()
    );
    /// The larger of two, and of a number and NaN the number. Where both are equal, each gets half of the gradient.
    fmax / Fmax = |a, b, dy| (share(dy, loses(a, b, |a, b| a < b)?, a, b)?, share(dy, loses(a, b, |a, b| a < b)?.logical_not(), a, b)?);
    /// The smaller of two, and of a number and NaN the number. Where both are equal, each gets half of the gradient.
    fmin / Fmin = |a, b, dy| (share(dy, loses(a, b, |a, b| a > b)?, a, b)?, share(dy, loses(a, b, |a, b| a > b)?.logical_not(), a, b)?);
    /// `|a|` with the sign of `b`, which gets no gradient; nor does an `a` of 0.
    copysign / Copysign = |a, b, dy| (
        dy * Var::from(a.value().copysign(b.value())?.sign() * a.value().sign()),
        Var::from(dy.value().zeros_like())
    );
    /// `a · ln b`, and 0 where `a` is 0.
    xlogy / Xlogy = |a, b, dy| ((dy * b.log()).keep_where(&zero_where(a, b)?)?, dy * a / b);
    /// The remainder of `a / b` with the sign of `a`.
    fmod / Fmod = |a, b, dy| (dy.clone(), -(dy * Var::from(a.value().div_trunc(b.value())?)));
    /// The remainder of `a / b` with the sign of `b`.
    remainder / Remainder = |a, b, dy| (dy.clone(), -(dy * Var::from(a.value().div_floor(b.value())?)));
}

/// Where `a` is not the one that [`Var::fmax`] or [`Var::fmin`] takes.
fn loses<T: Float>(
    a: &Var<T>,
    b: &Var<T>,
    beaten: impl Fn(T, T) -> bool + Copy + Send + Sync,
) -> Result<Tensor<bool>> {
    let loses = move |a: T, b: T| beaten(a, b) || a.is_nan_() && !b.is_nan_();
    a.value().zip(b.value(), loses)
}

/// Nothing of `dy` where `loses`, half of it where `a` and `b` are equal, all of it elsewhere, also beside a NaN.
fn share<T: Float>(dy: &Var<T>, loses: Tensor<bool>, a: &Var<T>, b: &Var<T>) -> Result<Var<T>> {
    let tie = a.value().eq(b.value())?;
    let weight = tie.where_(T::of(0.5), loses.logical_not().cast::<T>())?;
    dy.mul(Var::from(weight))
}

/// `1 / (a² + b²)`, and 0 at the origin, which has no angle.
fn inverse_square<T: Float>(a: &Var<T>, b: &Var<T>) -> Result<Var<T>> {
    let square = a.square().add(b.square())?;
    let origin = square.value().eq(T::ZERO)?;
    let inverse = square.masked_fill(&origin, T::ONE)?.reciprocal();
    inverse.keep_where(&origin.logical_not())
}

/// Where the slope of `xlogy` in its first operand exists: not at `a = 0`, as PyTorch has it, unless `b` is NaN.
fn zero_where<T: Float>(a: &Var<T>, b: &Var<T>) -> Result<Tensor<bool>> {
    a.value()
        .zip(b.value(), |a: T, b: T| !(a == T::ZERO && b <= T::ZERO))
}

struct Mul<T: Float> {
    a: Option<Saved<T>>,
    b: Option<Saved<T>>,
}
impl<T: Float> Op<T> for Mul<T> {
    fn name(&self) -> &'static str {
        "mul"
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let times = |x: &Option<Saved<T>>| x.as_ref().map(|x| dy.mul(x.on(dy))).transpose();
        let da = if needs.get(0) { times(&self.b)? } else { None };
        let db = if needs.get(1) { times(&self.a)? } else { None };
        Ok(Grads::two(da, db))
    }
}

struct Div<T: Float> {
    a: Saved<T>,
    b: Saved<T>,
}
impl<T: Float> Op<T> for Div<T> {
    fn name(&self) -> &'static str {
        "div"
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let (a, b) = (self.a.on(dy), self.b.on(dy));
        let da = if needs.get(0) {
            Some(dy.div(&b)?)
        } else {
            None
        };
        let db = if needs.get(1) {
            Some(-(dy * (a.div(&b)?.div(&b)?)))
        } else {
            None
        };
        Ok(Grads::two(da, db))
    }
}

/// `x^c` for a constant exponent.
struct PowScalar<T: Float> {
    x: Saved<T>,
    exponent: T,
}
impl<T: Float> Op<T> for PowScalar<T> {
    fn name(&self) -> &'static str {
        "pow"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        // A constant has slope 0, also at 0 where the formula would have 0 · inf.
        if self.exponent == T::ZERO {
            return Ok(Grads::one(Var::from(dy.value().zeros_like())));
        }
        Ok(Grads::one(
            dy * self.x.on(dy).pow(self.exponent - T::ONE)? * self.exponent,
        ))
    }
}

/// `a^b`
struct Pow<T: Float> {
    a: Saved<T>,
    b: Saved<T>,
    y: Saved<T>,
}
impl<T: Float> Op<T> for Pow<T> {
    fn name(&self) -> &'static str {
        "pow"
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let (a, b, y) = (self.a.on(dy), self.b.on(dy), self.y.on(dy));
        let da = if needs.get(0) {
            let slope = &b * a.pow(&b - 1.0)?;
            let sloped = slope.value().zip(b.value(), |_: T, b: T| b != T::ZERO)?;
            Some((dy * slope).keep_where(&sloped)?)
        } else {
            None
        };
        let db = if needs.get(1) {
            // At a = 0 the slope in b is 0 for b >= 0, where 0^b does not move.
            let moves = a
                .value()
                .zip(b.value(), |a: T, b: T| !(a == T::ZERO && b >= T::ZERO))?;
            Some((dy * (y * a.log())).keep_where(&moves)?)
        } else {
            None
        };
        Ok(Grads::two(da, db))
    }
}

impl<T: Float> Var<T> {
    /// `a + b`
    ///
    /// # Errors
    /// [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not broadcast,
    /// [`Error::Tape`](crate::Error::Tape) for operands on different tapes.
    #[track_caller]
    pub fn add(&self, other: impl IntoVar<T>) -> Result<Var<T>> {
        if let Some(c) = other.number() {
            return Ok(self.record1(self.value().add(c)?, |_| Pass("add")));
        }
        let b = other.var("add")?;
        Var::record(&[self, &b], self.value().add(b.value())?, |_| Add {
            negate: false,
        })
    }

    /// `a - b`
    ///
    /// # Errors
    /// As [`Var::add`].
    #[track_caller]
    pub fn sub(&self, other: impl IntoVar<T>) -> Result<Var<T>> {
        if let Some(c) = other.number() {
            return Ok(self.record1(self.value().sub(c)?, |_| Pass("sub")));
        }
        let b = other.var("sub")?;
        Var::record(&[self, &b], self.value().sub(b.value())?, |_| Add {
            negate: true,
        })
    }

    /// `a · b`
    ///
    /// # Errors
    /// As [`Var::add`].
    #[track_caller]
    pub fn mul(&self, other: impl IntoVar<T>) -> Result<Var<T>> {
        if let Some(c) = other.number() {
            return Ok(self.record1(self.value().mul(c)?, |_| Scale("mul", c)));
        }
        let b = other.var("mul")?;
        // An operand is kept only if the other one's gradient will be asked for.
        let kept = |x: &Var<T>, by: &Var<T>| by.is_tracked().then(|| x.save());
        Var::record(&[self, &b], self.value().mul(b.value())?, |_| Mul {
            a: kept(self, &b),
            b: kept(&b, self),
        })
    }

    /// `a / b`
    ///
    /// # Errors
    /// As [`Var::add`].
    #[track_caller]
    pub fn div(&self, other: impl IntoVar<T>) -> Result<Var<T>> {
        let b = other.var("div")?;
        Var::record(&[self, &b], self.value().div(b.value())?, |_| Div {
            a: self.save(),
            b: b.save(),
        })
    }

    /// `a^b`; `b` is a number or a tensor.
    ///
    /// # Errors
    /// As [`Var::add`].
    #[track_caller]
    pub fn pow(&self, exponent: impl IntoVar<T>) -> Result<Var<T>> {
        if let Some(exponent) = exponent.number() {
            return Ok(self.record1(self.value().pow(exponent)?, |_| PowScalar {
                x: self.save(),
                exponent,
            }));
        }
        let b = exponent.var("pow")?;
        let y = self.value().pow(b.value())?;
        Var::record(&[self, &b], y, |out| Pow {
            a: self.save(),
            b: b.save(),
            y: out.save(),
        })
    }

    /// A whole power.
    #[track_caller]
    pub(crate) fn powi(&self, n: i32) -> Var<T> {
        let exponent = T::of(f64::from(n));
        let y = self.value().pow(exponent).unwrap_or_else(|e| panic!("{e}"));
        self.record1(y, |_| PowScalar {
            x: self.save(),
            exponent,
        })
    }
}
