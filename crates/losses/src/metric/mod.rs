//! Losses of embeddings, and the distances and cosines that they are made of.

mod cdist;
mod clip;
mod contrastive;
mod cosine_embedding;
mod cosine_similarity;
mod distance;
mod euclid;
mod info_nce;
mod margin_softmax;
mod multi_similarity;
mod ntxent;
mod pairs;
mod pairwise_distance;
mod siglip;
mod sup_con;
mod triplet;
mod triplet_with_distance;
pub(crate) mod vector;

pub use cdist::{Cdist, cdist};
pub use clip::{ClipLoss, clip_loss};
pub use contrastive::{ContrastiveLoss, contrastive_loss};
pub use cosine_embedding::{CosineEmbeddingLoss, cosine_embedding_loss};
pub use cosine_similarity::{CosineSimilarity, cosine_similarity};
pub use info_nce::{InfoNce, info_nce};
pub use margin_softmax::{MarginSoftmaxLoss, margin_softmax_loss};
pub use multi_similarity::{MultiSimilarityLoss, multi_similarity_loss};
pub use ntxent::{Ntxent, ntxent};
pub use pairwise_distance::{PairwiseDistance, pairwise_distance};
pub use siglip::{SiglipLoss, siglip_loss};
pub use sup_con::{SupConLoss, sup_con_loss};
pub use triplet::{TripletMarginLoss, triplet_margin_loss};
pub use triplet_with_distance::{TripletMarginWithDistanceLoss, triplet_margin_with_distance_loss};
