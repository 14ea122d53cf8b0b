use super::distance::{self, Distance, Norm, each_slope};
use crate::check::same_shape;
use crate::reduction::Reduction;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// How far the vectors of two inputs lie apart, each from the one in the same place.
    ///
    /// # Formula
    /// `d = ‖x1 - x2 + eps‖` by the norm `p`: `(Σ |u|^p)^(1/p)`, the largest `|u|` for `p = inf`, the number of elements
    /// other than 0 for `p = 0`. Gradient for `x1`: `sign(u) (|u| / d)^(p - 1)`, and the same negated for `x2`; equal
    /// vectors have no slope, and equally large elements share that of `p = inf`.
    /// # Shape
    /// `x1` and `x2` have one shape, `(…, D)`; the result is `(…)`, with `keepdim` `(…, 1)`.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Option`](crate::Error::Option) if `p` is
    /// negative.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let a = Var::from(Tensor::from([[3.0f64, 0.0], [1.0, 1.0]]));
    /// let b = Var::from(Tensor::from([[0.0f64, 4.0], [1.0, 1.0]]));
    /// let d = PairwiseDistance::new().eps(0.0).forward(&a, &b)?;
    /// assert_eq!(d.value().to_vec(), [5.0, 0.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// As a part of one's own loss. For all distances between two sets there is [`cdist`](super::cdist).
    /// # Reference
    /// PyTorch, [`pairwise_distance`](https://pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html).
    /// # Differs from PyTorch
    /// - The slope of the distance of equal vectors is 0; there `eps` gives it one of length 1.
    /// - Vectors of any size have their true distance; there squares above `1.8e19` in `f32` overflow.
    /// - Nothing broadcasts, and a negative `p`, which is no norm, is an error.
    pub struct PairwiseDistance without reduction {
        /// The norm, 0 or more.
        p: f64 = 2.0,
        /// What is added to each difference. It makes distances of equal vectors a little more than 0, and is here for
        /// the same numbers as PyTorch's; nothing needs it.
        eps: f64 = 1e-6,
        /// Whether the dimension that is gone stays as size 1.
        keepdim: bool = false,
    }
}

impl PairwiseDistance {
    /// The distances of the vectors of `x1` from those of `x2`.
    ///
    /// # Errors
    /// See [`PairwiseDistance`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x1: &Var<T>, x2: &Var<T>) -> Result<Var<T>> {
        same_shape(NAME, "the second input", x2.shape(), x1.shape())?;
        let loss = Apart {
            norm: Norm::of(NAME, self.p)?,
            eps: self.eps,
        };
        let dim = x1.ndim().saturating_sub(1);
        let d = rowwise::run(loss, [x1, x2], dim, Reduction::None, 1.0)?;
        if self.keepdim && x1.ndim() > 0 {
            d.unsqueeze(-1)
        } else {
            Ok(d)
        }
    }
}

/// [`PairwiseDistance`] with its defaults.
///
/// # Errors
/// See [`PairwiseDistance`].
#[track_caller]
pub fn pairwise_distance<T: Float>(x1: &Var<T>, x2: &Var<T>) -> Result<Var<T>> {
    PairwiseDistance::new().forward(x1, x2)
}

const NAME: &str = "pairwise_distance";

#[derive(Clone)]
struct Apart {
    norm: Norm,
    eps: f64,
}

