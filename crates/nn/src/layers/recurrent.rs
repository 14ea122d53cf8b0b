//! Networks that read sequences.

use super::checks::{input_shape, option};
use crate::init;
use crate::module::{Module, Part, PartMut, Parts, join};
use losses::autograd::{Float, Param};
use losses::{Error, Result, Tensor, Var};
use rand::Rng;

/// The weights of one layer in one direction.
#[derive(Clone, Debug)]
struct Weights<T: Float> {
    ih: Param<T>,
    hh: Param<T>,
    bias_ih: Option<Param<T>>,
    bias_hh: Option<Param<T>>,
}

/// Layers of one kind on top of each other, each in one direction or in both.
#[derive(Clone, Debug)]
struct Stack<T: Float> {
    op: &'static str,
    /// In PyTorch's order: the layers from below, in each the direction forward and then the one back.
    weights: Vec<Weights<T>>,
    inputs: usize,
    hidden: usize,
    bidirectional: bool,
    batch_first: bool,
}

/// One step in time. The state is `h`, and for an LSTM `c` too.
trait Cell<T: Float> {
    /// How many gates there are, each with its rows of the weights.
    const GATES: usize;
    /// The next state from what the input and the last `h` give to the gates.
    fn step(x: &Var<T>, h: &Var<T>, state: &[Var<T>]) -> Result<Vec<Var<T>>>;
}

struct GruCell;
struct LstmCell;

impl<T: Float> Cell<T> for GruCell {
    const GATES: usize = 3;

    fn step(x: &Var<T>, h: &Var<T>, state: &[Var<T>]) -> Result<Vec<Var<T>>> {
        let (x, h) = (x.chunk(3, -1)?, h.chunk(3, -1)?);
        let reset = x[0].add(&h[0])?.sigmoid();
        let update = x[1].add(&h[1])?.sigmoid();
        let new = x[2].add(reset.mul(&h[2])?)?.tanh();
        // (1 - z) n + z h
        Ok(vec![new.add(update.mul(state[0].sub(&new)?)?)?])
    }
}

impl<T: Float> Cell<T> for LstmCell {
    const GATES: usize = 4;

    fn step(x: &Var<T>, h: &Var<T>, state: &[Var<T>]) -> Result<Vec<Var<T>>> {
        let gates = x.add(h)?.chunk(4, -1)?;
        let [input, forget, new, out] = [0, 1, 2, 3].map(|i| &gates[i]);
        let kept = forget.sigmoid().mul(&state[1])?;
        let c = kept.add(input.sigmoid().mul(new.tanh())?)?;
        Ok(vec![out.sigmoid().mul(c.tanh())?, c])
    }
}

impl<T: Float> Stack<T> {
    fn new<C: Cell<T>>(
        op: &'static str,
        [inputs, hidden, layers]: [usize; 3],
        bidirectional: bool,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        option(
            op,
            "hidden_size",
            hidden > 0,
            hidden,
            "it must be at least 1",
        )?;
        option(
            op,
            "num_layers",
            layers > 0,
            layers,
            "it must be at least 1",
        )?;
        let (bound, gates) = (init::fan_bound(hidden), C::GATES * hidden);
        let ways = 1 + usize::from(bidirectional);
        let mut weights = Vec::new();
        for i in 0..layers * ways {
            let width = if i < ways { inputs } else { hidden * ways };
            let mut param =
                |shape: &[usize]| Ok(Param::new(Tensor::uniform(shape, -bound, bound, rng)?));
            weights.push(Weights {
                ih: param(&[gates, width])?,
                hh: param(&[gates, hidden])?,
                bias_ih: Some(param(&[gates])?),
                bias_hh: Some(param(&[gates])?),
            });
        }
        Ok(Stack {
            op,
            weights,
            inputs,
            hidden,
            bidirectional,
            batch_first: false,
        })
    }

