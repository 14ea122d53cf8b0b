//! The engine of losses of logits `x Wᵀ + b` that are never held: rows are taken in chunks, and the slopes of a chunk are
//! written over its logits.

use crate::Reduction;
use crate::elementwise::scaled;
use crate::rowwise::RowLoss;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::gemm::{Matrix, matmul, matmul_add};
use autograd::tensor_core::kernel::rows::Rows;
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use autograd::{Float, Fused, Needs, Result, Tensor, Var};

/// A loss of rows of logits, the first of its `N` inputs, behind `G` linear layers of one size, mostly one. The inputs of
/// the whole are `x` of shape `(R, D)`, `W` of shape `(G, C, D)`, the biases `(G, C)`, if there are any, and the loss's
/// other inputs, each of shape `(G · R, C)`: row `g · R + r` of the logits is row `r` of `x` behind layer `g`.
#[derive(Clone)]
pub(crate) struct Linear<L, const N: usize> {
    pub loss: L,
    /// The rows that count, in rising order; the others are never looked at.
    pub live: Vec<usize>,
    pub has_bias: bool,
    /// Rows to a chunk, at least 1; `None` leaves the choice to the engine.
    pub chunk: Option<usize>,
    pub reduction: Reduction,
    pub divisor: f64,
}

/// The upstream gradient of a row.
#[derive(Clone, Copy)]
enum Scale<'a, T> {
    All(T),
    Each(&'a [T]),
}

impl<T: Float> Scale<'_, T> {
    #[inline(always)]
    fn of(self, row: usize) -> T {
        match self {
            Scale::All(g) => g,
            Scale::Each(dy) => dy[row],
        }
    }
}

/// What the kernels of a chunk read: the loss, the rows' numbers, and the rows of the loss's other inputs.
struct Part<'a, T, L> {
    loss: &'a L,
    live: &'a [usize],
    others: &'a [Rows<'a, T>],
}

impl<T: Float, L> Part<'_, T, L> {
    /// Row `i`, whose logits are `x`, of all inputs. It takes no closure, which would be compiled without the vectors of
    /// the kernel that calls it.
    #[inline(always)]
    fn rows<'s, const N: usize>(
        &'s self,
        i: usize,
        x: &'s [T],
        stages: &'s mut [Vec<T>],
    ) -> [&'s [T]; N] {
        let mut rows = [x; N];
        let others = rows[1..].iter_mut().zip(self.others);
        for ((out, other), stage) in others.zip(stages) {
            *out = other.block(self.live[i], 1, stage).row(0);
        }
        rows
    }
}

/// Adds the bias to rows of products, and finds their values.
struct Values<'a, T: Float, L: RowLoss<T, N>, const N: usize> {
    part: &'a Part<'a, T, L>,
    at: usize,
    bias: &'a [T],
    logits: &'a mut [T],
    each: &'a mut [(f64, L::Keep)],
}
impl<T: Float, L: RowLoss<T, N>, const N: usize> Kernel for Values<'_, T, L, N> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let classes = self.logits.len() / self.each.len().max(1);
        let mut stages: [Vec<T>; N] = std::array::from_fn(|_| Vec::new());
        for (i, each) in self.each.iter_mut().enumerate() {
            let x = &mut self.logits[i * classes..][..classes];
            x.iter_mut().zip(self.bias).for_each(|(x, &b)| *x = *x + b);
            let rows = self.part.rows::<N>(self.at + i, x, &mut stages);
            *each = self.part.loss.value::<I>(self.part.live[self.at + i], rows);
        }
    }
}

/// The slopes by input `K`, read from `logits` and written to `out`; where there is no `out`, over the logits.
struct Slopes<'a, T: Float, L: RowLoss<T, N>, const N: usize, const K: usize> {
    part: &'a Part<'a, T, L>,
    at: usize,
    scale: Scale<'a, T>,
    each: &'a [(f64, L::Keep)],
    logits: Logits<'a, T>,
}

