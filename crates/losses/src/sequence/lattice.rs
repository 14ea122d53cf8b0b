//! The lattice of CTC: alignments of a label sequence with time steps, blanks between labels, in `f64`.
//!
//! The states are the labels with a blank before, between and after them. A path goes on by 0, 1 or, where that skips a
//! blank between two different labels, 2 states in a step. Rows of states have two elements more, of probability 0, so
//! that a step is one loop without branches.

use crate::classification::row::{Kept, row_sum};
use autograd::Float;
use autograd::tensor_core::kernel::{Isa, Kernel, Math};

/// The logarithm of 0.
pub(super) const NEVER: f64 = f64::NEG_INFINITY;

/// One sequence of the batch.
#[derive(Clone)]
pub(super) struct Sequence {
    pub steps: usize,
    pub n_labels: usize,
    /// The class of each state.
    pub path: Vec<usize>,
    /// 0 for a state that may be entered from two states before, `-inf` for others; two elements more at the end.
    pub jumps: Vec<f64>,
}

impl Sequence {
    pub fn new(steps: usize, labels: &[usize], blank: usize) -> Self {
        let mut path = vec![blank];
        path.extend(labels.iter().flat_map(|&label| [label, blank]));
        let mut jumps = vec![NEVER; path.len() + 2];
        for s in (3..path.len()).step_by(2) {
            if path[s] != path[s - 2] {
                jumps[s] = 0.0;
            }
        }
        Sequence {
            steps,
            n_labels: labels.len(),
            path,
            jumps,
        }
    }

    pub fn n_states(&self) -> usize {
        self.path.len()
    }
}

/// `ln(e^a + e^b + e^c)`
#[inline(always)]
fn log_add3<I: Isa>(a: f64, b: f64, c: f64) -> f64 {
    let max = if a > b { a } else { b };
    let max = if max > c { max } else { c };
    // Of three that are `-inf` the sum is 0, and its logarithm `-inf`.
    let max = if max == NEVER { 0.0 } else { max };
    let sum = Math::exp::<I>(a - max) + Math::exp::<I>(b - max) + Math::exp::<I>(c - max);
    max + Math::ln::<I>(sum)
}

/// The states one step later: `out` and `from` have two elements in front.
pub(super) struct Forward<'a> {
    pub from: &'a [f64],
    pub jumps: &'a [f64],
    pub emit: &'a [f64],
    pub out: &'a mut [f64],
}
impl Kernel for Forward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.emit.len();
        let (out, jumps) = (&mut self.out[2..][..n], &self.jumps[..n]);
        let (stay, one, two) = (&self.from[2..][..n], &self.from[1..][..n], &self.from[..n]);
        for s in 0..n {
            out[s] = log_add3::<I>(stay[s], one[s], two[s] + jumps[s]) + self.emit[s];
        }
    }
}

/// The states one step earlier, and how likely each is given all steps: `next` has two elements at the end, and holds
/// what follows each state with what it emits itself.
pub(super) struct Backward<'a> {
    pub next: &'a [f64],
    pub jumps: &'a [f64],
    pub alpha: &'a [f64],
    pub log_p: f64,
    pub out: &'a mut [f64],
    pub posterior: &'a mut [f64],
}
impl Kernel for Backward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.posterior.len();
        let (out, alpha, jumps) = (
            &mut self.out[..n],
            &self.alpha[2..][..n],
            &self.jumps[2..][..n],
        );
        let (stay, one, two) = (&self.next[..n], &self.next[1..][..n], &self.next[2..][..n]);
        for s in 0..n {
            let after = log_add3::<I>(stay[s], one[s], two[s] + jumps[s]);
            out[s] = after;
            self.posterior[s] = Math::exp::<I>(alpha[s] + after - self.log_p);
        }
    }
}

/// A row of the gradient: minus the classes' posteriors, and for logits their softmax more.
pub(super) struct Write<'a, T> {
    pub x: &'a [T],
    pub row: Option<Kept<T>>,
    pub of_class: &'a [f64],
    pub g: f64,
    pub dx: &'a mut [T],
}
impl<T: Float> Kernel for Write<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        match self.row {
            None => {
                for (d, p) in self.dx.iter_mut().zip(self.of_class) {
                    *d = T::of(-self.g * p);
                }
            }
            Some(row) => {
                for ((d, &x), p) in self.dx.iter_mut().zip(self.x).zip(self.of_class) {
                    *d = T::of(self.g * (Math::exp::<I>(-row.cost(x)) - p));
                }
                // The slopes add up to nothing: the likeliest class gets what the others lack, since of two numbers
                // close to 1 the difference has no digits left.
                let likeliest = (0..self.of_class.len()).reduce(|top, c| {
                    if self.of_class[c] > self.of_class[top] {
                        c
                    } else {
                        top
                    }
                });
                if let Some(top) = likeliest {
                    self.dx[top] = T::ZERO;
                    self.dx[top] = T::of(-row_sum(self.dx));
                }
            }
        }
    }
}
