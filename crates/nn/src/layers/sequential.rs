//! Modules one after the other.

use super::checks::on_behalf;
use super::{Activation, Linear};
use crate::module::{Module, Part, PartMut, Parts, Traced, join};
use losses::autograd::Float;
use losses::{Error, Result, Var};
use rand::Rng;
use std::fmt::{Debug, Formatter};
use std::panic::Location;

/// Modules one after the other; parameters are named by their place, such as `0.weight`.
///
/// ```
/// use nn::prelude::*;
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let model = Sequential::<f32>::new()
///     .push(Linear::new(2, 8, &mut rng)?)
///     .push(Tanh)
///     .push(Linear::new(8, 1, &mut rng)?);
/// assert_eq!(model.forward(&Var::from(Tensor::zeros([5, 2])?))?.shape(), [5, 1]);
/// let names: Vec<_> = model.state_dict().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// Its like in PyTorch is [`torch.nn.Sequential`](https://pytorch.org/docs/stable/generated/torch.nn.Sequential.html).
pub struct Sequential<T: Float> {
    modules: Vec<Pushed<T>>,
}

/// A module, and the line of the program that put it there.
struct Pushed<T: Float> {
    name: String,
    module: Box<dyn Module<T> + Send + Sync>,
    line: &'static Location<'static>,
}

/// Each module's name, and the line of the program that put it there.
impl<T: Float> Debug for Sequential<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let pushed = self.modules.iter().map(|m| (&m.name, m.line.to_string()));
        f.debug_map().entries(pushed).finish()
    }
}

impl<T: Float> Sequential<T> {
    /// No module yet: the output is the input.
    pub fn new() -> Self {
        Sequential {
            modules: Vec::new(),
        }
    }

    /// With one more module at the end, named by its place.
    #[must_use]
    #[track_caller]
    pub fn push(self, module: impl Module<T> + Send + Sync + 'static) -> Self {
        let name = self.modules.len().to_string();
        self.push_named(&name, module)
    }

    /// With one more module at the end under a name, as in a `Sequential` of PyTorch that is made from an
    /// `OrderedDict`.
    ///
    /// ```
    /// use nn::prelude::*;
    /// let one = Linear { weight: Param::new(Tensor::from([[1.0f32]])), bias: None };
    /// let model = Sequential::new().push_named("first", one).push(ReLU);
    /// assert_eq!(model.state_dict()[0].0, "first.weight");
    /// # Ok::<(), nn::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn push_named(
        mut self,
        name: &str,
        module: impl Module<T> + Send + Sync + 'static,
    ) -> Self {
        self.modules.push(Pushed {
            name: name.to_string(),
            module: Box::new(module),
            line: Location::caller(),
        });
        self
    }

    /// The number of modules.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether there is no module.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// A perceptron with the given layer widths, the input's first: linear layers with `activation` between them,
    /// none after the last.
    ///
    /// ```
    /// use nn::prelude::*;
    /// use rand::SeedableRng;
    /// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
    /// let model = Sequential::<f32>::mlp(&[64, 32, 10], ReLU, &mut rng)?;
    /// assert_eq!(model.num_parameters(), 64 * 32 + 32 + 32 * 10 + 10);
    /// # Ok::<(), nn::Error>(())
    /// ```
    /// # Errors
    /// [`Error::Option`] for fewer than two widths, or one that is 0.
    #[track_caller]
    pub fn mlp(
        widths: &[usize],
        activation: Activation,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        if widths.len() < 2 || widths.contains(&0) {
            return Err(Error::Option {
                op: "mlp",
                name: "widths",
                value: format!("{widths:?}"),
                expected: "it must list at least two, those of input and output, and none may be 0",
            });
        }
        let mut model = Sequential::new();
        for (i, pair) in widths.windows(2).enumerate() {
            if i > 0 {
                model = model.push(activation);
            }
            model = model.push(Linear::new(pair[0], pair[1], rng)?);
        }
        Ok(model)
    }
}

impl<T: Float> Default for Sequential<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> Parts<T> for Sequential<T> {
    fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>)) {
        for Pushed {
            name: part, module, ..
        } in &self.modules
        {
            module.walk(&join(name, part), f);
        }
    }

    fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>)) {
        for Pushed {
            name: part, module, ..
        } in &mut self.modules
        {
            module.walk_mut(&join(name, part), f);
        }
    }
}

impl<T: Float> Module<T> for Sequential<T> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        self.modules.iter().try_fold(x.clone(), |x, part| {
            on_behalf(&x, part.line, || part.module.forward(&x))
        })
    }

    fn trace(
        &self,
        x: &Var<T>,
        name: &str,
        report: &mut dyn FnMut(Traced<'_, T>),
    ) -> Result<Var<T>> {
        self.modules.iter().try_fold(
            x.clone(),
            |x,
             Pushed {
                 name: part, module, ..
             }| { module.trace(&x, &join(name, part), report) },
        )
    }
}

/// A function as a module, without parameters.
///
/// ```
/// use nn::prelude::*;
/// let model = Sequential::<f32>::new().push(Lambda(|x: &Var<f32>| x.reshape([-1, 1, 8, 8])));
/// assert_eq!(model.forward(&Var::from(Tensor::zeros([2, 64])?))?.shape(), [2, 1, 8, 8]);
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lambda<F>(
    /// The function.
    pub F,
);

impl<T: Float, F> Parts<T> for Lambda<F> {
    fn walk(&self, _: &str, _: &mut dyn FnMut(&str, Part<'_, T>)) {}
    fn walk_mut(&mut self, _: &str, _: &mut dyn FnMut(&str, PartMut<'_, T>)) {}
}

impl<T: Float, F: Fn(&Var<T>) -> Result<Var<T>>> Module<T> for Lambda<F> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        self.0(x)
    }
}

/// Dimensions joined into one; by default all but the first, which counts the examples.
///
/// ```
/// use nn::prelude::*;
/// let x = Var::from(Tensor::<f32>::zeros([2, 3, 4, 5])?);
/// assert_eq!(Flatten::new().forward(&x)?.shape(), [2, 60]);
/// assert_eq!(Flatten::dims(0, 2).forward(&x)?.shape(), [24, 5]);
/// # Ok::<(), nn::Error>(())
/// ```
/// Its like in PyTorch is [`torch.nn.Flatten`](https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flatten {
    start: isize,
    end: isize,
}

impl Flatten {
    /// All dimensions but the first.
    pub fn new() -> Self {
        Self::dims(1, -1)
    }

    /// The dimensions from `start` to `end`, which is counted in; negative ones count from the end.
    pub fn dims(start: isize, end: isize) -> Self {
        Flatten { start, end }
    }
}

impl Default for Flatten {
    fn default() -> Self {
        Self::new()
    }
}

crate::parts!(Flatten {});

impl<T: Float> Module<T> for Flatten {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        x.flatten(self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    #[test]
    fn widths_that_make_no_network_are_refused() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for widths in [&[][..], &[3], &[3, 0, 2]] {
            let error = Sequential::<f32>::mlp(widths, Activation::ReLU, &mut rng).err();
            assert_eq!(
                error.map(|e| e.to_string()),
                Some(format!(
                    "mlp: widths is {widths:?}, but it must list at least two, those of input and output, and none may be 0"
                ))
            );
        }
    }
}
