//! Element-by-element loops over one, two or three operands.

use super::dispatch::{Kernel, dispatch};
use super::isa::Isa;
use super::par;
use super::prefetch;
use super::source::Source;
use super::weave::Weave;

/// A function of one element.
pub trait Unary<A, O>: Copy + Send + Sync {
    /// How many additions one call is worth, to decide when threads pay.
    const COST: usize = 1;
    /// Whether [`Unary::usual`] is worth asking for: it is vectors where [`Unary::at`] has a call.
    const USUAL: bool = false;
    /// The function; `#[inline(always)]`.
    fn at<I: Isa>(self, a: A) -> O;
    /// The function, and whether it is: else [`Unary::at`] is asked. `#[inline(always)]`, without a call.
    #[inline(always)]
    fn usual<I: Isa>(self, a: A) -> (O, bool) {
        (self.at::<I>(a), true)
    }
    /// `out[i] = f(a[i])`, where there is a faster way for many elements than [`Unary::at`]; else nothing, and false.
    /// What is `far` is worth asking for ahead.
    #[inline(always)]
    fn all(self, a: &[A], out: &mut [O], far: bool) -> bool {
        let _ = (a, out, far);
        false
    }
}

/// A function of two elements.
pub trait Binary<A, B, O>: Copy + Send + Sync {
    /// How many additions one call is worth, to decide when threads pay.
    const COST: usize = 1;
    /// Whether [`Binary::usual`] is worth asking for: it is vectors where [`Binary::at`] has a call.
    const USUAL: bool = false;
    /// The function; `#[inline(always)]`.
    fn at<I: Isa>(self, a: A, b: B) -> O;
    /// The function, and whether it is: else [`Binary::at`] is asked. `#[inline(always)]`, without a call.
    #[inline(always)]
    fn usual<I: Isa>(self, a: A, b: B) -> (O, bool) {
        (self.at::<I>(a, b), true)
    }
}

/// A function of three elements.
pub trait Ternary<A, B, C, O>: Copy + Send + Sync {
    /// How many additions one call is worth, to decide when threads pay.
    const COST: usize = 1;
    /// The function; `#[inline(always)]`.
    fn at<I: Isa>(self, a: A, b: B, c: C) -> O;
}

/// `f` with one right operand for all.
#[derive(Clone, Copy)]
pub(crate) struct WithRight<F, B>(pub(crate) F, pub(crate) B);

impl<A: Copy, B: Copy + Send + Sync, O, F: Binary<A, B, O>> Unary<A, O> for WithRight<F, B> {
    const COST: usize = F::COST;
    const USUAL: bool = F::USUAL;
    #[inline(always)]
    fn at<I: Isa>(self, a: A) -> O {
        self.0.at::<I>(a, self.1)
    }
    #[inline(always)]
    fn usual<I: Isa>(self, a: A) -> (O, bool) {
        self.0.usual::<I>(a, self.1)
    }
}

/// The cost from which on a function is a chain of arithmetic so long that its loop is woven.
const LONG: usize = 3;

/// Elements of which it is asked at once whether all are usual: a rare one takes no others with it.
const BLOCK: usize = 64;

/// `out[i] = f(a[i])`, by [`Unary::all`] where that serves.
#[inline]
fn fill<A: Copy, O, F: Unary<A, O>>(f: F, a: &[A], out: &mut [O], far: bool) {
    if !f.all(a, out, far) {
        dispatch(Map1(f, a, out));
    }
}

struct Map1<'a, A, O, F>(F, &'a [A], &'a mut [O]);

impl<A: Copy, O, F: Unary<A, O>> Kernel for Map1<'_, A, O, F> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Map1(f, a, out) = self;
        if !F::USUAL {
            if F::COST < LONG {
                for (o, &a) in out.iter_mut().zip(a) {
                    *o = f.at::<I>(a);
                }
            } else {
                let mut weave = Weave::new();
                for (o, &a) in out.iter_mut().zip(a) {
                    *o = f.at::<I>(a);
                    weave.turn();
                }
                weave.end();
            }
            return;
        }
        for (out, a) in out.chunks_mut(BLOCK).zip(a.chunks(BLOCK)) {
            let (mut served, mut all) = ([true; BLOCK], true);
            for ((o, &a), served) in out.iter_mut().zip(a).zip(&mut served) {
                (*o, *served) = f.usual::<I>(a);
                all &= *served;
            }
            if !all {
                for ((o, &a), served) in out.iter_mut().zip(a).zip(served) {
                    if !served {
                        *o = f.at::<I>(a);
                    }
                }
            }
        }
    }
}

