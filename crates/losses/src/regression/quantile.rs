use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Error, Float, Result, Tensor, Var};

/// Which quantiles are predicted: one, or one for each element of the last dimension. Made from a number, an array, a
/// slice or a vector.
#[derive(Clone, Debug, PartialEq)]
pub enum Quantiles {
    /// The same everywhere.
    One(f64),
    /// One for each element of the last dimension.
    Each(Vec<f64>),
}

impl From<f64> for Quantiles {
    fn from(q: f64) -> Self {
        Quantiles::One(q)
    }
}

impl From<&[f64]> for Quantiles {
    fn from(q: &[f64]) -> Self {
        Quantiles::Each(q.to_vec())
    }
}

impl From<Vec<f64>> for Quantiles {
    fn from(q: Vec<f64>) -> Self {
        Quantiles::Each(q)
    }
}

impl<const N: usize> From<[f64; N]> for Quantiles {
    fn from(q: [f64; N]) -> Self {
        Quantiles::Each(q.to_vec())
    }
}

options! {
    /// The absolute error, weighted by its sign: predicts the quantile `q`, the pinball loss.
    ///
    /// # When to use
    /// For intervals in place of points: with `q` of 0.05 and 0.95 the truth lies between both predictions in nine of
    /// ten cases. One model can predict many quantiles at once, in its last dimension. Nothing keeps them from crossing.
    /// # Formula
    /// With `d = t - x`: `l = q d` where `d > 0`, else `(q - 1) d`; `Mean` divides by the number of elements. Gradient:
    /// `-q` where `d > 0`, `1 - q` where `d < 0`, 0 where `d = 0`, and its opposite for the target. With `q = 1/2` it is
    /// half the absolute error.
    /// # Shape
    /// `x` and `t` have one shape, any. With several quantiles the last dimension of `x` has one element for each, and
    /// `t` may lack this dimension: its values then serve all quantiles. The result is as `x` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Option`](crate::Error::Option) if a quantile does not lie between 0 and 1.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let t = Var::from(Tensor::from([10.0f64]));
    /// let low_mid_high = Var::from(Tensor::from([[8.0, 11.0, 12.0]]));
    /// let loss = QuantileLoss::new().q([0.25, 0.5, 0.75]).reduction(Reduction::None).forward(&low_mid_high, &t)?;
    /// assert_eq!(loss.value().to_vec(), [0.5, 0.5, 0.5]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Koenker and Bassett, *Regression Quantiles*, 1978.
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct QuantileLoss {
        /// The quantile, or a list with one for each element of the last dimension.
        q: Quantiles = 0.5.into(),
    }
}

impl QuantileLoss {
    /// The loss of predictions `x` and targets `t`.
    ///
    /// # Errors
    /// See [`QuantileLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let all = match &self.q {
            Quantiles::One(q) => std::slice::from_ref(q),
            Quantiles::Each(all) => all,
        };
        for &q in all {
            let holds = 0.0 < q && q < 1.0;
            check::option(NAME, "q", q, holds, "it must lie between 0 and 1")?;
        }
        let mean = x.numel() as f64;
        match &self.q {
            Quantiles::One(q) => {
                same_shape(NAME, "the target", t.shape(), x.shape())?;
                let loss = Same { q: T::of(*q) };
                elementwise::run(loss, [x, t], None, self.reduction, mean)
            }
            Quantiles::Each(all) => {
                if x.shape().last() != Some(&all.len()) {
                    let expected = format!(
                        "there are {} quantiles: the last dimension must have one element for each",
                        all.len()
                    );
                    return Err(Error::Shape {
                        op: NAME,
                        what: "the input",
                        got: x.shape().into(),
                        expected,
                    });
                }
                let t = if t.shape() == &x.shape()[..x.ndim() - 1] {
                    &t.unsqueeze(-1)?.broadcast_to(x.shape())?
                } else {
                    same_shape(NAME, "the target", t.shape(), x.shape())?;
                    t
                };
                let q = all.iter().map(|&q| T::of(q)).collect();
                let q = Tensor::from_vec(q, [all.len()])?.broadcast_to(x.shape())?;
                elementwise::run(Each, [x, t, &Var::from(q)], None, self.reduction, mean)
            }
        }
    }
}

/// [`QuantileLoss`] with its defaults.
///
/// # Errors
/// See [`QuantileLoss`].
#[track_caller]
pub fn quantile_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    QuantileLoss::new().forward(x, t)
}

const NAME: &str = "quantile_loss";

/// One quantile for each element, as a third input.
#[derive(Clone)]
struct Each;

