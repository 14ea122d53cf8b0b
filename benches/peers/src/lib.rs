//! The cases of `benches/` for other libraries: the same names and inputs, and checks of the results.
//!
//! `src/bin/` has a program for each library, which takes `[--seconds S] [PATTERN...]` as `scripts/bench/pytorch.py`
//! does and prints one JSON object: under `cases` a case's name and the nanoseconds of each of its samples. The
//! libraries run on the threads of `RAYON_NUM_THREADS`.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many times `tape/op/1` and `tape/chain/1000` do their operation.
pub const COUNT: u32 = 1000;

/// What the command line asked for, and what was measured.
pub struct Bench {
    patterns: Vec<String>,
    seconds: f64,
    cases: serde_json::Map<String, serde_json::Value>,
}

/// The inputs of a loss, their `shape`, and the value and the gradient that it must have.
pub struct Loss {
    pub x: Vec<f32>,
    /// Classes as whole numbers, or targets of the shape of `x`.
    pub t: Vec<f32>,
    pub shape: [usize; 2],
    value: f64,
    gradient: Vec<f64>,
}

/// A perceptron with layers of `sizes`, one batch for it, and an optimizer.
pub struct Training {
    pub sizes: &'static [usize],
    pub batch: usize,
    pub adam: bool,
    pub x: Vec<f32>,
    pub t: Vec<f32>,
}

