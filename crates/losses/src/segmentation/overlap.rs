//! The engine of overlaps: for each region two sums, of what prediction and target miss of each other and of what they
//! share, and a ratio of them.

use super::region::{Grid, Region};
use crate::check::{self, same_shape};
use crate::classification::target::check_classes;
use crate::reduction::Reduction;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::source::Source;
use autograd::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use autograd::{Float, Fused, Needs, Result, Tensor, Var, fused};
use std::ops::Range;

/// The truth about masks: other masks, or the class of each pixel.
#[derive(Clone, Copy, Debug)]
pub enum SegmentationTarget<'a, T: Float> {
    /// Masks of the input's shape, whose elements lie in `0..=1`; they get a gradient.
    Masks(&'a Var<T>),
    /// Class indices: `(N, d…)` for an input of `(N, C, d…)`.
    Classes(&'a Tensor<i64>),
}

impl<'a, T: Float> From<&'a Var<T>> for SegmentationTarget<'a, T> {
    fn from(masks: &'a Var<T>) -> Self {
        SegmentationTarget::Masks(masks)
    }
}

impl<'a, T: Float> From<&'a Tensor<i64>> for SegmentationTarget<'a, T> {
    fn from(classes: &'a Tensor<i64>) -> Self {
        SegmentationTarget::Classes(classes)
    }
}

/// A ratio `(miss / (miss + hit + smooth))^gamma` of the sums of a region, with `hit = Σ x t`.
#[derive(Clone)]
pub(super) struct Measure {
    pub name: &'static str,
    /// `miss` is `Σ (x - t)² / 2` if squared, else `Σ false_positive · x (1 - t) + false_negative · (1 - x) t`.
    pub squared: bool,
    pub false_positive: f64,
    pub false_negative: f64,
    pub smooth: f64,
    pub gamma: f64,
}

impl Measure {
    /// What an element adds to `miss` and to `hit`.
    #[inline(always)]
    fn parts<T: Float>(&self, x: T, t: T) -> [T; 2] {
        let miss = if self.squared {
            T::of(0.5) * (x - t) * (x - t)
        } else {
            T::of(self.false_positive) * x * (T::ONE - t)
                + T::of(self.false_negative) * (T::ONE - x) * t
        };
        [miss, x * t]
    }

    /// The slopes of both, by the prediction or by the target.
    #[inline(always)]
    fn slopes<T: Float>(&self, x: T, t: T, by_target: bool) -> [T; 2] {
        let (up, down) = (T::of(self.false_positive), T::of(self.false_negative));
        match (self.squared, by_target) {
            (true, false) => [x - t, t],
            (true, true) => [t - x, x],
            (false, false) => [up * (T::ONE - t) - down * t, t],
            (false, true) => [down * (T::ONE - x) - up * x, x],
        }
    }

    /// The loss of a region; 0 if nothing is missed, also where there is nothing at all.
    fn value(&self, [miss, hit]: [f64; 2]) -> f64 {
        if miss == 0.0 {
            return 0.0;
        }
        let ratio = miss / (miss + hit + self.smooth);
        if self.gamma == 1.0 {
            ratio
        } else {
            ratio.powf(self.gamma)
        }
    }

    /// The slopes of the loss of a region by its two sums, times `g`. Where nothing is missed, a power other than 1 has
    /// slope 0: infinite ones, of powers below 1, help no one.
    fn by_sums(&self, [miss, hit]: [f64; 2], g: f64) -> [f64; 2] {
        let (rest, size) = (hit + self.smooth, miss + hit + self.smooth);
        if size == 0.0 || g == 0.0 {
            return [0.0; 2];
        }
        let power = match miss / size {
            _ if self.gamma == 1.0 => 1.0,
            0.0 => 0.0,
            ratio => self.gamma * ratio.powf(self.gamma - 1.0),
        };
        let g = g * power / size;
        [g * (rest / size), -g * (miss / size)]
    }
}

