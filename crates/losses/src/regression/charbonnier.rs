use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The absolute error with its tip rounded off to a hyperbola.
    ///
    /// # When to use
    /// For images and other dense values with outliers: as [`l1_loss`](crate::regression::l1_loss), but smooth, with
    /// second derivatives everywhere. `eps` is the error below which the loss is flat; set it in the units of the values.
    /// # Formula
    /// `l = √((x - t)² + eps²)`; `Mean` divides by the number of elements. Gradient: `(x - t) / l`, and its opposite for
    /// the target.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Option`](crate::Error::Option) if `eps` is
    /// not positive in the type of the values.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([3.0f32, 0.0]));
    /// let t = Var::from(Tensor::from([0.0, 0.0]));
    /// let loss = CharbonnierLoss::new().eps(4.0).reduction(Reduction::None).forward(&x, &t)?;
    /// assert_eq!(loss.value().to_vec(), [5.0, 4.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Charbonnier et al., *Two Deterministic Half-Quadratic Regularization Algorithms for Computed Imaging*, 1994.
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct CharbonnierLoss {
        /// The loss of no error at all, and the scale of its rounding.
        eps: f64 = 1e-3,
    }
}

impl CharbonnierLoss {
    /// The loss of predictions `x` and targets `t`.
    ///
    /// # Errors
    /// See [`CharbonnierLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = Charbonnier::<T>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let eps = T::of(self.eps);
        let holds = eps > T::ZERO && eps.finite();
        check::option(op, "eps", self.eps, holds, "it must be positive and finite")?;
        elementwise::run(
            Charbonnier { eps },
            [x, t],
            None,
            self.reduction,
            x.numel() as f64,
        )
    }
}

/// [`CharbonnierLoss`] with its defaults.
///
/// # Errors
/// See [`CharbonnierLoss`].
#[track_caller]
pub fn charbonnier_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    CharbonnierLoss::new().forward(x, t)
}

#[derive(Clone)]
struct Charbonnier<T> {
    eps: T,
}

impl<T: Float> Charbonnier<T> {
    /// The larger of `|d|` and `eps`, and the root that it is stretched by: no square can overflow.
    #[inline(always)]
    fn parts<I: Isa>(&self, d: T) -> (T, T) {
        let a = d.abs_();
        // In this order a NaN comes out of the quotient.
        let (large, small) = if a > self.eps {
            (a, self.eps)
        } else {
            (self.eps, a)
        };
        let q = small / large;
        (large, q.mul_add_::<I>(q, T::ONE).sqrt_())
    }
}

impl<T: Float> Pointwise<T, 2> for Charbonnier<T> {
    const NAME: &'static str = "charbonnier_loss";
    const COST: usize = 6;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let (large, stretch) = self.parts::<I>(x - t);
        large * stretch
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let d = if K == 0 { x - t } else { t - x };
        let (large, stretch) = self.parts::<I>(d);
        // d / large is the sign of d where d is the larger, also where it is infinite.
        let share = if large > self.eps {
            T::ONE.with_sign(d)
        } else {
            d / large
        };
        share / stretch
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        v[0].sub(&v[1])?.hypot(Var::from(Tensor::scalar(self.eps)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "charbonnier_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            CharbonnierLoss::new()
                .eps(case.f64("eps", 1e-3))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn single_precision_neither_overflows_nor_underflows() {
        let d = [1e38f32, -1e20, 3e-20, 1e-38, 5.0, -1e-3, 0.0];
        let none = CharbonnierLoss::new().reduction(crate::Reduction::None);
        let n = d.len();
        for eps in [1e-3f32, 1e-30, 1e30] {
            let options = none.clone().eps(eps);
            let exact = |&d: &f32| f64::from(d).hypot(eps.into());
            let x = [Tensor::from(d), Tensor::zeros([n]).unwrap()];
            let (value, slopes) = value_and_slopes(&x, |v| options.forward(&v[0], &v[1]));
            assert_near(&value, &d.iter().map(exact).collect::<Vec<_>>(), 2.4e-7);
            let slope: Vec<f64> = d.iter().map(|d| f64::from(*d) / exact(d)).collect();
            // A slope may be too small for a normal number.
            for (a, b) in slopes[0].iter().zip(&slope) {
                assert!(
                    (f64::from(*a) - b).abs() <= 3e-7 * b.abs() + 1e-44,
                    "{a} {b}"
                );
            }
        }
    }

    #[test]
    fn infinite_errors_have_slopes_of_one() {
        let inf = f64::INFINITY;
        let x = [
            Tensor::from([inf, -inf, f64::NAN]),
            Tensor::zeros([3]).unwrap(),
        ];
        let none = CharbonnierLoss::new().reduction(crate::Reduction::None);
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        assert_eq!(value[..2], [inf, inf]);
        assert_eq!(slopes[0][..2], [1.0, -1.0]);
        assert!(value[2].is_nan() && slopes[0][2].is_nan());
    }

    #[test]
    fn an_eps_that_is_zero_in_single_precision_is_refused() {
        let x = Var::from(Tensor::from([0.0f32]));
        let e = CharbonnierLoss::new()
            .eps(1e-60)
            .forward(&x, &x)
            .unwrap_err();
        let text = "charbonnier_loss: eps is 0.000000000000000000000000000000000000000000000000000000000001, but it \
                    must be positive and finite";
        assert_eq!(e.to_string(), text);
    }
}
