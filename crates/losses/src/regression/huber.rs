use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Half the squared error near the target, and the absolute error times `delta` far from it.
    ///
    /// # When to use
    /// The first choice for values with outliers: smooth at the goal, where [`l1_loss`](crate::regression::l1_loss) is
    /// not, and of bounded slope far away, where [`mse_loss`](crate::regression::mse_loss) is not. `delta` is the error
    /// from which on a value counts as an outlier; where none suggests itself,
    /// [`log_cosh_loss`](crate::regression::log_cosh_loss) has no such option.
    /// # Formula
    /// With `d = x - t`: `l = w d² / 2` where `|d| <= delta`, else `w delta (|d| - delta / 2)`; `Mean` divides by the
    /// number of elements, also with weights. Gradient: `w d` and `w delta sign(d)`, and its opposite for the target.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes of input, target or weight differ,
    /// [`Error::Option`](crate::Error::Option) if `delta` is not positive.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.5f32, 3.0]));
    /// let t = Var::from(Tensor::from([0.0, 0.0]));
    /// let loss = HuberLoss::new().delta(2.0).reduction(Reduction::None).forward(&x, &t)?;
    /// assert_eq!(loss.value().to_vec(), [0.125, 4.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Huber, *Robust Estimation of a Location Parameter*, 1964. PyTorch,
    /// [`huber_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.huber_loss.html).
    /// # Differs from PyTorch
    /// Unequal shapes are an error; there they broadcast with a warning.
    pub struct HuberLoss<T> {
        /// A weight for each element, of the input's shape.
        weight: Option<Tensor<T>> = None,
        /// Up to which error the loss is a parabola.
        delta: f64 = 1.0,
    }
}

impl<T: Float> HuberLoss<T> {
    /// The loss of predictions `x` and targets `t`.
    ///
    /// # Errors
    /// See [`HuberLoss`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = Huber::<T>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        check::option(
            op,
            "delta",
            self.delta,
            self.delta > 0.0,
            "it must be positive",
        )?;
        if let Some(w) = &self.weight {
            same_shape(op, "the weight", w.shape(), x.shape())?;
        }
        let loss = Huber {
            delta: T::of(self.delta),
        };
        let (weight, mean) = (self.weight.clone(), x.numel() as f64);
        elementwise::run(loss, [x, t], weight, self.reduction, mean)
    }
}

/// [`HuberLoss`] with its defaults.
///
/// # Errors
/// See [`HuberLoss`].
#[track_caller]
pub fn huber_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    HuberLoss::new().forward(x, t)
}

#[derive(Clone)]
struct Huber<T> {
    delta: T,
}

impl<T: Float> Pointwise<T, 2> for Huber<T> {
    const NAME: &'static str = "huber_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let a = (x - t).abs_();
        let half = T::of(0.5);
        if a <= self.delta {
            half * a * a
        } else {
            self.delta * (a - half * self.delta)
        }
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let d = if K == 0 { x - t } else { t - x };
        if d > self.delta {
            self.delta
        } else if d < -self.delta {
            -self.delta
        } else {
            d
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let d = v[0].sub(&v[1])?;
        let near = d.value().abs().le(self.delta)?;
        let parabola = d.keep_where(&near)?.square().mul(0.5)?;
        let line = d.keep_where(&near.logical_not())?.abs();
        let line = line.sub(T::of(0.5) * self.delta)?.mul(self.delta)?;
        parabola.where_(&near, &line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regression::{L1Loss, MseLoss};
    use crate::regression::{l1_loss, mse_loss};
    use crate::testing::{Case, Checked, check_loss, value_and_slopes};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "huber_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            HuberLoss::new()
                .weight(case.tensor("weight"))
                .delta(case.f64("delta", 1.0))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// PyTorch's denominators: squared and absolute errors divide by the sum of the weights, Huber's by their number.
    #[test]
    fn each_mean_has_its_own_denominator() {
        let x = Var::from(Tensor::from([1.0f64, 2.0, 3.0]));
        let t = Var::from(Tensor::from([0.0, 0.0, 0.0]));
        let w = Tensor::from([1.0, 2.0, 3.0]);
        let mse = MseLoss::new().weight(w.clone()).forward(&x, &t).unwrap();
        assert_eq!(mse.item().unwrap(), 6.0); // (1 + 8 + 27) / 6
        let l1 = L1Loss::new().weight(w.clone()).forward(&x, &t).unwrap();
        assert_eq!(l1.item().unwrap(), 14.0 / 6.0); // (1 + 4 + 9) / 6
        let huber = HuberLoss::new().weight(w).forward(&x, &t).unwrap();
        assert_eq!(huber.item().unwrap(), 11.0 / 3.0); // (0.5 + 2 · 1.5 + 3 · 2.5) / 3
        let half = HuberLoss::new()
            .delta(f64::INFINITY)
            .forward(&x, &t)
            .unwrap();
        assert_eq!(
            2.0 * half.item().unwrap(),
            mse_loss(&x, &t).unwrap().item().unwrap()
        );
        assert_eq!(l1_loss(&x, &t).unwrap().item().unwrap(), 2.0);
    }

    #[test]
    fn infinities_and_nan() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let none = HuberLoss::new().reduction(crate::Reduction::None);
        let x = [
            Tensor::from([inf, -inf, inf, nan]),
            Tensor::from([0.0, 0.0, inf, 0.0]),
        ];
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        assert_eq!(value[..2], [inf, inf]);
        assert_eq!(slopes[0][..2], [1.0, -1.0]);
        assert!(value[2].is_nan() && value[3].is_nan());
        assert!(slopes[0][2].is_nan() && slopes[0][3].is_nan());
    }

    #[test]
    fn a_delta_of_zero_is_named() {
        let x = Var::from(Tensor::from([0.0f32]));
        let e = HuberLoss::new().delta(0.0).forward(&x, &x).unwrap_err();
        assert_eq!(
            e.to_string(),
            "huber_loss: delta is 0, but it must be positive"
        );
    }
}
