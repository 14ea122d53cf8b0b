use crate::check::{self, same_shape};
use crate::elementwise::{self, Pointwise};
use autograd::tensor_core::kernel::Isa;
use autograd::{Float, Result, Var};

options! {
    /// Teaches a model which of two answers is preferred, against a reference that it is not to leave: direct preference
    /// optimisation.
    ///
    /// # Formula
    /// With `h = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)`, log-probabilities of whole
    /// answers, and `z = beta h`: [`Sigmoid`](DpoVariant::Sigmoid): `(1 - e) softplus(-z) + e softplus(z)` with
    /// `e = label_smoothing`; [`Hinge`](DpoVariant::Hinge): `max(0, 1 - z)`; [`Ipo`](DpoVariant::Ipo):
    /// `(h - 1 / (2 beta))²`. `Mean` divides by the number of pairs. Gradient of `h`: `beta (e σ(z) - (1 - e) σ(-z))`;
    /// `-beta` where `z < 1`, and 0 at 1; `2 (h - 1 / (2 beta))`. It goes to `policy_chosen` and `reference_rejected` as it
    /// is, to the other two negated.
    /// # Shape
    /// The four inputs have one shape, any; so has the result with [`Reduction::None`](crate::Reduction::None), else it is
    /// a scalar.
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes differ, [`Error::Option`](crate::Error::Option) if `beta` is not
    /// above 0, or `label_smoothing` is not in `0..=0.5`, or is given for a variant without it.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let [pc, pr, rc, rr] = [-10.0f64, -12.0, -11.0, -11.0].map(|v| Var::from(Tensor::from([v])));
    /// // h = (-10 + 11) - (-12 + 11) = 2, and z = 0.2.
    /// let loss = dpo_loss(&pc, &pr, &rc, &rr)?;
    /// assert!((loss.item()? - (-0.2f64).exp().ln_1p()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// To tune a language model by pairs of answers without a reward model. Log-probabilities are summed over the tokens
    /// of an answer; for `Ipo` its authors take their mean. `label_smoothing` is for preferences that are sometimes wrong,
    /// `Ipo` where pairs are so clear that the sigmoid drives the model without end. To train a reward model on scores of
    /// its own there is `pairwise_logistic`.
    /// # Reference
    /// Rafailov et al., *Direct Preference Optimization*, [2305.18290](https://arxiv.org/abs/2305.18290), equation 7;
    /// Azar et al., [2310.12036](https://arxiv.org/abs/2310.12036), equation 17, for `Ipo`; Zhao et al., *SLiC-HF*,
    /// [2305.10425](https://arxiv.org/abs/2305.10425), for the hinge; Mitchell, *A note on DPO with noisy preferences*,
    /// 2023, for the smoothing.
    /// # Differs from PyTorch
    /// PyTorch does not have it.
    pub struct DpoLoss {
        /// How strongly the model is held to the reference; above 0.
        beta: f64 = 0.1,
        /// The share of preferences that are the wrong way round, from 0 to 0.5; for the sigmoid alone.
        label_smoothing: f64 = 0.0,
        /// The curve that the difference runs through.
        variant: DpoVariant = DpoVariant::Sigmoid,
    }
}

/// The curve of a [`DpoLoss`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DpoVariant {
    /// The logarithm of a sigmoid: the probability of the preference in the model of Bradley and Terry.
    #[default]
    Sigmoid,
    /// A hinge, as of a support vector machine.
    Hinge,
    /// A square about a difference of `1 / (2 beta)`.
    Ipo,
}

