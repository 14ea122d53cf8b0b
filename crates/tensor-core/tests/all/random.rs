//! Random tensors: one seed, one stream; the right moments; and no value outside its range.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::Exp1;
use tensor_core::{Float, Result, Tensor};

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// The result is the same for the same seed and another one for another, and takes one stream in order.
#[track_caller]
fn reproducible<T: tensor_core::Element>(
    make: impl Fn(usize, &mut ChaCha8Rng) -> Result<Tensor<T>>,
) {
    let draw = |seed: u64| make(100, &mut rng(seed)).unwrap().to_vec();
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    // A second tensor goes on where the first one stopped.
    let mut stream = rng(7);
    let first = make(100, &mut stream).unwrap().to_vec();
    let second = make(100, &mut stream).unwrap().to_vec();
    assert_eq!(first, draw(7));
    assert_ne!(second, first);
}

#[test]
fn a_seed_says_all() {
    reproducible(Tensor::<f32>::randn);
    reproducible(Tensor::<f64>::rand);
    reproducible(|n, r| Tensor::<f32>::normal(n, 3.0, 2.0, r));
    reproducible(|n, r| Tensor::<f32>::uniform(n, -1.0, 1.0, r));
    reproducible(|n, r| Tensor::<f64>::sample(n, &Exp1, r));
    reproducible(|n, r| Tensor::full(n, 0.5f32)?.bernoulli(r));
    reproducible(|n, r| Tensor::randint(-5, 5, n, r));
    reproducible(Tensor::randperm);
    reproducible(|n, r| Tensor::arange(0, n as i64, 1)?.shuffle(r));
    reproducible(|n, r| Tensor::<f32>::ones(2 * n)?.multinomial(n, true, r));
    reproducible(|n, r| Tensor::<f32>::ones(2 * n)?.multinomial(n, false, r));
}

#[test]
fn elements_are_drawn_in_row_major_order() {
    let long = Tensor::<f32>::randn([6], &mut rng(1)).unwrap();
    let square = Tensor::<f32>::randn([2, 3], &mut rng(1)).unwrap();
    assert_eq!(square.to_vec(), long.to_vec());
    let mut stream = rng(1);
    let parts = [2, 4].map(|n| Tensor::<f32>::randn([n], &mut stream).unwrap());
    assert_eq!(Tensor::cat(&[&parts[0], &parts[1]], 0).unwrap(), long);
    // Both types are drawn in double precision.
    let double = Tensor::<f64>::randn([6], &mut rng(1)).unwrap();
    assert_eq!(double.cast::<f32>(), long);
    // The layout of the probabilities has no say in it.
    let p = Tensor::<f64>::rand([5, 7], &mut rng(2)).unwrap();
    let turned = p.t().contiguous().t();
    assert_eq!(
        p.bernoulli(&mut rng(3)).unwrap(),
        turned.bernoulli(&mut rng(3)).unwrap()
    );
}

#[test]
fn first_values_stay_what_they_are() {
    // A change of these values changes every seeded experiment, and belongs into the changelog.
    let mut stream = rng(0);
    let normal = Tensor::<f64>::randn([3], &mut stream).unwrap();
    let uniform = Tensor::<f64>::rand([3], &mut stream).unwrap();
    let single = Tensor::<f32>::rand([3], &mut stream).unwrap();
    let order = Tensor::randperm(8, &mut stream).unwrap();
    let ints = Tensor::randint(0, 100, [4], &mut stream).unwrap();
    assert_eq!(normal.to_vec(), NORMAL);
    assert_eq!(uniform.to_vec(), UNIFORM);
    assert_eq!(single.to_vec(), SINGLE);
    assert_eq!(order.to_vec(), ORDER);
    assert_eq!(ints.to_vec(), INTS);
}

const NORMAL: [f64; 3] = [
    0.6999607946268154,
    -0.14406163542784764,
    0.30288628024558556,
];
const UNIFORM: [f64; 3] = [0.0601711656341718, 0.8791107179586186, 0.5495312687894465];
const SINGLE: [f32; 3] = [0.82898444, 0.9354265, 0.8037816];
const ORDER: [i64; 8] = [2, 6, 3, 4, 5, 0, 1, 7];
const INTS: [i64; 4] = [49, 91, 48, 60];

/// Mean and variance of a sample lie within five deviations of those of its distribution.
#[track_caller]
fn moments<T: Float>(x: &Tensor<T>, mean: f64, variance: f64, fourth: f64) {
    let n = x.numel() as f64;
    let got = x.mean(..).unwrap().item().unwrap().f64();
    assert!(
        (got - mean).abs() < 5.0 * (variance / n).sqrt(),
        "mean {got}, not {mean}"
    );
    let got = x.var(.., 1).unwrap().item().unwrap().f64();
    let error = ((fourth - variance * variance) / n).sqrt();
    assert!(
        (got - variance).abs() < 5.0 * error,
        "variance {got}, not {variance}"
    );
}

