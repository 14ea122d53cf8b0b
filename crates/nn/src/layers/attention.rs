use super::checks::{input_shape, on_behalf, option, parameter};
use super::{Dropout, Linear};
use crate::init;
use crate::module::Module;
use losses::autograd::{Float, Param};
use losses::{Error, Result, Tensor, Var};
use rand::{Rng, RngExt};
use std::panic::Location;

/// Each place of a sequence reads from the places of another, in several heads.
///
/// Queries, keys and values are linear in the inputs; with `d` the width of a head, each head's output is
/// `softmax(Q Kᵀ / √d) V`, and the heads side by side go through a last linear layer. Inputs have shape `[L, N, embed]`,
/// or `[N, L, embed]` with `batch_first`, or `[L, embed]` for one example.
///
/// As a [`Module`] it is self-attention: query, key and value are the same.
///
/// ```
/// use nn::prelude::*;
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let attention = MultiheadAttention::<f32>::new(8, 2, &mut rng)?.batch_first(true);
/// let x = Var::from(Tensor::randn([3, 5, 8], &mut rng)?);
/// assert_eq!(attention.forward(&x)?.shape(), [3, 5, 8]);
/// let (y, weights) = attention.attend(&x, &x, &x, &AttentionMask::new().causal(true))?;
/// assert_eq!((y.shape(), weights.shape()), (&[3, 5, 8][..], &[3, 5, 5][..]));
/// assert_eq!(weights.value()[[0, 0, 1]], 0.0);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// Vaswani et al. 2017, arXiv:1706.03762; PyTorch,
/// [`torch.nn.MultiheadAttention`](https://pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html).
/// # Differs from PyTorch
/// A place that may read from none gets zeros, and not NaN. Keys and values are as wide as queries; masks are of truth
/// values.
#[derive(Clone, Debug)]
pub struct MultiheadAttention<T: Float> {
    /// The weights that make queries, keys and values, in this order, of shape `[3 embed, embed]`.
    pub in_proj_weight: Param<T>,
    /// What is added to them, of shape `[3 embed]`.
    pub in_proj_bias: Option<Param<T>>,
    /// What the heads' outputs go through.
    pub out_proj: Linear<T>,
    dropout: Option<Dropout>,
    heads: usize,
    batch_first: bool,
}

crate::parts!(MultiheadAttention<T> { in_proj_weight, in_proj_bias, out_proj, dropout });

/// From where places may not read.
#[derive(Clone, Debug, Default)]
pub struct AttentionMask {
    key_padding: Option<Tensor<bool>>,
    attention: Option<Tensor<bool>>,
    causal: bool,
}

impl AttentionMask {
    /// From everywhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// True where a key is no symbol and none may read from it: PyTorch's `key_padding_mask`, of shape `[N, S]`, or
    /// `[S]` for one example.
    #[must_use]
    pub fn key_padding(self, mask: Tensor<bool>) -> Self {
        AttentionMask {
            key_padding: Some(mask),
            ..self
        }
    }

    /// True where a place may not read from another: PyTorch's `attn_mask`, of shape `[L, S]` or `[N · heads, L, S]`.
    #[must_use]
    pub fn attention(self, mask: Tensor<bool>) -> Self {
        AttentionMask {
            attention: Some(mask),
            ..self
        }
    }

    /// Whether a place may not read from those after it. Default: it may.
    #[must_use]
    pub fn causal(self, causal: bool) -> Self {
        AttentionMask { causal, ..self }
    }
}

