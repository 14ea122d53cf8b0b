//! The trait of everything that has parameters and computes.

use losses::autograd::{Float, Param};
use losses::{Result, Tensor, Var};

/// A function of its input and of parameters that training changes.
///
/// One `forward` serves training and inference: for an input on a tape the parameters enter that tape, for a
/// constant nothing is recorded.
///
/// ```
/// use nn::prelude::*;
///
/// /// `y = a x`
/// struct Scale {
///     a: Param<f32>,
/// }
///
/// impl Module<f32> for Scale {
///     fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
///         x.mul(self.a.on(x))
///     }
///     fn visit(&self, f: &mut dyn FnMut(&str, &Param<f32>)) {
///         f("a", &self.a)
///     }
///     fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param<f32>)) {
///         f("a", &mut self.a)
///     }
/// }
///
/// let scale = Scale { a: Param::new(Tensor::from([3.0])) };
/// let y = scale.forward(&Tape::new().input(Tensor::from([2.0])))?;
/// assert_eq!(y.backward()?.get(&scale.a)?.to_vec(), [2.0]);
/// assert_eq!(scale.num_parameters(), 1);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// Its like in PyTorch is [`torch.nn.Module`](https://pytorch.org/docs/stable/generated/torch.nn.Module.html).
pub trait Module<T: Float> {
    /// The output for the input `x`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for an input that the module cannot take.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>>;

    /// Calls `f` with the name of each parameter, such as `0.weight`, and the parameter, always in the same order.
    ///
    /// A module with parameters must write this and [`visit_mut`](Module::visit_mut); without them there are none.
    fn visit(&self, _f: &mut dyn FnMut(&str, &Param<T>)) {}

    /// As [`visit`](Module::visit), with parameters that can be changed.
    fn visit_mut(&mut self, _f: &mut dyn FnMut(&str, &mut Param<T>)) {}

    /// The number of elements in all parameters.
    fn num_parameters(&self) -> usize {
        let mut count = 0;
        self.visit(&mut |_, p| count += p.value().numel());
        count
    }

    /// The parameters by name, in the order of [`visit`](Module::visit): views, nothing is copied until one side
    /// changes.
    fn state_dict(&self) -> Vec<(String, Tensor<T>)> {
        let mut state = Vec::new();
        self.visit(&mut |name, p| state.push((name.to_string(), p.value().clone())));
        state
    }
}
