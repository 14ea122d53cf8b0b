//! Every loss with any options, targets and shapes, valid or not: `Ok` with the number that its definition in plain
//! operations gives, and its gradients, or `Err`; never a panic.

pub mod draw;
mod pairs;
mod rows;
mod sets;

use draw::Draw;
use losses::autograd::{GradOptions, Result, Tape, Tensor, Var, grad};
use losses::prelude::Reduction;

/// A loss of its differentiable inputs.
pub type Call = Box<dyn Fn(&[Var<f64>]) -> Result<Var<f64>>>;

/// One loss with options and targets that were drawn, its inputs being put into [`Make`].
pub type Entry = (&'static str, fn(&mut Make<'_, '_>) -> Call);

/// Where an input's numbers lie, mostly.
#[derive(Clone, Copy, PartialEq)]
pub enum Domain {
    /// Anywhere about 0.
    Any,
    /// Between 0 and 1.
    Share,
    /// Above 0.
    Positive,
    /// Below 0.
    Negative,
    /// 0 or 1.
    Truth,
    /// -1 or 1.
    Sign,
}

/// What a loss is made from.
pub struct Make<'d, 'a> {
    pub draw: &'d mut Draw<'a>,
    inputs: Vec<Tensor<f64>>,
    /// Whether no number is extreme and no two of an input are equal, so that kernel and definition must agree.
    tame: bool,
    /// How many numbers were drawn: each is a little different.
    count: usize,
}

impl Make<'_, '_> {
    /// A small shape.
    pub fn shape(&mut self, most: usize) -> Vec<usize> {
        const SIZES: [usize; 12] = [2, 3, 1, 4, 2, 3, 5, 7, 8, 9, 17, 0];
        let n = self.draw.below(most + 1);
        (0..n).map(|_| self.draw.pick(&SIZES)).take(4).collect()
    }

    /// Rows of classes.
    pub fn rows(&mut self) -> Vec<usize> {
        const ROWS: [usize; 8] = [2, 3, 1, 4, 5, 8, 9, 0];
        const CLASSES: [usize; 8] = [3, 2, 4, 5, 8, 1, 17, 0];
        vec![self.draw.pick(&ROWS), self.draw.pick(&CLASSES)]
    }

    /// That shape, or now and then another.
    pub fn near(&mut self, shape: &[usize]) -> Vec<usize> {
        if !self.draw.rarely(24) {
            return shape.to_vec();
        }
        let mut shape = shape.to_vec();
        match self.draw.below(3) {
            0 => shape.push(1),
            1 => drop(shape.pop()),
            _ => shape.iter_mut().take(1).for_each(|n| *n += 1),
        }
        shape
    }

    fn number(&mut self, domain: Domain) -> f64 {
        // No two alike, so that no tie or kink is met by accident.
        self.count += 1;
        let noise = (self.count as f64 * 0.618_033_988_749_895).fract() * 1e-3;
        let x = self.draw.between(-5000, 5000) as f64 / 1000.0;
        match domain {
            Domain::Any => x + noise,
            Domain::Share => ((x + 5.0) / 10.0).clamp(0.002, 0.998) + noise,
            Domain::Positive => x.abs() + 0.01 + noise,
            Domain::Negative => -x.abs() - 0.01 - noise,
            Domain::Truth => f64::from(x > 0.0),
            Domain::Sign => x.signum(),
        }
    }

    /// A tensor, lying in memory in some way.
    pub fn tensor(&mut self, shape: &[usize], domain: Domain) -> Tensor<f64> {
        let shape = self.near(shape);
        let numel: usize = shape.iter().product();
        let mut data: Vec<f64> = (0..numel).map(|_| self.number(domain)).collect();
        if numel > 0 && self.draw.rarely(12) {
            self.tame = false;
            let at = self.draw.below(numel);
            data[at] = self.draw.pick(&[
                0.0,
                1.0,
                -1.0,
                2.0,
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                1e4,
                -1e4,
                1e300,
                1e-300,
            ]);
        }
        let x = Tensor::from_vec(data, &shape).expect("as many as the shape holds");
        if shape.is_empty() {
            return x;
        }
        let laid = match self.draw.below(5) {
            0 => x
                .transpose(0, -1)
                .and_then(|x| x.contiguous().transpose(0, -1)),
            1 => x.flip(0).and_then(|x| x.contiguous().flip(0)),
            2 => {
                let gap = x.full_like(777.0);
                Tensor::stack(&[&x, &gap], x.ndim() as isize).and_then(|both| both.select(-1, 0))
            }
            3 if self.draw.rarely(3) => {
                self.tame = false;
                x.select(0, 0)
                    .and_then(|row| row.broadcast_to(&shape))
                    .or(Ok(x))
            }
            _ => Ok(x),
        };
        laid.expect("a layout")
    }

    /// A differentiable input.
    pub fn input(&mut self, shape: &[usize], domain: Domain) {
        let x = self.tensor(shape, domain);
        self.inputs.push(x);
    }

    /// Classes of `0..n`, now and then one outside.
    pub fn classes(&mut self, shape: &[usize], n: usize) -> Tensor<i64> {
        let shape = self.near(shape);
        let numel: usize = shape.iter().product();
        let mut data: Vec<i64> = (0..numel)
            .map(|_| self.draw.between(0, n.max(1) as i64 - 1))
            .collect();
        if numel > 0 && self.draw.rarely(6) {
            let at = self.draw.below(numel);
            data[at] = self
                .draw
                .pick(&[-100, -1, n as i64, 1 << 40, i64::MIN, i64::MAX]);
        }
        Tensor::from_vec(data, &shape).expect("as many as the shape holds")
    }

    pub fn mask(&mut self, shape: &[usize]) -> Option<Tensor<bool>> {
        self.draw.bit().then(|| {
            let shape = self.near(shape);
            let data = (0..shape.iter().product::<usize>())
                .map(|_| !self.draw.rarely(3))
                .collect();
            Tensor::from_vec(data, &shape).expect("as many as the shape holds")
        })
    }

    /// A weight for each element, or none.
    pub fn weight(&mut self, shape: &[usize]) -> Option<Tensor<f64>> {
        self.draw
            .rarely(3)
            .then(|| self.tensor(shape, Domain::Positive))
    }

    /// An option: one of these values, or now and then one that none of them is like.
    pub fn option(&mut self, good: &[f64]) -> f64 {
        if self.draw.rarely(20) {
            self.tame = false;
            self.draw.pick(&[
                f64::NAN,
                -1.0,
                f64::INFINITY,
                0.0,
                1e300,
                -1e-300,
                1.0,
                f64::NEG_INFINITY,
            ])
        } else {
            self.draw.pick(good)
        }
    }

    pub fn flag(&mut self) -> bool {
        self.draw.bit()
    }

    pub fn reduction(&mut self) -> Reduction {
        self.draw.pick(&[
            Reduction::Mean,
            Reduction::None,
            Reduction::Sum,
            Reduction::BatchMean,
        ])
    }

    pub fn ignore(&mut self) -> i64 {
        self.draw.pick(&[-100, -1, 0, 1, i64::MIN])
    }
}

/// Whether `got` is `want`, by the size of what is being computed.
fn close(got: &Tensor<f64>, want: &Tensor<f64>, size: f64) -> bool {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-8 * (size + b.abs()) || a == b;
    got.shape() == want.shape() && got.to_vec().iter().zip(&want.to_vec()).all(near)
}

/// One input.
pub fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let tables: [&[Entry]; 4] = [&pairs::TABLE, &rows::TABLE, &sets::TABLE, &sets::MORE];
    let count: usize = tables.iter().map(|t| t.len()).sum();
    let which = draw.below(count);
    let (name, make) = tables.concat()[which];
    let mut made = Make {
        draw: &mut draw,
        inputs: Vec::new(),
        tame: true,
        count: 0,
    };
    let call = make(&mut made);
    let (inputs, tame) = (made.inputs, made.tame);
    let tape = Tape::new();
    let leaves: Vec<Var<f64>> = inputs.iter().map(|x| tape.leaf(x.clone())).collect();
    let wanted: Vec<&Var<f64>> = leaves.iter().collect();
    let y = match call(&leaves) {
        Ok(y) => y,
        Err(e) => {
            assert!(e.to_string().contains(": "), "{name}: a bare message: {e}");
            return;
        }
    };
    if !y.is_tracked() {
        return;
    }
    // Without a gradient to come, the kernel takes another way to the same value.
    let constants: Vec<Var<f64>> = inputs.iter().map(Var::from).collect();
    let plain = call(&constants).expect("it was there before");
    let same = |(a, b): (&f64, &f64)| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * (1.0 + b.abs())
    };
    assert!(
        y.value()
            .to_vec()
            .iter()
            .zip(&plain.value().to_vec())
            .all(same),
        "{name} of {inputs:?} is {y} with a gradient, {plain} without"
    );
    let largest = |x: &Tensor<f64>| {
        x.to_vec()
            .iter()
            .filter(|v| v.is_finite())
            .fold(1.0, |m: f64, v| m.max(v.abs()))
    };
    let definition = y.by_definition();
    if let (true, Some(definition)) = (tame, definition) {
        let definition =
            definition.unwrap_or_else(|e| panic!("{name} of {inputs:?}: its definition: {e}"));
        let value = definition.value();
        let size = largest(value) + inputs.iter().map(largest).fold(1.0, f64::max);
        let finite = value.to_vec().iter().all(|v| v.is_finite());
        assert!(
            !finite || close(y.value(), value, size),
            "{name} of {:?} is {:?}, and by its definition {:?}",
            inputs
                .iter()
                .map(|x| (x.shape(), x.to_vec()))
                .collect::<Vec<_>>(),
            y.value().to_vec(),
            value.to_vec()
        );
    }
    // Each result weighs something else.
    let weights: Vec<f64> = (0..y.numel())
        .map(|i| 0.3 + 0.17 * (i % 5) as f64)
        .collect();
    let seed = Tensor::from_vec(weights, y.shape()).expect("as many as the shape holds");
    let options = || GradOptions::new().allow_unused(true);
    let first = options().seed([Var::from(&seed)]).retain_graph(true);
    let kernel = grad(&[&y], &wanted, first)
        .unwrap_or_else(|e| panic!("{name} of {inputs:?}: gradient: {e}"));
    // The gradient of a gradient is that of the definition.
    let recorded = options().seed([tape.leaf(seed)]).create_graph(true);
    let definition = grad(&[&y], &wanted, recorded)
        .unwrap_or_else(|e| panic!("{name} of {inputs:?}: second pass: {e}"));
    if !tame {
        return;
    }
    for (i, (dx, by_definition)) in kernel.iter().zip(&definition).enumerate() {
        let want = by_definition.value();
        let size = largest(want) + 1.0;
        let finite = want.to_vec().iter().all(|v| v.is_finite());
        assert!(
            !finite || close(dx.value(), want, size),
            "{name} of {:?}: the gradient of input {i} is {:?}, and by the definition {:?}",
            inputs
                .iter()
                .map(|x| (x.shape(), x.to_vec()))
                .collect::<Vec<_>>(),
            dx.value().to_vec(),
            want.to_vec()
        );
    }
}
