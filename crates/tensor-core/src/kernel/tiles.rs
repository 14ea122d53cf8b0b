//! Products whose operands the cache holds, or that are narrow, by tiles of registers.
//!
//! The crate for the product of large matrices packs both operands first and fills its tile with zeros, which takes longer
//! than a small product itself. Here the left factor is read where it lies, one element at a time for a whole row of the
//! tile, and so is the right one where it lies in rows.

use super::dispatch::{Kernel, dispatch, has_avx512, has_fma};
use super::gemm::{Matrix, Target};
use super::isa::Isa;
use crate::element::{DType, Number};
use std::hint::black_box;

/// Bytes of both operands and the result up to which the tiles do the work: what a second-level cache holds.
const NEAR: usize = 1 << 20;
/// Rows up to which they do it however large the other sizes are: of more, no tile of the crate is half empty.
const NARROW: usize = 16;
/// Bytes of a row of the result up to which they do it too: one row of a tile, so that the left factor is read once, all of
/// which the crate would pack first.
const NARROW_ROW: usize = 128;
/// Terms that are added up in a tile before they are added to the result; the crate's number for `f32`.
const DEPTH: usize = 256;
/// From so many rows of the left factor and of the right one on, a panel of the right one is copied: where it lies, its
/// rows may fall on each other in the cache.
const COPIED: [usize; 2] = [32, 96];
/// Columns and rows that are transposed together.
const SQUARE: usize = 16;

/// Whether tiles multiply an `[m, k]` by a `[k, n]`. It depends on the sizes alone, so that layouts do not change bits.
pub(super) fn serve<T: Number>([m, k, n]: [usize; 3]) -> bool {
    // The crate knows no integers; and without a fused multiply-add the compiler's vectors are the narrowest.
    if T::DTYPE == DType::I64 {
        return true;
    }
    let near = NEAR / size_of::<T>();
    has_fma()
        && (m <= NARROW
            || n <= NARROW_ROW / size_of::<T>()
            || m.saturating_mul(k)
                .saturating_add(k.saturating_mul(n))
                .saturating_add(m.saturating_mul(n))
                <= near)
}

/// `c = a · b`, or `c += a · b`, on this thread.
///
/// # Safety
/// - `a` and `b` lie within their slices, and `a` has as many columns as `b` rows.
/// - `c` is valid for reads and writes of as many elements as the product has, and no one else reads or writes them.
pub(super) unsafe fn product<T: Number>(a: Matrix<'_, T>, b: Matrix<'_, T>, c: Target<T>) {
    let narrow = b.size[1] <= NARROW;
    // A row of a tile is two vectors, or one; the registers hold eight such rows of AVX-512 and four of the others. Only the
    // tiles of the size that `T` has are compiled.
    // SAFETY: the caller vouches for all that each of these asks.
    unsafe {
        if const { size_of::<T>() == 8 } {
            match (has_avx512(), narrow) {
                (true, false) => dispatch(Tiles::<T, 8, 16>::new(a, b, c)),
                (true, true) => dispatch(Tiles::<T, 8, 8>::new(a, b, c)),
                (false, _) => dispatch(Tiles::<T, 4, 8>::new(a, b, c)),
            }
        } else {
            match (has_avx512(), narrow) {
                (true, false) => dispatch(Tiles::<T, 8, 32>::new(a, b, c)),
                (true, true) => dispatch(Tiles::<T, 8, 16>::new(a, b, c)),
                (false, _) => dispatch(Tiles::<T, 4, 16>::new(a, b, c)),
            }
        }
    }
}

/// A product by tiles of `R` rows and `W` columns.
struct Tiles<'a, T, const R: usize, const W: usize> {
    a: Matrix<'a, T>,
    b: Matrix<'a, T>,
    c: Target<T>,
}

impl<'a, T: Number, const R: usize, const W: usize> Tiles<'a, T, R, W> {
    /// # Safety
    /// As [`product`] has it, for as long as the kernel lives.
    unsafe fn new(a: Matrix<'a, T>, b: Matrix<'a, T>, c: Target<T>) -> Self {
        Tiles { a, b, c }
    }
}

