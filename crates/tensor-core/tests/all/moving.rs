//! Elements moved, picked, put and counted, against plain loops, at sizes about the borders of the ways to do so.

use rayon::ThreadPoolBuilder;
use tensor_core::{Element, Error, Interpolation, Tensor};

/// Numbers that do not repeat soon.
fn numbers(shape: &[usize]) -> Tensor<f32> {
    let n: usize = shape.iter().product();
    let values = (0..n).map(|i| ((i * 7_919 + 13) % 10_007) as f32 / 8.0 - 600.0);
    Tensor::from_vec(values.collect(), shape).unwrap()
}

/// Indices below `size`.
fn indices(shape: &[usize], size: usize) -> Tensor<i64> {
    let n: usize = shape.iter().product();
    let values = (0..n).map(|i| ((i * 48_271 + i / 7) % size) as i64);
    Tensor::from_vec(values.collect(), shape).unwrap()
}

/// The same elements within larger memory, and read backwards or transposed.
fn views<T: Element>(x: &Tensor<T>) -> Vec<Tensor<T>> {
    let last = x.ndim() as isize - 1;
    let n = x.shape()[last as usize];
    let wide = Tensor::cat(&[x, x], last).unwrap();
    let backwards = x.flip([0, last]).unwrap().contiguous();
    let columns = x.t().contiguous();
    vec![
        x.clone(),
        wide.narrow(last, 0, n).unwrap(),
        wide.narrow(last, n as isize, n).unwrap(),
        backwards.flip([0, last]).unwrap(),
        columns.t(),
    ]
}

#[test]
fn rows_of_any_width_are_flipped_rolled_bordered_and_joined() {
    for (rows, n) in [
        (3, 1),
        (2_000, 2),
        (1_001, 3),
        (70, 7),
        (900, 8),
        (5_000, 15),
        (300, 16),
        (300, 17),
        (99, 32),
        (99, 33),
        (40, 64),
        (40, 65),
        (3, 30_000),
    ] {
        let x = numbers(&[rows, n]);
        let at = |i: usize, j: usize| x[[i as i64, j as i64]];
        let table = |width: usize, f: &dyn Fn(usize, usize) -> f32| {
            let all = (0..rows * width).map(|k| f(k / width, k % width));
            Tensor::from_vec(all.collect(), [rows, width]).unwrap()
        };
        for (which, v) in views(&x).iter().enumerate() {
            let name = format!("{rows} rows of {n}, view {which}");
            assert_eq!(v.contiguous(), x, "{name}");
            let flipped = v.flip(1).unwrap().contiguous();
            assert_eq!(flipped, table(n, &|i, j| at(i, n - 1 - j)), "{name}");
            let flipped = v.flip(0).unwrap().contiguous();
            assert_eq!(flipped, table(n, &|i, j| at(rows - 1 - i, j)), "{name}");
            for shift in [0, 1, 3, n / 2, n - 1] {
                let rolled = v.roll([shift as i64], [1]).unwrap();
                let expected = table(n, &|i, j| at(i, (j + n - shift % n) % n));
                assert_eq!(rolled, expected, "{name}, {shift}");
            }
            for (left, right) in [(2, 2), (0, 1), (3, 0), (1, -1), (-1, 20)] {
                if left + right + (n as i64) < 0 || n == 1 {
                    continue;
                }
                let padded = v.pad([left, right], 0.5).unwrap();
                let width = (n as i64 + left + right) as usize;
                let expected = table(width, &|i, j| {
                    let from = j as i64 - left;
                    let within = (0..n as i64).contains(&from);
                    if within { at(i, from as usize) } else { 0.5 }
                });
                assert_eq!(padded, expected, "{name}, {left} {right}");
            }
            let repeated = v.repeat([1, 3]).unwrap();
            assert_eq!(repeated, table(3 * n, &|i, j| at(i, j % n)), "{name}");
            for times in [2, 3, 4, 5, 9, 17] {
                let repeated = v.repeat_interleave(times, 1).unwrap();
                assert_eq!(
                    repeated,
                    table(times * n, &|i, j| at(i, j / times)),
                    "{name}"
                );
            }
            let joined = Tensor::cat(&[v, &flipped, v], 1).unwrap();
            let expected = table(3 * n, &|i, j| match j / n {
                1 => at(rows - 1 - i, j % n),
                _ => at(i, j % n),
            });
            assert_eq!(joined, expected, "{name}");
            let steps = v.diff(1, 1).unwrap();
            let expected = table(n - 1, &|i, j| at(i, j + 1) - at(i, j));
            assert_eq!(steps, expected, "{name}");
        }
    }
}

