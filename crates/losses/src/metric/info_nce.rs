use super::pairs::{
    self, PairLoss, Pairs, RowPass, Softmax, Units, contrast, cross_entropy, reduced, row_scale,
};
use super::vector::{check_matrix, direction};
use crate::check::{self, same_shape};
use crate::reduction::Reduction;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::Isa;
use autograd::{Error, Float, Fused, Needs, Result, Tensor, Var, fused, keepdim};

options! {
    /// Draws each query to its own key, and away from the keys of the others: learning from pairs without labels.
    ///
    /// # Formula
    /// With the cosines `s[i, j]` of query `i` and key `j`, and `k = 1 / temperature`:
    /// `l[i] = ln Σ_j e^(k s[i, j]) - k s[i, i]`, the cross entropy with the own key as the class.
    /// [`forward_with_negatives`](InfoNce::forward_with_negatives) has the same keys for all queries in place of the other
    /// queries' keys: `l[i] = ln (e^(k s[i]) + Σ_j e^(k n[i, j])) - k s[i]`. `Mean` divides by the number of queries.
    /// Gradient of the cosines: `k (softmax(k s) - 1)` for the own key, `k softmax(k s)` for the others; of a vector `x`
    /// from that of its direction `x̂`: `(g - (g · x̂) x̂) / ‖x‖`, and 0 for a vector of zeros.
    /// # Shape
    /// `query` and `key`: `(N, D)`; `negatives`: `(M, D)`; the result is `(N)` with
    /// [`Reduction::None`](crate::Reduction::None), else a scalar.
    /// # Errors
    /// [`Error::Shape`] if shapes disagree or there are no negatives, [`Error::Option`] if `temperature` is not above 0.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// // Each query's own key lies in its direction, the other one at right angles: ln(1 + e^-1).
    /// let query = Var::from(Tensor::from([[1.0f64, 0.0], [0.0, 3.0]]));
    /// let key = Var::from(Tensor::from([[2.0f64, 0.0], [0.0, 1.0]]));
    /// let loss = InfoNce::new().temperature(1.0).forward(&query, &key)?;
    /// assert!((loss.item()? - (-1f64).exp().ln_1p()).abs() < 1e-15);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # When to use
    /// For two views or two kinds of data of which only the pairs are known. Large batches matter, as all negatives come
    /// from them, or give negatives from a queue of earlier keys. It goes one way, from queries to keys; both ways is
    /// [`clip_loss`](super::clip_loss), and two views of one kind that are also negatives among themselves
    /// [`ntxent`](super::ntxent). With labels, [`sup_con_loss`](super::sup_con_loss).
    /// # Reference
    /// Van den Oord, Li and Vinyals, *Representation Learning with Contrastive Predictive Coding*,
    /// [1807.03748](https://arxiv.org/abs/1807.03748); He et al., *Momentum Contrast*,
    /// [1911.05722](https://arxiv.org/abs/1911.05722), for the temperature and the negatives apart.
    /// # Differs from PyTorch
    /// PyTorch does not have it.
    pub struct InfoNce {
        /// What cosines are divided by: the smaller, the more the nearest of the wrong keys count. Above 0.
        temperature: f64 = 0.07,
    }
}

impl InfoNce {
    /// The loss of queries and their keys, each other query's key being a negative.
    ///
    /// # Errors
    /// See [`InfoNce`].
    #[track_caller]
    pub fn forward<T: Float>(&self, query: &Var<T>, key: &Var<T>) -> Result<Var<T>> {
        let k = self.check(query, key)?;
        let n = query.shape()[0] as f64;
        pairs::run(InBatch { k }, &[query, key], self.reduction, n)
    }

