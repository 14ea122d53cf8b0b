//! Picking elements by index, and joining tensors.

use crate::element::{Element, Number};
use crate::error::{Dims, Error, Result};
use crate::layout::{checked_numel, unravel};
use crate::tensor::Tensor;

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
        check_index(op, index, d, self.shape()[d])?;
        let (layout, data) = (self.layout(), self.buffer());
        let stride = layout.strides[d];
        // Places as if every index were 0, to which the index along `dim` adds its share.
        let mut base = layout.clone();
        base.shape = index.shape().into();
        base.strides[d] = 0;
        let index = index.to_vec();
        Tensor::build(op, base.shape.clone(), |out| {
            each_place(&base, |i, place| {
                out[i] = data[(place as isize + index[i] as isize * stride) as usize]
            });
        })
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
        let outer: usize = shape[..d].iter().product();
        let x = self.try_contiguous(op)?;
        let x = x.as_slice().unwrap_or(&[]);
        Tensor::build(op, &shape, |out| {
            if inner == 0 {
                return;
            }
            for (i, out) in out
                .chunks_exact_mut(inner)
                .enumerate()
                .take(outer * index.len())
            {
                let (block, j) = (i / index.len(), i % index.len());
                out.copy_from_slice(&x[(block * size + index[j] as usize) * inner..][..inner]);
            }
        })
    }

    /// Tensors joined along dimension `dim`. One of shape `[0]` may stand beside any others and adds nothing, as in
    /// PyTorch.
    ///
    /// # Errors
    /// [`Error::Shape`] if they differ in another dimension, [`Error::Empty`] if there is none.
    pub fn cat(tensors: &[&Tensor<T>], dim: isize) -> Result<Tensor<T>> {
        Self::cat_for("cat", tensors, dim)
    }

    /// Whether this is the tensor of shape `[0]` that [`Tensor::cat`] passes over.
    #[doc(hidden)]
    pub fn is_nothing(&self) -> bool {
        self.shape() == [0]
    }

    fn cat_for(op: &'static str, tensors: &[&Tensor<T>], dim: isize) -> Result<Tensor<T>> {
        let first = *tensors.first().ok_or(Error::Empty {
            op,
            shape: Dims::new(),
        })?;
        let real: Vec<&Tensor<T>> = tensors
            .iter()
            .copied()
            .filter(|x| !x.is_nothing())
            .collect();
        if !real.is_empty() && real.len() < tensors.len() {
            return Self::cat_for(op, &real, dim);
        }
        let (d, _) = first.real_dim(op, dim)?;
        let mut shape: Dims = first.shape().into();
        shape[d] = 0;
        for x in tensors {
            let agrees = x.ndim() == shape.len()
                && (0..shape.len()).all(|i| i == d || x.shape()[i] == shape[i]);
            if !agrees {
                let expected = format!(
                    "it must agree with the first, {:?}, but for dimension {d}",
                    first.shape()
                );
                return Err(Error::Shape {
                    op,
                    what: "one tensor",
                    got: x.shape().into(),
                    expected,
                });
            }
            let too_large = || Error::Size {
                op,
                shape: x.shape().iter().map(|&n| n as i64).collect(),
            };
            shape[d] = shape[d].checked_add(x.shape()[d]).ok_or_else(too_large)?;
        }
        let inner: usize = shape[d + 1..].iter().product();
        let row = shape[d] * inner;
        Tensor::build(op, &shape, |out| {
            let mut column = 0;
            for x in tensors {
                let (source, width) = (x.source(), x.shape()[d] * inner);
                if width == 0 {
                    continue;
                }
                for (i, out) in out.chunks_exact_mut(row).enumerate() {
                    source.gather(i * width, &mut out[column..column + width]);
                }
                column += width;
            }
        })
    }

    /// Tensors of one shape joined along a new dimension `dim`.
    ///
    /// # Errors
    /// [`Error::Shape`] if shapes differ, [`Error::Empty`] if there is no tensor.
    pub fn stack(tensors: &[&Tensor<T>], dim: isize) -> Result<Tensor<T>> {
        let first = tensors.first().ok_or(Error::Empty {
            op: "stack",
            shape: Dims::new(),
        })?;
        if let Some(x) = tensors.iter().find(|x| x.shape() != first.shape()) {
            let expected = format!("it must have the shape {:?} of the first", first.shape());
            return Err(Error::Shape {
                op: "stack",
                what: "one tensor",
                got: x.shape().into(),
                expected,
            });
        }
        let rows = tensors
            .iter()
            .map(|x| x.unsqueeze_for("stack", dim))
            .collect::<Result<Vec<_>>>()?;
        Self::cat_for("stack", &rows.iter().collect::<Vec<_>>(), dim)
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
        let op = "scatter_add";
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
        check_index(op, index, d, self.shape().get(d).copied().unwrap_or(1))?;
        let mut out = crate::map::copy(op, self)?;
        let mut base = out.layout().clone();
        let stride = base.strides.get(d).copied().unwrap_or(0);
        base.shape = index.shape().into();
        if let Some(s) = base.strides.get_mut(d) {
            *s = 0;
        }
        let mut part = src.layout().clone();
        part.shape = index.shape().into();
        let values = src.view_as_layout(part).to_vec();
        let index = index.to_vec();
        let data = out.as_mut_slice();
        each_place(&base, |i, place| {
            let at = (place as isize + index[i] as isize * stride) as usize;
            data[at] = data[at].plus(values[i]);
        });
        Ok(out)
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
            out.fill(T::ZERO);
            for (row, &c) in out.chunks_exact_mut(num_classes.max(1)).zip(&classes) {
                row[c as usize] = T::ONE;
            }
        })
    }
}

