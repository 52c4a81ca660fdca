//! Nothing is too large: lines, functions, files. And no flag for a state as a parameter.

use crate::source::{File, Line, Token, Tree, closing, tree};
use crate::{Violation, expect_none};

/// The number of columns in Rust files.
const RUST_COLUMNS: usize = 100;

/// The number of columns in Markdown files.
const MARKDOWN_COLUMNS: usize = 120;

/// The number of lines of a file.
const FILE_LINES: usize = 600;

/// The number of lines of a function, from `fn` to its last brace.
const FUNCTION_LINES: usize = 70;

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[
    ("src/builder.rs", "public documentation"),
    ("src/many/join_set.rs", "public documentation"),
    ("src/sync/queue/basic.rs", "public documentation"),
    ("src/sync/semaphore.rs", "public documentation"),
    ("src/sync/permits.rs", "one protocol with its argument"),
    (
        "src/task/cell.rs",
        "one block of memory: all code that may touch it",
    ),
];

/// No line is too wide, except rows of tables and links that have no place to be broken.
fn wide_lines(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let files = tree
        .files
        .iter()
        .filter(|file| !file.path.ends_with(".toml"));
    for file in files {
        let is_rust = file.path.ends_with(".rs");
        let limit = if is_rust {
            RUST_COLUMNS
        } else {
            MARKDOWN_COLUMNS
        };
        for (number, line) in (1..).zip(&file.lines) {
            let columns = line.raw.chars().count();
            if columns > limit && !cannot_be_broken(line, is_rust) {
                let what = format!("wider than {limit} columns: break the line");
                violations.push(Violation::new(&file.path, number, what));
            }
        }
    }
    violations
}

/// Returns `true` for rows of tables, definitions of links, and links that are alone on their line.
fn cannot_be_broken(line: &Line, is_rust: bool) -> bool {
    let mut text = line.raw.trim();
    if is_rust {
        if !line.code.trim().is_empty() {
            return false;
        }
        text = text.trim_start_matches(['/', '!']).trim();
    }
    let is_row = text.starts_with('|') && text.ends_with('|');
    let is_definition = text.starts_with('[') && text.contains("]: ");
    let text = text.trim_start_matches(['-', '*', ' ']);
    let is_link = text.contains("](") || text.contains("://");
    is_row || is_definition || is_link && !text.contains(' ')
}

/// No file of `src` is too long, except those in the table.
fn long_files(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let is_free = |path: &str| LONG_FILES.iter().any(|(long, _)| *long == path);
    for file in tree.src() {
        let lines = file.lines.len();
        if lines > FILE_LINES && !is_free(&file.path) {
            let what = format!(
                "{lines} lines, {FILE_LINES} at most: split it by what it is for, or give a reason \
                 in tests/tidy/sizes.rs"
            );
            violations.push(Violation::new(&file.path, FILE_LINES, what));
        }
    }
    for (path, _) in LONG_FILES {
        let is_long = |file: &File| file.lines.len() > FILE_LINES;
        if tree.file("src/lib.rs").is_some() && !tree.file(path).is_some_and(is_long) {
            let what = format!("`{path}` is not long: take it out of LONG_FILES");
            violations.push(Violation::new("tests/tidy/sizes.rs", 1, what));
        }
    }
    violations
}

/// A function: its name, and the indices of its parameters' parentheses and of its last token.
struct Function<'a> {
    name: &'a Token,
    parameters: &'a [Token],
    last: &'a Token,
}

/// Returns the functions of a file, with those inside others.
fn functions(file: &File) -> Vec<Function<'_>> {
    let tokens = &file.tokens;
    let text = |at: usize| tokens.get(at).map_or("", |it| &*it.text);
    let mut functions = Vec::new();
    for at in (1..tokens.len()).filter(|&at| text(at - 1) == "fn" && text(at) != "(") {
        let find = |from: usize, texts: &[&str]| {
            let mut at = from;
            while at < tokens.len() && !texts.contains(&text(at)) {
                at = closing(tokens, at) + 1;
            }
            at.min(tokens.len() - 1)
        };
        let open = find_parameters(tokens, at);
        let close = closing(tokens, open);
        let body = find(close + 1, &["{", ";"]);
        functions.push(Function {
            name: &tokens[at],
            parameters: &tokens[open..close],
            last: &tokens[closing(tokens, body)],
        });
    }
    functions
}

