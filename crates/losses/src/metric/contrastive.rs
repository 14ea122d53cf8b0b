use super::distance::{Distance, Norm, distance};
use crate::check::{self, same_shape};
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::{Error, Float, Result, Tensor, Var};

options! {
    /// Draws pairs of vectors together where the target is 1, and apart to a margin where it is 0.
    ///
    /// # Formula
    /// With `d = ‖a - b‖`: `l = t d²/2 + (1 - t) max(0, margin - d)²/2`; `Mean` divides by the number of pairs. Gradient
    /// for `a`: `(t - (1 - t) max(0, margin - d) / d) (a - b)`, and the same negated for `b`; 0 where the two are equal.
    /// # Shape
    /// `a` and `b`: `(…, D)`; `t`: `(…)`; the result is as `t` with [`Reduction::None`](crate::Reduction::None), else a
    /// scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if shapes disagree, [`Error::Value`](crate::Error::Value) for a target
    /// outside `0..=1`, [`Error::Option`](crate::Error::Option) if `margin` is negative.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let a = Var::from(Tensor::from([[0.0f64, 0.0], [0.0, 0.0]]));
    /// let b = Var::from(Tensor::from([[3.0f64, 4.0], [0.3, 0.4]]));
    /// let loss = ContrastiveLoss::new().reduction(Reduction::None).forward(&a, &b, &Tensor::from([1.0, 0.0]))?;
    /// assert_eq!(loss.value().to_vec(), [12.5, 0.125]); // 5²/2 where alike, (1 - 0.5)²/2 where not
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// For pairs that are known to be alike or not, as in a Siamese network. Where each vector has one that is nearer and
    /// one that is farther, [`triplet_margin_loss`](super::triplet_margin_loss) asks for their order alone; in large
    /// batches [`info_nce`](super::info_nce) learns from all pairs at once.
    /// # Reference
    /// Hadsell, Chopra and LeCun, *Dimensionality Reduction by Learning an Invariant Mapping*, 2006, section 2.1, where
    /// the target is turned round: 0 is for pairs that are alike there.
    /// # Differs from PyTorch
    /// PyTorch does not have it.
    pub struct ContrastiveLoss {
        /// The distance from which on pairs that are not alike cost nothing.
        margin: f64 = 1.0,
    }
}

impl ContrastiveLoss {
    /// The loss of pairs `a`, `b` with targets `t` of 1 for what is alike and 0 for what is not.
    ///
    /// # Errors
    /// See [`ContrastiveLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, a: &Var<T>, b: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
        let margin = self.margin;
        same_shape(NAME, "the second input", b.shape(), a.shape())?;
        if a.ndim() == 0 || t.shape() != &a.shape()[..a.ndim() - 1] {
            let expected = format!(
                "the inputs have shape {:?}: there must be one target for each pair of vectors",
                a.shape()
            );
            return Err(Error::Shape {
                op: NAME,
                what: "the target",
                got: t.shape().into(),
                expected,
            });
        }
        let is_bad = |t: T| !(t >= T::ZERO && t <= T::ONE);
        let expected = "it must be 1 for what is alike, 0 for what is not, or between";
        check::elements(NAME, "target", t, is_bad, expected)?;
        check::option(
            NAME,
            "margin",
            margin,
            margin >= 0.0,
            "it must be 0 or more",
        )?;
        let loss = Contrastive {
            target: t.to_vec(),
            targets: t.clone(),
            margin,
        };
        rowwise::run(loss, [a, b], a.ndim() - 1, self.reduction, t.numel() as f64)
    }
}

/// [`ContrastiveLoss`] with its defaults.
///
/// # Errors
/// See [`ContrastiveLoss`].
#[track_caller]
pub fn contrastive_loss<T: Float>(a: &Var<T>, b: &Var<T>, t: &Tensor<T>) -> Result<Var<T>> {
    ContrastiveLoss::new().forward(a, b, t)
}

const NAME: &str = "contrastive_loss";

#[derive(Clone)]
struct Contrastive<T: Float> {
    target: Vec<T>,
    targets: Tensor<T>,
    margin: f64,
}

