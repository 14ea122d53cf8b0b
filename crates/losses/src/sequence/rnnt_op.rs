//! The transducer's loss as an operation: its ways through a lattice of time steps by labels, in `f64`, and its definition.

use super::labels::log_add;
use super::rnnt::NAME;
use crate::Reduction;
use crate::classification::row::{self, Kept};
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::rows::Rows;
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use autograd::{
    Float, Fused, GradOptions, Grads, Needs, Op, Result, Saved, Tape, Tensor, Var, grad,
};

const NEVER: f64 = f64::NEG_INFINITY;

/// One sequence of the batch.
#[derive(Clone)]
pub(super) struct Sequence {
    pub steps: usize,
    pub labels: Vec<usize>,
}

/// The operation, of checked inputs.
#[derive(Clone)]
pub(super) struct Rnnt {
    pub logits: bool,
    pub blank: usize,
    /// The size of the dimension of labels.
    pub columns: usize,
    /// What a sequence's gradient is clipped to.
    pub clamp: Option<f64>,
    pub reduction: Reduction,
    pub divisor: f64,
    pub sequences: Vec<Sequence>,
}

/// A point of the lattice: its row of logits, the logarithms of leaving it by the blank and by the next label, and of
/// reaching it.
#[derive(Clone, Copy)]
struct Point<T> {
    kept: Kept<T>,
    blank: f64,
    label: f64,
    alpha: f64,
}

/// Given the labels, the probabilities of leaving a point by the blank and by the label.
type Leave = [f64; 2];

/// What is kept of a batch: all points, those of a sequence's step side by side, and the logarithms of the sequences'
/// probabilities.
pub(crate) struct Walked<T> {
    points: Vec<Point<T>>,
    log_p: Vec<f64>,
}

impl Rnnt {
    /// The sequence of a point, its step, and how many labels are written there; `None` for what lies beyond them.
    fn place(&self, steps: usize, i: usize) -> Option<(&Sequence, usize, usize)> {
        let (n, t, u) = (
            i / self.columns / steps,
            i / self.columns % steps,
            i % self.columns,
        );
        let sequence = &self.sequences[n];
        (t < sequence.steps && u <= sequence.labels.len()).then_some((sequence, t, u))
    }

    fn point<T: Float>(&self, sequence: &Sequence, u: usize, x: &[T]) -> Point<T> {
        let kept = if self.logits {
            row::keep(x)
        } else {
            Kept::default()
        };
        let log = |class: usize| {
            if self.logits {
                -kept.cost(x[class])
            } else {
                x[class].f64()
            }
        };
        Point {
            kept,
            blank: log(self.blank),
            label: sequence.labels.get(u).map_or(NEVER, |&c| log(c)),
            alpha: NEVER,
        }
    }

    /// Fills the beginnings of all ways, and returns the logarithm of the probability.
    fn walk<T>(&self, sequence: &Sequence, points: &mut [Point<T>]) -> f64 {
        let (columns, most) = (self.columns, sequence.labels.len());
        for t in 0..sequence.steps {
            for u in 0..=most {
                let mut alpha = if t + u == 0 { 0.0 } else { NEVER };
                if t > 0 {
                    let before = &points[(t - 1) * columns + u];
                    alpha = before.alpha + before.blank;
                }
                if u > 0 {
                    let before = &points[t * columns + u - 1];
                    alpha = log_add(alpha, before.alpha + before.label);
                }
                points[t * columns + u].alpha = alpha;
            }
        }
        let last = &points[(sequence.steps - 1) * columns + most];
        last.alpha + last.blank
    }

    /// How each point of a sequence is left, given its labels.
    fn leave<T>(&self, sequence: &Sequence, points: &[Point<T>], log_p: f64, out: &mut [Leave]) {
        let (columns, most) = (self.columns, sequence.labels.len());
        // The ends of all ways from the next step; from the last point the blank leads to the end.
        let mut next = vec![NEVER; most + 1];
        next[most] = 0.0;
        for t in (0..sequence.steps).rev() {
            let mut right = NEVER;
            for u in (0..=most).rev() {
                let point = &points[t * columns + u];
                let (blank, label) = (point.blank + next[u], point.label + right);
                let leave = |way: f64| (point.alpha + way - log_p).exp();
                out[t * columns + u] = [leave(blank), leave(label)];
                right = log_add(blank, label);
                next[u] = right;
            }
        }
    }

