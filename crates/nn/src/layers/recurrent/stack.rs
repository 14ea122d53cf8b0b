//! The layers of a recurrent network, and one step of each kind.

use crate::init;
use crate::layers::checks::{input_shape, option, parameter};
use crate::layers::dropout::Dropout;
use crate::module::{Module, Part, PartMut, Parts, join};
use losses::autograd::{Float, Param};
use losses::{Error, Result, Tensor, Var};
use rand::Rng;

/// The weights of one layer in one direction.
#[derive(Clone, Debug)]
pub(super) struct Weights<T: Float> {
    ih: Param<T>,
    hh: Param<T>,
    pub(super) bias_ih: Option<Param<T>>,
    pub(super) bias_hh: Option<Param<T>>,
    /// What makes the state of an LSTM smaller than its memory.
    hr: Option<Param<T>>,
}

/// Layers of one kind on top of each other, each in one direction or in both.
#[derive(Clone, Debug)]
pub(super) struct Stack<T: Float> {
    pub(super) op: &'static str,
    /// In PyTorch's order: the layers from below, in each the direction forward and then the one back.
    pub(super) weights: Vec<Weights<T>>,
    inputs: usize,
    hidden: usize,
    /// The size of what a place gives on: `hidden`, or that of the projection.
    output: usize,
    bidirectional: bool,
    pub(super) batch_first: bool,
    /// Between the layers.
    pub(super) dropout: Option<Dropout>,
}

/// One step in time. The state is `h`, and for an LSTM `c` too.
pub(super) trait Cell<T: Float> {
    /// How many gates there are, each with its rows of the weights.
    const GATES: usize;
    /// The next state from what the input and the last `h` give to the gates.
    fn step(x: &Var<T>, h: &Var<T>, state: &[Var<T>]) -> Result<Vec<Var<T>>>;
}

pub(super) struct GruCell;
pub(super) struct LstmCell;

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
    pub(super) fn new<C: Cell<T>>(
        op: &'static str,
        [inputs, hidden, layers]: [usize; 3],
        projection: Option<usize>,
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
        let output = projection.unwrap_or(hidden);
        let fits = projection.is_none_or(|n| n > 0 && n < hidden);
        let expected = "it must be at least 1, and smaller than the hidden size";
        option(op, "proj_size", fits, output, expected)?;
        let (bound, gates) = (init::fan_bound(hidden), C::GATES * hidden);
        let ways = 1 + usize::from(bidirectional);
        let mut weights = Vec::new();
        for i in 0..layers * ways {
            let width = if i < ways { inputs } else { output * ways };
            let mut param =
                |shape: &[usize]| Ok(Param::new(Tensor::uniform(shape, -bound, bound, rng)?));
            weights.push(Weights {
                ih: param(&[gates, width])?,
                hh: param(&[gates, output])?,
                bias_ih: Some(param(&[gates])?),
                bias_hh: Some(param(&[gates])?),
                hr: match projection {
                    Some(output) => Some(param(&[output, hidden])?),
                    None => None,
                },
            });
        }
        Ok(Stack {
            op,
            weights,
            inputs,
            hidden,
            output,
            bidirectional,
            batch_first: false,
            dropout: None,
        })
    }

    pub(super) fn layers(&self) -> usize {
        self.weights.len() / self.ways()
    }

    fn ways(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// The output `[L, N, …]` or as `x`, and the last states, each `[layers · ways, N, hidden]`, the first of them with
    /// the size of the output.
    pub(super) fn run<C: Cell<T>>(
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
        self.check_weights(C::GATES)?;
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
        let width = |state: usize| if state == 0 { self.output } else { self.hidden };
        let start = start.iter().enumerate().map(|(i, s)| {
            let whole = [self.weights.len(), batch, width(i)];
            self.start(s, whole, single)
        });
        let start = start.collect::<Result<Vec<_>>>()?;
        let (mut layer, mut ends) = (x, vec![Vec::new(); states]);
        for (i, pair) in self.weights.chunks(self.ways()).enumerate() {
            if let (Some(dropout), 1..) = (&self.dropout, i) {
                layer = dropout.forward(&layer)?;
            }
            let mut outputs = Vec::new();
            for (way, weights) in pair.iter().enumerate() {
                let at = (i * self.ways() + way) as isize;
                let state = match &start[..] {
                    [] => (0..states)
                        .map(|i| Ok(Var::from(Tensor::zeros([batch, width(i)])?)))
                        .collect::<Result<_>>()?,
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

    /// Whether the weights, which a user may have replaced, have their shapes.
    fn check_weights(&self, gates: usize) -> Result<()> {
        let gates = gates * self.hidden;
        for (i, w) in self.weights.iter().enumerate() {
            let width = if i < self.ways() {
                self.inputs
            } else {
                self.output * self.ways()
            };
            for (what, param, shape) in [
                ("weight_ih", Some(&w.ih), &[gates, width][..]),
                ("weight_hh", Some(&w.hh), &[gates, self.output]),
                ("bias_ih", w.bias_ih.as_ref(), &[gates]),
                ("bias_hh", w.bias_hh.as_ref(), &[gates]),
                ("weight_hr", w.hr.as_ref(), &[self.output, self.hidden]),
            ] {
                parameter(self.op, what, param.map(Param::value), shape)?;
            }
        }
        Ok(())
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

    pub(super) fn describe(&self, kind: &str) -> String {
        let layers = self.layers();
        let both = if self.bidirectional {
            ", bidirectional"
        } else {
            ""
        };
        let mut more = String::new();
        if self.output != self.hidden {
            more += &format!(", projected to {}", self.output);
        }
        if let Some(dropout) = &self.dropout {
            more += &format!(", {}", Module::<T>::describe(dropout));
        }
        format!(
            "{kind}({}, {}, {layers} layers{both}{more})",
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
        let hr = self.hr.as_ref().map(|hr| hr.on(x).t());
        let (mut state, mut outputs) = (state, Vec::with_capacity(gates.len()));
        let mut step = |gates: &Var<T>| {
            state = C::step(
                gates,
                &biased(state[0].matmul(&hh)?, &self.bias_hh)?,
                &state,
            )?;
            if let Some(hr) = &hr {
                state[0] = state[0].matmul(hr)?;
            }
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
            let at = |part: &str| join(name, &self.name(part, i)).into_owned();
            w.ih.walk(&at("weight_ih"), f);
            w.hh.walk(&at("weight_hh"), f);
            w.bias_ih.walk(&at("bias_ih"), f);
            w.bias_hh.walk(&at("bias_hh"), f);
            w.hr.walk(&at("weight_hr"), f);
        }
        self.dropout.walk(&join(name, "dropout"), f);
    }

    fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>)) {
        for i in 0..self.weights.len() {
            let names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"];
            let [ih, hh, bias_ih, bias_hh, hr] =
                names.map(|part| join(name, &self.name(part, i)).into_owned());
            let w = &mut self.weights[i];
            w.ih.walk_mut(&ih, f);
            w.hh.walk_mut(&hh, f);
            w.bias_ih.walk_mut(&bias_ih, f);
            w.bias_hh.walk_mut(&bias_hh, f);
            w.hr.walk_mut(&hr, f);
        }
        self.dropout.walk_mut(&join(name, "dropout"), f);
    }
}

impl<T: Float> Stack<T> {
    fn name(&self, part: &str, i: usize) -> String {
        let back = if i % self.ways() == 1 { "_reverse" } else { "" };
        format!("{part}_l{}{back}", i / self.ways())
    }
}
