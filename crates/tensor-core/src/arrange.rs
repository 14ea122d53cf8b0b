//! Arrangements made of views: grids, turns, differences, traces, and slices written by index.

use crate::element::{Element, Float, Number};
use crate::error::{Dims, Error, Result};
use crate::indexing::IndexItem;
use crate::kernel::isa::Isa;
use crate::kernel::short::Columns;
use crate::kernel::{Kernel, dispatch, par};
use crate::tensor::Tensor;
use smallvec::smallvec;
use std::ops::Bound;

/// The shape of a grid over vectors, after a look at them; a scalar counts as one element.
///
/// # Errors
/// [`Error::Shape`] for a tensor of two and more dimensions, [`Error::Empty`] for no tensor at all.
pub fn grid(parts: &[&[usize]]) -> Result<Vec<usize>> {
    let op = "meshgrid";
    if parts.is_empty() {
        let shape = smallvec![];
        return Err(Error::Empty { op, shape });
    }
    let size = |shape: &&[usize]| match **shape {
        [] => Ok(1),
        [n] => Ok(n),
        _ => Err(Error::Shape {
            op,
            what: "a side of the grid",
            got: (*shape).into(),
            expected: "the sides of a grid are vectors".into(),
        }),
    };
    parts.iter().map(size).collect()
}

/// The shape that lays side `i` of a grid of `n` along its own dimension.
pub fn side_of(i: usize, n: usize) -> Vec<isize> {
    let mut shape = vec![1; n];
    shape[i] = -1;
    shape
}

/// The two dimensions and the number of quarter turns, from 0 to 3, of `rot90`.
///
/// # Errors
/// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that span no plane.
pub fn turn<T: Element>(x: &Tensor<T>, k: isize, dims: [isize; 2]) -> Result<([isize; 2], isize)> {
    let op = "rot90";
    let [a, b] = [x.real_dim(op, dims[0])?.0, x.real_dim(op, dims[1])?.0];
    if a == b {
        return Err(Error::RepeatedDim {
            op,
            dim: a,
            dims: dims.into(),
        });
    }
    Ok(([a as isize, b as isize], k.rem_euclid(4)))
}

/// Refuses what is no matrix.
///
/// # Errors
/// [`Error::Shape`] for another number of dimensions than two.
pub fn check_matrix(op: &'static str, shape: &[usize]) -> Result<()> {
    if shape.len() == 2 {
        return Ok(());
    }
    Err(Error::Shape {
        op,
        what: "the tensor",
        got: shape.into(),
        expected: "it must be a matrix, of two dimensions".into(),
    })
}

/// The index of whole slices at `index` along a dimension.
///
/// # Errors
/// [`Error::Dim`] for a dimension that is not there, [`Error::Shape`] if `index` is no vector, [`Error::Index`] for a place
/// outside.
pub fn slices<T: Element>(
    op: &'static str,
    x: &Tensor<T>,
    dim: isize,
    index: &Tensor<i64>,
) -> Result<Vec<IndexItem>> {
    let (d, size) = x.real_dim(op, dim)?;
    let outside = |i: &i64| *i < -(size as i64) || *i >= size as i64;
    if let Some(i) = index.to_vec().into_iter().find(outside) {
        return Err(Error::Index {
            op,
            index: i,
            dim: d,
            size,
        });
    }
    if index.ndim() > 1 {
        return Err(Error::Shape {
            op,
            what: "the index",
            got: index.shape().into(),
            expected: "it must be a vector, one place for each slice".into(),
        });
    }
    let whole = || IndexItem::Range {
        start: Bound::Unbounded,
        end: Bound::Unbounded,
        step: 1,
    };
    let mut items: Vec<IndexItem> = (0..d).map(|_| whole()).collect();
    items.push(IndexItem::Places(index.clone()));
    Ok(items)
}

impl<T: Element> Tensor<T> {
    /// The vectors `parts` spread over a grid: result `i` has the elements of part `i` along dimension `i`, and repeats
    /// them along the others. All are views. PyTorch's `meshgrid(indexing="ij")`; for `"xy"`, exchange the first two parts
    /// and transpose the results.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let grid = Tensor::meshgrid(&[&Tensor::from([1, 2]), &Tensor::from([5, 6, 7])])?;
    /// assert_eq!(grid[0], Tensor::from([[1, 1, 1], [2, 2, 2]]));
    /// assert_eq!(grid[1], Tensor::from([[5, 6, 7], [5, 6, 7]]));
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] for a part of two and more dimensions, [`Error::Empty`] for no part.
    pub fn meshgrid(parts: &[&Tensor<T>]) -> Result<Vec<Tensor<T>>> {
        let shapes: Vec<&[usize]> = parts.iter().map(|x| x.shape()).collect();
        let shape = grid(&shapes)?;
        let part =
            |(i, x): (usize, &&Tensor<T>)| x.reshape(side_of(i, shape.len()))?.broadcast_to(&shape);
        parts.iter().enumerate().map(part).collect()
    }

    /// This tensor turned by `k` quarters in the plane of two dimensions, from the first towards the second.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([[1, 2], [3, 4]]);
    /// assert_eq!(x.rot90(1, [0, 1])?, Tensor::from([[2, 4], [1, 3]]));
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Dim`] or [`Error::RepeatedDim`] for dimensions that span no plane.
    pub fn rot90(&self, k: isize, dims: [isize; 2]) -> Result<Tensor<T>> {
        let ([a, b], k) = turn(self, k, dims)?;
        match k {
            0 => Ok(self.clone()),
            1 => self.flip(b)?.transpose(a, b),
            2 => self.flip([a, b]),
            _ => self.flip(a)?.transpose(a, b),
        }
    }

    /// This tensor with `value` in the slices `index` along `dim`; negative places count from the end.
    ///
    /// # Errors
    /// [`Error::Index`] for a place outside, [`Error::Shape`] if `index` is no vector, [`Error::Dim`].
    pub fn index_fill(&self, dim: isize, index: &Tensor<i64>, value: T) -> Result<Tensor<T>> {
        if self.ndim() == 0 {
            return self.unsqueeze(0)?.index_fill(dim, index, value)?.squeeze(0);
        }
        let items = slices("index_fill", self, dim, index)?;
        self.slice_assign(items, Tensor::scalar(value))
    }

    /// This tensor with slice `i` along `dim` of `src` in place of its slice `index[i]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `index` is no vector or `src` has another shape than its slices ask for; [`Error::Index`]
    /// for an index outside.
    pub fn index_copy(&self, dim: isize, index: &Tensor<i64>, src: &Tensor<T>) -> Result<Tensor<T>>
    where
        T: Number,
    {
        let index = self.slice_index("index_copy", dim, index, src.shape())?;
        self.scatter(dim, &index, src)
            .map_err(|e| e.named("index_copy"))
    }
}

