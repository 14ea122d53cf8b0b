use super::Dataset;
use losses::{Error, Result, Tensor};
use rand::Rng;
use std::f64::consts::PI;

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
    if !(noise >= 0.0 && noise.is_finite()) {
        return Err(Error::Option {
            op: "moons",
            name: "noise",
            value: noise.to_string(),
            expected: "it must be finite and not negative",
        });
    }
    let upper = n / 2;
    // Points lie at equal steps from one end of the half circle to the other.
    let angle = |i: usize, count: usize| PI * i as f64 / count.saturating_sub(1).max(1) as f64;
    let mut x = Tensor::normal([n, 2], 0.0, noise, rng)?;
    for (i, point) in x.as_mut_slice().chunks_exact_mut(2).enumerate() {
        let (a, b) = if i < upper {
            let t = angle(i, upper);
            (t.cos(), t.sin())
        } else {
            let t = angle(i - upper, n - upper);
            (1.0 - t.cos(), 0.5 - t.sin())
        };
        point[0] += a as f32;
        point[1] += b as f32;
    }
    let y = Tensor::build("moons", n, |y| {
        y.iter_mut()
            .enumerate()
            .for_each(|(i, y)| *y = i64::from(i >= upper))
    })?;
    Dataset::new(x, y)
}
