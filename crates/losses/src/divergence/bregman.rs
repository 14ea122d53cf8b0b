//! `e^t - 1 - t`, of which divergences of close distributions are made.

use autograd::Float;
use autograd::tensor_core::kernel::Isa;

/// Up to which size of `t` the difference is taken from its series.
pub(super) const NEAR: f64 = 0.5;

/// `e^t - 1 - t` for `|t| <= 1/2`, without cancellation: `t²/2! + t³/3! + …`.
#[inline(always)]
pub(super) fn bregman_near<I: Isa, T: Float>(t: T) -> T {
    // The first term left out is below half an ulp.
    let terms = if T::EPSILON.f64() > 1e-10 { 9 } else { 15 };
    let mut sum = T::ONE;
    // Counted by hand: a range turned round is not unrolled, and the loop around it then not made into vectors.
    let mut k = terms;
    while k > 2 {
        sum = (t * T::of(1.0 / f64::from(k))).mul_add_::<I>(sum, T::ONE);
        k -= 1;
    }
    T::of(0.5) * t * t * sum
}

/// `e^t - 1 - t`, never negative.
#[inline(always)]
pub(super) fn bregman<I: Isa, T: Float>(t: T) -> T {
    let far = t.expm1::<I>() - t;
    if t.abs_() < T::of(NEAR) {
        bregman_near::<I, T>(t)
    } else {
        far
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::tensor_core::kernel::Portable;

    /// `t` and `e^t - 1 - t`, from mpmath with 500 digits.
    const TABLE: [[f64; 2]; 21] = [
        [1e-150, 5e-301],
        [1e-08, 5.0000000166666667e-17],
        [-1e-08, 4.999999983333334e-17],
        [0.0001, 5.0001666708334175e-09],
        [-0.001, 4.998333749916681e-07],
        [0.01, 5.016708416805754e-05],
        [-0.1, 0.0048374180359595734],
        [0.25, 0.034025416687741485],
        [-0.3, 0.040818220681717865],
        [0.4999, 0.14865640681638972],
        [-0.4999, 0.10649131581135908],
        [0.5, 0.14872127070012814],
        [-0.5, 0.10653065971263342],
        [0.6, 0.22211880039050896],
        [-0.75, 0.22236655274101472],
        [1.0, 0.7182818284590452],
        [-1.0, 0.36787944117144233],
        [5.0, 142.4131591025766],
        [-5.0, 4.006737946999086],
        [80.0, 5.54062238439351e+34],
        [-700.0, 699.0],
    ];

    #[test]
    fn it_is_right_at_every_size() {
        for [t, want] in TABLE {
            let got = bregman::<Portable, f64>(t);
            assert!((got - want).abs() <= 8e-16 * want, "{t}: {got} {want}");
            let near = bregman::<Portable, f32>(t as f32);
            // In single precision the table's arguments are other numbers: those of f64 serve.
            let want = bregman::<Portable, f64>(f64::from(t as f32));
            assert!(
                (f64::from(near) - want).abs() <= 4.5e-7 * want,
                "{t}: {near} {want}"
            );
        }
        assert_eq!(bregman::<Portable, f64>(0.0), 0.0);
        assert_eq!(bregman::<Portable, f32>(f32::NEG_INFINITY), f32::INFINITY);
        assert_eq!(bregman::<Portable, f32>(1e4), f32::INFINITY);
        assert!(bregman::<Portable, f32>(f32::NAN).is_nan());
    }
}
