//! What the compiler says of an index, or of an operator, that is not one.

/// The compiler whose words the expected messages are. Another version has other words around ours, so there is nothing to
/// compare with it.
const MADE_BY: &str = "rustc 1.95.";

#[test]
fn messages_of_the_compiler() {
    let version = std::process::Command::new("rustc")
        .arg("--version")
        .output();
    let version = version.map(|v| String::from_utf8_lossy(&v.stdout).into_owned());
    match version {
        Ok(version) if version.starts_with(MADE_BY) => {
            trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
        }
        other => {
            println!("the messages were made by {MADE_BY}x, and this is {other:?}: not compared")
        }
    }
}
