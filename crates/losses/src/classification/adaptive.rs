use super::linear_cross_entropy::LinearCrossEntropy;
use super::target::{check_range, check_rows};
use crate::{Reduction, check};
use autograd::{Error, Float, Result, Tensor, Var};

options! {
    /// Cross entropy over many classes by way of clusters: frequent classes are scored at once, rare ones through a smaller
    /// layer of their cluster, which only the rows that need it pass.
    ///
    /// # Formula
    /// The head scores the first `cutoffs[0]` classes and each cluster: `h = softmax(x Hᵀ + b)`. Cluster `k` has the classes
    /// from `cutoffs[k]` up to `cutoffs[k + 1]`, scored by `softmax((x Dᵀ) Uᵀ)`. A row costs `-ln h[t]` where `t` lies in the
    /// head, and `-ln h[cluster] - ln softmax(x Dᵀ Uᵀ)[t]` else. `Mean` divides by the number of rows.
    ///
    /// Gradient: that of [`linear_cross_entropy`](super::linear_cross_entropy()) of the head, and of each cluster over its
    /// rows. No logits are held.
    /// # When to use
    /// Where classes are very many and most of them rare, as in a language model of whole words, sorted by falling
    /// frequency. For the exact softmax take [`linear_cross_entropy`](super::linear_cross_entropy()).
    /// # Shape
    /// `x`: `(N, D)` or `(D)`; `t`: `(N)` or a scalar; `head`: `(cutoffs[0] + K, D)` for `K` clusters; of each cluster of `C`
    /// classes the layer down, `(d, D)`, and up, `(C, d)`; `head_bias`: one for each row of `head`. The result is as `t` with
    /// [`Reduction::None`], else a scalar.
    /// # Errors
    /// [`Error::Shape`] if shapes disagree or clusters are missing, [`Error::Class`] for a class that there is not,
    /// [`Error::Option`] for cutoffs that do not rise.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // Two frequent classes, and three in one cluster, all scored alike: 1/3 for the cluster, 1/3 within it.
    /// let x = Var::from(Tensor::from([[1.0f64, 0.0]]));
    /// let head = Var::from(Tensor::<f64>::zeros([3, 2])?);
    /// let tail = (Var::from(Tensor::from([[1.0, 0.0]])), Var::from(Tensor::<f64>::zeros([3, 1])?));
    /// let loss = adaptive_log_softmax_with_loss(&x, &Tensor::from([4]), &[2, 5], &head, &[tail])?;
    /// assert!((loss.item()? - 9f64.ln()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Grave et al., *Efficient softmax approximation for GPUs*, 2017, arXiv:1609.04309.
    /// PyTorch, [`AdaptiveLogSoftmaxWithLoss`](https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveLogSoftmaxWithLoss.html).
    /// # Differs from PyTorch
    /// - The layers' weights are inputs, with the shapes that PyTorch's module gives them. `cutoffs` ends with the number of
    ///   classes.
    /// - It returns the loss alone, and has all reductions; PyTorch's `output` is minus the rows of [`Reduction::None`].
    /// - An error of a class names its row.
    pub struct AdaptiveLogSoftmaxWithLoss<T> {
        /// Where the head and each cluster end; the last is the number of classes.
        cutoffs: Vec<usize> = Vec::new(),
        /// What is added to the head's scores; it gets a gradient.
        head_bias: Option<Var<T>> = None,
    }
}

/// The two layers of a cluster: down to fewer features, and up to its classes.
pub type AdaptiveTail<T> = (Var<T>, Var<T>);