/// Where the logits lie, and where slopes go.
enum Logits<'a, T> {
    Replaced(&'a mut [T]),
    Kept(&'a [T], &'a mut [T]),
}

impl<T: Float, L: RowLoss<T, N>, const N: usize, const K: usize> Kernel for Slopes<'_, T, L, N, K> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let mut stages: [Vec<T>; N] = std::array::from_fn(|_| Vec::new());
        let mut copy = Vec::new();
        let (kept, out) = match self.logits {
            Logits::Replaced(out) => (None, out),
            Logits::Kept(x, out) => (Some(x), out),
        };
        let classes = out.len() / self.each.len().max(1);
        for (i, &(_, keep)) in self.each.iter().enumerate() {
            let dx = &mut out[i * classes..][..classes];
            let g = self.scale.of(self.part.live[self.at + i]);
            if g == T::ZERO {
                // What counts for nothing has no gradient, however steep it is.
                dx.fill(T::ZERO);
                continue;
            }
            let x = match kept {
                Some(x) => &x[i * classes..][..classes],
                None => {
                    copy.clear();
                    copy.extend_from_slice(dx);
                    &copy[..]
                }
            };
            let row = self.part.live[self.at + i];
            let rows = self.part.rows::<N>(self.at + i, x, &mut stages);
            self.part.loss.slope::<I, K>(row, rows, keep, g, dx);
        }
    }
}

/// Room that is used again from chunk to chunk, and goes back to the pool of buffers at the end.
fn room<T: Float>(op: &'static str, n: usize) -> Result<Tensor<T>> {
    Tensor::build(op, [n], |_| ())
}

/// A two-dimensional tensor as the matrix product takes it.
fn matrix<T: Float>(x: &Tensor<T>) -> Matrix<'_, T> {
    Matrix {
        data: x.buffer(),
        offset: x.layout().offset(),
        size: [x.shape()[0], x.shape()[1]],
        stride: [x.strides()[0], x.strides()[1]],
    }
}

/// Sums of the columns of `rows`, added to `sums`.
fn add_columns<T: Float>(rows: &[T], sums: &mut [f64]) {
    let n = sums.len();
    par::split(sums, 1, rows.len() / n.max(1), |at, sums| {
        for row in rows.chunks_exact(n) {
            let row = &row[at..at + sums.len()];
            sums.iter_mut().zip(row).for_each(|(s, v)| *s += v.f64());
        }
    });
}

impl<L, const N: usize> Linear<L, N> {
    /// Rows to a chunk: a sixteenth of all, so that a chunk's logits are a small part of what is not held, but so many
    /// that the layer's weights are worth reading for them.
    fn chunk(&self) -> usize {
        let own = || (self.live.len() / 16).next_multiple_of(16).clamp(64, 512);
        self.chunk.unwrap_or_else(own).min(self.live.len()).max(1)
    }

    /// The result, from the values of the rows.
    fn reduced<T: Float>(&self, values: Vec<f64>) -> Result<Tensor<T>> {
        if self.reduction != Reduction::None {
            return Ok(self.reduction.value(values.iter().sum(), self.divisor));
        }
        let n = values.len();
        Tensor::from_vec(values.into_iter().map(T::of).collect(), [n])
    }

    /// The place of the first of the loss's other inputs.
    fn first_other(&self) -> usize {
        2 + usize::from(self.has_bias)
    }

