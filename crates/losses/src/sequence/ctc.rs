use super::ctc_op;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// Connectionist temporal classification: a sequence of labels whose places in the input are not known, from
    /// log-probabilities.
    ///
    /// # Formula
    /// `l = -ln Σ_π Π_t p[t, π[t]]` for each sequence, over all paths `π` of classes, one for each time step, that become the
    /// labels when equal neighbours are merged and blanks are taken out. `Mean` is the mean over the sequences of
    /// `l / max(1, number of labels)`.
    ///
    /// Gradient by `x = ln p`: `-P(π[t] = c)`, the probability of class `c` at step `t` given the labels. It is 0 beyond a
    /// sequence's length, and where no path fits.
    ///
    /// The sum runs over a lattice of time steps by twice the labels, in `f64` whatever the input is. The forward pass keeps
    /// the lattice where a gradient is wanted, and two of its rows elsewhere.
    /// # When to use
    /// For speech and handwriting, where the labels come in the order of the input and are no more than its steps.
    /// [`ctc_loss_with_logits`](super::ctc_loss_with_logits()) does the same in one operation with `log_softmax` before it;
    /// for outputs that depend on earlier labels take [`rnnt_loss`](super::rnnt_loss()).
    /// # Shape
    /// `log_probs`: `(T, N, C)`, time steps first, or `(T, C)`; `targets`: `(N, S)`, padded with anything, or one sequence
    /// after the other, `(sum of target_lengths)`; both lengths: `(N)`, or scalars beside `(T, C)`. The result is `(N)` or a
    /// scalar with [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree; [`Error::Class`](crate::Error::Class) for a label that is no
    /// class; [`Error::Value`](crate::Error::Value) for a label that is the blank, and for a length that is negative or
    /// larger than there are steps or labels; [`Error::Option`](crate::Error::Option) for a `blank` that is no class.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // Two steps, blank and one label, all equally likely: three of the four paths give the label.
    /// let x = Var::from(Tensor::full([2, 1, 2], 0.5f64.ln())?);
    /// let (t, two, one) = (Tensor::from([[1]]), Tensor::from([2]), Tensor::from([1]));
    /// let loss = ctc_loss(&x, &t, &two, &one)?;
    /// assert!((loss.item()? + 0.75f64.ln()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Graves et al., *Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with Recurrent Neural
    /// Networks*, 2006.
    /// PyTorch, [`ctc_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html).
    /// # Differs from PyTorch
    /// - The gradient is that of the formula. There it is `p - P`, which is right only if the input came from `log_softmax`,
    ///   through which both give the same gradient of the logits.
    /// - Labels are checked: there one outside the classes reads outside of the memory, and the blank as a label gives a
    ///   number without meaning.
    /// - An impossible sequence has the gradient 0, with and without `zero_infinity`, and a class of probability 0 that does
    ///   not occur has it too; there both are NaN.
    /// - In `f32` the gradient of long sequences keeps its digits: at 2,000 steps it is off by less than `1e-6`, there by up
    ///   to `2.6e-2`.
    /// - It can be differentiated twice, and the batch may be empty.
    pub struct CtcLoss {
        /// The class that is no label.
        blank: i64 = 0,
        /// Whether a sequence that no path fits costs 0 instead of infinity; in a mean it counts all the same.
        zero_infinity: bool = false,
    }
}

impl CtcLoss {
    /// The loss of `log_probs` and `targets`, and how many steps and labels each sequence has.
    ///
    /// # Errors
    /// See [`CtcLoss`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        log_probs: &Var<T>,
        targets: &Tensor<i64>,
        input_lengths: &Tensor<i64>,
        target_lengths: &Tensor<i64>,
    ) -> Result<Var<T>> {
        let options = ctc_op::Options {
            op: "ctc_loss",
            logits: false,
            blank: self.blank,
            zero_infinity: self.zero_infinity,
            reduction: self.reduction,
        };
        ctc_op::run(options, log_probs, targets, input_lengths, target_lengths)
    }
}

