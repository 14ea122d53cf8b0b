//! The tensor itself: a shared buffer seen through a layout, with value semantics.

use crate::element::{DType, Element};
use crate::error::{Dims, Error, Result};
use crate::kernel::pool::{Buffer, Shelved};
use crate::kernel::source::Source;
use crate::kernel::{Isa, Kernel, dispatch, par};
use crate::layout::{Layout, checked_numel, unravel};
use crate::shape::IntoShape;
use smallvec::SmallVec;
use std::sync::Arc;

/// An array of any number of dimensions over a shared buffer.
///
/// A clone and every view take constant time and share the buffer; writing to a tensor copies first what others
/// see, so no write is ever seen through another tensor. A tensor can be sent to and shared among threads.
///
/// ```
/// use tensor_core::Tensor;
/// let x = Tensor::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// let mut y = x.transpose(0, 1)?; // a view: no element was copied
/// assert_eq!(y.shape(), [3, 2]);
/// y.set([0, 1], 40.0)?; // copies first
/// assert_eq!((y[[0, 1]], x[[1, 0]]), (40.0, 4.0));
/// # Ok::<(), tensor_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor<T: Element> {
    storage: Storage<T>,
    layout: Layout,
}

/// Where the elements are. A copy of a single element is as good as a share in it, and costs no allocation: the values
/// between one loss and the next are mostly of this kind.
#[derive(Clone)]
enum Storage<T: Element> {
    One([T; 1]),
    Shared(Arc<Shelved<T>>),
}

impl<T: Element> Storage<T> {
    #[inline]
    fn as_slice(&self) -> &[T] {
        match self {
            Storage::One(x) => x,
            Storage::Shared(x) => x.as_slice(),
        }
    }

    /// The elements for writing, if no other tensor sees them.
    fn own(&mut self) -> Option<&mut [T]> {
        match self {
            Storage::One(x) => Some(x),
            Storage::Shared(x) => Arc::get_mut(x).map(Shelved::as_mut_slice),
        }
    }
}

impl<T: Element> Tensor<T> {
    /// A row-major tensor over a new buffer of at least the shape's number of elements.
    pub(crate) fn from_buffer(buffer: Buffer<T>, shape: Dims) -> Self {
        Self::with_layout(buffer, Layout::contiguous(shape))
    }

    pub(crate) fn with_layout(buffer: Buffer<T>, layout: Layout) -> Self {
        debug_assert!(buffer.as_slice().len() >= layout.numel());
        let storage = match buffer {
            Buffer::One(x) => Storage::One(x),
            Buffer::Many(x) => Storage::Shared(Arc::new(x)),
        };
        Tensor { storage, layout }
    }

    /// A tensor of one element.
    #[inline]
    pub(crate) fn one(value: T, shape: Dims) -> Self {
        Tensor {
            storage: Storage::One([value]),
            layout: Layout::contiguous(shape),
        }
    }

    /// The element, if it is the only one and lies in place.
    #[inline]
    pub(crate) fn lone(&self) -> Option<T> {
        match self.storage {
            Storage::One([x]) if self.layout.is_one() => Some(x),
            _ => None,
        }
    }

    /// The same buffer seen through another layout.
    pub(crate) fn view_as_layout(&self, layout: Layout) -> Self {
        Tensor {
            storage: self.storage.clone(),
            layout,
        }
    }

    /// A row-major tensor that `fill` writes every element of; what it finds there is left over from earlier use.
    ///
    /// This is how a fused operation makes its result: one pass, no zeroing, a buffer used again where there is one.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::<f32>::build("squares", [4], |out| {
    ///     out.iter_mut().enumerate().for_each(|(i, o)| *o = (i * i) as f32)
    /// })?;
    /// assert_eq!(x.to_vec(), [0.0, 1.0, 4.0, 9.0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Size`] if the tensor is too large to exist.
    pub fn build(
        op: &'static str,
        shape: impl IntoShape,
        fill: impl FnOnce(&mut [T]),
    ) -> Result<Self> {
        let shape = shape.dims(op)?;
        let n = shape.iter().product();
        let mut buffer = Buffer::stale(op, &shape)?;
        fill(&mut buffer.as_mut_slice()[..n]);
        Ok(Self::from_buffer(buffer, shape))
    }

    /// As [`Tensor::build`] with the memory order of `layout`, which must come from
    /// [`rows_layout`](crate::kernel::rows::rows_layout).
    ///
    /// # Errors
    /// [`Error::Size`] if the tensor is too large to exist.
    pub fn build_rows(
        op: &'static str,
        shape: &[usize],
        dim: usize,
        fill: impl FnOnce(&mut [T]),
    ) -> Result<Self> {
        let mut buffer = Buffer::stale(op, shape)?;
        let layout = crate::kernel::rows::rows_layout(shape, dim);
        let n = layout.numel();
        fill(&mut buffer.as_mut_slice()[..n]);
        Ok(Self::with_layout(buffer, layout))
    }

