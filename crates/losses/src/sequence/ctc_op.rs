//! CTC as an operation: its checks, its walks through the [lattice](super::lattice) and its definition.

use super::labels::{Batch, log_add};
use super::lattice::{Backward, Forward, NEVER, Sequence, Write};
use crate::Reduction;
use crate::classification::row::{self, Kept};
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::rows::Rows;
use autograd::tensor_core::kernel::{dispatch, par};
use autograd::{Error, Float, Fused, Needs, Result, Tensor, Var, fused};

/// What [`run`] is asked for.
pub(crate) struct Options {
    pub op: &'static str,
    /// Whether the input is logits, whose softmax is taken here.
    pub logits: bool,
    pub blank: i64,
    pub zero_infinity: bool,
    pub reduction: Reduction,
}

/// The loss of `x`, of shape `(T, N, C)` or `(T, C)`.
#[track_caller]
pub(crate) fn run<T: Float>(
    options: Options,
    x: &Var<T>,
    targets: &Tensor<i64>,
    input_lengths: &Tensor<i64>,
    target_lengths: &Tensor<i64>,
) -> Result<Var<T>> {
    let op = options.op;
    let what = if options.logits {
        "logits"
    } else {
        "log-probabilities"
    };
    let (size, classes) = match *x.shape() {
        [_, classes] => (None, classes),
        [_, n, classes] => (Some(n), classes),
        _ => {
            return Err(Error::Shape {
                op,
                what: "the input",
                got: x.shape().into(),
                expected: "it must be (T, N, C) or (T, C): time steps, sequences, classes".into(),
            });
        }
    };
    let batch = Batch {
        op,
        what,
        size,
        classes,
        blank: options.blank,
    };
    let blank = batch.blank()?;
    let expected = "it must lie between 0 and the number of time steps";
    let steps = batch.lengths("input_lengths", input_lengths, (0, x.shape()[0]), expected)?;
    let labels = batch.labels(targets, target_lengths)?;
    let n = steps.len();
    let ctc = Ctc {
        op,
        logits: options.logits,
        blank,
        zero_infinity: options.zero_infinity,
        reduction: options.reduction,
        divisor: options.reduction.divisor(n as f64, &[n]),
        sequences: steps
            .into_iter()
            .zip(labels)
            .map(|(steps, labels)| Sequence::new(steps, &labels, blank))
            .collect(),
    };
    if size.is_some() {
        return fused(ctc, &[x]);
    }
    let y = fused(ctc, &[&x.unsqueeze(1)?])?;
    y.reshape(())
}

#[derive(Clone)]
struct Ctc {
    op: &'static str,
    logits: bool,
    blank: usize,
    zero_infinity: bool,
    reduction: Reduction,
    divisor: f64,
    sequences: Vec<Sequence>,
}

/// What is kept of a sequence: the logarithm of its probability; where it was asked for, of all beginnings of paths, a
/// row for each step; and the rows of logits.
struct Walked<T> {
    log_p: f64,
    alpha: Vec<f64>,
    kept: Vec<Kept<T>>,
}

impl Ctc {
    /// The value of a sequence.
    fn value(&self, log_p: f64) -> f64 {
        if log_p == NEVER && self.zero_infinity {
            0.0
        } else {
            // Not `-0`, which an empty sequence would have.
            0.0 - log_p
        }
    }

    /// What the value of a sequence is multiplied with in a mean.
    fn share(&self, sequence: &Sequence) -> f64 {
        match self.reduction {
            Reduction::Mean => 1.0 / sequence.n_labels.max(1) as f64,
            _ => 1.0,
        }
    }

    /// The logarithm of what each state emits at a step whose row is `x`.
    fn emit<T: Float>(&self, path: &[usize], x: &[T], kept: Kept<T>, out: &mut [f64]) {
        let log = |class: usize| {
            if self.logits {
                -kept.cost(x[class])
            } else {
                x[class].f64()
            }
        };
        let blank = log(self.blank);
        for (s, (out, &class)) in out.iter_mut().zip(path).enumerate() {
            *out = if s % 2 == 0 { blank } else { log(class) };
        }
    }

