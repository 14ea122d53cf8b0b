//! Products of matrices, and of a matrix and a vector on either side of it, against loops.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use tensor_core::{Number, Tensor};

/// Small whole numbers, whose products and sums are exact in any order.
fn numbers<T: Number>(shape: [usize; 2], seed: usize) -> Tensor<T> {
    let n = shape[0] * shape[1];
    let data = (0..n).map(|i| T::from_i64(((i * 31 + seed) % 11) as i64 - 5));
    Tensor::from_vec(data.collect(), shape).unwrap()
}

/// A matrix of `[m, k]` as it may lie in memory.
fn layouts<T: Number>(m: usize, k: usize) -> Vec<(&'static str, Tensor<T>)> {
    let wide = numbers::<T>([m + 2, 2 * k + 3], 5);
    vec![
        ("rows", numbers([m, k], 1)),
        ("columns", numbers([k, m], 2).t()),
        (
            "rows apart",
            wide.slice(0, 1..m as isize + 1, 1)
                .unwrap()
                .slice(1, 2..k as isize + 2, 1)
                .unwrap(),
        ),
        (
            "every other element",
            wide.slice(0, 0..m as isize, 1)
                .unwrap()
                .slice(1, 1..2 * k as isize + 1, 2)
                .unwrap(),
        ),
        (
            "columns apart",
            numbers([k, m + 3], 3)
                .slice(1, 1..m as isize + 1, 1)
                .unwrap()
                .t(),
        ),
        ("backwards", numbers([m, k], 4).flip([0, 1]).unwrap()),
        ("one row", numbers([1, k], 6).expand([m, k]).unwrap()),
        ("one column", numbers([m, 1], 7).expand([m, k]).unwrap()),
    ]
}

/// A matrix times vectors.
fn against_loops<T: Number>(m: usize, k: usize) {
    let long = numbers::<T>([1, 2 * k + 1], 9).reshape([-1]).unwrap();
    let vectors = [
        ("whole", numbers::<T>([1, k], 8).reshape([-1]).unwrap()),
        (
            "every other",
            long.slice(0, 1..2 * k as isize + 1, 2).unwrap(),
        ),
        (
            "one number",
            numbers::<T>([1, 1], 3)
                .reshape([1])
                .unwrap()
                .expand([k])
                .unwrap(),
        ),
    ];
    for (name, a) in layouts::<T>(m, k) {
        for (of, x) in &vectors {
            assert_eq!(a.shape(), [m, k]);
            let (rows, v) = (a.to_vec(), x.to_vec());
            let expected: Vec<T> = (0..m)
                .map(|i| (0..k).fold(T::ZERO, |sum, j| sum.plus(rows[i * k + j].times(v[j]))))
                .collect();
            let got = a.matmul(x).unwrap();
            assert_eq!(got.to_vec(), expected, "{name}, {of}, {m}, {k}");
            // The same as a row, before the transposed matrix.
            let got = x.matmul(&a.t()).unwrap();
            assert_eq!(got.to_vec(), expected, "{name} transposed, {of}, {m}, {k}");
            // Added to a bias: a layer of one output, whose weight is the vector.
            let weight = x.unsqueeze(0).unwrap();
            let bias = Tensor::full([1], T::from_i64(3)).unwrap();
            let got = a.linear(&weight, &bias).unwrap();
            let sums: Vec<T> = expected.iter().map(|&e| e.plus(T::from_i64(3))).collect();
            assert_eq!(got.to_vec(), sums, "{name}, {of}, {m}, {k}");
        }
    }
}

