//! A model as a table.

use crate::module::{Module, Sizes};
use losses::autograd::{Float, IntoShape};
use losses::{Result, Tensor, Var};
use std::fmt::{Display, Formatter};

/// What data goes through in a model: layers, shapes of their outputs, parameters, bytes.
///
/// ```
/// use nn::prelude::*;
/// use rand::SeedableRng;
/// let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(0);
/// let model = Sequential::<f32>::new()
///     .push(Linear::new(64, 32, &mut rng)?)
///     .push(ReLU)
///     .push(Linear::new(32, 10, &mut rng)?);
/// assert_eq!(
///     Summary::new(&model, [1, 64])?.to_string(),
///     "\
/// name  layer           output   parameters  bytes
/// 0     Linear(64, 32)  [1, 32]       2,080  8,320
/// 1     ReLU            [1, 32]           0      0
/// 2     Linear(32, 10)  [1, 10]         330  1,320
/// sum                   [1, 10]       2,410  9,640
/// "
/// );
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Summary {
    rows: Vec<Row>,
    output: Vec<usize>,
}

/// One module.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    what: String,
    output: Vec<usize>,
    sizes: Sizes,
}

impl Summary {
    /// Runs `model` once, without a tape, on zeros of the shape `input`, and writes down what they go through.
    ///
    /// # Errors
    /// Whatever the model returns for such an input.
    pub fn new<T: Float>(model: &(impl Module<T> + ?Sized), input: impl IntoShape) -> Result<Self> {
        let mut rows = Vec::new();
        let x = Var::from(Tensor::zeros(input)?);
        let y = model.trace(&x, "", &mut |traced| {
            rows.push(Row {
                name: traced.name.to_string(),
                what: traced.what,
                output: traced.output.shape().to_vec(),
                sizes: traced.sizes,
            });
        })?;
        Ok(Summary {
            rows,
            output: y.shape().to_vec(),
        })
    }

    /// How much all modules hold.
    pub fn sizes(&self) -> Sizes {
        let mut sum = Sizes::default();
        for row in &self.rows {
            sum.parameters += row.sizes.parameters;
            sum.buffers += row.sizes.buffers;
            sum.bytes += row.sizes.bytes;
        }
        sum
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let sum = self.sizes();
        let has_buffers = sum.buffers > 0;
        let cells = |name: &str, what: &str, output: &[usize], sizes: Sizes| {
            let buffers = has_buffers.then(|| grouped(sizes.buffers));
            let numbers = [
                Some(grouped(sizes.parameters)),
                buffers,
                Some(grouped(sizes.bytes)),
            ];
            let texts = [name.to_string(), what.to_string(), format!("{output:?}")];
            texts
                .into_iter()
                .chain(numbers.into_iter().flatten())
                .collect::<Vec<_>>()
        };
        let heads = ["name", "layer", "output", "parameters", "buffers", "bytes"];
        let head = (heads.into_iter()).filter(|&h| has_buffers || h != "buffers");
        let mut table = vec![head.map(String::from).collect::<Vec<_>>()];
        table.extend((self.rows.iter()).map(|r| cells(&r.name, &r.what, &r.output, r.sizes)));
        table.push(cells("sum", "", &self.output, sum));
        let width = |column: usize| {
            let cells = table.iter().filter_map(|row| row.get(column));
            cells.map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..table[0].len()).map(width).collect();
        for row in &table {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(i, (cell, &width))| {
                    // Words to the left, numbers to the right.
                    if i < 3 {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  "))?;
        }
        Ok(())
    }
}

/// A number with commas between its thousands.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
