//! The affine map of a layer, as one operation: the product is added to the bias where it stands.

use crate::fused::{Fused, FusedGrads, fused};
use crate::op::Needs;
use crate::var::Var;
use tensor_core::{Float, Result, Tensor};

#[derive(Clone)]
struct Linear;

impl<T: Float> Fused<T> for Linear {
    type Saved = ();

    fn name(&self) -> &'static str {
        "linear"
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let y = v[0].matmul(&v[1].t())?;
        v.get(2).map_or(Ok(y.clone()), |bias| y.add(bias))
    }

    fn forward(&self, v: &[&Tensor<T>]) -> Result<(Tensor<T>, ())> {
        Ok((v[0].linear(v[1], v.get(2).copied())?, ()))
    }

    fn backward(
        &self,
        v: &[&Tensor<T>],
        _: &(),
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let (x, weight) = (v[0], v[1]);
        let (outputs, inputs) = (weight.shape()[0], weight.shape()[1]);
        let dx = needs.get(0).then(|| dy.matmul(weight)).transpose()?;
        // All rows went through one matrix: its gradient is one product over all of them.
        let rows: usize = x.shape()[..x.ndim() - 1].iter().product();
        let tall = |x: &Tensor<T>, width| x.reshape([rows, width]);
        let folded = match x.ndim() {
            2 => None,
            _ => Some((tall(dy, outputs)?, tall(x, inputs)?)),
        };
        let (dy, x) = folded.as_ref().map_or((dy, x), |(dy, x)| (dy, x));
        let mut grads = FusedGrads::with_capacity(v.len());
        grads.push(dx);
        grads.push(needs.get(1).then(|| dy.t().matmul(x)).transpose()?);
        if v.len() > 2 {
            grads.push(needs.get(2).then(|| dy.sum(0)).transpose()?);
        }
        Ok(grads)
    }
}

impl<T: Float> Var<T> {
    /// `x Wᵀ + b`, for `x` of shape `[…, in]`, a weight of `[out, in]` and a bias of `[out]` or none: PyTorch's
    /// [`linear`](https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html). See [`Tensor::linear`].
    ///
    /// Gradients: `dx = dy W`, `dW = dyᵀ x` over all rows, `db = Σ dy`.
    ///
    /// ```
    /// use autograd::{Tape, Tensor, Var};
    /// let tape = Tape::new();
    /// let weight = tape.leaf(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let bias = tape.leaf(Tensor::from([0.5, 0.0]));
    /// let y = Var::from(Tensor::from([[1.0, 1.0]])).linear(&weight, &bias)?;
    /// assert_eq!(y.value(), &Tensor::from([[3.5, 7.0]]));
    /// let grads = y.sum(..)?.backward()?;
    /// assert_eq!(grads.get(&weight)?, &Tensor::from([[1.0, 1.0], [1.0, 1.0]]));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// As [`Tensor::linear`], and [`Error::Tape`](crate::Error::Tape) for operands on different tapes.
    #[track_caller]
    pub fn linear<'a>(
        &self,
        weight: &Var<T>,
        bias: impl Into<Option<&'a Var<T>>>,
    ) -> Result<Var<T>> {
        match bias.into() {
            Some(bias) => fused(Linear, &[self, weight, bias]),
            None => fused(Linear, &[self, weight]),
        }
    }
}
