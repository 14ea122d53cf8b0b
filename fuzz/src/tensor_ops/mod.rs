//! Programs of tensor operations over any shapes, views and element types, each result held against the slow
//! reference of [`crate::array`] in `f64`. Where the reference says that a call is wrong, there is an error.

mod float;
mod more;
mod moves;
mod number;
mod order;
mod picks;
mod views;
mod whole;

use crate::array::{Array, was_too_large};
use fuzz_losses::draw::Draw;
use std::fmt::Debug;
use tensor_core::{Element, Float, Number, Result, Tensor};

/// A tensor, and what it should hold.
#[derive(Clone)]
pub struct Pair<T: Element> {
    pub got: Tensor<T>,
    pub want: Array<f64>,
}

/// What a program has made so far, by element type.
pub struct Machine<'a> {
    pub draw: Draw<'a>,
    f32: Vec<Pair<f32>>,
    f64: Vec<Pair<f64>>,
    i64: Vec<Pair<i64>>,
    bool: Vec<Pair<bool>>,
}

/// An element type as the machine knows it.
pub trait Kind: Element {
    fn made<'m>(machine: &'m mut Machine<'_>) -> &'m mut Vec<Pair<Self>>;
    /// A value that makes no exception in this target: integers stay where `f64` is exact.
    fn any(draw: &mut Draw<'_>) -> Self;
}

impl Kind for f32 {
    fn made<'m>(machine: &'m mut Machine<'_>) -> &'m mut Vec<Pair<f32>> {
        &mut machine.f32
    }
    fn any(draw: &mut Draw<'_>) -> f32 {
        draw.any_number() as f32
    }
}

impl Kind for f64 {
    fn made<'m>(machine: &'m mut Machine<'_>) -> &'m mut Vec<Pair<f64>> {
        &mut machine.f64
    }
    fn any(draw: &mut Draw<'_>) -> f64 {
        draw.any_number()
    }
}

impl Kind for i64 {
    fn made<'m>(machine: &'m mut Machine<'_>) -> &'m mut Vec<Pair<i64>> {
        &mut machine.i64
    }
    fn any(draw: &mut Draw<'_>) -> i64 {
        if draw.rarely(16) {
            draw.between(-LARGEST, LARGEST)
        } else {
            draw.between(-3, 5)
        }
    }
}

impl Kind for bool {
    fn made<'m>(machine: &'m mut Machine<'_>) -> &'m mut Vec<Pair<bool>> {
        &mut machine.bool
    }
    fn any(draw: &mut Draw<'_>) -> bool {
        draw.bit()
    }
}

/// The largest integer that goes on to further operations: sums of products of such are exact in `f64`.
const LARGEST: i64 = 1 << 20;

/// How near a result must be.
pub enum Near<'a> {
    /// The same value.
    Exact,
    /// So many units in the last place of each value.
    Ulps(f64),
    /// So many units in the last place of these magnitudes, such as that of the summands.
    Of(f64, &'a Array<f64>),
}

/// The distance of neighbours at 1.
pub fn epsilon<T: Element>() -> f64 {
    match T::DTYPE {
        tensor_core::DType::F32 => f64::from(f32::EPSILON),
        _ => f64::EPSILON,
    }
}

/// The units that a sum of `n` terms may be off by: rounded once if its type is carried in `f64`, at each term if it is
/// `f64` itself, here and in the reference.
pub fn summed<T: Element>(n: usize) -> f64 {
    if epsilon::<T>() > 1e-10 {
        2.0
    } else {
        2.0 + n as f64
    }
}

impl<'a> Machine<'a> {
    fn new(data: &'a [u8]) -> Self {
        Machine {
            draw: Draw::new(data),
            f32: Vec::new(),
            f64: Vec::new(),
            i64: Vec::new(),
            bool: Vec::new(),
        }
    }

    /// A tensor that the program has made, or a new one, in some layout.
    pub fn take<T: Kind>(&mut self) -> Pair<T> {
        let n = T::made(self).len();
        if n > 0 && !self.draw.rarely(4) {
            let at = self.draw.below(n);
            return T::made(self)[n - 1 - at].clone();
        }
        let shape = self.draw.shape(4, 300);
        self.fresh(&shape)
    }

    /// A tensor of a shape: few of its values are drawn, which repeat in an order of their own.
    pub fn fresh<T: Kind>(&mut self, shape: &[usize]) -> Pair<T> {
        let period = 1 + self.draw.below(7);
        let values: Vec<T> = (0..period).map(|_| T::any(&mut self.draw)).collect();
        let stride = 1 + self.draw.below(5);
        let numel: usize = shape.iter().product();
        let data: Vec<T> = (0..numel)
            .map(|i| values[(i * stride + i / 7) % period])
            .collect();
        let want = Array {
            shape: shape.to_vec(),
            data: data.iter().map(|v| v.to_f64()).collect(),
        };
        let got = Tensor::from_vec(data, shape).expect("as many as the shape holds");
        self.keep(Pair { got, want })
    }

    /// A tensor that broadcasts with this one, mostly.
    pub fn beside<T: Kind, U: Kind>(&mut self, x: &Pair<U>) -> Pair<T> {
        if self.draw.rarely(6) {
            return self.take();
        }
        let from = self.draw.below(x.want.ndim() + 1);
        let mut shape = x.want.shape[from..].to_vec();
        for n in &mut shape {
            if self.draw.rarely(4) {
                *n = 1;
            }
        }
        // The sizes of a tensor without elements may be huge, and here the 0 beside them may be gone.
        let numel = shape.iter().try_fold(1usize, |p, &n| p.checked_mul(n));
        if numel.is_none_or(|n| n > 4096) {
            return self.take();
        }
        self.fresh(&shape)
    }

