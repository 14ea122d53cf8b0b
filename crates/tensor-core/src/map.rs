//! Element-by-element operations on tensors: layouts are brought together here, the loops are in
//! [`kernel::map`](crate::kernel::map).

use crate::element::Element;
use crate::error::{Error, Result};
use crate::kernel::isa::Isa;
use crate::kernel::map::{Binary, Ternary, Unary, WithRight, map_one, map_one2, map1, map2, map3};
use crate::kernel::par;
use crate::kernel::pool::Buffer;
use crate::kernel::source::Source;
use crate::layout::{Layout, broadcast, dims, same_shape};
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// A plain number, which an operation takes in place of a tensor: `x.add(1)`, `&x * 0.5f32`, `&x - 3u8`.
///
/// To the left of an operator stand `f64` and `i32` alone, the types that literals have: with more of them `1.0 - &x`
/// could not be told the type of its literal. A number of another type goes to the left as `f64::from(a) * &x` or
/// `i32::from(b) - &x`, which lose nothing.
///
/// ```
/// use tensor_core::Tensor;
/// let x = Tensor::from([1.0f32, 2.0]);
/// assert_eq!((&x * 3u8).to_vec(), [3.0, 6.0]);
/// assert_eq!((i32::from(3u8) - &x).to_vec(), [2.0, 1.0]);
/// let n = Tensor::from([1i64, 2]);
/// assert_eq!((&n + 2.0).to_vec(), [3, 4]);
/// assert!(n.add(0.5).is_err()); // no integer
/// # Ok::<(), tensor_core::Error>(())
/// ```
pub trait Scalar: Copy {
    /// The number as an element of type `T`; a float is rounded, but is no integer unless it has no fraction.
    fn element<T: Element>(self, op: &'static str) -> Result<T>;
}

macro_rules! scalars {
    ($($t:ty => |$v:ident| $from:expr, $back:expr;)*) => { $(impl Scalar for $t {
        #[inline]
        fn element<T: Element>(self, op: &'static str) -> Result<T> {
            let $v = self;
            let value: T = $from;
            let fits: bool = $back(value);
            let fail = || Error::Convert { op, value: self.to_string(), dtype: T::DTYPE.name() };
            if fits { Ok(value) } else { Err(fail()) }
        }
    })* };
}
use crate::element::DType::{Bool, F32, F64, I64};
scalars! {
    f32 => |v| T::from_f64(v as f64), |t: T| matches!(T::DTYPE, F32 | F64) || is_value(v as f64, t);
    f64 => |v| T::from_f64(v), |t: T| matches!(T::DTYPE, F32 | F64) || is_value(v, t);
    i64 => |v| T::from_i64(v), |t: T| T::DTYPE != Bool || t.to_i64() == v;
    bool => |v| T::from_i64(v as i64), |_t: T| T::DTYPE == Bool;
}

/// Integers that are `i64`.
macro_rules! narrow {
    ($($t:ty)*) => { $(impl Scalar for $t {
        #[inline]
        fn element<T: Element>(self, op: &'static str) -> Result<T> {
            i64::from(self).element(op)
        }
    })* };
}
narrow! { i8 i16 i32 u8 u16 u32 }

/// Integers that may be too large for an `i64`, or on some machine.
macro_rules! wide {
    ($($t:ty)*) => { scalars! { $(
        $t => |v| i64::try_from(v).map_or_else(|_| T::from_f64(v as f64), T::from_i64),
            |t: T| matches!(T::DTYPE, F32 | F64) || i64::try_from(v) == Ok(t.to_i64());
    )* } };
}
wide! { isize u64 usize }

/// Whether `t` is exactly `v`. The largest integer has no `f64` of its own, and 2^63, the nearest, is none.
fn is_value<T: Element>(v: f64, t: T) -> bool {
    t.to_f64() == v && v < i64::MAX as f64
}

/// The right-hand side of an operation: a tensor, or a number that stands for one of any shape.
pub trait Operand<T: Element> {
    /// The operand for an operation named `op`.
    ///
    /// # Errors
    /// [`Error::Convert`] if a number is not a value of `T`.
    fn operand(&self, op: &'static str) -> Result<Opnd<'_, T>>;
}

/// A tensor or a number.
#[derive(Clone, Debug)]
pub enum Opnd<'a, T: Element> {
    /// A tensor.
    Tensor(&'a Tensor<T>),
    /// A number.
    Scalar(T),
}

impl<T: Element> Operand<T> for Tensor<T> {
    fn operand(&self, _: &'static str) -> Result<Opnd<'_, T>> {
        Ok(Opnd::Tensor(self))
    }
}

impl<T: Element> Operand<T> for &Tensor<T> {
    fn operand(&self, _: &'static str) -> Result<Opnd<'_, T>> {
        Ok(Opnd::Tensor(self))
    }
}

impl<T: Element, S: Scalar> Operand<T> for S {
    fn operand(&self, op: &'static str) -> Result<Opnd<'_, T>> {
        Ok(Opnd::Scalar(self.element(op)?))
    }
}

/// How the operands of an operation are walked. It knows no element type, so that it is compiled once for all operations.
struct Walk<const N: usize> {
    /// The operands' layouts, all of one shape, with their dimensions in the order of the walk: the memory order of the
    /// first operand that is no broadcast, so that operands with a common order are read as they lie.
    operands: [Layout; N],
    /// The layout of a result that is written row-major in that order.
    result: Layout,
}

impl<const N: usize> Walk<N> {
    /// Over operands of one shape.
    fn new(mut operands: [Layout; N]) -> Self {
        let full = operands.iter().find(|l| {
            let mut sizes = l.strides.iter().zip(&l.shape);
            !sizes.any(|(&s, &n)| s == 0 && n > 1)
        });
        let order = full.map(Layout::memory_order).unwrap_or_default();
        if order.windows(2).all(|w| w[0] < w[1]) {
            let result = Layout::contiguous(dims(operands[0].shape()));
            return Walk { operands, result };
        }
        for l in &mut operands {
            *l = l.permute(&order);
        }
        let mut back: SmallVec<[usize; 4]> = SmallVec::from_elem(0, order.len());
        for (i, &d) in order.iter().enumerate() {
            back[d] = i;
        }
        let result = Layout::contiguous(dims(operands[0].shape())).permute(&back);
        Walk { operands, result }
    }

