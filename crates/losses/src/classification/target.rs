//! Class targets and class weights: their checks, each wording once, and how losses of rows read them.

use autograd::tensor_core::kernel::lanes::WIDTH;
use autograd::{Dims, Error, Float, Result, Tensor, Var};

/// What [`CrossEntropyTarget`](super::CrossEntropyTarget) and its like are implemented for, here and nowhere else: what a
/// target must bring may change with the losses.
pub trait Sealed {}
impl Sealed for Tensor<i64> {}
impl<T: Float> Sealed for Var<T> {}

/// The class dimension of an input, and the number of classes.
pub(crate) fn class_dim(op: &'static str, shape: &[usize]) -> Result<(usize, usize)> {
    match shape {
        [] => Err(Error::Shape {
            op,
            what: "the input",
            got: Dims::new(),
            expected: "it must have a dimension of classes: (C), (N, C) or (N, C, d…)".into(),
        }),
        [classes] => Ok((0, *classes)),
        [_, classes, ..] => Ok((1, *classes)),
    }
}

/// Class indices for an input: its shape without the class dimension, each in `0..classes` or `ignore_index`.
pub(crate) fn check_classes(
    op: &'static str,
    what: &'static str,
    target: &Tensor<i64>,
    input: &[usize],
    ignore_index: impl Into<Option<i64>>,
) -> Result<()> {
    let (dim, classes) = class_dim(op, input)?;
    let mut rows: Dims = input.into();
    rows.remove(dim);
    check_rows(op, target.shape(), &rows, input)?;
    check_range(op, what, target, classes, ignore_index)
}

/// One target for each row of an input.
pub(crate) fn check_rows(
    op: &'static str,
    target: &[usize],
    rows: &[usize],
    input: &[usize],
) -> Result<()> {
    if target == rows {
        return Ok(());
    }
    Err(Error::Shape {
        op,
        what: "the target",
        got: target.into(),
        expected: format!(
            "the input has shape {input:?}: there must be one class for each row, {rows:?}"
        ),
    })
}

/// Each class in `0..classes`, or `ignore_index` if there is one.
pub(crate) fn check_range(
    op: &'static str,
    what: &'static str,
    target: &Tensor<i64>,
    classes: usize,
    ignore_index: impl Into<Option<i64>>,
) -> Result<()> {
    let ignored = ignore_index.into();
    match target.find(|c| Some(c) != ignored && (c < 0 || c as u64 >= classes as u64)) {
        Some((at, class)) => Err(Error::Class {
            op,
            what,
            at,
            class,
            classes,
        }),
        None => Ok(()),
    }
}

/// Class weights: one for each class.
pub(crate) fn check_weight<T: Float>(
    op: &'static str,
    weight: &Option<Tensor<T>>,
    classes: usize,
) -> Result<()> {
    match weight {
        Some(w) if w.shape() != [classes] => {
            let expected =
                format!("there must be one for each of the {classes} classes, in one dimension");
            Err(Error::Shape {
                op,
                what: "the weight",
                got: w.shape().into(),
                expected,
            })
        }
        _ => Ok(()),
    }
}

/// Checked class targets, and what each row counts.
#[derive(Clone)]
pub(crate) struct Classes<T: Float> {
    of_row: Vec<i64>,
    tensor: Tensor<i64>,
    ignore_index: i64,
    weight: Option<(Tensor<T>, Vec<T>)>,
}

impl<T: Float> Classes<T> {
    /// Of targets for an input of shape `input`, all of which count if there is no `ignore_index`.
    pub fn new(
        op: &'static str,
        target: &Tensor<i64>,
        input: &[usize],
        ignore_index: impl Into<Option<i64>>,
        weight: &Option<Tensor<T>>,
    ) -> Result<Self> {
        let ignored = ignore_index.into();
        check_weight(op, weight, class_dim(op, input)?.1)?;
        check_classes(op, "logits", target, input, ignored)?;
        // No checked target is negative.
        Ok(Self::checked(target, ignored.unwrap_or(-1), weight))
    }

    /// Of targets and weights that were checked before.
    pub fn checked(
        target: &Tensor<i64>,
        ignore_index: i64,
        weight: &Option<Tensor<T>>,
    ) -> Classes<T> {
        Classes {
            of_row: target.to_vec(),
            tensor: target.clone(),
            ignore_index,
            weight: weight.as_ref().map(|w| (w.clone(), w.to_vec())),
        }
    }

    /// The class of row `i`, if the row counts.
    #[inline(always)]
    pub fn get(&self, i: usize) -> Option<usize> {
        let class = self.of_row[i];
        (class != self.ignore_index).then_some(class as usize)
    }

