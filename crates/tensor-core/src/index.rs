//! Picking elements by index.

use crate::element::{Element, Number};
use crate::error::{Dims, Error, Result};
use crate::kernel::lanes::copy_run;
use crate::kernel::par;
use crate::kernel::spread::{Blocks, Index, spread};
use crate::layout::{Layout, checked_numel, unravel};
use crate::tensor::Tensor;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

impl<T: Element> Tensor<T> {
    /// `out[i][j] = x[index[i][j]][j]` for `dim = 0`, and so on for other dimensions: the result has the shape of
    /// `index`.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.gather(1, &Tensor::from([[1], [0]]))?.to_vec(), [2.0, 3.0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] if `index` has another number of dimensions or is larger in one other than `dim`;
    /// [`Error::Index`] for an index outside.
    pub fn gather(&self, dim: isize, index: &Tensor<i64>) -> Result<Tensor<T>> {
        let op = "gather";
        let d = self.dim_index(op, dim)?;
        check_index_shape(op, self.shape(), d, index.shape())?;
        if self.ndim() == 0 {
            check_index(op, index, d, 1)?;
            return self.broadcast_to(index.shape());
        }
        let size = self.shape()[d];
        let (base, stride) = along_zero(self.layout(), d, index.shape());
        let (n, step) = row_of(&base);
        // Rows of which elements are picked are looked at once: what is outside is noticed on the way.
        let within_rows = (step, stride) == (0, 1);
        if !within_rows {
            check_index(op, index, d, size)?;
        }
        let (places, outside) = (index, AtomicBool::new(false));
        let (data, index) = (self.buffer(), index.try_contiguous(op)?);
        let index = index.as_slice().unwrap_or(&[]);
        let picked = Tensor::build(op, base.shape.clone(), |out| {
            par::split(out, n, 4 * n, |first, out| {
                each_row(&base, first..first + out.len() / n, |row, start| {
                    let out = &mut out[(row - first) * n..][..n];
                    let index = &index[row * n..][..n];
                    if within_rows {
                        let line = data.get(start as usize..).unwrap_or(&[]);
                        let line = line.get(..size).unwrap_or(&[]);
                        let mut all_within = true;
                        for (o, &i) in out.iter_mut().zip(index) {
                            match line.get(i as usize) {
                                Some(v) => *o = *v,
                                None => all_within = false,
                            }
                        }
                        if !all_within {
                            outside.store(true, Ordering::Relaxed);
                        }
                        return;
                    }
                    let mut place = start;
                    for (o, &i) in out.iter_mut().zip(index) {
                        *o = data[(place + i as isize * stride) as usize];
                        place += step;
                    }
                });
            });
        })?;
        if outside.into_inner() {
            check_index(op, places, d, size)?;
        }
        Ok(picked)
    }

    /// `f(element, value)` for each element that `index` names along `dim`, in order, with the value of `src` for it.
    pub(crate) fn scatter_with(
        &self,
        op: &'static str,
        dim: isize,
        index: &Tensor<i64>,
        src: &Tensor<T>,
        f: impl Fn(&mut T, T) + Sync,
    ) -> Result<Tensor<T>> {
        let d = self.dim_index(op, dim)?;
        check_index_shape(op, self.shape(), d, index.shape())?;
        let within = src.ndim() == index.ndim()
            && index.shape().iter().zip(src.shape()).all(|(i, s)| i <= s);
        if !within {
            let expected = format!(
                "the index has shape {:?}, which must fit into it",
                index.shape()
            );
            return Err(Error::Shape {
                op,
                what: "the source",
                got: src.shape().into(),
                expected,
            });
        }
        let places = index;
        // A broadcast index or source may be larger than anything that can be made of it.
        checked_numel(index.shape()).ok_or_else(|| Error::size(op, index.shape()))?;
        let mut part = src.layout().clone();
        part.shape = index.shape().into();
        let values = src.view_as_layout(part).try_contiguous(op)?;
        let values = values.as_slice().unwrap_or(&[]);
        let size = self.shape().get(d).copied().unwrap_or(1);
        let list = one_list(index, d);
        if let (Some(list), Some(blocks)) = (&list, self.blocks(d, places.shape())) {
            // A list for all, as `index_select` has it: whole rows go to where it says.
            check_index(op, list, d, size)?;
            let (x, list) = (self.source(), list.to_vec());
            return Tensor::build(op, self.shape(), |out| {
                spread(blocks, &x, Index::Shared(&list), values, out, f);
            });
        }
        let index = index.try_contiguous(op)?;
        let index = index.as_slice().unwrap_or(&[]);
        if let Some(blocks) = self.blocks(d, places.shape()).filter(Blocks::pay) {
            let (x, mut within) = (self.source(), true);
            let out = Tensor::build(op, self.shape(), |out| {
                within = spread(blocks, &x, Index::Each(index), values, out, f);
            })?;
            if !within {
                check_index(op, places, d, size)?;
            }
            return Ok(out);
        }
        check_index(op, places, d, size)?;
        let mut out = crate::map::copy(op, self)?;
        if index.is_empty() {
            return Ok(out);
        }
        let (base, stride) = along_zero(out.layout(), d, places.shape());
        let (n, step) = row_of(&base);
        let rows = index.len() / n;
        let data = out.as_mut_slice();
        each_row(&base, 0..rows, |row, start| {
            let at = row * n..(row + 1) * n;
            let mut place = start;
            for (&i, &v) in index[at.clone()].iter().zip(&values[at]) {
                f(&mut data[(place + i as isize * stride) as usize], v);
                place += step;
            }
        });
        Ok(out)
    }

