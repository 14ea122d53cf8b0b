//! All distances of two sets by the Euclidean norm, and their gradients, tile by tile.
//!
//! Each distance is that of the difference of its two vectors: nothing cancels. Terms are added up in `T`, a few at a
//! time, and the sums of these in `f64`. What needs more range than `T` has is left to the caller.
//!
//! The loops have one shape: a long one over the lanes of a tile, which becomes vectors, and in it a short one over a run
//! of terms, which is unrolled and leaves its sum in a register.

use super::cdist::Sets;
use autograd::Float;
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};

/// Terms added up in `T`.
pub(super) const RUN: usize = 16;
/// Vectors of the other set side by side where distances are measured.
const ABREAST: usize = 64;
/// Elements side by side where gradients are added up.
const STRIP: usize = 64;

/// Vectors of the own set taken at a time: while they pass, a run of the other set stays in the first-level cache.
const ROWS: usize = 4;

/// A run of terms of all lanes of a tile.
pub(super) type Tile<T, const LANES: usize> = [[T; LANES]; RUN];

/// The other set with [`ABREAST`] vectors side by side: run by run of elements, tile by tile of vectors, batch by batch.
/// What is missing in the last tile and the last run is 0.
pub(super) fn abreast<T: Float>(sets: &Sets<'_, T>) -> Vec<Tile<T, ABREAST>> {
    let (m, runs) = (sets.n[1], sets.d.div_ceil(RUN));
    let per_batch = m.div_ceil(ABREAST) * runs;
    let mut tiles = vec![[[T::ZERO; ABREAST]; RUN]; sets.batches() * per_batch];
    for (batch, tiles) in tiles.chunks_exact_mut(per_batch).enumerate() {
        for j in 0..m {
            let tiles = &mut tiles[j / ABREAST * runs..][..runs];
            for (k, &y) in sets.other(batch, j).iter().enumerate() {
                tiles[k / RUN][k % RUN][j % ABREAST] = y;
            }
        }
    }
    tiles
}

/// The other set with [`STRIP`] elements side by side: run by run of vectors, strip by strip of elements, batch by batch.
/// What is missing in the last strip and the last run is 0.
pub(super) fn strips<T: Float>(sets: &Sets<'_, T>) -> Vec<Tile<T, STRIP>> {
    let (m, runs) = (sets.n[1], sets.n[1].div_ceil(RUN));
    let per_batch = sets.d.div_ceil(STRIP) * runs;
    let mut tiles = vec![[[T::ZERO; STRIP]; RUN]; sets.batches() * per_batch];
    for (batch, tiles) in tiles.chunks_exact_mut(per_batch).enumerate() {
        for j in 0..m {
            for (f, part) in sets.other(batch, j).chunks(STRIP).enumerate() {
                tiles[f * runs + j / RUN][j % RUN][..part.len()].copy_from_slice(part);
            }
        }
    }
    tiles
}

/// `sums += runs`, in a loop of its own: beside elements of `f64`, those of `f32` are taken in vectors of half the width.
#[inline(always)]
fn carry<T: Float, const LANES: usize>(sums: &mut [f64; LANES], runs: &[T; LANES]) {
    sums.iter_mut().zip(runs).for_each(|(s, r)| *s += r.f64());
}

/// The distances of some vectors of the own set, from `first` on; NaN where that needs more range than `T` has.
pub(super) struct Measure<'a, T> {
    pub(super) sets: Sets<'a, T>,
    pub(super) tiles: &'a [Tile<T, ABREAST>],
    pub(super) first: usize,
    pub(super) out: &'a mut [T],
}

impl<T: Float> Kernel for Measure<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (m, runs) = (self.sets.n[1], self.sets.d.div_ceil(RUN));
        let per_batch = m.div_ceil(ABREAST) * runs;
        let mut own = vec![[[T::ZERO; RUN]; ROWS]; runs];
        let (mut first, mut rest) = (self.first, self.out);
        while !rest.is_empty() {
            let (batch, rows) = self.sets.group(first, rest.len() / m);
            for r in 0..rows {
                let x = self.sets.own(first + r).0;
                for (own, x) in own.iter_mut().zip(x.chunks(RUN)) {
                    own[r][..x.len()].copy_from_slice(x);
                }
            }
            let (out, later) = rest.split_at_mut(rows * m);
            let tiles = &self.tiles[batch * per_batch..][..per_batch];
            for (t, tile) in tiles.chunks_exact(runs).enumerate() {
                let mut sums = [[0.0; ABREAST]; ROWS];
                for (own, y) in own.iter().zip(tile) {
                    for (x, sums) in own.iter().zip(&mut sums).take(rows) {
                        add_squares::<I, T>(x, y, sums);
                    }
                }
                for (out, sums) in out.chunks_exact_mut(m).zip(&sums) {
                    let out = &mut out[t * ABREAST..m.min((t + 1) * ABREAST)];
                    out.copy_from_slice(&roots(sums)[..out.len()]);
                }
            }
            (first, rest) = (first + rows, later);
        }
    }
}

