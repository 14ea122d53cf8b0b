//! Gradient checking: a function's backward rules against finite differences, with a report that a person can read.
//!
//! Every element of the Jacobian is compared. The analytic side runs backward once for each output element, and once
//! more from a drawn gradient, whose result must be the same combination of the rows. The numeric side takes central
//! differences at two step sizes in `f64`: Richardson's extrapolation of both is the value, their disagreement its
//! error estimate; a third, much smaller step shows whether they converge at all, and one-sided differences tell a
//! kink from a wrong rule.
//!
//! That takes time in proportion to the number of inputs times the number of outputs. For large inputs there is
//! [`GradCheck::fast`], which compares along drawn directions, and looks for the element that is wrong only where there
//! is one.

mod fast;
mod hints;
mod report;
mod slope;

pub use crate::functional::Outputs;
use crate::grad::{GradOptions, grad};
use crate::tape::Tape;
use crate::var::Var;
use hints::Seen;
pub use report::{Finding, Report, Status};
use slope::slopes;
use tensor_core::{Dims, Error, Result, Tensor, unravel};

/// The tolerances of a check, and its mode.
#[derive(Clone, Copy, Debug)]
pub struct GradCheck {
    rtol: f64,
    atol: f64,
    step: f64,
    projections: usize,
}

