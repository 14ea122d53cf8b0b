use super::row_dim;
use crate::check::{self, same_shape};
use crate::elementwise::sign;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The Wasserstein distance of two distributions over ordered classes: how much must be carried how far.
    ///
    /// # When to use
    /// For classes with an order, as ratings and ages: a prediction near the truth costs less than one far away, which
    /// cross entropy does not see. `p = 2` is the usual choice for training, as its slope fades near the goal. For classes
    /// at other distances than one step take [`sinkhorn`](crate::divergence::sinkhorn).
    /// # Formula
    /// `l = Σ |X - T|^p` with the running sums `X` and `T` of `x` and `t` along `dim`; without a root, so that `p = 2` is the
    /// squared distance of Cramér. `Mean` divides by the number of rows. Gradient: from the last class backward, the
    /// running sum of `p |X - T|^(p - 1) sign(X - T)`, and its opposite for the target.
    /// # Shape
    /// `x` and `t` have one shape, any; the result lacks dimension `dim` with
    /// [`Reduction::None`](crate::Reduction::None), else it is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Dim`](crate::Error::Dim) for a dimension that
    /// is not there, [`Error::Value`](crate::Error::Value) for a negative probability,
    /// [`Error::Option`](crate::Error::Option) if `p` is below 1. Rows need not sum to 1.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let sure = Var::from(Tensor::from([[1.0f64, 0.0, 0.0]]));
    /// let two_off = Var::from(Tensor::from([[0.0, 0.0, 1.0]]));
    /// assert_eq!(wasserstein_1d(&sure, &two_off)?.item()?, 2.0);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Vallender, *Calculation of the Wasserstein Distance Between Probability Distributions on the Line*, 1974; with
    /// `p = 2` Hou et al., *Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks*, 2016,
    /// [arXiv:1611.05916](https://arxiv.org/abs/1611.05916).
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct Wasserstein1d {
        /// The power of the distance of the running sums.
        p: f64 = 1.0,
        /// The dimension of the classes.
        dim: i64 = -1,
    }
}

impl Wasserstein1d {
    /// The distance of probabilities `x` from target probabilities `t`.
    ///
    /// # Errors
    /// See [`Wasserstein1d`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <Emd as RowLoss<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let (dim, rows) = row_dim(op, x, self.dim)?;
        let holds = self.p >= 1.0 && self.p.is_finite();
        check::option(op, "p", self.p, holds, "it must be at least 1")?;
        for (what, v) in [("input", x), ("target", t)] {
            let expected = "a probability is not negative; logits want a softmax";
            check::elements(op, what, v.value(), |v| v < T::ZERO, expected)?;
        }
        let loss = Emd {
            p: self.p,
            dim: dim as isize,
        };
        rowwise::run(loss, [x, t], dim, self.reduction, rows)
    }
}

/// [`Wasserstein1d`] with its defaults.
///
/// # Errors
/// See [`Wasserstein1d`].
#[track_caller]
pub fn wasserstein_1d<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    Wasserstein1d::new().forward(x, t)
}

#[derive(Clone)]
struct Emd {
    p: f64,
    dim: isize,
}

impl Emd {
    /// `|d|^p`; the two usual powers without a logarithm.
    #[inline(always)]
    fn cost(&self, d: f64) -> f64 {
        match self.p {
            1.0 => d.abs(),
            2.0 => d * d,
            p => d.abs().powf(p),
        }
    }

    /// Its derivative, 0 at 0.
    #[inline(always)]
    fn slope(&self, d: f64) -> f64 {
        match self.p {
            1.0 => sign(d),
            2.0 => 2.0 * d,
            p => p * d.abs().powf(p - 1.0) * sign(d),
        }
    }
}

