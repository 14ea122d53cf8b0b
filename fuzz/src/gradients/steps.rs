//! The operations of differentiable programs: each in the library, and by dual numbers.

use super::Step;
use super::dual::Dual;
use super::functions::{FOLDS, LINES, ONES, TWOS, is_empty, num, sum};
use crate::array::{Array, axes, matmul};
use fuzz_losses::draw::Draw;
use losses::autograd::{Axes, Result, Tensor, Var, keepdim};
use std::ops::Bound;

/// A step, with operands among the values so far, the later ones rather than the earlier.
pub fn draw(draw: &mut Draw<'_>, values: &[Array<Dual>]) -> Step {
    let operand = |draw: &mut Draw<'_>| values.len() - 1 - draw.below(values.len().min(6));
    let a = operand(draw);
    let n = values[a].ndim();
    match draw.below(8) {
        0 | 1 => {
            let (name, library, reference) = draw.pick(&ONES);
            Step {
                name,
                operands: vec![a],
                library: Box::new(move |x| Ok(library(x[0]))),
                reference: Box::new(move |x| Some(x[0].map(|&v| reference(v)))),
            }
        }
        2 => {
            let b = operand(draw);
            let (name, library, reference) = draw.pick(&TWOS);
            Step {
                name,
                operands: vec![a, b],
                library: Box::new(move |x| library(x[0], x[1])),
                reference: Box::new(move |x| x[0].zip(x[1], reference)),
            }
        }
        3 => {
            let (name, library, reference) = draw.pick(&FOLDS);
            let (dims, keep) = (draw.axes(n), draw.bit());
            let chosen = dims.clone();
            let extreme = name == "max" || name == "min";
            Step {
                name,
                operands: vec![a],
                library: Box::new(move |x| {
                    let axes: Axes = match &chosen {
                        None => (..).into(),
                        Some(dims) => dims.as_slice().into(),
                    };
                    library(x[0], if keep { keepdim(axes) } else { axes })
                }),
                reference: Box::new(move |x| {
                    let gone = axes(&dims, x[0].ndim())?;
                    if extreme && is_empty(x[0], &gone) {
                        return None;
                    }
                    Some(x[0].fold(&gone, keep, reference))
                }),
            }
        }
        4 => {
            let (name, library, reference) = draw.pick(&LINES);
            let dim = draw.dim(n);
            Step {
                name,
                operands: vec![a],
                library: Box::new(move |x| library(x[0], dim as isize)),
                reference: Box::new(move |x| x[0].lines(dim, reference)),
            }
        }
        5 => {
            let b = operand(draw);
            Step {
                name: "matmul",
                operands: vec![a, b],
                library: Box::new(|x| x[0].matmul(x[1])),
                reference: Box::new(|x| {
                    matmul(x[0], x[1], |a, b| {
                        sum(&a.iter().zip(b).map(|(&a, &b)| a * b).collect::<Vec<_>>())
                    })
                }),
            }
        }
        6 => view(draw, a, &values[a]),
        _ => {
            let b = operand(draw);
            join(draw, [a, b], &values[a])
        }
    }
}

fn one(
    name: &'static str,
    a: usize,
    library: impl Fn(&Var<f64>) -> Result<Var<f64>> + 'static,
    reference: impl Fn(&Array<Dual>) -> Option<Array<Dual>> + 'static,
) -> Step {
    Step {
        name,
        operands: vec![a],
        library: Box::new(move |x| library(x[0])),
        reference: Box::new(move |x| reference(x[0])),
    }
}

