//! What an index that does not compile says.

/// The compiler whose words the expected messages are.
const MADE_BY: &str = "rustc 1.95.";

#[test]
fn messages_of_the_compiler() {
    let version = std::process::Command::new("rustc")
        .arg("--version")
        .output();
    let version = version.map(|v| String::from_utf8_lossy(&v.stdout).into_owned());
    // Other versions have other words around ours.
    if version.is_ok_and(|v| v.starts_with(MADE_BY)) {
        trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
    }
}
