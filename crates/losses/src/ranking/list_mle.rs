use super::lists::{check_lists, entries, list_of};
use crate::check::same_shape;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::DType;
use autograd::tensor_core::kernel::lanes;
use autograd::tensor_core::kernel::softmax;
use autograd::tensor_core::kernel::{Isa, Math};
use autograd::tensor_core::layout::unravel;
use autograd::{Error, Float, Result, Tensor, Var};
use std::cmp::Ordering;
use std::marker::PhantomData;

options! {
    /// The negative log-likelihood of the right order: that the best entry is drawn first, then the best of the rest, and so
    /// on (Plackett and Luce).
    ///
    /// # When to use
    /// For lists whose whole order is known and counts. Entries of one relevance are taken in the order in which they stand;
    /// where many are equal, [`ListNet`](crate::ranking::ListNet) is the better choice.
    ///
    /// # Formula
    /// `l = Σ_i (L_i - s_i)` over a list, where `s` are the scores in falling order of relevance and
    /// `L_i = ln Σ_{j ≥ i} e^(s_j)`; `Mean` divides by the number of lists with an entry. Gradient of `s_k`:
    /// `Σ_{i ≤ k} e^(s_k - L_i) - 1`.
    /// # Shape
    /// `x`, `t` and the mask: `(…, L)`, a list in the last dimension; the result lacks that dimension with
    /// [`Reduction::None`](crate::Reduction::None), else it is a scalar.
    /// # Errors
    /// [`Error::Shape`] if the shapes differ or have no dimension, [`Error::Value`] for a relevance that is NaN.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.0f64, 0.0, 0.0]));
    /// // Equal scores: one order of six.
    /// assert!((list_mle(&x, &Tensor::from([2.0, 3.0, 1.0]))?.item()? - 6f64.ln()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// Xia et al., *Listwise Approach to Learning to Rank: Theory and Algorithm*, 2008.
    /// # Differs from PyTorch
    /// PyTorch has no such loss; `s.flip(-1).logcumsumexp(-1).flip(-1) - s`, as it is written there, cancels where the order
    /// is clear. Here each term is `softplus(L_(i+1) - s_i)`, which does not.
    pub struct ListMle {
        /// Which entries there are; the others are padding, and their scores and relevances may be anything. A list
        /// without an entry costs 0.
        mask: Option<Tensor<bool>> = None,
    }
}

impl ListMle {
    /// The loss of scores `x` and relevances `t`, of which only the order counts.
    ///
    /// # Errors
    /// See [`ListMle`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
        check_lists(NAME, x.shape(), &self.mask)?;
        same_shape(NAME, "the target", t.shape(), x.shape())?;
        let len = x.shape()[x.ndim() - 1];
        let rows: usize = x.shape()[..x.ndim() - 1].iter().product();
        let loss = Mle {
            mask: self.mask.clone(),
        };
        if let Some((at, _)) = t.find(T::is_nan_) {
            // The first may be padding.
            let at = match &self.mask {
                None => Some(at),
                Some(_) => (0..rows).find_map(|i| {
                    let (list, there) = (list_of(t, i, len), loss.there(i, len));
                    let k = (0..len).find(|&k| there(k) && list[k].is_nan_())?;
                    Some(unravel(i * len + k, t.shape()))
                }),
            };
            if let Some(at) = at {
                let expected = "a relevance is a number; mask what is not there";
                return Err(Error::Value {
                    op: NAME,
                    what: "target",
                    at,
                    value: "NaN".into(),
                    expected,
                });
            }
        }
        let mean = match &self.mask {
            Some(mask) => entries(mask)?.count_nonzero(..)?.item()? as usize,
            None if len == 0 => 0,
            None => rows,
        };
        let t = Var::from(t);
        rowwise::run(loss, [x, &t], x.ndim() - 1, self.reduction, mean as f64)
    }
}

/// [`ListMle`] with its defaults.
///
/// # Errors
/// See [`ListMle`].
#[track_caller]
pub fn list_mle<T: Float>(x: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    ListMle::new().forward(x, t)
}

const NAME: &str = "list_mle";

#[derive(Clone)]
struct Mle {
    mask: Option<Tensor<bool>>,
}

impl Mle {
    /// Whether an entry of list `i` is there.
    fn there(&self, i: usize, len: usize) -> impl Fn(usize) -> bool {
        let mask = self.mask.as_ref().map(|mask| list_of(mask, i, len));
        move |k| mask.as_ref().is_none_or(|mask| mask[k])
    }

