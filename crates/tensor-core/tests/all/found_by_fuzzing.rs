//! What the fuzz targets have found in this crate, each as it was found.

use tensor_core::{Border, Error, Float, Tensor};

fn vector() -> Tensor<f32> {
    Tensor::from([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
}

#[test]
fn a_shift_that_has_no_opposite() {
    // 2^63 is 8 modulo 9: to the left by 8 is to the right by 1.
    let rolled = vector().roll(i64::MIN, 0).unwrap();
    assert_eq!(
        rolled.to_vec(),
        [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    );
}

#[test]
fn more_copies_than_there_can_be_elements() {
    let e = vector().repeat([1i64 << 60]).unwrap_err();
    assert!(matches!(e, Error::Size { op: "repeat", .. }), "{e}");
}

#[test]
fn widths_whose_sum_is_no_number() {
    let x = vector();
    for pad in [
        [i64::MIN, i64::MIN],
        [i64::MIN, 0],
        [-1, i64::MIN],
        [i64::MAX, 1],
    ] {
        let e = x.pad(pad, 0.0).unwrap_err();
        assert!(matches!(e, Error::Option { op: "pad", .. }), "{pad:?}: {e}");
    }
    // One end cut off, and as much added at the other.
    assert_eq!(x.pad([-8, 1], 0.0).unwrap().to_vec(), [9.0, 0.0]);
}

#[test]
fn borders_wider_than_memory() {
    let x = vector();
    for border in [Border::Reflect, Border::Replicate, Border::Circular] {
        for pad in [
            [i64::MIN, 0],
            [0, i64::MIN],
            [i64::MIN, i64::MIN],
            [i64::MAX, 0],
            [1 << 60, 0],
        ] {
            let e = x.pad_with(pad, border).unwrap_err();
            assert!(
                matches!(e, Error::Option { .. } | Error::Size { .. }),
                "{pad:?}: {e}"
            );
        }
    }
}

#[test]
fn a_step_too_long_for_a_stride() {
    let x = vector().slice(0, .., 2).unwrap();
    assert_eq!(x.unfold(0, 1, usize::MAX).unwrap().to_vec(), [1.0]);
    assert_eq!(
        x.unfold(0, 2, isize::MAX as usize).unwrap().to_vec(),
        [1.0, 3.0]
    );
}

#[test]
fn pieces_whose_sum_is_no_number() {
    let e = vector().split_sizes(&[usize::MAX, 10], 0).unwrap_err();
    assert!(
        matches!(
            e,
            Error::Option {
                op: "split_sizes",
                ..
            }
        ),
        "{e}"
    );
}

#[test]
fn an_inner_product_broadcasts_no_size() {
    let x = Tensor::<f64>::ones([2, 3]).unwrap();
    let e = x.inner(&Tensor::ones([4, 1]).unwrap()).unwrap_err();
    assert!(matches!(e, Error::Shape { op: "inner", .. }), "{e}");
    // Unlike `tensordot`.
    let y = x.tensordot(&Tensor::ones([4, 1]).unwrap(), [1], [1]);
    assert_eq!(y.unwrap(), Tensor::full([2, 4], 3.0).unwrap());
}

/// Far on the right these are the straight line `x`, and no step on the way overflows.
#[test]
fn activations_of_the_largest_numbers() {
    fn straight<T: Float>() {
        let x = Tensor::scalar(T::MAX);
        for (name, y) in [
            ("relu", x.relu()),
            ("silu", x.silu()),
            ("mish", x.mish()),
            ("gelu", x.gelu()),
            ("gelu_tanh", x.gelu_tanh()),
            ("hardswish", x.hardswish()),
            ("elu", x.elu(T::ONE)),
            ("celu", x.celu(T::ONE)),
            ("softplus", x.softplus()),
        ] {
            assert_eq!(y.item().unwrap(), T::MAX, "{name}");
        }
    }
    straight::<f32>();
    straight::<f64>();
}

/// Where there is nothing to add, no index is looked at.
#[test]
fn an_index_that_adds_nothing() {
    let x = Tensor::<f64>::zeros([0, 1, 1, 0]).unwrap();
    let src = Tensor::zeros([0, 1, 1, 1]).unwrap();
    let y = x.index_add(-1, &Tensor::from([0]), &src).unwrap();
    assert_eq!(y.shape(), [0, 1, 1, 0]);
}