impl<T: Float> MultiheadAttention<T> {
    /// For inputs of `embed` numbers at each place. The weights of queries, keys and values begin as Xavier's uniform,
    /// biases as zeros, and the last layer as [`Linear`] does: all as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Option`] for a number of heads that does not divide `embed`.
    pub fn new(embed: usize, heads: usize, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        let fits = heads > 0 && embed > 0 && embed.is_multiple_of(heads);
        option(
            "multihead_attention",
            "num_heads",
            fits,
            heads,
            "it must divide the width of the embedding",
        )?;
        let mut out_proj = Linear::new(embed, embed, rng)?;
        out_proj.bias = Some(Param::new(Tensor::zeros(embed)?));
        Ok(MultiheadAttention {
            in_proj_weight: Param::new(init::xavier_uniform([3 * embed, embed], 1.0, rng)?),
            in_proj_bias: Some(Param::new(Tensor::zeros(3 * embed)?)),
            out_proj,
            dropout: None,
            heads,
            batch_first: false,
        })
    }

    /// Whether the examples come before the places in all shapes. Default: no.
    #[must_use]
    pub fn batch_first(self, batch_first: bool) -> Self {
        MultiheadAttention {
            batch_first,
            ..self
        }
    }

    /// The same without biases.
    #[must_use]
    pub fn without_bias(self) -> Self {
        MultiheadAttention {
            in_proj_bias: None,
            out_proj: self.out_proj.without_bias(),
            ..self
        }
    }

    /// With a [`Dropout`] of the attention weights, whose seed is drawn from `rng`. Default: none.
    ///
    /// # Errors
    /// [`Error::Option`] for a `p` outside `0..=1`.
    pub fn dropout(self, p: f64, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        Ok(MultiheadAttention {
            dropout: Some(Dropout::new(p, rng.random())?),
            ..self
        })
    }

    /// What each place of `query` reads, and with which weights it does: the mean over the heads, of shape `[N, L, S]`,
    /// or `[L, S]` for one example.
    ///
    /// # Errors
    /// [`Error::Shape`] for inputs or masks that do not fit each other or the layer.
    #[track_caller]
    pub fn attend(
        &self,
        query: &Var<T>,
        key: &Var<T>,
        value: &Var<T>,
        mask: &AttentionMask,
    ) -> Result<(Var<T>, Var<T>)> {
        let attend = || self.attend_to(query, key, value, mask);
        on_behalf(query, Location::caller(), attend)
    }

    fn attend_to(
        &self,
        query: &Var<T>,
        key: &Var<T>,
        value: &Var<T>,
        mask: &AttentionMask,
    ) -> Result<(Var<T>, Var<T>)> {
        let op = "multihead_attention";
        let embed = self.out_proj.weight.value().shape()[0];
        let single = query.ndim() == 2;
        // All as [N, L, embed].
        let batch = |x: &Var<T>| {
            if x.shape().last() != Some(&embed)
                || x.ndim() != query.ndim()
                || !(single || x.ndim() == 3)
            {
                let order = if self.batch_first {
                    "[N, L, …]"
                } else {
                    "[L, N, …]"
                };
                let expected = format!(
                    "it must be {order} or [L, …], as the query, with {embed} numbers at each place"
                );
                return Err(input_shape(op, x.shape(), expected));
            }
            match (single, self.batch_first) {
                (true, _) => x.unsqueeze(0),
                (false, true) => Ok(x.clone()),
                (false, false) => x.transpose(0, 1),
            }
        };
        let (q, k, v) = (batch(query)?, batch(key)?, batch(value)?);
        let [n, l, s] = [q.shape()[0], q.shape()[1], k.shape()[1]];
        if k.shape()[0] != n || v.shape() != k.shape() {
            let expected =
                format!("key and value must have one shape, and {n} examples as the query");
            return Err(input_shape(op, v.shape(), expected));
        }
        for (what, param, shape) in [
            (
                "in_proj_weight",
                Some(&self.in_proj_weight),
                &[3 * embed, embed][..],
            ),
            ("in_proj_bias", self.in_proj_bias.as_ref(), &[3 * embed]),
        ] {
            parameter(op, what, param.map(Param::value), shape)?;
        }
        let width = embed / self.heads;
        // Any of the three may be the one on a tape.
        let tracked = [query, key, value].into_iter().find(|x| x.tape().is_some());
        let tracked = tracked.unwrap_or(query);
        let weight = self.in_proj_weight.on(tracked);
        let bias = self.in_proj_bias.as_ref().map(|b| b.on(tracked));
        // [N, heads, L, width]
        let project = |x: &Var<T>, i: usize| {
            let at = (i * embed) as isize;
            let mut y = x.matmul(&weight.narrow(0, at, embed)?.t())?;
            if let Some(b) = &bias {
                y = y.add(b.narrow(0, at, embed)?)?;
            }
            let places = x.shape()[1];
            y.reshape([n, places, self.heads, width])?.transpose(1, 2)
        };
        let (q, k, v) = (project(&q, 0)?, project(&k, 1)?, project(&v, 2)?);
        let mut scores = q.mul(1.0 / (width as f64).sqrt())?.matmul(&k.t())?;
        let shut = self.shut(mask, [n, l, s])?;
        if let Some(shut) = &shut {
            scores = scores.masked_fill(shut, -T::INFINITY)?;
        }
        let mut weights = scores.softmax(-1)?;
        if let Some(shut) = &shut {
            // Where nothing is left to read from, softmax has no answer.
            weights = weights.masked_fill(shut, T::ZERO)?;
        }
        if let Some(dropout) = &self.dropout {
            weights = dropout.forward(&weights)?;
        }
        let read = weights
            .matmul(&v)?
            .transpose(1, 2)?
            .reshape([n, l, embed])?;
        let mut y = self.out_proj.forward(&read)?;
        let mut mean = weights.mean(1)?;
        if single {
            (y, mean) = (y.squeeze(0)?, mean.squeeze(0)?);
        } else if !self.batch_first {
            y = y.transpose(0, 1)?;
        }
        Ok((y, mean))
    }

