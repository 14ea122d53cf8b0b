//! Rows of few elements, [`WIDTH`] of them side by side: a vector holds one element of each row, so that a row of ten
//! classes costs ten steps of a vector that other rows share, and no sum within a vector.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::rows::RowBlock;
use super::softmax::{WIDTH, count_in, larger};
use crate::element::Float;

/// One element of each row.
pub type Column<T> = [T; WIDTH];

/// Up to [`WIDTH`] rows of as many elements, column by column.
#[derive(Clone, Copy, Debug)]
pub struct Columns<T> {
    columns: [Column<T>; WIDTH],
    len: usize,
}

impl<T: Float> Columns<T> {
    /// Rows `at..at + n` of a block; `None` if there are more of them, or more elements in them, than a vector holds.
    #[inline(always)]
    pub fn of(block: RowBlock<'_, T>, at: usize, n: usize, len: usize) -> Option<Self> {
        if n == 0 || n > WIDTH || len == 0 || len > WIDTH {
            return None;
        }
        let mut columns = [[T::ZERO; WIDTH]; WIDTH];
        for lane in 0..WIDTH {
            // Lanes without a row repeat the last one.
            let row = block.row(at + lane.min(n - 1));
            for (column, &v) in columns.iter_mut().zip(&row[..len]) {
                column[lane] = v;
            }
        }
        Some(Columns { columns, len })
    }

    /// The number of elements in each row, which is at least 1.
    #[inline(always)]
    pub fn width(&self) -> usize {
        self.len
    }

    /// Element `i` of a row.
    #[inline(always)]
    pub fn at(&self, row: usize, i: usize) -> T {
        self.columns[i][row]
    }

    /// The columns.
    #[inline(always)]
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Column<T>> {
        self.columns[..self.len].iter_mut()
    }

    /// Writes the rows, as many as `out` has room for, one after the other.
    #[inline(always)]
    pub fn write(&self, out: &mut [T]) {
        for (lane, row) in out.chunks_exact_mut(self.len).take(WIDTH).enumerate() {
            for (o, column) in row.iter_mut().zip(&self.columns) {
                *o = column[lane];
            }
        }
    }

    /// Puts `e^(x - max)` in place of each element, `max` being the largest of its row, and returns that and
    /// `Σ e^(x - max)` over all elements of a row but one that is the largest; `None`, and nothing done, if a largest
    /// element is not finite.
    #[inline(always)]
    pub fn exponentials(&mut self) -> Option<(Column<T>, Column<f64>)> {
        dispatch(Exponentials(&mut self.columns[..self.len]))
    }
}

/// A function of its own, in which the compiler keeps vectors whole.
struct Exponentials<'a, T>(&'a mut [Column<T>]);

impl<T: Float> Kernel for Exponentials<'_, T> {
    type Out = Option<(Column<T>, Column<f64>)>;
    #[inline(always)]
    fn run<I: Isa>(self) -> Self::Out {
        let mut max = [T::LOWEST; WIDTH];
        for column in self.0.iter() {
            for (m, &v) in max.iter_mut().zip(column) {
                *m = larger(*m, v);
            }
        }
        if !max.iter().fold(true, |all, m| all & m.finite()) {
            return None;
        }
        // What rounds to 1 counts as the largest does, so that a confident row keeps its small sum.
        let (mut sums, mut ones) = ([0.0; WIDTH], [T::ZERO; WIDTH]);
        for column in self.0.iter_mut() {
            for (v, &max) in column.iter_mut().zip(&max) {
                *v = (*v - max).exp_nonpositive::<I>();
            }
            count_in(column, &mut sums, &mut ones);
        }
        for (sum, n) in sums.iter_mut().zip(ones) {
            *sum += n.f64() - 1.0;
        }
        Some((max, sums))
    }
}
