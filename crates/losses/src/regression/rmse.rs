use crate::check::same_shape;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::lanes::{WIDTH, sum_lanes};
use autograd::tensor_core::kernel::source::Source;
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use autograd::{Float, Fused, Needs, Result, Tensor, Var, fused};

/// The root of the mean squared error over all elements, in the units of the values.
///
/// # When to use
/// To report an error. For training [`mse_loss`](crate::regression::mse_loss) has the same minimum; the root makes the
/// gradient as long near the goal as far from it.
/// # Formula
/// `l = √(Σ (x - t)² / n)` with `n` elements. Gradient: `(x - t) / (n l)`, 0 where `x = t` everywhere, and its opposite
/// for the target.
/// # Shape
/// `x` and `t` have one shape, any; the result is a scalar.
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the shapes differ.
/// # Example
/// ```
/// use losses::prelude::*;
/// let x = Var::from(Tensor::from([3.0f32, 4.0, 0.0, 0.0]));
/// let t = Var::from(Tensor::from([0.0, 0.0, 0.0, 0.0]));
/// assert_eq!(rmse_loss(&x, &t)?.item()?, 2.5);
/// # Ok::<(), losses::Error>(())
/// ```
/// # Reference
/// Keras, [`RootMeanSquaredError`](https://keras.io/api/metrics/regression_metrics/), a metric there.
/// # Differs from PyTorch
/// PyTorch has no such loss. Written as `mse_loss(x, t).sqrt()` its gradient is NaN where `x = t`, and errors from 1e19 on
/// overflow in `f32`.
#[track_caller]
pub fn rmse_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    same_shape(NAME, "the target", t.shape(), x.shape())?;
    fused(Rmse, &[x, t])
}

const NAME: &str = "rmse_loss";

#[derive(Clone)]
struct Rmse;

/// `Σ (scale (x - t))²` and the largest `|x - t|` of a block, in `f64`.
struct Squares<'a, T> {
    x: &'a [T],
    t: &'a [T],
    scale: f64,
}
impl<T: Float> Kernel for Squares<'_, T> {
    type Out = (f64, f64);
    #[inline(always)]
    fn run<I: Isa>(self) -> (f64, f64) {
        let (mut sums, mut largest) = ([0.0f64; WIDTH], [0.0f64; WIDTH]);
        let mut add = |i: usize, x: T, t: T| {
            let d = x.f64() - t.f64();
            sums[i] += (d * self.scale) * (d * self.scale);
            largest[i] = largest[i].max_(d.abs());
        };
        // Groups of fixed length become vectors.
        let (x, rest_x) = self.x.as_chunks::<WIDTH>();
        let (t, rest_t) = self.t.as_chunks::<WIDTH>();
        for (x, t) in x.iter().zip(t) {
            for i in 0..WIDTH {
                add(i, x[i], t[i]);
            }
        }
        for (i, (&x, &t)) in rest_x.iter().zip(rest_t).enumerate() {
            add(i, x, t);
        }
        (sum_lanes(&sums), largest.into_iter().fold(0.0, f64::max_))
    }
}

/// `(x - t) · g`
struct Slopes<'a, T> {
    x: &'a [T],
    t: &'a [T],
    g: f64,
    out: &'a mut [T],
}
impl<T: Float> Kernel for Slopes<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for ((o, x), t) in self.out.iter_mut().zip(self.x).zip(self.t) {
            *o = T::of((x.f64() - t.f64()) * self.g);
        }
    }
}

