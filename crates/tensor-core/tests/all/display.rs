//! Printed tensors against the text that PyTorch printed for them.

use serde_json::Value;
use std::fmt::Debug;
use tensor_core::{DType, Element, Print, Tensor};

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("nan") => f64::NAN,
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        _ => value.as_f64().expect("a number"),
    }
}

fn element<T: Element>(value: &Value) -> T {
    match value {
        Value::Bool(b) => T::from_i64(i64::from(*b)),
        _ if T::DTYPE == DType::I64 => T::from_i64(value.as_i64().expect("an integer")),
        _ => T::from_f64(number(value)),
    }
}

fn tensor<T: Element>(stored: &Value) -> Tensor<T> {
    let shape: Vec<i64> = stored["shape"]
        .as_array()
        .expect("a shape")
        .iter()
        .map(|n| n.as_i64().expect("a size"))
        .collect();
    let data: Vec<T> = match stored["arange"].as_array() {
        Some(rule) => {
            let (start, step) = (number(&rule[0]), number(&rule[1]));
            let n = shape.iter().product::<i64>();
            (0..n)
                .map(|i| T::from_f64(start + i as f64 * step))
                .collect()
        }
        None => stored["data"]
            .as_array()
            .expect("data")
            .iter()
            .map(element)
            .collect(),
    };
    Tensor::from_vec(data, shape).expect("data that fill the shape")
}

/// The text of the tensor as it is, and of the same elements in other layouts.
fn texts<T: Element>(stored: &Value) -> Vec<String> {
    let x: Tensor<T> = tensor(stored);
    let mut texts = vec![x.to_string(), x.display_with(&Print::new()).to_string()];
    if x.ndim() > 0 {
        let last = x.ndim() as isize - 1;
        let swapped = x.transpose(0, last).expect("a view").contiguous();
        texts.push(swapped.transpose(0, last).expect("a view").to_string());
        let reversed = x.flip([0]).expect("a view").contiguous();
        texts.push(reversed.flip([0]).expect("a view").to_string());
    }
    texts
}

