use super::lists::{check_lists, entries, list_of};
use crate::check::{broadcast_weight, same_shape};
use crate::classification::row::sum_of_others;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::lanes;
use autograd::tensor_core::kernel::softmax::LogSum;
use autograd::tensor_core::kernel::{Isa, Math};
use autograd::{Float, Result, Tensor, Var};
use std::borrow::Cow;
use std::marker::PhantomData;

options! {
    /// The cross entropy of two softmaxes, that of relevances and that of scores: how likely each entry of a list is to be
    /// the best one.
    ///
    /// # When to use
    /// For lists with degrees of relevance where the head of the list matters most. Relevances are taken as they are:
    /// scale them to say how sure the order is. [`ListMle`](crate::ranking::ListMle) uses their order alone.
    ///
    /// # Formula
    /// `l = -Σ w q ln p` over a list, where `q = softmax(t)`, `p = softmax(x)` and `w` is an entry's weight, 1 if there are
    /// none; `Mean` divides by the number of lists with an entry. Gradients: `p Σ w q - w q` for the scores, and
    /// `-q (w ln p + l)` for the relevances.
    /// # Shape
    /// `x`, `t` and the mask: `(…, L)`, a list in the last dimension; the weight broadcasts to that. The result lacks the
    /// last dimension with [`Reduction::None`](crate::Reduction::None), else it is a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ or have no dimension, and for a weight that does not
    /// broadcast to them.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([[0.0f64, 0.0, 5.0]]));
    /// let t = Var::from(Tensor::from([[1.0f64, 1.0, 1.0]]));
    /// let mask = Tensor::from([[true, true, false]]); // a list of two, padded to three
    /// assert_eq!(ListNet::new().mask(mask).forward(&x, &t)?.item()?, 2f64.ln());
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Cao et al., *Learning to Rank: From Pairwise Approach to Listwise Approach*, 2007.
    /// # Differs from PyTorch
    /// PyTorch has no such loss; it is its `cross_entropy(x, softmax(t))`. An entry without a share costs nothing, also
    /// where its score is `-inf`. The weight is that of Optax's `ranking_softmax_loss`, which takes `t` itself for the
    /// shares, where [`cross_entropy`](crate::classification::cross_entropy()) with distributions does.
    pub struct ListNet<T> {
        /// Which entries there are; the others are padding, and their scores and relevances may be anything. A list
        /// without an entry costs 0.
        mask: Option<Tensor<bool>> = None,
        /// What each entry's share is multiplied by: one for each entry, or `(…, 1)` for whole lists.
        weight: Option<Tensor<T>> = None,
    }
}

impl<T: Float> ListNet<T> {
    /// The loss of scores `x` and relevances `t`.
    ///
    /// # Errors
    /// See [`ListNet`].
    #[track_caller]
    pub fn forward(&self, x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
        check_lists(NAME, x.shape(), &self.mask)?;
        same_shape(NAME, "the target", t.shape(), x.shape())?;
        let weight = self.weight.as_ref();
        let weight = weight
            .map(|w| broadcast_weight(NAME, "the weight", w, x.shape()))
            .transpose()?;
        let mean = match &self.mask {
            Some(mask) => entries(mask)?.count_nonzero(..)?.item()? as usize,
            None => x.numel() / x.shape()[x.ndim() - 1].max(1),
        };
        let loss = Net {
            mask: self.mask.clone(),
            weight,
        };
        rowwise::run(loss, [x, t], x.ndim() - 1, self.reduction, mean as f64)
    }
}

/// [`ListNet`] with its defaults.
///
/// # Errors
/// See [`ListNet`].
#[track_caller]
pub fn list_net<T: Float>(x: &Var<T>, t: &Var<T>) -> Result<Var<T>> {
    ListNet::new().forward(x, t)
}

const NAME: &str = "list_net";

#[derive(Clone)]
struct Net<T: Float> {
    /// The entries that are there, if not all.
    mask: Option<Tensor<bool>>,
    /// The weight of each entry.
    weight: Option<Tensor<T>>,
}

/// A list whose padding has a score of -inf, and so no share.
enum Filled<T> {
    /// There is no padding.
    AsItIs,
    /// Scores and relevances.
    Entries([Vec<T>; 2]),
    /// There is nothing else.
    Padding,
}

impl<T: Float> Net<T> {
    #[inline(never)]
    fn filled(&self, i: usize, rows: [&[T]; 2]) -> Filled<T> {
        let Some(mask) = &self.mask else {
            return Filled::AsItIs;
        };
        let there = list_of(mask, i, rows[0].len());
        if !there.contains(&true) {
            return Filled::Padding;
        }
        Filled::Entries(rows.map(|row| {
            let each = row.iter().zip(&*there);
            each.map(|(&v, &there)| if there { v } else { T::LOWEST })
                .collect()
        }))
    }

