use super::columns::{Columns, check_views, off_diagonal, off_diagonal_squares, rewrite};
use crate::check;
use autograd::fused::FusedGrads;
use autograd::{Float, Fused, Needs, Result, Tensor, Var, fused, keepdim};

options! {
    /// Makes two views of each sample alike, while each dimension keeps its spread and no two dimensions say the same:
    /// learning without negatives.
    ///
    /// # Formula
    /// `sim_weight · mse + var_weight (h(a) + h(b)) / 2 + cov_weight (c(a) + c(b))` with `mse` the mean of `(a - b)²`; `h`
    /// the mean over the columns of `max(0, 1 - √(var + eps))`; `c` the sum of the squares of all covariances of two
    /// different columns, divided by `D`. Variances and covariances divide by `N - 1`. Gradient of a view `a`, with `x`
    /// its columns less their means and `C` their covariances without the diagonal:
    /// `2 sim_weight (a - b) / (N D) + 4 cov_weight x C / (D (N - 1)) - var_weight x / (2 D (N - 1) √(var + eps))`, the last
    /// part where the root is below 1.
    /// # Shape
    /// `input1` and `input2`: `(N, D)` with `N ≥ 2`; the result is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree or there are fewer than two samples,
    /// [`Error::Option`](crate::Error::Option) if `eps` is negative or a weight is not a number.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // Both views agree and no two columns go together, but the variances are 4/3 and 1/3.
    /// let x = Var::from(Tensor::from([[1.0f64, 0.5], [1.0, -0.5], [-1.0, 0.5], [-1.0, -0.5]]));
    /// let loss = VicregLoss::new().eps(0.0).forward(&x, &x)?.item()?;
    /// assert!((loss - 25.0 * (1.0 - (1.0f64 / 3.0).sqrt()) / 2.0).abs() < 1e-12);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// For two augmented views, or two encoders that need not be alike, where batches are too small for negatives. Each
    /// of the three parts has its weight; [`barlow_twins_loss`](super::barlow_twins_loss) has one option and needs no
    /// weights. With large batches, [`ntxent`](crate::metric::ntxent).
    /// # Reference
    /// Bardes, Ponce and LeCun, *VICReg*, [2105.04906](https://arxiv.org/abs/2105.04906), section 4, with the halves of
    /// the authors' program.
    /// # Differs from PyTorch
    /// PyTorch does not have it.
    pub struct VicregLoss without reduction {
        /// The weight of the squared distance of the views.
        sim_weight: f64 = 25.0,
        /// The weight of columns that spread less than 1.
        var_weight: f64 = 25.0,
        /// The weight of columns that go together.
        cov_weight: f64 = 1.0,
        /// What is added to a variance before its root is taken; 0 or more.
        eps: f64 = 1e-4,
    }
}

impl VicregLoss {
    /// The loss of two views of each sample, one in each input.
    ///
    /// # Errors
    /// See [`VicregLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, input1: &Var<T>, input2: &Var<T>) -> Result<Var<T>> {
        check_views(NAME, input1, input2)?;
        let weights = [
            ("sim_weight", self.sim_weight),
            ("var_weight", self.var_weight),
            ("cov_weight", self.cov_weight),
        ];
        for (name, value) in weights {
            check::option(NAME, name, value, value.is_finite(), "it must be a number")?;
        }
        let holds = self.eps >= 0.0 && self.eps.is_finite();
        check::option(NAME, "eps", self.eps, holds, "it must be 0 or more")?;
        fused(Vicreg(self.clone()), &[input1, input2])
    }
}

/// [`VicregLoss`] with its defaults.
///
/// # Errors
/// See [`VicregLoss`].
#[track_caller]
pub fn vicreg_loss<T: Float>(input1: &Var<T>, input2: &Var<T>) -> Result<Var<T>> {
    VicregLoss::new().forward(input1, input2)
}

const NAME: &str = "vicreg_loss";

#[derive(Clone)]
struct Vicreg(VicregLoss);

/// A view's columns less their means, and the matrix by which their gradient is `x · slopes`.
struct View<T: Float> {
    x: Tensor<T>,
    slopes: Tensor<T>,
}

impl Vicreg {
    /// The parts of the loss that one view has for itself, and the view.
    fn view<T: Float>(&self, input: &Tensor<T>) -> Result<(f64, View<T>)> {
        let (n, d) = (input.shape()[0] as f64, input.shape()[1] as f64);
        let Columns { x, each } = Columns::of(NAME, input, 1.0, |_| 1.0)?;
        // The matrix of sums of products, which divided by N - 1 are the covariances.
        let mut slopes = x.t().matmul(&x)?;
        let scale = 1.0 / (n - 1.0);
        let together = off_diagonal(&slopes).iter().sum::<f64>() * scale * scale / d;
        let mut hinges = 0.0;
        let mut diagonal = Vec::with_capacity(input.shape()[1]);
        for column in each {
            let spread = (column.variance + self.0.eps).sqrt();
            let narrow = spread < 1.0;
            // Not `max`, which would swallow a NaN.
            hinges += if spread >= 1.0 { 0.0 } else { 1.0 - spread };
            // A column of equal numbers without eps has no slope that is finite, and gets none.
            diagonal.push(if narrow && spread > 0.0 {
                -0.5 * self.0.var_weight * scale / (d * spread)
            } else {
                0.0
            });
        }
        let factor = 4.0 * self.0.cov_weight * scale * scale / d;
        rewrite(&mut slopes, factor, &diagonal);
        let value = 0.5 * self.0.var_weight * hinges / d + self.0.cov_weight * together;
        Ok((value, View { x, slopes }))
    }
}

