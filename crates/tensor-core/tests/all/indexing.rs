//! Indices in all their forms: over every layout, against plain loops, and in both ways of writing them.

use crate::common::{layouts, special, values};
use tensor_core::{Ellipsis, IntoIndex, NewAxis, Tensor, i, unravel};

/// `0, 1, 2, …`, so that a value says where it comes from.
fn numbered(shape: &[usize]) -> Tensor<i64> {
    let n: usize = shape.iter().product();
    Tensor::arange(0, n as i64, 1)
        .unwrap()
        .reshape(shape)
        .unwrap()
}

/// Indices of a tensor of shape `[3, 4, 5]`.
fn indices() -> Vec<Vec<tensor_core::IndexItem>> {
    let places = Tensor::from([2, 0, -1, 0]);
    let matrix = Tensor::from([[1, -2], [3, 3]]);
    let mask = numbered(&[3, 4]).remainder(3).unwrap().eq(0).unwrap();
    vec![
        i![].items(),
        i![1].items(),
        i![.., -1].items(),
        i![.., .., 1..; 3].items(),
        i![..; -1, ..; -2, 4..1].items(),
        i![NewAxis, 0, .., NewAxis].items(),
        i![Ellipsis, 2].items(),
        i![&places].items(),
        i![.., &matrix].items(),
        i![.., .., &places].items(),
        i![&places, ..; -1, 1..4; 2].items(),
        i![1, &matrix].items(),
        i![.., 2, &places].items(),
        i![&places, Tensor::from([0, 1, 2, 3]), ..].items(),
        i![&places, .., Tensor::from([0, 1, 2, 3])].items(),
        i![&places, .., &matrix.unsqueeze(-1).unwrap()].items(),
        i![&mask, ..; -2].items(),
        i![.., Tensor::from([true, false, true, true]), 1].items(),
        i![Tensor::scalar(true), 0].items(),
        i![Tensor::scalar(false)].items(),
    ]
}

#[test]
fn parts_of_every_layout() {
    let shape = [3, 4, 5];
    let place = numbered(&shape);
    for (layout, x) in layouts(&shape, special::<f32>) {
        for index in indices() {
            let what = format!("{index:?} of {layout}");
            let (part, places) = (
                x.index(&index[..]).unwrap(),
                place.index(&index[..]).unwrap(),
            );
            assert_eq!(part.shape(), places.shape(), "{what}");
            for (got, &at) in part.to_vec().into_iter().zip(&places.to_vec()) {
                let want = x[unravel(at as usize, &shape)];
                assert_eq!(got.to_bits(), want.to_bits(), "{what}");
            }
        }
    }
    for (layout, x) in layouts(&shape, values::<f32>) {
        for index in indices() {
            let what = format!("{index:?} of {layout}");
            let places = place.index(&index[..]).unwrap();
            let from = places.to_vec();
            // The values themselves come in every layout too.
            for (values_in, v) in layouts(places.shape(), values::<f32>) {
                let what = format!("{what}, values {values_in}");
                let (put, sum) = (
                    x.index_put(&index[..], &v, false).unwrap(),
                    x.index_put(&index[..], &v, true).unwrap(),
                );
                let (mut last, mut total) = (x.to_vec(), x.to_vec());
                for (v, &at) in v.to_vec().into_iter().zip(&from) {
                    last[at as usize] = v;
                    total[at as usize] += v;
                }
                assert_eq!(put.to_vec(), last, "{what}");
                assert_eq!(sum.to_vec(), total, "{what}");
                assert_eq!(x.slice_assign(&index[..], &v).unwrap(), put, "{what}");
                let mut own = x.clone();
                own.assign(&index[..], &v).unwrap();
                assert_eq!(own, put, "{what}");
            }
        }
    }
}

#[test]
fn assigning_leaves_other_tensors_alone() {
    let x = numbered(&[2, 3]);
    let (mut y, row) = (x.clone(), x.select(0, 0).unwrap());
    y.assign((.., 1..), -1).unwrap();
    assert_eq!(x, numbered(&[2, 3]));
    assert_eq!(row.to_vec(), [0, 1, 2]);
    assert_eq!(y.to_vec(), [0, -1, -1, 3, -1, -1]);
    // Without another tensor that looks into it, the buffer is written in place.
    let at = y.buffer().as_ptr();
    y.assign(i![1, ..; -1], Tensor::from([7, 8, 9])).unwrap();
    assert_eq!(y.to_vec(), [0, -1, -1, 9, 8, 7]);
    assert_eq!(y.buffer().as_ptr(), at);
}

#[test]
fn ranges_and_numbers_make_views() {
    let x = numbered(&[4, 5]);
    for index in [i![1..; 2, ..; -1], i![.., 3]] {
        assert!(x.index(index).unwrap().shares_buffer(&x));
    }
    assert!(!x.index(Tensor::from([0])).unwrap().shares_buffer(&x));
}

#[test]
fn tuples_and_single_entries_are_indices() {
    let x = numbered(&[2, 3, 4]);
    assert_eq!(x.index((1, .., 2)).unwrap(), x.index(i![1, .., 2]).unwrap());
    assert_eq!(x.index(-1).unwrap(), x.index(i![-1]).unwrap());
    assert_eq!(x.index(1u64).unwrap(), x.index(i![1usize]).unwrap());
    assert_eq!(x.index(..).unwrap(), x);
    assert_eq!(x.index((.., 1..=1)).unwrap().shape(), [2, 1, 4]);
    assert_eq!(x.index((.., ..=-2)).unwrap().shape(), [2, 2, 4]);
    assert_eq!(x.index(i![.., 1..=-1]).unwrap().shape(), [2, 2, 4]);
    assert_eq!(x.index(i![..=0; -1]).unwrap().shape(), [1, 3, 4]);
    assert_eq!(x.index((NewAxis,)).unwrap().shape(), [1, 2, 3, 4]);
    assert_eq!(x.index(i![i64::MAX..]).unwrap().shape(), [0, 3, 4]);
    assert_eq!(
        x.index(i![i64::MIN..; i64::MIN]).unwrap().shape(),
        [1, 3, 4]
    );
}

#[test]
fn elements_are_counted_from_both_ends() {
    let mut x = numbered(&[2, 3]);
    assert_eq!((x.get([1, -1]).unwrap(), x[[-2, 1]]), (5, 1));
    x.set([-1, 0], 30).unwrap();
    assert_eq!(x.to_vec(), [0, 1, 2, 30, 4, 5]);
}