    /// The value of each row, and, with a scale for their upstream gradients, the gradients of the inputs needed.
    fn pass<T: Float>(
        &self,
        inputs: &[&Tensor<T>],
        wanted: Option<(Scale<'_, T>, Needs)>,
    ) -> Result<(Vec<f64>, FusedGrads<T>)>
    where
        L: RowLoss<T, N>,
    {
        let ((x, w), others) = ((inputs[0], inputs[1]), &inputs[self.first_other()..]);
        let [n_rows, depth] = [x.shape()[0], x.shape()[1]];
        let [n_layers, classes] = [w.shape()[0], w.shape()[1]];
        let bias = if self.has_bias {
            inputs[2].to_vec()
        } else {
            Vec::new()
        };
        let scale = wanted.map(|(scale, _)| scale);
        let needs = |k: usize| wanted.is_some_and(|(_, needs)| needs.get(k));
        let zeros = |k: usize| {
            let x = inputs.get(k).filter(|_| needs(k));
            x.map(|x| Tensor::zeros(x.shape())).transpose()
        };
        let (mut dx, mut dw, mut dt) = (zeros(0)?, zeros(1)?, zeros(self.first_other())?);
        let bias_wanted = self.has_bias && needs(2);
        let mut db = vec![0.0f64; if bias_wanted { n_layers * classes } else { 0 }];

        let source = Rows::new(x.buffer(), x.layout());
        let others: Vec<Rows<'_, T>> = others
            .iter()
            .map(|t| Rows::new(t.buffer(), t.layout()))
            .collect();
        let n = self.chunk();
        let (mut chunk_x, mut chunk_dx) = (room(L::NAME, n * depth)?, room(L::NAME, n * depth)?);
        let mut logits = room(L::NAME, n * classes)?;
        let (chunk_x, chunk_dx) = (chunk_x.as_mut_slice(), chunk_dx.as_mut_slice());
        let logits = logits.as_mut_slice();
        let mut values = vec![0.0; n_layers * n_rows];
        let mut each = vec![(0.0, L::Keep::default()); n];
        // A few rows to a thread at a time, so that they are still in its cache when their slopes are made.
        let cost = (classes * L::COST + 8).min(par::GRAIN / 8);
        let of_layers = self.live.chunk_by(|a, b| a / n_rows == b / n_rows);
        for live in of_layers.flat_map(|rows| rows.chunks(n)) {
            let (m, layer) = (live.len(), live[0] / n_rows);
            let own = layer * classes..(layer + 1) * classes;
            let w = &w.select(0, layer as isize)?;
            let (chunk_x, chunk_dx) = (&mut chunk_x[..m * depth], &mut chunk_dx[..m * depth]);
            let (logits, each) = (&mut logits[..m * classes], &mut each[..m]);
            let mut stage = Vec::new();
            if depth > 0 {
                for (&i, out) in live.iter().zip(chunk_x.chunks_exact_mut(depth)) {
                    out.copy_from_slice(source.block(i % n_rows, 1, &mut stage).row(0));
                }
            }
            let rows = Matrix::row_major(chunk_x, [m, depth]);
            matmul(rows, matrix(w).t(), logits);
            let part = &Part {
                loss: &self.loss,
                live,
                others: &others,
            };
            let slopes = scale.filter(|_| dx.is_some() || dw.is_some() || !db.is_empty());
            let at_once = slopes.filter(|_| dt.is_none());
            par::split2((logits, classes), (each, 1), cost, |at, logits, each| {
                let (bias, each) = (bias.get(own.clone()).unwrap_or(&[]), &mut *each);
                dispatch(Values {
                    part,
                    at,
                    bias,
                    logits,
                    each,
                });
                if let Some(scale) = at_once {
                    replace::<T, L, N>(part, at, scale, each, logits);
                }
            });
            let each = &*each;
            if let (Some(dt), Some(scale)) = (&mut dt, scale) {
                // All rows count where there is another input, so a chunk of them lies together.
                let out = &mut dt.as_mut_slice()[live[0] * classes..][..m * classes];
                par::split(out, classes, cost, |at, out| {
                    let rows = out.len() / classes.max(1);
                    dispatch(Slopes::<T, L, N, 1> {
                        part,
                        at,
                        scale,
                        each: &each[at..at + rows],
                        logits: Logits::Kept(&logits[at * classes..][..out.len()], out),
                    });
                });
                if let Some(scale) = slopes {
                    par::split(logits, classes, cost, |at, logits| {
                        let each = &each[at..at + logits.len() / classes.max(1)];
                        replace::<T, L, N>(part, at, scale, each, logits);
                    });
                }
            }
            for (&i, &(value, _)) in live.iter().zip(each) {
                values[i] = value;
            }
            let slopes = Matrix::row_major(logits, [m, classes]);
            if let Some(dx) = &mut dx {
                matmul(slopes, matrix(w), chunk_dx);
                let dx = dx.as_mut_slice();
                for (&i, row) in live.iter().zip(chunk_dx.chunks_exact(depth.max(1))) {
                    let dx = &mut dx[i % n_rows * depth..][..depth];
                    dx.iter_mut().zip(row).for_each(|(d, &v)| *d = *d + v);
                }
            }
            if let Some(dw) = &mut dw {
                let dw = dw.as_mut_slice();
                let dw = &mut dw[own.start * depth..own.end * depth];
                matmul_add(slopes.t(), rows, dw);
            }
            if !db.is_empty() {
                add_columns(logits, &mut db[own]);
            }
        }
        let mut grads = FusedGrads::from_iter([dx, dw]);
        if self.has_bias {
            let db = db.into_iter().map(T::of).collect::<Vec<_>>();
            grads.push(match bias_wanted {
                true => Some(Tensor::from_vec(db, [n_layers, classes])?),
                false => None,
            });
        }
        grads.extend((!others.is_empty()).then_some(dt));
        Ok((values, grads))
    }
}

/// Writes slopes by the logits over these.
fn replace<T: Float, L: RowLoss<T, N>, const N: usize>(
    part: &Part<'_, T, L>,
    at: usize,
    scale: Scale<'_, T>,
    each: &[(f64, L::Keep)],
    logits: &mut [T],
) {
    dispatch(Slopes::<T, L, N, 0> {
        part,
        at,
        scale,
        each,
        logits: Logits::Replaced(logits),
    });
}

impl<T: Float, L: RowLoss<T, N>, const N: usize> Fused<T> for Linear<L, N> {
    /// The gradients for an upstream gradient of 1, where the result is one number.
    type Saved = Option<FusedGrads<T>>;

