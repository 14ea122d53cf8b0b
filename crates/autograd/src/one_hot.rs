//! Gradients that are zero but for one element of each row.

use tensor_core::kernel::par;
use tensor_core::{Dims, Error, Float, Result, Tensor};

/// A gradient that is zero but for one element of each row along a dimension: that of a loss that picks the element of a
/// class. A rule that [goes on from it](crate::Op::backward_one_hot) is spared the zeros; any other is given the whole tensor.
///
/// ```
/// use autograd::{OneHot, Tensor};
/// let dx = OneHot::new(&[2, 3], 1, &Tensor::from([2, 0]), &Tensor::from([0.5, 0.25]))?;
/// assert_eq!(dx.whole()?, Tensor::from([[0.0, 0.0, 0.5], [0.25, 0.0, 0.0]]));
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OneHot<T: Float> {
    shape: Dims,
    dim: usize,
    places: Vec<i64>,
    values: Vec<T>,
}

const NAME: &str = "one_hot gradient";

impl<T: Float> OneHot<T> {
    /// The gradient of that shape that has `values` at `places` along `dim`; both have that shape without `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there, [`Error::Shape`] if there is not one place and one value for each
    /// row, [`Error::Index`] for a place outside of its row.
    pub fn new(
        shape: &[usize],
        dim: usize,
        places: &Tensor<i64>,
        values: &Tensor<T>,
    ) -> Result<Self> {
        let Some(&size) = shape.get(dim) else {
            return Err(Error::Dim {
                op: NAME,
                dim: dim.try_into().unwrap_or(isize::MAX),
                shape: shape.into(),
            });
        };
        let mut rows: Dims = shape.into();
        rows.remove(dim);
        for (what, got) in [("places", places.shape()), ("values", values.shape())] {
            if got != &rows[..] {
                return Err(Error::Shape {
                    op: NAME,
                    what,
                    got: got.into(),
                    expected: format!("shape {shape:?} without dimension {dim} is {rows:?}"),
                });
            }
        }
        let places = places.to_vec();
        let outside = |&p: &i64| !usize::try_from(p).is_ok_and(|p| p < size);
        if let Some(index) = places.iter().copied().find(outside) {
            return Err(Error::Index {
                op: NAME,
                index,
                dim,
                size,
            });
        }
        Ok(OneHot {
            shape: shape.into(),
            dim,
            places,
            values: values.to_vec(),
        })
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The dimension along which rows run.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The place and the value of the only element of row `i` that is not zero, rows being counted through the other
    /// dimensions, the last of them first.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn at(&self, i: usize) -> (usize, T) {
        (self.places[i] as usize, self.values[i])
    }

    /// All of it, with its zeros.
    ///
    /// # Errors
    /// [`Error::Size`] if memory for it cannot be had.
    pub fn whole(&self) -> Result<Tensor<T>> {
        let width = self.shape[self.dim].max(1);
        Tensor::build_rows(NAME, &self.shape, self.dim, |out| {
            par::split(out, width, width, |first, out| {
                out.fill(T::ZERO);
                for (i, row) in (first..).zip(out.chunks_exact_mut(width)) {
                    let (place, value) = self.at(i);
                    row[place] = value;
                }
            });
        })
    }
}
