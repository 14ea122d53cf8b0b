//! Every loss with inputs drawn for it, and what holds of it beyond its formula.
//!
//! `every_loss.rs` shows that no loss is missing.

mod entries;

pub use entries::all;

use losses::autograd::Element;
use losses::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Draws inputs.
pub struct Draw {
    rng: ChaCha8Rng,
    /// The number of samples, and the number of classes or features; both at least 2.
    pub n: usize,
    pub c: usize,
}

impl Draw {
    pub fn new(seed: u64, n: usize, c: usize) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Draw { rng, n, c }
    }

    pub fn pick(&mut self, below: usize) -> usize {
        self.rng.random_range(0..below)
    }

    pub fn between<T: Float>(&mut self, low: f64, high: f64, shape: &[usize]) -> Tensor<T> {
        let rng = &mut self.rng;
        let mut one = || low + (high - low) * rng.random::<f64>();
        let data = (0..shape.iter().product()).map(|_| T::of(one()));
        Tensor::from_vec(data.collect(), shape).unwrap()
    }

    fn logits<T: Float>(&mut self, shape: &[usize]) -> Tensor<T> {
        self.between(-3.0, 3.0, shape)
    }

    fn rows<T: Float>(&mut self) -> Tensor<T> {
        self.logits(&[self.n, self.c])
    }

    fn probabilities<T: Float>(&mut self) -> Tensor<T> {
        self.rows().softmax(-1).unwrap()
    }

    pub fn classes(&mut self, classes: usize, shape: &[usize]) -> Tensor<i64> {
        let data = (0..shape.iter().product()).map(|_| self.pick(classes) as i64);
        Tensor::from_vec(data.collect(), shape).unwrap()
    }

    fn labels<T: Float>(&mut self, shape: &[usize]) -> Tensor<T> {
        self.classes(2, shape).cast()
    }

    fn signs<T: Float>(&mut self, shape: &[usize]) -> Tensor<T> {
        self.labels(shape).map(|v: T| v + v - T::ONE)
    }

    /// Boxes `x1, y1, x2, y2`.
    fn boxes<T: Float>(&mut self) -> Tensor<T> {
        let low = self.between(0.0, 2.0, &[self.n, 2]);
        let size: Tensor<T> = self.between(0.5, 2.0, &[self.n, 2]);
        let high = low.add(&size).unwrap();
        Tensor::cat(&[&low, &high], 1).unwrap()
    }
}

/// The inputs of a loss.
#[derive(Clone)]
pub struct Inputs<T: Float> {
    /// Those that get a gradient.
    pub v: Vec<Tensor<T>>,
    /// Targets in numbers that get none.
    pub t: Vec<Tensor<T>>,
    /// Class indices and lengths.
    pub k: Vec<Tensor<i64>>,
}

fn of<T: Float, const N: usize>(v: [Tensor<T>; N]) -> Inputs<T> {
    let (t, k) = (Vec::new(), Vec::new());
    Inputs { v: v.into(), t, k }
}

impl<T: Float> Inputs<T> {
    fn t(mut self, t: Tensor<T>) -> Self {
        self.t.push(t);
        self
    }
    fn k(mut self, k: Tensor<i64>) -> Self {
        self.k.push(k);
        self
    }
}

type Make<T> = fn(&mut Draw) -> Inputs<T>;
type Call<T> = fn(&[Var<T>], &Inputs<T>, Reduction) -> Result<Var<T>>;

/// A loss, and its laws.
pub struct Entry<T: Float> {
    pub name: &'static str,
    pub make: Make<T>,
    pub call: Call<T>,
    /// Whether it takes a reduction.
    pub reduces: bool,
    /// Whether the mean is that of the elements which `Reduction::None` returns.
    pub plain_mean: bool,
    /// Whether each sample's value is its own, in its place, whatever the other samples are.
    pub separate: bool,
    /// Along which dimension the samples of `v`, `t` and `k` lie; none where an input is shared by them.
    pub samples: &'static [&'static [Option<isize>]; 3],
    /// The inputs to which the same number may be added along their last dimension without changing the loss.
    pub shifts: &'static [usize],
    /// Whether its work is shared out among threads only for inputs too large for every test.
    pub slow: bool,
}

const FIRST: &[Option<isize>] = &[Some(0); 5];