struct Map2<'a, A, B, O, F>(F, &'a [A], &'a [B], &'a mut [O]);

impl<A: Copy, B: Copy, O, F: Binary<A, B, O>> Kernel for Map2<'_, A, B, O, F> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Map2(f, a, b, out) = self;
        if !F::USUAL {
            if F::COST < LONG {
                for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
                    *o = f.at::<I>(a, b);
                }
            } else {
                let mut weave = Weave::new();
                for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
                    *o = f.at::<I>(a, b);
                    weave.turn();
                }
                weave.end();
            }
            return;
        }
        let blocks = a.chunks(BLOCK).zip(b.chunks(BLOCK));
        for (out, (a, b)) in out.chunks_mut(BLOCK).zip(blocks) {
            let (mut served, mut all) = ([true; BLOCK], true);
            for (((o, &a), &b), served) in out.iter_mut().zip(a).zip(b).zip(&mut served) {
                (*o, *served) = f.usual::<I>(a, b);
                all &= *served;
            }
            if !all {
                for (((o, &a), &b), served) in out.iter_mut().zip(a).zip(b).zip(served) {
                    if !served {
                        *o = f.at::<I>(a, b);
                    }
                }
            }
        }
    }
}

struct Map3<'a, A, B, C, O, F>(F, &'a [A], &'a [B], &'a [C], &'a mut [O]);

impl<A: Copy, B: Copy, C: Copy, O, F: Ternary<A, B, C, O>> Kernel for Map3<'_, A, B, C, O, F> {
    type Out = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Map3(f, a, b, c, out) = self;
        for (((o, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
            *o = f.at::<I>(a, b, c);
        }
    }
}

/// `f(a)`, with the same bits as [`map1`].
pub(crate) fn map_one<A: Copy, O: Default, F: Unary<A, O>>(f: F, a: A) -> O {
    let mut out = [O::default()];
    fill(f, &[a], &mut out, false);
    let [out] = out;
    out
}

/// `f(a, b)`, with the same bits as [`map2`].
pub(crate) fn map_one2<A: Copy, B: Copy, O: Default, F: Binary<A, B, O>>(f: F, a: A, b: B) -> O {
    let mut out = [O::default()];
    dispatch(Map2(f, &[a], &[b], &mut out));
    let [out] = out;
    out
}

/// `out[i] = f(a[i])`
pub fn map1<A, O, F>(f: F, a: &Source<'_, A>, out: &mut [O])
where
    A: Copy + Send + Sync,
    O: Send,
    F: Unary<A, O>,
{
    let far = prefetch::pays(size_of_val(out));
    par::split(out, 1, F::COST, |start, out| {
        let (mut a, mut done) = (a.reader(), 0);
        while done < out.len() {
            let at = start + done;
            let n = a.ready(at, out.len() - done);
            fill(f, a.read(at, n), &mut out[done..done + n], far);
            done += n;
        }
    });
}

/// `out[i] = f(a[i], b[i])`
pub fn map2<A, B, O, F>(f: F, a: &Source<'_, A>, b: &Source<'_, B>, out: &mut [O])
where
    A: Copy + Send + Sync,
    B: Copy + Send + Sync,
    O: Send,
    F: Binary<A, B, O>,
{
    par::split(out, 1, F::COST, |start, out| {
        let (mut a, mut b, mut done) = (a.reader(), b.reader(), 0);
        while done < out.len() {
            let at = start + done;
            let n = b.ready(at, a.ready(at, out.len() - done));
            let out = &mut out[done..done + n];
            match b.constant(at, n) {
                Some(b) => dispatch(Map1(WithRight(f, b), a.read(at, n), out)),
                None => dispatch(Map2(f, a.read(at, n), b.read(at, n), out)),
            }
            done += n;
        }
    });
}

/// `out[i] = f(a[i], b[i], c[i])`
pub fn map3<A, B, C, O, F>(
    f: F,
    a: &Source<'_, A>,
    b: &Source<'_, B>,
    c: &Source<'_, C>,
    out: &mut [O],
) where
    A: Copy + Send + Sync,
    B: Copy + Send + Sync,
    C: Copy + Send + Sync,
    O: Send,
    F: Ternary<A, B, C, O>,
{
    par::split(out, 1, F::COST, |start, out| {
        let (mut a, mut b, mut c, mut done) = (a.reader(), b.reader(), c.reader(), 0);
        while done < out.len() {
            let at = start + done;
            let n = c.ready(at, b.ready(at, a.ready(at, out.len() - done)));
            let out = &mut out[done..done + n];
            dispatch(Map3(f, a.read(at, n), b.read(at, n), c.read(at, n), out));
            done += n;
        }
    });
}
