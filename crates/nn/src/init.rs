//! Start values for weights, with the paper behind each.
//!
//! The layers begin with PyTorch's defaults; another start is put in place of theirs:
//!
//! ```
//! use nn::init::{self, Nonlinearity};
//! use nn::prelude::*;
//! use rand::SeedableRng;
//! let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
//! let mut layer = Linear::<f32>::new(64, 32, &mut rng)?;
//! *layer.weight.value_mut() = init::kaiming_normal([32, 64], init::FanMode::In, Nonlinearity::ReLU, &mut rng)?;
//! # Ok::<(), nn::Error>(())
//! ```

use losses::autograd::{Float, IntoShape};
use losses::{Error, Result, Tensor};
use rand::{Rng, RngExt};
use std::f64::consts::PI;

/// Which of a layer's numbers of connections keeps its variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FanMode {
    /// The inputs of each unit: the variance going forward.
    In,
    /// The outputs of each unit: the variance going back.
    Out,
}

/// What follows a layer, and so by how much its weights must make up for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nonlinearity {
    /// Nothing, or the sigmoid: 1.
    Linear,
    /// The hyperbolic tangent: 5/3.
    Tanh,
    /// The rectifier: √2.
    ReLU,
    /// The leaky rectifier with this slope `a`: √(2 / (1 + a²)).
    LeakyReLU(f64),
    /// The self-normalizing unit: 3/4.
    SELU,
}

impl Nonlinearity {
    /// The gain, PyTorch's
    /// [`calculate_gain`](https://pytorch.org/docs/stable/nn.init.html#torch.nn.init.calculate_gain).
    pub fn gain(self) -> f64 {
        match self {
            Nonlinearity::Linear => 1.0,
            Nonlinearity::Tanh => 5.0 / 3.0,
            Nonlinearity::ReLU => 2f64.sqrt(),
            Nonlinearity::LeakyReLU(a) => (2.0 / (1.0 + a * a)).sqrt(),
            Nonlinearity::SELU => 0.75,
        }
    }
}

/// How many inputs and outputs each unit of a layer with a weight of this shape has: `[out, in, …]`, all further
/// dimensions being places of a kernel.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
pub fn fans(shape: &[usize]) -> Result<(usize, usize)> {
    fans_for("fans", shape)
}

fn fans_for(op: &'static str, shape: &[usize]) -> Result<(usize, usize)> {
    let [outputs, inputs, kernel @ ..] = shape else {
        return Err(Error::Shape {
            op,
            what: "the weight",
            got: shape.into(),
            expected: "it must have at least two dimensions, outputs and inputs".into(),
        });
    };
    let places = product(kernel);
    Ok((
        inputs.saturating_mul(places),
        outputs.saturating_mul(places),
    ))
}

/// The product of sizes; one that no tensor has is as large as can be.
pub(crate) fn product(sizes: &[usize]) -> usize {
    (sizes.iter()).fold(1, |product, &n| product.saturating_mul(n))
}

/// `1 / √n`: the bound of PyTorch's defaults for a layer with `n` inputs to each unit.
pub(crate) fn fan_bound(n: usize) -> f64 {
    1.0 / (n.max(1) as f64).sqrt()
}

