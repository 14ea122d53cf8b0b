//! The loops over the elements of a block, compiled for each instruction set.

use super::{Pointwise, strong_zero};
use autograd::tensor_core::kernel::par::Parts;
use autograd::tensor_core::kernel::prefetch;
use autograd::tensor_core::kernel::source::Source;
use autograd::tensor_core::kernel::weave::Weave;
use autograd::tensor_core::kernel::{Isa, Kernel};
use autograd::{Float, Tensor};

/// The inputs' elements, and their weights, as kernels read them.
pub(super) struct Operands<'a, T, const N: usize> {
    inputs: [Source<'a, T>; N],
    weight: Option<Source<'a, T>>,
}

impl<T: Float, const N: usize> Operands<'_, T, N> {
    /// Calls `f(start, inputs, weight)` for consecutive blocks of positions `start..end`.
    pub(super) fn each_block(
        &self,
        start: usize,
        end: usize,
        mut f: impl FnMut(usize, [&[T]; N], Option<&[T]>),
    ) {
        let mut inputs = self.inputs.each_ref().map(Source::reader);
        let mut weight = self.weight.as_ref().map(Source::reader);
        let mut at = start;
        while at < end {
            // As long as every operand can be read quickly.
            let mut len = inputs.iter_mut().fold(end - at, |len, x| x.ready(at, len));
            if let Some(weight) = &mut weight {
                len = weight.ready(at, len);
            }
            let mut blocks: [&[T]; N] = [&[]; N];
            for (block, x) in blocks.iter_mut().zip(&mut inputs) {
                *block = x.read(at, len);
            }
            f(at, blocks, weight.as_mut().map(|w| w.read(at, len)));
            at += len;
        }
    }
}

/// Element `i` of every input.
#[inline(always)]
fn pack<T: Copy, const N: usize>(inputs: &[&[T]; N], i: usize) -> [T; N] {
    std::array::from_fn(|k| inputs[k][i])
}

/// The values of a block, times their weights.
pub(super) struct Values<'a, T, P, const N: usize> {
    pub loss: &'a P,
    pub inputs: [&'a [T]; N],
    pub weight: Option<&'a [T]>,
    pub out: &'a mut [T],
}
impl<T: Float, P: Pointwise<T, N>, const N: usize> Kernel for Values<'_, T, P, N> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.out.len();
        let inputs = self.inputs.map(|x| &x[..n]);
        for (i, o) in self.out.iter_mut().enumerate() {
            *o = self.loss.value::<I>(pack(&inputs, i));
        }
        if let Some(w) = self.weight {
            for (o, &w) in self.out.iter_mut().zip(w) {
                // A weight of zero leaves the element out, whatever it is.
                *o = if w == T::ZERO { T::ZERO } else { *o * w };
            }
        }
    }
}

/// Elements taken at a time, four of the widest vectors: loops of a fixed length have no remainder, and no bounds to
/// check.
const GROUP: usize = 64;

/// Costs of one value between which the loop is woven: what is shorter needs no help, and what is longer all registers.
const WOVEN: [usize; 2] = [8, 12];

