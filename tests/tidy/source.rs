//! The repository as text: its files, and for Rust the code, the strings and the comments apart.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// All files that the rules read.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

/// A file. Lines of Markdown have no code and no comments, and only files of `src` have tokens.
#[derive(Debug)]
pub(crate) struct File {
    /// The path below the root of the repository, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) tokens: Vec<Token>,
    /// The whole file is compiled for tests or models only.
    pub(crate) is_test: bool,
}

/// A line, and its parts in the same columns: everything else is replaced by spaces.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) raw: String,
    /// Code, without the contents of strings.
    pub(crate) code: String,
    /// Comments, with their markers.
    pub(crate) comment: String,
    /// Code and strings, without comments.
    pub(crate) text: String,
}

/// A word, a lifetime, `::`, or any other character of code.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// The number of the line, from 1.
    pub(crate) line: usize,
    /// The token belongs to an item that is compiled for tests or models only.
    pub(crate) is_test: bool,
}

/// The part of a Rust file that a character belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    String,
    Comment,
}

/// Returns the repository of this crate, read once.
pub(crate) fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts = Vec::new();
        for folder in ["src", "tests", "examples", "benches", "crates"] {
            read(root, folder, &mut texts);
        }
        read_files(root, "", &mut texts);
        texts.sort();
        Tree::of(texts.iter().map(|(path, text)| (&**path, &**text)))
    })
}

/// Reads a folder and those below it.
fn read(root: &Path, folder: &str, texts: &mut Vec<(String, String)>) {
    read_files(root, folder, texts);
    for entry in fs::read_dir(root.join(folder)).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let is_folder = entry.file_type().expect("a known type").is_dir();
        if is_folder && name != "target" && !name.starts_with('.') {
            read(root, &format!("{folder}/{name}"), texts);
        }
    }
}

/// Reads the files of one folder.
fn read_files(root: &Path, folder: &str, texts: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(root.join(folder)).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        if [".rs", ".md", "Cargo.toml"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            let text = fs::read_to_string(entry.path()).expect("the file can be read");
            let path = format!("{folder}/{name}");
            texts.push((path.trim_start_matches('/').to_owned(), text));
        }
    }
}

impl Tree {
    /// Makes a tree of paths and texts.
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = texts.into_iter().map(|(path, text)| File::of(path, text));
        let mut tree = Self {
            files: files.collect(),
        };
        tree.mark_test_files();
        tree
    }

    /// Returns the file with the path.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Returns the Rust files below `src`.
    pub(crate) fn src(&self) -> impl Iterator<Item = &File> {
        self.rust().filter(|file| file.path.starts_with("src/"))
    }

    /// Returns the Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// Returns the manifests of the packages.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &File> {
        let is_manifest = |file: &&File| file.path.ends_with("Cargo.toml");
        self.files.iter().filter(is_manifest)
    }

    /// Marks the files that are declared by a `mod` for tests only, and those below them.
    fn mark_test_files(&mut self) {
        let mut tests = HashSet::new();
        for file in self.rust() {
            let folder = file.folder_of_children();
            let declared = file.declared().filter(|it| it.is_test);
            tests.extend(declared.map(|it| format!("{folder}{}", it.text)));
        }
        for file in &mut self.files {
            let below = |test: &String| {
                let rest = file.path.strip_prefix(&**test);
                rest.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
            };
            file.is_test = file.is_model() || tests.iter().any(below);
        }
    }
}

impl File {
    fn of(path: &str, text: &str) -> Self {
        let is_rust = path.ends_with(".rs");
        let lines = if is_rust {
            separate(text)
        } else {
            text.lines().map(Line::plain).collect()
        };
        let mut tokens = Vec::new();
        if is_rust && path.starts_with("src/") {
            tokens = tokenize(&lines);
            mark_tests(&mut tokens);
        }
        Self {
            path: path.to_owned(),
            lines,
            tokens,
            is_test: false,
        }
    }

    /// Returns `true` if the file is a model: `model.rs`, or in a folder `model`.
    pub(crate) fn is_model(&self) -> bool {
        self.path.contains("/model/") || self.path.ends_with("/model.rs")
    }

    /// Returns the path below `src`.
    pub(crate) fn room_path(&self) -> &str {
        self.path.strip_prefix("src/").unwrap_or(&self.path)
    }