    fn ways(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// The output `[L, N, …]` or as `x`, and the last states, each `[layers · ways, N, hidden]`.
    fn run<C: Cell<T>>(
        &self,
        x: &Var<T>,
        start: &[&Var<T>],
        states: usize,
    ) -> Result<(Var<T>, Vec<Var<T>>)> {
        let single = x.ndim() == 2;
        if x.ndim() != 3 && !single || x.shape().last() != Some(&self.inputs) {
            let order = if self.batch_first {
                "[N, L, …]"
            } else {
                "[L, N, …]"
            };
            let expected = format!(
                "it must be {order} or [L, …] with {} numbers at each place",
                self.inputs
            );
            return Err(input_shape(self.op, x.shape(), expected));
        }
        let x = match (single, self.batch_first) {
            (true, _) => x.unsqueeze(1)?,
            (false, true) => x.transpose(0, 1)?,
            (false, false) => x.clone(),
        };
        let (length, batch) = (x.shape()[0], x.shape()[1]);
        if length == 0 {
            return Err(input_shape(
                self.op,
                x.shape(),
                "a sequence must have at least one place",
            ));
        }
        let whole = [self.weights.len(), batch, self.hidden];
        let start = start.iter().map(|s| self.start(s, whole, single));
        let start = start.collect::<Result<Vec<_>>>()?;
        let (mut layer, mut ends) = (x, vec![Vec::new(); states]);
        for (i, pair) in self.weights.chunks(self.ways()).enumerate() {
            let mut outputs = Vec::new();
            for (way, weights) in pair.iter().enumerate() {
                let at = (i * self.ways() + way) as isize;
                let state = match &start[..] {
                    [] => vec![Var::from(Tensor::zeros([batch, self.hidden])?); states],
                    start => start
                        .iter()
                        .map(|s| s.select(0, at))
                        .collect::<Result<_>>()?,
                };
                let (output, state) = weights.read::<C>(&layer, state, way == 1)?;
                outputs.push(output);
                ends.iter_mut().zip(state).for_each(|(end, s)| end.push(s));
            }
            layer = match &outputs[..] {
                [a, b] => Var::cat(&[a, b], -1)?,
                _ => outputs.swap_remove(0),
            };
        }
        let output = match (single, self.batch_first) {
            (true, _) => layer.squeeze(1)?,
            (false, true) => layer.transpose(0, 1)?,
            (false, false) => layer,
        };
        let ends = ends.iter().map(|end| {
            let all = Var::stack(&end.iter().collect::<Vec<_>>(), 0)?;
            if single { all.squeeze(1) } else { Ok(all) }
        });
        Ok((output, ends.collect::<Result<_>>()?))
    }

    /// A first state, checked.
    fn start(&self, state: &Var<T>, whole: [usize; 3], single: bool) -> Result<Var<T>> {
        let state = if single {
            state.unsqueeze(1)?
        } else {
            state.clone()
        };
        if state.shape() != whole {
            return Err(Error::Shape {
                op: self.op,
                what: "the first state",
                got: state.shape().into(),
                expected: format!(
                    "it must be {whole:?}: layers and directions, examples, hidden size"
                ),
            });
        }
        Ok(state)
    }

    fn describe(&self, kind: &str) -> String {
        let layers = self.weights.len() / self.ways();
        let both = if self.bidirectional {
            ", bidirectional"
        } else {
            ""
        };
        format!(
            "{kind}({}, {}, {layers} layers{both})",
            self.inputs, self.hidden
        )
    }
}

impl<T: Float> Weights<T> {
    /// The outputs at all places, and the state after the last of them.
    fn read<C: Cell<T>>(
        &self,
        x: &Var<T>,
        state: Vec<Var<T>>,
        back: bool,
    ) -> Result<(Var<T>, Vec<Var<T>>)> {
        let biased = |y: Var<T>, bias: &Option<Param<T>>| match bias {
            Some(b) => y.add(b.on(x)),
            None => Ok(y),
        };
        // What the input gives to the gates does not wait for the state: one product for all places.
        let gates = biased(x.matmul(&self.ih.on(x).t())?, &self.bias_ih)?.unbind(0)?;
        let hh = self.hh.on(x).t();
        let (mut state, mut outputs) = (state, Vec::with_capacity(gates.len()));
        let mut step = |gates: &Var<T>| {
            state = C::step(
                gates,
                &biased(state[0].matmul(&hh)?, &self.bias_hh)?,
                &state,
            )?;
            outputs.push(state[0].clone());
            Ok(())
        };
        if back {
            gates.iter().rev().try_for_each(&mut step)?;
            outputs.reverse();
        } else {
            gates.iter().try_for_each(&mut step)?;
        }
        Ok((Var::stack(&outputs.iter().collect::<Vec<_>>(), 0)?, state))
    }
}

/// PyTorch's names: `weight_ih_l0`, `weight_ih_l0_reverse` and so on.
impl<T: Float> Parts<T> for Stack<T> {
    fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>)) {
        for (i, w) in self.weights.iter().enumerate() {
            let at = |part: &str| join(name, &self.name(part, i));
            w.ih.walk(&at("weight_ih"), f);
            w.hh.walk(&at("weight_hh"), f);
            w.bias_ih.walk(&at("bias_ih"), f);
            w.bias_hh.walk(&at("bias_hh"), f);
        }
    }

    fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>)) {
        for i in 0..self.weights.len() {
            let names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];
            let [ih, hh, bias_ih, bias_hh] = names.map(|part| join(name, &self.name(part, i)));
            let w = &mut self.weights[i];
            w.ih.walk_mut(&ih, f);
            w.hh.walk_mut(&hh, f);
            w.bias_ih.walk_mut(&bias_ih, f);
            w.bias_hh.walk_mut(&bias_hh, f);
        }
    }
}

