use super::distance::{self, Distance, Norm, each_slope};
use super::euclid;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use autograd::{Dims, Error, Float, Fused, Needs, Result, Tensor, Var, fused};

options! {
    /// The distances of all vectors of one set from all vectors of another.
    ///
    /// # Formula
    /// `d[i, j] = ‖x1[i] - x2[j]‖` by the norm `p`: `(Σ |u|^p)^(1/p)`, the largest `|u|` for `p = inf`, the number of
    /// elements other than 0 for `p = 0`. Gradient for `x1[i]`: the sum over `j` of `sign(u) (|u| / d)^(p - 1)`, and the
    /// same negated for `x2[j]`; equal vectors have no slope, and equally large elements share that of `p = inf`.
    /// # Shape
    /// `x1`: `(…, P, D)`; `x2`: `(…, R, D)`; the result is `(…, P, R)`.
    /// # Errors
    /// [`Error::Shape`] if the shapes differ elsewhere than in `P` and `R`, [`Error::Option`] if `p` is negative.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let a = Var::from(Tensor::from([[0.0f64, 0.0], [3.0, 4.0]]));
    /// let b = Var::from(Tensor::from([[3.0f64, 4.0], [0.0, 0.0], [3.0, 0.0]]));
    /// assert_eq!(cdist(&a, &b)?.value().to_vec(), [5.0, 0.0, 3.0, 0.0, 5.0, 4.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// As a part of one's own loss: nearest neighbours, hard triplets, kernels. For vectors that are paired already there
    /// is [`pairwise_distance`](super::pairwise_distance).
    /// # Reference
    /// PyTorch, [`cdist`](https://pytorch.org/docs/stable/generated/torch.cdist.html).
    /// # Differs from PyTorch
    /// - Each distance is that of the difference of its two vectors. There, with more than 25 vectors, it is
    ///   `√(‖a‖² + ‖b‖² - 2 a · b)`, which loses all digits of the distance of near vectors.
    /// - It is differentiable twice.
    /// - Batches do not broadcast.
    pub struct Cdist without reduction {
        /// The norm, 0 or more.
        p: f64 = 2.0,
    }
}

impl Cdist {
    /// The distances of all vectors of `x1` from all vectors of `x2`.
    ///
    /// # Errors
    /// See [`Cdist`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x1: &Var<T>, x2: &Var<T>) -> Result<Var<T>> {
        let n = x1.ndim();
        if n < 2 {
            return Err(Error::Shape {
                op: NAME,
                what: "the input",
                got: x1.shape().into(),
                expected: "it must be (…, N, D), one vector in each row".into(),
            });
        }
        let fits = x2.ndim() == n
            && x2.shape()[..n - 2] == x1.shape()[..n - 2]
            && x2.shape()[n - 1] == x1.shape()[n - 1];
        if !fits {
            let expected = format!(
                "the input has shape {:?}: only the number of vectors, the second last size, may differ",
                x1.shape()
            );
            return Err(Error::Shape {
                op: NAME,
                what: "the second input",
                got: x2.shape().into(),
                expected,
            });
        }
        fused(Distances(Norm::of(NAME, self.p)?), &[x1, x2])
    }
}

/// [`Cdist`] with its defaults.
///
/// # Errors
/// See [`Cdist`].
#[track_caller]
pub fn cdist<T: Float>(x1: &Var<T>, x2: &Var<T>) -> Result<Var<T>> {
    Cdist::new().forward(x1, x2)
}

const NAME: &str = "cdist";

#[derive(Clone)]
struct Distances(Norm);

/// Two sets of vectors, batch after batch.
#[derive(Clone, Copy)]
pub(super) struct Sets<'a, T> {
    pub(super) x: &'a [T],
    pub(super) y: &'a [T],
    /// Vectors of either set in a batch, and elements of a vector.
    pub(super) n: [usize; 2],
    pub(super) d: usize,
}

impl<T: Copy> Sets<'_, T> {
    /// Vector `i` of all batches of `x`, and the number of its batch.
    #[inline(always)]
    pub(super) fn own(&self, i: usize) -> (&[T], usize) {
        (&self.x[i * self.d..][..self.d], i / self.n[0])
    }

    pub(super) fn batches(&self) -> usize {
        self.y.len() / (self.n[1] * self.d)
    }

    /// Vector `j` of a batch of `y`.
    #[inline(always)]
    pub(super) fn other(&self, batch: usize, j: usize) -> &[T] {
        &self.y[(batch * self.n[1] + j) * self.d..][..self.d]
    }
}

