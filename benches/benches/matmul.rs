//! Matrix products. `nt` means that the right operand is the transposed view of a row-major matrix, `tn` the left,
//! `tt` both; `layer` is the product of a layer, `layer_dx` and `layer_dw` those of its backward pass.

use benches::{case, large, uniform};
use criterion::Criterion;
use tensor_core::Tensor;

fn product(c: &mut Criterion, name: &str, [m, k, n]: [usize; 3], (left, right): (bool, bool)) {
    let operand = |rows, columns, transposed, seed| {
        if transposed {
            uniform([columns, rows], -1.0, 1.0, seed).t()
        } else {
            uniform([rows, columns], -1.0, 1.0, seed)
        }
    };
    case(
        c,
        name,
        || (operand(m, k, left, 1), operand(k, n, right, 2)),
        |(a, b)| a.matmul(b).expect("sizes that fit"),
        |(a, b), y| {
            assert_eq!(y.shape(), [m, n]);
            let line = |x: &Tensor<f32>, dim, i: usize| {
                x.select(dim, i as isize).expect("a line").to_vec()
            };
            for (i, j) in [(0, 0), (m / 2, n - 1), (m - 1, n / 2)] {
                let (a, b) = (line(a, 0, i), line(b, 1, j));
                let terms = a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b));
                let (sum, size) = terms.fold((0.0, 0.0), |(s, z), v| (s + v, z + v.abs()));
                let got = y.get([i, j]).expect("an element");
                assert!(
                    (f64::from(got) - sum).abs() < 1e-6 * size,
                    "{got} in place of {sum}"
                );
            }
        },
    );
}

fn squares(c: &mut Criterion) {
    let mut sizes = vec![64, 128, 256, 512, 1024];
    if large() {
        sizes.push(2048);
    }
    for (name, transposed) in [
        ("nn", (false, false)),
        ("nt", (false, true)),
        ("tn", (true, false)),
        ("tt", (true, true)),
    ] {
        for &n in &sizes {
            product(c, &format!("matmul/{name}/{n}"), [n; 3], transposed);
        }
    }
}

fn layer(c: &mut Criterion) {
    // Batch 64, 784 inputs, 128 outputs: y = x w, dx = dy wᵀ, dw = xᵀ dy.
    product(c, "matmul/layer/64x784x128", [64, 784, 128], (false, false));
    product(
        c,
        "matmul/layer_dx/64x784x128",
        [64, 128, 784],
        (false, true),
    );
    product(
        c,
        "matmul/layer_dw/64x784x128",
        [784, 64, 128],
        (true, false),
    );
    // The last layer of a small classifier.
    product(c, "matmul/layer/128x128x10", [128, 128, 10], (false, false));
}

fn main() {
    benches::main(&[squares, layer]);
}
