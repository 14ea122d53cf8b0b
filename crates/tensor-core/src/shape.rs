//! What callers may write where a shape or a list of dimensions is asked for.

use crate::error::{Dims, Error, Result};
use crate::layout::{checked_numel, view_numel, wrap_dim};
use smallvec::SmallVec;
use std::ops::RangeFull;

/// An integer type that sizes and dimensions may be written in.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no integer",
    label = "sizes, dimensions, places and steps are integers"
)]
pub trait Int: Copy {
    /// The value, held at the ends of `i64` where it does not fit.
    fn to_i64(self) -> i64;
}

macro_rules! ints {
    ($($t:ty)*) => { $(impl Int for $t {
        #[inline]
        fn to_i64(self) -> i64 { i64::try_from(self).unwrap_or(i64::MAX) }
    })* };
}
ints! { i32 i64 isize u32 u64 usize }

/// A list of integers as an argument: `[2, 3]`, `&[2, 3]`, `vec![2, 3]`, `x.shape()`, a single `5`, or `()` for none.
///
/// ```
/// use tensor_core::Tensor;
/// let x = Tensor::<f32>::zeros([2, 3])?;
/// assert_eq!(Tensor::<f32>::zeros(x.shape())?.reshape([3, -1])?.shape(), [3, 2]);
/// assert_eq!(Tensor::<f32>::zeros(4)?.shape(), [4]);
/// assert_eq!(Tensor::<f32>::zeros(())?.shape(), []);
/// # Ok::<(), tensor_core::Error>(())
/// ```
pub trait IntoShape {
    /// The integers, unchecked.
    fn sizes(&self) -> SmallVec<[i64; 4]>;

    /// A shape without `-1`, checked: no negative size, and small enough to exist.
    fn dims(&self, op: &'static str) -> Result<Dims> {
        checked_dims(op, &self.sizes(), checked_numel)
    }
}

/// Sizes as a shape, of which `numel` says whether there can be so many elements.
///
/// This and [`infer`] know neither the element type nor the type that a shape was written in: they are compiled once, and
/// not for each.
pub(crate) fn checked_dims(
    op: &'static str,
    sizes: &[i64],
    numel: fn(&[usize]) -> Option<usize>,
) -> Result<Dims> {
    let shape = || sizes.to_vec();
    if sizes.iter().any(|&n| n < 0) {
        return Err(Error::NegativeSize { op, shape: shape() });
    }
    let too_large = || Error::Size { op, shape: shape() };
    let mut dims = Dims::new();
    for &n in sizes {
        dims.push(usize::try_from(n).map_err(|_| too_large())?);
    }
    numel(&dims).ok_or_else(too_large)?;
    Ok(dims)
}

/// The shape `to` for the elements of shape `from`, with its `-1` replaced.
pub(crate) fn infer(op: &'static str, from: &[usize], to: &[i64]) -> Result<Dims> {
    let numel: usize = from.iter().product();
    let fail = |asked: String| Error::Numel {
        op,
        from: from.into(),
        numel,
        to: to.to_vec(),
        asked,
    };
    let (mut known, mut free) = (Dims::new(), 0);
    for &n in to {
        match usize::try_from(n) {
            Ok(n) => known.push(n),
            Err(_) if n == -1 && free == 0 => free += 1,
            Err(_) if n < 0 => {
                let shape = to.to_vec();
                return Err(Error::NegativeSize { op, shape });
            }
            Err(_) => return Err(fail("more than there can be".into())),
        }
    }
    let product = view_numel(&known).ok_or_else(|| fail("more than there can be".into()))?;
    let inferred = match (free, product) {
        (0, _) if product == numel => 0,
        (0, _) => return Err(fail(product.to_string())),
        (_, 0) => {
            let asked = "a size of -1 beside a size of 0, which leaves it open";
            return Err(fail(asked.into()));
        }
        (_, _) if numel.is_multiple_of(product) => numel / product,
        (_, _) => return Err(fail(format!("a multiple of {product}"))),
    };
    let mut dims = Dims::new();
    for &n in to {
        dims.push(usize::try_from(n).unwrap_or(inferred));
    }
    Ok(dims)
}

