//! The things that only a few files may use: unsafe code, dependencies, `catch_unwind`, and the
//! parts of the standard library that the models replace.

use crate::document::ARCHITECTURE;
use crate::imports::{path_at, uses};
use crate::source::{File, Line, Token, Tree, attribute, closing, tree};
use crate::{Violation, expect_none, listed};

const CONTRIBUTING: &str = "CONTRIBUTING.md";
const MANIFEST: &str = "Cargo.toml";

/// Returns the line of the file's own attribute that expects unsafe code, if it has one.
fn expects_unsafe(file: &File) -> Option<usize> {
    let mut at = 0;
    while let Some((open, true)) = attribute(&file.tokens, at) {
        let close = closing(&file.tokens, open);
        let has = |word: &str| file.tokens[open..close].iter().any(|it| it.text == word);
        if has("expect") && has("unsafe_code") {
            return Some(file.tokens[at].line);
        }
        at = close + 1;
    }
    None
}

/// Unsafe code stands in files that expect it themselves, and nothing opens a file from outside.
fn unsafe_outside(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.src() {
        let mut say = |token: &Token, what: &str| {
            violations.push(Violation::new(&file.path, token.line, what));
        };
        let room = expects_unsafe(file);
        for token in &file.tokens {
            match &*token.text {
                "unsafe" if room.is_none() => say(
                    token,
                    "unsafe code outside its rooms: move it to one of those listed in \
                     ARCHITECTURE.md, or begin the file with `#![expect(unsafe_code, reason = …)]`",
                ),
                "unsafe_code" if room.is_none() => say(
                    token,
                    "the lint is changed by other means than an `expect` at the beginning of the \
                     file: write `#![expect(unsafe_code, reason = …)]` there",
                ),
                _ => {}
            }
        }
        let children = file.declared().filter(|_| room.is_some());
        for child in children.filter(|child| !is_stand_in(file, child)) {
            let what = format!(
                "`mod {}` inherits this file's `expect(unsafe_code)`: move the unsafe code to a \
                 file without children",
                child.text
            );
            say(child, &what);
        }
    }
    violations
}

/// Returns `true` if the module is declared for models or tests only.
fn is_stand_in(file: &File, name: &Token) -> bool {
    let of_line = |line: usize| line.checked_sub(1).map_or("", |at| &*file.lines[at].code);
    let mut line = name.line - 1;
    while of_line(line).trim_start().starts_with("#[") {
        if of_line(line).contains("cfg(") && of_line(line).contains("workmill_loom") {
            return true;
        }
        line -= 1;
    }
    name.is_test
}

