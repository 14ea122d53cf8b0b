//! Gradient checking: a function's backward rules against finite differences, with a report that a person can read.
//!
//! Every element of the Jacobian is compared. The analytic side runs backward once for each output element, and once
//! more from a drawn gradient, whose result must be the same combination of the rows. The numeric side takes central
//! differences at two step sizes in `f64`: Richardson's extrapolation of both is the value, their disagreement its
//! error estimate; a third, much smaller step shows whether they converge at all, and one-sided differences tell a
//! kink from a wrong rule.

mod report;

use crate::backward::{GradOptions, grad};
use crate::tape::Tape;
use crate::var::Var;
pub use report::{Finding, Report, Status};
use tensor_core::{Dims, Error, Result, Tensor, unravel};

/// What a checked function returns: one value, or several.
pub trait Outputs {
    /// The values as a list.
    fn into_vars(self) -> Vec<Var<f64>>;
}
impl Outputs for Var<f64> {
    fn into_vars(self) -> Vec<Var<f64>> {
        vec![self]
    }
}
impl Outputs for Vec<Var<f64>> {
    fn into_vars(self) -> Vec<Var<f64>> {
        self
    }
}
impl Outputs for (Var<f64>, Var<f64>) {
    fn into_vars(self) -> Vec<Var<f64>> {
        vec![self.0, self.1]
    }
}

/// The tolerances of a check.
#[derive(Clone, Copy, Debug)]
pub struct GradCheck {
    rtol: f64,
    atol: f64,
    step: f64,
}

impl Default for GradCheck {
    /// A relative tolerance of 1e-6, an absolute one of 1e-7, a step of 1e-4: extrapolation leaves an error of the
    /// order of `step⁴ = 1e-16` times the fifth derivative, and rounding one of `2e-16 / step = 2e-12` times the value.
    fn default() -> Self {
        GradCheck {
            rtol: 1e-6,
            atol: 1e-7,
            step: 1e-4,
        }
    }
}

/// Checks the gradients of `f` at `inputs` by finite differences, with the default tolerances.
///
/// ```
/// use autograd::{Tensor, gradcheck};
/// let x = Tensor::from([0.5, -1.5, 2.0]);
/// gradcheck(|v| v[0].tanh().sum(..), &[x])?.assert_ok();
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Whatever `f` returns.
pub fn gradcheck<O: Outputs>(
    f: impl Fn(&[Var<f64>]) -> Result<O>,
    inputs: &[Tensor<f64>],
) -> Result<Report> {
    GradCheck::default().run(f, inputs)
}

/// Checks the second derivatives of `f` at `inputs`: its gradients, from a drawn upstream gradient, are checked as a
/// function of the inputs and of that upstream gradient.
///
/// # Errors
/// Whatever `f` returns.
pub fn gradgradcheck<O: Outputs>(
    f: impl Fn(&[Var<f64>]) -> Result<O>,
    inputs: &[Tensor<f64>],
) -> Result<Report> {
    GradCheck::default().run_second(f, inputs)
}

/// A function to be checked. Behind a pointer, since the check would otherwise be compiled anew for each of them.
type Function<'a> = &'a dyn Fn(&[Var<f64>]) -> Result<Vec<Var<f64>>>;

/// The numeric Jacobian column of one input element: for each output element the value, its error, and the
/// derivatives from the left and from the right and the central ones at all step sizes.
struct Column {
    value: Vec<f64>,
    error: Vec<f64>,
    /// What rounding adds to a difference at the second step; at the third it is `TINY` times as much.
    rounding: Vec<f64>,
    sides: Vec<[[f64; 2]; 3]>,
    central: Vec<[f64; 3]>,
}

/// How much smaller than the first step the third is: small enough to see what the others leap over, and large enough
/// to leave half of the digits.
const TINY: f64 = 1024.0;

impl GradCheck {
    /// The default tolerances.
    pub fn new() -> Self {
        Self::default()
    }

    /// The relative tolerance.
    pub fn rtol(self, rtol: f64) -> Self {
        Self { rtol, ..self }
    }

    /// The absolute tolerance.
    pub fn atol(self, atol: f64) -> Self {
        Self { atol, ..self }
    }

    /// The larger of the two steps, for elements up to 1; larger elements take proportionally larger steps.
    pub fn step(self, step: f64) -> Self {
        Self { step, ..self }
    }

    /// Checks first derivatives.
    ///
    /// # Errors
    /// Whatever `f` returns.
    pub fn run<O: Outputs>(
        &self,
        f: impl Fn(&[Var<f64>]) -> Result<O>,
        inputs: &[Tensor<f64>],
    ) -> Result<Report> {
        self.first(&|v| f(v).map(O::into_vars), inputs)
    }

