//! Networks that read sequences.

mod stack;

use super::checks::{on_behalf, option};
use super::dropout::Dropout;
use crate::module::{Module, Part, PartMut, Parts};
use losses::autograd::Float;
use losses::{Result, Var};
use rand::Rng;
use stack::{GruCell, LstmCell, Stack};
use std::panic::Location;

/// What both kinds share: how they are made, and what they are called.
macro_rules! recurrent {
    ($(#[$doc:meta])* $name:ident, $cell:ident, $op:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<T: Float>(Stack<T>);

        impl<T: Float> $name<T> {
            /// One layer from `inputs` numbers at each place to `hidden`; all weights are uniform in `±1/√hidden`, as in
            /// PyTorch.
            ///
            /// # Errors
            /// [`Error::Option`](crate::Error::Option) for a hidden size of 0.
            pub fn new(inputs: usize, hidden: usize, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
                Self::layers(inputs, hidden, 1, false, rng)
            }

            /// As [`new`](Self::new), with `num_layers` on top of each other, and each, if `bidirectional`, once more
            /// from the end to the beginning.
            ///
            /// # Errors
            /// [`Error::Option`](crate::Error::Option) for no layer or a hidden size of 0.
            pub fn layers(
                inputs: usize,
                hidden: usize,
                num_layers: usize,
                bidirectional: bool,
                rng: &mut (impl Rng + ?Sized),
            ) -> Result<Self> {
                let sizes = [inputs, hidden, num_layers];
                Ok($name(Stack::new::<$cell>($op, sizes, None, bidirectional, rng)?))
            }

            /// Whether the examples come before the places in the shapes of input and output. Default: no.
            #[must_use]
            pub fn batch_first(mut self, batch_first: bool) -> Self {
                self.0.batch_first = batch_first;
                self
            }

            /// Leaves out the share `p` of what each layer gives to the next one, in training, drawn from a generator with
            /// this seed.
            ///
            /// # Errors
            /// [`Error::Option`](crate::Error::Option) for a `p` outside `0..=1`, or where one layer has no next one.
            pub fn dropout(mut self, p: f64, seed: u64) -> Result<Self> {
                let layers = self.0.layers();
                let expected = "between layers there is nothing to leave out with one of them: take two or more";
                option(self.0.op, "num_layers", layers > 1, layers, expected)?;
                self.0.dropout = Some(Dropout::new(p, seed)?);
                Ok(self)
            }

            /// The same without biases.
            #[must_use]
            pub fn without_bias(mut self) -> Self {
                for w in &mut self.0.weights {
                    (w.bias_ih, w.bias_hh) = (None, None);
                }
                self
            }
        }

        impl<T: Float> Parts<T> for $name<T> {
            fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>)) {
                self.0.walk(name, f);
            }
            fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>)) {
                self.0.walk_mut(name, f);
            }
        }

        impl<T: Float> Module<T> for $name<T> {
            /// The outputs at all places, from a state of zeros.
            #[track_caller]
            fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
                Ok(self.run(x, None)?.0)
            }

            fn describe(&self) -> String {
                self.0.describe(stringify!($name))
            }
        }
    };
}

recurrent! {
    /// A gated recurrent unit.
    ///
    /// With input `x` and the state `h` of the place before:
    ///
    /// ```text
    /// r = σ(Wᵢᵣ x + bᵢᵣ + Wₕᵣ h + bₕᵣ)
    /// z = σ(Wᵢz x + bᵢz + Wₕz h + bₕz)
    /// n = tanh(Wᵢₙ x + bᵢₙ + r (Wₕₙ h + bₕₙ))
    /// h ← (1 - z) n + z h
    /// ```
    ///
    /// `x` has shape `[L, N, inputs]`, or `[L, inputs]` for one sequence.
    ///
    /// ```
    /// use nn::prelude::*;
    /// use rand::SeedableRng;
    /// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
    /// let gru = Gru::<f32>::new(3, 8, &mut rng)?;
    /// let (y, last) = gru.run(&Var::from(Tensor::zeros([5, 2, 3])?), None)?;
    /// assert_eq!((y.shape(), last.shape()), (&[5, 2, 8][..], &[1, 2, 8][..]));
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Reference
    /// Cho et al. 2014, arXiv:1406.1078; PyTorch,
    /// [`torch.nn.GRU`](https://pytorch.org/docs/stable/generated/torch.nn.GRU.html).
    /// # Differs from PyTorch
    /// What the dropout between layers leaves out is drawn from a generator of its own.
    Gru, GruCell, "gru"
}