#[derive(Clone)]
struct Overlap {
    measure: Measure,
    grid: Grid,
    classes: Option<Tensor<i64>>,
    ignore_index: i64,
    reduction: Reduction,
    divisor: f64,
}

/// Checks the option `smooth` as the caller gave it; measures may hold a multiple of it.
pub(super) fn check_smooth(op: &'static str, smooth: f64) -> Result<()> {
    let holds = (0.0..f64::INFINITY).contains(&smooth);
    check::option(op, "smooth", smooth, holds, "it must not be negative")
}

/// Runs a measure on a prediction `x`, probabilities, and its target.
#[track_caller]
pub(super) fn run<T: Float>(
    measure: Measure,
    x: &Var<T>,
    t: SegmentationTarget<'_, T>,
    region: Region,
    ignore_index: i64,
    reduction: Reduction,
) -> Result<Var<T>> {
    let op = measure.name;
    let split = matches!(t, SegmentationTarget::Classes(_));
    let grid = match t {
        SegmentationTarget::Masks(t) => {
            same_shape(op, "the target", t.shape(), x.shape())?;
            let grid = Grid::new(op, x.shape(), region, split)?;
            check::labels(op, "target", t.value())?;
            grid
        }
        SegmentationTarget::Classes(t) => {
            let grid = Grid::new(op, x.shape(), region, split)?;
            check_classes(op, "probabilities", t, x.shape(), ignore_index)?;
            grid
        }
    };
    check::probabilities(op, "input", x.value())?;
    let overlap = Overlap {
        divisor: reduction.divisor(grid.regions() as f64, x.shape()),
        measure,
        grid,
        classes: None,
        ignore_index,
        reduction,
    };
    match t {
        SegmentationTarget::Masks(t) => fused(overlap, &[x, t]),
        SegmentationTarget::Classes(t) => {
            let classes = Some(t.clone());
            fused(Overlap { classes, ..overlap }, &[x])
        }
    }
}

/// The target, of which kernels read the one kind or the other.
enum Truth<M, C> {
    Masks(M),
    Classes(C),
}
/// Where it lies.
type Sources<'a, T> = Truth<Source<'a, T>, Source<'a, i64>>;

/// The target of a stretch of elements of one class.
#[derive(Clone, Copy)]
enum Labels<'a, T> {
    Masks(&'a [T]),
    Classes {
        labels: &'a [i64],
        class: i64,
        ignore: i64,
    },
}