impl<T: Float> Pointwise<T, 3> for Each {
    const NAME: &'static str = NAME;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t, q]: [T; 3]) -> T {
        let d = t - x;
        (if d > T::ZERO { q } else { T::ONE - q }) * d.abs_()
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t, q]: [T; 3]) -> T {
        let d = t - x;
        if K == 2 {
            return d;
        }
        let slope = if d > T::ZERO {
            -q
        } else if d < T::ZERO {
            T::ONE - q
        } else {
            d // 0, or NaN.
        };
        if K == 0 { slope } else { -slope }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (d, q) = (v[1].sub(&v[0])?, &v[2]);
        let below = q.mul(d.relu())?;
        below.add((-q + 1.0).mul((-&d).relu())?)
    }
}

/// One quantile for all elements.
#[derive(Clone)]
struct Same<T> {
    q: T,
}

impl<T: Float> Pointwise<T, 2> for Same<T> {
    const NAME: &'static str = NAME;

    #[inline(always)]
    fn value<I: Isa>(&self, [x, t]: [T; 2]) -> T {
        Each.value::<I>([x, t, self.q])
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [x, t]: [T; 2]) -> T {
        Each.slope::<I, K>([x, t, self.q])
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let q = Var::from(Tensor::scalar(self.q));
        Each.definition(&[v[0].clone(), v[1].clone(), q])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::{Tape, gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let q: Quantiles = if case.has_tensor("q") {
                case.tensor::<f64>("q").unwrap().to_vec().into()
            } else {
                case.f64("q", 0.5).into()
            };
            QuantileLoss::new()
                .q(q)
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Each column is the loss of its own quantile, and a target without the last dimension serves all.
    #[test]
    fn many_quantiles_are_many_losses() {
        let q = [0.1, 0.5, 0.9];
        let x = Tensor::from([[0.5f64, 1.0, -2.0], [3.0, 0.25, 0.0]]);
        let t = Tensor::from([0.75f64, 0.0]);
        let options = QuantileLoss::new().q(q).reduction(crate::Reduction::None);
        let tape = Tape::new();
        let (vx, vt) = (tape.leaf(x.clone()), tape.leaf(t.clone()));
        let all = options.forward(&vx, &vt).unwrap();
        let grads = all.sum(..).unwrap().backward().unwrap();
        let mut of_target = [0.0; 2];
        for (k, q) in q.into_iter().enumerate() {
            let one = QuantileLoss::new().q(q).reduction(crate::Reduction::None);
            let column = [x.select(1, k as isize).unwrap(), t.clone()];
            let (value, slopes) = value_and_slopes(&column, |v| one.forward(&v[0], &v[1]));
            assert_eq!(all.value().select(1, k as isize).unwrap().to_vec(), value);
            let dx = grads.get(&vx).unwrap().select(1, k as isize).unwrap();
            assert_eq!(dx.to_vec(), slopes[0]);
            of_target
                .iter_mut()
                .zip(&slopes[1])
                .for_each(|(a, b)| *a += b);
        }
        assert_near(&grads.get(&vt).unwrap().to_vec(), &of_target, 1e-15);
        let both = |v: &[Var<f64>]| options.forward(&v[0], &v[1]);
        gradcheck(both, &[x.clone(), t.clone()])
            .unwrap()
            .assert_ok();
        gradgradcheck(both, &[x.clone(), t.clone()])
            .unwrap()
            .assert_ok();
        // The same with the target written out.
        let wide = t.unsqueeze(-1).unwrap().broadcast_to([2, 3]).unwrap();
        let wide = options.forward(&Var::from(&x), &Var::from(wide)).unwrap();
        assert_eq!(wide.value().to_vec(), all.value().to_vec());
        let mean = QuantileLoss::new().q(vec![0.1, 0.5, 0.9]);
        let mean = mean.forward(&Var::from(&x), &Var::from(&t)).unwrap();
        let sum: f64 = all.value().to_vec().iter().sum();
        assert_near(&[mean.item().unwrap()], &[sum / 6.0], 1e-15);
    }

    #[test]
    fn error_messages_name_the_quantiles() {
        let x = Var::from(Tensor::<f32>::zeros([4, 2]).unwrap());
        let t = Var::from(Tensor::<f32>::zeros([4]).unwrap());
        let e = QuantileLoss::new().q([0.1, 0.5, 0.9]).forward(&x, &t);
        assert_eq!(
            e.unwrap_err().to_string(),
            "quantile_loss: the input has shape [4, 2], but there are 3 quantiles: the last dimension must have one \
             element for each"
        );
        let e = QuantileLoss::new().q([0.1, 1.5]).forward(&x, &t);
        let text = "quantile_loss: q is 1.5, but it must lie between 0 and 1";
        assert_eq!(e.unwrap_err().to_string(), text);
        let scalar = Var::from(Tensor::scalar(1.0f32));
        let e = QuantileLoss::new().q([0.5]).forward(&scalar, &scalar);
        assert!(matches!(e, Err(Error::Shape { .. })));
        let e = QuantileLoss::new()
            .q([0.1, 0.9])
            .forward(&x, &Var::from(Tensor::zeros([2]).unwrap()));
        assert!(matches!(e, Err(Error::Shape { .. })));
    }
}