    /// Walks sequence `n` forward, and keeps all rows of its lattice if `keep` is set.
    fn walk<T: Float>(&self, n: usize, rows: &Rows<'_, T>, keep: bool) -> Walked<T> {
        let (sequence, batch) = (&self.sequences[n], self.sequences.len());
        let (steps, states) = (sequence.steps, sequence.n_states());
        if steps == 0 {
            let log_p = if states == 1 { 0.0 } else { NEVER };
            return Walked {
                log_p,
                alpha: Vec::new(),
                kept: Vec::new(),
            };
        }
        let width = states + 2;
        let mut alpha = vec![NEVER; width * if keep { steps } else { 2 }];
        let mut kept = vec![Kept::default(); if self.logits { steps } else { 0 }];
        let (mut emit, mut stage) = (vec![0.0; states], Vec::new());
        for t in 0..steps {
            let block = rows.block(t * batch + n, 1, &mut stage);
            let x = block.row(0);
            let row = match kept.get_mut(t) {
                Some(kept) => {
                    *kept = row::keep(x);
                    *kept
                }
                None => Kept::default(),
            };
            self.emit(&sequence.path, x, row, &mut emit);
            let at = if keep { t } else { t % 2 } * width;
            if t == 0 {
                // A path begins with the first blank or the first label.
                for (out, emit) in alpha[2..].iter_mut().zip(&emit).take(2) {
                    *out = *emit;
                }
                continue;
            }
            let before = if keep { t - 1 } else { (t - 1) % 2 } * width;
            let (low, high) = alpha.split_at_mut(before.max(at));
            let (from, out) = if before < at {
                (&low[before..][..width], &mut high[..width])
            } else {
                (&high[..width], &mut low[at..][..width])
            };
            dispatch(Forward {
                from,
                jumps: &sequence.jumps,
                emit: &emit,
                out,
            });
        }
        let last = if keep { steps - 1 } else { (steps - 1) % 2 } * width;
        let ends = &alpha[last + width - 2..][..2];
        // With one state alone, the element in front of it is one that is never reached.
        let log_p = log_add(ends[0], ends[1]);
        if !keep {
            alpha = Vec::new();
        }
        Walked { log_p, alpha, kept }
    }

    /// Writes the gradient of sequence `n`, `g` times that of its value, into `dx`, its rows one after the other.
    fn slopes<T: Float>(
        &self,
        n: usize,
        rows: &Rows<'_, T>,
        walked: &Walked<T>,
        g: f64,
        dx: &mut [T],
    ) {
        let (sequence, batch) = (&self.sequences[n], self.sequences.len());
        let (steps, states) = (sequence.steps, sequence.n_states());
        let classes = rows.len();
        // Of what cannot be there is no slope.
        if g == 0.0 || walked.log_p == NEVER || steps == 0 {
            return dx.fill(T::ZERO);
        }
        dx[steps * classes..].fill(T::ZERO);
        let width = states + 2;
        let (mut next, mut after) = (vec![NEVER; width], vec![NEVER; width]);
        let (mut emit, mut posterior) = (vec![0.0; states], vec![0.0; states]);
        let mut of_class = vec![0.0f64; classes];
        let mut stage = Vec::new();
        // Beyond the last step, the last two states are the end.
        next[states.saturating_sub(2)..states].fill(0.0);
        for t in (0..steps).rev() {
            let last = t + 1 == steps;
            let alpha = &walked.alpha[t * width..][..width];
            if last {
                after.copy_from_slice(&next);
                for s in 0..states {
                    posterior[s] = (alpha[s + 2] + after[s] - walked.log_p).exp();
                }
            } else {
                dispatch(Backward {
                    next: &next,
                    jumps: &sequence.jumps,
                    alpha,
                    log_p: walked.log_p,
                    out: &mut after,
                    posterior: &mut posterior,
                });
            }
            let block = rows.block(t * batch + n, 1, &mut stage);
            let (x, row) = (block.row(0), walked.kept.get(t).copied());
            of_class.fill(0.0);
            for (&class, p) in sequence.path.iter().zip(&posterior) {
                of_class[class] += p;
            }
            dispatch(Write {
                x,
                row,
                of_class: &of_class,
                g,
                dx: &mut dx[t * classes..][..classes],
            });
            self.emit(&sequence.path, x, row.unwrap_or_default(), &mut emit);
            for ((next, after), emit) in next.iter_mut().zip(&after).zip(&emit) {
                *next = after + emit;
            }
        }
    }
}

impl<T: Float> Fused<T> for Ctc {
    type Saved = Vec<Walked<T>>;

    fn name(&self) -> &'static str {
        self.op
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let mut rows = Vec::with_capacity(self.sequences.len());
        for (n, sequence) in self.sequences.iter().enumerate() {
            rows.push(self.defined(&v[0], n, sequence)?);
        }
        if rows.is_empty() {
            let none = Var::from(Tensor::zeros([0])?);
            return self.reduction.apply(&none, self.divisor);
        }
        let rows = Var::stack(&rows.iter().collect::<Vec<_>>(), 0)?;
        let shares = self.sequences.iter().map(|s| T::of(self.share(s)));
        let shares = Tensor::from_vec(shares.collect(), [self.sequences.len()])?;
        self.reduction
            .apply(&rows.mul(Var::from(shares))?, self.divisor)
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Result<(Tensor<T>, Vec<Walked<T>>)> {
        let (y, _) = self.forward_all(x[0], false)?;
        Ok((y, Vec::new()))
    }