#[test]
fn every_layout_gives_what_loops_give() {
    // Sizes around those at which the way changes: short rows, their groups, narrow columns, blocks of both.
    for m in [1, 2, 7, 8, 9, 33, 65, 130] {
        for k in [1, 2, 7, 15, 16, 17, 31, 63, 64, 65, 100] {
            against_loops::<f32>(m, k);
        }
    }
    for (m, k) in [(1, 1), (9, 15), (20, 70), (3, 200), (100, 3)] {
        against_loops::<f64>(m, k);
        against_loops::<i64>(m, k);
    }
    against_loops::<f32>(700, 600);
    against_loops::<f32>(2000, 10);
    against_loops::<f32>(10, 5000);
    // Rows that are split among threads.
    against_loops::<f32>(2, (1 << 17) + 33);
}

#[test]
fn nothing_and_no_middle() {
    let none = Tensor::<f32>::zeros([0, 3]).unwrap();
    assert_eq!(
        none.matmul(&Tensor::ones([3]).unwrap()).unwrap().shape(),
        [0]
    );
    assert_eq!(
        none.t()
            .matmul(&Tensor::ones([0]).unwrap())
            .unwrap()
            .to_vec(),
        [0.0; 3]
    );
    let dot = Tensor::<f32>::zeros([0]).unwrap();
    assert_eq!(dot.matmul(&dot).unwrap().item().unwrap(), 0.0);
}

#[test]
fn sums_are_rounded_once() {
    // Carried in single precision each of these would be 0, or infinite on the way.
    let a = Tensor::from([[1e8f32, 1.0, -1e8], [3e38, 3e38, -3e38]]);
    let ones = Tensor::<f32>::ones([3]).unwrap();
    assert_eq!(a.matmul(&ones).unwrap().to_vec(), [1.0, 3e38]);
    let columns = a.t().contiguous();
    assert_eq!(columns.t().matmul(&ones).unwrap().to_vec(), [1.0, 3e38]);
    // As many rows as are carried along together.
    let many = a.t().repeat([1, 10]).unwrap();
    assert_eq!(ones.matmul(&many).unwrap().to_vec(), [1.0, 3e38].repeat(10));
}

#[test]
fn special_values_go_where_the_mathematics_sends_them() {
    let inf = f32::INFINITY;
    let a = Tensor::from([[inf, 1.0], [inf, 0.0], [f32::NAN, 0.0], [1.0, 2.0]]);
    for a in [a.clone(), a.t().contiguous().t()] {
        let y = a.matmul(&Tensor::from([0.0f32, 1.0])).unwrap().to_vec();
        assert!(y[..3].iter().all(|y| y.is_nan()) && y[3] == 2.0, "{y:?}");
        let y = a.matmul(&Tensor::from([1.0f32, 1.0])).unwrap().to_vec();
        assert!(
            y[0] == inf && y[1] == inf && y[2].is_nan() && y[3] == 3.0,
            "{y:?}"
        );
    }
}

/// All pairs of layouts of `[m, k]` and `[k, n]`, the product alone and as a layer with a bias.
fn products_of_layouts<T: Number>([m, k, n]: [usize; 3]) {
    let bias = numbers::<T>([1, n], 13).reshape([-1]).unwrap();
    for (left, a) in layouts::<T>(m, k) {
        let rows = a.to_vec();
        for (right, b) in layouts::<T>(k, n) {
            let columns = b.to_vec();
            let sum = |i: usize, j: usize| {
                (0..k).fold(T::ZERO, |sum, l| {
                    sum.plus(rows[i * k + l].times(columns[l * n + j]))
                })
            };
            let expected: Vec<T> = (0..m * n).map(|at| sum(at / n, at % n)).collect();
            let got = a.matmul(&b).unwrap();
            assert_eq!(got.to_vec(), expected, "{left} by {right}, {:?}", [m, k, n]);
            let got = a.linear(&b.t(), &bias).unwrap().to_vec();
            let shifts = bias.to_vec();
            let moved: Vec<T> = (0..m * n)
                .map(|i| expected[i].plus(shifts[i % n]))
                .collect();
            assert_eq!(got, moved, "{left} by {right} and a bias, {:?}", [m, k, n]);
        }
    }
}

