//! The engine of losses of two boxes: what they are made of, and the way from its slopes back to the corners.
//!
//! All is computed in `f64`, whatever the boxes are in: four numbers cost nothing to widen, and areas of `f32` boxes are
//! exact.

use crate::check::{self, same_shape};
use crate::reduction::Reduction;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::{Error, Float, Result, Tensor, Var};

/// A loss of two boxes.
pub(super) trait BoxLoss: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    /// The loss of a pair, whichever of the two is `own`.
    fn value<I: Isa>(&self, pair: &Pair) -> f64;

    /// Its slopes, with respect to the `own` box.
    fn slopes<I: Isa>(&self, pair: &Pair) -> Slopes;

    /// The same in plain operations.
    #[track_caller]
    fn definition<T: Float>(&self, parts: &Parts<T>) -> Result<Var<T>>;
}

/// Two boxes `(x1, y1, x2, y2)`, and what they are made of.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub own: [f64; 4],
    pub other: [f64; 4],
    /// Width and height of the intersection.
    pub inner: [f64; 2],
    /// Width and height of the smallest box around both.
    pub around: [f64; 2],
    /// The area of the union.
    pub union: f64,
}

impl Pair {
    #[inline(always)]
    fn of<T: Float>(own: &[T], other: &[T]) -> Self {
        // In loops: closures were compiled apart, for no instruction set.
        let (mut a, mut b) = ([0.0; 4], [0.0; 4]);
        for k in 0..4 {
            (a[k], b[k]) = (own[k].f64(), other[k].f64());
        }
        let (own, other) = (a, b);
        let (mut inner, mut around) = ([0.0; 2], [0.0; 2]);
        for d in 0..2 {
            let side = own[d + 2].min(other[d + 2]) - own[d].max(other[d]);
            // Not `max`, which would swallow a NaN.
            inner[d] = if side <= 0.0 { 0.0 } else { side };
            around[d] = own[d + 2].max(other[d + 2]) - own[d].min(other[d]);
        }
        let union = product(size(own)) + product(size(other)) - product(inner);
        Pair {
            own,
            other,
            inner,
            around,
            union,
        }
    }

    /// Intersection over union.
    #[inline(always)]
    pub fn iou(&self, eps: f64) -> f64 {
        product(self.inner) / (self.union + eps)
    }

    /// The slopes of `-iou`.
    #[inline(always)]
    pub fn slopes_of_iou(&self, eps: f64) -> Slopes {
        Slopes {
            inner: -1.0 / (self.union + eps),
            union: self.iou(eps) / (self.union + eps),
            around: [0.0; 2],
            own: [0.0; 4],
        }
    }
}

/// Width and height of a box.
#[inline(always)]
pub(super) fn size(b: [f64; 4]) -> [f64; 2] {
    [b[2] - b[0], b[3] - b[1]]
}

#[inline(always)]
pub(super) fn product([a, b]: [f64; 2]) -> f64 {
    a * b
}

/// The slopes of a loss by the parts of a pair.
#[derive(Clone, Copy)]
pub(super) struct Slopes {
    /// By the area of the intersection, the union held.
    pub inner: f64,
    /// By the area of the union.
    pub union: f64,
    /// By the sides of the box around both.
    pub around: [f64; 2],
    /// By the corners of the own box, all else held.
    pub own: [f64; 4],
}

impl Slopes {
    /// The slopes by the corners of the own box.
    #[inline(always)]
    fn by_corners(mut self, pair: &Pair) -> [f64; 4] {
        let size = size(pair.own);
        // Of the union the intersection is taken away.
        let by_inner = self.inner - self.union;
        for d in 0..2 {
            let (low, high) = (d, d + 2);
            let area = self.union * size[1 - d];
            // At equal corners each of the two boxes gets half.
            let lower = |k: usize| wins(pair.other[k] - pair.own[k]);
            let (mut down, mut up) = (-area, area);
            if pair.inner[d] > 0.0 {
                let inner = by_inner * pair.inner[1 - d];
                down -= inner * (1.0 - lower(low));
                up += inner * lower(high);
            }
            down -= self.around[d] * lower(low);
            up += self.around[d] * (1.0 - lower(high));
            self.own[low] += down;
            self.own[high] += up;
        }
        self.own
    }
}

/// 1 for a positive lead, 0 for a negative one, and a half for none.
#[inline(always)]
fn wins(lead: f64) -> f64 {
    if lead > 0.0 {
        1.0
    } else if lead < 0.0 {
        0.0
    } else {
        0.5
    }
}

