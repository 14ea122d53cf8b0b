use super::target::{Classes, class_dim};
use crate::check;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

/// Which of the wrong classes of a row cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MultiMarginMode {
    /// All that come too near, added up and divided by the number of classes: Weston and Watkins, and PyTorch.
    #[default]
    Sum,
    /// The nearest alone: Crammer and Singer.
    Max,
}

options! {
    /// Asks that the logit of the true class leads all others by a margin.
    ///
    /// # Formula
    /// With the gaps `d[c] = max(0, margin - x[t] + x[c])` of the wrong classes `c`, a row costs `w[t]/C Σ_c d[c]^p`, or, with
    /// [`MultiMarginMode::Max`](super::MultiMarginMode::Max), `w[t] max_c d[c]^p`. `Mean` divides by the number of rows,
    /// whatever they weigh.
    ///
    /// Gradient by `x[c]`: `p w[t] d[c]^(p-1) / C` where `d[c] > 0`, else 0; by `x[t]` minus the sum of these. With `Max` only
    /// the largest gap has a slope, and equal ones share it.
    /// # When to use
    /// For a support vector machine of several classes: what leads by the margin is left alone. The logits do not become
    /// probabilities; for these take [`cross_entropy`](super::cross_entropy()).
    /// # Shape
    /// `x`: `(C)`, `(N, C)` or `(N, C, d…)`; `t`: a scalar, `(N)` or `(N, d…)`; the result is as `t` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Class`](crate::Error::Class) for a class outside
    /// `0..C`, [`Error::Option`](crate::Error::Option) for a `p` other than 1 and 2 or a `margin` that is not finite.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[2.0f32, 1.5, -1.0]]));
    /// // The second class comes within 0.5 of the first; the third stays away.
    /// let t = Tensor::from([0]);
    /// assert_eq!(multi_margin_loss(&x, &t)?.item()?, 0.5 / 3.0);
    /// let nearest = MultiMarginLoss::new().mode(MultiMarginMode::Max);
    /// assert_eq!(nearest.forward(&x, &t)?.item()?, 0.5);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Weston and Watkins, *Support Vector Machines for Multi-Class Pattern Recognition*, 1999; Crammer and Singer, *On the
    /// Algorithmic Implementation of Multiclass Kernel-based Vector Machines*, 2001.
    /// PyTorch, [`multi_margin_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.multi_margin_loss.html).
    /// # Differs from PyTorch
    /// - `mode` is not there.
    /// - It can be differentiated twice, and inputs may have further dimensions.
    /// - The mean of an empty batch is NaN; there it is whatever the memory held.
    pub struct MultiMarginLoss<T> {
        /// The power of a gap: 1 or 2.
        p: i64 = 1,
        /// By how much the true class should lead.
        margin: f64 = 1.0,
        /// A weight for each class.
        weight: Option<Tensor<T>> = None,
        /// Which of the wrong classes cost.
        mode: MultiMarginMode = MultiMarginMode::Sum,
    }
}

impl<T: Float> MultiMarginLoss<T> {
    /// The loss of logits `x` and classes `t`.
    ///
    /// # Errors
    /// See [`MultiMarginLoss`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
        let op = <MultiMargin<T> as RowLoss<T, 1>>::NAME;
        let (p, margin) = (self.p, self.margin);
        check::option(op, "p", p, p == 1 || p == 2, "it must be 1 or 2")?;
        let expected = "it must be a finite number";
        check::option(op, "margin", margin, margin.is_finite(), expected)?;
        let dim = class_dim(op, x.shape())?.0;
        // No class is ignored: a target outside is an error whatever it is.
        let classes = Classes::new(op, t, x.shape(), None, &self.weight)?;
        let n_rows = classes.n_rows() as f64;
        let loss = MultiMargin {
            dim: dim as isize,
            classes,
            square: p == 2,
            margin,
            mode: self.mode,
        };
        rowwise::run(loss, [x], dim, self.reduction, n_rows)
    }
}