/// Adds the squared differences of a run of elements.
#[inline(always)]
fn add_squares<I: Isa, T: Float>(x: &[T; RUN], y: &Tile<T, ABREAST>, sums: &mut [f64; ABREAST]) {
    let mut runs = [T::ZERO; ABREAST];
    for (lane, run) in runs.iter_mut().enumerate() {
        for k in 0..RUN {
            let u = x[k] - y[k][lane];
            *run = u.mul_add_::<I>(u, *run);
        }
    }
    carry(sums, &runs);
}

/// The least number that is far enough from the denormals for what is small beside it to keep the digits that count.
fn least<T: Float>() -> T {
    T::of(T::TINY.f64() / (T::EPSILON.f64() * T::EPSILON.f64()))
}

/// The roots of squared distances; NaN of what is too small or too large.
#[inline(always)]
fn roots<T: Float>(squares: &[f64; ABREAST]) -> [T; ABREAST] {
    let least = least::<T>();
    let mut roots = [T::ZERO; ABREAST];
    for (root, &s) in roots.iter_mut().zip(squares) {
        let s = T::of(s);
        let fits = (s >= least) & (s <= T::MAX);
        *root = if fits { s.sqrt_() } else { T::NAN };
    }
    roots
}

/// By what the difference of each two vectors is multiplied: the gradient of their distance divided by it. Nothing, if
/// that needs more range than `T` has.
pub(super) fn weights<T: Float>(dy: &[T], distances: &[T]) -> Option<Vec<T>> {
    let mut weights = vec![T::ZERO; dy.len()];
    let fits = par::collect_split(dy.len(), 1, [Some(&mut weights)], 8, |range, [out]| {
        let (dy, distances) = (&dy[range.clone()], &distances[range]);
        let out = out.unwrap_or_default();
        dispatch(Weigh { dy, distances, out })
    });
    (!fits.contains(&false)).then_some(weights)
}

struct Weigh<'a, T> {
    dy: &'a [T],
    distances: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Kernel for Weigh<'_, T> {
    type Out = bool;
    #[inline(always)]
    fn run<I: Isa>(self) -> bool {
        let (least, mut fits) = (least::<T>(), true);
        for ((out, &dy), &distance) in self.out.iter_mut().zip(self.dy).zip(self.distances) {
            let weight = dy / distance;
            let size = weight.abs_();
            let fit = ((distance >= least) & (distance <= T::MAX))
                & ((dy == T::ZERO) | ((size >= least) & (size <= T::MAX)));
            // Two equal vectors have no slope.
            let equal = distance == T::ZERO;
            *out = if equal { T::ZERO } else { weight };
            fits &= fit | equal;
        }
        fits
    }
}

/// The gradients of some vectors of the own set, from `first` on.
pub(super) struct Pull<'a, T> {
    pub(super) sets: Sets<'a, T>,
    pub(super) strips: &'a [Tile<T, STRIP>],
    /// For each two vectors.
    pub(super) weights: &'a [T],
    /// How far apart the weights for neighbouring vectors of the own set and of the other lie.
    pub(super) stride: [usize; 2],
    pub(super) first: usize,
    pub(super) out: &'a mut [T],
}

impl<T: Float> Kernel for Pull<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let ([n, m], d) = (self.sets.n, self.sets.d);
        let runs = m.div_ceil(RUN);
        let per_batch = d.div_ceil(STRIP) * runs;
        let mut weights = vec![[[T::ZERO; RUN]; ROWS]; runs];
        let (mut first, mut rest) = (self.first, self.out);
        while !rest.is_empty() {
            let (batch, rows) = self.sets.group(first, rest.len() / d);
            let start = batch * n * m + first % n * self.stride[0];
            for j in 0..m {
                let at = start + j * self.stride[1];
                for (r, run) in weights[j / RUN].iter_mut().enumerate().take(rows) {
                    run[j % RUN] = self.weights[at + r * self.stride[0]];
                }
            }
            let (out, later) = rest.split_at_mut(rows * d);
            let strips = &self.strips[batch * per_batch..][..per_batch];
            for (f, strip) in strips.chunks_exact(runs).enumerate() {
                let here = f * STRIP..d.min((f + 1) * STRIP);
                let (mut own, mut sums) = ([[T::ZERO; STRIP]; ROWS], [[0.0; STRIP]; ROWS]);
                for (r, own) in own.iter_mut().enumerate().take(rows) {
                    let x = self.sets.own(first + r).0;
                    own[..here.len()].copy_from_slice(&x[here.clone()]);
                }
                for (y, weights) in strip.iter().zip(&weights) {
                    for r in 0..rows {
                        add_pulls::<I, T>(&own[r], y, &weights[r], &mut sums[r]);
                    }
                }
                for (out, sums) in out.chunks_exact_mut(d).zip(&sums) {
                    let out = out[here.clone()].iter_mut();
                    out.zip(sums).for_each(|(o, &s)| *o = T::of(s));
                }
            }
            (first, rest) = (first + rows, later);
        }
    }
}

