//! Products over chosen dimensions, written once for tensors and for values on a tape.

use crate::element::Number;
use crate::error::{Dims, Error, Result};
use crate::layout::wrap_dim;
use crate::tensor::Tensor;

/// What [`einsum`](crate::einsum::einsum), [`tensordot`] and [`kron`] ask of their operands. Each method is the operand's
/// own of that meaning.
pub trait Algebra: Sized + Clone {
    /// The sizes of the dimensions.
    fn sizes(&self) -> &[usize];
    /// Dimensions in another order.
    ///
    /// # Errors
    /// Those of `permute`.
    fn reordered(&self, order: &[usize]) -> Result<Self>;
    /// The same elements in another shape.
    ///
    /// # Errors
    /// Those of `reshape`.
    fn reshaped(&self, shape: &[usize]) -> Result<Self>;
    /// The sum over dimensions, which go.
    ///
    /// # Errors
    /// Those of `sum`.
    fn summed(&self, dims: &[usize]) -> Result<Self>;
    /// The diagonal of two dimensions, in the place of the last.
    ///
    /// # Errors
    /// Those of `diagonal`.
    fn diagonal_of(&self, dim1: usize, dim2: usize) -> Result<Self>;
    /// The matrix product of batches.
    ///
    /// # Errors
    /// Those of `matmul`.
    fn matrix_product(&self, other: &Self) -> Result<Self>;
    /// The product element by element, broadcast.
    ///
    /// # Errors
    /// Those of `mul`.
    fn product(&self, other: &Self) -> Result<Self>;
}

impl<T: Number> Algebra for Tensor<T> {
    fn sizes(&self) -> &[usize] {
        self.shape()
    }
    fn reordered(&self, order: &[usize]) -> Result<Self> {
        self.permute(order)
    }
    fn reshaped(&self, shape: &[usize]) -> Result<Self> {
        self.reshape(shape)
    }
    fn summed(&self, dims: &[usize]) -> Result<Self> {
        self.sum(dims)
    }
    fn diagonal_of(&self, dim1: usize, dim2: usize) -> Result<Self> {
        self.diagonal(0, dim1 as isize, dim2 as isize)
    }
    fn matrix_product(&self, other: &Self) -> Result<Self> {
        self.matmul(other)
    }
    fn product(&self, other: &Self) -> Result<Self> {
        self.mul(other)
    }
}

/// The number of elements of some dimensions.
pub(crate) fn extent(shape: &[usize], dims: &[usize]) -> usize {
    dims.iter().map(|&d| shape[d]).product()
}

/// The sum of products over `dims` of `a` and `other_dims` of `b`, pair by pair; the dimensions left of `a` come first.
///
/// # Errors
/// [`Error::Option`] if the lists differ in length, [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that cannot
/// be summed over, [`Error::Shape`] if sizes differ.
pub fn tensordot<A: Algebra>(
    op: &'static str,
    a: &A,
    b: &A,
    (dims, other_dims): (&[i64], &[i64]),
) -> Result<A> {
    let wrap = |list: &[i64], shape: &[usize]| -> Result<Vec<usize>> {
        let mut out = Vec::new();
        for &dim in list {
            let d = wrap_dim(op, dim as isize, shape)?;
            if out.contains(&d) {
                let dims = list.iter().map(|&d| d as isize).collect();
                return Err(Error::RepeatedDim { op, dim: d, dims });
            }
            out.push(d);
        }
        Ok(out)
    };
    if dims.len() != other_dims.len() {
        return Err(Error::Option {
            op,
            name: "other_dims",
            value: format!("{other_dims:?} for the dimensions {dims:?}"),
            expected: "there must be one for each dimension",
        });
    }
    let (da, db) = (wrap(dims, a.sizes())?, wrap(other_dims, b.sizes())?);
    // A size of 1 is broadcast, so what stands beside it is summed up by itself.
    let (mut a, mut b) = (a.clone(), b.clone());
    for (&i, &j) in da.iter().zip(&db) {
        let (n, m) = (a.sizes().get(i).copied(), b.sizes().get(j).copied());
        if n == Some(1) && m != n {
            b = summed_to_one(&b, j)?;
        } else if m == Some(1) && n != m {
            a = summed_to_one(&a, i)?;
        }
    }
    let (a, b) = (&a, &b);
    let differ = |(&i, &j): (&usize, &usize)| a.sizes().get(i) != b.sizes().get(j);
    if da.iter().zip(&db).any(differ) {
        return Err(sizes_differ(op, (a.sizes(), &da), (b.sizes(), &db)));
    }
    let free = |x: &A, taken: &[usize]| -> Vec<usize> {
        (0..x.sizes().len())
            .filter(|d| !taken.contains(d))
            .collect()
    };
    let (fa, fb) = (free(a, &da), free(b, &db));
    let mut shape: Dims = fa.iter().map(|&d| a.sizes()[d]).collect();
    shape.extend(fb.iter().map(|&d| b.sizes()[d]));
    if a.sizes().is_empty() || b.sizes().is_empty() {
        return a.product(b);
    }
    let (m, n) = (extent(a.sizes(), &fa), extent(b.sizes(), &fb));
    let k = extent(a.sizes(), &da);
    let left = a
        .reordered(&[&fa[..], &da[..]].concat())?
        .reshaped(&[m, k])?;
    let right = b
        .reordered(&[&db[..], &fb[..]].concat())?
        .reshaped(&[k, n])?;
    left.matrix_product(&right)?.reshaped(&shape)
}

