//! Sinkhorn's iteration, in logarithms and in double precision.

use autograd::tensor_core::kernel::lanes::{WIDTH, sum_lanes};
use autograd::tensor_core::kernel::{Isa, Kernel, Math, dispatch, par};
use autograd::{Float, Result, Tensor};

/// How a problem is to be solved.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub epsilon: f64,
    pub iterations: usize,
    pub tolerance: f64,
}

/// The solution of one problem, in units of `epsilon`: `P[i, j] = a[i] b[j] e^(u[i] + v[j] - cost[i, j])`.
pub(super) struct Transport {
    pub a: Vec<f64>,
    pub b: Vec<f64>,
    pub u: Vec<f64>,
    pub v: Vec<f64>,
    /// `Σ a u + Σ b v`, the value that the dual problem has here.
    pub value: f64,
    /// How many iterations it took; none if they did not converge.
    pub steps: Option<usize>,
}

/// Weights scaled to add up to 1.
pub(super) fn normalised<T: Float>(w: &[T]) -> Vec<f64> {
    let sum: f64 = w.iter().map(|w| w.f64()).sum();
    w.iter().map(|w| w.f64() / sum).collect()
}

/// `Σ w x`, where a weight of 0 leaves out what it weighs.
pub(super) fn weighted(w: &[f64], x: &[f64]) -> f64 {
    let terms = w.iter().zip(x).filter(|(w, _)| **w != 0.0);
    terms.map(|(w, x)| w * x).sum()
}

/// `x + ln w` for each element; `-inf` for a weight of 0, whatever it weighs.
fn plus_log(x: &[f64], w: &[f64]) -> Vec<f64> {
    let sum = |(x, w): (&f64, &f64)| {
        if *w == 0.0 {
            f64::NEG_INFINITY
        } else {
            x + w.ln()
        }
    };
    x.iter().zip(w).map(sum).collect()
}

impl Transport {
    /// Solves the problem of `cost`, with a row for each of `a` and a column for each of `b`.
    pub fn solve<T: Float>(cost: &[T], a: &[T], b: &[T], plan: Plan) -> Self {
        let (a, b) = (normalised(a), normalised(b));
        let inverse = 1.0 / plan.epsilon;
        let mut found = Transport {
            u: vec![f64::NAN; a.len()],
            v: vec![0.0; b.len()],
            a,
            b,
            value: f64::NAN,
            steps: None,
        };
        let mut step = 0;
        while step < plan.iterations && found.steps.is_none() {
            step += 1;
            let before = found.u.clone();
            found.update_rows(cost, inverse);
            // What the rows were off before: a[i] times the factor by which row i has just been mended.
            let off = before
                .iter()
                .zip(&found.u)
                .map(|(old, new)| (old - new).exp_m1().abs());
            let off = weighted(&found.a, &off.collect::<Vec<_>>());
            found.update_columns(cost, inverse);
            if off <= plan.tolerance {
                found.steps = Some(step);
            } else if off.is_nan() && step > 1 {
                // Some weight has no way open.
                break;
            }
        }
        found.value = weighted(&found.a, &found.u) + weighted(&found.b, &found.v);
        found
    }

    /// `u[i] = -ln Σ_j b[j] e^(v[j] - cost[i, j])`: row `i` of the plan then adds up to `a[i]`.
    fn update_rows<T: Float>(&mut self, cost: &[T], inverse: f64) {
        let columns = plus_log(&self.v, &self.b);
        let m = columns.len();
        par::split(&mut self.u, 1, m * 12, |start, u| {
            for (i, u) in u.iter_mut().enumerate() {
                *u = -dispatch(RowSum {
                    cost: &cost[(start + i) * m..][..m],
                    columns: &columns,
                    inverse,
                });
            }
        });
    }

    /// `v[j] = -ln Σ_i a[i] e^(u[i] - cost[i, j])`: column `j` of the plan then adds up to `b[j]`.
    fn update_columns<T: Float>(&mut self, cost: &[T], inverse: f64) {
        /// Columns that one thread takes at least, so that it reads whole lines of the cache.
        const BLOCK: usize = 64;
        let rows = plus_log(&self.u, &self.a);
        let m = self.v.len();
        par::split(&mut self.v, BLOCK, rows.len() * BLOCK * 12, |start, v| {
            dispatch(ColumnSums {
                cost,
                pitch: m,
                // `split` counts in blocks.
                start: start * BLOCK,
                rows: &rows,
                inverse,
                v,
            });
        });
    }

    /// Writes `g · P` to `out`.
    pub fn write_plan<T: Float>(&self, cost: &[T], inverse: f64, g: T, out: &mut [T]) {
        let (rows, columns) = (plus_log(&self.u, &self.a), plus_log(&self.v, &self.b));
        let m = columns.len();
        par::split(out, m, m * 8, |start, out| {
            for (i, out) in out.chunks_exact_mut(m).enumerate() {
                dispatch(PlanRow {
                    cost: &cost[(start + i) * m..][..m],
                    row: rows[start + i],
                    columns: &columns,
                    inverse,
                    g,
                    out,
                });
            }
        });
    }
}

