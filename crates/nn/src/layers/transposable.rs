//! Linear maps as operations.

use losses::autograd::{Float, Grads, Needs, Op, Var};
use losses::{Result, Tensor};
use std::rc::Rc;

/// A linear map of tensors as a function.
pub(crate) type Map<T> = Rc<dyn Fn(&Tensor<T>) -> Result<Tensor<T>>>;

/// A linear map and its transpose. The gradient of either is the other, so this is differentiable to any order.
struct LinearMap<T: Float> {
    name: &'static str,
    map: Map<T>,
    transpose: Map<T>,
}

impl<T: Float> Op<T> for LinearMap<T> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let (map, transpose) = (self.map.clone(), self.transpose.clone());
        Ok(Grads::one(linear_map(self.name, dy, transpose, map)?))
    }
}

/// `map(x)`, of which `transpose` is the transposed map.
#[track_caller]
pub(crate) fn linear_map<T: Float>(
    name: &'static str,
    x: &Var<T>,
    map: Map<T>,
    transpose: Map<T>,
) -> Result<Var<T>> {
    let y = map(x.value())?;
    Var::record(&[x], y, |_| LinearMap {
        name,
        map,
        transpose,
    })
}
