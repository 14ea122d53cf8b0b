use super::super::checks::{input_shape, option, parameter};
use super::kernel::{Affine, Normalize, Stats};
use crate::module::{Mode, Module};
use crate::parts::{Buffer, Count};
use losses::autograd::{Float, Param, Tape, fused};
use losses::{Result, Tensor, Var};

/// Each channel brought to mean 0 and deviation 1 over the examples and all places, and then weighted.
///
/// `x` has shape `[N, C]` or `[N, C, L]`, with `D = 2` `[N, C, H, W]`. In training, mean and variance are those of the
/// batch, and go into running means; in use they are these. Which it is, the layer's [`Mode`] says: by default, what
/// lies on a tape is trained with.
///
/// ```
/// use nn::prelude::*;
/// let layer = BatchNorm1d::<f64>::new(1)?.momentum(0.5);
/// let x = Tensor::from([[1.0], [3.0]]);
/// // In training: mean 2, variance 1.
/// let y = layer.forward(&Tape::new().input(x.clone()))?;
/// assert!((y.value()[[1, 0]] - 1.0).abs() < 1e-5);
/// // In use: halfway between the first running means 0 and 1, and those of the batch, 2 and (not biased) 2.
/// let y = layer.forward(&Var::from(x))?;
/// assert!((y.value()[[1, 0]] - (3.0 - 1.0) / 1.5f64.sqrt()).abs() < 1e-5);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// Ioffe and Szegedy 2015, arXiv:1502.03167; PyTorch,
/// [`torch.nn.BatchNorm1d`](https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html).
/// # Differs from PyTorch
/// An input that is not finite leaves the running means as they are.
#[derive(Clone, Debug)]
pub struct BatchNorm<T: Float, const D: usize> {
    /// The factor of each channel, 1 at first.
    pub weight: Option<Param<T>>,
    /// What is added to each channel, 0 at first.
    pub bias: Option<Param<T>>,
    /// The running mean of each channel.
    pub running_mean: Option<Buffer<T>>,
    /// The running variance of each channel.
    pub running_var: Option<Buffer<T>>,
    /// The number of batches that went into the running means.
    pub num_batches_tracked: Option<Count>,
    /// How it knows whether it trains.
    pub mode: Mode,
    channels: usize,
    eps: f64,
    momentum: Option<f64>,
}

/// [`BatchNorm`] of vectors, or of sequences of them.
pub type BatchNorm1d<T> = BatchNorm<T, 1>;
/// [`BatchNorm`] of pictures.
pub type BatchNorm2d<T> = BatchNorm<T, 2>;

impl<T: Float, const D: usize> BatchNorm<T, D> {
    const OP: &'static str = if D == 1 {
        "batch_norm1d"
    } else {
        "batch_norm2d"
    };

    /// For inputs with so many channels.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) for more channels than there can be.
    pub fn new(channels: usize) -> Result<Self> {
        Ok(BatchNorm {
            weight: Some(Param::new(Tensor::ones(channels)?)),
            bias: Some(Param::new(Tensor::zeros(channels)?)),
            running_mean: Some(Buffer::new(Tensor::zeros(channels)?)),
            running_var: Some(Buffer::new(Tensor::ones(channels)?)),
            num_batches_tracked: Some(Count::default()),
            mode: Mode::default(),
            channels,
            eps: 1e-5,
            momentum: Some(0.1),
        })
    }

    /// `ε`, which keeps the root above 0. Default: 1e-5.
    #[must_use]
    pub fn eps(self, eps: f64) -> Self {
        BatchNorm { eps, ..self }
    }

    /// The share of the newest batch in the running means; `None` for the mean of all batches. Default: 0.1.
    #[must_use]
    pub fn momentum(self, momentum: impl Into<Option<f64>>) -> Self {
        BatchNorm {
            momentum: momentum.into(),
            ..self
        }
    }

    /// Without `weight` and `bias`: PyTorch's `affine=False`.
    #[must_use]
    pub fn without_affine(self) -> Self {
        BatchNorm {
            weight: None,
            bias: None,
            ..self
        }
    }

    /// Without running means, the batch's own being used always: PyTorch's `track_running_stats=False`.
    #[must_use]
    pub fn without_running_stats(self) -> Self {
        BatchNorm {
            running_mean: None,
            running_var: None,
            num_batches_tracked: None,
            ..self
        }
    }

    /// Takes the batch's statistics, over `count` values each, into the running means.
    fn follow(&self, stats: &Stats, count: usize) -> Result<()> {
        let (Some(mean), Some(var)) = (&self.running_mean, &self.running_var) else {
            return Ok(());
        };
        if stats.iter().flatten().any(|s| !s.is_finite()) {
            return Ok(());
        }
        let batches = self.num_batches_tracked.as_ref().map_or(1, Count::next);
        let share = self.momentum.unwrap_or(1.0 / batches as f64);
        let unbiased = count as f64 / (count as f64 - 1.0);
        for (buffer, k, factor) in [(mean, 0, 1.0), (var, 1, unbiased)] {
            let old = buffer.value().to_vec();
            let new = (old.iter().zip(stats))
                .map(|(o, s)| T::of((1.0 - share) * o.f64() + share * factor * s[k]))
                .collect();
            buffer.set(Tensor::from_vec(new, self.channels)?);
        }
        Ok(())
    }
}

