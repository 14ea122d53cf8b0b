use super::ctc_op;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Connectionist temporal classification from logits: [`ctc_loss`](super::ctc_loss()) with `log_softmax` in the same
    /// operation.
    ///
    /// # Formula
    /// `l = -ln Σ_π Π_t softmax(x[t])[π[t]]` for each sequence, over all paths `π` that become the labels when equal
    /// neighbours are merged and blanks are taken out. `Mean` is the mean over the sequences of
    /// `l / max(1, number of labels)`.
    ///
    /// Gradient: `softmax(x[t])[c] - P(π[t] = c)`, the class's probability less that given the labels.
    /// # When to use
    /// In place of `log_softmax` and [`ctc_loss`](super::ctc_loss()): the log-probabilities are never stored, and the
    /// difference in the gradient is taken in `f64`.
    /// # Shape
    /// As [`CtcLoss`](super::CtcLoss): `logits`: `(T, N, C)` or `(T, C)`; `targets`: `(N, S)`, or one after the other; both
    /// lengths: `(N)`; the result is `(N)` or a scalar with [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// As [`CtcLoss`](super::CtcLoss).
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[[1.0f64, 2.0, 0.5]], [[0.0, -1.0, 3.0]]]));
    /// let (t, two) = (Tensor::from([[1, 2]]), Tensor::from([2]));
    /// let loss = ctc_loss_with_logits(&x, &t, &two, &two)?;
    /// let same = ctc_loss(&x.log_softmax(-1)?, &t, &two, &two)?;
    /// assert!((loss.item()? - same.item()?).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Graves et al., *Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with Recurrent Neural
    /// Networks*, 2006, equation 16.
    /// # Differs from PyTorch
    /// PyTorch has no such function; its `ctc_loss` of `log_softmax` gives the same numbers, but for what is said at
    /// [`CtcLoss`](super::CtcLoss).
    pub struct CtcLossWithLogits {
        /// The class that is no label.
        blank: i64 = 0,
        /// Whether a sequence that no path fits costs 0 instead of infinity; in a mean it counts all the same.
        zero_infinity: bool = false,
    }
}

impl CtcLossWithLogits {
    /// The loss of `logits` and `targets`, and how many steps and labels each sequence has.
    ///
    /// # Errors
    /// See [`CtcLossWithLogits`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        logits: &Var<T>,
        targets: &Tensor<i64>,
        input_lengths: &Tensor<i64>,
        target_lengths: &Tensor<i64>,
    ) -> Result<Var<T>> {
        let options = ctc_op::Options {
            op: "ctc_loss_with_logits",
            logits: true,
            blank: self.blank,
            zero_infinity: self.zero_infinity,
            reduction: self.reduction,
        };
        ctc_op::run(options, logits, targets, input_lengths, target_lengths)
    }
}

/// [`CtcLossWithLogits`] with its defaults.
///
/// # Errors
/// See [`CtcLossWithLogits`].
#[track_caller]
pub fn ctc_loss_with_logits<T: Float>(
    logits: &Var<T>,
    targets: &Tensor<i64>,
    input_lengths: &Tensor<i64>,
    target_lengths: &Tensor<i64>,
) -> Result<Var<T>> {
    CtcLossWithLogits::new().forward(logits, targets, input_lengths, target_lengths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;
    use serde_json::Value;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "ctc_loss_with_logits";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let [targets, steps, lengths] =
                ["targets", "input_lengths", "target_lengths"].map(|name| case.ints(name));
            CtcLossWithLogits::new()
                .blank(case.i64("blank", 0))
                .zero_infinity(case.bool("zero_infinity", false))
                .reduction(case.reduction())
                .forward(&v[0], &targets, &steps, &lengths)
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn masked_and_extreme_logits() -> Result<()> {
        let tape = Tape::new();
        let lowest = f32::NEG_INFINITY;
        let x = tape.leaf(Tensor::from([
            [[0.0, 1e4, lowest]],
            [[1e4, -1e4, lowest]],
            [[f32::NAN, f32::NAN, f32::NAN]],
        ]));
        // The third step lies beyond the sequence.
        let (t, two, one) = (Tensor::from([[1]]), Tensor::from([2]), Tensor::from([1]));
        let y = ctc_loss_with_logits(&x, &t, &two, &one)?;
        assert_eq!(y.item()?, 0.0);
        assert!(y.backward()?.get(&x)?.find(|v: f32| v != 0.0).is_none());
        Ok(())
    }

    #[test]
    fn a_likely_step_keeps_the_digits_of_its_slopes() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[[0.0f64, 40.0, 0.0]]]));
        let (t, one) = (Tensor::from([[1]]), Tensor::from([1]));
        let dx = ctc_loss_with_logits(&x, &t, &one, &one)?.backward()?;
        // By mpmath: e^-40 / (1 + 2 e^-40), and minus twice that.
        let (other, own) = (4.248_354_255_291_589e-18, -8.496_708_510_583_178e-18);
        for (got, want) in dx.get(&x)?.to_vec().into_iter().zip([other, own, other]) {
            assert!((got / want - 1.0).abs() < 1e-12, "{got} in place of {want}");
        }
        Ok(())
    }

    /// A7: thousands of steps in `f32`, against PyTorch in `f64`.
    #[test]
    fn long_sequences_keep_their_digits() -> Result<()> {
        let name = "ctc_loss_long";
        let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the fixture");
        let book: Value = serde_json::from_str(&text).expect("the fixture");
        for case in book["cases"].as_array().expect("cases") {
            let int = |name: &str| case[name].as_i64().expect("a number") as usize;
            let (steps, classes, labels) = (int("steps"), int("classes"), int("labels"));
            let scale = case["scale"].as_f64().expect("a number") as f32;
            let logit = |i: usize| ((i * 7919 + i / classes * 613) % 1009) as f32 / 1009.0 * scale;
            let x = (0..steps * classes).map(logit).collect();
            let label = |i: usize| (1 + (i * 5 + i / 3) % (classes - 1)) as i64;
            let targets = Tensor::from_vec((0..labels).map(label).collect(), [labels])?;
            let tape = Tape::new();
            let x = tape.leaf(Tensor::from_vec(x, [steps, classes])?);
            let (n, m) = (Tensor::scalar(steps as i64), Tensor::scalar(labels as i64));
            let sum = CtcLossWithLogits::new().reduction(crate::Reduction::Sum);
            let y = sum.forward(&x, &targets, &n, &m)?;
            let loss = case["loss"].as_f64().expect("a number");
            assert!(
                (f64::from(y.item()?) / loss - 1.0).abs() < 1e-6,
                "{y}, {loss}"
            );
            let dx = y.backward()?.get(&x)?.to_vec();
            for probe in case["probes"].as_array().expect("probes") {
                let at = probe[0].as_i64().expect("a place") as usize;
                let (got, want) = (f64::from(dx[at]), probe[1].as_f64().expect("a number"));
                let off = (got - want).abs();
                assert!(off <= 1e-6, "{steps} steps, {at}: {got}, {want}: {off:e}");
            }
        }
        Ok(())
    }
}