    fn forward_for(&self, x: &[&Tensor<T>], _: Needs) -> Result<(Tensor<T>, Vec<Walked<T>>)> {
        self.forward_all(x[0], true)
    }

    fn backward(
        &self,
        x: &[&Tensor<T>],
        walked: &Vec<Walked<T>>,
        dy: &Tensor<T>,
        _: Needs,
    ) -> Result<FusedGrads<T>> {
        let rows = Rows::new(x[0].buffer(), x[0].layout());
        let shape = x[0].shape();
        let (steps, n, classes) = (shape[0], shape[1], shape[2]);
        let g: Vec<f64> = match self.reduction {
            Reduction::None => dy.to_vec().into_iter().map(T::f64).collect(),
            _ => {
                let all = self.reduction.scale(dy, self.divisor)?.f64();
                let of = |s: &Sequence| all * self.share(s);
                self.sequences.iter().map(of).collect()
            }
        };
        // A sequence's rows lie together, so that each is one thread's to write.
        let dx = Tensor::build(self.op, [n, steps, classes], |out| {
            let width = steps * classes;
            par::split(out, width, self.cost(classes), |first, out| {
                for (i, dx) in out.chunks_exact_mut(width.max(1)).enumerate() {
                    let n = first + i;
                    self.slopes(n, &rows, &walked[n], g[n], dx);
                }
            });
        })?;
        Ok(FusedGrads::from_iter([Some(dx.permute([1, 0, 2])?)]))
    }
}

impl Ctc {
    /// How many additions a sequence is worth.
    fn cost(&self, classes: usize) -> usize {
        let of = |s: &Sequence| {
            s.steps * (s.n_states() * 16 + if self.logits { classes * 8 } else { 0 })
        };
        self.sequences.iter().map(of).max().unwrap_or(0) + 8
    }

    fn forward_all<T: Float>(
        &self,
        x: &Tensor<T>,
        keep: bool,
    ) -> Result<(Tensor<T>, Vec<Walked<T>>)> {
        let rows = Rows::new(x.buffer(), x.layout());
        let n = self.sequences.len();
        // A sequence is work enough for a thread; a few of them are not worth waking others.
        let walked: Vec<Walked<T>> = if n.saturating_mul(self.cost(rows.len())) > par::GRAIN {
            par::each(n, &|n| self.walk(n, &rows, keep))
        } else {
            (0..n).map(|n| self.walk(n, &rows, keep)).collect()
        };
        let values = walked.iter().map(|w| self.value(w.log_p));
        let y = match self.reduction {
            Reduction::None => Tensor::from_vec(values.map(T::of).collect(), [n])?,
            _ => {
                let shares = self.sequences.iter().map(|s| self.share(s));
                let sum = values.zip(shares).map(|(v, share)| v * share).sum();
                self.reduction.value(sum, self.divisor)
            }
        };
        Ok((y, walked))
    }

    /// The value of a sequence in plain operations, a row of states for each step.
    #[track_caller]
    fn defined<T: Float>(&self, x: &Var<T>, n: usize, sequence: &Sequence) -> Result<Var<T>> {
        let constant = |log_p: f64| Ok(Var::from(Tensor::scalar(T::of(self.value(log_p)))));
        let (steps, states) = (sequence.steps, sequence.n_states());
        if steps == 0 {
            return constant(if states == 1 { 0.0 } else { NEVER });
        }
        let x = x.select(1, n as isize)?.narrow(0, 0, steps)?;
        let log = if self.logits { x.log_softmax(-1)? } else { x };
        let path = sequence.path.iter().map(|&c| c as i64).collect();
        let emit = log.index_select(1, &Tensor::from_vec(path, [states])?)?;
        let state = |f: &dyn Fn(usize) -> f64| {
            let values = (0..states).map(|s| T::of(f(s))).collect();
            Tensor::from_vec(values, [states]).map(Var::from)
        };
        let start = state(&|s| if s < 2 { 0.0 } else { NEVER })?;
        let jumps = state(&|s| sequence.jumps[s])?;
        let mut alpha = emit.select(0, 0)?.add(start)?;
        for t in 1..steps {
            let shifted = |by: usize| {
                if by >= states {
                    return state(&|_| NEVER);
                }
                let front = alpha.narrow(0, 0, states - by)?;
                front.pad([by as i64, 0], T::LOWEST)
            };
            let (one, two) = (shifted(1)?, shifted(2)?.add(&jumps)?);
            let sum = Var::stack(&[&alpha, &one, &two], 0)?.logsumexp(0)?;
            alpha = sum.add(emit.select(0, t as isize)?)?;
        }
        let ends = states.min(2);
        let log_p = alpha
            .narrow(0, (states - ends) as isize, ends)?
            .logsumexp(0)?;
        if log_p.item()? == T::LOWEST {
            return constant(NEVER);
        }
        Ok(-log_p)
    }
}