#[test]
fn borders_of_several_dimensions() {
    let (a, b, c) = (5, 40, 30);
    let x = numbers(&[a, b, c]);
    for pad in [
        [1, 2, 0, 0, 0, 0],
        [0, 0, 2, 1, 0, 0],
        [1, 0, 0, 2, 2, 1],
        [-2, 3, 1, -1, 0, 1],
    ] {
        let padded = x.pad(pad, 9.0).unwrap();
        let sizes = [
            a as i64 + pad[4] + pad[5],
            b as i64 + pad[2] + pad[3],
            c as i64 + pad[0] + pad[1],
        ];
        assert_eq!(padded.shape(), sizes.map(|n| n as usize));
        for i in 0..sizes[0] {
            for j in 0..sizes[1] {
                for k in 0..sizes[2] {
                    let from = [i - pad[4], j - pad[2], k - pad[0]];
                    let within = from[0] >= 0
                        && from[0] < a as i64
                        && from[1] >= 0
                        && from[1] < b as i64
                        && from[2] >= 0
                        && from[2] < c as i64;
                    let expected = if within { x[from] } else { 9.0 };
                    assert_eq!(padded[[i, j, k]], expected, "{pad:?} {i} {j} {k}");
                }
            }
        }
    }
    assert_eq!(
        Tensor::from([1.0, 2.0]).pad([1, 2], 0.0).unwrap().to_vec(),
        [0.0, 1.0, 2.0, 0.0, 0.0]
    );
    let nothing = Tensor::<f32>::zeros([3, 0]).unwrap();
    assert_eq!(
        nothing.pad([1, 1], 4.0).unwrap(),
        Tensor::full([3, 2], 4.0).unwrap()
    );
}

/// What `scatter`, `scatter_add` and `index_add` say, element by element in the order of the index.
fn put(
    x: &Tensor<f32>,
    d: usize,
    index: &Tensor<i64>,
    src: &Tensor<f32>,
    add: bool,
) -> Tensor<f32> {
    let mut out = x.contiguous().to_vec();
    let (shape, full) = (index.shape().to_vec(), x.shape().to_vec());
    for (k, &i) in index.to_vec().iter().enumerate() {
        let (mut rest, mut place, mut stride, mut at) = (k, 0, 1, Vec::new());
        for e in (0..shape.len()).rev() {
            let j = rest % shape[e];
            rest /= shape[e];
            at.insert(0, j as i64);
            place += stride * if e == d { i as usize } else { j };
            stride *= full[e];
        }
        let v = src[&at[..]];
        out[place] = if add { out[place] + v } else { v };
    }
    Tensor::from_vec(out, &full[..]).unwrap()
}

