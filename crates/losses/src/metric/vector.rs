//! What the losses of vectors share: sums in lanes, lengths that cannot overflow, directions and angles.

use autograd::tensor_core::kernel::lanes::{self, WIDTH};
use autograd::tensor_core::kernel::reduce::tree;
use autograd::{Error, Float, Result, Tensor, Var, keepdim};

/// Checks that `x` is a matrix, one vector in each row.
pub(super) fn check_matrix(op: &'static str, what: &'static str, x: &[usize]) -> Result<()> {
    if x.len() == 2 {
        return Ok(());
    }
    Err(Error::Shape {
        op,
        what,
        got: x.into(),
        expected: "it must be (N, D), one vector in each row".into(),
    })
}

/// Checks that `target` holds one label or class for each row of a matrix of `shape`.
pub(super) fn check_labels(op: &'static str, target: &Tensor<i64>, shape: &[usize]) -> Result<()> {
    if target.shape() == &shape[..1] {
        return Ok(());
    }
    let expected = format!("the input has shape {shape:?}: there must be one label for each row");
    Err(Error::Shape {
        op,
        what: "the target",
        got: target.shape().into(),
        expected,
    })
}

/// `f` of the elements of rows of one length, combined lane by lane, then lane with lane; `combine` must take 0 for
/// nothing.
#[inline(always)]
fn lanes<T: Float, const N: usize>(
    rows: [&[T]; N],
    combine: impl Fn(f64, f64) -> f64,
    f: impl Fn([f64; N]) -> f64,
) -> f64 {
    let n = rows[0].len();
    let groups = rows.map(|row| row[..n].as_chunks::<WIDTH>());
    let mut lanes = [0.0f64; WIDTH];
    for g in 0..n / WIDTH {
        let group = groups.map(|(whole, _)| &whole[g]);
        for (i, lane) in lanes.iter_mut().enumerate() {
            *lane = combine(*lane, f(std::array::from_fn(|k| group[k][i].f64())));
        }
    }
    for (i, lane) in lanes.iter_mut().enumerate().take(n % WIDTH) {
        *lane = combine(*lane, f(std::array::from_fn(|k| groups[k].1[i].f64())));
    }
    tree(&mut lanes, combine)
}

/// `Σ f`
#[inline(always)]
pub(crate) fn sum<T: Float, const N: usize>(rows: [&[T]; N], f: impl Fn([f64; N]) -> f64) -> f64 {
    lanes(rows, |a, b| a + b, f)
}

/// Terms held at a time where they have no place of their own.
pub(super) const HELD: usize = 512;

/// The sum of exponentials other than 1, and how many are 1: these count as the largest does.
#[inline(always)]
pub(super) fn add_up<T: Float>(exps: &[T]) -> [f64; 2] {
    lanes::sums_of([exps], LessOnes)
}

/// An exponential other than 1, and 1 for 1.
struct LessOnes;

impl<T: Float> lanes::Terms<T, 1, 2> for LessOnes {
    #[inline(always)]
    fn at(&self, [e]: [T; 1]) -> [T; 2] {
        let one = e == T::ONE;
        [
            if one { T::ZERO } else { e },
            if one { T::ONE } else { T::ZERO },
        ]
    }
}

/// `max |f|`, NaN if there is one; 0 of nothing.
#[inline(always)]
pub(super) fn largest<T: Float, const N: usize>(
    rows: [&[T]; N],
    f: impl Fn([f64; N]) -> f64,
) -> f64 {
    let larger = |m: f64, v: f64| if v > m || v.is_nan() { v } else { m };
    lanes(rows, larger, |v| f(v).abs())
}

/// `√(Σ f²)` without overflow: squares of `f32` fit `f64`, and squares that leave `f64` are scaled first.
#[inline(always)]
pub(super) fn root<T: Float, const N: usize>(
    rows: [&[T]; N],
    f: impl Fn([f64; N]) -> f64 + Copy,
) -> f64 {
    let squares = sum(rows, |v| f(v) * f(v));
    if (1e-280..1e280).contains(&squares) {
        return squares.sqrt();
    }
    let largest = largest(rows, f);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let scale = power_of_two(largest);
    sum(rows, |v| (f(v) * scale) * (f(v) * scale)).sqrt() / scale
}

/// A power of two that brings a number near 1, so that scaling by it rounds nothing; not so large that it is none.
fn power_of_two(x: f64) -> f64 {
    2f64.powi(-(x.log2().floor().clamp(-1000.0, 1000.0) as i32))
}

/// The inverse of a vector's length, by which its direction is had. It is 0 for a vector of zeros, which has no
/// direction, and for one shorter than the smallest normal number.
#[inline(always)]
pub(super) fn inverse_length<T: Float>(x: &[T]) -> f64 {
    let length = root([x], |[v]| v);
    if length < f64::MIN_POSITIVE {
        0.0
    } else if length == f64::INFINITY {
        // An infinite vector has no direction either, but that is no reason to go on as if it were there.
        f64::NAN
    } else {
        1.0 / length
    }
}

/// Two vectors' inverse lengths, and the cosine between them, in a form that keeps its digits where they are nearly
/// parallel or opposite: `cos = sign · (1 - gap)`.
#[derive(Clone, Copy, Default)]
pub(super) struct Angle {
    pub(super) inverse: [f64; 2],
    gap: f64,
    sign: f64,
}

