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
    /// Which input, and the element in it.
    pub input: (usize, Dims),
    /// Which output, and the element in it; `None` for the combination by a drawn gradient.
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
    /// How many elements of the Jacobian were compared.
    pub compared: usize,
    /// Those that did not agree.
    pub findings: Vec<Finding>,
    /// Whether two calls with the same inputs gave different results, which makes every comparison meaningless.
    pub nondeterministic: bool,
}

impl Report {
    /// Whether no rule was found wrong. Kinks and ill-conditioned elements are no errors.
    pub fn is_ok(&self) -> bool {
        !self.nondeterministic && self.count(Status::Wrong) == 0
    }

    /// Whether all elements agreed.
    pub fn is_clean(&self) -> bool {
        !self.nondeterministic && self.findings.is_empty()
    }

    /// How many elements came to `status`.
    pub fn count(&self, status: Status) -> usize {
        match status {
            Status::Ok => {
                self.compared - self.findings.iter().filter(|f| f.output.is_some()).count()
            }
            _ => self.findings.iter().filter(|f| f.status == status).count(),
        }
    }

    /// Does nothing if no rule was found wrong.
    ///
    /// # Panics
    /// With the report, otherwise. Meant for tests.
    #[track_caller]
    pub fn assert_ok(&self) {
        assert!(self.is_ok(), "{self}");
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        if self.nondeterministic {
            return write!(
                f,
                "gradcheck: the function gives different results for the same inputs: seed its generator"
            );
        }
        let [wrong, kinks, unclear] =
            [Status::Wrong, Status::Kink, Status::IllConditioned].map(|s| self.count(s));
        write!(f, "gradcheck: {} derivatives compared: ", self.compared)?;
        if self.findings.is_empty() {
            return write!(f, "all agree");
        }
        writeln!(
            f,
            "{wrong} wrong, {kinks} at kinks, {unclear} too ill-conditioned to tell"
        )?;
        writeln!(
            f,
            "  {:<16}{:<16}{:>16}{:>16}{:>10}  status",
            "output", "input", "analytic", "numeric", "± error"
        )?;
        let place = |p: &(usize, Dims)| format!("{}{:?}", p.0, &p.1[..]);
        // The wrong ones first: they are what the reader came for.
        let mut rows: Vec<&Finding> = self.findings.iter().collect();
        rows.sort_by_key(|row| row.status != Status::Wrong);
        for row in rows.iter().take(20) {
            let output = row.output.as_ref().map_or("drawn gradient".into(), place);
            let status = match row.status {
                Status::Ok => "ok",
                Status::Wrong => "wrong",
                Status::Kink => "kink",
                Status::IllConditioned => "ill-conditioned",
            };
            writeln!(
                f,
                "  {:<16}{:<16}{:>16.9e}{:>16.9e}{:>10.1e}  {status}",
                output,
                place(&row.input),
                row.analytic,
                row.numeric,
                row.error
            )?;
        }
        if rows.len() > 20 {
            writeln!(f, "  … and {} more", rows.len() - 20)?;
        }
        Ok(())
    }
}
