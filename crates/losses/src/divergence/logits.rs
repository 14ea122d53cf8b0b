//! Two rows of logits beside each other, as the divergences of their distributions see them.

use autograd::Float;
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::lanes;
use autograd::tensor_core::kernel::softmax;
use std::marker::PhantomData;

/// What turns a row of logits into probabilities: `p = e^((x - max) / temperature) / sum`.
#[derive(Clone, Copy, Default)]
struct Norm {
    max: f64,
    sum: f64,
}

/// `e^((x - max) / temperature)`
struct Exponentials<T, I>(T, T, PhantomData<I>);

impl<T: Float, I: Isa> lanes::Terms<T, 1, 1> for Exponentials<T, I> {
    #[inline(always)]
    fn at(&self, [x]: [T; 1]) -> [T; 1] {
        [((x - self.0) * self.1).exp_nonpositive::<I>()]
    }
}

impl Norm {
    /// Of a row that is to be multiplied by `inverse`, the inverse of the temperature.
    #[inline(always)]
    fn of<I: Isa, T: Float>(x: &[T], inverse: T) -> Self {
        let max = softmax::max(x);
        // An infinite maximum makes the sum NaN.
        let [sum] = lanes::sums_of([x], Exponentials::<T, I>(max, inverse, PhantomData));
        Norm {
            max: max.f64(),
            sum,
        }
    }
}

/// What turns two rows of logits `x` and `y` into probabilities `p` and `q`.
#[derive(Clone, Copy, Default)]
pub(super) struct Norms {
    x: Norm,
    y: Norm,
    /// What is taken from the logits of each row before they are subtracted.
    base: [f64; 2],
    /// The difference of the logarithms of `Σ e^(x - base)` and `Σ e^(y - base)`.
    shift: f64,
}

/// How far apart the maxima of two rows may lie for their logits to be subtracted as they are. That loses nothing of a
/// small difference, but all of it where one row lies far from the other, at 1e20 for instance.
const BESIDE: f64 = 64.0;

impl Norms {
    #[inline(always)]
    pub fn of<I: Isa, T: Float>(x: &[T], y: &[T], inverse: f64) -> Self {
        let one = T::of(inverse);
        let (x, y) = (Norm::of::<I, T>(x, one), Norm::of::<I, T>(y, one));
        let apart = x.max - y.max;
        let sums = x.sum.ln() - y.sum.ln();
        let (base, shift) = if apart.abs() > BESIDE {
            ([x.max, y.max], sums)
        } else {
            ([0.0; 2], apart * inverse + sums)
        };
        Norms { x, y, base, shift }
    }

    /// The same with the shift mended, where `Σ (p - q)` is `off` in place of 0.
    #[inline(always)]
    pub fn mended(self, off: f64) -> Self {
        Norms {
            shift: self.shift + off.ln_1p(),
            ..self
        }
    }

    /// The same as numbers of `T`, ready for many elements.
    #[inline(always)]
    pub fn pair<T: Float>(&self, inverse: f64) -> Pair<T> {
        Pair {
            inverse,
            base: self.base,
            shift: self.shift,
            max: [T::of(self.x.max), T::of(self.y.max)],
            scale: [T::of(1.0 / self.x.sum), T::of(1.0 / self.y.sum)],
        }
    }
}

/// The probabilities of two rows of logits.
#[derive(Clone, Copy)]
pub(super) struct Pair<T> {
    inverse: f64,
    base: [f64; 2],
    shift: f64,
    max: [T; 2],
    scale: [T; 2],
}

impl<T: Float> Pair<T> {
    /// The probability of logit `x` of the first row.
    #[inline(always)]
    pub fn p<I: Isa>(&self, x: T) -> T {
        ((x - self.max[0]) * T::of(self.inverse)).exp_nonpositive::<I>() * self.scale[0]
    }

    /// The probability of logit `y` of the second row.
    #[inline(always)]
    pub fn q<I: Isa>(&self, y: T) -> T {
        ((y - self.max[1]) * T::of(self.inverse)).exp_nonpositive::<I>() * self.scale[1]
    }

    /// `ln p - ln q`. The logits are subtracted first, in double precision, so that nothing of a small difference is
    /// lost. The shift, of sums in single precision, is right to about `1e-7`; that counts only by its square in sums of
    /// `q (e^gap - 1 - gap)`, and is mended before gradients are made of it.
    #[inline(always)]
    pub fn gap(&self, x: T, y: T) -> T {
        let [x, y] = [x.f64() - self.base[0], y.f64() - self.base[1]];
        T::of((x - y) * self.inverse - self.shift)
    }
}

/// One of two, element by element: where both are at hand, a loop has no branch and becomes vectors.
#[inline(always)]
pub(super) fn pick<T: Float, const N: usize>(first: bool, a: [T; N], b: [T; N]) -> [T; N] {
    std::array::from_fn(|i| if first { a[i] } else { b[i] })
}
