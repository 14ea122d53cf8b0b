//! The search along a line for a point that meets the strong Wolfe conditions.

use super::objective::{dot, largest};
use losses::Result;
use losses::autograd::Float;

/// How much of the fall that the slope promises there must be.
const C1: f64 = 1e-4;
/// How much of the slope may be left.
const C2: f64 = 0.9;
/// A bracket shorter than this is a point.
const SHORT: f64 = 1e-9;

/// A point of the line, what was found there, and the slope along the line.
#[derive(Clone, Debug)]
pub(super) struct Point<T> {
    pub(super) t: f64,
    pub(super) f: f64,
    pub(super) slope: f64,
    pub(super) g: Vec<T>,
}

/// A point further down the line that starts at `origin`, and how many evaluations by `at` it took to find it. The
/// first guess is `t`.
///
/// Nocedal and Wright 2006, algorithms 3.5 and 3.6, in the form that they have in PyTorch.
pub(super) fn search<T: Float>(
    at: &mut dyn FnMut(f64) -> Result<(f64, Vec<T>)>,
    origin: Point<T>,
    t: f64,
    direction: &[T],
    budget: u64,
) -> Result<(Point<T>, u64)> {
    let mut evaluate = |t: f64| -> Result<Point<T>> {
        let (f, g) = at(t)?;
        // A value that is none lies too far.
        let f = if f.is_nan() { f64::INFINITY } else { f };
        let slope = dot(&g, direction);
        Ok(Point { t, f, slope, g })
    };
    let (f, slope) = (origin.f, origin.slope);
    let falls = |p: &Point<T>| p.f <= f + C1 * p.t * slope;
    let flat = |p: &Point<T>| p.slope.abs() <= -C2 * slope;

    // Go on until a point lies too far: then there is one that meets the conditions before it.
    let mut new = evaluate(t)?;
    let (mut evaluations, mut round) = (1, 0);
    let mut last = origin.clone();
    let mut bracket = loop {
        if round >= budget {
            break [origin, new];
        }
        if !falls(&new) || (round > 1 && new.f >= last.f) {
            break [last, new];
        }
        if flat(&new) {
            return Ok((new, evaluations));
        }
        if new.slope >= 0.0 {
            break [last, new];
        }
        let bounds = (new.t + 0.01 * (new.t - last.t), new.t * 10.0);
        let t = interpolate(&last, &new, bounds);
        last = new;
        new = evaluate(t)?;
        evaluations += 1;
        round += 1;
    };

    // Narrow the bracket down to such a point.
    let lower = |b: &[Point<T>; 2]| if b[0].f <= b[1].f { 0 } else { 1 };
    let mut low = lower(&bracket);
    let mut stuck = false;
    let size = largest(direction);
    while round < budget {
        let ends = [bracket[0].t, bracket[1].t];
        let (left, right) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        if (right - left) * size < SHORT {
            break;
        }
        let mut t = interpolate(&bracket[0], &bracket[1], (left, right));
        // Twice in a row near an end, or at it, is no progress: then a tenth of the way in.
        let margin = 0.1 * (right - left);
        if (right - t).min(t - left) < margin {
            if stuck || t >= right || t <= left {
                t = if (t - right).abs() < (t - left).abs() {
                    right - margin
                } else {
                    left + margin
                };
                stuck = false;
            } else {
                stuck = true;
            }
        } else {
            stuck = false;
        }
        let new = evaluate(t)?;
        evaluations += 1;
        round += 1;
        if !falls(&new) || new.f >= bracket[low].f {
            bracket[1 - low] = new;
            low = lower(&bracket);
        } else {
            let done = flat(&new);
            if !done && new.slope * (bracket[1 - low].t - bracket[low].t) >= 0.0 {
                bracket[1 - low] = bracket[low].clone();
            }
            bracket[low] = new;
            if done {
                break;
            }
        }
    }
    let [first, second] = bracket;
    Ok((if low == 0 { first } else { second }, evaluations))
}

/// Where the cubic through two points, with their slopes, is lowest within `bounds`.
fn interpolate<T>(a: &Point<T>, b: &Point<T>, (least, most): (f64, f64)) -> f64 {
    let d1 = a.slope + b.slope - 3.0 * (a.f - b.f) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    let (left, right) = if a.t <= b.t { (a, b) } else { (b, a) };
    let d2 = square.sqrt();
    let t = right.t
        - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2.0 * d2));
    // There is no such point, or a value on the way was not finite.
    if square < 0.0 || !t.is_finite() {
        return (least + most) / 2.0;
    }
    t.max(least).min(most)
}