#[test]
fn values_are_put_where_the_index_says_in_its_order() {
    let pools = [1, 2, 8].map(|n| ThreadPoolBuilder::new().num_threads(n).build().unwrap());
    // Rows indexed along; blocks few and many; columns in parts; rows too many for parts; an index that is smaller.
    for (shape, d, n, cut) in [
        (vec![300, 100], 1, 90, 0),
        (vec![7, 1], 1, 3, 0),
        (vec![20_000, 3], 1, 4, 0),
        (vec![100, 1_000], 0, 90, 0),
        (vec![100, 1_000], 0, 1, 0),
        (vec![3, 20_000], 0, 5, 0),
        (vec![2, 50, 700], 1, 60, 0),
        (vec![40, 30, 20], 1, 31, 0),
        (vec![3_000, 40], 0, 500, 0),
        (vec![100, 1_000], 0, 90, 1),
        (vec![300, 100], 1, 90, 1),
        (vec![50], 0, 70, 0),
    ] {
        let x = numbers(&shape);
        let mut named = shape.clone();
        named[d] = n;
        named.iter_mut().take(1).for_each(|n| *n -= cut);
        let (index, src) = (
            indices(&named, shape[d]),
            numbers(&named).mul(0.37).unwrap(),
        );
        let dim = d as isize;
        let (placed, added) = (
            put(&x, d, &index, &src, false),
            put(&x, d, &index, &src, true),
        );
        for v in if shape.len() == 2 {
            views(&x)
        } else {
            vec![x.clone()]
        } {
            for pool in &pools {
                pool.install(|| {
                    assert_eq!(
                        v.scatter(dim, &index, &src).unwrap(),
                        placed,
                        "{shape:?} {d}"
                    );
                    assert_eq!(
                        v.scatter_add(dim, &index, &src).unwrap(),
                        added,
                        "{shape:?} {d}"
                    );
                });
            }
        }
        for (wrong, at) in [
            (-1, 0),
            (shape[d] as i64, index.numel() - 1),
            (i64::MIN, index.numel() / 2),
        ] {
            let mut bad = index.contiguous().to_vec();
            bad[at] = wrong;
            let bad = Tensor::from_vec(bad, &named[..]).unwrap();
            for e in [x.scatter(dim, &bad, &src), x.scatter_add(dim, &bad, &src)] {
                let expected = |e: &Error| matches!(e, Error::Index { index, size, .. } if *index == wrong && *size == shape[d]);
                assert!(e.is_err_and(|e| expected(&e)), "{shape:?} {d} {wrong}");
            }
        }
        if cut > 0 {
            continue;
        }
        let list = indices(&[n], shape[d]);
        let spread = x.slice_index("index_add", dim, &list, &named).unwrap();
        let expected = put(&x, d, &spread, &src, true);
        for pool in &pools {
            let found = pool.install(|| x.index_add(dim, &list, &src).unwrap());
            assert_eq!(found, expected, "{shape:?} {d}");
        }
        let picked = x.index_select(dim, &list).unwrap();
        assert_eq!(picked, x.gather(dim, &spread).unwrap(), "{shape:?} {d}");
    }
    // Nothing to put, and nothing to put it into.
    let x = numbers(&[3, 4]);
    let none = Tensor::<i64>::zeros([0]).unwrap();
    assert_eq!(
        x.index_add(0, &none, &Tensor::zeros([0, 4]).unwrap())
            .unwrap(),
        x
    );
    assert_eq!(x.index_select(1, &none).unwrap().shape(), [3, 0]);
    let empty = Tensor::<f32>::zeros([0, 4]).unwrap();
    assert_eq!(
        empty
            .scatter(
                1,
                &Tensor::zeros([0, 2]).unwrap(),
                &Tensor::zeros([0, 2]).unwrap()
            )
            .unwrap(),
        empty
    );
}

#[test]
fn lines_of_any_length() {
    for n in [0usize, 1, 2, 3, 64, 4_095, 4_096, 4_097, 33_000, 100_003] {
        let x = Tensor::<f32>::arange(-3.0, n as f32 * 0.25 - 3.0, 0.25).unwrap();
        let expected: Vec<f32> = (0..n).map(|i| (-3.0 + 0.25 * i as f64) as f32).collect();
        assert_eq!(x.to_vec(), expected, "{n}");
        let x = Tensor::<i64>::arange(7, 7 - 3 * n as i64, -3).unwrap();
        let expected: Vec<i64> = (0..n as i64).map(|i| 7 - 3 * i).collect();
        assert_eq!(x.to_vec(), expected, "{n}");
        for (a, b) in [(0.1, 0.7), (2.0, -1.3), (-1.0, -0.0), (1.0, -0.0)] {
            let x = Tensor::<f64>::linspace(a, b, n).unwrap();
            let width = (b - a) / (n.max(2) - 1) as f64;
            let expected = (0..n).map(|i| {
                if i < n.div_ceil(2) {
                    a + width * i as f64
                } else {
                    b - width * (n - 1 - i) as f64
                }
            });
            let same = x
                .to_vec()
                .iter()
                .zip(expected)
                .all(|(x, e)| x.to_bits() == e.to_bits());
            assert!(same, "{n} from {a} to {b}");
        }
    }
    for (n, m) in [(0, 3), (3, 0), (300, 400), (400, 300), (1, 70_000)] {
        let eye = Tensor::<f32>::eye(n, m).unwrap().to_vec();
        assert!(
            eye.iter()
                .enumerate()
                .all(|(k, &v)| v == f32::from(u8::from(k / m == k % m)))
        );
    }
    let classes = indices(&[900], 100);
    let hot = classes.one_hot::<f32>(100).unwrap();
    let expected: Vec<f32> = (0..90_000)
        .map(|k| f32::from(u8::from(classes[[k as i64 / 100]] == k as i64 % 100)))
        .collect();
    assert_eq!(hot.to_vec(), expected);
}