    /// Over operands that are broadcast to each other.
    fn broadcast(op: &'static str, operands: [&Layout; N]) -> Result<Self> {
        let mut shape = dims(operands[0].shape());
        for l in &operands[1..] {
            shape = broadcast(op, &shape, l.shape())?;
        }
        let mut whole = operands.map(Layout::clone);
        for l in &mut whole {
            *l = l.broadcast_to(op, &shape)?;
        }
        Ok(Self::new(whole))
    }
}

/// `f` of every element. What a broadcast tensor repeats is computed once.
pub(crate) fn unary<A: Element, O: Element, F: Unary<A, O>>(
    f: F,
    a: &Tensor<A>,
) -> Result<Tensor<O>> {
    if let Some(x) = a.lone() {
        return Ok(Tensor::one(map_one(f, x), dims(a.shape())));
    }
    if let Some(x) = a.as_slice() {
        let mut buffer = Buffer::stale("map", &[x.len()])?;
        let out = &mut buffer.as_mut_slice()[..x.len()];
        map1(f, &Source::flat_of(x), out);
        return Ok(Tensor::from_buffer(buffer, dims(a.shape())));
    }
    let walk = Walk::new([a.layout().once()]);
    let mut buffer = Buffer::stale("map", walk.result.shape())?;
    let out = &mut buffer.as_mut_slice()[..walk.result.numel()];
    map1(f, &Source::new(a.buffer(), &walk.operands[0]), out);
    let out = Tensor::with_layout(buffer, walk.result);
    if out.shape() == a.shape() {
        Ok(out)
    } else {
        out.broadcast_for("map", a.shape())
    }
}

/// A row-major copy for an operation named `op`; fails only where a broadcast view is larger than the memory.
pub(crate) fn copy<T: Element>(op: &'static str, a: &Tensor<T>) -> Result<Tensor<T>> {
    let source = a.source();
    Tensor::build(op, a.shape(), |out| {
        par::split(out, 1, 1, |at, out| source.gather(at, out));
    })
}

/// `f` of every pair of elements, operands broadcast to each other.
pub(crate) fn binary<A, B, O, F>(
    op: &'static str,
    f: F,
    a: &Tensor<A>,
    b: &impl Operand<B>,
) -> Result<Tensor<O>>
where
    A: Element,
    B: Element,
    O: Element,
    F: Binary<A, B, O>,
{
    let b = match b.operand(op)? {
        Opnd::Scalar(b) => return unary(WithRight(f, b), a),
        Opnd::Tensor(b) => b,
    };
    if same_shape(a.shape(), b.shape()) {
        // The common case needs no plan.
        if let (Some(x), Some(y)) = (a.lone(), b.lone()) {
            return Ok(Tensor::one(map_one2(f, x, y), dims(a.shape())));
        }
        if let (Some(x), Some(y)) = (a.as_slice(), b.as_slice()) {
            let mut buffer = Buffer::stale(op, &[x.len()])?;
            let (x, y) = (Source::flat_of(x), Source::flat_of(y));
            map2(f, &x, &y, &mut buffer.as_mut_slice()[..x.len()]);
            return Ok(Tensor::from_buffer(buffer, dims(a.shape())));
        }
    }
    let walk = Walk::broadcast(op, [a.layout(), b.layout()])?;
    let mut buffer = Buffer::stale(op, walk.result.shape())?;
    let out = &mut buffer.as_mut_slice()[..walk.result.numel()];
    let [la, lb] = &walk.operands;
    let (x, y) = (Source::new(a.buffer(), la), Source::new(b.buffer(), lb));
    map2(f, &x, &y, out);
    Ok(Tensor::with_layout(buffer, walk.result))
}

/// `f` of every three elements, operands broadcast to each other.
pub(crate) fn ternary<A, B, C, O, F>(
    op: &'static str,
    f: F,
    (a, b, c): (&Tensor<A>, &Tensor<B>, &Tensor<C>),
) -> Result<Tensor<O>>
where
    A: Element,
    B: Element,
    C: Element,
    O: Element,
    F: Ternary<A, B, C, O>,
{
    let walk = Walk::broadcast(op, [a.layout(), b.layout(), c.layout()])?;
    let mut buffer = Buffer::stale(op, walk.result.shape())?;
    let out = &mut buffer.as_mut_slice()[..walk.result.numel()];
    let [la, lb, lc] = &walk.operands;
    map3(
        f,
        &Source::new(a.buffer(), la),
        &Source::new(b.buffer(), lb),
        &Source::new(c.buffer(), lc),
        out,
    );
    Ok(Tensor::with_layout(buffer, walk.result))
}

/// A closure as a kernel.
struct Plain<'a, F>(&'a F);
impl<F> Clone for Plain<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<F> Copy for Plain<'_, F> {}
impl<A, O, F: Fn(A) -> O + Sync> Unary<A, O> for Plain<'_, F> {
    const COST: usize = 4;
    #[inline(always)]
    fn at<I: Isa>(self, a: A) -> O {
        (self.0)(a)
    }
}
impl<A, B, O, F: Fn(A, B) -> O + Sync> Binary<A, B, O> for Plain<'_, F> {
    const COST: usize = 4;
    #[inline(always)]
    fn at<I: Isa>(self, a: A, b: B) -> O {
        (self.0)(a, b)
    }
}

impl<T: Element> Tensor<T> {
    /// `f` of every element.
    ///
    /// ```
    /// use tensor_core::Tensor;
    /// assert_eq!(Tensor::from([1.5f32, -2.5]).map(|x| x as i64).to_vec(), [1, -2]);
    /// ```
    pub fn map<O: Element>(&self, f: impl Fn(T) -> O + Sync) -> Tensor<O> {
        self.unary(Plain(&f))
    }

