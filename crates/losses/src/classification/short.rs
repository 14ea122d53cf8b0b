//! Rows of few classes, as many of them side by side as a vector has lanes.

use autograd::Float;
use autograd::tensor_core::kernel::columns::{Column, Columns};
use autograd::tensor_core::kernel::lanes::{WIDTH, sum_lanes};
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
    struct Pull<'a, T>(&'a mut Columns<T>, &'a Lanes<i32>, &'a Lanes<T>, T);
    impl<T: Float> Kernel for Pull<'_, T> {
        type Out = Lanes<f64>;
        #[inline(always)]
        fn run<I: Isa>(self) -> Lanes<f64> {
            let Pull(exps, own, scale, shift) = self;
            let (own, scale) = (*own, *scale);
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
    dispatch(Pull(exps, own, scale, shift))
}

/// The sum of what the rows cost: `share (log + max - x_own)`, and `even` times the sum of `log + max - x` over all classes,
/// of which `gaps` is that of `max - x`; nothing of rows whose class is below 0.
pub(super) fn values<T: Float>(
    x: &Columns<T>,
    own: &Lanes<i32>,
    max: &Column<T>,
    [logs, gaps, shares]: [&Lanes<f64>; 3],
    even: f64,
) -> f64 {
    struct Values<'a, T>(
        &'a Columns<T>,
        &'a Lanes<i32>,
        &'a Column<T>,
        [&'a Lanes<f64>; 3],
        f64,
    );
    impl<T: Float> Kernel for Values<'_, T> {
        type Out = f64;
        #[inline(always)]
        fn run<I: Isa>(self) -> f64 {
            let Values(x, own, max, [logs, gaps, shares], even) = self;
            let mut own_x = *max;
            for (c, column) in x.iter().enumerate() {
                for lane in 0..WIDTH {
                    let is_own = own[lane] == c as i32;
                    own_x[lane] = if is_own { column[lane] } else { own_x[lane] };
                }
            }
            let (mut costs, len) = ([0.0; WIDTH], x.width() as f64);
            for lane in 0..WIDTH {
                let cost = shares[lane] * (logs[lane] + (max[lane] - own_x[lane]).f64());
                // A class without weight costs nothing, however unlikely it is.
                let cost = if shares[lane] == 0.0 { 0.0 } else { cost };
                let smooth = if even == 0.0 || own[lane] < 0 {
                    0.0
                } else {
                    even * (gaps[lane] + len * logs[lane])
                };
                costs[lane] = cost + smooth;
            }
            sum_lanes(&costs)
        }
    }
    dispatch(Values(x, own, max, [logs, gaps, shares], even))
}

/// Puts what the others of a row lack in place of the slope of class `own`, if there is one of this number; 0 in all of a row
/// whose class is below 0, whatever it holds, a NaN included.
pub(super) fn put<T: Float>(slopes: &mut Columns<T>, own: &Lanes<i32>, others: &Lanes<f64>) {
    struct Put<'a, T>(&'a mut Columns<T>, &'a Lanes<i32>, &'a Lanes<f64>);
    impl<T: Float> Kernel for Put<'_, T> {
        type Out = ();
        #[inline(always)]
        fn run<I: Isa>(self) {
            let Put(slopes, own, others) = self;
            let (own, mut value) = (*own, [T::ZERO; WIDTH]);
            for (v, &others) in value.iter_mut().zip(others) {
                *v = T::of(-others);
            }
            for (c, column) in slopes.iter_mut().enumerate() {
                // Columns are apart for the compiler, which otherwise makes vectors across them.
                let column = std::hint::black_box(column);
                let mut slope = *column;
                for lane in 0..WIDTH {
                    let is_own = own[lane] == c as i32;
                    slope[lane] = if is_own { value[lane] } else { slope[lane] };
                    slope[lane] = if own[lane] < 0 { T::ZERO } else { slope[lane] };
                }
                *column = slope;
            }
        }
    }
    dispatch(Put(slopes, own, others));
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