/// A view, or a copy in another arrangement.
fn view(draw: &mut Draw<'_>, a: usize, x: &Array<Dual>) -> Step {
    let n = x.ndim();
    let d = |draw: &mut Draw<'_>| draw.dim(n);
    match draw.below(16) {
        0 => {
            let (i, j) = (d(draw), d(draw));
            one(
                "transpose",
                a,
                move |x| x.transpose(i as isize, j as isize),
                move |x| x.transpose(i, j),
            )
        }
        1 => {
            let order = draw.order(n);
            let same = order.clone();
            one(
                "permute",
                a,
                move |x| x.permute(&order),
                move |x| x.permute(&same),
            )
        }
        2 => {
            let i = draw.dim(n + 1);
            one(
                "unsqueeze",
                a,
                move |x| x.unsqueeze(i as isize),
                move |x| x.unsqueeze(i),
            )
        }
        3 => {
            let i = d(draw);
            one(
                "squeeze",
                a,
                move |x| x.squeeze(i),
                move |x| x.squeeze(&[i]),
            )
        }
        4 => one(
            "flatten",
            a,
            |x| x.reshape([-1]),
            |x| {
                x.with_shape(vec![x.numel()])
                    .filter(|x| x.numel() > 0 || x.shape == [0])
            },
        ),
        5 => {
            let mut sizes: Vec<i64> = x.shape.iter().map(|&n| n as i64).collect();
            sizes
                .iter_mut()
                .filter(|n| **n == 1)
                .for_each(|n| *n = draw.between(1, 3));
            if draw.bit() {
                sizes.insert(0, draw.between(1, 2));
            }
            let same = sizes.clone();
            one(
                "broadcast_to",
                a,
                move |x| x.broadcast_to(&sizes),
                move |x| x.broadcast_to(&same),
            )
        }
        6 => {
            let (i, start, len) = (d(draw), draw.between(-3, 3), draw.below(4));
            one(
                "narrow",
                a,
                move |x| x.narrow(i as isize, start as isize, len),
                move |x| x.narrow(i, start, len),
            )
        }
        7 => {
            let (i, at) = (d(draw), draw.between(-3, 3));
            one(
                "select",
                a,
                move |x| x.select(i as isize, at as isize),
                move |x| x.select(i, at),
            )
        }
        8 | 9 => {
            let (i, start, end, step) = (
                d(draw),
                draw.between(-3, 2),
                draw.between(-2, 5),
                draw.between(-2, 3),
            );
            let range = (
                Bound::Included(start as isize),
                Bound::Excluded(end as isize),
            );
            one(
                "slice",
                a,
                move |x| x.slice(i as isize, range, step as isize),
                move |x| x.slice(i, start, Some(end), step),
            )
        }
        10 => {
            let i = d(draw);
            one("flip", a, move |x| x.flip(i), move |x| x.flip(&[i]))
        }
        11 => {
            let (offset, i, j) = (draw.between(-1, 1), d(draw), d(draw));
            one(
                "diagonal",
                a,
                move |x| x.diagonal(offset as isize, i as isize, j as isize),
                move |x| x.diagonal(offset, i, j),
            )
        }
        12 => {
            let (i, size, step) = (d(draw), draw.below(4), draw.below(3));
            one(
                "unfold",
                a,
                move |x| x.unfold(i as isize, size, step),
                move |x| x.unfold(i, size, step),
            )
        }
        13 => {
            let (shift, i) = (draw.between(-3, 3), d(draw));
            one(
                "roll",
                a,
                move |x| x.roll(shift, i),
                move |x| x.roll(&[shift], &[i]),
            )
        }
        14 => {
            let pad = draw.list(2 * n.min(2), |d| d.between(-1, 2));
            let same = pad.clone();
            one(
                "pad",
                a,
                move |x| x.pad(&pad, 0.5),
                move |x| x.pad(&same, &num(0.5)),
            )
        }
        _ => {
            let (times, i) = (draw.between(0, 2) as usize, d(draw));
            one(
                "repeat_interleave",
                a,
                move |x| x.repeat_interleave(times, i as isize),
                move |x| x.repeat_interleave(times, i),
            )
        }
    }
}

/// What brings two values together, or picks by places.
fn join(draw: &mut Draw<'_>, operands: [usize; 2], x: &Array<Dual>) -> Step {
    let n = x.ndim();
    let dim = draw.dim(n);
    let two = |name, library: super::Library, reference: super::Reference| Step {
        name,
        operands: operands.to_vec(),
        library,
        reference,
    };
    match draw.below(5) {
        0 => two(
            "cat",
            Box::new(move |x| Var::cat(x, dim as isize)),
            Box::new(move |x| Array::cat(x, dim)),
        ),
        1 => two(
            "stack",
            Box::new(move |x| Var::stack(x, dim as isize)),
            Box::new(move |x| Array::stack(x, dim)),
        ),
        2 => {
            let turn = draw.below(3);
            let mask = move |i: usize| !(i + turn).is_multiple_of(3);
            two(
                "where",
                Box::new(move |x| {
                    let all = (0..x[0].numel()).map(mask).collect();
                    x[0].where_(&Tensor::from_vec(all, x[0].shape())?, x[1])
                }),
                Box::new(move |x| {
                    let mut i = 0;
                    let marked = x[0].map(|&v| {
                        i += 1;
                        (v, mask(i - 1))
                    });
                    marked.zip(x[1], |(a, keep), b| if keep { a } else { b })
                }),
            )
        }
        3 => {
            let mut shape = x.shape.clone();
            let d = crate::array::wrap(dim, n).unwrap_or(0);
            let size = shape.get(d).copied().unwrap_or(1);
            if let Some(s) = shape.get_mut(d) {
                *s = draw.below(4);
            }
            let numel = shape.iter().product();
            let data = (0..numel)
                .map(|_| draw.between(0, size.max(1) as i64 - 1))
                .collect();
            let index: Array<i64> = Array { shape, data };
            let places = Tensor::from_vec(index.data.clone(), &index.shape)
                .expect("as many as the shape holds");
            one(
                "gather",
                operands[0],
                move |x| x.gather(dim as isize, &places),
                move |x| x.gather(dim, &index),
            )
        }
        _ => {
            let d = crate::array::wrap(dim, n).unwrap_or(0);
            let size = x.shape.get(d).copied().unwrap_or(1);
            let data = draw.list(4, |draw| draw.between(0, size.max(1) as i64 - 1));
            let places = Tensor::from(data.clone());
            one(
                "index_select",
                operands[0],
                move |x| x.index_select(dim as isize, &places),
                move |x| {
                    let d = x.real(dim);
                    let inside = data
                        .iter()
                        .all(|&i| (i as usize) < d.map_or(1, |d| x.shape[d]));
                    match d {
                        Some(d) if inside => {
                            Some(x.places(d, &data.iter().map(|&i| i as usize).collect::<Vec<_>>()))
                        }
                        None if x.ndim() == 0
                            && inside
                            && data.len() == 1
                            && crate::array::wrap(dim, 0).is_some() =>
                        {
                            Some(x.clone())
                        }
                        _ => None,
                    }
                },
            )
        }
    }
}
