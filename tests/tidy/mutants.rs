//! Each bug that a model names can be put back: the table in `tests/mutants/bugs` agrees with the
//! models and the sources. `tests/mutants` then sees the models fail, which takes minutes.

mod check;
mod table;

use std::path::Path;

use check::{Texts, check, read};

use crate::{Violation, expect_none, listed};

/// Returns the violations in the texts.
fn violations(texts: &Texts) -> Vec<Violation> {
    let problems = check(texts).err().unwrap_or_default().into_iter();
    problems
        .map(|it| Violation::new(&it.file, it.line, it.what))
        .collect()
}

#[test]
fn every_bug_of_a_model_can_be_put_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The published package is without it.
    if root.join("tests/mutants").exists() {
        expect_none(violations(&read(root).expect("the files can be read")));
    }
}

const MODELS: &str = "/// Text.\n///\n/// Bug: it is\n/// off. Bug: it is on.\n#[test]\n\
                      fn it_is_half() {}\nfn no_test() {}\n";
const SOURCE: &str = "fn f() {\n    a();\n\n    b();\n}\nfn g() {\n    a();\n}\n";
const OFF: &str = "model: a::model::it_is_half\nbug: it is off.\nfile: a/b.rs\n\
                   find:\n    b();\n}\nreplace:\n}\n\n";
const ON: &str = "model: a::model::it_is_half\nbug: it is on.\nfile: a/b.rs\n\
                  find:\n}\nfn g() {\n    a();\nreplace:\n    a();\n}\nfn g() {\n\
                  find:\nfn f() {\nreplace:\n";

/// Returns a repository with one file of models, one other file, and this table.
fn texts(table: &str) -> Texts {
    let texts = [
        ("src/a/model.rs", MODELS),
        ("src/a/b.rs", SOURCE),
        ("tests/mutants/bugs/a.txt", table),
    ];
    let texts = texts.map(|(path, text)| (path.to_owned(), text.to_owned()));
    Texts::from(texts)
}

/// Returns what is wrong with the table that has these rows.
fn wrong(rows: [&str; 2]) -> String {
    listed(violations(&texts(&rows.concat()))).join("\n")
}

#[test]
fn a_row_changes_the_lines_that_it_finds() {
    let texts = texts(&[OFF, ON].concat());
    let rows = check(&texts).expect("the table is good");
    let mutants: Vec<_> = rows.iter().map(|it| it.apply(SOURCE).unwrap()).collect();
    assert_eq!(
        mutants[0],
        "fn f() {\n    a();\n\n}\nfn g() {\n    a();\n}\n"
    );
    assert_eq!(
        mutants[1],
        "    a();\n\n    b();\n    a();\n}\nfn g() {\n}\n"
    );
}

#[test]
fn rows_that_do_not_fit_are_found() {
    let expect = |line: usize, what: &str, from: &str, to: &str| {
        let found = wrong([&OFF.replacen(from, to, 1), ON]);
        let what = format!("tests/mutants/bugs/a.txt:{line}: {what}");
        assert!(found.contains(&what), "{what}: {found}");
    };
    expect(4, "`find` occurs 0 times in src/a/b.rs", "b()", "c()");
    expect(4, "`find` occurs 0 times in src/a/b.rs", "    b()", "b()");
    expect(4, "`find` occurs 2 times in src/a/b.rs", "b();\n}", "a();");
    let again = "replace:\nfind:\n    b();\nreplace:";
    expect(8, "`find` overlaps another one", "replace:", again);
    expect(
        1,
        "the row changes nothing",
        "replace:",
        "replace:\n    b();",
    );
    expect(1, "there is no such model", "is_half", "is_full");
    expect(
        1,
        "the model's documentation has no",
        "is off",
        "is on, too",
    );
    expect(1, "there is no src/a/c.rs", "a/b.rs", "a/c.rs");
    expect(3, "a row is `model: …`", "bug: it is off.\n", "");
    expect(3, "a row is `model: …`", "find:", "finds:");
    expect(7, "a row is `model: …`", "replace:", "find:");
    expect(8, "a row is `model: …`", "replace:", "replace:\nreplace:");
    expect(1, "a row is `model: …`", "replace:\n}", "");
}

#[test]
fn bugs_without_rows_and_models_without_bugs_are_found() {
    assert_eq!(
        wrong([OFF, ""]),
        "src/a/model.rs:6: no row in tests/mutants/bugs puts this bug of `a::model::it_is_half` \
         back: it is on."
    );
    let mut texts = texts("");
    let models = MODELS.replace("Bug:", "Flaw:");
    texts.insert("src/a/model.rs".to_owned(), models);
    let found = listed(violations(&texts)).join("\n");
    assert!(
        found.starts_with("src/a/model.rs:6: `a::model::it_is_half` names no bug"),
        "{found}"
    );
}

#[test]
fn models_in_other_files_are_found() {
    let mut texts = texts(&[OFF, ON].concat());
    let module = |name: &str| format!("{SOURCE}#[cfg(all(test, workmill_loom))]\nmod {name}\n");
    for (name, count) in [("model;", 0), ("models;", 1), ("tests {", 1)] {
        texts.insert("src/a/b.rs".to_owned(), module(name));
        let found = listed(violations(&texts));
        assert_eq!(found.len(), count, "{name}: {found:?}");
        assert!(
            found
                .iter()
                .all(|it| it.starts_with("src/a/b.rs:10: models stand in"))
        );
    }
}
