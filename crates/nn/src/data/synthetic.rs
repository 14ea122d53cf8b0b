//! Data that is drawn: small problems, each hard in a way of its own.

use super::Dataset;
use losses::{Error, Result, Tensor};
use rand::Rng;
use std::f64::consts::{PI, TAU};

/// `n` points in the plane, `noise` added to each coordinate: point `i` of those of a class lies where `place` says
/// for the class, `i` and the number of points of that class. Classes follow each other; the last ones get the points
/// that are left over.
fn plane(
    op: &'static str,
    n: usize,
    classes: usize,
    noise: f64,
    rng: &mut (impl Rng + ?Sized),
    place: impl Fn(usize, usize, usize) -> [f64; 2],
) -> Result<Dataset> {
    not_negative(op, "noise", noise)?;
    let mut x = Tensor::normal([n, 2], 0.0, noise, rng)?;
    let first = |class: usize| (class as u128 * n as u128 / classes as u128) as usize;
    for class in 0..classes {
        let (start, end) = (first(class), first(class + 1));
        let points = x.as_mut_slice()[2 * start..2 * end].chunks_exact_mut(2);
        for (i, point) in points.enumerate() {
            let at = place(class, i, end - start);
            point[0] += at[0] as f32;
            point[1] += at[1] as f32;
        }
    }
    let y = Tensor::build(op, n, |y| {
        for class in 0..classes {
            y[first(class)..first(class + 1)].fill(class as i64);
        }
    })?;
    Dataset::new(x, y)
}

fn refuse<T>(
    op: &'static str,
    name: &'static str,
    value: impl ToString,
    expected: &'static str,
) -> Result<T> {
    Err(Error::Option {
        op,
        name,
        value: value.to_string(),
        expected,
    })
}

fn not_negative(op: &'static str, name: &'static str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    refuse(op, name, value, "it must be finite and not negative")
}

/// Two half circles that reach into each other, `n` points in all, normal noise of deviation `noise` added to each
/// coordinate: a small problem that no straight line solves.
///
/// Class 0 is the upper half of the unit circle around `(0, 0)`, class 1 the lower half of that around `(1, 0.5)`,
/// as in scikit-learn's `make_moons`.
///
/// ```
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let data = nn::data::moons(100, 0.1, &mut rng)?;
/// assert_eq!((data.len(), data.num_features(), data.num_classes()), (100, 2, 2));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Option`] if `noise` is negative or not finite, [`Error::Size`] for more points than there can be.
pub fn moons(n: usize, noise: f64, rng: &mut (impl Rng + ?Sized)) -> Result<Dataset> {
    plane("moons", n, 2, noise, rng, |class, i, count| {
        // Points lie at equal steps from one end of the half circle to the other.
        let t = PI * i as f64 / count.saturating_sub(1).max(1) as f64;
        match class {
            0 => [t.cos(), t.sin()],
            _ => [1.0 - t.cos(), 0.5 - t.sin()],
        }
    })
}

