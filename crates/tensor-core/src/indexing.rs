//! What may stand between the brackets of an index: numbers, ranges with steps, new dimensions, tensors of places and
//! masks; and the part of a tensor that they name.

use crate::element::Element;
use crate::error::{Dims, Error, Result};
use crate::layout::{Layout, broadcast, checked_numel};
use crate::shape::Int;
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::ops::{
    Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive,
};

/// One entry of an index.
#[derive(Clone, Debug)]
pub enum IndexItem {
    /// One place of a dimension, which the result lacks; negative ones count from the end.
    At(isize),
    /// A range of a dimension, every `step`-th place of it.
    Range {
        /// Where it begins.
        start: Bound<isize>,
        /// Where it ends.
        end: Bound<isize>,
        /// The distance of neighbours; a negative one walks from the last to the first.
        step: isize,
    },
    /// A new dimension of size 1.
    NewAxis,
    /// As many whole dimensions as the other entries leave.
    Ellipsis,
    /// Places of a dimension, in any order and any number of times; all such tensors of an index are broadcast to each
    /// other and name one place together.
    Places(Tensor<i64>),
    /// The places where a mask over one or several dimensions is true.
    Mask(Tensor<bool>),
}

/// In an index, a new dimension of size 1: PyTorch's `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAxis;

/// In an index, as many whole dimensions as the other entries leave: PyTorch's `...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ellipsis;

/// What can be one entry of an index.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in an index",
    label = "not an entry of an index",
    note = "an index holds integers, ranges of integers such as `..`, `1..3` or `..;-1`, `NewAxis`, `Ellipsis`, tensors of `i64` and masks of `bool`"
)]
pub trait IntoIndexItem {
    /// The entry.
    fn item(self) -> IndexItem;
}

/// What takes a step in an index: `1..; 2`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no step",
    label = "not a range of integers",
    note = "in `i![a; b]` the entry `a` is a range, such as `..` or `1..5`, and `b` its step"
)]
pub trait IntoStepped {
    /// The range with a step.
    fn stepped(self, step: impl Int) -> IndexItem;
}

/// A whole index: `i![..]`, a tuple of entries, or one entry.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no index",
    label = "not an index",
    note = "an index is what `i![..]` makes, or a tuple of integers, ranges, `NewAxis`, `Ellipsis`, tensors of `i64` and masks"
)]
pub trait IntoIndex {
    /// Its entries.
    fn items(self) -> Vec<IndexItem>;
}

/// An index: `x.index(i![.., 0, 1..3, 1..; 2, ..; -1, NewAxis])`.
///
/// Entries are for the dimensions in turn; those without an entry are taken whole. An entry is
///
/// - an integer, negative ones counting from the end: that place, without its dimension;
/// - a range, with a step behind `;` if it has one: a negative step walks the same elements backwards;
/// - [`NewAxis`]: a new dimension of size 1;
/// - [`Ellipsis`]: as many whole dimensions as the other entries leave;
/// - a `Tensor<i64>` or a reference to one: these places, negative ones counting from the end;
/// - a `Tensor<bool>` or a reference to one: the places where it is true.
///
/// ```
/// use tensor_core::{NewAxis, Tensor, i};
/// let x = Tensor::arange(0, 24, 1)?.reshape([2, 3, 4])?;
/// assert_eq!(x.index(i![1, .., -1])?.to_vec(), [15, 19, 23]);
/// assert_eq!(x.index(i![0, 1.., ..; 2])?, Tensor::from([[4, 6], [8, 10]]));
/// assert_eq!(x.index(i![0, 0, ..; -1])?.to_vec(), [3, 2, 1, 0]);
/// assert_eq!(x.index(i![.., NewAxis, 0])?.shape(), [2, 1, 4]);
/// assert_eq!(x.index(i![0, Tensor::from([2, 0]), 1])?.to_vec(), [9, 1]);
/// # Ok::<(), tensor_core::Error>(())
/// ```
#[macro_export]
macro_rules! i {
    () => { [$crate::IndexItem::Ellipsis] };
    ($($entry:expr $(; $step:expr)?),+ $(,)?) => { [$($crate::i!(@ $entry $(; $step)?)),+] };
    // Elsewhere a range such as `1..-1` would be empty, and linters say so.
    (@ $entry:expr) => {{
        #[allow(clippy::reversed_empty_ranges)]
        let item = $crate::indexing::IntoIndexItem::item($entry);
        item
    }};
    (@ $range:expr; $step:expr) => {{
        #[allow(clippy::reversed_empty_ranges)]
        let item = $crate::indexing::IntoStepped::stepped($range, $step);
        item
    }};
}

