//! Tensors in every kind of layout.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use tensor_core::{Element, Float, Tensor};

/// Numbers of moderate size with two digits behind the point, so that ties occur.
pub fn values<T: Float>(n: usize, seed: u64) -> Vec<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .map(|_| T::of(f64::from(rng.random_range(-300..300)) / 100.0))
        .collect()
}

/// As [`values`], with zeros of both signs, infinities and NaN among them.
pub fn special<T: Float>(n: usize, seed: u64) -> Vec<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let strange = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e30];
    let mut values = values(n, seed);
    for v in &mut values {
        if rng.random_range(0..8) == 0 {
            *v = T::of(strange[rng.random_range(0..strange.len())]);
        }
    }
    values
}

/// Tensors of `shape` in every kind of layout that it has, their elements made by `data(count, seed)`.
pub fn layouts<T: Element>(
    shape: &[usize],
    data: impl Fn(usize, u64) -> Vec<T>,
) -> Vec<(String, Tensor<T>)> {
    let n = shape.len();
    let make = |shape: &[usize], seed: u64| {
        Tensor::from_vec(data(shape.iter().product(), seed), shape).expect("data fill the shape")
    };
    let mut all = vec![("contiguous", make(shape, 1))];
    // Something lies before and behind the elements.
    let mut longer = vec![3];
    longer.extend_from_slice(shape);
    all.push(("offset", make(&longer, 2).select(0, 1).expect("a view")));
    if n > 0 {
        let dims: Vec<usize> = (0..n).collect();
        let turned: Vec<usize> = shape.iter().rev().copied().collect();
        let backwards: Vec<usize> = (0..n).rev().collect();
        let transposed = make(&turned, 3).permute(&backwards).expect("a view");
        all.push(("transposed", transposed));
        let rolled: Vec<usize> = (0..n).map(|d| shape[(d + 1) % n]).collect();
        let unroll: Vec<usize> = (0..n).map(|d| (d + n - 1) % n).collect();
        let rolled = make(&rolled, 4).permute(&unroll).expect("a view");
        all.push(("rolled", rolled));
        all.push(("reversed", make(shape, 5).flip(&dims).expect("a view")));
        let last = make(shape, 6).flip([-1]).expect("a view");
        all.push(("last reversed", last));
        let doubled: Vec<usize> = shape.iter().map(|n| 2 * n + 1).collect();
        let stepped = dims.iter().fold(make(&doubled, 7), |x, &d| {
            x.slice(d as isize, 1.., 2).expect("a view")
        });
        let mixed = stepped.flip([0]).expect("a view").contiguous();
        all.push(("stepped", stepped));
        all.push(("reversed twice", mixed.flip([0]).expect("a view")));
        let mut padded = shape.to_vec();
        padded[n - 1] += 5;
        let padded = make(&padded, 8).narrow(-1, 2, shape[n - 1]);
        all.push(("rows apart", padded.expect("a view")));
        let ones = make(&vec![1; n], 9);
        all.push(("one element", ones.expand(shape).expect("a view")));
        for d in dims {
            let mut thin = shape.to_vec();
            thin[d] = 1;
            let wide = make(&thin, 10).expand(shape).expect("a view");
            all.push(("broadcast", wide));
            let wide = make(&thin.iter().rev().copied().collect::<Vec<_>>(), 11)
                .permute(&backwards)
                .and_then(|x| x.expand(shape));
            all.push(("transposed broadcast", wide.expect("a view")));
        }
    }
    for (name, x) in &all {
        assert_eq!(x.shape(), shape, "{name}");
    }
    all.into_iter()
        .map(|(name, x)| (format!("{name} {shape:?} strides {:?}", x.strides()), x))
        .collect()
}
