use super::vector::{Angle, AngleVar};
use crate::check::{self, same_shape};
use crate::reduction::Reduction;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var, keepdim};

options! {
    /// The cosine of the angle between the vectors of two inputs, each with the one in the same place.
    ///
    /// # Formula
    /// `cos = x1 · x2 / (‖x1‖ ‖x2‖)`, and 0 where either is a vector of zeros. Gradient for `x1`:
    /// `(x2/‖x2‖ - cos · x1/‖x1‖) / ‖x1‖`, and 0 for both where either is a vector of zeros. With an `eps`, a length below it
    /// counts as `eps`, which is a constant.
    /// # Shape
    /// `x1` and `x2` have one shape, any; the result lacks dimension `dim`.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Dim`](crate::Error::Dim) for a dimension
    /// that is not there, [`Error::Option`](crate::Error::Option) for an `eps` below 0.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let a = Var::from(Tensor::from([[1.0f32, 0.0], [1e20, 1e20]]));
    /// let b = Var::from(Tensor::from([[0.0f32, 2.0], [3e-20, 3e-20]]));
    /// assert_eq!(cosine_similarity(&a, &b)?.value().to_vec(), [0.0, 1.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// As a part of one's own loss, or to compare embeddings. To draw pairs together or apart by it there is
    /// [`cosine_embedding_loss`](super::cosine_embedding_loss), which keeps the digits of `1 - cos` that subtracting
    /// this result from 1 loses.
    /// # Reference
    /// PyTorch, [`cosine_similarity`](https://pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html).
    /// # Differs from PyTorch
    /// - `eps` is 0 unless it is given, and `1e-8` there: the cosine with a vector of zeros has no slope, where there it is up
    ///   to `1e8`, and that of short vectors is the true one. With an `eps` the gradient is that of the value; there it goes
    ///   on as if no length had been raised.
    /// - Vectors of `1e20` in `f32` have their true cosine; there it is 0, as their squares overflow.
    /// - Nothing broadcasts.
    pub struct CosineSimilarity without reduction {
        /// The dimension that the vectors run along; negative ones count from the end.
        dim: i64 = 1,
        /// What a vector's length is at least taken for.
        eps: f64 = 0.0,
    }
}

impl CosineSimilarity {
    /// The cosines of the vectors of `x1` with those of `x2`.
    ///
    /// # Errors
    /// See [`CosineSimilarity`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x1: &Var<T>, x2: &Var<T>) -> Result<Var<T>> {
        same_shape(NAME, "the second input", x2.shape(), x1.shape())?;
        let dim = x1.value().dim_index(NAME, self.dim as isize)?;
        let expected = "it must be a length, 0 or above";
        check::option(NAME, "eps", self.eps, self.eps >= 0.0, expected)?;
        let loss = Cosine {
            dim: dim as isize,
            eps: self.eps,
        };
        rowwise::run(loss, [x1, x2], dim, Reduction::None, 1.0)
    }
}

/// [`CosineSimilarity`] with its defaults.
///
/// # Errors
/// See [`CosineSimilarity`].
#[track_caller]
pub fn cosine_similarity<T: Float>(x1: &Var<T>, x2: &Var<T>) -> Result<Var<T>> {
    CosineSimilarity::new().forward(x1, x2)
}

const NAME: &str = "cosine_similarity";

#[derive(Clone)]
struct Cosine {
    dim: isize,
    eps: f64,
}

impl<T: Float> RowLoss<T, 2> for Cosine {
    const NAME: &'static str = NAME;
    const COST: usize = 4;
    /// The angle, and which vectors are shorter than `eps`.
    type Keep = (Angle, [bool; 2]);

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, rows: [&[T]; 2]) -> (f64, Self::Keep) {
        let keep = match self.eps {
            0.0 => (Angle::of(rows), [false; 2]),
            eps => Angle::floored(rows, eps),
        };
        (keep.0.cos(), keep)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        rows: [&[T]; 2],
        (angle, short): Self::Keep,
        g: T,
        dx: &mut [T],
    ) {
        if !short[K] {
            return angle.slope::<T, K>(rows, g.f64(), dx);
        }
        // The length is a constant.
        let scale = g.f64() * angle.inverse[0] * angle.inverse[1];
        for (d, y) in dx.iter_mut().zip(rows[1 - K]) {
            *d = T::of(scale * y.f64());
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let last = |x: &Var<T>| {
            if x.ndim() == 0 {
                Ok(x.clone())
            } else {
                x.movedim(self.dim, -1)
            }
        };
        let (a, b) = (last(&v[0])?, last(&v[1])?);
        if self.eps > 0.0 {
            let floored = |x: &Var<T>| {
                let length = x.norm(2.0, keepdim(-1))?.clamp(T::of(self.eps), None);
                x.div(length)
            };
            return floored(&a)?.mul(floored(&b)?)?.sum(-1);
        }
        let angle = AngleVar::of(&a, &b)?;
        (1.0 - angle.gap).mul(Var::from(angle.sign))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_close, check_loss};
    use autograd::{Tape, Tensor};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "cosine_similarity";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            CosineSimilarity::new()
                .dim(case.i64("dim", 1))
                .eps(case.f64("eps", 0.0))
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// (1, 2) and (2, 1) have the cosine 4/5 at any size, and slopes of (6, -3)/25 and (-3, 6)/25 over that size.
    #[test]
    fn any_size_has_its_cosine() {
        fn at<T: Float>(sizes: [f64; 2]) {
            let tape = Tape::new();
            let of = |v: [f64; 2], s: f64| tape.leaf(Tensor::from([v.map(|v| T::of(v * s))]));
            let (a, b) = (of([1.0, 2.0], sizes[0]), of([2.0, 1.0], sizes[1]));
            let cos = cosine_similarity(&a, &b).unwrap();
            let grads = cos.sum(..).unwrap().backward().unwrap();
            assert_close(
                "cosine",
                cos.value(),
                &Tensor::from([T::of(0.8)]),
                1e-6,
                0.0,
            );
            for (x, slope, size) in [(&a, [6.0, -3.0], sizes[0]), (&b, [-3.0, 6.0], sizes[1])] {
                let want = Tensor::from([slope.map(|v| T::of(v / 25.0 / size))]);
                assert_close("slope", grads.get(x).unwrap(), &want, 1e-6, 0.0);
            }
        }
        at::<f32>([1e20, 1e20]);
        at::<f32>([1e-20, 1e20]);
        at::<f64>([1e200, 1e200]);
        at::<f64>([1e-200, 1e200]);
    }

    #[test]
    fn the_message_shows_both_shapes() {
        let (a, b) = (
            Tensor::<f32>::zeros([2, 3]).unwrap(),
            Tensor::zeros([3]).unwrap(),
        );
        let e = cosine_similarity(&a.into(), &b.into()).unwrap_err();
        assert_eq!(
            e.to_string(),
            "cosine_similarity: the second input has shape [3], but the input has shape [2, 3]: they must agree, as \
             nothing is broadcast in a loss"
        );
    }
}
