//! Random tensors, always from a generator that the caller gives: there is no hidden one.
//!
//! Elements are drawn one after the other in row-major order, so a seed and a shape say all. What is drawn for each is
//! part of what this crate promises, and changes with a note in the changelog only:
//!
//! - `rand`, `uniform`, `bernoulli` and `multinomial` with replacement take 64 bits, of which the upper 53, or the upper 24
//!   for an `f32`, are the digits of a number in `[0, 1)`;
//! - `multinomial` without replacement takes as many for each weight of a row;
//! - `randn` and `normal` are the `StandardNormal` of `rand_distr` in `f64`, rounded to the element type;
//! - `randint`, `randperm` and `shuffle` are `random_range` and `shuffle` of `rand`;
//! - `sample` is what its distribution draws.
//!
//! A generator with a stable stream, such as `ChaCha8Rng`, gives the same tensors in every version and on every machine.

use crate::element::{DType, Element, Float};
use crate::error::{Error, Result};
use crate::shape::IntoShape;
use crate::tensor::Tensor;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

impl<T: Element> Tensor<T> {
    /// Draws from any distribution of `rand_distr`.
    ///
    /// ```
    /// use rand::SeedableRng;
    /// use rand_distr::Gamma;
    /// use tensor_core::Tensor;
    /// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
    /// let x = Tensor::<f64>::sample([2, 3], &Gamma::new(2.0, 1.0).unwrap(), &mut rng)?;
    /// assert!(x.gt(0.0)?.all(..)?.item()?);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Size`] or [`Error::NegativeSize`] for a shape that cannot be.
    pub fn sample(
        shape: impl IntoShape,
        distribution: &impl Distribution<T>,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        Self::build("sample", shape, |out| {
            out.iter_mut().for_each(|o| *o = distribution.sample(rng))
        })
    }

    /// The elements along the first dimension in random order.
    ///
    /// # Errors
    /// [`Error::Shape`] for a scalar.
    pub fn shuffle(&self, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        let (_, n) = self.real_dim("shuffle", 0)?;
        self.index_select(0, &Tensor::randperm(n, rng)?)
    }
}

/// The number in `[0, 1)` that 64 random bits stand for; of 53 bits, `f32` keeps as many as stay below 1.
fn unit<T: Float>(bits: u64) -> T {
    match T::DTYPE {
        DType::F32 => T::of((bits >> 40) as f64 * (1.0 / (1u64 << 24) as f64)),
        _ => T::of((bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)),
    }
}

impl<T: Float> Tensor<T> {
    /// Normal with mean 0 and deviation 1. Drawn in `f64`, so `f32` and `f64` tensors from one seed agree.
    ///
    /// # Errors
    /// [`Error::Size`] or [`Error::NegativeSize`] for a shape that cannot be.
    pub fn randn(shape: impl IntoShape, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        Self::build("randn", shape, |out| {
            out.iter_mut()
                .for_each(|o| *o = T::of(Distribution::<f64>::sample(&StandardNormal, rng)))
        })
    }

    /// Uniform in `[0, 1)`.
    ///
    /// # Errors
    /// [`Error::Size`] or [`Error::NegativeSize`] for a shape that cannot be.
    pub fn rand(shape: impl IntoShape, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        Self::build("rand", shape, |out| {
            out.iter_mut().for_each(|o| *o = unit(rng.random()))
        })
    }

    /// Normal with the given mean and deviation.
    ///
    /// # Errors
    /// [`Error::Option`] for a deviation that is negative or not finite.
    pub fn normal(
        shape: impl IntoShape,
        mean: f64,
        std: f64,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        if !(std >= 0.0 && std.is_finite()) {
            let expected = "it must be finite and not negative";
            return Err(Error::Option {
                op: "normal",
                name: "std",
                value: std.to_string(),
                expected,
            });
        }
        Self::build("normal", shape, |out| {
            for o in out.iter_mut() {
                *o = T::of(mean + std * Distribution::<f64>::sample(&StandardNormal, rng));
            }
        })
    }

    /// Uniform in `[low, high)`.
    ///
    /// # Errors
    /// [`Error::Option`] if `low` is above `high` or one is not finite.
    pub fn uniform(
        shape: impl IntoShape,
        low: f64,
        high: f64,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        if !(low <= high && (high - low).is_finite()) {
            let expected = "it must be finite and not below `low`";
            return Err(Error::Option {
                op: "uniform",
                name: "high",
                value: high.to_string(),
                expected,
            });
        }
        // Rounding may reach `high`, which the interval does not hold.
        let scale = |u: T| match T::of(low + (high - low) * u.f64()) {
            x if x.f64() < high => x,
            _ => T::of(low),
        };
        Self::build("uniform", shape, |out| {
            out.iter_mut().for_each(|o| *o = scale(unit(rng.random())))
        })
    }

    /// For each element `p` of this tensor 1 with probability `p`, else 0.
    ///
    /// # Errors
    /// [`Error::Value`] for an element outside `[0, 1]`.
    pub fn bernoulli(&self, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        IntoShape::dims(self.shape(), "bernoulli")?;
        if let Some((at, p)) = self.find(|p| !(T::ZERO..=T::ONE).contains(&p)) {
            let expected = "a probability lies in 0..=1";
            return Err(Error::Value {
                op: "bernoulli",
                what: "p",
                at,
                value: p.to_string(),
                expected,
            });
        }
        let p = self.try_contiguous("bernoulli")?;
        Self::build("bernoulli", self.shape(), |out| {
            for (o, &p) in out.iter_mut().zip(p.as_slice().unwrap_or(&[])) {
                let u: f64 = unit(rng.random());
                *o = if u < p.f64() { T::ONE } else { T::ZERO };
            }
        })
    }
}