impl IntoIndexItem for IndexItem {
    fn item(self) -> IndexItem {
        self
    }
}
impl IntoIndexItem for NewAxis {
    fn item(self) -> IndexItem {
        IndexItem::NewAxis
    }
}
impl IntoIndexItem for Ellipsis {
    fn item(self) -> IndexItem {
        IndexItem::Ellipsis
    }
}
impl IntoIndexItem for Tensor<i64> {
    fn item(self) -> IndexItem {
        IndexItem::Places(self)
    }
}
impl IntoIndexItem for &Tensor<i64> {
    fn item(self) -> IndexItem {
        IndexItem::Places(self.clone())
    }
}
impl IntoIndexItem for Tensor<bool> {
    fn item(self) -> IndexItem {
        IndexItem::Mask(self)
    }
}
impl IntoIndexItem for &Tensor<bool> {
    fn item(self) -> IndexItem {
        IndexItem::Mask(self.clone())
    }
}

/// Integers as entries, one by one: with one impl for all of them, a float would be said to lack another trait.
macro_rules! places {
    ($($t:ty)*) => { $(impl IntoIndexItem for $t {
        fn item(self) -> IndexItem { IndexItem::At(place(self)) }
    })* };
}
places! { i32 i64 isize u32 u64 usize }

fn place(i: impl Int) -> isize {
    isize::try_from(i.to_i64()).unwrap_or(isize::MAX)
}

/// Ranges as entries, with a step and without.
macro_rules! ranges {
    ($($t:ty [$($int:ident)?];)*) => { $(
        impl$(<$int: Int>)? IntoIndexItem for $t {
            fn item(self) -> IndexItem { self.stepped(1) }
        }
        impl$(<$int: Int>)? IntoStepped for $t {
            fn stepped(self, step: impl Int) -> IndexItem {
                let (start, end) = bounds(&self);
                IndexItem::Range { start, end, step: place(step) }
            }
        }
    )* };
}
ranges! {
    Range<I> [I];
    RangeFrom<I> [I];
    RangeTo<I> [I];
    RangeInclusive<I> [I];
    RangeToInclusive<I> [I];
}

impl IntoIndexItem for RangeFull {
    fn item(self) -> IndexItem {
        self.stepped(1)
    }
}
impl IntoStepped for RangeFull {
    fn stepped(self, step: impl Int) -> IndexItem {
        IndexItem::Range {
            start: Bound::Unbounded,
            end: Bound::Unbounded,
            step: place(step),
        }
    }
}

fn bounds<I: Int>(range: &impl RangeBounds<I>) -> (Bound<isize>, Bound<isize>) {
    let bound = |b: Bound<&I>| b.map(|i| place(*i));
    (bound(range.start_bound()), bound(range.end_bound()))
}

impl<const N: usize> IntoIndex for [IndexItem; N] {
    fn items(self) -> Vec<IndexItem> {
        self.into()
    }
}
impl IntoIndex for Vec<IndexItem> {
    fn items(self) -> Vec<IndexItem> {
        self
    }
}
impl IntoIndex for &[IndexItem] {
    fn items(self) -> Vec<IndexItem> {
        self.to_vec()
    }
}
impl<I: IntoIndexItem> IntoIndex for I {
    fn items(self) -> Vec<IndexItem> {
        vec![self.item()]
    }
}

/// Tuples of entries.
macro_rules! tuples {
    ($(($($t:ident)+);)*) => { $(
        #[allow(non_snake_case)] // The names of the types serve for the values too.
        impl<$($t: IntoIndexItem),+> IntoIndex for ($($t,)+) {
            fn items(self) -> Vec<IndexItem> {
                let ($($t,)+) = self;
                vec![$($t.item()),+]
            }
        }
    )* };
}
tuples! {
    (A);
    (A B);
    (A B C);
    (A B C D);
    (A B C D E);
    (A B C D E F);
    (A B C D E F G);
    (A B C D E F G H);
}

