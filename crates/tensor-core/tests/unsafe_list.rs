//! `docs/unsafe.md` lists every unsafe block with its reason, word for word as in the code.
//!
//! `UPDATE_DOCS=1 cargo test -p tensor-core --test unsafe_list` writes the list anew.

#[path = "common/sources.rs"]
mod sources;

use sources::files;
use std::fs;
use std::path::PathBuf;

const BEGIN: &str = "<!-- the list begins -->\n";
const END: &str = "<!-- the list ends -->\n";

/// The comment that ends above line `at`, without its slashes.
fn comment_above(lines: &[&str], at: usize) -> String {
    let is_comment = |line: &&&str| line.trim_start().starts_with("//");
    let mut words: Vec<&str> = lines[..at]
        .iter()
        .rev()
        .skip_while(|line| line.trim_start().starts_with("#["))
        .take_while(is_comment)
        .map(|line| line.trim_start().trim_start_matches('/').trim())
        .collect();
    words.reverse();
    words.join(" ")
}

fn list() -> String {
    let kernel = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/kernel");
    let mut list = String::new();
    for path in files(&kernel) {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let name = path.strip_prefix(&kernel).unwrap().display().to_string();
        for (i, line) in lines.iter().enumerate() {
            let code = line.trim();
            let is_unsafe = ["unsafe {", "unsafe impl", "unsafe fn"]
                .iter()
                .any(|word| code.contains(word));
            if code.starts_with("//") || !is_unsafe {
                continue;
            }
            let reason = comment_above(&lines, i);
            let reason = match reason.split_once("SAFETY:") {
                Some((_, reason)) => reason.trim(),
                // The duties of a function's callers stand under a heading.
                None => reason
                    .split_once("# Safety")
                    .map_or("", |(_, duties)| duties.trim()),
            };
            assert!(!reason.is_empty(), "{name}:{}: no reason for {code}", i + 1);
            list += &format!("- `kernel/{name}`: `{code}`\n\n  {reason}\n\n");
        }
    }
    list
}

#[test]
fn the_list_of_unsafe_blocks_is_that_of_the_code() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/unsafe.md");
    let page = fs::read_to_string(&path).unwrap();
    let (head, rest) = page
        .split_once(BEGIN)
        .expect("the mark where the list begins");
    let (listed, tail) = rest.split_once(END).expect("the mark where the list ends");
    let list = list();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{list}{END}{tail}")).unwrap();
        return;
    }
    assert!(
        listed == list,
        "docs/unsafe.md is not up to date: run this test with UPDATE_DOCS=1"
    );
}
