use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// The squared error of the logarithms of `1 + x` and `1 + t`.
    ///
    /// # When to use
    /// For amounts and counts over several orders of magnitude, where the ratio matters and not the difference; it
    /// weighs predicting too little more than too much. Where small values are not to weigh less, take
    /// [`mse_loss`](crate::regression::mse_loss) of the logarithms themselves.
    /// # Formula
    /// `l = L²` with `L = ln(1 + x) - ln(1 + t)`; `Mean` divides by the number of elements. Gradients: `2 L / (1 + x)`, and
    /// for the target `-2 L / (1 + t)`.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Value`](crate::Error::Value) for a value that is not above -1.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([1.0f64, 7.0]));
    /// let t = Var::from(Tensor::from([0.0, 1.0]));
    /// let loss = msle_loss(&x, &t)?.item()?;
    /// let ln2 = 2f64.ln(); // logarithms of 2 and of 4
    /// assert!((loss - 2.5 * ln2 * ln2).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Keras, [`MeanSquaredLogarithmicError`](https://keras.io/api/losses/regression_losses/); scikit-learn,
    /// [`mean_squared_log_error`](https://scikit-learn.org/stable/modules/model_evaluation.html#mean-squared-log-error).
    /// # Differs from PyTorch
    /// PyTorch has no such loss. Keras raises negative values to 1e-7 in silence; here they count as they are.
    pub struct MsleLoss {}
}

impl MsleLoss {
    /// The loss of predictions `x` and targets `t`.
    ///
    /// # Errors
    /// See [`MsleLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <Msle as Pointwise<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        for (what, v) in [("input", x), ("target", t)] {
            let expected = "it must be above -1, as the logarithm of 1 + x is taken";
            check::elements(op, what, v.value(), |v| v <= -T::ONE, expected)?;
        }
        elementwise::run(Msle, [x, t], None, self.reduction, x.numel() as f64)
    }
}

/// [`MsleLoss`] with its defaults.
///
/// # Errors
/// See [`MsleLoss`].
#[track_caller]
pub fn msle_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    MsleLoss::new().forward(x, t)
}

#[derive(Clone)]
struct Msle;

/// `ln(1 + a) - ln(1 + b)` as the logarithm of a quotient, which does not cancel where they are close. The larger is
/// divided, so that the quotient less 1 is never near -1.
#[inline(always)]
fn log_ratio<I: Isa, T: Float>(a: T, b: T) -> T {
    let (large, small) = if a > b { (a, b) } else { (b, a) };
    let log = ((large - small) / (T::ONE + small)).log1p::<I>();
    if a > b { log } else { -log }
}

impl<T: Float> Pointwise<T, 2> for Msle {
    const NAME: &'static str = "msle_loss";
    const COST: usize = 8;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let log = log_ratio::<I, T>(x, t);
        log * log
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let (a, b) = if K == 0 { (x, t) } else { (t, x) };
        T::of(2.0) * log_ratio::<I, T>(a, b) / (T::ONE + a)
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        Ok(v[0].log1p().sub(v[1].log1p())?.square())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::Tensor;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "msle_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let options = MsleLoss::new().reduction(case.reduction());
            options.forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Close values, and values at the ends of the range, against double precision.
    #[test]
    fn single_precision_keeps_its_digits() {
        let x = [1000.0f32, 0.5, -0.999, 1e-20, 1e30, -0.5];
        let t = [1000.01f32, 0.500_001, 1e6, 0.0, 3.0, -0.500_000_1];
        let log = |x: f32| f64::from(x).ln_1p();
        let exact = |(x, t): (&f32, &f32)| log(*x) - log(*t);
        let each: Vec<f64> = x.iter().zip(&t).map(exact).collect();
        let none = MsleLoss::new().reduction(crate::Reduction::None);
        let inputs = [Tensor::from(x), Tensor::from(t)];
        let (value, slopes) = value_and_slopes(&inputs, |v| none.forward(&v[0], &v[1]));
        let squares: Vec<f64> = each.iter().map(|l| l * l).collect();
        assert_near(&value, &squares, 6e-7);
        let slope = |l: &f64, x: f32, sign: f64| sign * 2.0 * l / (1.0 + f64::from(x));
        let by_x: Vec<f64> = each.iter().zip(x).map(|(l, x)| slope(l, x, 1.0)).collect();
        let by_t: Vec<f64> = each.iter().zip(t).map(|(l, t)| slope(l, t, -1.0)).collect();
        assert_near(&slopes[0], &by_x, 6e-7);
        assert_near(&slopes[1], &by_t, 6e-7);
    }

    #[test]
    fn a_value_without_a_logarithm_is_named() {
        let x = Var::from(Tensor::from([[0.5f32, 1.0], [2.0, -1.0]]));
        let e = msle_loss(&x, &x).unwrap_err().to_string();
        let text = "msle_loss: input[1, 1] is -1, but it must be above -1, as the logarithm of 1 + x is taken";
        assert_eq!(e, text);
    }
}