impl<T: Float> Entry<T> {
    /// Of one number whatever the samples are.
    fn joint(mut self) -> Self {
        self.separate = false;
        self
    }
    fn other_mean(mut self) -> Self {
        self.plain_mean = false;
        self
    }
    fn without_reduction(mut self) -> Self {
        self.reduces = false;
        self
    }
    fn shift(mut self, inputs: &'static [usize]) -> Self {
        self.shifts = inputs;
        self
    }
    fn samples(mut self, samples: &'static [&'static [Option<isize>]; 3]) -> Self {
        self.samples = samples;
        self
    }
    fn slow(mut self) -> Self {
        self.slow = true;
        self
    }

    /// The value, and the gradients of its product with `seed` drawn by `weigh`.
    pub fn run(
        &self,
        x: &Inputs<T>,
        r: Reduction,
        seed: impl Fn(&Tensor<T>) -> Tensor<T>,
    ) -> Run<T> {
        let tape = Tape::new();
        let v: Vec<Var<T>> = x.v.iter().map(|v| tape.leaf(v.clone())).collect();
        let y = (self.call)(&v, x, r).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let options = GradOptions::new()
            .allow_unused(true)
            .seed([Var::from(seed(y.value()))]);
        let grads = grad(&[&y], &Vec::from_iter(&v), options);
        let grads = grads.unwrap_or_else(|e| panic!("{}: {e}", self.name));
        Run {
            value: y.into_value(),
            grads: grads.into_iter().map(Var::into_value).collect(),
        }
    }

    /// As [`Entry::run`] from a gradient of ones.
    pub fn ones(&self, x: &Inputs<T>, r: Reduction) -> Run<T> {
        self.run(x, r, |y| y.ones_like())
    }

    /// The samples of all inputs in another order, or some of them, or some several times.
    pub fn select(&self, x: &Inputs<T>, order: &Tensor<i64>) -> Inputs<T> {
        Inputs {
            v: pick(&x.v, self.samples[0], order),
            t: pick(&x.t, self.samples[1], order),
            k: pick(&x.k, self.samples[2], order),
        }
    }
}

fn pick<E: Element>(
    x: &[Tensor<E>],
    dims: &[Option<isize>],
    order: &Tensor<i64>,
) -> Vec<Tensor<E>> {
    let one = |(x, dim): (&Tensor<E>, &Option<isize>)| match dim {
        Some(dim) => x.index_select(*dim, order).unwrap(),
        None => x.clone(),
    };
    x.iter().zip(dims).map(one).collect()
}

pub struct Run<T: Float> {
    pub value: Tensor<T>,
    pub grads: Vec<Tensor<T>>,
}

fn entry<T: Float>(name: &'static str, make: Make<T>, call: Call<T>) -> Entry<T> {
    Entry {
        name,
        make,
        call,
        reduces: true,
        plain_mean: true,
        separate: true,
        samples: &[FIRST, FIRST, FIRST],
        shifts: &[],
        slow: false,
    }
}

fn two<T: Float>(d: &mut Draw) -> Inputs<T> {
    of([d.rows(), d.rows()])
}

fn amounts<T: Float>(d: &mut Draw) -> Inputs<T> {
    let shape = [d.n, d.c];
    of([d.between(0.2, 3.0, &shape), d.between(0.2, 3.0, &shape)])
}

fn three<T: Float>(d: &mut Draw) -> Inputs<T> {
    of([d.rows(), d.rows(), d.rows()])
}

fn signed<T: Float>(d: &mut Draw) -> Inputs<T> {
    let shape = [d.n, d.c];
    of([d.rows()]).t(d.signs(&shape))
}

fn labelled<T: Float>(d: &mut Draw) -> Inputs<T> {
    let shape = [d.n, d.c];
    of([d.rows()]).t(d.labels(&shape))
}

fn soft<T: Float>(d: &mut Draw) -> Inputs<T> {
    let shape = [d.n, d.c];
    of([d.rows(), d.between(0.1, 0.9, &shape)])
}

fn classed<T: Float>(d: &mut Draw) -> Inputs<T> {
    let (n, c) = (d.n, d.c);
    of([d.rows()]).k(d.classes(c, &[n]))
}

fn cosines<T: Float>(d: &mut Draw) -> Inputs<T> {
    let (n, c) = (d.n, d.c);
    of([d.between(-0.8, 0.8, &[n, c])]).k(d.classes(c, &[n]))
}

fn pairs_with_signs<T: Float>(d: &mut Draw) -> Inputs<T> {
    let n = d.n;
    two(d).t(d.signs(&[n]))
}

fn boxes<T: Float>(d: &mut Draw) -> Inputs<T> {
    of([d.boxes(), d.boxes()])
}

fn pictures<T: Float>(d: &mut Draw) -> Inputs<T> {
    let (n, c) = (d.n, d.c);
    let x: Tensor<T> = d.logits(&[n, c, 6]);
    of([x.softmax(1).unwrap()]).k(d.classes(c, &[n, 6]))
}

/// `[T, N, C]`, of which the blank is class 0.
fn spoken<T: Float>(d: &mut Draw) -> Inputs<T> {
    let (n, c) = (d.n, d.c);
    let targets = d.classes(c - 1, &[n, 3]).add(1).unwrap();
    let (steps, lengths) = (d.classes(3, &[n]), d.classes(3, &[n]));
    let x = d.logits(&[9, n, c]);
    of([x])
        .k(targets)
        .k(steps.add(7).unwrap())
        .k(lengths.add(1).unwrap())
}

const SPOKEN: &[&[Option<isize>]; 3] = &[&[Some(1)], FIRST, FIRST];
const SHARED_LAST: &[&[Option<isize>]; 3] = &[&[Some(0), Some(0), None, None], FIRST, FIRST];
const SHARED_BUT_FIRST: &[&[Option<isize>]; 3] = &[&[Some(0), None, None, None], FIRST, FIRST];