/// `ln Σ_j e^(columns[j] - cost[j] · inverse)`
struct RowSum<'a, T> {
    cost: &'a [T],
    columns: &'a [f64],
    inverse: f64,
}
impl<T: Float> Kernel for RowSum<'_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<I: Isa>(self) -> f64 {
        let z = |c: &T, w: &f64| w - c.f64() * self.inverse;
        let (cost, cost_rest) = self.cost.as_chunks::<WIDTH>();
        let (columns, columns_rest) = self.columns.as_chunks::<WIDTH>();
        let mut lanes = [f64::NEG_INFINITY; WIDTH];
        for (c, w) in cost.iter().zip(columns) {
            for i in 0..WIDTH {
                lanes[i] = lanes[i].max_(z(&c[i], &w[i]));
            }
        }
        let rest = || cost_rest.iter().zip(columns_rest).map(|(c, w)| z(c, w));
        let max = lanes
            .into_iter()
            .chain(rest())
            .fold(f64::NEG_INFINITY, f64::max_);
        if max == f64::NEG_INFINITY {
            return max;
        }
        let mut sums = [0.0; WIDTH];
        for (c, w) in cost.iter().zip(columns) {
            for i in 0..WIDTH {
                sums[i] += Math::exp::<I>(z(&c[i], &w[i]) - max);
            }
        }
        for (sum, z) in sums.iter_mut().zip(rest()) {
            *sum += Math::exp::<I>(z - max);
        }
        max + Math::ln::<I>(sum_lanes(&sums))
    }
}

/// `v[j] = -ln Σ_i e^(rows[i] - cost[i, start + j] · inverse)`
struct ColumnSums<'a, T> {
    cost: &'a [T],
    pitch: usize,
    start: usize,
    rows: &'a [f64],
    inverse: f64,
    v: &'a mut [f64],
}
impl<T: Float> Kernel for ColumnSums<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.v.len();
        let line = |i: usize| &self.cost[i * self.pitch + self.start..][..n];
        self.v.fill(f64::NEG_INFINITY);
        for (i, row) in self.rows.iter().enumerate() {
            for (max, c) in self.v.iter_mut().zip(line(i)) {
                *max = max.max_(row - c.f64() * self.inverse);
            }
        }
        let mut sums = vec![0.0; n];
        for (i, row) in self.rows.iter().enumerate() {
            for ((sum, max), c) in sums.iter_mut().zip(self.v.iter()).zip(line(i)) {
                *sum += Math::exp::<I>(row - c.f64() * self.inverse - max);
            }
        }
        for (v, sum) in self.v.iter_mut().zip(sums) {
            // Where nothing may pass there is no sum.
            let log = if *v == f64::NEG_INFINITY {
                0.0
            } else {
                Math::ln::<I>(sum)
            };
            *v = -(*v + log);
        }
    }
}

/// `g e^(row + columns[j] - cost[j] · inverse)`
struct PlanRow<'a, T> {
    cost: &'a [T],
    row: f64,
    columns: &'a [f64],
    inverse: f64,
    g: T,
    out: &'a mut [T],
}
impl<T: Float> Kernel for PlanRow<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for ((out, c), w) in self.out.iter_mut().zip(self.cost).zip(self.columns) {
            let log = self.row + w - c.f64() * self.inverse;
            *out = T::of(Math::exp::<I>(log)) * self.g;
        }
    }
}

/// The problems of a batch: `cost` is `[…, N, M]`, `a` `[…, N]`, `b` `[…, M]`.
pub(super) fn solve_all<T: Float>(
    cost: &Tensor<T>,
    a: &Tensor<T>,
    b: &Tensor<T>,
    plan: Plan,
) -> Vec<Transport> {
    let (n, m) = (
        *a.shape().last().unwrap_or(&1),
        *b.shape().last().unwrap_or(&1),
    );
    let (cost, a, b) = (cost.contiguous(), a.to_vec(), b.to_vec());
    let cost = cost.as_slice().unwrap_or(&[]);
    let one = |k: usize| {
        let (a, b) = (&a[k * n..][..n], &b[k * m..][..m]);
        Transport::solve(&cost[k * n * m..][..n * m], a, b, plan)
    };
    let batch = a.len() / n;
    // A single problem is solved by all threads, many are shared out.
    if batch == 1 {
        vec![one(0)]
    } else {
        par::each(batch, &one)
    }
}

/// `values` of all problems as a tensor; 0 where one is infinite.
pub(super) fn gather<T: Float>(
    all: &[Transport],
    values: impl Fn(&Transport) -> &[f64],
    shape: &[usize],
) -> Result<Tensor<T>> {
    let finite = |v: &f64| T::of(if v.is_finite() { *v } else { 0.0 });
    let data = all.iter().flat_map(|t| values(t).iter().map(finite));
    Tensor::from_vec(data.collect(), shape)
}