fn sizes_differ(
    op: &'static str,
    (a, da): (&[usize], &[usize]),
    (b, db): (&[usize], &[usize]),
) -> Error {
    Error::Shape {
        op,
        what: "the right operand",
        got: b.into(),
        expected: format!(
            "the left operand has shape {a:?}: dimensions {da:?} and {db:?} must have the same sizes"
        ),
    }
}

/// The sum over a dimension, which stays as size 1.
fn summed_to_one<A: Algebra>(x: &A, dim: usize) -> Result<A> {
    let mut shape = x.sizes().to_vec();
    shape[dim] = 1;
    x.summed(&[dim])?.reshaped(&shape)
}

/// The sum of products over the last dimension of both.
///
/// # Errors
/// [`Error::Shape`] if these sizes differ.
pub fn inner<A: Algebra>(a: &A, b: &A) -> Result<A> {
    if a.sizes().is_empty() || b.sizes().is_empty() {
        return a.product(b);
    }
    // Unlike `tensordot`, which broadcasts a size of 1.
    if a.sizes().last() != b.sizes().last() {
        let (da, db) = (a.sizes().len() - 1, b.sizes().len() - 1);
        return Err(sizes_differ(
            "inner",
            (a.sizes(), &[da]),
            (b.sizes(), &[db]),
        ));
    }
    tensordot("inner", a, b, (&[-1], &[-1]))
}

/// The Kronecker product: blocks of `b`, each multiplied by one element of `a`.
///
/// # Errors
/// [`Error::Size`] if the result is too large.
pub fn kron<A: Algebra>(a: &A, b: &A) -> Result<A> {
    let n = a.sizes().len().max(b.sizes().len());
    let padded = |x: &A| [&vec![1; n - x.sizes().len()][..], x.sizes()].concat();
    let (sa, sb) = (padded(a), padded(b));
    let spread = |s: &[usize], first: bool| -> Vec<usize> {
        let pair = |&n: &usize| if first { [n, 1] } else { [1, n] };
        s.iter().flat_map(pair).collect()
    };
    let blocks = a
        .reshaped(&spread(&sa, true))?
        .product(&b.reshaped(&spread(&sb, false))?)?;
    let shape: Vec<usize> = sa.iter().zip(&sb).map(|(a, b)| a * b).collect();
    blocks.reshaped(&shape)
}

impl<T: Number> Tensor<T> {
    /// The sum of products over `dims` of this tensor and `other_dims` of the other, pair by pair; the dimensions left of
    /// this one come first. PyTorch's `dims=2` is `[-2, -1]` and `[0, 1]`.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let (a, b) = (Tensor::<f32>::ones([2, 3, 4])?, Tensor::ones([4, 5, 2])?);
    /// assert_eq!(a.tensordot(&b, [0, 2], [2, 0])?.shape(), [3, 5]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`] if the lists differ in length, [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that
    /// cannot be summed over, [`Error::Shape`] if sizes differ.
    pub fn tensordot(
        &self,
        other: &Tensor<T>,
        dims: impl crate::IntoShape,
        other_dims: impl crate::IntoShape,
    ) -> Result<Tensor<T>> {
        tensordot(
            "tensordot",
            self,
            other,
            (&dims.sizes(), &other_dims.sizes()),
        )
    }

    /// The sum of products over the last dimension of both; a scalar multiplies.
    ///
    /// # Errors
    /// [`Error::Shape`] if these sizes differ.
    pub fn inner(&self, other: &Tensor<T>) -> Result<Tensor<T>> {
        inner(self, other).map_err(|e| e.named("inner"))
    }

    /// The Kronecker product: blocks of `other`, each multiplied by one element of this tensor.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let y = Tensor::from([[1, 2]]).kron(&Tensor::from([[1, 10]]))?;
    /// assert_eq!(y, Tensor::from([[1, 10, 2, 20]]));
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Size`] if the result is too large.
    pub fn kron(&self, other: &Tensor<T>) -> Result<Tensor<T>> {
        kron(self, other).map_err(|e| e.named("kron"))
    }

    /// The sum of products that `equation` says; see [`einsum`](mod@crate::einsum).
    ///
    /// # Errors
    /// [`Error::Option`] for an equation that cannot be read, [`Error::Shape`] for operands that it does not fit.
    pub fn einsum(equation: &str, operands: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let operands: Vec<Tensor<T>> = operands.iter().map(|&x| x.clone()).collect();
        crate::einsum::einsum(equation, operands)
    }
}