/// The lists of unsafe rooms in the documents are those of `src`, and the lint denies the others.
fn unsafe_lists(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let rooms = tree.src().filter(|file| expects_unsafe(file).is_some());
    let rooms: Vec<_> = rooms.map(|file| &*file.path).collect();
    for document in [ARCHITECTURE, CONTRIBUTING] {
        let Some((line, names)) = tree.file(document).and_then(unsafe_list) else {
            let what = "has no list of unsafe rooms: write \"Unsafe code is in `…`\", or \
                        \"**Unsafe code** stays in `…`\", with a full stop behind it";
            violations.push(Violation::new(document, 1, what));
            continue;
        };
        let mut say = |what: String| violations.push(Violation::new(document, line, what));
        let forms = |name: &str| ["", ".rs", "/mod.rs"].map(|end| format!("src/{name}{end}"));
        let is = |room: &str, name: &str| forms(name).iter().any(|it| it == room);
        for room in rooms
            .iter()
            .filter(|room| !names.iter().any(|it| is(room, it)))
        {
            say(format!("the list of unsafe rooms lacks `{room}`: add it"));
        }
        for name in names
            .iter()
            .filter(|name| !rooms.iter().any(|it| is(it, name)))
        {
            say(format!(
                "`{name}` does not expect unsafe code: take it out of the list"
            ));
        }
    }
    let manifest = tree.file(MANIFEST).map_or(&[][..], |file| &file.lines);
    if !manifest
        .iter()
        .any(|line| line.raw.trim() == r#"unsafe_code = "deny""#)
    {
        let what = r#"write `unsafe_code = "deny"` under `[workspace.lints.rust]`"#;
        violations.push(Violation::new(MANIFEST, 1, what));
    }
    violations
}

/// Returns the names in the sentence "Unsafe code is in …", and its line.
fn unsafe_list(document: &File) -> Option<(usize, Vec<String>)> {
    let begins = |line: &Line| {
        let text = line.raw.replace("**", "");
        text.contains("Unsafe code is in") || text.contains("Unsafe code stays in")
    };
    let at = document.lines.iter().position(begins)?;
    let rest: Vec<_> = document.lines[at..]
        .iter()
        .map(|line| line.raw.trim())
        .collect();
    let rest = rest.join(" ");
    let from = rest.find("Unsafe code")?;
    let mut names = Vec::new();
    for (index, piece) in rest[from..].split('`').enumerate() {
        match index % 2 {
            0 if piece.contains('.') => break,
            0 => {}
            _ => names.push(piece.to_owned()),
        }
    }
    Some((at + 1, names))
}

/// A dependency, and the files that the comment on its line names.
#[derive(Debug)]
struct Dependency {
    /// Its name in code.
    name: String,
    line: usize,
    doors: Vec<String>,
    /// The comment names the models as well.
    is_for_models: bool,
}

/// Returns the dependencies of the crate, those for tests apart.
fn dependencies(manifest: &File) -> Vec<Dependency> {
    let mut is_table = false;
    let mut dependencies = Vec::new();
    for (number, line) in (1..).zip(&manifest.lines) {
        let line = line.raw.trim();
        if line.starts_with('[') {
            let is_target = line.starts_with("[target.") && line.ends_with(".dependencies]");
            is_table = line == "[dependencies]" || is_target;
        }
        let (entry, comment) = line.split_once('#').unwrap_or((line, ""));
        let Some((name, _)) = entry.split_once('=').filter(|_| is_table) else {
            continue;
        };
        let words = comment.split([' ', ',', ';', '`']);
        let doors = words.filter(|it| it.starts_with("src/"));
        dependencies.push(Dependency {
            name: name.trim().replace('-', "_"),
            line: number,
            doors: doors.map(str::to_owned).collect(),
            is_for_models: comment.contains("models") || comment.contains("the model"),
        });
    }
    dependencies
}

/// Returns the line where the file uses the crate, if it does.
fn use_of(tree: &Tree, file: &File, name: &str) -> Option<usize> {
    let text = |at: usize| file.tokens.get(at).map_or("", |it| &*it.text);
    let path = format!("{}{name}", file.folder_of_children());
    let ends = [".rs", "/mod.rs"];
    let is_module = ends
        .iter()
        .any(|end| tree.file(&format!("{path}{end}")).is_some());
    let is_use = |at: &usize| {
        let is_absolute = text(at.wrapping_sub(1)) == "::" && text(at.wrapping_sub(2)) == "use";
        let begins = is_absolute || text(at.wrapping_sub(1)) != "::" && !is_module;
        let is_path = text(at + 1) == "::" || text(at.wrapping_sub(1)) == "use";
        text(*at) == name && begins && is_path
    };
    let at = (0..file.tokens.len()).find(is_use)?;
    Some(file.tokens[at].line)
}

/// Each dependency is used by the files that its comment names, and by no other.
fn other_doors(tree: &Tree) -> Vec<Violation> {
    let manifest = tree.file(MANIFEST).map_or(Vec::new(), dependencies);
    let mut violations = Vec::new();
    for Dependency {
        name,
        line,
        doors,
        is_for_models,
    } in manifest
    {
        if doors.is_empty() {
            let what = format!("`{name}` has no door: name the only file that uses it, `# src/…`");
            violations.push(Violation::new(MANIFEST, line, what));
        }
        let used = |file: &File| use_of(tree, file, &name);
        for door in &doors {
            if tree.file(door).and_then(used).is_none() {
                let what = format!("{door} does not use `{name}`: name the file that does");
                violations.push(Violation::new(MANIFEST, line, what));
            }
        }
        let is_free = |file: &File| doors.contains(&file.path) || is_for_models && file.is_model();
        for file in tree.src().filter(|file| !is_free(file)) {
            if let Some(line) = used(file) {
                let what = format!(
                    "uses `{name}`, not one of its doors ({}): go through those, or name this \
                     file in {MANIFEST} beside the dependency",
                    doors.join(", ")
                );
                violations.push(Violation::new(&file.path, line, what));
            }
        }
    }
    violations
}

/// Panics are caught in one file.
fn other_catches(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.src().filter(|file| file.path != "src/unwind.rs") {
        let catches = file.shipped().filter(|token| token.text == "catch_unwind");
        let what = "names `catch_unwind`: call `unwind::catch`, or another function of `unwind.rs`";
        violations.extend(catches.map(|token| Violation::new(&file.path, token.line, what)));
    }
    violations
}

/// Atomics, locks and threads, which a model has to replace, come from `primitive`. A file that
/// uses those of std under the model, too, says why beside the import.
fn beside_the_model(tree: &Tree) -> Vec<Violation> {
    const FREE: [&str; 5] = [
        "primitive/",
        "primitive.rs",
        "fork/",
        "fork.rs",
        "adapters/",
    ];
    let mut violations = Vec::new();
    let is_free = |file: &File| FREE.iter().any(|it| file.room_path().starts_with(it));
    for file in tree.src().filter(|file| !is_free(file) && !file.is_test) {
        for (path, line) in std_paths(file) {
            if is_modelled(&path) && !is_explained(file, line) {
                let what = format!(
                    "`{}` is not replaced in the model: import it from `crate::primitive`, or say \
                     in a comment above it why it is plain std \"under the model, too\"",
                    path.join("::")
                );
                violations.push(Violation::new(&file.path, line, what));
            }
        }
    }
    violations
}

/// Returns the paths of the file that begin with `std`, in `use` and elsewhere, with their lines.
fn std_paths(file: &File) -> Vec<(Vec<String>, usize)> {
    let shipped = uses(file).into_iter().filter(|(_, is_test)| !is_test);
    let mut paths: Vec<_> = shipped.map(|(it, _)| (it.path, it.line)).collect();
    let is_std = |path: &str| ["std", "core"].contains(&path);
    for (at, token) in file.tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| &*file.tokens[at].text);
        if is_std(&token.text) && !token.is_test && !matches!(before, Some("use" | "::")) {
            paths.push((path_at(&file.tokens, at), token.line));
        }
    }
    paths.retain(|(path, _)| path.len() > 1 && is_std(&path[0]));
    paths
}

