use crate::check::same_shape;
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};
use std::f64::consts::LN_2;

options! {
    /// The logarithm of the hyperbolic cosine of the error: half its square near zero, its size less `ln 2` far away.
    ///
    /// # When to use
    /// As [`huber_loss`](crate::regression::huber_loss) with `delta = 1`, where second derivatives should be smooth, or
    /// where there should be no option to set. Scale the values so that errors of 1 are large.
    /// # Formula
    /// `l = ln cosh(x - t)`; `Mean` divides by the number of elements. Gradient: `tanh(x - t)`, and its opposite for
    /// the target.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([1e-4f32, 1e4]));
    /// let t = Var::from(Tensor::from([0.0, 0.0]));
    /// let loss = LogCoshLoss::new().reduction(Reduction::None).forward(&x, &t)?.into_value();
    /// assert!((loss[[0]] - 5e-9).abs() < 1e-15); // the naive formula gives 0
    /// assert_eq!(loss[[1]], 1e4 - std::f32::consts::LN_2); // and here infinity
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Chen et al., *Log Hyperbolic Cosine Loss Improves Variational Auto-Encoder*, 2018. The stable form is from
    /// `cosh d = 1 + 2 sinh²(d/2)`.
    /// # Differs from PyTorch
    /// PyTorch has no such loss. The forms of Keras and Optax cancel near zero: of an error of 1e-4 in `f32` they leave
    /// nothing.
    pub struct LogCoshLoss {}
}

impl LogCoshLoss {
    /// The loss of predictions `x` and targets `t`.
    ///
    /// # Errors
    /// See [`LogCoshLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <LogCosh as Pointwise<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        elementwise::run(LogCosh, [x, t], None, self.reduction, x.numel() as f64)
    }
}

/// [`LogCoshLoss`] with its defaults.
///
/// # Errors
/// See [`LogCoshLoss`].
#[track_caller]
pub fn log_cosh_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    LogCoshLoss::new().forward(x, t)
}

#[derive(Clone)]
struct LogCosh;

impl<T: Float> Pointwise<T, 2> for LogCosh {
    const NAME: &'static str = "log_cosh_loss";
    const COST: usize = 10;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let a = (x - t).abs_();
        let u = (-a).expm1::<I>();
        let e = u + T::ONE;
        // Near zero ln(1 + 2 sinh²(a/2)), where 2 sinh²(a/2) = u² / 2e; far away a - ln 2 + ln(1 + e²). Both are one
        // logarithm of something small.
        let (base, small) = if a < T::ONE {
            (T::ZERO, T::of(0.5) * u * (u / e))
        } else {
            (a - T::of(LN_2), e * e)
        };
        base + small.log1p::<I>()
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        if K == 0 { x - t } else { t - x }.tanh::<I>()
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let d = v[0].sub(&v[1])?;
        let small = d.value().abs().lt(T::ONE)?;
        let near = d.keep_where(&small)?.mul(0.5)?.sinh().square();
        let a = d.abs();
        let far = a.mul(-2.0)?.softplus().add(&a)?.sub(LN_2)?;
        near.mul(2.0)?.log1p().where_(&small, &far)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::Tensor;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "log_cosh_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let options = LogCoshLoss::new().reduction(case.reduction());
            options.forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Against double precision, over the whole range of `f32`: Keras and Optax are off by percents at 1e-3 and give 0
    /// at 1e-4.
    #[test]
    fn single_precision_is_right_at_every_size() {
        let sizes = (-1200..=380).map(|i| 10f64.powf(f64::from(i) / 32.0) as f32);
        let d: Vec<f32> = sizes
            .flat_map(|d| [d, -d])
            .filter(|d| d.is_finite())
            .collect();
        let n = d.len();
        let exact: Vec<f64> = d
            .iter()
            .map(|&d| {
                let a = f64::from(d).abs();
                if a < 1.0 {
                    (2.0 * (0.5 * a).sinh().powi(2)).ln_1p()
                } else {
                    a + (-2.0 * a).exp().ln_1p() - LN_2
                }
            })
            .collect();
        let slope: Vec<f64> = d.iter().map(|&d| f64::from(d).tanh()).collect();
        let x = [
            Tensor::from_vec(d, [n]).unwrap(),
            Tensor::zeros([n]).unwrap(),
        ];
        let none = LogCoshLoss::new().reduction(crate::Reduction::None);
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        assert_near(&value, &exact, 3e-7);
        assert_near(&slopes[0], &slope, 2e-7);
    }

    #[test]
    fn far_away_it_is_the_size_and_at_zero_nothing() {
        let inf = f64::INFINITY;
        let x = [
            Tensor::from([0.0, inf, -inf, 1e300]),
            Tensor::zeros([4]).unwrap(),
        ];
        let none = LogCoshLoss::new().reduction(crate::Reduction::None);
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        assert_eq!(value, [0.0, inf, inf, 1e300]);
        assert_eq!(slopes, [[0.0, 1.0, -1.0, 1.0], [0.0, -1.0, 1.0, -1.0]]);
    }
}
