//! Differentiable programs on small tensors: reverse mode against forward mode by dual numbers, element by element, and
//! against differences; products with the Hessian against differences of gradients. Away from kinks.

mod dual;
mod functions;
mod steps;

use crate::array::{Array, was_too_large};
use dual::{Dual, met_kink};
use fuzz_losses::draw::Draw;
use losses::autograd::{GradOptions, Result, Tape, Tensor, Var, grad, hvp};

type Library = Box<dyn Fn(&[&Var<f64>]) -> Result<Var<f64>>>;
type Reference = Box<dyn Fn(&[&Array<Dual>]) -> Option<Array<Dual>>>;

/// One operation, in the library and in the reference.
pub struct Step {
    pub name: &'static str,
    /// Which of the values so far.
    pub operands: Vec<usize>,
    pub library: Library,
    pub reference: Reference,
}

/// A program: its leaves' values, and its operations.
struct Program {
    leaves: Vec<Array<f64>>,
    steps: Vec<Step>,
}

/// Larger values than this come with derivatives of which differences see nothing.
const LARGEST: f64 = 50.0;

impl Program {
    /// Operations that apply to what is there, away from kinks.
    fn draw(draw: &mut Draw<'_>) -> Self {
        let mut leaves = Vec::new();
        for _ in 0..1 + draw.below(3) {
            let shape = draw.shape(3, 8);
            let data = (0..shape.iter().product::<usize>())
                .map(|_| draw.between(-3000, 3000) as f64 / 1000.0 + 0.0137);
            leaves.push(Array {
                data: data.collect(),
                shape,
            });
        }
        let mut program = Program {
            leaves,
            steps: Vec::new(),
        };
        let mut values: Vec<Array<Dual>> = program
            .leaves
            .iter()
            .map(|x| x.map(|&v| Dual::of(v)))
            .collect();
        let mut vars: Vec<Var<f64>> = program.leaves.iter().map(|x| tensor(x).into()).collect();
        for _ in 0..16 {
            if draw.is_empty() {
                break;
            }
            let step = steps::draw(draw, &values);
            let operands: Vec<&Array<Dual>> = step.operands.iter().map(|&i| &values[i]).collect();
            let made = (step.reference)(&operands);
            let var = {
                let operands: Vec<&Var<f64>> = step.operands.iter().map(|&i| &vars[i]).collect();
                (step.library)(&operands)
            };
            if met_kink() | was_too_large() {
                continue;
            }
            let shapes: Vec<&Vec<usize>> = operands.iter().map(|x| &x.shape).collect();
            let Some(made) = made else {
                assert!(
                    var.is_err(),
                    "{} {shapes:?}: should be an error, is {var:?}",
                    step.name
                );
                continue;
            };
            let var = var.unwrap_or_else(|e| panic!("{} {shapes:?}: {e}", step.name));
            assert_eq!(var.shape(), made.shape, "{} {shapes:?}", step.name);
            let off = |(a, b): (&f64, &Dual)| (a - b.v).abs() > 1e-11 * (1.0 + b.v.abs());
            let wild = |x: &Dual| !x.v.is_finite() || x.v.abs() > LARGEST;
            // Where nothing is left of an operand, no kink was met that its own derivatives may have.
            let vanished = made.numel() == 0 && operands.iter().any(|x| x.numel() > 0);
            if made.data.iter().any(wild) || made.numel() > 64 || vanished {
                continue;
            }
            let wrong = var.value().to_vec().iter().zip(&made.data).any(off);
            assert!(
                !wrong,
                "{} {operands:?}: {:?}, and should be {made:?}",
                step.name,
                var.value().to_vec()
            );
            values.push(made);
            vars.push(var);
            program.steps.push(step);
        }
        program
    }

    /// The values of all operations: the sum of the last ones, each weighted.
    fn library(&self, leaves: &[Var<f64>]) -> Result<Var<f64>> {
        let mut values = leaves.to_vec();
        for step in &self.steps {
            let operands: Vec<&Var<f64>> = step.operands.iter().map(|&i| &values[i]).collect();
            values.push((step.library)(&operands)?);
        }
        let mut total = Var::from(Tensor::scalar(0.0));
        for (k, y) in values.iter().rev().take(3).enumerate() {
            let weights: Vec<f64> = (0..y.numel()).map(|i| weight(k, i)).collect();
            let weights = Var::from(Tensor::from_vec(weights, y.shape())?);
            total = total.add(y.mul(weights)?.sum(..)?)?;
        }
        Ok(total)
    }

