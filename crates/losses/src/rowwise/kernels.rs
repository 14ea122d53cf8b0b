//! The loops over the rows of a block, compiled for each instruction set.

use super::RowLoss;
use autograd::Float;
use autograd::tensor_core::kernel::columns::Columns;
use autograd::tensor_core::kernel::lanes::{LONGEST, WIDTH};
use autograd::tensor_core::kernel::rows::{RowBlock, row_of_each};
use autograd::tensor_core::kernel::{Isa, Kernel};

/// The values of a block of rows.
pub(super) struct Values<'a, T, L, K, const N: usize> {
    pub loss: &'a L,
    pub first: usize,
    pub blocks: [RowBlock<'a, T>; N],
    pub values: &'a mut [f64],
    pub keep: &'a mut [K],
}
impl<T: Float, L: RowLoss<T, N>, const N: usize> Kernel for Values<'_, T, L, L::Keep, N> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (i, (value, keep)) in self.values.iter_mut().zip(self.keep).enumerate() {
            (*value, *keep) = self
                .loss
                .value::<I>(self.first + i, row_of_each(&self.blocks, i));
        }
    }
}

/// The sum of the values of a block of rows, and on the way the gradients of those inputs that are asked for, of rows
/// whose values have the gradient `g`.
pub(super) struct Total<'a, 'o, T, L, const N: usize> {
    pub loss: &'a L,
    pub first: usize,
    pub n: usize,
    pub blocks: [RowBlock<'a, T>; N],
    pub g: T,
    pub slopes: [Option<&'o mut [T]>; N],
}
impl<T: Float, L: RowLoss<T, N>, const N: usize> Kernel for Total<'_, '_, T, L, N> {
    type Out = f64;
    #[inline(always)]
    fn run<I: Isa>(mut self) -> f64 {
        let (n, g) = (self.n, self.g);
        let only_first = self.slopes[0].is_some() && self.slopes[1..].iter().all(|s| s.is_none());
        let mut total = 0.0;
        let mut done = 0;
        let len = self.slopes[0].as_ref().map_or(0, |dx| dx.len() / n.max(1));
        if only_first
            && g != T::ZERO
            && Columns::<T>::fit(len)
            && self.loss.has_short_rows()
            && let Some(dx) = &mut self.slopes[0]
        {
            let (mut x, mut exps) = ([Columns::empty(); N], Columns::empty());
            while done < n {
                let rows = WIDTH.min(n - done);
                for (x, block) in x.iter_mut().zip(self.blocks) {
                    x.read(block, done, rows, len);
                }
                let dx = &mut dx[done * len..][..rows * len];
                let first = self.first + done;
                let (x, slopes) = (x.each_ref(), &mut exps);
                let Some(value) = self.loss.short_rows::<I>(first, rows, x, g, slopes) else {
                    break;
                };
                slopes.write(dx);
                total += value;
                done += rows;
            }
        }
        if only_first
            && g != T::ZERO
            && let Some(dx) = &mut self.slopes[0]
        {
            let at_a_time = if L::HALVES && len <= LONGEST {
                WIDTH
            } else {
                1
            };
            while done < n {
                let here = done..n.min(done + at_a_time);
                let mut begun = [L::Keep::default(); WIDTH];
                if L::HALVES {
                    for (i, begun) in here.clone().zip(&mut begun) {
                        let rows = row_of_each(&self.blocks, i);
                        let dx = &mut dx[i * len..][..len];
                        *begun = self.loss.begin::<I>(self.first + i, rows, dx);
                    }
                    self.loss.between::<I>(&mut begun);
                }
                for (i, begun) in here.clone().zip(begun) {
                    let (at, rows) = (self.first + i, row_of_each(&self.blocks, i));
                    let dx = &mut dx[i * len..][..len];
                    total += self.loss.finish::<I>(at, rows, begun, g, dx);
                }
                done = here.end;
            }
        }
        for i in done..n {
            let rows = row_of_each(&self.blocks, i);
            let at = self.first + i;
            let slopes = self.slopes.each_mut().map(|s| {
                s.as_mut().map(|s| {
                    let len = s.len() / n;
                    &mut s[i * len..][..len]
                })
            });
            let (value, keep) = self.loss.value::<I>(at, rows);
            total += value;
            for (k, dx) in slopes.into_iter().enumerate() {
                match (dx, k) {
                    (None, _) => {}
                    // The constants keep the compiler from making loops for inputs that there are not.
                    (Some(dx), 1) if const { N > 1 } => {
                        slope::<I, T, L, N, 1>(self.loss, at, rows, keep, g, dx);
                    }
                    (Some(dx), 2) if const { N > 2 } => {
                        slope::<I, T, L, N, 2>(self.loss, at, rows, keep, g, dx);
                    }
                    (Some(dx), _) => slope::<I, T, L, N, 0>(self.loss, at, rows, keep, g, dx),
                }
            }
        }
        total
    }
}

/// The slope of one row, and nothing where `g` is 0: what counts for nothing has no gradient, however steep it is.
#[inline(always)]
pub(super) fn slope<I: Isa, T: Float, L: RowLoss<T, N>, const N: usize, const K: usize>(
    loss: &L,
    i: usize,
    rows: [&[T]; N],
    keep: L::Keep,
    g: T,
    dx: &mut [T],
) {
    if g == T::ZERO {
        dx.fill(T::ZERO);
    } else {
        loss.slope::<I, K>(i, rows, keep, g, dx);
    }
}

/// The gradient of input `INPUT` in a block of rows.
pub(super) struct Slopes<'a, T, L, K, const N: usize, const INPUT: usize> {
    pub loss: &'a L,
    pub first: usize,
    pub blocks: [RowBlock<'a, T>; N],
    pub keep: &'a [K],
    pub dy: &'a [T],
    pub out: &'a mut [T],
}
impl<T: Float, L: RowLoss<T, N>, const N: usize, const INPUT: usize> Kernel
    for Slopes<'_, T, L, L::Keep, N, INPUT>
{
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let len = self.out.len() / self.keep.len().max(1);
        for (i, &keep) in self.keep.iter().enumerate() {
            let dx = &mut self.out[i * len..][..len];
            let (at, rows) = (self.first + i, row_of_each(&self.blocks, i));
            slope::<I, T, L, N, INPUT>(self.loss, at, rows, keep, self.dy[at], dx);
        }
    }
}