/// [`MultiMarginLoss`] with its defaults.
///
/// # Errors
/// See [`MultiMarginLoss`].
#[track_caller]
pub fn multi_margin_loss<T: Float>(x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
    MultiMarginLoss::new().forward(x, t)
}

#[derive(Clone)]
struct MultiMargin<T: Float> {
    dim: isize,
    classes: Classes<T>,
    square: bool,
    margin: f64,
    mode: MultiMarginMode,
}

impl<T: Float> MultiMargin<T> {
    /// The class of a row and its gap: how far class `c` reaches into the margin.
    #[inline(always)]
    fn gaps(&self, i: usize, x: &[T]) -> Option<(usize, impl Fn(usize) -> f64)> {
        let t = self.classes.get(i)?;
        let start = self.margin - x[t].f64();
        Some((t, move |c: usize| {
            let gap = start + x[c].f64();
            // Not `max`, which would swallow a NaN.
            if c == t || gap <= 0.0 { 0.0 } else { gap }
        }))
    }

    #[inline(always)]
    fn power(&self, gap: f64) -> f64 {
        if self.square { gap * gap } else { gap }
    }

    /// The derivative of the power; 0 at the kink.
    #[inline(always)]
    fn power_slope(&self, gap: f64) -> f64 {
        if self.square {
            2.0 * gap
        } else if gap == 0.0 {
            0.0
        } else {
            1.0
        }
    }
}

