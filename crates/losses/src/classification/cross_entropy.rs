use super::target::{check_classes, check_weight, class_dim};
use crate::check::{self, same_shape};
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::softmax::LogSum;
use autograd::{Float, Result, Tensor, Var};

options! {
    /// The cross entropy of logits with classes or with distributions: the usual loss of a classifier.
    ///
    /// # Formula
    /// With `lse(x) = ln Σ e^x`, `s = label_smoothing` and class weights `w`, a row `x` costs `Σ_c w[c] q[c] (lse(x) - x[c])`,
    /// where `q` is the target smoothed: `(1 - s) t + s / C` for a distribution `t`, and for a class `t` the same of a 1 at
    /// `t`, but with `w[t]` as the weight of its first part.
    ///
    /// `Mean` divides by `Σ w[t]` over the rows that are not ignored where targets are classes, and by the number of rows
    /// where they are distributions. Gradient of a row: `A softmax(x) - w q` with `A = Σ w q`; of a distribution:
    /// `(1 - s) w (lse(x) - x)`.
    /// # Shape
    /// `x`: `(C)`, `(N, C)` or `(N, C, d…)`; `t`: classes as a scalar, `(N)` or `(N, d…)`, or a distribution of the shape
    /// of `x`; the result is as the classes with [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree; [`Error::Class`](crate::Error::Class) for a class outside `0..C` that is not `ignore_index`;
    /// [`Error::Value`](crate::Error::Value) for a negative probability; [`Error::Option`](crate::Error::Option) if `label_smoothing` is not in `0..=1`.
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
    /// PyTorch, [`cross_entropy`](https://pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html).
    /// # Differs from PyTorch
    /// - A confident row keeps its digits: the largest logit's own exponential is never added to the sum, and its
    ///   gradient is the negated sum of the others. In `f32` PyTorch's loss and gradient are 0 from a lead of 17 on.
    /// - The gradient of an ignored row is exactly zero, also where the row holds NaN or infinities.
    /// - A logit of `+inf` gives the limit, 0 for its own class and `inf` for others; there all is NaN.
    /// - A probability of 0 costs nothing at a logit of `-inf`; there it is NaN.
    /// - Negative probabilities and a negative `label_smoothing` are errors; errors name the first bad row.
    pub struct CrossEntropy<T> {
        /// A weight for each class.
        weight: Option<Tensor<T>> = None,
        /// Rows with this target count for nothing; of no effect on distributions.
        ignore_index: i64 = -100,
        /// The share of each target that is spread evenly over the classes.
        label_smoothing: f64 = 0.0,
    }
}

/// What a cross entropy can be taken with: `&Tensor<i64>`, classes, or `&Var<T>`, distributions, which get a gradient.
///
/// ```compile_fail
/// # use losses::prelude::*;
/// let x = Var::from(Tensor::from([[1.0f32, 2.0]]));
/// cross_entropy(&x, &Tensor::from([1.0f32])); // classes are integers
/// ```
pub trait CrossEntropyTarget<T: Float> {
    /// The loss of logits `x` and this target.
    ///
    /// # Errors
    /// See [`CrossEntropy`].
    fn loss(&self, options: &CrossEntropy<T>, x: &Var<T>) -> Result<Var<T>>;
}

impl<T: Float> CrossEntropy<T> {
    /// The loss of logits `x` and targets `t`, classes or distributions.
    ///
    /// # Errors
    /// See [`CrossEntropy`].
    pub fn forward(&self, x: &Var<T>, t: &impl CrossEntropyTarget<T>) -> Result<Var<T>> {
        check::option(
            NAME,
            "label_smoothing",
            self.label_smoothing,
            (0.0..=1.0).contains(&self.label_smoothing),
            "it must lie in 0..=1",
        )?;
        check_weight(NAME, &self.weight, class_dim(NAME, x.shape())?.1)?;
        t.loss(self, x)
    }
}

/// [`CrossEntropy`] with its defaults.
///
/// # Errors
/// See [`CrossEntropy`].
pub fn cross_entropy<T: Float>(x: &Var<T>, t: &impl CrossEntropyTarget<T>) -> Result<Var<T>> {
    CrossEntropy::new().forward(x, t)
}