    fn keep<T: Kind>(&mut self, pair: Pair<T>) -> Pair<T> {
        let pool = T::made(self);
        if pool.len() >= 8 {
            pool.remove(0);
        }
        pool.push(pair.clone());
        pair
    }

    /// Holds a result against the reference, and goes on with it.
    #[track_caller]
    pub fn settle<T: Kind>(
        &mut self,
        name: &str,
        inputs: &dyn Debug,
        got: Result<Tensor<T>>,
        want: Option<Array<f64>>,
        near: Near<'_>,
    ) {
        let beyond = |w: &Array<f64>| {
            T::DTYPE == tensor_core::DType::I64
                && w.data.iter().any(|v| v.is_nan() || v.abs() >= 9e15)
        };
        if was_too_large() || want.as_ref().is_some_and(beyond) {
            return;
        }
        let (got, want) = match (got, want) {
            (Ok(got), Some(want)) => (got, want),
            (Err(e), None) => {
                assert!(e.to_string().contains(": "), "{name}: a bare message: {e}");
                return;
            }
            (Ok(got), None) => panic!("{name} {inputs:?}: should be an error, is {got:?}"),
            (Err(e), Some(want)) => {
                panic!("{name} {inputs:?}: {e}, but should be {want:?}")
            }
        };
        assert_eq!(got.shape(), want.shape, "{name} {inputs:?}: shapes");
        let values: Vec<f64> = got.to_vec().iter().map(|v| v.to_f64()).collect();
        for (i, (&a, &b)) in values.iter().zip(&want.data).enumerate() {
            // As the type can hold it.
            let b = T::from_f64(b).to_f64();
            let room = match near {
                Near::Exact => 0.0,
                Near::Ulps(n) => n * epsilon::<T>() * b.abs(),
                Near::Of(n, sizes) => n * epsilon::<T>() * sizes.data[i].abs(),
            };
            let floor = match (&near, T::DTYPE) {
                (Near::Exact, _) => 0.0,
                (_, tensor_core::DType::F32) => f64::from(f32::MIN_POSITIVE),
                _ => f64::MIN_POSITIVE,
            };
            // At the end of the range one of two neighbours is infinite.
            let end = !matches!(near, Near::Exact) && a.abs().max(b.abs()).is_infinite() && {
                let finite = a.abs().min(b.abs());
                finite
                    > 0.99
                        * T::from_f64(if epsilon::<T>() > 1e-10 {
                            f32::MAX.into()
                        } else {
                            f64::MAX
                        })
                        .to_f64()
            };
            let same = a == b || (a.is_nan() && b.is_nan());
            assert!(
                same || (a - b).abs() <= room + floor || end,
                "{name} {inputs:?}: element {i} of {:?} is {a:e}, and should be {b:e}",
                got.shape()
            );
        }
        let large = |v: &f64| T::DTYPE == tensor_core::DType::I64 && v.abs() > LARGEST as f64;
        if values.len() > 600 || got.ndim() > 6 || values.iter().any(large) {
            return;
        }
        let want = Array {
            shape: want.shape,
            data: values,
        };
        self.keep(Pair { got, want });
    }

    /// As [`Machine::settle`], for a result that must be the same value.
    #[track_caller]
    pub fn exact<T: Kind, O: Kind>(
        &mut self,
        name: &str,
        x: &Pair<T>,
        arguments: &dyn Debug,
        got: Result<Tensor<O>>,
        want: Option<Array<f64>>,
    ) {
        let inputs = (T::DTYPE, &x.want.shape, x.got.strides(), arguments);
        self.settle(name, &inputs, got, want, Near::Exact);
    }

    /// No operation may have changed what another tensor shows.
    fn unchanged<T: Kind>(&mut self) {
        for pair in T::made(self) {
            let now: Vec<f64> = pair.got.to_vec().iter().map(|v| v.to_f64()).collect();
            let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
            assert!(
                now.iter().zip(&pair.want.data).all(same),
                "a tensor changed: {now:?}, and was {:?}",
                pair.want
            );
        }
    }

    fn step(&mut self) {
        match self.draw.below(4) {
            0 => self.float_step::<f32>(),
            1 => self.float_step::<f64>(),
            2 => match self.draw.below(3) {
                0 => self.move_step::<i64>(),
                1 => self.number_step::<i64>(),
                _ => self.whole_step(),
            },
            _ => self.move_step::<bool>(),
        }
    }

    fn float_step<T: Kind + Float>(&mut self) {
        match self.draw.below(4) {
            0 => self.move_step::<T>(),
            1 => self.number_step::<T>(),
            2 => self.activation_step::<T>(),
            _ => self.real_step::<T>(),
        }
    }
}

/// One input.
pub fn run(data: &[u8]) {
    let mut machine = Machine::new(data);
    for _ in 0..24 {
        if machine.draw.is_empty() {
            break;
        }
        machine.step();
    }
    machine.unchanged::<f32>();
    machine.unchanged::<f64>();
    machine.unchanged::<i64>();
    machine.unchanged::<bool>();
}

/// Kinds that are numbers, and their sums.
pub trait KindNumber: Kind + Number {}
impl<T: Kind + Number> KindNumber for T {}
