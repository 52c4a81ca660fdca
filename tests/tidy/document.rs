//! ARCHITECTURE.md as the rules read it: the table of floors, the passages about folders, and the
//! names in backticks. One rule of its own: the document and `src` name the same files.

use crate::source::{File, Line, Tree, tree};
use crate::{Violation, expect_none, listed};

pub(crate) const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// A file or folder of `src`, and the floor that the table gives it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) floor: u32,
    /// The path below `src`; that of a folder ends with `/`.
    pub(crate) path: String,
    /// The number of the row's line.
    pub(crate) line: usize,
}

/// A piece of the document that is about a folder.
#[derive(Debug)]
struct Passage {
    /// The path below `src`, with a `/` at its end.
    folder: String,
    names: Vec<String>,
}

/// Returns the rooms of the table whose header begins with `| floor | room |`: each name in
/// backticks in its second column, with the number in its first.
pub(crate) fn rooms(document: &File) -> Vec<Room> {
    let mut rooms = Vec::new();
    for (number, cells) in rows(document) {
        let Ok(floor) = cells[0].parse() else {
            continue;
        };
        rooms.extend(backticked(cells[1]).map(|name| Room {
            floor,
            path: name.to_owned(),
            line: number,
        }));
    }
    rooms
}

/// Returns the rows of the table of floors, with the numbers of their lines.
fn rows(document: &File) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let cells = document.lines.iter().map(|line| cells(&line.raw));
    let numbered = (1..).zip(cells);
    let table = numbered.skip_while(|(_, cells)| !is_header(cells));
    table.take_while(|(_, cells)| cells.len() > 1)
}

fn is_header(cells: &[&str]) -> bool {
    cells.len() > 1 && cells[0] == "floor" && cells[1] == "room"
}

/// Returns the cells of a row, and nothing for a line that is none.
fn cells(line: &str) -> Vec<&str> {
    let row = line.trim().strip_prefix('|');
    let row = row.and_then(|row| row.strip_suffix('|'));
    row.map_or(Vec::new(), |row| row.split('|').map(str::trim).collect())
}

/// Returns what stands between backticks.
pub(crate) fn backticked(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the names in backticks; one such as `queue/{local, mod}` stands for several.
fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for name in backticked(text) {
        match name.split_once('{').zip(name.strip_suffix('}')) {
            Some(((folder, list), _)) => {
                let list = list.trim_end_matches('}').split([' ', ',']);
                let list = list.filter(|it| !it.is_empty());
                names.push(folder.to_owned());
                names.extend(list.map(|it| format!("{folder}{it}")));
            }
            None => names.push(name.to_owned()),
        }
    }
    names
}

/// Returns the passages about folders: the rows of the table of floors; what follows a heading
/// with the folder's name in backticks, up to the next heading; and what follows the words
/// "Inside `folder/`", up to the next of its kind or to the end of the paragraph.
fn passages(document: &File) -> Vec<Passage> {
    let mut passages = Vec::new();
    for (_, cells) in rows(document) {
        let text = cells.join(" | ");
        let folders = backticked(cells[1]).filter(|it| it.ends_with('/'));
        passages.extend(folders.map(|folder| Passage::new(folder, &text)));
    }
    let is_heading = |line: &Line| line.raw.starts_with('#');
    for section in document.lines.chunk_by(|_, next| !is_heading(next)) {
        let heading = names(&section[0].raw);
        let folder = heading.iter().find(|name| name.ends_with('/'));
        if let Some(folder) = folder.filter(|_| is_heading(&section[0])) {
            passages.push(Passage::new(folder, &joined(section)));
        }
    }
    for paragraph in document
        .lines
        .chunk_by(|_, next| !next.raw.trim().is_empty())
    {
        passages.extend(inside(&joined(paragraph)));
    }
    passages
}

/// Returns the pieces of the paragraph that begin with "Inside `folder/`".
fn inside(paragraph: &str) -> Vec<Passage> {
    let pieces = paragraph.split("Inside `").skip(1);
    let folders = pieces.filter_map(|piece| piece.split_once('`'));
    let folders = folders.filter(|(folder, _)| folder.ends_with('/'));
    folders
        .map(|(folder, text)| Passage::new(folder, text))
        .collect()
}

fn joined(lines: &[Line]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| line.raw.trim()).collect();
    lines.join(" ")
}

impl Passage {
    fn new(folder: &str, text: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            names: names(text),
        }
    }

    /// Returns `true` if the passage names the file: by its path, or, after each folder on the way
    /// to it, by its bare name.
    fn is_about(&self, file: &str) -> bool {
        let Some(rest) = file.strip_prefix(&*self.folder) else {
            return false;
        };
        let stem = rest.trim_end_matches(".rs");
        if self.has(rest) || self.has(stem) {
            return true;
        }
        let mut names = self.names.iter();
        let mut parts = stem.split('/').peekable();
        while let Some(part) = parts.next() {
            let is_folder = parts.peek().is_some();
            let is_part = |name: &&String| match name.strip_prefix(part) {
                Some("") => true,
                Some("/") => is_folder,
                Some(".rs") => !is_folder,
                _ => false,
            };
            // A folder's `mod.rs` is named with it.
            if names.find(is_part).is_none() {
                return part == "mod" && stem != "mod";
            }
        }
        true
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|it| it == name)
    }
}