impl Overlap {
    fn truth<'a, T: Float>(&'a self, inputs: &[&'a Tensor<T>]) -> Sources<'a, T> {
        match &self.classes {
            Some(classes) => Truth::Classes(classes.source()),
            None => Truth::Masks(inputs[1].source()),
        }
    }

    /// Calls `f(region, at, elements, labels)` for consecutive stretches of the elements at `range`.
    fn walk<T: Float>(
        &self,
        x: &Source<'_, T>,
        truth: &Sources<'_, T>,
        range: Range<usize>,
        mut f: impl FnMut(usize, usize, &[T], Labels<'_, T>),
    ) {
        let mut x = x.reader();
        let mut truth = match truth {
            Truth::Masks(t) => Truth::Masks(t.reader()),
            Truth::Classes(t) => Truth::Classes(t.reader()),
        };
        let Grid { classes, len, .. } = self.grid;
        let mut at = range.start;
        while at < range.end {
            let (plane, within) = (at / len, at % len);
            let n = x.ready(at, (len - within).min(range.end - at));
            let region = self.grid.region(plane);
            at += match &mut truth {
                Truth::Masks(t) => {
                    let n = t.ready(at, n);
                    f(region, at, x.read(at, n), Labels::Masks(t.read(at, n)));
                    n
                }
                Truth::Classes(t) => {
                    let pixel = plane / classes * len + within;
                    let n = t.ready(pixel, n);
                    let labels = Labels::Classes {
                        labels: t.read(pixel, n),
                        class: (plane % classes) as i64,
                        ignore: self.ignore_index,
                    };
                    f(region, at, x.read(at, n), labels);
                    n
                }
            };
        }
    }

    /// The gradient of one input, given the slopes of the loss by the sums of each region.
    fn gradient<T: Float>(
        &self,
        inputs: &[&Tensor<T>],
        by_sums: &[[T; 2]],
        by_target: bool,
    ) -> Result<Tensor<T>> {
        let (x, truth) = (inputs[0].source(), self.truth(inputs));
        Tensor::build(self.measure.name, inputs[0].shape(), |out| {
            par::split(out, 1, COST, |start, out| {
                let range = start..start + out.len();
                self.walk(&x, &truth, range, |region, at, x, labels| {
                    dispatch(Slopes {
                        measure: &self.measure,
                        x,
                        labels,
                        by_sums: by_sums[region],
                        by_target,
                        out: &mut out[at - start..][..x.len()],
                    });
                });
            });
        })
    }
}

/// What an element is worth, in additions.
const COST: usize = 4;

/// The two sums of a stretch.
struct Sums<'a, T> {
    measure: &'a Measure,
    x: &'a [T],
    labels: Labels<'a, T>,
}

impl<T: Float> Kernel for Sums<'_, T> {
    type Out = [f64; 2];
    #[inline(always)]
    fn run<I: Isa>(self) -> [f64; 2] {
        match self.labels {
            Labels::Masks(t) => sum(self.x, t, |x, t| self.measure.parts(x, t)),
            Labels::Classes {
                labels,
                class,
                ignore,
            } => sum(self.x, labels, |x, label| {
                let t = if label == class { T::ONE } else { T::ZERO };
                let parts = self.measure.parts(x, t);
                if label == ignore { [T::ZERO; 2] } else { parts }
            }),
        }
    }
}

#[inline(always)]
fn sum<T: Float, L: Copy>(x: &[T], t: &[L], parts: impl Fn(T, L) -> [T; 2]) -> [f64; 2] {
    const LANES: usize = 16;
    let mut sums = [[0.0f64; LANES]; 2];
    let ((x, x_rest), (t, t_rest)) = (x.as_chunks::<LANES>(), t.as_chunks::<LANES>());
    for (x, t) in x.iter().zip(t) {
        for i in 0..LANES {
            let [miss, hit] = parts(x[i], t[i]);
            sums[0][i] += miss.f64();
            sums[1][i] += hit.f64();
        }
    }
    for (i, (&x, &t)) in x_rest.iter().zip(t_rest).enumerate() {
        let [miss, hit] = parts(x, t);
        sums[0][i] += miss.f64();
        sums[1][i] += hit.f64();
    }
    sums.map(|lanes| lanes.iter().sum())
}

/// The gradient of a stretch.
struct Slopes<'a, T> {
    measure: &'a Measure,
    x: &'a [T],
    labels: Labels<'a, T>,
    by_sums: [T; 2],
    by_target: bool,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Slopes<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let [by_miss, by_hit] = self.by_sums;
        let slope = |x: T, t: T| {
            let [miss, hit] = self.measure.slopes(x, t, self.by_target);
            by_miss * miss + by_hit * hit
        };
        if by_miss == T::ZERO && by_hit == T::ZERO {
            // What counts for nothing has no gradient, whatever it is.
            return self.out.fill(T::ZERO);
        }
        match self.labels {
            Labels::Masks(t) => {
                for ((d, &x), &t) in self.out.iter_mut().zip(self.x).zip(t) {
                    *d = slope(x, t);
                }
            }
            Labels::Classes {
                labels,
                class,
                ignore,
            } => {
                for ((d, &x), &label) in self.out.iter_mut().zip(self.x).zip(labels) {
                    let s = slope(x, if label == class { T::ONE } else { T::ZERO });
                    *d = if label == ignore { T::ZERO } else { s };
                }
            }
        }
    }
}

impl<T: Float> Fused<T> for Overlap {
    /// The sums of each region.
    type Saved = Vec<[f64; 2]>;