    /// The entries of list `i` with relevances `t`, best first, and of equal ones the first first. Sorted anew where they
    /// are needed: kept for all lists they would take as much memory as the gradient.
    #[inline(never)]
    fn order<T: Float>(&self, i: usize, t: &[T]) -> Vec<usize> {
        let there = self.there(i, t.len());
        if T::DTYPE == DType::F32 && t.len() <= PLACE as usize {
            // A double leaves room for the place in a number of single precision, and numbers are sorted more quickly
            // than places by what stands there.
            let key = |k: usize| falling(t[k].f64()) & !PLACE | k as u64;
            let mut keys: Vec<u64> = (0..t.len()).filter(|&k| there(k)).map(key).collect();
            keys.sort_unstable();
            return keys.into_iter().map(|key| (key & PLACE) as usize).collect();
        }
        let mut order: Vec<usize> = (0..t.len()).filter(|&k| there(k)).collect();
        // None of them is NaN, which was checked first.
        order.sort_unstable_by(|&a, &b| {
            let falling = t[b].partial_cmp(&t[a]).unwrap_or(Ordering::Equal);
            falling.then(a.cmp(&b))
        });
        order
    }
}

/// The bits of a double that are 0 in every number of single precision.
const PLACE: u64 = (1 << 29) - 1;

/// A number that falls where `t` rises.
fn falling(t: f64) -> u64 {
    // The sum makes 0 of -0.
    let bits = (t + 0.0).to_bits();
    if bits >> 63 == 0 {
        !(bits | 1 << 63)
    } else {
        bits
    }
}

/// So far apart scores may lie whose exponentials are added up as they are: their sums and quotients fit a double.
const RANGE: f64 = 300.0;

/// The entries of a list in order, as exponentials.
struct Sums {
    /// `e^(s - max)`
    exps: Vec<f64>,
    /// The sums of each and all later ones, and a 0.
    whole: Vec<f64>,
}

/// The terms of the loss: `ln(1 + later / own)`.
struct Terms<I>(PhantomData<I>);

impl<I: Isa> lanes::Terms<f64, 2, 1> for Terms<I> {
    #[inline(always)]
    fn at(&self, [later, own]: [f64; 2]) -> [f64; 1] {
        [(later / own).log1p::<I>()]
    }
}

impl Sums {
    /// Nothing where the scores lie too far apart, or are not finite.
    #[inline(always)]
    fn of<I: Isa, T: Float>(x: &[T], order: &[usize]) -> Option<Self> {
        let mut exps: Vec<f64> = order.iter().map(|&k| x[k].f64()).collect();
        let (max, mut fits) = (softmax::max(&exps), true);
        for e in &mut exps {
            let gap = *e - max;
            fits &= gap > -RANGE;
            *e = gap.exp_nonpositive::<I>();
        }
        if !fits {
            return None;
        }
        let (mut whole, mut sum) = (vec![0.0; exps.len() + 1], 0.0);
        for (i, e) in exps.iter().enumerate().rev() {
            sum += e;
            whole[i] = sum;
        }
        Some(Sums { exps, whole })
    }

    #[inline(always)]
    fn cost<I: Isa>(&self) -> f64 {
        lanes::sums_of([&self.whole[1..], &self.exps], Terms::<I>(PhantomData))[0]
    }

    /// The slopes: of its own exponential times `Σ 1 / whole` over the entries before, less the share of the later ones.
    #[inline(always)]
    fn slopes<T: Float>(&self, order: &[usize], g: T, dx: &mut [T]) {
        dx.fill(T::ZERO);
        let mut before = 0.0;
        for ((&k, e), whole) in order.iter().zip(&self.exps).zip(self.whole.windows(2)) {
            let inverse = 1.0 / whole[0];
            dx[k] = T::of((e * before - whole[1] * inverse) * g.f64());
            before += inverse;
        }
    }
}

/// Goes through the entries of a list from the last: calls `f` with each and `L_(i+1) - s_i`, the logarithm of how much
/// likelier any later entry is than this one; `-inf` for the last.
#[inline(always)]
fn from_the_last<I: Isa, T: Float>(x: &[T], order: &[usize], mut f: impl FnMut(usize, f64)) {
    let mut later = f64::NEG_INFINITY;
    for (n, &k) in order.iter().rev().enumerate() {
        let s = x[k].f64();
        let ahead = if n == 0 { f64::NEG_INFINITY } else { later - s };
        f(k, ahead);
        let larger = if later > s { later } else { s };
        later = larger + Math::exp::<I>(-ahead.abs()).log1p::<I>();
    }
}

