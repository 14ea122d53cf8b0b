use super::bregman::{NEAR, bregman_near};
use super::logits::{Norms, Pair, pick};
use super::row_dim;
use crate::check::{self, same_shape};
use crate::elementwise::strong_zero;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::{Isa, lanes};
use autograd::{Float, Result, Var};
use std::marker::PhantomData;

options! {
    /// The Kullback–Leibler divergence of the distributions of two sets of logits: the loss of distillation.
    ///
    /// # When to use
    /// To bring a student's logits to a teacher's. A temperature above 1 shows the student which wrong classes the teacher
    /// holds to be nearly right. `reverse` makes the student choose one of the teacher's modes, where the default spreads
    /// it over all. For a target that is given as probabilities pass their logarithms, which are logits;
    /// [`kl_div`](crate::divergence::kl_div) takes a model's log-probabilities. Where the two may be far apart,
    /// [`js_divergence`](crate::divergence::js_divergence) is bounded.
    /// # Formula
    /// With `p = softmax(x / T)`, `q = softmax(t / T)` and `T = temperature`: `l = T² Σ q (ln q - ln p)`, for each row along
    /// `dim`; with `reverse` `p` and `q` change places. `Mean` divides by the number of rows. Gradients: `T (p - q)`, and
    /// `T q ((ln q - ln p) - l / T²)` for the target; the factor `T²` keeps them from fading as `T` grows.
    ///
    /// Each term is computed as `q (e^δ - 1 - δ)` with `δ = ln p - ln q`, which has the same sum, as `p` and `q` both add
    /// up to 1. No such term is negative, and those of close distributions do not cancel.
    /// # Shape
    /// `x` and `t` have one shape, any; the result lacks dimension `dim` with
    /// [`Reduction::None`](crate::Reduction::None), else it is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Dim`](crate::Error::Dim) for a dimension that
    /// is not there, [`Error::Option`](crate::Error::Option) if `temperature` is not positive.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let student = Var::from(Tensor::from([[0.0f64, 0.0]]));
    /// let teacher = Var::from(Tensor::from([[3f64.ln(), 0.0]])); // 3/4 and 1/4
    /// let loss = kl_div_with_logits(&student, &teacher)?.item()?;
    /// let by_hand = 0.75 * (0.75f64 / 0.5).ln() + 0.25 * (0.25f64 / 0.5).ln();
    /// assert!((loss - by_hand).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Hinton et al., *Distilling the Knowledge in a Neural Network*, 2015,
    /// [arXiv:1503.02531](https://arxiv.org/abs/1503.02531).
    /// # Differs from PyTorch
    /// There it is written with `kl_div` and two `log_softmax`, whose terms cancel: of distributions whose logits differ
    /// by 1e-3 two thirds are wrong in `f32`, and at 1e-4 the divergence is negative. Classes with a logit of `-inf` in the
    /// target cost nothing; there they are NaN.
    pub struct KlDivWithLogits {
        /// What both sets of logits are divided by.
        temperature: f64 = 1.0,
        /// Whether to take the divergence of the target's distribution from the input's.
        reverse: bool = false,
        /// The dimension of the classes.
        dim: i64 = -1,
    }
}

impl KlDivWithLogits {
    /// The divergence of logits `x` from target logits `t`.
    ///
    /// # Errors
    /// See [`KlDivWithLogits`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <Kl as RowLoss<T, 2>>::NAME;
        same_shape(op, "the target", t.shape(), x.shape())?;
        let (dim, rows) = row_dim(op, x, self.dim)?;
        let temperature = self.temperature;
        let inverse = T::of(1.0 / temperature);
        let holds = inverse > T::ZERO && inverse.finite();
        let expected = "it must be positive and finite";
        check::option(op, "temperature", temperature, holds, expected)?;
        let loss = Kl {
            temperature,
            dim: dim as isize,
        };
        let inputs = if self.reverse { [t, x] } else { [x, t] };
        rowwise::run(loss, inputs, dim, self.reduction, rows)
    }
}

/// [`KlDivWithLogits`] with its defaults.
///
/// # Errors
/// See [`KlDivWithLogits`].
#[track_caller]
pub fn kl_div_with_logits<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    KlDivWithLogits::new().forward(x, t)
}

#[derive(Clone)]
struct Kl {
    temperature: f64,
    dim: isize,
}

/// The terms of `KL` and of `Σ (p - q)`.
struct Terms<T, I>(Pair<T>, PhantomData<I>);

impl<T: Float, I: Isa> lanes::Terms<T, 2, 2> for Terms<T, I> {
    #[inline(always)]
    fn at(&self, [x, y]: [T; 2]) -> [T; 2] {
        let pair = self.0;
        let (p, q, gap) = (pair.p::<I>(x), pair.q::<I>(y), pair.gap(x, y));
        // q (e^gap - 1 - gap), where q e^gap = p. A class that the target excludes costs only its part in the sum.
        let near = bregman_near::<I, T>(gap);
        pick(
            gap.abs_() < T::of(NEAR),
            [q * near, q * (near + gap)],
            [p - q - strong_zero(q, gap), p - q],
        )
    }
}

