//! Quantiles, distinct values, and counts.

use crate::between::tensor;
use crate::element::{DType, Element, Float, Number};
use crate::error::{Dims, Error, Result};
use crate::kernel::count::{extent, histogram};
use crate::kernel::par;
use crate::map::Operand;
use crate::reduce::plan;
use crate::rows::reduce_rows;
use crate::shape::Axes;
use crate::sort::{order, pack, packs, unpack};
use crate::tensor::Tensor;
use std::cmp::Ordering;

/// What a quantile between two elements is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// As far from one to the other as the quantile lies between their places.
    #[default]
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// The middle of both.
    Midpoint,
    /// The nearer one, and in the middle the one at the even place.
    Nearest,
}

impl Interpolation {
    /// The places of two neighbours in the order of `n` elements, and how far to go from the one to the other, for
    /// quantile `q`.
    ///
    /// # Errors
    /// [`Error::Option`] if `q` is not in `0..=1`.
    pub fn places(self, op: &'static str, q: f64, n: usize) -> Result<(usize, usize, f64)> {
        if !(0.0..=1.0).contains(&q) {
            return Err(Error::Option {
                op,
                name: "q",
                value: q.to_string(),
                expected: "a quantile lies in 0..=1",
            });
        }
        let rank = q * (n.max(1) - 1) as f64;
        let (low, high) = (rank.floor(), rank.ceil());
        let (low, high, weight) = match self {
            Interpolation::Linear => (low, high, rank - low),
            Interpolation::Lower => (low, low, 0.0),
            Interpolation::Higher => (high, high, 0.0),
            Interpolation::Midpoint => (low, high, 0.5),
            Interpolation::Nearest => (rank.round_ties_even(), rank.round_ties_even(), 0.0),
        };
        Ok((low as usize, high as usize, weight))
    }
}

impl<T: Float> Tensor<T> {
    /// The quantile `q` over `axes`, a number in `0..=1`: the element at that part of the order, or between two; NaN where
    /// there is one. Of a vector of such numbers there are as many results, in a new first dimension.
    ///
    /// ```
    /// use tensor_core::{Interpolation, Tensor};
    /// let x = Tensor::from([4.0, 1.0, 2.0, 3.0]);
    /// assert_eq!(x.quantile(0.5, .., Interpolation::Linear)?.item()?, 2.5);
    /// let ends = x.quantile(Tensor::from([0.0, 1.0]), .., Interpolation::Lower)?;
    /// assert_eq!(ends.to_vec(), [1.0, 4.0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`] if `q` is not in `0..=1`, [`Error::Shape`] if it has more than one dimension, [`Error::Empty`]
    /// over no element, [`Error::Dim`], [`Error::RepeatedDim`].
    /// # Differs from PyTorch
    /// Between a number and an infinity lies the infinity; there it may be NaN.
    pub fn quantile(
        &self,
        q: impl Operand<T>,
        axes: impl Into<Axes>,
        interpolation: Interpolation,
    ) -> Result<Tensor<T>> {
        let axes = axes.into();
        let q = tensor("quantile", &q)?;
        match q.ndim() {
            0 => self.one_quantile(q.item()?.f64(), &axes, interpolation),
            1 => {
                let each = q.to_vec().into_iter();
                let found = each.map(|q| self.one_quantile(q.f64(), &axes, interpolation));
                let found = found.collect::<Result<Vec<_>>>()?;
                Tensor::stack(&found.iter().collect::<Vec<_>>(), 0)
            }
            _ => Err(Error::Shape {
                op: "quantile",
                what: "q",
                got: q.shape().into(),
                expected: "it must be a number or a vector".into(),
            }),
        }
    }

    fn one_quantile(&self, q: f64, axes: &Axes, interpolation: Interpolation) -> Result<Tensor<T>> {
        let op = "quantile";
        let plan = plan(op, axes, self.shape())?;
        let (low, high, weight) = interpolation.places(op, q, plan.count)?;
        if plan.count == 0 {
            let shape = self.shape().into();
            return Err(Error::Empty { op, shape });
        }
        reduce_rows(op, self, &plan.mask, plan.shape, move |_, row| {
            if let Some(&nan) = row.iter().find(|x| x.is_nan_()) {
                return nan;
            }
            let [at_low, at_high] = two_of(row, low, high);
            let (a, b) = (at_low.f64(), at_high.f64());
            // Equal infinities have no difference, and one beside a number outweighs it.
            if a == b || weight == 0.0 || (a.is_infinite() && b.is_finite()) {
                return at_low;
            }
            if a.is_finite() && b.is_infinite() {
                return at_high;
            }
            T::of(if weight < 0.5 {
                a + weight * (b - a)
            } else {
                b - (b - a) * (1.0 - weight)
            })
        })
    }