impl DpoLoss {
    /// The loss of pairs of answers, from the log-probabilities that the policy and the reference give them.
    ///
    /// # Errors
    /// See [`DpoLoss`].
    #[track_caller]
    pub fn forward<T: Float>(
        &self,
        policy_chosen: &Var<T>,
        policy_rejected: &Var<T>,
        reference_chosen: &Var<T>,
        reference_rejected: &Var<T>,
    ) -> Result<Var<T>> {
        let shape = policy_chosen.shape();
        for (what, x) in [
            ("policy_rejected", policy_rejected),
            ("reference_chosen", reference_chosen),
            ("reference_rejected", reference_rejected),
        ] {
            same_shape(NAME, what, x.shape(), shape)?;
        }
        let (beta, smoothing) = (self.beta, self.label_smoothing);
        let holds = beta > 0.0 && beta.is_finite();
        check::option(NAME, "beta", beta, holds, "it must be above 0")?;
        let holds = (0.0..=0.5).contains(&smoothing);
        check::option(
            NAME,
            "label_smoothing",
            smoothing,
            holds,
            "it must lie in 0..=0.5",
        )?;
        let holds = smoothing == 0.0 || self.variant == DpoVariant::Sigmoid;
        let expected = "it is for the variant `Sigmoid` alone";
        check::option(NAME, "label_smoothing", smoothing, holds, expected)?;
        let inputs = [
            policy_chosen,
            policy_rejected,
            reference_chosen,
            reference_rejected,
        ];
        let mean = policy_chosen.numel() as f64;
        // A type for each curve, so that no loop asks which it is.
        let reduction = self.reduction;
        match self.variant {
            DpoVariant::Sigmoid if smoothing > 0.0 => {
                let curve = Smoothed { beta, smoothing };
                elementwise::run(Dpo(curve), inputs, None, reduction, mean)
            }
            DpoVariant::Sigmoid => {
                elementwise::run(Dpo(Sigmoid { beta }), inputs, None, reduction, mean)
            }
            DpoVariant::Hinge => {
                elementwise::run(Dpo(Hinge { beta }), inputs, None, reduction, mean)
            }
            DpoVariant::Ipo => {
                let target = 0.5 / beta;
                elementwise::run(Dpo(Ipo { target }), inputs, None, reduction, mean)
            }
        }
    }
}

/// [`DpoLoss`] with its defaults.
///
/// # Errors
/// See [`DpoLoss`].
#[track_caller]
pub fn dpo_loss<T: Float>(
    policy_chosen: &Var<T>,
    policy_rejected: &Var<T>,
    reference_chosen: &Var<T>,
    reference_rejected: &Var<T>,
) -> Result<Var<T>> {
    DpoLoss::new().forward(
        policy_chosen,
        policy_rejected,
        reference_chosen,
        reference_rejected,
    )
}

const NAME: &str = "dpo_loss";

/// A curve over the difference `h` of preferences.
trait Curve: Clone + Send + Sync + 'static {
    /// `#[inline(always)]`, as is the slope.
    fn value<I: Isa, T: Float>(&self, h: T) -> T;
    fn slope<I: Isa, T: Float>(&self, h: T) -> T;
    fn definition<T: Float>(&self, h: &Var<T>) -> Result<Var<T>>;
}

/// `c h`, rounded once.
#[inline(always)]
fn scaled<T: Float>(c: f64, h: T) -> T {
    T::of(c * h.f64())
}

#[derive(Clone)]
struct Sigmoid {
    beta: f64,
}

impl Curve for Sigmoid {
    #[inline(always)]
    fn value<I: Isa, T: Float>(&self, h: T) -> T {
        (-scaled(self.beta, h)).softplus::<I>()
    }

    #[inline(always)]
    fn slope<I: Isa, T: Float>(&self, h: T) -> T {
        scaled(-self.beta, (-scaled(self.beta, h)).sigmoid::<I>())
    }

    #[track_caller]
    fn definition<T: Float>(&self, h: &Var<T>) -> Result<Var<T>> {
        Ok((-h.mul(self.beta)?).softplus())
    }
}

#[derive(Clone)]
struct Smoothed {
    beta: f64,
    smoothing: f64,
}

impl Curve for Smoothed {
    #[inline(always)]
    fn value<I: Isa, T: Float>(&self, h: T) -> T {
        let z = scaled(self.beta, h);
        let (right, wrong) = ((-z).softplus::<I>(), z.softplus::<I>());
        T::of((1.0 - self.smoothing) * right.f64() + self.smoothing * wrong.f64())
    }

    #[inline(always)]
    fn slope<I: Isa, T: Float>(&self, h: T) -> T {
        let z = scaled(self.beta, h);
        let (right, wrong) = ((-z).sigmoid::<I>().f64(), z.sigmoid::<I>().f64());
        T::of(self.beta * (self.smoothing * wrong - (1.0 - self.smoothing) * right))
    }

    #[track_caller]
    fn definition<T: Float>(&self, h: &Var<T>) -> Result<Var<T>> {
        let z = h.mul(self.beta)?;
        let right = (-&z).softplus().mul(1.0 - self.smoothing)?;
        right.add(z.softplus().mul(self.smoothing)?)
    }
}

