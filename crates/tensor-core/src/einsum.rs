//! Einstein's sums: `ij,jk->ik` is the matrix product.
//!
//! Every operand has a term of letters, one for each dimension. A letter that the result lacks is summed over; one that
//! several operands have is walked in step; one that an operand has twice takes its diagonal. `...` stands for any
//! dimensions, which broadcast. Without `->`, the result has the letters that occur once, in the order of the alphabet,
//! behind those of `...`.
//!
//! ```
//! use tensor_core::Tensor;
//! let a = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
//! assert_eq!(Tensor::einsum("ij,jk->ik", &[&a, &a])?, a.matmul(&a)?);
//! assert_eq!(Tensor::einsum("ii", &[&a])?.item()?, 5.0);
//! assert_eq!(Tensor::einsum("ij->j", &[&a])?.to_vec(), [4.0, 6.0]);
//! # Ok::<(), tensor_core::Error>(())
//! ```
//!
//! Operands are joined two at a time, each time those whose joining makes the data smallest (the greedy way of
//! Smith and Gray, *opt_einsum*, 2018); a joining is a matrix product.

use crate::algebra::{Algebra, extent};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// A letter of the equation, or a dimension of `...` counted from the last: these come first in a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Dots(std::cmp::Reverse<usize>),
    Letter(char),
}

/// One term of an equation.
struct Term {
    before: Vec<char>,
    /// The letters behind `...`, if it is there.
    after: Option<Vec<char>>,
}

impl Term {
    fn read(equation: &str, text: &str) -> Result<Term> {
        let (before, after) = match text.split_once("...") {
            Some((before, after)) => (before, Some(after)),
            None => (text, None),
        };
        let letters = |part: &str| -> Result<Vec<char>> {
            match part.chars().find(|c| !c.is_ascii_alphabetic()) {
                None => Ok(part.chars().collect()),
                Some(_) => Err(bad(equation, "a term holds letters, and `...` once")),
            }
        };
        Ok(Term {
            before: letters(before)?,
            after: after.map(letters).transpose()?,
        })
    }

    /// The labels of an operand or result with `dots` dimensions for `...`.
    fn labels(&self, dots: usize) -> Vec<Label> {
        let letters = |list: &[char]| list.iter().map(|&c| Label::Letter(c)).collect::<Vec<_>>();
        let mut labels = letters(&self.before);
        if let Some(after) = &self.after {
            labels.extend((0..dots).rev().map(|i| Label::Dots(std::cmp::Reverse(i))));
            labels.extend(letters(after));
        }
        labels
    }

    fn len(&self) -> usize {
        self.before.len() + self.after.as_ref().map_or(0, Vec::len)
    }
}

fn bad(equation: &str, expected: &'static str) -> Error {
    Error::Option {
        op: "einsum",
        name: "equation",
        value: format!("{equation:?}"),
        expected,
    }
}

/// An operand with a label for each dimension.
struct Labelled<A> {
    x: A,
    labels: Vec<Label>,
}

impl<A: Algebra> Labelled<A> {
    /// An operand with each label once: diagonals taken, and dimensions of size 1 dropped that others have larger.
    fn new(mut x: A, mut labels: Vec<Label>, sizes: &BTreeMap<Label, usize>) -> Result<Self> {
        while let Some((i, j)) = repeated(&labels) {
            x = x.diagonal_of(i, j)?;
            let label = labels.remove(j);
            labels.remove(i);
            labels.push(label);
        }
        let broadcast = |d: usize| x.sizes()[d] == 1 && sizes[&labels[d]] != 1;
        let kept: Vec<usize> = (0..labels.len()).filter(|&d| !broadcast(d)).collect();
        if kept.len() < labels.len() {
            let shape: Vec<usize> = kept.iter().map(|&d| x.sizes()[d]).collect();
            labels = kept.iter().map(|&d| labels[d]).collect();
            x = x.reshaped(&shape)?;
        }
        Ok(Labelled { x, labels })
    }