    /// The loss of queries and their keys, with the same negatives for all queries; other queries' keys do not count.
    ///
    /// # Errors
    /// See [`InfoNce`].
    #[track_caller]
    pub fn forward_with_negatives<T: Float>(
        &self,
        query: &Var<T>,
        key: &Var<T>,
        negatives: &Var<T>,
    ) -> Result<Var<T>> {
        let k = self.check(query, key)?;
        let fits = negatives.ndim() == 2
            && negatives.shape()[1] == query.shape()[1]
            && negatives.shape()[0] > 0;
        if !fits {
            let expected = format!(
                "the queries have shape {:?}: it must be (M, D), at least one vector of their size",
                query.shape()
            );
            return Err(Error::Shape {
                op: NAME,
                what: "the tensor of negatives",
                got: negatives.shape().into(),
                expected,
            });
        }
        let divisor = self
            .reduction
            .divisor(query.shape()[0] as f64, query.shape());
        let loss = WithNegatives {
            k,
            reduction: self.reduction,
            divisor,
        };
        fused(loss, &[query, key, negatives])
    }

    /// Checks all but the negatives; the inverse of the temperature.
    fn check<T: Float>(&self, query: &Var<T>, key: &Var<T>) -> Result<f64> {
        check_matrix(NAME, "the query", query.shape())?;
        same_shape(NAME, "the key", key.shape(), query.shape())?;
        inverse(NAME, self.temperature)
    }
}

/// [`InfoNce`] with its defaults.
///
/// # Errors
/// See [`InfoNce`].
#[track_caller]
pub fn info_nce<T: Float>(query: &Var<T>, key: &Var<T>) -> Result<Var<T>> {
    InfoNce::new().forward(query, key)
}

const NAME: &str = "info_nce";

/// The inverse of a temperature, which is checked.
pub(super) fn inverse(op: &'static str, temperature: f64) -> Result<f64> {
    let holds = temperature > 0.0 && temperature.is_finite();
    check::option(op, "temperature", temperature, holds, "it must be above 0")?;
    Ok(1.0 / temperature)
}

#[derive(Clone)]
struct InBatch {
    k: f64,
}

impl<T: Float> RowPass<T> for InBatch {
    const NAME: &'static str = NAME;
    type Out = f64;

    #[inline(always)]
    fn row<I: Isa>(&self, i: usize, s: &mut [T]) -> f64 {
        contrast::<I, T>(s, i, self.k)
    }
}

impl<T: Float> PairLoss<T> for InBatch {
    #[track_caller]
    fn definition(&self, s: &Var<T>) -> Result<Var<T>> {
        let own = Tensor::arange(0, s.shape()[0] as i64, 1)?;
        cross_entropy(&s.mul(self.k)?, &own)
    }
}

#[derive(Clone)]
struct WithNegatives {
    k: f64,
    reduction: Reduction,
    divisor: f64,
}

/// The rows of cosines of queries and negatives, with the cosines of queries and keys beside them.
#[derive(Clone)]
struct Beside<T> {
    k: f64,
    own: Vec<T>,
}

impl<T: Float> RowPass<T> for Beside<T> {
    const NAME: &'static str = NAME;
    /// The loss, and the slope in the own cosine.
    type Out = (f64, f64);

    #[inline(always)]
    fn row<I: Isa>(&self, i: usize, s: &mut [T]) -> (f64, f64) {
        let softmax = Softmax::of::<I, T>(s, self.own[i], self.k);
        let factor = T::of(softmax.factor());
        for v in s.iter_mut() {
            *v = *v * factor;
        }
        let own = self.own[i].f64();
        (softmax.cost(own), -softmax.missing(own))
    }
}

/// What is kept: queries and negatives with the gradients of their cosines, the keys, and the gradients of the cosines
/// of queries with their own keys, a column.
struct Kept<T: Float> {
    pairs: Pairs<T>,
    key: Units<T>,
    own: Tensor<T>,
}

impl<T: Float> Fused<T> for WithNegatives {
    type Saved = Kept<T>;

