use super::target::{check_classes, check_weight, class_dim};
use crate::reduction::Reduction;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::par;
use autograd::{Float, Fused, Needs, OneHot, Result, Tensor, Var, fused};

options! {
    /// The negative log-likelihood of the true class, of log-probabilities as `log_softmax` gives them.
    ///
    /// # Formula
    /// `l = -w[t] x[t]` for each row; `Mean` divides by `Σ w[t]` over the rows that are not ignored. Gradient: `-w[t]` at
    /// the true class, 0 elsewhere.
    /// # Shape
    /// `x`: `(C)`, `(N, C)` or `(N, C, d…)`; `t`: a scalar, `(N)` or `(N, d…)`; the result is as `t` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Class`](crate::Error::Class) for a class
    /// outside `0..C`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[-0.5f32, -1.0], [-2.0, -0.25]]));
    /// assert_eq!(nll_loss(&x, &Tensor::from([0, 1]))?.item()?, 0.375);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`nll_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.nll_loss.html).
    /// # Differs from PyTorch
    /// A class of weight 0 costs 0 also where its log-probability is `-inf`; there it is NaN. A mean over a total weight of
    /// 0 is NaN in both, and its gradient here is zero.
    pub struct NllLoss<T> {
        /// A weight for each class.
        weight: Option<Tensor<T>> = None,
        /// Rows with this target count for nothing.
        ignore_index: i64 = -100,
    }
}

impl<T: Float> NllLoss<T> {
    /// The loss of log-probabilities `x` and classes `t`.
    ///
    /// # Errors
    /// See [`NllLoss`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
        let (dim, classes) = class_dim(NAME, x.shape())?;
        check_classes(NAME, "log-probabilities", t, x.shape(), self.ignore_index)?;
        check_weight(NAME, &self.weight, classes)?;
        let weight = self.weight.as_ref().map(|w| w.to_vec());
        let scales: Vec<T> = (t.to_vec().iter())
            .map(|&c| match &weight {
                _ if c == self.ignore_index => T::ZERO,
                Some(w) => w[c as usize],
                None => T::ONE,
            })
            .collect();
        let total: f64 = scales.iter().map(|w| w.f64()).sum();
        let scales = Tensor::from_vec(scales, t.shape())?;
        // An ignored row is given class 0, which its weight of 0 hides.
        let classes = t.map(|c| if c == self.ignore_index { 0 } else { c });
        let divisor = self.reduction.divisor(total, x.shape());
        fused(
            Nll {
                dim: dim as isize,
                classes,
                scales,
                reduction: self.reduction,
                divisor,
            },
            &[x],
        )
    }
}

/// [`NllLoss`] with its defaults.
///
/// # Errors
/// See [`NllLoss`].
#[track_caller]
pub fn nll_loss<T: Float>(x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
    NllLoss::new().forward(x, t)
}

const NAME: &str = "nll_loss";

/// So many additions take as long as an element that lies by itself in memory.
const FETCH: usize = 64;

#[derive(Clone)]
struct Nll<T: Float> {
    dim: isize,
    /// The class of each row, and what it counts.
    classes: Tensor<i64>,
    scales: Tensor<T>,
    reduction: Reduction,
    divisor: f64,
}

impl<T: Float> Nll<T> {
    /// The classes in the shape that `gather` takes.
    fn index(&self) -> Result<Tensor<i64>> {
        if self.classes.ndim() == 0 {
            self.classes.reshape([1])
        } else {
            self.classes.unsqueeze(self.dim)
        }
    }

    /// The element of each row's class.
    fn pick(&self, x: &Tensor<T>) -> Result<Tensor<T>> {
        let last = self.dim as usize + 1 == x.ndim();
        let (Some(all), Some(classes), true) = (x.as_slice(), self.classes.as_slice(), last) else {
            return x
                .gather(self.dim, &self.index()?)?
                .reshape(self.classes.shape());
        };
        let width = x.shape()[x.ndim() - 1];
        Tensor::build(NAME, self.classes.shape(), |out| {
            par::split(out, 1, FETCH, |first, out| {
                for (i, o) in (first..).zip(out) {
                    *o = all[i * width + classes[i] as usize];
                }
            });
        })
    }
}

impl<T: Float> Fused<T> for Nll<T> {
    type Saved = ();

    fn name(&self) -> &'static str {
        NAME
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let counts = self.scales.ne(T::ZERO)?;
        // With no class there is no row that counts, and nothing to pick.
        if v[0].numel() == 0 {
            return self.reduction.apply(&Var::from(&self.scales), self.divisor);
        }
        let picked = v[0].pick(self.dim, &self.classes)?.keep_where(&counts)?;
        self.reduction
            .apply(&-picked.mul(Var::from(&self.scales))?, self.divisor)
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Result<(Tensor<T>, ())> {
        let cost = |x: T, w: T| if w == T::ZERO { T::ZERO } else { -(x * w) };
        if x[0].numel() == 0 {
            let none = self.scales.map(|_| T::ZERO);
            return Ok((
                if self.reduction == Reduction::None {
                    none
                } else {
                    self.reduction.value(0.0, self.divisor)
                },
                (),
            ));
        }
        let picked = self.pick(x[0])?;
        let costs = picked.zip(&self.scales, cost)?;
        Ok(match self.reduction {
            Reduction::None => (costs, ()),
            _ => (
                self.reduction
                    .value(costs.cast::<f64>().sum(..)?.item()?, self.divisor),
                (),
            ),
        })
    }

    fn backward(
        &self,
        x: &[&Tensor<T>],
        saved: &(),
        dy: &Tensor<T>,
        _: Needs,
    ) -> Result<FusedGrads<T>> {
        let dx = match self.one_hot(x, saved, dy) {
            Some(dx) => dx?.whole()?,
            None => x[0].zeros_like(),
        };
        Ok(FusedGrads::from_iter([Some(dx)]))
    }

    fn one_hot(&self, x: &[&Tensor<T>], _: &(), dy: &Tensor<T>) -> Option<Result<OneHot<T>>> {
        // Without classes no row has an element to pick.
        (x[0].numel() > 0).then(|| {
            let each = match self.reduction {
                Reduction::None => dy.mul(&self.scales)?,
                _ => self.scales.mul(self.reduction.scale(dy, self.divisor)?)?,
            };
            OneHot::new(x[0].shape(), self.dim as usize, &self.classes, &-each)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "nll_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            NllLoss::new()
                .weight(case.tensor("weight"))
                .ignore_index(case.i64("ignore_index", -100))
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }
}
