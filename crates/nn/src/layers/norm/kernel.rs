//! Rows brought to mean 0 and deviation 1, and what that means for their gradients.

use losses::autograd::{Float, Fused, Needs};
use losses::tensor_core::keepdim;
use losses::tensor_core::kernel::rows::Rows;
use losses::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use losses::{Result, Tensor, Var};
use std::cell::RefCell;
use std::rc::Rc;

/// Which weight belongs to which element of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affine {
    /// One for each element, the same in all rows.
    Column,
    /// One for each row.
    Row,
}

/// Mean and mean square deviation of each row.
pub(super) type Stats = Vec<[f64; 2]>;

/// `y = (x - mean) / √(var + ε) · w + b` for each row of a matrix `x`, with `mean` 0 unless `center`.
///
/// The inputs are `x`, and `w` and `b` if they are there.
#[derive(Clone)]
pub(super) struct Normalize {
    pub(super) name: &'static str,
    pub(super) center: bool,
    pub(super) eps: f64,
    pub(super) affine: Affine,
    pub(super) weight: bool,
    pub(super) bias: bool,
    /// Filled by the forward pass, for the backward pass and for running means.
    pub(super) stats: Rc<RefCell<Stats>>,
}

impl Normalize {
    /// `w` and `b` among the inputs, if they are there.
    fn split<'a, X>(&self, inputs: &'a [X]) -> (Option<&'a X>, Option<&'a X>) {
        let weight = self.weight.then(|| inputs.get(1)).flatten();
        let at = 1 + usize::from(self.weight);
        (weight, self.bias.then(|| inputs.get(at)).flatten())
    }
}

impl<T: Float> Fused<T> for Normalize {
    type Saved = ();

    fn name(&self) -> &'static str {
        self.name
    }

    fn definition(&self, inputs: &[Var<T>]) -> Result<Var<T>> {
        let x = &inputs[0];
        let d = if self.center {
            x.sub(x.mean(keepdim(1))?)?
        } else {
            x.clone()
        };
        let scale = d.square().mean(keepdim(1))?.add(self.eps)?.pow(-0.5)?;
        let mut y = d.mul(scale)?;
        let shaped = |v: &Var<T>| match self.affine {
            Affine::Column => Ok(v.clone()),
            Affine::Row => v.unsqueeze(1),
        };
        let (weight, bias) = self.split(inputs);
        if let Some(w) = weight {
            y = y.mul(shaped(w)?)?;
        }
        if let Some(b) = bias {
            y = y.add(shaped(b)?)?;
        }
        Ok(y)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, ())> {
        let x = inputs[0];
        let rows = Rows::new(x.buffer(), x.layout());
        let (n, len) = (rows.n_rows(), rows.len());
        let (w, b) = self.split(inputs);
        let (w, b) = (w.map(|w| w.to_vec()), b.map(|b| b.to_vec()));
        let mut stats: Stats = vec![[0.0; 2]; n];
        let (affine, center, eps) = (self.affine, self.center, self.eps);
        let y = Tensor::build(self.name, [n, len], |out| {
            if len == 0 {
                return;
            }
            par::split2((out, len), (&mut stats, 1), 4 * len, |start, out, stats| {
                rows.each(start, start + stats.len(), |i, x| {
                    stats[i - start] = dispatch(Forward {
                        x,
                        y: &mut out[(i - start) * len..][..len],
                        weight: Weights::of(affine, w.as_deref(), i),
                        bias: Weights::of(affine, b.as_deref(), i),
                        center,
                        eps,
                    });
                });
            });
        })?;
        *self.stats.borrow_mut() = stats;
        Ok((y, ()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        _: &(),
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<losses::autograd::fused::FusedGrads<T>> {
        let x = inputs[0];
        let (x, dy) = (
            Rows::new(x.buffer(), x.layout()),
            Rows::new(dy.buffer(), dy.layout()),
        );
        let (n, len) = (x.n_rows(), x.len());
        let w = self.split(inputs).0.map(|w| w.to_vec());
        let stats = self.stats.borrow();
        let stats = &stats[..];
        let (affine, center, eps) = (self.affine, self.center, self.eps);
        let column = affine == Affine::Column;
        let mut partial: Vec<Sums> = Vec::new();
        let dx = Tensor::build(self.name, [n, len], |out| {
            partial = par::collect_split(n, len, [Some(out)], 6 * len, |range, [out]| {
                let mut sums = Sums::new(if column { len } else { range.len() });
                let out = out.unwrap_or_default();
                let mut stage = Vec::new();
                let first = range.start;
                x.each(range.start, range.end, |i, x| {
                    let at = if column { 0 } else { i - first };
                    dispatch(Backward {
                        x,
                        dy: dy.block(i, 1, &mut stage).row(0),
                        dx: &mut out[(i - first) * len..][..len],
                        weight: Weights::of(affine, w.as_deref(), i),
                        stats: stats[i],
                        center,
                        eps,
                        dw: &mut sums.dw[at..],
                        db: &mut sums.db[at..],
                        column,
                    });
                });
                sums
            });
        })?;
        let whole = if column { len } else { n };
        let join = |part: fn(&Sums) -> &[f64]| {
            let mut sum = vec![0.0; whole];
            if column {
                for p in &partial {
                    sum.iter_mut().zip(part(p)).for_each(|(s, p)| *s += p);
                }
            } else {
                let parts = partial.iter().flat_map(part);
                sum.iter_mut().zip(parts).for_each(|(s, p)| *s = *p);
            }
            Tensor::from_vec(sum.into_iter().map(T::of).collect(), whole)
        };
        let mut grads = losses::autograd::fused::FusedGrads::new();
        grads.push(needs.get(0).then_some(dx));
        if self.weight {
            grads.push(Some(join(|p| &p.dw)?));
        }
        if self.bias {
            grads.push(Some(join(|p| &p.db)?));
        }
        Ok(grads)
    }
}

/// What some rows give to the gradients of weight and bias.
struct Sums {
    dw: Vec<f64>,
    db: Vec<f64>,
}

impl Sums {
    fn new(len: usize) -> Self {
        Sums {
            dw: vec![0.0; len],
            db: vec![0.0; len],
        }
    }
}

/// The weights of one row.
#[derive(Clone, Copy)]
enum Weights<'a, T> {
    /// One for each element.
    Each(&'a [T]),
    /// One for all.
    All(T),
    None,
}

impl<'a, T: Float> Weights<'a, T> {
    fn of(affine: Affine, all: Option<&'a [T]>, row: usize) -> Self {
        match (all, affine) {
            (None, _) => Weights::None,
            (Some(w), Affine::Column) => Weights::Each(w),
            (Some(w), Affine::Row) => Weights::All(w[row]),
        }
    }
}

/// `Σ f(i)` for `i` below `n`, in eight sums side by side.
#[inline(always)]
fn sum(n: usize, f: impl Fn(usize) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    let whole = n - n % 8;
    let mut at = 0;
    while at < whole {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += f(at + lane);
        }
        at += 8;
    }
    sums.iter().sum::<f64>() + (whole..n).map(f).sum::<f64>()
}

/// Writes one row of the result, and gives its statistics.
struct Forward<'a, T> {
    x: &'a [T],
    y: &'a mut [T],
    weight: Weights<'a, T>,
    bias: Weights<'a, T>,
    center: bool,
    eps: f64,
}

