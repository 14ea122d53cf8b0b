use super::transposable::{Map, linear_map};
use crate::module::{Mode, Module};
use crate::parts::{Draws, Stream};
use losses::autograd::Float;
use losses::tensor_core::kernel::{Isa, Kernel, dispatch, par};
use losses::{Error, Result, Tensor, Var};
use std::rc::Rc;

/// Leaves out each element with probability `p`, and scales the others by `1 / (1 - p)`, in training; in use it changes
/// nothing.
///
/// Whether it trains, its [`Mode`] says: by default, what lies on a tape is trained with.
///
/// What is left out depends on the seed, on how many passes were made, and on the place of an element; not on threads,
/// nor on how the data lies in memory. Nothing is kept for the backward pass, which draws the same again.
///
/// ```
/// use nn::prelude::*;
/// let dropout = Dropout::new(0.5, 1)?;
/// let x = Tensor::<f32>::ones([1000])?;
/// let y = dropout.forward(&Tape::new().input(x.clone()))?.into_value();
/// assert!(y.eq(0.0)?.logical_or(&y.eq(2.0)?)?.all(..)?.item()?);
/// assert!((y.mean(..)?.item()? - 1.0).abs() < 0.1);
/// assert_eq!(dropout.forward(&Var::from(&x))?.value(), &x);
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// [`Error::Option`] for a `p` outside `0..=1`.
/// # Reference
/// Srivastava et al. 2014, *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*; PyTorch,
/// [`torch.nn.Dropout`](https://pytorch.org/docs/stable/generated/torch.nn.Dropout.html).
/// # Differs from PyTorch
/// Each layer has a generator of its own. What is left out is 0, were it infinite or NaN before.
#[derive(Clone, Debug)]
pub struct Dropout {
    p: f64,
    draws: Draws,
    /// How it knows whether it trains.
    pub mode: Mode,
}

impl Dropout {
    /// Leaves out the share `p`, drawn from a generator with this seed.
    ///
    /// # Errors
    /// [`Error::Option`] for a `p` outside `0..=1`.
    pub fn new(p: f64, seed: u64) -> Result<Self> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::Option {
                op: "dropout",
                name: "p",
                value: p.to_string(),
                expected: "a probability lies in 0..=1",
            });
        }
        Ok(Dropout {
            p,
            draws: Draws::new(seed),
            mode: Mode::default(),
        })
    }
}

crate::parts!(Dropout { draws, mode });

impl<T: Float> Module<T> for Dropout {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        if self.p == 0.0 || !self.mode.trains(x) {
            return Ok(x.clone());
        }
        let (p, stream) = (self.p, self.draws.next_for(x));
        let drop: Map<T> = Rc::new(move |x| leave_out(x, p, stream));
        // It is its own transpose.
        linear_map("dropout", x, drop.clone(), drop)
    }

    fn describe(&self) -> String {
        format!("Dropout({})", self.p)
    }
}

fn leave_out<T: Float>(x: &Tensor<T>, p: f64, stream: Stream) -> Result<Tensor<T>> {
    let source = x.source();
    // 64 random bits below this number say: leave out. For p = 1 it would be 2⁶⁴, and every element is below that.
    let bound = (p * 2f64.powi(64)) as u64;
    let scale = T::of(if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 });
    Tensor::build("dropout", x.shape(), |out| {
        par::split(out, 1, 8, |start, out| {
            let (mut at, end, mut x) = (start, start + out.len(), source.reader());
            while at < end {
                let len = x.ready(at, end - at);
                dispatch(LeaveOut {
                    x: x.read(at, len),
                    out: &mut out[at - start..][..len],
                    first: at as u64,
                    bound,
                    scale,
                    stream,
                    all: p == 1.0,
                });
                at += len;
            }
        })
    })
}

struct LeaveOut<'a, T> {
    x: &'a [T],
    out: &'a mut [T],
    first: u64,
    bound: u64,
    scale: T,
    stream: Stream,
    all: bool,
}

impl<T: Float> Kernel for LeaveOut<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        if self.all {
            return self.out.fill(T::ZERO);
        }
        for ((i, &x), out) in (self.first..).zip(self.x).zip(self.out) {
            let keep = self.stream.bits(i) >= self.bound;
            *out = if keep { x * self.scale } else { T::ZERO };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use losses::autograd::{Tape, gradcheck, gradgradcheck};

    fn layer(p: f64) -> Dropout {
        Dropout {
            mode: Mode::Train,
            ..Dropout::new(p, 3).unwrap()
        }
    }

    #[test]
    fn the_share_left_out_is_the_probability() -> Result<()> {
        for p in [0.1, 0.5, 0.9] {
            let n = 100_000;
            let y = layer(p).forward(&Var::from(Tensor::<f64>::ones(n)?))?;
            let left = y.value().eq(0.0)?.cast::<f64>().mean(..)?.item()?;
            // Five deviations of a binomial share.
            assert!(
                (left - p).abs() < 5.0 * (p * (1.0 - p) / n as f64).sqrt(),
                "{p}: {left}"
            );
            let kept = y.value().max(..)?.item()?;
            assert!((kept - 1.0 / (1.0 - p)).abs() < 1e-12);
        }
        Ok(())
    }

    #[test]
    fn edges() -> Result<()> {
        let x = Var::from(Tensor::from([f64::INFINITY, f64::NAN, 1.0]));
        assert_eq!(layer(1.0).forward(&x)?.value().to_vec(), [0.0; 3]);
        let same = layer(0.0).forward(&x)?;
        assert_eq!((same.value()[0], same.value()[2]), (f64::INFINITY, 1.0));
        assert_eq!(
            layer(0.5)
                .forward(&Var::from(Tensor::<f64>::zeros([0, 3])?))?
                .shape(),
            [0, 3]
        );
        assert_eq!(
            layer(0.5)
                .forward(&Var::from(Tensor::<f64>::zeros(())?))?
                .shape(),
            [0; 0]
        );
        for p in [-0.1, 1.5, f64::NAN] {
            let error = Dropout::new(p, 0).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("dropout: p is {p}, but a probability lies in 0..=1")
            );
        }
        Ok(())
    }

    #[test]
    fn backward_leaves_out_the_same_and_layout_does_not_matter() -> Result<()> {
        let x = Tensor::<f64>::ones([300, 200])?;
        let tape = Tape::new();
        let leaf = tape.leaf(x.clone());
        let y = layer(0.3).forward(&leaf)?;
        let grads = y.sum(..)?.backward()?;
        assert_eq!(grads.get(&leaf)?, y.value());
        let turned = Tensor::<f64>::ones([200, 300])?.t();
        assert_eq!(layer(0.3).forward(&Var::from(turned))?.value(), y.value());
        // Another pass draws anew.
        let twice = layer(0.3);
        let first = twice.forward(&Var::from(&x))?;
        assert_ne!(twice.forward(&Var::from(&x))?.value(), first.value());
        Ok(())
    }

    #[test]
    fn gradients_agree_with_finite_differences() -> Result<()> {
        let x = Tensor::from([[0.5, -1.0, 2.0], [0.1, 0.2, -3.0]]);
        // A fresh layer each time draws the same.
        gradcheck(
            |v| layer(0.4).forward(&v[0])?.square().sum(..),
            std::slice::from_ref(&x),
        )?
        .assert_ok();
        gradgradcheck(|v| layer(0.4).forward(&v[0])?.square().sum(..), &[x])?.assert_ok();
        Ok(())
    }
}
