//! A list of losses to check, and what a check comes to.

use nn::autograd::check::{Report, Status};
use nn::prelude::*;
use rand::rngs::ChaCha8Rng;

/// A loss of its differentiable inputs.
type Call = Box<dyn Fn(&[Var<f64>], Reduction) -> Result<Var<f64>>>;

/// A loss with one choice of options, and the point at which it is checked.
pub struct Entry {
    pub family: &'static str,
    pub loss: &'static str,
    pub options: &'static str,
    pub inputs: Vec<Tensor<f64>>,
    reductions: &'static [Reduction],
    call: Call,
}

/// How many derivatives agree.
#[derive(Default)]
pub struct Outcome {
    pub first: usize,
    pub second: usize,
    pub kinks: usize,
    pub wrong: usize,
    /// What was found where something is wrong.
    pub reports: Vec<String>,
}

impl Entry {
    /// The loss.
    pub fn call(&self, v: &[Var<f64>], reduction: Reduction) -> Result<Var<f64>> {
        (self.call)(v, reduction)
    }

    /// Compares first derivatives with differences, and second ones if asked to.
    pub fn check(&self, second: bool) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for &reduction in self.reductions {
            let f = |v: &[Var<f64>]| self.call(v, reduction);
            let report = gradcheck(f, &self.inputs)?;
            outcome.first += report.compared;
            outcome.add(&report);
            if second {
                let report = gradgradcheck(f, &self.inputs)?;
                outcome.second += report.compared;
                outcome.add(&report);
            }
        }
        Ok(outcome)
    }
}

impl Outcome {
    fn add(&mut self, report: &Report) {
        self.kinks += report.count(Status::Kink);
        if !report.is_ok() {
            self.wrong += report.count(Status::Wrong).max(1);
            self.reports.push(report.to_string());
        }
    }
}

/// Entries as they are added, and points drawn for them.
pub struct Book<'a> {
    family: &'static str,
    entries: Vec<Entry>,
    rng: &'a mut ChaCha8Rng,
}

impl<'a> Book<'a> {
    pub fn new(rng: &'a mut ChaCha8Rng) -> Self {
        Book {
            family: "",
            entries: Vec::new(),
            rng,
        }
    }

    pub fn entries(self) -> Vec<Entry> {
        self.entries
    }

    /// All that follows is of this family.
    pub fn family(&mut self, name: &'static str) {
        self.family = name;
    }

    /// A loss with some options, checked with each element, their sum and their mean.
    pub fn add(
        &mut self,
        loss: &'static str,
        options: &'static str,
        inputs: &[&Tensor<f64>],
        call: impl Fn(&[Var<f64>], Reduction) -> Result<Var<f64>> + 'static,
    ) {
        const ALL: &[Reduction] = &[Reduction::None, Reduction::Sum, Reduction::Mean];
        self.entries.push(Entry {
            family: self.family,
            loss,
            options,
            inputs: inputs.iter().map(|&x| x.clone()).collect(),
            reductions: ALL,
            call: Box::new(call),
        });
    }

    /// A function that has no reduction.
    pub fn add_plain(
        &mut self,
        loss: &'static str,
        options: &'static str,
        inputs: &[&Tensor<f64>],
        call: impl Fn(&[Var<f64>]) -> Result<Var<f64>> + 'static,
    ) {
        self.add(loss, options, inputs, move |v, _| call(v));
        if let Some(last) = self.entries.last_mut() {
            last.reductions = &[Reduction::Mean];
        }
    }

    /// Normally distributed numbers.
    pub fn normal(&mut self, shape: &[usize]) -> Result<Tensor<f64>> {
        Tensor::randn(shape, self.rng)
    }

    /// Numbers spread evenly from `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64, shape: &[usize]) -> Result<Tensor<f64>> {
        Tensor::uniform(shape, low, high, self.rng)
    }

    /// Rows of probabilities.
    pub fn distributions(&mut self, shape: &[usize]) -> Result<Tensor<f64>> {
        self.normal(shape)?.softmax(-1)
    }

    /// Classes from 0 to below `classes`.
    pub fn classes(&mut self, classes: i64, shape: &[usize]) -> Result<Tensor<i64>> {
        Tensor::randint(0, classes, shape, self.rng)
    }

    /// 0 or 1, both of them.
    pub fn labels(&mut self, shape: &[usize]) -> Result<Tensor<f64>> {
        let mut labels = self.classes(2, shape)?.cast::<f64>();
        if let [first, .., last] = labels.as_mut_slice() {
            (*first, *last) = (0.0, 1.0);
        }
        Ok(labels)
    }

    /// -1 or 1, both of them.
    pub fn sides(&mut self, shape: &[usize]) -> Result<Tensor<f64>> {
        Ok(self.labels(shape)?.map(|t| 2.0 * t - 1.0))
    }
}