    /// `f` of every pair of elements of this tensor and `other`, broadcast to each other.
    ///
    /// # Errors
    /// [`Error::Broadcast`] if the shapes do not broadcast.
    pub fn zip<B: Element, O: Element>(
        &self,
        other: impl Operand<B>,
        f: impl Fn(T, B) -> O + Sync,
    ) -> Result<Tensor<O>> {
        self.zip_for("zip", &other, f)
    }

    /// As [`Tensor::map`], with a kernel: it may use the functions of [`Math`](crate::kernel::Math), and runs on the widest
    /// vectors that this machine has.
    ///
    /// ```
    /// use tensor_core::kernel::{Isa, Math, Unary};
    /// use tensor_core::{Float, Tensor};
    ///
    /// /// `x e^x`
    /// #[derive(Clone, Copy)]
    /// struct XExp;
    /// impl<T: Float> Unary<T, T> for XExp {
    ///     const COST: usize = 8;
    ///     #[inline(always)]
    ///     fn at<I: Isa>(self, x: T) -> T {
    ///         x * x.exp::<I>()
    ///     }
    /// }
    /// let y = Tensor::from([0.0f32, 1.0]).map_kernel(XExp);
    /// assert_eq!(y.to_vec(), [0.0, std::f32::consts::E]);
    /// ```
    pub fn map_kernel<O: Element>(&self, f: impl Unary<T, O>) -> Tensor<O> {
        self.unary(f)
    }

