//! Reductions, rows and element-by-element functions of tensors.

use benches::{case, close, uniform};
use criterion::Criterion;
use tensor_core::Tensor;

fn sums(c: &mut Criterion) {
    for (n, size) in [(1_000, "1e3"), (100_000, "1e5"), (10_000_000, "1e7")] {
        case(
            c,
            &format!("tensor/sum/{size}"),
            || uniform([n], 0.0, 1.0, 1),
            |x| x.sum(..).expect("all dimensions"),
            |x, y| {
                let sum = x.buffer()[..n].iter().map(|&v| f64::from(v)).sum();
                close(y.buffer()[0], sum, 1e-6);
            },
        );
    }
    for (name, dim, transposed) in [
        ("sum_dim0", 0, false),
        ("sum_dim1", 1, false),
        ("sum_dim0_transposed", 0, true),
        ("sum_dim1_transposed", 1, true),
    ] {
        case(
            c,
            &format!("tensor/{name}/4096x4096"),
            || {
                let x = uniform([4096, 4096], 0.0, 1.0, 1);
                if transposed { x.t() } else { x }
            },
            |x| x.sum(dim).expect("a dimension of two"),
            |x, y| {
                assert_eq!(y.shape(), [4096]);
                for i in [0, 4095] {
                    let line = x.select(1 - dim, i).expect("a line").to_vec();
                    let sum = line.iter().map(|&v| f64::from(v)).sum();
                    close(y.to_vec()[i as usize], sum, 1e-6);
                }
            },
        );
    }
}

/// A case on the rows of a 4096x1000 tensor; `check` is given the second row and its result.
fn row_case<O>(
    c: &mut Criterion,
    name: &str,
    run: impl Fn(&Tensor<f32>) -> tensor_core::Result<O>,
    check: impl Fn(&[f32], &O),
) {
    case(
        c,
        &format!("tensor/{name}/4096x1000"),
        || uniform([4096, 1000], -4.0, 4.0, 1),
        |x| run(x).expect("two dimensions"),
        |x, y| check(&x.buffer()[1000..2000], y),
    );
}

fn largest(row: &[f32]) -> f32 {
    row.iter().fold(f32::NEG_INFINITY, |m, &v| m.max(v))
}

fn logsumexp(row: &[f32]) -> f64 {
    row.iter().map(|&v| f64::from(v).exp()).sum::<f64>().ln()
}

fn rows(c: &mut Criterion) {
    row_case(
        c,
        "max",
        |x| x.max(-1),
        |row, y| assert_eq!(y.buffer()[1], largest(row)),
    );
    row_case(
        c,
        "max_dim",
        |x| x.max_dim(-1).map(|(values, _)| values),
        |row, y| assert_eq!(y.buffer()[1], largest(row)),
    );
    row_case(
        c,
        "argmax",
        |x| x.argmax(-1),
        |row, y| assert_eq!(row[y.buffer()[1] as usize], largest(row)),
    );
    row_case(
        c,
        "logsumexp",
        |x| x.logsumexp(-1),
        |row, y| close(y.buffer()[1], logsumexp(row), 1e-6),
    );
    row_case(
        c,
        "softmax",
        |x| x.softmax(-1),
        |row, y| {
            close(
                y.buffer()[1000],
                (f64::from(row[0]) - logsumexp(row)).exp(),
                1e-5,
            )
        },
    );
    row_case(
        c,
        "log_softmax",
        |x| x.log_softmax(-1),
        |row, y| close(y.buffer()[1000], f64::from(row[0]) - logsumexp(row), 1e-5),
    );
}

/// A name, an operation, and the same in `f64`.
type Elementwise = (
    &'static str,
    fn(&Tensor<f32>) -> Tensor<f32>,
    fn(f64) -> f64,
);

