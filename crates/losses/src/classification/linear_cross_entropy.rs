use super::cross_entropy::CrossEntropy;
use super::linear::Linear;
use super::target::{Classes, Sealed, check_range, check_rows};
use super::with_classes::WithClasses;
use super::with_distribution::{WithDistribution, check_probabilities};
use crate::check;
use crate::rowwise::RowLoss;
use autograd::{Error, Float, Result, Tensor, Var, fused};

options! {
    /// The cross entropy of a last linear layer, whose logits are never held: for many classes, as in language models.
    ///
    /// # Formula
    /// `cross_entropy(x Wᵀ + b, t)`, with all options of [`cross_entropy`](super::cross_entropy()) and its denominators.
    /// Gradient, with the slopes `s` of a row by its logits: `s W` for `x`, the sum of `s xᵀ` over the rows for `W`, the sum
    /// of `s` for `b`.
    ///
    /// Rows are taken in chunks of `chunk_size`. Each chunk's logits are made, and replaced by their slopes; the next chunk
    /// uses the same memory. Rows that are ignored cost nothing, neither time nor memory.
    ///
    /// Where the result is one number and an input lies on a tape, the gradients are made in the forward pass, which keeps
    /// them: three matrix products in all, and backward is free. With [`Reduction::None`](crate::Reduction::None) nothing is
    /// kept, and backward makes the logits again: four products.
    /// # When to use
    /// In place of a linear layer and [`cross_entropy`](super::cross_entropy()), wherever the logits would take much of the
    /// memory; with a vocabulary of 50,000 they are hundreds of times as large as `x`. Not where the logits are needed for
    /// something else as well.
    /// # Shape
    /// `x`: `(D)` or `(…, D)`; `linear_weight`: `(C, D)`; `linear_bias`: `(C)`; `t`: classes of the shape of `x` without its
    /// last dimension, or distributions with `C` as their last. With a `linear_weight` of `(C, d…, D)` and a `linear_bias` of
    /// `(C, d…)`, each of the `d…` places has its own layer: classes are `(…, d…)`, distributions `(…, C, d…)`. The result is
    /// as the classes with [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`] if shapes disagree, and what [`CrossEntropy`] refuses.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let tape = Tape::new();
    /// let x = tape.leaf(Tensor::from([[1.0f64, 2.0], [0.5, -1.0], [0.0, 3.0]]));
    /// let w = tape.leaf(Tensor::from([[0.5, 0.0], [0.0, 1.0]]));
    /// let t = Tensor::from([0, 1, -100]);
    /// let loss = linear_cross_entropy(&x, &w, &t)?;
    /// let same = cross_entropy(&x.matmul(&w.t())?, &t)?;
    /// assert!((loss.item()? - same.item()?).abs() < 1e-15);
    /// assert_eq!(loss.backward()?.get(&w)?.shape(), [2, 2]);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Hsu et al., *Liger Kernel: Efficient Triton Kernels for LLM Training*, 2024, arXiv:2410.10989, for the gradient in the
    /// forward pass; Wijmans et al., *Cut Your Losses in Large-Vocabulary Language Models*, 2024, arXiv:2411.09009.
    /// PyTorch, [`linear_cross_entropy`](https://pytorch.org/docs/main/generated/torch.nn.functional.linear_cross_entropy.html).
    /// # Differs from PyTorch
    /// - It works in chunks with every option; there label smoothing and distributions with a gradient leave the chunks.
    /// - `x` may have any leading dimensions, there two in all at most, and none at all where each place has its own layer.
    /// - `smooth_over_finite`, `z_loss` and `chunk_size` are not there, and all of
    ///   [`cross_entropy`](super::cross_entropy())'s differences hold.
    pub struct LinearCrossEntropy<T> {
        /// What is added to the logits of every row; it gets a gradient.
        linear_bias: Option<Var<T>> = None,
        /// A weight for each class.
        weight: Option<Tensor<T>> = None,
        /// Rows with this target count for nothing; of no effect on distributions.
        ignore_index: i64 = -100,
        /// The share of each target that is spread evenly over the classes.
        label_smoothing: f64 = 0.0,
        /// Spreads the smoothed share over the classes of a row whose logit is not `-inf` alone.
        smooth_over_finite: bool = false,
        /// The factor of `lse²`, which is added to each row that counts.
        z_loss: f64 = 0.0,
        /// How many rows' logits are held at a time; `None` takes a sixteenth of the rows, from 64 to 512.
        chunk_size: Option<usize> = None,
    }
}