#[derive(Clone)]
struct Hinge {
    beta: f64,
}

impl Curve for Hinge {
    #[inline(always)]
    fn value<I: Isa, T: Float>(&self, h: T) -> T {
        let z = scaled(self.beta, h);
        // Not `max`, which would swallow a NaN.
        if z >= T::ONE { T::ZERO } else { T::ONE - z }
    }

    #[inline(always)]
    fn slope<I: Isa, T: Float>(&self, h: T) -> T {
        let z = scaled(self.beta, h);
        if z >= T::ONE {
            T::ZERO
        } else {
            T::of(-self.beta)
        }
    }

    #[track_caller]
    fn definition<T: Float>(&self, h: &Var<T>) -> Result<Var<T>> {
        Ok((1.0 - h.mul(self.beta)?).relu())
    }
}

#[derive(Clone)]
struct Ipo {
    target: f64,
}

impl Curve for Ipo {
    #[inline(always)]
    fn value<I: Isa, T: Float>(&self, h: T) -> T {
        let off = h.f64() - self.target;
        T::of(off * off)
    }

    #[inline(always)]
    fn slope<I: Isa, T: Float>(&self, h: T) -> T {
        T::of(2.0 * (h.f64() - self.target))
    }

    #[track_caller]
    fn definition<T: Float>(&self, h: &Var<T>) -> Result<Var<T>> {
        Ok(h.sub(self.target)?.square())
    }
}

#[derive(Clone)]
struct Dpo<C>(C);

impl<T: Float, C: Curve> Pointwise<T, 4> for Dpo<C> {
    const NAME: &'static str = NAME;
    const COST: usize = 12;

    #[inline(always)]
    fn value<I: Isa>(&self, [pc, pr, rc, rr]: [T; 4]) -> T {
        self.0.value::<I, T>((pc - rc) - (pr - rr))
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, [pc, pr, rc, rr]: [T; 4]) -> T {
        let slope = self.0.slope::<I, T>((pc - rc) - (pr - rr));
        if K == 0 || K == 3 { slope } else { -slope }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        self.0.definition(&v[0].sub(&v[2])?.sub(v[1].sub(&v[3])?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{Tape, Tensor};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "dpo_loss";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let variant = match case.str("variant") {
                Some("hinge") => DpoVariant::Hinge,
                Some("ipo") => DpoVariant::Ipo,
                _ => DpoVariant::Sigmoid,
            };
            DpoLoss::new()
                .beta(case.f64("beta", 0.1))
                .label_smoothing(case.f64("label_smoothing", 0.0))
                .variant(variant)
                .reduction(case.reduction())
                .forward(&v[0], &v[1], &v[2], &v[3])
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    fn loss_and_slope(options: DpoLoss, chosen: [f64; 3]) -> (Vec<f64>, Vec<f64>) {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from(chosen));
        let zero = Var::from(Tensor::zeros([3]).unwrap());
        let options = options.beta(1.0).reduction(Reduction::None);
        let loss = options.forward(&x, &zero, &zero, &zero).unwrap();
        let dx = loss.sum(..).unwrap().backward().unwrap();
        (loss.value().to_vec(), dx.get(&x).unwrap().to_vec())
    }

    #[test]
    fn the_hinge_at_its_kink_and_beside_it() {
        let (loss, slope) =
            loss_and_slope(DpoLoss::new().variant(DpoVariant::Hinge), [1.0, 0.5, 2.0]);
        assert_eq!((loss, slope), (vec![0.0, 0.5, 0.0], vec![0.0, -1.0, 0.0]));
    }

    #[test]
    fn far_preferences_do_not_overflow() {
        let (loss, slope) = loss_and_slope(DpoLoss::new(), [1e4, -1e4, -1e300]);
        assert_eq!(
            (loss, slope),
            (vec![0.0, 1e4, 1e300], vec![0.0, -1.0, -1.0])
        );
    }

    #[test]
    fn the_message_says_what_smoothing_is_for() {
        let x = Var::from(Tensor::from([0.0f32]));
        let e = DpoLoss::new().variant(DpoVariant::Ipo).label_smoothing(0.1);
        assert_eq!(
            e.forward(&x, &x, &x, &x).unwrap_err().to_string(),
            "dpo_loss: label_smoothing is 0.1, but it is for the variant `Sigmoid` alone"
        );
    }
}
