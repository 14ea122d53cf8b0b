//! Results have the same bits on any number of threads, and sums over very many elements keep their accuracy.

mod common;

use common::{layouts, special, values};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tensor_core::{Element, Error, Float, Layout, Print, Tensor, keepdim};

fn pools() -> Vec<ThreadPool> {
    [1, 2, 3, 8]
        .map(|n| ThreadPoolBuilder::new().num_threads(n).build().unwrap())
        .into()
}

/// The bits of a result; those of NaN as well.
fn bits<T: Float>(x: &Tensor<T>) -> (Vec<usize>, Vec<u64>) {
    let bits = x.to_vec().iter().map(|v| v.f64().to_bits()).collect();
    (x.shape().to_vec(), bits)
}

#[track_caller]
fn same_on_all<T: Float>(pools: &[ThreadPool], what: &str, f: impl Fn() -> Tensor<T> + Sync) {
    let first = bits(&pools[0].install(&f));
    for pool in &pools[1..] {
        let n = pool.current_num_threads();
        assert!(bits(&pool.install(&f)) == first, "{what} on {n} threads");
    }
}

/// Over every `step`-th layout.
fn check<T: Float>(step: usize) {
    let pools = pools();
    let sizes: [&[usize]; 6] = [
        &[100_003],
        &[1, 70_000],
        &[300, 301],
        &[70_000, 3],
        &[7, 13_000],
        &[40, 50, 60],
    ];
    for shape in sizes {
        for (layout, x) in layouts(shape, values::<T>).into_iter().step_by(step) {
            let run = |what: &str, f: &(dyn Fn() -> Tensor<T> + Sync)| {
                same_on_all(&pools, &format!("{what} of {layout}"), f);
            };
            run("sum", &|| x.sum(..).unwrap());
            run("mean", &|| x.mean(..).unwrap());
            run("var", &|| x.var(.., 1).unwrap());
            for d in 0..x.ndim() {
                run("sum along", &|| x.sum(keepdim(d)).unwrap());
                run("mean along", &|| x.mean(d).unwrap());
                run("softmax", &|| x.softmax(d as isize).unwrap());
                run("logsumexp", &|| x.logsumexp(d).unwrap());
                run("cumsum", &|| x.cumsum(d as isize).unwrap());
            }
            run("exp", &|| x.exp());
            run("product", &|| x.mul(&x).unwrap());
        }
    }
}

#[test]
fn reductions_have_the_same_bits_on_any_number_of_threads() {
    check::<f32>(1);
    check::<f64>(3);
}

#[test]
fn products_have_the_same_bits_on_any_number_of_threads() {
    let pools = pools();
    for (m, k, n) in [
        (64, 64, 64),
        (65, 130, 67),
        (300, 40, 33),
        (257, 600, 30),
        (5, 300, 700),
        (1, 1000, 1000),
        (1000, 1000, 1),
        (16, 300, 65),
    ] {
        for (left, a) in layouts(&[m, k], values::<f32>) {
            for (right, b) in layouts(&[k, n], values::<f32>).into_iter().step_by(3) {
                let what = format!("{left} times {right}");
                same_on_all(&pools, &what, || a.matmul(&b).unwrap());
            }
            let b = Tensor::from_vec(values::<f64>(k * n, 77), [k, n]).unwrap();
            let a = a.cast::<f64>();
            same_on_all(&pools, &left, || a.matmul(&b).unwrap());
        }
    }
}

#[test]
fn batches_of_products_have_the_same_bits_on_any_number_of_threads() {
    let pools = pools();
    // Shared out whole, and those that each are shared.
    for (batch, m, k, n) in [(300, 20, 30, 10), (5, 1, 70, 9), (3, 90, 80, 100)] {
        let a = Tensor::from_vec(values::<f32>(batch * m * k, 5), [batch, m, k]).unwrap();
        let b = Tensor::from_vec(values::<f32>(batch * k * n, 6), [batch, k, n]).unwrap();
        same_on_all(&pools, "a batch", || a.matmul(&b).unwrap());
        let c = a.matmul(&b).unwrap();
        for i in 0..batch as isize {
            let alone = a.select(0, i).unwrap().matmul(&b.select(0, i).unwrap());
            assert_eq!(bits(&c.select(0, i).unwrap()), bits(&alone.unwrap()), "{i}");
        }
    }
}

/// Classes of pixels, so many of these that a plane is several strips and chunks begin within one: the same bits on any number
/// of threads, and as rows.
#[test]
fn classes_of_pixels_have_the_same_bits_on_any_number_of_threads() {
    let pools = pools();
    for classes in [2usize, 10, 21] {
        let n = 3 * classes * 4_321;
        let x: Vec<f32> = (0..n)
            .map(|i| (i * 7_919 % 10_007) as f32 / 1_000.0)
            .collect();
        let x = Tensor::from_vec(x, [3, classes, 4_321]).unwrap();
        let rows = x.transpose(1, 2).unwrap().contiguous();
        type Op = fn(&Tensor<f32>, isize) -> Tensor<f32>;
        let ops: [(&str, Op); 4] = [
            ("softmax", |x, d| x.softmax(d).unwrap()),
            ("log_softmax", |x, d| x.log_softmax(d).unwrap()),
            ("logsumexp", |x, d| x.logsumexp(keepdim(d)).unwrap()),
            ("argmax", |x, d| {
                x.argmax(d).unwrap().unsqueeze(d).unwrap().cast()
            }),
        ];
        for (name, op) in ops {
            let what = format!("{name} of {classes} classes");
            same_on_all(&pools, &what, || op(&x, 1));
            let lain = op(&rows, 2).transpose(1, 2).unwrap();
            assert_eq!(bits(&op(&x, 1)), bits(&lain), "{what}");
        }
    }
}

