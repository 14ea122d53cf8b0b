use super::target::{Classes, Sealed, check_weight, class_dim};
use super::with_classes::WithClasses;
use super::with_distribution::{WithDistribution, check_probabilities};
use crate::check::{self, same_shape};
use crate::rowwise;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The cross entropy of logits with classes or with distributions: the usual loss of a classifier.
    ///
    /// # Formula
    /// With `lse(x) = ln Σ e^x`, `s = label_smoothing` and class weights `w`, a row `x` costs `Σ_c w[c] q[c] (lse(x) - x[c])`,
    /// where `q` is the target smoothed: `(1 - s) t + s / C` for a distribution `t`, and for a class `t` the same of a 1 at
    /// `t`, but with `w[t]` as the weight of its first part. With `z_loss`, a row costs `z_loss · lse(x)²` more.
    ///
    /// `Mean` divides by `Σ w[t]` over the rows that are not ignored where targets are classes, and by the number of rows
    /// where they are distributions. Gradient of a row: `A softmax(x) - w q` with `A = Σ w q + 2 z_loss lse(x)`; of a
    /// distribution: `(1 - s) w (lse(x) - x)`.
    /// # When to use
    /// For one class out of several. Where each class is there or not by itself, take
    /// [`binary_cross_entropy_with_logits`](crate::binary::binary_cross_entropy_with_logits); where the logits come from a
    /// last layer with many classes, [`linear_cross_entropy`](super::linear_cross_entropy()) never holds them.
    /// # Shape
    /// `x`: `(C)`, `(N, C)` or `(N, C, d…)`; `t`: classes as a scalar, `(N)` or `(N, d…)`, or a distribution of the shape
    /// of `x`; the result is as the classes with [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree; [`Error::Class`](crate::Error::Class) for a class outside `0..C` that is not `ignore_index`;
    /// [`Error::Value`](crate::Error::Value) for a negative probability; [`Error::Option`](crate::Error::Option) if
    /// `label_smoothing` is not in `0..=1` or `z_loss` is not finite.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[1.0f64, 2.0], [0.5, 0.5]]));
    /// let by_class = cross_entropy(&x, &Tensor::from([1, 0]))?;
    /// let by_distribution = cross_entropy(&x, &Var::from(Tensor::from([[0.0, 1.0], [1.0, 0.0]])))?;
    /// assert!((by_class.item()? - by_distribution.item()?).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Szegedy et al., *Rethinking the Inception Architecture for Computer Vision*, 2016, section 7, for the smoothing.
    /// Chowdhery et al., *PaLM*, 2022, arXiv:2204.02311, section 5, for `z_loss`.
    /// PyTorch, [`cross_entropy`](https://pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html).
    /// # Differs from PyTorch
    /// - A confident row keeps its digits: the largest logit's own exponential is never added to the sum, and its
    ///   gradient is the negated sum of the others. In `f32` PyTorch's loss and gradient are 0 from a lead of 17 on.
    /// - The gradient of an ignored row is exactly zero, also where the row holds NaN or infinities.
    /// - A logit of `+inf` gives the limit, 0 for its own class and `inf` for others; there all is NaN.
    /// - A probability of 0 costs nothing at a logit of `-inf`; there it is NaN.
    /// - Negative probabilities and a negative `label_smoothing` are errors; errors name the first bad row.
    /// - `smooth_over_finite` and `z_loss` are not there.
    pub struct CrossEntropy<T> {
        /// A weight for each class.
        weight: Option<Tensor<T>> = None,
        /// Rows with this target count for nothing; of no effect on distributions.
        ignore_index: i64 = -100,
        /// The share of each target that is spread evenly over the classes.
        label_smoothing: f64 = 0.0,
        /// Spreads the smoothed share over the classes of a row whose logit is not `-inf` alone, so that masked classes
        /// cost nothing.
        smooth_over_finite: bool = false,
        /// The factor of `lse(x)²`, which is added to each row that counts and keeps the logits from drifting; class
        /// weights do not apply to it.
        z_loss: f64 = 0.0,
    }
}

