//! The packages of the workspace: each is checked as the others are.

use crate::source::{Tree, tree};
use crate::{Violation, expect_none};

/// Each package takes the lints of the workspace, and names the oldest Rust that compiles it, of
/// which clippy then knows what is missing there.
fn unchecked_packages(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.manifests() {
        let lines: Vec<_> = file.lines.iter().map(|line| line.raw.trim()).collect();
        let has_lints = lines
            .windows(2)
            .any(|it| it == ["[lints]", "workspace = true"]);
        let has_version = lines.iter().any(|line| line.starts_with("rust-version"));
        let mut say = |what: &str| violations.push(Violation::new(&file.path, 1, what));
        if !has_lints {
            say("not the lints of all packages: write `workspace = true` under `[lints]`");
        }
        if !has_version {
            say("no Rust is named: write `rust-version.workspace = true`, or a newer one");
        }
    }
    violations
}

#[test]
fn each_package_is_checked_as_the_others_are() {
    expect_none(unchecked_packages(tree()));
}

#[test]
fn packages_that_are_not_checked_are_found() {
    let whole = "rust-version = \"1.85\"\n[lints]\nworkspace = true";
    let files = [
        ("Cargo.toml", whole),
        (
            "tests/a/Cargo.toml",
            "rust-version.workspace = true\n[lints.rust]",
        ),
        ("tests/b/Cargo.toml", "[lints]\nworkspace = true"),
        ("tests/b/c.rs", ""),
    ];
    let found = unchecked_packages(&Tree::of(files)).into_iter();
    let found: Vec<_> = found.map(|it| it.file).collect();
    assert_eq!(found, ["tests/a/Cargo.toml", "tests/b/Cargo.toml"]);
}