const NAME: &str = "cross_entropy";

/// What is kept of a row: its largest logit, and `ln Σ e^(x - max)`.
#[derive(Clone, Copy, Default)]
struct Kept<T> {
    max: T,
    log: f64,
}

impl<T: Float> Kept<T> {
    #[inline(always)]
    fn of<I: Isa>(x: &[T]) -> Self {
        let sum = LogSum::of::<I>(x);
        // Of logits that are all `-inf` there is no distribution.
        let log = if sum.max == T::LOWEST {
            f64::NAN
        } else {
            sum.rest.ln_1p()
        };
        Kept { max: sum.max, log }
    }

    /// `lse(x) - x`: no digit is lost where `x` is the largest. At `x = max = +inf` it is the limit, 0.
    #[inline(always)]
    fn cost(self, x: T) -> f64 {
        let gap = if x == self.max {
            0.0
        } else {
            (self.max - x).f64()
        };
        self.log + gap
    }

    /// Writes `scale · softmax(x)`.
    #[inline(always)]
    fn softmax<I: Isa>(self, x: &[T], scale: T, dx: &mut [T]) {
        if self.max == T::INFINITY {
            // The limit: all of the mass lies on the infinite logit.
            dx.iter_mut()
                .zip(x)
                .for_each(|(d, &v)| *d = if v == T::INFINITY { scale } else { T::ZERO });
            return;
        }
        let log = T::of(self.log);
        for (d, &v) in dx.iter_mut().zip(x) {
            *d = ((v - self.max) - log).exp::<I>() * scale;
        }
    }
}

/// The sum of a row in `f64`.
#[inline(always)]
fn row_sum<T: Float>(x: &[T]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (whole, rest) = x.as_chunks::<8>();
    for group in whole {
        lanes.iter_mut().zip(group).for_each(|(l, v)| *l += v.f64());
    }
    lanes.iter_mut().zip(rest).for_each(|(l, v)| *l += v.f64());
    lanes.iter().sum()
}

#[derive(Clone)]
struct WithClasses<T: Float> {
    dim: isize,
    target: Vec<i64>,
    classes: Tensor<i64>,
    ignore_index: i64,
    weight: Option<(Tensor<T>, Vec<T>)>,
    smoothing: f64,
}

impl<T: Float> CrossEntropyTarget<T> for Tensor<i64> {
    fn loss(&self, options: &CrossEntropy<T>, x: &Var<T>) -> Result<Var<T>> {
        let (dim, _) = class_dim(NAME, x.shape())?;
        check_classes(NAME, "logits", self, x.shape(), options.ignore_index)?;
        let target = self.to_vec();
        let weight = options.weight.as_ref().map(|w| (w.clone(), w.to_vec()));
        let counted = target.iter().filter(|&&t| t != options.ignore_index);
        let total = match &weight {
            Some((_, w)) => counted.map(|&t| w[t as usize].f64()).sum(),
            None => counted.count() as f64,
        };
        let loss = WithClasses {
            dim: dim as isize,
            target,
            classes: self.clone(),
            ignore_index: options.ignore_index,
            weight,
            smoothing: options.label_smoothing,
        };
        rowwise::run(loss, [x], dim, options.reduction, total)
    }
}

impl<T: Float> WithClasses<T> {
    #[inline(always)]
    fn weight(&self, class: usize) -> f64 {
        self.weight.as_ref().map_or(1.0, |(_, w)| w[class].f64())
    }
}

