//! Tensors from values.

use crate::element::{DType, Element, Float, Number};
use crate::error::{Dims, Error, Result};
use crate::kernel::isa::Isa;
use crate::kernel::par;
use crate::kernel::pool::Buffer;
use crate::kernel::{Kernel, dispatch};
use crate::layout::checked_numel;
use crate::shape::IntoShape;
use crate::tensor::Tensor;
use smallvec::smallvec;

impl<T: Element> Tensor<T> {
    /// A tensor of `shape` over `data`, which is taken as it is, in row-major order.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// let x = Tensor::from_vec(vec![1, 2, 3, 4, 5, 6], [2, 3])?;
    /// assert_eq!(x[[1, 0]], 4);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Data`] if `data` does not fill the shape.
    pub fn from_vec(data: Vec<T>, shape: impl IntoShape) -> Result<Self> {
        Self::fill("from_vec", data, shape)
    }

    fn fill(op: &'static str, data: Vec<T>, shape: impl IntoShape) -> Result<Self> {
        let shape = shape.dims(op)?;
        let numel = shape.iter().product();
        if data.len() != numel {
            return Err(Error::Data {
                op,
                len: data.len(),
                shape,
                numel,
            });
        }
        Ok(Self::from_buffer(Buffer::from_vec(data), shape))
    }

    /// A tensor of `shape` with a copy of `data`.
    ///
    /// # Errors
    /// [`Error::Data`] if `data` does not fill the shape.
    pub fn from_slice(data: &[T], shape: impl IntoShape) -> Result<Self> {
        Self::fill("from_slice", data.to_vec(), shape)
    }

    /// A tensor without dimensions.
    pub fn scalar(value: T) -> Self {
        Self::one(value, Dims::new())
    }

    /// Zeros, or `false`.
    ///
    /// # Errors
    /// [`Error::Size`] or [`Error::NegativeSize`] for a shape that cannot be.
    pub fn zeros(shape: impl IntoShape) -> Result<Self> {
        Self::zeros_for("zeros", shape)
    }

    /// As [`Tensor::zeros`], for an operation named `op`.
    fn zeros_for(op: &'static str, shape: impl IntoShape) -> Result<Self> {
        let shape = shape.dims(op)?;
        Ok(Self::from_buffer(Buffer::zeros(op, &shape)?, shape))
    }

    /// Ones, or `true`.
    ///
    /// # Errors
    /// [`Error::Size`] or [`Error::NegativeSize`] for a shape that cannot be.
    pub fn ones(shape: impl IntoShape) -> Result<Self> {
        Self::full_for("ones", shape, T::ONE)
    }

    /// One value everywhere.
    ///
    /// # Errors
    /// [`Error::Size`] or [`Error::NegativeSize`] for a shape that cannot be.
    pub fn full(shape: impl IntoShape, value: T) -> Result<Self> {
        Self::full_for("full", shape, value)
    }

    /// As [`Tensor::full`], for an operation named `op`.
    fn full_for(op: &'static str, shape: impl IntoShape, value: T) -> Result<Self> {
        Self::build(op, shape, |out| {
            par::split(out, 1, 1, |_, out| out.fill(value));
        })
    }

    /// Zeros in the shape of this tensor; one zero, seen everywhere.
    pub fn zeros_like(&self) -> Self {
        self.full_like(T::ZERO)
    }

    /// Ones in the shape of this tensor; one number, seen everywhere.
    pub fn ones_like(&self) -> Self {
        self.full_like(T::ONE)
    }

    /// `value` in the shape of this tensor; one number, seen everywhere.
    pub fn full_like(&self, value: T) -> Self {
        let one = Tensor::scalar(value);
        one.broadcast_to(self.shape()).unwrap_or(one)
    }

    /// The `n` by `m` matrix with ones on its diagonal.
    ///
    /// # Errors
    /// [`Error::Size`] for a size that cannot be.
    pub fn eye(n: usize, m: usize) -> Result<Self> {
        Self::build("eye", [n, m], |out| {
            par::split(out, m, m, |first, out| {
                out.fill(T::ZERO);
                for (i, row) in (first..).zip(out.chunks_exact_mut(m.max(1))) {
                    if let Some(x) = row.get_mut(i) {
                        *x = T::ONE;
                    }
                }
            });
        })
    }
}

impl<T: Number> Tensor<T> {
    /// `start, start + step, …`, as many as lie before `end`: `⌈(end - start) / step⌉` of them.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// assert_eq!(Tensor::arange(0, 5, 2)?.to_vec(), [0, 2, 4]);
    /// assert_eq!(Tensor::arange(1.0, 0.0, -0.5)?.to_vec(), [1.0, 0.5]);
    /// # Ok::<(), tensor_core::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`] if `step` is zero, points away from `end`, or a bound is not finite.
    pub fn arange(start: T, end: T, step: T) -> Result<Self> {
        let fail = |expected| Error::Option {
            op: "arange",
            name: "step",
            value: step.to_string(),
            expected,
        };
        let (a, b, s) = (start.to_f64(), end.to_f64(), step.to_f64());
        if s == 0.0 || !a.is_finite() || !b.is_finite() || !s.is_finite() {
            return Err(fail("it must not be 0, and all bounds must be finite"));
        }
        if (b - a) * s.signum() < 0.0 {
            return Err(fail("it must lead from start towards end"));
        }
        let count = if T::DTYPE == DType::I64 {
            let (span, step) = (
                end.to_i64() as i128 - start.to_i64() as i128,
                step.to_i64() as i128,
            );
            (span.abs() + step.abs() - 1) / step.abs()
        } else {
            ((b - a) / s).ceil() as i128
        };
        let too_many = |_| Error::Size {
            op: "arange",
            shape: vec![i64::try_from(count).unwrap_or(i64::MAX)],
        };
        let n = usize::try_from(count).map_err(too_many)?;
        let line = Line {
            whole: (start, step),
            real: (a, s),
            back: None,
        };
        Self::build("arange", n, |out| line.write(out))
    }
}

