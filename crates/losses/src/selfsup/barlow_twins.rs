use super::columns::{Columns, check_views, off_diagonal, off_diagonal_squares, rewrite};
use crate::check;
use autograd::fused::FusedGrads;
use autograd::{Float, Fused, Needs, Result, Tensor, Var, fused, keepdim};

options! {
    /// Makes each dimension of two views of the samples go together with itself, and with no other: learning without
    /// negatives.
    ///
    /// # Formula
    /// With `A` and `B` the views' columns less their means and divided by `√(var + eps)`, variances over `N`, and
    /// `C = Aᵀ B / N`: `Σ_i (1 - C[i, i])² + lambda_ Σ_{i ≠ j} C[i, j]²`. Gradient of `C`: `G = 2 lambda_ C` beside the
    /// diagonal and `-2 (1 - C)` on it; of the columns `A`: `V = B Gᵀ / N`, and of `B`: `A G / N`; of a view:
    /// `(V - mean(V) - A mean(A ⊙ V)) / √(var + eps)`, means over the batch.
    /// # Shape
    /// `input1` and `input2`: `(N, D)` with `N ≥ 2`; the result is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree or there are fewer than two samples,
    /// [`Error::Option`](crate::Error::Option) if `eps` is not above 0 or `lambda_` is not a number.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // The columns of one view are exchanged in the other: nothing goes together that should, and all that should not.
    /// let a = Var::from(Tensor::from([[1.0f64, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]));
    /// let b = Var::from(Tensor::from([[1.0f64, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]]));
    /// let loss = BarlowTwinsLoss::new().eps(1e-12).forward(&a, &b)?.item()?;
    /// assert!((loss - (2.0 + 0.0051 * 2.0)).abs() < 1e-9);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// For two augmented views in batches too small for negatives, with many dimensions. It needs the `D × D` matrix.
    /// [`vicreg_loss`](super::vicreg_loss) treats each view for itself, so that two encoders may differ.
    /// # Reference
    /// Zbontar et al., *Barlow Twins*, [2103.03230](https://arxiv.org/abs/2103.03230), equations 1 and 2, with the `eps`
    /// of the authors' batch normalisation.
    /// # Differs from PyTorch
    /// PyTorch does not have it.
    pub struct BarlowTwinsLoss without reduction {
        /// The weight of what goes together and should not.
        lambda_: f64 = 0.0051,
        /// What is added to a variance before its root is taken; above 0.
        eps: f64 = 1e-5,
    }
}

impl BarlowTwinsLoss {
    /// The loss of two views of each sample, one in each input.
    ///
    /// # Errors
    /// See [`BarlowTwinsLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, input1: &Var<T>, input2: &Var<T>) -> Result<Var<T>> {
        check_views(NAME, input1, input2)?;
        let (lambda, eps) = (self.lambda_, self.eps);
        check::option(
            NAME,
            "lambda_",
            lambda,
            lambda.is_finite(),
            "it must be a number",
        )?;
        let holds = eps > 0.0 && eps.is_finite();
        check::option(NAME, "eps", eps, holds, "it must be above 0")?;
        fused(BarlowTwins { lambda, eps }, &[input1, input2])
    }
}

/// [`BarlowTwinsLoss`] with its defaults.
///
/// # Errors
/// See [`BarlowTwinsLoss`].
#[track_caller]
pub fn barlow_twins_loss<T: Float>(input1: &Var<T>, input2: &Var<T>) -> Result<Var<T>> {
    BarlowTwinsLoss::new().forward(input1, input2)
}

const NAME: &str = "barlow_twins_loss";

#[derive(Clone)]
struct BarlowTwins {
    lambda: f64,
    eps: f64,
}

impl<T: Float> Fused<T> for BarlowTwins {
    /// Both views standardised, and the gradients of their correlations.
    type Saved = ([Columns<T>; 2], Tensor<T>);

