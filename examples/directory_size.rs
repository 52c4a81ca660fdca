//! The size of a directory: a task for each folder in it, and all add to numbers that they borrow.
//!
//! `cargo run --release --example directory_size -- PATH`. The whole tree is one scope: a task that
//! finds a folder submits a task for that. At the end the numbers are compared with those of a
//! program without threads.

use std::error::Error;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{env, io};

use workmill::{Scope, ThreadPoolExecutor};

/// The numbers that all tasks add to.
#[derive(Default)]
struct Total {
    bytes: AtomicU64,
    files: AtomicU64,
    errors: Mutex<Vec<String>>,
}

impl Total {
    fn add_file(&self, entry: &DirEntry) -> io::Result<()> {
        self.bytes.fetch_add(entry.metadata()?.len(), Relaxed);
        self.files.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Adds the files of a folder, and calls `descend` for each folder in it.
    fn add_folder(&self, folder: &Path, mut descend: impl FnMut(PathBuf)) {
        let mut add = || {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                match entry.file_type()? {
                    kind if kind.is_dir() => descend(entry.path()),
                    kind if kind.is_file() => self.add_file(&entry)?,
                    _ => {}
                }
            }
            Ok::<(), io::Error>(())
        };
        if let Err(error) = add() {
            let message = format!("{}: {error}", folder.display());
            self.errors.lock().unwrap().push(message);
        }
    }
}

/// With tasks, which borrow the total from `main`.
fn measure<'scope>(scope: &'scope Scope<'scope, '_>, folder: &Path, total: &'scope Total) {
    total.add_folder(folder, |inner| {
        scope.execute(move || measure(scope, &inner, total));
    });
}

/// Without.
fn measure_alone(folder: &Path, total: &Total) {
    total.add_folder(folder, |inner| measure_alone(&inner, total));
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| ".".into()));
    let pool = ThreadPoolExecutor::new(4)?;

    let total = Total::default();
    pool.scope(|scope| measure(scope, &folder, &total)); // returns when all tasks have ended
    let (bytes, files) = (total.bytes.into_inner(), total.files.into_inner());
    println!("{bytes} bytes in {files} files");
    for error in total.errors.into_inner()? {
        eprintln!("{error}");
    }

    let alone = Total::default();
    measure_alone(&folder, &alone);
    let is_equal = bytes == alone.bytes.into_inner() && files == alone.files.into_inner();
    let answer = if is_equal {
        "the same"
    } else {
        "another number, the files have changed"
    };
    println!("without threads: {answer}");
    Ok(())
}
