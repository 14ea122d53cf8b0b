use super::transport::{Plan, Transport, gather, solve_all, weighted};
use crate::Reduction;
use crate::check;
use autograd::fused::FusedGrads;
use autograd::{Error, Float, Fused, Needs, Result, Tensor, Var, fused, keepdim};

options! {
    /// The cost of carrying one distribution to another, with an entropy that makes it smooth: Sinkhorn's distance.
    ///
    /// # When to use
    /// To compare distributions over points whose distances are known: histograms, sets of features, words. Unlike
    /// divergences it sees how far apart the points are. `epsilon` is in the units of the cost: a tenth of a typical cost
    /// is a good start; the smaller, the nearer to plain transport, and the more iterations it takes. It is above 0 also
    /// between equals; where that matters subtract half of the distances of both to themselves. On a line
    /// [`wasserstein_1d`](crate::divergence::wasserstein_1d) is exact and much cheaper.
    /// # Formula
    /// With `a` and `b` scaled to add up to 1: `l = min Σ P C + epsilon Σ P ln(P / (a b))` over all plans `P >= 0` with row
    /// sums `a` and column sums `b`. Its dual gives the same as `Σ a f + Σ b g`, and `P = a b e^((f + g - C) / epsilon)`,
    /// where `f` and `g` solve `f = -epsilon ln Σ_j b e^((g - C) / epsilon)` and the like for `g`: they are found by
    /// iterating, in logarithms. `Mean` divides by the number of problems.
    ///
    /// Gradients, by the envelope theorem and not through the iterations: `P` for the cost, and for the weights
    /// `(f - Σ a f) / Σ a`, the derivative along weights that keep their sum. Second derivatives run as many iterations on
    /// the tape as the forward pass took.
    /// # Shape
    /// `cost`: `(…, N, M)`, `a`: `(…, N)`, `b`: `(…, M)`; the result is `(…)` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree or there is nothing to carry,
    /// [`Error::Value`](crate::Error::Value) for a weight that is negative or not finite, weights that are all 0, or a cost
    /// that is NaN or `-inf`, [`Error::Option`](crate::Error::Option) for options that are not positive, and if the plan
    /// has not converged after so many `iterations`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let cost = Var::from(Tensor::from([[0.0f64, 1.0], [1.0, 0.0]]));
    /// let a = Var::from(Tensor::from([0.75, 0.25]));
    /// let b = Var::from(Tensor::from([0.25, 0.75]));
    /// // Half of the mass is carried over a distance of 1.
    /// let loss = Sinkhorn::new().epsilon(0.01).forward(&cost, &a, &b)?;
    /// assert!((loss.item()? - 0.5).abs() < 0.01);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Cuturi, *Sinkhorn Distances: Lightspeed Computation of Optimal Transport*, 2013,
    /// [arXiv:1306.0895](https://arxiv.org/abs/1306.0895); Peyré and Cuturi, *Computational Optimal Transport*, 2019,
    /// [arXiv:1803.00567](https://arxiv.org/abs/1803.00567), section 4.
    /// # Differs from PyTorch
    /// PyTorch has no such loss.
    pub struct Sinkhorn {
        /// The weight of the entropy.
        epsilon: f64 = 0.1,
        /// The most iterations to make.
        iterations: i64 = 10_000,
        /// How much of the mass the plan's row sums may miss at the end.
        tolerance: f64 = 1e-9,
    }
}

