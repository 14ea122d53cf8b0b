//! Ten thousand training steps leave the memory as it was. A program of its own, so that nothing else counts.

use autograd::{Param, Result, Tape, Tensor};
use tensor_core::pool;

/// Bytes of memory that this process has in use, where the system tells.
fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[test]
fn ten_thousand_steps() {
    let mut w1 = Param::new(Tensor::<f32>::full([32, 256], 0.01).unwrap());
    let mut w2 = Param::new(Tensor::<f32>::full([256, 1], 0.02).unwrap());
    // Large enough for the pool to count the buffers between.
    let data = Tensor::<f32>::linspace(-1.0, 1.0, 64 * 32).unwrap();
    let data = data.reshape([64, 32]).unwrap();
    let mut step = || -> Result<()> {
        let x = Tape::new().input(data.clone());
        let hidden = x.matmul(&w1.on(&x))?.tanh();
        hidden.hook(|_| Ok(None)).map(drop)?;
        hidden.retain_grad()?;
        let loss = hidden.matmul(&w2.on(&x))?.sub(0.5)?.square().mean(..)?;
        let grads = loss.backward()?;
        let updates = [&w1, &w2].map(|w| grads.get(w).unwrap().mul(-0.01).unwrap());
        drop((x, hidden, loss, grads));
        w1.value_mut().add_assign(&updates[0])?;
        w2.value_mut().add_assign(&updates[1])
    };
    for _ in 0..1000 {
        step().unwrap();
    }
    let (pool_before, before) = (pool::stats(), resident());
    // Of all tensors the first weights alone are as large as that.
    assert_eq!(pool_before.live, 1);
    for _ in 0..10_000 {
        step().unwrap();
    }
    let (pool_after, after) = (pool::stats(), resident());
    assert_eq!(pool_after.live, 1);
    assert_eq!(pool_after.fetched, pool_before.fetched);
    assert_eq!(pool_after.held_bytes, pool_before.held_bytes);
    assert!(pool_after.reused >= pool_before.reused + 10_000);
    if let (Some(before), Some(after)) = (before, after) {
        let growth = after as f64 - before as f64;
        assert!(growth < 1e6, "resident memory grew by {growth} bytes");
    }
    // A forward loop that never calls backward frees what it recorded with each tape.
    for _ in 0..1000 {
        let x = Tape::new().input(data.clone());
        x.matmul(&w1.on(&x)).unwrap().tanh();
    }
    assert_eq!(pool::stats().live, 1);
}