/// The distances of some vectors of `x`, from `first` on, from those of `y` in their batch; with `again`, those that are
/// NaN.
struct Measure<'a, T> {
    sets: Sets<'a, T>,
    norm: Norm,
    first: usize,
    again: bool,
    out: &'a mut [T],
}
impl<T: Float> Kernel for Measure<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (i, out) in self.out.chunks_exact_mut(self.sets.n[1]).enumerate() {
            let (x, batch) = self.sets.own(self.first + i);
            for (j, o) in out.iter_mut().enumerate() {
                if self.again && !o.is_nan_() {
                    continue;
                }
                let y = self.sets.other(batch, j);
                *o = T::of(Distance::of(self.norm, [x, y], 0.0).value);
            }
        }
    }
}

/// The gradients of some vectors of `x`. A distance has the same slope from either end, so those of `y` are had by
/// exchanging the sets.
struct Pull<'a, T> {
    sets: Sets<'a, T>,
    norm: Norm,
    first: usize,
    dy: &'a [T],
    /// How far apart in `dy` the elements for neighbouring vectors of `x` and of `y` lie.
    stride: [usize; 2],
    out: &'a mut [T],
}
impl<T: Float> Kernel for Pull<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let [n, m] = self.sets.n;
        let mut sum = vec![0.0f64; self.sets.d];
        for (i, out) in self.out.chunks_exact_mut(self.sets.d).enumerate() {
            sum.fill(0.0);
            let (x, batch) = self.sets.own(self.first + i);
            let row = batch * n * m + (self.first + i) % n * self.stride[0];
            for j in 0..m {
                let g = self.dy[row + j * self.stride[1]].f64();
                if g == 0.0 {
                    continue;
                }
                let rows = [x, self.sets.other(batch, j)];
                let distance = Distance::of(self.norm, rows, 0.0);
                each_slope(self.norm, distance, rows, 0.0, |k, slope| {
                    sum[k] += g * slope
                });
            }
            for (o, &s) in out.iter_mut().zip(&sum) {
                *o = T::of(s);
            }
        }
    }
}

/// Number of vectors, and elements of a vector.
fn sizes(shape: &[usize]) -> (usize, usize) {
    (shape[shape.len() - 2], shape[shape.len() - 1])
}

impl Distances {
    /// Whether the loops in tiles serve. They add up a run of terms in `T`, which of short vectors is all there is.
    fn in_tiles<T>(&self, sets: &Sets<'_, T>) -> bool {
        self.0 == Norm::Two && sets.d > euclid::RUN && !sets.x.is_empty() && !sets.y.is_empty()
    }
}

impl<T: Float> Fused<T> for Distances {
    /// The distances.
    type Saved = Tensor<T>;