    /// The loss of a list, then its slopes by the scores.
    #[inline(always)]
    fn one_by_one<I: Isa>(&self, i: usize, rows: [&[T]; 2], g: T, dx: &mut [T]) -> f64 {
        let (loss, keep) = self.value::<I>(i, rows);
        self.slope::<I, 0>(i, rows, keep, g, dx);
        loss
    }

    /// The loss of a list and its slopes by the scores, with room for the shares `q`; `None` for scores or relevances whose
    /// largest is infinite.
    #[inline(always)]
    fn at_once<I: Isa>([x, t]: [&[T]; 2], g: T, dx: &mut [T], q: &mut [T]) -> Option<f64> {
        let (p_sum, q_sum) = (LogSum::of_into::<I>(x, dx), LogSum::of_into::<I>(t, q));
        if !(p_sum.max.finite() && q_sum.max.finite()) {
            return None;
        }
        let cost = Costs {
            max: p_sum.max,
            log: T::of(Math::log1p::<I>(p_sum.rest)),
        };
        let [p_scale, q_scale] = [p_sum, q_sum].map(|sum| T::of(1.0 / (1.0 + sum.rest)));
        lanes::scale_row(q, q_scale);
        let [loss] = lanes::sums_of([x, &*q], Costly(cost));
        // The best score, as in `balance`: it gets what the others lack.
        let top = lanes::position(x, p_sum.max);
        if let Some(top) = top {
            dx[top] = T::ZERO;
        }
        let sum = lanes::change(dx, [&*q], Pull { p_scale, g });
        if let Some(top) = top {
            dx[top] = T::of(-sum_of_others(dx, top, sum));
        }
        Some(loss)
    }

    /// The weights of list `i`, which has `len` entries, if they are not 1.
    fn weights(&self, i: usize, len: usize) -> Option<Cow<'_, [T]>> {
        self.weight.as_ref().map(|w| list_of(w, i, len))
    }
}

/// The largest element of a row, and `ln Σ e^(x - max)`.
#[derive(Clone, Copy, Default)]
struct Softmax {
    max: f64,
    log: f64,
}

impl Softmax {
    #[inline(always)]
    fn of<I: Isa, T: Float>(x: &[T]) -> Self {
        let sum = LogSum::of::<I>(x);
        let log = if sum.max == T::LOWEST {
            f64::NAN
        } else {
            Math::log1p::<I>(sum.rest)
        };
        Softmax {
            max: sum.max.f64(),
            log,
        }
    }

    /// The two in `T`, as loops over entries want them.
    #[inline(always)]
    fn entries<T: Float>(self) -> Costs<T> {
        Costs {
            max: T::of(self.max),
            log: T::of(self.log),
        }
    }
}

/// [`Softmax`] for each entry.
#[derive(Clone, Copy)]
struct Costs<T> {
    max: T,
    log: T,
}

impl<T: Float> Costs<T> {
    /// `-ln softmax(x)`, which loses no digit where `x` is the largest.
    #[inline(always)]
    fn of(self, x: T) -> T {
        let gap = if x == self.max { T::ZERO } else { self.max - x };
        self.log + gap
    }

    /// `softmax(x)`
    #[inline(always)]
    fn share<I: Isa>(self, x: T) -> T {
        (-self.of(x)).exp_nonpositive::<I>()
    }
}

/// `q · cost`, and 0 without a share.
#[inline(always)]
fn share<T: Float>(q: T, cost: T) -> T {
    if q == T::ZERO { T::ZERO } else { q * cost }
}

/// A list's slopes add up to nothing: the best score gets what the others lack, which keeps its digits where both shares
/// are nearly 1.
#[inline(always)]
fn balance<T: Float>(x: &[T], max: T, dx: &mut [T]) {
    if let Some(top) = lanes::position(x, max) {
        dx[top] = T::ZERO;
        dx[top] = T::of(-lanes::sum(dx));
    }
}

/// Shares held at a time, by lists of a common length and by long ones.
const FEW: usize = 64;
const HELD: usize = 512;

/// The term of a score with share `q`.
struct Costly<T>(Costs<T>);

impl<T: Float> lanes::Terms<T, 2, 1> for Costly<T> {
    #[inline(always)]
    fn at(&self, [x, q]: [T; 2]) -> [T; 1] {
        [share(q, self.0.of(x))]
    }
}

/// The slope of a score from its exponential and its share.
struct Pull<T> {
    p_scale: T,
    g: T,
}

impl<T: Float> lanes::Change<T, 1> for Pull<T> {
    #[inline(always)]
    fn at(&self, e: T, [q]: [T; 1]) -> T {
        (e * self.p_scale - q) * self.g
    }
}