fn check_moments<T: Float>() {
    let n = 200_000;
    moments(&Tensor::<T>::randn(n, &mut rng(1)).unwrap(), 0.0, 1.0, 3.0);
    moments(
        &Tensor::<T>::normal(n, -3.0, 0.5, &mut rng(2)).unwrap(),
        -3.0,
        0.25,
        3.0 / 16.0,
    );
    moments(
        &Tensor::<T>::rand(n, &mut rng(3)).unwrap(),
        0.5,
        1.0 / 12.0,
        1.0 / 80.0,
    );
    let wide = Tensor::<T>::uniform(n, -2.0, 4.0, &mut rng(4)).unwrap();
    moments(&wide, 1.0, 3.0, 1296.0 / 80.0);
    for p in [0.0, 0.01, 0.3, 1.0] {
        let ones = Tensor::full(n, T::of(p))
            .unwrap()
            .bernoulli(&mut rng(5))
            .unwrap();
        assert!(ones.to_vec().iter().all(|&v| v == T::ZERO || v == T::ONE));
        let rate = ones.mean(..).unwrap().item().unwrap().f64();
        assert!(
            (rate - p).abs() <= 5.0 * (p * (1.0 - p) / n as f64).sqrt(),
            "{rate}, not {p}"
        );
    }
}

#[test]
fn moments_are_those_of_the_distributions() {
    check_moments::<f32>();
    check_moments::<f64>();
    let ints = Tensor::randint(-3, 4, 70_000, &mut rng(6)).unwrap();
    for value in -3..4 {
        let count = ints.eq(value).unwrap().cast::<i64>().sum(..).unwrap()[()];
        assert!((count - 10_000).abs() < 500, "{value}: {count}");
    }
    let exponential = Tensor::<f64>::sample(200_000, &Exp1, &mut rng(7)).unwrap();
    moments(&exponential, 1.0, 1.0, 9.0);
}

/// The largest and the smallest number that a generator can draw, in turn.
struct Extremes(bool);