    /// The same by dual numbers along a direction, which has one number for each element of the leaves; and the largest
    /// derivative on the way.
    fn reference(&self, direction: &[f64]) -> (Dual, f64) {
        let mut direction = direction.iter();
        let mut along = |&v: &f64| Dual {
            v,
            d: *direction.next().expect("a direction"),
        };
        let mut values: Vec<Array<Dual>> = self.leaves.iter().map(|x| x.map(&mut along)).collect();
        for step in &self.steps {
            let operands: Vec<&Array<Dual>> = step.operands.iter().map(|&i| &values[i]).collect();
            values.push((step.reference)(&operands).expect("it was there before"));
        }
        let steepest = values
            .iter()
            .flat_map(|x| &x.data)
            .fold(1.0, |m: f64, x| m.max(x.d.abs()));
        let mut total = Dual::of(0.0);
        for (k, y) in values.iter().rev().take(3).enumerate() {
            for (i, &x) in y.data.iter().enumerate() {
                total = total + x * Dual::of(weight(k, i));
            }
        }
        (total, steepest)
    }

    fn names(&self) -> Vec<(&'static str, &[usize])> {
        self.steps
            .iter()
            .map(|s| (s.name, &s.operands[..]))
            .collect()
    }

    /// The gradients by all leaves at these values, in one row.
    fn gradient(&self, at: &[Tensor<f64>]) -> Result<Vec<f64>> {
        let tape = Tape::new();
        let leaves: Vec<Var<f64>> = at.iter().map(|x| tape.leaf(x.clone())).collect();
        let y = self.library(&leaves)?;
        let wanted: Vec<&Var<f64>> = leaves.iter().collect();
        let found = grad(&[&y], &wanted, GradOptions::new().allow_unused(true))?;
        Ok(found.iter().flat_map(|dx| dx.value().to_vec()).collect())
    }

    fn value(&self, at: &[Tensor<f64>]) -> f64 {
        let leaves: Vec<Var<f64>> = at.iter().map(Var::from).collect();
        let y = self.library(&leaves).expect("it was there before");
        y.item().expect("one number")
    }

    /// The leaves moved by `step` along `direction`, which has one number for each element.
    fn moved(&self, step: f64, direction: &[f64]) -> Vec<Tensor<f64>> {
        let mut direction = direction.iter();
        let mut leaf =
            |x: &Array<f64>| tensor(&x.map(|v| v + step * direction.next().expect("a direction")));
        self.leaves.iter().map(&mut leaf).collect()
    }
}

fn tensor(x: &Array<f64>) -> Tensor<f64> {
    Tensor::from_vec(x.data.clone(), &x.shape).expect("as many as the shape holds")
}

/// Different ones, so that no error cancels.
fn weight(k: usize, i: usize) -> f64 {
    0.3 + 0.11 * ((i * 5 + k * 3) % 7) as f64 - 0.4 * (i % 2) as f64
}

/// A slope by differences of two widths, the narrow one of which is given, and how much it may be off; `None` where they
/// disagree.
fn difference(width: f64, f: impl Fn(f64) -> f64) -> Option<(f64, f64)> {
    let slope = |h: f64| (f(h) - f(-h)) / (2.0 * h);
    let (wide, narrow) = (slope(2.0 * width), slope(width));
    let best = narrow + (narrow - wide) / 3.0;
    let room = (narrow - wide).abs() + 1e-7 * (1.0 + best.abs());
    (room < 1e-3 * (1.0 + best.abs())).then_some((best, room))
}