/// Returns `true` for the paths that loom has something in place of.
fn is_modelled(path: &[String]) -> bool {
    let path: Vec<_> = path[1..].iter().map(|it| &**it).collect();
    match path[..] {
        ["sync", item, ..] => ["atomic", "Mutex", "Condvar", "RwLock"].contains(&item),
        ["thread", item, ..] => !["available_parallelism", "panicking"].contains(&item),
        ["thread"] => true,
        _ => false,
    }
}

/// Returns `true` if the line, or the comment above it, speaks of the model. Between that comment
/// and the line there may be other imports, but no empty line.
fn is_explained(file: &File, line: usize) -> bool {
    let mut lines = file.lines[..line].iter().rev();
    let own = lines.next().into_iter();
    let above = lines.take_while(|line| {
        let code = line.code.trim();
        !line.raw.trim().is_empty() && (code.is_empty() || is_part_of_use(code))
    });
    let comments: Vec<_> = own.chain(above).map(|it| &*it.comment).collect();
    comments.join(" ").to_lowercase().contains("the model")
}

/// Returns `true` for lines such as `use a::b;` and those of a longer list.
fn is_part_of_use(code: &str) -> bool {
    code.starts_with("use ") || code.starts_with("pub") && code.contains(" use ")
}

#[test]
fn unsafe_code_stands_only_in_its_rooms() {
    expect_none(unsafe_outside(tree()));
}

#[test]
fn the_lists_of_unsafe_rooms_are_true() {
    expect_none(unsafe_lists(tree()));
}

#[test]
fn each_dependency_enters_by_the_doors_named_beside_it() {
    expect_none(other_doors(tree()));
}

#[test]
fn panics_are_caught_in_one_place() {
    expect_none(other_catches(tree()));
}

#[test]
fn atomics_locks_and_threads_come_from_primitive() {
    expect_none(beside_the_model(tree()));
}

/// Returns where the rule is broken in a tree of these files, as `file:line`.
fn places(rule: fn(&Tree) -> Vec<Violation>, files: &[(&str, &str)]) -> Vec<String> {
    let found = rule(&Tree::of(files.iter().copied())).into_iter();
    found.map(|it| format!("{}:{}", it.file, it.line)).collect()
}