impl Bench {
    /// As the command line says.
    pub fn from_args() -> Self {
        let (mut patterns, mut seconds) = (Vec::new(), 1.0);
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            if arg == "--seconds" {
                let value = args.next().and_then(|s| s.parse().ok());
                seconds = value.expect("a number after --seconds");
            } else {
                patterns.push(arg);
            }
        }
        Bench {
            patterns,
            seconds,
            cases: serde_json::Map::new(),
        }
    }

    /// Prints what was measured of the library `name`.
    pub fn finish(self, name: &str) {
        println!(
            "{}",
            serde_json::json!({ "library": name, "cases": self.cases })
        );
    }

    fn wanted(&self, name: &str) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|p| name.contains(p.as_str()))
    }

    /// A case that does something `count` times: `make` makes what is timed, a result's drop included, from the input,
    /// and `check` panics unless the first result is right.
    fn case<I, O, R: FnMut() -> O>(
        &mut self,
        name: &str,
        count: u32,
        input: impl FnOnce() -> I,
        make: impl FnOnce(&I) -> R,
        check: impl FnOnce(&I, &mut R),
    ) {
        if !self.wanted(name) {
            return;
        }
        eprintln!("{name}");
        let input = input();
        let mut run = make(&input);
        check(&input, &mut run);
        drop(input);
        let samples = measure(&mut run, self.seconds, count);
        self.cases.insert(name.into(), samples.into());
    }

    /// `losses/cross_entropy/NxK`: `make` gives the value and the gradient of `x`, `read` makes numbers of them.
    pub fn cross_entropy<O, R: FnMut() -> O>(
        &mut self,
        [n, k]: [usize; 2],
        make: impl FnOnce(&Loss) -> R,
        read: impl Fn(O) -> (f32, Vec<f32>),
    ) {
        let input = || Loss::cross_entropy(n, k);
        self.loss(&format!("losses/cross_entropy/{n}x{k}"), input, make, read);
    }

    /// `losses/bce_with_logits/1e6`, with targets of 0 and 1 alone where `hard`.
    pub fn bce_with_logits<O, R: FnMut() -> O>(
        &mut self,
        hard: bool,
        make: impl FnOnce(&Loss) -> R,
        read: impl Fn(O) -> (f32, Vec<f32>),
    ) {
        let target = move |t: f32| if hard { t.round() } else { t };
        let cost = |x: f64, t: f64| x.max(0.0) - x * t + (-x.abs()).exp().ln_1p();
        let slope = |x: f64, t: f64| 1.0 / (1.0 + (-x).exp()) - t;
        let input = || Loss::pointwise(4.0, target, cost, slope);
        self.loss("losses/bce_with_logits/1e6", input, make, read);
    }

    /// `losses/mse/1e6`.
    pub fn mse<O, R: FnMut() -> O>(
        &mut self,
        make: impl FnOnce(&Loss) -> R,
        read: impl Fn(O) -> (f32, Vec<f32>),
    ) {
        let cost = |x: f64, t: f64| (x - t) * (x - t);
        let slope = |x: f64, t: f64| 2.0 * (x - t);
        let input = || Loss::pointwise(1.0, |t| t, cost, slope);
        self.loss("losses/mse/1e6", input, make, read);
    }

    fn loss<O, R: FnMut() -> O>(
        &mut self,
        name: &str,
        input: impl FnOnce() -> Loss,
        make: impl FnOnce(&Loss) -> R,
        read: impl Fn(O) -> (f32, Vec<f32>),
    ) {
        self.case(name, 1, input, make, |loss, run| {
            let (value, gradient) = read(run());
            close(value, loss.value, 1e-4 * loss.value);
            let size = loss.gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
            all_close(&gradient, loss.gradient.iter().copied(), |_| 1e-4 * size);
        });
    }

    /// `matmul/nn/N`, of two matrices of N rows and columns.
    pub fn matmul<O, R: FnMut() -> O>(
        &mut self,
        n: usize,
        make: impl FnOnce(&[Vec<f32>; 2]) -> R,
        read: impl Fn(O) -> Vec<f32>,
    ) {
        let input = || [1, 2].map(|seed| uniform(n * n, -1.0, 1.0, seed));
        self.case(&format!("matmul/nn/{n}"), 1, input, make, |[a, b], run| {
            let y = read(run());
            assert_eq!(y.len(), n * n);
            for (i, j) in [(0, 0), (n / 2, n - 1), (n - 1, n / 2)] {
                let term = |k: usize| f64::from(a[i * n + k]) * f64::from(b[k * n + j]);
                let size: f64 = (0..n).map(|k| term(k).abs()).sum();
                close(y[i * n + j], (0..n).map(term).sum(), 1e-6 * size);
            }
        });
    }

    /// `tensor/sum/1e5`.
    pub fn sum<O, R: FnMut() -> O>(
        &mut self,
        make: impl FnOnce(&[f32]) -> R,
        read: impl Fn(O) -> Vec<f32>,
    ) {
        let input = || uniform(100_000, 0.0, 1.0, 1);
        let sum = |x: &[f32]| vec![x.iter().map(|&v| f64::from(v)).sum()];
        self.map("tensor/sum/1e5", input, make, read, sum);
    }

    /// `tensor/exp/1e6`.
    pub fn exp<O, R: FnMut() -> O>(
        &mut self,
        make: impl FnOnce(&[f32]) -> R,
        read: impl Fn(O) -> Vec<f32>,
    ) {
        let input = || uniform(1_000_000, -4.0, 4.0, 1);
        let exp = |x: &[f32]| x.iter().map(|&v| f64::from(v).exp()).collect();
        self.map("tensor/exp/1e6", input, make, read, exp);
    }

    /// `tensor/softmax/4096x1000`, over rows.
    pub fn softmax<O, R: FnMut() -> O>(
        &mut self,
        make: impl FnOnce(&[f32]) -> R,
        read: impl Fn(O) -> Vec<f32>,
    ) {
        let input = || uniform(4096 * 1000, -4.0, 4.0, 1);
        let softmax = |x: &[f32]| x.chunks_exact(1000).flat_map(softmax).collect();
        self.map("tensor/softmax/4096x1000", input, make, read, softmax);
    }

    fn map<O, R: FnMut() -> O>(
        &mut self,
        name: &str,
        input: impl FnOnce() -> Vec<f32>,
        make: impl FnOnce(&[f32]) -> R,
        read: impl Fn(O) -> Vec<f32>,
        exact: impl Fn(&[f32]) -> Vec<f64>,
    ) {
        self.case(
            name,
            1,
            input,
            |x| make(x),
            |x, run| all_close(&read(run()), exact(x).into_iter(), |y| 1e-5 * y),
        );
    }

    /// `tape/op/1`: squares a tracked 1.5 [`COUNT`] times, one result of which `read` makes a number of.
    pub fn op<O, R: FnMut() -> O>(&mut self, make: impl FnOnce(f32) -> R, read: impl Fn(O) -> f32) {
        self.case(
            "tape/op/1",
            COUNT,
            || 1.5,
            |&x| make(x),
            |_, run| close(read(run()), 2.25, 0.0),
        );
    }

    /// `tape/chain/1000`: the `tanh` of 0.5 and its slope, [`COUNT`] times one on the other.
    pub fn chain<O, R: FnMut() -> O>(
        &mut self,
        make: impl FnOnce(f32) -> R,
        read: impl Fn(O) -> (f32, f32),
    ) {
        let check = |x: &f32, run: &mut R| {
            let (mut y, mut slope) = (f64::from(*x), 1.0);
            for _ in 0..COUNT {
                y = y.tanh();
                slope *= 1.0 - y * y;
            }
            let (value, gradient) = read(run());
            close(value, y, 1e-3 * y);
            close(gradient, slope, 1e-2 * slope);
        };
        self.case("tape/chain/1000", COUNT, || 0.5, |&x| make(x), check);
    }

    /// `training/*`: `make` gives what does one whole step and returns its loss.
    pub fn training<R: FnMut() -> f32>(&mut self, make: impl Fn(&Training) -> R) {
        let cases: [(_, &[usize], _, _); 4] = [
            ("2-16-16-2_sgd", &[2, 16, 16, 2], 32, false),
            ("64-64-10_sgd", &[64, 64, 10], 64, false),
            ("64-64-10_adam", &[64, 64, 10], 64, true),
            ("784-512-512-10_adam", &[784, 512, 512, 10], 128, true),
        ];
        for (name, sizes, batch, adam) in cases {
            let classes = sizes[sizes.len() - 1];
            let input = || Training {
                sizes,
                batch,
                adam,
                x: uniform(batch * sizes[0], -1.0, 1.0, 1),
                t: self::classes(batch, classes, 2),
            };
            let check = |_: &Training, run: &mut R| {
                // Small weights know nothing of the classes yet; steps must lead down.
                let first = run();
                close(first, (classes as f64).ln(), 0.3);
                let last = (0..100).fold(first, |_, _| run());
                // How fast depends on weights that are drawn anew each time.
                assert!(last < first - 1e-3, "the loss went from {first} to {last}");
            };
            self.case(&format!("training/{name}"), 1, input, &make, check);
        }
    }
}

