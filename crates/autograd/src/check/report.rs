//! What a check found, and how a person reads it.

use std::fmt::{Display, Formatter};
use tensor_core::Dims;

/// What the comparison of one element came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Analytic and numeric derivative agree.
    Ok,
    /// They disagree by more than the tolerance and the error of the numeric one.
    Wrong,
    /// The left and the right derivative differ, and the analytic one lies between them: a kink, not an error.
    Kink,
    /// The numeric derivative is too uncertain to tell.
    IllConditioned,
}

/// One element of the Jacobian that is not [`Status::Ok`].
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which input, and the element in it; no element for a direction in which all of them move.
    pub input: (usize, Dims),
    /// Which output, and the element in it; `None` for a drawn combination of all.
    pub output: Option<(usize, Dims)>,
    /// The derivative by the backward rules.
    pub analytic: f64,
    /// The derivative by finite differences.
    pub numeric: f64,
    /// The estimated error of `numeric`.
    pub error: f64,
    /// What it came to.
    pub status: Status,
}

/// The outcome of a check.
#[derive(Clone, Debug)]
pub struct Report {
    /// `gradcheck` or `gradgradcheck`.
    pub name: &'static str,
    /// How many inputs are the function's own; those behind them are the gradients that a second-order check begins
    /// with.
    pub inputs: usize,
    /// Whether drawn directions were compared, and not every element.
    pub projected: bool,
    /// How many derivatives were compared.
    pub compared: usize,
    /// Those that did not agree.
    pub findings: Vec<Finding>,
    /// Whether two calls with the same inputs gave different results, which makes every comparison meaningless.
    pub nondeterministic: bool,
    /// What the wrong ones have in common.
    pub hints: Vec<String>,
}

impl Report {
    pub(super) fn new(name: &'static str, inputs: usize, projected: bool) -> Self {
        Report {
            name,
            inputs,
            projected,
            compared: 0,
            findings: Vec::new(),
            nondeterministic: false,
            hints: Vec::new(),
        }
    }

    /// Whether no rule was found wrong. Kinks and ill-conditioned elements are no errors, but if every single one is
    /// ill-conditioned nothing was checked, and that is not ok.
    pub fn is_ok(&self) -> bool {
        !self.nondeterministic && self.count(Status::Wrong) == 0 && !self.blind()
    }

    /// Whether there was something to compare, and nothing of it could be told.
    pub(super) fn blind(&self) -> bool {
        self.compared > 0 && self.count(Status::IllConditioned) >= self.compared
    }

    /// Whether all elements agreed.
    pub fn is_clean(&self) -> bool {
        !self.nondeterministic && self.findings.is_empty()
    }

    /// How many elements came to `status`.
    pub fn count(&self, status: Status) -> usize {
        let compared = |f: &&Finding| f.output.is_some() || self.projected;
        match status {
            Status::Ok => self.compared - self.findings.iter().filter(compared).count(),
            _ => self.findings.iter().filter(|f| f.status == status).count(),
        }
    }

    /// Does nothing if the check [is ok](Report::is_ok).
    ///
    /// # Panics
    /// With the report, otherwise. Meant for tests.
    #[track_caller]
    pub fn assert_ok(&self) {
        assert!(self.is_ok(), "{self}");
    }

    /// What a reader calls input `i`.
    pub(super) fn input_name(&self, i: usize) -> String {
        match i.checked_sub(self.inputs) {
            None => format!("input {i}"),
            Some(k) => format!("the gradient of output {k}"),
        }
    }

    /// The cells of a finding's row in the table.
    fn row(&self, f: &Finding) -> [String; 7] {
        let input = match f.input.0.checked_sub(self.inputs) {
            None => f.input.0.to_string(),
            Some(k) => format!("dy{k}"),
        };
        let output = match &f.output {
            Some((o, index)) => format!("{o}{:?}", &index[..]),
            None => "drawn".into(),
        };
        let status = match f.status {
            Status::Ok => "ok",
            Status::Wrong => "wrong",
            Status::Kink => "kink",
            Status::IllConditioned => "ill-conditioned",
        };
        [
            output,
            format!("{input}{:?}", &f.input.1[..]),
            format!("{:.9e}", f.analytic),
            format!("{:.9e}", f.numeric),
            format!("{:.1e}", (f.analytic - f.numeric).abs()),
            format!("{:.1e}", f.error),
            status.into(),
        ]
    }
}

/// Rows of the table that are shown.
const SHOWN: usize = 20;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        if self.nondeterministic {
            return write!(
                f,
                "{}: the function gives different results for the same inputs: seed its generator",
                self.name
            );
        }
        let what = match self.projected {
            true => "projections",
            false => "derivatives",
        };
        write!(f, "{}: {} {what} compared", self.name, self.compared)?;
        if self.findings.is_empty() {
            let rest = match self.compared {
                0 => ", for there are no elements",
                _ => ": all agree",
            };
            return write!(f, "{rest}");
        }
        let [wrong, kinks, unclear] =
            [Status::Wrong, Status::Kink, Status::IllConditioned].map(|s| self.count(s));
        writeln!(
            f,
            ": {wrong} wrong, {kinks} at kinks, {unclear} too ill-conditioned to tell"
        )?;
        // The wrong ones first: they are what the reader came for.
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|f| f.status != Status::Wrong);
        let head = [
            "output",
            "input",
            "by rule",
            "by differences",
            "off by",
            "± error",
            "status",
        ];
        let mut table = vec![head.map(String::from)];
        table.extend(findings.iter().take(SHOWN).map(|f| self.row(f)));
        let mut widths = [0; 7];
        for row in &table {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &table {
            let mut line = String::new();
            for (k, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Words to the left, numbers to the right.
                line += &match k {
                    0 | 1 | 6 => format!("  {cell:<width$}"),
                    _ => format!("  {cell:>width$}"),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        if findings.len() > SHOWN {
            writeln!(f, "  … and {} more", findings.len() - SHOWN)?;
        }
        for hint in &self.hints {
            writeln!(f, "hint: {hint}")?;
        }
        Ok(())
    }
}
