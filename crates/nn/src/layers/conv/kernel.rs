//! The convolution as an operation: windows as a matrix, and products of matrices.

use super::super::transposable::linear_map;
use super::columns::Windows;
use losses::autograd::fused::FusedGrads;
use losses::autograd::{Float, Fused, Needs};
use losses::tensor_core::kernel::gemm::{Matrix, matmul};
use losses::tensor_core::kernel::par;
use losses::{Result, Tensor, Var};
use std::rc::Rc;

/// Pictures `[N, C, H, W]` with a weight `[O, C / groups, h, w]`, and perhaps a bias `[O]`.
#[derive(Clone, Copy)]
pub(super) struct Convolution {
    pub(super) name: &'static str,
    /// Those of one group of channels.
    pub(super) windows: Windows,
    pub(super) groups: usize,
    pub(super) outputs: usize,
}

/// Blocks of pictures whose part of the weight's gradient is added up apart: so many, whatever the number of threads.
const BLOCKS: usize = 16;

/// Rows `start..start + size[0]` of a row-major matrix of `size[1]` columns.
fn rows<T>(data: &[T], start: usize, size: [usize; 2]) -> Matrix<'_, T> {
    Matrix {
        data,
        offset: start * size[1],
        size,
        stride: [size[1] as isize, 1],
    }
}