impl<T: Float> RowLoss<T, 2> for Contrastive<T> {
    const NAME: &'static str = NAME;
    const COST: usize = 2;
    type Keep = f64;

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, rows: [&[T]; 2]) -> (f64, f64) {
        let (t, d) = (
            self.target[i].f64(),
            Distance::of(Norm::Two, rows, 0.0).value,
        );
        // Not `max`, which would swallow a NaN.
        let near = if d >= self.margin {
            0.0
        } else {
            self.margin - d
        };
        let alike = if t == 0.0 { 0.0 } else { t * d * d };
        (0.5 * (alike + (1.0 - t) * near * near), d)
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(
        &self,
        i: usize,
        [a, b]: [&[T]; 2],
        d: f64,
        g: T,
        dx: &mut [T],
    ) {
        let t = self.target[i].f64();
        let push = if d >= self.margin || d == 0.0 {
            0.0
        } else {
            (1.0 - t) * (self.margin - d) / d
        };
        let g = (t - push) * if K == 0 { g.f64() } else { -g.f64() };
        for ((dx, a), b) in dx.iter_mut().zip(a).zip(b) {
            *dx = T::of(g * (a.f64() - b.f64()));
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let t = Var::from(&self.targets);
        let alike = v[0].sub(&v[1])?.square().sum(-1)?;
        let alike = alike.keep_where(&self.targets.ne(T::ZERO)?)?;
        let near = self.margin - distance(Norm::Two, &v[0], &v[1], 0.0)?;
        let near = near.keep_where(&near.value().le(T::ZERO)?.logical_not())?;
        let apart = near.square().mul(1.0 - &t)?;
        alike.mul(&t)?.add(apart)?.mul(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "contrastive_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            ContrastiveLoss::new()
                .margin(case.f64("margin", 1.0))
                .reduction(case.reduction())
                .forward(&v[0], &v[1], v[2].value())
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// At the margin, beyond it, and where the two vectors are one.
    #[test]
    fn kinks_have_no_slope() {
        let tape = Tape::new();
        let a = tape.leaf(Tensor::from([
            [1.0f64, 0.0],
            [5.0, 0.0],
            [1.0, 2.0],
            [1.0, 2.0],
        ]));
        let b = Var::from(Tensor::from([
            [0.0, 0.0],
            [0.0, 0.0],
            [1.0, 2.0],
            [1.0, 2.0],
        ]));
        let t = Tensor::from([0.0, 0.0, 0.0, 1.0]);
        let options = ContrastiveLoss::new().reduction(crate::Reduction::None);
        let loss = options.forward(&a, &b, &t).unwrap();
        assert_eq!(loss.value().to_vec(), [0.0, 0.0, 0.5, 0.0]);
        let grads = loss.sum(..).unwrap().backward().unwrap();
        assert_eq!(grads.get(&a).unwrap().to_vec(), [0.0; 8]);
    }

    #[test]
    fn far_pairs_that_differ_cost_nothing() {
        let tape = Tape::new();
        let a = tape.leaf(Tensor::from([[1e30f32, -1e30]]));
        let b = Var::from(Tensor::from([[-1e30f32, 1e30]]));
        let loss = contrastive_loss(&a, &b, &Tensor::from([0.0])).unwrap();
        assert_eq!(loss.item().unwrap(), 0.0);
        assert_eq!(
            loss.backward().unwrap().get(&a).unwrap().to_vec(),
            [0.0, 0.0]
        );
    }

    #[test]
    fn the_message_names_the_target() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0], [1.0, 2.0]]));
        let e = contrastive_loss(&x, &x, &Tensor::from([1.0, -1.0])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "contrastive_loss: target[1] is -1, but it must be 1 for what is alike, 0 for what is not, or between"
        );
    }

    #[test]
    fn a_mean_over_nothing_is_nan() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f64>::zeros([0, 3]).unwrap());
        let loss = contrastive_loss(&x, &x, &Tensor::zeros([0]).unwrap()).unwrap();
        assert!(loss.item().unwrap().is_nan());
        assert_eq!(loss.backward().unwrap().get(&x).unwrap().numel(), 0);
    }
}
