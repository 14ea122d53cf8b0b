//! A table of bad calls, each with the exact message, and the public functions that have no row in it.
//!
//! The tests of the other crates use this file too.

#![allow(dead_code)] // Each program uses its own part.

#[path = "sources.rs"]
mod sources;

use sources::files;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

/// The calls so far, and what they said.
static CALLS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

fn calls() -> std::sync::MutexGuard<'static, Vec<(String, String)>> {
    CALLS.lock().unwrap_or_else(|e| e.into_inner())
}

/// One row: the call, what it should say, and what it says.
pub fn row<T>(call: &str, result: Result<T, impl ToString>, want: &str) -> Option<String> {
    let call = call.split_whitespace().collect::<Vec<_>>().join(" ");
    let got = match result {
        Ok(_) => return Some(format!("no error from {call}")),
        Err(e) => e.to_string(),
    };
    calls().push((call.clone(), got.clone()));
    (got != want).then(|| format!("{call}\n   says {got}\n   not  {want}"))
}

/// Panics with all that was wrong.
#[track_caller]
pub fn settle(wrong: Vec<Option<String>>) {
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Each call on the left fails with the message on the right.
#[macro_export]
macro_rules! fail {
    ($($call:expr => $message:expr;)*) => {
        bad_calls::settle(vec![$(
            bad_calls::row(stringify!($call), $call, AsRef::<str>::as_ref(&$message)),
        )*])
    };
}

/// The public functions of a crate that return a `Result`, each with the type that it is a method of, if any.
pub fn fallible(src: &Path, private: &[&str]) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for path in files(src) {
        let file = path.strip_prefix(src).unwrap().display().to_string();
        if private.contains(&file.as_str()) || file.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let mut of = String::new();
        let mut rest = text;
        while let Some(end) = rest.find('\n') {
            let line = &rest[..end];
            if line.starts_with("impl") {
                of = subject(line).to_string();
            } else if line == "}" {
                of.clear();
            } else if let Some(name) = line.trim_start().strip_prefix("pub fn ") {
                let signature = &rest[..rest.find('{').unwrap_or(rest.len())];
                let result = signature.rsplit("->").next().unwrap_or("");
                let name = name.split(['<', '(']).next().unwrap();
                if signature.contains("->") && result.trim_start().starts_with("Result<") {
                    found.push((file.clone(), of.clone(), name.to_string()));
                }
            }
            rest = &rest[end + 1..];
        }
    }
    found
}

/// `Tensor` in `impl<T: Element> Tensor<T> {`.
fn subject(line: &str) -> &str {
    let line = line.trim_end_matches('{').trim();
    let line = line.rsplit(" for ").next().unwrap();
    let line = match line.strip_prefix("impl<") {
        Some(generic) => {
            // Behind the bracket that closes the parameters.
            let mut depth = 1;
            let end = generic.find(|c| {
                depth += match c {
                    '<' => 1,
                    '>' => -1,
                    _ => 0,
                };
                depth == 0
            });
            &generic[end.map_or(0, |end| end + 1)..]
        }
        None => line.trim_start_matches("impl"),
    };
    line.trim().split(['<', ' ']).next().unwrap()
}

/// Whether `text` holds `word` with no letter beside it.
fn holds(text: &str, word: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(i, _)| {
        !text[..i].chars().next_back().is_some_and(letter)
            && !text[i + word.len()..].chars().next().is_some_and(letter)
    })
}

/// Panics and lists the functions for which `is_there`, given the calls of the table and what they said, finds no row.
pub fn assert_covered(
    functions: &[(String, String, String)],
    apart: &[(&str, &str)],
    is_there: impl Fn(&str, &str, &str, &str) -> bool,
) {
    let calls = calls();
    let mut missing = Vec::new();
    for (file, of, name) in functions {
        let full = match of.as_str() {
            "" => name.clone(),
            of => format!("{of}::{name}"),
        };
        let row = |(call, said): &(String, String)| is_there(of, name, call, said);
        let known = apart.iter().any(|(n, _)| *n == full || n == name);
        if !known && !calls.iter().any(row) {
            missing.push(format!("{file}: {full}"));
        }
    }
    assert!(missing.is_empty(), "no bad call of\n{}", missing.join("\n"));
}

/// A row that calls `name`, of which the message begins with that name.
pub fn names_itself(_: &str, name: &str, call: &str, said: &str) -> bool {
    holds(call, name) && said.starts_with(&format!("{name}:"))
}

/// A row that calls `name`.
pub fn calls_it(_: &str, name: &str, call: &str, _: &str) -> bool {
    holds(call, name)
}
