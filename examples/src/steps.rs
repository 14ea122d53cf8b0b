//! A gradient beside differences of ever smaller steps: a right one is met, a wrong one is not.

use nn::prelude::*;

/// How far the slope of `f` along `direction`, from its gradient, is from central differences with steps of
/// 10⁻¹ to 10⁻¹⁰, relative to the slope: pairs of the step's decimal logarithm and the distance.
///
/// A right gradient is met ever closer, a hundredfold with each tenth of the step, until rounding takes over and the
/// distance grows again. A wrong one leaves a plateau. Steps so long that `f` refuses where they lead are left out.
///
/// # Errors
/// Whatever `f` returns.
pub fn distances(
    f: impl Fn(&Var<f64>) -> Result<Var<f64>>,
    x: &Tensor<f64>,
    direction: &Tensor<f64>,
) -> Result<Vec<(f64, f64)>> {
    let leaf = Tape::new().leaf(x.clone());
    let slope = f(&leaf)?.backward()?.get(&leaf)?.mul(direction)?.sum(..)?;
    let slope = slope.item()?;
    let at = |h: f64| f(&Var::from(x.add(&direction.mul(h)?)?))?.item();
    let mut points = Vec::new();
    for i in 0..=36 {
        let power = -1.0 - 0.25 * f64::from(i);
        let h = 10f64.powf(power);
        let (Ok(ahead), Ok(behind)) = (at(h), at(-h)) else {
            continue;
        };
        let difference = (ahead - behind) / (2.0 * h);
        // On a logarithm no distance, which happens by luck, is drawn as the smallest there can be.
        let distance = ((difference - slope) / slope).abs().max(1e-16);
        points.push((power, distance));
    }
    Ok(points)
}