impl rand::rand_core::TryRng for Extremes {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> std::result::Result<u32, Self::Error> {
        self.try_next_u64().map(|n| n as u32)
    }
    fn try_next_u64(&mut self) -> std::result::Result<u64, Self::Error> {
        self.0 = !self.0;
        Ok(if self.0 { u64::MAX } else { 0 })
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Self::Error> {
        bytes.fill(if self.0 { 0xff } else { 0 });
        Ok(())
    }
}

fn check_ends<T: Float>() {
    let mut extremes = Extremes(false);
    let unit = Tensor::<T>::rand([2], &mut extremes).unwrap().to_vec();
    assert!(unit[0] < T::ONE && unit[0] > T::of(0.999_999) && unit[1] == T::ZERO);
    for (low, high) in [
        (1.0, 2.0),
        (-1.0, 3.0),
        (1e6, 1e6 + 1.0),
        (0.0, 1e-40),
        (-3.0, -1.0),
    ] {
        let x = Tensor::<T>::uniform([200], low, high, &mut extremes).unwrap();
        for v in x.to_vec() {
            assert!((low..high).contains(&v.f64()), "{v} in {low}..{high}");
        }
    }
    let point = Tensor::<T>::uniform([3], 1.5, 1.5, &mut extremes).unwrap();
    assert_eq!(point.to_vec(), [T::of(1.5); 3]);
    let certain = Tensor::from([T::ONE, T::ZERO, T::ONE, T::ZERO]);
    assert_eq!(certain.bernoulli(&mut extremes).unwrap(), certain);
    let zero = Tensor::<T>::normal([3], 2.5, 0.0, &mut rng(1)).unwrap();
    assert_eq!(zero.to_vec(), [T::of(2.5); 3]);
}

#[test]
fn intervals_do_not_hold_their_upper_end() {
    check_ends::<f32>();
    check_ends::<f64>();
    let ints = Tensor::randint(i64::MIN, i64::MAX, [1000], &mut rng(1)).unwrap();
    assert!(ints.to_vec().iter().all(|&v| v < i64::MAX));
    assert_eq!(
        Tensor::randint(5, 6, [3], &mut rng(1)).unwrap().to_vec(),
        [5; 3]
    );
}

#[test]
fn a_permutation_holds_each_number_once() {
    for n in [0, 1, 2, 17, 1000] {
        let mut order = Tensor::randperm(n, &mut rng(n as u64)).unwrap().to_vec();
        assert!(n < 17 || !order.is_sorted());
        order.sort_unstable();
        assert_eq!(order, Vec::from_iter(0..n as i64));
    }
    // Each of the six orders of three is as likely.
    let mut stream = rng(4);
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..6000 {
        *counts
            .entry(Tensor::randperm(3, &mut stream).unwrap().to_vec())
            .or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(
        counts.values().all(|c| (850..1150).contains(c)),
        "{counts:?}"
    );
}

#[test]
fn a_shuffle_moves_whole_rows() {
    let x = Tensor::arange(0, 60, 1).unwrap().reshape([20, 3]).unwrap();
    let shuffled = x.shuffle(&mut rng(1)).unwrap();
    assert_ne!(shuffled, x);
    let mut rows: Vec<Vec<i64>> = shuffled.to_vec().chunks(3).map(<[i64]>::to_vec).collect();
    rows.sort();
    assert_eq!(rows.concat(), x.to_vec());
}

#[test]
fn generators_behind_a_reference_serve() {
    let mut own = rng(9);
    let shared: &mut dyn Rng = &mut own;
    let x = Tensor::<f32>::rand([2], shared).unwrap();
    assert_eq!(x, Tensor::<f32>::rand([2], &mut rng(9)).unwrap());
    assert!(own.random::<f64>() < 1.0);
}

#[test]
fn draws_by_weight_are_as_frequent_as_their_weights() {
    let weights = Tensor::from([[1.0f32, 0.0, 3.0, 4.0], [0.5, 0.5, 0.0, 0.0]]);
    let n = 40_000;
    let drawn = weights.multinomial(n, true, &mut rng(8)).unwrap();
    assert_eq!(drawn.shape(), [2, n]);
    for (row, parts) in [[0.125, 0.0, 0.375, 0.5], [0.5, 0.5, 0.0, 0.0]]
        .iter()
        .enumerate()
    {
        let counts = drawn.select(0, row as isize).unwrap().bincount(4).unwrap();
        for (count, p) in counts.to_vec().into_iter().zip(parts) {
            let error = 5.0 * (p * (1.0 - p) * n as f64).sqrt();
            assert!(
                (count as f64 - p * n as f64).abs() <= error,
                "{count} of {p}"
            );
        }
    }
    // Without replacement: the first place is drawn by weight, and the second by what is left.
    let weights = Tensor::from([1.0, 2.0, 1.0]).broadcast_to([n, 3]).unwrap();
    let drawn = weights.multinomial(2, false, &mut rng(9)).unwrap();
    let (first, second) = (drawn.select(1, 0).unwrap(), drawn.select(1, 1).unwrap());
    assert!(first.ne(&second).unwrap().all(..).unwrap()[()]);
    let both = (first * 3 + second).bincount(9).unwrap().to_vec();
    let pair = |a: f64, b: f64| a / 4.0 * b / (4.0 - a);
    let expected = [
        0.0,
        pair(1., 2.),
        pair(1., 1.),
        pair(2., 1.),
        0.0,
        pair(2., 1.),
        pair(1., 1.),
        pair(1., 2.),
        0.0,
    ];
    for (count, p) in both.into_iter().zip(expected) {
        let error = 5.0 * (p * (1.0 - p) * n as f64).sqrt();
        assert!(
            (count as f64 - p * n as f64).abs() <= error,
            "{count} of {p}"
        );
    }
}

#[test]
fn draws_by_weight_take_what_there_is() {
    let weights = Tensor::from([0.0, 2.0, 0.0, 1e-300]);
    let all = weights.multinomial(2, false, &mut rng(1)).unwrap().to_vec();
    assert_eq!(all.iter().sum::<i64>(), 4);
    // The largest number of a generator does not lead behind the last weight.
    let ends = Tensor::from([1.0, 1.0, 0.0]);
    let drawn = ends.multinomial(2, true, &mut Extremes(false)).unwrap();
    assert_eq!(drawn.to_vec(), [1, 0]);
    let none = Tensor::<f64>::zeros([0, 3]).unwrap();
    assert_eq!(
        none.multinomial(2, true, &mut rng(1)).unwrap().shape(),
        [0, 2]
    );
    assert_eq!(
        weights.multinomial(0, false, &mut rng(1)).unwrap().shape(),
        [0]
    );
    let fails = |w: Tensor<f64>, n, replacement| {
        w.multinomial(n, replacement, &mut rng(1))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        fails(Tensor::from([1.0, -1.0]), 1, true),
        "multinomial: weight[1] is -1, but a weight is finite and not negative"
    );
    assert_eq!(
        fails(Tensor::from([f64::INFINITY]), 1, true),
        "multinomial: weight[0] is inf, but a weight is finite and not negative"
    );
    let few = "multinomial: num_samples is 3, but each row needs a weight above 0, and as many as samples without \
               replacement";
    assert_eq!(fails(weights, 3, false), few);
    assert_eq!(
        fails(Tensor::scalar(1.0), 1, true),
        "multinomial: the weights has shape [], but they must be a vector or a matrix"
    );
}