    fn value(&self, log_p: f64) -> f64 {
        // Not `-0`.
        0.0 - log_p
    }
}

/// `scale · softmax(x)`
struct Softmax<'a, T>(&'a [T], Kept<T>, T, &'a mut [T]);
impl<T: Float> Kernel for Softmax<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        self.1.softmax::<I>(self.0, self.2, self.3);
    }
}

impl<T: Float> Fused<T> for Rnnt {
    type Saved = Walked<T>;

    fn name(&self) -> &'static str {
        NAME
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let mut rows = Vec::with_capacity(self.sequences.len());
        for (n, sequence) in self.sequences.iter().enumerate() {
            let x = v[0].select(0, n as isize)?;
            let row = self.defined(&x, sequence)?;
            rows.push(match self.clamp {
                Some(clamp) if row.is_tracked() => self.clipped(&x, row, sequence, clamp)?,
                _ => row,
            });
        }
        let rows = match rows.is_empty() {
            true => Var::from(Tensor::zeros([0])?),
            false => Var::stack(&rows.iter().collect::<Vec<_>>(), 0)?,
        };
        self.reduction.apply(&rows, self.divisor)
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Result<(Tensor<T>, Walked<T>)> {
        let rows = Rows::new(x[0].buffer(), x[0].layout());
        let (n, steps) = (self.sequences.len(), x[0].shape()[1]);
        let nowhere = Point {
            kept: Kept::default(),
            blank: NEVER,
            label: NEVER,
            alpha: NEVER,
        };
        let mut points = vec![nowhere; rows.n_rows()];
        par::split(&mut points, 1, rows.len() * 8 + 8, |first, points| {
            let mut stage = Vec::new();
            for (i, point) in points.iter_mut().enumerate() {
                if let Some((sequence, _, u)) = self.place(steps, first + i) {
                    let block = rows.block(first + i, 1, &mut stage);
                    *point = self.point(sequence, u, block.row(0));
                }
            }
        });
        let mut log_p = vec![0.0; n];
        let width = steps * self.columns;
        let split = ((&mut points[..], width), (&mut log_p[..], 1), width * 32);
        par::split2(split.0, split.1, split.2, |first, points, log_p| {
            for (i, log_p) in log_p.iter_mut().enumerate() {
                let points = &mut points[i * width..][..width];
                *log_p = self.walk(&self.sequences[first + i], points);
            }
        });
        let values = log_p.iter().map(|&p| self.value(p));
        let y = match self.reduction {
            Reduction::None => Tensor::from_vec(values.map(T::of).collect(), [n])?,
            _ => self.reduction.value(values.sum(), self.divisor),
        };
        Ok((y, Walked { points, log_p }))
    }

    fn backward(
        &self,
        x: &[&Tensor<T>],
        walked: &Walked<T>,
        dy: &Tensor<T>,
        _: Needs,
    ) -> Result<FusedGrads<T>> {
        let rows = Rows::new(x[0].buffer(), x[0].layout());
        let (steps, classes) = (x[0].shape()[1], rows.len());
        let width = steps * self.columns;
        let g: Vec<f64> = match self.reduction {
            Reduction::None => dy.to_vec().into_iter().map(T::f64).collect(),
            _ => vec![self.reduction.scale(dy, self.divisor)?.f64(); self.sequences.len()],
        };
        let mut leave = vec![[0.0; 2]; rows.n_rows()];
        par::split(&mut leave, width, width * 48, |first, leave| {
            for (i, leave) in leave.chunks_exact_mut(width.max(1)).enumerate() {
                let (n, log_p) = (first + i, walked.log_p[first + i]);
                // Of what cannot be there is no slope.
                if log_p != NEVER {
                    let points = &walked.points[n * width..][..width];
                    self.leave(&self.sequences[n], points, log_p, leave);
                }
            }
        });
        let dx = Tensor::build(NAME, x[0].shape(), |out| {
            par::split(out, classes, classes * 8 + 8, |first, out| {
                let mut stage = Vec::new();
                for (i, dx) in out.chunks_exact_mut(classes.max(1)).enumerate() {
                    let i = first + i;
                    let [blank, label] = leave[i];
                    let place = self.place(steps, i).filter(|_| g[i / width] != 0.0);
                    let Some((sequence, _, u)) = place.filter(|_| blank + label != 0.0) else {
                        dx.fill(T::ZERO);
                        continue;
                    };
                    // What is clipped is the gradient of the sequence, which the upstream one scales afterwards.
                    let (g, after) = match self.clamp {
                        Some(_) => (1.0, g[i / width]),
                        None => (g[i / width], 1.0),
                    };
                    if self.logits {
                        let block = rows.block(i, 1, &mut stage);
                        let scale = T::of(g * (blank + label));
                        dispatch(Softmax(block.row(0), walked.points[i].kept, scale, dx));
                    } else {
                        dx.fill(T::ZERO);
                    }
                    dx[self.blank] = dx[self.blank] - T::of(g * blank);
                    let mut likelier = self.blank;
                    if let Some(&c) = sequence.labels.get(u) {
                        dx[c] = dx[c] - T::of(g * label);
                        if label > blank {
                            likelier = c;
                        }
                    }
                    if self.logits {
                        // The slopes add up to nothing: what is likely gets what the others lack, which has its digits.
                        dx[likelier] = T::ZERO;
                        dx[likelier] = T::of(-row::row_sum(dx));
                    }
                    if let Some(clamp) = self.clamp {
                        let (limit, after) = (T::of(clamp), T::of(after));
                        dx.iter_mut()
                            .for_each(|d| *d = d.max_(-limit).min_(limit) * after);
                    }
                }
            });
        })?;
        Ok(FusedGrads::from_iter([Some(dx)]))
    }
}

