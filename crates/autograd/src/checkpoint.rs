//! Computing again in place of keeping.

use crate::fused::gradients_through;
use crate::op::{Grads, Needs, Op, Saved};
use crate::tape::{Drawn, Tape};
use crate::var::Var;
use crate::watch::Watch;
use std::cell::RefCell;
use std::panic::Location;
use std::rc::Rc;
use tensor_core::{Dims, Error, Float, Result, TapeProblem, Tensor};

/// Runs `f` on `inputs` and keeps nothing of the way to its result: the backward pass runs `f` again. PyTorch's
/// `torch.utils.checkpoint`.
///
/// It trades time, one more forward pass of `f`, for memory: of all that `f` computes only its inputs stay alive until
/// the backward pass. Results have the same bits as without, and so have gradients, but for the order in which the parts of
/// one are added.
///
/// Values of the tape that `f` uses must come to it as `inputs`; parameters it may own or share, and they get their
/// gradients. Layers that draw random numbers, as dropout does, draw the same again (see [`Tape::draw`]), and running means
/// do not move twice. What else is random in `f` must be drawn from a generator that is made within it from a seed, so that
/// it is the same again, or from one that [`checkpoint_with`] hands to it.
///
/// ```
/// use autograd::{Param, Tape, Tensor, Var, checkpoint};
/// use std::rc::Rc;
///
/// let w = Rc::new(Param::new(Tensor::from([[0.5f64, -1.0], [2.0, 0.25]])));
/// let tape = Tape::new();
/// let x = tape.leaf(Tensor::from([[1.0, 2.0]]));
/// let shared = w.clone();
/// let y = checkpoint(move |v| Ok(v[0].matmul(&shared.on(&v[0]))?.tanh()), &[&x])?;
/// let grads = y.sum(..)?.backward()?;
///
/// let tape = Tape::new();
/// let plain = tape.leaf(Tensor::from([[1.0, 2.0]]));
/// let expected = plain.matmul(&w.on(&plain))?.tanh().sum(..)?.backward()?;
/// assert_eq!(grads.get(&x)?, expected.get(&plain)?);
/// assert_eq!(grads.get(&*w)?, expected.get(&*w)?);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Whatever `f` returns; [`Error::Tape`] if `f` uses a value of the tape that is none of its inputs.
#[track_caller]
pub fn checkpoint<T: Float>(
    f: impl Fn(&[Var<T>]) -> Result<Var<T>> + 'static,
    inputs: &[&Var<T>],
) -> Result<Var<T>> {
    checkpoint_with(&mut (), move |v, ()| f(v), inputs)
}

/// As [`checkpoint`] for a function that draws random numbers, such as dropout: it gets the generator, and when it runs
/// again a copy of it as it was, so that it draws the same.
///
/// Generators that cannot be copied, those for cryptography, are made within the function from a seed drawn outside.
///
/// ```
/// use autograd::{Tape, Tensor, Var, checkpoint_with};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let x = Tape::new().leaf(Tensor::<f64>::ones([4, 4])?);
/// let drop = |v: &[Var<f64>], rng: &mut Xoshiro256PlusPlus| {
///     let kept = Tensor::<f64>::rand(v[0].shape(), rng)?.lt(0.5)?;
///     v[0].exp().keep_where(&kept)?.mul(2.0)
/// };
/// let y = checkpoint_with(&mut rng, drop, &[&x])?;
/// let grads = y.sum(..)?.backward()?;
/// assert_eq!(grads.get(&x)?, y.value()); // each is 2e where it was kept
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// As [`checkpoint`].
#[track_caller]
pub fn checkpoint_with<T: Float, R: Clone + 'static>(
    rng: &mut R,
    f: impl Fn(&[Var<T>], &mut R) -> Result<Var<T>> + 'static,
    inputs: &[&Var<T>],
) -> Result<Var<T>> {
    let call = Location::caller();
    let Some(tape) = inputs.iter().find_map(|x| x.tape()) else {
        let inputs: Vec<Var<T>> = inputs.iter().map(|&x| x.clone()).collect();
        return captured(f(&inputs, rng));
    };
    let before = rng.clone();
    let scratch = tape.scratch();
    let values: Vec<Var<T>> = (inputs.iter())
        .map(|x| match scratch.watcher() {
            Some(_) => scratch.leaf(x.value().clone()),
            None => scratch.input(x.value().clone()),
        })
        .collect();
    let y = captured(f(&values, rng));
    if let Some(watcher) = tape.watcher() {
        watcher.adopt(scratch.anomaly());
    }
    let y = y?;
    if y.tape().is_some_and(|t| !t.same(&scratch)) {
        return captured(Err(Error::Tape {
            op: "checkpoint",
            problem: TapeProblem::Foreign,
        }));
    }
    let entered = scratch.entered();
    let params: Vec<Var<T>> = (entered.iter())
        .map(|(id, value)| tape.enter_from(*id, value, call))
        .collect();
    let all: Vec<&Var<T>> = inputs.iter().copied().chain(&params).collect();
    Var::record(&all, y.into_value(), |_| Checkpoint {
        f,
        rng: before,
        inputs: inputs.iter().map(|x| x.save()).collect(),
        params: (entered.iter().zip(&params))
            .map(|((id, _), p)| (*id, p.save()))
            .collect(),
        watch: tape.watch(),
        drawn: scratch.drawn(),
    })
}

