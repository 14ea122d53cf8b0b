//! Modules one after the other.

use crate::activation::Activation;
use crate::linear::Linear;
use crate::module::Module;
use losses::autograd::{Float, Param};
use losses::{Error, Result, Var};
use rand::Rng;

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
    modules: Vec<Box<dyn Module<T>>>,
}

impl<T: Float> Sequential<T> {
    /// No module yet: the output is the input.
    pub fn new() -> Self {
        Sequential {
            modules: Vec::new(),
        }
    }

    /// With one more module at the end.
    #[must_use]
    pub fn push(mut self, module: impl Module<T> + 'static) -> Self {
        self.modules.push(Box::new(module));
        self
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

impl<T: Float> Module<T> for Sequential<T> {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        self.modules
            .iter()
            .try_fold(x.clone(), |x, module| module.forward(&x))
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param<T>)) {
        for (i, module) in self.modules.iter().enumerate() {
            module.visit(&mut |name, p| f(&format!("{i}.{name}"), p));
        }
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        for (i, module) in self.modules.iter_mut().enumerate() {
            module.visit_mut(&mut |name, p| f(&format!("{i}.{name}"), p));
        }
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