impl<T: Float> RowLoss<T, 2> for Kl {
    const NAME: &'static str = "kl_div_with_logits";
    const COST: usize = 30;
    /// What makes probabilities of both rows, and their divergence.
    type Keep = (Norms, f64);

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [x, y]: [&[T]; 2]) -> (f64, Self::Keep) {
        let inverse = 1.0 / self.temperature;
        let norms = Norms::of::<I, T>(x, y, inverse);
        let pair = norms.pair::<T>(inverse);
        let [kl, off] = lanes::sums_of([x, y], Terms::<T, I>(pair, PhantomData));
        let value = kl * self.temperature * self.temperature;
        (value, (norms.mended(off), kl))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        [x, y]: [&[T]; 2],
        (norms, kl): Self::Keep,
        g: T,
        dx: &mut [T],
    ) {
        let pair = norms.pair::<T>(1.0 / self.temperature);
        let (g, kl) = (g * T::of(self.temperature), T::of(kl));
        for ((d, &x), &y) in dx.iter_mut().zip(x).zip(y) {
            let (q, gap) = (pair.q::<I>(y), pair.gap(x, y));
            *d = if K == 1 {
                -strong_zero(q, gap + kl) * g
            } else {
                // p - q without cancellation.
                let near = q * (bregman_near::<I, T>(gap) + gap);
                let far = pair.p::<I>(x) - q;
                (if gap.abs_() < T::of(NEAR) { near } else { far }) * g
            };
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        if v[0].ndim() == 0 {
            return v[0].sub(&v[1])?.mul(0.0);
        }
        let (x, t) = (v[0].div(self.temperature)?, v[1].div(self.temperature)?);
        let q = t.softmax(self.dim)?;
        let there = q.value().ne(T::ZERO)?;
        let gap = t.log_softmax(self.dim)?.sub(x.log_softmax(self.dim)?)?;
        let terms = q.mul(gap.keep_where(&there)?)?;
        terms
            .sum(self.dim)?
            .mul(self.temperature * self.temperature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::Tensor;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "kl_div_with_logits";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            KlDivWithLogits::new()
                .temperature(case.f64("temperature", 1.0))
                .reverse(case.bool("reverse", false))
                .dim(case.i64("dim", -1))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// `Σ q (ln q - ln p)` and `p - q` of two rows, in double precision.
    fn exact(x: &[f32], t: &[f32]) -> (f64, Vec<f64>) {
        let logs = |x: &[f32]| -> Vec<f64> {
            let max = x.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x.into()));
            let sum: f64 = x.iter().map(|&x| (f64::from(x) - max).exp()).sum();
            x.iter().map(|&x| f64::from(x) - max - sum.ln()).collect()
        };
        let (lx, lt) = (logs(x), logs(t));
        let kl = lx.iter().zip(&lt).map(|(x, t)| t.exp() * (t - x)).sum();
        (
            kl,
            lx.iter().zip(&lt).map(|(x, t)| x.exp() - t.exp()).collect(),
        )
    }

    /// Distributions over 1000 classes whose logits differ by less and less: PyTorch's formula is off by 5.7e-5, 4.8e-3,
    /// two thirds, and negative.
    #[test]
    fn close_distributions_keep_their_divergence() {
        let wave = |i: usize, k: f64| (i as f64 * k).sin();
        for (apart, bound) in [(1e-1, 5e-7), (1e-2, 2e-6), (1e-3, 1e-5), (1e-4, 1.5e-4)] {
            let t: Vec<f32> = (0..1000).map(|i| (2.0 * wave(i, 1.7)) as f32).collect();
            let x: Vec<f32> = (0..1000)
                .map(|i| t[i] + (apart * wave(i, 2.3)) as f32)
                .collect();
            let (kl, slope) = exact(&x, &t);
            let rows = [
                Tensor::from_vec(x, [1, 1000]).unwrap(),
                Tensor::from_vec(t, [1, 1000]).unwrap(),
            ];
            let none = KlDivWithLogits::new().reduction(Reduction::None);
            let (value, slopes) = value_and_slopes(&rows, |v| none.forward(&v[0], &v[1]));
            assert_near(&value, &[kl], bound);
            let largest = slope.iter().fold(0.0f64, |m, s| m.max(s.abs()));
            for (a, b) in slopes[0].iter().zip(&slope) {
                assert!(
                    (f64::from(*a) - b).abs() < 5e-6 * largest,
                    "{apart}: {a} {b}"
                );
            }
        }
    }

    #[test]
    fn it_is_never_negative_and_zero_for_equals() {
        let x = Tensor::from([[300.0f32, 0.25, -7.0, 1e4], [0.1, 0.2, 0.3, 0.4]]);
        let none = KlDivWithLogits::new()
            .temperature(3.0)
            .reduction(Reduction::None);
        // A shift of all logits of a row changes nothing.
        let shifted = x.sub(0.25f32).unwrap();
        for other in [x.clone(), shifted] {
            let (value, slopes) =
                value_and_slopes(&[x.clone(), other], |v| none.forward(&v[0], &v[1]));
            assert!(value.iter().all(|v| (0.0..1e-12).contains(v)), "{value:?}");
            assert!(
                slopes.iter().flatten().all(|s| s.abs() < 1e-6),
                "{slopes:?}"
            );
        }
    }

    /// Rows that lie far from each other: only the differences within a row count. From mpmath with 60 digits.
    #[test]
    fn a_row_may_lie_anywhere() {
        type Case = (&'static [f64], &'static [f64], f64);
        const EVEN: f64 = 0.128_904_137_552_866_33;
        let cases: [Case; 5] = [
            (&[1.25, 0.5], &[1e20, 0.5], 0.386_871_006_114_899_94),
            (&[1e20, 1e20, 1e20], &[1.25, 0.5, 0.0], EVEN),
            (&[-1e12, -1e12, -1e12], &[1.25, 0.5, 0.0], EVEN),
            (&[1e8, 1e8, 1e8], &[1.25, 0.5, 0.0], EVEN),
            (&[1e300, -1e300], &[-1e300, -1e300], 1e300),
        ];
        for (x, t, want) in cases {
            let rows = [x, t].map(|v| Tensor::from_vec(v.to_vec(), [1, v.len()]).unwrap());
            let none = KlDivWithLogits::new().reduction(Reduction::None);
            let (value, slopes) = value_and_slopes(&rows, |v| none.forward(&v[0], &v[1]));
            assert_near(&value, &[want], 1e-15);
            assert!(slopes.iter().flatten().all(|s| s.is_finite()), "{slopes:?}");
        }
    }

    #[test]
    fn excluded_classes_cost_nothing_and_impossible_ones_everything() {
        let inf = f32::INFINITY;
        let t = Tensor::from([[0.0, -inf, 0.0], [0.0, 0.0, 0.0], [-inf, 0.0, 0.0]]);
        let x = Tensor::from([[0.0, 5.0f32, 0.0], [-inf, 0.0, 0.0], [-inf, 0.0, 0.0]]);
        let none = KlDivWithLogits::new().reduction(Reduction::None);
        let (value, slopes) = value_and_slopes(&[x, t], |v| none.forward(&v[0], &v[1]));
        let kl = -0.5f64.ln() * -1.0 - (1.0f64 / (2.0 + 5f64.exp())).ln();
        assert_near(&value[..1], &[kl], 1e-6);
        assert_eq!(value[1..], [inf, 0.0]);
        let p = 1.0 / (2.0 + 5f64.exp());
        assert_near(&slopes[0][..3], &[p - 0.5, 1.0 - 2.0 * p, p - 0.5], 1e-6);
        assert!(slopes[1][..3].iter().all(|s| s.abs() < 1e-6), "{slopes:?}");
        assert_eq!(slopes[0][6..], [0.0; 3]);
    }

    #[test]
    fn the_gradient_of_a_row_adds_up_to_nothing() {
        let x = [
            Tensor::from([[3.0f32, -1.0, 0.5, 0.25]]),
            Tensor::from([[0.5f32, 2.0, -4.0, 1.0]]),
        ];
        let none = KlDivWithLogits::new()
            .temperature(2.0)
            .reduction(Reduction::None);
        let (_, slopes) = value_and_slopes(&x, |v| none.forward(&v[0], &v[1]));
        for row in &slopes {
            assert!(row.iter().sum::<f32>().abs() < 2e-7, "{row:?}");
        }
    }

    #[test]
    fn other_dimensions_scalars_and_nothing() {
        let x = Tensor::from([[1.0f64, 0.5], [-1.0, 2.0], [0.0, 0.25]]);
        let t = Tensor::from([[0.0f64, 1.5], [1.0, 0.0], [0.5, -0.25]]);
        let none = KlDivWithLogits::new().reduction(Reduction::None);
        let (along, _) = value_and_slopes(&[x.t(), t.t()], |v| none.forward(&v[0], &v[1]));
        let (down, _) = value_and_slopes(&[x, t], |v| none.clone().dim(0).forward(&v[0], &v[1]));
        assert_near(&down, &along, 1e-15);
        // A single class is certain.
        let one = [Tensor::scalar(2.0f64), Tensor::scalar(-3.0)];
        let (value, slopes) = value_and_slopes(&one, |v| none.forward(&v[0], &v[1]));
        assert_eq!((value[0], slopes[0][0]), (0.0, 0.0));
        let empty = Tensor::<f64>::zeros([0, 3]).unwrap();
        let mean = kl_div_with_logits(&Var::from(&empty), &Var::from(&empty)).unwrap();
        assert!(mean.item().unwrap().is_nan());
    }

    #[test]
    fn error_messages() {
        let x = Var::from(Tensor::<f32>::zeros([2, 3]).unwrap());
        let e = KlDivWithLogits::new().temperature(0.0).forward(&x, &x);
        let text = "kl_div_with_logits: temperature is 0, but it must be positive and finite";
        assert_eq!(e.unwrap_err().to_string(), text);
        let e = KlDivWithLogits::new().dim(2).forward(&x, &x);
        let text = "kl_div_with_logits: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        assert_eq!(e.unwrap_err().to_string(), text);
    }
}