/// What a linear cross entropy can be taken with: `&Tensor<i64>`, classes, or `&Var<T>`, distributions, which get a
/// gradient.
pub trait LinearCrossEntropyTarget<T: Float>: Sealed {
    /// The loss of inputs `x` behind a layer with weights `w`, and this target.
    ///
    /// # Errors
    /// See [`LinearCrossEntropy`].
    #[track_caller]
    fn linear_loss(
        &self,
        options: &LinearCrossEntropy<T>,
        x: &Var<T>,
        w: &Var<T>,
    ) -> Result<Var<T>>;
}

impl<T: Float> LinearCrossEntropy<T> {
    /// The loss of inputs `x` behind a layer with weights `linear_weight`, and targets `t`, classes or distributions.
    ///
    /// # Errors
    /// See [`LinearCrossEntropy`].
    #[track_caller]
    pub fn forward(
        &self,
        x: &Var<T>,
        linear_weight: &Var<T>,
        t: &impl LinearCrossEntropyTarget<T>,
    ) -> Result<Var<T>> {
        let fail = |what, got: &[usize], expected| {
            Err(Error::Shape {
                op: NAME,
                what,
                got: got.into(),
                expected,
            })
        };
        let Some(&depth) = x.shape().last() else {
            let expected = "it must have a dimension of features: (D) or (…, D)";
            return fail("the input", x.shape(), expected.into());
        };
        let &[classes, .., columns] = linear_weight.shape() else {
            let expected = "its first dimension must be that of classes, its last that of features";
            return fail("linear_weight", linear_weight.shape(), expected.into());
        };
        let layers = &linear_weight.shape()[..linear_weight.ndim() - 1];
        if columns != depth {
            let expected =
                format!("the input has {depth} features: it must be of shape (C, {depth})");
            return fail("linear_weight", linear_weight.shape(), expected);
        }
        if let Some(b) = self.linear_bias.as_ref().filter(|b| b.shape() != layers) {
            let expected =
                format!("linear_weight has rows for {layers:?}: it must have that shape");
            return fail("linear_bias", b.shape(), expected);
        }
        self.of_logits().check(NAME, classes)?;
        if self.chunk_size == Some(0) {
            let expected = "a chunk has at least one row; `None` leaves the choice to the loss";
            check::option(NAME, "chunk_size", "Some(0)", false, expected)?;
        }
        t.linear_loss(self, x, linear_weight)
    }

    /// The options of the cross entropy of the logits.
    fn of_logits(&self) -> CrossEntropy<T> {
        CrossEntropy::new()
            .weight(self.weight.clone())
            .ignore_index(self.ignore_index)
            .label_smoothing(self.label_smoothing)
            .smooth_over_finite(self.smooth_over_finite)
            .z_loss(self.z_loss)
    }

    /// Runs the engine on checked inputs; `live` are the rows that count, `total` is what a mean divides by.
    #[track_caller]
    fn run<L: RowLoss<T, N>, const N: usize>(
        &self,
        loss: L,
        (x, w, target): (&Var<T>, &Var<T>, Option<&Var<T>>),
        (live, total): (Vec<usize>, f64),
    ) -> Result<Var<T>> {
        let (heads, depth) = x.shape().split_at(x.ndim() - 1);
        let (classes, places) = (w.shape()[0], &w.shape()[1..w.ndim() - 1]);
        let (n_rows, n_layers) = (heads.iter().product::<usize>(), places.iter().product());
        // The engine takes place by place.
        let rows = x.reshape([n_rows, depth[0]])?;
        let layers = w.movedim(0, -2)?.reshape([n_layers, classes, depth[0]])?;
        let bias = self.linear_bias.as_ref();
        let bias = bias
            .map(|b| b.movedim(0, -1)?.reshape([n_layers, classes]))
            .transpose()?;
        let order = by_place(heads.len(), places.len());
        let target = target
            .map(|t| {
                let classes_last = t.movedim(heads.len() as i64, -1)?;
                let last = [heads.len() + places.len()];
                let order = order.iter().chain(&last).map(|&i| i as i64);
                classes_last
                    .permute(order.collect::<Vec<_>>())?
                    .reshape([n_layers * n_rows, classes])
            })
            .transpose()?;
        let inputs: Vec<&Var<T>> = [&rows, &layers]
            .into_iter()
            .chain(&bias)
            .chain(&target)
            .collect();
        let linear = Linear::<L, N> {
            loss,
            live,
            has_bias: bias.is_some(),
            chunk: self.chunk_size,
            reduction: self.reduction,
            divisor: self.reduction.divisor(total, heads),
        };
        let y = fused(linear, &inputs)?;
        if self.reduction != crate::Reduction::None {
            return Ok(y);
        }
        let shape: Vec<usize> = places.iter().chain(heads).copied().collect();
        let back = by_place(places.len(), heads.len()).into_iter();
        y.reshape(&shape)?
            .permute(back.map(|i| i as i64).collect::<Vec<_>>())
    }
}

