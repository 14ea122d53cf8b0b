//! Distances of two vectors: the length of their difference, by any norm.

use super::vector::{largest, root, scale_of, sum};
use crate::check;
use autograd::{Float, Result, Var, keepdim};

/// Which length a difference has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Norm {
    /// The number of elements that are not 0.
    Count,
    One,
    Two,
    /// The largest element.
    Largest,
    Power(f64),
}

impl Norm {
    /// Checks the option `p`.
    pub(super) fn of(op: &'static str, p: f64) -> Result<Self> {
        check::option(
            op,
            "p",
            p,
            p >= 0.0,
            "it must be 0 or more; infinity gives the largest difference",
        )?;
        Ok(match p {
            0.0 => Norm::Count,
            1.0 => Norm::One,
            2.0 => Norm::Two,
            f64::INFINITY => Norm::Largest,
            p => Norm::Power(p),
        })
    }

    fn p(self) -> f64 {
        match self {
            Norm::Count => 0.0,
            Norm::One => 1.0,
            Norm::Two => 2.0,
            Norm::Largest => f64::INFINITY,
            Norm::Power(p) => p,
        }
    }
}

/// A distance, and the one number more that its slopes need.
#[derive(Clone, Copy, Default)]
pub(super) struct Distance {
    pub(super) value: f64,
    /// `1 / value`; the share of each largest element for [`Norm::Largest`]; 0 where the distance has no slope.
    inverse: f64,
}

impl Distance {
    /// `‖a - b + eps‖`. Two equal vectors have no slope, also where `eps` makes their distance more than 0.
    #[inline(always)]
    pub(super) fn of<T: Float>(norm: Norm, [a, b]: [&[T]; 2], eps: f64) -> Self {
        let u = |[a, b]: [f64; 2]| (a - b) + eps;
        let value = match norm {
            Norm::Two => root([a, b], u),
            Norm::One => sum([a, b], |v| u(v).abs()),
            Norm::Count => sum([a, b], |v| if u(v) == 0.0 { 0.0 } else { 1.0 }),
            Norm::Largest => largest([a, b], u),
            Norm::Power(p) => {
                let largest = largest([a, b], u);
                if largest == 0.0 || !largest.is_finite() {
                    largest
                } else {
                    largest * sum([a, b], |v| (u(v).abs() / largest).powf(p)).powf(1.0 / p)
                }
            }
        };
        // The comparison of two vectors that differ ends at their first element.
        let inverse = if value < f64::MIN_POSITIVE || norm == Norm::Count || a == b {
            0.0
        } else if norm == Norm::Largest {
            1.0 / sum([a, b], |v| if u(v).abs() == value { 1.0 } else { 0.0 })
        } else {
            1.0 / value
        };
        Distance { value, inverse }
    }

    /// The slope in an element of the first vector whose difference from the second, with `eps`, is `u`.
    #[inline(always)]
    fn slope(self, norm: Norm, u: f64) -> f64 {
        if u == 0.0 || self.inverse == 0.0 {
            return 0.0;
        }
        match norm {
            Norm::Count => 0.0,
            Norm::One => u.signum(),
            Norm::Two => u * self.inverse,
            Norm::Largest if u.abs() == self.value => u.signum() * self.inverse,
            Norm::Largest => 0.0,
            Norm::Power(p) => u.signum() * (u.abs() * self.inverse).powf(p - 1.0),
        }
    }
}

/// Calls `f(element, slope)` with the slope of a distance in each element of its first vector.
#[inline(always)]
pub(super) fn each_slope<T: Float>(
    norm: Norm,
    distance: Distance,
    [a, b]: [&[T]; 2],
    eps: f64,
    mut f: impl FnMut(usize, f64),
) {
    let pairs = a.iter().zip(b).enumerate();
    if norm == Norm::Two {
        // A loop of its own, which becomes vector code.
        for (i, (a, b)) in pairs {
            f(i, ((a.f64() - b.f64()) + eps) * distance.inverse);
        }
    } else {
        for (i, (a, b)) in pairs {
            f(i, distance.slope(norm, (a.f64() - b.f64()) + eps));
        }
    }
}

/// The definition of [`Distance`]: `‖a - b + eps‖` over the last dimension of operands that broadcast.
#[track_caller]
pub(super) fn distance<T: Float>(norm: Norm, a: &Var<T>, b: &Var<T>, eps: f64) -> Result<Var<T>> {
    let mut u = a.sub(b)?;
    let equal = a.value().eq(b.value())?.all(keepdim(-1))?;
    let d = u.shape().last().map_or(1, |&d| d) as f64;
    if u.numel() == 0 {
        return u.sum(-1);
    }
    if eps != 0.0 {
        u = u.add(eps)?;
    }
    // Where there is no slope, the operand is taken out before anything of it can be infinite.
    let flat = equal.logical_or(&u.value().eq(T::ZERO)?.all(keepdim(-1))?)?;
    let u = u.masked_fill(&flat, T::ONE)?;
    let scale = scale_of(u.value())?;
    let mut length = u.mul(&scale)?.norm(norm.p(), keepdim(-1))?;
    if norm != Norm::Count {
        length = length.div(scale)?;
    }
    let of_eps = match norm {
        _ if eps == 0.0 => 0.0,
        Norm::Count => d,
        Norm::Largest => eps.abs(),
        _ => eps.abs() * d.powf(1.0 / norm.p()),
    };
    let at_rest = equal.where_(T::of(of_eps), T::ZERO)?;
    length
        .where_(&flat.logical_not(), Var::from(at_rest))?
        .sum(-1)
}