/// As [`checkpoint`] for a function with several results, of any shapes. They are kept as one vector, of which the results
/// are parts, so that the backward pass runs the function once for all of them.
///
/// ```
/// use autograd::{Tape, Tensor, checkpoint_many};
/// let x = Tape::new().leaf(Tensor::from([0.5f64, 2.0]));
/// let parts = checkpoint_many(|v| Ok(vec![v[0].exp(), v[0].sum(..)?]), &[&x])?;
/// let grads = parts[0].sum(..)?.add(parts[1].mul(3.0)?)?.backward()?;
/// assert_eq!(grads.get(&x)?, &(x.value().exp() + 3.0));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// As [`checkpoint`].
#[track_caller]
pub fn checkpoint_many<T: Float>(
    f: impl Fn(&[Var<T>]) -> Result<Vec<Var<T>>> + 'static,
    inputs: &[&Var<T>],
) -> Result<Vec<Var<T>>> {
    let shapes: Rc<RefCell<Vec<Dims>>> = Rc::default();
    let seen = shapes.clone();
    let joined = checkpoint(
        move |v| {
            let parts = f(v)?;
            *seen.borrow_mut() = parts.iter().map(|y| y.shape().into()).collect();
            let flat: Vec<Var<T>> = (parts.iter())
                .map(|y| y.reshape([y.numel()]))
                .collect::<Result<_>>()?;
            match flat.len() {
                0 => Ok(Var::from(Tensor::zeros(0)?)),
                _ => Var::cat(&flat.iter().collect::<Vec<_>>(), 0),
            }
        },
        inputs,
    )?;
    let shapes = std::mem::take(&mut *shapes.borrow_mut());
    let mut start = 0;
    let part = |shape: &Dims| {
        let n: usize = shape.iter().product();
        start += n;
        joined.narrow(0, (start - n) as isize, n)?.reshape(shape)
    };
    shapes.iter().map(part).collect()
}

/// Says of operands on different tapes what it means here.
fn captured<R>(result: Result<R>) -> Result<R> {
    result.map_err(|e| match e {
        Error::Tape {
            op,
            problem: TapeProblem::Foreign,
        } => Error::Tape {
            op,
            problem: TapeProblem::Captured,
        },
        e => e,
    })
}

struct Checkpoint<T: Float, R, F> {
    f: F,
    rng: R,
    inputs: Vec<Saved<T>>,
    params: Vec<(u64, Saved<T>)>,
    watch: Option<Watch>,
    drawn: Drawn,
}

impl<T, R, F> Op<T> for Checkpoint<T, R, F>
where
    T: Float,
    R: Clone + 'static,
    F: Fn(&[Var<T>], &mut R) -> Result<Var<T>> + 'static,
{
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn backward(&self, dy: &Var<T>, needs: Needs) -> Result<Grads<T>> {
        let n = self.inputs.len();
        let Some(tape) = dy.tape() else {
            let tape = match self.watch {
                Some(watch) => Tape::watching(watch),
                None => Tape::new(),
            };
            let inputs = (self.inputs.iter().enumerate()).map(|(i, x)| match needs.get(i) {
                true => tape.leaf(x.value().clone()),
                false => tape.input(x.value().clone()),
            });
            let params = (self.params.iter()).map(|(id, p)| tape.enter(*id, p.value()));
            let all: Vec<Var<T>> = inputs.chain(params).collect();
            let replay = tape.replay(&self.drawn);
            let y = (self.f)(&all[..n], &mut self.rng.clone())?;
            drop(replay);
            return gradients_through(&all, &y, dy, needs, false);
        };
        // On the tape itself, where the way is differentiated again: on aliases, so that gradients end there.
        let saved = self.inputs.iter().chain(self.params.iter().map(|(_, p)| p));
        let all: Vec<Var<T>> = saved.map(|x| x.on(dy).alias()).collect();
        let elsewhere: Vec<(u64, usize)> = (self.params.iter().zip(&all[n..]))
            .filter_map(|((id, _), p)| Some((*id, p.node()?)))
            .collect();
        let redirected = tape.redirect(&elsewhere);
        let replay = tape.replay(&self.drawn);
        let y = (self.f)(&all[..n], &mut self.rng.clone())?;
        drop((redirected, replay));
        gradients_through(&all, &y, dy, needs, true)
    }
}