    fn first(&self, f: Function<'_>, inputs: &[Tensor<f64>]) -> Result<Report> {
        let at = |inputs: &[Tensor<f64>]| -> Result<Vec<f64>> {
            let vars: Vec<Var<f64>> = inputs.iter().map(Var::from).collect();
            Ok(f(&vars)?.iter().flat_map(|y| y.value().to_vec()).collect())
        };
        let base = at(inputs)?;
        let same = |a: &[f64], b: &[f64]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        let nondeterministic = !same(&base, &at(inputs)?);
        let mut report = Report {
            compared: 0,
            findings: Vec::new(),
            nondeterministic,
        };
        if nondeterministic {
            return Ok(report);
        }
        let (rows, places, drawn) = analytic(f, inputs)?;
        let weights: Vec<f64> = drawn_gradient(base.len());
        for (i, input) in inputs.iter().enumerate() {
            for j in 0..input.numel() {
                let index = unravel(j, input.shape());
                let column = self.column(&at, inputs, (i, j), &base)?;
                let mut combined = 0.0;
                let mut magnitude = 0.0;
                for (k, place) in places.iter().enumerate() {
                    let a = rows[k][i][j];
                    combined += weights[k] * a;
                    magnitude += (weights[k] * a).abs();
                    report.compared += 1;
                    let status = self.judge(a, &column, k);
                    if status != Status::Ok {
                        report.findings.push(Finding {
                            input: (i, index.clone()),
                            output: Some(place.clone()),
                            analytic: a,
                            numeric: column.value[k],
                            error: column.error[k],
                            status,
                        });
                    }
                }
                // The pass from a drawn gradient must be that combination of the rows.
                let a = drawn[i][j];
                let close = (a - combined).abs() <= 1e-9 * magnitude + 1e-12
                    || (a.is_nan() && combined.is_nan());
                if !close && !(a == combined) {
                    report.findings.push(Finding {
                        input: (i, index),
                        output: None,
                        analytic: a,
                        numeric: combined,
                        error: 1e-12,
                        status: Status::Wrong,
                    });
                }
            }
        }
        Ok(report)
    }

    /// Checks second derivatives; see [`gradgradcheck`].
    ///
    /// # Errors
    /// Whatever `f` returns.
    pub fn run_second<O: Outputs>(
        &self,
        f: impl Fn(&[Var<f64>]) -> Result<O>,
        inputs: &[Tensor<f64>],
    ) -> Result<Report> {
        self.second(&|v| f(v).map(O::into_vars), inputs)
    }

    fn second(&self, f: Function<'_>, inputs: &[Tensor<f64>]) -> Result<Report> {
        let vars: Vec<Var<f64>> = inputs.iter().map(Var::from).collect();
        let n = inputs.len();
        let mut all = inputs.to_vec();
        for y in f(&vars)? {
            all.push(Tensor::from_vec(drawn_gradient(y.numel()), y.shape())?);
        }
        let gradients = |v: &[Var<f64>]| -> Result<Vec<Var<f64>>> {
            // Constants, when differences are taken, get a tape of their own to be differentiated on.
            let tape = v[0].tape().cloned().unwrap_or_default();
            let v: Vec<Var<f64>> = v
                .iter()
                .map(|x| {
                    if x.is_tracked() {
                        x.clone()
                    } else {
                        tape.leaf(x.value().clone())
                    }
                })
                .collect();
            let outputs = f(&v[..n])?;
            let options = GradOptions::new()
                .create_graph(true)
                .allow_unused(true)
                .seed(v[n..].iter().cloned());
            grad(
                &outputs.iter().collect::<Vec<_>>(),
                &v[..n].iter().collect::<Vec<_>>(),
                options,
            )
        };
        self.first(&gradients, &all)
    }

    fn column(
        &self,
        at: &impl Fn(&[Tensor<f64>]) -> Result<Vec<f64>>,
        inputs: &[Tensor<f64>],
        (i, j): (usize, usize),
        base: &[f64],
    ) -> Result<Column> {
        let x = inputs[i].to_vec()[j];
        let h = self.step * x.abs().max(1.0);
        let mut moved = inputs.to_vec();
        let mut shifted = |d: f64| -> Result<(Vec<f64>, f64)> {
            moved[i] = inputs[i].contiguous();
            let place = &mut moved[i].as_mut_slice()[j];
            *place = x + d;
            // The step that was really taken, after rounding.
            let step = *place - x;
            Ok((at(&moved)?, step))
        };
        let mut sides = vec![[[0.0; 2]; 3]; base.len()];
        let mut central = vec![[0.0; 3]; base.len()];
        for (s, step) in [h, h / 2.0, h / TINY].into_iter().enumerate() {
            let (right, up) = shifted(step)?;
            let (left, down) = shifted(-step)?;
            if right.len() != base.len() || left.len() != base.len() {
                let expected = "it must not depend on the values of the inputs".into();
                let got = Dims::from_slice(&[right.len()]);
                return Err(Error::Shape {
                    op: "gradcheck",
                    what: "the number of outputs",
                    got,
                    expected,
                });
            }
            for k in 0..base.len() {
                sides[k][s] = [(left[k] - base[k]) / down, (right[k] - base[k]) / up];
                central[k][s] = (right[k] - left[k]) / (up - down);
            }
        }
        let value: Vec<f64> = central.iter().map(|c| (4.0 * c[1] - c[0]) / 3.0).collect();
        let rounding: Vec<f64> = base
            .iter()
            .map(|y| 4.0 * f64::EPSILON * y.abs() / (h / 2.0))
            .collect();
        let error = (0..base.len())
            .map(|k| (value[k] - central[k][1]).abs() + rounding[k])
            .collect();
        Ok(Column {
            value,
            error,
            rounding,
            sides,
            central,
        })
    }