/// Two circles around `(0, 0)`, one within the other: class 0 of radius 1, class 1 of radius `factor`, with noise as
/// in [`moons`]. Without noise these are the points of scikit-learn's `make_circles`.
///
/// # Errors
/// [`Error::Option`] if `factor` is not at least 0 and below 1, or `noise` negative or not finite.
pub fn circles(
    n: usize,
    factor: f64,
    noise: f64,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Dataset> {
    if !(0.0..1.0).contains(&factor) {
        return refuse(
            "circles",
            "factor",
            factor,
            "it must be at least 0 and below 1",
        );
    }
    plane("circles", n, 2, noise, rng, |class, i, count| {
        let t = TAU * i as f64 / count as f64;
        let radius = [1.0, factor][class];
        [radius * t.cos(), radius * t.sin()]
    })
}

/// Arms that wind around `(0, 0)`, one for each class: `turns` times on their way from the middle to radius 1, with
/// noise as in [`moons`].
///
/// ```
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let data = nn::data::spirals(300, 3, 0.75, 0.02, &mut rng)?;
/// assert_eq!((data.len(), data.num_classes()), (300, 3));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Option`] for no class, `turns` that are not finite, or `noise` that is negative or not finite.
pub fn spirals(
    n: usize,
    classes: usize,
    turns: f64,
    noise: f64,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Dataset> {
    let op = "spirals";
    if classes == 0 || classes > n.max(1) {
        return refuse(
            op,
            "classes",
            classes,
            "it must be at least 1, and at most the number of points",
        );
    }
    if !turns.is_finite() {
        return refuse(op, "turns", turns, "it must be finite");
    }
    plane(op, n, classes, noise, rng, |class, i, count| {
        let radius = (i + 1) as f64 / count as f64;
        let t = TAU * (turns * radius + class as f64 / classes as f64);
        [radius * t.cos(), radius * t.sin()]
    })
}

/// Points spread evenly over the square from -1 to 1, of class 1 where the signs of their coordinates differ: the
/// problem that a network without a hidden layer cannot solve. The noise, as in [`moons`], comes after the classes.
///
/// # Errors
/// [`Error::Option`] if `noise` is negative or not finite, [`Error::Size`] for more points than there can be.
/// # Reference
/// Minsky and Papert 1969, *Perceptrons*.
pub fn xor(n: usize, noise: f64, rng: &mut (impl Rng + ?Sized)) -> Result<Dataset> {
    not_negative("xor", "noise", noise)?;
    let x = Tensor::uniform([n, 2], -1.0, 1.0, rng)?;
    let y = Tensor::build("xor", n, |y| {
        for (y, p) in y.iter_mut().zip(x.to_vec().chunks_exact(2)) {
            *y = i64::from((p[0] > 0.0) != (p[1] > 0.0));
        }
    })?;
    Dataset::new(x.add(&Tensor::normal([n, 2], 0.0, noise, rng)?)?, y)
}

/// Clouds of normally distributed points of deviation `std`, one around each row of `centers`, which is the class:
/// `n` points in all, as many of each class as of the others, or one more. In any number of dimensions.
///
/// ```
/// use nn::prelude::*;
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let data = nn::data::blobs(10, &Tensor::from([[0.0, 0.0, 5.0], [9.0, 0.0, 0.0]]), 0.1, &mut rng)?;
/// assert_eq!(data.x.shape(), [10, 3]);
/// assert!(data.x[[0, 2]] > 4.0 && data.x[[9, 0]] > 8.0);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Shape`] if `centers` does not have two dimensions, or no row; [`Error::Option`] if `std` is negative or
/// not finite.
pub fn blobs(
    n: usize,
    centers: &Tensor<f32>,
    std: f64,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Dataset> {
    let op = "blobs";
    not_negative(op, "std", std)?;
    if centers.ndim() != 2 || centers.shape()[0] == 0 {
        return Err(Error::Shape {
            op,
            what: "centers",
            got: centers.shape().into(),
            expected: "it must have two dimensions, classes and features, and at least one class"
                .into(),
        });
    }
    let (classes, features) = (centers.shape()[0], centers.shape()[1]);
    let y = Tensor::build(op, n, |y| {
        for (i, y) in y.iter_mut().enumerate() {
            *y = (i as u128 * classes as u128 / n as u128) as i64;
        }
    })?;
    let noise = Tensor::normal([n, features], 0.0, std, rng)?;
    Dataset::new(centers.index_select(0, &y)?.add(&noise)?, y)
}

/// A linear problem: `x` normal, `y = x w + noise`, and the weights `w`, of shape `[features]`, that training is to
/// find.
///
/// ```
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let (data, w) = nn::data::regression(50, 3, 0.0, &mut rng)?;
/// let y = data.x.matmul(&w)?;
/// assert!(y.sub(&data.y)?.abs().max(..)?.item()? < 1e-5);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Option`] if `noise` is negative or not finite, [`Error::Size`] for more numbers than there can be.
pub fn regression(
    n: usize,
    features: usize,
    noise: f64,
    rng: &mut (impl Rng + ?Sized),
) -> Result<(Dataset<f32>, Tensor<f32>)> {
    not_negative("regression", "noise", noise)?;
    let w = Tensor::randn([features], rng)?;
    let x = Tensor::randn([n, features], rng)?;
    let y = x.matmul(&w)?.add(&Tensor::normal([n], 0.0, noise, rng)?)?;
    Ok((Dataset::new(x, y)?, w))
}