    fn name(&self) -> &'static str {
        NAME
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let query = direction(&v[0])?;
        let own = query.mul(direction(&v[1])?)?.sum(keepdim(1))?;
        let others = query.matmul(&direction(&v[2])?.t())?;
        let all = Var::cat(&[&own, &others], 1)?.mul(self.k)?;
        let rows = cross_entropy(&all, &Tensor::zeros(v[0].shape()[0])?)?;
        self.reduction.apply(&rows, self.divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Kept<T>)> {
        let mut pairs = Pairs::of(NAME, inputs[0], Some(inputs[2]))?;
        let key = Units::of(NAME, inputs[1])?;
        let own = pairs.a.rows.mul(&key.rows)?.sum(1)?.to_vec();
        let (values, own): (Vec<f64>, Vec<f64>) =
            pairs.pass(&Beside { k: self.k, own }).into_iter().unzip();
        let y = reduced(NAME, self.reduction, &values, self.divisor)?;
        let own = own.into_iter().map(T::of).collect();
        let own = Tensor::from_vec(own, [values.len(), 1])?;
        Ok((y, Kept { pairs, key, own }))
    }

    fn backward(
        &self,
        _: &[&Tensor<T>],
        kept: &Kept<T>,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let Kept { pairs, key, own } = kept;
        let scale = row_scale(self.reduction, dy, self.divisor)?;
        let own = own.mul(&scale)?;
        let [others, negatives] = pairs.back_each(&scale, [needs.get(0), needs.get(2)])?;
        let query = others
            .map(|others| pairs.a.back(key.rows.mul(&own)?).add(&others))
            .transpose()?;
        let keys = needs
            .get(1)
            .then(|| Ok(key.back(pairs.a.rows.mul(&own)?)))
            .transpose()?;
        Ok([query, keys, negatives].into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, Checked, assert_close, check_loss};
    use autograd::Tape;

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = "info_nce";
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            let options = InfoNce::new()
                .temperature(case.f64("temperature", 0.07))
                .reduction(case.reduction());
            // Inputs come in the order of their names.
            match v {
                [key, query] => options.forward(query, key),
                [key, negatives, query] => options.forward_with_negatives(query, key, negatives),
                _ => unreachable!("{} inputs", v.len()),
            }
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    /// A query in the direction of its key, the other one opposite: at a temperature of 0.05 the loss is e^-40, which is
    /// nothing beside 1, and the gradient of the cosines ±20 e^-40.
    #[test]
    fn a_confident_row_keeps_its_digits() {
        let tape = Tape::new();
        let query = tape.leaf(Tensor::from([[1.0f32, 0.0], [-1.0, 0.0]]));
        let key = Var::from(Tensor::from([[1.0f32, 0.5], [-1.0, 0.5]]));
        let aligned = Var::from(Tensor::from([[1.0f32, 0.0], [-1.0, 0.0]]));
        let options = InfoNce::new().temperature(0.05);
        let loss = options.forward(&query, &aligned).unwrap();
        let want = Tensor::scalar((-40f64).exp() as f32);
        assert_close("loss", loss.value(), &want, 4e-6, 0.0);
        // Of the own key the slope is 20 (p - 1) = -20 e, of the other one 20 e, with e = e^(-40 cos) for
        // cos = 1/√1.25; the vertical part of their difference is ∓e 20 sin / 2, as a mean over two rows.
        let loss = options.forward(&query, &key).unwrap();
        let dx = loss.backward().unwrap();
        let (cos, sin) = (1.0 / 1.25f64.sqrt(), 0.5 / 1.25f64.sqrt());
        let e = (-40.0 * cos).exp();
        assert_close("loss", loss.value(), &Tensor::scalar(e as f32), 1e-5, 0.0);
        // Both keys point up alike, so the vertical parts of the own and the other key cancel; nothing is left of them.
        let up = dx.get(&query).unwrap().to_vec()[1];
        assert!(f64::from(up).abs() < 1e-5 * 10.0 * e * sin, "{up}");
    }

    #[test]
    fn vectors_of_zeros_and_huge_ones() {
        for size in [1e20f32, 1e-20] {
            let tape = Tape::new();
            let query = tape.leaf(Tensor::from([[size, 0.0], [0.0, 0.0], [0.0, size]]));
            let key = tape.leaf(Tensor::from([[0.0, size], [size, size], [0.0, 0.0]]));
            let options = InfoNce::new().temperature(1.0).reduction(Reduction::None);
            let loss = options.forward(&query, &key).unwrap();
            // Cosines 0, √½, 0 for the first query, 1, √½, 0 for the last, and all 0 for the one of zeros.
            let (half, e) = (0.5f64.sqrt().exp(), 1f64.exp());
            let want = [(2.0 + half).ln(), 3f64.ln(), (1.0 + e + half).ln()];
            assert_close(
                "loss",
                loss.value(),
                &Tensor::from(want.map(|v| v as f32)),
                1e-6,
                0.0,
            );
            let grads = loss.sum(..).unwrap().backward().unwrap();
            let (dq, dk) = (grads.get(&query).unwrap(), grads.get(&key).unwrap());
            assert_eq!(dq.to_vec()[2..4], [0.0, 0.0]);
            assert_eq!(dk.to_vec()[4..], [0.0, 0.0]);
            assert!(dq.find(|v| !v.finite()).is_none() && dk.find(|v| !v.finite()).is_none());
        }
    }

    /// Nothing tells one vector from another: each row costs ln N, and what is left of its slopes, which are ±1 over the
    /// temperature before they cancel, is rounding.
    #[test]
    fn vectors_all_alike_cost_the_logarithm_of_their_number() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([[1.0f32, 0.5, 0.25]]).repeat([4, 1]).unwrap());
        let loss = InfoNce::new().temperature(0.1).forward(&x, &x).unwrap();
        assert_close("loss", loss.value(), &Tensor::scalar(4f32.ln()), 1e-6, 0.0);
        let dx = loss.backward().unwrap();
        assert!(
            dx.get(&x)
                .unwrap()
                .find(|v| v.abs() > 10.0 * 2.0 * f32::EPSILON)
                .is_none()
        );
    }

    #[test]
    fn an_empty_batch() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f64>::zeros([0, 3]).unwrap());
        for reduction in [Reduction::None, Reduction::Sum, Reduction::Mean] {
            let loss = InfoNce::new().reduction(reduction).forward(&x, &x).unwrap();
            match reduction {
                Reduction::None => assert_eq!(loss.numel(), 0),
                Reduction::Sum => assert_eq!(loss.item().unwrap(), 0.0),
                _ => assert!(loss.item().unwrap().is_nan()),
            }
            let grads = loss.sum(..).unwrap().backward().unwrap();
            assert_eq!(grads.get(&x).unwrap().shape(), [0, 3]);
        }
    }

    /// Cosines do not know of lengths, and the order of the batch does not matter.
    #[test]
    fn lengths_and_order_do_not_count() {
        let (q, k) = (
            Tensor::from([[1.0, 2.0], [-0.5, 1.0], [0.3, -2.0]]),
            Tensor::from([[0.5, 1.5], [-1.0, 0.2], [1.0, -1.0]]),
        );
        let loss =
            |q: &Tensor<f64>, k: &Tensor<f64>| info_nce(&q.into(), &k.into()).unwrap().item();
        let plain = loss(&q, &k).unwrap();
        let long = Tensor::from([[2.0], [5.0], [0.1]]);
        let moved = loss(&q.mul(&long).unwrap(), &k).unwrap();
        assert!((plain - moved).abs() < 1e-14);
        let turned = loss(&q.flip(0).unwrap(), &k.flip(0).unwrap()).unwrap();
        assert!((plain - turned).abs() < 1e-14);
    }

    #[test]
    fn the_message_shows_the_temperature() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0]]));
        let e = InfoNce::new().temperature(0.0).forward(&x, &x).unwrap_err();
        assert_eq!(
            e.to_string(),
            "info_nce: temperature is 0, but it must be above 0"
        );
        let e = InfoNce::new().forward_with_negatives(
            &x,
            &x,
            &Var::from(Tensor::zeros([0, 2]).unwrap()),
        );
        assert_eq!(
            e.unwrap_err().to_string(),
            "info_nce: the tensor of negatives has shape [0, 2], but the queries have shape [1, 2]: it must be (M, D), at \
             least one vector of their size"
        );
    }
}