impl<T: Float> RowLoss<T, 2> for Apart {
    const NAME: &'static str = NAME;
    const COST: usize = 2;
    type Keep = Distance;

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, rows: [&[T]; 2]) -> (f64, Distance) {
        let distance = Distance::of(self.norm, rows, self.eps);
        (distance.value, distance)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        rows: [&[T]; 2],
        keep: Distance,
        g: T,
        dx: &mut [T],
    ) {
        let g = if K == 0 { g.f64() } else { -g.f64() };
        each_slope(self.norm, keep, rows, self.eps, |i, slope| {
            dx[i] = T::of(g * slope)
        });
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        distance::distance(self.norm, &v[0], &v[1], self.eps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_close, check_loss};
    use autograd::{Tape, Tensor, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "pairwise_distance";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            PairwiseDistance::new()
                .p(case.f64("p", 2.0))
                .eps(case.f64("eps", 1e-6))
                .keepdim(case.bool("keepdim", false))
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// The 3-4-5 triangle at sizes whose squares leave the element type.
    #[test]
    fn any_size_has_its_distance() {
        fn at<T: Float>(size: f64) {
            for p in [1.0, 2.0, 3.0, f64::INFINITY] {
                let tape = Tape::new();
                let x = tape.leaf(Tensor::from([[T::of(3.0 * size), T::of(-4.0 * size)]]));
                let y = Var::from(Tensor::zeros([1, 2]).unwrap());
                let d = PairwiseDistance::new()
                    .p(p)
                    .eps(0.0)
                    .forward(&x, &y)
                    .unwrap();
                let dx = d.sum(..).unwrap().backward().unwrap();
                let length = match p {
                    1.0 => 7.0,
                    2.0 => 5.0,
                    3.0 => 91f64.cbrt(),
                    _ => 4.0,
                };
                let want = Tensor::from([T::of(length * size)]);
                assert_close("distance", d.value(), &want, 1e-6, 0.0);
                let slope = match p {
                    1.0 => [1.0, -1.0],
                    2.0 => [0.6, -0.8],
                    3.0 => [9.0 / (length * length), -16.0 / (length * length)],
                    _ => [0.0, -1.0],
                };
                let want = Tensor::from([slope.map(T::of)]);
                assert_close("slope", dx.get(&x).unwrap(), &want, 1e-6, 0.0);
            }
        }
        at::<f32>(1e30);
        at::<f32>(1e-30);
        at::<f64>(1e300);
        at::<f64>(1e-300);
    }

    #[test]
    fn equal_vectors_have_no_slope() {
        for p in [0.5, 1.0, 1.5, 2.0, 3.0, f64::INFINITY] {
            for eps in [0.0, 1e-6] {
                let tape = Tape::new();
                let x = tape.leaf(Tensor::from([[1.0f32, -2.0]]));
                let y = tape.leaf(x.value().clone());
                let d = PairwiseDistance::new()
                    .p(p)
                    .eps(eps)
                    .forward(&x, &y)
                    .unwrap();
                let grads = d.sum(..).unwrap().backward().unwrap();
                assert_eq!(grads.get(&x).unwrap().to_vec(), [0.0, 0.0]);
                assert_eq!(grads.get(&y).unwrap().to_vec(), [0.0, 0.0]);
            }
        }
    }

    #[test]
    fn second_derivatives_at_zeros_of_some_elements() {
        // The first element of the difference is 0: a kink for p = 1, and none above.
        let x = Tensor::from([[1.0, -2.0, 0.5]]);
        let y = Tensor::from([[1.0, 1.0, -1.5]]);
        for p in [2.0, 3.0, 4.0] {
            let d = |v: &[Var<f64>]| PairwiseDistance::new().p(p).eps(0.0).forward(&v[0], &v[1]);
            gradgradcheck(d, &[x.clone(), y.clone()])
                .unwrap()
                .assert_ok();
        }
    }

    #[test]
    fn a_number_has_a_distance_and_nothing_has_none() {
        let d = |a: Tensor<f64>, b: Tensor<f64>| {
            let d = PairwiseDistance::new()
                .eps(0.0)
                .forward(&a.into(), &b.into());
            d.unwrap().into_value()
        };
        assert_eq!(
            d(Tensor::scalar(3.0), Tensor::scalar(-1.0)).item().unwrap(),
            4.0
        );
        let none = Tensor::zeros([2, 0]).unwrap();
        assert_eq!(d(none.clone(), none).to_vec(), [0.0, 0.0]);
    }

    #[test]
    fn the_message_shows_the_option() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = PairwiseDistance::new().p(-1.0).forward(&x, &x).unwrap_err();
        assert_eq!(
            e.to_string(),
            "pairwise_distance: p is -1, but it must be 0 or more; infinity gives the largest difference"
        );
    }
}
