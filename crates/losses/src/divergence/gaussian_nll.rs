use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise, strong_product, strong_zero};
use autograd::tensor_core::kernel::Isa;
use autograd::{Error, Float, IntoVar, Result, Tensor, Var};

options! {
    /// The negative log-likelihood of a target under a normal distribution, of which mean and variance are predicted.
    ///
    /// # When to use
    /// Where a model should say how uncertain each of its values is. A network's variance must be made positive, by a
    /// softplus for one, and may get stuck near zero: [`gaussian_nll_loss_with_log_var`] takes its logarithm, which needs
    /// neither and is the better choice in most cases.
    /// # Formula
    /// With `v = max(var, eps)`: `l = (ln v + (x - t)² / v) / 2`, and with `full` `ln(2π) / 2` more; `Mean` divides by the
    /// number of elements. Gradients: `(x - t) / v`, its opposite for the target, and `(1 - (x - t)² / v) / (2 v)` for the
    /// variance, also where it is below `eps`.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar. `var` is a number, or has the shape of `x`, or lacks the last dimension, or has size 1 in one dimension.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Value`](crate::Error::Value) for a negative
    /// variance, [`Error::Option`](crate::Error::Option) for a negative `eps`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([1.0f64, 2.0]));
    /// let t = Var::from(Tensor::from([1.0, 4.0]));
    /// let loss = gaussian_nll_loss(&x, &t, 1.0)?;
    /// assert_eq!(loss.item()?, 1.0); // of variance 1: half the squared error
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Nix and Weigend, *Estimating the Mean and Variance of the Target Probability Distribution*, 1994. PyTorch,
    /// [`gaussian_nll_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.gaussian_nll_loss.html).
    /// # Differs from PyTorch
    /// - The error is divided before it is squared: in `f32`, an error of 1e20 at a variance of 1e30 costs 5e9, and there
    ///   infinity.
    /// - Input and target do not broadcast. A negative `eps` is an error.
    /// - `gradient_below_eps(false)` makes the gradient that of the formula, 0 for a variance below `eps`. By default it
    ///   passes, as there, and is enormous: -1.2e11 for a variance of 0 at an error of 1/2.
    pub struct GaussianNllLoss {
        /// Whether to add the constant `ln(2π) / 2`.
        full: bool = false,
        /// The least variance.
        eps: f64 = 1e-6,
        /// Whether variances below `eps` get a gradient, as if they were `eps`.
        gradient_below_eps: bool = true,
    }
}

impl GaussianNllLoss {
    /// The loss of means `x`, targets `t` and variances `var`, a tensor or a number.
    ///
    /// # Errors
    /// See [`GaussianNllLoss`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        x: &Var<T>,
        t: &Var<T>,
        var: impl IntoVar<T>,
    ) -> Result<Var<T>> {
        let op = GaussianNll::<T>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let var = spread(op, "the variance", var, x.shape())?;
        let expected =
            "a variance is not negative; for logarithms use `gaussian_nll_loss_with_log_var`";
        check::elements(op, "var", var.value(), |v| v < T::ZERO, expected)?;
        check::option(
            op,
            "eps",
            self.eps,
            self.eps >= 0.0,
            "it must not be negative",
        )?;
        let loss = GaussianNll {
            more: T::of(if self.full { HALF_LN_TAU } else { 0.0 }),
            eps: T::of(self.eps),
            gradient_below_eps: self.gradient_below_eps,
        };
        elementwise::run(loss, [x, t, &var], None, self.reduction, x.numel() as f64)
    }
}

/// [`GaussianNllLoss`] with its defaults.
///
/// # Errors
/// See [`GaussianNllLoss`].
#[track_caller]
pub fn gaussian_nll_loss<T: Float>(x: &Var<T>, t: &Var<T>, var: impl IntoVar<T>) -> Result<Var<T>> {
    GaussianNllLoss::new().forward(x, t, var)
}

