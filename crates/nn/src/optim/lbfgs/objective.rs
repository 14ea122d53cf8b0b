//! A model and its loss as a function of one vector.

use crate::module::Parts;
use crate::optim::memory::foreign;
use losses::autograd::Float;
use losses::tensor_core::kernel::{Isa, Kernel, dispatch};
use losses::{Result, Var};

/// A function of a place, which it keeps itself.
pub(super) trait Objective<T: Float> {
    /// Value and gradient.
    fn evaluate(&mut self) -> Result<(f64, Vec<T>)>;
    /// The place.
    fn place(&self) -> Vec<T>;
    /// Goes back to a place.
    fn set(&mut self, place: &[T]);
    /// Goes `step` times `direction` on.
    fn add(&mut self, step: f64, direction: &[T]);
}

/// The loss of a model; the place is its parameters, one after the other.
pub(super) struct Problem<'a, M, F> {
    pub(super) model: &'a mut M,
    pub(super) loss: F,
    /// -1 to climb.
    pub(super) sign: f64,
}

impl<M, F> Problem<'_, M, F> {
    /// Calls `f` with the elements of each parameter and those of `x` that belong to it.
    fn each<T: Float>(&mut self, x: &[T], mut f: impl FnMut(&mut [T], &[T]))
    where
        M: Parts<T>,
    {
        let mut rest = x;
        self.model.visit_mut(&mut |_, param| {
            let p = param.value_mut().as_mut_slice();
            let (own, others) = rest.split_at(p.len().min(rest.len()));
            f(p, own);
            rest = others;
        });
    }
}

impl<T: Float, M: Parts<T>, F: FnMut(&M) -> Result<Var<T>>> Objective<T> for Problem<'_, M, F> {
    fn evaluate(&mut self) -> Result<(f64, Vec<T>)> {
        let loss = (self.loss)(self.model)?;
        let value = loss.item()?.f64();
        let grads = loss.backward()?;
        let mut flat = Vec::new();
        let mut found = 0;
        let sign = T::of(self.sign);
        self.model.visit(&mut |_, p| match grads.find(p) {
            Some(grad) => {
                found += 1;
                flat.extend(grad.to_vec().iter().map(|&g| sign * g));
            }
            None => flat.resize(flat.len() + p.value().numel(), T::ZERO),
        });
        if found == 0 && !flat.is_empty() {
            return Err(foreign("lbfgs", &grads));
        }
        Ok((self.sign * value, flat))
    }

    fn place(&self) -> Vec<T> {
        let mut place = Vec::new();
        self.model
            .visit(&mut |_, p| place.extend(p.value().to_vec()));
        place
    }

    fn set(&mut self, place: &[T]) {
        self.each(place, |p, x| {
            if p.len() == x.len() {
                p.copy_from_slice(x)
            }
        });
    }

    fn add(&mut self, step: f64, direction: &[T]) {
        let step = T::of(step);
        self.each(direction, |p, d| {
            for (p, &d) in p.iter_mut().zip(d) {
                *p = *p + step * d;
            }
        });
    }
}

/// `a · b`, carried in `f64`.
pub(super) fn dot<T: Float>(a: &[T], b: &[T]) -> f64 {
    dispatch(Dot(a, b))
}

/// The largest magnitude.
pub(super) fn largest<T: Float>(x: &[T]) -> f64 {
    x.iter().fold(0.0, |most: f64, v| most.max(v.f64().abs()))
}

struct Dot<'a, T>(&'a [T], &'a [T]);

impl<T: Float> Kernel for Dot<'_, T> {
    type Out = f64;

    #[inline(always)]
    fn run<I: Isa>(self) -> f64 {
        // Eight sums side by side, so that one addition need not wait for the last.
        let (a, b) = (self.0.as_chunks::<8>(), self.1.as_chunks::<8>());
        let mut sums = [0.0; 8];
        for (a, b) in a.0.iter().zip(b.0) {
            for i in 0..8 {
                sums[i] += a[i].f64() * b[i].f64();
            }
        }
        let rest: f64 = a.1.iter().zip(b.1).map(|(a, b)| a.f64() * b.f64()).sum();
        sums.iter().sum::<f64>() + rest
    }
}