impl Loss {
    fn cross_entropy(n: usize, k: usize) -> Self {
        let (x, t) = (uniform(n * k, -4.0, 4.0, 1), classes(n, k, 2));
        let (mut value, mut gradient) = (0.0, Vec::with_capacity(n * k));
        for (row, &t) in x.chunks_exact(k).zip(&t) {
            let start = gradient.len() + t as usize;
            gradient.extend(softmax(row).iter().map(|p| p / n as f64));
            value -= (gradient[start] * n as f64).ln() / n as f64;
            gradient[start] -= 1.0 / n as f64;
        }
        Loss {
            x,
            t,
            shape: [n, k],
            value,
            gradient,
        }
    }

    /// The mean of `cost` over 1e6 elements between `-bound` and `bound`.
    fn pointwise(
        bound: f32,
        target: impl Fn(f32) -> f32,
        cost: impl Fn(f64, f64) -> f64,
        slope: impl Fn(f64, f64) -> f64,
    ) -> Self {
        let n = 1_000_000;
        let x = uniform(n, -bound, bound, 1);
        let t: Vec<f32> = uniform(n, 0.0, 1.0, 2).into_iter().map(target).collect();
        let pairs = || x.iter().zip(&t).map(|(&x, &t)| (x.into(), t.into()));
        let value = pairs().map(|(x, t)| cost(x, t)).sum::<f64>() / n as f64;
        let gradient = pairs().map(|(x, t)| slope(x, t) / n as f64).collect();
        Loss {
            x,
            t,
            shape: [1, n],
            value,
            gradient,
        }
    }
}

/// Nanoseconds of each of at least 5 samples, short runs grouped so that the clock can tell them.
fn measure<O>(run: &mut impl FnMut() -> O, seconds: f64, count: u32) -> Vec<f64> {
    let mut time = |group: u32| {
        let start = Instant::now();
        for _ in 0..group {
            black_box(run());
        }
        start.elapsed().as_nanos() as f64 / f64::from(group)
    };
    let group = (200_000.0 / time(1).max(1.0)).max(1.0) as u32;
    let warm = Instant::now();
    while warm.elapsed() < Duration::from_secs_f64(0.3 * seconds) {
        time(1);
    }
    let (mut samples, start) = (Vec::new(), Instant::now());
    while samples.len() < 5 || start.elapsed() < Duration::from_secs_f64(seconds) {
        samples.push(time(group) / f64::from(count));
    }
    samples
}

/// `count` numbers spread evenly over `low..high`, those of `benches::uniform`.
pub fn uniform(count: usize, low: f32, high: f32, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || low + (high - low) * unit(&mut state);
    (0..count).map(|_| next()).collect()
}

/// Classes below `n`, those of `benches::classes`.
fn classes(rows: usize, n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || (unit(&mut state) * n as f32).floor();
    (0..rows).map(|_| next()).collect()
}

/// SplitMix64, of which the upper 24 bits are a number in `[0, 1)`.
fn unit(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32
}

fn softmax(row: &[f32]) -> Vec<f64> {
    let exp = |&x: &f32| f64::from(x).exp();
    let sum: f64 = row.iter().map(exp).sum();
    row.iter().map(|x| exp(x) / sum).collect()
}

#[track_caller]
fn close(got: f32, expected: f64, tolerance: f64) {
    // Written so that NaN is not close.
    let near = (f64::from(got) - expected).abs() <= tolerance;
    assert!(near, "{got} in place of {expected}");
}

#[track_caller]
fn all_close(
    got: &[f32],
    expected: impl ExactSizeIterator<Item = f64>,
    tolerance: impl Fn(f64) -> f64,
) {
    assert_eq!(got.len(), expected.len());
    for (&got, expected) in got.iter().zip(expected) {
        close(got, expected, tolerance(expected));
    }
}