options! {
    /// As [`GaussianNllLoss`], with the logarithm of the variance in place of the variance.
    ///
    /// # When to use
    /// Where a network predicts its uncertainty: any number is a log-variance, there is no floor that gradients pass or
    /// stop at, and the gradient by the log-variance is about 1 in size wherever the prediction is about right.
    /// # Formula
    /// `l = (s + (x - t)² e^-s) / 2` with `s = log_var`, and with `full` `ln(2π) / 2` more; `Mean` divides by the number of
    /// elements. Gradients: `(x - t) e^-s`, its opposite for the target, and `(1 - (x - t)² e^-s) / 2` for `s`.
    /// # Shape
    /// As for [`GaussianNllLoss`].
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([1.0f64, 2.0]));
    /// let t = Var::from(Tensor::from([1.0, 4.0]));
    /// let loss = gaussian_nll_loss_with_log_var(&x, &t, 4f64.ln())?.item()?;
    /// assert!((loss - gaussian_nll_loss(&x, &t, 4.0)?.item()?).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Kendall and Gal, *What Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?*, 2017,
    /// [arXiv:1703.04977](https://arxiv.org/abs/1703.04977), equation 8.
    /// # Differs from PyTorch
    /// PyTorch has the form with the variance alone.
    pub struct GaussianNllLossWithLogVar {
        /// Whether to add the constant `ln(2π) / 2`.
        full: bool = false,
    }
}

impl GaussianNllLossWithLogVar {
    /// The loss of means `x`, targets `t` and logarithms of variances, a tensor or a number.
    ///
    /// # Errors
    /// See [`GaussianNllLossWithLogVar`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        x: &Var<T>,
        t: &Var<T>,
        log_var: impl IntoVar<T>,
    ) -> Result<Var<T>> {
        let op = WithLogVar::<T>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let log_var = spread(op, "the log-variance", log_var, x.shape())?;
        let more = T::of(if self.full { HALF_LN_TAU } else { 0.0 });
        let inputs = [x, t, &log_var];
        elementwise::run(
            WithLogVar { more },
            inputs,
            None,
            self.reduction,
            x.numel() as f64,
        )
    }
}

/// [`GaussianNllLossWithLogVar`] with its defaults.
///
/// # Errors
/// See [`GaussianNllLossWithLogVar`].
#[track_caller]
pub fn gaussian_nll_loss_with_log_var<T: Float>(
    x: &Var<T>,
    t: &Var<T>,
    log_var: impl IntoVar<T>,
) -> Result<Var<T>> {
    GaussianNllLossWithLogVar::new().forward(x, t, log_var)
}

/// `ln(2π) / 2`
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_7;

/// A variance in the shape of the input: it is a number, or lacks the last dimension, or has size 1 in one dimension.
#[track_caller]
fn spread<T: Float>(
    op: &'static str,
    what: &'static str,
    v: impl IntoVar<T>,
    shape: &[usize],
) -> Result<Var<T>> {
    let is_number = v.number().is_some();
    let v = v.var(op)?;
    let got = v.shape();
    let mut other = got.iter().zip(shape).filter(|(a, b)| a != b);
    let narrow = matches!((other.next(), other.next()), (None | Some((1, _)), None));
    if is_number || got.len() == shape.len() && narrow {
        return v.broadcast_to(shape);
    }
    if got.len() + 1 == shape.len() && *got == shape[..got.len()] {
        return v.unsqueeze(-1)?.broadcast_to(shape);
    }
    let expected = format!(
        "the input has shape {shape:?}: it must be a number, or have this shape, or lack the last dimension, or have \
         size 1 in one dimension"
    );
    Err(Error::Shape {
        op,
        what,
        got: got.into(),
        expected,
    })
}

#[derive(Clone)]
struct GaussianNll<T> {
    more: T,
    eps: T,
    gradient_below_eps: bool,
}

