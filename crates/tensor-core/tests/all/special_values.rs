//! Exact answers at special values: zeros of both signs, infinities, NaN, the smallest and the largest numbers, ties. They
//! are those of the C standard (C99, annex F) where it has the function, and limits elsewhere. Signs of zeros count.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};
use tensor_core::{Float, Result, Tensor};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// A function of one element, and its answers.
type Row<T> = (
    &'static str,
    fn(&Tensor<T>) -> Tensor<T>,
    &'static [(f64, f64)],
);

fn one<T: Float>() -> Vec<Row<T>> {
    vec![
        (
            "neg",
            |x| x.neg(),
            &[(0.0, -0.0), (-0.0, 0.0), (INF, -INF), (NAN, NAN)],
        ),
        ("abs", |x| x.abs(), &[(-0.0, 0.0), (-INF, INF), (NAN, NAN)]),
        (
            "sign",
            |x| x.sign(),
            &[
                (0.0, 0.0),
                (-0.0, 0.0),
                (INF, 1.0),
                (-INF, -1.0),
                (NAN, 0.0),
            ],
        ),
        (
            "square",
            |x| x.square(),
            &[(-0.0, 0.0), (-INF, INF), (1e300, INF), (1e-300, 0.0)],
        ),
        (
            "relu",
            |x| x.relu(),
            &[(-1.0, 0.0), (-INF, 0.0), (INF, INF), (NAN, NAN)],
        ),
        (
            "exp",
            |x| x.exp(),
            &[
                (0.0, 1.0),
                (-0.0, 1.0),
                (INF, INF),
                (-INF, 0.0),
                (NAN, NAN),
                (1e4, INF),
                (-1e4, 0.0),
            ],
        ),
        (
            "exp2",
            |x| x.exp2(),
            &[
                (0.0, 1.0),
                (10.0, 1024.0),
                (-3.0, 0.125),
                (INF, INF),
                (-INF, 0.0),
                (NAN, NAN),
            ],
        ),
        (
            "expm1",
            |x| x.expm1(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (INF, INF),
                (-INF, -1.0),
                (NAN, NAN),
            ],
        ),
        (
            "log",
            |x| x.log(),
            &[
                (0.0, -INF),
                (-0.0, -INF),
                (1.0, 0.0),
                (INF, INF),
                (-1.0, NAN),
                (-INF, NAN),
                (NAN, NAN),
            ],
        ),
        (
            "log2",
            |x| x.log2(),
            &[
                (0.0, -INF),
                (1.0, 0.0),
                (8.0, 3.0),
                (0.25, -2.0),
                (INF, INF),
                (-1.0, NAN),
            ],
        ),
        (
            "log10",
            |x| x.log10(),
            &[
                (0.0, -INF),
                (1.0, 0.0),
                (1000.0, 3.0),
                (INF, INF),
                (-1.0, NAN),
            ],
        ),
        (
            "log1p",
            |x| x.log1p(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (-1.0, -INF),
                (INF, INF),
                (-1.5, NAN),
                (NAN, NAN),
            ],
        ),
        (
            "sqrt",
            |x| x.sqrt(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (INF, INF),
                (-1.0, NAN),
                (-INF, NAN),
                (2.25, 1.5),
            ],
        ),
        (
            "rsqrt",
            |x| x.rsqrt(),
            &[
                (0.0, INF),
                (-0.0, -INF),
                (INF, 0.0),
                (-1.0, NAN),
                (4.0, 0.5),
            ],
        ),
        (
            "cbrt",
            |x| x.cbrt(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (INF, INF),
                (-INF, -INF),
                (-27.0, -3.0),
            ],
        ),
        (
            "reciprocal",
            |x| x.reciprocal(),
            &[
                (0.0, INF),
                (-0.0, -INF),
                (INF, 0.0),
                (-INF, -0.0),
                (4.0, 0.25),
            ],
        ),
        (
            "sin",
            |x| x.sin(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (INF, NAN),
                (-INF, NAN),
                (NAN, NAN),
            ],
        ),
        (
            "cos",
            |x| x.cos(),
            &[(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN), (NAN, NAN)],
        ),
        (
            "tan",
            |x| x.tan(),
            &[(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (NAN, NAN)],
        ),
        (
            "asin",
            |x| x.asin(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (1.0, FRAC_PI_2),
                (-1.0, -FRAC_PI_2),
                (1.5, NAN),
                (INF, NAN),
            ],
        ),
        (
            "acos",
            |x| x.acos(),
            &[(1.0, 0.0), (-1.0, PI), (1.5, NAN), (-INF, NAN), (NAN, NAN)],
        ),
        (
            "atan",
            |x| x.atan(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (INF, FRAC_PI_2),
                (-INF, -FRAC_PI_2),
                (NAN, NAN),
            ],
        ),
        (
            "sinh",
            |x| x.sinh(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (INF, INF),
                (-INF, -INF),
                (NAN, NAN),
            ],
        ),
        (
            "cosh",
            |x| x.cosh(),
            &[(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (NAN, NAN)],
        ),
        (
            "tanh",
            |x| x.tanh(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (INF, 1.0),
                (-INF, -1.0),
                (NAN, NAN),
            ],
        ),
        (
            "asinh",
            |x| x.asinh(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (INF, INF),
                (-INF, -INF),
                (NAN, NAN),
            ],
        ),
        (
            "acosh",
            |x| x.acosh(),
            &[(1.0, 0.0), (0.5, NAN), (-INF, NAN), (INF, INF), (NAN, NAN)],
        ),
        (
            "atanh",
            |x| x.atanh(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (1.0, INF),
                (-1.0, -INF),
                (1.5, NAN),
                (NAN, NAN),
            ],
        ),
        (
            "erf",
            |x| x.erf(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (INF, 1.0),
                (-INF, -1.0),
                (NAN, NAN),
            ],
        ),
        (
            "erfc",
            |x| x.erfc(),
            &[(0.0, 1.0), (INF, 0.0), (-INF, 2.0), (NAN, NAN)],
        ),
        (
            "lgamma",
            |x| x.lgamma(),
            &[
                (1.0, 0.0),
                (2.0, 0.0),
                (0.0, INF),
                (-0.0, INF),
                (-1.0, INF),
                (INF, INF),
                (-INF, INF),
            ],
        ),
        (
            "digamma",
            |x| x.digamma(),
            &[
                (0.0, -INF),
                (-0.0, INF),
                (-1.0, NAN),
                (INF, INF),
                (-INF, NAN),
                (NAN, NAN),
            ],
        ),
        (
            "sigmoid",
            |x| x.sigmoid(),
            &[
                (0.0, 0.5),
                (-0.0, 0.5),
                (INF, 1.0),
                (-INF, 0.0),
                (1e4, 1.0),
                (-1e4, 0.0),
                (NAN, NAN),
            ],
        ),
        (
            "softplus",
            |x| x.softplus(),
            &[(INF, INF), (-INF, 0.0), (1e4, 1e4), (-1e4, 0.0), (NAN, NAN)],
        ),
        (
            "log_sigmoid",
            |x| x.log_sigmoid(),
            &[
                (INF, -0.0),
                (-INF, -INF),
                (-1e4, -1e4),
                (1e4, -0.0),
                (NAN, NAN),
            ],
        ),
        (
            "floor",
            |x| x.floor(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (-0.5, -1.0),
                (0.5, 0.0),
                (INF, INF),
                (NAN, NAN),
            ],
        ),
        (
            "ceil",
            |x| x.ceil(),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (-0.5, -0.0),
                (0.5, 1.0),
                (-INF, -INF),
                (NAN, NAN),
            ],
        ),
        (
            "trunc",
            |x| x.trunc(),
            &[
                (-0.0, -0.0),
                (-0.5, -0.0),
                (-1.5, -1.0),
                (1.5, 1.0),
                (INF, INF),
                (NAN, NAN),
            ],
        ),
        (
            "round",
            |x| x.round(),
            &[
                (-0.0, -0.0),
                (0.5, 0.0),
                (-0.5, -0.0),
                (1.5, 2.0),
                (2.5, 2.0),
                (-2.5, -2.0),
                (INF, INF),
            ],
        ),
        (
            "gelu",
            |x| x.gelu(),
            &[(0.0, 0.0), (INF, INF), (1e4, 1e4), (NAN, NAN)],
        ),
        (
            "elu",
            |x| x.elu(T::ONE),
            &[
                (0.0, 0.0),
                (-0.0, -0.0),
                (INF, INF),
                (-INF, -1.0),
                (NAN, NAN),
            ],
        ),
        (
            "leaky_relu",
            |x| x.leaky_relu(T::of(0.5)),
            &[
                (-0.0, -0.0),
                (-2.0, -1.0),
                (-INF, -INF),
                (INF, INF),
                (NAN, NAN),
            ],
        ),
        (
            "clamp",
            |x| x.clamp(T::of(-1.0), T::ONE),
            &[
                (INF, 1.0),
                (-INF, -1.0),
                (-0.0, -0.0),
                (NAN, NAN),
                (1.0, 1.0),
            ],
        ),
        (
            "nan_to_num",
            |x| x.nan_to_num(T::ZERO, T::ONE, T::of(-1.0)),
            &[(NAN, 0.0), (INF, 1.0), (-INF, -1.0), (-0.0, -0.0)],
        ),
        (
            "round_to",
            |x| x.round_to(1),
            &[
                (-0.0, -0.0),
                (INF, INF),
                (NAN, NAN),
                (0.25, 0.2),
                (0.75, 0.8),
            ],
        ),
        (
            "pow 0",
            |x| x.pow(0).unwrap(),
            &[(NAN, 1.0), (INF, 1.0), (0.0, 1.0), (-0.0, 1.0)],
        ),
        (
            "pow -1",
            |x| x.pow(-1).unwrap(),
            &[(0.0, INF), (-0.0, -INF), (INF, 0.0), (-INF, -0.0)],
        ),
        (
            "pow 3",
            |x| x.pow(3).unwrap(),
            &[(-0.0, -0.0), (-INF, -INF), (-2.0, -8.0), (NAN, NAN)],
        ),
    ]
}

/// A function of two elements, and its answers.
type Pair<T> = (
    &'static str,
    fn(&Tensor<T>, &Tensor<T>) -> Result<Tensor<T>>,
    &'static [(f64, f64, f64)],
);

fn two<T: Float>() -> Vec<Pair<T>> {
    vec![
        (
            "add",
            |a, b| a.add(b),
            &[
                (-0.0, -0.0, -0.0),
                (0.0, -0.0, 0.0),
                (INF, -INF, NAN),
                (INF, 1.0, INF),
            ],
        ),
        (
            "sub",
            |a, b| a.sub(b),
            &[(0.0, 0.0, 0.0), (-0.0, 0.0, -0.0), (INF, INF, NAN)],
        ),
        (
            "mul",
            |a, b| a.mul(b),
            &[(-0.0, 1.0, -0.0), (0.0, INF, NAN), (-2.0, INF, -INF)],
        ),
        (
            "div",
            |a, b| a.div(b),
            &[
                (1.0, 0.0, INF),
                (1.0, -0.0, -INF),
                (0.0, 0.0, NAN),
                (INF, INF, NAN),
                (-1.0, INF, -0.0),
            ],
        ),
        (
            "maximum",
            |a, b| a.maximum(b),
            &[
                (NAN, 1.0, NAN),
                (1.0, NAN, NAN),
                (INF, 1.0, INF),
                (-INF, 1.0, 1.0),
            ],
        ),
        (
            "minimum",
            |a, b| a.minimum(b),
            &[
                (NAN, 1.0, NAN),
                (1.0, NAN, NAN),
                (INF, 1.0, 1.0),
                (-INF, 1.0, -INF),
            ],
        ),
        (
            "atan2",
            |a, b| a.atan2(b),
            &[
                (0.0, 1.0, 0.0),
                (-0.0, 1.0, -0.0),
                (0.0, -1.0, PI),
                (-0.0, -1.0, -PI),
                (0.0, 0.0, 0.0),
                (0.0, -0.0, PI),
                (-0.0, -0.0, -PI),
                (1.0, 0.0, FRAC_PI_2),
                (-1.0, -0.0, -FRAC_PI_2),
                (1.0, INF, 0.0),
                (1.0, -INF, PI),
                (INF, 1.0, FRAC_PI_2),
                (INF, INF, FRAC_PI_4),
                (INF, -INF, 3.0 * FRAC_PI_4),
                (NAN, 1.0, NAN),
            ],
        ),
        (
            "hypot",
            |a, b| a.hypot(b),
            &[
                (3.0, 4.0, 5.0),
                (INF, NAN, INF),
                (NAN, -INF, INF),
                (0.0, -0.0, 0.0),
                (NAN, 1.0, NAN),
            ],
        ),
        (
            "logaddexp",
            |a, b| a.logaddexp(b),
            &[
                (-INF, -INF, -INF),
                (INF, INF, INF),
                (INF, -INF, INF),
                (-INF, 1.0, 1.0),
                (1e4, -1e4, 1e4),
                (NAN, 1.0, NAN),
            ],
        ),
        (
            "xlogy",
            |a, b| a.xlogy(b),
            &[
                (0.0, 0.0, 0.0),
                (0.0, INF, 0.0),
                (0.0, NAN, NAN),
                (1.0, 0.0, -INF),
                (-1.0, 0.0, INF),
                (2.0, 1.0, 0.0),
                (NAN, 1.0, NAN),
            ],
        ),
        (
            "pow",
            |a, b| a.pow(b),
            &[
                (0.0, 0.0, 1.0),
                (NAN, 0.0, 1.0),
                (1.0, NAN, 1.0),
                (1.0, INF, 1.0),
                (-1.0, INF, 1.0),
                (-1.0, -INF, 1.0),
                (0.0, -1.0, INF),
                (-0.0, -1.0, -INF),
                (-0.0, -2.0, INF),
                (-0.0, 3.0, -0.0),
                (-0.0, 2.0, 0.0),
                (0.5, INF, 0.0),
                (0.5, -INF, INF),
                (2.0, -INF, 0.0),
                (-INF, 3.0, -INF),
                (-INF, -3.0, -0.0),
                (INF, -1.0, 0.0),
                (-2.0, 0.5, NAN),
                (-2.0, 3.0, -8.0),
            ],
        ),
        (
            "fmod",
            |a, b| a.fmod(b),
            &[
                (0.0, 2.0, 0.0),
                (-0.0, 2.0, -0.0),
                (5.5, 2.0, 1.5),
                (-5.5, 2.0, -1.5),
                (4.0, -2.0, 0.0),
                (-4.0, 2.0, -0.0),
                (1.0, 0.0, NAN),
                (INF, 2.0, NAN),
                (2.0, INF, 2.0),
                (-2.0, INF, -2.0),
                (1.0, NAN, NAN),
            ],
        ),
        (
            "remainder",
            |a, b| a.remainder(b),
            &[
                (5.5, 2.0, 1.5),
                (-5.5, 2.0, 0.5),
                (5.5, -2.0, -0.5),
                (1.0, 0.0, NAN),
                (INF, 2.0, NAN),
                (2.0, INF, 2.0),
                (-2.0, INF, INF),
            ],
        ),
        (
            "div_floor",
            |a, b| a.div_floor(b),
            &[
                (7.0, 2.0, 3.0),
                (-7.0, 2.0, -4.0),
                (1.0, 0.0, INF),
                (-1.0, 0.0, -INF),
                (0.0, 0.0, NAN),
                (-0.0, 2.0, -0.0),
                (1.0, INF, 0.0),
                (-1.0, INF, -1.0),
                (NAN, 1.0, NAN),
            ],
        ),
        (
            "div_trunc",
            |a, b| a.div_trunc(b),
            &[
                (7.0, 2.0, 3.0),
                (-7.0, 2.0, -3.0),
                (-1.0, 2.0, -0.0),
                (1.0, 0.0, INF),
                (0.0, 0.0, NAN),
            ],
        ),
        (
            "lerp",
            |a, b| a.lerp(b, 1.0),
            &[(1e30, 1.0, 1.0), (-1.0, 3.0, 3.0), (NAN, 1.0, NAN)],
        ),
    ]
}

fn same<T: Float>(got: T, want: f64) -> bool {
    let want = T::of(want);
    if want.is_nan_() {
        return got.is_nan_();
    }
    got == want && got.f64().is_sign_negative() == want.f64().is_sign_negative()
}

fn check<T: Float>() {
    // A thousand to the front, so that whole vectors and what is left of them are both met.
    for repeats in [1, 3, 33] {
        for (name, f, answers) in one::<T>() {
            for &(x, want) in answers {
                let y = f(&Tensor::full(repeats, T::of(x)).unwrap()).to_vec();
                assert!(
                    y.iter().all(|&y| same(y, want)),
                    "{name}({x}) is {}, not {want}",
                    y[0]
                );
            }
        }
        for (name, f, answers) in two::<T>() {
            for &(a, b, want) in answers {
                let full = |v| Tensor::full(repeats, T::of(v)).unwrap();
                let y = f(&full(a), &full(b)).unwrap().to_vec();
                assert!(
                    y.iter().all(|&y| same(y, want)),
                    "{name}({a}, {b}) is {}, not {want}",
                    y[0]
                );
            }
        }
    }
}

#[test]
fn answers_of_f32() {
    check::<f32>();
}

#[test]
fn answers_of_f64() {
    check::<f64>();
}

/// The smallest numbers are not lost, and the largest do not overflow where the answer is one.
fn check_ends<T: Float>() {
    let least = T::TINY.f64() * T::EPSILON.f64();
    let one = |x: f64| Tensor::scalar(T::of(x));
    for x in [least, 3.0 * least, T::TINY.f64(), -least] {
        let same = |y: Tensor<T>| assert_eq!(y[()].f64(), x);
        // To first order these are the argument itself.
        let _ = [
            one(x).sin(),
            one(x).tan(),
            one(x).asin(),
            one(x).atan(),
            one(x).sinh(),
        ]
        .map(same);
        let _ = [
            one(x).tanh(),
            one(x).asinh(),
            one(x).atanh(),
            one(x).expm1(),
            one(x).log1p(),
        ]
        .map(same);
        same(one(x).mul(1.0).unwrap());
        same(one(x).hypot(0.0).unwrap().mul(x.signum()).unwrap());
        same(one(x).fmod(1.0).unwrap());
    }
    let most = T::MAX.f64();
    assert_eq!(one(most).hypot(0.0).unwrap()[()].f64(), most);
    assert_eq!(one(most).logaddexp(-most).unwrap()[()].f64(), most);
    assert_eq!(one(most).softplus()[()].f64(), most);
    // What is lost beside the largest numbers comes back when they cancel.
    let sum = Tensor::from([T::of(most), T::of(-most), T::ONE])
        .sum(..)
        .unwrap();
    assert_eq!(sum[()], T::ONE);
}

#[test]
fn the_smallest_and_the_largest_numbers() {
    check_ends::<f32>();
    check_ends::<f64>();
    // Sums of f32 are carried in f64, which they do not overflow.
    let x = Tensor::from([f32::MAX, f32::MAX]);
    assert_eq!(x.mean(..).unwrap()[()], f32::MAX);
    assert_eq!(x.norm(1.0, ..).unwrap()[()], f32::INFINITY);
}

#[test]
fn the_first_of_equal_elements_is_found() {
    let x = Tensor::from([1.0f32, 3.0, 3.0, -1.0, -1.0]);
    assert_eq!((x.argmax(0).unwrap()[()], x.argmin(0).unwrap()[()]), (1, 3));
    // Zeros of both signs are equal.
    let zeros = Tensor::from([0.0f32, -0.0]);
    assert_eq!(
        (zeros.argmax(0).unwrap()[()], zeros.argmin(0).unwrap()[()]),
        (0, 0)
    );
    assert!(zeros.eq(-0.0).unwrap().all(..).unwrap()[()]);
    assert_eq!(zeros.sort(0, false).unwrap().1.to_vec(), [0, 1]);
    assert_eq!(zeros.unique().unwrap().counts.to_vec(), [2]);
}
