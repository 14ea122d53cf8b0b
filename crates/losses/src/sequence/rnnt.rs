use super::labels::Batch;
use super::rnnt_op::{Rnnt, Sequence};
use crate::check;
use autograd::{Error, Float, Result, Tensor, Var, fused};

options! {
    /// The loss of a recurrent neural network transducer: a sequence of labels, each scored beside the labels before it,
    /// whose places in the input are not known.
    ///
    /// # Formula
    /// `l = -ln Σ Π p` for each sequence, over all ways from the first time step without a label to the end: at step `t`
    /// after `u` labels, the next label is written with `p[t, u, y[u]]`, or the way goes on to step `t + 1` with the blank's
    /// `p[t, u, blank]`, which also ends the last step. `p` is the softmax of the logits; with `fused_log_softmax(false)`
    /// the input is `ln p`. `Mean` divides by the number of sequences.
    ///
    /// Gradient by the logits, with `γ` the probability of passing `(t, u)` given the labels, `b` and `y` those of leaving it
    /// by the blank and by the label, `γ = b + y`: `γ p[c] - b [c = blank] - y [c = y[u]]`; by `ln p` without its first part.
    ///
    /// The sum runs in `f64`, over a lattice of time steps by labels. Four numbers for each of its points are kept, and
    /// no log-probabilities.
    /// # When to use
    /// For speech recognition while it is spoken: the model may use the labels so far, which
    /// [`ctc_loss`](super::ctc_loss()) does not allow, and more labels than steps can be written. It takes much more memory.
    /// # Shape
    /// `logits`: `(N, T, U + 1, C)`, or `(T, U + 1, C)`, where no sequence has more than `U` labels; `targets`: `(N, S)`,
    /// padded with anything, or one after the other; both lengths: `(N)`, or scalars. The result is `(N)` or a scalar with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`] if shapes disagree; [`Error::Class`] for a label that is no class; [`Error::Value`] for a label that
    /// is the blank, and for a length that is too large, or 0 steps; [`Error::Option`] for a `blank` that is no class, and
    /// for a `clamp` that is NaN.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // Two steps, one label; blank and label are equally likely: two ways of three choices each.
    /// let x = Var::from(Tensor::<f64>::zeros([1, 2, 2, 2])?);
    /// let (t, two, one) = (Tensor::from([[1]]), Tensor::from([2]), Tensor::from([1]));
    /// let loss = rnnt_loss(&x, &t, &two, &one)?;
    /// assert!((loss.item()? - 4f64.ln()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Graves, *Sequence Transduction with Recurrent Neural Networks*, 2012, arXiv:1211.3711.
    /// # Differs from PyTorch
    /// - PyTorch itself has no such loss. torchaudio's `rnnt_loss` takes the last class for the blank, and keeps its lattice
    ///   in the type of the input.
    /// - torchaudio's `clamp` cannot be differentiated again; here the clipped gradient can.
    pub struct RnntLoss {
        /// The class that is no label.
        blank: i64 = 0,
        /// Whether the input is logits; else it is log-probabilities.
        fused_log_softmax: bool = true,
        /// If above 0, what each element of a sequence's own gradient is clipped to, from minus it to it, before the
        /// upstream gradient and the reduction scale it; the result is then the gradient of nothing.
        clamp: f64 = -1.0,
    }
}

impl RnntLoss {
    /// The loss of `logits` and `targets`, and how many steps and labels each sequence has.
    ///
    /// # Errors
    /// See [`RnntLoss`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        logits: &Var<T>,
        targets: &Tensor<i64>,
        logit_lengths: &Tensor<i64>,
        target_lengths: &Tensor<i64>,
    ) -> Result<Var<T>> {
        let (size, [steps, columns, classes]) = match *logits.shape() {
            [t, u, c] if u > 0 => (None, [t, u, c]),
            [n, t, u, c] if u > 0 => (Some(n), [t, u, c]),
            _ => {
                return Err(Error::Shape {
                    op: NAME,
                    what: "the input",
                    got: logits.shape().into(),
                    expected: "it must be (N, T, U + 1, C) or (T, U + 1, C): sequences, time steps, labels and one more, classes".into(),
                });
            }
        };
        let expected = "it must be a number; 0 or less is no limit";
        check::option(NAME, "clamp", self.clamp, !self.clamp.is_nan(), expected)?;
        let batch = Batch {
            op: NAME,
            what: if self.fused_log_softmax {
                "logits"
            } else {
                "log-probabilities"
            },
            size,
            classes,
            blank: self.blank,
        };
        let blank = batch.blank()?;
        let expected = "it must lie between 1 and the number of time steps";
        let lengths = batch.lengths("logit_lengths", logit_lengths, (1, steps), expected)?;
        let labels = batch.labels(targets, target_lengths)?;
        let expected = "the input has a column for each label and one more";
        let most = columns.saturating_sub(1);
        batch.lengths("target_lengths", target_lengths, (0, most), expected)?;
        let n = lengths.len();
        let rnnt = Rnnt {
            logits: self.fused_log_softmax,
            blank,
            columns,
            clamp: Some(self.clamp).filter(|&c| c > 0.0),
            reduction: self.reduction,
            divisor: self.reduction.divisor(n as f64, &[n]),
            sequences: lengths
                .into_iter()
                .zip(labels)
                .map(|(steps, labels)| Sequence { steps, labels })
                .collect(),
        };
        if size.is_some() {
            return fused(rnnt, &[logits]);
        }
        fused(rnnt, &[&logits.unsqueeze(0)?])?.reshape(())
    }
}