    fn name(&self) -> &'static str {
        L::NAME
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        // Rows that do not count are taken out, so that their NaN reaches nothing.
        let (n, n_layers) = (v[0].shape()[0], v[1].shape()[0]);
        let mut counts = vec![false; n_layers * n];
        self.live.iter().for_each(|&i| counts[i] = true);
        let counts = Tensor::from_vec(counts, [n_layers, n, 1])?;
        let mut logits = Vec::with_capacity(n_layers);
        for layer in 0..n_layers as isize {
            let counts = counts.select(0, layer)?.broadcast_to(v[0].shape())?;
            let products = v[0]
                .keep_where(&counts)?
                .matmul(&v[1].select(0, layer)?.t())?;
            logits.push(match self.has_bias {
                true => products.add(&v[2].select(0, layer)?)?,
                false => products,
            });
        }
        let mut inputs = vec![Var::cat(&logits.iter().collect::<Vec<_>>(), 0)?];
        inputs.extend(v[self.first_other()..].iter().cloned());
        self.reduction
            .apply(&self.loss.definition(&inputs)?, self.divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Self::Saved)> {
        Ok((self.reduced(self.pass(inputs, None)?.0)?, None))
    }

    fn forward_for(&self, inputs: &[&Tensor<T>], needs: Needs) -> Result<(Tensor<T>, Self::Saved)> {
        if self.reduction == Reduction::None {
            return self.forward(inputs);
        }
        let one = self
            .reduction
            .scale(&Tensor::scalar(T::ONE), self.divisor)?;
        let (values, grads) = self.pass(inputs, Some((Scale::All(one), needs)))?;
        Ok((self.reduced(values)?, Some(grads)))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        saved: &Self::Saved,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        if let Some(grads) = saved {
            let g = dy.item()?;
            let grads = grads.iter().enumerate();
            let needed = grads.map(|(k, dx)| dx.as_ref().filter(|_| needs.get(k)));
            return needed
                .map(|dx| dx.map(|dx| scaled(dx, g)).transpose())
                .collect();
        }
        let dy = dy.to_vec();
        Ok(self.pass(inputs, Some((Scale::Each(&dy), needs)))?.1)
    }
}
