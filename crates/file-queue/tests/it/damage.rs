//! Files that are damaged: it is noticed where it can be, and nothing wrong is handed out.

use std::fs;
use std::path::Path;
use std::process::Command;

use workmill_file_queue::{ErrorKind, FileQueue};

use crate::support::{Place, assert_sound, kind, rest, tamper};

/// Returns an item that is found in a file by its text.
fn item(number: usize) -> String {
    format!("item {number:04} {}", "x".repeat(500))
}

/// A closed queue with 100 items.
fn filled() -> Place {
    let place = Place::new();
    let queue = place.open();
    let items: Vec<_> = (0..100).map(item).collect();
    queue.put_all(&items).unwrap();
    drop(queue);
    assert!(!place.beside("-wal").exists(), "all is in one file");
    place
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_in_a_body_sets_that_item_aside() {
    let place = filled();
    change(&place.path, |bytes| {
        let text = b"item 0001";
        let found = bytes.windows(text.len()).enumerate();
        let all: Vec<_> = found
            .filter(|(_, it)| it == text)
            .map(|(at, _)| at)
            .collect();
        // Some may be remains in the unused part of a page.
        assert!(!all.is_empty());
        all.iter().for_each(|at| bytes[at + 20] ^= 1);
    });
    let queue = place.open::<String>();
    assert_eq!(queue.get().unwrap(), item(0));
    let error = queue.get().unwrap_err();
    assert_eq!(
        (error.kind(), error.item_id()),
        (ErrorKind::DamagedItem, Some(2))
    );
    assert_eq!(queue.get().unwrap(), item(2));
    assert_eq!(queue.unfinished().unwrap(), 97);
    // Put back, it is set aside again, by a take that holds, too.
    assert_eq!(queue.restore().unwrap(), 1);
    assert_eq!(kind(queue.get_task()), ErrorKind::DamagedItem);
    assert_eq!(*queue.get_task().unwrap(), item(3));
    assert_sound(&place.path);
}

#[test]
fn a_body_at_the_place_of_another_is_noticed() {
    let place = filled();
    tamper(
        &place.path,
        "UPDATE items SET (body, checksum) = (SELECT body, checksum FROM items WHERE id = 2)
         WHERE id = 1",
    );
    let queue = place.open::<String>();
    assert_eq!(kind(queue.get()), ErrorKind::DamagedItem);
    assert_eq!(queue.get().unwrap(), item(1));
}

#[test]
fn damaged_pages_are_an_error_and_hand_out_nothing() {
    let place = filled();
    change(&place.path, |bytes| bytes[4096..].fill(0x55));
    match FileQueue::<String>::open(&place.path) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged),
        Ok(queue) => {
            for outcome in [
                queue.get(),
                queue.get(),
                queue.put(&item(1)).map(|()| item(1)),
            ] {
                assert_eq!(kind(outcome), ErrorKind::Damaged);
            }
        }
    }
}

#[test]
fn one_damaged_page_of_items_is_an_error_and_hands_out_nothing_wrong() {
    for page in 2..20 {
        let place = filled();
        change(&place.path, |bytes| bytes[page * 4096..][..4096].fill(0x55));
        let Ok(queue) = FileQueue::<String>::open(&place.path) else {
            continue;
        };
        let mut seen = 0;
        loop {
            match queue.try_get() {
                Ok(text) => assert_eq!(text, item(seen)),
                Err(error) if error.kind() == ErrorKind::DamagedItem => {}
                Err(error) if error.kind() == ErrorKind::Damaged => break,
                // It was another page, which no get needs.
                Err(error) if error.kind() == ErrorKind::Empty => break assert_eq!(seen, 100),
                Err(error) => panic!("{error}"),
            }
            seen += 1;
        }
    }
}

#[test]
fn a_file_that_was_cut_off_is_an_error() {
    let place = filled();
    change(&place.path, |bytes| bytes.truncate(4096 * 5));
    let outcome = FileQueue::<String>::open(&place.path).and_then(|it| it.get());
    assert_eq!(kind(outcome), ErrorKind::Damaged);
}

#[test]
fn a_damaged_header_is_no_queue() {
    let place = filled();
    change(&place.path, |bytes| bytes[..16].fill(0));
    assert_eq!(
        kind(FileQueue::<String>::open(&place.path)),
        ErrorKind::NotAQueue
    );
}

/// The items behind the damage are lost, and nobody can tell: SQLite takes it for the end of the
/// log that was written when the process died. The items before it are there, and so is the file.
#[test]
fn a_damaged_wal_is_cut_at_the_damage() {
    let (place, crashed) = (Place::new(), Place::new());
    let queue = place.open();
    (0..50).for_each(|n| queue.put(&item(n)).unwrap());
    // As the disk is after a crash. Another process copies it, for this one must not read files
    // that it has open as a queue.
    for end in ["", "-wal"] {
        let mut copy = Command::new("cp");
        copy.args([place.beside(end), crashed.beside(end)]);
        assert!(copy.status().unwrap().success());
    }
    change(&crashed.beside("-wal"), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0x55);
    });
    let queue = crashed.open::<String>();
    let found = rest(&queue);
    let count = found.len();
    assert!(0 < count && count < 50, "{count}");
    assert!(found.into_iter().eq((0..count).map(item)));
    queue.put(&item(7)).unwrap();
    assert_eq!(queue.get().unwrap(), item(7));
    assert_sound(&crashed.path);
}
