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

/// The first place of the largest or, if `least`, smallest element of a row; of a NaN, if there is one.
struct ArgExtreme<'a, T> {
    row: &'a [T],
    least: bool,
}
impl<T: Number> Kernel for ArgExtreme<'_, T> {
    type Out = usize;
    #[inline(always)]
    fn run<I: Isa>(self) -> usize {
        let row = self.row;
        let extreme = if self.least {
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
struct ArgExtremes<'a, T> {
    rows: RowBlock<'a, T>,
    out: &'a mut [i64],
    least: bool,
}
impl<T: Number> Kernel for ArgExtremes<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let ArgExtremes { rows, out, least } = self;
        let len = rows.row_len();
        if len >= WIDTH {
            for (i, o) in out.iter_mut().enumerate() {
                let row = rows.row(i);
                *o = dispatch(ArgExtreme { row, least }) as i64;
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
                better(&mut best, &mut place, column, j as i32, least);
            }
            for (o, &place) in out.iter_mut().zip(&place) {
                *o = i64::from(place);
            }
        }
    }
}

/// Takes those of the elements `j` of rows that are better than what was found before.
#[inline(always)]
fn better<T: Number, const LANES: usize>(
    best: &mut [T; LANES],
    place: &mut [i32; LANES],
    column: &[T; LANES],
    j: i32,
    least: bool,
) {
    for lane in 0..LANES {
        let (x, b) = (column[lane], best[lane]);
        // The first NaN is better than anything.
        let better = if least { x < b } else { x > b } | x.is_nan_();
        let better = better & !b.is_nan_();
        best[lane] = if better { x } else { b };
        place[lane] = if better { j } else { place[lane] };
    }
}

/// [`ArgExtreme`] of rows that stand.
struct StandingArgExtremes<'a, T> {
    rows: Neighbours<'a, 'a, T>,
    out: &'a mut [i64],
    least: bool,
}
impl<T: Number> Kernel for StandingArgExtremes<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let StandingArgExtremes { rows, out, least } = self;
        // As many columns as let each be read in lines of its own.
        const LANES: usize = 4 * WIDTH;
        for (i, out) in out.chunks_mut(LANES).enumerate() {
            let (mut best, mut place) = ([T::ZERO; LANES], [0i32; LANES]);
            let first = rows.column(0, i * LANES, out.len());
            best[..out.len()].copy_from_slice(first);
            for j in 1..rows.row_len() {
                let column = rows.column(j, i * LANES, out.len());
                let mut x = best;
                match column.first_chunk() {
                    Some(column) => x = *column,
                    None => x[..column.len()].copy_from_slice(column),
                }
                better(&mut best, &mut place, &x, j as i32, least);
            }
            for (o, &place) in out.iter_mut().zip(&place) {
                *o = i64::from(place);
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
        if let Some(index) =
            reduce_standing(op, self, &mask, &shape, i32::MAX as usize, |rows, out| {
                dispatch(StandingArgExtremes { rows, out, least })
            })
        {
            return index;
        }
        reduce_blocks(op, self, &mask, shape, |_, rows, out| {
            dispatch(ArgExtremes { rows, out, least })
        })
    }
}