fn turned<T>(m: Matrix<'_, T>) -> Matrix<'_, T> {
    Matrix {
        size: [m.size[1], m.size[0]],
        stride: [m.stride[1], m.stride[0]],
        ..m
    }
}

impl Convolution {
    /// Elements of a picture with all its channels, and of its result.
    fn sizes(&self) -> (usize, usize) {
        (
            self.groups * self.windows.picture(),
            self.outputs * self.windows.columns(),
        )
    }

    /// Multiplications for one picture.
    fn cost(&self) -> usize {
        self.outputs * self.windows.rows() * self.windows.columns()
    }

    /// The matrix of the windows of group `g` of a picture, in `stage` if it is not the picture itself.
    fn matrix<'a, T: Float>(&self, picture: &'a [T], g: usize, stage: &'a mut [T]) -> &'a [T] {
        let n = self.windows.picture();
        let part = &picture[g * n..][..n];
        if self.windows.is_identity() {
            return part;
        }
        self.windows.gather(part, stage);
        stage
    }

    fn stage<T: Float>(&self) -> Vec<T> {
        let n = if self.windows.is_identity() {
            0
        } else {
            self.windows.rows() * self.windows.columns()
        };
        vec![T::ZERO; n]
    }

    fn input_gradient<T: Float>(&self, shape: &[usize], w: &[T], dy: &[T]) -> Result<Tensor<T>> {
        let (picture, result) = self.sizes();
        let (k, l, per) = (
            self.windows.rows(),
            self.windows.columns(),
            self.outputs / self.groups,
        );
        Tensor::build(self.name, shape, |dx| {
            dx.fill(T::ZERO);
            par::split(dx, picture, self.cost(), |start, dx| {
                let mut matrix = vec![T::ZERO; k * l];
                for (dx, dy) in dx
                    .chunks_exact_mut(picture)
                    .zip(dy[start * result..].chunks_exact(result))
                {
                    for g in 0..self.groups {
                        let dy = rows(dy, g * per, [per, l]);
                        matmul(turned(rows(w, g * per, [per, k])), dy, &mut matrix);
                        let n = self.windows.picture();
                        self.windows.scatter(&matrix, &mut dx[g * n..][..n]);
                    }
                }
            });
        })
    }

    fn weight_gradient<T: Float>(&self, shape: &[usize], x: &[T], dy: &[T]) -> Result<Tensor<T>> {
        let (picture, result) = self.sizes();
        let (k, l, per) = (
            self.windows.rows(),
            self.windows.columns(),
            self.outputs / self.groups,
        );
        let n = x.len() / picture.max(1);
        let block = n.div_ceil(BLOCKS).max(1);
        let one = |i: usize| {
            let (mut sum, mut part) = (vec![T::ZERO; self.outputs * k], vec![T::ZERO; per * k]);
            let mut stage = self.stage();
            for n in i * block..((i + 1) * block).min(n) {
                let (x, dy) = (&x[n * picture..][..picture], &dy[n * result..][..result]);
                for g in 0..self.groups {
                    let matrix = rows(self.matrix(x, g, &mut stage), 0, [k, l]);
                    matmul(rows(dy, g * per, [per, l]), turned(matrix), &mut part);
                    let sum = &mut sum[g * per * k..][..per * k];
                    sum.iter_mut().zip(&part).for_each(|(s, &p)| *s = *s + p);
                }
            }
            sum
        };
        let blocks = n.div_ceil(block);
        // Few multiplications are not worth another thread.
        let parts = if n * self.cost() > par::GRAIN {
            par::each(blocks, &one)
        } else {
            (0..blocks).map(one).collect()
        };
        Tensor::build(self.name, shape, |dw| {
            dw.fill(T::ZERO);
            for part in &parts {
                dw.iter_mut().zip(part).for_each(|(d, &p)| *d = *d + p);
            }
        })
    }
}

impl<T: Float> Fused<T> for Convolution {
    type Saved = ();

    fn name(&self) -> &'static str {
        self.name
    }

    fn definition(&self, inputs: &[Var<T>]) -> Result<Var<T>> {
        let (x, w) = (&inputs[0], &inputs[1]);
        let (n, groups) = (x.shape()[0], self.groups);
        let (k, l, picture) = (
            self.windows.rows(),
            self.windows.columns(),
            self.windows.picture(),
        );
        let windows = self.windows;
        let (from, to) = ([n, groups, picture], [n, groups, k, l]);
        // The matrices of all pictures at once; a linear map, whose transpose is known.
        let each = move |x: &Tensor<T>,
                         shape: &[usize],
                         a: usize,
                         b: usize,
                         f: &dyn Fn(&[T], &mut [T])| {
            let x = x.to_vec();
            Tensor::build("windows", shape, |out| {
                out.fill(T::ZERO);
                let pairs = out.chunks_exact_mut(b.max(1)).zip(x.chunks_exact(a.max(1)));
                pairs.for_each(|(out, x)| f(x, out));
            })
        };
        let matrix = linear_map(
            "windows",
            &x.reshape(from)?,
            Rc::new(move |x| each(x, &to, picture, k * l, &|x, out| windows.gather(x, out))),
            Rc::new(move |m| each(m, &from, k * l, picture, &|m, out| windows.scatter(m, out))),
        )?;
        let w = w.reshape([groups, self.outputs / groups, k])?;
        let [down, across] = self.windows.count;
        let y = w
            .matmul(&matrix)?
            .reshape([n, self.outputs, down, across])?;
        match inputs.get(2) {
            Some(b) => y.add(b.reshape([self.outputs, 1, 1])?),
            None => Ok(y),
        }
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, ())> {
        let (x, w) = (inputs[0].contiguous(), inputs[1].contiguous());
        let n = x.shape()[0];
        let bias = inputs.get(2).map(|b| b.to_vec());
        let (x, w) = (
            x.as_slice().unwrap_or_default(),
            w.as_slice().unwrap_or_default(),
        );
        let (picture, result) = self.sizes();
        let (k, l, per) = (
            self.windows.rows(),
            self.windows.columns(),
            self.outputs / self.groups,
        );
        let [down, across] = self.windows.count;
        let y = Tensor::build(self.name, [n, self.outputs, down, across], |out| {
            if result == 0 {
                return;
            }
            par::split(out, result, self.cost(), |start, out| {
                let mut stage = self.stage();
                for (i, y) in out.chunks_exact_mut(result).enumerate() {
                    let x = &x[(start + i) * picture..][..picture];
                    for (g, y) in y.chunks_exact_mut(per * l).enumerate() {
                        let matrix = rows(self.matrix(x, g, &mut stage), 0, [k, l]);
                        matmul(rows(w, g * per, [per, k]), matrix, y);
                    }
                    if let Some(bias) = &bias {
                        for (y, &b) in y.chunks_exact_mut(l).zip(bias) {
                            y.iter_mut().for_each(|y| *y = *y + b);
                        }
                    }
                }
            });
        })?;
        Ok((y, ()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        _: &(),
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let (x, w, dy) = (
            inputs[0].contiguous(),
            inputs[1].contiguous(),
            dy.contiguous(),
        );
        let slices = [&x, &w, &dy].map(|t| t.as_slice().unwrap_or_default());
        let mut grads = FusedGrads::new();
        grads.push(match needs.get(0) {
            true => Some(self.input_gradient(x.shape(), slices[1], slices[2])?),
            false => None,
        });
        grads.push(match needs.get(1) {
            true => Some(self.weight_gradient(w.shape(), slices[0], slices[2])?),
            false => None,
        });
        if inputs.len() > 2 {
            grads.push(Some(dy.sum([0, 2, 3])?));
        }
        Ok(grads)
    }
}