/// The places of the `samples` smallest keys, in the order of their keys, where a weight of `w` has a key that is
/// exponentially distributed with rate `w`: draws without replacement (Efraimidis and Spirakis, *Weighted random
/// sampling with a reservoir*, 2006).
fn without_replacement(weights: &[f64], samples: usize, rng: &mut (impl Rng + ?Sized)) -> Vec<i64> {
    let mut keys: Vec<(f64, i64)> = (weights.iter().zip(0..))
        .map(|(&w, i)| {
            let u: f64 = unit(rng.random());
            // Plain Rust and no vector code, so that the order is the same on every machine.
            let key = if w > 0.0 {
                -libm::log1p(-u) / w
            } else {
                f64::INFINITY
            };
            (key, i)
        })
        .collect();
    keys.sort_by(|a, b| a.0.total_cmp(&b.0));
    keys.iter().take(samples).map(|k| k.1).collect()
}

/// Independent draws: the first place up to which the weights add up to more than a part of their sum.
fn with_replacement(weights: &[f64], samples: usize, rng: &mut (impl Rng + ?Sized)) -> Vec<i64> {
    let running = weights.iter().scan(0.0, |sum, w| {
        *sum += w;
        Some(*sum)
    });
    let running: Vec<f64> = running.collect();
    let total = running.last().copied().unwrap_or(0.0);
    // Rounding may take the last draw to the sum itself, which is no place.
    let last = weights.iter().rposition(|&w| w > 0.0).unwrap_or(0);
    let draw = |_| {
        let u: f64 = unit(rng.random());
        running.partition_point(|&r| r <= u * total).min(last) as i64
    };
    (0..samples).map(draw).collect()
}

impl<T: Float> Tensor<T> {
    /// Draws `num_samples` places of this vector, or of each row of this matrix, each as likely as its element is large
    /// beside the others of its row; without replacement, no place twice.
    ///
    /// With replacement, one number of the generator is taken for each draw; without, one for each element of the row.
    ///
    /// ```
    /// use rand::SeedableRng;
    /// use tensor_core::Tensor;
    /// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
    /// let drawn = Tensor::from([0.0, 3.0, 1.0]).multinomial(2, false, &mut rng)?;
    /// assert!(drawn.ne(0)?.all(..)?.item()?);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] for another number of dimensions, [`Error::Value`] for a weight that is negative or not finite,
    /// [`Error::Option`] if there are fewer weights above 0 than samples without replacement, or none at all.
    pub fn multinomial(
        &self,
        num_samples: usize,
        replacement: bool,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Tensor<i64>> {
        let op = "multinomial";
        if !matches!(self.ndim(), 1 | 2) {
            return Err(Error::Shape {
                op,
                what: "the weights",
                got: self.shape().into(),
                expected: "they must be a vector or a matrix".into(),
            });
        }
        if let Some((at, w)) = self.find(|w| !(w >= T::ZERO && w.finite())) {
            return Err(Error::Value {
                op,
                what: "weight",
                at,
                value: w.to_string(),
                expected: "a weight is finite and not negative",
            });
        }
        let n = self.shape()[self.ndim() - 1];
        let mut shape: crate::error::Dims = self.shape().into();
        shape[self.ndim() - 1] = num_samples;
        let rows: usize = shape[..self.ndim() - 1].iter().product();
        let weights = self.try_contiguous(op)?.cast::<f64>().to_vec();
        let mut out = Vec::new();
        for row in 0..rows {
            let weights = &weights[row * n..(row + 1) * n];
            let there = weights.iter().filter(|&&w| w > 0.0).count();
            if num_samples > 0 && (there == 0 || (!replacement && there < num_samples)) {
                return Err(Error::Option {
                    op,
                    name: "num_samples",
                    value: num_samples.to_string(),
                    expected: "each row needs a weight above 0, and as many as samples without replacement",
                });
            }
            out.extend(if replacement {
                with_replacement(weights, num_samples, rng)
            } else {
                without_replacement(weights, num_samples, rng)
            });
        }
        Tensor::from_vec(out, &shape)
    }
}

impl Tensor<i64> {
    /// Integers from `low` to below `high`, each as likely.
    ///
    /// # Errors
    /// [`Error::Option`] if there is none.
    pub fn randint(
        low: i64,
        high: i64,
        shape: impl IntoShape,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        if low >= high {
            let expected = "it must be above `low`";
            return Err(Error::Option {
                op: "randint",
                name: "high",
                value: high.to_string(),
                expected,
            });
        }
        Self::build("randint", shape, |out| {
            out.iter_mut()
                .for_each(|o| *o = rng.random_range(low..high))
        })
    }

    /// The numbers `0..n` in random order.
    ///
    /// # Errors
    /// [`Error::Size`] for more than there can be.
    pub fn randperm(n: usize, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        Self::build("randperm", n, |out| {
            out.iter_mut().zip(0..).for_each(|(o, i)| *o = i);
            out.shuffle(rng);
        })
    }
}
