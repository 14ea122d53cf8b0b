//! Running results along one dimension.

use crate::element::{Element, Float, Number};
use crate::error::Result;
use crate::kernel::dispatch::{Kernel, dispatch};
use crate::kernel::isa::Isa;
use crate::kernel::math::Math;
use crate::rows::map_rows;
use crate::tensor::Tensor;

impl<T: Number> Tensor<T> {
    /// Running sums along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn cumsum(&self, dim: isize) -> Result<Tensor<T>> {
        map_rows("cumsum", self, dim, |x, out| {
            let mut sum = T::Acc::ZERO;
            for (o, &v) in out.iter_mut().zip(x) {
                sum = sum.plus(v.widen());
                *o = T::narrow(sum);
            }
        })
    }

    /// Running products along `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn cumprod(&self, dim: isize) -> Result<Tensor<T>> {
        map_rows("cumprod", self, dim, |x, out| {
            let mut product = T::Acc::ONE;
            for (o, &v) in out.iter_mut().zip(x) {
                product = product.times(v.widen());
                *o = T::narrow(product);
            }
        })
    }

    /// The largest element so far along `dim` and its index, the last of equal ones; NaN once there was one.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn cummax(&self, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        let index = self.running("cummax", dim, |best, v| v >= best)?;
        Ok((self.gather(dim, &index)?, index))
    }

    /// The smallest element so far along `dim` and its index, the last of equal ones; NaN once there was one.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn cummin(&self, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        let index = self.running("cummin", dim, |best, v| v <= best)?;
        Ok((self.gather(dim, &index)?, index))
    }

    fn running(
        &self,
        op: &'static str,
        dim: isize,
        better: impl Fn(T, T) -> bool + Sync,
    ) -> Result<Tensor<i64>> {
        map_rows(op, self, dim, |x, out| {
            let mut best = 0;
            for (i, (o, &v)) in out.iter_mut().zip(x).enumerate() {
                if v.is_nan_() || better(x[best], v) {
                    best = i;
                }
                *o = best as i64;
            }
        })
    }
}

impl<T: Float> Tensor<T> {
    /// Running `ln Σ e^x` along `dim`, without overflow.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    pub fn logcumsumexp(&self, dim: isize) -> Result<Tensor<T>> {
        map_rows("logcumsumexp", self, dim, |x, out| {
            dispatch(LogSums(x, out));
        })
    }
}

/// Running `ln Σ e^x` of a row. With the largest element so far, `m`, and the sum of the others' `e^(x - m)`, it is
/// `m + ln(1 + sum)`. Only `m` and the sum wait for the element before; exponentials and logarithms are vectors.
struct LogSums<'a, T>(&'a [T], &'a mut [T]);
impl<T: Float> Kernel for LogSums<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        const BLOCK: usize = 64;
        let LogSums(x, out) = self;
        let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
        for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            let n = x.len();
            // One more, for the largest before the block.
            let mut most = [largest; BLOCK + 1];
            for (most, &v) in most[1..].iter_mut().zip(x) {
                let v = v.f64();
                // Once NaN, it stays NaN.
                largest = if v > largest || v.is_nan() {
                    v
                } else {
                    largest
                };
                *most = largest;
            }
            let (mut share, mut keep) = ([0.0; BLOCK], [0.0; BLOCK]);
            for (i, &v) in x.iter().enumerate() {
                let (v, before) = (v.f64(), most[i]);
                let gap = (v - before).abs();
                // Equal infinities have no gap that is a number; the second adds nothing.
                let same = (v == before) & (v.abs() == f64::INFINITY);
                let e = (if same { f64::NEG_INFINITY } else { -gap }).exp_nonpositive::<I>();
                // The element's share, or, where it is larger than all before it, that of the one which was: by it all
                // shares shrink.
                share[i] = e;
                keep[i] = if v > before { e } else { 1.0 };
            }
            let mut sums = [0.0; BLOCK];
            for i in 0..n {
                sum = sum.mul_add_::<I>(keep[i], share[i]);
                sums[i] = sum;
            }
            for (i, o) in out.iter_mut().enumerate() {
                *o = T::of(most[i + 1] + sums[i].log1p::<I>());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::dispatch::each_path;

    /// Each sum anew, in double precision: without the largest element, for the sake of what is small beside it.
    fn anew(x: &[f32]) -> f64 {
        let (at, &most) = (x.iter().enumerate())
            .max_by(|a, b| a.1.total_cmp(b.1))
            .expect("elements");
        let most = f64::from(most);
        if most.is_infinite() {
            return most;
        }
        let others = x.iter().enumerate().filter(|(i, _)| *i != at);
        most + others
            .map(|(_, &v)| (f64::from(v) - most).exp())
            .sum::<f64>()
            .ln_1p()
    }

    #[test]
    fn running_sums_of_exponentials_are_those_taken_anew() {
        const INF: f32 = f32::INFINITY;
        let wave = |i: usize| ((i * i) as f32 * 0.37).sin() * 20.0;
        let rows: [Vec<f32>; 9] = [
            (0..300).map(wave).collect(),
            (0..129).map(|i| i as f32 * 0.4 - 30.0).collect(),
            (0..200).map(|i| i as f32 * -0.3 + 9.0).collect(),
            (0..65).map(|i| wave(i) * 1e30).collect(),
            vec![0.0, -40.0, -41.0, -39.0],
            vec![-INF, -INF, 1.5, -INF, 2.5, 2.5],
            vec![-INF, 3.0, INF, 1.0, INF, -INF],
            vec![-1e-7; 70],
            vec![-0.0],
        ];
        for x in rows {
            for (path, got) in each_path(|| Copied(&x)) {
                for (i, &got) in got.iter().enumerate() {
                    let want = anew(&x[..=i]);
                    // Where the largest and the logarithm cancel, what is left has the error of these.
                    let most = 0.51
                        * f64::from((want as f32).abs().next_up() - (want as f32).abs())
                        + 1e-14;
                    let near = (f64::from(got) - want).abs() <= most;
                    assert!(
                        near || f64::from(got) == want,
                        "{path}, {i}: {got:e}, not {want:e}"
                    );
                }
            }
        }
        for (path, got) in each_path(|| Copied(&[1.0, f32::NAN, 2.0, INF])) {
            assert!(
                got[0] == 1.0 && got[1..].iter().all(|v| v.is_nan()),
                "{path}: {got:?}"
            );
        }
    }

    struct Copied<'a>(&'a [f32]);
    impl Kernel for Copied<'_> {
        type Out = Vec<f32>;
        #[inline(always)]
        fn run<I: Isa>(self) -> Vec<f32> {
            let mut out = vec![0.0; self.0.len()];
            LogSums(self.0, &mut out).run::<I>();
            out
        }
    }
}