    /// The classes of the rows `i..i + n`, at most as many as a vector has lanes, and what they weigh; -1 and 0 for those that
    /// do not count, or are not there.
    #[inline(always)]
    pub fn lanes(&self, i: usize, n: usize) -> ([i32; WIDTH], [f64; WIDTH]) {
        let mut of_row = [self.ignore_index; WIDTH];
        match self.of_row[i..].first_chunk() {
            Some(all) if n == WIDTH => of_row = *all,
            _ => of_row[..n].copy_from_slice(&self.of_row[i..i + n]),
        }
        let (mut own, mut weights) = ([-1; WIDTH], [0.0; WIDTH]);
        for lane in 0..WIDTH {
            let counts = of_row[lane] != self.ignore_index;
            own[lane] = if counts { of_row[lane] as i32 } else { -1 };
            weights[lane] = if counts { 1.0 } else { 0.0 };
        }
        if let Some((_, w)) = &self.weight {
            for (weight, &own) in weights.iter_mut().zip(&own) {
                *weight *= w.get(own.max(0) as usize).map_or(1.0, |w| w.f64());
            }
        }
        (own, weights)
    }

    /// What a class weighs.
    #[inline(always)]
    pub fn weight(&self, class: usize) -> f64 {
        self.weight.as_ref().map_or(1.0, |(_, w)| w[class].f64())
    }

    /// The weights of all classes, if they differ.
    #[inline(always)]
    pub fn weights(&self) -> Option<&[T]> {
        self.weight.as_ref().map(|(_, w)| &w[..])
    }

    /// The same as the tensor that was given.
    pub fn weight_tensor(&self) -> Option<&Tensor<T>> {
        self.weight.as_ref().map(|(w, _)| w)
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.of_row.len()
    }

    /// `Σ w[t]` over the rows that count.
    pub fn total(&self) -> f64 {
        let counted = (0..self.n_rows()).filter_map(|i| self.get(i));
        match &self.weight {
            Some((_, w)) => counted.map(|t| w[t].f64()).sum(),
            None => counted.count() as f64,
        }
    }

    /// For definitions: which rows count.
    pub fn counts(&self) -> Result<Tensor<bool>> {
        self.tensor.ne(self.ignore_index)
    }

    /// For definitions: a zero for each row, where no row has a class.
    #[track_caller]
    pub fn nothing(&self) -> Result<Var<T>> {
        Ok(Var::from(self.counts()?.cast::<T>().mul(T::ZERO)?))
    }

    /// The target of each row in a shape that broadcasts to the input's.
    fn spread<E: autograd::Element>(&self, rows: Tensor<E>, dim: isize) -> Result<Tensor<E>> {
        if rows.ndim() == 0 {
            rows.reshape([1])
        } else {
            rows.unsqueeze(dim)
        }
    }

    /// For definitions: `x` without its ignored rows, so that their NaN reaches nothing.
    #[track_caller]
    pub fn live(&self, x: &Var<T>, dim: isize) -> Result<Var<T>> {
        let rows = self.spread(self.counts()?, dim)?;
        x.keep_where(&rows.broadcast_to(x.shape())?)
    }

    /// For definitions: class 0 where a row is ignored.
    fn valid(&self) -> Tensor<i64> {
        let ignored = self.ignore_index;
        self.tensor.map(|t| if t == ignored { 0 } else { t })
    }

    /// For definitions: whether an element is that of its row's class.
    pub fn own(&self, shape: &[usize], dim: isize) -> Result<Tensor<bool>> {
        let class = Tensor::arange(0, shape[dim as usize] as i64, 1)?;
        along(&class, shape.len(), dim)?.eq(&self.spread(self.valid(), dim)?)
    }

    /// For definitions: each row's element of its class.
    #[track_caller]
    pub fn pick(&self, x: &Var<T>, dim: isize) -> Result<Var<T>> {
        x.pick(dim, &self.valid())
    }

    /// For definitions: each row's value times the weight of its class; a weight of 0 hides an infinity.
    #[track_caller]
    pub fn weigh(&self, rows: Var<T>) -> Result<Var<T>> {
        let Some((w, _)) = &self.weight else {
            return Ok(rows);
        };
        let classes = self.valid();
        let weight = w
            .index_select(0, &classes.reshape([-1])?)?
            .reshape(classes.shape())?;
        rows.keep_where(&weight.ne(T::ZERO)?)?
            .mul(Var::from(weight))
    }
}

/// A vector over the classes in the shape that broadcasts to an input with `ndim` dimensions.
pub(crate) fn along<E: autograd::Element>(
    vector: &Tensor<E>,
    ndim: usize,
    dim: isize,
) -> Result<Tensor<E>> {
    let mut shape = vec![1i64; ndim];
    shape[dim as usize] = -1;
    vector.reshape(&shape)
}
