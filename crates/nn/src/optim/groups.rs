use super::memory::{foreign, moves};
use super::{Optimizer, Tunable};
use crate::module::{Part, PartMut, Parts};
use crate::state::State;
use losses::Result;
use losses::autograd::{Float, Gradients};

/// Which parameters a group has, by their names.
type Chooses = Box<dyn Fn(&str) -> bool>;

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
    groups: Vec<(Chooses, Box<dyn Optimizer<T>>)>,
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
        takes: impl Fn(&str) -> bool + 'static,
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
        self.check()?;
        if model.num_parameters() > 0 && !moves(model, grads) {
            return Err(foreign("groups", grads));
        }
        for i in 0..self.groups.len() {
            let (earlier, later) = self.groups.split_at_mut(i);
            let Some((takes, optimizer)) = later.first_mut() else {
                break;
            };
            let chosen = |name: &str| takes(name) && !earlier.iter().any(|(takes, _)| takes(name));
            let mut part = Chosen {
                model: &mut *model,
                chosen: &chosen,
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

    fn state(&self) -> State<T> {
        let mut state = State::new();
        for (i, (_, optimizer)) in self.groups.iter().enumerate() {
            state.set_section(&i.to_string(), optimizer.state());
        }
        state
    }

    fn load_state(&mut self, state: &State<T>) -> Result<()> {
        for (i, (_, optimizer)) in self.groups.iter_mut().enumerate() {
            optimizer.load_state(state.section(&i.to_string())?)?;
        }
        Ok(())
    }
}

/// Those parts of a model whose names are chosen.
struct Chosen<'a, T: Float> {
    model: &'a mut dyn Parts<T>,
    chosen: &'a dyn Fn(&str) -> bool,
}

impl<T: Float> Parts<T> for Chosen<'_, T> {
    fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>)) {
        self.model.walk(name, &mut |name, part| {
            if (self.chosen)(name) {
                f(name, part)
            }
        });
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