/// The value of one sequence, whose gradient is clipped; for the definition.
struct Clipped<T: Float> {
    x: Saved<T>,
    /// The operation of this sequence alone.
    rnnt: Rnnt,
    clamp: f64,
}

impl<T: Float> Op<T> for Clipped<T> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let again = dy.tape().is_some();
        let x = match again {
            true => self.x.on(dy).alias(),
            false => Tape::new().leaf(self.x.value().clone()),
        };
        let y = self.rnnt.defined(&x, &self.rnnt.sequences[0])?;
        let options = GradOptions::new().create_graph(again);
        let dx = grad(&[&y], &[&x], options)?.remove(0);
        let limit = T::of(self.clamp);
        let dx = dx.clamp(-limit, limit).mul(dy)?;
        Ok(Grads::one(if again { dx } else { dx.detach() }))
    }
}

impl Rnnt {
    /// `row`, the value of a sequence of logits `x`, with its gradient clipped.
    #[track_caller]
    fn clipped<T: Float>(
        &self,
        x: &Var<T>,
        row: Var<T>,
        sequence: &Sequence,
        clamp: f64,
    ) -> Result<Var<T>> {
        let sequences = vec![sequence.clone()];
        let rnnt = Rnnt { sequences, ..*self };
        Var::record(&[x], row.into_value(), |_| Clipped {
            x: x.save(),
            rnnt,
            clamp,
        })
    }

    /// The value of a sequence in plain operations, point by point.
    #[track_caller]
    fn defined<T: Float>(&self, x: &Var<T>, sequence: &Sequence) -> Result<Var<T>> {
        let most = sequence.labels.len();
        let x = x.narrow(0, 0, sequence.steps)?.narrow(1, 0, most + 1)?;
        let log = if self.logits { x.log_softmax(-1)? } else { x };
        let at = |t: usize, u: usize, class: usize| {
            log.select(0, t as isize)?
                .select(0, u as isize)?
                .select(0, class as isize)
        };
        let mut alpha: Vec<Var<T>> = Vec::with_capacity(most + 1);
        for t in 0..sequence.steps {
            for u in 0..=most {
                let down = match t {
                    0 => None,
                    _ => Some(alpha[u].add(at(t - 1, u, self.blank)?)?),
                };
                let along = match u {
                    0 => None,
                    _ => Some(alpha[u - 1].add(at(t, u - 1, sequence.labels[u - 1])?)?),
                };
                let reached = match (down, along) {
                    (Some(a), Some(b)) => Var::stack(&[&a, &b], 0)?.logsumexp(0)?,
                    (Some(a), None) | (None, Some(a)) => a,
                    (None, None) => Var::from(Tensor::scalar(T::ZERO)),
                };
                match alpha.get_mut(u) {
                    Some(alpha) => *alpha = reached,
                    None => alpha.push(reached),
                }
            }
        }
        let log_p = alpha[most].add(at(sequence.steps - 1, most, self.blank)?)?;
        if log_p.item()? == T::LOWEST {
            return Ok(Var::from(Tensor::scalar(T::INFINITY)));
        }
        Ok(-log_p)
    }
}
