//! Arrangements made of views: grids, turns, differences, traces, and slices written by index.

use crate::var::Var;
use tensor_core::arrange::{check_matrix, grid, side_of, slices, turn};
use tensor_core::{Float, Result, Tensor};

impl<T: Float> Var<T> {
    /// The vectors `parts` spread over a grid; see [`Tensor::meshgrid`].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for a part of two and more dimensions,
    /// [`Error::Empty`](crate::Error::Empty) for no part.
    #[track_caller]
    pub fn meshgrid(parts: &[&Var<T>]) -> Result<Vec<Var<T>>> {
        let shapes: Vec<&[usize]> = parts.iter().map(|x| x.shape()).collect();
        let shape = grid(&shapes)?;
        let part =
            |(i, x): (usize, &&Var<T>)| x.reshape(side_of(i, shape.len()))?.broadcast_to(&shape);
        parts.iter().enumerate().map(part).collect()
    }

    /// This value turned by `k` quarters in the plane of two dimensions; see [`Tensor::rot90`].
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) or [`Error::RepeatedDim`](crate::Error::RepeatedDim) for dimensions that span no
    /// plane.
    #[track_caller]
    pub fn rot90(&self, k: isize, dims: [isize; 2]) -> Result<Var<T>> {
        let ([a, b], k) = turn(self.value(), k, dims)?;
        match k {
            0 => Ok(self.clone()),
            1 => self.flip(b)?.transpose(a, b),
            2 => self.flip([a, b]),
            _ => self.flip(a)?.transpose(a, b),
        }
    }

    /// This value with `value` in the slices `index` along `dim`, which get no gradient.
    ///
    /// # Errors
    /// As [`Tensor::index_fill`].
    #[track_caller]
    pub fn index_fill(&self, dim: isize, index: &Tensor<i64>, value: T) -> Result<Var<T>> {
        if self.ndim() == 0 {
            return self.unsqueeze(0)?.index_fill(dim, index, value)?.squeeze(0);
        }
        let items = slices("index_fill", self.value(), dim, index)?;
        self.slice_assign(items, Var::from(Tensor::scalar(value)))
    }

    /// This value with slice `i` along `dim` of `src` in place of its slice `index[i]`.
    ///
    /// # Errors
    /// As [`Tensor::index_copy`].
    #[track_caller]
    pub fn index_copy(&self, dim: isize, index: &Tensor<i64>, src: &Var<T>) -> Result<Var<T>> {
        let index = (self.value()).slice_index("index_copy", dim, index, src.shape())?;
        self.scatter(dim, &index, src)
            .map_err(|e| e.named("index_copy"))
    }

    /// The differences of neighbours along `dim`, and of these again, `n` times.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension that is not there.
    #[track_caller]
    pub fn diff(&self, n: usize, dim: isize) -> Result<Var<T>> {
        let (_, size) = self.value().real_dim("diff", dim)?;
        let mut x = self.clone();
        for size in (0..size).rev().take(n) {
            x = x.narrow(dim, 1, size)?.sub(x.narrow(dim, 0, size)?)?;
        }
        Ok(x)
    }

    /// The sum of the main diagonal of a matrix.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for anything but a matrix.
    #[track_caller]
    pub fn trace(&self) -> Result<Var<T>> {
        check_matrix("trace", self.shape())?;
        self.diagonal(0, 0, 1)?.sum(..)
    }
}