    /// The sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// The strides, in elements.
    pub fn strides(&self) -> &[isize] {
        &self.layout.strides
    }

    /// How the elements lie in the buffer.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The whole buffer that this tensor, and perhaps others, look into; see [`Tensor::layout`].
    pub fn buffer(&self) -> &[T] {
        self.storage.as_slice()
    }

    /// The number of dimensions.
    pub fn ndim(&self) -> usize {
        self.layout.shape.len()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.layout.numel()
    }

    /// The size of dimension `dim`; negative ones count from the end.
    ///
    /// # Errors
    /// [`Error::Dim`] if there is no such dimension, [`Error::Shape`] for a scalar.
    pub fn size(&self, dim: isize) -> Result<usize> {
        self.real_dim("size", dim).map(|(_, n)| n)
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        T::DTYPE
    }

    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.layout.is_contiguous()
    }

    /// Whether both tensors look into the same buffer. One made with a single element holds it in place, and shares it
    /// with none.
    pub fn shares_buffer(&self, other: &Self) -> bool {
        match (&self.storage, &other.storage) {
            (Storage::Shared(a), Storage::Shared(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// A dimension counted from the front, for an operation named `op`.
    ///
    /// # Errors
    /// [`Error::Dim`] if there is no such dimension.
    pub fn dim_index(&self, op: &'static str, dim: isize) -> Result<usize> {
        crate::layout::wrap_dim(op, dim, self.shape())
    }

    /// The elements in row-major order, if they lie in memory like that.
    pub fn as_slice(&self) -> Option<&[T]> {
        if !self.is_contiguous() {
            return None;
        }
        match self.numel() {
            0 => Some(&[]),
            n => Some(&self.storage.as_slice()[self.layout.offset..self.layout.offset + n]),
        }
    }

    /// The elements in row-major order.
    pub fn to_vec(&self) -> Vec<T> {
        match self.as_slice() {
            Some(x) => x.to_vec(),
            None => {
                let mut out = vec![T::ZERO; self.numel()];
                self.source().gather(0, &mut out);
                out
            }
        }
    }

    /// As [`Tensor::to_vec`], or an error of the operation `op` where there are more elements than memory holds, as a
    /// broadcast view can show.
    pub(crate) fn try_vec(&self, op: &'static str) -> Result<Vec<T>> {
        let too_large = || Error::size(op, self.shape());
        let n = checked_numel(self.shape()).ok_or_else(too_large)?;
        let mut out = Vec::new();
        out.try_reserve_exact(n).map_err(|_| too_large())?;
        match self.as_slice() {
            Some(x) => out.extend_from_slice(x),
            None => {
                out.resize(n, T::ZERO);
                self.source().gather(0, &mut out);
            }
        }
        Ok(out)
    }

    /// The same elements in row-major order without gaps: this tensor if it is so already, else a copy.
    ///
    /// # Panics
    /// If this is a broadcast view that as a copy would not fit into memory.
    #[track_caller]
    pub fn contiguous(&self) -> Self {
        crate::error::sure(self.try_contiguous("contiguous"))
    }

    /// As [`Tensor::contiguous`], for an operation named `op`.
    pub(crate) fn try_contiguous(&self, op: &'static str) -> Result<Self> {
        if self.is_contiguous() {
            return Ok(self.clone());
        }
        crate::map::copy(op, self)
    }

    /// The elements for writing, in row-major order; copies first if another tensor looks into the buffer or the
    /// elements do not lie in this order.
    ///
    /// # Panics
    /// If the copy would not fit into memory.
    #[track_caller]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        crate::error::sure(self.try_as_mut_slice("as_mut_slice"))
    }

    /// As [`Tensor::as_mut_slice`], for an operation named `op`.
    pub(crate) fn try_as_mut_slice(&mut self, op: &'static str) -> Result<&mut [T]> {
        let n = self.numel();
        if n == 0 {
            return Ok(&mut []);
        }
        if !self.is_contiguous() || self.storage.own().is_none() {
            *self = crate::map::copy(op, self)?;
        }
        let start = self.layout.offset;
        Ok(match self.storage.own() {
            Some(buffer) => &mut buffer[start..start + n],
            // The copy above has no other owner.
            None => &mut [],
        })
    }

    /// The elements for writing, if no other tensor looks into the buffer and they are one run in some order of
    /// dimensions, row-major unless the tensor is a view or was made otherwise: what lets an accumulation happen in
    /// place, and lets [`Tensor::build`] fill several tensors in one pass.
    pub fn own_run(&mut self) -> Option<&mut [T]> {
        let n = self.numel();
        let order = self.layout.memory_order();
        let run = n > 0 && self.layout.permute(&order).is_contiguous();
        let start = self.layout.offset;
        run.then(|| self.storage.own())
            .flatten()
            .map(|b| &mut b[start..start + n])
    }

    /// The only element.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not exactly one.
    pub fn item(&self) -> Result<T> {
        if self.numel() != 1 {
            let expected =
                "an item can be taken of one element only: index or reduce it first".into();
            return Err(Error::Shape {
                op: "item",
                what: "the tensor",
                got: self.shape().into(),
                expected,
            });
        }
        Ok(self.storage.as_slice()[self.layout.offset])
    }

    /// The place in the buffer of an index; negative ones count from the end.
    fn place(&self, op: &'static str, index: &impl IntoShape) -> Result<usize> {
        let index = index.sizes();
        if index.len() != self.ndim() {
            let expected = format!(
                "the index {:?} names {} dimensions",
                &index[..],
                index.len()
            );
            return Err(Error::Shape {
                op,
                what: "the tensor",
                got: self.shape().into(),
                expected,
            });
        }
        let mut place: SmallVec<[usize; 4]> = SmallVec::new();
        for (dim, (&i, &size)) in index.iter().zip(self.shape()).enumerate() {
            let at = if i < 0 { i + size as i64 } else { i };
            if at < 0 || at >= size as i64 {
                return Err(Error::Index {
                    op,
                    index: i,
                    dim,
                    size,
                });
            }
            place.push(at as usize);
        }
        Ok(self.layout.place(place.into_iter()))
    }

    /// The element at `index`, such as `[1, -1]`; negative indices count from the end.
    ///
    /// # Errors
    /// [`Error::Index`] outside the tensor, [`Error::Shape`] if the index has another number of dimensions.
    pub fn get(&self, index: impl IntoShape) -> Result<T> {
        Ok(self.storage.as_slice()[self.place("get", &index)?])
    }

    /// Writes one element; copies the tensor first if another one looks into its buffer.
    ///
    /// # Errors
    /// [`Error::Index`] outside the tensor, [`Error::Shape`] if the index has another number of dimensions,
    /// [`Error::Size`] if the copy would not fit into memory.
    pub fn set(&mut self, index: impl IntoShape, value: T) -> Result<()> {
        self.place("set", &index)?;
        self.try_as_mut_slice("set")?;
        let place = self.place("set", &index)?;
        if let Some(buffer) = self.storage.own() {
            buffer[place] = value;
        }
        Ok(())
    }

    /// The elements in row-major order, as kernels read them.
    pub fn source(&self) -> Source<'_, T> {
        Source::new(self.storage.as_slice(), &self.layout)
    }

    /// Index and value of the first element, in row-major order, that `bad` finds.
    pub fn find(&self, bad: impl Fn(T) -> bool + Sync) -> Option<(Dims, T)> {
        let source = self.source();
        let first = |range: std::ops::Range<usize>| {
            let (mut reader, mut at) = (source.reader(), range.start);
            while at < range.end {
                let len = reader.ready(at, range.end - at).min(FIND);
                let block = reader.read(at, len);
                // Whether there is one at all is asked of whole vectors; where it is, only if there is one.
                if dispatch(Any(block, &bad)) {
                    let i = block.iter().position(|&v| bad(v))?;
                    return Some((at + i, block[i]));
                }
                at += len;
            }
            None
        };
        let found = par::collect(self.numel(), 1, first);
        let (at, value) = found.into_iter().flatten().next()?;
        Some((unravel(at, self.shape()), value))
    }
}

/// Elements that [`Tensor::find`] asks at a time.
const FIND: usize = 4096;

struct Any<'a, T, F>(&'a [T], &'a F);
impl<T: Copy, F: Fn(T) -> bool> Kernel for Any<'_, T, F> {
    type Out = bool;
    #[inline(always)]
    fn run<I: Isa>(self) -> bool {
        self.0.iter().fold(false, |any, &v| any | (self.1)(v))
    }
}

