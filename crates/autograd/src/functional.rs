//! Derivatives of functions: products with the Jacobian from either side, the Jacobian, the Hessian.
//!
//! Each takes a function of several values, written as for [`gradcheck`](fn@crate::gradcheck), and the inputs to
//! differentiate at, tensors or values. At tensors, the results are constants. At values that depend on leaves, they
//! are differentiable themselves, so these functions nest: the Jacobian of a gradient is a Hessian, and so on.

use crate::grad::{GradOptions, grad};
use crate::tape::Tape;
use crate::var::Var;
use tensor_core::{Dims, Error, Float, Result, Tensor};

/// What a differentiated function returns: one value, or several.
pub trait Outputs<T: Float> {
    /// The values as a list.
    fn into_vars(self) -> Vec<Var<T>>;
}

impl<T: Float> Outputs<T> for Var<T> {
    fn into_vars(self) -> Vec<Var<T>> {
        vec![self]
    }
}
impl<T: Float> Outputs<T> for Vec<Var<T>> {
    fn into_vars(self) -> Vec<Var<T>> {
        self
    }
}
impl<T: Float, const N: usize> Outputs<T> for [Var<T>; N] {
    fn into_vars(self) -> Vec<Var<T>> {
        self.into()
    }
}
impl<T: Float> Outputs<T> for (Var<T>, Var<T>) {
    fn into_vars(self) -> Vec<Var<T>> {
        vec![self.0, self.1]
    }
}

/// The results of a function, and a product with its Jacobian.
pub type WithProduct<T> = (Vec<Var<T>>, Vec<Var<T>>);

/// A function that ran on leaves of a tape.
struct Ran<T: Float> {
    tape: Tape<T>,
    leaves: Vec<Var<T>>,
    outputs: Vec<Var<T>>,
    /// Whether results are to be differentiable.
    tracked: bool,
}

impl<T: Float> Ran<T> {
    fn new<O: Outputs<T>, I: Clone + Into<Var<T>>>(
        f: impl Fn(&[Var<T>]) -> Result<O>,
        inputs: &[I],
    ) -> Result<Self> {
        let inputs: Vec<Var<T>> = inputs.iter().cloned().map(Into::into).collect();
        let tracked = inputs.iter().find(|x| x.is_tracked());
        let tape = tracked.and_then(|x| x.tape().cloned()).unwrap_or_default();
        let leaf = |x: &Var<T>| match x.is_tracked() {
            // An alias, so that gradients end there.
            true => x.alias(),
            false => tape.leaf(x.value().clone()),
        };
        let leaves: Vec<Var<T>> = inputs.iter().map(leaf).collect();
        let outputs = f(&leaves)?.into_vars();
        let tracked = tracked.is_some();
        Ok(Ran {
            tape,
            leaves,
            outputs,
            tracked,
        })
    }

    /// The gradients of the leaves, from `seeds` of `outputs`; zeros where nothing depends on a leaf.
    fn pull(
        &self,
        outputs: &[Var<T>],
        seeds: &[Var<T>],
        to: &[Var<T>],
        create_graph: bool,
    ) -> Result<Vec<Var<T>>> {
        let (from, with): (Vec<&Var<T>>, Vec<Var<T>>) = (outputs.iter().zip(seeds))
            .filter(|(y, _)| y.is_tracked())
            .map(|(y, seed)| (y, seed.clone()))
            .unzip();
        if from.is_empty() {
            let zeros = to.iter().map(|x| Var::from(x.value().zeros_like()));
            return Ok(zeros.collect());
        }
        let options = GradOptions::new()
            .create_graph(create_graph)
            .retain_graph(true)
            .allow_unused(true)
            .seed(with);
        grad(&from, &to.iter().collect::<Vec<_>>(), options)
    }

    /// The products of the transposed Jacobian with variables `u`, which are returned first: linear in `u`, so that its
    /// derivative is the Jacobian.
    fn transposed(&self) -> Result<WithProduct<T>> {
        let u: Vec<Var<T>> = (self.outputs.iter())
            .map(|y| self.tape.leaf(y.value().zeros_like()))
            .collect();
        let g = self.pull(&self.outputs, &u, &self.leaves, true)?;
        Ok((u, g))
    }

    fn results(&self, list: Vec<Var<T>>) -> Vec<Var<T>> {
        match self.tracked {
            true => list,
            false => list.iter().map(Var::detach).collect(),
        }
    }
}

/// Checks that there is one `what` for each of `like`, of its shape.
fn matched<T: Float, I: Clone + Into<Var<T>>>(
    op: &'static str,
    what: &'static str,
    given: &[I],
    like: &[Var<T>],
) -> Result<Vec<Var<T>>> {
    if given.len() != like.len() {
        return Err(Error::Option {
            op,
            name: what,
            value: format!("a list of {} beside {} values", given.len(), like.len()),
            expected: "there must be one for each",
        });
    }
    let given: Vec<Var<T>> = given.iter().cloned().map(Into::into).collect();
    for (g, x) in given.iter().zip(like) {
        if g.shape() != x.shape() {
            return Err(Error::Shape {
                op,
                what,
                got: g.shape().into(),
                expected: format!("the value that it belongs to has shape {:?}", x.shape()),
            });
        }
    }
    Ok(given)
}