impl<T: Float> RowLoss<T, 1> for WithClasses<T> {
    const NAME: &'static str = NAME;
    type Keep = Kept<T>;

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, [x]: [&[T]; 1]) -> (f64, Kept<T>) {
        if self.target[i] == self.ignore_index {
            return (0.0, Kept::default());
        }
        let t = self.target[i] as usize;
        let (kept, w) = (Kept::of::<I>(x), self.weight(t));
        let own = if w == 0.0 { 0.0 } else { w * kept.cost(x[t]) };
        if self.smoothing == 0.0 {
            return (own, kept);
        }
        let even = self.smoothing / x.len() as f64;
        let spread: f64 = match &self.weight {
            None => {
                x.len() as f64 * kept.log + x.iter().map(|&v| (kept.max - v).f64()).sum::<f64>()
            }
            Some((_, w)) => x
                .iter()
                .zip(w)
                .map(|(&v, w)| {
                    if *w == T::ZERO {
                        0.0
                    } else {
                        w.f64() * kept.cost(v)
                    }
                })
                .sum(),
        };
        let own = if self.smoothing == 1.0 {
            0.0
        } else {
            (1.0 - self.smoothing) * own
        };
        (own + even * spread, kept)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        i: usize,
        [x]: [&[T]; 1],
        kept: Kept<T>,
        g: T,
        dx: &mut [T],
    ) {
        if self.target[i] == self.ignore_index {
            return dx.fill(T::ZERO);
        }
        let t = self.target[i] as usize;
        let w = self.weight(t);
        if self.smoothing == 0.0 {
            kept.softmax::<I>(x, T::of(g.f64() * w), dx);
        } else {
            let even = self.smoothing / x.len() as f64;
            let total = match &self.weight {
                None => x.len() as f64,
                Some((_, weights)) => row_sum(weights),
            };
            kept.softmax::<I>(
                x,
                T::of(g.f64() * ((1.0 - self.smoothing) * w + even * total)),
                dx,
            );
            let even = g.f64() * even;
            match &self.weight {
                None => dx.iter_mut().for_each(|d| *d = *d - T::of(even)),
                Some((_, w)) => dx
                    .iter_mut()
                    .zip(w)
                    .for_each(|(d, w)| *d = *d - T::of(even * w.f64())),
            }
        }
        // A row's slopes add up to nothing: the true class gets what the others lack, which keeps its digits where
        // `p - 1` would cancel.
        dx[t] = T::ZERO;
        dx[t] = T::of(-row_sum(dx));
    }

    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let counts = self.classes.ne(self.ignore_index)?;
        let classes = self
            .classes
            .map(|t| if t == self.ignore_index { 0 } else { t });
        if v[0].numel() == 0 {
            return Ok(Var::from(counts.cast::<T>().mul(T::ZERO)?));
        }
        // An ignored row is taken out before anything is computed of it, so that its NaN reaches nothing.
        let rows = if counts.ndim() == 0 {
            counts.reshape([1])?
        } else {
            counts.unsqueeze(self.dim)?
        };
        let log = v[0]
            .keep_where(&rows.broadcast_to(v[0].shape())?)
            .log_softmax(self.dim)?;
        let spread = |w: &Tensor<T>| -> Result<Tensor<T>> {
            let mut shape = vec![1i64; v[0].ndim()];
            shape[self.dim as usize] = -1;
            w.reshape(&shape)
        };
        let own = -log.pick(self.dim, &classes)?;
        let own = match &self.weight {
            Some((w, _)) => {
                let row = w
                    .index_select(0, &classes.reshape([-1])?)?
                    .reshape(classes.shape())?;
                own.keep_where(&row.ne(T::ZERO)?).mul(Var::from(row))?
            }
            None => own,
        };
        if self.smoothing == 0.0 {
            return Ok(own.keep_where(&counts));
        }
        let all = match &self.weight {
            Some((w, _)) => log.mul(Var::from(spread(w)?))?,
            None => log,
        };
        let even = all
            .sum(self.dim)?
            .mul(-self.smoothing / v[0].shape()[self.dim as usize] as f64)?;
        Ok(own
            .mul(1.0 - self.smoothing)?
            .add(even)?
            .keep_where(&counts))
    }
}

#[derive(Clone)]
struct WithDistribution<T: Float> {
    dim: isize,
    weight: Option<(Tensor<T>, Vec<T>)>,
    smoothing: f64,
}

