//! The check of large inputs along drawn directions.

use super::hints::Seen;
use super::report::{Finding, Report, Status};
use super::slope::{Slope, slopes};
use super::{GradCheck, Graph, Values, drawn};
use std::ops::Range;
use tensor_core::{Dims, Result, Tensor, unravel};

/// One input, its gradient from drawn weights of the outputs, and the direction in which it moves.
struct Projection<'a> {
    check: &'a GradCheck,
    at: Values<'a>,
    inputs: &'a [Tensor<f64>],
    i: usize,
    x: Vec<f64>,
    direction: Vec<f64>,
    gradient: &'a [f64],
    weights: &'a [f64],
    /// The combination of the outputs at the inputs as they are, and the sum of its terms' magnitudes.
    base: f64,
    size: f64,
}

impl Projection<'_> {
    /// The derivative where only the elements of `range` move: by the rules, by differences, and what they come to.
    fn along(&self, range: Range<usize>) -> Result<(f64, Slope, Status)> {
        let parts = range.clone().map(|j| self.direction[j] * self.gradient[j]);
        let analytic: f64 = parts.clone().sum();
        // The terms have both signs: by this much they are known to matter, whatever their sum is. One that is no number
        // is no measure of the others.
        let finite = |v: &f64| v.is_finite();
        let norm = parts.filter(finite).map(|p| p * p).sum::<f64>().sqrt();
        // That elements are rounded when they move is as if the outputs were rounded by as much.
        let moved = range.clone().map(|j| (self.gradient[j] * self.x[j]).abs());
        let size = self.size + moved.filter(finite).sum::<f64>();
        let mut best: Option<(Slope, Status)> = None;
        // Among many elements some are closer to a kink than the first step is long.
        for scale in [1.0, 1.0 / 16.0, 1.0 / 256.0] {
            let shifted = |d: f64| {
                let mut x = self.x.clone();
                range.clone().for_each(|j| x[j] += d * self.direction[j]);
                let mut moved = self.inputs.to_vec();
                moved[self.i] = Tensor::from_vec(x, self.inputs[self.i].shape())?;
                let y = (self.at)(&moved)?;
                let y = y.iter().zip(self.weights).map(|(y, w)| y * w).sum();
                Ok((vec![y], d))
            };
            let step = scale * self.check.step;
            let slope = slopes(shifted, &[self.base], &[size], step)?.remove(0);
            let tolerance = self.check.atol + self.check.rtol * norm.max(slope.value.abs());
            let status = slope.judge(analytic, tolerance);
            let better = (best.as_ref()).is_none_or(|(b, _)| slope.error < b.error);
            if better || status == Status::Ok {
                best = Some((slope, status));
            }
            if status == Status::Ok {
                break;
            }
        }
        // The loop ran at least once.
        let (slope, status) = best.unwrap_or_else(|| unreachable!());
        Ok((analytic, slope, status))
    }

    /// The range within `range`, which is wrong, that halves lead to: one element, unless no half is wrong alone.
    fn narrowed(&self, range: Range<usize>) -> Result<Range<usize>> {
        let mut range = range;
        while range.len() > 1 {
            let middle = range.start + range.len() / 2;
            let halves = [range.start..middle, middle..range.end];
            let mut wrong = None;
            for half in halves {
                if self.along(half.clone())?.2 == Status::Wrong {
                    wrong = Some(half);
                    break;
                }
            }
            match wrong {
                Some(half) => range = half,
                None => break,
            }
        }
        Ok(range)
    }
}

impl GradCheck {
    /// Compares along drawn directions; see [`GradCheck::fast`].
    pub(super) fn project(
        &self,
        at: Values<'_>,
        inputs: &[Tensor<f64>],
        outputs: &[f64],
        graph: &Graph,
        report: &mut Report,
        seen: &mut [Seen],
    ) -> Result<()> {
        for p in 0..self.projections as u64 {
            let weights = drawn(outputs.len(), 2 * p);
            let gradients = graph.pull(&weights)?;
            let terms = || outputs.iter().zip(&weights).map(|(y, w)| y * w);
            for (i, input) in inputs.iter().enumerate().filter(|(_, x)| x.numel() > 0) {
                let x = input.to_vec();
                let drawn = drawn(x.len(), 2 * p + 1);
                let projection = Projection {
                    check: self,
                    at,
                    inputs,
                    i,
                    direction: drawn
                        .iter()
                        .zip(&x)
                        .map(|(d, x)| d * x.abs().max(1.0))
                        .collect(),
                    x,
                    gradient: &gradients[i],
                    weights: &weights,
                    base: terms().sum(),
                    size: terms().map(f64::abs).sum(),
                };
                let all = 0..projection.x.len();
                let (mut analytic, mut slope, status) = projection.along(all.clone())?;
                report.compared += 1;
                let mut index = Dims::new();
                if status == Status::Wrong {
                    let range = projection.narrowed(all)?;
                    (analytic, slope, _) = projection.along(range.clone())?;
                    if range.len() == 1 {
                        // Along the element itself.
                        let d = projection.direction[range.start];
                        (analytic, slope.value, slope.error) =
                            (analytic / d, slope.value / d, (slope.error / d).abs());
                    }
                    index = unravel(range.start, input.shape());
                }
                seen[i].add(analytic, slope.value, status);
                if status != Status::Ok {
                    report.findings.push(Finding {
                        input: (i, index),
                        output: None,
                        analytic,
                        numeric: slope.value,
                        error: slope.error,
                        status,
                    });
                }
            }
        }
        Ok(())
    }
}
