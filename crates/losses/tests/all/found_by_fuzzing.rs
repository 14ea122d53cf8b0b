//! What the fuzz targets have found in this crate, each as it was found.

use losses::prelude::*;

/// A loss of a leaf: by its kernel, and by its definition.
fn both_ways(x: Tensor<f64>, loss: impl Fn(&Var<f64>) -> Result<Var<f64>>) -> (f64, f64) {
    let y = loss(&Tape::new().leaf(x)).unwrap();
    let definition = y.by_definition().expect("a fused operation").unwrap();
    (y.item().unwrap(), definition.item().unwrap())
}

#[test]
fn an_ignored_index_that_is_a_class_too() {
    // Of two pixels, the second of the ignored class 1: the first alone counts, a probability of 0.5 for its class 0
    // and as much for the other. Dice: 1 - (2 * 0.5 + 1) / (1 + 1 + 1); Tversky: 1 - (0.5 + 1) / (0.5 + 0.5 + 0.5 + 1).
    let x = Tensor::from([[[0.5, 0.9], [0.5, 0.1]]]);
    let t = Tensor::from([[0, 1]]);
    let (kernel, definition) = both_ways(x.clone(), |x| {
        DiceLoss::new().ignore_index(1).forward(x, &t)
    });
    assert_eq!(kernel, 1.0 / 3.0);
    assert_eq!(definition, kernel);
    let (kernel, definition) = both_ways(x, |x| TverskyLoss::new().ignore_index(1).forward(x, &t));
    assert_eq!(definition, kernel);
}

#[test]
fn the_lowest_integer_is_no_class() {
    let x = Tape::new().leaf(Tensor::from([[0.1, 0.2], [0.3, 0.4]]));
    let t = Tensor::from([0, i64::MIN]);
    for e in [
        margin_softmax_loss(&x, &t).unwrap_err(),
        multi_margin_loss(&x, &t).unwrap_err(),
    ] {
        assert!(
            matches!(
                e,
                Error::Class {
                    class: i64::MIN,
                    ..
                }
            ),
            "{e}"
        );
    }
}
