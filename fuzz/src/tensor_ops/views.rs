//! Views: other shapes and orders of the same elements.

use super::{Kind, Machine, Pair};
use std::ops::Bound;

impl Machine<'_> {
    pub fn view_step<T: Kind>(&mut self) {
        let x: Pair<T> = self.take();
        let (got, want, n) = (&x.got, &x.want, x.want.ndim());
        let d = &mut self.draw;
        match d.below(18) {
            0 => {
                let (a, b) = (d.dim(n), d.dim(n));
                self.exact(
                    "transpose",
                    &x,
                    &(a, b),
                    got.transpose(a as isize, b as isize),
                    want.transpose(a, b),
                );
            }
            1 => {
                let order = d.order(n);
                self.exact(
                    "permute",
                    &x,
                    &&order,
                    got.permute(&order),
                    want.permute(&order),
                );
            }
            2 => {
                let (a, b) = (d.list(2, |d| d.dim(n)), d.list(2, |d| d.dim(n)));
                self.exact(
                    "movedim",
                    &x,
                    &(&a, &b),
                    got.movedim(&a, &b),
                    want.movedim(&a, &b),
                );
            }
            3 => {
                let dims = d.list(2, |d| d.dim(n));
                self.exact(
                    "squeeze",
                    &x,
                    &&dims,
                    got.squeeze(&dims),
                    want.squeeze(&dims),
                );
            }
            4 => self.exact(
                "squeeze_all",
                &x,
                &(),
                Ok(got.squeeze_all()),
                want.squeeze_all(),
            ),
            5 => {
                let dim = d.dim(n + 1);
                self.exact(
                    "unsqueeze",
                    &x,
                    &dim,
                    got.unsqueeze(dim as isize),
                    want.unsqueeze(dim),
                );
            }
            6 | 7 => {
                let mut sizes: Vec<i64> = want.shape.iter().map(|&s| s as i64).collect();
                for s in &mut sizes {
                    if *s == 1 && d.bit() || d.rarely(24) {
                        *s = d.whole(-1, 4);
                    }
                }
                if n < 4 && d.bit() {
                    sizes.insert(0, d.whole(0, 3));
                }
                if d.bit() {
                    self.exact(
                        "broadcast_to",
                        &x,
                        &&sizes,
                        got.broadcast_to(&sizes),
                        want.broadcast_to(&sizes),
                    );
                } else {
                    self.exact(
                        "expand",
                        &x,
                        &&sizes,
                        got.expand(&sizes),
                        want.expand(&sizes),
                    );
                }
            }
            8 => {
                let (dim, start, len) = (d.dim(n), d.whole(-4, 4), d.size(4));
                self.exact(
                    "narrow",
                    &x,
                    &(dim, start, len),
                    got.narrow(dim as isize, start as isize, len),
                    want.narrow(dim, start, len),
                );
            }
            9 => {
                let (dim, at) = (d.dim(n), d.whole(-4, 4));
                self.exact(
                    "select",
                    &x,
                    &(dim, at),
                    got.select(dim as isize, at as isize),
                    want.select(dim, at),
                );
            }
            10 | 11 => {
                let (dim, start, step) = (d.dim(n), d.whole(-6, 6), d.whole(-3, 3));
                let end = if d.bit() { None } else { Some(d.whole(-6, 9)) };
                let to = end.map_or(Bound::Unbounded, |e| Bound::Excluded(e as isize));
                let range = (Bound::Included(start as isize), to);
                self.exact(
                    "slice",
                    &x,
                    &(dim, start, end, step),
                    got.slice(dim as isize, range, step as isize),
                    want.slice(dim, start, end, step),
                );
            }
            12 => {
                let dims = d.list(n, |d| d.dim(n));
                self.exact("flip", &x, &&dims, got.flip(&dims), want.flip(&dims));
            }
            13 => {
                let (a, b) = (d.dim(n), d.dim(n));
                self.exact(
                    "flatten",
                    &x,
                    &(a, b),
                    got.flatten(a as isize, b as isize),
                    want.flatten(a, b),
                );
            }
            14 => {
                let (offset, a, b) = (d.whole(-3, 3), d.dim(n), d.dim(n));
                self.exact(
                    "diagonal",
                    &x,
                    &(offset, a, b),
                    got.diagonal(offset as isize, a as isize, b as isize),
                    want.diagonal(offset, a, b),
                );
            }
            15 => {
                // Some sizes merged or split, one perhaps left open.
                let mut sizes: Vec<i64> = want.shape.iter().map(|&s| s as i64).collect();
                if sizes.len() > 1 && d.bit() {
                    let at = d.below(sizes.len() - 1);
                    let merged = sizes[at] * sizes.remove(at + 1);
                    sizes[at] = merged;
                }
                if !sizes.is_empty() && d.bit() {
                    let at = d.below(sizes.len());
                    let part = d.between(1, 4);
                    if sizes[at] % part == 0 {
                        sizes[at] /= part;
                        sizes.insert(at + 1, part);
                    }
                }
                if !sizes.is_empty() && d.rarely(3) {
                    let at = d.below(sizes.len());
                    sizes[at] = if d.rarely(6) { d.whole(-2, 4) } else { -1 };
                }
                self.exact(
                    "reshape",
                    &x,
                    &&sizes,
                    got.reshape(&sizes),
                    want.reshape(&sizes),
                );
                // A view of the same, if the strides allow one.
                if let Ok(view) = got.view(&sizes) {
                    self.exact("view", &x, &&sizes, Ok(view), want.reshape(&sizes));
                }
            }
            16 => {
                let (dim, size, step) = (d.dim(n), d.size(4), d.size(3));
                self.exact(
                    "unfold",
                    &x,
                    &(dim, size, step),
                    got.unfold(dim as isize, size, step),
                    want.unfold(dim, size, step),
                );
            }
            _ => {
                let t = if n < 2 {
                    Some(want.clone())
                } else {
                    want.transpose(-1, -2)
                };
                self.exact("t", &x, &(), Ok(got.t()), t);
            }
        }
    }
}