impl<T: Float> Pointwise<T, 3> for GaussianNll<T> {
    const NAME: &'static str = "gaussian_nll_loss";
    const COST: usize = 10;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t, var]: [T; 3]) -> T {
        let v = if var < self.eps { self.eps } else { var };
        // Divided before it is squared, so that the square of a large error does not overflow.
        let d = x - t;
        T::of(0.5) * (d / v).mul_add_::<I>(d, v.ln::<I>()) + self.more
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t, var]: [T; 3]) -> T {
        let v = if var < self.eps { self.eps } else { var };
        match K {
            0 => (x - t) / v,
            1 => (t - x) / v,
            _ if var < self.eps && !self.gradient_below_eps => T::ZERO,
            _ => {
                let d = x - t;
                T::of(0.5) * (-d / v).mul_add_::<I>(d, T::ONE) / v
            }
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t, var) = (&v[0], &v[1], &v[2]);
        let v = if self.gradient_below_eps {
            // The floor is added as a constant, so that the gradient passes.
            let lift: Tensor<T> =
                (var.value()).map(|v: T| if v < self.eps { self.eps - v } else { T::ZERO });
            var.add(Var::from(lift))?
        } else {
            var.masked_fill(&var.value().lt(self.eps)?, self.eps)?
        };
        let r = x.sub(t)?.div(v.sqrt())?;
        v.log().add(r.square())?.mul(0.5)?.add(self.more)
    }
}

#[derive(Clone)]
struct WithLogVar<T> {
    more: T,
}

