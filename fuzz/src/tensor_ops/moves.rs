//! Operations that arrange elements anew and compute nothing.

use super::{Kind, Machine, Near, Pair};
use crate::array::Array;
use tensor_core::Tensor;

impl Machine<'_> {
    pub fn move_step<T: Kind>(&mut self) {
        match self.draw.below(4) {
            0 => self.view_step::<T>(),
            1 => self.arrange_step::<T>(),
            2 => self.turn_step::<T>(),
            _ => self.pick_step::<T>(),
        }
    }

    fn arrange_step<T: Kind>(&mut self) {
        let x: Pair<T> = self.take();
        let (got, want, n) = (&x.got, &x.want, x.want.ndim());
        match self.draw.below(14) {
            0 => {
                let (shifts, dims) = (
                    self.draw.list(2, |d| d.whole(-5, 5)),
                    self.draw.list(2, |d| d.dim(n)),
                );
                self.exact(
                    "roll",
                    &x,
                    &(&shifts, &dims),
                    got.roll(&shifts, &dims),
                    want.roll(&shifts, &dims),
                );
            }
            1 => {
                let mut repeats: Vec<i64> = (0..n).map(|_| self.draw.whole(0, 3)).collect();
                if self.draw.rarely(4) {
                    repeats.insert(0, self.draw.whole(-1, 2));
                }
                self.exact(
                    "repeat",
                    &x,
                    &&repeats,
                    got.repeat(&repeats),
                    want.repeat(&repeats),
                );
                repeats.drain(..self.draw.below(repeats.len() + 1));
                let all = [&vec![1; n.saturating_sub(repeats.len())][..], &repeats].concat();
                self.exact("tile", &x, &&repeats, got.tile(&repeats), want.repeat(&all));
            }
            2 => {
                let (repeats, dim) = (self.draw.size(3), self.draw.dim(n));
                self.exact(
                    "repeat_interleave",
                    &x,
                    &(repeats, dim),
                    got.repeat_interleave(repeats, dim as isize),
                    want.repeat_interleave(repeats, dim),
                );
            }
            3 => {
                let (pad, value) = (
                    self.draw.list(2 * n.min(2), |d| d.whole(-2, 2)),
                    T::any(&mut self.draw),
                );
                self.exact(
                    "pad",
                    &x,
                    &(&pad, value),
                    got.pad(&pad, value),
                    want.pad(&pad, &value.to_f64()),
                );
            }
            4 => self.exact(
                "contiguous",
                &x,
                &(),
                Ok(got.contiguous()),
                Some(want.clone()),
            ),
            5 | 6 => {
                let mut parts = vec![x.clone()];
                for _ in 0..self.draw.below(3) {
                    let mut shape = want.shape.clone();
                    if !shape.is_empty() && self.draw.bit() {
                        let at = self.draw.below(shape.len());
                        shape[at] = self.draw.below(4);
                    }
                    let part = match self.draw.below(4) {
                        0 => self.take(),
                        1 => self.fresh(&[0]),
                        _ => self.fresh(&shape),
                    };
                    parts.push(part);
                }
                let got: Vec<&Tensor<T>> = parts.iter().map(|p| &p.got).collect();
                let want: Vec<&Array<f64>> = parts.iter().map(|p| &p.want).collect();
                let shapes: Vec<&Vec<usize>> = want.iter().map(|w| &w.shape).collect();
                if self.draw.bit() {
                    let dim = self.draw.dim(n);
                    self.exact(
                        "cat",
                        &x,
                        &(shapes, dim),
                        Tensor::cat(&got, dim as isize),
                        Array::cat(&want, dim),
                    );
                } else {
                    let dim = self.draw.dim(n + 1);
                    self.exact(
                        "stack",
                        &x,
                        &(shapes, dim),
                        Tensor::stack(&got, dim as isize),
                        Array::stack(&want, dim),
                    );
                }
            }
            7 => {
                // The pieces, joined again.
                let (size, dim) = (self.draw.size(4), self.draw.dim(n));
                let pieces = match self.draw.below(3) {
                    0 => got.split(size, dim as isize),
                    1 => got.chunk(size, dim as isize),
                    _ => got.unbind(dim as isize).map(|all| {
                        all.iter()
                            .map(|p| p.unsqueeze(dim as isize))
                            .collect::<Result<_, _>>()
                            .expect("a piece")
                    }),
                };
                if let Ok(pieces) = pieces
                    && !pieces.is_empty()
                {
                    let pieces: Vec<&Tensor<T>> = pieces.iter().collect();
                    self.exact(
                        "split and cat",
                        &x,
                        &(size, dim),
                        Tensor::cat(&pieces, dim as isize),
                        Some(want.clone()),
                    );
                }
                let sizes: Vec<usize> =
                    (0..self.draw.below(3)).map(|_| self.draw.size(3)).collect();
                if let Ok(pieces) = got.split_sizes(&sizes, dim as isize) {
                    assert_eq!(pieces.len(), sizes.len());
                }
            }
            8 => {
                let offset = self.draw.whole(-3, 3);
                let lower = self.draw.bit();
                let kept = (n >= 2).then(|| {
                    Array::build(&want.shape, |index| {
                        let above = index[n - 1] as i64 - index[n - 2] as i64;
                        let keep = if lower {
                            above <= offset
                        } else {
                            above >= offset
                        };
                        if keep { want.at(index) } else { 0.0 }
                    })
                });
                let made = if lower {
                    got.tril(offset as isize)
                } else {
                    got.triu(offset as isize)
                };
                self.exact("tril or triu", &x, &(offset, lower), made, kept);
            }
            9 => {
                let (offset, a, b) = (
                    self.draw.whole(-2, 2),
                    self.draw.dim(n + 1),
                    self.draw.dim(n + 1),
                );
                // What was put there is seen there.
                if let Ok(made) = got.diag_embed(offset as isize, a as isize, b as isize)
                    && made.numel() < 600
                {
                    let back = made.diagonal(offset as isize, a as isize, b as isize);
                    self.exact("diag_embed", &x, &(offset, a, b), back, Some(want.clone()));
                }
            }
            10 => {
                let mask: Pair<bool> = self.beside(&x);
                let y: Pair<T> = self.beside(&x);
                let chosen = mask.want.zip(want, |m, x| (m, x));
                let chosen =
                    chosen.and_then(|c| c.zip(&y.want, |(m, x), y| if m != 0.0 { x } else { y }));
                self.exact(
                    "where",
                    &x,
                    &(&mask.want.shape, &y.want.shape),
                    mask.got.where_(got, &y.got),
                    chosen,
                );
                let value = T::any(&mut self.draw);
                let filled = mask
                    .want
                    .zip(want, |m, x| if m != 0.0 { value.to_f64() } else { x });
                self.exact(
                    "masked_fill",
                    &x,
                    &&mask.want.shape,
                    got.masked_fill(&mask.got, value),
                    filled,
                );
            }
            11 => {
                // In place, on a copy that shares the buffer.
                let index: Vec<i64> = (0..n)
                    .map(|d| self.draw.whole(0, want.shape[d].max(1) as i64 - 1))
                    .collect();
                let value = T::any(&mut self.draw);
                let mut changed = got.clone();
                let inside = index
                    .iter()
                    .zip(&want.shape)
                    .all(|(&i, &n)| (0..n as i64).contains(&i));
                match changed.set(&index, value) {
                    Ok(()) => {
                        let wrapped: Vec<usize> = (index.iter().zip(&want.shape))
                            .map(|(&i, &n)| if i < 0 { i + n as i64 } else { i } as usize)
                            .collect();
                        let expected = Array::build(&want.shape, |at| {
                            if at == wrapped {
                                value.to_f64()
                            } else {
                                want.at(at)
                            }
                        });
                        self.exact("set", &x, &&index, Ok(changed), Some(expected));
                    }
                    Err(e) => assert!(!inside, "set {index:?} of {:?}: {e}", want.shape),
                }
            }
            12 => self.cast_step(&x),
            _ => {
                let (dim, sizes) = (self.draw.dim(n), self.draw.list(3, |d| d.whole(-1, 4)));
                if let Ok(made) = got.unflatten(dim as isize, &sizes) {
                    let shape: Vec<i64> = made.shape().iter().map(|&n| n as i64).collect();
                    self.exact(
                        "unflatten",
                        &x,
                        &(dim, &sizes),
                        Ok(made),
                        want.reshape(&shape),
                    );
                }
            }
        }
    }

    fn cast_step<T: Kind>(&mut self, x: &Pair<T>) {
        let (want, info) = (&x.want, &x.want.shape);
        match self.draw.below(4) {
            0 => self.settle(
                "cast",
                info,
                Ok(x.got.cast::<f32>()),
                Some(want.clone()),
                Near::Exact,
            ),
            1 => self.settle(
                "cast",
                info,
                Ok(x.got.cast::<f64>()),
                Some(want.clone()),
                Near::Exact,
            ),
            2 => {
                let whole = want.map(|v| (*v as i64) as f64);
                self.settle(
                    "cast",
                    info,
                    Ok(x.got.cast::<i64>()),
                    Some(whole),
                    Near::Exact,
                );
            }
            _ => {
                let truth = want.map(|&v| f64::from(v != 0.0));
                self.settle(
                    "cast",
                    info,
                    Ok(x.got.cast::<bool>()),
                    Some(truth),
                    Near::Exact,
                );
            }
        }
    }
}