    /// As [`Tensor::zip`], with a kernel: see [`Tensor::map_kernel`].
    ///
    /// # Errors
    /// [`Error::Broadcast`] if the shapes do not broadcast.
    pub fn zip_kernel<B: Element, O: Element>(
        &self,
        other: impl Operand<B>,
        f: impl Binary<T, B, O>,
    ) -> Result<Tensor<O>> {
        binary("zip_kernel", f, self, &other)
    }

    /// As [`Tensor::zip`], for an operation named `op`.
    pub(crate) fn zip_for<B: Element, O: Element>(
        &self,
        op: &'static str,
        other: &impl Operand<B>,
        f: impl Fn(T, B) -> O + Sync,
    ) -> Result<Tensor<O>> {
        binary(op, Plain(&f), self, other)
    }

    /// A kernel on every element.
    pub(crate) fn unary<O: Element>(&self, f: impl Unary<T, O>) -> Tensor<O> {
        // Fails only where the system has no memory for a tensor of the size of one that exists.
        crate::error::sure(unary(f, self))
    }

    /// The same values in another element type: rounded to a float, truncated and saturated to an integer, `!= 0`
    /// to a truth value.
    pub fn cast<O: Element>(&self) -> Tensor<O> {
        #[derive(Clone, Copy)]
        struct Cast;
        impl<A: Element, O: Element> Unary<A, O> for Cast {
            #[inline(always)]
            fn at<I: Isa>(self, a: A) -> O {
                if A::DTYPE == I64 {
                    O::from_i64(a.to_i64())
                } else if O::DTYPE == I64 && I::FMA {
                    O::from_i64(whole(a.to_f64()))
                } else {
                    O::from_f64(a.to_f64())
                }
            }
        }
        self.unary(Cast)
    }
}

/// `x as i64`, in steps that fit vectors: halves of 32 bits, each read off the digits of a sum with a large number.
#[inline(always)]
fn whole(x: f64) -> i64 {
    const HALF: f64 = 4_294_967_296.0;
    /// 1.5 · 2⁵²: in a sum with it the last digit is that of the ones.
    const LARGE: f64 = 6_755_399_441_055_744.0;
    const END: f64 = 9_223_372_036_854_775_808.0;
    let number = x.trunc();
    let high = (number / HALF).floor();
    let low = number - high * HALF;
    let [high, low] = [high, low].map(|v| (v + LARGE).to_bits().wrapping_sub(LARGE.to_bits()));
    let whole = (high << 32).wrapping_add(low) as i64;
    let whole = if x >= END { i64::MAX } else { whole };
    let whole = if x < -END { i64::MIN } else { whole };
    if x.is_nan() { 0 } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_those_of_as() {
        let mut x = vec![
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            1e-320,
        ];
        for power in 0..70 {
            let p = 2f64.powi(power);
            for near in [
                p,
                p.next_up(),
                p.next_down(),
                p + 0.5,
                p - 0.5,
                p / 3.0,
                p * 0.7,
            ] {
                x.extend([near, -near]);
            }
        }
        for x in x {
            assert_eq!(whole(x), x as i64, "{x:e}");
        }
        let x: Vec<f32> = (0..4096u32)
            .map(|i| f32::from_bits(i * 0x10_0003))
            .collect();
        let want: Vec<i64> = x.iter().map(|&x| x as i64).collect();
        assert_eq!(Tensor::from(x).cast::<i64>().to_vec(), want);
    }
}