    fn name(&self) -> &'static str {
        NAME
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let standard = |x: &Var<T>| -> Result<Var<T>> {
            let root = x.var(keepdim(0), 0)?.add(self.eps)?.sqrt();
            x.sub(x.mean(keepdim(0))?)?.div(root)
        };
        let (a, b) = (standard(&v[0])?, standard(&v[1])?);
        let c = a.t().matmul(&b)?.div(a.shape()[0] as f64)?;
        let own = (1.0 - c.diagonal(0, 0, 1)?).square().sum(..)?;
        own.add(off_diagonal_squares(&c)?.mul(self.lambda)?)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Self::Saved)> {
        let n = T::of(inputs[0].shape()[0] as f64);
        let inverse_root = |variance: f64| 1.0 / (variance + self.eps).sqrt();
        let a = Columns::of(NAME, inputs[0], 0.0, inverse_root)?;
        let b = Columns::of(NAME, inputs[1], 0.0, inverse_root)?;
        let mut c = a.x.t().matmul(&b.x)?.div(n)?;
        let own: Vec<f64> = c
            .diagonal(0, 0, 1)?
            .to_vec()
            .iter()
            .map(|v| v.f64())
            .collect();
        let value: f64 = (off_diagonal(&c).iter().zip(&own))
            .map(|(off, own)| (1.0 - own) * (1.0 - own) + self.lambda * off)
            .sum();
        let diagonal: Vec<f64> = own.iter().map(|own| -2.0 * (1.0 - own)).collect();
        rewrite(&mut c, 2.0 * self.lambda, &diagonal);
        Ok((Tensor::scalar(T::of(value)), ([a, b], c)))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        (views, slopes): &Self::Saved,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let g = dy.div(T::of(inputs[0].shape()[0] as f64))?;
        (0..2)
            .map(|k| {
                if !needs.get(k) {
                    return Ok(None);
                }
                let slopes = if k == 0 { slopes.t() } else { slopes.clone() };
                let v = views[1 - k].x.matmul(&slopes.mul(&g)?)?;
                views[k].back(NAME, &v, inputs[k]).map(Some)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "barlow_twins_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            BarlowTwinsLoss::new()
                .lambda_(case.f64("lambda_", 0.0051))
                .eps(case.f64("eps", 1e-5))
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Constant columns go together with nothing: 1 for each, and no infinite slope.
    #[test]
    fn constant_columns() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f32>::full([4, 3], 5.0).unwrap());
        let loss = barlow_twins_loss(&x, &x).unwrap();
        assert_eq!(loss.item().unwrap(), 3.0);
        let dx = loss.backward().unwrap();
        assert_eq!(dx.get(&x).unwrap().to_vec(), [0.0; 12]);
    }

    /// Neither the offset nor the sign of both views together counts, nor, but for `eps`, their size.
    #[test]
    fn columns_are_standardised() {
        let a = Tensor::from([[0.1, 0.4], [0.5, -0.3], [-0.4, 0.1], [0.2, 0.9]]);
        let b = Tensor::from([[0.3, 0.1], [0.7, -0.2], [-0.1, 0.3], [0.2, 0.4]]);
        let options = BarlowTwinsLoss::new().eps(1e-13);
        let loss = |a: &Tensor<f64>, b: &Tensor<f64>| {
            options
                .forward(&a.into(), &b.into())
                .unwrap()
                .item()
                .unwrap()
        };
        let plain = loss(&a, &b);
        let moved = loss(&a.mul(-3.0).unwrap().add(2.0).unwrap(), &b.neg());
        assert!((plain - moved).abs() < 1e-10, "{plain} {moved}");
    }

    #[test]
    fn the_message_shows_the_option() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0], [1.0, 0.0]]));
        let e = BarlowTwinsLoss::new().eps(0.0).forward(&x, &x).unwrap_err();
        assert_eq!(
            e.to_string(),
            "barlow_twins_loss: eps is 0, but it must be above 0"
        );
    }
}
