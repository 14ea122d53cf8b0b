//! Rows of few elements, [`WIDTH`] of them side by side: a vector holds one element of each row, so that a row of ten
//! classes costs ten steps of a vector that other rows share, and no sum within a vector.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::lanes::{WIDTH, copy_short};
use super::rows::RowBlock;
use super::softmax::{count_in, larger, least_beside};
use super::standing::Neighbours;
use crate::element::Float;

/// One element of each row.
pub type Column<T> = [T; WIDTH];

/// Rows of so many elements fit: two vectors, since a row that fills none of its own costs as much as two.
pub const MOST: usize = 2 * WIDTH;

/// Rows of so many elements are quicker side by side where each is only read and written once: softmax and its kin.
pub const FEW: usize = 24;

/// Groups of rows that are read or written together where they stand.
pub const TOGETHER: usize = 4;

/// Up to [`WIDTH`] rows of up to [`MOST`] elements, column by column. No column straddles two lines of memory.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Columns<T> {
    columns: [Column<T>; MOST],
    len: usize,
}

impl<T: Float> Columns<T> {
    /// Without rows, to be [read](Columns::read) into.
    #[inline(always)]
    pub fn empty() -> Self {
        Columns {
            columns: [[T::ZERO; WIDTH]; MOST],
            len: 0,
        }
    }

    /// Whether rows of `len` elements fit.
    #[inline(always)]
    pub fn fit(len: usize) -> bool {
        (1..=MOST).contains(&len)
    }

    /// Puts `row` in place of the row in lane `lane`.
    #[inline(always)]
    pub fn set_row(&mut self, lane: usize, row: &[T]) {
        for (column, &v) in self.iter_mut().zip(row) {
            column[lane] = v;
        }
    }

    /// The row in lane `lane`, in a place that has room for the longest.
    #[inline(always)]
    pub fn row(&self, lane: usize) -> [T; MOST] {
        let mut row = [T::ZERO; MOST];
        for (v, column) in row.iter_mut().zip(self.iter()) {
            *v = column[lane];
        }
        row
    }

    /// Puts rows `at..at + n` of a block in place of what was there: at least one and at most [`WIDTH`], of as many elements
    /// as [fit](Columns::fit).
    #[inline(always)]
    pub fn read(&mut self, block: RowBlock<'_, T>, at: usize, n: usize, len: usize) {
        self.len = len;
        for lane in 0..WIDTH {
            // Lanes without a row repeat the last one.
            let row = block.row(at + lane.min(n - 1));
            for (column, &v) in self.columns.iter_mut().zip(&row[..len]) {
                column[lane] = v;
            }
        }
    }

    /// Puts the rows `at..at + n` of some that stand in place of what was in `groups`, as many to each as it has room for.
    ///
    /// Several groups are read together, since where columns lie a power of two apart their lines push each other out of the
    /// cache: each is read whole.
    #[inline(always)]
    pub fn read_standing(
        groups: &mut [Self; TOGETHER],
        rows: Neighbours<'_, '_, T>,
        at: usize,
        n: usize,
    ) {
        for j in 0..rows.row_len() {
            let column = rows.column(j, at, n);
            for (group, from) in groups.iter_mut().zip(column.chunks(WIDTH)) {
                let column = &mut group.columns[j];
                match from.first_chunk() {
                    Some(from) => *column = *from,
                    None => {
                        *column = [from[0]; WIDTH];
                        copy_short(&mut column[..from.len()], from);
                    }
                }
            }
        }
        for group in groups {
            group.len = rows.row_len();
        }
    }

    /// Writes the rows of `groups` as those from row `at` on of some that stand, `out[j]` holding their elements `j`: as many
    /// as there is room for.
    #[inline(always)]
    pub fn write_standing(groups: &[Self; TOGETHER], out: &mut [&mut [T]], at: usize) {
        for (j, out) in out.iter_mut().enumerate() {
            for (group, out) in groups.iter().zip(out[at..].chunks_mut(WIDTH)) {
                let column = &group.columns[j];
                match out.first_chunk_mut() {
                    Some(out) => *out = *column,
                    None => copy_short(out, &column[..out.len()]),
                }
            }
        }
    }

    /// Puts [`WIDTH`] rows of `len` elements `value` in place of what was there.
    #[inline(always)]
    pub fn fill(&mut self, len: usize, value: T) {
        self.len = len;
        for column in self.iter_mut() {
            *column = [value; WIDTH];
        }
    }

    /// The number of elements in each row.
    #[inline(always)]
    pub fn width(&self) -> usize {
        self.len
    }

