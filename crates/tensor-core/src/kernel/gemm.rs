//! The matrix product of strided operands, rows or columns split among threads.

use super::{gemv, par, tiles};
use crate::element::{DType, Number};

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

impl<'a, T> Matrix<'a, T> {
    /// The rows of a matrix as they lie one after the other in `data`.
    pub fn row_major(data: &'a [T], size: [usize; 2]) -> Self {
        Matrix {
            data,
            offset: 0,
            size,
            stride: [size[1] as isize, 1],
        }
    }

    /// The transposed matrix.
    pub fn t(self) -> Self {
        let ([m, n], [rows, columns]) = (self.size, self.stride);
        Matrix {
            size: [n, m],
            stride: [columns, rows],
            ..self
        }
    }

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

    /// Rows (`dim` 0) or columns (`dim` 1) `start..start + n`.
    #[inline(always)]
    pub(super) fn part(&self, dim: usize, start: usize, n: usize) -> Self {
        let offset = (self.offset as isize + start as isize * self.stride[dim]) as usize;
        let mut size = self.size;
        size[dim] = n;
        Matrix {
            offset,
            size,
            ..*self
        }
    }
}

/// Multiply-adds below which one thread does the work.
pub(crate) const SPLIT: usize = 1 << 19;
/// Parts of rows or columns are multiples of it, and so of the tiles of the GEMM.
const TILE: usize = 32;

/// Where a part of the result is written: element `[i, j]` at `to + i * pitch + j`, in place of what is there or added
/// to it.
#[derive(Clone, Copy)]
pub(super) struct Target<T> {
    pub(super) to: *mut T,
    pub(super) pitch: usize,
    pub(super) add: bool,
}
// SAFETY: `threaded` hands each thread a target of elements of its own, and waits for all threads before it returns.
unsafe impl<T: Send> Sync for Target<T> {}

/// `out = a · b`, row-major.
///
/// Threads share the rows of the result, or its columns where that leaves less of the operands to be read twice. An
/// element does not depend on what is computed beside it, so the result has the same bits on any number of threads.
///
/// # Panics
/// If the sizes disagree or a matrix reaches outside its slice; callers have checked both.
pub fn matmul<T: Number>(a: Matrix<'_, T>, b: Matrix<'_, T>, out: &mut [T]) {
    threaded(a, b, false, out);
}

/// `out += a · b`, row-major.
///
/// # Panics
/// If the sizes disagree or a matrix reaches outside its slice; callers have checked both.
pub fn matmul_add<T: Number>(a: Matrix<'_, T>, b: Matrix<'_, T>, out: &mut [T]) {
    threaded(a, b, true, out);
}

/// The product in place of what `out` holds, or added to it.
fn threaded<T: Number>(a: Matrix<'_, T>, b: Matrix<'_, T>, add: bool, out: &mut [T]) {
    let ([m, k], n) = (a.size, b.size[1]);
    assert!(
        b.size[0] == k && m.checked_mul(n) == Some(out.len()),
        "matmul: sizes were checked by the caller"
    );
    if m * n == 0 {
        return;
    }
    if k == 0 {
        if !add {
            out.fill(T::ZERO);
        }
        return;
    }
    assert!(
        a.fits() && b.fits(),
        "matmul: layouts lie within their buffers (layout invariant 3)"
    );
    if m == 1 || n == 1 {
        let (matrix, vector) = if n == 1 { (a, b) } else { (b.t(), a.t()) };
        return match add {
            true => gemv::matvec(matrix, vector, out, |o, x| *o = o.plus(x)),
            false => gemv::matvec(matrix, vector, out, |o, x| *o = x),
        };
    }
    let target = Target {
        to: out.as_mut_ptr(),
        pitch: n,
        add,
    };
    let product = match tiles::serve::<T>([m, k, n]) {
        true => tiles::product,
        false => blocked,
    };
    let threads = rayon_core::current_num_threads();
    let dim = usize::from(n > m);
    let size = [m, n][dim];
    let width = size.div_ceil(threads).next_multiple_of(TILE);
    if (m * n).saturating_mul(k) < SPLIT || width >= size {
        // SAFETY: `a` and `b` were found to lie within their slices, and `out` to hold m·n elements.
        return unsafe { product(a, b, target) };
    }
    par::for_each(size.div_ceil(width), &|i| {
        let (start, target) = (i * width, &target);
        let len = width.min(size - start);
        let (a, b, skip) = if dim == 0 {
            (a.part(0, start, len), b, start * n)
        } else {
            (a, b.part(1, start, len), start)
        };
        let part = Target {
            to: target.to.wrapping_add(skip),
            ..*target
        };
        // SAFETY: the parts lie within what was found to fit above, and no two of them have an element of `out` in
        // common.
        unsafe { product(a, b, part) }
    });
}

