//! Factorisations of one matrix in `f64`, row-major: what [`linalg`](mod@crate::linalg) runs on each matrix of a batch.

use crate::kernel::gemv::Dot;
use crate::kernel::{Isa, Kernel, dispatch};

/// `P A = L U` with rows exchanged so that each pivot is the largest of its column; `L` has ones on its diagonal, and
/// both factors share one matrix.
pub(crate) struct Lu {
    n: usize,
    factors: Vec<f64>,
    /// Row `i` of the factors is this row of the matrix.
    rows: Vec<usize>,
    /// Whether the rows were exchanged an odd number of times.
    odd: bool,
}

/// A row less other rows, each times its factor.
struct Less<'a, const N: usize>(&'a mut [f64], [&'a [f64]; N], [f64; N]);

impl<const N: usize> Kernel for Less<'_, N> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Less(row, others, factors) = self;
        let mut same = [&[][..]; N];
        for (same, other) in same.iter_mut().zip(others) {
            *same = &other[..row.len()];
        }
        for (i, x) in row.iter_mut().enumerate() {
            let mut rest = *x;
            for k in 0..N {
                rest -= factors[k] * same[k][i];
            }
            *x = rest;
        }
    }
}

/// Rows subtracted in one pass over what they are subtracted from.
const AT_A_TIME: usize = 8;

/// `row -= Σ factors[k] · other(k)`. A factor of 0 takes no part, so that it meets no infinity.
fn subtract<'a>(row: &mut [f64], factors: &[f64], other: impl Fn(usize) -> &'a [f64]) {
    for (i, group) in factors.chunks(AT_A_TIME).enumerate() {
        let first = i * AT_A_TIME;
        match group.first_chunk::<AT_A_TIME>() {
            Some(group) if !group.contains(&0.0) => {
                let others = std::array::from_fn(|k| other(first + k));
                dispatch(Less(row, others, *group));
            }
            _ => {
                for (k, &factor) in (first..).zip(group).filter(|(_, factor)| **factor != 0.0) {
                    dispatch(Less(row, [other(k)], [factor]));
                }
            }
        }
    }
}

/// Columns whose pivots are found before what is to the right of them is looked at.
const PANEL: usize = 16;

impl Lu {
    pub(crate) fn new(matrix: &[f64], n: usize) -> Lu {
        let mut lu = Lu {
            n,
            factors: matrix.to_vec(),
            rows: (0..n).collect(),
            odd: false,
        };
        for start in (0..n).step_by(PANEL) {
            let end = n.min(start + PANEL);
            (start..end).for_each(|k| lu.pivot(k, end));
            // The rows of the panel first, which those below it take as they then are.
            for i in start + 1..n {
                let (above, below) = lu.factors.split_at_mut(i * n);
                let (factors, row) = below[..n].split_at_mut(end);
                let known = &factors[start..end.min(i)];
                subtract(row, known, |k| &above[(start + k) * n..][end..n]);
            }
        }
        lu
    }

    /// Brings the largest element of column `k` to its diagonal, and takes it from the rows below, as far as column `end`.
    fn pivot(&mut self, k: usize, end: usize) {
        let n = self.n;
        let size = |i: usize| self.factors[i * n + k].abs();
        let largest = (k..n).fold(k, |best, i| if size(i) > size(best) { i } else { best });
        self.exchange(k, largest);
        let (above, below) = self.factors.split_at_mut((k + 1) * n);
        let pivot = above[k * n + k];
        if pivot == 0.0 {
            return;
        }
        for row in below.chunks_exact_mut(n) {
            row[k] /= pivot;
            let (factor, rest) = row[k..end].split_at_mut(1);
            if factor[0] != 0.0 {
                let pivots = &above[k * n + k + 1..];
                rest.iter_mut()
                    .zip(pivots)
                    .for_each(|(x, p)| *x -= factor[0] * p);
            }
        }
    }

    fn exchange(&mut self, a: usize, b: usize) {
        if a != b {
            let n = self.n;
            let (head, tail) = self.factors.split_at_mut(a.max(b) * n);
            head[a.min(b) * n..][..n].swap_with_slice(&mut tail[..n]);
            self.rows.swap(a, b);
            self.odd = !self.odd;
        }
    }

    /// The pivots: the diagonal of `U`.
    fn pivots(&self) -> impl Iterator<Item = f64> {
        (0..self.n).map(|i| self.factors[i * self.n + i])
    }

    pub(crate) fn is_singular(&self) -> bool {
        self.pivots().any(|p| p == 0.0)
    }

    pub(crate) fn det(&self) -> f64 {
        let sign = if self.odd { -1.0 } else { 1.0 };
        self.pivots().fold(sign, |det, p| det * p)
    }

    /// The sign of the determinant and the logarithm of its magnitude.
    pub(crate) fn slogdet(&self) -> (f64, f64) {
        let start = if self.odd { -1.0 } else { 1.0 };
        self.pivots().fold((start, 0.0), |(sign, log), p| {
            let s = if p == 0.0 { 0.0 } else { p.signum() };
            (sign * s, log + p.abs().ln())
        })
    }

