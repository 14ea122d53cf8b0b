//! Factors of matrices smaller and larger than a panel of columns, against plain elimination and against what they solve.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use tensor_core::Tensor;

fn random(n: usize, m: usize) -> Tensor<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64((n * 1000 + m) as u64);
    let data = (0..n * m).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(data, [n, m]).unwrap()
}

#[track_caller]
fn near(got: &Tensor<f64>, want: &Tensor<f64>, what: &str) {
    assert_eq!(got.shape(), want.shape(), "{what}");
    for (got, want) in got.to_vec().into_iter().zip(want.to_vec()) {
        assert!(
            (got - want).abs() < 1e-8 * want.abs().max(1.0),
            "{what}: {got}, not {want}"
        );
    }
}

/// The determinant by elimination, one row after the other.
fn eliminated(a: &Tensor<f64>, n: usize) -> f64 {
    let (mut a, mut det) = (a.to_vec(), 1.0);
    for k in 0..n {
        let best = (k..n).max_by(|&i, &j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs()));
        let best = best.unwrap();
        if best != k {
            (0..n).for_each(|j| a.swap(k * n + j, best * n + j));
            det = -det;
        }
        det *= a[k * n + k];
        for i in k + 1..n {
            let factor = a[i * n + k] / a[k * n + k];
            for j in k..n {
                a[i * n + j] -= factor * a[k * n + j];
            }
        }
    }
    det
}

#[test]
fn factors_of_matrices_of_several_panels() {
    for n in [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 70] {
        let a = random(n, n);
        let what = format!("{n}");
        let (det, want) = (a.det().unwrap().item().unwrap(), eliminated(&a, n));
        assert!(
            (det - want).abs() <= 1e-9 * want.abs(),
            "{n}: {det}, not {want}"
        );
        for m in [1, 3, 20] {
            let x = random(n, m);
            near(&a.solve(&a.matmul(&x).unwrap()).unwrap(), &x, &what);
        }
        let one = Tensor::eye(n, n).unwrap();
        near(&a.inverse().unwrap().matmul(&a).unwrap(), &one, &what);
        let whole = a.matmul(&a.t()).unwrap().add(&one).unwrap();
        let l = whole.cholesky().unwrap();
        near(&l.tril(0).unwrap(), &l, &what);
        near(&l.matmul(&l.t()).unwrap(), &whole, &what);
        let x = random(n, 5);
        near(
            &l.solve_triangular(&l.matmul(&x).unwrap(), false, false)
                .unwrap(),
            &x,
            &what,
        );
        let (u, b) = (l.t(), l.t().matmul(&x).unwrap());
        near(&u.solve_triangular(&b, true, false).unwrap(), &x, &what);
    }
}

#[test]
fn singular_and_strange_matrices_of_several_panels() {
    let n = 40;
    // A row of zeros, so that a pivot is exactly 0 whatever is rounded.
    let mut a = random(n, n);
    a.assign(17, Tensor::zeros([n]).unwrap()).unwrap();
    assert_eq!(a.det().unwrap().item().unwrap(), 0.0);
    assert!(a.inverse().is_err() && a.solve(&Tensor::ones([n]).unwrap()).is_err());
    // A factor of 0 meets no infinity: of a diagonal with a 0 only the row of that 0 is infinite.
    let mut d = Tensor::<f64>::eye(n, n).unwrap();
    d.assign((20, 20), 0.0).unwrap();
    let ones = Tensor::<f64>::ones([n]).unwrap();
    for upper in [false, true] {
        let x = d.solve_triangular(&ones, upper, false).unwrap().to_vec();
        assert!(
            (0..n).all(|i| x[i] == if i == 20 { f64::INFINITY } else { 1.0 }),
            "{x:?}"
        );
    }
    assert!(d.neg().cholesky().is_err());
    // No matrix at all.
    let none = Tensor::<f64>::zeros([0, 0]).unwrap();
    assert_eq!(none.det().unwrap().item().unwrap(), 1.0);
    assert_eq!(none.inverse().unwrap().shape(), [0, 0]);
}

#[test]
fn differences_of_rows_of_no_or_one_element() {
    for (shape, want) in [
        ([3, 0], [3, 0]),
        ([3, 1], [3, 0]),
        ([0, 5], [0, 4]),
        ([3, 2], [3, 1]),
    ] {
        let x = Tensor::<f32>::ones(shape).unwrap();
        assert_eq!(x.diff(1, 1).unwrap().shape(), want, "{shape:?}");
    }
}

#[test]
fn prelu_keeps_nan_and_takes_no_infinity_times_zero() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let x = Tensor::from([[nan, inf, -inf], [0.0, -2.0, 3.0]]);
    let y = x.prelu(&Tensor::from([0.5, 0.0, 0.25])).unwrap().to_vec();
    assert!(y[0].is_nan());
    assert_eq!(y[1..], [inf, -inf, 0.0, 0.0, 3.0]);
    assert_eq!(
        x.select(0, 0)
            .unwrap()
            .select(0, 1)
            .unwrap()
            .prelu(&Tensor::from([0.0]))
            .unwrap()
            .item()
            .unwrap(),
        inf
    );
}
