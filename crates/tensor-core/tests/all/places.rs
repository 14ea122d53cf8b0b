//! Operations that pick, place and border elements, on tensors large enough for several threads and in every layout,
//! against their definitions index by index.

#[allow(dead_code)] // Each program uses its own part.
use crate::common::{layouts, values};
use tensor_core::Tensor;

const SHAPES: [&[usize]; 5] = [
    &[300, 301],
    &[7, 13_000],
    &[30_000, 3],
    &[40, 50, 60],
    &[90_001],
];

/// The row-major position of an index.
fn flat(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |at, (&i, &n)| at * n + i)
}

/// What a tensor of `shape` holds whose element at `index` is `f(index)`.
fn table(shape: &[usize], mut f: impl FnMut(&[usize]) -> f32) -> Vec<f32> {
    let mut index = vec![0; shape.len()];
    let mut all = Vec::new();
    for _ in 0..shape.iter().product() {
        all.push(f(&index));
        for (i, &n) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < n {
                break;
            }
            *i = 0;
        }
    }
    all
}

/// Each tensor, with its layout's name and its elements in row-major order.
fn each(mut f: impl FnMut(&str, &Tensor<f32>, &[f32])) {
    for shape in SHAPES {
        for (layout, x) in layouts(shape, values::<f32>).into_iter().step_by(2) {
            f(&format!("{shape:?} {layout}"), &x, &x.to_vec());
        }
    }
}

/// Indices below `size` in the given shape, out of order and some of them more than once.
fn indices(shape: &[usize], size: usize) -> Tensor<i64> {
    let n: usize = shape.iter().product();
    let some = (0..n).map(|i| ((i * 7 + i / 3) % size) as i64);
    Tensor::from_vec(some.collect(), shape).unwrap()
}

#[test]
fn picked_by_index() {
    each(|what, x, all| {
        let shape = x.shape();
        for d in 0..shape.len() {
            // Smaller than the tensor in the other dimensions, and larger in this one.
            let mut wanted = shape.to_vec();
            wanted.iter_mut().for_each(|n| *n -= *n / 5);
            wanted[d] = shape[d] + 2;
            let index = indices(&wanted, shape[d]);
            let at = index.to_vec();
            let got = x.gather(d as isize, &index).unwrap();
            let want = table(&wanted, |i| {
                let mut i = i.to_vec();
                i[d] = at[flat(&i, &wanted)] as usize;
                all[flat(&i, shape)]
            });
            assert!(got.to_vec() == want, "gather along {d} of {what}");

            let line = indices(&[shape[d] + 3], shape[d]);
            let at = line.to_vec();
            let got = x.index_select(d as isize, &line).unwrap();
            let want = table(got.shape(), |i| {
                let mut i = i.to_vec();
                i[d] = at[i[d]] as usize;
                all[flat(&i, shape)]
            });
            assert!(got.to_vec() == want, "index_select along {d} of {what}");
        }
    });
}

#[test]
fn placed_by_index() {
    each(|what, x, all| {
        let shape = x.shape();
        for d in 0..shape.len() {
            for whole in [true, false] {
                // The whole of the other dimensions, or a part.
                let mut wanted = shape.to_vec();
                if !whole {
                    wanted.iter_mut().for_each(|n| *n -= *n / 5);
                }
                wanted[d] = shape[d] / 2 + 1;
                let index = indices(&wanted, shape[d]);
                let at = index.to_vec();
                let n = wanted.iter().product();
                let src = Tensor::from_vec(values::<f32>(n, 5), &wanted[..]).unwrap();
                let (mut sum, mut last) = (all.to_vec(), all.to_vec());
                table(&wanted, |i| {
                    let from = flat(i, &wanted);
                    let mut i = i.to_vec();
                    i[d] = at[from] as usize;
                    let to = flat(&i, shape);
                    sum[to] += src.buffer()[from];
                    last[to] = src.buffer()[from];
                    0.0
                });
                let got = x.scatter_add(d as isize, &index, &src).unwrap();
                assert!(got.to_vec() == sum, "scatter_add along {d} of {what}");
                let got = x.scatter(d as isize, &index, &src).unwrap();
                assert!(got.to_vec() == last, "scatter along {d} of {what}");
            }
            let mut wanted = shape.to_vec();
            wanted[d] = shape[d] + 3;
            let line = indices(&[wanted[d]], shape[d]);
            let n = wanted.iter().product();
            let src = Tensor::from_vec(values::<f32>(n, 6), &wanted[..]).unwrap();
            let mut sum = all.to_vec();
            table(&wanted, |i| {
                let mut to = i.to_vec();
                to[d] = line.buffer()[i[d]] as usize;
                sum[flat(&to, shape)] += src.buffer()[flat(i, &wanted)];
                0.0
            });
            let got = x.index_add(d as isize, &line, &src).unwrap();
            assert!(got.to_vec() == sum, "index_add along {d} of {what}");
        }
    });
}

#[test]
fn joined_bordered_and_cut() {
    each(|what, x, all| {
        let shape = x.shape();
        for d in 0..shape.len() {
            let part = x.narrow(d as isize, 1, shape[d] - 1).unwrap();
            let got = Tensor::cat(&[x, &part, x], d as isize).unwrap();
            let want = table(got.shape(), |i| {
                let mut i = i.to_vec();
                i[d] = match i[d] {
                    at if at < shape[d] => at,
                    at if at < 2 * shape[d] - 1 => at - shape[d] + 1,
                    at => at - (2 * shape[d] - 1),
                };
                all[flat(&i, shape)]
            });
            assert!(got.to_vec() == want, "cat along {d} of {what}");

            let mut widths = vec![0; 2 * shape.len()];
            let back = 2 * (shape.len() - 1 - d);
            (widths[back], widths[back + 1]) = (2, -1);
            let got = x.pad(&widths, 9.0).unwrap();
            let want = table(got.shape(), |i| {
                let mut i = i.to_vec();
                match i[d].checked_sub(2) {
                    None => 9.0,
                    Some(at) => {
                        i[d] = at;
                        all[flat(&i, shape)]
                    }
                }
            });
            assert!(got.to_vec() == want, "pad of {d} of {what}");
        }
        let found = x.gt(0.5).unwrap().nonzero();
        let mut want = Vec::new();
        table(shape, |i| {
            if all[flat(i, shape)] > 0.5 {
                want.extend(i.iter().map(|&i| i as i64));
            }
            0.0
        });
        assert!(found.to_vec() == want, "nonzero of {what}");
        assert_eq!(found.shape(), [want.len() / shape.len(), shape.len()]);
        let count = x.gt(0.5).unwrap().count_nonzero(..).unwrap();
        assert_eq!(count[()] as usize, want.len() / shape.len(), "{what}");

        let [.., _, _] = *shape else { return };
        let (row, column) = (shape.len() - 2, shape.len() - 1);
        for offset in [-3isize, 0, 2, isize::MIN, isize::MAX] {
            let above = |i: &[usize]| i[column] as i128 - i[row] as i128 - offset as i128;
            let lower = table(shape, |i| {
                if above(i) <= 0 {
                    all[flat(i, shape)]
                } else {
                    0.0
                }
            });
            let upper = table(shape, |i| {
                if above(i) >= 0 {
                    all[flat(i, shape)]
                } else {
                    0.0
                }
            });
            assert!(
                x.tril(offset).unwrap().to_vec() == lower,
                "tril({offset}) of {what}"
            );
            assert!(
                x.triu(offset).unwrap().to_vec() == upper,
                "triu({offset}) of {what}"
            );
        }
    });
}