impl<T: Float> Fused<T> for Vicreg {
    type Saved = [View<T>; 2];

    fn name(&self) -> &'static str {
        NAME
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let VicregLoss {
            sim_weight,
            var_weight,
            cov_weight,
            eps,
        } = self.0;
        let mut total = v[0].sub(&v[1])?.square().mean(..)?.mul(sim_weight)?;
        for input in v {
            let (n, d) = (input.shape()[0] as f64, input.shape()[1] as f64);
            let variance = input.var(0, 1)?.add(eps)?;
            let flat = variance.value().eq(T::ZERO)?;
            // The root of a variance of 0 is a constant here.
            let spread = variance.masked_fill(&flat, T::ONE)?.sqrt();
            let spread = spread.masked_fill(&flat, T::ZERO)?;
            let hinge = (1.0 - spread).relu().mean(..)?;
            let x = input.sub(input.mean(keepdim(0))?)?;
            let covariance = x.t().matmul(&x)?.div(n - 1.0)?;
            let together = off_diagonal_squares(&covariance)?.div(d)?;
            total = total
                .add(hinge.mul(0.5 * var_weight)?)?
                .add(together.mul(cov_weight)?)?;
        }
        Ok(total)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Self::Saved)> {
        let apart = inputs[0].zip(inputs[1], |a: T, b: T| (a - b) * (a - b))?;
        let (first, a) = self.view(inputs[0])?;
        let (second, b) = self.view(inputs[1])?;
        let value = self.0.sim_weight * apart.mean(..)?.item()?.f64() + first + second;
        Ok((Tensor::scalar(T::of(value)), [a, b]))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        views: &Self::Saved,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let pull = T::of(2.0 * self.0.sim_weight / inputs[0].numel() as f64);
        (0..2)
            .map(|k| {
                if !needs.get(k) {
                    return Ok(None);
                }
                let View { x, slopes } = &views[k];
                let apart = inputs[k].zip(inputs[1 - k], |a: T, b: T| (a - b) * pull)?;
                let dx = x.matmul(slopes)?.add(&apart)?.mul(dy)?;
                Ok(Some(dx))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, gradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "vicreg_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            VicregLoss::new()
                .sim_weight(case.f64("sim_weight", 25.0))
                .var_weight(case.f64("var_weight", 25.0))
                .cov_weight(case.f64("cov_weight", 1.0))
                .eps(case.f64("eps", 1e-4))
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// A constant column has variance 0: its hinge is 1, and without `eps` its slope is none.
    #[test]
    fn a_constant_column() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[3.0f64, 2.0], [3.0, -2.0]]));
        let loss = VicregLoss::new().eps(0.0).forward(&x, &x).unwrap();
        assert_eq!(loss.item().unwrap(), 12.5);
        let dx = loss.backward().unwrap();
        assert_eq!(dx.get(&x).unwrap().to_vec(), [0.0; 4]);
    }

    /// The three parts alone, the others weighted by 0.
    #[test]
    fn each_part_by_differences() {
        let a = Tensor::from([
            [0.1, 0.4, -0.2],
            [0.5, -0.3, 0.2],
            [-0.4, 0.1, 0.3],
            [0.2, 0.3, 2.0],
        ]);
        let b = a.mul(&a).unwrap();
        for part in 0..3 {
            let weight = |k| if k == part { 1.0 } else { 0.0 };
            let options = VicregLoss::new()
                .sim_weight(weight(0))
                .var_weight(weight(1))
                .cov_weight(weight(2));
            let f = |v: &[Var<f64>]| options.forward(&v[0], &v[1]);
            gradcheck(f, &[a.clone(), b.clone()]).unwrap().assert_ok();
        }
    }

    /// A constant added to a column changes neither variances nor covariances.
    #[test]
    fn offsets_do_not_count() {
        let a = Tensor::from([[0.1f32, 0.4], [0.5, -0.3], [-0.4, 0.1]]);
        let loss = |x: &Tensor<f32>| vicreg_loss(&x.into(), &x.into()).unwrap().item().unwrap();
        let (near, far) = (loss(&a), loss(&a.add(64.0).unwrap()));
        assert!((near - far).abs() < 1e-4, "{near} {far}");
    }

    #[test]
    fn the_message_asks_for_two_samples() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        assert_eq!(
            vicreg_loss(&x, &x).unwrap_err().to_string(),
            "vicreg_loss: the input has shape [1, 2], but it must be (N, D), at least two samples to take a variance of"
        );
    }
}
