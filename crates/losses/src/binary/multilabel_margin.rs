use crate::check::same_shape;
use crate::lists::Lists;
use crate::rowwise::{self, RowLoss};
use autograd::tensor_core::kernel::Isa;
use autograd::tensor_core::kernel::lanes::{WIDTH, sum_lanes};
use autograd::{Error, Float, Result, Tensor, Var};
use std::ops::Range;

options! {
    /// The hinge loss of each label that holds against each that does not: true labels are to score higher by 1.
    ///
    /// # When to use
    /// Where labels are to be ranked and several hold. Its cost for a row is their number times the number of labels;
    /// [`MultilabelSoftMarginLoss`](crate::binary::MultilabelSoftMarginLoss) is linear and gives probabilities.
    ///
    /// # Formula
    /// `l = (1/C) Σ_{j in t} Σ_{i not in t} max(0, 1 - (x[j] - x[i]))` for each row; `Mean` divides by the number of rows.
    /// Gradient: 1/C times the number of pairs with a positive term in which `x[i]` stands, and minus that for `x[j]`; a
    /// pair at its kink counts nothing.
    /// # Shape
    /// `x` and `t`: `(C)` or `(N, C)`; the result is a scalar, or `(N)` with [`Reduction::None`](crate::Reduction::None)
    /// and rows. A row of `t` lists the labels that hold, in any order, up to the first -1; a label listed twice counts
    /// twice.
    /// # Errors
    /// [`Error::Shape`] if the shapes differ or there are other than one or two dimensions, [`Error::Class`] for a target
    /// that is neither a label nor -1.
    /// # Example
    /// ```
    /// use losses::prelude::*;
    /// let x = Var::from(Tensor::from([0.5f32, 2.0, 0.0, 1.5]));
    /// // Label 1 holds, and is ahead of label 3 by only a half.
    /// assert_eq!(multilabel_margin_loss(&x, &Tensor::from([1, -1, 0, 0]))?.item()?, 0.5 / 4.0);
    /// # Ok::<(), losses::Error>(())
    /// ```
    /// # Reference
    /// PyTorch, [`multilabel_margin_loss`](https://pytorch.org/docs/stable/generated/torch.nn.functional.multilabel_margin_loss.html).
    /// # Differs from PyTorch
    /// A mean over no rows is NaN; there it is whatever lies in memory. Second derivatives exist (and are 0); there
    /// differentiating twice is an error. The error names the first bad label.
    pub struct MultilabelMarginLoss {}
}

impl MultilabelMarginLoss {
    /// The loss of scores `x` and lists of labels `t`.
    ///
    /// # Errors
    /// See [`MultilabelMarginLoss`].
    #[track_caller]
    pub fn forward<T: Float>(&self, x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
        let (rows, classes) = match *x.shape() {
            [classes] => (1, classes),
            [rows, classes] => (rows, classes),
            _ => {
                return Err(Error::Shape {
                    op: NAME,
                    what: "the input",
                    got: x.shape().into(),
                    expected: "it must be one row of scores, (C), or several, (N, C)".into(),
                });
            }
        };
        same_shape(NAME, "the target", t.shape(), x.shape())?;
        if let Some((at, class)) = t.find(|c| c < -1 || c >= classes as i64) {
            return Err(Error::Class {
                op: NAME,
                what: "scores",
                at,
                class,
                classes,
            });
        }
        let t = t.source();
        let mut t = t.reader();
        let mut listed = Lists::with_rows(rows);
        for i in 0..rows {
            let row = t.read(i * classes, classes);
            let row = row.iter().take_while(|&&c| c >= 0).map(|&c| c as usize);
            listed.push(row).sort_unstable();
        }
        rowwise::run(
            MultilabelMargin { listed },
            [x],
            x.ndim() - 1,
            self.reduction,
            rows as f64,
        )
    }
}

/// [`MultilabelMarginLoss`] with its defaults.
///
/// # Errors
/// See [`MultilabelMarginLoss`].
#[track_caller]
pub fn multilabel_margin_loss<T: Float>(x: &Var<T>, t: &Tensor<i64>) -> Result<Var<T>> {
    MultilabelMarginLoss::new().forward(x, t)
}

const NAME: &str = "multilabel_margin_loss";

#[derive(Clone)]
struct MultilabelMargin {
    /// The labels that hold in each row, in order.
    listed: Lists,
}

/// The stretches of `0..len` between the labels of a list that is in order: those that do not hold.
#[inline(always)]
fn gaps(listed: &[usize], len: usize) -> impl Iterator<Item = Range<usize>> {
    let before = listed
        .iter()
        .scan(0, |start, &j| Some(std::mem::replace(start, j + 1)..j));
    let after = listed.last().map_or(0, |j| j + 1)..len;
    before
        .chain([after])
        .filter(|gap: &Range<usize>| !gap.is_empty())
}

/// `Σ max(0, margin + x)`
#[inline(always)]
fn above<T: Float>(x: &[T], margin: T) -> f64 {
    let mut sums = [0.0f64; WIDTH];
    for group in x.chunks(WIDTH) {
        for (s, &v) in sums.iter_mut().zip(group) {
            let short = margin + v;
            *s += if short <= T::ZERO { 0.0 } else { short.f64() };
        }
    }
    sum_lanes(&sums)
}

impl<T: Float> RowLoss<T, 1> for MultilabelMargin {
    const NAME: &'static str = NAME;
    type Keep = ();

    #[inline(always)]
    fn value<I: Isa>(&self, i: usize, [x]: [&[T]; 1]) -> (f64, ()) {
        let listed = self.listed.row(i);
        let mut sum = 0.0;
        for &j in listed {
            for gap in gaps(listed, x.len()) {
                sum += above(&x[gap], T::ONE - x[j]);
            }
        }
        (sum / x.len() as f64, ())
    }

