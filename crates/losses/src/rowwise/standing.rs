//! Short rows that stand, as the classes of pixels do: read and written where they lie.

use super::{Left, Outcome, RowLoss, Rowwise};
use autograd::tensor_core::kernel::columns::{Columns, TOGETHER};
use autograd::tensor_core::kernel::lanes::WIDTH;
use autograd::tensor_core::kernel::standing::{Neighbours, split_standing};
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch};
use autograd::tensor_core::rows;
use autograd::{Float, Result, Tensor};

/// [`Total`](super::kernels::Total) of short rows that stand, with the gradient of the first input alone.
struct StandingTotal<'a, 'o, T, L, const N: usize> {
    loss: &'a L,
    first: usize,
    rows: [Neighbours<'a, 'a, T>; N],
    g: T,
    slopes: &'a mut [&'o mut [T]],
}
impl<T: Float, L: RowLoss<T, N>, const N: usize> Kernel for StandingTotal<'_, '_, T, L, N> {
    type Out = f64;
    #[inline(always)]
    fn run<I: Isa>(self) -> f64 {
        let StandingTotal { loss, g, .. } = self;
        let (mut x, mut dx) = (
            [[Columns::empty(); TOGETHER]; N],
            [Columns::empty(); TOGETHER],
        );
        let (len, width) = (
            self.slopes.len(),
            self.slopes.first().map_or(0, |s| s.len()),
        );
        let mut total = 0.0;
        for at in (0..width).step_by(TOGETHER * WIDTH) {
            let n = (TOGETHER * WIDTH).min(width - at);
            for (x, rows) in x.iter_mut().zip(self.rows) {
                Columns::read_standing(x, rows, at, n);
            }
            for (k, dx) in dx.iter_mut().enumerate().take(n.div_ceil(WIDTH)) {
                let (i, n) = (self.first + at + k * WIDTH, WIDTH.min(n - k * WIDTH));
                let x = x.each_ref().map(|x| &x[k]);
                if let Some(value) = loss.short_rows::<I>(i, n, x, g, dx) {
                    total += value;
                    continue;
                }
                dx.fill(len, T::ZERO);
                for lane in 0..n {
                    let (rows, mut slope) = (x.map(|x| x.row(lane)), dx.row(lane));
                    let (rows, slope) = (rows.each_ref().map(|row| &row[..len]), &mut slope[..len]);
                    let mut begun = [L::Keep::default(); WIDTH];
                    if L::HALVES {
                        begun[0] = loss.begin::<I>(i + lane, rows, slope);
                        loss.between::<I>(&mut begun);
                    }
                    total += loss.finish::<I>(i + lane, rows, begun[0], g, slope);
                    dx.set_row(lane, slope);
                }
            }
            Columns::write_standing(&dx, self.slopes, at);
        }
        total
    }
}

impl<L, const N: usize> Rowwise<L, N> {
    /// The reduced loss, and the gradient of the first input, if no other is wanted and its short rows stand: those of the
    /// gradient will stand too.
    pub(super) fn standing_total<T: Float>(
        &self,
        inputs: &[&Tensor<T>],
        wanted: [bool; N],
        g: T,
    ) -> Option<Result<Outcome<T, L::Keep, N>>>
    where
        L: RowLoss<T, N>,
    {
        let only_first = wanted[0] && wanted[1..].iter().all(|w| !w);
        if !only_first || g == T::ZERO || !self.loss.has_short_rows() {
            return None;
        }
        let rows = rows::standing(std::array::from_fn(|k| inputs[k]), self.dim)?;
        let (len, inner) = (rows[0].len(), rows[0].inner());
        let mut parts = Vec::new();
        let dx = Columns::<T>::fit(len).then(|| {
            Tensor::build(L::NAME, inputs[0].shape(), |out| {
                let cost = len * L::COST + 8;
                parts = split_standing(out, (len, inner), cost, &|first, slopes| {
                    dispatch(StandingTotal {
                        loss: &self.loss,
                        first,
                        rows: rows.each_ref().map(|rows| rows.from(first)),
                        g,
                        slopes,
                    })
                });
            })
        })?;
        let y = self.reduction.value(parts.iter().sum(), self.divisor);
        let (mut slopes, keep) = (std::array::from_fn(|_| None), Vec::new());
        Some(dx.map(|dx| {
            slopes[0] = Some(dx);
            (y, Left { slopes, keep })
        }))
    }
}
