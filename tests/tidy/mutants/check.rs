//! The agreement of the table of bugs with the models and with the sources.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::table::{Problem, Row, parse};

/// Texts by their paths below the root of the repository, with `/` between the parts.
pub(crate) type Texts = BTreeMap<String, String>;

/// A test that loom runs.
struct Model<'a> {
    /// The path of its file below the root, and the number of the line of its `fn`.
    file: &'a str,
    line: usize,
    /// The full name of the test.
    name: String,
    /// The sentences that follow "Bug:" in its documentation.
    bugs: Vec<String>,
}

/// Reads the table and the sources.
pub(crate) fn read(root: &Path) -> io::Result<Texts> {
    let mut texts = Texts::new();
    for folder in ["src", "tests/mutants/bugs"] {
        read_folder(root, folder, &mut texts)?;
    }
    Ok(texts)
}

fn read_folder(root: &Path, folder: &str, texts: &mut Texts) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_folder(root, &path, texts)?;
        } else if path.ends_with(".rs") || path.ends_with(".txt") {
            texts.insert(path, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

/// Returns the rows of the table, or everything that is wrong with them or missing.
pub(crate) fn check(texts: &Texts) -> Result<Vec<Row>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut rows = Vec::new();
    for (path, text) in texts.iter().filter(|(path, _)| path.ends_with(".txt")) {
        match parse(path, text) {
            Ok(more) => rows.extend(more),
            Err(problem) => problems.push(problem),
        }
    }
    let sources = texts.iter().filter(|(path, _)| is_model(path));
    let models: Vec<_> = sources
        .flat_map(|(path, text)| models(path, text))
        .collect();
    let wrong = rows.iter().filter_map(|row| wrong(row, &models, texts));
    problems.extend(wrong);
    problems.extend(models.iter().flat_map(|model| missing(model, &rows)));
    problems.extend(texts.iter().flat_map(|(path, text)| strays(path, text)));
    match problems.is_empty() {
        true => Ok(rows),
        false => Err(problems),
    }
}

/// Returns `true` for `model.rs`, and for files in a folder `model`.
fn is_model(path: &str) -> bool {
    path.ends_with("/model.rs") || path.contains("/model/")
}

/// Returns the modules for loom whose models would not be found.
fn strays(path: &str, text: &str) -> Vec<Problem> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let pairs = (2..).zip(lines.windows(2));
    let strays = pairs.filter(|(_, pair)| {
        let is_for_loom = pair[0] == "#[cfg(all(test, workmill_loom))]";
        is_for_loom && pair[1].starts_with("mod ") && pair[1] != "mod model;"
    });
    let problem = |line| Problem {
        file: path.to_owned(),
        line,
        what: "models stand in `model.rs`, or in a folder `model`: move them".to_owned(),
    };
    strays.map(|(line, _)| problem(line)).collect()
}

/// Returns the models of a file.
fn models<'a>(file: &'a str, text: &str) -> Vec<Model<'a>> {
    let module = file.trim_start_matches("src/").trim_end_matches(".rs");
    let module = module.trim_end_matches("/mod").replace('/', "::");
    let (mut models, mut docs, mut is_test) = (Vec::new(), Vec::new(), false);
    for (line, code) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(doc) = code.strip_prefix("///") {
            docs.push(doc.trim());
        } else if code.starts_with("#[") {
            is_test |= code == "#[test]";
        } else {
            let function = code.strip_prefix("fn ").and_then(|it| it.split_once('('));
            if let Some((name, _)) = function.filter(|_| is_test) {
                let name = format!("{module}::{name}");
                let bugs = bugs(&docs);
                models.push(Model {
                    file,
                    line,
                    name,
                    bugs,
                });
            }
            (docs, is_test) = (Vec::new(), false);
        }
    }
    models
}

/// Returns the sentences that follow "Bug:" in the lines of a documentation. Each ends where the
/// next begins, or at the end of the paragraph.
fn bugs(docs: &[&str]) -> Vec<String> {
    let paragraphs = docs.split(|line| line.is_empty());
    let texts = paragraphs.map(|lines| lines.join(" "));
    let sentences = texts.map(|text| {
        let bugs = text.split("Bug:").skip(1);
        bugs.map(|bug| bug.trim().to_owned()).collect::<Vec<_>>()
    });
    sentences.flatten().collect()
}

/// Returns what is wrong with a row, if anything is.
fn wrong(row: &Row, models: &[Model<'_>], texts: &Texts) -> Option<Problem> {
    let wrong = |what: &str| Some(row.problem(row.line, what.to_owned()));
    let Some(model) = models.iter().find(|model| model.name == row.model) else {
        return wrong("there is no such model");
    };
    if !model.bugs.contains(&row.bug) {
        return wrong("the model's documentation has no such sentence behind \"Bug:\"");
    }
    match texts.get(&format!("src/{}", row.file)) {
        Some(source) => row.apply(source).err(),
        None => wrong(&format!("there is no src/{}", row.file)),
    }
}

/// Returns what a model lacks: a bug, or rows for its bugs.
fn missing(model: &Model<'_>, rows: &[Row]) -> Vec<Problem> {
    let problem = |what| Problem {
        file: model.file.to_owned(),
        line: model.line,
        what,
    };
    let name = &model.name;
    if model.bugs.is_empty() {
        let what = format!("`{name}` names no bug: put one in, see the model fail, and write it");
        return vec![problem(what)];
    }
    let has_row = |bug: &&String| !rows.iter().any(|it| it.model == *name && it.bug == **bug);
    let without = model.bugs.iter().filter(has_row);
    let what = |bug| format!("no row in tests/mutants/bugs puts this bug of `{name}` back: {bug}");
    without.map(|bug| problem(what(bug))).collect()
}