#[test]
fn counts_places_and_quantiles() {
    for (n, size) in [
        (0, 1),
        (1, 1),
        (5, 3),
        (4_000, 7),
        (100_000, 1),
        (100_000, 1_000),
        (100_003, 2_048),
        (90_000, 5_000),
        (10, 9_000),
    ] {
        let x = indices(&[n], size);
        let mut expected = vec![
            0i64;
            x.to_vec()
                .iter()
                .max()
                .map_or(0, |&m| m as usize + 1)
                .max(3)
        ];
        x.to_vec().iter().for_each(|&i| expected[i as usize] += 1);
        assert_eq!(
            x.bincount(3).unwrap().to_vec(),
            expected,
            "{n} below {size}"
        );
        // The same numbers, also where they lie far from 0 or from each other.
        for (scale, shift) in [(1, 0), (1, -70), (1 << 40, 5), (1, i64::MAX - 10_000)] {
            let moved = x.map(|v| v * scale + shift);
            let unique = moved.unique().unwrap();
            let (values, counts) = (unique.values.to_vec(), unique.counts.to_vec());
            let kept: Vec<(i64, i64)> = (0..)
                .zip(&expected)
                .filter(|(_, c)| **c > 0)
                .map(|(v, &c)| (v * scale + shift, c))
                .collect();
            assert_eq!(values.iter().copied().zip(counts).collect::<Vec<_>>(), kept);
            let back: Vec<i64> = unique
                .inverse
                .to_vec()
                .iter()
                .map(|&i| values[i as usize])
                .collect();
            assert_eq!(back, moved.to_vec());
        }
    }
    let negative = Tensor::from([3, -2, 5]).bincount(0);
    assert!(matches!(negative, Err(Error::Value { .. })));
    let floats = Tensor::from([2.0f32, -0.0, f32::NAN, 0.0, -1.0, f32::NAN, 2.0])
        .unique()
        .unwrap();
    assert_eq!(floats.inverse.to_vec(), [2, 1, 3, 1, 0, 4, 2]);
    assert_eq!(floats.counts.to_vec(), [1, 2, 2, 1, 1]);
    assert_eq!(floats.values.to_vec()[1].to_bits(), (-0.0f32).to_bits());

    for n in [0usize, 1, 2, 3, 7, 8, 100, 1_000] {
        let mut sorted: Vec<f32> = (0..n).map(|i| (i / 3) as f32).collect();
        if n > 5 {
            sorted[n - 1] = f32::NAN;
            sorted[n - 2] = f32::INFINITY;
        }
        let values: Vec<f32> = (-2..2 * n as i32 + 3)
            .map(|i| i as f32 / 4.0)
            .chain([f32::NAN, f32::INFINITY, f32::NEG_INFINITY])
            .collect();
        let table = Tensor::from(&sorted[..]);
        for right in [false, true] {
            let found = table
                .searchsorted(&Tensor::from(&values[..]), right)
                .unwrap();
            let expected = values.iter().map(|v| {
                let before = |x: &&f32| match (x.is_nan(), v.is_nan()) {
                    (true, nan) => nan && right,
                    (false, true) => true,
                    _ => {
                        if right {
                            *x <= v
                        } else {
                            *x < v
                        }
                    }
                };
                sorted.iter().filter(before).count() as i64
            });
            assert_eq!(found.to_vec(), expected.collect::<Vec<_>>(), "{n} {right}");
        }
    }

    let x = numbers(&[40, 101]);
    for q in [0.0f32, 0.3, 0.5, 0.999, 1.0] {
        let found = x.quantile(q, 1, Interpolation::Linear).unwrap().to_vec();
        let doubles = x
            .cast::<f64>()
            .quantile(f64::from(q), 1, Interpolation::Linear)
            .unwrap()
            .to_vec();
        for (i, row) in x.to_vec().chunks(101).enumerate() {
            let mut row = row.to_vec();
            row.sort_by(f32::total_cmp);
            let rank = f64::from(q) * 100.0;
            let (low, high) = (
                f64::from(row[rank.floor() as usize]),
                f64::from(row[rank.ceil() as usize]),
            );
            let expected = low + (rank - rank.floor()) * (high - low);
            assert!((f64::from(found[i]) - expected).abs() < 1e-4, "{q} {i}");
            assert!((doubles[i] - expected).abs() < 1e-10, "{q} {i}");
        }
    }
    let zeros = Tensor::from([-0.0f32, -0.0, -0.0])
        .quantile(0.5f32, .., Interpolation::Lower)
        .unwrap();
    assert!(zeros.item().unwrap().is_sign_negative());
    let nan = Tensor::from([1.0f32, f32::NAN, 2.0])
        .quantile(0.0f32, .., Interpolation::Lower)
        .unwrap();
    assert!(nan.item().unwrap().is_nan());
}