impl<T: Float> Pointwise<T, 3> for WithLogVar<T> {
    const NAME: &'static str = "gaussian_nll_loss_with_log_var";
    const COST: usize = 10;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t, s]: [T; 3]) -> T {
        let r = strong_zero(x - t, (T::of(-0.5) * s).exp::<I>());
        T::of(0.5) * (s + r * r) + self.more
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t, s]: [T; 3]) -> T {
        // No error has no slope, however certain the prediction is.
        let root = (T::of(-0.5) * s).exp::<I>();
        let r = strong_zero(x - t, root);
        match K {
            0 => strong_zero(r, root),
            1 => strong_zero(-r, root),
            _ => T::of(0.5) * (T::ONE - r * r),
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t, s) = (&v[0], &v[1], &v[2]);
        let r = strong_product(&x.sub(t)?, &s.mul(-0.5)?.exp())?;
        s.add(r.square())?.mul(0.5)?.add(self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::gradcheck;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "gaussian_nll_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            GaussianNllLoss::new()
                .full(case.bool("full", false))
                .eps(case.f64("eps", 1e-6))
                .gradient_below_eps(case.bool("gradient_below_eps", true))
                .reduction(case.reduction())
                .forward(&v[0], &v[1], &v[2])
        }
    }

    struct LogVar;
    impl Checked for LogVar {
        const NAME: &'static str = "gaussian_nll_loss_with_log_var";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            // Fixtures name their inputs in the order of the alphabet.
            GaussianNllLossWithLogVar::new()
                .full(case.bool("full", false))
                .reduction(case.reduction())
                .forward(&v[0], &v[2], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn log_variances_check() {
        check_loss::<LogVar>();
    }

    #[test]
    fn a_number_is_a_variance_for_all() {
        let x = [
            Tensor::from([[1.0f64, 2.0], [0.5, -1.0]]),
            Tensor::zeros([2, 2]).unwrap(),
        ];
        let none = GaussianNllLoss::new().reduction(Reduction::None);
        let all = Var::from(Tensor::full([2, 2], 2.5).unwrap());
        let by_number = value_and_slopes(&x, |v| none.forward(&v[0], &v[1], 2.5));
        assert_eq!(
            by_number,
            value_and_slopes(&x, |v| none.forward(&v[0], &v[1], &all))
        );
        let f = |v: &[Var<f64>]| gaussian_nll_loss_with_log_var(&v[0], &v[1], -0.5);
        gradcheck(f, &x).unwrap().assert_ok();
    }

    /// The gradient of a variance below the floor is that of the floor, or none.
    #[test]
    fn gradients_pass_the_floor_or_stop_there() {
        let x = [
            Tensor::from([1.0f64, 1.0, 1.0]),
            Tensor::from([1.5f64, 1.5, 1.5]),
            Tensor::from([0.0f64, 1e-9, 0.5]),
        ];
        let none = GaussianNllLoss::new().reduction(Reduction::None);
        let (_, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1], &v[2]));
        // (1 - 0.25e6) / 2e-6
        let floor = -0.5 * (0.25e6 - 1.0) * 1e6;
        assert_near(&slopes[2], &[floor, floor, 0.5], 1e-12);
        let stop = none.gradient_below_eps(false);
        let (_, slopes) = value_and_slopes(&x, |v| stop.forward(&v[0], &v[1], &v[2]));
        assert_eq!(slopes[2][..2], [0.0, 0.0]);
        assert_near(&slopes[2][2..], &[0.5], 1e-12);
        let f = |v: &[Var<f64>]| stop.forward(&v[0], &v[1], &v[2]);
        gradcheck(
            f,
            &[x[0].clone(), x[1].clone(), Tensor::from([0.2f64, 0.4, 0.5])],
        )
        .unwrap()
        .assert_ok();
    }

    /// However certain, no error costs nothing but its certainty; and the square of a large error is not taken before
    /// it is divided.
    #[test]
    fn extreme_log_variances() {
        let x = [
            Tensor::from([1.0f32, 1.0, 1e20, 0.0]),
            Tensor::from([1.0f32, 0.0, 0.0, 0.0]),
            Tensor::from([-200.0f32, 200.0, 30.0 * std::f32::consts::LN_10, -1e4]),
        ];
        let none = GaussianNllLossWithLogVar::new().reduction(Reduction::None);
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1], &v[2]));
        // The third log-variance is rounded to f32: (s + 1e40 e^-s) / 2 of that.
        let s = f64::from(30.0 * std::f32::consts::LN_10);
        assert_near(
            &value,
            &[-100.0, 100.0, 0.5 * (s + 1e40 * (-s).exp()), -5e3],
            1e-5,
        );
        assert_eq!(slopes[0][0], 0.0);
        assert_eq!(slopes[2][..2], [0.5, 0.5]);
    }

    #[test]
    fn error_messages() {
        let of = |shape: &[usize]| Var::from(Tensor::<f32>::ones(shape).unwrap());
        let e = gaussian_nll_loss(&of(&[3, 4]), &of(&[3, 4]), of(&[4]));
        assert_eq!(
            e.unwrap_err().to_string(),
            "gaussian_nll_loss: the variance has shape [4], but the input has shape [3, 4]: it must be a number, or \
             have this shape, or lack the last dimension, or have size 1 in one dimension"
        );
        for shape in [&[1, 1][..], &[1], &[], &[2, 4], &[3, 4, 1]] {
            let e = gaussian_nll_loss(&of(&[3, 4]), &of(&[3, 4]), of(shape));
            assert!(matches!(e, Err(Error::Shape { .. })), "{shape:?}");
        }
        let e = gaussian_nll_loss(&of(&[2]), &of(&[2]), Var::from(Tensor::from([1.0, -0.5])));
        assert_eq!(
            e.unwrap_err().to_string(),
            "gaussian_nll_loss: var[1] is -0.5, but a variance is not negative; for logarithms use \
             `gaussian_nll_loss_with_log_var`"
        );
        let e = GaussianNllLoss::new()
            .eps(-1.0)
            .forward(&of(&[2]), &of(&[2]), 1.0);
        let text = "gaussian_nll_loss: eps is -1, but it must not be negative";
        assert_eq!(e.unwrap_err().to_string(), text);
    }
}