impl<T: Element> Default for Tensor<T> {
    /// A tensor of shape `[0]`.
    fn default() -> Self {
        Self::from_buffer(Buffer::from_vec(Vec::new()), Dims::from_slice(&[0]))
    }
}

impl<T: Element, S: IntoShape> std::ops::Index<S> for Tensor<T> {
    type Output = T;

    /// The element at `index`, such as `x[[1, -1]]`.
    ///
    /// # Panics
    /// Where [`Tensor::get`] returns an error, with its message.
    #[track_caller]
    fn index(&self, index: S) -> &T {
        match self.place("index", &index) {
            Ok(place) => &self.storage.as_slice()[place],
            Err(e) => panic!("{e}"),
        }
    }
}

impl<T: Element> PartialEq for Tensor<T> {
    /// Whether shapes and all elements are equal; NaN equals nothing.
    fn eq(&self, other: &Self) -> bool {
        if self.shape() != other.shape() {
            return false;
        }
        let (a, b) = (self.source(), other.source());
        let (mut a, mut b) = (a.reader(), b.reader());
        let (mut at, n) = (0, self.numel());
        while at < n {
            let len = b.ready(at, a.ready(at, n - at));
            if a.read(at, len) != b.read(at, len) {
                return false;
            }
            at += len;
        }
        true
    }
}