/// The order of dimensions that puts the last `n_places` before the first `n_heads`.
fn by_place(n_heads: usize, n_places: usize) -> Vec<usize> {
    (n_heads..n_heads + n_places).chain(0..n_heads).collect()
}

impl<T: Float> LinearCrossEntropyTarget<T> for Tensor<i64> {
    #[track_caller]
    fn linear_loss(
        &self,
        options: &LinearCrossEntropy<T>,
        x: &Var<T>,
        w: &Var<T>,
    ) -> Result<Var<T>> {
        let (heads, places) = (&x.shape()[..x.ndim() - 1], &w.shape()[1..w.ndim() - 1]);
        let shape: Vec<usize> = heads.iter().chain(places).copied().collect();
        check_rows(NAME, self.shape(), &shape, x.shape())?;
        let ignored = options.ignore_index;
        check_range(NAME, "logits", self, w.shape()[0], ignored)?;
        let order = by_place(heads.len(), places.len()).into_iter();
        let by_place = self.permute(order.map(|i| i as i64).collect::<Vec<_>>())?;
        let classes = Classes::checked(&by_place.reshape([-1])?, ignored, &options.weight);
        let total = classes.total();
        let live = (0..classes.n_rows())
            .filter(|&i| classes.get(i).is_some())
            .collect();
        let loss = WithClasses::new(&options.of_logits(), classes, 1);
        options.run::<_, 1>(loss, (x, w, None), (live, total))
    }
}

impl<T: Float> LinearCrossEntropyTarget<T> for Var<T> {
    #[track_caller]
    fn linear_loss(
        &self,
        options: &LinearCrossEntropy<T>,
        x: &Var<T>,
        w: &Var<T>,
    ) -> Result<Var<T>> {
        let (heads, places) = (&x.shape()[..x.ndim() - 1], &w.shape()[1..w.ndim() - 1]);
        let mut shape = heads.to_vec();
        shape.extend(&w.shape()[..w.ndim() - 1]);
        let n_rows = heads.iter().chain(places).product::<usize>();
        if self.shape() != shape {
            return Err(Error::Shape {
                op: NAME,
                what: "the target",
                got: self.shape().into(),
                expected: format!("the logits have shape {shape:?}: they must agree"),
            });
        }
        check_probabilities(NAME, self.value())?;
        let loss = WithDistribution::new(&options.of_logits(), 1);
        let live = (0..n_rows).collect();
        options.run::<_, 2>(loss, (x, w, Some(self)), (live, n_rows as f64))
    }
}

/// [`LinearCrossEntropy`] with its defaults.
///
/// # Errors
/// See [`LinearCrossEntropy`].
#[track_caller]
pub fn linear_cross_entropy<T: Float>(
    x: &Var<T>,
    linear_weight: &Var<T>,
    t: &impl LinearCrossEntropyTarget<T>,
) -> Result<Var<T>> {
    LinearCrossEntropy::new().forward(x, linear_weight, t)
}

