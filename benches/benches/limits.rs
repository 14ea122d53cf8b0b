//! What this machine can do, to hold the other numbers against: copying and adding up 40 MB of `f32` with all threads
//! in plain loops, and multiply-adds in registers on each thread, in as many sums as ten registers of AVX2 have room for
//! and as sixteen of AVX-512 have: the faster of the two is the limit.

use benches::{case, close, uniform};
use criterion::Criterion;
use std::thread;
use tensor_core::kernel::{Isa, Kernel, dispatch};

const N: usize = 10_000_000;
/// So many that the threads' start does not count.
const STEPS: usize = 1 << 21;

fn threads() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}

struct Sum<'a>(&'a [f32]);
impl Kernel for Sum<'_> {
    type Out = f32;
    #[inline(always)]
    fn run<I: Isa>(self) -> f32 {
        let mut lanes = [0.0f32; 64];
        for group in self.0.as_chunks::<64>().0 {
            lanes.iter_mut().zip(group).for_each(|(l, v)| *l += v);
        }
        lanes.iter().sum()
    }
}

struct MultiplyAdd<const LANES: usize>(f32, f32);
impl<const LANES: usize> Kernel for MultiplyAdd<LANES> {
    type Out = f32;
    #[inline(always)]
    fn run<I: Isa>(self) -> f32 {
        let mut lanes = [1.0f32; LANES];
        for _ in 0..STEPS {
            for l in &mut lanes {
                *l = if I::FMA {
                    l.mul_add(self.0, self.1)
                } else {
                    *l * self.0 + self.1
                };
            }
        }
        lanes.iter().sum()
    }
}

fn limits(c: &mut Criterion) {
    case(
        c,
        "limits/copy/1e7",
        || (uniform([N], 0.0, 1.0, 1).to_vec(), vec![0.0f32; N]),
        |(from, to)| {
            let part = N.div_ceil(threads());
            thread::scope(|s| {
                for (to, from) in to.chunks_mut(part).zip(from.chunks(part)) {
                    s.spawn(|| to.copy_from_slice(from));
                }
            });
        },
        |(from, to), ()| assert!(from == to),
    );
    case(
        c,
        "limits/sum/1e7",
        || uniform([N], 0.0, 1.0, 1).to_vec(),
        |x| {
            let part = N.div_ceil(threads()).next_multiple_of(64);
            thread::scope(|s| {
                let parts: Vec<_> = x
                    .chunks(part)
                    .map(|x| s.spawn(|| dispatch(Sum(x))))
                    .collect();
                parts
                    .into_iter()
                    .map(|p| p.join().expect("a sum"))
                    .sum::<f32>()
            })
        },
        |x, &y| close(y, x.iter().map(|&v| f64::from(v)).sum(), 1e-3),
    );
    multiply_add::<80>(c);
    multiply_add::<256>(c);
}

fn multiply_add<const LANES: usize>(c: &mut Criterion) {
    case(
        c,
        &format!("limits/multiply_add/{STEPS}x{LANES}"),
        || (0.5f32, 0.25f32),
        |&mut (a, b)| {
            thread::scope(|s| {
                let parts: Vec<_> = (0..threads())
                    .map(|_| s.spawn(move || dispatch(MultiplyAdd::<LANES>(a, b))))
                    .collect();
                parts
                    .into_iter()
                    .map(|p| p.join().expect("a sum"))
                    .sum::<f32>()
            })
        },
        |_, &y| close(y, 0.5 * (LANES * threads()) as f64, 1e-5),
    );
}

fn main() {
    benches::main(&[limits]);
}