    /// The numbers of elements in `bins` intervals of one width from `min` to `max`, which belongs to the last; others and
    /// NaN are not counted. If both are equal, the least and the largest element stand for them.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from([1.0, 2.0, 1.0]);
    /// assert_eq!(x.histc(4, 0.0, 3.0)?.to_vec(), [0.0, 2.0, 1.0, 0.0]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`] for no bin, or bounds that are crossed or not finite.
    pub fn histc(&self, bins: usize, min: T, max: T) -> Result<Tensor<T>> {
        let fail = |name, value: String, expected| Error::Option {
            op: "histc",
            name,
            value,
            expected,
        };
        if bins == 0 {
            return Err(fail("bins", "0".into(), "there must be at least one"));
        }
        let (mut low, mut high) = (min.f64(), max.f64());
        if low == high && self.numel() > 0 {
            low = self.min(..)?.item()?.f64();
            high = self.max(..)?.item()?.f64();
        }
        if low == high {
            (low, high) = (low - 1.0, high + 1.0);
        }
        if !(low < high && (high - low).is_finite()) {
            let expected =
                "the bounds, or the elements that stand for them, must be finite and in order";
            return Err(fail("min and max", format!("{low} and {high}"), expected));
        }
        // Counted as integers: a float that is counted up by 1 stands still where its digits end.
        let mut counts = Tensor::<i64>::zeros(bins).map_err(|e| e.named("histc"))?;
        let sums = counts.try_as_mut_slice("histc")?;
        for x in self.try_vec("histc")? {
            let x = x.f64();
            if x >= low && x <= high {
                let bin = ((x - low) * bins as f64 / (high - low)) as usize;
                sums[bin.min(bins - 1)] += 1;
            }
        }
        Ok(counts.cast::<T>())
    }
}

/// The elements of a row without NaN at place `low` of its order and at place `high`, which is the same or the next.
fn two_of<T: Float>(row: &[T], low: usize, high: usize) -> [T; 2] {
    fn pick<K: Copy>(
        keys: &mut [K],
        at: [usize; 2],
        compare: impl Fn(&K, &K) -> Ordering,
    ) -> [K; 2] {
        let [low, high] = at;
        let (_, &mut first, above) = keys.select_nth_unstable_by(low, &compare);
        let next = above
            .iter()
            .copied()
            .min_by(&compare)
            .filter(|_| high > low);
        [first, next.unwrap_or(first)]
    }
    if T::DTYPE != DType::F32 {
        return pick(&mut row.to_vec(), [low, high], |a, b| order(*a, *b));
    }
    // Integers in the order of the numbers are compared without a branch.
    let turned = |bits: i32| bits ^ (((bits >> 31) as u32) >> 1) as i32;
    let key = |x: &T| turned((x.f64() as f32).to_bits() as i32);
    let mut keys: Vec<i32> = row.iter().map(key).collect();
    pick(&mut keys, [low, high], i32::cmp)
        .map(|key| T::of(f64::from(f32::from_bits(turned(key) as u32))))
}

/// The distinct values of a tensor; see [`Tensor::unique`].
#[derive(Clone, Debug)]
pub struct Unique<T: Element> {
    /// Each value once.
    pub values: Tensor<T>,
    /// For each element, the place of its value.
    pub inverse: Tensor<i64>,
    /// For each value, how often it occurs.
    pub counts: Tensor<i64>,
}

/// Numbers for the groups of equal neighbours in `sequence`: of each element, and the first element of each group.
fn groups(n: usize, same: impl Fn(usize, usize) -> bool) -> (Vec<usize>, Vec<usize>) {
    let (mut group, mut first) = (Vec::with_capacity(n), Vec::new());
    for i in 0..n {
        if i == 0 || !same(i - 1, i) {
            first.push(i);
        }
        group.push(first.len() - 1);
    }
    (group, first)
}