recurrent! {
    /// A long short-term memory.
    ///
    /// With input `x` and the states `h` and `c` of the place before:
    ///
    /// ```text
    /// i, f, g, o = W x + bᵢ + U h + bₕ        in four parts
    /// c ← σ(f) c + σ(i) tanh g
    /// h ← σ(o) tanh c
    /// ```
    ///
    /// `x` has shape `[L, N, inputs]`, or `[L, inputs]` for one sequence.
    ///
    /// ```
    /// use nn::prelude::*;
    /// use rand::SeedableRng;
    /// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
    /// let lstm = Lstm::<f32>::layers(3, 8, 2, true, &mut rng)?.batch_first(true);
    /// let (y, (h, c)) = lstm.run(&Var::from(Tensor::zeros([2, 5, 3])?), None)?;
    /// assert_eq!((y.shape(), h.shape(), c.shape()), (&[2, 5, 16][..], &[4, 2, 8][..], &[4, 2, 8][..]));
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Reference
    /// Hochreiter and Schmidhuber 1997, *Long Short-Term Memory*; PyTorch,
    /// [`torch.nn.LSTM`](https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html).
    /// # Differs from PyTorch
    /// What the dropout between layers leaves out is drawn from a generator of its own.
    Lstm, LstmCell, "lstm"
}

impl<T: Float> Gru<T> {
    /// The outputs at all places, and the last state of each layer and direction, `[layers · directions, N, hidden]`.
    /// The first state is `start`, or zeros.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for an input or a first state of another shape, or a sequence without a place.
    #[track_caller]
    pub fn run(&self, x: &Var<T>, start: Option<&Var<T>>) -> Result<(Var<T>, Var<T>)> {
        let start: Vec<&Var<T>> = start.into_iter().collect();
        let run = || self.0.run::<GruCell>(x, &start, 1);
        let (y, mut ends) = on_behalf(x, Location::caller(), run)?;
        Ok((y, ends.swap_remove(0)))
    }
}

impl<T: Float> Lstm<T> {
    /// As [`layers`](Self::layers), with a state `h` of only `proj_size` numbers: `h ← V σ(o) tanh c`, which keeps the
    /// product with the state small where the memory `c` is large.
    ///
    /// ```
    /// use nn::prelude::*;
    /// use rand::SeedableRng;
    /// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
    /// let lstm = Lstm::<f32>::projected(3, 8, 2, 1, false, &mut rng)?;
    /// let (y, (h, c)) = lstm.run(&Var::from(Tensor::zeros([5, 4, 3])?), None)?;
    /// assert_eq!((y.shape(), h.shape(), c.shape()), (&[5, 4, 2][..], &[1, 4, 2][..], &[1, 4, 8][..]));
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for no layer, a hidden size of 0, or a projection that is not smaller than it.
    /// # Reference
    /// Sak, Senior and Beaufays 2014, arXiv:1402.1128.
    pub fn projected(
        inputs: usize,
        hidden: usize,
        proj_size: usize,
        num_layers: usize,
        bidirectional: bool,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        let sizes = [inputs, hidden, num_layers];
        let projection = Some(proj_size);
        Ok(Lstm(Stack::new::<LstmCell>(
            "lstm",
            sizes,
            projection,
            bidirectional,
            rng,
        )?))
    }

    /// The outputs at all places, and the last states `(h, c)` of each layer and direction, each
    /// `[layers · directions, N, hidden]`. The first states are `start`, or zeros.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for an input or a first state of another shape, or a sequence without a place.
    #[allow(clippy::type_complexity)]
    #[track_caller]
    pub fn run(
        &self,
        x: &Var<T>,
        start: Option<(&Var<T>, &Var<T>)>,
    ) -> Result<(Var<T>, (Var<T>, Var<T>))> {
        let start: Vec<&Var<T>> = start.into_iter().flat_map(|(h, c)| [h, c]).collect();
        let run = || self.0.run::<LstmCell>(x, &start, 2);
        let (y, mut ends) = on_behalf(x, Location::caller(), run)?;
        let h = ends.swap_remove(0);
        Ok((y, (h, ends.swap_remove(0))))
    }
}
