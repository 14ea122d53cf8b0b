use super::transposable::linear_map;
use crate::module::Module;
use losses::autograd::{Float, Grads, Needs, Op, Param, Tape};
use losses::tensor_core::kernel::par;
use losses::{Error, Result, Tensor, Var};
use rand::Rng;
use std::rc::Rc;

/// Rows of a table, looked up by number.
///
/// For indices of shape `[…]` the result has shape `[…, dim]`. The gradient reaches only the rows that were looked up;
/// each is added to in the order of the indices, and the rest of the table is not touched but for being zero.
///
/// ```
/// use nn::prelude::*;
/// let table = Embedding::from_weight(Tensor::from([[0.0f32, 0.0], [1.0, 2.0], [3.0, 4.0]]));
/// let tape = Tape::new();
/// let y = table.lookup(&Tensor::from([2, 1, 2]), &tape)?;
/// assert_eq!(y.value(), &Tensor::from([[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]));
/// let grads = y.sum(..)?.backward()?;
/// assert_eq!(grads.get(&table.weight)?, &Tensor::from([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// PyTorch, [`torch.nn.Embedding`](https://pytorch.org/docs/stable/generated/torch.nn.Embedding.html).
/// # Differs from PyTorch
/// `max_norm` and `scale_grad_by_freq` are left out. As a [`Module`] it takes whole numbers in floats, so that it can
/// stand at the head of a [`Sequential`](super::Sequential).
#[derive(Clone, Debug)]
pub struct Embedding<T: Float> {
    /// The table, of shape `[rows, dim]`.
    pub weight: Param<T>,
    padding_idx: Option<i64>,
}

crate::parts!(Embedding<T> { weight });

impl<T: Float> Embedding<T> {
    /// A table of `rows` rows of `dim` numbers, drawn from the standard normal distribution as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Size`] for a larger table than there can be.
    pub fn new(rows: usize, dim: usize, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        Ok(Self::from_weight(Tensor::randn([rows, dim], rng)?))
    }

    /// A given table.
    pub fn from_weight(weight: Tensor<T>) -> Self {
        Embedding {
            weight: Param::new(weight),
            padding_idx: None,
        }
    }

    /// With a row for what is no symbol, counted from the end if negative: it is set to zero and gets no gradient.
    ///
    /// # Errors
    /// [`Error::Index`] for a row that is not there.
    pub fn padding_idx(mut self, row: i64) -> Result<Self> {
        let (rows, dim) = self.sizes()?;
        let at = if row < 0 { row + rows as i64 } else { row };
        check(at, rows).map_err(|_| out_of_range(row, rows))?;
        let start = at as usize * dim;
        self.weight.value_mut().as_mut_slice()[start..start + dim].fill(T::ZERO);
        self.padding_idx = Some(at);
        Ok(self)
    }

    fn sizes(&self) -> Result<(usize, usize)> {
        match *self.weight.value().shape() {
            [rows, dim] => Ok((rows, dim)),
            ref shape => Err(Error::Shape {
                op: "embedding",
                what: "the weight",
                got: shape.into(),
                expected: "it must have two dimensions, rows and their numbers".into(),
            }),
        }
    }

    /// The rows `index`; the table enters `tape`, if there is one.
    ///
    /// # Errors
    /// [`Error::Index`] for a row that is not there.
    #[track_caller]
    pub fn lookup<'t>(
        &self,
        index: &Tensor<i64>,
        tape: impl Into<Option<&'t Tape<T>>>,
    ) -> Result<Var<T>> {
        let beside = match tape.into() {
            Some(tape) => tape.input(Tensor::zeros(0)?),
            None => Var::from(Tensor::zeros(0)?),
        };
        self.rows(index, &beside)
    }

    #[track_caller]
    fn rows(&self, index: &Tensor<i64>, beside: &Var<T>) -> Result<Var<T>> {
        let (rows, dim) = self.sizes()?;
        if let Some((_, bad)) = index.find(|i| check(i, rows).is_err()) {
            return Err(out_of_range(bad, rows));
        }
        let table = Rc::new(Table {
            index: index.to_vec(),
            shape: index.shape().iter().copied().chain([dim]).collect(),
            rows,
            dim,
            padding: self.padding_idx,
        });
        let weight = self.weight.on(beside);
        let y = table.pick(weight.value(), None)?;
        Var::record(&[&weight], y, |_| Lookup(table))
    }
}

