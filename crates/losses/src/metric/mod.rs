//! Losses of embeddings.

mod cosine_embedding;

pub use cosine_embedding::{CosineEmbeddingLoss, cosine_embedding_loss};
