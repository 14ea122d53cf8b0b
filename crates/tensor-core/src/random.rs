//! Random tensors, always from a generator that the caller gives: there is no hidden one.
//!
//! Elements are drawn one after the other in row-major order, so a seed and a shape say all.

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
