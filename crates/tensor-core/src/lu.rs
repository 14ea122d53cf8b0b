//! Factorisations of one matrix in `f64`, row-major: what [`linalg`](mod@crate::linalg) runs on each matrix of a batch.

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

/// `row -= factor · pivot_row`, from column `from` on.
fn eliminate(
    factors: &mut [f64],
    n: usize,
    (pivot, row): (usize, usize),
    from: usize,
    factor: f64,
) {
    let (above, below) = factors.split_at_mut(row * n);
    let (pivot, row) = (
        &above[pivot * n + from..(pivot + 1) * n],
        &mut below[from..n],
    );
    row.iter_mut()
        .zip(pivot)
        .for_each(|(x, p)| *x -= factor * p);
}

impl Lu {
    pub(crate) fn new(matrix: &[f64], n: usize) -> Lu {
        let mut lu = Lu {
            n,
            factors: matrix.to_vec(),
            rows: (0..n).collect(),
            odd: false,
        };
        for k in 0..n {
            let size = |i: usize, lu: &Lu| lu.factors[i * n + k].abs();
            let largest = (k..n).fold(k, |best, i| {
                if size(i, &lu) > size(best, &lu) {
                    i
                } else {
                    best
                }
            });
            lu.exchange(k, largest);
            let pivot = lu.factors[k * n + k];
            if pivot == 0.0 {
                continue;
            }
            for i in k + 1..n {
                let factor = lu.factors[i * n + k] / pivot;
                lu.factors[i * n + k] = factor;
                if factor != 0.0 {
                    eliminate(&mut lu.factors, n, (k, i), k + 1, factor);
                }
            }
        }
        lu
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
        let known = if t.upper { i + 1..n } else { 0..i };
        for j in known {
            let factor = a[i * n + j];
            if factor == 0.0 {
                continue;
            }
            let (row, other) = if i < j {
                let (head, tail) = x.split_at_mut(j * m);
                (&mut head[i * m..(i + 1) * m], &tail[..m])
            } else {
                let (head, tail) = x.split_at_mut(i * m);
                (&mut tail[..m], &head[j * m..(j + 1) * m])
            };
            row.iter_mut()
                .zip(other)
                .for_each(|(x, o)| *x -= factor * o);
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
            let dot: f64 = left.iter().zip(right).map(|(x, y)| x * y).sum();
            let rest = a[i * n + j] - dot;
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
            eliminate(&mut lu.factors, n, (k, i), k + 1, factor);
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
