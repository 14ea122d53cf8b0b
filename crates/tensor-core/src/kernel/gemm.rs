//! The matrix product of strided operands, rows split among threads.

use crate::element::{DType, Element, Number};
use rayon::prelude::*;

/// A matrix in a slice: sizes, strides, and the place of its first element.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    /// The buffer.
    pub data: &'a [T],
    /// The place of element `[0, 0]`.
    pub offset: usize,
    /// Number of rows and columns.
    pub size: [usize; 2],
    /// Distance between rows and between columns.
    pub stride: [isize; 2],
}

impl<T> Matrix<'_, T> {
    /// Whether every element lies within the buffer.
    fn fits(&self) -> bool {
        let mut low = self.offset as i128;
        let mut high = low;
        for (&n, &s) in self.size.iter().zip(&self.stride) {
            let reach = (n.max(1) - 1) as i128 * s as i128;
            if reach < 0 {
                low += reach
            } else {
                high += reach
            }
        }
        low >= 0 && high < self.data.len() as i128
    }

    fn rows(&self, start: usize, n: usize) -> Self {
        let offset = (self.offset as isize + start as isize * self.stride[0]) as usize;
        Matrix {
            offset,
            size: [n, self.size[1]],
            ..*self
        }
    }
}

/// Multiply-adds below which one thread does the work.
const SPLIT: usize = 1 << 18;

/// `out = a · b`, row-major.
///
/// # Panics
/// If the sizes disagree or a matrix reaches outside its slice; callers have checked both.
pub fn matmul<T: Number>(a: Matrix<'_, T>, b: Matrix<'_, T>, out: &mut [T]) {
    let ([m, k], n) = (a.size, b.size[1]);
    assert!(
        b.size[0] == k && out.len() == m * n,
        "matmul: sizes were checked by the caller"
    );
    if m * n == 0 {
        return;
    }
    if k == 0 {
        return out.fill(T::ZERO);
    }
    assert!(
        a.fits() && b.fits(),
        "matmul: layouts lie within their buffers (layout invariant 3)"
    );
    let threads = rayon::current_num_threads();
    if (m * n).saturating_mul(k) < SPLIT || threads == 1 {
        return product(a, b, out);
    }
    // Whole tiles of rows to each thread: the product of a row does not depend on the rows beside it.
    let rows = m.div_ceil(threads).next_multiple_of(16);
    if rows >= m && n >= 64 {
        // A short, wide product is split by columns, each part made apart and put in place afterwards.
        let columns = n.div_ceil(threads).next_multiple_of(16);
        let parts: Vec<(usize, usize, Vec<T>)> = (0..n.div_ceil(columns))
            .into_par_iter()
            .map(|i| {
                let (start, width) = (i * columns, columns.min(n - i * columns));
                let offset = (b.offset as isize + start as isize * b.stride[1]) as usize;
                let mut part = vec![T::ZERO; m * width];
                product(
                    a,
                    Matrix {
                        offset,
                        size: [k, width],
                        ..b
                    },
                    &mut part,
                );
                (start, width, part)
            })
            .collect();
        for (start, width, part) in parts {
            for (row, part) in out.chunks_exact_mut(n).zip(part.chunks_exact(width)) {
                row[start..start + width].copy_from_slice(part);
            }
        }
        return;
    }
    out.par_chunks_mut(rows * n)
        .enumerate()
        .for_each(|(i, out)| {
            product(a.rows(i * rows, out.len() / n), b, out);
        });
}

fn product<T: Number>(a: Matrix<'_, T>, b: Matrix<'_, T>, out: &mut [T]) {
    let ([m, k], n) = (a.size, b.size[1]);
    let [[rsa, csa], [rsb, csb]] = [a.stride, b.stride];
    let (pa, pb) = (a.data[a.offset..].as_ptr(), b.data[b.offset..].as_ptr());
    debug_assert!(a.fits() && b.fits() && out.len() == m * n);
    match T::DTYPE {
        // SAFETY: `T` is `f32` in this arm. `matmul` asserted that every element of `a` and `b` lies within its
        // slice; `out` holds m·n elements, row-major, and is borrowed mutably, so it overlaps neither.
        DType::F32 => unsafe {
            let (pa, pb, pc) = (pa.cast(), pb.cast(), out.as_mut_ptr().cast());
            matrixmultiply::sgemm(
                m, k, n, 1.0, pa, rsa, csa, pb, rsb, csb, 0.0, pc, n as isize, 1,
            );
        },
        // SAFETY: as above, and `T` is `f64` in this arm.
        DType::F64 => unsafe {
            let (pa, pb, pc) = (pa.cast(), pb.cast(), out.as_mut_ptr().cast());
            matrixmultiply::dgemm(
                m, k, n, 1.0, pa, rsa, csa, pb, rsb, csb, 0.0, pc, n as isize, 1,
            );
        },
        _ => {
            let at = |x: &Matrix<'_, T>, i: usize, j: usize| {
                x.data[(x.offset as isize + i as isize * x.stride[0] + j as isize * x.stride[1])
                    as usize]
            };
            for (i, row) in out.chunks_exact_mut(n).enumerate() {
                for (j, o) in row.iter_mut().enumerate() {
                    *o = (0..k).fold(<T as Element>::ZERO, |sum, l| {
                        sum.plus(at(&a, i, l).times(at(&b, l, j)))
                    });
                }
            }
        }
    }
}