    #[inline(always)]
    fn slope<I: Isa, const K: usize>(&self, i: usize, [x]: [&[T]; 1], _: (), g: T, dx: &mut [T]) {
        let listed = self.listed.row(i);
        dx.fill(T::ZERO);
        // Pairs are counted first, which is exact, and scaled once.
        for &j in listed {
            let margin = T::ONE - x[j];
            for gap in gaps(listed, x.len()) {
                let mut own = T::ZERO;
                for (d, &v) in dx[gap.clone()].iter_mut().zip(&x[gap]) {
                    let one = if margin + v <= T::ZERO {
                        T::ZERO
                    } else {
                        T::ONE
                    };
                    *d = *d + one;
                    own = own + one;
                }
                dx[j] = dx[j] - own;
            }
        }
        let g = T::of(g.f64() / x.len() as f64);
        dx.iter_mut().for_each(|d| *d = *d * g);
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        let (rows, classes) = (self.listed.len(), v[0].shape()[v[0].ndim() - 1]);
        let mut pairs = [Vec::new(), Vec::new(), Vec::new()];
        for i in 0..rows {
            let listed = self.listed.row(i);
            for &j in listed {
                for k in gaps(listed, classes).flatten() {
                    let places = [i, i * classes + j, i * classes + k];
                    (pairs.iter_mut().zip(places)).for_each(|(list, p)| list.push(p as i64));
                }
            }
        }
        let n = pairs[0].len();
        let [row, own, other] = pairs.map(|list| Tensor::from_vec(list, [n as i64]));
        let x = v[0].reshape([v[0].numel() as i64])?;
        let short = x
            .index_select(0, &other?)?
            .sub(x.index_select(0, &own?)?)?
            .add(1.0)?
            .relu();
        let sums = Var::full([rows as i64], T::ZERO)?.index_add(0, &row?, &short)?;
        let shape: Vec<i64> = (v[0].shape()[..v[0].ndim() - 1].iter())
            .map(|&n| n as i64)
            .collect();
        sums.div(classes as f64)?.reshape(&shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reduction;
    use crate::testing::{Case, Checked, check_loss};
    use autograd::{GradOptions, Tape, grad};

    struct Parity;
    impl Checked for Parity {
        const NAME: &'static str = NAME;
        fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>> {
            MultilabelMarginLoss::new()
                .reduction(case.reduction())
                .forward(&v[0], &case.ints("target"))
        }
    }

    #[test]
    fn checks() {
        check_loss::<Parity>();
    }

    #[test]
    fn stretches_between_labels() {
        let between = |listed: &[usize]| gaps(listed, 5).collect::<Vec<_>>();
        assert_eq!(gaps(&[], 5).next(), Some(0..5));
        assert_eq!(between(&[0, 2, 2, 4]), [1..2, 3..4]);
        assert_eq!(between(&[1, 2]), [0..1, 3..5]);
        assert_eq!(between(&[0, 1, 2, 3, 4]), []);
    }

    /// PyTorch returns memory that nothing was written to.
    #[test]
    fn a_mean_over_no_rows_is_nan_and_has_no_gradient() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f32>::zeros([0, 4])?);
        let t = Tensor::<i64>::zeros([0, 4])?;
        let y = multilabel_margin_loss(&x, &t)?;
        assert!(y.item()?.is_nan());
        assert_eq!(y.backward()?.get(&x)?.shape(), [0, 4]);
        let none = MultilabelMarginLoss::new().reduction(Reduction::None);
        assert_eq!(none.forward(&x, &t)?.shape(), [0]);
        let sum = MultilabelMarginLoss::new().reduction(Reduction::Sum);
        assert_eq!(sum.forward(&x, &t)?.item()?, 0.0);
        Ok(())
    }

    /// PyTorch cannot differentiate it twice.
    #[test]
    fn the_second_derivative_is_zero() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([0.5f64, 2.0, 0.0, 1.5]));
        let y = multilabel_margin_loss(&x, &Tensor::from([1, 0, -1, 0]))?;
        let dx = grad(&[&y], &[&x], GradOptions::new().create_graph(true))?;
        // Pairs (1,2), (1,3) and (0,2), (0,3); of them 2.0 leads 0.0 by more than 1.
        assert_eq!(dx[0].value().to_vec(), [-0.5, -0.25, 0.25, 0.5]);
        let options = GradOptions::new().allow_unused(true);
        let weighted = dx[0].mul(Var::from(Tensor::from([1.0, 2.0, 3.0, 4.0])))?;
        let sum = weighted.sum(..)?.add(x.sum(..)?)?;
        assert_eq!(grad(&[&sum], &[&x], options)?[0].value().to_vec(), [1.0; 4]);
        Ok(())
    }

    #[test]
    fn at_the_kink_the_slope_is_zero() -> Result<()> {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from([1.0f32, 0.0]));
        let y = multilabel_margin_loss(&x, &Tensor::from([0, -1]))?;
        assert_eq!(
            (y.item()?, y.backward()?.get(&x)?.to_vec()),
            (0.0, vec![0.0; 2])
        );
        Ok(())
    }

    #[test]
    fn the_message_names_the_label() {
        let x = Var::from(Tensor::from([[0.0f32, 1.0, 2.0]]));
        let e = multilabel_margin_loss(&x, &Tensor::from([[0, 3, -1]])).unwrap_err();
        assert_eq!(
            e.to_string(),
            "multilabel_margin_loss: target[0, 1] is 3, but the scores have 3 classes"
        );
    }
}
