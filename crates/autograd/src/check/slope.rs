//! Derivatives by finite differences, with an estimate of their error, and what to make of a disagreement.

use super::report::Status;
use tensor_core::Result;

/// How fast one output moves along a direction: the value, its error, and the derivatives from the left and from the
/// right and the central ones at all step sizes.
pub(super) struct Slope {
    pub(super) value: f64,
    pub(super) error: f64,
    /// What rounding adds to a difference at the second step; at the third it is `TINY` times as much.
    rounding: f64,
    sides: [[f64; 2]; 3],
    central: [f64; 3],
}

/// How much smaller than the first step the third is: small enough to see what the others leap over, and large enough
/// to leave half of the digits.
const TINY: f64 = 1024.0;

/// The slopes of all outputs. `shifted` gives the outputs at a distance along the direction, and the distance that was
/// really gone; `base` are the outputs at 0, and `size` how large the terms were that they are sums of.
pub(super) fn slopes(
    mut shifted: impl FnMut(f64) -> Result<(Vec<f64>, f64)>,
    base: &[f64],
    size: &[f64],
    step: f64,
) -> Result<Vec<Slope>> {
    let mut sides = vec![[[0.0; 2]; 3]; base.len()];
    let mut central = vec![[0.0; 3]; base.len()];
    for (s, h) in [step, step / 2.0, step / TINY].into_iter().enumerate() {
        let (right, up) = shifted(h)?;
        let (left, down) = shifted(-h)?;
        for k in 0..base.len() {
            sides[k][s] = [(left[k] - base[k]) / down, (right[k] - base[k]) / up];
            central[k][s] = (right[k] - left[k]) / (up - down);
        }
    }
    let slope = |k: usize| {
        let c = central[k];
        let value = (4.0 * c[1] - c[0]) / 3.0;
        let rounding = 4.0 * f64::EPSILON * size[k] / (step / 2.0);
        Slope {
            value,
            error: (value - c[1]).abs() + rounding,
            rounding,
            sides: sides[k],
            central: c,
        }
    };
    Ok((0..base.len()).map(slope).collect())
}

impl Slope {
    /// What a derivative by the backward rules is beside this one.
    pub(super) fn judge(&self, analytic: f64, tolerance: f64) -> Status {
        let (numeric, error) = (self.value, self.error);
        let off = (analytic - numeric).abs();
        if off <= tolerance {
            return Status::Ok;
        }
        let [[left, right], [left2, right2], [left3, right3]] = self.sides;
        let [gap, gap2, gap3] = [right - left, right2 - left2, right3 - left3].map(f64::abs);
        // On a smooth stretch the two sides approach each other in proportion to the step; at a kink they do not, but
        // each of them settles. Where neither holds, the steps have not seen the function's shape.
        let settled = (left2 - left).abs().max((right2 - right).abs()) <= 0.25 * gap2
            && (left3 - left2).abs().max((right3 - right2).abs()) <= 0.5 * gap3;
        let kink = settled && gap2 > 0.75 * gap && gap2 > 1e3 * tolerance;
        let slack = tolerance + 1e-2 * gap2;
        let low = left2.min(right2).min(left3).min(right3) - slack;
        let high = left2.max(right2).max(left3).max(right3) + slack;
        if kink && (low..=high).contains(&analytic) {
            return Status::Kink;
        }
        if !numeric.is_finite() || !error.is_finite() {
            return Status::IllConditioned;
        }
        // Smaller steps halve the error of a smooth function several times over. Where the differences move on by as
        // much again, and by more than a tenth of themselves, they have not seen the function's shape.
        let [first, second, third] = self.central;
        let moved = (third - second).abs();
        let lost = moved > 0.5 * (second - first).abs()
            && moved > tolerance + 0.1 * numeric.abs() + TINY * self.rounding;
        // A NaN from the rules is wrong where the differences are finite.
        if !kink && (lost || off <= 2.0 * error) {
            Status::IllConditioned
        } else {
            Status::Wrong
        }
    }
}
