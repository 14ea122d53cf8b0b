//! What has parameters, and what computes with them.

use crate::parts::{Buffer, Count, Draws};
use crate::state::State;
use losses::autograd::{Float, Param};
use losses::{Result, Tensor, Var};
use std::borrow::Cow;

/// A named part of a model, as [`Parts::walk`] shows it.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a, T: Float> {
    /// What training changes by gradients.
    Param(&'a Param<T>),
    /// A tensor without a gradient, such as a running mean.
    Buffer(&'a Buffer<T>),
    /// A number that counts, kept in files as PyTorch keeps it.
    Count(&'a Count),
    /// A generator, which PyTorch's files do not know.
    Draws(&'a Draws),
}

/// A named part of a model that can be changed, as [`Parts::walk_mut`] shows it.
#[derive(Debug)]
pub enum PartMut<'a, T: Float> {
    /// What training changes by gradients.
    Param(&'a mut Param<T>),
    /// A tensor without a gradient, such as a running mean.
    Buffer(&'a mut Buffer<T>),
    /// A number that counts.
    Count(&'a mut Count),
    /// A generator.
    Draws(&'a mut Draws),
    /// How a layer knows whether it trains.
    Mode(&'a mut Mode),
}

/// Everything that has parameters: a layer, a model, a parameter itself.
///
/// A model is a struct of layers and parameters; [`parts!`](crate::parts!) lists its fields, and gives them their
/// names. Optimizers and checkpoints ask for this trait alone.
///
/// ```
/// use nn::prelude::*;
/// use rand::SeedableRng;
///
/// struct Pair {
///     left: Linear<f32>,
///     right: Linear<f32>,
///     scale: Param<f32>,
/// }
/// nn::parts!(Pair: f32 { left, right, scale });
///
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let pair = Pair {
///     left: Linear::new(2, 3, &mut rng)?,
///     right: Linear::new(4, 3, &mut rng)?.without_bias(),
///     scale: Param::new(Tensor::scalar(1.0)),
/// };
/// let names: Vec<_> = pair.state_dict().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["left.weight", "left.bias", "right.weight", "scale"]);
/// assert_eq!(pair.num_parameters(), 2 * 3 + 3 + 4 * 3 + 1);
/// # Ok::<(), nn::Error>(())
/// ```
pub trait Parts<T: Float> {
    /// Calls `f` with each part and its name, such as `encoder.weight`, always in the same order; `name` is that of
    /// the whole, and empty for a model.
    fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, T>));

    /// As [`walk`](Parts::walk), with parts that can be changed.
    fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, T>));

    /// Calls `f` with the name of each parameter and the parameter.
    fn visit(&self, f: &mut dyn FnMut(&str, &Param<T>)) {
        self.walk("", &mut |name, part| {
            if let Part::Param(p) = part {
                f(name, p)
            }
        });
    }

    /// Calls `f` with the name of each parameter and the parameter, to be changed.
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        self.walk_mut("", &mut |name, part| {
            if let PartMut::Param(p) = part {
                f(name, p)
            }
        });
    }

    /// The number of elements in all parameters.
    fn num_parameters(&self) -> usize {
        let mut count = 0;
        self.visit(&mut |_, p| count += p.value().numel());
        count
    }

    /// Parameters and buffers by name, in order: views, nothing is copied until one side changes.
    ///
    /// [`state`](Parts::state) holds what else there is.
    fn state_dict(&self) -> Vec<(String, Tensor<T>)> {
        let mut dict = Vec::new();
        self.walk("", &mut |name, part| match part {
            Part::Param(p) => dict.push((name.to_string(), p.value().clone())),
            Part::Buffer(b) => dict.push((name.to_string(), b.value())),
            _ => {}
        });
        dict
    }

    /// All that training changes, to be kept in memory or in a file.
    ///
    /// ```
    /// use nn::prelude::*;
    /// let mut layer = Linear { weight: Param::new(Tensor::from([[1.0f32]])), bias: None };
    /// let best = layer.state();
    /// *layer.weight.value_mut() = Tensor::from([[7.0]]);
    /// layer.load_state(&best)?;
    /// assert_eq!(layer.weight.value().item()?, 1.0);
    /// # Ok::<(), nn::Error>(())
    /// ```
    fn state(&self) -> State<T> {
        let mut state = State::new();
        self.walk("", &mut |name, part| match part {
            Part::Param(p) => state.set_tensor(name, p.value().clone()),
            Part::Buffer(b) => state.set_tensor(name, b.value()),
            Part::Count(c) => state.set_count(name, c.get()),
            Part::Draws(d) => state.set_note(name, d.to_note()),
        });
        state
    }

    /// Takes over what [`state`](Parts::state) gave: parameters, buffers and counts must all be there under their
    /// names with their shapes, and no other. Sections and notes that do not belong to the model do not matter.
    ///
    /// # Errors
    /// [`Error::Value`](crate::Error::Value) that lists what is missing, unexpected or of another shape; then nothing
    /// is changed.
    fn load_state(&mut self, state: &State<T>) -> Result<()> {
        state.fits("load_state", self)?;
        self.walk_mut("", &mut |name, part| match part {
            PartMut::Param(p) => {
                if let Some(x) = state.tensor(name) {
                    *p.value_mut() = x.clone();
                }
            }
            PartMut::Buffer(b) => {
                if let Some(x) = state.tensor(name) {
                    b.set(x.clone());
                }
            }
            PartMut::Count(c) => {
                if let Some(n) = state.count(name) {
                    c.set(n);
                }
            }
            // PyTorch's files have no generators: there the model's own goes on.
            PartMut::Draws(d) => {
                if let Some(draws) = state.note(name).and_then(Draws::from_note) {
                    *d = draws;
                }
            }
            PartMut::Mode(_) => {}
        });
        Ok(())
    }

    /// How all layers inside know whether they train.
    fn set_mode(&mut self, mode: Mode) {
        self.walk_mut("", &mut |_, part| {
            if let PartMut::Mode(m) = part {
                *m = mode;
            }
        });
    }
}

/// How a layer that acts differently in training and in use, such as [`Dropout`](crate::Dropout), knows which it is.
///
/// By default the data says it: what lies on a tape is trained with, plain data is not. So nothing can be forgotten
/// between training and testing. The other two are for what is rare: gradients of a model in use, or random
/// predictions.
///
/// ```
/// use nn::prelude::*;
/// let mut model = Sequential::<f32>::new().push(Dropout::new(1.0, 7)?);
/// let x = Tensor::ones([3])?;
/// assert_eq!(model.forward(&Tape::new().input(x.clone()))?.value().to_vec(), [0.0; 3]);
/// assert_eq!(model.forward(&Var::from(&x))?.value().to_vec(), [1.0; 3]);
/// model.set_mode(Mode::Eval);
/// assert_eq!(model.forward(&Tape::new().input(x))?.value().to_vec(), [1.0; 3]);
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Data on a tape trains, plain data does not.
    #[default]
    ByTape,
    /// Always training, whatever the data.
    Train,
    /// Never training, whatever the data.
    Eval,
}

impl Mode {
    /// Whether a layer in this mode trains with `x`.
    pub fn trains<T: Float>(self, x: &Var<T>) -> bool {
        match self {
            Mode::ByTape => x.tape().is_some(),
            Mode::Train => true,
            Mode::Eval => false,
        }
    }
}

/// A function of one input and of parameters that training changes.
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
/// nn::parts!(Scale: f32 { a });
///
/// impl Module<f32> for Scale {
///     fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
///         x.mul(self.a.on(x))
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
pub trait Module<T: Float>: Parts<T> {
    /// The output for the input `x`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for an input that the module cannot take.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>>;

    /// What this is, in a line: the type's name, and for a layer its sizes.
    fn describe(&self) -> String {
        let full = std::any::type_name::<Self>();
        let bare = full.split('<').next().unwrap_or(full);
        bare.rsplit("::").next().unwrap_or(bare).to_string()
    }

    /// As [`forward`](Module::forward), and tells `report` of each module that the data goes through: its name, what
    /// it is, its output and its parameters. A module that holds others in a row may tell of these instead.
    ///
    /// # Errors
    /// Those of [`forward`](Module::forward).
    fn trace(
        &self,
        x: &Var<T>,
        name: &str,
        report: &mut dyn FnMut(Traced<'_, T>),
    ) -> Result<Var<T>> {
        let y = self.forward(x)?;
        let mut sizes = Sizes::default();
        self.walk("", &mut |_, part| sizes.add(part));
        report(Traced {
            name,
            what: self.describe(),
            output: &y,
            sizes,
        });
        Ok(y)
    }
}

/// A module that data went through, as [`Module::trace`] tells of it.
#[derive(Debug)]
pub struct Traced<'a, T: Float> {
    /// Its name in the model.
    pub name: &'a str,
    /// What it is.
    pub what: String,
    /// What it made of the data.
    pub output: &'a Var<T>,
    /// How much it holds.
    pub sizes: Sizes,
}

/// How many elements a module holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Elements of parameters.
    pub parameters: usize,
    /// Elements of buffers and counts.
    pub buffers: usize,
    /// Bytes of all of them.
    pub bytes: usize,
}

impl Sizes {
    /// With one part more.
    pub fn add<T: Float>(&mut self, part: Part<'_, T>) {
        match part {
            Part::Param(p) => {
                self.parameters += p.value().numel();
                self.bytes += p.value().numel() * size_of::<T>();
            }
            Part::Buffer(b) => {
                self.buffers += b.value().numel();
                self.bytes += b.value().numel() * size_of::<T>();
            }
            Part::Count(_) => {
                self.buffers += 1;
                self.bytes += size_of::<i64>();
            }
            Part::Draws(_) => {}
        }
    }
}

/// The name of a part within a whole.
#[doc(hidden)]
pub fn join<'a>(whole: &str, part: &'a str) -> Cow<'a, str> {
    if whole.is_empty() {
        return Cow::Borrowed(part);
    }
    // Every step of an optimizer walks over all names: `format!` takes longer than small updates do.
    let mut name = String::with_capacity(whole.len() + 1 + part.len());
    name.push_str(whole);
    name.push('.');
    name.push_str(part);
    Cow::Owned(name)
}