impl Angle {
    #[inline(always)]
    pub(super) fn of<T: Float>([a, b]: [&[T]; 2]) -> Self {
        let [ia, ib] = [inverse_length(a), inverse_length(b)];
        if ia == 0.0 || ib == 0.0 {
            // The cosine with a vector of zeros is 0, and has no slope.
            return Angle {
                inverse: [0.0; 2],
                gap: 1.0,
                sign: 1.0,
            };
        }
        let along = sum([a, b], |[a, b]| (a * ia) * (b * ib));
        let sign = if along < 0.0 { -1.0 } else { 1.0 };
        // Half the squared distance of two directions is 1 - cos.
        let gap = if along.abs() > 0.5 {
            0.5 * sum([a, b], |[a, b]| {
                let apart = a * ia - sign * (b * ib);
                apart * apart
            })
        } else {
            1.0 - along.abs()
        };
        Angle {
            inverse: [ia, ib],
            gap,
            sign,
        }
    }

    /// The same with no length taken for less than `least`; and which are shorter than that.
    #[inline(always)]
    pub(super) fn floored<T: Float>(rows: [&[T]; 2], least: f64) -> (Self, [bool; 2]) {
        let lengths = rows.map(|x| root([x], |[v]| v));
        let short = lengths.map(|length| length < least);
        if short == [false; 2] {
            return (Self::of(rows), short);
        }
        let inverse = lengths.map(|length| 1.0 / length.max(least));
        let along = sum(rows, |[a, b]| (a * inverse[0]) * (b * inverse[1]));
        let angle = Angle {
            inverse,
            gap: 1.0 - along.abs(),
            sign: if along < 0.0 { -1.0 } else { 1.0 },
        };
        (angle, short)
    }

    pub(super) fn cos(self) -> f64 {
        self.sign * (1.0 - self.gap)
    }

    pub(super) fn one_minus_cos(self) -> f64 {
        if self.sign > 0.0 {
            self.gap
        } else {
            2.0 - self.gap
        }
    }

    /// Writes `g` times the slope of the cosine in vector `K`: `(ŷ - cos · x̂) / |x|`, so that nothing cancels where
    /// the vectors are nearly parallel.
    #[inline(always)]
    pub(super) fn slope<T: Float, const K: usize>(self, rows: [&[T]; 2], g: f64, dx: &mut [T]) {
        let (ix, iy) = (self.inverse[K], self.inverse[1 - K]);
        if ix == 0.0 {
            return dx.fill(T::ZERO);
        }
        let (g, turn) = (g * ix, self.sign * self.gap);
        for ((d, x), y) in dx.iter_mut().zip(rows[K]).zip(rows[1 - K]) {
            let (x, y) = (x.f64() * ix, y.f64() * iy);
            *d = T::of(((y - self.sign * x) + turn * x) * g);
        }
    }
}

/// The definition of [`Angle`]: for each row of two values `1 - |cos|`, and the sign.
pub(super) struct AngleVar<T: Float> {
    pub(super) gap: Var<T>,
    pub(super) sign: Tensor<T>,
}

impl<T: Float> AngleVar<T> {
    pub(super) fn of(a: &Var<T>, b: &Var<T>) -> Result<Self> {
        let zero = |x: &Var<T>| -> Result<Tensor<bool>> { x.value().eq(T::ZERO)?.all(-1) };
        // With a vector of zeros the cosine is constant.
        let constant = zero(a)?.logical_or(&zero(b)?)?;
        let (a, b) = (direction(a)?, direction(b)?);
        let along = a.mul(&b)?.sum(-1)?;
        let sign = along
            .value()
            .map(|v| if v < T::ZERO { -T::ONE } else { T::ONE });
        let signs = Var::from(&sign);
        let near = along.value().abs().gt(0.5)?;
        let apart = if a.ndim() == 0 {
            a.sub(b.mul(&signs)?)?
        } else {
            a.sub(b.mul(signs.unsqueeze(-1)?)?)?
        };
        let chord = apart.square().sum(-1)?.mul(0.5)?;
        let gap = chord.where_(&near, 1.0 - along.mul(&signs)?)?;
        let gap = gap.masked_fill(&constant, T::ONE)?;
        Ok(AngleVar { gap, sign })
    }
}

/// For each row of `x` a power of two, as a constant that keeps the dimension, by which its largest element comes near
/// 1; 1 for a row of zeros.
#[track_caller]
pub(super) fn scale_of<T: Float>(x: &Tensor<T>) -> Result<Var<T>> {
    if x.ndim() > 0 && x.shape()[x.ndim() - 1] == 0 {
        return Ok(Var::from(x.sum(keepdim(-1))?));
    }
    // Half of the exponents that the type has, lest the power itself is infinite.
    let limit = T::MAX.f64().sqrt();
    let scale = |m: T| {
        if m > T::ZERO && m.finite() {
            T::of(power_of_two(m.f64()).clamp(1.0 / limit, limit))
        } else {
            T::ONE
        }
    };
    Ok(Var::from(x.abs().max(keepdim(-1))?.map(scale)))
}

/// Each row divided by its length; a row of zeros stays as it is, and has no slope.
#[track_caller]
pub(super) fn direction<T: Float>(x: &Var<T>) -> Result<Var<T>> {
    let x = x.mul(scale_of(x.value())?)?;
    let squares = x.square().sum(keepdim(-1))?;
    let zero = squares.value().eq(T::ZERO)?;
    let length = squares.masked_fill(&zero, T::ONE)?.sqrt();
    x.div(length)?
        .keep_where(&zero.logical_not().broadcast_to(x.shape())?)
}
