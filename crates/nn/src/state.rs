//! What training changes, apart from the things that it belongs to: to be kept in memory or in a file.

use crate::module::{Part, Parts};
use losses::autograd::Float;
use losses::{Error, Result, Tensor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

/// Named tensors, counts and notes, and sections with more of them.
///
/// A model's [state](crate::Parts::state) has the names of its parameters; those of an optimizer and of a schedule
/// lie beside it in sections. What a program wants to know again itself goes into notes.
///
/// ```
/// use nn::prelude::*;
/// let mut model = Linear { weight: Param::new(Tensor::from([[1.0f32]])), bias: None };
/// let mut adam = Adam::new(0.01);
///
/// let path = std::env::temp_dir().join(format!("nn-state-{}.safetensors", std::process::id()));
/// let mut run = model.state();
/// run.set_section("optimizer", adam.state());
/// run.set_note("epoch", 7);
/// run.save(&path)?;
///
/// let run = State::open(&path)?;
/// model.load_state(&run)?;
/// adam.load_state(run.section("optimizer")?)?;
/// let epoch: usize = run.parse_note("epoch")?;
/// assert_eq!(epoch, 7);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct State<T: Float> {
    pub(crate) tensors: BTreeMap<String, Tensor<T>>,
    pub(crate) counts: BTreeMap<String, i64>,
    pub(crate) notes: BTreeMap<String, String>,
    pub(crate) sections: BTreeMap<String, State<T>>,
    /// What a file holds under names for which this program has no use, and of which type it is.
    pub(crate) foreign: BTreeMap<String, String>,
}

impl<T: Float> Default for State<T> {
    fn default() -> Self {
        State {
            tensors: BTreeMap::new(),
            counts: BTreeMap::new(),
            notes: BTreeMap::new(),
            sections: BTreeMap::new(),
            foreign: BTreeMap::new(),
        }
    }
}

impl<T: Float> State<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor<T>> {
        self.tensors.get(name)
    }

    /// Keeps a tensor.
    pub fn set_tensor(&mut self, name: &str, value: Tensor<T>) {
        self.tensors.insert(name.to_string(), value);
    }

    /// The count of that name.
    pub fn count(&self, name: &str) -> Option<i64> {
        self.counts.get(name).copied()
    }

    /// Keeps a count.
    pub fn set_count(&mut self, name: &str, value: i64) {
        self.counts.insert(name.to_string(), value);
    }

    /// The note of that name.
    pub fn note(&self, name: &str) -> Option<&str> {
        self.notes.get(name).map(String::as_str)
    }

    /// Keeps a note: a text, or a number, which reads back to the same bits.
    pub fn set_note(&mut self, name: &str, value: impl Display) {
        self.notes.insert(name.to_string(), value.to_string());
    }

    /// The note of that name as a number or whatever else a text stands for.
    ///
    /// # Errors
    /// [`Error::Value`] if it is missing, or stands for nothing of that type.
    pub fn parse_note<V: FromStr>(&self, name: &str) -> Result<V> {
        let note = self.note(name);
        note.and_then(|text| text.parse().ok()).ok_or_else(|| {
            // Notes come from files, which may come from anywhere.
            let shown = note.map_or("missing".into(), |text| format!("{text:?}"));
            let name = name.escape_debug();
            Error::Value {
                op: "state",
                what: "a note",
                at: [].into_iter().collect(),
                value: format!("`{name}`: {shown}"),
                expected: "it must be there and be of the type asked for: save and load with the same program",
            }
        })
    }

    /// The section of that name.
    ///
    /// # Errors
    /// [`Error::Value`] if there is none.
    pub fn section(&self, name: &str) -> Result<&State<T>> {
        self.sections.get(name).ok_or_else(|| Error::Value {
            op: "state",
            what: "the section asked for",
            at: [].into_iter().collect(),
            value: format!("`{}`", name.escape_debug()),
            expected: "the state has none of that name: was it saved with one?",
        })
    }

    /// Keeps a section.
    pub fn set_section(&mut self, name: &str, section: State<T>) {
        self.sections.insert(name.to_string(), section);
    }

    /// The sections with their names.
    pub fn sections(&self) -> impl Iterator<Item = (&str, &State<T>)> {
        self.sections.iter().map(|(name, s)| (name.as_str(), s))
    }

    /// Whether this is the state of `model`, as an error if it is not.
    pub(crate) fn fits(&self, op: &'static str, model: &(impl Parts<T> + ?Sized)) -> Result<()> {
        match self.misfit(model, "the state") {
            None => Ok(()),
            Some(problem) => Err(Error::Value {
                op,
                what: "the state",
                at: [].into_iter().collect(),
                value: format!("that of another model: {problem}"),
                expected: "it must have the model's names and shapes: build the model as it was when saved",
            }),
        }
    }

    /// In what this differs from the state of `model`: names that are missing, unexpected, or of another shape.
    pub(crate) fn misfit(&self, model: &(impl Parts<T> + ?Sized), here: &str) -> Option<String> {
        let (mut missing, mut misfits) = (Vec::new(), Vec::new());
        let mut known = BTreeSet::new();
        let mut tensor = |name: &str, shape: &[usize]| match self.tensors.get(name) {
            Some(x) if x.shape() == shape => {}
            Some(x) => misfits.push(format!(
                "{name} has shape {:?} in {here} and {shape:?} in the model",
                x.shape()
            )),
            None => match self.foreign.get(name) {
                Some(dtype) => misfits.push(format!(
                    "{name} has the type {dtype} in {here}, which holds no real numbers"
                )),
                None => missing.push(name.to_string()),
            },
        };
        let mut uncounted = Vec::new();
        model.walk("", &mut |name, part| {
            match part {
                Part::Param(p) => tensor(name, p.value().shape()),
                Part::Buffer(b) => tensor(name, b.value().shape()),
                Part::Count(_) if !self.counts.contains_key(name) => {
                    uncounted.push(name.to_string())
                }
                _ => {}
            }
            known.insert(name.to_string());
        });
        missing.append(&mut uncounted);
        // Names of a file are shown escaped: it may come from anywhere.
        let unexpected = (self.tensors.keys())
            .chain(self.counts.keys())
            .chain(self.foreign.keys())
            .filter(|name| !known.contains(*name))
            .map(|name| name.escape_debug().to_string())
            .collect();
        let problems: Vec<String> = [
            (format!("missing in {here}: "), missing),
            ("not in the model: ".into(), unexpected),
            (String::new(), misfits),
        ]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}{}", list(names)))
        .collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}

/// At most ten names, and how many more there are.
fn list(mut names: Vec<String>) -> String {
    let rest = names.len().saturating_sub(10);
    names.truncate(10);
    let shown = names.join(", ");
    match rest {
        0 => shown,
        n => format!("{shown} and {n} more"),
    }
}