impl Default for GradCheck {
    /// A relative tolerance of 1e-6, an absolute one of 1e-7, a step of 1e-4: extrapolation leaves an error of the
    /// order of `step⁴ = 1e-16` times the fifth derivative, and rounding one of `2e-16 / step = 2e-12` times the value.
    /// Both tolerances lie well above that and well below what a wrong rule is off by; where the estimated error of a
    /// derivative is not as small, because the function bends much or its value is large, it is called
    /// [ill-conditioned](Status::IllConditioned) rather than wrong.
    fn default() -> Self {
        GradCheck {
            rtol: 1e-6,
            atol: 1e-7,
            step: 1e-4,
            projections: 0,
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
/// Whatever `f` returns; [`Error::Option`] if there is no input.
pub fn gradcheck<O: Outputs<f64>>(
    f: impl Fn(&[Var<f64>]) -> Result<O>,
    inputs: &[Tensor<f64>],
) -> Result<Report> {
    GradCheck::default().run(f, inputs)
}

/// Checks the second derivatives of `f` at `inputs`: its gradients, from a drawn upstream gradient, are checked as a
/// function of the inputs and of that upstream gradient.
///
/// # Errors
/// Whatever `f` returns; [`Error::Option`] if there is no input.
pub fn gradgradcheck<O: Outputs<f64>>(
    f: impl Fn(&[Var<f64>]) -> Result<O>,
    inputs: &[Tensor<f64>],
) -> Result<Report> {
    GradCheck::default().run_second(f, inputs)
}

/// A function to be checked. Behind a pointer, since the check would otherwise be compiled anew for each of them.
type Function<'a> = &'a dyn Fn(&[Var<f64>]) -> Result<Vec<Var<f64>>>;

/// The same for values alone: the elements of all outputs.
type Values<'a> = &'a dyn Fn(&[Tensor<f64>]) -> Result<Vec<f64>>;

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

    /// Compares along drawn directions in place of each element by each: for every input `projections` times the
    /// derivative, along a direction in which all its elements move, of a drawn combination of all outputs.
    ///
    /// One projection takes one backward pass and a few calls of the function, however large the input is. A rule that
    /// is wrong in one element of a million is found, unless that element is a millionth of the others; then halves of
    /// the direction lead to it.
    ///
    /// ```
    /// use autograd::{GradCheck, Tensor};
    /// let x = Tensor::linspace(-2.0, 2.0, 100_000)?;
    /// let report = GradCheck::new().fast(3).run(|v| Ok(v[0].tanh()), &[x])?;
    /// assert_eq!(report.to_string(), "gradcheck: 3 projections compared: all agree");
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn fast(self, projections: usize) -> Self {
        Self {
            projections,
            ..self
        }
    }

    /// Checks first derivatives.
    ///
    /// # Errors
    /// Whatever `f` returns; [`Error::Option`] if there is no input.
    pub fn run<O: Outputs<f64>>(
        &self,
        f: impl Fn(&[Var<f64>]) -> Result<O>,
        inputs: &[Tensor<f64>],
    ) -> Result<Report> {
        let f = |v: &[Var<f64>]| f(v).map(O::into_vars);
        self.run_as("gradcheck", inputs.len(), &f, inputs)
    }

    /// Checks second derivatives; see [`gradgradcheck`].
    ///
    /// # Errors
    /// Whatever `f` returns; [`Error::Option`] if there is no input.
    pub fn run_second<O: Outputs<f64>>(
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
            all.push(Tensor::from_vec(drawn(y.numel(), 0), y.shape())?);
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
            let tracked: Vec<usize> = (0..outputs.len())
                .filter(|&k| outputs[k].is_tracked())
                .collect();
            if tracked.is_empty() {
                let zeros = v[..n].iter().map(|x| Var::from(x.value().zeros_like()));
                return Ok(zeros.collect());
            }
            let options = GradOptions::new()
                .create_graph(true)
                .allow_unused(true)
                .seed(tracked.iter().map(|&k| v[n + k].clone()));
            let outputs: Vec<&Var<f64>> = tracked.iter().map(|&k| &outputs[k]).collect();
            grad(&outputs, &v[..n].iter().collect::<Vec<_>>(), options)
        };
        self.run_as("gradgradcheck", n, &gradients, &all)
    }

    /// A check named `name` of a function whose first `own` inputs are the user's.
    fn run_as(
        &self,
        name: &'static str,
        own: usize,
        f: Function<'_>,
        inputs: &[Tensor<f64>],
    ) -> Result<Report> {
        if own == 0 {
            return Err(Error::Option {
                op: name,
                name: "inputs",
                value: "an empty list".into(),
                expected: "there is nothing to differentiate by: pass what the function depends on as inputs",
            });
        }
        let at = |inputs: &[Tensor<f64>]| -> Result<Vec<f64>> {
            let vars: Vec<Var<f64>> = inputs.iter().map(Var::from).collect();
            let outputs = f(&vars)?;
            Ok(outputs.iter().flat_map(|y| y.value().to_vec()).collect())
        };
        let base = at(inputs)?;
        // Each later call is held against this one.
        let at = |inputs: &[Tensor<f64>]| -> Result<Vec<f64>> {
            let y = at(inputs)?;
            if y.len() == base.len() {
                return Ok(y);
            }
            Err(Error::Shape {
                op: name,
                what: "the number of outputs",
                got: Dims::from_slice(&[y.len()]),
                expected: format!(
                    "it was {} for other values of the inputs, and must not depend on them",
                    base.len()
                ),
            })
        };
        let mut report = Report::new(name, own, self.projections > 0);
        let again = at(inputs)?;
        let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
        if !base.iter().zip(&again).all(same) {
            report.nondeterministic = true;
            return Ok(report);
        }
        let tape = Tape::new();
        let leaves: Vec<Var<f64>> = inputs.iter().map(|x| tape.leaf(x.clone())).collect();
        let outputs = f(&leaves)?;
        let graph = Graph { leaves, outputs };
        let mut seen = vec![Seen::default(); inputs.len()];
        if self.projections > 0 {
            self.project(&at, inputs, &base, &graph, &mut report, &mut seen)?;
        } else {
            self.each(&at, inputs, &base, &graph, &mut report, &mut seen)?;
        }
        report.hints = hints::hints(&report, &seen, &base);
        Ok(report)
    }

    /// Compares every element of the Jacobian.
    fn each(
        &self,
        at: Values<'_>,
        inputs: &[Tensor<f64>],
        base: &[f64],
        graph: &Graph,
        report: &mut Report,
        seen: &mut [Seen],
    ) -> Result<()> {
        let (rows, places) = graph.rows()?;
        let weights = drawn(base.len(), 0);
        let combination = graph.pull(&weights)?;
        let size: Vec<f64> = base.iter().map(|y| y.abs()).collect();
        for (i, input) in inputs.iter().enumerate() {
            for j in 0..input.numel() {
                let index = unravel(j, input.shape());
                let x = input.to_vec()[j];
                let mut moved = inputs.to_vec();
                let shifted = |d: f64| -> Result<(Vec<f64>, f64)> {
                    moved[i] = input.contiguous();
                    let place = &mut moved[i].as_mut_slice()[j];
                    *place = x + d;
                    // The step that was really taken, after rounding.
                    let step = *place - x;
                    Ok((at(&moved)?, step))
                };
                let column = slopes(shifted, base, &size, self.step * x.abs().max(1.0))?;
                let (mut combined, mut magnitude) = (0.0, 0.0);
                for (k, place) in places.iter().enumerate() {
                    let a = rows[k][i][j];
                    combined += weights[k] * a;
                    magnitude += (weights[k] * a).abs();
                    report.compared += 1;
                    let tolerance = self.atol + self.rtol * column[k].value.abs();
                    let status = column[k].judge(a, tolerance);
                    seen[i].add(a, column[k].value, status);
                    if status != Status::Ok {
                        report.findings.push(Finding {
                            input: (i, index.clone()),
                            output: Some(place.clone()),
                            analytic: a,
                            numeric: column[k].value,
                            error: column[k].error,
                            status,
                        });
                    }
                }
                // The pass from a drawn gradient must be that combination of the rows.
                let a = combination[i][j];
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
        Ok(())
    }
}

/// A function that ran on leaves, for its backward passes.
struct Graph {
    leaves: Vec<Var<f64>>,
    outputs: Vec<Var<f64>>,
}

impl Graph {
    fn pass(&self, outputs: &[&Var<f64>], seeds: Vec<Var<f64>>) -> Result<Vec<Vec<f64>>> {
        if outputs.is_empty() {
            let zeros = self.leaves.iter().map(|x| vec![0.0; x.numel()]);
            return Ok(zeros.collect());
        }
        let options = GradOptions::new()
            .retain_graph(true)
            .allow_unused(true)
            .seed(seeds);
        let leaves: Vec<&Var<f64>> = self.leaves.iter().collect();
        let found = grad(outputs, &leaves, options)?.into_iter();
        Ok(found.map(|dx| dx.value().to_vec()).collect())
    }

    /// Rows of the Jacobian, for each output element the gradients of all inputs; and where each row's element lies.
    #[allow(clippy::type_complexity)]
    fn rows(&self) -> Result<(Vec<Vec<Vec<f64>>>, Vec<(usize, Dims)>)> {
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        for (o, y) in self.outputs.iter().enumerate() {
            for k in 0..y.numel() {
                places.push((o, unravel(k, y.shape())));
                if !y.is_tracked() {
                    rows.push(self.pass(&[], Vec::new())?);
                    continue;
                }
                let mut seed = vec![0.0; y.numel()];
                seed[k] = 1.0;
                let seed = Var::from(Tensor::from_vec(seed, y.shape())?);
                rows.push(self.pass(&[y], vec![seed])?);
            }
        }
        Ok((rows, places))
    }

    /// The gradients of all inputs from one weight for each output element.
    fn pull(&self, weights: &[f64]) -> Result<Vec<Vec<f64>>> {
        let mut weights = weights.iter().copied();
        let (mut tracked, mut seeds) = (Vec::new(), Vec::new());
        for y in &self.outputs {
            let seed: Vec<f64> = weights.by_ref().take(y.numel()).collect();
            if y.is_tracked() {
                tracked.push(y);
                seeds.push(Var::from(Tensor::from_vec(seed, y.shape())?));
            }
        }
        self.pass(&tracked, seeds)
    }
}

/// Numbers of few digits, neither constant nor zero anywhere, others for another `stream`: handy values hide errors.
fn drawn(n: usize, stream: u64) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(2 * stream + 1);
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