impl<T: Float> Kernel for Forward<'_, T> {
    type Out = [f64; 2];

    #[inline(always)]
    fn run<I: Isa>(self) -> [f64; 2] {
        let n = self.x.len();
        let (x, y) = (&self.x[..n], &mut self.y[..n]);
        let mean = if self.center {
            sum(n, |i| x[i].f64()) / n as f64
        } else {
            0.0
        };
        let var = sum(n, |i| {
            let d = x[i].f64() - mean;
            d * d
        }) / n as f64;
        let scale = 1.0 / (var + self.eps).sqrt();
        match (self.weight, self.bias) {
            (Weights::Each(w), Weights::Each(b)) => {
                let (w, b) = (&w[..n], &b[..n]);
                for i in 0..n {
                    y[i] = T::of((x[i].f64() - mean) * scale * w[i].f64() + b[i].f64());
                }
            }
            (Weights::Each(w), _) => {
                let w = &w[..n];
                for i in 0..n {
                    y[i] = T::of((x[i].f64() - mean) * scale * w[i].f64());
                }
            }
            (Weights::None, Weights::Each(b)) => {
                let b = &b[..n];
                for i in 0..n {
                    y[i] = T::of((x[i].f64() - mean) * scale + b[i].f64());
                }
            }
            (w, b) => {
                let one = |w: Weights<'_, T>, none: f64| match w {
                    Weights::All(w) => w.f64(),
                    _ => none,
                };
                let (scale, b) = (scale * one(w, 1.0), one(b, 0.0));
                for i in 0..n {
                    y[i] = T::of((x[i].f64() - mean) * scale + b);
                }
            }
        }
        [mean, var]
    }
}

/// Writes one row of the gradient, and adds to those of weight and bias.
struct Backward<'a, T> {
    x: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
    weight: Weights<'a, T>,
    stats: [f64; 2],
    center: bool,
    eps: f64,
    dw: &'a mut [f64],
    db: &'a mut [f64],
    column: bool,
}

impl<T: Float> Kernel for Backward<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.x.len();
        let (x, dy, dx) = (&self.x[..n], &self.dy[..n], &mut self.dx[..n]);
        let [mean, var] = self.stats;
        let scale = 1.0 / (var + self.eps).sqrt();
        if self.column {
            let (dw, db) = (&mut self.dw[..n], &mut self.db[..n]);
            for i in 0..n {
                dw[i] += dy[i].f64() * ((x[i].f64() - mean) * scale);
                db[i] += dy[i].f64();
            }
        }
        // With z the normalized row and g the gradient of it: dx = scale (g - mean(g) - z mean(g z)).
        match self.weight {
            Weights::Each(w) => {
                let w = &w[..n];
                let g = |i: usize| dy[i].f64() * w[i].f64();
                let z = |i: usize| (x[i].f64() - mean) * scale;
                let along = sum(n, |i| g(i) * z(i)) / n as f64;
                let shift = if self.center {
                    sum(n, g) / n as f64
                } else {
                    0.0
                };
                for (i, dx) in dx.iter_mut().enumerate() {
                    *dx = T::of(scale * (g(i) - shift - z(i) * along));
                }
            }
            w => {
                let w = match w {
                    Weights::All(w) => w.f64(),
                    _ => 1.0,
                };
                let g = |i: usize| dy[i].f64();
                let z = |i: usize| (x[i].f64() - mean) * scale;
                let (along, all) = (sum(n, |i| g(i) * z(i)), sum(n, g));
                if !self.column {
                    (self.dw[0], self.db[0]) = (along, all);
                }
                let along = along / n as f64;
                let shift = if self.center { all / n as f64 } else { 0.0 };
                for (i, dx) in dx.iter_mut().enumerate() {
                    *dx = T::of(w * scale * (g(i) - shift - z(i) * along));
                }
            }
        }
    }
}