/// [`CtcLoss`] with its defaults.
///
/// # Errors
/// See [`CtcLoss`].
#[track_caller]
pub fn ctc_loss<T: Float>(
    log_probs: &Var<T>,
    targets: &Tensor<i64>,
    input_lengths: &Tensor<i64>,
    target_lengths: &Tensor<i64>,
) -> Result<Var<T>> {
    CtcLoss::new().forward(log_probs, targets, input_lengths, target_lengths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "ctc_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let [targets, steps, lengths] =
                ["targets", "input_lengths", "target_lengths"].map(|name| case.ints(name));
            CtcLoss::new()
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

    fn example() -> Tensor<f64> {
        let data = (0..40).map(|i| -(1.0 + ((i * 29) % 23) as f64 / 9.0));
        Tensor::from_vec(data.collect(), [5, 2, 4]).unwrap()
    }

    #[test]
    fn the_gradient_is_that_of_the_formula() -> Result<()> {
        // Rows that are no probabilities: PyTorch's gradient fails here.
        let (steps, lengths) = (Tensor::from([5, 4]), Tensor::from([3, 2]));
        let padded = Tensor::from([[1, 1, 2], [3, 2, -7]]);
        let flat = Tensor::from([1, 1, 2, 3, 2]);
        for reduction in [Reduction::None, Reduction::Mean, Reduction::BatchMean] {
            let loss = CtcLoss::new().reduction(reduction);
            for targets in [&padded, &flat] {
                let f = |v: &[Var<f64>]| loss.forward(&v[0], targets, &steps, &lengths);
                gradcheck(f, &[example()])?.assert_ok();
                gradgradcheck(f, &[example()])?.assert_ok();
            }
        }
        Ok(())
    }

    /// The sum over all paths, one by one.
    fn by_paths(x: &Tensor<f64>, n: isize, steps: usize, labels: &[i64], blank: i64) -> f64 {
        let x = x.select(1, n).unwrap();
        let classes = x.shape()[1];
        let mut sum = 0.0;
        for path in 0..classes.pow(steps as u32) {
            let (mut rest, mut log, mut read, mut last) = (path, 0.0, Vec::new(), blank);
            for t in 0..steps {
                let c = (rest % classes) as i64;
                rest /= classes;
                log += x.get([t as i64, c]).unwrap();
                if c != blank && c != last {
                    read.push(c);
                }
                last = c;
            }
            if read == labels {
                sum += f64::exp(log);
            }
        }
        -sum.ln()
    }

    #[test]
    fn it_is_the_sum_over_all_paths() -> Result<()> {
        let x = example();
        let cases: [(&[i64], i64); 6] = [
            (&[], 0),
            (&[2], 0),
            (&[1, 1], 0),
            (&[1, 2, 1], 0),
            (&[0, 3], 2),
            (&[3, 3, 3], 1),
        ];
        for (labels, blank) in cases {
            for (n, steps) in [(0, 5), (1, 4), (1, 3)] {
                let single = Var::from(x.select(1, n)?);
                let y = CtcLoss::new()
                    .blank(blank)
                    .reduction(Reduction::Sum)
                    .forward(
                        &single,
                        &Tensor::from_slice(labels, [labels.len()])?,
                        &Tensor::scalar(steps),
                        &Tensor::scalar(labels.len() as i64),
                    )?
                    .item()?;
                let expected = by_paths(&x, n, steps as usize, labels, blank);
                let same = y == expected || (y - expected).abs() < 1e-13;
                assert!(same, "{labels:?} in {steps}: {y}, {expected}");
            }
        }
        Ok(())
    }

    #[test]
    fn edges() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(example());
        let rows = |targets: Tensor<i64>, steps: [i64; 2], lengths: [i64; 2], zero: bool| {
            let loss = CtcLoss::new()
                .zero_infinity(zero)
                .reduction(Reduction::None);
            let y = loss.forward(&x, &targets, &Tensor::from(steps), &Tensor::from(lengths))?;
            let grads = y.backward_with(&Tensor::from([1.0, 1.0]))?;
            Ok::<_, crate::Error>((y.value().to_vec(), grads.get(&x)?.clone()))
        };
        // No steps: the empty sequence is certain, any other impossible; neither has a slope.
        let targets = Tensor::from([[1, 2], [1, 2]]);
        let (y, dx) = rows(targets.clone(), [0, 0], [0, 1], false)?;
        assert_eq!(y, [0.0, f64::INFINITY]);
        assert!(y[0].is_sign_positive());
        assert!(dx.find(|v: f64| v != 0.0).is_none());
        // Three equal labels need five steps.
        let (y, dx) = rows(Tensor::from([[1, 1, 1], [1, 1, 1]]), [5, 4], [3, 3], false)?;
        assert_eq!((y[0].is_finite(), y[1]), (true, f64::INFINITY));
        assert!(dx.select(1, 1)?.find(|v: f64| v != 0.0).is_none());
        assert!(dx.select(1, 0)?.find(|v: f64| !v.is_finite()).is_none());
        let (y, _) = rows(Tensor::from([[1, 1, 1], [1, 1, 1]]), [5, 4], [3, 3], true)?;
        assert_eq!(y[1], 0.0);
        // Each step's slopes add up to -1, and there are none beyond the length.
        let (_, dx) = rows(targets, [5, 2], [2, 1], false)?;
        let sums = dx.sum(2)?.to_vec();
        for (i, sum) in sums.into_iter().enumerate() {
            let expected = if i % 2 == 0 || i < 4 { -1.0 } else { 0.0 };
            assert!((sum - expected).abs() < 1e-14, "{i}: {sum}");
        }
        Ok(())
    }

    #[test]
    fn an_empty_batch() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f32>::zeros([3, 0, 4])?);
        let none = Tensor::zeros([0])?;
        let y = ctc_loss(&x, &Tensor::zeros([0, 2])?, &none, &none)?;
        assert!(y.item()?.is_nan());
        assert_eq!(y.backward()?.get(&x)?.shape(), [3, 0, 4]);
        Ok(())
    }

    #[test]
    fn the_messages_name_the_place() {
        let x = Var::from(example());
        let call = |targets: Tensor<i64>, steps: [i64; 2], lengths: [i64; 2]| {
            let (steps, lengths) = (Tensor::from(steps), Tensor::from(lengths));
            ctc_loss(&x, &targets, &steps, &lengths)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            call(Tensor::from([[1, 2], [3, 4]]), [5, 5], [2, 2]),
            "ctc_loss: target[1, 1] is 4, but the log-probabilities have 4 classes"
        );
        assert_eq!(
            call(Tensor::from([1, 2, 0]), [5, 5], [2, 1]),
            "ctc_loss: target[2] is 0, but the blank is no label"
        );
        assert_eq!(
            call(Tensor::from([[1, 2], [3, 3]]), [5, 6], [2, 2]),
            "ctc_loss: input_lengths[1] is 6, but it must lie between 0 and the number of time steps"
        );
        assert_eq!(
            call(Tensor::from([1, 2, 3]), [5, 5], [2, 2]),
            "ctc_loss: targets has shape [3], but target_lengths add up to 4"
        );
    }
}
