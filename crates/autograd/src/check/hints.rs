//! What wrong derivatives have in common often says what is wrong.

use super::report::{Report, Status};

/// What was seen of the derivatives by one input.
#[derive(Clone, Default)]
pub(super) struct Seen {
    wrong: usize,
    /// Of the wrong ones, how many are NaN by the rules.
    nan: usize,
    /// Whether any derivative by the rules is other than zero.
    alive: bool,
    /// The smallest and the largest quotient of a wrong one by the right one.
    ratio: Option<(f64, f64)>,
}

impl Seen {
    pub(super) fn add(&mut self, analytic: f64, numeric: f64, status: Status) {
        self.alive |= analytic != 0.0;
        if status != Status::Wrong {
            return;
        }
        self.wrong += 1;
        self.nan += usize::from(analytic.is_nan());
        let ratio = analytic / numeric;
        let (low, high) = self.ratio.unwrap_or((ratio, ratio));
        // NaN stays, so that it is never one ratio.
        self.ratio = Some(if ratio.is_nan() {
            (ratio, ratio)
        } else {
            (low.min(ratio), high.max(ratio))
        });
    }
}

/// Advice for the reader of `report`.
pub(super) fn hints(report: &Report, seen: &[Seen], base: &[f64]) -> Vec<String> {
    let mut hints = Vec::new();
    for (i, seen) in seen.iter().enumerate().filter(|(_, s)| s.wrong > 0) {
        let input = report.input_name(i);
        if seen.nan == seen.wrong {
            hints.push(format!(
                "the derivatives by {input} are NaN where differences are finite: look for 0 · inf, 0 / 0 and inf - inf \
                 in the rule, or let `Tape::with_anomaly` name the operation"
            ));
        } else if !seen.alive {
            hints.push(format!(
                "no gradient reaches {input}: it is cut on the way (`detach`, `value`), or left out by a rule"
            ));
        } else if let Some((low, high)) = seen.ratio.filter(|_| seen.wrong > 1)
            && (high - low).abs() <= 1e-4 * high.abs()
        {
            let ratio = match high {
                r if (r + 1.0).abs() < 1e-4 => "the right one with the other sign".into(),
                r => format!("{} times the right one", (r * 1e4).round() / 1e4),
            };
            hints.push(format!("every wrong derivative by {input} is {ratio}"));
        }
    }
    let rows = |f: &super::Finding| f.output.is_some() && f.status == Status::Wrong;
    if !report.projected && report.count(Status::Wrong) > 0 && !report.findings.iter().any(rows) {
        hints.push(
            "each output alone is right, and their combination is not: a rule does not use the gradient that it is given, \
             or not in all places"
                .into(),
        );
    }
    if report.blind() {
        hints.push(
            "nothing could be told at these inputs: are they within the function's domain, and does it vary there?".into(),
        );
    }
    let single = |y: &f64| f64::from(*y as f32) == *y;
    // Numbers like 0.25 are in both types. Of 24 bits that were rounded to, one of the last eight is mostly set.
    let rounded = |y: &f64| (*y as f32).to_bits() & 0xff != 0;
    let noisy = report.count(Status::Wrong) + report.count(Status::IllConditioned) > 0;
    if noisy && base.iter().all(single) && base.iter().any(rounded) {
        hints.push(
            "all outputs are numbers of f32: if the function rounds to them on its way, differences cannot follow it"
                .into(),
        );
    }
    hints
}