    /// This tensor as blocks whose rows are indexed along dimension `d` by as many as `index` has there, if
    /// there are any and both have the same sizes in the other dimensions.
    pub(crate) fn blocks(&self, d: usize, index: &[usize]) -> Option<Blocks> {
        let (&size, &n) = (self.shape().get(d)?, index.get(d)?);
        if checked_numel(self.shape())? == 0 {
            return None;
        }
        let same = self.shape()[..d] == index[..d] && self.shape()[d + 1..] == index[d + 1..];
        let blocks = Blocks {
            outer: self.shape()[..d].iter().product(),
            size,
            inner: self.shape()[d + 1..].iter().product(),
            n,
        };
        (same && n > 0).then_some(blocks)
    }

    /// Whole slices of dimension `dim`, in the order of `index`, which has one dimension.
    ///
    /// # Errors
    /// [`Error::Shape`] if `index` has more than one dimension, [`Error::Index`] for an index outside.
    pub fn index_select(&self, dim: isize, index: &Tensor<i64>) -> Result<Tensor<T>> {
        let op = "index_select";
        if self.ndim() == 0 {
            // A scalar is the one slice of itself.
            self.dim_index(op, dim)?;
            check_index(op, index, 0, 1)?;
            return self
                .unsqueeze(0)?
                .gather(0, &index.reshape([1])?)?
                .reshape(());
        }
        let (d, size) = self.real_dim(op, dim)?;
        if index.ndim() > 1 {
            let expected = "it must have one dimension".into();
            return Err(Error::Shape {
                op,
                what: "the index",
                got: index.shape().into(),
                expected,
            });
        }
        check_index(op, index, d, size)?;
        let index = index.to_vec();
        let mut shape: Dims = self.shape().into();
        shape[d] = index.len();
        let inner: usize = shape[d + 1..].iter().product();
        let x = self.try_contiguous(op)?;
        let x = x.as_slice().unwrap_or(&[]);
        // Of no index there is no part, and nothing to count.
        let n = index.len().max(1);
        if inner == 1 {
            // Elements of rows: all rows are picked from by one list.
            return Tensor::build(op, &shape, |out| {
                par::split(out, 1, 4, |first, out| {
                    let (mut row, mut j, mut out) = (first / n, first % n, out);
                    while !out.is_empty() {
                        let index = &index[j..];
                        let (now, later) = out.split_at_mut(index.len().min(out.len()));
                        let x = &x[row * size..][..size];
                        for (o, &i) in now.iter_mut().zip(index) {
                            *o = x[i as usize];
                        }
                        (row, j, out) = (row + 1, 0, later);
                    }
                });
            });
        }
        Tensor::build(op, &shape, |out| {
            par::split(out, inner, inner + 4, |first, out| {
                let (mut block, mut j) = (first / n, first % n);
                for out in out.chunks_exact_mut(inner.max(1)) {
                    copy_run(
                        out,
                        &x[(block * size + index[j] as usize) * inner..][..inner],
                    );
                    j += 1;
                    if j == n {
                        (block, j) = (block + 1, 0);
                    }
                }
            });
        })
    }
}

impl<T: Number> Tensor<T> {
    /// This tensor with `src[i][j]` added at `[index[i][j]][j]` for `dim = 0`, and so on for other dimensions;
    /// the inverse of [`Tensor::gather`]. An index may occur any number of times.
    ///
    /// # Errors
    /// [`Error::Shape`] if the numbers of dimensions differ or `index` is larger than `src`, or than this tensor in a
    /// dimension other than `dim`; [`Error::Index`] for an index outside.
    pub fn scatter_add(
        &self,
        dim: isize,
        index: &Tensor<i64>,
        src: &Tensor<T>,
    ) -> Result<Tensor<T>> {
        self.scatter_with("scatter_add", dim, index, src, |x, v| *x = x.plus(v))
    }
}

