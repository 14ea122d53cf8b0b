//! What it takes to train a small network: modules, optimizers, data sets, metrics and checkpoints.
//!
//! ```
//! use nn::prelude::*;
//! use rand::SeedableRng;
//!
//! let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
//! let (train, test) = nn::data::iris()?.split(0.3, &mut rng)?;
//! let scale = Standardize::fit(&train.x)?; // of the training part alone: the test part stays unseen
//! let mut model = Sequential::mlp(&[4, 16, 3], ReLU, &mut rng)?;
//! let mut optimizer = Adam::new(0.01);
//!
//! for _ in 0..40 {
//!     for batch in train.batches(16, &mut rng)? {
//!         let tape = Tape::new();
//!         let logits = model.forward(&tape.input(scale.apply(&batch.x)?))?;
//!         let grads = cross_entropy(&logits, &batch.y)?.backward()?;
//!         drop(logits); // nothing looks at the parameters any more: the step below writes them in place
//!         optimizer.step(&mut model, &grads)?;
//!     }
//! }
//!
//! let logits = model.forward(&Var::from(scale.apply(&test.x)?))?; // a constant: nothing is recorded
//! assert!(accuracy(&logits.value().argmax(1)?, &test.y)? > 0.9);
//! # Ok::<(), nn::Error>(())
//! ```
//!
//! A generator of random numbers is always the caller's: `ChaCha8Rng` needs `rand = { version = "0.10", features =
//! ["chacha"] }` in `Cargo.toml`, and any other of `rand` serves as well.
//!
//! A step from several batches, for which PyTorch adds to `.grad`, adds their
//! [gradients](autograd::Gradients::accumulate):
//!
//! ```
//! use nn::prelude::*;
//! # use rand::SeedableRng;
//! # let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
//! # let train = nn::data::iris()?;
//! # let mut model = Sequential::mlp(&[4, 16, 3], ReLU, &mut rng)?;
//! # let mut optimizer = Adam::new(0.01);
//! let mut sum = None;
//! for (i, batch) in train.batches(10, &mut rng)?.enumerate() {
//!     let logits = model.forward(&Tape::new().input(batch.x))?;
//!     let grads = cross_entropy(&logits, &batch.y)?.div(5.0)?.backward()?; // a fifth each: the step follows the mean
//!     drop(logits);
//!     match &mut sum {
//!         None => sum = Some(grads),
//!         Some(sum) => sum.accumulate(grads)?,
//!     }
//!     if (i + 1) % 5 == 0
//!         && let Some(grads) = sum.take()
//!     {
//!         optimizer.step(&mut model, &grads)?;
//!     }
//! }
//! # Ok::<(), nn::Error>(())
//! ```
//!
//! The modules in the order in which to read them: [`module`] is what models implement, and [`mod@parts`] what they
//! hold; [`layers`] are models, [`init`] gives them their start, [`summary`] shows them as a table; [`optim`] changes
//! their parameters, on a [schedule](optim::schedule); [`state`] is what training changes, and [`checkpoint`] keeps it in files; [`data`] loads and splits tables; [`metrics`] and
//! [`history`] say how well it went; [`trainer`] is the loop around it all.

#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod data;
pub mod history;
pub mod init;
pub mod layers;
pub mod metrics;
pub mod module;
pub mod optim;
pub mod parts;
pub mod state;
pub mod summary;
pub mod trainer;

pub use checkpoint::{load, save};
pub use layers::*;
pub use losses::autograd::{Float, Param};
pub use losses::{self, Error, Result, Tensor, Var, autograd, tensor_core};
pub use module::{Mode, Module, Part, PartMut, Parts};
pub use parts::{Buffer, Count, Draws};
pub use state::State;
pub use summary::Summary;

/// All that a training program needs: `use nn::prelude::*;`.
pub mod prelude {
    pub use crate::data::{Csv, Dataset, Standardize};
    pub use crate::history::{Epoch, History};
    pub use crate::layers::{Activation::*, *};
    pub use crate::metrics::{ConfusionMatrix, accuracy};
    pub use crate::optim::schedule::*;
    pub use crate::optim::*;
    pub use crate::trainer::{Every, Trainer, predict};
    pub use crate::{
        Buffer, Count, Draws, Mode, Module, Part, PartMut, Parts, State, Summary, load, save,
    };
    pub use losses::prelude::*;
}
