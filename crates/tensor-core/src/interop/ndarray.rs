//! The arrays of the `ndarray` crate, version 0.17: to and from, by `into` and `From`.

use crate::element::Element;
use crate::tensor::Tensor;
use ndarray::{ArrayD, ArrayRef, Dimension, IxDyn};

impl<T: Element, D: Dimension> From<ndarray::Array<T, D>> for Tensor<T> {
    /// Without a copy, if the array's elements fill its memory in row-major order.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x: Tensor<f64> = ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]]).into();
    /// assert_eq!(x[[1, 0]], 3.0);
    /// ```
    fn from(array: ndarray::Array<T, D>) -> Self {
        let shape = array.shape().to_vec();
        if array.is_standard_layout() {
            let len = array.len();
            let (data, offset) = array.into_raw_vec_and_offset();
            if offset.unwrap_or(0) == 0 && data.len() == len {
                return filled(data, &shape);
            }
            let start = offset.unwrap_or(0);
            return filled(data[start..start + len].to_vec(), &shape);
        }
        filled(array.iter().copied().collect(), &shape)
    }
}

impl<T: Element, D: Dimension> From<&ArrayRef<T, D>> for Tensor<T> {
    fn from(array: &ArrayRef<T, D>) -> Self {
        filled(array.iter().copied().collect(), array.shape())
    }
}

/// A tensor of all elements of an array of this shape.
fn filled<T: Element>(data: Vec<T>, shape: &[usize]) -> Tensor<T> {
    // An array has as many elements as its shape says.
    Tensor::from_vec(data, shape).unwrap_or_else(|e| panic!("{e}"))
}

impl<T: Element> From<&Tensor<T>> for ArrayD<T> {
    /// A copy in row-major order.
    fn from(x: &Tensor<T>) -> Self {
        ArrayD::from_shape_vec(IxDyn(x.shape()), x.to_vec())
            .unwrap_or_else(|e| panic!("a tensor fills its shape: {e}"))
    }
}