impl<T: Float> RowLoss<T, 1> for MultiMargin<T> {
    const NAME: &'static str = "multi_margin_loss";
    const COST: usize = 4;
    /// The largest gap, and how many have it; of no use to the sum.
    type Keep = (f64, f64);

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, [x]: [&[T]; 1]) -> (f64, Self::Keep) {
        let Some((t, gap)) = self.gaps(i, x) else {
            return (0.0, (0.0, 0.0));
        };
        let w = self.classes.weight(t);
        if self.mode == MultiMarginMode::Sum {
            let sum: f64 = (0..x.len()).map(|c| self.power(gap(c))).sum();
            return (w * sum / x.len() as f64, (0.0, 0.0));
        }
        let (mut top, mut ties) = (0.0, 0.0);
        for c in 0..x.len() {
            let gap = gap(c);
            if gap > top || gap.is_nan() {
                (top, ties) = (gap, 1.0);
            } else if gap == top {
                ties += 1.0;
            }
        }
        (w * self.power(top), (top, ties))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        i: usize,
        [x]: [&[T]; 1],
        (top, ties): Self::Keep,
        g: T,
        dx: &mut [T],
    ) {
        let Some((t, gap)) = self.gaps(i, x) else {
            return dx.fill(T::ZERO);
        };
        let g = g.f64() * self.classes.weight(t);
        let mut sum = 0.0;
        for (c, d) in dx.iter_mut().enumerate() {
            let gap = gap(c);
            let slope = match self.mode {
                MultiMarginMode::Sum => g / x.len() as f64 * self.power_slope(gap),
                MultiMarginMode::Max if gap == top => g / ties * self.power_slope(gap),
                MultiMarginMode::Max => 0.0,
            };
            sum += slope;
            *d = T::of(slope);
        }
        dx[t] = T::of(-sum);
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let x = &v[0];
        if x.numel() == 0 {
            return self.classes.nothing();
        }
        let own = self.classes.pick(x, self.dim)?;
        let own = if own.ndim() == 0 {
            own.reshape([1])?
        } else {
            own.unsqueeze(self.dim)?
        };
        let gap = x.sub(own)?.add(self.margin)?;
        let costs = gap.value().le(T::ZERO)?.logical_not();
        let wrong = self.classes.own(x.shape(), self.dim)?.logical_not();
        let gap = gap.keep_where(&costs.logical_and(&wrong)?)?;
        let n = x.shape()[self.dim as usize] as f64;
        let power = |gap: Var<T>| if self.square { gap.square() } else { gap };
        let rows = match self.mode {
            MultiMarginMode::Sum => power(gap).sum(self.dim)?.div(n)?,
            MultiMarginMode::Max => power(gap.max(self.dim)?),
        };
        self.classes.weigh(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "multi_margin_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            MultiMarginLoss::new()
                .p(case.i64("p", 1))
                .margin(case.f64("margin", 1.0))
                .weight(case.tensor("weight"))
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn an_empty_batch_has_a_mean_of_nan_and_no_slope() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f32>::zeros([0, 3])?);
        let y = multi_margin_loss(&x, &Tensor::zeros([0])?)?;
        assert!(y.item()?.is_nan());
        assert_eq!(y.backward()?.get(&x)?.shape(), [0, 3]);
        Ok(())
    }

    #[test]
    fn the_nearest_class_alone() -> Result<()> {
        // Gaps 1 - 2 + [1.5, 1.8, -3] are 0.5, 0.8 and none; in the second row two are equal, and share.
        let rows = [[2.0f64, 1.5, 1.8, -3.0], [0.0, 1.0, 1.0, -0.5]];
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from(rows));
        let loss = MultiMarginLoss::new()
            .mode(MultiMarginMode::Max)
            .reduction(Reduction::None);
        let (t, dy) = (Tensor::from([0, 0]), Tensor::from([1.0, 3.0]));
        let y = loss.clone().forward(&x, &t)?;
        assert!((y.value().to_vec()[0] - 0.8).abs() < 1e-15);
        assert_eq!(y.value().to_vec()[1], 2.0);
        let dx = y.backward_with(&dy)?.get(&x)?.to_vec();
        assert_eq!(dx, [-1.0, 0.0, 1.0, 0.0, -3.0, 1.5, 1.5, 0.0]);
        let squared = loss.p(2).weight(Tensor::from([2.0, 1.0, 1.0, 1.0]));
        let y = squared.forward(&x, &t)?;
        let dx = y.backward_with(&dy)?.get(&x)?.to_vec();
        assert_eq!(y.value().to_vec()[1], 2.0 * 4.0);
        assert_eq!(dx[4..], [-24.0, 12.0, 12.0, 0.0]); // 3 · 2 · 2 d, shared
        // At the kink, and beyond it, there is no slope.
        let flat = tape.leaf(Tensor::from([[1.0, 0.0, -4.0]]));
        let y = MultiMarginLoss::new()
            .mode(MultiMarginMode::Max)
            .forward(&flat, &Tensor::from([0]))?;
        assert_eq!(y.item()?, 0.0);
        assert_eq!(y.backward()?.get(&flat)?.to_vec(), [0.0; 3]);
        Ok(())
    }

    #[test]
    fn the_nearest_class_to_second_order() -> Result<()> {
        let x = Tensor::from([[2.0f64, 1.5, 1.8, -3.0], [0.0, 1.0, 1.25, -0.5]]);
        for p in [1, 2] {
            let loss = MultiMarginLoss::new().mode(MultiMarginMode::Max).p(p);
            let loss = loss.reduction(Reduction::None);
            let f = |v: &[Var<f64>]| loss.forward(&v[0], &Tensor::from([0, 3]));
            gradcheck(f, std::slice::from_ref(&x))?.assert_ok();
            gradgradcheck(f, std::slice::from_ref(&x))?.assert_ok();
        }
        Ok(())
    }

    #[test]
    fn a_nan_is_not_swallowed() -> Result<()> {
        let x = Var::from(Tensor::from([[0.0f32, f32::NAN, -9.0]]));
        for mode in [MultiMarginMode::Sum, MultiMarginMode::Max] {
            let loss = MultiMarginLoss::new().mode(mode);
            assert!(loss.forward(&x, &Tensor::from([0]))?.item()?.is_nan());
        }
        Ok(())
    }

    #[test]
    fn the_message_names_the_option() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = MultiMarginLoss::new()
            .p(3)
            .forward(&x, &Tensor::from([0]))
            .unwrap_err();
        let text = "multi_margin_loss: p is 3, but it must be 1 or 2";
        assert_eq!(e.to_string(), text);
    }
}