crate::parts!(BatchNorm<T, const D: usize> {
    weight, bias, running_mean, running_var, num_batches_tracked, mode
});

impl<T: Float, const D: usize> Module<T> for BatchNorm<T, D> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let shape = x.shape();
        let dims = if D == 1 { 2..=3 } else { D + 2..=D + 2 };
        if !dims.contains(&shape.len()) || shape[1] != self.channels {
            let dims = if D == 1 {
                "[N, C] or [N, C, L]"
            } else {
                "[N, C, H, W]"
            };
            let expected = format!(
                "it must be {dims} with C = {}, the layer's channels",
                self.channels
            );
            return Err(input_shape(Self::OP, shape, expected));
        }
        option(
            Self::OP,
            "eps",
            self.eps >= 0.0,
            self.eps,
            "it must not be negative",
        )?;
        for (what, value) in [
            ("the weight", self.weight.as_ref().map(Param::value)),
            ("the bias", self.bias.as_ref().map(Param::value)),
            (
                "the running mean",
                self.running_mean.as_ref().map(Buffer::value).as_ref(),
            ),
            (
                "the running variance",
                self.running_var.as_ref().map(Buffer::value).as_ref(),
            ),
        ] {
            parameter(Self::OP, what, value, &[self.channels])?;
        }
        // One number for each channel, beside the places.
        let each: Vec<usize> = (0..shape.len())
            .map(|d| if d == 1 { self.channels } else { 1 })
            .collect();
        let (weight, bias) = (
            self.weight.as_ref().map(|w| w.on(x)),
            self.bias.as_ref().map(|b| b.on(x)),
        );
        let running = self.running_mean.as_ref().zip(self.running_var.as_ref());
        if let (Some((mean, var)), false) = (running, self.mode.trains(x)) {
            let scale = Var::from(var.value()).add(self.eps)?.pow(-0.5)?;
            let mut y = x.sub(Var::from(mean.value()).reshape(&each)?)?;
            y = match &weight {
                Some(w) => y.mul(w.mul(scale)?.reshape(&each)?)?,
                None => y.mul(scale.reshape(&each)?)?,
            };
            return match &bias {
                Some(b) => y.add(b.reshape(&each)?),
                None => Ok(y),
            };
        }
        let count = x.numel() / self.channels.max(1);
        if count < 2 && self.channels > 0 {
            let expected = "in training each channel must have more than one value: their deviation would be 0";
            return Err(input_shape(Self::OP, shape, expected));
        }
        let op = Normalize {
            name: Self::OP,
            center: true,
            eps: self.eps,
            affine: Affine::Row,
            weight: weight.is_some(),
            bias: bias.is_some(),
            stats: Default::default(),
        };
        let stats = op.stats.clone();
        // Channels as rows.
        let turned = x.transpose(0, 1)?;
        let rows = turned.reshape([self.channels, count])?;
        let inputs: Vec<&Var<T>> = [Some(&rows), weight.as_ref(), bias.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        let y = fused(op, &inputs)?;
        // A checkpoint that runs the layer again has shown it this batch before.
        if !x.tape().is_some_and(Tape::replays) {
            self.follow(&stats.borrow(), count)?;
        }
        y.reshape(turned.shape())?.transpose(0, 1)
    }

    fn describe(&self) -> String {
        format!("BatchNorm{D}d({})", self.channels)
    }
}