/// Each file of `src` is named in ARCHITECTURE.md. The models are named together there, as the
/// `model.rs` of a folder.
fn unnamed(tree: &Tree) -> Vec<Violation> {
    let Some(document) = tree.file(ARCHITECTURE) else {
        return vec![Violation::new(ARCHITECTURE, 1, "is not there")];
    };
    let all: Vec<_> = document
        .lines
        .iter()
        .flat_map(|it| names(&it.raw))
        .collect();
    let passages = passages(document);
    let mut violations = Vec::new();
    for file in tree.src().filter(|file| !file.is_model()) {
        let path = file.room_path();
        let stem = path.trim_end_matches(".rs");
        let folder = path.strip_suffix("mod.rs").unwrap_or(path);
        let is_path = |name: &String| [path, folder].contains(&&**name);
        let is_named = all.iter().any(is_path)
            || all.iter().any(|name| name == stem && name.contains('/'))
            || passages.iter().any(|passage| passage.is_about(path));
        if !is_named {
            let what = format!(
                "is not named in {ARCHITECTURE}: say there what `{path}` is for, by its path, or \
                 by its name in the row of its folder or after \"Inside `folder/`\""
            );
            violations.push(Violation::new(&file.path, 1, what));
        }
    }
    violations
}

/// Each file or folder that ARCHITECTURE.md names is there.
fn misnamed(tree: &Tree) -> Vec<Violation> {
    let Some(document) = tree.file(ARCHITECTURE) else {
        return Vec::new();
    };
    let mut violations = Vec::new();
    for (number, line) in (1..).zip(&document.lines) {
        for name in names(&line.raw) {
            if is_path(&name) && !is_there(tree, &name) {
                let what = format!("`{name}` is not there: write where it has gone");
                violations.push(Violation::new(ARCHITECTURE, number, what));
            }
        }
    }
    violations
}

/// Returns `true` if the name in backticks means a file or folder.
fn is_path(name: &str) -> bool {
    let is_word = |char: char| char.is_ascii_lowercase() || "_/.".contains(char);
    let is_plain = name.chars().all(is_word) && !name.starts_with(['/', '.']);
    is_plain && (name.contains('/') || name.ends_with(".rs"))
}

/// Returns `true` if a path of the tree is the name, or has the name as its end or as a part.
fn is_there(tree: &Tree, name: &str) -> bool {
    let name = name.trim_end_matches(".rs");
    let part = format!("/{}/", name.trim_end_matches('/'));
    tree.files.iter().any(|file| {
        let path = format!("/{}/", file.path.trim_end_matches(".rs"));
        path.contains(&part) && (path.ends_with(&part) || name.contains('/'))
    })
}

#[test]
fn every_file_is_named_in_architecture() {
    expect_none(unnamed(tree()));
}

#[test]
fn every_file_that_architecture_names_is_there() {
    expect_none(misnamed(tree()));
}

const SMALL: &str = "\
| floor | room | what it is for |
|---|---|---|
| 2 | `lib.rs`, `a/` | `b`: one; `c/` with `d` |
| 1 | `e.rs` | two |

Inside `a/`: `f` (what) < `g/`
with `h`. Inside `c/`: `i`.

### `j/`
Also `k` and `l/{m, n}`.

A path: `a/c/o.rs`.
";

#[test]
fn the_table_of_floors_is_read() {
    let file = Tree::of([(ARCHITECTURE, SMALL)]);
    let rooms = rooms(&file.files[0]);
    let rooms: Vec<_> = rooms
        .iter()
        .map(|it| (it.floor, &*it.path, it.line))
        .collect();
    assert_eq!(rooms, [(2, "lib.rs", 3), (2, "a/", 3), (1, "e.rs", 4)]);
}

#[test]
fn a_file_is_named_by_path_or_in_a_passage_about_its_folder() {
    let named = "lib.rs e.rs a/b.rs a/mod.rs a/c/d.rs a/c/mod.rs a/f.rs a/g/h.rs c/i.rs \
                 j/k.rs j/l/m.rs a/c/o.rs";
    let unnamed_files = "p.rs b.rs e/mod.rs a/i.rs c/b.rs j/m.rs o.rs";
    let mut texts = vec![(ARCHITECTURE.to_owned(), SMALL)];
    let both = named.split(' ').chain(unnamed_files.split(' '));
    texts.extend(both.map(|path| (format!("src/{path}"), "")));
    let tree = Tree::of(texts.iter().map(|(path, text)| (&**path, *text)));
    let found: Vec<_> = unnamed(&tree).into_iter().map(|it| it.file).collect();
    let expected: Vec<_> = unnamed_files
        .split(' ')
        .map(|it| format!("src/{it}"))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_name_without_its_file_is_found() {
    let texts = [
        (
            ARCHITECTURE,
            "`a/b.rs` `b.rs` `a/` `a/b` `x/` `a/x.rs` `A::b`\n`c` `d.rs`",
        ),
        ("src/a/b.rs", ""),
    ];
    let found = listed(misnamed(&Tree::of(texts)));
    let places: Vec<_> = found
        .iter()
        .map(|it| &it[..it.find(" is").unwrap()])
        .collect();
    let expected = ["1: `x/`", "1: `a/x.rs`", "2: `d.rs`"];
    assert_eq!(places, expected.map(|it| format!("{ARCHITECTURE}:{it}")));
}