/// The results of `f`, and the product of `seeds` with its Jacobian: `vᵀJ`, the gradients of the inputs from the
/// gradients `seeds` of the outputs. One backward pass.
///
/// ```
/// use autograd::{Tensor, vjp};
/// let x = Tensor::from([1.0f64, 2.0]);
/// let (y, dx) = vjp(|v| v[0].pow(3.0), &[x], &[Tensor::from([1.0, 10.0])])?;
/// assert_eq!(y[0].value().to_vec(), [1.0, 8.0]);
/// assert_eq!(dx[0].value().to_vec(), [3.0, 120.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Whatever `f` returns; [`Error::Option`] or [`Error::Shape`] if the seeds do not fit the outputs.
pub fn vjp<T, O, I, S>(
    f: impl Fn(&[Var<T>]) -> Result<O>,
    inputs: &[I],
    seeds: &[S],
) -> Result<WithProduct<T>>
where
    T: Float,
    O: Outputs<T>,
    I: Clone + Into<Var<T>>,
    S: Clone + Into<Var<T>>,
{
    let ran = Ran::new(f, inputs)?;
    let seeds = matched("vjp", "seeds", seeds, &ran.outputs)?;
    let dx = ran.pull(&ran.outputs, &seeds, &ran.leaves, ran.tracked)?;
    Ok((ran.results(ran.outputs.clone()), dx))
}

/// The results of `f`, and the product of its Jacobian with `tangents`: `Jv`, how fast the outputs move when the inputs
/// move with the speeds `tangents`.
///
/// Backward is linear in the gradient that it begins with, and its derivative by that is the Jacobian: so this is two
/// backward passes, the second through the first, and works for every function whose gradient can be differentiated.
///
/// ```
/// use autograd::{Tensor, jvp};
/// let x = Tensor::from([1.0f64, 2.0]);
/// let (y, dy) = jvp(|v| v[0].pow(3.0)?.sum(..), &[x], &[Tensor::from([1.0, 10.0])])?;
/// assert_eq!((y[0].item()?, dy[0].item()?), (9.0, 3.0 + 120.0));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Whatever `f` returns; [`Error::Option`] or [`Error::Shape`] if the tangents do not fit the inputs.
pub fn jvp<T, O, I, S>(
    f: impl Fn(&[Var<T>]) -> Result<O>,
    inputs: &[I],
    tangents: &[S],
) -> Result<WithProduct<T>>
where
    T: Float,
    O: Outputs<T>,
    I: Clone + Into<Var<T>>,
    S: Clone + Into<Var<T>>,
{
    let ran = Ran::new(f, inputs)?;
    let tangents = matched("jvp", "tangents", tangents, &ran.leaves)?;
    let (u, g) = ran.transposed()?;
    let dy = ran.pull(&g, &tangents, &u, ran.tracked)?;
    Ok((ran.results(ran.outputs.clone()), dy))
}

/// All derivatives of the outputs of `f` by its inputs: for each output and each input a tensor of the output's shape
/// followed by the input's.
///
/// It takes one backward pass for each output element, or, where that is less, two and one for each input element.
///
/// ```
/// use autograd::{Tensor, jacobian};
/// let x = Tensor::from([1.0f64, 2.0, 3.0]);
/// let j = jacobian(|v| Ok(vec![v[0].square(), v[0].sum(..)?]), &[x])?;
/// assert_eq!(j[0][0].shape(), [3, 3]);
/// assert_eq!(j[0][0].value().diagonal(0, 0, 1)?.to_vec(), [2.0, 4.0, 6.0]);
/// assert_eq!(j[1][0].value().to_vec(), [1.0; 3]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Whatever `f` returns.
pub fn jacobian<T, O, I>(
    f: impl Fn(&[Var<T>]) -> Result<O>,
    inputs: &[I],
) -> Result<Vec<Vec<Var<T>>>>
where
    T: Float,
    O: Outputs<T>,
    I: Clone + Into<Var<T>>,
{
    let ran = Ran::new(f, inputs)?;
    let count = |list: &[Var<T>]| list.iter().map(Var::numel).sum::<usize>();
    // A pass through a pass costs about twice as much.
    if 2 * count(&ran.leaves) < count(&ran.outputs) {
        let (u, g) = ran.transposed()?;
        let columns = ran.rows(&g, &u)?;
        let turned = |o: usize, i: usize| -> Result<Var<T>> {
            let (rows, y) = (ran.leaves[i].numel() as i64, ran.outputs[o].numel() as i64);
            let turned = columns[i][o].reshape([rows, y])?.t();
            turned.reshape(joined(&ran.outputs[o], &ran.leaves[i]))
        };
        let outputs = 0..ran.outputs.len();
        return outputs
            .map(|o| (0..ran.leaves.len()).map(|i| turned(o, i)).collect())
            .collect();
    }
    ran.rows(&ran.outputs, &ran.leaves)
}