impl<T> Sets<'_, T> {
    /// The batch of the own vector `first`, and how many from there on, at most `left`, to take at a time.
    #[inline(always)]
    fn group(&self, first: usize, left: usize) -> (usize, usize) {
        let n = self.n[0];
        (first / n, ROWS.min(left).min(n - first % n))
    }
}

/// Adds the weighted differences from a run of vectors.
#[inline(always)]
fn add_pulls<I: Isa, T: Float>(
    x: &[T; STRIP],
    y: &Tile<T, STRIP>,
    weights: &[T; RUN],
    sums: &mut [f64; STRIP],
) {
    let mut runs = [T::ZERO; STRIP];
    for (lane, run) in runs.iter_mut().enumerate() {
        for j in 0..RUN {
            *run = weights[j].mul_add_::<I>(x[lane] - y[j][lane], *run);
        }
    }
    carry(sums, &runs);
}

#[cfg(test)]
mod tests {
    use crate::metric::cdist;
    use autograd::{Float, Tape, Tensor, Var};

    /// Numbers between -1 and 1, times `scale`.
    fn drawn(shape: [usize; 3], seed: usize, scale: f64) -> Tensor<f64> {
        let n = shape.iter().product::<usize>();
        let number = |i: usize| scale * ((i * i + seed) as f64).sin();
        Tensor::from_vec((0..n).map(number).collect(), shape).unwrap()
    }

    /// The distances, and the gradients of their sum with weights.
    fn all<T: Float>(x: &Tensor<f64>, y: &Tensor<f64>, w: &Tensor<f64>) -> [Vec<f64>; 3] {
        let tape = Tape::new();
        let (x, y) = (tape.leaf(x.cast::<T>()), tape.leaf(y.cast::<T>()));
        let d = cdist(&x, &y).unwrap();
        let loss = d.mul(Var::from(w.cast::<T>())).unwrap().sum(..).unwrap();
        let grads = loss.backward().unwrap();
        [d.value(), grads.get(&x).unwrap(), grads.get(&y).unwrap()]
            .map(|x| x.cast::<f64>().to_vec())
    }

    #[test]
    fn tiles_that_are_not_full_and_batches() {
        // By the definition of each number, in loops.
        let [b, n, m, d] = [2, 5, 67, 19];
        let (x, y) = (drawn([b, n, d], 1, 1.0), drawn([b, m, d], 2, 1.0));
        let w = drawn([b, n, m], 3, 1.0);
        let (x_, y_, w_) = (x.to_vec(), y.to_vec(), w.to_vec());
        let mut want = [
            vec![0.0; b * n * m],
            vec![0.0; b * n * d],
            vec![0.0; b * m * d],
        ];
        for place in 0..b * n * m {
            let (i, j) = (place / m, place / m / n * m + place % m);
            let u: Vec<f64> = (0..d).map(|k| x_[i * d + k] - y_[j * d + k]).collect();
            let length = u.iter().map(|u| u * u).sum::<f64>().sqrt();
            want[0][place] = length;
            for (k, u) in u.iter().enumerate() {
                want[1][i * d + k] += w_[place] * u / length;
                want[2][j * d + k] -= w_[place] * u / length;
            }
        }
        let near = |got: [Vec<f64>; 3], tolerance: f64| {
            for (got, want) in got.iter().zip(&want) {
                assert_eq!(got.len(), want.len());
                let apart = got.iter().zip(want).map(|(g, w)| (g - w).abs());
                assert!(apart.fold(0.0, f64::max) < tolerance);
            }
        };
        near(all::<f64>(&x, &y, &w), 1e-13);
        near(all::<f32>(&x, &y, &w), 1e-5);
    }

    #[test]
    fn what_needs_more_range_than_the_type_has() {
        // Squares of the one are infinite in `f32`, those of the other are nothing; slopes know no scale.
        let (x, y) = (drawn([1, 4, 19], 1, 1.0), drawn([1, 3, 19], 2, 1.0));
        let w = drawn([1, 4, 3], 3, 1.0);
        let want = all::<f64>(&x, &y, &w);
        for scale in [2f64.powi(100), 2f64.powi(-100)] {
            let scaled = |x: &Tensor<f64>| x.mul(scale).unwrap();
            let mut got = all::<f32>(&scaled(&x), &scaled(&y), &w);
            got[0].iter_mut().for_each(|d| *d /= scale);
            for (got, want) in got.iter().flatten().zip(want.iter().flatten()) {
                assert!((got - want).abs() < 1e-6, "{got} in place of {want}");
            }
        }
    }
}