impl<T: Number> Tensor<T> {
    /// The distinct elements in ascending order, the place of each element among them, and how often each occurs. Each
    /// NaN is a value of its own, as in PyTorch.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let u = Tensor::from([3, 1, 3]).unique()?;
    /// assert_eq!((u.values.to_vec(), u.inverse.to_vec()), (vec![1, 3], vec![1, 0, 1]));
    /// assert_eq!(u.counts.to_vec(), [1, 2]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Size`] for a broadcast view that would not fit into memory.
    pub fn unique(&self) -> Result<Unique<T>> {
        let x = self.try_contiguous("unique")?;
        let data = x.as_slice().unwrap_or(&[]);
        if T::DTYPE == DType::I64
            && let Some(unique) = self.counted(data)?
        {
            return Ok(unique);
        }
        if packs::<T>(data.len()) {
            let packed = data.iter().enumerate().map(|(i, &v)| pack(v, i, false));
            let mut packed: Vec<i64> = packed.collect();
            packed.sort_unstable();
            return self.distinct(
                data,
                packed.into_iter().map(|p| unpack(p) as usize).collect(),
            );
        }
        let mut at: Vec<usize> = (0..data.len()).collect();
        at.sort_by(|&i, &j| order(data[i], data[j]));
        self.distinct(data, at)
    }

    /// The distinct elements of integers that lie so close that counting each number between the least and the largest
    /// is less work than sorting.
    fn counted(&self, data: &[T]) -> Result<Option<Unique<T>>> {
        let integers: Vec<i64> = data.iter().map(|v| v.to_i64()).collect();
        let Some((least, largest)) = extent(&integers) else {
            return Ok(None);
        };
        let range = largest
            .checked_sub(least)
            .and_then(|span| usize::try_from(span).ok());
        let Some(span) = range.filter(|&span| span < data.len()) else {
            return Ok(None);
        };
        let mut counts = vec![0; span + 1];
        histogram(&integers, least, &mut counts);
        let (mut places, mut values, mut lengths) = (vec![0i64; span + 1], Vec::new(), Vec::new());
        for (i, (place, &count)) in places.iter_mut().zip(&counts).enumerate() {
            *place = values.len() as i64;
            if count > 0 {
                values.push(T::from_i64(least + i as i64));
                lengths.push(count);
            }
        }
        let inverse = Tensor::build("unique", self.shape(), |out| {
            par::split(out, 1, 4, |at, out| {
                for (o, &v) in out.iter_mut().zip(&integers[at..]) {
                    *o = places[(v - least) as usize];
                }
            });
        })?;
        Ok(Some(Unique {
            values: values.into(),
            inverse,
            counts: lengths.into(),
        }))
    }

    /// As [`Tensor::unique`] without sorting: of equal neighbours, in row-major order, one.
    ///
    /// # Errors
    /// [`Error::Size`] for a broadcast view that would not fit into memory.
    pub fn unique_consecutive(&self) -> Result<Unique<T>> {
        let data = self.try_contiguous("unique_consecutive")?.to_vec();
        let at = (0..data.len()).collect();
        self.distinct(&data, at)
    }

    /// The groups of equal neighbours in the order `at`.
    fn distinct(&self, data: &[T], at: Vec<usize>) -> Result<Unique<T>> {
        let (group, first) = groups(at.len(), |i, j| data[at[i]] == data[at[j]]);
        let values: Vec<T> = first.iter().map(|&i| data[at[i]]).collect();
        let mut inverse = vec![0i64; at.len()];
        (at.iter().zip(&group)).for_each(|(&i, &g)| inverse[i] = g as i64);
        Ok(Unique {
            values: values.into(),
            inverse: Tensor::from_vec(inverse, self.shape())?,
            counts: lengths(&first, at.len()),
        })
    }

    /// The distinct slices along `dim` in ascending order, compared element by element.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that is not there, [`Error::Shape`] for a scalar.
    pub fn unique_dim(&self, dim: isize) -> Result<Unique<T>> {
        let (d, n) = self.real_dim("unique_dim", dim)?;
        let front = self.movedim(d as isize, 0)?.try_contiguous("unique_dim")?;
        let data = front.to_vec();
        let width = data.len() / n.max(1);
        let row = |i: usize| &data[i * width..(i + 1) * width];
        let compare = |a: &[T], b: &[T]| {
            let differs = |(a, b): (&T, &T)| order(*a, *b);
            (a.iter().zip(b).map(differs))
                .find(|o| *o != Ordering::Equal)
                .unwrap_or(Ordering::Equal)
        };
        let mut at: Vec<usize> = (0..n).collect();
        at.sort_by(|&i, &j| compare(row(i), row(j)));
        let (group, first) = groups(n, |i, j| row(at[i]) == row(at[j]));
        let kept: Vec<i64> = first.iter().map(|&i| at[i] as i64).collect();
        let mut inverse = vec![0i64; n];
        (at.iter().zip(&group)).for_each(|(&i, &g)| inverse[i] = g as i64);
        Ok(Unique {
            values: self.index_select(d as isize, &kept.into())?,
            inverse: inverse.into(),
            counts: lengths(&first, n),
        })
    }
}