impl<T: Float> CrossEntropyTarget<T> for Var<T> {
    fn loss(&self, options: &CrossEntropy<T>, x: &Var<T>) -> Result<Var<T>> {
        let (dim, classes) = class_dim(NAME, x.shape())?;
        same_shape(NAME, "the target", self.shape(), x.shape())?;
        let is_negative = |p| p < T::ZERO;
        check::elements(
            NAME,
            "target",
            self.value(),
            is_negative,
            "a probability is not negative",
        )?;
        let weight = options.weight.as_ref().map(|w| (w.clone(), w.to_vec()));
        let rows = x
            .shape()
            .iter()
            .enumerate()
            .filter(|(d, _)| *d != dim)
            .map(|(_, &n)| n)
            .product::<usize>();
        debug_assert!(classes == 0 || rows == x.numel() / classes);
        let loss = WithDistribution {
            dim: dim as isize,
            weight,
            smoothing: options.label_smoothing,
        };
        rowwise::run(loss, [x, self], dim, options.reduction, rows as f64)
    }
}

impl<T: Float> WithDistribution<T> {
    /// `w[c] ((1 - s) t + s / C)`, the weight of class `c`'s cost.
    #[inline(always)]
    fn share(&self, c: usize, t: T, classes: usize) -> f64 {
        let q = if self.smoothing == 0.0 {
            t.f64()
        } else {
            (1.0 - self.smoothing) * t.f64() + self.smoothing / classes as f64
        };
        self.weight.as_ref().map_or(q, |(_, w)| w[c].f64() * q)
    }
}

impl<T: Float> RowLoss<T, 2> for WithDistribution<T> {
    const NAME: &'static str = NAME;
    const COST: usize = 12;
    /// The row, and the sum of its shares.
    type Keep = (Kept<T>, f64);

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [x, t]: [&[T]; 2]) -> (f64, Self::Keep) {
        let kept = Kept::of::<I>(x);
        let (mut value, mut total) = ([0.0f64; 8], [0.0f64; 8]);
        let n = x.len();
        for (c, (&x, &t)) in x.iter().zip(t).enumerate() {
            let q = self.share(c, t, n);
            value[c % 8] += if q == 0.0 { 0.0 } else { q * kept.cost(x) };
            total[c % 8] += q;
        }
        (value.iter().sum(), (kept, total.iter().sum()))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        _: usize,
        [x, t]: [&[T]; 2],
        keep: Self::Keep,
        g: T,
        dx: &mut [T],
    ) {
        let (kept, total) = keep;
        let n = x.len();
        if K == 1 {
            let g = g.f64() * (1.0 - self.smoothing);
            for (c, (d, &x)) in dx.iter_mut().zip(x).enumerate() {
                let w = self.weight.as_ref().map_or(1.0, |(_, w)| w[c].f64());
                *d = T::of(if w * g == 0.0 {
                    0.0
                } else {
                    w * g * kept.cost(x)
                });
            }
            return;
        }
        kept.softmax::<I>(x, T::of(g.f64() * total), dx);
        for (c, (d, &t)) in dx.iter_mut().zip(t).enumerate() {
            *d = *d - T::of(g.f64() * self.share(c, t, n));
        }
        // As for a class: the likeliest class gets what the others lack.
        if let Some(top) = x.iter().position(|&v| v == kept.max) {
            dx[top] = T::ZERO;
            dx[top] = T::of(-row_sum(dx));
        }
    }

    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (x, t) = (&v[0], &v[1]);
        let log = x.log_softmax(self.dim)?;
        let n = x.shape()[self.dim as usize];
        let mut q = t.clone();
        if self.smoothing != 0.0 {
            q = q
                .mul(1.0 - self.smoothing)?
                .add(self.smoothing / n as f64)?;
        }
        if let Some((w, _)) = &self.weight {
            let mut shape = vec![1i64; x.ndim()];
            shape[self.dim as usize] = -1;
            q = q.mul(Var::from(w.reshape(&shape)?))?;
        }
        // 0 · (-inf) is 0 in the value; the slope of the share is the logarithm all the same.
        let zero = q.value().eq(T::ZERO)?.logical_and(log.value().isinf())?;
        q.mul(log.keep_where(&zero.logical_not()))?
            .sum(self.dim)
            .map(|l| -l)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let options = CrossEntropy::new()
                .weight(case.tensor("weight"))
                .ignore_index(case.i64("ignore_index", -100))
                .label_smoothing(case.f64("label_smoothing", 0.0))
                .reduction(case.reduction());
            if case.is_int("target") {
                options.forward(&v[0], &case.ints("target"))
            } else {
                options.forward(&v[0], &v[1])
            }
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
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