    fn name(&self) -> &'static str {
        self.measure.name
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let m = &self.measure;
        let Grid {
            outer,
            classes,
            len,
            ref shape,
            ..
        } = self.grid;
        let planes = |x: &Var<T>| x.reshape([outer as i64, classes as i64, len as i64]);
        let mut x = planes(&v[0])?;
        let t = match &self.classes {
            None => planes(&v[1])?,
            Some(labels) => {
                let labels = labels.reshape([outer as i64, 1, len as i64])?;
                // An ignored pixel is in neither mask.
                let counts = labels.ne(self.ignore_index)?;
                x = x.keep_where(&counts.broadcast_to(x.shape())?)?;
                let class = Tensor::arange(0, classes as i64, 1)?.reshape([-1, 1])?;
                // Nor is it where the index that is ignored is that of a class.
                Var::from(labels.eq(&class)?.logical_and(&counts)?.cast::<T>())
            }
        };
        let hit = x.mul(&t)?;
        let miss = if m.squared {
            x.sub(&t)?.square().mul(0.5)?
        } else {
            let (up, down) = (x.mul(1.0 - &t)?, t.mul(1.0 - &x)?);
            up.mul(m.false_positive)?.add(down.mul(m.false_negative)?)?
        };
        let total = |x: Var<T>| match self.grid.region {
            Region::Sample => x.sum([1, 2]),
            Region::SampleClass => x.sum(2),
            Region::Class => x.sum([0, 2]),
            Region::Batch => x.sum(..),
        };
        let miss = total(miss)?;
        let size = miss.add(total(hit)?)?.add(m.smooth)?;
        let nothing = size.value().eq(T::ZERO)?;
        let mut ratio = miss.div(size.masked_fill(&nothing, T::ONE)?)?;
        if m.gamma != 1.0 {
            let none = ratio.value().eq(T::ZERO)?;
            let power = ratio.masked_fill(&none, T::ONE)?.pow(m.gamma)?;
            ratio = power.keep_where(&none.logical_not())?;
        }
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        self.reduction.apply(&ratio.reshape(&shape)?, self.divisor)
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Self::Saved)> {
        let (x, truth) = (inputs[0].source(), self.truth(inputs));
        let parts = par::collect(inputs[0].numel(), COST, |range| {
            let regions = self.grid.regions_of(&range);
            let mut sums = vec![[0.0; 2]; regions.len()];
            self.walk(&x, &truth, range, |region, _, x, labels| {
                let [miss, hit] = dispatch(Sums {
                    measure: &self.measure,
                    x,
                    labels,
                });
                let sums = &mut sums[region - regions.start];
                *sums = [sums[0] + miss, sums[1] + hit];
            });
            (regions.start, sums)
        });
        let mut sums = vec![[0.0; 2]; self.grid.regions()];
        for (first, part) in parts {
            for (all, part) in sums[first..].iter_mut().zip(part) {
                *all = [all[0] + part[0], all[1] + part[1]];
            }
        }
        let values = sums.iter().map(|&s| self.measure.value(s));
        let y = match self.reduction {
            Reduction::None => Tensor::build(self.measure.name, &self.grid.shape, |out| {
                out.iter_mut().zip(values).for_each(|(o, v)| *o = T::of(v));
            })?,
            _ => self.reduction.value(values.sum(), self.divisor),
        };
        Ok((y, sums))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        sums: &Self::Saved,
        dy: &Tensor<T>,
        needs: Needs,
    ) -> Result<FusedGrads<T>> {
        let each = match self.reduction {
            Reduction::None => dy.to_vec(),
            _ => vec![self.reduction.scale(dy, self.divisor)?; sums.len()],
        };
        let by_sums: Vec<[T; 2]> = (sums.iter().zip(each))
            .map(|(&s, g)| self.measure.by_sums(s, g.f64()).map(T::of))
            .collect();
        (0..inputs.len())
            .map(|k| {
                needs
                    .get(k)
                    .then(|| self.gradient(inputs, &by_sums, k == 1))
                    .transpose()
            })
            .collect()
    }
}
