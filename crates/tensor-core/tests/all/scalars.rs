//! Numbers of every type beside tensors.

use tensor_core::{Scalar, Tensor};

/// `value` to the right of each operator, as a float and as an integer.
fn right(value: impl Scalar, as_f64: f64) {
    let x = Tensor::from([1.5f64, -2.0]);
    assert_eq!((&x + value).to_vec(), [1.5 + as_f64, -2.0 + as_f64]);
    assert_eq!((&x - value).to_vec(), [1.5 - as_f64, -2.0 - as_f64]);
    assert_eq!((&x * value).to_vec(), [1.5 * as_f64, -2.0 * as_f64]);
    assert_eq!((&x / value).to_vec(), [1.5 / as_f64, -2.0 / as_f64]);
    let narrow = Tensor::from([1.5f32]) * value;
    assert_eq!(narrow.to_vec(), [1.5 * as_f64 as f32]);
    let n = Tensor::from([7i64, -7]);
    let whole = as_f64 as i64;
    assert_eq!((&n + value).to_vec(), [7 + whole, whole - 7]);
    assert_eq!((&n * value).to_vec(), [7 * whole, -7 * whole]);
    assert_eq!(n.maximum(value).unwrap().to_vec(), [7.max(whole), whole]);
    assert_eq!(n.gt(value).unwrap().to_vec(), [7 > whole, false]);
}

#[test]
fn to_the_right_numbers_of_every_type() {
    right(3i8, 3.0);
    right(3i16, 3.0);
    right(3i32, 3.0);
    right(3i64, 3.0);
    right(3isize, 3.0);
    right(3u8, 3.0);
    right(3u16, 3.0);
    right(3u32, 3.0);
    right(3u64, 3.0);
    right(3usize, 3.0);
    right(3f32, 3.0);
    right(3f64, 3.0);
}

#[test]
fn to_the_left_what_literals_are() {
    let (x, n) = (Tensor::from([1.0f32, 4.0]), Tensor::from([1i64, 4]));
    // The type of the result is known though that of the literal is not written.
    assert_eq!((1.0 - &x).abs().to_vec(), [0.0, 3.0]);
    assert_eq!((2 * &x).sqrt().to_vec(), [2f32.sqrt(), 8f32.sqrt()]);
    assert_eq!((5 - &n).square().to_vec(), [16, 1]);
    assert_eq!((2.0 * &n).to_vec(), [2, 8]);
    assert_eq!((f64::from(0.5f32) / &x).to_vec(), [0.5, 0.125]);
}

#[test]
fn what_would_be_lost_is_an_error() {
    let n = Tensor::from([1i64]);
    let message = |e: tensor_core::Error| e.to_string();
    assert_eq!(
        message(n.add(u64::MAX).unwrap_err()),
        "add: 18446744073709551615 is not a value of i64"
    );
    assert_eq!(
        message(n.mul(0.5f32).unwrap_err()),
        "mul: 0.5 is not a value of i64"
    );
    assert_eq!(
        message(n.eq(f64::NAN).unwrap_err()),
        "eq: NaN is not a value of i64"
    );
    assert_eq!(
        message(Tensor::from([true]).logical_and(2u8).unwrap_err()),
        "logical_and: 2 is not a value of bool"
    );
    assert_eq!(n.add(i64::MIN).unwrap().to_vec(), [i64::MIN + 1]);
}
