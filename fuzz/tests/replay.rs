//! The seeds, and programs from a fixed stream of bytes, without a fuzzer: on any compiler.

use rand::{Rng, SeedableRng, rngs::ChaCha8Rng};
use std::path::Path;

/// How many programs beside the seeds.
fn count() -> usize {
    let count = std::env::var("FUZZ_PROGRAMS").ok();
    count.map_or(200, |n| n.parse().expect("FUZZ_PROGRAMS is a number"))
}

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("a folder of seeds")
        .map(|entry| entry.expect("a seed").path())
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{target} has {} seeds", files.len());
    let mut failed = Vec::new();
    let mut one = |name: String, bytes: &[u8]| {
        // All are tried, and what went wrong with each is printed above its name.
        if failed.len() < 20 && std::panic::catch_unwind(|| run(bytes)).is_err() {
            println!("so ended {name}");
            failed.push(name);
        }
    };
    for file in files {
        one(
            file.display().to_string(),
            &std::fs::read(&file).expect("a seed"),
        );
    }
    for i in 0..count() {
        let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
        let mut bytes = vec![0; 32 + i % 480];
        rng.fill_bytes(&mut bytes);
        one(format!("program {i}"), &bytes);
    }
    assert!(failed.is_empty(), "{target}: {failed:?}");
}

#[test]
fn tensor_ops() {
    replay("tensor_ops", losses_fuzz::tensor_ops::run);
}

#[test]
fn parsers() {
    replay("parsers", losses_fuzz::parsers::run);
}

#[test]
fn gradients() {
    replay("gradients", losses_fuzz::gradients::run);
}

#[test]
fn losses() {
    replay("losses", losses_fuzz::losses::run);
}
