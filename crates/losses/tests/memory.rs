//! What `linear_cross_entropy` promises: the logits are never held. The only test of its process, since it reads the
//! largest memory that the process ever had.

#![cfg(target_os = "linux")]

use losses::prelude::*;

/// The largest resident memory so far, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes
        .and_then(|n| n.parse::<usize>().ok())
        .expect("a number")
        * 1024
}

#[test]
fn linear_cross_entropy_never_holds_the_logits() -> Result<()> {
    const N: usize = 1536;
    const D: usize = 16;
    const C: usize = 16_000;
    let numbers = |n: usize, m: usize| {
        let data = (0..n * m).map(|i| ((i * 7919) % 2003) as f32 / 1001.0 - 1.0);
        Tensor::from_vec(data.collect(), [n, m])
    };
    let (x, w) = (numbers(N, D)?, numbers(C, D)?);
    let classes = (0..N as i64).map(|i| if i % 7 == 0 { -100 } else { i * 31 % C as i64 });
    let t = Tensor::from_vec(classes.collect(), [N])?;
    let weight = Tensor::from_vec((0..C).map(|c| 1.0 + (c % 3) as f32).collect(), [C])?;
    let logits = N * C * size_of::<f32>();
    // Threads and their memory are there before the first reading.
    drop(x.matmul(&x.t())?);
    let before = peak();
    let loss = LinearCrossEntropy::new()
        .weight(weight)
        .label_smoothing(0.1);
    for reduction in [Reduction::Mean, Reduction::None] {
        let tape = Tape::new();
        let (x, w) = (tape.leaf(x.clone()), tape.leaf(w.clone()));
        let y = loss.clone().reduction(reduction).forward(&x, &w, &t)?;
        let grads = y.backward_with(&y.value().ones_like())?;
        assert!(grads.get(&w)?.find(|v: f32| !v.is_finite()).is_none());
    }
    let grown = peak() - before;
    let gradients = (N + C) * D * size_of::<f32>();
    assert!(
        grown <= logits / 10 + 2 * gradients,
        "{grown} bytes beside {logits} of logits and {gradients} of gradients"
    );
    Ok(())
}
