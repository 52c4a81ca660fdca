//! Finds the files to hash, in bytewise order of their paths.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// A regular file, or a message about a directory that could not be searched.
type Found = Result<PathBuf, String>;

/// Returns every regular file under `paths` once, in bytewise order of the paths as printed.
///
/// Each path is walked in order by itself; the walks are merged, so that files come in order
/// whatever the order of the arguments.
pub(crate) fn in_order(paths: &[PathBuf]) -> impl Iterator<Item = Found> {
    let mut walks: Vec<_> = paths.iter().map(|path| walk(path)).collect();
    let mut heads = BinaryHeap::new();
    for (index, walk) in walks.iter_mut().enumerate() {
        heads.extend(walk.next().map(|entry| Reverse(Head { entry, index })));
    }
    let mut last = None;
    std::iter::from_fn(move || {
        loop {
            let Reverse(Head { entry, index }) = heads.pop()?;
            let next = walks[index].next();
            heads.extend(next.map(|entry| Reverse(Head { entry, index })));
            match judge(entry) {
                Some(Ok(path)) if last.as_ref() == Some(&path) => {}
                Some(Ok(path)) => {
                    last = Some(path.clone());
                    return Some(Ok(path));
                }
                Some(error) => return Some(error),
                None => {}
            }
        }
    })
}

/// Adds up the sizes of the files under `paths`; `None` when `stop` returns `true`.
pub(crate) fn total_size(paths: &[PathBuf], stop: impl Fn() -> bool) -> Option<u64> {
    let mut bytes = 0;
    for path in in_order(paths).flatten() {
        if stop() {
            return None;
        }
        bytes += path.symlink_metadata().map_or(0, |metadata| metadata.len());
    }
    Some(bytes)
}

type Entry = walkdir::Result<DirEntry>;

fn walk(path: &Path) -> walkdir::IntoIter {
    WalkDir::new(path)
        .follow_links(false)
        .follow_root_links(false)
        .sort_by(|a, b| key(a).cmp(key(b)))
        .into_iter()
}

/// The sort key of a name: its bytes, and for a directory the slash that will follow.
fn key(entry: &DirEntry) -> impl Iterator<Item = u8> {
    let slash = entry.file_type().is_dir().then_some(b'/');
    let name = entry.file_name().as_encoded_bytes();
    name.iter().copied().chain(slash)
}

/// The next entry of one of the walks, ordered by path.
struct Head {
    entry: Entry,
    index: usize,
}

impl Head {
    fn key(&self) -> (&[u8], usize) {
        let path = match &self.entry {
            Ok(entry) => Some(entry.path()),
            Err(error) => error.path(),
        };
        let bytes = path.map_or(&[][..], |path| path.as_os_str().as_encoded_bytes());
        (bytes, self.index)
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

/// A file to hash, a message, or nothing to do.
///
/// Entries that are no regular files are passed over, unless the user named them.
fn judge(entry: Entry) -> Option<Found> {
    let entry = match entry {
        Ok(entry) => entry,
        Err(error) => return Some(Err(describe(&error))),
    };
    let kind = entry.file_type();
    if kind.is_file() {
        return Some(Ok(entry.into_path()));
    }
    let why = if kind.is_dir() || entry.depth() > 0 {
        return None;
    } else if kind.is_symlink() {
        "is a symbolic link, which is not followed"
    } else {
        "is not a regular file"
    };
    Some(Err(format!("{}: {why}", entry.path().display())))
}

fn describe(error: &walkdir::Error) -> String {
    match (error.path(), error.io_error()) {
        (Some(path), Some(cause)) => format!("{}: {cause}", path.display()),
        _ => error.to_string(),
    }
}