#[test]
fn text_is_that_of_pytorch() {
    let page = include_str!("../../fixtures/display.json");
    let page: Value = serde_json::from_str(page).expect("the fixture is JSON");
    let cases = page["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 248);
    for case in cases {
        let stored = &case["tensor"];
        let texts = match stored["dtype"].as_str() {
            Some("f32") => texts::<f32>(stored),
            Some("f64") => texts::<f64>(stored),
            Some("i64") => texts::<i64>(stored),
            _ => texts::<bool>(stored),
        };
        for text in texts {
            assert_eq!(text, case["text"].as_str().unwrap(), "{}", case["name"]);
        }
    }
}

fn arange(n: i64) -> Tensor<i64> {
    Tensor::arange(0, n, 1).unwrap()
}

#[test]
fn every_option_has_its_effect() {
    let x = Tensor::from([0.5f32, 1.25, 20.0]);
    let show = |print: Print| x.display_with(&print).to_string();
    assert_eq!(show(Print::new()), "tensor([ 0.5000,  1.2500, 20.0000])");
    // Halves go to the even digit, as in C.
    assert_eq!(
        show(Print::new().precision(1)),
        "tensor([ 0.5,  1.2, 20.0])"
    );
    assert_eq!(show(Print::new().precision(0)), "tensor([ 0,  1, 20])");
    assert_eq!(
        show(Print::new().sci_mode(true).precision(1)),
        "tensor([5.0e-01, 1.2e+00, 2.0e+01])"
    );
    assert_eq!(
        show(Print::new().linewidth(30)),
        "tensor([ 0.5000,  1.2500,\n        20.0000])"
    );
    // Too narrow for one element, it shows one in a line all the same.
    assert_eq!(
        show(Print::new().linewidth(0)),
        "tensor([ 0.5000,\n         1.2500,\n        20.0000])"
    );
    let wide = Tensor::from([0.5f64, 5000.0]);
    let plain = wide.display_with(&Print::new().sci_mode(false)).to_string();
    assert_eq!(plain, "tensor([   0.5000, 5000.0000], dtype=torch.float64)");
    let auto = wide.display_with(&Print::new().sci_mode(true).sci_mode(None));
    assert_eq!(auto.to_string(), wide.to_string());
    assert_eq!(format!("{x:.1}"), show(Print::new().precision(1)));
}

#[test]
fn summaries_follow_threshold_and_edgeitems() {
    let show = |x: &Tensor<i64>, print: Print| x.display_with(&print).to_string();
    let short = Print::new().threshold(4).edgeitems(1);
    assert_eq!(show(&arange(4), short), "tensor([0, 1, 2, 3])");
    assert_eq!(show(&arange(5), short), "tensor([0,  ..., 4])");
    assert_eq!(show(&arange(5), short.edgeitems(0)), "tensor([...])");
    assert_eq!(
        show(&arange(5), short.edgeitems(usize::MAX)),
        "tensor([0, 1, 2, 3, 4])"
    );
    let x = arange(9).reshape([3, 3]).unwrap();
    assert_eq!(
        show(&x, short),
        "tensor([[0,  ..., 2],\n        ...,\n        [6,  ..., 8]])"
    );
    assert_eq!(show(&x, short.edgeitems(0)), "tensor([...])");
    let whole = show(&arange(1200), Print::new().threshold(usize::MAX));
    assert!(!whole.contains("...") && whole.contains(" 600,"));
}

#[test]
fn debug_adds_shape_and_type() {
    fn text(x: impl Debug) -> String {
        format!("{x:?}")
    }
    let x = Tensor::from([1.0f32, 2.0]);
    assert_eq!(text(&x), "tensor([1., 2.], shape=[2], dtype=f32)");
    assert_eq!(format!("{x:#?}"), text(&x));
    assert_eq!(
        text(Tensor::scalar(true)),
        "tensor(True, shape=[], dtype=bool)"
    );
    let empty = Tensor::<f64>::zeros([2, 0]).unwrap();
    assert_eq!(text(empty), "tensor([], shape=[2, 0], dtype=f64)");
    assert_eq!(
        text(arange(4).reshape([2, 2]).unwrap()),
        "tensor([[0, 1],\n        [2, 3]], shape=[2, 2], dtype=i64)"
    );
    assert_eq!(
        text(arange(20)),
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n        \
         18, 19], shape=[20], dtype=i64)"
    );
    assert_eq!(
        text(arange(17)),
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16],\n       \
         shape=[17], dtype=i64)"
    );
}

#[test]
fn only_what_is_shown_is_read() {
    // The elements of these views would fill more memory than there is.
    let one = Tensor::scalar(1.5f32);
    let line = one.expand([1u64 << 62]).unwrap();
    assert_eq!(
        line.to_string(),
        "tensor([1.5000, 1.5000, 1.5000,  ..., 1.5000, 1.5000, 1.5000])"
    );
    let square = one.expand([1u64 << 31, 1 << 31]).unwrap();
    assert_eq!(square.to_string().lines().count(), 7);
    assert!(format!("{square:?}").ends_with("shape=[2147483648, 2147483648], dtype=f32)"));
    let deep = one.expand([2; 62]).unwrap();
    assert_eq!(deep.to_string(), "tensor([...])");
    let nested = one.reshape(vec![1; 100_000]).unwrap();
    assert_eq!(nested.to_string().len(), 200_000 + "tensor(1.5000)".len());
}

#[test]
fn precision_has_no_end_that_panics() {
    let x = Tensor::from([0.1f64]);
    let text = x.display_with(&Print::new().precision(usize::MAX));
    assert!(
        text.to_string()
            .starts_with("tensor([0.1000000000000000055511")
    );
    let tiny = Tensor::from([f64::from_bits(1)]);
    let print = Print::new().precision(1100).sci_mode(true);
    assert!(tiny.display_with(&print).to_string().contains("e-324"));
    assert_eq!(Tensor::from([-f32::NAN]).to_string(), "tensor([nan])");
}