#[test]
fn every_pair_of_layouts_gives_what_loops_give() {
    // Whole tiles and what is left of them in both directions, one column to sixteen and more, terms in one piece and in
    // several, panels that are read in place and copied.
    for m in [2, 5, 8, 15, 40] {
        for n in [2, 8, 15, 17, 33, 64] {
            products_of_layouts::<f32>([m, 9, n]);
        }
    }
    for size in [[33, 97, 34], [3, 300, 40], [40, 513, 5], [9, 16, 70]] {
        products_of_layouts::<f32>(size);
        products_of_layouts::<f64>(size);
        products_of_layouts::<i64>(size);
    }
}

#[test]
fn large_products_agree_with_loops_on_both_sides_of_the_cache() {
    // Small whole numbers against a sum of whole numbers: exact. The last of each is more than 1 MB, the others less; and
    // narrow ones of any size.
    for [m, k, n] in [
        [128, 784, 64],
        [256, 300, 200],
        [300, 400, 500],
        [5000, 70, 10],
        [12, 5000, 130],
        [16, 40, 9000],
        [3000, 130, 19],
        [5000, 70, 32],
        [5000, 70, 33],
    ] {
        let (a, b) = (numbers::<f32>([m, k], 1), numbers::<f32>([k, n], 2));
        let whole = |x: &Tensor<f32>| x.to_vec().iter().map(|&x| x as i64).collect::<Vec<_>>();
        let (rows, columns) = (whole(&a), whole(&b));
        let mut expected = vec![0i64; m * n];
        for (row, out) in rows.chunks(k).zip(expected.chunks_mut(n)) {
            for (&x, right) in row.iter().zip(columns.chunks(n)) {
                out.iter_mut().zip(right).for_each(|(o, &y)| *o += x * y);
            }
        }
        for a in [a.clone(), a.t().contiguous().t()] {
            for b in [b.clone(), b.t().contiguous().t()] {
                assert_eq!(whole(&a.matmul(&b).unwrap()), expected, "{:?}", [m, k, n]);
            }
        }
    }
}

#[test]
fn small_products_are_as_exact_as_their_sums() {
    let mut generator = ChaCha8Rng::seed_from_u64(3);
    for [m, k, n] in [[20, 1000, 40], [64, 64, 64], [7, 256, 10]] {
        let a = Tensor::<f32>::randn([m, k], &mut generator).unwrap();
        let b = Tensor::<f32>::randn([k, n], &mut generator).unwrap();
        let exact = a.cast::<f64>().matmul(&b.cast::<f64>()).unwrap().to_vec();
        let sizes = a
            .abs()
            .cast::<f64>()
            .matmul(&b.abs().cast::<f64>())
            .unwrap()
            .to_vec();
        let got = a.matmul(&b).unwrap().to_vec();
        for ((got, exact), size) in got.iter().zip(exact).zip(sizes) {
            // The longest chain of roundings: 256 terms, and the pieces of so many.
            let roundings = 256.0 + k as f64 / 256.0;
            let bound = roundings * f64::from(f32::EPSILON) / 2.0 * size;
            assert!(
                (f64::from(*got) - exact).abs() <= bound,
                "{got} for {exact}"
            );
        }
    }
}

#[test]
fn what_fills_a_tile_up_is_not_in_the_product() {
    let inf = f32::INFINITY;
    let a = Tensor::from([[inf, 1.0f32], [2.0, f32::NAN], [1.0, 1.0]]);
    let b = Tensor::from([[1.0f32, 0.0, -1.0], [0.0, 1.0, 2.0]]);
    let y = a.matmul(&b).unwrap().to_vec();
    assert!(y[0] == inf && y[1].is_nan() && y[2] == -inf, "{y:?}");
    assert!(y[3..6].iter().all(|y| y.is_nan()), "{y:?}");
    assert_eq!(y[6..], [1.0, 1.0, 1.0]);
}