/// Implements [`Parts`] for a struct from the list of its fields that have parameters; their names are the fields'.
///
/// The struct is generic over its element type, has one, or, having no parameters of its own, serves any:
///
/// ```
/// use nn::prelude::*;
/// struct Net<T: Float> { layers: Vec<Linear<T>>, head: Option<Linear<T>> }
/// nn::parts!(Net<T> { layers, head });
///
/// struct Small { head: Linear<f64> }
/// nn::parts!(Small: f64 { head });
///
/// struct Noisy { dropout: Dropout }
/// nn::parts!(Noisy { dropout });
/// ```
///
/// A field may be a [`Param`], a [`Buffer`], any layer or model, and an `Option`, a `Vec` or a `Box` of these. The
/// second of the three expands to
///
/// ```
/// # use nn::prelude::*;
/// # struct Small { head: Linear<f64> }
/// impl Parts<f64> for Small {
///     fn walk(&self, name: &str, f: &mut dyn FnMut(&str, Part<'_, f64>)) {
///         self.head.walk(&nn::module::join(name, "head"), f);
///     }
///     fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, PartMut<'_, f64>)) {
///         self.head.walk_mut(&nn::module::join(name, "head"), f);
///     }
/// }
/// ```
#[macro_export]
macro_rules! parts {
    ($model:ident<$t:ident> { $($field:ident),* $(,)? }) => {
        $crate::parts!(@impl [<$t: $crate::Float>] $t, $model<$t>, $($field)*);
    };
    ($model:ident<$t:ident, const $n:ident: usize> { $($field:ident),* $(,)? }) => {
        $crate::parts!(@impl [<$t: $crate::Float, const $n: usize>] $t, $model<$t, $n>, $($field)*);
    };
    ($model:ident: $t:ty { $($field:ident),* $(,)? }) => {
        $crate::parts!(@impl [] $t, $model, $($field)*);
    };
    ($model:ident { $($field:ident),* $(,)? }) => {
        $crate::parts!(@impl [<T: $crate::Float>] T, $model, $($field)*);
    };
    (@impl [$($generics:tt)*] $t:ty, $model:ty, $($field:ident)*) => {
        impl $($generics)* $crate::Parts<$t> for $model {
            fn walk(&self, name: &str, f: &mut dyn FnMut(&str, $crate::Part<'_, $t>)) {
                let _ = (name, &f);
                $($crate::Parts::<$t>::walk(&self.$field, &$crate::module::join(name, stringify!($field)), f);)*
            }
            fn walk_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, $crate::PartMut<'_, $t>)) {
                let _ = (name, &f);
                $($crate::Parts::<$t>::walk_mut(&mut self.$field, &$crate::module::join(name, stringify!($field)), f);)*
            }
        }
    };
}