impl<T: Number> Tensor<T> {
    /// The differences of neighbours along `dim`, and of these again, `n` times.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([1, 4, 9, 16]);
    /// assert_eq!(x.diff(1, 0)?.to_vec(), [3, 5, 7]);
    /// assert_eq!(x.diff(2, 0)?.to_vec(), [2, 2]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there.
    pub fn diff(&self, n: usize, dim: isize) -> Result<Tensor<T>> {
        let (_, size) = self.real_dim("diff", dim)?;
        let mut x = self.clone();
        for size in (0..size).rev().take(n) {
            x = match x.short_diff(dim)? {
                Some(differences) => differences,
                None => x.narrow(dim, 1, size)?.sub(x.narrow(dim, 0, size)?)?,
            };
        }
        Ok(x)
    }

    /// The differences of neighbours in short rows that lie one after the other: those of all neighbours in memory, of
    /// which the last of each row is left out.
    fn short_diff(&self, dim: isize) -> Result<Option<Tensor<T>>> {
        let (d, n) = self.real_dim("diff", dim)?;
        let Some(x) = self.as_slice().filter(|_| d + 1 == self.ndim() && n <= 32) else {
            return Ok(None);
        };
        let (mut shape, width): (Dims, _) = (self.shape().into(), n - 1);
        shape[d] = width;
        let out = Tensor::build("diff", &shape, |out| {
            par::split(out, width, n, |first, out| {
                let mut stage = [T::ZERO; STAGE];
                let together = STAGE / n;
                for (block, out) in out.chunks_mut(together * width.max(1)).enumerate() {
                    let rows = out.len() / width;
                    let x = &x[(first + block * together) * n..][..rows * n];
                    dispatch(Steps(x, &mut stage[..rows * n]));
                    Columns {
                        out,
                        row: width,
                        at: 0,
                        width,
                        from: &stage,
                        pitch: n,
                    }
                    .copy();
                }
            });
        })?;
        Ok(Some(out))
    }

    /// The sum of the main diagonal of a matrix.
    ///
    /// # Errors
    /// [`Error::Shape`] for anything but a matrix.
    pub fn trace(&self) -> Result<Tensor<T>> {
        check_matrix("trace", self.shape())?;
        self.diagonal(0, 0, 1)?.sum(..)
    }
}

impl Tensor<i64> {
    /// Rows and columns of the elements that [`Tensor::tril`] keeps of a matrix, as two rows.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// assert_eq!(Tensor::tril_indices(2, 2, 0)?, Tensor::from([[0, 1, 1], [0, 0, 1]]));
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Size`] for a matrix that cannot be.
    pub fn tril_indices(rows: usize, columns: usize, offset: isize) -> Result<Tensor<i64>> {
        triangle(rows, columns, offset, true)
    }

    /// Rows and columns of the elements that [`Tensor::triu`] keeps of a matrix, as two rows.
    ///
    /// # Errors
    /// [`Error::Size`] for a matrix that cannot be.
    pub fn triu_indices(rows: usize, columns: usize, offset: isize) -> Result<Tensor<i64>> {
        triangle(rows, columns, offset, false)
    }
}

/// Differences that are held in the first-level cache.
const STAGE: usize = 1 << 10;

/// `out[i] = x[i + 1] - x[i]`
struct Steps<'a, T>(&'a [T], &'a mut [T]);
impl<T: Number> Kernel for Steps<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Steps(x, out) = self;
        for ((o, &a), &b) in out.iter_mut().zip(x).zip(x.get(1..).unwrap_or(&[])) {
            *o = b.minus(a);
        }
    }
}

fn triangle(rows: usize, columns: usize, offset: isize, lower: bool) -> Result<Tensor<i64>> {
    let op = if lower {
        "tril_indices"
    } else {
        "triu_indices"
    };
    // A view of one element stands for the matrix, which is never made.
    let one = Tensor::scalar(false).broadcast_to([rows, columns]);
    let one = one.map_err(|e| e.named(op))?;
    Ok(one.triangle_mask(op, offset, lower)?.nonzero().t())
}

impl<T: Float> Tensor<T> {
    /// `steps` powers of `base`, whose exponents run from `start` to `end` at equal distances.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// assert_eq!(Tensor::<f64>::logspace(0.0, 2.0, 3, 10.0)?.to_vec(), [1.0, 10.0, 100.0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Size`] for a number of steps that cannot be.
    pub fn logspace(start: f64, end: f64, steps: usize, base: f64) -> Result<Tensor<T>> {
        let powers = Tensor::<f64>::linspace(start, end, steps).map_err(|e| e.named("logspace"))?;
        Ok(powers.map(move |e| T::of(base.powf(e))))
    }
}