impl Sinkhorn {
    /// The distances of weights `a` and `b`, of which the points have these costs.
    ///
    /// # Errors
    /// See [`Sinkhorn`].
    #[track_caller]
    pub fn forward<T: Float>(&self, cost: &Var<T>, a: &Var<T>, b: &Var<T>) -> Result<Var<T>> {
        let problems = check_shapes(cost.shape(), a.shape(), b.shape())?;
        for (what, w) in [("a", a), ("b", b)] {
            let bad = |v: T| !(v >= T::ZERO && v.finite());
            let expected = "a weight is finite and not negative";
            check::elements(NAME, what, w.value(), bad, expected)?;
            let expected = "weights must not all be zero";
            check::elements(NAME, what, &w.value().max(-1)?, |v| v == T::ZERO, expected)?;
        }
        let bad = |v: T| v.is_nan_() || v == T::LOWEST;
        let expected = "a cost is a number, or infinite where nothing may pass";
        check::elements(NAME, "cost", cost.value(), bad, expected)?;
        let positive = "it must be positive and finite";
        for (name, v) in [("epsilon", self.epsilon), ("tolerance", self.tolerance)] {
            check::option(NAME, name, v, v > 0.0 && v.is_finite(), positive)?;
        }
        let (most, natural) = (self.iterations, "it must not be negative");
        check::option(NAME, "iterations", most, most >= 0, natural)?;
        let batch = &cost.shape()[..cost.ndim() - 2];
        let op = Transported {
            plan: Plan {
                epsilon: self.epsilon,
                iterations: most.try_into().unwrap_or(usize::MAX),
                tolerance: self.tolerance,
            },
            reduction: self.reduction,
            divisor: self.reduction.divisor(problems, batch),
        };
        fused(op, &[cost, a, b])
    }
}

/// [`Sinkhorn`] with its defaults.
///
/// # Errors
/// See [`Sinkhorn`].
#[track_caller]
pub fn sinkhorn<T: Float>(cost: &Var<T>, a: &Var<T>, b: &Var<T>) -> Result<Var<T>> {
    Sinkhorn::new().forward(cost, a, b)
}

const NAME: &str = "sinkhorn";

/// Checks the shapes, and counts the problems.
fn check_shapes(cost: &[usize], a: &[usize], b: &[usize]) -> Result<f64> {
    let refuse = |what, got: &[usize], expected: String| {
        Err(Error::Shape {
            op: NAME,
            what,
            got: got.into(),
            expected,
        })
    };
    let [batch @ .., n, m] = cost else {
        let expected = "there must be a row for each weight of a and a column for each of b";
        return refuse("the cost", cost, expected.into());
    };
    if n * m == 0 {
        return refuse("the cost", cost, "there must be something to carry".into());
    }
    for (what, got, len, of) in [("a", a, n, "row"), ("b", b, m, "column")] {
        let fits = got
            .split_last()
            .is_some_and(|(last, rest)| last == len && rest == batch);
        if !fits {
            let expected =
                format!("the cost has shape {cost:?}: there must be one weight for each {of}");
            return refuse(what, got, expected);
        }
    }
    Ok(batch.iter().product::<usize>() as f64)
}

#[derive(Clone)]
struct Transported {
    plan: Plan,
    reduction: Reduction,
    divisor: f64,
}

/// `-ln Σ w e^x` along `dim`, without overflow. Weights stay outside of the logarithm, so that one of 0 has a slope.
#[track_caller]
fn soft_min<T: Float>(x: &Var<T>, w: &Var<T>, dim: isize) -> Result<Var<T>> {
    // Where nothing may pass there is neither a maximum nor a sum: what such a point has for a potential counts for
    // nothing, but must be a number.
    let max = x.value().max(keepdim(dim))?;
    let max = max.map(|m: T| if m.finite() { m } else { T::ZERO });
    let sum = x.sub(Var::from(&max))?.exp().mul(w)?.sum(dim)?;
    let sum = sum.masked_fill(&sum.value().eq(T::ZERO)?, T::ONE)?;
    Ok(-(sum.log().add(Var::from(max.squeeze(dim)?))?))
}

impl<T: Float> Fused<T> for Transported {
    type Saved = Vec<Transport>;