    /// Without the dimensions that nothing else needs.
    fn summed(self, needed: impl Fn(Label) -> bool) -> Result<Self> {
        let (kept, gone): (Vec<usize>, Vec<usize>) =
            (0..self.labels.len()).partition(|&d| needed(self.labels[d]));
        if gone.is_empty() {
            return Ok(self);
        }
        Ok(Labelled {
            x: self.x.summed(&gone)?,
            labels: kept.iter().map(|&d| self.labels[d]).collect(),
        })
    }

    fn place(&self, label: Label) -> Option<usize> {
        self.labels.iter().position(|&l| l == label)
    }

    /// The dimensions of some labels, in their order.
    fn places(&self, labels: &[Label]) -> Vec<usize> {
        labels.iter().filter_map(|&l| self.place(l)).collect()
    }

    /// As batches of matrices: the dimensions of each list of labels are merged into one.
    fn matrices(&self, lists: [&[Label]; 3]) -> Result<A> {
        let places = lists.map(|labels| self.places(labels));
        let shape = places.each_ref().map(|dims| extent(self.x.sizes(), dims));
        let skip = usize::from(lists[0].is_empty());
        self.x.reordered(&places.concat())?.reshaped(&shape[skip..])
    }
}

/// Two dimensions with the same label.
fn repeated(labels: &[Label]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|i| {
        let j = (i + 1..labels.len()).find(|&j| labels[i] == labels[j])?;
        Some((i, j))
    })
}

/// The product of two operands, summed over the labels that nothing else needs.
fn join<A: Algebra>(
    a: &Labelled<A>,
    b: &Labelled<A>,
    needed: impl Fn(Label) -> bool,
) -> Result<Labelled<A>> {
    let both = |l: &Label| b.place(*l).is_some();
    let (common, free_a): (Vec<Label>, Vec<Label>) = a.labels.iter().partition(|l| both(l));
    let free_b: Vec<Label> = (b.labels.iter().copied())
        .filter(|&l| a.place(l).is_none())
        .collect();
    let (batch, inner): (Vec<Label>, Vec<Label>) = common.iter().partition(|&&l| needed(l));
    let labels = [&batch[..], &free_a, &free_b].concat();
    if inner.is_empty() || (free_a.is_empty() && free_b.is_empty()) {
        // Nothing to sum over, or nothing but sums of products in step: a matrix would have one row.
        let all = [&labels[..], &inner].concat();
        let aligned = |x: &Labelled<A>| {
            let shape: Vec<usize> = (all.iter())
                .map(|&l| x.place(l).map_or(1, |d| x.x.sizes()[d]))
                .collect();
            x.x.reordered(&x.places(&all))?.reshaped(&shape)
        };
        let product = aligned(a)?.product(&aligned(b)?)?;
        return Labelled {
            x: product,
            labels: all,
        }
        .summed(|l| !inner.contains(&l));
    }
    let left = a.matrices([&batch, &free_a, &inner])?;
    let right = b.matrices([&batch, &inner, &free_b])?;
    let size = |&l: &Label| match a.place(l) {
        Some(d) => a.x.sizes()[d],
        None => b.place(l).map_or(1, |d| b.x.sizes()[d]),
    };
    let shape: Vec<usize> = labels.iter().map(size).collect();
    let x = left.matrix_product(&right)?.reshaped(&shape)?;
    Ok(Labelled { x, labels })
}

/// Which two operands to join next: those whose joining makes the data smallest, the first such pair.
fn next_pair<A: Algebra>(
    operands: &[Labelled<A>],
    sizes: &BTreeMap<Label, usize>,
    needed: impl Fn(Label, usize, usize) -> bool,
) -> (usize, usize) {
    let volume = |labels: &mut dyn Iterator<Item = Label>| -> f64 {
        labels.map(|l| sizes[&l] as f64).product()
    };
    let mut best = ((0, 1), f64::INFINITY);
    for i in 0..operands.len() {
        for j in i + 1..operands.len() {
            let (a, b) = (&operands[i].labels, &operands[j].labels);
            let union = a.iter().chain(b.iter().filter(|l| !a.contains(l))).copied();
            let result = volume(&mut union.filter(|&l| needed(l, i, j)));
            let growth = result - volume(&mut a.iter().copied()) - volume(&mut b.iter().copied());
            if growth < best.1 {
                best = ((i, j), growth);
            }
        }
    }
    best.0
}