const NAME: &str = "linear_cross_entropy";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::classification::CrossEntropyTarget;
    use crate::testing::{Case, Checked, assert_close, check_loss};
    use autograd::{GradOptions, Tape, grad};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let of = |name| case.of(v, name);
            let options = LinearCrossEntropy::new()
                .linear_bias(of("linear_bias").cloned())
                .weight(case.tensor("weight"))
                .ignore_index(case.i64("ignore_index", -100))
                .label_smoothing(case.f64("label_smoothing", 0.0))
                .chunk_size(Some(3))
                .reduction(case.reduction());
            let (x, w) = (&v[0], of("linear_weight").unwrap());
            match of("target") {
                Some(t) => options.forward(x, w, t),
                None => options.forward(x, w, &case.ints("target")),
            }
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Numbers between -1 and 1, the same for the same `seed`.
    fn numbers(shape: [usize; 2], seed: usize) -> Tensor<f64> {
        let n = shape[0] * shape[1];
        let data = (0..n).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f64 / 1001.0 - 1.0);
        Tensor::from_vec(data.collect(), shape).unwrap()
    }

    /// Value and gradients in chunks against those of all logits at once.
    fn same<X>(options: &LinearCrossEntropy<f64>, target: &X, with_target: Option<&Var<f64>>)
    where
        X: LinearCrossEntropyTarget<f64> + CrossEntropyTarget<f64>,
    {
        let tape = with_target.map_or_else(Tape::new, |t| t.tape().unwrap().clone());
        let x = tape.leaf(numbers([150, 7], 1));
        let w = tape.leaf(numbers([11, 7], 2).mul(3.0).unwrap());
        let b = tape.leaf(numbers([1, 11], 3).reshape([11]).unwrap());
        let dy = match options.reduction {
            Reduction::None => numbers([150, 1], 4).reshape([150]).unwrap(),
            _ => Tensor::scalar(0.75),
        };
        let options = options.clone().linear_bias(b.clone());
        let logits = x.matmul(&w.t()).unwrap().add(&b).unwrap();
        let plain = options.of_logits().reduction(options.reduction);
        let all = plain.forward(&logits, target).unwrap();
        let inputs: Vec<&Var<f64>> = [&x, &w, &b].into_iter().chain(with_target).collect();
        let slopes = |y: &Var<f64>| {
            let seed = GradOptions::new().seed([Var::from(&dy)]);
            grad(&[y], &inputs, seed).unwrap()
        };
        let expected = slopes(&all);
        for chunk_size in [None, Some(1), Some(64), Some(1000), Some(usize::MAX)] {
            let options = options.clone().chunk_size(chunk_size);
            let y = options.forward(&x, &w, target).unwrap();
            assert_close("value", y.value(), all.value(), 1e-13, 1e-14);
            for (dx, expected) in slopes(&y).iter().zip(&expected) {
                assert_close("gradient", dx.value(), expected.value(), 1e-11, 1e-13);
            }
        }
    }

    #[test]
    fn chunks_add_up_to_the_whole() {
        let classes: Vec<i64> = (0..150)
            .map(|i| if i % 5 == 3 { -100 } else { i * 7 % 11 })
            .collect();
        let classes = Tensor::from_vec(classes, [150]).unwrap();
        let weight = numbers([1, 11], 5).add(2.0).unwrap().reshape([11]).unwrap();
        for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
            let plain = LinearCrossEntropy::new().reduction(reduction);
            let weighted = plain.clone().weight(weight.clone());
            let all = weighted.clone().label_smoothing(0.2).z_loss(0.01);
            for options in [&plain, &weighted, &all] {
                same(options, &classes, None);
            }
            let tape = Tape::new();
            let t = tape.leaf(numbers([150, 11], 6).softmax(1).unwrap());
            for options in [&plain, &all] {
                same(options, &t, Some(&t));
            }
        }
    }

    #[test]
    fn ignored_rows_are_never_looked_at() -> Result<()> {
        let tape = Tape::new();
        let nan = f64::NAN;
        let x = tape.leaf(Tensor::from([[nan, f64::INFINITY], [1.0, 2.0], [nan, 0.0]]));
        let w = tape.leaf(Tensor::from([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]));
        let t = Tensor::from([-100, 1, -100]);
        for reduction in [Reduction::None, Reduction::Mean] {
            let loss = LinearCrossEntropy::new().reduction(reduction);
            let y = loss.forward(&x, &w, &t)?;
            let grads = y.backward_with(&y.value().ones_like())?;
            let dx = grads.get(&x)?.to_vec();
            assert_eq!((&dx[..2], &dx[4..]), (&[0.0; 2][..], &[0.0; 2][..]));
            assert!(dx[2..4].iter().all(|v| v.is_finite() && *v != 0.0));
            assert!(grads.get(&w)?.find(|v: f64| !v.is_finite()).is_none());
            assert!(y.value().find(|v: f64| v.is_nan()).is_none());
        }
        Ok(())
    }

    #[test]
    fn leading_dimensions_are_rows() -> Result<()> {
        let (flat, w) = (Var::from(numbers([6, 4], 1)), Var::from(numbers([5, 4], 2)));
        let t = Tensor::from([0, 4, 2, 1, 3, -100]);
        let loss = LinearCrossEntropy::new().reduction(Reduction::None);
        let expected = loss.forward(&flat, &w, &t)?;
        let y = loss.forward(&flat.reshape([2, 3, 4])?, &w, &t.reshape([2, 3])?)?;
        assert_eq!(y.shape(), [2, 3]);
        assert_eq!(y.value().to_vec(), expected.value().to_vec());
        // A batch mean divides by the first dimension.
        let sums = LinearCrossEntropy::new().reduction(Reduction::BatchMean);
        let y = sums.forward(&flat.reshape([2, 3, 4])?, &w, &t.reshape([2, 3])?)?;
        assert!((y.item()? - expected.value().sum(..)?.item()? / 2.0).abs() < 1e-15);
        Ok(())
    }

    #[test]
    fn each_place_has_its_layer() -> Result<()> {
        let tape = Tape::new();
        let (x, w) = (
            tape.leaf(numbers([6, 4], 1)),
            tape.leaf(numbers([30, 4], 2)),
        );
        let (x3, w4) = (x.reshape([2, 3, 4])?, w.reshape([5, 3, 2, 4])?);
        let t = (0..36).map(|i| if i % 7 == 3 { -100 } else { i * 3 % 5 });
        let t = Tensor::from_vec(t.collect(), [2, 3, 3, 2])?;
        let of_rows = w4.reshape([30, 4])?;
        let logits = x.matmul(&of_rows.t())?.reshape([6, 5, 3, 2])?;
        for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
            let loss = LinearCrossEntropy::new().reduction(reduction);
            let y = loss.chunk_size(Some(4)).forward(&x3, &w4, &t)?;
            let plain = CrossEntropy::new().reduction(reduction);
            let all = plain.forward(&logits, &t.reshape([6, 3, 2])?)?;
            let expected = all.value().reshape(y.shape())?;
            assert_close("value", y.value(), &expected, 1e-13, 1e-14);
            let seed = |y: &Var<f64>| GradOptions::new().seed([Var::from(y.value().ones_like())]);
            let slopes = grad(&[&y], &[&x, &w], seed(&y).retain_graph(true))?;
            let expected = grad(&[&all], &[&x, &w], seed(&all).retain_graph(true))?;
            for (dx, expected) in slopes.iter().zip(&expected) {
                assert_close("gradient", dx.value(), expected.value(), 1e-11, 1e-13);
            }
        }
        // A single row, with all its places.
        let y = LinearCrossEntropy::new().reduction(Reduction::None);
        let one = y.forward(&x.select(0, 0)?, &w4, &t.select(0, 0)?.select(0, 0)?)?;
        assert_eq!(one.shape(), [3, 2]);
        // No place at all.
        let none = w.narrow(0, 0, 0)?.reshape([5, 0, 4])?;
        let y = y.forward(&x, &none, &Tensor::zeros([6, 0])?)?;
        assert_eq!(y.shape(), [6, 0]);
        Ok(())
    }

    #[test]
    fn the_messages_say_what_must_agree() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0, 2.0]]));
        let w = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = linear_cross_entropy(&x, &w, &Tensor::from([0])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "linear_cross_entropy: linear_weight has shape [1, 2], but the input has 3 features: it must be of shape (C, 3)"
        );
        let w = Var::from(Tensor::from([[0.0f32, 1.0, 0.0]]));
        let e = linear_cross_entropy(&x, &w, &Tensor::from([2])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "linear_cross_entropy: target[0] is 2, but the logits have 1 classes"
        );
    }
}