    /// Changes element `i` of a row.
    #[inline(always)]
    pub fn set(&mut self, row: usize, i: usize, value: T) {
        self.columns[i][row] = value;
    }

    /// The columns.
    #[inline(always)]
    pub fn iter(&self) -> impl Iterator<Item = &Column<T>> {
        self.columns[..self.len].iter()
    }

    /// The columns.
    #[inline(always)]
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Column<T>> {
        self.columns[..self.len].iter_mut()
    }

    /// Writes the rows, as many as `out` has room for, one after the other.
    #[inline(always)]
    pub fn write(&self, out: &mut [T]) {
        for (lane, row) in out
            .chunks_exact_mut(self.len.max(1))
            .take(WIDTH)
            .enumerate()
        {
            for (o, column) in row.iter_mut().zip(&self.columns) {
                *o = column[lane];
            }
        }
    }

    /// Puts `e^(x - max)` into `out`, `max` being the largest element of a row, and returns that and `Σ e^(x - max)` over
    /// all elements of the row but one that is the largest; `None` if a largest element is not finite.
    #[inline(always)]
    pub fn exponentials(&self, out: &mut Self) -> Option<(Column<T>, Column<f64>)> {
        out.len = self.len;
        dispatch(Exponentials(
            &self.columns[..self.len],
            &mut out.columns[..self.len],
        ))
    }
}

/// A function of its own, in which the compiler keeps vectors whole.
struct Exponentials<'a, T>(&'a [Column<T>], &'a mut [Column<T>]);

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
        let (x, out) = (self.0, self.1);
        let mut sums = [0.0; WIDTH];
        for (x, out) in x.iter().zip(out.iter_mut()) {
            let mut e = *x;
            for (v, &max) in e.iter_mut().zip(&max) {
                *v = (*v - max).exp_nonpositive::<I>();
            }
            for (sum, v) in sums.iter_mut().zip(&e) {
                *sum += v.f64();
            }
            *out = e;
        }
        let enough = 1.0 + least_beside::<T>();
        if sums.iter().fold(true, |all, &s| all & (s >= enough)) {
            sums.iter_mut().for_each(|sum| *sum -= 1.0);
            return Some((max, sums));
        }
        // What rounds to 1 counts as the largest does, so that a confident row keeps its small sum. Its neighbours keep theirs
        // too: no row depends on what stands beside it.
        let (mut rest, mut ones) = ([0.0; WIDTH], [T::ZERO; WIDTH]);
        for e in out.iter() {
            count_in(e, &mut rest, &mut ones);
        }
        for lane in 0..WIDTH {
            let counted = rest[lane] + (ones[lane].f64() - 1.0);
            let is_enough = sums[lane] >= enough;
            rest[lane] = if is_enough { sums[lane] - 1.0 } else { counted };
        }
        Some((max, rest))
    }
}

/// `dy = y (dy - Σ dy y)` of each row: backward of softmax from its result.
pub fn softmax_backward_columns<T: Float>(y: &Columns<T>, dy: &mut Columns<T>) {
    dispatch(Backward::<T, false>(y, dy));
}

/// `dy = dy - e^y Σ dy` of each row: backward of log-softmax from its result, which is not above 0.
pub fn log_softmax_backward_columns<T: Float>(y: &Columns<T>, dy: &mut Columns<T>) {
    dispatch(Backward::<T, true>(y, dy));
}

struct Backward<'a, T, const LOG: bool>(&'a Columns<T>, &'a mut Columns<T>);

impl<T: Float, const LOG: bool> Kernel for Backward<'_, T, LOG> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Backward(y, dy) = self;
        let mut totals = [0.0; WIDTH];
        for (y, dy) in y.iter().zip(dy.iter()) {
            for lane in 0..WIDTH {
                totals[lane] += if LOG {
                    dy[lane].f64()
                } else {
                    dy[lane].f64() * y[lane].f64()
                };
            }
        }
        let mut sums = [T::ZERO; WIDTH];
        for (sum, total) in sums.iter_mut().zip(totals) {
            *sum = T::of(total);
        }
        for (y, dy) in y.iter().zip(dy.iter_mut()) {
            let mut dx = *dy;
            for lane in 0..WIDTH {
                dx[lane] = if LOG {
                    dx[lane] - y[lane].exp_nonpositive::<I>() * sums[lane]
                } else {
                    y[lane] * (dx[lane] - sums[lane])
                };
            }
            *dy = dx;
        }
    }
}