impl<T: Float> RowLoss<T, 2> for Emd {
    const NAME: &'static str = "wasserstein_1d";
    type Keep = ();

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [x, t]: [&[T]; 2]) -> (f64, ()) {
        let (mut ahead, mut sum) = (0.0, 0.0);
        for (x, t) in x.iter().zip(t) {
            ahead += x.f64() - t.f64();
            sum += self.cost(ahead);
        }
        (sum, ())
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        [x, t]: [&[T]; 2],
        _: (),
        g: T,
        dx: &mut [T],
    ) {
        let mut ahead = 0.0;
        for ((d, x), t) in dx.iter_mut().zip(x).zip(t) {
            ahead += x.f64() - t.f64();
            *d = T::of(self.slope(ahead));
        }
        // An element moves all running sums from its own on.
        let (g, mut sum) = (if K == 0 { g.f64() } else { -g.f64() }, 0.0);
        for d in dx.iter_mut().rev() {
            sum += d.f64();
            *d = T::of(sum * g);
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let d = v[0].sub(&v[1])?;
        let along = |d: &Var<T>| {
            if d.ndim() == 0 {
                Ok(d.clone())
            } else {
                d.cumsum(self.dim)
            }
        };
        let ahead = along(&d)?;
        let terms = match self.p {
            1.0 => ahead.abs(),
            2.0 => ahead.square(),
            p => {
                // At 0 a power has no derivatives to be composed of; the loss has slope 0 there.
                let some: Tensor<bool> = ahead.value().ne(T::ZERO)?;
                let size = ahead.abs().masked_fill(&some.logical_not(), T::ONE)?;
                size.pow(p)?.keep_where(&some)?
            }
        };
        if terms.ndim() == 0 {
            Ok(terms)
        } else {
            terms.sum(self.dim)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::{gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "wasserstein_1d";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            Wasserstein1d::new()
                .p(case.f64("p", 1.0))
                .dim(case.i64("dim", -1))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// The mass moves by as many classes as the distance says, whatever else lies where.
    #[test]
    fn a_shift_costs_its_length() {
        let x = [
            Tensor::from([[0.25f64, 0.5, 0.25, 0.0]]),
            Tensor::from([[0.0, 0.25, 0.5, 0.25]]),
        ];
        let none = Wasserstein1d::new().reduction(Reduction::None);
        let (value, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        assert_eq!(value, [1.0]);
        // The sums are ahead in three places, and level in the last.
        assert_eq!(slopes, [[3.0, 2.0, 1.0, 0.0], [-3.0, -2.0, -1.0, 0.0]]);
        let (value, slopes) = value_and_slopes(&x, |v| none.clone().p(2.0).forward(&v[0], &v[1]));
        assert_eq!(value, [0.25f64.powi(2) + 0.5 * 0.5 + 0.25f64.powi(2)]);
        assert_eq!(slopes[0], [2.0, 1.5, 0.5, 0.0]);
        let (value, _) = value_and_slopes(&x, |v| none.clone().p(3.0).forward(&v[0], &v[1]));
        assert_near(&value, &[2.0 / 64.0 + 0.125], 1e-15);
    }

    #[test]
    fn any_power_has_its_derivatives() {
        let x = [
            Tensor::from([0.1, 0.5, 0.4]),
            Tensor::from([0.3, 0.15, 0.5]),
        ];
        let f = |v: &[Var<f64>]| Wasserstein1d::new().p(2.5).forward(&v[0], &v[1]);
        gradcheck(f, &x).unwrap().assert_ok();
        gradgradcheck(f, &x).unwrap().assert_ok();
        // The same along another dimension, and of a scalar.
        let turned = x.clone().map(|x| x.reshape([3, 1]).unwrap());
        let options = Wasserstein1d::new().p(2.5);
        let down = options
            .clone()
            .dim(0)
            .forward(&Var::from(&turned[0]), &Var::from(&turned[1]));
        assert_eq!(
            down.unwrap().item(),
            f(&[Var::from(&x[0]), Var::from(&x[1])]).unwrap().item()
        );
        let one = Wasserstein1d::new().forward(
            &Var::from(Tensor::scalar(0.25)),
            &Var::from(Tensor::scalar(1.0)),
        );
        assert_eq!(one.unwrap().item().unwrap(), 0.75);
    }

    #[test]
    fn error_messages() {
        let x = Var::from(Tensor::from([[0.5f32, 0.5], [1.5, -0.5]]));
        let text = "wasserstein_1d: input[1, 1] is -0.5, but a probability is not negative; logits want a softmax";
        assert_eq!(wasserstein_1d(&x, &x).unwrap_err().to_string(), text);
        let e = Wasserstein1d::new().p(0.5).forward(&x, &x).unwrap_err();
        assert_eq!(
            e.to_string(),
            "wasserstein_1d: p is 0.5, but it must be at least 1"
        );
    }
}