impl<T: Float> Stack<T> {
    fn name(&self, part: &str, i: usize) -> String {
        let back = if i % self.ways() == 1 { "_reverse" } else { "" };
        format!("{part}_l{}{back}", i / self.ways())
    }
}

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
            /// [`Error::Option`] for a hidden size of 0.
            pub fn new(inputs: usize, hidden: usize, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
                Self::layers(inputs, hidden, 1, false, rng)
            }

            /// As [`new`](Self::new), with `num_layers` on top of each other, and each, if `bidirectional`, once more
            /// from the end to the beginning.
            ///
            /// # Errors
            /// [`Error::Option`] for no layer or a hidden size of 0.
            pub fn layers(
                inputs: usize,
                hidden: usize,
                num_layers: usize,
                bidirectional: bool,
                rng: &mut (impl Rng + ?Sized),
            ) -> Result<Self> {
                let sizes = [inputs, hidden, num_layers];
                Ok($name(Stack::new::<$cell>($op, sizes, bidirectional, rng)?))
            }

            /// Whether the examples come before the places in the shapes of input and output. Default: no.
            #[must_use]
            pub fn batch_first(mut self, batch_first: bool) -> Self {
                self.0.batch_first = batch_first;
                self
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
    /// There is no dropout between the layers.
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
    /// There is no dropout between the layers, and no projection.
    Lstm, LstmCell, "lstm"
}

impl<T: Float> Gru<T> {
    /// The outputs at all places, and the last state of each layer and direction, `[layers · directions, N, hidden]`.
    /// The first state is `start`, or zeros.
    ///
    /// # Errors
    /// [`Error::Shape`] for an input or a first state of another shape, or a sequence without a place.
    pub fn run(&self, x: &Var<T>, start: Option<&Var<T>>) -> Result<(Var<T>, Var<T>)> {
        let start: Vec<&Var<T>> = start.into_iter().collect();
        let (y, mut ends) = self.0.run::<GruCell>(x, &start, 1)?;
        Ok((y, ends.swap_remove(0)))
    }
}

impl<T: Float> Lstm<T> {
    /// The outputs at all places, and the last states `(h, c)` of each layer and direction, each
    /// `[layers · directions, N, hidden]`. The first states are `start`, or zeros.
    ///
    /// # Errors
    /// [`Error::Shape`] for an input or a first state of another shape, or a sequence without a place.
    #[allow(clippy::type_complexity)]
    pub fn run(
        &self,
        x: &Var<T>,
        start: Option<(&Var<T>, &Var<T>)>,
    ) -> Result<(Var<T>, (Var<T>, Var<T>))> {
        let start: Vec<&Var<T>> = start.into_iter().flat_map(|(h, c)| [h, c]).collect();
        let (y, mut ends) = self.0.run::<LstmCell>(x, &start, 2)?;
        let h = ends.swap_remove(0);
        Ok((y, (h, ends.swap_remove(0))))
    }
}
