use super::bce_with_logits::BceWithLogits;
use crate::check::same_shape;
use crate::classification::target::check_weight;
use crate::elementwise::{Pointwise, strong_zero};
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::lanes::{WIDTH, sum_lanes};
use autograd::{Error, Float, Result, Tensor, Var};

options! {
    /// Binary cross entropy of logits, the mean over the labels of a sample: the usual loss where several may hold.
    ///
    /// # When to use
    /// For samples with many yes-or-no labels, when a loss for each sample is wanted or labels have weights. Reduced to
    /// one number it is [`BinaryCrossEntropyWithLogits`](crate::binary::BinaryCrossEntropyWithLogits), which has weights
    /// of positives too.
    ///
    /// # Formula
    /// `l = (1/C) Σ_c w[c] ((1 - t) · softplus(x) + t · softplus(-x))` for each row; `Mean` divides by the number of rows,
    /// also with weights. Gradients: `w ((1 - t) σ(x) - t σ(-x)) / C`, and for the target `-w x / C`.
    /// # Shape
    /// `x` and `t`: `(…, C)`; the result lacks the last dimension with [`Reduction::None`](crate::Reduction::None), else
    /// it is a scalar. Over no labels the mean is NaN.
    /// # Errors
    /// [`Error::Shape`] if the shapes differ, without a dimension of labels, or for a weight that is not `(C)`.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[0.0f64, 1000.0], [0.0, -1000.0]]));
    /// let t = Var::from(Tensor::from([[1.0, 1.0], [1.0, 1.0]]));
    /// let loss = MultilabelSoftMarginLoss::new().reduction(Reduction::None).forward(&x, &t)?;
    /// assert_eq!(loss.value().to_vec(), [2f64.ln() / 2.0, (2f64.ln() + 1000.0) / 2.0]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`multilabel_soft_margin_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.multilabel_soft_margin_loss.html).
    /// # Differs from PyTorch
    /// - A target of another shape is an error; there it broadcasts without a word.
    /// - At infinite logits value and gradient are the limits; there they are NaN.
    /// - A label of weight 0 is left out, whatever its logit.
    pub struct MultilabelSoftMarginLoss<T> {
        /// A weight for each label.
        weight: Option<Tensor<T>> = None,
    }
}

impl<T: Float> MultilabelSoftMarginLoss<T> {
    /// The loss of logits `x` and targets `t`, probabilities of the labels.
    ///
    /// # Errors
    /// See [`MultilabelSoftMarginLoss`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        let op = <MultilabelSoftMargin<T> as RowLoss<T, 2>>::NAME;
        let Some((&classes, rows)) = x.shape().split_last() else {
            return Err(Error::Shape {
                op,
                what: "the input",
                got: x.shape().into(),
                expected: "its last dimension must be that of the labels: (C) or (N, C)".into(),
            });
        };
        same_shape(op, "the target", t.shape(), x.shape())?;
        check_weight(op, &self.weight, classes)?;
        let mean = rows.iter().product::<usize>() as f64;
        let loss = MultilabelSoftMargin {
            weight: self.weight.as_ref().map(|w| (w.clone(), w.to_vec())),
        };
        rowwise::run(loss, [x, t], x.ndim() - 1, self.reduction, mean)
    }
}

/// [`MultilabelSoftMarginLoss`] with its defaults.
///
/// # Errors
/// See [`MultilabelSoftMarginLoss`].
#[track_caller]
pub fn multilabel_soft_margin_loss<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    MultilabelSoftMarginLoss::new().forward(x, t)
}

#[derive(Clone)]
struct MultilabelSoftMargin<T: Float> {
    weight: Option<(Tensor<T>, Vec<T>)>,
}

impl<T: Float> RowLoss<T, 2> for MultilabelSoftMargin<T> {
    const NAME: &'static str = "multilabel_soft_margin_loss";
    const COST: usize = 12;
    type Keep = ();

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [x, t]: [&[T]; 2]) -> (f64, ()) {
        let mut sums = [0.0f64; WIDTH];
        let groups = x.chunks(WIDTH).zip(t.chunks(WIDTH));
        match &self.weight {
            None => {
                for (x, t) in groups {
                    for ((s, &x), &t) in sums.iter_mut().zip(x).zip(t) {
                        *s += Pointwise::<T, 2>::value::<I>(&BceWithLogits, [x, t]).f64();
                    }
                }
            }
            Some((_, w)) => {
                for ((x, t), w) in groups.zip(w.chunks(WIDTH)) {
                    for (((s, &x), &t), &w) in sums.iter_mut().zip(x).zip(t).zip(w) {
                        let cost = Pointwise::<T, 2>::value::<I>(&BceWithLogits, [x, t]);
                        *s += strong_zero(w, cost).f64();
                    }
                }
            }
        }
        (sum_lanes(&sums) / x.len() as f64, ())
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        [x, t]: [&[T]; 2],
        _: (),
        g: T,
        dx: &mut [T],
    ) {
        // In double precision, so that only the last rounding counts.
        let g = g.f64() / x.len() as f64;
        for ((d, &x), &t) in dx.iter_mut().zip(x).zip(t) {
            let operands = [x.f64(), t.f64()];
            *d = T::of(g * Pointwise::<f64, 2>::slope::<I, K>(&BceWithLogits, operands));
        }
        if let Some((_, w)) = &self.weight {
            for (d, &w) in dx.iter_mut().zip(w) {
                *d = strong_zero(w, *d);
            }
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let mut each = Pointwise::<T, 2>::definition(&BceWithLogits, v)?;
        if let Some((w, _)) = &self.weight {
            let counts = w.ne(T::ZERO)?.broadcast_to(each.shape())?;
            each = each.keep_where(&counts)?.mul(Var::from(w))?;
        }
        each.mean(-1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "multilabel_soft_margin_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            MultilabelSoftMarginLoss::new()
                .weight(case.tensor("weight"))
                .reduction(case.reduction())
                .forward(&v[0], &v[1])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn infinite_logits_have_their_limits() -> Result<()> {
        let inf = f64::INFINITY;
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[inf, -inf], [inf, 0.0]]));
        let t = Var::from(Tensor::from([[1.0, 0.0], [0.0, 1.0]]));
        let options = MultilabelSoftMarginLoss::new();
        let y = options.reduction(Reduction::None).forward(&x, &t)?;
        assert_eq!(y.value().to_vec(), [0.0, inf]);
        let dx = y.sum(..)?.backward()?;
        assert_eq!(dx.get(&x)?.to_vec(), [0.0, 0.0, 0.5, -0.25]);
        // Left out by its weight, it is as if it were not there.
        let options = MultilabelSoftMarginLoss::new().weight(Tensor::from([0.0, 2.0]));
        let y = options.forward(&x, &t)?;
        assert_eq!(y.item()?, 2f64.ln() / 2.0);
        assert_eq!(y.backward()?.get(&x)?.to_vec(), [0.0, 0.0, 0.0, -0.25]);
        Ok(())
    }

    #[test]
    fn nothing_broadcasts() {
        let x = Var::from(Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]));
        let t = Var::from(Tensor::from([1.0f32, 0.0]));
        assert!(multilabel_soft_margin_loss(&x, &t).is_err());
        let e = MultilabelSoftMarginLoss::new()
            .weight(Tensor::from([1.0f32]))
            .forward(&x, &x)
            .unwrap_err();
        assert_eq!(
            e.to_string(),
            "multilabel_soft_margin_loss: the weight has shape [1], but there must be one for each of the 2 classes, in \
             one dimension"
        );
    }
}