impl<T: Float> Module<T> for Embedding<T> {
    /// The rows that `x` names, as whole numbers.
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        if let Some((at, value)) = x.value().find(|v| v.f64().fract() != 0.0 || !v.finite()) {
            return Err(Error::Value {
                op: "embedding",
                what: "the input",
                at,
                value: value.to_string(),
                expected: "it must hold whole numbers, those of the rows to look up",
            });
        }
        self.rows(&x.value().cast::<i64>(), x)
    }

    fn describe(&self) -> String {
        match self.sizes() {
            Ok((rows, dim)) => format!("Embedding({rows}, {dim})"),
            Err(_) => "Embedding".into(),
        }
    }
}

fn check(index: i64, rows: usize) -> std::result::Result<usize, ()> {
    usize::try_from(index).ok().filter(|&i| i < rows).ok_or(())
}

fn out_of_range(index: i64, size: usize) -> Error {
    Error::Index {
        op: "embedding",
        index,
        dim: 0,
        size,
    }
}

/// Checked indices, and what they lead to.
struct Table {
    index: Vec<i64>,
    /// The result's shape.
    shape: Vec<usize>,
    rows: usize,
    dim: usize,
    padding: Option<i64>,
}

impl Table {
    /// The rows of `weight` that the indices name, and zeros for the row `none`.
    fn pick<T: Float>(&self, weight: &Tensor<T>, none: Option<i64>) -> Result<Tensor<T>> {
        let (weight, dim) = (weight.contiguous(), self.dim);
        let from = weight.as_slice().unwrap_or_default();
        Tensor::build("embedding", &self.shape[..], |out| {
            par::split(out, dim, dim, |start, out| {
                for (row, &i) in out.chunks_exact_mut(dim.max(1)).zip(&self.index[start..]) {
                    if Some(i) == none {
                        row.fill(T::ZERO);
                    } else {
                        row.copy_from_slice(&from[i as usize * dim..][..dim]);
                    }
                }
            });
        })
    }

    /// A table of zeros to whose rows those of `dy` are added, but for the row of padding.
    fn add_up<T: Float>(&self, dy: &Tensor<T>) -> Result<Tensor<T>> {
        let (dy, dim) = (dy.contiguous(), self.dim);
        let from = dy.as_slice().unwrap_or_default();
        let cost = dim + self.index.len() * dim / self.rows.max(1);
        Tensor::build("embedding", [self.rows, dim], |out| {
            // Each thread has rows of its own and reads all indices: so every row is added up in their order.
            par::split(out, dim, cost, |start, out| {
                out.fill(T::ZERO);
                let rows = start..start + out.len() / dim.max(1);
                for (&i, row) in self.index.iter().zip(from.chunks_exact(dim.max(1))) {
                    if rows.contains(&(i as usize)) && Some(i) != self.padding {
                        let to = &mut out[(i as usize - start) * dim..][..dim];
                        to.iter_mut().zip(row).for_each(|(o, &d)| *o = *o + d);
                    }
                }
            });
        })
    }
}

struct Lookup(Rc<Table>);

impl<T: Float> Op<T> for Lookup {
    fn name(&self) -> &'static str {
        "embedding"
    }
    fn backward(&self, dy: &Var<T>, _: Needs) -> Result<Grads<T>> {
        let (add, pick) = (self.0.clone(), self.0.clone());
        let dw = linear_map(
            "embedding",
            dy,
            Rc::new(move |dy| add.add_up(dy)),
            Rc::new(move |v| pick.pick(v, pick.padding)),
        )?;
        Ok(Grads::one(dw))
    }
}