impl Tensor<i64> {
    /// Class indices as rows of `num_classes` numbers, 1 at the class and 0 elsewhere, in a new last dimension. With
    /// `None`, there is one class more than the largest index.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let rows = Tensor::from([1, 0]).one_hot::<f32>(3)?;
    /// assert_eq!(rows, Tensor::from([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]));
    /// assert_eq!(Tensor::from([1, 0]).one_hot::<f32>(None)?.shape(), [2, 2]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Class`] for an index outside `0..num_classes`, [`Error::Empty`] if there is none to count from.
    pub fn one_hot<T: Element>(&self, num_classes: impl Into<Option<usize>>) -> Result<Tensor<T>> {
        let op = "one_hot";
        checked_numel(self.shape()).ok_or_else(|| Error::size(op, self.shape()))?;
        let num_classes = match num_classes.into() {
            Some(n) => n,
            None if self.numel() == 0 => {
                let shape = self.shape().into();
                return Err(Error::Empty { op, shape });
            }
            None => usize::try_from(self.max(..)?.item()?).unwrap_or(0) + 1,
        };
        if let Some((at, class)) = self.find(|c| c < 0 || c as u64 >= num_classes as u64) {
            return Err(Error::Class {
                op,
                what: "rows",
                at,
                class,
                classes: num_classes,
            });
        }
        let mut shape: Dims = self.shape().into();
        shape.push(num_classes);
        let classes = self.to_vec();
        Tensor::build(op, &shape, |out| {
            par::split(out, num_classes, num_classes + 4, |first, out| {
                out.fill(T::ZERO);
                let rows = out.chunks_exact_mut(num_classes.max(1));
                for (row, &c) in rows.zip(&classes[first..]) {
                    row[c as usize] = T::ONE;
                }
            });
        })
    }
}

/// Places of `layout` as if every index along dimension `d` of a tensor of shape `shape` were 0, and the stride with which
/// an index adds its share.
fn along_zero(layout: &Layout, d: usize, shape: &[usize]) -> (Layout, isize) {
    let mut base = layout.clone();
    let stride = base.strides.get(d).copied().unwrap_or(0);
    base.shape = shape.into();
    if let Some(s) = base.strides.get_mut(d) {
        *s = 0;
    }
    (base, stride)
}

/// Length and stride of the rows of a layout, along its last dimension; the length is at least 1.
pub(crate) fn row_of(layout: &Layout) -> (usize, isize) {
    let n = layout.shape.last().copied().unwrap_or(1).max(1);
    (n, layout.strides.last().copied().unwrap_or(0))
}

/// Calls `f(row, place)` for each row of `layout`, along its last dimension, with the place of its first element.
pub(crate) fn each_row(layout: &Layout, rows: Range<usize>, mut f: impl FnMut(usize, isize)) {
    let outer = layout.shape.len().saturating_sub(1);
    let (shape, strides) = (&layout.shape[..outer], &layout.strides[..outer]);
    if rows.is_empty() {
        return;
    }
    // One index for each dimension, moved on by carrying, without a division a row.
    let mut index = unravel(rows.start, shape);
    let mut place = layout.offset as isize;
    for (&i, s) in index.iter().zip(strides) {
        place += i as isize * s;
    }
    for row in rows {
        f(row, place);
        for ((i, &n), &s) in index.iter_mut().zip(shape).zip(strides).rev() {
            *i += 1;
            place += s;
            if *i < n {
                break;
            }
            place -= n as isize * s;
            *i = 0;
        }
    }
}

/// Calls `f(position, place)` for every element of `layout` in row-major order.
pub(crate) fn each_place(layout: &Layout, mut f: impl FnMut(usize, usize)) {
    let (n, stride) = row_of(layout);
    each_row(layout, 0..layout.numel() / n, |row, start| {
        for j in 0..n {
            f(row * n + j, (start + j as isize * stride) as usize);
        }
    });
}

/// The list along dimension `d` that an index repeats in all others.
fn one_list(index: &Tensor<i64>, d: usize) -> Option<Tensor<i64>> {
    let layout = index.layout();
    let mut list = layout.clone();
    for (e, n) in list.shape.iter_mut().enumerate().filter(|(e, _)| *e != d) {
        if *n > 1 && layout.strides()[e] != 0 {
            return None;
        }
        *n = 1;
    }
    let repeated = index.numel() > 0 && list.shape != layout.shape;
    repeated.then(|| index.view_as_layout(list))
}

pub(crate) fn check_index(
    op: &'static str,
    index: &Tensor<i64>,
    dim: usize,
    size: usize,
) -> Result<()> {
    // A broadcast index may be larger than anything that can be made with it.
    checked_numel(index.shape()).ok_or_else(|| Error::size(op, index.shape()))?;
    match index.find(|i| i < 0 || i as u64 >= size as u64) {
        Some((_, index)) => Err(Error::Index {
            op,
            index,
            dim,
            size,
        }),
        None => Ok(()),
    }
}

pub(crate) fn check_index_shape(
    op: &'static str,
    shape: &[usize],
    dim: usize,
    index: &[usize],
) -> Result<()> {
    let same_rank = index.len().max(1) == shape.len().max(1);
    let fits = || {
        index
            .iter()
            .zip(shape)
            .enumerate()
            .all(|(d, (i, n))| d == dim || i <= n)
    };
    if same_rank && fits() {
        return Ok(());
    }
    let expected = format!(
        "the tensor has shape {shape:?}: they must have as many dimensions, and agree or fit but for {dim}"
    );
    Err(Error::Shape {
        op,
        what: "the index",
        got: index.into(),
        expected,
    })
}