/// First place and number of places of a range in a dimension of `size`, as Python counts.
pub(crate) fn range_in(
    op: &'static str,
    size: usize,
    (start, end): (Bound<isize>, Bound<isize>),
    step: isize,
) -> Result<(usize, usize)> {
    if step == 0 {
        return Err(Error::Option {
            op,
            name: "step",
            value: "0".into(),
            expected: "it must not be 0",
        });
    }
    let n = size as isize;
    let wrap = |i: isize| if i < 0 { i.saturating_add(n) } else { i }.clamp(0, n);
    let start = match start {
        Bound::Included(i) => wrap(i),
        Bound::Excluded(i) => (wrap(i) + 1).min(n),
        Bound::Unbounded => 0,
    };
    let end = match end {
        // `..=-1` reaches to the end.
        Bound::Included(-1) | Bound::Unbounded => n,
        Bound::Included(i) => wrap(i.saturating_add(1)),
        Bound::Excluded(i) => wrap(i),
    };
    let span = (end - start).max(0) as usize;
    let len = span.div_ceil(step.unsigned_abs());
    let first = if step > 0 {
        start
    } else {
        (start + span as isize - 1).max(start)
    };
    Ok((first as usize, len))
}

/// The part of a layout that an index names: for each position of `before`, of `offsets`, and of `after`, in this
/// order, one place.
pub(crate) struct Selection {
    /// The dimensions before the picked ones, with the place where the part begins.
    pub(crate) before: Layout,
    /// What each picked place adds; one 0 if nothing is picked by tensors.
    pub(crate) offsets: Vec<isize>,
    /// The dimensions behind the picked ones.
    pub(crate) after: Layout,
    /// The shape of the part.
    pub(crate) shape: Dims,
    /// The part as a view, if no tensor picks.
    pub(crate) view: Option<Layout>,
}

/// Places along a dimension, counted from the front.
struct Picked {
    dim: usize,
    places: Tensor<i64>,
}

impl Selection {
    pub(crate) fn new(op: &'static str, layout: &Layout, items: &[IndexItem]) -> Result<Self> {
        let (view, picked) = walk(op, layout, items)?;
        let Some((first, last)) = picked.first().zip(picked.last()) else {
            return Ok(Selection {
                before: view.clone(),
                offsets: vec![0],
                after: Layout::contiguous(Dims::new()),
                shape: view.shape.clone(),
                view: Some(view),
            });
        };
        let mut common = Dims::new();
        for p in &picked {
            common = broadcast(op, &common, p.places.shape())?;
        }
        let count = checked_numel(&common).ok_or_else(|| Error::size(op, &common))?;
        let mut offsets = vec![0isize; count];
        for p in &picked {
            let stride = view.strides[p.dim];
            let places = p.places.broadcast_to(&common)?.to_vec();
            (offsets.iter_mut().zip(places)).for_each(|(o, i)| *o += i as isize * stride);
        }
        // Tensors side by side keep their place among the dimensions; others move to the front, as in NumPy.
        let together = last.dim - first.dim + 1 == picked.len();
        let split = if together { first.dim } else { 0 };
        let rest = |d: &usize| picked.iter().all(|p| p.dim != *d);
        let front: SmallVec<[usize; 4]> = (0..split).filter(rest).collect();
        let back: SmallVec<[usize; 4]> = (split..view.shape.len()).filter(rest).collect();
        let (before, after) = (view.permute(&front), view.permute(&back));
        let mut shape = before.shape.clone();
        shape.extend_from_slice(&common);
        shape.extend_from_slice(&after.shape);
        Ok(Selection {
            before,
            offsets,
            after,
            shape,
            view: None,
        })
    }
}

/// How many dimensions of the tensor an entry is for.
fn width(item: &IndexItem) -> usize {
    match item {
        IndexItem::NewAxis | IndexItem::Ellipsis => 0,
        IndexItem::Mask(m) => m.ndim(),
        _ => 1,
    }
}

