//! The two models that go to PyTorch and back; scripts/pytorch_roundtrip.py defines them there.

use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// A small convolutional network for pictures `[N, 1, 8, 8]`.
pub fn pictures(seed: u64) -> Result<Sequential<f32>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    Ok(Sequential::new()
        .push(Conv2d::new(1, 4, 3, rng)?.padding(1))
        .push(BatchNorm2d::new(4)?)
        .push(ReLU)
        .push(MaxPool2d::new(2))
        .push(Flatten::new())
        .push(Linear::new(64, 16, rng)?)
        .push(LayerNorm::new([16])?)
        .push(GELU)
        .push(Dropout::new(0.2, seed)?)
        .push(Linear::new(16, 10, rng)?))
}

/// A reader of symbols `[N, L]`, given as numbers.
pub struct Reader {
    embedding: Embedding<f32>,
    lstm: Lstm<f32>,
    attention: MultiheadAttention<f32>,
    norm: RmsNorm<f32>,
    head: Linear<f32>,
}

nn::parts!(Reader: f32 { embedding, lstm, attention, norm, head });

impl Reader {
    pub fn new(seed: u64) -> Result<Self> {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        Ok(Reader {
            embedding: Embedding::new(12, 6, rng)?.padding_idx(0)?,
            lstm: Lstm::layers(6, 4, 2, true, rng)?.batch_first(true),
            attention: MultiheadAttention::new(8, 2, rng)?.batch_first(true),
            norm: RmsNorm::new([8])?,
            head: Linear::new(8, 3, rng)?,
        })
    }
}

impl Module<f32> for Reader {
    fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
        let x = self.lstm.forward(&self.embedding.forward(x)?)?;
        let x = self.norm.forward(&x.add(self.attention.forward(&x)?)?)?;
        self.head.forward(&x.mean(1)?)
    }
}
