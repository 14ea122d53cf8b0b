//! Between two bounds, and between two ends.

use crate::op::{Grads, Needs, Op, Saved};
use crate::var::{IntoVar, Var};
use tensor_core::{Float, Result, Tensor};

struct Lerp<T: Float> {
    start: Saved<T>,
    end: Saved<T>,
    weight: Saved<T>,
}
impl<T: Float> Op<T> for Lerp<T> {
    fn name(&self) -> &'static str {
        "lerp"
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let weight = self.weight.on(dy);
        let part = |i: usize, f: &dyn Fn() -> Result<Var<T>>| needs.get(i).then(f).transpose();
        Ok([
            part(0, &|| dy.mul(1.0 - &weight))?,
            part(1, &|| dy.mul(&weight))?,
            part(2, &|| dy.mul(self.end.on(dy).sub(self.start.on(dy))?))?,
        ]
        .into_iter()
        .collect())
    }
}

/// A bound for each element: the gradient goes to the one of the three that the result is.
struct Clamp<T: Float> {
    /// What part of the gradient the operand gets, and each bound that there is.
    shares: Vec<Tensor<T>>,
}
impl<T: Float> Op<T> for Clamp<T> {
    fn name(&self) -> &'static str {
        "clamp_with"
    }
    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let part = |(i, share): (usize, &Tensor<T>)| {
            needs.get(i).then(|| dy.mul(Var::from(share))).transpose()
        };
        self.shares.iter().enumerate().map(part).collect()
    }
}

/// The parts of the operand, the lower and the upper bound: of the one that is the result, all; the operand and a bound
/// that are equal share it. This is PyTorch's rule, also where both bounds are equal to the operand, or one is NaN.
fn shares(x: f64, low: f64, high: f64) -> [f64; 3] {
    if x.is_nan() || low.is_nan() || high.is_nan() {
        let bounded = x < low || x > high;
        [
            f64::from(u8::from(!bounded)),
            0.0,
            f64::from(u8::from(low > high)),
        ]
    } else if x == low && x == high {
        [1.0, 0.0, 0.0]
    } else if low > high || x > high {
        [0.0, 0.0, 1.0]
    } else if x < low {
        [0.0, 1.0, 0.0]
    } else if x == low {
        [0.5, 0.5, 0.0]
    } else if x == high {
        [0.5, 0.0, 0.5]
    } else {
        [1.0, 0.0, 0.0]
    }
}

impl<T: Float> Var<T> {
    /// `a + (b - a) · weight` of this `a` and the `end` `b`, exact at both ends.
    ///
    /// # Errors
    /// As [`Var::add`].
    #[track_caller]
    pub fn lerp(&self, end: impl IntoVar<T>, weight: impl IntoVar<T>) -> Result<Var<T>> {
        let (end, weight) = (end.var("lerp")?, weight.var("lerp")?);
        let y = self.value().lerp(end.value(), weight.value())?;
        Var::record(&[self, &end, &weight], y, |_| Lerp {
            start: self.save(),
            end: end.save(),
            weight: weight.save(),
        })
    }

    /// `x + value · a · b`
    ///
    /// # Errors
    /// As [`Var::add`].
    #[track_caller]
    pub fn addcmul(&self, a: &Var<T>, b: &Var<T>, value: T) -> Result<Var<T>> {
        let part = a.mul(b).map_err(|e| e.named("addcmul"))?;
        self.add(part.mul(value)?).map_err(|e| e.named("addcmul"))
    }

    /// `x + value · a / b`
    ///
    /// # Errors
    /// As [`Var::add`].
    #[track_caller]
    pub fn addcdiv(&self, a: &Var<T>, b: &Var<T>, value: T) -> Result<Var<T>> {
        let part = a.div(b).map_err(|e| e.named("addcdiv"))?;
        self.add(part.mul(value)?).map_err(|e| e.named("addcdiv"))
    }

    /// As [`Var::clamp`] with a bound for each element; see [`Tensor::clamp_with`]. The gradient goes to the one of the
    /// three that is the result; an operand equal to a bound shares it with that.
    ///
    /// # Errors
    /// As [`Var::add`].
    #[track_caller]
    pub fn clamp_with<'a>(
        &self,
        min: impl Into<Option<&'a Var<T>>>,
        max: impl Into<Option<&'a Var<T>>>,
    ) -> Result<Var<T>> {
        let (min, max) = (min.into(), max.into());
        let bound = |b: Option<&'a Var<T>>| b.map(Var::value);
        let y = self.value().clamp_with(bound(min), bound(max))?;
        let operands: Vec<&Var<T>> = [Some(self), min, max].into_iter().flatten().collect();
        // Constants record nothing, and need no shares.
        let shares = if operands.iter().any(|x| x.is_tracked()) {
            gradient_shares(&y, self.value(), bound(min), bound(max))?
        } else {
            Vec::new()
        };
        Var::record(&operands, y, |_| Clamp { shares })
    }
}

/// The shares of the operand and of each bound that there is, in the shape of the result `y`.
fn gradient_shares<T: Float>(
    y: &Tensor<T>,
    x: &Tensor<T>,
    min: Option<&Tensor<T>>,
    max: Option<&Tensor<T>>,
) -> Result<Vec<Tensor<T>>> {
    let values = |x: Option<&Tensor<T>>, open: T| -> Result<Vec<T>> {
        let open = Tensor::scalar(open);
        Ok(x.unwrap_or(&open).broadcast_to(y.shape())?.to_vec())
    };
    let x = values(Some(x), T::ZERO)?;
    let (low, high) = (values(min, -T::INFINITY)?, values(max, T::INFINITY)?);
    let all: Vec<[f64; 3]> = (x.iter().zip(&low).zip(&high))
        .map(|((x, low), high)| shares(x.f64(), low.f64(), high.f64()))
        .collect();
    let wanted = [true, min.is_some(), max.is_some()];
    (0..3)
        .filter(|&i| wanted[i])
        .map(|i| Tensor::from_vec(all.iter().map(|s| T::of(s[i])).collect(), y.shape()))
        .collect()
}