/// The loss of a list with scores `x` in that order.
#[inline(always)]
fn cost<I: Isa, T: Float>(x: &[T], order: &[usize]) -> f64 {
    if let Some(sums) = Sums::of::<I, T>(x, order) {
        return sums.cost::<I>();
    }
    let mut terms = Vec::with_capacity(order.len());
    from_the_last::<I, T>(x, order, |_, ahead| terms.push(ahead));
    // In a loop of its own, which is compiled for the instruction set.
    for term in &mut terms {
        *term = term.softplus::<I>();
    }
    terms.iter().sum()
}

/// The slopes of that list, times `g`.
#[inline(always)]
fn slopes<I: Isa, T: Float>(x: &[T], order: &[usize], g: T, dx: &mut [T]) {
    if let Some(sums) = Sums::of::<I, T>(x, order) {
        return sums.slopes(order, g, dx);
    }
    dx.fill(T::ZERO);
    from_the_last::<I, T>(x, order, |k, ahead| dx[k] = T::of(ahead));
    // `above` is Σ e^(L_k - L_i) over the entries i before k. With u = e^(s_k - L_k) and v = e^(L_(k+1) - L_k), which
    // add up to 1, the slope is u · above - v, and the next sum v (above + 1): no exponential can overflow.
    let mut above = 0.0;
    for &k in order {
        let ahead = dx[k].f64();
        let (u, v) = ((-ahead).sigmoid::<I>(), ahead.sigmoid::<I>());
        dx[k] = T::of((u * above - v) * g.f64());
        above = v * (above + 1.0);
    }
}