/// `c = a · b`, or `c += a · b`, on this thread, by blocks that are packed.
///
/// # Safety
/// - `a` and `b` lie within their slices, and `a` has as many columns as `b` rows.
/// - `c` is valid for reads and writes of as many elements as the product has, and no one else reads or writes them.
unsafe fn blocked<T: Number>(a: Matrix<'_, T>, b: Matrix<'_, T>, c: Target<T>) {
    let ([m, k], n) = (a.size, b.size[1]);
    let [[rsa, csa], [rsb, csb]] = [a.stride, b.stride];
    let (pa, pb) = (a.data[a.offset..].as_ptr(), b.data[b.offset..].as_ptr());
    debug_assert!(a.fits() && b.fits());
    match T::DTYPE {
        // SAFETY: `T` is `f32` in this arm. The caller vouches that every element of `a` and `b` lies within its
        // slice, and for m·n elements of `c`, which are no one else's.
        DType::F32 => unsafe {
            let (pa, pb, pc) = (pa.cast(), pb.cast(), c.to.cast());
            let (pitch, kept) = (c.pitch as isize, f32::from(c.add));
            matrixmultiply::sgemm(m, k, n, 1.0, pa, rsa, csa, pb, rsb, csb, kept, pc, pitch, 1);
        },
        // SAFETY: as above, and `T` is `f64` in this arm.
        DType::F64 => unsafe {
            let (pa, pb, pc) = (pa.cast(), pb.cast(), c.to.cast());
            let (pitch, kept) = (c.pitch as isize, f64::from(c.add));
            matrixmultiply::dgemm(m, k, n, 1.0, pa, rsa, csa, pb, rsb, csb, kept, pc, pitch, 1);
        },
        // SAFETY: as above; the crate knows no others.
        _ => unsafe { tiles::product(a, b, c) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, whose products are exact in any order.
    fn numbers<T: Number>(n: usize, seed: usize) -> Vec<T> {
        (0..n)
            .map(|i| T::from_i64((i * 7 + seed) as i64 % 5 - 2))
            .collect()
    }

    fn adds<T: Number>([m, k, n]: [usize; 3]) {
        let (a, b) = (numbers::<T>(m * k, 1), numbers::<T>(k * n, 3));
        // The left factor lies transposed.
        let (left, right) = (
            Matrix::row_major(&a, [k, m]).t(),
            Matrix::row_major(&b, [k, n]),
        );
        let start = numbers::<T>(m * n, 4);
        let mut out = start.clone();
        matmul_add(left, right, &mut out);
        for i in 0..m {
            for j in 0..n {
                let sum = (0..k).fold(start[i * n + j], |sum, l| {
                    sum.plus(a[l * m + i].times(b[l * n + j]))
                });
                assert_eq!(out[i * n + j], sum, "[{i}, {j}] of {m}, {k}, {n}");
            }
        }
    }

    /// The product of the sizes is one more than all numbers, so that it wraps around to the one element that there is.
    #[test]
    #[should_panic(expected = "sizes were checked")]
    fn a_result_whose_size_wraps_around_is_refused() {
        let repeated = |size| Matrix {
            data: &[1.0f32],
            offset: 0,
            size,
            stride: [0, 0],
        };
        matmul(
            repeated([274_177, 1]),
            repeated([1, 67_280_421_310_721]),
            &mut [0.0],
        );
    }

    #[test]
    fn a_product_is_added() {
        // Tall and short ones, those that threads share by rows or by columns, and those without a middle.
        for size in [
            [3, 4, 5],
            [2, 0, 3],
            [100, 80, 70],
            [8, 300, 200],
            [1, 1, 1],
        ] {
            adds::<f32>(size);
            adds::<f64>(size);
            adds::<i64>(size);
        }
    }
}