/// One input.
pub fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let program = Program::draw(&mut draw);
    let start: Vec<Tensor<f64>> = program.leaves.iter().map(tensor).collect();
    let places: Vec<(usize, usize)> = (program.leaves.iter().enumerate())
        .flat_map(|(l, x)| (0..x.numel()).map(move |i| (l, i)))
        .collect();
    let reverse = match program.gradient(&start) {
        Ok(reverse) => reverse,
        Err(e) => {
            // Only a result that depends on no leaf, such as one behind `floor`, has no gradient: its slopes are 0.
            assert!(e.to_string().contains("leaf"), "{:?}: {e}", program.names());
            for at in 0..places.len() {
                let one: Vec<f64> = (0..places.len()).map(|i| f64::from(i == at)).collect();
                let (y, _) = program.reference(&one);
                assert!(
                    y.d == 0.0,
                    "{:?}: {e}, but forward mode {}",
                    program.names(),
                    y.d
                );
            }
            met_kink();
            return;
        }
    };
    let mut smooth = true;
    for (at, (place, &g)) in places.iter().zip(&reverse).enumerate() {
        let one: Vec<f64> = (0..places.len()).map(|i| f64::from(i == at)).collect();
        let (y, steepest) = program.reference(&one);
        if steepest > 1e6 {
            smooth = false;
            continue;
        }
        assert!(
            (g - y.d).abs() <= 1e-9 * (steepest + y.d.abs()),
            "{:?} on {:?}: reverse mode gives {g} at {place:?}, forward mode {}",
            program.names(),
            program.leaves,
            y.d
        );
    }
    met_kink();
    if smooth && !places.is_empty() {
        let direction: Vec<f64> = (0..places.len())
            .map(|i| [0.7, -0.4, 1.1, 0.2][i % 4])
            .collect();
        let (_, steepest) = program.reference(&direction);
        met_kink();
        // Narrow enough that no value comes to the kink that it is away from.
        let width = 1e-4 / (steepest / 10.0).max(1.0);
        if steepest > 1e4 {
            return;
        }
        let slope: f64 = reverse.iter().zip(&direction).map(|(g, v)| g * v).sum();
        let steep: f64 = reverse.iter().map(|g| g.abs()).sum();
        if let Some((found, room)) =
            difference(width, |h| program.value(&program.moved(h, &direction)))
        {
            assert!(
                (slope - found).abs() <= 10.0 * room + 1e-7 * steep,
                "{:?} on {:?}: reverse mode gives {slope} along {direction:?}, differences {found} ± {room}",
                program.names(),
                program.leaves
            );
        }
        // Differences of large gradients see little of the second derivative.
        if steepest < 100.0 {
            second(&program, &start, &direction, width);
        }
    }
}

/// The product of the Hessian and a direction, against differences of the gradient.
fn second(program: &Program, start: &[Tensor<f64>], direction: &[f64], width: f64) {
    let mut rest = direction;
    let v: Vec<Tensor<f64>> = (start.iter())
        .map(|x| {
            let (own, other) = rest.split_at(x.numel());
            rest = other;
            Tensor::from_slice(own, x.shape()).expect("as many as the shape holds")
        })
        .collect();
    let product = match hvp(|x| program.library(x), start, &v) {
        Ok((_, product)) => product,
        Err(e) => panic!(
            "{:?} on {:?}: second derivative: {e}",
            program.names(),
            program.leaves
        ),
    };
    let product: Vec<f64> = product.iter().flat_map(|x| x.value().to_vec()).collect();
    let gradient = |h: f64| {
        program
            .gradient(&program.moved(h, direction))
            .expect("it was there before")
    };
    let sides: Vec<(f64, Vec<f64>)> = [2.0 * width, -2.0 * width, width, -width]
        .map(|h| (h, gradient(h)))
        .to_vec();
    for (i, hv) in product.iter().enumerate() {
        let along = |h: f64| sides.iter().find(|s| s.0 == h).map_or(f64::NAN, |s| s.1[i]);
        if let Some((slope, room)) = difference(width, along) {
            let steep = sides[0].1[i].abs();
            assert!(
                (hv - slope).abs() <= 10.0 * room + 1e-7 * (1.0 + steep),
                "{:?} on {:?}: the second derivative is {hv} at {i}, by differences {slope} ± {room}",
                program.names(),
                program.leaves
            );
        }
    }
}