    /// Returns the tokens that are compiled outside tests and models.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = &Token> {
        let tokens = if self.is_test { &[] } else { &*self.tokens };
        tokens.iter().filter(|token| !token.is_test)
    }

    /// Returns the names of the modules that are declared in other files.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &Token> {
        let after = self.tokens.windows(3);
        let found = after.filter(|it| it[0].text == "mod" && it[2].text == ";");
        found.map(|it| &it[1])
    }

    /// Returns the folder where the modules lie that this file declares, with a `/` at its end.
    pub(crate) fn folder_of_children(&self) -> String {
        let stem = self.path.trim_end_matches(".rs");
        match stem.rsplit_once('/') {
            Some((folder, "mod" | "lib" | "main")) => format!("{folder}/"),
            _ => format!("{stem}/"),
        }
    }
}

impl Line {
    fn plain(raw: &str) -> Self {
        Self {
            raw: raw.to_owned(),
            ..Self::default()
        }
    }
}

/// Separates the code, the strings and the comments of a Rust file.
fn separate(text: &str) -> Vec<Line> {
    let chars: Vec<char> = text.chars().collect();
    let kinds = classify(&chars);
    let mut lines = Vec::new();
    let mut line = Line::default();
    for (&char, &kind) in chars.iter().zip(&kinds) {
        if char == '\n' {
            lines.push(std::mem::take(&mut line));
            continue;
        }
        let only = |is_kept: bool| if is_kept { char } else { ' ' };
        line.raw.push(char);
        line.code.push(only(kind == Kind::Code));
        line.comment.push(only(kind == Kind::Comment));
        line.text.push(only(kind != Kind::Comment));
    }
    if !line.raw.is_empty() {
        lines.push(line);
    }
    lines
}

/// Returns the kind of each character. The quotes of strings belong to the strings.
fn classify(chars: &[char]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; chars.len()];
    let mut at = 0;
    while at < chars.len() {
        let (kind, end) = match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => (Kind::Comment, find(chars, at, '\n')),
            ('/', Some('*')) => (Kind::Comment, end_of_block_comment(chars, at)),
            ('"', _) => (Kind::String, end_of_quoted(chars, at)),
            ('\'', _) if is_char_literal(chars, at) => (Kind::String, end_of_quoted(chars, at)),
            ('r', _) => match end_of_raw_string(chars, at) {
                Some(end) => (Kind::String, end),
                None => (Kind::Code, at + 1),
            },
            _ => (Kind::Code, at + 1),
        };
        kinds[at..end].fill(kind);
        at = end;
    }
    kinds
}

/// Returns the next index of `char` from `at` on, or the end.
fn find(chars: &[char], at: usize, char: char) -> usize {
    let found = chars[at..].iter().position(|&it| it == char);
    found.map_or(chars.len(), |distance| at + distance)
}

/// Returns the index after a block comment, which may contain others.
fn end_of_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

/// Returns the index after a string or character literal whose first quote is at `at`.
fn end_of_quoted(chars: &[char], at: usize) -> usize {
    let quote = chars[at];
    let mut end = at + 1;
    while end < chars.len() && chars[end] != quote {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    (end + 1).min(chars.len())
}

/// Returns `true` if a character literal begins at `at`, and `false` for a lifetime or label.
fn is_char_literal(chars: &[char], at: usize) -> bool {
    chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'')
}

/// Returns the index after the raw string whose `r` is at `at`, if one begins there.
fn end_of_raw_string(chars: &[char], at: usize) -> Option<usize> {
    let before = |distance: usize| at.checked_sub(distance).map(|at| chars[at]);
    let prefix = usize::from(matches!(before(1), Some('b' | 'c')));
    if before(1 + prefix).is_some_and(is_word) {
        return None;
    }
    let hashes = chars[at + 1..].iter().take_while(|&&it| it == '#').count();
    let quote = at + 1 + hashes;
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let mut end = quote + 1;
    loop {
        end = find(chars, end, '"') + 1;
        let after = chars.get(end..end + hashes);
        if after.is_none_or(|after| after.iter().all(|&it| it == '#')) {
            return Some((end + hashes).min(chars.len()));
        }
    }
}