impl<I: Int> IntoShape for I {
    fn sizes(&self) -> SmallVec<[i64; 4]> {
        SmallVec::from_slice(&[self.to_i64()])
    }
}
impl<I: Int> IntoShape for [I] {
    fn sizes(&self) -> SmallVec<[i64; 4]> {
        self.iter().map(|i| i.to_i64()).collect()
    }
}
impl<I: Int, const N: usize> IntoShape for [I; N] {
    fn sizes(&self) -> SmallVec<[i64; 4]> {
        self.as_slice().sizes()
    }
}
impl<I: Int> IntoShape for Vec<I> {
    fn sizes(&self) -> SmallVec<[i64; 4]> {
        self.as_slice().sizes()
    }
}
impl IntoShape for Dims {
    fn sizes(&self) -> SmallVec<[i64; 4]> {
        self.as_slice().sizes()
    }
}
impl IntoShape for () {
    fn sizes(&self) -> SmallVec<[i64; 4]> {
        SmallVec::new()
    }
}
impl<I: Int> IntoShape for &[I] {
    fn sizes(&self) -> SmallVec<[i64; 4]> {
        (**self).sizes()
    }
}
impl<I: Int, const N: usize> IntoShape for &[I; N] {
    fn sizes(&self) -> SmallVec<[i64; 4]> {
        self.as_slice().sizes()
    }
}
impl<I: Int> IntoShape for &Vec<I> {
    fn sizes(&self) -> SmallVec<[i64; 4]> {
        self.as_slice().sizes()
    }
}
impl IntoShape for &Dims {
    fn sizes(&self) -> SmallVec<[i64; 4]> {
        self.as_slice().sizes()
    }
}

/// The dimensions that a reduction runs over, and whether they stay as size 1.
///
/// Written as `..` for all, `1` or `-1` for one, `[0, 2]` for several; [`keepdim`] keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes {
    /// `None` for all dimensions.
    list: Option<SmallVec<[i64; 4]>>,
    keepdim: bool,
}

/// Keeps the reduced dimensions as size 1: `x.sum(keepdim(1))` is PyTorch's `x.sum(1, keepdim=True)`.
///
/// ```
/// use tensor_core::{Tensor, keepdim};
/// let x = Tensor::<f32>::ones([2, 3])?;
/// assert_eq!(x.sum(1)?.shape(), [2]);
/// assert_eq!(x.sum(keepdim(1))?.shape(), [2, 1]);
/// # Ok::<(), tensor_core::Error>(())
/// ```
pub fn keepdim(axes: impl Into<Axes>) -> Axes {
    Axes {
        keepdim: true,
        ..axes.into()
    }
}

impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Self {
        Axes {
            list: None,
            keepdim: false,
        }
    }
}
impl From<&Axes> for Axes {
    fn from(axes: &Axes) -> Self {
        axes.clone()
    }
}
impl<I: Int> From<I> for Axes {
    fn from(dim: I) -> Self {
        Axes {
            list: Some(dim.sizes()),
            keepdim: false,
        }
    }
}
impl<I: Int, const N: usize> From<[I; N]> for Axes {
    fn from(dims: [I; N]) -> Self {
        Axes {
            list: Some(dims.sizes()),
            keepdim: false,
        }
    }
}
impl<I: Int> From<&[I]> for Axes {
    fn from(dims: &[I]) -> Self {
        Axes {
            list: Some(dims.sizes()),
            keepdim: false,
        }
    }
}
impl<I: Int> From<Vec<I>> for Axes {
    fn from(dims: Vec<I>) -> Self {
        Axes {
            list: Some(dims.sizes()),
            keepdim: false,
        }
    }
}

impl Axes {
    /// Whether the reduced dimensions stay as size 1.
    pub fn keeps(&self) -> bool {
        self.keepdim
    }

    /// The dimensions as a mask over those of `shape`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that `shape` does not have, [`Error::RepeatedDim`] for one named twice.
    pub fn mask(&self, op: &'static str, shape: &[usize]) -> Result<SmallVec<[bool; 4]>> {
        let Some(list) = &self.list else {
            return Ok(SmallVec::from_elem(true, shape.len()));
        };
        // A scalar has the dimensions 0 and -1 in name only, as in PyTorch.
        let mut mask = SmallVec::from_elem(false, shape.len().max(1));
        for &dim in list {
            let d = wrap_dim(op, dim as isize, shape)?;
            if std::mem::replace(&mut mask[d], true) {
                let dims = list.iter().map(|&d| d as isize).collect();
                return Err(Error::RepeatedDim { op, dim: d, dims });
            }
        }
        mask.truncate(shape.len());
        Ok(mask)
    }

    /// The shape that is left of `shape`.
    pub fn reduced_shape(&self, mask: &[bool], shape: &[usize]) -> Dims {
        let sizes = shape.iter().zip(mask);
        if self.keepdim {
            sizes.map(|(&n, &gone)| if gone { 1 } else { n }).collect()
        } else {
            sizes.filter(|(_, gone)| !**gone).map(|(&n, _)| n).collect()
        }
    }
}
