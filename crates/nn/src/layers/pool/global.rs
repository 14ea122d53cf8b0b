//! Pooling over all places.

use crate::layers::checks::input_shape;
use crate::module::Module;
use losses::autograd::Float;
use losses::{Result, Var};

/// The mean over all places of each channel: `[N, C, …]` becomes `[N, C]`.
///
/// ```
/// use nn::prelude::*;
/// let x = Var::from(Tensor::from([[[1.0f32, 3.0], [5.0, 9.0]]]));
/// assert_eq!(GlobalAvgPool.forward(&x)?.value(), &Tensor::from([[2.0, 7.0]]));
/// assert_eq!(GlobalMaxPool.forward(&x)?.value(), &Tensor::from([[3.0, 9.0]]));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// Lin, Chen and Yan 2013, arXiv:1312.4400. In PyTorch it is `AdaptiveAvgPool2d(1)` and a `Flatten`.
#[derive(Clone, Copy, Debug)]
pub struct GlobalAvgPool;

/// The largest element of all places of each channel: `[N, C, …]` becomes `[N, C]`; several that are equal share the
/// gradient, as with PyTorch's `amax`.
#[derive(Clone, Copy, Debug)]
pub struct GlobalMaxPool;

crate::parts!(GlobalAvgPool {});
crate::parts!(GlobalMaxPool {});

/// The dimensions of places.
fn places(op: &'static str, shape: &[usize]) -> Result<Vec<i64>> {
    if shape.len() > 2 && !shape[2..].contains(&0) {
        return Ok((2..shape.len() as i64).collect());
    }
    Err(input_shape(
        op,
        shape,
        "it must be [N, C, …] with at least one place",
    ))
}

impl<T: Float> Module<T> for GlobalAvgPool {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        x.mean(places("global_avg_pool", x.shape())?)
    }

    fn describe(&self) -> String {
        "GlobalAvgPool".into()
    }
}

impl<T: Float> Module<T> for GlobalMaxPool {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        x.max(places("global_max_pool", x.shape())?)
    }

    fn describe(&self) -> String {
        "GlobalMaxPool".into()
    }
}