impl<T: Float> AdaptiveLogSoftmaxWithLoss<T> {
    /// The loss of inputs `x` and classes `t`.
    ///
    /// # Errors
    /// See [`AdaptiveLogSoftmaxWithLoss`].
    #[track_caller]
    pub fn forward(
        &self,
        x: &Var<T>,
        t: &Tensor<i64>,
        head: &Var<T>,
        tails: &[AdaptiveTail<T>],
    ) -> Result<Var<T>> {
        let (n_frequent, n_classes) = self.check(x, head, tails)?;
        check_rows(NAME, t.shape(), &x.shape()[..x.ndim() - 1], x.shape())?;
        // No class is ignored: a target outside is an error whatever it is.
        check_range(NAME, "clusters", t, n_classes, None)?;
        let depth = x.shape()[x.ndim() - 1];
        let rows = x.reshape([t.numel(), depth])?;
        let classes = t.to_vec();
        let cluster = |c: i64| self.cutoffs.partition_point(|&end| end as i64 <= c);
        let in_head = |&c: &i64| match cluster(c) {
            0 => c,
            k => (n_frequent + k - 1) as i64,
        };
        let in_head = Tensor::from_vec(classes.iter().map(in_head).collect(), [classes.len()])?;
        // Of one number the parts' sums are enough, whose gradients are made in their forward passes.
        let parts = match self.reduction {
            Reduction::None => Reduction::None,
            _ => Reduction::Sum,
        };
        let part = LinearCrossEntropy::new()
            .reduction(parts)
            .ignore_index(i64::MIN);
        let with_bias = part.clone().linear_bias(self.head_bias.clone());
        let mut loss = with_bias.forward(&rows, head, &in_head)?;
        for (k, (down, up)) in tails.iter().enumerate() {
            let of_rows: Vec<i64> = (0..classes.len() as i64)
                .filter(|&i| cluster(classes[i as usize]) == k + 1)
                .collect();
            if of_rows.is_empty() {
                continue;
            }
            let first = self.cutoffs[k] as i64;
            let own = of_rows.iter().map(|&i| classes[i as usize] - first);
            let own = Tensor::from_vec(own.collect(), [of_rows.len()])?;
            let of_rows = Tensor::from_vec(of_rows, [own.numel()])?;
            let narrow = rows.index_select(0, &of_rows)?.matmul(&down.t())?;
            let costs = part.forward(&narrow, up, &own)?;
            loss = match parts {
                Reduction::None => loss.index_add(0, &of_rows, &costs)?,
                _ => loss.add(&costs)?,
            };
        }
        let heads = t.shape();
        let divisor = self.reduction.divisor(t.numel() as f64, heads);
        let y = self.reduction.apply(&loss, divisor)?;
        match self.reduction {
            Reduction::None => y.reshape(heads),
            _ => Ok(y),
        }
    }

    /// The log-probabilities of all classes: PyTorch's `log_prob`, a row of as many as there are classes for each input.
    ///
    /// # Errors
    /// See [`AdaptiveLogSoftmaxWithLoss`].
    #[track_caller]
    pub fn log_prob(&self, x: &Var<T>, head: &Var<T>, tails: &[AdaptiveTail<T>]) -> Result<Var<T>> {
        let n_frequent = self.check(x, head, tails)?.0;
        let mut scores = x.matmul(&head.t())?;
        if let Some(bias) = &self.head_bias {
            scores = scores.add(bias)?;
        }
        let scores = scores.log_softmax(-1)?;
        let mut parts = vec![scores.narrow(-1, 0, n_frequent)?];
        for (k, (down, up)) in tails.iter().enumerate() {
            let own = x.matmul(&down.t())?.matmul(&up.t())?.log_softmax(-1)?;
            let cluster = scores.narrow(-1, (n_frequent + k) as isize, 1)?;
            parts.push(own.add(&cluster)?);
        }
        Var::cat(&parts.iter().collect::<Vec<_>>(), -1)
    }

    /// The likeliest class of each input: PyTorch's `predict`.
    ///
    /// # Errors
    /// See [`AdaptiveLogSoftmaxWithLoss`].
    pub fn predict(
        &self,
        x: &Var<T>,
        head: &Var<T>,
        tails: &[AdaptiveTail<T>],
    ) -> Result<Tensor<i64>> {
        self.log_prob(&x.detach(), head, tails)?.value().argmax(-1)
    }