/// Calls `f(position, place)` for every element of `layout` in row-major order.
pub(crate) fn each_place(layout: &crate::layout::Layout, mut f: impl FnMut(usize, usize)) {
    let n = layout.numel();
    let inner = layout.shape.last().copied().unwrap_or(1).max(1);
    let stride = layout.strides.last().copied().unwrap_or(0);
    for row in 0..n / inner {
        let start = layout.place(unravel(row * inner, &layout.shape).into_iter()) as isize;
        for j in 0..inner {
            f(row * inner + j, (start + j as isize * stride) as usize);
        }
    }
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

impl<T: Number> Tensor<T> {
    /// The adjoint of a view: zeros of `shape` to which this tensor is added at the places that `view` shows of them.
    ///
    /// Backward of every view is this one function; an element that the view shows more than once gets the sum.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let dy = Tensor::from([1.0f32, 2.0]);
    /// assert_eq!(dy.unview([4], |x| x.slice(0, 1.., 2))?.to_vec(), [0.0, 1.0, 0.0, 2.0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Shape`] if the view has another shape than this tensor, or is none of the zeros' buffer.
    pub fn unview(
        &self,
        shape: impl crate::IntoShape,
        view: impl FnOnce(&Tensor<T>) -> Result<Tensor<T>>,
    ) -> Result<Tensor<T>> {
        let mut out = Tensor::zeros(shape)?;
        let seen = view(&out)?;
        // A single element is not shared but copied.
        let looks_in = seen.shares_buffer(&out) || (out.numel() == 1 && seen.buffer().len() == 1);
        if seen.shape() != self.shape() || (seen.numel() > 0 && !looks_in) {
            let expected = format!(
                "the gradient has shape {:?}, and a view looks into its tensor",
                self.shape()
            );
            return Err(Error::Shape {
                op: "unview",
                what: "the view",
                got: seen.shape().into(),
                expected,
            });
        }
        let layout = seen.layout().clone();
        drop(seen);
        let values = self.contiguous();
        let values = values.as_slice().unwrap_or(&[]);
        let data = out.as_mut_slice();
        each_place(&layout, |i, place| {
            data[place] = data[place].plus(values[i])
        });
        Ok(out)
    }
}