/// The view that numbers, ranges and new dimensions make, and what tensors pick of its dimensions.
fn walk(op: &'static str, layout: &Layout, items: &[IndexItem]) -> Result<(Layout, Vec<Picked>)> {
    let fail = |expected: String| Error::Shape {
        op,
        what: "the tensor",
        got: layout.shape.clone(),
        expected,
    };
    let named: usize = items.iter().map(width).sum();
    let rest = (layout.shape.len().checked_sub(named))
        .ok_or_else(|| fail(format!("the index names {named} dimensions")))?;
    let dots = |item: &&IndexItem| matches!(item, IndexItem::Ellipsis);
    if items.iter().filter(dots).count() > 1 {
        return Err(fail("an index takes one `Ellipsis`".into()));
    }
    let (mut view, mut picked) = (layout.clone(), Vec::new());
    // `d` is the next dimension of the view, `from` the same one of the tensor.
    let (mut d, mut from) = (0, 0);
    for item in items {
        match item {
            IndexItem::Ellipsis => {
                d += rest;
                from += rest;
            }
            IndexItem::NewAxis => {
                view.shape.insert(d, 1);
                view.strides.insert(d, 0);
                d += 1;
            }
            &IndexItem::At(index) => {
                let size = view.shape[d];
                let at = if index < 0 {
                    index + size as isize
                } else {
                    index
                };
                if at < 0 || at as usize >= size {
                    return Err(Error::Index {
                        op,
                        index: index as i64,
                        dim: from,
                        size,
                    });
                }
                view = view.slice(d, at as usize, 1, 1);
                view.shape.remove(d);
                view.strides.remove(d);
                from += 1;
            }
            &IndexItem::Range { start, end, step } => {
                let (first, len) = range_in(op, view.shape[d], (start, end), step)?;
                view = view.slice(d, first, len, step);
                d += 1;
                from += 1;
            }
            IndexItem::Places(places) => {
                let places = wrapped(op, places, from, view.shape[d])?;
                picked.push(Picked { dim: d, places });
                d += 1;
                from += 1;
            }
            IndexItem::Mask(mask) if mask.ndim() == 0 => {
                // A truth value is a dimension of its own, of size 1 or 0.
                view.shape.insert(d, 1);
                view.strides.insert(d, 0);
                let places = mask.reshape([1])?.nonzero().flatten(0, -1)?;
                picked.push(Picked { dim: d, places });
                d += 1;
            }
            IndexItem::Mask(mask) => {
                let n = mask.ndim();
                if mask.shape() != &layout.shape[from..from + n] {
                    let expected = format!(
                        "a mask of shape {:?} stands for its dimensions from {from} on",
                        mask.shape()
                    );
                    return Err(fail(expected));
                }
                let places = mask.try_nonzero(op)?;
                for i in 0..n {
                    let places = places.select(1, i as isize)?;
                    picked.push(Picked { dim: d + i, places });
                }
                d += n;
                from += n;
            }
        }
    }
    Ok((view, picked))
}

/// Places counted from the front, each within the dimension.
pub(crate) fn wrapped(
    op: &'static str,
    places: &Tensor<i64>,
    dim: usize,
    size: usize,
) -> Result<Tensor<i64>> {
    checked_numel(places.shape()).ok_or_else(|| Error::size(op, places.shape()))?;
    let n = size as i64;
    if let Some((_, index)) = places.find(|i| i < -n || i >= n) {
        return Err(Error::Index {
            op,
            index,
            dim,
            size,
        });
    }
    Ok(places.map(|i| if i < 0 { i + n } else { i }))
}

impl<T: Element> Tensor<T> {
    /// The part of this tensor that an index names: a view, unless tensors pick places.
    ///
    /// Takes [`i!`](crate::i), which lists the kinds of entries, or a tuple: `x.index((.., 0, 1..3))`.
    ///
    /// ```
    /// use tensor_core::{Ellipsis, Tensor, i};
    /// let x = Tensor::from([[1, 2, 3], [4, 5, 6]]);
    /// assert_eq!(x.index((0, 1..))?.to_vec(), [2, 3]);
    /// assert_eq!(x.index(i![Ellipsis, -1])?.to_vec(), [3, 6]);
    /// assert_eq!(x.index(x.gt(2)?)?.to_vec(), [3, 4, 5, 6]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Index`] outside a dimension, [`Error::Shape`] for more entries than dimensions or a mask of another
    /// shape, [`Error::Broadcast`] if tensors of places do not broadcast, [`Error::Option`] for a step of 0.
    pub fn index(&self, index: impl IntoIndex) -> Result<Tensor<T>> {
        let selection = Selection::new("index", self.layout(), &index.items())?;
        crate::select::read("index", self, &selection)
    }
}