/// [`RnntLoss`] with its defaults.
///
/// # Errors
/// See [`RnntLoss`].
#[track_caller]
pub fn rnnt_loss<T: Float>(
    logits: &Var<T>,
    targets: &Tensor<i64>,
    logit_lengths: &Tensor<i64>,
    target_lengths: &Tensor<i64>,
) -> Result<Var<T>> {
    RnntLoss::new().forward(logits, targets, logit_lengths, target_lengths)
}

pub(super) const NAME: &str = "rnnt_loss";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, assert_close, check_loss};
    use autograd::{Tape, gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let [targets, steps, lengths] =
                ["targets", "logit_lengths", "target_lengths"].map(|name| case.ints(name));
            RnntLoss::new()
                .blank(case.i64("blank", 0))
                .clamp(case.f64("clamp", -1.0))
                .reduction(case.reduction())
                .forward(&v[0], &targets, &steps, &lengths)
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn likely_steps_keep_the_digits_of_their_slopes() -> Result<()> {
        // One step, which writes the label and ends with the blank, each all but certain.
        let x = Tensor::from([[[[0.0, 40.0, 0.0], [40.0, 0.0, 0.0]]]]);
        let (t, one) = (Tensor::from([[1]]), Tensor::from([1]));
        // By mpmath: e^-40 / (1 + 2 e^-40), and minus twice that.
        let (other, own) = (4.248_354_255_291_589e-18, -8.496_708_510_583_178e-18);
        let want = [other, own, other, own, other, other];
        let near = |got: Vec<f64>, bound: f64| {
            for (got, want) in got.into_iter().zip(want) {
                assert!((got / want - 1.0).abs() < bound, "{got} in place of {want}");
            }
        };
        let tape = Tape::new();
        let v = tape.leaf(x.clone());
        near(
            rnnt_loss(&v, &t, &one, &one)?.backward()?.get(&v)?.to_vec(),
            1e-12,
        );
        let tape = Tape::new();
        let v = tape.leaf(x.cast::<f32>());
        let dx = rnnt_loss(&v, &t, &one, &one)?.backward()?;
        near(dx.get(&v)?.cast::<f64>().to_vec(), 1e-6);
        Ok(())
    }

    fn example(shape: [usize; 4]) -> Tensor<f64> {
        let n = shape.iter().product::<usize>();
        let data = (0..n).map(|i| ((i * 29) % 23) as f64 / 9.0 - 1.0);
        Tensor::from_vec(data.collect(), shape).unwrap()
    }

    #[test]
    fn to_second_order() -> Result<()> {
        let (steps, lengths) = (Tensor::from([3, 2]), Tensor::from([1, 2]));
        let padded = Tensor::from([[2, -7], [1, 2]]);
        let flat = Tensor::from([2, 1, 2]);
        let x = example([2, 3, 3, 3]);
        for (fused, reduction) in [(true, Reduction::None), (false, Reduction::Mean)] {
            let loss = RnntLoss::new()
                .fused_log_softmax(fused)
                .reduction(reduction);
            for targets in [&padded, &flat] {
                let f = |v: &[Var<f64>]| loss.forward(&v[0], targets, &steps, &lengths);
                gradcheck(f, std::slice::from_ref(&x))?.assert_ok();
                gradgradcheck(f, std::slice::from_ref(&x))?.assert_ok();
            }
        }
        Ok(())
    }

    #[test]
    fn of_logits_it_is_that_of_their_log_softmax() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(example([2, 3, 3, 4]));
        let (t, steps) = (Tensor::from([[2, 1], [3, 3]]), Tensor::from([3, 2]));
        let lengths = Tensor::from([2, 1]);
        let one = rnnt_loss(&x, &t, &steps, &lengths)?;
        let two = RnntLoss::new().fused_log_softmax(false);
        let two = two.forward(&x.log_softmax(-1)?, &t, &steps, &lengths)?;
        assert_close("value", one.value(), two.value(), 1e-14, 0.0);
        let (a, b) = (one.backward()?, two.backward()?);
        assert_close("gradient", a.get(&x)?, b.get(&x)?, 1e-12, 1e-14);
        Ok(())
    }

    /// PyTorch's finite differences know nothing of a clipped gradient; those of the clipped gradient itself do.
    #[test]
    fn a_clipped_gradient_is_differentiable() -> Result<()> {
        let (t, steps, lengths) = (
            Tensor::from([[2, 1], [1, 2]]),
            Tensor::from([3, 2]),
            Tensor::from([2, 1]),
        );
        let x = example([2, 3, 3, 3]);
        for (fused, reduction) in [(true, Reduction::Mean), (false, Reduction::None)] {
            let loss = RnntLoss::new()
                .fused_log_softmax(fused)
                .reduction(reduction);
            let clipped = loss.clone().clamp(0.11);
            let f = |v: &[Var<f64>]| clipped.forward(&v[0], &t, &steps, &lengths);
            gradgradcheck(f, std::slice::from_ref(&x))?.assert_ok();
            // Clipped per sequence, then scaled.
            let slopes = |loss: &RnntLoss, dy: &Tensor<f64>| -> Result<Tensor<f64>> {
                let tape = Tape::new();
                let x = tape.leaf(x.clone());
                let y = loss.forward(&x, &t, &steps, &lengths)?;
                Ok(y.backward_with(dy)?.get(&x)?.clone())
            };
            let dy = match reduction {
                Reduction::None => Tensor::from([2.0, -3.0]),
                _ => Tensor::scalar(5.0),
            };
            let sum = loss.clone().reduction(Reduction::None);
            let own = slopes(&sum, &Tensor::from([1.0, 1.0]))?.clamp(-0.11, 0.11);
            let scale = match reduction {
                Reduction::None => dy.reshape([2, 1, 1, 1])?,
                _ => dy.div(2.0)?.reshape([1, 1, 1, 1])?,
            };
            let want = own.mul(&scale)?;
            assert!(own.find(|v: f64| v.abs() == 0.11).is_some());
            assert_close("clipped", &slopes(&clipped, &dy)?, &want, 1e-12, 1e-14);
        }
        let e = RnntLoss::new().clamp(f64::NAN);
        let e = e.forward(&Var::from(x), &t, &steps, &lengths).unwrap_err();
        assert!(e.to_string().contains("clamp is NaN"), "{e}");
        Ok(())
    }

    #[test]
    fn edges() -> Result<()> {
        let tape = Tape::new();
        // A label of probability 0 makes its sequence impossible; NaN beyond the lengths reaches nothing.
        let mut data = example([2, 2, 2, 3]);
        data.set([0, 0, 0, 1], f64::NEG_INFINITY)?;
        data.set([0, 1, 0, 1], f64::NEG_INFINITY)?;
        data.set([1, 1, 0, 0], f64::NAN)?;
        let x = tape.leaf(data);
        let (t, steps) = (Tensor::from([[1], [2]]), Tensor::from([2, 1]));
        let loss = RnntLoss::new().reduction(Reduction::None);
        let y = loss.forward(&x, &t, &steps, &Tensor::from([1, 1]))?;
        let rows = y.value().to_vec();
        assert_eq!((rows[0], rows[1].is_finite()), (f64::INFINITY, true));
        let dx = y.backward_with(&Tensor::from([1.0, 1.0]))?;
        let dx = dx.get(&x)?;
        assert!(dx.select(0, 0)?.find(|v: f64| v != 0.0).is_none());
        assert!(dx.find(|v: f64| !v.is_finite()).is_none());
        // A single sequence, and an empty batch.
        let single = x.select(0, 1)?;
        let one = Tensor::scalar(1);
        let y = loss.forward(&single, &Tensor::from([2]), &one, &one)?;
        assert_eq!((y.shape(), y.item()?), (&[][..], rows[1]));
        let none = tape.leaf(Tensor::<f64>::zeros([0, 2, 2, 3])?);
        let zero = Tensor::zeros([0])?;
        let y = rnnt_loss(&none, &Tensor::zeros([0, 1])?, &zero, &zero)?;
        assert!(y.item()?.is_nan());
        assert_eq!(y.backward()?.get(&none)?.shape(), [0, 2, 2, 3]);
        Ok(())
    }

    #[test]
    fn the_messages_name_the_place() {
        let x = Var::from(example([2, 2, 2, 3]));
        let call = |t: Tensor<i64>, steps: [i64; 2], lengths: [i64; 2]| {
            let (steps, lengths) = (Tensor::from(steps), Tensor::from(lengths));
            rnnt_loss(&x, &t, &steps, &lengths).unwrap_err().to_string()
        };
        assert_eq!(
            call(Tensor::from([[1], [3]]), [2, 2], [1, 1]),
            "rnnt_loss: target[1, 0] is 3, but the logits have 3 classes"
        );
        assert_eq!(
            call(Tensor::from([[1], [2]]), [2, 0], [1, 1]),
            "rnnt_loss: logit_lengths[1] is 0, but it must lie between 1 and the number of time steps"
        );
        assert_eq!(
            call(Tensor::from([[1, 2], [2, 1]]), [2, 2], [1, 2]),
            "rnnt_loss: target_lengths[1] is 2, but the input has a column for each label and one more"
        );
    }
}