/// The terms of the loss, by scores and relevances; a type, so that it is always inlined.
struct Terms<T, I>(Costs<T>, Costs<T>, PhantomData<I>);

impl<T: Float, I: Isa> lanes::Terms<T, 2, 1> for Terms<T, I> {
    #[inline(always)]
    fn at(&self, [x, t]: [T; 2]) -> [T; 1] {
        [share(self.1.share::<I>(t), self.0.of(x))]
    }
}

/// The same with weights, and the weighted shares.
impl<T: Float, I: Isa> lanes::Terms<T, 3, 2> for Terms<T, I> {
    #[inline(always)]
    fn at(&self, [x, t, w]: [T; 3]) -> [T; 2] {
        let q = w * self.1.share::<I>(t);
        [share(q, self.0.of(x)), q]
    }
}

impl<T: Float> RowLoss<T, 2> for Net<T> {
    const NAME: &'static str = NAME;
    const COST: usize = 24;
    /// Of the scores, of the relevances; the loss and the sum of weighted shares.
    type Keep = (Softmax, Softmax, [f64; 2]);

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, [x, t]: [&[T]; 2]) -> (f64, Self::Keep) {
        let filled = self.filled(i, [x, t]);
        let [x, t] = match &filled {
            Filled::AsItIs if x.is_empty() => return (0.0, Self::Keep::default()),
            Filled::Padding => return (0.0, Self::Keep::default()),
            Filled::AsItIs => [x, t],
            Filled::Entries([x, t]) => [&x[..], &t[..]],
        };
        let (p, q) = (Softmax::of::<I, T>(x), Softmax::of::<I, T>(t));
        let terms = Terms::<T, I>(p.entries(), q.entries(), PhantomData);
        let (loss, shares) = match self.weights(i, t.len()) {
            None => (lanes::sums_of([x, t], terms)[0], 1.0),
            Some(w) => lanes::sums_of([x, t, &w], terms).into(),
        };
        (loss, (p, q, [loss, shares]))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        i: usize,
        [x, t]: [&[T]; 2],
        (p, q, [loss, shares]): Self::Keep,
        g: T,
        dx: &mut [T],
    ) {
        let filled = self.filled(i, [x, t]);
        let [x, t] = match &filled {
            Filled::Padding => return dx.fill(T::ZERO),
            Filled::AsItIs => [x, t],
            Filled::Entries([x, t]) => [&x[..], &t[..]],
        };
        let weights = self.weights(i, x.len());
        let (max, p, q) = (p.max, p.entries::<T>(), q.entries::<T>());
        if K == 1 {
            let ones = vec![T::ONE; if weights.is_none() { t.len() } else { 0 }];
            let weights = weights.as_deref().unwrap_or(&ones);
            for (((d, &x), &t), &w) in dx.iter_mut().zip(x).zip(t).zip(weights) {
                // Without a weight, an infinite cost is as good as none.
                let cost = share(w, p.of(x)).f64();
                *d = T::of(share(q.share::<I>(t), T::of(cost - loss)).f64() * g.f64());
            }
            return;
        }
        match weights {
            None => {
                for ((d, &x), &t) in dx.iter_mut().zip(x).zip(t) {
                    *d = (p.share::<I>(x) - q.share::<I>(t)) * g;
                }
            }
            Some(w) => {
                let shares = T::of(shares);
                for (((d, &x), &t), &w) in dx.iter_mut().zip(x).zip(t).zip(&*w) {
                    *d = (shares * p.share::<I>(x) - w * q.share::<I>(t)) * g;
                }
            }
        }
        balance(x, T::of(max), dx);
    }

    /// The exponentials of both softmaxes are made once, where a list is short enough for the stack.
    #[inline(always)]
    fn value_and_slope<I: Isa>(&self, i: usize, rows: [&[T]; 2], g: T, dx: &mut [T]) -> f64 {
        let n = dx.len();
        let plain = self.mask.is_none() && self.weight.is_none() && n > 0;
        let value = if plain && n <= FEW {
            Self::at_once::<I>(rows, g, dx, &mut [T::ZERO; FEW][..n])
        } else if plain && n <= HELD {
            Self::at_once::<I>(rows, g, dx, &mut [T::ZERO; HELD][..n])
        } else {
            None
        };
        match value {
            Some(value) => value,
            None => self.one_by_one::<I>(i, rows, g, dx),
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let counted = self.mask.as_ref().map(entries).transpose()?;
        let filled = |x: &Var<T>| match (&self.mask, &counted) {
            (Some(mask), Some(counted)) => {
                // In a list of padding alone the shares are even.
                let fill = counted.where_(T::LOWEST, T::ZERO)?.unsqueeze(-1)?;
                x.where_(mask, Var::from(fill))
            }
            _ => Ok(x.clone()),
        };
        let (mut q, log) = (filled(&v[1])?.softmax(-1)?, filled(&v[0])?.log_softmax(-1)?);
        if let Some(w) = &self.weight {
            q = q.mul(Var::from(w))?;
        }
        let none = q.value().eq(T::ZERO)?.logical_and(log.value().isinf())?;
        let loss = -q.mul(log.keep_where(&none.logical_not())?)?.sum(-1)?;
        Ok(match &counted {
            Some(counted) => loss.keep_where(counted)?,
            None => loss,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::ranking::ListMle;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            ListNet::new()
                .mask(case.mask("mask"))
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
    fn padding_may_hold_anything() -> Result<()> {
        let x = Tensor::from([[1.0f64, f64::NAN, 0.5], [f64::NAN, f64::INFINITY, 0.0]]);
        let t = Tensor::from([[0.0f64, 9.0, f64::NAN], [1.0, 2.0, 3.0]]);
        let mask = Tensor::from([[true, false, false], [false; 3]]);
        let tape = Tape::new();
        let (x, t) = (tape.leaf(x), tape.leaf(t));
        let y = ListNet::new().mask(mask).forward(&x, &t)?;
        assert_eq!(y.item()?, 0.0);
        let g = y.backward()?;
        assert_eq!(g.get(&x)?.to_vec(), [0.0; 6]);
        assert_eq!(g.get(&t)?.to_vec(), [0.0; 6]);
        Ok(())
    }

    #[test]
    fn masked_lists_are_differentiable_twice() -> Result<()> {
        let x = Tensor::from([[1.0f64, -0.5, 0.5], [0.2, 0.7, -1.0]]);
        let t = Tensor::from([[0.0f64, 1.5, 1.0], [1.0, 2.0, 0.0]]);
        let mask = Tensor::from([[true, true, false], [false; 3]]);
        let options = ListNet::new().mask(mask).reduction(Reduction::None);
        let weighted = options
            .clone()
            .weight(Tensor::from([[2.0, 0.5, 7.0], [0.0, 1.0, 3.0]]));
        let lists = ListNet::new().weight(Tensor::from([[2.0], [0.5]]));
        for options in [&options, &weighted, &lists] {
            let f = |v: &[Var<f64>]| options.forward(&v[0], &v[1]);
            gradcheck(f, &[x.clone(), t.clone()])?.assert_ok();
            gradgradcheck(f, &[x.clone(), t.clone()])?.assert_ok();
        }
        Ok(())
    }

    /// Masks and weights are read as they lie: transposed, turned round, or spread from one list.
    #[test]
    fn masks_and_weights_of_any_layout() -> Result<()> {
        let x = Var::from(Tensor::from([[1.0f64, -0.5, 0.5], [0.2, 0.7, -1.0]]));
        let t = Var::from(Tensor::from([[0.0f64, 1.5, 1.0], [1.0, 2.0, 0.0]]));
        let mask = Tensor::from([[true, true, false], [false, true, true]]);
        let weight = Tensor::from([[2.0, 0.5, 1.0]]).expand([2, 3])?;
        let each = |mask: &Tensor<bool>, weight: &Tensor<f64>| -> Result<[f64; 2]> {
            let net = ListNet::new().mask(mask.clone()).weight(weight.clone());
            let mle = ListMle::new().mask(mask.clone());
            Ok([
                net.forward(&x, &t)?.item()?,
                mle.forward(&x, t.value())?.item()?,
            ])
        };
        let want = each(&mask, &weight.contiguous())?;
        for mask in [
            mask.t().contiguous().t(),
            mask.flip([0, 1])?.flip([0, 1])?,
            mask,
        ] {
            assert_eq!(each(&mask, &weight)?, want);
        }
        Ok(())
    }

    #[test]
    fn wrong_shapes_are_named() {
        let x = Var::from(Tensor::from([[1.0f32, 2.0]]));
        let e = ListNet::new()
            .mask(Tensor::from([true, true]))
            .forward(&x, &x)
            .unwrap_err();
        assert_eq!(
            e.to_string(),
            "list_net: the mask has shape [2], but the input has shape [1, 2]: they must agree, as nothing is broadcast in \
             a loss"
        );
        let scalar = Var::from(Tensor::scalar(1.0f32));
        assert!(list_net(&scalar, &scalar).is_err());
        let e = ListNet::new()
            .weight(Tensor::from([1.0, 2.0, 3.0]))
            .forward(&x, &x);
        assert_eq!(
            e.unwrap_err().to_string(),
            "list_net: the weight has shape [3], but it must broadcast to the target's shape [1, 2]"
        );
    }
}
