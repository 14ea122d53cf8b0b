//! The engine of losses that are functions of a row's cross entropy: of `c = lse(x) - x[t]`, where `e^-c` is the
//! probability of the true class.

use super::row::{Kept, row_sum};
use super::target::{Classes, along};
use crate::Reduction;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Tensor, Var};

/// A function of a row's cross entropy.
pub(crate) trait Curve: Clone + Send + Sync + 'static {
    /// The loss's name, for messages.
    const NAME: &'static str;

    /// The loss of a row whose cross entropy is `c`.
    fn value(&self, c: f64) -> f64;

    /// Its derivative by `c`.
    fn slope(&self, c: f64) -> f64;

    /// The value in plain operations.
    ///
    /// # Errors
    /// Whatever these operations return.
    #[track_caller]
    fn definition<T: Float>(&self, c: &Var<T>) -> Result<Var<T>>;
}

/// The loss of logits `x` and checked classes along dimension `dim`; `shift`, if there is one, is added to each row.
#[track_caller]
pub(crate) fn run<T: Float, F: Curve>(
    curve: F,
    x: &Var<T>,
    (classes, dim): (Classes<T>, usize),
    shift: Option<Tensor<T>>,
    reduction: Reduction,
) -> Result<Var<T>> {
    let total = classes.total();
    let loss = OnCurve {
        curve,
        classes,
        dim: dim as isize,
        shift: shift.map(|s| (s.clone(), s.to_vec())),
    };
    rowwise::run(loss, [x], dim, reduction, total)
}

#[derive(Clone)]
struct OnCurve<T: Float, F> {
    curve: F,
    classes: Classes<T>,
    dim: isize,
    shift: Option<(Tensor<T>, Vec<T>)>,
}

impl<T: Float, F> OnCurve<T, F> {
    /// The cross entropy of a row with class `t`.
    #[inline(always)]
    fn cost(&self, x: &[T], t: usize, kept: Kept<T>) -> f64 {
        kept.cost(self.shift.as_ref().map_or(x[t], |(_, s)| x[t] + s[t]))
    }
}

impl<T: Float, F: Curve> RowLoss<T, 1> for OnCurve<T, F> {
    const NAME: &'static str = F::NAME;
    type Keep = Kept<T>;

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, [x]: [&[T]; 1]) -> (f64, Kept<T>) {
        let Some(t) = self.classes.get(i) else {
            return (0.0, Kept::default());
        };
        let kept = match &self.shift {
            None => Kept::of::<I>(x),
            Some((_, shift)) => Kept::of_shifted::<I>(x, shift),
        };
        let w = self.classes.weight(t);
        let value = self.curve.value(self.cost(x, t, kept));
        (if w == 0.0 { 0.0 } else { w * value }, kept)
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
        let class = self
            .classes
            .get(i)
            .filter(|&t| self.classes.weight(t) != 0.0);
        let Some(t) = class else {
            return dx.fill(T::ZERO);
        };
        let slope = self.curve.slope(self.cost(x, t, kept));
        let scale = T::of(g.f64() * self.classes.weight(t) * slope);
        match &self.shift {
            None => kept.softmax::<I>(x, scale, dx),
            Some((_, shift)) => kept.softmax_shifted::<I>(x, shift, scale, dx),
        }
        // A row's slopes add up to nothing: the true class gets what the others lack, which keeps its digits where
        // `p - 1` would cancel.
        dx[t] = T::ZERO;
        dx[t] = T::of(-row_sum(dx));
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        if v[0].numel() == 0 {
            return self.classes.nothing();
        }
        let mut x = self.classes.live(&v[0], self.dim)?;
        if let Some((shift, _)) = &self.shift {
            x = x.add(Var::from(along(shift, x.ndim(), self.dim)?))?;
        }
        let c = -self.classes.pick(&x.log_softmax(self.dim)?, self.dim)?;
        let rows = self.classes.weigh(self.curve.definition(&c)?)?;
        rows.keep_where(&self.classes.counts()?)
    }
}