fn joined<T: Float>(y: &Var<T>, x: &Var<T>) -> Dims {
    y.shape().iter().chain(x.shape()).copied().collect()
}

impl<T: Float> Ran<T> {
    /// The Jacobian of `outputs` by `to`, row by row.
    fn rows(&self, outputs: &[Var<T>], to: &[Var<T>]) -> Result<Vec<Vec<Var<T>>>> {
        let mut all = Vec::with_capacity(outputs.len());
        for y in outputs {
            let mut rows: Vec<Vec<Var<T>>> = to.iter().map(|_| Vec::new()).collect();
            for k in 0..y.numel() {
                let mut seed = vec![T::ZERO; y.numel()];
                seed[k] = T::ONE;
                let seed = Var::from(Tensor::from_vec(seed, y.shape())?);
                let dx = self.pull(std::slice::from_ref(y), &[seed], to, self.tracked)?;
                rows.iter_mut().zip(dx).for_each(|(row, dx)| row.push(dx));
            }
            let stacked = |(rows, x): (&Vec<Var<T>>, &Var<T>)| match rows.is_empty() {
                true => Ok(Var::from(Tensor::zeros(joined(y, x))?)),
                false => Var::stack(&rows.iter().collect::<Vec<_>>(), 0)?.reshape(joined(y, x)),
            };
            all.push(rows.iter().zip(to).map(stacked).collect::<Result<_>>()?);
        }
        Ok(all)
    }
}

/// The gradients of a function of one element, differentiable.
fn gradients<T: Float>(op: &'static str, ran: &Ran<T>) -> Result<Vec<Var<T>>> {
    match &ran.outputs[..] {
        [y] if y.numel() == 1 => {
            let seed = Var::from(y.value().ones_like());
            ran.pull(&ran.outputs, &[seed], &ran.leaves, true)
        }
        [y] => Err(Error::Shape {
            op,
            what: "the result of the function",
            got: y.shape().into(),
            expected: "it must have one element: reduce it first".into(),
        }),
        several => Err(Error::Option {
            op,
            name: "the result of the function",
            value: format!("a list of {}", several.len()),
            expected: "it must be one value of one element",
        }),
    }
}

/// All second derivatives of `f`, which gives one element: for each pair of inputs a tensor of the first's shape followed
/// by the second's.
///
/// ```
/// use autograd::{Tensor, hessian};
/// let (a, b) = (Tensor::from([1.0f64, 2.0]), Tensor::scalar(3.0));
/// let h = hessian(|v| v[0].square().mul(&v[1])?.sum(..), &[a, b])?;
/// assert_eq!(h[0][0].value().to_vec(), [6.0, 0.0, 0.0, 6.0]); // 2b on the diagonal
/// assert_eq!(h[0][1].value().to_vec(), [2.0, 4.0]); // 2a
/// assert_eq!(h[1][1].item()?, 0.0);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Whatever `f` returns; [`Error::Shape`] or [`Error::Option`] if it does not give one element.
pub fn hessian<T, O, I>(
    f: impl Fn(&[Var<T>]) -> Result<O>,
    inputs: &[I],
) -> Result<Vec<Vec<Var<T>>>>
where
    T: Float,
    O: Outputs<T>,
    I: Clone + Into<Var<T>>,
{
    let ran = Ran::new(f, inputs)?;
    let g = gradients("hessian", &ran)?;
    ran.rows(&g, &ran.leaves)
}

/// The result of `f`, which has one element, and the product of its Hessian with `v`. Two backward passes, however many
/// inputs there are.
///
/// ```
/// use autograd::{Tensor, hvp};
/// let x = Tensor::from([1.0f64, 2.0]);
/// let (y, hv) = hvp(|v| v[0].pow(3.0)?.sum(..), &[x], &[Tensor::from([1.0, -1.0])])?;
/// assert_eq!((y.item()?, hv[0].value().to_vec()), (9.0, vec![6.0, -12.0]));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// As [`hessian`], and [`Error::Option`] or [`Error::Shape`] if `v` does not fit the inputs.
pub fn hvp<T, O, I, S>(
    f: impl Fn(&[Var<T>]) -> Result<O>,
    inputs: &[I],
    v: &[S],
) -> Result<(Var<T>, Vec<Var<T>>)>
where
    T: Float,
    O: Outputs<T>,
    I: Clone + Into<Var<T>>,
    S: Clone + Into<Var<T>>,
{
    let ran = Ran::new(f, inputs)?;
    let v = matched("hvp", "v", v, &ran.leaves)?;
    let g = gradients("hvp", &ran)?;
    let hv = ran.pull(&g, &v, &ran.leaves, ran.tracked)?;
    Ok((ran.results(ran.outputs.clone()).remove(0), hv))
}