/// Returns the index of the parenthesis behind a function's name and generics, whose bounds may
/// have parentheses of their own, as in `F: Fn(A) -> B`.
fn find_parameters(tokens: &[Token], name: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = name + 1;
    while at + 1 < tokens.len() {
        match &*tokens[at].text {
            "(" if depth == 0 => return at,
            "<" => depth += 1,
            ">" if tokens[at - 1].text != "-" => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    at
}

/// No function of `src` is too long.
fn long_functions(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.src() {
        for Function { name, last, .. } in functions(file) {
            let lines = last.line - name.line + 1;
            if lines > FUNCTION_LINES {
                let what = format!(
                    "`{}` has {lines} lines, {FUNCTION_LINES} at most: split it",
                    name.text
                );
                violations.push(Violation::new(&file.path, name.line, what));
            }
        }
    }
    violations
}

/// No function outside tests is told a state by a flag `was_…` or `is_…`.
fn flags(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.src().filter(|file| !file.is_test) {
        for function in functions(file).iter().filter(|it| !it.name.is_test) {
            for words in function.parameters.windows(3) {
                let [name, colon, kind] = [&words[0], &words[1], &words[2]];
                let is_state = name.text.starts_with("was_") || name.text.starts_with("is_");
                if is_state && colon.text == ":" && kind.text == "bool" {
                    let what = format!(
                        "`{}: bool` is a parameter of `{}`: take a token that only the state can \
                         give, or make two functions",
                        name.text, function.name.text
                    );
                    violations.push(Violation::new(&file.path, name.line, what));
                }
            }
        }
    }
    violations
}

#[test]
fn no_line_is_too_wide() {
    expect_none(wide_lines(tree()));
}

#[test]
fn no_file_is_too_long() {
    expect_none(long_files(tree()));
}

#[test]
fn no_function_is_too_long() {
    expect_none(long_functions(tree()));
}

#[test]
fn no_state_is_told_by_a_flag() {
    expect_none(flags(tree()));
}

/// Returns the lines where the rule is broken in a file of `src` with this text.
fn lines(rule: fn(&Tree) -> Vec<Violation>, text: &str) -> Vec<usize> {
    let found = rule(&Tree::of([("src/a.rs", text)]));
    found.into_iter().map(|it| it.line).collect()
}

#[test]
fn wide_lines_are_found() {
    let long = "é".repeat(98);
    let text =
        format!("//{long}\n// {long}\n//! | {long} |\n// [a]: {long}\n// - x://{long}\nf({long});");
    assert_eq!(lines(wide_lines, &text), [2, 6]);
    let (rust, markdown) = (format!("//! {}", "a ".repeat(58)), "a ".repeat(60));
    let tree = Tree::of([("a.md", &*rust), ("b.md", &*format!("{markdown}b"))]);
    let found: Vec<_> = wide_lines(&tree).into_iter().map(|it| it.file).collect();
    assert_eq!(found, ["b.md"]);
}

#[test]
fn long_files_are_found() {
    assert_eq!(lines(long_files, &"\n".repeat(600)), []);
    assert_eq!(lines(long_files, &"\n".repeat(601)), [600]);
}

#[test]
fn long_functions_are_found() {
    let body = |lines: usize| format!("a: [u8; 1]) -> B {{\n{}}}", "f();\n".repeat(lines));
    let text = format!("type A = fn(u8);\nfn a<F: Fn(u8) -> B>({}\n", body(68));
    assert_eq!(lines(long_functions, &text), []);
    let text = format!(
        "trait A {{ fn g(&self);\n\nfn b({} fn c() {{}} }}",
        body(69)
    );
    assert_eq!(lines(long_functions, &text), [3]);
}

#[test]
fn flags_for_states_are_found() {
    let text = "fn a(\n was_b: bool,\n is_c: &str) {}\nfn d<F: Fn(u8) -> B>(b: F, is_d: bool) {\n\
                let is_e: bool = f(); }\n#[cfg(test)] fn g(is_h: bool) {}";
    assert_eq!(lines(flags, text), [2, 4]);
}