fn elementwise(c: &mut Criterion) {
    let cases: [Elementwise; 4] = [
        ("exp", |x| x.exp(), f64::exp),
        ("tanh", |x| x.tanh(), f64::tanh),
        ("sigmoid", |x| x.sigmoid(), |x| 1.0 / (1.0 + (-x).exp())),
        ("add", |x| x.add(x).expect("one shape"), |x| x + x),
    ];
    for (name, run, exact) in cases {
        case(
            c,
            &format!("tensor/{name}/1e6"),
            || uniform([1_000_000], -4.0, 4.0, 1),
            |x| run(x),
            |x, y| {
                let pairs = x.buffer().iter().zip(y.buffer()).take(1_000_000);
                pairs.for_each(|(&x, &y)| close(y, exact(x.into()), 1e-6));
            },
        );
    }
}

/// Operands whose rows lie across memory.
fn transposed(c: &mut Criterion) {
    for n in [1024, 2048] {
        case(
            c,
            &format!("tensor/add_transposed/{n}x{n}"),
            || uniform([n, n], -4.0, 4.0, 1),
            |x| x.add(x.t()).expect("one shape"),
            |x, y| {
                let (x, y) = (x.buffer(), y.buffer());
                for (i, j) in [(0, 0), (1, n - 1), (n / 2, 3), (n - 1, n - 2)] {
                    let sum = f64::from(x[i * n + j]) + f64::from(x[j * n + i]);
                    close(y[i * n + j], sum, 1e-6);
                }
            },
        );
    }
    case(
        c,
        "tensor/channels_last/8x64x56x56",
        || uniform([8, 64, 56, 56], -4.0, 4.0, 1),
        |x| {
            x.permute([0, 2, 3, 1])
                .expect("four dimensions")
                .contiguous()
        },
        |x, y| {
            let (x, y) = (x.buffer(), y.buffer());
            for (place, channel) in [(0, 0), (1, 63), (3135, 5)] {
                assert_eq!(y[place * 64 + channel], x[channel * 3136 + place]);
            }
        },
    );
}

/// Operands that are broadcast, and classes of pixels.
fn broadcast(c: &mut Criterion) {
    for (rows, columns) in [(1_000, 1_000), (100_000, 10)] {
        let whole = move || uniform([rows, columns], -4.0, 4.0, 1);
        case(
            c,
            &format!("tensor/add_row/{rows}x{columns}"),
            || (whole(), uniform([columns], -4.0, 4.0, 2)),
            |(x, row)| x.add(&*row).expect("rows of one length"),
            |(x, row), y| {
                for (i, j) in [(0, 0), (1, columns - 1), (rows - 1, 3)] {
                    let (x, row) = (x.buffer()[i * columns + j], row.buffer()[j]);
                    close(
                        y.buffer()[i * columns + j],
                        f64::from(x) + f64::from(row),
                        1e-6,
                    );
                }
            },
        );
        case(
            c,
            &format!("tensor/mul_column/{rows}x{columns}"),
            || (whole(), uniform([rows, 1], -4.0, 4.0, 2)),
            |(x, column)| x.mul(&*column).expect("as many rows"),
            |(x, column), y| {
                for (i, j) in [(0, 0), (1, columns - 1), (rows - 1, 3)] {
                    let (x, column) = (x.buffer()[i * columns + j], column.buffer()[i]);
                    let product = f64::from(x) * f64::from(column);
                    close(y.buffer()[i * columns + j], product, 1e-6);
                }
            },
        );
    }
    case(
        c,
        "tensor/softmax_of_pixels/4x21x128x128",
        || uniform([4, 21, 128, 128], -4.0, 4.0, 1),
        |x| x.softmax(1).expect("four dimensions"),
        |x, y| {
            let logits: Vec<f32> = (0..21).map(|c| x.buffer()[c * 128 * 128 + 5]).collect();
            let share = (f64::from(logits[2]) - logsumexp(&logits)).exp();
            close(
                y.select(1, 2).expect("a class").buffer()[2 * 128 * 128 + 5],
                share,
                1e-5,
            );
        },
    );
}

fn main() {
    benches::main(&[sums, rows, elementwise, transposed, broadcast]);
}
