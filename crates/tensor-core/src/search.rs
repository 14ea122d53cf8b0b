//! Places in sorted vectors.

use crate::element::Number;
use crate::error::{Error, Result};
use crate::kernel::isa::Isa;
use crate::kernel::map::Unary;
use crate::tensor::Tensor;

impl<T: Number> Tensor<T> {
    /// For each of `values` the place at which it can be put into this ascending vector: before equal ones, or behind
    /// them if `right`. NaN lies behind all numbers.
    ///
    /// # Differs from PyTorch
    /// In a vector that ends with NaN, PyTorch finds the places of some numbers behind it.
    ///
    /// # Errors
    /// [`Error::Shape`] if this is no vector.
    pub fn searchsorted(&self, values: &Tensor<T>, right: bool) -> Result<Tensor<i64>> {
        if self.ndim() != 1 {
            return Err(Error::Shape {
                op: "searchsorted",
                what: "the sorted tensor",
                got: self.shape().into(),
                expected: "it must be a vector".into(),
            });
        }
        let sorted = &self.try_vec("searchsorted")?[..];
        Ok(if right {
            values.unary(Search::<T, true> { sorted })
        } else {
            values.unary(Search::<T, false> { sorted })
        })
    }
}

/// The number of elements before a value.
#[derive(Clone, Copy)]
struct Search<'a, T, const RIGHT: bool> {
    sorted: &'a [T],
}

impl<T: Number, const RIGHT: bool> Unary<T, i64> for Search<'_, T, RIGHT> {
    const COST: usize = 32;
    /// As many steps for each value, without a branch on what is found: it could not be foreseen, and the steps of several
    /// values run at once.
    #[inline(always)]
    fn at<I: Isa>(self, value: T) -> i64 {
        let (mut rest, mut found) = (self.sorted, 0);
        while rest.len() > 1 {
            let half = rest.len() / 2;
            let (left, right) = rest.split_at(half);
            let beyond = before::<T, RIGHT>(left[half - 1], value);
            // Where the halves differ in length, the longer one is searched: one element too many, none too few.
            rest = if beyond {
                right
            } else {
                &rest[..rest.len() - half]
            };
            found += half * usize::from(beyond);
        }
        let last = rest.first().is_some_and(|&x| before::<T, RIGHT>(x, value));
        (found + usize::from(last)) as i64
    }
}

/// Whether `x` comes before the place of `value`; NaN is above all numbers.
#[inline(always)]
fn before<T: Number, const RIGHT: bool>(x: T, value: T) -> bool {
    let less = |a: T, b: T| (a < b) | (!a.is_nan_() & b.is_nan_());
    if RIGHT {
        !less(value, x)
    } else {
        less(x, value)
    }
}