/// What two boxes are made of, in plain operations.
pub(super) struct Parts<T: Float> {
    /// The lower and the upper corners of the first, and of the second.
    pub corners: [[Var<T>; 2]; 2],
    /// Width and height of the box around both, in the last dimension.
    pub around: Var<T>,
    pub inner: Var<T>,
    pub union: Var<T>,
}

impl<T: Float> Parts<T> {
    fn of(v: &[Var<T>]) -> Result<Self> {
        let corners = |b: &Var<T>| Ok([b.narrow(-1, 0, 2)?, b.narrow(-1, 2, 2)?]);
        let (a, b): ([Var<T>; 2], [Var<T>; 2]) = (corners(&v[0])?, corners(&v[1])?);
        let inner = a[1].minimum(&b[1])?.sub(a[0].maximum(&b[0])?)?.relu();
        let around = a[1].maximum(&b[1])?.sub(a[0].minimum(&b[0])?)?;
        let inner = area(&inner)?;
        let areas = area(&a[1].sub(&a[0])?)?.add(area(&b[1].sub(&b[0])?)?)?;
        Ok(Parts {
            union: areas.sub(&inner)?,
            corners: [a, b],
            around,
            inner,
        })
    }

    /// Intersection over union.
    #[track_caller]
    pub fn iou(&self, eps: f64) -> Result<Var<T>> {
        self.inner.div(self.union.add(eps)?)
    }
}

/// The product of two sides in the last dimension.
#[track_caller]
pub(super) fn area<T: Float>(sides: &Var<T>) -> Result<Var<T>> {
    sides.select(-1, 0)?.mul(sides.select(-1, 1)?)
}

/// Runs a loss on boxes `x` and their targets `t`.
#[track_caller]
pub(super) fn run<T: Float, L: BoxLoss>(
    loss: L,
    x: &Var<T>,
    t: &Var<T>,
    eps: f64,
    reduction: Reduction,
) -> Result<Var<T>> {
    let op = L::NAME;
    check::option(
        op,
        "eps",
        eps,
        eps > 0.0 && eps.is_finite(),
        "it must be positive",
    )?;
    let Some((4, rows)) = x.shape().split_last() else {
        return Err(Error::Shape {
            op,
            what: "the input",
            got: x.shape().into(),
            expected: "its last dimension must be that of a box, (x1, y1, x2, y2)".into(),
        });
    };
    same_shape(op, "the target", t.shape(), x.shape())?;
    check_boxes(op, "input", x.value())?;
    check_boxes(op, "target", t.value())?;
    let mean = rows.iter().product::<usize>() as f64;
    rowwise::run(Boxes(loss), [x, t], x.ndim() - 1, reduction, mean)
}

/// Checks that no box ends before it begins.
fn check_boxes<T: Float>(op: &'static str, what: &'static str, x: &Tensor<T>) -> Result<()> {
    let (low, high) = (x.narrow(-1, 0, 2)?, x.narrow(-1, 2, 2)?);
    match high.lt(&low)?.find(|bad| bad) {
        None => Ok(()),
        Some((mut at, _)) => {
            let place: Vec<i64> = at.iter().map(|&k| k as i64).collect();
            let value = high.get(&place)?.to_string();
            if let Some(side) = at.last_mut() {
                *side += 2;
            }
            let expected = "a box is (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2; predict sizes, by `exp` or `softplus`, \
                            if corners come out in the wrong order";
            Err(Error::Value {
                op,
                what,
                at,
                value,
                expected,
            })
        }
    }
}

#[derive(Clone)]
struct Boxes<L>(L);

impl<T: Float, L: BoxLoss> RowLoss<T, 2> for Boxes<L> {
    const NAME: &'static str = L::NAME;
    const COST: usize = 24;
    type Keep = ();

    #[inline(always)]
    fn value<I: Isa>(&self, _: usize, [a, b]: [&[T]; 2]) -> (f64, ()) {
        (self.0.value::<I>(&Pair::of(a, b)), ())
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, _: usize, boxes: [&[T]; 2], _: (), g: T, dx: &mut [T]) {
        let pair = Pair::of(boxes[K], boxes[1 - K]);
        let slopes = self.0.slopes::<I>(&pair).by_corners(&pair);
        for (d, s) in dx.iter_mut().zip(slopes) {
            *d = T::of(s * g.f64());
        }
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        self.0.definition(&Parts::of(v)?)
    }
}