    fn name(&self) -> &'static str {
        NAME
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        distance::distance(self.0, &v[0].unsqueeze(-2)?, &v[1].unsqueeze(-3)?, 0.0)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Tensor<T>)> {
        let (x, y) = (inputs[0].contiguous(), inputs[1].contiguous());
        let ((n, d), (m, _)) = (sizes(x.shape()), sizes(y.shape()));
        let mut shape: Dims = x.shape().into();
        shape[x.ndim() - 1] = m;
        let sets = Sets {
            x: x.as_slice().unwrap_or_default(),
            y: y.as_slice().unwrap_or_default(),
            n: [n, m],
            d,
        };
        let tiles = self.in_tiles(&sets).then(|| euclid::abreast(&sets));
        let y = Tensor::build(NAME, &shape, |out| {
            if out.is_empty() {
                return;
            }
            par::split(out, m, m * (d * 2 + 8), |first, out| {
                if let Some(tiles) = &tiles {
                    dispatch(euclid::Measure {
                        sets,
                        tiles,
                        first,
                        out,
                    });
                }
                let again = tiles.is_some();
                if again && !out.iter().any(|o| o.is_nan_()) {
                    return;
                }
                dispatch(Measure {
                    sets,
                    norm: self.0,
                    first,
                    again,
                    out,
                });
            });
        })?;
        Ok((y.clone(), y))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        distances: &Tensor<T>,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let (x, y, dy) = (
            inputs[0].contiguous(),
            inputs[1].contiguous(),
            dy.contiguous(),
        );
        let ((n, d), (m, _)) = (sizes(x.shape()), sizes(y.shape()));
        let [x, y] = [&x, &y].map(|x| x.as_slice().unwrap_or_default());
        let dy = dy.as_slice().unwrap_or_default();
        let forth = Sets { x, y, n: [n, m], d };
        let weights = match distances.as_slice() {
            Some(distances) if self.in_tiles(&forth) => euclid::weights(dy, distances),
            _ => None,
        };
        let pull = |sets: Sets<'_, T>, stride: [usize; 2], shape: &[usize]| {
            let strips = weights.as_ref().map(|_| euclid::strips(&sets));
            Tensor::build(NAME, shape, |out| {
                if out.is_empty() {
                    return;
                }
                par::split(out, d, sets.n[1] * (d * 4 + 8), |first, out| {
                    match (&strips, &weights) {
                        (Some(strips), Some(weights)) => dispatch(euclid::Pull {
                            sets,
                            strips,
                            weights,
                            stride,
                            first,
                            out,
                        }),
                        _ => dispatch(Pull {
                            sets,
                            norm: self.0,
                            first,
                            dy,
                            stride,
                            out,
                        }),
                    }
                });
            })
        };
        let back = Sets {
            x: y,
            y: x,
            n: [m, n],
            d,
        };
        let dx = needs.get(0).then(|| pull(forth, [m, 1], inputs[0].shape()));
        let dy = needs.get(1).then(|| pull(back, [1, m], inputs[1].shape()));
        Ok([dx.transpose()?, dy.transpose()?].into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "cdist";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            Cdist::new().p(case.f64("p", 2.0)).forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn near_vectors_far_from_the_origin_keep_their_distance() {
        // Thirty vectors, as many as PyTorch needs for its formula of squares, at 1000 and a little more.
        let x = Tensor::<f32>::full([30, 2], 1000.0).unwrap();
        let y = Tensor::<f32>::full([1, 2], 1000.0 + 1.0 / 1024.0).unwrap();
        let d = cdist(&x.into(), &y.into()).unwrap();
        let want = std::f32::consts::SQRT_2 / 1024.0;
        assert!(d.value().to_vec().iter().all(|&d| d == want), "{d}");
    }

    #[test]
    fn differences_of_batches() {
        let x = Tensor::from([[[1.0, 2.0], [0.5, -1.0]], [[3.0, 0.25], [1.5, 2.0]]]);
        let y = Tensor::from([[[0.0, 1.0]], [[-1.0, 2.5]]]);
        for p in [1.0, 1.5, 2.0, 3.0, f64::INFINITY] {
            let d = |v: &[Var<f64>]| Cdist::new().p(p).forward(&v[0], &v[1]);
            gradcheck(d, &[x.clone(), y.clone()]).unwrap().assert_ok();
            gradgradcheck(d, &[x.clone(), y.clone()])
                .unwrap()
                .assert_ok();
        }
    }

    #[test]
    fn no_vectors_and_no_elements() {
        for (a, b) in [([0, 3], [2, 3]), ([2, 3], [0, 3]), ([2, 0], [3, 0])] {
            let tape = Tape::new();
            let x = tape.leaf(Tensor::<f64>::zeros(a).unwrap());
            let d = cdist(&x, &Var::from(Tensor::zeros(b).unwrap())).unwrap();
            assert_eq!(d.shape(), [a[0], b[0]]);
            let dx = d.sum(..).unwrap().backward().unwrap();
            assert_eq!(dx.get(&x).unwrap().to_vec(), vec![0.0; a[0] * a[1]]);
        }
    }

    #[test]
    fn the_message_shows_both_shapes() {
        let (a, b) = (
            Tensor::<f32>::zeros([2, 3]).unwrap(),
            Tensor::zeros([4, 2]).unwrap(),
        );
        assert_eq!(
            cdist(&a.into(), &b.into()).unwrap_err().to_string(),
            "cdist: the second input has shape [4, 2], but the input has shape [2, 3]: only the number of vectors, the \
             second last size, may differ"
        );
    }
}
