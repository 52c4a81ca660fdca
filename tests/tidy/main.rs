//! Tests of what the project promises about absence: no import from a higher floor, no circle among
//! the files, no unsafe code outside its rooms, no second user of a dependency, no file that
//! ARCHITECTURE.md leaves out, no retired word, no line or file that is too long, no package
//! without lints, no model without a bug that can be put back, no wait without a class, no public
//! item without an example, no link to nowhere.
//!
//! A compiler checks none of these. The tests only read files of the repository, so they run
//! without building the crate: `cargo test --test tidy`. Each one prints every violation, with its
//! file, its line and what to do. The rules that a change may have to edit are the table of floors
//! in ARCHITECTURE.md, the comments on the dependencies in Cargo.toml, the two lists of unsafe
//! rooms in ARCHITECTURE.md and CONTRIBUTING.md, and the tables in `words.rs` and `sizes.rs`.
//!
//! `source` reads the tree and separates code, strings and comments; `imports` resolves paths to
//! files; `document` reads ARCHITECTURE.md. Each of the other files is one group of rules. A rule
//! is a function from a tree to its violations, so it is tested on small trees as well.

mod circles;
mod document;
mod doors;
mod floors;
mod front_door;
mod imports;
mod mutants;
mod packages;
mod sizes;
mod source;
mod waits;
mod words;

/// A place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// The path of the file below the root of the repository.
    file: String,
    /// The number of the line, from 1.
    line: usize,
    /// The message: the violation, and what to do about it.
    what: String,
}

impl Violation {
    pub(crate) fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
        }
    }
}

/// Fails with the list of violations, if there are any. Those of one file that say the same share a
/// line.
#[track_caller]
pub(crate) fn expect_none(mut violations: Vec<Violation>) {
    violations.sort_by(|a, b| (&a.file, &a.what, a.line).cmp(&(&b.file, &b.what, b.line)));
    violations.dedup();
    let is_alike = |a: &Violation, b: &Violation| a.file == b.file && a.what == b.what;
    let mut alike: Vec<_> = violations.chunk_by(is_alike).collect();
    alike.sort();
    let mut list = String::new();
    for them in alike {
        let Violation { file, line, what } = &them[0];
        list.push_str(&format!("\n  {file}:{line}: {what}"));
        let others: Vec<_> = them[1..].iter().map(|it| it.line.to_string()).collect();
        if !others.is_empty() {
            list.push_str(&format!(" (also in lines {})", others.join(", ")));
        }
    }
    let count = violations.len();
    assert!(violations.is_empty(), "{count} violations:{list}\n");
}

/// Returns the messages of the violations, as `file:line: message`. For the tests of the rules.
pub(crate) fn listed(violations: Vec<Violation>) -> Vec<String> {
    let list = violations.into_iter();
    list.map(|it| format!("{}:{}: {}", it.file, it.line, it.what))
        .collect()
}