/// Long rows of which each piece is shared out by itself, in order and transposed, and a tensor of one number.
#[test]
fn long_pieces_are_joined_by_all_threads() {
    let n = 300usize;
    let x: Vec<f32> = (0..n * n).map(|i| i as f32).collect();
    let x = Tensor::from_vec(x, [n, n]).unwrap();
    let all = Tensor::cat(&[&x, &x.t(), &x], 0).unwrap();
    let stacked = Tensor::stack(&[&x.t(), &x], 0).unwrap();
    let twos = Tensor::full([n, n], 2.0f32).unwrap();
    for i in 0..n {
        for j in 0..n {
            let (own, turned) = ((i * n + j) as f32, (j * n + i) as f32);
            assert_eq!(all[[i, j]], own);
            assert_eq!(all[[n + i, j]], turned);
            assert_eq!(all[[2 * n + i, j]], own);
            assert_eq!([stacked[[0, i, j]], stacked[[1, i, j]]], [turned, own]);
            assert_eq!(twos[[i, j]], 2.0);
        }
    }
}

#[test]
fn strange_numbers_spread_alike_on_any_number_of_threads() {
    let pools = pools();
    for (layout, x) in layouts(&[300, 301], special::<f32>) {
        same_on_all(&pools, &layout, || x.max(0).unwrap());
        same_on_all(&pools, &layout, || x.min(..).unwrap());
        same_on_all(&pools, &layout, || {
            x.softmax(0).unwrap().isnan().cast::<f32>()
        });
    }
}

#[test]
fn the_mean_of_ten_million_tenths_is_a_tenth() {
    let n = 10_000_000;
    let tenths = Tensor::full([n], 0.1f32).unwrap();
    let square = tenths.reshape([1000, 10_000]).unwrap();
    let twice = Tensor::full([2 * n], 0.1f32).unwrap();
    let views = [
        tenths.clone(),
        square.t(),
        twice.slice(0, .., 2).unwrap(),
        tenths.flip([0]).unwrap(),
        Tensor::scalar(0.1f32).expand([n]).unwrap(),
    ];
    for x in views {
        let mean = x.mean(..).unwrap().item().unwrap();
        assert!(mean.ulps(0.1) <= 1, "{mean} in strides {:?}", x.strides());
    }
    let columns = square.mean(0).unwrap();
    let rows = square.mean(1).unwrap();
    for mean in [columns.to_vec(), rows.to_vec()].concat() {
        assert!(mean.ulps(0.1) <= 1, "{mean}");
    }
}

#[test]
fn threads_may_share_and_change_their_tensors() {
    let x = Tensor::arange(0, 10_000, 1).unwrap();
    let sums: Vec<i64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|i| {
                let mut own = x.clone();
                scope.spawn(move || {
                    own.set([0], i).unwrap();
                    own.as_mut_slice()[1] = 2 * i;
                    own.sum(..).unwrap().item().unwrap()
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    let total = x.sum(..).unwrap().item().unwrap();
    assert_eq!(total, 49_995_000);
    assert_eq!(sums, Vec::from_iter((0..8).map(|i| total + 3 * i - 1)));
}

/// Compiles only if `T` can be sent to and shared among threads.
const fn send_and_sync<T: Send + Sync>() {}

const _: () = {
    send_and_sync::<Tensor<f32>>();
    send_and_sync::<Tensor<f64>>();
    send_and_sync::<Tensor<i64>>();
    send_and_sync::<Tensor<bool>>();
    send_and_sync::<Error>();
    send_and_sync::<Layout>();
    send_and_sync::<Print>();
    const fn any_element<T: Element>() {
        send_and_sync::<Tensor<T>>();
    }
    any_element::<f32>();
};

/// So many rows and columns that both are cut, and some are left over; whole numbers, whose sums are exact.
#[test]
fn columns_in_several_blocks_of_several_parts() {
    let at = |i: usize, j: usize| ((i * 7 + j * 13 + i * j) % 11) as f32 - 5.0;
    for [m, n] in [[1031, 1100], [514, 2083]] {
        let data = (0..m * n).map(|k| at(k / n, k % n)).collect();
        let x = Tensor::from_vec(data, [m, n]).unwrap();
        let column = |j: usize| (0..m).map(move |i| at(i, j));
        let sums: Vec<f32> = (0..n).map(|j| column(j).sum()).collect();
        let largest: Vec<f32> = (0..n).map(|j| column(j).fold(-9.0, f32::max)).collect();
        let first = |j: usize, v: f32| column(j).position(|x| x == v).unwrap() as i64;
        let places: Vec<i64> = (0..n).map(|j| first(j, largest[j])).collect();
        let least = |j: usize| first(j, column(j).fold(9.0, f32::min));
        let lowest: Vec<i64> = (0..n).map(least).collect();
        let backwards = x.flip([0]).unwrap().contiguous().flip([0]).unwrap();
        let cut = Tensor::cat(&[&x, &x], 1).unwrap().narrow(1, n as isize, n);
        for x in [x, backwards, cut.unwrap()] {
            for pool in pools() {
                pool.install(|| {
                    assert_eq!(x.sum(0).unwrap().to_vec(), sums);
                    assert_eq!(x.max(0).unwrap().to_vec(), largest);
                    assert_eq!(x.argmax(0).unwrap().to_vec(), places);
                    assert_eq!(x.argmin(0).unwrap().to_vec(), lowest);
                });
            }
        }
    }
}
