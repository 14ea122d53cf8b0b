//! The largest and the smallest element along a dimension, and their places.

use crate::element::Number;
use crate::error::{Dims, Error, Result};
use crate::kernel::dispatch::{Kernel, dispatch};
use crate::kernel::isa::Isa;
use crate::kernel::lanes::WIDTH;
use crate::kernel::reduce::Run;
use crate::kernel::rows::RowBlock;
use crate::kernel::standing::Neighbours;
use crate::reduce::{Max, Min};
use crate::rows::{reduce_blocks, reduce_standing};
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// The first place of the largest or, if `LEAST`, smallest element of a row; of a NaN, if there is one.
struct ArgExtreme<'a, T, const LEAST: bool> {
    row: &'a [T],
}
impl<T: Number, const LEAST: bool> Kernel for ArgExtreme<'_, T, LEAST> {
    type Out = usize;
    #[inline(always)]
    fn run<I: Isa>(self) -> usize {
        let row = self.row;
        let extreme = if LEAST {
            Run(Min, row).run::<I>()
        } else {
            Run(Max, row).run::<I>()
        };
        // Where there is a NaN, the extreme is one, and equal to nothing.
        let found = |v: T| (v == extreme) | v.is_nan_();
        // Whole vectors are asked first, and elements only of the one that has it.
        for (i, group) in row.chunks(64).enumerate() {
            if group.iter().fold(false, |any, &v| any | found(v)) {
                return i * 64 + group.iter().position(|&v| found(v)).unwrap_or(0);
            }
        }
        0
    }
}

/// [`ArgExtreme`] of the rows of a block.
struct ArgExtremes<'a, T, const LEAST: bool> {
    rows: RowBlock<'a, T>,
    out: &'a mut [i64],
}
impl<T: Number, const LEAST: bool> Kernel for ArgExtremes<'_, T, LEAST> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let ArgExtremes { rows, out } = self;
        let len = rows.row_len();
        if len >= WIDTH {
            for (i, o) in out.iter_mut().enumerate() {
                let row = rows.row(i);
                *o = dispatch(ArgExtreme::<T, LEAST> { row }) as i64;
            }
            return;
        }
        // Rows that fill no vector, as many of them side by side.
        for (i, out) in out.chunks_mut(WIDTH).enumerate() {
            let mut columns = [[T::ZERO; WIDTH]; WIDTH];
            for lane in 0..out.len() {
                for (column, &x) in columns.iter_mut().zip(rows.row(i * WIDTH + lane)) {
                    column[lane] = x;
                }
            }
            let (mut best, mut place) = (columns[0], [0; WIDTH]);
            for (j, column) in columns[..len].iter().enumerate().skip(1) {
                better::<T, LEAST, WIDTH>(&mut best, &mut place, column, j as i32);
            }
            for (o, &place) in out.iter_mut().zip(&place) {
                *o = i64::from(place);
            }
        }
    }
}

/// Takes those of the elements `j` of rows that are better than what was found before.
#[inline(always)]
fn better<T: Number, const LEAST: bool, const LANES: usize>(
    best: &mut [T; LANES],
    place: &mut [i32; LANES],
    column: &[T; LANES],
    j: i32,
) {
    for lane in 0..LANES {
        let (x, b) = (column[lane], best[lane]);
        // The first NaN is better than anything.
        let better = if LEAST { x < b } else { x > b } | x.is_nan_();
        let better = better & !b.is_nan_();
        best[lane] = if better { x } else { b };
        place[lane] = if better { j } else { place[lane] };
    }
}

/// Columns looked at side by side: what was found of them stays in the first-level cache.
const SIDE_BY_SIDE: usize = 1024;
/// Elements of each that are looked at in one pass over what was found.
const AT_A_TIME: usize = 4;

/// [`ArgExtreme`] of rows that stand.
fn standing_extremes<T: Number, const LEAST: bool>(rows: Neighbours<'_, '_, T>, out: &mut [i64]) {
    for (i, out) in out.chunks_mut(SIDE_BY_SIDE).enumerate() {
        let n = out.len();
        let (mut best, mut place) = ([T::ZERO; SIDE_BY_SIDE], [0i32; SIDE_BY_SIDE]);
        best[..n].copy_from_slice(rows.column(0, i * SIDE_BY_SIDE, n));
        let mut j = 1;
        while j < rows.row_len() {
            let from = Elements::<T, LEAST> {
                first: j,
                columns: std::array::from_fn(|k| {
                    // The last one again in place of those that are not there: it is no better than itself.
                    rows.column((j + k).min(rows.row_len() - 1), i * SIDE_BY_SIDE, n)
                }),
                best: &mut best[..n],
                place: &mut place[..n],
            };
            dispatch(from);
            j += AT_A_TIME;
        }
        for (o, &place) in out.iter_mut().zip(&place) {
            *o = i64::from(place);
        }
    }
}

