//! `checksum`, which hashes trees and checks lists, in the format of `sha256sum`.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::{Folder, Run, program};

/// Contents of files, and their hashes, which are those of the standard's examples.
const EMPTY: (&str, &str) = (
    "",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
);
const ABC: (&str, &str) = (
    "abc",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
);
const TWO_BLOCKS: (&str, &str) = (
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
);
/// The hash of a million times an `a`.
const MILLION: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

/// A tree of files: odd names, hidden and ignored files, empty files, links, a pipe.
struct Tree {
    folder: Folder,
    files: Vec<Listed>,
}

/// A file: its path, its hash, and how a list and a check write its name.
struct Listed {
    path: Vec<u8>,
    hash: &'static str,
    in_list: Vec<u8>,
    in_check: Vec<u8>,
}

impl Tree {
    fn new() -> Self {
        let mut tree = Self {
            folder: Folder::new(),
            files: Vec::new(),
        };
        for folder in ["sub/deep", "sub-a", ".hidden", "emptydir", "with space"] {
            fs::create_dir_all(tree.path("tree").join(folder)).expect("a folder can be made");
        }
        for number in 1..=300 {
            tree.add(&format!("sub/f{number}"), [ABC, TWO_BLOCKS][number % 2]);
        }
        tree.add("with space/ lead and trail ", ABC);
        tree.add(".hidden/.file", ABC);
        tree.add("sub/.gitignore", ("f1\n", F1));
        tree.add("sub-a/x", ABC);
        tree.add("sub.b", ABC);
        tree.add("quote\"and'tick", ABC);
        tree.add("*", ABC);
        tree.add("empty", EMPTY);
        tree.add("sub/deep/empty", EMPTY);
        tree.add("large", (&"a".repeat(1_000_000), MILLION));
        tree.add_as("new\nline", r"\tree/new\nline", r"\tree/new\nline");
        tree.add_as(r"back\slash", r"\tree/back\\slash", r"tree/back\slash");
        tree.add_as("car\rriage", r"\tree/car\rriage", "tree/car\rriage");
        if cfg!(target_os = "linux") {
            tree.add_bytes(b"not\xffutf8", TWO_BLOCKS);
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));

