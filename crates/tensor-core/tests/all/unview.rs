//! The adjoint of views, against a loop over the places that a view shows.

use tensor_core::{Result, Tensor};

type View = fn(&Tensor<i64>) -> Result<Tensor<i64>>;

fn numbers(shape: &[usize]) -> Tensor<i64> {
    let n = shape.iter().product::<usize>() as i64;
    Tensor::arange(0, n, 1).unwrap().reshape(shape).unwrap()
}

#[track_caller]
fn check(name: &str, shape: &[usize], view: View) {
    let places = view(&numbers(shape)).unwrap();
    let values = numbers(places.shape()).mul(3).unwrap().add(1).unwrap();
    let turned = match places.ndim() {
        0 => values.clone(),
        _ => values
            .flip([0, -1][..places.ndim().min(2)].to_vec())
            .unwrap(),
    };
    let one = Tensor::scalar(7).expand(places.shape()).unwrap();
    let columns = values.t().contiguous().t();
    for (of, values) in [
        ("rows", values),
        ("turned", turned),
        ("one number", one),
        ("columns", columns),
    ] {
        let mut expected = vec![0; shape.iter().product()];
        for (place, value) in places.to_vec().into_iter().zip(values.to_vec()) {
            expected[place as usize] += value;
        }
        let got = values.unview(shape, view).unwrap();
        assert_eq!(got.shape(), shape, "{name} of {shape:?}, {of}");
        assert_eq!(got.to_vec(), expected, "{name} of {shape:?}, {of}");
    }
}

#[test]
fn gradients_of_views_lie_where_the_view_looks() {
    // Rows shorter and longer than those gathered one by one, in less than a block and in many.
    let shapes: [&[usize]; 9] = [
        &[4, 5],
        &[3, 31],
        &[70, 33],
        &[300, 64],
        &[9, 4097],
        &[2, 20_000],
        &[20_000, 4],
        &[1, 7],
        &[6, 1],
    ];
    for shape in shapes {
        check("all", shape, |x| Ok(x.clone()));
        check("the first columns", shape, |x| {
            x.narrow(1, 0, x.shape()[1].div_ceil(2))
        });
        check("the last columns", shape, |x| x.slice(1, 1.., 1));
        check("every third column", shape, |x| x.slice(1, 0.., 3));
        check("every second, backwards", shape, |x| {
            x.slice(1, 0.., 2)?.flip([1])
        });
        check("rows", shape, |x| x.slice(0, 1.., 2));
        check("one row", shape, |x| x.select(0, -1));
        check("one column", shape, |x| x.select(1, -1));
        check("one element", shape, |x| x.select(1, -1)?.select(0, 0));
        check("both backwards", shape, |x| x.flip([0, 1]));
        check("transposed", shape, |x| x.slice(1, 0.., 2).map(|x| x.t()));
        check("a diagonal", shape, |x| x.diagonal(0, 0, 1));
        check("repeated", shape, |x| x.unsqueeze(1)?.expand([-1, 2, -1]));
        check("one row, repeated", shape, |x| {
            x.narrow(0, 0, 1)?.expand([3, -1])
        });
        check("overlapping windows", shape, |x| {
            x.unfold(0, 1, 1)?.unfold(1, 1, 1)
        });
        check("nothing", shape, |x| x.narrow(0, 0, 0));
    }
    check("windows that overlap", &[50, 40], |x| x.unfold(1, 4, 3));
    check("windows apart", &[50, 40], |x| x.unfold(1, 3, 4));
    check("turned", &[6, 50, 40], |x| {
        x.permute([1, 2, 0])?.slice(0, 3.., 2)
    });
    check("the middle", &[6, 50, 40], |x| {
        x.slice(1, 10..20, 1)?.slice(2, 3.., 5)
    });
    check("of a scalar", &[], |x| Ok(x.clone()));
    check("of one element", &[1], |x| x.unsqueeze(0));
}
