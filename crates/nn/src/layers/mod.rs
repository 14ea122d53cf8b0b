//! The layers, with PyTorch's names, parameters, shapes and start values.
//!
//! Each implements [`Module`](crate::Module); its parameters are public fields under PyTorch's names.

mod activation;
mod attention;
mod bilinear;
mod checks;
mod conv;
mod dropout;
mod embedding;
mod linear;
mod norm;
mod pool;
mod recurrent;
mod sequential;
mod sizes;
mod transposable;

pub use activation::{Activation, PReLU};
pub use attention::{AttentionMask, MultiheadAttention};
pub use bilinear::Bilinear;
pub use conv::{Conv, Conv1d, Conv2d};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use linear::Linear;
pub use losses::tensor_core::Border;
pub use norm::{BatchNorm, BatchNorm1d, BatchNorm2d, LayerNorm, RmsNorm};
pub use pool::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool, AdaptiveMaxPool1d,
    AdaptiveMaxPool2d, AvgPool, AvgPool1d, AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool,
    MaxPool1d, MaxPool2d,
};
pub use recurrent::{Gru, Lstm};
pub use sequential::{Flatten, Lambda, Sequential};
pub use sizes::Sizes;