    /// Checks all but the target; the number of classes in the head, and of all.
    fn check(
        &self,
        x: &Var<T>,
        head: &Var<T>,
        tails: &[AdaptiveTail<T>],
    ) -> Result<(usize, usize)> {
        let rises = self.cutoffs.windows(2).all(|w| w[0] < w[1]);
        let (&[first, ..], &[.., last]) = (&self.cutoffs[..], &self.cutoffs[..]) else {
            let none = check::option(NAME, "cutoffs", "empty", false, CUTOFFS);
            return none.map(|()| (0, 0));
        };
        let shown = format!("{:?}", self.cutoffs);
        check::option(NAME, "cutoffs", shown, rises && first > 0, CUTOFFS)?;
        let n_tails = self.cutoffs.len() - 1;
        let expected = "there must be one for each cluster that the cutoffs make";
        let counted = format!("a list of {}", tails.len());
        check::option(NAME, "tails", counted, tails.len() == n_tails, expected)?;
        let depth = match x.shape() {
            &[depth] | &[_, depth] => depth,
            got => {
                return Err(Error::Shape {
                    op: NAME,
                    what: "the input",
                    got: got.into(),
                    expected: "it must be one row of features, or several".into(),
                });
            }
        };
        let layer = |what, layer: &Var<T>, expected: [usize; 2]| match layer.shape() == expected {
            true => Ok(()),
            false => Err(Error::Shape {
                op: NAME,
                what,
                got: layer.shape().into(),
                expected: format!("it must have shape {expected:?}"),
            }),
        };
        layer("the head", head, [first + n_tails, depth])?;
        for ((down, up), ends) in tails.iter().zip(self.cutoffs.windows(2)) {
            let narrow = down.shape().first().copied().unwrap_or(0);
            layer("a cluster's layer down", down, [narrow, depth])?;
            layer("a cluster's layer up", up, [ends[1] - ends[0], narrow])?;
        }
        match &self.head_bias {
            Some(bias) if bias.shape() != [first + n_tails] => Err(Error::Shape {
                op: NAME,
                what: "head_bias",
                got: bias.shape().into(),
                expected: format!("it must have shape [{}]", first + n_tails),
            }),
            _ => Ok((first, last)),
        }
    }
}

const NAME: &str = "adaptive_log_softmax_with_loss";
const CUTOFFS: &str = "they must be numbers that rise, from above 0 to the number of classes";