/// Uniform in `±gain √(6 / (fan_in + fan_out))`.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
/// # Reference
/// Glorot and Bengio 2010, *Understanding the difficulty of training deep feedforward neural networks*.
pub fn xavier_uniform<T: Float>(
    shape: impl IntoShape,
    gain: f64,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Tensor<T>> {
    let shape = shape.dims("xavier_uniform")?;
    let (inputs, outputs) = fans_for("xavier_uniform", &shape)?;
    let bound = gain * (6.0 / inputs.saturating_add(outputs).max(1) as f64).sqrt();
    Tensor::uniform(&shape, -bound, bound, rng)
}

/// Normal with the deviation `gain √(2 / (fan_in + fan_out))`.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
/// # Reference
/// Glorot and Bengio 2010, *Understanding the difficulty of training deep feedforward neural networks*.
pub fn xavier_normal<T: Float>(
    shape: impl IntoShape,
    gain: f64,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Tensor<T>> {
    let shape = shape.dims("xavier_normal")?;
    let (inputs, outputs) = fans_for("xavier_normal", &shape)?;
    let std = gain * (2.0 / inputs.saturating_add(outputs).max(1) as f64).sqrt();
    Tensor::normal(&shape, 0.0, std, rng)
}

/// Uniform in `±gain √(3 / fan)`.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
/// # Reference
/// He, Zhang, Ren and Sun 2015, *Delving Deep into Rectifiers*, arXiv:1502.01852.
pub fn kaiming_uniform<T: Float>(
    shape: impl IntoShape,
    mode: FanMode,
    nonlinearity: Nonlinearity,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Tensor<T>> {
    let shape = shape.dims("kaiming_uniform")?;
    let bound = 3f64.sqrt() * kaiming_std("kaiming_uniform", &shape, mode, nonlinearity)?;
    Tensor::uniform(&shape, -bound, bound, rng)
}

/// Normal with the deviation `gain / √fan`.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
/// # Reference
/// He, Zhang, Ren and Sun 2015, *Delving Deep into Rectifiers*, arXiv:1502.01852.
pub fn kaiming_normal<T: Float>(
    shape: impl IntoShape,
    mode: FanMode,
    nonlinearity: Nonlinearity,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Tensor<T>> {
    let shape = shape.dims("kaiming_normal")?;
    let std = kaiming_std("kaiming_normal", &shape, mode, nonlinearity)?;
    Tensor::normal(&shape, 0.0, std, rng)
}

fn kaiming_std(
    op: &'static str,
    shape: &[usize],
    mode: FanMode,
    nonlinearity: Nonlinearity,
) -> Result<f64> {
    let (inputs, outputs) = fans_for(op, shape)?;
    let fan = match mode {
        FanMode::In => inputs,
        FanMode::Out => outputs,
    };
    Ok(nonlinearity.gain() / (fan.max(1) as f64).sqrt())
}

/// A matrix with orthonormal rows or columns, whichever are fewer, times `gain`; all dimensions but the first count as
/// columns. Every such matrix is as likely.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
/// # Reference
/// Saxe, McClelland and Ganguli 2013, arXiv:1312.6120; Mezzadri 2006, arXiv:math-ph/0609050, for the signs.
pub fn orthogonal<T: Float>(
    shape: impl IntoShape,
    gain: f64,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Tensor<T>> {
    let shape = shape.dims("orthogonal")?;
    fans_for("orthogonal", &shape)?;
    let (rows, columns) = (shape[0], product(&shape[1..]));
    // The fewer of both as vectors, one after the other.
    let (count, len) = if rows < columns {
        (rows, columns)
    } else {
        (columns, rows)
    };
    let mut vectors = Tensor::<f64>::randn([count, len], rng)?.to_vec();
    orthonormalize(&mut vectors, len);
    let vectors = Tensor::from_vec(vectors, [count, len])?;
    let matrix = if rows < columns { vectors } else { vectors.t() };
    matrix.mul(gain)?.cast::<T>().reshape(&shape)
}

/// Makes vectors of length `len` orthonormal, one after the other: the factor Q of a QR decomposition whose R has a
/// positive diagonal.
fn orthonormalize(vectors: &mut [f64], len: usize) {
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    for i in 0..vectors.len() / len.max(1) {
        let (done, rest) = vectors.split_at_mut(i * len);
        let v = &mut rest[..len];
        // What rounding leaves of the others after the first time, the second takes away.
        for _ in 0..2 {
            for u in done.chunks_exact(len) {
                let part = dot(u, v);
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= part * u);
            }
        }
        let norm = dot(v, v).sqrt();
        if norm > 0.0 {
            v.iter_mut().for_each(|v| *v /= norm);
        }
    }
}

/// Normal with mean `mean` and deviation `std` before it is cut off: a draw outside `low..=high` is drawn again.
///
/// # Errors
/// [`Error::Option`] for a deviation that is not above 0, or bounds of which the first is not below the second.
/// # Reference
/// Robert 1995, *Simulation of truncated normal variables*, for bounds far from the mean.
pub fn trunc_normal<T: Float>(
    shape: impl IntoShape,
    mean: f64,
    std: f64,
    (low, high): (f64, f64),
    rng: &mut (impl Rng + ?Sized),
) -> Result<Tensor<T>> {
    let wrong = |name, value: f64, expected| {
        Err(Error::Option {
            op: "trunc_normal",
            name,
            value: value.to_string(),
            expected,
        })
    };
    if !mean.is_finite() {
        return wrong("mean", mean, "it must be finite");
    }
    if !(std > 0.0 && std.is_finite()) {
        return wrong("std", std, "it must be finite and above 0");
    }
    if low.partial_cmp(&high) != Some(std::cmp::Ordering::Less) {
        return wrong("low", low, "it must be below `high`");
    }
    let (a, b) = ((low - mean) / std, (high - mean) / std);
    Tensor::build("trunc_normal", shape, |out| {
        for o in out.iter_mut() {
            let x = if a > FAR {
                low + std * beyond(a, b - a, rng)
            } else if b < -FAR {
                high - std * beyond(-b, b - a, rng)
            } else {
                mean + std * standard(a, b, rng)
            };
            // Rounding may lead outside.
            *o = T::of(x.clamp(low, high));
        }
    })
}

/// From so many deviations on the density falls as an exponential does, to the last digit.
const FAR: f64 = 1e8;

/// How far beyond `a`, which is [`FAR`] or farther, a standard normal lies within `a..=a + width`.
fn beyond(a: f64, width: f64, rng: &mut (impl Rng + ?Sized)) -> f64 {
    let a = a.min(f64::MAX);
    // Bounds that are the same number when they are counted in deviations leave nothing between them.
    let share = if width > 0.0 {
        -(-a * width).exp_m1()
    } else {
        0.0
    };
    -(-share * unit(rng)).ln_1p() / a
}

/// Uniform in `[0, 1)`.
fn unit(rng: &mut (impl Rng + ?Sized)) -> f64 {
    (rng.random::<u64>() >> 11) as f64 * 2f64.powi(-53)
}

/// Standard normal within `a..=b`.
fn standard(a: f64, b: f64, rng: &mut (impl Rng + ?Sized)) -> f64 {
    if b < 0.0 {
        return -standard(-b, -a, rng);
    }
    let mut unit = || unit(rng);
    if a <= 0.0 && b - a > (2.0 * PI).sqrt() {
        // Wide and around the mean: draws of the whole distribution, by the method of Box and Muller.
        loop {
            let (radius, angle) = ((-2.0 * (1.0 - unit()).ln()).sqrt(), 2.0 * PI * unit());
            let x = radius * angle.cos();
            if (a..=b).contains(&x) {
                return x;
            }
        }
    }
    let rate = (a + (a * a + 4.0).sqrt()) / 2.0;
    if a > 0.0 && (b - a) * rate > 1.0 {
        // A tail: draws of an exponential distribution that lies above it.
        loop {
            let x = a - (1.0 - unit()).ln() / rate;
            if x <= b && unit() <= (-0.5 * (x - rate) * (x - rate)).exp() {
                return x;
            }
        }
    }
    // Narrow: uniform draws under the highest density.
    let peak = a.max(0.0);
    loop {
        let x = a + (b - a) * unit();
        if unit() <= (0.5 * (peak * peak - x * x)).exp() {
            return x;
        }
    }
}
