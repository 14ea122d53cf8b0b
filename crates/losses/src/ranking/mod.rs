//! Losses of orders: of pairs of scores, and of lists.

mod hinge_embedding;
mod list_mle;
mod list_net;
mod lists;
mod margin_ranking;
mod pairwise_logistic;

pub use hinge_embedding::{HingeEmbeddingLoss, hinge_embedding_loss};
pub use list_mle::{ListMle, list_mle};
pub use list_net::{ListNet, list_net};
pub use margin_ranking::{MarginRankingLoss, margin_ranking_loss};
pub use pairwise_logistic::{PairwiseLogistic, pairwise_logistic};
