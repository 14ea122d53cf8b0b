//! The rules of the house for losses: each has its documentation, its fixtures and its row in `docs/losses.md`.

use std::fs;
use std::path::{Path, PathBuf};

const FAMILIES: &[&str] = &[
    "binary",
    "classification",
    "detection",
    "divergence",
    "metric",
    "preference",
    "ranking",
    "regression",
    "segmentation",
    "selfsup",
    "sequence",
];

/// Public functions whose cases lie in another's fixture file, and why.
const SHARED_FIXTURES: &[(&str, &str)] = &[
    // The same cases, given as the logits of their probabilities.
    ("entropy_with_logits", "entropy"),
];

const HEADINGS: &[&str] = &[
    "/// # Formula",
    "/// # Shape",
    "/// # Errors",
    "/// # Example",
    "/// # Reference",
    "/// # Differs from PyTorch",
];

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files of all families, but for those that hold no loss.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for family in FAMILIES {
        for entry in fs::read_dir(home().join("src").join(family)).unwrap() {
            let path = entry.unwrap().path();
            let text = read(&path);
            if path.extension().is_some_and(|e| e == "rs") && !functions(&text).is_empty() {
                files.push((path, text));
            }
        }
    }
    files.sort();
    files
}

/// The names of the public functions of a file, methods left out.
fn functions(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("pub fn "))
        .filter_map(|rest| rest.split(['<', '(']).next())
        .collect()
}

#[test]
fn every_loss_is_documented_under_all_headings() {
    for (path, text) in sources() {
        for heading in HEADINGS {
            let there = text.lines().any(|line| line.trim_start() == *heading);
            assert!(there, "{}: no {heading:?}", path.display());
        }
    }
}

#[test]
fn every_loss_has_fixtures_and_a_row_in_the_list() {
    let list = read(&home().join("../../docs/losses.md"));
    for (path, text) in sources() {
        for name in functions(&text) {
            let shared = SHARED_FIXTURES.iter().find(|(n, _)| *n == name);
            let file = shared.map_or(name, |(_, file)| file);
            let fixture = home().join(format!("fixtures/{file}.json"));
            assert!(
                fixture.exists(),
                "{}: no {}",
                path.display(),
                fixture.display()
            );
            assert!(
                list.contains(&format!("`{name}`")),
                "docs/losses.md has no row for `{name}`"
            );
        }
    }
}

#[test]
fn every_fixture_file_is_read_by_a_test() {
    let mut texts: Vec<String> = sources().into_iter().map(|(_, text)| text).collect();
    texts.push(read(&home().join("src/activation.rs")));
    texts.push(read(&home().join("src/hard_cases/accuracy.rs")));
    for entry in fs::read_dir(home().join("fixtures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let quoted = format!("\"{name}\"");
        let read = texts.iter().any(|text| text.contains(&quoted));
        assert!(read, "no test reads {}", path.display());
    }
}

#[test]
fn every_row_of_the_list_is_a_function() {
    let known: Vec<String> = sources()
        .iter()
        .flat_map(|(_, text)| {
            functions(text)
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .chain(["softmax", "log_softmax", "sigmoid", "log_sigmoid"].map(String::from))
        .collect();
    let list = read(&home().join("../../docs/losses.md"));
    for row in list.lines().filter(|line| line.starts_with("| `")) {
        let name = row.split('`').nth(1).unwrap();
        assert!(known.iter().any(|k| k == name), "no function `{name}`");
    }
}