/// What a cross entropy can be taken with: `&Tensor<i64>`, classes, or `&Var<T>`, distributions, which get a gradient.
///
/// ```compile_fail
/// # use losses::prelude::*;
/// let x = Var::from(Tensor::from([[1.0f32, 2.0]]));
/// cross_entropy(&x, &Tensor::from([1.0f32])); // classes are integers
/// ```
pub trait CrossEntropyTarget<T: Float>: Sealed {
    /// The loss of logits `x` and this target.
    ///
    /// # Errors
    /// See [`CrossEntropy`].
    #[track_caller]
    fn loss(&self, options: &CrossEntropy<T>, x: &Var<T>) -> Result<Var<T>>;
}

impl<T: Float> CrossEntropy<T> {
    /// The loss of logits `x` and targets `t`, classes or distributions.
    ///
    /// # Errors
    /// See [`CrossEntropy`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &impl CrossEntropyTarget<T>) -> Result<Var<T>> {
        self.check(NAME, class_dim(NAME, x.shape())?.1)?;
        t.loss(self, x)
    }

    /// That the options are right for a number of classes.
    pub(crate) fn check(&self, op: &'static str, classes: usize) -> Result<()> {
        let s = self.label_smoothing;
        let holds = (0.0..=1.0).contains(&s);
        check::option(op, "label_smoothing", s, holds, "it must lie in 0..=1")?;
        let (z, expected) = (self.z_loss, "it must be a finite number");
        check::option(op, "z_loss", z, z.is_finite(), expected)?;
        check_weight(op, &self.weight, classes)
    }
}

/// [`CrossEntropy`] with its defaults.
///
/// # Errors
/// See [`CrossEntropy`].
#[track_caller]
pub fn cross_entropy<T: Float>(x: &Var<T>, t: &impl CrossEntropyTarget<T>) -> Result<Var<T>> {
    CrossEntropy::new().forward(x, t)
}

pub(crate) const NAME: &str = "cross_entropy";

impl<T: Float> CrossEntropyTarget<T> for Tensor<i64> {
    #[track_caller]
    fn loss(&self, options: &CrossEntropy<T>, x: &Var<T>) -> Result<Var<T>> {
        let (dim, _) = class_dim(NAME, x.shape())?;
        let (ignored, weight) = (options.ignore_index, &options.weight);
        let classes = Classes::new(NAME, self, x.shape(), ignored, weight)?;
        let total = classes.total();
        let loss = WithClasses::new(options, classes, dim);
        rowwise::run(loss, [x], dim, options.reduction, total)
    }
}