/// A few elements of each of many rows that stand, from `first` on, and what was found before them.
struct Elements<'a, T, const LEAST: bool> {
    first: usize,
    columns: [&'a [T]; AT_A_TIME],
    best: &'a mut [T],
    place: &'a mut [i32],
}
impl<T: Number, const LEAST: bool> Kernel for Elements<'_, T, LEAST> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let first = self.first as i32;
        let (bests, rest) = self.best.as_chunks_mut::<WIDTH>();
        let (places, rest_of_places) = self.place.as_chunks_mut::<WIDTH>();
        let whole = bests.len();
        let mut columns: [&[[T; WIDTH]]; AT_A_TIME] = [&[]; AT_A_TIME];
        for (column, all) in columns.iter_mut().zip(self.columns) {
            *column = &all.as_chunks().0[..whole];
        }
        for (i, (best, place)) in bests.iter_mut().zip(places).enumerate() {
            // By value, which keeps them in registers.
            let (mut b, mut p) = (*best, *place);
            for (k, column) in columns.iter().enumerate() {
                let x = column[i];
                better::<T, LEAST, WIDTH>(&mut b, &mut p, &x, first + k as i32);
            }
            (*best, *place) = (b, p);
        }
        let whole = whole * WIDTH;
        for (i, (best, place)) in rest.iter_mut().zip(rest_of_places).enumerate() {
            for (k, column) in self.columns.iter().enumerate() {
                let (best, place) = (std::array::from_mut(best), std::array::from_mut(place));
                better::<T, LEAST, 1>(best, place, &[column[whole + i]], first + k as i32);
            }
        }
    }
}

impl<T: Number> Tensor<T> {
    /// The index along `dim` of the largest element: the first of several, and of the first NaN if there is one.
    ///
    /// `x.flatten(0, -1)?.argmax(0)` is PyTorch's `argmax()` over all elements.
    ///
    /// # Errors
    /// [`Error::Empty`] for a dimension of size 0, [`Error::Dim`] for one that is not there.
    pub fn argmax(&self, dim: isize) -> Result<Tensor<i64>> {
        self.arg("argmax", dim, false)
    }

    /// The index along `dim` of the smallest element: the first of several, and of the first NaN if there is one.
    ///
    /// # Errors
    /// [`Error::Empty`] for a dimension of size 0, [`Error::Dim`] for one that is not there.
    pub fn argmin(&self, dim: isize) -> Result<Tensor<i64>> {
        self.arg("argmin", dim, true)
    }

    /// Largest element along `dim` and its index: PyTorch's `max(dim)`.
    ///
    /// # Errors
    /// [`Error::Empty`] for a dimension of size 0, [`Error::Dim`] for one that is not there.
    pub fn max_dim(&self, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        self.extreme("max_dim", dim, false)
    }

    /// Smallest element along `dim` and its index: PyTorch's `min(dim)`.
    ///
    /// # Errors
    /// [`Error::Empty`] for a dimension of size 0, [`Error::Dim`] for one that is not there.
    pub fn min_dim(&self, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        self.extreme("min_dim", dim, true)
    }

    fn extreme(
        &self,
        op: &'static str,
        dim: isize,
        least: bool,
    ) -> Result<(Tensor<T>, Tensor<i64>)> {
        let index = self.arg(op, dim, least)?;
        if self.ndim() == 0 {
            return Ok((self.clone(), index));
        }
        Ok((
            self.gather(dim, &index.unsqueeze(dim)?)?.squeeze(dim)?,
            index,
        ))
    }

    fn arg(&self, op: &'static str, dim: isize, least: bool) -> Result<Tensor<i64>> {
        let d = self.dim_index(op, dim)?;
        if self.ndim() == 0 {
            return Ok(Tensor::scalar(0));
        }
        if self.shape()[d] == 0 {
            return Err(Error::Empty {
                op,
                shape: self.shape().into(),
            });
        }
        let mask: SmallVec<[bool; 4]> = (0..self.ndim()).map(|i| i == d).collect();
        let mut shape: Dims = self.shape().into();
        shape.remove(d);
        if let Some(index) = reduce_standing(
            op,
            self,
            &mask,
            &shape,
            i32::MAX as usize,
            |rows, out| match least {
                true => standing_extremes::<T, true>(rows, out),
                false => standing_extremes::<T, false>(rows, out),
            },
        ) {
            return index;
        }
        reduce_blocks(op, self, &mask, shape, |_, rows, out| match least {
            true => dispatch(ArgExtremes::<T, true> { rows, out }),
            false => dispatch(ArgExtremes::<T, false> { rows, out }),
        })
    }
}
