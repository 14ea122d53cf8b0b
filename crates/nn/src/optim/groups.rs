use super::memory::{foreign, moves};
use super::{Optimizer, Tunable};
use crate::module::{Part, PartMut, Parts};
use crate::state::State;
use losses::Result;
use losses::autograd::{Float, Gradients};
use std::fmt::{Debug, Formatter};

/// Which parameters a group has, by their names.
type Chooses = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Which parameters, and what changes them.
type Group<T> = (Chooses, Box<dyn Optimizer<T>>);

/// Several optimizers, each for some of a model's parameters: PyTorch's parameter groups, and more, for they need not
/// be of one kind.
///
/// A parameter belongs to the first group that takes its name. One that none takes is not changed: it is frozen.
///
/// ```
/// use nn::prelude::*;
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let mut model = Sequential::<f32>::mlp(&[3, 8, 1], Tanh, &mut rng)?;
/// // No decay for biases, and the last layer learns more slowly.
/// let mut optimizer = Groups::new()
///     .add(|name| name.ends_with("bias"), AdamW::new(1e-3).weight_decay(0.0))
///     .add(|name| name.starts_with("2."), AdamW::new(1e-4))
///     .rest(AdamW::new(1e-3));
/// let grads = model.forward(&Tape::new().input(Tensor::ones([4, 3])?))?.sum(..)?.backward()?;
/// optimizer.step(&mut model, &grads)?;
/// assert_eq!(optimizer.lrs(), [1e-3, 1e-4, 1e-3]);
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Default)]
pub struct Groups<T: Float> {
    groups: Vec<Group<T>>,
}

impl<T: Float> Groups<T> {
    /// No group yet.
    pub fn new() -> Self {
        Groups { groups: Vec::new() }
    }

    /// With one more group: the parameters whose names `takes` wants, and their optimizer.
    #[must_use]
    pub fn add(
        mut self,
        takes: impl Fn(&str) -> bool + Send + Sync + 'static,
        optimizer: impl Optimizer<T> + 'static,
    ) -> Self {
        self.groups.push((Box::new(takes), Box::new(optimizer)));
        self
    }

    /// With one more group for all parameters that are left.
    #[must_use]
    pub fn rest(self, optimizer: impl Optimizer<T> + 'static) -> Self {
        self.add(|_| true, optimizer)
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

impl<T: Float> Debug for Groups<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Groups")
            .field("len", &self.len())
            .field("lrs", &self.lrs())
            .finish()
    }
}

impl<T: Float> Tunable for Groups<T> {
    fn lrs(&self) -> Vec<f64> {
        self.groups.iter().flat_map(|(_, o)| o.lrs()).collect()
    }

    fn set_lrs(&mut self, lrs: &[f64]) {
        let mut rest = lrs;
        for (_, optimizer) in &mut self.groups {
            let (own, others) = rest.split_at(optimizer.lrs().len().min(rest.len()));
            optimizer.set_lrs(own);
            rest = others;
        }
    }

    fn momentum(&self) -> Option<f64> {
        self.groups.iter().find_map(|(_, o)| o.momentum())
    }

    fn set_momentum(&mut self, momentum: f64) {
        for (_, optimizer) in &mut self.groups {
            optimizer.set_momentum(momentum);
        }
    }
}

impl<T: Float> Optimizer<T> for Groups<T> {
    fn step(&mut self, model: &mut dyn Parts<T>, grads: &Gradients<T>) -> Result<()> {
        self.accepts(model, grads)?;
        for i in 0..self.groups.len() {
            let (earlier, later) = self.groups.split_at_mut(i);
            let Some((takes, optimizer)) = later.first_mut() else {
                break;
            };
            let mut part = Chosen {
                model: &mut *model,
                chosen: &|name| has(takes, earlier, name),
            };
            if moves(&part, grads) {
                optimizer.step(&mut part, grads)?;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        self.groups.iter().try_for_each(|(_, o)| o.check())
    }

    /// All groups are asked before one of them makes its step.
    fn accepts(&self, model: &dyn Parts<T>, grads: &Gradients<T>) -> Result<()> {
        self.check()?;
        if model.num_parameters() > 0 && !moves(model, grads) {
            return Err(foreign("groups", grads));
        }
        for (i, (takes, optimizer)) in self.groups.iter().enumerate() {
            let part = Seen {
                model,
                chosen: &|name| has(takes, &self.groups[..i], name),
            };
            if moves(&part, grads) {
                optimizer.accepts(&part, grads)?;
            }
        }
        Ok(())
    }

    fn state(&self) -> State<T> {
        let mut state = State::new();
        for (i, (_, optimizer)) in self.groups.iter().enumerate() {
            state.set_section(&i.to_string(), optimizer.state());
        }
        state
    }

    /// If one group refuses its part, those before it get back what they had.
    fn load_state(&mut self, state: &State<T>) -> Result<()> {
        let before: Vec<State<T>> = self.groups.iter().map(|(_, o)| o.state()).collect();
        for i in 0..self.groups.len() {
            let part = state.section(&i.to_string());
            let loaded = part.and_then(|part| self.groups[i].1.load_state(part));
            if loaded.is_err() {
                for ((_, optimizer), own) in self.groups[..i].iter_mut().zip(&before) {
                    optimizer.load_state(own)?;
                }
                return loaded;
            }
        }
        Ok(())
    }
}

/// Whether a group that `takes` a name has it: none before it may take it.
fn has<T: Float>(takes: &Chooses, earlier: &[Group<T>], name: &str) -> bool {
    takes(name) && !earlier.iter().any(|(takes, _)| takes(name))
}

/// Those parts of a model whose names are chosen, to be read alone.
struct Seen<'a, T: Float> {
    model: &'a dyn Parts<T>,
    chosen: &'a dyn Fn(&str) -> bool,
}

impl<T: Float> Parts<T> for Seen<'_, T> {
    fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>)) {
        self.model.walk(name, &mut |name, part| {
            if (self.chosen)(name) {
                f(name, part)
            }
        });
    }

    fn walk_mut(&mut self, _: &str, _: &mut dyn FnMut(&str, PartMut<'_, T>)) {}
}

/// Those parts of a model whose names are chosen.
struct Chosen<'a, T: Float> {
    model: &'a mut dyn Parts<T>,
    chosen: &'a dyn Fn(&str) -> bool,
}

impl<T: Float> Parts<T> for Chosen<'_, T> {
    fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>)) {
        let (model, chosen) = (&*self.model, self.chosen);
        Seen { model, chosen }.walk(name, f);
    }

    fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>)) {
        let chosen = self.chosen;
        self.model.walk_mut(name, &mut |name, part| {
            if chosen(name) {
                f(name, part)
            }
        });
    }
}