    /// Solves `A X = B` for `B` of `m` columns.
    pub(crate) fn solve(&self, b: &[f64], m: usize) -> Vec<f64> {
        let mut x: Vec<f64> = (self.rows.iter())
            .flat_map(|&r| &b[r * m..(r + 1) * m])
            .copied()
            .collect();
        substitute(
            &self.factors,
            self.n,
            &mut x,
            m,
            Triangle {
                upper: false,
                unit: true,
            },
        );
        substitute(
            &self.factors,
            self.n,
            &mut x,
            m,
            Triangle {
                upper: true,
                unit: false,
            },
        );
        x
    }
}

/// Which triangle of a matrix counts, and whether its diagonal is taken to be ones.
#[derive(Clone, Copy)]
pub(crate) struct Triangle {
    pub(crate) upper: bool,
    pub(crate) unit: bool,
}

/// Solves `T X = B` in place for a triangle of `a` and `B` of `m` columns.
pub(crate) fn substitute(a: &[f64], n: usize, x: &mut [f64], m: usize, t: Triangle) {
    for step in 0..n {
        let i = if t.upper { n - 1 - step } else { step };
        let (above, below) = x.split_at_mut(i * m);
        let (row, below) = below.split_at_mut(m);
        let factors = &a[i * n..(i + 1) * n];
        if t.upper {
            subtract(row, &factors[i + 1..], |k| &below[k * m..][..m]);
        } else {
            subtract(row, &factors[..i], |k| &above[k * m..][..m]);
        }
        if !t.unit {
            x[i * m..(i + 1) * m]
                .iter_mut()
                .for_each(|x| *x /= a[i * n + i]);
        }
    }
}

/// The lower triangle `L` of `A = L Lᵀ`, of which the lower triangle is read; `None` if there is none.
pub(crate) fn cholesky(a: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let (left, right) = (&l[i * n..i * n + j], &l[j * n..j * n + j]);
            let rest = a[i * n + j] - dispatch(Dot::<f64>(left, right));
            l[i * n + j] = match i == j {
                true if rest <= 0.0 => return None,
                true => rest.sqrt(),
                false => rest / l[j * n + j],
            };
        }
    }
    Some(l)
}

/// The transposed matrix of cofactors, also of a singular matrix: `A adj(A) = det(A) I`.
///
/// With rows and columns exchanged, `P A Q = L U` has its smallest pivot last. Where that is the only 0, the matrix of
/// cofactors has rank 1 and is made of the vectors that `U` and `L` take to the last unit vector; with more, it is 0.
pub(crate) fn adjugate(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut lu = Lu {
        n,
        factors: matrix.to_vec(),
        rows: (0..n).collect(),
        odd: false,
    };
    let mut columns: Vec<usize> = (0..n).collect();
    for k in 0..n {
        let mut best = (k, k);
        for i in k..n {
            for j in k..n {
                if lu.factors[i * n + j].abs() > lu.factors[best.0 * n + best.1].abs() {
                    best = (i, j);
                }
            }
        }
        lu.exchange(k, best.0);
        if best.1 != k {
            (0..n).for_each(|i| lu.factors.swap(i * n + k, i * n + best.1));
            columns.swap(k, best.1);
            lu.odd = !lu.odd;
        }
        let pivot = lu.factors[k * n + k];
        if pivot == 0.0 {
            break;
        }
        for i in k + 1..n {
            let factor = lu.factors[i * n + k] / pivot;
            lu.factors[i * n + k] = factor;
            let (above, below) = lu.factors.split_at_mut(i * n);
            let row = &mut below[k + 1..n];
            subtract(row, &[factor], |_| &above[k * n + k + 1..]);
        }
    }
    let mut out = vec![0.0; n * n];
    let zeros = lu.pivots().filter(|&p| p == 0.0).count();
    if zeros == 0 {
        let mut unit = vec![0.0; n * n];
        (0..n).for_each(|i| unit[i * n + i] = 1.0);
        let (det, x) = (lu.det(), lu.solve(&unit, n));
        for (i, &c) in columns.iter().enumerate() {
            for j in 0..n {
                out[c * n + j] = det * x[i * n + j];
            }
        }
    } else if zeros == 1 {
        // The column that `U` takes to 0, with 1 at its end, and the row that is the last one of `L`'s inverse.
        let last = n - 1;
        let mut column: Vec<f64> = (0..n).map(|i| -lu.factors[i * n + last]).collect();
        column[last] = 1.0;
        for i in (0..last).rev() {
            for j in i + 1..last {
                column[i] -= lu.factors[i * n + j] * column[j];
            }
            column[i] /= lu.factors[i * n + i];
        }
        let mut row = vec![0.0; n];
        row[last] = 1.0;
        for j in (0..last).rev() {
            row[j] = -(j + 1..n)
                .map(|i| row[i] * lu.factors[i * n + j])
                .sum::<f64>();
        }
        let sign = if lu.odd { -1.0 } else { 1.0 };
        let scale = lu.pivots().take(last).fold(sign, |det, p| det * p);
        for i in 0..n {
            for j in 0..n {
                out[columns[i] * n + lu.rows[j]] = scale * column[i] * row[j];
            }
        }
    }
    out
}
