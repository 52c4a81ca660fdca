//! Every public method that blocks is in the table of waits of the guide, which says what becomes
//! of the slot of a task that calls it. `tests/it/wait_classes.rs` checks that the table is true.

use crate::document::backticked;
use crate::source::{File, Tree, tree};
use crate::{Violation, expect_none, listed};

const GUIDE: &str = "src/guide/waiting.rs";

/// The table speaks of these by the method without the ending.
const FORMS: [&str; 3] = ["_timeout", "_owned", "_many"];

/// A type whose methods the table names by another: the three queues are one type.
const SAME: (&str, &str) = ("Queue", "JoinableQueue");

/// Returns a violation for each public method whose documentation says that it blocks, and which
/// the guide does not name.
fn unclassified_waits(tree: &Tree) -> Vec<Violation> {
    let guide = tree.file(GUIDE).into_iter().flat_map(|guide| &guide.lines);
    let rows = guide.filter(|line| line.raw.starts_with("//! |"));
    let named: Vec<_> = rows.flat_map(|row| backticked(&row.raw)).collect();
    let mut violations = Vec::new();
    for file in tree.src().filter(|file| !file.is_test) {
        for (line, wait) in waits(file) {
            if !named.contains(&&*wait) {
                let what = format!("`{wait}` blocks: name it in the table of waits of {GUIDE}");
                violations.push(Violation::new(&file.path, line, what));
            }
        }
    }
    violations
}

/// Returns the public functions that block, each as `Type::method`, or by its name alone.
fn waits(file: &File) -> Vec<(usize, String)> {
    let mut waits = Vec::new();
    let (mut owner, mut blocks) = (None, false);
    for (number, line) in (1..).zip(&file.lines) {
        let code = line.code.trim();
        if line.raw.starts_with("impl") {
            owner = Some(implemented(&line.raw));
        } else if line.raw == "}" {
            owner = None;
        } else if let Some(text) = line.raw.trim().strip_prefix("/// ") {
            blocks |= text.starts_with("Blocks ");
        } else if let Some(function) = code.strip_prefix("pub fn ") {
            if std::mem::take(&mut blocks) {
                let name = function.split(['<', '(']).next().unwrap_or(function);
                let name = FORMS
                    .iter()
                    .fold(name, |name, form| name.trim_end_matches(form));
                let name = match &owner {
                    Some(owner) => format!("{owner}::{name}"),
                    None => name.to_owned(),
                };
                waits.push((number, name));
            }
        } else if !code.is_empty() && !code.starts_with('#') {
            blocks = false;
        }
    }
    waits
}

/// Returns the name of the type in the first line of an implementation.
fn implemented(line: &str) -> String {
    let line = line.split_once(" for ").map_or(line, |(_, of)| of);
    let mut depth = 0;
    let outside = line.trim_start_matches("impl").chars().filter(|&it| {
        depth += i32::from(it == '<');
        let is_outside = depth == 0;
        depth -= i32::from(it == '>');
        is_outside
    });
    let name: String = outside.collect();
    let name = name.split_whitespace().next().unwrap_or_default();
    let name = name.rsplit("::").next().unwrap_or_default();
    let name = if name == SAME.0 { SAME.1 } else { name };
    name.to_owned()
}

#[test]
fn every_wait_is_in_the_table_of_the_guide() {
    expect_none(unclassified_waits(tree()));
}

#[test]
fn a_method_that_blocks_and_is_not_in_the_table_is_found() {
    let guide = "//! | a | [`Bell::wait`](crate::Bell::wait), [`pause`](crate::pause) | given |\n";
    let code = "impl<T: Copy> Bell<T> {\n    /// Blocks until it rings.\n    \
                pub fn wait_timeout(&self) {}\n    /// Blocks until it ends.\n    #[inline]\n    \
                pub fn end(&self) {}\n    /// Rings.\n    pub fn ring(&self) {}\n}\n\
                /// Blocks.\n/// Blocks for a moment.\npub fn pause() {}\n";
    let tree = Tree::of([(GUIDE, guide), ("src/bell.rs", code)]);
    let found = listed(unclassified_waits(&tree));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("src/bell.rs:6: `Bell::end` blocks"));
}
