//! The table of bugs: what is changed in which file, and which model has to fail then.
//!
//! The table is the text files below `tests/mutants/bugs`, one for each file of models. A row
//! reads:
//!
//! ```text
//! model: pool::model::idle::a_task_pushed_while_the_only_thread_falls_asleep_is_found
//! bug: the last look S3 is left out.
//! file: pool/sleepers.rs
//! find:
//!         match last_look() {
//! replace:
//!         let _ = last_look();
//!         match LastLook::Nothing {
//! ```
//!
//! `model` is the full name of a test, `bug` is one of the sentences that follow "Bug:" in its
//! documentation, and `file` is a path below `src`. The lines of `find`, as they stand in that
//! file, occur there exactly once. The lines of `replace` take their place; if there are none, the
//! lines are left out. Further pairs of `find` and `replace` change other lines of the file. Blank
//! lines at the end of a block do not count.

use std::fmt;
use std::ops::Range;

/// A bug, and the model that fails with it.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// The file of the table, and the number of the row's first line.
    pub(crate) table: String,
    pub(crate) line: usize,
    /// The full name of the test.
    pub(crate) model: String,
    /// The sentence, with its full stop.
    pub(crate) bug: String,
    /// The path below `src`.
    pub(crate) file: String,
    edits: Vec<Edit>,
}

/// Lines that take the place of others.
#[derive(Debug)]
struct Edit {
    /// The number of the line in the table.
    line: usize,
    /// Whole lines, each with its `\n`.
    find: String,
    /// `None` until the block is read.
    replace: Option<String>,
}

/// An error in the table or in a model's documentation.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The path below the root of the repository.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// A key at the beginning of a line, and what follows it.
struct Field<'a> {
    line: usize,
    key: &'a str,
    /// The rest of the line.
    value: &'a str,
    /// The lines up to the next key, without blank lines at their end.
    block: String,
}

/// Reads a file of the table.
pub(crate) fn parse(table: &str, text: &str) -> Result<Vec<Row>, Problem> {
    let malformed = |line| Problem {
        file: table.to_owned(),
        line,
        what: "a row is `model: …`, `bug: …`, `file: …`, and then pairs of the blocks `find:` \
               and `replace:`"
            .to_owned(),
    };
    let mut rows: Vec<Row> = Vec::new();
    for field in fields(text) {
        let (line, table) = (field.line, table.to_owned());
        if field.key == "model" {
            rows.push(Row {
                table,
                line,
                ..Row::default()
            });
        }
        if !rows.last_mut().is_some_and(|row| row.take(field)) {
            return Err(malformed(line));
        }
    }
    let is_cut_off = |row: &&Row| row.edits.is_empty() || !row.is_paired();
    match rows.iter().find(is_cut_off) {
        Some(row) => Err(malformed(row.line)),
        None => Ok(rows),
    }
}

/// Splits a file of the table at its keys.
fn fields(text: &str) -> Vec<Field<'_>> {
    let keys = ["model", "bug", "file", "find", "replace"];
    let mut fields: Vec<Field<'_>> = Vec::new();
    for (line, raw) in (1..).zip(text.lines()) {
        let split = raw.split_once(':').filter(|(key, _)| keys.contains(key));
        if let Some((key, value)) = split {
            fields.push(Field {
                line,
                key,
                value: value.trim(),
                block: String::new(),
            });
        } else if let Some(last) = fields.last_mut() {
            last.block.extend([raw, "\n"]);
        }
    }
    for Field { block, .. } in &mut fields {
        block.truncate(block.trim_end().len());
        if !block.is_empty() {
            block.push('\n');
        }
    }
    fields
}

impl Row {
    /// Takes the next field. Returns `false` if it does not belong there.
    fn take(&mut self, field: Field<'_>) -> bool {
        let Field {
            line,
            key,
            value,
            block,
        } = field;
        let (is_block, is_paired) = (value.is_empty(), self.is_paired());
        match (key, self.edits.last_mut()) {
            ("find", _) if is_block && is_paired && !block.is_empty() => {
                self.edits.push(Edit {
                    line,
                    find: block,
                    replace: None,
                });
                return !self.bug.is_empty() && !self.file.is_empty();
            }
            ("replace", Some(edit)) if is_block => {
                let is_first = edit.replace.is_none();
                edit.replace = Some(block);
                return is_first;
            }
            ("model", None) => value.clone_into(&mut self.model),
            ("bug", None) => value.clone_into(&mut self.bug),
            ("file", None) => value.clone_into(&mut self.file),
            _ => return false,
        }
        !value.is_empty() && block.is_empty()
    }

    /// Returns `true` if each `find` has its `replace`.
    fn is_paired(&self) -> bool {
        self.edits.iter().all(|edit| edit.replace.is_some())
    }

    /// Returns the text of the row's file with the bug in it.
    pub(crate) fn apply(&self, source: &str) -> Result<String, Problem> {
        let (mut mutant, mut end) = (String::new(), 0);
        for (at, replace) in self.edits_in(source)? {
            mutant.extend([&source[end..at.start], replace]);
            end = at.end;
        }
        mutant.push_str(&source[end..]);
        match mutant == source {
            true => Err(self.problem(self.line, "the row changes nothing".to_owned())),
            false => Ok(mutant),
        }
    }

    /// Returns which parts of the row's file the bug changes, in order, and to what.
    pub(crate) fn edits_in(&self, source: &str) -> Result<Vec<(Range<usize>, &str)>, Problem> {
        let mut found = Vec::new();
        for edit in &self.edits {
            let starts = positions(source, &edit.find);
            let [at] = starts[..] else {
                let times = starts.len();
                let file = &self.file;
                return Err(self.problem(
                    edit.line,
                    format!("`find` occurs {times} times in src/{file}, not once"),
                ));
            };
            let replace = edit.replace.as_deref().unwrap_or_default();
            found.push((at..at + edit.find.len(), replace, edit.line));
        }
        found.sort_by_key(|(at, ..)| at.start);
        let overlap = found.windows(2).find(|two| two[1].0.start < two[0].0.end);
        match overlap {
            Some(two) => Err(self.problem(two[1].2, "`find` overlaps another one".to_owned())),
            None => Ok(found
                .into_iter()
                .map(|(at, replace, _)| (at, replace))
                .collect()),
        }
    }

    /// Makes an error in a line of the row.
    pub(crate) fn problem(&self, line: usize, what: String) -> Problem {
        Problem {
            file: self.table.clone(),
            line,
            what: format!("{what} (model `{}`, bug: {})", self.model, self.bug),
        }
    }
}

/// Returns where the lines begin in the text.
fn positions(text: &str, lines: &str) -> Vec<usize> {
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    let starts = std::iter::once(0).chain(ends);
    starts.filter(|&at| text[at..].starts_with(lines)).collect()
}