    /// Where scores `[N, heads, L, S]` do not count, in a shape that broadcasts to theirs.
    fn shut(&self, mask: &AttentionMask, [n, l, s]: [usize; 3]) -> Result<Option<Tensor<bool>>> {
        let wrong = |what, got: &Tensor<bool>, expected| {
            Err(Error::Shape {
                op: "multihead_attention",
                what,
                got: got.shape().into(),
                expected,
            })
        };
        let mut all: Vec<Tensor<bool>> = Vec::new();
        if let Some(m) = &mask.key_padding {
            if m.shape() != [n, s] && !(n == 1 && m.shape() == [s]) {
                return wrong(
                    "the key padding mask",
                    m,
                    format!("it must be {:?}, examples and keys", [n, s]),
                );
            }
            all.push(m.reshape([n, 1, 1, s])?);
        }
        if let Some(m) = &mask.attention {
            let heads = self.heads;
            all.push(match m.shape() {
                shape if shape == [l, s] => m.reshape([1, 1, l, s])?,
                shape if shape == [n * heads, l, s] => m.reshape([n, heads, l, s])?,
                _ => {
                    let expected = format!("it must be {:?} or {:?}", [l, s], [n * heads, l, s]);
                    return wrong("the attention mask", m, expected);
                }
            });
        }
        if mask.causal {
            let later = (0..l).flat_map(|i| (0..s).map(move |j| j > i)).collect();
            all.push(Tensor::from_vec(later, [1, 1, l, s])?);
        }
        let mut parts = all.into_iter();
        let Some(first) = parts.next() else {
            return Ok(None);
        };
        parts.try_fold(first, |a, b| a.logical_or(&b)).map(Some)
    }
}

impl<T: Float> Module<T> for MultiheadAttention<T> {
    /// Self-attention.
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        Ok(self.attend(x, x, x, &AttentionMask::new())?.0)
    }

    fn describe(&self) -> String {
        let embed = self.out_proj.weight.value().shape()[0];
        format!("MultiheadAttention({embed}, {} heads)", self.heads)
    }
}
