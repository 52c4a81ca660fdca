//! The floors: a file imports only from rooms on lower floors, or from its own room.

use crate::document::{ARCHITECTURE, Room, rooms};
use crate::imports::imports;
use crate::source::{Tree, tree};
use crate::{Violation, expect_none, listed};

/// Returns the room of a file: the one with the longest path that is, or contains, the file's.
fn room_of<'a>(rooms: &'a [Room], path: &str) -> Option<&'a Room> {
    let path = path.strip_prefix("src/")?;
    let contains = |room: &&Room| match room.path.ends_with('/') {
        true => path.starts_with(&room.path),
        false => path == room.path,
    };
    let rooms = rooms.iter().filter(contains);
    rooms.max_by_key(|room| room.path.len())
}

/// The table has each file of `src` in a room, and each of its rooms is there.
fn without_floor(tree: &Tree) -> Vec<Violation> {
    let rooms = tree.file(ARCHITECTURE).map_or(Vec::new(), rooms);
    let mut violations = Vec::new();
    for file in tree.src() {
        if room_of(&rooms, &file.path).is_none() {
            let what = format!(
                "has no floor: add its room, `{}`, to the table of floors in {ARCHITECTURE}",
                file.room_path()
            );
            violations.push(Violation::new(&file.path, 1, what));
        }
    }
    for (index, room) in rooms.iter().enumerate() {
        let path = &room.path;
        if rooms[..index].iter().any(|it| it.path == *path) {
            let what = format!("`{path}` has two floors: keep one");
            violations.push(Violation::new(ARCHITECTURE, room.line, what));
        }
        let has = |it: Option<&Room>| it.is_some_and(|it| it.path == *path);
        if !tree.src().any(|file| has(room_of(&rooms, &file.path))) {
            let what = format!("the room `{path}` has no files: take it out of the table");
            violations.push(Violation::new(ARCHITECTURE, room.line, what));
        }
    }
    violations
}

/// Each import leads to a lower floor or stays in its room.
fn upward(tree: &Tree) -> Vec<Violation> {
    let rooms = tree.file(ARCHITECTURE).map_or(Vec::new(), rooms);
    let mut violations = Vec::new();
    for import in imports(tree) {
        let rooms = (room_of(&rooms, &import.from), room_of(&rooms, &import.to));
        let (Some(from), Some(to)) = rooms else {
            continue;
        };
        if from.path != to.path && from.floor <= to.floor {
            let what = format!(
                "`{}` leads to `{}`, on floor {}, and `{}` is on floor {}: move what is used to a \
                 lower floor, or change the table in {ARCHITECTURE}",
                import.path, to.path, to.floor, from.path, from.floor
            );
            violations.push(Violation::new(&import.from, import.line, what));
        }
    }
    violations
}

#[test]
fn every_file_has_a_floor_and_every_room_has_files() {
    expect_none(without_floor(tree()));
}

#[test]
fn a_file_imports_only_from_lower_floors_or_its_own_room() {
    expect_none(upward(tree()));
}

const TABLE: &str = "\
| floor | room |
|---|---|
| 3 | `lib.rs` |
| 2 | `a/`, `b.rs` |
| 1 | `a/low/` |
";

#[test]
fn imports_from_the_same_floor_or_a_higher_one_are_found() {
    let tree = Tree::of([
        (ARCHITECTURE, TABLE),
        ("src/lib.rs", "pub use a::A;"),
        (
            "src/a/mod.rs",
            "mod other; use self::other::B;\nuse low::L;",
        ),
        (
            "src/a/other.rs",
            "use crate::b;\nuse super::C;\nuse crate::A;",
        ),
        ("src/a/low/mod.rs", "\nuse super::M;"),
        ("src/b.rs", ""),
    ]);
    let found: Vec<_> = listed(upward(&tree))
        .into_iter()
        .map(|it| it.split(": move").next().unwrap().to_owned())
        .collect();
    let expected = [
        "src/a/low/mod.rs:2: `super::M` leads to `a/`, on floor 2, and `a/low/` is on floor 1",
        "src/a/other.rs:1: `crate::b` leads to `b.rs`, on floor 2, and `a/` is on floor 2",
        "src/a/other.rs:3: `crate::A` leads to `lib.rs`, on floor 3, and `a/` is on floor 2",
    ];
    assert_eq!(found, expected);
    assert_eq!(listed(without_floor(&tree)), [""; 0]);
}

#[test]
fn files_without_a_floor_and_rooms_without_files_are_found() {
    let files = [
        (ARCHITECTURE, TABLE),
        ("src/lib.rs", ""),
        ("src/c.rs", ""),
        ("src/b.rs", ""),
    ];
    let found: Vec<_> = without_floor(&Tree::of(files))
        .into_iter()
        .map(|it| (it.file, it.line))
        .collect();
    let expected = [("src/c.rs", 1), (ARCHITECTURE, 4), (ARCHITECTURE, 5)];
    assert_eq!(found, expected.map(|(file, line)| (file.to_owned(), line)));
}