/// Returns `true` for the characters of identifiers and numbers.
pub(crate) fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Splits the code of the lines into tokens.
fn tokenize(lines: &[Line]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut rest = line.code.as_str();
        while let Some(first) = rest.chars().next() {
            let len = match first {
                '\'' => 1 + word_len(&rest[1..]),
                ':' if rest.starts_with("::") => 2,
                _ => word_len(rest).max(first.len_utf8()),
            };
            if !first.is_whitespace() {
                tokens.push(Token {
                    text: rest[..len].to_owned(),
                    line: number + 1,
                    is_test: false,
                });
            }
            rest = &rest[len..];
        }
    }
    tokens
}

/// Returns the length of the word that the text begins with.
fn word_len(text: &str) -> usize {
    text.find(|it| !is_word(it)).unwrap_or(text.len())
}

/// Returns the index of the bracket that closes the one at `at`, or the end.
pub(crate) fn closing(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (distance, token) in tokens[at..].iter().enumerate() {
        match &*token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + distance;
        }
    }
    tokens.len().saturating_sub(1)
}

/// Marks the tokens of items that stand behind a `#[cfg(…)]` which is false outside tests, or
/// everything if such an attribute is the file's own.
fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let Some((open, is_inner)) = attribute(tokens, at) else {
            at += 1;
            continue;
        };
        let close = closing(tokens, open);
        let is_cfg = tokens.get(open + 1).is_some_and(|it| it.text == "cfg");
        if is_cfg && is_false_outside_tests(&tokens[open + 3..close]) {
            let (from, end) = match is_inner {
                true => (0, tokens.len()),
                false => (at, end_of_item(tokens, close + 1)),
            };
            tokens[from..end]
                .iter_mut()
                .for_each(|it| it.is_test = true);
            at = end;
        } else {
            at = close + 1;
        }
    }
}

/// Returns the index of the `[` of the attribute that begins at `at`, and whether it is `#![…]`.
pub(crate) fn attribute(tokens: &[Token], at: usize) -> Option<(usize, bool)> {
    let text = |at: usize| tokens.get(at).map_or("", |it| &*it.text);
    match (text(at), text(at + 1), text(at + 2)) {
        ("#", "[", _) => Some((at + 1, false)),
        ("#", "!", "[") => Some((at + 2, true)),
        _ => None,
    }
}

/// Returns `true` if the predicate of a `cfg` is false whenever `test` is.
fn is_false_outside_tests(predicate: &[Token]) -> bool {
    value(predicate) == Some(false)
}

/// Returns the value of the predicate without `test`, if it does not depend on anything else.
fn value(predicate: &[Token]) -> Option<bool> {
    let head = &*predicate.first()?.text;
    if predicate.get(1).is_none_or(|it| it.text != "(") {
        return (head == "test").then_some(false);
    }
    let inner = &predicate[2..closing(predicate, 1)];
    let mut values = arguments(inner).into_iter().map(value);
    match head {
        "not" => values.next()?.map(|it| !it),
        "all" if values.clone().any(|it| it == Some(false)) => Some(false),
        "any" if values.all(|it| it == Some(false)) => Some(false),
        _ => None,
    }
}