    fn name(&self) -> &'static str {
        NAME
    }

    /// From the solution on, as constants, the iteration goes in a circle, and its derivatives converge as it did.
    #[track_caller]
    fn definition(&self, inputs: &[Var<T>]) -> Result<Var<T>> {
        let (cost, a, b) = (&inputs[0], &inputs[1], &inputs[2]);
        let all = solve_all(cost.value(), a.value(), b.value(), self.plan);
        let steps = all.iter().filter_map(|t| t.steps).max().unwrap_or(0);
        let start =
            |v: fn(&Transport) -> &[f64], w: &Var<T>| gather(&all, v, w.shape()).map(Var::from);
        let (mut u, mut v) = (start(|t| &t.u, a)?, start(|t| &t.v, b)?);
        let (a, b) = (a.div(a.sum(keepdim(-1))?)?, b.div(b.sum(keepdim(-1))?)?);
        let (rows, columns) = (a.unsqueeze(-1)?, b.unsqueeze(-2)?);
        let near = cost.mul(-1.0 / self.plan.epsilon)?;
        for _ in 0..steps.max(2) {
            u = soft_min(&near.add(v.unsqueeze(-2)?)?, &columns, -1)?;
            v = soft_min(&near.add(u.unsqueeze(-1)?)?, &rows, -2)?;
        }
        let value = a.mul(u)?.sum(-1)?.add(b.mul(v)?.sum(-1)?)?;
        let value = value.mul(self.plan.epsilon)?;
        self.reduction.apply(&value, self.divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Vec<Transport>)> {
        let all = solve_all(inputs[0], inputs[1], inputs[2], self.plan);
        let converged = all.iter().all(|t| t.steps.is_some());
        let expected = "the plan has not converged by then: allow more, or take a larger epsilon or tolerance; and see \
                        that finite costs lead from all of a to all of b";
        check::option(
            NAME,
            "iterations",
            self.plan.iterations,
            converged,
            expected,
        )?;
        let values = all.iter().map(|t| t.value * self.plan.epsilon);
        let y = if self.reduction == Reduction::None {
            let shape = &inputs[0].shape()[..inputs[0].ndim() - 2];
            Tensor::from_vec(values.map(T::of).collect(), shape)?
        } else {
            self.reduction.value(values.sum(), self.divisor)
        };
        Ok((y, all))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        all: &Vec<Transport>,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let each = if self.reduction == Reduction::None {
            dy.to_vec()
        } else {
            vec![self.reduction.scale(dy, self.divisor)?; all.len()]
        };
        let by_cost = || {
            let cost = inputs[0].contiguous();
            let (cost, inverse) = (cost.as_slice().unwrap_or(&[]), 1.0 / self.plan.epsilon);
            Tensor::build(NAME, inputs[0].shape(), |out| {
                let len = out.len() / all.len().max(1);
                let problems = all.iter().zip(&each).zip(cost.chunks_exact(len.max(1)));
                for (((t, &g), cost), out) in problems.zip(out.chunks_exact_mut(len.max(1))) {
                    t.write_plan(cost, inverse, g, out);
                }
            })
        };
        // The potentials are known up to a constant, which drops out of what is left when the sum is kept.
        let by_weight = |k: usize, of: fn(&Transport) -> (&[f64], &[f64])| {
            let raw = inputs[k].to_vec();
            let len = raw.len() / all.len().max(1);
            let problems = all.iter().zip(&each).zip(raw.chunks_exact(len.max(1)));
            let slopes = problems.flat_map(|((t, g), raw)| {
                let (w, potential) = of(t);
                let mean = weighted(w, potential);
                let sum: f64 = raw.iter().map(|w| w.f64()).sum();
                let scale = g.f64() * self.plan.epsilon / sum;
                potential.iter().map(move |p| T::of((p - mean) * scale))
            });
            Tensor::from_vec(slopes.collect(), inputs[k].shape())
        };
        let mut grads = FusedGrads::new();
        grads.push(if needs.get(0) { Some(by_cost()?) } else { None });
        grads.push(if needs.get(1) {
            Some(by_weight(1, |t| (&t.a, &t.u))?)
        } else {
            None
        });
        grads.push(if needs.get(2) {
            Some(by_weight(2, |t| (&t.b, &t.v))?)
        } else {
            None
        });
        Ok(grads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_near, check_loss, value_and_slopes};
    use autograd::{gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            // Fixtures name their inputs in the order of the alphabet: a, b, cost.
            Sinkhorn::new()
                .epsilon(case.f64("epsilon", 0.1))
                .iterations(case.i64("iterations", 10_000))
                .tolerance(case.f64("tolerance", 1e-9))
                .reduction(case.reduction())
                .forward(&v[2], &v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    fn none() -> Sinkhorn {
        Sinkhorn::new().reduction(Reduction::None)
    }

    /// The gradient by the cost is the plan: it carries `a` to `b`, and its cost and entropy are the value.
    #[test]
    fn the_plan_is_a_plan_and_its_cost_the_value() {
        let (n, m) = (7, 5);
        let cost: Vec<f64> = (0..n * m)
            .map(|k| ((k * k) as f64 * 0.37).sin().abs() * 3.0)
            .collect();
        let a: Vec<f64> = (0..n).map(|i| 0.5 + i as f64).collect();
        let b: Vec<f64> = (0..m).map(|j| 3.0 - 0.5 * j as f64).collect();
        let inputs = [
            Tensor::from_vec(cost.clone(), [n, m]).unwrap(),
            Tensor::from_vec(a.clone(), [n]).unwrap(),
            Tensor::from_vec(b.clone(), [m]).unwrap(),
        ];
        let options = none().epsilon(0.25).tolerance(1e-13);
        let (value, slopes) = value_and_slopes(&inputs, |v| options.forward(&v[0], &v[1], &v[2]));
        let (sum_a, sum_b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
        let plan = &slopes[0];
        for i in 0..n {
            assert_near(
                &[plan[i * m..][..m].iter().sum::<f64>()],
                &[a[i] / sum_a],
                1e-12,
            );
        }
        for j in 0..m {
            let column: f64 = (0..n).map(|i| plan[i * m + j]).sum();
            assert_near(&[column], &[b[j] / sum_b], 1e-12);
        }
        let primal: f64 = (0..n * m)
            .map(|k| {
                let product = a[k / m] / sum_a * (b[k % m] / sum_b);
                plan[k] * cost[k] + 0.25 * plan[k] * (plan[k] / product).ln()
            })
            .sum();
        assert_near(&value, &[primal], 1e-12);
    }

    /// As `epsilon` falls it becomes plain transport, which on a line is the distance of the running sums.
    #[test]
    fn on_a_line_it_tends_to_the_wasserstein_distance() {
        let line: Vec<f64> = (0..16)
            .map(|k| f64::from(i32::abs(k / 4 - k % 4)))
            .collect();
        let cost = Var::from(Tensor::from_vec(line, [4, 4]).unwrap());
        let (a, b) = ([0.1, 0.4, 0.3, 0.2], [0.3, 0.25, 0.05, 0.4]);
        let (a, b) = (Var::from(Tensor::from(a)), Var::from(Tensor::from(b)));
        let exact = crate::divergence::wasserstein_1d(&a, &b)
            .unwrap()
            .item()
            .unwrap();
        for epsilon in [0.4, 0.2, 0.1] {
            let loss = none().epsilon(epsilon).forward(&cost, &a, &b).unwrap();
            // The entropy of a plan beside its product is at most that of its marginals.
            let above = loss.item().unwrap() - exact;
            assert!(
                above > -1e-9 && above < epsilon * 4f64.ln(),
                "{epsilon}: {above}"
            );
        }
    }

    /// Weights of 0 and infinite costs: the same as without these points, and a slope by the weight.
    #[test]
    fn points_without_weight_and_forbidden_ways() {
        let inf = f64::INFINITY;
        let small = [
            Tensor::from([[0.5f64, 1.0], [2.0, 0.25]]),
            Tensor::from([0.5f64, 0.5]),
            Tensor::from([0.25f64, 0.75]),
        ];
        let padded = [
            Tensor::from([[0.5f64, 1.0, inf], [2.0, 0.25, inf], [1.0, 3.0, 0.0]]),
            Tensor::from([0.5f64, 0.5, 0.0]),
            Tensor::from([0.25f64, 0.75, 0.0]),
        ];
        let loss = |v: &[Var<f64>]| none().forward(&v[0], &v[1], &v[2]);
        let (value, slopes) = value_and_slopes(&small, loss);
        let (wide, wide_slopes) = value_and_slopes(&padded, loss);
        assert_near(&wide, &value, 1e-12);
        let inner = [0, 1, 3, 4].map(|k| wide_slopes[0][k]);
        assert_near(&inner, &slopes[0], 1e-9);
        assert!([2, 5, 6, 7, 8].iter().all(|&k| wide_slopes[0][k] == 0.0));
        // Of a third point that could be used, one-sided: finite differences towards more weight.
        let open = [
            Tensor::from([[0.5f64, 1.0], [2.0, 0.25], [1.0, 3.0]]),
            Tensor::from([0.5f64, 0.5, 0.0]),
            small[2].clone(),
        ];
        let (value, slopes) = value_and_slopes(&open, loss);
        let mut more = open.clone();
        more[1] = Tensor::from([0.5, 0.5, 1e-6]);
        let (moved, _) = value_and_slopes(&more, loss);
        assert_near(&[(moved[0] - value[0]) / 1e-6], &[slopes[1][2]], 1e-4);
    }

    #[test]
    fn first_and_second_derivatives() {
        let inputs = [
            Tensor::from([
                [[0.5f64, 1.0, 0.3], [2.0, 0.25, 0.7]],
                [[0.1, 0.9, 1.1], [0.4, 0.2, 0.8]],
            ]),
            Tensor::from([[0.5f64, 0.75], [1.0, 0.2]]),
            Tensor::from([[0.25f64, 0.75, 0.5], [0.3, 0.3, 0.4]]),
        ];
        let options = none().epsilon(0.5).tolerance(1e-12);
        let f = |v: &[Var<f64>]| options.forward(&v[0], &v[1], &v[2]);
        gradcheck(f, &inputs).unwrap().assert_ok();
        gradgradcheck(f, &inputs).unwrap().assert_ok();
    }

    /// Costs a thousand times `epsilon`, where `e^(-C / epsilon)` is 0 in any type, and single precision beside double.
    #[test]
    fn logarithms_do_not_underflow() {
        let cost = [[1000.0f64, 1001.0], [1001.0, 1000.5]];
        let (a, b) = ([0.5f64, 0.5], [0.5f64, 0.5]);
        let options = none().epsilon(0.5);
        let inputs = [Tensor::from(cost), Tensor::from(a), Tensor::from(b)];
        let (value, _) = value_and_slopes(&inputs, |v| options.forward(&v[0], &v[1], &v[2]));
        let near = [
            Tensor::from([[0.0f64, 1.0], [1.0, 0.5]]),
            Tensor::from(a),
            Tensor::from(b),
        ];
        let (shifted, _) = value_and_slopes(&near, |v| options.forward(&v[0], &v[1], &v[2]));
        assert_near(&value, &[1000.0 + shifted[0]], 1e-14);
        let single = inputs.map(|x| x.cast::<f32>());
        let (single, _) = value_and_slopes(&single, |v| options.forward(&v[0], &v[1], &v[2]));
        assert_near(&single, &value, 1e-7);
    }

    #[test]
    fn large_problems_are_solved_by_threads_and_in_batches() {
        let n = 150;
        let cost: Vec<f32> = (0..2 * n * n)
            .map(|k| ((k * 7919) % 1009) as f32 / 1009.0)
            .collect();
        let cost = Tensor::from_vec(cost, [2, n as i64, n as i64]).unwrap();
        let w = Tensor::<f32>::ones([2, n as i64]).unwrap();
        let (value, slopes) = value_and_slopes(&[cost.clone(), w.clone(), w.clone()], |v| {
            none().forward(&v[0], &v[1], &v[2])
        });
        for k in 0..2 {
            let one = |x: &Tensor<f32>| x.select(0, k).unwrap();
            let (single, plan) = value_and_slopes(&[one(&cost), one(&w), one(&w)], |v| {
                none().forward(&v[0], &v[1], &v[2])
            });
            assert_eq!(single[0], value[k as usize]);
            assert_eq!(plan[0], slopes[0][k as usize * n * n..][..n * n]);
            let rows = plan[0]
                .chunks(n)
                .map(|row| row.iter().map(|&p| f64::from(p)).sum::<f64>());
            assert!(
                rows.into_iter()
                    .all(|sum| (sum * n as f64 - 1.0).abs() < 1e-5)
            );
        }
    }

    #[test]
    fn error_messages() {
        let of = |shape: &[usize]| Var::from(Tensor::<f32>::ones(shape).unwrap());
        let text = |e: Result<Var<f32>>| e.unwrap_err().to_string();
        assert_eq!(
            text(sinkhorn(&of(&[2, 3]), &of(&[3]), &of(&[3]))),
            "sinkhorn: a has shape [3], but the cost has shape [2, 3]: there must be one weight for each row"
        );
        assert_eq!(
            text(sinkhorn(&of(&[4, 2, 3]), &of(&[4, 2]), &of(&[3]))),
            "sinkhorn: b has shape [3], but the cost has shape [4, 2, 3]: there must be one weight for each column"
        );
        assert_eq!(
            text(sinkhorn(&of(&[3]), &of(&[3]), &of(&[3]))),
            "sinkhorn: the cost has shape [3], but there must be a row for each weight of a and a column for each of b"
        );
        assert_eq!(
            text(sinkhorn(&of(&[0, 3]), &of(&[0]), &of(&[3]))),
            "sinkhorn: the cost has shape [0, 3], but there must be something to carry"
        );
        let zero = Var::from(Tensor::<f32>::zeros([2]).unwrap());
        let all_zero = "sinkhorn: a is 0, but weights must not all be zero";
        assert_eq!(text(sinkhorn(&of(&[2, 2]), &zero, &of(&[2]))), all_zero);
        let bad = Var::from(Tensor::from([1.0, -1.0]));
        let negative = "sinkhorn: b[1] is -1, but a weight is finite and not negative";
        assert_eq!(text(sinkhorn(&of(&[2, 2]), &of(&[2]), &bad)), negative);
        let cost = Var::from(Tensor::from([[0.0f32, 1.0], [f32::NAN, 0.0]]));
        let nan = "sinkhorn: cost[1, 0] is NaN, but a cost is a number, or infinite where nothing may pass";
        assert_eq!(text(sinkhorn(&cost, &of(&[2]), &of(&[2]))), nan);
        let options = Sinkhorn::new().epsilon(-1.0);
        let epsilon = "sinkhorn: epsilon is -1, but it must be positive and finite";
        assert_eq!(
            text(options.forward(&of(&[2, 2]), &of(&[2]), &of(&[2]))),
            epsilon
        );
        // All ways are closed to the second row.
        let inf = f32::INFINITY;
        let closed = Var::from(Tensor::from([[0.0f32, 1.0], [inf, inf]]));
        let e = text(
            Sinkhorn::new()
                .iterations(50)
                .forward(&closed, &of(&[2]), &of(&[2])),
        );
        assert!(
            e.starts_with("sinkhorn: iterations is 50, but the plan has not converged by then"),
            "{e}"
        );
    }
}