        let link = |target: &str, name| symlink(target, tree.path(name)).expect("a link is made");
        link("large", "tree/link");
        link("../tree", "tree/sub/loop");
        link("nowhere", "tree/dangling");
        let pipe = Command::new("mkfifo").arg(tree.path("tree/pipe")).status();
        assert!(pipe.is_ok_and(|status| status.success()), "a pipe is made");
        tree
    }

    fn add(&mut self, name: &str, content: (&str, &'static str)) {
        self.add_bytes(name.as_bytes(), content);
    }

    /// Adds a file whose name a list escapes.
    fn add_as(&mut self, name: &str, in_list: &str, in_check: &str) {
        self.add(name, ABC);
        let added = self.files.last_mut().expect("it was added");
        added.in_list = in_list.into();
        added.in_check = in_check.into();
    }

    fn add_bytes(&mut self, name: &[u8], (content, hash): (&str, &'static str)) {
        let path = [b"tree/", name].concat();
        fs::write(self.path(OsStr::from_bytes(&path)), content).expect("a file can be made");
        self.files.push(Listed {
            in_list: path.clone(),
            in_check: path.clone(),
            path,
            hash,
        });
    }

    fn path(&self, path: impl AsRef<Path>) -> std::path::PathBuf {
        self.folder.path.join(path)
    }

    /// Returns the list of all files, in bytewise order of their paths.
    fn list(&self) -> Vec<u8> {
        let line = |file: &Listed| {
            let (mark, name) = match file.in_list.strip_prefix(b"\\") {
                Some(name) => ("\\", name),
                None => ("", &*file.in_list),
            };
            [mark.as_bytes(), file.hash.as_bytes(), b"  ", name, b"\n"].concat()
        };
        self.files.iter().flat_map(line).collect()
    }

    /// Returns the lines of a check that finds nothing.
    fn verdicts(&self) -> Vec<u8> {
        let verdict = |file: &Listed| [&*file.in_check, b": OK\n"].concat();
        self.files.iter().flat_map(verdict).collect()
    }

    /// Runs `checksum` beside the tree.
    fn checksum(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(program("checksum"));
        self.folder.run(command.args(arguments))
    }
}

/// The hash of `f1` and a newline.
const F1: &str = "d690916cdea320e620748799a2051a0f4e07d6d0c3e2bc199ea3c69e0c0b5e4f";

#[track_caller]
fn complains(run: &Run, complaint: &str) {
    let complains = run.err.lines().any(|line| line.starts_with(complaint));
    assert!(complains, "expected {complaint}\n{run}");
}

#[test]
fn hashes_a_tree_in_bytewise_order() {
    let tree = Tree::new();
    for arguments in [
        ["tree"].as_slice(),
        &["--threads", "1", "tree"],
        &["tree/sub", "tree", "tree/empty", "tree/sub-a/x"],
    ] {
        let run = tree.checksum(arguments);
        run.exits(0);
        assert!(
            run.out == tree.list(),
            "expected {}\n{run}",
            lossy(&tree.list())
        );
    }
}

#[test]
fn accepts_its_own_list() {
    let tree = Tree::new();
    fs::write(tree.path("list"), tree.list()).expect("a file can be made");
    let from_file = tree.checksum(&["--check", "list"]);
    let mut command = Command::new(program("checksum"));
    let list = File::open(tree.path("list")).expect("it is there");
    let command = command.args(["--check", "-"]).stdin(list);
    let from_standard_input = tree.folder.start(command).end();
    for run in [from_file, from_standard_input] {
        run.exits(0);
        let expected = tree.verdicts();
        assert!(run.out == expected, "expected {}\n{run}", lossy(&expected));
    }
}

#[test]
fn finds_a_change_and_a_loss() {
    let tree = Tree::new();
    let list = [&*tree.list(), b"no hash here\n"].concat();
    fs::write(tree.path("list"), list).expect("a file can be made");
    fs::write(tree.path("tree/empty"), "changed").expect("a file can be changed");
    fs::remove_file(tree.path("tree/sub-a/x")).expect("a file can be removed");
    let run = tree.checksum(&["--check", "list"]);
    run.exits(1);
    let failed: Vec<_> = run.lines_with("FAILED").collect();
    run.are_in_any_order(
        &failed,
        ["tree/empty: FAILED", "tree/sub-a/x: FAILED open or read"],
    );
    complains(&run, "checksum: WARNING: 1 line is improperly formatted");
    complains(&run, "checksum: WARNING: 1 listed file is unreadable");
    complains(&run, "checksum: WARNING: 1 computed checksum is wrong");
}

#[test]
fn refuses_what_is_no_list() {
    let tree = Tree::new();
    let run = tree.checksum(&["--check", "tree/sub/f1"]);
    complains(run.exits(1), "checksum: tree/sub/f1: no properly formatted");
    let run = tree.checksum(&["--check", "nowhere"]);
    complains(run.exits(1), "checksum: nowhere: No such file");
}

#[test]
fn complains_of_what_it_cannot_read_and_hashes_the_rest() {
    let tree = Tree::new();
    let run = tree.checksum(&["tree/sub", "nowhere", "tree/link", "tree/pipe"]);
    run.exits(1);
    complains(&run, "checksum: nowhere: No such file");
    complains(&run, "checksum: tree/link: is a symbolic link");
    complains(&run, "checksum: tree/pipe: is not a regular file");
    let in_sub = |file: &&Listed| file.path.starts_with(b"tree/sub/");
    assert_eq!(
        run.lines().count(),
        tree.files.iter().filter(in_sub).count(),
        "{run}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn names_a_file_that_fails_while_it_is_read() {
    let tree = Tree::new();
    let run = tree.checksum(&["/proc/self/mem", "tree/sub/f1"]);
    complains(run.exits(1), "checksum: /proc/self/mem: ");
    run.prints([format!("{}  tree/sub/f1", TWO_BLOCKS.1)]);
}

#[test]
fn explains_its_command_line() {
    let tree = Tree::new();
    let run = tree.checksum(&["--help"]);
    assert!(run.exits(0).text.contains("--threads <N>"), "{run}");
    let run = tree.checksum(&[]);
    assert!(run.exits(2).err.contains("checksum --check"), "{run}");
    for (wrong, complaint) in [
        ("--threads 0 tree", "invalid value '0' for '--threads <N>'"),
        ("--threads=70000 tree", "invalid value '70000' for"),
        ("--check list tree", "'--check <FILE>' cannot be used with"),
        ("--check=list --check list", "cannot be used multiple times"),
        ("--check", "missing argument for option '--check'"),
        ("--nothing tree", "invalid option '--nothing'"),
    ] {
        let run = tree.checksum(&wrong.split(' ').collect::<Vec<_>>());
        let is_error = run.exits(2).err.starts_with("error: ");
        assert!(is_error && run.err.contains(complaint), "{run}");
        assert_eq!(run.text, "", "{run}");
    }
}

/// Ctrl-C in the middle of files that never end in time.
#[test]
fn ends_in_order_when_it_is_interrupted() {
    let tree = Tree::new();
    for name in ["x", "y", "z"] {
        let huge = File::create(tree.path(format!("huge-{name}"))).expect("a file can be made");
        huge.set_len(100 << 30).expect("a file may have a hole");
    }
    let mut command = Command::new(program("checksum"));
    let paths = [
        "tree/sub",
        "tree/large",
        "z/../huge-x",
        "z/../huge-y",
        "z/../huge-z",
    ];
    fs::create_dir(tree.path("z")).expect("a folder can be made");
    let command = command.args(["--threads", "2"]).args(paths);
    let mut running = tree.folder.start(command.stdin(Stdio::null()));
    // All lines that come first have been printed, and the huge files have begun.
    let sub = 303;
    running.until(|it| {
        let printed = fs::read(&it.out).ok()?;
        (printed.iter().filter(|byte| **byte == b'\n').count() == sub).then_some(())
    });
    let id = running.child.id();
    let kill = Command::new("sh")
        .args(["-c", &format!("kill -INT {id}")])
        .status();
    assert!(kill.is_ok_and(|status| status.success()));
    let run = running.end();
    run.exits(130);
    assert!(run.err.lines().eq(["checksum: interrupted"]), "{run}");
    assert_eq!(run.lines().count(), sub, "{run}");
    for line in run.lines() {
        let (hash, name) = line.split_at(64);
        assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{run}");
        assert!(name.starts_with("  tree/") && !name.ends_with(' '), "{run}");
    }
}

#[test]
fn succeeds_when_nobody_reads_its_lines() {
    let tree = Tree::new();
    let script = "{ \"$1\" tree; echo $? >status; } | :";
    let mut command = Command::new("sh");
    let command = command.args(["-c", script, "sh"]).arg(program("checksum"));
    let run = tree.folder.run(command);
    let status = fs::read_to_string(tree.path("status")).expect("it was written");
    assert_eq!((&*status, &*run.err), ("0\n", ""), "{run}");
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