    fn judge(&self, analytic: f64, column: &Column, k: usize) -> Status {
        let (numeric, error) = (column.value[k], column.error[k]);
        let tolerance = self.atol + self.rtol * numeric.abs();
        let off = (analytic - numeric).abs();
        if off <= tolerance {
            return Status::Ok;
        }
        let [[left, right], [left2, right2], [left3, right3]] = column.sides[k];
        let [gap, gap2, gap3] = [right - left, right2 - left2, right3 - left3].map(f64::abs);
        // On a smooth stretch the two sides approach each other in proportion to the step; at a kink they do not, but
        // each of them settles. Where neither holds, the steps have not seen the function's shape.
        let settled = (left2 - left).abs().max((right2 - right).abs()) <= 0.25 * gap2
            && (left3 - left2).abs().max((right3 - right2).abs()) <= 0.5 * gap3;
        let kink = settled && gap2 > 0.75 * gap && gap2 > 1e3 * tolerance;
        let slack = tolerance + 1e-2 * gap2;
        let low = left2.min(right2).min(left3).min(right3) - slack;
        let high = left2.max(right2).max(left3).max(right3) + slack;
        if kink && (low..=high).contains(&analytic) {
            return Status::Kink;
        }
        if !numeric.is_finite() || !error.is_finite() {
            return Status::IllConditioned;
        }
        // Smaller steps halve the error of a smooth function several times over. Where the differences move on by as
        // much again, and by more than a tenth of themselves, they have not seen the function's shape.
        let [first, second, third] = column.central[k];
        let moved = (third - second).abs();
        let lost = moved > 0.5 * (second - first).abs()
            && moved > tolerance + 0.1 * numeric.abs() + TINY * column.rounding[k];
        // A NaN from the rules is wrong where the differences are finite.
        if !kink && (lost || off <= 2.0 * error) {
            Status::IllConditioned
        } else {
            Status::Wrong
        }
    }
}

/// Rows of the Jacobian by the backward rules, for each output element the gradients of all inputs; where each row's
/// element lies; and the gradients from the drawn one.
#[allow(clippy::type_complexity)]
fn analytic(
    f: Function<'_>,
    inputs: &[Tensor<f64>],
) -> Result<(Vec<Vec<Vec<f64>>>, Vec<(usize, Dims)>, Vec<Vec<f64>>)> {
    let tape = Tape::new();
    let leaves: Vec<Var<f64>> = inputs.iter().map(|x| tape.leaf(x.clone())).collect();
    let outputs = f(&leaves)?;
    let zeros = || -> Vec<Vec<f64>> { inputs.iter().map(|x| vec![0.0; x.numel()]).collect() };
    let all: Vec<&Var<f64>> = leaves.iter().collect();
    let pass = |outputs: &[&Var<f64>], seeds: Vec<Var<f64>>| -> Result<Vec<Vec<f64>>> {
        let options = GradOptions::new()
            .retain_graph(true)
            .allow_unused(true)
            .seed(seeds);
        Ok(grad(outputs, &all, options)?
            .iter()
            .map(|dx| dx.value().to_vec())
            .collect())
    };
    let (mut rows, mut places) = (Vec::new(), Vec::new());
    for (o, y) in outputs.iter().enumerate() {
        for k in 0..y.numel() {
            places.push((o, unravel(k, y.shape())));
            if !y.is_tracked() {
                rows.push(zeros());
                continue;
            }
            let mut seed = vec![0.0; y.numel()];
            seed[k] = 1.0;
            rows.push(pass(
                &[y],
                vec![Var::from(Tensor::from_vec(seed, y.shape())?)],
            )?);
        }
    }
    let mut weights = drawn_gradient(places.len()).into_iter();
    let (mut tracked, mut seeds) = (Vec::new(), Vec::new());
    for y in &outputs {
        let seed: Vec<f64> = weights.by_ref().take(y.numel()).collect();
        if y.is_tracked() {
            tracked.push(y);
            seeds.push(Var::from(Tensor::from_vec(seed, y.shape())?));
        }
    }
    let drawn = if tracked.is_empty() {
        zeros()
    } else {
        pass(&tracked, seeds)?
    };
    Ok((rows, places, drawn))
}

/// An upstream gradient in few digits, neither constant nor zero anywhere: handy values hide errors.
fn drawn_gradient(n: usize) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..n)
        .map(|_| {
            // A linear congruential generator (Knuth's MMIX constants); its high bits are what is used.
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let step = (state >> 58) as f64 - 31.5;
            step / 16.0
        })
        .collect()
}