impl<T: Float> CrossEntropyTarget<T> for Var<T> {
    #[track_caller]
    fn loss(&self, options: &CrossEntropy<T>, x: &Var<T>) -> Result<Var<T>> {
        let (dim, _) = class_dim(NAME, x.shape())?;
        same_shape(NAME, "the target", self.shape(), x.shape())?;
        check_probabilities(NAME, self.value())?;
        let rest = |(d, &n): (usize, &usize)| if d == dim { 1 } else { n };
        let rows: usize = x.shape().iter().enumerate().map(rest).product();
        let loss = WithDistribution::new(options, dim);
        rowwise::run(loss, [x, self], dim, options.reduction, rows as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
        let options = CrossEntropy::new()
            .weight(case.tensor("weight"))
            .ignore_index(case.i64("ignore_index", -100))
            .label_smoothing(case.f64("label_smoothing", 0.0))
            .smooth_over_finite(case.bool("smooth_over_finite", false))
            .z_loss(case.f64("z_loss", 0.0))
            .reduction(case.reduction());
        if case.is_int("target") {
            options.forward(&v[0], &case.ints("target"))
        } else {
            options.forward(&v[0], &v[1])
        }
    }

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            call(case, v)
        }
    }

    /// The options that PyTorch has not.
    struct Options;
    impl Checked for Options {
        const NAME: &'static str = "cross_entropy_options";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            call(case, v)
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
        check_loss::<Options>();
    }

    #[test]
    fn confident_rows_to_the_last_digits() -> Result<()> {
        // A1, by mpmath: ln(1 + e^-d) and 1 / (1 + e^d).
        let table = [
            (8.0f32, 3.354_063_728_956_014_7e-4, 3.353_501_304_664_781e-4),
            (10.0, 4.539_889_921_686_465e-5, 4.539_786_870_243_439_5e-5),
            (14.0, 8.315_283_733_106_822e-7, 8.315_280_276_641_321e-7),
            (17.0, 4.139_937_633_089_748e-8, 4.139_937_547_394_872_4e-8),
            (40.0, 4.248_354_255_291_589e-18, 4.248_354_255_291_589e-18),
        ];
        for (d, loss, slope) in table {
            let tape = autograd::Tape::new();
            let x = tape.leaf(Tensor::from([[d, 0.0]]));
            let y = cross_entropy(&x, &Tensor::from([0]))?;
            assert!((y.item()?.f64() / loss - 1.0).abs() < 1.8e-6, "{d}: {y}");
            let dx = y.backward()?.get(&x)?.to_vec();
            // The row's slopes add up to nothing, exactly.
            assert_eq!(dx[0], -dx[1]);
            assert!((dx[1].f64() / slope - 1.0).abs() < 1.8e-6, "{d}: {dx:?}");
        }
        Ok(())
    }

    #[test]
    fn a_shift_of_all_logits_changes_nothing() -> Result<()> {
        let x = Tensor::from([[1.5f64, -2.0, 0.25], [3.0, 3.0, -8.0]]);
        let t = Tensor::from([2, 0]);
        let plain = cross_entropy(&Var::from(&x), &t)?.item()?;
        for shift in [1e4, -1e4] {
            let moved = cross_entropy(&Var::from(x.add(shift)?), &t)?.item()?;
            assert!((moved - plain).abs() < 1e-11, "{moved}, {plain}");
        }
        Ok(())
    }

    /// Rows of few classes are looked at sixteen at a time: the last of them, and those that do not count, as all others.
    #[test]
    fn rows_side_by_side() -> Result<()> {
        for classes in 1..=17usize {
            for rows in [1usize, 15, 16, 37] {
                let numbers = (0..rows * classes).map(|i| (i * 421 % 1009) as f64 / 50.0 - 10.0);
                let x = Tensor::from(numbers.collect::<Vec<_>>()).reshape([rows, classes])?;
                let class = |i| {
                    if i % 5 == 3 {
                        -100
                    } else {
                        i * 7 % classes as i64
                    }
                };
                let t = Tensor::from((0..rows as i64).map(class).collect::<Vec<_>>());
                let tape = autograd::Tape::new();
                let (a, b) = (tape.leaf(x.clone()), tape.leaf(x.clone()));
                let fused = cross_entropy(&a, &t)?;
                let plain = crate::prelude::nll_loss(&b.log_softmax(1)?, &t)?;
                assert!((fused.item()? - plain.item()?).abs() < 1e-13);
                let dx = fused.backward()?.get(&a)?.clone();
                let off = dx.sub(plain.backward()?.get(&b)?)?.abs().max(..)?;
                assert!(off.item()? < 1e-15, "{rows} rows of {classes}");

                // A row that does not count may hold anything: a NaN that is its largest element, and one that is not.
                for strange in [
                    x.slice_assign(autograd::i![3..4], f64::NAN)?,
                    x.slice_assign(autograd::i![3..4, 0], f64::NAN)?,
                ] {
                    let c = tape.leaf(strange);
                    let y = cross_entropy(&c, &t)?;
                    assert!((y.item()? - fused.item()?).abs() < 1e-13);
                    let off = y.backward()?.get(&c)?.sub(&dx)?.abs().max(..)?;
                    assert!(off.item()? < 1e-15, "{rows} rows of {classes}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn the_message_names_the_row() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = cross_entropy(&x, &Tensor::from([7])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "cross_entropy: target[0] is 7, but the logits have 2 classes"
        );
    }
}