/// Calls `f(start, x, t)` for consecutive blocks of positions `start..end`.
fn each_block<T: Float>(
    [x, t]: &[Source<'_, T>; 2],
    start: usize,
    end: usize,
    mut f: impl FnMut(usize, &[T], &[T]),
) {
    let (mut x, mut t, mut at) = (x.reader(), t.reader(), start);
    while at < end {
        let len = t.ready(at, x.ready(at, end - at));
        f(at, x.read(at, len), t.read(at, len));
        at += len;
    }
}

/// `Σ (scale (x - t))²` and the largest `|x - t|`.
fn squares<T: Float>(inputs: &[&Tensor<T>], scale: f64) -> (f64, f64) {
    let sources = [inputs[0].source(), inputs[1].source()];
    let parts = par::collect(inputs[0].numel(), 2, |range| {
        let (mut sum, mut largest) = (0.0, 0.0f64);
        each_block(&sources, range.start, range.end, |_, x, t| {
            let (squares, most) = dispatch(Squares { x, t, scale });
            sum += squares;
            largest = largest.max_(most);
        });
        (sum, largest)
    });
    let add = |(sum, largest): (f64, f64), (s, l): (f64, f64)| (sum + s, largest.max_(l));
    parts.into_iter().fold((0.0, 0.0), add)
}

impl<T: Float> Fused<T> for Rmse {
    /// The result, not yet rounded to `T`.
    type Saved = f64;

    fn name(&self) -> &'static str {
        NAME
    }

    #[track_caller]
    fn definition(&self, inputs: &[Var<T>]) -> Result<Var<T>> {
        let mean = inputs[0].sub(&inputs[1])?.square().mean(..)?;
        // At the goal, and over nothing, the loss is a constant.
        let value = mean.item()?;
        if value == T::ZERO || inputs[0].numel() == 0 {
            mean.keep_where(&Tensor::scalar(false))?.add(value)
        } else {
            Ok(mean.sqrt())
        }
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, f64)> {
        let n = inputs[0].numel() as f64;
        let (sum, largest) = squares(inputs, 1.0);
        let root = if (1e-290..1e300).contains(&sum) || largest == 0.0 || !largest.is_finite() {
            (sum / n).sqrt()
        } else {
            // Squares have left the range of f64: again, with the largest error as 1.
            (squares(inputs, 1.0 / largest).0 / n).sqrt() * largest
        };
        Ok((Tensor::scalar(T::of(root)), root))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        root: &f64,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let n = inputs[0].numel();
        let g = match dy.item()?.f64() {
            _ if *root == 0.0 => 0.0,
            dy => dy / n as f64 / root,
        };
        let sources = [inputs[0].source(), inputs[1].source()];
        let slopes = |g: f64| {
            Tensor::build(NAME, inputs[0].shape(), |out| {
                par::split(out, 1, 3, |start, out| {
                    each_block(&sources, start, start + out.len(), |at, x, t| {
                        let out = &mut out[at - start..][..x.len()];
                        dispatch(Slopes { x, t, g, out });
                    });
                });
            })
        };
        let mut grads = FusedGrads::new();
        for (k, g) in [g, -g].into_iter().enumerate() {
            grads.push(if needs.get(k) { Some(slopes(g)?) } else { None });
        }
        Ok(grads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "rmse_loss";
        fn call<T: Float>(_: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            rmse_loss(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// At the goal both slopes and curvatures are 0, where a root of the mean would give NaN.
    #[test]
    fn at_the_goal_there_is_no_slope() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([1.0f64, -2.0]));
        let t = Var::from(Tensor::from([1.0f64, -2.0]));
        let loss = rmse_loss(&x, &t).unwrap();
        assert_eq!(loss.item().unwrap(), 0.0);
        assert_eq!(
            loss.backward().unwrap().get(&x).unwrap().to_vec(),
            [0.0, 0.0]
        );
        let naive = crate::regression::mse_loss(&x, &t).unwrap().sqrt();
        assert!(naive.backward().unwrap().get(&x).unwrap().to_vec()[0].is_nan());
    }

    #[test]
    fn squares_neither_overflow_nor_underflow() {
        for size in [1e20, 1e-30, 1.0] {
            let x = [
                Tensor::from([3.0 * size as f32, 4.0 * size as f32]),
                Tensor::zeros([2]).unwrap(),
            ];
            let (value, slopes) = value_and_slopes(&x, |v| rmse_loss(&v[0], &v[1]));
            assert_near(&value, &[12.5f64.sqrt() * size], 2e-7);
            assert_near(
                &slopes[0],
                &[1.5 / 12.5f64.sqrt(), 2.0 / 12.5f64.sqrt()],
                2e-7,
            );
        }
        for size in [1e300, 1e-300] {
            let x = [
                Tensor::from([3.0 * size, 4.0 * size]),
                Tensor::zeros([2]).unwrap(),
            ];
            let (value, slopes) = value_and_slopes(&x, |v| rmse_loss(&v[0], &v[1]));
            assert_near(&value, &[12.5f64.sqrt() * size], 1e-15);
            assert_near(
                &slopes[1],
                &[-1.5 / 12.5f64.sqrt(), -2.0 / 12.5f64.sqrt()],
                1e-15,
            );
        }
    }

    #[test]
    fn nothing_has_no_mean_and_nan_stays() {
        let empty = [
            Tensor::<f32>::zeros([0]).unwrap(),
            Tensor::zeros([0]).unwrap(),
        ];
        let (value, slopes) = value_and_slopes(&empty, |v| rmse_loss(&v[0], &v[1]));
        assert!(value[0].is_nan() && slopes[0].is_empty());
        let x = [
            Tensor::from([1.0, f64::NAN, 2.0]),
            Tensor::zeros([3]).unwrap(),
        ];
        let (value, slopes) = value_and_slopes(&x, |v| rmse_loss(&v[0], &v[1]));
        assert!(value[0].is_nan() && slopes[0].iter().all(|s| s.is_nan()));
    }
}
