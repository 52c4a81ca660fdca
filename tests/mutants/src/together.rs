//! All bugs in one program, of which each run has one.
//!
//! To compile the crate once for each bug takes longer than all models do. So the body of each
//! function that has bugs becomes a `match` with an arm for each, and one for the body as it is. A
//! run is told the number of its bug by a variable of the environment.
//!
//! The sources are as rustfmt leaves them, so the body of a function is what lies between a line
//! that begins with `fn` and the next line that is a brace with the same indentation. Should that
//! find something else, the program does not compile, and the bugs of the lines that the compiler
//! names are left out. They are tried alone, and so are those that are not within one function or
//! several, or in one that is `const`, or that has another one with bugs in it.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::ops::Range;

use crate::table::{Problem, Row};

/// The variable that has the number of the bug.
pub(crate) const VARIABLE: &str = "WORKMILL_BUG";

/// What is added to the crate. `usize::MAX` is no bug.
pub(crate) const CHOICE: &str = r#"
pub(crate) fn bug() -> usize {
    static BUG: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *BUG.get_or_init(|| match std::env::var("WORKMILL_BUG") {
        Ok(number) => number.parse().expect("a number"),
        Err(_) => usize::MAX,
    })
}
"#;

/// A source with several bugs.
#[derive(Debug)]
pub(crate) struct Mutants {
    pub(crate) text: String,
    /// The numbers of the lines of each arm, the first line being 1, and the number of its bug.
    arms: Vec<(Range<usize>, usize)>,
}

impl Mutants {
    /// Puts those bugs into a source that it can have beside each other, and notes their numbers.
    ///
    /// Returns an error if a row does not fit the source.
    pub(crate) fn make<'a>(
        source: &str,
        bugs: impl Iterator<Item = (usize, &'a Row)>,
        taken: &mut BTreeSet<usize>,
    ) -> Result<Self, Problem> {
        let bodies = bodies(source);
        let mut arms: BTreeMap<usize, Vec<(usize, String)>> = BTreeMap::new();
        for (number, row) in bugs {
            let edits = row.edits_in(source)?;
            let mut within: BTreeMap<usize, Vec<_>> = BTreeMap::new();
            for edit in edits {
                let holds =
                    |body: &Range<usize>| body.start <= edit.0.start && edit.0.end <= body.end;
                // The innermost one comes last.
                let Some(body) = bodies.iter().rposition(holds) else {
                    within.clear();
                    break;
                };
                within.entry(body).or_default().push(edit);
            }
            let overlaps = |body: &usize| {
                let others = arms.keys().chain(within.keys());
                let mut others = others.filter(|other| *other != body);
                others.any(|other| overlap(&bodies[*body], &bodies[*other]))
            };
            if within.is_empty() || within.keys().any(overlaps) {
                continue;
            }
            taken.insert(number);
            for (body, edits) in within {
                let mutant = changed(source, &bodies[body], &edits);
                arms.entry(body).or_default().push((number, mutant));
            }
        }
        Ok(Self::write(source, &bodies, arms))
    }

    fn write(
        source: &str,
        bodies: &[Range<usize>],
        bugs: BTreeMap<usize, Vec<(usize, String)>>,
    ) -> Self {
        let (mut text, mut arms, mut end) = (String::new(), Vec::new(), 0);
        let mut line = 1;
        let mut push = |more: &str| {
            text.push_str(more);
            let begin = line;
            line += more.matches('\n').count();
            begin..line
        };
        for (body, mutants) in bugs {
            let body = bodies[body].clone();
            push(&source[end..body.start]);
            push("match crate::bug() {\n");
            for (number, mutant) in mutants {
                arms.push((push(&format!("{number} => {{\n{mutant}}}\n")), number));
            }
            push(&format!("_ => {{\n{}}}\n}}\n", &source[body.clone()]));
            end = body.end;
        }
        push(&source[end..]);
        Self { text, arms }
    }

    /// Returns the numbers of the bugs in whose arms the line is, or of all if it is in none.
    pub(crate) fn at(&self, line: usize) -> Vec<usize> {
        let in_arms = self.arms.iter().filter(|(lines, _)| lines.contains(&line));
        let found: Vec<_> = in_arms.map(|(_, number)| *number).collect();
        match found.is_empty() {
            true => self.arms.iter().map(|(_, number)| *number).collect(),
            false => found,
        }
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Returns a part of a source with edits within it.
fn changed(source: &str, part: &Range<usize>, edits: &[(Range<usize>, &str)]) -> String {
    let (mut text, mut end) = (String::new(), part.start);
    for (at, replace) in edits {
        text.extend([&source[end..at.start], replace]);
        end = at.end;
    }
    text + &source[end..part.end]
}

/// Returns where the bodies of functions are, without their braces, in the order of their starts.
fn bodies(source: &str) -> Vec<Range<usize>> {
    let ends = source.match_indices('\n').map(|(at, _)| at + 1);
    let starts = iter::once(0).chain(ends);
    let lines: Vec<_> = starts.zip(source.split_inclusive('\n')).collect();
    let functions = (0..lines.len()).filter(|&at| is_function(lines[at].1));
    let body = |at: usize| {
        let level = indentation(lines[at].1);
        let mut rest = lines[at..]
            .iter()
            .filter(|(_, line)| indentation(line) == level);
        let is_end_of_head = |line: &str| ["{\n", "}\n", ";\n"].iter().any(|it| line.ends_with(it));
        let (start, head) = rest.find(|(_, line)| is_end_of_head(line))?;
        let (end, _) = rest.find(|(_, line)| line.trim() == "}")?;
        head.ends_with("{\n").then_some(start + head.len()..*end)
    };
    functions.filter_map(body).collect()
}

/// Returns `true` if a function begins with the line that may choose when it is called.
fn is_function(line: &str) -> bool {
    let before = line
        .split_once("fn ")
        .map(|(before, _)| before.trim_start());
    before.is_some_and(|before| !before.starts_with("//") && !before.contains("const"))
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::parse;

    const SOURCE: &str = "\
pub(crate) const fn fixed() -> u8 {
    1
}

impl A {
    fn many(
        self,
    ) -> u8 {
        let two = 2;
        two + two
    }

    fn none() {}
}
";

    const TABLE: &str = "\
model: a
bug: it is one.
file: a.rs
find:
        let two = 2;
replace:
        let two = 1;

model: a
bug: it is fixed.
file: a.rs
find:
    1
replace:
    2

model: a
bug: it is less.
file: a.rs
find:
        two + two
replace:
        two - two
";

    #[test]
    fn a_function_has_an_arm_for_each_of_its_bugs() {
        let rows = parse("a.txt", TABLE).unwrap();
        let mut taken = BTreeSet::new();
        let mutants = Mutants::make(SOURCE, rows.iter().enumerate(), &mut taken).unwrap();
        assert_eq!(taken, BTreeSet::from([0, 2]), "a constant cannot choose");
        let body = "        let two = 2;\n        two + two\n";
        let (before, after) = SOURCE.split_once(body).unwrap();
        let choice = "\
match crate::bug() {
0 => {
        let two = 1;
        two + two
}
2 => {
        let two = 2;
        two - two
}
_ => {
        let two = 2;
        two + two
}
}
";
        assert_eq!(mutants.text, format!("{before}{choice}{after}"));
        let line = |text: &str| mutants.text.lines().position(|it| it == text).unwrap() + 1;
        assert_eq!(mutants.at(line("        let two = 1;")), [0]);
        assert_eq!(mutants.at(line("        two - two")), [2]);
        assert_eq!(mutants.at(line("_ => {")), [0, 2]);
    }
}
