//! The tool that shows what lies in a queue's file.

use std::path::Path;
use std::process::{Command, Output};

use serde::Serialize;

use crate::child::Child;
use crate::support::{Place, kind};

fn ls(words: &[&str], path: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_file_queue"))
        .args(words)
        .arg(path)
        .output()
        .expect("the tool runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[derive(Serialize, serde::Deserialize)]
struct Mail {
    to: String,
    copies: Vec<u32>,
    urgent: Option<bool>,
}

fn mail(to: &str) -> Mail {
    Mail {
        to: to.into(),
        copies: vec![1, 2],
        urgent: None,
    }
}

#[test]
fn it_lists_the_items_and_where_they_stand() {
    let place = Place::new();
    let queue = place.open();
    queue
        .put_all(&[mail("ann"), mail("bob\n"), mail("cy")])
        .unwrap();
    let numbers = place.open::<u32>();
    kind(numbers.get());
    let task = queue.get_task().unwrap();
    queue.close().unwrap();
    let output = ls(&["ls"], &place.path);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<_> = out.lines().collect();
    assert!(
        lines[0].contains("closed: 1 ready, 1 taken, 1 set aside"),
        "{out}"
    );
    assert!(
        lines[1].contains(r#"{"to": "ann", "copies": [1, 2], "urgent": null}"#),
        "{out}"
    );
    assert!(
        lines[1].contains("set aside") && lines[1].contains("cannot be decoded"),
        "{out}"
    );
    assert!(
        lines[2].contains(&format!("taken by process {}", std::process::id())),
        "{out}"
    );
    assert!(lines[2].contains(r#""bob\n""#), "{out}");
    assert!(
        lines[3].contains("ready") && lines[3].contains("cy"),
        "{out}"
    );
    assert_eq!(lines.len(), 4);
    // It has changed nothing.
    task.done().unwrap();
    assert_eq!(queue.get().unwrap().to, "cy");
}

#[test]
fn it_tells_that_a_process_is_gone() {
    let place = Place::new();
    place.open().put(&7_u64).unwrap();
    let taker = Child::new("takes one task and keeps it", &place.path);
    taker.expect("took 1");
    let id = taker.id();
    let shown = || text(&ls(&["ls"], &place.path).stdout);
    assert!(shown().contains(&format!("taken by process {id}  taken 1 times  7")));
    taker.kill();
    assert!(shown().contains(&format!("taken by process {id}, which is gone")));
}

#[test]
fn it_shows_as_many_items_and_as_much_of_each_as_can_be_read() {
    let place = Place::new();
    let queue = place.open();
    queue.put_all(&vec!["ü".repeat(1000); 105]).unwrap();
    let out = text(&ls(&["ls"], &place.path).stdout);
    assert_eq!(out.lines().count(), 1 + 100 + 1);
    assert!(out.ends_with("and 5 more\n"), "{out}");
    assert!(out.lines().nth(1).unwrap().ends_with(" …"));
    let output = Command::new(env!("CARGO_BIN_EXE_file_queue"))
        .arg("ls")
        .args([place.path.as_os_str(), "2".as_ref()])
        .output()
        .expect("the tool runs");
    assert!(text(&output.stdout).ends_with("and 103 more\n"));
}

#[test]
fn it_says_what_is_wrong() {
    let place = Place::new();
    let output = ls(&["ls"], &place.path);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("queue"),
        "{}",
        text(&output.stderr)
    );
    for words in [&[][..], &["rm"], &["ls", "x"], &["ls", "1", "2"]] {
        let output = ls(words, &place.path);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("file_queue ls PATH [COUNT]"));
    }
    assert!(!place.path.exists());
}
