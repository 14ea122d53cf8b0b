//! `serde`: a tensor is its shape and its elements in row-major order.
//!
//! Formats without infinities and NaN, such as JSON, cannot hold tensors that have them.

use crate::element::Element;
use crate::tensor::Tensor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(rename = "Tensor")]
struct Parts<S, D> {
    shape: S,
    data: D,
}

impl<T: Element + Serialize> Serialize for Tensor<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = self.to_vec();
        let (shape, data) = (self.shape(), &data[..]);
        Parts { shape, data }.serialize(serializer)
    }
}

impl<'de, T: Element + Deserialize<'de>> Deserialize<'de> for Tensor<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { shape, data } = Parts::<Vec<u64>, Vec<T>>::deserialize(deserializer)?;
        Tensor::from_vec(data, shape).map_err(serde::de::Error::custom)
    }
}