/// The lengths of groups that begin at `first`, of `n` elements together.
fn lengths(first: &[usize], n: usize) -> Tensor<i64> {
    let ends = first.iter().copied().skip(1).chain([n]);
    let counts: Vec<i64> = first
        .iter()
        .zip(ends)
        .map(|(&a, b)| (b - a) as i64)
        .collect();
    counts.into()
}

impl Tensor<i64> {
    /// How often each of `0, 1, 2, …` occurs, up to the largest element, and up to `minlength` at least.
    ///
    /// # Errors
    /// [`Error::Value`] for a negative element, [`Error::Size`] for one so large that there cannot be as many counts.
    pub fn bincount(&self, minlength: usize) -> Result<Tensor<i64>> {
        let op = "bincount";
        let x = self.try_contiguous(op)?;
        let x = x.as_slice().unwrap_or(&[]);
        let (least, largest) = extent(x).unwrap_or((0, -1));
        if least < 0 {
            self.find_negative(op)?;
        }
        let len = (largest as usize).wrapping_add(1).max(minlength);
        let mut counts = Tensor::<i64>::zeros(len)?;
        histogram(x, 0, counts.try_as_mut_slice(op)?);
        Ok(counts)
    }

    /// The error for a negative element.
    fn find_negative(&self, op: &'static str) -> Result<()> {
        match self.find(|i| i < 0) {
            Some((at, value)) => Err(Error::Value {
                op,
                what: "the tensor",
                at,
                value: value.to_string(),
                expected: "only numbers from 0 on are counted",
            }),
            None => Ok(()),
        }
    }

    /// As [`Tensor::bincount`], where each element counts as much as its weight.
    ///
    /// # Errors
    /// As [`Tensor::bincount`]; [`Error::Shape`] for weights of another shape.
    pub fn bincount_weighted<T: Number>(
        &self,
        weights: &Tensor<T>,
        minlength: usize,
    ) -> Result<Tensor<T>> {
        let op = "bincount";
        if weights.shape() != self.shape() {
            return Err(Error::Shape {
                op,
                what: "the weights",
                got: weights.shape().into(),
                expected: format!(
                    "the tensor has shape {:?}: they must be the same",
                    self.shape()
                ),
            });
        }
        let (places, weights) = (self.try_vec(op)?, weights.try_vec(op)?);
        self.find_negative(op)?;
        let largest = places.iter().max();
        let len = largest.map_or(0, |&m| m as usize + 1).max(minlength);
        let mut counts = Tensor::<T>::zeros(len)?;
        let sums = counts.try_as_mut_slice(op)?;
        for (&i, &w) in places.iter().zip(&weights) {
            sums[i as usize] = sums[i as usize].plus(w);
        }
        Ok(counts)
    }
}

impl<T: Number> Tensor<T> {
    /// The most frequent element along `dim`, the least of several, and the last place where it is; NaN are all alike
    /// here and count as the largest.
    ///
    /// # Errors
    /// [`Error::Empty`] for a dimension of size 0, [`Error::Dim`] for one that is not there.
    pub fn mode(&self, dim: isize) -> Result<(Tensor<T>, Tensor<i64>)> {
        let op = "mode";
        let d = self.dim_index(op, dim)?;
        if self.ndim() == 0 {
            return Ok((self.clone(), Tensor::scalar(0)));
        }
        if self.shape()[d] == 0 {
            let shape = self.shape().into();
            return Err(Error::Empty { op, shape });
        }
        let mask: Vec<bool> = (0..self.ndim()).map(|i| i == d).collect();
        let mut shape: Dims = self.shape().into();
        shape.remove(d);
        let index = reduce_rows(op, self, &mask, shape, |_, row| {
            let mut at: Vec<usize> = (0..row.len()).collect();
            at.sort_by(|&i, &j| order(row[i], row[j]));
            let same = |i: usize, j: usize| order(row[at[i]], row[at[j]]) == Ordering::Equal;
            let (_, first) = groups(row.len(), same);
            let ends = first.iter().copied().skip(1).chain([row.len()]);
            let (mut best, mut length) = (0, 0);
            for (start, end) in first.iter().copied().zip(ends) {
                if end - start > length {
                    (best, length) = (end - 1, end - start);
                }
            }
            at[best] as i64
        })?;
        let values = self.gather(dim, &index.unsqueeze(dim)?)?.squeeze(dim)?;
        Ok((values, index))
    }
}
