//! The product of a matrix and a vector, carried in the accumulator's type and rounded once: what it takes to read the
//! matrix leaves time for that.

use super::dispatch::{Kernel, dispatch};
use super::gemm::Matrix;
use super::isa::Isa;
use super::par;
use super::reduce::{ALONE, Reducer, chunk_of, tree_apart};
use super::reduce_columns::fold_columns;
use super::source::Source;
use crate::element::{Element, Number};
use crate::layout::Layout;
use smallvec::smallvec;

/// Rows of fewer elements are multiplied side by side.
const SHORT: usize = 16;
/// Columns shorter than this are not worth being carried along together.
const NARROW: usize = 8;

/// `put(&mut out[i], row i of a · x)`, for an `x` that is one column.
///
/// # Panics
/// If the sizes disagree or a matrix reaches outside its slice; callers have checked both.
pub(super) fn matvec<T: Number>(
    a: Matrix<'_, T>,
    x: Matrix<'_, T>,
    out: &mut [T],
    put: impl Fn(&mut T, T) + Sync,
) {
    let ([m, k], [down, along]) = (a.size, a.stride);
    let line = |offset, len, stride| Layout {
        shape: smallvec![len],
        strides: smallvec![stride],
        offset,
    };
    let x = widened(&Source::new(x.data, &line(x.offset, k, x.stride[0])), k);
    let put = |o: &mut T, sum| put(o, T::narrow(sum));
    if down == 1 && along != 1 && m >= NARROW {
        let weights = Weighted {
            weights: &x,
            weight: Element::ZERO,
        };
        let places = Source::new(a.data, &line(a.offset, m, down));
        return fold_columns(
            weights,
            a.data,
            &places,
            &line(a.offset, k, along),
            m,
            out,
            put,
        );
    }
    let first = |i: usize| (a.offset as isize + i as isize * down) as usize;
    let row = |i: usize| Source::new(a.data, &line(first(i), k, along));
    if k > ALONE {
        // Long rows are split among the threads one after the other.
        let chunk = chunk_of(k);
        for (i, o) in out.iter_mut().enumerate() {
            let row = row(i);
            let parts = par::each(k.div_ceil(chunk), &|part| {
                dot(&row, &x, part * chunk, k.min((part + 1) * chunk))
            });
            put(o, parts.into_iter().fold(Element::ZERO, Number::plus));
        }
        return;
    }
    let rows_follow = along == 1 && down == k as isize;
    par::split(out, 1, k + 8, |start, out| {
        if k < SHORT && rows_follow {
            /// Rows multiplied before their sums are put.
            const AT_A_TIME: usize = 64;
            let mut sums = [Element::ZERO; AT_A_TIME];
            for (i, out) in out.chunks_mut(AT_A_TIME).enumerate() {
                let (n, at) = (out.len(), first(start + i * AT_A_TIME));
                dispatch(DotRows(&a.data[at..at + n * k], &x, &mut sums[..n]));
                for (o, &sum) in out.iter_mut().zip(&sums) {
                    put(o, sum);
                }
            }
            return;
        }
        for (i, o) in out.iter_mut().enumerate() {
            put(
                o,
                match along {
                    1 => dispatch(Dot(&a.data[first(start + i)..][..k], &x)),
                    _ => dot(&row(start + i), &x, 0, k),
                },
            );
        }
    });
}

/// The vector in the accumulator's type.
fn widened<T: Number>(x: &Source<'_, T>, len: usize) -> Vec<T::Acc> {
    if let Some(x) = x.flat() {
        return x[..len].iter().map(|x| x.widen()).collect();
    }
    let mut near = vec![T::ZERO; len];
    x.gather(0, &mut near);
    near.into_iter().map(T::widen).collect()
}

/// Positions `start..end` of a row with those of the vector.
fn dot<T: Number>(row: &Source<'_, T>, x: &[T::Acc], start: usize, end: usize) -> T::Acc {
    if let Some(row) = row.flat() {
        return dispatch(Dot(&row[start..end], &x[start..end]));
    }
    let (mut row, mut sum, mut at) = (row.reader(), T::Acc::ZERO, start);
    while at < end {
        let len = row.ready(at, end - at);
        sum = sum.plus(dispatch(Dot(row.read(at, len), &x[at..at + len])));
        at += len;
    }
    sum
}

/// The sum of a column's elements, each times the weight of its row.
#[derive(Clone, Copy)]
struct Weighted<'a, A> {
    weights: &'a [A],
    weight: A,
}

impl<T: Number> Reducer<T> for Weighted<'_, T::Acc> {
    type Acc = T::Acc;
    const BY_ROW: bool = true;
    fn identity(self) -> T::Acc {
        T::Acc::ZERO
    }
    fn at_row(self, row: usize) -> Self {
        Weighted {
            weight: self.weights[row],
            ..self
        }
    }
    #[inline(always)]
    fn add<I: Isa>(self, acc: T::Acc, x: T) -> T::Acc {
        acc.plus(x.widen().times(self.weight))
    }
    #[inline(always)]
    fn merge(self, a: T::Acc, b: T::Acc) -> T::Acc {
        a.plus(b)
    }
}

/// The dot product of a row and the vector.
pub(crate) struct Dot<'a, T: Number>(pub(crate) &'a [T], pub(crate) &'a [T::Acc]);

impl<T: Number> Kernel for Dot<'_, T> {
    type Out = T::Acc;
    #[inline(always)]
    fn run<I: Isa>(self) -> T::Acc {
        let Dot(row, x) = self;
        if row.len() < SHORT {
            // In the order of `DotRows`.
            in_order(row, x)
        } else if row.len() < 64 {
            lanes::<T, 8>(row, x)
        } else {
            lanes::<T, 32>(row, x)
        }
    }
}

#[inline(always)]
fn in_order<T: Number>(row: &[T], x: &[T::Acc]) -> T::Acc {
    let products = row.iter().zip(x).map(|(row, &x)| row.widen().times(x));
    products.fold(T::Acc::ZERO, Number::plus)
}

#[inline(always)]
fn lanes<T: Number, const LANES: usize>(row: &[T], x: &[T::Acc]) -> T::Acc {
    let mut sums = [T::Acc::ZERO; LANES];
    let (rows, rest) = row.as_chunks::<LANES>();
    let (xs, rest_of_x) = x.as_chunks::<LANES>();
    for (row, x) in rows.iter().zip(xs) {
        for i in 0..LANES {
            sums[i] = sums[i].plus(row[i].widen().times(x[i]));
        }
    }
    for ((sum, row), &x) in sums.iter_mut().zip(rest).zip(rest_of_x) {
        *sum = sum.plus(row.widen().times(x));
    }
    tree_apart(sums, Number::plus)
}

/// Short rows, one after the other, each with the vector: side by side, since each step of one waits for that before.
struct DotRows<'a, T: Number>(&'a [T], &'a [T::Acc], &'a mut [T::Acc]);

impl<T: Number> Kernel for DotRows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        const ROWS: usize = 8;
        let DotRows(rows, x, out) = self;
        let len = x.len();
        let (groups, rest) = out.as_chunks_mut::<ROWS>();
        let whole = groups.len() * ROWS * len;
        for (out, rows) in groups.iter_mut().zip(rows.chunks_exact(ROWS * len)) {
            let mut sums = [T::Acc::ZERO; ROWS];
            for (j, &x) in x.iter().enumerate() {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.plus(rows[i * len + j].widen().times(x));
                }
            }
            *out = sums;
        }
        for (out, row) in rest.iter_mut().zip(rows[whole..].chunks_exact(len)) {
            *out = in_order(row, x);
        }
    }
}
