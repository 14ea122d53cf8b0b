//! What the benchmarks share: inputs, and a case that checks its result once before it is timed.
//!
//! `cargo bench -p benches` times all cases, `cargo bench -p benches -- cross_entropy` those with that name, and
//! `cargo bench -p benches -- --test` runs each once. Cases that need more than a gigabyte or a second run only
//! where the environment variable `BENCH_LARGE` is set.

#![forbid(unsafe_code)]

pub mod losses;

use criterion::{Bencher, Criterion};
use std::time::{Duration, Instant};
use tensor_core::{IntoShape, Tensor};

/// Runs `groups` with the options of the command line.
pub fn main(groups: &[fn(&mut Criterion)]) {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args();
    groups.iter().for_each(|group| group(&mut criterion));
    criterion.final_summary();
}

/// Whether cases that need more than a gigabyte or a second are to run.
pub fn large() -> bool {
    std::env::var_os("BENCH_LARGE").is_some()
}

/// A case in three parts. `setup` makes its input, when the case is the one to run and not before; `run` is what is
/// timed, its result's drop included; `check` panics unless the first result is right.
pub fn case<S, O>(
    c: &mut Criterion,
    name: &str,
    setup: impl Fn() -> S,
    run: impl Fn(&mut S) -> O,
    check: impl Fn(&S, &O),
) {
    timed(c, name, setup, &run, check, |b, state| {
        b.iter(|| run(state))
    });
}

/// As [`case`] where `run` does something `count` times: the time of one is reported.
pub fn case_each<S, O>(
    c: &mut Criterion,
    name: &str,
    count: u32,
    setup: impl Fn() -> S,
    run: impl Fn(&mut S) -> O,
    check: impl Fn(&S, &O),
) {
    timed(c, name, setup, &run, check, |b, state| {
        b.iter_custom(|iterations| {
            let start = Instant::now();
            for _ in 0..iterations {
                std::hint::black_box(run(state));
            }
            start.elapsed() / count
        })
    });
}

fn timed<S, O>(
    c: &mut Criterion,
    name: &str,
    setup: impl Fn() -> S,
    run: impl Fn(&mut S) -> O,
    check: impl Fn(&S, &O),
    time: impl Fn(&mut Bencher<'_>, &mut S),
) {
    let mut state = None;
    c.bench_function(name, |b| {
        let state = state.get_or_insert_with(|| {
            let mut state = setup();
            let result = run(&mut state);
            check(&state, &result);
            state
        });
        time(b, state);
    });
}

/// Numbers spread evenly over `low..high`, the same for the same `seed`.
pub fn uniform(shape: impl IntoShape, low: f32, high: f32, seed: u64) -> Tensor<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Tensor::build("uniform", shape, |out| {
        for o in out {
            *o = low + (high - low) * unit(&mut state);
        }
    })
    .expect("the shape of a benchmark")
}

/// Classes below `n`, the same for the same `seed`.
pub fn classes(rows: usize, n: usize, seed: u64) -> Tensor<i64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let classes = (0..rows)
        .map(|_| (unit(&mut state) * n as f32) as i64)
        .collect();
    Tensor::from_vec(classes, [rows]).expect("one class for each row")
}

/// SplitMix64, of which the upper 24 bits are a number in `[0, 1)`.
fn unit(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32
}

/// Panics unless `got` is `expected` to within `tolerance`, relative to the larger of `expected` and 1e-30.
#[track_caller]
pub fn close(got: f32, expected: f64, tolerance: f64) {
    let error = (f64::from(got) - expected).abs() / expected.abs().max(1e-30);
    assert!(
        error <= tolerance,
        "{got} in place of {expected}: off by {error:e}"
    );
}