/// The sum of a block's values, times their weights, and on the way the slopes by those inputs that are asked for,
/// times their weights and `g`.
pub(super) struct Total<'a, 'o, T, P, const N: usize> {
    pub loss: &'a P,
    pub inputs: [&'a [T]; N],
    pub weight: Option<&'a [T]>,
    pub g: T,
    pub slopes: Parts<'o, T, N>,
    /// Whether inputs and slopes are worth asking for ahead.
    pub far: bool,
}
impl<T: Float, P: Pointwise<T, N>, const N: usize> Kernel for Total<'_, '_, T, P, N> {
    type Out = f64;
    #[inline(always)]
    fn run<I: Isa>(mut self) -> f64 {
        let n = self.inputs[0].len();
        let (whole, rest) = (n / GROUP, n % GROUP);
        // A copy of its own: what stands behind a reference would be read anew after each write of a slope.
        let loss = self.loss.clone();
        let (group, mut sums) = (Group::<T, P, N>(&loss, self.g), [0.0f64; LANES]);
        let inputs = self.inputs.map(|x| x.as_chunks::<GROUP>().0);
        let weight = self.weight.map(|w| w.as_chunks::<GROUP>().0);
        let mut slopes =
            (self.slopes.each_mut()).map(|dx| dx.as_mut().map(|dx| dx.as_chunks_mut::<GROUP>().0));
        for j in 0..whole {
            let inputs = inputs.map(|x| &x[j]);
            let slopes = slopes.each_mut().map(|dx| dx.as_mut().map(|dx| &mut dx[j]));
            if self.far {
                for x in inputs {
                    prefetch::lines(x, prefetch::AHEAD);
                }
                for dx in slopes.iter().flatten() {
                    prefetch::lines(&dx[..], prefetch::AHEAD);
                }
            }
            let values = group.run::<I>(inputs, weight.map(|w| &w[j]), slopes);
            add(&mut sums, &values);
        }
        if rest > 0 {
            // What does not fill a group is padded with its last element, and runs through the same code.
            let pad = |x: &[T]| std::array::from_fn(|i| x[(n - rest + i).min(n - 1)]);
            let inputs: [[T; GROUP]; N] = self.inputs.map(pad);
            let weight: Option<[T; GROUP]> = self.weight.map(pad);
            let mut padded = [[T::ZERO; GROUP]; N];
            let mut wanted = padded.each_mut().map(Some);
            for (dx, slope) in wanted.iter_mut().zip(&self.slopes) {
                if slope.is_none() {
                    *dx = None;
                }
            }
            let mut values = group.run::<I>(inputs.each_ref(), weight.as_ref(), wanted);
            values[rest..].fill(T::ZERO);
            add(&mut sums, &values);
            for (dx, padded) in self.slopes.iter_mut().zip(&padded) {
                if let Some(dx) = dx {
                    dx[n - rest..].copy_from_slice(&padded[..rest]);
                }
            }
        }
        sums.iter().sum()
    }
}

/// Sums that are carried side by side.
const LANES: usize = 16;

#[inline(always)]
fn add<T: Float>(sums: &mut [f64; LANES], values: &[T; GROUP]) {
    for part in values.as_chunks::<LANES>().0 {
        sums.iter_mut().zip(part).for_each(|(s, v)| *s += v.f64());
    }
}

/// A loss and the gradient of its elements' values.
struct Group<'a, T, P, const N: usize>(&'a P, T);
impl<T: Float, P: Pointwise<T, N>, const N: usize> Group<'_, T, P, N> {
    #[inline(always)]
    fn run<I: Isa>(
        &self,
        inputs: [&[T; GROUP]; N],
        weight: Option<&[T; GROUP]>,
        mut slopes: [Option<&mut [T; GROUP]>; N],
    ) -> [T; GROUP] {
        let (mut values, at) = ([T::ZERO; GROUP], |i: usize| inputs.map(|x| x[i]));
        // Value and slopes in one loop share what they have in common, an exponential for one.
        match &mut slopes[..] {
            [Some(dx), others @ ..] if others.iter().all(|s| s.is_none()) => {
                let woven = const { P::COST >= WOVEN[0] && P::COST <= WOVEN[1] };
                let mut weave = Weave::new();
                for i in 0..GROUP {
                    values[i] = self.0.value::<I>(at(i));
                    dx[i] = strong_zero(self.1, self.0.slope::<I, 0>(at(i)));
                    if woven {
                        weave.turn();
                    }
                }
                weave.end();
            }
            [Some(dx), Some(dy), others @ ..]
                if const { N > 1 } && others.iter().all(|s| s.is_none()) =>
            {
                for i in 0..GROUP {
                    values[i] = self.0.value::<I>(at(i));
                    dx[i] = strong_zero(self.1, self.0.slope::<I, 0>(at(i)));
                    dy[i] = strong_zero(self.1, self.0.slope::<I, 1>(at(i)));
                }
            }
            _ => {
                for (i, value) in values.iter_mut().enumerate() {
                    *value = self.0.value::<I>(at(i));
                }
                for (k, dx) in slopes.iter_mut().enumerate() {
                    match (dx, k) {
                        (None, _) => {}
                        (Some(dx), 1) if const { N > 1 } => self.slope::<I, 1>(inputs, dx),
                        (Some(dx), 2) if const { N > 2 } => self.slope::<I, 2>(inputs, dx),
                        (Some(dx), 3) if const { N > 3 } => self.slope::<I, 3>(inputs, dx),
                        (Some(dx), 4) if const { N > 4 } => self.slope::<I, 4>(inputs, dx),
                        (Some(dx), _) => self.slope::<I, 0>(inputs, dx),
                    }
                }
            }
        }
        if let Some(w) = weight {
            for (value, &w) in values.iter_mut().zip(w) {
                // A weight of zero leaves the element out, whatever it is.
                *value = if w == T::ZERO { T::ZERO } else { *value * w };
            }
            for dx in slopes.into_iter().flatten() {
                let each = dx.iter_mut().zip(w);
                each.for_each(|(d, &w)| *d = strong_zero(w, *d));
            }
        }
        values
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, inputs: [&[T; GROUP]; N], dx: &mut [T; GROUP]) {
        for (i, d) in dx.iter_mut().enumerate() {
            *d = strong_zero(self.1, self.0.slope::<I, K>(inputs.map(|x| x[i])));
        }
    }
}

/// The slopes of a block by input `K`, times their weights and the gradient of the result.
pub(super) struct Slopes<'a, T, P, const N: usize, const K: usize> {
    pub loss: &'a P,
    pub inputs: [&'a [T]; N],
    pub weight: Option<&'a [T]>,
    pub dy: &'a [T],
    pub out: &'a mut [T],
}
impl<T: Float, P: Pointwise<T, N>, const N: usize, const K: usize> Kernel
    for Slopes<'_, T, P, N, K>
{
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.out.len();
        let inputs = self.inputs.map(|x| &x[..n]);
        for ((i, o), &g) in self.out.iter_mut().enumerate().zip(self.dy) {
            *o = strong_zero(g, self.loss.slope::<I, K>(pack(&inputs, i)));
        }
        if let Some(w) = self.weight {
            for (o, &w) in self.out.iter_mut().zip(w) {
                *o = strong_zero(w, *o);
            }
        }
    }
}

/// The operands of tensors of one shape.
pub(super) fn operands<'a, T: Float, const N: usize>(
    inputs: &[&'a Tensor<T>],
    weight: &'a Option<Tensor<T>>,
) -> Operands<'a, T, N> {
    Operands {
        inputs: std::array::from_fn(|k| inputs[k].source()),
        weight: weight.as_ref().map(|w| w.source()),
    }
}