impl<T: Float> Tensor<T> {
    /// `steps` numbers from `start` to `end`, both included, at equal distances.
    ///
    /// # Errors
    /// [`Error::Size`] for a number of steps that cannot be.
    pub fn linspace(start: T, end: T, steps: usize) -> Result<Self> {
        let (a, b) = (start.f64(), end.f64());
        let width = (b - a) / (steps.max(2) - 1) as f64;
        // Counted from the nearer end, so that both ends are met exactly.
        let line = Line {
            whole: (start, T::ZERO),
            real: (a, width),
            back: Some((steps.div_ceil(2), steps, b)),
        };
        Self::build("linspace", steps, |out| line.write(out))
    }
}

/// Numbers at equal distances.
#[derive(Clone, Copy)]
struct Line<T> {
    /// The first one and the step, for integers.
    whole: (T, T),
    /// The same for floats.
    real: (f64, f64),
    /// From which place on they are counted from the end, how many there are, and the last one.
    back: Option<(usize, usize, f64)>,
}

impl<T: Number> Line<T> {
    fn write(self, out: &mut [T]) {
        par::split(out, 1, 2, |first, out| {
            for (i, out) in out.chunks_mut(PIECE).enumerate() {
                self.piece(first + i * PIECE, out);
            }
        });
    }

    /// Those from place `at` on.
    fn piece(self, at: usize, out: &mut [T]) {
        if T::DTYPE == DType::I64 {
            let (start, step) = self.whole;
            let start = start.plus(step.times(T::from_i64(at as i64)));
            return dispatch(Whole(start, step, out));
        }
        let (start, step) = self.real;
        let Some((middle, n, end)) = self.back else {
            return dispatch(Real(start, step, (at as f64, 1.0), out));
        };
        let (front, back) = out.split_at_mut(middle.saturating_sub(at).min(out.len()));
        dispatch(Real(start, step, (at as f64, 1.0), front));
        if !back.is_empty() {
            let first = (n - 1 - at - front.len()) as f64;
            dispatch(Real(end, -step, (first, -1.0), back));
        }
    }
}

/// Numbers of a line that are written in one loop, whose places in it are small integers.
const PIECE: usize = 1 << 12;

/// `out[i] = start + step i`
struct Whole<'a, T>(T, T, &'a mut [T]);
impl<T: Number> Kernel for Whole<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Whole(start, step, out) = self;
        for (i, o) in out.iter_mut().enumerate() {
            *o = start.plus(step.times(T::from_i64(i as i64)));
        }
    }
}

/// `out[i] = start + step (first + way i)`
struct Real<'a, T>(f64, f64, (f64, f64), &'a mut [T]);
impl<T: Number> Kernel for Real<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Real(start, step, (first, way), out) = self;
        for (i, o) in out.iter_mut().enumerate() {
            // Integers of 32 bits become floats in vectors on any machine.
            *o = T::from_f64(start + step * (first + way * f64::from(i as i32)));
        }
    }
}

impl<T: Element> From<T> for Tensor<T> {
    fn from(value: T) -> Self {
        Tensor::scalar(value)
    }
}

impl<T: Element> From<Vec<T>> for Tensor<T> {
    fn from(data: Vec<T>) -> Self {
        let n = data.len();
        Tensor::from_buffer(Buffer::from_vec(data), smallvec![n])
    }
}

impl<T: Element> From<&[T]> for Tensor<T> {
    fn from(data: &[T]) -> Self {
        data.to_vec().into()
    }
}

/// A tensor over data whose length fills the shape, because the data was an array of that shape.
fn from_array<T: Element>(data: Vec<T>, shape: Dims) -> Tensor<T> {
    debug_assert_eq!(checked_numel(&shape), Some(data.len()));
    Tensor::from_buffer(Buffer::from_vec(data), shape)
}

impl<T: Element, const A: usize> From<[T; A]> for Tensor<T> {
    fn from(data: [T; A]) -> Self {
        from_array(data.to_vec(), smallvec![A])
    }
}

impl<T: Element, const A: usize, const B: usize> From<[[T; B]; A]> for Tensor<T> {
    fn from(data: [[T; B]; A]) -> Self {
        from_array(data.as_flattened().to_vec(), smallvec![A, B])
    }
}

impl<T: Element, const A: usize, const B: usize, const C: usize> From<[[[T; C]; B]; A]>
    for Tensor<T>
{
    fn from(data: [[[T; C]; B]; A]) -> Self {
        from_array(
            data.as_flattened().as_flattened().to_vec(),
            smallvec![A, B, C],
        )
    }
}

impl<T: Element, const A: usize, const B: usize, const C: usize, const D: usize>
    From<[[[[T; D]; C]; B]; A]> for Tensor<T>
{
    fn from(data: [[[[T; D]; C]; B]; A]) -> Self {
        from_array(
            data.as_flattened().as_flattened().as_flattened().to_vec(),
            smallvec![A, B, C, D],
        )
    }
}