#[test]
fn unsafe_code_outside_its_rooms_is_found() {
    let files = [
        (
            "src/a.rs",
            "//! unsafe\n#![expect(\n unsafe_code)]\nunsafe {}",
        ),
        (
            "src/b.rs",
            "#![cfg_attr(x, expect(unsafe_code))]\n#[cfg(workmill_loom)]\nmod c;",
        ),
        (
            "src/d.rs",
            "// unsafe\nconst A: &str = \"unsafe\";\nunsafe fn f() {}",
        ),
        (
            "src/e/mod.rs",
            "#![expect(unsafe_code)]\n#[cfg(feature = \"x\")]\nmod f;",
        ),
        ("src/g.rs", "\n#[expect(unsafe_code)]\nmod h;"),
    ];
    let expected = ["src/d.rs:3", "src/e/mod.rs:3", "src/g.rs:2"];
    assert_eq!(places(unsafe_outside, &files), expected);
}

#[test]
fn lists_of_unsafe_rooms_that_are_not_true_are_found() {
    let files = [
        (
            ARCHITECTURE,
            "\n- Unsafe code is in `a/mod.rs` and\n  `b.rs`, and nowhere. `c`",
        ),
        (CONTRIBUTING, "- **Unsafe code** stays in `a`. `b`"),
        ("src/a/mod.rs", "#![expect(unsafe_code)]"),
        ("src/c.rs", "#![expect(unsafe_code)]"),
        ("Cargo.toml", "unsafe_code = \"warn\""),
    ];
    let found = listed(unsafe_lists(&Tree::of(files)));
    let expected = [
        "ARCHITECTURE.md:2: the list of unsafe rooms lacks `src/c.rs`: add it",
        "ARCHITECTURE.md:2: `b.rs` does not expect unsafe code: take it out of the list",
        "CONTRIBUTING.md:1: the list of unsafe rooms lacks `src/c.rs`: add it",
        "Cargo.toml:1: write `unsafe_code = \"deny\"` under `[workspace.lints.rust]`",
    ];
    assert_eq!(found, expected);
}

#[test]
fn other_doors_of_dependencies_are_found() {
    let manifest = "[dependencies]\na-b = \"1\" # src/a.rs, src/b.rs\nc = \"1\"\n\
                    [target.'cfg(x)'.dependencies]\nd = { x = \"#\" } # src/d.rs and the models\n\
                    [dev-dependencies]\ne = \"1\"";
    let files = [
        (MANIFEST, manifest),
        ("src/a.rs", "use a_b as x;"),
        ("src/b.rs", "use crate::a_b::B; use e::f; // a_b::c"),
        ("src/d.rs", "use d::D;"),
        ("src/f.rs", "\nfn f() { a_b::c() }"),
        ("src/g/mod.rs", "mod a_b; use a_b::c; use self::d::e;"),
        ("src/g/a_b.rs", "use ::a_b::c; fn f() { g.d }"),
        ("src/g/model.rs", "use d::e;"),
    ];
    let expected = [
        "Cargo.toml:2",
        "src/f.rs:2",
        "src/g/a_b.rs:1",
        "Cargo.toml:3",
    ];
    assert_eq!(places(other_doors, &files), expected);
}

#[test]
fn other_catches_of_panics_are_found() {
    let files = [
        ("src/unwind.rs", "use std::panic::catch_unwind;"),
        ("src/a.rs", "// catch_unwind\nuse std::panic::catch_unwind;"),
        (
            "src/b.rs",
            "#[cfg(test)] mod tests { use std::panic::catch_unwind; }",
        ),
    ];
    assert_eq!(places(other_catches, &files), ["src/a.rs:2"]);
}

#[test]
fn imports_from_std_beside_the_model_are_found() {
    let explained = "// Std's under the model, too: no order is needed.\nuse std::fmt;\n\
                     use std::sync::{Arc, atomic::Ordering};\n\nuse std::sync::Mutex;";
    let files = [
        ("src/primitive/mod.rs", "use std::sync::Mutex;"),
        ("src/a.rs", explained),
        ("src/b.rs", "use std::{sync::{Arc, atomic::{self, A}}, io};"),
        (
            "src/c.rs",
            "fn f() {\n std::thread::park(); // in the model, too\n std::thread::park() }",
        ),
        ("src/d.rs", "#[cfg(test)] mod tests { use std::thread; }"),
        (
            "src/e.rs",
            "use std::sync::OnceLock; fn f() { crate::primitive::thread::park() }",
        ),
    ];
    let expected = ["src/a.rs:5", "src/b.rs:1", "src/b.rs:1", "src/c.rs:3"];
    assert_eq!(places(beside_the_model, &files), expected);
}