/// The terms of an equation: of the operands, and of the result if it is written.
fn read(equation: &str) -> Result<(Vec<Term>, Option<Term>)> {
    let plain: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match plain.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (&plain[..], None),
    };
    let terms = left.split(',').map(|t| Term::read(equation, t));
    let terms = terms.collect::<Result<Vec<_>>>()?;
    Ok((terms, right.map(|t| Term::read(equation, t)).transpose()?))
}

/// The sum of products that `equation` says.
///
/// # Errors
/// [`Error::Option`] for an equation that cannot be read, [`Error::Shape`] for operands that it does not fit.
pub fn einsum<A: Algebra>(equation: &str, operands: Vec<A>) -> Result<A> {
    let (terms, result) = read(equation)?;
    if terms.len() != operands.len() {
        return Err(bad(equation, "it must have one term for each operand"));
    }
    let mut sizes: BTreeMap<Label, usize> = BTreeMap::new();
    let (mut labels, mut widest) = (Vec::new(), 0);
    for (term, x) in terms.iter().zip(&operands) {
        let shape = x.sizes();
        let fail = |expected: String| Error::Shape {
            op: "einsum",
            what: "an operand",
            got: shape.into(),
            expected,
        };
        let dots = shape.len().checked_sub(term.len());
        let dots = dots
            .filter(|&n| n == 0 || term.after.is_some())
            .ok_or_else(|| {
                fail(format!(
                    "its term in {equation:?} names {} dimensions",
                    term.len()
                ))
            })?;
        widest = widest.max(dots);
        let own = term.labels(dots);
        for (d, &label) in own.iter().enumerate() {
            let size = sizes.entry(label).or_insert(1);
            let same = own[..d].iter().position(|&l| l == label);
            let fits = same.is_none_or(|e| shape[e] == shape[d]);
            if !fits || (*size != 1 && shape[d] != 1 && shape[d] != *size) {
                return Err(fail(format!(
                    "dimension {d} of it in {equation:?} must have size {size}"
                )));
            }
            if *size == 1 {
                *size = shape[d];
            }
        }
        labels.push(own);
    }
    let output = match &result {
        Some(term) => term.labels(widest),
        None => {
            let mut once: Vec<Label> = (sizes.keys().copied())
                .filter(|l| match l {
                    Label::Dots(_) => true,
                    Label::Letter(_) => labels.iter().flatten().filter(|m| *m == l).count() == 1,
                })
                .collect();
            once.sort();
            once
        }
    };
    if repeated(&output).is_some() || output.iter().any(|l| !sizes.contains_key(l)) {
        return Err(bad(
            equation,
            "the result takes each letter once, and only those that an operand has",
        ));
    }
    let mut list = (operands.into_iter().zip(labels))
        .map(|(x, labels)| Labelled::new(x, labels, &sizes))
        .collect::<Result<Vec<_>>>()?;
    contract(&mut list, &sizes, &output)
}

/// Joins the operands until one is left, and puts its dimensions in the order of `output`.
fn contract<A: Algebra>(
    list: &mut Vec<Labelled<A>>,
    sizes: &BTreeMap<Label, usize>,
    output: &[Label],
) -> Result<A> {
    let has = |x: &Labelled<A>, l: Label| x.place(l).is_some();
    // What one operand alone has, and the result lacks, is summed over first.
    for i in 0..list.len() {
        let x = list.remove(i);
        let x = x.summed(|l| output.contains(&l) || list.iter().any(|y| has(y, l)))?;
        list.insert(i, x);
    }
    while list.len() > 1 {
        let others = |l: Label, i: usize, j: usize| {
            (list.iter().enumerate()).any(|(k, x)| k != i && k != j && has(x, l))
        };
        let pair = |l, i, j| output.contains(&l) || others(l, i, j);
        let (i, j) = next_pair(list, sizes, pair);
        let b = list.remove(j);
        let a = list.remove(i);
        let joined = join(&a, &b, |l| {
            output.contains(&l) || list.iter().any(|x| has(x, l))
        })?;
        list.push(joined);
    }
    let Some(last) = list.pop() else {
        return Err(bad("", "it must have one term for each operand"));
    };
    last.x.reordered(&last.places(output))
}