/// [`AdaptiveLogSoftmaxWithLoss`] with these cutoffs and its defaults.
///
/// # Errors
/// See [`AdaptiveLogSoftmaxWithLoss`].
#[track_caller]
pub fn adaptive_log_softmax_with_loss<T: Float>(
    x: &Var<T>,
    t: &Tensor<i64>,
    cutoffs: &[usize],
    head: &Var<T>,
    tails: &[AdaptiveTail<T>],
) -> Result<Var<T>> {
    let options = AdaptiveLogSoftmaxWithLoss::new().cutoffs(cutoffs);
    options.forward(x, t, head, tails)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_close, check_loss};
    use autograd::{GradOptions, Tape, grad, gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "adaptive_log_softmax_with_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let [x, head, down, up] = ["input", "head_weight", "tail_down", "tail_up"]
                .map(|name| case.of(v, name).unwrap());
            let tails = [(down.clone(), up.clone())];
            let (cutoffs, t) = (case.sizes("cutoffs"), case.ints("target"));
            adaptive_log_softmax_with_loss(x, &t, &cutoffs, head, &tails)
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Inputs, a head with a bias for two classes and two clusters, and their layers.
    fn example() -> Vec<Tensor<f64>> {
        let sizes = [[4, 3], [4, 3], [1, 4], [2, 3], [3, 2], [1, 3], [2, 1]];
        let numbers = |(seed, [rows, columns]): (usize, [usize; 2])| {
            let data = (0..rows * columns).map(|i| ((i * 71 + seed * 37) % 19) as f64 / 9.0 - 1.0);
            Tensor::from_vec(data.collect(), [rows, columns]).unwrap()
        };
        sizes.into_iter().enumerate().map(numbers).collect()
    }

    fn parts(v: &[Var<f64>]) -> (AdaptiveLogSoftmaxWithLoss<f64>, Vec<AdaptiveTail<f64>>) {
        let loss = AdaptiveLogSoftmaxWithLoss::new().cutoffs([2, 5, 7]);
        let loss = loss.head_bias(v[2].reshape([4]).unwrap());
        let tails = [(3, 4), (5, 6)].map(|(a, b)| (v[a].clone(), v[b].clone()));
        (loss, tails.to_vec())
    }

    #[test]
    fn the_rows_are_entries_of_log_prob() -> Result<()> {
        let tape = Tape::new();
        let v: Vec<Var<f64>> = example().into_iter().map(|x| tape.leaf(x)).collect();
        let (loss, tails) = parts(&v);
        let all = loss.log_prob(&v[0], &v[1], &tails)?;
        assert_eq!(all.shape(), [4, 7]);
        // Over all classes, the probabilities are one.
        let ones = Tensor::ones([4])?;
        assert_close("sums", &all.value().exp().sum(1)?, &ones, 1e-14, 0.0);
        let predicted = loss.predict(&v[0], &v[1], &tails)?;
        assert_eq!(predicted.to_vec(), all.value().argmax(1)?.to_vec());
        let t = Tensor::from([1, 6, 3, 4]);
        for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
            let y = loss.clone().reduction(reduction);
            let y = y.forward(&v[0], &t, &v[1], &tails)?;
            let picked = -all.pick(1, &t)?;
            let expected = reduction.apply(&picked, reduction.divisor(4.0, &[4, 3]))?;
            assert_close("value", y.value(), expected.value(), 1e-14, 0.0);
            // The log-probabilities serve several passes.
            let seed = Var::from(y.value().map(|v: f64| v + 1.0));
            let options = GradOptions::new().seed([seed]).retain_graph(true);
            let inputs: Vec<&Var<f64>> = v.iter().collect();
            let found = grad(&[&y], &inputs, options.clone())?;
            let expected = grad(&[&expected], &inputs, options)?;
            for (dx, expected) in found.iter().zip(&expected) {
                assert_close("gradient", dx.value(), expected.value(), 1e-13, 1e-14);
            }
        }
        Ok(())
    }

    #[test]
    fn to_second_order() -> Result<()> {
        let f = |v: &[Var<f64>]| {
            let (loss, tails) = parts(v);
            let loss = loss.reduction(Reduction::None);
            loss.forward(&v[0], &Tensor::from([1, 6, 3, 4]), &v[1], &tails)
        };
        gradcheck(f, &example())?.assert_ok();
        gradgradcheck(f, &example())?.assert_ok();
        Ok(())
    }

    #[test]
    fn an_empty_batch_has_a_mean_of_nan() -> Result<()> {
        let x = Var::from(Tensor::<f64>::zeros([0, 3])?);
        let v: Vec<Var<f64>> = example().into_iter().map(Var::from).collect();
        let (loss, tails) = parts(&v);
        let y = loss.forward(&x, &Tensor::zeros([0])?, &v[1], &tails)?;
        assert!(y.item()?.is_nan());
        Ok(())
    }

    #[test]
    fn the_message_shows_the_shape() {
        let v: Vec<Var<f64>> = example().into_iter().map(Var::from).collect();
        let (loss, tails) = parts(&v);
        let e = loss.forward(&v[0], &Tensor::from([0, 0, 0, 0]), &v[3], &tails);
        assert_eq!(
            e.unwrap_err().to_string(),
            "adaptive_log_softmax_with_loss: the head has shape [2, 3], but it must have shape [4, 3]"
        );
    }
}
