use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The squared error, weighted by its sign: predicts the expectile `q`, as the squared error does the mean.
    ///
    /// # When to use
    /// Where predicting too little and too much cost unequally, and the cost grows with the square of the error; in
    /// reinforcement learning, for values near the best that was seen. For a quantile, whose meaning is plainer, take
    /// [`quantile_loss`](crate::regression::quantile_loss).
    /// # Formula
    /// With `d = t - x`: `l = q d²` where `d >= 0`, else `(1 - q) d²`; `Mean` divides by the number of elements. Gradient:
    /// `-2 q d` and `-2 (1 - q) d`, and its opposite for the target. With `q = 1/2` it is half the squared error.
    /// # Shape
    /// `x` and `t` have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Option`](crate::Error::Option) if `q` does
    /// not lie between 0 and 1.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.0f64, 2.0]));
    /// let t = Var::from(Tensor::from([2.0, 0.0]));
    /// let loss = ExpectileLoss::new().q(0.75).reduction(Reduction::None).forward(&x, &t)?;
    /// assert_eq!(loss.value().to_vec(), [3.0, 1.0]); // too little costs three times as much
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Newey and Powell, *Asymmetric Least Squares Estimation and Testing*, 1987.
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct ExpectileLoss {
        /// The weight of predicting too little; too much weighs `1 - q`.
        q: f64 = 0.5,
    }
}

impl ExpectileLoss {
    /// The loss of predictions `x` and targets `t`.
    ///
    /// # Errors
    /// See [`ExpectileLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = Expectile::<T>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let holds = 0.0 < self.q && self.q < 1.0;
        check::option(op, "q", self.q, holds, "it must lie between 0 and 1")?;
        let loss = Expectile {
            q: T::of(self.q),
            rest: T::of(1.0 - self.q),
        };
        elementwise::run(loss, [x, t], None, self.reduction, x.numel() as f64)
    }
}

/// [`ExpectileLoss`] with its defaults.
///
/// # Errors
/// See [`ExpectileLoss`].
#[track_caller]
pub fn expectile_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    ExpectileLoss::new().forward(x, t)
}

#[derive(Clone)]
struct Expectile<T> {
    q: T,
    rest: T,
}

impl<T: Float> Expectile<T> {
    #[inline(always)]
    fn weight(&self, d: T) -> T {
        if d < T::ZERO { self.rest } else { self.q }
    }
}

impl<T: Float> Pointwise<T, 2> for Expectile<T> {
    const NAME: &'static str = "expectile_loss";

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        let d = t - x;
        self.weight(d) * d * d
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        let w = T::of(2.0) * self.weight(t - x);
        w * if K == 0 { x - t } else { t - x }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let d = v[1].sub(&v[0])?;
        let weight: Tensor<T> = d.value().map(|d| self.weight(d));
        d.square().mul(Var::from(weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "expectile_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            ExpectileLoss::new()
                .q(case.f64("q", 0.5))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// The constant whose slopes add up to zero is the expectile: of 0, 0 and 1 with `q = 0.8` it solves
    /// `2 · 0.2 e = 0.8 (1 - e)`.
    #[test]
    fn its_minimum_is_the_expectile() {
        let t = Tensor::from([0.0f64, 0.0, 1.0]);
        let options = ExpectileLoss::new()
            .q(0.8)
            .reduction(crate::Reduction::None);
        let e = 0.8 / 1.2;
        let x = [Tensor::full([3], e).unwrap(), t];
        let (_, slopes) = value_and_slopes(&x, |v| options.forward(&v[0], &v[1]));
        assert!(slopes[0].iter().sum::<f64>().abs() < 1e-15);
        assert_near(&slopes[0][..2], &[0.4 * e, 0.4 * e], 1e-12);
    }

    #[test]
    fn an_expectile_of_one_is_refused() {
        let x = Var::from(Tensor::from([0.0f32]));
        let e = ExpectileLoss::new().q(1.0).forward(&x, &x).unwrap_err();
        assert_eq!(
            e.to_string(),
            "expectile_loss: q is 1, but it must lie between 0 and 1"
        );
    }
}