/// Splits at the commas that are not inside brackets.
fn arguments(tokens: &[Token]) -> Vec<&[Token]> {
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at < tokens.len() {
        if tokens[at].text == "," {
            parts.push(&tokens[from..at]);
            from = at + 1;
        }
        at = closing(tokens, at) + 1;
    }
    parts.push(&tokens[from..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// Returns the index after the item, statement or field that begins at `at`.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    while let Some((open, _)) = attribute(tokens, at) {
        at = closing(tokens, open) + 1;
    }
    let is_item = match tokens.get(at).map_or("", |it| &*it.text) {
        "pub" => {
            let next = if tokens.get(at + 1).is_some_and(|it| it.text == "(") {
                closing(tokens, at + 1) + 1
            } else {
                at + 1
            };
            tokens.get(next).is_some_and(|it| is_item_keyword(&it.text))
        }
        word => is_item_keyword(word),
    };
    while at < tokens.len() {
        let text = tokens[at].text.clone();
        if text == "}" || text == "," && !is_item {
            return at;
        }
        at = closing(tokens, at) + 1;
        if text == ";" || text == "{" {
            return at;
        }
    }
    tokens.len()
}

fn is_item_keyword(word: &str) -> bool {
    [
        "fn",
        "impl",
        "mod",
        "struct",
        "use",
        "const",
        "static",
        "type",
        "enum",
        "trait",
        "union",
        "unsafe",
        "extern",
        "async",
        "let",
        "macro_rules",
    ]
    .contains(&word)
}

mod tests {
    use super::{File, Tree, separate};

    /// Returns the code of the snippet, without spaces at the ends of its lines.
    fn code(text: &str) -> Vec<String> {
        let lines = separate(text);
        lines.iter().map(|it| it.code.trim().to_owned()).collect()
    }

    /// Returns the tokens of the snippet that are compiled outside tests.
    fn shipped(text: &str) -> String {
        let file = File::of("src/a.rs", text);
        let tokens: Vec<_> = file.shipped().map(|it| &*it.text).collect();
        tokens.join(" ")
    }

    #[test]
    fn a_slash_slash_in_a_string_begins_no_comment() {
        let lines = separate(r#"let a = "http://b"; // c "d"#);
        assert_eq!(lines[0].code.trim(), "let a =           ;");
        assert_eq!(lines[0].comment.trim(), r#"// c "d"#);
        assert_eq!(lines[0].text.trim(), r#"let a = "http://b";"#);
    }

    #[test]
    fn strings_end_where_their_quotes_are_not_escaped() {
        assert_eq!(code(r#"f("a\"b", "\\"); g()"#)[0], "f(      ,     ); g()");
        assert_eq!(code("f(\"a\n// b\n\"); g()"), ["f(", "", "); g()"]);
    }

    #[test]
    fn raw_strings_end_at_as_many_hashes_as_they_begin_with() {
        assert_eq!(
            code(r####"f(r##"a "# // b"##); g()"####)[0],
            "f(                ); g()"
        );
        assert_eq!(code(r#"f(br"\"); g(r#type)"#)[0], "f(b    ); g(r#type)");
        assert_eq!(code(r#"var"a // b""#)[0], "var");
    }

    #[test]
    fn lifetimes_and_labels_are_code_and_character_literals_are_strings() {
        assert_eq!(
            code("fn f<'a>(c: &'a T) { g('\"') }")[0],
            "fn f<'a>(c: &'a T) { g(   ) }"
        );
        assert_eq!(
            code(r"'x: loop { f('\'', b'\\', 'é') }")[0],
            "'x: loop { f(    , b    ,    ) }"
        );
    }

    #[test]
    fn block_comments_nest() {
        assert_eq!(code("a /* b /* c */ d */ e")[0], "a                   e");
        assert_eq!(code("a /* b\n*/ c"), ["a", "c"]);
    }

    #[test]
    fn test_modules_and_items_are_not_shipped() {
        let text = "a; #[cfg(test)] mod tests { b { c } } d; #[cfg(all(test, not(x)))] \
                    pub(super) fn f<A, B>(a: A) -> [B; 4] { g } h; #[cfg(not(test))] i;";
        assert_eq!(shipped(text), "a ; d ; h ; # [ cfg ( not ( test ) ) ] i ;");
        assert_eq!(shipped("#![cfg(test)] a;"), "");
        assert_eq!(
            shipped("#[cfg(any(test, x))] a;"),
            "# [ cfg ( any ( test , x ) ) ] a ;"
        );
    }

    #[test]
    fn test_fields_and_statements_are_not_shipped() {
        let text = "struct A { a: B, #[cfg(test)] pub(crate) b: [u8; 4], c: D }";
        assert_eq!(shipped(text), "struct A { a : B , , c : D }");
        assert_eq!(shipped("{ #[cfg(test)] f(a, b); g() }"), "{ g ( ) }");
    }

    #[test]
    fn files_of_test_modules_are_test_files() {
        let tree = Tree::of([
            ("src/a/mod.rs", "#[cfg(all(test, x))] mod b; mod c;"),
            ("src/a/b.rs", ""),
            ("src/a/b/d.rs", ""),
            ("src/a/c.rs", ""),
            ("src/a/model/e.rs", ""),
        ]);
        let tests = tree.rust().filter(|it| it.is_test).map(|it| &*it.path);
        let tests: Vec<_> = tests.collect();
        assert_eq!(tests, ["src/a/b.rs", "src/a/b/d.rs", "src/a/model/e.rs"]);
    }
}
