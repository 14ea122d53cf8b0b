//! Rows of few classes, as many of them side by side as a vector has lanes.

use autograd::Float;
use autograd::tensor_core::kernel::columns::{Column, Columns};
use autograd::tensor_core::kernel::lanes::WIDTH;
use autograd::tensor_core::kernel::{Isa, Kernel, Math, dispatch};

/// A number for each row.
pub(super) type Lanes<T> = [T; WIDTH];

/// `ln(1 + x)` for each row.
#[inline(always)]
pub(super) fn logs<I: Isa>(x: &Lanes<f64>) -> Lanes<f64> {
    let mut logs = *x;
    for log in &mut logs {
        *log = log.log1p::<I>();
    }
    logs
}

/// `Σ (max - x)` of each row.
pub(super) fn gaps<T: Float>(x: &Columns<T>, max: &Column<T>) -> Lanes<f64> {
    struct Gaps<'a, T>(&'a Columns<T>, &'a Column<T>);
    impl<T: Float> Kernel for Gaps<'_, T> {
        type Out = Lanes<f64>;
        #[inline(always)]
        fn run<I: Isa>(self) -> Lanes<f64> {
            let (mut sums, max) = ([0.0; WIDTH], *self.1);
            for column in self.0.iter() {
                for ((s, &x), &max) in sums.iter_mut().zip(column).zip(&max) {
                    *s += (max - x).f64();
                }
            }
            sums
        }
    }
    dispatch(Gaps(x, max))
}

/// Puts `scale · e - shift` in place of each exponential, and 0 for the class `own` of a row; returns what the row adds up
/// to.
pub(super) fn pull<T: Float>(
    exps: &mut Columns<T>,
    own: &Lanes<i32>,
    scale: &Lanes<T>,
    shift: T,
) -> Lanes<f64> {
    struct Pull<'a, T>(&'a mut Columns<T>, Lanes<i32>, Lanes<T>, T);
    impl<T: Float> Kernel for Pull<'_, T> {
        type Out = Lanes<f64>;
        #[inline(always)]
        fn run<I: Isa>(self) -> Lanes<f64> {
            let Pull(exps, own, scale, shift) = self;
            let mut others = [0.0; WIDTH];
            for (c, column) in exps.iter_mut().enumerate() {
                let mut slope = *column;
                for lane in 0..WIDTH {
                    let here = slope[lane] * scale[lane] - shift;
                    let is_own = own[lane] == c as i32;
                    slope[lane] = if is_own { T::ZERO } else { here };
                    others[lane] += slope[lane].f64();
                }
                *column = slope;
            }
            others
        }
    }
    dispatch(Pull(exps, *own, *scale, shift))
}

/// What the probabilities of a class weigh in the loss: `part · t + even`.
#[derive(Clone, Copy)]
pub(super) struct Smooth<T> {
    pub part: T,
    pub even: T,
}

impl<T: Float> Smooth<T> {
    #[inline(always)]
    fn of(self, t: T) -> T {
        self.part * t + self.even
    }
}

/// The sum of the weights `q` of each row, and `Σ q (max - x)`.
pub(super) fn costs<T: Float>(
    x: &Columns<T>,
    t: &Columns<T>,
    max: &Column<T>,
    smooth: Smooth<T>,
) -> [Lanes<f64>; 2] {
    struct Costs<'a, T>([&'a Columns<T>; 2], Column<T>, Smooth<T>);
    impl<T: Float> Kernel for Costs<'_, T> {
        type Out = [Lanes<f64>; 2];
        #[inline(always)]
        fn run<I: Isa>(self) -> Self::Out {
            let Costs([x, t], max, smooth) = self;
            let (mut total, mut gaps) = ([0.0; WIDTH], [0.0; WIDTH]);
            for (x, t) in x.iter().zip(t.iter()) {
                for lane in 0..WIDTH {
                    let q = smooth.of(t[lane]);
                    let cost = q * (max[lane] - x[lane]);
                    total[lane] += q.f64();
                    // A class without weight costs nothing, however unlikely it is.
                    gaps[lane] += if q == T::ZERO { q } else { cost }.f64();
                }
            }
            [total, gaps]
        }
    }
    dispatch(Costs([x, t], *max, smooth))
}

/// Puts `scale · e - gain · q` in place of each exponential, and 0 for the first of a row's likeliest classes; returns which
/// that is, and what the row adds up to.
pub(super) fn pull_towards<T: Float>(
    exps: &mut Columns<T>,
    t: &Columns<T>,
    scale: &Lanes<T>,
    gain: T,
    smooth: Smooth<T>,
) -> (Lanes<i32>, Lanes<f64>) {
    struct Pull<'a, T>(&'a mut Columns<T>, &'a Columns<T>, Lanes<T>, T, Smooth<T>);
    impl<T: Float> Kernel for Pull<'_, T> {
        type Out = (Lanes<i32>, Lanes<f64>);
        #[inline(always)]
        fn run<I: Isa>(self) -> Self::Out {
            let Pull(exps, t, scale, gain, smooth) = self;
            // Beyond all classes: none was found yet.
            let (mut top, mut others) = ([i32::MAX; WIDTH], [0.0; WIDTH]);
            for (c, (column, t)) in exps.iter_mut().zip(t.iter()).enumerate() {
                let mut slope = *column;
                for lane in 0..WIDTH {
                    let here = slope[lane] * scale[lane] - gain * smooth.of(t[lane]);
                    let largest = if slope[lane] == T::ONE {
                        c as i32
                    } else {
                        i32::MAX
                    };
                    top[lane] = top[lane].min(largest);
                    slope[lane] = if top[lane] == c as i32 { T::ZERO } else { here };
                    others[lane] += slope[lane].f64();
                }
                *column = slope;
            }
            (top, others)
        }
    }
    dispatch(Pull(exps, t, *scale, gain, smooth))
}