impl<T: Number, const R: usize, const W: usize> Kernel for Tiles<'_, T, R, W> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Tiles { a, b, mut c } = self;
        let ([m, k], n) = (a.size, b.size[1]);
        for l in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - l);
            let a = a.part(1, l, depth);
            let b = b.part(0, l, depth);
            for j in (0..n).step_by(W) {
                let width = W.min(n - j);
                let b = b.part(1, j, width);
                let far = m >= COPIED[0] && depth >= COPIED[1];
                let copy;
                let panel = if b.stride[1] == 1 && width == W && !far {
                    (b.data[b.offset..].as_ptr(), b.stride[0])
                } else {
                    copy = panel::<T, W>(b);
                    (copy.as_ptr().cast::<T>(), W as isize)
                };
                let at = |i: usize| {
                    let to = c.to.wrapping_add(i * c.pitch + j);
                    (
                        a.data[a.part(0, i, 1).offset..].as_ptr(),
                        Target { to, ..c },
                    )
                };
                let mut i = 0;
                // SAFETY: `new` was vouched for that `a`, `b` and `c` are as large as they say, and the tiles below have
                // rows `i..i + R` of `m` and columns `j..j + width` of `n`. A panel has `depth` rows of `W` elements: where
                // it is read in place, `width` is `W` and these are elements of `b`.
                unsafe {
                    while i + R <= m {
                        let (a_rows, c) = at(i);
                        tile::<T, I, R, W>((a_rows, a.stride), panel, depth, c, width);
                        i += R;
                    }
                    if R > 4 && i + 4 <= m {
                        let (a_rows, c) = at(i);
                        tile::<T, I, 4, W>((a_rows, a.stride), panel, depth, c, width);
                        i += 4;
                    }
                    if i + 2 <= m {
                        let (a_rows, c) = at(i);
                        tile::<T, I, 2, W>((a_rows, a.stride), panel, depth, c, width);
                        i += 2;
                    }
                    if i < m {
                        let (a_rows, c) = at(i);
                        tile::<T, I, 1, W>((a_rows, a.stride), panel, depth, c, width);
                    }
                }
            }
            c.add = true;
        }
    }
}

/// A row of a panel, which begins with a line of memory.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Row<T, const W: usize>([T; W]);

/// The columns of `b` as rows of `W` elements, filled up with zeros.
#[inline(always)]
fn panel<T: Number, const W: usize>(b: Matrix<'_, T>) -> Vec<Row<T, W>> {
    let ([depth, width], [down, along]) = (b.size, b.stride);
    let at =
        |l: usize, j: usize| (b.offset as isize + l as isize * down + j as isize * along) as usize;
    let none = Row([T::ZERO; W]);
    if along == 1 {
        let row = |l| {
            let row = &b.data[at(l, 0)..][..width];
            if let Some(row) = row.first_chunk::<W>() {
                return Row(*row);
            }
            let mut padded = none;
            padded.0[..width].copy_from_slice(row);
            padded
        };
        return (0..depth).map(row).collect();
    }
    let mut rows = Vec::with_capacity(depth);
    while down == 1 && rows.len() + SQUARE <= depth {
        let l = rows.len();
        let mut square = [none; SQUARE];
        for j in 0..width {
            let column = &b.data[at(l, j)..][..SQUARE];
            for (row, &x) in square.iter_mut().zip(column) {
                row.0[j] = x;
            }
        }
        rows.extend_from_slice(&square);
    }
    while rows.len() < depth {
        let (l, mut row) = (rows.len(), none);
        for (j, x) in row.0[..width].iter_mut().enumerate() {
            *x = b.data[at(l, j)];
        }
        rows.push(row);
    }
    rows
}

/// `R` rows and `width` of `W` columns of the result, whose terms are added in order.
///
/// # Safety
/// - `a` points to element `[0, 0]` of `R` rows and `depth` columns, whose strides are beside it.
/// - `b` points to `depth` rows of `W` elements, whose distance is beside it.
/// - `c` is valid for reads and writes of `R` rows of `width` elements, which no one else reads or writes; `width` is at
///   most `W`.
#[inline(always)]
unsafe fn tile<T: Number, I: Isa, const R: usize, const W: usize>(
    (a, [down, along]): (*const T, [isize; 2]),
    (b, pitch): (*const T, isize),
    depth: usize,
    c: Target<T>,
    width: usize,
) {
    let mut sums = [[T::ZERO; W]; R];
    for l in 0..depth as isize {
        // SAFETY: the caller vouches for row `l < depth` of `b`.
        let row = unsafe { *b.offset(l * pitch).cast::<[T; W]>() };
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller vouches for element `[r, l]` of `a`.
            let x = unsafe { *a.offset(r as isize * down + l * along) };
            for j in 0..W {
                sums[j] = x.times_plus::<I>(row[j], sums[j]);
            }
        }
    }
    // The compiler must not see that the sums are what is written below, where slices are taken of them: else it keeps them in
    // memory in the loop above too.
    let sums = black_box(sums);
    for (r, sums) in sums.iter().enumerate() {
        // SAFETY: the caller vouches for `width` elements of row `r < R` of `c`.
        let out = unsafe { std::slice::from_raw_parts_mut(c.to.add(r * c.pitch), width) };
        match (out.first_chunk_mut::<W>(), c.add) {
            (Some(out), false) => *out = *sums,
            (Some(out), true) => {
                for j in 0..W {
                    out[j] = out[j].plus(sums[j]);
                }
            }
            (None, false) => out.copy_from_slice(&sums[..width]),
            (None, true) => {
                for (o, &sum) in out.iter_mut().zip(sums) {
                    *o = o.plus(sum);
                }
            }
        }
    }
}