impl<T: Float> RowLoss<T, 2> for Mle {
    const NAME: &'static str = NAME;
    const COST: usize = 48;
    type Keep = ();

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, [x, t]: [&[T]; 2]) -> (f64, ()) {
        (cost::<I, T>(x, &self.order(i, t)), ())
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        i: usize,
        [x, t]: [&[T]; 2],
        _: (),
        g: T,
        dx: &mut [T],
    ) {
        if K == 1 {
            // Relevances are constants, of which only the order counts.
            return dx.fill(T::ZERO);
        }
        slopes::<I, T>(x, &self.order(i, t), g, dx);
    }

    #[inline(always)]
    fn value_and_slope<I: Isa>(&self, i: usize, [x, t]: [&[T]; 2], g: T, dx: &mut [T]) -> f64 {
        let order = self.order(i, t);
        if let Some(sums) = Sums::of::<I, T>(x, &order) {
            sums.slopes(&order, g, dx);
            return sums.cost::<I>();
        }
        slopes::<I, T>(x, &order, g, dx);
        cost::<I, T>(x, &order)
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let shape: Vec<i64> = v[0].shape().iter().map(|&n| n as i64).collect();
        let len = v[0].shape()[v[0].ndim() - 1];
        let lists: usize = v[0].shape()[..v[0].ndim() - 1].iter().product();
        // Padding goes before the entries, whose sums run from the end and never reach it.
        let (mut places, mut there) = (Vec::new(), Vec::new());
        for i in 0..lists {
            let order = self.order(i, &list_of(v[1].value(), i, len));
            let mut padding = vec![true; len];
            order.iter().for_each(|&k| padding[k] = false);
            places.extend((0..len).filter(|&k| padding[k]).map(|k| k as i64));
            places.extend(order.iter().map(|&k| k as i64));
            there.extend((0..len).map(|n| n >= len - order.len()));
        }
        let (places, there) = (
            Tensor::from_vec(places, &shape)?,
            Tensor::from_vec(there, &shape)?,
        );
        let s = v[0].gather(-1, &places)?.keep_where(&there)?;
        let later = s.flip([-1])?.logcumsumexp(-1)?.flip([-1])?;
        later.sub(&s)?.keep_where(&there)?.sum(-1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::tensor_core::kernel::Portable;
    use autograd::{Tape, gradcheck, gradgradcheck};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            ListMle::new()
                .mask(case.mask("mask"))
                .reduction(case.reduction())
                .forward(&v[0], v[1].value())
        }
    }

    #[test]
    fn both_precisions_have_one_order() {
        let inf = f32::INFINITY;
        let t = [0.0f32, -0.0, 1.5, -2.5, 1e-45, inf, -inf, 1.5, -1e-45];
        let mle = Mle { mask: None };
        let want = [5, 2, 7, 4, 0, 1, 8, 3, 6];
        assert_eq!(mle.order(0, &t), want);
        assert_eq!(mle.order(0, &t.map(f64::from)), want);
    }

    #[test]
    fn far_scores_go_another_way_to_the_same_numbers() {
        // The last score is beyond the range of the sums, and so unlikely that all else is as without it.
        let of = |x: &[f64]| {
            let order: Vec<usize> = (0..x.len()).collect();
            let mut dx = vec![0.0; x.len()];
            slopes::<Portable, f64>(x, &order, 1.0, &mut dx);
            (cost::<Portable, f64>(x, &order), dx)
        };
        let ((near, d_near), (far, d_far)) = (of(&[0.5, -1.0, 2.0]), of(&[0.5, -1.0, 2.0, -400.0]));
        assert!((near - far).abs() < 1e-14);
        for (near, far) in d_near.iter().zip(&d_far) {
            assert!((near - far).abs() < 1e-14);
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// Where the order is clear the loss is the small chance of another: `e^-40 + e^-40` to first order.
    #[test]
    fn a_clear_order_keeps_its_digits() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[80.0f32, 0.0, 40.0]]));
        let y = list_mle(&x, &Tensor::from([[3.0, 1.0, 2.0]]))?;
        let small = (-40f64).exp();
        assert!((y.item()?.f64() / (2.0 * small) - 1.0).abs() < 1e-6);
        let g = y.backward()?.get(&x)?.to_vec();
        // The middle one should be lower than the first, and higher than the last, by as much.
        assert!(
            (g[0].f64() / -small - 1.0).abs() < 1e-5 && (g[1].f64() / small - 1.0).abs() < 1e-5
        );
        assert!(g[2].abs() < 1e-6 * small as f32);
        // And where it is wrong as can be, the loss is a sum of distances.
        let y = list_mle(&x.mul(1e3)?, &Tensor::from([[1.0, 3.0, 2.0]]))?;
        assert_eq!(y.item()?, 120e3);
        Ok(())
    }

    #[test]
    fn padding_may_hold_anything() -> Result<()> {
        let x = Tensor::from([[1.0f64, f64::NAN, 0.5], [f64::NAN, f64::INFINITY, 0.0]]);
        let t = Tensor::from([[0.0f64, f64::NAN, 9.0], [1.0, f64::NAN, 3.0]]);
        let mask = Tensor::from([[true, false, true], [false; 3]]);
        let tape = Tape::new();
        let x = tape.leaf(x);
        let y = ListMle::new().mask(mask).forward(&x, &t)?;
        // 0.5 should come before 1.0; the list without an entry counts in no mean.
        let share = 1.0 / (1.0 + (-0.5f64).exp());
        assert!((y.item()? - 0.5f64.exp().ln_1p()).abs() < 1e-15);
        let g = y.backward()?.get(&x)?.to_vec();
        assert!((g[0] - share).abs() < 1e-15 && (g[2] + share).abs() < 1e-15);
        assert_eq!((g[1], &g[3..]), (0.0, &[0.0; 3][..]));
        Ok(())
    }

    #[test]
    fn masked_lists_are_differentiable_twice() -> Result<()> {
        let x = Tensor::from([[1.0f64, -0.5, 0.5, 2.0], [0.2, 0.7, -1.0, 0.0]]);
        let t = Tensor::from([[0.0f64, 1.5, 1.0, 7.0], [1.0, 2.0, 0.0, 1.0]]);
        let mask = Tensor::from([[true, true, false, true], [false; 4]]);
        let options = ListMle::new().mask(mask).reduction(Reduction::None);
        let f = |v: &[Var<f64>]| options.forward(&v[0], &t);
        gradcheck(f, std::slice::from_ref(&x))?.assert_ok();
        gradgradcheck(f, &[x])?.assert_ok();
        Ok(())
    }

    #[test]
    fn a_relevance_that_is_no_number_is_named() {
        let x = Var::from(Tensor::from([[1.0f32, 2.0]]));
        let e = list_mle(&x, &Tensor::from([[1.0, f32::NAN]])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "list_mle: target[0, 1] is NaN, but a relevance is a number; mask what is not there"
        );
        assert!(list_mle(&x, &Tensor::from([1.0, 2.0])).is_err());
    }

    #[test]
    fn no_lists_and_empty_lists() -> Result<()> {
        let none = Tensor::<f32>::zeros([0, 3])?;
        assert!(list_mle(&Var::from(&none), &none)?.item()?.is_nan());
        let empty = Tensor::<f32>::zeros([2, 0])?;
        let options = ListMle::new().reduction(Reduction::None);
        let y = options.forward(&Var::from(&empty), &empty)?;
        assert_eq!(y.value().to_vec(), [0.0; 2]);
        Ok(())
    }
}