#[test]
fn products_of_vectors_and_gates() {
    for (n, m) in [(0, 3), (3, 0), (1, 1), (5, 17), (300, 400)] {
        let (a, b) = (numbers(&[n]), numbers(&[2 * m]).slice(0, .., 2).unwrap());
        let expected: Vec<f32> = (0..n * m)
            .map(|k| a[[k as i64 / m as i64]] * b[[k as i64 % m as i64]])
            .collect();
        let product = a.outer(&b).unwrap();
        assert_eq!((product.shape(), product.to_vec()), (&[n, m][..], expected));
    }
    let x = numbers(&[300, 400]).mul(0.01).unwrap();
    let expected = x
        .narrow(1, 0, 200)
        .unwrap()
        .mul(x.narrow(1, 200, 200).unwrap().sigmoid())
        .unwrap();
    assert_eq!(x.glu(1).unwrap(), expected);
}

/// One list of places for all columns, or all rows, repeated by a view or written out: the same sums, the same last value,
/// and the same error.
#[test]
fn an_index_repeated_by_a_view() {
    for (m, k) in [(50, 7), (7, 50), (900, 130), (1, 3)] {
        for d in [0usize, 1, 2] {
            let shape = [m, k, 3];
            let n = 2 * shape[d] + 1;
            let mut wide = shape;
            wide[d] = n;
            let value = |i: usize| ((i * 7919) % 1000) as f32 / 8.0;
            let numbers = |shape: [usize; 3]| {
                let data = (0..shape.iter().product()).map(value).collect();
                Tensor::from_vec(data, shape).unwrap()
            };
            let (x, src) = (numbers(shape), numbers(wide));
            let list: Vec<i64> = (0..n).map(|i| (i * i % shape[d]) as i64).collect();
            let mut ones = [1; 3];
            ones[d] = n;
            let seen = |list: Vec<i64>| {
                let list = Tensor::from_vec(list, ones).unwrap();
                list.broadcast_to(wide).unwrap()
            };
            let (index, dim) = (seen(list.clone()), d as isize);
            let written = index.contiguous();
            let sums = x.scatter_add(dim, &index, &src).unwrap();
            assert_eq!(sums, x.scatter_add(dim, &written, &src).unwrap());
            let last = x.scatter(dim, &index, &src).unwrap();
            assert_eq!(last, x.scatter(dim, &written, &src).unwrap());
            let mut outside = list;
            outside[n / 2] = shape[d] as i64;
            let index = seen(outside);
            let error = x.scatter_add(dim, &index, &src).unwrap_err().to_string();
            let expected = x.scatter_add(dim, &index.contiguous(), &src).unwrap_err();
            assert_eq!(error, expected.to_string());
        }
    }
}

/// Zeros of both signs are one value, and each NaN one of its own, as in PyTorch. Places are those of NumPy, where a NaN lies
/// behind all numbers; PyTorch, which compares with one in the sorted vector, finds infinity behind it.
#[test]
fn strange_numbers_are_sorted_and_counted() {
    fn check<T: tensor_core::Float>() {
        let x = |x: &[f64]| Tensor::from(x.iter().map(|&v| T::of(v)).collect::<Vec<T>>());
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let unique = x(&[0.0, -0.0, nan, nan, 1.0, -1.0]).unique().unwrap();
        assert_eq!(unique.values.to_vec()[..3], [-1.0, 0.0, 1.0].map(T::of));
        assert_eq!(unique.counts.to_vec(), [1, 2, 1, 1, 1]);
        assert_eq!(unique.inverse.to_vec(), [1, 1, 3, 4, 2, 0]);
        let sorted = x(&[-inf, 0.0, 1.0, 1.0, inf, nan]);
        let values = x(&[nan, -inf, 1.0, inf, -0.0, 2.0]);
        let places = |right| sorted.searchsorted(&values, right).unwrap().to_vec();
        assert_eq!(places(false), [5, 0, 2, 4, 1, 4]);
        assert_eq!(places(true), [6, 1, 4, 5, 2, 4]);
    }
    check::<f32>();
    check::<f64>();
    // Integers at both ends of their range, whose distance is none of them.
    let ends = Tensor::from([i64::MAX, i64::MIN, i64::MAX, 0])
        .unique()
        .unwrap();
    assert_eq!(ends.values.to_vec(), [i64::MIN, 0, i64::MAX]);
    assert_eq!(ends.inverse.to_vec(), [2, 0, 2, 1]);
    let none = Tensor::from(Vec::<i64>::new());
    assert_eq!(none.unique().unwrap().values.shape(), [0]);
    assert_eq!(none.bincount(3).unwrap().to_vec(), [0, 0, 0]);
    assert_eq!(
        none.searchsorted(&Tensor::from([1i64]), true)
            .unwrap()
            .to_vec(),
        [0]
    );
}
